//! The rehearsal itself: a virtual clock, seeded dice, and what happens, in order.
//!
//! Each request runs the real [`Plan`] against one shared [`Fleet`], by the same calls in the same
//! order as the client's loop: `step`, `heard`, and `left` on every way out. The world adds what
//! only a world can: upstreams that fail, callers that leave, timers that are late.
//!
//! It is harder on the plan than the client is: the client drops what it no longer needs, while
//! here the word of an attempt whose caller left is still delivered. It must change nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::fleet::Fleet;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::{Candidates, Routes};
use seawall_core::plan::{Ask, Heard, Plan, Step};
use seawall_core::time::Time;
use seawall_core::upstream::{Upstream, UpstreamId};
use seawall_core::verdict::{Class, Verdict};

use crate::script::{Caller, Failure, Fate, Script, Span, exponential};

/// One line of the transcript: what happened to which request, when.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// When.
    pub at: Time,
    /// To which request: they are numbered from 0 as they arrive.
    pub request: usize,
    /// What.
    pub what: What,
}

/// What can happen to a request.
#[expect(clippy::large_enum_variant, reason = "a line is told and forgotten, never kept")]
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// A caller asks.
    Arrived {
        /// What the plan was told.
        ask: Ask,
        /// The moment after which no attempt may begin, as the plan sees it.
        deadline: Time,
    },
    /// An attempt begins.
    Began {
        /// Its number.
        attempt: u32,
        /// Where.
        upstream: UpstreamId,
        /// Its limit.
        until: Time,
    },
    /// An attempt ended.
    Ended {
        /// Its number.
        attempt: u32,
        /// In what.
        class: Class,
        /// `Retry-After`.
        wait: Option<Duration>,
    },
    /// The next attempt waits for its time.
    Waits {
        /// That time.
        until: Time,
        /// Where it will go.
        upstream: UpstreamId,
    },
    /// It waits in the queue for an upstream to come back.
    Queued,
    /// The caller has its answer, or the beginning of it.
    Answered {
        /// How that came about.
        outcome: Outcome,
    },
    /// The caller is told that there is none.
    Failed {
        /// Why.
        reason: Reason,
        /// Whether it is asked to come back by itself.
        invites: bool,
    },
    /// The caller went away without an answer.
    Left,
}

/// How long an invited caller waits before it comes back: `retry-after: 1`.
const RETURN_AFTER: Duration = Duration::from_secs(1);

/// Plays `script` to its end under `policy` with the chance of `seed`, and tells `told` each line.
///
/// Equal arguments tell equal lines.
pub fn play(script: &Script, policy: &Policy, seed: u64, told: impl FnMut(&Line)) {
    let mut chance = Dice::new(seed);
    let upstreams: Vec<Upstream> = (0..)
        .zip(&script.upstreams)
        .map(|(at, _)| Upstream { name: format!("u{at}"), priority: at, ..Upstream::default() })
        .collect();
    let routes = Arc::new(Routes::new(upstreams, Vec::new()));
    let mut world = World {
        script,
        policy,
        candidates: routes.candidates(None, false),
        fleet: Fleet::new(routes, policy, Time::ZERO),
        // Dice of their own, as in the client: what the plan throws must not change the world.
        dice: Dice::new(chance.throw()),
        chance,
        agenda: Agenda::default(),
        courses: Vec::new(),
        told,
    };
    world.expect_arrival();
    while let Some(due) = world.agenda.next() {
        world.happen(due);
    }
}

struct World<'a, T> {
    script: &'a Script,
    policy: &'a Policy,
    candidates: Candidates,
    fleet: Fleet,
    dice: Dice,
    chance: Dice,
    agenda: Agenda,
    courses: Vec<Course>,
    told: T,
}

/// One request under way.
struct Course {
    plan: Plan,
    caller: Caller,
    /// Whether it has ever been in the queue.
    is_queued: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Arrival,
    Return { of: usize },
    Step { request: usize },
    Word { request: usize, attempt: u32, word: Word },
    Leaves { request: usize },
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Answer,
    Failure(Failure),
}

impl<T: FnMut(&Line)> World<'_, T> {
    fn happen(&mut self, due: Due) {
        match due {
            Due::Arrival => {
                let last = self.script.callers.len() as u64 - 1;
                let at = usize::try_from(self.chance.between(0, last)).expect("an index");
                self.arrive(self.script.callers[at]);
                self.expect_arrival();
            }
            // It says that it has retried once; and this time it has time.
            Due::Return { of } => self.arrive(Caller { client_retries: 1, ..self.courses[of].caller }),
            Due::Step { request } => self.step(request),
            Due::Word { request, attempt, word } => self.heard(request, attempt, word),
            Due::Leaves { request } => self.leave(request),
        }
    }

    fn expect_arrival(&mut self) {
        let gap = exponential(self.script.gap, &mut self.chance);
        let at = self.agenda.now + gap;
        if at.since(Time::ZERO) < self.script.length {
            self.agenda.add(at, Due::Arrival);
        }
    }

    fn arrive(&mut self, caller: Caller) {
        let now = self.agenda.now;
        let ask = Ask {
            candidates: self.candidates,
            form: caller.form(),
            repeatable: caller.repeatable,
            replay: caller.replay,
            stream: caller.stream,
            patience: caller.patience,
            client_retries: caller.client_retries,
            max_retries: caller.max_retries,
        };
        let plan = Plan::new(now, self.policy, None, ask, &mut self.fleet);
        let request = self.courses.len();
        self.tell(request, What::Arrived { ask, deadline: plan.deadline() });
        self.courses.push(Course { plan, caller, is_queued: false, is_over: false });
        self.step_soon(now, request);
        if let Some(after) = caller.leaves_after {
            let at = now + after.draw(&mut self.chance);
            self.agenda.add(at, Due::Leaves { request });
        }
    }

    fn step_soon(&mut self, from: Time, request: usize) {
        let at = from + self.script.lag.draw(&mut self.chance);
        self.agenda.add(at, Due::Step { request });
    }

    fn step(&mut self, request: usize) {
        let now = self.agenda.now;
        let course = &mut self.courses[request];
        let step = course.plan.step(now, self.policy, &mut self.fleet, &mut self.dice);
        match step {
            // Told even of a request that is over, so that the laws see it.
            Step::Send { attempt, upstream, until, .. } => {
                let (at, word) = self.exchange(upstream, until);
                self.agenda.add(at, Due::Word { request, attempt, word });
                self.tell(request, What::Began { attempt, upstream, until });
            }
            Step::Wait { until, upstream } => {
                self.step_soon(until, request);
                match upstream {
                    Some(upstream) => self.tell(request, What::Waits { until, upstream }),
                    None if !std::mem::replace(&mut self.courses[request].is_queued, true) => {
                        self.tell(request, What::Queued);
                    }
                    None => {}
                }
            }
            Step::Fail { reason, .. } if !course.is_over => {
                course.is_over = true;
                let invites = course.plan.invites();
                course.plan.left(now, self.policy, &mut self.fleet, &mut self.dice);
                if invites {
                    self.agenda.add(now + RETURN_AFTER, Due::Return { of: request });
                }
                self.tell(request, What::Failed { reason, invites });
            }
            Step::Fail { .. } | Step::Relay { .. } => {}
        }
    }

    /// What an attempt that begins now comes to, and when; at its limit it is broken off.
    fn exchange(&mut self, upstream: UpstreamId, until: Time) -> (Time, Word) {
        let (after, word) = match self.script.fate(upstream.index(), self.agenda.now, &mut self.chance) {
            Fate::Answer(after) => (after, Word::Answer),
            Fate::Failure(after, failure) => (after, Word::Failure(failure)),
        };
        let at = self.agenda.now + after;
        if at <= until {
            return (at, word);
        }
        let broken_off = Failure::of(Class::Ambiguous, Span::always(Duration::ZERO));
        (until, Word::Failure(Failure { is_informative: false, ..broken_off }))
    }

    fn heard(&mut self, request: usize, attempt: u32, word: Word) {
        let now = self.agenda.now;
        let (verdict, is_informative) = verdict(word);
        let course = &mut self.courses[request];
        let heard = Heard { verdict: &verdict, status: None, is_informative, body: request as u64 };
        course.plan.heard(now, self.policy, &mut self.fleet, &mut self.dice, attempt, &heard);
        let was_over = course.is_over;
        if verdict.class == Class::Ok && !was_over {
            course.is_over = true;
            let outcome = course.plan.success();
            course.plan.left(now, self.policy, &mut self.fleet, &mut self.dice);
            self.tell(request, What::Ended { attempt, class: Class::Ok, wait: None });
            self.tell(request, What::Answered { outcome });
        } else if !was_over {
            self.tell(request, What::Ended { attempt, class: verdict.class, wait: verdict.wait });
        }
        // After an answer too, where the client would not ask: the plan must know that it is over.
        self.step_soon(now, request);
    }

    fn leave(&mut self, request: usize) {
        let course = &mut self.courses[request];
        course.plan.left(self.agenda.now, self.policy, &mut self.fleet, &mut self.dice);
        if !course.is_over {
            course.is_over = true;
            self.tell(request, What::Left);
        }
    }

    fn tell(&mut self, request: usize, what: What) {
        (self.told)(&Line { at: self.agenda.now, request, what });
    }
}

fn verdict(word: Word) -> (Verdict, bool) {
    let (class, again, wait, is_informative) = match word {
        Word::Answer => (Class::Ok, Class::Ok.again(), None, true),
        Word::Failure(failure) => (failure.class, failure.again, failure.wait, failure.is_informative),
    };
    let verdict = Verdict { class, whose: class.whose(), again, billed: class.billed(), wait, said: None, fault: None };
    (verdict, is_informative)
}

/// The virtual clock: it stands still while something happens, and jumps to what is next. What is
/// due at the same moment happens in the order in which it was entered.
#[derive(Default)]
struct Agenda {
    now: Time,
    entries: BinaryHeap<Reverse<(Time, u64, Due)>>,
    entered: u64,
}

impl Agenda {
    /// Enters `due` at `at`; what should have been in the past is due now.
    fn add(&mut self, at: Time, due: Due) {
        self.entries.push(Reverse((at.max(self.now), self.entered, due)));
        self.entered += 1;
    }

    fn next(&mut self) -> Option<Due> {
        let Reverse((at, _, due)) = self.entries.pop()?;
        self.now = at;
        Some(due)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12} r{} ", Seconds(self.at), self.request)?;
        match self.what {
            What::Arrived { deadline, .. } => write!(f, "arrives, deadline {}", Seconds(deadline)),
            What::Began { attempt, upstream, until } => {
                write!(f, "attempt {attempt} at u{} until {}", upstream.0, Seconds(until))
            }
            What::Ended { attempt, class, wait: None } => write!(f, "attempt {attempt}: {class}"),
            What::Ended { attempt, class, wait: Some(wait) } => {
                write!(f, "attempt {attempt}: {class}, retry-after {}", Seconds(Time::ZERO + wait))
            }
            What::Waits { until, upstream } => write!(f, "waits for u{} until {}", upstream.0, Seconds(until)),
            What::Queued => write!(f, "queues"),
            What::Answered { outcome } => write!(f, "answered: {outcome}"),
            What::Failed { reason, invites: false } => write!(f, "failed: {reason}"),
            What::Failed { reason, invites: true } => write!(f, "failed: {reason}, come back"),
            What::Left => write!(f, "left"),
        }
    }
}

/// A moment in seconds, to the microsecond.
struct Seconds(Time);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        f.pad(&format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Phase;

    const REFUSED: Failure = Failure::of(Class::NotSent, Span::millis(1, 1));

    #[test]
    fn what_is_due_at_the_same_moment_happens_in_the_order_entered() {
        let mut agenda = Agenda::default();
        let second = Time::ZERO + Duration::from_secs(1);
        agenda.add(second, Due::Step { request: 2 });
        agenda.add(second, Due::Step { request: 1 });
        agenda.add(Time::ZERO, Due::Arrival);
        agenda.add(second, Due::Step { request: 0 });
        let order: Vec<Due> = std::iter::from_fn(|| agenda.next()).collect();
        assert_eq!(order[0], Due::Arrival);
        assert_eq!(order[1..], [2, 1, 0].map(|request| Due::Step { request }));
        assert_eq!(agenda.now, second);
    }

    #[test]
    fn the_clock_never_runs_backwards() {
        let mut agenda = Agenda::default();
        agenda.add(Time::ZERO + Duration::from_secs(2), Due::Arrival);
        agenda.next();
        agenda.add(Time::ZERO, Due::Arrival);
        agenda.next();
        assert_eq!(agenda.now, Time::ZERO + Duration::from_secs(2));
    }

    #[test]
    fn a_transcript_tells_the_course_of_a_request() {
        let healthy = Phase::healthy(Duration::ZERO, Span::millis(20, 20));
        let script = Script::of(
            vec![vec![Phase::down(Duration::ZERO, REFUSED)], vec![healthy]],
            Duration::from_secs(1),
            Duration::from_secs(2),
        );
        let mut told = String::new();
        play(&script, &Policy::default(), 4, |line| told.push_str(&format!("{line}\n")));
        assert_eq!(
            told,
            "    1.920679 r0 arrives, deadline 601.920679\n    \
                1.920679 r0 attempt 1 at u0 until 601.920679\n    \
                1.921679 r0 attempt 1: not_sent\n    \
                1.921679 r0 waits for u1 until 1.952995\n    \
                1.952995 r0 attempt 2 at u1 until 601.920679\n    \
                1.972995 r0 attempt 2: ok\n    \
                1.972995 r0 answered: failed_over\n"
        );
    }
}
