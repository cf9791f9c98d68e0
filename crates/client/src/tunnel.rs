//! The upstream's side of a WebSocket, from its 101 to the end.
//!
//! Whoever has the caller's side copies bytes between the two, and says how it ended; then the
//! record is complete. There is no second attempt: what has been said on a connection cannot be
//! said again on another. Dropped, it closes the upstream's connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use seawall_core::event::{self, Outcome, Reason};
use seawall_core::plan::fleet::Served;
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Fault;
use seawall_core::verdict::usage::Evidence;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connect::Wire;
use crate::exchange::Seen;
use crate::handshake::Switched;
use crate::live::Begun;
use crate::observer::tell_at_the_end;
use crate::tale::{Broke, Tale};

/// The status under which the request is on record.
const STATUS: u16 = 101;

/// An upstream's connection that has become a WebSocket.
pub struct Tunnel {
    wire: Wire,
    early: Bytes,
    tale: Tale,
    outcome: Outcome,
    begun: Begun,
    seen: Seen,
    headers: HeaderMap,
    client_request_id: Option<String>,
    served: Option<Served>,
    bytes_out: u64,
    is_over: bool,
}

/// A WebSocket at the moment when the caller may be told.
pub(crate) struct Start {
    pub(crate) tale: Tale,
    pub(crate) switched: Switched,
    pub(crate) outcome: Outcome,
    pub(crate) begun: Begun,
    pub(crate) seen: Seen,
    pub(crate) headers: HeaderMap,
    pub(crate) client_request_id: Option<String>,
    /// Where it came from, for the vote against it should it break.
    pub(crate) served: Option<Served>,
}

impl Tunnel {
    pub(crate) fn new(start: Start) -> Tunnel {
        let Start { tale, switched, outcome, begun, seen, headers, client_request_id, served } = start;
        let Switched { wire, early } = switched;
        Tunnel {
            wire,
            early,
            tale,
            outcome,
            begun,
            seen,
            headers,
            client_request_id,
            served,
            bytes_out: 0,
            is_over: false,
        }
    }

    /// Which upstream is at the other end.
    #[must_use]
    pub fn upstream(&self) -> UpstreamId {
        self.begun.upstream
    }

    /// Has the system look whether the other end still exists when nothing has been heard of it for
    /// `after`, and every `every` from then on. Best effort.
    pub fn keep_alive(&self, after: Duration, every: Duration) {
        self.wire.keep_alive(after, every);
    }

    /// So many of the bytes received have gone on to the caller.
    pub fn passed(&mut self, bytes: u64) {
        self.bytes_out += bytes;
    }

    /// It ended as it should.
    pub fn closed(&mut self) {
        self.over(self.outcome, Reason::Answered);
    }

    /// The upstream broke it off: `detail` says how, in the system's words and ours. What was made of
    /// it for the record, which is not written yet.
    pub fn broke(&mut self, fault: Fault, detail: String) -> Arc<event::Request> {
        let broke = Broke {
            begun: self.begun,
            fault,
            detail,
            seen: std::mem::take(&mut self.seen),
            headers: std::mem::take(&mut self.headers),
            client_request_id: self.client_request_id.take(),
            bytes_out: self.bytes_out,
            served: self.served.take(),
        };
        self.tale.broke(broke, Reason::Committed);
        self.is_over = true;
        self.tale.unanswered(Outcome::Interrupted, Reason::Committed, STATUS, None);
        Arc::clone(self.tale.record())
    }

    fn over(&mut self, outcome: Outcome, reason: Reason) {
        if !std::mem::replace(&mut self.is_over, true) {
            // What is said on a WebSocket is not read, so its tokens are not known.
            self.tale.answered(outcome, reason, STATUS, &Evidence::default());
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        tell_at_the_end(|| self.over(self.outcome, Reason::CallerLeft));
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = if self.early.is_empty() {
            Pin::new(&mut self.wire).poll_read(cx, buf)
        } else {
            let count = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early[..count]);
            self.early.advance(count);
            Poll::Ready(Ok(()))
        };
        self.seen.bytes_in += (buf.filled().len() - before) as u64;
        polled
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
