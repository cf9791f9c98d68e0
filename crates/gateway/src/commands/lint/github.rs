//! For GitHub Actions: workflow commands, which become annotations on the lines of a change.
//!
//! A runner obeys whatever line begins with `::`, so a name with a line break in it must not begin
//! one: what separates fields and lines is escaped as the runner's own toolkit does it.

use std::io::{self, Write};

use seawall_core::request::lint::Severity;

use super::told::Finding;

pub(super) fn tell(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let file = property(&finding.file);
    let title = property(&format!("{} {}", finding.rule.code, finding.rule.name));
    let (start, end) = (finding.start, finding.end);
    // A column is only allowed where both are on one line.
    let columns =
        if start.line == end.line { format!(",col={},endColumn={}", start.column, end.column) } else { String::new() };
    let tool = finding.tool.as_deref().map(|tool| format!(", tool `{tool}`")).unwrap_or_default();
    let fix = finding.fix.as_ref().map_or(finding.rule.fix, |fix| &fix.title);
    let message = message(&format!("{} ({}{tool})\nfix: {fix}", finding.message, finding.pointer));
    writeln!(out, "::{command} file={file},line={},endLine={}{columns},title={title}::{message}", start.line, end.line)
}

/// Escapes what ends a message.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes what ends a property's value as well.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_separates_fields_and_lines_is_escaped() {
        assert_eq!(message("100%\r\n::error::x, y"), "100%25%0D%0A::error::x, y");
        assert_eq!(property("a,line=1::b%"), "a%2Cline=1%3A%3Ab%25");
    }
}
