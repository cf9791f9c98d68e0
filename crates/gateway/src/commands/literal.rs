//! Reads a value as Python's `repr` and Node's `util.inspect` print it, into JSON.
//!
//! `{'error': {'message': "it's", 'code': None}}` and `{ message: 'x', code: undefined }` differ from
//! JSON in quotes, bare words and a few signs. One pass, no recursion, and whatever does not look
//! like a value gives `None`: a paste may be cut anywhere. What is read remembers where each piece
//! stood, so that a finding can point at the text that a person has before them.

use std::ops::Range;

/// A value that was read, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Literal {
    /// The value.
    pub(crate) json: String,
    /// Where the value ends in the text that it was read from.
    pub(crate) end: usize,
    /// Whether it has a sign that JSON has not: then it was printed by a program.
    pub(crate) is_foreign: bool,
    /// Whether the program that printed it left something out: `[Object]`, `... 3 more items`.
    pub(crate) is_cut: bool,
    pieces: Vec<Piece>,
}

/// A run of the JSON and the run of the text that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    json: Range<usize>,
    text: Range<usize>,
}

/// A bracket that is open: the sign that closes it in the text, and in JSON.
type Open = (char, char);

/// The JSON of the value that `text` begins with; `None` if it is cut off or is no value.
pub(crate) fn to_json(text: &str) -> Option<String> {
    read(text).map(|literal| literal.json)
}

/// Reads the value that `text` begins with; `None` if it is cut off or is no value.
pub(crate) fn read(text: &str) -> Option<Literal> {
    try_read(text).ok()
}

/// The same; of what is no value, how many bytes it took to find out.
pub(crate) fn try_read(text: &str) -> Result<Literal, usize> {
    let mut read = Literal::default();
    match read.take(text) {
        Some(()) => Ok(read),
        // A quote without an end is looked for to the end of the text.
        None if text[read.end..].trim_start().starts_with(QUOTES) => Err(text.len()),
        None => Err(read.end + 1),
    }
}

/// The text of a JSON string, in which JSON stands as text: `"{\\"model\\":…}"`. `None` for what is no
/// string. What it holds is not looked at.
pub(crate) fn embedded(raw: &str) -> Option<Literal> {
    let mut rest = raw.strip_prefix('"')?.strip_suffix('"')?;
    let mut read = Literal { end: raw.len(), ..Literal::default() };
    let mut at = 1;
    while !rest.is_empty() {
        let length = match rest.find('\\') {
            Some(0) if rest.starts_with("\\u") => {
                let is_high =
                    matches!(rest.as_bytes().get(2..4), Some([b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B']));
                if is_high { 12 } else { 6 }
            }
            Some(0) => 2,
            Some(plain) => plain,
            None => rest.len(),
        };
        let part = rest.get(..length)?;
        let text =
            if part.starts_with('\\') { serde_json::from_str(&format!("\"{part}\"")).ok()? } else { part.to_owned() };
        let begin = read.json.len();
        read.json.push_str(&text);
        read.pieces.push(Piece { json: begin..read.json.len(), text: at..at + length });
        at += length;
        rest = &rest[length..];
    }
    Some(read)
}

/// The signs round a string.
const QUOTES: [char; 3] = ['\'', '"', '`'];

impl Literal {
    fn take(&mut self, text: &str) -> Option<()> {
        let mut open: Vec<Open> = Vec::new();
        let mut rest = text.trim_start();
        loop {
            let at = text.len() - rest.len();
            let first = rest.chars().next()?;
            let mut piece = String::new();
            let length = match first {
                '{' | '[' | '(' => {
                    let (begin, close, end) = match first {
                        '{' => ('{', '}', '}'),
                        '[' => ('[', ']', ']'),
                        // Of a call with names it makes an object: `Timeout(read=600)`.
                        _ if is_named(&rest[1..]) => ('{', ')', '}'),
                        _ => ('[', ')', ']'),
                    };
                    self.is_foreign |= first == '(';
                    self.is_cut |= first == '[' && CUTS.iter().any(|cut| rest[1..].starts_with(cut));
                    open.push((close, end));
                    piece.push(begin);
                    1
                }
                '}' | ']' | ')' => {
                    let (_, end) = open.pop().filter(|(close, _)| *close == first)?;
                    // Python and Node allow a comma before the end.
                    if self.json.ends_with(',') {
                        self.json.pop();
                        self.pieces.pop();
                    }
                    piece.push(end);
                    1
                }
                ',' if !open.is_empty() => {
                    piece.push(',');
                    1
                }
                ':' | '=' if !open.is_empty() => {
                    self.is_foreign |= first == '=';
                    piece.push(':');
                    1
                }
                // Node breaks long strings: 'one ' +\n 'two'.
                '+' if self.json.ends_with('"') => {
                    let after = rest[1..].trim_start();
                    let (more, left) = string(after)?;
                    self.json.pop();
                    self.json.push_str(&more[1..]);
                    let joined = self.pieces.last_mut()?;
                    joined.json.end = self.json.len();
                    joined.text.end = text.len() - left.len();
                    rest.len() - left.len()
                }
                '\'' | '"' | '`' => {
                    let (quoted, left) = string(rest)?;
                    self.is_foreign |= first != '"';
                    piece = quoted;
                    rest.len() - left.len()
                }
                // `... 3 more items`, also behind a string: nothing of it is JSON.
                '.' if rest.starts_with("...") => {
                    self.is_cut = true;
                    rest.find([',', '\n', ']', '}'])?
                }
                // An object that has no other form: `<NotGiven>`.
                '<' if !open.is_empty() => {
                    self.is_foreign = true;
                    piece.push_str("null");
                    rest.find('>')? + 1
                }
                _ => {
                    let end = rest.find(|c: char| !(c.is_alphanumeric() || "_$.-+".contains(c))).unwrap_or(rest.len());
                    let word = &rest[..end];
                    // The class in front of its value: `Headers { … }`, `URL('…')`.
                    let is_class =
                        word.starts_with(char::is_alphabetic) && rest[end..].trim_start().starts_with(['{', '(']);
                    if !is_class {
                        piece = bare(word)?;
                    }
                    self.is_foreign |= piece != word;
                    end
                }
            };
            if !piece.is_empty() {
                let begin = self.json.len();
                self.json.push_str(&piece);
                self.pieces.push(Piece { json: begin..self.json.len(), text: at..at + length });
            }
            self.end = at + length;
            rest = text[self.end..].trim_start();
            if open.is_empty() && !rest.starts_with('+') && !self.json.is_empty() {
                return Some(());
            }
        }
    }
}

/// What Node prints for what lies too deep.
const CUTS: [&str; 4] = ["Object]", "Array]", "Circular", "Object: null prototype]"];

/// Whether a bracket is followed by `name=`.
fn is_named(inside: &str) -> bool {
    let inside = inside.trim_start();
    let end = inside.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(0);
    end > 0 && inside[end..].starts_with('=')
}

impl Literal {
    /// Where `span` of the JSON stood in the text. Exact for whole values and keys; inside of a
    /// string as near as it can be told.
    pub(crate) fn place(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.pieces.partition_point(|piece| piece.json.end <= span.start);
        let start = self.pieces.get(start).map_or(self.end, |piece| piece.within(span.start));
        if span.is_empty() {
            return start..start;
        }
        let end = self.pieces.partition_point(|piece| piece.json.end < span.end);
        let end = self.pieces.get(end).map_or(self.end, |piece| piece.within(span.end));
        start..end.max(start)
    }
}

impl Piece {
    fn within(&self, at: usize) -> usize {
        if at >= self.json.end {
            return self.text.end;
        }
        (self.text.start + at.saturating_sub(self.json.start)).min(self.text.end)
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
    let quote = text.chars().next().filter(|c| QUOTES.contains(c))?;
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
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~é\u{1f600}\n\t]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-z '\"$]{0,8}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn quoted(text: &str) -> String {
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        let inside: String = text
            .chars()
            .map(|c| match c {
                '\\' => "\\\\".to_owned(),
                '\n' => "\\n".to_owned(),
                '\t' => "\\t".to_owned(),
                c if c == quote => format!("\\{c}"),
                c => c.to_string(),
            })
            .collect();
        format!("{quote}{inside}{quote}")
    }

    /// As Python's `repr` prints it.
    fn repr(value: &Value) -> String {
        let all = |parts: Vec<String>| parts.join(", ");
        match value {
            Value::Null => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => quoted(text),
            Value::Array(values) => format!("[{}]", all(values.iter().map(repr).collect())),
            Value::Object(map) => {
                format!(
                    "{{{}}}",
                    all(map.iter().map(|(key, value)| format!("{}: {}", quoted(key), repr(value))).collect())
                )
            }
        }
    }

    proptest! {
        #[test]
        fn what_python_prints_of_any_value_is_that_value(value in value(), after in "[ \n,x]{0,3}") {
            let printed = repr(&value);
            let read = read(&format!("{printed}{}", if value.is_number() || value.is_boolean() || value.is_null() { "" } else { &after }));
            let read = read.expect("it is read");
            prop_assert_eq!(serde_json::from_str::<Value>(&read.json).expect("JSON"), value);
            prop_assert_eq!(read.end, printed.len());
            prop_assert_eq!(read.place(&(0..read.json.len())), 0..printed.len());
        }

        #[test]
        fn no_text_makes_it_panic_or_point_outside(text in "[\\[\\]{}()'\"`\\\\:=,+.<>a-cxu0-9é\n ]{0,60}", from in 0..80usize, length in 0..80usize) {
            let Some(read) = read(&text) else { return Ok(()) };
            let from = from.min(read.json.len());
            let place = read.place(&(from..(from + length).min(read.json.len())));
            prop_assert!(place.start <= place.end && place.end <= text.len(), "{place:?}");
        }
    }

    #[test]
    fn what_was_read_knows_where_it_stood() {
        let text = "{ a: True, 'b': ['one ' +\n  'two', URL('x')], }  and more";
        let read = read(text).unwrap();
        assert_eq!(read.json, r#"{"a":true,"b":["one two",["x"]]}"#);
        let stood = |part: &str| {
            let at = read.json.find(part).unwrap();
            &text[read.place(&(at..at + part.len()))]
        };
        assert_eq!(stood("\"a\""), "a");
        assert_eq!(stood("true"), "True");
        assert_eq!(stood("\"b\""), "'b'");
        assert_eq!(stood("\"one two\""), "'one ' +\n  'two'");
        assert_eq!(stood(&read.json), "{ a: True, 'b': ['one ' +\n  'two', URL('x')], }");
        assert!(read.is_foreign && !read.is_cut);
        assert_eq!(&text[read.end..], "  and more");
    }

    #[test]
    fn a_dump_that_leaves_something_out_says_so() {
        for text in
            ["{ a: [Object] }", "[ [Array] ]", "[ 1, 2,\n  ... 3 more items\n]", "{ a: 'x'... 20 more characters }"]
        {
            assert!(read(text).unwrap().is_cut, "{text}");
        }
        for text in ["{ a: ['Object'] }", "[\"... 3 more items\"]", "{\"a\":[1]}"] {
            let read = read(text).unwrap();
            assert!(!read.is_cut, "{text}");
            assert_eq!(read.is_foreign, text.contains('\''), "{text}");
        }
    }

    #[test]
    fn classes_and_calls_are_read_as_what_they_hold() {
        let read = |text| to_json(text).unwrap();
        assert_eq!(
            read("{'t': Timeout(connect=5.0, read=600), 'n': <NotGiven>}"),
            r#"{"t":{"connect":5.0,"read":600},"n":null}"#
        );
        assert_eq!(read("Headers { 'x-request-id': 'req_1' }"), r#"{"x-request-id":"req_1"}"#);
        assert_eq!(
            read("Tool(name='x', parameters={'type': 'object'})"),
            r#"{"name":"x","parameters":{"type":"object"}}"#
        );
    }

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
    fn json_inside_of_a_string_knows_where_it_stood() {
        let raw = r#""{\"a\":\"\u00e9\ud83d\ude00\\n\"}""#;
        let read = embedded(raw).unwrap();
        assert_eq!(read.json, "{\"a\":\"é\u{1f600}\\n\"}");
        let at = read.json.find("\"é").unwrap();
        assert_eq!(&raw[read.place(&(at..read.json.len() - 1))], r#"\"\u00e9\ud83d\ude00\\n\""#);
        for broken in ["", "\"", "{}", r#""\""#, r#""\q""#, r#""\u12""#, r#""\ud83d""#] {
            assert_eq!(embedded(broken), None, "{broken}");
        }
        assert_eq!(embedded("\"\"").map(|read| read.json), Some(String::new()));
    }

    #[test]
    fn what_is_no_value_says_what_it_cost() {
        assert_eq!(try_read("[2026-11-23 x]"), Err(2));
        assert_eq!(try_read("{'a': 1, <"), Err(9));
        assert_eq!(try_read("{'a': 'no end"), Err(13));
    }

    #[test]
    fn deep_nesting_is_only_a_longer_list() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(to_json(&deep), Some(deep));
    }
}
