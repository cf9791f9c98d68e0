//! How a case is written: a document, and the findings that it must have, no more and no fewer.
//!
//! Expected findings are written `SW203E /tools/0`: the rule, how severe it is here (`E`, `W`, `N`), and
//! the pointer; several are separated by `; `, in the order of the document.

use std::collections::BTreeMap;

use seawall_core::request::lint::{Severity, Target, rule::RULES};

use crate::checks::{any_document_is_looked_at, look};

/// A document and what it must have.
pub(crate) struct Case {
    pub(crate) document: String,
    pub(crate) target: Option<Target>,
    pub(crate) expected: String,
}

impl Case {
    pub(crate) fn new(document: impl Into<String>, expected: impl Into<String>) -> Case {
        Case { document: document.into(), target: None, expected: expected.into() }
    }

    pub(crate) fn at(target: Target, document: impl Into<String>, expected: impl Into<String>) -> Case {
        Case { target: Some(target), ..Case::new(document, expected) }
    }
}

/// What was found, as cases write it.
pub(crate) fn found(document: &str, target: Option<Target>) -> String {
    let report = look(document.as_bytes(), target);
    let write = |severity: Severity| match severity {
        Severity::Error => 'E',
        Severity::Warning => 'W',
        Severity::Note => 'N',
    };
    let all: Vec<_> = report
        .findings
        .iter()
        .map(|finding| format!("{}{} {}", finding.rule.code, write(finding.severity), finding.pointer))
        .collect();
    all.join("; ")
}

pub(crate) fn all() -> Vec<Case> {
    [crate::documents::cases(), crate::tools::cases(), crate::schemas::cases(), crate::calls::cases()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn every_case_has_what_it_must_have_and_nothing_else() {
    let mut wrong = Vec::new();
    for Case { document, target, expected } in all() {
        any_document_is_looked_at(document.as_bytes(), target);
        let found = found(&document, target);
        if found != *expected {
            let shown: String = document.chars().take(300).collect();
            wrong.push(format!("{shown}\n  for {target:?}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_is_large_and_every_rule_is_in_it() {
    let (mut malformed, mut right) = (0, 0);
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    for case in all() {
        if case.expected.is_empty() {
            right += 1;
        } else {
            malformed += 1;
        }
        for part in case.expected.split("; ").filter(|part| !part.is_empty()) {
            *rules.entry(part[..5].to_owned()).or_default() += 1;
        }
    }
    assert!(malformed >= 200, "{malformed} malformed documents");
    assert!(right >= 60, "{right} documents that have nothing");
    let missing: Vec<_> = RULES.iter().map(|rule| rule.code).filter(|code| !rules.contains_key(*code)).collect();
    // One is no text: it has a test of its own.
    assert_eq!(missing, ["SW002"]);
}
