//! Two attempts at one request at a time: the first content wins, and the other is broken off.

use std::time::Duration;

use http::HeaderValue;
use http_body_util::BodyExt;
use seawall::proxy::{Call, Conclusion};
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::policy::{FirstContent, Policy};
use seawall_core::verdict::{Billed, Class};

use crate::bench::{Bench, bench, found, policy};

/// As many streams as must be known before one is late: none of these is hedged.
const WARM_UP: u64 = seawall_core::plan::shapes::SAMPLES_MIN;

fn hedging(after_min: Duration) -> Policy {
    let mut policy = policy();
    policy.hedge.enabled = true;
    policy.hedge.after_min = after_min;
    policy.timeout.first_content = FirstContent::Fixed(Duration::from_secs(20));
    policy
}

async fn warm() -> Bench {
    warm_with(Duration::from_millis(20)).await
}

async fn warm_with(after_min: Duration) -> Bench {
    let bench = bench(hedging(after_min)).await;
    for _ in 0..WARM_UP {
        let Conclusion::Answer(answer) = bench.client.run(bench.call("ok", true)).await else { panic!("failed") };
        answer.relay.collect().await.unwrap();
    }
    assert!(bench.notes.taken_for().is_empty());
    bench
}

/// A stream whose first attempts meet `fault`.
fn call(bench: &Bench, fault: &str, key: &'static str) -> Call {
    let mut call = bench.call(fault, true);
    call.headers.insert("x-chaos-key", HeaderValue::from_static(key));
    call
}

#[tokio::test]
async fn a_stream_that_hangs_is_answered_by_its_hedge() {
    let bench = warm().await;
    let before = bench.chaos.stats().attempts;
    let call = call(&bench, "first_content_timeout*1", "hangs");
    let id = call.labels.id.clone();
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    assert_eq!(found(&answer), (Outcome::Hedged, 2));
    assert!(!answer.relay.collect().await.unwrap().to_bytes().is_empty());
    // The loser is broken off, not waited for, and is on record as what may have been paid twice.
    let stats = bench.chaos.until(|stats| stats.cancelled == 1).await;
    assert_eq!(stats.attempts - before, 2);
    let failed = bench.notes.failed.lock().unwrap();
    let [loser] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!((loser.number, loser.class, loser.reason), (1, Class::Cancelled, Reason::Superseded));
    assert_eq!(loser.charge.billed(), Billed::Possibly);
    assert_eq!(loser.client_request_id.as_deref(), Some(&*format!("{id}-1")));
}

#[tokio::test]
async fn a_first_attempt_that_is_late_but_faster_still_wins() {
    let bench = warm().await;
    // Both take this long, and the first began earlier.
    let Conclusion::Answer(answer) = bench.client.run(call(&bench, "slow=300ms", "both")).await else {
        panic!("failed")
    };
    assert_eq!(found(&answer), (Outcome::Passed, 2));
    answer.relay.collect().await.unwrap();
    bench.chaos.until(|stats| stats.cancelled == 1).await;
    let failed = bench.notes.failed.lock().unwrap();
    assert_eq!((failed.len(), failed[0].number, failed[0].reason), (1, 2, Reason::Superseded));
}

#[tokio::test]
async fn a_stream_that_comes_in_time_is_asked_for_once() {
    let bench = warm_with(Duration::from_secs(10)).await;
    let before = bench.chaos.stats().attempts;
    let Conclusion::Answer(answer) = bench.client.run(call(&bench, "ok", "in time")).await else { panic!("failed") };
    assert_eq!(found(&answer), (Outcome::Passed, 1));
    assert_eq!(bench.chaos.stats().attempts - before, 1);
}

#[tokio::test]
async fn when_both_fail_the_request_is_tried_again() {
    let bench = warm().await;
    let mut call = call(&bench, "500*2", "both fail");
    call.headers.insert("x-chaos-latency", HeaderValue::from_static("400ms"));
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    assert_eq!(found(&answer), (Outcome::Retried, 3));
    let failed = bench.notes.failed.lock().unwrap();
    let told: Vec<_> = failed.iter().map(|attempt| (attempt.number, attempt.class, attempt.reason)).collect();
    assert_eq!(told, [(1, Class::ServerError, Reason::Hedge), (2, Class::ServerError, Reason::Retry)]);
}

#[tokio::test]
async fn a_caller_who_leaves_stops_both() {
    let bench = warm().await;
    let running = tokio::spawn({
        let (client, call) = (bench.client.clone(), call(&bench, "first_content_timeout", "leaves"));
        async move { matches!(client.run(call).await, Conclusion::Answer(_)) }
    });
    bench.chaos.until(|stats| stats.in_flight == 2).await;
    assert_eq!(bench.client.under_way(), 2);
    running.abort();
    bench.chaos.until(|stats| stats.cancelled == 2).await;
    assert_eq!((bench.client.under_way(), &**bench.notes.left.lock().unwrap()), (0, &[2][..]));
}
