//! What an examination comes to: yours, theirs, unclear, or nothing wrong.

use std::io::{self, Write};

use seawall_core::request::lint::Report;
use serde::Serialize;

use super::exam::{Cost, Trace};
use crate::exit::{self, Exit};
use crate::observe::journal::plain::printable;

/// The longest excerpt of a pattern or format that is shown, in bytes.
const EXCERPT_BYTES_MAX: usize = 80;

/// Who has to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Whose {
    /// The request is answered.
    Fine,
    /// Whoever made the request.
    Yours,
    /// The provider.
    Theirs,
    /// It cannot be told.
    Unclear,
}

/// A part of the request that makes it fail.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Part {
    /// JSON pointer into the file.
    pub(super) pointer: String,
    /// The tool's name, if it may be shown.
    pub(super) tool: Option<String>,
    /// Its length in the file.
    pub(super) bytes: usize,
    /// Its text, of a `pattern` or a `format`.
    pub(super) excerpt: Option<String>,
    /// The rule that it breaks.
    pub(super) rule: Option<&'static str>,
    /// What that rule advises.
    pub(super) fix: Option<&'static str>,
}

/// The end of an examination. The last line of `--json`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Verdict {
    pub(super) verdict: Whose,
    /// Why, in one sentence.
    pub(super) says: String,
    /// What the upstream said about it, redacted.
    pub(super) message: Option<String>,
    pub(super) parts: Vec<Part>,
    pub(super) next: Vec<String>,
    pub(super) model: Option<String>,
    /// Failed sends, for the provider's support.
    pub(super) failures: Vec<Trace>,
    pub(super) sends: u32,
    pub(super) tokens_in: u64,
    pub(super) tokens_out: u64,
    pub(super) tokens_estimated: bool,
    #[serde(skip)]
    pub(super) exit: Exit,
}

impl Verdict {
    pub(super) fn new(verdict: Whose, says: impl Into<String>) -> Verdict {
        let exit = match verdict {
            Whose::Fine => exit::OK,
            Whose::Yours | Whose::Unclear => exit::FOUND,
            Whose::Theirs => exit::UPSTREAM,
        };
        Verdict {
            verdict,
            says: says.into(),
            message: None,
            parts: Vec::new(),
            next: Vec::new(),
            model: None,
            failures: Vec::new(),
            sends: 0,
            tokens_in: 0,
            tokens_out: 0,
            tokens_estimated: false,
            exit,
        }
    }

    /// Adds a step to take.
    pub(super) fn next(mut self, step: impl Into<String>) -> Verdict {
        self.next.push(step.into());
        self
    }

    /// Adds what it cost.
    pub(super) fn spent(&mut self, sends: u32, cost: Cost) {
        self.sends = sends;
        (self.tokens_in, self.tokens_out) = (cost.tokens_in, cost.tokens_out);
        self.tokens_estimated = cost.is_estimate;
    }

    /// Writes it for a person.
    pub(super) fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        let word = match self.verdict {
            Whose::Fine => "nothing wrong",
            Whose::Yours => "yours",
            Whose::Theirs => "theirs",
            Whose::Unclear => "unclear",
        };
        writeln!(out, "\nverdict: {word}: {}", self.says)?;
        if let Some(message) = &self.message {
            writeln!(out, "  it says: {message}")?;
        }
        for part in &self.parts {
            let tool = part.tool.as_ref().map(|tool| format!("tool {tool}, ")).unwrap_or_default();
            write!(out, "  {}  ({tool}{} bytes)", printable(&part.pointer), part.bytes)?;
            match &part.excerpt {
                Some(excerpt) => writeln!(out, ": {excerpt}")?,
                None => writeln!(out)?,
            }
            if let (Some(rule), Some(fix)) = (part.rule, part.fix) {
                writeln!(out, "    rule {rule}: {fix}")?;
            }
        }
        if self.verdict == Whose::Theirs || self.verdict == Whose::Unclear {
            self.tell_failures(out)?;
        }
        let about = if self.tokens_estimated { "about " } else { "" };
        let (sends, tokens) = (self.sends, self.tokens_in);
        writeln!(
            out,
            "  cost: {sends} sends, {about}{tokens} tokens in and {} out, if all were billed",
            self.tokens_out
        )?;
        self.next.iter().try_for_each(|step| writeln!(out, "hint: {step}"))
    }

    fn tell_failures(&self, out: &mut impl Write) -> io::Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let model = self.model.as_deref().map(printable).unwrap_or_default();
        writeln!(out, "  for the provider's support (model {model}):")?;
        for Trace { time, status, request_id, client_request_id } in &self.failures {
            let status = status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
            let id = request_id
                .as_deref()
                .map(printable)
                .unwrap_or_else(|| format!("none, X-Client-Request-Id {client_request_id}"));
            writeln!(out, "    {time}  {status}  x-request-id {id}")?;
        }
        Ok(())
    }
}

/// The rule of the linter that is about what `pointer` points to: the nearest finding.
pub(super) fn rule(report: &Report, pointer: &str) -> Option<(&'static str, &'static str)> {
    let is_inside = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    let distance = |finding: &str| {
        let is_near = finding == pointer
            || is_inside(finding, pointer)
            // Of what is around it only its own schema counts, not the tool or the request.
            || (is_inside(pointer, finding) && finding.contains("/parameters"));
        is_near.then(|| finding.len().abs_diff(pointer.len()))
    };
    let near = report.findings.iter().filter_map(|finding| Some((distance(&finding.pointer)?, finding.rule)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, rule)| (rule.code, rule.fix))
}

/// What can be shown of a part: a pattern or a format is the user's own, short, and the very thing to look at.
pub(super) fn excerpt(pointer: &str, text: &str) -> Option<String> {
    let key = pointer.rsplit('/').next()?;
    if !matches!(key, "pattern" | "format") {
        return None;
    }
    let end = text.floor_char_boundary(EXCERPT_BYTES_MAX);
    Some(format!("{}{}", printable(&text[..end]), if end < text.len() { "…" } else { "" }))
}

#[cfg(test)]
mod tests {
    use seawall_core::request::lint::rule::RULES;
    use seawall_core::request::lint::{Finding, Kind, Severity, Target};

    use super::*;

    #[test]
    fn only_patterns_and_formats_are_shown_and_only_so_much_of_them() {
        assert_eq!(excerpt("/a/pattern", "\"^a$\"").as_deref(), Some("\"^a$\""));
        assert_eq!(excerpt("/a/description", "\"secret\""), None);
        let long = excerpt("/a/pattern", &"a".repeat(EXCERPT_BYTES_MAX + 1)).unwrap();
        assert_eq!(long, format!("{}…", "a".repeat(EXCERPT_BYTES_MAX)));
    }

    #[test]
    fn a_rule_is_matched_where_its_finding_is_at_in_or_closely_around_the_part() {
        let report = |pointer: &str| {
            let finding = Finding {
                rule: &RULES[0],
                severity: Severity::Error,
                pointer: pointer.to_owned(),
                span: 0..0,
                tool: None,
                message: String::new(),
                reply: None,
                fix: None,
            };
            Report { kind: Kind::Request, target: Target::OpenaiChat, tools: 1, findings: vec![finding], more: 0 }
        };
        let part = "/tools/1/function/parameters/properties/a";
        for (finding, matches) in [
            (part, true),
            ("/tools/1/function/parameters/properties/a/pattern", true),
            ("/tools/1/function/parameters", true),
            ("/tools/1/function/parameters/properties/ab", false),
            ("/tools/1/function/parameters/required", false),
            ("/tools", false),
            ("", false),
        ] {
            assert_eq!(rule(&report(finding), part).is_some(), matches, "{finding}");
        }
    }
}
