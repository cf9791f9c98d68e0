//! The last event of a stream that failed: the form that every official SDK raises.
//!
//! No SDK notices a stream that just ends, and not all of them one that is cut. So what went wrong is said
//! inside the stream, in the words of its dialect, with a code, a message and the request's id; and the
//! connection then ends uncleanly (`loud`), for readers that pass error events over.

use bytes::Bytes;
use seawall::proxy::{Broken, Failure, plainly};
use seawall_core::request::Dialect;
use seawall_core::verdict::code::Code;
use serde_json::{Value, json};

use super::amend::extended;
use super::answer::message;

/// The last event of a broken stream: the form that every official SDK raises. Where the upstream's
/// own has said it already, a comment in its place, which like the event must reach the wire before
/// the end: with it goes what came before. `None` where no event can be understood.
pub(crate) fn broken(broken: &Broken, id: &str, is_recorded: bool) -> Option<Bytes> {
    let request_id = broken.upstream_request_id.as_deref().unwrap_or(id);
    let message = format!(
        "the stream broke off after its first content ({}), which no retry can mend; what came is incomplete \
         (request id {request_id}; seawall show {id})",
        plainly(broken.fault)
    );
    let mut error = json!({
        "message": message, "type": Code::StreamInterrupted.kind(), "param": null,
        "code": Code::StreamInterrupted.name(), "request_id": request_id,
    });
    if !is_recorded {
        error["recorded"] = false.into();
    }
    let dialect = broken.dialect?;
    if broken.was_told && dialect != Dialect::Responses {
        return Some(Bytes::from_static(b":\n"));
    }
    Some(error_event(dialect, error, broken.sequence.map_or(0, |n| n + 1)))
}

/// The only event of a stream whose head was sent while no answer had come, when none came after all.
/// `None` where no event can be understood.
pub(crate) fn failed(failure: &Failure, dialect: Option<Dialect>, id: &str, is_recorded: bool) -> Option<Bytes> {
    let code = failure.code();
    let said = failure.said.as_deref();
    let request_id = failure.upstream_ids.last().map_or(id, String::as_str);
    // The upstream's own words are the caller's, as they would be in an answer with a status.
    let words = |text: Option<&str>, own: String| text.map_or(own, ToString::to_string);
    let mut error = json!({
        "message": match said.and_then(|s| s.message.as_deref()) {
            Some(said) => extended(failure, said),
            None => message(code, &failure.says(), id),
        },
        "type": words(said.and_then(|s| s.kind.as_deref()), code.kind().into()),
        "param": null,
        "code": words(said.and_then(|s| s.code.as_deref()), code.name().into()),
        "request_id": request_id,
    });
    if !is_recorded {
        error["recorded"] = false.into();
    }
    Some(error_event(dialect?, error, 0))
}

/// The only event of a stream whose head was sent, when an answer came that is no stream.
pub(crate) fn unfit(dialect: Option<Dialect>, id: &str) -> Option<Bytes> {
    let code = Code::BadReply;
    let message = format!("the upstream answered, but not with a stream (seawall show {id})");
    let error = json!({
        "message": message, "type": code.kind(), "param": null, "code": code.name(), "request_id": id,
    });
    Some(error_event(dialect?, error, 0))
}

/// An error event in the form that every official SDK raises.
fn error_event(dialect: Dialect, error: Value, sequence: u64) -> Bytes {
    let event = match dialect {
        Dialect::Responses => {
            let mut event = json!({
                "type": "error", "code": error["code"], "message": error["message"], "param": null,
                "sequence_number": sequence, "request_id": error["request_id"],
            });
            event["error"] = error;
            format!("event: error\ndata: {event}\n\n")
        }
        Dialect::Messages => {
            let request_id = error["request_id"].clone();
            format!("event: error\ndata: {}\n\n", json!({"type": "error", "error": error, "request_id": request_id}))
        }
        Dialect::Assistants => format!("event: error\ndata: {}\n\n", json!({ "error": error })),
        _ => format!("data: {}\n\n", json!({ "error": error })),
    };
    Bytes::from(event)
}
