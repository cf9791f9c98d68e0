//! A moment, handed in and never read.
//!
//! Everything in this crate that depends on time takes `now: Time`. The library reads a monotonic
//! clock, the rehearsal owns a virtual one, and a decision is the same in both.

use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since some fixed moment: monotonic, never the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The fixed moment itself.
    pub const ZERO: Time = Time(0);
    /// Later than every other moment: "no deadline".
    pub const NEVER: Time = Time(u64::MAX);

    /// The moment `micros` microseconds after [`Time::ZERO`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Time {
        Time(micros)
    }

    /// Microseconds since [`Time::ZERO`].
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is not in the past.
    #[must_use]
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::NEVER`].
    fn add(self, wait: Duration) -> Time {
        Time(self.0.saturating_add(micros(wait)))
    }
}

/// A duration in whole microseconds, saturating (584,000 years).
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_saturates_instead_of_wrapping() {
        assert_eq!(Time::from_micros(5) + Duration::MAX, Time::NEVER);
        assert_eq!(Time::ZERO.since(Time::from_micros(9)), Duration::ZERO);
    }
}
