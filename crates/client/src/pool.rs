//! Kept-alive connections to one upstream.
//!
//! A pool of our own, because of what it must be able to say: whether a failed request had been
//! written at all, and whether its connection had been used before (rulings 3). It keeps the most
//! recently used connections on top, so that surplus ones grow old at the bottom and go.
//!
//! A connection is driven by the runtime that it was made on, and by no other: one that ends takes its connections with
//! it, and on one that nobody drives just now a request would wait for ever. So none is lent to another runtime, and a
//! client can be used on several.
//!
//! Nothing is retried in here: a request is given to one connection, once. Whoever gets it back unsent may ask for
//! another connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use seawall_core::event::{self, Phases};
use seawall_core::verdict::Fault;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, timeout_at};

use crate::body::SendBody;
use crate::connect::{Failed, Meter, Target};

/// A connection that was idle longer than this is not used again: servers and middlemen close
/// theirs after 60 s and more (nginx 75 s, ALB 60 s, Node 5 s is the exception that `stale` is for).
const IDLE_MAX: Duration = Duration::from_secs(50);
/// Idle connections kept for one upstream; more than that are closed when they come back.
const IDLE_CONNECTIONS_MAX: usize = 1_024;
/// A kept connection that is not ready after this is not worth waiting for.
const READY_WITHIN: Duration = Duration::from_millis(100);
/// hyper's read buffer for one connection grows to this at most.
const READ_BUFFER_MAX: usize = 256 * 1024;

/// The connections of one upstream.
pub(crate) struct Pool {
    target: Target,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// One connection, lent to one exchange. Dropped, it is closed; [`Pool::put_back`] keeps it.
pub(crate) struct Connection {
    /// Where requests go in.
    pub(crate) sender: SendRequest<SendBody>,
    /// What has passed over it.
    pub(crate) meter: Arc<Meter>,
    /// Whether it has carried a request before.
    pub(crate) is_reused: bool,
    /// Who drives it.
    runtime: Id,
}

impl Pool {
    pub(crate) fn new(target: Target) -> Pool {
        Pool { target, idle: Mutex::new(Vec::new()) }
    }

    /// A connection that is ready for a request, kept or new: which, and how it was made, is noted in `phases`.
    pub(crate) async fn take(&self, until: Instant, now: Instant, phases: &mut Phases) -> Result<Connection, Failed> {
        let runtime = Handle::current().id();
        while let Some(mut connection) = self.pop(now, runtime) {
            // Ready at once, or closed: the last reply has been read to its end.
            if let Ok(Ok(())) = timeout_at(now + READY_WITHIN, connection.sender.ready()).await {
                phases.connection = Some(event::Connection::Reused);
                return Ok(connection);
            }
        }
        let wire = self.target.connect(until, now, phases).await?;
        let meter = wire.meter();
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BUFFER_MAX)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|e| (Fault::NotSent, e.to_string()))?;
        drive(connection);
        Ok(Connection { sender, meter, is_reused: false, runtime })
    }

    /// Whether these are connections to `host` and `port`.
    #[cfg(feature = "tower")]
    pub(crate) fn is_of(&self, host: &str, port: u16) -> bool {
        self.target.host.eq_ignore_ascii_case(host) && self.target.port == port
    }

    /// Keeps a connection whose reply has been read to its end.
    pub(crate) fn put_back(&self, mut connection: Connection, now: Instant) {
        if connection.sender.is_closed() {
            return;
        }
        connection.is_reused = true;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(Idle { connection, since: now });
        }
    }

    fn pop(&self, now: Instant, runtime: Id) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let old = idle.iter().take_while(|idle| now.saturating_duration_since(idle.since) > IDLE_MAX).count();
        // The oldest are at the bottom; they are closed by being dropped.
        idle.drain(..old);
        // On top as a rule: a program has one runtime.
        while let Some(at) = idle.iter().rposition(|idle| idle.connection.runtime == runtime) {
            let Idle { connection, .. } = idle.remove(at);
            if !connection.sender.is_closed() {
                return Some(connection);
            }
        }
        None
    }
}

/// Runs a connection until its sender and its last reply are gone.
#[expect(clippy::disallowed_methods, reason = "owned by its sender: the task ends when the connection is dropped")]
fn drive(connection: http1::Connection<TokioIo<crate::connect::Wire>, SendBody>) {
    // An error reaches the exchange through its own future; here it has no reader.
    tokio::spawn(async move {
        // One that switches protocols is handed to whoever waits for that, and closed if nobody does.
        let _ = connection.with_upgrades().await;
    });
}
