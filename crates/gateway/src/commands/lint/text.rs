//! For a person: annotated as compilers do it.

use std::io::{self, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use seawall_core::request::lint::Severity;

use super::place::Places;
use super::told::Finding;

/// Wide enough that nothing is cut again: an excerpt is short already.
const WIDTH: usize = 1_000;

/// Bold and blue, as the line numbers are.
const ARROW_STYLE: &str = "\u{1b}[1m\u{1b}[94m";

/// What two findings share that are the same for a person: of many requests with the same tools
/// each finding is shown once.
pub(super) fn same(finding: &Finding) -> String {
    let tool = finding.tool.as_deref().map(|tool| format!(", tool `{tool}`")).unwrap_or_default();
    format!("{}{tool}: {}", finding.rule.code, finding.message)
}

pub(super) fn tell(finding: &Finding, places: &Places<'_>, styled: bool, out: &mut dyn Write) -> io::Result<()> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let excerpt = places.excerpt(&finding.span);
    let tool = finding.tool.as_deref().map(|tool| format!(", tool `{tool}`")).unwrap_or_default();
    let place = match finding.pointer.as_str() {
        "" => format!("the whole document{tool}"),
        pointer => format!("{pointer}{tool}"),
    };
    let snippet = Snippet::source(&*excerpt.text)
        .line_start(finding.start.line)
        .annotation(AnnotationKind::Primary.span(excerpt.span));
    let footer = |name: &'static str, text: String| Level::NOTE.with_name(name).message(text);
    let mut group =
        level.primary_title(&*finding.message).id(finding.rule.code).element(snippet).element(footer("at", place));
    if let Some(reply) = &finding.reply {
        group = group.element(footer("reply", reply.clone()));
    }
    let fix = match &finding.fix {
        Some(fix) => format!("{} (--fix does it)", fix.title),
        None => finding.rule.fix.to_owned(),
    };
    group = group
        .element(footer("fix", fix))
        .element(footer("rule", format!("{}: `seawall explain {}`", finding.rule.name, finding.rule.code)));
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    let shown = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&[group]);
    // The column is the file's and not the excerpt's, so the place is ours to write, below the title.
    let (title, rest) = shown.split_once('\n').unwrap_or((&shown, ""));
    let (begin, end) = if styled { (ARROW_STYLE, "\u{1b}[0m") } else { ("", "") };
    let (file, line, column) = (&finding.file, finding.start.line, finding.start.column);
    let width = line.to_string().len();
    writeln!(out, "{title}\n{:width$}{begin}-->{end} {file}:{line}:{column}\n{rest}\n", "")
}
