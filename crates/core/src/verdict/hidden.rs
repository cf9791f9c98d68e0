//! Errors that hide behind a success status, found without parsing what is none.
//!
//! A 200 may carry an error object (OpenRouter, llama.cpp), a Response that failed, a sign-in page
//! or half a document, and every SDK reports each of them as a success. The body of a real answer
//! is only scanned for its top-level members, which costs less than copying it, and whatever is
//! doubtful passes: an answer that was paid for is not thrown away on a guess.

use http::{HeaderMap, header};
use serde_json::Value;

use super::body::{self, Reading};
use super::usage::Usage;
use crate::json;
use crate::request::Endpoint;

/// What hides in a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hidden {
    /// An error object.
    Error(Reading),
    /// A Response, complete, that tells of its own failure: an error only if the server is to blame.
    Failed(Reading),
    /// Nothing at all, where JSON or a stream was promised.
    Empty,
    /// A page or text, where JSON was promised.
    NotJson(Reading),
    /// JSON that breaks off or is broken.
    Cut,
}

/// What hides in the body of a success, if anything does. The tokens that it counts are left in
/// `usage`: one look at the body serves both.
pub(super) fn in_body(endpoint: Endpoint, headers: &HeaderMap, body: &[u8], usage: &mut Usage) -> Option<Hidden> {
    let promise = promise(endpoint)?;
    let content = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    let is_sure = promise == Promise::Always;
    match content.first() {
        None if is_sure => Some(Hidden::Empty),
        Some(b'{') if is_sure || is_json(headers) => {
            in_object(endpoint, content, usage).filter(|it| is_sure || it.is_error())
        }
        Some(b'<') if is_sure => Some(Hidden::NotJson(body::read(content))),
        Some(_) if !is_sure || is_compressed(headers) => None,
        Some(b'[') => in_array(content),
        Some(_) if is_event_stream(headers, content) => in_stream(content),
        Some(_) if content == b"null" => Some(Hidden::Empty),
        // A lone string or number is JSON, if an odd answer.
        Some(_) => (!json::is_document(content) || content.is_ascii() && content[0].is_ascii_alphabetic())
            .then(|| Hidden::NotJson(body::read(content))),
        None => None,
    }
}

/// The error that one event of a stream is, if it is one.
pub(super) fn in_event(event: &str, data: &[u8]) -> Option<Reading> {
    let is_named = matches!(event, "error" | "response.failed" | "thread.run.failed");
    (is_named || says_error(data)).then(|| body::read(data))
}

/// Whether what was sent is a stream of events.
pub(super) fn is_event_stream(headers: &HeaderMap, body: &[u8]) -> bool {
    content_type(headers).eq_ignore_ascii_case(b"text/event-stream")
        || [&b"data:"[..], b"event:", b":"].iter().any(|begin| body.starts_with(begin))
}

/// What kind of body a success must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// JSON, or a stream of events.
    Always,
    /// JSON if its own type says so: sound, text and images come from the same endpoints.
    IfTyped,
}

/// `None` where a top-level `error` may be part of a good answer: a fine-tuning job that failed
/// tells why, and a file may hold anything.
fn promise(endpoint: Endpoint) -> Option<Promise> {
    match endpoint {
        Endpoint::ChatCompletions
        | Endpoint::Completions
        | Endpoint::Responses
        | Endpoint::Embeddings
        | Endpoint::Moderations
        | Endpoint::Models
        | Endpoint::Messages => Some(Promise::Always),
        Endpoint::Images | Endpoint::Audio => Some(Promise::IfTyped),
        Endpoint::Assistants
        | Endpoint::Files
        | Endpoint::Batches
        | Endpoint::FineTuning
        | Endpoint::VectorStores
        | Endpoint::Realtime
        | Endpoint::Other => None,
    }
}

impl Hidden {
    fn is_error(&self) -> bool {
        matches!(self, Hidden::Error(_))
    }
}

fn in_object(endpoint: Endpoint, content: &[u8], usage: &mut Usage) -> Option<Hidden> {
    let (mut error, mut choices) = (None, None);
    let (mut is_failed, mut is_response, mut is_background, mut is_error) = (false, false, false, false);
    for member in json::members(content) {
        let Ok((key, raw)) = member else { return Some(Hidden::Cut) };
        match &*key {
            b"error" => error = Some(raw).filter(|raw| !body::is_nothing(raw)),
            b"choices" => choices = Some(raw),
            b"status" => is_failed = raw == br#""failed""#,
            b"object" => {
                is_response = raw == br#""response""#;
                is_error |= raw == br#""error""#;
            }
            b"type" => is_error |= raw == br#""error""#,
            b"background" => is_background = raw == b"true",
            b"usage" => *usage = Usage::read(raw),
            _ => {}
        }
    }
    if endpoint == Endpoint::Responses && is_response {
        // One that ran in the background has been told of; asking again tells the same.
        return (is_failed && !is_background).then(|| Hidden::Failed(body::read(content)));
    }
    if error.is_some() || is_error {
        return Some(Hidden::Error(body::read(content)));
    }
    in_choices(choices?).map(Hidden::Error)
}

/// An error that every choice ended in, before it had any content (OpenRouter).
fn in_choices(raw: &[u8]) -> Option<Reading> {
    memchr::memmem::find(raw, b"error\"")?;
    if raw.len() > body::PARSED_BYTES_MAX {
        return None;
    }
    let choices: Vec<Value> = serde_json::from_slice(raw).ok()?;
    let first = choices.first()?;
    if !choices.iter().all(|choice| has_failed(choice) && !has_content(choice)) {
        return None;
    }
    let error = first.get("error").cloned().unwrap_or(Value::Null);
    let wrapped = serde_json::json!({ "error": error });
    Some(body::read(wrapped.to_string().as_bytes()))
}

fn has_failed(choice: &Value) -> bool {
    let reason = |name| choice.get(name).and_then(Value::as_str);
    reason("finish_reason") == Some("error")
        || matches!(reason("native_finish_reason"), Some("error" | "network_error"))
        || choice.get("error").is_some_and(Value::is_object)
}

fn has_content(choice: &Value) -> bool {
    let message = choice.get("message").unwrap_or(choice);
    ["content", "text", "refusal", "reasoning", "tool_calls", "function_call", "audio"].iter().any(|name| match message
        .get(*name)
    {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(_)) => true,
        _ => false,
    })
}

/// Gemini wraps an error in an array; a list of anything else is an answer.
fn in_array(content: &[u8]) -> Option<Hidden> {
    match json::elements(content).next() {
        Some(Ok(first)) if says_error(first) => Some(Hidden::Error(body::read(content))),
        _ => (!json::is_document(content)).then_some(Hidden::Cut),
    }
}

/// The first event of a whole stream, if it is an error, or the lack of any.
fn in_stream(content: &[u8]) -> Option<Hidden> {
    let (mut event, mut data) = (&b""[..], Vec::new());
    for line in content.split(|b| *b == b'\n') {
        let line = line.trim_ascii_end();
        if let Some(name) = line.strip_prefix(b"event:") {
            event = name.trim_ascii();
        } else if let Some(more) = line.strip_prefix(b"data:") {
            data.extend_from_slice(more.trim_ascii());
        } else if line.is_empty() && !data.is_empty() {
            break;
        }
    }
    if data.is_empty() {
        return Some(Hidden::Empty);
    }
    in_event(std::str::from_utf8(event).unwrap_or_default(), &data).map(Hidden::Error)
}

/// Whether a JSON object is an error by its own word.
fn says_error(object: &[u8]) -> bool {
    json::members(object).map_while(Result::ok).any(|(key, raw)| match &*key {
        b"error" => !body::is_nothing(raw),
        b"type" => raw == br#""error""# || raw == br#""response.failed""#,
        _ => false,
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers).eq_ignore_ascii_case(b"application/json")
}

/// Whether the body is, or was, compressed. What could not be decoded is not looked into.
fn is_compressed(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The `content-type`, without parameters.
fn content_type(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::body::Form;
    use super::*;

    fn found(endpoint: Endpoint, kind: &'static str, body: &str) -> Option<Hidden> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        in_body(endpoint, &headers, body.as_bytes(), &mut Usage::default())
    }

    fn chat(body: &str) -> Option<Hidden> {
        found(Endpoint::ChatCompletions, "application/json", body)
    }

    #[test]
    fn an_answer_passes() {
        for body in [
            r#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#,
            "\n\n\n   {\"choices\": []}",
            r#"{"error":null,"choices":[]}"#,
            r#"{"error":{},"choices":[]}"#,
            r#"{"choices":[{"message":{"content":"an \"error\" it was"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"message":{"content":"half"},"finish_reason":"error"}]}"#,
            r#"{"choices":[{"finish_reason":"error"},{"message":{"content":"x"},"finish_reason":"stop"}]}"#,
            "data: {\"choices\":[]}\n\ndata: {\"error\":{\"message\":\"m\"}}\n\n",
            "[]",
            "[{\"id\":1}]",
            "7",
            "\"text\"",
        ] {
            assert_eq!(chat(body), None, "{body}");
        }
    }

    #[test]
    fn an_error_object_is_found_wherever_it_stands() {
        for body in [
            r#"{"error":{"message":"m","code":502}}"#,
            r#"{"id":"x","choices":[],"error":"m"}"#,
            r#"{"type":"error","message":"m"}"#,
            r#"{"object":"error","message":"m"}"#,
            r#"[{"error":{"code":503,"message":"m"}}]"#,
            r#"{"choices":[{"message":{"content":""},"finish_reason":"error","error":{"code":502,"message":"m"}}]}"#,
            "data: {\"error\":{\"message\":\"m\"}}\n\n",
            ": comment\n\nevent: error\ndata: {\"code\":400,\"message\":\"m\"}\n\n",
        ] {
            let Some(Hidden::Error(reading)) = chat(body) else { panic!("{body}") };
            assert_eq!(reading.said.message.as_deref(), Some("m"), "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_found_where_json_was_promised() {
        assert_eq!(chat(""), Some(Hidden::Empty));
        assert_eq!(chat(" \r\n"), Some(Hidden::Empty));
        assert_eq!(chat("null"), Some(Hidden::Empty));
        assert_eq!(chat(": nothing but comments\n\n"), Some(Hidden::Empty));
        assert!(matches!(chat("<html>login</html>"), Some(Hidden::NotJson(_))));
        assert!(matches!(chat("Bad Gateway"), Some(Hidden::NotJson(_))));
        assert_eq!(chat(r#"{"id":"chatcmpl-1","choi"#), Some(Hidden::Cut));
        assert_eq!(chat(r#"[{"id""#), Some(Hidden::Cut));
    }

    #[test]
    fn files_sound_and_jobs_may_hold_anything() {
        let error = r#"{"error":{"message":"m"}}"#;
        for endpoint in [Endpoint::Files, Endpoint::FineTuning, Endpoint::Other, Endpoint::Batches] {
            for body in [error, "", "<html>", "{"] {
                assert_eq!(found(endpoint, "application/json", body), None, "{endpoint} {body}");
            }
        }
        assert!(matches!(found(Endpoint::Audio, "application/json", error), Some(Hidden::Error(_))));
        assert_eq!(found(Endpoint::Audio, "audio/mpeg", error), None);
        for body in ["", "{", "1\n00:00 --> subtitles", "<tt>"] {
            assert_eq!(found(Endpoint::Audio, "application/json", body), None, "{body}");
        }
    }

    #[test]
    fn a_failed_response_is_told_apart_from_an_error() {
        let failed = r#"{"object":"response","status":"failed","error":{"code":"server_error","message":"m"}}"#;
        let of = |body: &str| found(Endpoint::Responses, "application/json", body);
        assert!(matches!(of(failed), Some(Hidden::Failed(_))));
        assert_eq!(of(&failed.replace("failed", "completed")), None);
        assert_eq!(of(&failed.replace("{\"object", "{\"background\":true,\"object")), None);
        assert!(matches!(of(r#"{"error":{"message":"m"}}"#), Some(Hidden::Error(_))));
    }

    #[test]
    fn compressed_bytes_are_not_looked_into() {
        let mut headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static("br"))]);
        assert_eq!(in_body(Endpoint::ChatCompletions, &headers, b"\x8b\x02\x80", &mut Usage::default()), None);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
        assert!(in_body(Endpoint::ChatCompletions, &headers, b"\x8b\x02\x80", &mut Usage::default()).is_some());
    }

    #[test]
    fn an_event_is_an_error_by_its_name_or_by_its_word() {
        let error =
            |event, data: &str| in_event(event, data.as_bytes()).map(|it| (it.form, it.said.code.unwrap_or_default()));
        let json = |code: &str| Some((Form::Json, code.to_owned()));
        assert_eq!(error("", r#"{"error":{"code":"c"}}"#), json("c"));
        assert_eq!(error("error", r#"{"code":400,"details":"d"}"#), json("400"));
        assert_eq!(error("", r#"{"type":"error","code":"c"}"#), json("c"));
        assert_eq!(error("", r#"{"type":"response.failed","response":{"error":{"code":"c"}}}"#), json("c"));
        assert_eq!(error("thread.run.failed", r#"{"last_error":{"code":"c"}}"#), json("c"));
        for data in
            [r#"{"error":null}"#, r#"{"type":"response.completed","response":{"error":null}}"#, "[DONE]", "", "{"]
        {
            assert_eq!(error("", data), None, "{data}");
        }
    }
}
