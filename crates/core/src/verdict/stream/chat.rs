//! Chunks with choices: Chat Completions and the older Completions.
//!
//! A chunk has no type. What it means is in its members: an `error`, text in a choice's `delta`, a
//! `finish_reason`, or nothing but bookkeeping. The list of deltas grows every year (refusals,
//! reasoning under three names, audio, tool calls), so anything in a delta but its role is content.

use super::{ErrorForm, Facts, Meaning, TELLS};
use crate::json;
use crate::verdict::body::is_nothing;
use crate::verdict::sse::Event;

/// The last word of a stream of chunks.
pub(super) const DONE: &[u8] = b"[DONE]";

/// Whether a chunk after the first content holds nothing that must be read.
#[inline]
pub(super) fn is_plain(data: &[u8]) -> bool {
    // `[DONE]` and everything else that is no object is read.
    if data.first() != Some(&b'{') || TELLS.error.find(data).is_some() {
        return false;
    }
    is_every(&TELLS.finish_reason, data, |value| value.starts_with(b"null"))
        && is_every(&TELLS.usage, data, |value| !value.starts_with(b"{"))
}

/// Whether the value after each place where `tell` is found satisfies `holds`.
#[inline]
fn is_every(tell: &memchr::memmem::Finder<'_>, data: &[u8], holds: impl Fn(&[u8]) -> bool) -> bool {
    let mut rest = data;
    while let Some(at) = tell.find(rest) {
        rest = rest[at + tell.needle().len()..].trim_ascii_start();
        if !holds(rest) {
            return false;
        }
    }
    true
}

/// What a chunk means.
pub(super) fn read<'a>(facts: &mut Facts, event: Event<'a>) -> Meaning<'a> {
    let mut chunk = Chunk::default();
    for member in json::members(event.data) {
        // Broken inside: SDKs raise on it, so it must not be dropped.
        let Ok((key, raw)) = member else { return broken(event) };
        match &*key {
            b"error" if !is_nothing(raw) => return Meaning::Error(ErrorForm::Object, "error", event.data),
            b"object" => chunk.is_flat_error |= raw == br#""error""#,
            b"choices" => chunk.read_choices(facts, raw),
            b"usage" => facts.note_usage(raw),
            b"type" => {
                chunk.is_flat_error |= raw == br#""error""#;
                chunk.is_known |= matches!(raw, br#""ping""# | br#""keepalive""#);
            }
            _ => {}
        }
        chunk.is_known |= matches!(&*key, b"error" | b"choices" | b"usage" | b"prompt_filter_results");
    }
    match chunk {
        _ if chunk.is_flat_error || event.name == b"error" => Meaning::Error(ErrorForm::Flat, "error", event.data),
        Chunk { failure: Some(error), .. } => Meaning::Error(ErrorForm::FinishReason, "error", error),
        Chunk { is_last: true, .. } => Meaning::Terminal,
        Chunk { has_content: true, .. } | Chunk { is_known: false, .. } => Meaning::Content,
        _ => Meaning::Meta,
    }
}

fn broken(event: Event<'_>) -> Meaning<'_> {
    if event.name == b"error" { Meaning::Error(ErrorForm::Flat, "error", event.data) } else { Meaning::Content }
}

/// What was found in a chunk.
#[derive(Default)]
struct Chunk<'a> {
    /// Whether it holds anything that is known to be no content.
    is_known: bool,
    is_flat_error: bool,
    has_content: bool,
    /// Whether every choice asked for has finished with it.
    is_last: bool,
    /// A choice ended in an error: what it says about it.
    failure: Option<&'a [u8]>,
}

impl<'a> Chunk<'a> {
    fn read_choices(&mut self, facts: &mut Facts, raw: &'a [u8]) {
        for choice in json::elements(raw).map_while(Result::ok) {
            self.read_choice(facts, choice);
        }
    }

    fn read_choice(&mut self, facts: &mut Facts, choice: &'a [u8]) {
        let (mut index, mut error, mut reason, mut is_finished, mut is_failed) = (0, &b""[..], &b""[..], false, false);
        for (key, raw) in json::members(choice).map_while(Result::ok) {
            match &*key {
                b"index" => index = json::uint(raw).unwrap_or(0),
                b"delta" | b"message" => self.has_content |= has_content(raw),
                b"text" => self.has_content |= !is_nothing(raw),
                b"error" if !is_nothing(raw) => {
                    error = raw;
                    is_failed = true;
                }
                b"finish_reason" => {
                    is_finished = !is_nothing(raw);
                    reason = raw;
                    is_failed |= raw == br#""error""#;
                }
                b"native_finish_reason" => is_failed |= matches!(raw, br#""error""# | br#""network_error""#),
                _ => {}
            }
        }
        if is_failed {
            self.failure = Some(error);
        } else if is_finished {
            let before = facts.finished;
            self.is_last |= facts.finish(index);
            if facts.finished != before {
                facts.note_finish(reason);
            }
        }
    }
}

/// Whether a delta holds anything but its role.
fn has_content(delta: &[u8]) -> bool {
    json::members(delta).map_while(Result::ok).any(|(key, raw)| !matches!(&*key, b"role") && !is_nothing(raw))
}

#[cfg(test)]
mod tests {
    use super::super::{End, Signal, Watch};
    use super::*;
    use crate::request::Dialect;
    use crate::verdict::usage::Usage;

    fn signal(data: &str) -> Signal {
        Watch::new(Dialect::Chat, 1).push(format!("data: {data}\n\n").as_bytes())
    }

    #[test]
    fn a_delta_is_content_if_it_holds_anything_but_a_role() {
        for delta in [
            r#"{"content":"H"}"#,
            r#"{"role":"assistant","content":" "}"#,
            r#"{"refusal":"No"}"#,
            r#"{"reasoning":"x"}"#,
            r#"{"content":null,"reasoning_content":"x"}"#,
            r#"{"reasoning_details":[{"text":"x"}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}"#,
            r#"{"function_call":{"name":"f"}}"#,
            r#"{"audio":{"id":"a"}}"#,
            r#"{"unheard_of":"x"}"#,
        ] {
            let data = format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#);
            assert_eq!(signal(&data), Signal::Content, "{data}");
        }
        assert_eq!(signal(r#"{"choices":[{"index":0,"text":"x","finish_reason":null}]}"#), Signal::Content);
        assert_eq!(signal(r#"{"choices":[{"message":{"content":"x"}}]}"#), Signal::Content);
    }

    #[test]
    fn bookkeeping_is_no_content() {
        for data in [
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":null,"content_filter_results":{}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant","tool_calls":[],"content":null}}]}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
            r#"{"prompt_filter_results":[{"prompt_index":0}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
            r#"{"choices":[{"text":"","finish_reason":null}]}"#,
            r#"{"type":"keepalive"}"#,
            r#"{"error":null}"#,
            r#"{"error": { }}"#,
        ] {
            assert_eq!(signal(data), Signal::Meta, "{data}");
        }
        let mut watch = Watch::new(Dialect::Chat, 1);
        for stream in [": OPENROUTER PROCESSING\n\n", "event: ping\ndata: {}\n\n", "event: keepalive\n\n", "data:\n\n"]
        {
            assert_eq!(watch.push(stream.as_bytes()), Signal::Meta, "{stream}");
        }
        assert_eq!(watch.end(), End::CutBeforeContent);
    }

    #[test]
    fn what_is_unknown_or_broken_is_content() {
        for data in [r#"{"unheard":"of"}"#, "text", "[1]", r#"{"choices":[{"delta":"#, "{}"] {
            assert_eq!(signal(data), Signal::Content, "{data}");
        }
    }

    #[test]
    fn errors_are_known_in_each_of_their_forms() {
        for (stream, form, data) in [
            (r#"data: {"error":{"message":"m"}}"#, ErrorForm::Object, r#"{"error":{"message":"m"}}"#),
            (r#"data: {"error":"m"}"#, ErrorForm::Object, r#"{"error":"m"}"#),
            (
                r#"data: {"choices":[{"finish_reason":"error"}],"error":{"code":502}}"#,
                ErrorForm::Object,
                r#"{"choices":[{"finish_reason":"error"}],"error":{"code":502}}"#,
            ),
            (r#"data: {"object":"error","message":"m"}"#, ErrorForm::Flat, r#"{"object":"error","message":"m"}"#),
            ("event: error\ndata: {\"code\":400,\"details\":\"d\"}", ErrorForm::Flat, r#"{"code":400,"details":"d"}"#),
            ("event: error\ndata: oops", ErrorForm::Flat, "oops"),
            (r#"data: {"choices":[{"delta":{},"finish_reason":"error"}]}"#, ErrorForm::FinishReason, ""),
            (
                r#"data: {"choices":[{"delta":{},"finish_reason":"error","error":{"code":502}}]}"#,
                ErrorForm::FinishReason,
                r#"{"code":502}"#,
            ),
            (
                r#"data: {"choices":[{"finish_reason":"stop","native_finish_reason":"network_error"}]}"#,
                ErrorForm::FinishReason,
                "",
            ),
        ] {
            for begin in ["", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"] {
                let mut watch = Watch::new(Dialect::Chat, 1);
                watch.push(begin.as_bytes());
                assert_eq!(watch.push(format!("{stream}\n\ndata: [DONE]\n\n").as_bytes()), Signal::Error, "{stream}");
                let error = watch.error().expect("an error");
                assert_eq!((error.form, &*error.data, error.name), (form, data.as_bytes(), "error"), "{stream}");
                assert_eq!(watch.end(), End::Failed, "{stream}");
            }
        }
    }

    #[test]
    fn a_stream_is_over_when_it_says_so_or_when_every_choice_has_finished() {
        let finish = |index: u32| {
            format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n")
        };
        for choices in [0, 1, 2, 128] {
            for begin in ["", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"] {
                let mut watch = Watch::new(Dialect::Chat, choices);
                watch.push(begin.as_bytes());
                for index in 1..choices {
                    assert_eq!(watch.push(finish(index).as_bytes()), Signal::Meta, "{index} of {choices}");
                    // Twice the same is no progress.
                    assert_eq!(watch.push(finish(index).as_bytes()), Signal::Meta, "{index} of {choices}");
                }
                assert_eq!(watch.push(finish(0).as_bytes()), Signal::Terminal);
                assert_eq!(watch.end(), End::Complete);
            }
        }
        let mut watch = Watch::new(Dialect::Chat, 2);
        assert_eq!(watch.push(b"data: [DONE] \n\n"), Signal::Terminal);
        let mut watch = Watch::new(Dialect::Chat, 1);
        assert_eq!(watch.push(b"data: [DONE]\n"), Signal::Meta);
        assert_eq!(watch.end(), End::Complete);
    }

    #[test]
    fn an_index_beyond_all_bounds_finishes_nothing() {
        let mut watch = Watch::new(Dialect::Chat, u32::MAX);
        for index in ["128", "4294967296", "18446744073709551615"] {
            let chunk = format!("data: {{\"choices\":[{{\"index\":{index},\"finish_reason\":\"stop\"}}]}}\n\n");
            assert_eq!(watch.push(chunk.as_bytes()), Signal::Meta);
        }
    }

    #[test]
    fn what_follows_the_end_does_not_matter() {
        let mut watch = Watch::new(Dialect::Chat, 1);
        watch.push(b"data: [DONE]\n\n");
        assert_eq!(watch.push(b"data: {\"error\":{\"message\":\"m\"}}\n\n"), Signal::Meta);
        assert_eq!((watch.end(), watch.error()), (End::Complete, None));
    }

    #[test]
    fn text_about_errors_is_content_after_content_too() {
        let mut watch = Watch::new(Dialect::Chat, 1);
        let text = r#"{\"error\": {\"finish_reason\":\"stop\",\"usage\":{}}} [DONE]"#;
        let chunk =
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n");
        for _ in 0..3 {
            assert_eq!(watch.push(chunk.as_bytes()), Signal::Content);
        }
        assert_eq!((watch.events(), watch.content_events(), watch.end()), (3, 3, End::CutAfterContent));
    }

    #[test]
    fn usage_is_noted_wherever_it_comes() {
        let usage = "\"usage\": {\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}";
        let mut watch = Watch::new(Dialect::Chat, 1);
        watch.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}\n\n");
        watch.push(format!("data: {{\"choices\":[],{usage}}}\n\n").as_bytes());
        assert_eq!(watch.usage(), Usage { input: Some(7), output: Some(5), ..Usage::default() });
    }
}
