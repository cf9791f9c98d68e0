//! One step of a posted script: an exact answer, for tests that need every byte.
//!
//! ```json
//! {"for_model": "m1", "steps": [
//!   {"status": 503, "headers": {"retry-after": "@httpdate+2"}, "body": {"error": {"message": "busy"}}},
//!   {"action": "reset"},
//!   {"status": 200, "headers": {"content-type": "text/event-stream"},
//!    "parts": ["data: {}\n\n", {"sleep_ms": 100}, {"reset": true}], "end": "chunked"}]}
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | `status` | 100 to 999; 200 when unsaid |
//! | `headers` | an object, or a list of pairs where a name comes twice; `null` removes a default one |
//! | `body` | a string is sent as it is, `@bytes:` and hexadecimal digits as bytes, all else as JSON |
//! | `parts` | strings, one chunk each; `{"sleep_ms": n}`, `{"reset": true}`, `{"close": true}`, `{"stall": true}` |
//! | `end` | of `parts`: `chunked`; `truncate`: without the last chunk; `eof`: no framing, the end of the connection |
//! | `length_extra` | so much more `content-length` than body; then the connection is closed |
//! | `after` | after the body: `reset` or `stall` |
//! | `action` | instead of an answer: `reset`, `close`, `stall`, `garbage`, `partial_headers` |
//! | `pre` | sent as it is before the head, such as an informational reply |
//! | `delay_ms` | the wait before all this |
//! | `nobody` | no body, and no header that speaks of one |
//!
//! Defaults are `content-type: application/json` for a JSON body, and the framing. The header
//! values `@httpdate+N`, `@rfc850+N` and `@iso+N` (or `-N`) are the time N seconds from sending,
//! `@self` is the URL of the request.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::Error;
use crate::faults::is_header;
use crate::reply::{Act, LAST_CHUNK, Reply, chunk, line, number, status_line};
use crate::wait::WAIT_MAX;

/// The most parts of a step.
const PARTS_MAX: usize = 4096;

/// One step, checked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawStep")]
pub(crate) struct Step {
    delay: Duration,
    pre: Vec<u8>,
    does: Does,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Does {
    Answers(Answer),
    Breaks(Action),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    status: u16,
    headers: Vec<(String, Option<String>)>,
    body: Body,
    length_extra: usize,
    after: Option<After>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    None,
    Bytes { bytes: Vec<u8>, is_json: bool },
    Parts { parts: Vec<Part>, end: End },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Act(Act),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Reset,
    Close,
    Stall,
    Garbage,
    PartialHeaders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    #[default]
    Chunked,
    Truncate,
    Eof,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum After {
    Reset,
    Stall,
}

/// A step, as posted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    status: Option<u16>,
    #[serde(default, deserialize_with = "headers")]
    headers: Vec<(String, Option<String>)>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Value>,
    parts: Option<Vec<Value>>,
    end: Option<End>,
    length_extra: Option<usize>,
    after: Option<After>,
    action: Option<Action>,
    pre: Option<String>,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    nobody: bool,
}

impl TryFrom<RawStep> for Step {
    type Error = Error;

    fn try_from(raw: RawStep) -> Result<Step, Error> {
        let status = raw.status.unwrap_or(200);
        if !(100..=999).contains(&status) {
            return Err(Error::new(format!("step: status {status} has not three digits")));
        }
        if let Some((name, _)) =
            raw.headers.iter().find(|(name, value)| !is_header(name, value.as_deref().unwrap_or("")))
        {
            return Err(Error::new(format!("step: \"{name}\" is not a header")));
        }
        let delay = wait(raw.delay_ms)?;
        let does = match raw.action {
            Some(action) => Does::Breaks(action),
            None => Does::Answers(Answer {
                status,
                headers: raw.headers.clone(),
                length_extra: raw.length_extra.unwrap_or(0),
                after: raw.after,
                body: body(raw.body, raw.parts, raw.end, raw.nobody)?,
            }),
        };
        Ok(Step { delay, pre: bytes(raw.pre.as_deref().unwrap_or(""))?, does })
    }
}

fn body(body: Option<Value>, parts: Option<Vec<Value>>, end: Option<End>, nobody: bool) -> Result<Body, Error> {
    match (body, parts) {
        (Some(_), Some(_)) => Err(Error::new("step: `body` and `parts` exclude each other")),
        (Some(_), None) | (None, Some(_)) if nobody => Err(Error::new("step: `nobody` excludes `body` and `parts`")),
        (None, None) if nobody => Ok(Body::None),
        (None, None) => Ok(Body::Bytes { bytes: Vec::new(), is_json: false }),
        (Some(Value::String(text)), None) => Ok(Body::Bytes { bytes: bytes(&text)?, is_json: false }),
        (Some(json), None) => Ok(Body::Bytes { bytes: json.to_string().into_bytes(), is_json: true }),
        (None, Some(parts)) if parts.len() > PARTS_MAX => {
            Err(Error::new(format!("step: {} parts, limit {PARTS_MAX}", parts.len())))
        }
        (None, Some(parts)) => Ok(Body::Parts {
            parts: parts.into_iter().map(part).collect::<Result<_, _>>()?,
            end: end.unwrap_or_default(),
        }),
    }
}

fn part(value: Value) -> Result<Part, Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    enum Named {
        SleepMs(u64),
        Reset(bool),
        Close(bool),
        Stall(bool),
    }
    if let Value::String(text) = &value {
        return bytes(text).map(Part::Bytes);
    }
    let act = match serde_json::from_value(value).map_err(|error| Error::new(format!("step: part: {error}")))? {
        Named::SleepMs(ms) => Act::Wait(wait(ms)?),
        Named::Reset(true) => Act::Reset,
        Named::Close(true) => Act::Close,
        Named::Stall(true) => Act::Stall,
        _ => Act::Wait(Duration::ZERO),
    };
    Ok(Part::Act(act))
}

fn wait(ms: u64) -> Result<Duration, Error> {
    let wait = Duration::from_millis(ms);
    if wait > WAIT_MAX {
        Err(Error::new(format!("step: wait of {ms} ms, limit {}", WAIT_MAX.as_millis())))
    } else {
        Ok(wait)
    }
}

/// The text itself, or the bytes that `@bytes:` spells.
fn bytes(text: &str) -> Result<Vec<u8>, Error> {
    let Some(digits) = text.strip_prefix("@bytes:") else { return Ok(text.as_bytes().to_vec()) };
    let pair = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(pair).collect();
    bytes
        .filter(|_| digits.len() % 2 == 0)
        .ok_or_else(|| Error::new("step: `@bytes:` is not followed by pairs of hexadecimal digits"))
}

/// What a step needs to know of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) host: &'a str,
    pub(crate) target: &'a str,
    pub(crate) keep_alive: bool,
}

impl Step {
    /// Appends the step's acts to `reply`.
    pub(crate) fn act_out(&self, reply: &mut Reply, asked: Asked<'_>) {
        reply.wait(self.delay);
        reply.send(|out| out.extend_from_slice(&self.pre));
        match &self.does {
            Does::Breaks(action) => breaks(reply, *action),
            Does::Answers(answer) => answer.act_out(reply, asked),
        }
    }
}

fn breaks(reply: &mut Reply, action: Action) {
    let bytes: &[u8] = match action {
        Action::Garbage => b"this is not HTTP\r\n\r\n",
        Action::PartialHeaders => b"HTTP/1.1 200 OK\r\ncontent-type: appl",
        Action::Reset | Action::Close | Action::Stall => b"",
    };
    reply.send(|out| out.extend_from_slice(bytes));
    reply.end(match action {
        Action::Reset => Act::Reset,
        Action::Stall => Act::Stall,
        Action::Close | Action::Garbage | Action::PartialHeaders => Act::Close,
    });
}

impl Answer {
    fn act_out(&self, reply: &mut Reply, asked: Asked<'_>) {
        let ends_by_close =
            self.length_extra > 0 || matches!(self.body, Body::Parts { end: End::Truncate | End::Eof, .. });
        reply.send(|out| {
            self.head(out, asked);
            if let Body::Bytes { bytes, .. } = &self.body {
                out.extend_from_slice(bytes);
            }
        });
        if let Body::Parts { parts, end } = &self.body {
            for part in parts {
                match part {
                    Part::Bytes(bytes) if *end == End::Eof => reply.send(|out| out.extend_from_slice(bytes)),
                    Part::Bytes(bytes) => reply.send(|out| chunk(out, bytes)),
                    Part::Act(Act::Wait(wait)) => reply.wait(*wait),
                    Part::Act(act) => return reply.end(act.clone()),
                }
            }
            if *end == End::Chunked {
                reply.send(|out| out.extend_from_slice(LAST_CHUNK));
            }
        }
        match self.after {
            Some(After::Reset) => reply.end(Act::Reset),
            Some(After::Stall) => reply.end(Act::Stall),
            None if ends_by_close || !self.is_framed() => reply.end(Act::Close),
            None => {}
        }
    }

    /// Whether a client can tell the end of the body without the end of the connection.
    fn is_framed(&self) -> bool {
        let removed = |name: &str| {
            self.headers.iter().any(|(theirs, value)| value.is_none() && theirs.eq_ignore_ascii_case(name))
        };
        match &self.body {
            Body::None => matches!(self.status, 100..=199 | 204 | 304),
            Body::Bytes { .. } => !removed("content-length"),
            Body::Parts { .. } => !removed("transfer-encoding"),
        }
    }

    fn head(&self, out: &mut Vec<u8>, asked: Asked<'_>) {
        let ours = |name: &str| !self.headers.iter().any(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
        status_line(out, self.status);
        if matches!(self.body, Body::Bytes { is_json: true, .. }) && ours("content-type") {
            line(out, "content-type", b"application/json");
        }
        match &self.body {
            Body::Bytes { bytes, .. } if ours("content-length") => {
                number(out, "content-length", bytes.len() + self.length_extra);
            }
            Body::Parts { end: End::Chunked | End::Truncate, .. } if ours("transfer-encoding") => {
                line(out, "transfer-encoding", b"chunked");
            }
            _ => {}
        }
        let says_close = !asked.keep_alive || matches!(self.body, Body::Parts { end: End::Eof, .. });
        if says_close && ours("connection") {
            line(out, "connection", b"close");
        }
        for (name, value) in &self.headers {
            if let Some(value) = value {
                line(out, name, computed(value, asked).as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A header value with its `@` form worked out.
fn computed(value: &str, asked: Asked<'_>) -> String {
    if value == "@self" {
        return format!("http://{}{}", asked.host, asked.target);
    }
    let form = [
        ("@httpdate", "%a, %d %b %Y %H:%M:%S GMT"),
        ("@rfc850", "%A, %d-%b-%y %H:%M:%S GMT"),
        ("@iso", "%Y-%m-%dT%H:%M:%SZ"),
    ]
    .into_iter()
    .find_map(|(prefix, form)| value.strip_prefix(prefix).map(|seconds| (form, seconds)));
    let Some((form, Ok(seconds))) = form.map(|(form, seconds)| (form, seconds.parse::<i32>())) else {
        return value.to_owned();
    };
    let moment = wall_clock().saturating_add(SignedDuration::from_secs(i64::from(seconds)));
    moment.map_or_else(|_| value.to_owned(), |moment| moment.strftime(form).to_string())
}

fn wall_clock() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "dates in scripted headers are about the caller's own clock")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::try_from(UNIX_EPOCH + since).unwrap_or_default()
}

/// `null` is a body of its own.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Option<String>)>, D::Error> {
    struct Headers;

    impl<'de> Visitor<'de> for Headers {
        type Value = Vec<(String, Option<String>)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of headers, or a list of pairs")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut headers = Vec::new();
            while let Some(pair) = map.next_entry()? {
                headers.push(pair);
            }
            Ok(headers)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut headers = Vec::new();
            while let Some(pair) = list.next_element()? {
                headers.push(pair);
            }
            Ok(headers)
        }
    }

    deserializer.deserialize_any(Headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'static> = Asked { host: "h:1", target: "/v1/x", keep_alive: true };

    fn step(json: &str) -> Result<Step, String> {
        serde_json::from_str(json).map_err(|error: serde_json::Error| error.to_string())
    }

    fn sent(json: &str) -> (String, Vec<Act>) {
        let mut reply = Reply::default();
        step(json).unwrap().act_out(&mut reply, ASKED);
        let mut bytes = Vec::new();
        let mut rest = Vec::new();
        for act in reply.acts() {
            match act {
                Act::Send(range) => bytes.extend_from_slice(reply.bytes(range)),
                act => rest.push(act.clone()),
            }
        }
        (String::from_utf8_lossy(&bytes).into_owned(), rest)
    }

    #[test]
    fn an_answer_has_its_framing_and_only_that_by_default() {
        let (text, acts) = sent(r#"{"status":500,"body":{"error":null}}"#);
        assert_eq!(
            text,
            "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"error\":null}"
        );
        assert_eq!(acts, []);
        assert_eq!(sent(r#"{"body":null}"#).0.lines().last(), Some("null"));
        assert_eq!(sent(r#"{"status":304,"nobody":true}"#), ("HTTP/1.1 304 Not Modified\r\n\r\n".into(), vec![]));
        assert_eq!(sent(r#"{"body":"@bytes:6869"}"#).0, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    }

    #[test]
    fn headers_come_twice_are_removed_or_worked_out() {
        let (text, _) = sent(r#"{"headers":[["x","a"],["x","b"],["location","@self"]]}"#);
        assert!(text.contains("x: a\r\nx: b\r\nlocation: http://h:1/v1/x\r\n"));
        let (text, acts) = sent(r#"{"body":{},"headers":{"content-type":null,"Content-Length":null}}"#);
        assert_eq!((text.as_str(), acts), ("HTTP/1.1 200 OK\r\n\r\n{}", vec![Act::Close]));
        for (value, length) in [("@httpdate+3", 29), ("@rfc850-3", 30), ("@iso+3", 20)] {
            let date = computed(value, ASKED);
            assert!(date.len() >= length && date.ends_with(['T', 'Z']), "{date}");
        }
        assert_eq!(computed("@httpdate", ASKED), "@httpdate");
    }

    #[test]
    fn parts_end_in_the_way_asked_for() {
        let parts = |end: &str| sent(&format!(r#"{{"parts":["ab",{{"sleep_ms":5}},"c"],"end":"{end}"}}"#));
        let (text, acts) = parts("chunked");
        assert!(text.ends_with("transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"));
        assert_eq!(acts, [Act::Wait(Duration::from_millis(5))]);
        let (text, acts) = parts("truncate");
        assert!(text.ends_with("1\r\nc\r\n"));
        assert_eq!(acts[1], Act::Close);
        let (text, acts) = parts("eof");
        assert!(text.ends_with("connection: close\r\n\r\nabc"));
        assert_eq!(acts[1], Act::Close);
        assert_eq!(sent(r#"{"parts":["a",{"reset":true},"b"]}"#).1, [Act::Reset]);
        assert_eq!(sent(r#"{"parts":[{"stall":true}]}"#).1, [Act::Stall]);
    }

    #[test]
    fn a_body_can_be_shorter_than_it_says() {
        let (text, acts) = sent(r#"{"body":"abc","length_extra":100}"#);
        assert!(text.contains("content-length: 103\r\n"));
        assert_eq!(acts, [Act::Close]);
        assert_eq!(sent(r#"{"body":"abc","length_extra":1,"after":"stall"}"#).1, [Act::Stall]);
        assert_eq!(sent(r#"{"body":"abc","after":"reset"}"#).1, [Act::Reset]);
    }

    #[test]
    fn nonsense_is_refused_when_it_is_posted() {
        assert!(step(r#"{"statsu":500}"#).unwrap_err().contains("unknown field"));
        assert!(step(r#"{"status":99}"#).unwrap_err().contains("three digits"));
        assert!(step(r#"{"body":"a","parts":[]}"#).unwrap_err().contains("exclude"));
        assert!(step(r#"{"body":"@bytes:6"}"#).unwrap_err().contains("hexadecimal"));
        assert!(step(r#"{"headers":{"a b":"c"}}"#).unwrap_err().contains("not a header"));
        assert!(step(r#"{"delay_ms":3600001}"#).unwrap_err().contains("limit 3600000"));
        assert!(step(r#"{"action":"explode"}"#).unwrap_err().contains("unknown variant"));
    }
}
