//! Schemas that are valid, made up: of the words that strict mode knows, or of all there are.
//!
//! They can be satisfied by construction, so that an instance can be made of each: bounds leave
//! room, and what refers to itself does so where `null` or an empty array will do.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Which words a schema may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// All of JSON Schema that is taken without `strict`.
    All,
    /// Those of the guide to structured outputs, used as it asks.
    Strict,
    /// The same, but as somebody writes it who does not know of strict mode: properties that may be
    /// absent, objects that are open, an allOf of one, `default: null`, words beside a `$ref`.
    NearlyStrict,
    /// And with what no machine can make strict: open on purpose, or said in two places at once.
    Careless,
}

/// Levels below the parameters themselves; the guide allows ten in all, and a leaf has one more.
const LEVELS: u32 = 6;
/// Schemas in one, about.
const NODES: u32 = 32;
/// The most definitions that a schema refers to; the first of them refers to none.
const DEFINITIONS_MAX: usize = 3;

/// Patterns that every engine without lookaround and backreferences compiles, and a text for each.
pub(crate) const PATTERNS: [(&str, &str); 16] = [
    ("^[a-z]{1,8}$", "abc"),
    (r"^\d{4}-\d{2}$", "2026-11"),
    ("^(foo|bar)+$", "foobar"),
    ("[A-Za-z_][A-Za-z0-9_]*", "name_1"),
    (r"^\+?[1-9]\d{1,14}$", "+4930123456"),
    ("^$|^https?://", "https://example.com/"),
    (r"\bword\b", "a word here"),
    (r"^[^\s@]+@[^\s@]+$", "a@example.com"),
    ("(?:ab)?c", "abc"),
    ("^.{1,64}$", "anything"),
    (r"^[\w.-]+$", "v1.2-rc"),
    ("^#[0-9a-fA-F]{6}$", "#00ff7f"),
    (r"^\$\{[A-Z]+\}$", "${HOME}"),
    (r"^(?:[01]\d|2[0-3]):[0-5]\d$", "23:59"),
    (r"^/[^/\\]*$", "/path"),
    ("^a*?b+?c??$", "aabb"),
];

/// The formats of the guide, and a text for each.
pub(crate) const FORMATS: [(&str, &str); 9] = [
    ("date-time", "2026-11-28T01:02:03Z"),
    ("time", "01:02:03Z"),
    ("date", "2026-11-28"),
    ("duration", "P1DT2H"),
    ("email", "a@example.com"),
    ("hostname", "example.com"),
    ("ipv4", "192.0.2.1"),
    ("ipv6", "2001:db8::1"),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
];

/// Formats that only tools without `strict` may have, and a text for each.
pub(crate) const OTHER_FORMATS: [(&str, &str); 5] = [
    ("uri", "https://example.com/a"),
    ("uri-reference", "../a"),
    ("int64", "not a format of strings"),
    ("byte", "aGVsbG8="),
    ("json-pointer", "/a/b"),
];

/// Names that have confused those who look for words of the schema in the wrong place.
const AWKWARD: [&str; 18] = [
    "items",
    "type",
    "properties",
    "required",
    "enum",
    "const",
    "default",
    "pattern",
    "format",
    "anyOf",
    "not",
    "additionalProperties",
    "$ref",
    "$defs",
    "strict",
    "name",
    "parameters",
    "description",
];

/// Parameters of a tool: an object that can be satisfied.
pub(crate) fn parameters(words: Words) -> impl Strategy<Value = Value> {
    let flat = object(words, leaf(words).boxed(), "");
    let others = prop::collection::vec(object(words, node(words), ""), 0..DEFINITIONS_MAX);
    let definitions = prop::option::of((flat, others).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    }));
    let root = object(words, node(words), "");
    (root, definitions, any::<bool>(), select(vec!["$defs", "definitions"])).prop_map(
        move |(mut root, defined, dialect, at)| {
            let defined = defined.unwrap_or_default();
            // Older drafts' word for the same is taken without `strict`.
            let at = if words == Words::All { at } else { "$defs" };
            settle(&mut root, defined.len(), at);
            if !defined.is_empty() {
                let named = defined.into_iter().enumerate().map(|(n, mut schema)| {
                    settle(&mut schema, DEFINITIONS_MAX.min(n + 1).max(1), at);
                    (format!("d{n}"), schema)
                });
                root[at] = Value::Object(named.collect());
            }
            if dialect && words == Words::All {
                root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            }
            root
        },
    )
}

/// Makes references name definitions that there are: `{"$ref": 7}` is what a leaf says.
fn settle(schema: &mut Value, defined: usize, at: &str) {
    match schema {
        Value::Object(members) => {
            if let Some(number) = members.get("$ref").and_then(Value::as_u64) {
                if members.len() > 1 && defined == 0 {
                    // Put in its own place, what points at itself would never end.
                    *schema = json!({"type": "string"});
                    return;
                }
                let number = usize::try_from(number).unwrap_or(0);
                let text = if defined == 0 { "#".to_owned() } else { format!("#/{at}/d{}", number % defined) };
                members.insert("$ref".to_owned(), Value::String(text));
            }
            members.values_mut().for_each(|value| settle(value, defined, at));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| settle(value, defined, at)),
        _ => {}
    }
}

fn node(words: Words) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![6 => leaf(words), 1 => reference()];
    leaf.prop_recursive(LEVELS, NODES, 6, move |inner| {
        let common = prop_oneof![
            3 => object(words, inner.clone(), ""),
            2 => array(inner.clone()),
            1 => union(words, inner.clone()),
            1 => described(inner.clone()),
        ];
        match words {
            Words::All => prop_oneof![3 => common, 1 => unusual(inner)].boxed(),
            Words::Strict => common.boxed(),
            Words::NearlyStrict => prop_oneof![6 => common, 1 => mendable(words, inner)].boxed(),
            Words::Careless => {
                prop_oneof![4 => common, 1 => mendable(words, inner.clone()), 1 => entangled(words, inner)].boxed()
            }
        }
    })
    .boxed()
}

/// A reference, where recursion may end.
fn reference() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..8_u64).prop_map(|n| json!({"anyOf": [{"$ref": n}, {"type": "null"}]})),
        (0..8_u64).prop_map(|n| json!({"type": "array", "items": {"$ref": n}})),
    ]
}

fn leaf(words: Words) -> BoxedStrategy<Value> {
    let common = prop_oneof![
        3 => Just(json!({"type": "string"})),
        1 => select(&PATTERNS[..]).prop_map(|(pattern, _)| json!({"type": "string", "pattern": pattern})),
        1 => select(&FORMATS[..]).prop_map(|(format, _)| json!({"type": "string", "format": format})),
        1 => (-1_000..1_000_i64, 0..1_000_i64).prop_map(|(low, more)| json!({"type": "integer", "minimum": low, "maximum": low + more})),
        1 => (-9..9_i64, 1..9_i64).prop_map(|(low, more)| json!({"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + more})),
        1 => (1..9_i64).prop_map(|step| json!({"type": "integer", "multipleOf": step})),
        1 => Just(json!({"type": "boolean"})),
        1 => Just(json!({"type": "null"})),
        1 => select(vec!["string", "number", "integer", "boolean"]).prop_map(|kind| json!({"type": [kind, "null"]})),
        2 => prop::collection::btree_set("\\PC{1,12}", 1..9).prop_map(|values| json!({"type": "string", "enum": values})),
        1 => prop::collection::btree_set(any::<i16>(), 1..9).prop_map(|values| json!({"type": "integer", "enum": values})),
        1 => "\\PC{0,12}".prop_map(|value| json!({"type": "string", "const": value})),
    ];
    if words != Words::All {
        return described(common.boxed()).boxed();
    }
    prop_oneof![
        6 => common,
        1 => Just(json!({})),
        1 => Just(json!({"description": "takes anything"})),
        1 => Just(json!({"type": "object"})),
        1 => Just(json!({"type": "object", "additionalProperties": true})),
        1 => (0..9_u32, 0..9_u32).prop_map(|(low, more)| json!({"type": "string", "minLength": low, "maxLength": low + more})),
        1 => select(&OTHER_FORMATS[..]).prop_map(|(format, _)| json!({"type": "string", "format": format})),
        1 => Just(json!({"type": ["string", "number", "boolean", "object", "null"]})),
        1 => Just(json!({"enum": ["a", 1, null, true]})),
        1 => Just(json!({"const": 7})),
        1 => (0..9_i64).prop_map(|value| json!({"type": "integer", "default": value, "examples": [value], "title": "T", "deprecated": true})),
        1 => Just(json!({"type": "string", "default": null, "x-note": {"type": "nothing"}, "readOnly": true})),
    ]
    .boxed()
}

fn described(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    (inner, "\\PC{0,40}", prop::option::of("\\PC{0,12}")).prop_map(|(mut schema, description, title)| {
        schema["description"] = json!(description);
        if let Some(title) = title {
            schema["title"] = json!(title);
        }
        schema
    })
}

fn array(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    // What asks for an item that asks for an item… ends: these bounds are small, and so are trees.
    (inner, prop::option::of((0..3_u32, 0..3_u32))).prop_map(|(items, bounds)| {
        let mut schema = json!({"type": "array", "items": items});
        if let Some((low, more)) = bounds {
            schema["minItems"] = json!(low);
            schema["maxItems"] = json!(low + more);
        }
        schema
    })
}

/// An object whose properties' names begin with `prefix`, as strict mode or nobody asks for.
fn object(words: Words, inner: BoxedStrategy<Value>, prefix: &'static str) -> impl Strategy<Value = Value> {
    let name = prop_oneof![3 => "[a-zA-Z_][a-zA-Z0-9_]{0,12}", 1 => select(&AWKWARD[..]).prop_map(str::to_owned)];
    let property = (inner, any::<bool>());
    let properties = prop::collection::btree_map(name, property, usize::from(words != Words::All)..6);
    (properties, 0..4_u8, any::<bool>()).prop_map(move |(properties, open, tells)| {
        let mut schema = json!({"type": "object"});
        let mut required = Vec::new();
        let mut members = Map::new();
        for (name, (value, is_required)) in properties {
            let name = format!("{prefix}{name}");
            if words == Words::Strict || is_required {
                required.push(Value::String(name.clone()));
            }
            members.insert(name, value);
        }
        schema["properties"] = Value::Object(members);
        if words == Words::Strict || tells || !required.is_empty() {
            schema["required"] = Value::Array(required);
        }
        match open {
            _ if words == Words::Strict => schema["additionalProperties"] = json!(false),
            0 => schema["additionalProperties"] = json!(false),
            1 if words == Words::All => schema["additionalProperties"] = json!(true),
            2 if words == Words::All => schema["additionalProperties"] = json!({"type": "string"}),
            _ => {}
        }
        schema
    })
}

/// A choice of things that are told apart by their first property, or by their type.
fn union(words: Words, inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let objects = (object(words, inner.clone(), "a_"), object(words, inner.clone(), "b_"), any::<bool>());
    prop_oneof![
        objects.prop_map(|(a, b, or_null)| {
            let mut branches = vec![a, b];
            if or_null {
                branches.push(json!({"type": "null"}));
            }
            json!({"anyOf": branches})
        }),
        array(inner).prop_map(|list| json!({"anyOf": [list, {"type": "string"}, {"type": "number"}]})),
    ]
    // An object without a property has no first one to be told apart by.
    .prop_filter("told apart", |union| {
        let branches = union["anyOf"].as_array().into_iter().flatten();
        branches.filter(|branch| branch["properties"].as_object().is_some_and(Map::is_empty)).count() < 2
    })
}

/// What strict mode refuses and a machine can mend.
fn mendable(words: Words, inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let told = prop_oneof![Just(json!({"description": "what it points at"})), Just(json!({"type": "object"})),];
    prop_oneof![
        // What the two say of must differ, or it is not merged: so no description within.
        object(words, inner.clone(), "").prop_map(|value| json!({"allOf": [value], "$comment": "merge me"})),
        told.prop_map(|mut told| {
            told["$ref"] = json!(0);
            json!({"anyOf": [told, {"type": "null"}]})
        }),
        Just(json!({"type": ["string", "null"], "default": null})),
        Just(json!({"type": "object"})),
        inner.prop_map(|value| json!({"type": ["object", "null"], "properties": {"a": value}})),
    ]
}

/// What is said in two places, each of which may depend on the other, or is open on purpose.
fn entangled(words: Words, inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let beside = prop_oneof![
        Just(json!({"properties": {"more": {"type": "string"}}})),
        Just(json!({"properties": {"d": {"type": "integer"}}, "required": ["d"]})),
        Just(json!({"required": []})),
        Just(json!({"additionalProperties": false})),
        Just(json!({"type": ["object", "null"]})),
        Just(json!({"patternProperties": {"^d": {"type": "integer"}}})),
        inner.clone().prop_map(|value| json!({"type": "object", "properties": {"a": value, "d": {"type": "boolean"}}})),
    ];
    let of = prop_oneof![
        object(words, inner.clone(), ""),
        Just(json!({"type": "object", "additionalProperties": false})),
        Just(json!({"additionalProperties": {"type": "string"}})),
    ];
    prop_oneof![
        beside.clone().prop_map(|mut schema| {
            schema["$ref"] = json!(0);
            json!({"anyOf": [schema, {"type": "null"}]})
        }),
        (of, beside).prop_map(|(of, mut schema)| {
            schema["allOf"] = json!([of]);
            schema
        }),
        Just(json!({"type": "string", "allOf": [{"pattern": "^a"}], "pattern": "b$"})),
        Just(json!({"type": "integer", "allOf": [{"minimum": 3}], "minimum": 1})),
        inner.clone().prop_map(|value| json!({"type": "object", "additionalProperties": value})),
        inner.prop_map(|value| json!({"type": "object", "properties": {"a": value}, "additionalProperties": true})),
    ]
}

/// What strict mode has no word for, and is taken without it.
fn unusual(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    prop_oneof![
        inner.clone().prop_map(|value| json!({"type": "object", "additionalProperties": value})),
        inner.clone().prop_map(|value| json!({"type": "object", "properties": {"a": value}, "patternProperties": {"^x-": {"type": "string"}}, "minProperties": 0})),
        (inner.clone(), inner.clone()).prop_map(|(a, b)| json!({"type": "object", "properties": {"a": a, "b": b}, "dependentRequired": {"a": ["b"]}})),
        inner.clone().prop_map(|value| json!({"type": "object", "properties": {"a": value, "b": {"type": "boolean"}}, "if": {"properties": {"b": {"const": true}}, "required": ["b"]}, "then": {"required": ["a"]}, "else": true})),
        Just(json!({"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}]})),
        Just(json!({"allOf": [{"type": "integer", "minimum": 0, "maximum": 9}, {"maximum": 9}]})),
        inner.clone().prop_map(|value| json!({"allOf": [value]})),
        Just(json!({"type": "integer", "not": {"const": 13}})),
        inner.clone().prop_map(|value| json!({"type": "array", "prefixItems": [{"type": "string"}, value], "items": {"type": "integer"}})),
        Just(json!({"type": "array", "items": {"type": "integer"}, "uniqueItems": true, "contains": {"type": "integer"}, "minContains": 0})),
        inner.prop_map(|value| json!({"type": "array", "items": value, "description": "a list", "default": []})),
    ]
}
