//! What holds for any bytes whatever: read by the tests here and by the target under `fuzz/`.

use seawall_core::request::lint::{Options, Report, Severity, Target, lint};

/// Looks at a document for a target.
pub(crate) fn look(document: &[u8], target: Option<Target>) -> Report {
    lint(document, Options { target })
}

/// The rules that a document breaks, each with its severity and pointer.
pub(crate) fn found(document: &[u8], target: Option<Target>) -> Vec<(&'static str, Severity, String)> {
    let report = look(document, target);
    report.findings.into_iter().map(|finding| (finding.rule.code, finding.severity, finding.pointer)).collect()
}
