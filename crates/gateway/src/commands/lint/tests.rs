//! What a person, a program and a pipeline are told. The findings here are made by hand, so that
//! these tests are about the telling; `tests/lint.rs` has the program with the real rules.

use seawall_core::request::lint::{Edit, Fix, Kind, Report, rule};
use serde_json::Value;

use super::*;

/// Two tools, of which the first has a space in its name.
const TOOLS: &str = r#"[
  {"type": "function", "function": {"name": "get weather", "parameters": {"type": "object", "properties": {}}}},
  {"type": "function", "function": {"name": "b", "parameters": {"type": "object", "properties": {}}}}
]
"#;

/// A finding at the first `part` of `text`, renamed to `new`.
fn finding(text: &str, part: &str, new: Option<&str>) -> lint::Finding {
    let at = text.find(part).unwrap();
    let span = at..at + part.len();
    lint::Finding {
        rule: rule::find("SW101").unwrap(),
        severity: Severity::Error,
        pointer: "/0/function/name".to_owned(),
        span: span.clone(),
        tool: None,
        message: "the name has a space at byte 3".to_owned(),
        reply: Some("400 invalid_value: Invalid 'tools[0].function.name': string does not match pattern.".to_owned()),
        fix: new
            .map(|new| Fix { title: format!("rename it to {new}"), edits: vec![Edit { span, text: new.to_owned() }] }),
    }
}

/// What is told of these findings in `text`, a file of one document.
fn told(format: Format, text: &str, findings: Vec<lint::Finding>) -> String {
    let found = document::find(text.as_bytes());
    let report = Report { kind: Kind::Tools, target: Target::OpenaiChat, tools: 2, findings, more: 0 };
    let mut places = Places::new(text.as_bytes());
    let mut teller = Teller::new(format, false);
    let mut out = Vec::new();
    for finding in &report.findings {
        let told = Finding::new("tools/my tools.json", &found.documents[0], &report, finding, &mut places);
        teller.tell(&told, &places, &mut out).unwrap();
    }
    teller.end_of_file(&mut out).unwrap();
    teller.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn two() -> Vec<lint::Finding> {
    let warning = lint::Finding {
        severity: Severity::Warning,
        tool: Some("b".to_owned()),
        reply: None,
        message: "the tool has no description".to_owned(),
        pointer: "/1/function".to_owned(),
        ..finding(TOOLS, r#"{"name": "b""#, None)
    };
    vec![finding(TOOLS, "\"get weather\"", Some("\"get_weather\"")), warning]
}

#[test]
fn a_person_is_shown_the_place_the_reply_and_the_fix() {
    insta::assert_snapshot!("text", told(Format::Text, TOOLS, two()));
}

#[test]
fn a_program_gets_a_line_with_every_field() {
    insta::assert_snapshot!("json", told(Format::Json, TOOLS, two()));
}

#[test]
fn a_pipeline_gets_annotations() {
    insta::assert_snapshot!("github", told(Format::Github, TOOLS, two()));
}

#[test]
fn code_scanning_gets_a_log_of_one_run() {
    let log: Value = serde_json::from_str(&told(Format::Sarif, TOOLS, two())).unwrap();
    is_sarif(&log);
    let mut shown = log.clone();
    // The table is another's to show.
    shown["runs"][0]["tool"]["driver"]["rules"] = Value::Array(Vec::new());
    shown["runs"][0]["tool"]["driver"]["version"] = "x".into();
    for result in shown["runs"][0]["results"].as_array_mut().unwrap() {
        result["ruleIndex"] = "the place of SW101".into();
    }
    insta::assert_snapshot!("sarif", serde_json::to_string_pretty(&shown).unwrap());
    is_sarif(&serde_json::from_str(&told(Format::Sarif, TOOLS, Vec::new())).unwrap());
}

/// The parts of the SARIF 2.1.0 schema that a log of ours can break.
fn is_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    let run = &log["runs"].as_array().unwrap()[0];
    assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
    let driver = &run["tool"]["driver"];
    assert!(driver["name"].is_string());
    let rules = driver["rules"].as_array().unwrap();
    let mut ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().unwrap().is_empty());
        }
        is_level(&rule["defaultConfiguration"]["level"]);
    }
    for invocation in run["invocations"].as_array().unwrap() {
        assert!(invocation["executionSuccessful"].is_boolean());
        for notification in invocation["toolExecutionNotifications"].as_array().unwrap() {
            assert!(notification["message"]["text"].is_string());
            is_level(&notification["level"]);
        }
    }
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[index]);
        assert!(result["message"]["text"].is_string());
        is_level(&result["level"]);
        for location in result["locations"].as_array().unwrap() {
            is_reference(&location["physicalLocation"]["artifactLocation"]);
            is_region(&location["physicalLocation"]["region"]);
        }
        for fix in result["fixes"].as_array().into_iter().flatten() {
            for change in fix["artifactChanges"].as_array().unwrap() {
                is_reference(&change["artifactLocation"]);
                let replacements = change["replacements"].as_array().unwrap();
                assert!(!replacements.is_empty());
                for replacement in replacements {
                    is_region(&replacement["deletedRegion"]);
                    assert!(replacement["insertedContent"]["text"].is_string());
                }
            }
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "a rule has its id alone");
}

fn is_level(level: &Value) {
    assert!(["none", "note", "warning", "error"].contains(&level.as_str().unwrap()));
}

fn is_reference(location: &Value) {
    let uri = location["uri"].as_str().unwrap();
    assert!(!uri.is_empty() && uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b)), "{uri}");
}

fn is_region(region: &Value) {
    let number = |name: &str| region[name].as_i64().unwrap();
    assert!(
        number("startLine") >= 1
            && number("startColumn") >= 1
            && number("byteOffset") >= 0
            && number("byteLength") >= 0
    );
    let (start, end) = ((number("startLine"), number("startColumn")), (number("endLine"), number("endColumn")));
    assert!(end >= start);
}

#[test]
fn what_is_the_same_in_many_documents_is_shown_once_and_counted() {
    let same = || finding(TOOLS, "\"get weather\"", None);
    let text = told(Format::Text, TOOLS, vec![same(), same(), same()]);
    assert_eq!(text.matches("error[SW101]").count(), 1);
    assert!(text.ends_with("and 2 more like this: SW101: the name has a space at byte 3\n\n"), "{text}");
    assert_eq!(told(Format::Json, TOOLS, vec![same(), same(), same()]).lines().count(), 3, "a program gets all");
}

#[test]
fn one_long_line_stays_readable() {
    let text = format!(
        r#"[{}{{"type":"function","function":{{"name":"get weather"}}}}{}]"#,
        "{\"a\":\"\"},".repeat(9_000),
        ",{}".repeat(9_000)
    );
    let text = told(Format::Text, &text, vec![finding(&text, "\"get weather\"", None)]);
    assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
    assert!(text.contains("--> tools/my tools.json:1:81040") && text.contains("\"get weather\""), "{text}");
}

/// Names that would move a cursor, end a line, begin a workflow command, or turn the reading order.
const HOSTILE: &str = "\u{1b}[2J\r\n::error file=x,line=1::y %0A \u{9b}31m \u{202e}";

#[test]
fn a_hostile_name_is_inert_in_every_format() {
    let file = format!("[{{\"name\": \"{HOSTILE}\"}}]");
    for format in [Format::Text, Format::Json, Format::Sarif, Format::Github] {
        let mut finding = finding(&file, HOSTILE, Some(HOSTILE));
        finding.tool = Some(HOSTILE.to_owned());
        finding.pointer = format!("/{HOSTILE}");
        finding.message = HOSTILE.to_owned();
        finding.reply = Some(HOSTILE.to_owned());
        let out = told(format, &file, vec![finding]);
        assert!(out.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{out:?}");
        let commands = out.lines().filter(|line| line.trim_start().starts_with("::")).count();
        assert_eq!(commands, usize::from(format == Format::Github), "{out}");
        if format == Format::Github {
            let (_, message) = out[2..].split_once("::").unwrap();
            assert!(
                out.starts_with("::error file=tools/my tools.json,line=1") && !message.contains('\n')
                    || message.ends_with('\n'),
                "{out}"
            );
        }
        if format == Format::Json {
            let line: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(line["edits"][0]["text"], HOSTILE, "what is put into the file stays what it is");
        }
    }
}

#[test]
fn colours_are_there_only_when_asked_for() {
    let text = |styled| {
        let found = document::find(TOOLS.as_bytes());
        let report = Report { kind: Kind::Tools, target: Target::OpenaiChat, tools: 2, findings: two(), more: 0 };
        let mut places = Places::new(TOOLS.as_bytes());
        let told = Finding::new("x", &found.documents[0], &report, &report.findings[0], &mut places);
        let mut out = Vec::new();
        Teller::new(Format::Text, styled).tell(&told, &places, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(text(true).contains('\u{1b}') && !text(false).contains('\u{1b}'));
}

#[test]
fn the_summary_counts_what_there_is() {
    let summary = |count: Count, fix| count.summary(&LintArgs { fix, ..LintArgs::default() });
    assert_eq!(summary(Count::default(), false), "0 errors, 0 warnings");
    let mut count = Count { mended: 1, unreadable: 2, ..Count::default() };
    count.add(Severity::Error, true);
    count.add(Severity::Warning, false);
    count.add(Severity::Warning, true);
    count.add(Severity::Note, false);
    assert_eq!(summary(count, true), "1 finding mended; left: 1 error, 2 warnings, 1 note; 2 files failed");
    let count = Count { errors: 1, fixable: 1, ..Count::default() };
    assert_eq!(summary(count, false), "1 error, 0 warnings (1 fixable with --fix)");
}

/// Runs the command; exit code, stdout, stderr.
fn run_with(args: &LintArgs, stdin: &str) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams { stdin: &mut stdin.as_bytes(), out: &mut out, err: &mut err, styled: false, watched: false };
    let code = look(args, streams).unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn a_file_that_cannot_be_read_is_exit_4_and_the_others_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.json");
    std::fs::write(&good, "[]").unwrap();
    let missing = dir.path().join("missing\u{1b}.json");
    let (code, _, err) =
        run_with(&LintArgs { files: vec![missing, dir.path().to_owned(), good], ..LintArgs::default() }, "");
    assert_eq!(code, exit::CANNOT_START);
    assert_eq!(err.matches("cannot be read").count(), 2, "{err}");
    assert!(err.contains("missing\\u{1b}.json") && err.ends_with("; 2 files failed\n"), "{err}");
    let (code, _, err) = run_with(&LintArgs { files: vec!["-".into(), "-".into()], ..LintArgs::default() }, "");
    assert!(code == exit::USAGE && err.starts_with("error: - is named twice"), "{err}");
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("big.json");
    std::fs::File::create(&file).unwrap().set_len(FILE_BYTES_MAX).unwrap();
    assert_eq!(bytes(&file, &mut io::empty()).unwrap().len() as u64, FILE_BYTES_MAX);
    std::fs::File::options().append(true).open(&file).unwrap().write_all(b"x").unwrap();
    assert!(bytes(&file, &mut io::empty()).unwrap_err().to_string().contains("256 MiB"));
}

#[test]
fn progress_is_shown_to_a_person_who_waits_for_many_documents() {
    let log = |lines: usize| "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"model\":\"m\"}\n".repeat(lines);
    let told = |lines, watched, quiet| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let text = log(lines);
        let streams = Streams { stdin: &mut text.as_bytes(), out: &mut out, err: &mut err, styled: false, watched };
        let args = LintArgs { files: vec!["-".into()], quiet, ..LintArgs::default() };
        assert_eq!(look(&args, streams).unwrap(), exit::OK);
        String::from_utf8(err).unwrap()
    };
    assert!(told(PROGRESS_DOCUMENTS + 1, true, false).contains("\r1000 of 1001 documents\r\u{1b}[K"));
    for (lines, watched, quiet) in [
        (PROGRESS_DOCUMENTS, true, false),
        (PROGRESS_DOCUMENTS + 1, false, false),
        (PROGRESS_DOCUMENTS + 1, true, true),
    ] {
        assert!(!told(lines, watched, quiet).contains('\r'));
    }
}
