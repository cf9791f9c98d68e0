//! The rules: what providers refuse, in one table.
//!
//! A rule's code never changes its meaning and is never used again. The first digit after `SW` says
//! what it is about: 0 the document, 1 tools, 2 schemas, 3 strict schemas, 4 messages and calls, 5 the
//! request. The table is what `seawall explain SW…` prints and what the reference is generated from.

use super::{Severity, Target};

/// One thing that providers refuse.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable code: `SW101`.
    pub code: &'static str,
    /// Its name in words: `tool-name-characters`.
    pub name: &'static str,
    /// How bad it is where it is worst.
    pub severity: Severity,
    /// Who is known to refuse it; empty for all.
    pub targets: &'static [Target],
    /// One sentence: what is wrong, with its full stop.
    pub says: &'static str,
    /// The limit, if it is one: `64 bytes`.
    pub limit: Option<&'static str>,
    /// What the provider answers: the status and the wording as far as it is known.
    pub reply: &'static str,
    /// Where the limit and the reply are known from.
    pub source: &'static str,
    /// When that was last seen to hold: `2026-09`, or what is known of it.
    pub seen: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// A document that breaks it and nothing else, as short as possible: for documentation and tests.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
}

/// Every rule, by rising code.
pub static RULES: &[Rule] = &[TOOL_NAME_CHARACTERS];

/// The rule with this code or name, in any case.
#[must_use]
pub fn find(word: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(word) || rule.name.eq_ignore_ascii_case(word))
}

/// SW101.
pub(super) const TOOL_NAME_CHARACTERS: Rule = Rule {
    code: "SW101",
    name: "tool-name-characters",
    severity: Severity::Error,
    targets: &[],
    says: "A tool's name has characters other than letters, digits, underscores and hyphens.",
    limit: Some("^[a-zA-Z0-9_-]+$"),
    reply: "400 invalid_value: Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    source: "OpenAI's OpenAPI document 2.3.0; ten public reports",
    seen: "2026-09",
    fix: "rename the tool, here and where its calls are answered",
    bad: r#"[{"type":"function","function":{"name":"get weather","parameters":{"type":"object","properties":{}}}}]"#,
    good: r#"[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{}}}}]"#,
};
