//! The last five minutes in numbers: what the admin side shows as "now".
//!
//! Counts are kept by the second, for five minutes and not longer, durations in the one ring of buckets
//! that core has. A request that succeeds at once costs three short locks here (its first content, what Seawall
//! added, its end), 0.16 µs together where nobody else wants them, in a build without optimisation (measured);
//! nothing is copied and nothing grows: 26 KiB, whatever happens.
//! A second is told once it is over, so that no share is of half a second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use seawall_core::event::{Attempt, Ended, Outcome, Request as Record, Vote};
use seawall_core::time::{Time, micros};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Class;
use seawall_core::verdict::usage::Tokens;
use seawall_core::window::Latencies;
use serde::Serialize;
use tokio::time::Instant;

use super::journal::when::Moment;

/// The longest span that is told, in seconds.
pub(crate) const SECONDS_MAX: u64 = 300;
/// Seconds that are kept: those, and the one that is being filled.
const RING: usize = 301;

/// What happened lately.
pub(crate) struct Recent {
    start: Instant,
    state: Mutex<State>,
}

struct State {
    seconds: Box<[Second; RING]>,
    first_content: Latencies,
    /// A microsecond is kept as a millisecond: the ring begins at one, and Seawall adds less.
    overhead: Latencies,
    last_failures: Box<[Option<LastFailure>]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    /// Which second since the start.
    at: u64,
    counts: Counts,
}

/// What happened in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[schemars(rename = "RecentCounts")]
pub(crate) struct Counts {
    /// Requests that ended, whoever ended them.
    pub(crate) requests: u64,
    /// Requests that were answered.
    pub(crate) answered: u64,
    /// Requests that were not, through no fault of theirs: lost, cut, shed.
    pub(crate) failed: u64,
    /// First attempts that the upstream answered.
    pub(crate) first_answered: u64,
    /// First attempts that failed and say something of the upstream: no 4xx, no 429.
    pub(crate) first_failed: u64,
    /// Requests that only another attempt saved.
    pub(crate) saved: u64,
    /// Attempts after the first that ended.
    pub(crate) extra_attempts: u64,
    /// Tokens that these are charged for, as far as is known; estimates included.
    pub(crate) extra_tokens: u64,
}

/// How long something took: the upper edges of buckets that are an eighth wide at most. Of the last five to
/// ten minutes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, JsonSchema)]
#[schemars(rename = "Durations")]
pub(crate) struct Took {
    /// How often.
    pub(crate) count: u64,
    /// Half of it took no longer, in milliseconds.
    pub(crate) p50_ms: Option<f64>,
    /// 99 of 100 took no longer.
    pub(crate) p99_ms: Option<f64>,
}

/// The latest failure at an upstream since the start.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct LastFailure {
    /// When the attempt began.
    pub(crate) time: Moment,
    /// Seawall's id of its request.
    pub(crate) request_id: String,
    /// The model asked for.
    pub(crate) model: Option<String>,
    /// The status received, if a head came.
    pub(crate) status: Option<u16>,
    /// What it ended in.
    pub(crate) class: &'static str,
}

impl Recent {
    /// Nothing yet, at so many upstreams.
    pub(crate) fn new(upstreams: usize) -> Recent {
        let state = State {
            seconds: Box::new([Second::default(); RING]),
            first_content: Latencies::default(),
            overhead: Latencies::default(),
            last_failures: vec![None; upstreams].into(),
        };
        Recent { start: Instant::now(), state: Mutex::new(state) }
    }

    /// An attempt failed or was broken off; `upstream` is where, if that is known.
    pub(crate) fn failed(&self, upstream: Option<UpstreamId>, request: &Record, attempt: &Attempt) {
        let now = self.now();
        let mut state = self.lock();
        if attempt.number > 1 {
            let counts = state.counts(now);
            counts.extra_attempts += 1;
            counts.extra_tokens += tokens(&attempt.tokens);
        }
        if attempt.class == Class::Cancelled {
            return;
        }
        if let Some(last) = upstream.and_then(|at| state.last_failures.get_mut(at.index())) {
            *last = Some(LastFailure {
                time: Moment(attempt.began_unix_micros),
                request_id: request.id.clone(),
                model: request.model.clone(),
                status: attempt.status,
                class: attempt.class.name(),
            });
        }
    }

    /// An attempt brought its first content after this long.
    pub(crate) fn content_after(&self, after: Duration) {
        let now = self.now();
        self.lock().first_content.record(now, after);
    }

    /// Seawall added so much to an answer.
    pub(crate) fn added(&self, overhead: Duration) {
        let now = self.now();
        self.lock().overhead.record(now, overhead.saturating_mul(1_000));
    }

    /// A request ended, with an answer or without.
    pub(crate) fn ended(&self, ended: &Ended) {
        let now = self.now();
        let mut state = self.lock();
        let counts = state.counts(now);
        counts.requests += 1;
        match ended.first {
            Some((_, Vote::Ok)) => counts.first_answered += 1,
            Some((_, Vote::Fail)) => counts.first_failed += 1,
            Some((_, Vote::Abstain)) | None => {}
        }
        match ended.outcome {
            Outcome::Passed => counts.answered += 1,
            Outcome::Retried | Outcome::FailedOver | Outcome::Hedged => {
                counts.answered += 1;
                counts.saved += 1;
                counts.extra_attempts += 1;
                counts.extra_tokens += tokens(&ended.tokens);
            }
            // Their own fault.
            Outcome::Refused | Outcome::Diagnosed => {}
            Outcome::NotRetryable if !matches!(ended.first, Some((_, Vote::Fail))) => {}
            _ => counts.failed += 1,
        }
    }

    /// A request was turned away because Seawall is full, or closing.
    pub(crate) fn turned_away(&self) {
        let now = self.now();
        let mut state = self.lock();
        let counts = state.counts(now);
        counts.requests += 1;
        counts.failed += 1;
    }

    /// A caller left before there was an answer: that is no failure of anybody's.
    pub(crate) fn left(&self) {
        let now = self.now();
        self.lock().counts(now).requests += 1;
    }

    /// What happened in the last `seconds` whole seconds, [`SECONDS_MAX`] at most; and how many of them there
    /// have been since the start.
    pub(crate) fn last(&self, seconds: u64) -> (Counts, u64) {
        let now = second(self.now());
        let seconds = seconds.min(SECONDS_MAX).min(now);
        let first = now - seconds;
        let state = self.lock();
        let mut sum = Counts::default();
        state
            .seconds
            .iter()
            .filter(|second| (first..now).contains(&second.at))
            .for_each(|second| sum.add(&second.counts));
        (sum, seconds)
    }

    /// What happened in each stretch of `step` seconds of the last five minutes, the oldest first, and how many
    /// microseconds ago the stretch began. A stretch begins at a multiple of `step` after the start and is told once it is
    /// over, so that a chart of them stands still between.
    pub(crate) fn course(&self, step: u64) -> Vec<(i64, Counts)> {
        let (step, now) = (step.clamp(1, SECONDS_MAX), self.now());
        let end = second(now) / step * step;
        let first = end.saturating_sub(SECONDS_MAX / step * step);
        let mut stretches = vec![Counts::default(); usize::try_from((end - first) / step).unwrap_or_default()];
        let state = self.lock();
        for second in state.seconds.iter().filter(|second| (first..end).contains(&second.at)) {
            let place = usize::try_from((second.at - first) / step).unwrap_or_default();
            stretches[place].add(&second.counts);
        }
        drop(state);
        let ago = |at: u64| i64::try_from(now.as_micros().saturating_sub(at * 1_000_000)).unwrap_or(i64::MAX);
        (first..end).step_by(usize::try_from(step).unwrap_or(1)).map(ago).zip(stretches).collect()
    }

    /// How long attempts took to their first content.
    pub(crate) fn first_content(&self) -> Took {
        let now = self.now();
        Took::of(&mut self.lock().first_content, now, 1)
    }

    /// What Seawall added to answers that needed one attempt.
    pub(crate) fn overhead(&self) -> Took {
        let now = self.now();
        Took::of(&mut self.lock().overhead, now, 1_000)
    }

    /// The latest failure at each upstream, in the order of the configuration.
    pub(crate) fn last_failures(&self) -> Vec<Option<LastFailure>> {
        self.lock().last_failures.to_vec()
    }

    /// How long ago this began.
    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    fn now(&self) -> Time {
        Time::from_micros(micros(self.start.elapsed()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The counts of the second that `now` is in.
    fn counts(&mut self, now: Time) -> &mut Counts {
        let at = second(now);
        let place = usize::try_from(at % RING as u64).unwrap_or_default();
        let second = &mut self.seconds[place];
        if second.at != at {
            *second = Second { at, counts: Counts::default() };
        }
        &mut second.counts
    }
}

impl Counts {
    /// The share of requests that were answered, as their callers see it; `None` of none.
    pub(crate) fn success(&self) -> Option<f64> {
        share(self.answered, self.failed)
    }

    /// The share of first attempts that were answered: what callers would see without Seawall.
    pub(crate) fn upstream_success(&self) -> Option<f64> {
        share(self.first_answered, self.first_failed)
    }

    fn add(&mut self, other: &Counts) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.failed += other.failed;
        self.first_answered += other.first_answered;
        self.first_failed += other.first_failed;
        self.saved += other.saved;
        self.extra_attempts += other.extra_attempts;
        self.extra_tokens += other.extra_tokens;
    }
}

impl Took {
    fn of(latencies: &mut Latencies, now: Time, scale: u32) -> Took {
        let mut quantile =
            |parts| latencies.quantile(now, parts).map(|took| took.as_secs_f64() * 1_000.0 / f64::from(scale));
        let (p50_ms, p99_ms) = (quantile(500), quantile(990));
        Took { count: latencies.count(now), p50_ms, p99_ms }
    }
}

/// The share of what was good; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(good: u64, bad: u64) -> Option<f64> {
    (good + bad > 0).then(|| good as f64 / (good + bad) as f64)
}

fn second(now: Time) -> u64 {
    now.as_micros() / 1_000_000
}

fn tokens(tokens: &Tokens) -> u64 {
    let part = |n: Option<u32>| u64::from(n.unwrap_or(0));
    part(tokens.usage.input) + part(tokens.usage.output)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::super::journal::samples::{attempt, ended, request};
    use super::*;

    fn passed() -> Ended {
        Ended { outcome: Outcome::Passed, first: Some((UpstreamId(0), Vote::Ok)), ..ended(1) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_is_told_once_it_is_over_and_for_five_minutes() {
        let recent = Recent::new(1);
        recent.ended(&passed());
        assert_eq!(recent.last(60), (Counts::default(), 0), "this second is not over");
        advance(Duration::from_secs(1)).await;
        let one = Counts { requests: 1, answered: 1, first_answered: 1, ..Counts::default() };
        assert_eq!(recent.last(60), (one, 1));
        advance(Duration::from_secs(59)).await;
        assert_eq!(recent.last(60), (one, 60));
        advance(Duration::from_secs(1)).await;
        assert_eq!(recent.last(60), (Counts::default(), 60), "a minute is a minute");
        advance(Duration::from_secs(239)).await;
        assert_eq!(recent.last(SECONDS_MAX), (one, SECONDS_MAX));
        assert_eq!(recent.last(u64::MAX).1, SECONDS_MAX, "there is no longer span");
        advance(Duration::from_secs(1)).await;
        assert_eq!(recent.last(SECONDS_MAX), (Counts::default(), SECONDS_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn the_place_of_a_second_long_ago_is_taken_by_a_new_one() {
        let recent = Recent::new(1);
        for _ in 0..3 * RING {
            recent.ended(&passed());
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(recent.last(SECONDS_MAX).0.requests, SECONDS_MAX);
        assert_eq!(recent.last(60).0.requests, 60);
        advance(Duration::from_secs(100_000)).await;
        assert_eq!(recent.last(SECONDS_MAX).0, Counts::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_course_has_whole_stretches_and_ends_with_the_last_that_is_over() {
        let recent = Recent::new(1);
        assert_eq!(recent.course(5), []);
        for _ in 0..13 {
            recent.ended(&passed());
            advance(Duration::from_secs(1)).await;
        }
        let told: Vec<(i64, u64)> = recent.course(5).iter().map(|(ago, counts)| (*ago, counts.requests)).collect();
        assert_eq!(told, [(13_000_000, 5), (8_000_000, 5)], "the last three seconds are not five yet");
        advance(Duration::from_secs(600)).await;
        let course = recent.course(5);
        assert_eq!(course.len(), 60);
        assert!(course.iter().all(|(_, counts)| *counts == Counts::default()));
        assert_eq!(recent.course(60).len(), 5);
        assert_eq!(recent.course(0).len(), 300, "a stretch is a second at least");
        assert_eq!(recent.course(u64::MAX).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_and_upstream_have_each_their_own_success() {
        let recent = Recent::new(1);
        let (ok, fail, abstain) = (Vote::Ok, Vote::Fail, Vote::Abstain);
        for (outcome, vote) in [
            (Outcome::Passed, Some(ok)),
            (Outcome::Retried, Some(fail)),
            (Outcome::FailedOver, Some(abstain)),
            (Outcome::Exhausted, Some(fail)),
            (Outcome::NotRetryable, Some(abstain)),
            (Outcome::NotRetryable, Some(fail)),
            (Outcome::Interrupted, Some(fail)),
            (Outcome::Unavailable, None),
            (Outcome::Diagnosed, Some(abstain)),
            (Outcome::Refused, None),
        ] {
            recent.ended(&Ended {
                outcome,
                first: vote.map(|vote| (UpstreamId(0), vote)),
                tokens: Tokens::NONE,
                ..ended(1)
            });
        }
        recent.turned_away();
        recent.left();
        advance(Duration::from_secs(1)).await;
        let expected = Counts {
            requests: 12,
            answered: 3,
            failed: 5,
            first_answered: 1,
            first_failed: 4,
            saved: 2,
            extra_attempts: 2,
            extra_tokens: 0,
        };
        assert_eq!(recent.last(60).0, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_after_the_first_are_extra_with_their_tokens() {
        let recent = Recent::new(1);
        let asked = request(1);
        let charged = ended(1).tokens;
        for number in 1..=3 {
            recent.failed(Some(UpstreamId(0)), &asked, &Attempt { tokens: charged, ..attempt(number) });
        }
        recent.ended(&Ended { outcome: Outcome::Retried, ..ended(4) });
        advance(Duration::from_secs(1)).await;
        let Counts { extra_attempts, extra_tokens, .. } = recent.last(60).0;
        assert_eq!((extra_attempts, extra_tokens), (3, 3 * 1_234));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_failure_is_that_of_its_upstream_and_what_was_broken_off_is_none() {
        let recent = Recent::new(2);
        let asked = request(1);
        recent.failed(Some(UpstreamId(1)), &asked, &attempt(1));
        recent.failed(Some(UpstreamId(1)), &asked, &Attempt { class: Class::Cancelled, status: None, ..attempt(2) });
        recent.failed(Some(UpstreamId(9)), &asked, &attempt(1));
        recent.failed(None, &asked, &attempt(1));
        let [none, last] = <[_; 2]>::try_from(recent.last_failures()).unwrap();
        assert_eq!(none, None);
        let last = last.unwrap();
        assert_eq!((last.request_id.as_str(), last.status, last.class), (asked.id.as_str(), Some(503), "overloaded"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_seawall_adds_is_told_in_microseconds_and_content_in_milliseconds() {
        let recent = Recent::new(1);
        assert_eq!(recent.overhead(), Took::default());
        for micros in 1..=100 {
            recent.added(Duration::from_micros(micros));
            recent.content_after(Duration::from_millis(micros));
        }
        assert_eq!(recent.overhead(), Took { count: 100, p50_ms: Some(0.052), p99_ms: Some(0.104) });
        assert_eq!(recent.first_content(), Took { count: 100, p50_ms: Some(52.0), p99_ms: Some(104.0) });
        advance(Duration::from_secs(600)).await;
        assert_eq!(recent.overhead(), Took::default());
    }
}
