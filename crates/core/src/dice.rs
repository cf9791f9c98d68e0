//! Seeded chance: `SplitMix64`, in integers.
//!
//! Jitter needs to be unlike the jitter of other processes, not unpredictable; a test needs to be
//! able to repeat it. Secrets and nonces never come from here.

use std::time::Duration;

use crate::time::micros;

/// A `SplitMix64` generator (Steele, Lea and Flood, 2014): one `u64` a throw.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The dice that `seed` determines; equal seeds throw equal numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Dice {
        Dice { state: seed }
    }

    /// The next 64 bits.
    pub fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number from `low` to `high`, both included; `low` if the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high.saturating_sub(low)) + 1;
        let offset = (u128::from(self.throw()) * span) >> 64;
        low.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// A duration from `low` to `high`, both included, in whole microseconds.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_micros(self.between(micros(low), micros(high)))
    }

    /// True with probability `parts` in a million.
    pub fn chance_ppm(&mut self, parts: u32) -> bool {
        self.between(0, 999_999) < u64::from(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_throws_are_those_of_splitmix64() {
        // Reference values of SplitMix64 for seed 1234567.
        let mut dice = Dice::new(1_234_567);
        assert_eq!(dice.throw(), 6_457_827_717_110_365_317);
        assert_eq!(dice.throw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_range_includes_both_ends_and_nothing_else() {
        let mut dice = Dice::new(7);
        let throws: Vec<u64> = (0..2_000).map(|_| dice.between(3, 6)).collect();
        for face in 3..=6 {
            assert!(throws.contains(&face));
        }
        assert!(throws.iter().all(|n| (3..=6).contains(n)));
        assert_eq!(dice.between(5, 5), 5);
    }
}
