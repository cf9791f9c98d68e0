//! How long things took in the last while: the one ring of buckets.
//!
//! "99 of 100 answers come within 8 s" has to follow an upstream that becomes slow or quick, has to
//! be cheap enough to be asked under a lock, and has to stay small for hundreds of shapes. So
//! durations are counted in buckets that grow with their size (each is at most an eighth wider than
//! it starts), in two halves of five minutes that take turns: a duration is remembered for five
//! minutes at least and for less than ten.
//!
//! A quantile is told as the upper edge of its bucket, so it is never less than the truth: limits
//! that are made of it err towards patience. Nothing here may depend on being asked in time:
//! halves that are over are forgotten when somebody next looks.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Time, micros};

/// How long one half collects: a duration is remembered for this long at least, for less than twice as long.
pub const HALF: Duration = Duration::from_secs(300);
/// Anything shorter counts as this long.
pub const SHORTEST: Duration = Duration::from_millis(1);
/// Anything longer counts as this long.
pub const LONGEST: Duration = Duration::from_secs(600);

const SHORTEST_MICROS: u64 = 1_000;
const LONGEST_MICROS: u64 = 600_000_000;
/// Buckets from a duration to its double.
const STEPS: u64 = 8;
/// One below [`SHORTEST`], 8 for each of 19 doublings, and two that reach from 524 s past [`LONGEST`].
const BUCKETS: usize = 1 + 19 * 8 + 2;

/// A count for each bucket; none goes past `u32::MAX`.
type Counts = Box<[u32; BUCKETS]>;

/// Durations of the last five to ten minutes. Up to 1.3 KiB on the heap, none before the first record.
///
/// ```
/// use std::time::Duration;
/// use seawall_core::{time::Time, window::Latencies};
///
/// let mut latencies = Latencies::default();
/// for millis in 1..=100 {
///     latencies.record(Time::ZERO, Duration::from_millis(millis));
/// }
/// assert_eq!(latencies.quantile(Time::ZERO, 500), Some(Duration::from_millis(52)));
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Latencies {
    /// Which half is being filled, counted from [`Time::ZERO`].
    turn: u64,
    filling: Half,
    before: Half,
}

/// Durations of five minutes. Saved as the buckets that hold something.
#[derive(Debug, Clone, Default)]
struct Half {
    counts: Option<Counts>,
    /// The sum of `counts`.
    total: u64,
}

impl Latencies {
    /// Something took `took`. An earlier `now` than the latest seen counts as the latest half.
    pub fn record(&mut self, now: Time, took: Duration) {
        self.turn(now);
        self.filling.record(bucket(took));
    }

    /// How many durations are remembered at `now`.
    pub fn count(&mut self, now: Time) -> u64 {
        self.turn(now);
        self.filling.total + self.before.total
    }

    /// What `parts_per_thousand` of the durations did not exceed: at most an eighth more than the
    /// truth and never less (between [`SHORTEST`] and [`LONGEST`]). `None` if nothing is remembered.
    /// 0 asks for the shortest, 1,000 and more for the longest.
    pub fn quantile(&mut self, now: Time, parts_per_thousand: u32) -> Option<Duration> {
        let count = self.count(now);
        quantile(&[&self.filling, &self.before], count, parts_per_thousand)
    }

    /// The same of these and those together.
    pub fn quantile_with(&mut self, those: &mut Latencies, now: Time, parts_per_thousand: u32) -> Option<Duration> {
        let count = self.count(now) + those.count(now);
        let halves = [&self.filling, &self.before, &those.filling, &those.before];
        quantile(&halves, count, parts_per_thousand)
    }

    /// Which half `now` is in, counted from [`Time::ZERO`]; when this number grows, something was forgotten.
    /// An earlier `now` than the latest seen is in the latest half.
    pub fn turn(&mut self, now: Time) -> u64 {
        let turn = now.as_micros() / micros(HALF);
        if turn > self.turn {
            std::mem::swap(&mut self.filling, &mut self.before);
            self.filling.clear();
            if turn > self.turn + 1 {
                self.before.clear();
            }
            self.turn = turn;
        }
        self.turn
    }
}

impl Half {
    fn record(&mut self, at: usize) {
        let count = &mut self.counts.get_or_insert_with(|| Box::new([0; BUCKETS]))[at];
        if *count < u32::MAX {
            *count += 1;
            self.total += 1;
        }
    }

    fn at(&self, at: usize) -> u32 {
        self.counts.as_ref().map_or(0, |counts| counts[at])
    }

    /// Empty, and its memory kept for the next turn.
    fn clear(&mut self) {
        if self.total > 0 {
            self.total = 0;
            if let Some(counts) = &mut self.counts {
                counts.fill(0);
            }
        }
    }
}

impl Serialize for Half {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.counts.iter().flat_map(|counts| counts.iter());
        serializer.collect_seq(counts.enumerate().filter(|(_, count)| **count > 0))
    }
}

impl<'de> Deserialize<'de> for Half {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut half = Half::default();
        for (at, count) in Vec::<(usize, u32)>::deserialize(deserializer)? {
            let counts = half.counts.get_or_insert_with(|| Box::new([0; BUCKETS]));
            let place = counts.get_mut(at).ok_or_else(|| serde::de::Error::custom("no such bucket"))?;
            *place = count;
        }
        half.total = half.counts.iter().flat_map(|counts| counts.iter()).map(|&count| u64::from(count)).sum();
        Ok(half)
    }
}

/// What so many parts of a thousand did not exceed, of the `count` durations in `halves`.
fn quantile(halves: &[&Half], count: u64, parts_per_thousand: u32) -> Option<Duration> {
    if count == 0 {
        return None;
    }
    let parts = u128::from(parts_per_thousand.min(1_000));
    let rank = (u128::from(count) * parts).div_ceil(1_000).max(1);
    let mut seen = 0;
    let at = (0..BUCKETS).find(|&at| {
        seen += halves.iter().map(|half| u128::from(half.at(at))).sum::<u128>();
        seen >= rank
    });
    at.map(upper_edge)
}

/// The bucket that `took` is counted in.
fn bucket(took: Duration) -> usize {
    let micros = micros(took).min(LONGEST_MICROS);
    let Some(doublings) = (micros / SHORTEST_MICROS).checked_ilog2() else { return 0 };
    let start = SHORTEST_MICROS << doublings;
    let step = (micros - start) * STEPS / start;
    usize::try_from(1 + u64::from(doublings) * STEPS + step).expect("at most 19 doublings of 8 steps")
}

/// Where the bucket at `at` ends.
fn upper_edge(at: usize) -> Duration {
    let Some(at) = at.checked_sub(1) else { return SHORTEST };
    let (doublings, step) = (at as u64 / STEPS, at as u64 % STEPS);
    let end = (SHORTEST_MICROS / STEPS * (STEPS + step + 1)) << doublings;
    Duration::from_micros(end.min(LONGEST_MICROS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000_000;

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn the_buckets_reach_from_a_millisecond_to_ten_minutes_without_a_gap() {
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(SHORTEST), 1);
        assert_eq!(bucket(LONGEST), BUCKETS - 1);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
        assert_eq!(upper_edge(BUCKETS - 1), LONGEST);
        for last in 0..BUCKETS - 1 {
            assert_eq!(bucket(upper_edge(last)), last + 1);
            assert_eq!(bucket(upper_edge(last) - Duration::from_micros(1)), last);
        }
    }

    #[test]
    fn nothing_has_no_quantile() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.count(Time::ZERO), latencies.quantile(Time::ZERO, 500)), (0, None));
    }

    #[test]
    fn a_full_bucket_stays_full_and_agrees_with_the_sum() {
        let mut half = Half::default();
        half.record(7);
        half.counts.as_mut().unwrap()[7] = u32::MAX;
        half.total = u64::from(u32::MAX);
        half.record(7);
        assert_eq!((half.at(7), half.total), (u32::MAX, u64::from(u32::MAX)));
    }

    #[test]
    fn what_was_saved_is_known_again() {
        let mut latencies = Latencies::default();
        for millis in [0, 1, 70, 71, 4_000, 600_000] {
            latencies.record(at(millis * 500), Duration::from_millis(millis));
        }
        let saved = serde_json::to_string(&latencies).unwrap();
        let mut again: Latencies = serde_json::from_str(&saved).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), saved);
        for parts in 0..=1_000 {
            assert_eq!(again.quantile(at(0), parts), latencies.quantile(at(0), parts));
        }
        let far = format!(r#"{{"turn":0,"filling":[[{BUCKETS},1]],"before":[]}}"#);
        assert!(serde_json::from_str::<Latencies>(&far).is_err());
    }

    #[test]
    fn an_earlier_clock_forgets_nothing_and_fills_the_latest_half() {
        let mut latencies = Latencies::default();
        latencies.record(at(11 * MINUTE), SHORTEST);
        latencies.record(at(0), SHORTEST);
        assert_eq!(latencies.count(at(2 * MINUTE)), 2);
        assert_eq!(latencies.count(at(15 * MINUTE)), 2);
        assert_eq!(latencies.count(at(20 * MINUTE)), 0);
        assert_eq!(latencies.count(Time::NEVER), 0);
    }

    #[test]
    fn a_half_that_is_forgotten_is_filled_again_from_nothing() {
        let mut latencies = Latencies::default();
        latencies.record(at(0), LONGEST);
        latencies.record(at(5 * MINUTE), LONGEST);
        latencies.record(at(10 * MINUTE), SHORTEST);
        latencies.record(at(15 * MINUTE), SHORTEST);
        assert_eq!(latencies.count(at(15 * MINUTE)), 2);
        assert_eq!(latencies.quantile(at(15 * MINUTE), 1_000), Some(Duration::from_micros(1_125)));
    }

    proptest! {
        #[test]
        fn a_quantile_is_the_true_one_or_up_to_an_eighth_more(
            mut micros in prop::collection::vec((0_u32..20, 0..1_000_u64).prop_map(|(octave, part)| {
                ((1_000 + part) << octave).min(LONGEST_MICROS)
            }), 1..400),
            parts in 0_u32..=1_000,
        ) {
            let mut latencies = Latencies::default();
            for (n, &took) in micros.iter().enumerate() {
                // Over both halves, so that they are put together.
                latencies.record(at(5 * MINUTE * (n as u64 % 2)), Duration::from_micros(took));
            }
            micros.sort_unstable();
            let rank = (micros.len() * parts as usize).div_ceil(1_000).max(1);
            let truth = micros[rank - 1];
            let told = latencies.quantile(at(5 * MINUTE), parts).unwrap().as_micros();
            prop_assert!(u128::from(truth) <= told && told * 8 <= u128::from(truth) * 9, "{told} for {truth}");
        }

        #[test]
        fn a_quantile_of_two_together_is_that_of_all_their_durations(
            all in prop::collection::vec((0..700_000_u64, 0..30 * MINUTE, any::<bool>()), 0..200),
            parts in 0_u32..=1_000,
        ) {
            let (mut one, mut other, mut both) = (Latencies::default(), Latencies::default(), Latencies::default());
            let mut now = 0;
            for (millis, pause, is_one) in all {
                now += pause / 20;
                let took = Duration::from_millis(millis);
                both.record(at(now), took);
                if is_one { &mut one } else { &mut other }.record(at(now), took);
                prop_assert_eq!(one.quantile_with(&mut other, at(now), parts), both.quantile(at(now), parts));
            }
        }

        #[test]
        fn a_duration_is_remembered_for_five_minutes_and_for_less_than_ten(
            start in 0..1_000 * MINUTE,
            later in prop::collection::vec(0..12 * MINUTE, 1..20),
        ) {
            let mut latencies = Latencies::default();
            latencies.record(at(start), SHORTEST);
            let mut later = later;
            later.sort_unstable();
            for after in later {
                let known = latencies.count(at(start + after));
                if after < 5 * MINUTE {
                    prop_assert_eq!(known, 1);
                } else if after >= 10 * MINUTE {
                    prop_assert_eq!(known, 0);
                }
            }
        }
    }
}
