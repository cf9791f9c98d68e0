//! An upstream's answer, for a program: whole, as JSON, as events, or as a body that flows.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, response};
use http_body_util::BodyExt;
use seawall_core::event::Outcome;
use seawall_core::request::Dialect;
use seawall_core::verdict::{Whose, request_id};
use serde::de::DeserializeOwned;

use crate::attempt::Found;
use crate::error::Error;
use crate::events::Events;
use crate::response_body::ResponseBody;

/// The largest answer that [`Response::bytes`] and what is made of it hold. A larger one flows: [`Response::into_http`].
pub const WHOLE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An upstream's answer: judged, and not an error.
///
/// Of a stream, its first content is here; of most others, all of it. Dropping it stops what is still coming.
///
/// ```
/// # async fn example(client: seawall::Client) -> Result<(), seawall::Error> {
/// #[derive(serde::Deserialize)]
/// struct Models {
///     data: Vec<Model>,
/// }
/// #[derive(serde::Deserialize)]
/// struct Model {
///     id: String,
/// }
/// let response = client.get("/v1/models").await?;
/// println!("{} after {} attempts ({})", response.status(), response.attempts(), response.outcome());
/// for model in response.json::<Models>().await?.data {
///     println!("{}", model.id);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Response {
    head: response::Parts,
    body: ResponseBody,
    found: Found,
    request_id: Option<String>,
    dialect: Option<Dialect>,
}

impl Response {
    pub(crate) fn new(head: response::Parts, found: Found, body: ResponseBody, dialect: Option<Dialect>) -> Response {
        let request_id = request_id(&head.headers).map(ToOwned::to_owned);
        Response { head, body, found, request_id, dialect }
    }

    /// The status, as the upstream sent it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The headers, as the upstream sent them, without those of its connection.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The provider's own id of the request: what its support asks for.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Seawall's id of the request: `sw_` and 32 hex digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.body.id
    }

    /// Attempts made, the one that was answered included.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.found.attempts
    }

    /// How the answer came to be: `passed`, `retried`, `failed_over` or `hedged`.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.found.outcome
    }

    /// The name of the upstream that answered.
    #[must_use]
    pub fn upstream(&self) -> &str {
        self.found.upstream.to_str().unwrap_or_default()
    }

    /// All of the body.
    ///
    /// # Errors
    /// When it breaks off, or is larger than [`WHOLE_BYTES_MAX`].
    pub async fn bytes(self) -> Result<Bytes, Error> {
        let Response { mut body, request_id, .. } = self;
        if let Some(bytes) = body.relay.take_whole() {
            return Ok(bytes);
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if whole.len() + data.len() > WHOLE_BYTES_MAX {
                let why = format!("the answer is larger than {} MiB: let it flow", WHOLE_BYTES_MAX >> 20);
                return Err(Error::unfit(Whose::Caller, &why, &body.id, request_id.as_deref()));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// All of the body, as text.
    ///
    /// # Errors
    /// As of [`Response::bytes`], and when it is not UTF-8.
    pub async fn text(self) -> Result<String, Error> {
        let (id, request_id) = (self.body.id.clone(), self.request_id.clone());
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into())
            .map_err(|_| Error::unfit(Whose::Provider, "the answer is not text in UTF-8", &id, request_id.as_deref()))
    }

    /// All of the body, read as JSON.
    ///
    /// # Errors
    /// As of [`Response::bytes`], and when it is not the JSON that `T` wants: the place is told, never the content.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let (id, request_id) = (self.body.id.clone(), self.request_id.clone());
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| Error::unread("the answer", &error, &id, request_id.as_deref()))
    }

    /// The events of a stream, each as soon as it is here; an error at the end of one that was cut, or failed.
    #[must_use]
    pub fn events(self) -> Events {
        let Response { head, body, request_id, dialect, .. } = self;
        Events::new(&head.headers, body, request_id, dialect)
    }

    /// The same in the words of the `http` crate, its body still flowing.
    #[must_use]
    pub fn into_http(self) -> http::Response<ResponseBody> {
        http::Response::from_parts(self.head, self.body)
    }
}

impl fmt::Debug for Response {
    /// Without headers and body: those are the provider's, and may repeat what was asked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.head.status)
            .field("id", &self.body.id)
            .field("request_id", &self.request_id)
            .field("attempts", &self.found.attempts)
            .field("outcome", &self.found.outcome)
            .field("upstream", &self.found.upstream)
            .finish_non_exhaustive()
    }
}
