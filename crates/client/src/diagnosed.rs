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

/// What an attempt more cost, where one was made to learn more.
const PROBED: &str = "; sent once more without streaming, to learn this: possibly billed";

/// Why requests like this one fail every time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosed {
    /// In a word.
    pub cause: Cause,
    /// What happens every time, why probably, and what helps: one line of ASCII, without a final period.
    pub text: String,
}

impl Diagnosed {
    /// What was found of the request with these facts and this body, and whether one attempt more was made for it.
    pub(crate) fn of(found: Diagnosis, has_probed: bool, facts: &Request, payload: &Payload) -> Diagnosed {
        let mut text = found.to_string();
        if let Diagnosis::Tools(_) = found {
            text.push_str("; ");
            text.push_str(&culprit(facts, payload.kept()));
            if has_probed {
                text.push_str(PROBED);
            }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};
    use seawall_core::plan::suspects::Evidence;
    use std::time::Duration;

    use super::*;

    const EVIDENCE: Evidence = Evidence {
        attempts: 7,
        requests: 3,
        bodies: 2,
        within: Duration::from_millis(41_900),
        others_answered: 214,
        others_failed: 2,
        stream: true,
    };

    fn of(path: &str, body: &str) -> String {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let facts = Request::of(&Method::POST, path, &HeaderMap::new(), Some(&bytes), bytes.len() as u64);
        let found = Diagnosed::of(Diagnosis::Tools(EVIDENCE), false, &facts, &Payload::Kept(bytes.clone()));
        let probed = Diagnosed::of(Diagnosis::Tools(EVIDENCE), true, &facts, &Payload::Kept(bytes));
        assert_eq!(probed.text, format!("{}{PROBED}", found.text));
        assert_eq!(found.cause, Cause::Tools);
        HeaderValue::try_from(&found.text).expect("it fits into a header");
        found.text
    }

    fn chat(tool: &str, more: &str) -> String {
        format!(
            r#"{{"model":"gpt-4o","stream":true,"messages":[{{"role":"user","content":"x{more}"}}],"tools":[{tool}]}}"#
        )
    }

    fn tool(name: &str, property: &str) -> String {
        let schema =
            format!(r#"{{"type":"object","properties":{{"{property}":{{"type":"string","pattern":"^(?!secret)"}}}}}}"#);
        format!(r#"{{"type":"function","function":{{"name":"{name}","parameters":{schema}}}}}"#)
    }

    #[test]
    fn the_evidence_comes_first_and_then_the_tool_and_the_place() {
        let text = of("/v1/chat/completions", &chat(&tool("get_weather", "city"), ""));
        let begin = "likely the tool definitions: requests with these tools failed 7 of 7 times in 3 requests within 42 s, \
                     while 214 of 216 other streams for this model were answered; SW207 at \
                     /tools/0/function/parameters/properties/city/pattern (tool get_weather): ";
        assert!(text.starts_with(begin), "{text}");
        assert!(text.ends_with("(seawall explain SW207)") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn without_anything_known_there_is_a_way_to_find_out() {
        let good = r#"{"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{}}}}"#;
        for body in [chat(good, ""), "not JSON".to_owned(), String::new()] {
            assert!(of("/v1/chat/completions", &body).ends_with("`seawall doctor REQUEST.json --send` narrow it down"));
        }
    }

    #[test]
    fn of_a_large_body_only_the_tools_are_looked_at_and_of_large_tools_nothing() {
        let more = "y".repeat(LINT_BYTES_MAX);
        assert!(
            of("/v1/chat/completions", &chat(&tool("a", "b"), &more))
                .contains("SW207 at /tools/0/function/parameters/")
        );
        let large = chat(&tool("a", &more), "");
        assert!(of("/v1/chat/completions", &large).contains("seawall doctor"));
    }

    #[test]
    fn hostile_names_are_harmless_and_cut() {
        let text = of("/v1/chat/completions", &chat(&tool("a", &"\\u001b[31m\\r\\n\u{202e}é".repeat(60)), ""));
        assert!(text.contains("SW207") && text.is_ascii() && !text.chars().any(char::is_control), "{text}");
        assert!(text.len() < 1_200, "{} bytes", text.len());
    }
}
