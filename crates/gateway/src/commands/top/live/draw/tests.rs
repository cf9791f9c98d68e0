use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use serde_json::{Value, json};

use super::super::super::samples::{HOSTILE, NOW, failures, hostile, summary, upstreams};
use super::super::detail::Wanted;
use super::super::filter::Filter;
use super::super::lists::{Failures, Upstreams};
use super::super::state::{Event, Key};
use super::*;
use crate::observe::journal::plain::is_active;

const PLAIN: Paint = Paint { colours: false };

/// A screen that has heard of everything.
fn state(of: impl Fn(Value) -> Value) -> State {
    let mut state = State::new(NOW, "127.0.0.1:7501".to_owned());
    state.on(Event::Found("127.0.0.1:7501".to_owned()));
    state.on(Event::Summary(Box::new(serde_json::from_value(of(summary())).unwrap())));
    let upstreams: Upstreams = serde_json::from_value(json!({ "upstreams": of(upstreams()) })).unwrap();
    state.on(Event::Upstreams(upstreams.upstreams));
    let failures: Failures = serde_json::from_value(json!({ "failures": of(failures(12)) })).unwrap();
    state.on(Event::Failures(Filter::default(), failures.failures));
    state
}

fn known() -> State {
    state(|as_it_is| as_it_is)
}

fn press(state: &mut State, keys: &str) {
    for key in keys.chars() {
        state.on(Event::Key(match key {
            '\n' => Key::Enter,
            key => Key::Char(key),
        }));
    }
}

/// A request of two attempts.
fn request(id: &str) -> Value {
    let attempt = |n: u32, class: &str| {
        json!({
            "time": format!("2026-11-23T06:34:0{n}.000Z"), "attempt": n, "upstream": "openai", "status": 503, "class": class,
            "whose": "provider", "billed": "no", "error_code": "overloaded", "message": "The engine is currently overloaded",
            "upstream_request_id": format!("req_{n}"), "connection": "new", "connected_ms": 12.0, "secured_ms": 31.0, "sent_ms": 31.2, "first_byte_ms": 80.0,
            "elapsed_ms": 81.0, "decision": if n == 1 { "retry" } else { "stop" },
            "reason": "attempts", "wait_ms": if n == 1 { json!(750.0) } else { Value::Null }, "tools": 0,
        })
    };
    json!({ "requests": [{
        "request_id": id, "time": "2026-11-23T06:34:00.500Z", "endpoint": "chat_completions", "model": "gpt-4o", "stream": true,
        "outcome": "exhausted", "status": 503, "attempts_made": 2, "elapsed_ms": 1_500.0,
        "attempts": [attempt(1, "overloaded"), attempt(2, "server_error")],
    }], "more": false })
}

fn buffer(state: &State, paint: Paint, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(state, paint, frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn shown(state: &State, width: u16, height: u16) -> String {
    let buffer = buffer(state, PLAIN, width, height);
    let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_overview_answers_first_and_shows_a_little_of_everything() {
    insta::assert_snapshot!("overview_wide", shown(&known(), 160, 40));
    insta::assert_snapshot!("overview", shown(&known(), 100, 30));
    insta::assert_snapshot!("overview_small", shown(&known(), 60, 16));
    insta::assert_snapshot!("overview_smallest", shown(&known(), 40, 10));
}

#[test]
fn each_pane_has_its_table() {
    for (pane, name) in [("2", "upstreams"), ("3", "incidents"), ("4", "failures"), ("5", "numbers")] {
        let mut state = known();
        press(&mut state, pane);
        insta::assert_snapshot!(format!("pane_{name}"), shown(&state, 120, 18));
    }
}

#[test]
fn a_request_is_shown_attempt_by_attempt() {
    let mut state = known();
    press(&mut state, "4\n");
    let id = format!("sw_{:032x}", 0);
    state.on(Event::Detail(Wanted::Request(id.clone()), Ok(request(&id))));
    insta::assert_snapshot!("detail_request", shown(&state, 100, 57));
}

#[test]
fn an_incident_is_shown_with_what_is_different_and_what_was_told() {
    let mut state = known();
    press(&mut state, "3\n");
    let id = "inc_00000000000000a1";
    let said = json!({
        "id": id, "state": "open", "kind": "failures", "severity": "critical", "upstream": "openai", "model": "gpt-4o",
        "route": null, "rule": "consecutive", "since": "2026-11-23T06:30:00.000Z", "opened": "2026-11-23T06:30:02.000Z",
        "closed": null, "flaps": 0, "whole": { "failed": 41, "of": 60 }, "window": { "failed": 14, "of": 20 },
        "differences": [{ "text": "9 of 10 failures are streams, 1 of 10 answers is" }],
        "status_page": { "url": "https://status.openai.com", "page": { "indicator": "none", "description": "All Systems Operational" } },
        "request_ids": ["sw_1", "sw_2"],
        "events": [{ "what": "incident.opened", "at": "2026-11-23T06:30:02.000Z", "severity": "critical" }],
    });
    state.on(Event::Detail(Wanted::Incident(id.to_owned()), Ok(said)));
    insta::assert_snapshot!("detail_incident", shown(&state, 100, 28));
}

#[test]
fn what_is_left_out_paused_typed_or_gone_is_said_in_words() {
    let mut state = known();
    press(&mut state, "4ucp");
    let told = shown(&state, 100, 12);
    assert!(told.contains("PAUSED") && told.contains("only upstream openai, class overloaded"), "{told}");
    press(&mut state, "p/req");
    assert!(shown(&state, 100, 12).ends_with("/req_"));
    state.on(Event::Key(Key::Enter));
    state.on(Event::Tick(NOW + 12_000_000));
    state.on(Event::Lost { why: "no gateway runs from /var/lib/seawall\u{1b}[2J".to_owned(), retry_in_ms: 4_000 });
    insta::assert_snapshot!("gone", shown(&state, 100, 12));
}

#[test]
fn help_names_every_key() {
    let mut state = known();
    press(&mut state, "?");
    insta::assert_snapshot!("help", shown(&state, 90, 22));
}

#[test]
fn before_the_first_word_it_says_that_it_waits() {
    let state = State::new(NOW, "127.0.0.1:7501".to_owned());
    assert!(shown(&state, 80, 12).contains("Waiting for the gateway's first word."));
}

#[test]
fn a_text_is_broken_between_words_and_in_a_word_that_is_longer_than_a_line() {
    let told = |text, width| wrapped(text, width).join("|");
    assert_eq!(told("one two three", 7), "one two|three");
    assert_eq!(told("one two three", 100), "one two three");
    assert_eq!(told("abcdefgh i", 3), "abc|def|gh|i");
    assert_eq!(told("a 東京東京", 3), "a|東|京|東|京");
    assert_eq!(told("東京", 1), "東|京");
    assert_eq!((told("", 5), told("ab", 0)), (String::new(), "a|b".to_owned()));
}

/// Every state that looks different.
fn all(of: impl Fn(Value) -> Value + Copy) -> Vec<State> {
    let mut states = vec![State::new(NOW, HOSTILE.repeat(30))];
    for keys in ["1", "2", "3", "4", "5", "?", "/東🧪", "p", "1u", "4j", "3\n", "4\n"] {
        let mut state = state(of);
        press(&mut state, keys);
        if let Some(detail) = &state.detail {
            let wanted = detail.wanted.clone();
            state.on(Event::Detail(wanted, Ok(of(request("sw_1")))));
        }
        states.push(state.clone());
        state.on(Event::Lost { why: HOSTILE.repeat(30), retry_in_ms: 500 });
        states.push(state);
    }
    states
}

#[test]
fn no_size_of_a_screen_is_too_small_or_too_large() {
    for state in all(|as_it_is| as_it_is).iter().chain(&all(hostile)) {
        for width in [1, 2, 3, 20, 40, 81, 220] {
            for height in [1, 2, 3, 5, 10, 13, 40] {
                buffer(state, PLAIN, width, height);
            }
        }
    }
}

#[test]
fn nothing_that_a_terminal_would_obey_is_in_any_cell() {
    for state in all(hostile) {
        for (width, height) in [(40, 10), (80, 24), (250, 60)] {
            let buffer = buffer(&state, Paint { colours: true }, width, height);
            let active = buffer.content().iter().flat_map(|cell| cell.symbol().chars()).find(|c| is_active(*c));
            assert_eq!(active, None, "{width}x{height}");
        }
    }
}

#[test]
fn without_colours_there_is_none_and_nothing_else_is_missing() {
    for state in all(|as_it_is| as_it_is) {
        let (plain, colourful) = (buffer(&state, PLAIN, 160, 40), buffer(&state, Paint { colours: true }, 160, 40));
        let is_grey = |cell: &ratatui::buffer::Cell| cell.fg == Color::Reset && cell.bg == Color::Reset;
        assert!(plain.content().iter().all(is_grey));
        let text = |buffer: &Buffer| buffer.content().iter().map(|cell| cell.symbol().to_owned()).collect::<String>();
        assert_eq!(text(&plain), text(&colourful));
    }
}
