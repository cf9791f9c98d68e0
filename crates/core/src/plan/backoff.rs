//! How long to wait before trying again.
//!
//! Jitter takes the correlation out of many callers' retries: without it they come back together,
//! as often as they were told to. Full jitter needs the least work of the known kinds (AWS,
//! "Exponential Backoff and Jitter", 2015); the two others are here because people know them.

use std::time::Duration;

use crate::dice::Dice;
use crate::words::words;

words! {
    /// How a wait varies around `base · 2ⁿ`.
    pub enum Jitter {
        /// Anything from nothing to the whole: `U[0, w]`.
        Full = "full",
        /// The whole, less up to a quarter: `w · U[0.75, 1]`.
        LessAQuarter = "less_a_quarter",
        /// The whole and up to a second more: `w + U[0, 1 s]`.
        PlusASecond = "plus_a_second",
    }
}

/// An exponential wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub base: Duration,
    /// No wait grows beyond this (before [`Jitter::PlusASecond`] adds its second).
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `failures` failures (1 for the first), with `jitter`.
    pub fn wait(&self, failures: u32, jitter: Jitter, dice: &mut Dice) -> Duration {
        // Doubling more than 31 times is beyond any cap; the shift must not overflow.
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.base.saturating_mul(1 << doublings).min(self.cap);
        match jitter {
            Jitter::Full => dice.duration(Duration::ZERO, whole),
            Jitter::LessAQuarter => dice.duration(whole / 4 * 3, whole),
            Jitter::PlusASecond => whole + dice.duration(Duration::ZERO, Duration::from_secs(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(8) };

    #[test]
    fn each_jitter_stays_within_its_envelope() {
        let mut dice = Dice::new(1);
        for failures in 1..=70 {
            let whole = Duration::from_millis(500).saturating_mul(1 << (failures - 1).min(31)).min(BACKOFF.cap);
            for _ in 0..200 {
                let full = BACKOFF.wait(failures, Jitter::Full, &mut dice);
                assert!(full <= whole);
                let sdk = BACKOFF.wait(failures, Jitter::LessAQuarter, &mut dice);
                assert!(sdk >= whole / 4 * 3 && sdk <= whole);
                let classic = BACKOFF.wait(failures, Jitter::PlusASecond, &mut dice);
                assert!(classic >= whole && classic <= whole + Duration::from_secs(1));
            }
        }
    }

    #[test]
    fn full_jitter_is_half_the_wait_on_average() {
        let mut dice = Dice::new(2);
        let total: Duration = (0..10_000).map(|_| BACKOFF.wait(1, Jitter::Full, &mut dice)).sum();
        let mean = total / 10_000;
        assert!(mean > Duration::from_millis(240) && mean < Duration::from_millis(260), "{mean:?}");
    }
}
