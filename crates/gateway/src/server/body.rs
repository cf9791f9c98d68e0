//! An answer's body on its way out: whole, or relayed and, if it breaks, ended loudly.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use seawall::proxy::{Broken, Failure, Hold, Piece, Relay};
use seawall_core::event;
use seawall_core::request::Dialect;

use super::loud::{Conn, LoudEnd, Serving};
use super::whole::Whole;
use super::{InFlight, Server, last_event};

/// An answer's body.
pub(crate) enum AnswerBody {
    /// All of it.
    Whole(Bytes),
    /// From an upstream, piece by piece.
    Relayed(Box<Relayed>),
}

/// A reply on its way through.
pub(crate) struct Relayed {
    state: State,
    /// What of an event has come, where the reply is a stream of events.
    events: Option<Whole>,
    /// They have come, and go after the last of the data.
    trailers: Option<HeaderMap>,
    dialect: Option<Dialect>,
    id: String,
    server: Arc<Server>,
    conn: Arc<Conn>,
    is_h2: bool,
    _held: (InFlight, Serving, Hold),
}

enum State {
    Flowing(Relay),
    /// It broke; what is known of that is on its way to the record.
    Recording(Last, Pin<Box<dyn Future<Output = bool> + Send>>),
    /// The last event has been handed over, and must reach the wire before the end.
    Ending(Pin<Box<dyn Future<Output = ()> + Send>>),
    Over,
}

/// What the last event tells of.
enum Last {
    Broken(Broken),
    Failed(Box<Failure>),
    Unfit,
}

impl AnswerBody {
    pub(crate) fn whole(bytes: Bytes) -> AnswerBody {
        AnswerBody::Whole(bytes)
    }

    /// A reply that is relayed; what is held for the request is held until its end.
    pub(crate) fn relayed(
        mut relay: Relay,
        dialect: Option<Dialect>,
        id: String,
        server: Arc<Server>,
        conn: Arc<Conn>,
        is_h2: bool,
        held: (InFlight, Serving, Hold),
    ) -> AnswerBody {
        if let Some(bytes) = relay.take_whole() {
            return AnswerBody::Whole(bytes);
        }
        server.observe.metrics.streams_open.inc();
        let events = relay.is_watched().then(Whole::default);
        let state = State::Flowing(relay);
        AnswerBody::Relayed(Box::new(Relayed {
            state,
            events,
            trailers: None,
            dialect,
            id,
            server,
            conn,
            is_h2,
            _held: held,
        }))
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.server.observe.metrics.streams_open.dec();
    }
}

/// What the caller was told before it failed.
const OK: u16 = 200;

impl Relayed {
    /// What is left of the data at a clean end: half an event, or one that lacks its empty line.
    fn last(&mut self) -> Option<Bytes> {
        self.events.as_mut().map(Whole::take).filter(|last| !last.is_empty())
    }

    /// Writes down what the last event will tell of.
    fn record(&mut self, last: Last, record: Option<Arc<event::Request>>) {
        let server = Arc::clone(&self.server);
        let settle = Box::pin(async move {
            match record {
                Some(record) => server.observe.settle(&record).await,
                None => true,
            }
        });
        self.state = State::Recording(last, settle);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, LoudEnd>>> {
        loop {
            if let Some(trailers) = self.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            match &mut self.state {
                State::Flowing(relay) => match ready!(relay.poll_piece(cx)) {
                    Some(Piece::Data(bytes)) => {
                        let whole = match &mut self.events {
                            Some(events) => events.push(bytes),
                            None => Some(bytes),
                        };
                        if let Some(bytes) = whole {
                            return Poll::Ready(Some(Ok(Frame::data(bytes))));
                        }
                    }
                    Some(Piece::Trailers(trailers)) => match self.last() {
                        Some(last) => {
                            self.trailers = Some(trailers);
                            return Poll::Ready(Some(Ok(Frame::data(last))));
                        }
                        None => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                    },
                    None => {
                        self.state = State::Over;
                        return Poll::Ready(self.last().map(|last| Ok(Frame::data(last))));
                    }
                    Some(Piece::Broken(broken)) => {
                        let record = Some(Arc::clone(&broken.record));
                        self.record(Last::Broken(broken), record);
                    }
                    Some(Piece::Failed(mut failure)) => {
                        failure.answered_with(OK);
                        let record = failure.record().cloned();
                        self.record(Last::Failed(failure), record);
                    }
                    Some(Piece::Unfit) => self.record(Last::Unfit, None),
                },
                State::Recording(last, settle) => {
                    let is_recorded = ready!(settle.as_mut().poll(cx));
                    let event = match last {
                        Last::Broken(broken) => last_event::broken(broken, &self.id, is_recorded),
                        Last::Failed(failure) => last_event::failed(failure, self.dialect, &self.id, is_recorded),
                        Last::Unfit => last_event::unfit(self.dialect, &self.id),
                    };
                    let Some(event) = event else {
                        self.state = State::Over;
                        return Poll::Ready(Some(Err(LoudEnd)));
                    };
                    let event = match &self.events {
                        Some(events) => events.behind(event),
                        None => event,
                    };
                    let (event, written) = self.conn.hook(event, self.is_h2);
                    self.state = State::Ending(written);
                    return Poll::Ready(Some(Ok(Frame::data(event))));
                }
                State::Ending(written) => {
                    ready!(written.as_mut().poll(cx));
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(LoudEnd)));
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = LoudEnd;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, LoudEnd>>> {
        match &mut *self {
            AnswerBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            AnswerBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            AnswerBody::Relayed(relayed) => relayed.poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            AnswerBody::Relayed(_) => SizeHint::default(),
        }
    }
}
