//! The rehearsal itself: a virtual clock, seeded dice, and what happens, in order.
//!
//! Each request runs the real plan against one shared fleet, by the same calls in the same order
//! as the client's loop: `step`, `heard`, and `left` on every way out. The world adds what only a
//! world can: upstreams that fail, callers that leave, timers that are late.
//!
//! It is harder on the plan than the client is: the client drops what it no longer needs, while
//! here the word of an attempt whose caller left is still delivered. It must change nothing.
//!
//! The chance of a request belongs to it and to its attempt, not to the order of events: whoever
//! decides, the same callers arrive at the same moments with the same troubles, and what differs
//! in the end is what was decided.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::policy::Policy;
use seawall_core::time::Time;
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::{Class, Fault, Verdict, judge_fault};

use crate::decide::{Asked, Decide, Said, State};
use crate::gateway::Gateway;
use crate::script::{Caller, End, Failure, Fate, Script, Span};
use crate::server::{Job, Server};
use crate::spread::exponential;

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
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// A caller asks.
    Arrived {
        /// Who it is.
        caller: Caller,
        /// The request that this is the second try of: its caller was asked to come back.
        again: Option<usize>,
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
    /// An attempt ended; of a stream that is well, it brought its first content.
    Ended {
        /// Its number.
        attempt: u32,
        /// In what.
        class: Class,
        /// `Retry-After`.
        wait: Option<Duration>,
    },
    /// An attempt is no longer needed: the caller left.
    Dropped {
        /// Its number.
        attempt: u32,
    },
    /// The next attempt waits for its time.
    Waits {
        /// That time.
        until: Time,
        /// Where it will go.
        upstream: UpstreamId,
    },
    /// It waits in the queue for an upstream to come back; told the first time.
    Queued,
    /// The caller has its answer, or the beginning of it.
    Answered {
        /// How that came about.
        outcome: Outcome,
    },
    /// The caller has all of its answer.
    Done,
    /// The answer broke off half-way.
    Broke,
    /// The caller is told that there is none.
    Failed {
        /// Why.
        reason: Reason,
        /// Whether it is asked to come back by itself.
        invites: bool,
    },
    /// The caller went away without an answer, or without the end of it.
    Left,
    /// The breaker of an upstream turned, by what this request did or brought.
    Turned {
        /// Whose.
        upstream: UpstreamId,
        /// What it is now.
        to: State,
    },
}

/// How long an invited caller waits before it comes back: `retry-after: 1`.
const RETURN_AFTER: Duration = Duration::from_secs(1);

/// How long a stream may be silent before it counts as broken.
const SILENCE: Duration = Duration::from_secs(300);

/// Plays `script` to its end under `policy` with the chance of `seed`, and tells `told` each line.
///
/// Equal arguments tell equal lines.
pub fn play(script: &Script, policy: &Policy, seed: u64, told: impl FnMut(&Line)) {
    // Dice of their own, as in the client: what the plan throws must not change the world.
    let mut gateway = Gateway::new(script.upstreams.len(), policy, Dice::new(!seed));
    play_with(script, &mut gateway, seed, told);
}

/// Plays `script` to its end as `decide` decides, and tells `told` each line.
pub fn play_with<D: Decide>(script: &Script, decide: &mut D, seed: u64, told: impl FnMut(&Line)) {
    let upstreams = script.upstreams.len();
    let mut world = World {
        script,
        seed,
        chance: Dice::new(seed),
        lateness: Dice::new(seed.rotate_left(17)),
        agenda: Agenda::default(),
        servers: vec![Server::default(); upstreams],
        breakers: vec![State::Closed; upstreams],
        decide,
        courses: Vec::new(),
        told,
    };
    world.expect_arrival(Time::ZERO);
    while let Some(due) = world.agenda.next() {
        world.happen(due);
    }
}

struct World<'a, D: Decide, T> {
    script: &'a Script,
    decide: &'a mut D,
    seed: u64,
    /// When callers arrive, and of which kind they are.
    chance: Dice,
    /// How late each wake is: dice of their own, for there are as many as are decided.
    lateness: Dice,
    agenda: Agenda,
    servers: Vec<Server>,
    breakers: Vec<State>,
    courses: Vec<Course<D::Course>>,
    told: T,
}

/// One request under way.
struct Course<C> {
    course: C,
    caller: Caller,
    /// The request that its caller sent first: itself, but for those who were asked to come back.
    call: usize,
    arrived: Time,
    life: Life,
    has_queued: bool,
    /// Attempts under way.
    live: Vec<u32>,
    /// The wake that counts: an earlier one was given up.
    wake: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// No answer yet.
    Open,
    /// The answer has begun.
    Flowing,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Arrival,
    Return { of: usize },
    Step { request: usize, wake: u32 },
    Word { request: usize, attempt: u32, word: Word },
    Limit { request: usize, attempt: u32 },
    Served { upstream: usize, job: Job, word: Word },
    End { request: usize, end: End },
    Leaves { request: usize },
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    Answer {
        rest: Duration,
        end: End,
    },
    Failure(Failure),
    /// It met its limit: that of its request, or its own.
    BrokenOff {
        is_last_moment: bool,
    },
}

impl<D: Decide, T: FnMut(&Line)> World<'_, D, T> {
    fn happen(&mut self, due: Due) {
        match due {
            Due::Arrival => self.call(),
            // It says that it has retried once; and this time it has time.
            Due::Return { of } => {
                let Course { caller, call, .. } = self.courses[of];
                self.arrive(Caller { client_retries: 1, ..caller }, Some(call));
            }
            Due::Step { request, wake } if wake == self.courses[request].wake => self.step(request),
            Due::Step { .. } => {}
            Due::Word { request, attempt, word } => self.heard(request, attempt, word),
            Due::Limit { request, attempt } if self.courses[request].live.contains(&attempt) => {
                let word = self.broken_off(request);
                self.heard(request, attempt, word);
            }
            Due::Limit { .. } => {}
            Due::Served { upstream, job, word } => self.served(upstream, job, word),
            Due::End { request, end } => self.end(request, end),
            Due::Leaves { request } => self.leave(request),
        }
    }

    /// The next arrival after `from`. Where the load changes before it, the wait begins anew: it
    /// has no memory.
    fn expect_arrival(&mut self, from: Time) {
        let mut from = from.since(Time::ZERO);
        loop {
            let loads = &self.script.loads;
            let load = loads.iter().rev().find(|load| load.from <= from).unwrap_or(&loads[0]);
            let at = from + exponential(load.gap, &mut self.chance);
            match loads.iter().find(|load| load.from > from && load.from < at) {
                Some(change) => from = change.from,
                None if at < self.script.length => return self.agenda.add(Time::ZERO + at, Due::Arrival),
                None => return,
            }
        }
    }

    fn call(&mut self) {
        let kinds = &self.script.callers;
        let shares: u64 = kinds.iter().map(|caller| u64::from(caller.share)).sum();
        let mut drawn = self.chance.between(1, shares.max(1));
        let mut chosen = kinds[0];
        for kind in kinds {
            chosen = *kind;
            match drawn.checked_sub(u64::from(kind.share)) {
                Some(rest) if rest > 0 => drawn = rest,
                _ => break,
            }
        }
        self.arrive(chosen, None);
        self.expect_arrival(self.agenda.now);
    }

    fn arrive(&mut self, caller: Caller, again: Option<usize>) {
        let now = self.agenda.now;
        let request = self.courses.len();
        let call = again.unwrap_or(request);
        let body = if caller.same_body { u64::MAX } else { self.chance_of(call, 0).throw() };
        let course = self.decide.arrived(now, Asked { caller: &caller, body });
        let deadline = self.decide.deadline(&course);
        self.tell(request, What::Arrived { caller, again, deadline });
        let arrived = again.map_or(now, |first| self.courses[first].arrived);
        self.courses.push(Course {
            course,
            caller,
            call,
            arrived,
            life: Life::Open,
            has_queued: false,
            live: Vec::new(),
            wake: 0,
        });
        self.step_soon(now, request);
        if let Some(after) = caller.leaves_after {
            let at = arrived + after.draw(&mut self.chance_of(call, 0));
            self.agenda.add(at, Due::Leaves { request });
        }
    }

    /// The dice of one attempt of a call, whatever happens elsewhere; 0 are those of the call.
    fn chance_of(&self, call: usize, attempt: u32) -> Dice {
        let place = (call as u64) << 32 | u64::from(attempt);
        Dice::new(self.seed.rotate_left(32) ^ Dice::new(place).throw())
    }

    fn step_soon(&mut self, from: Time, request: usize) {
        if from == Time::NEVER {
            return;
        }
        let at = from.max(self.agenda.now) + self.script.lag.draw(&mut self.lateness);
        let course = &mut self.courses[request];
        course.wake += 1;
        self.agenda.add(at, Due::Step { request, wake: course.wake });
    }

    fn step(&mut self, request: usize) {
        let now = self.agenda.now;
        let course = &mut self.courses[request];
        let said = self.decide.step(now, &mut course.course);
        let is_open = course.life == Life::Open;
        self.watch_breakers(request);
        match said {
            // Told even of a request that is over, so that the laws see it.
            Said::Send { attempt, upstream, until, look } => {
                self.tell(request, What::Began { attempt, upstream, until });
                self.courses[request].live.push(attempt);
                self.exchange(request, attempt, upstream, until);
                if let Some(look) = look {
                    self.step_soon(look, request);
                }
            }
            Said::Listen => {}
            Said::Wait { until, upstream } => {
                self.step_soon(until, request);
                match upstream {
                    Some(upstream) => self.tell(request, What::Waits { until, upstream }),
                    None if !std::mem::replace(&mut self.courses[request].has_queued, true) => {
                        self.tell(request, What::Queued);
                    }
                    None => {}
                }
            }
            Said::Fail { reason, invites } if is_open => {
                self.courses[request].life = Life::Over;
                self.part(request);
                if invites {
                    self.agenda.add(now + RETURN_AFTER, Due::Return { of: request });
                }
                self.tell(request, What::Failed { reason, invites });
            }
            Said::Fail { .. } | Said::Relay { .. } => {}
        }
    }

    /// What an attempt that begins now comes to, and when; at its limit it is broken off.
    fn exchange(&mut self, request: usize, attempt: u32, upstream: UpstreamId, until: Time) {
        let now = self.agenda.now;
        let Course { caller, call, .. } = self.courses[request];
        let mut chance = self.chance_of(call, attempt + (u32::try_from(request - call).unwrap_or(1) << 8));
        let at = upstream.index();
        let (after, word) = match self.script.fate(at, now, &caller, &mut chance) {
            Fate::Failure(after, failure) => (after, Word::Failure(failure)),
            Fate::Answer { first, rest, end } => match self.script.phase(at, now).room {
                None => answer(&caller, first, rest, end),
                Some(room) => {
                    let job = Job { request, attempt };
                    if self.servers[at].has_slot(room) {
                        self.agenda.add(until, Due::Limit { request, attempt });
                        return self.serve(at, job);
                    }
                    if self.servers[at].may_wait(room) {
                        self.agenda.add(until, Due::Limit { request, attempt });
                        return self.servers[at].wait(job);
                    }
                    let shed = Failure::of(Class::Overloaded, crate::script::ERROR);
                    (shed.fails_in.draw(&mut chance), Word::Failure(shed))
                }
            },
        };
        if now + after <= until {
            self.agenda.add(now + after, Due::Word { request, attempt, word });
        } else {
            self.agenda.add(until, Due::Limit { request, attempt });
        }
    }

    /// A slot begins to work. How long it takes depends on how the upstream is now, not on how it
    /// was when the request arrived there.
    fn serve(&mut self, upstream: usize, job: Job) {
        let Course { caller, call, .. } = self.courses[job.request];
        let mut chance = self.chance_of(call, job.attempt + 0x8000);
        let (after, word) = match self.script.fate(upstream, self.agenda.now, &caller, &mut chance) {
            Fate::Failure(after, failure) => (after, Word::Failure(failure)),
            Fate::Answer { first, rest, end } => answer(&caller, first, rest, end),
        };
        self.servers[upstream].begin();
        // The slot is held to the end of a stream.
        let flows = if let Word::Answer { rest, .. } = word { rest } else { Duration::ZERO };
        if flows > Duration::ZERO {
            self.agenda.add(self.agenda.now + after, Due::Word { request: job.request, attempt: job.attempt, word });
        }
        self.agenda.add(self.agenda.now + after + flows, Due::Served { upstream, job, word });
    }

    fn served(&mut self, upstream: usize, job: Job, word: Word) {
        let next = self.servers[upstream].end();
        if self.courses[job.request].live.contains(&job.attempt) {
            self.heard(job.request, job.attempt, word);
        }
        let room = self.script.phase(upstream, self.agenda.now).room;
        let has_slot = room.is_none_or(|room| self.servers[upstream].has_slot(room));
        match next {
            Some(job) if has_slot => self.serve(upstream, job),
            Some(job) => self.servers[upstream].wait_first(job),
            None => {}
        }
    }

    fn heard(&mut self, request: usize, attempt: u32, word: Word) {
        let now = self.agenda.now;
        let (verdict, is_informative) = verdict(word);
        let course = &mut self.courses[request];
        let was_live = course.live.contains(&attempt);
        course.live.retain(|live| *live != attempt);
        self.decide.heard(now, &mut course.course, attempt, &verdict, is_informative);
        let is_open = course.life == Life::Open;
        if was_live && is_open {
            self.tell(request, What::Ended { attempt, class: verdict.class, wait: verdict.wait });
        }
        self.watch_breakers(request);
        match word {
            Word::Answer { rest, end } if was_live && is_open => self.relay(request, attempt, rest, end),
            // After an answer too, where the client would not ask: the plan must know that it is over.
            _ => self.step_soon(now, request),
        }
    }

    fn broken_off(&self, request: usize) -> Word {
        let deadline = self.decide.deadline(&self.courses[request].course);
        Word::BrokenOff { is_last_moment: self.agenda.now >= deadline }
    }

    fn relay(&mut self, request: usize, attempt: u32, rest: Duration, end: End) {
        let now = self.agenda.now;
        let course = &mut self.courses[request];
        let said = self.decide.step(now, &mut course.course);
        assert!(said == Said::Relay { attempt }, "an answer is relayed: r{request} attempt {attempt}, not {said:?}");
        course.life = Life::Flowing;
        let outcome = self.decide.outcome(&course.course);
        self.part(request);
        self.tell(request, What::Answered { outcome });
        match end {
            End::Whole if rest.is_zero() => self.end(request, End::Whole),
            End::Whole => self.agenda.add(now + rest, Due::End { request, end }),
            End::Cut => self.agenda.add(now + rest / 2, Due::End { request, end }),
            End::Silent => self.agenda.add(now + rest / 2 + SILENCE, Due::End { request, end }),
        }
    }

    fn end(&mut self, request: usize, end: End) {
        let course = &mut self.courses[request];
        if course.life != Life::Flowing {
            return;
        }
        course.life = Life::Over;
        if end == End::Whole {
            return self.tell(request, What::Done);
        }
        self.decide.broke(self.agenda.now, &mut course.course);
        self.watch_breakers(request);
        self.tell(request, What::Broke);
    }

    fn leave(&mut self, request: usize) {
        let life = self.courses[request].life;
        self.courses[request].life = Life::Over;
        self.part(request);
        if life != Life::Over {
            self.tell(request, What::Left);
        }
    }

    /// Nothing more is asked for this request: what is under way is dropped.
    fn part(&mut self, request: usize) {
        let course = &mut self.courses[request];
        self.decide.left(self.agenda.now, &mut course.course);
        for attempt in std::mem::take(&mut course.live) {
            self.tell(request, What::Dropped { attempt });
        }
        self.watch_breakers(request);
    }

    fn watch_breakers(&mut self, request: usize) {
        for at in 0..self.breakers.len() {
            let state = self.decide.breaker(id(at));
            let to = state.unwrap_or(State::Closed);
            if to != self.breakers[at] {
                self.breakers[at] = to;
                self.tell(request, What::Turned { upstream: id(at), to });
            }
        }
    }

    fn tell(&mut self, request: usize, what: What) {
        (self.told)(&Line { at: self.agenda.now, request, what });
    }
}

/// A stream is heard of at its first content, anything else at its end.
fn answer(caller: &Caller, first: Duration, rest: Duration, end: End) -> (Duration, Word) {
    match (caller.stream, end) {
        (true, _) => (first, Word::Answer { rest, end }),
        (false, End::Whole) => (first.saturating_add(rest), Word::Answer { rest: Duration::ZERO, end }),
        (false, End::Cut | End::Silent) => {
            (first.saturating_add(rest / 2), Word::Failure(Failure::of(Class::Ambiguous, Span::millis(0, 0))))
        }
    }
}

fn id(at: usize) -> UpstreamId {
    UpstreamId(u16::try_from(at).expect("few upstreams"))
}

fn verdict(word: Word) -> (Verdict, bool) {
    let failure = match word {
        Word::Answer { .. } => return (Verdict::OK, true),
        Word::BrokenOff { is_last_moment: true } => return (judge_fault(Fault::Deadline), false),
        Word::BrokenOff { is_last_moment: false } => return (judge_fault(Fault::FirstContentTimeout), false),
        Word::Failure(failure) => failure,
    };
    let Failure { class, again, wait, is_informative, .. } = failure;
    let fault = is_informative.then_some(Fault::Status);
    let verdict = Verdict { class, whose: class.whose(), again, charge: class.charge(), wait, said: None, fault };
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
            What::Arrived { again: None, deadline, .. } => write!(f, "arrives, deadline {}", Seconds(deadline)),
            What::Arrived { again: Some(call), .. } => write!(f, "is r{call} again"),
            What::Began { attempt, upstream, until } => {
                write!(f, "attempt {attempt} at u{} until {}", upstream.0, Seconds(until))
            }
            What::Ended { attempt, class, wait: None } => write!(f, "attempt {attempt}: {class}"),
            What::Ended { attempt, class, wait: Some(wait) } => {
                write!(f, "attempt {attempt}: {class}, retry-after {}", Seconds(Time::ZERO + wait))
            }
            What::Dropped { attempt } => write!(f, "attempt {attempt} dropped"),
            What::Waits { until, upstream } => write!(f, "waits for u{} until {}", upstream.0, Seconds(until)),
            What::Queued => write!(f, "queues"),
            What::Answered { outcome } => write!(f, "answered: {outcome}"),
            What::Done => write!(f, "done"),
            What::Broke => write!(f, "broke off"),
            What::Failed { reason, invites: false } => write!(f, "failed: {reason}"),
            What::Failed { reason, invites: true } => write!(f, "failed: {reason}, come back"),
            What::Left => write!(f, "left"),
            What::Turned { upstream, to } => write!(f, "turned the breaker of u{} {to}", upstream.0),
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
        agenda.add(second, Due::Leaves { request: 2 });
        agenda.add(second, Due::Leaves { request: 1 });
        agenda.add(Time::ZERO, Due::Arrival);
        agenda.add(second, Due::Leaves { request: 0 });
        let order: Vec<Due> = std::iter::from_fn(|| agenda.next()).collect();
        assert_eq!(order[0], Due::Arrival);
        assert_eq!(order[1..], [2, 1, 0].map(|request| Due::Leaves { request }));
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
        play(&script, &Policy::default(), 4, |line| {
            if line.request == 0 {
                told.push_str(&format!("{line}\n"));
            }
        });
        assert_eq!(
            told,
            "    0.431455 r0 arrives, deadline 600.431455\n    \
                0.431455 r0 attempt 1 at u0 until 600.431455\n    \
                0.432455 r0 attempt 1: not_sent\n    \
                0.432455 r0 waits for u1 until 0.476580\n    \
                0.476580 r0 attempt 2 at u1 until 600.431455\n    \
                0.496580 r0 attempt 2: ok\n    \
                0.496580 r0 answered: failed_over\n    \
                0.496580 r0 done\n"
        );
    }
}
