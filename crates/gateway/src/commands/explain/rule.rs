//! The rules of `seawall lint`, found by their code, their name, or a provider's message.
//!
//! A message names the tool, the place and the numbers of one case, and providers reword it a
//! little now and then. So messages are compared word by word, with numbers and places made alike,
//! and a rule is taken for it if most of its known reply comes in the same order; words that few
//! replies have weigh most. That is a guess, and the linter has the last word.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use seawall_core::request::lint::Target;
use seawall_core::request::lint::rule::{self, RULES, Rule};
use seawall_core::verdict::{Class, code};
use serde::Serialize;

use super::{Explained, Kind};

/// Of a message, at most so many words are compared.
const WORDS_MAX: usize = 160;
/// A reply of fewer words says too little to be recognised.
const WORDS_MIN: usize = 4;
/// So much of what the words of a reply weigh has to come.
const LIKE_MIN: f64 = 0.7;
/// The names in the replies of the table; a message has names of its own.
const NAMES: [&str; 8] = ["f", "g", "x", "a", "call_#", "uri", "any", "str"];

/// A rule as `--json` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) severity: &'static str,
    targets: &'static [Target],
    pub(super) says: &'static str,
    pub(super) limit: Option<&'static str>,
    pub(super) reply: &'static str,
    pub(super) source: &'static str,
    pub(super) seen: &'static str,
    pub(super) fix: &'static str,
    pub(super) bad: &'static str,
    pub(super) good: &'static str,
}

impl Told {
    pub(super) fn of(rule: &'static Rule) -> Told {
        Told {
            code: rule.code,
            name: rule.name,
            severity: rule.severity.name(),
            targets: rule.targets,
            says: rule.says,
            limit: rule.limit,
            reply: rule.reply,
            source: rule.source,
            seen: rule.seen,
            fix: rule.fix,
            bad: rule.bad,
            good: rule.good,
        }
    }

    /// Who refuses it, in words.
    pub(super) fn refused_by(&self) -> String {
        match self.targets {
            [] => "all".to_owned(),
            targets => targets.iter().map(|target| target.name()).collect::<Vec<_>>().join(", "),
        }
    }
}

/// A rule by its code or name, in any case.
pub(super) fn word(word: &str) -> Option<Explained> {
    let rule = rule::find(word)?;
    let status = rule.reply.get(..3).and_then(|digits| digits.parse().ok()).filter(|n| (100..=599).contains(n));
    let mut explained = Explained::of(Kind::LintRule, status, code::of_class(Class::CallerFault));
    explained.meaning = Some(rule.says);
    explained.next = vec![rule.fix.to_owned(), "find every place with `seawall lint FILE`".to_owned()];
    explained.rule = Some(Told::of(rule));
    Some(explained)
}

/// The rule whose known reply is most like `message`, if one is like it: by the share of what its
/// words weigh, then by their weight, then by its place in the table.
pub(super) fn of_message(message: &str) -> Option<&'static Rule> {
    static BOOK: OnceLock<Book> = OnceLock::new();
    BOOK.get_or_init(|| Book::of(RULES)).likest(message)
}

/// The replies of a table, and how much each of their words says.
struct Book {
    replies: Vec<(&'static Rule, Vec<String>)>,
    /// The fewer replies have a word, the more it says.
    weights: HashMap<String, f64>,
}

impl Book {
    fn of(rules: &'static [Rule]) -> Book {
        let replies: Vec<_> = rules
            .iter()
            .filter_map(|rule| Some((rule, words(wording(rule)?))))
            .filter(|(_, words)| words.len() >= WORDS_MIN)
            .collect();
        let mut counts: HashMap<String, u32> = HashMap::new();
        for (_, words) in &replies {
            for word in words.iter().collect::<BTreeSet<_>>() {
                *counts.entry(word.clone()).or_default() += 1;
            }
        }
        let weight = |(word, count): (String, u32)| {
            let weight = if NAMES.contains(&word.as_str()) { 0.0 } else { 1.0 / f64::from(count) };
            (word, weight)
        };
        Book { replies, weights: counts.into_iter().map(weight).collect() }
    }

    fn likest(&self, message: &str) -> Option<&'static Rule> {
        let said = words(message);
        let mut best: Option<(f64, f64, &'static Rule)> = None;
        for (rule, reply) in &self.replies {
            let all: f64 = reply.iter().map(|word| self.weights[word]).sum();
            let common = self.in_order(reply, &said);
            let share = common / all;
            if share < LIKE_MIN || best.is_some_and(|(most, weight, _)| (share, common) <= (most, weight)) {
                continue;
            }
            best = Some((share, common, rule));
        }
        best.map(|(.., rule)| rule)
    }

    /// What the words of `reply` weigh that come in `said` in the same order: their heaviest common
    /// subsequence.
    fn in_order(&self, reply: &[String], said: &[String]) -> f64 {
        // `row[n]` is that of the first `n` words of the reply and what was read of `said`.
        let mut row = vec![0.0_f64; reply.len() + 1];
        for word in said {
            let mut above = 0.0;
            for (at, known) in reply.iter().enumerate() {
                let kept = row[at + 1];
                row[at + 1] = if word == known { above + self.weights[known] } else { kept.max(row[at]) };
                above = kept;
            }
        }
        row[reply.len()]
    }
}

/// The wording of a rule's reply, if it is an error's and known: without status and code before it.
fn wording(rule: &'static Rule) -> Option<&'static str> {
    let (before, message) = rule.reply.split_once(": ")?;
    let mut before = before.split(' ');
    let status: u16 = before.next()?.parse().ok()?;
    // Behind these the table speaks, and no provider.
    let message =
        [" (or ", "; ", ". With "].iter().fold(message, |message, end| message.split(end).next().unwrap_or(message));
    (status >= 400 && before.count() <= 1).then_some(message)
}

/// The words of a message, in lower case, without signs at their ends, and with the numbers and the
/// places of one case made alike.
fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_context = false;
    for word in text.split_whitespace() {
        if found.len() == WORDS_MAX {
            break;
        }
        // `In context=('properties', 'x'),` names a place.
        let begins = word.contains("context=(");
        let is_context = in_context || begins;
        in_context = is_context && !word.contains(')');
        if is_context {
            if begins {
                found.push("context".to_owned());
            }
            continue;
        }
        let word = word.trim_matches(|c: char| ".,:;!?'\"`()…".contains(c));
        if word.starts_with("$.") {
            continue;
        }
        let mut plain = String::with_capacity(word.len());
        for c in word.chars() {
            if !c.is_ascii_digit() {
                plain.extend(c.to_lowercase());
            } else if !plain.ends_with('#') {
                plain.push('#');
            }
        }
        if !plain.is_empty() {
            found.push(plain);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(message: &str) -> Option<&'static str> {
        of_message(message).map(|rule| rule.code)
    }

    #[test]
    fn a_message_is_recognised_with_other_names_and_numbers() {
        assert_eq!(
            code(
                "Invalid 'tools[17].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            ),
            Some("SW101")
        );
        assert_eq!(code(""), None);
    }

    #[test]
    fn every_known_reply_leads_to_its_rule_or_to_one_that_is_answered_alike() {
        for rule in RULES {
            let Some(reply) = wording(rule).filter(|reply| words(reply).len() >= WORDS_MIN) else { continue };
            let found = of_message(&format!("{reply} (request id: req_0123456789abcdef0123)")).expect(rule.code);
            assert!(
                found.code == rule.code || wording(found).map(words) == Some(words(reply)),
                "{} is taken for {}",
                rule.code,
                found.code
            );
        }
    }

    #[test]
    fn replies_seen_in_public_lead_to_their_rules() {
        let name = |message: &str| of_message(message).map(|rule| rule.name);
        for (message, rule) in [
            (
                "Invalid 'tools[3].function.name': string too long. Expected a string with maximum length 64, but got a string with length 71 instead.",
                "tool-name-length",
            ),
            (
                "Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024, but got a string with length 1103 instead.",
                "tool-description-length",
            ),
            (
                "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 163 instead.",
                "tools-too-many",
            ),
            (
                "Invalid schema for function 'search_docs': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.",
                "schema-root-type",
            ),
            (
                "Invalid schema for function 'mcp__notion__create': schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.",
                "schema-root-combinator",
            ),
            (
                "Invalid schema for function 'get_me': In context=(), object schema missing properties.",
                "object-without-properties",
            ),
            (
                "Invalid schema for function 'apply_config': In context=('properties', 'configs'), array schema missing items.",
                "array-without-items",
            ),
            (
                "Invalid schema for function 'create': In context=('properties', 'value', 'items'), schema must have a 'type' key.",
                "schema-without-type",
            ),
            (
                "Invalid schema for function 'bash': In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'timeout'.",
                "strict-required-missing",
            ),
            (
                "Invalid schema for response_format 'answer': In context=('properties', 'steps', 'items'), 'additionalProperties' is required to be supplied and to be false.",
                "strict-additional-properties",
            ),
            ("Invalid schema for response_format 'tree': 6 levels of nesting exceeds limit of 5.", "strict-nesting"),
            ("Objects provided via 'anyOf' must not share identical first keys.", "strict-any-of-keys"),
            (
                "Invalid JSON schema: regex lookaround is not supported. Found at $.properties.email.pattern.",
                "pattern-lookaround",
            ),
            ("Tool names must be unique.", "tool-name-twice"),
            ("Tool choice 'lookup' not found in 'tools' parameter.", "tool-choice-unknown"),
            (
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                "tool-message-without-call",
            ),
            (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: call_Ab3dEf, call_Gh1",
                "tool-call-unanswered",
            ),
            ("No tool output found for function call call_XYZ0abc.", "function-call-without-output"),
            ("No tool call found for function call output with call_id call_XYZ0abc.", "function-output-without-call"),
        ] {
            assert_eq!(name(message), Some(rule), "{message}");
        }
    }

    #[test]
    fn what_providers_say_of_other_things_is_no_rule() {
        for message in [
            "The server had an error while processing your request. Sorry about that!",
            "You exceeded your current quota, please check your plan and billing details.",
            "Incorrect API key provided: none. You can find your API key at https://platform.openai.com/account/api-keys.",
            "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000.",
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length of the messages.",
            "The model `gpt-9` does not exist or you do not have access to it.",
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            "Request timed out.",
            "Connection error.",
            "Internal server error",
        ] {
            assert_eq!(code(message), None, "{message}");
        }
    }

    #[test]
    fn what_is_particular_to_a_case_is_made_alike() {
        assert_eq!(
            words(
                "Invalid 'tools[10].name': In context=('properties', 'a b', 'items'), it's 12 \"x\". Found at $.properties.x ('^[a-z0-9]+$')."
            ),
            ["invalid", "tools[#].name", "in", "context", "it's", "#", "x", "found", "at", "^[a-z#-#]+$"]
        );
        let long = "word ".repeat(WORDS_MAX + 1);
        assert_eq!(words(&long).len(), WORDS_MAX);
    }

    #[test]
    fn words_count_in_their_order_only() {
        let book = Book::of(RULES);
        let of = |reply: &str, said: &str| book.in_order(&words(reply), &words(said));
        let (one, other) = ("string does not match", "match not does string");
        assert!(of(one, one) > of(one, other) && of(one, other) > 0.0);
        assert!((of(one, &format!("x {one} y")) - of(one, one)).abs() < f64::EPSILON);
    }
}
