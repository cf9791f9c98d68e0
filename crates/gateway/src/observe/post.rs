//! One POST to a receiver, and what came of it.
//!
//! It goes to the address that is configured and to no other: a redirect is an answer like any refusal.
//! Of the answer the status counts. Its body is read to a bound and never repeated: it may hold what was
//! sent, and with it a credential.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use seawall::proxy::Dialer;
use seawall_core::incident::inert;
use seawall_core::verdict::retry_after;
use tokio::time::Instant;

/// Name, connection and TLS are there within this time.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A receiver has answered within this time, connection and all.
pub(crate) const POST_WITHIN: Duration = Duration::from_secs(10);
/// So much of an answer's body is looked at, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// The largest head that is read, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The longest reason of the system's that is repeated, in bytes.
const REASON_BYTES_MAX: usize = 256;

/// What Slack says where it refuses a message (its reference of incoming webhooks, 2026-11). Only these are
/// repeated, and of no other answer anything.
const KNOWN_WORDS: [&str; 15] = [
    "invalid_payload",
    "invalid_blocks",
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "no_text",
    "team_disabled",
    "user_not_found",
    "channel_not_found",
    "channel_is_archived",
    "action_prohibited",
    "posting_to_general_channel_denied",
    "too_many_attachments",
];

/// What is sent. It may hold a credential, so it cannot be printed.
#[derive(Clone)]
pub(super) struct Post {
    /// Where on the receiver.
    pub(super) path: PathAndQuery,
    /// Beside those that every post has.
    pub(super) headers: HeaderMap,
    /// JSON, unless the headers say otherwise.
    pub(super) body: Bytes,
}

/// Why a receiver has not taken something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(super) why: Why,
    /// It asks to be left alone for so long.
    pub(super) retry_after: Option<Duration>,
}

/// The same in kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// No connection.
    Connect(String),
    /// The connection broke off.
    Broken(String),
    /// It took too long.
    Late,
    /// It is somewhere else now.
    Moved(u16),
    /// Another status than a success, and the word for it, where it is one of Slack's.
    Status(u16, Option<&'static str>),
}

impl Why {
    /// Whether it may be another time. What is refused for what it is would be refused again.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Why::Connect(_) | Why::Broken(_) | Why::Late => true,
            Why::Moved(_) => false,
            Why::Status(status, _) => matches!(status, 408 | 429 | 500..=599),
        }
    }
}

impl From<Why> for Refused {
    fn from(why: Why) -> Refused {
        Refused { why, retry_after: None }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Connect(why) => write!(f, "cannot be reached: {why}"),
            Why::Broken(why) => write!(f, "broke off: {why}"),
            Why::Late => write!(f, "has not answered within {} s", POST_WITHIN.as_secs()),
            Why::Moved(status) => write!(f, "answers {status}: it leads elsewhere, which is not followed"),
            Why::Status(status, Some(word)) => write!(f, "answers {status} ({word})"),
            Why::Status(status, None) => write!(f, "answers {status}"),
        }
    }
}

/// Sends `post` over a connection of its own; the status of the success. Whoever sends bounds its time.
pub(super) async fn send(dialer: &Dialer, post: Post) -> Result<StatusCode, Refused> {
    let (uri, mut headers) = dialer.aimed(&post.path);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let agent = HeaderValue::from_static(concat!("seawall/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::USER_AGENT, agent);
    headers.extend(post.headers);
    let mut request = Request::new(Full::new(post.body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;

    let wire = dialer.connect(Instant::now() + CONNECT_WITHIN).await.map_err(|(_, why)| Why::Connect(said(&why)))?;
    let broken = |error: hyper::Error| Refused::from(Why::Broken(said(&error.to_string())));
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(wire)).await.map_err(broken)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        answer(response, seawall::proxy::unix_micros().div_euclid(1_000_000)).await
    };
    tokio::pin!(exchange, connection);
    // The connection ends with its last byte, which the exchange may still have to read.
    tokio::select! {
        answer = &mut exchange => answer,
        _ = &mut connection => exchange.await,
    }
}

async fn answer(response: hyper::Response<Incoming>, now_unix: i64) -> Result<StatusCode, Refused> {
    let (head, body) = response.into_parts();
    let status = head.status;
    if status.is_success() {
        return Ok(status);
    }
    let why = if status.is_redirection() {
        Why::Moved(status.as_u16())
    } else {
        Why::Status(status.as_u16(), word(&beginning(body).await))
    };
    Err(Refused { why, retry_after: retry_after::in_headers(&head.headers, now_unix) })
}

/// The first [`ANSWER_BYTES_MAX`] bytes of a body, or what there is of it.
async fn beginning(mut body: Incoming) -> Bytes {
    let mut all = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = ANSWER_BYTES_MAX - all.len();
        all.extend_from_slice(&data[..data.len().min(room)]);
        if all.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    all.freeze()
}

fn word(body: &[u8]) -> Option<&'static str> {
    let text = body.trim_ascii();
    KNOWN_WORDS.iter().find(|word| word.as_bytes() == text).copied()
}

fn said(why: &str) -> String {
    inert(why, REASON_BYTES_MAX)
}

#[cfg(test)]
pub(super) mod tests;
