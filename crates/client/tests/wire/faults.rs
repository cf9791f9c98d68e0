//! Every fault that an upstream can commit on a socket, met by the real client: what it is taken
//! for, and whether the caller notices.

use std::io::{Read, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;
use seawall::proxy::{Conclusion, Interrupted};
use seawall::{Client, Upstream};
use seawall_core::event::{Outcome, Reason};
use seawall_core::verdict::{Class, Fault};

use crate::bench::{bench, found, policy};

#[tokio::test]
async fn each_fault_is_taken_for_what_it_is_and_mended_by_one_retry() {
    for (fault, stream, class, noted) in [
        ("500", false, Class::ServerError, Fault::Status),
        ("502", false, Class::BadGateway, Fault::Status),
        ("503", false, Class::Overloaded, Fault::Status),
        ("504", false, Class::Ambiguous, Fault::Status),
        ("429", false, Class::RateLimited, Fault::Status),
        ("html-502", false, Class::BadGateway, Fault::Html),
        ("text-503", false, Class::BadGateway, Fault::Text),
        ("empty-500", false, Class::ServerError, Fault::Empty),
        ("reset", false, Class::Ambiguous, Fault::Reset),
        ("garbage", false, Class::Ambiguous, Fault::Garbage),
        ("truncated", false, Class::Ambiguous, Fault::Truncated),
        ("error_in_200", false, Class::BadGateway, Fault::ErrorIn200),
        ("empty_200", false, Class::ServerError, Fault::Empty200),
        ("html_200", false, Class::ServerError, Fault::Html200),
        ("undecodable", false, Class::Ambiguous, Fault::Undecodable),
        ("500", true, Class::ServerError, Fault::Status),
        ("stream_error", true, Class::ServerError, Fault::StreamError),
        ("stream_empty", true, Class::ServerError, Fault::StreamEmpty),
    ] {
        let bench = bench(policy()).await;
        let conclusion = bench.client.run(bench.call(&format!("{fault}*1"), stream)).await;
        assert_eq!(bench.notes.taken_for(), [(class, Some(noted))], "{fault}, stream {stream}");
        let Conclusion::Answer(answer) = conclusion else { panic!("{fault} was not mended") };
        assert_eq!(found(&answer), (Outcome::Retried, 2), "{fault}");
        let body = answer.relay.collect().await.unwrap().to_bytes();
        assert!(!body.is_empty(), "{fault}");
    }
}

/// Whoever promised an answer and did not bring it has said under which name its support finds it.
#[tokio::test]
async fn a_reply_that_began_is_on_record_with_its_request_id_wherever_it_broke() {
    for (fault, stream) in [
        ("truncated", false),
        ("body_reset", false),
        ("undecodable", false),
        ("stream_empty", true),
        ("stream_empty=bare", true),
        ("stream_cut=0", true),
        ("stream_error", true),
        ("stall=0", true),
    ] {
        let bench = bench(policy()).await;
        let _ = bench.client.run(bench.call(&format!("{fault}*1"), stream)).await;
        let failed = bench.notes.failed.lock().unwrap();
        let found = failed.last().map(|attempt| (attempt.status, attempt.upstream_request_id.as_deref()));
        let Some((Some(200), Some(id))) = found else { panic!("{fault}: {failed:?}") };
        assert!(id.starts_with("req_"), "{fault}: {id}");
    }
}

#[tokio::test]
async fn silence_is_a_timeout_for_a_stream_and_the_deadline_for_the_rest() {
    let bench = bench(policy()).await;
    let Conclusion::Answer(answer) = bench.client.run(bench.call("first_content_timeout*1", true)).await else {
        panic!("not mended")
    };
    assert_eq!(found(&answer).1, 2);
    assert_eq!(bench.notes.taken_for(), [(Class::Ambiguous, Some(Fault::FirstContentTimeout))]);

    let mut call = bench.call("first_content_timeout", false);
    call.facts.patience.total = Some(Duration::from_millis(400));
    let Conclusion::Failure(failure) = bench.client.run(call).await else { panic!("answered") };
    assert_eq!((failure.reason, failure.fault), (Reason::Deadline, Some(Fault::Deadline)));
}

#[tokio::test]
async fn a_connection_that_died_unused_costs_nobody_anything() {
    let bench = bench(policy()).await;
    // The first request leaves a connection that ends with the second one's bytes.
    for _ in 0..2 {
        let Conclusion::Answer(_) = bench.client.run(bench.call("stale*1", false)).await else { panic!("failed") };
    }
    let taken_for = bench.notes.taken_for();
    assert!(
        taken_for.iter().all(|(class, _)| matches!(class, Class::StaleConnection | Class::NotSent)),
        "{taken_for:?}"
    );
}

/// Answers `rounds` requests, each on a connection of its own, which it ends when it is told to.
fn closes_when_told(rounds: usize) -> (u16, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ((tell, told), (done, is_done)) = (mpsc::channel(), mpsc::channel());
    std::thread::spawn(move || {
        for _ in 0..rounds {
            let (mut one, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"}") {
                let mut bytes = [0; 4096];
                let count = one.read(&mut bytes).unwrap();
                assert_ne!(count, 0, "it ends before the request does");
                asked.extend_from_slice(&bytes[..count]);
            }
            let body =
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
            one.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
            told.recv().unwrap();
            drop(one);
            done.send(()).unwrap();
        }
    });
    (port, tell, is_done)
}

#[tokio::test]
async fn a_kept_connection_that_ended_before_it_took_the_request_is_no_attempt() {
    const ROUNDS: usize = 20;
    let mut bench = bench(policy()).await;
    let (port, tell, is_done) = closes_when_told(ROUNDS);
    let settings = Upstream::at("closes", format!("http://127.0.0.1:{port}/v1").parse().unwrap());
    bench.client =
        Client::builder().upstream(settings).policy(policy()).observer(Arc::clone(&bench.notes) as _).build().unwrap();
    let mut at_once = 0;
    for _ in 0..ROUNDS {
        let Conclusion::Answer(answer) = bench.client.run(bench.plain_call(false)).await else { panic!("failed") };
        at_once += usize::from(found(&answer).1 == 1);
        // Nothing else runs until the upstream has closed. Then the system tells of it, and this task is the first to go on: the
        // next request is given to a connection that has ended and does not know it yet.
        tell.send(()).unwrap();
        is_done.recv().unwrap();
        tokio::task::yield_now().await;
    }
    // A system that is late with its news makes it a stale connection.
    let taken_for = bench.notes.taken_for();
    assert!(
        taken_for.iter().all(|taken_for| *taken_for == (Class::StaleConnection, Some(Fault::Stale))),
        "{taken_for:?}"
    );
    assert!(at_once > 1, "{at_once} of {ROUNDS} by one attempt: {taken_for:?}");
}

#[tokio::test]
async fn nobody_listening_is_never_sent() {
    let mut bench = bench(policy()).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Upstream::at("nobody", format!("http://127.0.0.1:{port}/v1").parse().unwrap());
    bench.client =
        Client::builder().upstream(settings).policy(policy()).observer(Arc::clone(&bench.notes) as _).build().unwrap();
    let Conclusion::Failure(failure) = bench.client.run(bench.call("ok", false)).await else { panic!("answered") };
    assert_eq!((failure.reason, failure.class), (Reason::Attempts, Some(Class::NotSent)));
    assert_eq!(bench.notes.taken_for(), [(Class::NotSent, Some(Fault::Refused)); 4]);
}

#[tokio::test]
async fn what_would_fail_again_is_passed_on_at_once() {
    let bench = bench(policy()).await;
    for (fault, class) in
        [("400", Class::CallerFault), ("401", Class::Auth), ("429-quota", Class::Quota), ("404", Class::CallerFault)]
    {
        let Conclusion::Failure(failure) = bench.client.run(bench.call(fault, false)).await else { panic!("answered") };
        assert_eq!((failure.attempts, failure.class, failure.reason), (1, Some(class), Reason::Class), "{fault}");
        let (head, body) = failure.reply.as_ref().expect("the upstream's own words");
        assert!(head.status.is_client_error() && body.starts_with(b"{"), "{fault}");
    }
}

#[tokio::test]
async fn an_ambiguous_failure_is_retried_once_and_never_more() {
    let bench = bench(policy()).await;
    let Conclusion::Failure(failure) = bench.client.run(bench.call("504", false)).await else { panic!("answered") };
    assert_eq!((failure.attempts, failure.reason, failure.outcome), (2, Reason::AmbiguousMax, Outcome::Ambiguous));
}

#[tokio::test]
async fn a_stream_that_breaks_after_its_first_word_is_not_made_again() {
    let bench = bench(policy()).await;
    let Conclusion::Answer(answer) = bench.client.run(bench.call("stream_cut=3", true)).await else { panic!("failed") };
    assert_eq!(answer.head.status, StatusCode::OK);
    let broken = answer.relay.collect().await.expect_err("it was cut");
    let Interrupted::Broken(broken) = broken else { panic!("{broken}") };
    assert_eq!(broken.fault, Fault::StreamCut);
    assert_eq!(bench.notes.taken_for(), [(Class::MidStream, Some(Fault::StreamCut))]);
    assert_eq!(bench.chaos.stats().attempts, 1);
}

#[tokio::test]
async fn a_caller_who_leaves_stops_the_attempt_and_spends_no_more() {
    let bench = bench(policy()).await;
    let running = tokio::spawn({
        let (client, mut call) = (bench.client.clone(), bench.call("first_content_timeout", false));
        call.facts.patience.total = Some(Duration::from_secs(60));
        async move { matches!(client.run(call).await, Conclusion::Answer(_)) }
    });
    bench.chaos.until(|stats| stats.in_flight == 1).await;
    running.abort();
    let stats = bench.chaos.until(|stats| stats.cancelled == 1).await;
    assert_eq!(stats.attempts, 1);
    assert_eq!(*bench.notes.left.lock().unwrap(), [1]);
}

#[tokio::test]
async fn every_attempt_has_an_id_of_its_own_unless_the_caller_gave_one() {
    let bench = bench(policy()).await;
    let call = bench.call("500*2", false);
    let id = call.labels.id.clone();
    let Conclusion::Answer(_) = bench.client.run(call).await else { panic!("failed") };
    let sent: Vec<Option<String>> =
        bench.notes.failed.lock().unwrap().iter().map(|a| a.client_request_id.clone()).collect();
    assert_eq!(sent, [Some(format!("{id}-1")), Some(format!("{id}-2"))]);

    let mut call = bench.call("500*1", false);
    call.headers.insert("x-client-request-id", HeaderValue::from_static("mine"));
    let Conclusion::Answer(_) = bench.client.run(call).await else { panic!("failed") };
    assert_eq!(bench.notes.failed.lock().unwrap().last().unwrap().client_request_id.as_deref(), Some("mine"));
}

#[tokio::test]
async fn what_the_request_said_itself_is_not_written_down() {
    let bench = bench(policy()).await;
    let Conclusion::Answer(_) = bench.client.run(bench.call("echo*1", false)).await else { panic!("failed") };
    let failed = bench.notes.failed.lock().unwrap();
    let message = failed[0].message.as_deref().unwrap_or_default();
    assert!(!message.contains("hello there, whoever you are"), "{message}");
}
