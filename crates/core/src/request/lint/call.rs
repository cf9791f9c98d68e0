//! Calls and their answers: messages of Chat, items of Responses.
//!
//! Providers hold that every call is answered, once, and that nothing is answered that was not called.
//! Agents break it when they trim a conversation, give up a call, or mix the forms of the two APIs.
//! Ids, arguments and results are the caller's: none is ever repeated.

use std::borrow::Cow;
use std::collections::HashMap;

use super::look::{At, Look};
use super::name::{self, Names};
use super::rule::{Rule, calls};
use super::tree::{self, Value};
use super::wording::{counted, too_long};
use super::{Severity, Target, tool};

/// The most calls of one message.
pub(super) const CALLS_MAX: usize = 128;
/// The longest id of a call in Responses, in characters.
pub(super) const ID_MAX: usize = 64;
/// The longest in Chat, as reported.
pub(super) const CHAT_ID_MAX: usize = 40;
/// The longest output of a call in Responses, in characters.
pub(super) const OUTPUT_MAX: usize = 10_485_760;

/// Calls by their ids: where each is, and whether it has an answer.
type Calls<'t> = HashMap<Cow<'t, str>, (Value<'t>, bool)>;

/// Looks at the messages of Chat.
pub(super) fn look_at_messages<'t>(look: &mut Look, names: &Names<'t>, messages: Value<'t>) {
    let mut open: Option<Calls<'t>> = None;
    for message in messages.elements() {
        let role = message.field("role").and_then(Value::text).unwrap_or_default();
        if role == "tool" {
            answer(look, message, open.as_mut());
            continue;
        }
        unanswered(look, open.take());
        if let Some(legacy) = message.object("function_call") {
            name::look_at_call(look, names, legacy);
        }
        let Some(list) = message.set("tool_calls").filter(|list| role == "assistant" && list.is_array()) else {
            continue;
        };
        open = Some(look_at_calls(look, names, list));
    }
    unanswered(look, open);
}

fn look_at_calls<'t>(look: &mut Look, names: &Names<'t>, list: Value<'t>) -> Calls<'t> {
    let (openai, paths) = (look.error_at_openai(), look.paths);
    let count = list.len();
    if count == 0 {
        look.say(&calls::NONE, openai, At::Value(list), |said| {
            said.message = "tool_calls is empty".to_owned();
            said.reply = Some(format!(
                "Invalid '{}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
                paths.of(list)
            ));
        });
    }
    if count > CALLS_MAX {
        look.say(&calls::TOO_MANY, openai, At::Key(list), |said| {
            said.message = format!("the message has {} calls, limit {CALLS_MAX}", counted(count));
            said.reply = Some(format!(
                "Invalid '{}': array too long. Expected an array with maximum length {CALLS_MAX}, but got an array with length {count} instead.",
                paths.of(list)
            ));
        });
    }
    let mut found = Calls::new();
    for call in list.elements().filter(|call| call.is_object()) {
        if let Some(function) = call.object("function") {
            name::look_at_call(look, names, function);
            arguments(look, function);
        } else if let Some(custom) = call.object("custom") {
            name::look_at_call(look, names, custom);
        }
        let Some((site, id)) = id_of(look, call, "id") else { continue };
        id_length(look, site, CHAT_ID_MAX, Severity::Warning);
        if found.insert(id, (call, false)).is_some() {
            twice(look, site, "another call of this message has the same id");
        }
    }
    found
}

/// A tool message, and the calls that it may answer.
fn answer<'t>(look: &mut Look, message: Value<'t>, open: Option<&mut Calls<'t>>) {
    result(look, message, "content");
    let Some((site, id)) = id_of(look, message, "tool_call_id") else { return };
    let Some(open) = open else {
        look.say(&calls::NO_CALL, Severity::Error, At::Value(message), |said| {
            said.message = "this tool message does not follow a message with tool calls".to_owned();
            said.reply = Some(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                    .to_owned(),
            );
        });
        return;
    };
    match open.get_mut(&id) {
        None => look.say(&calls::ID_UNKNOWN, Severity::Error, At::Value(site), |said| {
            said.message = "no call of the message before has this id".to_owned();
            said.reply = Some(
                "Invalid parameter: 'tool_call_id' of '…' not found in 'tool_calls' of previous message.".to_owned(),
            );
        }),
        Some((_, is_answered)) if *is_answered => twice(look, site, "the call has been answered before"),
        Some((_, is_answered)) => *is_answered = true,
    }
}

fn unanswered(look: &mut Look, calls_open: Option<Calls<'_>>) {
    let Some(open) = calls_open else { return };
    let missing = open.values().filter(|(_, is_answered)| !is_answered);
    let count = missing.clone().count();
    let Some((first, _)) = missing.min_by_key(|(call, _)| call.id()) else { return };
    look.say(&calls::UNANSWERED, Severity::Error, At::Value(*first), |said| {
        said.message = match count {
            1 => "this call is not answered before the conversation goes on".to_owned(),
            _ => format!("this call and {} more are not answered before the conversation goes on", count - 1),
        };
        said.reply = Some(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: …"
                .to_owned(),
        );
    });
}

/// Looks at the input items of Responses. Where an earlier response is named, its calls are not known.
pub(super) fn look_at_items<'t>(look: &mut Look, names: &Names<'t>, input: Value<'t>, has_history: bool) {
    let kind = |item: Value<'t>| item.field("type").and_then(Value::text).unwrap_or_default();
    let mut open = Calls::new();
    let mut is_known = !has_history;
    for item in input.elements().filter(|item| item.is_object()) {
        match &*kind(item) {
            "function_call" | "custom_tool_call" => {
                name::look_at_call(look, names, item);
                arguments(look, item);
                if let Some(namespace) = item.set("namespace") {
                    tool::namespace_name(look, namespace);
                }
                let Some((site, id)) = id_of(look, item, "call_id") else { continue };
                let severity = look.error_at_openai();
                id_length(look, site, ID_MAX, severity);
                if open.insert(id, (item, false)).is_some() {
                    twice(look, site, "another call has the same id");
                }
            }
            "item_reference" => is_known = false,
            "" | "message" => chat_message(look, item),
            _ => {}
        }
    }
    for item in input.elements().filter(|item| item.is_object()) {
        if matches!(&*kind(item), "function_call_output" | "custom_tool_call_output") {
            output(look, item, &mut open, is_known);
        }
    }
    let mut missing: Vec<_> = open.values().filter(|(_, is_answered)| !is_answered).map(|(call, _)| *call).collect();
    missing.sort_by_key(|call| call.id());
    for call in missing {
        look.say(&calls::NO_OUTPUT, Severity::Error, At::Value(call), |said| {
            said.message = "this call has no output among the items".to_owned();
            said.reply = Some("No tool output found for function call ….".to_owned());
        });
    }
}

fn output<'t>(look: &mut Look, item: Value<'t>, open: &mut Calls<'t>, is_known: bool) {
    result(look, item, "output");
    if let Some(output) = item.field("output")
        && let Some(count) = output.longer_than(OUTPUT_MAX)
    {
        let (severity, path) = (look.error_at_openai(), look.paths.of(output));
        look.say(&calls::OUTPUT_LENGTH, severity, At::Value(output), |said| {
            said.message = format!("the output has {} characters, limit {}", counted(count), counted(OUTPUT_MAX));
            said.reply = Some(too_long(&path, OUTPUT_MAX, count));
        });
    }
    let Some((site, id)) = id_of(look, item, "call_id") else { return };
    match open.get_mut(&id) {
        Some((_, is_answered)) if *is_answered => twice(look, site, "the call has an output already"),
        Some((_, is_answered)) => *is_answered = true,
        None => {
            let severity = look.error_at_openai();
            id_length(look, site, ID_MAX, severity);
            if !is_known {
                return;
            }
            look.say(&calls::ORPHAN_OUTPUT, Severity::Error, At::Value(item), |said| {
                said.message = "no call among the items has the id that this output answers".to_owned();
                said.reply = Some("No tool call found for function call output with call_id ….".to_owned());
            });
        }
    }
}

/// A message among the items, in the form of Chat.
fn chat_message(look: &mut Look, item: Value<'_>) {
    let role = item.field("role").filter(|role| role.is_text("tool"));
    let found = role.map(At::Value).or_else(|| item.set("tool_calls").map(At::Key));
    let Some(at) = found else { return };
    let path = look.paths.of(item);
    look.say(&calls::CHAT_MESSAGE, Severity::Error, at, |said| {
        (said.message, said.reply) = match role {
            Some(_) => (
                "a tool message is an item of type function_call_output in Responses".to_owned(),
                Some(
                    "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'."
                        .to_owned(),
                ),
            ),
            None => (
                "tool_calls are items of type function_call in Responses".to_owned(),
                Some(format!("Unknown parameter: '{path}.tool_calls'.")),
            ),
        };
    });
}

/// The id of a call or answer; its lack is reported.
fn id_of<'t>(look: &mut Look, of: Value<'t>, field: &str) -> Option<(Value<'t>, Cow<'t, str>)> {
    let site = of.set(field);
    if let Some((site, text)) = site.and_then(|site| Some((site, site.text()?))) {
        return Some((site, text));
    }
    let path = look.paths.of(of);
    look.say(&calls::ID_MISSING, Severity::Error, At::Value(site.unwrap_or(of)), |said| {
        said.message = format!("{field} is missing, or no string");
        said.reply = Some(match field {
            "tool_call_id" => {
                "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.".to_owned()
            }
            _ => format!("Missing required parameter: '{path}.{field}'."),
        });
    });
    None
}

fn id_length(look: &mut Look, site: Value<'_>, most: usize, severity: Severity) {
    if !look.is_openai() {
        return;
    }
    let count = match site.longer_than(most) {
        Some(count) => count,
        None if site.is_text("") => 0,
        None => return,
    };
    let path = look.paths.of(site);
    look.say(&calls::ID_LENGTH, severity, At::Value(site), |said| {
        said.message = format!("the id has {count} characters, limit 1 to {most}");
        said.reply = Some(match count {
            0 => format!("Invalid '{path}': empty string. Expected a string with minimum length 1, but got an empty string instead."),
            _ => too_long(&path, most, count),
        });
    });
}

fn twice(look: &mut Look, site: Value<'_>, message: &str) {
    let severity = if look.target == Target::AnthropicCompat { Severity::Error } else { Severity::Warning };
    look.say(&calls::ID_TWICE, severity, At::Value(site), |said| said.message = message.to_owned());
}

/// The arguments of a call: the text of a JSON object.
fn arguments(look: &mut Look, of: Value<'_>) {
    let Some(arguments) = of.set("arguments") else { return };
    let paths = look.paths;
    let Some(text) = arguments.text() else {
        look.say(&calls::ARGUMENTS_TYPE, Severity::Error, At::Value(arguments), |said| {
            said.message = format!("arguments must be a string, and is {}", arguments.form().phrase());
            said.reply = Some(format!(
                "Invalid type for '{}': expected a string, but got {} instead.",
                paths.of(arguments),
                arguments.form().phrase()
            ));
        });
        return;
    };
    if !tree::read(text.as_bytes()).is_ok_and(|tree| tree.root().is_object()) {
        look.say(&calls::ARGUMENTS_TEXT, Severity::Warning, At::Value(arguments), |said| {
            said.message = "the arguments are not the text of a JSON object".to_owned();
        });
    }
}

/// The result of a call: text or parts.
fn result(look: &mut Look, of: Value<'_>, field: &str) {
    let Some(result) = of.set(field) else { return };
    if !result.is_string() && !result.is_array() {
        let path = look.paths.of(result);
        look.say(&calls::CONTENT_TYPE, Severity::Error, At::Value(result), |said| {
            let is = result.form().phrase();
            said.message = format!("{field} must be a string or an array of parts, and is {is}");
            said.reply = Some(format!(
                "Invalid type for '{path}': expected one of a string or array of objects, but got {is} instead."
            ));
        });
        return;
    }
    if look.is_openai() && is_mcp_result(result) {
        let rule: &'static Rule = &calls::MCP_RESULT;
        look.say(rule, Severity::Warning, At::Value(result), |said| {
            said.message = format!("{field} is a whole result of MCP as text, in place of the text in it");
            said.reply = Some("The model produced invalid content.".to_owned());
        });
    }
}

/// Whether a text is the result object of an MCP server.
fn is_mcp_result(result: Value<'_>) -> bool {
    const OWN: [&str; 4] = ["content", "isError", "structuredContent", "_meta"];
    const PARTS: [&str; 5] = ["text", "image", "audio", "resource", "resource_link"];
    if !result.is_string() || !result.raw().starts_with(b"\"{") {
        return false;
    }
    let Some(text) = result.text() else { return false };
    let Ok(tree) = tree::read(text.as_bytes()) else { return false };
    let root = tree.root();
    let Some(content) = root.field("content").filter(|content| content.is_array() && content.len() > 0) else {
        return false;
    };
    let is_part = |part: Value<'_>| part.field("type").is_some_and(|kind| PARTS.iter().any(|word| kind.is_text(word)));
    root.members().all(|member| OWN.iter().any(|name| member.is_key(name))) && content.elements().all(is_part)
}
