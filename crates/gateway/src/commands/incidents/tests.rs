use std::sync::Arc;
use std::time::Duration;

use seawall_core::incident::Event;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::observe::journal::incidents::Note;
use crate::observe::journal::read::JournalArgs;
use crate::observe::journal::{Closed, Journal, Settings};
use crate::observe::status_page::board::Said;

/// 2026-11-23T06:30:00Z.
const BEGAN: i64 = 1_795_415_400_000_000;

/// An event of `inc_…` after so many seconds.
fn event(id: &str, what: &str, after: i64) -> Event {
    serde_json::from_value(json!({
        "what": what, "at": BEGAN + after * 1_000_000, "id": id, "kind": "failures",
        "scope": { "kind": "upstream", "upstream": "openai", "model": "gpt-4o" },
        "rule": "consecutive", "severity": "critical", "since": BEGAN,
        "window": { "failed": 14, "of": 20 }, "whole": { "failed": 41, "of": 60 }, "flaps": 0,
        "samples": ["sw_1", "sw_2"], "under": null,
        "close": if what == "incident.resolved" { Some("recovered") } else { None },
    }))
    .unwrap()
}

fn note(event: Event) -> Note {
    let page = crate::observe::status_page::samples::SHIM.as_bytes();
    let page = crate::observe::status_page::read(page, &"https://status.example".parse().unwrap()).unwrap().0;
    let page = Said { url: "https://status.example".to_owned(), read: Some(BEGAN + 60_000_000), page: Arc::new(page) };
    let difference = serde_json::from_value(json!({
        "traits": [{ "dimension": "stream", "value": "true" }],
        "failed": 40, "failed_of": 41, "answered": 1, "answered_of": 30, "beside": "during",
    }));
    Note { event, is_told: true, differences: vec![difference.unwrap()], page: Some(page) }
}

fn journal(notes: impl IntoIterator<Item = Note>) -> (TempDir, JournalArgs) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal.db");
    let (journal, _) = Journal::open(&file, Settings { keep: Duration::MAX, ..Settings::default() }).unwrap();
    notes.into_iter().for_each(|note| journal.incident(note));
    assert_eq!(journal.close(Duration::from_secs(20)), Closed::Clean);
    (dir, JournalArgs { journal: Some(file), ..JournalArgs::default() })
}

fn printed(run: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> Result<Exit, Stopped>) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = run(&mut out, &mut err).unwrap_or_else(|_| panic!("it ends well"));
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn show(id: &str, json: bool, place: &JournalArgs) -> (Exit, String, String) {
    let args = ShowArgs { id: id.to_owned(), json, place: place.clone() };
    printed(|out, err| show::run(&args, None, out, err))
}

fn list(args: &ListArgs, place: &JournalArgs) -> (Exit, String, String) {
    let args = ListArgs { place: place.clone(), since: "2026-11-01T00:00:00Z".parse().ok(), ..args.clone() };
    printed(|out, err| list::run(&args, None, out, err))
}

#[test]
fn one_is_shown_with_all_that_is_known_of_it() {
    let opened = note(event("inc_000000000000000a", "incident.opened", 4));
    let (_dir, place) = journal([opened, note(event("inc_000000000000000a", "incident.resolved", 754))]);
    let (exit, out, err) = show("inc_0", false, &place);
    assert_eq!((exit, err.as_str()), (exit::OK, ""));
    insta::assert_snapshot!(out, @r"
    inc_000000000000000a  resolved, critical: first attempts fail, gpt-4o at openai
      since        2026-11-23T06:30:00.000Z, found 4 s later, for 12 min
      over         2026-11-23T06:42:34.000Z: recovered
      rule         consecutive: too many in a row
      counts       41 of 60 requests failed at first since it was found; 14 of 20 lately
      different    97 % of failures have stream=true, baseline 3 %
      status page  https://status.example says Partial System Degradation; “Elevated error rates” (read 2026-11-23T06:31:00.000Z)
      requests     sw_1
                   sw_2
      told         2026-11-23T06:30:04.000Z  opened    critical  41 of 60 failed
                   2026-11-23T06:42:34.000Z  resolved  critical  41 of 60 failed
      next         seawall report inc_000000000000000a
                   seawall failures --since 2026-11-23T06:30:00.000Z --upstream openai --model gpt-4o
    ");
}

#[test]
fn a_list_has_a_line_for_each_and_leaves_out_what_another_one_tells() {
    let open = event("inc_000000000000000b", "incident.opened", 4);
    let under = Event { under: Some(open.id.clone()), ..event("inc_000000000000000c", "incident.opened", 4) };
    let over = event("inc_000000000000000a", "incident.resolved", 754);
    let (_dir, place) = journal([note(over), note(open), note(under)]);
    // Not a week back from now: the test is older than that, one day.
    let since = Some("2026-11-23T00:00:00Z".parse().unwrap());
    let (exit, out, err) = list(&ListArgs { since, ..ListArgs::default() }, &place);
    assert_eq!(exit, exit::OK);
    assert_eq!(out.lines().count(), 3, "{out}");
    // How long the open one lasts decides how wide its column is.
    let over =
        out.lines().find(|line| line.contains("resolved")).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    insta::assert_snapshot!(over, @"inc_000000000000000a resolved critical failures gpt-4o at openai 2026-11-23T06:30:00.000Z 12 min 41 of 60 consecutive");
    assert!(err.contains("1 more is told by one of these: --all shows it too"), "{err}");
    let (_, out, _) = list(&ListArgs { open: true, all: true, ..ListArgs::default() }, &place);
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(!out.contains("resolved"), "{out}");
}

#[test]
fn a_program_gets_an_object_a_line_with_every_field() {
    let (_dir, place) = journal([note(event("inc_000000000000000a", "incident.opened", 4))]);
    let (_, out, _) = list(&ListArgs { json: true, ..ListArgs::default() }, &place);
    let told: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(told["differences"][0]["text"], "97 % of failures have stream=true, baseline 3 %");
    assert_eq!((&told["since"], &told["whole"]["failed"]), (&json!("2026-11-23T06:30:00.000Z"), &json!(41)));
    let (_, out, _) = show("inc_000000000000000a", true, &place);
    let told: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(told["events"][0]["what"], "incident.opened");
}

#[test]
fn an_id_that_is_none_or_two_says_so() {
    let (_dir, place) = journal(["inc_00a1", "inc_00a2"].map(|id| note(event(id, "incident.opened", 4))));
    let (exit, out, err) = show("inc_1", false, &place);
    assert_eq!((exit, out.as_str()), (exit::FOUND, ""));
    assert!(err.contains("no incident inc_1 is on record\nhint: "), "{err}");
    assert_eq!(show("inc_00a1x", false, &place).2, near("inc_00a1x", "did you mean `inc_00a1`? "));
    let (exit, _, err) = show("inc_00a", false, &place);
    assert_eq!(exit, exit::FOUND);
    assert!(err.contains("more than one incident begins with inc_00a"), "{err}");
}

fn near(id: &str, meant: &str) -> String {
    format!("error: no incident {id} is on record\nhint: {meant}`seawall incidents` lists them\n")
}

#[test]
fn the_beginning_of_an_id_may_be_misspelt_too() {
    let (_dir, place) = journal([note(event("inc_4f2a90b1c2d3e4f5", "incident.opened", 4))]);
    let said = |id: &str| show(id, false, &place).2;
    assert_eq!(said("inc_4f3a"), near("inc_4f3a", "did you mean `inc_4f2a90b1c2d3e4f5`? "));
    assert_eq!(said("inc_4f2a90b1c2d3e4f6"), near("inc_4f2a90b1c2d3e4f6", "did you mean `inc_4f2a90b1c2d3e4f5`? "));
    assert_eq!(said("inc_9999"), near("inc_9999", ""), "nothing is near");
}

#[test]
fn nothing_on_record_is_no_error() {
    let (_dir, place) = journal([]);
    let (exit, out, err) = list(&ListArgs::default(), &place);
    assert_eq!((exit, out.as_str()), (exit::OK, ""));
    assert!(err.starts_with("no incident is on record since 2026-11-01"), "{err}");
}
