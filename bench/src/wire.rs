//! The little HTTP/1.1 that both ends need: heads into facts, and chunked bodies into bytes.
//!
//! A library would do, and would cost as much as the gateways under test; what stands at both ends of
//! a benchmark has to be much cheaper than what stands between. It is strict where a gateway could
//! cheat (framing, lengths) and looks at nothing else.

use std::io;

/// The longest head that is read, in bytes.
pub(crate) const HEAD_MAX: usize = 64 << 10;

/// How a body's end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// Where a head ends in `bytes` (after its empty line), if it does.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// The header lines of a head, names as written; the first line is left out.
pub(crate) fn headers(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = head;
    let mut next_line = move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    };
    next_line();
    std::iter::from_fn(move || {
        let line = next_line()?;
        let colon = memchr::memchr(b':', line)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// A decimal number.
pub(crate) fn number<T: std::str::FromStr>(value: &[u8]) -> io::Result<T> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or_else(|| invalid("not a number"))
}

pub(crate) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads a body of either framing from slices of any length.
#[derive(Debug)]
pub(crate) struct Body {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// This many bytes of a body with a length are missing.
    Length(u64),
    /// In a chunk's size line: the size so far, and whether an extension is being skipped.
    Size {
        size: u64,
        skip: bool,
    },
    /// This many bytes of a chunk are missing.
    Data(u64),
    /// After a chunk's data, up to the line feed.
    DataEnd,
    /// In a trailer line that holds this many bytes so far.
    Trailer(usize),
    Done,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Body {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, skip: false },
        };
        Body { state }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what it can of `input`, hands the body's bytes to `data`, and says how many bytes were taken:
    /// fewer than given only when the body is done.
    pub(crate) fn feed(&mut self, input: &[u8], mut data: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            match self.state {
                State::Length(missing) | State::Data(missing) => {
                    let take = usize::try_from(missing).unwrap_or(usize::MAX).min(input.len() - at);
                    data(&input[at..at + take]);
                    at += take;
                    let left = missing - take as u64;
                    self.state = match (self.state, left) {
                        (State::Length(_), 0) => State::Done,
                        (State::Length(_), _) => State::Length(left),
                        (_, 0) => State::DataEnd,
                        (_, _) => State::Data(left),
                    };
                }
                _ => {
                    self.framing_byte(input[at])?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    fn framing_byte(&mut self, byte: u8) -> io::Result<()> {
        self.state = match (self.state, byte) {
            (State::Size { size: 0, .. }, b'\n') => State::Trailer(0),
            (State::Size { size, .. }, b'\n') => State::Data(size),
            (State::Size { size, .. }, b'\r' | b';') => State::Size { size, skip: true },
            (State::Size { size, skip: true }, _) => State::Size { size, skip: true },
            (State::Size { size, skip: false }, _) => {
                let digit = char::from(byte).to_digit(16).ok_or_else(|| invalid("a chunk's size is not a number"))?;
                if size >> 56 != 0 {
                    return Err(invalid("a chunk's size is too large"));
                }
                State::Size { size: size << 4 | u64::from(digit), skip: false }
            }
            (State::DataEnd, b'\r') => State::DataEnd,
            (State::DataEnd, b'\n') => State::Size { size: 0, skip: false },
            (State::DataEnd, _) => return Err(invalid("a chunk is longer than its size")),
            (State::Trailer(0), b'\n') => State::Done,
            (State::Trailer(_), b'\n') => State::Trailer(0),
            (State::Trailer(length), b'\r') => State::Trailer(length),
            (State::Trailer(length), _) if length < HEAD_MAX => State::Trailer(length + 1),
            (State::Trailer(_), _) => return Err(invalid("a trailer without an end")),
            (state @ (State::Length(_) | State::Data(_) | State::Done), _) => state,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, input: &[u8], split: usize) -> (Vec<u8>, usize, bool) {
        let mut body = Body::new(framing);
        let (mut out, mut taken) = (Vec::new(), 0);
        for part in input.chunks(split) {
            taken += body.feed(part, |data| out.extend_from_slice(data)).unwrap();
        }
        (out, taken, body.is_done())
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_is_split() {
        let input = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-a: b\r\n\r\nNEXT";
        for split in 1..=input.len() {
            assert_eq!(read(Framing::Chunked, input, split), (b"hello world".to_vec(), input.len() - 4, true));
        }
    }

    #[test]
    fn a_body_with_a_length_ends_at_its_length() {
        assert_eq!(read(Framing::Length(3), b"abcdef", 2), (b"abc".to_vec(), 3, true));
        assert_eq!(read(Framing::Length(9), b"abcdef", 2), (b"abcdef".to_vec(), 6, false));
        assert_eq!(read(Framing::Length(0), b"abc", 1), (Vec::new(), 0, true));
    }

    #[test]
    fn broken_framing_is_an_error() {
        for input in [&b"zz\r\n"[..], b"1\r\nab\r\n", b"ffffffffffffffffff\r\n"] {
            assert!(Body::new(Framing::Chunked).feed(input, |_| ()).is_err());
        }
    }

    #[test]
    fn headers_are_named_and_trimmed() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\ncontent-length:  12 \r\n\r\n";
        let found: Vec<_> = headers(head).collect();
        assert_eq!(found, [(&b"A"[..], &b"b"[..]), (b"content-length", b"12")]);
        assert_eq!(head_end(head), Some(head.len()));
        assert_eq!(number::<u64>(b"12").unwrap(), 12);
    }
}
