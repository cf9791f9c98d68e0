//! Who decides: what the world asks of Seawall's plan, and of the habits it is compared with.
//!
//! The world knows upstreams and callers; whether to try again is somebody else's decision. There
//! are two who make it: [`crate::gateway`], the real plan, and [`crate::habit`], the loops that
//! people write without it.

use seawall_core::event::{Outcome, Reason};
pub use seawall_core::plan::breaker::State;
use seawall_core::time::Time;
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Verdict;

use crate::script::Caller;

/// A request, as it arrives at whoever decides.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The fingerprint of its body.
    pub body: u64,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Begin an attempt. Ask again when it has ended.
    Send {
        /// Its number, 1 for the first.
        attempt: u32,
        /// Where to.
        upstream: UpstreamId,
        /// Its limit: to the first content of a stream, to the end of anything else.
        until: Time,
        /// When to ask again though it has not ended: another may be begun beside it.
        look: Option<Time>,
    },
    /// Nothing: hear first what becomes of those that are under way.
    Listen,
    /// Ask again at `until`, or when an attempt ended.
    Wait {
        /// The moment.
        until: Time,
        /// Where the next attempt will go, if that is known.
        upstream: Option<UpstreamId>,
    },
    /// Give the caller what this attempt brings.
    Relay {
        /// Its number.
        attempt: u32,
    },
    /// Tell the caller that there is no answer.
    Fail {
        /// Why.
        reason: Reason,
        /// Whether it is asked to come back by itself.
        invites: bool,
    },
}

/// Decides for every request of a world.
pub trait Decide {
    /// What it keeps of one request.
    type Course;

    /// A request arrived.
    fn arrived(&mut self, now: Time, asked: Asked<'_>) -> Self::Course;

    /// The moment after which no attempt of it may begin.
    fn deadline(&self, course: &Self::Course) -> Time;

    /// What to do now.
    fn step(&mut self, now: Time, course: &mut Self::Course) -> Said;

    /// An attempt ended; of a stream that is well, it brought its first content.
    fn heard(&mut self, now: Time, course: &mut Self::Course, attempt: u32, verdict: &Verdict, is_informative: bool);

    /// Nothing more will be asked of this request: it was answered, it failed, its caller went away.
    fn left(&mut self, now: Time, course: &mut Self::Course);

    /// The stream that was given to the caller broke.
    fn broke(&mut self, now: Time, course: &mut Self::Course);

    /// How an answered request was answered.
    fn outcome(&self, course: &Self::Course) -> Outcome;

    /// How far the breaker of an upstream has gone, where there is one.
    fn breaker(&self, upstream: UpstreamId) -> Option<State>;

    /// Attempts that a breaker still waits to hear of; zero when every request has ended.
    fn held(&self) -> u32;
}
