//! What to do next, for one request.
//!
//! Retry, failover, breaker, budget and deadline are one decision over shared facts, made here, and not a
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
pub mod credentials;
pub mod fleet;
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
use crate::verdict::{Again, Class, Fault, Verdict};

use breaker::{Kind, Permit, State as BreakerState, Vote};
use budget::{COST, COST_AMBIGUOUS};
use fleet::{Fleet, NO_MODEL, Report, Served};
use policy::{FirstContent, Policy};
use queue::Ticket;
use route::{Alias, CANDIDATES_MAX, Candidate, Candidates};
use shapes::{Cliff, Form};

/// Attempts at a request that is itself a client's retry: two layers of retries would multiply.
const ATTEMPTS_OF_A_CLIENT_RETRY: u32 = 2;

/// Answers to the caller are due this much before its own patience ends: 2 %, at least 250 ms.
const MARGIN_MIN: Duration = Duration::from_millis(250);

/// A second look at a guarded breaker is not before this.
const LOOK_MIN: Duration = Duration::from_millis(50);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin attempt `attempt` (1 for the first) at `upstream`.
    Send {
        /// The number of the attempt.
        attempt: u32,
        /// Where to.
        upstream: UpstreamId,
        /// Under which name of the model, if not the one that was asked for.
        model: Option<Alias>,
        /// With which of the upstream's own credentials, where it has some.
        key: usize,
        /// The moment by which it must have brought its first content (a stream) or its end.
        until: Time,
        /// Whether `until` is the request's deadline, and not a limit of this attempt alone.
        is_last_moment: bool,
    },
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
}

/// What the plan must know of a request.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// The upstreams that may serve it.
    pub candidates: Candidates,
    /// The request's form: what is learnt of it is learnt for all of its form.
    pub form: Form,
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
            form: Form::of(request),
            repeatable: if candidates.repeatable { Repeatable::Yes } else { request.repeatable() },
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
    arrived: Time,
    deadline: Time,
    state: State,
    /// The model asked for.
    model: Box<str>,
    /// Unlike that of every other request.
    number: u64,
    attempts: u32,
    ambiguous: u32,
    /// A bit for each candidate that was asked, in the order of `ask.candidates`.
    tried: u32,
    /// For each candidate, a bit for each of its credentials that an answer refused.
    refused_keys: [u16; CANDIDATES_MAX],
    /// For each candidate, the moment until which it asked to be left alone.
    not_before: [Time; CANDIDATES_MAX],
    informative: Option<u32>,
    /// What was withdrawn for the attempt under way.
    paid: u64,
    /// Whether the moment of a retry came once while its breaker was guarded.
    has_looked: bool,
    /// Whether it has been in the queue: what comes from there is paid for by waiting.
    has_queued: bool,
    /// Where requests of this form always fail, if that is why nothing more is tried.
    cliff: Option<Cliff>,
    /// Whether the caller should come back by itself (rulings 6).
    invites: bool,
    /// Whether the request counts as a client's own retry.
    is_client_retry: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Fresh,
    /// Under way, at the candidate of this index.
    Live(Live),
    /// It ended, and the next step has not been decided.
    Failed {
        at: usize,
        class: Class,
        again: Again,
    },
    /// The candidate of this index will be asked at `until`.
    Waiting {
        at: usize,
        until: Time,
    },
    /// In the queue of its group; it looks again at `look`.
    Queued {
        ticket: Ticket,
        look: Time,
    },
    Answered {
        at: usize,
        alt: bool,
    },
    Over {
        reason: Reason,
        retry_at: Option<Time>,
    },
}

/// An attempt under way.
#[derive(Debug, Clone, Copy)]
struct Live {
    /// The index of its candidate.
    at: usize,
    key: usize,
    permit: Permit,
    began: Time,
}

/// Why no candidate will be asked.
#[derive(Debug, Clone, Copy)]
struct Nobody {
    reason: Reason,
    retry_at: Option<Time>,
}

impl From<Reason> for Nobody {
    fn from(reason: Reason) -> Nobody {
        Nobody { reason, retry_at: None }
    }
}

impl Plan {
    /// The course of a request for `model` that arrived at `now`.
    #[must_use]
    pub fn new(now: Time, policy: &Policy, model: Option<&str>, ask: Ask, fleet: &mut Fleet) -> Plan {
        Plan {
            arrived: now,
            deadline: now + patience(&ask, policy),
            state: State::Fresh,
            model: model.unwrap_or(NO_MODEL).into(),
            number: fleet.number(),
            attempts: 0,
            ambiguous: 0,
            tried: 0,
            refused_keys: [0; CANDIDATES_MAX],
            not_before: [Time::ZERO; CANDIDATES_MAX],
            informative: None,
            paid: 0,
            has_looked: false,
            has_queued: false,
            cliff: None,
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

    /// After how long requests of this form always fail, if that is why nothing more was tried; and
    /// what helps against it, the best first.
    #[must_use]
    pub fn cliff(&self) -> Option<(Cliff, &'static [&'static str])> {
        self.cliff.map(|cliff| (cliff, shapes::remedies(self.ask.form)))
    }

    /// Where the answer came from, for the vote that it may still have to cast; `None` before there
    /// is one.
    #[must_use]
    pub fn served(&self, fleet: &Fleet) -> Option<Served> {
        let State::Answered { at, alt } = self.state else { return None };
        let candidate = self.candidate(at);
        let model = fleet.sent_model(candidate, &self.model).into();
        Some(Served { upstream: candidate.upstream, model, request: self.number, alt })
    }

    // What happens.

    /// What to do now.
    pub fn step(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice) -> Step {
        if let State::Fresh = self.state {
            return self.begin(now, policy, fleet, dice);
        }
        if let State::Failed { at, class, again } = self.state {
            self.state = match self.next(now, policy, fleet, dice, Failure { at, class, again }) {
                Ok((at, delay)) => State::Waiting { at, until: now + delay },
                Err(nobody) => self.queue_instead(now, policy, fleet, nobody),
            };
            if let State::Over { reason: Reason::Deadline, .. } = self.state {
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
            State::Waiting { at, until } if now >= until => self.launch(now, policy, fleet, dice, at),
            State::Waiting { at, until } => Step::Wait { until, upstream: Some(self.candidate(at).upstream) },
            State::Answered { .. } => Step::Relay { attempt: self.attempts },
            State::Over { reason, retry_at } => self.fail(Nobody { reason, retry_at }),
            State::Live(_) | State::Fresh | State::Failed { .. } => {
                Step::Fail { reason: Reason::CallerLeft, informative: None, retry_at: None }
            }
        }
    }

    /// What became of attempt `attempt`. With [`Class::Ok`] this is said at the first content of
    /// a stream, and at the end of any other answer.
    pub fn heard(
        &mut self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        dice: &mut Dice,
        attempt: u32,
        heard: &Heard<'_>,
    ) {
        let State::Live(live) = self.state else { return };
        if attempt != self.attempts {
            return;
        }
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
            self.refused_keys[live.at] |= 1 << live.key;
        }
        if let Some(wait) = verdict.wait {
            let class = policy.retry.class(verdict.class).or(policy.retry.class(Class::ServerError));
            let is_too_long = class.is_some_and(|class| wait > class.retry_after_max);
            self.not_before[live.at] = if is_too_long { Time::NEVER } else { now + wait };
        }
        fleet.heard_of_key(now, (candidate, &self.model), live.key, heard);
        let is_cliff = self.learn(now, fleet, live, verdict);
        let vote = if is_cliff { Vote::None } else { self.vote(now, live, heard) };
        let alt = self.has_alternative(fleet, live.at);
        fleet.ended_at(candidate.upstream);
        let report = Report { candidate, asked: &self.model, permit: live.permit, vote, alt };
        fleet.report(now, policy, dice, report);
        if heard.is_informative {
            self.informative = Some(attempt);
        }
        self.state = if is_ok {
            State::Answered { at: live.at, alt }
        } else {
            State::Failed { at: live.at, class: verdict.class, again: verdict.again }
        };
    }

    /// The caller went away. Harmless when the request has already ended.
    pub fn left(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice) {
        match self.state {
            State::Live(live) => {
                if self.attempts == 1 {
                    fleet.budget(self.ask.candidates.group()).first_ended(now, false);
                }
                let candidate = self.candidate(live.at);
                let alt = self.has_alternative(fleet, live.at);
                fleet.ended_at(candidate.upstream);
                let report = Report { candidate, asked: &self.model, permit: live.permit, vote: Vote::None, alt };
                fleet.report(now, policy, dice, report);
            }
            // A wait that was paid for and never led to an attempt costs nothing.
            State::Waiting { .. } => self.give_back(now, fleet),
            State::Queued { ticket, .. } => fleet.queue(self.ask.candidates.group()).leave(ticket),
            _ => {}
        }
        if !matches!(self.state, State::Answered { .. } | State::Over { .. }) {
            self.state = State::Over { reason: Reason::CallerLeft, retry_at: None };
        }
        self.paid = 0;
    }

    // How it is decided.

    fn candidate(&self, at: usize) -> Candidate {
        self.ask.candidates.as_slice()[at]
    }

    fn begin(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice) -> Step {
        if self.ask.candidates.as_slice().is_empty() {
            return self.fail(Reason::NoUpstream.into());
        }
        if now >= self.deadline {
            return self.fail(Reason::Deadline.into());
        }
        match self.choose(now, policy, fleet, dice, |_| true) {
            Ok(at) => {
                fleet.budget(self.ask.candidates.group()).begin(now);
                self.send(now, policy, fleet, at)
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

    /// A place in the queue, where nobody can be asked now and waiting is wanted; else the end.
    fn queue_instead(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, nobody: Nobody) -> State {
        let Nobody { reason, retry_at } = nobody;
        let is_curable = matches!(reason, Reason::Breaker | Reason::Budget);
        if is_curable && now < self.expires(policy) {
            let queue = fleet.queue(self.ask.candidates.group());
            let ticket = if self.has_queued { queue.rejoin() } else { queue.join() };
            if let Some(ticket) = ticket {
                self.has_queued = true;
                return State::Queued { ticket, look: now + queue::LOOK_MIN };
            }
        }
        State::Over { reason, retry_at }
    }

    /// When it has waited long enough: an attempt must still be of use then.
    fn expires(&self, policy: &Policy) -> Time {
        let latest = Time::ZERO + self.deadline.since(Time::ZERO + policy.retry.min_useful);
        (self.arrived + policy.wait.max).min(latest)
    }

    /// Looks whether its turn has come: whenever a breaker lets somebody through, the first in the
    /// queue may go, and while all is well they go at the queue's own pace.
    fn look(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice, ticket: Ticket) -> Step {
        let group = self.ask.candidates.group();
        if now >= self.expires(policy) {
            fleet.queue(group).leave(ticket);
            return self.fail(Reason::Queue.into());
        }
        let look = match self.choose(now, policy, fleet, dice, |at| self.not_before[at] <= now) {
            Ok(at) => {
                let usual = fleet.budget(group).usual(now);
                let is_well = matches!(self.breaker_state(fleet, at), BreakerState::Closed | BreakerState::Guarded);
                let queue = fleet.queue(group);
                let turn = match queue.turn(now, ticket, usual) {
                    Err(_) if !is_well && queue.is_first(ticket) => Ok(()),
                    turn => turn,
                };
                match turn {
                    Ok(()) => {
                        queue.launched(now, ticket);
                        if self.attempts == 0 {
                            fleet.budget(group).resume(now);
                        }
                        return self.send(now, policy, fleet, at);
                    }
                    Err(look) => look,
                }
            }
            Err(nobody) => {
                fleet.queue(group).begin_anew();
                let at = nobody.retry_at.unwrap_or(now + queue::LOOK_MAX);
                at.max(now + queue::LOOK_MIN).min(now + queue::LOOK_MAX)
            }
        };
        let look = look.min(self.expires(policy));
        self.state = State::Queued { ticket, look };
        Step::Wait { until: look, upstream: None }
    }

    /// The moment of a retry has come: its upstream may not be what it was when it was chosen.
    fn launch(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, dice: &mut Dice, at: usize) -> Step {
        if self.grants(now, policy, fleet, at).is_ok() {
            return self.send(now, policy, fleet, at);
        }
        if let Ok(at) = self.choose(now, policy, fleet, dice, |at| self.tried & (1 << at) == 0) {
            return self.send(now, policy, fleet, at);
        }
        // One success ends a guard, and under noise it is never far: that is worth a second look.
        let again =
            policy.retry.class(Class::ServerError).map(|class| class.backoff.wait(2, policy.retry.jitter, dice));
        let retry_at = self.grants(now, policy, fleet, at).err();
        let is_guarded = self.breaker_state(fleet, at) == BreakerState::Guarded;
        match again.filter(|wait| is_guarded && !self.has_looked && now + *wait < self.deadline) {
            Some(wait) => {
                self.has_looked = true;
                let until = now + wait.max(LOOK_MIN);
                self.state = State::Waiting { at, until };
                Step::Wait { until, upstream: Some(self.candidate(at).upstream) }
            }
            None => {
                self.give_back(now, fleet);
                self.state = self.queue_instead(now, policy, fleet, Nobody { reason: Reason::Breaker, retry_at });
                match self.state {
                    State::Queued { look, .. } => Step::Wait { until: look, upstream: None },
                    _ => self.fail(Nobody { reason: Reason::Breaker, retry_at }),
                }
            }
        }
    }

    /// Begins an attempt at a candidate whose breaker would let it through.
    fn send(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, at: usize) -> Step {
        let candidate = self.candidate(at);
        let (kind, alt) = (self.kind(at), self.has_alternative(fleet, at));
        let permit = match fleet.breaker_mut(candidate, &self.model).acquire(now, &policy.breaker, kind, alt) {
            Ok(permit) => permit,
            Err(retry_at) => {
                self.give_back(now, fleet);
                return self.fail(Nobody { reason: Reason::Breaker, retry_at: Some(retry_at) });
            }
        };
        let key = self.key(now, fleet, at).map_or(0, |chosen| chosen.key);
        fleet.credentials_mut(candidate.upstream).sent(key);
        fleet.began_at(candidate.upstream);
        self.state = State::Live(Live { at, key, permit, began: now });
        self.attempts += 1;
        self.tried |= 1 << at;
        let until = self.limit(now, policy, fleet, at);
        Step::Send {
            attempt: self.attempts,
            upstream: candidate.upstream,
            model: candidate.model,
            key,
            until,
            is_last_moment: until == self.deadline,
        }
    }

    /// When an attempt that begins now at a candidate has taken too long. A healthy slow request is
    /// never broken off: what is usual must be known, and for a whole answer another upstream must
    /// be well.
    fn limit(&self, now: Time, policy: &Policy, fleet: &mut Fleet, at: usize) -> Time {
        let has_alternative = self.has_alternative(fleet, at);
        let is_adaptive = policy.timeout.first_content == FirstContent::Adaptive;
        let left = self.deadline.since(now);
        let limit = match policy.timeout.first_content {
            FirstContent::Fixed(limit) if self.ask.stream => limit,
            FirstContent::Adaptive if self.ask.stream => {
                fleet.expect((self.candidate(at), &self.model), self.ask.form, now).first_content_limit()
            }
            _ if is_adaptive && has_alternative => {
                let expected = fleet.expect((self.candidate(at), &self.model), self.ask.form, now);
                expected.total_limit(left).unwrap_or(left)
            }
            _ => left,
        };
        // A hang leaves room for one more attempt where that would help.
        let may_again = has_alternative && self.attempts < policy.retry.max_attempts && self.ask.stream;
        let share = if may_again { left / 5 * 3 } else { left };
        (now + limit.min(share)).min(self.deadline)
    }

    fn fail(&mut self, nobody: Nobody) -> Step {
        let Nobody { reason, retry_at } = nobody;
        self.state = State::Over { reason, retry_at };
        Step::Fail { reason, informative: self.informative, retry_at }
    }

    fn give_back(&mut self, now: Time, fleet: &mut Fleet) {
        let paid = std::mem::take(&mut self.paid);
        if paid > 0 {
            fleet.budget(self.ask.candidates.group()).refund(now, paid);
        }
    }

    fn kind(&self, at: usize) -> Kind {
        if self.has_queued || self.tried & (1 << at) == 0 { Kind::First } else { Kind::Retry }
    }

    fn has_alternative(&self, fleet: &Fleet, at: usize) -> bool {
        let candidates = self.ask.candidates.as_slice();
        candidates.len() > 1
            && (0..candidates.len()).any(|other| other != at && fleet.is_closed(candidates[other], &self.model))
    }

    /// Whether a candidate may be chosen now. That retries are refused here while the breaker is
    /// guarded is looked at when the wait is over: by then one success may have undone it.
    fn may_choose(&self, now: Time, policy: &Policy, fleet: &Fleet, at: usize) -> Result<(), Time> {
        if self.breaker_state(fleet, at) == BreakerState::Guarded {
            return Ok(());
        }
        self.grants(now, policy, fleet, at)
    }

    /// Whether the breaker of a candidate would let this request through now.
    fn grants(&self, now: Time, policy: &Policy, fleet: &Fleet, at: usize) -> Result<(), Time> {
        let Some(breaker) = fleet.breaker(self.candidate(at), &self.model) else { return Ok(()) };
        breaker.would_grant(now, &policy.breaker, self.kind(at), self.has_alternative(fleet, at))
    }

    fn breaker_state(&self, fleet: &Fleet, at: usize) -> BreakerState {
        fleet.breaker(self.candidate(at), &self.model).map_or(BreakerState::Closed, breaker::Breaker::state)
    }

    fn key(&self, now: Time, fleet: &Fleet, at: usize) -> Option<credentials::Chosen> {
        let candidate = self.candidate(at);
        let model = fleet.sent_model(candidate, &self.model);
        let credentials = fleet.credentials(candidate.upstream);
        // Where every key was refused, it is the upstream's word that counts, and not the keys'.
        credentials.choose(now, model, self.refused_keys[at]).or_else(|| credentials.choose(now, model, 0))
    }

    /// The best of the candidates that `may` be asked now: with a credential that is fit before one
    /// that rests, well before ill, then by rank; among equals the less busy of two.
    fn choose(
        &self,
        now: Time,
        policy: &Policy,
        fleet: &Fleet,
        dice: &mut Dice,
        may: impl Fn(usize) -> bool,
    ) -> Result<usize, Nobody> {
        let candidates = self.ask.candidates.as_slice();
        if let [_] = candidates
            && may(0)
        {
            return match self.may_choose(now, policy, fleet, 0) {
                Ok(()) => Ok(0),
                Err(retry_at) => Err(Nobody { reason: Reason::Breaker, retry_at: Some(retry_at) }),
            };
        }
        let mut earliest: Option<Time> = None;
        let mut best = None;
        let mut equals = [0_usize; CANDIDATES_MAX];
        let mut count = 0;
        for at in (0..candidates.len()).filter(|&at| may(at)) {
            if let Err(retry_at) = self.may_choose(now, policy, fleet, at) {
                earliest = Some(earliest.map_or(retry_at, |known| known.min(retry_at)));
                continue;
            }
            let rests = self.key(now, fleet, at).is_none_or(|chosen| chosen.until > now);
            let order = (rests, self.illness(fleet, at), candidates[at].rank);
            if best.is_none_or(|best| order < best) {
                (best, count) = (Some(order), 0);
            }
            if best == Some(order) {
                equals[count] = at;
                count += 1;
            }
        }
        match count {
            0 => Err(match earliest {
                Some(retry_at) => Nobody { reason: Reason::Breaker, retry_at: Some(retry_at) },
                None => Reason::NoUpstream.into(),
            }),
            1 => Ok(equals[0]),
            _ => Ok(self.less_busy(fleet, dice, &equals[..count])),
        }
    }

    /// 0 for a place that is well; places that are not come after those that are. A probe of one
    /// that was ill is a first attempt's business, and of one that can be made again elsewhere.
    fn illness(&self, fleet: &Fleet, at: usize) -> u8 {
        let can_probe = self.attempts == 0 && self.ask.repeatable == Repeatable::Yes && self.ask.replay.is_ok();
        match self.breaker_state(fleet, at) {
            BreakerState::Closed => 0,
            BreakerState::Guarded => 1,
            BreakerState::Open | BreakerState::Half | BreakerState::Ramp if can_probe => 0,
            BreakerState::Open | BreakerState::Half | BreakerState::Ramp => 2,
        }
    }

    /// Of two drawn by their weights, the one with less under way for its weight.
    fn less_busy(&self, fleet: &Fleet, dice: &mut Dice, equals: &[usize]) -> usize {
        let upstream = |at: usize| self.candidate(at).upstream;
        let weight = |at: usize| fleet.weight(upstream(at));
        let draw = |dice: &mut Dice, without: Option<usize>| {
            let left = || equals.iter().copied().filter(|&at| Some(at) != without);
            let total: u64 = left().map(weight).sum();
            let mut drawn = dice.between(0, total.saturating_sub(1));
            left().find(|&at| match drawn.checked_sub(weight(at)) {
                Some(rest) => {
                    drawn = rest;
                    false
                }
                None => true,
            })
        };
        let Some(one) = draw(dice, None) else { return equals[0] };
        let Some(other) = draw(dice, Some(one)) else { return one };
        let load = |at: usize, of: usize| u128::from(fleet.in_flight(upstream(at))) * u128::from(weight(of));
        if load(other, one) < load(one, other) { other } else { one }
    }

    /// Remembers how long the attempt took; true if it failed where all of its form do.
    fn learn(&self, now: Time, fleet: &mut Fleet, live: Live, verdict: &Verdict) -> bool {
        let after = now.since(live.began);
        let place = (self.candidate(live.at), &*self.model);
        let is_own_limit = matches!(verdict.fault, Some(Fault::Deadline | Fault::FirstContentTimeout));
        match verdict.class {
            Class::Ok => fleet.answered_after(place, self.ask.form, now, after, true),
            // Broken off here: it would have taken longer, and is counted as this long.
            Class::Ambiguous if is_own_limit => fleet.answered_after(place, self.ask.form, now, after, false),
            Class::Ambiguous => {
                fleet.failed_after(place, self.ask.form, now, after);
                return fleet.cliff(place, self.ask.form, now).is_some();
            }
            _ => {}
        }
        false
    }

    /// What an attempt says about the place it was sent to.
    fn vote(&self, now: Time, live: Live, heard: &Heard<'_>) -> Vote {
        /// A caller that gives an attempt less time than this says nothing about the upstream.
        const PATIENCE_MIN: Duration = Duration::from_secs(1);
        let verdict = heard.verdict;
        let is_impatient = verdict.fault == Some(Fault::Deadline) && now.since(live.began) < PATIENCE_MIN;
        match verdict.class {
            Class::Ok => Vote::Ok,
            Class::ServerError if heard.status == Some(409) => Vote::None,
            Class::Ambiguous if is_impatient => Vote::None,
            Class::NotSent | Class::BadGateway | Class::ServerError | Class::Overloaded | Class::Ambiguous => {
                Vote::Fail { request: self.number, body: heard.body }
            }
            _ => Vote::None,
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
    ) -> Result<(usize, Duration), Nobody> {
        let retry = &policy.retry;
        if failure.again == Again::No {
            return Err(Reason::Class.into());
        }
        self.may_repeat(failure.class)?;
        self.has_attempts(policy, failure.class)?;
        if failure.class == Class::Ambiguous {
            self.ambiguous += 1;
            if self.ambiguous > retry.ambiguous_max {
                return Err(Reason::AmbiguousMax.into());
            }
            let place = (self.candidate(failure.at), &*self.model);
            if let Some(cliff) = fleet.cliff(place, self.ask.form, now)
                && !fleet.trial(place, self.ask.form, now)
            {
                self.cliff = Some(cliff);
                return Err(Reason::Cliff.into());
            }
        }
        if self.has_queued {
            // Back to the end: it waits for its next attempt as it did for this one, and pays nothing.
            fleet.queue(self.ask.candidates.group()).failed();
            return Err(Nobody { reason: Reason::Breaker, retry_at: None });
        }
        let (at, delay) = self.again(now, policy, fleet, dice, failure)?;
        let usual = fleet.expect((self.candidate(at), &self.model), self.ask.form, now).p50.unwrap_or_default();
        if now + delay + retry.min_useful.max(usual) > self.deadline {
            return Err(Reason::Deadline.into());
        }
        let cost = if failure.class == Class::Ambiguous { COST_AMBIGUOUS } else { COST };
        if !fleet.budget(self.ask.candidates.group()).withdraw(now, cost) {
            return Err(Reason::Budget.into());
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

    /// A place that was not asked yet, or another key of the same, at once; else the best of those
    /// that were asked, after its wait.
    fn again(
        &self,
        now: Time,
        policy: &Policy,
        fleet: &Fleet,
        dice: &mut Dice,
        failure: Failure,
    ) -> Result<(usize, Duration), Nobody> {
        let retry = &policy.retry;
        let is_fit = |at: usize| {
            let candidate = self.candidate(at);
            let model = fleet.sent_model(candidate, &self.model);
            let chosen = fleet.credentials(candidate.upstream).choose(now, model, self.refused_keys[at]);
            chosen.is_some_and(|chosen| chosen.until <= now)
        };
        let is_untried = |at: usize| self.tried & (1 << at) == 0;
        // Another key is another place where the first was refused, and no help where the server failed.
        let other_key = |at: usize| at == failure.at && self.refused_keys[at] != 0 && is_fit(at);
        let elsewhere = self.choose(now, policy, fleet, dice, |at| {
            (is_untried(at) && is_fit(at))
                || (other_key(at) && matches!(failure.class, Class::RateLimited | Class::Quota | Class::Auth))
        });
        if let Ok(at) = elsewhere {
            return Ok((at, dice.duration(Duration::ZERO, retry.failover_jitter)));
        }
        let own = retry.class(failure.class);
        if failure.again == Again::Elsewhere {
            let rests = (0..self.ask.candidates.as_slice().len()).any(|at| is_untried(at) && !is_fit(at));
            return Err(match elsewhere {
                Err(nobody) if nobody.reason == Reason::Breaker => nobody,
                _ if rests => Reason::Credentials.into(),
                _ if own.is_some() => Reason::UpstreamSaysNo.into(),
                _ => Reason::Class.into(),
            });
        }
        // What is not retried by itself, and is at the upstream's wish, waits like a server error.
        let Some(class) = own.or(retry.class(Class::ServerError)) else { return Err(Reason::Class.into()) };
        let asked = |at: usize| self.not_before[at].since(now);
        let is_too_long = |at: usize| asked(at) > class.retry_after_max;
        if (0..self.ask.candidates.as_slice().len()).all(|at| is_untried(at) || is_too_long(at)) {
            return Err(Reason::RetryAfter.into());
        }
        let at = self.choose(now, policy, fleet, dice, |at| !is_untried(at) && !is_too_long(at))?;
        let backoff = class.backoff.wait(self.attempts, retry.jitter, dice);
        if asked(at).is_zero() {
            return Ok((at, backoff));
        }
        // Never earlier than asked; a little later, so that callers do not return together.
        let spread = (asked(at) / 10).min(Duration::from_secs(1));
        Ok((at, backoff.max(asked(at) + dice.duration(Duration::ZERO, spread))))
    }

    /// The caller's own SDK would have tried a second time: where the budget can pay for that, it
    /// is asked to, since a deadline of its own making ended the only attempt.
    fn invite(&mut self, now: Time, fleet: &mut Fleet) {
        // A reply that came, however broken, is the upstream's own word, and no 504 of ours.
        let is_cut_off = now >= self.deadline && self.ask.patience.from_sdk && self.informative.is_none();
        let would_have = is_cut_off && self.attempts == 1 && self.ask.client_retries == 0;
        if would_have
            && self.ask.repeatable == Repeatable::Yes
            && fleet.budget(self.ask.candidates.group()).withdraw(now, COST_AMBIGUOUS)
        {
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
