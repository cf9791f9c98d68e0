//! Lines of logs: what an application, a proxy or a container runtime wrote about an error.
//!
//! A structured line carries the error as text in one of its fields; a proxy's line has the status
//! behind the request. The text is explained as if it had been pasted alone.

use seawall_core::verdict::body;
use serde_json::Value;

use super::{Explained, Kind, read};

/// The fields that hold an error, the most telling first.
const FIELDS: [&str; 15] = [
    "exc_info",
    "exception",
    "stack_trace",
    "stack",
    "traceback",
    "err",
    "error",
    "exc",
    "cause",
    "log",
    "msg",
    "message",
    "event",
    "detail",
    "text",
];
/// Fields inside of fields are followed to this depth: `{"err": {"cause": {"stack": …}}}`.
const DEPTH_MAX: usize = 4;
/// Lines that are tried, from the last.
const LINES_MAX: usize = 50;

/// A structured line, or several of them, of which one tells of an error.
pub(super) fn structured(what: &str) -> Option<Explained> {
    let lines = what.lines().rev().filter(|line| line.trim_start().starts_with('{'));
    lines.take(LINES_MAX).find_map(|line| {
        let value: Value = serde_json::from_str(line.trim()).ok()?;
        let is_log = ["level", "severity", "time", "timestamp", "@timestamp", "ts", "stream", "logger", "log"];
        is_log.iter().any(|name| value.get(name).is_some()).then(|| inside(&value, DEPTH_MAX)).flatten()
    })
}

/// What the fields of a line say, the first that says something.
fn inside(value: &Value, depth: usize) -> Option<Explained> {
    match value {
        // A number in a sentence is no status, and a word of ours no error.
        Value::String(text) => read(text.trim()).filter(|read| match read.recognised {
            Some(Kind::Reason | Kind::Outcome) => false,
            Some(Kind::Status) => text.contains("HTTP/"),
            _ => true,
        }),
        // The error as the SDK's object: an error body, with its status beside it.
        Value::Object(_) if depth > 0 => {
            FIELDS.iter().filter_map(|name| value.get(name)).find_map(|value| inside(value, depth - 1)).or_else(|| {
                let status = value.get("status").or(value.get("statusCode"))?.as_u64()?;
                read(&status.to_string())
            })
        }
        Value::Array(values) if depth > 0 => values.iter().find_map(|value| inside(value, depth - 1)),
        _ => None,
    }
}

/// A line of a proxy or an HTTP client: `"POST /v1/x HTTP/1.1" 502 157`, `"HTTP/1.1 500 Internal …"`.
pub(super) fn access(what: &str) -> Option<Explained> {
    what.lines().rev().take(LINES_MAX).find_map(|line| {
        let status = line.match_indices("HTTP/").find_map(|(at, _)| {
            let rest = line[at + 5..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            let rest = rest.trim_start_matches(['"', ' ']);
            body::status_in_text(rest.get(..3)?)
        })?;
        read(&status.to_string())
    })
}
