//! A JSON text as a tree that remembers its bytes, so that parts of it can be left out.
//!
//! What is left in is sent as it was written, number by number and key by key. A parser that turns
//! it into values and back would send another request than the one that failed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How deep is looked: each level is read again by the one above, and takes room on the stack.
const DEPTH_MAX: usize = 64;

/// One value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node<'a> {
    /// As it was written.
    pub(super) text: &'a str,
    pub(super) inside: Inside<'a>,
}

/// What a value is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inside<'a> {
    /// A string, number or word.
    Nothing,
    Members(Vec<(Cow<'a, str>, Node<'a>)>),
    Elements(Vec<Node<'a>>),
}

/// The way from a value to one inside of it: the place of each member or element.
pub(super) type Path = Vec<usize>;

impl<'a> Node<'a> {
    /// Reads a document; `None` if it is not JSON. What is nested deeper than [`DEPTH_MAX`] has no inside.
    pub(super) fn read(text: &'a str) -> Option<Node<'a>> {
        Node::read_to(text, DEPTH_MAX)
    }

    fn read_to(text: &'a str, depth: usize) -> Option<Node<'a>> {
        let text = text.trim_ascii();
        let inside = match text.as_bytes().first()? {
            _ if depth == 0 => serde_json::from_str::<&RawValue>(text).ok().map(|_| Inside::Nothing)?,
            b'{' => {
                let members = serde_json::from_str::<Members<'a>>(text).ok()?.0;
                let read = |(key, raw): (Cow<'a, str>, &'a RawValue)| Some((key, Node::read_to(raw.get(), depth - 1)?));
                Inside::Members(members.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'[' => {
                let elements = serde_json::from_str::<Vec<&'a RawValue>>(text).ok()?;
                Inside::Elements(
                    elements.into_iter().map(|raw| Node::read_to(raw.get(), depth - 1)).collect::<Option<_>>()?,
                )
            }
            _ => serde_json::from_str::<&RawValue>(text).ok().map(|_| Inside::Nothing)?,
        };
        Some(Node { text, inside })
    }

    /// The member `key`; of several, the last, as most parsers have it.
    pub(super) fn member(&self, key: &str) -> Option<(usize, &Node<'a>)> {
        let Inside::Members(members) = &self.inside else { return None };
        members.iter().enumerate().rev().find(|(_, (name, _))| name == key).map(|(at, (_, node))| (at, node))
    }

    /// The elements, of an array.
    pub(super) fn elements(&self) -> Option<&[Node<'a>]> {
        match &self.inside {
            Inside::Elements(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text of a string.
    pub(super) fn string(&self) -> Option<String> {
        serde_json::from_str(self.text).ok()
    }

    /// What is at `path`.
    pub(super) fn at(&self, path: &[usize]) -> Option<&Node<'a>> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match &self.inside {
            Inside::Nothing => None,
            Inside::Members(members) => members.get(*first)?.1.at(rest),
            Inside::Elements(elements) => elements.get(*first)?.at(rest),
        }
    }

    /// How many parts it has.
    pub(super) fn len(&self) -> usize {
        match &self.inside {
            Inside::Nothing => 0,
            Inside::Members(members) => members.len(),
            Inside::Elements(elements) => elements.len(),
        }
    }

    /// The key of member `at`; `None` in an array.
    pub(super) fn key(&self, at: usize) -> Option<&str> {
        match &self.inside {
            Inside::Members(members) => members.get(at).map(|(key, _)| &**key),
            _ => None,
        }
    }

    /// The JSON pointer (RFC 6901) to what is at `path`.
    pub(super) fn pointer(&self, path: &[usize]) -> String {
        let mut pointer = String::new();
        let mut node = self;
        for at in path {
            match node.key(*at) {
                Some(key) => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
                None => pointer.push_str(&format!("/{at}")),
            }
            let Some(inner) = node.at(&[*at]) else { break };
            node = inner;
        }
        pointer
    }

    /// The path that `keys` name, member by member and element by element.
    pub(super) fn find<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Option<Path> {
        let (mut path, mut node) = (Path::new(), self);
        for key in keys {
            let at = match &node.inside {
                Inside::Members(_) => node.member(key)?.0,
                Inside::Elements(_) => key.parse().ok()?,
                Inside::Nothing => return None,
            };
            node = node.at(&[at])?;
            path.push(at);
        }
        Some(path)
    }

    /// The text without what is at the paths `left_out`. A name in `required` goes with its property.
    pub(super) fn without(&self, left_out: &BTreeSet<Path>) -> String {
        let mut out = String::with_capacity(self.text.len());
        self.write(&mut Path::new(), left_out, &mut out);
        out
    }

    fn write(&self, path: &mut Path, left_out: &BTreeSet<Path>, out: &mut String) {
        let is_touched = left_out.range(path.clone()..).next().is_some_and(|first| first.starts_with(path));
        if !is_touched {
            return out.push_str(self.text);
        }
        match &self.inside {
            Inside::Nothing => out.push_str(self.text),
            Inside::Elements(elements) => {
                out.push('[');
                let mut separator = "";
                for (at, element) in elements.iter().enumerate() {
                    path.push(at);
                    if !left_out.contains(path) {
                        out.push_str(std::mem::replace(&mut separator, ","));
                        element.write(path, left_out, out);
                    }
                    path.pop();
                }
                out.push(']');
            }
            Inside::Members(members) => {
                let gone = self.properties_gone(path, left_out);
                out.push('{');
                let mut separator = "";
                for (at, (key, node)) in members.iter().enumerate() {
                    path.push(at);
                    if !left_out.contains(path) {
                        out.push_str(std::mem::replace(&mut separator, ","));
                        out.push_str(&quoted(key));
                        out.push(':');
                        match node.elements().filter(|_| key == "required" && !gone.is_empty()) {
                            Some(names) => out.push_str(&required_without(names, &gone)),
                            None => node.write(path, left_out, out),
                        }
                    }
                    path.pop();
                }
                out.push('}');
            }
        }
    }

    /// The properties of this schema that are left out.
    fn properties_gone(&self, path: &[usize], left_out: &BTreeSet<Path>) -> Vec<&str> {
        let Some((at, properties)) = self.member("properties") else { return Vec::new() };
        let place = |property: usize| [path, &[at, property]].concat();
        (0..properties.len())
            .filter(|property| left_out.contains(&place(*property)))
            .filter_map(|property| properties.key(property))
            .collect()
    }
}

fn required_without(names: &[Node<'_>], gone: &[&str]) -> String {
    let is_gone = |name: &&Node<'_>| name.string().is_some_and(|name| gone.contains(&name.as_str()));
    let kept: Vec<&str> = names.iter().filter(|name| !is_gone(name)).map(|name| name.text).collect();
    format!("[{}]", kept.join(","))
}

/// `text` as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members of an object in their order, also those that come twice.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            members.push((key, map.next_value::<&'de RawValue>()?));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{ "n": 1e3, "a/b": [1, {"~": 9007199254740993}], "a/b": "twice" }"#;

    fn left_out(paths: &[&[usize]]) -> BTreeSet<Path> {
        paths.iter().map(|path| path.to_vec()).collect()
    }

    #[test]
    fn what_is_left_in_keeps_its_bytes() {
        let node = Node::read(TEXT).unwrap();
        assert_eq!(node.without(&BTreeSet::new()), TEXT);
        assert_eq!(node.without(&left_out(&[&[1, 0]])), r#"{"n":1e3,"a/b":[{"~": 9007199254740993}],"a/b":"twice"}"#);
        assert_eq!(node.without(&left_out(&[&[0], &[1, 1, 0], &[2]])), r#"{"a/b":[1,{}]}"#);
        assert_eq!(node.without(&left_out(&[&[0], &[1], &[2]])), "{}");
    }

    #[test]
    fn a_pointer_leads_where_its_path_does() {
        let node = Node::read(TEXT).unwrap();
        assert_eq!(node.pointer(&[1, 1, 0]), "/a~1b/1/~0");
        assert_eq!(node.find(["a/b"]), Some(vec![2]), "the last of two counts");
        assert_eq!(node.at(&[1, 1, 0]).map(|node| node.text), Some("9007199254740993"));
        assert_eq!(node.find(["n", "x"]), None);
    }

    #[test]
    fn a_name_in_required_goes_with_its_property() {
        let text = r#"{"properties":{"a":{},"b":{}},"required":["a", "b"]}"#;
        let node = Node::read(text).unwrap();
        assert_eq!(node.without(&left_out(&[&[0, 0]])), r#"{"properties":{"b":{}},"required":["b"]}"#);
    }

    #[test]
    fn what_is_no_json_is_no_document() {
        for text in ["", "{", "[1,]", "nil", "{\"a\":1}}", "'a'"] {
            assert_eq!(Node::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_is_one_piece() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let down =
            |depth: usize| Node::read(&deep(depth)).unwrap().at(&vec![0; depth.min(DEPTH_MAX + 9) - 1]).is_some();
        assert!(down(DEPTH_MAX) && down(DEPTH_MAX + 1));
        assert!(!down(DEPTH_MAX + 2) && !down(100_000));
    }
}
