//! The attempts under way of one request, where there may be two: a hedged one, and its hedge.
//!
//! An attempt that nothing can be begun beside is waited for where it stands, and never gets here.

use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::Poll;

use seawall_core::event::Phases;
use seawall_core::upstream::UpstreamId;
use tokio::time::Instant;

use crate::exchange::{Exchange, Progress};

/// Which attempt it is, where it went, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) number: u32,
    pub(crate) upstream: UpstreamId,
    /// The place of the key that it was signed with.
    pub(crate) key: usize,
    pub(crate) at: Instant,
    /// The same by the wall clock, in microseconds since the Unix epoch.
    pub(crate) unix_micros: i64,
}

type Attempt<'a> = (Begun, Progress, Pin<Box<dyn Future<Output = Exchange> + Send + 'a>>);

/// What is under way. Dropped with it, each attempt closes its connection.
#[derive(Default)]
pub(crate) struct Live<'a> {
    attempts: Vec<Attempt<'a>>,
}

impl<'a> Live<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Begins one that says in `progress` how far it came when it is broken off.
    pub(crate) fn begin(
        &mut self,
        begun: Begun,
        progress: Option<Progress>,
        exchange: impl Future<Output = Exchange> + Send + 'a,
    ) {
        self.attempts.push((begun, progress.unwrap_or_default(), Box::pin(exchange)));
    }

    /// Waits for one of them to end; the elder first where both have. Nothing is lost if the wait is
    /// given up. It waits for ever if nothing is under way.
    pub(crate) fn next(&mut self) -> impl Future<Output = (Begun, Exchange)> + Send {
        std::future::poll_fn(|cx| {
            for (at, (begun, _, exchange)) in self.attempts.iter_mut().enumerate() {
                if let Poll::Ready(exchange) = exchange.as_mut().poll(cx) {
                    let begun = *begun;
                    drop(self.attempts.remove(at));
                    return Poll::Ready((begun, exchange));
                }
            }
            Poll::Pending
        })
    }

    /// Breaks all of them off, and says which they were, and how far they had come.
    pub(crate) fn drop_all(&mut self) -> impl Iterator<Item = (Begun, Phases)> {
        std::mem::take(&mut self.attempts).into_iter().map(|(begun, progress, exchange)| {
            drop(exchange);
            (begun, *progress.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}
