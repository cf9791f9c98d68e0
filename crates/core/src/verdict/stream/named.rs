//! Events that say what they are: Responses, Assistants, Messages, images and audio.
//!
//! The `type` in the data is the word that counts; where it is missing the event's name is. What
//! announces a thing is no content, what adds to it is, and of a kind that is not known here the
//! latter is assumed.

use std::borrow::Cow;

use super::{ErrorForm, Facts, Meaning, RESPONSE_ID_MAX};
use crate::json::{self, Key};
use crate::request::Dialect;
use crate::verdict::body::is_nothing;
use crate::verdict::sse::Event;

/// What an event calls itself: its name, else the `type` that its data begins with or has. Cheap.
#[inline]
pub(super) fn kind<'a>(event: Event<'a>) -> Option<Cow<'a, [u8]>> {
    if !event.name.is_empty() && event.name != b"message" {
        return Some(Cow::Borrowed(event.name));
    }
    let raw = json::field(event.data, "type")?;
    raw.strip_prefix(b"\"")?.strip_suffix(b"\"").map(Cow::Borrowed)
}

/// What an event means.
pub(super) fn read<'a>(facts: &mut Facts, dialect: Dialect, event: Event<'a>) -> Meaning<'a> {
    let mut members = Members::default();
    for member in json::members(event.data) {
        let Ok((key, raw)) = member else { break };
        members.note(&key, raw);
    }
    // Assistants put the type into the name alone.
    let kind = members.kind.filter(|_| dialect != Dialect::Assistants).unwrap_or(event.name);
    if event.name == b"error" || kind == b"error" || members.is_error_object || members.error.is_some() {
        let form = if members.error.is_some() { ErrorForm::Object } else { ErrorForm::Flat };
        return Meaning::Error(form, "error", event.data);
    }
    if let Some(number) = members.sequence_number {
        facts.sequence_number = Some(number);
    }
    for holder in [members.response, members.message] {
        if let Some(usage) = holder.and_then(|holder| json::field(holder, "usage")) {
            facts.note_usage(usage);
        }
    }
    if let Some(usage) = members.usage {
        facts.note_usage(usage);
    }
    if matches!(kind, b"ping" | b"keepalive") {
        return Meaning::Meta;
    }
    if let (Dialect::Responses, None, Some(response)) = (dialect, &facts.response_id, members.response) {
        facts.response_id = json::field(response, "id").and_then(response_id);
    }
    let holder = match (dialect, kind) {
        (Dialect::Messages, b"message_delta") => json::field(event.data, "delta").map(|delta| (delta, "stop_reason")),
        (Dialect::Responses, b"response.incomplete") => {
            let details = members.response.and_then(|response| json::field(response, "incomplete_details"));
            details.map(|details| (details, "reason"))
        }
        _ => None,
    };
    if let Some(reason) = holder.and_then(|(holder, key)| json::field(holder, key)) {
        facts.note_finish(reason);
    } else if (dialect, kind) == (Dialect::Responses, b"response.completed") {
        facts.note_finish(br#""stop""#);
    }
    match dialect {
        Dialect::Responses => responses(kind, event),
        Dialect::Assistants => assistants(kind, event),
        Dialect::Messages => messages(kind, members.content_block),
        Dialect::Images => images(facts, kind),
        Dialect::Audio => audio(kind),
        Dialect::Chat | Dialect::Completions => Meaning::Content,
    }
}

/// The members that matter in any of the dialects, raw.
#[derive(Default)]
struct Members<'a> {
    /// `type`, without its quotes.
    kind: Option<&'a [u8]>,
    /// `error`, if it says something.
    error: Option<&'a [u8]>,
    is_error_object: bool,
    sequence_number: Option<u64>,
    response: Option<&'a [u8]>,
    message: Option<&'a [u8]>,
    content_block: Option<&'a [u8]>,
    usage: Option<&'a [u8]>,
}

impl<'a> Members<'a> {
    fn note(&mut self, key: &Key<'a>, raw: &'a [u8]) {
        match &**key {
            b"type" => self.kind = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")),
            b"error" => self.error = Some(raw).filter(|raw| !is_nothing(raw)),
            b"object" => self.is_error_object = raw == br#""error""#,
            b"sequence_number" => self.sequence_number = json::uint(raw),
            b"response" => self.response = Some(raw),
            b"message" => self.message = Some(raw),
            b"content_block" => self.content_block = Some(raw),
            b"usage" => self.usage = Some(raw),
            _ => {}
        }
    }
}

/// An id that can be put into a path as it is.
fn response_id(raw: &[u8]) -> Option<Box<str>> {
    let id = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let is_plain = id.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'));
    let fits = is_plain && (1..=RESPONSE_ID_MAX).contains(&id.len());
    fits.then(|| String::from_utf8_lossy(id).into())
}

fn responses<'a>(kind: &[u8], event: Event<'a>) -> Meaning<'a> {
    const MEANWHILE: [&[u8]; 4] = [b".in_progress", b".searching", b".interpreting", b".generating"];
    match kind {
        b"response.completed" | b"response.incomplete" | b"response.cancelled" => Meaning::Terminal,
        b"response.failed" => Meaning::Error(ErrorForm::Failed, "response.failed", event.data),
        b"response.created" | b"response.queued" => Meaning::Meta,
        b"response.output_item.added" | b"response.content_part.added" => Meaning::Meta,
        b"response.reasoning_summary_part.added" => Meaning::Meta,
        _ if MEANWHILE.iter().any(|end| kind.ends_with(end)) => Meaning::Meta,
        _ => Meaning::Content,
    }
}

fn assistants<'a>(kind: &[u8], event: Event<'a>) -> Meaning<'a> {
    match kind {
        b"done" | b"thread.run.completed" | b"thread.run.incomplete" | b"thread.run.requires_action" => {
            Meaning::Terminal
        }
        b"thread.run.cancelled" | b"thread.run.expired" => Meaning::Terminal,
        b"thread.run.failed" => Meaning::Error(ErrorForm::Failed, "thread.run.failed", event.data),
        b"thread.created" | b"thread.run.created" | b"thread.run.queued" | b"thread.run.cancelling" => Meaning::Meta,
        b"thread.run.step.created" | b"thread.message.created" => Meaning::Meta,
        _ if kind.ends_with(b".in_progress") => Meaning::Meta,
        _ => Meaning::Content,
    }
}

fn messages(kind: &[u8], content_block: Option<&[u8]>) -> Meaning<'static> {
    match kind {
        b"message_stop" => Meaning::Terminal,
        b"message_start" | b"message_delta" | b"content_block_stop" => Meaning::Meta,
        // Blocks that deltas will fill; the others come whole.
        b"content_block_start" => match content_block.and_then(|block| json::field(block, "type")) {
            Some(br#""text""# | br#""thinking""# | br#""tool_use""#) => Meaning::Meta,
            _ => Meaning::Content,
        },
        _ => Meaning::Content,
    }
}

fn images(facts: &mut Facts, kind: &[u8]) -> Meaning<'static> {
    if !kind.ends_with(b".completed") {
        return Meaning::Content;
    }
    let completed = u64::from(facts.finished.count_ones());
    if facts.finish(completed) { Meaning::Terminal } else { Meaning::Content }
}

fn audio(kind: &[u8]) -> Meaning<'static> {
    match kind {
        b"transcript.text.done" | b"speech.audio.done" => Meaning::Terminal,
        _ => Meaning::Content,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{End, Signal, Watch};
    use super::*;
    use crate::verdict::usage::Usage;

    /// As the APIs send it: the name and the type.
    fn both(kind: &str, rest: &str) -> String {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n")
    }

    fn signal(dialect: Dialect, stream: &str) -> Signal {
        Watch::new(dialect, 1).push(stream.as_bytes())
    }

    #[test]
    fn each_dialect_tells_announcements_from_content_and_ends() {
        use Dialect::{Assistants, Audio, Images, Messages, Responses};
        use Signal::{Content, Error, Meta, Terminal};
        for (dialect, kind, expected) in [
            (Responses, "response.created", Meta),
            (Responses, "response.queued", Meta),
            (Responses, "response.in_progress", Meta),
            (Responses, "response.output_item.added", Meta),
            (Responses, "response.content_part.added", Meta),
            (Responses, "response.web_search_call.searching", Meta),
            (Responses, "keepalive", Meta),
            (Responses, "response.output_text.delta", Content),
            (Responses, "response.reasoning_summary_text.delta", Content),
            (Responses, "response.function_call_arguments.delta", Content),
            (Responses, "response.refusal.delta", Content),
            (Responses, "response.output_item.done", Content),
            (Responses, "response.unheard_of", Content),
            (Responses, "response.completed", Terminal),
            (Responses, "response.incomplete", Terminal),
            (Responses, "response.failed", Error),
            (Responses, "error", Error),
            (Messages, "message_start", Meta),
            (Messages, "ping", Meta),
            (Messages, "content_block_delta", Content),
            (Messages, "content_block_stop", Meta),
            (Messages, "message_delta", Meta),
            (Messages, "message_stop", Terminal),
            (Messages, "error", Error),
            (Images, "image_generation.partial_image", Content),
            (Images, "image_generation.completed", Terminal),
            (Audio, "transcript.text.delta", Content),
            (Audio, "transcript.text.done", Terminal),
            (Audio, "speech.audio.done", Terminal),
            (Audio, "error", Error),
        ] {
            assert_eq!(signal(dialect, &both(kind, "")), expected, "{dialect} {kind}");
            let unnamed = format!("data: {{\"x\":1,\"type\":\"{kind}\"}}\n\n");
            assert_eq!(signal(dialect, &unnamed), expected, "{dialect} {kind} without a name");
            assert_eq!(signal(dialect, "data: [DONE]\n\n"), Terminal);
        }
        for (kind, expected) in [
            ("thread.created", Meta),
            ("thread.run.created", Meta),
            ("thread.run.in_progress", Meta),
            ("thread.message.in_progress", Meta),
            ("thread.message.delta", Content),
            ("thread.run.step.delta", Content),
            ("thread.run.completed", Terminal),
            ("thread.run.failed", Error),
            ("error", Error),
        ] {
            let stream = format!("event: {kind}\ndata: {{\"id\":\"x\",\"type\":\"y\"}}\n\n");
            assert_eq!(signal(Assistants, &stream), expected, "{kind}");
        }
        assert_eq!(signal(Assistants, "event: done\ndata: [DONE]\n\n"), Terminal);
    }

    #[test]
    fn errors_are_flat_nested_or_a_failed_end() {
        for (stream, form, name, end) in [
            (both("error", r#","code":"server_error","message":"m""#), ErrorForm::Flat, "error", End::Failed),
            (both("error", r#","error":{"code":"c"}"#), ErrorForm::Object, "error", End::Failed),
            ("data: {\"error\":{\"code\":\"c\"}}\n\n".to_owned(), ErrorForm::Object, "error", End::Failed),
            ("event: error\ndata: oops\n\n".to_owned(), ErrorForm::Flat, "error", End::Failed),
            (
                both("response.failed", r#","response":{"error":{"code":"c"}}"#),
                ErrorForm::Failed,
                "response.failed",
                End::Complete,
            ),
        ] {
            for begin in [String::new(), both("response.output_text.delta", "")] {
                let mut watch = Watch::new(Dialect::Responses, 1);
                watch.push(begin.as_bytes());
                assert_eq!(watch.push(stream.as_bytes()), Signal::Error, "{stream}");
                let error = watch.error().expect("an error");
                assert_eq!((error.form, error.name, watch.end()), (form, name, end), "{stream}");
            }
        }
        let nothing = both("response.created", r#","error":null"#);
        assert_eq!(signal(Dialect::Responses, &nothing), Signal::Meta);
    }

    #[test]
    fn the_place_in_a_stream_of_responses_is_known_at_every_event() {
        let mut watch = Watch::new(Dialect::Responses, 1);
        for (number, kind) in
            ["response.created", "response.output_text.delta", "response.output_text.delta"].into_iter().enumerate()
        {
            let rest = format!(r#","sequence_number":{number},"delta":"\"sequence_number\":99""#);
            watch.push(both(kind, &rest).as_bytes());
            assert_eq!(watch.sequence_number(), Some(number as u64));
        }
    }

    #[test]
    fn tokens_are_found_where_each_dialect_puts_them() {
        let mut watch = Watch::new(Dialect::Responses, 1);
        let usage = r#","response":{"usage":{"input_tokens":7,"output_tokens":5}}"#;
        watch.push(both("response.completed", usage).as_bytes());
        assert_eq!(watch.usage(), Usage { input: Some(7), output: Some(5), ..Usage::default() });

        let mut watch = Watch::new(Dialect::Messages, 1);
        watch.push(both("message_start", r#","message":{"usage":{"input_tokens":7,"output_tokens":1}}"#).as_bytes());
        watch.push(both("content_block_delta", r#","delta":{"text":"x"}"#).as_bytes());
        watch.push(both("message_delta", r#","usage":{"output_tokens":5}"#).as_bytes());
        assert_eq!(watch.usage(), Usage { input: Some(7), output: Some(5), ..Usage::default() });
    }

    #[test]
    fn a_block_that_comes_whole_is_content() {
        let start = |kind: &str| both("content_block_start", &format!(r#","content_block":{{"type":"{kind}"}}"#));
        assert_eq!(signal(Dialect::Messages, &start("text")), Signal::Meta);
        assert_eq!(signal(Dialect::Messages, &start("tool_use")), Signal::Meta);
        assert_eq!(signal(Dialect::Messages, &start("web_search_tool_result")), Signal::Content);
    }

    #[test]
    fn several_images_end_with_the_last() {
        let mut watch = Watch::new(Dialect::Images, 2);
        assert_eq!(watch.push(both("image_generation.completed", "").as_bytes()), Signal::Content);
        assert_eq!(watch.end(), End::CutAfterContent);
        assert_eq!(watch.push(both("image_generation.completed", "").as_bytes()), Signal::Terminal);
    }
}
