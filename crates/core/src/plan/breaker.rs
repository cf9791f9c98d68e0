//! When to stop asking an upstream: a run of failures, or a rate of them.
//!
//! The usual breaker (five failures, then nothing for half a minute) makes a partial outage worse:
//! with a fifth of requests failing by chance it turns 99.8 % success into 78 %. This one goes by
//! degrees. Five in a row end the *retries* here, which is cheap and undone by one success. Only
//! near-total failure ends first attempts, unless another upstream is well: then five are enough.
//! Coming back is gradual too: one probe, then two at a time, four, eight, until five succeeded.
//!
//! Permits carry a generation: what an attempt from before the last change has to say moves
//! nothing. No state refuses for ever, whatever is never reported, and no timer is needed: every
//! change is made when somebody asks.

use std::collections::VecDeque;
use std::time::Duration;

use crate::dice::Dice;
use crate::time::{Time, micros};
use crate::words::words;

/// What the operator may decide about the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Failed requests in a row after which retries at the same place stop. 5.
    pub guard: u32,
    /// Failed requests in a row after which requests go elsewhere, while another upstream is well. 5.
    pub open_alt: u32,
    /// Failed requests in a row after which the last upstream is no longer asked. 10.
    pub open_solo: u32,
    /// Whether the last upstream may be refused at all.
    pub solo_refuse: bool,
    /// The span in which the rate of failures is counted. 30 s.
    pub window: Duration,
    /// Requests in the window below which a rate says nothing. 20.
    pub window_min: u32,
    /// The rate, in parts of a thousand, that must surely be exceeded while another upstream is well. 200.
    pub rate_alt: u32,
    /// The rate, in parts of a thousand, that must surely be exceeded by the last upstream. 900.
    pub rate_solo: u32,
    /// How long nothing is sent, the first time. 1 s.
    pub open: Duration,
    /// The longest that doubling leads to. 5 s.
    pub open_max: Duration,
    /// A probe that has not ended after this does not keep the next from being sent. 2 s.
    pub probe_every: Duration,
    /// Probes under way at a time. 8.
    pub probes_max: u32,
    /// Requests that must succeed before everything is let through again. 5.
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

/// A rate must be exceeded with this certainty: z = 1.645, in thousandths, is 95 % one-sided.
const Z: u128 = 1_645;
/// Buckets in the window.
const BUCKETS: usize = 10;
/// Distinct bodies that must have failed before nothing is sent any more: one developer who runs
/// one broken request again and again must not take the model away from everybody.
pub const BODIES_MIN: usize = 3;
/// A run of failures must come from attempts begun at least this far apart. Errors are quicker than
/// answers: of two hundred requests sent at once from idle, the failed fifth is heard of first, and
/// would look like an outage.
const SPREAD_MIN: Duration = Duration::from_millis(100);
/// The same, before the last upstream is refused: ten in a row happen by chance every 2,050 attempts
/// at a failure rate of one half, which is every two seconds at a thousand a second.
const SPREAD_SOLO_MIN: Duration = Duration::from_millis(500);
/// Requests of a run of failures that are remembered, so that each votes once: the largest
/// `open_alt` and `open_solo` that a configuration may ask for.
pub const VOTERS_MAX: usize = 100;
/// The first requests let through at once after a probe was answered.
const RAMP_START: u32 = 2;
/// No more than this at once while ramping up, however often it doubles.
const RAMP_MAX: u32 = 1 << 20;
/// When a place in the ramp may be free again.
const RAMP_LOOK: Duration = Duration::from_millis(250);

words! {
    /// How far a breaker has gone.
    pub enum State {
        /// Everything is let through.
        Closed = "closed",
        /// First attempts are let through, and retries at the same place are not.
        Guarded = "guarded",
        /// Nothing is let through.
        Open = "open",
        /// Probes are let through, one at a time.
        Half = "half_open",
        /// A growing number is let through.
        Ramp = "ramp",
    }
}

/// What the attempt is to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first of this request at this place.
    First,
    /// Another one, at a place that this request has already asked.
    Retry,
    /// One beside another.
    Hedge,
}

/// Leave to send one attempt. Each is reported exactly once, whatever becomes of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    generation: u64,
    began: Time,
}

/// What an attempt says about the place it was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    /// It answers.
    Ok,
    /// It does not.
    Fail {
        /// Whose attempt it was: a request votes once in a run of failures.
        request: u64,
        /// The fingerprint of the request's body.
        body: u64,
    },
    /// Nothing: the caller left, or the failure was the caller's own.
    None,
}

/// The breaker of one model at one upstream.
#[derive(Debug, Clone)]
pub struct Breaker {
    phase: Phase,
    /// Permits of an earlier generation move nothing.
    generation: u64,
    last: Time,
    /// How long it opens the next time it fails while half open.
    open: Duration,
    /// Failed requests in a row.
    streak: u32,
    /// Request and body of each failure in a row.
    voters: VecDeque<(u64, u64)>,
    /// When the first and the last of their attempts began.
    began: Option<(Time, Time)>,
    window: Window,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Guarded,
    Open { until: Time },
    Half { in_flight: u32, last_probe: Option<Time> },
    Ramp { cap: u32, in_flight: u32, last_grant: Time, successes: u32, streak: u32 },
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::new()
    }
}

impl Breaker {
    /// Closed, with nothing known.
    #[must_use]
    pub fn new() -> Breaker {
        Breaker {
            phase: Phase::Closed,
            generation: 1,
            last: Time::ZERO,
            open: Duration::ZERO,
            streak: 0,
            voters: VecDeque::new(),
            began: None,
            window: Window::default(),
        }
    }

    /// How far it has gone. An open one whose time is over stays open until somebody asks.
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

    /// Attempts under way that were let through one by one: none unless half open or ramping up.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        match self.phase {
            Phase::Half { in_flight, .. } | Phase::Ramp { in_flight, .. } => in_flight,
            _ => 0,
        }
    }

    /// Whether [`Breaker::acquire`] would let an attempt through now; if not, when it might.
    /// `alt` says that another upstream of the group is closed.
    ///
    /// # Errors
    /// The earliest moment at which it is worth asking again.
    pub fn would_grant(&self, now: Time, config: &Config, kind: Kind, alt: bool) -> Result<(), Time> {
        let now = now.max(self.last);
        let later = |time: Time| Err(time.max(now));
        match self.phase {
            Phase::Closed => Ok(()),
            Phase::Guarded if kind == Kind::First => Ok(()),
            // Guarded until a first attempt succeeds: there is no moment to name.
            Phase::Guarded => later(now + config.probe_every),
            Phase::Open { .. } if is_lenient(config, alt) => {
                if kind == Kind::First {
                    Ok(())
                } else {
                    later(now + config.probe_every)
                }
            }
            Phase::Open { until } if now < until => later(until),
            Phase::Open { .. } if kind == Kind::Hedge => later(now + config.probe_every),
            Phase::Open { .. } => Ok(()),
            Phase::Half { .. } if kind == Kind::Hedge => later(now + config.probe_every),
            Phase::Half { in_flight: 0, .. } | Phase::Half { last_probe: None, .. } => Ok(()),
            Phase::Half { in_flight, last_probe: Some(last) } => {
                // Probes that nobody reports must not close the door for ever: past the limit they
                // come, but seldom.
                let turns = if in_flight < config.probes_max { 1 } else { config.probes_max };
                let next = last + config.probe_every.saturating_mul(turns);
                if now >= next { Ok(()) } else { later(next) }
            }
            Phase::Ramp { .. } if kind != Kind::First => later(now + RAMP_LOOK),
            Phase::Ramp { cap, in_flight, .. } if in_flight < cap => Ok(()),
            Phase::Ramp { last_grant, .. } if now >= last_grant + config.probe_every => Ok(()),
            Phase::Ramp { .. } => later(now + RAMP_LOOK),
        }
    }

    /// Lets an attempt through, or not; as [`Breaker::would_grant`] says.
    ///
    /// # Errors
    /// The earliest moment at which it is worth asking again.
    pub fn acquire(&mut self, now: Time, config: &Config, kind: Kind, alt: bool) -> Result<Permit, Time> {
        self.last = now.max(self.last);
        let now = self.last;
        self.would_grant(now, config, kind, alt)?;
        if let Phase::Open { .. } = self.phase {
            let lenient = is_lenient(config, alt);
            self.enter(if lenient { Phase::Guarded } else { Phase::Half { in_flight: 0, last_probe: None } });
        }
        match &mut self.phase {
            Phase::Half { in_flight, last_probe } => {
                *in_flight += 1;
                *last_probe = Some(now);
            }
            Phase::Ramp { in_flight, last_grant, .. } => {
                *in_flight += 1;
                *last_grant = now;
            }
            Phase::Closed | Phase::Guarded | Phase::Open { .. } => {}
        }
        Ok(Permit { generation: self.generation, began: now })
    }

    /// What became of the attempt that `permit` was for.
    pub fn report(&mut self, now: Time, config: &Config, dice: &mut Dice, permit: Permit, vote: Vote, alt: bool) {
        self.last = now.max(self.last);
        if permit.generation != self.generation {
            return;
        }
        match (&mut self.phase, vote) {
            (Phase::Closed | Phase::Guarded, Vote::Ok) => {
                self.forget_streak();
                self.window.count(self.last, config.window, None);
                self.phase = Phase::Closed;
            }
            (Phase::Closed | Phase::Guarded, Vote::Fail { request, body }) => {
                self.failed(config, dice, permit.began, (request, body), alt);
            }
            (Phase::Closed | Phase::Guarded | Phase::Open { .. }, _) => {}
            (Phase::Half { in_flight, .. } | Phase::Ramp { in_flight, .. }, Vote::None) => {
                *in_flight = in_flight.saturating_sub(1);
            }
            (Phase::Half { .. }, Vote::Ok) => {
                self.enter(Phase::Ramp { cap: RAMP_START, in_flight: 0, last_grant: now, successes: 1, streak: 0 });
                self.close_if_proved(config);
            }
            (Phase::Half { .. }, Vote::Fail { .. }) => self.open_again(config, dice),
            (Phase::Ramp { cap, in_flight, successes, streak, .. }, Vote::Ok) => {
                *in_flight = in_flight.saturating_sub(1);
                *successes += 1;
                *cap = cap.saturating_mul(2).min(RAMP_MAX);
                *streak = 0;
                self.close_if_proved(config);
            }
            (Phase::Ramp { in_flight, .. }, Vote::Fail { .. }) => {
                *in_flight = in_flight.saturating_sub(1);
                self.slipped(config, dice, alt);
            }
        }
    }

    /// A stream broke after its first content, for which a vote of success had been cast: one more
    /// vote, without a permit.
    pub fn mid_stream(&mut self, now: Time, config: &Config, dice: &mut Dice, request: u64, body: u64, alt: bool) {
        self.last = now.max(self.last);
        match self.phase {
            Phase::Closed | Phase::Guarded => self.failed(config, dice, now, (request, body), alt),
            Phase::Ramp { .. } => self.slipped(config, dice, alt),
            Phase::Open { .. } | Phase::Half { .. } => {}
        }
    }

    /// A failure while everything, or every first attempt, is let through.
    fn failed(&mut self, config: &Config, dice: &mut Dice, began: Time, (request, body): (u64, u64), alt: bool) {
        self.window.count(self.last, config.window, Some(body));
        if self.voters.iter().all(|(voter, _)| *voter != request) {
            if self.voters.len() >= VOTERS_MAX {
                self.voters.pop_front();
            }
            self.voters.push_back((request, body));
            self.streak = self.streak.saturating_add(1);
            let (first, last) = self.began.unwrap_or((began, began));
            self.began = Some((first.min(began), last.max(began)));
        }
        let (in_a_row, rate) =
            if alt { (config.open_alt, config.rate_alt) } else { (config.open_solo, config.rate_solo) };
        let enough = BODIES_MIN.min(in_a_row as usize);
        let spread = self.began.map_or(Duration::ZERO, |(first, last)| last.since(first));
        let spread_min = if alt { SPREAD_MIN } else { SPREAD_SOLO_MIN };
        let by_streak = self.streak >= in_a_row && spread >= spread_min && self.bodies() >= enough;
        let by_rate = self.window.bodies(self.last, config.window) >= BODIES_MIN
            && self.window.surely_exceeds(self.last, config, rate);
        if (by_streak || by_rate) && !is_lenient(config, alt) {
            self.open = config.open;
            self.shut(dice);
        } else if by_streak || by_rate || (self.streak >= config.guard && spread >= SPREAD_MIN) {
            self.phase = Phase::Guarded;
        }
    }

    fn forget_streak(&mut self) {
        if self.streak > 0 {
            self.streak = 0;
            self.voters.clear();
            self.began = None;
        }
    }

    /// Distinct bodies in this run of failures; counted no further than matters.
    fn bodies(&self) -> usize {
        let mut seen = [0; BODIES_MIN];
        let mut count = 0;
        for (_, body) in &self.voters {
            if count < BODIES_MIN && !seen[..count].contains(body) {
                seen[count] = *body;
                count += 1;
            }
        }
        count
    }

    /// A failure while ramping up.
    fn slipped(&mut self, config: &Config, dice: &mut Dice, alt: bool) {
        let Phase::Ramp { cap, streak, .. } = &mut self.phase else { return };
        *cap = (*cap / 2).max(1);
        *streak += 1;
        if alt || *streak >= config.guard {
            self.open_again(config, dice);
        }
    }

    fn close_if_proved(&mut self, config: &Config) {
        if matches!(self.phase, Phase::Ramp { successes, .. } if successes >= config.close_after) {
            self.enter(Phase::Closed);
            self.forget_streak();
            self.window = Window::default();
        }
    }

    fn open_again(&mut self, config: &Config, dice: &mut Dice) {
        self.open = self.open.saturating_mul(2).max(config.open).min(config.open_max);
        self.shut(dice);
    }

    /// A fifth more or less, so that many gateways do not probe together.
    fn shut(&mut self, dice: &mut Dice) {
        let fifth = self.open / 5;
        let until = self.last + dice.duration(self.open.saturating_sub(fifth), self.open + fifth);
        self.enter(Phase::Open { until });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}

/// The last upstream may not be refused: it is never worse than guarded.
const fn is_lenient(config: &Config, alt: bool) -> bool {
    !config.solo_refuse && !alt
}

/// Votes of the last while, in buckets.
#[derive(Debug, Clone, Default)]
struct Window {
    /// Successes and failures.
    buckets: [(u32, u32); BUCKETS],
    /// The number of the newest bucket, from the beginning of time.
    newest: u64,
    /// The bodies that failed last, and when: no two the same.
    failed: [Option<(u64, Time)>; BODIES_MIN],
}

impl Window {
    fn count(&mut self, now: Time, window: Duration, failed: Option<u64>) {
        let at = self.turn(now, window);
        match failed {
            None => self.buckets[at].0 = self.buckets[at].0.saturating_add(1),
            Some(body) => {
                self.buckets[at].1 = self.buckets[at].1.saturating_add(1);
                let same = self.failed.iter().position(|slot| slot.is_some_and(|(known, _)| known == body));
                let oldest = || (0..BODIES_MIN).min_by_key(|&slot| self.failed[slot].map(|(_, at)| at));
                if let Some(slot) = same.or_else(oldest) {
                    self.failed[slot] = Some((body, now));
                }
            }
        }
    }

    /// Clears what is too old, and finds the bucket of `now`.
    fn turn(&mut self, now: Time, window: Duration) -> usize {
        let number = now.as_micros() / (micros(window) / BUCKETS as u64).max(1);
        let passed = number.saturating_sub(self.newest);
        for step in 1..=passed.min(BUCKETS as u64) {
            self.buckets[index(self.newest + step)] = (0, 0);
        }
        self.newest = self.newest.max(number);
        index(self.newest)
    }

    fn bodies(&self, now: Time, window: Duration) -> usize {
        self.failed.iter().flatten().filter(|(_, at)| now.since(*at) <= window).count()
    }

    /// Whether the rate of failures is above `rate` thousandths with certainty. The lower end of
    /// Wilson's interval exceeds p exactly if k - np > z·√(np(1-p)), which needs no division.
    fn surely_exceeds(&mut self, now: Time, config: &Config, rate: u32) -> bool {
        self.turn(now, config.window);
        let sum = |of: fn(&(u32, u32)) -> u32| self.buckets.iter().map(|b| u128::from(of(b))).sum::<u128>();
        let (failures, n) = (sum(|b| b.1), sum(|b| b.0) + sum(|b| b.1));
        // Not from one moment alone, for the same reason as with a run of failures.
        let spread = self.buckets.iter().filter(|b| b.0 + b.1 > 0).count() >= 2;
        spread && n >= u128::from(config.window_min) && exceeds(failures, n, u128::from(rate.min(1_000)))
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number % BUCKETS as u64).unwrap_or(0)
}

/// Whether `k` of `n` is more than `rate` thousandths, with the certainty of [`Z`].
fn exceeds(k: u128, n: u128, rate: u128) -> bool {
    // All in thousandths: (1000 k - n·rate)² · 1000² > Z² · n · rate · (1000 - rate).
    match (1_000 * k).checked_sub(n * rate) {
        None | Some(0) => false,
        Some(over) => over * over * 1_000_000 > Z * Z * n * rate * (1_000 - rate),
    }
}
