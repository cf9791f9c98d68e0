//! For a program: one JSON object a finding, one a line. Every key is always there.

use std::io::{self, Write};

use serde::Serialize;

use super::told::Finding;
use crate::observe::journal::plain::json_line;

/// The keys, in this order; described in `docs/guides/tools.md`.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    document: usize,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    offset: usize,
    length: usize,
    code: &'a str,
    rule: &'a str,
    severity: &'a str,
    target: &'a str,
    pointer: &'a str,
    tool: Option<&'a str>,
    message: &'a str,
    limit: Option<&'a str>,
    reply: Option<&'a str>,
    fix: &'a str,
    fixable: bool,
    edits: Vec<Edit<'a>>,
}

#[derive(Serialize)]
struct Edit<'a> {
    offset: usize,
    length: usize,
    text: &'a str,
}

pub(super) fn tell(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
    let line = Line {
        file: &finding.file,
        document: finding.document,
        line: finding.start.line,
        column: finding.start.column,
        end_line: finding.end.line,
        end_column: finding.end.column,
        offset: finding.span.start,
        length: finding.span.len(),
        code: finding.rule.code,
        rule: finding.rule.name,
        severity: finding.severity.name(),
        target: finding.target.name(),
        pointer: &finding.pointer,
        tool: finding.tool.as_deref(),
        message: &finding.message,
        limit: finding.rule.limit,
        reply: finding.reply.as_deref(),
        fix: finding.fix.as_ref().map_or(finding.rule.fix, |fix| &fix.title),
        fixable: finding.fix.is_some(),
        edits: edits.map(|(span, _, text)| Edit { offset: span.start, length: span.len(), text }).collect(),
    };
    out.write_all(json_line(&line)?.as_bytes())
}
