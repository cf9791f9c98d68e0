//! When a rate is high, and surely so: two gates for each rule, in whole numbers.
//!
//! "More than 5 %" alone cries wolf a dozen times a day where few ask: one failure of ten is 10 %. To
//! test against 5 % itself is silent at a true 6 % until thousands have asked. So the rate has to be
//! above 5 %, and the same count has to be next to impossible (1 in 10,000) in a healthy place that
//! fails 2 % of the time. From 440 requests in a window on the first gate alone decides, as written.
//! An operator may move the first gate ([`Limits`]); the second stays, and for rates below 5 % it has a say in every
//! window.
//!
//! Slow first contents are judged alike, against 20 % and 5 %. For masked failures the background is
//! what was learnt, and the second gate is a count so large that chance does not triple it.

use super::limits::FAILURES_MIN_LEAST;
use super::{Counts, Limits};

/// The first count of failures that [`RATE_STEPS`] knows.
const RATE_MIN: u64 = FAILURES_MIN_LEAST as u64;
/// Slow first contents in a window below which their share says nothing: they come in clumps.
pub const SLOW_MIN: u64 = 8;
/// Masked failures in a window below which they say nothing. With 2 % of a window failing by chance
/// where 1 % do as a rule, there are 48 of them 1.5 times in 100,000 (Poisson, mean 24).
pub const RISING_MIN: u64 = 48;
/// Requests from which the usual rate is taken for learnt.
const USUAL_MIN: u64 = 3_000;
/// A rate of [`Limits`] counts in thousandths.
const RATE_PARTS: u64 = 1_000;

/// The most requests among which so many failures are next to impossible at 2 %: P(Bin(n, 0.02) >= k)
/// < 0.0001, for k from [`RATE_MIN`] on. Beyond the last see [`is_beyond_chance`].
const RATE_STEPS: [u64; 22] =
    [13, 24, 37, 54, 72, 92, 113, 135, 159, 184, 209, 236, 263, 291, 319, 348, 377, 407, 438, 469, 500, 511];
/// The same at 5 %, for k from [`SLOW_MIN`] on.
const SLOW_STEPS: [u64; 4] = [30, 38, 47, 49];

/// Whether more than the rate of `limits` failed, and surely so.
pub(super) fn is_high(counts: Counts, limits: &Limits) -> bool {
    counts.failed >= u64::from(limits.failures_min)
        && RATE_PARTS * counts.failed > u64::from(limits.rate) * counts.of
        && is_beyond_chance(counts)
}

/// Whether less than half the rate of `limits` failed.
pub(super) fn is_low(counts: Counts, limits: &Limits) -> bool {
    2 * RATE_PARTS * counts.failed < u64::from(limits.rate) * counts.of
}

/// Whether chance makes so many failures of 2 % less than once in 10,000 windows. Beyond the table it is the normal
/// tail with its skew: the mean, 3.72 deviations (the root of 0.0196 n) and three failures more, all in fiftieths.
/// That is never less than the exact count, and at most two more. For 5 % and above the rate is stricter by then.
fn is_beyond_chance(counts: Counts) -> bool {
    let step = least(&RATE_STEPS, RATE_MIN, counts.of);
    if step > 0 {
        return counts.failed >= step;
    }
    let of = u128::from(counts.of);
    let above = (50 * u128::from(counts.failed)).saturating_sub(of + 150);
    above > 0 && above * above >= 679 * of
}

/// Whether more than a fifth were slow, and surely so.
pub(super) fn is_slow(counts: Counts) -> bool {
    counts.failed >= SLOW_MIN
        && 5 * counts.failed > counts.of
        && counts.failed >= least(&SLOW_STEPS, SLOW_MIN, counts.of)
}

/// Whether more than 2 % failed, and more than three times the `usual` share, where that is known; else
/// more than 3 %.
pub(super) fn is_rising(counts: Counts, usual: Counts) -> bool {
    counts.failed >= RISING_MIN && is_above_usual(counts, usual, 1)
}

/// Whether less than half of what is rising failed.
pub(super) fn has_fallen(counts: Counts, usual: Counts) -> bool {
    counts.of > 0 && !is_above_usual(counts, usual, 2)
}

/// Whether `times` the share that failed is above 2 % and three times the usual.
fn is_above_usual(counts: Counts, usual: Counts, times: u64) -> bool {
    let usual = if usual.of < USUAL_MIN { Counts { failed: 1, of: 100 } } else { usual };
    let failed = u128::from(times * counts.failed);
    let of = u128::from(counts.of);
    50 * failed > of && failed * u128::from(usual.of) > 3 * u128::from(usual.failed) * of
}

/// How many failures of `of` are more than chance, if `steps` begins at `first`. 0 beyond the table.
fn least(steps: &[u64], first: u64, of: u64) -> u64 {
    let at = steps.partition_point(|&last| last < of);
    if at < steps.len() { first + at as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUALLY: Limits = Limits {
        consecutive: 4,
        rate: 50,
        failures_min: 4,
        remind_every: std::time::Duration::from_secs(900),
        masked: true,
        latency: true,
    };

    fn counts(failed: u64, of: u64) -> Counts {
        Counts { failed, of }
    }

    /// The least k of `first` at least with P(Bin(n, p) >= k) < 0.0001, by the definition.
    fn by_definition(n: u32, p: f64, first: u64) -> u64 {
        // P(X = k) from P(X = k - 1), from the far end, where it is smallest.
        let mut chances = vec![(1.0 - p).powi(i32::try_from(n).unwrap())];
        for k in 1..=n {
            let before = chances[k as usize - 1];
            chances.push(before * f64::from(n - k + 1) / f64::from(k) * p / (1.0 - p));
        }
        let mut tail = 0.0;
        for k in (0..=n).rev() {
            tail += chances[k as usize];
            assert!((tail / 1e-4 - 1.0).abs() > 1e-9, "too close to call at n = {n}, k = {k}");
            if tail >= 1e-4 {
                return first.max(u64::from(k) + 1);
            }
        }
        first
    }

    #[test]
    fn the_tables_are_those_of_the_binomial() {
        for n in 1..=511 {
            assert_eq!(
                least(&RATE_STEPS, RATE_MIN, n),
                by_definition(u32::try_from(n).unwrap(), 0.02, RATE_MIN),
                "{n}"
            );
        }
        for n in 1..=49 {
            assert_eq!(
                least(&SLOW_STEPS, SLOW_MIN, n),
                by_definition(u32::try_from(n).unwrap(), 0.05, SLOW_MIN),
                "{n}"
            );
        }
        // Beyond the tables the share is the stricter gate, which is why they end there.
        for n in 512..=5_000_u64 {
            assert!(n / 20 + 1 >= by_definition(u32::try_from(n).unwrap(), 0.02, RATE_MIN), "{n}");
        }
        for n in 50..=5_000_u64 {
            assert!(n / 5 + 1 >= by_definition(u32::try_from(n).unwrap(), 0.05, SLOW_MIN), "{n}");
        }
    }

    #[test]
    fn a_rate_needs_four_and_has_the_known_steps() {
        // Resilience 9 and 13.5: n 4: 4, 10: 4, 20: 5, 50: 7, 100: 10, 200: 14, 400: 21.
        for (of, k) in [(4, 4), (10, 4), (20, 5), (50, 7), (100, 10), (200, 14), (400, 21)] {
            assert!(is_high(counts(k, of), &USUALLY) && !is_high(counts(k - 1, of), &USUALLY), "{k} of {of}");
        }
        assert!(!is_high(counts(3, 3), &USUALLY) && !is_high(counts(0, 0), &USUALLY));
    }

    #[test]
    fn from_440_on_more_than_5_percent_is_enough() {
        for of in 440..=20_000 {
            assert!(is_high(counts(of / 20 + 1, of), &USUALLY) && !is_high(counts(of / 20, of), &USUALLY), "{of}");
        }
        assert!(!is_high(counts(439 / 20 + 1, 439), &USUALLY));
    }

    #[test]
    fn a_fifth_is_slow_from_eight_on() {
        for (of, k) in [(8, 8), (30, 8), (31, 9), (49, 11), (50, 11), (1_000, 201)] {
            assert!(is_slow(counts(k, of)) && !is_slow(counts(k - 1, of)), "{k} of {of}");
        }
    }

    #[test]
    fn rising_is_three_times_the_usual_and_more_than_2_percent() {
        assert!(is_rising(counts(48, 1_599), Counts::default()) && !is_rising(counts(48, 1_600), Counts::default()));
        assert!(!is_rising(counts(47, 1_000), Counts::default()));
        let never = counts(0, USUAL_MIN);
        assert!(is_rising(counts(48, 2_399), never) && !is_rising(counts(48, 2_400), never));
        assert!(!is_rising(counts(48, 2_399), counts(0, USUAL_MIN - 1)));
        let usual = counts(60, 6_000);
        assert!(is_rising(counts(48, 1_599), usual) && !is_rising(counts(48, 1_600), usual));
        assert!(has_fallen(counts(15, 1_000), usual) && !has_fallen(counts(16, 1_000), usual));
        assert!(!has_fallen(counts(0, 0), usual));
    }

    #[test]
    fn beyond_the_table_chance_is_bounded_from_above_and_closely() {
        for n in (512..=2_000).chain([3_000, 5_000, 10_000, 20_000, 30_000]) {
            let exact = by_definition(n, 0.02, RATE_MIN);
            let first = (exact..).find(|&k| is_beyond_chance(counts(k, n.into()))).unwrap();
            assert!(!is_beyond_chance(counts(exact - 1, n.into())) && first <= exact + 2, "{n}: {exact} {first}");
        }
    }

    #[test]
    fn at_the_usual_limits_it_is_what_it_was_before_there_were_others() {
        assert_eq!(Limits::default(), USUALLY);
        let before = |counts: Counts| {
            counts.failed >= 4 && 20 * counts.failed > counts.of && counts.failed >= least(&RATE_STEPS, 4, counts.of)
        };
        for of in (0..=3_000_u64).chain((3_000..1_000_000).step_by(997)) {
            for failed in (of / 20).saturating_sub(30)..=(of / 20 + 30).min(of) {
                let counts = counts(failed, of);
                assert_eq!(is_high(counts, &USUALLY), before(counts), "{counts:?}");
                assert_eq!(is_low(counts, &USUALLY), 40 * failed < of, "{counts:?}");
            }
        }
    }

    #[test]
    fn a_rate_is_what_was_asked_for_from_where_chance_has_no_say() {
        for (rate, of) in [(50, 440), (100, 200), (500, 20)] {
            let limits = Limits { rate, ..USUALLY };
            let most = of * u64::from(rate) / 1_000;
            assert!(is_high(counts(most + 1, of), &limits) && !is_high(counts(most, of), &limits), "{rate}");
        }
        // At 2 % chance alone decides, in every window.
        let limits = Limits { rate: 20, ..USUALLY };
        for of in (4..=5_000).chain([100_000, 10_000_000]) {
            let least = (of / 50..).find(|&failed| failed >= 4 && is_beyond_chance(counts(failed, of))).unwrap();
            assert!(is_high(counts(least, of), &limits) && !is_high(counts(least - 1, of), &limits), "{of}");
        }
        assert!(is_high(counts(u64::from(u32::MAX), u64::from(u32::MAX)), &limits));
    }

    #[test]
    fn fewer_failures_than_were_asked_for_are_no_rate() {
        for failures_min in [4, 5, 1_000] {
            let limits = Limits { failures_min, ..USUALLY };
            let least = u64::from(failures_min);
            assert!(is_high(counts(least, least), &limits) && !is_high(counts(least - 1, least - 1), &limits));
        }
    }
}
