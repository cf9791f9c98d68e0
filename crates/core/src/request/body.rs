//! What a request's body asks for, read from the top of its JSON.
//!
//! The keys that matter are few and the rest is skipped. Each fact stands alone: a `max_tokens`
//! of an odd type hides only itself. A key that occurs twice is a fact that nobody has, because
//! the upstream may read either. A body that breaks off says nothing at all.

use http::{HeaderMap, header};

use super::{Effort, Opaque};
use crate::json;

/// The longest model name believed to be one, in bytes. The longest in use are near 100.
pub const MODEL_BYTES_MAX: usize = 256;

/// In longer messages no image is looked for, in bytes: their size tells them apart, and the look would cost.
pub const IMAGES_BYTES_MAX: usize = 64 * 1024;

/// Of each end of a tool definition, this much tells it from others.
const MARKED_BYTES: usize = 64;

/// The facts of a body; what is not known is at its default.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Peek {
    pub(super) model: Option<String>,
    pub(super) stream: bool,
    pub(super) tools: u32,
    /// What tells these tools from others; 0 for none.
    pub(super) tool_mark: u64,
    pub(super) hosted_tools: bool,
    pub(super) effort: Option<Effort>,
    pub(super) images: bool,
    /// `None` when it cannot be told.
    pub(super) background: Option<bool>,
    pub(super) choices: u32,
    pub(super) max_tokens: Option<u64>,
    /// The first reason why something is unknown.
    pub(super) opaque: Option<Opaque>,
}

impl Peek {
    /// Of a body that says nothing: everything is at the API's own default.
    const NOTHING_SAID: Peek = Peek {
        model: None,
        stream: false,
        tools: 0,
        tool_mark: 0,
        hosted_tools: false,
        effort: None,
        images: false,
        background: Some(false),
        choices: 1,
        max_tokens: None,
        opaque: None,
    };

    /// Of a body that cannot be read.
    const fn unknown(why: Opaque) -> Peek {
        Peek { background: None, opaque: Some(why), ..Peek::NOTHING_SAID }
    }
}

/// Looks at the body, if it is there and claims to be JSON or claims nothing.
pub(super) fn peek(headers: &HeaderMap, body: Option<&[u8]>, body_bytes: u64) -> Peek {
    match body {
        None if body_bytes > 0 => Peek::unknown(Opaque::NotKept),
        None | Some([]) => Peek::NOTHING_SAID,
        Some(_) if !may_be_json(headers) => Peek::unknown(Opaque::OtherType),
        Some(body) => read(body),
    }
}

/// A model's name: not empty, not too long, and nothing in it that would act up in a log.
pub(super) fn model(name: &str) -> Option<String> {
    let is_one = !name.is_empty() && name.len() <= MODEL_BYTES_MAX && !name.chars().any(char::is_control);
    is_one.then(|| name.to_owned())
}

fn may_be_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    value == "application/json" || value.as_bytes().windows(4).any(|window| window.eq_ignore_ascii_case(b"json"))
}

/// Reads a body that is there.
fn read(body: &[u8]) -> Peek {
    let mut fields = Fields::default();
    let mut tools = Tools::default();
    let mut members = json::members(body);
    let are_tools = |key: &[u8]| matches!(key, b"tools" | b"functions");
    while let Some(member) = members.next_with(are_tools, |tool| tools.add(tool)) {
        match member {
            Ok((key, raw)) => fields.remember(&key, raw),
            Err(json::Malformed::NotAnObject) => return Peek::unknown(Opaque::NotAnObject),
            Err(_) => return Peek::unknown(Opaque::Malformed),
        }
    }
    fields.facts(tools)
}

/// What the body said under a key that matters.
#[derive(Clone, Copy, Default)]
enum Field<'a> {
    #[default]
    Absent,
    Once(&'a [u8]),
    Twice,
}

impl Field<'_> {
    /// What `parse` makes of the value; `null` counts as absent.
    fn read<T>(self, parse: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, Opaque> {
        match self {
            Field::Absent => Ok(None),
            Field::Once(raw) if json::is_null(raw) => Ok(None),
            Field::Once(raw) => parse(raw).map(Some).ok_or(Opaque::OddType),
            Field::Twice => Err(Opaque::DuplicateKey),
        }
    }

    /// Whether something is switched on by it: neither `null` nor an empty list.
    fn is_on(self) -> bool {
        match self {
            Field::Absent => false,
            Field::Once(raw) => !json::is_null(raw) && json::elements(raw).next().is_some(),
            Field::Twice => true,
        }
    }
}

#[derive(Default)]
struct Fields<'a> {
    model: Field<'a>,
    stream: Field<'a>,
    tools: Field<'a>,
    functions: Field<'a>,
    background: Field<'a>,
    n: Field<'a>,
    prompt: Field<'a>,
    stream_format: Field<'a>,
    max_tokens: Field<'a>,
    max_completion_tokens: Field<'a>,
    max_output_tokens: Field<'a>,
    web_search_options: Field<'a>,
    plugins: Field<'a>,
    reasoning_effort: Field<'a>,
    reasoning: Field<'a>,
    messages: Field<'a>,
    input: Field<'a>,
}

impl<'a> Fields<'a> {
    fn remember(&mut self, key: &[u8], raw: &'a [u8]) {
        let field = match key {
            b"model" => &mut self.model,
            b"stream" => &mut self.stream,
            b"tools" => &mut self.tools,
            b"functions" => &mut self.functions,
            b"background" => &mut self.background,
            b"n" => &mut self.n,
            b"prompt" => &mut self.prompt,
            b"stream_format" => &mut self.stream_format,
            b"max_tokens" => &mut self.max_tokens,
            b"max_completion_tokens" => &mut self.max_completion_tokens,
            b"max_output_tokens" => &mut self.max_output_tokens,
            b"web_search_options" => &mut self.web_search_options,
            b"plugins" => &mut self.plugins,
            b"reasoning_effort" => &mut self.reasoning_effort,
            b"reasoning" => &mut self.reasoning,
            b"messages" => &mut self.messages,
            b"input" => &mut self.input,
            _ => return,
        };
        *field = if let Field::Absent = field { Field::Once(raw) } else { Field::Twice };
    }

    /// How hard the model is to think: Chat and Responses have a word each for it.
    fn effort(&self) -> Option<Effort> {
        let word = |raw: &[u8]| json::string(raw).map(|word| Effort::from_name(&word).unwrap_or(Effort::Other));
        let of_chat = self.reasoning_effort.read(word).ok().flatten();
        of_chat.or_else(|| self.reasoning.read(|raw| word(json::field(raw, "effort")?)).ok().flatten())
    }

    /// What it all says, given the elements of `tools` and `functions`.
    fn facts(&self, found: Tools) -> Peek {
        let list = |raw: &[u8]| raw.starts_with(b"[").then_some(found);
        let model = self.model.read(|raw| model(&json::string(raw)?));
        let stream = self.stream.read(json::boolean);
        let tools = self.tools.read(list).and_then(|tools| Ok(tools.or(self.functions.read(list)?)));
        let background = self.background.read(json::boolean);
        let choices = self.n.read(json::uint);
        let prompts = self.prompt.read(|raw| Some(prompts(raw))).ok().flatten().unwrap_or(1);
        // Speech has a word of its own for it.
        let is_sse = self.stream_format.read(|raw| Some(raw == br#""sse""#)).is_ok_and(|is| is == Some(true));
        let [newest, of_responses, oldest] =
            [self.max_completion_tokens, self.max_output_tokens, self.max_tokens].map(|limit| limit.read(json::uint));

        let reasons = [
            model.as_ref().err(),
            stream.as_ref().err(),
            tools.as_ref().err(),
            background.as_ref().err(),
            choices.as_ref().err(),
            newest.as_ref().err(),
            of_responses.as_ref().err(),
            oldest.as_ref().err(),
        ];
        let opaque = reasons.into_iter().flatten().next().copied();

        // Tools that cannot be read may run anywhere.
        let tools = tools.unwrap_or(Some(Tools { count: 0, mark: 0, are_hosted: true })).unwrap_or_default();
        Peek {
            model: model.unwrap_or_default(),
            stream: stream.is_ok_and(|stream| stream == Some(true)) || is_sse,
            tools: tools.count,
            tool_mark: tools.mark,
            hosted_tools: tools.are_hosted || self.web_search_options.is_on() || self.plugins.is_on(),
            effort: self.effort(),
            images: [self.messages, self.input].into_iter().any(has_images),
            background: background.ok().map(Option::unwrap_or_default),
            choices: u32::try_from(choices.ok().flatten().unwrap_or(1).saturating_mul(prompts)).unwrap_or(u32::MAX),
            max_tokens: [newest, of_responses, oldest].into_iter().find_map(|limit| limit.ok().flatten()),
            opaque,
        }
    }
}

/// Whether what is said holds an image, as an address or as its bytes. Not looked for in more than
/// [`IMAGES_BYTES_MAX`].
fn has_images(said: Field<'_>) -> bool {
    let Field::Once(raw) = said else { return false };
    // A quote in a text has a backslash before it, and its word is no key.
    let is_word = |at: usize| {
        let before = raw[..at].strip_suffix(b"input_").unwrap_or(&raw[..at]);
        before.ends_with(b"\"") && !before.ends_with(b"\\\"")
    };
    raw.len() <= IMAGES_BYTES_MAX && memchr::memmem::find_iter(raw, b"image").any(is_word)
}

/// How many prompts a `prompt` holds: each of several, texts or lists of tokens, gets choices of
/// its own. One list of tokens is one prompt.
fn prompts(raw: &[u8]) -> u64 {
    let is_several = |first: &[u8]| first.starts_with(b"\"") || first.starts_with(b"[");
    match json::elements(raw).next() {
        Some(Ok(first)) if is_several(first) => json::elements(raw).map_while(Result::ok).count() as u64,
        _ => 1,
    }
}

/// The tool definitions of a body.
#[derive(Debug, Clone, Copy, Default)]
struct Tools {
    count: u32,
    mark: u64,
    /// Whether one of them runs on the server.
    are_hosted: bool,
}

impl Tools {
    fn add(&mut self, tool: &[u8]) {
        self.count = self.count.saturating_add(1);
        self.are_hosted |= is_hosted(tool);
        self.mark = marked(self.mark, tool);
    }
}

/// `mark` with one more tool in it, never 0. A definition counts with its length and up to
/// [`MARKED_BYTES`] of both of its ends: this happens for every request, and whoever is taken for
/// another by it is corrected by the next answer.
fn marked(mark: u64, tool: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let add = |mark: u64, word: u64| (mark.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let head = &tool[..tool.len().min(MARKED_BYTES)];
    let tail = &tool[tool.len() - tool.len().saturating_sub(MARKED_BYTES).min(MARKED_BYTES)..];
    let words = [head, tail].into_iter().flat_map(|end| end.chunks(8)).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    words.fold(add(mark, tool.len() as u64), add).max(1)
}

/// Whether a tool is carried out by the server. The kinds that the caller carries out are few and
/// written down; of a kind that is not among them the safe thing is assumed.
fn is_hosted(tool: &[u8]) -> bool {
    const CALLER_RUN: [&str; 6] = ["function", "custom", "local_shell", "apply_patch", "bash", "text_editor"];
    // A Chat function or an Anthropic tool may come without a type.
    let Some(kind) = json::field(tool, "type").and_then(json::string) else { return false };
    // Anthropic dates its kinds: bash_20250124.
    let name = kind.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = if name.len() < kind.len() { name.trim_end_matches('_') } else { name };
    !CALLER_RUN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Peek {
        peek(&HeaderMap::new(), Some(body.as_bytes()), body.len() as u64)
    }

    #[test]
    fn how_hard_it_is_to_think_is_known_in_either_form() {
        for (body, effort) in [
            (r#"{"reasoning_effort":"high"}"#, Some(Effort::High)),
            (r#"{"reasoning":{"summary":"auto","effort":"minimal"}}"#, Some(Effort::Minimal)),
            (r#"{"reasoning_effort":"utmost"}"#, Some(Effort::Other)),
            (r#"{"reasoning_effort":null,"reasoning":null}"#, None),
            (r#"{"reasoning_effort":5,"reasoning":"high"}"#, None),
            (r#"{"reasoning_effort":"low","reasoning_effort":"high"}"#, None),
            ("{}", None),
        ] {
            assert_eq!(of(body).effort, effort, "{body}");
            assert_eq!(of(body).opaque, None, "{body}");
        }
    }

    #[test]
    fn images_are_found_and_the_word_is_none() {
        let asks = |content: &str| of(&format!(r#"{{"messages":[{{"role":"user","content":{content}}}]}}"#)).images;
        for (content, images) in [
            (r#"[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]"#, true),
            (r#"[{"type":"image","source":{}}]"#, true),
            (r#""an image of \"image_url\" and input_image""#, false),
            (r#""image""#, true),
            (r#"[]"#, false),
        ] {
            assert_eq!(asks(content), images, "{content}");
        }
        assert!(of(r#"{"input":[{"content":[{"type":"input_image","image_url":"data:"}]}]}"#).images);
        let long = |bytes: usize| format!(r#"[{{"type":"image_url"}},"{}"]"#, "x".repeat(bytes));
        let edge = IMAGES_BYTES_MAX - r#"[{"role":"user","content":}]"#.len() - long(0).len();
        assert!(asks(&long(edge)) && !asks(&long(edge + 1)));
    }

    #[test]
    fn tools_are_told_apart_by_their_mark() {
        let mark = |tools: &str| of(&format!(r#"{{"tools":{tools},"messages":[]}}"#)).tool_mark;
        let long = |middle: &str, end: &str| {
            format!(r#"[{{"name":"a","x":"{}{middle}{}{end}"}}]"#, "x".repeat(200), "y".repeat(200))
        };
        let sets = [
            "[]",
            r#"[{"name":"a"}]"#,
            r#"[{"name":"b"}]"#,
            r#"[{"name":"a"},{"name":"b"}]"#,
            r#"[{"name":"b"},{"name":"a"}]"#,
            &long("", ""),
            &long("one more byte", ""),
            &long("", "z"),
        ];
        let marks: std::collections::HashSet<u64> = sets.iter().map(|set| mark(set)).collect();
        assert_eq!((marks.len(), mark("[]")), (sets.len(), 0));
        assert_eq!(of(r#"{"functions":[{"name":"a"}],"messages":[1]}"#).tool_mark, mark(sets[1]));
        // Not of the middle of a long one.
        assert_eq!(mark(&long("p", "")), mark(&long("q", "")));
    }

    #[test]
    fn the_facts_of_an_ordinary_body_are_read() {
        let peek = of(r#"{"model":"gpt-4o","messages":[{"role":"user","content":"{\"model\":\"no\"}"}],
            "stream":true,"n":2,"max_tokens":9,"max_completion_tokens":300,"functions":[{"name":"f"}],
            "tools":[{"type":"function","function":{"name":"a"}},{"function":{"name":"b"}},{"type":"custom"}]}"#);
        assert_eq!(
            peek,
            Peek {
                model: Some("gpt-4o".into()),
                stream: true,
                tools: 4,
                tool_mark: peek.tool_mark,
                hosted_tools: false,
                effort: None,
                images: false,
                background: Some(false),
                choices: 2,
                max_tokens: Some(300),
                opaque: None,
            }
        );
    }

    #[test]
    fn each_of_several_prompts_has_choices_of_its_own() {
        for (prompt, n, choices) in [
            (r#""a""#, "1", 1),
            (r#"["a"]"#, "1", 1),
            (r#"["a","b"]"#, "1", 2),
            (r#"["a","b"]"#, "3", 6),
            ("[[1,2],[3],[4]]", "null", 3),
            ("[1,2,3]", "2", 2),
            ("[]", "2", 2),
            ("null", "2", 2),
            (r#"["a","b"]"#, "4294967295", u32::MAX),
        ] {
            assert_eq!(of(&format!(r#"{{"prompt":{prompt},"n":{n}}}"#)).choices, choices, "{prompt}, {n} each");
        }
        assert_eq!(of(r#"{"prompt":["a","b"],"prompt":"a","n":2}"#).choices, 2);
    }

    #[test]
    fn a_stream_is_asked_for_in_either_way() {
        assert!(of(r#"{"stream_format":"sse"}"#).stream && of(r#"{"stream":true}"#).stream);
        assert!(!of(r#"{"stream_format":"audio"}"#).stream && !of(r#"{"stream":false,"stream_format":null}"#).stream);
    }

    #[test]
    fn what_is_unsaid_or_null_is_at_its_default() {
        assert_eq!(of("{}"), Peek::NOTHING_SAID);
        assert_eq!(of(""), Peek::NOTHING_SAID);
        assert_eq!(of(r#"{"model":null,"stream":null,"n":null,"tools":null,"max_tokens":null}"#), Peek::NOTHING_SAID);
    }

    #[test]
    fn an_odd_field_hides_only_itself() {
        let peek = of(r#"{"model":"gpt-4o","stream":"true","n":3}"#);
        assert_eq!((peek.model.as_deref(), peek.stream, peek.choices), (Some("gpt-4o"), false, 3));
        assert_eq!(peek.opaque, Some(Opaque::OddType));
        let peek = of(r#"{"model":"gpt-4o","stream":true,"max_tokens":1e3}"#);
        assert_eq!((peek.stream, peek.max_tokens, peek.opaque), (true, None, Some(Opaque::OddType)));
    }

    #[test]
    fn a_key_that_occurs_twice_is_a_fact_that_nobody_has() {
        let peek = of(r#"{"model":"a","\u006dodel":"b","stream":true}"#);
        assert_eq!((peek.model, peek.stream, peek.opaque), (None, true, Some(Opaque::DuplicateKey)));
        assert_eq!(of(r#"{"user":"a","user":"b"}"#).opaque, None);
        assert!(of(r#"{"tools":[],"tools":[]}"#).hosted_tools);
    }

    #[test]
    fn a_body_that_is_no_request_says_nothing() {
        for (body, why) in [
            ("[1]", Opaque::NotAnObject),
            ("null", Opaque::NotAnObject),
            (r#"{"model":"gpt-4o","stream":true"#, Opaque::Malformed),
            (r#"{"model":"gpt-4o","stream":true}}"#, Opaque::Malformed),
        ] {
            assert_eq!(of(body), Peek::unknown(why), "{body}");
        }
        assert_eq!(peek(&HeaderMap::new(), None, 7), Peek::unknown(Opaque::NotKept));
        assert_eq!(peek(&HeaderMap::new(), None, 0), Peek::NOTHING_SAID);
    }

    #[test]
    fn the_content_type_is_believed() {
        for (value, opaque) in [
            ("application/json", None),
            ("application/JSON; charset=utf-8", None),
            ("application/merge-patch+json", None),
            ("multipart/form-data; boundary=x", Some(Opaque::OtherType)),
            ("application/x-www-form-urlencoded", Some(Opaque::OtherType)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
            assert_eq!(peek(&headers, Some(b"{}"), 2).opaque, opaque, "{value}");
        }
    }

    #[test]
    fn a_model_is_a_bounded_name_without_control_characters() {
        let named = |name: &str| of(&serde_json::json!({ "model": name }).to_string());
        assert_eq!(named(&"m".repeat(MODEL_BYTES_MAX)).model.map(|name| name.len()), Some(MODEL_BYTES_MAX));
        for name in [&"m".repeat(MODEL_BYTES_MAX + 1), "", "a\nb", "\u{1b}[31m"] {
            let peek = named(name);
            assert_eq!((peek.model, peek.opaque), (None, Some(Opaque::OddType)), "{name:?}");
        }
        assert_eq!(named("modèle/ü").model.as_deref(), Some("modèle/ü"));
    }

    #[test]
    fn a_tool_is_hosted_unless_it_is_known_that_the_caller_runs_it() {
        for (kind, is_hosted) in [
            ("function", false),
            ("custom", false),
            ("local_shell", false),
            ("bash_20250124", false),
            ("text_editor_20250728", false),
            ("web_search", true),
            ("web_search_preview_2025_03_11", true),
            ("web_search_20250305", true),
            ("code_interpreter", true),
            ("file_search", true),
            ("mcp", true),
            ("computer_use_preview", true),
            ("image_generation", true),
            ("shell", true),
            ("unheard_of", true),
        ] {
            let peek = of(&format!(r#"{{"tools":[{{"type":"function"}},{{"name":"x","type":"{kind}"}}]}}"#));
            assert_eq!(peek.hosted_tools, is_hosted, "{kind}");
        }
        assert!(of(r#"{"web_search_options":{}}"#).hosted_tools);
        assert!(of(r#"{"plugins":[{"id":"web"}]}"#).hosted_tools);
        assert!(!of(r#"{"web_search_options":null,"plugins":[]}"#).hosted_tools);
    }
}
