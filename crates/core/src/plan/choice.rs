//! Which place to ask: what one request knows of the places that may serve it, and which is best.
//!
//! A place is an upstream under one name of the model. The order is: a credential that is fit
//! before one that rests, well before ill, then as the operator ranked them; among equals the less
//! busy of two drawn by weight, which follows load better than a rotation and never sends all
//! callers to the place that looked idle a moment ago.
//!
//! It must never name a place that its breaker would refuse now, except one that is guarded: there
//! one success may have undone it by the time the attempt is begun, and that is looked at then.

use std::time::Duration;

use super::breaker::{self, Breaker, Kind, State};
use super::credentials::Chosen;
use super::fleet::Fleet;
use super::policy::Policy;
use super::route::{CANDIDATES_MAX, Candidate};
use super::shapes::Form;
use super::{Ask, Reason};
use crate::dice::Dice;
use crate::request::Repeatable;
use crate::time::Time;
use crate::verdict::{Again, Class};

/// What a request has met where it was sent.
#[derive(Debug, Clone)]
pub(super) struct Visits {
    /// The model asked for.
    pub(super) model: Box<str>,
    /// A bit for each candidate that was asked, in the order of `ask.candidates`.
    pub(super) tried: u32,
    /// For each candidate, a bit for each of its credentials that an answer refused.
    pub(super) refused_keys: [u16; CANDIDATES_MAX],
    /// For each candidate, the moment until which it asked to be left alone.
    pub(super) not_before: [Time; CANDIDATES_MAX],
    /// Whether the request has been in the queue: what comes from there is paid for by waiting.
    pub(super) has_queued: bool,
}

/// Why no candidate will be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nobody {
    pub(super) reason: Reason,
    /// When one of them will be asked again, if that is the reason.
    pub(super) retry_at: Option<Time>,
}

impl From<Reason> for Nobody {
    fn from(reason: Reason) -> Nobody {
        Nobody { reason, retry_at: None }
    }
}

/// The last attempt, which failed at the candidate of index `at`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) at: usize,
    pub(super) class: Class,
    pub(super) again: Again,
    /// The form in which it was sent.
    pub(super) form: Form,
    /// Whether it was sent without streaming, to learn what is wrong with its tools.
    pub(super) is_probe: bool,
}

impl Visits {
    pub(super) fn new(model: &str) -> Visits {
        Visits {
            model: model.into(),
            tried: 0,
            refused_keys: [0; CANDIDATES_MAX],
            not_before: [Time::ZERO; CANDIDATES_MAX],
            has_queued: false,
        }
    }

    pub(super) fn has_tried(&self, at: usize) -> bool {
        self.tried & (1 << at) != 0
    }

    /// How many places were asked.
    pub(super) fn places(&self) -> u32 {
        self.tried.count_ones()
    }
}

/// The choice that one request has at one moment. Candidates are meant by their index.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    pub(super) ask: &'a Ask,
    pub(super) visits: &'a Visits,
    pub(super) now: Time,
    pub(super) policy: &'a Policy,
    pub(super) fleet: &'a Fleet,
}

impl Choice<'_> {
    fn candidates(&self) -> &[Candidate] {
        self.ask.candidates.as_slice()
    }

    /// What kind of attempt one at this candidate would be.
    pub(super) fn kind(&self, at: usize) -> Kind {
        if self.visits.has_queued || !self.visits.has_tried(at) { Kind::First } else { Kind::Retry }
    }

    pub(super) fn is_closed(&self, at: usize) -> bool {
        self.fleet.is_closed(self.candidates()[at], &self.visits.model)
    }

    /// Whether another candidate than this is well.
    pub(super) fn has_alternative(&self, at: usize) -> bool {
        let count = self.candidates().len();
        count > 1 && (0..count).any(|other| other != at && self.is_closed(other))
    }

    pub(super) fn state(&self, at: usize) -> State {
        self.breaker(at).map_or(State::Closed, Breaker::state)
    }

    fn breaker(&self, at: usize) -> Option<&Breaker> {
        self.fleet.breaker(self.candidates()[at], &self.visits.model)
    }

    /// Whether the breaker of a candidate would let this request through now.
    ///
    /// # Errors
    /// The moment to ask again.
    pub(super) fn grants(&self, at: usize) -> Result<(), Time> {
        let Some(breaker) = self.breaker(at) else { return Ok(()) };
        breaker.would_grant(self.now, &self.policy.breaker, self.kind(at), self.has_alternative(at))
    }

    /// Whether a candidate may be chosen now.
    fn may_choose(&self, at: usize) -> Result<(), Time> {
        if self.state(at) == State::Guarded { Ok(()) } else { self.grants(at) }
    }

    /// The credential that an attempt at a candidate would be made with.
    pub(super) fn key(&self, at: usize) -> Option<Chosen> {
        // Where every key was refused, it is the upstream's word that counts, and not the keys'.
        self.unrefused_key(at).or_else(|| self.key_without(at, 0))
    }

    /// Whether there is a credential that rests neither by itself nor for this request.
    pub(super) fn is_fit(&self, at: usize) -> bool {
        self.unrefused_key(at).is_some_and(|chosen| chosen.until <= self.now)
    }

    fn unrefused_key(&self, at: usize) -> Option<Chosen> {
        self.key_without(at, self.visits.refused_keys[at])
    }

    fn key_without(&self, at: usize, refused: u16) -> Option<Chosen> {
        let candidate = self.candidates()[at];
        let model = self.fleet.sent_model(candidate, &self.visits.model);
        self.fleet.credentials(candidate.upstream).choose(self.now, model, refused)
    }

    /// The best of the candidates that `may` be asked now.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn best(&self, dice: &mut Dice, may: impl Fn(usize) -> bool) -> Result<usize, Nobody> {
        let refused = |retry_at| Nobody { reason: Reason::Breaker, retry_at: Some(retry_at) };
        let candidates = self.candidates();
        if let [_] = candidates
            && may(0)
        {
            return self.may_choose(0).map(|()| 0).map_err(refused);
        }
        let mut earliest: Option<Time> = None;
        let mut best = None;
        let mut equals = [0_usize; CANDIDATES_MAX];
        let mut count = 0;
        for at in (0..candidates.len()).filter(|&at| may(at)) {
            if let Err(retry_at) = self.may_choose(at) {
                earliest = Some(earliest.map_or(retry_at, |known| known.min(retry_at)));
                continue;
            }
            let rests = self.key(at).is_none_or(|chosen| chosen.until > self.now);
            let order = (rests, self.illness(at), candidates[at].rank);
            if best.is_none_or(|best| order < best) {
                (best, count) = (Some(order), 0);
            }
            if best == Some(order) {
                equals[count] = at;
                count += 1;
            }
        }
        match count {
            0 => Err(earliest.map_or(Reason::NoUpstream.into(), refused)),
            1 => Ok(equals[0]),
            _ => Ok(self.less_busy(dice, &equals[..count])),
        }
    }

    /// A place that was not asked yet, or another key of the same, at once; else the best of those
    /// that were asked, after its wait. `attempts` have been made.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn again(&self, dice: &mut Dice, failure: Failure, attempts: u32) -> Result<(usize, Duration), Nobody> {
        let retry = &self.policy.retry;
        let is_untried = |at: usize| !self.visits.has_tried(at);
        // Another key is another place where the first was refused, and no help where the server failed.
        let other_key = |at: usize| at == failure.at && self.visits.refused_keys[at] != 0 && self.is_fit(at);
        let elsewhere = self.best(dice, |at| {
            (is_untried(at) && self.is_fit(at))
                || (other_key(at) && matches!(failure.class, Class::RateLimited | Class::Quota | Class::Auth))
        });
        if let Ok(at) = elsewhere {
            return Ok((at, dice.duration(Duration::ZERO, retry.failover_jitter)));
        }
        let own = retry.class(failure.class);
        if failure.again == Again::Elsewhere {
            let rests = (0..self.candidates().len()).any(|at| is_untried(at) && !self.is_fit(at));
            return Err(match elsewhere {
                Err(nobody) if nobody.reason == Reason::Breaker => nobody,
                _ if rests => Reason::Credentials.into(),
                _ if own.is_some() => Reason::UpstreamSaysNo.into(),
                _ => Reason::Class.into(),
            });
        }
        // What is not retried by itself, and is at the upstream's wish, waits like a server error.
        let Some(class) = own.or(retry.class(Class::ServerError)) else { return Err(Reason::Class.into()) };
        let asked = |at: usize| self.visits.not_before[at].since(self.now);
        let is_too_long = |at: usize| asked(at) > class.retry_after_max;
        if (0..self.candidates().len()).all(|at| is_untried(at) || is_too_long(at)) {
            return Err(Reason::RetryAfter.into());
        }
        let at = self.best(dice, |at| !is_untried(at) && !is_too_long(at))?;
        let backoff = class.backoff.wait(attempts, retry.jitter, dice);
        if asked(at).is_zero() {
            return Ok((at, backoff));
        }
        // Never earlier than asked; a little later, so that callers do not return together.
        let spread = (asked(at) / 10).min(Duration::from_secs(1));
        Ok((at, backoff.max(asked(at) + dice.duration(Duration::ZERO, spread))))
    }

    /// Where a second attempt beside one at `first` would go: to another place that is well, or to
    /// the same if all are. Another model is another answer: that is for when this one has failed.
    pub(super) fn beside(&self, dice: &mut Dice, first: usize) -> Option<usize> {
        let is_fit = |at: usize| !self.candidates()[at].is_fallback && self.is_closed(at) && self.is_fit(at);
        let elsewhere = self.best(dice, |at| at != first && is_fit(at)).ok();
        elsewhere.or_else(|| {
            let all_well = (0..self.candidates().len()).all(|at| self.is_closed(at));
            (all_well && is_fit(first)).then_some(first)
        })
    }

    /// 0 for a place that is well; places that are not come after those that are. A probe of one
    /// that was ill is a first attempt's business, and of one that can be made again elsewhere.
    fn illness(&self, at: usize) -> u8 {
        let can_probe = self.visits.tried == 0 && self.ask.repeatable == Repeatable::Yes && self.ask.replay.is_ok();
        match self.state(at) {
            breaker::State::Closed => 0,
            breaker::State::Guarded => 1,
            breaker::State::Open | breaker::State::Half | breaker::State::Ramp if can_probe => 0,
            breaker::State::Open | breaker::State::Half | breaker::State::Ramp => 2,
        }
    }

    /// Of two drawn by their weights, the one with less under way for its weight.
    fn less_busy(&self, dice: &mut Dice, equals: &[usize]) -> usize {
        let upstream = |at: usize| self.candidates()[at].upstream;
        let weight = |at: usize| self.fleet.weight(upstream(at));
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
        let load = |at: usize, of: usize| u128::from(self.fleet.in_flight(upstream(at))) * u128::from(weight(of));
        if load(other, one) < load(one, other) { other } else { one }
    }
}
