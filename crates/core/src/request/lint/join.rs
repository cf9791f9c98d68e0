//! Two schemas that both hold, written as one: what a `$ref` or an allOf leads to, and what stands beside it.
//!
//! A change must never make a schema take more than it took. Words that stand on one side only can be
//! moved to the other, unless they mean something else there: `additionalProperties` is about the
//! `properties` of its own schema alone. Words on both sides are both asked for, and only one of them
//! can stay; so they must say the same, or nothing about what is valid.

use super::edit;
use super::tree::Value;
use super::{Edit, Fix};

/// Words that do not decide what is valid: what stands beside the reference is meant for this place.
const REMARKS: [&str; 8] =
    ["title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly"];

/// Words whose meaning depends on those of the same row in the same schema.
const ENTANGLED: [&[&str]; 4] = [
    &["properties", "patternProperties", "additionalProperties", "unevaluatedProperties"],
    &["prefixItems", "items", "additionalItems", "unevaluatedItems"],
    &["contains", "minContains", "maxContains"],
    &["if", "then", "else"],
];

/// The fix that puts what `inner` has in the place of the member `apart` of `schema`, which asks for it.
/// `None` where that could make it take more.
pub(super) fn put_in(title: &str, schema: Value<'_>, apart: Value<'_>, inner: Value<'_>) -> Option<Fix> {
    let beside: Vec<Value<'_>> = schema.members().filter(|member| *member != apart).collect();
    if !beside.iter().all(|outer| is_free(*outer, inner)) {
        return None;
    }
    let names: Vec<_> = beside.iter().map(|outer| outer.key()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let text = edit::members_text(inner, &names)?;
    let edit: Edit = match text.is_empty() {
        true => edit::remove(apart)?,
        false => edit::replace(apart.key_span().start..apart.span().end, text),
    };
    Some(edit::one(title, edit))
}

/// Whether `outer` and all of `inner` may stand in one schema.
fn is_free(outer: Value<'_>, inner: Value<'_>) -> bool {
    let row = ENTANGLED.into_iter().find(|row| row.iter().any(|word| outer.is_key(word)));
    inner.members().all(|member| match member.key() == outer.key() {
        true => REMARKS.iter().any(|word| outer.is_key(word)) || member.raw() == outer.raw(),
        false => !row.is_some_and(|row| row.iter().any(|word| member.is_key(word))),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Options, fixed};

    /// What becomes of property `x`, beside a definition `d`, in a strict schema.
    fn mended(x: &str, d: &str) -> String {
        let tool = |x: &str| {
            format!(
                r#"{{"type":"function","function":{{"name":"f","strict":true,"parameters":{{"type":"object","properties":{{"x":{x}}},"required":["x"],"additionalProperties":false,"$defs":{{"d":{d}}}}}}}}}"#
            )
        };
        let before = tool(x);
        let after = fixed(before.as_bytes(), Options::default());
        let after = after.map_or(before, |bytes| String::from_utf8(bytes).expect("it was text"));
        let start = after.find(r#"{"x":"#).expect("x is there") + 5;
        let end = after.find(r#"},"required":["x"]"#).expect("so is the end");
        after[start..end].to_owned()
    }

    #[test]
    fn words_on_one_side_only_are_put_together() {
        let d = r#"{"type":"string","pattern":"^a"}"#;
        assert_eq!(
            mended(r##"{"$ref":"#/$defs/d","description":"x"}"##, d),
            r#"{"type":"string","pattern":"^a","description":"x"}"#
        );
        assert_eq!(
            mended(r##"{"$ref":"#/$defs/d","format":"date"}"##, d),
            r#"{"type":"string","pattern":"^a","format":"date"}"#
        );
        assert_eq!(
            mended(r#"{"allOf":[{"type":"string"}],"format":"date"}"#, d),
            r#"{"type":"string","format":"date"}"#
        );
    }

    #[test]
    fn of_remarks_on_both_sides_those_of_the_place_stay() {
        let d = r#"{"type":"string","description":"any"}"#;
        assert_eq!(
            mended(r##"{"$ref":"#/$defs/d","description":"this"}"##, d),
            r#"{"type":"string","description":"this"}"#
        );
        assert_eq!(
            mended(r#"{"allOf":[{"type":"string","title":"T"}],"title":"this"}"#, d),
            r#"{"type":"string","title":"this"}"#
        );
    }

    #[test]
    fn words_that_both_ask_for_are_left_to_their_author() {
        let d = r#"{"type":"string","pattern":"^a"}"#;
        for x in [
            r##"{"$ref":"#/$defs/d","pattern":"b$"}"##,
            r#"{"allOf":[{"type":"string","pattern":"^a"}],"pattern":"b$"}"#,
        ] {
            assert_eq!(mended(x, d), x);
        }
        assert_eq!(mended(r##"{"$ref":"#/$defs/d","type":"string"}"##, d), r#"{"pattern":"^a","type":"string"}"#);
    }

    #[test]
    fn properties_are_not_put_where_others_are_forbidden() {
        let d = r#"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#;
        let property = r#""properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false"#;
        let x = format!(r##"{{"$ref":"#/$defs/d",{property}}}"##);
        assert_eq!(mended(&x, d), x);
        let x = format!(r#"{{"allOf":[{{"type":"object","additionalProperties":false}}],{property}}}"#);
        assert!(mended(&x, d).contains("allOf"));
    }
}
