use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;

/// A receiver on this machine that gives each connection the next of `answers`, and what it was sent: head and body.
pub(in super::super) fn receiver(answers: Vec<Vec<u8>>) -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, sent) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = heard.send(read(&mut socket));
            // Whoever has heard enough may leave.
            let _ = socket.write_all(&answer);
        }
    });
    (format!("http://{address}"), sent)
}

fn read(socket: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    socket.read_exact(&mut body).unwrap();
    (head, body)
}

pub(in super::super) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn sent(url: &str) -> Result<StatusCode, Refused> {
    let dialer = Dialer::to(&seawall::Upstream::at("s", url.parse().unwrap())).unwrap();
    let path = PathAndQuery::from_static("/services/T0/B0/canary?x=1");
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer canary"))]);
    send(&dialer, Post { path, headers, body: Bytes::from_static(b"{\"canary\":1}") }).await
}

async fn refused(answers: Vec<Vec<u8>>) -> Refused {
    let (url, _sent) = receiver(answers);
    sent(&url).await.unwrap_err()
}

#[tokio::test]
async fn a_post_is_json_to_the_address_that_is_configured() {
    let (url, heard) = receiver(vec![answer("202 Accepted", "", "{}")]);
    assert_eq!(sent(&url).await.unwrap(), StatusCode::ACCEPTED);
    let (head, body) = heard.recv().unwrap();
    assert!(head.starts_with("POST /services/T0/B0/canary?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", &url[7..])) && head.contains("content-type: application/json\r\n"));
    assert_eq!(body, b"{\"canary\":1}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (other, heard) = receiver(vec![answer("200 OK", "", "")]);
    for status in ["301 Moved", "307 Temporary", "308 Permanent"] {
        let refused = refused(vec![answer(status, &format!("location: {other}/x\r\n"), "")]).await;
        assert!(matches!(refused.why, Why::Moved(_)) && !refused.why.is_passing());
        assert!(!refused.to_string().contains("127.0.0.1"), "{refused}");
    }
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn of_an_answer_only_words_of_slacks_are_repeated() {
    let known = refused(vec![answer("400 Bad Request", "", "invalid_payload")]).await;
    assert_eq!(known.to_string(), "answers 400 (invalid_payload)");
    for body in ["canary", "{\"error\":\"routing_key canary\"}", "invalid_payload canary", "<h1>\u{1b}[2J</h1>"] {
        let refused = refused(vec![answer("400 Bad Request", "", body)]).await;
        assert_eq!(refused.to_string(), "answers 400");
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_to_a_bound() {
    let mut endless = b"HTTP/1.1 500 No\r\ncontent-length: 999999999\r\n\r\n".to_vec();
    endless.extend(vec![b'x'; 4 * ANSWER_BYTES_MAX]);
    assert_eq!(refused(vec![endless]).await.why, Why::Status(500, None));
}

#[tokio::test]
async fn a_pause_is_read_from_the_answer() {
    let waits = refused(vec![answer("429 Slow", "retry-after: 30\r\n", "")]).await;
    assert_eq!(waits.retry_after, Some(Duration::from_secs(30)));
    assert_eq!(refused(vec![answer("429 Slow", "retry-after: -1\r\n", "")]).await.retry_after, None);
}

#[tokio::test]
async fn no_error_holds_what_was_sent_or_where() {
    let mut errors = vec![
        refused(vec![Vec::new()]).await,
        refused(vec![b"canary\r\n\r\n".to_vec()]).await,
        refused(vec![answer("403 canary", "", "canary")]).await,
    ];
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    errors.push(sent(&format!("http://{gone}")).await.unwrap_err());
    let kinds: Vec<bool> = errors.iter().map(|refused| refused.why.is_passing()).collect();
    assert_eq!(kinds, [true, true, false, true]);
    for refused in errors {
        assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused:?}");
    }
}
