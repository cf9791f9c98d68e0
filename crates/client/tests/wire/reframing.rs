//! Answers in another frame than was asked for, on real sockets.

use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use seawall::{Answer, Conclusion};
use seawall_core::event::Outcome;
use seawall_core::verdict::Fault;

use crate::bench::{Bench, bench, policy};

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
    assert_eq!((answer.outcome, answer.attempts, answer.head.status), (Outcome::Passed, 1, StatusCode::OK));
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
    call.payload = seawall::Payload::Kept(body.into());
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
        assert_eq!((mended.outcome, mended.attempts), (Outcome::Retried, 2), "{fault}");
        let noticed: Vec<_> = bench.notes.taken_for().into_iter().map(|(_, fault)| fault).collect();
        assert_eq!(noticed, [Some(noted)], "{fault}");
        let mut call = bench.call(fault, true);
        call.headers.insert("x-chaos-key", HeaderValue::from_static("every time"));
        let Conclusion::Failure(failure) = bench.client.run(call).await else { panic!("{fault} passed") };
        assert_eq!((failure.attempts, failure.fault), (4, Some(noted)), "{fault}");
    }
}
