//! Requests that are too large: what was refused for its size, and what never ends because of it.
//!
//! Two kinds of evidence. An answer that says so (413, `context_length_exceeded`) holds at once for
//! every body as large as that one. Failures without an answer say so only in comparison: where at
//! least five of one size ended so, as good as always, and hardly any of those a quarter as large, it
//! is their size (Fisher's exact test, one-sided, 1 in 100).

use std::time::Duration;

use super::cliff::{EXPIRY, TRIAL_EVERY};
use crate::time::Time;

/// Failures of one size that must have come before size is blamed.
pub const FAILURES_MIN: u32 = 5;
/// Powers of two that are told apart; larger bodies count as the last.
const SIZES: usize = 40;
/// Smaller means: by this many powers of two at least.
const BUCKETS_BELOW: usize = 2;
/// Counts stop here: enough for the test, and its products stay small.
const COUNT_MAX: u16 = 1_000;
/// What is called too unlikely to be chance.
const P_MAX: f64 = 0.01;

/// Why a request is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oversize {
    /// One of this many bytes was refused for its size.
    Refused {
        /// The smallest that was, in bytes.
        from: u64,
        /// This request's bytes.
        bytes: u64,
    },
    /// Those of this size end without an answer.
    Fails {
        /// Where the size begins, in bytes: a power of two.
        from: u64,
        /// How many ended without an answer.
        failed: u32,
        /// Of how many.
        of: u32,
        /// How many of those a quarter as large or less did.
        smaller_failed: u32,
        /// Of how many.
        smaller_of: u32,
    },
}

/// The smallest body that was refused for its size, for one model at one upstream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    at: Time,
    bytes: u64,
}

impl Bound {
    /// Also by `bytes`; `known` is what was known before.
    pub(super) fn refused(now: Time, bytes: u64, known: Option<Bound>) -> Bound {
        match known.filter(|bound| bound.holds(now) && bound.bytes <= bytes) {
            Some(bound) => bound,
            None => Bound { at: now, bytes },
        }
    }

    /// Whether one of `bytes` is as large.
    pub(super) fn is_reached(self, now: Time, bytes: u64) -> bool {
        self.holds(now) && bytes >= self.bytes
    }

    pub(super) fn oversize(self, bytes: u64) -> Oversize {
        Oversize::Refused { from: self.bytes, bytes }
    }

    /// One of `bytes` was answered: only what is larger can be too large.
    pub(super) fn was_passed(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            self.bytes = bytes.saturating_add(1);
        }
    }

    fn holds(self, now: Time) -> bool {
        now.since(self.at) < EXPIRY
    }
}

/// What became of requests of one form, by their size.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    since: Time,
    counts: Box<[Count; SIZES]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    answered: u16,
    failed: u16,
    /// No trial before this second since the beginning; 0 while nothing was found.
    trial_at: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes { since: Time::ZERO, counts: Box::new([Count::default(); SIZES]) }
    }
}

impl Sizes {
    pub(super) fn answered(&mut self, now: Time, power: u32) {
        let count = self.count(now, power);
        count.answered = (count.answered + 1).min(COUNT_MAX);
    }

    pub(super) fn failed(&mut self, now: Time, power: u32) {
        let stood = self.oversize(now, power).is_some();
        let count = self.count(now, power);
        count.failed = (count.failed + 1).min(COUNT_MAX);
        if !stood && self.oversize(now, power).is_some() {
            self.expect_trial(now, power);
        }
    }

    /// Whether bodies of 2^`power` bytes are too large, and since they are compared with smaller ones.
    pub(super) fn oversize(&self, now: Time, power: u32) -> Option<Oversize> {
        let at = place(power);
        if now.since(self.since) >= EXPIRY || at < BUCKETS_BELOW {
            return None;
        }
        let here = self.counts[at];
        let smaller = &self.counts[..=at - BUCKETS_BELOW];
        let sum = |of: fn(&Count) -> u16| smaller.iter().map(|count| u32::from(of(count))).sum::<u32>();
        let (failed, answered) = (u32::from(here.failed), u32::from(here.answered));
        let (smaller_failed, smaller_answered) = (sum(|count| count.failed), sum(|count| count.answered));
        // As good as always: a size at which half are answered is worth another attempt.
        let is_rule = failed >= FAILURES_MIN && failed >= answered.saturating_mul(3);
        let is_size = is_rule && fisher(failed, answered, smaller_failed, smaller_answered) < P_MAX;
        is_size.then(|| Oversize::Fails {
            from: 1 << at,
            failed,
            of: failed + answered,
            smaller_failed,
            smaller_of: smaller_failed + smaller_answered,
        })
    }

    /// Whether to try once more all the same: true once in ten minutes, and takes the trial.
    pub(super) fn trial(&mut self, now: Time, power: u32) -> bool {
        let passed = seconds(now.since(self.since));
        let is_due = self.oversize(now, power).is_some() && passed >= self.counts[place(power)].trial_at;
        if is_due {
            self.expect_trial(now, power);
        }
        is_due
    }

    fn expect_trial(&mut self, now: Time, power: u32) {
        self.counts[place(power)].trial_at = seconds(now.since(self.since) + TRIAL_EVERY);
    }

    fn count(&mut self, now: Time, power: u32) -> &mut Count {
        if now.since(self.since) >= EXPIRY {
            *self = Sizes { since: now, ..Sizes::default() };
        }
        &mut self.counts[place(power)]
    }
}

fn place(power: u32) -> usize {
    (power as usize).min(SIZES - 1)
}

fn seconds(passed: Duration) -> u32 {
    u32::try_from(passed.as_secs()).unwrap_or(u32::MAX)
}

/// The chance that at least `failed` of the failures fall among these, if size meant nothing: Fisher's
/// exact test, one-sided. Only products and quotients: the same on every machine.
fn fisher(failed: u32, answered: u32, smaller_failed: u32, smaller_answered: u32) -> f64 {
    let (here, smaller) = (failed + answered, smaller_failed + smaller_answered);
    let (failures, all) = (failed + smaller_failed, here + smaller);
    // P(k) = C(failures, k) C(all - failures, here - k) / C(all, here), first for k = failed.
    let mut chance = 1.0;
    let mut below = (0..here).map(|n| f64::from(all - n) / f64::from(n + 1)).collect::<Vec<_>>();
    let mut above = (0..failed).map(|n| f64::from(failures - n) / f64::from(n + 1)).collect::<Vec<_>>();
    above.extend((0..answered).map(|n| f64::from(all - failures - n) / f64::from(n + 1)));
    // Large with small, so that nothing overflows on the way.
    while let (Some(up), Some(down)) = (above.pop(), below.pop()) {
        chance *= up / down;
    }
    let mut total = 0.0;
    let mut k = failed;
    loop {
        total += chance;
        if k >= failures || k >= here || chance == 0.0 {
            return total;
        }
        // From P(k) to P(k + 1).
        let up = f64::from(failures - k) * f64::from(here - k);
        let down = f64::from(k + 1) * (f64::from(all - failures) - f64::from(here - k) + 1.0);
        chance *= up / down;
        k += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Time {
        Time::ZERO + Duration::from_secs(secs)
    }

    fn sizes(counts: &[(u32, u32, u32)]) -> Sizes {
        let mut sizes = Sizes::default();
        for &(power, answered, failed) in counts {
            (0..answered).for_each(|_| sizes.answered(at(0), power));
            (0..failed).for_each(|_| sizes.failed(at(0), power));
        }
        sizes
    }

    #[test]
    fn the_test_is_fishers() {
        // From tables: [3 1; 1 3] is 0.2429, [5 0; 0 20] is 1/53130, [5 0; 0 4] is 1/126.
        for (counts, p) in [((3, 1, 1, 3), 0.242_857), ((5, 0, 0, 20), 1.0 / 53_130.0), ((5, 0, 0, 4), 1.0 / 126.0)] {
            let (a, b, c, d) = counts;
            assert!((fisher(a, b, c, d) - p).abs() < 1e-6, "{counts:?}: {}", fisher(a, b, c, d));
        }
        assert!((fisher(5, 5, 5, 5) - 0.671_86).abs() < 1e-4);
        assert!(fisher(1_000, 0, 40_000, 0) > 0.999_999);
        assert!(fisher(1_000, 0, 0, 38_000) < 1e-300);
    }

    #[test]
    fn five_failures_of_a_size_and_none_of_smaller_ones_are_its_size() {
        for (counts, is_size) in [
            (&[(20, 0, 5), (10, 20, 0)][..], true),
            (&[(20, 0, 4), (10, 20, 0)], false),
            // Nothing to compare with: neither nobody, nor only what is half as large.
            (&[(20, 0, 5)], false),
            (&[(20, 0, 5), (19, 20, 0)], false),
            (&[(20, 0, 5), (18, 20, 0)], true),
            // An outage: the smaller ones fail as well.
            (&[(20, 0, 5), (10, 2, 20)], false),
            // It is not the rule.
            (&[(20, 1, 5), (10, 400, 0)], true),
            (&[(20, 2, 5), (10, 400, 0)], false),
        ] {
            assert_eq!(sizes(counts).oversize(at(1), 20).is_some(), is_size, "{counts:?}");
        }
    }

    #[test]
    fn sizes_are_forgotten_after_a_day() {
        let mut sizes = sizes(&[(20, 0, 5), (10, 20, 0)]);
        assert!(sizes.oversize(at(86_399), 20).is_some());
        assert_eq!(sizes.oversize(at(86_400), 20), None);
        sizes.failed(at(86_400), 20);
        assert_eq!(sizes.oversize(at(86_401), 20), None);
    }

    #[test]
    fn one_trial_in_ten_minutes() {
        let mut sizes = sizes(&[(10, 20, 0), (20, 0, 5)]);
        assert!(!sizes.trial(at(599), 20) && sizes.trial(at(600), 20) && !sizes.trial(at(1_199), 20));
        assert!(sizes.trial(at(1_200), 20) && !sizes.trial(at(9_000), 10));
    }

    #[test]
    fn counts_stop_before_they_overflow() {
        let mut sizes = sizes(&[(10, 70_000, 0), (20, 0, 70_000)]);
        sizes.failed(at(0), 64);
        assert_eq!(
            sizes.oversize(at(0), 20),
            Some(Oversize::Fails { from: 1 << 20, failed: 1_000, of: 1_000, smaller_failed: 0, smaller_of: 1_000 })
        );
    }

    #[test]
    fn a_bound_falls_to_the_smallest_that_was_refused_and_holds_for_a_day() {
        let bound = Bound::refused(at(0), 4_000, None);
        assert!(bound.is_reached(at(1), 4_000) && !bound.is_reached(at(1), 3_999));
        let lower = Bound::refused(at(10), 3_000, Some(bound));
        assert!(lower.is_reached(at(11), 3_000));
        let same = Bound::refused(at(20), 5_000, Some(lower));
        assert!(same.is_reached(at(21), 3_000) && !same.is_reached(at(86_410), 3_000));
        let anew = Bound::refused(at(90_000), 5_000, Some(lower));
        assert!(!anew.is_reached(at(90_001), 3_000));
    }
}
