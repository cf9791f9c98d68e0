//! Bytes into a tree, in one pass and without recursion.
//!
//! It takes what RFC 8259 takes, and a little that many parsers refuse but that can be gone past: raw
//! control characters, lone surrogates, bytes that are no UTF-8, a key twice. Those are flaws; anything
//! else that is no JSON ends the reading, at a place.

use std::borrow::Cow;
use std::ops::Range;

use super::{DEPTH_MAX, Flaw, Form, Node, Tree, VALUES_MAX, Wrong};

/// Objects with at most this many members have each key compared with each; larger ones are sorted.
const FEW: usize = 12;

/// Bytes of a document to each value of it, where tools are most of it.
const NODE_BYTES: usize = 14;
/// Room for no more nodes than this is made ahead: most of a large document are prompts.
const NODES_FIRST: usize = 1 << 14;

/// Why a document could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Broken {
    /// It is no JSON here, for this reason.
    Syntax(Range<usize>, &'static str),
    /// Nested deeper than [`DEPTH_MAX`] here.
    TooDeep(Range<usize>),
    /// More than [`VALUES_MAX`] values, or 4 GiB.
    TooLarge,
}

/// Reads a document.
pub(in super::super) fn read(bytes: &[u8]) -> Result<Tree<'_>, Broken> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Broken::TooLarge);
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        nodes: Vec::with_capacity((bytes.len() / NODE_BYTES).min(NODES_FIRST)),
        open: Vec::new(),
        flaws: Vec::new(),
        keys: Vec::new(),
        is_utf8: std::str::from_utf8(bytes).is_ok(),
    };
    reader.document()?;
    let mut flaws = reader.flaws;
    flaws.sort_by_key(|flaw| flaw.at.start);
    Ok(Tree { bytes, nodes: reader.nodes, flaws })
}

/// The text between the quotes of a string or key.
pub(super) fn unescaped(inner: &[u8], is_escaped: bool) -> Cow<'_, str> {
    if !is_escaped {
        // Whole and borrowed is what nearly all are: the lossy way is slow at finding that out.
        return std::str::from_utf8(inner).map_or_else(|_| String::from_utf8_lossy(inner), Cow::Borrowed);
    }
    let mut text = String::with_capacity(inner.len());
    let mut at = 0;
    while at < inner.len() {
        let plain = memchr::memchr(b'\\', &inner[at..]).unwrap_or(inner.len() - at);
        text.push_str(&String::from_utf8_lossy(&inner[at..at + plain]));
        at += plain;
        let Some(escape) = inner.get(at + 1) else { break };
        at += 2;
        text.push(match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (character, len) = escaped(&inner[at..]);
                at += len;
                character
            }
            other => char::from(*other),
        });
    }
    Cow::Owned(text)
}

/// The character whose digits follow a `\u`, and how many bytes they and the second half take.
fn escaped(rest: &[u8]) -> (char, usize) {
    let Some(first) = unit(rest) else { return (char::REPLACEMENT_CHARACTER, 0) };
    if let Some(second) = second_half(first, rest) {
        let code = 0x10000 + ((u32::from(first) - 0xd800) << 10) + (u32::from(second) - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
    }
    (char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER), 4)
}

/// Four hexadecimal digits.
fn unit(rest: &[u8]) -> Option<u16> {
    rest.get(..4)?.iter().try_fold(0u16, |sum, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(sum << 4 | u16::try_from(digit).ok()?)
    })
}

/// The second half that follows `first`, if that is the first of a pair.
fn second_half(first: u16, rest: &[u8]) -> Option<u16> {
    let is_first = (0xd800..0xdc00).contains(&first) && rest.get(4..6) == Some(b"\\u");
    let second = is_first.then(|| unit(&rest[6..])).flatten()?;
    (0xdc00..0xe000).contains(&second).then_some(second)
}

/// An object or array that has not been closed.
struct Open {
    node: u32,
    len: u32,
    is_object: bool,
}

/// The key of the value that is read next.
#[derive(Clone, Copy, Default)]
struct KeyAt {
    start: u32,
    end: u32,
    is_escaped: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    open: Vec<Open>,
    flaws: Vec<Flaw>,
    /// Hashes of the keys of one large object: kept to be used again.
    keys: Vec<(u64, u32)>,
    is_utf8: bool,
}

#[expect(clippy::cast_possible_truncation, reason = "a document has less than 4 GiB, and a node takes a byte of it")]
impl Reader<'_> {
    fn document(&mut self) -> Result<(), Broken> {
        self.space();
        self.value(KeyAt::default())?;
        while let Some(Open { node, len, is_object }) = self.open.last() {
            let (node, is_first, is_object) = (*node, *len == 0, *is_object);
            self.space();
            let close = if is_object { b'}' } else { b']' };
            match self.bytes.get(self.at) {
                None => return Err(self.ends()),
                Some(byte) if *byte == close => {
                    self.close(node, is_object);
                    continue;
                }
                Some(b',') if !is_first => {
                    self.at += 1;
                    self.space();
                    if self.bytes.get(self.at) == Some(&close) {
                        return Err(self.wrong("a comma before the closing bracket"));
                    }
                }
                Some(_) if is_first => {}
                Some(b'}' | b']') => return Err(self.wrong("a bracket closed by one of another kind")),
                Some(_) => return Err(self.wrong("a comma or a closing bracket is missing")),
            }
            let key = if is_object { self.key()? } else { KeyAt::default() };
            self.value(key)?;
        }
        self.space();
        if self.at < self.bytes.len() { Err(self.wrong("more follows after the end")) } else { Ok(()) }
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn key(&mut self) -> Result<KeyAt, Broken> {
        match self.bytes.get(self.at) {
            Some(b'"') => {}
            Some(b'\'') => return Err(self.wrong("single quotes where JSON has double ones")),
            Some(_) => return Err(self.wrong("a key in double quotes is missing")),
            None => return Err(self.ends()),
        }
        let start = self.at as u32;
        let is_escaped = self.string()?;
        let end = self.at as u32;
        self.space();
        match self.bytes.get(self.at) {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.wrong("a colon is missing after a key")),
            None => return Err(self.ends()),
        }
        self.space();
        Ok(KeyAt { start, end, is_escaped })
    }

    fn value(&mut self, key: KeyAt) -> Result<(), Broken> {
        let start = self.at;
        let Some(byte) = self.bytes.get(start) else { return Err(self.ends()) };
        if self.nodes.len() >= VALUES_MAX {
            return Err(Broken::TooLarge);
        }
        let (up, index) = match self.open.last_mut() {
            Some(open) => {
                open.len += 1;
                (open.node, open.len - 1)
            }
            None => (0, 0),
        };
        let id = self.nodes.len() as u32;
        let mut is_escaped = false;
        let form = match byte {
            b'"' => {
                is_escaped = self.string()?;
                Form::String
            }
            b'{' | b'[' => {
                if self.open.len() >= DEPTH_MAX {
                    return Err(Broken::TooDeep(start..start + 1));
                }
                self.at += 1;
                let is_object = *byte == b'{';
                self.open.push(Open { node: id, len: 0, is_object });
                if is_object { Form::Object } else { Form::Array }
            }
            b'-' | b'0'..=b'9' => {
                self.number()?;
                Form::Number
            }
            _ => self.word()?,
        };
        self.nodes.push(Node {
            start: start as u32,
            end: self.at as u32,
            key_start: key.start,
            key_end: key.end,
            up,
            after: id + 1,
            index,
            len: 0,
            form,
            is_escaped,
            is_key_escaped: key.is_escaped,
        });
        Ok(())
    }

    fn close(&mut self, node: u32, is_object: bool) {
        self.at += 1;
        let Some(Open { len, .. }) = self.open.pop() else { return };
        let after = self.nodes.len() as u32;
        let closed = &mut self.nodes[node as usize];
        (closed.end, closed.after, closed.len) = (self.at as u32, after, len);
        if is_object && len > 1 {
            self.compare_keys(node, len as usize);
        }
    }

    /// A flaw for each key that an earlier member of the object has too.
    fn compare_keys(&mut self, object: u32, len: usize) {
        let bytes = self.bytes;
        let key = |node: &Node| &bytes[node.key_start as usize + 1..node.key_end as usize - 1];
        let same = |a: &Node, b: &Node| match a.is_key_escaped || b.is_key_escaped {
            false => key(a) == key(b),
            true => unescaped(key(a), a.is_key_escaped) == unescaped(key(b), b.is_key_escaped),
        };
        let (mut next, end) = (object + 1, self.nodes.len() as u32);
        if len <= FEW {
            let (mut ids, mut count) = ([0u32; FEW], 0);
            while next < end && count < FEW {
                let node = &self.nodes[next as usize];
                if ids[..count].iter().any(|id| same(&self.nodes[*id as usize], node)) {
                    self.flaws.push(twice(node, next));
                }
                (ids[count], count, next) = (next, count + 1, node.after);
            }
            return;
        }
        self.keys.clear();
        while next < end {
            let node = &self.nodes[next as usize];
            let hash = |text: &[u8]| {
                text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
                    (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
                })
            };
            let sum = if node.is_key_escaped { hash(unescaped(key(node), true).as_bytes()) } else { hash(key(node)) };
            self.keys.push((sum, next));
            next = node.after;
        }
        self.keys.sort_unstable();
        for pair in self.keys.windows(2) {
            let [(a, first), (b, second)] = pair else { continue };
            let node = &self.nodes[*second as usize];
            if a == b && same(&self.nodes[*first as usize], node) {
                self.flaws.push(twice(node, *second));
            }
        }
    }

    /// Past a string, from its opening quote: whether an escape is in it.
    #[inline]
    fn string(&mut self) -> Result<bool, Broken> {
        let start = self.at + 1;
        let mut at = start;
        // Most keys and many values end soon, where calling out costs more than looking.
        for byte in self.bytes[start..].iter().take(24) {
            match byte {
                b'"' if self.is_utf8 => {
                    self.at = at + 1;
                    return Ok(false);
                }
                b'"' | b'\\' | 0..=0x1f => break,
                _ => at += 1,
            }
        }
        self.long_string(start)
    }

    fn long_string(&mut self, start: usize) -> Result<bool, Broken> {
        let (mut at, mut is_escaped) = (start, false);
        let mut flaws = [None, None, None];
        loop {
            let rest = &self.bytes[at..];
            let Some(plain) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.bytes.len();
                return Err(self.ends());
            };
            if flaws[0].is_none() && rest[..plain].iter().fold(false, |found, byte| found | (*byte < 0x20)) {
                let raw = rest[..plain].iter().position(|byte| *byte < 0x20).unwrap_or(0);
                flaws[0] = Some((Wrong::RawControl, at + raw..at + raw + 1));
            }
            at += plain;
            if self.bytes[at] == b'"' {
                break;
            }
            is_escaped = true;
            let len = match self.bytes.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') => self.escape(at, &mut flaws)?,
                Some(_) => return Err(Broken::Syntax(at..at + 2, "an escape that JSON does not know")),
                None => {
                    self.at = self.bytes.len();
                    return Err(self.ends());
                }
            };
            at += len;
        }
        let node = self.nodes.len() as u32;
        if !self.is_utf8
            && let Err(error) = std::str::from_utf8(&self.bytes[start..at])
        {
            let from = start + error.valid_up_to();
            let to = from + error.error_len().unwrap_or(at - from);
            self.flaws.push(Flaw { what: Wrong::Utf8, at: from..to, node });
        }
        self.flaws.extend(flaws.into_iter().flatten().map(|(what, at)| Flaw { what, at, node }));
        self.at = at + 1;
        Ok(is_escaped)
    }

    /// The length of the `\u` escape at `at`, both halves of a pair included.
    fn escape(&self, at: usize, flaws: &mut [Option<(Wrong, Range<usize>)>; 3]) -> Result<usize, Broken> {
        let rest = &self.bytes[at + 2..];
        let Some(first) = unit(rest) else {
            let end = (at + 6).min(self.bytes.len());
            return Err(Broken::Syntax(at..end, "an escape without its four hexadecimal digits"));
        };
        match first {
            0 if flaws[1].is_none() => flaws[1] = Some((Wrong::Nul, at..at + 6)),
            0xd800..0xe000 if second_half(first, rest).is_some() => return Ok(12),
            0xd800..0xe000 if flaws[2].is_none() => flaws[2] = Some((Wrong::LoneSurrogate, at..at + 6)),
            _ => {}
        }
        Ok(6)
    }

    fn number(&mut self) -> Result<(), Broken> {
        let start = self.at;
        let digits = |at: &mut usize| {
            let from = *at;
            while self.bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            *at > from
        };
        let mut at = start + usize::from(self.bytes[start] == b'-');
        let first = at;
        let mut is_right = digits(&mut at) && (self.bytes[first] != b'0' || at == first + 1);
        if is_right && self.bytes.get(at) == Some(&b'.') {
            at += 1;
            is_right = digits(&mut at);
        }
        if is_right && matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(self.bytes.get(at), Some(b'+' | b'-')));
            is_right = digits(&mut at);
        }
        self.at = at;
        let is_end = !self.bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
        if is_right && is_end {
            return Ok(());
        }
        Err(Broken::Syntax(start..(at + 1).min(self.bytes.len()), "a number as JSON does not write them"))
    }

    fn word(&mut self) -> Result<Form, Broken> {
        let rest = &self.bytes[self.at..];
        for (word, form) in [("true", Form::True), ("false", Form::False), ("null", Form::Null)] {
            if rest.starts_with(word.as_bytes()) && !rest.get(word.len()).is_some_and(u8::is_ascii_alphanumeric) {
                self.at += word.len();
                return Ok(form);
            }
        }
        let len = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let why = match &rest[..len] {
            b"NaN" | b"Infinity" => "NaN and Infinity are no JSON",
            b"None" | b"True" | b"False" => "a value as Python writes it, not JSON",
            b"undefined" => "undefined is no JSON",
            _ if rest[0] == b'\'' => "single quotes where JSON has double ones",
            _ if rest.starts_with(b"\xef\xbb\xbf") => "it begins with a byte order mark",
            _ if rest[0] == b'/' => "a comment, which JSON does not have",
            _ => "a value is missing",
        };
        Err(Broken::Syntax(self.at..self.at + len.max(1), why))
    }

    fn wrong(&self, why: &'static str) -> Broken {
        Broken::Syntax(self.at..self.at + 1, why)
    }

    fn ends(&self) -> Broken {
        let why = if self.nodes.is_empty() { "it is empty" } else { "it breaks off" };
        Broken::Syntax(self.bytes.len()..self.bytes.len(), why)
    }
}

fn twice(node: &Node, id: u32) -> Flaw {
    Flaw { what: Wrong::KeyTwice, at: node.key_start as usize..node.key_end as usize, node: id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &[u8]) -> Option<(Range<usize>, &'static str)> {
        match read(text) {
            Err(Broken::Syntax(at, why)) => Some((at, why)),
            _ => None,
        }
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        for (text, at, expected) in [
            ("", 0..0, "it is empty"),
            (r#"{"a":1"#, 6..6, "it breaks off"),
            (r#"{"a":"b"#, 7..7, "it breaks off"),
            (r#"{"a":1,}"#, 7..8, "a comma before the closing bracket"),
            (r#"{"a":1]"#, 6..7, "a bracket closed by one of another kind"),
            (r#"{"a":1 "b":2}"#, 7..8, "a comma or a closing bracket is missing"),
            ("{a:1}", 1..2, "a key in double quotes is missing"),
            ("{'a':1}", 1..2, "single quotes where JSON has double ones"),
            (r#"{"a" 1}"#, 5..6, "a colon is missing after a key"),
            (r#"{"a":None}"#, 5..9, "a value as Python writes it, not JSON"),
            (r#"[NaN]"#, 1..4, "NaN and Infinity are no JSON"),
            ("[01]", 1..4, "a number as JSON does not write them"),
            ("[1.]", 1..4, "a number as JSON does not write them"),
            (r#"["\x41"]"#, 2..4, "an escape that JSON does not know"),
            (r#"["\u12"]"#, 2..8, "an escape without its four hexadecimal digits"),
            ("[1] 2", 4..5, "more follows after the end"),
            ("\u{feff}{}", 0..1, "it begins with a byte order mark"),
            ("// x", 0..1, "a comment, which JSON does not have"),
        ] {
            assert_eq!(why(text.as_bytes()), Some((at, expected)), "{text}");
        }
    }

    #[test]
    fn what_can_be_gone_past_is_a_flaw() {
        let text = b"[\"a\nb\xff\\u0000\",\"\\ud800\",\"\\ud83d\\ude00\",\"\\udc00\\udc00\"]";
        let tree = read(text).expect("gone past");
        let flaws: Vec<_> = tree.flaws.iter().map(|flaw| (flaw.what, flaw.at.clone(), flaw.node)).collect();
        let expected = [
            (Wrong::RawControl, 3..4, 1),
            (Wrong::Utf8, 5..6, 1),
            (Wrong::Nul, 6..12, 1),
            (Wrong::LoneSurrogate, 15..21, 2),
            (Wrong::LoneSurrogate, 39..45, 4),
        ];
        assert_eq!(flaws, expected);
        assert_eq!(tree.value(3).text().as_deref(), Some("\u{1f600}"));
        assert_eq!(tree.value(2).text().as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn keys_are_compared_in_large_objects_too() {
        let mut text: String = (0..100).map(|n| format!("\"k{n}\":{n},")).collect();
        text = format!("{{{text}\"k\\u0037\":1}}");
        let tree = read(text.as_bytes()).expect("JSON");
        assert_eq!(tree.flaws.len(), 1);
        assert_eq!(tree.flaws[0].at, text.len() - 12..text.len() - 3);
    }

    #[test]
    fn nesting_and_number_of_values_have_their_limits() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(read(nested(DEPTH_MAX).as_bytes()).is_ok());
        let place = DEPTH_MAX..DEPTH_MAX + 1;
        assert_eq!(read(nested(DEPTH_MAX + 1).as_bytes()).err(), Some(Broken::TooDeep(place)));
        let list = |values: usize| format!("[{}1]", "1,".repeat(values - 2));
        assert!(read(list(VALUES_MAX).as_bytes()).is_ok());
        assert_eq!(read(list(VALUES_MAX + 1).as_bytes()).err(), Some(Broken::TooLarge));
    }
}
