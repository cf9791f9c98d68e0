//! Who is told what happens: the one way out of the library for facts about requests.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::event;
use seawall_core::request::Request;
use seawall_core::upstream::UpstreamId;

/// Whoever wants to know what happens: metrics, a log, a journal.
///
/// Every method is called on the request's own task and must return at once.
pub trait Observer: Send + Sync + 'static {
    /// An attempt failed, and what comes next is decided.
    fn failed(&self, request: &Arc<event::Request>, attempt: event::Attempt);

    /// An attempt at `upstream` was answered; its first content came after `first_content`.
    fn answered(&self, facts: &Request, upstream: UpstreamId, first_content: Duration);

    /// A request ended. `record` is there if an attempt failed, or if [`Observer::samples`] said so.
    fn ended(&self, facts: &Request, record: Option<&Arc<event::Request>>, ended: event::Ended);

    /// The caller left before the answer: `attempts` had been begun, the last of which may have been
    /// broken off with it; 0 if there were none, or what was begun goes on.
    fn left(&self, facts: &Request, attempts: u32);

    /// The caller retries by itself, and was not asked to: two layers of retries multiply.
    fn stacked(&self, _facts: &Request) {}

    /// The caller's retry gets the answer that is still being generated for its first try.
    fn adopted(&self, _facts: &Request) {}

    /// Whether this success should be recorded too.
    fn samples(&self) -> bool {
        false
    }
}

/// An observer that does not care.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn failed(&self, _: &Arc<event::Request>, _: event::Attempt) {}
    fn answered(&self, _: &Request, _: UpstreamId, _: Duration) {}
    fn ended(&self, _: &Request, _: Option<&Arc<event::Request>>, _: event::Ended) {}
    fn left(&self, _: &Request, _: u32) {}
}
