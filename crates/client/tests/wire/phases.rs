//! The moments of an attempt, by real sockets: what it came to has one, what it did not come to has none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt;
use seawall::proxy::{Conclusion, Payload};
use seawall::{Client, Upstream};
use seawall_core::event::{Attempt, Connection, Phases, Reason};
use seawall_core::plan::policy::{FirstContent, OnBreak};
use seawall_core::verdict::{Class, Fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::bench::{Bench, Notes, bench, policy};

/// What must hold of every attempt, whatever it came to.
#[track_caller]
fn hold(attempt: &Attempt) {
    let Phases { connection, connected, secured, sent, first_byte } = attempt.phases;
    let order = [connected, secured, sent, first_byte, attempt.first_content, Some(attempt.elapsed)];
    let present: Vec<Duration> = order.into_iter().flatten().collect();
    assert!(present.is_sorted(), "{attempt:?}");
    assert_eq!(connection == Some(Connection::New), connected.is_some(), "only a new connection is made: {attempt:?}");
    assert_eq!(attempt.status.is_some(), first_byte.is_some(), "the head has the status: {attempt:?}");
    assert!(sent.is_none() || connection.is_some(), "{attempt:?}");
}

/// Which of them an attempt came to.
fn came_to(attempt: &Attempt) -> (Option<Connection>, [bool; 4]) {
    let Phases { connection, connected, secured, sent, first_byte } = attempt.phases;
    (connection, [connected, secured, sent, first_byte].map(|at| at.is_some()))
}

const NEW: Option<Connection> = Some(Connection::New);
const REUSED: Option<Connection> = Some(Connection::Reused);

fn failed(notes: &Notes) -> Vec<Attempt> {
    let failed = std::mem::take(&mut *notes.failed.lock().unwrap());
    failed.iter().for_each(hold);
    failed
}

/// A client of one upstream at `base`, which nothing is told of but what `notes` hear.
fn client_of(base: &str, roots_pem: Option<Vec<u8>>) -> (Client, Arc<Notes>) {
    let mut settings = Upstream::at("u", base.parse().unwrap());
    settings.roots_pem = roots_pem;
    let notes = Arc::new(Notes::default());
    let builder = Client::builder().upstream(settings).policy(policy()).observer(Arc::clone(&notes) as _);
    (builder.build().unwrap(), notes)
}

/// Makes one attempt with `client`, which fails.
async fn fail_once(client: &Client, bench: &Bench, body: Option<Bytes>) {
    let mut call = bench.call("ok", false);
    if let Some(body) = body {
        call.payload = Payload::Kept(body);
    }
    call.max_retries = Some(0);
    let Conclusion::Failure(_) = client.run(call).await else { panic!("answered") };
}

#[tokio::test]
async fn every_fault_leaves_its_moments_in_order() {
    for (fault, stream, sent_and_head) in [
        ("500", false, [true, true]),
        ("html-502", false, [true, true]),
        ("reset", false, [true, false]),
        ("garbage", false, [true, false]),
        ("truncated", false, [true, true]),
        ("undecodable", false, [true, true]),
        ("error_in_200", false, [true, true]),
        ("stream_error", true, [true, true]),
        ("stream_empty", true, [true, true]),
        ("first_content_timeout", true, [true, false]),
    ] {
        let bench = bench(policy()).await;
        let mut call = bench.call(fault, stream);
        call.headers.insert("x-chaos-latency", HeaderValue::from_static("30ms"));
        let Conclusion::Failure(_) = bench.client.run(call).await else { panic!("{fault} was answered") };
        let failed = failed(&bench.notes);
        let [sent, head] = sent_and_head;
        assert_eq!(came_to(&failed[0]), (NEW, [true, false, sent, head]), "{fault}");
        for attempt in failed {
            let Phases { sent, first_byte, .. } = attempt.phases;
            if let (Some(sent), Some(first_byte)) = (sent, first_byte) {
                assert!(first_byte - sent >= Duration::from_millis(29), "the wait lies between: {fault} {attempt:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_connection_taken_from_the_pool_was_not_made() {
    let bench = bench(policy()).await;
    let Conclusion::Answer(_) = bench.client.run(bench.call("500*3", false)).await else { panic!("failed") };
    let came_to: Vec<_> = failed(&bench.notes).iter().map(came_to).collect();
    assert_eq!(came_to[0], (NEW, [true, false, true, true]));
    assert_eq!(came_to[1..], [(REUSED, [false, false, true, true]), (REUSED, [false, false, true, true])]);
}

#[tokio::test]
async fn a_stale_connection_was_reused_and_nothing_came_back() {
    let bench = bench(policy()).await;
    for _ in 0..2 {
        let Conclusion::Answer(_) = bench.client.run(bench.call("stale*1", false)).await else { panic!("failed") };
    }
    for attempt in failed(&bench.notes).iter().filter(|attempt| attempt.class == Class::StaleConnection) {
        assert_eq!(came_to(attempt), (REUSED, [false, false, true, false]));
    }
}

#[tokio::test]
async fn who_is_refused_came_to_nothing() {
    let bench = bench(policy()).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (client, notes) = client_of(&format!("http://127.0.0.1:{port}/v1"), None);
    fail_once(&client, &bench, None).await;
    let [attempt] = &failed(&notes)[..] else { panic!("one attempt") };
    assert_eq!((attempt.fault, attempt.phases), (Some(Fault::Refused), Phases::default()));
}

#[tokio::test]
async fn without_tls_at_the_other_end_it_is_connected_and_not_secured() {
    let bench = bench(policy()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}/v1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1024]).await;
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    });
    let (certificate, _) = certificate();
    let (client, notes) = client_of(&base, Some(certificate));
    fail_once(&client, &bench, None).await;
    server.await.unwrap();
    let [attempt] = &failed(&notes)[..] else { panic!("one attempt") };
    assert_eq!((attempt.fault, came_to(attempt)), (Some(Fault::Tls), (NEW, [true, false, false, false])));
}

#[tokio::test]
async fn with_tls_the_moment_it_was_agreed_on_lies_between() {
    let bench = bench(policy()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}/v1", listener.local_addr().unwrap());
    let (certificate, acceptor) = certificate();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = acceptor.accept(socket).await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"}]}") {
            heard.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(b"HTTP/1.1 500 Oh No\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        socket.shutdown().await.unwrap();
    });
    let (client, notes) = client_of(&base, Some(certificate));
    fail_once(&client, &bench, None).await;
    server.await.unwrap();
    let [attempt] = &failed(&notes)[..] else { panic!("one attempt") };
    assert_eq!((attempt.status, came_to(attempt)), (Some(500), (NEW, [true, true, true, true])));
}

/// A certificate for 127.0.0.1 as PEM, and who has its key.
fn certificate() -> (Vec<u8>, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem().into_bytes(), TlsAcceptor::from(Arc::new(config)))
}

/// It has read the head, and a body that no socket's buffer holds is still on its way.
#[tokio::test]
async fn an_upstream_may_answer_before_all_is_sent() {
    let bench = bench(policy()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let (hung_up, told) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1024]).await.unwrap();
        socket.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await.unwrap();
        let _ = told.await;
    });
    let (client, notes) = client_of(&base, None);
    fail_once(&client, &bench, Some(Bytes::from(vec![b' '; 64 << 20]))).await;
    drop(hung_up);
    server.await.unwrap();
    let [attempt] = &failed(&notes)[..] else { panic!("one attempt") };
    assert_eq!((attempt.status, came_to(attempt)), (Some(503), (NEW, [true, false, false, true])));
}

#[tokio::test]
async fn a_body_that_flows_through_is_sent_with_its_last_piece() {
    let bench = bench(policy()).await;
    for length_is_known in [true, false] {
        let mut call = bench.call("500", false);
        let body = call.payload;
        let Payload::Kept(bytes) = body else { panic!("a kept one") };
        if !length_is_known {
            call.headers.insert(HeaderName::from_static("transfer-encoding"), HeaderValue::from_static("chunked"));
        }
        let pieces = Pieces { left: bytes, length_is_known, late: Box::pin(tokio::time::sleep(LATE)) };
        call.payload = Payload::Flow(Box::pin(pieces));
        call.replay = Err(Reason::BodyTooLarge);
        let Conclusion::Failure(_) = bench.client.run(call).await else { panic!("answered") };
        let [attempt] = &failed(&bench.notes)[..] else { panic!("one attempt") };
        let Phases { sent, first_byte, .. } = attempt.phases;
        assert!(sent.is_some() && first_byte.is_some(), "{attempt:?}");
        assert!(sent >= Some(LATE - Duration::from_millis(5)), "the pieces came late: {attempt:?}");
    }
}

/// After how long the first piece of a body comes.
const LATE: Duration = Duration::from_millis(40);

/// A body in pieces of 16 bytes, all of them late.
struct Pieces {
    left: Bytes,
    length_is_known: bool,
    late: std::pin::Pin<Box<tokio::time::Sleep>>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = seawall::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, seawall::BodyError>>> {
        if !self.late.is_elapsed() {
            std::task::ready!(self.late.as_mut().poll(cx));
        }
        let next = self.left.len().min(16);
        std::task::Poll::Ready((next > 0).then(|| Ok(http_body::Frame::data(self.left.split_to(next)))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        if self.length_is_known {
            http_body::SizeHint::with_exact(self.left.len() as u64)
        } else {
            http_body::SizeHint::default()
        }
    }
}

#[tokio::test]
async fn who_is_broken_off_beside_a_hedge_says_how_far_it_came() {
    let mut policy = policy();
    policy.hedge.enabled = true;
    policy.hedge.after_min = Duration::from_millis(20);
    policy.timeout.first_content = FirstContent::Fixed(Duration::from_secs(20));
    let bench = bench(policy).await;
    for _ in 0..seawall_core::plan::shapes::SAMPLES_MIN {
        let Conclusion::Answer(answer) = bench.client.run(bench.call("ok", true)).await else { panic!("failed") };
        answer.relay.collect().await.unwrap();
    }
    let mut call = bench.call("first_content_timeout*1", true);
    call.headers.insert("x-chaos-key", HeaderValue::from_static("hangs"));
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    answer.relay.collect().await.unwrap();
    let [loser] = &failed(&bench.notes)[..] else { panic!("one attempt") };
    assert_eq!((loser.class, came_to(loser)), (Class::Cancelled, (REUSED, [false, false, true, false])));
}

#[tokio::test]
async fn each_time_a_stream_is_taken_up_is_an_attempt_with_moments_of_its_own() {
    let mut policy = policy();
    policy.streams.on_break = OnBreak::Resume;
    let bench = bench(policy).await;
    let event = |number: u32, kind: &str, rest: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{number}{rest}}}\n\n")
    };
    let created =
        event(0, "response.created", r#","response":{"id":"resp_1","object":"response","status":"in_progress"}"#);
    let delta = event(1, "response.output_text.delta", r#","delta":"Once""#);
    let head = serde_json::json!({"content-type": "text/event-stream"});
    let cut = serde_json::json!({"headers": head, "parts": [created + &delta, {"sleep_ms": 60}, {"reset": true}]});
    let gone = serde_json::json!({"status": 404, "body": {"error": {"message": "no such response"}}});
    bench.chaos.script(&serde_json::json!({ "steps": [cut, gone, gone, gone] }).to_string()).unwrap();
    let body = Bytes::from_static(br#"{"model":"m","stream":true,"background":true,"store":true,"input":"hello"}"#);
    let mut call = bench.plain_call(true);
    call.target = http::uri::PathAndQuery::from_static("/v1/responses");
    call.facts = seawall_core::request::Request::of(
        &http::Method::POST,
        "/v1/responses",
        &call.headers,
        Some(&body),
        body.len() as u64,
    );
    call.payload = Payload::Kept(body);
    let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("failed") };
    assert!(answer.relay.collect().await.is_err());
    let [first, again] = &failed(&bench.notes)[..] else { panic!("two attempts") };
    assert_eq!((first.status, came_to(first)), (Some(200), (NEW, [true, false, true, true])));
    assert!(first.elapsed >= Duration::from_millis(59) && first.first_content.is_some(), "{first:?}");
    assert_eq!((again.number, again.status, again.first_content), (2, Some(404), None));
    // The first was reset, so that a connection is made anew; the last time is told by the attempt's beginning.
    assert!(again.phases.first_byte >= Some(Duration::from_millis(749)), "after both waits: {again:?}");
    assert_eq!(again.phases.connection, REUSED, "left over from the time before");
}
