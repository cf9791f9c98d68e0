//! The same request under another name of its model.
//!
//! Only the bytes of the `model` value change: everything else goes on as the caller wrote it. A
//! body in which the model was not found for certain is not changed, and so is sent only where its
//! own name is understood.

use bytes::{BufMut, Bytes, BytesMut};
use seawall_core::json;
use seawall_core::request::Request;

use crate::body::Payload;

/// Whether another name can be put into the body.
pub(crate) fn can_rename(facts: &Request, payload: &Payload) -> bool {
    let is_known = facts.model.is_some() && facts.opaque.is_none();
    is_known && matches!(payload, Payload::Kept(body) if span(body).is_some())
}

/// `body` with `name` for its model; unchanged if there is none in it.
pub(crate) fn renamed(body: &Bytes, name: &str) -> Bytes {
    let Some(span) = span(body) else { return body.clone() };
    let mut changed = BytesMut::with_capacity(body.len() + name.len());
    changed.put_slice(&body[..span.start]);
    changed.put_slice(serde_json::Value::from(name).to_string().as_bytes());
    changed.put_slice(&body[span.end..]);
    changed.freeze()
}

/// Where the value of `model` is, quotes included.
fn span(body: &[u8]) -> Option<std::ops::Range<usize>> {
    let value = json::field(body, "model")?;
    // A field is a piece of the body: its place is what lies before it.
    let start = value.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    (value.first() == Some(&b'"')).then_some(start..start + value.len())
}
