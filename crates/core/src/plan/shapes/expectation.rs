//! How long requests of one form may take before it is too long.
//!
//! What is waited for is learnt, and learning must never kill a healthy slow request. So a limit is
//! four times what 99 of 100 needed, never under a floor, and only from [`SAMPLES_MIN`] requests of
//! this very form: that short prompts are quick says nothing about long ones.
//!
//! An attempt that was broken off at a limit counts as one that took that long. The more of them,
//! the longer the next limit: it cannot talk itself down.

use std::time::Duration;

use crate::plan::policy::FirstContent;
use crate::time::Time;
use crate::window::Latencies;

/// Requests of a form that must be known before a limit or a hedge is made of them.
pub const SAMPLES_MIN: u64 = 50;
/// No stream is given up for silence before this.
pub const FIRST_CONTENT_MIN: Duration = Duration::from_secs(20);
/// No whole answer is given up for being late before this.
pub const TOTAL_MIN: Duration = Duration::from_secs(60);
/// A limit is this many times what 99 of 100 needed.
const MARGIN: u32 = 4;
/// Quantiles are reckoned anew when as many as this were recorded since, or as many as a sixteenth of all.
pub const STALE_MAX: u64 = 16;

/// How long requests of one form took: to the first content of a stream, to the end of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expectation {
    /// Requests of this very form in the last five to ten minutes.
    pub samples: u64,
    /// Half of them took no longer. With fewer than [`SAMPLES_MIN`] samples the quantiles are those
    /// of every size of request; `None` if nothing at all is known.
    pub p50: Option<Duration>,
    /// 95 of 100 took no longer.
    pub p95: Option<Duration>,
    /// 99 of 100 took no longer.
    pub p99: Option<Duration>,
}

impl Expectation {
    /// How long a stream may be silent before its first content: 20 s to 300 s; 300 s while the form is not known.
    #[must_use]
    pub fn first_content_limit(&self) -> Duration {
        let limit = self.late().unwrap_or(FirstContent::MAX);
        limit.clamp(FIRST_CONTENT_MIN, FirstContent::MAX)
    }

    /// How long a whole answer may take where another upstream could be asked instead: 60 s to
    /// `total`, or `total` where that is shorter; `None` while the form is not known.
    #[must_use]
    pub fn total_limit(&self, total: Duration) -> Option<Duration> {
        Some(self.late()?.max(TOTAL_MIN).min(total))
    }

    /// When to ask a second time beside the first: after what 95 of 100 need, but `min` to `max`
    /// (`max` if they cross); `None` while the form is not known.
    #[must_use]
    pub fn hedge_after(&self, min: Duration, max: Duration) -> Option<Duration> {
        self.is_known().then_some(self.p95?.max(min).min(max))
    }

    /// Later than anything healthy.
    fn late(&self) -> Option<Duration> {
        self.is_known().then_some(self.p99?.saturating_mul(MARGIN))
    }

    fn is_known(&self) -> bool {
        self.samples >= SAMPLES_MIN
    }
}

/// What was learnt of one form, with its quantiles kept at hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Learnt {
    latencies: Latencies,
    quantiles: Expectation,
    /// The half in which the quantiles were reckoned.
    turn: u64,
    /// Recorded since then.
    unseen: u64,
}

impl Learnt {
    pub(super) fn record(&mut self, now: Time, took: Duration) {
        self.latencies.record(now, took);
        self.unseen += 1;
    }

    /// The count is exact. The quantiles lack fewer than [`STALE_MAX`] of the latest records and less
    /// than a sixteenth of all, and nothing in them was forgotten since.
    pub(super) fn expect(&mut self, now: Time) -> Expectation {
        let (turn, samples) = (self.latencies.turn(now), self.latencies.count(now));
        let is_stale = self.unseen >= STALE_MAX || self.unseen * STALE_MAX >= samples;
        if turn != self.turn || (self.unseen > 0 && is_stale) {
            let mut quantile = |parts| self.latencies.quantile(now, parts);
            let (p50, p95, p99) = (quantile(500), quantile(950), quantile(990));
            self.quantiles = Expectation { samples, p50, p95, p99 };
            self.turn = turn;
            self.unseen = 0;
        }
        Expectation { samples, ..self.quantiles }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn expectation(samples: u64, p95: Duration, p99: Duration) -> Expectation {
        Expectation { samples, p50: Some(p95), p95: Some(p95), p99: Some(p99) }
    }

    #[test]
    fn a_form_with_fewer_than_fifty_samples_has_no_limit_of_its_own() {
        let few = expectation(SAMPLES_MIN - 1, secs(1), secs(1));
        assert_eq!(few.first_content_limit(), secs(300));
        assert_eq!((few.total_limit(secs(600)), few.hedge_after(secs(0), secs(20))), (None, None));
        let enough = expectation(SAMPLES_MIN, secs(1), secs(1));
        assert_eq!(enough.first_content_limit(), secs(20));
        assert_eq!(enough.total_limit(secs(600)), Some(secs(60)));
        assert_eq!(enough.hedge_after(secs(0), secs(20)), Some(secs(1)));
    }

    #[test]
    fn a_limit_is_four_times_the_slowest_but_one_in_a_hundred_within_its_bounds() {
        for (p99, first_content, total) in [(4, 20, 60), (6, 24, 60), (40, 160, 160), (90, 300, 360), (600, 300, 600)] {
            let known = expectation(50, secs(1), secs(p99));
            assert_eq!(known.first_content_limit(), secs(first_content), "p99 {p99} s");
            assert_eq!(known.total_limit(secs(600)), Some(secs(total)), "p99 {p99} s");
        }
        assert_eq!(expectation(50, secs(1), secs(1)).total_limit(secs(10)), Some(secs(10)));
    }

    #[test]
    fn a_hedge_waits_between_its_bounds() {
        for (p95, after) in [(1, 2), (5, 5), (50, 20)] {
            assert_eq!(expectation(50, secs(p95), secs(60)).hedge_after(secs(2), secs(20)), Some(secs(after)));
        }
        assert_eq!(expectation(50, secs(5), secs(60)).hedge_after(secs(9), secs(3)), Some(secs(3)));
    }

    proptest! {
        #[test]
        fn quantiles_at_hand_are_fewer_than_sixteen_records_old(
            steps in prop::collection::vec((1_u64..600_000, 0_u64..4_000_000, any::<bool>()), 1..600),
        ) {
            let (mut learnt, mut fresh) = (Learnt::default(), Latencies::default());
            let (mut now, mut turn, mut latest) = (0, 0, Vec::new());
            for (millis, pause, asks) in steps {
                now += pause;
                let time = Time::from_micros(now);
                learnt.record(time, Duration::from_millis(millis));
                fresh.record(time, Duration::from_millis(millis));
                if fresh.turn(time) != turn {
                    turn = fresh.turn(time);
                    // Nothing that was reckoned before the half ended may be told again.
                    latest.clear();
                }
                latest.push([500, 950, 990].map(|parts| fresh.quantile(time, parts)));
                if asks {
                    let told = learnt.expect(time);
                    prop_assert_eq!(told.samples, fresh.count(time));
                    let lag = (STALE_MAX - 1).min(told.samples.saturating_sub(1) / STALE_MAX);
                    let recent = latest.iter().rev().take(1 + usize::try_from(lag).unwrap());
                    prop_assert!(recent.into_iter().any(|truth| *truth == [told.p50, told.p95, told.p99]));
                }
            }
        }

        #[test]
        fn a_limit_cannot_talk_itself_down(
            // Up to 1 s, 2 s, … 128 s: limits from the shortest to the longest.
            healthy in (0_u32..8).prop_flat_map(|octave| prop::collection::vec(1_u64..1_000 << octave, 0..300)),
            cut in 1_usize..300,
        ) {
            let mut learnt = Learnt::default();
            for millis in healthy {
                learnt.record(Time::ZERO, Duration::from_millis(millis));
            }
            // From here on nothing ever answers: every attempt is broken off at the limit of its time.
            let (mut first_content, mut total) = (learnt.clone(), learnt);
            let limits = |expectation: Expectation| {
                (expectation.first_content_limit(), expectation.total_limit(secs(600)))
            };
            let (mut before, mut before_total) = (None, None);
            for _ in 0..cut {
                let (limit, _) = limits(first_content.expect(Time::ZERO));
                // The first limit that is learnt may be shorter than the cold one.
                let is_learnt = first_content.expect(Time::ZERO).samples >= SAMPLES_MIN;
                prop_assert!(!is_learnt || before.is_none_or(|before| before <= limit));
                before = is_learnt.then_some(limit);
                first_content.record(Time::ZERO, limit);

                let (_, limit) = limits(total.expect(Time::ZERO));
                prop_assert!(before_total <= limit);
                before_total = limit;
                total.record(Time::ZERO, limit.unwrap_or(secs(600)));
            }
        }
    }

    #[test]
    fn a_form_that_never_answered_keeps_its_whole_patience() {
        let mut learnt = Learnt::default();
        for minute in 0..240 {
            let now = Time::ZERO + secs(60 * minute);
            for _ in 0..30 {
                let limit = learnt.expect(now).first_content_limit();
                assert_eq!(limit, secs(300), "in minute {minute}");
                learnt.record(now, limit);
            }
        }
    }
}
