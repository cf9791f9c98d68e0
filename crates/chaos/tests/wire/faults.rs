//! Every fault does on the wire what it says.

use std::io::ErrorKind;

use seawall_chaos::Settings;

use crate::client::{CHAT, Client, Reply, STREAM, chaos, post, until, with_fault};

const PATH: &str = "/v1/chat/completions";

async fn reply(fault: &str, body: &str) -> Reply {
    let chaos = with_fault(fault).await;
    Client::to(&chaos).await.ask(post(PATH, "", body)).await
}

/// Everything up to the end of the connection, and the kind of end.
async fn rest(fault: &str, body: &str) -> (String, Option<ErrorKind>) {
    let chaos = with_fault(fault).await;
    let mut client = Client::to(&chaos).await;
    client.send(post(PATH, "", body)).await;
    client.rest().await
}

async fn silence(fault: &str, body: &str) -> String {
    let chaos = with_fault(fault).await;
    let mut client = Client::to(&chaos).await;
    client.send(post(PATH, "", body)).await;
    client.before_silence().await
}

/// The claimed length of a body, and the body that came.
fn claimed(text: &str) -> (usize, usize) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    (length.parse().unwrap(), body.len())
}

#[tokio::test]
async fn a_status_has_the_api_s_error_and_headers() {
    let reply = reply("503+retry-after=2", CHAT).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("2")));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("openai-organization"), Some("org-chaos"));
    assert!(reply.header("openai-processing-ms").is_some() && reply.header("openai-version").is_some());
    let id = reply.header("x-request-id").unwrap();
    assert!(id.len() == 36 && id.starts_with("req_"));
    let error = &reply.json()["error"];
    assert_eq!((&error["type"], &error["code"]), (&"service_unavailable_error".into(), &"server_is_overloaded".into()));
    assert!(error["message"].as_str().unwrap().contains(id));
}

#[tokio::test]
async fn known_statuses_have_their_own_types_and_codes() {
    for (fault, status, kind, code) in [
        ("500", 500, "server_error", serde_json::Value::Null),
        ("502", 502, "cf_bad_gateway", 502.into()),
        ("504", 504, "cf_gateway_timeout", 504.into()),
        ("429", 429, "rate_limit_error", "rate_limit_exceeded".into()),
        ("429-quota", 429, "insufficient_quota", "insufficient_quota".into()),
        ("401", 401, "invalid_request_error", "invalid_api_key".into()),
        ("400", 400, "invalid_request_error", serde_json::Value::Null),
        ("500-invalid", 500, "invalid_request_error", serde_json::Value::Null),
        ("524", 524, "cf_gateway_timeout", 524.into()),
    ] {
        let reply = reply(fault, CHAT).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["type"], &error["code"]), (status, &kind.into(), &code), "{fault}");
    }
}

#[tokio::test]
async fn messages_vary_unless_told_otherwise() {
    let both = async |same_bodies| {
        let faults = vec!["500".parse().unwrap()];
        let chaos = chaos(Settings { faults, same_bodies, ..Settings::default() }).await;
        let mut client = Client::to(&chaos).await;
        let first = client.ask(post(PATH, "", CHAT)).await;
        let second = client.ask(post(PATH, "", CHAT)).await;
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
        (first.text(), second.text())
    };
    let (first, second) = both(false).await;
    assert_ne!(first, second);
    let (first, second) = both(true).await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn middlemen_answer_in_html_text_or_nothing() {
    let html = reply("html-520", CHAT).await;
    assert_eq!((html.status, html.header("server")), (520, Some("cloudflare")));
    assert!(html.header("cf-ray").is_some() && html.header("x-request-id").is_none());
    assert!(html.text().starts_with("<html>"));
    let text = reply("text", CHAT).await;
    assert_eq!((text.status, text.header("content-type")), (503, Some("text/plain")));
    assert!(text.text().starts_with("upstream connect error"));
    let empty = reply("empty-500", CHAT).await;
    assert_eq!((empty.status, empty.header("content-length"), empty.body.len()), (500, Some("0"), 0));
}

#[tokio::test]
async fn a_success_can_be_none() {
    let error = reply("error_in_200", CHAT).await;
    assert_eq!((error.status, &error.json()["error"]["code"]), (200, &502.into()));
    let error = reply("error_in_200-429-quota", CHAT).await;
    assert_eq!(error.json()["error"]["code"], "insufficient_quota");
    let empty = reply("empty_200", CHAT).await;
    assert_eq!((empty.status, empty.header("content-type"), empty.body.len()), (200, Some("application/json"), 0));
    let html = reply("html_200", CHAT).await;
    assert_eq!((html.status, html.header("content-type")), (200, Some("text/html; charset=utf-8")));
}

#[tokio::test]
async fn an_echo_repeats_the_last_words_of_the_user() {
    let reply = reply("echo", CHAT).await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.json()["error"]["message"], "Could not process the input: hello sea");
}

#[tokio::test]
async fn an_echo_ends_at_its_limit() {
    let said = async |bytes: usize| {
        let body = format!(r#"{{"prompt":"{}"}}"#, "a".repeat(bytes));
        let message = reply("echo", &body).await.json()["error"]["message"].as_str().unwrap().to_owned();
        message.matches('a').count()
    };
    assert_eq!(said(4097).await, said(4096).await);
    assert_eq!(said(4096).await, said(4095).await + 1);
}

#[tokio::test]
async fn a_reset_comes_before_any_byte() {
    assert_eq!(rest("reset", CHAT).await, (String::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(rest("reset=close", CHAT).await, (String::new(), None));
}

#[tokio::test]
async fn garbage_is_not_http_or_half_a_head() {
    let (text, end) = rest("garbage", CHAT).await;
    assert!(!text.starts_with("HTTP/") && !text.is_empty() && end.is_none());
    let (text, end) = rest("garbage=head", CHAT).await;
    assert!(text.starts_with("HTTP/1.1 200") && !text.contains("\r\n\r\n") && end.is_none());
}

#[tokio::test]
async fn silence_comes_before_the_head_or_within_the_body() {
    assert_eq!(silence("first_content_timeout", CHAT).await, "");
    let (length, came) = claimed(&silence("stall", CHAT).await);
    assert_eq!(came, length / 2);
    let text = silence("stall=1", STREAM).await;
    assert_eq!(text.matches("data: ").count(), 2, "a role and one chunk");
    assert!(!text.contains("[DONE]"));
    let text = silence("stall=0", STREAM).await;
    assert_eq!(text.matches("data: ").count(), 1, "the role only");
}

#[tokio::test]
async fn a_truncated_body_ends_cleanly_but_too_early() {
    let (text, end) = rest("truncated", CHAT).await;
    let (length, came) = claimed(&text);
    assert_eq!((came, end), (length / 2, None));
    let (text, end) = rest("truncated=3", STREAM).await;
    assert_eq!((text.matches("data: ").count(), end), (4, None));
    assert!(!text.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_body_is_reset_in_the_middle() {
    for body in [CHAT, STREAM] {
        let (text, end) = rest("body_reset", body).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert_eq!(end, Some(ErrorKind::ConnectionReset));
    }
}

#[tokio::test]
async fn what_is_undecodable_is_so_in_three_ways() {
    let gzip = reply("undecodable", CHAT).await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert!(gzip.body.starts_with(&[0x1f, 0x8b]), "it begins like gzip");
    assert!(std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gzip.body[..]), &mut Vec::new()).is_err());
    let label = reply("undecodable=label", CHAT).await;
    assert_eq!(
        (label.header("content-encoding"), label.json()["object"].as_str()),
        (Some("gzip"), Some("chat.completion"))
    );
    let (text, end) = rest("undecodable=chunk", CHAT).await;
    assert!(text.contains("\r\nnot-a-length\r\n") && text.contains("transfer-encoding: chunked") && end.is_none());
}

#[tokio::test]
async fn slow_is_late_but_good() {
    let chaos = with_fault("slow=120ms").await;
    let mut client = Client::to(&chaos).await;
    let started = tokio::time::Instant::now();
    let reply = client.ask(post(PATH, "", CHAT)).await;
    assert!(started.elapsed().as_millis() >= 120);
    assert_eq!((reply.status, reply.json()["object"].as_str()), (200, Some("chat.completion")));
    assert_eq!(chaos.stats().by_fault["slow=120ms"], 1);
}

#[tokio::test]
async fn a_stale_connection_is_reset_when_it_is_used_again() {
    let chaos = with_fault("stale").await;
    let mut client = Client::to(&chaos).await;
    let reply = client.ask(post(PATH, "", CHAT)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("connection"), None);
    client.send(post(PATH, "", CHAT)).await;
    assert_eq!(client.rest().await, (String::new(), Some(ErrorKind::ConnectionReset)));
    let stats = until(&chaos, |stats| stats.unread == 1).await;
    assert_eq!(stats.attempts, 1, "the second was never read");
}

#[tokio::test]
async fn a_connection_is_closed_right_after_a_good_reply() {
    let chaos = with_fault("not_sent").await;
    let mut client = Client::to(&chaos).await;
    let reply = client.ask(post(PATH, "", CHAT)).await;
    assert_eq!((reply.status, reply.header("connection")), (200, None));
    assert_eq!(client.rest().await, (String::new(), None));
}

#[tokio::test]
async fn streams_go_wrong_in_their_own_ways() {
    let error = reply("stream_error", STREAM).await;
    assert_eq!(error.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(error.text().starts_with(r#"data: {"error":{"#) && error.text().matches("data: ").count() == 1);
    let cut = reply("stream_cut=3", STREAM).await;
    assert_eq!(cut.text().matches("data: ").count(), 4, "a role and three chunks");
    assert!(!cut.text().contains("[DONE]") && !cut.text().contains("stop"));
    let cut = reply("stream_cut=0", STREAM).await;
    assert_eq!(cut.text().matches("data: ").count(), 1);
    let role = reply("stream_empty", STREAM).await;
    assert!(role.text().contains("\"role\":\"assistant\"") && role.text().matches("data: ").count() == 1);
    assert_eq!(reply("stream_empty=bare", STREAM).await.body, b"");
    let json = reply("stream_json", STREAM).await;
    assert_eq!(
        (json.header("content-type"), json.json()["object"].as_str()),
        (Some("application/json"), Some("chat.completion"))
    );
}

#[tokio::test]
async fn an_error_in_a_stream_has_the_form_of_its_endpoint() {
    let chaos = with_fault("stream_error").await;
    let mut client = Client::to(&chaos).await;
    let responses = client.ask(post("/v1/responses", "", STREAM)).await.text();
    assert!(responses.starts_with("event: error\ndata: {") && responses.contains("\"sequence_number\":0"));
    let messages = client.ask(post("/v1/messages", "", STREAM)).await.text();
    assert!(messages.contains(r#""type":"api_error""#));
}

#[tokio::test]
async fn a_plain_request_gets_the_nearest_thing_to_a_stream_s_fault() {
    assert!(reply("stream_error", CHAT).await.json()["error"].is_object());
    let (length, came) = claimed(&rest("stream_cut", CHAT).await.0);
    assert_eq!(came, length / 2);
    assert_eq!(reply("stream_empty", CHAT).await.body, b"");
    assert_eq!(reply("stream_json", CHAT).await.json()["object"], "chat.completion");
}
