//! Who asks, what breaks, when: all that a rehearsal is given, besides its seed.
//!
//! Arrivals are an open loop (a Poisson process): callers do not wait for one another, as the
//! users of a service do not, so a slow upstream meets the same load as a fast one. Everything is
//! integers, so that a seed tells the same story on every machine.

use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::Reason;
use seawall_core::request::{Patience, Repeatable};
use seawall_core::time::Time;
use seawall_core::verdict::{Again, Class};

pub use crate::spread::{Span, Spread};

/// A rehearsal, but for its policy and its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What each upstream goes through, the preferred first: phases by their beginning, the first
    /// at zero.
    pub upstreams: Vec<Vec<Phase>>,
    /// The kinds of caller. Not empty.
    pub callers: Vec<Caller>,
    /// How often they arrive: by their beginning, the first at zero. Not empty.
    pub loads: Vec<Load>,
    /// How long callers arrive. What they began is played to its end.
    pub length: Duration,
    /// How late a wake or a word reaches the plan: threads are busy, timers are coarse.
    pub lag: Span,
}

/// How often callers arrive from some moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// When it begins, from the start of the rehearsal.
    pub from: Duration,
    /// The mean time between two arrivals.
    pub gap: Duration,
}

/// How an upstream behaves from some moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// When it begins, from the start of the rehearsal.
    pub from: Duration,
    /// How long a good answer takes to its first content.
    pub first: Spread,
    /// How long the rest of it takes: of a stream it flows, of anything else it is waited for.
    pub rest: Spread,
    /// How many times as long everything takes: 1 is as usual.
    pub slow: u32,
    /// How often an attempt fails instead, in parts of a million, and how. The sum is at most a million.
    pub failures: Vec<(u32, Failure)>,
    /// What goes wrong with the answers of a healthy upstream.
    pub tail: Tail,
    /// How many it works on at a time; `None` for any number.
    pub room: Option<Room>,
}

/// What goes wrong with single answers, in parts of a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail {
    /// Answers whose first content takes `slow_times` as long.
    pub slow: u32,
    /// How many times as long.
    pub slow_times: u32,
    /// Requests that are taken and never answered.
    pub never: u32,
    /// Streams that end, or fall silent for ever (one half each), after their first content.
    pub breaks: u32,
}

/// A server that works on some requests at a time. Those beyond wait in line, and it does not
/// notice when a caller has gone: it works for nobody, as inference servers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Requests that it works on at a time. At least 1.
    pub slots: usize,
    /// Requests that may wait; beyond that it says 503. `None` for any number.
    pub queue: Option<usize>,
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
    /// How many of the callers are of this kind, beside the shares of the other kinds. At least 1.
    pub share: u32,
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
    /// The size of its body.
    pub body_bytes: u64,
    /// Whether every caller of this kind sends the very same body: one person and one broken request.
    pub same_body: bool,
    /// What is wrong with its requests.
    pub trouble: Trouble,
}

/// What is wrong with a request, wherever it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// A server error, each time: it trips over something in the body.
    Poison,
    /// A middleman cuts it off after this long with a 504: it takes longer than is allowed there.
    Cliff(Duration),
}

impl Default for Caller {
    /// A plain request that may be repeated, by somebody who says nothing and waits.
    fn default() -> Self {
        Caller {
            share: 1,
            stream: false,
            repeatable: Repeatable::Yes,
            replay: Ok(()),
            patience: Patience::default(),
            client_retries: 0,
            max_retries: None,
            leaves_after: None,
            body_bytes: 2_000,
            same_body: false,
            trouble: Trouble::None,
        }
    }
}

/// What an upstream does with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// An answer: its first content after `first`, and the rest of it in `rest` more.
    Answer { first: Duration, rest: Duration, end: End },
    /// A failure, after this long.
    Failure(Duration, Failure),
}

/// How an answer ends once it has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// Properly.
    Whole,
    /// It is cut off half-way.
    Cut,
    /// Nothing more comes.
    Silent,
}

/// How long an upstream takes to say no.
pub const ERROR: Span = Span::millis(50, 400);

/// As long as any rehearsal, and longer.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

impl Script {
    /// Callers of one kind, `gap` apart on average for `length`; punctual timers.
    #[must_use]
    pub fn of(upstreams: Vec<Vec<Phase>>, gap: Duration, length: Duration) -> Script {
        let loads = vec![Load { from: Duration::ZERO, gap }];
        Script { upstreams, callers: vec![Caller::default()], loads, length, lag: Span::always(Duration::ZERO) }
    }

    /// How upstream `at` behaves at `now`.
    pub(crate) fn phase(&self, at: usize, now: Time) -> &Phase {
        let since = now.since(Time::ZERO);
        let phases = &self.upstreams[at];
        phases.iter().rev().find(|phase| phase.from <= since).unwrap_or(&phases[0])
    }

    /// What upstream `at` does with an attempt by `caller` that begins at `now`.
    pub(crate) fn fate(&self, at: usize, now: Time, caller: &Caller, chance: &mut Dice) -> Fate {
        let phase = self.phase(at, now);
        let mut drawn = chance.between(0, 999_999);
        for (parts, failure) in &phase.failures {
            match drawn.checked_sub(u64::from(*parts)) {
                Some(rest) => drawn = rest,
                None => return Fate::Failure(failure.fails_in.draw(chance), *failure),
            }
        }
        let first = phase.first.draw(chance);
        match caller.trouble {
            Trouble::None => phase.answer(first, chance),
            Trouble::Poison => Fate::Failure(ERROR.draw(chance), Failure::of(Class::ServerError, ERROR)),
            Trouble::Cliff(after) => {
                let cut = Failure::of(Class::Ambiguous, Span::always(after));
                // A network's delay more or less: it is the middleman's clock that is exact.
                Fate::Failure(after + chance.duration(Duration::from_millis(1), Duration::from_millis(80)), cut)
            }
        }
    }
}

impl Phase {
    /// Everything is answered, at once and whole.
    #[must_use]
    pub fn healthy(from: Duration, answers_in: Span) -> Phase {
        Phase {
            from,
            first: answers_in.into(),
            rest: Spread::NONE,
            slow: 1,
            failures: Vec::new(),
            tail: Tail::default(),
            room: None,
        }
    }

    /// `parts` in a million attempts fail, independently.
    #[must_use]
    pub fn noisy(from: Duration, answers_in: Span, parts: u32, failure: Failure) -> Phase {
        Phase { failures: vec![(parts, failure)], ..Phase::healthy(from, answers_in) }
    }

    /// Every attempt fails.
    #[must_use]
    pub fn down(from: Duration, failure: Failure) -> Phase {
        Phase::noisy(from, failure.fails_in, 1_000_000, failure)
    }

    /// Every attempt is taken and never answered: it ends at its limit.
    #[must_use]
    pub fn silent(from: Duration) -> Phase {
        Phase::healthy(from, Span::always(FOR_EVER))
    }

    fn answer(&self, first: Duration, chance: &mut Dice) -> Fate {
        let rest = self.rest.draw(chance).saturating_mul(self.slow);
        let mut first = first.saturating_mul(self.slow);
        let mut end = End::Whole;
        let tail = &self.tail;
        let mut drawn = chance.between(0, 999_999);
        // Of three misfortunes, one at most: their parts lie side by side.
        for (misfortune, parts) in [tail.slow, tail.never, tail.breaks / 2, tail.breaks.div_ceil(2)].iter().enumerate()
        {
            match (drawn.checked_sub(u64::from(*parts)), misfortune) {
                (Some(rest), _) => {
                    drawn = rest;
                    continue;
                }
                (None, 0) => first = first.saturating_mul(tail.slow_times),
                (None, 1) => first = FOR_EVER,
                (None, 2) => end = End::Cut,
                (None, _) => end = End::Silent,
            }
            break;
        }
        Fate::Answer { first, rest, end }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_behaves_as_its_latest_phase_says() {
        let fast = Span::always(Duration::from_millis(5));
        let refused = Failure::of(Class::NotSent, Span::always(Duration::from_millis(1)));
        let second = Duration::from_secs;
        let phases =
            vec![Phase::healthy(second(0), fast), Phase::down(second(20), refused), Phase::healthy(second(50), fast)];
        let script = Script::of(vec![phases], second(1), second(60));
        let mut chance = Dice::new(1);
        let mut fate = |at| script.fate(0, Time::ZERO + at, &Caller::default(), &mut chance);
        let answer = Fate::Answer { first: fast.low, rest: Duration::ZERO, end: End::Whole };
        assert_eq!(fate(second(19)), answer);
        assert_eq!(fate(second(20)), Fate::Failure(refused.fails_in.low, refused));
        assert_eq!(fate(second(50)), answer);
    }

    #[test]
    fn noise_is_as_frequent_as_it_says() {
        let fast = Span::millis(1, 50);
        let failures =
            vec![(200_000, Failure::of(Class::ServerError, fast)), (10_000, Failure::of(Class::Overloaded, fast))];
        let tail = Tail { slow: 40_000, slow_times: 8, never: 10_000, breaks: 2_000 };
        let noisy = Phase { failures, tail, ..Phase::healthy(Duration::ZERO, fast) };
        let script = Script::of(vec![vec![noisy]], Duration::from_secs(1), Duration::from_secs(1));
        let mut chance = Dice::new(3);
        let (mut errors, mut overloads, mut nevers, mut breaks) = (0_u32, 0_u32, 0_u32, 0_u32);
        for _ in 0..100_000 {
            match script.fate(0, Time::ZERO, &Caller::default(), &mut chance) {
                Fate::Failure(_, failure) if failure.class == Class::ServerError => errors += 1,
                Fate::Failure(..) => overloads += 1,
                Fate::Answer { first, .. } if first == FOR_EVER => nevers += 1,
                Fate::Answer { end: End::Cut | End::Silent, .. } => breaks += 1,
                Fate::Answer { .. } => {}
            }
        }
        assert!(errors.abs_diff(20_000) < 500 && overloads.abs_diff(1_000) < 150, "{errors}, {overloads}");
        assert!(nevers.abs_diff(790) < 100 && breaks.abs_diff(158) < 50, "{nevers}, {breaks}");
    }

    #[test]
    fn poison_fails_everywhere_and_a_cliff_stands_where_it_stands() {
        let healthy = Phase::healthy(Duration::ZERO, Span::millis(1, 1));
        let script = Script::of(vec![vec![healthy]], Duration::from_secs(1), Duration::from_secs(1));
        let mut chance = Dice::new(3);
        let mut fate = |trouble| script.fate(0, Time::ZERO, &Caller { trouble, ..Caller::default() }, &mut chance);
        assert!(matches!(fate(Trouble::Poison), Fate::Failure(_, Failure { class: Class::ServerError, .. })));
        let minute = Duration::from_secs(60);
        let Fate::Failure(after, failure) = fate(Trouble::Cliff(minute)) else { panic!("an answer") };
        assert!(failure.class == Class::Ambiguous && after > minute && after < minute + Duration::from_millis(100));
    }
}
