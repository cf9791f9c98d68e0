//! The top of a JSON document, looked at without parsing the rest.
//!
//! A proxy needs three keys out of a megabyte. Parsing everything costs more than forwarding it,
//! and a parser's opinions are not wanted here: the upstream decides what is a valid request. So
//! this scanner knows brackets and strings everywhere, the grammar of members and elements at the
//! top, and nothing else. It accepts `NaN`, raw control characters, invalid UTF-8 in values and
//! duplicate keys (the caller sees both); it never accepts a document that breaks off, a bracket
//! closed by the wrong kind, or anything after the end.
//!
//! Strings are crossed by `memchr`, containers in blocks of 64 bytes whose quotes, backslashes and
//! brackets are gathered into bit masks with plain integer arithmetic. No recursion, no allocation
//! but for a key or string with an escape. It must never panic and never read a byte twice: the
//! work is linear in the input, whatever the input is.

mod block;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use block::{BLOCK, BRACKET, BRACKET_MASK, Strings, block_at, mask};

/// The deepest nesting that is followed below a member or an element. Upstreams stop far earlier
/// (serde_json at 128, Python's parser near 1,000).
pub const DEPTH_MAX: usize = 1024;

/// Why a document could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Something else than an object at the top.
    NotAnObject,
    /// Something else than an array at the top.
    NotAnArray,
    /// It breaks off.
    Truncated,
    /// More than white space after the end.
    Trailing,
    /// A bracket closed by the wrong kind, or a comma, colon, key or value where none belongs.
    Misplaced,
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::NotAnObject => "not a JSON object",
            Malformed::NotAnArray => "not a JSON array",
            Malformed::Truncated => "the JSON breaks off",
            Malformed::Trailing => "more follows after the end of the JSON",
            Malformed::Misplaced => "a bracket, comma, colon or value is misplaced in the JSON",
            Malformed::TooDeep => "the JSON is nested too deeply",
        })
    }
}

impl std::error::Error for Malformed {}

/// The members of the object that `bytes` is, in order, duplicates included.
///
/// After an error, or after the last member, there is nothing more. If no error came, the whole
/// of `bytes` is one object whose brackets and strings all close.
///
/// ```
/// let body = br#"{"model": "gpt-4o", "messages": []}"#;
/// let mut members = seawall_core::json::members(body);
/// let (key, raw) = members.next().expect("a member").expect("well-formed");
/// assert_eq!((&*key, raw), (&b"model"[..], &br#""gpt-4o""#[..]));
/// ```
#[must_use]
pub fn members(bytes: &[u8]) -> Members<'_> {
    Members { list: List::over(bytes, b'{', b'}', Malformed::NotAnObject) }
}

/// The elements of the array that `raw` is, in order. Ends and errors as [`members`] does.
#[must_use]
pub fn elements(raw: &[u8]) -> Elements<'_> {
    Elements { list: List::over(raw, b'[', b']', Malformed::NotAnArray) }
}

/// The first member of the object `bytes` whose key is `name`. What follows it is not looked at.
#[must_use]
pub fn field<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    members(bytes).map_while(Result::ok).find(|(key, _)| **key == *name.as_bytes()).map(|(_, raw)| raw)
}

/// Whether `bytes` is one complete value, of any kind, and nothing else.
#[must_use]
pub fn is_document(bytes: &[u8]) -> bool {
    let start = space_end(bytes, 0);
    match bytes.get(start) {
        Some(b'{') => members(bytes).all(|member| member.is_ok()),
        Some(b'[') => elements(bytes).all(|element| element.is_ok()),
        Some(_) => value_end(bytes, start).is_ok_and(|end| space_end(bytes, end) == bytes.len()),
        None => false,
    }
}

/// The text of a string value, unescaped. `None` if `raw` is no string, has an escape that JSON
/// does not know (a lone surrogate is one), or is not UTF-8.
#[must_use]
pub fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    String::from_utf8(unescape(inner)?).ok().map(Cow::Owned)
}

/// An integer written as one: digits, without sign, fraction, exponent or leading zero.
#[must_use]
pub fn uint(raw: &[u8]) -> Option<u64> {
    if raw.is_empty() || (raw.len() > 1 && raw[0] == b'0') {
        return None;
    }
    raw.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

/// `true` or `false`.
#[must_use]
pub fn boolean(raw: &[u8]) -> Option<bool> {
    match raw {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// `null`.
#[must_use]
pub fn is_null(raw: &[u8]) -> bool {
    raw == b"null"
}

/// A member's key, unescaped: its bytes, which need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'a>(Cow<'a, [u8]>);

impl<'a> Key<'a> {
    /// The key between its quotes. One with an escape that JSON does not know stays as written,
    /// backslash and all, and so equals no name that matters.
    fn of(inner: &'a [u8]) -> Self {
        if !inner.contains(&b'\\') {
            return Key(Cow::Borrowed(inner));
        }
        Key(unescape(inner).map_or(Cow::Borrowed(inner), Cow::Owned))
    }
}

impl Deref for Key<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for Key<'_> {
    fn eq(&self, name: &str) -> bool {
        *self.0 == *name.as_bytes()
    }
}

/// See [`members`].
#[derive(Debug, Clone)]
pub struct Members<'a> {
    list: List<'a>,
}

impl<'a> Members<'a> {
    /// Like [`next`](Iterator::next), but where `opens` accepts the key and the value is an array,
    /// its elements are handed to `each` on the way: one pass over them instead of two.
    pub fn next_with(
        &mut self,
        opens: impl FnOnce(&[u8]) -> bool,
        each: impl FnMut(&'a [u8]),
    ) -> Option<<Self as Iterator>::Item> {
        let found = self.list.advance().and_then(|more| {
            if !more {
                return Ok(None);
            }
            let key = self.list.key()?;
            let raw = if opens(&key) { self.list.opened(each)? } else { self.list.value()? };
            Ok(Some((key, raw)))
        });
        self.list.settle(found)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(Key<'a>, &'a [u8]), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_with(|_| false, |_| {})
    }
}

/// See [`elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    list: List<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let found = self.list.advance().and_then(|more| if more { self.list.value().map(Some) } else { Ok(None) });
        self.list.settle(found)
    }
}

/// Where in a list the scanner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the opening bracket.
    Outside,
    /// After an item.
    AfterItem,
    /// Nothing more to say.
    Done,
}

/// Items between brackets, separated by commas: what members and elements have in common.
#[derive(Debug, Clone)]
struct List<'a> {
    bytes: &'a [u8],
    at: usize,
    place: Place,
    open: u8,
    close: u8,
    not_one: Malformed,
    /// Whether the document ends with the list.
    is_whole: bool,
}

impl<'a> List<'a> {
    fn over(bytes: &'a [u8], open: u8, close: u8, not_one: Malformed) -> Self {
        List { bytes, at: 0, place: Place::Outside, open, close, not_one, is_whole: true }
    }

    /// Moves to the next item, if there is one, else past the end of the document.
    #[inline]
    fn advance(&mut self) -> Result<bool, Malformed> {
        let next = self.peek();
        match self.place {
            Place::Done => return Ok(false),
            Place::Outside if next != Some(self.open) => return Err(self.not_one),
            Place::Outside => {
                self.at += 1;
                match self.peek() {
                    Some(byte) if byte == self.close => self.at += 1,
                    Some(_) => return Ok(true),
                    None => return Err(Malformed::Truncated),
                }
            }
            Place::AfterItem => match next {
                Some(b',') => {
                    self.at += 1;
                    return Ok(true);
                }
                Some(byte) if byte == self.close => self.at += 1,
                Some(_) => return Err(Malformed::Misplaced),
                None => return Err(Malformed::Truncated),
            },
        }
        if self.is_whole && self.peek().is_some() { Err(Malformed::Trailing) } else { Ok(false) }
    }

    /// The next byte that is not white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        self.at = space_end(self.bytes, self.at);
        self.bytes.get(self.at).copied()
    }

    /// A member's key and the colon after it.
    #[inline]
    fn key(&mut self) -> Result<Key<'a>, Malformed> {
        self.expect(b'"')?;
        let start = self.at;
        self.at = string_end(self.bytes, start)?;
        let key = Key::of(&self.bytes[start..self.at - 1]);
        self.expect(b':')?;
        Ok(key)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        let next = self.peek().ok_or(Malformed::Truncated)?;
        self.at += 1;
        if next == byte { Ok(()) } else { Err(Malformed::Misplaced) }
    }

    #[inline]
    fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let start = space_end(self.bytes, self.at);
        self.at = value_end(self.bytes, start)?;
        Ok(&self.bytes[start..self.at])
    }

    /// Like [`List::value`], handing the elements of an array to `each`.
    fn opened(&mut self, mut each: impl FnMut(&'a [u8])) -> Result<&'a [u8], Malformed> {
        if self.peek() != Some(b'[') {
            return self.value();
        }
        let start = self.at;
        let mut inner =
            List { at: start, is_whole: false, ..List::over(self.bytes, b'[', b']', Malformed::NotAnArray) };
        while inner.advance()? {
            each(inner.value()?);
            inner.place = Place::AfterItem;
        }
        self.at = inner.at;
        Ok(&self.bytes[start..self.at])
    }

    /// Remembers whether anything can follow `found`.
    #[inline]
    fn settle<T>(&mut self, found: Result<Option<T>, Malformed>) -> Option<Result<T, Malformed>> {
        self.place = if let Ok(Some(_)) = found { Place::AfterItem } else { Place::Done };
        found.transpose()
    }
}

/// The first position from `at` on that is not white space.
#[inline]
fn space_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The position after the value that begins at `start`.
#[inline]
fn value_end(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    match bytes.get(start) {
        None => Err(Malformed::Truncated),
        Some(b'"') => string_end(bytes, start + 1),
        Some(b'{' | b'[') => container_end(bytes, start),
        Some(_) => {
            let is_part = |byte: &u8| !matches!(byte, 0..=b' ' | b'"' | b',' | b':' | b'[' | b']' | b'{' | b'}');
            let len = bytes[start..].iter().take_while(|byte| is_part(byte)).count();
            if len == 0 { Err(Malformed::Misplaced) } else { Ok(start + len) }
        }
    }
}

/// The position after the closing quote of the string whose text begins at `at`.
#[inline]
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    // Most keys and many values end within 16 bytes, where calling out costs more than looking.
    for _ in 0..16 {
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => break,
            Some(_) => at += 1,
            None => return Err(Malformed::Truncated),
        }
    }
    loop {
        at = leap(bytes, at)?;
        if bytes[at] == b'"' {
            return Ok(at + 1);
        }
        let mut strings = Strings { open: u64::MAX, escaped: false };
        let (block, len) = block_at(bytes, at);
        let inside = strings.inside(&block);
        if inside != u64::MAX {
            return Ok(at + inside.trailing_ones() as usize + 1);
        }
        at += len + usize::from(strings.escaped);
    }
}

/// Within a string, at a byte that nothing escapes: the position of its closing quote, or of a
/// backslash where escaped quotes have come so close together that leaping from one to the next
/// is slower than looking at each byte.
///
/// Only quotes are searched for, since other escapes are many in prose and say nothing about the
/// end: a quote is escaped if an odd number of backslashes stands before it.
#[inline]
fn leap(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let mut short = 0;
    loop {
        let rest = bytes.get(at..).ok_or(Malformed::Truncated)?;
        let quiet = memchr::memchr(b'"', rest).ok_or(Malformed::Truncated)?;
        let quote = at + quiet;
        let backslashes = rest[..quiet].iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Ok(quote);
        }
        short = if quiet < BLOCK / 4 { short + 1 } else { 0 };
        if short == 3 {
            return Ok(quote - 1);
        }
        at = quote + 1;
    }
}

/// The position after the bracket that closes the one at `start`.
fn container_end(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut depth = Depth::default();
    let mut strings = Strings::default();
    let mut at = start;
    while at < bytes.len() {
        let (block, len) = block_at(bytes, at);
        let inside = strings.inside(&block);
        let mut brackets = mask(&block, BRACKET, BRACKET_MASK) & !inside;
        while brackets != 0 {
            let bit = brackets.trailing_zeros() as usize;
            let is_end = match block[bit] {
                byte @ (b'{' | b'[') => depth.open(byte == b'{')?,
                byte @ (b'}' | b']') => depth.close(byte == b'}')?,
                // Another byte of the bracket pattern, in a word that is no JSON of ours to judge.
                _ => false,
            };
            if is_end {
                return Ok(at + bit + 1);
            }
            brackets &= brackets - 1;
        }
        at += len;
        // Wholly inside a string: a long one, as prompts are.
        if inside == u64::MAX && !strings.escaped {
            at = leap(bytes, at)?;
        }
    }
    Err(Malformed::Truncated)
}

/// The open brackets: how many, and of which kind each is.
struct Depth {
    open: usize,
    kinds: [u64; DEPTH_MAX / 64],
}

impl Default for Depth {
    fn default() -> Self {
        Depth { open: 0, kinds: [0; DEPTH_MAX / 64] }
    }
}

impl Depth {
    /// Never the end of the outermost bracket.
    #[inline]
    fn open(&mut self, is_object: bool) -> Result<bool, Malformed> {
        let word = self.kinds.get_mut(self.open / 64).ok_or(Malformed::TooDeep)?;
        let bit = self.open % 64;
        *word = *word & !(1 << bit) | u64::from(is_object) << bit;
        self.open += 1;
        Ok(false)
    }

    /// Whether this closes the outermost bracket.
    #[inline]
    fn close(&mut self, is_object: bool) -> Result<bool, Malformed> {
        self.open = self.open.checked_sub(1).ok_or(Malformed::Misplaced)?;
        let kind = self.kinds[self.open / 64] >> (self.open % 64) & 1;
        if kind == u64::from(is_object) { Ok(self.open == 0) } else { Err(Malformed::Misplaced) }
    }
}

/// The bytes that a string's inside stands for. `None` on an escape that JSON does not know.
fn unescape(inner: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(quiet) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..quiet]);
        let (character, after) = escape(&rest[quiet + 1..])?;
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = after;
    }
    text.extend_from_slice(rest);
    Some(text)
}

/// The character of the escape whose letter, after the backslash, `rest` begins with, and what
/// follows it. `None` for one that JSON does not know, lone surrogates among them.
pub(crate) fn escape(rest: &[u8]) -> Option<(char, &[u8])> {
    let (letter, rest) = rest.split_first()?;
    let character = match letter {
        b'"' | b'\\' | b'/' => char::from(*letter),
        b'b' => '\x08',
        b'f' => '\x0c',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest),
        _ => return None,
    };
    Some((character, rest))
}

/// The character of a `\u` escape, whose digits `rest` begins with, and what follows it.
fn unicode(rest: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = hex4(rest)?;
    if !(0xd800..0xe000).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let (second, rest) = hex4(rest.strip_prefix(b"\\u")?)?;
    if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, rest))
}

/// Four hexadecimal digits, and what follows them.
fn hex4(rest: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = rest.split_first_chunk::<4>()?;
    let value = digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    /// The members, or why not.
    type Pair = (Vec<u8>, Vec<u8>);

    fn all(bytes: &[u8]) -> Result<Vec<Pair>, Malformed> {
        members(bytes).map(|member| member.map(|(key, raw)| (key.to_vec(), raw.to_vec()))).collect()
    }

    /// What serde_json makes of the same bytes: the oracle. Raw values in order, duplicates kept.
    struct Oracle(Vec<(String, String)>);

    impl<'de> serde::Deserialize<'de> for Oracle {
        fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Oracle;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Oracle, A::Error> {
                    let mut found = Vec::new();
                    while let Some((key, raw)) = map.next_entry::<String, Box<RawValue>>()? {
                        found.push((key, raw.get().to_owned()));
                    }
                    Ok(Oracle(found))
                }
            }
            d.deserialize_map(Visitor)
        }
    }

    fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
        let ours = all(bytes);
        if let Ok(Oracle(theirs)) = serde_json::from_slice::<Oracle>(bytes) {
            let theirs: Vec<_> = theirs.into_iter().map(|(k, v)| (k.into_bytes(), v.into_bytes())).collect();
            prop_assert_eq!(ours, Ok(theirs));
        }
        if let Ok(theirs) = serde_json::from_slice::<Vec<Box<RawValue>>>(bytes) {
            let ours: Result<Vec<_>, _> = elements(bytes).collect();
            prop_assert_eq!(ours, Ok(theirs.iter().map(|raw| raw.get().as_bytes()).collect()));
        }
        if serde_json::from_slice::<&RawValue>(bytes).is_ok() {
            prop_assert!(is_document(bytes));
        }
        Ok(())
    }

    /// Text that likes quotes, backslashes and brackets.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::string::string_regex("[a-z\\\\\"{}\\[\\]:,é\u{1f600}\n\t ]{0,20}").expect("a pattern"),
            proptest::string::string_regex("[a-zA-Z_\\\\\"\n]{0,300}").expect("a pattern"),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(text(), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn document() -> impl Strategy<Value = Vec<u8>> {
        (prop::collection::btree_map(text(), value(), 0..8), any::<bool>()).prop_map(|(map, is_pretty)| {
            let value = Value::Object(map.into_iter().collect());
            let written = if is_pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
            written.expect("a value can be written")
        })
    }

    proptest! {
        // Each case reads as many documents as it has bytes.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_truncation_is_noticed(document in document()) {
            let stride = if document.len() <= 512 { 1 } else { 29 };
            for cut in (0..document.len()).step_by(stride) {
                prop_assert!(all(&document[..cut]).is_err(), "cut at {cut}");
                prop_assert!(!is_document(&document[..cut]), "cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_valid_document_is_read_as_serde_json_reads_it(document in document()) {
            prop_assert!(serde_json::from_slice::<Value>(&document).is_ok());
            agree(&document)?;
        }

        #[test]
        fn any_valid_value_is_a_document(value in value()) {
            agree(&serde_json::to_vec(&value).expect("a value can be written"))?;
        }

        #[test]
        fn trailing_garbage_is_noticed(document in document(), tail in "[a-z{}\\[\\],\"0]{1,5}") {
            let mut bytes = document;
            bytes.extend_from_slice(tail.as_bytes());
            prop_assert_eq!(all(&bytes).err(), Some(Malformed::Trailing));
        }

        #[test]
        fn what_serde_json_accepts_after_damage_is_read_alike(
            document in document(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
        ) {
            let mut bytes = document;
            for (index, byte, how) in damage {
                let at = index.index(bytes.len());
                let byte = b"\"\\{}[],: 0axY"[byte as usize % 13];
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ if bytes.len() > 1 => { bytes.remove(at); }
                    _ => {}
                }
            }
            agree(&bytes)?;
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = all(&bytes);
            let _ = elements(&bytes).count();
            let _ = (string(&bytes), uint(&bytes), is_document(&bytes));
        }

        #[test]
        fn a_string_is_unescaped_as_serde_json_does(text in ".{0,40}", is_ascii in any::<bool>()) {
            let mut raw = serde_json::to_string(&text).expect("a string can be written");
            if is_ascii {
                raw = raw.encode_utf16().map(|unit| match u8::try_from(unit) {
                    Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                    _ => format!("\\u{unit:04x}"),
                }).collect();
            }
            let unescaped = string(raw.as_bytes());
            prop_assert_eq!(unescaped.as_deref(), Some(text.as_str()));
        }
    }

    #[test]
    fn structure_is_exact_at_the_top_and_bracketed_below() {
        use Malformed::{Misplaced, NotAnObject, Trailing, Truncated};
        for (text, error) in [
            ("", NotAnObject),
            ("[]", NotAnObject),
            ("null", NotAnObject),
            ("{", Truncated),
            ("{\"a\"", Truncated),
            ("{\"a\":", Truncated),
            ("{\"a\":1", Truncated),
            ("{\"a\":1,", Truncated),
            ("{\"a\":\"\\\"", Truncated),
            ("{\"a\":\"\\", Truncated),
            ("{\"a\":[\"]\"", Truncated),
            ("{,}", Misplaced),
            ("{\"a\":1,}", Misplaced),
            ("{\"a\":1 2}", Misplaced),
            ("{\"a\" 1}", Misplaced),
            ("{\"a\":}", Misplaced),
            ("{a:1}", Misplaced),
            ("{\"a\":1]", Misplaced),
            ("{\"a\":[}", Misplaced),
            ("{\"a\":{\"b\":[1}]}", Misplaced),
            ("{} x", Trailing),
            ("{}{}", Trailing),
        ] {
            assert_eq!(all(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(all(b" \t\r\n{ } \n"), Ok(vec![]));
    }

    #[test]
    fn what_upstreams_tolerate_is_tolerated() {
        let body = b"{\"a\":NaN,\"b\":-Infinity,\"c\":\"\xff\xfe\",\"a\":\"tab\tinside\",\"\\u0061\":[nul,_y]}";
        let found = all(body).expect("tolerated");
        let keys: Vec<_> = found.iter().map(|(key, _)| key.as_slice()).collect();
        assert_eq!(keys, [b"a", b"b", b"c", b"a", b"a"]);
        assert_eq!(found[0].1, b"NaN");
        assert_eq!(string(&found[2].1), None);
        assert_eq!(string(&found[3].1).as_deref(), Some("tab\tinside"));
    }

    #[test]
    fn nesting_is_followed_to_its_limit_and_no_further() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(all(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(all(nested(DEPTH_MAX + 1).as_bytes()), Err(Malformed::TooDeep));
        assert_eq!(all(nested(100_000).as_bytes()), Err(Malformed::TooDeep));
    }

    #[test]
    fn an_error_is_the_last_word() {
        let mut members = members(b"{\"a\":1,,\"b\":2}");
        assert!(members.next().is_some_and(|member| member.is_ok()));
        assert_eq!(members.next(), Some(Err(Malformed::Misplaced)));
        assert_eq!(members.next(), None);
    }

    #[test]
    fn integers_are_read_exactly_or_not_at_all() {
        for (text, value) in [
            ("0", Some(0)),
            ("16384", Some(16384)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1e3", None),
            ("1.0", None),
            ("01", None),
            ("", None),
            ("\"1\"", None),
        ] {
            assert_eq!(uint(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn an_unknown_escape_makes_no_text() {
        for text in [r#""\q""#, r#""\ud800""#, r#""\ud800A""#, r#""\udc00\ud800""#, r#""\u12""#, r#""\""#, "1", "\""] {
            assert_eq!(string(text.as_bytes()), None, "{text}");
        }
        assert_eq!(string(br#""\ud83d\ude00\/\b""#).as_deref(), Some("\u{1f600}/\u{8}"));
    }

    #[test]
    fn backslashes_are_counted_across_blocks() {
        for pad in 0..130 {
            for run in 0..70 {
                let slashes = "\\".repeat(run);
                let body = format!("{{\"a\":[\"{}{slashes}\"]}}", "x".repeat(pad));
                assert_eq!(all(body.as_bytes()).is_ok(), run % 2 == 0, "{pad} letters, {run} backslashes");
            }
        }
    }

    #[test]
    fn one_field_is_found_without_the_rest() {
        let body = br#"{"a":1,"b":[2],"b":3,oops"#;
        assert_eq!(field(body, "b"), Some(&b"[2]"[..]));
        assert_eq!(field(body, "c"), None);
    }
}
