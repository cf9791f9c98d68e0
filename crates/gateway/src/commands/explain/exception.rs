//! Reads the exceptions of the official SDKs as Python and Node print them.
//!
//! Python puts status and body into the last line (`Error code: 500 - {'error': …}`; since version 3
//! the status and the message only), Node the status and the message into the first and the rest into a dump of the object. An exception
//! without a status says by its class, or by its cause further up, what became of the connection.

use http::HeaderMap;
use seawall_core::verdict::code::{self, Meaning, status};
use seawall_core::verdict::{Class, Fault, Whose};

use super::{Explained, Kind, pasted};
use crate::commands::literal;

/// The classes that stand for a status, in both SDKs.
const STATUSES: &[(&str, u16)] = &[
    ("BadRequestError", 400),
    ("AuthenticationError", 401),
    ("PermissionDeniedError", 403),
    ("NotFoundError", 404),
    ("ConflictError", 409),
    ("UnprocessableEntityError", 422),
    ("RateLimitError", 429),
    ("InternalServerError", 500),
    // Of LiteLLM and of openai-python before 1.0.
    ("ServiceUnavailableError", 503),
];

/// The classes without a status.
const OTHERS: &[&str] = &[
    "APIConnectionError",
    "APIConnectionTimeoutError",
    "APITimeoutError",
    "APIUserAbortError",
    "APIStatusError",
    "APIError",
];

static NO_ANSWER: Meaning = Meaning {
    whose: Whose::Network,
    ..Meaning::new(
        Class::Ambiguous,
        "The program got no answer at all: it could not connect, or the connection broke before the answer was complete.",
        &[
            "look further up in the traceback: the cause says whether the connection was refused, reset or not trusted",
            "check `base_url` and that this machine reaches its host and port",
            "behind Seawall, see what became of it with `seawall failures --since 10m`",
        ],
    )
};

/// A class of the SDKs by its bare name: `RateLimitError`, `openai.APITimeoutError`.
pub(super) fn class(word: &str) -> Option<Explained> {
    let name = word.rsplit('.').next()?;
    STATUSES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| Explained::of(Kind::PythonException, Some(*number), status::of_status(*number, false)))
        .or_else(|| without_status(name, "", Kind::PythonException))
}

/// What Python prints: with or without its traceback.
pub(super) fn python(what: &str) -> Option<Explained> {
    const MARK: &str = "Error code: ";
    if let Some(at) = what.rfind(MARK) {
        let rest = &what[at + MARK.len()..];
        let status = rest.get(..3)?.parse().ok()?;
        let content = rest[3..].trim_start().strip_prefix('-').unwrap_or_default().trim();
        let content = match literal::to_json(content).filter(|json| json.len() > 2 && content.starts_with(['{', '['])) {
            Some(json) => json,
            None if content.is_empty() || content.starts_with(['<', '{', '[']) => content.to_owned(),
            None => serde_json::json!({ "error": { "message": content } }).to_string(),
        };
        let judged = pasted::judge(status, &HeaderMap::new(), content.as_bytes())?;
        return Some(Explained::judged(Kind::PythonException, Some(status), judged));
    }
    let is_pythons = what.contains("Traceback (most recent call last)") || what.contains("openai.");
    let Some((name, message)) = class_line(what) else { return repr(what) };
    if !is_pythons && is_nodes(what, name) {
        return None;
    }
    if let Some(known) = pasted::message(message).filter(|known| known.status.is_some()) {
        return Some(Explained { recognised: Some(Kind::PythonException), ..known });
    }
    let by_status = STATUSES.iter().find(|(known, _)| *known == name);
    match by_status {
        Some((_, number)) => {
            Some(Explained::of(Kind::PythonException, Some(*number), status::of_status(*number, false)))
        }
        None => without_status(name, what, Kind::PythonException),
    }
}

/// An exception as a log names it: `raised unexpected: APIConnectionError("Connection error.")`.
fn repr(what: &str) -> Option<Explained> {
    let names = STATUSES.iter().map(|(name, _)| *name).chain(OTHERS.iter().copied());
    let name = names.into_iter().find(|name| {
        what.match_indices(name).any(|(at, _)| {
            let stands_alone = !what[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let call = what[at + name.len()..].strip_prefix('(');
            stands_alone && call.is_some_and(|rest| rest.starts_with(['\'', '"']))
        })
    })?;
    class(name)
}

/// What Node prints: the line of the error, its stack, and the dump of the object.
pub(super) fn node(what: &str) -> Option<Explained> {
    let (name, message) = class_line(what)?;
    let status = message.get(..3).and_then(|digits| digits.parse::<u16>().ok()).filter(|n| (100..=599).contains(n));
    let Some(status) = status.or_else(|| field(what, "status").and_then(|digits| digits.parse().ok())) else {
        return without_status(name, what, Kind::NodeException);
    };
    let message = message.strip_prefix(&status.to_string()).unwrap_or(message).trim();
    let content = match dumped_error(what) {
        Some(error) => format!(r#"{{"error":{error}}}"#),
        None if message == "status code (no body)" => String::new(),
        None if message.starts_with(['<', '{', '[']) => message.to_owned(),
        None => serde_json::json!({ "error": {
            "message": message, "code": field(what, "code"), "type": field(what, "type"),
        }})
        .to_string(),
    };
    let judged = pasted::judge(status, &HeaderMap::new(), content.as_bytes())?;
    Some(Explained::judged(Kind::NodeException, Some(status), judged))
}

/// Whether the error was printed by Node rather than Python.
fn is_nodes(what: &str, name: &str) -> bool {
    let in_class = what.find(name).map(|at| &what[at + name.len()..]);
    let has_status = in_class
        .and_then(|rest| rest.strip_prefix(": "))
        .and_then(|rest| rest.get(..4))
        .is_some_and(|head| head[..3].bytes().all(|b| b.is_ascii_digit()) && head.ends_with(' '));
    has_status || name == "APIConnectionTimeoutError" || name == "APIUserAbortError" || what.contains("\n    at ")
}

/// The last line that begins with a class of the SDKs and a colon: the class, and what follows.
fn class_line(what: &str) -> Option<(&str, &str)> {
    what.lines().rev().find_map(|line| {
        let line = line.trim_start().trim_start_matches("Uncaught ");
        let (path, message) = line.split_once(':').unwrap_or((line.trim_end(), ""));
        let name = path.rsplit(['.', ' ']).next()?;
        let is_known = STATUSES.iter().any(|(known, _)| *known == name) || OTHERS.contains(&name);
        is_known.then_some((name, message.trim()))
    })
}

/// An exception that has no status: by what caused it, then by its class.
fn without_status(name: &str, what: &str, kind: Kind) -> Option<Explained> {
    let meaning = match name {
        "APIUserAbortError" => code::of_class(Class::Cancelled),
        "APITimeoutError" | "APIConnectionTimeoutError" => {
            let fault = pasted::fault_in(what).filter(|fault| *fault == Fault::ConnectTimeout);
            code::of_fault(fault.unwrap_or(Fault::Deadline))
        }
        "APIConnectionError" => pasted::fault_in(what).map_or(&NO_ANSWER, code::of_fault),
        // An error event of a stream has no status; anything else has one in its text.
        "APIError" | "APIStatusError" => code::of_fault(Fault::StreamError),
        _ => return None,
    };
    Some(Explained::of(kind, None, meaning))
}

/// The `error: { … }` of a dump, as JSON.
fn dumped_error(what: &str) -> Option<String> {
    let at = what.find("\n  error: {")? + "\n  error: ".len();
    literal::to_json(&what[at..])
}

/// The value of a plain field of a dump: `  code: 'x',`.
fn field<'a>(what: &'a str, name: &str) -> Option<&'a str> {
    what.lines().find_map(|line| {
        let value = line.strip_prefix("  ")?.strip_prefix(name)?.strip_prefix(": ")?;
        let value = value.trim_end().trim_end_matches(',').trim_matches('\'');
        Some(value).filter(|value| !matches!(*value, "null" | "undefined" | ""))
    })
}
