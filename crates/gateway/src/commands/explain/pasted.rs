//! Takes a paste apart that is a reply, or part of one: HTTP, an event, JSON, a page, a message.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use seawall_core::request::Endpoint;
use seawall_core::verdict::code::{self, Meaning, provider, status};
use seawall_core::verdict::{self, Class, Fault, Reply, Verdict, body, retry_after};

use super::{Explained, Kind};
use crate::commands::literal;

/// A longer text is no message.
const PROSE_BYTES_MAX: usize = 1_024;

/// How many brackets or colons in a prose are tried as the beginning of an error body or a message.
const STARTS_MAX: usize = 16;

/// A response: as sent, or as `curl -i` and `curl -v` print it.
pub(super) fn http(what: &str) -> Option<Explained> {
    let what = of_curl(what);
    let mut rest = &what[start_of_head(&what)?..];
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let status = line.split_ascii_whitespace().nth(1)?.parse::<u16>().ok()?;
        let (headers, content) = head(after);
        // A proxy's or a provisional answer stands in front of the real one.
        if content.trim_start().starts_with("HTTP/") {
            rest = content.trim_start();
            continue;
        }
        let judged = judge(status, &headers, content.as_bytes())?;
        let id = verdict::request_id(&headers).map(str::to_owned);
        return Some(
            Explained::judged(Kind::HttpResponse, Some(status), judged).with_id(id.as_deref()).with_headers(&headers),
        );
    }
}

/// `curl -v` marks what came with `< `, and adds lines of its own.
fn of_curl(what: &str) -> String {
    if !what.lines().any(|line| line.starts_with("< HTTP/")) {
        return what.to_owned();
    }
    let is_curls = |line: &&str| !["* ", "> ", "{ [", "} [", ">"].iter().any(|mark| line.starts_with(mark));
    let plain =
        |line: &str| line.strip_prefix("< ").unwrap_or(if line.trim_end() == "<" { "" } else { line }).to_owned();
    what.lines().filter(is_curls).map(plain).collect::<Vec<_>>().join("\n")
}

fn start_of_head(what: &str) -> Option<usize> {
    if what.starts_with("HTTP/") { Some(0) } else { what.find("\nHTTP/").map(|at| at + 1) }
}

/// The headers, and what follows the empty line after them. Lines that are none are passed over.
fn head(text: &str) -> (HeaderMap, &str) {
    let mut headers = HeaderMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        if let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            // A map holds 32,768 names; nobody pastes that many.
            let _ = headers.try_append(name, value);
        }
    }
    (headers, rest)
}

/// What the gateway's judge makes of a reply that was pasted.
pub(super) fn judge(status: u16, headers: &HeaderMap, content: &[u8]) -> Option<(Verdict, &'static Meaning)> {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b"application/json"[..], HeaderValue::as_bytes);
    let is_text = [&b"json"[..], b"html", b"event-stream", b"text/plain"]
        .iter()
        .any(|kind| content_type.windows(kind.len()).any(|part| part.eq_ignore_ascii_case(kind)));
    let endpoint = match seawall_core::json::field(content, "object") {
        _ if !is_text => Endpoint::Other,
        Some(br#""response""#) => Endpoint::Responses,
        _ => Endpoint::ChatCompletions,
    };
    Some(verdict::explain(&Reply {
        status: StatusCode::from_u16(status).ok()?,
        headers,
        body: content.trim_ascii(),
        endpoint,
        stream: false,
        elapsed: Duration::ZERO,
        limit: Duration::MAX,
        now_unix: date.and_then(|date| retry_after::date(date, 0)).unwrap_or(i64::MAX),
    }))
}

/// Events of a stream, of which one is an error.
pub(super) fn event(what: &str) -> Option<Explained> {
    if !["data:", "event:", ":"].iter().any(|begin| what.starts_with(begin)) {
        return None;
    }
    let mut name = "";
    what.lines().find_map(|line| {
        if let Some(event) = line.strip_prefix("event:") {
            name = event.trim();
        } else if let Some(data) = line.strip_prefix("data:") {
            let judged = verdict::explain_event(name, data.trim().as_bytes());
            return judged.map(|judged| Explained::judged(Kind::StreamEvent, None, judged));
        } else if line.trim().is_empty() {
            name = "";
        }
        None
    })
}

/// An error body, and nothing else.
pub(super) fn json(what: &str) -> Option<Explained> {
    if !what.starts_with(['{', '[']) {
        return None;
    }
    match body::read(what.as_bytes()).form {
        body::Form::Json => error_in(what.as_bytes()),
        // What Python prints of a body: quotes of the other kind.
        _ => error_in(literal::to_json(what)?.as_bytes()),
    }
}

/// An error body in the middle of a sentence, with or without its status before it.
pub(super) fn json_inside(what: &str) -> Option<Explained> {
    what.match_indices('{').take(STARTS_MAX).find_map(|(at, _)| {
        let value = serde_json::Deserializer::from_str(&what[at..]).into_iter::<serde_json::Value>().next();
        let json = match value {
            Some(Ok(value)) => value.to_string(),
            _ => literal::to_json(&what[at..])?,
        };
        // On the same line: a stack above it is full of numbers.
        let before = what[what.floor_char_boundary(at.saturating_sub(200))..at].trim_end();
        let before = before.rsplit('\n').next().unwrap_or(before);
        match body::status_in_text(before) {
            Some(status) => {
                error_in(json.as_bytes())?;
                let judged = judge(status, &HeaderMap::new(), json.as_bytes())?;
                Some(Explained::judged(Kind::ErrorJson, Some(status), judged))
            }
            None => error_in(json.as_bytes()),
        }
    })
}

/// What a JSON body means if it is an error by its own word; the status is the one it means.
fn error_in(json: &[u8]) -> Option<Explained> {
    let hidden = judge(200, &HeaderMap::new(), json)?;
    if hidden.0.class != Class::Ok {
        return Some(Explained::judged(Kind::ErrorJson, None, hidden));
    }
    let said = body::read(json).said;
    let is_error = said.kind.is_some() || said.code.is_some() || said.message.is_some();
    // A whole answer may have a `type` or a `status` too, but it has content; a line of a log a level.
    let is_answer = ["choices", "output", "content", "data", "model", "level"]
        .iter()
        .any(|name| seawall_core::json::field(json, name).is_some());
    if !is_error || is_answer {
        return None;
    }
    verdict::explain_event("error", json).map(|judged| Explained::judged(Kind::ErrorJson, None, judged))
}

/// A web page: of an error if its title names one, else of something that is no API.
pub(super) fn page(what: &str) -> Option<Explained> {
    if !what.starts_with('<') || !(what.contains("</") || what.to_ascii_lowercase().starts_with("<!doctype")) {
        return None;
    }
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))]);
    let title = body::read(what.as_bytes()).said.message;
    let status = title.as_deref().and_then(body::status_in_text);
    let judged = judge(status.unwrap_or(200), &headers, what.as_bytes())?;
    let mut explained = Explained::judged(Kind::HtmlPage, status, judged);
    explained.status = status;
    Some(explained)
}

/// `HTTP 502`, `error code: 520`, `503 Service Unavailable`, `status=500`: one short line with a status.
pub(super) fn short_status(what: &str) -> Option<Explained> {
    if what.len() > 64 || what.contains('\n') || what.starts_with(['{', '[']) {
        return None;
    }
    let status = body::status_in_text(what)?;
    Some(Explained::of(Kind::Status, Some(status), status::of_status(status, false)))
}

/// A message that is known by how it begins, by the rule that it comes from, by the status that it
/// speaks of, or by the fault that it names.
pub(super) fn message(what: &str) -> Option<Explained> {
    if let Some(known) = provider::of_message(what) {
        return Some(Explained::of(Kind::Message, Some(known.status), &known.meaning));
    }
    if what.len() > PROSE_BYTES_MAX {
        return None;
    }
    if super::rule::of_message(what).is_some() {
        return Some(Explained::of(Kind::Message, Some(400), code::of_class(Class::CallerFault)).with_rule(Some(what)));
    }
    // What stands in a traceback besides its errors is source.
    if what.contains("Traceback (most recent call last)") {
        return None;
    }
    in_prose(what).or_else(|| fault_in(what).map(|fault| Explained::of(Kind::Message, None, code::of_fault(fault))))
}

/// A message behind a colon (`stream disconnected: The server had an error…`, `Error: 500 The …`), or
/// a status that is called one (`last status: 503`).
fn in_prose(what: &str) -> Option<Explained> {
    for (at, _) in what.match_indices(": ").take(STARTS_MAX) {
        let rest = what[at + 2..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        if let Some(known) = provider::of_message(rest) {
            return Some(Explained::of(Kind::Message, Some(known.status), &known.meaning));
        }
    }
    let lower = what.to_ascii_lowercase();
    let status = ["status code ", "status code: ", "status: ", "status "].iter().find_map(|mark| {
        let rest = lower.split_once(mark)?.1;
        body::status_in_text(rest.get(..3)?).filter(|_| !rest[3..].starts_with(|c: char| c.is_ascii_digit()))
    })?;
    Some(Explained::of(Kind::Message, Some(status), status::of_status(status, false)))
}

/// What operating systems and libraries say, and which fault it is; the more telling first.
const FAULTS: &[(Fault, &[&str])] = &[
    (
        Fault::Tls,
        &[
            "certificate verify failed",
            "certificate has expired",
            "self-signed certificate",
            "self signed certificate",
            "unable to verify the first certificate",
            "wrong version number",
            "invalid peer certificate",
            "sslerror",
            "ssl handshake",
            "tls handshake",
            "ssl certificate problem",
            "ssl_error_syscall",
            "err_tls",
            "cert_has_expired",
        ],
    ),
    (
        Fault::Resolve,
        &[
            "name or service not known",
            "getaddrinfo",
            "enotfound",
            "eai_again",
            "name resolution",
            "nodename nor servname",
            "could not resolve host",
            "no such host",
            "dns error",
        ],
    ),
    (
        Fault::Refused,
        &[
            "connection refused",
            "econnrefused",
            "no route to host",
            "ehostunreach",
            "enetunreach",
            "network is unreachable",
            "all connection attempts failed",
            "couldn't connect to server",
            "cannot connect to host",
            "max retries exceeded with url",
            "error: bad port",
        ],
    ),
    // Before the next one, whose words nginx uses for a connection that stood.
    (Fault::FirstContentTimeout, &["upstream timed out (110"]),
    (Fault::ConnectTimeout, &["connecttimeout", "connect timeout", "connection timed out", "etimedout"]),
    (
        Fault::Garbage,
        &[
            "illegal status line",
            "badstatusline",
            "httpparsererror",
            "hpe_invalid",
            "received http/0.9",
            "does not match the http/1.1 protocol",
        ],
    ),
    (
        Fault::Truncated,
        &[
            "incomplete chunked read",
            "with outstanding read data remaining",
            "was not closed cleanly",
            "without sending complete message body",
            "incompleteread",
            "premature close",
            "unexpected end of file",
            "unexpected eof",
        ],
    ),
    (
        Fault::Reset,
        &[
            "econnreset",
            "connection reset",
            "connection aborted",
            "server disconnected without sending",
            "remotedisconnected",
            "remote end closed connection",
            "socket hang up",
            "empty reply from server",
            "upstream prematurely closed",
            "other side closed",
            "und_err_socket",
            "broken pipe",
            "epipe",
        ],
    ),
    (
        Fault::Deadline,
        &[
            "readtimeout",
            "timeouterror",
            "read timed out",
            "request timed out",
            "readtimeouterror",
            "headers_timeout",
            "body_timeout",
            "deadline exceeded",
            "operation timed out after",
        ],
    ),
];

/// The fault that a text of an operating system or a library names.
pub(super) fn fault_in(text: &str) -> Option<Fault> {
    let lower = text.to_ascii_lowercase();
    FAULTS.iter().find(|(_, signs)| signs.iter().any(|sign| lower.contains(sign))).map(|(fault, _)| *fault)
}
