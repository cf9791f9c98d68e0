//! A stream whose caller is kept on the line while nothing has come yet.
//!
//! Some clients give up when they have heard nothing for a while, and say so to nobody: Node's own
//! `fetch` does after 300 s. A healthy slow answer would be cut off, and asked and paid for again. So
//! before that the head of a stream is sent, and a comment from time to time: `: seawall waiting`, which
//! every SDK passes over. The attempts go on meanwhile as if nothing had happened; what is lost is the
//! status of a failure, which can only be told inside the stream from then on.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Response, header, response};
use seawall_core::plan::policy::Policy;
use seawall_core::request::Request;
use tokio::time::timeout_at;

use crate::attempt::{self, Answer, Call, Conclusion};
use crate::engine::Engine;
use crate::relay::{Late, Later, Relay};

/// Node's `fetch` gives up after 300 s without a head; a fifth of that is left for the way.
const SILENCE_MAX: Duration = Duration::from_secs(240);

/// After how long its caller must hear something of `facts`; `None` if it need not.
///
/// A read timeout that is announced ends the wait for the answer anyway, and with a proper status.
pub(crate) fn silence(policy: &Policy, facts: &Request) -> Option<Duration> {
    if !facts.stream || facts.endpoint.dialect().is_none() {
        return None;
    }
    let own = if facts.patience.read.is_none() { Some(SILENCE_MAX) } else { None };
    match (own, policy.streams.comment_after) {
        (Some(own), Some(wanted)) => Some(own.min(wanted)),
        (own, wanted) => own.or(wanted),
    }
}

/// Runs a call to its conclusion, or until its caller has heard nothing for `silence`.
pub(crate) async fn run(engine: &Arc<Engine>, call: Call, silence: Duration) -> Conclusion {
    let until = call.arrived + silence;
    let mut course = Box::pin(attempt::run(Arc::clone(engine), call));
    if let Ok(conclusion) = timeout_at(until, &mut course).await {
        return conclusion;
    }
    let later = Later::new(async move {
        match course.await {
            Conclusion::Answer(answer) if is_stream(&answer.head) => Late::Answer(answer.relay),
            Conclusion::Answer(_) => Late::Unfit,
            Conclusion::Failure(failure) => Late::Failed(failure),
        }
    });
    Conclusion::Answer(Box::new(Answer {
        head: head(),
        relay: Relay::waiting(later, silence),
        tunnel: None,
        found: None,
    }))
}

fn is_stream(head: &response::Parts) -> bool {
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|name| name.to_ascii_lowercase().starts_with("text/event-stream"))
}

fn head() -> response::Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    head
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    fn facts(path: &str, body: &str, headers: &[(&'static str, &str)]) -> Request {
        let headers = headers.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"))
        });
        let headers = HeaderMap::from_iter(headers);
        Request::of(&Method::POST, path, &headers, Some(body.as_bytes()), body.len() as u64)
    }

    #[test]
    fn a_stream_is_kept_on_the_line_before_its_caller_gives_up() {
        const CHAT: &str = "/v1/chat/completions";
        const STREAM: &str = r#"{"model":"m","stream":true}"#;
        let mut policy = Policy::default();
        let read = [("x-stainless-read-timeout", "600")];
        assert_eq!(silence(&policy, &facts(CHAT, STREAM, &[])), Some(SILENCE_MAX));
        assert_eq!(silence(&policy, &facts(CHAT, STREAM, &read)), None, "it announces its own clock");
        assert_eq!(silence(&policy, &facts(CHAT, r#"{"model":"m"}"#, &[])), None, "no stream");
        assert_eq!(silence(&policy, &facts("/v1/files", STREAM, &[])), None, "no known form of events");
        policy.streams.comment_after = Some(Duration::from_secs(15));
        assert_eq!(silence(&policy, &facts(CHAT, STREAM, &[])), Some(Duration::from_secs(15)));
        assert_eq!(silence(&policy, &facts(CHAT, STREAM, &read)), Some(Duration::from_secs(15)));
        policy.streams.comment_after = Some(Duration::from_secs(900));
        assert_eq!(silence(&policy, &facts(CHAT, STREAM, &[])), Some(SILENCE_MAX));
    }
}
