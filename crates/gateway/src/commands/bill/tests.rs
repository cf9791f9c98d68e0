use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use seawall_core::event::{Attempt, Reason, Request};
use seawall_core::verdict::usage::{Counted, Tokens, Usage};
use seawall_core::verdict::{Charge, Class};

use super::*;
use crate::data_dir::{EXEC_DIR, JOURNAL_FILE};
use crate::observe::journal::minutes::{Cell, Sums};
use crate::observe::journal::samples::{attempt, request, settled};
use crate::observe::journal::{Journal, Settings};

/// 2026-11-23T06:30:00Z
const BEGAN: i64 = 1_795_415_400_000_000;
const THEN: [&str; 4] = ["--since", "2026-11-23T06:00:00Z", "--until", "2026-11-23T07:00:00Z"];

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: BillArgs,
}

/// Runs the command on `dir`; its exit code, stdout and stderr.
fn bill(dir: &Path, flags: &[&str]) -> (u8, String, String) {
    let then = THEN.chunks(2).filter(|pair| !flags.contains(&pair[0])).flatten();
    let line = Line::try_parse_from(["bill"].iter().chain(then).chain(flags)).unwrap();
    let args = BillArgs { place: JournalArgs { data_dir: None, ..line.args.place }, ..line.args };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&args, Some(dir), &mut out, &mut err).unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn lines(json: &str) -> Vec<serde_json::Value> {
    json.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn tokens(input: u32, output: u32, counted: Counted) -> Tokens {
    let usage = Usage { input: Some(input), output: Some(output), cached: Some(0), reasoning: None };
    Tokens { usage, counted }
}

fn journal(file: &Path) -> Journal {
    // Kept for a century: the rows are of a fixed day.
    let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
    Journal::open(file, settings).unwrap().0
}

fn cell(upstream: &str, model: &str, minute: i64) -> Cell {
    let (upstream, model) = (upstream.to_owned(), model.to_owned());
    let minute = BEGAN / MINUTE_MICROS + minute;
    Cell { minute, upstream, model, endpoint: "chat_completions", stream: false, size: 9, tools: false }
}

/// A hundred answers, four of them saved, and seven attempts that brought none.
fn fill(file: &Path) {
    let journal = journal(file);
    let most = Sums {
        requests: 98,
        failed_first: 5,
        saved: 4,
        lost: 1,
        attempts: 102,
        failed: 5,
        known: 96,
        estimated: 1,
        input_tokens: 100_000,
        output_tokens: 10_000,
        cached_tokens: 20_000,
        input_estimated: 40,
        output_estimated: 7,
        saved_input: 4_000,
        saved_output: 400,
        ..Sums::default()
    };
    let few = Sums {
        requests: 3,
        hedged: 1,
        attempts: 4,
        broken_off: 1,
        known: 2,
        input_tokens: 50,
        output_tokens: 5,
        cut: 1,
        ..Sums::default()
    };
    let left = Sums { requests: 1, caller_left: 1, left_input: 300, ..Sums::default() };
    journal.minutes(vec![(cell("openai", "gpt-4o", 0), most), (cell("azure", "o9", 1), few)]).unwrap();
    journal.minutes(vec![(cell("-", "gpt-4o", 1), left)]).unwrap();
    let attempts = [
        (1, Class::RateLimited, Charge::RateLimited, Tokens::NONE, "gpt-4o", "openai"),
        (1, Class::Overloaded, Charge::NoCapacity, Tokens::NONE, "gpt-4o", "openai"),
        (1, Class::ServerError, Charge::ServerError, tokens(400, 0, Counted::Estimated), "gpt-4o", "openai"),
        (2, Class::ServerError, Charge::ServerError, tokens(400, 0, Counted::Estimated), "gpt-4o", "openai"),
        (1, Class::Ambiguous, Charge::MayHaveRun, Tokens::UNKNOWN, "gpt-4o", "openai"),
        (1, Class::Cancelled, Charge::CancelledHedge, tokens(30, 0, Counted::Estimated), "o9", "azure"),
        (1, Class::MidStream, Charge::CutAfterContent, tokens(25, 3, Counted::Known), "o9", "azure"),
    ];
    for (n, (number, class, charge, tokens, model, upstream)) in attempts.into_iter().enumerate() {
        let n = i64::try_from(n).unwrap();
        let asked =
            Arc::new(Request { began_unix_micros: BEGAN, model: Some(model.to_owned()), ..(*request(n)).clone() });
        let began_unix_micros = BEGAN + n * 1_000_000;
        let upstream = upstream.to_owned();
        let tried =
            Attempt { number, class, charge, tokens, upstream, began_unix_micros, reason: Reason::Retry, ..attempt(1) };
        journal.attempt(&asked, tried);
        settled(&journal, &asked);
    }
    journal.close(Duration::from_secs(20));
}

fn prices(dir: &Path) -> String {
    let file = dir.join("prices.toml");
    let text = "[[price]]\nmodel = \"gpt-4o*\"\ninput = 2.5\ncached = 1.25\noutput = 10\n";
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_person_reads_what_it_cost_and_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    fill(&dir.path().join(JOURNAL_FILE));
    let (code, out, err) = bill(dir.path(), &[]);
    let hint = "hint: --prices FILE tells it in money too; `seawall help bill` has an example of one\n";
    assert_eq!((code, err.as_str()), (0, hint));
    insta::assert_snapshot!("by_model", out);
    let (_, out, err) = bill(dir.path(), &["--by", "class", "--prices", &prices(dir.path())]);
    insta::assert_snapshot!("by_class_in_money", format!("{out}\n{err}"));
    let (_, out, _) = bill(dir.path(), &["--by", "upstream"]);
    insta::assert_snapshot!("by_upstream", out);
}

#[test]
fn json_has_every_sum_and_the_rows_add_up_to_the_totals() {
    let dir = tempfile::tempdir().unwrap();
    fill(&dir.path().join(JOURNAL_FILE));
    let prices = prices(dir.path());
    let mut totals = Vec::new();
    for by in ["model", "class", "upstream"] {
        let (code, out, err) = bill(dir.path(), &["--json", "--by", by, "--prices", &prices]);
        assert_eq!((code, err.as_str()), (0, ""), "{by}");
        let rows = lines(&out);
        let (total, rows) = rows.split_last().unwrap();
        assert_eq!((&total["type"], total["by"].as_str()), (&"total".into(), Some(by)));
        let sum =
            |at: &str| rows.iter().map(|row| row.pointer(at).and_then(serde_json::Value::as_u64).unwrap()).sum::<u64>();
        for at in [
            "/attempts",
            "/answers/known",
            "/answers/input_tokens",
            "/answers/output_tokens",
            "/answers/cached_tokens",
            "/first_attempts/attempts",
            "/first_attempts/free",
            "/first_attempts/possible/input_estimated",
            "/first_attempts/possible/unknown",
            "/retries/possible/input_estimated",
            "/hedges/possible/input_estimated",
            "/cut_streams/certain/output_tokens",
            "/callers_left/input_estimated",
        ] {
            assert_eq!(Some(sum(at)), total.pointer(at).and_then(serde_json::Value::as_u64), "{by} {at}");
        }
        totals.push(serde_json::Value::Object(
            total.as_object().unwrap().clone().into_iter().filter(|(key, _)| key != "by").collect(),
        ));
    }
    assert_eq!(totals[0], totals[1], "however it is cut, it is one bill");
    assert_eq!(totals[0], totals[2]);
    insta::assert_snapshot!("total_in_json", serde_json::to_string_pretty(&totals[0]).unwrap());
    // 80,000 at 2.50, 20,000 at 1.25, 10,000 at 10.00 a million, and the estimated 40 and 7.
    assert_eq!(totals[0]["answers"]["cost"], "0.32517");
    assert_eq!(totals[0]["answers"]["unpriced_tokens"], 55);
    assert_eq!(totals[0]["unpriced_models"], serde_json::json!(["o9"]));
}

#[test]
fn without_prices_nothing_has_a_cost_and_nothing_is_unpriced() {
    let dir = tempfile::tempdir().unwrap();
    fill(&dir.path().join(JOURNAL_FILE));
    let total = lines(&bill(dir.path(), &["--json"]).1).pop().unwrap();
    assert_eq!((&total["currency"], &total["answers"]["cost"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(total["answers"]["unpriced_tokens"], 0);
}

#[test]
fn times_are_whole_minutes_and_what_lies_outside_is_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir.path().join(JOURNAL_FILE));
    let one = Sums { requests: 1, attempts: 1, known: 1, input_tokens: 1, ..Sums::default() };
    journal.minutes((-2..3).map(|minute| (cell("openai", "m", minute), one)).collect()).unwrap();
    journal.close(Duration::from_secs(20));
    let requests = |since: &str, until: &str| {
        let out = bill(dir.path(), &["--json", "--since", since, "--until", until]).1;
        lines(&out).pop().unwrap()["requests"].as_u64().unwrap()
    };
    assert_eq!(requests("2026-11-23T06:30:00Z", "2026-11-23T06:31:00Z"), 1);
    assert_eq!(requests("2026-11-23T06:30:59Z", "2026-11-23T06:31:01Z"), 2, "a minute that is touched counts");
    assert_eq!(requests("2026-11-23T06:20:00Z", "2026-11-23T06:28:00Z"), 0);
}

#[test]
fn the_journals_of_exec_are_part_of_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(EXEC_DIR)).unwrap();
    fill(&dir.path().join(JOURNAL_FILE));
    fill(&dir.path().join(EXEC_DIR).join("1.db"));
    let total = lines(&bill(dir.path(), &["--json"]).1).pop().unwrap();
    assert_eq!((&total["requests"], &total["first_attempts"]["attempts"]), (&204.into(), &8.into()));
}

#[test]
fn a_journal_that_did_not_count_before_says_from_when_on_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(JOURNAL_FILE);
    let journal = journal(&file);
    let asked = Arc::new(Request { began_unix_micros: BEGAN, ..(*request(1)).clone() });
    let old = Attempt { began_unix_micros: BEGAN, charge: Charge::ServerError, tokens: Tokens::UNKNOWN, ..attempt(1) };
    journal.attempt(&asked, old);
    journal.minutes(vec![(cell("openai", "m", 20), Sums { requests: 1, ..Sums::default() })]).unwrap();
    settled(&journal, &asked);
    journal.close(Duration::from_secs(20));
    let (_, _, err) = bill(dir.path(), &[]);
    assert!(err.contains("whole requests are counted from 2026-11-23T06:50:00.000Z on"), "{err}");
    let total = lines(&bill(dir.path(), &["--json"]).1).pop().unwrap();
    assert_eq!(total["counted_since"], "2026-11-23T06:50:00.000Z");
    let later = bill(dir.path(), &["--json", "--since", "2026-11-23T06:50:00Z"]).1;
    assert_eq!(lines(&later).pop().unwrap()["counted_since"], serde_json::Value::Null);
}

#[test]
fn nothing_on_record_is_said_and_no_journal_is_exit_4_and_bad_prices_exit_3() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(bill(dir.path(), &[]).0, exit::CANNOT_START);
    journal(&dir.path().join(JOURNAL_FILE)).close(Duration::from_secs(20));
    let (code, out, err) = bill(dir.path(), &[]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert_eq!(err, "nothing is on record from 2026-11-23T06:00:00.000Z to 2026-11-23T07:00:00.000Z\n");
    let missing = dir.path().join("none.toml").display().to_string();
    let (code, _, err) = bill(dir.path(), &["--prices", &missing]);
    assert_eq!(code, exit::CONFIG);
    assert!(err.starts_with("error: the prices ") && err.contains("none.toml: cannot be read"), "{err}");
}

#[test]
fn a_models_name_moves_no_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir.path().join(JOURNAL_FILE));
    let sums = Sums { requests: 1, attempts: 1, known: 1, input_tokens: 9, ..Sums::default() };
    journal.minutes(vec![(cell("openai", "m\u{1b}[2J\r\n\u{202e}", 0), sums)]).unwrap();
    journal.close(Duration::from_secs(20));
    for flags in [vec![], vec!["--prices"]] {
        let prices = prices(dir.path());
        let flags: Vec<&str> = flags.iter().copied().chain((!flags.is_empty()).then_some(prices.as_str())).collect();
        let (_, out, err) = bill(dir.path(), &flags);
        assert!(!(out + &err).contains(['\u{1b}', '\u{202e}', '\r']), "{flags:?}");
    }
    assert_eq!(bill(dir.path(), &["--json"]).1.lines().count(), 2, "one line for each object");
}

#[test]
fn the_guide_has_the_rules_of_the_code() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/bill.md");
    let guide = std::fs::read_to_string(page).unwrap();
    let rules: String = Charge::ALL
        .iter()
        .map(|charge| format!("| `{charge}` | {} | {} |\n", charge.billed(), charge.says()))
        .collect();
    assert!(guide.contains(&rules), "the table in docs/guides/bill.md should be:\n{rules}");
}
