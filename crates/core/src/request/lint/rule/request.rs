//! SW5: the request around tools and messages.

use super::{CHAT, ERROR, OPENAI, RESPONSES, Rule, SPEC, chat, responses};
use crate::request::lint::Severity;

pub(in super::super) const CHOICE_UNKNOWN: Rule = Rule {
    code: "SW501",
    name: "tool-choice-unknown",
    says: "`tool_choice` names a function that is not among the tools.",
    reply: "400 invalid_value: Tool choice 'g' not found in 'tools' parameter.",
    fix: "name one of the tools, or add the tool",
    bad: chat!(
        r#"],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}}"#
    ),
    good: chat!(
        r#"],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}}"#
    ),
    ..ERROR
};

pub(in super::super) const CHOICE_ALONE: Rule = Rule {
    code: "SW502",
    name: "tool-choice-without-tools",
    targets: OPENAI,
    says: "`tool_choice` is there and tools are not, or `function_call` without functions.",
    reply: "400 invalid_request_error: Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
    fix: "leave `tool_choice` out, or add the tools",
    bad: chat!(r#"],"tool_choice":"required"}"#),
    good: chat!("]}"),
    ..ERROR
};

pub(in super::super) const CHOICE_FORM: Rule = Rule {
    code: "SW503",
    name: "tool-choice-form",
    targets: OPENAI,
    says: "`tool_choice` has the form of the other API: Chat has the name in an object `function`, Responses beside `type`.",
    reply: "400 missing_required_parameter: Missing required parameter: 'tool_choice.function'. (or 'tool_choice.name')",
    fix: "Chat: {\"type\": \"function\", \"function\": {\"name\": …}}; Responses: {\"type\": \"function\", \"name\": …}",
    bad: chat!(
        r#"],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","name":"f"}}"#
    ),
    good: chat!(
        r#"],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}}"#
    ),
    ..ERROR
};

pub(in super::super) const CHOICE_VALUE: Rule = Rule {
    code: "SW504",
    name: "tool-choice-value",
    targets: OPENAI,
    says: "`tool_choice` is a word that is none of its words.",
    limit: Some("none, auto, required"),
    reply: "400 invalid_value: Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'.",
    source: SPEC,
    seen: "2026-09",
    fix: "say \"required\" for what others call \"any\"",
    bad: chat!(r#"],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"any"}"#),
    good: chat!(r#"],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"}"#),
    ..ERROR
};

pub(in super::super) const FORMAT_NAME: Rule = Rule {
    code: "SW505",
    name: "format-name",
    targets: OPENAI,
    says: "The name of a response format is too long or has characters other than letters, digits, underscores and hyphens.",
    limit: Some("^[a-zA-Z0-9_-]+$, 64 characters"),
    reply: "400 invalid_value: Invalid 'response_format.json_schema.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    source: SPEC,
    seen: "2026-09",
    fix: "rename the format",
    bad: chat!(
        r#"],"response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{"type":"object","properties":{}}}}}"#
    ),
    good: chat!(
        r#"],"response_format":{"type":"json_schema","json_schema":{"name":"a_b","schema":{"type":"object","properties":{}}}}}"#
    ),
    ..ERROR
};

pub(in super::super) const FORMAT_PART: Rule = Rule {
    code: "SW506",
    name: "format-incomplete",
    targets: OPENAI,
    says: "A response format of type json_schema has no name, no schema, or no `json_schema` around them.",
    reply: "400 missing_required_parameter: Missing required parameter: 'response_format.json_schema'.",
    source: SPEC,
    seen: "2026-09",
    fix: "Chat: {\"type\": \"json_schema\", \"json_schema\": {\"name\": …, \"schema\": …}}; Responses has name and schema beside type",
    bad: chat!(r#"],"response_format":{"type":"json_schema","schema":{"type":"object","properties":{}}}}"#),
    good: chat!(
        r#"],"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{}}}}}"#
    ),
    ..ERROR
};

pub(in super::super) const MOVED: Rule = Rule {
    code: "SW507",
    name: "parameter-moved",
    targets: RESPONSES,
    says: "A parameter of Chat Completions stands in a request for Responses, where it has another place.",
    reply: "400 unsupported_parameter: Unsupported parameter: 'response_format'. In the Responses API, this parameter has moved to 'text.format'. Try again with the new parameter.",
    fix: "messages is input, response_format is text.format, max_tokens is max_output_tokens, reasoning_effort is reasoning.effort",
    bad: responses!(r#"],"max_tokens":9}"#),
    good: responses!(r#"],"max_output_tokens":9}"#),
    ..ERROR
};

pub(in super::super) const OF_RESPONSES: Rule = Rule {
    code: "SW508",
    name: "parameter-of-responses",
    severity: Severity::Warning,
    targets: CHAT,
    says: "A parameter of Responses stands in a request for Chat Completions: OpenAI does not know it there, some gateways do.",
    reply: "400 unknown_parameter: Unknown parameter: 'max_output_tokens'.",
    fix: "input is messages, text.format is response_format, max_output_tokens is max_completion_tokens, reasoning.effort is reasoning_effort",
    bad: chat!(r#"],"max_output_tokens":9}"#),
    good: chat!(r#"],"max_completion_tokens":9}"#),
    ..ERROR
};

pub(in super::super) const METADATA_PAIRS: Rule = Rule {
    code: "SW509",
    name: "metadata-pairs",
    targets: OPENAI,
    says: "`metadata` has too many pairs.",
    limit: Some("16 pairs"),
    reply: "400 object_above_max_properties: Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead.",
    source: "OpenAI's OpenAPI document 2.3.0; the wording is general knowledge",
    seen: "2026-09",
    fix: "keep the ones that are looked up",
    bad: chat!(
        r#"],"metadata":{"a":"","b":"","c":"","d":"","e":"","f":"","g":"","h":"","i":"","j":"","k":"","l":"","m":"","n":"","o":"","p":"","q":""}}"#
    ),
    good: chat!(
        r#"],"metadata":{"a":"","b":"","c":"","d":"","e":"","f":"","g":"","h":"","i":"","j":"","k":"","l":"","m":"","n":"","o":"","p":""}}"#
    ),
    ..ERROR
};

pub(in super::super) const METADATA_KEY: Rule = Rule {
    code: "SW510",
    name: "metadata-key-length",
    targets: OPENAI,
    says: "A key of `metadata` is too long.",
    limit: Some("64 characters"),
    reply: "400, naming metadata; the wording is not on record.",
    source: SPEC,
    seen: "2026-09",
    fix: "shorten the key",
    bad: chat!(r#"],"metadata":{"a2345678901234567890123456789012345678901234567890123456789012345":""}}"#),
    good: chat!(r#"],"metadata":{"a234567890123456789012345678901234567890123456789012345678901234":""}}"#),
    ..ERROR
};

pub(in super::super) const METADATA_VALUE: Rule = Rule {
    code: "SW511",
    name: "metadata-value",
    targets: OPENAI,
    says: "A value of `metadata` is too long or no string, or `metadata` is no object.",
    limit: Some("strings of 512 characters"),
    reply: "400 invalid_type: Invalid type for 'metadata.a': expected a string, but got an integer instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "write every value as a string, and a short one",
    bad: chat!(r#"],"metadata":{"a":1}}"#),
    good: chat!(r#"],"metadata":{"a":"1"}}"#),
    ..ERROR
};

pub(in super::super) const PARALLEL_ALONE: Rule = Rule {
    code: "SW512",
    name: "parallel-without-tools",
    targets: CHAT,
    says: "`parallel_tool_calls` is there and tools are not.",
    reply: "400 invalid_request_error: Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
    fix: "leave it out where there are no tools",
    bad: chat!(r#"],"parallel_tool_calls":true}"#),
    good: chat!("]}"),
    ..ERROR
};

pub(in super::super) const STREAM_OPTIONS_ALONE: Rule = Rule {
    code: "SW513",
    name: "stream-options-without-stream",
    targets: OPENAI,
    says: "`stream_options` is there and no stream is asked for.",
    reply: "400 invalid_request_error: The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    fix: "leave it out, or ask for a stream",
    bad: chat!(r#"],"stream_options":{"include_usage":true}}"#),
    good: chat!(r#"],"stream":true,"stream_options":{"include_usage":true}}"#),
    ..ERROR
};

pub(in super::super) const NO_MESSAGES: Rule = Rule {
    code: "SW514",
    name: "messages-empty",
    targets: CHAT,
    says: "There are no messages: the array is missing, empty, or something else.",
    limit: Some("at least 1 message"),
    reply: "400 empty_array: Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "ask something",
    bad: r#"{"model":"gpt-4o","messages":[]}"#,
    good: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#,
    ..ERROR
};

pub(in super::super) const NO_JSON_WORD: Rule = Rule {
    code: "SW515",
    name: "json-word-missing",
    targets: CHAT,
    says: "A response format of type json_object is asked for and no message says \"json\".",
    reply: "400 invalid_request_error: 'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
    fix: "say in a message that the answer is to be JSON",
    bad: chat!(r#"],"response_format":{"type":"json_object"}}"#),
    good: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi, in JSON"}],"response_format":{"type":"json_object"}}"#,
    ..ERROR
};
