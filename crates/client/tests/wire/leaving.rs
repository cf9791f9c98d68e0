//! A caller may go away at any moment: whatever the call waits for then, nothing is left behind.
//!
//! A call is dropped after each number of polls in turn, which is at each `.await` that it gets to:
//! connecting, the head, the body, the wait before a retry, two attempts at once.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use http::HeaderValue;
use seawall::proxy::Conclusion;
use seawall_core::event::Reason;
use seawall_core::plan::breaker::State;
use seawall_core::plan::policy::{FirstContent, Policy};
use seawall_core::plan::upgrade::Upgrade;

use crate::bench::{Bench, bench, bench_with, found, policy};

/// A call that is polled more often than this is stuck.
pub(crate) const POLLS_MAX: usize = 1_000;

/// What `future` comes to, unless it has been polled `polls` times before.
pub(crate) async fn within<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut polled = 0;
    std::future::poll_fn(|cx| {
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn call(bench: &Bench, fault: &str, stream: bool, key: usize, polls: usize) -> Option<Conclusion> {
    let mut call = bench.call(fault, stream);
    call.headers.insert("x-chaos-key", HeaderValue::from_str(&format!("{fault}-{key}")).unwrap());
    call.headers.insert("x-chaos-latency", HeaderValue::from_static("5ms"));
    within(polls, Box::pin(bench.client.run(call))).await
}

#[tokio::test]
async fn a_caller_who_leaves_at_any_await_leaves_nothing_under_way() {
    let mut policy = policy();
    policy.hedge.enabled = true;
    policy.hedge.after_min = Duration::from_millis(20);
    policy.timeout.first_content = FirstContent::Fixed(Duration::from_secs(20));
    // Those who leave in a later attempt have seen the ones before it fail: on a slow machine, far enough apart for a breaker.
    (policy.breaker.guard, policy.breaker.open_solo, policy.breaker.window_min) = (100, 100, 1_000);
    let bench = bench(policy).await;
    for warm in 0..60 {
        assert!(call(&bench, "ok", true, warm, POLLS_MAX).await.is_some());
    }
    // A plain answer, a stream, a retry with its wait, a stream that hangs with its hedge.
    for (fault, stream, awaits) in
        [("ok", false, 2), ("ok", true, 2), ("500*2", false, 4), ("first_content_timeout*1", true, 3)]
    {
        let mut left = 0;
        for polls in 1..=POLLS_MAX {
            let conclusion = call(&bench, fault, stream, 1_000 + polls, polls).await;
            if let Some(conclusion) = conclusion {
                assert!(matches!(conclusion, Conclusion::Answer(_)), "{fault}");
                break;
            }
            left += 1;
            assert_eq!(bench.client.under_way(), 0, "{fault}: left after {polls} polls");
        }
        assert!((awaits..POLLS_MAX).contains(&left), "{fault}: left {left} times");
    }
    bench.chaos.until(|stats| stats.in_flight == 0).await;
}

#[tokio::test]
async fn a_caller_who_leaves_a_stream_that_is_put_together_leaves_nothing_under_way() {
    let mut policy = Policy { upgrade: Upgrade::Always, ..policy() };
    // Those who leave in their second attempt have seen the first one fail.
    (policy.breaker.guard, policy.breaker.open_solo, policy.breaker.window_min) = (100, 100, 1_000);
    let slow = seawall_chaos::Settings { chunk_delay: Duration::from_millis(2), chunks: 4, ..Default::default() };
    let bench = bench_with(policy, slow).await;
    let mut left = 0;
    for polls in 1..=POLLS_MAX {
        if let Some(conclusion) = call(&bench, "stream_cut=2*1", false, polls, polls).await {
            match conclusion {
                Conclusion::Answer(answer) => assert_eq!(found(&answer).1, 2),
                Conclusion::Failure(failure) => panic!("{:?} {:?} after {left}", failure.reason, failure.fault),
            }
            break;
        }
        left += 1;
        assert_eq!(bench.client.under_way(), 0, "left after {polls} polls");
    }
    // Two attempts: each connects, waits for its head and for the pieces; and the wait in between.
    assert!((5..POLLS_MAX).contains(&left), "left {left} times");
    bench.chaos.until(|stats| stats.in_flight == 0).await;
}

#[tokio::test]
async fn a_probe_whose_caller_leaves_at_any_await_is_released() {
    let mut policy = policy();
    policy.retry.max_attempts = 1;
    (policy.breaker.guard, policy.breaker.open_solo, policy.breaker.open_alt) = (3, 3, 3);
    (policy.breaker.open, policy.breaker.open_max) = (Duration::from_millis(20), Duration::from_millis(20));
    // A probe that is never released would keep all others out.
    (policy.breaker.probe_every, policy.breaker.probes_max) = (Duration::from_secs(3_600), 1);
    let bench = bench(policy).await;
    let state = || bench.client.breakers().first().map_or(State::Closed, |(_, _, state)| *state);
    let mut failures = 0;
    while state() != State::Open {
        failures += 1;
        assert!(failures < 20, "it never opens");
        let mut call = bench.call("500", false);
        // Evidence from one moment is none.
        call.headers.insert("x-chaos-latency", HeaderValue::from_static("300ms"));
        let body = format!(r#"{{"model":"m","messages":[],"n":{failures}}}"#);
        call.payload = seawall::proxy::Payload::Kept(body.into());
        bench.client.run(call).await;
    }
    let mut left = 0;
    for polls in 1..=POLLS_MAX {
        let mut conclusion = call(&bench, "ok", false, polls, polls).await;
        // Until the first probe may go, there is nothing to leave.
        while let Some(Conclusion::Failure(failure)) = &conclusion
            && state() == State::Open
        {
            assert_eq!(failure.reason, Reason::Breaker);
            tokio::time::sleep(failure.retry_in.unwrap_or_default()).await;
            conclusion = call(&bench, "ok", false, polls, polls).await;
        }
        match conclusion {
            None => left += 1,
            Some(Conclusion::Answer(_)) => break,
            Some(Conclusion::Failure(failure)) => panic!("after {left} probes were left: {}", failure.reason),
        }
        assert_eq!((bench.client.under_way(), state()), (0, State::Half), "left after {polls} polls");
    }
    assert!((2..POLLS_MAX).contains(&left), "left {left} times");
    assert_eq!(state(), State::Ramp);
}
