//! A caller that left and comes back gets the answer that is still being generated for it.

use std::time::Duration;

use http::HeaderValue;
use http_body_util::BodyExt;
use seawall::proxy::{Call, Conclusion};
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::policy::Policy;
use seawall_core::request::Patience;

use crate::bench::{Bench, bench, found, policy};

fn adopting() -> Policy {
    let mut policy = policy();
    policy.adopt.enabled = true;
    policy
}

/// A call that takes 300 ms, of the caller with this key; a retry of its own, if it says so.
fn call(bench: &Bench, key: &'static str, retries: u32) -> Call {
    let mut call = bench.call("slow=300ms", false);
    call.headers.insert("authorization", HeaderValue::from_static(key));
    call.facts.client_retries = retries;
    call
}

/// Begins a call, and leaves it when the upstream has it.
async fn leaves(bench: &Bench, call: Call) {
    let asked = bench.chaos.stats().attempts;
    let running = tokio::spawn({
        let client = bench.client.clone();
        async move { drop(client.run(call).await) }
    });
    bench.chaos.until(|stats| stats.attempts > asked).await;
    running.abort();
    assert!(running.await.is_err_and(|error| error.is_cancelled()));
}

#[tokio::test]
async fn the_retry_of_a_caller_who_left_gets_its_first_answer() {
    let bench = bench(adopting()).await;
    let first = call(&bench, "Bearer one", 0);
    let id = first.labels.id.clone();
    leaves(&bench, first).await;
    assert_eq!((bench.client.orphans(), bench.client.under_way()), (1, 1));
    let Conclusion::Answer(answer) = bench.client.run(call(&bench, "Bearer one", 1)).await else { panic!("failed") };
    assert_eq!(found(&answer), (Outcome::Passed, 1));
    assert_eq!(answer.found.as_ref().unwrap().adopted, Some(id));
    assert!(!answer.relay.collect().await.unwrap().to_bytes().is_empty());
    assert_eq!(bench.chaos.stats().attempts, 1, "one bill");
    assert_eq!((bench.client.orphans(), bench.client.under_way()), (0, 0));
    assert_eq!(*bench.notes.left.lock().unwrap(), [0]);
}

#[tokio::test]
async fn nobody_else_gets_it() {
    let bench = bench(adopting()).await;
    leaves(&bench, call(&bench, "Bearer one", 0)).await;
    let other_words = || {
        let mut call = call(&bench, "Bearer one", 1);
        call.payload = seawall::proxy::Payload::Kept(r#"{"model":"m","messages":[]}"#.into());
        call
    };
    let other_client = || {
        let mut call = call(&bench, "Bearer one", 1);
        call.labels.client = Some("another".into());
        call
    };
    let calls = [call(&bench, "Bearer two", 1), call(&bench, "Bearer one", 0), other_words(), other_client()];
    for (number, call) in calls.into_iter().enumerate() {
        let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
        assert_eq!(answer.found.as_ref().unwrap().adopted, None, "call {number}");
        assert_eq!(bench.chaos.stats().attempts, number as u64 + 2);
    }
    assert_eq!(bench.client.orphans(), 1, "it is still there for its own caller");
}

#[tokio::test]
async fn a_caller_that_announces_its_patience_is_asked_to_come_back_to_the_same_answer() {
    let bench = bench(adopting()).await;
    let patient = |retries| {
        let mut call = call(&bench, "Bearer one", retries);
        call.facts.patience = Patience { total: Some(Duration::from_millis(200)), read: None, from_sdk: true };
        call
    };
    let Conclusion::Failure(failure) = bench.client.run(patient(0)).await else { panic!("too early") };
    assert_eq!((failure.reason, failure.invites), (Reason::Deadline, true));
    let Conclusion::Answer(answer) = bench.client.run(call(&bench, "Bearer one", 1)).await else { panic!("failed") };
    assert!(answer.found.as_ref().unwrap().adopted.is_some());
    assert_eq!(bench.chaos.stats().attempts, 1);
}

#[tokio::test]
async fn an_orphan_that_nobody_takes_is_broken_off() {
    let mut policy = adopting();
    policy.adopt.keep = Duration::from_millis(50);
    let bench = bench(policy).await;
    let mut long = bench.call("slow=60s", false);
    long.headers.insert("authorization", HeaderValue::from_static("Bearer one"));
    leaves(&bench, long).await;
    bench.chaos.until(|stats| stats.cancelled == 1).await;
    assert_eq!((bench.client.orphans(), bench.client.under_way()), (0, 0));
    assert_eq!(*bench.notes.left.lock().unwrap(), [1]);
}

#[tokio::test]
async fn without_a_wish_for_it_a_caller_who_leaves_ends_the_attempt() {
    let bench = bench(policy()).await;
    leaves(&bench, call(&bench, "Bearer one", 0)).await;
    bench.chaos.until(|stats| stats.cancelled == 1).await;
    assert_eq!(bench.client.orphans(), 0);
}

#[tokio::test]
async fn no_more_than_so_many_are_kept() {
    const ORPHANS_MAX: usize = 64;
    let bench = bench(adopting()).await;
    for number in 0..=ORPHANS_MAX {
        let mut call = bench.call("slow=60s", false);
        call.payload = seawall::proxy::Payload::Kept(format!(r#"{{"model":"m","n":{number}}}"#).into());
        leaves(&bench, call).await;
    }
    assert_eq!(bench.client.orphans(), ORPHANS_MAX);
    bench.chaos.until(|stats| stats.cancelled == 1).await;
}
