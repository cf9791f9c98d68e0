//! The body of an answer, for a program: bytes as they come, and an error where they break off.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::Error;
use crate::memory::Hold;
#[cfg(feature = "tower")]
use crate::memory::Memory;
use crate::relay::{Piece, Relay};

/// The body of an answer, as it flows. It ends in an [`Error`] where the upstream broke it off.
pub struct ResponseBody {
    pub(crate) relay: Relay,
    pub(crate) id: String,
    /// The room that the request's body takes up.
    pub(crate) _hold: Option<Hold>,
}

impl ResponseBody {
    /// A body that is here as a whole.
    #[cfg(feature = "tower")]
    pub(crate) fn whole(bytes: Bytes, id: &str) -> ResponseBody {
        let hold = Hold::of(&Memory::new(0));
        ResponseBody { relay: Relay::whole(bytes, hold), id: id.to_owned(), _hold: None }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(match ready!(self.relay.poll_piece(cx)) {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Piece::Broken(broken)) => Some(Err(Error::interrupted(&broken, &self.id))),
            // Nobody is kept on the line here: a call is waited for until there is an answer.
            Some(Piece::Failed(_) | Piece::Unfit) | None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.relay.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.relay.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_goes_wherever_another_client_takes_one() {
        fn goes_anywhere<T: Send + Sync + Unpin + 'static>() {}
        goes_anywhere::<ResponseBody>();
        goes_anywhere::<crate::Events>();
        goes_anywhere::<crate::Response>();
        goes_anywhere::<crate::Client>();
        goes_anywhere::<Error>();
    }
}
