//! Whether the tool definitions of a request are why it fails.
//!
//! Malformed tools surface as a 400, as a 500 or as a `server_error` inside a stream, and the last two
//! look like the provider's own trouble. What tells them apart is the company they keep: these tools
//! fail every time, in one request after another, while other requests for the same model are answered
//! in between. So failures are counted for each set of tools, and beside them what became of everybody
//! else since the first of them.
//!
//! To blame a caller for an outage is worse than to blame nobody. Nothing is said of tools that were
//! answered within the hour, of a single request, or where others fail too: the run must be so long
//! that it would not come about by chance once in [`CHANCE`] runs, and only failures count between which
//! somebody else was answered, because an outage is one event however many attempts it meets. Where
//! other sets of tools fail as well, it is the provider's handling of tools and nobody's definitions.
//!
//! Everything here happens under the fleet's lock: two look-ups for an attempt with tools, one for any other.

use std::time::Duration;

use super::recent::Recent;
use super::shapes::Form;
use crate::time::Time;
use crate::upstream::UpstreamId;

/// Sets of tools that are known; the one unused for longest is forgotten.
pub const SUSPECTS_MAX: usize = 512;
/// Models of upstreams whose traffic is counted; the one unused for longest is forgotten.
pub const TRAFFIC_MAX: usize = 1_024;
/// No less than this many requests must have failed.
pub const REQUESTS_MIN: u32 = 2;
/// No less than this many attempts of others must have been answered since the first failure.
pub const OTHERS_MIN: u64 = 5;
/// A run is no chance if it comes about by chance less often than once in so many.
pub const CHANCE: u64 = 100_000_000;
/// Tools that were answered this recently are not the reason.
pub const PROVEN_FOR: Duration = Duration::from_secs(3_600);
/// A run without a failure for this long says nothing any more.
pub const EXPIRY: Duration = Duration::from_secs(24 * 3_600);
/// Between two tries of the same tools without streaming, to learn more.
pub const PROBE_EVERY: Duration = Duration::from_secs(600);
/// Between two such tries for one model, whatever the tools are.
pub const PROBE_GAP: Duration = Duration::from_secs(10);
/// More different bodies are not told apart.
pub const BODIES_MAX: usize = 4;

/// Where attempts are alike but for their tools: each operation, and streams and whole answers of it, take
/// different roads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Road {
    /// Where they go.
    pub upstream: UpstreamId,
    /// The model, as numbered by the fleet.
    pub model: u32,
    /// The operation, and whether a stream was asked for there: [`Form::road`].
    pub form: Form,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It was answered.
    Answered,
    /// It failed as requests with malformed tools do: 500, or `server_error` inside a success.
    ServerError,
    /// It failed in another way that is not the caller's.
    Otherwise,
}

/// An attempt: its road, its tools (0 for none), and which request and body it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Where it went.
    pub road: Road,
    /// The mark of its tools: equal for equal ones, 0 for none.
    pub tools: u64,
    /// The number of its request.
    pub request: u64,
    /// The fingerprint of its body.
    pub body: u64,
}

/// Why it is likely the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Attempts with these tools that failed, all of them.
    pub attempts: u32,
    /// Requests that they were made for, at least.
    pub requests: u32,
    /// Different bodies among them; [`BODIES_MAX`] stands for as many or more.
    pub bodies: usize,
    /// Since the first of them.
    pub within: Duration,
    /// Attempts of others on the same road that were answered meanwhile.
    pub others_answered: u64,
    /// Attempts of others on the same road that failed meanwhile.
    pub others_failed: u64,
    /// Whether it is a stream that fails.
    pub stream: bool,
}

/// Every set of tools that is known, and the traffic beside them.
#[derive(Debug, Clone)]
pub struct Suspects {
    sets: Recent<(Road, u64), Set>,
    traffic: Recent<Road, Traffic>,
}

#[derive(Debug, Clone, Default)]
struct Set {
    answered: Option<Time>,
    run: Option<Run>,
    /// Not sent without streaming before this.
    probe_at: Time,
}

/// Failures without a success between them.
#[derive(Debug, Clone)]
struct Run {
    since: Time,
    last: Time,
    attempts: u32,
    requests: u32,
    request: u64,
    bodies: [u64; BODIES_MAX],
    bodies_seen: usize,
    /// Failures that an answer to somebody else lies between.
    apart: u32,
    /// The traffic before the first of them.
    before: Traffic,
    /// Answers to others at the latest of them.
    answered: u64,
}

/// Attempts on one road since it is known.
#[derive(Debug, Clone, Copy, Default)]
struct Traffic {
    answered: u64,
    failed: u64,
    with_tools: Counts,
    probe_at: Time,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    answered: u64,
    failed: u64,
}

impl Default for Suspects {
    fn default() -> Self {
        Suspects::new()
    }
}

impl Suspects {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Suspects {
        Suspects { sets: Recent::new(SUSPECTS_MAX), traffic: Recent::new(TRAFFIC_MAX) }
    }

    /// An attempt came to an end. What is neither an answer nor the far side's failure is not told.
    pub fn came(&mut self, now: Time, tried: Tried, came: Came) {
        let Suspects { sets, traffic } = self;
        let traffic = traffic.get_or_insert_with(tried.road, Traffic::default);
        let before = *traffic;
        let is_answered = came == Came::Answered;
        let has_tools = tried.tools != 0;
        if is_answered {
            traffic.answered += 1;
            traffic.with_tools.answered += u64::from(has_tools);
        } else {
            traffic.failed += 1;
            traffic.with_tools.failed += u64::from(has_tools);
        }
        if !has_tools || came == Came::Otherwise {
            return;
        }
        let set = sets.get_or_insert_with((tried.road, tried.tools), Set::default);
        if is_answered {
            set.answered = Some(now);
            set.run = None;
            return;
        }
        if set.run.as_ref().is_some_and(|run| now.since(run.last) >= EXPIRY) {
            set.run = None;
        }
        set.run.get_or_insert_with(|| Run::new(now, before)).failed(now, tried, before.answered);
    }

    /// Whether it is likely the tools that fail at `tried`, and why.
    #[must_use]
    pub fn likely(&self, now: Time, road: Road, tools: u64) -> Option<Evidence> {
        let set = self.sets.peek(&(road, tools))?;
        let run = set.run.as_ref()?;
        let traffic = self.traffic.peek(&road)?;
        let is_proven = set.answered.is_some_and(|at| now.since(at) < PROVEN_FOR);
        if is_proven || run.requests < REQUESTS_MIN || now.since(run.last) >= EXPIRY {
            return None;
        }
        let own = u64::from(run.attempts);
        // A road that was forgotten meanwhile counts from nothing again.
        let others_answered = traffic.answered.saturating_sub(run.before.answered);
        let others_failed = traffic.failed.saturating_sub(run.before.failed).saturating_sub(own);
        let tools_answered = traffic.with_tools.answered.saturating_sub(run.before.with_tools.answered);
        let tools_failed = traffic.with_tools.failed.saturating_sub(run.before.with_tools.failed).saturating_sub(own);
        if others_answered < OTHERS_MIN || (tools_failed > 0 && tools_failed >= tools_answered) {
            return None;
        }
        // One failure more than there were, and in whole times: both are in favour of chance.
        let odds = (others_answered + others_failed + 2) / (others_failed + 1);
        (odds.saturating_pow(run.apart) >= CHANCE).then_some(Evidence {
            attempts: run.attempts,
            requests: run.requests,
            bodies: run.bodies_seen,
            within: now.since(run.since),
            others_answered,
            others_failed,
            stream: road.form.is_stream(),
        })
    }

    /// Whether these tools may be sent once more, otherwise than they are: true takes the turn.
    pub fn may_probe(&mut self, now: Time, road: Road, tools: u64) -> bool {
        let Suspects { sets, traffic } = self;
        let (Some(set), Some(traffic)) = (sets.get(&(road, tools)), traffic.get(&road)) else { return false };
        let may = now >= set.probe_at && now >= traffic.probe_at;
        if may {
            set.probe_at = now + PROBE_EVERY;
            traffic.probe_at = now + PROBE_GAP;
        }
        may
    }
}

impl Run {
    fn new(now: Time, before: Traffic) -> Run {
        Run {
            since: now,
            last: now,
            attempts: 0,
            requests: 0,
            request: 0,
            bodies: [0; BODIES_MAX],
            bodies_seen: 0,
            apart: 0,
            before,
            answered: before.answered,
        }
    }

    fn failed(&mut self, now: Time, tried: Tried, answered: u64) {
        self.last = now;
        if self.attempts == 0 || answered > self.answered {
            self.apart += 1;
        }
        self.answered = answered;
        self.attempts += 1;
        // Numbers rise: of requests beside each other, one that was counted is not counted again.
        if self.requests == 0 || tried.request > self.request {
            self.requests += 1;
            self.request = tried.request;
        }
        if self.bodies_seen < BODIES_MAX && !self.bodies[..self.bodies_seen].contains(&tried.body) {
            self.bodies[self.bodies_seen] = tried.body;
            self.bodies_seen += 1;
        }
    }
}

#[cfg(test)]
mod tests;
