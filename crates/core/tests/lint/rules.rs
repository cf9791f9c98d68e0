//! Every rule by its own example.

use seawall_core::request::lint::rule::RULES;
use seawall_core::request::lint::{NAME_BYTES_MAX, Severity};

use crate::checks::look;

#[test]
fn every_rule_is_broken_by_its_bad_document_alone_and_not_by_its_good_one() {
    for rule in RULES.iter().filter(|rule| !rule.bad.is_empty()) {
        let codes = |document: &str| -> Vec<_> {
            look(document.as_bytes(), None).findings.iter().map(|finding| finding.rule.code).collect()
        };
        assert_eq!(codes(rule.bad), [rule.code], "{}", rule.bad);
        assert!(codes(rule.good).is_empty(), "{}", rule.good);
    }
}

#[test]
fn a_finding_is_no_worse_than_its_rule_and_speaks_plainly() {
    for rule in RULES.iter().filter(|rule| !rule.bad.is_empty()) {
        for finding in look(rule.bad.as_bytes(), None).findings {
            // The severities go from the worst to the least.
            assert!(finding.severity >= rule.severity, "{}", rule.code);
            let message = finding.message;
            let first = message.chars().next().unwrap_or('.');
            assert!(!first.is_uppercase() && !message.ends_with('.') && !message.is_empty(), "{message}");
            assert!(message.len() < 200 + NAME_BYTES_MAX, "{message}");
        }
    }
    assert!(Severity::Error < Severity::Warning && Severity::Warning < Severity::Note);
}
