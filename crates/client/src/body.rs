//! A request's body: kept, so that it can be sent again, or flowing through once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::connect::Meter;

/// A failure to read the caller's own body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body that flows through once, however large.
pub type Flow = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

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
pub(crate) struct SendBody {
    payload: Payload,
    /// Bytes that are still to come, where that is known.
    left: Option<u64>,
    /// Who is told when the last of it has been taken.
    meter: Option<Arc<Meter>>,
}

impl From<Payload> for SendBody {
    fn from(payload: Payload) -> SendBody {
        let left = match &payload {
            Payload::Kept(bytes) => Some(bytes.len() as u64),
            Payload::Flow(flow) => flow.size_hint().exact(),
        };
        SendBody { payload, left, meter: None }
    }
}

impl SendBody {
    /// It is about to go over the connection that `meter` is of.
    pub(crate) fn begin(&mut self, meter: &Arc<Meter>) {
        meter.begin(self.is_end_stream());
        self.meter = Some(Arc::clone(meter));
    }

    /// Notices the end of it.
    fn taken(&mut self, frame: Option<&Frame<Bytes>>) {
        let data = frame.and_then(Frame::data_ref);
        if let (Some(left), Some(data)) = (&mut self.left, data) {
            *left = left.saturating_sub(data.len() as u64);
        }
        let is_over = data.is_none() || self.left == Some(0) || self.is_end_stream();
        if let (true, Some(meter)) = (is_over, &self.meter) {
            meter.ended();
        }
    }
}

impl http_body::Body for SendBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.payload {
            Payload::Kept(bytes) if bytes.is_empty() => Poll::Ready(None),
            Payload::Kept(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Payload::Flow(flow) => flow.as_mut().poll_frame(cx),
        };
        match &polled {
            Poll::Ready(None) => self.taken(None),
            Poll::Ready(Some(Ok(frame))) => self.taken(Some(frame)),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.payload {
            Payload::Kept(bytes) => bytes.is_empty(),
            Payload::Flow(flow) => flow.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.payload {
            Payload::Kept(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Payload::Flow(flow) => flow.size_hint(),
        }
    }
}
