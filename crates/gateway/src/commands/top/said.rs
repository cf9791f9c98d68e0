//! What a gateway says of itself, as `seawall top` reads it.
//!
//! Read with an open mind: keys may be missing or new, for the gateway may be older or newer than this program. Names,
//! ids and messages were chosen by others; [`Text`] shows them inert, and nothing else can be done with one by accident.

use std::fmt;

use serde::Deserialize;

use crate::observe::journal::plain::printable;
use crate::observe::journal::when::Moment;

/// Characters of a text that are shown: more than the widest screen has.
const SHOWN_CHARS_MAX: usize = 512;

/// What somebody else chose. Shown inert and bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(super) struct Text(String);

impl Text {
    /// As it came: to be compared, or to be asked for. Not to be shown.
    pub(super) fn raw(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.to_owned())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(SHOWN_CHARS_MAX).map_or(self.0.len(), |(at, _)| at);
        f.write_str(&printable(&self.0[..end]))
    }
}

/// `/api/v1/summary`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Summary {
    pub(super) time: Option<Moment>,
    pub(super) version: Text,
    pub(super) started: Option<Moment>,
    pub(super) draining: bool,
    pub(super) requests_per_s: f64,
    pub(super) last_minute: Span,
    pub(super) last_5_minutes: Span,
    pub(super) first_content: Took,
    pub(super) overhead: Took,
    pub(super) streams_open: i64,
    pub(super) in_flight: i64,
    pub(super) waiting: u64,
    pub(super) budget_tokens: f64,
    pub(super) journal: Journal,
    pub(super) incidents: Vec<Incident>,
    pub(super) alerts_failing: Vec<Text>,
}

/// A span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Span {
    pub(super) success: Option<f64>,
    pub(super) upstream_success: Option<f64>,
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) saved: u64,
    pub(super) extra_attempts: u64,
    pub(super) extra_tokens: u64,
}

/// How long something took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Took {
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

/// How the journal does.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Journal {
    pub(super) state: Text,
    pub(super) rows: u64,
    pub(super) dropped: u64,
    pub(super) late: u64,
    pub(super) ring: u64,
}

/// An incident: in brief, as a summary tells it, or as a list does.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Incident {
    pub(super) id: Text,
    /// `open`, `unknown` or `resolved`; empty in a summary, where all are open.
    pub(super) state: Text,
    pub(super) kind: Text,
    pub(super) severity: Text,
    pub(super) upstream: Option<Text>,
    pub(super) model: Option<Text>,
    pub(super) route: Option<Text>,
    pub(super) since: Option<Moment>,
    pub(super) closed: Option<Moment>,
    pub(super) acknowledged: Option<Moment>,
    pub(super) under: Option<Text>,
    /// In a summary.
    pub(super) failed: u64,
    pub(super) of: u64,
    /// In a list.
    pub(super) whole: Option<FailedOf>,
}

/// How many failed, of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct FailedOf {
    pub(super) failed: u64,
    pub(super) of: u64,
}

/// One upstream.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Upstream {
    pub(super) name: Text,
    pub(super) in_flight: u64,
    pub(super) breakers: Vec<Breaker>,
    pub(super) resting: Vec<Resting>,
    pub(super) last_failure: Option<LastFailure>,
    pub(super) status_page: Option<StatusPage>,
    /// The oldest first; `None` while the journal cannot be read.
    pub(super) minutes: Option<Vec<Minute>>,
}

/// A breaker.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Breaker {
    pub(super) model: Text,
    pub(super) state: Text,
    pub(super) says: Text,
}

/// A key that rests.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Resting {
    pub(super) key: Text,
    pub(super) model: Option<Text>,
    pub(super) for_s: f64,
}

/// The latest failure at an upstream.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct LastFailure {
    pub(super) time: Option<Moment>,
    pub(super) status: Option<u16>,
    pub(super) class: Text,
}

/// What a status page says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct StatusPage {
    pub(super) indicator: Option<Text>,
    pub(super) description: Option<Text>,
}

/// What happened in a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Minute {
    pub(super) requests: u64,
    pub(super) attempts: u64,
    pub(super) failed: u64,
}

/// A failed attempt.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    pub(super) time: Option<Moment>,
    pub(super) request_id: Text,
    pub(super) attempt: u32,
    pub(super) upstream: Text,
    pub(super) model: Option<Text>,
    pub(super) status: Option<u16>,
    pub(super) class: Text,
    pub(super) error_code: Option<Text>,
    pub(super) message: Option<Text>,
    pub(super) upstream_request_id: Option<Text>,
    pub(super) elapsed_ms: f64,
    pub(super) decision: Text,
    pub(super) reason: Text,
}

impl Incident {
    /// What it is said of, in words.
    pub(super) fn place(&self) -> String {
        match (&self.route, &self.upstream, &self.model) {
            (Some(route), ..) => format!("route {route}"),
            (None, Some(upstream), model) if model.as_ref().is_none_or(|model| model.raw() == "-") => {
                upstream.to_string()
            }
            (None, upstream, model) => {
                let shown = |text: &Option<Text>| text.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
                format!("{} at {}", shown(model), shown(upstream))
            }
        }
    }

    /// How many failed at first, of how many.
    pub(super) fn counts(&self) -> FailedOf {
        self.whole.unwrap_or(FailedOf { failed: self.failed, of: self.of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_or_newer_gateway_is_read_as_far_as_it_goes() {
        let summary: Summary =
            serde_json::from_str(r#"{"version": "9", "new": {"a": [1]}, "incidents": [{}]}"#).unwrap();
        assert_eq!((summary.version.raw(), summary.incidents.len()), ("9", 1));
        let failure: Failure = serde_json::from_str(r#"{"status": null, "phases": [1]}"#).unwrap();
        assert_eq!(failure, Failure::default());
    }

    #[test]
    fn what_others_chose_is_shown_inert_and_bounded_and_compared_as_it_came() {
        let hostile = format!("\u{1b}]0;title\u{7}\u{202e}{}", "東".repeat(10_000));
        let text: Text = serde_json::from_value(hostile.clone().into()).unwrap();
        assert_eq!(text.raw(), hostile);
        let shown = text.to_string();
        assert!(shown.starts_with(r"\u{1b}]0;title\u{7}\u{202e}東"), "{shown}");
        assert!(shown.chars().count() < SHOWN_CHARS_MAX + 32);
    }

    #[test]
    fn an_incident_says_where_it_is() {
        let of = |json: &str| serde_json::from_str::<Incident>(json).unwrap().place();
        assert_eq!(of(r#"{"upstream": "openai", "model": "o3"}"#), "o3 at openai");
        assert_eq!(of(r#"{"upstream": "openai", "model": "-"}"#), "openai");
        assert_eq!(of(r#"{"route": "chat"}"#), "route chat");
    }
}
