//! What the record says, made safe and readable for a terminal.
//!
//! A model's name, an id or an error message was chosen by somebody else. On its way to a screen
//! it must not move the cursor, change a title or reverse the reading order.

use std::fmt::Write as _;
use std::io;

/// `text` with everything that a terminal would obey spelled out as `\u{…}`.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// One line of NDJSON: JSON leaves the upper control characters as they are, and here they are
/// escaped as well.
pub(crate) fn json_line(value: &impl serde::Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    let mut line = String::with_capacity(json.len() + 1);
    escape(&json, &mut line);
    line.push('\n');
    Ok(line)
}

/// Lines of JSON on their way to `0`: what JSON leaves as it is and a terminal would obey, escaped as well.
pub(crate) struct JsonLines<W>(pub(crate) W);

impl<W: io::Write> io::Write for JsonLines<W> {
    /// Takes whole lines, as a log writes them.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut escaped = String::with_capacity(lines.len());
        for line in String::from_utf8_lossy(lines).split_inclusive('\n') {
            escape(line.trim_end_matches('\n'), &mut escaped);
            escaped.push_str(if line.ends_with('\n') { "\n" } else { "" });
        }
        self.0.write_all(escaped.as_bytes())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escape(json: &str, line: &mut String) {
    for c in json.chars() {
        if is_active(c) {
            // All of them lie in the basic plane, so four digits do; a `String` takes every write.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
}

/// `0.4 ms`, `812 ms`, `12.3 s`.
pub(crate) fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1_000.0),
    }
}

/// `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut told = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

/// A span of time, as people say it: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
pub(crate) fn span(micros: i64) -> String {
    let seconds = micros.max(0) / 1_000_000;
    match (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, _) => format!("{minutes} min"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// Control characters, line and paragraph separators, and marks that are invisible or turn the
/// reading order.
pub(crate) fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "gpt\u{1b}[2J\r\n\u{9b}31m\u{202e}4o";

    #[test]
    fn a_line_of_the_log_has_nothing_either_and_says_the_same() {
        let json = serde_json::to_string(&serde_json::json!({ "model": HOSTILE })).unwrap() + "\n";
        let mut written = Vec::new();
        io::Write::write_all(&mut JsonLines(&mut written), [json.as_bytes(), json.as_bytes()].concat().as_slice())
            .unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written.lines().count(), 2);
        for line in written.lines() {
            assert!(!line.chars().any(is_active), "{line:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["model"], HOSTILE);
        }
    }

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        assert_eq!(printable(HOSTILE), r"gpt\u{1b}[2J\u{d}\u{a}\u{9b}31m\u{202e}4o");
        assert_eq!(printable("größer 東京"), "größer 東京");
    }

    #[test]
    fn a_json_line_is_one_line_and_reads_back_as_it_was() {
        let line = json_line(&HOSTILE).unwrap();
        assert!(line.trim_end_matches('\n').chars().all(|c| !is_active(c)), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), HOSTILE);
    }

    #[test]
    fn a_duration_has_the_unit_that_suits_it() {
        assert_eq!(millis(0.42), "0.4 ms");
        assert_eq!(millis(812.4), "812 ms");
        assert_eq!(millis(12_345.0), "12.3 s");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let told = [-5, 40, 61, 3_900, 190_000].map(|seconds: i64| span(seconds * 1_000_000));
        assert_eq!(told, ["0 s", "40 s", "1 min", "1 h 5 min", "2 d 4 h"]);
    }
}
