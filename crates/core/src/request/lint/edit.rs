//! Changes of bytes that look like what stands around them.
//!
//! A fix changes what it must and nothing else: white space, order and escapes of everything around it
//! stay. So what is put in copies the manners of its neighbours: the same break and indent before it,
//! the same space after a colon.

use std::ops::Range;

use super::tree::Value;
use super::{Edit, Fix};

/// A fix of one change.
pub(super) fn one(title: impl Into<String>, edit: Edit) -> Fix {
    Fix { title: title.into(), edits: vec![edit] }
}

/// Puts other text in the place of a value.
pub(super) fn replace(span: Range<usize>, text: impl Into<String>) -> Edit {
    Edit { span, text: text.into() }
}

/// Puts a member behind the last one of `object`. `key` and `value` are JSON.
pub(super) fn insert_member(object: Value<'_>, key: &str, value: &str) -> Option<Edit> {
    let colon = colon(object)?;
    let place = Place::after(object)?;
    Some(place.put(&format!("{key}{colon}{value}")))
}

/// Puts elements, which are JSON, behind the last one of `array`.
pub(super) fn insert_elements(array: Value<'_>, elements: &[String]) -> Option<Edit> {
    let place = Place::after(array)?;
    Some(place.put(&elements.join(&place.between)))
}

/// An array of `elements` as `near`, the object that it is put into, would have it.
pub(super) fn list(near: Value<'_>, elements: &[String]) -> Option<String> {
    let comma = if colon(near)?.ends_with(':') { "," } else { ", " };
    Some(format!("[{}]", elements.join(comma)))
}

/// Takes out a member, with the comma that it leaves over.
pub(super) fn remove(member: Value<'_>) -> Option<Edit> {
    let object = member.up()?;
    let siblings: Vec<_> = object.children().take(member.index() + 2).collect();
    let span = if member.index() > 0 {
        siblings.get(member.index() - 1)?.span().end..member.span().end
    } else if let Some(next) = siblings.get(1) {
        member.key_span().start..next.key_span().start
    } else {
        member.key_span().start..member.span().end
    };
    Some(replace(span, ""))
}

/// The members of `object` but those called one of `without`, as one text; `None` where it is no UTF-8.
pub(super) fn members_text(object: Value<'_>, without: &[&str]) -> Option<String> {
    let tree = object.tree();
    let kept: Vec<_> = object.members().filter(|member| !without.iter().any(|name| member.is_key(name))).collect();
    let between = match Place::after(object) {
        Some(place) if object.len() > 0 => place.between,
        _ => ", ".to_owned(),
    };
    let texts: Result<Vec<&str>, _> = kept
        .iter()
        .map(|member| std::str::from_utf8(&tree.bytes()[member.key_span().start..member.span().end]))
        .collect();
    Some(texts.ok()?.join(&between))
}

/// A key as it is written, for another place in the document; `None` where it is no UTF-8.
pub(super) fn written_key(member: Value<'_>) -> Option<String> {
    std::str::from_utf8(member.raw_key()).ok().map(str::to_owned)
}

/// What stands between key and value in `object`.
fn colon(object: Value<'_>) -> Option<String> {
    let tree = object.tree();
    let text = |member: Value<'_>| {
        let between = &tree.bytes()[member.key_span().end..member.span().start];
        std::str::from_utf8(between).ok().map(str::to_owned)
    };
    match object.children().last() {
        Some(last) => text(last),
        // An empty one does as the object that it is in.
        None => match object.is_member() {
            true => text(object),
            false => Some(": ".to_owned()),
        },
    }
}

/// Where something is put in.
struct Place {
    at: usize,
    is_first: bool,
    /// What stands between two items, comma included.
    between: String,
}

impl Place {
    fn after(list: Value<'_>) -> Option<Place> {
        let bytes = list.tree().bytes();
        let start = |item: Value<'_>| if item.is_member() { item.key_span().start } else { item.span().start };
        let (mut before, mut last) = (None, None);
        for item in list.children() {
            (before, last) = (last, Some(item));
        }
        let Some(last) = last else {
            return Some(Place { at: list.span().start + 1, is_first: true, between: ", ".to_owned() });
        };
        let between = match before {
            Some(before) => std::str::from_utf8(&bytes[before.span().end..start(last)]).ok()?.to_owned(),
            None => {
                let lead = std::str::from_utf8(&bytes[list.span().start + 1..start(last)]).ok()?;
                let is_tight = !last.is_member() || bytes.get(last.key_span().end..last.span().start) == Some(b":");
                match (lead.contains('\n'), is_tight) {
                    (true, _) => format!(",{lead}"),
                    (false, true) if last.is_member() => ",".to_owned(),
                    (false, _) => ", ".to_owned(),
                }
            }
        };
        Some(Place { at: last.span().end, is_first: false, between })
    }

    fn put(&self, text: &str) -> Edit {
        let lead = if self.is_first { "" } else { &self.between };
        replace(self.at..self.at, format!("{lead}{text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    fn with_member(text: &str) -> String {
        let tree = tree::read(text.as_bytes()).expect("JSON");
        let edit = insert_member(tree.root(), "\"k\"", "1").expect("a place");
        let mut out = text.to_owned();
        out.replace_range(edit.span, &edit.text);
        out
    }

    #[test]
    fn a_member_takes_on_the_manners_of_its_neighbours() {
        assert_eq!(with_member("{}"), r#"{"k": 1}"#);
        assert_eq!(with_member(r#"{"a":1}"#), r#"{"a":1,"k":1}"#);
        assert_eq!(with_member(r#"{"a": 1}"#), r#"{"a": 1, "k": 1}"#);
        assert_eq!(with_member(r#"{"a":1 , "b":2 }"#), r#"{"a":1 , "b":2 , "k":1 }"#);
        assert_eq!(with_member("{\n  \"a\": 1\n}"), "{\n  \"a\": 1,\n  \"k\": 1\n}");
        assert_eq!(with_member("{\n\t\"a\": 1,\n\t\"b\": 2\n}"), "{\n\t\"a\": 1,\n\t\"b\": 2,\n\t\"k\": 1\n}");
    }

    #[test]
    fn a_member_is_taken_out_with_its_comma() {
        for (text, name, expected) in [
            (r#"{"a":1}"#, "a", "{}"),
            (r#"{ "a": 1, "b": 2 }"#, "a", r#"{ "b": 2 }"#),
            (r#"{ "a": 1, "b": 2 }"#, "b", r#"{ "a": 1 }"#),
            (r#"{"a":1,"b":2,"c":3}"#, "b", r#"{"a":1,"c":3}"#),
        ] {
            let tree = tree::read(text.as_bytes()).expect("JSON");
            let edit = remove(tree.root().field(name).expect("there")).expect("a member");
            let mut out = text.to_owned();
            out.replace_range(edit.span, &edit.text);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn elements_are_put_behind_the_last_one() {
        for (text, expected) in [
            ("[]", r#"["x", "y"]"#),
            (r#"["a"]"#, r#"["a", "x", "y"]"#),
            (r#"["a","b"]"#, r#"["a","b","x","y"]"#),
            ("[\n  \"a\"\n]", "[\n  \"a\",\n  \"x\",\n  \"y\"\n]"),
        ] {
            let tree = tree::read(text.as_bytes()).expect("JSON");
            let edit = insert_elements(tree.root(), &["\"x\"".into(), "\"y\"".into()]).expect("a place");
            let mut out = text.to_owned();
            out.replace_range(edit.span, &edit.text);
            assert_eq!(out, expected);
        }
    }
}
