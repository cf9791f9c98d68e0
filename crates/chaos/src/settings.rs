//! What chaos is told to do: shares of faults, phases, latency, the form of streams.
//!
//! One structure for flags, TOML and JSON. All of it can be replaced while the server runs.
//!
//! ```toml
//! seed    = 7
//! faults  = ["500:0.1", "reset:2%", "slow=2s:0.05"]   # all the time; one die per request
//! latency = "20ms..80ms"
//! lazy_tools = "500"         # tools with a regex lookaround are refused, late
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

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::error::Error;
use crate::faults::{FaultShare, FaultSpec, ppm};
use crate::validator::LazyTools;
use crate::wait::{Latency, parse_duration};
use seawall_core::verdict::Fault;

/// The most content chunks of one stream.
pub const CHUNKS_MAX: u32 = 10_000;
/// The most faults in `faults`.
pub const FAULTS_MAX: usize = 64;
/// The most phases.
pub const PHASES_MAX: usize = 256;

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
    /// Refuse requests for their tools, after faults had their turn.
    pub lazy_tools: Option<LazyTools>,
    /// Obey `x-chaos`, `x-chaos-latency` and `x-chaos-lazy-tools` of requests.
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
            lazy_tools: None,
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
        let faults = |n: usize| format!("faults = [{}]", vec!["\"500:0\""; n].join(","));
        assert!(Settings::from_toml(&faults(FAULTS_MAX)).is_ok());
        assert!(refused(&faults(FAULTS_MAX + 1)).contains("limit 64"));
        let phases = |n: usize| "[[phase]]\nfault = \"500\"\n".repeat(n);
        assert!(Settings::from_toml(&phases(PHASES_MAX)).is_ok());
        assert!(refused(&phases(PHASES_MAX + 1)).contains("limit 256"));
        assert!(Settings::from_toml("chunks = 10000\nlatency = \"60m\"").is_ok());
    }
}
