//! One attempt on the wire: connect, send, read until it is clear what the attempt is worth.
//!
//! That is the end of the answer for JSON up to 8 MiB and for every error, the first content for
//! a stream, and the first byte for everything else. Until then nothing has gone to the caller,
//! so the attempt can still be judged a failure and be made again.

mod assembled;

use std::collections::VecDeque;
use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header, response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use seawall_core::event::Phases;
use seawall_core::request::{Dialect, Endpoint, Request};
use seawall_core::verdict::stream::{End, Signal, Watch};
use seawall_core::verdict::usage::Evidence;
use seawall_core::verdict::{self, Class, Fault, Verdict};
use tokio::time::{Instant, timeout_at};

use crate::body::SendBody;
use crate::connect::Meter;
use crate::decode;
use crate::handshake::{self, Switched};
use crate::memory::{Hold, Memory};
use crate::peer::Peer;
use crate::pool::Connection;
use crate::shared::{instant, unix_micros};

pub(crate) use assembled::Whole;

/// A JSON answer up to this size is held to its end, so that an error inside it can be retried.
pub const HELD_ANSWER_MAX: usize = 8 * 1024 * 1024;
/// Of an error's body, this much is read.
pub const ERROR_BODY_MAX: usize = 1024 * 1024;
/// An error's body must come within this; then it is judged by what there is.
pub(crate) const ERROR_BODY_TIME: Duration = Duration::from_secs(10);
/// Events without content are held up to this size, then they go to the caller.
pub const HELD_EVENTS_MAX: usize = 256 * 1024;
/// A reused connection that ends this soon after the write, without a byte, was dead before it.
pub(crate) const STALE_WITHIN: Duration = Duration::from_millis(250);

/// One attempt, about to be made.
pub(crate) struct Try<'a> {
    pub(crate) upstream: &'a Peer,
    pub(crate) request: http::Request<SendBody>,
    pub(crate) facts: &'a Request,
    pub(crate) memory: &'a Arc<Memory>,
    pub(crate) connect: Duration,
    pub(crate) until: Instant,
    pub(crate) is_last_moment: bool,
    /// If a stream is asked for although a whole answer is wanted: `until` is for its first content then.
    pub(crate) whole: Option<Whole>,
    /// If it may be broken off: where it says how far it came.
    pub(crate) progress: Option<Progress>,
}

/// How far an attempt came that was broken off.
pub(crate) type Progress = Arc<Mutex<Phases>>;

/// What became of it.
pub(crate) struct Exchange {
    pub(crate) verdict: Verdict,
    /// The reply, where one came: an answer, or an error to pass on.
    pub(crate) reply: Option<Reply>,
    pub(crate) seen: Seen,
    /// What the system said about a fault: for the log.
    pub(crate) detail: Option<String>,
}

/// What was noticed on the way.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) began: Option<Instant>,
    pub(crate) ended: Option<Instant>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) first_content: Option<Duration>,
    pub(crate) phases: Phases,
    /// Tells when the request was sent. The next request of the connection has the same one.
    pub(crate) meter: Option<Arc<Meter>>,
    pub(crate) bytes_in: u64,
    /// What tells how many tokens it took.
    pub(crate) evidence: Evidence,
    /// The head's headers, of a reply that was not an answer, or has not been one yet: whoever fails while it is
    /// read has a name for the provider's support.
    pub(crate) headers: Option<HeaderMap>,
}

impl Seen {
    /// Notes when the request was sent, before another one goes over the same connection.
    fn note_sent(&mut self) {
        if let (Some(meter), Some(began)) = (self.meter.take(), self.began) {
            self.phases.sent = meter.sent(began);
        }
    }
}

/// What was noticed, while it may be broken off.
struct Noticed {
    seen: Seen,
    progress: Option<Progress>,
}

impl Noticed {
    fn tell(&mut self) {
        self.seen.note_sent();
        if let Some(progress) = self.progress.take() {
            *progress.lock().unwrap_or_else(PoisonError::into_inner) = self.seen.phases;
        }
    }
}

impl Drop for Noticed {
    fn drop(&mut self) {
        self.tell();
    }
}

/// A reply as far as it has been read.
pub(crate) struct Reply {
    pub(crate) head: response::Parts,
    pub(crate) body: ReplyBody,
}

pub(crate) enum ReplyBody {
    /// All of it.
    Whole(Bytes, Hold),
    /// The rest is still coming.
    Flowing(Box<Flowing>),
    /// It is HTTP no more.
    Switched(Box<Switched>),
}

/// A reply that goes to the caller while it comes.
pub(crate) struct Flowing {
    pub(crate) held: VecDeque<Bytes>,
    /// The room that `held` takes up.
    pub(crate) hold: Hold,
    pub(crate) rest: Incoming,
    pub(crate) watch: Option<Watch>,
    pub(crate) connection: Connection,
}

/// Makes one attempt.
pub(crate) async fn run(mut attempt: Try<'_>) -> Exchange {
    let began = instant();
    let (limit, is_deadline) = match attempt.whole {
        Some(whole) => (whole.by, true),
        None => handshake::limit(attempt.facts, began, attempt.until, attempt.is_last_moment),
    };
    let seen = Seen { began: Some(began), ..Seen::default() };
    let mut noticed = Noticed { seen, progress: attempt.progress.take() };
    let going = go(attempt, began, &mut noticed.seen);
    let outcome = timeout_at(limit, going).await.unwrap_or_else(|_| Err(late(is_deadline)));
    noticed.seen.ended = Some(instant());
    noticed.tell();
    let seen = std::mem::take(&mut noticed.seen);
    let (verdict, reply, detail) = match outcome {
        Ok((verdict, reply)) => (verdict, Some(reply), None),
        Err((fault, detail)) => (verdict::judge_fault(fault), None, Some(detail)),
    };
    Exchange { verdict, reply, seen, detail }
}

/// The moment has passed by which something had to be heard.
fn late(is_deadline: bool) -> Failed {
    if is_deadline {
        (Fault::Deadline, "the deadline passed".to_string())
    } else {
        (Fault::FirstContentTimeout, "no first content in time".to_string())
    }
}

/// What went wrong, and what the system said about it.
pub(crate) type Failed = (Fault, String);

async fn go(attempt: Try<'_>, began: Instant, seen: &mut Seen) -> Result<(Verdict, Reply), Failed> {
    let Try { upstream, mut request, facts, memory, connect, until, is_last_moment, whole, .. } = attempt;
    let by = (began + connect).min(until);
    let (connection, response) = loop {
        let mut connection = upstream.pool.take(by, began, &mut seen.phases).await?;
        let before = (connection.meter.read(), connection.meter.written());
        request.body_mut().begin(&connection.meter);
        seen.meter = Some(Arc::clone(&connection.meter));
        let sent = match whole {
            // On the heap, as below.
            Some(_) => timeout_at(until, Box::pin(connection.sender.try_send_request(request)))
                .await
                .map_err(|_| late(is_last_moment))?,
            None => connection.sender.try_send_request(request).await,
        };
        let mut failed = match sent {
            Ok(response) => break (connection, response),
            Err(failed) => failed,
        };
        match failed.take_message() {
            // A kept connection that had ended gives back what it never began to write. That says nothing about the
            // upstream and costs it nothing: another one takes the request. It ends with a new one, at the latest.
            Some(unsent) if connection.is_reused => {
                request = unsent;
                (seen.phases, seen.meter) = (Phases::default(), None);
            }
            _ => {
                let error = failed.into_error();
                return Err((lost(&error, &connection, before, began), error.to_string()));
            }
        }
    };
    seen.status = Some(response.status());
    seen.phases.first_byte = Some(instant().saturating_duration_since(began));
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let (head, switched) = handshake::accept(facts, response).await?;
        seen.first_content = Some(instant().saturating_duration_since(began));
        return Ok((Verdict::OK, Reply { head, body: ReplyBody::Switched(Box::new(switched)) }));
    }
    let (head, body) = response.into_parts();
    let held = Held::of(memory);
    let reading = Reading { upstream, facts, connection, body, held, began, until, seen };
    match kind(&head, facts) {
        Kind::Error => reading.error(head).await,
        // On the heap: it is rare, and every attempt would be larger for it.
        Kind::Stream(dialect) if let Some(whole) = whole => Box::pin(reading.assembled(head, dialect, whole)).await,
        // A whole answer would say that it is JSON.
        Kind::Json
            if let (Some(whole), Some(dialect)) = (whole, facts.endpoint.dialect())
                && !says_json(&head) =>
        {
            Box::pin(reading.assembled(head, dialect, whole)).await
        }
        Kind::Opaque if whole.is_some() => Err((Fault::Undecodable, "asked for as a stream: it cannot be read".into())),
        Kind::Stream(dialect) => reading.stream(head, Watch::new(dialect, facts.choices)).await,
        Kind::Json => reading.json(head).await,
        Kind::Opaque => reading.opaque(head).await,
    }
}

/// What it is called when no reply came. Before the request, so many bytes had been read and written.
fn lost(error: &hyper::Error, connection: &Connection, before: (u64, u64), began: Instant) -> Fault {
    let (read, written) = before;
    let silent = connection.meter.read() == read;
    let unsent = connection.meter.written() == written;
    let quick = instant().saturating_duration_since(began) <= STALE_WITHIN;
    match () {
        () if error.is_parse() => Fault::Garbage,
        () if unsent => Fault::NotSent,
        () if connection.is_reused && silent && quick => Fault::Stale,
        () if silent => Fault::Reset,
        () => Fault::Garbage,
    }
}

enum Kind {
    Error,
    Stream(Dialect),
    Json,
    Opaque,
}

/// How far a reply must be read before it is known for what it is.
fn kind(head: &response::Parts, facts: &Request) -> Kind {
    if !head.status.is_success() {
        return Kind::Error;
    }
    if is_called(head, b"text/event-stream") {
        return match facts.endpoint.dialect() {
            Some(dialect) if !decode::is_encoded(&head.headers) => Kind::Stream(dialect),
            _ => Kind::Opaque,
        };
    }
    if says_json(head) || promises_json(facts.endpoint) {
        return Kind::Json;
    }
    Kind::Opaque
}

fn is_called(head: &response::Parts, name: &[u8]) -> bool {
    let content_type = head.headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    content_type.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

fn says_json(head: &response::Parts) -> bool {
    is_called(head, b"application/json")
}

/// Whether an answer must be JSON, whatever it calls itself: a page in its place is a failure.
const fn promises_json(endpoint: Endpoint) -> bool {
    use Endpoint as E;
    matches!(
        endpoint,
        E::ChatCompletions | E::Completions | E::Responses | E::Embeddings | E::Moderations | E::Models | E::Messages
    )
}

struct Reading<'a> {
    upstream: &'a Peer,
    facts: &'a Request,
    connection: Connection,
    body: Incoming,
    held: Held,
    began: Instant,
    until: Instant,
    seen: &'a mut Seen,
}

impl Reading<'_> {
    /// An error: its body is read to its end, so that it can be judged and framed anew.
    async fn error(mut self, head: response::Parts) -> Result<(Verdict, Reply), Failed> {
        let limit = (instant() + ERROR_BODY_TIME).min(self.until);
        let whole = timeout_at(limit, self.held.fill(&mut self.body, ERROR_BODY_MAX)).await;
        self.seen.bytes_in = self.held.len as u64;
        let is_whole = matches!(whole, Ok(Ok(true)));
        let bytes = self.held.join();
        let plain = if is_whole { decode::plain(&head.headers, &bytes) } else { None };
        let mut verdict = self.judge(&head, plain.as_deref().unwrap_or_default());
        if plain.is_none() {
            verdict.fault = Some(if is_whole { Fault::Undecodable } else { Fault::Truncated });
        }
        self.seen.headers = Some(head.headers.clone());
        Ok((verdict, self.whole(head, plain.unwrap_or_default(), is_whole)))
    }

    /// Leaves the headers where a failure finds them, whoever ends the reading.
    fn leave(&mut self, head: &mut response::Parts) {
        self.seen.headers = Some(std::mem::take(&mut head.headers));
    }

    /// Takes the headers back that were left.
    fn take_back(&mut self, head: &mut response::Parts) {
        if let Some(headers) = self.seen.headers.take() {
            head.headers = headers;
        }
    }

    /// A JSON answer: held to its end, up to a size.
    async fn json(mut self, mut head: response::Parts) -> Result<(Verdict, Reply), Failed> {
        self.leave(&mut head);
        let filled = self.held.fill(&mut self.body, HELD_ANSWER_MAX).await;
        self.seen.bytes_in = self.held.len as u64;
        self.seen.evidence.body_bytes = self.seen.bytes_in;
        if !filled.map_err(|e| cut(&e))? {
            return Ok(self.commit(head, None));
        }
        self.take_back(&mut head);
        let bytes = self.held.join();
        let verdict = match decode::copy(&head.headers, &bytes) {
            decode::Copy::Same => self.judge(&head, &bytes),
            decode::Copy::Decoded(plain) => self.judge(&head, &plain),
            decode::Copy::Unknown => Verdict::OK,
            decode::Copy::Broken => {
                self.leave(&mut head);
                return Err((Fault::Undecodable, "the body cannot be decompressed".into()));
            }
        };
        if verdict.class != Class::Ok {
            self.seen.headers = Some(head.headers.clone());
            // What is a page or an error was not generated.
            if verdict.fault != Some(Fault::Truncated) {
                self.seen.evidence.body_bytes = 0;
            }
        }
        self.seen.first_content = Some(instant().saturating_duration_since(self.began));
        Ok((verdict, self.whole(head, bytes, true)))
    }

    /// A stream: held until an event has content, ends it, or is an error.
    async fn stream(mut self, mut head: response::Parts, mut watch: Watch) -> Result<(Verdict, Reply), Failed> {
        self.leave(&mut head);
        loop {
            let Some(frame) = self.body.frame().await else {
                if watch.end() == End::Complete {
                    return Ok(self.commit(head, Some(watch)));
                }
                let fault = if watch.is_mid_event() { Fault::StreamCut } else { Fault::StreamEmpty };
                return Err((fault, "the stream ended before any content".into()));
            };
            let frame = frame.map_err(|e| cut(&e))?;
            let Ok(data) = frame.into_data() else { continue };
            let signal = watch.push(&data);
            let has_room = self.held.push(data);
            self.seen.bytes_in = self.held.len as u64;
            match signal {
                Signal::Meta if has_room && self.held.len <= HELD_EVENTS_MAX => {}
                Signal::Error => {
                    head.headers = self.seen.headers.clone().unwrap_or_default();
                    // What was held is events, not an error body: the answer is framed anew from what was said.
                    return Ok((failed_event(&watch), self.whole(head, Bytes::new(), false)));
                }
                _ => return Ok(self.commit(head, Some(watch))),
            }
        }
    }

    /// Anything else: the first byte decides that it is an answer.
    async fn opaque(mut self, mut head: response::Parts) -> Result<(Verdict, Reply), Failed> {
        self.leave(&mut head);
        while self.held.len == 0 {
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame.map_err(|e| cut(&e))?.into_data() {
                        // One piece passes whether or not there is room to hold it.
                        let _ = self.held.push(data);
                    }
                }
                None => {
                    self.take_back(&mut head);
                    let verdict = self.judge(&head, &[]);
                    return Ok((verdict, self.whole(head, Bytes::new(), true)));
                }
            }
        }
        Ok(self.commit(head, None))
    }

    /// A reply that has been read; its connection is kept if nothing is left in it.
    fn whole(self, head: response::Parts, body: Bytes, is_reusable: bool) -> Reply {
        if is_reusable {
            self.seen.note_sent();
            self.upstream.pool.put_back(self.connection, instant());
        }
        Reply { head, body: ReplyBody::Whole(body, self.held.hold) }
    }

    fn commit(mut self, mut head: response::Parts, watch: Option<Watch>) -> (Verdict, Reply) {
        self.take_back(&mut head);
        self.seen.first_content = Some(instant().saturating_duration_since(self.began));
        let Held { frames, hold, .. } = self.held;
        let flowing = Flowing { held: frames, hold, rest: self.body, watch, connection: self.connection };
        (Verdict::OK, Reply { head, body: ReplyBody::Flowing(Box::new(flowing)) })
    }

    /// What was asked for, as far as the answer's content goes: what has been stored may tell of
    /// an old failure without being one, and a HEAD has no content.
    fn judged_as(&self) -> Endpoint {
        match (&self.facts.method, self.facts.endpoint) {
            (&Method::POST, endpoint) => endpoint,
            (&Method::GET, Endpoint::Models) => Endpoint::Models,
            _ => Endpoint::Other,
        }
    }

    /// What a body means that is here as a whole; the tokens that it tells of are noted on the way.
    fn judge(&mut self, head: &response::Parts, body: &[u8]) -> Verdict {
        let now = instant();
        let (verdict, usage) = verdict::judge_and_count(&verdict::Reply {
            status: head.status,
            headers: &head.headers,
            body,
            endpoint: self.judged_as(),
            stream: self.facts.stream,
            elapsed: now.saturating_duration_since(self.began),
            limit: self.until.saturating_duration_since(self.began),
            now_unix: unix_micros() / 1_000_000,
        });
        (self.seen.evidence.usage, self.seen.evidence.is_whole) = (usage, true);
        verdict
    }
}

/// What the error event means that a stream has brought.
fn failed_event(watch: &Watch) -> Verdict {
    let event = watch.error().map(|error| (error.name, &*error.data));
    let verdict = event.and_then(|(name, data)| verdict::judge_event(name, data));
    Verdict { fault: Some(Fault::StreamError), ..verdict.unwrap_or(verdict::judge_fault(Fault::StreamError)) }
}

fn cut(error: &hyper::Error) -> Failed {
    (cut_by(error), error.to_string())
}

/// How a body broke off, as hyper tells it: as an error of its own, or of the connection below.
pub(crate) fn cut_by(error: &hyper::Error) -> Fault {
    let below = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    match below {
        _ if error.is_incomplete_message() => Fault::Truncated,
        _ if error.is_parse() => Fault::Undecodable,
        Some(io::ErrorKind::UnexpectedEof) => Fault::Truncated,
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Fault::Undecodable,
        _ => Fault::BodyReset,
    }
}

/// Pieces of a body, as they came.
struct Held {
    frames: VecDeque<Bytes>,
    len: usize,
    hold: Hold,
}

impl Held {
    fn of(memory: &Arc<Memory>) -> Held {
        Held { frames: VecDeque::new(), len: 0, hold: Hold::of(memory) }
    }

    /// Takes a piece in; false if there was no room left to hold it.
    fn push(&mut self, data: Bytes) -> bool {
        let has_room = self.hold.grow(data.len());
        self.len += data.len();
        self.frames.push_back(data);
        has_room
    }

    /// Takes in all of `body` (true), or its beginning up to a piece that exceeds `max` or finds
    /// no room (false).
    async fn fill(&mut self, body: &mut Incoming, max: usize) -> Result<bool, hyper::Error> {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data()
                && (!self.push(data) || self.len > max)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One piece; without copying where there is only one.
    fn join(&mut self) -> Bytes {
        if self.frames.len() <= 1 {
            return self.frames.pop_front().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.len);
        for frame in self.frames.drain(..) {
            whole.extend_from_slice(&frame);
        }
        whole.freeze()
    }
}
