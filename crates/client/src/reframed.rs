//! An answer in the frame that its caller asked for.
//!
//! An upstream that is asked for a stream and answers with JSON has answered: the generation is paid
//! for, and it would answer the same again. But every SDK reads such an answer as a stream without an
//! event, and raises nothing. So it is made into the stream that it would have been.

use bytes::Bytes;
use http::{HeaderValue, Method, response};
use seawall_core::json;
use seawall_core::reframe;
use seawall_core::request::Request;

use crate::body::Payload;
use crate::decode;
use crate::exchange::{HELD_ANSWER_MAX, ReplyBody};
use crate::headers;
use crate::memory::Hold;

/// What an answer is called that is made into a stream.
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// The body of an answer that came whole, as a stream if its caller asked for one; its head is changed
/// with it. What is no answer that could be a stream stays as it is.
pub(crate) fn mended(
    facts: &Request,
    payload: &Payload,
    head: &mut response::Parts,
    body: Bytes,
    mut hold: Hold,
) -> ReplyBody {
    let Some(stream) = unfolded(facts, payload, head, &body) else { return ReplyBody::Whole(body, hold) };
    // It is here already, and passes whether or not there is room to hold it.
    let _ = hold.grow(stream.len().saturating_sub(body.len()));
    headers::reframed(&mut head.headers, EVENTS);
    ReplyBody::Whole(stream.into(), hold)
}

fn unfolded(facts: &Request, payload: &Payload, head: &response::Parts, body: &Bytes) -> Option<Vec<u8>> {
    if !facts.stream || facts.method != Method::POST || !head.status.is_success() {
        return None;
    }
    let plain = match decode::copy(&head.headers, body) {
        decode::Copy::Same => body.clone(),
        decode::Copy::Decoded(plain) => plain,
        decode::Copy::Unknown | decode::Copy::Broken => return None,
    };
    let plain = plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&plain);
    if plain.len() > HELD_ANSWER_MAX {
        return None;
    }
    reframe::unfold(facts.endpoint.dialect()?, plain, wants_usage(payload))
}

/// Whether the request asked for its tokens to be told in the stream.
fn wants_usage(payload: &Payload) -> bool {
    let options = payload.kept().and_then(|body| json::field(body, "stream_options"));
    options.and_then(|options| json::field(options, "include_usage")) == Some(b"true")
}
