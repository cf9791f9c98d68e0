//! SW0 and SW5: the document, and what a request asks for.

use seawall_core::request::lint::{Target, rule::RULES};

use crate::checks::look;
use crate::corpus::Case;

/// A Chat request with more members.
pub(crate) fn chat(more: &str) -> String {
    format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":"hi, JSON"}}]{more}}}"#)
}

/// A Responses request with more members.
pub(crate) fn responses(more: &str) -> String {
    format!(r#"{{"model":"gpt-4o","input":[{{"role":"user","content":"hi, JSON"}}]{more}}}"#)
}

const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}]"#;
const FLAT: &str = r#","tools":[{"type":"function","name":"f"},{"type":"custom","name":"c"},{"type":"web_search"}]"#;

pub(crate) fn cases() -> Vec<Case> {
    [examples(), documents(), choices(), formats(), metadata(), options()].into_iter().flatten().collect()
}

/// Each rule's own documents.
fn examples() -> Vec<Case> {
    let pointer =
        |document: &str| look(document.as_bytes(), None).findings.first().map(|finding| finding.pointer.clone());
    let good = RULES.iter().filter(|rule| !rule.good.is_empty()).map(|rule| Case::new(rule.good, ""));
    // That it is the right rule and the only one is said by the test of the rules; here they are counted.
    let bad = RULES.iter().filter(|rule| !rule.bad.is_empty()).map(|rule| {
        let found = crate::corpus::found(rule.bad, None);
        assert!(found.starts_with(rule.code) && pointer(rule.bad).is_some());
        Case::new(rule.bad, found)
    });
    bad.chain(good).collect()
}

fn documents() -> Vec<Case> {
    let text = |inside: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{inside}"}}]}}"#);
    let nested = |depth: usize| format!(r#"{{"model":"m","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let many = |values: usize| format!(r#"{{"model":"m","x":[{}1]}}"#, "1,".repeat(values));
    vec![
        Case::new("", "SW001E "),
        Case::new("{", "SW001E "),
        Case::new("null", "SW009W "),
        Case::new("[]", ""),
        Case::new("[1]", "SW009W "),
        Case::new(r#""text""#, "SW009W "),
        Case::new(r#"{"model":"m",}"#, "SW001E "),
        Case::new("{'model':'m'}", "SW001E "),
        Case::new(r#"{"model":None}"#, "SW001E "),
        Case::new(r#"{"model":"m","temperature":NaN}"#, "SW001E "),
        Case::new(r#"{"model":"m"} {"#, "SW001E "),
        Case::new("// c\n{\"model\":\"m\"}", "SW001E "),
        Case::new("\u{feff}{\"model\":\"m\"}", "SW001E "),
        Case::new(text("\\ud800"), "SW003E /messages/0/content"),
        Case::new(text("\\udc00x"), "SW003E /messages/0/content"),
        Case::new(text("\\ud83d\\ude00"), ""),
        Case::new(text("a\tb"), "SW004E /messages/0/content"),
        Case::new(text("a\u{7f}\u{85}b"), ""),
        Case::new(text("\\u0000"), "SW005W /messages/0/content"),
        Case::new(text("\\u0001"), ""),
        Case::new(r#"{"model":"m","a\nb":1,"a\u000ab":2}"#, "SW006W "),
        Case::new(r#"{"model":"m","model":"m","model":"m"}"#, "SW006W /model; SW006W /model"),
        Case::new(r#"{"model":"m","x":{"a":1,"A":2}}"#, ""),
        Case::new(nested(255), ""),
        Case::new(nested(256), "SW007W "),
        Case::new(many((1 << 20) - 4), ""),
        Case::new(many((1 << 20) - 3), "SW008W "),
        Case::at(Target::OpenaiChat, r#"{"a":1}"#, "SW009W "),
    ]
}

fn choices() -> Vec<Case> {
    let with = |choice: &str| chat(&format!(r#"{TOOLS},"tool_choice":{choice}"#));
    let flat = |choice: &str| responses(&format!(r#"{FLAT},"tool_choice":{choice}"#));
    let mut cases = Vec::new();
    for word in [r#""auto""#, r#""none""#, r#""required""#, "null"] {
        cases.push(Case::new(with(word), ""));
        cases.push(Case::new(flat(word), ""));
    }
    for wrong in [r#""any""#, r#""f""#, "true", "{}", r#"{"type":"tool","name":"f"}"#] {
        cases.push(Case::new(with(wrong), "SW504E /tool_choice"));
        cases.push(Case::new(flat(wrong), "SW504E /tool_choice"));
    }
    cases.extend([
        Case::new(with(r#"{"type":"function","function":{"name":"f"}}"#), ""),
        Case::new(with(r#"{"type":"custom","custom":{"name":"c"}}"#), ""),
        Case::new(with(r#"{"type":"function","function":{"name":"g"}}"#), "SW501E /tool_choice/function/name"),
        Case::new(with(r#"{"type":"function","name":"f"}"#), "SW503E /tool_choice"),
        Case::new(with(r#"{"type":"function"}"#), "SW503E /tool_choice"),
        Case::new(
            with(r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}}"#),
            "SW501E /tool_choice/allowed_tools/tools/1/function/name",
        ),
        Case::new(flat(r#"{"type":"function","name":"f"}"#), ""),
        Case::new(flat(r#"{"type":"web_search"}"#), ""),
        Case::new(flat(r#"{"type":"custom","name":"c"}"#), ""),
        Case::new(flat(r#"{"type":"function","name":"g"}"#), "SW501E /tool_choice/name"),
        Case::new(flat(r#"{"type":"function","function":{"name":"f"}}"#), "SW503E /tool_choice"),
        Case::new(flat(r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"g"}]}"#), "SW501E /tool_choice/tools/0/name"),
        Case::new(chat(r#","tool_choice":"required""#), "SW502E /tool_choice"),
        Case::new(chat(r#","tool_choice":"auto""#), "SW502W /tool_choice"),
        Case::new(chat(r#","tool_choice":{"type":"function","function":{"name":"f"}}"#), "SW502E /tool_choice"),
        Case::new(chat(r#","function_call":"auto""#), "SW502E /function_call"),
        Case::new(chat(r#","functions":[{"name":"f"}],"function_call":{"name":"f"}"#), ""),
        Case::new(responses(r#","tool_choice":"auto""#), ""),
        Case::new(responses(r#","tool_choice":"required""#), "SW502E /tool_choice"),
        Case::new(responses(r#","tool_choice":{"type":"function","name":"f"}"#), "SW502E /tool_choice"),
    ]);
    cases
}

fn formats() -> Vec<Case> {
    let named = |name: &str| {
        let inner = format!(r#""name":"{name}","schema":{{"type":"object","properties":{{}}}}"#);
        [
            chat(&format!(r#","response_format":{{"type":"json_schema","json_schema":{{{inner}}}}}"#)),
            responses(&format!(r#","text":{{"format":{{"type":"json_schema",{inner}}}}}"#)),
        ]
    };
    let places = ["/response_format/json_schema", "/text/format"];
    let mut cases = Vec::new();
    let (longest, longer) = ("a".repeat(64), "a".repeat(65));
    for (name, is_right) in
        [("a-b_C9", true), (&*longest, true), (&*longer, false), ("a b", false), ("é", false), ("", false)]
    {
        for (document, place) in named(name).into_iter().zip(places) {
            let expected = if is_right { String::new() } else { format!("SW505E {place}/name") };
            cases.push(Case::new(document, expected));
        }
    }
    let strict = r#""name":"a","strict":true,"schema":{"type":"object","properties":{"x":{"type":"string"}},"additionalProperties":false}"#;
    cases.extend([
        Case::new(
            chat(&format!(r#","response_format":{{"type":"json_schema","json_schema":{{{strict}}}}}"#)),
            "SW301E /response_format/json_schema/schema",
        ),
        Case::new(
            responses(&format!(r#","text":{{"format":{{"type":"json_schema",{strict}}}}}"#)),
            "SW301E /text/format/schema",
        ),
        Case::new(
            chat(r#","response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}"#),
            "SW506E /response_format/json_schema",
        ),
        Case::new(
            chat(r#","response_format":{"type":"json_schema","json_schema":{"name":"a"}}"#),
            "SW506W /response_format/json_schema",
        ),
        Case::new(
            chat(r#","response_format":{"type":"json_schema","json_schema":{"name":"a","schema":"{}"}}"#),
            "SW118E /response_format/json_schema/schema",
        ),
        Case::new(chat(r#","response_format":{"type":"json_schema"}"#), "SW506E /response_format"),
        Case::new(
            responses(r#","text":{"format":{"type":"json_schema","json_schema":{"name":"a","schema":{}}}}"#),
            "SW506E /text/format; SW506E /text/format",
        ),
        Case::new(responses(r#","text":{"format":{"type":"json_schema","name":"a"}}"#), "SW506E /text/format"),
        Case::new(chat(r#","response_format":{"type":"json_object"}"#), ""),
        Case::new(chat(r#","response_format":{"type":"text"}"#), ""),
        Case::new(responses(r#","response_format":{"type":"text"}"#), "SW507E /response_format"),
    ]);
    cases
}

fn metadata() -> Vec<Case> {
    let pairs = |count: usize| {
        let pairs: Vec<_> = (0..count).map(|n| format!(r#""k{n}":"v""#)).collect();
        format!(r#","metadata":{{{}}}"#, pairs.join(","))
    };
    let key = |length: usize| format!(r#","metadata":{{"{}":"v"}}"#, "k".repeat(length));
    let value = |length: usize| format!(r#","metadata":{{"k":"{}"}}"#, "é".repeat(length));
    let mut cases = Vec::new();
    for build in [chat, responses] {
        cases.extend([
            Case::new(build(&pairs(16)), ""),
            Case::new(build(&pairs(17)), "SW509E /metadata"),
            Case::new(build(&key(64)), ""),
            Case::new(build(&key(65)), format!("SW510E /metadata/{}", "k".repeat(65))),
            Case::new(build(&value(512)), ""),
            Case::new(build(&value(513)), "SW511E /metadata/k"),
            Case::new(build(r#","metadata":{"k":null}"#), "SW511E /metadata/k"),
            Case::new(build(r#","metadata":[]"#), "SW511E /metadata"),
            Case::new(build(r#","metadata":null"#), ""),
        ]);
    }
    cases
}

fn options() -> Vec<Case> {
    vec![
        Case::new(chat(r#","parallel_tool_calls":false"#), "SW512E /parallel_tool_calls"),
        Case::new(chat(&format!(r#"{TOOLS},"parallel_tool_calls":false"#)), ""),
        Case::new(responses(r#","parallel_tool_calls":true"#), ""),
        Case::new(chat(r#","stream":false,"stream_options":{"include_usage":true}"#), "SW513E /stream_options"),
        Case::new(chat(r#","stream":true,"stream_options":{"include_usage":true}"#), ""),
        Case::new(chat(r#","stream":false,"stream_options":null"#), ""),
        Case::new(responses(r#","stream_options":{"include_obfuscation":false}"#), "SW513W /stream_options"),
        Case::new(r#"{"model":"m","messages":{}}"#, "SW514E /messages"),
        Case::new(r#"{"model":"m","messages":[]}"#, "SW514E /messages"),
        Case::at(Target::OpenaiResponses, chat(""), "SW507E /messages"),
        Case::at(Target::OpenaiChat, responses(""), "SW508W /input"),
        Case::new(
            responses(r#","max_tokens":5,"reasoning_effort":"low""#),
            "SW507E /max_tokens; SW507E /reasoning_effort",
        ),
        Case::new(chat(r#","reasoning":{"effort":"low"}"#), "SW508W /reasoning"),
        Case::at(Target::GeminiCompat, chat(r#","reasoning":{"effort":"low"}"#), ""),
        Case::new(chat(r#","max_tokens":5,"reasoning_effort":"low","verbosity":"low""#), ""),
        Case::new(responses(r#","max_output_tokens":5,"reasoning":{"effort":"low"},"instructions":"x""#), ""),
    ]
}

#[test]
fn bytes_that_are_no_utf8_are_shown() {
    let document = b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\xff\xfeb\"}]}";
    let report = look(document, None);
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((finding.rule.code, &*finding.pointer), ("SW002", "/messages/0/content"));
    assert_eq!(&document[finding.span.clone()], b"\xff");
}
