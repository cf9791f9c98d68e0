//! What holds for any document: no panic, places that are right, fixes that settle.

use proptest::prelude::*;
use seawall_core::request::lint::rule::RULES;
use seawall_core::request::lint::{FINDINGS_MAX, Kind, Severity, Target, fixed, lint};

use crate::checks::{any_document_is_looked_at, document_of, look};
use crate::documents::chat;

/// A request in which much can go wrong by changing a byte.
const REQUEST: &str = r##"{"model":"gpt-4o","messages":[{"role":"user","content":"été 😀 \u00e9 \ud83d\ude00"},
  {"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"get.weather","arguments":"{}"}}]},
  {"role":"tool","tool_call_id":"c1","content":"{\"content\":[{\"type\":\"text\"}]}"}],
  "tools":[{"type":"function","function":{"name":"get.weather","strict":true,"description":"d","parameters":
    {"type":"object","properties":{"a":{"type":"string","pattern":"(?=a)"},"é":{"$ref":"#/$defs/d","title":"t"},
     "c":{"allOf":[{"$ref":"#/$defs/d"}],"default":null},"e":{"type":"array","items":{"type":"object","properties":{}}}},
     "required":["a"],"$defs":{"d":{"type":"object","properties":{"x":{"type":["string","null"],"enum":["y",null]}}}}}}}],
  "tool_choice":{"type":"function","function":{"name":"get.weather"}},"metadata":{"k":"v"}}"##;

fn target() -> impl Strategy<Value = Option<Target>> {
    prop::option::of(prop::sample::select(Target::ALL))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..200), target in target()) {
        any_document_is_looked_at(&bytes, target);
    }

    #[test]
    fn any_text_of_json_pieces_is_looked_at(
        pieces in prop::collection::vec(
            prop::sample::select(&[
                "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "\"type\"", "\"object\"", "\"properties\"",
                "\"tools\"", "\"messages\"", "\"name\"", "\"$ref\"", "\"#\"", "null", "true", "1", " ", "é", "\n",
                "\"allOf\"", "\"required\"", "\"function\"", "\"parameters\"", "\"strict\"",
            ][..]),
            0..60,
        ),
        target in target(),
    ) {
        any_document_is_looked_at(pieces.concat().as_bytes(), target);
    }

    #[test]
    fn a_request_with_any_bytes_changed_is_looked_at(
        changes in prop::collection::vec((0..REQUEST.len(), any::<u8>()), 0..4),
        target in target(),
    ) {
        let mut bytes = REQUEST.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        any_document_is_looked_at(&bytes, target);
    }

    #[test]
    fn a_request_with_any_part_taken_out_or_put_twice_is_looked_at(
        start in 0..REQUEST.len(),
        len in 0..80usize,
        is_twice in any::<bool>(),
        target in target(),
    ) {
        let end = (start + len).min(REQUEST.len());
        let bytes = REQUEST.as_bytes();
        let middle = if is_twice { [&bytes[start..end], &bytes[start..end]].concat() } else { Vec::new() };
        any_document_is_looked_at(&[&bytes[..start], &middle, &bytes[end..]].concat(), target);
    }
}

/// Requests whose values are moved about as values: they stay JSON, so that rules and fixes are reached.
#[derive(Debug, Clone)]
enum Json {
    Plain(&'static str),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    fn write(&self) -> String {
        match self {
            Json::Plain(text) => (*text).to_owned(),
            Json::List(list) => format!("[{}]", list.iter().map(Json::write).collect::<Vec<_>>().join(", ")),
            Json::Object(members) => {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("\"{key}\": {}", value.write())).collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }
}

/// Schemas, right and wrong.
fn schema() -> impl Strategy<Value = Json> {
    let plain = prop::sample::select(
        &[
            "\"object\"",
            "\"array\"",
            "\"string\"",
            "null",
            "true",
            "false",
            "7",
            "[]",
            "{}",
            "\"#/$defs/a\"",
            "\"#\"",
            "[\"a\"]",
            "[\"a\",\"b\"]",
            "\"(?=a)\"",
            "{\"type\":\"string\"}",
            "\"uri\"",
            "[\"string\",\"null\"]",
            "{\"$ref\":\"#/$defs/a\",\"title\":\"t\"}",
            "\"#/$defs/b\"",
        ][..],
    );
    let key = prop::sample::select(
        &[
            "type",
            "properties",
            "required",
            "items",
            "additionalProperties",
            "anyOf",
            "allOf",
            "oneOf",
            "$ref",
            "$defs",
            "pattern",
            "format",
            "default",
            "enum",
            "a",
            "b",
            "title",
        ][..],
    );
    plain.prop_map(Json::Plain).prop_recursive(5, 60, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Json::List),
            4 => prop::collection::vec((key.clone(), inner), 0..5).prop_map(Json::Object),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_schema_is_looked_at_and_mended(schema in schema(), is_strict in any::<bool>(), target in target()) {
        let flat = format!("{{\"type\":\"function\",\"name\":\"f\",\"strict\":{is_strict},\"parameters\":{}}}", schema.write());
        any_document_is_looked_at(flat.as_bytes(), target);
        let nested = format!(
            "[{{\"type\":\"function\",\"function\":{{\"name\":\"f\",\"strict\":{is_strict},\"parameters\":{}}}}}]",
            schema.write()
        );
        any_document_is_looked_at(nested.as_bytes(), target);
    }
}

#[test]
fn what_fuzzing_has_found_holds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/lint");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        document_of(&std::fs::read(file.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 8, "only {files} files");
}

#[test]
fn no_more_findings_are_given_than_fit_and_errors_go_first() {
    let tools = |count: usize, tool: &str| vec![tool; count].join(",");
    let wrong = r#"{"type":"function","function":{"name":"a b"}}"#;
    let report = look(format!("[{}]", tools(FINDINGS_MAX - 1, wrong)).as_bytes(), Some(Target::OpenaiChat));
    // One for each name, one for their number, and one less for those that are equal.
    let all = (FINDINGS_MAX - 1) + 1 + (FINDINGS_MAX - 2);
    assert_eq!((report.findings.len(), report.more), (FINDINGS_MAX, all - FINDINGS_MAX));
    assert!(report.findings.iter().all(|finding| finding.severity == Severity::Error));
    let quiet = look(br#"{"type":"function","function":{"name":"a b"}}"#, None);
    assert_eq!((quiet.findings.len(), quiet.more), (1, 0));
}

#[test]
fn what_a_document_is_is_told_by_its_form() {
    for (document, kind, target, tools) in [
        (chat(""), Kind::Request, Target::OpenaiChat, 0),
        (
            r#"{"model":"m","input":"hi","tools":[{"type":"web_search"}]}"#.into(),
            Kind::Request,
            Target::OpenaiResponses,
            1,
        ),
        (
            r#"{"model":"m","messages":[],"tools":[{"name":"f","input_schema":{}}]}"#.into(),
            Kind::Request,
            Target::AnthropicCompat,
            1,
        ),
        (
            r#"[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]"#.into(),
            Kind::Tools,
            Target::OpenaiChat,
            2,
        ),
        (r#"[{"type":"function","name":"f"}]"#.into(), Kind::Tools, Target::OpenaiResponses, 1),
        (r#"{"type":"function","name":"f"}"#.into(), Kind::Tool, Target::OpenaiResponses, 1),
        (r#"{"type":"function","function":{"name":"f"}}"#.into(), Kind::Tool, Target::OpenaiChat, 1),
        (r#"{"name":"f","inputSchema":{}}"#.into(), Kind::Tool, Target::OpenaiChat, 1),
        (r#"{"name":"f","input_schema":{}}"#.into(), Kind::Tool, Target::AnthropicCompat, 1),
        (r#"{"tools":[{"name":"f","inputSchema":{}}]}"#.into(), Kind::Request, Target::OpenaiChat, 1),
        (r#"{"hello":1}"#.into(), Kind::Unknown, Target::OpenaiChat, 0),
        ("no JSON".into(), Kind::Unknown, Target::OpenaiChat, 0),
    ] {
        let report = look(document.as_bytes(), None);
        assert_eq!((report.kind, report.target, report.tools), (kind, target, tools), "{document}");
    }
}

#[test]
fn no_finding_repeats_what_a_caller_says() {
    // Words at every place where a caller's own stand, and a name that is no possible one.
    let secret = "my-own-secret-words";
    let document = format!(
        r##"{{"model":"m","messages":[{{"role":"user","content":"{secret} \ud800 \u0000"}},{{"role":"assistant","tool_calls":[
        {{"id":"{secret}-1","type":"function","function":{{"name":"f","arguments":"{secret}"}}}}]}},{{"role":"tool",
        "tool_call_id":"{secret}-2","content":{{"a":"{secret}"}}}}],"tools":[{{"type":"{secret}"}},{{"type":"function","function":{{
        "name":"f","description":"{secret} {long}","strict":true,"parameters":{{"type":"object","properties":{{"x":{{"type":"{secret}",
        "description":["{secret}"],"pattern":"{secret}(","format":"{secret}","enum":"{secret}","$ref":"{secret}",
        "default":"{secret}","const":"{secret}","title":["{secret}"]}}}}}}}}}}],"tool_choice":"{secret}","metadata":{{"k":["{secret}"]}}}}"##,
        long = "x".repeat(2_000)
    );
    let report = look(document.as_bytes(), None);
    assert!(report.findings.len() >= 15, "{}", report.findings.len());
    for finding in report.findings {
        let all = format!("{} {:?} {:?} {}", finding.message, finding.reply, finding.tool, finding.pointer);
        assert!(!all.contains("secret"), "{all}");
    }
}

#[test]
fn the_work_is_linear_in_a_hostile_document() {
    // Each of these is quadratic or worse where something is looked up once for each of many.
    let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<Vec<_>>().join(",");
    let strict = |schema: &str| format!(r#"{{"type":"function","name":"f","strict":true,"parameters":{schema}}}"#);
    let n = 20_000;
    let documents = [
        strict(&format!(
            r##"{{"type":"object","properties":{{{}}},"$defs":{{{}}}}}"##,
            many(n, &|n| format!(r##""p{n}":{{"$ref":"#/$defs/d{n}","title":"t"}}"##)),
            many(n, &|n| format!(r#""d{n}":{{"type":"string"}}"#)),
        )),
        strict(&format!(
            r#"{{"type":"object","properties":{{{}}},"required":[{}]}}"#,
            many(n, &|n| format!(r#""p{n}":{{"type":"string"}}"#)),
            many(n, &|n| format!(r#""q{n}""#)),
        )),
        format!(r#"{{"model":"m",{}}}"#, many(n, &|at| format!(r#""k{}":1"#, at % (n / 2)))),
        format!("[{}]", many(n, &|n| format!(r#"{{"type":"function","function":{{"name":"a b{n}"}}}}"#))),
        // As deep as a document may be, by the keywords that nest without anything between.
        strict(&(0..253).fold("7".to_owned(), |inner, _| format!(r#"{{"not":{inner}}}"#))),
        strict(&(0..120).fold(r#"{"type":"string"}"#.to_owned(), |inner, _| format!(r#"{{"allOf":[{inner}]}}"#))),
        strict(&format!(
            r##"{{"type":"object","properties":{{"x":{{"$ref":"#/$defs/d0","title":"t"}}}},"$defs":{{{}}}}}"##,
            many(40, &|n| format!(
                r##""d{n}":{{"type":"object","properties":{{"l":{{"$ref":"#/$defs/d{m}","title":"t"}},"r":{{"$ref":"#/$defs/d{m}","title":"t"}}}}}}"##,
                m = n + 1
            )),
        )),
    ];
    for document in documents {
        let report = lint(document.as_bytes(), Default::default());
        assert!(report.findings.len() + report.more > 0 && RULES.len() > 80);
        let mended = fixed(document.as_bytes(), Default::default());
        assert!(mended.is_none_or(|mended| mended.len() < document.len() * 9 + 65 * 1024));
    }
}
