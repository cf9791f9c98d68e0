//! Where a person may be reading: how wide it is, and lines that keep within it.
//!
//! On a terminal a line that is too long would be broken anywhere, in the middle of a word and under
//! the labels. A pipe or a file gets everything as it is, at any width.

use std::io::{self, IsTerminal, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::config::Environment;

/// A terminal is taken to be this wide at least.
const WIDTH_MIN: usize = 20;
/// Labels stand in so many columns at most; text that goes on is put under the text.
const LABEL_MAX: usize = 28;

/// Somewhere to write to, which may have a width.
pub(crate) trait Screen: Write {
    /// In columns; `None` where it does not matter.
    fn width(&self) -> Option<usize>;
}

/// Text that is kept has no width.
impl Screen for Vec<u8> {
    fn width(&self) -> Option<usize> {
        None
    }
}

/// How wide standard output is: `None` unless it is a terminal. What `COLUMNS` says comes first.
pub(crate) fn width(env: &Environment) -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let named = env.text("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let found = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0));
    named.or_else(found).map(|columns: usize| columns.max(WIDTH_MIN))
}

/// What becomes of lines that are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Long {
    /// They go on in the next line, under their text.
    Folded,
    /// They end in an ellipsis: what was drawn would make no sense in two lines.
    Cut,
}

/// Writes whole lines to `out`, none of them wider than `width`.
pub(crate) struct Lines<W> {
    out: W,
    width: Option<usize>,
    long: Long,
    /// A line that has not ended yet.
    open: Vec<u8>,
}

impl<W: Write> Lines<W> {
    /// Lines as they are, if there is no width.
    pub(crate) fn new(out: W, width: Option<usize>, long: Long) -> Lines<W> {
        Lines { out, width, long, open: Vec::new() }
    }

    fn line(&mut self, width: usize, line: &str) -> io::Result<()> {
        match self.long {
            Long::Cut => writeln!(self.out, "{}", cut(line, width)),
            Long::Folded => folded(line, width).iter().try_for_each(|part| writeln!(self.out, "{part}")),
        }
    }
}

impl<W: Write> Screen for Lines<W> {
    fn width(&self) -> Option<usize> {
        self.width
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(width) = self.width else { return self.out.write(bytes) };
        self.open.extend_from_slice(bytes);
        while let Some(end) = self.open.iter().position(|byte| *byte == b'\n') {
            let rest = self.open.split_off(end + 1);
            let line = std::mem::replace(&mut self.open, rest);
            self.line(width, String::from_utf8_lossy(&line).trim_end_matches('\n'))?;
        }
        Ok(bytes.len())
    }

    /// What has no end yet is written as it is.
    fn flush(&mut self) -> io::Result<()> {
        let open = std::mem::take(&mut self.open);
        self.out.write_all(&open)?;
        self.out.flush()
    }
}

impl<W> Drop for Lines<W> {
    fn drop(&mut self) {
        debug_assert!(self.open.is_empty() || std::thread::panicking(), "the last line has no end");
    }
}

/// `text` in at most `width` columns: as it is, or with an ellipsis at its end.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.truncate(kept.trim_end().len());
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// `line` in lines of at most `width` columns, broken between words where that is possible. What goes on
/// stands under the text of the line, not under its label.
fn folded(line: &str, width: usize) -> Vec<String> {
    if line.width() <= width {
        return vec![line.to_owned()];
    }
    let indent = " ".repeat(text_at(line).min(width / 2));
    let mut parts = Vec::new();
    let mut part = String::new();
    for word in words(line) {
        if !part.trim().is_empty() && part.width() + word.trim_end().width() > width {
            parts.push(part.trim_end().to_owned());
            part.clone_from(&indent);
        }
        part.push_str(word);
        // A word of its own that is wider than the line is broken, so that nothing of it is lost.
        while part.trim_end().width() > width {
            let at = part.char_indices().scan(0, |wide, (at, c)| {
                *wide += c.width().unwrap_or(0);
                Some((at, *wide))
            });
            let end = at.take_while(|(_, wide)| *wide <= width).last().map_or(0, |(at, _)| at);
            let end = part[end..].chars().next().map_or(part.len(), |c| end + c.len_utf8());
            let rest = format!("{indent}{}", &part[end..]);
            parts.push(part[..end].to_owned());
            part = rest;
        }
    }
    if !part.trim().is_empty() {
        parts.push(part.trim_end().to_owned());
    }
    parts
}

/// Words, each with the spaces behind it; the spaces at the beginning belong to the first.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let begin = rest.find(|c: char| c != ' ')?;
        let word = rest[begin..].find(' ').map_or(rest.len(), |at| begin + at);
        let end = rest[word..].find(|c: char| c != ' ').map_or(rest.len(), |at| word + at);
        let (found, left) = rest.split_at(end);
        rest = left;
        Some(found)
    })
}

/// The column in which the text of a line begins, after spaces, a label and the two spaces or more behind it.
fn text_at(line: &str) -> usize {
    let spaces = line.len() - line.trim_start_matches(' ').len();
    let label = line[spaces..].find("  ").map(|at| spaces + at);
    let text = label.and_then(|at| line[at..].find(|c: char| c != ' ').map(|more| at + more));
    match text {
        Some(text) if line[..text].width() <= LABEL_MAX => line[..text].width(),
        _ => spaces + 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: Option<usize>, long: Long, pieces: &[&str]) -> String {
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out, width, long);
        for piece in pieces {
            lines.write_all(piece.as_bytes()).unwrap();
        }
        lines.flush().unwrap();
        drop(lines);
        String::from_utf8(out).unwrap()
    }

    const LONG: &str = "  message             The engine is currently overloaded, please try again later\n";

    #[test]
    fn a_long_line_goes_on_under_its_text() {
        assert_eq!(
            written(Some(50), Long::Folded, &[LONG]),
            "  message             The engine is currently\n                      overloaded, please try again\n                      later\n"
        );
    }

    #[test]
    fn without_a_width_nothing_is_changed() {
        assert_eq!(written(None, Long::Folded, &[LONG, "no end"]), format!("{LONG}no end"));
        assert_eq!(written(None, Long::Cut, &[LONG]), LONG);
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_nothing_of_it_is_lost() {
        let text = format!("{LONG}{} 東京東京東京東京東京東京東京東京 é\n\n  x\n", "sw_0123456789abcdef".repeat(3));
        let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        for width in WIDTH_MIN..120 {
            let folded = written(Some(width), Long::Folded, &[&text]);
            assert!(folded.lines().all(|line| line.width() <= width), "{width}: {folded}");
            assert_eq!(plain(&folded), plain(&text), "{width}");
            let cut = written(Some(width), Long::Cut, &[&text]);
            assert!(cut.lines().all(|line| line.width() <= width), "{width}: {cut}");
            assert_eq!(cut.lines().count(), text.lines().count());
        }
    }

    #[test]
    fn pieces_of_a_line_are_one_line() {
        assert_eq!(
            written(Some(20), Long::Folded, &["a long", " line that", " goes on\nb"]),
            "a long line that\n  goes on\nb"
        );
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("overloaded", 10), "overloaded");
        assert_eq!(cut("overloaded", 9), "overload…");
        assert_eq!(cut("a bc", 3), "a…");
        assert_eq!(cut("東京", 3), "東…");
        assert_eq!(cut("東京", 2), "…");
        assert_eq!(cut("x", 0), "");
    }
}
