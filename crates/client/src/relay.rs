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
use seawall_core::request::Dialect;
use seawall_core::verdict::code::provider;
use seawall_core::verdict::stream::{End, ErrorForm, Signal, Watch};
use seawall_core::verdict::usage::Evidence;
use seawall_core::verdict::{self, Fault};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clocks::{Clocks, RunOut};
use crate::exchange::{Failed, Flowing, Seen, cut_by};
use crate::failure::Failure;
use crate::live::Begun;
use crate::memory::Hold;
use crate::observer::tell_at_the_end;
use crate::polled::Polled;
use crate::pool::Connection;
use crate::resume::Resume;
use crate::shared::instant;
use crate::tale::{self, Broke, Tale};

/// A reply's body.
pub struct Relay {
    state: State,
}

enum State {
    /// With the room that it takes up.
    Whole(Bytes, #[expect(dead_code, reason = "held, and given back when dropped")] Hold),
    Flowing(Box<Flow>),
    /// No answer yet: the caller hears a comment from time to time.
    Waiting(Box<Waiting>),
    Done,
}

/// What will come of a call, for a caller that is kept on the line meanwhile.
pub(crate) type Later = Polled<Late>;

/// What came of it.
pub(crate) enum Late {
    Answer(Relay),
    /// An answer that is no stream.
    Unfit,
    Failed(Box<Failure>),
}

/// What a caller hears that waits.
const COMMENT: Bytes = Bytes::from_static(b": seawall waiting\n");

struct Waiting {
    later: Later,
    /// The next comment.
    comment: Pin<Box<Sleep>>,
    every: Duration,
}

/// What comes next of a reply.
pub enum Piece {
    /// Bytes, as the upstream sent them.
    Data(Bytes),
    /// Trailers.
    Trailers(HeaderMap),
    /// It broke off. The attempt is on its way to the record; nothing follows.
    Broken(Broken),
    /// No answer came after all, for a caller that was kept on the line; nothing follows.
    Failed(Box<Failure>),
    /// The answer that came is no stream, and the head of one has gone to the caller; nothing follows.
    Unfit,
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
    /// The code that the upstream's own error event names, where it is a known word.
    pub code: Option<String>,
    /// The name of the upstream.
    pub upstream: String,
    /// Attempts made.
    pub attempts: u32,
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
    pub(crate) since: Instant,
    /// Where it came from, for the vote against it should it break.
    pub(crate) served: Option<Served>,
    /// How it can be taken up again where it breaks.
    pub(crate) resume: Option<Box<Resume>>,
}

struct Flow {
    held: VecDeque<Bytes>,
    /// The room that `held` takes up; given back with its last piece.
    hold: Option<Hold>,
    rest: Incoming,
    watch: Option<Watch>,
    connection: Option<Connection>,
    clocks: Clocks,
    tale: Tale,
    outcome: Outcome,
    begun: Begun,
    seen: Seen,
    headers: HeaderMap,
    client_request_id: Option<String>,
    bytes_out: u64,
    served: Option<Served>,
    /// How it can be taken up again where it breaks.
    resume: Option<Box<Resume>>,
    /// The upstream reported an error: what has come of it goes on, and then it is over.
    has_failed: bool,
    is_over: bool,
}

impl Relay {
    pub(crate) fn whole(bytes: Bytes, hold: Hold) -> Relay {
        Relay { state: State::Whole(bytes, hold) }
    }

    pub(crate) fn flowing(start: Start) -> Relay {
        let Start { tale, flowing, outcome, begun, seen, headers, client_request_id, since, served, resume } = start;
        let clocks = Clocks::new(&tale.engine.policy, since);
        let Flowing { held, hold, rest, watch, connection } = *flowing;
        Relay {
            state: State::Flowing(Box::new(Flow {
                held,
                hold: Some(hold),
                rest,
                watch,
                connection: Some(connection),
                clocks,
                tale,
                outcome,
                begun,
                seen,
                headers,
                client_request_id,
                bytes_out: 0,
                served,
                resume,
                has_failed: false,
                is_over: false,
            })),
        }
    }

    /// Whether these are events of a kind that is known here, or will be if an answer still comes.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        match &self.state {
            State::Flowing(flow) => flow.watch.is_some(),
            State::Waiting(_) => true,
            State::Whole(..) | State::Done => false,
        }
    }

    /// Whether the last piece ended in the upstream's own word that it failed; what follows is [`Piece::Broken`].
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(&self.state, State::Flowing(flow) if flow.has_failed)
    }

    pub(crate) fn waiting(later: Later, every: Duration) -> Relay {
        let comment = Box::pin(sleep_until(instant()));
        Relay { state: State::Waiting(Box::new(Waiting { later, comment, every })) }
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
        if let State::Waiting(waiting) = &mut self.state {
            let Some(late) = ready!(waiting.poll_late(cx)) else { return Poll::Ready(Some(Piece::Data(COMMENT))) };
            let piece = match late {
                Late::Answer(relay) => {
                    *self = relay;
                    return self.poll_piece(cx);
                }
                Late::Unfit => Piece::Unfit,
                Late::Failed(failure) => Piece::Failed(failure),
            };
            self.state = State::Done;
            return Poll::Ready(Some(piece));
        }
        match &mut self.state {
            State::Done | State::Waiting(_) => Poll::Ready(None),
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

impl Waiting {
    /// What came of it; `None` when it is time for a comment.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Option<Late>> {
        if let Poll::Ready(late) = Pin::new(&mut self.later).poll(cx) {
            return Poll::Ready(Some(late));
        }
        ready!(self.comment.as_mut().poll(cx));
        self.comment.as_mut().reset(instant() + self.every);
        Poll::Ready(None)
    }
}

impl Flow {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        loop {
            if let Some(bytes) = self.held.pop_front() {
                match self.pass(bytes) {
                    Some(piece) => return Poll::Ready(Some(piece)),
                    None => continue,
                }
            }
            self.hold = None;
            if self.has_failed {
                return Poll::Ready(self.over(None));
            }
            if let Some(resume) = &mut self.resume
                && resume.is_under_way()
            {
                match resume.poll_again(cx) {
                    Poll::Ready((seen, taken_up)) => {
                        self.begin_anew(&seen);
                        match taken_up {
                            Ok(flowing) => self.go_on(*flowing),
                            Err((fault, detail)) => return Poll::Ready(Some(self.broken(fault, detail))),
                        }
                    }
                    Poll::Pending => return self.poll_comment(cx),
                }
                continue;
            }
            let broke = match Pin::new(&mut self.rest).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match self.take(frame) {
                    Some(piece) => return Poll::Ready(Some(piece)),
                    None => continue,
                },
                Poll::Ready(Some(Err(error))) => Some((cut_by(&error), error.to_string())),
                Poll::Ready(None) => None,
                Poll::Pending => match ready!(self.clocks.poll(cx)) {
                    RunOut::Byte(idle) => Some(stall("byte", idle)),
                    // Of a stream whose events are not known, any byte may be content.
                    RunOut::Content(_) if self.watch.is_none() => {
                        self.clocks.content_came(instant());
                        continue;
                    }
                    RunOut::Content(idle) => Some(stall("content", idle)),
                    RunOut::Caller if self.watch.as_ref().is_some_and(|watch| !watch.is_mid_event()) => {
                        return Poll::Ready(Some(Piece::Data(COMMENT)));
                    }
                    RunOut::Caller => continue,
                },
            };
            if broke.is_none()
                && let Some(connection) = self.connection.take()
            {
                self.tale.engine.upstream(self.begun.upstream).pool.put_back(connection, instant());
            }
            if self.resumes(broke.as_ref()) {
                continue;
            }
            // Some servers leave out the empty line after their last word.
            let is_whole = self.watch.as_ref().is_some_and(|watch| watch.end() == End::Complete);
            let tail = self.resume.take().filter(|_| is_whole).map(|resume| resume.into_tail());
            match tail.filter(|tail| !tail.is_empty()) {
                Some(tail) => self.held.push_back(tail),
                None => return Poll::Ready(self.over(broke)),
            }
        }
    }

    /// While it is taken up again, nothing comes but a comment from time to time.
    fn poll_comment(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        loop {
            self.clocks.content_came(instant());
            if let RunOut::Caller = ready!(self.clocks.poll(cx)) {
                return Poll::Ready(Some(Piece::Data(COMMENT)));
            }
        }
    }

    /// Begins to take it up again where it broke, if that can be done.
    fn resumes(&mut self, broke: Option<&(Fault, String)>) -> bool {
        let Some(watch) = &self.watch else { return false };
        let is_cut = matches!(watch.end(), End::CutAfterContent | End::CutBeforeContent);
        let (Some(resume), true) = (&mut self.resume, is_cut) else { return false };
        if !resume.begin(watch.response_id(), watch.sequence_number()) {
            return false;
        }
        let (fault, detail) = broke.cloned().unwrap_or_else(cut);
        let mut seen = Seen { began: self.seen.began, status: self.seen.status, ..Seen::default() };
        (seen.first_content, seen.bytes_in) = (self.seen.first_content, self.seen.bytes_in);
        seen.phases = self.seen.phases;
        let broke = Broke {
            begun: self.begun,
            fault,
            detail,
            seen,
            headers: self.headers.clone(),
            client_request_id: self.client_request_id.clone(),
            bytes_out: self.bytes_out,
            served: self.served.take(),
        };
        self.tale.broke(broke, Reason::Resume);
        self.tale.attempts += 1;
        self.begun = Begun { number: self.tale.attempts, at: instant(), unix_micros: tale::began(), ..self.begun };
        self.tale.resumes(self.begun);
        true
    }

    /// Of the attempt that takes it up again, what was noticed is its own; how much came is counted through.
    fn begin_anew(&mut self, seen: &Seen) {
        let began = self.begun.at;
        let waited = seen.began.map_or(Duration::ZERO, |at| at.saturating_duration_since(began));
        (self.seen.began, self.seen.status) = (Some(began), seen.status);
        self.seen.first_content = seen.first_content.map(|at| at + waited);
        self.seen.phases = seen.phases.later(waited);
    }

    /// Goes on with a stream that begins where this one broke.
    fn go_on(&mut self, flowing: Flowing) {
        let Flowing { held, hold, rest, watch, connection } = flowing;
        self.seen.evidence.content_events += self.watch.as_ref().map_or(0, Watch::content_events);
        (self.held, self.hold, self.rest) = (held, Some(hold), rest);
        (self.watch, self.connection) = (watch, Some(connection));
        self.clocks.content_came(instant());
    }

    /// What tells how many tokens it took. What came before it was taken up again counts as well.
    fn evidence(&self, is_whole: bool) -> Evidence {
        let before = self.seen.evidence.content_events;
        match &self.watch {
            Some(watch) => Evidence {
                usage: watch.usage(),
                content_events: before + watch.content_events(),
                body_bytes: 0,
                is_whole,
            },
            None => {
                Evidence { content_events: before, body_bytes: self.seen.bytes_in, is_whole, ..Evidence::default() }
            }
        }
    }

    /// A piece for the caller: of a stream that may be taken up again, whole events, each once.
    fn pass(&mut self, bytes: Bytes) -> Option<Piece> {
        let bytes = match &mut self.resume {
            Some(resume) => resume.whole_events(bytes),
            None => bytes,
        };
        self.bytes_out += bytes.len() as u64;
        (!bytes.is_empty()).then_some(Piece::Data(bytes))
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Option<Piece> {
        let now = instant();
        self.clocks.byte_came(now);
        match frame.into_data() {
            Ok(mut bytes) => {
                match self.watch.as_mut().map(|watch| (watch.push(&bytes), watch)) {
                    Some((Signal::Meta, _)) => {}
                    // A failed end is the dialect's own: what follows it belongs to it.
                    Some((Signal::Error, watch)) if watch.end() == End::Failed => {
                        self.has_failed = true;
                        bytes.truncate(bytes.len() - watch.bytes_after_error());
                    }
                    Some((Signal::Content | Signal::Terminal | Signal::Error, _)) | None => {
                        self.clocks.content_came(now);
                    }
                }
                self.seen.bytes_in += bytes.len() as u64;
                self.pass(bytes)
            }
            Err(frame) => Some(Piece::Trailers(frame.into_trailers().unwrap_or_default())),
        }
    }

    /// The upstream has no more to say, for better or worse.
    fn over(&mut self, broke: Option<(Fault, String)>) -> Option<Piece> {
        let end = self.watch.as_ref().map(Watch::end);
        let fault = match (end, broke) {
            // Everything had been said before it broke.
            (Some(End::Complete), _) | (None, None) => None,
            (Some(End::Failed), _) => Some((Fault::StreamError, "the upstream reported an error".to_string())),
            (Some(End::CutBeforeContent | End::CutAfterContent), broke) => Some(broke.unwrap_or_else(cut)),
            (None, Some(broke)) => Some(broke),
        };
        match fault {
            Some((fault, detail)) => Some(self.broken(fault, detail)),
            None => {
                self.is_over = true;
                if let Some(watch) = &self.watch {
                    self.tale.finished(watch);
                }
                let evidence = self.evidence(true);
                self.tale.answered(self.outcome, Reason::Answered, STATUS, &evidence);
                None
            }
        }
    }

    /// It has broken for good.
    fn broken(&mut self, fault: Fault, detail: String) -> Piece {
        self.is_over = true;
        self.seen.evidence = self.evidence(false);
        let upstream_request_id = verdict::request_id(&self.headers).map(ToString::to_string);
        let sequence = self.watch.as_ref().and_then(Watch::sequence_number);
        let dialect = self.tale.facts.endpoint.dialect().filter(|_| self.watch.is_some());
        let told = self.watch.as_ref().and_then(Watch::error);
        let was_told = told.is_some_and(|error| error.form == ErrorForm::Object);
        let said =
            told.and_then(|error| verdict::judge_event(error.name, &error.data)).and_then(|verdict| verdict.said);
        let code = said.and_then(|said| said.code.or(said.kind)).filter(|code| provider::of_word(code).is_some());
        let broke = Broke {
            begun: self.begun,
            fault,
            detail,
            seen: std::mem::take(&mut self.seen),
            headers: std::mem::take(&mut self.headers),
            client_request_id: self.client_request_id.take(),
            bytes_out: self.bytes_out,
            served: self.served.take(),
        };
        self.tale.broke(broke, Reason::Committed);
        self.tale.unanswered(Outcome::Interrupted, Reason::Committed, STATUS, None);
        let record = Arc::clone(self.tale.record());
        let upstream = self.tale.engine.upstream(self.begun.upstream).name.clone();
        let attempts = self.tale.attempts;
        let broken =
            Broken { fault, dialect, was_told, sequence, upstream_request_id, code, upstream, attempts, record };
        Piece::Broken(broken)
    }
}

/// What the caller of a stream was told before it flowed.
const STATUS: u16 = 200;

fn cut() -> Failed {
    (Fault::StreamCut, "the stream ended without its last event".to_string())
}

fn stall(what: &str, idle: Duration) -> Failed {
    (Fault::Stall, format!("no {what} for {} s", idle.as_secs()))
}

impl Drop for Flow {
    fn drop(&mut self) {
        if !self.is_over {
            let is_whole = self.watch.as_ref().is_some_and(|watch| watch.end() == End::Complete);
            let evidence = self.evidence(is_whole);
            tell_at_the_end(|| self.tale.answered(self.outcome, Reason::CallerLeft, STATUS, &evidence));
        }
    }
}

/// A reply that broke off half-way, or never came.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// It broke off.
    #[error("the answer broke off: {}", .0.fault)]
    Broken(Broken),
    /// None came, for a caller that was kept on the line.
    #[error("no answer came: {0}")]
    Failed(Reason),
    /// What came is no stream.
    #[error("the answer is no stream")]
    Unfit,
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Interrupted;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Interrupted>>> {
        Poll::Ready(match ready!(self.poll_piece(cx)) {
            None => None,
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Piece::Broken(broken)) => Some(Err(Interrupted::Broken(broken))),
            Some(Piece::Failed(failure)) => Some(Err(Interrupted::Failed(failure.reason))),
            Some(Piece::Unfit) => Some(Err(Interrupted::Unfit)),
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Done => true,
            State::Whole(bytes, _) => bytes.is_empty(),
            State::Flowing(_) | State::Waiting(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Done => SizeHint::with_exact(0),
            State::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            State::Flowing(_) | State::Waiting(_) => SizeHint::default(),
        }
    }
}
