//! SW4: messages and calls.

use super::{CHAT, ERROR, OPENAI, RESPONSES, Rule, SPEC, chat, responses};
use crate::request::lint::{Severity, Target};

pub(in super::super) const NO_CALL: Rule = Rule {
    code: "SW401",
    name: "tool-message-without-call",
    says: "A tool message does not follow an assistant message with tool calls.",
    reply: "400 invalid_request_error: Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
    source: "QwenLM/qwen-code#1039 (gpt-4o)",
    seen: "2025-11",
    fix: "keep the assistant message that made the call, or drop both",
    bad: chat!(r#",{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const ID_UNKNOWN: Rule = Rule {
    code: "SW402",
    name: "tool-call-id-unknown",
    says: "A tool message answers a call that the assistant message before it did not make.",
    reply: "400 invalid_request_error: Invalid parameter: 'tool_call_id' of 'call_2' not found in 'tool_calls' of previous message.",
    fix: "answer each call by its own id",
    bad: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"},{"role":"tool","tool_call_id":"call_2","content":"8"}]}"#
    ),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const UNANSWERED: Rule = Rule {
    code: "SW403",
    name: "tool-call-unanswered",
    says: "A tool call is not answered by a tool message before the conversation goes on.",
    reply: "400 invalid_request_error: An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: call_1",
    fix: "answer every call, if only to say that it was given up",
    bad: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"and?"}]}"#
    ),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"given up"},{"role":"user","content":"and?"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const TOO_MANY: Rule = Rule {
    code: "SW404",
    name: "tool-calls-too-many",
    targets: CHAT,
    says: "An assistant message has more tool calls than it may have.",
    limit: Some("128 calls"),
    reply: "400 array_above_max_length: Invalid 'messages[1].tool_calls': array too long. Expected an array with maximum length 128, but got an array with length 129 instead.",
    source: "public reports",
    seen: "2026-06",
    fix: "split the message, each part followed by its answers",
    ..ERROR
};

pub(in super::super) const ID_TWICE: Rule = Rule {
    code: "SW405",
    name: "tool-call-id-twice",
    targets: &[Target::AnthropicCompat],
    says: "Two calls have the same id, or one call is answered twice.",
    reply: "400 invalid_request_error: messages.1.content.1: `tool_use` ids must be unique",
    fix: "give each call an id of its own, and one answer",
    bad: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_1","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const NO_OUTPUT: Rule = Rule {
    code: "SW406",
    name: "function-call-without-output",
    targets: RESPONSES,
    says: "A call among the input items has no output among them.",
    reply: "400 invalid_request_error: No tool output found for function call call_1.",
    source: "ten public reports",
    seen: "2026-06",
    fix: "add the output, or drop the call",
    bad: responses!(r#",{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"}]}"#),
    good: responses!(
        r#",{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const ORPHAN_OUTPUT: Rule = Rule {
    code: "SW407",
    name: "function-output-without-call",
    targets: RESPONSES,
    says: "An output among the input items answers a call that is not there.",
    reply: "400 invalid_request_error: No tool call found for function call output with call_id call_1. With reasoning models sometimes a 500.",
    source: "continuedev/continue#11573, #11976",
    seen: "2026-03",
    fix: "keep the call, or name the response that made it in previous_response_id",
    bad: responses!(r#",{"type":"function_call_output","call_id":"call_1","output":"7"}]}"#),
    good: responses!(
        r#",{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const ID_LENGTH: Rule = Rule {
    code: "SW408",
    name: "call-id-length",
    targets: OPENAI,
    says: "The id of a call is empty or too long.",
    limit: Some("1 to 64 characters in Responses; in Chat 40 are reported"),
    reply: "400 string_above_max_length: Invalid 'input[1].call_id': string too long. Expected a string with maximum length 64, but got a string with length 65 instead.",
    source: "OpenAI's OpenAPI document 2.3.0; for Chat general knowledge",
    seen: "2026-09",
    fix: "use the id that the model gave",
    bad: responses!(
        r#",{"type":"function_call","call_id":"","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"","output":"7"}]}"#
    ),
    good: responses!(
        r#",{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const OUTPUT_LENGTH: Rule = Rule {
    code: "SW409",
    name: "function-output-length",
    targets: RESPONSES,
    says: "The output of a call is too long.",
    limit: Some("10,485,760 characters"),
    reply: "400 string_above_max_length: Invalid 'input[1].output': string too long. Expected a string with maximum length 10485760, but got a string with length 10485761 instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "give the model the part that matters",
    ..ERROR
};

pub(in super::super) const NAMESPACE: Rule = Rule {
    code: "SW410",
    name: "namespace",
    targets: RESPONSES,
    says: "The namespace of a call is too long or has characters other than letters, digits, underscores and hyphens.",
    limit: Some("^[a-zA-Z0-9_-]+$, 64 characters"),
    reply: "400 invalid_value: Invalid 'input[1].namespace': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    source: SPEC,
    seen: "2026-09",
    fix: "rename the namespace",
    bad: responses!(
        r#",{"type":"function_call","call_id":"call_1","name":"f","namespace":"a.b","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"7"}]}"#
    ),
    good: responses!(
        r#",{"type":"function_call","call_id":"call_1","name":"f","namespace":"a_b","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const MCP_RESULT: Rule = Rule {
    code: "SW411",
    name: "tool-result-of-mcp",
    severity: Severity::Warning,
    targets: OPENAI,
    says: "The answer to a call is the whole result object of an MCP server, turned into text, in place of the text in it.",
    reply: "500 model_error: The model produced invalid content.",
    source: "public reports; not reproduced",
    seen: "2025",
    fix: "give the text that is in `content`",
    bad: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"{\"content\":[{\"type\":\"text\",\"text\":\"7\"}],\"isError\":false}"}]}"#
    ),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const NAME: Rule = Rule {
    code: "SW412",
    name: "call-name",
    says: "A call in the conversation has a name that no tool may have.",
    limit: Some("^[a-zA-Z0-9_-]+$, 64 characters in Chat, 128 in Responses"),
    reply: "400 invalid_value: Invalid 'messages[1].tool_calls[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    source: SPEC,
    seen: "2026-09",
    fix: "rename the call as the tool is named",
    bad: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"a.b","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"a_b","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const ARGUMENTS_TYPE: Rule = Rule {
    code: "SW413",
    name: "call-arguments-type",
    says: "The arguments of a call are no string: they go back as the text that the model wrote.",
    reply: "400 invalid_type: Invalid type for 'messages[1].tool_calls[0].function.arguments': expected a string, but got an object instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "give the arguments as JSON text",
    bad: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":{}}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const ARGUMENTS_TEXT: Rule = Rule {
    code: "SW414",
    name: "call-arguments-not-json",
    severity: Severity::Warning,
    says: "The arguments of a call are no JSON object: OpenAI takes that, others that parse them refuse it.",
    reply: "200 from OpenAI; 400 from Anthropic and Gemini, whose API has the arguments as an object.",
    fix: "send the arguments as the model wrote them, or {} if they broke off",
    bad: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"x\":"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const ID_MISSING: Rule = Rule {
    code: "SW415",
    name: "call-id-missing",
    says: "A call or its answer has no id.",
    reply: "400 invalid_request_error: Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.",
    source: SPEC,
    seen: "2026-09",
    fix: "keep the id that the model gave",
    bad: chat!(r#",{"role":"tool","content":"7"}]}"#),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const CHAT_MESSAGE: Rule = Rule {
    code: "SW416",
    name: "chat-message-in-responses",
    targets: RESPONSES,
    says: "An input item is a tool message or has tool calls as Chat Completions has them: in Responses both are items of their own.",
    reply: "400 invalid_value: Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
    fix: "write calls as items of type function_call and answers as function_call_output",
    bad: responses!(r#",{"role":"tool","tool_call_id":"call_1","content":"7"}]}"#),
    good: responses!(
        r#",{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"7"}]}"#
    ),
    ..ERROR
};

pub(in super::super) const NONE: Rule = Rule {
    code: "SW417",
    name: "tool-calls-empty",
    targets: CHAT,
    says: "An assistant message has an empty array of tool calls.",
    limit: Some("at least 1 call"),
    reply: "400 empty_array: Invalid 'messages[1].tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    source: "openai/openai-node#1341",
    seen: "2025-02",
    fix: "leave `tool_calls` out",
    bad: chat!(r#",{"role":"assistant","content":"7","tool_calls":[]}]}"#),
    good: chat!(r#",{"role":"assistant","content":"7"}]}"#),
    ..ERROR
};

pub(in super::super) const CONTENT_TYPE: Rule = Rule {
    code: "SW418",
    name: "tool-content-type",
    says: "The answer to a call is neither a string nor an array of parts.",
    reply: "400 invalid_type: Invalid type for 'messages[2].content': expected one of a string or array of objects, but got an object instead.",
    source: SPEC,
    seen: "2026-09",
    fix: "give the result as text: JSON text, if it is an object",
    bad: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":{"n":7}}]}"#
    ),
    good: chat!(
        r#",{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"{\"n\":7}"}]}"#
    ),
    ..ERROR
};
