//! What an operator may say of when failures are an incident, and how far.
//!
//! The window is no limit that can be moved: what is next to impossible by chance ([`super::rate`]) is counted for
//! votes of five minutes, the ledger keeps that many minutes apart, and what ends an incident is judged by its
//! last one. Whoever wants to hear sooner lowers the run; whoever wants to hear less raises the rate.

use std::time::Duration;

use super::Kind;

/// The shortest run that can be asked for: one failure is no run.
pub const CONSECUTIVE_MIN: u32 = 2;
/// The longest run that can be asked for.
pub const CONSECUTIVE_MAX: u32 = 100;
/// The lowest rate that can be asked for, in thousandths: what a healthy place fails at most. From there down
/// chance alone decides.
pub const RATE_LOWEST: u32 = 20;
/// The highest rate that can be asked for, in thousandths.
pub const RATE_HIGHEST: u32 = 500;
/// The fewest failures that can be asked for: with fewer, chance is not told from trouble.
pub const FAILURES_MIN_LEAST: u32 = 4;
/// The most failures that can be asked for.
pub const FAILURES_MIN_MOST: u32 = 1_000;
/// The shortest time between reminders.
pub const REMIND_SHORTEST: Duration = Duration::from_secs(60);
/// The longest time between reminders: what nobody asks for in a day is forgotten.
pub const REMIND_LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// When failures are an incident, as far as an operator decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Failures in a row that open an incident, of two different bodies at least; of one body twice as many.
    /// [`CONSECUTIVE_MIN`] to [`CONSECUTIVE_MAX`].
    pub consecutive: u32,
    /// More than so many thousandths of the last five minutes are an incident, if chance would not have done that;
    /// fewer than half of it in a minute are its end. [`RATE_LOWEST`] to [`RATE_HIGHEST`].
    pub rate: u32,
    /// With fewer failures than this in the window no rate counts; of one body, with fewer than twice as many.
    /// [`FAILURES_MIN_LEAST`] to [`FAILURES_MIN_MOST`].
    pub failures_min: u32,
    /// How often an open incident is told again. [`REMIND_SHORTEST`] to [`REMIND_LONGEST`].
    pub remind_every: Duration,
    /// Whether failures that retries mask are looked for.
    pub masked: bool,
    /// Whether first contents that come late are looked for.
    pub latency: bool,
}

impl Default for Limits {
    /// Those that docs/incidents.md measures.
    fn default() -> Limits {
        Limits {
            consecutive: 4,
            rate: 50,
            failures_min: 4,
            remind_every: Duration::from_secs(15 * 60),
            masked: true,
            latency: true,
        }
    }
}

impl Limits {
    /// Whether incidents of this kind are looked for.
    #[must_use]
    pub fn looks_for(&self, kind: Kind) -> bool {
        match kind {
            Kind::Failures => true,
            Kind::Masked => self.masked,
            Kind::Latency => self.latency,
        }
    }

    /// Each within its bounds: what is beyond becomes the bound.
    #[must_use]
    pub fn bounded(self) -> Limits {
        Limits {
            consecutive: self.consecutive.clamp(CONSECUTIVE_MIN, CONSECUTIVE_MAX),
            rate: self.rate.clamp(RATE_LOWEST, RATE_HIGHEST),
            failures_min: self.failures_min.clamp(FAILURES_MIN_LEAST, FAILURES_MIN_MOST),
            remind_every: self.remind_every.clamp(REMIND_SHORTEST, REMIND_LONGEST),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_a_bound_becomes_the_bound() {
        let lowest = Limits {
            consecutive: CONSECUTIVE_MIN,
            rate: RATE_LOWEST,
            failures_min: FAILURES_MIN_LEAST,
            remind_every: REMIND_SHORTEST,
            masked: false,
            latency: false,
        };
        let highest = Limits {
            consecutive: CONSECUTIVE_MAX,
            rate: RATE_HIGHEST,
            failures_min: FAILURES_MIN_MOST,
            remind_every: REMIND_LONGEST,
            ..Limits::default()
        };
        for limits in [Limits::default(), lowest, highest] {
            assert_eq!(limits.bounded(), limits);
        }
        let micro = Duration::from_micros(1);
        let below = Limits {
            consecutive: lowest.consecutive - 1,
            rate: lowest.rate - 1,
            failures_min: lowest.failures_min - 1,
            remind_every: lowest.remind_every - micro,
            ..lowest
        };
        assert_eq!(below.bounded(), lowest);
        let beyond = Limits {
            consecutive: highest.consecutive + 1,
            rate: highest.rate + 1,
            failures_min: highest.failures_min + 1,
            remind_every: highest.remind_every + micro,
            ..highest
        };
        assert_eq!(beyond.bounded(), highest);
    }
}
