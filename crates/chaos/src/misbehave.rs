//! A fault turned into acts on a socket, starting from the good answer it spoils.
//!
//! What only a stream can do is done to a plain answer in its nearest form: `stream_error` is
//! `error_in_200`, `stream_cut` is `truncated`, `stream_empty` is `empty_200`, `stream_json` is a
//! good answer.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use seawall_core::verdict::Fault;

use crate::api::{Ask, Good, fill};
use crate::faults::{FaultSpec, Value};
use crate::peek::{Endpoint, last_words};
use crate::reply::{Act, Framing, Head, LAST_CHUNK, Reply, chunk, hex};
use crate::wording::{self, Code};

/// The longest piece of a request that `echo` repeats, in bytes.
const ECHO_BYTES_MAX: usize = 4096;

/// How replies are written on this connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Whether the connection may be used again.
    pub(crate) keep_alive: bool,
    /// The wait before each content event but the first.
    pub(crate) chunk_delay: Duration,
}

/// Acts out the good answer.
pub(crate) fn behave(reply: &mut Reply, good: &Good, ask: &Ask<'_>, manner: Manner, extra: &[(String, String)]) {
    let head = Head { extra, ..good_head(good, ask, manner) };
    if good.is_stream {
        events(reply, good, &head, good.ends.len(), manner);
    } else {
        reply.send(|out| {
            head.write(out);
            out.extend_from_slice(&good.bytes);
        });
    }
}

/// Acts out `spec` in place of the good answer.
pub(crate) fn misbehave(reply: &mut Reply, good: &Good, ask: &Ask<'_>, manner: Manner, spec: &FaultSpec) {
    reply.wait(spec.delay());
    match spec.fault() {
        Fault::Status | Fault::Html | Fault::Text | Fault::Empty | Fault::Echo => {
            failure(reply, ask, manner, spec);
        }
        Fault::ErrorIn200 => hidden(reply, ask, manner, spec),
        Fault::Empty200 => whole(reply, manner, ask, spec, 200, JSON, b""),
        Fault::Html200 => whole(reply, manner, ask, spec, 200, "text/html; charset=utf-8", LOGIN_PAGE),
        Fault::Slow => {
            if let Value::Wait(wait) = spec.value() {
                reply.wait(wait);
            }
            behave(reply, good, ask, manner, spec.headers());
        }
        Fault::NotSent | Fault::Stale => {
            behave(reply, good, ask, manner, spec.headers());
            reply.end(if spec.fault() == Fault::Stale { Act::Doom } else { Act::Close });
        }
        Fault::Reset => reply.end(if spec.value() == Value::Word("close") { Act::Close } else { Act::Reset }),
        Fault::Garbage => garbage(reply, spec),
        Fault::FirstContentTimeout => reply.end(Act::Stall),
        Fault::Truncated => broken(reply, good, ask, manner, spec, Act::Close),
        Fault::BodyReset => broken(reply, good, ask, manner, spec, Act::Reset),
        Fault::Stall => broken(reply, good, ask, manner, spec, Act::Stall),
        Fault::Undecodable => undecodable(reply, good, ask, manner, spec),
        Fault::StreamError | Fault::StreamCut | Fault::StreamEmpty | Fault::StreamJson => {
            stream(reply, good, ask, manner, spec);
        }
        // The parser refuses what is left, and a refusal is done at the door.
        Fault::Refused | Fault::Resolve | Fault::Tls | Fault::ConnectTimeout | Fault::Deadline => reply.end(Act::Reset),
    }
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream; charset=utf-8";
const LOGIN_PAGE: &[u8] = b"<!doctype html>\n<html><head><title>Sign in to the network</title></head>\n\
<body><h1>Sign in to continue</h1><form method=\"post\"><input name=\"room\"></form></body></html>\n";

fn good_head<'a>(good: &Good, ask: &Ask<'_>, manner: Manner) -> Head<'a> {
    Head {
        status: good.status,
        content_type: if good.is_stream { EVENTS } else { JSON },
        framing: if good.is_stream { Framing::Chunked } else { Framing::Length(good.bytes.len()) },
        id: Some(ask.id),
        extra: &[],
        keep_alive: manner.keep_alive,
    }
}

/// The head and the first `upto` events; the end of the body too if that is all of them.
fn events(reply: &mut Reply, good: &Good, head: &Head<'_>, upto: usize, manner: Manner) {
    let is_whole = upto == good.ends.len();
    for index in 0..upto.max(1) {
        let is_later_content = index > good.lead && index < good.lead + good.contents;
        reply.wait(if is_later_content { manner.chunk_delay } else { Duration::ZERO });
        reply.send(|out| {
            if index == 0 {
                head.write(out);
            }
            if index < upto {
                chunk(out, good.event(index));
            }
            if is_whole && index + 1 == upto {
                out.extend_from_slice(LAST_CHUNK);
            }
        });
    }
}

/// A complete reply that is not the good answer.
fn whole(reply: &mut Reply, manner: Manner, ask: &Ask<'_>, spec: &FaultSpec, status: u16, kind: &str, body: &[u8]) {
    let head = Head {
        status,
        content_type: kind,
        framing: Framing::Length(body.len()),
        id: Some(ask.id),
        extra: spec.headers(),
        keep_alive: manner.keep_alive,
    };
    reply.send(|out| {
        head.write(out);
        out.extend_from_slice(body);
    });
}

fn failure(reply: &mut Reply, ask: &Ask<'_>, manner: Manner, spec: &FaultSpec) {
    let said = wording::find(spec.status(), spec.variant());
    let mut body = Vec::new();
    match spec.fault() {
        Fault::Html | Fault::Text => return middleman(reply, ask, manner, spec),
        Fault::Empty => return whole(reply, manner, ask, spec, said.status, "", b""),
        Fault::Echo => {
            let message = format!("Could not process the input: {}", echoed(ask));
            wording::body(&mut body, ask.endpoint, said.kind, said.code, &message, ask.body_id);
        }
        _ => {
            let message = wording::message(&said, ask.body_id, ask.model());
            wording::body(&mut body, ask.endpoint, said.kind, said.code, &message, ask.body_id);
        }
    }
    whole(reply, manner, ask, spec, said.status, JSON, &body);
}

fn echoed(ask: &Ask<'_>) -> String {
    let mut words = last_words(ask.body).unwrap_or_else(|| String::from_utf8_lossy(ask.body).into_owned());
    words.truncate(words.floor_char_boundary(ECHO_BYTES_MAX));
    words
}

/// What stands between callers and an API says its own things, without the API's headers.
fn middleman(reply: &mut Reply, ask: &Ask<'_>, manner: Manner, spec: &FaultSpec) {
    let status = spec.status();
    let (mut ray, mut body_ray) = (Vec::new(), Vec::new());
    hex(&mut ray, ask.id);
    hex(&mut body_ray, ask.body_id);
    let (ray, body_ray) = (String::from_utf8_lossy(&ray[..16]), String::from_utf8_lossy(&body_ray[..16]));
    let mut extra = spec.headers().to_vec();
    let (kind, body) = if spec.fault() == Fault::Html {
        extra.push(("server".into(), "cloudflare".into()));
        extra.push(("cf-ray".into(), format!("{ray}-IAD")));
        let phrase = wording::phrase(status);
        let page = format!(
            "<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>\r\n<center><h1>{status} {phrase}</h1>\
             </center>\r\n<hr><center>cloudflare</center>\r\n<!-- {body_ray} -->\r\n</body>\r\n</html>\r\n"
        );
        ("text/html; charset=utf-8", page)
    } else {
        extra.push(("server".into(), "envoy".into()));
        let text = format!(
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination ({body_ray})"
        );
        ("text/plain", text)
    };
    let head = Head {
        status,
        content_type: kind,
        framing: Framing::Length(body.len()),
        id: None,
        extra: &extra,
        keep_alive: manner.keep_alive,
    };
    reply.send(|out| {
        head.write(out);
        out.extend_from_slice(body.as_bytes());
    });
}

/// An error object under status 200; without a variant, the status that it means is its code.
fn hidden(reply: &mut Reply, ask: &Ask<'_>, manner: Manner, spec: &FaultSpec) {
    let said = wording::find(spec.status(), spec.variant());
    let code = if spec.variant().is_some() { said.code } else { Code::Number(spec.status()) };
    let message = wording::message(&said, ask.body_id, ask.model());
    let mut body = Vec::new();
    wording::body(&mut body, ask.endpoint, said.kind, code, &message, ask.body_id);
    whole(reply, manner, ask, spec, 200, JSON, &body);
}

fn garbage(reply: &mut Reply, spec: &FaultSpec) {
    let bytes: &[u8] = match spec.value() {
        Value::Word("head") => b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-requ",
        _ => b"\x16\x03this is not HTTP\r\n\r\n",
    };
    reply.send(|out| out.extend_from_slice(bytes));
    reply.end(Act::Close);
}

/// Events before the break: after the content chunks asked for, or after half of them.
fn events_before(good: &Good, spec: &FaultSpec) -> usize {
    let contents = match spec.value() {
        Value::Chunks(chunks) => usize::try_from(chunks).unwrap_or(usize::MAX).min(good.contents),
        _ => good.contents / 2,
    };
    good.lead + contents
}

/// The head and a part of the body, then `end`.
fn broken(reply: &mut Reply, good: &Good, ask: &Ask<'_>, manner: Manner, spec: &FaultSpec, end: Act) {
    let head = Head { extra: spec.headers(), ..good_head(good, ask, manner) };
    if good.is_stream {
        events(reply, good, &head, events_before(good, spec), manner);
    } else {
        reply.send(|out| {
            head.write(out);
            out.extend_from_slice(&good.bytes[..good.bytes.len() / 2]);
        });
    }
    reply.end(end);
}

fn undecodable(reply: &mut Reply, good: &Good, ask: &Ask<'_>, manner: Manner, spec: &FaultSpec) {
    if spec.value() == Value::Word("chunk") {
        let head = Head { framing: Framing::Chunked, extra: spec.headers(), ..good_head(good, ask, manner) };
        reply.send(|out| {
            head.write(out);
            chunk(out, &good.bytes[..good.bytes.len() / 2]);
            out.extend_from_slice(b"not-a-length\r\n");
            out.extend_from_slice(&good.bytes[good.bytes.len() / 2..]);
        });
        return reply.end(Act::Close);
    }
    let mut body = good.bytes.clone();
    if spec.value() == Value::Word("gzip") {
        body = gzip(&good.bytes);
        // The beginning decodes, the rest does not: 0xff begins a block of the reserved kind.
        let half = body.len() / 2;
        body[half..].fill(0xff);
    }
    let mut extra = spec.headers().to_vec();
    extra.push(("content-encoding".into(), "gzip".into()));
    let head = Head { framing: Framing::Length(body.len()), extra: &extra, ..good_head(good, ask, manner) };
    reply.send(|out| {
        head.write(out);
        out.extend_from_slice(&body);
    });
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

fn stream(reply: &mut Reply, good: &Good, ask: &Ask<'_>, manner: Manner, spec: &FaultSpec) {
    let head = Head { extra: spec.headers(), ..good_head(good, ask, manner) };
    match (spec.fault(), good.is_stream) {
        (Fault::StreamError, true) => {
            let event = error_event(ask, spec);
            reply.send(|out| {
                head.write(out);
                chunk(out, event.as_bytes());
                out.extend_from_slice(LAST_CHUNK);
            });
        }
        (Fault::StreamError, false) => hidden(reply, ask, manner, spec),
        (Fault::StreamCut, true) => {
            events(reply, good, &head, events_before(good, spec), manner);
            reply.send(|out| out.extend_from_slice(LAST_CHUNK));
        }
        (Fault::StreamCut, false) => broken(reply, good, ask, manner, spec, Act::Close),
        (Fault::StreamEmpty, true) => {
            let upto = if spec.value() == Value::Word("bare") { 0 } else { good.lead };
            events(reply, good, &head, upto, manner);
            reply.send(|out| out.extend_from_slice(LAST_CHUNK));
        }
        (Fault::StreamEmpty, false) => whole(reply, manner, ask, spec, 200, JSON, b""),
        // A stream is answered with the plain form of the same answer.
        (_, true) => {
            let facts =
                crate::peek::Facts { model: ask.facts.model.clone(), is_object: true, inputs: 1, ..Default::default() };
            let mut plain = Good::default();
            fill(&mut plain, &Ask { facts: &facts, ..*ask });
            whole(reply, manner, ask, spec, 200, JSON, &plain.bytes);
        }
        (_, false) => behave(reply, good, ask, manner, spec.headers()),
    }
}

/// An error as the first event of a stream, in the endpoint's form.
fn error_event(ask: &Ask<'_>, spec: &FaultSpec) -> String {
    let said = wording::find(spec.status(), spec.variant());
    let message = wording::message(&said, ask.body_id, ask.model());
    let (kind, code) = (said.kind, wording::json(said.code));
    match ask.endpoint {
        Endpoint::Messages => {
            let kind = wording::anthropic(kind);
            let error = serde_json::json!({"type": "error", "error": {"type": kind, "message": message}});
            format!("event: error\ndata: {error}\n\n")
        }
        Endpoint::Responses => {
            let error = serde_json::json!({"type": "error", "sequence_number": 0,
                "error": {"type": kind, "code": code, "message": message, "param": null}});
            format!("event: error\ndata: {error}\n\n")
        }
        _ => {
            let error = serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
            format!("data: {error}\n\n")
        }
    }
}
