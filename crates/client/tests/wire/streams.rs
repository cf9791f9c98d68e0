//! Streams that are held to their end, callers that are kept on the line, and the clocks of a stream.

use std::time::Duration;

use http::HeaderValue;
use http_body_util::BodyExt;
use seawall::proxy::{Conclusion, Interrupted, Relay};
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::policy::{Commit, FirstContent, OnBreak, Policy};
use seawall_core::verdict::{Billed, Class, Fault};

use crate::bench::{Bench, bench, found, policy};

const COMMENT: &str = ": seawall waiting\n";

async fn text(relay: Relay) -> String {
    String::from_utf8(relay.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn buffering() -> Policy {
    let mut policy = policy();
    policy.streams.commit = Commit::Buffer;
    policy
}

/// What a stream without trouble is.
async fn whole(bench: &Bench) -> String {
    let Conclusion::Answer(answer) = bench.client.run(bench.call("ok", true)).await else { panic!("failed") };
    text(answer.relay).await
}

#[tokio::test]
async fn a_stream_that_is_held_to_its_end_is_made_again_however_late_it_breaks() {
    for (fault, class, noted) in [
        ("stream_cut=3*1", Class::Ambiguous, Fault::StreamCut),
        ("truncated=3*1", Class::Ambiguous, Fault::Truncated),
        ("body_reset=3*1", Class::Ambiguous, Fault::BodyReset),
        ("stall=3*1", Class::Ambiguous, Fault::Stall),
    ] {
        let bench = bench(buffering()).await;
        let expected = whole(&bench).await;
        let Conclusion::Answer(answer) = bench.client.run(bench.call(fault, true)).await else {
            panic!("{fault} was not mended")
        };
        assert_eq!(found(&answer), (Outcome::Retried, 2), "{fault}");
        let stream = text(answer.relay).await;
        assert_eq!(stream.matches("data:").count(), expected.matches("data:").count(), "{fault}: {stream}");
        assert!(stream.ends_with("data: [DONE]\n\n"), "{fault}: {stream}");
        assert_eq!(bench.notes.taken_for(), [(class, Some(noted))], "{fault}");
        // What had been said before it broke was paid for.
        assert_eq!(bench.notes.failed.lock().unwrap()[0].charge.billed(), Billed::Yes, "{fault}");
    }
}

#[tokio::test]
async fn a_request_says_for_itself_whether_it_is_held() {
    let bench = bench(policy()).await;
    let mut call = bench.call("stream_cut=3*1", true);
    call.commit = Some(Commit::Buffer);
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    assert_eq!(found(&answer), (Outcome::Retried, 2));
    let mut call = bench.call("stream_cut=4*1", true);
    call.commit = Some(Commit::Content);
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    assert_eq!(found(&answer), (Outcome::Passed, 1));
    assert!(answer.relay.collect().await.is_err(), "nothing was held, and it was cut");
}

#[tokio::test]
async fn a_stream_too_large_or_too_slow_to_be_held_goes_to_its_caller() {
    let too_large = |policy: &mut Policy| policy.streams.buffer_bytes_max = 1;
    let too_slow = |policy: &mut Policy| policy.streams.buffer_time_max = Duration::from_millis(1);
    for (what, set) in [("large", &too_large as &dyn Fn(&mut Policy)), ("slow", &too_slow)] {
        let mut policy = buffering();
        set(&mut policy);
        let bench = bench(policy).await;
        let fault = if what == "large" { "stream_cut=3" } else { "stall=3" };
        let Conclusion::Answer(answer) = bench.client.run(bench.call(fault, true)).await else { panic!("{what}") };
        assert_eq!(found(&answer), (Outcome::Passed, 1), "{what}");
        let Err(Interrupted::Broken(_)) = answer.relay.collect().await else { panic!("{what}: it broke") };
        assert_eq!(bench.notes.taken_for()[0].0, Class::MidStream, "{what}");
    }
}

#[tokio::test]
async fn a_caller_that_hears_nothing_for_long_is_kept_on_the_line() {
    let mut policy = policy();
    policy.streams.comment_after = Some(Duration::from_millis(40));
    let bench = bench(policy).await;
    let expected = whole(&bench).await;
    let mut call = bench.call("500*1", true);
    call.headers.insert("x-chaos-latency", HeaderValue::from_static("150ms"));
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    assert!(answer.found.is_none(), "it is still looked for");
    assert_eq!(answer.head.headers["content-type"], "text/event-stream; charset=utf-8");
    let stream = text(answer.relay).await;
    let comments = stream.matches(COMMENT).count();
    assert!(comments >= 3, "{stream}");
    // The failure in between was mended unseen, and what remains is a whole stream.
    let rest = stream.replace(COMMENT, "");
    assert_eq!(rest.matches("data:").count(), expected.matches("data:").count(), "{rest}");
    assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
    assert_eq!(bench.notes.taken_for(), [(Class::ServerError, Some(Fault::Status))]);
}

#[tokio::test]
async fn a_caller_that_was_kept_on_the_line_hears_of_a_failure() {
    let mut policy = policy();
    policy.streams.comment_after = Some(Duration::from_millis(20));
    policy.retry.max_attempts = 1;
    let bench = bench(policy).await;
    let mut call = bench.call("500", true);
    call.headers.insert("x-chaos-latency", HeaderValue::from_static("100ms"));
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    let Err(Interrupted::Failed(reason)) = answer.relay.collect().await else { panic!("it failed") };
    assert_eq!(reason, Reason::Attempts);
}

#[tokio::test]
async fn a_caller_that_leaves_while_it_is_kept_on_the_line_spends_no_more() {
    let mut policy = policy();
    policy.streams.comment_after = Some(Duration::from_millis(20));
    policy.timeout.first_content = FirstContent::Fixed(Duration::from_secs(20));
    let bench = bench(policy).await;
    let call = bench.call("first_content_timeout", true);
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    assert_eq!(bench.client.under_way(), 1);
    drop(answer);
    assert_eq!(bench.client.under_way(), 0);
    bench.chaos.until(|stats| stats.cancelled == 1).await;
    assert_eq!(*bench.notes.left.lock().unwrap(), [1]);
}

#[tokio::test]
async fn a_gap_in_a_stream_is_filled_with_comments_between_two_events() {
    let mut policy = policy();
    policy.streams.comment_after = Some(Duration::from_millis(40));
    let bench = bench(policy).await;
    let Conclusion::Answer(answer) = bench.client.run(bench.call("stall=3", true)).await else { panic!("failed") };
    let mut relay = answer.relay;
    let mut stream = String::new();
    let broken = loop {
        match relay.frame().await.expect("an end") {
            Ok(frame) => stream.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
            Err(broken) => break broken,
        }
    };
    assert!(matches!(broken, Interrupted::Broken(broken) if broken.fault == Fault::Stall));
    assert!(stream.matches(COMMENT).count() >= 3, "{stream}");
    assert!(stream.replace(COMMENT, "").ends_with("\n\n"), "{stream}");
}

#[tokio::test]
async fn pings_are_no_content() {
    let mut policy = policy();
    policy.timeout.content_idle = Some(Duration::from_millis(150));
    policy.timeout.byte_idle = Duration::from_secs(60);
    let bench = bench(policy).await;
    let mut parts = vec![serde_json::json!("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n")];
    for _ in 0..100 {
        parts.extend([serde_json::json!({"sleep_ms": 20}), serde_json::json!(": ping\n\n")]);
    }
    let step = serde_json::json!({"headers": {"content-type": "text/event-stream"}, "parts": parts});
    bench.chaos.script(&serde_json::json!({"steps": [step]}).to_string()).unwrap();
    let Conclusion::Answer(answer) = bench.client.run(bench.plain_call(true)).await else { panic!("failed") };
    let Err(Interrupted::Broken(broken)) = answer.relay.collect().await else { panic!("it stalled") };
    // Had it waited for the pings to end, it would have been a cut.
    assert_eq!(broken.fault, Fault::Stall);
}

/// An event of a Responses stream.
fn event(kind: &str, number: u64, rest: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{number}{rest}}}\n\n")
}

/// A Responses stream in the background, of `words`, event by event.
fn responses(words: &[&str]) -> Vec<String> {
    let response = r#","response":{"id":"resp_1","status":"in_progress"}"#;
    let mut events = vec![event("response.created", 0, response)];
    for (number, word) in (1..).zip(words) {
        events.push(event("response.output_text.delta", number, &format!(r#","delta":"{word}""#)));
    }
    let done = r#","response":{"id":"resp_1","status":"completed"}"#;
    events.push(event("response.completed", words.len() as u64 + 1, done));
    events
}

fn background(bench: &Bench) -> seawall::proxy::Call {
    let mut call = bench.plain_call(true);
    let body =
        bytes::Bytes::from_static(br#"{"model":"m","stream":true,"background":true,"store":true,"input":"hello"}"#);
    let path = "/v1/responses";
    call.facts =
        seawall_core::request::Request::of(&http::Method::POST, path, &call.headers, Some(&body), body.len() as u64);
    call.target = http::uri::PathAndQuery::from_static(path);
    call.payload = seawall::proxy::Payload::Kept(body);
    call
}

fn resuming() -> Policy {
    let mut policy = policy();
    policy.streams.on_break = OnBreak::Resume;
    policy
}

#[tokio::test]
async fn a_stream_in_the_background_is_taken_up_where_it_broke() {
    let events = responses(&["Once", " upon", " a", " time"]);
    let whole: String = events.concat();
    let head = serde_json::json!({"content-type": "text/event-stream"});
    // Cut at every byte after the first content; what is sent again overlaps by an event.
    let first_content = events[..2].concat().len();
    for at in (first_content..whole.len()).step_by(7) {
        let bench = bench(resuming()).await;
        let seen = events
            .iter()
            .scan(0, |end, event| {
                *end += event.len();
                Some(*end)
            })
            .filter(|end| *end <= at)
            .count();
        let rest = events[seen.saturating_sub(1)..].concat();
        let steps = serde_json::json!([
            {"headers": head, "parts": [&whole[..at], {"reset": true}]},
            {"headers": head, "parts": [rest]},
        ]);
        bench.chaos.script(&serde_json::json!({ "steps": steps }).to_string()).unwrap();
        let Conclusion::Answer(answer) = bench.client.run(background(&bench)).await else { panic!("failed at {at}") };
        assert_eq!(text(answer.relay).await, whole, "cut at {at}");
        let asked = bench.chaos.stats().requests;
        let last = asked.last().unwrap();
        assert_eq!((asked.len(), last.method.as_str()), (2, "GET"), "cut at {at}");
        assert_eq!(last.path, "/v1/responses/resp_1");
        assert_eq!(last.query, Some(format!("stream=true&starting_after={}", seen - 1)), "cut at {at}");
        let failed = bench.notes.failed.lock().unwrap();
        assert_eq!((failed[0].class, failed[0].reason), (Class::MidStream, Reason::Resume), "cut at {at}");
    }
}

#[tokio::test]
async fn a_stream_that_cannot_be_taken_up_ends_loudly_after_three_times() {
    let bench = bench(resuming()).await;
    let events = responses(&["Once", " upon"]);
    let head = serde_json::json!({"content-type": "text/event-stream"});
    let cut =
        serde_json::json!({"headers": head, "parts": [events[..2].concat(), "event: response.out", {"reset": true}]});
    let gone = serde_json::json!({"status": 404, "body": {"error": {"message": "no such response"}}});
    bench.chaos.script(&serde_json::json!({ "steps": [cut, gone, gone, gone] }).to_string()).unwrap();
    let Conclusion::Answer(answer) = bench.client.run(background(&bench)).await else { panic!("failed") };
    let mut relay = answer.relay;
    let mut stream = String::new();
    let broken = loop {
        match relay.frame().await.expect("an end") {
            Ok(frame) => stream.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
            Err(broken) => break broken,
        }
    };
    assert!(matches!(broken, Interrupted::Broken(_)));
    assert_eq!(stream, events[..2].concat(), "whole events only");
    assert_eq!(bench.chaos.stats().attempts, 4);
}

#[tokio::test]
async fn a_stream_that_is_not_in_the_background_is_not_taken_up() {
    let bench = bench(resuming()).await;
    let Conclusion::Answer(answer) = bench.client.run(bench.call("stream_cut=3", true)).await else { panic!("failed") };
    assert!(answer.relay.collect().await.is_err());
    assert_eq!(bench.chaos.stats().attempts, 1);
}
