//! `/api/v1/summary`: how things are now, on one page. All of it is in memory; nothing is read or waited for.

use schemars::JsonSchema;
use seawall_core::incident::Scope;
use serde::Serialize;

use super::super::Server;
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
    time: Moment,
    /// The program's version.
    version: &'static str,
    /// Since when it runs.
    started: Moment,
    /// Whether it takes requests: not while it shuts down.
    ready: bool,
    /// Whether it shuts down.
    draining: bool,
    /// Requests a second, over the last minute.
    requests_per_s: f64,
    /// The last minute.
    last_minute: Span,
    /// The last five minutes.
    last_5_minutes: Span,
    /// From an attempt's beginning to its content.
    first_content: Took,
    /// What Seawall adds to an answer that needed one attempt.
    overhead: Took,
    /// Streams open to callers.
    streams_open: i64,
    /// Requests being served.
    in_flight: i64,
    /// Requests that wait for an upstream to come back.
    waiting: usize,
    /// Retries that the budget would pay for; of several budgets the emptiest.
    budget_tokens: f64,
    /// Bytes held for callers.
    memory_held_bytes: usize,
    /// The journal.
    journal: Record,
    /// Incidents that are open, but for those of which another one tells; at most 50.
    incidents: Vec<Brief>,
    /// Receivers of alerts that nothing arrives at.
    alerts_failing: Vec<String>,
}

/// A span of time.
#[derive(Debug, Serialize, JsonSchema)]
struct Span {
    /// The seconds that it covers: fewer where the process is younger.
    seconds: u64,
    /// The share of requests that were answered, as their callers see it; `null` of none.
    success: Option<f64>,
    /// The share of first attempts that were answered: what callers would see without Seawall.
    upstream_success: Option<f64>,
    #[serde(flatten)]
    counts: Counts,
}

/// How the journal does, since the start.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JournalHealth")]
struct Record {
    /// `ok`, or `degraded` while rows are kept in memory because they cannot be written.
    state: &'static str,
    /// Rows committed.
    rows: u64,
    /// Rows lost.
    dropped: u64,
    /// Failures told before their rows were committed.
    late: u64,
    /// Rows in memory that wait for the file.
    ring: u64,
}

/// An open incident in brief.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "IncidentBrief")]
pub(super) struct Brief {
    /// Which.
    id: String,
    /// `failures`, `masked` or `latency`.
    kind: &'static str,
    /// `warning` or `critical`.
    severity: &'static str,
    /// The upstream that it is said of; `null` for one of a route.
    upstream: Option<String>,
    /// The model; `-` for requests without one.
    model: Option<String>,
    /// The route that it is said of.
    route: Option<String>,
    /// When the trouble began.
    since: Moment,
    /// Requests that failed at first since then.
    failed: u64,
    /// Of how many.
    of: u64,
}

impl Summary {
    /// How things are now.
    pub(super) fn of(server: &Server) -> Summary {
        let observe = &server.observe;
        let (minute, seconds) = observe.recent.last(MINUTE);
        let journal = observe.journal.stats();
        let now = seawall::unix_micros();
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
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let share = |good: u64, bad: u64| (good + bad > 0).then(|| good as f64 / (good + bad) as f64);
        Span {
            seconds,
            success: share(counts.answered, counts.failed),
            upstream_success: share(counts.first_answered, counts.first_failed),
            counts,
        }
    }
}

impl Brief {
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
