//! `seawall lint`, the program itself: what it reads, writes, prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Two tools; the first breaks SW101, SW208 and, in strict mode, SW302 and SW304. All of it can be
/// mended. Written as a person writes, with a mark that must stay where it is.
const BAD: &str = r#"[
    {"type": "function",   "function": {
        "name": "get weather",
        "strict": true,
        "parameters": {
            "type": "object",
            "properties": {"day":  {"type": "string", "pattern": "^(?!x)"} }
        }
    }},
    {"type": "function", "function": {"name": "fine", "description": "Größe \u00fc",	"parameters": {"type": "object", "properties": {}}}}
]
"#;

/// The same, mended by hand.
const GOOD: &str = r#"[
    {"type": "function",   "function": {
        "name": "get_weather",
        "strict": true,
        "parameters": {
            "type": "object",
            "properties": {"day":  {"type": "string"} },
            "required": ["day"],
            "additionalProperties": false
        }
    }},
    {"type": "function", "function": {"name": "fine", "description": "Größe \u00fc",	"parameters": {"type": "object", "properties": {}}}}
]
"#;

/// Runs it in `dir`: exit code, stdout, stderr.
fn lint(dir: &Path, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .arg("lint")
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
}

/// The findings of `--json`.
fn findings(dir: &Path, arguments: &[&str], stdin: &str) -> Vec<Value> {
    let (_, out, err) = lint(dir, &[&["--json"], arguments].concat(), stdin);
    let lines: Result<Vec<Value>, _> = out.lines().map(serde_json::from_str).collect();
    lines.unwrap_or_else(|e| panic!("{e}: {out}{err}"))
}

fn codes(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn with_file(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tools.json"), text).unwrap();
    dir
}

#[test]
fn a_file_with_errors_is_exit_1_and_each_is_shown_at_its_place() {
    let dir = with_file(BAD);
    let (code, out, err) = lint(dir.path(), &["tools.json"], "");
    assert_eq!(code, 1);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("lint_text", format!("{out}--- stderr\n{err}"));
    });
    assert_eq!(lint(dir.path(), &["--quiet", "tools.json"], ""), (1, out, String::new()));
}

#[test]
fn what_is_clean_is_exit_0_and_warnings_are_denied_only_on_demand() {
    let dir = with_file(GOOD);
    assert_eq!(lint(dir.path(), &["tools.json"], ""), (0, String::new(), "0 errors, 0 warnings\n".to_owned()));
    // A name that is there twice is taken by OpenAI, and one of the two is never called.
    let twice = r#"[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"a"}}]"#;
    let (code, _, err) = lint(dir.path(), &["-"], twice);
    assert_eq!(code, 0, "{err}");
    assert!(err.starts_with("0 errors, 1 warning"), "{err}");
    assert_eq!(lint(dir.path(), &["--deny-warnings", "-"], twice).0, 1);
    assert_eq!(lint(dir.path(), &["--target", "anthropic-compat", "-"], twice).0, 1, "another provider refuses it");
}

#[test]
fn what_makes_no_sense_is_exit_2_and_what_cannot_be_read_is_exit_4() {
    let dir = with_file(GOOD);
    for arguments in [&[][..], &["--target", "nobody", "tools.json"], &["--json", "--format", "text", "tools.json"]] {
        assert_eq!(lint(dir.path(), arguments, "").0, 2, "{arguments:?}");
    }
    let (code, out, err) = lint(dir.path(), &["missing.json", "tools.json"], "");
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(err.starts_with("error: missing.json cannot be read: "), "{err}");
}

#[test]
fn fix_changes_what_is_wrong_and_not_one_byte_besides() {
    let dir = with_file(BAD);
    let file = dir.path().join("tools.json");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let (code, out, err) = lint(dir.path(), &["--fix", "tools.json"], "");
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "4 findings mended; left: 0 errors, 0 warnings\n"));
    let fixed = fs::read_to_string(&file).unwrap();
    for part in ["    {\"type\": \"function\",   \"function\": {\n", "\"day\":  {", "Größe \\u00fc\",\t\"parameters\""]
    {
        assert!(fixed.contains(part), "{fixed}");
    }
    let plain = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(plain(&fixed), plain(GOOD));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(lint(dir.path(), &["--fix", "tools.json"], "").0, 0);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before, "a second time there is nothing to write");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn a_diff_shows_what_fix_would_do_and_does_nothing() {
    let dir = with_file(BAD);
    let (code, out, err) = lint(dir.path(), &["--diff", "tools.json"], "");
    assert_eq!((code, err.as_str()), (1, "4 errors, 0 warnings (4 fixable with --fix)\n"));
    assert_eq!(fs::read_to_string(dir.path().join("tools.json")).unwrap(), BAD);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("lint_diff", out);
    });
    // It is a diff that `patch` takes, and the outcome is what --fix writes.
    fs::write(dir.path().join("x.diff"), out).unwrap();
    lint(dir.path(), &["--fix", "tools.json"], "");
    let fixed = fs::read_to_string(dir.path().join("tools.json")).unwrap();
    fs::write(dir.path().join("tools.json"), BAD).unwrap();
    let patched = Command::new("patch").args(["-s", "tools.json", "x.diff"]).current_dir(dir.path()).status();
    if patched.is_ok_and(|status| status.success()) {
        assert_eq!(fs::read_to_string(dir.path().join("tools.json")).unwrap(), fixed);
    }
}

#[test]
fn of_standard_input_the_fixed_document_goes_out_and_the_findings_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let left = BAD.replace(r#""strict": true"#, r#""strict": true, "unknown": {"#).replace("unknown", "description");
    let (code, out, err) = lint(dir.path(), &["--fix", "-"], BAD);
    assert_eq!(code, 0, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), serde_json::from_str::<Value>(GOOD).unwrap());
    assert_eq!(lint(dir.path(), &["--fix", "-"], GOOD).1, GOOD, "what is right goes out as it came");
    let (code, out, err) = lint(dir.path(), &["--fix", "-"], &left);
    assert_eq!((code, out.as_str()), (1, left.as_str()), "what is no JSON goes out as it came");
    assert!(err.contains("error[SW001]"), "{err}");
}

#[test]
fn a_log_has_a_document_a_line_and_only_what_is_wrong_is_changed() {
    let tool =
        r#"{"type":"function","function":{"name":"get weather","parameters":{"type":"object","properties":{}}}}"#;
    let chat = format!(
        r#"{{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"tools":[{tool}]}}}}"#
    );
    let fine = r#"{"request":  {"model":"m","messages":[{"role":"user","content":"hi"}]}, "took": 3}"#;
    let log = format!("{chat}\n\n{fine}\n{chat}\r\n{{\"model\":\n");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("batch.jsonl");
    fs::write(&file, &log).unwrap();
    let found = findings(dir.path(), &["batch.jsonl"], "");
    assert_eq!(codes(&found), ["SW101", "SW101", "SW001"]);
    let place = |at: usize| (found[at]["document"].clone(), found[at]["line"].clone(), found[at]["pointer"].clone());
    assert_eq!(place(0), (1.into(), 1.into(), "/body/tools/0/function/name".into()));
    assert_eq!((place(1).0, place(1).1), (3.into(), 4.into()));
    assert_eq!((place(2).0, place(2).1), (4.into(), 5.into()));
    let (code, _, err) = lint(dir.path(), &["--fix", "batch.jsonl"], "");
    assert_eq!(code, 1, "the broken line stays broken");
    assert!(err.contains("note: batch.jsonl: read as 4 documents, one a line"), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), log.replace("get weather", "get_weather"));
}

#[test]
fn a_request_that_stands_in_a_record_as_text_is_looked_at_and_left_alone() {
    let request = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"get weather"}}]}"#;
    let log = format!("{}\n", serde_json::json!({"level": 30, "body": request}));
    let dir = tempfile::tempdir().unwrap();
    let found = findings(dir.path(), &["-"], &log);
    assert_eq!((codes(&found), &found[0]["pointer"]), (vec!["SW101"], &"/body/tools/0/function/name".into()));
    let at = usize::try_from(found[0]["offset"].as_u64().unwrap()).unwrap();
    assert!(log[at..].starts_with(r#"\"get weather\""#));
    let (code, out, err) = lint(dir.path(), &["--fix", "-"], &log);
    assert_eq!((code, out), (1, log), "{err}");
    assert!(err.contains("a request that stands in a record as text is not changed"), "{err}");
}

#[test]
fn the_url_of_a_record_says_who_is_to_take_it() {
    let dir = tempfile::tempdir().unwrap();
    let record = |url: &str| {
        format!(
            r#"{{"url":"{url}","body":{{"model":"m","tools":[{{"type":"function","function":{{"name":"a b"}}}}]}}}}"#
        )
    };
    let targets = |arguments: &[&str], url: &str| {
        let found = findings(dir.path(), &[arguments, &["-"]].concat(), &record(url));
        found
            .iter()
            .map(|finding| finding["target"].as_str().unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(targets(&[], "/v1/responses").into_iter().collect::<Vec<_>>(), ["openai-responses"]);
    assert_eq!(targets(&["--target", "azure"], "/v1/responses").into_iter().collect::<Vec<_>>(), ["azure"]);
}

#[test]
fn what_python_and_node_printed_is_read_and_points_at_what_was_printed() {
    let dir = tempfile::tempdir().unwrap();
    let python = "DEBUG:openai._base_client:Request options: {'method': 'post', 'url': '/chat/completions', 'headers': NOT_GIVEN, 'timeout': Timeout(connect=5.0, read=600), 'json_data': {'messages': [{'role': 'user', 'content': \"it's\"}], 'model': 'm', 'stream': True, 'tools': [{'type': 'function', 'function': {'name': 'get weather', 'parameters': {'type': 'object', 'properties': {}}}}]}}\n";
    let node = "{\n  model: 'm',\n  messages: [ { role: 'user', content: 'hi' } ],\n  tools: [\n    {\n      type: 'function',\n      function: { name: 'get weather', parameters: { type: 'object', properties: {} } }\n    }\n  ],\n}\n";
    for (text, line, pointer) in [(python, 1, "/json_data/tools/0/function/name"), (node, 7, "/tools/0/function/name")]
    {
        let found = findings(dir.path(), &["-"], text);
        assert_eq!(codes(&found), ["SW101"], "{found:?}");
        assert_eq!((&found[0]["line"], &found[0]["pointer"]), (&line.into(), &pointer.into()));
        let at = usize::try_from(found[0]["offset"].as_u64().unwrap()).unwrap();
        assert!(text[at..].starts_with("'get weather'"));
        assert_eq!((&found[0]["fixable"], &found[0]["edits"]), (&false.into(), &Value::Array(Vec::new())));
        let (_, out, err) = lint(dir.path(), &["--fix", "-"], text);
        assert_eq!(out, text, "a dump is not changed");
        assert!(err.contains("note: <stdin>: read as what a Python or Node program printed"), "{err}");
        assert!(err.contains("warning: <stdin>: a printed dump is not changed"), "{err}");
    }
}

#[test]
fn every_rule_of_the_table_is_found_by_the_program_in_its_own_example() {
    let dir = tempfile::tempdir().unwrap();
    // What is no UTF-8, say, has no example that can be shown.
    for rule in seawall_core::request::lint::rule::RULES.iter().filter(|rule| !rule.bad.is_empty()) {
        let targets = rule.targets.iter().map(|target| vec!["--target", target.name(), "-"]);
        let ways = std::iter::once(vec!["-"]).chain(targets);
        let is_found = |arguments: Vec<&str>| codes(&findings(dir.path(), &arguments, rule.bad)).contains(&rule.code);
        assert!(ways.into_iter().any(is_found), "{}", rule.code);
    }
}
