//! An upstream's error, with what was found out about the request added to its message.
//!
//! Only the message grows: status, type, code and everything else stay as they came, byte for byte, so
//! that the caller's SDK raises what it would have raised. The message is what people read.

use std::ops::Range;

use bytes::Bytes;
use seawall::proxy::Failure;
use seawall_core::json;
use seawall_core::verdict::Class;

/// What is added to the message of this failure, if anything: what the caller itself did wrong, the
/// upstream has said in its own words.
pub(super) fn addition(failure: &Failure) -> Option<&str> {
    let found = failure.diagnosis.as_ref().filter(|_| failure.class != Some(Class::CallerFault));
    found.map(|found| found.text.as_str())
}

/// An upstream's `message` of this failure, with what is added to it.
pub(super) fn extended(failure: &Failure, message: &str) -> String {
    addition(failure).map_or_else(|| message.to_owned(), |addition| joined(message, addition))
}

fn joined(message: &str, addition: &str) -> String {
    format!("{} (seawall: {addition})", message.trim_end())
}

/// `body`, an error object in any of its known forms, with `addition` after its message; `None` if there
/// is no message in it.
pub(super) fn amended(body: &Bytes, addition: &str) -> Option<Bytes> {
    let place = message(body)?;
    let said = json::string(&body[place.clone()])?;
    let text = serde_json::to_string(&joined(&said, addition)).ok()?;
    let mut amended = Vec::with_capacity(body.len() + text.len());
    amended.extend_from_slice(&body[..place.start]);
    amended.extend_from_slice(text.as_bytes());
    amended.extend_from_slice(&body[place.end..]);
    Some(amended.into())
}

/// Where the message stands: in the object `error`, beside it, or in the first object of a list.
fn message(body: &[u8]) -> Option<Range<usize>> {
    let object = json::elements(body).next().and_then(Result::ok).unwrap_or(body);
    let error = json::field(object, "error").filter(|raw| raw.starts_with(b"{")).unwrap_or(object);
    let raw = json::field(error, "message")?;
    let start = raw.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some(start..start + raw.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &'static str) -> Option<String> {
        let body = Bytes::from_static(body.as_bytes());
        amended(&body, "likely \"this\"").map(|bytes| String::from_utf8(bytes.into()).expect("UTF-8"))
    }

    #[test]
    fn the_message_grows_and_nothing_else_changes() {
        for (body, wanted) in [
            (
                r#"{ "error": {"type":"server_error", "message":"It \u00fcbel failed. ", "code":null} }"#,
                r#"{ "error": {"type":"server_error", "message":"It übel failed. (seawall: likely \"this\")", "code":null} }"#,
            ),
            (r#"{"message":"flat","code":500}"#, r#"{"message":"flat (seawall: likely \"this\")","code":500}"#),
            (
                r#"[{"error":{"code":503,"message":"busy"}}]"#,
                r#"[{"error":{"code":503,"message":"busy (seawall: likely \"this\")"}}]"#,
            ),
            (
                r#"{"error":"text","message":"beside"}"#,
                r#"{"error":"text","message":"beside (seawall: likely \"this\")"}"#,
            ),
        ] {
            assert_eq!(of(body).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn where_there_is_no_message_nothing_is_added() {
        for body in
            ["", "not JSON", "[]", "{}", r#"{"error":{}}"#, r#"{"error":{"message":5}}"#, r#"{"error":{"message":"cut"#]
        {
            assert_eq!(of(body), None, "{body}");
        }
    }
}
