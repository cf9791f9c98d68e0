//! `/api/v1/summary`: how things are now, on one page. All of it is in memory; nothing is read or waited for.

use schemars::JsonSchema;
use seawall_core::incident::Scope;
use serde::Serialize;

use super::super::Server;
use crate::headline::Open;
use crate::observe::journal::incidents::{Note, micros};
use crate::observe::journal::when::Moment;
use crate::observe::recent::{Counts, Took};

/// Spans that counts are told of, in seconds.
const MINUTE: u64 = 60;
const FIVE_MINUTES: u64 = 300;
/// Open incidents that are told here: there is a page of them all.
const INCIDENTS_MAX: usize = 50;

/// How things are now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Summary {
    /// The moment that this is told of.
    pub(super) time: Moment,
    /// The program's version.
    pub(super) version: &'static str,
    /// Since when it runs.
    pub(super) started: Moment,
    /// Whether it takes requests: not while it shuts down.
    pub(super) ready: bool,
    /// Whether it shuts down.
    pub(super) draining: bool,
    /// Requests a second, over the last minute.
    pub(super) requests_per_s: f64,
    /// The last minute.
    pub(super) last_minute: Span,
    /// The last five minutes.
    pub(super) last_5_minutes: Span,
    /// From an attempt's beginning to its content.
    pub(super) first_content: Took,
    /// What Seawall adds to an answer that needed one attempt.
    pub(super) overhead: Took,
    /// Streams open to callers.
    pub(super) streams_open: i64,
    /// Requests being served.
    pub(super) in_flight: i64,
    /// Requests that wait for an upstream to come back.
    pub(super) waiting: usize,
    /// Retries that the budget would pay for; of several budgets the emptiest.
    pub(super) budget_tokens: f64,
    /// Bytes held for callers.
    pub(super) memory_held_bytes: usize,
    /// The journal.
    pub(super) journal: Record,
    /// Incidents that are open, but for those of which another one tells; at most 50.
    pub(super) incidents: Vec<Brief>,
    /// Receivers of alerts that nothing arrives at.
    pub(super) alerts_failing: Vec<String>,
}

/// A span of time.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Span {
    /// The seconds that it covers: fewer where the process is younger.
    pub(super) seconds: u64,
    /// The share of requests that were answered, as their callers see it; `null` of none.
    pub(super) success: Option<f64>,
    /// The share of first attempts that were answered: what callers would see without Seawall.
    pub(super) upstream_success: Option<f64>,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

/// How the journal does, since the start.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JournalHealth")]
pub(super) struct Record {
    /// `ok`, or `degraded` while rows are kept in memory because they cannot be written.
    pub(super) state: &'static str,
    /// Rows committed.
    pub(super) rows: u64,
    /// Rows lost.
    pub(super) dropped: u64,
    /// Failures told before their rows were committed.
    pub(super) late: u64,
    /// Rows in memory that wait for the file.
    pub(super) ring: u64,
}

/// An open incident in brief.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "IncidentBrief")]
pub(super) struct Brief {
    /// Which.
    pub(super) id: String,
    /// `failures`, `masked` or `latency`.
    pub(super) kind: &'static str,
    /// `warning` or `critical`.
    pub(super) severity: &'static str,
    /// The upstream that it is said of; `null` for one of a route.
    pub(super) upstream: Option<String>,
    /// The model; `-` for requests without one.
    pub(super) model: Option<String>,
    /// The route that it is said of.
    pub(super) route: Option<String>,
    /// When the trouble began.
    pub(super) since: Moment,
    /// Requests that failed at first since then.
    pub(super) failed: u64,
    /// Of how many.
    pub(super) of: u64,
}

impl Summary {
    /// How things are now.
    pub(super) fn of(server: &Server) -> Summary {
        let observe = &server.observe;
        let (minute, seconds) = observe.recent.last(MINUTE);
        let journal = observe.journal.stats();
        let now = seawall::proxy::unix_micros();
        let started = now - i64::try_from(observe.recent.uptime().as_micros()).unwrap_or(0);
        let is_told = |note: &&Note| note.event.under.is_none();
        let failing = |state: &crate::observe::alert::State| state.failing_since.is_some();
        #[expect(clippy::cast_precision_loss, reason = "tokens and requests are far below 2^52")]
        Summary {
            time: Moment(now),
            version: env!("CARGO_PKG_VERSION"),
            started: Moment(started),
            ready: !server.is_draining(),
            draining: server.is_draining(),
            requests_per_s: minute.requests as f64 / seconds.max(1) as f64,
            last_minute: Span::of((minute, seconds)),
            last_5_minutes: Span::of(observe.recent.last(FIVE_MINUTES)),
            first_content: observe.recent.first_content(),
            overhead: observe.recent.overhead(),
            streams_open: observe.metrics.streams_open.get(),
            in_flight: observe.metrics.in_flight.get(),
            waiting: server.client.waiting(),
            budget_tokens: server.client.budget_tokens() as f64 / 1_000.0,
            memory_held_bytes: server.memory.held(),
            journal: Record {
                state: if journal.degraded { "degraded" } else { "ok" },
                rows: journal.rows,
                dropped: journal.dropped,
                late: journal.late,
                ring: journal.ring,
            },
            incidents: observe.incidents.open().iter().filter(is_told).take(INCIDENTS_MAX).map(Brief::of).collect(),
            alerts_failing: observe.alerts.states().into_iter().filter(failing).map(|state| state.sink).collect(),
        }
    }
}

impl Span {
    fn of((counts, seconds): (Counts, u64)) -> Span {
        Span { seconds, success: counts.success(), upstream_success: counts.upstream_success(), counts }
    }
}

impl Brief {
    /// The same, for who makes a sentence of it.
    pub(super) fn open(&self) -> Open<'_> {
        Open {
            kind: self.kind,
            severity: self.severity,
            upstream: self.upstream.as_deref(),
            model: self.model.as_deref(),
            route: self.route.as_deref(),
            since: self.since.0,
            failed: self.failed,
            of: self.of,
        }
    }

    /// Of one that is open.
    pub(super) fn of(note: &Note) -> Brief {
        let event = &note.event;
        let (upstream, model, route) = match &event.scope {
            Scope::Upstream { upstream, model } => (Some(upstream.clone()), Some(model.clone()), None),
            Scope::Route { route } => (None, None, Some(route.clone())),
        };
        Brief {
            id: event.id.to_string(),
            kind: event.kind.name(),
            severity: event.severity.name(),
            upstream,
            model,
            route,
            since: Moment(micros(event.since)),
            failed: event.whole.failed,
            of: event.whole.of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_is_not_told() {
        let none = Span::of((Counts::default(), 60));
        assert_eq!((none.success, none.upstream_success), (None, None));
        let counts = Counts { answered: 3, failed: 1, first_answered: 1, first_failed: 1, ..Counts::default() };
        let some = Span::of((counts, 60));
        assert_eq!((some.success, some.upstream_success), (Some(0.75), Some(0.5)));
    }
}
