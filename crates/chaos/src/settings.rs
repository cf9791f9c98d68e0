//! What chaos is told to do: shares of faults, phases, latency, the form of streams.
//!
//! One structure for flags, TOML and JSON. All of it can be replaced while the server runs.
//!
//! ```toml
//! seed    = 7
//! faults  = ["500:0.1", "reset:2%", "slow=2s:0.05"]   # all the time; one die per request
//! latency = "20ms..80ms"
//!
//! [[phase]]                  # over time: from the start of the server
//! at    = "20s"
//! for   = "30s"
//! fault = "503+retry-after=2"
//! share = 0.5
//!
//! [[phase]]                  # or by number: requests 100 to 149
//! from    = 100
//! count   = 50
//! latency = "1s"
//! ```
//!
//! Where shares add up to more than one, phases come before `faults`, earlier before later.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::faults::{FaultShare, FaultSpec, ppm};
use seawall_core::verdict::Fault;

/// The most content chunks of one stream.
pub const CHUNKS_MAX: u32 = 10_000;
/// The most faults in `faults`.
pub const FAULTS_MAX: usize = 64;
/// The most phases.
pub const PHASES_MAX: usize = 256;
/// The longest latency, chunk delay or `slow`.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What is wrong with settings, a fault's spelling or a script; `Display` has a `hint:` line where the way out is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error { message: message.into() }
    }

    pub(crate) fn with_hint(message: impl fmt::Display, hint: impl fmt::Display) -> Error {
        Error { message: format!("{message}\nhint: {hint}") }
    }
}

/// What chaos is told to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Decides every throw of the dice and every request id.
    pub seed: u64,
    /// Faults and their shares of all requests, together at most 1.
    pub faults: Vec<FaultShare>,
    /// Faults and latency for a while.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
    /// The wait before the head of every reply.
    pub latency: Latency,
    /// Content chunks of a stream, 1 to [`CHUNKS_MAX`].
    pub chunks: u32,
    /// The wait before each content chunk but the first.
    #[serde(deserialize_with = "duration")]
    pub chunk_delay: Duration,
    /// Write replies in pieces of so many bytes, instead of whole.
    pub split: Option<usize>,
    /// Obey `x-chaos` and `x-chaos-latency` of requests.
    pub allow_headers: bool,
    /// Bodies without anything that differs between two replies, such as the request id.
    pub same_bodies: bool,
    /// Keep the last requests for `GET /chaos/stats`; costs about a microsecond a request.
    pub record: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 0,
            faults: Vec::new(),
            phases: Vec::new(),
            latency: Latency::default(),
            chunks: 16,
            chunk_delay: Duration::ZERO,
            split: None,
            allow_headers: true,
            same_bodies: false,
            record: true,
        }
    }
}

/// Faults or latency for a while: both bounds in time and in number must hold where they are given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Begins so long after the server's start.
    #[serde(default, deserialize_with = "duration")]
    pub at: Duration,
    /// Lasts so long; without it, for ever.
    #[serde(default, rename = "for", deserialize_with = "some_duration")]
    pub lasts: Option<Duration>,
    /// The first request concerned, counted from 1.
    #[serde(default)]
    pub from: Option<u64>,
    /// How many requests are concerned; without it, all that follow.
    #[serde(default)]
    pub count: Option<u64>,
    /// What goes wrong; without it, nothing but latency changes.
    #[serde(default)]
    pub fault: Option<FaultSpec>,
    /// For which share of the requests, 0 to 1.
    #[serde(default = "whole")]
    pub share: f64,
    /// Replaces the latency of the settings.
    #[serde(default)]
    pub latency: Option<Latency>,
}

impl Phase {
    /// Whether request `number` (from 1), `uptime` after the start, falls into this phase.
    pub(crate) fn holds(&self, uptime: Duration, number: u64) -> bool {
        let first = self.from.unwrap_or(1);
        let in_number = number >= first && self.count.is_none_or(|count| number - first < count);
        self.holds_at(uptime) && in_number
    }

    pub(crate) fn holds_at(&self, uptime: Duration) -> bool {
        uptime >= self.at && self.end().is_none_or(|end| uptime < end)
    }

    pub(crate) fn end(&self) -> Option<Duration> {
        self.lasts.map(|lasts| self.at.saturating_add(lasts))
    }
}

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

impl Settings {
    /// Settings from the text of a TOML file.
    ///
    /// # Errors
    /// When it is not TOML, has an unknown key, or asks for what cannot be; the text says where and why.
    pub fn from_toml(text: &str) -> Result<Settings, Error> {
        let settings: Settings = toml::from_str(text).map_err(|error| Error::new(error.to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    /// Settings from the text of a JSON file, with the same keys as in TOML.
    ///
    /// # Errors
    /// As [`Settings::from_toml`].
    pub fn from_json(text: &str) -> Result<Settings, Error> {
        let settings: Settings = serde_json::from_str(text).map_err(|error| Error::new(error.to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    /// Whether these settings can be obeyed.
    ///
    /// # Errors
    /// When a number is out of its bounds, shares add up to more than 1, or a phase contradicts itself.
    pub fn check(&self) -> Result<(), Error> {
        let total: u64 = self.faults.iter().map(|share| u64::from(ppm(share.share))).sum();
        bound("the shares of `faults` in a million", total, 1_000_000)?;
        bound("the number of `faults`", len(self.faults.len()), len(FAULTS_MAX))?;
        bound("the number of phases", len(self.phases.len()), len(PHASES_MAX))?;
        bound("`chunks`", u64::from(self.chunks), u64::from(CHUNKS_MAX))?;
        if self.chunks == 0 || self.split == Some(0) {
            return Err(Error::new("`chunks` and `split` must be at least 1"));
        }
        self.phases.iter().try_for_each(check_phase)
    }
}

fn check_phase(phase: &Phase) -> Result<(), Error> {
    if !(0.0..=1.0).contains(&phase.share) {
        return Err(Error::new(format!("share {} of a phase is not between 0 and 1", phase.share)));
    }
    let by_number = phase.from.is_some() || phase.count.is_some();
    if by_number && phase.fault.as_ref().is_some_and(|fault| fault.fault() == Fault::Refused) {
        return Err(Error::with_hint(
            "a phase by number of requests cannot refuse: the connection is refused before there is a request",
            "use `at` and `for`",
        ));
    }
    if phase.fault.is_none() && phase.latency.is_none() {
        return Err(Error::with_hint("a phase changes nothing", "give it a `fault` or a `latency`"));
    }
    Ok(())
}

fn bound(what: &str, value: u64, max: u64) -> Result<(), Error> {
    if value > max { Err(Error::new(format!("{what}: {value}, limit {max}"))) } else { Ok(()) }
}

fn len(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn whole() -> f64 {
    1.0
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_toml_and_one_in_json_say_the_same() {
        let toml = Settings::from_toml(
            "seed = 7\nfaults = [\"500:0.1\", \"slow=2s:5%\"]\nlatency = \"20ms..80ms\"\nchunk_delay = \"3ms\"\n\
             [[phase]]\nat = \"20s\"\nfor = \"30s\"\nfault = \"503+retry-after=2\"\nshare = 0.5\n",
        )
        .unwrap();
        let json = Settings::from_json(
            r#"{"seed":7,"faults":["500:0.1","slow=2s:5%"],"latency":"20ms..80ms","chunk_delay":"3ms",
                "phase":[{"at":"20s","for":"30s","fault":"503+retry-after=2","share":0.5}]}"#,
        )
        .unwrap();
        assert_eq!(format!("{toml:?}"), format!("{json:?}"));
        assert_eq!(toml.latency, Latency { low: Duration::from_millis(20), high: Duration::from_millis(80) });
        assert_eq!(toml.phases[0].end(), Some(Duration::from_secs(50)));
    }

    #[test]
    fn a_phase_holds_from_its_first_to_its_last_moment_and_request() {
        let phase: Phase = toml::from_str("at = \"2s\"\nfor = \"1s\"\nfrom = 3\ncount = 2\nfault = \"500\"").unwrap();
        let at = Duration::from_millis;
        assert!(phase.holds(at(2000), 3) && phase.holds(at(2999), 4));
        assert!(!phase.holds(at(1999), 3) && !phase.holds(at(3000), 3));
        assert!(!phase.holds(at(2500), 2) && !phase.holds(at(2500), 5));
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused_with_a_reason() {
        let refused = |text: &str| Settings::from_toml(text).unwrap_err().to_string();
        assert!(refused("faults = [\"500:0.7\", \"503:0.4\"]").contains("limit 1000000"));
        assert!(refused("chunks = 0").contains("at least 1"));
        assert!(refused("chunks = 10001").contains("limit 10000"));
        assert!(refused("colour = 1").contains("unknown field"));
        assert!(refused("latency = \"250\"").contains("hint: write 250ms"));
        assert!(refused("latency = \"2h\"").contains("limit 3600s"));
        assert!(refused("latency = \"9ms..2ms\"").contains("ends before it begins"));
        assert!(refused("[[phase]]\nat = \"1s\"").contains("changes nothing"));
        assert!(refused("[[phase]]\nfault = \"500\"\nshare = 1.5").contains("between 0 and 1"));
        assert!(refused("[[phase]]\nfault = \"refused\"\nfrom = 3").contains("before there is a request"));
        assert!(Settings::from_toml("chunks = 10000\nlatency = \"60m\"").is_ok());
    }
}
