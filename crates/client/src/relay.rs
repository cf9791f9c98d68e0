//! The reply on its way to the caller, watched to its last byte.
//!
//! From the first piece on there is no second attempt: what has been read has been read. Bytes
//! pass as they came. What can still be done is to notice that the end is not an end, and to say
//! so: a stream that is cut must never look complete.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use seawall_core::event::{self, Outcome, Reason};
use seawall_core::plan::fleet::Served;
use seawall_core::redact;
use seawall_core::request::Dialect;
use seawall_core::verdict::stream::{End, ErrorForm, Signal, Watch};
use seawall_core::verdict::{self, Fault, Verdict};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::exchange::{Flowing, Seen, cut_by};
use crate::live::Begun;
use crate::memory::Hold;
use crate::pool::Connection;
use crate::shared::instant;
use crate::tale::{FailedAttempt, Tale};

/// A reply's body.
pub struct Relay {
    state: State,
}

enum State {
    /// With the room that it takes up.
    Whole(Bytes, #[expect(dead_code, reason = "held, and given back when dropped")] Hold),
    Flowing(Box<Flow>),
    Done,
}

/// What comes next of a reply.
#[derive(Debug)]
pub enum Piece {
    /// Bytes, as the upstream sent them.
    Data(Bytes),
    /// Trailers.
    Trailers(HeaderMap),
    /// It broke off. The attempt is on its way to the record; nothing follows.
    Broken(Broken),
}

/// How a reply broke off.
#[derive(Debug, Clone)]
pub struct Broken {
    /// What went wrong.
    pub fault: Fault,
    /// The form of the stream, if its events are known.
    pub dialect: Option<Dialect>,
    /// Whether the upstream itself sent an error event, which has gone to the caller.
    pub was_told: bool,
    /// The last `sequence_number` seen, of a Responses stream.
    pub sequence: Option<u64>,
    /// The upstream's id of the request.
    pub upstream_request_id: Option<String>,
    /// The request, as it is on record.
    pub record: Arc<event::Request>,
}

/// A reply at the moment when its first piece may go to the caller.
pub(crate) struct Start {
    pub(crate) tale: Tale,
    pub(crate) flowing: Box<Flowing>,
    pub(crate) outcome: Outcome,
    pub(crate) begun: Begun,
    pub(crate) seen: Seen,
    pub(crate) headers: HeaderMap,
    pub(crate) client_request_id: Option<String>,
    pub(crate) idle: Duration,
    pub(crate) since: Instant,
    /// Where it came from, for the vote against it should it break.
    pub(crate) served: Option<Served>,
}

struct Flow {
    held: VecDeque<Bytes>,
    /// The room that `held` takes up; given back with its last piece.
    hold: Option<Hold>,
    rest: Incoming,
    watch: Option<Watch>,
    connection: Option<Connection>,
    idle: Duration,
    last: Instant,
    stall: Pin<Box<Sleep>>,
    tale: Tale,
    outcome: Outcome,
    begun: Begun,
    seen: Seen,
    headers: HeaderMap,
    client_request_id: Option<String>,
    bytes_out: u64,
    served: Option<Served>,
    /// The upstream reported an error: what has come of it goes on, and then it is over.
    has_failed: bool,
    is_over: bool,
}

impl Relay {
    pub(crate) fn whole(bytes: Bytes, hold: Hold) -> Relay {
        Relay { state: State::Whole(bytes, hold) }
    }

    pub(crate) fn flowing(start: Start) -> Relay {
        let Start { tale, flowing, outcome, begun, seen, headers, client_request_id, idle, since, served } = start;
        let Flowing { held, hold, rest, watch, connection } = *flowing;
        Relay {
            state: State::Flowing(Box::new(Flow {
                held,
                hold: Some(hold),
                rest,
                watch,
                connection: Some(connection),
                idle,
                last: since,
                stall: Box::pin(sleep_until(since + idle)),
                tale,
                outcome,
                begun,
                seen,
                headers,
                client_request_id,
                bytes_out: 0,
                served,
                has_failed: false,
                is_over: false,
            })),
        }
    }

    /// Whether this is a stream whose events are known here.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        matches!(&self.state, State::Flowing(flow) if flow.watch.is_some())
    }

    /// All of the body, if it is already here.
    pub fn take_whole(&mut self) -> Option<Bytes> {
        match &mut self.state {
            State::Whole(bytes, _) => Some(std::mem::take(bytes)),
            _ => None,
        }
    }

    /// The next piece; `None` after a clean end or [`Piece::Broken`].
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match &mut self.state {
            State::Done => Poll::Ready(None),
            State::Whole(bytes, _) => {
                let bytes = std::mem::take(bytes);
                self.state = State::Done;
                Poll::Ready((!bytes.is_empty()).then_some(Piece::Data(bytes)))
            }
            State::Flowing(flow) => {
                let piece = ready!(flow.poll_piece(cx));
                if matches!(piece, None | Some(Piece::Broken(_))) {
                    self.state = State::Done;
                }
                Poll::Ready(piece)
            }
        }
    }
}

impl Flow {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Some(bytes) = self.held.pop_front() {
            self.bytes_out += bytes.len() as u64;
            return Poll::Ready(Some(Piece::Data(bytes)));
        }
        self.hold = None;
        if self.has_failed {
            return Poll::Ready(self.over(None));
        }
        match Pin::new(&mut self.rest).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(self.take(frame))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(self.over(Some((cut_by(&error), error.to_string())))),
            Poll::Ready(None) => {
                if let Some(connection) = self.connection.take() {
                    self.tale.engine.upstream(self.begun.upstream).pool.put_back(connection, instant());
                }
                Poll::Ready(self.over(None))
            }
            Poll::Pending => {
                ready!(self.poll_stall(cx));
                Poll::Ready(self.over(Some((Fault::Stall, format!("no byte for {} s", self.idle.as_secs())))))
            }
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Piece {
        self.last = instant();
        match frame.into_data() {
            Ok(mut bytes) => {
                // A failed end is the dialect's own: what follows it belongs to it.
                if let Some(watch) = &mut self.watch
                    && watch.push(&bytes) == Signal::Error
                    && watch.end() == End::Failed
                {
                    self.has_failed = true;
                    bytes.truncate(bytes.len() - watch.bytes_after_error());
                }
                self.seen.bytes_in += bytes.len() as u64;
                self.bytes_out += bytes.len() as u64;
                Piece::Data(bytes)
            }
            Err(frame) => Piece::Trailers(frame.into_trailers().unwrap_or_default()),
        }
    }

    /// Ready when no byte has come for too long. The timer is moved only when it fires, so that
    /// a piece costs no timer.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.stall.as_mut().poll(cx));
            let due = self.last + self.idle;
            if due <= instant() {
                return Poll::Ready(());
            }
            self.stall.as_mut().reset(due);
        }
    }

    /// The upstream has no more to say, for better or worse.
    fn over(&mut self, broke: Option<(Fault, String)>) -> Option<Piece> {
        self.is_over = true;
        let end = self.watch.as_ref().map(Watch::end);
        let cut = || (Fault::StreamCut, "the stream ended without its last event".to_string());
        let fault = match (end, broke) {
            // Everything had been said before it broke.
            (Some(End::Complete), _) | (None, None) => None,
            (Some(End::Failed), _) => Some((Fault::StreamError, "the upstream reported an error".to_string())),
            (Some(End::CutBeforeContent | End::CutAfterContent), broke) => Some(broke.unwrap_or_else(cut)),
            (None, Some(broke)) => Some(broke),
        };
        let status = 200;
        let Some((fault, detail)) = fault else {
            self.tale.ended(self.outcome, Reason::Answered, status);
            return None;
        };
        if let Some(served) = self.served.take() {
            let engine = &self.tale.engine;
            engine.shared.decide(|now, fleet, dice| fleet.broke(now, &engine.policy, dice, &served));
        }
        let upstream_request_id = verdict::request_id(&self.headers).map(ToString::to_string);
        let sequence = self.watch.as_ref().and_then(Watch::sequence_number);
        let dialect = self.tale.facts.endpoint.dialect().filter(|_| self.watch.is_some());
        let told = self.watch.as_ref().and_then(Watch::error).map(|error| error.form);
        let was_told = told == Some(ErrorForm::Object);
        let mut seen = std::mem::take(&mut self.seen);
        seen.ended = Some(instant());
        seen.headers = Some(std::mem::take(&mut self.headers));
        let failed = FailedAttempt {
            begun: self.begun,
            verdict: Verdict::mid_stream(fault),
            seen,
            detail: Some(detail),
            client_request_id: self.client_request_id.take(),
            bytes_out: self.bytes_out,
        };
        let nothing = redact::Input { headers: &HeaderMap::new(), body: None };
        self.tale.failed(nothing, failed, Reason::Committed, None);
        self.tale.ended(Outcome::Interrupted, Reason::Committed, status);
        let record = Arc::clone(self.tale.record());
        Some(Piece::Broken(Broken { fault, dialect, was_told, sequence, record, upstream_request_id }))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if !self.is_over {
            self.tale.ended(self.outcome, Reason::CallerLeft, 200);
        }
    }
}

/// A reply that broke off half-way.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off: {}", .0.fault)]
pub struct Interrupted(pub Broken);

impl Body for Relay {
    type Data = Bytes;
    type Error = Interrupted;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Interrupted>>> {
        Poll::Ready(match ready!(self.poll_piece(cx)) {
            None => None,
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Piece::Broken(broken)) => Some(Err(Interrupted(broken))),
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Done => true,
            State::Whole(bytes, _) => bytes.is_empty(),
            State::Flowing(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Done => SizeHint::with_exact(0),
            State::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            State::Flowing(_) => SizeHint::default(),
        }
    }
}
