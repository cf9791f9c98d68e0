//! Who is told what happens: the one way out of the library for facts about requests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use seawall_core::event;
use seawall_core::request::Request;
use seawall_core::upstream::UpstreamId;

/// An attempt that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// Seawall's id of the request.
    pub request: &'a str,
    /// 1 for the first.
    pub number: u32,
    /// Where it went: its place in [`Client::upstream_names`](crate::Client::upstream_names).
    pub upstream: UpstreamId,
    /// The place of the key among the upstream's own; 0 where it has one, or passes the caller's on.
    pub key: u16,
    /// The region that the reply's headers name.
    pub region: Option<&'a str>,
    /// From its beginning to its first content.
    pub first_content: Duration,
    /// From the request's arrival to this content, failed attempts and waits included.
    pub waited: Duration,
    /// The place of the request's route in the configuration, if it has one.
    pub route: Option<u16>,
}

/// Whoever wants to know what happens: metrics, a log, a journal.
///
/// Every method is called on the request's own task and must return at once: what takes time belongs behind a bounded
/// queue. What an observer is told holds no prompt, no reply and no key.
///
/// ```
/// use std::sync::Arc;
/// use seawall::event::{Attempt, Request};
/// use seawall::{Client, Observer, Upstream};
///
/// struct Log;
///
/// impl Observer for Log {
///     fn failed(&self, request: &Arc<Request>, attempt: Attempt) {
///         let id = attempt.upstream_request_id.as_deref().unwrap_or("-");
///         eprintln!("{} attempt {}: {} at {}, {id}; {}", request.id, attempt.number, attempt.class, attempt.upstream, attempt.reason);
///     }
/// }
///
/// # fn main() -> Result<(), seawall::BuildError> {
/// let client = Client::builder().upstream(Upstream::openai()).observer(Arc::new(Log)).build()?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// An attempt failed, and what comes next is decided.
    fn failed(&self, _request: &Arc<event::Request>, _attempt: event::Attempt) {}

    /// An attempt was answered.
    fn answered(&self, _facts: &Request, _answered: &Answered<'_>) {}

    /// A request ended. `record` is there if an attempt failed, or if [`Observer::samples`] said so.
    fn ended(&self, _facts: &Request, _record: Option<&Arc<event::Request>>, _ended: event::Ended) {}

    /// The caller left before the answer: `attempts` had been begun, the last of which may have been
    /// broken off with it; 0 if there were none, or what was begun goes on.
    fn left(&self, _facts: &Request, _attempts: u32) {}

    /// The caller retries by itself, and was not asked to: two layers of retries multiply.
    fn stacked(&self, _facts: &Request) {}

    /// The caller's retry gets the answer that is still being generated for its first try.
    fn adopted(&self, _facts: &Request) {}

    /// Whether this success should be recorded too.
    fn samples(&self) -> bool {
        false
    }
}

/// Tells of a request that is being dropped. A panic of an observer ends here: it may be dropped because of another
/// panic, and two at once would end the whole program. What panics has said so by itself.
pub(crate) fn tell_at_the_end(tell: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(tell));
}

/// An observer that does not care.
pub(crate) struct Nobody;

impl Observer for Nobody {}
