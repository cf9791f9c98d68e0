//! A caller who reads to the end of the connection, and notices how it came.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any wait that is asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) status: u16,
    head: String,
    /// The body's chunks, or all of it where its length was said.
    pub(crate) chunks: Vec<Vec<u8>>,
    /// Whether it came to the end that it announced: the last chunk, or its length.
    pub(crate) is_ended: bool,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_default()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// Sends `request` and takes in all that follows. An end by reset is an error: it could have
/// destroyed what came before it.
pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> Result<Got, String> {
    let mut bytes = Vec::new();
    let exchange = async {
        let mut socket = TcpStream::connect(address).await?;
        socket.write_all(request).await?;
        socket.read_to_end(&mut bytes).await
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(_)) => parse(&bytes).ok_or_else(|| format!("not an answer: {:?}", String::from_utf8_lossy(&bytes))),
        Ok(Err(error)) => Err(format!("{error}, after {} bytes", bytes.len())),
        Err(_) => Err(format!("no end within {PATIENCE:?}, after {} bytes", bytes.len())),
    }
}

fn parse(bytes: &[u8]) -> Option<Got> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut got = Got { status, head, chunks: Vec::new(), is_ended: false };
    let mut rest = &bytes[end + 4..];
    if let Ok(length) = got.header("content-length").parse::<usize>() {
        got.is_ended = rest.len() == length;
        got.chunks.push(rest.to_vec());
        return Some(got);
    }
    while !rest.is_empty() {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            got.is_ended = rest == b"\r\n";
            return got.is_ended.then_some(got);
        }
        got.chunks.push(rest.get(..size)?.to_vec());
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    Some(got)
}
