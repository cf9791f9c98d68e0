//! What people do without Seawall: no retry, the official SDK's, a hand-written loop, a loop with
//! the textbook breaker. Each plays the same story, so that a figure has something to be held
//! against.
//!
//! The waits and limits are those that are found in the field: the SDKs' defaults as read in their
//! sources, five attempts at 1, 2, 4 and 8 s, and "five failures in a row, then nothing for 30 s,
//! then one probe". Where there are several upstreams, a loop is behind a balancer that picks one
//! at random each time; the textbook breaker skips those that are open.

use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::{Outcome, Reason};
use seawall_core::time::Time;
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::{Class, Verdict};

use crate::decide::{Asked, Decide, Said, State};

/// A way to treat failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// One attempt.
    None,
    /// The official SDKs' default: two retries, 0.5 s doubling to 8 s, less up to a quarter.
    Sdk,
    /// Five attempts, 1, 2, 4 and 8 s apart, no jitter, 20 s to the first content of a stream.
    Naive,
    /// The same, behind a breaker for each upstream that opens for 30 s after five failures in a row.
    Classic,
}

/// How long an SDK waits where it was not told otherwise.
const SDK_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a hand-written loop waits for a first token.
const FIRST_CONTENT: Duration = Duration::from_secs(20);
/// Failures in a row that open the textbook breaker.
const TRIP: u32 = 5;
/// How long it stays open.
const OPEN: Duration = Duration::from_secs(30);

impl Habit {
    const fn attempts(self) -> u32 {
        match self {
            Habit::None => 1,
            Habit::Sdk => 3,
            Habit::Naive | Habit::Classic => 5,
        }
    }

    /// The wait after `failures` failures of a request.
    fn wait(self, failures: u32, dice: &mut Dice) -> Duration {
        let doubled = |base: Duration| base.saturating_mul(1 << (failures - 1)).min(Duration::from_secs(8));
        match self {
            Habit::None | Habit::Sdk => {
                let longest = doubled(Duration::from_millis(500));
                dice.duration(longest * 3 / 4, longest)
            }
            Habit::Naive | Habit::Classic => doubled(Duration::from_secs(1)),
        }
    }

    fn limit(self, asked: &Asked<'_>) -> Duration {
        let patience = asked.caller.patience;
        let announced = patience.total.or(patience.read).unwrap_or(SDK_TIMEOUT);
        match self {
            Habit::Naive | Habit::Classic if asked.caller.stream => announced.min(FIRST_CONTENT),
            _ => announced,
        }
    }
}

/// All callers with one habit, and the breakers that they share.
#[derive(Debug)]
pub struct Loops {
    habit: Habit,
    breakers: Vec<Breaker>,
    dice: Dice,
}

/// The textbook breaker.
#[derive(Debug, Clone, Copy, Default)]
struct Breaker {
    failures: u32,
    until: Option<Time>,
    is_probing: bool,
}

/// One request in the loop.
#[derive(Debug)]
pub struct Turn {
    limit: Duration,
    attempts: u32,
    /// Who was asked last.
    last: UpstreamId,
    state: TurnState,
    is_probe: bool,
}

#[derive(Debug, Clone, Copy)]
enum TurnState {
    Due(Time),
    Live(UpstreamId),
    Answered,
    Over(Reason),
}

impl Loops {
    /// Callers with this habit, before so many upstreams.
    #[must_use]
    pub fn new(habit: Habit, upstreams: usize, dice: Dice) -> Loops {
        Loops { habit, breakers: vec![Breaker::default(); upstreams], dice }
    }

    /// An upstream that may be asked now, each as likely as the others.
    fn pick(&mut self, now: Time) -> Option<usize> {
        let habit = self.habit;
        let may = |breaker: &Breaker| habit != Habit::Classic || breaker.may(now);
        let open: Vec<usize> = (0..self.breakers.len()).filter(|&at| may(&self.breakers[at])).collect();
        let last = open.len().checked_sub(1)? as u64;
        Some(open[usize::try_from(self.dice.between(0, last)).expect("an index")])
    }
}

impl Breaker {
    fn may(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now >= until && !self.is_probing)
    }

    fn state(&self) -> State {
        match (self.until, self.is_probing) {
            (None, _) => State::Closed,
            (Some(_), false) => State::Open,
            (Some(_), true) => State::Half,
        }
    }

    fn hear(&mut self, now: Time, is_probe: bool, is_ok: bool) {
        if is_probe {
            self.is_probing = false;
        } else if self.until.is_some() {
            // What began before it opened says nothing about now.
            return;
        }
        if is_ok {
            *self = Breaker::default();
            return;
        }
        self.failures += 1;
        if is_probe || self.failures >= TRIP {
            self.until = Some(now + OPEN);
        }
    }
}

impl Decide for Loops {
    type Course = Turn;

    fn arrived(&mut self, now: Time, asked: Asked<'_>) -> Turn {
        Turn {
            limit: self.habit.limit(&asked),
            attempts: 0,
            last: UpstreamId(0),
            state: TurnState::Due(now),
            is_probe: false,
        }
    }

    fn deadline(&self, _turn: &Turn) -> Time {
        Time::NEVER
    }

    fn step(&mut self, now: Time, turn: &mut Turn) -> Said {
        match turn.state {
            TurnState::Due(until) if now < until => Said::Wait { until, upstream: Some(turn.last) },
            TurnState::Due(_) => {
                let Some(at) = self.pick(now) else {
                    turn.state = TurnState::Over(Reason::NoUpstream);
                    return Said::Fail { reason: Reason::NoUpstream, invites: false };
                };
                let breaker = &mut self.breakers[at];
                turn.is_probe = breaker.until.is_some();
                breaker.is_probing |= turn.is_probe;
                let upstream = UpstreamId(u16::try_from(at).expect("few upstreams"));
                turn.attempts += 1;
                turn.last = upstream;
                turn.state = TurnState::Live(upstream);
                Said::Send { attempt: turn.attempts, upstream, until: now + turn.limit, look: None }
            }
            TurnState::Live(upstream) => Said::Wait { until: Time::NEVER, upstream: Some(upstream) },
            TurnState::Answered => Said::Relay { attempt: turn.attempts },
            TurnState::Over(reason) => Said::Fail { reason, invites: false },
        }
    }

    fn heard(&mut self, now: Time, turn: &mut Turn, attempt: u32, verdict: &Verdict, _is_informative: bool) {
        let TurnState::Live(upstream) = turn.state else { return };
        if attempt != turn.attempts {
            return;
        }
        let is_ok = verdict.class == Class::Ok;
        if self.habit == Habit::Classic {
            self.breakers[upstream.index()].hear(now, turn.is_probe, is_ok);
        }
        turn.state = if is_ok {
            TurnState::Answered
        } else if turn.attempts >= self.habit.attempts() {
            TurnState::Over(Reason::Attempts)
        } else if verdict.again == seawall_core::verdict::Again::No {
            TurnState::Over(Reason::Class)
        } else {
            TurnState::Due(now + self.habit.wait(turn.attempts, &mut self.dice))
        };
    }

    fn left(&mut self, _now: Time, turn: &mut Turn) {
        if let (TurnState::Live(upstream), true) = (turn.state, turn.is_probe) {
            self.breakers[upstream.index()].is_probing = false;
        }
        if !matches!(turn.state, TurnState::Answered | TurnState::Over(_)) {
            turn.state = TurnState::Over(Reason::CallerLeft);
        }
    }

    fn broke(&mut self, _now: Time, _turn: &mut Turn) {}

    fn outcome(&self, turn: &Turn) -> Outcome {
        if turn.attempts > 1 { Outcome::Retried } else { Outcome::Passed }
    }

    fn breaker(&self, upstream: UpstreamId) -> Option<State> {
        (self.habit == Habit::Classic).then(|| self.breakers[upstream.index()].state())
    }

    fn held(&self) -> u32 {
        self.breakers.iter().map(|breaker| u32::from(breaker.is_probing)).sum()
    }
}
