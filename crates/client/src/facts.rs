//! What is known of a request before it is sent: from its head, and a look into its body.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request;
use seawall_core::request::{Endpoint, Request};
use tokio::task::spawn_blocking;

use crate::headers::{OWN_PREFIX, strip};

/// A larger body is looked at off the async threads.
const LOOK_INLINE_MAX: usize = 4 * 1024 * 1024;

/// The facts of the request with this head and this body, which is `len` bytes long; a large one is looked at where it
/// holds up nobody else.
pub async fn facts(head: &request::Parts, body: Option<Bytes>, len: u64) -> Request {
    let (method, path, headers) = (&head.method, head.uri.path(), &head.headers);
    let body = match body {
        Some(body) if body.len() > LOOK_INLINE_MAX => body,
        body => return Request::of(method, path, headers, body.as_deref(), len).with_query(head.uri.query()),
    };
    let (method, path, headers) = (method.clone(), path.to_string(), headers.clone());
    let look = move || Request::of(&method, &path, &headers, Some(&body), len);
    let seen = match spawn_blocking(look).await {
        Ok(facts) => facts,
        // The runtime is going down, and the request with it.
        Err(_) => Request::of(&head.method, head.uri.path(), &head.headers, None, len),
    };
    seen.with_query(head.uri.query())
}

/// Makes a request's headers fit to go on: nothing of the connection they came over, nothing of Seawall's own, nothing
/// that `also` names; and of replies that must be looked into, none compressed.
pub fn prepare(headers: &mut HeaderMap, endpoint: Endpoint, also: impl Fn(&str) -> bool) {
    strip(headers, |name| matches!(name, "content-length" | "expect") || name.starts_with(OWN_PREFIX) || also(name));
    if endpoint.dialect().is_some() {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}
