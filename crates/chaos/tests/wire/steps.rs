//! Posted scripts: every field of a step, on the wire.

use std::io::ErrorKind;

use seawall_chaos::{Running, Settings};

use crate::client::{CHAT, Client, chaos, post, until, with_fault};

const PATH: &str = "/v1/chat/completions";

async fn scripted(steps: &str) -> Running {
    let chaos = chaos(Settings::default()).await;
    let reply = Client::to(&chaos).await.ask(post("/chaos/script", "", &format!(r#"{{"steps":{steps}}}"#))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    chaos
}

/// The bytes of the reply to one request, and the kind of end.
async fn rest(step: &str) -> (String, Option<ErrorKind>) {
    let chaos = scripted(&format!("[{step}]")).await;
    let mut client = Client::to(&chaos).await;
    client.send(post(PATH, "", CHAT)).await;
    client.rest().await
}

async fn silence(step: &str) -> String {
    let chaos = scripted(&format!("[{step}]")).await;
    let mut client = Client::to(&chaos).await;
    client.send(post(PATH, "", CHAT)).await;
    client.before_silence().await
}

#[tokio::test]
async fn each_request_takes_a_step_and_the_last_repeats() {
    let chaos = scripted(
        r#"[{"status":500,"body":{"error":{"message":"x"}}},{"status":429,"body":"slow"},{"status":200,"body":{}}]"#,
    )
    .await;
    let mut client = Client::to(&chaos).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(client.ask(post(PATH, "", CHAT)).await.status);
    }
    assert_eq!(statuses, [500, 429, 200, 200, 200]);
    let stats = chaos.stats();
    assert_eq!((stats.attempts, stats.by_fault["step"], stats.scripts[0].used), (5, 5, 5));
    assert_eq!(stats.requests[1].reply, "step 2");
    assert_eq!(client.ask("DELETE /chaos/script HTTP/1.1\r\n\r\n").await.status, 200);
    assert_eq!(client.ask(post(PATH, "", CHAT)).await.json()["object"], "chat.completion");
}

#[tokio::test]
async fn a_script_for_a_model_runs_beside_the_others() {
    let chaos = with_fault("503").await;
    let mut client = Client::to(&chaos).await;
    client.ask(post("/chaos/script", "", r#"{"for_model":"m1","steps":[{"status":418},{"status":200}]}"#)).await;
    client.ask(post("/chaos/script", "", r#"{"for_model":"m2","steps":[{"status":409}]}"#)).await;
    let other = CHAT.replace("m1", "m2");
    let unscripted = CHAT.replace("m1", "m3");
    let mut statuses = Vec::new();
    for body in [CHAT, &other, &unscripted, CHAT, &other] {
        statuses.push(client.ask(post(PATH, "", body)).await.status);
    }
    assert_eq!(statuses, [418, 409, 503, 200, 409]);
    client.ask(post("/chaos/script", "", r#"{"for_model":"m1","steps":[{"status":418}]}"#)).await;
    let stats = chaos.stats();
    assert_eq!((stats.by_model.get("m1"), stats.by_model["m2"].attempts, stats.attempts), (None, 2, 5));
}

#[tokio::test]
async fn a_script_that_makes_no_sense_is_refused_and_changes_nothing() {
    let chaos = scripted(r#"[{"status":418}]"#).await;
    let mut client = Client::to(&chaos).await;
    let reply = client.ask(post("/chaos/script", "", r#"{"steps":[{"statsu":500}]}"#)).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("unknown field `statsu`"));
    assert_eq!(client.ask(post(PATH, "", CHAT)).await.status, 418);
}

#[tokio::test]
async fn actions_end_a_connection_without_an_answer() {
    assert_eq!(rest(r#"{"action":"reset"}"#).await, (String::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(rest(r#"{"action":"close"}"#).await, (String::new(), None));
    assert_eq!(silence(r#"{"action":"stall"}"#).await, "");
    assert_eq!(rest(r#"{"action":"garbage"}"#).await, ("this is not HTTP\r\n\r\n".into(), None));
    let (text, end) = rest(r#"{"action":"partial_headers"}"#).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && !text.contains("\r\n\r\n") && end.is_none());
}

#[tokio::test]
async fn a_body_can_be_short_reset_or_stall_after() {
    let (text, end) = rest(r#"{"body":"abc","length_extra":50}"#).await;
    assert!(text.contains("content-length: 53\r\n") && text.ends_with("\r\n\r\nabc") && end.is_none());
    let (text, end) = rest(r#"{"body":"abc","after":"reset"}"#).await;
    assert!(text.ends_with("abc") && end == Some(ErrorKind::ConnectionReset));
    assert!(silence(r#"{"body":"abc","length_extra":100,"after":"stall"}"#).await.ends_with("abc"));
}

#[tokio::test]
async fn parts_are_chunks_pauses_and_breaks() {
    let chaos = scripted(r#"[{"parts":["ab",{"sleep_ms":80},"@bytes:c3a9"],"end":"chunked"}]"#).await;
    let mut client = Client::to(&chaos).await;
    let started = tokio::time::Instant::now();
    let reply = client.ask(post(PATH, "", CHAT)).await;
    assert_eq!(reply.text(), "abé");
    assert!(started.elapsed().as_millis() >= 80);
    let (text, end) = rest(r#"{"parts":["ab"],"end":"truncate"}"#).await;
    assert!(text.ends_with("2\r\nab\r\n") && end.is_none());
    let (text, end) = rest(r#"{"parts":["ab","c"],"end":"eof"}"#).await;
    assert!(text.ends_with("\r\n\r\nabc") && !text.contains("chunked") && end.is_none());
    let (text, end) = rest(r#"{"parts":["ab",{"reset":true}]}"#).await;
    assert!(text.ends_with("2\r\nab\r\n") && end == Some(ErrorKind::ConnectionReset));
    let (text, end) = rest(r#"{"parts":["ab",{"close":true},"c"]}"#).await;
    assert!(text.ends_with("2\r\nab\r\n") && end.is_none());
    assert!(silence(r#"{"parts":["ab",{"stall":true}]}"#).await.ends_with("2\r\nab\r\n"));
}

#[tokio::test]
async fn what_comes_before_the_head_comes_first() {
    let chaos =
        scripted(r#"[{"pre":"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n","body":{"a":1},"delay_ms":60}]"#).await;
    let mut client = Client::to(&chaos).await;
    let started = tokio::time::Instant::now();
    let early = client.ask(post(PATH, "", CHAT)).await;
    assert_eq!((early.status, early.header("link")), (103, Some("</x>")));
    assert!(started.elapsed().as_millis() >= 60);
    assert_eq!(client.reply().await.json()["a"], 1);
}

#[tokio::test]
async fn a_redirect_can_lead_back() {
    let chaos =
        scripted(r#"[{"status":302,"body":"","headers":{"location":"@self"}},{"status":304,"nobody":true}]"#).await;
    let mut client = Client::to(&chaos).await;
    let reply = client.ask(post("/v1/chat/completions?a=b", "", CHAT)).await;
    assert_eq!(reply.header("location"), Some("http://chaos/v1/chat/completions?a=b"));
    let reply = client.ask(post(PATH, "", CHAT)).await;
    assert_eq!((reply.status, reply.header("content-length")), (304, None));
    assert_eq!(client.ask(post(PATH, "", CHAT)).await.status, 304, "the connection is still in step");
}

#[tokio::test]
async fn a_caller_that_leaves_a_stalled_step_is_noticed() {
    let chaos = scripted(r#"[{"action":"stall"}]"#).await;
    let mut client = Client::to(&chaos).await;
    client.send(post(PATH, "", CHAT)).await;
    until(&chaos, |stats| stats.in_flight == 1).await;
    drop(client);
    until(&chaos, |stats| stats.cancelled == 1).await;
}

#[tokio::test]
async fn a_script_ends_at_its_limit_in_bytes() {
    let chaos = chaos(Settings::default()).await;
    let script = |bytes: usize| {
        let (start, end) = (r#"{"steps":[{"body":""#, r#""}]}"#);
        post("/chaos/script", "", &format!("{start}{}{end}", "a".repeat(bytes - start.len() - end.len())))
    };
    let mut client = Client::to(&chaos).await;
    assert_eq!(client.ask(script(16 << 20)).await.status, 200);
    assert_eq!(client.ask(script((16 << 20) + 1)).await.status, 400);
}
