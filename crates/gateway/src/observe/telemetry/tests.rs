use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use prometheus_client::encoding::text::encode;
use seawall::proxy::{FollowedReply, Follower, Sending};
use seawall_core::event::{Attempt, Reason};
use seawall_core::verdict::about::{About, Finish};
use seawall_core::verdict::usage::{Counted, Tokens, Usage};
use seawall_core::verdict::{Charge, Fault, Whose};

use super::otlp::{AnyValue, Span, Value};
use super::trace::ATTEMPTS_MAX;
use super::*;
use crate::observe::post::tests::{answer, receiver};

const REQUEST: &str = "sw_019ac5f0a1b2c3d4e5f60718293a4b5c";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ARRIVED: i64 = 1_764_300_000_000_000;

struct World {
    stories: Arc<Queue<Story>>,
    propagation: Propagation,
    sample_ppm: u32,
}

impl World {
    fn new() -> World {
        let stories = Arc::new(Queue::new(STORIES_MAX, BATCH, Counter::default()));
        World { stories, propagation: Propagation::Accept, sample_ppm: 1_000_000 }
    }

    fn follow(&self, traceparent: Option<&str>) -> Option<Trace> {
        let mut headers = HeaderMap::new();
        headers.extend(traceparent.map(|value| (context::TRACEPARENT.clone(), HeaderValue::from_str(value).unwrap())));
        headers.insert(&context::TRACESTATE, HeaderValue::from_static("vendor=1"));
        let arrival = Arrival { request: REQUEST, method: &Method::POST, headers: &headers, unix_micros: ARRIVED };
        Trace::of(&arrival, self.propagation, self.sample_ppm, &self.stories)
    }

    /// The spans of the one story there is, the request's first.
    fn spans(&self) -> Vec<Told> {
        let mut stories = self.stories.take();
        let story = stories.pop().expect("a story");
        assert!(stories.is_empty());
        let places = [
            Place::of("one", &"https://api.openai.com/v1".parse().unwrap()),
            Place::of("two", &"http://127.0.0.1:8080".parse().unwrap()),
        ];
        spans::spans(&story, &places).into_iter().map(Told::of).collect()
    }
}

/// A span, with its attributes by name.
struct Told {
    span: Span,
    said: BTreeMap<String, String>,
}

impl Told {
    fn of(span: Span) -> Told {
        let text = |value: &AnyValue| match value.value.as_ref().expect("a value") {
            Value::Text(text) => text.clone(),
            Value::Flag(flag) => flag.to_string(),
            Value::Integer(number) => number.to_string(),
            Value::Double(number) => number.to_string(),
            Value::List(list) => format!("{} values", list.values.len()),
        };
        let said: BTreeMap<_, _> =
            span.attributes.iter().map(|one| (one.key.clone(), text(one.value.as_ref().unwrap()))).collect();
        assert_eq!(said.len(), span.attributes.len(), "each key once");
        Told { span, said }
    }

    #[track_caller]
    fn holds(&self, wanted: &[(&str, &str)]) {
        for (key, value) in wanted {
            assert_eq!(self.said.get(*key).map(String::as_str), Some(*value), "{key} in {:?}", self.said);
        }
    }
}

fn chat() -> Request {
    let body = r#"{"model":"gpt-4o","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"canary"}]}"#;
    Request::of(&Method::POST, "/v1/chat/completions", &HeaderMap::new(), Some(body.as_bytes()), body.len() as u64)
}

fn sending(number: u32, upstream: u16) -> Sending {
    let began_unix_micros = ARRIVED + i64::from(number - 1) * 1_000_000;
    Sending { number, upstream: UpstreamId(upstream), began_unix_micros }
}

fn failed(number: u32) -> Attempt {
    Attempt {
        phases: seawall_core::event::Phases::default(),
        number,
        began_unix_micros: ARRIVED,
        upstream: "one".into(),
        key: 0,
        status: Some(500),
        class: Class::ServerError,
        whose: Whose::Provider,
        fault: None,
        charge: Charge::Answered,
        tokens: Tokens::NONE,
        error_type: Some("canary".into()),
        error_code: Some("canary".into()),
        message: Some("canary".into()),
        upstream_request_id: Some("req_1".into()),
        client_request_id: Some("sw_x-1".into()),
        processing_ms: None,
        organization: Some("canary".into()),
        project: None,
        cf_ray: None,
        region: None,
        elapsed: Duration::from_millis(200),
        first_content: None,
        bytes_in: 0,
        bytes_out: 0,
        reason: Reason::Failover,
        wait: Some(Duration::from_millis(800)),
    }
}

fn ended(outcome: Outcome, status: u16) -> Ended {
    let usage = Usage { input: Some(12), output: Some(5), cached: Some(4), reasoning: None };
    Ended {
        outcome,
        reason: Reason::Answered,
        status,
        attempts: 2,
        elapsed: Duration::from_secs(3),
        upstream: Some(UpstreamId(1)),
        tokens: Tokens { usage, counted: Counted::Known },
        diagnosis: None,
        route: None,
        first: None,
    }
}

/// A request that fails at the first upstream, and is answered by the second.
fn saved(trace: &Trace) {
    let mut headers = HeaderMap::new();
    trace.admitted(&chat(), Some("billing"), Some("tag"));
    trace.sends(sending(1, 0), &mut headers);
    trace.failed(&failed(1));
    trace.sends(sending(2, 1), &mut headers);
    let finishes = vec![Finish::Stop];
    let about = About { id: Some("chatcmpl-1".into()), model: Some("gpt-4o-2024-08-06".into()), finishes };
    trace.answers(&FollowedReply {
        number: 2,
        status: 200,
        first_content: Duration::from_millis(500),
        upstream_request_id: Some("req_2"),
        about: &about,
    });
    trace.finished(&[Finish::Length, Finish::Stop]);
    trace.ended(&ended(Outcome::FailedOver, 200));
}

#[test]
fn a_request_is_a_span_and_each_attempt_one_inside_of_it() {
    let world = World::new();
    let trace = world.follow(Some(PARENT)).unwrap();
    saved(&trace);
    assert_eq!(world.stories.len(), 0, "it is told when nothing more can come");
    drop(trace);
    let spans = world.spans();
    let [request, first, second] = &spans[..] else { panic!("{} spans", spans.len()) };
    for told in &spans {
        assert_eq!(
            told.span.trace_id,
            [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36]
        );
        assert_eq!((told.span.kind, told.span.trace_state.as_str()), (otlp::CLIENT, "vendor=1"));
        assert!(!format!("{:?}", told.said).contains("canary"));
    }
    assert_eq!(request.span.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!((request.span.name.as_str(), request.span.flags), ("chat gpt-4o", 0x301));
    assert_eq!(request.span.start, 1_764_300_000_000_000_000);
    assert_eq!(request.span.end - request.span.start, 3_000_000_000);
    assert_eq!(request.span.status, None);
    request.holds(&[
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-4o"),
        ("gen_ai.request.stream", "true"),
        ("gen_ai.request.max_tokens", "50"),
        ("gen_ai.response.id", "chatcmpl-1"),
        ("gen_ai.response.model", "gpt-4o-2024-08-06"),
        ("gen_ai.response.finish_reasons", "2 values"),
        ("gen_ai.response.time_to_first_chunk", "1.5"),
        ("gen_ai.usage.input_tokens", "12"),
        ("gen_ai.usage.output_tokens", "5"),
        ("gen_ai.usage.cache_read.input_tokens", "4"),
        ("server.address", "127.0.0.1"),
        ("server.port", "8080"),
        ("http.response.status_code", "200"),
        ("seawall.request_id", REQUEST),
        ("seawall.outcome", "failed_over"),
        ("seawall.attempts", "2"),
        ("seawall.client", "billing"),
        ("seawall.tag", "tag"),
    ]);
    assert!(!request.said.contains_key("error.type"));
    for attempt in [first, second] {
        assert_eq!(
            (attempt.span.parent_span_id.as_slice(), attempt.span.flags),
            (request.span.span_id.as_slice(), 0x101)
        );
        assert_eq!(attempt.span.name, "POST");
    }
    assert_ne!(first.span.span_id, second.span.span_id);
    first.holds(&[
        ("http.request.method", "POST"),
        ("http.response.status_code", "500"),
        ("server.address", "api.openai.com"),
        ("server.port", "443"),
        ("error.type", "500"),
        ("seawall.attempt", "1"),
        ("seawall.upstream", "one"),
        ("seawall.class", "server_error"),
        ("seawall.decision", "failover"),
        ("seawall.wait", "0.8"),
        ("seawall.upstream_request_id", "req_1"),
        ("seawall.client_request_id", "sw_x-1"),
    ]);
    assert!(!first.said.contains_key("http.request.resend_count"), "it is the first");
    assert_eq!(
        (first.span.end - first.span.start, first.span.status.as_ref().unwrap().code),
        (200_000_000, otlp::FAILED)
    );
    second.holds(&[
        ("http.request.resend_count", "1"),
        ("http.response.status_code", "200"),
        ("seawall.class", "ok"),
        ("seawall.first_content", "0.5"),
        ("seawall.upstream_request_id", "req_2"),
        ("seawall.upstream", "two"),
    ]);
    assert_eq!((second.span.end, &second.span.status), (request.span.end, &None));
}

#[test]
fn an_answer_that_breaks_off_has_its_attempt_failed() {
    let world = World::new();
    let trace = world.follow(None).unwrap();
    saved(&trace);
    trace.failed(&Attempt {
        class: Class::MidStream,
        fault: Some(Fault::StreamCut),
        status: Some(200),
        reason: Reason::Committed,
        ..failed(2)
    });
    trace.ended(&ended(Outcome::Interrupted, 200));
    drop(trace);
    let spans = world.spans();
    spans[0].holds(&[("error.type", "interrupted"), ("seawall.outcome", "interrupted")]);
    assert!(!spans[0].said.contains_key("gen_ai.usage.input_tokens"));
    spans[2].holds(&[("error.type", Fault::StreamCut.name()), ("seawall.class", "mid_stream")]);
    assert_eq!(spans[2].said["seawall.first_content"], "0.5");
}

#[test]
fn a_request_whose_caller_left_has_spans_too() {
    let world = World::new();
    let trace = world.follow(None).unwrap();
    trace.admitted(&chat(), None, None);
    trace.sends(sending(1, 0), &mut HeaderMap::new());
    drop(trace);
    let spans = world.spans();
    spans[0].holds(&[("error.type", "caller_left"), ("seawall.outcome", "interrupted"), ("seawall.attempts", "1")]);
    spans[1].holds(&[("seawall.class", "cancelled")]);
    assert_eq!(spans[1].span.status, None, "nobody failed");
    assert!(spans[1].span.end >= spans[1].span.start);
}

#[test]
fn a_refusal_at_the_door_is_one_span() {
    let world = World::new();
    let trace = world.follow(None).unwrap();
    trace.refused(Outcome::Refused, 401);
    drop(trace);
    let spans = world.spans();
    assert_eq!((spans.len(), spans[0].span.name.as_str()), (1, "POST"));
    spans[0].holds(&[("error.type", "401"), ("seawall.outcome", "refused"), ("http.response.status_code", "401")]);
}

#[test]
fn what_goes_wrong_is_kept_whatever_chance_says_and_a_callers_trace_is_as_it_decided() {
    let world = World { sample_ppm: 0, ..World::new() };
    let good = world.follow(None).unwrap();
    good.ended(&ended(Outcome::Passed, 200));
    drop(good);
    assert_eq!(world.stories.len(), 0, "chance has not picked it");
    let retried = world.follow(None).unwrap();
    saved(&retried);
    drop(retried);
    let failed = world.follow(None).unwrap();
    failed.ended(&ended(Outcome::Exhausted, 503));
    drop(failed);
    drop(world.follow(None).unwrap());
    assert_eq!(world.stories.take().len(), 3, "a failed attempt, a failed request, a caller that left");
    let decided = world.follow(Some(PARENT)).unwrap();
    decided.ended(&ended(Outcome::Passed, 200));
    drop(decided);
    assert_eq!(world.stories.take().len(), 1, "the caller keeps its part");
    assert!(world.follow(Some(&PARENT.replace("-01", "-00"))).is_none(), "the caller does not");
    let off = World { propagation: Propagation::Off, ..World::new() };
    assert!(off.follow(Some(&PARENT.replace("-01", "-00"))).is_some(), "nobody asked the caller");
}

#[test]
fn an_attempt_carries_its_own_place_where_that_is_wanted() {
    for (propagation, forwards) in
        [(Propagation::Accept, false), (Propagation::Forward, true), (Propagation::Off, false)]
    {
        let world = World { propagation, ..World::new() };
        let trace = world.follow(Some(PARENT)).unwrap();
        let mut told = Vec::new();
        for number in 1..=2 {
            let mut headers = HeaderMap::new();
            trace.sends(sending(number, 0), &mut headers);
            told.extend(headers.get(&context::TRACEPARENT).map(|value| value.to_str().unwrap().to_owned()));
        }
        drop(trace);
        let spans = world.spans();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let named: Vec<String> = spans[1..]
            .iter()
            .map(|told| format!("00-{}-{}-01", hex(&told.span.trace_id), hex(&told.span.span_id)))
            .collect();
        assert_eq!(told, if forwards { named } else { Vec::new() }, "{propagation:?}");
    }
}

#[test]
fn attempts_and_names_are_bounded_and_inert() {
    let world = World::new();
    let trace = world.follow(None).unwrap();
    let hostile = format!("m\u{1b}[31m\r\n{}", "x".repeat(10_000));
    trace.admitted(&Request { model: Some(hostile.clone()), ..chat() }, Some(&hostile), Some(&hostile));
    for number in 1..=50 {
        trace.sends(sending(number, 0), &mut HeaderMap::new());
        trace.failed(&Attempt {
            upstream_request_id: Some(hostile.clone()),
            client_request_id: Some(hostile.clone()),
            ..failed(number)
        });
    }
    trace.ended(&ended(Outcome::Exhausted, 500));
    drop(trace);
    let spans = world.spans();
    assert_eq!(spans.len(), ATTEMPTS_MAX + 1);
    for told in &spans {
        for text in told.said.values().chain([&told.span.name]) {
            assert!(text.len() < 200 && !text.contains(char::is_control), "{text:?}");
        }
    }
}

fn collector(url: &str) -> Collector {
    Collector {
        way: seawall::Upstream::at("telemetry", format!("{url}/base/").parse().unwrap()),
        headers: HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer collector"))]),
        traces: true,
        metrics_every: Some(Duration::from_secs(3_600)),
        sample_ppm: 1_000_000,
        service_name: "edge".into(),
        instance: "one".into(),
        resource: vec![("deployment.environment.name".into(), "prod".into()), ("service.version".into(), "9".into())],
    }
}

fn started(url: &str) -> Telemetry {
    let places = vec![Place::of("one", &"https://api.openai.com/v1".parse().unwrap())];
    let settings = Settings { propagation: Propagation::Accept, collector: Some(collector(url)), places };
    Telemetry::start(settings, Readings::default()).unwrap()
}

fn arrival(headers: &HeaderMap) -> Arrival<'_> {
    Arrival { request: REQUEST, method: &Method::POST, headers, unix_micros: ARRIVED }
}

#[tokio::test]
async fn a_collector_gets_both_signals_with_its_headers_and_who_sends_them() {
    let (url, heard) = receiver(vec![answer("200 OK", "", ""), answer("200 OK", "", "")]);
    let telemetry = started(&url);
    telemetry.request(&chat(), || "gpt-4o".into(), &ended(Outcome::Passed, 200));
    let headers = HeaderMap::new();
    saved(&telemetry.follow(&arrival(&headers)).unwrap());
    telemetry.close(Duration::from_secs(10)).await;
    let mut posts = [heard.recv().unwrap(), heard.recv().unwrap()];
    posts.sort();
    for ((head, _), path) in posts.iter().zip(["/base/v1/metrics", "/base/v1/traces"]) {
        assert!(head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{head}");
        assert!(
            head.contains("content-type: application/x-protobuf\r\n")
                && head.contains("authorization: Bearer collector\r\n")
        );
    }
    let metrics = otlp::Metrics::decode(&*posts[0].1).unwrap();
    let traces = otlp::Traces::decode(&*posts[1].1).unwrap();
    let resource = traces.resource_spans[0].resource.clone().unwrap();
    assert_eq!(metrics.resource_metrics[0].resource, Some(resource.clone()));
    let text = format!("{resource:?}");
    for word in ["service.name", "\"edge\"", "service.instance.id", "deployment.environment.name", "\"prod\"", "\"9\""]
    {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert_eq!(text.matches("service.version").count(), 1, "the operator's word outranks ours");
    assert_eq!(traces.resource_spans[0].scope_spans[0].spans.len(), 3);
    assert_eq!(telemetry.dropped.get(), 0);
}

#[tokio::test]
async fn a_collector_that_takes_nothing_holds_up_no_end_and_what_is_lost_is_counted() {
    // It takes connections, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let telemetry = started(&format!("http://{}", silent.local_addr().unwrap()));
    let headers = HeaderMap::new();
    for _ in 0..BATCH + 7 {
        saved(&telemetry.follow(&arrival(&headers)).unwrap());
    }
    let within = Duration::from_millis(50);
    timeout(Duration::from_secs(10), telemetry.close(within)).await.expect("the end is bounded");
    assert_eq!(telemetry.dropped.get(), BATCH as u64 + 7);
    let mut registry = Registry::with_prefix("seawall");
    telemetry.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert!(text.contains("seawall_telemetry_dropped_total 519\n"), "{text}");
}

#[tokio::test]
async fn without_a_collector_nothing_is_gathered() {
    let telemetry = Telemetry::start(Settings::off(), Readings::default()).unwrap();
    let headers = HeaderMap::new();
    assert!(telemetry.follow(&arrival(&headers)).is_none());
    telemetry.request(&chat(), || panic!("nobody asks for a name"), &ended(Outcome::Passed, 200));
    assert!(telemetry.tasks.lock().unwrap().is_empty());
    telemetry.close(Duration::from_secs(1)).await;
    assert_eq!(telemetry.dropped.get(), 0);
}
