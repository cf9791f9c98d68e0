//! A request's body, taken in: kept if it can be, so that another attempt can send it.
//!
//! Up to a size, and while there is room, a body is read whole before the first attempt. What is
//! larger flows through once, and the answer says so. What is larger than anything sensible is
//! refused.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use seawall_core::event::Reason;
use tokio::time::timeout;

use crate::body::{BodyError, Payload};
use crate::memory::{Hold, Memory};

/// Between two pieces of a body, a caller may take this long.
pub const BODY_IDLE_MAX: Duration = Duration::from_secs(60);

/// How much is taken in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Above it a body is refused. 1 GiB.
    pub body_max: u64,
    /// Above it a body is not kept. 32 MiB.
    pub replay_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { body_max: 1 << 30, replay_max: 32 << 20 }
    }
}

/// A body that was let in.
pub struct Admitted {
    /// The body.
    pub payload: Payload,
    /// Whether it can be sent again, and if not, why.
    pub replay: Result<(), Reason>,
    /// Its length, as far as it is known.
    pub len: u64,
    /// Set when a body that flows through turned out too large.
    pub overflowed: Arc<AtomicBool>,
    /// The room that it takes up.
    pub hold: Hold,
}

impl Admitted {
    /// A body that is in memory anyway: it takes up no room of `memory`.
    pub(crate) fn kept(bytes: Bytes, memory: &Arc<Memory>) -> Admitted {
        let len = bytes.len() as u64;
        Admitted {
            payload: Payload::Kept(bytes),
            replay: Ok(()),
            len,
            overflowed: Arc::default(),
            hold: Hold::of(memory),
        }
    }
}

/// Why a body was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Larger than `body_bytes_max`.
    TooLarge,
    /// It stopped coming.
    TooSlow,
    /// The caller left, or sent nonsense.
    Broken,
}

/// Takes in `body`; a wait for more of it is bounded by [`BODY_IDLE_MAX`].
///
/// # Errors
/// When it is larger than it may be, stops coming or breaks off.
pub async fn admit<B>(body: B, limits: Limits, memory: &Arc<Memory>) -> Result<Admitted, Refused>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let mut body = Box::pin(body);
    let announced = body.size_hint();
    if announced.lower() > limits.body_max {
        return Err(Refused::TooLarge);
    }
    let mut hold = Hold::of(memory);
    let overflowed = Arc::new(AtomicBool::new(false));
    let kept = |bytes: Bytes, hold| Admitted { hold, ..Admitted::kept(bytes, memory) };
    if body.is_end_stream() {
        return Ok(kept(Bytes::new(), hold));
    }
    let mut held = Held { first: Bytes::new(), whole: BytesMut::new(), announced: announced.lower() };
    let mut reason = (announced.lower() > limits.replay_max).then_some(Reason::BodyTooLarge);
    while reason.is_none() {
        let Some(data) = next(&mut body).await? else { return Ok(kept(held.freeze(), hold)) };
        if !hold.grow(data.len()) {
            reason = Some(Reason::Memory);
        }
        held.push(data);
        if held.len() > limits.replay_max {
            reason = Some(Reason::BodyTooLarge);
        }
    }
    let first = held.freeze();
    let rest_max = limits.body_max.saturating_sub(first.len() as u64);
    let rest = Rest { first, rest: body, left: rest_max, overflowed: Arc::clone(&overflowed) };
    let len = announced.exact().unwrap_or_default();
    let replay = Err(reason.unwrap_or(Reason::BodyTooLarge));
    Ok(Admitted { payload: Payload::Flow(Box::pin(rest)), replay, len, overflowed, hold })
}

async fn next<B: Body<Data = Bytes>>(body: &mut Pin<Box<B>>) -> Result<Option<Bytes>, Refused> {
    loop {
        match timeout(BODY_IDLE_MAX, body.frame()).await {
            Err(_) => return Err(Refused::TooSlow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Refused::Broken),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Pieces put together; one alone is not copied.
struct Held {
    first: Bytes,
    whole: BytesMut,
    /// The length announced, at most `replay_max`: room for it is taken at the second piece, and
    /// costs memory as the bytes come. Growing by doubling would copy a large body twice.
    announced: u64,
}

impl Held {
    fn len(&self) -> u64 {
        (self.first.len() + self.whole.len()) as u64
    }

    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() && self.whole.is_empty() {
            self.first = data;
            return;
        }
        if self.whole.is_empty() {
            let capacity = usize::try_from(self.announced).unwrap_or_default();
            self.whole.reserve(capacity.max(self.first.len() + data.len()));
            self.whole.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.whole.extend_from_slice(&data);
    }

    fn freeze(self) -> Bytes {
        if self.whole.is_empty() { self.first } else { self.whole.freeze() }
    }
}

/// A body that flows through: what was read of it, then the rest, up to a size.
struct Rest<B> {
    first: Bytes,
    rest: Pin<Box<B>>,
    left: u64,
    overflowed: Arc<AtomicBool>,
}

impl<B> Body for Rest<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        let Some(frame) = ready!(self.rest.as_mut().poll_frame(cx)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into)?;
        let len = frame.data_ref().map_or(0, |data| data.len() as u64);
        if len > self.left {
            self.overflowed.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err("the body is larger than allowed".into())));
        }
        self.left -= len;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.len() as u64;
        let rest = self.rest.size_hint();
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => SizeHint::default(),
        }
    }
}
