//! `$ref`: what it points at, and whether that can stand in its place.

use std::borrow::Cow;

use super::tree::Value;

/// The most members that are compared while references of one schema are followed: some thousands of
/// references into a large `$defs`. Beyond it they are taken on trust.
pub(super) const STEPS_MAX: usize = 1_000_000;

/// Where a reference leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leads<'t> {
    /// To this part of the schema.
    To(Value<'t>),
    /// To nothing in it.
    Nowhere,
    /// Out of it.
    Out,
    /// It was not followed: an anchor, or too many.
    Unknown,
}

/// Follows `reference` through the schema `root`.
pub(super) fn follow<'t>(root: Value<'t>, reference: &str, steps: &mut usize) -> Leads<'t> {
    let Some(path) = reference.strip_prefix('#') else { return Leads::Out };
    if path.is_empty() {
        return Leads::To(root);
    }
    let Some(path) = path.strip_prefix('/') else { return Leads::Unknown };
    let mut at = root;
    for step in path.split('/') {
        *steps = steps.saturating_add(at.len());
        if *steps > STEPS_MAX {
            return Leads::Unknown;
        }
        let step = decoded(step).replace("~1", "/").replace("~0", "~");
        let next = match at.is_array() {
            true => step.parse().ok().and_then(|index| at.elements().nth(index)),
            false => at.field(&step),
        };
        let Some(next) = next else { return Leads::Nowhere };
        at = next;
    }
    Leads::To(at)
}

/// `text` with its percent escapes resolved, if it has any and they are UTF-8.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &rest[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Whether `schema` has a `$ref` and something beside it.
pub(super) fn has_siblings(schema: Value<'_>) -> bool {
    schema.len() > 1 && schema.field("$ref").is_some_and(Value::is_string)
}

/// Whether putting `target` in the place of `site` comes to an end: nothing that would be put in has a
/// reference with siblings that leads back.
pub(super) fn is_finite<'t>(root: Value<'t>, site: Value<'t>, target: Value<'t>, steps: &mut usize) -> bool {
    let mut open = vec![target];
    let mut seen: Vec<u32> = Vec::new();
    while let Some(at) = open.pop() {
        if at.below().contains(&site.id()) {
            return false;
        }
        if seen.contains(&at.id()) {
            continue;
        }
        seen.push(at.id());
        for id in at.below() {
            *steps = steps.saturating_add(1);
            if *steps > STEPS_MAX {
                return false;
            }
            let part = root.tree().value(id);
            if !part.is_object() || !has_siblings(part) {
                continue;
            }
            let text = part.field("$ref").and_then(Value::text).unwrap_or_default();
            if let Leads::To(next) = follow(root, &text, steps) {
                // A part that leads back to where we came through would be put in for ever.
                if next.below().contains(&id) || next.below().contains(&target.id()) {
                    return false;
                }
                open.push(next);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn a_reference_is_followed_with_its_escapes() {
        let text = br#"{"$defs":{"a/b":{"x":1},"c d":[{"y":2}],"~":3}}"#;
        let tree = tree::read(text).expect("JSON");
        let to = |reference: &str| match follow(tree.root(), reference, &mut 0) {
            Leads::To(value) => Some(value.pointer()),
            _ => None,
        };
        assert_eq!(to("#").as_deref(), Some(""));
        assert_eq!(to("#/$defs/a~1b/x").as_deref(), Some("/$defs/a~1b/x"));
        assert_eq!(to("#/$defs/c%20d/0/y").as_deref(), Some("/$defs/c d/0/y"));
        assert_eq!(to("#/$defs/~0").as_deref(), Some("/$defs/~0"));
        assert!(matches!(follow(tree.root(), "#/$defs/z", &mut 0), Leads::Nowhere));
        assert!(matches!(follow(tree.root(), "#/$defs/c%20d/1", &mut 0), Leads::Nowhere));
        assert!(matches!(follow(tree.root(), "https://example.com", &mut 0), Leads::Out));
        assert!(matches!(follow(tree.root(), "#anchor", &mut 0), Leads::Unknown));
    }

    #[test]
    fn what_would_be_put_in_for_ever_is_not_finite() {
        let finite = |text: &str| {
            let tree = tree::read(text.as_bytes()).expect("JSON");
            let site = tree.root().object("x").expect("x");
            let reference = site.field("$ref").and_then(Value::text).expect("a reference");
            match follow(tree.root(), &reference, &mut 0) {
                Leads::To(target) => is_finite(tree.root(), site, target, &mut 0),
                _ => panic!("it leads nowhere"),
            }
        };
        let a = |inside: &str| format!(r##"{{"x":{{"$ref":"#/a","t":1}},"a":{inside},"b":{{"$ref":"#/a","t":1}}}}"##);
        assert!(finite(&a(r#"{"type":"string"}"#)));
        assert!(finite(&a(r##"{"y":{"$ref":"#/a"}}"##)), "a reference alone stays");
        assert!(!finite(&a(r##"{"y":{"$ref":"#/a","t":1}}"##)), "it holds itself");
        assert!(!finite(&a(r##"{"y":{"$ref":"#/b","t":1}}"##)), "it holds what holds it");
        assert!(!finite(&a(r##"{"y":{"$ref":"#","t":1}}"##)), "it holds all");
    }
}
