//! The events of a stream, guarded: one that was cut never looks complete.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use http::{HeaderMap, header};
use seawall_core::request::Dialect;
use seawall_core::verdict::Whose;
use seawall_core::verdict::sse::Scanner;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::relay::Piece;
use crate::response_body::ResponseBody;

/// What OpenAI's streams of completions end with: no event, but the word that there will be no more.
const DONE: &str = "[DONE]";

/// The events of a stream, in order, each as soon as it is complete.
///
/// After the last one there is `None` if the upstream said that it was the last; else an [`Error`], and `None` after it.
/// `[DONE]` is not handed out, and neither is an upstream's event of an error: that is the error at the end. Of endpoints
/// whose streams are not known here, any end is taken for one.
///
/// ```
/// # async fn example(client: seawall::Client) -> Result<(), seawall::Error> {
/// let question = serde_json::json!({"model": "gpt-4o", "stream": true, "messages": []});
/// let mut events = client.post("/v1/chat/completions", &question).await?.events();
/// while let Some(event) = events.next().await {
///     let chunk: serde_json::Value = event?.json()?;
///     print!("{}", chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Events {
    body: ResponseBody,
    scanner: Scanner,
    ready: VecDeque<StreamEvent>,
    request_id: Option<String>,
    dialect: Option<Dialect>,
    /// What it ends with, after what is ready.
    last: Option<Error>,
    is_over: bool,
}

impl Events {
    pub(crate) fn new(
        headers: &HeaderMap,
        body: ResponseBody,
        request_id: Option<String>,
        dialect: Option<Dialect>,
    ) -> Events {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_stream = content_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        let why = "the answer is no stream of events: was `stream` asked for?";
        let last = (!is_stream).then(|| Error::unfit(Whose::Caller, why, &body.id, request_id.as_deref()));
        Events {
            body,
            scanner: Scanner::default(),
            ready: VecDeque::new(),
            request_id,
            dialect,
            is_over: last.is_some(),
            last,
        }
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<StreamEvent, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Seawall's id of the request.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.body.id
    }

    /// The provider's own id of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<StreamEvent, Error>>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if self.is_over {
                return Poll::Ready(self.last.take().map(Err));
            }
            match ready!(self.body.relay.poll_piece(cx)) {
                Some(Piece::Data(bytes)) => self.take(&bytes),
                Some(Piece::Trailers(_)) => {}
                Some(Piece::Broken(broken)) => self.end(Some(Error::interrupted(&broken, &self.body.id))),
                // Nobody is kept on the line here: a call is waited for until there is an answer.
                Some(Piece::Failed(_) | Piece::Unfit) => self.end(None),
                None => {
                    // Some servers leave out the empty line after their last word.
                    if self.scanner.is_mid_event() {
                        self.take(b"\n\n");
                    }
                    self.end(None);
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Events { scanner, ready, body, request_id, dialect, .. } = self;
        let has_done = matches!(dialect, Some(Dialect::Chat | Dialect::Completions));
        let taken = scanner.push(bytes, |event| {
            if !(has_done && event.data == DONE.as_bytes()) {
                ready.push_back(StreamEvent {
                    name: String::from_utf8_lossy(event.name).into_owned(),
                    data: String::from_utf8_lossy(event.data).into_owned(),
                });
            }
        });
        if body.relay.has_failed() {
            // What it ends in is the error that the next piece tells of.
            ready.pop_back();
        }
        if let Err(too_long) = taken {
            let error = Error::unfit(Whose::Provider, &too_long.to_string(), &body.id, request_id.as_deref());
            self.end(Some(error));
        }
    }

    fn end(&mut self, last: Option<Error>) {
        (self.last, self.is_over) = (last, true);
    }
}

impl Stream for Events {
    type Item = Result<StreamEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<StreamEvent, Error>>> {
        self.poll_event(cx)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("id", &self.body.id).field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

/// One event of a stream.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamEvent {
    name: String,
    data: String,
}

impl StreamEvent {
    /// What `event:` said; empty where nothing did, as in OpenAI's streams of completions.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data: of every known stream a JSON object, as text. What is not UTF-8 is replaced.
    #[must_use]
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The data, read as JSON.
    ///
    /// # Errors
    /// When it is not the JSON that `T` wants: the place is told, never the content.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.data).map_err(|error| Error::unread("the event", &error, "", None))
    }
}

impl fmt::Debug for StreamEvent {
    /// Without its data, which is somebody's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEvent").field("name", &self.name).field("bytes", &self.data.len()).finish()
    }
}
