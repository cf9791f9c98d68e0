//! How long requests of one form may take before it is too long.
//!
//! What is waited for is learnt, and learning must never kill a healthy slow request. So a limit is
//! four times what 99 of 100 answers needed, never under a floor, and only from [`SAMPLES_MIN`]
//! requests of this very form: that short prompts are quick says nothing about long ones.
//!
//! An attempt that was broken off at a limit counts as one that took that long: left out, the slow
//! ones would be missing. But it may never have ended, and where one request in a hundred hangs,
//! each limit would be four times the last. So it is kept apart. Where one in a hundred and more are
//! broken off, the limit becomes four times as long as the answers say, once: what is slow then
//! answers, and is counted for what it is; what hangs does not. Only where one in twenty are broken
//! off does each limit go on from the last: then it is the upstream that has become slow.

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
/// What was broken off makes it no more than this many times as long as the answers do.
const DOUBT: u32 = 4;
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
    /// The same of those that were answered, without those that were broken off.
    pub answered_p99: Option<Duration>,
}

impl Expectation {
    /// How long a stream may be silent before its first content: 20 s to 300 s; 300 s while the form is not known.
    #[must_use]
    pub fn first_content_limit(&self) -> Duration {
        self.late(FIRST_CONTENT_MIN).map_or(FirstContent::MAX, |late| late.min(FirstContent::MAX))
    }

    /// How long a whole answer may take where another upstream could be asked instead: 60 s to
    /// `total`, or `total` where that is shorter; `None` while the form is not known.
    #[must_use]
    pub fn total_limit(&self, total: Duration) -> Option<Duration> {
        Some(self.late(TOTAL_MIN)?.min(total))
    }

    /// When to ask a second time beside the first: after what 95 of 100 need, but `min` to `max`
    /// (`max` if they cross); `None` while the form is not known.
    #[must_use]
    pub fn hedge_after(&self, min: Duration, max: Duration) -> Option<Duration> {
        self.is_known().then_some(self.p95?.max(min).min(max))
    }

    /// Later than anything healthy, `min` at least.
    fn late(&self, min: Duration) -> Option<Duration> {
        let margin = |took: Option<Duration>| took.unwrap_or_default().saturating_mul(MARGIN);
        let answers = margin(self.answered_p99).max(min);
        let doubted = margin(self.p99).min(answers.saturating_mul(DOUBT));
        self.is_known().then(|| answers.max(doubted).max(margin(self.p95)))
    }

    fn is_known(&self) -> bool {
        self.samples >= SAMPLES_MIN
    }
}

/// What was learnt of one form, with its quantiles kept at hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Learnt {
    answered: Latencies,
    /// Apart, and without memory until there are any.
    broken_off: Latencies,
    quantiles: Expectation,
    /// The half in which the quantiles were reckoned.
    turn: u64,
    /// Recorded since then.
    unseen: u64,
}

impl Learnt {
    pub(super) fn answered(&mut self, now: Time, took: Duration) {
        self.answered.record(now, took);
        self.unseen += 1;
    }

    pub(super) fn broken_off(&mut self, now: Time, after: Duration) {
        self.broken_off.record(now, after);
        self.unseen += 1;
    }

    /// The count is exact. The quantiles lack fewer than [`STALE_MAX`] of the latest records and less
    /// than a sixteenth of all, and nothing in them was forgotten since.
    pub(super) fn expect(&mut self, now: Time) -> Expectation {
        let Learnt { answered, broken_off, .. } = self;
        let (turn, samples) = (answered.turn(now), answered.count(now) + broken_off.count(now));
        let is_stale = self.unseen >= STALE_MAX || self.unseen * STALE_MAX >= samples;
        if turn != self.turn || (self.unseen > 0 && is_stale) {
            let mut of_all = |parts| answered.quantile_with(broken_off, now, parts);
            let (p50, p95, p99) = (of_all(500), of_all(950), of_all(990));
            let answered_p99 = answered.quantile(now, 990);
            self.quantiles = Expectation { samples, p50, p95, p99, answered_p99 };
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
        Expectation { samples, p50: Some(p95), p95: Some(p95), p99: Some(p99), answered_p99: Some(p99) }
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
    fn what_was_broken_off_makes_a_limit_four_times_as_long_as_answers_do_and_no_longer() {
        for (answered_p99, p99, p95, first_content, total) in [
            // Nothing of note was broken off.
            (10, 10, 5, 40, 60),
            // One in a hundred was, at the limit.
            (10, 40, 5, 160, 160),
            // At the next one, too.
            (10, 160, 5, 160, 240),
            (1, 80, 1, 80, 240),
            // One in twenty was.
            (10, 160, 41, 164, 240),
            (10, 160, 160, 300, 600),
        ] {
            let known = Expectation { answered_p99: Some(secs(answered_p99)), ..expectation(50, secs(p95), secs(p99)) };
            assert_eq!(known.first_content_limit(), secs(first_content), "{known:?}");
            assert_eq!(known.total_limit(secs(600)), Some(secs(total)), "{known:?}");
        }
        let never = Expectation { answered_p99: None, ..expectation(50, secs(75), secs(75)) };
        assert_eq!(never.first_content_limit(), secs(300));
    }

    /// `rounds` of a hundred requests, of which the first `slow` take so many seconds, and the others
    /// one; asked and recorded as they are in earnest. How many of all were broken off, and the limit.
    fn hundreds(learnt: &mut Learnt, rounds: u32, slow: u32, takes: u64) -> (u32, Duration) {
        let mut broken_off = 0;
        for at in 0..rounds * 100 {
            let took = if at % 100 < slow { secs(takes) } else { secs(1) };
            let limit = learnt.expect(Time::ZERO).first_content_limit();
            if took <= limit {
                learnt.answered(Time::ZERO, took);
            } else {
                learnt.broken_off(Time::ZERO, limit);
                broken_off += 1;
            }
        }
        (broken_off, learnt.expect(Time::ZERO).first_content_limit())
    }

    const FOR_EVER: u64 = u64::MAX;

    #[test]
    fn a_few_that_never_answer_do_not_push_their_own_limit_up_for_ever() {
        for hang in 1..=4 {
            let mut learnt = Learnt::default();
            hundreds(&mut learnt, 10, 0, 1);
            let (broken_off, limit) = hundreds(&mut learnt, 200, hang, FOR_EVER);
            assert_eq!(broken_off, 200 * hang);
            assert!(limit <= secs(80), "{hang} of a hundred hang: {limit:?}");
        }
    }

    #[test]
    fn a_few_that_are_slow_are_soon_waited_for() {
        for slow in 2..=6 {
            let mut learnt = Learnt::default();
            assert_eq!(hundreds(&mut learnt, 10, 0, 1), (0, secs(20)));
            // They are new: one in a hundred is broken off before they are believed.
            let (broken_off, limit) = hundreds(&mut learnt, 100, slow, 60);
            assert!((8..=40).contains(&broken_off), "{slow} of a hundred are slow: {broken_off} of 10,000");
            assert!(limit >= secs(240), "{slow} of a hundred are slow: {limit:?}");
        }
    }

    #[test]
    fn an_upstream_that_becomes_slow_altogether_is_given_all_the_time_there_is() {
        for before in [1, 10, 30] {
            let mut learnt = Learnt::default();
            hundreds(&mut learnt, before, 0, 1);
            let (broken_off, limit) = hundreds(&mut learnt, 1 + before, 100, 290);
            assert_eq!(limit, secs(300));
            // A tenth of what was known is enough.
            assert!(broken_off <= 10 + before * 10, "{broken_off} after {before} hundred");
        }
    }

    #[test]
    fn what_was_broken_off_takes_no_memory_before_there_is_any() {
        let mut learnt = Learnt::default();
        hundreds(&mut learnt, 1, 0, 1);
        assert!(format!("{:?}", learnt.broken_off).contains("counts: None"));
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
            steps in prop::collection::vec((1_u64..600_000, 0_u64..4_000_000, any::<bool>(), 0_u8..4), 1..600),
        ) {
            let (mut learnt, mut all, mut answered) = (Learnt::default(), Latencies::default(), Latencies::default());
            let (mut now, mut turn, mut latest) = (0, 0, Vec::new());
            for (millis, pause, asks, end) in steps {
                now += pause;
                let (time, took) = (Time::from_micros(now), Duration::from_millis(millis));
                all.record(time, took);
                if end == 0 {
                    learnt.broken_off(time, took);
                } else {
                    learnt.answered(time, took);
                    answered.record(time, took);
                }
                if all.turn(time) != turn {
                    turn = all.turn(time);
                    // Nothing that was reckoned before the half ended may be told again.
                    latest.clear();
                }
                let [p50, p95, p99] = [500, 950, 990].map(|parts| all.quantile(time, parts));
                latest.push([p50, p95, p99, answered.quantile(time, 990)]);
                if asks {
                    let told = learnt.expect(time);
                    prop_assert_eq!(told.samples, all.count(time));
                    let lag = (STALE_MAX - 1).min(told.samples.saturating_sub(1) / STALE_MAX);
                    let mut recent = latest.iter().rev().take(1 + usize::try_from(lag).unwrap());
                    let told = [told.p50, told.p95, told.p99, told.answered_p99];
                    prop_assert!(recent.any(|truth| *truth == told));
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
                learnt.answered(Time::ZERO, Duration::from_millis(millis));
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
                first_content.broken_off(Time::ZERO, limit);

                let (_, limit) = limits(total.expect(Time::ZERO));
                prop_assert!(before_total <= limit);
                before_total = limit;
                total.broken_off(Time::ZERO, limit.unwrap_or(secs(600)));
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
                learnt.broken_off(now, limit);
            }
        }
    }
}
