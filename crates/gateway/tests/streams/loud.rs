//! A stream that breaks after its first word ends so that every reader learns it: the error event
//! arrives whole, no last chunk follows, and the connection ends with a FIN.

use std::io::{Read, Write};
use std::time::Duration;

use seawall_chaos::{Running, Server, Settings};
use serde_json::json;
use tokio::time::timeout;

use crate::program::Gateway;
use crate::recorded::{Recorded, events};
use crate::wire::ask;

/// Runs of each scenario.
const RUNS: usize = 50;
/// What has not been sent by then waits for its reader.
const STUCK: Duration = Duration::from_millis(100);

fn request(chaos: &str) -> Vec<u8> {
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         x-chaos: {chaos}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// What a broken stream must look like; `bytes` is all that came of it.
fn assert_loud(bytes: &[u8], what: &str) {
    let text = String::from_utf8_lossy(bytes);
    let event = text.find("seawall_stream_interrupted").unwrap_or_else(|| panic!("{what}: no event in {text}"));
    let rest = &text[event..];
    assert!(rest.contains("}}\n\n\r\n"), "{what}: the event was cut: {rest}");
    assert!(!text.ends_with("0\r\n\r\n"), "{what}: it looks like an end");
    assert!(!rest.contains("[DONE]"), "{what}: it claims to be complete");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn chaos(runtime: &tokio::runtime::Runtime) -> Running {
    runtime.block_on(Server::start(Settings::default())).unwrap()
}

#[test]
fn the_event_arrives_and_the_end_is_no_end() {
    let runtime = runtime();
    let chaos = chaos(&runtime);
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    for fault in ["stream_cut=3", "truncated=3", "body_reset=3"] {
        for _ in 0..RUNS {
            let mut socket = gateway.connect();
            socket.write_all(&request(fault)).unwrap();
            let mut bytes = Vec::new();
            // A reset here would be an error, and could have destroyed the event.
            socket.read_to_end(&mut bytes).unwrap();
            assert_loud(&bytes, fault);
        }
    }
}

#[test]
fn unread_input_does_not_turn_the_end_into_a_reset() {
    let runtime = runtime();
    let chaos = chaos(&runtime);
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    for _ in 0..RUNS {
        let mut socket = gateway.connect();
        let mut pipelined = request("stream_cut=3");
        for _ in 0..8 {
            pipelined.extend(request("ok"));
        }
        socket.write_all(&pipelined).unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        assert_loud(&bytes, "pipelined");
    }
}

#[test]
fn a_slow_reader_with_a_small_window_gets_the_event_too() {
    let runtime = runtime();
    let chaos = runtime.block_on(Server::start(Settings { chunks: 400, ..Settings::default() })).unwrap();
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    for _ in 0..5 {
        let mut socket = gateway.connect_narrow();
        socket.write_all(&request("stream_cut=300")).unwrap();
        let (mut bytes, mut piece) = (Vec::new(), [0; 512]);
        loop {
            match socket.read(&mut piece).unwrap() {
                0 => break,
                n => bytes.extend_from_slice(&piece[..n]),
            }
        }
        assert_loud(&bytes, "slow");
    }
}

#[test]
fn a_slow_reader_gets_the_upstreams_own_error_too() {
    let runtime = runtime();
    let chaos = chaos(&runtime);
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    let text = "x".repeat(16 * 1024);
    let content = json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    let content = json!(format!("data: {content}\n\n"));
    let error = json!("data: {\"error\":{\"message\":\"out of breath\",\"type\":\"server_error\"}}\n\n");
    let headers = json!({"content-type": "text/event-stream"});
    let ask = Recorded::named("chat_tools").request("m");
    // The error must wait in the gateway, behind what the sockets in between do not take; how much
    // they take is the system's secret, so all of it is tried, up to what they take at most.
    for (run, parts) in (1..).zip((12..120).step_by(12)) {
        let mut parts = vec![content.clone(); parts];
        parts.push(error.clone());
        chaos.script(&json!({"steps": [{"headers": headers, "parts": parts}]}).to_string()).unwrap();
        let mut socket = gateway.connect_narrow();
        socket.write_all(&ask).unwrap();
        // Nothing is read until the upstream has sent its last, or cannot.
        let sent = async { timeout(STUCK, chaos.until(|stats| stats.attempts == run && stats.in_flight == 0)).await };
        let _ = runtime.block_on(sent);
        let (mut bytes, mut piece) = (Vec::new(), [0; 2048]);
        loop {
            match socket.read(&mut piece).unwrap() {
                0 => break,
                n => bytes.extend_from_slice(&piece[..n]),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let end = &text[text.len().saturating_sub(300)..];
        assert!(end.contains("out of breath") && !end.ends_with("0\r\n\r\n"), "{} bytes: {end}", bytes.len());
    }
}

#[test]
fn half_an_event_too_large_to_keep_does_not_swallow_the_error() {
    let runtime = runtime();
    let chaos = chaos(&runtime);
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    let image = "A".repeat(100 * 1024);
    let first = "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\"}\n\n";
    let half = format!("event: image_generation.completed\ndata: {{\"b64_json\":\"{image}");
    let headers = json!({"content-type": "text/event-stream"});
    chaos.script(&json!({"steps": [{"headers": headers, "parts": [first, half]}]}).to_string()).unwrap();
    let got = runtime.block_on(ask(gateway.address, &Recorded::named("images").request("m"))).unwrap();
    let body = got.body();
    assert!(!got.is_ended && body.starts_with(format!("{first}{half}\n\n").as_bytes()));
    let told = events(&body).pop().unwrap().1;
    assert!(told.starts_with("{\"error\":{") && told.contains("seawall_stream_interrupted"), "{told}");
}

#[test]
fn a_complete_stream_ends_as_the_upstream_ended_it() {
    let runtime = runtime();
    let chaos = chaos(&runtime);
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    let mut socket = gateway.connect();
    let mut close = request("ok");
    let at = close.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    close.splice(at..at, *b"connection: close\r\n");
    socket.write_all(&close).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("data: [DONE]\n\n") && text.ends_with("0\r\n\r\n"), "{text}");
}
