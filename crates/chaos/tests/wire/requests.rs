//! Requests in every form that HTTP/1.1 has, and some that it has not.

use seawall_chaos::stats::Fnv;
use seawall_chaos::{BODY_KEPT_MAX, HEAD_BYTES_MAX, Settings};

use crate::client::{CHAT, Client, STREAM, chaos, post, until};

const PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn one_connection_serves_request_after_request() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    for path in [PATH, "/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/messages"] {
        assert_eq!(client.ask(post(path, "", CHAT)).await.status, 200, "{path}");
    }
    let models = client.ask("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(models.json()["object"], "list");
    let lost = client.ask(post("/v1/nowhere?x=1", "", "{}")).await;
    assert_eq!((lost.status, lost.json()["error"]["code"].as_str()), (404, Some("unknown_url")));
    let stats = chaos.stats();
    assert_eq!((stats.connections, stats.attempts, stats.ok, stats.by_path["/v1/nowhere"]), (1, 8, 8, 1));
}

#[tokio::test]
async fn a_body_in_chunks_is_the_body() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    let (left, right) = CHAT.split_at(10);
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunks = format!("{:x};ext=1\r\n{left}\r\n{:X}\r\n{right}\r\n0\r\ntrailer: x\r\n\r\n", left.len(), right.len());
    for piece in [1, 7, usize::MAX] {
        client.send(&head).await;
        for bytes in chunks.as_bytes().chunks(piece) {
            client.send(bytes).await;
        }
        assert_eq!(client.reply().await.json()["model"], "m1");
    }
    let seen = &chaos.stats().requests[2];
    assert_eq!((seen.body_bytes, &seen.body_fnv), (CHAT.len() as u64, &format!("{:016x}", Fnv::of(CHAT.as_bytes()))));
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_continue() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    client
        .send(
            post(PATH, "expect: 100-continue\r\n", "")
                .replace("content-length: 0", &format!("content-length: {}", CHAT.len())),
        )
        .await;
    assert_eq!(client.up_to(b"\r\n\r\n").await, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.ask(CHAT).await.status, 200);
}

#[tokio::test]
async fn a_connection_ends_where_its_request_says_so() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    let reply = client.ask(post(PATH, "connection: close\r\n", CHAT)).await;
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(client.rest().await, (String::new(), None));
}

#[tokio::test]
async fn a_head_may_have_its_limit_and_no_more() {
    let chaos = chaos(Settings::default()).await;
    let head = |bytes: usize| {
        let (start, end) = ("GET /v1/models HTTP/1.1\r\nx: ", "\r\n\r\n");
        format!("{start}{}{end}", "a".repeat(bytes - start.len() - end.len()))
    };
    assert_eq!(Client::to(&chaos).await.ask(head(HEAD_BYTES_MAX)).await.status, 200);
    assert_eq!(Client::to(&chaos).await.ask(head(HEAD_BYTES_MAX + 1)).await.status, 431);
    assert_eq!(chaos.stats().incomplete, 1);
}

#[tokio::test]
async fn what_is_not_http_gets_a_400_and_the_end() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    let reply = client.ask("hello\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
    assert_eq!(client.rest().await, (String::new(), None));
    let reply = Client::to(&chaos).await.ask(post(PATH, "", "{\"model\":")).await;
    assert_eq!((reply.status, reply.json()["error"]["type"].as_str()), (400, Some("invalid_request_error")));
}

#[tokio::test]
async fn a_sender_that_leaves_early_is_counted_apart() {
    let chaos = chaos(Settings::default()).await;
    let mut client = Client::to(&chaos).await;
    client.send(&post(PATH, "", CHAT).as_bytes()[..90]).await;
    drop(client);
    let stats = until(&chaos, |stats| stats.incomplete == 1).await;
    assert_eq!((stats.attempts, stats.cancelled), (0, 0));
    until(&chaos, |stats| stats.connections_open == 0).await;
}

#[tokio::test]
async fn a_body_beyond_what_is_kept_is_still_read_and_counted() {
    let chaos = chaos(Settings { record: true, ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    let length = BODY_KEPT_MAX + 1;
    client.send(format!("POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")).await;
    let piece = vec![b' '; 1 << 20];
    for sent in (0..length).step_by(piece.len()) {
        client.send(&piece[..piece.len().min(length - sent)]).await;
    }
    assert_eq!(client.reply().await.status, 200, "what is unknown gets a good answer");
    let seen = chaos.stats().requests.remove(0);
    assert_eq!((seen.body_bytes, seen.model), (length as u64, None));
}

#[tokio::test]
async fn a_stream_is_one_chunk_an_event() {
    let chaos = chaos(Settings { chunks: 3, ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    client.send(post(PATH, "", STREAM)).await;
    client.up_to(b"\r\n\r\n").await;
    let chunks = client.chunks().await;
    assert_eq!(chunks.len(), 1 + 3 + 1 + 1, "role, three words, finish, done");
    assert!(chunks.iter().all(|chunk| chunk.starts_with(b"data: ") && chunk.ends_with(b"\n\n")));
}

#[tokio::test]
async fn a_reply_can_be_split_into_single_bytes() {
    let chaos = chaos(Settings { split: Some(1), ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    assert_eq!(client.ask(post(PATH, "", CHAT)).await.json()["object"], "chat.completion");
    assert!(client.ask(post(PATH, "", STREAM)).await.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn chunks_that_break_their_rules_or_bounds_are_refused() {
    let chaos = chaos(Settings::default()).await;
    let line = "1".repeat(1025);
    let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(65));
    for (body, status) in [
        ("x\r\n", 400),
        ("2\r\nabc\r\n", 400),
        ("2\nab", 400),
        ("ffffffffffffffff\r\n", 413),
        ("100000001\r\n", 413),
        (line.as_str(), 400),
        (trailers.as_str(), 431),
    ] {
        let head = format!("POST {PATH} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        assert_eq!(Client::to(&chaos).await.ask(head).await.status, status, "{body:.40}");
    }
    let most = format!(
        "POST {PATH} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n{}\r\n",
        "a: b\r\n".repeat(64)
    );
    assert_eq!(Client::to(&chaos).await.ask(most).await.status, 200);
}

#[tokio::test]
async fn what_comes_before_its_turn_is_answered_in_turn() {
    let chaos = chaos(Settings { latency: "50ms".parse().unwrap(), ..Settings::default() }).await;
    let mut client = Client::to(&chaos).await;
    let other = CHAT.replace("m1", "m2");
    client.send(post(PATH, "", CHAT)).await;
    until(&chaos, |stats| stats.in_flight == 1).await;
    assert_eq!(client.ask(post(PATH, "", &other)).await.json()["model"], "m1");
    assert_eq!(client.reply().await.json()["model"], "m2");
}
