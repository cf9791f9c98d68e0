//! Markdown in which what somebody else chose is text and nothing else.
//!
//! Names and messages stand in code spans: there nothing is a link, a mention, HTML or emphasis. Two characters
//! could still end the span or the cell of a table it stands in, and are shown as their likes: a backtick as `'`, a
//! bar as `¦`. The JSON form has them as they are.

use std::fmt::Write;

use super::super::words::{Piece, Sentence};

/// What stands where there is nothing to tell.
pub(super) const NOTHING: &str = "–";

/// `text` as code.
pub(super) fn code(text: &str) -> String {
    if text.trim().is_empty() {
        return NOTHING.to_owned();
    }
    let quiet = |c: char| match c {
        '`' => '\'',
        '|' => '¦',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    format!("`{}`", text.chars().map(quiet).collect::<String>())
}

/// `text` as code, if there is any.
pub(super) fn maybe(text: Option<&String>) -> String {
    text.map_or_else(|| NOTHING.to_owned(), |text| code(text))
}

/// A sentence, what others chose as code.
pub(super) fn sentence(sentence: &Sentence) -> String {
    let pieces = sentence.0.iter().map(|piece| match piece {
        Piece::Words(words) => words.to_string(),
        Piece::Quoted(text) => code(text),
    });
    pieces.collect()
}

/// `text` in a fence that nothing in it can end.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end())
}

/// A table without the columns in which no row has anything, and behind it the names of these. `right` are
/// columns of numbers.
pub(super) fn full_table(header: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let has = |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|cell| cell != NOTHING));
    let kept: Vec<usize> = (0..header.len()).filter(|column| has(*column)).collect();
    let pick = |cells: &[String]| kept.iter().filter_map(|column| cells.get(*column).cloned()).collect::<Vec<_>>();
    let names: Vec<&str> = kept.iter().filter_map(|column| header.get(*column).copied()).collect();
    let right: Vec<usize> = (0..kept.len()).filter(|at| right.contains(&kept[*at])).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| pick(row)).collect();
    let mut text = table(&names, &right, &rows);
    let missing: Vec<&str> = (0..header.len()).filter(|column| !has(*column)).map(|column| header[column]).collect();
    if !missing.is_empty() {
        let _ = write!(text, "\nNot on record of any of them: {}.\n", missing.join(", "));
    }
    text
}

/// A table, its columns aligned for who reads it unrendered. `right` are columns of numbers.
pub(super) fn table(header: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell));
            cells.chain(header.get(column).map(|cell| width(cell))).max().unwrap_or(0).max(3)
        })
        .collect();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (column, cell) in cells.enumerate() {
            let pad = " ".repeat(widths.get(column).map_or(0, |wide| wide.saturating_sub(width(cell))));
            // A `String` takes every write.
            let _ = match right.contains(&column) {
                true => write!(text, "| {pad}{cell} "),
                false => write!(text, "| {cell}{pad} "),
            };
        }
        text.push_str("|\n");
    };
    line(&mut header.iter().copied());
    let rules: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(column, wide)| match right.contains(&column) {
            true => format!("{}:", "-".repeat(wide - 1)),
            false => "-".repeat(*wide),
        })
        .collect();
    line(&mut rules.iter().map(String::as_str));
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}
