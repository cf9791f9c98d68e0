//! Standard telemetry: traces and metrics for an OpenTelemetry collector, by OTLP over HTTP.
//!
//! With no collector configured there is no task and no memory of a request, and the cost of a request is a branch.
//! With one, a request is followed ([`trace`]), its story waits in a bounded [`queue`] and becomes spans ([`spans`]) in
//! a task of its own that sends them ([`export`]); [`measures`] are sums that another task sends from time to time.
//! No request waits for any of it, and nor does the end of the program for longer than it is told to.
//!
//! Nothing that was said and no credential is in it: what a story and a series are made of has no field for them.

mod context;
mod export;
mod measures;
mod otlp;
mod queue;
mod spans;
mod trace;
mod words;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use prost::Message;
use seawall::proxy::Dialer;
use seawall::{Answered, BuildError};
use seawall_core::dice::Dice;
use seawall_core::event::{Ended, Outcome};
use seawall_core::request::{Endpoint, Request};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Class;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use self::context::{Propagation, bound, is_of_a_trace};
use self::export::Health;
pub(crate) use self::measures::Readings;
use self::measures::{Measures, Model};
use self::otlp::{KeyValue, Resource, Scope, attribute};
use self::queue::Queue;
use self::trace::Story;
pub(crate) use self::trace::{Arrival, Trace};
pub(crate) use self::words::Place;
use super::post::{self, Post, Refused};

/// The most traces that wait for the collector: some ten megabytes.
const STORIES_MAX: usize = 8_192;
/// So many go in one post.
const BATCH: usize = 512;
/// The name of what measures.
const SCOPE: &str = "seawall";

/// What is sent, where, and how it is marked.
pub(crate) struct Settings {
    /// What is done with a caller's trace.
    pub(crate) propagation: Propagation,
    /// The collector; `None` to send nothing.
    pub(crate) collector: Option<Collector>,
    /// The upstreams, in the order of the configuration.
    pub(crate) places: Vec<Place>,
}

/// Where to send, and what.
pub(crate) struct Collector {
    /// Its address, proxy and certificate authorities. The paths of the signals are put behind the address.
    pub(crate) way: seawall::Upstream,
    /// For every post, credentials among them.
    pub(crate) headers: HeaderMap,
    /// Whether traces are sent.
    pub(crate) traces: bool,
    /// How often metrics are; `None` for never.
    pub(crate) metrics_every: Option<Duration>,
    /// Of so many traces in a million that begin here, all is kept.
    pub(crate) sample_ppm: u32,
    /// `service.name`.
    pub(crate) service_name: String,
    /// `service.instance.id`: unlike that of any other process.
    pub(crate) instance: String,
    /// Further attributes of the resource.
    pub(crate) resource: Vec<(String, String)>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    signal: &'static str,
    result: &'static str,
}

/// What is sent of requests, if anything is. See the module of the same name.
pub(crate) struct Telemetry {
    /// What is done with a caller's trace.
    pub(crate) propagation: Propagation,
    stories: Option<Arc<Queue<Story>>>,
    sample_ppm: u32,
    measures: Option<Arc<Measures>>,
    exports: Family<Labels, Counter>,
    dropped: Counter,
    tasks: Mutex<JoinSet<()>>,
    closing: watch::Sender<bool>,
}

#[cfg(test)]
impl Settings {
    /// Sends nothing, and lets nothing of a caller's trace go on.
    pub(crate) fn off() -> Settings {
        Settings { propagation: Propagation::Accept, collector: None, places: Vec::new() }
    }
}

impl Telemetry {
    /// A task for each signal that is sent. They end with this, or with [`Telemetry::close`].
    ///
    /// # Errors
    /// When the address or the certificates of the collector cannot be used.
    pub(crate) fn start(settings: Settings, readings: Readings) -> Result<Telemetry, BuildError> {
        let Settings { propagation, collector, places } = settings;
        let (closing, closed) = watch::channel(false);
        let mut telemetry = Telemetry {
            propagation,
            stories: None,
            sample_ppm: 0,
            measures: None,
            exports: Family::default(),
            dropped: Counter::default(),
            tasks: Mutex::default(),
            closing,
        };
        // At zero from the start, so that what is asked of them has an answer.
        for (signal, result) in
            ["traces", "metrics"].into_iter().flat_map(|signal| [(signal, "sent"), (signal, "failed")])
        {
            drop(telemetry.exports.get_or_create(&Labels { signal, result }));
        }
        let Some(collector) = collector else { return Ok(telemetry) };
        let places: Arc<[Place]> = places.into();
        let sender = Arc::new(Sender::new(&collector)?);
        let tasks = telemetry.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        let health = |signal| {
            let count = |result| telemetry.exports.get_or_create(&Labels { signal, result }).clone();
            Health::new(signal, sender.collector.clone(), count("sent"), count("failed"))
        };
        if collector.traces {
            let stories = Arc::new(Queue::new(STORIES_MAX, BATCH, telemetry.dropped.clone()));
            telemetry.sample_ppm = collector.sample_ppm;
            telemetry.stories = Some(Arc::clone(&stories));
            let (health, sender, places, closed) =
                (health("traces"), Arc::clone(&sender), Arc::clone(&places), closed.clone());
            // Replicas that lose the same collector must not come back in step.
            let dice = Dice::new(
                u64::try_from(seawall::proxy::unix_micros()).unwrap_or_default() ^ u64::from(std::process::id()),
            );
            tasks.spawn(async move {
                let written = |stories: &[Story]| sender.traces(stories, &places);
                export::traces(&stories, closed, dice, &health, written, |body| sender.send(&sender.traces_at, body))
                    .await;
            });
        }
        if let Some(every) = collector.metrics_every {
            let measures = Arc::new(Measures::new(places, readings, seawall::proxy::unix_micros()));
            telemetry.measures = Some(Arc::clone(&measures));
            let health = health("metrics");
            tasks.spawn(async move {
                let written = || sender.metrics(&measures);
                export::metrics(every, closed, &health, written, |body| sender.send(&sender.metrics_at, body)).await;
            });
        }
        Ok(telemetry)
    }

    /// Makes the numbers known.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let exports = "Posts to the OpenTelemetry collector by what became of them";
        registry.register("telemetry_exports", exports, self.exports.clone());
        let dropped = "Traces that the collector did not get: too many at a time, refused, or given up";
        registry.register("telemetry_dropped", dropped, self.dropped.clone());
    }

    /// Follows a request from here on; `None` where it is not wanted.
    pub(crate) fn follow(&self, arrival: &Arrival<'_>) -> Option<Arc<Trace>> {
        let stories = self.stories.as_ref()?;
        Trace::of(arrival, self.propagation, self.sample_ppm, stories).map(Arc::new)
    }

    /// What is measured, with the model's name as it is known in metrics; does nothing where nothing is sent.
    fn measured(&self, model: impl FnOnce() -> Model, note: impl FnOnce(&Measures, Model)) {
        if let Some(measures) = &self.measures {
            note(measures, model());
        }
    }

    /// A request ended.
    pub(crate) fn request(&self, facts: &Request, model: impl FnOnce() -> Model, ended: &Ended) {
        self.measured(model, |measures, model| measures.request(facts, &model, ended));
    }

    /// A request ended without an attempt, or its caller left.
    pub(crate) fn refused(&self, endpoint: Endpoint, model: impl FnOnce() -> Model, outcome: Outcome) {
        self.measured(model, |measures, model| measures.refused(endpoint, model, outcome));
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, upstream: UpstreamId, model: impl FnOnce() -> Model, class: Class) {
        self.measured(model, |measures, model| measures.attempt(upstream, model, class));
    }

    /// An attempt is answered.
    pub(crate) fn answered(&self, facts: &Request, model: impl FnOnce() -> Model, answered: &Answered<'_>) {
        self.measured(model, |measures, model| {
            measures.attempt(answered.upstream, Arc::clone(&model), Class::Ok);
            measures.first_chunk(facts, answered.upstream, model, answered.waited);
        });
    }

    /// Delivers what waits, to the first failure, for at most `within`; what remains is counted and told in the
    /// log. What comes afterwards is not delivered.
    pub(crate) async fn close(&self, within: Duration) {
        self.closing.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // Whoever is not done by then is not waited for.
        let _ = timeout(within, async { while tasks.join_next().await.is_some() {} }).await;
        tasks.shutdown().await;
        let left = self.stories.as_ref().map_or(0, |stories| stories.len());
        if left > 0 {
            self.dropped.inc_by(left as u64);
            tracing::warn!(target: "seawall::telemetry", left, "traces were not delivered before the end");
        }
    }
}

/// A collector, ready to be spoken to.
struct Sender {
    dialer: Dialer,
    /// Its address, for people.
    collector: String,
    headers: HeaderMap,
    traces_at: PathAndQuery,
    metrics_at: PathAndQuery,
    resource: Resource,
}

impl Sender {
    fn new(collector: &Collector) -> Result<Sender, BuildError> {
        let base = &collector.way.base;
        let path = |signal: &str| {
            let path = format!("{}/v1/{signal}", base.path().trim_end_matches('/'));
            // Two valid paths make a valid path.
            path.parse().unwrap_or_else(|_| PathAndQuery::from_static("/"))
        };
        let mut headers = collector.headers.clone();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let mut attributes = vec![
            attribute("service.name", collector.service_name.as_str()),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
            attribute("service.instance.id", collector.instance.as_str()),
            attribute("telemetry.sdk.name", SCOPE),
            attribute("telemetry.sdk.language", "rust"),
            attribute("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ];
        for (name, value) in &collector.resource {
            attributes.retain(|known| known.key != *name);
            attributes.push(KeyValue { key: name.clone(), ..attribute("", value.as_str()) });
        }
        Ok(Sender {
            dialer: Dialer::to(&collector.way)?,
            collector: format!(
                "{}://{}",
                base.scheme_str().unwrap_or_default(),
                base.authority().map(http::uri::Authority::as_str).unwrap_or_default()
            ),
            headers,
            traces_at: path("traces"),
            metrics_at: path("metrics"),
            resource: Resource { attributes },
        })
    }

    async fn send(&self, path: &PathAndQuery, body: Bytes) -> Result<(), Refused> {
        let post = Post { path: path.clone(), headers: self.headers.clone(), body };
        post::send(&self.dialer, post).await.map(|_| ())
    }

    fn traces(&self, stories: &[Story], places: &[Place]) -> Bytes {
        let spans = stories.iter().flat_map(|story| spans::spans(story, places)).collect();
        let scope_spans = vec![otlp::ScopeSpans { scope: Some(scope()), spans }];
        let resource_spans = vec![otlp::ResourceSpans { resource: Some(self.resource.clone()), scope_spans }];
        otlp::Traces { resource_spans }.encode_to_vec().into()
    }

    fn metrics(&self, measures: &Measures) -> Bytes {
        let metrics = measures.told(seawall::proxy::unix_micros());
        let scope_metrics = vec![otlp::ScopeMetrics { scope: Some(scope()), metrics }];
        let resource_metrics = vec![otlp::ResourceMetrics { resource: Some(self.resource.clone()), scope_metrics }];
        otlp::Metrics { resource_metrics }.encode_to_vec().into()
    }
}

fn scope() -> Scope {
    Scope { name: SCOPE.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

#[cfg(test)]
mod tests;
