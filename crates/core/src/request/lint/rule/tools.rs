//! SW1: tools.

use super::{CHAT, COMPAT, ERROR, OPENAI, RESPONSES, Rule, SPEC, chat, responses};
use crate::request::lint::{Severity, Target};

pub(in super::super) const NAME_CHARACTERS: Rule = Rule {
    code: "SW101",
    name: "tool-name-characters",
    says: "A tool's name has characters other than letters, digits, underscores and hyphens.",
    limit: Some("^[a-zA-Z0-9_-]+$"),
    reply: "400 invalid_value: Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    source: "OpenAI's OpenAPI document 2.3.0; ten public reports; for Anthropic dcloudio/uni-app-x-ai-rules#2. Gemini takes dots and colons too",
    seen: "2026-09",
    fix: "rename the tool, here and where its calls are answered",
    bad: r#"[{"type":"function","function":{"name":"get weather","parameters":{"type":"object","properties":{}}}}]"#,
    good: r#"[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{}}}}]"#,
    ..ERROR
};

pub(in super::super) const NAME_LENGTH: Rule = Rule {
    code: "SW102",
    name: "tool-name-length",
    says: "A tool's name is too long.",
    limit: Some("64 characters in Chat, 128 in Responses and at Anthropic"),
    reply: "400 string_above_max_length: Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64, but got a string with length 65 instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "shorten the name, here and where its calls are answered",
    bad: r#"{"type":"function","function":{"name":"a2345678901234567890123456789012345678901234567890123456789012345"}}"#,
    good: r#"{"type":"function","function":{"name":"a234567890123456789012345678901234567890123456789012345678901234"}}"#,
    ..ERROR
};

pub(in super::super) const NAME_MISSING: Rule = Rule {
    code: "SW103",
    name: "tool-name-missing",
    says: "A tool has no name, or an empty one, or one that is no string.",
    limit: Some("at least 1 character"),
    reply: "400 missing_required_parameter: Missing required parameter: 'tools[0].function.name'.",
    source: SPEC,
    seen: "2026-09",
    fix: "name the tool",
    bad: r#"{"type":"function","function":{"parameters":{"type":"object","properties":{}}}}"#,
    good: r#"{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}"#,
    ..ERROR
};

pub(in super::super) const DESCRIPTION_LENGTH: Rule = Rule {
    code: "SW104",
    name: "tool-description-length",
    severity: Severity::Warning,
    targets: OPENAI,
    says: "A tool's description is longer than OpenAI and Azure took from 2023 to 2025; today most go through.",
    limit: Some("1,024 characters"),
    reply: "400 string_above_max_length: Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024, but got a string with length 1103 instead.",
    source: "ten public reports; no document has the limit",
    seen: "2025-04",
    fix: "say it in fewer words, or say it in the system message",
    ..ERROR
};

pub(in super::super) const TOO_MANY: Rule = Rule {
    code: "SW105",
    name: "tools-too-many",
    targets: OPENAI,
    says: "There are more tools than a request may have.",
    limit: Some("128 tools"),
    reply: "400 array_above_max_length: Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 163 instead.",
    source: "OpenAI's OpenAPI document 2.3.0 (functions); public reports, one of which tried 128 and 129",
    seen: "2026-06",
    fix: "offer only the tools that the task needs",
    ..ERROR
};

pub(in super::super) const NONE: Rule = Rule {
    code: "SW106",
    name: "tools-empty",
    targets: CHAT,
    says: "The array of tools is empty: Chat wants at least one, or no array.",
    limit: Some("at least 1 tool"),
    reply: "400 empty_array: Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    source: "dnakov/anon-kode#20; scottleibrand/slackAskBot#9; JetBrains/koog#786",
    seen: "2026-04",
    fix: "leave `tools` out",
    bad: chat!(r#"],"tools":[]}"#),
    good: chat!("]}"),
    ..ERROR
};

pub(in super::super) const MANY: Rule = Rule {
    code: "SW107",
    name: "tools-many",
    severity: Severity::Note,
    targets: OPENAI,
    says: "There are more tools than OpenAI advises: it says that fewer than 20 at the start of a turn are chosen from more surely.",
    limit: Some("20 tools"),
    reply: "200: it is advice.",
    source: "OpenAI's guide on function calling, as quoted by others",
    seen: "2026-06",
    fix: "offer only the tools that the task needs",
    bad: r#"[{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"}]"#,
    good: r#"[{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"},{"type":"web_search"}]"#,
};

pub(in super::super) const CHAT_FORM: Rule = Rule {
    code: "SW108",
    name: "tool-in-chat-form",
    targets: RESPONSES,
    says: "A tool has the form that Chat Completions takes: in Responses `name` and `parameters` stand beside `type`.",
    reply: "400 missing_required_parameter: Missing required parameter: 'tools[0].name'.",
    fix: "move what is in `function` one level up",
    bad: responses!(r#"],"tools":[{"type":"function","function":{"name":"f"}}]}"#),
    good: responses!(r#"],"tools":[{"type":"function","name":"f"}]}"#),
    ..ERROR
};

pub(in super::super) const RESPONSES_FORM: Rule = Rule {
    code: "SW109",
    name: "tool-in-responses-form",
    targets: CHAT,
    says: "A tool has the form that Responses takes: in Chat Completions `name` and `parameters` stand in an object `function`.",
    reply: "400 missing_required_parameter: Missing required parameter: 'tools[0].function'.",
    fix: "put `name`, `description`, `parameters` and `strict` into an object `function`",
    bad: chat!(r#"],"tools":[{"type":"function","name":"f"}]}"#),
    good: chat!(r#"],"tools":[{"type":"function","function":{"name":"f"}}]}"#),
    ..ERROR
};

pub(in super::super) const TYPE_UNKNOWN: Rule = Rule {
    code: "SW110",
    name: "tool-type-unknown",
    severity: Severity::Warning,
    says: "A tool is of a type that is not known here: Chat takes function and custom, Responses those and tools that OpenAI hosts.",
    reply: "400 invalid_value: Invalid value: 'tool'. Supported values are: 'function' and 'custom'.",
    fix: "look whether the type is spelled as the provider spells it",
    bad: r#"{"type":"tool","function":{"name":"f"}}"#,
    good: r#"{"type":"function","function":{"name":"f"}}"#,
    ..ERROR
};

pub(in super::super) const TYPE_MISSING: Rule = Rule {
    code: "SW111",
    name: "tool-type-missing",
    says: "A tool has no type, or one that is no string.",
    reply: "400 missing_required_parameter: Missing required parameter: 'tools[0].type'.",
    source: SPEC,
    seen: "2026-09",
    fix: "add \"type\": \"function\"",
    bad: chat!(r#"],"tools":[{"function":{"name":"f"}}]}"#),
    good: chat!(r#"],"tools":[{"type":"function","function":{"name":"f"}}]}"#),
    ..ERROR
};

pub(in super::super) const NAME_TWICE: Rule = Rule {
    code: "SW112",
    name: "tool-name-twice",
    targets: COMPAT,
    says: "Two tools have the same name: Anthropic, DeepSeek and Gemini refuse that, OpenAI takes it and one of the two is never called.",
    reply: "400: Tool names must be unique.",
    source: "theia#16122; CLIProxyAPI#4788; for Gemini general knowledge",
    seen: "2026-06",
    fix: "rename one of them, or leave it out",
    bad: r#"[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]"#,
    good: r#"[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]"#,
    ..ERROR
};

pub(in super::super) const FUNCTIONS_TOO: Rule = Rule {
    code: "SW113",
    name: "functions-with-tools",
    targets: CHAT,
    says: "The request has both `functions` and `tools`, of which one may be there.",
    reply: "400: 'functions' and 'tools' are mutually exclusive; the wording is not on record.",
    source: "Portkey-AI/gateway, error 10113",
    seen: "2026-06",
    fix: "move the functions into `tools`",
    bad: chat!(r#"],"functions":[{"name":"f"}],"tools":[{"type":"function","function":{"name":"g"}}]}"#),
    good: chat!(r#"],"tools":[{"type":"function","function":{"name":"g"}}]}"#),
    ..ERROR
};

pub(in super::super) const NOT_AN_OBJECT: Rule = Rule {
    code: "SW114",
    name: "tool-not-an-object",
    says: "An element of `tools` is no object.",
    reply: "400 invalid_type: Invalid type for 'tools[0]': expected an object, but got a string instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "define the tool, or leave it out",
    bad: chat!(r#"],"tools":["f"]}"#),
    good: chat!(r#"],"tools":[{"type":"function","function":{"name":"f"}}]}"#),
    ..ERROR
};

pub(in super::super) const NOT_AN_ARRAY: Rule = Rule {
    code: "SW115",
    name: "tools-not-an-array",
    says: "`tools` is no array.",
    reply: "400 invalid_type: Invalid type for 'tools': expected an array of objects, but got an object instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "put the tools into an array",
    bad: chat!(r#"],"tools":{"type":"function","function":{"name":"f"}}}"#),
    good: chat!(r#"],"tools":[{"type":"function","function":{"name":"f"}}]}"#),
    ..ERROR
};

pub(in super::super) const FOREIGN_FORM: Rule = Rule {
    code: "SW116",
    name: "tool-in-foreign-form",
    targets: &[Target::OpenaiChat, Target::OpenaiResponses, Target::Azure, Target::GeminiCompat],
    says: "A tool is as MCP servers list it (`inputSchema`) or as Anthropic's own API takes it (`input_schema`).",
    reply: "400 missing_required_parameter: Missing required parameter: 'tools[0].type'.",
    fix: "put it into the form of the API: the schema is called `parameters` there",
    bad: chat!(r#"],"tools":[{"name":"f","inputSchema":{"type":"object","properties":{}}}]}"#),
    good: chat!(
        r#"],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]}"#
    ),
    ..ERROR
};

pub(in super::super) const FIELD_TYPE: Rule = Rule {
    code: "SW117",
    name: "tool-field-type",
    says: "A field of a tool has a value of the wrong type: `description` is a string, `strict` a boolean, `function` and `custom` are objects.",
    reply: "400 invalid_type: Invalid type for 'tools[0].function.strict': expected a boolean, but got a string instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "write the value in its type",
    bad: r#"{"type":"function","function":{"name":"f","strict":"true"}}"#,
    good: r#"{"type":"function","function":{"name":"f","strict":true}}"#,
    ..ERROR
};

pub(in super::super) const PARAMETERS_TYPE: Rule = Rule {
    code: "SW118",
    name: "tool-parameters-type",
    says: "A tool's parameters are no object: often a schema that was turned into text once too often.",
    reply: "400 invalid_type: Invalid type for 'tools[0].function.parameters': expected an object, but got a string instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "give the schema as an object",
    bad: r#"{"type":"function","function":{"name":"f","parameters":"{}"}}"#,
    good: r#"{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}"#,
    ..ERROR
};
