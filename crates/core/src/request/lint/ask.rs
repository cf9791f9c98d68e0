//! What a request asks for around its tools and messages: choice, format, metadata, options.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::look::{At, Look};
use super::name;
use super::rule::request as rules;
use super::setting::{Home, Setting};
use super::tree::Value;
use super::wording::{counted, shown, too_long};
use super::{Severity, Target, schema, tool};

/// The most pairs of `metadata`.
pub(super) const METADATA_MAX: usize = 16;
/// The longest key of `metadata`, in characters.
pub(super) const METADATA_KEY_MAX: usize = 64;
/// The longest value, in characters.
pub(super) const METADATA_VALUE_MAX: usize = 512;

/// Parameters of Chat, and where Responses has them.
const MOVED: [(&str, &str); 9] = [
    ("messages", "input"),
    ("response_format", "text.format"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("verbosity", "text.verbosity"),
    ("functions", "tools"),
    ("function_call", "tool_choice"),
    ("web_search_options", "tools"),
];

/// Parameters that only Responses has.
const OF_RESPONSES: [&str; 10] = [
    "input",
    "instructions",
    "max_output_tokens",
    "previous_response_id",
    "conversation",
    "reasoning",
    "text",
    "include",
    "truncation",
    "background",
];

/// Looks at all of that.
pub(super) fn look_at(look: &mut Look, request: Value<'_>) {
    let has_tools = request.set("tools").is_some_and(|tools| !tools.is_array() || tools.len() > 0);
    messages(look, request);
    if let Some(choice) = request.set("tool_choice") {
        tool_choice(look, request, choice, has_tools);
    }
    if let Some(call) = request.set("function_call")
        && !look.is_responses()
        && request.set("functions").is_none()
    {
        alone(look, call, "functions", Severity::Error);
    }
    formats(look, request);
    metadata(look, request);
    options(look, request, has_tools);
    places(look, request);
}

fn messages(look: &mut Look, request: Value<'_>) {
    let Some(messages) = request.field("messages").filter(|_| !look.is_responses()) else { return };
    if messages.is_array() && messages.len() > 0 {
        return;
    }
    look.say(&rules::NO_MESSAGES, Severity::Error, At::Value(messages), |said| {
        (said.message, said.reply) = match messages.is_array() {
            true => (
                "messages is empty".to_owned(),
                Some("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.".to_owned()),
            ),
            false => (
                format!("messages must be an array, and is {}", messages.form().phrase()),
                Some(format!(
                    "Invalid type for 'messages': expected an array of objects, but got {} instead.",
                    messages.form().phrase()
                )),
            ),
        };
    });
}

fn tool_choice<'t>(look: &mut Look, request: Value<'t>, choice: Value<'t>, has_tools: bool) {
    let openai = look.error_at_openai();
    if choice.is_string() {
        let is_word = ["none", "auto", "required"].iter().any(|word| choice.is_text(word));
        if !is_word {
            choice_value(look, choice, openai);
        } else if !has_tools {
            let is_harmless = !choice.is_text("required");
            match (look.is_responses(), is_harmless) {
                (true, true) => {}
                (_, true) => alone(look, choice, "tools", Severity::Warning),
                (_, false) => alone(look, choice, "tools", openai),
            }
        }
        return;
    }
    let kind = choice.field("type").and_then(Value::text).unwrap_or_default();
    match &*kind {
        "function" | "custom" => {
            if !has_tools {
                alone(look, choice, "tools", openai);
                return;
            }
            let Some(named) = chosen(look, choice, &kind, openai) else { return };
            choice_known(look, request, named);
        }
        "allowed_tools" => {
            let inner = choice.object("allowed_tools").unwrap_or(choice);
            let tools = inner.field("tools").into_iter().flat_map(Value::elements);
            for named in tools.filter_map(tool::name_of) {
                choice_known(look, request, named);
            }
        }
        word if choice.is_object() && (tool::is_hosted(word) || !look.is_openai()) => {}
        "any" | "tool" | "auto" | "none" | "required" | "" => choice_value(look, choice, openai),
        _ => choice_value(look, choice, Severity::Warning),
    }
}

/// The name that a choice has in the form of the API; another form is reported.
fn chosen<'t>(look: &mut Look, choice: Value<'t>, kind: &str, openai: Severity) -> Option<Value<'t>> {
    let inner = choice.object(kind);
    let (here, there) = (inner.and_then(|inner| inner.field("name")), choice.field("name"));
    let (own, other) = if look.is_responses() { (there, here) } else { (here, there) };
    if own.is_some() {
        return own;
    }
    let missing = if look.is_responses() { "name" } else { kind };
    look.say(&rules::CHOICE_FORM, openai, At::Value(choice), |said| {
        said.message = match other {
            Some(_) if missing == "name" => {
                "tool_choice is in the form of Chat: the name stands beside type here".to_owned()
            }
            Some(_) => format!("tool_choice is in the form of Responses: the name stands in an object {missing} here"),
            None => "tool_choice names no tool".to_owned(),
        };
        said.reply = Some(format!("Missing required parameter: 'tool_choice.{missing}'."));
    });
    other
}

fn choice_known<'t>(look: &mut Look, request: Value<'t>, named: Value<'t>) {
    let Some(name) = named.text() else { return };
    let tools = request.field("tools").into_iter().flat_map(Value::elements);
    let known: BTreeSet<Cow<'t, str>> = tools
        .flat_map(|tool| tool::inside(tool).into_iter().flat_map(Value::elements).chain([tool]))
        .filter_map(|tool| tool::name_of(tool)?.text())
        .collect();
    if known.contains(&name) {
        return;
    }
    look.say(&rules::CHOICE_UNKNOWN, Severity::Error, At::Value(named), |said| {
        said.message = format!("tool_choice names \"{}\", which is not among the tools", shown(&name));
        said.reply = Some(format!("Tool choice '{}' not found in 'tools' parameter.", shown(&name)));
    });
}

fn choice_value(look: &mut Look, choice: Value<'_>, severity: Severity) {
    look.say(&rules::CHOICE_VALUE, severity, At::Value(choice), |said| {
        said.message = "tool_choice is none of none, auto, required, and no choice of a tool".to_owned();
        said.reply = Some("Invalid value: '…'. Supported values are: 'none', 'auto', and 'required'.".to_owned());
    });
}

fn alone(look: &mut Look, choice: Value<'_>, what: &str, severity: Severity) {
    look.say(&rules::CHOICE_ALONE, severity, At::Key(choice), |said| {
        let key = choice.key();
        said.message = format!("{key} is there, and {what} are not");
        said.reply = Some(format!("Invalid value for '{key}': '{key}' is only allowed when '{what}' are specified."));
    });
}

fn formats(look: &mut Look, request: Value<'_>) {
    let (format, is_flat) = match look.is_responses() {
        true => (request.object("text").and_then(|text| text.object("format")), true),
        false => (request.object("response_format"), false),
    };
    let Some(format) = format else { return };
    match &*format.field("type").and_then(Value::text).unwrap_or_default() {
        "json_schema" => json_schema(look, format, is_flat),
        "json_object" if !is_flat && look.is_openai() => json_word(look, request, format),
        _ => {}
    }
}

fn json_schema<'t>(look: &mut Look, format: Value<'t>, is_flat: bool) {
    let openai = look.error_at_openai();
    let path = look.paths.of(format);
    let inner = if is_flat { Some(format) } else { format.object("json_schema") };
    let Some(inner) = inner else {
        incomplete(look, format, "json_schema", &path, openai);
        return;
    };
    let path = look.paths.of(inner);
    match inner.set("name").and_then(|name| Some((name, name.text()?))) {
        None => incomplete(look, inner, "name", &path, openai),
        Some((name, text)) => format_name(look, name, &text, openai),
    }
    let Some(root) = inner.set("schema") else {
        // Chat's document has it as optional.
        let severity = if is_flat { openai } else { Severity::Warning };
        incomplete(look, inner, "schema", &path, severity);
        return;
    };
    if !root.is_object() {
        tool::not_a_schema(look, root);
        return;
    }
    let name = inner.field("name").and_then(Value::text).unwrap_or_default();
    let is_strict = inner.field("strict").and_then(Value::boolean) == Some(true) && look.is_openai();
    schema::look_at(look, Setting { root, home: Home::Format, name: &name, is_strict, is_foreign: false });
}

fn incomplete(look: &mut Look, at: Value<'_>, part: &str, path: &str, severity: Severity) {
    look.say(&rules::FORMAT_PART, severity, At::Value(at), |said| {
        said.message = format!("the format has no {part}");
        said.reply = Some(format!("Missing required parameter: '{path}.{part}'."));
    });
}

fn format_name(look: &mut Look, site: Value<'_>, text: &str, severity: Severity) {
    let path = look.paths.of(site);
    let is_legal = name::is_legal(text) && !text.is_empty();
    if is_legal && text.len() <= name::CHAT_MAX {
        return;
    }
    look.say(&rules::FORMAT_NAME, severity, At::Value(site), |said| {
        (said.message, said.reply) = match is_legal {
            true => (
                format!("the name of the format has {} characters, limit {}", text.len(), name::CHAT_MAX),
                Some(too_long(&path, name::CHAT_MAX, text.len())),
            ),
            false => (
                "the name of the format is empty or has characters other than letters, digits, _ and -".to_owned(),
                Some(format!(
                    "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
                )),
            ),
        };
    });
}

fn json_word(look: &mut Look, request: Value<'_>, format: Value<'_>) {
    let Some(messages) = request.field("messages") else { return };
    if messages.raw().windows(4).any(|word| word.eq_ignore_ascii_case(b"json")) {
        return;
    }
    look.say(&rules::NO_JSON_WORD, Severity::Error, At::Value(format), |said| {
        said.message = "no message says \"json\", which json_object wants".to_owned();
        said.reply = Some(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
                .to_owned(),
        );
    });
}

fn metadata(look: &mut Look, request: Value<'_>) {
    let Some(metadata) = request.set("metadata").filter(|_| look.is_openai()) else { return };
    if !metadata.is_object() {
        metadata_value(look, metadata, format!("metadata must be an object, and is {}", metadata.form().phrase()));
        return;
    }
    let count = metadata.len();
    if count > METADATA_MAX {
        look.say(&rules::METADATA_PAIRS, Severity::Error, At::Value(metadata), |said| {
            said.message = format!("metadata has {} pairs, limit {METADATA_MAX}", counted(count));
            said.reply = Some(format!(
                "Invalid 'metadata': too many properties. Expected an object with at most {METADATA_MAX} properties, but got an object with {count} properties instead."
            ));
        });
    }
    for pair in metadata.members() {
        let length = pair.key().chars().count();
        if length > METADATA_KEY_MAX {
            look.say(&rules::METADATA_KEY, Severity::Error, At::Key(pair), |said| {
                said.message = format!("the key has {} characters, limit {METADATA_KEY_MAX}", counted(length));
            });
        }
        if !pair.is_string() {
            metadata_value(
                look,
                pair,
                format!("a value of metadata must be a string, and is {}", pair.form().phrase()),
            );
        } else if let Some(count) = pair.longer_than(METADATA_VALUE_MAX) {
            metadata_value(
                look,
                pair,
                format!("the value has {} characters, limit {METADATA_VALUE_MAX}", counted(count)),
            );
        }
    }
}

fn metadata_value(look: &mut Look, at: Value<'_>, message: String) {
    look.say(&rules::METADATA_VALUE, Severity::Error, At::Value(at), |said| said.message = message);
}

fn options(look: &mut Look, request: Value<'_>, has_tools: bool) {
    let openai = look.error_at_openai();
    if let Some(parallel) = request.set("parallel_tool_calls")
        && !has_tools
        && !look.is_responses()
    {
        look.say(&rules::PARALLEL_ALONE, openai, At::Key(parallel), |said| {
            said.message = "parallel_tool_calls is there, and tools are not".to_owned();
            said.reply = Some("Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.".to_owned());
        });
    }
    let is_stream = request.field("stream").and_then(Value::boolean) == Some(true);
    if let Some(options) = request.set("stream_options")
        && !is_stream
    {
        let severity = if look.is_responses() { Severity::Warning } else { openai };
        look.say(&rules::STREAM_OPTIONS_ALONE, severity, At::Key(options), |said| {
            said.message = "stream_options is there, and no stream is asked for".to_owned();
            said.reply = Some("The 'stream_options' parameter is only allowed when 'stream' is enabled.".to_owned());
        });
    }
}

/// Parameters that the other API has.
fn places(look: &mut Look, request: Value<'_>) {
    if look.is_responses() {
        for (name, new) in MOVED {
            let Some(value) = request.set(name) else { continue };
            look.say(&rules::MOVED, Severity::Error, At::Key(value), |said| {
                said.message = format!("{name} is a parameter of Chat: here it is {new}");
                said.reply = Some(format!(
                    "Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{new}'. Try again with the new parameter."
                ));
            });
        }
        return;
    }
    if !matches!(look.target, Target::OpenaiChat | Target::Azure) {
        return;
    }
    for name in OF_RESPONSES {
        let Some(value) = request.set(name) else { continue };
        look.say(&rules::OF_RESPONSES, Severity::Warning, At::Key(value), |said| {
            said.message = format!("{name} is a parameter of Responses");
            said.reply = Some(format!("Unknown parameter: '{name}'."));
        });
    }
}
