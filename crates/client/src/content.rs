//! A program's own body for a request: bytes in memory, typed where they are JSON.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use serde::Serialize;

use crate::error::Error;

/// A request's body, for [`Client::send`](crate::Client::send): bytes in memory, which any number of attempts can send.
///
/// Any other body will do as well. One that is larger than 32 MiB and flows is sent once, and not again.
///
/// ```
/// use seawall::Body;
///
/// # fn main() -> Result<(), seawall::Error> {
/// #[derive(serde::Serialize)]
/// struct Question<'a> {
///     model: &'a str,
///     input: &'a str,
/// }
/// let typed = Body::json(&Question { model: "gpt-4o", input: "Say hello." })?;
/// let text = Body::from(r#"{"model":"gpt-4o","input":"Say hello."}"#);
/// assert_eq!(typed.len(), text.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Body {
    bytes: Bytes,
    is_json: bool,
}

impl Body {
    /// No body.
    #[must_use]
    pub fn empty() -> Body {
        Body::default()
    }

    /// `value` as JSON. A request with it and without a `content-type` is sent with that of JSON.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON: a map whose keys are no strings, or its own refusal.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Body, Error> {
        match serde_json::to_vec(value) {
            Ok(bytes) => Ok(Body { bytes: bytes.into(), is_json: true }),
            // What the refusal says may hold what was to be sent.
            Err(_) => Err(Error::unsendable("its body cannot be written as JSON")),
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body { bytes, is_json: false }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl std::fmt::Debug for Body {
    /// Its length alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
