//! How names and numbers are told.
//!
//! A finding goes to terminals, logs and reports. Names of tools and properties are the caller's, and may
//! be anything: they are repeated short and without what would act up there.

use super::NAME_BYTES_MAX;

/// A name that a caller chose, as it may be repeated: short and harmless.
pub(super) fn shown(name: &str) -> String {
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    let mut shown: String = name[..end].chars().map(|c| if acts_up(c) { ' ' } else { c }).collect();
    if end < name.len() {
        shown.push('…');
    }
    shown
}

/// Whether a character would move a cursor, end a line or turn text around.
pub(super) fn acts_up(character: char) -> bool {
    let is_format = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    character.is_control() || is_format || character == '\u{feff}'
}

/// A number as people write it: `10,485,760`.
pub(super) fn counted(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// OpenAI's words for a string that is too long.
pub(super) fn too_long(path: &str, most: usize, count: usize) -> String {
    format!(
        "Invalid '{path}': string too long. Expected a string with maximum length {most}, but got a string with length {count} instead."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_repeated_short_and_harmless() {
        assert_eq!(shown("get_weather"), "get_weather");
        assert_eq!(shown("a\u{1b}[2J\u{202e}b\n"), "a [2J b ");
        assert_eq!(shown(&"x".repeat(NAME_BYTES_MAX)), "x".repeat(NAME_BYTES_MAX));
        assert_eq!(
            shown(&format!("{}é", "x".repeat(NAME_BYTES_MAX - 1))),
            format!("{}…", "x".repeat(NAME_BYTES_MAX - 1))
        );
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_024, "1,024"), (10_485_760, "10,485,760")] {
            assert_eq!(counted(number), text);
        }
    }
}
