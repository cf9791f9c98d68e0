//! What is wrong with a configuration, and where: every problem at once, each with its line, a
//! caret and, where one is known, the way out.
//!
//! The source is shown with its credentials masked: a diagnosis is the kind of text that people
//! paste into tickets. A problem's words never contain a value that came from the environment or
//! a file, and text values of the configuration are pointed at, not repeated.

use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::mask;

/// More problems than this are counted, not shown.
pub(super) const PROBLEMS_SHOWN_MAX: usize = 20;

/// What is wrong with one value, said so that the key's name fits in front of it.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: String,
    /// A shorter word under the caret.
    pub(super) label: String,
    pub(super) hint: Option<String>,
    /// A narrower place than the whole value.
    pub(super) span: Option<Range<usize>>,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>) -> Wrong {
        Wrong { what: what.into(), label: String::new(), hint: None, span: None }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Wrong {
        self.label = label.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Wrong {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn at(mut self, span: Range<usize>) -> Wrong {
        self.span = Some(span);
        self
    }

    /// The problem that this is for the value of `key` at `span`.
    pub(super) fn of(self, key: &str, span: Range<usize>) -> Problem {
        let mut problem = Problem::new(format!("`{key}` {}", self.what)).at(self.span.unwrap_or(span), self.label);
        problem.hint = self.hint;
        problem
    }
}

/// One thing that has to change before the configuration can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    what: String,
    /// Where it is, with a word under the caret; `None` where no line of a file is at fault.
    place: Option<(Range<usize>, String)>,
    /// Other places that one has to see to understand.
    related: Vec<(Range<usize>, String)>,
    hint: Option<String>,
    /// Text that may be a credential although nothing says so.
    masked: Option<Range<usize>>,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>) -> Problem {
        Problem { what: what.into(), place: None, related: Vec::new(), hint: None, masked: None }
    }

    pub(super) fn at(mut self, span: Range<usize>, label: impl Into<String>) -> Problem {
        self.place = Some((span, label.into()));
        self
    }

    /// Like [`Problem::at`], for a value that may have come from a flag or a default instead.
    pub(super) fn maybe_at(self, span: Option<&Range<usize>>, label: impl Into<String>) -> Problem {
        match span {
            Some(span) => self.at(span.clone(), label),
            None => self,
        }
    }

    pub(super) fn see(mut self, span: Option<&Range<usize>>, label: impl Into<String>) -> Problem {
        if let Some(span) = span {
            self.related.push((span.clone(), label.into()));
        }
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// Like [`Problem::hint`], unless there is one.
    pub(super) fn hint_at_least(&mut self, hint: &str) {
        self.hint.get_or_insert_with(|| hint.to_owned());
    }

    pub(super) fn mask(mut self, span: Range<usize>) -> Problem {
        self.masked = Some(span);
        self
    }
}

/// Everything that is wrong with one configuration; at least one problem.
pub(crate) struct Problems {
    /// The file, or what stands for it.
    origin: String,
    /// Its text, with credentials masked.
    text: String,
    /// In the order of the text.
    list: Vec<Problem>,
}

/// A problem for a program to read.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Reported<'a> {
    /// The file.
    pub(crate) file: &'a str,
    /// From 1.
    pub(crate) line: Option<usize>,
    /// From 1, in characters.
    pub(crate) column: Option<usize>,
    /// What is wrong.
    pub(crate) message: &'a str,
    /// What to do, where it is known.
    pub(crate) hint: Option<&'a str>,
}

impl Problems {
    /// `list` must not be empty.
    pub(super) fn new(origin: String, text: &str, mut list: Vec<Problem>) -> Problems {
        debug_assert!(!list.is_empty(), "a failure has a reason");
        list.sort_by_key(|problem| problem.place.as_ref().map(|(span, _)| span.start));
        let text = mask::credentials(text, list.iter().filter_map(|problem| problem.masked.clone()));
        Problems { origin, text, list }
    }

    /// A single problem that no line of a file is to blame for.
    pub(super) fn one(origin: String, problem: Problem) -> Problems {
        Problems::new(origin, "", vec![problem])
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// All of them for a person, as compilers show them; with colours if `styled`.
    pub(crate) fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let mut shown: Vec<String> = Vec::new();
        for problem in self.list.iter().take(PROBLEMS_SHOWN_MAX) {
            shown.push(renderer.render(&[self.group(problem)]));
        }
        if let Some(more) = self.count().checked_sub(PROBLEMS_SHOWN_MAX).filter(|&more| more > 0) {
            shown.push(format!("and {more} more"));
        }
        let count = match self.count() {
            1 => "1 problem".into(),
            n => format!("{n} problems"),
        };
        shown.push(format!("{}: {count}", self.origin));
        shown.join("\n\n")
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(&*problem.what));
        let label = |text: &'a str| (!text.is_empty()).then_some(text);
        if let Some((span, text)) = &problem.place {
            let primary = AnnotationKind::Primary.span(self.visible(span)).label(label(text));
            let context = problem
                .related
                .iter()
                .map(|(span, text)| AnnotationKind::Context.span(self.visible(span)).label(label(text)));
            let snippet = Snippet::source(&*self.text).path(&*self.origin).annotation(primary).annotations(context);
            group = group.element(snippet);
        }
        match &problem.hint {
            Some(hint) => group.element(Level::HELP.with_name("hint").message(&**hint)),
            None => group,
        }
    }

    /// A span of several lines is shown by its first: the header of a table, the start of a text.
    fn visible(&self, span: &Range<usize>) -> Range<usize> {
        let end = span.end.min(self.text.len());
        let start = span.start.min(end);
        let line = self.text.get(start..end).and_then(|text| text.find('\n'));
        start..line.map_or(end, |length| start + length)
    }

    /// All of them for a program.
    pub(crate) fn reported(&self) -> impl Iterator<Item = Reported<'_>> {
        self.list.iter().map(|problem| {
            let place = problem.place.as_ref().map(|(span, _)| Position::of(&self.text, span.start));
            Reported {
                file: &self.origin,
                line: place.map(|place| place.line),
                column: place.map(|place| place.column),
                message: &problem.what,
                hint: problem.hint.as_deref(),
            }
        })
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Problems {}

/// Line and column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Position {
    pub(super) fn of(text: &str, offset: usize) -> Position {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rfind('\n').map_or(before, |newline| &before[newline + 1..]);
        Position { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let at = |offset| Position::of("é=1\nab", offset);
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(2), Position { line: 1, column: 2 });
        assert_eq!(at(6), Position { line: 2, column: 2 });
    }

    #[test]
    fn a_flood_of_problems_is_cut_and_counted() {
        let problems = |count| {
            let list = (0..count).map(|n| Problem::new(format!("problem {n}"))).collect();
            Problems::new("seawall.toml".into(), "", list).render(false)
        };
        assert!(!problems(PROBLEMS_SHOWN_MAX).contains("more"));
        assert!(problems(PROBLEMS_SHOWN_MAX + 3).contains("and 3 more\n\nseawall.toml: 23 problems"));
    }

    #[test]
    fn colours_are_there_only_when_asked_for() {
        let problems = Problems::one("seawall.toml".into(), Problem::new("nothing works"));
        assert!(problems.render(true).contains('\u{1b}'));
        assert!(!problems.render(false).contains('\u{1b}'));
    }
}
