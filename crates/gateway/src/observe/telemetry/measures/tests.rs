use http::{HeaderMap, Method};
use seawall_core::event::Reason;
use seawall_core::verdict::usage::{Tokens, Usage};

use super::super::otlp::{AnyValue, Value};
use super::*;

fn facts(path: &str, body: &str) -> Request {
    Request::of(&Method::POST, path, &HeaderMap::new(), Some(body.as_bytes()), body.len() as u64)
}

fn chat() -> Request {
    facts("/v1/chat/completions", r#"{"model":"m","stream":true}"#)
}

fn ended(outcome: Outcome, status: u16, elapsed: Duration) -> Ended {
    let usage = Usage { input: Some(100), output: Some(7), cached: None, reasoning: None };
    Ended {
        outcome,
        reason: Reason::Answered,
        status,
        attempts: 1,
        elapsed,
        upstream: Some(UpstreamId(0)),
        tokens: Tokens { usage, counted: Counted::Known },
        diagnosis: None,
        route: None,
        first: None,
    }
}

fn measures() -> Measures {
    let place = Place::of("up", &"https://api.openai.com/v1".parse().unwrap());
    Measures::new(vec![place].into(), Readings::default(), 5)
}

fn told(measures: &Measures, name: &str) -> Metric {
    let all = measures.told(1_000_000);
    all.into_iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn points(measures: &Measures, name: &str) -> Vec<Distribution> {
    match told(measures, name).data {
        Some(Data::Histogram(histogram)) => {
            assert_eq!(histogram.temporality, CUMULATIVE);
            histogram.points
        }
        other => panic!("{other:?}"),
    }
}

/// `name=value`, sorted.
fn attributes(list: &[KeyValue]) -> Vec<String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.clone()) {
        Some(Value::Text(text)) => text,
        Some(Value::Integer(number)) => number.to_string(),
        Some(Value::Flag(flag)) => flag.to_string(),
        other => panic!("{other:?}"),
    };
    let mut told: Vec<String> = list.iter().map(|pair| format!("{}={}", pair.key, text(&pair.value))).collect();
    told.sort();
    told
}

#[test]
fn an_operation_is_told_as_the_conventions_have_it() {
    let measures = measures();
    let model: Model = "m".into();
    measures.request(&chat(), &model, &ended(Outcome::Retried, 200, Duration::from_millis(640)));
    measures.request(&chat(), &model, &ended(Outcome::Exhausted, 503, Duration::from_secs(100)));
    measures.request(&chat(), &model, &ended(Outcome::Interrupted, 200, Duration::ZERO));
    measures.first_chunk(&chat(), UpstreamId(0), model, Duration::from_millis(11));

    let durations = points(&measures, "gen_ai.client.operation.duration");
    assert_eq!(durations.len(), 3);
    let of = |error: Option<&str>| {
        let mut wanted = vec![
            "gen_ai.operation.name=chat",
            "gen_ai.provider.name=openai",
            "gen_ai.request.model=m",
            "server.address=api.openai.com",
            "server.port=443",
        ];
        let error = error.map(|error| format!("error.type={error}"));
        wanted.extend(error.as_deref());
        wanted.sort_unstable();
        durations.iter().find(|point| attributes(&point.attributes) == wanted).unwrap_or_else(|| panic!("{error:?}"))
    };
    let (well, failed, broken) = (of(None), of(Some("503")), of(Some("interrupted")));
    assert_eq!((well.start, well.time, well.count, well.sum), (5_000, 1_000_000_000, 1, Some(0.64)));
    assert_eq!((well.bounds.as_slice(), well.buckets.len()), (&SECONDS[..], 15));
    assert_eq!(well.buckets[6], 1, "a value that is a bound is below it: {:?}", well.buckets);
    assert_eq!((failed.buckets[14], broken.buckets[0]), (1, 1));

    let first = points(&measures, "gen_ai.client.operation.time_to_first_chunk");
    assert_eq!((first.len(), first[0].buckets[1]), (1, 1));
    let tokens = points(&measures, "gen_ai.client.token.usage");
    assert_eq!(tokens.len(), 2, "of the answer alone");
    let input = tokens.iter().find(|point| attributes(&point.attributes).contains(&"gen_ai.token.type=input".into()));
    assert_eq!(input.unwrap().buckets[4], 1);
    assert_eq!(told(&measures, "gen_ai.client.token.usage").unit, "{token}");
}

#[test]
fn what_has_no_model_make_anything_is_no_operation() {
    let measures = measures();
    let files = facts("/v1/files", "{}");
    measures.request(&files, &"-".into(), &ended(Outcome::Passed, 200, Duration::from_secs(1)));
    measures.first_chunk(&files, UpstreamId(0), "-".into(), Duration::from_secs(1));
    let whole = facts("/v1/chat/completions", r#"{"model":"m"}"#);
    measures.first_chunk(&whole, UpstreamId(0), "m".into(), Duration::from_secs(1));
    let names: Vec<String> = measures.told(0).into_iter().map(|metric| metric.name).collect();
    assert_eq!(names, ["seawall.requests", "seawall.streams.open", "seawall.requests.in_flight"]);
    let Some(Data::Sum(sum)) = told(&measures, "seawall.requests").data else { panic!("a sum") };
    assert!(sum.is_monotonic && sum.temporality == CUMULATIVE);
    assert_eq!(attributes(&sum.points[0].attributes), ["seawall.endpoint=files", "seawall.outcome=passed"]);
}

#[test]
fn attempts_are_counted_by_what_they_ended_in() {
    let measures = measures();
    for class in [Class::Ok, Class::ServerError, Class::Ok] {
        measures.attempt(UpstreamId(0), "m".into(), class);
    }
    measures.refused(Endpoint::ChatCompletions, "-".into(), Outcome::Shed);
    let Some(Data::Sum(sum)) = told(&measures, "seawall.attempts").data else { panic!("a sum") };
    let mut counts: Vec<(i64, Vec<String>)> = sum
        .points
        .iter()
        .map(|point| match point.value {
            Some(Count::Integer(count)) => (count, attributes(&point.attributes)),
            None => panic!("no value"),
        })
        .collect();
    counts.sort();
    let with = |class: &str| {
        vec!["gen_ai.request.model=m".to_owned(), format!("seawall.class={class}"), "seawall.upstream=up".into()]
    };
    assert_eq!(counts, [(1, with("server_error")), (2, with("ok"))]);
}

#[test]
fn beyond_the_limit_one_series_takes_all() {
    let mut table: Table<usize, u64> = Table::default();
    for key in 0..SERIES_MAX + 500 {
        *table.at(key, &0) += 1;
    }
    *table.at(0, &0) += 1;
    let told = table.told(|_| Vec::new(), |count, attributes| (*count, attributes));
    assert_eq!(told.len(), SERIES_MAX + 1);
    let rest: Vec<_> = told.iter().filter(|(_, list)| !list.is_empty()).collect();
    assert_eq!((rest.len(), rest[0].0), (1, 500));
    assert_eq!(attributes(&rest[0].1), ["otel.metric.overflow=true"]);
    assert!(told.iter().any(|(count, _)| *count == 2), "a known one is still its own");
}
