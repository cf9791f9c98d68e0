//! Steering by header and by the endpoints under `/chaos`, and what they count.

use std::time::Duration;

use seawall_chaos::{Settings, Stats};

use crate::client::{CHAT, Client, STREAM, chaos, post, until, with_fault};

const PATH: &str = "/v1/chat/completions";

async fn statuses(client: &mut Client, headers: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(client.ask(post(PATH, headers, CHAT)).await.status);
    }
    statuses
}

#[tokio::test]
async fn a_header_decides_about_its_own_request() {
    let chaos = with_fault("503").await;
    let mut client = Client::to(&chaos).await;
    assert_eq!(statuses(&mut client, "x-chaos: 418\r\n", 1).await, [418]);
    assert_eq!(statuses(&mut client, "x-chaos: ok\r\n", 1).await, [200]);
    assert_eq!(statuses(&mut client, "", 1).await, [503]);
    chaos.set(Settings { allow_headers: false, ..chaos.settings() }).unwrap();
    assert_eq!(statuses(&mut client, "x-chaos: ok\r\n", 1).await, [503]);
}

#[tokio::test]
async fn a_header_can_fail_the_first_attempts_of_a_key() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    assert_eq!(statuses(&mut client, "x-chaos: 500*2\r\nx-chaos-key: a\r\n", 3).await, [500, 500, 200]);
    assert_eq!(statuses(&mut client, "x-chaos: 500*2\r\nx-chaos-key: b\r\n", 1).await, [500]);
    assert_eq!(statuses(&mut client, "x-chaos: 502*1\r\n", 2).await, [502, 200], "the body is the key");
    let other = client.ask(post(PATH, "x-chaos: 502*1\r\n", STREAM)).await;
    assert_eq!(other.status, 502);
    chaos.reset();
    assert_eq!(statuses(&mut client, "x-chaos: 500*2\r\nx-chaos-key: a\r\n", 3).await, [500, 500, 200]);
}

#[tokio::test]
async fn a_header_that_cannot_be_obeyed_is_answered_with_the_reason() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    for (header, said) in [
        ("x-chaos: garbadge\r\n", "did you mean \\\"garbage\\\""),
        ("x-chaos: tls\r\n", "cannot be brought about"),
        ("x-chaos: refused\r\n", "already accepted"),
        ("x-chaos: 500*x\r\n", "not a number of attempts"),
        ("x-chaos-latency: soon\r\n", "not a duration"),
    ] {
        let reply = client.ask(post(PATH, header, CHAT)).await;
        assert_eq!(reply.status, 400, "{header}");
        assert!(reply.text().contains(said), "{}", reply.text());
    }
}

#[tokio::test]
async fn latency_comes_from_the_header_or_the_settings() {
    let chaos = chaos(Settings { latency: "60ms".parse().unwrap(), ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    for (header, least) in [("", 60), ("x-chaos-latency: 120ms\r\n", 120)] {
        let started = tokio::time::Instant::now();
        assert_eq!(client.ask(post(PATH, header, CHAT)).await.status, 200);
        assert!(started.elapsed() >= Duration::from_millis(least));
    }
}

#[tokio::test]
async fn stats_say_what_came_and_what_was_done() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    let headers =
        "authorization: Bearer canary\r\nvia: 1.1 x\r\naccept-encoding: gzip\r\nx-stainless-retry-count: 1\r\n";
    let first = client.ask(post(PATH, &format!("{headers}x-client-request-id: c1\r\n"), CHAT)).await;
    client.ask(post(PATH, "x-chaos: html-502\r\nx-client-request-id: c1\r\n", STREAM)).await;
    let reply = client.ask("GET /chaos/stats HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let stats: Stats = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((stats.attempts, stats.ok, stats.in_flight, stats.client_request_ids), (2, 1, 0, 1));
    assert_eq!((stats.by_fault["html-502"], stats.by_path[PATH]), (1, 2));
    assert_eq!((stats.by_model["m1"].attempts, stats.by_model["m1"].ok), (2, 1));
    let seen = &stats.requests[0];
    assert_eq!(seen.client_request_id.as_deref(), Some("c1"));
    assert_eq!((seen.retry_count.as_deref(), seen.via.as_deref()), (Some("1"), Some("1.1 x")));
    assert_eq!((seen.accept_encoding.as_deref(), seen.content_length.as_deref()), (Some("gzip"), Some("65")));
    assert_eq!((seen.authorization, seen.reply.as_str(), seen.number), (true, "ok", 1));
    assert_eq!(Some(seen.request_id.as_str()), first.header("x-request-id"));
    assert_eq!((stats.requests[1].reply.as_str(), stats.requests[1].stream), ("html-502", true));
    assert!(!reply.text().contains("canary") && !reply.text().contains("hello sea"));
}

#[tokio::test]
async fn a_reset_zeroes_the_counts_and_begins_the_dice_again() {
    let faults = vec!["500:0.5".parse().unwrap()];
    let chaos = chaos(Settings { faults, seed: 3, ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    let first = statuses(&mut client, "", 40).await;
    assert!(first.contains(&200) && first.contains(&500));
    let id = client.ask(post(PATH, "", CHAT)).await.header("x-request-id").unwrap().to_owned();
    assert_eq!(client.ask("POST /chaos/reset HTTP/1.1\r\ncontent-length: 0\r\n\r\n").await.status, 200);
    assert_eq!(chaos.stats().attempts, 0);
    assert_eq!(statuses(&mut client, "", 40).await, first);
    assert_eq!(client.ask(post(PATH, "", CHAT)).await.header("x-request-id"), Some(id.as_str()));
}

#[tokio::test]
async fn a_caller_that_leaves_is_noticed_within_100_ms_wherever_the_reply_is() {
    for (fault, body) in [("slow=30s", CHAT), ("first_content_timeout", CHAT), ("stall", CHAT), ("stall=1", STREAM)] {
        let chaos = with_fault(fault).await;
        let mut client = Client::to(&chaos).await;
        client.send(post(PATH, "", body)).await;
        until(&chaos, |stats| stats.in_flight == 1).await;
        if fault.starts_with("stall") {
            client.up_to(b"\r\n\r\n").await;
        }
        let left_ms = chaos.stats().uptime_ms;
        drop(client);
        let stats = until(&chaos, |stats| stats.cancelled == 1).await;
        assert!(stats.cancels_ms[0] - left_ms <= 100, "{fault}: {} ms", stats.cancels_ms[0] - left_ms);
        assert_eq!((stats.in_flight, stats.by_model["m1"].cancelled), (0, 1));
        assert!(stats.requests[0].cancelled && stats.requests[0].done_ms >= left_ms);
    }
}

#[tokio::test]
async fn a_caller_that_leaves_a_slow_stream_is_noticed_too() {
    let chunk_delay = Duration::from_millis(20);
    let chaos = chaos(Settings { chunks: 10_000, chunk_delay, ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    client.send(post(PATH, "", STREAM)).await;
    client.up_to(b"wall").await;
    drop(client);
    until(&chaos, |stats| stats.cancelled == 1).await;
}

#[tokio::test]
async fn a_caller_that_takes_no_bytes_and_leaves_is_noticed_too() {
    let chaos = chaos(Settings { chunks: 10_000, ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    // More than the buffers of both sockets take: the writer has to wait.
    for _ in 0..20 {
        client.send(post(PATH, "", STREAM)).await;
    }
    until(&chaos, |stats| stats.in_flight == 1).await;
    drop(client);
    until(&chaos, |stats| stats.cancelled == 1 && stats.in_flight == 0).await;
}

#[tokio::test]
async fn an_unknown_control_is_told_the_known_ones() {
    let chaos = chaos(Settings::default()).await;
    let reply = Client::to(&chaos).await.ask("GET /chaos/stat HTTP/1.1\r\n\r\n").await;
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains("GET /chaos/stats"));
    assert_eq!(chaos.stats().attempts, 0);
}
