//! The report's smallest parts: moments, counted names, and sentences that know which of their words
//! were chosen by somebody else.
//!
//! A model's name, an id or an error message may be anything. It is made inert when it comes in (no control
//! characters, no marks that turn the reading order, bounded), and each form marks it as a quotation: so no
//! sentence can be continued, and no markup begun, by a name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use seawall_core::incident::inert;
use serde::{Serialize, Serializer};

use crate::observe::journal::when::rfc3339;

/// The longest name or id that is told, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 128;
/// The longest message that is told, in bytes: as long as the record keeps them.
pub(super) const MESSAGE_BYTES_MAX: usize = 512;
/// Names of one kind that are counted apart; the others are one.
pub(super) const NAMES_MAX: usize = 64;

/// A name or an id as it may be told.
pub(super) fn name(text: &str) -> String {
    inert(text, NAME_BYTES_MAX)
}

/// A message as it may be told.
pub(super) fn message(text: &str) -> String {
    inert(text, MESSAGE_BYTES_MAX)
}

/// A moment, in microseconds since the Unix epoch; RFC 3339 in UTC in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) i64);

impl Moment {
    /// `2026-11-23T06:30:00.000Z`.
    pub(super) fn told(self) -> String {
        rfc3339(self.0)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.told())
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "description": "RFC 3339 in UTC, with milliseconds." })
    }
}

/// A name and how often it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Count {
    /// What was seen.
    pub(super) name: String,
    /// How often.
    pub(super) count: u64,
}

/// Names, counted: at most [`NAMES_MAX`] of them apart.
#[derive(Debug, Default)]
pub(super) struct Names {
    counts: BTreeMap<String, u64>,
    others: u64,
}

impl Names {
    /// Counts `of` once, if there is one.
    pub(super) fn note(&mut self, of: Option<&str>) {
        if let Some(of) = of {
            self.add(of, 1);
        }
    }

    /// Counts `of` so many times.
    pub(super) fn add(&mut self, of: &str, times: u64) {
        let of = name(of);
        let has_room = self.counts.len() < NAMES_MAX;
        match self.counts.get_mut(&of) {
            Some(count) => *count += times,
            None if has_room => {
                self.counts.insert(of, times);
            }
            None => self.others += times,
        }
    }

    /// The `most` most frequent, and behind them the rest as one.
    pub(super) fn told(&self, most: usize) -> Vec<Count> {
        let mut all: Vec<Count> =
            self.counts.iter().map(|(name, count)| Count { name: name.clone(), count: *count }).collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        let rest = all.iter().skip(most).map(|one| one.count).sum::<u64>() + self.others;
        all.truncate(most);
        if rest > 0 {
            all.push(Count { name: "(others)".to_owned(), count: rest });
        }
        all
    }
}

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Our own words.
    Words(Cow<'static, str>),
    /// What somebody else chose.
    Quoted(String),
}

/// A sentence: text in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sentence(pub(super) Vec<Piece>);

impl Sentence {
    /// Begins with our own words.
    pub(super) fn new(words: impl Into<Cow<'static, str>>) -> Sentence {
        Sentence::default().say(words)
    }

    /// Goes on with our own words.
    pub(super) fn say(mut self, words: impl Into<Cow<'static, str>>) -> Sentence {
        self.0.push(Piece::Words(words.into()));
        self
    }

    /// Goes on with what somebody else chose.
    pub(super) fn quote(mut self, text: &str) -> Sentence {
        self.0.push(Piece::Quoted(message(text)));
        self
    }

    /// Goes on with `a`, `b` and `c`.
    pub(super) fn list<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Sentence {
        let names: Vec<&str> = names.into_iter().collect();
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                self = self.say(if at + 1 == names.len() { " and " } else { ", " });
            }
            self = self.quote(name);
        }
        self
    }

    /// Goes on with another sentence's pieces.
    pub(super) fn and(mut self, other: Sentence) -> Sentence {
        self.0.extend(other.0);
        self
    }

    /// As plain text.
    pub(super) fn plain(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Words(words) => words.as_ref(),
                Piece::Quoted(text) => text.as_str(),
            })
            .collect()
    }
}

impl Serialize for Sentence {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.plain())
    }
}

impl JsonSchema for Sentence {
    fn schema_name() -> Cow<'static, str> {
        "Sentence".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A sentence for people." })
    }
}

/// `1,234,567`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12.3 %`, of nothing `0.0 %`. What is there is never called nothing, and not all is never called all.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match u128::from(part) * 1_000 / u128::from(whole.max(1)) {
        0 if part > 0 => "under 0.1 %".to_owned(),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// A span of time in its two largest units: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
pub(super) fn span(micros: i64) -> String {
    let seconds = micros.max(0) / 1_000_000;
    match (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, 0) => format!("{minutes} min"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// `1 request`, `2 requests`.
pub(super) fn many(n: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}
