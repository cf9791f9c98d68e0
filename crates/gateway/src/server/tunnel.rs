//! A WebSocket between a caller and an upstream, from the 101 on: copied both ways until one side
//! has enough, and ended so that the caller learns why.
//!
//! The caller hears of two things that only Seawall knows: that its upstream broke off (1011), and
//! that Seawall itself is going away (1001). Either is said between two frames or not at all; the
//! connection ends behind it in any case, and without a close frame every client takes that for
//! what it is.
//!
//! Silence has no limit here: a conversation may rest. What has one is a receiver that takes
//! nothing of what waits for it, and a peer that the system itself cannot reach any more.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use seawall::proxy::Tunnel;
use seawall_core::verdict::Fault;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncWrite, AsyncWriteExt, Interest, Ready};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::frames::{self, Code};
use super::lane::{End, Lane};
use super::loud::now;
use crate::observe::Observe;
use crate::observe::upgrades::Ending;

/// A receiver that takes nothing for this long is given up, as a stream's reader would be.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(300);
/// After this much silence the system looks whether the other end still exists, every so often.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));
/// While bytes wait for a receiver, or the gateway drains, this often it is looked what else there is.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A draining conversation that says nothing for this long is between two turns, and ends.
pub(crate) const QUIET: Duration = Duration::from_secs(1);
/// One that is never quiet ends this long before the drain time does, so that its goodbye arrives.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);
/// Last words to a peer must be taken within this: the upstream of a caller who left is closed
/// within 100 ms.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Both sides of a WebSocket.
pub(crate) struct Both {
    caller: TcpStream,
    tunnel: Box<Tunnel>,
    up: Lane,
    down: Lane,
    /// The upstream takes no more: what it still has to say is heard, then it is over.
    is_deaf: bool,
}

/// What the copying comes upon.
enum Found {
    /// The caller's side ended.
    Caller,
    /// The upstream's side ended, with an error or without.
    Upstream(Option<io::Error>),
    /// The stream to the caller stands between two frames, as it was told to.
    Stopped,
    /// Nothing yet.
    Look,
    /// The gateway shuts down.
    Drain,
}

impl Both {
    /// `early` is what the caller said before it had its 101.
    pub(crate) fn new(caller: TcpStream, early: Bytes, tunnel: Box<Tunnel>) -> Both {
        let (after, every) = KEEP_ALIVE;
        tunnel.keep_alive(after, every);
        // Best effort: a socket that refuses the option still works.
        let _ = SockRef::from(&caller).set_tcp_keepalive(&TcpKeepalive::new().with_time(after).with_interval(every));
        Both { caller, tunnel, up: Lane::new(early), down: Lane::new(Bytes::new()), is_deaf: false }
    }

    /// Copies until the end, and ends it: the caller's socket, to be closed, and how it came to that.
    /// Once `shutdown` is true it has `drain` left.
    pub(crate) async fn run(
        mut self,
        observe: &Arc<Observe>,
        id: &str,
        mut shutdown: watch::Receiver<bool>,
        drain: Duration,
    ) -> (TcpStream, Ending) {
        let mut draining: Option<Draining> = None;
        let ending = loop {
            // The copying last: it may use up all that a task is allowed to do in one go.
            let found = tokio::select! {
                biased;
                _ = shutdown.wait_for(|down| *down), if draining.is_none() => Found::Drain,
                () = sleep(LOOK_EVERY), if draining.is_some() || self.is_blocked() => Found::Look,
                found = self.copy() => found,
            };
            match found {
                Found::Drain => draining = Some(Draining::new(drain, self.passed())),
                Found::Caller => break self.caller_left().await,
                Found::Upstream(error) => break self.upstream_ended(error, observe, id).await,
                Found::Stopped => break self.go_away().await,
                Found::Look => {
                    if let Some(draining) = &mut draining
                        && draining.is_due(self.passed())
                    {
                        self.down.stop();
                    }
                    let is_unread = self.is_deaf || self.up.blocked().is_some();
                    if is_unread && self.caller_is_gone().await || is_stalled(&self.down) {
                        break self.caller_left().await;
                    }
                    if is_stalled(&self.up) {
                        let error = io::Error::new(io::ErrorKind::TimedOut, "it took nothing for too long");
                        break self.upstream_ended(Some(error), observe, id).await;
                    }
                }
            }
        };
        tracing::info!(
            target: "seawall::upgrade",
            request = id,
            ending = ending.name(),
            bytes_in = self.down.passed(),
            bytes_out = self.up.passed(),
            "WebSocket ended"
        );
        (self.caller, ending)
    }

    /// Copies both ways until there is something to decide.
    async fn copy(&mut self) -> Found {
        let was_blocked = self.is_blocked();
        let Both { caller, tunnel, up, down, is_deaf } = self;
        std::future::poll_fn(|cx| {
            // The upstream's word first: what it said before it broke off belongs to the caller.
            if let Poll::Ready(end) = down.poll(cx, tunnel, caller) {
                return Poll::Ready(match end {
                    End::Over => Found::Upstream(None),
                    End::Unreadable(error) => Found::Upstream(Some(error)),
                    End::Unwritable => Found::Caller,
                    End::Stopped => Found::Stopped,
                });
            }
            if !*is_deaf && let Poll::Ready(end) = up.poll(cx, caller, tunnel) {
                match end {
                    End::Over | End::Unreadable(_) | End::Stopped => return Poll::Ready(Found::Caller),
                    End::Unwritable => *is_deaf = true,
                }
            }
            // From now on it has to be looked what else there is.
            let is_blocked = *is_deaf || up.blocked().is_some() || down.blocked().is_some();
            if is_blocked && !was_blocked { Poll::Ready(Found::Look) } else { Poll::Pending }
        })
        .await
    }

    fn passed(&self) -> u64 {
        self.up.passed() + self.down.passed()
    }

    /// Whether somebody does not take what waits for him, or is not listened to.
    fn is_blocked(&self) -> bool {
        self.is_deaf || self.up.blocked().is_some() || self.down.blocked().is_some()
    }

    /// Whether the caller has closed or reset its side: told by the system even while bytes of it
    /// lie unread, as they do when the upstream takes nothing.
    async fn caller_is_gone(&self) -> bool {
        let ready = tokio::select! {
            biased;
            ready = self.caller.ready(Interest::READABLE) => ready,
            () = std::future::ready(()) => return false,
        };
        ready.map_or(true, Ready::is_read_closed)
    }

    fn said_goodbye(&self) -> bool {
        self.up.frames().has_closed() || self.down.frames().has_closed()
    }

    /// The caller is gone: so is the upstream's connection, in a moment.
    async fn caller_left(&mut self) -> Ending {
        self.tunnel.passed(self.down.passed());
        // Its last words, a close frame as a rule, may still lie in a buffer of TLS.
        let _ = timeout(LAST_WORDS, self.tunnel.shutdown()).await;
        if self.said_goodbye() {
            self.tunnel.closed();
            return Ending::Closed;
        }
        if is_stalled(&self.down) { Ending::CallerStalled } else { Ending::CallerLeft }
    }

    /// The upstream is gone: as agreed, or not.
    async fn upstream_ended(&mut self, error: Option<io::Error>, observe: &Arc<Observe>, id: &str) -> Ending {
        self.tunnel.passed(self.down.passed());
        if self.said_goodbye() {
            self.tunnel.closed();
            return Ending::Closed;
        }
        let (fault, detail) = match &error {
            None => (Fault::Truncated, "the connection ended without a close frame".to_string()),
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => (Fault::Truncated, error.to_string()),
            Some(error) if error.kind() == io::ErrorKind::TimedOut => (Fault::Stall, error.to_string()),
            Some(error) => (Fault::BodyReset, error.to_string()),
        };
        let record = self.tunnel.broke(fault, detail);
        // Durable before told.
        let late = if observe.settle(&record).await { "" } else { ", not yet on record" };
        if self.down.frames().is_at_boundary() {
            let reason = format!("the upstream broke off (seawall show {id}{late})");
            say(&mut self.caller, &frames::close(Code::InternalError, &reason)).await;
        }
        Ending::UpstreamBroke
    }

    /// Both sides are told that this is the end.
    async fn go_away(&mut self) -> Ending {
        self.tunnel.passed(self.down.passed());
        let reason = "seawall is shutting down";
        if !self.down.frames().has_closed() {
            say(&mut self.caller, &frames::close(Code::GoingAway, reason)).await;
        }
        if self.up.frames().is_at_boundary() && !self.up.frames().has_closed() {
            say(&mut *self.tunnel, &frames::masked_close(Code::GoingAway, reason)).await;
        }
        let _ = timeout(LAST_WORDS, self.tunnel.shutdown()).await;
        self.tunnel.closed();
        Ending::Drained
    }
}

/// Writes last words, if they are taken at once.
async fn say<W: AsyncWrite + Unpin>(to: &mut W, words: &[u8]) {
    let write = async {
        to.write_all(words).await?;
        to.flush().await
    };
    // Who does not take them is told by the end of the connection alone.
    let _ = timeout(LAST_WORDS, write).await;
}

fn is_stalled(lane: &Lane) -> bool {
    lane.blocked().is_some_and(|since| now().saturating_duration_since(since) >= STALL_MAX)
}

/// When a conversation that goes on while everything shuts down is to end.
struct Draining {
    due: Instant,
    passed: u64,
    since: Instant,
}

impl Draining {
    fn new(drain: Duration, passed: u64) -> Draining {
        let since = now();
        Draining { due: since + drain.saturating_sub(GOODBYE).max(drain / 2), passed, since }
    }

    /// Whether its time has come, now that so many bytes have passed in all.
    fn is_due(&mut self, passed: u64) -> bool {
        let now = now();
        if passed != self.passed {
            (self.passed, self.since) = (passed, now);
        }
        now >= self.due || now.saturating_duration_since(self.since) >= QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const STEP: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_quiet_conversation_ends_after_a_second_and_a_lively_one_before_the_drain_time_does() {
        let drain = Duration::from_secs(30);
        let mut quiet = Draining::new(drain, 7);
        advance(QUIET - STEP).await;
        assert!(!quiet.is_due(7));
        advance(STEP).await;
        assert!(quiet.is_due(7));

        let mut lively = Draining::new(drain, 0);
        for second in 1..=55 {
            advance(QUIET / 2).await;
            assert!(!lively.is_due(second), "after {second} half seconds");
        }
        advance(QUIET / 2 - STEP).await;
        assert!(!lively.is_due(56));
        advance(STEP).await;
        assert!(lively.is_due(57), "{GOODBYE:?} before the end");

        // A short drain time is halved, so that there is some before and some after.
        let mut short = Draining::new(QUIET, 0);
        advance(QUIET / 2).await;
        assert!(short.is_due(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_is_given_up_when_it_has_taken_nothing_for_long_enough() {
        let (mut from, mut sender) = tokio::io::duplex(1_024);
        let (mut to, _receiver) = tokio::io::duplex(16);
        sender.write_all(&[0; 100]).await.unwrap();
        let mut lane = Lane::new(Bytes::new());
        let polled = std::future::poll_fn(|cx| Poll::Ready(lane.poll(cx, &mut from, &mut to))).await;
        assert!(polled.is_pending() && lane.passed() == 16);
        advance(STALL_MAX - STEP).await;
        assert!(!is_stalled(&lane));
        advance(STEP).await;
        assert!(is_stalled(&lane));
    }
}
