//! From `[incident]` to the core's limits, and what to do about a limit that is out of reach.

use std::time::Duration;

use seawall_core::incident::Limits;
use serde_json::{Value, json};

use super::item::{Item, Kind};
use super::read::Reader;
use super::units::{show_duration, show_fraction};
use super::written::{self, RATE_PARTS};

/// `[incident]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IncidentConfig {
    /// Whether incidents are looked for at all.
    pub(crate) enabled: bool,
    /// When there is one. Each within the core's bounds.
    pub(crate) limits: Limits,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        IncidentConfig { enabled: true, limits: Limits::default() }
    }
}

impl IncidentConfig {
    /// The limits by which incidents are looked for; `None` if they are not.
    pub(crate) fn looked_for(&self) -> Option<Limits> {
        self.enabled.then_some(self.limits)
    }
}

/// What helps where a run is too short or too long.
const RUN_HINT: &str = "one failure is no run, and a run that is never reached leaves only the rate";
/// The same of a rate.
const RATE_HINT: &str =
    "up to 2 % fail where all is well, and where half fails it is an outage; `enabled = false` looks for none";
/// The same of the failures that a rate needs.
const FAILURES_HINT: &str = "fewer than four are chance; to hear less often raise the rate instead";
/// The same of the time between reminders.
const REMIND_HINT: &str = "`seawall incidents ack ID` stops the reminders of one incident";

/// Reads `[incident]`.
pub(super) fn read(reader: &mut Reader<'_>, written: &written::Incident) -> IncidentConfig {
    let IncidentConfig { enabled, limits } = IncidentConfig::default();
    IncidentConfig {
        enabled: reader.or("incident.enabled", &written.enabled, enabled),
        limits: Limits {
            consecutive: knob(reader, "consecutive", &written.consecutive, limits.consecutive, RUN_HINT),
            rate: knob(reader, "rate", &written.rate, limits.rate, RATE_HINT),
            failures_min: knob(reader, "failures_min", &written.failures_min, limits.failures_min, FAILURES_HINT),
            remind_every: knob(reader, "remind_every", &written.remind_every, limits.remind_every, REMIND_HINT),
            masked: reader.or("incident.masked", &written.masked, limits.masked),
            latency: reader.or("incident.latency", &written.latency, limits.latency),
        },
    }
}

/// The keys with the values in force, in the order of the table.
pub(super) fn shown(config: &IncidentConfig) -> [(&'static str, Value); 7] {
    let IncidentConfig { enabled, limits } = config;
    let wait = |wait: Duration| json!(show_duration(wait));
    [
        ("enabled", json!(enabled)),
        ("consecutive", json!(limits.consecutive)),
        ("rate", json!(show_fraction(limits.rate, RATE_PARTS).parse::<f64>().unwrap_or(0.0))),
        ("failures_min", json!(limits.failures_min)),
        ("remind_every", wait(limits.remind_every)),
        ("masked", json!(limits.masked)),
        ("latency", json!(limits.latency)),
    ]
}

/// The value of a key, or its default; what is wrong with it is told with `hint`, where nothing closer is known.
fn knob<K: Kind>(
    reader: &mut Reader<'_>,
    key: &str,
    item: &Item<K>,
    default: K::Value,
    hint: &'static str,
) -> K::Value {
    let known = reader.problems.len();
    let value = reader.or(&format!("incident.{key}"), item, default);
    reader.problems.iter_mut().skip(known).for_each(|problem| problem.hint_at_least(hint));
    value
}
