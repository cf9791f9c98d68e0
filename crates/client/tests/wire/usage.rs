//! Tokens: as the upstream counted them where it did, estimated and marked where it could not.

use bytes::Bytes;
use http_body_util::BodyExt;
use seawall::proxy::{Call, Conclusion, Payload, Relay};
use seawall_core::event::{Attempt, Ended, Outcome, Reason};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::usage::{BYTES_PER_TOKEN, Counted, Tokens};
use seawall_core::verdict::{Charge, Class, Fault};

use crate::bench::{Bench, bench, bench_with, policy};

/// Words of a stream of chaos.
const CHUNKS: u32 = 6;
/// What chaos counts: of a prompt, and of an answer that is no stream.
const PROMPT: u32 = 19;
const WHOLE: u32 = 43;

async fn benched() -> Bench {
    bench_with(policy(), seawall_chaos::Settings { chunks: CHUNKS, ..seawall_chaos::Settings::default() }).await
}

/// A stream that is asked to count.
fn counting(bench: &Bench, chaos: &str) -> Call {
    let mut call = bench.call(chaos, true);
    let body = br#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    call.facts.body_bytes = body.len() as u64;
    call.payload = Payload::Kept(Bytes::from_static(body));
    call
}

async fn answered(bench: &Bench, call: Call) -> Relay {
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    answer.relay
}

/// The end that was told of, and the one attempt that failed before it, if any did.
fn told(bench: &Bench) -> (Ended, Option<Attempt>) {
    let (mut ended, mut failed) = (bench.notes.ended.lock().unwrap(), bench.notes.failed.lock().unwrap());
    assert!(ended.len() == 1 && failed.len() <= 1, "{ended:?} {failed:?}");
    (ended.remove(0), failed.pop())
}

fn of(tokens: Tokens) -> (Option<u32>, Option<u32>, Counted) {
    (tokens.usage.input, tokens.usage.output, tokens.counted)
}

fn input_of(bytes: u64) -> u32 {
    u32::try_from(bytes / BYTES_PER_TOKEN).unwrap()
}

#[tokio::test]
async fn what_the_upstream_counted_is_known() {
    let bench = benched().await;
    answered(&bench, bench.call("ok", false)).await.collect().await.unwrap();
    let (ended, _) = told(&bench);
    assert_eq!(of(ended.tokens), (Some(PROMPT), Some(WHOLE), Counted::Known));
    assert_eq!((ended.outcome, ended.upstream), (Outcome::Passed, Some(UpstreamId(0))));
    let relay = answered(&bench, counting(&bench, "ok")).await;
    let stream = relay.collect().await.unwrap().to_bytes();
    assert!(stream.ends_with(b"data: [DONE]\n\n"), "its bytes are what they were");
    assert_eq!(of(told(&bench).0.tokens), (Some(PROMPT), Some(CHUNKS), Counted::Known));
}

#[tokio::test]
async fn a_stream_that_was_not_asked_to_count_is_estimated_by_its_events() {
    let bench = benched().await;
    let call = bench.call("ok", true);
    let input = input_of(call.facts.body_bytes);
    answered(&bench, call).await.collect().await.unwrap();
    assert_eq!(of(told(&bench).0.tokens), (Some(input), Some(CHUNKS), Counted::Estimated));
}

#[tokio::test]
async fn a_failed_attempt_costs_what_it_may_have_read_and_its_answer_what_was_counted() {
    let bench = benched().await;
    for (fault, charge, counted) in [
        ("500*1", Charge::ServerError, Counted::Estimated),
        ("504*1", Charge::MayHaveRun, Counted::Estimated),
        ("reset*1", Charge::MayHaveRun, Counted::Estimated),
        ("503*1", Charge::NoCapacity, Counted::Known),
        ("429*1", Charge::RateLimited, Counted::Known),
        ("html*1", Charge::MayHaveRun, Counted::Estimated),
    ] {
        let call = bench.call(fault, false);
        let input = input_of(call.facts.body_bytes);
        answered(&bench, call).await.collect().await.unwrap();
        let (ended, failed) = told(&bench);
        let failed = failed.expect(fault);
        let expected =
            if counted == Counted::Known { (Some(0), Some(0), counted) } else { (Some(input), Some(0), counted) };
        assert_eq!((failed.charge, of(failed.tokens)), (charge, expected), "{fault}");
        assert_eq!((ended.outcome, of(ended.tokens)), (Outcome::Retried, (Some(PROMPT), Some(WHOLE), Counted::Known)));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_estimated_by_what_came_of_it() {
    let bench = benched().await;
    answered(&bench, bench.call("truncated*1", false)).await.collect().await.unwrap();
    let failed = told(&bench).1.expect("the first attempt broke");
    assert_eq!((failed.fault, failed.charge), (Some(Fault::Truncated), Charge::MayHaveRun));
    let (_, output, counted) = of(failed.tokens);
    assert_eq!((output, counted), (Some(input_of(failed.bytes_in)), Counted::Estimated));
    assert!(failed.bytes_in >= BYTES_PER_TOKEN, "{failed:?}");

    let call = counting(&bench, "stream_cut=3");
    let input = input_of(call.facts.body_bytes);
    assert!(answered(&bench, call).await.collect().await.is_err());
    let (ended, failed) = told(&bench);
    let failed = failed.expect("it was cut");
    assert_eq!((failed.class, failed.charge), (Class::MidStream, Charge::CutAfterContent));
    assert_eq!(of(failed.tokens), (Some(input), Some(3), Counted::Estimated));
    assert_eq!((ended.outcome, ended.tokens), (Outcome::Interrupted, Tokens::NONE), "it is counted once");
}

#[tokio::test]
async fn a_stream_that_its_caller_leaves_costs_what_had_come() {
    let bench = bench(policy()).await;
    let mut relay = answered(&bench, counting(&bench, "stall=2")).await;
    while let Some(Ok(frame)) = relay.frame().await {
        if frame.data_ref().is_some_and(|data| !data.is_empty()) {
            break;
        }
    }
    drop(relay);
    let (ended, _) = told(&bench);
    let (_, output, counted) = of(ended.tokens);
    assert_eq!((ended.reason, counted), (Reason::CallerLeft, Counted::Estimated));
    assert!(output.is_some_and(|output| (1..=2).contains(&output)), "{output:?}");
}
