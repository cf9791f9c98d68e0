//! SW0: the document.

use super::{ERROR, Rule, chat};
use crate::request::lint::Severity;

const NOT_PARSED: &str = "400: We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)";

pub(in super::super) const NOT_JSON: Rule = Rule {
    code: "SW001",
    name: "document-not-json",
    says: "The document is no JSON.",
    reply: NOT_PARSED,
    fix: "write the document with a JSON library",
    bad: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]"#,
    good: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#,
    ..ERROR
};

pub(in super::super) const NOT_UTF8: Rule = Rule {
    code: "SW002",
    name: "document-not-utf8",
    says: "Bytes in a string are no UTF-8, which all JSON on the wire is (RFC 8259, 8.1).",
    reply: NOT_PARSED,
    fix: "encode the request as UTF-8",
    ..ERROR
};

pub(in super::super) const LONE_SURROGATE: Rule = Rule {
    code: "SW003",
    name: "lone-surrogate",
    says: "An escape is one half of a surrogate pair without the other, as a text has that was cut in the middle of an emoji.",
    reply: NOT_PARSED,
    fix: "cut texts between characters, not between UTF-16 units",
    bad: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi \ud83d"}]}"#,
    good: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi \ud83d\ude00"}]}"#,
    ..ERROR
};

pub(in super::super) const RAW_CONTROL: Rule = Rule {
    code: "SW004",
    name: "raw-control-character",
    says: "A control character stands in a string as it is: JSON wants it escaped (RFC 8259, 7).",
    reply: NOT_PARSED,
    fix: "write it as an escape: a line break is \\n",
    bad: "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"a\nb\"}]}",
    good: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"a\nb"}]}"#,
    ..ERROR
};

pub(in super::super) const NUL: Rule = Rule {
    code: "SW005",
    name: "nul-character",
    severity: Severity::Warning,
    says: "A string holds the character U+0000: legal JSON, and reported to break what stores or compares strings.",
    reply: "400 or 500, or nothing: no reply of OpenAI's is on record.",
    fix: "take it out",
    bad: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"a\u0000b"}]}"#,
    good: r#"{"model":"gpt-4o","messages":[{"role":"user","content":"ab"}]}"#,
    ..ERROR
};

pub(in super::super) const KEY_TWICE: Rule = Rule {
    code: "SW006",
    name: "key-twice",
    severity: Severity::Warning,
    says: "An object has the same key twice: some parsers take the first, most the last, some refuse.",
    reply: "200, with one of the two ignored.",
    source: "RFC 8259, 4",
    seen: "2017-12",
    fix: "keep one of them",
    bad: chat!(r#"],"n":1,"n":2}"#),
    good: chat!(r#"],"n":2}"#),
    ..ERROR
};

pub(in super::super) const TOO_DEEP: Rule = Rule {
    code: "SW007",
    name: "nested-too-deeply",
    severity: Severity::Warning,
    says: "The document is nested so deeply that it was not looked at.",
    limit: Some("256 levels"),
    reply: "400, if the provider's parser stops too: serde_json does at 128 levels, Python's near 1,000.",
    source: "our own limit",
    seen: "2026-11",
    fix: "flatten it",
    ..ERROR
};

pub(in super::super) const TOO_LARGE: Rule = Rule {
    code: "SW008",
    name: "too-many-values",
    severity: Severity::Warning,
    says: "The document has so many values that it was not looked at.",
    limit: Some("1,048,576 values, 4 GiB"),
    reply: "None is known.",
    source: "our own limit",
    seen: "2026-11",
    fix: "look at the tools alone",
    ..ERROR
};

pub(in super::super) const UNKNOWN: Rule = Rule {
    code: "SW009",
    name: "document-unknown",
    severity: Severity::Warning,
    says: "The document is neither a request, nor an array of tools, nor one tool.",
    reply: "400, for a parameter that is missing.",
    fix: "name a file that holds a request body, its `tools`, or one of them",
    bad: r#"{"hello":"world"}"#,
    good: r#"{"type":"function","function":{"name":"hello"}}"#,
    ..ERROR
};
