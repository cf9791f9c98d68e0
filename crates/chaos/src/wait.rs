//! Durations as people write them: `250ms`, `1.5s`, `2m`, and ranges of them.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::error::Error;

/// The longest latency, chunk delay or `slow`.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// A wait, fixed (`250ms`) or drawn evenly from a range (`50ms..200ms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// The shortest.
    pub low: Duration,
    /// The longest; as long as the shortest where it is fixed.
    pub high: Duration,
}

impl Latency {
    /// Always the same wait.
    #[must_use]
    pub const fn fixed(wait: Duration) -> Latency {
        Latency { low: wait, high: wait }
    }
}

impl FromStr for Latency {
    type Err = Error;

    fn from_str(text: &str) -> Result<Latency, Error> {
        let Some((low, high)) = text.split_once("..") else {
            return Ok(Latency::fixed(parse_duration(text)?));
        };
        let (low, high) = (parse_duration(low)?, parse_duration(high)?);
        if low > high {
            return Err(Error::new(format!("latency \"{text}\" ends before it begins")));
        }
        Ok(Latency { low, high })
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Latency, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `250ms`, `1.5s`, `2m`, `100us`, `0`: up to [`WAIT_MAX`].
pub(crate) fn parse_duration(text: &str) -> Result<Duration, Error> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" if number == "0" => 1.0,
        _ => return Err(Error::with_hint(format!("\"{text}\" is not a duration"), "write 250ms, 1.5s or 2m")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| Error::with_hint(format!("\"{text}\" is not a duration"), "write 250ms, 1.5s or 2m"))?;
    let wait = Duration::try_from_secs_f64(number * scale).unwrap_or(Duration::MAX);
    if wait > WAIT_MAX {
        return Err(Error::new(format!("duration {text}, limit {}s", WAIT_MAX.as_secs())));
    }
    Ok(wait)
}
