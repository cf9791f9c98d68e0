//! A socket that notices when its peer leaves, also while it writes or waits.
//!
//! What the peer sends in the meantime is kept for the next request, up to a bound; then nobody
//! reads, and TCP makes the peer wait. A peer that shuts down its writing side counts as gone:
//! no client of the API does so and still wants its reply.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Room made for each read outside of bodies.
const READ_BYTES: usize = 8 * 1024;
/// The most bytes kept that were sent before their turn.
const AHEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a peer may take no bytes before its connection is given up.
const WRITE_IDLE_MAX: Duration = Duration::from_secs(900);

/// The peer has closed or reset its side, or takes no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// A connection and the bytes read from it that are not yet used.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
    used: usize,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Wire {
        // Best effort: a socket that is already dead says so at the first read.
        let _ = stream.set_nodelay(true);
        Wire { stream, input: Vec::new(), used: 0 }
    }

    /// The bytes read and not yet used.
    pub(crate) fn input(&self) -> &[u8] {
        &self.input[self.used..]
    }

    /// Marks the first `count` bytes as used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.used = (self.used + count).min(self.input.len());
    }

    /// Reads what there is, up to about `room` bytes, and waits if there is nothing; 0 at the end.
    pub(crate) async fn fill(&mut self, room: usize) -> io::Result<usize> {
        self.compact(room);
        // Unlike `try_read_buf`, this remembers that a short read emptied the socket, which saves
        // a system call on every request.
        self.stream.read_buf(&mut self.input).await
    }

    pub(crate) async fn fill_some(&mut self) -> io::Result<usize> {
        self.fill(READ_BYTES).await
    }

    fn compact(&mut self, room: usize) {
        if self.used > 0 {
            self.input.drain(..self.used);
            self.used = 0;
        }
        if self.input.is_empty() {
            self.input.shrink_to(room.max(READ_BYTES));
        }
        self.input.reserve(room);
    }

    /// Waits until the peer leaves.
    pub(crate) async fn gone(&mut self) {
        self.compact(READ_BYTES);
        gone(&self.stream, &mut self.input).await;
    }

    /// Writes all of `bytes`, unless the peer leaves.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Gone> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    async fn writable(&mut self) -> Result<(), Gone> {
        self.compact(READ_BYTES);
        tokio::select! {
            ready = self.stream.writable() => ready.map_err(|_| Gone),
            () = gone(&self.stream, &mut self.input) => Err(Gone),
            () = sleep(WRITE_IDLE_MAX) => Err(Gone),
        }
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        // If this fails, the connection is gone already, and nobody is left to tell.
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

async fn fill(stream: &TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match stream.try_read_buf(input) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
            done => return done,
        }
    }
}

async fn gone(stream: &TcpStream, input: &mut Vec<u8>) {
    loop {
        if input.len() >= AHEAD_BYTES_MAX {
            return std::future::pending().await;
        }
        input.reserve(1);
        if !matches!(fill(stream, input).await, Ok(1..)) {
            return;
        }
    }
}
