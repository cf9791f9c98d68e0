//! What to do next, for one request.
//!
//! Retry, failover, budget and deadline are one decision over shared facts, made here, and not a
//! stack of wrappers whose order nobody wrote down. Whoever sends asks [`Plan::step`], does what
//! it says, and reports with [`Plan::heard`]; the plan reads no clock and does no I/O, so the
//! gateway, the library and the rehearsal get the same answers.
//!
//! It must never allow an attempt after the deadline, after the first content, or beyond what
//! the budget pays for; and every request that it begins ends in exactly one of
//! [`Step::Relay`], [`Step::Fail`] or [`Plan::left`].

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod fleet;
pub mod hedge;
pub mod policy;
pub mod queue;
pub mod recent;
pub mod route;
pub mod shapes;

use std::time::Duration;

use crate::dice::Dice;
use crate::event::{Outcome, Reason};
use crate::request::{Patience, Repeatable, Request};
use crate::time::Time;
use crate::upstream::UpstreamId;
use crate::verdict::{Again, Class, Verdict};

use budget::{COST, COST_AMBIGUOUS};
use fleet::Fleet;
use policy::Policy;
use route::Candidates;

/// Attempts at a request that is itself a client's retry: two layers of retries would multiply.
const ATTEMPTS_OF_A_CLIENT_RETRY: u32 = 2;

/// Answers to the caller are due this much before its own patience ends: 2 %, at least 250 ms.
const MARGIN_MIN: Duration = Duration::from_millis(250);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin attempt `attempt` (1 for the first) at `upstream`.
    Send {
        /// The number of the attempt.
        attempt: u32,
        /// Where to.
        upstream: UpstreamId,
        /// The moment by which it must have brought its first content (a stream) or its end.
        until: Time,
        /// Whether `until` is the request's deadline, and not a limit of this attempt alone.
        is_last_moment: bool,
    },
    /// Ask again at `until`; the next attempt will be at `upstream`.
    Wait {
        /// The moment.
        until: Time,
        /// Where the next attempt will go.
        upstream: UpstreamId,
    },
    /// Give the caller what attempt `attempt` brought.
    Relay {
        /// The number of the attempt.
        attempt: u32,
    },
    /// No attempt will answer. If one of them brought a reply worth giving, it is `informative`.
    Fail {
        /// Why no further attempt is made.
        reason: Reason,
        /// The last attempt whose reply tells the caller something.
        informative: Option<u32>,
    },
}

/// What the plan must know of a request.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// The upstreams that may serve it.
    pub candidates: Candidates,
    /// What may be sent twice.
    pub repeatable: Repeatable,
    /// Whether the body can be sent again, and if not, why.
    pub replay: Result<(), Reason>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// How long the caller waits, as it says.
    pub patience: Patience,
    /// `x-stainless-retry-count`.
    pub client_retries: u32,
    /// `x-seawall-max-retries`: may only lower the policy's attempts.
    pub max_retries: Option<u32>,
}

impl Ask {
    /// What the plan must know of `request`, whose body can be sent again if `replay` says so.
    #[must_use]
    pub fn of(request: &Request, candidates: Candidates, replay: Result<(), Reason>, max_retries: Option<u32>) -> Ask {
        Ask {
            candidates,
            repeatable: request.repeatable(),
            replay,
            stream: request.stream,
            patience: request.patience,
            client_retries: request.client_retries,
            max_retries,
        }
    }
}

/// The course of one request.
#[derive(Debug, Clone)]
pub struct Plan {
    ask: Ask,
    deadline: Time,
    state: State,
    attempts: u32,
    ambiguous: u32,
    /// A bit for each candidate that was asked, in the order of `ask.candidates`.
    tried: u32,
    informative: Option<u32>,
    /// What was withdrawn for the attempt under way.
    paid: u64,
    /// Whether the caller should come back by itself (rulings 6).
    invites: bool,
    /// Whether the request counts as a client's own retry.
    is_client_retry: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Fresh,
    /// Under way, at the candidate of this index.
    Live {
        at: usize,
    },
    /// It ended, and the next step has not been decided.
    Failed {
        at: usize,
        class: Class,
        again: Again,
        wait: Option<Duration>,
    },
    /// The candidate of this index will be asked at `until`.
    Waiting {
        at: usize,
        until: Time,
    },
    Answered,
    Over(Reason),
}

impl Plan {
    /// The course of a request that arrived at `now`.
    #[must_use]
    pub fn new(now: Time, policy: &Policy, ask: Ask, fleet: &mut Fleet) -> Plan {
        Plan {
            deadline: now + patience(&ask, policy),
            state: State::Fresh,
            attempts: 0,
            ambiguous: 0,
            tried: 0,
            informative: None,
            paid: 0,
            invites: false,
            is_client_retry: ask.client_retries > 0 && !fleet.welcome_back(),
            ask,
        }
    }

    // What is known.

    /// The moment after which no attempt is begun and none goes on without content.
    #[must_use]
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// Attempts begun.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the caller is retrying by itself, unasked.
    #[must_use]
    pub fn is_client_retry(&self) -> bool {
        self.is_client_retry
    }

    /// Whether the answer should ask the caller to come back by itself.
    #[must_use]
    pub fn invites(&self) -> bool {
        self.invites
    }

    /// How an answered request ended.
    #[must_use]
    pub fn success(&self) -> Outcome {
        match (self.attempts, self.tried.count_ones()) {
            (..=1, _) => Outcome::Passed,
            (_, 1) => Outcome::Retried,
            _ => Outcome::FailedOver,
        }
    }

    // What happens.

    /// What to do now.
    pub fn step(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice) -> Step {
        if let State::Fresh = self.state {
            if self.ask.candidates.as_slice().is_empty() {
                self.state = State::Over(Reason::NoUpstream);
            } else if now >= self.deadline {
                self.state = State::Over(Reason::Deadline);
            } else {
                fleet.budget.begin(now);
                return self.send(now, policy, 0);
            }
        }
        if let State::Failed { at, class, again, wait } = self.state {
            self.state = match self.next(now, policy, fleet, dice, Failure { at, class, again, wait }) {
                Ok((at, delay)) => State::Waiting { at, until: now + delay },
                Err(reason) => State::Over(reason),
            };
            if let State::Over(Reason::Deadline) = self.state {
                self.invite(now, fleet);
            }
        }
        match self.state {
            State::Waiting { .. } if now >= self.deadline => {
                // Woken too late: what was paid for this attempt comes back.
                fleet.budget.refund(now, std::mem::take(&mut self.paid));
                self.state = State::Over(Reason::Deadline);
                Step::Fail { reason: Reason::Deadline, informative: self.informative }
            }
            State::Waiting { at, until } if now >= until => self.send(now, policy, at),
            State::Waiting { at, until } => Step::Wait { until, upstream: self.ask.candidates.as_slice()[at] },
            State::Answered => Step::Relay { attempt: self.attempts },
            State::Over(reason) => Step::Fail { reason, informative: self.informative },
            State::Live { .. } | State::Fresh | State::Failed { .. } => {
                Step::Fail { reason: Reason::CallerLeft, informative: None }
            }
        }
    }

    /// What became of attempt `attempt`. With [`Class::Ok`] this is said at the first content of
    /// a stream, and at the end of any other answer. `is_informative` says that there is a reply
    /// which could be given to the caller.
    pub fn heard(&mut self, now: Time, fleet: &mut Fleet, attempt: u32, verdict: &Verdict, is_informative: bool) {
        let State::Live { at } = self.state else { return };
        if attempt != self.attempts {
            return;
        }
        let is_ok = verdict.class == Class::Ok;
        if attempt == 1 {
            fleet.budget.first_ended(now, is_ok);
        } else if is_ok {
            fleet.budget.refund(now, self.paid);
        }
        self.paid = 0;
        if is_informative {
            self.informative = Some(attempt);
        }
        self.state = if is_ok {
            State::Answered
        } else {
            State::Failed { at, class: verdict.class, again: verdict.again, wait: verdict.wait }
        };
    }

    /// The caller went away. Harmless when the request has already ended.
    pub fn left(&mut self, now: Time, fleet: &mut Fleet) {
        match self.state {
            State::Live { .. } if self.attempts == 1 => fleet.budget.first_ended(now, false),
            // A wait that was paid for and never led to an attempt costs nothing.
            State::Waiting { .. } => fleet.budget.refund(now, self.paid),
            _ => {}
        }
        if !matches!(self.state, State::Answered | State::Over(_)) {
            self.state = State::Over(Reason::CallerLeft);
        }
        self.paid = 0;
    }

    // How it is decided.

    fn send(&mut self, now: Time, policy: &Policy, at: usize) -> Step {
        self.state = State::Live { at };
        self.attempts += 1;
        self.tried |= 1 << at;
        let first_content = now + policy.timeout.first_content.most();
        let until = if self.ask.stream { first_content.min(self.deadline) } else { self.deadline };
        Step::Send {
            attempt: self.attempts,
            upstream: self.ask.candidates.as_slice()[at],
            until,
            is_last_moment: until == self.deadline,
        }
    }

    /// The next candidate and the wait before it, or why there is none. The order of the checks
    /// is that of `resilience` 13.1: what never helps first, what costs last.
    fn next(
        &mut self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        dice: &mut Dice,
        failure: Failure,
    ) -> Result<(usize, Duration), Reason> {
        let retry = &policy.retry;
        if failure.again == Again::No {
            return Err(Reason::Class);
        }
        self.may_repeat(failure.class)?;
        self.has_attempts(policy, failure.class)?;
        if failure.class == Class::Ambiguous {
            self.ambiguous += 1;
            if self.ambiguous > retry.ambiguous_max {
                return Err(Reason::AmbiguousMax);
            }
        }
        let (at, delay) = self.candidate(policy, dice, failure)?;
        if now + delay + retry.min_useful > self.deadline {
            return Err(Reason::Deadline);
        }
        let cost = if failure.class == Class::Ambiguous { COST_AMBIGUOUS } else { COST };
        if !fleet.budget.withdraw(now, cost) {
            return Err(Reason::Budget);
        }
        self.paid = cost;
        Ok((at, delay))
    }

    fn may_repeat(&self, class: Class) -> Result<(), Reason> {
        let allowed = match self.ask.repeatable {
            Repeatable::Yes => true,
            Repeatable::Answered => !matches!(class, Class::Ambiguous | Class::StaleConnection),
            Repeatable::NotSent => class == Class::NotSent,
        };
        if !allowed {
            return Err(Reason::NotRepeatable);
        }
        self.ask.replay
    }

    fn has_attempts(&self, policy: &Policy, class: Class) -> Result<(), Reason> {
        let policy_max = match policy.retry.class(class) {
            Some(class) => class.max_attempts.min(policy.retry.max_attempts),
            // Quota and auth: another upstream may be asked, within the general limit.
            None => policy.retry.max_attempts,
        };
        let caller_max = self.ask.max_retries.map_or(u32::MAX, |n| n.saturating_add(1));
        let stacked_max = if self.is_client_retry { ATTEMPTS_OF_A_CLIENT_RETRY } else { u32::MAX };
        if self.attempts < policy_max.min(caller_max).min(stacked_max) {
            Ok(())
        } else if self.attempts >= policy_max {
            Err(Reason::Attempts)
        } else if self.attempts >= caller_max {
            Err(Reason::CallerLimit)
        } else {
            Err(Reason::ClientRetry)
        }
    }

    /// An upstream that was not asked yet, at once; else the same one, after its wait.
    fn candidate(&self, policy: &Policy, dice: &mut Dice, failure: Failure) -> Result<(usize, Duration), Reason> {
        let retry = &policy.retry;
        let untried = (0..self.ask.candidates.as_slice().len()).find(|at| self.tried & (1 << at) == 0);
        if let Some(at) = untried {
            return Ok((at, dice.duration(Duration::ZERO, retry.failover_jitter)));
        }
        let own = retry.class(failure.class);
        if failure.again == Again::Elsewhere {
            return Err(if own.is_some() { Reason::UpstreamSaysNo } else { Reason::Class });
        }
        // What is not retried by itself, and is at the upstream's wish, waits like a server error.
        let Some(class) = own.or(retry.class(Class::ServerError)) else { return Err(Reason::Class) };
        let backoff = class.backoff.wait(self.attempts, retry.jitter, dice);
        match failure.wait {
            Some(asked) if asked > class.retry_after_max => Err(Reason::RetryAfter),
            Some(asked) => {
                // Never earlier than asked; a little later, so that callers do not return together.
                let spread = (asked / 10).min(Duration::from_secs(1));
                Ok((failure.at, backoff.max(asked + dice.duration(Duration::ZERO, spread))))
            }
            None => Ok((failure.at, backoff)),
        }
    }

    /// The caller's own SDK would have tried a second time: where the budget can pay for that, it
    /// is asked to, since a deadline of its own making ended the only attempt.
    fn invite(&mut self, now: Time, fleet: &mut Fleet) {
        // A reply that came, however broken, is the upstream's own word, and no 504 of ours.
        let is_cut_off = now >= self.deadline && self.ask.patience.from_sdk && self.informative.is_none();
        let would_have = is_cut_off && self.attempts == 1 && self.ask.client_retries == 0;
        if would_have && self.ask.repeatable == Repeatable::Yes && fleet.budget.withdraw(now, COST_AMBIGUOUS) {
            fleet.invite();
            self.invites = true;
        }
    }
}

#[derive(Clone, Copy)]
struct Failure {
    at: usize,
    class: Class,
    again: Again,
    wait: Option<Duration>,
}

/// How long the request may take to its first content or its end: what the caller says, less a
/// margin for the answer's way back, else what the policy says.
fn patience(ask: &Ask, policy: &Policy) -> Duration {
    let timeout = &policy.timeout;
    let announced = match ask.patience.total {
        Some(total) => Some(total),
        // A read timeout runs from byte to byte: before the first one, it is the patience for it.
        None => ask.patience.read,
    };
    match announced {
        Some(announced) => {
            let margin = (announced / 50).max(MARGIN_MIN);
            announced.saturating_sub(margin).max(announced / 2).min(timeout.total_max)
        }
        None => timeout.total,
    }
}
