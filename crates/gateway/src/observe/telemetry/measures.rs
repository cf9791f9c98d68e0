//! The numbers that are sent by OTLP: those that the GenAI conventions name, and what becomes of requests and
//! attempts here.
//!
//! They are sums since the start, so a collector that misses one post has everything with the next. Labels are from
//! closed lists, but for the model, whose names are bounded where they come from; and of every instrument there is
//! a limited number of series, beyond which one series takes all, marked as OpenTelemetry wants it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge as Reading;
use seawall_core::event::{Ended, Outcome};
use seawall_core::request::{Endpoint, Request};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Class;
use seawall_core::verdict::usage::Counted;

use super::otlp::{
    CUMULATIVE, Count, Data, Distribution, Gauge, Histogram, KeyValue, Metric, Number, Sum, attribute, nanos,
};
use super::words::{self, Place};

/// The most series of one instrument: what OpenTelemetry's own libraries allow where nobody says otherwise.
pub(super) const SERIES_MAX: usize = 2_000;
/// The bounds for seconds that the conventions advise.
const SECONDS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// The bounds for tokens that the conventions advise.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// The label of a request whose model is not known.
const NO_MODEL: &str = "-";

/// A model's name, from the bounded list of them.
pub(super) type Model = Arc<str>;

/// What is measured of operations of a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Operation {
    endpoint: Endpoint,
    upstream: Option<UpstreamId>,
    model: Model,
    /// `error.type`; or `gen_ai.token.type`, where tokens are counted.
    word: Option<Cow<'static, str>>,
}

/// The series of one instrument.
#[derive(Debug)]
struct Table<K, V> {
    series: HashMap<K, V>,
    rest: Option<V>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { series: HashMap::new(), rest: None }
    }
}

impl<K: Hash + Eq, V: Clone> Table<K, V> {
    /// The series of `key`, made by `new`; beyond [`SERIES_MAX`] the one for the rest.
    fn at(&mut self, key: K, new: &V) -> &mut V {
        if self.series.len() >= SERIES_MAX && !self.series.contains_key(&key) {
            return self.rest.get_or_insert_with(|| new.clone());
        }
        self.series.entry(key).or_insert_with(|| new.clone())
    }

    /// Every series with its attributes.
    fn told<P>(&self, attributes: impl Fn(&K) -> Vec<KeyValue>, point: impl Fn(&V, Vec<KeyValue>) -> P) -> Vec<P> {
        let own = self.series.iter().map(|(key, value)| point(value, attributes(key)));
        let rest = self.rest.iter().map(|value| point(value, vec![attribute("otel.metric.overflow", true)]));
        own.chain(rest).collect()
    }
}

/// How often which value came.
#[derive(Debug, Clone)]
struct Spread {
    bounds: &'static [f64; 14],
    buckets: [u64; 15],
    sum: f64,
}

impl Spread {
    const fn over(bounds: &'static [f64; 14]) -> Spread {
        Spread { bounds, buckets: [0; 15], sum: 0.0 }
    }

    /// A value that is a bound is below it.
    fn note(&mut self, value: f64) {
        self.buckets[self.bounds.partition_point(|bound| *bound < value)] += 1;
        self.sum += value;
    }
}

#[derive(Default)]
struct Tables {
    durations: Table<Operation, Spread>,
    first_chunks: Table<Operation, Spread>,
    tokens: Table<Operation, Spread>,
    requests: Table<(Endpoint, Model, Outcome), u64>,
    attempts: Table<(UpstreamId, Model, Class), u64>,
}

/// What is read when it is sent, and not counted here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readings {
    /// Streams open to callers.
    pub(crate) streams_open: Reading,
    /// Requests being served.
    pub(crate) in_flight: Reading,
}

/// Every number that is sent.
pub(super) struct Measures {
    tables: Mutex<Tables>,
    places: Arc<[Place]>,
    readings: Readings,
    /// Since when it is counted, in microseconds since the Unix epoch.
    since: i64,
}

impl Measures {
    /// All at zero.
    pub(super) fn new(places: Arc<[Place]>, readings: Readings, since: i64) -> Measures {
        Measures { tables: Mutex::default(), places, readings, since }
    }

    fn note(&self, note: impl FnOnce(&mut Tables)) {
        note(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A request ended.
    pub(super) fn request(&self, facts: &Request, model: &Model, ended: &Ended) {
        let error = words::failed_request(ended.outcome, ended.status);
        let is_answered = error.is_none();
        self.note(|tables| {
            *tables.requests.at((facts.endpoint, Arc::clone(model), ended.outcome), &0) += 1;
            if words::operation(facts.endpoint).is_none() {
                return;
            }
            let key =
                |word| Operation { endpoint: facts.endpoint, upstream: ended.upstream, model: Arc::clone(model), word };
            tables.durations.at(key(error), &Spread::over(&SECONDS)).note(ended.elapsed.as_secs_f64());
            if is_answered && ended.tokens.counted == Counted::Known {
                let usage = ended.tokens.usage;
                for (kind, count) in [("input", usage.input), ("output", usage.output)] {
                    if let Some(count @ 1..) = count {
                        tables.tokens.at(key(Some(kind.into())), &Spread::over(&TOKENS)).note(count.into());
                    }
                }
            }
        });
    }

    /// A request ended without an attempt, or its caller left.
    pub(super) fn refused(&self, endpoint: Endpoint, model: Model, outcome: Outcome) {
        self.note(|tables| *tables.requests.at((endpoint, model, outcome), &0) += 1);
    }

    /// An attempt ended, or is answered.
    pub(super) fn attempt(&self, upstream: UpstreamId, model: Model, class: Class) {
        self.note(|tables| *tables.attempts.at((upstream, model, class), &0) += 1);
    }

    /// The first content of a stream came so long after its request.
    pub(super) fn first_chunk(&self, facts: &Request, upstream: UpstreamId, model: Model, waited: Duration) {
        if !facts.stream || words::operation(facts.endpoint).is_none() {
            return;
        }
        let key = Operation { endpoint: facts.endpoint, upstream: Some(upstream), model, word: None };
        self.note(|tables| tables.first_chunks.at(key, &Spread::over(&SECONDS)).note(waited.as_secs_f64()));
    }

    /// All of it at `now`, in microseconds since the Unix epoch. What has not been seen yet is left out.
    pub(super) fn told(&self, now: i64) -> Vec<Metric> {
        let (start, time) = (nanos(self.since), nanos(now));
        let spread = |spread: &Spread, attributes| Distribution {
            start,
            time,
            count: spread.buckets.iter().sum(),
            sum: Some(spread.sum),
            buckets: spread.buckets.to_vec(),
            bounds: spread.bounds.to_vec(),
            attributes,
        };
        let number = |count: &u64, attributes| Number {
            start,
            time,
            value: Some(Count::Integer(i64::try_from(*count).unwrap_or(i64::MAX))),
            attributes,
        };
        let histogram = |name, unit, said, points: Vec<Distribution>| {
            let data = Data::Histogram(Histogram { points, temporality: CUMULATIVE });
            metric(name, unit, said, data)
        };
        let sum = |name, unit, said, points: Vec<Number>| {
            metric(name, unit, said, Data::Sum(Sum { points, temporality: CUMULATIVE, is_monotonic: true }))
        };
        let gauge = |name, unit, said, reading: &Reading| {
            let value = Some(Count::Integer(reading.get()));
            let point = Number { start: 0, time, value, attributes: Vec::new() };
            metric(name, unit, said, Data::Gauge(Gauge { points: vec![point] }))
        };
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |word| move |key: &Operation| self.of_operation(key, word);
        let mut metrics = vec![
            histogram(
                "gen_ai.client.operation.duration",
                "s",
                "From arrival to the end of the answer, retries included",
                tables.durations.told(of("error.type"), spread),
            ),
            histogram(
                "gen_ai.client.operation.time_to_first_chunk",
                "s",
                "From arrival to the first content of a stream, retries included",
                tables.first_chunks.told(of("error.type"), spread),
            ),
            histogram(
                "gen_ai.client.token.usage",
                "{token}",
                "Tokens of answers, as far as the upstreams counted them",
                tables.tokens.told(of("gen_ai.token.type"), spread),
            ),
            sum(
                "seawall.requests",
                "{request}",
                "Requests by how they ended",
                tables.requests.told(of_request, number),
            ),
            sum(
                "seawall.attempts",
                "{attempt}",
                "Attempts by what they ended in",
                tables.attempts.told(|key| self.of_attempt(key), number),
            ),
        ];
        drop(tables);
        metrics.retain(|metric| match &metric.data {
            Some(Data::Histogram(histogram)) => !histogram.points.is_empty(),
            Some(Data::Sum(sum)) => !sum.points.is_empty(),
            Some(Data::Gauge(_)) | None => true,
        });
        let Readings { streams_open, in_flight } = &self.readings;
        metrics.push(gauge("seawall.streams.open", "{stream}", "Streams open to callers", streams_open));
        metrics.push(gauge("seawall.requests.in_flight", "{request}", "Requests being served", in_flight));
        metrics
    }

    fn of_operation(&self, key: &Operation, word: &'static str) -> Vec<KeyValue> {
        let mut attributes = of_model(&key.model);
        let operation = words::operation(key.endpoint);
        attributes.extend(operation.map(|operation| attribute("gen_ai.operation.name", operation)));
        if let Some(place) = key.upstream.and_then(|upstream| self.places.get(upstream.index())) {
            attributes.push(attribute("gen_ai.provider.name", place.provider));
            attributes.push(attribute("server.address", place.host.as_str()));
            attributes.push(attribute("server.port", place.port));
        }
        attributes.extend(key.word.as_deref().map(|value| attribute(word, value)));
        attributes
    }

    fn of_attempt(&self, (upstream, model, class): &(UpstreamId, Model, Class)) -> Vec<KeyValue> {
        let mut attributes = of_model(model);
        let place = self.places.get(upstream.index());
        attributes.extend(place.map(|place| attribute("seawall.upstream", place.name.as_str())));
        attributes.push(attribute("seawall.class", class.name()));
        attributes
    }
}

fn of_request((endpoint, model, outcome): &(Endpoint, Model, Outcome)) -> Vec<KeyValue> {
    let mut attributes = of_model(model);
    attributes.push(attribute("seawall.endpoint", endpoint.name()));
    attributes.push(attribute("seawall.outcome", outcome.name()));
    attributes
}

fn of_model(model: &Model) -> Vec<KeyValue> {
    if **model == *NO_MODEL { Vec::new() } else { vec![attribute("gen_ai.request.model", &**model)] }
}

fn metric(name: &str, unit: &str, description: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), description: description.to_owned(), unit: unit.to_owned(), data: Some(data) }
}

#[cfg(test)]
mod tests;
