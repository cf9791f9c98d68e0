//! What to do next, for one request.
//!
//! Retry, failover, hedge, breaker, budget and deadline are one decision over shared facts, made here, and not a
//! stack of wrappers whose order nobody wrote down. Whoever sends asks [`Plan::step`], does what
//! it says, and reports with [`Plan::heard`]; the plan reads no clock and does no I/O, so the
//! gateway, the library and the rehearsal get the same answers.
//!
//! It must never allow an attempt after the deadline, after the first content, or beyond what
//! the budget pays for; and every request that it begins ends in exactly one of
//! [`Step::Relay`], [`Step::Fail`] or [`Plan::left`].

mod again;
mod ask;
pub mod backoff;
mod beside;
pub mod breaker;
pub mod budget;
mod choice;
pub mod credentials;
pub mod diagnosis;
pub mod fleet;
pub mod hedge;
mod lesson;
pub mod policy;
pub mod queue;
pub mod recent;
pub mod route;
pub mod shapes;
pub mod suspects;
pub mod upgrade;
mod waiting;

use std::time::Duration;

use crate::dice::Dice;
use crate::event::{Outcome, Reason};
use crate::time::Time;
use crate::upstream::UpstreamId;
use crate::verdict::{Again, Class, Verdict};

pub use ask::{Ask, announced};

use again::Next;
use breaker::{Permit, State as BreakerState, Vote};
use choice::{Choice, Failure, Nobody, Visits};
use diagnosis::Diagnosis;
use fleet::{Fleet, NO_MODEL, Report, Served};
use policy::{FirstContent, Policy};
use queue::Ticket;
use route::{Alias, Candidate};
use shapes::Form;
use upgrade::Upgrade;

/// A second look at a guarded breaker is not before this.
const LOOK_MIN: Duration = Duration::from_millis(50);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin an attempt.
    Send(Launch),
    /// Nothing is to be begun: hear first what becomes of the attempts under way.
    Listen,
    /// Ask again at `until`; the next attempt will be at `upstream`.
    Wait {
        /// The moment.
        until: Time,
        /// Where the next attempt will go; `None` while it waits for any upstream to come back.
        upstream: Option<UpstreamId>,
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
        /// When an upstream that is not asked now will be asked again, if that is the reason.
        retry_at: Option<Time>,
    },
}

/// An attempt to be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// The number of the attempt, 1 for the first.
    pub attempt: u32,
    /// Where to.
    pub upstream: UpstreamId,
    /// Under which name of the model, if not the one that was asked for.
    pub model: Option<Alias>,
    /// With which of the upstream's own credentials, where it has some.
    pub key: usize,
    /// The moment by which it must have brought its first content (a stream) or its end.
    pub until: Time,
    /// Whether `until` is the request's deadline, and not a limit of this attempt alone.
    pub is_last_moment: bool,
    /// When to ask for the next step if nothing has been heard of it: a second attempt may be begun
    /// beside it then. `None`: only when it has ended.
    pub look: Option<Time>,
    /// If a stream is to be asked for although the caller wants a whole answer: the moment by which it
    /// must have ended. `until` is for its first content then.
    pub upgraded: Option<Time>,
    /// Whether it is to be sent without streaming although the caller wants a stream: to learn what is
    /// wrong with its tools. Where it is answered, the caller gets its stream all the same.
    pub is_probe: bool,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// What it means.
    pub verdict: &'a Verdict,
    /// The status of the reply, if a head came.
    pub status: Option<u16>,
    /// Whether there is a reply which could be given to the caller.
    pub is_informative: bool,
    /// A fingerprint of the request's body, as far as it is known: matters after failures only.
    pub body: u64,
    /// How long its first content took, where that was not now: of a stream that was held to its end.
    pub first_content: Option<Duration>,
}

/// The course of one request.
#[derive(Debug, Clone)]
pub struct Plan {
    ask: Ask,
    visits: Visits,
    arrived: Time,
    deadline: Time,
    state: State,
    /// Unlike that of every other request.
    number: u64,
    attempts: u32,
    ambiguous: u32,
    informative: Option<u32>,
    /// What was withdrawn for the attempt under way.
    paid: u64,
    /// When to look whether a second attempt should be begun beside the first.
    hedge_at: Option<Time>,
    /// The attempt that was begun beside the first.
    hedge: Option<u32>,
    /// Whether the moment of a retry came once while its breaker was guarded.
    has_looked: bool,
    /// Why requests like this one fail every time, if that was found.
    diagnosis: Option<Diagnosis>,
    /// Whether it was sent once without streaming, to learn what is wrong with its tools.
    has_probed: bool,
    /// Whether an upstream wanted to hear nothing of a stream, or one could not be put together.
    is_upgrade_refused: bool,
    /// Whether the caller should come back by itself (rulings 6).
    invites: bool,
    /// Whether the request counts as a client's own retry.
    is_client_retry: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Fresh,
    /// Under way; and another beside it, where one is hedged.
    Live(Live, Option<Live>),
    /// It ended, and the next step has not been decided.
    Failed(Failure),
    /// The candidate of this index will be asked at `until`.
    Waiting {
        at: usize,
        until: Time,
        is_probe: bool,
    },
    /// In the queue of its group; it looks again at `look`.
    Queued {
        ticket: Ticket,
        look: Time,
    },
    Answered(Answered),
    Over(Nobody),
}

/// An attempt under way.
#[derive(Debug, Clone, Copy)]
struct Live {
    attempt: u32,
    /// The index of its candidate.
    at: usize,
    key: usize,
    permit: Permit,
    began: Time,
    /// The form in which it was sent.
    form: Form,
    is_probe: bool,
}

/// The attempt that brought the answer, from the candidate of index `at`.
#[derive(Debug, Clone, Copy)]
struct Answered {
    attempt: u32,
    at: usize,
    body: u64,
    /// Whether another upstream was well.
    alt: bool,
}

impl Plan {
    /// The course of a request for `model` that arrived at `now`.
    #[must_use]
    pub fn new(now: Time, policy: &Policy, model: Option<&str>, ask: Ask, fleet: &mut Fleet) -> Plan {
        Plan {
            visits: Visits::new(model.unwrap_or(NO_MODEL)),
            arrived: now,
            deadline: now + ask.patience(policy),
            state: State::Fresh,
            number: fleet.number(),
            attempts: 0,
            ambiguous: 0,
            informative: None,
            paid: 0,
            hedge_at: None,
            hedge: None,
            has_looked: false,
            diagnosis: None,
            has_probed: false,
            is_upgrade_refused: false,
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
        let answered = if let State::Answered(answered) = self.state { answered.attempt } else { self.attempts };
        match (answered, self.visits.places()) {
            (..=1, _) => Outcome::Passed,
            _ if self.hedge == Some(answered) => Outcome::Hedged,
            (_, 1) => Outcome::Retried,
            _ => Outcome::FailedOver,
        }
    }

    /// Why requests like this one fail every time, if that is why nothing more was tried.
    #[must_use]
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        let State::Over(Nobody { reason, .. }) = self.state else { return None };
        self.diagnosis.filter(|diagnosis| diagnosis.reason() == reason)
    }

    /// Whether an attempt was made without streaming, to learn what is wrong with its tools.
    #[must_use]
    pub fn has_probed(&self) -> bool {
        self.has_probed
    }

    /// Where the answer came from, for the vote that it may still have to cast; `None` before there
    /// is one.
    #[must_use]
    pub fn served(&self, fleet: &Fleet) -> Option<Served> {
        let State::Answered(Answered { at, body, alt, .. }) = self.state else { return None };
        let candidate = self.candidate(at);
        let model = fleet.sent_model(candidate, &self.visits.model).into();
        Some(Served { upstream: candidate.upstream, model, request: self.number, body, alt })
    }

    // What happens.

    /// What to do now.
    pub fn step(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice) -> Step {
        if let State::Fresh = self.state {
            return self.begin(now, policy, fleet, dice);
        }
        if let State::Failed(failure) = self.state {
            self.state = match self.next(now, policy, fleet, dice, failure) {
                Ok(Next { at, delay, is_probe }) => State::Waiting { at, until: now + delay, is_probe },
                Err(nobody) => self.queue_instead(now, policy, fleet, nobody),
            };
            if let State::Over(Nobody { reason: Reason::Deadline, .. }) = self.state {
                self.invite(now, fleet);
            }
        }
        match self.state {
            State::Waiting { .. } if now >= self.deadline => {
                // Woken too late: what was paid for this attempt comes back.
                self.give_back(now, fleet);
                self.fail(Reason::Deadline.into())
            }
            State::Queued { ticket, look } if now >= look => self.look(now, policy, fleet, dice, ticket),
            State::Queued { look, .. } => Step::Wait { until: look, upstream: None },
            State::Waiting { at, until, is_probe: true } if now >= until => self.send(now, policy, fleet, at, true),
            State::Waiting { at, until, .. } if now >= until => self.launch(now, policy, fleet, dice, at),
            State::Waiting { at, until, .. } => Step::Wait { until, upstream: Some(self.candidate(at).upstream) },
            State::Answered(Answered { attempt, .. }) => Step::Relay { attempt },
            State::Over(nobody) => self.fail(nobody),
            State::Live(first, None) => self.begin_beside(now, policy, fleet, dice, first),
            State::Live(..) | State::Fresh | State::Failed(_) => Step::Listen,
        }
    }

    /// What became of attempt `attempt`. With [`Class::Ok`] this is said at the first content of
    /// a stream, and at the end of any other answer. What is still under way then is not needed:
    /// break it off. So is it when the next step is to fail.
    pub fn heard(
        &mut self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        dice: &mut Dice,
        attempt: u32,
        heard: &Heard<'_>,
    ) {
        let (live, other) = match self.state {
            State::Live(live, other) if live.attempt == attempt => (live, other),
            State::Live(other, Some(live)) if live.attempt == attempt => (live, Some(other)),
            _ => return,
        };
        let verdict = heard.verdict;
        let is_ok = verdict.class == Class::Ok;
        let budget = fleet.budget(self.ask.candidates.group());
        if attempt == 1 {
            budget.first_ended(now, is_ok);
        } else if is_ok {
            budget.refund(now, self.paid);
        }
        self.paid = 0;
        let candidate = self.candidate(live.at);
        if matches!(verdict.class, Class::RateLimited | Class::Quota | Class::Auth) {
            self.visits.refused_keys[live.at] |= 1 << live.key;
        }
        if let Some(wait) = verdict.wait {
            let class = policy.retry.class(verdict.class).or(policy.retry.class(Class::ServerError));
            let is_too_long = class.is_some_and(|class| wait > class.retry_after_max);
            self.visits.not_before[live.at] = if is_too_long { Time::NEVER } else { now + wait };
        }
        fleet.heard_of_key(now, (candidate, &self.visits.model), live.key, heard);
        let again = self.again(live, heard);
        let found = self.learn(now, policy, fleet, live, heard);
        // What is the request's own says nothing about the place. Nor does what is asked in another way than usual.
        let vote = if found.is_some() || live.is_probe { Vote::None } else { self.vote(now, live, heard) };
        let alt = self.ended(now, policy, fleet, dice, live, vote);
        if heard.is_informative {
            self.informative = Some(attempt);
        }
        self.hedge_at = None;
        self.state = match other {
            _ if is_ok => State::Answered(Answered { attempt, at: live.at, body: heard.body, alt }),
            // That one failed is no failure of the request while the other may still answer; unless
            // the answer is sure to be the same.
            Some(other) if again != Again::No => {
                self.ambiguous += u32::from(verdict.class == Class::Ambiguous);
                self.state = State::Live(other, None);
                return;
            }
            _ => {
                let again = if self.has_likely_tools() && again == Again::Anywhere { Again::Elsewhere } else { again };
                let (class, form, is_probe) = (verdict.class, live.form, live.is_probe);
                State::Failed(Failure { at: live.at, class, again, form, is_probe })
            }
        };
        if let Some(other) = other {
            // It took at least this long.
            let place = (self.candidate(other.at), &*self.visits.model);
            fleet.broken_off_after(place, other.form, now, now.since(other.began));
            self.drop_live(now, policy, fleet, dice, other);
        }
    }

    /// The caller went away. Harmless when the request has already ended.
    pub fn left(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice) {
        match self.state {
            State::Live(live, other) => {
                for live in [Some(live), other].into_iter().flatten() {
                    self.drop_live(now, policy, fleet, dice, live);
                }
            }
            // A wait that was paid for and never led to an attempt costs nothing.
            State::Waiting { .. } => self.give_back(now, fleet),
            State::Queued { ticket, .. } => fleet.queue(self.ask.candidates.group()).leave(ticket),
            _ => {}
        }
        if !matches!(self.state, State::Answered(_) | State::Over(_)) {
            self.state = State::Over(Reason::CallerLeft.into());
        }
        self.paid = 0;
    }

    // How it is decided.

    fn candidate(&self, at: usize) -> Candidate {
        self.ask.candidates.as_slice()[at]
    }

    fn choice<'a>(&'a self, now: Time, policy: &'a Policy, fleet: &'a Fleet) -> Choice<'a> {
        Choice { ask: &self.ask, visits: &self.visits, now, policy, fleet }
    }

    fn begin(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice) -> Step {
        if self.ask.candidates.as_slice().is_empty() {
            return self.fail(Reason::NoUpstream.into());
        }
        if now >= self.deadline {
            return self.fail(Reason::Deadline.into());
        }
        match self.choice(now, policy, fleet).best(dice, |_| true) {
            Ok(at) => {
                fleet.budget(self.ask.candidates.group()).begin(now);
                self.send(now, policy, fleet, at, false)
            }
            Err(nobody) => {
                self.state = self.queue_instead(now, policy, fleet, nobody);
                if let State::Queued { look, .. } = self.state {
                    fleet.budget(self.ask.candidates.group()).count(now);
                    return Step::Wait { until: look, upstream: None };
                }
                self.fail(nobody)
            }
        }
    }

    /// The moment of a retry has come: its upstream may not be what it was when it was chosen.
    fn launch(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice, at: usize) -> Step {
        let choice = self.choice(now, policy, fleet);
        let Err(retry_at) = choice.grants(at) else { return self.send(now, policy, fleet, at, false) };
        if let Ok(at) = choice.best(dice, |at| !self.visits.has_tried(at)) {
            return self.send(now, policy, fleet, at, false);
        }
        // One success ends a guard, and under noise it is never far: that is worth a second look.
        let is_guarded = choice.state(at) == BreakerState::Guarded;
        let again =
            policy.retry.class(Class::ServerError).map(|class| class.backoff.wait(2, policy.retry.jitter, dice));
        match again.filter(|wait| is_guarded && !self.has_looked && now + *wait < self.deadline) {
            Some(wait) => {
                self.has_looked = true;
                let until = now + wait.max(LOOK_MIN);
                self.state = State::Waiting { at, until, is_probe: false };
                Step::Wait { until, upstream: Some(self.candidate(at).upstream) }
            }
            None => {
                self.give_back(now, fleet);
                let nobody = Nobody { reason: Reason::Breaker, retry_at: Some(retry_at) };
                self.state = self.queue_instead(now, policy, fleet, nobody);
                match self.state {
                    State::Queued { look, .. } => Step::Wait { until: look, upstream: None },
                    _ => self.fail(nobody),
                }
            }
        }
    }

    /// Begins an attempt at a candidate whose breaker would let it through.
    fn send(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, at: usize, is_probe: bool) -> Step {
        let kind = self.choice(now, policy, fleet).kind(at);
        match self.attempt(now, policy, fleet, at, (kind, is_probe)) {
            Ok((live, mut launch)) => {
                self.has_probed |= is_probe;
                self.state = State::Live(live, None);
                if live.attempt == 1 && self.is_hedged(policy) {
                    fleet.purse(self.ask.candidates.group()).earn(&policy.hedge);
                    self.hedge_at = self.late(now, policy, fleet, live).filter(|late| *late < launch.until);
                    launch.look = self.hedge_at;
                }
                Step::Send(launch)
            }
            Err(retry_at) => {
                self.give_back(now, fleet);
                self.fail(Nobody { reason: Reason::Breaker, retry_at: Some(retry_at) })
            }
        }
    }

    fn attempt(
        &mut self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        at: usize,
        (kind, is_probe): (breaker::Kind, bool),
    ) -> Result<(Live, Launch), Time> {
        let candidate = self.candidate(at);
        let alt = self.choice(now, policy, fleet).has_alternative(at);
        let permit = fleet.breaker_mut(candidate, &self.visits.model).acquire(now, &policy.breaker, kind, alt)?;
        let key = self.choice(now, policy, fleet).key(at).map_or(0, |chosen| chosen.key);
        fleet.credentials_mut(candidate.upstream).sent(key);
        fleet.began_at(candidate.upstream);
        self.attempts += 1;
        self.visits.tried |= 1 << at;
        let form = match is_probe {
            true => self.ask.form.whole(),
            false if self.upgrades(now, policy, fleet, at) => self.ask.form.upgraded(),
            false => self.ask.form,
        };
        let until = if is_probe { self.deadline } else { self.limit(now, policy, fleet, at, (alt, form)) };
        let live = Live { attempt: self.attempts, at, key, permit, began: now, form, is_probe };
        let launch = Launch {
            attempt: self.attempts,
            upstream: candidate.upstream,
            model: candidate.model,
            key,
            until,
            is_last_moment: until == self.deadline,
            look: None,
            upgraded: form.is_upgraded().then_some(self.deadline),
            is_probe,
        };
        Ok((live, launch))
    }

    /// Whether the whole answer may be asked for as a stream at all.
    fn may_upgrade(&self, policy: &Policy) -> bool {
        self.ask.can_upgrade && !self.is_upgrade_refused && self.ask.candidates.upgrade(policy) != Upgrade::Off
    }

    /// Whether an attempt at a candidate asks for a stream although the caller wants a whole answer. A
    /// cliff that is gone again is forgotten after a day: until then nobody is sent to look.
    fn upgrades(&self, now: Time, policy: &Policy, fleet: &mut Fleet, at: usize) -> bool {
        let mut has_cliff = || fleet.has_cliff((self.candidate(at), &self.visits.model), self.ask.form, now);
        self.may_upgrade(policy) && (self.ask.candidates.upgrade(policy) == Upgrade::Always || has_cliff())
    }

    /// When an attempt that begins now at a candidate has taken too long. A healthy slow request is
    /// never broken off: what is usual must be known, and for a whole answer another upstream must
    /// be well.
    fn limit(
        &self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        at: usize,
        (has_alternative, form): (bool, Form),
    ) -> Time {
        let is_adaptive = policy.timeout.first_content == FirstContent::Adaptive;
        let left = self.deadline.since(now);
        // What one asks for that is upgraded begins as its caller's own streams do.
        let is_stream = self.ask.stream || form.is_upgraded();
        let form = if is_stream { form.streamed() } else { form };
        let mut expected = || fleet.expect((self.candidate(at), &self.visits.model), form, now);
        let limit = match policy.timeout.first_content {
            FirstContent::Fixed(limit) if is_stream => limit,
            FirstContent::Adaptive if is_stream => expected().first_content_limit(),
            _ if is_adaptive && has_alternative => expected().total_limit(left).unwrap_or(left),
            _ => left,
        };
        // A hang leaves room for one more attempt where that would help.
        let may_again = has_alternative && self.attempts < policy.retry.max_attempts && is_stream;
        let share = if may_again { left / 5 * 3 } else { left };
        (now + limit.min(share)).min(self.deadline)
    }

    fn fail(&mut self, nobody: Nobody) -> Step {
        self.state = State::Over(nobody);
        Step::Fail { reason: nobody.reason, informative: self.informative, retry_at: nobody.retry_at }
    }

    fn give_back(&mut self, now: Time, fleet: &mut Fleet) {
        let paid = std::mem::take(&mut self.paid);
        if paid > 0 {
            fleet.budget(self.ask.candidates.group()).refund(now, paid);
        }
    }

    /// Breaks an attempt off that nobody waits for any more.
    fn drop_live(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice, live: Live) {
        if live.attempt == 1 {
            fleet.budget(self.ask.candidates.group()).first_ended(now, false);
        }
        self.ended(now, policy, fleet, dice, live, Vote::None);
    }

    /// An attempt is over, and says `vote` of its place; gives whether another place is well.
    fn ended(&self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice, live: Live, vote: Vote) -> bool {
        let candidate = self.candidate(live.at);
        let alt = self.choice(now, policy, fleet).has_alternative(live.at);
        fleet.ended_at(candidate.upstream);
        let report = Report { candidate, asked: &self.visits.model, permit: live.permit, vote, alt };
        fleet.report(now, policy, dice, report);
        alt
    }
}
