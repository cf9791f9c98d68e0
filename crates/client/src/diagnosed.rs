//! What was found out about a request that always fails, in words for its caller.
//!
//! Where it is likely its tools, they are looked at: after the failure, never before, and only so much
//! of them. What is said names a tool, a place and a rule, and nothing that the request says.

use seawall_core::event::Cause;
use seawall_core::json;
use seawall_core::plan::diagnosis::Diagnosis;
use seawall_core::request::lint::{self, Finding, Options, Severity, Target};
use seawall_core::request::{Endpoint, Request};

use crate::body::Payload;

/// A larger body is not looked at as a whole, and larger tools not at all: a hundredth of a second.
pub const LINT_BYTES_MAX: usize = 1 << 20;
/// A place in the request that takes longer to name is cut, in bytes.
const POINTER_BYTES_MAX: usize = 200;

/// Why requests like this one fail every time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosed {
    /// In a word.
    pub cause: Cause,
    /// What happens every time, why probably, and what helps: one line of ASCII, without a final period.
    pub text: String,
}

impl Diagnosed {
    /// What was found of the request with these facts and this body.
    pub(crate) fn of(found: Diagnosis, facts: &Request, payload: &Payload) -> Diagnosed {
        let mut text = found.to_string();
        if let Diagnosis::Tools(_) = found {
            text.push_str("; ");
            text.push_str(&culprit(facts, payload.kept()));
        }
        Diagnosed { cause: found.cause(), text }
    }
}

/// What is known to be wrong with the tools in `body`, and what to do.
fn culprit(facts: &Request, body: Option<&[u8]>) -> String {
    let Some(found) = body.and_then(|body| worst(facts, body)) else {
        return "nothing that is known to be refused was found in them: save the request and let \
                `seawall doctor REQUEST.json --send` narrow it down"
            .to_owned();
    };
    let (finding, prefix) = found;
    let pointer = harmless(&format!("{prefix}{}", finding.pointer), POINTER_BYTES_MAX);
    let tool =
        finding.tool.map(|tool| format!(" (tool {})", harmless(&tool, lint::NAME_BYTES_MAX))).unwrap_or_default();
    let (code, message) = (finding.rule.code, harmless(&finding.message, POINTER_BYTES_MAX));
    format!("{code} at {pointer}{tool}: {message}; fix: {} (seawall explain {code})", finding.rule.fix)
}

/// The first of what is surely refused, else of what may be; and what its place is below.
fn worst(facts: &Request, body: &[u8]) -> Option<(Finding, &'static str)> {
    let target = match facts.endpoint {
        Endpoint::ChatCompletions => Some(Target::OpenaiChat),
        Endpoint::Responses => Some(Target::OpenaiResponses),
        _ => None,
    };
    let options = Options { target };
    let is_of_tools =
        |finding: &Finding| finding.pointer.starts_with("/tools") || finding.pointer.starts_with("/functions");
    let mut found: Vec<(Finding, &str)> = if body.len() <= LINT_BYTES_MAX {
        lint::lint(body, options).findings.into_iter().filter(is_of_tools).map(|finding| (finding, "")).collect()
    } else {
        let tools = json::field(body, "tools").filter(|tools| tools.len() <= LINT_BYTES_MAX)?;
        lint::lint(tools, options).findings.into_iter().map(|finding| (finding, "/tools")).collect()
    };
    found.retain(|(finding, _)| finding.severity != Severity::Note);
    found.into_iter().min_by_key(|(finding, _)| finding.severity)
}

/// `text` as it fits into a header, cut to `max` bytes.
fn harmless(text: &str, max: usize) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(max).collect()
}
