//! What a request asks for: the endpoint, and the few facts of its body that a reply depends on.
//!
//! Unknown stays unknown: a body that is not a JSON object has no model and asks for no stream.
//! A key that occurs twice counts as it was said last, as in most parsers.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The most embeddings in one reply.
pub(crate) const INPUTS_MAX: usize = 2048;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Responses,
    Embeddings,
    Completions,
    Messages,
    Models,
    /// Everything that has no good answer.
    Unknown,
}

impl Endpoint {
    /// What `method` on `path` (without its query) means; `/v1` in front may be missing.
    pub(crate) fn of(method: &str, path: &str) -> Endpoint {
        match (method, path.strip_prefix("/v1").unwrap_or(path)) {
            ("POST", "/chat/completions") => Endpoint::Chat,
            ("POST", "/responses") => Endpoint::Responses,
            ("POST", "/embeddings") => Endpoint::Embeddings,
            ("POST", "/completions") => Endpoint::Completions,
            ("POST", "/messages") => Endpoint::Messages,
            ("GET", "/models") => Endpoint::Models,
            _ => Endpoint::Unknown,
        }
    }

    /// Whether it answers with a stream if asked to.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Endpoint::Chat | Endpoint::Responses | Endpoint::Completions | Endpoint::Messages)
    }
}

/// The facts of a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts<'a> {
    pub(crate) is_object: bool,
    pub(crate) model: Option<Cow<'a, str>>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Embeddings asked for as base64.
    pub(crate) base64: bool,
    /// Texts to embed: at least 1, at most [`INPUTS_MAX`].
    pub(crate) inputs: usize,
}

/// The facts of `body`.
pub(crate) fn facts(body: &[u8]) -> Facts<'_> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let facts = deserializer.deserialize_map(FactsVisitor).ok().filter(|_| deserializer.end().is_ok());
    facts.unwrap_or_else(|| Facts { inputs: 1, ..Facts::default() })
}

struct FactsVisitor;

impl<'de> Visitor<'de> for FactsVisitor {
    type Value = Facts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Facts<'de>, A::Error> {
        let mut facts = Facts { is_object: true, inputs: 1, ..Facts::default() };
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "model" => facts.model = read::<&RawValue, _>(&mut map)?.and_then(text),
                "stream" => facts.stream = is_true(read(&mut map)?),
                "encoding_format" => {
                    facts.base64 = read::<&RawValue, _>(&mut map)?.is_some_and(|raw| raw.get() == "\"base64\"");
                }
                "stream_options" => facts.include_usage = usage(read(&mut map)?),
                "input" => facts.inputs = inputs(read(&mut map)?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(facts)
    }
}

fn read<'de, T: serde::Deserialize<'de>, A: MapAccess<'de>>(map: &mut A) -> Result<Option<T>, A::Error> {
    map.next_value::<T>().map(Some)
}

fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    // A derived `Cow` would always be copied; names with escapes are rare.
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned),
    }
}

fn is_true(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| raw.get() == "true")
}

fn usage(raw: Option<&RawValue>) -> bool {
    #[derive(serde::Deserialize)]
    struct Options {
        include_usage: bool,
    }
    raw.and_then(|raw| serde_json::from_str::<Options>(raw.get()).ok()).is_some_and(|options| options.include_usage)
}

fn inputs(raw: Option<&RawValue>) -> usize {
    let texts = raw.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok()).unwrap_or_default();
    // A list of numbers is one text of tokens.
    let is_tokens = texts.first().is_some_and(|first| first.get().starts_with(|c: char| c.is_ascii_digit()));
    if is_tokens { 1 } else { texts.len().clamp(1, INPUTS_MAX) }
}

/// The request's own last words: the last message of the user, the prompt, or the input.
pub(crate) fn last_words(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let is_users = |message: &&serde_json::Value| message["role"] == "user";
    for key in ["messages", "input"] {
        if let Some(messages) = body[key].as_array() {
            let message = messages.iter().rev().find(is_users).or(messages.last())?;
            return words_of(if message.is_object() { &message["content"] } else { message });
        }
    }
    words_of(if body["prompt"].is_null() { &body["input"] } else { &body["prompt"] })
}

fn words_of(content: &serde_json::Value) -> Option<String> {
    if let Some(text) = content.as_str() {
        return Some(text.to_owned());
    }
    let parts = content.as_array()?;
    parts.iter().rev().find_map(|part| part["text"].as_str().or(part.as_str())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_by_its_top_only() {
        let body = br#"{"messages":[{"stream":true,"model":"x"}],"model":"gpt-\u0034o","stream":true,
            "stream_options":{"include_usage":true},"input":["a","b","c"],"encoding_format":"base64"}"#;
        let facts = facts(body);
        assert_eq!(facts.model.as_deref(), Some("gpt-4o"));
        assert!(facts.stream && facts.include_usage && facts.base64 && facts.is_object);
        assert_eq!(facts.inputs, 3);
    }

    #[test]
    fn odd_bodies_are_unknown_and_not_an_error() {
        for odd in ["", "[1]", "{\"model\":", "{} x", "{\"model\":\"m\",}"] {
            assert_eq!(facts(odd.as_bytes()), Facts { inputs: 1, ..Facts::default() }, "{odd}");
        }
        let odd = facts(br#"{"model":7,"stream":"true","stream_options":3,"input":[1,2]}"#);
        assert!(odd.is_object && odd.model.is_none() && !odd.stream && odd.inputs == 1);
        assert_eq!(facts(br#"{"model":"a","model":"b"}"#).model.as_deref(), Some("b"));
    }

    #[test]
    fn inputs_end_at_their_limit() {
        let body = |n: usize| format!("{{\"input\":[{}]}}", vec!["\"a\""; n].join(","));
        assert_eq!(facts(body(INPUTS_MAX).as_bytes()).inputs, INPUTS_MAX);
        assert_eq!(facts(body(INPUTS_MAX + 1).as_bytes()).inputs, INPUTS_MAX);
    }

    #[test]
    fn the_last_words_are_found_in_every_form() {
        let words = |body: &str| last_words(body.as_bytes());
        let chat = r#"{"messages":[{"role":"user","content":"first"},{"role":"user","content":[{"type":"text","text":"last"}]},
            {"role":"assistant","content":"mine"}]}"#;
        assert_eq!(words(chat).as_deref(), Some("last"));
        assert_eq!(words(r#"{"prompt":"p"}"#).as_deref(), Some("p"));
        assert_eq!(words(r#"{"input":"i"}"#).as_deref(), Some("i"));
        assert_eq!(words(r#"{"input":[{"role":"user","content":"i2"}]}"#).as_deref(), Some("i2"));
        assert_eq!(words(r#"{"input":["a","b"]}"#).as_deref(), Some("b"));
        assert_eq!(words("nonsense"), None);
    }

    #[test]
    fn paths_work_with_and_without_their_version() {
        assert_eq!(Endpoint::of("POST", "/v1/chat/completions"), Endpoint::Chat);
        assert_eq!(Endpoint::of("POST", "/responses"), Endpoint::Responses);
        assert_eq!(Endpoint::of("GET", "/v1/models"), Endpoint::Models);
        assert_eq!(Endpoint::of("GET", "/v1/chat/completions"), Endpoint::Unknown);
    }
}
