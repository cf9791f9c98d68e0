//! SW2 and SW3: schemas. Each is tried in both shapes, strict and not.

use std::fmt::Write as _;

use seawall_core::request::lint::Target;

use crate::corpus::Case;
use crate::documents::chat;

/// A tool with this schema: in Chat and in Responses, strict or not.
fn tool(schema: &str, is_flat: bool, is_strict: bool) -> String {
    match is_flat {
        false => {
            format!(r#"{{"type":"function","function":{{"name":"f","strict":{is_strict},"parameters":{schema}}}}}"#)
        }
        true => format!(r#"{{"type":"function","name":"f","strict":{is_strict},"parameters":{schema}}}"#),
    }
}

/// `expected` with its pointers below the schema of a tool.
fn below(expected: &str, is_flat: bool) -> String {
    let top = if is_flat { "/parameters" } else { "/function/parameters" };
    let parts = expected.split("; ").filter(|part| !part.is_empty());
    parts.map(|part| format!("{} {top}{}", &part[..6], &part[7..])).collect::<Vec<_>>().join("; ")
}

/// A schema that is not strict, and what it has in Chat and in Responses.
fn lax(schema: &str, in_chat: &str, in_responses: &str) -> [Case; 2] {
    [
        Case::new(tool(schema, false, false), below(in_chat, false)),
        Case::new(tool(schema, true, false), below(in_responses, true)),
    ]
}

/// A strict schema, and what it has in both.
fn strict(schema: &str, expected: &str) -> [Case; 2] {
    [false, true].map(|is_flat| Case::new(tool(schema, is_flat, true), below(expected, is_flat)))
}

/// An object with one property `x`, which is not strict, or is in all but what `x` says.
fn x(schema: &str) -> String {
    format!(r#"{{"type":"object","properties":{{"x":{schema}}}}}"#)
}

fn strict_x(schema: &str) -> String {
    format!(r#"{{"type":"object","properties":{{"x":{schema}}},"required":["x"],"additionalProperties":false}}"#)
}

fn object(properties: &str, required: &str) -> String {
    format!(r#"{{"type":"object","properties":{{{properties}}},"required":[{required}],"additionalProperties":false}}"#)
}

pub(crate) fn cases() -> Vec<Case> {
    [roots(), parts(), values(), patterns(), references(), strict_rules(), keywords(), sizes(), targets()]
        .into_iter()
        .flatten()
        .collect()
}

fn roots() -> Vec<Case> {
    [
        lax(r#"{"type":"object","properties":{}}"#, "", ""),
        lax("{}", "SW201W ", "SW201W "),
        lax(r#"{"properties":{"x":{"type":"string"}}}"#, "SW201E ", "SW201E "),
        lax(r#"{"type":"string"}"#, "SW201E /type", "SW201E /type"),
        lax(r#"{"type":"array","items":{"type":"string"}}"#, "SW201E /type", "SW201E /type"),
        lax(r#"{"type":["object","null"],"properties":{}}"#, "SW201W /type", "SW201W /type"),
        lax(r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{}}}}"##, "SW201E ", "SW201E "),
        lax(r#"{"type":"object"}"#, "SW203W ", "SW203E "),
        lax(r#"{"type":"object","additionalProperties":true}"#, "SW203W ", "SW203E "),
        lax(r#"{"type":"object","properties":{},"oneOf":[{"required":["a"]}]}"#, "SW202W /oneOf", "SW202E /oneOf"),
        lax(r#"{"type":"object","properties":{},"anyOf":[{"required":["a"]}]}"#, "SW202W /anyOf", "SW202E /anyOf"),
        lax(r#"{"type":"object","properties":{},"allOf":[{"required":["a"]}]}"#, "SW202W /allOf", "SW202E /allOf"),
        lax(r#"{"type":"object","properties":{},"enum":[{}]}"#, "SW202W /enum", "SW202E /enum"),
        lax(r#"{"type":"object","properties":{},"not":{"required":["a"]}}"#, "SW202W /not", "SW202E /not"),
        strict(r#"{"type":"object","properties":{},"required":[],"additionalProperties":false,"anyOf":[{"type":"string"}]}"#, "SW202E /anyOf"),
        strict("{}", "SW201E "),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn parts() -> Vec<Case> {
    let mut cases: Vec<_> = [
        (x(r#"{"type":"array"}"#), "SW204E /properties/x"),
        (x(r#"{"type":"array","items":{}}"#), ""),
        (x(r#"{"type":"array","items":true}"#), ""),
        (x(r#"{"type":["array","null"]}"#), "SW204W /properties/x"),
        (x(r#"{"type":"array","prefixItems":[{"type":"string"}]}"#), "SW204W /properties/x"),
        (x(r#"{"anyOf":[{"type":"array"},{"type":"null"}]}"#), "SW204E /properties/x/anyOf/0"),
        (x(r#"{"type":"array","items":{"type":"array"}}"#), "SW204E /properties/x/items"),
        (x(r#"{"type":"object","properties":{"y":{"type":"array"}}}"#), "SW204E /properties/x/properties/y"),
        (x(r#"{"type":"object","additionalProperties":{"type":"array"}}"#), "SW204W /properties/x/additionalProperties"),
        (r#"{"type":"object","properties":{},"$defs":{"a":{"type":"array"}}}"#.into(), "SW204W /$defs/a"),
        (x(r#"{"type":"object"}"#), ""),
        (x(r#"{"type":"object","additionalProperties":true}"#), ""),
        (x("{}"), ""),
        (x("true"), ""),
        (x(r#"{"description":"anything"}"#), ""),
        (x(r#"{"type":"string","nullable":true,"x-order":1,"example":"a"}"#), ""),
        (x(r#"{"type":"string","format":"uri","minLength":1,"maxLength":9,"default":"a"}"#), ""),
        (x(r#"{"type":["string","null"],"enum":["a",null]}"#), ""),
        (x(r#"{"oneOf":[{"const":"a"},{"const":"b"}]}"#), ""),
        (x(r#"{"allOf":[{"type":"string"}],"not":{"const":"a"}}"#), ""),
        (r#"{"type":"object","properties":{"x":{"type":"string"}},"required":["x","y"]}"#.into(), "SW214N /required/1"),
        (r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{}}"#.into(), ""),
        (r#"{"type":"object","properties":{"items":{"type":"array","items":{"type":"string"}}},"required":["items"]}"#.into(), ""),
    ]
    .into_iter()
    .flat_map(|(schema, expected)| lax(&schema, expected, expected))
    .collect();
    cases.extend(strict(&strict_x(r#"{"type":"array"}"#), "SW204E /properties/x"));
    cases.extend(strict(&strict_x(r#"{"type":"object","additionalProperties":false}"#), "SW203E /properties/x"));
    cases.extend(strict(&strict_x("{}"), "SW205E /properties/x"));
    cases.extend(strict(&strict_x("true"), "SW205E /properties/x"));
    cases.extend(strict(&strict_x(r#"{"enum":["a"]}"#), "SW205W /properties/x"));
    cases.extend(strict(&strict_x(r#"{"type":"array","items":{"description":"a"}}"#), "SW205E /properties/x/items"));
    cases
}

fn values() -> Vec<Case> {
    [
        (r#"{"type":"str"}"#, "SW206E /properties/x/type"),
        (r#"{"type":"String"}"#, "SW206E /properties/x/type"),
        (r#"{"type":"any"}"#, "SW206E /properties/x/type"),
        (r#"{"type":null}"#, "SW206E /properties/x/type"),
        (r#"{"type":[]}"#, "SW206E /properties/x/type"),
        (r#"{"type":["string","string"]}"#, "SW206E /properties/x/type"),
        (r#"{"type":["string",7]}"#, "SW206E /properties/x/type"),
        (r#"{"type":"string","required":true}"#, "SW206E /properties/x/required"),
        (r#"{"type":"object","properties":{},"required":null}"#, "SW206E /properties/x/required"),
        (r#"{"type":"object","properties":{},"required":["a","a"]}"#, "SW206E /properties/x/required"),
        (r#"{"type":"object","properties":{},"required":[7]}"#, "SW206E /properties/x/required"),
        (r#"{"type":"object","properties":[]}"#, "SW206E /properties/x/properties"),
        (r#"{"type":"object","properties":{"y":"string"}}"#, "SW206E /properties/x/properties/y"),
        (r#"{"type":"object","properties":{"y":null}}"#, "SW206E /properties/x/properties/y"),
        (r#"{"type":"string","enum":"a"}"#, "SW206E /properties/x/enum"),
        (r#"{"type":"string","enum":{"a":1}}"#, "SW206E /properties/x/enum"),
        (r#"{"type":"string","enum":[]}"#, "SW215W /properties/x/enum"),
        (r#"{"type":"array","items":"string"}"#, "SW206E /properties/x/items"),
        (r#"{"type":"array","items":null}"#, "SW206E /properties/x/items"),
        (r#"{"type":"array","items":[{"type":"string"}]}"#, "SW215W /properties/x/items"),
        (
            r#"{"type":"object","properties":{},"additionalProperties":"no"}"#,
            "SW206E /properties/x/additionalProperties",
        ),
        (r#"{"anyOf":[]}"#, "SW206E /properties/x/anyOf"),
        (r#"{"anyOf":{"type":"string"}}"#, "SW206E /properties/x/anyOf"),
        (r#"{"oneOf":[7]}"#, "SW206E /properties/x/oneOf/0"),
        (r#"{"type":"string","description":7}"#, "SW206E /properties/x/description"),
        (r#"{"type":"string","description":null}"#, "SW215W /properties/x/description"),
        (r#"{"type":"string","pattern":["a"]}"#, "SW206E /properties/x/pattern"),
        (r#"{"type":"number","minimum":"0"}"#, "SW206E /properties/x/minimum"),
        (r#"{"type":"number","minimum":0,"exclusiveMinimum":true}"#, "SW215W /properties/x/exclusiveMinimum"),
        (r#"{"type":"string","minLength":-1}"#, "SW206E /properties/x/minLength"),
        (r#"{"type":"string","maxLength":null}"#, "SW215W /properties/x/maxLength"),
        (r#"{"type":"array","items":{},"uniqueItems":"yes"}"#, "SW206E /properties/x/uniqueItems"),
        (r#"{"type":"string","examples":"a"}"#, "SW215W /properties/x/examples"),
        (r#"{"not":7}"#, "SW206E /properties/x/not"),
        (r#"{"$ref":7}"#, "SW206E /properties/x/$ref"),
    ]
    .into_iter()
    .flat_map(|(schema, expected)| lax(&x(schema), expected, expected))
    .chain(lax(r#"{"type":"object","properties":{},"$defs":[]}"#, "SW206E /$defs", "SW206E /$defs"))
    .chain([Case::at(Target::GeminiCompat, tool(&x(r#"{"type":"STRING"}"#), false, false), "")])
    .chain([Case::at(
        Target::GeminiCompat,
        tool(&x(r#"{"type":"TEXT"}"#), false, false),
        "SW206W /function/parameters/properties/x/type",
    )])
    .collect()
}

fn patterns() -> Vec<Case> {
    let mut cases = Vec::new();
    for (pattern, code) in [
        ("^(?!-)a", "SW207"),
        ("a(?=b)", "SW207"),
        ("(?<!a)b", "SW207"),
        (r"(a)\\1", "SW208"),
        (r"^\\p{L}$", "SW209"),
        (r"[^\\0]", "SW209"),
        ("[a", "SW210"),
        ("(a", "SW210"),
        ("*", "SW210"),
    ] {
        let schema = format!(r#"{{"type":"string","pattern":"{pattern}"}}"#);
        let at = |severity: char| format!("{code}{severity} /properties/x/pattern");
        cases.extend(lax(&x(&schema), &at('W'), &at('E')));
        cases.extend(strict(&strict_x(&schema), &at('E')));
    }
    for pattern in ["^[a-z]+$", r"^\\d{3}-\\w+$", "^(a|b)?$", "(?:a)(?P<n>b)", r"\\\\1"] {
        let schema = format!(r#"{{"type":"string","pattern":"{pattern}"}}"#);
        cases.extend(lax(&x(&schema), "", ""));
        cases.extend(strict(&strict_x(&schema), ""));
    }
    cases
}

fn references() -> Vec<Case> {
    let with = |reference: &str, more: &str| {
        format!(
            r#"{{"type":"object","properties":{{"x":{{"$ref":"{reference}"{more}}}}},"required":["x"],"additionalProperties":false,"$defs":{{"a":{{"type":"string"}}}}}}"#
        )
    };
    let at = |code: &str| format!("{code} /properties/x/$ref");
    let mut cases = Vec::new();
    for (reference, code) in [
        ("#/$defs/b", "SW211"),
        ("#/definitions/a", "SW211"),
        ("#/$defs/a/type/0", "SW211"),
        ("a.json", "SW212"),
        ("https://example.com/a", "SW212"),
        ("/$defs/a", "SW212"),
    ] {
        let schema = with(reference, "");
        cases.extend(lax(&schema, &at(&format!("{code}W")), &at(&format!("{code}W"))));
        cases.extend(strict(&schema, &at(&format!("{code}E"))));
    }
    for reference in ["#/$defs/a", "#", "#/properties/x", "#/%24defs/a"] {
        cases.extend(lax(&with(reference, ""), "", ""));
        cases.extend(strict(&with(reference, ""), ""));
    }
    cases.extend(lax(&with("#/$defs/a", r#","description":"d""#), "", ""));
    cases.extend(strict(&with("#/$defs/a", r#","description":"d""#), &at("SW311E")));
    cases
}

fn strict_rules() -> Vec<Case> {
    let a = r#""a":{"type":"string"}"#;
    let inner = |more: &str| object(&format!(r#""x":{{"type":"object","properties":{{{a}}}{more}}}"#), r#""x""#);
    [
        strict(&object("", ""), ""),
        strict(&object(a, r#""a""#), ""),
        strict(&object(a, ""), "SW301E /required"),
        strict(&format!(r#"{{"type":"object","properties":{{{a}}},"additionalProperties":false}}"#), "SW301E "),
        strict(&inner(r#","additionalProperties":false"#), "SW301E /properties/x"),
        strict(&object(a, r#""a","b""#), "SW302E /required/1"),
        strict(&object(a, r#""b""#), "SW301E /required; SW302E /required/0"),
        strict(&format!(r#"{{"type":"object","properties":{{{a}}},"required":["a"]}}"#), "SW303E "),
        strict(&inner(r#","required":["a"]"#), "SW303E /properties/x"),
        strict(&inner(r#","required":["a"],"additionalProperties":true"#), "SW303E /properties/x/additionalProperties"),
        strict(
            &inner(r#","required":["a"],"additionalProperties":{"type":"string"}"#),
            "SW303E /properties/x/additionalProperties",
        ),
        strict(&strict_x(r#"{"type":["object","null"],"properties":{},"required":[]}"#), "SW303E /properties/x"),
        strict(
            &format!(r#"{{"type":"object","properties":{{}},"required":[],"additionalProperties":false,"$defs":{{"d":{{"type":"object","properties":{{{a}}}}}}}}}"#),
            "SW301E /$defs/d; SW303E /$defs/d",
        ),
        strict(&strict_x(r#"{"type":"array","items":{"type":"object","properties":{},"required":[]}}"#), "SW303E /properties/x/items"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn keywords() -> Vec<Case> {
    let mut cases = Vec::new();
    for (schema, key) in [
        (r#"{"allOf":[{"type":"string"}]}"#, "allOf"),
        (r#"{"oneOf":[{"type":"string"}]}"#, "oneOf"),
        (r#"{"type":"string","not":{"type":"null"}}"#, "not"),
        (
            r#"{"type":"object","properties":{},"required":[],"additionalProperties":false,"dependentRequired":{}}"#,
            "dependentRequired",
        ),
        (
            r#"{"type":"object","properties":{},"required":[],"additionalProperties":false,"dependentSchemas":{}}"#,
            "dependentSchemas",
        ),
        (r#"{"type":"string","if":{"type":"string"}}"#, "if"),
        (r#"{"type":"string","then":{"type":"string"}}"#, "then"),
        (r#"{"type":"string","else":{"type":"string"}}"#, "else"),
    ] {
        cases.extend(strict(&strict_x(schema), &format!("SW304E /properties/x/{key}")));
    }
    for format in ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"] {
        cases.extend(strict(&strict_x(&format!(r#"{{"type":"string","format":"{format}"}}"#)), ""));
    }
    for format in ["uri", "int32", "regex", "Date", ""] {
        let schema = strict_x(&format!(r#"{{"type":"string","format":"{format}"}}"#));
        cases.extend(strict(&schema, "SW305E /properties/x/format"));
    }
    for schema in [
        r#"{"type":"number","minimum":0,"maximum":9,"exclusiveMinimum":0,"exclusiveMaximum":9,"multipleOf":1}"#,
        r#"{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":9}"#,
        r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#,
        r#"{"type":["string","null"],"enum":["a",null]}"#,
        r#"{"type":"string","const":"a","title":"A","description":"a"}"#,
    ] {
        cases.extend(strict(&strict_x(schema), ""));
    }
    cases.extend(strict(&strict_x(r#"{"type":"string","default":"a"}"#), "SW315W /properties/x/default"));
    cases.push(Case::at(
        Target::Azure,
        tool(&strict_x(r#"{"type":"string","default":"a"}"#), false, true),
        "SW315E /function/parameters/properties/x/default",
    ));
    let branch = |key: &str, value: &str| object(&format!(r#""{key}":{value}"#), &format!(r#""{key}""#));
    let any = |branches: [String; 2]| strict_x(&format!(r#"{{"anyOf":[{}]}}"#, branches.join(",")));
    let (text, one, two) =
        (r#"{"type":"string"}"#, r#"{"type":"string","const":"1"}"#, r#"{"type":"string","const":"2"}"#);
    cases.extend(strict(&any([branch("a", text), branch("a", text)]), "SW312W /properties/x/anyOf/1/properties/a"));
    cases.extend(strict(&any([branch("a", text), branch("b", text)]), ""));
    cases.extend(strict(&any([branch("a", one), branch("a", two)]), ""));
    let fine_tuned = |schema: &str| {
        let tools = format!(r#","tools":[{}]"#, tool(&strict_x(schema), false, true));
        chat(&tools).replace("gpt-4o", "ft:gpt-4o-mini:a::b")
    };
    for (schema, key) in [
        (r#"{"type":"string","minLength":1}"#, "minLength"),
        (r#"{"type":"string","maxLength":1}"#, "maxLength"),
        (r#"{"type":"string","pattern":"a"}"#, "pattern"),
        (r#"{"type":"string","format":"date"}"#, "format"),
        (r#"{"type":"number","minimum":1}"#, "minimum"),
        (r#"{"type":"number","maximum":1}"#, "maximum"),
        (r#"{"type":"number","multipleOf":1}"#, "multipleOf"),
        (r#"{"type":"array","items":{"type":"string"},"minItems":1}"#, "minItems"),
        (r#"{"type":"array","items":{"type":"string"},"maxItems":1}"#, "maxItems"),
    ] {
        let at = format!("SW313E /tools/0/function/parameters/properties/x/{key}");
        cases.push(Case::new(fine_tuned(schema), at));
    }
    cases.push(Case::new(fine_tuned(r#"{"type":"string"}"#), ""));
    let unset = |schema: &str| format!(r#"{{"type":"function","name":"f","parameters":{schema}}}"#);
    cases.push(Case::new(unset(&strict_x(r#"{"type":"string"}"#)), ""));
    cases.push(Case::new(unset(&x(r#"{"type":"string"}"#)), "SW314N "));
    cases.push(Case::new(unset(&x(r#"{"type":"array"}"#)), "SW204E /parameters/properties/x"));
    cases
}

fn sizes() -> Vec<Case> {
    let properties = |count: usize| {
        let (mut properties, mut required) = (String::new(), String::new());
        for n in 0..count {
            let comma = if n > 0 { "," } else { "" };
            let _ = write!(properties, r#"{comma}"p{n}":{{"type":"string"}}"#);
            let _ = write!(required, r#"{comma}"p{n}""#);
        }
        object(&properties, &required)
    };
    // Levels of objects: the root is one.
    let nested =
        |levels: usize| (1..levels).fold(object("", ""), |inner, _| object(&format!(r#""a":{inner}"#), r#""a""#));
    let deep = |levels: usize| "/properties/a".repeat(levels);
    let in_arrays = |levels: usize| {
        (1..levels)
            .fold(object("", ""), |inner, _| object(&format!(r#""a":{{"type":"array","items":{inner}}}"#), r#""a""#))
    };
    let key = |length: usize| {
        object(&format!(r#""{}":{{"type":"string"}}"#, "k".repeat(length)), &format!(r#""{}""#, "k".repeat(length)))
    };
    let values = |count: usize, length: usize, last: usize| {
        let value = |n: usize| format!(r#""{n:0>width$}""#, width = if n + 1 == count { last } else { length });
        strict_x(&format!(r#"{{"type":"string","enum":[{}]}}"#, (0..count).map(value).collect::<Vec<_>>().join(",")))
    };
    [
        strict(&properties(5_000), ""),
        strict(&properties(5_001), "SW306E "),
        strict(&nested(10), ""),
        strict(&nested(11), &format!("SW307W {}", deep(10))),
        strict(&nested(12), &format!("SW307E {}", deep(11))),
        strict(&in_arrays(5), ""),
        strict(&in_arrays(6), &format!("SW307W {}", "/properties/a/items".repeat(5))),
        strict(&key(120_000), ""),
        strict(&key(120_001), "SW308E "),
        strict(&values(1_000, 4, 4), ""),
        strict(&values(1_001, 4, 4), "SW309E "),
        strict(&values(250, 100, 100), ""),
        strict(&values(300, 50, 50), ""),
        strict(&values(300, 50, 51), "SW310E /properties/x/enum"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn targets() -> Vec<Case> {
    let at = |target: Target, schema: &str, expected: &str| {
        Case::at(target, tool(schema, false, false), below(expected, false))
    };
    let (anthropic, gemini) = (Target::AnthropicCompat, Target::GeminiCompat);
    let dialect = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{}}"#;
    vec![
        at(anthropic, dialect, "SW213W /$schema"),
        at(gemini, dialect, ""),
        at(anthropic, r#"{"type":"object"}"#, ""),
        at(gemini, r#"{"type":"object"}"#, "SW203W "),
        at(gemini, &x(r#"{"type":"object"}"#), ""),
        at(anthropic, &x(r#"{"type":"array"}"#), ""),
        at(gemini, &x(r#"{"type":"array"}"#), "SW204E /properties/x"),
        at(anthropic, r#"{"type":"object","properties":{},"anyOf":[{"required":["a"]}]}"#, "SW202E /anyOf"),
        at(gemini, r#"{"type":"object","properties":{},"anyOf":[{"required":["a"]}]}"#, "SW202W /anyOf"),
        at(gemini, r#"{"type":"object","properties":{},"required":["a"]}"#, "SW214E /required/0"),
        at(anthropic, &x(r#"{"type":"string","pattern":"^(?!a)"}"#), ""),
        at(anthropic, &x(r#"{"type":"str"}"#), "SW206E /properties/x/type"),
        Case::at(anthropic, tool(&x(r#"{"type":"string"}"#), false, true), ""),
    ]
}
