//! What a document is, and what is looked at in it.
//!
//! Its form says what it is: a request has messages or input, a tool a name and a schema. It also says
//! which API it was written for, unless the caller knows better.

use std::ops::Range;

use super::look::{Api, At, Look, Purpose};
use super::name::Names;
use super::rule::{document as rules, tools as tool_rules};
use super::tool::{self, Place};
use super::tree::{self, Broken, Tree, Value, Wrong};
use super::{Kind, Options, Severity, Target, ask, call};

/// Looks at `document` and says what it was taken for and how many tools it has.
pub(super) fn look_at(document: &[u8], options: Options, purpose: Purpose, is_inlining: bool) -> (Look, usize) {
    let tree = match tree::read(document) {
        Ok(tree) => tree,
        Err(broken) => return (unread(document, options, purpose, &broken), 0),
    };
    let root = tree.root();
    let kind = kind(root);
    let api = api(root, kind, options.target);
    let target = options.target.unwrap_or_else(|| target(root, kind, api));
    let mut look = Look::new(target, api, kind, purpose);
    look.is_inlining = is_inlining;
    look.is_fine_tuned = root.field("model").and_then(Value::text).is_some_and(|model| model.starts_with("ft:"));
    flaws(&mut look, &tree);
    let names = Names::of(sites(root, kind));
    let tools = match kind {
        Kind::Request => request(&mut look, &names, root),
        Kind::Tools => {
            tool::look_at_all(&mut look, &names, root, Place::Alone);
            root.len()
        }
        Kind::Tool => {
            tool::look_at(&mut look, &names, root, Place::Alone);
            1
        }
        Kind::Unknown => {
            look.say(&rules::UNKNOWN, Severity::Warning, At::Value(root), |said| {
                said.message = "this is neither a request, nor an array of tools, nor one tool".to_owned();
            });
            0
        }
    };
    (look, tools)
}

/// What is said of a document that could not be read to its end.
fn unread(document: &[u8], options: Options, purpose: Purpose, broken: &Broken) -> Look {
    let target = options.target.unwrap_or(Target::OpenaiChat);
    let mut look = Look::new(target, Api::Chat, Kind::Unknown, purpose);
    match broken {
        Broken::Syntax(at, why) => {
            look.say_at(&rules::NOT_JSON, whole(document, at.clone()), format!("this is no JSON: {why}"));
        }
        Broken::TooDeep(at) => {
            let message = format!("nested deeper than {} levels: not looked at", tree::DEPTH_MAX);
            look.say_at(&rules::TOO_DEEP, at.clone(), message);
        }
        Broken::TooLarge => {
            let message = format!("more than {} values: not looked at", super::wording::counted(tree::VALUES_MAX));
            look.say_at(&rules::TOO_LARGE, 0..document.len(), message);
        }
    }
    look
}

/// `span`, widened to the characters that it is in.
fn whole(document: &[u8], mut span: Range<usize>) -> Range<usize> {
    let is_within = |at: usize| document.get(at).is_some_and(|byte| (0x80..0xc0).contains(byte));
    while span.start > 0 && is_within(span.start) {
        span.start -= 1;
    }
    while is_within(span.end) {
        span.end += 1;
    }
    span
}

fn flaws(look: &mut Look, tree: &Tree<'_>) {
    for flaw in &tree.flaws {
        let (rule, message) = match flaw.what {
            Wrong::Utf8 => (&rules::NOT_UTF8, "these bytes are no UTF-8"),
            Wrong::LoneSurrogate => (&rules::LONE_SURROGATE, "half of a surrogate pair"),
            Wrong::RawControl => (&rules::RAW_CONTROL, "a control character that is not escaped"),
            Wrong::Nul => (&rules::NUL, "the character U+0000"),
            Wrong::KeyTwice => (&rules::KEY_TWICE, "the object has this key twice"),
        };
        look.say_within(rule, tree.value(flaw.node), flaw.at.clone(), message);
    }
}

fn kind(root: Value<'_>) -> Kind {
    if root.is_array() {
        let is_tool = |tool: Value<'_>| self::kind(tool) == Kind::Tool;
        let some = root.elements().take(8).any(|tool| tool.is_object() && is_tool(tool));
        return if some || root.len() == 0 { Kind::Tools } else { Kind::Unknown };
    }
    let has = |name: &str| root.field(name).is_some();
    if ["messages", "input", "tools", "functions", "model", "response_format"].into_iter().any(has) {
        return if tool::inside(root).is_some() { Kind::Tool } else { Kind::Request };
    }
    let parts = ["parameters", "inputSchema", "input_schema", "description", "strict", "type", "format"];
    let is_typed = root
        .field("type")
        .and_then(Value::text)
        .is_some_and(|kind| kind == "function" || kind == "custom" || tool::is_hosted(&kind));
    let is_tool = is_typed || root.object("function").is_some() || (has("name") && parts.into_iter().any(has));
    if is_tool { Kind::Tool } else { Kind::Unknown }
}

/// Which API the document is written for, or is to be sent to.
fn api(root: Value<'_>, kind: Kind, target: Option<Target>) -> Api {
    match target {
        Some(Target::OpenaiResponses) => return Api::Responses,
        Some(Target::OpenaiChat | Target::AnthropicCompat | Target::GeminiCompat) => return Api::Chat,
        Some(Target::Azure) | None => {}
    }
    let of = |tool: Value<'_>| {
        let kind = tool.field("type").and_then(Value::text).unwrap_or_default();
        match () {
            () if tool.field("function").is_some() || tool.field("custom").is_some() => Some(Api::Chat),
            () if tool::is_hosted(&kind) => Some(Api::Responses),
            () if kind == "function" || kind == "custom" => Some(Api::Responses),
            () => None,
        }
    };
    let first = |list: Value<'_>| list.elements().find_map(of);
    let found = match kind {
        Kind::Request if root.field("messages").is_some() => Some(Api::Chat),
        Kind::Request => {
            let marks = ["input", "previous_response_id", "instructions", "max_output_tokens", "conversation", "text"];
            let is_marked = marks.into_iter().any(|name| root.field(name).is_some());
            if is_marked { Some(Api::Responses) } else { root.field("tools").and_then(first) }
        }
        Kind::Tools => first(root),
        Kind::Tool => of(root),
        Kind::Unknown => None,
    };
    found.unwrap_or(Api::Chat)
}

/// Who takes a document of this form, where nobody said.
fn target(root: Value<'_>, kind: Kind, api: Api) -> Target {
    let is_of_anthropic = |tool: Value<'_>| tool.field("input_schema").is_some();
    let first = match kind {
        Kind::Request => root.field("tools").and_then(|tools| tools.elements().next()),
        Kind::Tools => root.elements().next(),
        Kind::Tool => Some(root),
        Kind::Unknown => None,
    };
    match api {
        _ if first.is_some_and(is_of_anthropic) => Target::AnthropicCompat,
        Api::Chat => Target::OpenaiChat,
        Api::Responses => Target::OpenaiResponses,
    }
}

fn request<'t>(look: &mut Look, names: &Names<'t>, root: Value<'t>) -> usize {
    // Tools that a server lists, or that somebody has put by, are not yet a request.
    let is_alone = !["messages", "input", "model"].into_iter().any(|name| root.field(name).is_some());
    let (tools, functions) = (root.set("tools"), root.set("functions"));
    if let Some(tools) = tools {
        tool::look_at_all(look, names, tools, if is_alone { Place::Alone } else { Place::Tools });
    }
    if let Some(functions) = functions.filter(|_| !look.is_responses()) {
        tool::look_at_all(look, names, functions, Place::Functions);
        if tools.is_some() {
            let severity = look.error_at_openai();
            look.say(&tool_rules::FUNCTIONS_TOO, severity, At::Key(functions), |said| {
                said.message = "functions and tools exclude each other".to_owned();
            });
        }
    }
    match look.api {
        Api::Chat => {
            if let Some(messages) = root.field("messages") {
                call::look_at_messages(look, names, messages);
            }
        }
        Api::Responses => {
            let has_history = ["previous_response_id", "conversation"].into_iter().any(|name| root.set(name).is_some());
            if let Some(input) = root.field("input") {
                call::look_at_items(look, names, input, has_history);
            }
        }
    }
    ask::look_at(look, root);
    [tools, functions].into_iter().flatten().filter(|list| list.is_array()).map(Value::len).sum()
}

/// Every place where a tool is named.
fn sites<'t>(root: Value<'t>, kind: Kind) -> Vec<Value<'t>> {
    let mut sites = Vec::new();
    let mut defined = |tool: Value<'t>| {
        sites.extend(tool::name_of(tool));
        sites.extend(tool::inside(tool).into_iter().flat_map(Value::elements).filter_map(tool::name_of));
    };
    match kind {
        Kind::Tool => defined(root),
        Kind::Tools => root.elements().for_each(defined),
        Kind::Unknown => {}
        Kind::Request => {
            let lists = ["tools", "functions"].into_iter().filter_map(|name| root.field(name));
            lists.flat_map(Value::elements).for_each(&mut defined);
            let choice = root.object("tool_choice");
            let allowed = choice.map(|choice| choice.object("allowed_tools").unwrap_or(choice));
            let allowed = allowed.and_then(|allowed| allowed.field("tools")).into_iter().flat_map(Value::elements);
            choice.into_iter().chain(root.object("function_call")).chain(allowed).for_each(&mut defined);
            for message in root.field("messages").into_iter().flat_map(Value::elements) {
                let calls = message.field("tool_calls").into_iter().flat_map(Value::elements);
                calls.chain(message.object("function_call")).for_each(&mut defined);
                let is_answer =
                    message.field("role").is_some_and(|role| role.is_text("tool") || role.is_text("function"));
                if is_answer {
                    defined(message);
                }
            }
            for item in root.field("input").into_iter().flat_map(Value::elements) {
                let is_call = item
                    .field("type")
                    .is_some_and(|kind| kind.is_text("function_call") || kind.is_text("custom_tool_call"));
                if is_call {
                    defined(item);
                }
            }
        }
    }
    sites
}
