//! Errors of what lies under an SDK: HTTP clients, JSON parsers, sockets, other SDKs.
//!
//! An SDK does not wrap everything. A body that breaks off leaves Node as `TypeError: terminated`, an
//! empty answer leaves Python as a `JSONDecodeError`, and programs that call the API without an SDK
//! print the errors of their HTTP client. What they have in common is a class's name before a colon.

use http::HeaderMap;
use seawall_core::verdict::code::{self, status};
use seawall_core::verdict::{Fault, body};

use super::{Explained, Kind, pasted};
use crate::commands::literal;

/// Lines at the end of a paste that are looked at: a cause may stand far above.
const LINES_MAX: usize = 4_000;

/// Classes whose message names a status.
const WITH_STATUS: &[&str] =
    &["HTTPError", "HTTPStatusError", "AxiosError", "ClientResponseError", "HttpResponseError", "AI_APICallError"];
/// Classes of parsers: what came was no JSON.
const OF_PARSERS: &[&str] = &["JSONDecodeError", "SyntaxError"];

/// An error of a library, with or without its stack.
pub(super) fn error(what: &str) -> Option<Explained> {
    let kind = kind(what)?;
    let (name, message) = last_class(what)?;
    if OF_PARSERS.contains(&name) {
        return no_json(message).map(|fault| Explained::of(kind, None, code::of_fault(fault)));
    }
    if WITH_STATUS.contains(&name) {
        let status = body::status_in_text(message).or_else(|| field(what, "statusCode")?.parse().ok())?;
        let said = field(what, "responseBody").and_then(literal::to_json);
        let said: Option<String> = said.and_then(|body| serde_json::from_str(&body).ok());
        return match said {
            Some(body) => {
                let judged = pasted::judge(status, &HeaderMap::new(), body.as_bytes())?;
                Some(Explained::judged(kind, Some(status), judged))
            }
            None => Some(Explained::of(kind, Some(status), status::of_status(status, false))),
        };
    }
    // Only what is said of the error counts: a line of source in a traceback may hold any text.
    let said: Vec<&str> = what.lines().rev().take(LINES_MAX).filter(|line| is_told(line)).collect();
    pasted::fault_in(&said.join("\n")).map(|fault| Explained::of(kind, None, code::of_fault(fault)))
}

/// Who printed it: Python or Node, by the stack or by the name of the class.
fn kind(what: &str) -> Option<Kind> {
    if what.contains("Traceback (most recent call last)") {
        return Some(Kind::PythonException);
    }
    if what.contains("\n    at ") || what.contains("Node.js v") {
        return Some(Kind::NodeException);
    }
    let (name, _) = class(what.lines().next()?)?;
    let path = what.split(':').next().unwrap_or_default();
    let is_nodes = ["TypeError", "SyntaxError", "AxiosError", "AI_APICallError"].contains(&name);
    match (is_nodes, path.contains('.')) {
        (true, false) => Some(Kind::NodeException),
        // A bare `Error: …` may be anybody's.
        (false, _) if name == "Error" => None,
        (false, _) if name.ends_with("Error") || name.ends_with("Timeout") => Some(Kind::PythonException),
        _ => None,
    }
}

/// The last class that a line begins with: its bare name, and what follows the colon.
fn last_class(what: &str) -> Option<(&str, &str)> {
    what.lines().rev().take(LINES_MAX).find_map(class)
}

/// The class that a line begins with: `json.decoder.JSONDecodeError: Expecting value`.
fn class(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start().trim_start_matches("Uncaught ").trim_start_matches("[cause]: ");
    let (path, message) = line.split_once(':').unwrap_or((line.trim_end(), ""));
    let path = path.split_once(" [").map_or(path, |(path, _)| path);
    let is_path = !path.is_empty() && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b));
    let name = path.rsplit('.').next()?;
    let is_class = name.starts_with(|c: char| c.is_ascii_uppercase())
        && ["Error", "Timeout", "Exception", "Disconnected"].iter().any(|end| name.ends_with(end));
    (is_path && is_class).then_some((name, message.trim()))
}

/// Whether a line tells of an error, and is neither source nor a frame of a stack.
fn is_told(line: &str) -> bool {
    class(line).is_some() || line.contains("[cause]:") || line.trim_start().starts_with("code: '")
}

/// What was wrong with a body that is no JSON, by what the parser says.
fn no_json(message: &str) -> Option<Fault> {
    let is = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
    // Nothing at all came, or nothing that begins like JSON: a page, most often.
    if is(&["(char 0)", "Unexpected token '<'", "Unexpected token <"]) {
        return Some(Fault::Html200);
    }
    // It began well and broke off, or was damaged.
    is(&["JSON", "Unterminated string", "Expecting ", "Extra data", "Invalid "]).then_some(Fault::Undecodable)
}

/// The value of a field of a dump: `  statusCode: 500,`.
fn field<'a>(what: &'a str, name: &str) -> Option<&'a str> {
    what.lines().find_map(|line| {
        let value = line.trim_start().strip_prefix(name)?.strip_prefix(": ")?;
        Some(value.trim_end().trim_end_matches(','))
    })
}
