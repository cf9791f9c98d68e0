//! What a journal adds to an explanation.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::event::{Attempt, Reason, Request};

use super::*;
use crate::commands::explain::{ExplainArgs, run};
use crate::data_dir::JOURNAL_FILE;
use crate::observe::journal::read::JournalArgs;
use crate::observe::journal::samples::{attempt, ended, request, settled};
use crate::observe::journal::{Journal, Settings};

/// 2026-11-23T06:30:00Z
const BEGAN: i64 = 1_795_415_400_000_000;

/// A journal with `count` requests of one failed attempt each, the last one the newest.
fn fill(dir: &Path, count: i64, change: impl Fn(i64, &mut Request, &mut Attempt)) {
    // Kept for a century: the rows are of a fixed day.
    let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
    let (journal, _) = Journal::open(&dir.join(JOURNAL_FILE), settings).unwrap();
    for n in 0..count {
        let (mut asked, mut tried) = ((*request(n)).clone(), attempt(1));
        asked.began_unix_micros = BEGAN + n * 1_000_000;
        tried.began_unix_micros = asked.began_unix_micros;
        tried.upstream_request_id = Some(format!("req_{n:032}"));
        change(n, &mut asked, &mut tried);
        let asked = Arc::new(asked);
        journal.attempt(&asked, tried);
        journal.request(&asked, ended(1));
        settled(&journal, &asked);
    }
    journal.close(Duration::from_secs(20));
}

/// What is told of `what` with the journal in `dir`, and what goes to stderr.
fn explain(dir: &Path, what: &str, args: ExplainArgs) -> (String, String) {
    let args = ExplainArgs { what: vec![what.to_owned()], ..args };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    run(&args, Some(dir), std::io::empty(), &mut out, &mut err).unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// The part about the record, of a person's text.
fn on_record(dir: &Path, what: &str) -> String {
    let (out, err) = explain(dir, what, ExplainArgs::default());
    assert_eq!(err, "");
    let from = out.find("on record:").map_or("", |at| &out[at..]);
    from.split("\n\nwhat to do").next().unwrap().to_owned()
}

/// Two models, two upstreams; every third a timeout after a minute, of which one was early.
fn a_bad_day(dir: &Path) {
    fill(dir, 12, |n, asked, tried| {
        tried.elapsed = Duration::from_millis(81);
        if n % 3 == 0 {
            (tried.status, tried.class, tried.reason) = (Some(504), Class::Ambiguous, Reason::Cliff);
            tried.elapsed = Duration::from_millis(if n == 3 { 12_000 } else { 60_100 + u64::try_from(n).unwrap() });
        }
        if n == 1 {
            (asked.model, tried.upstream) = (Some("o9".to_owned()), "azure".to_owned());
        }
    });
}

#[test]
fn failures_like_it_are_counted_placed_and_timed() {
    let dir = tempfile::tempdir().unwrap();
    a_bad_day(dir.path());
    insta::assert_snapshot!(on_record(dir.path(), "504"));
    insta::assert_snapshot!(on_record(dir.path(), "overloaded"));
    assert!(on_record(dir.path(), "ambiguous").contains("4 of the last 12 failed attempts"));
    assert!(on_record(dir.path(), "cliff").contains("4 of the last 12 failed attempts"), "by its reason");
    assert!(on_record(dir.path(), "openai.APITimeoutError: Request timed out.").contains("4 of the last 12"));
    assert_eq!(on_record(dir.path(), "429"), "", "there was none");
    assert_eq!(on_record(dir.path(), "ok"), "");
}

#[test]
fn a_request_has_its_own_story_by_any_of_its_ids() {
    let dir = tempfile::tempdir().unwrap();
    a_bad_day(dir.path());
    insta::assert_snapshot!(explain(dir.path(), &request(9).id, ExplainArgs::default()).0);
    let by_upstream = format!(
        "openai.InternalServerError: Error code: 504 - {{'error': {{'message': 'x (request ID req_{:032})'}}}}",
        9
    );
    assert!(on_record(dir.path(), &by_upstream).contains(&format!("`seawall show {}`", request(9).id)));
    let unknown = format!("sw_{:032x}", 999);
    assert_eq!(on_record(dir.path(), &unknown), "");
}

#[test]
fn a_program_gets_the_numbers() {
    let dir = tempfile::tempdir().unwrap();
    a_bad_day(dir.path());
    let (out, _) = explain(dir.path(), "504", ExplainArgs { json: true, ..ExplainArgs::default() });
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let evidence = told["evidence"].as_array().unwrap();
    assert_eq!(evidence.iter().map(|one| one["about"].as_str().unwrap()).collect::<Vec<_>>(), ["alike", "time"]);
    assert_eq!((&evidence[0]["count"], &evidence[0]["of"]), (&4.into(), &12.into()));
    assert_eq!(evidence[0]["request_id"], request(9).id);
    assert_eq!((&evidence[1]["count"], &evidence[1]["elapsed_ms"]), (&3.into(), &60_109.0.into()));
}

#[test]
fn times_that_differ_and_times_that_are_short_are_no_wall() {
    for (what, elapsed) in [("differ", [1_000, 2_000, 4_000, 8_000]), ("short", [80, 80, 80, 80])] {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 4, |n, _, tried| tried.elapsed = Duration::from_millis(elapsed[usize::try_from(n).unwrap()]));
        let told = on_record(dir.path(), "503");
        assert!(told.contains("4 of the last 4") && !told.contains("no chance"), "{what}: {told}");
    }
}

#[test]
fn of_a_form_the_newest_are_compared_and_most_of_them_have_to_agree() {
    let wall = |ends: &[u64]| {
        let dir = tempfile::tempdir().unwrap();
        let count = i64::try_from(ends.len()).unwrap();
        fill(dir.path(), count, |n, _, tried| tried.elapsed = Duration::from_millis(ends[usize::try_from(n).unwrap()]));
        on_record(dir.path(), "503")
            .lines()
            .find_map(|line| Some(line.split_once("- ")?.1.split_once(": that")?.0.to_owned()))
    };
    let form = "failures of the form chat/stream/1k/tools";
    assert_eq!(
        wall(&[9_000, 60_100, 60_200, 12_000, 60_000, 60_100]),
        Some(format!("4 of your last {OF_A_FORM} {form} ended at 60.1 s"))
    );
    assert_eq!(wall(&[30_000; ALIKE_MIN]), Some(format!("3 of your last 3 {form} ended at 30.0 s")));
    assert_eq!(wall(&[30_000; ALIKE_MIN - 1]), None, "two may be chance");
    assert_eq!(wall(&[1_000; 3]), Some(format!("3 of your last 3 {form} ended at 1.0 s")));
    assert_eq!(wall(&[999; 3]), None, "nobody waited for that");
}

#[test]
fn of_many_places_the_most_frequent_are_named() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 9, |n, asked, _| {
        asked.model = Some(format!("m{}", [0, 1, 2, 3, 0, 1, 2, 0, 1][usize::try_from(n).unwrap()]));
    });
    let told = on_record(dir.path(), "503");
    assert!(told.contains("3 at openai with m0, 3 at openai with m1, 2 at openai with m2, 1 elsewhere"), "{told}");
}

#[test]
fn only_the_newest_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), i64::try_from(ROWS_MAX).unwrap() + 1, |n, _, tried| {
        if n == 0 {
            tried.status = Some(500);
        }
    });
    assert_eq!(on_record(dir.path(), "500"), "", "the oldest is the one left out");
    assert!(on_record(dir.path(), "503").contains("200 of the last 200"));
}

#[test]
fn a_rule_counts_the_failures_whose_message_is_its_own() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 3, |n, _, tried| {
        (tried.status, tried.class) = (Some(400), Class::CallerFault);
        if n > 0 {
            tried.message = Some("Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.".to_owned());
        }
    });
    assert!(on_record(dir.path(), "SW101").contains("2 of the last 3 failed attempts were like this"));
}

#[test]
fn without_a_journal_nothing_is_said_unless_one_was_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(on_record(dir.path(), "503"), "");
    a_bad_day(dir.path());
    let (out, _) = explain(dir.path(), "503", ExplainArgs { no_journal: true, ..ExplainArgs::default() });
    assert!(!out.contains("on record"));
    let place = JournalArgs { data_dir: None, journal: Some(dir.path().join("none.db")) };
    let (out, err) = explain(dir.path(), "503", ExplainArgs { place, ..ExplainArgs::default() });
    assert!(out.contains("what to do") && !out.contains("on record"));
    assert!(err.starts_with("warning: there is no journal at ") && err.contains("\nhint: "), "{err}");
}

#[test]
fn a_terminal_never_obeys_what_is_on_record() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 3, |_, asked, tried| {
        asked.model = Some("gpt\u{1b}[2J\n".to_owned());
        tried.elapsed = Duration::from_secs(60);
    });
    for json in [false, true] {
        for what in ["503", &request(1).id] {
            let (out, _) = explain(dir.path(), what, ExplainArgs { json, ..ExplainArgs::default() });
            assert!(out.contains("60.0 s") && out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
        }
    }
}
