//! SW1: tools, in both shapes and for each target.

use seawall_core::request::lint::Target;

use crate::corpus::Case;
use crate::documents::{chat, responses};

fn named(name: &str) -> [String; 2] {
    [
        format!(r#"{{"type":"function","function":{{"name":"{name}"}}}}"#),
        format!(r#"{{"type":"function","name":"{name}"}}"#),
    ]
}

fn list(tools: &[String]) -> String {
    format!(r#","tools":[{}]"#, tools.join(","))
}

pub(crate) fn cases() -> Vec<Case> {
    [names(), descriptions(), counts(), forms(), doubles(), fields()].into_iter().flatten().collect()
}

fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    for wrong in ["a b", "a.b", "a/b", "a:b", "é", "a\\nb", " ", "天气", "a\\u0000", "mcp::f"] {
        let [nested, flat] = named(wrong);
        let nul = |pointer: &str| if wrong.contains("u0000") { format!("; SW005W {pointer}") } else { String::new() };
        cases.push(Case::new(nested.clone(), format!("SW101E /function/name{}", nul("/function/name"))));
        cases.push(Case::new(flat.clone(), format!("SW101E /name{}", nul("/name"))));
        let (at, beside) = ("/tools/0/function/name", nul("/tools/0/function/name"));
        cases.push(Case::new(chat(&list(&[nested])), format!("SW101E {at}{beside}")));
        cases.push(Case::new(responses(&list(&[flat])), format!("SW101E /tools/0/name{}", nul("/tools/0/name"))));
    }
    for right in ["f", "A-b_9", "-", "_"] {
        cases.extend(named(right).map(|tool| Case::new(tool, "")));
    }
    for (length, in_chat, in_responses) in [
        (64, "", ""),
        (65, "SW102E /function/name", ""),
        (128, "SW102E /function/name", ""),
        (129, "SW102E /function/name", "SW102E /name"),
    ] {
        let [nested, flat] = named(&"n".repeat(length));
        cases.push(Case::new(nested.clone(), in_chat));
        cases.push(Case::new(flat, in_responses));
        let at_anthropic = if length > 128 { "SW102E /function/name" } else { "" };
        cases.push(Case::at(Target::AnthropicCompat, nested.clone(), at_anthropic));
        cases.push(Case::at(Target::GeminiCompat, nested, in_chat));
    }
    let [dotted, _] = named("a.b");
    cases.push(Case::at(Target::GeminiCompat, dotted.clone(), "SW101W /function/name"));
    cases.push(Case::at(Target::AnthropicCompat, dotted.clone(), "SW101E /function/name"));
    cases.push(Case::at(Target::Azure, dotted, "SW101E /function/name"));
    for (wrong, at) in [(r#""""#, "/name"), ("7", "/name"), ("null", "/name")] {
        cases.push(Case::new(
            format!(r#"{{"type":"function","function":{{"name":{wrong}}}}}"#),
            format!("SW103E /function{at}"),
        ));
        cases.push(Case::new(format!(r#"{{"type":"function","name":{wrong}}}"#), format!("SW103E {at}")));
    }
    cases.push(Case::new(r#"{"type":"function","function":{}}"#, "SW103E /function"));
    cases.push(Case::at(
        Target::OpenaiResponses,
        r#"{"type":"function","parameters":{"type":"object","properties":{}},"strict":false}"#,
        "SW103E ",
    ));
    cases.push(Case::new(r#"{"type":"custom","custom":{"name":"a b"}}"#, "SW101E /custom/name"));
    cases.push(Case::new(responses(r#","tools":[{"type":"custom","name":"a b"}]"#), "SW101E /tools/0/name"));
    cases.push(Case::new(
        responses(r#","tools":[{"type":"namespace","name":"a.b","description":"d","tools":[{"type":"function","name":"c d"}]}]"#),
        "SW410E /tools/0/name; SW101E /tools/0/tools/0/name",
    ));
    cases.push(Case::new(chat(r#","functions":[{"name":"a b"}]"#), "SW101E /functions/0/name"));
    cases
}

fn descriptions() -> Vec<Case> {
    let described = |length: usize| {
        let text = "é".repeat(length);
        [
            format!(r#"{{"type":"function","function":{{"name":"f","description":"{text}"}}}}"#),
            format!(r#"{{"type":"function","name":"f","description":"{text}"}}"#),
        ]
    };
    let [in_chat, in_responses] = described(1_025);
    let mut cases: Vec<_> = described(1_024).map(|tool| Case::new(tool, "")).into();
    cases.push(Case::at(Target::AnthropicCompat, in_chat.clone(), ""));
    cases.push(Case::at(Target::Azure, in_chat.clone(), "SW104W /function/description"));
    cases.push(Case::new(in_chat, "SW104W /function/description"));
    cases.push(Case::new(in_responses, "SW104W /description"));
    cases
}

fn counts() -> Vec<Case> {
    let many = |count: usize| -> [String; 2] {
        let tools: Vec<_> = (0..count).map(|n| named(&format!("f{n}"))).collect();
        [0, 1].map(|form| list(&tools.iter().map(|forms| forms[form].clone()).collect::<Vec<_>>()))
    };
    let mut cases = Vec::new();
    for (count, expected) in [
        (1, ""),
        (20, ""),
        (21, "SW107N /tools"),
        (128, "SW107N /tools"),
        (129, "SW105E /tools"),
        (300, "SW105E /tools"),
    ] {
        let [nested, flat] = many(count);
        cases.push(Case::new(chat(&nested), expected));
        cases.push(Case::new(responses(&flat), expected));
        let at_gemini = if count > 128 { "SW105W /tools" } else { "" };
        cases.push(Case::at(Target::GeminiCompat, chat(&nested), at_gemini));
        cases.push(Case::at(Target::AnthropicCompat, chat(&nested), ""));
    }
    cases.extend([
        Case::new(chat(r#","tools":[]"#), "SW106E /tools"),
        Case::at(Target::GeminiCompat, chat(r#","tools":[]"#), "SW106W /tools"),
        Case::new(responses(r#","tools":[]"#), ""),
        Case::new(chat(r#","tools":null"#), ""),
        Case::new(chat(r#","functions":[]"#), "SW106E /functions"),
    ]);
    cases
}

fn forms() -> Vec<Case> {
    let [nested, flat] = named("f");
    let schema = r#"{"type":"object","properties":{"x":{"type":"array"}}}"#;
    vec![
        Case::new(chat(&list(std::slice::from_ref(&flat))), "SW109E /tools/0"),
        Case::new(responses(&list(std::slice::from_ref(&nested))), "SW108E /tools/0/function"),
        Case::at(Target::OpenaiChat, flat.clone(), "SW109E "),
        Case::at(Target::OpenaiResponses, nested.clone(), "SW108E /function"),
        Case::at(Target::Azure, flat.clone(), ""),
        Case::at(Target::Azure, nested.clone(), ""),
        Case::at(Target::AnthropicCompat, flat, "SW109W "),
        Case::at(Target::AnthropicCompat, nested, ""),
        Case::new(chat(r#","tools":[{"type":"web_search"}]"#), "SW110W /tools/0/type"),
        Case::new(
            responses(r#","tools":[{"type":"web_search_preview_2025_03_11"},{"type":"mcp","server_label":"a"}]"#),
            "",
        ),
        Case::new(responses(r#","tools":[{"type":"websearch"}]"#), "SW110W /tools/0/type"),
        Case::at(Target::AnthropicCompat, chat(r#","tools":[{"type":"bash_20250124","name":"bash"}]"#), ""),
        Case::new(chat(r#","tools":[{"name":"f"}]"#), "SW111E /tools/0"),
        Case::new(chat(r#","tools":[{"type":7,"function":{"name":"f"}}]"#), "SW111E /tools/0/type"),
        Case::new(responses(r#","tools":[{"name":"f"}]"#), "SW111E /tools/0"),
        Case::new(r#"{"name":"f","parameters":{"type":"object","properties":{}}}"#, "SW111N "),
        Case::new(chat(r#","functions":[{"name":"f"}]"#), ""),
        Case::new(
            format!(r#"{{"name":"f","inputSchema":{schema}}}"#),
            "SW116N /inputSchema; SW204E /inputSchema/properties/x",
        ),
        Case::new(
            r#"{"tools":[{"name":"a.b","inputSchema":{"type":"object"}}]}"#,
            "SW101W /tools/0/name; SW116N /tools/0/inputSchema; SW203W /tools/0/inputSchema",
        ),
        Case::new(
            r#"[{"name":"f","inputSchema":{"type":"object","properties":{}}},{"name":"g","inputSchema":{"type":"object","properties":{}}}]"#,
            "SW116N /0/inputSchema",
        ),
        Case::new(
            chat(
                r#","tools":[{"name":"f","inputSchema":{"type":"object","properties":{}}},{"name":"g","inputSchema":{"type":"object","properties":{}}}]"#,
            ),
            "SW116E /tools/0/inputSchema; SW116E /tools/1/inputSchema",
        ),
        Case::new(format!(r#"{{"name":"f","input_schema":{schema}}}"#), ""),
        Case::at(
            Target::OpenaiChat,
            format!(r#"{{"name":"f","input_schema":{schema}}}"#),
            "SW116N /input_schema; SW204E /input_schema/properties/x",
        ),
        Case::at(
            Target::OpenaiChat,
            chat(r#","tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]"#),
            "SW116E /tools/0/input_schema",
        ),
        Case::new(
            responses(r#","tools":[{"name":"f","inputSchema":{"type":"object","properties":{}}}]"#),
            "SW116E /tools/0/inputSchema",
        ),
    ]
}

fn doubles() -> Vec<Case> {
    let [nested, flat] = named("f");
    let twice = |tool: &String| list(&[tool.clone(), tool.clone()]);
    vec![
        Case::new(chat(&twice(&nested)), "SW112W /tools/1/function/name"),
        Case::new(responses(&twice(&flat)), "SW112W /tools/1/name"),
        Case::at(Target::AnthropicCompat, chat(&twice(&nested)), "SW112E /tools/1/function/name"),
        Case::at(Target::GeminiCompat, chat(&twice(&nested)), "SW112E /tools/1/function/name"),
        Case::new(
            chat(
                r#","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"F"}}]"#,
            ),
            "",
        ),
        Case::new(chat(&format!(r#"{},"functions":[{{"name":"g"}}]"#, list(&[nested]))), "SW113E /functions"),
    ]
}

fn fields() -> Vec<Case> {
    let both = |field: &str, code: &str, key: &str| {
        [
            Case::new(
                format!(r#"{{"type":"function","function":{{"name":"f",{field}}}}}"#),
                format!("{code} /function/{key}"),
            ),
            Case::new(format!(r#"{{"type":"function","name":"f",{field}}}"#), format!("{code} /{key}")),
        ]
    };
    let mut cases = Vec::new();
    for (field, code, key) in [
        (r#""description":7"#, "SW117E", "description"),
        (r#""description":["a"]"#, "SW117E", "description"),
        (r#""strict":"true""#, "SW117E", "strict"),
        (r#""strict":1"#, "SW117E", "strict"),
        (r#""parameters":"{}""#, "SW118E", "parameters"),
        (r#""parameters":[]"#, "SW118E", "parameters"),
        (r#""parameters":true"#, "SW118E", "parameters"),
    ] {
        cases.extend(both(field, code, key));
    }
    cases.extend([
        Case::new(
            r#"{"type":"function","function":{"name":"f","description":null,"strict":null,"parameters":null}}"#,
            "",
        ),
        Case::new(r#"{"type":"function","function":"f"}"#, "SW117E /function"),
        Case::new(chat(r#","tools":{"f":1}"#), "SW115E /tools"),
        Case::new(responses(r#","tools":"f""#), "SW115E /tools"),
        Case::new(chat(r#","tools":[null,7,["f"]]"#), "SW114E /tools/0; SW114E /tools/1; SW114E /tools/2"),
        Case::new(responses(r#","tools":["f"]"#), "SW114E /tools/0"),
    ]);
    cases
}
