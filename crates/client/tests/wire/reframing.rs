//! Answers in another frame than was asked for, on real sockets.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use seawall::proxy::{Answer, Call, Conclusion, Payload};
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::policy::Policy;
use seawall_core::plan::upgrade::Upgrade;
use seawall_core::request::Request;
use seawall_core::verdict::{Class, Fault};

use crate::bench::{Bench, bench, bench_with, found, policy};

async fn answer(bench: &Bench, chaos: &str, stream: bool) -> Box<Answer> {
    match bench.client.run(bench.call(chaos, stream)).await {
        Conclusion::Answer(answer) => answer,
        Conclusion::Failure(failure) => panic!("{chaos}: {:?} {:?}", failure.reason, failure.fault),
    }
}

async fn text(answer: Box<Answer>) -> String {
    String::from_utf8(answer.relay.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn json_in_place_of_a_stream_becomes_the_stream() {
    let bench = bench(policy()).await;
    let answer = answer(&bench, "stream_json", true).await;
    assert_eq!((found(&answer), answer.head.status), ((Outcome::Passed, 1), StatusCode::OK));
    let headers = &answer.head.headers;
    assert_eq!(headers[header::CONTENT_TYPE], "text/event-stream; charset=utf-8");
    assert!(!headers.contains_key(header::CONTENT_LENGTH));
    let stream = text(answer).await;
    assert!(stream.starts_with("data: {") && stream.ends_with("data: [DONE]\n\n"), "{stream}");
    assert!(stream.contains(r#""delta":{"content":"The sea wall held"#), "{stream}");
    assert!(!stream.contains("usage"), "nobody asked for it: {stream}");
}

#[tokio::test]
async fn its_tokens_are_told_if_the_request_asked_for_them() {
    let bench = bench(policy()).await;
    let mut call = bench.call("stream_json", true);
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    call.payload = Payload::Kept(body.into());
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    let stream = text(answer).await;
    assert!(stream.contains(r#""choices":[],"usage":{"#), "{stream}");
}

#[tokio::test]
async fn json_for_who_asked_for_json_passes_as_it_came() {
    let bench = bench(policy()).await;
    let answer = answer(&bench, "ok", false).await;
    assert_eq!(answer.head.headers[header::CONTENT_TYPE], "application/json");
    let whole = text(answer).await;
    assert!(whole.starts_with(r#"{"id":"chatcmpl-"#), "{whole}");
}

#[tokio::test]
async fn what_is_no_answer_in_place_of_a_stream_is_tried_again_and_told_in_the_end() {
    for (fault, noted) in [
        ("error_in_200", Fault::ErrorIn200),
        ("html_200", Fault::Html200),
        ("empty_200", Fault::StreamEmpty),
        ("stream_empty=bare", Fault::StreamEmpty),
        ("stream_empty", Fault::StreamEmpty),
        ("stream_error", Fault::StreamError),
    ] {
        let bench = bench(policy()).await;
        let mended = answer(&bench, &format!("{fault}*1"), true).await;
        assert_eq!(found(&mended), (Outcome::Retried, 2), "{fault}");
        let noticed: Vec<_> = bench.notes.taken_for().into_iter().map(|(_, fault)| fault).collect();
        assert_eq!(noticed, [Some(noted)], "{fault}");
        let mut call = bench.call(fault, true);
        call.headers.insert("x-chaos-key", HeaderValue::from_static("every time"));
        let Conclusion::Failure(failure) = bench.client.run(call).await else { panic!("{fault} passed") };
        assert_eq!((failure.attempts, failure.fault), (4, Some(noted)), "{fault}");
    }
}

/// Of a whole answer that was a stream on its way.
const UPGRADED: &str = "x-seawall-upgraded";

fn upgrading(upgrade: Upgrade) -> Policy {
    Policy { upgrade, ..policy() }
}

/// A call for a whole answer whose attempts are one to chaos, streamed or not.
fn keyed(bench: &Bench, chaos: &str, key: &'static str) -> Call {
    let mut call = bench.call(chaos, false);
    call.headers.insert("x-chaos-key", HeaderValue::from_static(key));
    call
}

fn is_upgraded(answer: &Answer) -> bool {
    answer.head.headers.get(UPGRADED).is_some_and(|value| value == "stream")
}

async fn json(answer: Box<Answer>) -> String {
    assert_eq!(
        (answer.head.status, &answer.head.headers[header::CONTENT_TYPE]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    let whole = text(answer).await;
    assert!(whole.starts_with(r#"{"id":"chatcmpl-"#) && whole.ends_with('}'), "{whole}");
    for part in [
        r#""object":"chat.completion""#,
        r#""message":{"role":"assistant","content":"The sea wall held "#,
        r#""finish_reason":"stop""#,
        r#""completion_tokens":16"#,
        r#""system_fingerprint":"fp_44709d6fcb""#,
    ] {
        assert!(whole.contains(part), "{part} in {whole}");
    }
    whole
}

#[tokio::test]
async fn a_whole_answer_that_is_asked_for_as_a_stream_comes_whole() {
    let bench = bench(upgrading(Upgrade::Always)).await;
    let answer = answer(&bench, "ok", false).await;
    assert!(is_upgraded(&answer));
    assert_eq!(found(&answer), (Outcome::Passed, 1));
    assert!(!answer.head.headers.contains_key(header::CONTENT_LENGTH));
    json(answer).await;
    let seen = &bench.chaos.stats().requests[0];
    let asked = bench.call("ok", false).facts.body_bytes;
    assert!(seen.stream);
    assert_eq!(seen.body_bytes, asked - 1 + r#""stream_options":{"include_usage":true},"#.len() as u64);
    // The connection is used again.
    json(self::answer(&bench, "ok", false).await).await;
    assert_eq!(bench.chaos.stats().connections, 1);
}

#[tokio::test]
async fn who_asks_for_a_stream_gets_it_as_it_came() {
    let bench = bench(upgrading(Upgrade::Always)).await;
    let answer = answer(&bench, "ok", true).await;
    assert!(!is_upgraded(&answer));
    assert!(text(answer).await.starts_with("data: {"));
}

#[tokio::test]
async fn wherever_the_stream_breaks_nobody_has_seen_it_and_it_is_made_again() {
    for (fault, noted) in [
        ("500", Fault::Status),
        ("reset", Fault::Reset),
        ("first_content_timeout", Fault::FirstContentTimeout),
        ("stream_empty=bare", Fault::StreamEmpty),
        ("stream_error", Fault::StreamError),
        ("stream_cut=0", Fault::StreamEmpty),
        ("stream_cut=3", Fault::StreamCut),
        ("stream_cut=16", Fault::StreamCut),
        ("truncated=3", Fault::Truncated),
        ("body_reset=16", Fault::BodyReset),
        ("stall=3", Fault::Stall),
    ] {
        let bench = bench(upgrading(Upgrade::Always)).await;
        let answer = match bench.client.run(keyed(&bench, &format!("{fault}*1"), "breaks")).await {
            Conclusion::Answer(answer) => answer,
            Conclusion::Failure(failure) => panic!("{fault}: {:?} {:?}", failure.reason, failure.fault),
        };
        let noticed: Vec<_> = bench.notes.taken_for().into_iter().map(|(_, fault)| fault).collect();
        assert_eq!(noticed, [Some(noted)], "{fault}");
        assert_eq!((found(&answer), is_upgraded(&answer)), ((Outcome::Retried, 2), true), "{fault}");
        json(answer).await;
    }
}

#[tokio::test]
async fn content_keeps_it_alive_past_an_attempts_own_limit_but_not_past_the_deadline() {
    // 16 chunks of 40 ms are more than the 300 ms for the first content, and between two pieces.
    let slow = || seawall_chaos::Settings { chunk_delay: Duration::from_millis(40), ..Default::default() };
    let bench = bench_with(upgrading(Upgrade::Always), slow()).await;
    json(answer(&bench, "ok", false).await).await;
    assert_eq!(bench.notes.taken_for(), []);

    let mut call = bench.call("ok", false);
    call.facts.patience.total = Some(Duration::from_millis(400));
    let Conclusion::Failure(failure) = bench.client.run(call).await else { panic!("answered") };
    assert_eq!((failure.reason, failure.fault, failure.attempts), (Reason::Deadline, Some(Fault::Deadline), 1));
    bench.chaos.until(|stats| stats.cancelled == 1).await;
}

#[tokio::test]
async fn a_caller_who_leaves_in_the_middle_stops_it() {
    let slow = seawall_chaos::Settings { chunk_delay: Duration::from_millis(40), ..Default::default() };
    let bench = bench_with(upgrading(Upgrade::Always), slow).await;
    let left = tokio::time::timeout(Duration::from_millis(200), bench.client.run(bench.call("ok", false))).await;
    assert!(left.is_err());
    bench.chaos.until(|stats| stats.cancelled == 1).await;
    assert_eq!((bench.client.under_way(), bench.chaos.stats().attempts), (0, 1));
}

#[tokio::test]
async fn an_upstream_that_refuses_a_stream_is_asked_again_without() {
    let bench = bench(upgrading(Upgrade::Always)).await;
    let Conclusion::Answer(answer) = bench.client.run(keyed(&bench, "400*1", "refuses")).await else {
        panic!("failed")
    };
    assert_eq!((found(&answer).1, is_upgraded(&answer)), (2, false));
    let streams: Vec<_> = bench.chaos.stats().requests.iter().map(|seen| seen.stream).collect();
    assert!(streams.contains(&true) && streams.contains(&false), "{streams:?}");
    assert_eq!(bench.notes.taken_for(), [(Class::CallerFault, Some(Fault::Status))]);
}

#[tokio::test]
async fn an_upstream_that_answers_whole_all_the_same_has_answered() {
    let bench = bench(upgrading(Upgrade::Always)).await;
    let answer = answer(&bench, "stream_json", false).await;
    assert_eq!((found(&answer).1, is_upgraded(&answer)), (1, false));
    assert!(text(answer).await.contains(r#""object":"chat.completion""#));
}

#[tokio::test]
async fn a_response_comes_whole_too() {
    let bench = bench(upgrading(Upgrade::Always)).await;
    let mut call = bench.call("ok", false);
    let body: bytes::Bytes = r#"{"model":"m","input":"hello"}"#.into();
    let path = "/v1/responses";
    call.facts = Request::of(&Method::POST, path, &call.headers, Some(&body), body.len() as u64);
    call.target = PathAndQuery::from_static(path);
    call.payload = Payload::Kept(body);
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    assert!(is_upgraded(&answer));
    let whole = text(answer).await;
    assert!(whole.starts_with(r#"{"id":"resp_"#) && whole.contains(r#""status":"completed""#), "{whole}");
    assert!(bench.chaos.stats().requests[0].stream);
}

#[tokio::test]
async fn after_three_failures_at_one_moment_the_next_goes_round_the_wall() {
    const WALL: &str = "504+delay=1050ms*3";
    let bench = bench(upgrading(Upgrade::Cliff)).await;
    let Conclusion::Failure(failure) = bench.client.run(keyed(&bench, WALL, "wall")).await else { panic!("answered") };
    assert_eq!((failure.reason, failure.attempts), (Reason::AmbiguousMax, 2));
    // Its first attempt is the third failure: the wall is known, and it goes round.
    let Conclusion::Answer(first) = bench.client.run(keyed(&bench, WALL, "wall")).await else { panic!("failed") };
    assert_eq!((found(&first).1, is_upgraded(&first)), (2, true));
    json(first).await;
    // From then on at once.
    let Conclusion::Answer(next) = bench.client.run(keyed(&bench, WALL, "wall")).await else { panic!("failed") };
    assert_eq!((found(&next).1, is_upgraded(&next)), (1, true));
    json(next).await;
}
