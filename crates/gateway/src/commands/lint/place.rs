//! Where in a file: lines, columns, and an excerpt that stays readable.
//!
//! Requests are often one line of a megabyte, so an excerpt is cut to the neighbourhood of its span.
//! What a terminal would obey is spelled out, before the carets are placed under it.

use std::ops::Range;

use crate::observe::journal::plain::printable;

/// Characters shown before a span, at most.
const BEFORE_MAX: usize = 64;
/// Characters shown of a span, at most.
const SPAN_MAX: usize = 60;
/// Characters shown after a span, at most.
const AFTER_MAX: usize = 40;
/// No character of UTF-8 is longer, in bytes.
const CHAR_BYTES_MAX: usize = 4;

/// The lines of a file; they are looked for when the first place is asked for.
pub(super) struct Places<'a> {
    bytes: &'a [u8],
    /// Where each line begins.
    lines: Vec<usize>,
    /// The place that was asked for last: the next one is often a little further on the same line.
    last: (usize, Position),
}

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// One line, or the part of it round a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// Safe to print.
    pub(super) text: String,
    /// Where the span is in `text`.
    pub(super) span: Range<usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Places<'a> {
        Places { bytes, lines: Vec::new(), last: (0, Position { line: 1, column: 1 }) }
    }

    /// Where the byte at `offset` is.
    pub(super) fn position(&mut self, offset: usize) -> Position {
        if self.lines.is_empty() {
            let ends = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            self.lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        }
        let offset = offset.min(self.bytes.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let (start, column) = match self.last {
            (last, position) if position.line == line && last <= offset => (last, position.column),
            _ => (self.lines[line - 1], 1),
        };
        // What is no UTF-8 counts as one character.
        let column = column + String::from_utf8_lossy(&self.bytes[start..offset]).chars().count();
        self.last = (offset, Position { line, column });
        self.last.1
    }

    /// The first line of `span`, cut to its neighbourhood.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let end = span.end.min(self.bytes.len());
        let start = span.start.min(end);
        let is_end = |byte: &u8| *byte == b'\n' || *byte == b'\r';
        let inside = &self.bytes[start..end];
        let inside = &inside[..inside.iter().position(is_end).unwrap_or(inside.len())];
        let window = start.saturating_sub(BEFORE_MAX * CHAR_BYTES_MAX + 1);
        let line = self.bytes[window..start].iter().rposition(is_end).map_or(window, |at| window + at + 1);
        let after = &self.bytes[start + inside.len()..];
        let window = after.len().min(AFTER_MAX * CHAR_BYTES_MAX + 1);
        let after = &after[..after[..window].iter().position(is_end).unwrap_or(window)];
        let mut text = last(&self.bytes[line..start]);
        let begin = text.len();
        text += &first(inside, SPAN_MAX);
        let end = text.len();
        text += &first(after, AFTER_MAX);
        Excerpt { text, span: begin..end }
    }
}

/// The end of a line's beginning.
fn last(bytes: &[u8]) -> String {
    let mut from = bytes.len().saturating_sub(BEFORE_MAX * CHAR_BYTES_MAX);
    while from < bytes.len() && bytes[from] & 0xc0 == 0x80 {
        from += 1;
    }
    let text = String::from_utf8_lossy(&bytes[from..]);
    let count = text.chars().count();
    if from == 0 && count <= BEFORE_MAX {
        return printable(&text);
    }
    let kept: String = text.chars().skip(count.saturating_sub(BEFORE_MAX)).collect();
    format!("…{}", printable(kept.trim_start()))
}

/// The beginning, up to `max` characters.
fn first(bytes: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min((max + 1) * CHAR_BYTES_MAX)]).into_owned();
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", printable(&text[..at])),
        None => printable(&text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_excerpt_is_short_safe_and_has_its_span_inside(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(0xc3), Just(0x1b)], 0..600),
            start in 0..700usize,
            length in 0..300usize,
        ) {
            let mut places = Places::new(&bytes);
            let excerpt = places.excerpt(&(start..start + length));
            prop_assert!(excerpt.text.get(excerpt.span.clone()).is_some(), "{excerpt:?}");
            prop_assert!(excerpt.text.chars().all(|c| !c.is_control()));
            let max = (BEFORE_MAX + SPAN_MAX + AFTER_MAX + 3) * "\\u{ffff}".len();
            prop_assert!(excerpt.text.len() <= max);
            let (start, end) = (places.position(start), places.position(start + length));
            prop_assert!((start.line, start.column) <= (end.line, end.column) && start.line >= 1 && start.column >= 1);
        }
    }

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let mut places = Places::new("é=1\n\nab".as_bytes());
        let mut at = |offset| {
            let Position { line, column } = places.position(offset);
            (line, column)
        };
        assert_eq!(
            [at(0), at(2), at(4), at(5), at(6), at(8), at(99)],
            [(1, 1), (1, 2), (1, 4), (2, 1), (3, 1), (3, 3), (3, 3)]
        );
    }

    #[test]
    fn a_short_line_is_shown_whole_and_a_long_one_round_the_span() {
        let text = "one\n  \"name\": \"get weather\",\nthree";
        let at = text.find("\"get").unwrap();
        let excerpt = Places::new(text.as_bytes()).excerpt(&(at..at + 13));
        assert_eq!(
            (excerpt.text.as_str(), &excerpt.text[excerpt.span]),
            ("  \"name\": \"get weather\",", "\"get weather\"")
        );
        let line = format!("{}NAME{}", "é".repeat(BEFORE_MAX + 1), "ö".repeat(AFTER_MAX + 1));
        let at = line.find("NAME").unwrap();
        let excerpt = Places::new(line.as_bytes()).excerpt(&(at..at + 4));
        let (before, after) = ("é".repeat(BEFORE_MAX), "ö".repeat(AFTER_MAX));
        assert_eq!(excerpt.text, format!("…{before}NAME{after}…"));
        assert_eq!(&excerpt.text[excerpt.span], "NAME");
        let whole = &line[2..line.len() - 2];
        let at = whole.find("NAME").unwrap();
        assert_eq!(Places::new(whole.as_bytes()).excerpt(&(at..at + 4)).text, whole);
    }

    #[test]
    fn a_span_of_many_lines_or_characters_is_shown_by_its_beginning() {
        let excerpt = Places::new(b"a: {\r\n b\n}").excerpt(&(3..10));
        assert_eq!((excerpt.text.as_str(), excerpt.span), ("a: {", 3..4));
        let long = "x".repeat(SPAN_MAX + 1);
        let excerpt = Places::new(long.as_bytes()).excerpt(&(0..long.len()));
        assert_eq!(excerpt.text, format!("{}…", "x".repeat(SPAN_MAX)));
        assert_eq!(Places::new(b"").excerpt(&(0..0)), Excerpt { text: String::new(), span: 0..0 });
    }

    #[test]
    fn nothing_of_an_excerpt_is_obeyed_by_a_terminal() {
        let excerpt = Places::new(b"\x1b[2J\"\x07\xc2\x9b\xff\"\t\xe2\x80\xae").excerpt(&(4..10));
        assert_eq!(&excerpt.text[excerpt.span], "\"\\u{7}\\u{9b}\u{fffd}\"");
        assert_eq!(excerpt.text, "\\u{1b}[2J\"\\u{7}\\u{9b}\u{fffd}\"\\u{9}\\u{202e}");
    }
}
