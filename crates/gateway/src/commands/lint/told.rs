//! A finding with its place, and who tells it: the four formats behind one door.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

use seawall_core::request::lint::{self, Report, Rule, Severity, Target};

use super::document::Document;
use super::place::{Places, Position};
use super::{Format, github, lines, sarif, text};
use crate::observe::journal::plain::printable;

/// One thing that is wrong, and where in which file. Every text of it is safe to print.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// The file, or `<stdin>`.
    pub(super) file: String,
    /// Which document of the file, from 1.
    pub(super) document: usize,
    /// Where it begins.
    pub(super) start: Position,
    /// Where it ends: the first character that is not part of it.
    pub(super) end: Position,
    /// The same in bytes of the file.
    pub(super) span: Range<usize>,
    /// The rule it breaks.
    pub(super) rule: &'static Rule,
    /// How sure it is.
    pub(super) severity: Severity,
    /// Who is to take it.
    pub(super) target: Target,
    /// Where it is in the document, the record round it included.
    pub(super) pointer: String,
    /// The tool that it is about.
    pub(super) tool: Option<String>,
    /// What is wrong.
    pub(super) message: String,
    /// What the provider answers.
    pub(super) reply: Option<String>,
    /// How a machine can mend it; `None` where it cannot, or where the file is no JSON.
    pub(super) fix: Option<Fix>,
}

/// A change that mends a finding.
#[derive(Debug, Clone)]
pub(super) struct Fix {
    /// What it does.
    pub(super) title: String,
    /// What is put in place of what, in bytes of the file.
    pub(super) edits: Vec<(Range<usize>, [Position; 2], String)>,
}

impl Finding {
    pub(super) fn new(
        file: &str,
        document: &Document,
        report: &Report,
        finding: &lint::Finding,
        places: &mut Places<'_>,
    ) -> Finding {
        let span = document.place(&finding.span);
        let fix = finding.fix.as_ref().filter(|_| document.span().is_some()).map(|fix| Fix {
            title: printable(&fix.title),
            edits: fix
                .edits
                .iter()
                .map(|edit| {
                    let span = document.place(&edit.span);
                    let ends = [places.position(span.start), places.position(span.end)];
                    (span, ends, edit.text.clone())
                })
                .collect(),
        });
        Finding {
            file: file.to_owned(),
            document: document.number,
            start: places.position(span.start),
            end: places.position(span.end),
            span,
            rule: finding.rule,
            severity: finding.severity,
            target: report.target,
            pointer: printable(&format!("{}{}", document.pointer, finding.pointer)),
            tool: finding.tool.as_deref().map(printable),
            message: printable(&finding.message),
            reply: finding.reply.as_deref().map(printable),
            fix,
        }
    }
}

/// Tells findings as they come.
pub(super) enum Teller {
    /// For a person. What is the same in many documents of a file is shown once and counted.
    Text {
        /// With colours.
        styled: bool,
        /// How often each was found, after the first time.
        again: BTreeMap<String, usize>,
    },
    /// NDJSON.
    Json,
    /// One SARIF log, told at the end.
    Sarif(sarif::Log),
    /// Workflow commands.
    Github,
}

impl Teller {
    pub(super) fn new(format: Format, styled: bool) -> Teller {
        match format {
            Format::Text => Teller::Text { styled, again: BTreeMap::new() },
            Format::Json => Teller::Json,
            Format::Sarif => Teller::Sarif(sarif::Log::default()),
            Format::Github => Teller::Github,
        }
    }

    pub(super) fn tell(&mut self, finding: &Finding, places: &Places<'_>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Teller::Text { styled, again } => {
                match again.get_mut(&text::same(finding)) {
                    Some(count) => *count += 1,
                    None => {
                        again.insert(text::same(finding), 0);
                        text::tell(finding, places, *styled, out)?;
                    }
                }
                Ok(())
            }
            Teller::Json => lines::tell(finding, out),
            Teller::Sarif(log) => {
                log.add(finding);
                Ok(())
            }
            Teller::Github => github::tell(finding, out),
        }
    }

    pub(super) fn unreadable(&mut self, file: &str, why: &str) {
        if let Teller::Sarif(log) = self {
            log.unreadable(file, why);
        }
    }

    /// Tells what is only known when a file is over.
    pub(super) fn end_of_file(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Teller::Text { again, .. } = self {
            for (what, count) in std::mem::take(again).into_iter().filter(|(_, count)| *count > 0) {
                writeln!(out, "and {count} more like this: {what}\n")?;
            }
        }
        Ok(())
    }

    /// Tells what is only known when all is over.
    pub(super) fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Teller::Sarif(log) => log.tell(out),
            _ => Ok(()),
        }
    }
}
