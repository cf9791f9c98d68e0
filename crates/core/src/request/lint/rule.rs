//! The rules: what providers refuse, in one table.
//!
//! A rule's code never changes its meaning and is never used again. The first digit after `SW` says
//! what it is about: 0 the document, 1 tools, 2 schemas, 3 strict schemas, 4 messages and calls, 5 the
//! request. The table is what `seawall explain SW…` prints and what the reference is generated from.

pub(super) mod calls;
pub(super) mod document;
pub(super) mod request;
pub(super) mod schemas;
pub(super) mod strict;
pub(super) mod tools;

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
    /// Empty where even the shortest fills a page, or is no text.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
}

/// Every rule, by rising code.
pub static RULES: &[Rule] = &[
    document::NOT_JSON,
    document::NOT_UTF8,
    document::LONE_SURROGATE,
    document::RAW_CONTROL,
    document::NUL,
    document::KEY_TWICE,
    document::TOO_DEEP,
    document::TOO_LARGE,
    document::UNKNOWN,
    tools::NAME_CHARACTERS,
    tools::NAME_LENGTH,
    tools::NAME_MISSING,
    tools::DESCRIPTION_LENGTH,
    tools::TOO_MANY,
    tools::NONE,
    tools::MANY,
    tools::CHAT_FORM,
    tools::RESPONSES_FORM,
    tools::TYPE_UNKNOWN,
    tools::TYPE_MISSING,
    tools::NAME_TWICE,
    tools::FUNCTIONS_TOO,
    tools::NOT_AN_OBJECT,
    tools::NOT_AN_ARRAY,
    tools::FOREIGN_FORM,
    tools::FIELD_TYPE,
    tools::PARAMETERS_TYPE,
    schemas::ROOT_TYPE,
    schemas::ROOT_COMBINATOR,
    schemas::NO_PROPERTIES,
    schemas::NO_ITEMS,
    schemas::NO_TYPE,
    schemas::VALUE,
    schemas::LOOKAROUND,
    schemas::BACKREFERENCE,
    schemas::PATTERN_ESCAPE,
    schemas::PATTERN_BROKEN,
    schemas::REF_DANGLING,
    schemas::REF_EXTERNAL,
    schemas::DIALECT,
    schemas::REQUIRED_UNKNOWN,
    schemas::OLDER_DRAFT,
    strict::REQUIRED,
    strict::REQUIRED_UNKNOWN,
    strict::ADDITIONAL,
    strict::KEYWORD,
    strict::FORMAT,
    strict::PROPERTIES,
    strict::NESTING,
    strict::CHARACTERS,
    strict::ENUM_VALUES,
    strict::ENUM_CHARACTERS,
    strict::REF_SIBLINGS,
    strict::ANY_OF_KEYS,
    strict::FINE_TUNED,
    strict::UNSET,
    strict::DEFAULT,
    calls::NO_CALL,
    calls::ID_UNKNOWN,
    calls::UNANSWERED,
    calls::TOO_MANY,
    calls::ID_TWICE,
    calls::NO_OUTPUT,
    calls::ORPHAN_OUTPUT,
    calls::ID_LENGTH,
    calls::OUTPUT_LENGTH,
    calls::NAMESPACE,
    calls::MCP_RESULT,
    calls::NAME,
    calls::ARGUMENTS_TYPE,
    calls::ARGUMENTS_TEXT,
    calls::ID_MISSING,
    calls::CHAT_MESSAGE,
    calls::NONE,
    calls::CONTENT_TYPE,
    request::CHOICE_UNKNOWN,
    request::CHOICE_ALONE,
    request::CHOICE_FORM,
    request::CHOICE_VALUE,
    request::FORMAT_NAME,
    request::FORMAT_PART,
    request::MOVED,
    request::OF_RESPONSES,
    request::METADATA_PAIRS,
    request::METADATA_KEY,
    request::METADATA_VALUE,
    request::PARALLEL_ALONE,
    request::STREAM_OPTIONS_ALONE,
    request::NO_MESSAGES,
    request::NO_JSON_WORD,
];

/// The rule with this code or name, in any case.
#[must_use]
pub fn find(word: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(word) || rule.name.eq_ignore_ascii_case(word))
}

/// OpenAI, whatever the door.
const OPENAI: &[Target] = &[Target::OpenaiChat, Target::OpenaiResponses, Target::Azure];
const CHAT: &[Target] = &[Target::OpenaiChat, Target::Azure];
const RESPONSES: &[Target] = &[Target::OpenaiResponses, Target::Azure];
const COMPAT: &[Target] = &[Target::AnthropicCompat, Target::GeminiCompat];

const SPEC: &str = "OpenAI's OpenAPI document 2.3.0";
const GUIDE: &str = "OpenAI's guide on structured outputs";
/// What practitioners know and no document that we have read says.
const KNOWN: &str = "general knowledge; no document and no report at hand";
/// When [`KNOWN`] was seen to hold.
const UNDATED: &str = "not dated";

/// What most rules have in common.
const ERROR: Rule = Rule {
    code: "",
    name: "",
    severity: Severity::Error,
    targets: &[],
    says: "",
    limit: None,
    reply: "",
    source: KNOWN,
    seen: UNDATED,
    fix: "",
    bad: "",
    good: "",
};

/// One tool in Chat's form with these parameters.
macro_rules! tool {
    ($parameters:literal) => {
        concat!(r#"{"type":"function","function":{"name":"f","parameters":"#, $parameters, "}}")
    };
}

/// The same, strict.
macro_rules! strict_tool {
    ($parameters:literal) => {
        concat!(r#"{"type":"function","function":{"name":"f","strict":true,"parameters":"#, $parameters, "}}")
    };
}

/// A strict schema with one property `x`.
macro_rules! strict_x {
    ($schema:literal) => {
        concat!(
            r#"{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"x":"#,
            $schema,
            r#"},"required":["x"],"additionalProperties":false}}}"#
        )
    };
}

/// A schema with one property `x`.
macro_rules! tool_x {
    ($schema:literal) => {
        concat!(
            r#"{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":"#,
            $schema,
            "}}}}"
        )
    };
}

/// A Chat request with a first message and these members after it.
macro_rules! chat {
    ($rest:literal) => {
        concat!(r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}"#, $rest)
    };
}

/// A Responses request with these items after the first message.
macro_rules! responses {
    ($rest:literal) => {
        concat!(r#"{"model":"gpt-4o","input":[{"role":"user","content":"hi"}"#, $rest)
    };
}

use {chat, responses, strict_tool, strict_x, tool, tool_x};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_rise() {
        assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
        let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
        for rule in RULES {
            assert_eq!(find(&rule.code.to_lowercase()), Some(rule));
            assert_eq!(find(rule.name), Some(rule));
        }
    }

    #[test]
    fn every_rule_is_told_in_whole() {
        for rule in RULES {
            assert!(rule.code.starts_with("SW") && rule.code.len() == 5, "{}", rule.code);
            assert!(rule.says.ends_with('.') && !rule.reply.is_empty() && !rule.seen.is_empty(), "{}", rule.code);
            assert!(!rule.source.is_empty() && !rule.fix.is_empty() && !rule.fix.ends_with('.'), "{}", rule.code);
            assert_eq!(rule.bad.is_empty(), rule.good.is_empty(), "{}", rule.code);
        }
    }
}
