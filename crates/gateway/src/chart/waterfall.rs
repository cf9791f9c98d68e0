//! The attempts of one request, each a row on one axis of time: what it did when, and the waits between.

use super::{Canvas, round_up};

const WIDTH: u32 = 1_000;
const LEFT: f64 = 160.0;
const RIGHT: f64 = 140.0;
const TOP: f64 = 8.0;
const ROW: f64 = 30.0;
/// Rows that are drawn: no request has more attempts.
pub(crate) const ROWS_MAX: usize = 32;

/// One attempt, or a wait.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What it is.
    pub(crate) label: String,
    /// What it ended in, told at its right.
    pub(crate) end: String,
    /// Its parts, in order.
    pub(crate) parts: Vec<Part>,
}

/// Something that took time.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Its look: `connect`, `tls`, `send`, `wait`, `head`, `body`, `rest` or `pause`.
    pub(crate) class: &'static str,
    /// From this moment on, in milliseconds since the request began.
    pub(crate) from: f64,
    /// To this one.
    pub(crate) to: f64,
    /// All of it in words.
    pub(crate) says: String,
}

/// Draws `rows`, the first attempt first.
pub(crate) fn svg(rows: &[Row], name: &str) -> String {
    let rows = &rows[..rows.len().min(ROWS_MAX)];
    let count = f64::from(u32::try_from(rows.len()).unwrap_or(0));
    let bottom = TOP + count * ROW;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 rows at most")]
    let height = (bottom + 26.0) as u32;
    let mut canvas = Canvas::new((WIDTH, height), "waterfall", name);
    let end = rows.iter().flat_map(|row| &row.parts).map(|part| part.to).fold(0.0, f64::max);
    let scale = quarters(end);
    let x = |ms: f64| LEFT + (f64::from(WIDTH) - LEFT - RIGHT) * (ms / scale).clamp(0.0, 1.0);
    for quarter in [0.0, 1.0, 2.0, 3.0, 4.0] {
        let ms = scale * quarter / 4.0;
        canvas.path("grid", &format!("M{:.1} {TOP}V{bottom:.1}", x(ms)));
        canvas.text("", (x(ms), bottom + 18.0), "middle", &label(ms));
    }
    for (row, at) in rows.iter().zip(0u32..) {
        let y = TOP + f64::from(at) * ROW;
        canvas.text("", (LEFT - 8.0, y + 19.0), "end", &short(&row.label));
        let mut last = LEFT;
        for part in &row.parts {
            let (from, to) = (x(part.from), x(part.to));
            let thin = part.class == "pause";
            let (top, height) = if thin { (y + 13.0, 4.0) } else { (y + 6.0, 18.0) };
            // What was too quick to be seen is still there to be pointed at.
            canvas.told(&format!("part {}", part.class), (from, top), ((to - from).max(1.5), height), &part.says);
            last = last.max(to);
        }
        canvas.text("end", (last + 6.0, y + 19.0), "start", &short(&row.end));
    }
    canvas.done()
}

/// The end of an axis with four equal parts: 4, 8, 20, 40, 80, 200, … milliseconds.
fn quarters(end: f64) -> f64 {
    round_up(end / 4.0) * 4.0
}

fn label(ms: f64) -> String {
    if ms < 1_000.0 { format!("{ms} ms") } else { format!("{} s", ms / 1_000.0) }
}

/// At most 20 characters: a label has its place.
fn short(text: &str) -> String {
    match text.char_indices().nth(20) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(from: f64, to: f64) -> Row {
        let part = Part { class: "body", from, to, says: "<b>".to_owned() };
        Row { label: "1 a-name-that-is-very-long-indeed".to_owned(), end: "503".to_owned(), parts: vec![part] }
    }

    #[test]
    fn every_part_is_inside_and_can_be_pointed_at() {
        let svg = svg(&[row(0.0, 0.0), row(10.0, 5.0), row(5.0, 1e12)], "x");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("width=\"1.5\"").count(), 2);
        assert!(svg.contains("1 a-name-that-is-ver…") && svg.contains("&lt;b&gt;"));
    }

    #[test]
    fn the_axis_ends_at_a_number_that_can_be_read() {
        for (end, scale) in [(0.0, 4.0), (3.9, 4.0), (410.0, 800.0), (801.0, 1_600.0), (2_000.0, 4_000.0)] {
            assert!((quarters(end) - scale).abs() < 1e-9, "{end}: {}", quarters(end));
        }
        assert_eq!((label(500.0), label(1_500.0)), ("500 ms".to_owned(), "1.5 s".to_owned()));
    }

    #[test]
    fn no_more_rows_are_drawn_than_the_limit() {
        let rows: Vec<Row> = (0..ROWS_MAX + 1).map(|_| row(0.0, 1.0)).collect();
        assert_eq!(svg(&rows, "x").matches("class=\"part").count(), ROWS_MAX);
    }
}
