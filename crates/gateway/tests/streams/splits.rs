//! However an upstream's bytes are cut into chunks, the caller gets the same bytes, event by event.

use seawall_chaos::{Server, Settings};
use serde_json::{Value, json};

use crate::program::Gateway;
use crate::recorded::{Recorded, spelled};
use crate::wire::ask;

/// One byte at a time, odd sizes, and all at once.
const SIZES: [usize; 8] = [1, 2, 3, 5, 7, 13, 61, 1 << 16];

#[test]
fn a_stream_in_pieces_of_any_size_arrives_byte_for_byte_and_event_by_event() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let chaos = Server::start(Settings::default()).await.unwrap();
        let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
        for (stream, size) in Recorded::all().iter().flat_map(|stream| SIZES.map(|size| (stream, size))) {
            let parts: Vec<Value> = stream.bytes.chunks(size).map(|piece| spelled(piece).into()).collect();
            let headers = json!({"content-type": "text/event-stream"});
            chaos.script(&json!({"steps": [{"headers": headers, "parts": parts}]}).to_string()).unwrap();
            let got = ask(gateway.address, &stream.request("m")).await.unwrap();
            let what = format!("{} in pieces of {size}", stream.name);
            assert!(got.is_ended && got.body() == stream.bytes, "{what}: {:?}", String::from_utf8_lossy(&got.body()));
            let mut at = 0;
            for chunk in &got.chunks {
                at += chunk.len();
                // Behind an event, or behind comments and empty lines that follow it.
                let mut lines = stream.bytes[stream.whole(at)..at].split(|byte| matches!(byte, b'\r' | b'\n'));
                let is_whole = lines.all(|line| line.is_empty() || line.starts_with(b":"));
                assert!(is_whole, "{what}: a chunk ends in the middle of an event, at {at}");
            }
        }
    });
}

#[test]
fn what_is_no_stream_of_events_passes_as_it_comes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let chaos = Server::start(Settings::default()).await.unwrap();
        let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
        let parts = [json!("data: half"), json!({"sleep_ms": 50}), json!(" an event")];
        let headers = json!({"content-type": "audio/mpeg"});
        chaos.script(&json!({"steps": [{"headers": headers, "parts": parts}]}).to_string()).unwrap();
        let got = ask(gateway.address, &Recorded::named("speech").request("m")).await.unwrap();
        assert_eq!(got.chunks, [b"data: half".to_vec(), b" an event".to_vec()]);
    });
}
