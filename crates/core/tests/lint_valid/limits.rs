//! Right at every limit that is written down, and not past it: there is no error yet.

use seawall_core::request::lint::Target;
use serde_json::{Map, Value, json};

use super::{SHAPES, errors, request, tool};

/// An object of strict mode with these properties.
fn closed(properties: &Map<String, Value>) -> Value {
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn named(names: impl Iterator<Item = String>, schema: &Value) -> Map<String, Value> {
    names.map(|name| (name, schema.clone())).collect()
}

fn plain() -> Value {
    closed(&named(std::iter::once("a".to_owned()), &json!({"type": "string"})))
}

#[track_caller]
fn passes(target: Target, document: &Value) {
    let found = errors(document.to_string().as_bytes(), Some(target));
    assert!(found.is_empty(), "{}: {found:#?}", target.name());
}

#[track_caller]
fn passes_strict(schema: &Value) {
    for target in SHAPES {
        passes(target, &request(target, &[tool(target, "a_tool", schema, Some(true))]));
    }
}

#[test]
fn a_name_may_have_64_characters_for_chat_and_128_for_responses() {
    for (target, length) in [(Target::OpenaiChat, 64), (Target::OpenaiResponses, 128)] {
        passes(target, &json!([tool(target, &"n".repeat(length), &plain(), None)]));
        passes(target, &json!([tool(target, "n", &plain(), None)]));
        passes(target, &json!([tool(target, "aZ09_-", &plain(), None)]));
    }
}

#[test]
fn a_description_may_have_1024_characters() {
    for target in SHAPES {
        let mut one = tool(target, "a_tool", &plain(), None);
        let place =
            if target == Target::OpenaiChat { &mut one["function"]["description"] } else { &mut one["description"] };
        // Characters, not bytes.
        *place = json!("é".repeat(1024));
        passes(target, &request(target, &[one]));
    }
}

#[test]
fn a_request_may_have_128_tools() {
    for target in SHAPES {
        let tools: Vec<Value> = (0..128).map(|n| tool(target, &format!("tool_{n}"), &plain(), None)).collect();
        passes(target, &request(target, &tools));
    }
}

#[test]
fn a_tool_may_have_no_parameters_and_no_description() {
    passes(Target::OpenaiChat, &json!([{"type": "function", "function": {"name": "now"}}]));
    passes(
        Target::OpenaiChat,
        &json!([{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}]),
    );
    passes(
        Target::OpenaiResponses,
        &json!([{"type": "function", "name": "now", "strict": true, "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": false}}]),
    );
}

#[test]
fn a_strict_schema_may_have_10_levels() {
    let mut schema = plain();
    for _ in 1..10 {
        schema = closed(&named(std::iter::once("a".to_owned()), &schema));
    }
    passes_strict(&schema);
}

#[test]
fn a_strict_schema_may_have_5000_properties() {
    let inner = closed(&named((0..99).map(|n| format!("p{n}")), &json!({"type": "integer"})));
    passes_strict(&closed(&named((0..50).map(|n| format!("o{n}")), &inner)));
}

#[test]
fn a_strict_schema_may_have_1000_enum_values() {
    let values: Vec<String> = (0..250).map(|n| format!("v{n}")).collect();
    passes_strict(&closed(&named((0..4).map(|n| format!("p{n}")), &json!({"type": "string", "enum": values}))));
}

#[test]
fn a_long_enum_may_have_15000_characters() {
    // 251 values, the fewest to which the limit applies: 59 characters each, but for the last.
    let mut values: Vec<String> = (0..250).map(|n| format!("{n:060}")).collect();
    passes_strict(&closed(&named(std::iter::once("p".to_owned()), &json!({"type": "string", "enum": values}))));
    values = (0..250).map(|n| format!("{n:059}")).collect();
    values.push(format!("{:0250}", 250));
    assert_eq!(values.iter().map(String::len).sum::<usize>(), 15_000);
    passes_strict(&closed(&named(std::iter::once("p".to_owned()), &json!({"type": "string", "enum": values}))));
}

#[test]
fn the_names_of_a_strict_schema_may_have_120000_characters() {
    passes_strict(&closed(&named((0..1_000).map(|n| format!("p{n:0119}")), &json!({"type": "boolean"}))));
}

#[test]
fn every_supported_word_of_strict_mode_passes() {
    let words = json!({
        "text": {"type": "string", "pattern": "^[a-z]+$"},
        "when": {"type": "string", "format": "date-time"},
        "count": {"type": "integer", "minimum": 0, "maximum": 10},
        "part": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "step": {"type": "integer", "multipleOf": 5},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 9},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "fixed": {"type": "string", "const": "c"},
        "perhaps": {"type": ["string", "null"]},
        "either": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/node"}, {"type": "null"}]},
        "again": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    });
    let mut schema = closed(words.as_object().expect("it is one"));
    let node = json!({"value": {"type": "number"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}});
    schema["$defs"] = json!({"node": closed(node.as_object().expect("it is one"))});
    passes_strict(&schema);
}

#[test]
fn a_request_may_have_16_pairs_of_metadata() {
    for target in SHAPES {
        let mut document = request(target, &[tool(target, "a_tool", &plain(), None)]);
        let pairs = (0..16).map(|n| (format!("{n:064}"), json!("v".repeat(512))));
        document["metadata"] = Value::Object(pairs.collect());
        passes(target, &document);
    }
}

#[test]
fn a_turn_may_have_128_calls_that_are_all_answered() {
    let call = |n: usize| json!({"id": format!("call_{n:059}"), "type": "function", "function": {"name": "a_tool", "arguments": "{}"}});
    let calls: Vec<Value> = (0..128).map(call).collect();
    let mut messages = vec![
        json!({"role": "user", "content": "hello"}),
        json!({"role": "assistant", "content": null, "tool_calls": calls}),
    ];
    // In any order.
    messages.extend(
        (0..128).rev().map(|n| json!({"role": "tool", "tool_call_id": format!("call_{n:059}"), "content": "done"})),
    );
    let mut document = request(Target::OpenaiChat, &[tool(Target::OpenaiChat, "a_tool", &plain(), None)]);
    document["messages"] = Value::Array(messages);
    passes(Target::OpenaiChat, &document);

    let mut items = vec![json!({"role": "user", "content": "hello"})];
    items.extend((0..128).map(
        |n| json!({"type": "function_call", "call_id": format!("call_{n:059}"), "name": "a_tool", "arguments": "{}"}),
    ));
    items.extend(
        (0..128).map(|n| json!({"type": "function_call_output", "call_id": format!("call_{n:059}"), "output": "done"})),
    );
    let mut document = request(Target::OpenaiResponses, &[tool(Target::OpenaiResponses, "a_tool", &plain(), None)]);
    document["input"] = Value::Array(items);
    passes(Target::OpenaiResponses, &document);
}

#[test]
fn every_way_to_choose_a_tool_that_there_is_passes() {
    for target in SHAPES {
        let named = if target == Target::OpenaiChat {
            json!({"type": "function", "function": {"name": "a_tool"}})
        } else {
            json!({"type": "function", "name": "a_tool"})
        };
        for choice in [json!("auto"), json!("none"), json!("required"), named] {
            let mut document = request(target, &[tool(target, "a_tool", &plain(), None)]);
            document["tool_choice"] = choice;
            passes(target, &document);
        }
    }
}
