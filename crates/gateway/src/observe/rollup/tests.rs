use std::path::Path;

use http::{HeaderMap, Method};
use seawall_core::event::Reason;
use seawall_core::incident::Limits;
use seawall_core::verdict::usage::{Counted, Usage};

use super::*;
use crate::observe::journal::Settings;
use crate::observe::journal::minutes::Summed;
use crate::observe::journal::read::{JournalArgs, Journals};
use crate::observe::journal::samples::{PATIENCE, attempt, ended, open};

/// 2026-11-23T06:30:00Z
const NOW: i64 = 1_795_415_400_000_000;
const MINUTE: i64 = NOW / MINUTE_MICROS;

fn asked(model: &str, padding: usize) -> Request {
    let body = format!(r#"{{"model":"{model}","user":"{}"}}"#, "x".repeat(padding));
    Request::of(&Method::POST, "/v1/chat/completions", &HeaderMap::new(), Some(body.as_bytes()), body.len() as u64)
}

fn over(outcome: Outcome, upstream: u16, counted: Counted) -> Ended {
    let usage = Usage { input: Some(100), output: Some(10), cached: Some(64), reasoning: Some(1) };
    let (reason, upstream) = (Reason::Answered, Some(UpstreamId(upstream)));
    Ended { outcome, reason, upstream, tokens: Tokens { usage, counted }, ..ended(1) }
}

fn rollup() -> Rollup {
    Rollup::new(&["one".to_owned(), "two".to_owned()])
}

/// What is on record in `file`.
fn read(file: &Path) -> Vec<Summed> {
    let args = JournalArgs { data_dir: None, journal: Some(file.to_owned()) };
    Journals::open(&args, None).unwrap().minutes(i64::MIN, i64::MAX).unwrap()
}

fn kept(file: &Path) -> Journal {
    // Kept for a century: the minutes are of a fixed day.
    let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
    Journal::open(file, settings).unwrap().0
}

#[test]
fn every_way_to_end_is_counted_once_and_where_it_happened() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal.db");
    let (journal, rollup, facts) = (kept(&file), rollup(), asked("m", 370));
    let fails = |number, class| {
        let tried = Attempt { class, ..attempt(number) };
        rollup.failed(NOW, &Facts::of(&facts), Some(UpstreamId(0)), &tried);
    };
    rollup.ended(NOW, &facts, &over(Outcome::Passed, 0, Counted::Known));
    rollup.ended(NOW, &facts, &over(Outcome::Passed, 0, Counted::Unknown));
    fails(1, Class::Overloaded);
    rollup.ended(NOW, &facts, &over(Outcome::FailedOver, 1, Counted::Estimated));
    fails(1, Class::ServerError);
    fails(2, Class::ServerError);
    rollup.ended(NOW, &facts, &over(Outcome::Exhausted, 0, Counted::Known));
    fails(2, Class::Cancelled);
    rollup.ended(NOW, &facts, &over(Outcome::Hedged, 0, Counted::Known));
    fails(1, Class::MidStream);
    rollup.ended(NOW, &facts, &over(Outcome::Interrupted, 0, Counted::Known));
    rollup.left(NOW, &facts, 1);
    rollup.left(NOW, &facts, 0);
    assert!(rollup.hand_over(&journal));
    journal.close(PATIENCE);
    let found = read(&file);
    let of = |upstream: &str| found.iter().find(|row| row.upstream == upstream).map(|row| row.sums).unwrap();
    let one = Sums {
        requests: 5,
        failed_first: 3,
        hedged: 1,
        lost: 1,
        cut: 1,
        attempts: 8,
        failed: 4,
        broken_off: 1,
        known: 2,
        unknown: 1,
        input_tokens: 200,
        output_tokens: 20,
        cached_tokens: 128,
        reasoning_tokens: 2,
        input_estimated: 100,
        output_estimated: 10,
        ..Sums::default()
    };
    assert_eq!(of("one"), one);
    let two = Sums {
        requests: 1,
        saved: 1,
        attempts: 1,
        estimated: 1,
        input_estimated: 100,
        output_estimated: 10,
        saved_input: 100,
        saved_output: 10,
        saved_uncertain: 1,
        ..Sums::default()
    };
    assert_eq!(of("two"), two);
    let nowhere = Sums { requests: 2, caller_left: 2, left_input: facts.body_bytes / 4, ..Sums::default() };
    assert_eq!(of("-"), nowhere);
}

#[test]
fn what_is_handed_over_twice_in_a_minute_adds_up_and_minutes_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal.db");
    let (journal, rollup, facts) = (kept(&file), rollup(), asked("m", 1));
    for (seconds, rounds) in [(0, 3), (59, 2), (60, 1)] {
        for _ in 0..rounds {
            rollup.ended(NOW + seconds * 1_000_000, &facts, &over(Outcome::Passed, 0, Counted::Known));
        }
        assert!(rollup.hand_over(&journal));
        assert!(rollup.hand_over(&journal), "nothing is nothing to hand over");
    }
    journal.close(PATIENCE);
    let args = JournalArgs { data_dir: None, journal: Some(file) };
    let journals = Journals::open(&args, None).unwrap();
    let requests =
        |since, until| journals.minutes(since, until).unwrap().iter().map(|row| row.sums.requests).sum::<u64>();
    assert_eq!(
        [
            requests(MINUTE, MINUTE + 1),
            requests(MINUTE + 1, MINUTE + 2),
            requests(MINUTE, MINUTE + 2),
            requests(0, MINUTE)
        ],
        [5, 1, 6, 0]
    );
    assert_eq!(journals.first_minute().unwrap(), Some(MINUTE));
}

#[test]
fn what_tells_requests_apart_has_rows_of_its_own() {
    let rollup = rollup();
    let end = |facts: &Request| rollup.ended(NOW, facts, &over(Outcome::Passed, 0, Counted::Known));
    let plain = asked("m", 0);
    for facts in [
        plain.clone(),
        asked("other-model", 0),
        asked("m", 9_000),
        Request { stream: true, ..plain.clone() },
        Request { tools: 2, ..plain.clone() },
        Request { endpoint: Endpoint::Responses, ..plain.clone() },
        Request { model: None, ..plain.clone() },
    ] {
        end(&facts);
        end(&facts);
    }
    end(&Request { tools: 7, body_bytes: plain.body_bytes + 1, ..plain });
    let open = rollup.open.lock().unwrap();
    let rows = rollup.named(&open);
    assert_eq!(rows.len(), 7, "{rows:?}");
    assert_eq!(rows.iter().map(|(_, sums)| sums.requests).sum::<u64>(), 15);
    assert!(rows.iter().any(|(cell, _)| cell.model == "-"));
}

#[test]
fn a_million_model_names_take_no_more_room_than_the_cells_allowed() {
    let rollup = rollup();
    let facts = asked("m", 0);
    let named = |n: u32| Request { model: Some(format!("model-{n}")), ..facts.clone() };
    let most = u32::try_from(CELLS_MAX).unwrap();
    for n in 0..most {
        rollup.ended(NOW, &named(n), &over(Outcome::Passed, 0, Counted::Known));
    }
    let count = |rollup: &Rollup| rollup.open.lock().unwrap().cells.len();
    assert_eq!(count(&rollup), CELLS_MAX, "so many have cells of their own");
    for n in most..20_000 {
        rollup.ended(NOW, &named(n), &over(Outcome::Passed, 0, Counted::Known));
    }
    assert_eq!(count(&rollup), CELLS_MAX + 1);
    let rows = rollup.named(&rollup.open.lock().unwrap());
    let other = rows.iter().find(|(cell, _)| cell.model == OTHER).map(|(_, sums)| sums.requests);
    assert_eq!(other, Some(u64::from(20_000 - most)), "nothing is lost, only its name");
    // A journal that cannot be written for long.
    for minute in 0..3_000 {
        rollup.ended(NOW + minute * MINUTE_MICROS, &named(7_000_000), &over(Outcome::Passed, 0, Counted::Known));
    }
    assert_eq!(count(&rollup), CELLS_MAX + FOLDED_MAX);
}

#[test]
fn what_the_journal_has_no_room_for_stays_and_is_handed_over_later() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal.db");
    let (rollup, facts) = (rollup(), asked("m", 0));
    let closed = open(&dir.path().join("closed.db"));
    let gone = closed.clone();
    closed.close(PATIENCE);
    rollup.ended(NOW, &facts, &over(Outcome::Passed, 0, Counted::Known));
    assert!(!rollup.hand_over(&gone));
    rollup.ended(NOW, &facts, &over(Outcome::Passed, 0, Counted::Known));
    rollup.ended(NOW, &Request { model: None, ..facts }, &over(Outcome::Passed, 0, Counted::Known));
    let journal = kept(&file);
    assert!(rollup.hand_over(&journal));
    journal.close(PATIENCE);
    let found: Vec<_> = read(&file).iter().map(|row| (row.model.clone(), row.sums.requests)).collect();
    assert_eq!(found, [("-".to_owned(), 1), ("m".to_owned(), 2)]);
}

#[tokio::test(start_paused = true)]
async fn sums_are_on_their_way_to_the_file_every_ten_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal.db");
    let names = ["one".to_owned()];
    let pages = Arc::new(crate::observe::status_page::board::Board::new(
        &[("one".to_owned(), None)],
        crate::observe::status_page::board::Wanted::Watched,
        0,
    ));
    let names = crate::observe::incidents::Names { upstreams: names.to_vec(), ..Default::default() };
    let alerts = crate::observe::alert::Alerts::start(Vec::new(), &crate::observe::alert::Links::default());
    let alerts = Arc::new(alerts.unwrap());
    let off = crate::observe::telemetry::Settings::off();
    let observe = crate::observe::Observe::new(kept(&file), names, 0.0, Some(Limits::default()), pages, alerts, off);
    let observe = Arc::new(observe.unwrap());
    let mut tending = tokio::task::JoinSet::new();
    tending.spawn(tend(Arc::clone(&observe)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    observe.rollup.ended(NOW, &asked("m", 0), &over(Outcome::Passed, 0, Counted::Known));
    let waiting = || observe.rollup.open.lock().unwrap().cells.len();
    tokio::time::sleep(HAND_OVER - Duration::from_millis(2)).await;
    assert_eq!(waiting(), 1);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(waiting(), 0);
    tending.shutdown().await;
    observe.rollup.ended(NOW, &asked("m", 0), &over(Outcome::Passed, 0, Counted::Known));
    observe.hand_over_last();
    observe.journal.clone().close(PATIENCE);
    assert_eq!(read(&file)[0].sums.requests, 2);
}
