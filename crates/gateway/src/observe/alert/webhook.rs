//! A message by Standard Webhooks: plain JSON, signed, and with an id that is the same however often it is sent.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue};
use seawall_core::incident::What;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::notice::{Links, Notice, moment};

/// The body for a receiver that hears `what`.
pub(super) fn body(notice: &Notice, what: What, links: &Links) -> Value {
    json!({ "type": what, "timestamp": moment(notice.event.at), "data": notice.data(what, links) })
}

/// The message's id: one for each thing that is told. It goes into a header, and has no full stop, which divides what
/// is signed.
pub(super) fn id(notice: &Notice, what: What) -> String {
    let word = what.name().rsplit('.').next().unwrap_or_default();
    let plain = notice.id().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("{plain}_{word}_{}", notice.event.at.as_micros())
}

/// What proves to a receiver that `body` is from here, and from when: `now_unix` is in seconds.
pub(super) fn headers(id: &str, now_unix: i64, body: &[u8], keys: &[Zeroizing<Vec<u8>>]) -> HeaderMap {
    let signed = [format!("{id}.{now_unix}.").as_bytes(), body].concat();
    let sign = |key: &Zeroizing<Vec<u8>>| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &signed);
        format!("v1,{}", BASE64_STANDARD.encode(tag.as_ref()))
    };
    let signatures = keys.iter().map(sign).collect::<Vec<_>>().join(" ");
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("webhook-id", id.to_owned()), ("webhook-timestamp", now_unix.to_string()), ("webhook-signature", signatures)]
    {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    headers
}
