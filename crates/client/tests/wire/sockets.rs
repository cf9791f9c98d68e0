//! WebSockets: a handshake is made again like any request, and what follows it never.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use seawall::proxy::{Call, Conclusion, HANDSHAKE_WITHIN, Payload, Tunnel};
use seawall_core::event::Outcome;
use seawall_core::request::Request;
use seawall_core::verdict::{Class, Fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, bench, policy};

/// "hi", masked with zeros, and as a server sends it back.
const HI: ([u8; 8], [u8; 4]) = ([0x81, 0x82, 0, 0, 0, 0, b'h', b'i'], [0x81, 0x02, b'h', b'i']);

/// A handshake whose upgrade was noticed, as a gateway notices it, and taken out of its headers.
fn handshake(bench: &Bench, path: &'static str, chaos: &str) -> Call {
    let asking =
        [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
    let mut headers: HeaderMap =
        asking.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
    let target = PathAndQuery::from_static(path);
    let facts = Request::of(&Method::GET, target.path(), &headers, Some(&[]), 0).with_query(target.query());
    assert!(facts.websocket);
    seawall::proxy::strip(&mut headers, |_| false);
    headers.insert("x-chaos", HeaderValue::from_str(chaos).unwrap());
    Call { facts, target, headers, payload: Payload::Kept(Bytes::new()), ..bench.call(chaos, false) }
}

async fn joined(bench: &Bench, path: &'static str, chaos: &str) -> (Box<Tunnel>, Outcome) {
    let Conclusion::Answer(answer) = bench.client.run(handshake(bench, path, chaos)).await else { panic!("failed") };
    assert_eq!(answer.head.status, StatusCode::SWITCHING_PROTOCOLS);
    let outcome = answer.found.expect("an answer that was not held").outcome;
    (answer.tunnel.expect("a WebSocket"), outcome)
}

async fn echo(tunnel: &mut Tunnel) {
    tunnel.write_all(&HI.0).await.unwrap();
    let mut back = [0; 4];
    tunnel.read_exact(&mut back).await.unwrap();
    assert_eq!(back, HI.1);
}

#[tokio::test]
async fn a_handshake_that_fails_is_made_again() {
    for (fault, class) in
        [("503*1", Class::Overloaded), ("reset*1", Class::Ambiguous), ("html-502*1", Class::BadGateway)]
    {
        let bench = bench(policy()).await;
        let (mut tunnel, outcome) = joined(&bench, "/v1/responses", fault).await;
        assert_eq!(outcome, Outcome::Retried, "{fault}");
        assert_eq!(bench.notes.taken_for().iter().map(|(class, _)| *class).collect::<Vec<_>>(), [class]);
        echo(&mut tunnel).await;
        tunnel.closed();
    }
}

#[tokio::test]
async fn the_greeting_right_behind_the_101_is_not_lost() {
    let bench = bench(policy()).await;
    let (mut tunnel, outcome) = joined(&bench, "/v1/realtime?model=gpt-realtime", "ok").await;
    assert_eq!(outcome, Outcome::Passed);
    let mut greeting = vec![0; 4];
    tunnel.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting[..2], [0x81, 126]);
    greeting.resize(usize::from(u16::from_be_bytes([greeting[2], greeting[3]])), 0);
    tunnel.read_exact(&mut greeting).await.unwrap();
    assert!(String::from_utf8_lossy(&greeting).contains(r#""model":"gpt-realtime""#));
    echo(&mut tunnel).await;
    assert_eq!(bench.chaos.stats().by_model["gpt-realtime"].attempts, 1);
}

#[tokio::test]
async fn a_conversation_that_breaks_off_is_told_once_and_not_made_again() {
    let bench = bench(policy()).await;
    let (mut tunnel, _) = joined(&bench, "/v1/responses", "truncated=1").await;
    echo(&mut tunnel).await;
    assert_eq!(tunnel.read(&mut [0]).await.unwrap(), 0);
    tunnel.passed(4);
    tunnel.broke(Fault::Truncated, "the connection ended".into());
    drop(tunnel);
    let failed = bench.notes.failed.lock().unwrap();
    let [attempt] = &failed[..] else { panic!("{} rows", failed.len()) };
    assert_eq!((attempt.class, attempt.fault, attempt.status), (Class::MidStream, Some(Fault::Truncated), Some(101)));
    assert_eq!((attempt.bytes_in, attempt.bytes_out), (4, 4));
    assert!(attempt.upstream_request_id.is_some() && attempt.client_request_id.is_some());
    let phases = &attempt.phases;
    assert!(phases.connected <= phases.sent && phases.sent <= phases.first_byte, "{phases:?}");
    assert!(phases.connected.is_some() && phases.first_byte <= attempt.first_content, "{attempt:?}");
    assert_eq!(bench.chaos.stats().attempts, 1);
}

#[tokio::test]
async fn a_tunnel_that_is_dropped_closes_the_upstreams_connection() {
    let bench = bench(policy()).await;
    let (tunnel, _) = joined(&bench, "/v1/responses", "ok").await;
    bench.chaos.until(|stats| stats.in_flight == 1).await;
    drop(tunnel);
    let stats = bench.chaos.until(|stats| stats.cancelled == 1).await;
    assert_eq!((stats.attempts, stats.in_flight), (1, 0));
    assert!(bench.notes.taken_for().is_empty());
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_garbage() {
    let bench = bench(policy()).await;
    bench.chaos.script(r#"{"steps":[{"status":101,"nobody":true,"headers":{"upgrade":"websocket"}}]}"#).unwrap();
    let mut call = bench.call("ok", false);
    call.headers.remove("x-chaos");
    let Conclusion::Failure(failure) = bench.client.run(call).await else { panic!("answered") };
    assert_eq!((failure.fault, failure.attempts), (Some(Fault::Garbage), 2));
    assert!(failure.reply.is_none());
}

#[tokio::test]
async fn a_handshake_without_an_answer_is_given_up_after_its_limit() {
    let bench = bench(policy()).await;
    let mut call = handshake(&bench, "/v1/responses", "first_content_timeout");
    call.max_retries = Some(0);
    let running = bench.client.run(call);
    tokio::pin!(running);
    tokio::select! {
        _ = &mut running => panic!("it ended at once"),
        _ = bench.chaos.until(|stats| stats.in_flight == 1) => {}
    }
    tokio::time::pause();
    let from = tokio::time::Instant::now();
    let Conclusion::Failure(failure) = running.await else { panic!("answered") };
    let took = from.elapsed();
    assert_eq!(failure.fault, Some(Fault::FirstContentTimeout));
    assert!(took.abs_diff(HANDSHAKE_WITHIN) < Duration::from_secs(1), "{took:?}");
}
