//! Tables that fit where they are read.
//!
//! Where a table is too wide, names are cut first, with an ellipsis; then the columns that matter least
//! are left out, and are named below it. An id is never cut: it is there to be copied. Where not even
//! the columns that matter fit side by side, each row becomes a block, a cell a line.
//!
//! Without a width, in a pipe or a file, everything is there.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment};
use unicode_width::UnicodeWidthStr;

use super::screen::cut;

/// Between two columns.
const GAP: usize = 2;
/// Before the lines of a block, but for its first.
const INDENT: usize = 2;

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    title: String,
    /// The greater, the earlier it is left out; 0: it is not.
    rank: u8,
    /// How far it may be cut, in columns of the screen; `None`: it is not.
    min: Option<usize>,
    /// Numbers stand under each other.
    is_number: bool,
}

impl Column {
    /// Always there, and never cut.
    pub(crate) fn fixed(title: impl Into<String>) -> Column {
        Column { title: title.into(), rank: 0, min: None, is_number: false }
    }

    /// Left out before those of a smaller rank.
    pub(crate) fn ranked(self, rank: u8) -> Column {
        Column { rank, ..self }
    }

    /// Cut, but not below so many columns.
    pub(crate) fn cut_to(self, min: usize) -> Column {
        Column { min: Some(min), ..self }
    }

    /// Of numbers.
    pub(crate) fn number(self) -> Column {
        Column { is_number: true, ..self }
    }
}

/// A table as it is told.
pub(crate) struct Fitted {
    /// Lines, each with its end.
    pub(crate) text: String,
    /// The titles of the columns that are not in it.
    pub(crate) left_out: Vec<String>,
}

impl Fitted {
    /// A line about what is not there, if something is not.
    pub(crate) fn note(&self) -> Option<String> {
        let names = self.left_out.join(", ");
        (!self.left_out.is_empty()).then(|| format!("note: left out at this width: {names}; --json has everything\n"))
    }
}

/// The table in `width` columns. Each row has a cell for each column, and nothing in them that a terminal
/// would obey.
pub(crate) fn fit(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Fitted {
    let natural: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| rows.iter().map(|row| row[at].width()).max().unwrap_or(0).max(column.title.width()))
        .collect();
    let whole: Vec<Option<usize>> = natural.iter().copied().map(Some).collect();
    let Some(width) = width.filter(|width| total(&whole) > *width) else {
        return Fitted { text: side_by_side(columns, rows, &whole), left_out: Vec::new() };
    };
    let Some(widths) = chosen(columns, &natural, width) else {
        return Fitted { text: blocks(columns, rows, width), left_out: Vec::new() };
    };
    let left_out = columns.iter().zip(&widths).filter(|(_, width)| width.is_none());
    Fitted {
        left_out: left_out.map(|(column, _)| column.title.clone()).collect(),
        text: side_by_side(columns, rows, &widths),
    }
}

/// The width of all columns that are there, and of the gaps between them.
fn total(widths: &[Option<usize>]) -> usize {
    let there: Vec<usize> = widths.iter().copied().flatten().collect();
    there.iter().sum::<usize>() + GAP * there.len().saturating_sub(1)
}

/// How wide each column is, or that it is left out; `None` if what has to be there does not fit.
fn chosen(columns: &[Column], natural: &[usize], width: usize) -> Option<Vec<Option<usize>>> {
    let least = |at: usize| columns[at].min.map_or(natural[at], |min| min.min(natural[at]));
    let mut widths: Vec<Option<usize>> = vec![None; columns.len()];
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|at| columns[*at].rank);
    for at in order {
        widths[at] = Some(least(at));
        if total(&widths) <= width {
            continue;
        }
        if columns[at].rank == 0 {
            return None;
        }
        widths[at] = None;
    }
    // What is left goes to those that are cut, a column of the screen at a time to the one that has least of its own.
    for _ in total(&widths)..width {
        let needy = (0..columns.len()).filter(|at| widths[*at].is_some_and(|width| width < natural[*at]));
        let Some(at) = needy.min_by_key(|at| (widths[*at].unwrap_or(0) * 100 / natural[*at].max(1), *at)) else {
            break;
        };
        widths[at] = widths[at].map(|width| width + 1);
    }
    Some(widths)
}

fn side_by_side(columns: &[Column], rows: &[Vec<String>], widths: &[Option<usize>]) -> String {
    let mut table = comfy_table::Table::new();
    let there =
        || columns.iter().zip(widths).enumerate().filter_map(|(at, (column, width))| Some((at, column, (*width)?)));
    let cell = |column: &Column, text: &str, width| {
        let align = if column.is_number { CellAlignment::Right } else { CellAlignment::Left };
        Cell::new(cut(text, width)).set_alignment(align)
    };
    let titles = there().map(|(_, column, width)| cell(column, &column.title, width));
    table.load_style(NOTHING).set_header(titles.collect::<Vec<Cell>>());
    for row in rows {
        table.add_row(there().map(|(at, column, width)| cell(column, &row[at], width)).collect::<Vec<Cell>>());
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    // The border that there is not has left a space before each line.
    text.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line).trim_end())).collect()
}

/// A block for each row: its first cell, and below it the others with what they are.
fn blocks(columns: &[Column], rows: &[Vec<String>], width: usize) -> String {
    let label = columns.iter().skip(1).map(|column| column.title.width()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        if !text.is_empty() {
            text.push('\n');
        }
        for (at, (column, cell)) in columns.iter().zip(row).enumerate() {
            let (indent, title) = if at == 0 { (0, String::new()) } else { (INDENT, column.title.to_lowercase()) };
            let room = width.saturating_sub(indent + label + GAP);
            let line = match at {
                0 => cut(cell, width),
                _ if cell.width() <= room => format!("{title:label$}  {cell}"),
                // An id gets a line of its own rather than an ellipsis.
                _ if column.min.is_none() && cell.width() + 2 * INDENT <= width => {
                    format!("{title}\n{:1$}{cell}", "", 2 * INDENT)
                }
                _ => format!("{title:label$}  {}", cut(cell, room)),
            };
            text.push_str(&" ".repeat(indent));
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("TIME"),
            Column::fixed("REQUEST"),
            Column::fixed("N").number().ranked(3),
            Column::fixed("MODEL").cut_to(6).ranked(1),
            Column::fixed("DECISION").cut_to(8).ranked(2),
        ]
    }

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        vec![
            row(["06:30:02", "sw_00000000000000000000000000000002", "1", "gpt-4o", "retry in 750 ms"]),
            row(["06:30:01", "sw_00000000000000000000000000000001", "12", "gpt-4o-mini-2024-07-18", "stop: attempts"]),
        ]
    }

    fn at(width: Option<usize>) -> Fitted {
        fit(&columns(), &rows(), width)
    }

    #[test]
    fn in_a_pipe_and_where_there_is_room_everything_is_there() {
        insta::assert_snapshot!(at(None).text, @r"
        TIME      REQUEST                               N  MODEL                   DECISION
        06:30:02  sw_00000000000000000000000000000002   1  gpt-4o                  retry in 750 ms
        06:30:01  sw_00000000000000000000000000000001  12  gpt-4o-mini-2024-07-18  stop: attempts
        ");
        assert_eq!(at(Some(200)).text, at(None).text);
        assert!(at(Some(200)).note().is_none());
    }

    #[test]
    fn names_are_cut_before_a_column_is_left_out() {
        let fitted = at(Some(80));
        insta::assert_snapshot!(fitted.text, @r"
        TIME      REQUEST                               N  MODEL             DECISION
        06:30:02  sw_00000000000000000000000000000002   1  gpt-4o            retry in 7…
        06:30:01  sw_00000000000000000000000000000001  12  gpt-4o-mini-202…  stop: atte…
        ");
        assert!(fitted.left_out.is_empty());
    }

    #[test]
    fn what_matters_least_is_left_out_and_named() {
        let fitted = at(Some(60));
        insta::assert_snapshot!(fitted.text, @r"
        TIME      REQUEST                               N  MODEL
        06:30:02  sw_00000000000000000000000000000002   1  gpt-4o
        06:30:01  sw_00000000000000000000000000000001  12  gpt-4o-m…
        ");
        assert_eq!(fitted.note().unwrap(), "note: left out at this width: DECISION; --json has everything\n");
    }

    #[test]
    fn where_not_even_an_id_has_room_beside_others_rows_are_blocks() {
        insta::assert_snapshot!(at(Some(40)).text, @r"
        06:30:02
          request
            sw_00000000000000000000000000000002
          n         1
          model     gpt-4o
          decision  retry in 750 ms

        06:30:01
          request
            sw_00000000000000000000000000000001
          n         12
          model     gpt-4o-mini-2024-07-18
          decision  stop: attempts
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        for width in 40..160 {
            let text = at(Some(width)).text;
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            assert!(text.contains("sw_00000000000000000000000000000001"), "an id is never cut: {width}");
        }
    }

    #[test]
    fn a_wide_name_is_as_wide_as_it_is() {
        let text = fit(&[Column::fixed("A"), Column::fixed("B")], &[vec!["東京".into(), "x".into()]], None).text;
        assert_eq!(text, "A     B\n東京  x\n");
    }
}
