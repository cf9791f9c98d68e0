//! A row as a line of CSV (RFC 4180) that no spreadsheet takes for anything but data.
//!
//! What an upstream or a caller wrote stands in cells, and a program that opens the file may run a cell that begins
//! like a formula. So a text that does gets an apostrophe before it, and every text stands in quotes, so that no
//! separator in it, of whatever country, begins a cell. What a terminal would obey is spelled out.

use serde_json::Value;

use crate::observe::journal::plain::printable;

/// With these a formula begins, or a command of old; the last four are the same in full width.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The first line: the names of the columns.
pub(super) fn head(columns: &[&str]) -> String {
    columns.join(",") + "\r\n"
}

/// One line: of `row` what is in `columns`, in their order.
pub(super) fn line(columns: &[&str], row: &Value) -> String {
    let mut line = String::with_capacity(512);
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        match row.get(column) {
            None | Some(Value::Null) => {}
            Some(Value::Bool(is)) => line.push_str(if *is { "true" } else { "false" }),
            Some(Value::Number(number)) => line.push_str(&number.to_string()),
            Some(Value::String(text)) => quote(text, &mut line),
            Some(whole @ (Value::Array(_) | Value::Object(_))) => quote(&whole.to_string(), &mut line),
        }
    }
    line.push_str("\r\n");
    line
}

fn quote(text: &str, line: &mut String) {
    line.push('"');
    let text = printable(text);
    // Some programs pass over white space before they look.
    if text.trim_start().starts_with(FORMULA) {
        line.push('\'');
    }
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_data_whatever_is_in_it() {
        let cell = |value: Value| line(&["a"], &json!({ "a": value }));
        for (value, expected) in [
            (json!("plain"), "\"plain\"\r\n"),
            (json!("say \"hi\", or; not"), "\"say \"\"hi\"\", or; not\"\r\n"),
            (json!("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"\r\n"),
            (json!("+1"), "\"'+1\"\r\n"),
            (json!("-1"), "\"'-1\"\r\n"),
            (json!("@SUM(A1)"), "\"'@SUM(A1)\"\r\n"),
            (json!("  =1"), "\"'  =1\"\r\n"),
            (json!("\t=1"), "\"\\u{9}=1\"\r\n"),
            (json!("＝1"), "\"'＝1\"\r\n"),
            (json!("a\r\n=1"), "\"a\\u{d}\\u{a}=1\"\r\n"),
            (json!("\u{1b}[2J"), "\"\\u{1b}[2J\"\r\n"),
            (json!(-1.5), "-1.5\r\n"),
            (json!(true), "true\r\n"),
            (json!(null), "\r\n"),
            (json!({"x": ["=1"]}), "\"{\"\"x\"\":[\"\"=1\"\"]}\"\r\n"),
        ] {
            assert_eq!(cell(value.clone()), expected, "{value}");
        }
    }

    #[test]
    fn columns_stand_in_their_order_and_a_missing_one_is_empty() {
        assert_eq!(head(&["b", "a"]), "b,a\r\n");
        assert_eq!(line(&["b", "none", "a"], &json!({ "a": 1, "b": "x" })), "\"x\",,1\r\n");
    }
}
