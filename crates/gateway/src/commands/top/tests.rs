use clap::Parser;
use serde_json::Value;

use super::once::Snapshot;
use super::samples::{failures, hostile, summary, upstreams};
use super::*;
use crate::observe::journal::plain::is_active;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: TopArgs,
}

fn args(flags: &[&str]) -> Result<TopArgs, clap::Error> {
    Line::try_parse_from(["top"].iter().chain(flags)).map(|line| line.args)
}

fn snapshot() -> Snapshot {
    let gateway = "127.0.0.1:7501".to_owned();
    Snapshot { gateway, summary: summary(), upstreams: Some(upstreams()), failures: Some(failures(2)) }
}

#[test]
fn json_without_once_and_a_strange_interval_or_address_are_not_taken() {
    assert!(args(&["--once", "--json", "--admin", "[::1]:7501"]).is_ok());
    assert!(args(&["--interval", "1"]).is_ok() && args(&["--interval", "60"]).is_ok());
    for wrong in [
        &["--json"][..],
        &["--interval", "0"],
        &["--interval", "61"],
        &["--once", "--interval", "5"],
        &["--admin", "7501"],
    ] {
        assert_eq!(args(wrong).map(|_| ()).unwrap_err().exit_code(), 2, "{wrong:?}");
    }
}

#[test]
fn a_snapshot_is_told_as_tables() {
    insta::assert_snapshot!(snapshot().table());
}

#[test]
fn a_snapshot_is_one_object_with_what_the_api_says_as_it_says_it() {
    let line = snapshot().json();
    assert_eq!(line.matches('\n').count(), 1);
    let told: Value = serde_json::from_str(&line).unwrap();
    let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["failures", "gateway", "headline", "mood", "summary", "time", "upstreams"]);
    assert_eq!((&told["summary"], &told["upstreams"], &told["failures"]), (&summary(), &upstreams(), &failures(2)));
    let own = ["time", "gateway", "mood", "headline"].map(|key| format!("{key}: {}", told[key].as_str().unwrap()));
    insta::assert_snapshot!(own.join("\n"), @"
    time: 2026-11-23T06:34:05.000Z
    gateway: 127.0.0.1:7501
    mood: held
    headline: It is not your code: gpt-4o at openai has been failing since 06:30:00 UTC (4 min), 2,664 of 7,200 first attempts; Seawall retries, and 99.97 % of requests are answered.
    ");
}

#[test]
fn what_could_not_be_read_is_null_and_the_rest_is_told() {
    let snapshot = Snapshot { upstreams: None, failures: None, ..snapshot() };
    let told: Value = serde_json::from_str(&snapshot.json()).unwrap();
    assert_eq!((&told["upstreams"], &told["failures"]), (&Value::Null, &Value::Null));
    let table = snapshot.table();
    assert!(table.contains("INCIDENT") && !table.contains("UPSTREAM "), "{table}");
}

#[test]
fn nothing_that_others_chose_reaches_the_terminal_as_it_is() {
    let snapshot = Snapshot {
        gateway: samples::HOSTILE.to_owned(),
        summary: hostile(summary()),
        upstreams: Some(hostile(upstreams())),
        failures: Some(hostile(failures(3))),
    };
    for told in [snapshot.table(), snapshot.json()] {
        let active: Vec<char> = told.chars().filter(|c| is_active(*c) && *c != '\n').collect();
        assert!(active.is_empty(), "{active:?}");
    }
    assert_eq!(snapshot.json().lines().count(), 1);
}

#[test]
fn every_silence_has_its_words_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let env = Environment::given(dir.path(), [("HOME", "/home/somebody")]);
    let config = config::load(&Overrides::default(), &env).unwrap_or_else(|_| panic!("the defaults are valid"));
    let mut place = Place { named: None, config };
    let silences = [
        Silence::NoGateway,
        Silence::Status(401),
        Silence::Status(403),
        Silence::Status(500),
        Silence::Trouble("x\u{1b}".into()),
    ];
    let mut told = Vec::new();
    for named in [None, Some(Address::parse("127.0.0.1:7501").unwrap())] {
        place.named = named;
        for silence in &silences {
            let (error, hint) = place.says(silence);
            told.push(format!("{error}\n  {hint}"));
        }
    }
    insta::assert_snapshot!(told.join("\n").replace(&place.config.data_dir.display().to_string(), "DIR"));
}
