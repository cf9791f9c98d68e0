//! A document as a tree whose every value knows where it stands.
//!
//! Pointing at the wrong byte is what a linter is for, and a parsed value has forgotten its bytes. So the
//! tree keeps places and nothing else: strings are read from the document when a rule asks for them. Nodes
//! lie in the order of the document, parents before children: the first child of a node is the next one,
//! and a node's next sibling is the one after all that is below it.

mod read;

use std::borrow::Cow;
use std::ops::Range;

pub(super) use read::{Broken, read};

/// The deepest nesting that is looked at. Upstreams stop at 128 (serde_json) to 1,000 (Python).
pub(super) const DEPTH_MAX: usize = 256;

/// The most values of one document that are looked at: a million tool definitions have fewer to each.
pub(super) const VALUES_MAX: usize = 1 << 20;

/// Keys longer than this end a pointer at the value that they are a key of.
pub(super) const POINTER_KEY_BYTES_MAX: usize = 256;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Null,
    False,
    True,
    Number,
    String,
    Array,
    Object,
}

impl Form {
    /// With its article, for a sentence.
    pub(super) const fn phrase(self) -> &'static str {
        match self {
            Form::Null => "null",
            Form::False | Form::True => "a boolean",
            Form::Number => "a number",
            Form::String => "a string",
            Form::Array => "an array",
            Form::Object => "an object",
        }
    }
}

/// What is wrong within a document that can be read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) what: Wrong,
    /// The bytes that are wrong.
    pub(super) at: Range<usize>,
    /// The value in whose string or key it is.
    pub(super) node: u32,
}

/// See [`Flaw`]. One of a kind is told for each string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Utf8,
    LoneSurrogate,
    RawControl,
    Nul,
    KeyTwice,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    start: u32,
    end: u32,
    /// With its quotes; empty for what is no member.
    key_start: u32,
    key_end: u32,
    up: u32,
    /// The node after all that is below this one.
    after: u32,
    /// Which child of its parent it is.
    index: u32,
    /// Number of children.
    len: u32,
    form: Form,
    is_escaped: bool,
    is_key_escaped: bool,
}

/// A document that has been read.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node>,
    pub(super) flaws: Vec<Flaw>,
}

impl<'a> Tree<'a> {
    pub(super) fn root(&'a self) -> Value<'a> {
        Value { tree: self, id: 0 }
    }

    pub(super) fn value(&'a self, id: u32) -> Value<'a> {
        Value { tree: self, id }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// One value of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'t> {
    tree: &'t Tree<'t>,
    id: u32,
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<'t> Value<'t> {
    #[inline]
    fn node(self) -> &'t Node {
        &self.tree.nodes[self.id as usize]
    }

    pub(super) fn id(self) -> u32 {
        self.id
    }

    pub(super) fn tree(self) -> &'t Tree<'t> {
        self.tree
    }

    #[inline]
    pub(super) fn form(self) -> Form {
        self.node().form
    }

    pub(super) fn is_object(self) -> bool {
        self.form() == Form::Object
    }

    pub(super) fn is_array(self) -> bool {
        self.form() == Form::Array
    }

    pub(super) fn is_string(self) -> bool {
        self.form() == Form::String
    }

    pub(super) fn is_null(self) -> bool {
        self.form() == Form::Null
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self.form() {
            Form::True => Some(true),
            Form::False => Some(false),
            _ => None,
        }
    }

    /// Number of members or elements.
    pub(super) fn len(self) -> usize {
        self.node().len as usize
    }

    /// Where it stands in the document.
    pub(super) fn span(self) -> Range<usize> {
        self.node().start as usize..self.node().end as usize
    }

    /// Where its key stands, quotes included; empty if it has none.
    pub(super) fn key_span(self) -> Range<usize> {
        self.node().key_start as usize..self.node().key_end as usize
    }

    /// Its bytes as written.
    pub(super) fn raw(self) -> &'t [u8] {
        &self.tree.bytes[self.span()]
    }

    /// Its key as written, quotes included.
    pub(super) fn raw_key(self) -> &'t [u8] {
        &self.tree.bytes[self.key_span()]
    }

    pub(super) fn is_member(self) -> bool {
        self.node().key_end > 0
    }

    /// The text of a string. What is no UTF-8 or no character reads as U+FFFD.
    pub(super) fn text(self) -> Option<Cow<'t, str>> {
        let inner = self.raw().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        Some(read::unescaped(inner, self.node().is_escaped))
    }

    /// Whether it is the string `text`.
    #[inline]
    pub(super) fn is_text(self, text: &str) -> bool {
        match self.node() {
            node if node.form != Form::String => false,
            node if node.is_escaped => self.text().is_some_and(|own| own == text),
            node => self.tree.bytes[node.start as usize + 1..node.end as usize - 1] == *text.as_bytes(),
        }
    }

    /// Whether its key is the string `name`.
    pub(super) fn is_named(self, name: Value<'_>) -> bool {
        let node = name.node();
        match self.plain_key() {
            Some(key) if node.form == Form::String && !node.is_escaped => {
                *key == name.tree.bytes[node.start as usize + 1..node.end as usize - 1]
            }
            _ => name.text().is_some_and(|text| text == self.key()),
        }
    }

    /// Whether it is a string of more than `most` characters: how many, if so.
    pub(super) fn longer_than(self, most: usize) -> Option<usize> {
        if !self.is_string() || self.raw().len() <= most {
            return None;
        }
        let count = self.text()?.chars().count();
        (count > most).then_some(count)
    }

    /// Its key, unescaped; empty if it has none.
    pub(super) fn key(self) -> Cow<'t, str> {
        let raw = self.raw_key();
        if raw.len() < 2 {
            return Cow::Borrowed("");
        }
        read::unescaped(&raw[1..raw.len() - 1], self.node().is_key_escaped)
    }

    /// The bytes of its key; `None` if an escape is in it.
    #[inline]
    pub(super) fn plain_key(self) -> Option<&'t [u8]> {
        let node = self.node();
        let is_plain = node.key_end > 0 && !node.is_key_escaped;
        is_plain.then(|| &self.tree.bytes[node.key_start as usize + 1..node.key_end as usize - 1])
    }

    #[inline]
    pub(super) fn is_key(self, name: &str) -> bool {
        match self.plain_key() {
            Some(key) => key == name.as_bytes(),
            None => self.key() == name,
        }
    }

    /// Its members or elements, in order; none for what is neither.
    #[inline]
    pub(super) fn children(self) -> Children<'t> {
        Children { tree: self.tree, next: self.id + 1, end: self.node().after }
    }

    /// The elements of an array; none for anything else.
    pub(super) fn elements(self) -> Children<'t> {
        Children { end: if self.is_array() { self.node().after } else { 0 }, ..self.children() }
    }

    /// The members of an object; none for anything else.
    pub(super) fn members(self) -> Children<'t> {
        Children { end: if self.is_object() { self.node().after } else { 0 }, ..self.children() }
    }

    /// The member called `name`: the last one, as most parsers have it.
    #[inline]
    pub(super) fn field(self, name: &str) -> Option<Value<'t>> {
        self.members().filter(|member| member.is_key(name)).last()
    }

    /// Like [`Value::field`], and `null` counts as left out.
    pub(super) fn set(self, name: &str) -> Option<Value<'t>> {
        self.field(name).filter(|value| !value.is_null())
    }

    /// Like [`Value::field`], where it is an object.
    pub(super) fn object(self, name: &str) -> Option<Value<'t>> {
        self.field(name).filter(|value| value.is_object())
    }

    /// What it is a member or an element of.
    pub(super) fn up(self) -> Option<Value<'t>> {
        (self.id > 0).then(|| Value { tree: self.tree, id: self.node().up })
    }

    /// Which member or element of that it is, from 0.
    pub(super) fn index(self) -> usize {
        self.node().index as usize
    }

    /// The nodes that are it or below it.
    pub(super) fn below(self) -> Range<u32> {
        self.id..self.node().after
    }

    /// From `top` down to it: each value below `top` that it is in, and itself.
    pub(super) fn path_from(self, top: u32) -> Vec<Value<'t>> {
        let mut path = Vec::new();
        let mut at = self;
        while at.id != top {
            path.push(at);
            let Some(up) = at.up() else { break };
            at = up;
        }
        path.reverse();
        path
    }

    /// Its JSON pointer. It ends early at a key that cannot be told: too long, or with characters that
    /// act up in a terminal.
    pub(super) fn pointer(self) -> String {
        let mut pointer = String::new();
        for value in self.path_from(0) {
            if value.is_member() {
                let key = value.key();
                if key.len() > POINTER_KEY_BYTES_MAX || key.chars().any(super::wording::acts_up) {
                    break;
                }
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            } else {
                pointer.push_str(&format!("/{}", value.index()));
            }
        }
        pointer
    }
}

/// See [`Value::children`].
#[derive(Debug, Clone)]
pub(super) struct Children<'t> {
    tree: &'t Tree<'t>,
    next: u32,
    end: u32,
}

impl<'t> Iterator for Children<'t> {
    type Item = Value<'t>;

    #[inline]
    fn next(&mut self) -> Option<Value<'t>> {
        if self.next >= self.end {
            return None;
        }
        let value = Value { tree: self.tree, id: self.next };
        self.next = value.node().after;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let text = br#" {"a": [1, "x\u0041", {"b~/": null}], "c": true} "#;
        let tree = read(text).expect("JSON");
        let root = tree.root();
        assert_eq!(root.len(), 2);
        let list = root.field("a").expect("a");
        let all: Vec<_> = list.elements().map(|value| (value.pointer(), value.raw())).collect();
        let expected: [(String, &[u8]); 3] =
            [("/a/0".into(), b"1"), ("/a/1".into(), br#""x\u0041""#), ("/a/2".into(), br#"{"b~/": null}"#)];
        assert_eq!(all, expected);
        let second = list.elements().nth(1).expect("a string");
        assert!(second.is_text("xA") && second.text().as_deref() == Some("xA"));
        let inner = list.elements().nth(2).and_then(|value| value.field("b~/")).expect("b~/");
        assert_eq!(inner.pointer(), "/a/2/b~0~1");
        assert_eq!(root.field("c").and_then(Value::boolean), Some(true));
        assert_eq!(root.field("c").expect("c").key_span(), 38..41);
    }

    #[test]
    fn of_a_key_twice_the_last_one_counts() {
        let tree = read(br#"{"a":1,"\u0061":2,"b":3}"#).expect("JSON");
        assert_eq!(tree.root().field("a").expect("a").raw(), b"2");
        assert_eq!(tree.flaws, [Flaw { what: Wrong::KeyTwice, at: 7..15, node: 2 }]);
    }

    #[test]
    fn a_pointer_ends_before_a_key_that_cannot_be_told() {
        let key = "k".repeat(POINTER_KEY_BYTES_MAX);
        let text = format!(r#"{{"a":{{"{key}":1,"{key}k":{{"b":2}}}},"\u001b[2J":3}}"#);
        let tree = read(text.as_bytes()).expect("JSON");
        let pointers: Vec<_> = (1..=5).map(|id| tree.value(id).pointer()).collect();
        assert_eq!(pointers, ["/a".into(), format!("/a/{key}"), "/a".into(), "/a".into(), String::new()]);
    }
}
