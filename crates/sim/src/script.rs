//! Who asks, what breaks, when: all that a rehearsal is given, besides its seed.
//!
//! Arrivals are an open loop (a Poisson process): callers do not wait for one another, as the
//! users of a service do not, so a slow upstream meets the same load as a fast one. Everything is
//! integers, so that a seed tells the same story on every machine.

use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::Reason;
use seawall_core::plan::shapes::Form;
use seawall_core::request::{Endpoint, Patience, Repeatable};
use seawall_core::time::{Time, micros};
use seawall_core::verdict::{Again, Class};

/// A rehearsal, but for its policy and its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What each upstream goes through, the preferred first: phases by their beginning, the first
    /// at zero.
    pub upstreams: Vec<Vec<Phase>>,
    /// The kinds of caller, each as likely as the others. Not empty.
    pub callers: Vec<Caller>,
    /// The mean time between two arrivals.
    pub gap: Duration,
    /// How long callers arrive. What they began is played to its end.
    pub length: Duration,
    /// How late a wake or a word reaches the plan: threads are busy, timers are coarse.
    pub lag: Span,
}

/// Any duration from `low` to `high`, both included, with the same probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The least.
    pub low: Duration,
    /// The most.
    pub high: Duration,
}

/// How an upstream behaves from some moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// When it begins, from the start of the rehearsal.
    pub from: Duration,
    /// How long a good answer takes (of a stream: its first content).
    pub answers_in: Span,
    /// How often an attempt fails instead, in parts of a million, and how. The sum is at most a million.
    pub failures: Vec<(u32, Failure)>,
}

/// One way for an attempt to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// What it ends in.
    pub class: Class,
    /// Where to ask again.
    pub again: Again,
    /// `Retry-After`.
    pub wait: Option<Duration>,
    /// How long it takes to fail.
    pub fails_in: Span,
    /// Whether there is a reply to give to the caller.
    pub is_informative: bool,
}

/// A kind of caller, and what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Whether it asks for a stream.
    pub stream: bool,
    /// What may be sent twice.
    pub repeatable: Repeatable,
    /// Whether its body was kept, and if not, why.
    pub replay: Result<(), Reason>,
    /// What it says about its patience.
    pub patience: Patience,
    /// `x-stainless-retry-count`.
    pub client_retries: u32,
    /// `x-seawall-max-retries`.
    pub max_retries: Option<u32>,
    /// When it walks away, counted from its arrival, whatever it may have said.
    pub leaves_after: Option<Span>,
}

impl Caller {
    /// The form of what it asks for: all that tells it from others here is whether it is a stream.
    pub(crate) fn form(&self) -> Form {
        Form::plain(Endpoint::ChatCompletions, self.stream)
    }
}

impl Default for Caller {
    /// A plain request that may be repeated, by somebody who says nothing and waits.
    fn default() -> Self {
        Caller {
            stream: false,
            repeatable: Repeatable::Yes,
            replay: Ok(()),
            patience: Patience::default(),
            client_retries: 0,
            max_retries: None,
            leaves_after: None,
        }
    }
}

/// What an upstream does with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// An answer, after this long.
    Answer(Duration),
    /// A failure, after this long.
    Failure(Duration, Failure),
}

impl Script {
    /// Callers of one kind, `gap` apart on average for `length`; punctual timers.
    #[must_use]
    pub fn of(upstreams: Vec<Vec<Phase>>, gap: Duration, length: Duration) -> Script {
        Script { upstreams, callers: vec![Caller::default()], gap, length, lag: Span::always(Duration::ZERO) }
    }

    /// What upstream `at` does with an attempt that begins at `now`.
    pub(crate) fn fate(&self, at: usize, now: Time, chance: &mut Dice) -> Fate {
        let since = now.since(Time::ZERO);
        let phases = &self.upstreams[at];
        let phase = phases.iter().rev().find(|phase| phase.from <= since).unwrap_or(&phases[0]);
        let mut drawn = chance.between(0, 999_999);
        for (parts, failure) in &phase.failures {
            match drawn.checked_sub(u64::from(*parts)) {
                Some(rest) => drawn = rest,
                None => return Fate::Failure(failure.fails_in.draw(chance), *failure),
            }
        }
        Fate::Answer(phase.answers_in.draw(chance))
    }
}

impl Span {
    /// From `low` to `high` milliseconds.
    #[must_use]
    pub const fn millis(low: u64, high: u64) -> Span {
        Span { low: Duration::from_millis(low), high: Duration::from_millis(high) }
    }

    /// This long, every time.
    #[must_use]
    pub const fn always(long: Duration) -> Span {
        Span { low: long, high: long }
    }

    pub(crate) fn draw(self, chance: &mut Dice) -> Duration {
        chance.duration(self.low, self.high)
    }
}

impl Phase {
    /// Everything is answered.
    #[must_use]
    pub const fn healthy(from: Duration, answers_in: Span) -> Phase {
        Phase { from, answers_in, failures: Vec::new() }
    }

    /// `parts` in a million attempts fail, independently.
    #[must_use]
    pub fn noisy(from: Duration, answers_in: Span, parts: u32, failure: Failure) -> Phase {
        Phase { from, answers_in, failures: vec![(parts, failure)] }
    }

    /// Every attempt fails.
    #[must_use]
    pub fn down(from: Duration, failure: Failure) -> Phase {
        Phase::noisy(from, failure.fails_in, 1_000_000, failure)
    }

    /// Every attempt is taken and never answered: it ends at its limit.
    #[must_use]
    pub const fn silent(from: Duration) -> Phase {
        Phase::healthy(from, Span::always(Duration::from_secs(365 * 86_400)))
    }
}

impl Failure {
    /// A failure of `class`, with what belongs to the class.
    #[must_use]
    pub const fn of(class: Class, fails_in: Span) -> Failure {
        let is_informative = !matches!(class, Class::NotSent | Class::StaleConnection);
        Failure { class, again: class.again(), wait: None, fails_in, is_informative }
    }
}

/// An exponentially distributed time, `mean` on average: the gap between two arrivals of a Poisson
/// process. Von Neumann's method (1951): the length of a falling run of throws is odd with the
/// right probability, so there is no logarithm that machines could round differently.
pub(crate) fn exponential(mean: Duration, chance: &mut Dice) -> Duration {
    let mut whole: u64 = 0;
    loop {
        let first = chance.throw();
        let (mut last, mut run) = (first, 1_u64);
        loop {
            let next = chance.throw();
            if next >= last {
                break;
            }
            (last, run) = (next, run + 1);
        }
        if run % 2 == 1 {
            let mean = u128::from(micros(mean));
            let rest = (mean * u128::from(first)) >> 64;
            let total = mean * u128::from(whole) + rest;
            return Duration::from_micros(u64::try_from(total).unwrap_or(u64::MAX));
        }
        whole += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_between_arrivals_are_exponential() {
        let mut chance = Dice::new(1);
        let mean = Duration::from_secs(1);
        let gaps: Vec<Duration> = (0..100_000).map(|_| exponential(mean, &mut chance)).collect();
        let measured = gaps.iter().sum::<Duration>() / 100_000;
        assert!(measured.abs_diff(mean) < Duration::from_millis(15), "{measured:?}");
        // P(X > t) = e^-t: 60.65 % after half a mean, 13.53 % after two, 1.83 % after four.
        for (after, share) in [(500, 60_653), (2_000, 13_534), (4_000, 1_832)] {
            let longer = gaps.iter().filter(|gap| **gap > Duration::from_millis(after)).count();
            assert!(longer.abs_diff(share) < 600, "{longer} of {share} beyond {after} ms");
        }
    }

    #[test]
    fn an_upstream_behaves_as_its_latest_phase_says() {
        let fast = Span::always(Duration::from_millis(5));
        let refused = Failure::of(Class::NotSent, Span::always(Duration::from_millis(1)));
        let second = Duration::from_secs;
        let phases =
            vec![Phase::healthy(second(0), fast), Phase::down(second(20), refused), Phase::healthy(second(50), fast)];
        let script = Script::of(vec![phases], second(1), second(60));
        let mut chance = Dice::new(1);
        let mut fate = |at| script.fate(0, Time::ZERO + at, &mut chance);
        assert_eq!(fate(second(19)), Fate::Answer(fast.low));
        assert_eq!(fate(second(20)), Fate::Failure(refused.fails_in.low, refused));
        assert_eq!(fate(second(50)), Fate::Answer(fast.low));
    }

    #[test]
    fn noise_is_as_frequent_as_it_says() {
        let fast = Span::millis(1, 50);
        let noisy = Phase {
            from: Duration::ZERO,
            answers_in: fast,
            failures: vec![
                (200_000, Failure::of(Class::ServerError, fast)),
                (10_000, Failure::of(Class::Overloaded, fast)),
            ],
        };
        let script = Script::of(vec![vec![noisy]], Duration::from_secs(1), Duration::from_secs(1));
        let mut chance = Dice::new(3);
        let (mut errors, mut overloads) = (0_u32, 0_u32);
        for _ in 0..100_000 {
            match script.fate(0, Time::ZERO, &mut chance) {
                Fate::Failure(_, failure) if failure.class == Class::ServerError => errors += 1,
                Fate::Failure(..) => overloads += 1,
                Fate::Answer(_) => {}
            }
        }
        assert!(errors.abs_diff(20_000) < 500 && overloads.abs_diff(1_000) < 150, "{errors}, {overloads}");
    }
}
