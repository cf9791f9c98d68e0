//! Reads a value as Python's `repr` and Node's `util.inspect` print it, into JSON.
//!
//! `{'error': {'message': "it's", 'code': None}}` and `{ message: 'x', code: undefined }` differ from
//! JSON in quotes, bare words and a few signs. One pass, no recursion, and whatever does not look
//! like a value gives `None`: a paste may be cut anywhere.

/// The JSON of the value that `text` begins with; `None` if it is cut off or is no value.
pub(super) fn to_json(text: &str) -> Option<String> {
    let mut json = String::new();
    // Closing brackets that are still to come.
    let mut open: Vec<u8> = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let first = rest.chars().next()?;
        match first {
            '{' | '[' | '(' => {
                let (begin, end) = if first == '{' { ('{', b'}') } else { ('[', b']') };
                json.push(begin);
                open.push(end);
                rest = &rest[1..];
            }
            '}' | ']' | ')' => {
                let end = if first == '}' { b'}' } else { b']' };
                if open.pop() != Some(end) {
                    return None;
                }
                // Python and Node allow a comma before the end.
                if json.ends_with(',') {
                    json.pop();
                }
                json.push(char::from(end));
                rest = &rest[1..];
            }
            ',' | ':' if !open.is_empty() => {
                json.push(first);
                rest = &rest[1..];
            }
            // Node breaks long strings: 'one ' +\n 'two'.
            '+' if json.ends_with('"') => {
                let (more, after) = string(rest[1..].trim_start())?;
                json.pop();
                json.push_str(&more[1..]);
                rest = after;
            }
            '\'' | '"' | '`' => {
                let (quoted, after) = string(rest)?;
                json.push_str(&quoted);
                rest = after;
            }
            _ => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || "_$.-+".contains(c))).unwrap_or(rest.len());
                json.push_str(&bare(&rest[..end])?);
                rest = &rest[end..];
            }
        }
        rest = rest.trim_start();
        if open.is_empty() && !rest.starts_with('+') {
            return Some(json);
        }
    }
}

/// A word without quotes: a constant, a number, or the key of an object in Node.
fn bare(word: &str) -> Option<String> {
    match word {
        "" => None,
        "None" | "null" | "undefined" | "nan" | "NaN" | "inf" => Some("null".to_owned()),
        "True" | "true" => Some("true".to_owned()),
        "False" | "false" => Some("false".to_owned()),
        _ if serde_json::from_str::<serde_json::Number>(word).is_ok() => Some(word.to_owned()),
        _ if word.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$') => serde_json::to_string(word).ok(),
        _ => None,
    }
}

/// The JSON string of the quoted one that `text` begins with, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'))?;
    let mut plain = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            _ if char == quote => return Some((serde_json::to_string(&plain).ok()?, &text[at + 1..])),
            '\\' => {
                let (at, escaped) = chars.next()?;
                match escaped {
                    'n' => plain.push('\n'),
                    't' => plain.push('\t'),
                    'r' => plain.push('\r'),
                    'x' | 'u' | 'U' => {
                        let count = match escaped {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let code = u32::from_str_radix(text.get(at + 1..at + 1 + count)?, 16).ok()?;
                        plain.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        chars.nth(count - 1);
                    }
                    other => plain.push(other),
                }
            }
            other => plain.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_and_node_print_becomes_json() {
        let table = [
            ("{'a': None, 'b': True, 'c': [1, -2.5]}", Some(r#"{"a":null,"b":true,"c":[1,-2.5]}"#)),
            (r#"{'a': "it's", 'b': 'say \'x\'\n'} and more"#, Some(r#"{"a":"it's","b":"say 'x'\n"}"#)),
            ("('a', 1,)", Some(r#"["a",1]"#)),
            ("{ message: 'x', code: undefined, n: 500 }", Some(r#"{"message":"x","code":null,"n":500}"#)),
            ("{\n  a: 'one ' +\n    'two',\n  b: [Object]\n}", Some(r#"{"a":"one two","b":["Object"]}"#)),
            (r"'\x41\u20ac\U0001F600'", Some("\"A\u{20ac}\u{1f600}\"")),
            ("{'a': 'cut", None),
            ("{'a': {", None),
            ("{]", None),
            ("<html>", None),
            ("", None),
            ("+", None),
        ];
        for (text, expected) in table {
            assert_eq!(to_json(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_only_a_longer_list() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(to_json(&deep), Some(deep));
    }
}
