//! Which failures are of one kind: the fingerprint of a failed attempt, from what is on record of it.
//!
//! Two attempts are of one group if all of this is the same: upstream, endpoint, model, class, status, fault, type
//! and code of the error, and its message where it does not vary. What varies is what has a digit in it, looks like
//! hexadecimal or like an id: request ids, times, counts, addresses. It is better to put two kinds together than to
//! make a group of every request, so a word that is in doubt varies.
//!
//! The id of a group is a hash of all that. It is the same in every process and on every machine, as long as the
//! rules here are; it is made when the record is read, so that better rules hold for old rows too.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

/// Bytes of the hash in an id: of 2,000 groups two have the same once in 140 million journals.
const ID_BYTES: usize = 6;
/// What stands for a part that varies.
const GAP: char = '#';
/// Between two parts that vary these belong to what varies: `41.7`, `10,000`, `06:30:00`, `10.0.0.1:443`.
const INSIDE: [char; 4] = ['.', ',', ':', '/'];
/// A word of hexadecimal digits varies from this length on, even if it has none of the ten.
const HEX_MIN: usize = 8;
/// Part of a word that has both cases varies from this length on, if a quarter of it is in capitals.
const RANDOM_MIN: usize = 16;
/// A longer word is an id, or worse.
const WORD_MAX: usize = 40;

/// The columns of `attempts` that a fingerprint is made from, in the order of [`Facts::of`].
macro_rules! columns {
    () => {
        "upstream, endpoint, model, class, status, fault, error_type, error_code, message"
    };
}
pub(super) use columns;

/// How many these are.
pub(super) const COLUMNS: usize = 9;

/// What a fingerprint is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'r> {
    pub(super) upstream: Option<&'r str>,
    pub(super) endpoint: Option<&'r str>,
    pub(super) model: Option<&'r str>,
    pub(super) class: Option<&'r str>,
    pub(super) status: Option<i64>,
    pub(super) fault: Option<&'r str>,
    pub(super) error_type: Option<&'r str>,
    pub(super) error_code: Option<&'r str>,
    pub(super) message: Option<&'r str>,
}

impl<'r> Facts<'r> {
    /// From the columns of [`columns!`], whoever has them.
    fn of(column: impl Fn(usize) -> ValueRef<'r>) -> Facts<'r> {
        let text = |at| column(at).as_str_or_null().ok().flatten();
        Facts {
            upstream: text(0),
            endpoint: text(1),
            model: text(2),
            class: text(3),
            status: column(4).as_i64_or_null().ok().flatten(),
            fault: text(5),
            error_type: text(6),
            error_code: text(7),
            message: text(8),
        }
    }

    /// From a row that begins with the columns of [`columns!`].
    pub(super) fn read(row: &'r Row<'_>) -> Facts<'r> {
        Facts::of(|at| row.get_ref(at).unwrap_or(ValueRef::Null))
    }

    /// Writes all that is the same within a group to `key`: each part with its length before it, so that no text
    /// can pass for two parts.
    pub(super) fn write_key(&self, key: &mut String) {
        key.clear();
        let Facts { upstream, endpoint, model, class, status, fault, error_type, error_code, message } = *self;
        for part in [upstream, endpoint, model, class, fault, error_type, error_code] {
            // A `String` takes every write.
            let _ = match part {
                Some(part) => write!(key, "{}:{part}", part.len()),
                None => write!(key, "-"),
            };
        }
        let _ = write!(key, "{};", status.unwrap_or(-1));
        if let Some(message) = message {
            key.push('=');
            write_pattern(message, key);
        }
    }
}

/// The id of the group with this key: 12 hexadecimal digits.
pub(super) fn id(key: &str) -> String {
    let hash = digest(&SHA256, key.as_bytes());
    hash.as_ref().iter().take(ID_BYTES).fold(String::with_capacity(2 * ID_BYTES), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// Whether `text` can be the id of a group.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 2 * ID_BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `message` with a `#` in place of what varies.
pub(super) fn pattern(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    write_pattern(message, &mut out);
    out
}

fn write_pattern(message: &str, out: &mut String) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut rest = message.trim();
    while let Some(first) = rest.chars().next() {
        if is_word(first) {
            let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            if is_variable(word) {
                leave_gap(out);
            } else {
                out.push_str(word);
            }
            rest = after;
        } else if first.is_whitespace() {
            out.push(' ');
            rest = rest.trim_start();
        } else {
            out.push(first);
            rest = rest.split_at(first.len_utf8()).1;
        }
    }
}

/// One `#`, of however many parts what varies is made.
fn leave_gap(out: &mut String) {
    if out.ends_with(INSIDE) && out.rsplit(INSIDE).nth(1).is_some_and(|before| before.ends_with(GAP)) {
        out.pop();
    }
    if !out.ends_with(GAP) {
        out.push(GAP);
    }
}

fn is_variable(word: &str) -> bool {
    let is_hex = word.len() >= HEX_MIN && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_random = |part: &str| {
        let capitals = part.bytes().filter(u8::is_ascii_uppercase).count();
        part.len() >= RANDOM_MIN && capitals * 4 >= part.len() && part.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    word.len() > WORD_MAX || is_hex || word.contains(char::is_numeric) || word.split(['_', '-']).any(is_random)
}

/// Lets statements say `failure_group(…)` of the columns of [`columns!`].
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let columns = i32::try_from(COLUMNS).unwrap_or(-1);
    connection.create_scalar_function("failure_group", columns, flags, |called| {
        let mut key = String::with_capacity(256);
        Facts::of(|at| called.get_raw(at)).write_key(&mut key);
        Ok(id(&key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'static> = Facts {
        upstream: Some("openai"),
        endpoint: Some("chat_completions"),
        model: Some("gpt-4o"),
        class: Some("server_error"),
        status: Some(500),
        fault: Some("status"),
        error_type: Some("server_error"),
        error_code: None,
        message: Some("The server had an error (request id req_0123456789abcdef)"),
    };

    fn id_of(facts: &Facts<'_>) -> String {
        let mut key = String::new();
        facts.write_key(&mut key);
        id(&key)
    }

    #[test]
    fn what_varies_is_left_out_and_the_words_stay() {
        for (message, expected) in [
            (
                "The server had an error (request id req_011CSHoEeqs5C35K2UUqR7Fy).",
                "The server had an error (request id #).",
            ),
            (
                "Rate limit reached for gpt-4o in organization org-Ab12 on tokens per min (TPM): Limit 10,000, Used 8782. Please try again in 41.724s.",
                "Rate limit reached for # in organization # on tokens per min (TPM): Limit #, Used #. Please try again in #.",
            ),
            ("Please try again in 6m0s.", "Please try again in #."),
            ("Please try again in 0.5s.", "Please try again in #."),
            (
                "connect to 10.0.0.1:443: Connection refused (os error 111)",
                "connect to #: Connection refused (os error #)",
            ),
            ("at 2026-11-23T06:30:00.123Z, id 550e8400-e29b-41d4-a716-446655440000", "at #, id #"),
            ("trace deadbeefcafe ended", "trace # ended"),
            ("trace KxQwRtYpLmNbVcZaSdfg ended", "trace # ended"),
            ("InternalServerErrorException: no healthy upstream", "InternalServerErrorException: no healthy upstream"),
            ("  Unsupported\tparameter:\r\n 'foo' ", "Unsupported parameter: 'foo'"),
            ("über 3 Zeichen: größer, 東京", "über # Zeichen: größer, 東京"),
            ("‹input› is not valid", "‹input› is not valid"),
            ("##", "##"),
            ("", ""),
        ] {
            assert_eq!(pattern(message), expected, "{message}");
        }
        assert_eq!(pattern(&"x".repeat(WORD_MAX)), "x".repeat(WORD_MAX));
        assert_eq!(pattern(&"x".repeat(WORD_MAX + 1)), "#");
    }

    #[test]
    fn an_id_is_the_same_for_ever_and_is_short() {
        assert_eq!(id_of(&FACTS), "14b00818c563");
        assert!(is_id(&id_of(&FACTS)));
        for other in ["", "0123456789a", "0123456789abc", "0123456789AB", "0123456789ag"] {
            assert!(!is_id(other), "{other}");
        }
    }

    #[test]
    fn the_same_error_of_another_request_is_of_the_same_group_and_of_another_place_is_not() {
        let other_id = Facts { message: Some("The server had an error (request id req_fedcba9876543210)"), ..FACTS };
        assert_eq!(id_of(&other_id), id_of(&FACTS));
        let others = [
            Facts { upstream: Some("azure"), ..FACTS },
            Facts { endpoint: Some("responses"), ..FACTS },
            Facts { model: None, ..FACTS },
            Facts { class: Some("overloaded"), ..FACTS },
            Facts { status: None, ..FACTS },
            Facts { fault: Some("html"), ..FACTS },
            Facts { error_type: None, error_code: Some("server_error"), ..FACTS },
            Facts { error_type: None, ..FACTS },
            Facts { message: None, ..FACTS },
            Facts { message: Some("The engine is overloaded"), ..FACTS },
        ];
        let ids: std::collections::BTreeSet<String> = others.iter().chain([&FACTS]).map(id_of).collect();
        assert_eq!(ids.len(), others.len() + 1);
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_is_no_longer_than_its_message_and_nothing_in_it_varies(message in ".{0,200}") {
            let once = pattern(&message);
            proptest::prop_assert!(once.len() <= message.len());
            proptest::prop_assert!(!once.contains(char::is_numeric), "{once}");
            proptest::prop_assert!(!once.contains("  "), "{once}");
        }

        #[test]
        fn another_number_in_it_is_the_same_message(before in "\\PC{0,40}", after in "\\PC{0,40}", a: u64, b: u64) {
            let with = |n: u64| pattern(&format!("{before} {n} {after}"));
            proptest::prop_assert_eq!(with(a), with(b));
        }
    }

    #[test]
    fn no_text_passes_for_two() {
        let one = Facts { error_type: Some("a1:b"), error_code: None, ..FACTS };
        let two = Facts { error_type: Some("a"), error_code: Some("b"), ..FACTS };
        assert_ne!(id_of(&one), id_of(&two));
    }
}
