//! Bytes into requests: their heads, and what is no request.
//!
//! Strict where laxness would hide a fault of the sender under test: a request with two lengths,
//! a bare line feed or a folded line is refused.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::time::timeout;

use crate::body::{BODY_BYTES_MAX, Bad, Body, PAUSE_MAX, malformed};
use crate::wire::Wire;

/// The longest head: twice what the API itself takes.
pub const HEAD_BYTES_MAX: usize = 128 * 1024;
/// The most header lines.
pub const HEADERS_MAX: usize = 512;

/// A request; its buffers are used for one after the other.
#[derive(Debug)]
pub(crate) struct Request {
    head: Vec<u8>,
    method: Range<usize>,
    target: Range<usize>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    pub(crate) keep_alive: bool,
    pub(crate) body: Body,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

impl Request {
    pub(crate) fn new(all_kept: Arc<AtomicUsize>) -> Request {
        Request {
            head: Vec::new(),
            method: 0..0,
            target: 0..0,
            headers: Vec::new(),
            keep_alive: true,
            body: Body::new(all_kept),
        }
    }

    /// Reads the next request in place of the last; `hashes`: whether to hash its body.
    pub(crate) async fn read(&mut self, wire: &mut Wire, hashes: bool) -> Result<(), Bad> {
        let head_bytes = read_head(wire).await?;
        self.head.clear();
        self.head.extend_from_slice(&wire.input()[..head_bytes]);
        wire.consume(head_bytes);
        let framing = self.parse()?;
        self.body.begin(hashes || self.header("x-chaos").is_some());
        if framing == Framing::Length(0) {
            return Ok(());
        }
        if wire.input().is_empty()
            && self.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| Bad::Cut)?;
        }
        match framing {
            Framing::Length(length) => self.body.read_length(wire, length).await,
            Framing::Chunked => self.body.read_chunked(wire).await,
        }
    }

    pub(crate) fn method(&self) -> &str {
        self.text(&self.method)
    }

    /// The target without scheme and authority: path and query.
    pub(crate) fn target(&self) -> &str {
        let target = self.text(&self.target);
        match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |slash| &rest[slash..]),
            _ => target,
        }
    }

    /// The target without its query.
    pub(crate) fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// The first header with this name, which is given in lower case; `None` if it is not UTF-8.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = |(theirs, _): &&(Range<usize>, Range<usize>)| {
            self.head[theirs.clone()].eq_ignore_ascii_case(name.as_bytes())
        };
        self.headers.iter().find(found).map(|(_, value)| self.text(value))
    }

    /// The names of all headers, in their order.
    pub(crate) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| self.text(name))
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.head[range.clone()]).unwrap_or_default()
    }

    /// Finds the parts of the head.
    fn parse(&mut self) -> Result<Framing, Bad> {
        self.headers.clear();
        let line_end = line_end(&self.head, 0)?;
        let version = self.request_line(line_end)?;
        let mut at = line_end + 2;
        let (mut length, mut chunked, mut close) = (None, false, version == b"HTTP/1.0");
        while self.head.len() - at > 2 {
            let end = crate::http_in::line_end(&self.head, at)?;
            let (name, value) = header_line(&self.head, at..end)?;
            let bytes = &self.head[value.clone()];
            match () {
                () if is(&self.head[name.clone()], "content-length") => {
                    let said = parse_length(bytes)?;
                    if length.is_some_and(|before| before != said) {
                        return Err(malformed("two different values of content-length"));
                    }
                    length = Some(said);
                }
                () if is(&self.head[name.clone()], "transfer-encoding") => {
                    if chunked || !is(bytes, "chunked") {
                        return Err(Bad::Malformed(501, "transfer-encoding other than chunked"));
                    }
                    chunked = true;
                }
                () if is(&self.head[name.clone()], "connection") => {
                    close |= bytes.split(|byte| *byte == b',').any(|token| is(token.trim_ascii(), "close"));
                }
                () => {}
            }
            if self.headers.len() == HEADERS_MAX {
                return Err(Bad::Malformed(431, "too many headers"));
            }
            self.headers.push((name, value));
            at = end + 2;
        }
        // Our replies always have bodies, after which a reader of a HEAD reply would be out of step.
        self.keep_alive = !close && self.method() != "HEAD";
        match (length, chunked) {
            (Some(_), true) => Err(malformed("both content-length and transfer-encoding")),
            (_, true) => Ok(Framing::Chunked),
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }

    fn request_line(&mut self, end: usize) -> Result<&[u8], Bad> {
        let line = &self.head[..end];
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed("the request line has not three words"));
        };
        if method.is_empty()
            || !method.iter().all(u8::is_ascii_uppercase)
            || !target.iter().all(u8::is_ascii_graphic)
            || target.is_empty()
        {
            return Err(malformed("not a method and a target"));
        }
        if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
            return Err(Bad::Malformed(505, "not HTTP/1.1"));
        }
        self.method = 0..method.len();
        self.target = method.len() + 1..method.len() + 1 + target.len();
        Ok(&self.head[self.target.end + 1..end])
    }
}

fn is(bytes: &[u8], word: &str) -> bool {
    bytes.eq_ignore_ascii_case(word.as_bytes())
}

/// Waits for a whole head; its length.
async fn read_head(wire: &mut Wire) -> Result<usize, Bad> {
    let mut seen = 0;
    loop {
        // RFC 9112, 2.2: empty lines before a request are ignored.
        while wire.input().starts_with(b"\r\n") {
            wire.consume(2);
        }
        if let Some(end) = head_end(wire.input(), seen) {
            return if end > HEAD_BYTES_MAX { Err(Bad::Malformed(431, "head too long")) } else { Ok(end) };
        }
        seen = wire.input().len().saturating_sub(3);
        if seen >= HEAD_BYTES_MAX {
            return Err(Bad::Malformed(431, "head too long"));
        }
        match timeout(PAUSE_MAX, wire.fill_some()).await {
            Ok(Ok(1..)) => {}
            _ => return Err(Bad::Cut),
        }
    }
}

/// Where the head ends, if its end is there; nothing before `from` is its beginning.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    // The last byte of the mark is looked for, so that most bytes are never looked at.
    let mut at = from + 3;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'\n' if &bytes[at - 3..at] == b"\r\n\r" => return Some(at + 1),
            b'\n' => 2,
            b'\r' => 1,
            _ => 4,
        };
    }
    None
}

fn line_end(head: &[u8], from: usize) -> Result<usize, Bad> {
    let feed = head[from..].iter().position(|byte| *byte == b'\n').map(|at| from + at);
    let feed = feed.filter(|feed| *feed > from && head[feed - 1] == b'\r');
    feed.map(|feed| feed - 1).ok_or(malformed("a line feed without a carriage return"))
}

fn header_line(head: &[u8], line: Range<usize>) -> Result<(Range<usize>, Range<usize>), Bad> {
    let bytes = &head[line.clone()];
    let colon = bytes.iter().position(|byte| *byte == b':').ok_or(malformed("a header without a colon"))?;
    let name = &bytes[..colon];
    let is_token = |byte: &u8| {
        byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'[' | b'\\' | b']' | b'{' | b'}')
    };
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(malformed("a header whose name is not a token"));
    }
    let value = &bytes[colon + 1..];
    if value.iter().any(|byte| matches!(byte, 0 | b'\r')) {
        return Err(malformed("a header with a control character"));
    }
    let before = value.len() - value.trim_ascii_start().len();
    let from = line.start + colon + 1 + before;
    Ok((line.start..line.start + colon, from..from + value.trim_ascii().len()))
}

fn parse_length(bytes: &[u8]) -> Result<u64, Bad> {
    let digits = std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits.and_then(|text| text.parse().ok()).ok_or(malformed("content-length is not a number"))?;
    if length > BODY_BYTES_MAX { Err(Bad::Malformed(413, "body too large")) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<(Request, Framing), Bad> {
        let mut request = Request::new(Arc::default());
        request.head = head.as_bytes().to_vec();
        let framing = request.parse()?;
        Ok((request, framing))
    }

    #[test]
    fn a_head_is_found_wherever_it_is_split() {
        let text = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nbody";
        let end = text.len() - 4;
        for split in 0..text.len() {
            let seen = split.saturating_sub(3);
            assert_eq!(head_end(&text[..split], 0), (split >= end).then_some(end), "{split}");
            assert_eq!(head_end(text, seen.min(end - 4)), Some(end), "{split}");
        }
        assert_eq!(head_end(b"\n\n\r\n\r\n\r\n", 0), Some(6));
    }

    #[test]
    fn a_head_is_taken_apart() {
        let (request, framing) = parse(
            "POST http://h:1/v1/x?y=1 HTTP/1.1\r\nContent-Length: 5\r\nX-Odd:  a b \r\nconnection: x, Close\r\n\r\n",
        )
        .unwrap();
        assert_eq!((request.method(), request.target(), request.path()), ("POST", "/v1/x?y=1", "/v1/x"));
        assert_eq!(request.header("x-odd"), Some("a b"));
        assert_eq!(request.header_names().collect::<Vec<_>>(), ["Content-Length", "X-Odd", "connection"]);
        assert_eq!(framing, Framing::Length(5));
        assert!(!request.keep_alive);
        assert!(parse("GET / HTTP/1.1\r\n\r\n").unwrap().0.keep_alive);
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").unwrap().0.keep_alive);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let bad = |lines: &str| parse(&format!("POST / HTTP/1.1\r\n{lines}\r\n\r\n")).unwrap_err();
        assert_eq!(bad("content-length: 1\r\ncontent-length: 2"), malformed("two different values of content-length"));
        assert_eq!(
            bad("content-length: 1\r\ntransfer-encoding: chunked"),
            malformed("both content-length and transfer-encoding")
        );
        assert_eq!(
            bad("transfer-encoding: gzip, chunked"),
            Bad::Malformed(501, "transfer-encoding other than chunked")
        );
        assert_eq!(bad("content-length: +1"), malformed("content-length is not a number"));
        assert_eq!(bad("a: b\nc: d"), malformed("a line feed without a carriage return"));
        assert_eq!(bad("a: b\r\n folded: c"), malformed("a header whose name is not a token"));
        assert_eq!(bad("a : b"), malformed("a header whose name is not a token"));
        assert_eq!(bad("no colon"), malformed("a header without a colon"));
        assert_eq!(bad(&format!("content-length: {}", BODY_BYTES_MAX + 1)), Bad::Malformed(413, "body too large"));
        assert!(parse(&format!("POST / HTTP/1.1\r\ncontent-length: {BODY_BYTES_MAX}\r\n\r\n")).is_ok());
        assert!(
            parse("GET /\r\n\r\n").is_err()
                && parse("get / HTTP/1.1\r\n\r\n").is_err()
                && parse("GET / HTTP/2\r\n\r\n").is_err()
        );
    }

    #[test]
    fn headers_end_at_their_limit() {
        let head = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n));
        assert!(parse(&head(HEADERS_MAX)).is_ok());
        assert_eq!(parse(&head(HEADERS_MAX + 1)).unwrap_err(), Bad::Malformed(431, "too many headers"));
    }
}
