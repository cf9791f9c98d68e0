//! How many of the last half minute's requests failed, and whether that surely exceeds a rate.
//!
//! A share of a few requests says little: 7 of 20 failed is evidence for more than a fifth, 6 of
//! 20 is not. The bound is Wilson's lower one, which would need a square root and a division; but
//! it exceeds `p` exactly where `k > n·p` and `(k - n·p)² > z²·n·p·(1-p)`, which whole numbers can
//! tell, for every `n` and without a table.
//!
//! A share is of independent votes, and these are not always: of a burst the failures are heard of
//! first, and one developer may run one broken request again and again. So it says nothing before
//! votes have come in two pieces of the window, and three different bodies have failed in it.

use std::time::Duration;

use super::streak::BODIES_MIN;
use crate::time::{Time, micros};

/// Pieces in which the window moves on: it covers its last tenth in part, and the nine before.
const BUCKETS: usize = 10;
const COUNT: u64 = BUCKETS as u64;

/// Pieces that must have votes before a rate says anything.
const BUCKETS_MIN: usize = 2;

const BODIES: usize = BODIES_MIN as usize;

/// z², in millionths: 1.645² is 95 % on one side.
const Z_SQUARED: u128 = 1_645 * 1_645;

/// Votes by age. 152 bytes, and no memory besides.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    /// Microseconds that a bucket lasts.
    width: u64,
    /// The number of the bucket that the last vote fell into, counted from [`Time::ZERO`].
    newest: u64,
    buckets: [Bucket; BUCKETS],
    /// The bodies that failed last, the latest first and no two the same, with the number of the
    /// bucket: as many as `known`.
    failed: [(u64, u64); BODIES],
    known: u8,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    votes: u32,
    failed: u32,
}

impl Window {
    /// Counts a vote: of a failure, with the fingerprint of what was sent. A `span` other than that of the last vote begins anew.
    pub(super) fn count(&mut self, now: Time, span: Duration, failed: Option<u64>) {
        let width = (micros(span) / COUNT).max(1);
        let at = now.as_micros() / width;
        if width != self.width {
            *self = Window { width, newest: at, ..Window::default() };
        }
        if at > self.newest {
            let passed = (at - self.newest).min(COUNT);
            for gone in (at - passed + 1)..=at {
                self.buckets[slot(gone)] = Bucket::default();
            }
            self.newest = at;
        }
        let bucket = &mut self.buckets[slot(self.newest)];
        bucket.votes = bucket.votes.saturating_add(1);
        bucket.failed = bucket.failed.saturating_add(u32::from(failed.is_some()));
        if let Some(body) = failed {
            self.remember(body);
        }
    }

    /// The body that is forgotten is the one that failed longest ago.
    fn remember(&mut self, body: u64) {
        let known = usize::from(self.known);
        let at = self.failed[..known].iter().position(|(other, _)| *other == body).unwrap_or_else(|| {
            self.known = self.known.saturating_add(1).min(BODIES_MIN);
            known.min(BODIES - 1)
        });
        self.failed[..=at].rotate_right(1);
        self.failed[0] = (body, self.newest);
    }

    /// Nothing was counted.
    pub(super) fn clear(&mut self) {
        *self = Window::default();
    }

    /// Whether, of at least `least` votes up to the last one, more than `rate` parts of a thousand
    /// surely failed: of votes in [`BUCKETS_MIN`] pieces, with [`BODIES_MIN`] distinct bodies.
    pub(super) fn exceeds(&self, least: u32, rate: u32) -> bool {
        let (failed, votes) = self.totals();
        votes >= u64::from(least) && self.is_spread() && self.is_varied() && surely_exceeds(failed, votes, rate)
    }

    fn is_spread(&self) -> bool {
        self.buckets.iter().filter(|bucket| bucket.votes > 0).count() >= BUCKETS_MIN
    }

    fn is_varied(&self) -> bool {
        usize::from(self.known) == BODIES && self.failed.iter().all(|(_, at)| self.newest - at < COUNT)
    }

    fn totals(&self) -> (u64, u64) {
        let sum = |of: fn(&Bucket) -> u32| self.buckets.iter().map(|bucket| u64::from(of(bucket))).sum();
        (sum(|bucket| bucket.failed), sum(|bucket| bucket.votes))
    }
}

fn slot(number: u64) -> usize {
    (number % COUNT) as usize
}

/// Whether Wilson's lower bound for `k` of `n` is above `rate` parts of a thousand; `k` and `n`
/// below 2³⁶, so that nothing overflows.
fn surely_exceeds(k: u64, n: u64, rate: u32) -> bool {
    let (k, n, p) = (u128::from(k), u128::from(n), u128::from(rate.min(1_000)));
    let Some(excess) = (1_000 * k).checked_sub(n * p) else { return false };
    excess * excess * 1_000_000 > Z_SQUARED * n * p * (1_000 - p)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(30);

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    /// The textbook's formula.
    fn wilson(k: f64, n: f64) -> f64 {
        let z = 1.645;
        let share = k / n;
        let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        (share + z * z / (2.0 * n) - spread) / (1.0 + z * z / n)
    }

    #[test]
    fn the_whole_numbers_agree_with_the_wilson_bound() {
        let mut compared = 0;
        for n in 1..=400_u32 {
            for k in 0..=n {
                for rate in [1, 50, 200, 333, 500, 900, 999] {
                    let bound = wilson(f64::from(k), f64::from(n));
                    let p = f64::from(rate) / 1_000.0;
                    assert!((bound - p).abs() > 1e-9, "too near to compare: {k} of {n}, {rate}");
                    assert_eq!(surely_exceeds(k.into(), n.into(), rate), bound > p, "{k} of {n}, {rate}");
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, 7 * (401 * 402 / 2 - 1));
    }

    #[test]
    fn the_fewest_failures_that_exceed_a_fifth_and_nine_tenths() {
        let fewest = |n, rate| (0..=n).find(|&k| surely_exceeds(k, n, rate));
        let table = [(20, 200, Some(7)), (50, 200, Some(15)), (100, 200, Some(27)), (400, 200, Some(94))];
        for (n, rate, k) in table {
            assert_eq!(fewest(n, rate), k, "{n}, {rate}");
        }
        // All of 24 are not enough for nine tenths; all of 25 are.
        let table = [(20, 900, None), (24, 900, None), (25, 900, Some(25)), (100, 900, Some(95))];
        for (n, rate, k) in table {
            assert_eq!(fewest(n, rate), k, "{n}, {rate}");
        }
    }

    #[test]
    fn the_largest_counts_do_not_overflow_and_a_rate_of_all_is_never_exceeded() {
        let most = COUNT * u64::from(u32::MAX);
        assert!(surely_exceeds(most, most, 999));
        assert!(!surely_exceeds(most, most, 1_000));
        assert!(!surely_exceeds(most, most, u32::MAX));
        assert!(!surely_exceeds(0, most, 500));
        assert!(surely_exceeds(1, 1, 0) && !surely_exceeds(0, 1, 0));
    }

    #[test]
    fn a_vote_is_forgotten_when_its_bucket_is_the_eleventh() {
        let mut window = Window::default();
        for (millis, failed, votes) in [(2_999, 1, 1), (3_000, 2, 2), (29_999, 3, 3), (30_000, 3, 3), (33_000, 3, 3)] {
            window.count(at(millis), SPAN, Some(0));
            assert_eq!(window.totals(), (failed, votes), "{millis}");
        }
    }

    #[test]
    fn a_long_silence_forgets_everything_and_an_earlier_time_counts_as_the_latest() {
        let mut window = Window::default();
        for second in 0..30 {
            window.count(at(second * 1_000), SPAN, Some(0));
        }
        window.count(at(10), SPAN, None);
        assert_eq!(window.totals(), (30, 31));
        assert_eq!(window.buckets[9].votes, 4, "it stands with the latest");
        window.count(at(60_000), SPAN, None);
        assert_eq!(window.totals(), (0, 1));
        window.count(Time::NEVER, SPAN, Some(0));
        assert_eq!(window.totals(), (1, 1));
    }

    #[test]
    fn enough_votes_are_asked_for() {
        let mut window = Window::default();
        for n in 0..20 {
            window.count(at(n * 1_000), SPAN, Some(n));
        }
        assert!(window.exceeds(20, 200) && !window.exceeds(21, 200));
    }

    #[test]
    fn one_piece_of_the_window_says_nothing_and_any_vote_in_a_second_one_is_enough() {
        for second in [None, Some(0)] {
            let mut window = Window::default();
            for n in 0..200 {
                window.count(at(2_999), SPAN, Some(n));
                assert!(!window.exceeds(1, 200), "{n}");
            }
            window.count(at(3_000), SPAN, second);
            assert!(window.exceeds(1, 200));
        }
        let mut window = Window::default();
        window.count(at(0), SPAN, Some(0));
        for n in 0..200 {
            window.count(at(30_000), SPAN, Some(n));
            assert!(!window.exceeds(1, 200), "the first piece is gone by then: {n}");
        }
    }

    #[test]
    fn two_bodies_say_nothing_however_often_they_fail_and_a_third_is_enough() {
        let mut window = Window::default();
        for n in 0..200 {
            window.count(at(n * 100), SPAN, Some(n % 2));
            assert!(!window.exceeds(1, 200), "{n}");
        }
        window.count(at(20_000), SPAN, None);
        assert!(!window.exceeds(1, 200), "what succeeds is no third one");
        window.count(at(20_000), SPAN, Some(2));
        assert!(window.exceeds(1, 200));
    }

    #[test]
    fn a_body_is_forgotten_with_the_piece_of_the_window_that_it_failed_in_last() {
        for (millis, is_varied) in [(29_999, true), (30_000, false)] {
            let mut window = Window::default();
            window.count(at(0), SPAN, Some(0));
            window.count(at(15_000), SPAN, Some(1));
            window.count(at(millis), SPAN, Some(2));
            assert_eq!(window.exceeds(1, 200), is_varied, "{millis}");
            window.count(at(millis), SPAN, Some(0));
            assert!(window.exceeds(1, 200), "it failed again");
        }
    }

    #[test]
    fn of_many_bodies_the_three_latest_are_remembered_in_turn() {
        let mut window = Window::default();
        for body in [0, 1, 2, 0, 3, 3, 0, 4] {
            window.count(at(0), SPAN, Some(body));
        }
        assert_eq!(window.failed.map(|(body, _)| body), [4, 0, 3]);
    }

    #[test]
    fn another_span_begins_anew_and_none_is_a_span_too() {
        let mut window = Window::default();
        for span in [SPAN, Duration::from_secs(10), Duration::ZERO, Duration::MAX] {
            for _ in 0..7 {
                window.count(at(5), span, Some(0));
            }
            assert_eq!(window.totals(), (7, 7), "{span:?}");
            window.count(Time::NEVER, span, Some(0));
            assert_eq!(window.totals(), (1, 1), "{span:?}");
        }
    }

    #[test]
    fn a_bucket_that_is_full_stays_full() {
        let mut window = Window::default();
        window.count(at(0), SPAN, Some(0));
        window.buckets[0] = Bucket { votes: u32::MAX, failed: u32::MAX };
        window.count(at(0), SPAN, Some(0));
        assert_eq!((window.buckets[0].votes, window.buckets[0].failed), (u32::MAX, u32::MAX));
    }
}
