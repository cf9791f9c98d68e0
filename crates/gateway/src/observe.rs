//! What happened, told to everyone who wants to know: metrics, log, journal.
//!
//! All of it is synchronous and quick: the request path never waits for the record, but for the
//! one wait that [`Observe::settle`] is, before a failure is told to the caller.

pub(crate) mod alert;
pub(crate) mod diagnoses;
pub(crate) mod exposition;
pub(crate) mod feed;
pub(crate) mod incidents;
pub(crate) mod journal;
pub(crate) mod metrics;
mod post;
pub(crate) mod recent;
pub(crate) mod rollup;
pub(crate) mod status_page;
pub(crate) mod telemetry;
pub(crate) mod upgrades;

use std::sync::Arc;
use std::time::Duration;

use seawall::{Answered, BuildError, Observer};
use seawall_core::event::{Attempt, Cause, Ended, Outcome, Reason, Request as Record};
use seawall_core::incident::Limits;
use seawall_core::request::{Endpoint, Request, Shape};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::{Class, Fault};
use tokio::time::timeout;

use alert::Alerts;
use incidents::{Names, Watch};
use journal::{Journal, Settled};
use metrics::Metrics;
use recent::Recent;
use rollup::{Facts, Rollup};
use status_page::board::Board;
use telemetry::Telemetry;

/// A failure is told to its caller after this at the latest, recorded or not.
pub(crate) const SETTLE_WITHIN: Duration = Duration::from_millis(50);

/// Metrics, log and journal.
pub(crate) struct Observe {
    /// The numbers.
    pub(crate) metrics: Metrics,
    /// The record.
    pub(crate) journal: Journal,
    /// What status pages say.
    pub(crate) pages: Arc<Board>,
    /// What is wrong now, and was.
    pub(crate) incidents: Watch,
    /// Who is told of incidents.
    pub(crate) alerts: Arc<Alerts>,
    /// What a collector of traces and metrics is told.
    pub(crate) telemetry: Telemetry,
    /// What happened in the last minutes.
    pub(crate) recent: Recent,
    /// What happened, by the minute.
    rollup: Rollup,
    upstreams: Vec<String>,
    /// Of so many successes, in a million, one is recorded.
    sample_ppm: u32,
}

impl Observe {
    /// An observer of what `names` names, that finds incidents by `limits`; `None` looks for none.
    ///
    /// # Errors
    /// When the collector of `telemetry` cannot be spoken to as configured.
    pub(crate) fn new(
        journal: Journal,
        names: Names,
        success_sample: f64,
        limits: Option<Limits>,
        pages: Arc<Board>,
        alerts: Arc<Alerts>,
        telemetry: telemetry::Settings,
    ) -> Result<Observe, BuildError> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a million")]
        let sample_ppm = (success_sample.clamp(0.0, 1.0) * 1_000_000.0) as u32;
        let metrics = Metrics::new(&names.upstreams).with(|registry| alerts.register(registry));
        let (streams_open, in_flight) = (metrics.streams_open.clone(), metrics.in_flight.clone());
        let telemetry = Telemetry::start(telemetry, telemetry::Readings { streams_open, in_flight })?;
        let metrics = metrics.with(|registry| telemetry.register(registry));
        let (upstreams, rollup) = (names.upstreams.clone(), Rollup::new(&names.upstreams));
        let recent = Recent::new(names.upstreams.len());
        let incidents = Watch::new(names, limits, journal.clone(), Arc::clone(&pages), Arc::clone(&alerts));
        Ok(Observe { metrics, journal, pages, incidents, alerts, telemetry, recent, rollup, upstreams, sample_ppm })
    }

    /// Hands what was counted to the journal, if its file can be written: the sums take up less room here
    /// than in its ring.
    pub(crate) fn hand_over(&self) {
        if !self.journal.is_degraded() {
            self.rollup.hand_over(&self.journal);
        }
    }

    /// Hands what was counted to the journal for the last time.
    pub(crate) fn hand_over_last(&self) {
        if !self.rollup.hand_over(&self.journal) {
            self.journal.note_lost_sums();
        }
    }

    /// Waits until everything told of `request` is durable; false if that takes too long or cannot be.
    pub(crate) async fn settle(&self, request: &Record) -> bool {
        let settled = timeout(SETTLE_WITHIN, self.journal.settle(request)).await;
        let is_durable = matches!(settled, Ok(Settled::Durable));
        if !is_durable {
            self.journal.note_late();
        }
        is_durable
    }
}

/// What happened since the start, in four numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Attempts that ended.
    pub(crate) attempts: u64,
    /// Requests that only another attempt saved.
    pub(crate) saved: u64,
    /// Requests that got no answer.
    pub(crate) failed: u64,
}

impl Observe {
    /// The numbers so far.
    pub(crate) fn totals(&self) -> Totals {
        self.metrics.totals()
    }
}

impl Observe {
    /// Counts a request that ended without an attempt, or whose caller left.
    pub(crate) fn refused(&self, endpoint: Endpoint, model: Option<&str>, outcome: Outcome) {
        self.metrics.refused(endpoint, model, outcome);
        self.telemetry.refused(endpoint, || self.metrics.model_name(model), outcome);
    }

    /// One line for each kind of request that is found to fail every time.
    fn diagnosed(&self, facts: &Request, record: Option<&Arc<Record>>, cause: Cause, text: &str) {
        let shape = Shape::of(facts).to_string();
        if self.metrics.diagnoses.is_news(seawall::proxy::unix_micros(), cause, &shape) {
            tracing::warn!(
                target: "seawall::diagnosis",
                request = record.map_or("-", |record| &record.id),
                model = facts.model.as_deref().unwrap_or("-"),
                endpoint = facts.endpoint.name(),
                shape,
                cause = cause.name(),
                diagnosis = text,
                "requests like this one fail every time"
            );
        }
    }
}

impl Observer for Observe {
    fn failed(&self, request: &Arc<Record>, attempt: Attempt) {
        let at = self.upstreams.iter().position(|name| *name == attempt.upstream);
        let upstream = at.and_then(|at| u16::try_from(at).ok()).map(UpstreamId);
        self.rollup.failed(seawall::proxy::unix_micros(), &Facts::on_record(request), upstream, &attempt);
        self.recent.failed(upstream, request, &attempt);
        if let Some(upstream) = upstream {
            let model = request.model.as_deref();
            self.metrics.attempt(upstream, model, attempt.class);
            self.telemetry.failed(upstream, || self.metrics.model_name(model), attempt.class);
        }
        if attempt.reason == Reason::Probe {
            self.metrics.diagnoses.probes.inc();
        }
        if attempt.class == Class::Cancelled {
            tracing::debug!(
                target: "seawall::attempt",
                request = request.id,
                attempt = attempt.number,
                upstream = attempt.upstream,
                decision = attempt.reason.name(),
                "attempt broken off"
            );
            self.incidents.failed(request, &attempt);
            return self.journal.attempt(request, attempt);
        }
        // One line for each failed attempt. No field of it can hold a prompt or a key.
        tracing::warn!(
            target: "seawall::attempt",
            request = request.id,
            attempt = attempt.number,
            upstream = attempt.upstream,
            model = request.model.as_deref().unwrap_or("-"),
            endpoint = request.endpoint,
            status = attempt.status,
            class = attempt.class.name(),
            fault = attempt.fault.map(Fault::name),
            code = attempt.error_code.as_deref(),
            upstream_request_id = attempt.upstream_request_id.as_deref(),
            elapsed_ms = u64::try_from(attempt.elapsed.as_millis()).unwrap_or(u64::MAX),
            decision = attempt.reason.name(),
            wait_ms = attempt.wait.map(|w| u64::try_from(w.as_millis()).unwrap_or(u64::MAX)),
            "attempt failed"
        );
        let incident = self.incidents.failed(request, &attempt);
        self.incidents.feed.failure(request, &attempt, incident.as_ref());
        self.journal.attempt_of(request, attempt, incident.as_ref());
    }

    fn answered(&self, facts: &Request, answered: &Answered<'_>) {
        self.metrics.attempt(answered.upstream, facts.model.as_deref(), Class::Ok);
        self.metrics.content_after(facts.endpoint, answered.first_content);
        self.telemetry.answered(facts, || self.metrics.model_name(facts.model.as_deref()), answered);
        self.recent.content_after(answered.first_content);
        self.incidents.answered(facts, answered);
    }

    fn ended(&self, facts: &Request, record: Option<&Arc<Record>>, ended: Ended) {
        self.metrics.request(facts, ended.outcome, ended.elapsed);
        self.incidents.ended(record.map(|record| record.id.as_str()), facts, &ended);
        self.metrics.tokens(facts.model.as_deref(), &ended.tokens);
        self.telemetry.request(facts, || self.metrics.model_name(facts.model.as_deref()), &ended);
        self.rollup.ended(seawall::proxy::unix_micros(), facts, &ended);
        self.recent.ended(&ended);
        if let Some((cause, text)) = &ended.diagnosis {
            self.diagnosed(facts, record, *cause, text);
        }
        if let Some(record) = record {
            self.journal.request(record, ended);
        }
    }

    fn stacked(&self, _: &Request) {
        self.metrics.client_retries.inc();
    }

    fn adopted(&self, _: &Request) {
        self.metrics.adopted.inc();
    }

    fn left(&self, facts: &Request, attempts: u32) {
        self.rollup.left(seawall::proxy::unix_micros(), facts, attempts);
        self.recent.left();
        self.refused(facts.endpoint, facts.model.as_deref(), Outcome::Interrupted);
    }

    fn samples(&self) -> bool {
        self.sample_ppm > 0 && {
            // The low bits of the clock are chance enough to pick one success in many.
            let chance = u32::try_from(seawall::proxy::unix_micros().rem_euclid(1_000_000)).unwrap_or_default();
            chance < self.sample_ppm
        }
    }
}
