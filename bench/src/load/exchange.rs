//! One request and its answer on a connection, every byte of the answer compared.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wire::{self, Body, Framing};

/// A keep-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the body was what the mock sends, to the byte.
    pub(crate) is_exact: bool,
    /// `x-seawall-attempts`, where there was one.
    pub(crate) attempts: Option<u64>,
    /// `x-mock-receipt`, where there was one.
    pub(crate) receipt: Option<String>,
    pub(crate) keep_alive: bool,
    /// From the start to the first byte of the body.
    pub(crate) first_body: Duration,
}

#[derive(Debug)]
struct Head {
    status: u16,
    framing: Option<Framing>,
    attempts: Option<u64>,
    receipt: Option<String>,
    keep_alive: bool,
}

impl Connection {
    pub(crate) async fn open(target: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; 16 << 10], filled: 0 })
    }

    /// Whether the other side has kept an idle connection open, as far as this side has heard. SDKs' pools look, too.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends `request`, reads one answer and compares its body with `expected`.
    pub(crate) async fn exchange(&mut self, request: &[u8], expected: &[u8], started: Instant) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        let (end, head) = self.head().await?;
        let framing = head.framing.ok_or_else(|| wire::invalid("an answer without a length"))?;
        let mut body = Body::new(framing);
        let (mut seen, mut is_exact, mut first_body) = (0, true, None);
        let mut take = |data: &[u8]| {
            first_body.get_or_insert_with(|| started.elapsed());
            is_exact = is_exact && expected.get(seen..seen + data.len()) == Some(data);
            seen += data.len();
        };
        let mut at = end + body.feed(&self.buffer[end..self.filled], &mut take)?;
        while !body.is_done() {
            at = 0;
            self.filled = self.stream.read(&mut self.buffer).await?;
            if self.filled == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += body.feed(&self.buffer[..self.filled], &mut take)?;
        }
        if at != self.filled {
            return Err(wire::invalid("bytes after the end of an answer"));
        }
        self.filled = 0;
        Ok(Answer {
            status: head.status,
            is_exact: is_exact && seen == expected.len(),
            attempts: head.attempts,
            receipt: head.receipt,
            keep_alive: head.keep_alive,
            first_body: first_body.unwrap_or_else(|| started.elapsed()),
        })
    }

    /// The next head that is not a 1xx, and where it ends in the buffer.
    async fn head(&mut self) -> io::Result<(usize, Head)> {
        loop {
            let Some(end) = wire::head_end(&self.buffer[..self.filled]) else {
                if self.filled == self.buffer.len() {
                    return Err(wire::invalid("a head over 16 KiB"));
                }
                match self.stream.read(&mut self.buffer[self.filled..]).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => self.filled += read,
                }
                continue;
            };
            let head = parse(&self.buffer[..end])?;
            if head.status >= 200 {
                return Ok((end, head));
            }
            self.buffer.copy_within(end..self.filled, 0);
            self.filled -= end;
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<Head> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = wire::number(status.ok_or_else(|| wire::invalid("not an HTTP/1.1 answer"))?)?;
    let mut head = Head { status, framing: None, attempts: None, receipt: None, keep_alive: true };
    for (name, value) in wire::headers(bytes) {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                head.framing = Some(Framing::Length(wire::number(value)?));
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => head.framing = Some(Framing::Chunked),
            18 if name.eq_ignore_ascii_case(b"x-seawall-attempts") => head.attempts = Some(wire::number(value)?),
            14 if name.eq_ignore_ascii_case(b"x-mock-receipt") => {
                head.receipt = Some(String::from_utf8_lossy(value).into_owned());
            }
            10 if name.eq_ignore_ascii_case(b"connection") => head.keep_alive = !value.eq_ignore_ascii_case(b"close"),
            _ => {}
        }
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_framing_attempts_and_the_end_of_a_connection() {
        let head = parse(b"HTTP/1.1 500 X\r\nConnection: close\r\nContent-Length: 3\r\nX-Seawall-Attempts: 4\r\n\r\n");
        let head = head.unwrap();
        assert_eq!((head.status, head.framing, head.attempts), (500, Some(Framing::Length(3)), Some(4)));
        assert!(!head.keep_alive);
        assert!(parse(b"HTTP/2 200\r\n\r\n").is_err());
    }
}
