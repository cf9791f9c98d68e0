//! What happens, told as it happens to whoever listens: incidents and failed attempts.
//!
//! Nobody is waited for. What is told goes into a ring of bounded length; a listener that is slower than the
//! ring is told how much it missed. While nobody listens a failure costs one look at a counter, and nothing is made.

use std::sync::Arc;

use seawall_core::event::{Attempt, Request as Record};
use seawall_core::incident::Id;
use tokio::sync::broadcast;

use super::journal::incidents::{IncidentRow, Note};
use super::journal::plain::json_line;
use super::journal::row::AttemptRow;

/// Things told that are kept for the slowest listener: some 1 KiB each.
pub(crate) const KEPT_MAX: usize = 256;

/// Something that happened, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// What it is called: `incident` or `failure`.
    pub(crate) name: &'static str,
    /// One line of JSON, with nothing in it that a terminal obeys.
    pub(crate) line: Arc<str>,
}

/// Who is told.
pub(crate) struct Feed {
    ring: broadcast::Sender<Told>,
}

impl Feed {
    /// Nobody listens yet.
    pub(crate) fn new() -> Feed {
        Feed { ring: broadcast::Sender::new(KEPT_MAX) }
    }

    /// What is told from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Told> {
        self.ring.subscribe()
    }

    /// Tells of an attempt that failed.
    pub(crate) fn failure(&self, request: &Record, attempt: &Attempt, incident: Option<&Id>) {
        if self.ring.receiver_count() > 0 {
            self.tell("failure", &AttemptRow::of(request, attempt, incident));
        }
    }

    /// Tells what became of an incident.
    pub(super) fn incident(&self, note: &Note) {
        if self.ring.receiver_count() > 0 {
            self.tell("incident", &IncidentTold { what: note.event.what.name(), incident: IncidentRow::of(note) });
        }
    }

    fn tell(&self, name: &'static str, what: &impl serde::Serialize) {
        // Strings and numbers go in: writing them cannot fail.
        let line = json_line(what).unwrap_or_default();
        // A listener that has left since is no loss.
        let _ = self.ring.send(Told { name, line: line.trim_end().into() });
    }
}

/// What became of an incident, and how it stands.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub(crate) struct IncidentTold {
    /// `incident.opened`, `incident.reminder`, `incident.resolved` or `incident.unknown`.
    what: &'static str,
    #[serde(flatten)]
    incident: IncidentRow,
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::RecvError;

    use super::super::journal::samples::{attempt, request};
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_is_told_how_much_it_missed() {
        let feed = Feed::new();
        feed.failure(&request(1), &attempt(1), None);
        let mut listener = feed.listen();
        for _ in 0..KEPT_MAX + 3 {
            feed.failure(&request(2), &attempt(1), None);
        }
        assert_eq!(listener.recv().await, Err(RecvError::Lagged(3)));
        assert_eq!(listener.recv().await.map(|told| told.name), Ok("failure"));
        assert_eq!(listener.len(), KEPT_MAX - 1);
    }

    #[tokio::test]
    async fn a_failure_is_one_line_whatever_is_in_it() {
        let feed = Feed::new();
        let mut listener = feed.listen();
        let message = Some("a\r\nevent: incident\ndata: \u{1b}[2J\u{2028}".to_owned());
        feed.failure(&request(1), &Attempt { message: message.clone(), ..attempt(1) }, None);
        let told = listener.recv().await.unwrap();
        assert!(!told.line.chars().any(super::super::journal::plain::is_active), "{}", told.line);
        let read: serde_json::Value = serde_json::from_str(&told.line).unwrap();
        assert_eq!(read["message"].as_str(), message.as_deref());
    }
}
