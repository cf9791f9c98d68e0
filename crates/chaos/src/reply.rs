//! A reply as a list of acts on a socket: bytes, waits, and the ways to break off.
//!
//! Good answers, faults and scripted steps all end up as the same few acts, so that there is one
//! place that writes and one that watches whether the caller is still there. Buffers are kept
//! from reply to reply; a plain answer is one act.

use std::io::Write as _;
use std::ops::Range;
use std::time::Duration;

use crate::wording::phrase;

/// One thing to do on the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Write these bytes of [`Reply::bytes`], in one piece unless told to split.
    Send(Range<usize>),
    Wait(Duration),
    /// Nothing more, until the caller leaves.
    Stall,
    /// End the connection with a reset; what is not yet sent is lost.
    Reset,
    /// End the connection in good order, wherever the reply is.
    Close,
    /// Reset the connection when more bytes arrive on it.
    Doom,
}

/// A reply to be acted out.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    acts: Vec<Act>,
}

/// Buffers that grew beyond this are given back after the reply.
const BYTES_KEPT: usize = 256 * 1024;

impl Reply {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_KEPT);
        self.acts.clear();
    }

    pub(crate) fn acts(&self) -> &[Act] {
        &self.acts
    }

    pub(crate) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// Writes, as one act, what `fill` appends.
    pub(crate) fn send(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let from = self.bytes.len();
        fill(&mut self.bytes);
        if self.bytes.len() > from {
            self.acts.push(Act::Send(from..self.bytes.len()));
        }
    }

    pub(crate) fn wait(&mut self, wait: Duration) {
        if !wait.is_zero() {
            self.acts.push(Act::Wait(wait));
        }
    }

    /// Ends the reply in another way than by its last byte.
    pub(crate) fn end(&mut self, act: Act) {
        self.acts.push(act);
    }
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
}

/// The head of a reply of our own.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
    pub(crate) framing: Framing,
    /// `None` where the reply does not come from the API itself but from something before it.
    pub(crate) id: Option<u128>,
    /// Headers of the fault: they replace ours of the same name.
    pub(crate) extra: &'a [(String, String)],
    pub(crate) keep_alive: bool,
}

impl Head<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let ours = |name: &str| !self.extra.iter().any(|(theirs, _)| theirs == name);
        status_line(out, self.status);
        if !self.content_type.is_empty() && ours("content-type") {
            line(out, "content-type", self.content_type.as_bytes());
        }
        match self.framing {
            Framing::Length(_) if !ours("content-length") => {}
            Framing::Length(length) => number(out, "content-length", length),
            Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        if let Some(id) = self.id {
            self.own(out, id, &ours);
        }
        for (name, value) in self.extra {
            line(out, name, value.as_bytes());
        }
        out.extend_from_slice(if self.keep_alive { b"\r\n" } else { b"connection: close\r\n\r\n" });
    }

    fn own(&self, out: &mut Vec<u8>, id: u128, ours: &dyn Fn(&str) -> bool) {
        if ours("x-request-id") {
            out.extend_from_slice(b"x-request-id: ");
            request_id(out, id);
            out.extend_from_slice(b"\r\n");
        }
        // The id's own bits: an even spread from 40 to 295 ms without another throw.
        number(out, "openai-processing-ms", 40 + usize::from(id.to_le_bytes()[0]));
        out.extend_from_slice(b"openai-organization: org-chaos\r\nopenai-version: 2020-10-01\r\n");
    }
}

pub(crate) fn status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, usize::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn number(out: &mut Vec<u8>, name: &str, value: usize) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    decimal(out, value);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn decimal(out: &mut Vec<u8>, value: usize) {
    write!(out, "{value}").expect("a Vec takes everything");
}

/// `req_` and 32 hexadecimal digits.
pub(crate) fn request_id(out: &mut Vec<u8>, id: u128) {
    out.extend_from_slice(b"req_");
    hex(out, id);
}

/// 32 hexadecimal digits.
pub(crate) fn hex(out: &mut Vec<u8>, id: u128) {
    for byte in id.to_be_bytes() {
        out.push(b"0123456789abcdef"[usize::from(byte >> 4)]);
        out.push(b"0123456789abcdef"[usize::from(byte & 15)]);
    }
}

/// One chunk of a chunked body; an empty one is left out, since it would end the body.
pub(crate) fn chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    write!(out, "{:x}\r\n", bytes.len()).expect("a Vec takes everything");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// The end of a chunked body.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_s_headers_replace_ours_and_come_once() {
        let extra = [("x-request-id".to_owned(), "mine".to_owned()), ("retry-after".to_owned(), "2".to_owned())];
        let mut out = Vec::new();
        let head = Head {
            status: 503,
            content_type: "application/json",
            framing: Framing::Length(3),
            id: Some(1),
            extra: &extra,
            keep_alive: false,
        };
        head.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 3\r\n"
        ));
        assert_eq!(text.matches("x-request-id: ").count(), 1);
        assert!(text.contains("x-request-id: mine\r\nretry-after: 2\r\nconnection: close\r\n\r\n"));
    }

    #[test]
    fn acts_keep_their_order_and_nothing_is_not_an_act() {
        let mut reply = Reply::default();
        reply.wait(Duration::ZERO);
        reply.send(|out| out.extend_from_slice(b"ab"));
        reply.send(|_| {});
        reply.wait(Duration::from_millis(1));
        reply.send(|out| chunk(out, b"c"));
        reply.end(Act::Close);
        assert_eq!(reply.acts(), [Act::Send(0..2), Act::Wait(Duration::from_millis(1)), Act::Send(2..8), Act::Close]);
        assert_eq!(reply.bytes(&(2..8)), b"1\r\nc\r\n");
    }
}
