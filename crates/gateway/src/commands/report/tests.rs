use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use seawall_core::event::Request;
use seawall_core::incident::Event;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::data_dir::JOURNAL_FILE;
use crate::observe::journal::incidents::Note;
use crate::observe::journal::samples::{attempt, request, settled};
use crate::observe::journal::{Journal, Settings};

const SECOND: i64 = 1_000_000;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ReportArgs,
}

/// Runs the command on `dir`; its exit code, stdout and stderr.
fn report(dir: &Path, flags: &[&str]) -> (u8, String, String) {
    let line = Line::try_parse_from(["report"].iter().chain(flags)).unwrap();
    let args = ReportArgs { place: JournalArgs { data_dir: None, ..line.args.place }, ..line.args };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&args, Some(dir), &mut out, &mut err).unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// What the report is about: the incident's id, or `null`.
fn about(dir: &Path, flags: &[&str]) -> Value {
    let (code, out, err) = report(dir, &[flags, &["--json"]].concat());
    assert_eq!(code, exit::OK, "{flags:?}: {err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    told["scope"]["incident"]["id"].clone()
}

fn note(id: &str, began: i64, what: &str, under: Option<&str>) -> Note {
    let event: Event = serde_json::from_value(json!({
        "what": what, "at": began + 5 * SECOND, "id": id, "kind": "failures",
        "scope": { "kind": "upstream", "upstream": "openai", "model": "gpt-4o" },
        "rule": "consecutive", "severity": "critical", "since": began,
        "window": { "failed": 4, "of": 4 }, "whole": { "failed": 4, "of": 4 }, "flaps": 0, "samples": [], "under": under,
        "close": if what == "incident.resolved" { Some("recovered") } else { None },
    }))
    .unwrap();
    Note { event, is_told: true, differences: Vec::new(), page: None }
}

/// A journal with incidents, and a failure so many seconds ago.
fn journal(notes: impl IntoIterator<Item = Note>, failed_ago: &[i64]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { keep: Duration::MAX, ..Settings::default() };
    let (journal, _) = Journal::open(&dir.path().join(JOURNAL_FILE), settings).unwrap();
    for (n, ago) in (0..).zip(failed_ago) {
        let began = seawall::proxy::unix_micros() - ago * SECOND;
        let asked = Arc::new(Request { began_unix_micros: began, ..(*request(n)).clone() });
        let mut tried = attempt(1);
        tried.began_unix_micros = began;
        journal.attempt(&asked, tried);
        settled(&journal, &asked);
    }
    notes.into_iter().for_each(|note| journal.incident(note));
    journal.close(Duration::from_secs(20));
    dir
}

fn ago(seconds: i64) -> i64 {
    seawall::proxy::unix_micros() - seconds * SECOND
}

#[test]
fn without_an_incident_it_is_about_the_newest_told_one_and_rather_an_open_one() {
    let dir = journal(
        [
            note("inc_0000000000000001", ago(7_200), "incident.opened", None),
            note("inc_0000000000000002", ago(3_600), "incident.resolved", None),
            note("inc_0000000000000003", ago(600), "incident.opened", Some("inc_0000000000000001")),
        ],
        &[30],
    );
    assert_eq!(about(dir.path(), &[]), "inc_0000000000000001", "it is open, and told itself");
    assert_eq!(about(dir.path(), &["inc_0000000000000002"]), "inc_0000000000000002");
    assert_eq!(about(dir.path(), &["--all"]), Value::Null);
    let closed = journal(
        [
            note("inc_0000000000000004", ago(7_200), "incident.resolved", None),
            note("inc_0000000000000005", ago(3_600), "incident.resolved", None),
        ],
        &[30],
    );
    assert_eq!(about(closed.path(), &[]), "inc_0000000000000005", "the newest");
    assert_eq!(about(closed.path(), &["--since", "10m"]), Value::Null, "none of the last ten minutes");
}

#[test]
fn without_any_it_is_about_the_last_hour() {
    let dir = journal([], &[30, 4_000]);
    let (code, out, err) = report(dir.path(), &["--json"]);
    assert_eq!((code, err.as_str()), (exit::OK, ""));
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["totals"]["attempts_failed"], 1, "the other one is older");
    assert!(
        told["made"]["command"].as_str().unwrap().starts_with("seawall report --all --since 20"),
        "{}",
        told["made"]
    );
    let (_, out, _) = report(dir.path(), &["--json", "--since", "2h"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["totals"]["attempts_failed"], 2);
}

#[test]
fn nothing_on_record_is_an_error_with_a_hint() {
    let dir = journal([], &[]);
    let (code, out, err) = report(dir.path(), &["--since", "2026-11-01T00:00:00Z", "--until", "2026-11-02T00:00:00Z"]);
    assert_eq!((code, out.as_str()), (exit::FOUND, ""));
    insta::assert_snapshot!(err, @r"
    error: no incident and no failure of an upstream is on record from 2026-11-01T00:00:00.000Z to 2026-11-02T00:00:00.000Z
    hint: --since 24h looks further back; `seawall failures` has those too that are the caller's (400, 401, 429)
    ");
    let (code, _, err) = report(dir.path(), &["--until", "2026-11-01T00:00:00Z", "--since", "2026-11-02T00:00:00Z"]);
    assert_eq!(code, exit::FOUND);
    assert!(err.contains("is after --until"), "{err}");
    let nowhere = tempfile::tempdir().unwrap();
    let (code, _, err) = report(nowhere.path(), &[]);
    assert_eq!(code, exit::CANNOT_START);
    assert!(err.contains("there is no journal"), "{err}");
}

#[test]
fn an_id_that_is_none_or_two_says_so() {
    let dir = journal(["inc_00a1", "inc_00a2"].map(|id| note(id, ago(60), "incident.opened", None)), &[]);
    let (code, out, err) = report(dir.path(), &["inc_1\u{1b}[2J"]);
    assert_eq!((code, out.as_str()), (exit::FOUND, ""));
    assert!(err.starts_with("error: no incident inc_1\\u{1b}[2J is on record\nhint: "), "{err}");
    let (code, _, err) = report(dir.path(), &["inc_00a"]);
    assert_eq!(code, exit::FOUND);
    assert!(err.contains("more than one incident begins with inc_00a"), "{err}");
}

#[test]
fn a_file_that_is_there_stays_unless_it_is_to_be_replaced() {
    let dir = journal([], &[30]);
    let file = dir.path().join("report.md");
    let path = file.display().to_string();
    let (code, out, err) = report(dir.path(), &["-o", &path]);
    assert_eq!((code, out.as_str()), (exit::OK, ""));
    assert!(err.contains("report.md: 1 failed attempt, 1 of them shown\nhint: read it once"), "{err}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("# Failures of "));
    std::fs::write(&file, "mine").unwrap();
    let (code, _, err) = report(dir.path(), &["-o", &path]);
    assert_eq!(code, exit::USAGE);
    assert!(err.contains("there is a file") && err.contains("hint: --force replaces it"), "{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(report(dir.path(), &["-o", &path, "--force", "--format", "json"]).0, exit::OK);
    assert!(serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()).is_ok());
    let nowhere = dir.path().join("no/such/folder/report.md").display().to_string();
    let (code, _, err) = report(dir.path(), &["-o", &nowhere]);
    assert_eq!(code, exit::CANNOT_START);
    assert!(err.contains("cannot be written"), "{err}");
    let left = std::fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".tmp"));
    assert_eq!(left.count(), 0, "no draft is left");
}
