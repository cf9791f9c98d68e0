//! When to stop asking an upstream: a run of failures, or a rate of them.
//!
//! A breaker that refuses everything after five failures turns noise into an outage: with one
//! upstream and one reply in five failing, it answers less than no breaker at all. So it has
//! degrees. Cheap evidence (5 in a row) stops what is cheap to lose: retries at the same place,
//! and first attempts that can go elsewhere. Only near-total failure (10 in a row, or surely 9 of
//! 10) refuses the first attempts of the last upstream, for a second, and for five at most.
//!
//! Evidence from one moment is none, nor is that of one request sent again and again: errors are
//! quicker than answers, so that of a burst the failures are heard of first. A run counts only if
//! its attempts were begun some time apart, a rate only if its votes came at different times, and
//! either opens it only if different bodies failed.
//!
//! - *closed*: everything passes. *guarded*: first attempts pass, a second visit does not.
//! - *open*: nothing passes until a moment. *half open*: a probe does, and another if it is slow.
//! - *ramp*: a probe succeeded; 2, 4, 8, 16 at a time, so that the herd does not return at once.
//!
//! Of several probes the one begun last knows best. One begun earlier that fails, by its limit as a
//! rule, says how the upstream was: it opens nothing while others are under way, or an upstream that
//! works off what had piled up is refused once more in the very moment in which it is well again.
//!
//! A pure machine: states change when something is asked or reported, never by themselves, and a
//! wake that comes late changes nothing. It must never refuse for ever, whatever is not reported;
//! nor be moved by the verdict of an attempt that was begun before the state it is reported in.
//!
//! What neither run nor rate shows is decided thus. Half open or ramping, with all that is allowed
//! under way and silent for `open_max`, what is under way is given up for lost: it is no longer
//! counted, so that others may go, but a verdict of it is still believed when it comes, or an
//! upstream whose answers take longer than that could never be found well.

mod streak;
mod window;

use std::time::Duration;

use crate::dice::Dice;
use crate::time::{Time, micros};
use crate::words::words;

pub use streak::{BODIES_MIN, SPREAD_MIN, SPREAD_SOLO_MIN, STREAK_MAX};

use streak::{Failure, Streak};
use window::Window;

/// Where a refusal waits for a verdict and not for the clock, this is when to ask again.
pub const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Requests at a time when ramping begins.
const RAMP_START: u32 = 2;

/// What the operator may decide about the breaker. Every count is 1 or more; 0 counts as 1. A run
/// of failures counts once its attempts were begun [`SPREAD_MIN`] apart, first to last, or
/// [`SPREAD_SOLO_MIN`] to open the last upstream; so a run of one never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Failed requests in a row after which retries at the same place stop. 5. Up to [`STREAK_MAX`].
    pub guard: u32,
    /// Failed requests in a row after which requests go elsewhere, while another upstream is well. 5.
    /// Up to [`STREAK_MAX`].
    pub open_alt: u32,
    /// Failed requests in a row after which the last upstream is no longer asked. 10. Up to
    /// [`STREAK_MAX`].
    pub open_solo: u32,
    /// Whether the last upstream may be refused at all. If not, it is guarded in place of it. True.
    pub solo_refuse: bool,
    /// The span in which the rate of failures is counted. 30 s.
    pub window: Duration,
    /// Attempts in the window below which a rate says nothing. 20.
    pub window_min: u32,
    /// The rate, in parts of a thousand, that must surely be exceeded while another upstream is well. 200.
    /// 1000 is never exceeded.
    pub rate_alt: u32,
    /// The rate, in parts of a thousand, that must surely be exceeded by the last upstream. 900.
    /// 1000 is never exceeded.
    pub rate_solo: u32,
    /// How long nothing is sent, the first time: a fifth more or less, but never more than `open_max`. 1 s.
    pub open: Duration,
    /// The longest that nothing is sent, whatever doubling and chance lead to: at last it is this long or up to
    /// a third less. Less than `open` counts as `open`. Also how long everything under way may be silent before
    /// it is given up for lost. 5 s.
    pub open_max: Duration,
    /// A probe that has not ended after this does not keep the next from being sent. 2 s.
    pub probe_every: Duration,
    /// Probes under way at a time, not counting those given up for lost. 8.
    pub probes_max: u32,
    /// Requests that must succeed before everything is let through again, the probe included. 5.
    pub close_after: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            guard: 5,
            open_alt: 5,
            open_solo: 10,
            solo_refuse: true,
            window: Duration::from_secs(30),
            window_min: 20,
            rate_alt: 200,
            rate_solo: 900,
            open: Duration::from_secs(1),
            open_max: Duration::from_secs(5),
            probe_every: Duration::from_secs(2),
            probes_max: 8,
            close_after: 5,
        }
    }
}

/// What sort of attempt asks to be let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The first visit of a request to this place, be it by failover.
    First,
    /// At a place that this request has already asked.
    Retry,
    /// Beside an attempt that is still under way.
    Hedge,
}

words! {
    /// How much passes.
    pub enum State {
        /// Everything.
        Closed = "closed",
        /// First attempts, but no retry and no hedge.
        Guarded = "guarded",
        /// Nothing.
        Open = "open",
        /// A probe, to see whether it is well again.
        Half = "half_open",
        /// A few at a time, doubling with each success.
        Ramp = "ramp",
    }
}

/// The leave to begin one attempt. Each is reported exactly once, with [`Vote::None`] if the
/// attempt was dropped or never begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    generation: u64,
    round: u32,
    /// When it was given.
    began: Time,
}

/// What an attempt says of its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    /// It is well.
    Ok,
    /// It is not, says `request` (equal for all attempts at one request), whose body has the
    /// fingerprint `body` (equal for equal bodies).
    Fail {
        /// The request.
        request: u64,
        /// The fingerprint.
        body: u64,
    },
    /// Nothing: the attempt was cancelled, or failed by its caller's fault.
    None,
}

/// The breaker of one upstream and model. About 300 bytes, and at most 1 KiB besides once
/// something has failed. All times are handed in and may repeat; an earlier one counts as the
/// latest seen.
#[derive(Debug, Clone)]
pub struct Breaker {
    phase: Phase,
    /// Counts the changes of state but for those between closed and guarded: a permit of an
    /// earlier one is stale.
    generation: u64,
    /// Counts how often what was under way has been given up for lost.
    round: u32,
    latest: Time,
    /// How long it was open the last time, in microseconds, before jitter.
    open_for: u64,
    streak: Streak,
    window: Window,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Guarded,
    Open {
        until: Time,
    },
    Half {
        under_way: u32,
        /// When the latest probe was let through.
        granted: Time,
    },
    Ramp {
        /// So many at a time.
        cap: u32,
        under_way: u32,
        succeeded: u32,
        /// When the latest request was let through.
        granted: Time,
    },
}

/// What a permit would change.
#[derive(Clone, Copy)]
enum Grant {
    /// Nothing.
    Pass,
    /// One more is under way.
    Counted,
    /// What was under way is given up, and one is.
    Anew,
    /// It becomes half open, with this the first probe.
    Probe,
    /// The last upstream may not be refused: it becomes guarded.
    Degrade,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::new()
    }
}

impl Breaker {
    /// Closed, and nothing known.
    #[must_use]
    pub fn new() -> Breaker {
        Breaker {
            phase: Phase::Closed,
            generation: 1,
            round: 0,
            latest: Time::ZERO,
            open_for: 0,
            streak: Streak::default(),
            window: Window::default(),
        }
    }

    // What is known.

    /// The state after what was last asked and reported: one that is open stays so until
    /// somebody is let through.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Guarded => State::Guarded,
            Phase::Open { .. } => State::Open,
            Phase::Half { .. } => State::Half,
            Phase::Ramp { .. } => State::Ramp,
        }
    }

    /// Attempts under way that were let through one by one, without those given up for lost: none
    /// unless half open or ramping.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        match self.phase {
            Phase::Half { under_way, .. } | Phase::Ramp { under_way, .. } => under_way,
            Phase::Closed | Phase::Guarded | Phase::Open { .. } => 0,
        }
    }

    /// Whether [`Breaker::acquire`] would let an attempt of `kind` through at `now`, while some
    /// other upstream of the group is closed (`alt`).
    ///
    /// # Errors
    /// The earliest moment at which it might, always after `now`. If nothing is reported until then,
    /// a first attempt is let through at that moment; where a verdict is awaited it may take some
    /// waits of [`AGAIN_AFTER`], and retries and hedges wait for the state to change.
    pub fn would_grant(&self, now: Time, config: &Config, kind: Kind, alt: bool) -> Result<(), Time> {
        self.decide(now.max(self.latest), config, kind, alt).map(|_| ())
    }

    // What happens.

    /// Lets an attempt of `kind` through at `now`, or not. `alt`: some other upstream of the group
    /// is closed. A refusal changes nothing but the latest time seen.
    ///
    /// # Errors
    /// As of [`Breaker::would_grant`].
    pub fn acquire(&mut self, now: Time, config: &Config, kind: Kind, alt: bool) -> Result<Permit, Time> {
        let now = self.advance(now);
        let grant = self.decide(now, config, kind, alt)?;
        if let Grant::Degrade = grant {
            self.enter(Phase::Guarded);
        }
        if let Grant::Probe = grant {
            self.enter(Phase::Half { under_way: 0, granted: now });
        }
        if let Phase::Half { under_way, granted } | Phase::Ramp { under_way, granted, .. } = &mut self.phase {
            if let Grant::Anew = grant {
                self.round = self.round.wrapping_add(1);
                *under_way = 0;
            }
            *under_way = under_way.saturating_add(1);
            *granted = now;
        }
        Ok(Permit { generation: self.generation, round: self.round, began: now })
    }

    /// The attempt that `permit` was for has ended. A permit from before a change of state
    /// changes nothing.
    pub fn report(&mut self, now: Time, config: &Config, dice: &mut Dice, permit: Permit, vote: Vote, alt: bool) {
        let now = self.advance(now);
        if permit.generation != self.generation {
            return;
        }
        if permit.round == self.round
            && let Phase::Half { under_way, .. } | Phase::Ramp { under_way, .. } = &mut self.phase
        {
            *under_way = under_way.saturating_sub(1);
        }
        match vote {
            Vote::Ok => self.succeeded(now, config),
            Vote::Fail { request, body } => {
                let failure = Failure { request, body, began: permit.began };
                self.failed(now, config, dice, failure, alt);
            }
            Vote::None => {}
        }
    }

    /// A stream of `request` broke after its attempt had been reported as [`Vote::Ok`]: a failure
    /// without a permit, of an attempt that counts as begun now. Open and half open, it says
    /// nothing new.
    pub fn mid_stream(&mut self, now: Time, config: &Config, dice: &mut Dice, request: u64, body: u64, alt: bool) {
        let now = self.advance(now);
        if !matches!(self.phase, Phase::Half { .. }) {
            self.failed(now, config, dice, Failure { request, body, began: now }, alt);
        }
    }

    // How it is decided.

    fn advance(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn decide(&self, now: Time, config: &Config, kind: Kind, alt: bool) -> Result<Grant, Time> {
        let soon = now + AGAIN_AFTER;
        let may_refuse = alt || config.solo_refuse;
        match self.phase {
            Phase::Closed => Ok(Grant::Pass),
            Phase::Guarded if kind == Kind::First => Ok(Grant::Pass),
            Phase::Guarded => Err(soon),
            _ if !may_refuse && kind == Kind::First => Ok(Grant::Degrade),
            _ if !may_refuse => Err(soon),
            Phase::Open { until } if now < until => Err(until),
            Phase::Open { .. } | Phase::Half { .. } if kind == Kind::Hedge => Err(soon),
            Phase::Open { .. } => Ok(Grant::Probe),
            Phase::Half { under_way, granted } => {
                let has_room = under_way < config.probes_max.max(1);
                let pause = if has_room { config.probe_every } else { patience(config) };
                match granted + pause {
                    _ if under_way == 0 => Ok(Grant::Counted),
                    next if now < next => Err(next),
                    _ if has_room => Ok(Grant::Counted),
                    _ => Ok(Grant::Anew),
                }
            }
            Phase::Ramp { .. } if kind != Kind::First => Err(soon),
            Phase::Ramp { cap, under_way, .. } if under_way < cap => Ok(Grant::Counted),
            Phase::Ramp { granted, .. } => match granted + patience(config) {
                lost if now < lost => Err(soon.min(lost)),
                _ => Ok(Grant::Anew),
            },
        }
    }

    fn succeeded(&mut self, now: Time, config: &Config) {
        match &mut self.phase {
            Phase::Closed | Phase::Guarded => {
                self.phase = Phase::Closed;
                self.streak.clear();
                self.window.count(now, config.window, None);
            }
            Phase::Open { .. } => {}
            Phase::Half { .. } if config.close_after <= 1 => self.enter(Phase::Closed),
            Phase::Half { .. } => {
                self.enter(Phase::Ramp { cap: RAMP_START, under_way: 0, succeeded: 1, granted: now });
            }
            Phase::Ramp { cap, succeeded, .. } => {
                *cap = cap.saturating_mul(2);
                *succeeded = succeeded.saturating_add(1);
                let is_well = *succeeded >= config.close_after;
                self.streak.clear();
                if is_well {
                    self.enter(Phase::Closed);
                }
            }
        }
    }

    fn failed(&mut self, now: Time, config: &Config, dice: &mut Dice, failure: Failure, alt: bool) {
        match &mut self.phase {
            Phase::Closed | Phase::Guarded => {
                self.window.count(now, config.window, Some(failure.body));
                self.streak.vote(failure);
                self.weigh(now, config, dice, alt);
            }
            Phase::Open { .. } => {}
            // Who was begun later knows better.
            Phase::Half { under_way, granted } if *under_way > 0 && failure.began < *granted => {}
            Phase::Half { .. } => self.open(now, config, dice, alt),
            Phase::Ramp { cap, .. } => {
                *cap = (*cap / 2).max(1);
                self.streak.vote(failure);
                // One body alone holds it at one request at a time, and takes it from nobody. How far
                // apart they began does not matter: there are few at a time, after a failure was proved.
                if alt || self.streak.reaches(config.guard) && self.streak.is_varied() {
                    self.open(now, config, dice, alt);
                }
            }
        }
    }

    /// Closed or guarded: whether the evidence is enough to open, or to guard.
    fn weigh(&mut self, now: Time, config: &Config, dice: &mut Dice, alt: bool) {
        let (run, spread, rate) = match alt {
            true => (config.open_alt, SPREAD_MIN, config.rate_alt),
            false => (config.open_solo, SPREAD_SOLO_MIN, config.rate_solo),
        };
        let is_run = self.streak.reaches(run) && self.streak.is_varied() && self.streak.spans(spread);
        if is_run || self.window.exceeds(config.window_min, rate) {
            self.open(now, config, dice, alt);
        } else if self.streak.reaches(config.guard.min(run)) && self.streak.spans(SPREAD_MIN) {
            self.phase = Phase::Guarded;
        }
    }

    /// Refuses for a while: at first for `open`, then for twice as long each time until it closes.
    fn open(&mut self, now: Time, config: &Config, dice: &mut Dice, alt: bool) {
        let was_asked = matches!(self.phase, Phase::Closed | Phase::Guarded);
        if !alt && !config.solo_refuse {
            // The run and the rate go on being counted where they are.
            if was_asked {
                self.phase = Phase::Guarded;
            } else {
                self.enter(Phase::Guarded);
            }
            return;
        }
        let first = micros(config.open);
        let usual = if was_asked { first } else { self.open_for.saturating_mul(2) };
        // Five sixths: with the fifth that chance may add, it is the longest.
        self.open_for = usual.min(first.max(micros(config.open_max)) / 6 * 5);
        let fifth = self.open_for / 5;
        let wait = dice.between(self.open_for - fifth, self.open_for + fifth);
        self.enter(Phase::Open { until: now + Duration::from_micros(wait) });
    }

    /// A change of state: what was counted before it says nothing after it.
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
        self.streak.clear();
        self.window.clear();
    }
}

/// How long everything under way may be silent before it is given up for lost.
fn patience(config: &Config) -> Duration {
    config.open_max.max(config.probe_every)
}

#[cfg(test)]
mod tests;
