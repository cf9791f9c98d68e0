//! The WebSocket upstream: a handshake, a greeting, every message sent back, and its faults.

use seawall_chaos::{MESSAGE_BYTES_MAX, Settings};

use crate::client::{Client, chaos, until, with_fault};

fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

/// A frame of a client, masked with zeros.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0][..], payload].concat()
}

#[tokio::test]
async fn it_greets_and_sends_every_message_back() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    client.send(handshake("/v1/realtime?model=gpt-realtime", "sec-websocket-protocol: x, realtime\r\n")).await;
    let head = String::from_utf8(client.up_to(b"\r\n\r\n").await).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert!(head.contains("sec-websocket-protocol: realtime\r\n"), "{head}");
    let greeting = client.up_to(b"\"type\":\"session.created\"}").await;
    assert!(String::from_utf8_lossy(&greeting).contains("session.created"));
    client.send(masked(0x81, b"hello")).await;
    assert_eq!(client.up_to(b"hello").await, [&[0x81, 5][..], b"hello"].concat());
    client.send(masked(0x89, b"?")).await;
    assert_eq!(client.up_to(b"?").await, [0x8a, 1, b'?']);
    client.send(masked(0x88, &[0x03, 0xe8, b'x'])).await;
    assert_eq!(client.up_to(&[0x03, 0xe8]).await, [0x88, 2, 0x03, 0xe8]);
    assert_eq!(client.rest().await, (String::new(), None));
    let stats = until(&chaos, |stats| stats.in_flight == 0).await;
    assert_eq!((stats.attempts, stats.ok, stats.cancelled), (1, 1, 0));
    assert_eq!(stats.by_model["gpt-realtime"].attempts, 1);
}

#[tokio::test]
async fn a_fault_before_the_first_byte_befalls_the_handshake() {
    let chaos = with_fault("503").await;
    let mut client = Client::to(&chaos).await;
    assert_eq!(client.ask(handshake("/v1/realtime", "")).await.status, 503);
    assert_eq!(client.ask(handshake("/v1/realtime", "x-chaos: 401\r\n")).await.status, 401);
}

#[tokio::test]
async fn a_fault_of_a_body_breaks_the_conversation_off() {
    for (fault, left, is_clean) in
        [("body_reset=1", "", false), ("truncated=1", "", true), ("stream_cut=1", "\u{fffd}\u{1d}a message tha", true)]
    {
        let chaos = with_fault(fault).await;
        let mut client = Client::to(&chaos).await;
        client.send(handshake("/v1/responses", "")).await;
        client.up_to(b"\r\n\r\n").await;
        client.send(masked(0x81, b"one")).await;
        client.up_to(b"one").await;
        let (text, end) = client.rest().await;
        assert_eq!((text.as_str(), end.is_none()), (left, is_clean), "{fault}");
    }
}

#[tokio::test]
async fn a_stalled_conversation_stays_open_and_notices_that_its_caller_leaves() {
    let chaos = with_fault("stall").await;
    let mut client = Client::to(&chaos).await;
    client.send(handshake("/v1/responses", "")).await;
    client.up_to(b"\r\n\r\n").await;
    client.send(masked(0x81, b"one")).await;
    assert_eq!(client.before_silence().await, "");
    drop(client);
    until(&chaos, |stats| stats.cancelled == 1).await;
}

#[tokio::test]
async fn a_message_that_is_too_long_or_not_masked_ends_it_with_a_code() {
    let too_long = [&[0x82, 0xff][..], &(MESSAGE_BYTES_MAX as u64 + 1).to_be_bytes(), &[0; 4]].concat();
    for (frame, code) in [(too_long, 1009_u16), (vec![0x81, 1, b'x'], 1002)] {
        let chaos = chaos(Settings::default()).await;
        let mut client = Client::to(&chaos).await;
        client.send(handshake("/v1/responses", "")).await;
        client.up_to(b"\r\n\r\n").await;
        client.send(frame).await;
        let [high, low] = code.to_be_bytes();
        assert_eq!(client.up_to(&[high, low]).await, [0x88, 2, high, low]);
    }
}

#[tokio::test]
async fn another_path_has_no_websocket() {
    let chaos = chaos(Settings::default()).await;
    assert_eq!(Client::to(&chaos).await.ask(handshake("/v1/other", "")).await.status, 404);
}
