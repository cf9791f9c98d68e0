//! What the record says, made safe and readable for a terminal.
//!
//! A model's name, an id or an error message was chosen by somebody else. On its way to a screen
//! it must not move the cursor, change a title or reverse the reading order.

use std::fmt::Write as _;

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
    for c in json.chars() {
        if is_active(c) {
            // All of them lie in the basic plane, so four digits do; a `String` takes every write.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    Ok(line)
}

/// `0.4 ms`, `812 ms`, `12.3 s`.
pub(crate) fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1_000.0),
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
}
