use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;
use seawall_core::event::{Attempt, Reason, Request};
use seawall_core::incident::Event;
use seawall_core::request::lint::{self, Options};
use seawall_core::verdict::usage::{Counted as HowSure, Tokens, Usage};
use seawall_core::verdict::{Charge, Class, Fault};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::observe::journal::incidents::Note;
use crate::observe::journal::minutes::{Cell, Sums as MinuteSums};
use crate::observe::journal::plain::is_active;
use crate::observe::journal::read::JournalArgs;
use crate::observe::journal::samples::{attempt, ended, request, settled};
use crate::observe::journal::{Journal, Settings};
use crate::observe::status_page::board::Said;
use crate::observe::status_page::samples::SHIM;

/// 2026-11-23T06:30:00Z.
const BEGAN: i64 = 1_795_415_400_000_000;
const SECOND: i64 = 1_000_000;
const ID: &str = "inc_000000000000000a";
/// A journal in a folder of its own.
struct Record {
    dir: TempDir,
    place: JournalArgs,
}

impl Record {
    fn new(fill: impl FnOnce(&Journal)) -> Record {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("journal.db");
        // Kept for a century: the rows are of a fixed day.
        let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
        let (journal, _) = Journal::open(&file, settings).unwrap();
        fill(&journal);
        journal.close(Duration::from_secs(20));
        Record { dir, place: JournalArgs { journal: Some(file), data_dir: None } }
    }

    fn file(&self) -> &Path {
        self.place.journal.as_deref().unwrap()
    }

    fn journals(&self) -> Journals {
        Journals::open(&self.place, None).unwrap()
    }

    /// Of the incident on record.
    fn subject(&self) -> Subject {
        let journals = self.journals();
        let incident = journals.incidents(i64::MIN, i64::MAX).unwrap().remove(0);
        let events = journals.incident_events(&incident.id).unwrap();
        Subject::Incident(Box::new(incident), events)
    }

    fn report(&self) -> Report {
        self.of(&self.subject()).unwrap()
    }

    fn of(&self, subject: &Subject) -> Option<Report> {
        of(&self.journals(), subject, BEGAN + 3_600 * SECOND, &format!("seawall report {ID}")).unwrap()
    }
}

fn event(what: &str, after: i64) -> Event {
    serde_json::from_value(json!({
        "what": what, "at": BEGAN + after * SECOND, "id": ID, "kind": "failures",
        "scope": { "kind": "upstream", "upstream": "openai", "model": "gpt-4o" },
        "rule": "consecutive", "severity": "critical", "since": BEGAN,
        "window": { "failed": 14, "of": 20 }, "whole": { "failed": 4 + after / 4, "of": 6 + after / 3 }, "flaps": 0,
        "samples": ["sw_1"], "under": null,
        "close": if what == "incident.resolved" { Some("recovered") } else { None },
    }))
    .unwrap()
}

fn note(event: Event) -> Note {
    let page =
        crate::observe::status_page::read(SHIM.as_bytes(), &"https://status.example".parse().unwrap()).unwrap().0;
    let page = Said { url: "https://status.example".to_owned(), read: Some(BEGAN + 60 * SECOND), page: Arc::new(page) };
    let difference = serde_json::from_value(json!({
        "traits": [{ "dimension": "stream", "value": "true" }],
        "failed": 40, "failed_of": 41, "answered": 1, "answered_of": 30, "beside": "during",
    }));
    Note { event, is_told: true, differences: vec![difference.unwrap()], page: Some(page) }
}

fn minute(model: &str, at: i64, requests: u64, failed_first: u64, saved: u64) -> (Cell, MinuteSums) {
    let cell = Cell {
        minute: BEGAN / MINUTE_MICROS + at,
        upstream: "openai".to_owned(),
        model: model.to_owned(),
        endpoint: "chat_completions",
        stream: true,
        size: 10,
        tools: true,
    };
    let lost = failed_first.saturating_sub(saved);
    (cell, MinuteSums { requests, failed_first, saved, lost, ..MinuteSums::default() })
}

/// The `n`-th failed attempt, every three seconds one: overloaded, now and then a 500, twice a timeout.
fn failure(n: i64) -> (Arc<Request>, Attempt) {
    let began = BEGAN + n * 3 * SECOND;
    let asked = Request {
        began_unix_micros: began,
        body_bytes: 1_000 + u64::try_from(n).unwrap() * 17,
        shape: format!("chat_completions/gpt-4o/stream/2^{}", 10 + n % 3),
        sdk: Some(if n % 4 == 0 { "openai-node 6.9.1" } else { "openai-python 2.8.0" }.to_owned()),
        client_retries: 0,
        ..(*request(n)).clone()
    };
    let mut tried = Attempt {
        began_unix_micros: began,
        upstream_request_id: Some(format!("req_{n:032x}")),
        cf_ray: Some(format!("8f00ba4{n:04x}-{}", if n % 5 == 0 { "AMS" } else { "FRA" })),
        message: Some(format!("The server is currently overloaded. Please try again later. (request id req_{n:032x})")),
        elapsed: Duration::from_micros(800_000 + 1_000 * u64::try_from(n).unwrap()),
        first_content: None,
        reason: if n % 3 == 0 { Reason::Attempts } else { Reason::Retry },
        ..attempt(1)
    };
    if n % 6 == 5 {
        let tokens = Usage { input: Some(400), output: Some(0), cached: Some(0), reasoning: None };
        tried.status = Some(500);
        tried.class = Class::ServerError;
        tried.error_code = None;
        tried.message = Some("The server had an error while processing your request. Sorry about that!".to_owned());
        tried.charge = Charge::ServerError;
        tried.tokens = Tokens { usage: tokens, counted: HowSure::Estimated };
    }
    if n == 100 || n == 200 {
        tried.status = None;
        tried.class = Class::Ambiguous;
        tried.fault = Some(Fault::FirstContentTimeout);
        (tried.error_type, tried.error_code, tried.message, tried.upstream_request_id, tried.cf_ray) =
            Default::default();
        tried.processing_ms = None;
        tried.charge = Charge::MayHaveRun;
        tried.tokens = Tokens::UNKNOWN;
    }
    (Arc::new(asked), tried)
}

/// An outage of twelve minutes and a half, and the hour before it.
fn outage() -> Record {
    Record::new(|journal| {
        for n in 0..240 {
            let (asked, tried) = failure(n);
            journal.attempt(&asked, tried);
            if n % 60 == 59 {
                settled(journal, &asked);
            }
        }
        let (asked, mut tried) = failure(241);
        (tried.class, tried.status, tried.charge) = (Class::RateLimited, Some(429), Charge::RateLimited);
        journal.attempt(&asked, tried);
        journal.request(&asked, ended(1));
        settled(journal, &asked);
        let during = (0..13).map(|at| minute("gpt-4o", at, 40, 20 - at.unsigned_abs(), 12));
        let before = (-60..0).map(|at| minute("gpt-4o", at, 40, u64::from(at % 20 == 0), u64::from(at % 20 == 0)));
        let beside = (0..13).map(|at| minute("gpt-4o-mini", at, 25, 0, 0));
        journal.minutes(during.chain(before).chain(beside).collect()).unwrap();
        for (what, after) in [("incident.opened", 4), ("incident.reminder", 600), ("incident.resolved", 754)] {
            journal.incident(note(event(what, after)));
        }
    })
}

fn schema_holds(report: &Report) -> Value {
    let told: Value = serde_json::from_str(&json(report)).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&told).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    told
}

#[test]
fn support_reads_what_it_asks_for() {
    let record = outage();
    let report = record.report();
    insta::assert_snapshot!("outage", markdown(&report));
    let told = schema_holds(&report);
    assert_eq!(told["totals"]["attempts_failed"], 240, "the 429 is the caller's");
    assert_eq!(told["baseline"][0]["failed_first"], 3);
    assert_eq!(told["requests"]["sdks"][0]["name"], "openai-python 2.8.0");
    assert_eq!(told["bill"]["no"].as_u64().unwrap() + told["bill"]["possibly"]["attempts"].as_u64().unwrap(), 240);
}

#[test]
fn a_summary_is_four_to_six_sentences() {
    let report = outage().report();
    assert!((4..=6).contains(&report.summary.len()), "{:?}", report.summary);
}

#[test]
fn examples_are_few_and_spread_over_time_kinds_and_regions() {
    let report = outage().report();
    let examples = &report.examples;
    assert_eq!(examples.len(), examples::EXAMPLES_MAX);
    assert!(examples.windows(2).all(|two| two[0].time < two[1].time), "each once, in order");
    let has = |word: &str| examples.iter().any(|one| one.shown_as.iter().any(|why| why == word));
    for word in [
        "first",
        "last",
        "peak",
        "first 503 overloaded",
        "first 500 server_error",
        "first no status ambiguous",
        "region AMS",
        "region FRA",
    ] {
        assert!(has(word), "{word}: {examples:?}");
    }
    assert_eq!((examples[0].time, examples[11].time), (Moment(BEGAN), Moment(BEGAN + 239 * 3 * SECOND)));
    let quarter = |n: i64| BEGAN + n * 180 * SECOND;
    for n in 0..4 {
        assert!(examples.iter().any(|one| (quarter(n)..quarter(n + 1)).contains(&one.time.0)), "none in quarter {n}");
    }
}

#[test]
fn the_same_record_gives_the_same_facts_and_a_changed_one_another_digest() {
    let record = outage();
    let (one, two) = (record.report(), record.report());
    assert_eq!(one.digest.value, two.digest.value);
    // As `jq -cjS 'del(.digest,.made)'` prints it: an object's members by name, without white space.
    let mut told: Value = serde_json::from_str(&json(&one)).unwrap();
    told.as_object_mut().unwrap().retain(|key, _| key != "digest" && key != "made");
    assert_eq!(digest::sha256(told.to_string().as_bytes()), one.digest.value);
    told["totals"]["attempts_failed"] = 239.into();
    assert_ne!(digest::sha256(told.to_string().as_bytes()), one.digest.value);
    let text = markdown(&one);
    let (before, after) = text.split_once("## Digest\n").unwrap();
    assert!(after.contains(&digest::sha256(before.as_bytes())), "{after}");
    let has_float =
        |text: &str| text.split([',', ':', '}']).any(|part| part.parse::<f64>().is_ok() && part.contains('.'));
    assert!(!has_float(&told.to_string()), "numbers are whole");
}

#[test]
fn of_nothing_there_is_no_report_and_of_an_incident_alone_one_that_says_so() {
    let record = Record::new(|journal| journal.incident(note(event("incident.opened", 4))));
    assert!(record.of(&Subject::Period(BEGAN, BEGAN + SECOND)).is_none());
    let report = record.report();
    schema_holds(&report);
    let text = markdown(&report);
    for said in [
        "No failed attempt is on record.",
        "Nothing was counted at that time.",
        "There is none; see below.",
        "Whole requests were not counted at that time",
        "no request to it is on record from the day before",
        "is not over",
    ] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
}

#[test]
fn a_period_tells_of_every_upstream_and_of_nothing_outside_of_it() {
    let record = outage();
    let report = record.of(&Subject::Period(BEGAN, BEGAN + 60 * SECOND)).unwrap();
    schema_holds(&report);
    assert_eq!(report.totals.attempts_failed, 20);
    assert_eq!(report.places.len(), 2);
    assert!(report.places.iter().all(|place| place.in_scope));
    assert_eq!(report.stretches.len(), 1);
    assert!(report.status_page.is_none());
}

#[test]
fn time_is_cut_into_thirty_stretches_at_most() {
    let record = outage();
    for (minutes, stretches, width) in [(1, 1, 1), (30, 30, 1), (31, 16, 2), (60 * 24 * 30, 30, 1_440)] {
        let report = record.of(&Subject::Period(BEGAN, BEGAN + minutes * 60 * SECOND)).unwrap();
        assert_eq!((report.stretches.len(), report.stretches[0].minutes), (stretches, width), "{minutes} min");
        let all: u64 = report.stretches.iter().map(|stretch| stretch.failed).sum();
        assert_eq!(all, report.totals.attempts_failed, "{minutes} min");
    }
}

#[test]
fn more_rows_than_are_read_are_said_to_be_left_out() {
    let record = outage();
    let which = |rows| {
        let journals = record.journals();
        let subject = record.subject();
        let asked = Asked::of(&subject, BEGAN);
        let tally = Tally::of(&journals, &asked.which(), rows).unwrap();
        (tally.read, tally.is_cut, sums::limits(&journals, &asked, &tally, None).unwrap())
    };
    // 240 failures and the 429.
    let (read, is_cut, _) = which(241);
    assert_eq!((read, is_cut), (241, false));
    let (read, is_cut, limits) = which(240);
    assert_eq!((read, is_cut), (240, true));
    assert!(limits[0].plain().starts_with("Of 241 attempts on record only the newest 240 were read"), "{limits:?}");
}

#[test]
fn what_the_record_does_not_say_of_a_route_or_of_slow_answers_is_said() {
    let record = outage();
    let Subject::Incident(mut incident, events) = record.subject() else { panic!("an incident") };
    (incident.route, incident.upstream, incident.model) = (Some("chat".to_owned()), None, None);
    incident.kind = "latency".to_owned();
    let report = record.of(&Subject::Incident(incident, events)).unwrap();
    let limits: Vec<String> = report.limits.iter().map(Sentence::plain).collect();
    assert!(limits.iter().any(|limit| limit.contains("one of route chat")), "{limits:?}");
    assert!(limits.iter().any(|limit| limit.contains("first contents that came late")), "{limits:?}");
}

/// Texts that a terminal, a browser, a chat, a spreadsheet, Markdown or a shell would obey.
const HOSTILE: [&str; 14] = [
    "EVIL\r\n\r\n# EVIL\r\n",
    "EVIL\u{1b}[2J\u{1b}]0;EVIL\u{7}",
    "<script>alert('EVIL')</script><img src=x onerror=EVIL>",
    "[EVIL](javascript:EVIL) ![EVIL](https://evil.example/EVIL.png)",
    "`EVIL` ``EVIL`` ```\nEVIL\n```",
    "EVIL | EVIL | EVIL \\| EVIL \\\\| EVIL",
    "@channel @EVIL <!channel> <@UEVIL>",
    "=cmd('EVIL')!A1",
    "'; touch EVIL; '$(touch EVIL)`touch EVIL`",
    "\nJSON\ntouch EVIL\n",
    "EVIL\u{202e}EVIL\u{2028}EVIL\u{feff}",
    "\"},\"EVIL\":{\"",
    "\\",
    "## Digest",
];

/// Every text on record becomes this one, but for the class.
fn tamper(record: &Record, text: &str) {
    let file = Connection::open(record.file()).unwrap();
    file.execute(
        "UPDATE attempts SET endpoint = ?1, method = ?1, model = ?1, upstream = ?1, shape = ?1, sdk = ?1, tag = ?1, client = ?1,
         fault = ?1, error_type = ?1, error_code = ?1, message = ?1, upstream_request_id = ?1, client_request_id = ?1,
         organization = ?1, project = ?1, cf_ray = ?1 || '-EVL', reason = ?1, billed = ?1, whose = ?1",
        [text],
    )
    .unwrap();
    file.execute("UPDATE OR IGNORE minutes SET upstream = ?1, endpoint = ?1 WHERE model = 'gpt-4o'", [text]).unwrap();
    file.execute("UPDATE minutes SET model = ?1 WHERE model = 'gpt-4o'", [text]).unwrap();
    file.execute(
        "UPDATE incidents SET upstream = ?1, model = ?1, kind = ?1, rule = ?1, severity = ?1, state = ?1, close = ?1, differences = ?2, page = ?3",
        [
            text,
            &json!([{ "text": text }]).to_string(),
            &json!({ "url": text, "read": text, "page": {
                "indicator": text, "description": text, "components": [{ "name": text, "status": text }],
                "incidents": [{ "name": text, "status": text, "impact": text, "started": text, "link": text, "concerns_us": null }],
            } })
            .to_string(),
        ],
    )
    .unwrap();
    file.execute("UPDATE incident_events SET what = ?1 || id, severity = ?1", [text]).unwrap();
}

/// The text without its code spans and fences: what Markdown may still read as markup.
fn active(markdown: &str) -> String {
    let mut told = String::new();
    let mut fence: Option<String> = None;
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if ticks.len() >= open.len() && line.trim_end() == ticks => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {
                let parts: Vec<&str> = line.split('`').collect();
                assert!(parts.len() % 2 == 1, "a code span is not ended: {line}");
                told.extend(parts.iter().step_by(2).copied());
                told.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a fence is not ended");
    told
}

fn is_inert(markdown: &str) {
    let told = active(markdown);
    assert!(!told.contains("EVIL"), "{told}");
    for c in ["<", "@", "](", "![", "\u{1b}", "\r"] {
        assert!(!told.contains(c), "{c:?} in {told}");
    }
    assert!(markdown.chars().all(|c| c == '\n' || !is_active(c)));
    assert_eq!(markdown.matches("\n## Digest\n").count(), 1);
    // Every line of a table has as many cells as its first.
    for table in markdown.split("\n\n").filter(|part| part.starts_with('|')) {
        let bars: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
        assert!(bars.iter().all(|count| *count == bars[0]), "{table}");
    }
}

#[test]
fn hostile_text_is_text_and_nothing_else() {
    for text in HOSTILE {
        let record = outage();
        tamper(&record, text);
        let report =
            of(&record.journals(), &record.subject(), BEGAN, &format!("seawall report {text}")).unwrap().unwrap();
        assert_eq!(report.totals.attempts_failed, 240, "{text:?}");
        is_inert(&markdown(&report));
        schema_holds(&report);
        let told = json(&report);
        assert!(told.chars().all(|c| c == '\n' || !is_active(c)), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_text_leaves_its_place(text in "[ -~]{0,6}[`|\\\\<>@\\[\\]()#*_=\\-\r\n\u{0}\u{1b}\u{202e}é]{0,24}[ -~]{0,40}") {
        let record = Record::new(|journal| {
            for n in 98..102 {
                let (asked, tried) = failure(n);
                journal.attempt(&asked, tried);
            }
            journal.incident(note(event("incident.opened", 4)));
        });
        tamper(&record, &format!("EVIL{text}EVIL"));
        let report = record.report();
        prop_assert_eq!(report.totals.attempts_failed, 4);
        is_inert(&markdown(&report));
        schema_holds(&report);
    }
}

/// What a shell sends with the reproduction's command, with a `curl` that keeps what it is given.
fn sent(command: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let curl = dir.path().join("curl");
    std::fs::write(&curl, "#!/bin/sh\ncat > sent\n").unwrap();
    std::fs::set_permissions(&curl, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let done = Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(dir.path())
        .env_clear()
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let left: Vec<String> =
        std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left.len(), 2, "nothing else was made: {left:?}");
    std::fs::read(dir.path().join("sent")).unwrap()
}

fn reproduced(form: &tally::Form, bytes: u64) -> document::Reproduction {
    let mut tally = Tally::default();
    tally.forms.insert(form.clone(), (3, bytes * 3));
    reproduction::of(&tally).unwrap()
}

fn form(endpoint: &str, model: &str) -> tally::Form {
    tally::Form {
        endpoint: endpoint.to_owned(),
        model: Some(model.to_owned()),
        stream: true,
        tools: 2,
        max_tokens: Some(256),
        size: 10,
    }
}

#[test]
fn the_reproduction_is_what_its_command_sends_and_lint_finds_no_error_in_it() {
    for endpoint in ["chat_completions", "responses", "completions", "embeddings", "moderations", "messages"] {
        for bytes in [0, 700, 1_024, 300_000] {
            let made = reproduced(&form(endpoint, "gpt-4o"), bytes);
            let body = sent(&made.command);
            assert_eq!(body.len() as u64, made.body_bytes, "{endpoint} {bytes}");
            if bytes >= 700 {
                assert_eq!(made.body_bytes, bytes, "{endpoint}");
            }
            let told: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(told["model"], "gpt-4o");
            if made.command.contains("<<'JSON'") {
                assert_eq!(told, made.body, "{endpoint} {bytes}");
            }
            let found = lint::lint(&body, Options::default());
            assert!(!found.has_errors(), "{endpoint}: {:?}", found.findings);
            let shown = lint::lint(made.body.to_string().as_bytes(), Options::default());
            assert!(!shown.has_errors(), "{endpoint}: {:?}", shown.findings);
        }
    }
    let made = reproduced(&form("chat_completions", "gpt-4o"), reproduction::BODY_BYTES_MAX + 1);
    assert_eq!(made.body_bytes, reproduction::BODY_BYTES_MAX);
    assert!(made.notes[1].plain().starts_with("The bodies had 8,388,609 bytes"), "{:?}", made.notes);
    let many = tally::Form { tools: reproduction::TOOLS_MAX + 1, ..form("chat_completions", "gpt-4o") };
    assert_eq!(reproduced(&many, 0).body["tools"].as_array().unwrap().len(), reproduction::TOOLS_MAX as usize);
    assert!(reproduction::of(&Tally::default()).is_err());
    let mut tally = Tally::default();
    tally.forms.insert(form("files", "gpt-4o"), (1, 10));
    assert!(reproduction::of(&tally).unwrap_err().plain().contains("what a request to files is made of"));
}

#[test]
fn a_filler_is_written_out_up_to_its_limit_and_made_by_the_command_beyond() {
    let form = form("chat_completions", "gpt-4o");
    let empty = reproduced(&form, 0).body_bytes - "This sentence is filler. ".len() as u64;
    for (filler, is_inline) in [(reproduction::FILLER_INLINE_MAX, true), (reproduction::FILLER_INLINE_MAX + 1, false)] {
        let made = reproduced(&form, empty + filler);
        assert_eq!(made.command.contains("<<'JSON'"), is_inline, "{}", made.command);
        assert_eq!(sent(&made.command).len() as u64, empty + filler);
    }
}

#[test]
fn no_model_makes_the_command_do_anything_else() {
    for model in HOSTILE.into_iter().filter(|model| !model.trim().is_empty()) {
        for bytes in [0, 5_000] {
            let made = reproduced(&form("chat_completions", model), bytes);
            let told: Value = serde_json::from_slice(&sent(&made.command)).unwrap();
            assert_eq!(told["model"], words::name(model), "{model:?}");
            assert_eq!(told["messages"].as_array().unwrap().len(), 1);
        }
    }
}

#[test]
fn a_journal_from_before_there_were_incidents_is_read() {
    let record = outage();
    let file = Connection::open(record.file()).unwrap();
    file.execute_batch(
        "DROP TABLE minutes; DROP TABLE incidents; DROP TABLE incident_events; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(file);
    let report = record.of(&Subject::Period(BEGAN, BEGAN + 800 * SECOND)).unwrap();
    assert_eq!(report.totals.attempts_failed, 240);
    assert!(report.totals.counted.is_none());
    schema_holds(&report);
    assert!(record.dir.path().exists());
}
