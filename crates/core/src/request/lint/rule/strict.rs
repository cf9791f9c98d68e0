//! SW3: strict schemas.

use super::{ERROR, GUIDE, OPENAI, RESPONSES, Rule, strict_tool, strict_x};
use crate::request::lint::{Severity, Target};

pub(in super::super) const REQUIRED: Rule = Rule {
    code: "SW301",
    name: "strict-required-missing",
    targets: OPENAI,
    says: "A strict schema does not require each of its properties.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'x'.",
    source: "OpenAI's guide on structured outputs; sst/opencode#441",
    seen: "2026-09",
    fix: "require all properties; what may be left out has the type [\"string\", \"null\"]",
    bad: strict_tool!(
        r#"{"type":"object","properties":{"x":{"type":"string"}},"required":[],"additionalProperties":false}"#
    ),
    good: strict_tool!(
        r#"{"type":"object","properties":{"x":{"type":"string"}},"required":["x"],"additionalProperties":false}"#
    ),
    ..ERROR
};

pub(in super::super) const REQUIRED_UNKNOWN: Rule = Rule {
    code: "SW302",
    name: "strict-required-unknown",
    targets: OPENAI,
    says: "A strict schema requires a property that it does not have.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=(), 'required' is required to be supplied and to be an array including every key in properties. Extra required key 'x' supplied.",
    fix: "define the property, or take its name out of `required`",
    bad: strict_tool!(r#"{"type":"object","properties":{},"required":["x"],"additionalProperties":false}"#),
    good: strict_tool!(r#"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#),
    ..ERROR
};

pub(in super::super) const ADDITIONAL: Rule = Rule {
    code: "SW303",
    name: "strict-additional-properties",
    targets: OPENAI,
    says: "An object of a strict schema does not have \"additionalProperties\": false.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be supplied and to be false.",
    source: "OpenAI's guide on structured outputs",
    seen: "2026-09",
    fix: "add \"additionalProperties\": false to every object",
    bad: strict_tool!(r#"{"type":"object","properties":{},"required":[]}"#),
    good: strict_tool!(r#"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#),
    ..ERROR
};

pub(in super::super) const KEYWORD: Rule = Rule {
    code: "SW304",
    name: "strict-keyword",
    targets: OPENAI,
    says: "A strict schema uses a keyword that is not in OpenAI's subset: allOf, oneOf, not, dependentRequired, dependentSchemas, if, then or else.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=('properties', 'x'), 'oneOf' is not permitted.",
    source: "OpenAI's guide on structured outputs; public reports",
    seen: "2026-09",
    fix: "use anyOf, or give up `strict`",
    bad: strict_x!(r#"{"oneOf":[{"type":"string"},{"type":"null"}]}"#),
    good: strict_x!(r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#),
    ..ERROR
};

pub(in super::super) const FORMAT: Rule = Rule {
    code: "SW305",
    name: "strict-format",
    targets: OPENAI,
    says: "A strict schema uses a `format` that is not in OpenAI's subset.",
    limit: Some("date-time, time, date, duration, email, hostname, ipv4, ipv6, uuid"),
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=('properties', 'x'), 'uri' is not a valid format.",
    source: "OpenAI's guide on structured outputs; the wording is general knowledge",
    seen: "2026-09",
    fix: "leave `format` out and say it in the description",
    bad: strict_x!(r#"{"type":"string","format":"uri"}"#),
    good: strict_x!(r#"{"type":"string"}"#),
    ..ERROR
};

pub(in super::super) const PROPERTIES: Rule = Rule {
    code: "SW306",
    name: "strict-properties",
    targets: OPENAI,
    says: "A strict schema has too many properties in all.",
    limit: Some("5,000 properties (100 until 2025)"),
    reply: "400 invalid_function_parameters; the wording is not on record.",
    source: GUIDE,
    seen: "2026-09",
    fix: "split the tool, or give up `strict`",
    ..ERROR
};

pub(in super::super) const NESTING: Rule = Rule {
    code: "SW307",
    name: "strict-nesting",
    targets: OPENAI,
    says: "A strict schema is nested too deeply; whether arrays count as a level is in no document.",
    limit: Some("10 levels of objects (5 until 2025)"),
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': 11 levels of nesting exceeds limit of 10.",
    source: "OpenAI's guide on structured outputs; tidyverse/ellmer#671",
    seen: "2026-09",
    fix: "flatten the schema, or give up `strict`",
    ..ERROR
};

pub(in super::super) const CHARACTERS: Rule = Rule {
    code: "SW308",
    name: "strict-characters",
    targets: OPENAI,
    says: "The names of properties and definitions and the values of enum and const are too long in all.",
    limit: Some("120,000 characters"),
    reply: "400 invalid_function_parameters; the wording is not on record.",
    source: GUIDE,
    seen: "2026-09",
    fix: "shorten the names, or give up `strict`",
    ..ERROR
};

pub(in super::super) const ENUM_VALUES: Rule = Rule {
    code: "SW309",
    name: "strict-enum-values",
    targets: OPENAI,
    says: "A strict schema has too many enum values in all.",
    limit: Some("1,000 values"),
    reply: "400 invalid_function_parameters; the wording is not on record.",
    source: GUIDE,
    seen: "2026-09",
    fix: "take any string and check it where the call is answered",
    ..ERROR
};

pub(in super::super) const ENUM_CHARACTERS: Rule = Rule {
    code: "SW310",
    name: "strict-enum-characters",
    targets: OPENAI,
    says: "An enum of more than 250 strings is too long in all.",
    limit: Some("15,000 characters"),
    reply: "400 invalid_function_parameters; the wording is not on record.",
    source: GUIDE,
    seen: "2026-09",
    fix: "shorten the values, or take any string and check it where the call is answered",
    ..ERROR
};

pub(in super::super) const REF_SIBLINGS: Rule = Rule {
    code: "SW311",
    name: "strict-ref-siblings",
    targets: OPENAI,
    says: "A `$ref` in a strict schema has keywords beside it.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=('properties', 'x'), $ref cannot have keywords {'description'}.",
    source: "openai-python, lib/_pydantic.py; the wording is general knowledge",
    seen: "2026-09",
    fix: "put what it points at in its place, or take the other keywords out",
    bad: strict_tool!(
        r##"{"type":"object","properties":{"x":{"$ref":"#/$defs/y","title":"X"}},"required":["x"],"additionalProperties":false,"$defs":{"y":{"type":"string"}}}"##
    ),
    good: strict_tool!(
        r##"{"type":"object","properties":{"x":{"$ref":"#/$defs/y"}},"required":["x"],"additionalProperties":false,"$defs":{"y":{"type":"string"}}}"##
    ),
    ..ERROR
};

pub(in super::super) const ANY_OF_KEYS: Rule = Rule {
    code: "SW312",
    name: "strict-any-of-keys",
    severity: Severity::Warning,
    targets: OPENAI,
    says: "Two objects that anyOf chooses from begin with the same property: some models cannot tell them apart as they write.",
    reply: "400 invalid_function_parameters: Objects provided via 'anyOf' must not share identical first keys.",
    source: "public reports",
    seen: "2025",
    fix: "let each begin with a property of its own",
    bad: strict_x!(
        r#"{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false},{"type":"object","properties":{"a":{"type":"number"}},"required":["a"],"additionalProperties":false}]}"#
    ),
    good: strict_x!(
        r#"{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false},{"type":"object","properties":{"b":{"type":"number"}},"required":["b"],"additionalProperties":false}]}"#
    ),
    ..ERROR
};

pub(in super::super) const FINE_TUNED: Rule = Rule {
    code: "SW313",
    name: "strict-fine-tuned",
    targets: OPENAI,
    says: "A strict schema for a fine-tuned model uses a keyword that only others take.",
    limit: Some(
        "no minLength, maxLength, pattern, format, minimum, maximum, multipleOf, patternProperties, minItems, maxItems",
    ),
    reply: "400 invalid_function_parameters: … 'pattern' is not permitted.",
    source: GUIDE,
    seen: "2026-09",
    fix: "say it in the description",
    bad: r#"{"model":"ft:gpt-4o","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"x":{"type":"string","maxLength":9}},"required":["x"],"additionalProperties":false}}}]}"#,
    good: r#"{"model":"ft:gpt-4o","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"x":{"type":"string"}},"required":["x"],"additionalProperties":false}}}]}"#,
    ..ERROR
};

pub(in super::super) const UNSET: Rule = Rule {
    code: "SW314",
    name: "strict-unset",
    severity: Severity::Note,
    targets: RESPONSES,
    says: "A tool does not set `strict` and its schema cannot be strict: Responses tries, and silently falls back to calls that need not fit the schema.",
    reply: "200, with \"strict\": false in the response.",
    source: "OpenAI's OpenAPI document 2.3.0 (FunctionToolParam)",
    seen: "2026-09",
    fix: "set `strict`: true and mend the schema, or false and know it",
    bad: r#"{"type":"function","name":"f","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}"#,
    good: r#"{"type":"function","name":"f","strict":false,"parameters":{"type":"object","properties":{"x":{"type":"string"}}}}"#,
    ..ERROR
};

pub(in super::super) const DEFAULT: Rule = Rule {
    code: "SW315",
    name: "strict-default",
    targets: &[Target::Azure],
    says: "A strict schema has a `default`: Azure refuses it, OpenAI did until 2025.",
    reply: "400 invalid_function_parameters: Invalid schema for function 'f': In context=('properties', 'x'), 'default' is not permitted.",
    source: "567-labs/instructor#1074; openai/openai-agents-python#4390 (tried: OpenAI takes it, Azure does not)",
    seen: "2026-08",
    fix: "say it in the description, and put it in where the call is answered",
    bad: strict_x!(r#"{"type":"string","default":"a"}"#),
    good: strict_x!(r#"{"type":"string"}"#),
    ..ERROR
};
