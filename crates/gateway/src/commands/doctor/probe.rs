//! One question to an upstream, asked once: no retry, no hedge, no memory of the last one.
//!
//! The client that the gateway uses asks it, so that what counts as an answer and what as a failure
//! is decided by the same judge. Of a stream nothing is read beyond its first content: it has
//! answered, and the rest would only cost money.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, header};
use seawall::proxy::{Call, Conclusion, Labels, Payload, Piece, Relay};
use seawall::{Answered, Client, Observer, Upstream};
use seawall_core::event;
use seawall_core::plan::policy::{FirstContent, Policy};
use seawall_core::request::Request;
use seawall_core::verdict::{self, Class, Fault, Said};
use serde::Deserialize;

/// What is asked.
pub(super) struct Question {
    pub(super) method: Method,
    /// Path and query, beginning with `/v1`.
    pub(super) target: PathAndQuery,
    /// JSON; empty for none.
    pub(super) body: Bytes,
    /// So much of an answer that flows is read; 0 for its beginning alone.
    pub(super) read_max: usize,
    /// How long it may take to its answer, or to the first content of a stream.
    pub(super) within: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// `Class::Ok` if it was answered.
    pub(super) class: Class,
    /// What went wrong on the wire.
    pub(super) fault: Option<Fault>,
    /// The status of the reply, if one came.
    pub(super) status: Option<u16>,
    /// What an error said about itself: not redacted.
    pub(super) said: Option<Box<Said>>,
    /// How the system put it, where there was no reply.
    pub(super) detail: Option<String>,
    /// How long to leave the upstream alone.
    pub(super) wait: Option<Duration>,
    /// The upstream's own id of the request.
    pub(super) request_id: Option<String>,
    /// The id that was sent along, under which support finds what had no reply.
    pub(super) client_request_id: String,
    /// The headers of the reply, as far as one is known.
    pub(super) headers: HeaderMap,
    /// The body of an answer that came whole.
    pub(super) body: Option<Bytes>,
    /// When it was asked, in microseconds since the Unix epoch.
    pub(super) began_unix_micros: i64,
    /// How long it took.
    pub(super) took: Duration,
}

/// Tokens, as an answer counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Usage {
    #[serde(alias = "prompt_tokens")]
    pub(super) input_tokens: u64,
    #[serde(alias = "completion_tokens", default)]
    pub(super) output_tokens: u64,
}

impl Heard {
    /// The tokens that the answer says it used.
    pub(super) fn usage(&self) -> Option<Usage> {
        #[derive(Deserialize)]
        struct Counted {
            usage: Usage,
        }
        serde_json::from_slice::<Counted>(self.body.as_deref()?).ok().map(|counted| counted.usage)
    }
}

/// Asks `upstream` once.
///
/// # Errors
/// What is wrong with the upstream's settings: its address, its certificates.
pub(super) async fn ask(upstream: &Upstream, question: Question) -> Result<Heard, String> {
    let Question { method, target, body, read_max, within } = question;
    let ear = Arc::new(Ear::default());
    // A client of its own for every question: one that remembers failures would stop asking.
    let client = Client::builder()
        .upstream(upstream.clone())
        .policy(once(within))
        .observer(Arc::clone(&ear) as Arc<dyn Observer>)
        .build()
        .map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::from_iter([
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (header::USER_AGENT, HeaderValue::from_static(concat!("seawall-doctor/", env!("CARGO_PKG_VERSION")))),
    ]);
    if !body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let facts = Request::of(&method, target.path(), &headers, Some(&body), body.len() as u64);
    let (arrived, began_unix_micros) = (now(), seawall::proxy::unix_micros());
    let id = client.new_id(began_unix_micros);
    let call = Call {
        facts,
        target,
        headers,
        payload: Payload::Kept(body),
        replay: Ok(()),
        max_retries: Some(0),
        commit: None,
        labels: Labels { id: id.clone(), ..Labels::default() },
        follower: None,
        arrived,
        arrived_unix_micros: began_unix_micros,
    };
    // On the heap: whoever waits for this would be as large as it.
    let conclusion = Box::pin(client.run(call)).await;
    let mut heard = Heard {
        class: Class::Ok,
        fault: None,
        status: None,
        said: None,
        detail: None,
        wait: None,
        request_id: None,
        client_request_id: format!("{id}-1"),
        headers: HeaderMap::new(),
        body: None,
        began_unix_micros,
        took: now().saturating_duration_since(arrived),
    };
    match conclusion {
        Conclusion::Answer(mut answer) => {
            heard.status = Some(answer.head.status.as_u16());
            heard.request_id = verdict::request_id(&answer.head.headers).map(str::to_owned);
            heard.body = answer.relay.take_whole();
            if heard.body.is_none() && read_max > 0 {
                heard.body = tokio::time::timeout(within, rest(&mut answer.relay, read_max)).await.ok();
            }
            heard.headers = answer.head.headers;
        }
        Conclusion::Failure(failure) => {
            let attempt = ear.attempt.lock().unwrap_or_else(PoisonError::into_inner).take();
            heard.class = failure.class.unwrap_or(Class::NotSent);
            heard.fault = failure.fault;
            heard.wait = failure.wait;
            heard.request_id = failure.upstream_ids.last().cloned();
            heard.status = attempt.as_ref().and_then(|attempt| attempt.status);
            heard.detail = attempt.and_then(|attempt| attempt.message).filter(|_| failure.said.is_none());
            heard.said = failure.said;
            if let Some((head, body)) = failure.reply {
                heard.headers = head.headers;
                heard.body = Some(body);
            }
        }
    }
    Ok(heard)
}

/// What a flowing answer holds, up to `max` bytes.
async fn rest(relay: &mut Relay, max: usize) -> Bytes {
    let mut all = BytesMut::new();
    while all.len() < max {
        match poll_fn(|cx| relay.poll_piece(cx)).await {
            Some(Piece::Data(bytes)) => all.extend_from_slice(&bytes),
            Some(Piece::Trailers(_)) => {}
            Some(Piece::Broken(_) | Piece::Failed(_) | Piece::Unfit) | None => break,
        }
    }
    all.truncate(max);
    all.freeze()
}

/// A policy of one attempt.
fn once(within: Duration) -> Policy {
    let mut policy = Policy::default();
    policy.retry.max_attempts = 1;
    policy.timeout.connect = policy.timeout.connect.min(within);
    policy.timeout.first_content = FirstContent::Fixed(within);
    policy.timeout.total = within;
    policy
}

#[expect(clippy::disallowed_methods, reason = "a question owns its wait")]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::from_std(std::time::Instant::now())
}

/// Hears of the one attempt.
#[derive(Default)]
struct Ear {
    attempt: Mutex<Option<event::Attempt>>,
}

impl Observer for Ear {
    fn failed(&self, _: &Arc<event::Request>, attempt: event::Attempt) {
        *self.attempt.lock().unwrap_or_else(PoisonError::into_inner) = Some(attempt);
    }

    fn answered(&self, _: &Request, _: &Answered<'_>) {}

    fn ended(&self, _: &Request, _: Option<&Arc<event::Request>>, _: event::Ended) {}

    fn left(&self, _: &Request, _: u32) {}
}
