//! For code scanning: one SARIF 2.1.0 log of one run.

use std::io::{self, Write};

use seawall_core::request::lint::Severity;
use seawall_core::request::lint::rule::{RULES, Rule};
use serde_json::{Value, json};

use super::place::Position;
use super::told::Finding;
use crate::observe::journal::plain::json_line;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What becomes the log: it is one document, so it is told when all is over.
#[derive(Debug, Default)]
pub(super) struct Log {
    results: Vec<Value>,
    notifications: Vec<Value>,
}

impl Log {
    pub(super) fn add(&mut self, finding: &Finding) {
        let artifact = json!({ "uri": uri(&finding.file) });
        let mut result = json!({
            "ruleId": finding.rule.code,
            "level": level(finding.severity),
            "message": { "text": finding.message },
            "locations": [{
                "physicalLocation": {
                    "artifactLocation": artifact,
                    "region": region([finding.start, finding.end], finding.span.start, finding.span.len()),
                },
                "logicalLocations": [{ "fullyQualifiedName": finding.pointer }],
            }],
            "properties": {
                "document": finding.document,
                "target": finding.target.name(),
                "pointer": finding.pointer,
                "tool": finding.tool,
                "reply": finding.reply,
            },
        });
        if let Some(index) =
            RULES.iter().position(|rule| std::ptr::eq(rule, finding.rule) || rule.code == finding.rule.code)
        {
            result["ruleIndex"] = index.into();
        }
        if let Some(fix) = &finding.fix {
            let replacements: Vec<Value> = fix
                .edits
                .iter()
                .map(|(span, ends, text)| {
                    json!({
                        "deletedRegion": region(*ends, span.start, span.len()),
                        "insertedContent": { "text": text },
                    })
                })
                .collect();
            result["fixes"] = json!([{
                "description": { "text": fix.title },
                "artifactChanges": [{ "artifactLocation": artifact, "replacements": replacements }],
            }]);
        }
        self.results.push(result);
    }

    pub(super) fn unreadable(&mut self, file: &str, why: &str) {
        self.notifications.push(json!({
            "level": "error",
            "message": { "text": format!("{file} cannot be read: {why}") },
            "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(file) } } }],
        }));
    }

    pub(super) fn tell(self, out: &mut dyn Write) -> io::Result<()> {
        let rules: Vec<Value> = RULES.iter().map(described).collect();
        let log = json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "seawall lint",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                }},
                "columnKind": "unicodeCodePoints",
                "invocations": [{
                    "executionSuccessful": self.notifications.is_empty(),
                    "toolExecutionNotifications": self.notifications,
                }],
                "results": self.results,
            }],
        });
        out.write_all(json_line(&log)?.as_bytes())
    }
}

fn described(rule: &Rule) -> Value {
    let known = format!("{} ({})", rule.source, rule.seen);
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": { "text": rule.says },
        "fullDescription": { "text": format!("{} The provider answers: {}", rule.says, rule.reply) },
        "help": { "text": format!("{}. `seawall explain {}` says more.", rule.fix, rule.code) },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "limit": rule.limit, "source": known, "tags": ["openai", "tools"] },
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn region([start, end]: [Position; 2], offset: usize, length: usize) -> Value {
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
        "byteOffset": offset,
        "byteLength": length,
    })
}

/// A path as a relative reference or a `file:` address; what has no path keeps its name.
fn uri(path: &str) -> String {
    let path = if path == "<stdin>" { "stdin" } else { path };
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(byte)),
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_reference_that_nothing_breaks_out_of() {
        assert_eq!(uri("tools/my tools.json"), "tools/my%20tools.json");
        assert_eq!(uri("/a/ü.json"), "file:///a/%C3%BC.json");
        assert_eq!(uri("<stdin>"), "stdin");
        assert_eq!(uri("javascript:x"), "javascript%3Ax");
    }
}
