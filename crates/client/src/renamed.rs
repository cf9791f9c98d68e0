//! The same request under another name of its model.
//!
//! Only the bytes of the `model` value change: everything else goes on as the caller wrote it. A
//! body in which the model was not found for certain is not changed, and so is sent only where its
//! own name is understood. A WebSocket has no body: its model is named in the query.

use bytes::{BufMut, Bytes, BytesMut};
use http::uri::PathAndQuery;
use seawall_core::json;
use seawall_core::request::Request;

use crate::body::Payload;

/// Whether another name can be put into the body, or into the query where there is none.
pub(crate) fn can_rename(facts: &Request, payload: &Payload) -> bool {
    let is_known = facts.model.is_some() && facts.opaque.is_none();
    is_known && (facts.websocket || matches!(payload, Payload::Kept(body) if span(body).is_some()))
}

/// `asked` with `name` for the model in its query.
pub(crate) fn target(asked: &PathAndQuery, name: &str) -> Option<PathAndQuery> {
    let mut changed = String::with_capacity(asked.as_str().len() + name.len());
    changed.push_str(asked.path());
    for (at, pair) in asked.query()?.split('&').enumerate() {
        changed.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((key @ ("model" | "deployment"), _)) => {
                changed.push_str(key);
                changed.push('=');
                encode(&mut changed, name);
            }
            _ => changed.push_str(pair),
        }
    }
    changed.parse().ok()
}

/// `text` as the value of a query's parameter.
fn encode(query: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_in_a_query_gets_its_other_name_and_nothing_else_changes() {
        for (asked, renamed) in [
            ("/v1/realtime?model=a", "/v1/realtime?model=my%2Fgpt%20%C3%A9"),
            ("/v1/realtime?x=1&model=a&y", "/v1/realtime?x=1&model=my%2Fgpt%20%C3%A9&y"),
            ("/openai/realtime?deployment=a", "/openai/realtime?deployment=my%2Fgpt%20%C3%A9"),
        ] {
            let target = target(&PathAndQuery::from_static(asked), "my/gpt é");
            assert_eq!(target.as_ref().map(PathAndQuery::as_str), Some(renamed));
        }
    }
}
