//! What an error body says, in whatever shape: OpenAI's, a rival's, a middleman's page.
//!
//! There are about a dozen shapes in the wild: `error` as an object, a string or missing, codes as
//! words, numbers or strings of digits, arrays, flat objects, FastAPI's `detail`, HTML, plain text
//! and nothing. They are read here once, into the same few fields, and never judged.
//!
//! What is read may hold a caller's own words, so none of it may be written down before it went
//! through `crate::redact`.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{request_id, retry_after};

/// What an error reply said about itself, as sent: bounded, but not yet redacted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// The status that the error means, where the status line hides it: an error in a 200 has one
    /// of its own.
    pub status: Option<u16>,
    /// `error.type` (of Gemini, `error.status`), at most [`WORD_BYTES_MAX`] bytes.
    pub kind: Option<String>,
    /// `error.code`, a number turned into its digits, at most [`WORD_BYTES_MAX`] bytes.
    pub code: Option<String>,
    /// `error.message` or its like, a page's title, or the plain text itself; at most
    /// [`MESSAGE_BYTES_MAX`] bytes.
    pub message: Option<String>,
    /// The request id found in the body, where no header carried one.
    pub request_id: Option<String>,
    /// Whether the body was JSON, so that a caller's SDK reads it as it is.
    pub is_json: bool,
}

/// The longest error message kept, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// The longest `type` or `code` kept, in bytes.
pub const WORD_BYTES_MAX: usize = 64;

/// The longest body that is parsed, in bytes. Of a longer one only the form is known.
pub const PARSED_BYTES_MAX: usize = 1024 * 1024;

/// What kind of thing an error body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON, complete.
    Json,
    /// An HTML page.
    Html,
    /// Text, or JSON that breaks off.
    Text,
    /// Nothing but white space.
    Empty,
    /// Still compressed, or otherwise no text.
    Binary,
}

/// What was read from an error body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The form.
    pub form: Form,
    /// What it said.
    pub said: Said,
    /// A wait that stands in the body and not in its message: Gemini's `retryDelay`.
    pub delay: Option<Duration>,
}

/// Reads an error body. Never fails: what cannot be read is text, or binary.
#[must_use]
pub fn read(body: &[u8]) -> Reading {
    // SDKs in Python do not read past a byte order mark; what follows it is still worth knowing.
    let (body, is_marked) = match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, true),
        None => (body, false),
    };
    let trimmed = body.trim_ascii();
    let mut reading = Reading { form: form(trimmed), said: Said::default(), delay: None };
    match reading.form {
        Form::Json if trimmed.len() > PARSED_BYTES_MAX => reading.said.is_json = !is_marked,
        Form::Json => match serde_json::from_slice::<Value>(trimmed) {
            Ok(value) => {
                reading.said.is_json = !is_marked;
                read_value(&value, &mut reading, 0);
            }
            // Broken inside, in a way that only a parser sees.
            Err(_) => reading.form = Form::Text,
        },
        Form::Html => reading.said.message = title(trimmed),
        Form::Text | Form::Empty | Form::Binary => {}
    }
    if reading.form == Form::Text {
        reading.said.message = text(trimmed);
    }
    if reading.said.request_id.is_none() {
        let found = reading.said.message.as_deref().and_then(request_id::in_message);
        reading.said.request_id = found.map(str::to_owned);
    }
    reading
}

/// Whether a raw JSON value says nothing: `null`, `""`, `{}`, `[]`, `false` or `0`. SDKs take none of
/// them for an error.
#[must_use]
pub fn is_nothing(raw: &[u8]) -> bool {
    let raw = raw.trim_ascii();
    match raw {
        b"null" | b"\"\"" | b"false" | b"0" => true,
        [b'{', inside @ .., b'}'] | [b'[', inside @ .., b']'] => inside.trim_ascii().is_empty(),
        _ => false,
    }
}

/// The status that an HTML page or a line of plain text names: "502: Bad gateway" in its title, or
/// Cloudflare's "error code: 520".
#[must_use]
pub fn status_in_text(message: &str) -> Option<u16> {
    let bytes = message.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    (0..bytes.len().min(512)).find_map(|at| {
        let stands_alone = (at == 0 || !bytes[at - 1].is_ascii_alphanumeric()) && !is_digit(at + 3);
        if !(stands_alone && is_digit(at) && is_digit(at + 1) && is_digit(at + 2)) {
            return None;
        }
        message[at..at + 3].parse().ok().filter(|status| (400..=599).contains(status))
    })
}

/// What kind of thing `trimmed` is. JSON only if its brackets and strings close.
fn form(trimmed: &[u8]) -> Form {
    match trimmed {
        [] => Form::Empty,
        [0x1f, 0x8b, ..] => Form::Binary,
        [b'<', ..] => Form::Html,
        _ if trimmed.len() > PARSED_BYTES_MAX => {
            if crate::json::is_document(trimmed) {
                Form::Json
            } else {
                Form::Text
            }
        }
        _ if memchr::memchr(0, trimmed).is_some() => Form::Binary,
        _ if crate::json::is_document(trimmed) => Form::Json,
        _ => Form::Text,
    }
}

fn read_value(value: &Value, reading: &mut Reading, depth: u8) {
    match value {
        Value::Object(top) => read_object(top, reading, depth),
        // Gemini's compatible surface wraps the error in an array.
        Value::Array(items) => {
            if let Some(first @ Value::Object(_)) = items.first() {
                read_value(first, reading, depth);
            }
        }
        Value::String(text) => reading.said.message = clip(text, MESSAGE_BYTES_MAX),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The most levels of wrapping that are followed.
const DEPTH_MAX: u8 = 3;

fn read_object(top: &Map<String, Value>, reading: &mut Reading, depth: u8) {
    if let Some(id) = word(top.get("request_id"), request_id::REQUEST_ID_BYTES_MAX).filter(|id| request_id::is_id(id)) {
        reading.said.request_id = Some(id);
    }
    if depth < DEPTH_MAX {
        // A failed Response or run inside its event; an error in FastAPI's wrapper; Cloudflare's list.
        let object = |name: &str| top.get(name).filter(|inner| inner.is_object());
        let first = || top.get("errors").and_then(Value::as_array).and_then(|errors| errors.first());
        let inner = ["error", "last_error", "response", "detail"].into_iter().find_map(object);
        if let Some(inner @ Value::Object(_)) = inner.or_else(first) {
            read_value(inner, reading, depth + 1);
        }
    }
    read_fields(top, reading);
}

/// Reads the fields of one object, for what no object inside it has said yet.
fn read_fields(object: &Map<String, Value>, reading: &mut Reading) {
    let said = &mut reading.said;
    said.kind = said.kind.take().or_else(|| {
        let kind = word(object.get("type"), WORD_BYTES_MAX).filter(|kind| !is_wrapper(kind));
        kind.or_else(|| word(object.get("status"), WORD_BYTES_MAX).filter(|status| is_shouted(status)))
    });
    said.code = said.code.take().or_else(|| {
        let digits =
            |name| word(object.get(name), WORD_BYTES_MAX).filter(|code| code.bytes().all(|b| b.is_ascii_digit()));
        word(object.get("code"), WORD_BYTES_MAX)
            .or_else(|| ["statusCode", "status_code", "status"].into_iter().find_map(digits))
    });
    if said.message.is_none() {
        said.message = message(object);
    }
    reading.delay = reading.delay.or_else(|| retry_delay(object));
}

/// Values of `type` that name the envelope and not the error.
fn is_wrapper(kind: &str) -> bool {
    kind == "error" || kind.starts_with("response.") || kind.starts_with("thread.")
}

/// Google's status words, such as `UNAVAILABLE`; a Response's `failed` is not one.
fn is_shouted(status: &str) -> bool {
    status.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

/// The sentence that an object holds for a person.
fn message(object: &Map<String, Value>) -> Option<String> {
    const NAMES: [&str; 8] =
        ["message", "error", "msg", "detail", "details", "error_message", "error_description", "description"];
    let found = NAMES.iter().find_map(|name| match object.get(*name)? {
        Value::String(text) if !text.is_empty() => clip(text, MESSAGE_BYTES_MAX),
        // FastAPI's list of what is wrong where; an object put in place of a sentence.
        Value::Array(items) if *name == "detail" => clip(items.first()?.get("msg")?.as_str()?, MESSAGE_BYTES_MAX),
        Value::Object(inner) if *name == "message" => inner.get("message").or(inner.get("detail")).and_then(sentence),
        _ => None,
    })?;
    // OpenRouter says "Provider returned error" and keeps the provider's own words apart.
    let raw = object.get("metadata").and_then(|metadata| metadata.get("raw")).and_then(sentence);
    match raw {
        Some(raw) => clip(&format!("{found}: {raw}"), MESSAGE_BYTES_MAX),
        None => Some(found),
    }
}

fn sentence(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => clip(text, MESSAGE_BYTES_MAX),
        Value::Object(_) | Value::Array(_) => clip(&value.to_string(), MESSAGE_BYTES_MAX),
        _ => None,
    }
}

/// Google's `details[].retryDelay`, as in `"37s"`.
fn retry_delay(object: &Map<String, Value>) -> Option<Duration> {
    let details = object.get("details")?.as_array()?;
    details.iter().find_map(|detail| retry_after::span(detail.get("retryDelay")?.as_str()?))
}

/// A word or a number as text, at most `max` bytes; `None` for anything else.
fn word(value: Option<&Value>, max: usize) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => clip(text, max),
        Value::Number(number) => clip(&number.to_string(), max),
        _ => None,
    }
}

/// What stands between `<title>` and its end, else between `<h1>` and its end.
fn title(page: &[u8]) -> Option<String> {
    /// The title of every known error page is in its first lines.
    const SEARCHED_BYTES_MAX: usize = 16 * 1024;
    let page = String::from_utf8_lossy(&page[..page.len().min(SEARCHED_BYTES_MAX)]);
    let lower = page.to_ascii_lowercase();
    ["title", "h1"].iter().find_map(|tag| {
        let open = lower.find(&format!("<{tag}"))?;
        let start = open + lower[open..].find('>')? + 1;
        let end = start + lower[start..].find('<')?;
        let words: Vec<&str> = page[start..end].split_whitespace().collect();
        clip(&words.join(" "), MESSAGE_BYTES_MAX).filter(|title| !title.is_empty())
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    // Room for the replacement of a character cut in two.
    clip(String::from_utf8_lossy(&bytes[..bytes.len().min(MESSAGE_BYTES_MAX)]).trim(), MESSAGE_BYTES_MAX)
}

/// `text`, cut before the character that would make it longer than `max` bytes.
fn clip(text: &str, max: usize) -> Option<String> {
    Some(text[..text.floor_char_boundary(max)].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Form, kind, code, message.
    fn parts(body: &str) -> (Form, Option<String>, Option<String>, Option<String>) {
        let Reading { form, said, .. } = read(body.as_bytes());
        (form, said.kind, said.code, said.message)
    }

    #[track_caller]
    fn says(body: &str, kind: &str, code: &str, message: &str) {
        let text = |found: Option<String>| found.unwrap_or_default();
        let (form, found_kind, found_code, found_message) = parts(body);
        assert_eq!(form, Form::Json, "{body}");
        let found = (text(found_kind), text(found_code), text(found_message));
        assert_eq!(found, (kind.to_owned(), code.to_owned(), message.to_owned()), "{body}");
    }

    #[test]
    fn every_known_shape_is_read_into_the_same_fields() {
        says(r#"{"error":{"message":"m","type":"t","param":null,"code":"c"}}"#, "t", "c", "m");
        says(r#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#, "t", "", "m");
        says(r#"{"error":{"code":"429","message":"m"}}"#, "", "429", "m");
        says(r#"{"error":{"code":502,"message":"m","type":"cf_bad_gateway"}}"#, "cf_bad_gateway", "502", "m");
        says(r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#, "UNAVAILABLE", "503", "m");
        says(
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "overloaded_error",
            "",
            "Overloaded",
        );
        says(r#"{"object":"error","message":"m","type":"rate_limited","code":"1300"}"#, "rate_limited", "1300", "m");
        says(
            r#"{"object":"error","message":"m","type":"InternalServerError","code":500}"#,
            "InternalServerError",
            "500",
            "m",
        );
        says(r#"{"statusCode":429,"message":"m"}"#, "", "429", "m");
        says(r#"{"message":"m","code":"E1"}"#, "", "E1", "m");
        says(r#"{"error":"m"}"#, "", "", "m");
        says(r#"{"detail":"m"}"#, "", "", "m");
        says(r#"{"detail":[{"loc":["body"],"msg":"m","type":"missing"}]}"#, "", "", "m");
        says(r#"{"detail":{"error":{"message":"m","type":"t"}}}"#, "t", "", "m");
        says(r#"{"errors":[{"code":7003,"message":"m"}],"success":false}"#, "", "7003", "m");
        says(r#"{"error":{"message":{"message":"m"},"type":"t"}}"#, "t", "", "m");
        says(r#"{"type":"error","code":"server_error","message":"m"}"#, "", "server_error", "m");
        says(r#"{"code":400,"details":"m"}"#, "", "400", "m");
        says(
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}}"#,
            "",
            "server_error",
            "m",
        );
        says(
            r#"{"error":{"code":502,"message":"Provider returned error","metadata":{"provider_name":"X","raw":"boom"}}}"#,
            "",
            "502",
            "Provider returned error: boom",
        );
        says(
            r#"{"timestamp":1,"status":500,"error":"Internal Server Error","path":"/v1"}"#,
            "",
            "500",
            "Internal Server Error",
        );
    }

    #[test]
    fn what_says_nothing_leaves_the_fields_empty() {
        for body in [r#"{"error":null}"#, r#"{"error":{}}"#, "[1,2]", "[]", "null", "7", "{}", r#"{"error":[]}"#] {
            says(body, "", "", "");
        }
    }

    #[test]
    fn forms_are_told_apart() {
        assert_eq!(parts(""), (Form::Empty, None, None, None));
        assert_eq!(parts(" \r\n"), (Form::Empty, None, None, None));
        assert_eq!(parts("<html><head><title>\n502 Bad\r\n Gateway</title>").3.as_deref(), Some("502 Bad Gateway"));
        assert_eq!(parts("<h1 class='x'>Oops</h1>").3.as_deref(), Some("Oops"));
        assert_eq!(parts("<html>").3, None);
        assert_eq!(parts("error code: 520").0, Form::Text);
        assert_eq!(parts(r#"{"error": {"message": "cut of"#).0, Form::Text);
        assert_eq!(read(b"\x1f\x8b\x08\x00").form, Form::Binary);
        assert_eq!(read(b"a\0b").form, Form::Binary);
    }

    #[test]
    fn a_byte_order_mark_is_read_past_but_is_not_json_for_an_sdk() {
        let reading = read(b"\xef\xbb\xbf{\"error\":{\"message\":\"m\"}}");
        assert_eq!((reading.said.message.as_deref(), reading.said.is_json), (Some("m"), false));
    }

    #[test]
    fn a_delay_is_found_among_googles_details() {
        let body =
            br#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"retryDelay":"37s"}]}}]"#;
        assert_eq!(read(body).delay, Some(Duration::from_secs(37)));
    }

    #[test]
    fn words_and_messages_are_cut_at_their_limits_between_characters() {
        let at =
            |length: usize, text: &str| format!(r#"{{"error":{{"code":"{}","message":"{0}"}}}}"#, text.repeat(length));
        let (_, _, code, message) = parts(&at(MESSAGE_BYTES_MAX, "x"));
        assert_eq!((code.map(|c| c.len()), message.map(|m| m.len())), (Some(WORD_BYTES_MAX), Some(MESSAGE_BYTES_MAX)));
        let (_, _, code, message) = parts(&at(MESSAGE_BYTES_MAX, "\u{20ac}"));
        assert_eq!((code.map(|c| c.len()), message.map(|m| m.len())), (Some(63), Some(4095)));
        assert_eq!(parts(&"y".repeat(MESSAGE_BYTES_MAX + 1)).3.map(|m| m.len()), Some(MESSAGE_BYTES_MAX));
    }

    #[test]
    fn a_body_at_the_limit_is_parsed_and_one_above_it_is_not() {
        let body = |length: usize| {
            let frame = r#"{"error":{"message":""}}"#;
            frame.replace("\"\"", &format!("\"{}\"", "x".repeat(length - frame.len())))
        };
        assert!(parts(&body(PARSED_BYTES_MAX)).3.is_some());
        let Reading { form, said, .. } = read(body(PARSED_BYTES_MAX + 1).as_bytes());
        assert_eq!((form, said.message, said.is_json), (Form::Json, None, true));
    }

    #[test]
    fn a_page_or_a_line_names_its_status() {
        let table = [
            ("api.openai.com | 502: Bad gateway", Some(502)),
            ("error code: 520", Some(520)),
            ("504 Gateway Time-out", Some(504)),
            ("v500 of 1500 and 5000", None),
            ("Sign in", None),
            ("200 OK", None),
        ];
        for (message, expected) in table {
            assert_eq!(status_in_text(message), expected, "{message}");
        }
    }

    #[test]
    fn only_a_value_that_says_something_is_an_error() {
        for nothing in ["null", "{}", "{ }", "[]", "\"\"", "false", " null ", "0"] {
            assert!(is_nothing(nothing.as_bytes()), "{nothing}");
        }
        for something in ["{\"a\":1}", "\"x\"", "true", "1", "[0]"] {
            assert!(!is_nothing(something.as_bytes()), "{something}");
        }
    }
}
