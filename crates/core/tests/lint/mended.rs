//! What `fixed` makes of documents, and that it touches nothing else.

use seawall_core::request::lint::{Options, Severity, Target, fixed};

use crate::checks::look;
use crate::corpus::found;

fn mend(document: &str, target: Option<Target>) -> Option<String> {
    let mended = fixed(document.as_bytes(), Options { target })?;
    let mended = String::from_utf8(mended).expect("of a text it makes a text");
    assert_eq!(fixed(mended.as_bytes(), Options { target }), None, "{mended}");
    Some(mended)
}

/// `before` is mended to `after`, for whoever its form says.
fn becomes(before: &str, after: &str) {
    assert_eq!(mend(before, None).as_deref(), Some(after), "of {before}");
}

#[test]
fn names_are_changed_wherever_they_stand() {
    becomes(
        r#"{"model": "m",
  "messages": [{"role":"user","content":"call get.weather"},
    {"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"get.weather","arguments":"{}"}}]},
    {"role":"tool","tool_call_id":"c","name":"get.weather","content":"get.weather"}],
  "tools": [{"type":"function","function":{"name":"get_weather"}},{"type":"function","function":{"name":"get.weather"}}],
  "tool_choice": {"type":"function","function":{"name":"get.weather"}}}"#,
        r#"{"model": "m",
  "messages": [{"role":"user","content":"call get.weather"},
    {"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"get_weather_2","arguments":"{}"}}]},
    {"role":"tool","tool_call_id":"c","name":"get_weather_2","content":"get.weather"}],
  "tools": [{"type":"function","function":{"name":"get_weather"}},{"type":"function","function":{"name":"get_weather_2"}}],
  "tool_choice": {"type":"function","function":{"name":"get_weather_2"}}}"#,
    );
    becomes(
        r#"{"model":"m","input":[{"type":"function_call","call_id":"c","name":"a b","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"a b"}],"tools":[{"type":"function","name":"a b"}],"tool_choice":{"type":"function","name":"a b"}}"#,
        r#"{"model":"m","input":[{"type":"function_call","call_id":"c","name":"a_b","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"a b"}],"tools":[{"type":"function","name":"a_b"}],"tool_choice":{"type":"function","name":"a_b"}}"#,
    );
    becomes(
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"functions":[{"name":"a b"},{"name":"a.b"}],"function_call":{"name":"a.b"}}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"functions":[{"name":"a_b"},{"name":"a_b_2"}],"function_call":{"name":"a_b_2"}}"#,
    );
    let long = "n".repeat(65);
    let tool = |name: &str| format!(r#"{{"type":"function","function":{{"name":"{name}"}}}}"#);
    becomes(&tool(&long), &tool(&long[..64]));
    becomes(
        &format!("[{},{}]", tool(&long[..64]), tool(&long)),
        &format!("[{},{}_2\"}}}}]", tool(&long[..64]), &tool(&long)[..tool(&long).len() - 6]),
    );
}

#[test]
fn a_schema_is_made_strict_as_openais_own_sdk_does_it() {
    becomes(
        r##"{
  "type": "function",
  "function": {
    "name": "f",
    "strict": true,
    "parameters": {
      "type": "object",
      "properties": {
        "a": {"type": "string", "default": null},
        "b": {
          "allOf": [{"$ref": "#/$defs/d"}],
          "description": "of b"
        },
        "c": {"type": "array", "items": {"type":"object","properties":{"x":{"type":"number"}}}},
        "e": {"type": "object"}
      },
      "required": ["a"],
      "$defs": {
        "d": {"type": "object", "description": "of d", "properties": {"y": {"type": "string"}}}
      }
    }
  }
}
"##,
        r##"{
  "type": "function",
  "function": {
    "name": "f",
    "strict": true,
    "parameters": {
      "type": "object",
      "properties": {
        "a": {"type": "string"},
        "b": {
          "type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"],
          "description": "of b",
          "additionalProperties": false
        },
        "c": {"type": "array", "items": {"type":"object","properties":{"x":{"type":"number"}},"required":["x"],"additionalProperties":false}},
        "e": {"type": "object", "properties": {}, "additionalProperties": false}
      },
      "required": ["a", "b", "c", "e"],
      "$defs": {
        "d": {"type": "object", "description": "of d", "properties": {"y": {"type": "string"}}, "required": ["y"], "additionalProperties": false}
      },
      "additionalProperties": false
    }
  }
}
"##,
    );
}

#[test]
fn what_is_missing_is_put_in_and_what_is_refused_is_taken_out() {
    let tool = |schema: &str| format!(r#"{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}"#);
    for (before, after) in [
        (r#"{"type":"object"}"#, r#"{"type":"object","properties":{}}"#),
        (
            r#"{"properties":{"x":{"type":"array"}}}"#,
            r#"{"properties":{"x":{"type":"array","items":{}}},"type":"object"}"#,
        ),
        (
            r#"{"type":"object","properties":{"x":{"type":"string","pattern":"^(?!a)b"}}}"#,
            r#"{"type":"object","properties":{"x":{"type":"string"}}}"#,
        ),
        (
            r#"{"type":"object","properties":{"x":{ "pattern": "(a" , "type": "string" }}}"#,
            r#"{"type":"object","properties":{"x":{ "type": "string" }}}"#,
        ),
    ] {
        becomes(&tool(before), &tool(after));
    }
    becomes(
        r#"{"name":"f","input_schema":{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{}}}"#,
        r#"{"name":"f","input_schema":{"type":"object","properties":{}}}"#,
    );
}

#[test]
fn what_would_change_the_meaning_is_left_alone() {
    let strict = |x: &str| {
        format!(
            r##"{{"type":"function","function":{{"name":"f","strict":true,"parameters":{{"type":"object","properties":{{"x":{x}}},"required":["x"],"additionalProperties":false,"$defs":{{"r":{{"type":"object","properties":{{"n":{{"$ref":"#/$defs/r","title":"t"}}}},"required":["n"],"additionalProperties":false}}}}}}}}}}"##
        )
    };
    // Except for the reference in `r` itself, which has no end.
    for x in [
        r#"{"type":"string","default":"a"}"#,
        r#"{"type":"array"}"#,
        r#"{"oneOf":[{"type":"string"}]}"#,
        r#"{"allOf":[{"type":"string"},{"type":"string"}]}"#,
        r#"{"allOf":[{"pattern":"a"}],"pattern":"b","type":"string"}"#,
        r#"{"type":"object","properties":{},"additionalProperties":true}"#,
        r#"{"type":"string","format":"uri"}"#,
        "{}",
        r##"{"$ref":"#/$defs/r","title":"t"}"##,
        r##"{"$ref":"#/$defs/none","title":"t"}"##,
    ] {
        assert_eq!(mend(&strict(x), None), None, "{x}");
    }
    assert_eq!(mend("{", None), None);
    assert_eq!(mend(r#"{"type":"function","function":{"name":""}}"#, None), None);
    assert_eq!(
        mend(
            r#"{"type":"function","name":"f","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}"#,
            None
        ),
        None
    );
}

#[test]
fn the_fix_of_each_finding_mends_it_and_leaves_the_other_bytes() {
    let mut fixes = 0;
    for case in crate::corpus::all() {
        for finding in look(case.document.as_bytes(), case.target).findings {
            let Some(fix) = &finding.fix else { continue };
            fixes += 1;
            let mut after = String::new();
            let mut at = 0;
            for edit in &fix.edits {
                after.push_str(&case.document[at..edit.span.start]);
                after.push_str(&edit.text);
                at = edit.span.end;
            }
            after.push_str(&case.document[at..]);
            let is_it = |part: &&str| part.starts_with(&format!("{}{}", finding.rule.code, letter(finding.severity)));
            let count = |found: &str| found.split("; ").filter(is_it).count();
            let (before, now) = (found(&case.document, case.target), found(&after, case.target));
            assert!(
                count(&now) < count(&before),
                "{} of {}\ngives {after}\nwhich has {now}",
                finding.rule.code,
                case.document
            );
            serde_json::from_str::<serde_json::Value>(&after).expect("it stays JSON");
        }
    }
    assert!(fixes > 80, "{fixes}");
}

fn letter(severity: Severity) -> char {
    match severity {
        Severity::Error => 'E',
        Severity::Warning => 'W',
        Severity::Note => 'N',
    }
}

#[test]
fn a_mended_document_has_no_finding_that_could_be_mended() {
    for case in crate::corpus::all() {
        let Some(mended) = mend(&case.document, case.target) else { continue };
        let left = look(mended.as_bytes(), case.target);
        assert!(left.findings.iter().all(|finding| finding.fix.is_none()), "{mended}");
        serde_json::from_str::<serde_json::Value>(&mended).expect("it stays JSON");
    }
}
