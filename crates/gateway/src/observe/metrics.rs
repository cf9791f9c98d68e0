//! The numbers: what `/metrics` shows.
//!
//! Labels come from closed lists, but for the model, which comes from the caller: its first
//! hundred names are kept, and what comes after is `other`. A name from outside must not be able
//! to use up memory.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::prometheus_protobuf;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use seawall_core::event::Outcome;
use seawall_core::incident::Scope;
use seawall_core::plan::breaker::State;
use seawall_core::plan::fleet::NO_MODEL;
use seawall_core::request::{Endpoint, Request};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Class;
use seawall_core::verdict::usage::{Counted, Tokens, Usage};

use super::Totals;
use super::diagnoses::Diagnoses;
use super::journal::incidents::Note;
use super::status_page::Indicator;
use super::upgrades::{Ending, Upgrades};

/// Models that get a label of their own.
pub(crate) const MODELS_MAX: usize = 100;

/// Seconds, from a hundredth up: the buckets of the `GenAI` conventions, and three more for long answers.
const SECONDS: [f64; 17] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36];
/// Seconds that Seawall itself adds: from 10 µs.
const OVERHEAD: [f64; 10] = [0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.025, 0.1];

/// Each bucket of a native histogram ends at most so much above its beginning.
const NATIVE_FACTOR: f64 = 1.1;
/// The most buckets of one, that have something in them; beyond it they become coarser. What Prometheus' own library advises.
const NATIVE_BUCKETS_MAX: usize = 160;

/// A histogram with these buckets, and with those of a native one for who asks for it.
fn histogram(buckets: impl IntoIterator<Item = f64>) -> Histogram {
    let native = NativeHistogramConfig::new(NATIVE_FACTOR).max_buckets(NATIVE_BUCKETS_MAX);
    Histogram::new_classic_and_native(buckets, native)
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct ModelLabel(Arc<str>);

impl EncodeLabelValue for ModelLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(&self.0)
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    model: ModelLabel,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AttemptLabels {
    upstream: Arc<str>,
    model: ModelLabel,
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    model: ModelLabel,
    kind: &'static str,
}

/// The kinds of tokens: those of the input, of the output, and that part of the input which a cache had.
const KINDS: [&str; 3] = ["input", "output", "cached"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BreakerLabels {
    upstream: Arc<str>,
    model: ModelLabel,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PageLabels {
    upstream: Arc<str>,
    indicator: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct IncidentLabels {
    kind: &'static str,
    upstream: String,
    model: ModelLabel,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

/// The counters of one model, each found once: a label set costs more to look up than to count.
struct OfModel {
    label: ModelLabel,
    requests: Vec<OnceLock<Counter>>,
    attempts: Vec<OnceLock<Counter>>,
    tokens: [OnceLock<Counter>; KINDS.len()],
}

impl OfModel {
    fn new(name: Arc<str>, upstreams: usize) -> Arc<OfModel> {
        let slots = |n: usize| std::iter::repeat_with(OnceLock::new).take(n).collect();
        Arc::new(OfModel {
            label: ModelLabel(name),
            requests: slots(Endpoint::ALL.len() * Outcome::ALL.len()),
            attempts: slots(upstreams * Class::ALL.len()),
            tokens: Default::default(),
        })
    }
}

/// Every metric.
pub(crate) struct Metrics {
    registry: Registry,
    upstreams: Vec<Arc<str>>,
    models: RwLock<HashMap<Arc<str>, Arc<OfModel>>>,
    other: Arc<OfModel>,
    none: Arc<OfModel>,
    times: Vec<OnceLock<(Histogram, Histogram)>>,
    requests: Family<RequestLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    duration: Family<EndpointLabels, Histogram>,
    first_content: Family<EndpointLabels, Histogram>,
    /// What Seawall adds to an answered request, in seconds.
    pub(crate) overhead: Histogram,
    /// Requests that only another attempt saved.
    saved: Counter,
    /// Requests that were a client's own retry.
    pub(crate) client_retries: Counter,
    pub(crate) adopted: Counter,
    /// Requests at fault themselves.
    pub(crate) diagnoses: Diagnoses,
    /// Replies to callers that are open and streaming.
    pub(crate) streams_open: Gauge,
    /// WebSockets, open and ended.
    pub(crate) upgrades: Upgrades,
    /// Requests being served.
    pub(crate) in_flight: Gauge,
    /// What was not HTTP, or beyond what is read of it.
    pub(crate) malformed: Counter,
    budget: Gauge<f64, AtomicU64>,
    breakers: Family<BreakerLabels, Gauge>,
    waiting: Gauge,
    pages: Family<PageLabels, Gauge>,
    journal_rows: Counter,
    journal_dropped: Counter,
    journal_late: Counter,
    journal_degraded: Gauge,
    memory_held: Gauge,
    incidents: Family<IncidentLabels, Gauge>,
    /// Requests, attempts, failed requests.
    totals: [AtomicU64; 3],
}

/// What is read when somebody asks, and not counted on the way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readings {
    /// Every breaker that something is known of: upstream, model, state.
    pub(crate) breakers: Vec<(String, String, State)>,
    /// What the status page of each upstream with one says now, if it says anything.
    pub(crate) pages: Vec<(String, Option<Indicator>)>,
    /// Requests in the queue.
    pub(crate) waiting: usize,
    /// Milli-tokens in the budget.
    pub(crate) budget_tokens: i64,
    /// Rows committed.
    pub(crate) journal_rows: u64,
    /// Rows lost, and counted.
    pub(crate) journal_dropped: u64,
    /// Answers that went out before their record was durable.
    pub(crate) journal_late: u64,
    /// Whether rows are kept in memory, because they cannot be written.
    pub(crate) journal_degraded: bool,
    /// Bytes held for callers.
    pub(crate) memory_held: usize,
    /// Open incidents, those too of which another one tells.
    pub(crate) incidents: Vec<Note>,
}

impl Metrics {
    /// Every metric, at zero, for upstreams of these names.
    pub(crate) fn new(upstreams: &[String]) -> Metrics {
        let upstreams: Vec<Arc<str>> = upstreams.iter().map(|name| Arc::from(name.as_str())).collect();
        let mut registry = Registry::with_prefix("seawall");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of this program", build);
        let seconds: fn() -> Histogram = || histogram(SECONDS);
        let metrics = Metrics {
            models: RwLock::default(),
            other: OfModel::new("other".into(), upstreams.len()),
            none: OfModel::new("-".into(), upstreams.len()),
            times: std::iter::repeat_with(OnceLock::new).take(Endpoint::ALL.len()).collect(),
            upstreams,
            requests: Family::default(),
            attempts: Family::default(),
            tokens: Family::default(),
            duration: Family::new_with_constructor(seconds),
            first_content: Family::new_with_constructor(seconds),
            overhead: histogram(OVERHEAD),
            saved: Counter::default(),
            client_retries: Counter::default(),
            adopted: Counter::default(),
            diagnoses: Diagnoses::default(),
            streams_open: Gauge::default(),
            upgrades: Upgrades::default(),
            in_flight: Gauge::default(),
            malformed: Counter::default(),
            budget: Gauge::default(),
            breakers: Family::default(),
            waiting: Gauge::default(),
            pages: Family::default(),
            journal_rows: Counter::default(),
            journal_dropped: Counter::default(),
            journal_late: Counter::default(),
            journal_degraded: Gauge::default(),
            memory_held: Gauge::default(),
            incidents: Family::default(),
            totals: Default::default(),
            registry,
        };
        metrics.registered()
    }

    fn registered(mut self) -> Metrics {
        let r = &mut self.registry;
        r.register("requests", "Requests by how they ended", self.requests.clone());
        r.register("attempts", "Attempts by what they ended in", self.attempts.clone());
        r.register("tokens", "Tokens of answers, as far as the upstreams counted them", self.tokens.clone());
        r.register("request_duration_seconds", "From arrival to the end of the answer", self.duration.clone());
        r.register("first_content_seconds", "From an attempt's beginning to its content", self.first_content.clone());
        r.register("overhead_seconds", "What Seawall adds to an answered request", self.overhead.clone());
        r.register("saved", "Requests that failed at first and were answered after all", self.saved.clone());
        r.register("adopted", "Retries that got the answer of their caller's first try", self.adopted.clone());
        r.register("client_retries", "Requests that were a client's own retry, unasked", self.client_retries.clone());
        r.register("streams_open", "Streams open to callers", self.streams_open.clone());
        self.diagnoses.register(r);
        self.upgrades.register(r);
        r.register("requests_in_flight", "Requests being served", self.in_flight.clone());
        r.register("malformed", "Connections that did not speak HTTP within its limits", self.malformed.clone());
        r.register("retry_budget_tokens", "Retries that the budget would pay for", self.budget.clone());
        let states = "How far a breaker has gone: 0 closed, 1 guarded, 2 open, 3 half open, 4 ramp";
        r.register("breaker_state", states, self.breakers.clone());
        r.register("requests_waiting", "Requests that wait for an upstream to come back", self.waiting.clone());
        let says = "What the provider's status page says now, as a label; unknown where it says nothing";
        r.register("status_page", says, self.pages.clone());
        r.register("journal_rows", "Rows committed", self.journal_rows.clone());
        r.register("journal_dropped", "Rows lost", self.journal_dropped.clone());
        r.register("journal_late", "Answers given before their record was durable", self.journal_late.clone());
        let degraded = "Whether rows are kept in memory, because they cannot be written: 0 or 1";
        r.register("journal_degraded", degraded, self.journal_degraded.clone());
        let open = "Incidents that are open, but for those of which another one tells";
        r.register("incidents_open", open, self.incidents.clone());
        r.register("memory_held_bytes", "Bytes held for callers", self.memory_held.clone());
        self
    }

    /// What others count is shown too.
    pub(crate) fn with(mut self, register: impl FnOnce(&mut Registry)) -> Metrics {
        register(&mut self.registry);
        self
    }

    /// The counters of a model: its own, if it is among the first [`MODELS_MAX`].
    fn model(&self, name: Option<&str>) -> Arc<OfModel> {
        let Some(name) = name else { return Arc::clone(&self.none) };
        if let Some(known) = self.models.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(known);
        }
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        if models.len() >= MODELS_MAX {
            return Arc::clone(&self.other);
        }
        let name: Arc<str> = name.into();
        let new = || OfModel::new(Arc::clone(&name), self.upstreams.len());
        Arc::clone(models.entry(Arc::clone(&name)).or_insert_with(new))
    }

    /// What a model is called here: by its name, if it is among the first [`MODELS_MAX`].
    pub(crate) fn model_name(&self, name: Option<&str>) -> Arc<str> {
        Arc::clone(&self.model(name).label.0)
    }

    /// Counts an attempt at `upstream`.
    pub(crate) fn attempt(&self, upstream: UpstreamId, model: Option<&str>, class: Class) {
        let Some(name) = self.upstreams.get(upstream.index()) else { return };
        let model = self.model(model);
        let at = upstream.index() * Class::ALL.len() + class as usize;
        let find = || {
            let labels = AttemptLabels { upstream: Arc::clone(name), model: model.label.clone(), class: class.name() };
            self.attempts.get_or_create(&labels).clone()
        };
        model.attempts[at].get_or_init(find).inc();
        self.totals[1].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the tokens of an answer, if its upstream did.
    pub(crate) fn tokens(&self, model: Option<&str>, tokens: &Tokens) {
        if tokens.counted != Counted::Known {
            return;
        }
        let Usage { input, output, cached, .. } = tokens.usage;
        let model = self.model(model);
        for (at, count) in [input, output, cached].into_iter().enumerate() {
            let Some(count @ 1..) = count else { continue };
            let find = || {
                let labels = TokenLabels { model: model.label.clone(), kind: KINDS[at] };
                self.tokens.get_or_create(&labels).clone()
            };
            model.tokens[at].get_or_init(find).inc_by(u64::from(count));
        }
    }

    /// Counts a WebSocket to `upstream` that ended.
    pub(crate) fn upgrade(&self, upstream: UpstreamId, ending: Ending) {
        if let Some(name) = self.upstreams.get(upstream.index()) {
            self.upgrades.ended(name, ending);
        }
    }

    /// Notes how long an attempt took to its content.
    pub(crate) fn content_after(&self, endpoint: Endpoint, after: Duration) {
        self.times(endpoint).1.observe(after.as_secs_f64());
    }

    /// Counts a request that ended.
    pub(crate) fn request(&self, facts: &Request, outcome: Outcome, elapsed: Duration) {
        self.refused(facts.endpoint, facts.model.as_deref(), outcome);
        self.times(facts.endpoint).0.observe(elapsed.as_secs_f64());
        if matches!(outcome, Outcome::Retried | Outcome::FailedOver | Outcome::Hedged) {
            self.saved.inc();
        }
    }

    /// Counts a request that was refused without an attempt.
    pub(crate) fn refused(&self, endpoint: Endpoint, model: Option<&str>, outcome: Outcome) {
        let model = self.model(model);
        let at = endpoint as usize * Outcome::ALL.len() + outcome as usize;
        let find = || {
            let labels =
                RequestLabels { endpoint: endpoint.name(), model: model.label.clone(), outcome: outcome.name() };
            self.requests.get_or_create(&labels).clone()
        };
        model.requests[at].get_or_init(find).inc();
        self.totals[0].fetch_add(1, Ordering::Relaxed);
        if !matches!(outcome, Outcome::Passed | Outcome::Retried | Outcome::FailedOver | Outcome::Hedged) {
            self.totals[2].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Time to the end, and to the first content, of requests for `endpoint`.
    fn times(&self, endpoint: Endpoint) -> &(Histogram, Histogram) {
        self.times[endpoint as usize].get_or_init(|| {
            let labels = EndpointLabels { endpoint: endpoint.name() };
            (self.duration.get_or_create(&labels).clone(), self.first_content.get_or_create(&labels).clone())
        })
    }

    /// Requests, attempts, saved and failed so far.
    pub(crate) fn totals(&self) -> Totals {
        let [requests, attempts, failed] = &self.totals;
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Totals { requests: read(requests), attempts: read(attempts), saved: self.saved.get(), failed: read(failed) }
    }

    /// Everything, as OpenMetrics text.
    pub(crate) fn text(&self, readings: &Readings) -> String {
        self.take(readings);
        let mut text = String::with_capacity(8 * 1024);
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }

    /// Everything, as Prometheus' protobuf: families, each behind its length. Only here have histograms their native
    /// buckets, beside the others.
    pub(crate) fn protobuf(&self, readings: &Readings) -> Vec<u8> {
        self.take(readings);
        prometheus_protobuf::encode_to_vec(&self.registry).expect("writing to memory cannot fail")
    }

    /// Takes over what was read.
    fn take(&self, readings: &Readings) {
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.breakers.clear();
        for (upstream, model, state) in &readings.breakers {
            let model = self.model((*model != *NO_MODEL).then_some(model)).label.clone();
            let worst = self.breakers.get_or_create(&BreakerLabels { upstream: upstream.as_str().into(), model });
            // Models beyond the first hundred share a label: the worst of them is told.
            let state = State::ALL.iter().position(|known| known == state).unwrap_or_default();
            worst.set(worst.get().max(gauge(state as u64)));
        }
        self.pages.clear();
        for (upstream, indicator) in &readings.pages {
            let indicator = indicator.map_or("unknown", Indicator::name);
            self.pages.get_or_create(&PageLabels { upstream: upstream.as_str().into(), indicator }).set(1);
        }
        self.incidents.clear();
        for event in readings.incidents.iter().map(|note| &note.event).filter(|event| event.under.is_none()) {
            let (upstream, model, route) = match &event.scope {
                Scope::Upstream { upstream, model } => (upstream.clone(), Some(model.as_str()), String::new()),
                Scope::Route { route } => (String::new(), None, route.clone()),
            };
            let model = self.model(model.filter(|model| *model != "-")).label.clone();
            self.incidents.get_or_create(&IncidentLabels { kind: event.kind.name(), upstream, model, route }).inc();
        }
        self.waiting.set(gauge(readings.waiting as u64));
        #[expect(clippy::cast_precision_loss, reason = "tokens are far below 2^52")]
        self.budget.set(readings.budget_tokens as f64 / 1_000.0);
        // Counted by the journal, which only counts up, and read here.
        self.journal_rows.inner().store(readings.journal_rows, Ordering::Relaxed);
        self.journal_dropped.inner().store(readings.journal_dropped, Ordering::Relaxed);
        self.journal_late.inner().store(readings.journal_late, Ordering::Relaxed);
        self.journal_degraded.set(i64::from(readings.journal_degraded));
        self.memory_held.set(gauge(readings.memory_held as u64));
    }
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_model_names_make_a_hundred_labels() {
        let metrics = Metrics::new(&["u".to_string()]);
        for n in 0..100_000 {
            metrics.attempt(UpstreamId(0), Some(&format!("model-{n}")), Class::Ok);
        }
        let text = metrics.text(&Readings::default());
        let series = text.lines().filter(|l| l.starts_with("seawall_attempts_total{")).count();
        assert_eq!(series, MODELS_MAX + 1);
        assert!(text.contains("model=\"other\",class=\"ok\"} 99900"));
    }

    #[test]
    fn tokens_are_counted_where_the_upstream_did_and_their_labels_are_bounded() {
        let metrics = Metrics::new(&["u".to_string()]);
        let usage = Usage { input: Some(12), output: Some(5), cached: Some(4), reasoning: None };
        for n in 0..1_000 {
            metrics.tokens(Some(&format!("model-{n}")), &Tokens { usage, counted: Counted::Known });
        }
        metrics.tokens(Some("model-0"), &Tokens { usage, counted: Counted::Estimated });
        metrics.tokens(None, &Tokens { usage: Usage { cached: None, ..usage }, counted: Counted::Known });
        let text = metrics.text(&Readings::default());
        let series: Vec<&str> = text.lines().filter(|line| line.starts_with("seawall_tokens_total{")).collect();
        assert_eq!(series.len(), KINDS.len() * (MODELS_MAX + 1) + 2);
        for line in [
            "seawall_tokens_total{model=\"model-0\",kind=\"input\"} 12",
            "seawall_tokens_total{model=\"model-0\",kind=\"cached\"} 4",
            "seawall_tokens_total{model=\"other\",kind=\"output\"} 4500",
        ] {
            assert!(series.contains(&line), "{line}");
        }
    }

    #[test]
    fn a_page_has_one_series_that_says_what_it_says() {
        let metrics = Metrics::new(&["u".to_string()]);
        let text = |pages: &[(&str, Option<Indicator>)]| {
            let pages = pages.iter().map(|(name, indicator)| ((*name).to_owned(), *indicator)).collect();
            let text = metrics.text(&Readings { pages, ..Readings::default() });
            let lines = text.lines().filter(|line| line.starts_with("seawall_status_page{"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(text(&[]).is_empty());
        assert_eq!(text(&[("u", None)]), ["seawall_status_page{upstream=\"u\",indicator=\"unknown\"} 1"]);
        assert_eq!(
            text(&[("u", Some(Indicator::Minor))]),
            ["seawall_status_page{upstream=\"u\",indicator=\"minor\"} 1"]
        );
    }

    #[test]
    fn a_histogram_has_both_kinds_of_buckets_in_protobuf_and_its_own_in_text() {
        use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{MetricFamily, MetricType};
        use prost::Message;

        let metrics = Metrics::new(&["u".to_string()]);
        for millis in [15, 150, 1_500] {
            metrics.content_after(Endpoint::ChatCompletions, Duration::from_millis(millis));
        }
        metrics.client_retries.inc();
        let wire = metrics.protobuf(&Readings { waiting: 3, ..Readings::default() });
        let (mut rest, mut families) = (&*wire, Vec::new());
        while !rest.is_empty() {
            families.push(MetricFamily::decode_length_delimited(&mut rest).unwrap());
        }
        let family =
            |name: &str| families.iter().find(|family| family.name == name).unwrap_or_else(|| panic!("{name}"));
        let first = family("seawall_first_content_seconds");
        let histogram = first.metric[0].histogram.as_ref().unwrap();
        assert_eq!((first.r#type(), histogram.sample_count), (MetricType::Histogram, 3));
        assert_eq!(
            (histogram.bucket.len(), histogram.schema, histogram.positive_delta.len()),
            (SECONDS.len() + 1, 3, 3)
        );
        assert_eq!(family("seawall_client_retries_total").metric[0].counter.as_ref().unwrap().value, 1.0);
        assert_eq!(family("seawall_requests_waiting").metric[0].gauge.as_ref().unwrap().value, 3.0);
        let text = metrics.text(&Readings::default());
        let buckets = text.lines().filter(|line| line.starts_with("seawall_first_content_seconds_bucket{"));
        assert_eq!(buckets.count(), SECONDS.len() + 1);
    }

    #[test]
    fn a_native_histogram_is_bounded() {
        use prometheus_client::encoding::prometheus_protobuf::encode;

        let metrics = Metrics::new(&["u".to_string()]);
        for exponent in 0..100_000_u32 {
            metrics.overhead.observe(1e-9 * 1.000_5_f64.powi(i32::try_from(exponent).unwrap()));
        }
        let families = encode(&metrics.registry).unwrap();
        let overhead = families.iter().find(|family| family.name == "seawall_overhead_seconds").unwrap();
        let histogram = overhead.metric[0].histogram.as_ref().unwrap();
        assert!(
            (20..=NATIVE_BUCKETS_MAX).contains(&histogram.positive_delta.len()),
            "{}",
            histogram.positive_delta.len()
        );
        assert_eq!(histogram.sample_count, 100_000);
    }

    #[test]
    fn a_hostile_model_name_cannot_leave_its_label() {
        let metrics = Metrics::new(&["u".to_string()]);
        metrics.attempt(UpstreamId(0), Some("a\"} 1\nseawall_evil 1\\"), Class::Ok);
        let text = metrics.text(&Readings::default());
        assert!(!text.lines().any(|l| l.starts_with("seawall_evil")), "{text}");
    }
}
