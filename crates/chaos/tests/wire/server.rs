//! The port: refusals, phases, new settings, the end.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use seawall_chaos::{Phase, Server, Settings};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{CHAT, Client, DEADLINE, chaos, post, until, with_fault};

const PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_share_of_one_closes_the_port_and_new_settings_open_it_again() {
    let chaos = chaos(Settings::default()).await;
    let mut kept = Client::to(&chaos).await;
    assert_eq!(kept.ask(post(PATH, "", CHAT)).await.status, 200);
    chaos.set(Settings { faults: vec!["refused".parse().unwrap()], ..Settings::default() }).unwrap();
    assert_eq!(kept.rest().await, (String::new(), None), "an idle connection ends");
    assert_eq!(Client::connect(chaos.addr()).await.err().map(|error| error.kind()), Some(ErrorKind::ConnectionRefused));
    chaos.set(Settings::default()).unwrap();
    let opened = timeout(DEADLINE, async {
        loop {
            if let Ok(client) = Client::connect(chaos.addr()).await {
                return client;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(opened.await.unwrap().ask(post(PATH, "", CHAT)).await.status, 200);
}

#[tokio::test]
async fn a_phase_closes_the_port_for_its_time() {
    let phase: Phase = serde_json::from_str(r#"{"at":"0","for":"200ms","fault":"refused"}"#).unwrap();
    let chaos = chaos(Settings { phases: vec![phase], ..Settings::default() }).await;
    let mut refused = 0;
    let opened = timeout(DEADLINE, async {
        loop {
            match Client::connect(chaos.addr()).await {
                Err(_) => refused += 1,
                Ok(mut client) => {
                    let (text, _) = client.try_ask(post(PATH, "connection: close\r\n", CHAT)).await;
                    // While the port is closed, somebody else on this machine may be given it.
                    if text.starts_with("HTTP/1.1 200") && !chaos.stats().requests.is_empty() {
                        return;
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    });
    opened.await.unwrap();
    assert!(refused > 0);
    assert!(chaos.stats().requests[0].t_ms >= 200);
}

#[tokio::test]
async fn a_smaller_share_resets_connections_as_they_come() {
    let faults = vec!["refused:0.5".parse().unwrap()];
    let chaos = chaos(Settings { faults, seed: 1, ..Settings::default() }).await;
    let (mut served, mut reset) = (0, 0);
    for _ in 0..60 {
        let mut client = Client::to(&chaos).await;
        let (text, _) = client.try_ask(post(PATH, "connection: close\r\n", CHAT)).await;
        if text.starts_with("HTTP/1.1 200") { served += 1 } else { reset += 1 }
    }
    assert!(served > 10 && reset > 10, "{served} served, {reset} reset");
    let stats = until(&chaos, |stats| stats.refused == reset).await;
    assert_eq!((stats.attempts, stats.ok), (served, served));
}

#[tokio::test]
async fn equal_seeds_give_equal_replies() {
    let replies = async |seed| {
        let faults = vec!["500:0.3".parse().unwrap(), "html:0.1".parse().unwrap()];
        let chaos = chaos(Settings { faults, seed, ..Settings::default() }).await;
        let mut client = Client::to(&chaos).await;
        let mut replies = Vec::new();
        for _ in 0..50 {
            let reply = client.ask(post(PATH, "", CHAT)).await;
            replies.push((reply.head.clone(), reply.text()));
        }
        replies
    };
    assert_eq!(replies(9).await, replies(9).await);
    assert_ne!(replies(9).await, replies(10).await);
}

#[tokio::test]
async fn a_fault_that_no_server_can_do_is_refused_before_the_port_is_opened() {
    for word in ["resolve", "tls", "connect_timeout", "deadline"] {
        let error = word.parse::<seawall_chaos::FaultShare>().unwrap_err();
        assert!(error.to_string().contains("cannot be brought about by a server"), "{error}");
    }
    let settings = Settings { chunks: 0, ..Settings::default() };
    let error = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), settings).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn shutdown_lets_a_reply_end_and_closes_what_is_idle_or_stalled() {
    let settings = Settings { faults: vec!["slow=200ms".parse().unwrap()], ..Settings::default() };
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), settings).await.unwrap();
    let handle = server.handle();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.run(async {
        let _ = stopped.await;
    }));
    let mut idle = Client::to(&handle).await;
    assert_eq!(idle.ask(post(PATH, "x-chaos: ok\r\n", CHAT)).await.status, 200);
    let mut slow = Client::to(&handle).await;
    slow.send(post(PATH, "", CHAT)).await;
    let mut stalled = Client::to(&handle).await;
    stalled.send(post(PATH, "x-chaos: first_content_timeout\r\n", CHAT)).await;
    until(&handle, |stats| stats.in_flight == 2).await;
    stop.send(()).unwrap();
    assert_eq!(idle.rest().await, (String::new(), None));
    assert_eq!(stalled.rest().await, (String::new(), None));
    assert_eq!(slow.reply().await.status, 200);
    timeout(DEADLINE, tasks.join_next()).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(handle.stats().connections_open, 0);
    assert!(Client::connect(handle.addr()).await.is_err());
}

#[tokio::test]
async fn dropping_a_running_server_ends_its_connections() {
    let chaos = with_fault("first_content_timeout").await;
    let mut client = Client::to(&chaos).await;
    client.send(post(PATH, "", CHAT)).await;
    until(&chaos, |stats| stats.in_flight == 1).await;
    drop(chaos);
    let (text, _) = client.rest().await;
    assert_eq!(text, "");
}

#[tokio::test(start_paused = true)]
async fn waits_follow_a_paused_clock() {
    let chaos = chaos(Settings { latency: "30m".parse().unwrap(), ..Settings::default() }).await;
    let started = tokio::time::Instant::now();
    // No deadline of the client's own: a paused clock would run into it first.
    let reply = Client::to(&chaos).await.ask_patiently(post(PATH, "", CHAT)).await;
    assert!(reply.starts_with("HTTP/1.1 200"));
    assert!(started.elapsed() >= Duration::from_secs(1800));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_one_to_end() {
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Settings::default()).await.unwrap().limit(2);
    let handle = server.handle();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.run(std::future::pending()));
    let (mut first, mut second) = (Client::to(&handle).await, Client::to(&handle).await);
    assert_eq!(first.ask(post(PATH, "", CHAT)).await.status, 200);
    assert_eq!(second.ask(post(PATH, "", CHAT)).await.status, 200);
    let mut third = Client::to(&handle).await;
    third.send(post(PATH, "", CHAT)).await;
    assert_eq!(third.before_silence().await, "");
    drop(first);
    assert_eq!(third.reply().await.status, 200);
}

/// How long a connection is kept after `bytes`, by a clock that jumps to the next thing to happen.
async fn kept_after(bytes: &str, headers: &str) -> Duration {
    let chaos = chaos(Settings { chunks: 10_000, ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    let started = tokio::time::Instant::now();
    client.send(bytes.replace("HEADERS", headers)).await;
    client.rest_patiently().await;
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_for_ever() {
    let minute = Duration::from_secs(60);
    let idle = kept_after("", "").await;
    assert!((10 * minute..11 * minute).contains(&idle), "{idle:?}");
    let half = kept_after("POST /v1/models HTTP/1.1\r\n", "").await;
    assert!((minute..2 * minute).contains(&half), "{half:?}");
    let half = kept_after("POST /v1/models HTTP/1.1\r\ncontent-length: 9\r\n\r\nab", "").await;
    assert!((minute..2 * minute).contains(&half), "{half:?}");
    let stalled = kept_after("GET /v1/models HTTP/1.1\r\nHEADERS\r\n", "x-chaos: stall\r\n").await;
    assert!((30 * minute..31 * minute).contains(&stalled), "{stalled:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_takes_no_bytes_is_given_up() {
    let chaos = chaos(Settings { chunks: 10_000, ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    let body = CHAT.replace('{', "{\"stream\":true,").replacen("{\"stream\":true,\"role\"", "{\"role\"", 1);
    for _ in 0..20 {
        client.send(post(PATH, "", &body)).await;
    }
    let stats = chaos.until(|stats| stats.cancelled == 1).await;
    assert!(stats.cancels_ms[0] >= 900_000, "{} ms", stats.cancels_ms[0]);
}
