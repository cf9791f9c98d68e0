//! Who follows one request, attempt by attempt: what a trace is made of.
//!
//! A record is made of what failed. A trace tells of every attempt, of those too that are answered at once, and
//! its identifiers travel with the request. So whoever traces hands a follower in with each call that is to be
//! followed; with none, nothing is gathered. The library knows nothing of what is made of it.

use std::time::Duration;

use http::HeaderMap;
use seawall_core::event;
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::about::{About, Finish};

/// An attempt that begins.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// 1 for the first.
    pub number: u32,
    /// Where it goes.
    pub upstream: UpstreamId,
    /// When, in microseconds since the Unix epoch.
    pub began_unix_micros: i64,
}

/// The beginning of the reply that answers a request.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// Of the attempt: 1 for the first.
    pub number: u32,
    /// As the upstream sent it.
    pub status: u16,
    /// From the attempt's beginning to its first content.
    pub first_content: Duration,
    /// The upstream's own id of the request.
    pub upstream_request_id: Option<&'a str>,
    /// What it says of itself.
    pub about: &'a About,
}

/// Whoever follows one request. It is dropped when nothing more will come of the request, which for a caller
/// that left early is all there is to hear.
///
/// Every method is called on the request's own task and must return at once.
pub trait Follower: Send + Sync + 'static {
    /// An attempt is about to be made with these headers, which may be amended.
    fn sends(&self, sending: Sending, headers: &mut HeaderMap);

    /// An attempt failed, and what comes next is decided.
    fn failed(&self, attempt: &event::Attempt);

    /// An attempt is answered: its content has just begun.
    fn answers(&self, reply: &Reply<'_>);

    /// Why the choices of a stream finished, said at its end.
    fn finished(&self, finishes: &[Finish]);

    /// A stream that broke goes on as this attempt.
    fn resumes(&self, sending: Sending);

    /// The request ended.
    fn ended(&self, ended: &event::Ended);
}
