//! SW2: schemas, strict or not.

use super::{ERROR, KNOWN, OPENAI, Rule, UNDATED, strict_x, tool, tool_x};
use crate::request::lint::{Severity, Target};

pub(in super::super) const ROOT_TYPE: Rule = Rule {
    code: "SW201",
    name: "schema-root-type",
    targets: OPENAI,
    says: "The parameters are no schema of an object: the root has no `type`, or another one than \"object\".",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.",
    source: "coder/aibridge#12",
    seen: "2026-06",
    fix: "add \"type\": \"object\"",
    bad: tool!(r#"{"properties":{}}"#),
    good: tool!(r#"{"type":"object","properties":{}}"#),
    ..ERROR
};

pub(in super::super) const ROOT_COMBINATOR: Rule = Rule {
    code: "SW202",
    name: "schema-root-combinator",
    targets: &[Target::OpenaiChat, Target::OpenaiResponses, Target::Azure, Target::AnthropicCompat],
    says: "The root of the parameters has oneOf, anyOf, allOf, enum or not: Responses refuses that always, Chat where it is strict.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.",
    source: "ten public reports; for Anthropic general knowledge",
    seen: "2026-09",
    fix: "put the alternatives into a property",
    bad: tool!(r#"{"type":"object","properties":{"x":{"type":"string"}},"anyOf":[{"required":["x"]}]}"#),
    good: tool!(r#"{"type":"object","properties":{"x":{"type":"string"}},"required":["x"]}"#),
    ..ERROR
};

pub(in super::super) const NO_PROPERTIES: Rule = Rule {
    code: "SW203",
    name: "object-without-properties",
    targets: OPENAI,
    says: "A schema of an object has no `properties`, not even an empty one: Responses and strict schemas want them.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=(), object schema missing properties.",
    source: "github/github-mcp-server#1548; openai/openai-agents-python#454; NousResearch/hermes-agent#2095",
    seen: "2026-03",
    fix: "add \"properties\": {}",
    bad: tool!(r#"{"type":"object"}"#),
    good: tool!(r#"{"type":"object","properties":{}}"#),
    ..ERROR
};

pub(in super::super) const NO_ITEMS: Rule = Rule {
    code: "SW204",
    name: "array-without-items",
    targets: &[Target::OpenaiChat, Target::OpenaiResponses, Target::Azure, Target::GeminiCompat],
    says: "A schema of an array does not say what its items are.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=('properties', 'x'), array schema missing items.",
    source: "three public reports",
    seen: "2026-06",
    fix: "say what the items are: \"items\": {\"type\": \"string\"}",
    bad: tool_x!(r#"{"type":"array"}"#),
    good: tool_x!(r#"{"type":"array","items":{"type":"string"}}"#),
    ..ERROR
};

pub(in super::super) const NO_TYPE: Rule = Rule {
    code: "SW205",
    name: "schema-without-type",
    targets: OPENAI,
    says: "A part of a strict schema has no `type`, and nothing that stands for it.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=('properties', 'x'), schema must have a 'type' key.",
    source: "apexive/odoo-llm#212",
    seen: "2026-06",
    fix: "say which type it has",
    bad: strict_x!(r#"{"description":"anything"}"#),
    good: strict_x!(r#"{"type":"string","description":"anything"}"#),
    ..ERROR
};

pub(in super::super) const VALUE: Rule = Rule {
    code: "SW206",
    name: "schema-value-invalid",
    says: "A keyword of a schema has a value that no draft of JSON Schema allows.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': 'str' is not valid under any of the given schemas.",
    source: "browser-use#759; community.openai.com 1062703",
    seen: "2026-06",
    fix: "write it as JSON Schema does: `required` and `enum` are arrays, `properties` is an object, a type is one of seven words",
    bad: tool_x!(r#"{"type":"str"}"#),
    good: tool_x!(r#"{"type":"string"}"#),
    ..ERROR
};

pub(in super::super) const LOOKAROUND: Rule = Rule {
    code: "SW207",
    name: "pattern-lookaround",
    targets: OPENAI,
    says: "A regular expression looks ahead or behind, which OpenAI's engine cannot: a 400 today, a 500 or an error inside the stream before.",
    reply: "400 invalid_json_schema: Invalid JSON schema: regex lookaround is not supported. Found at $.properties.x.pattern.",
    source: "anomalyco/opencode#32073; vercel/ai#16021, #21037 (strict, tried without and with); OmniRoute#7100 (Responses)",
    seen: "2026-09",
    fix: "leave `pattern` out and say in the description what is wanted",
    bad: strict_x!(r#"{"type":"string","pattern":"^(?!-)[a-z-]+$"}"#),
    good: strict_x!(r#"{"type":"string"}"#),
    ..ERROR
};

pub(in super::super) const BACKREFERENCE: Rule = Rule {
    code: "SW208",
    name: "pattern-backreference",
    targets: OPENAI,
    says: "A regular expression refers back to a group, which OpenAI's engine cannot.",
    reply: "400 invalid_json_schema, or server_error.",
    source: "eight public reports on regular expressions that OpenAI does not compile",
    seen: "2026-09",
    fix: "leave `pattern` out and say in the description what is wanted",
    bad: strict_x!(r#"{"type":"string","pattern":"^([ab])\\1$"}"#),
    good: strict_x!(r#"{"type":"string"}"#),
    ..ERROR
};

pub(in super::super) const PATTERN_ESCAPE: Rule = Rule {
    code: "SW209",
    name: "pattern-escape",
    targets: OPENAI,
    says: "A regular expression has an escape that OpenAI's engine does not know: \\p{…} or \\0.",
    reply: "400 invalid_json_schema: … is not a 'regex'; or server_error.",
    source: "BerriAI/litellm#40485",
    seen: "2026-09",
    fix: "leave `pattern` out, or write the characters as a class",
    bad: strict_x!(r#"{"type":"string","pattern":"^\\p{L}+$"}"#),
    good: strict_x!(r#"{"type":"string","pattern":"^[a-z]+$"}"#),
    ..ERROR
};

pub(in super::super) const PATTERN_BROKEN: Rule = Rule {
    code: "SW210",
    name: "pattern-invalid",
    targets: OPENAI,
    says: "A `pattern` is no regular expression: no engine compiles it.",
    reply: "400 invalid_function_parameters: … is not a 'regex'.",
    source: "eight public reports on regular expressions that OpenAI does not compile",
    seen: "2026-09",
    fix: "mend the expression or leave `pattern` out",
    bad: strict_x!(r#"{"type":"string","pattern":"^[a-z+$"}"#),
    good: strict_x!(r#"{"type":"string","pattern":"^[a-z]+$"}"#),
    ..ERROR
};

pub(in super::super) const REF_DANGLING: Rule = Rule {
    code: "SW211",
    name: "ref-dangling",
    says: "A `$ref` points at nothing in the schema that it stands in.",
    reply: "400 invalid_function_parameters; the wording varies.",
    source: KNOWN,
    seen: UNDATED,
    fix: "put what it points at into `$defs` of the same schema",
    bad: strict_x!(r##"{"$ref":"#/$defs/y"}"##),
    good: strict_x!(r#"{"type":"string"}"#),
    ..ERROR
};

pub(in super::super) const REF_EXTERNAL: Rule = Rule {
    code: "SW212",
    name: "ref-external",
    says: "A `$ref` points out of the schema: nobody fetches what it names.",
    reply: "400 invalid_function_parameters; the wording varies.",
    source: "OpenAI's guide on structured outputs names # and #/$defs only",
    seen: "2026-09",
    fix: "put what it points at into `$defs` of the same schema",
    bad: strict_x!(r#"{"$ref":"https://example.com/schema.json"}"#),
    good: strict_x!(r#"{"type":"string"}"#),
    ..ERROR
};

pub(in super::super) const DIALECT: Rule = Rule {
    code: "SW213",
    name: "schema-dialect",
    severity: Severity::Warning,
    targets: &[Target::AnthropicCompat],
    says: "A schema names its draft in `$schema`: in 2025 draft-07 there made Anthropic answer 500.",
    reply: "500 api_error: Internal server error",
    source: "anthropics/anthropic-sdk-python#1001",
    seen: "2025-07",
    fix: "leave `$schema` out",
    bad: r#"{"name":"f","input_schema":{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{}}}"#,
    good: r#"{"name":"f","input_schema":{"type":"object","properties":{}}}"#,
    ..ERROR
};

pub(in super::super) const REQUIRED_UNKNOWN: Rule = Rule {
    code: "SW214",
    name: "required-unknown",
    targets: &[Target::GeminiCompat],
    says: "`required` names a property that `properties` does not have.",
    reply: "400 INVALID_ARGUMENT: … parameters.required[0]: property is not defined",
    source: KNOWN,
    seen: UNDATED,
    fix: "define the property, or take its name out of `required`",
    bad: tool!(r#"{"type":"object","properties":{},"required":["x"]}"#),
    good: tool!(r#"{"type":"object","properties":{},"required":[]}"#),
    ..ERROR
};

pub(in super::super) const OLDER_DRAFT: Rule = Rule {
    code: "SW215",
    name: "schema-value-outdated",
    severity: Severity::Warning,
    says: "A keyword of a schema has a value as an older draft allows it, or as only some validators take it: an array of `items`, a boolean exclusiveMinimum, null for a text.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': [{'type': 'string'}] is not of type 'object', 'boolean'.",
    source: "JSON Schema 2020-12; community.openai.com 1062703",
    seen: "2025-01",
    fix: "write it as draft 2020-12 does",
    bad: tool_x!(r#"{"type":"array","items":[{"type":"string"}]}"#),
    good: tool_x!(r#"{"type":"array","items":{"type":"string"}}"#),
    ..ERROR
};
