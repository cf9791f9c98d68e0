//! A WebSocket upstream, as the Realtime API and that of Responses are: it greets, and sends every
//! message back.
//!
//! Faults that befall a reply before its first byte befall the handshake as they are: a status, a
//! reset, silence. Those that break a body off break the conversation off, once so many messages
//! have been sent back (`=N`; right after the greeting where nothing is said):
//!
//! | fault | does |
//! |---|---|
//! | `body_reset` | resets the connection |
//! | `truncated` | closes it without a close frame |
//! | `stream_cut` | closes it in the middle of a frame |
//! | `stall` | says nothing more, on a connection that stays open |

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use seawall_core::verdict::Fault;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::decide::Deed;
use crate::faults::{FaultSpec, Value};
use crate::http_in::Request;
use crate::reply::{hex, line, request_id, status_line};
use crate::shared::Door;
use crate::wire::{Gone, Wire};

/// The longest message that is sent back, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// How long a conversation may rest.
const IDLE_MAX: Duration = Duration::from_secs(1800);
/// What every handshake adds to its key (RFC 6455, 4.2.2).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By a close frame, or as a fault would have it.
    Closed,
    /// The connection is to be reset.
    Reset,
    /// The caller went without a close frame.
    CallerLeft,
}

/// Whether `request` asks for a WebSocket where there is one.
pub(crate) fn is_asked(request: &Request) -> bool {
    let is = |name, value: &str| request.header(name).is_some_and(|v| v.to_ascii_lowercase().contains(value));
    let path = request.path();
    request.method() == "GET"
        && matches!(path.strip_prefix("/v1").unwrap_or(path), "/realtime" | "/realtime/translations" | "/responses")
        && is("upgrade", "websocket")
        && is("connection", "upgrade")
        && request.header("sec-websocket-key").is_some()
}

/// The model in the query, as it stands there.
pub(crate) fn model(request: &Request) -> Option<&str> {
    let (_, query) = request.target().split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("model="))
}

/// When a conversation breaks off, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    wait: Duration,
    /// After so many messages; never where there is no fault.
    breaks: Option<(u32, Fault)>,
}

impl Course {
    /// What `deed` makes of a conversation; `None` if it does not come to one.
    pub(crate) fn of(deed: &Deed) -> Option<Course> {
        match deed {
            Deed::Good => Some(Course { wait: Duration::ZERO, breaks: None }),
            Deed::Fault(spec) => Course::broken(spec),
            Deed::Step(..) | Deed::Refusal(_) | Deed::BadHeader(_) => None,
        }
    }

    fn broken(spec: &FaultSpec) -> Option<Course> {
        let (wait, messages) = match spec.value() {
            Value::Wait(wait) => (spec.delay() + wait, 0),
            Value::Chunks(messages) => (spec.delay(), messages),
            _ => (spec.delay(), 0),
        };
        match spec.fault() {
            Fault::Slow => Some(Course { wait, breaks: None }),
            fault @ (Fault::BodyReset | Fault::Truncated | Fault::StreamCut | Fault::Stall) => {
                Some(Course { wait, breaks: Some((messages, fault)) })
            }
            _ => None,
        }
    }
}

/// Takes the handshake, and converses to the end.
pub(crate) async fn converse(
    wire: &mut Wire,
    request: &Request,
    course: Course,
    id: u128,
    door: &mut watch::Receiver<Door>,
) -> End {
    tokio::select! {
        biased;
        () = wire.gone() => return End::CallerLeft,
        () = sleep(course.wait) => {}
    }
    let mut out = Vec::with_capacity(512);
    welcome(&mut out, request, id);
    if wire.write(&out).await.is_err() {
        return End::CallerLeft;
    }
    let mut messages = 0;
    loop {
        if let Some((after, fault)) = course.breaks
            && messages >= after
        {
            return break_off(wire, fault, door).await;
        }
        let frame = match next(wire, door).await {
            Next::Frame(frame) => frame,
            Next::Gone => return End::CallerLeft,
            Next::Close(code) => {
                let _ = wire.write(&framed(CLOSE, &code.to_be_bytes())).await;
                return End::Closed;
            }
        };
        let (reply, is_over) = match frame.first & 0x0f {
            CLOSE => (framed(CLOSE, &frame.payload[..frame.payload.len().min(2)]), true),
            PING => (framed(PONG, &frame.payload), false),
            PONG => continue,
            _ => {
                messages += u32::from(frame.first & FIN != 0);
                (header_and(frame.first, &frame.payload), false)
            }
        };
        match wire.write(&reply).await {
            Ok(()) if is_over => return End::Closed,
            Ok(()) => {}
            Err(Gone) => return if is_over { End::Closed } else { End::CallerLeft },
        }
    }
}

/// The 101, and the greeting of the Realtime API right behind it.
fn welcome(out: &mut Vec<u8>, request: &Request, id: u128) {
    status_line(out, 101);
    line(out, "connection", b"Upgrade");
    line(out, "upgrade", b"websocket");
    let key = request.header("sec-websocket-key").unwrap_or_default();
    line(out, "sec-websocket-accept", accept(key).as_bytes());
    let offers = request.header("sec-websocket-protocol").unwrap_or_default().split(',').map(str::trim);
    if let Some(protocol) = offers.into_iter().find(|offer| *offer == "realtime") {
        line(out, "sec-websocket-protocol", protocol.as_bytes());
    }
    out.extend_from_slice(b"x-request-id: ");
    request_id(out, id);
    out.extend_from_slice(b"\r\n\r\n");
    if request.path().contains("/realtime") {
        let mut digits = Vec::with_capacity(32);
        hex(&mut digits, id);
        let id = String::from_utf8_lossy(&digits);
        let hello = json!({
            "type": "session.created", "event_id": format!("event_{id}"),
            "session": {"type": "realtime", "object": "realtime.session", "id": format!("sess_{id}"), "model": model(request)},
        });
        out.extend_from_slice(&header_and(FIN | TEXT, hello.to_string().as_bytes()));
    }
}

async fn break_off(wire: &mut Wire, fault: Fault, door: &mut watch::Receiver<Door>) -> End {
    match fault {
        Fault::BodyReset => End::Reset,
        Fault::Stall => tokio::select! {
            biased;
            () = wire.gone() => End::CallerLeft,
            _ = door.wait_for(|door| *door == Door::Closed) => End::Closed,
            () = sleep(IDLE_MAX) => End::Closed,
        },
        Fault::StreamCut => {
            let frame = header_and(FIN | TEXT, b"a message that is never whole");
            let _ = wire.write(&frame[..frame.len() / 2]).await;
            End::Closed
        }
        _ => End::Closed,
    }
}

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

struct Frame {
    /// FIN, reserved bits and opcode.
    first: u8,
    payload: Vec<u8>,
}

enum Next {
    Frame(Frame),
    Gone,
    /// We end it, with this code.
    Close(u16),
}

/// The next frame from the caller.
async fn next(wire: &mut Wire, door: &mut watch::Receiver<Door>) -> Next {
    loop {
        match parse(wire.input()) {
            Ok(Some((frame, length))) => {
                wire.consume(length);
                return Next::Frame(frame);
            }
            Ok(None) => {}
            Err(code) => return Next::Close(code),
        }
        tokio::select! {
            biased;
            read = wire.fill_some() => if !matches!(read, Ok(1..)) { return Next::Gone },
            _ = door.wait_for(|door| *door == Door::Closed) => return Next::Close(1001),
            () = sleep(IDLE_MAX) => return Next::Close(1001),
        }
    }
}

/// The first frame in `input` and its length there; `None` if it is not whole yet, a code if it is
/// none that a client may send.
fn parse(input: &[u8]) -> Result<Option<(Frame, usize)>, u16> {
    let [first, second, rest @ ..] = input else { return Ok(None) };
    let (length, rest, head) = match second & 0x7f {
        126 => match rest {
            [a, b, rest @ ..] => (u64::from(u16::from_be_bytes([*a, *b])), rest, 4),
            _ => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest, 10),
            None => return Ok(None),
        },
        length => (u64::from(length), rest, 2),
    };
    if second & 0x80 == 0 {
        return Err(1002);
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= MESSAGE_BYTES_MAX).ok_or(1009_u16)?;
    let Some((key, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let Some(masked) = rest.get(..length) else { return Ok(None) };
    let payload = masked.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    Ok(Some((Frame { first: *first, payload }, head + 4 + length)))
}

fn framed(opcode: u8, payload: &[u8]) -> Vec<u8> {
    header_and(FIN | opcode, payload)
}

/// A frame of a server, which masks nothing.
fn header_and(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(first);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..126), _) => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// `Sec-WebSocket-Accept` for a key.
fn accept(key: &str) -> String {
    let hashed = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    base64(hashed.as_ref())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 0x3f) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_accepted_as_the_rfc_has_it() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!([base64(b""), base64(b"f"), base64(b"fo"), base64(b"foo")], ["", "Zg==", "Zm8=", "Zm9v"]);
    }

    #[test]
    fn a_frame_is_read_when_it_is_whole_and_not_before() {
        // "Hello", masked: RFC 6455, 5.7.
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        for length in 0..hello.len() {
            assert!(parse(&hello[..length]).unwrap().is_none(), "{length}");
        }
        let (frame, length) = parse(&[&hello[..], b"more"].concat()).unwrap().unwrap();
        assert_eq!((frame.first, &frame.payload[..], length), (0x81, &b"Hello"[..], hello.len()));
        assert_eq!(parse(&[0x81, 0x05]).err(), Some(1002), "unmasked");
        let sized = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        assert!(parse(&sized(MESSAGE_BYTES_MAX as u64)).unwrap().is_none());
        assert_eq!(parse(&sized(MESSAGE_BYTES_MAX as u64 + 1)).err(), Some(1009));
    }

    #[test]
    fn lengths_are_written_in_the_shortest_of_three_ways() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            assert_eq!(header_and(FIN | TEXT, &vec![0; length]).len(), head + length);
        }
    }
}
