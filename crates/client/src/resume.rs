//! A Responses stream that runs in the background is taken up again where it broke.
//!
//! What generates the answer goes on without its reader: `GET /responses/{id}?stream=true&starting_after=N`
//! gives the events after number N. So nothing is generated twice, and nothing is lost. The caller gets
//! whole events only, each once: of an event that was cut, the first half must not stand before its
//! second coming.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, header};
use seawall_core::json;
use seawall_core::plan::policy::OnBreak;
use seawall_core::request::{Endpoint, Request};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::{Class, Fault};
use tokio::time::sleep;

use crate::body::{Payload, SendBody};
use crate::engine::Engine;
use crate::exchange::{self, Failed, Flowing, ReplyBody, Seen, Try};
use crate::polled::Polled;
use crate::shared::instant;

/// A stream is taken up again so often.
const RESUMED_MAX: u32 = 3;
/// The first time is at once; before the second is this wait, and twice as long before the third.
const WAIT: Duration = Duration::from_millis(250);
/// The first event must come within this: the answer has begun long ago.
const EVENT_WITHIN: Duration = Duration::from_secs(60);
/// An event that is larger passes as it comes: it cannot be held back any more.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// What came of taking it up again, and what was noticed meanwhile.
type TakenUp = (Seen, Result<Box<Flowing>, Failed>);
type Again = Polled<TakenUp>;

/// How a stream is taken up again, and how far that has come.
pub(crate) struct Resume {
    source: Arc<Source>,
    times: u32,
    under_way: Option<Again>,
    /// The beginning of an event.
    tail: BytesMut,
    /// The number of the last event that the caller has.
    told: Option<u64>,
    response_id: Option<Box<str>>,
}

/// Where it comes from: the same upstream with the same key, for no other knows of it.
struct Source {
    engine: Arc<Engine>,
    facts: Request,
    path: String,
    headers: HeaderMap,
    place: (UpstreamId, usize),
}

impl Resume {
    /// For a stream that can be taken up again, where that is wanted.
    pub(crate) fn of(
        engine: &Arc<Engine>,
        facts: &Request,
        target: &PathAndQuery,
        mut headers: HeaderMap,
        place: (UpstreamId, usize),
    ) -> Option<Box<Resume>> {
        let can = facts.endpoint == Endpoint::Responses && facts.method == Method::POST;
        let is_wanted = engine.policy.streams.on_break == OnBreak::Resume;
        if !(can && is_wanted && facts.stream && facts.background) {
            return None;
        }
        headers.remove(header::CONTENT_TYPE);
        let path = target.path().trim_end_matches('/').to_string();
        let facts = Request { method: Method::GET, ..facts.clone() };
        let source = Arc::new(Source { engine: Arc::clone(engine), facts, path, headers, place });
        Some(Box::new(Resume {
            source,
            times: 0,
            under_way: None,
            tail: BytesMut::new(),
            told: None,
            response_id: None,
        }))
    }

    /// What has been held back of an event, when no more will come.
    pub(crate) fn into_tail(self) -> Bytes {
        self.tail.freeze()
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins to take up the stream of `response_id`, whose last event seen is `seen`; false if it cannot be.
    pub(crate) fn begin(&mut self, response_id: Option<&str>, seen: Option<u64>) -> bool {
        if self.response_id.is_none() {
            self.response_id = response_id.map(Into::into);
        }
        self.told = self.told.max(seen);
        let (Some(id), Some(told)) = (&self.response_id, self.told) else { return false };
        if self.times >= RESUMED_MAX {
            return false;
        }
        self.times += 1;
        self.tail.clear();
        let target = format!("{}/{id}?stream=true&starting_after={told}", self.source.path);
        let (source, wait) = (Arc::clone(&self.source), WAIT * (self.times - 1));
        self.under_way = Some(Again::new(async move {
            sleep(wait).await;
            source.take_up(&target).await
        }));
        true
    }

    /// What came of it; after a failure it is begun again, until it has been tried often enough.
    pub(crate) fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<TakenUp> {
        loop {
            let Some(again) = &mut self.under_way else {
                let failed = (Fault::StreamCut, "it was not taken up".into());
                return Poll::Ready((Seen::default(), Err(failed)));
            };
            let taken_up = ready!(Pin::new(again).poll(cx));
            self.under_way = None;
            match taken_up {
                (_, Err(_)) if self.begin(None, None) => {}
                taken_up => return Poll::Ready(taken_up),
            }
        }
    }

    /// Of what has come, with `bytes`, all events that are whole and new to the caller.
    pub(crate) fn whole_events(&mut self, bytes: Bytes) -> Bytes {
        if self.tail.is_empty() && self.times == 0 && end_of_event(&bytes) == Some(bytes.len()) {
            return bytes;
        }
        self.tail.extend_from_slice(&bytes);
        if self.times == 0 {
            let end =
                last_end(&self.tail).unwrap_or(if self.tail.len() > EVENT_BYTES_MAX { self.tail.len() } else { 0 });
            return self.tail.split_to(end).freeze();
        }
        let mut new = BytesMut::new();
        while let Some(end) = end_of_event(&self.tail) {
            let event = self.tail.split_to(end);
            let number = sequence_number(&event);
            if number.is_none() || number > self.told {
                new.extend_from_slice(&event);
                self.told = self.told.max(number);
            }
        }
        new.freeze()
    }
}

impl Source {
    async fn take_up(&self, target: &str) -> TakenUp {
        let (id, key) = self.place;
        let upstream = self.engine.upstream(id);
        let Ok(target) = target.parse::<PathAndQuery>() else {
            return (Seen::default(), Err((Fault::NotSent, "no such path".to_string())));
        };
        let mut request = http::Request::new(SendBody::from(Payload::Kept(Bytes::new())));
        *request.uri_mut() = upstream.uri(&target).unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        upstream.sign(request.headers_mut(), key);
        let exchange = exchange::run(Try {
            upstream,
            request,
            facts: &self.facts,
            memory: &self.engine.memory,
            connect: self.engine.policy.timeout.connect,
            until: instant() + EVENT_WITHIN,
            is_last_moment: false,
            whole: None,
            progress: None,
        })
        .await;
        let flowing = match exchange.reply {
            Some(exchange::Reply { body: ReplyBody::Flowing(flowing), .. }) if exchange.verdict.class == Class::Ok => {
                Ok(flowing)
            }
            _ => {
                let fault = exchange.verdict.fault.unwrap_or(Fault::StreamCut);
                Err((fault, "the stream broke, and could not be taken up again".into()))
            }
        };
        (exchange.seen, flowing)
    }
}

/// Where the first event ends: behind its empty line.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    let mut at = 0;
    while at < bytes.len() {
        let end = at + memchr::memchr2(b'\n', b'\r', &bytes[at..])?;
        let is_pair = bytes[end] == b'\r' && bytes.get(end + 1) == Some(&b'\n');
        // What follows a last carriage return is not known yet.
        if bytes[end] == b'\r' && end + 1 == bytes.len() {
            return None;
        }
        let next = end + if is_pair { 2 } else { 1 };
        if end == line {
            return Some(next);
        }
        (line, at) = (next, next);
    }
    None
}

/// Where the last whole event ends.
fn last_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = end_of_event(&bytes[at..]) {
        at += end;
    }
    (at > 0).then_some(at)
}

fn sequence_number(event: &[u8]) -> Option<u64> {
    let data = event.split(|&c| c == b'\n').find_map(|line| line.strip_prefix(b"data:"))?;
    json::field(data, "sequence_number").and_then(json::uint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_behind_its_empty_line_whatever_its_line_ends_are() {
        for (text, end) in [
            ("data: a\n\ndata: b", Some(9)),
            ("data: a\r\n\r\ndata: b", Some(11)),
            ("data: a\r\rdata: b", Some(9)),
            ("event: x\ndata: a\n\n", Some(18)),
            ("data: a\n", None),
            ("data: a\n\r", None),
            ("data: a", None),
            ("\n", Some(1)),
            ("", None),
        ] {
            assert_eq!(end_of_event(text.as_bytes()), end, "{text:?}");
        }
        assert_eq!(last_end(b"data: a\n\ndata: b\n\ndata: c"), Some(18));
        assert_eq!(last_end(b"data: a"), None);
    }

    #[test]
    fn the_number_of_an_event_is_in_its_data() {
        assert_eq!(sequence_number(b"event: x\ndata: {\"sequence_number\":7,\"a\":1}\n\n"), Some(7));
        assert_eq!(sequence_number(b": ping\n\n"), None);
        assert_eq!(sequence_number(b"data: [DONE]\n\n"), None);
    }
}
