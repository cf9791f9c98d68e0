//! A request that fails, and the variants of it that are sent to find out why.
//!
//! Every variant keeps what it does not test, byte for byte. Where an answer would be paid for by
//! its length, a limit that is already there is lowered, which changes nothing about validation;
//! of a stream nothing is read beyond its first content.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use http::uri::PathAndQuery;

use super::outline::{Inside, Node, Path, quoted};

/// What a lowered limit allows: the least that the Responses API takes.
pub(super) const ANSWER_TOKENS_MAX: u64 = 16;
/// The names of the limit on an answer's length.
const LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
/// What takes the place of a tool's `parameters` when they are left out.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// Which form of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// `POST /chat/completions`
    Chat,
    /// `POST /responses`
    Responses,
}

impl Form {
    pub(super) fn target(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Form::Chat => "/v1/chat/completions",
            Form::Responses => "/v1/responses",
        })
    }
}

/// A tool definition of the request.
#[derive(Debug, Clone)]
pub(super) struct Tool<'a> {
    /// Its place in the array.
    pub(super) at: usize,
    /// Its name, if it has one that may be shown.
    pub(super) name: Option<String>,
    /// Where it is in the request.
    pub(super) path: Path,
    pub(super) node: Node<'a>,
}

/// The request, taken apart.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) form: Form,
    pub(super) root: Node<'a>,
    pub(super) tools: Vec<Tool<'a>>,
    /// Whether it asks for a stream.
    pub(super) streams: bool,
}

/// Which tools a variant has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tools<'t> {
    AsWritten,
    None,
    /// These definitions.
    These(&'t [String]),
}

impl<'a> Draft<'a> {
    /// Takes a request apart; `form` where its own members do not say it.
    ///
    /// # Errors
    /// Why it is no request that could be sent.
    pub(super) fn read(text: &'a str, form: Option<Form>) -> Result<Draft<'a>, &'static str> {
        let root = Node::read(text).ok_or("it is not JSON")?;
        if !matches!(root.inside, Inside::Members(_)) {
            return Err("it is not a request: a request is a JSON object with a model");
        }
        let has = |key| root.member(key).is_some();
        let guess = if has("messages") {
            Some(Form::Chat)
        } else if has("input") || has("prompt") {
            Some(Form::Responses)
        } else {
            None
        };
        let form = form.or(guess).ok_or("it has neither `messages` nor `input`: say which with --endpoint")?;
        if !has("model") {
            return Err("it names no model");
        }
        let streams = root.member("stream").is_some_and(|(_, node)| node.text == "true");
        let mut tools = Vec::new();
        for list in ["tools", "functions"] {
            let Some((place, node)) = root.member(list) else { continue };
            for (at, tool) in node.elements().unwrap_or_default().iter().enumerate() {
                tools.push(Tool { at, name: name(tool), path: vec![place, at], node: tool.clone() });
            }
            if !tools.is_empty() {
                break;
            }
        }
        Ok(Draft { form, root, tools, streams })
    }

    /// The model, as it is written.
    pub(super) fn model(&self) -> Option<String> {
        self.root.member("model")?.1.string()
    }

    /// Whether an answer's length is limited, be it by the request or by us.
    pub(super) fn limits_answer(&self) -> bool {
        self.form == Form::Responses || LIMITS.iter().any(|limit| self.root.member(limit).is_some())
    }

    /// The request as it was written, where it streams; else with its limit lowered.
    pub(super) fn as_written(&self) -> Bytes {
        if self.streams {
            Bytes::copy_from_slice(self.root.text.as_bytes())
        } else {
            self.with(false, Tools::AsWritten)
        }
    }

    /// The request, streaming or not, with these tools.
    pub(super) fn with(&self, streams: bool, tools: Tools<'_>) -> Bytes {
        let Inside::Members(members) = &self.root.inside else { return Bytes::new() };
        let list = self.tools.first().and_then(|tool| tool.path.first().copied());
        let has_none = matches!(tools, Tools::None);
        let mut parts: Vec<String> = Vec::with_capacity(members.len() + 1);
        for (at, (key, node)) in members.iter().enumerate() {
            let value: Cow<'_, str> = match &**key {
                "stream" if !streams => continue,
                "stream_options" if !streams => continue,
                "parallel_tool_calls" if has_none => continue,
                // A choice of a tool that is not there any more would be refused for that alone.
                "tool_choice" | "function_call"
                    if has_none || (matches!(tools, Tools::These(_)) && node.text.starts_with('{')) =>
                {
                    continue;
                }
                _ if list == Some(at) => match tools {
                    Tools::AsWritten => node.text.into(),
                    Tools::None => continue,
                    Tools::These(definitions) => format!("[{}]", definitions.join(",")).into(),
                },
                limit if LIMITS.contains(&limit) => lowered(node.text),
                _ => node.text.into(),
            };
            parts.push(format!("{}:{value}", quoted(key)));
        }
        if self.form == Form::Responses && self.root.member("max_output_tokens").is_none() {
            parts.push(format!("\"max_output_tokens\":{ANSWER_TOKENS_MAX}"));
        }
        Bytes::from(format!("{{{}}}", parts.join(",")))
    }

    /// The smallest request for the same model: is it up at all?
    pub(super) fn plain_question(&self, streams: bool) -> Bytes {
        let model = self.root.member("model").map_or("null", |(_, node)| node.text);
        let words = match self.form {
            Form::Chat => r#""messages":[{"role":"user","content":"Say ok."}]"#,
            Form::Responses => r#""input":"Say ok.""#,
        };
        let limit = LIMITS.iter().find(|limit| self.root.member(limit).is_some());
        let limit = limit.copied().or((self.form == Form::Responses).then_some("max_output_tokens"));
        let limit = limit.map(|limit| format!(",\"{limit}\":{ANSWER_TOKENS_MAX}")).unwrap_or_default();
        let stream = if streams { ",\"stream\":true" } else { "" };
        Bytes::from(format!("{{\"model\":{model},{words}{limit}{stream}}}"))
    }

    /// What an upstream's words are compared with before they are shown: all but the tools, whose
    /// names and schemas an error may well speak of.
    pub(super) fn words(&self) -> Bytes {
        self.with(self.streams, Tools::None)
    }
}

impl Tool<'_> {
    /// The definition without what is at `left_out`, seen from the tool; parameters that go are empty ones.
    pub(super) fn without(&self, left_out: &BTreeSet<Path>) -> String {
        let Some(parameters) = self.parameters() else { return self.node.without(left_out) };
        if !left_out.contains(&parameters) {
            return self.node.without(left_out);
        }
        // A tool without parameters is another kind of mistake, so they become the least there can be.
        let (last, holder) = parameters.split_last().expect("parameters are inside of a tool");
        let shorter = self.node.at(holder).expect("it holds the parameters");
        let inner: BTreeSet<Path> = left_out
            .iter()
            .filter(|path| path.len() > holder.len() && path.starts_with(holder))
            .map(|path| path[holder.len()..].to_vec())
            .collect();
        debug_assert!(inner.contains(&vec![*last]), "the parameters are left out");
        let rest = shorter.without(&inner);
        let separator = if rest == "{}" { "" } else { "," };
        let function = format!("{}{separator}\"parameters\":{NO_PARAMETERS}}}", &rest[..rest.len() - 1]);
        match holder {
            [] => function,
            [at, ..] => {
                let Inside::Members(members) = &self.node.inside else { return function };
                let parts = members.iter().enumerate().filter(|(place, _)| !left_out.contains(&vec![*place]));
                let parts = parts.map(|(place, (key, node))| {
                    format!("{}:{}", quoted(key), if place == *at { function.as_str() } else { node.text })
                });
                format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Where what can be left out begins: the function inside of the tool, or the tool.
    pub(super) fn function(&self) -> Path {
        match self.node.member("function") {
            Some((at, node)) if node.len() > 0 => vec![at],
            _ => Path::new(),
        }
    }

    /// Where its parameters are.
    pub(super) fn parameters(&self) -> Option<Path> {
        let mut path = self.function();
        path.push(self.node.at(&path)?.member("parameters")?.0);
        Some(path)
    }
}

/// The name of a tool, if it is one that a tool may have: others may hold anything.
fn name(tool: &Node<'_>) -> Option<String> {
    let holder = ["function", "custom"].iter().find_map(|key| tool.member(key)).map_or(tool, |(_, node)| node);
    let name = holder.member("name")?.1.string()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (!name.is_empty() && name.len() <= 128 && name.bytes().all(is_plain)).then_some(name)
}

/// A limit on the answer's length, if it is a number, at most [`ANSWER_TOKENS_MAX`].
fn lowered(limit: &str) -> Cow<'_, str> {
    match limit.parse::<u64>() {
        Ok(tokens) if tokens > ANSWER_TOKENS_MAX => ANSWER_TOKENS_MAX.to_string().into(),
        _ => limit.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"temperature":1e0,
        "messages":[],"tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{"x":{}}}}},
        {"type":"function","function":{"name":"b","strict":false}}],
        "tool_choice":{"type":"function","function":{"name":"a"}},"parallel_tool_calls":false,"max_tokens":900}"#;

    fn sent(bytes: &Bytes) -> serde_json::Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_request_that_streams_is_first_sent_as_it_is() {
        let draft = Draft::read(CHAT, None).unwrap();
        assert_eq!(draft.as_written(), CHAT.as_bytes());
        assert_eq!((draft.form, draft.streams, draft.tools.len()), (Form::Chat, true, 2));
    }

    #[test]
    fn without_a_stream_its_options_go_and_its_limit_is_lowered() {
        let draft = Draft::read(CHAT, None).unwrap();
        let body = draft.with(false, Tools::AsWritten);
        assert!(std::str::from_utf8(&body).unwrap().contains("\"temperature\":1e0"), "numbers stay as written");
        let sent = sent(&body);
        assert_eq!(sent["max_tokens"], 16);
        assert!(sent.get("stream").is_none() && sent.get("stream_options").is_none());
        assert_eq!(sent["tool_choice"]["function"]["name"], "a");
    }

    #[test]
    fn without_tools_nothing_speaks_of_tools() {
        let sent = sent(&Draft::read(CHAT, None).unwrap().with(true, Tools::None));
        for gone in ["tools", "tool_choice", "parallel_tool_calls"] {
            assert!(sent.get(gone).is_none(), "{gone}");
        }
        assert_eq!(sent["stream"], true);
    }

    #[test]
    fn a_choice_of_one_tool_goes_when_the_tools_change() {
        let draft = Draft::read(CHAT, None).unwrap();
        let sent = sent(&draft.with(true, Tools::These(&[draft.tools[1].node.text.to_owned()])));
        assert_eq!(sent["tools"].as_array().unwrap().len(), 1);
        assert!(sent.get("tool_choice").is_none());
    }

    #[test]
    fn parameters_that_go_become_empty_ones_in_both_shapes() {
        let flat = r#"{"model":"m","input":"x","tools":[{"type":"function","name":"a","description":"d","parameters":{"type":"object"}}]}"#;
        for (text, rest) in [
            (CHAT, r#"{"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{}}}}"#),
            (
                flat,
                r#"{"type":"function","name":"a","description":"d","parameters":{"type":"object","properties":{}}}"#,
            ),
        ] {
            let draft = Draft::read(text, None).unwrap();
            let tool = &draft.tools[0];
            assert_eq!(tool.without(&BTreeSet::from([tool.parameters().unwrap()])), rest);
        }
        assert_eq!(Draft::read(flat, None).unwrap().form, Form::Responses);
    }

    #[test]
    fn what_is_no_request_says_why() {
        let why = |text| Draft::read(text, None).unwrap_err();
        assert_eq!(why("{"), "it is not JSON");
        assert!(why("[]").contains("not a request"));
        assert!(why(r#"{"messages":[]}"#).contains("no model"));
        assert!(why(r#"{"model":"m"}"#).contains("--endpoint"));
    }

    #[test]
    fn a_limit_is_lowered_and_never_raised() {
        assert_eq!(
            [lowered("17"), lowered("16"), lowered("3"), lowered("null")],
            ["16", "16", "3", "null"].map(Cow::from)
        );
    }

    #[test]
    fn only_the_name_of_a_possible_tool_is_shown() {
        let tool = |name: &str| format!(r#"{{"type":"function","name":{}}}"#, quoted(name));
        assert_eq!(name(&Node::read(&tool("get_weather")).unwrap()).as_deref(), Some("get_weather"));
        assert_eq!(name(&Node::read(&tool("a prompt")).unwrap()), None);
    }
}
