//! The clocks of a stream that flows: since the last byte, since the last event with content, and since
//! the caller last heard anything.
//!
//! The first two end it; the third is answered by a comment. Pings keep the first one going and not the
//! second: a server that only says that it is alive has stopped working.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use seawall_core::plan::policy::Policy;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::shared::instant;

/// Which of a stream's clocks has run out.
pub(crate) enum RunOut {
    Byte(Duration),
    Content(Duration),
    Caller,
}

/// The clocks of a stream that flows. The timer is moved only when it fires, so that a piece costs none.
pub(crate) struct Clocks {
    byte_idle: Duration,
    content_idle: Option<Duration>,
    comment_after: Option<Duration>,
    byte: Instant,
    content: Instant,
    /// When the caller last heard anything.
    told: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Clocks {
    pub(crate) fn new(policy: &Policy, since: Instant) -> Clocks {
        let (timeout, comment_after) = (&policy.timeout, policy.streams.comment_after);
        let mut clocks = Clocks {
            byte_idle: timeout.byte_idle,
            content_idle: timeout.content_idle,
            comment_after,
            byte: since,
            content: since,
            told: since,
            timer: Box::pin(sleep_until(since)),
        };
        let due = clocks.due();
        clocks.timer.as_mut().reset(due);
        clocks
    }

    /// Bytes came, and went to the caller.
    pub(crate) fn byte_came(&mut self, now: Instant) {
        (self.byte, self.told) = (now, now);
    }

    /// Content came, in bytes of whatever kind.
    pub(crate) fn content_came(&mut self, now: Instant) {
        (self.byte, self.content) = (now, now);
    }

    fn due(&self) -> Instant {
        let others =
            [self.content_idle.map(|idle| self.content + idle), self.comment_after.map(|after| self.told + after)];
        others.into_iter().flatten().fold(self.byte + self.byte_idle, Instant::min)
    }

    /// Ready when one of them has run out.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RunOut> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let (now, due) = (instant(), self.due());
            if due > now {
                self.timer.as_mut().reset(due);
                continue;
            }
            if self.byte + self.byte_idle <= now {
                return Poll::Ready(RunOut::Byte(self.byte_idle));
            }
            match self.content_idle {
                Some(idle) if self.content + idle <= now => return Poll::Ready(RunOut::Content(idle)),
                _ => {
                    self.told = now;
                    return Poll::Ready(RunOut::Caller);
                }
            }
        }
    }
}
