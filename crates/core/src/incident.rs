//! When failures amount to trouble: one incident for a wave, and not an alert for each error.
//!
//! A failure now and then is weather. Four in a row, or one in twenty over five minutes, is an
//! incident: it is told once when it opens, every quarter of an hour while it lasts, and once when
//! it is over. An operator may say otherwise, within [`Limits`]. What counts is how the first attempt of each request ended, so that retries neither
//! hide trouble nor make it look larger. Two kinds more can only be seen from here: failures that
//! retries *mask* from callers, and first content that comes far later than usual.
//!
//! A part decides from what it is told and the moment it is told it, never from being woken in
//! time: whatever was due before an input is told as of the moment when it was due.
//!
//! [`Time`] is counted from the Unix epoch here: the wall clock once, when the process starts, and
//! from then on the monotonic one. So an incident goes on after a restart with the same id.
//!
//! Names come from callers and upstreams. They are kept short, without characters that move a
//! cursor or end a line, and never more than a fixed number of them. Bodies are known by a keyed
//! fingerprint only, and that is never saved.

mod detector;
mod difference;
mod incidents;
mod ledger;
mod limits;
mod pace;
mod rate;
mod run;
mod tally;
mod usual;
mod vote;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Time;
use crate::words::words;

pub use crate::event::Vote;
pub use detector::{
    Detector, FORGOTTEN_AFTER, OKS_MIN, OPEN_MIN, REOPEN_WITHIN, SAMPLES_MAX, TOLD_ALONE_AFTER, UNKNOWN_AFTER,
};
pub use difference::{
    ANSWERED_MIN, Beside, COVERS_MIN, Difference, FAILED_MIN, GAP_MIN, SINGLES_MAX, Trait, clear_against,
};
pub use incidents::{BLAME_MAX, Incidents, SCOPES_MAX, Saved};
pub use ledger::{CELLS_MAX, Dimension, Facts, NAMES_MAX};
pub use limits::{
    CONSECUTIVE_MAX, CONSECUTIVE_MIN, FAILURES_MIN_LEAST, FAILURES_MIN_MOST, Limits, RATE_HIGHEST, RATE_LOWEST,
    REMIND_LONGEST, REMIND_SHORTEST,
};
pub use pace::{FORMS_MAX, PACE_SAMPLES_MIN, RELEARN_AFTER};
pub use rate::{RISING_MIN, SLOW_MIN};
pub use run::GAP_MAX;
pub use vote::{Ending, First, Last};

/// The longest name that is kept, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// The longest request id that is kept, in bytes.
pub const REQUEST_BYTES_MAX: usize = 64;

words! {
    /// What an incident is about.
    pub enum Kind {
        /// First attempts fail.
        Failures = "failures",
        /// More first attempts fail than usual, and retries save the callers.
        Masked = "masked",
        /// First content comes far later than usual.
        Latency = "latency",
    }
}

words! {
    /// What found it first.
    pub enum Rule {
        /// So many failures in a row: more than three, unless [`Limits`] say otherwise.
        Consecutive = "consecutive",
        /// Too many over five minutes, and surely so: more than 5 %, unless [`Limits`] say otherwise.
        Rate = "rate",
        /// Three times as many failures as usual, over half an hour.
        Rising = "rising",
        /// One first content in five far later than 95 of 100 come.
        Slow = "slow",
    }
}

words! {
    /// How much it matters.
    pub enum Severity {
        /// Callers get their answers, so far.
        Warning = "warning",
        /// Callers get failures.
        Critical = "critical",
    }
}

words! {
    /// What is told of an incident.
    pub enum What {
        /// It began, or began again.
        Opened = "incident.opened",
        /// It goes on, or became worse.
        Reminder = "incident.reminder",
        /// It is over.
        Resolved = "incident.resolved",
        /// Nobody asks any more, so nobody knows.
        Unknown = "incident.unknown",
    }
}

words! {
    /// Why an incident is over.
    pub enum Close {
        /// What failed is well again.
        Recovered = "recovered",
        /// One that says more took its place.
        Superseded = "superseded",
        /// Nothing was asked for so long, or so much else is watched, that it is no longer followed.
        Forgotten = "forgotten",
    }
}

/// Which incident: the same after a restart, and the same where it opens again within ten minutes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// `inc_` and 16 hexadecimal digits, made of the scope, the kind and the moment of opening.
    fn new(scope: &Scope, kind: Kind, opened: Time) -> Id {
        let mark = scope.mark().wrapping_add(kind as u64);
        let digest = [mark, opened.as_micros()].iter().fold(FNV_START, |hash, part| fnv(hash, &part.to_le_bytes()));
        Id(format!("inc_{digest:016x}"))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What an incident is said of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Scope {
    /// A model at an upstream.
    Upstream {
        /// The upstream's name.
        upstream: String,
        /// The model's; `-` for requests without one.
        model: String,
    },
    /// All that goes one way.
    Route {
        /// The route's name.
        route: String,
    },
}

impl Scope {
    /// A model at an upstream, its names made [`inert`].
    #[must_use]
    pub fn upstream(upstream: &str, model: Option<&str>) -> Scope {
        let name = |text| inert(text, NAME_BYTES_MAX);
        Scope::Upstream { upstream: name(upstream), model: name(model.unwrap_or("-")) }
    }

    /// A route, its name made [`inert`].
    #[must_use]
    pub fn route(route: &str) -> Scope {
        Scope::Route { route: inert(route, NAME_BYTES_MAX) }
    }

    /// A number for it: of two scopes hardly ever the same.
    fn mark(&self) -> u64 {
        let parts = match self {
            Scope::Upstream { upstream, model } => ["upstream", upstream.as_str(), model],
            Scope::Route { route } => ["route", route.as_str(), ""],
        };
        parts.iter().fold(FNV_START, |hash, part| fnv(fnv(hash, part.as_bytes()), &[0]))
    }
}

/// How many failed, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// How many failed.
    pub failed: u64,
    /// Of how many.
    pub of: u64,
}

impl Counts {
    /// The share that failed, in parts of a million, rounded down. 0 of nothing.
    #[must_use]
    pub fn rate_ppm(self) -> u64 {
        let parts = u128::from(self.failed) * 1_000_000 / u128::from(self.of).max(1);
        u64::try_from(parts).unwrap_or(u64::MAX)
    }

    fn add(&mut self, other: Counts) {
        self.failed = self.failed.saturating_add(other.failed);
        self.of = self.of.saturating_add(other.of);
    }

    fn less(self, other: Counts) -> Counts {
        Counts { failed: self.failed.saturating_sub(other.failed), of: self.of.saturating_sub(other.of) }
    }
}

/// Something to tell of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What is told.
    pub what: What,
    /// The moment it is told of, which may be earlier than the one it is told at.
    pub at: Time,
    /// Which incident.
    pub id: Id,
    /// What it is about.
    pub kind: Kind,
    /// What it is said of.
    pub scope: Scope,
    /// What found it first.
    pub rule: Rule,
    /// How much it matters by now.
    pub severity: Severity,
    /// When the trouble began, as far as is known: not later than it was found.
    pub since: Time,
    /// The counts of the rule's window: five minutes, for masked failures half an hour.
    pub window: Counts,
    /// All counts since it was found, those that showed it included.
    pub whole: Counts,
    /// How often it opened again.
    pub flaps: u32,
    /// The ids of the latest failing requests, latest last. At most [`SAMPLES_MAX`].
    pub samples: Vec<String>,
    /// The open incident that tells of the same cause: then this is for the record, and nobody is alerted.
    pub under: Option<Id>,
    /// Why it is over, where it is.
    pub close: Option<Close>,
}

/// `text` as it may be kept and shown: at most `bytes_max` bytes, and in place of whatever moves a
/// cursor, ends a line or turns the direction of writing, U+FFFD.
#[must_use]
pub fn inert(text: &str, bytes_max: usize) -> String {
    if is_inert(text, bytes_max) {
        return text.to_owned();
    }
    inert_chars(text, bytes_max).collect()
}

/// Whether `text` is short and plain enough to be kept as it is. Nearly every name is, and each request has several.
fn is_inert(text: &str, bytes_max: usize) -> bool {
    text.len() <= bytes_max && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn inert_chars(text: &str, bytes_max: usize) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|c| if is_active(c) { char::REPLACEMENT_CHARACTER } else { c }).scan(0, move |bytes, c| {
        *bytes += c.len_utf8();
        (*bytes <= bytes_max).then_some(c)
    })
}

fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The start of an FNV-1a hash.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// `bytes` taken into an FNV-1a hash: the same in every process and on every machine.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_short_and_inert() {
        assert_eq!(inert("a\r\nb\u{1b}[31mc\u{202e}d", 128), "a\u{fffd}\u{fffd}b\u{fffd}[31mc\u{fffd}d");
        let long = "é".repeat(NAME_BYTES_MAX);
        assert_eq!(inert(&long, NAME_BYTES_MAX).len(), NAME_BYTES_MAX);
        assert_eq!(inert(&long, NAME_BYTES_MAX - 1).len(), NAME_BYTES_MAX - 2);
        assert_eq!(inert("gpt-4o", 6), "gpt-4o");
        assert_eq!(inert("gpt-4o", 5), "gpt-4");
        for c in (0..=0x2100).filter_map(char::from_u32) {
            let text = c.to_string();
            assert_eq!(inert(&text, 4), inert_chars(&text, 4).collect::<String>(), "{c:?}: short of a look at it");
        }
    }

    #[test]
    fn an_id_is_of_scope_kind_and_moment_alone() {
        let scope = Scope::upstream("openai", Some("m"));
        let id = |scope: &Scope, kind, at| Id::new(scope, kind, Time::from_micros(at));
        let first = id(&scope, Kind::Failures, 7);
        assert_eq!(first, id(&scope.clone(), Kind::Failures, 7));
        assert_eq!(first.as_str().len(), 20);
        for other in [
            id(&scope, Kind::Masked, 7),
            id(&scope, Kind::Failures, 8),
            id(&Scope::upstream("openaim", Some("")), Kind::Failures, 7),
            id(&Scope::upstream("openai", None), Kind::Failures, 7),
            id(&Scope::route("openai"), Kind::Failures, 7),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_rate_of_nothing_is_nothing_and_none_overflows() {
        assert_eq!(Counts::default().rate_ppm(), 0);
        assert_eq!(Counts { failed: 1, of: 3 }.rate_ppm(), 333_333);
        assert_eq!(Counts { failed: u64::MAX, of: u64::MAX }.rate_ppm(), 1_000_000);
    }
}
