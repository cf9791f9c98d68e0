//! A raw client: it writes what it is told and reads what is there, with a deadline.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use seawall_chaos::{Handle, Running, Server, Settings, Stats};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing on loopback takes this long unless it never comes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// Long enough to tell silence from slowness.
pub(crate) const SILENCE: Duration = Duration::from_millis(150);

pub(crate) const CHAT: &str = r#"{"model":"m1","messages":[{"role":"user","content":"hello sea"}]}"#;
pub(crate) const STREAM: &str = r#"{"model":"m1","stream":true,"messages":[{"role":"user","content":"hello sea"}]}"#;

pub(crate) async fn chaos(settings: Settings) -> Running {
    Server::start(settings).await.unwrap()
}

pub(crate) async fn with_fault(fault: &str) -> Running {
    chaos(Settings { faults: vec![fault.parse().unwrap()], chunks: 4, ..Settings::default() }).await
}

/// Waits for stats, with a deadline.
pub(crate) async fn until(handle: &Handle, wanted: impl Fn(&Stats) -> bool) -> Stats {
    timeout(DEADLINE, handle.until(wanted)).await.expect("the stats become what the test waits for")
}

pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: chaos\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// A reply, with its body unframed.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(theirs, _)| theirs.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    pub(crate) async fn to(handle: &Handle) -> Client {
        Client::connect(handle.addr()).await.unwrap()
    }

    pub(crate) async fn connect(addr: SocketAddr) -> io::Result<Client> {
        Ok(Client { stream: TcpStream::connect(addr).await?, input: Vec::new() })
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Asks, and reads a whole reply.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request).await;
        self.reply().await
    }

    async fn more(&mut self) -> io::Result<usize> {
        timeout(DEADLINE, self.stream.read_buf(&mut self.input)).await.expect("bytes or an end before the deadline")
    }

    /// Everything up to the end, and how that was: `None` for a clean one.
    pub(crate) async fn rest(&mut self) -> (String, Option<ErrorKind>) {
        loop {
            match self.more().await {
                Ok(0) => return (self.taken(), None),
                Ok(_) => {}
                Err(error) => return (self.taken(), Some(error.kind())),
            }
        }
    }

    fn taken(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.input)).into_owned()
    }

    /// What comes before a silence, on a connection that stays open.
    pub(crate) async fn before_silence(&mut self) -> String {
        loop {
            match timeout(SILENCE, self.stream.read_buf(&mut self.input)).await {
                Err(_) => return self.taken(),
                Ok(read) => assert!(read.unwrap() > 0, "the connection ended instead: {}", self.taken()),
            }
        }
    }

    /// Bytes up to and with `mark`.
    pub(crate) async fn up_to(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.input.windows(mark.len()).position(|window| window == mark) {
                return self.input.drain(..at + mark.len()).collect();
            }
            let read = self.more().await.unwrap();
            assert!(read > 0, "ended before {:?}: {}", String::from_utf8_lossy(mark), self.taken());
        }
    }

    async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            let read = self.more().await.unwrap();
            assert!(read > 0, "ended within a body: {}", self.taken());
        }
        self.input.drain(..count).collect()
    }

    /// A reply with a complete framing.
    pub(crate) async fn reply(&mut self) -> Reply {
        let head = String::from_utf8(self.up_to(b"\r\n\r\n").await).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, head, body: Vec::new() };
        if let Some(length) = reply.header("content-length") {
            let length = length.parse().unwrap();
            reply.body = self.exactly(length).await;
        } else if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = self.chunks().await.concat();
        }
        reply
    }

    /// The chunks up to the last.
    pub(crate) async fn chunks(&mut self) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        loop {
            let line = String::from_utf8(self.up_to(b"\r\n").await).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = self.exactly(length + 2).await;
            assert!(chunk.ends_with(b"\r\n"));
            chunk.truncate(length);
            if length == 0 {
                return chunks;
            }
            chunks.push(chunk);
        }
    }
}

impl Client {
    /// Asks where the connection may already be dead; what came, and the kind of end.
    pub(crate) async fn try_ask(&mut self, request: impl AsRef<[u8]>) -> (String, Option<ErrorKind>) {
        match self.stream.write_all(request.as_ref()).await {
            Ok(()) => self.rest().await,
            Err(error) => (String::new(), Some(error.kind())),
        }
    }

    /// Asks and reads the first bytes of a reply without a deadline.
    pub(crate) async fn ask_patiently(&mut self, request: impl AsRef<[u8]>) -> String {
        self.send(request).await;
        self.stream.read_buf(&mut self.input).await.unwrap();
        self.taken()
    }

    /// Reads to the end, clean or not, without a deadline.
    pub(crate) async fn rest_patiently(&mut self) {
        while matches!(self.stream.read_buf(&mut self.input).await, Ok(1..)) {}
    }
}
