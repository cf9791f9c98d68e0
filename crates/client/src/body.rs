//! A request's body: kept, so that it can be sent again, or flowing through once.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A failure to read the caller's own body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body that flows through once, however large.
pub type Flow = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;

/// A request's body, as it was received.
pub enum Payload {
    /// In memory: any number of attempts can send it.
    Kept(Bytes),
    /// Too large to keep: the first attempt uses it up.
    Flow(Flow),
}

impl Payload {
    /// The bytes, of a body that was kept.
    pub(crate) fn kept(&self) -> Option<&[u8]> {
        match self {
            Payload::Kept(bytes) => Some(bytes),
            Payload::Flow(_) => None,
        }
    }
}

/// What goes over the wire.
pub(crate) enum SendBody {
    Kept(Bytes),
    Flow(Flow),
}

impl Body for SendBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            SendBody::Kept(bytes) if bytes.is_empty() => Poll::Ready(None),
            SendBody::Kept(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            SendBody::Flow(flow) => flow.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            SendBody::Kept(bytes) => bytes.is_empty(),
            SendBody::Flow(flow) => flow.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            SendBody::Kept(bytes) => SizeHint::with_exact(bytes.len() as u64),
            SendBody::Flow(flow) => flow.size_hint(),
        }
    }
}
