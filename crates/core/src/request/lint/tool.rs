//! Tool definitions, in the form that each API has for them.
//!
//! The same tool is written in four ways: in Chat within `function`, in Responses beside `type`, by MCP
//! servers with `inputSchema`, for Anthropic with `input_schema`. What is known of names and schemas holds
//! in all of them, so a tool in the wrong form is told so once and then looked at like the others.

use std::borrow::Cow;

use super::look::{At, Look};
use super::name::{self, Names};
use super::rule::{calls, tools};
use super::setting::{Home, Setting};
use super::tree::Value;
use super::wording::{counted, shown, too_long};
use super::{NAME_BYTES_MAX, Severity, Target, schema};

/// The most tools of one request.
pub(super) const TOOLS_MAX: usize = 128;
/// OpenAI's advice.
pub(super) const TOOLS_ADVISED: usize = 20;
/// The longest description that was taken from 2023 to 2025, in characters.
pub(super) const DESCRIPTION_MAX: usize = 1_024;

/// Tools that OpenAI hosts, and those that Responses has of its own.
const HOSTED: [&str; 14] = [
    "web_search",
    "web_search_preview",
    "file_search",
    "code_interpreter",
    "image_generation",
    "mcp",
    "computer",
    "computer_use_preview",
    "local_shell",
    "shell",
    "apply_patch",
    "tool_search",
    "namespace",
    "programmatic_tool_calling",
];

/// Where a tool was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In `tools` of a request.
    Tools,
    /// In `functions` of a request.
    Functions,
    /// Without a request around it: what it becomes before it is sent is not known.
    Alone,
}

/// Whether a type names a tool that runs at OpenAI.
pub(super) fn is_hosted(kind: &str) -> bool {
    HOSTED.contains(&kind) || kind.starts_with("web_search_")
}

/// Where the name of a tool stands, whatever its form.
pub(super) fn name_of<'t>(tool: Value<'t>) -> Option<Value<'t>> {
    let inner = tool.object("function").or_else(|| tool.object("custom")).unwrap_or(tool);
    inner.field("name").filter(|name| name.is_string())
}

/// The tools within a namespace of Responses.
pub(super) fn inside<'t>(tool: Value<'t>) -> Option<Value<'t>> {
    let is_namespace = tool.field("type").is_some_and(|kind| kind.is_text("namespace"));
    tool.field("tools").filter(|tools| is_namespace && tools.is_array())
}

/// Looks at `tools` or `functions`: an array, or what stands in its place.
pub(super) fn look_at_all<'t>(look: &mut Look, names: &Names<'t>, list: Value<'t>, place: Place) {
    let openai = look.error_at_openai();
    let paths = look.paths;
    if !list.is_array() {
        look.say(&tools::NOT_AN_ARRAY, Severity::Error, At::Value(list), |said| {
            said.message = format!("{} must be an array, and is {}", key_of(list), list.form().phrase());
            said.reply = Some(format!(
                "Invalid type for '{}': expected an array of objects, but got {} instead.",
                paths.of(list),
                list.form().phrase()
            ));
        });
        return;
    }
    let count = list.len();
    if count == 0 && place != Place::Alone && !look.is_responses() {
        look.say(&tools::NONE, openai, At::Value(list), |said| {
            said.message = format!("{} is empty", key_of(list));
            said.reply = Some(format!(
                "Invalid '{}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
                paths.of(list)
            ));
        });
    }
    if count > TOOLS_MAX && look.target != Target::AnthropicCompat {
        look.say(&tools::TOO_MANY, openai, At::Key(list), |said| {
            said.message = format!("there are {} tools, limit {TOOLS_MAX}", counted(count));
            said.reply = Some(format!(
                "Invalid '{}': array too long. Expected an array with maximum length {TOOLS_MAX}, but got an array with length {count} instead.",
                paths.of(list)
            ));
        });
    } else if count > TOOLS_ADVISED && look.is_openai() {
        look.say(&tools::MANY, Severity::Note, At::Key(list), |said| {
            said.message = format!("there are {count} tools; OpenAI advises fewer than {TOOLS_ADVISED}");
        });
    }
    for tool in list.elements() {
        look_at(look, names, tool, place);
    }
    equal_names(look, list);
}

fn key_of(list: Value<'_>) -> Cow<'_, str> {
    if list.is_member() { list.key() } else { Cow::Borrowed("the list of tools") }
}

/// Looks at one tool.
pub(super) fn look_at<'t>(look: &mut Look, names: &Names<'t>, tool: Value<'t>, place: Place) {
    if !tool.is_object() {
        let path = look.paths.of(tool);
        look.say(&tools::NOT_AN_OBJECT, Severity::Error, At::Value(tool), |said| {
            said.message = format!("a tool must be an object, and is {}", tool.form().phrase());
            said.reply = Some(format!(
                "Invalid type for '{path}': expected an object, but got {} instead.",
                tool.form().phrase()
            ));
        });
        return;
    }
    look.tool =
        name_of(tool).and_then(Value::text).filter(|name| !name.is_empty() && name::is_legal(name)).map(|name| {
            let end = name.floor_char_boundary(NAME_BYTES_MAX);
            name[..end].to_owned()
        });
    if let Some(parts) = parts(look, tool, place) {
        look_inside(look, names, parts);
    } else if let Some(inner) = inside(tool) {
        namespace(look, tool);
        inner.elements().for_each(|tool| look_at(look, names, tool, Place::Tools));
    }
    look.tool = None;
}

/// What a definition is made of, once its form is known.
#[derive(Debug, Clone, Copy)]
struct Parts<'t> {
    tool: Value<'t>,
    /// Where `name` and `description` are.
    inner: Value<'t>,
    schema: Option<Value<'t>>,
    is_foreign: bool,
    /// Whether it is a function: only they may be strict.
    is_function: bool,
}

/// Finds the parts of a tool and reports a form that is not the API's. `None` for what has none.
fn parts<'t>(look: &mut Look, tool: Value<'t>, place: Place) -> Option<Parts<'t>> {
    let kind = tool.set("type");
    let foreign = tool.field("inputSchema").or_else(|| tool.field("input_schema"));
    let word = kind.and_then(Value::text);
    if let (Some(schema), None | Some("custom")) = (foreign, word.as_deref()) {
        foreign_form(look, tool, schema, place);
        let is_foreign = place == Place::Alone;
        return Some(Parts { tool, inner: tool, schema: Some(schema), is_foreign, is_function: false });
    }
    if word.is_none() && place != Place::Functions {
        type_missing(look, tool, kind, place);
    }
    match word.as_deref() {
        Some("function") | None => {
            let inner = function(look, tool, word.is_some())?;
            Some(Parts { tool, inner, schema: inner.set("parameters"), is_foreign: false, is_function: true })
        }
        Some("custom") => {
            let inner = if look.is_responses() { tool } else { tool.object("custom").unwrap_or(tool) };
            Some(Parts { tool, inner, schema: None, is_foreign: false, is_function: false })
        }
        Some(word) => {
            let is_known = look.is_responses() && is_hosted(word);
            let known = if look.is_responses() { "function, custom and hosted ones" } else { "function and custom" };
            if !is_known && look.is_openai() {
                look.say(&tools::TYPE_UNKNOWN, Severity::Warning, At::Value(kind?), |said| {
                    said.message = format!("the type of this tool is not known: {known} are");
                });
            }
            None
        }
    }
}

fn type_missing<'t>(look: &mut Look, tool: Value<'t>, kind: Option<Value<'t>>, place: Place) {
    let severity = match place {
        Place::Alone => Severity::Note,
        _ => look.error_at_openai(),
    };
    let path = look.paths.of(tool);
    look.say(&tools::TYPE_MISSING, severity, At::Value(kind.unwrap_or(tool)), |said| {
        said.message = match place {
            Place::Alone => "the tool has no type: only `functions`, which is deprecated, takes it so".to_owned(),
            _ => "the tool has no type".to_owned(),
        };
        said.reply = Some(format!("Missing required parameter: '{path}.type'."));
    });
}

fn foreign_form<'t>(look: &mut Look, tool: Value<'t>, schema: Value<'t>, place: Place) {
    let is_of_mcp = schema.is_key("inputSchema");
    let is_fine = !is_of_mcp && look.target == Target::AnthropicCompat;
    // A server's whole list is told once.
    if is_fine || (place == Place::Alone && look.has_told_form) {
        return;
    }
    look.has_told_form = true;
    let severity = match place {
        Place::Alone => Severity::Note,
        _ => look.error_at_openai(),
    };
    let path = look.paths.of(tool);
    look.say(&tools::FOREIGN_FORM, severity, At::Key(schema), |said| {
        let whose = if is_of_mcp { "MCP servers list it" } else { "Anthropic takes it" };
        said.message = format!("the tool is as {whose}: it is another form that is sent");
        said.reply = (place != Place::Alone).then(|| format!("Missing required parameter: '{path}.type'."));
    });
}

/// Where the parts of a function are.
fn function<'t>(look: &mut Look, tool: Value<'t>, has_type: bool) -> Option<Value<'t>> {
    let paths = look.paths;
    let openai = look.error_at_openai();
    let Some(function) = tool.field("function") else {
        if has_type && !look.is_responses() {
            look.say(&tools::RESPONSES_FORM, openai, At::Value(tool), |said| {
                said.message = "the tool has no object `function`: it is in the form of Responses".to_owned();
                said.reply = Some(format!("Missing required parameter: '{}.function'.", paths.of(tool)));
            });
        }
        return Some(tool);
    };
    if has_type && look.is_responses() {
        look.say(&tools::CHAT_FORM, openai, At::Key(function), |said| {
            said.message = "the tool is in the form of Chat: name and parameters stand beside type here".to_owned();
            said.reply = Some(format!("Missing required parameter: '{}.name'.", paths.of(tool)));
        });
    }
    if function.is_object() {
        return Some(function);
    }
    field_type(look, function, "an object");
    None
}

fn field_type(look: &mut Look, value: Value<'_>, wants: &str) {
    let (severity, path) = (look.error_at_openai(), look.paths.of(value));
    look.say(&tools::FIELD_TYPE, severity, At::Value(value), |said| {
        said.message = format!("{} must be {wants}, and is {}", shown(&value.key()), value.form().phrase());
        said.reply =
            Some(format!("Invalid type for '{path}': expected {wants}, but got {} instead.", value.form().phrase()));
    });
}

fn look_inside<'t>(look: &mut Look, names: &Names<'t>, parts: Parts<'t>) {
    let Parts { tool, inner, schema, is_foreign, is_function } = parts;
    name::look_at(look, names, inner, is_foreign);
    description(look, inner);
    if inner.field("defer_loading").is_some_and(|value| value.boolean().is_none() && !value.is_null()) {
        field_type(look, inner.field("defer_loading").unwrap_or(inner), "a boolean");
    }
    let strict = inner.set("strict").filter(|_| is_function);
    if let Some(strict) = strict
        && strict.boolean().is_none()
    {
        field_type(look, strict, "a boolean");
    }
    let Some(root) = schema else { return };
    if !root.is_object() {
        not_a_schema(look, root);
        return;
    }
    let name = inner.field("name").and_then(Value::text).unwrap_or_default();
    // Others take `strict` and do not look at it.
    let is_strict = strict.and_then(Value::boolean) == Some(true) && look.is_openai();
    let setting = Setting { root, home: Home::Function, name: &name, is_strict, is_foreign };
    schema::look_at(look, setting);
    if is_function && strict.is_none() && look.is_responses() && look.is_openai() {
        schema::look_at_unset(look, setting, tool);
    }
}

/// Reports a schema that is no object.
pub(super) fn not_a_schema(look: &mut Look, value: Value<'_>) {
    let path = look.paths.of(value);
    look.say(&tools::PARAMETERS_TYPE, Severity::Error, At::Value(value), |said| {
        said.message = format!("{} must be an object, and is {}", shown(&value.key()), value.form().phrase());
        said.reply =
            Some(format!("Invalid type for '{path}': expected an object, but got {} instead.", value.form().phrase()));
    });
}

fn description(look: &mut Look, inner: Value<'_>) {
    let Some(description) = inner.set("description") else { return };
    if !description.is_string() {
        field_type(look, description, "a string");
        return;
    }
    if !look.is_openai() {
        return;
    }
    if let Some(count) = description.longer_than(DESCRIPTION_MAX) {
        let path = look.paths.of(description);
        look.say(&tools::DESCRIPTION_LENGTH, Severity::Warning, At::Value(description), |said| {
            said.message = format!(
                "the description has {} characters; until 2025 the limit was {}",
                counted(count),
                counted(DESCRIPTION_MAX)
            );
            said.reply = Some(too_long(&path, DESCRIPTION_MAX, count));
        });
    }
}

/// The name of a namespace of tools.
fn namespace(look: &mut Look, tool: Value<'_>) {
    if let Some(name) = tool.field("name") {
        namespace_name(look, name);
    }
}

/// Looks at a namespace, where it is defined and where a call names it.
pub(super) fn namespace_name(look: &mut Look, value: Value<'_>) {
    let Some(text) = value.text() else { return };
    let (severity, path) = (look.error_at_openai(), look.paths.of(value));
    if !text.is_empty() && name::is_legal(&text) && text.len() <= name::CHAT_MAX {
        return;
    }
    look.say(&calls::NAMESPACE, severity, At::Value(value), |said| {
        if name::is_legal(&text) && !text.is_empty() {
            said.message = format!("the namespace has {} characters, limit {}", text.len(), name::CHAT_MAX);
            said.reply = Some(too_long(&path, name::CHAT_MAX, text.len()));
        } else {
            said.message = "the namespace has characters other than letters, digits, _ and -".to_owned();
            said.reply = Some(format!(
                "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            ));
        }
    });
}

/// Reports each tool whose name an earlier one has too.
fn equal_names<'t>(look: &mut Look, list: Value<'t>) {
    let mut named: Vec<(Cow<'t, str>, Value<'t>)> =
        list.elements().filter_map(|tool| name_of(tool).and_then(|name| Some((name.text()?, name)))).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.id().cmp(&b.1.id())));
    let severity = if look.is_openai() { Severity::Warning } else { Severity::Error };
    for pair in named.windows(2) {
        let [(first, _), (second, site)] = pair else { continue };
        if first == second && !first.is_empty() {
            look.say(&tools::NAME_TWICE, severity, At::Value(*site), |said| {
                said.message = format!("another tool has the name \"{}\" too", shown(second));
            });
        }
    }
}
