use serde_json::{Value, json};

use super::super::super::said::Text;
use super::super::super::samples::{NOW, failures, summary, upstreams};
use super::super::detail::Line;
use super::super::lists::{Failures, Upstreams};
use super::*;

fn rows(n: u64) -> Vec<Failure> {
    serde_json::from_value::<Failures>(json!({ "failures": failures(n) })).unwrap().failures
}

/// A screen that has heard of everything.
fn state(n: u64) -> State {
    let mut state = State::new(NOW, "127.0.0.1:7501".to_owned());
    state.on(Event::Found("127.0.0.1:7501".to_owned()));
    state.on(Event::Summary(Box::new(serde_json::from_value(summary()).unwrap())));
    let upstreams: Upstreams = serde_json::from_value(json!({ "upstreams": upstreams() })).unwrap();
    state.on(Event::Upstreams(upstreams.upstreams));
    state.on(Event::Failures(Filter::default(), rows(n)));
    state
}

fn press(state: &mut State, keys: &str) -> Option<Ask> {
    keys.chars().fold(None, |_, key| state.on(Event::Key(Key::Char(key))))
}

fn key(state: &mut State, key: Key) -> Option<Ask> {
    state.on(Event::Key(key))
}

fn ids(state: &State) -> Vec<String> {
    state.failures().iter().map(|row| row.request_id.to_string()).collect()
}

fn late(second: i64) -> Box<Failure> {
    let [mut row] = <[Failure; 1]>::try_from(rows(1)).unwrap();
    row.time = Some(Moment(NOW + second * 1_000_000));
    row.request_id = format!("sw_new_{second}").as_str().into();
    Box::new(row)
}

#[test]
fn a_failure_is_shown_once_however_it_is_heard_of() {
    let mut state = state(8);
    state.on(Event::Failure(late(1)));
    state.on(Event::Failure(late(1)));
    let mut page = rows(8);
    page.insert(0, *late(1));
    state.on(Event::Failures(Filter::default(), page));
    assert_eq!(state.failures().len(), 9);
    assert_eq!(ids(&state)[0], "sw_new_1", "the newest is the first");
    let second_attempt = Failure { attempt: 2, ..*late(1) };
    state.on(Event::Failure(Box::new(second_attempt)));
    assert_eq!(state.failures().len(), 10, "another attempt of the request is another row");
}

#[test]
fn no_more_than_so_many_failures_are_kept_and_those_the_newest() {
    let mut state = state(0);
    for second in 0..i64::try_from(FAILURES_MAX).unwrap() + 7 {
        state.on(Event::Failure(late(second)));
    }
    let ids = ids(&state);
    assert_eq!((ids.len(), ids.last().unwrap().as_str()), (FAILURES_MAX, "sw_new_7"));
}

#[test]
fn incidents_are_kept_up_to_a_bound() {
    let mut state = state(0);
    let resolved =
        |n: usize| Incident { id: format!("inc_{n}").as_str().into(), state: "resolved".into(), ..Incident::default() };
    state.on(Event::Incidents((0..INCIDENTS_MAX + 5).map(resolved).collect()));
    assert_eq!(state.incidents().len(), INCIDENTS_MAX + 1, "and the one that the summary has open");
}

#[test]
fn an_open_incident_is_told_first_with_what_the_list_knows_of_it() {
    let mut state = state(0);
    let of = |id: &str, word: &str, under: Option<&str>| Incident {
        id: id.into(),
        state: word.into(),
        under: under.map(Text::from),
        acknowledged: Some(Moment(NOW)),
        ..Incident::default()
    };
    state.on(Event::Incidents(vec![
        of("inc_new", "open", None),
        of("inc_old", "resolved", None),
        of("inc_00000000000000a1", "open", None),
        of("inc_part", "resolved", Some("inc_old")),
    ]));
    let told: Vec<String> = state.incidents().iter().map(|incident| incident.id.to_string()).collect();
    assert_eq!(told, ["inc_00000000000000a1", "inc_old"], "what the summary no longer has open is over or not told");
    let open = &state.incidents()[0];
    assert!(open.acknowledged.is_some());
    assert_eq!((open.counts().failed, open.counts().of), (2_664, 7_200), "what the summary counts is newer");
}

#[test]
fn a_letter_narrows_to_what_the_chosen_row_has_and_again_widens() {
    let mut state = state(8);
    let ask = press(&mut state, "4jjju").unwrap();
    let azure = Filter { upstream: Some("azure-eu".into()), ..Filter::default() };
    assert_eq!((ask, &state.filter), (Ask::Failures(azure.clone()), &azure));
    assert!(state.failures().iter().all(|row| row.upstream.raw() == "azure-eu") && state.cursor() == Some(0));
    press(&mut state, "mcs");
    assert_eq!(state.filter.says(), "upstream azure-eu, model gpt-4o, class overloaded, status 503");
    assert_eq!(press(&mut state, "u"), Some(Ask::Failures(state.filter.clone())));
    assert_eq!(state.filter.upstream, None);
    assert_eq!(press(&mut state, "x"), Some(Ask::Failures(Filter::default())));
    assert_eq!(press(&mut state, "x"), None, "there is nothing to ask for again");
}

#[test]
fn what_the_chosen_row_has_not_is_said_and_filters_nothing() {
    let mut state = state(8);
    assert_eq!(press(&mut state, "4js"), None, "the second row has no status");
    assert!(state.filter.is_none() && state.note.as_deref().unwrap().contains("choose"), "{:?}", state.note);
    press(&mut state, "j");
    assert_eq!(state.note, None, "the next key takes it away");
    let mut empty = self::state(0);
    assert_eq!(press(&mut empty, "4umcs"), None);
}

#[test]
fn an_answer_to_a_filter_that_is_no_longer_wanted_is_dropped() {
    let mut state = state(8);
    press(&mut state, "4u");
    let before = ids(&state);
    state.on(Event::Failures(Filter::default(), rows(100)));
    assert_eq!(ids(&state), before);
}

#[test]
fn a_list_of_another_filter_leaves_no_gap() {
    let mut state = state(8);
    press(&mut state, "4u");
    let openai: Vec<Failure> = rows(400).into_iter().filter(|row| row.upstream.raw() == "openai").collect();
    state.on(Event::Failures(state.filter.clone(), openai));
    assert!(state.failures().len() > 200);
    press(&mut state, "x");
    state.on(Event::Failure(late(3)));
    state.on(Event::Failures(Filter::default(), rows(10)));
    assert_eq!(state.failures().len(), 11, "the page, and what was heard after it");
}

#[test]
fn who_chose_a_row_keeps_it_and_who_is_at_the_top_stays_there() {
    let mut state = state(8);
    press(&mut state, "4");
    state.on(Event::Failure(late(1)));
    assert_eq!(state.cursor(), Some(0));
    press(&mut state, "jj");
    let chosen = ids(&state)[2].clone();
    state.on(Event::Failure(late(2)));
    assert_eq!(ids(&state)[state.cursor().unwrap()], chosen);
    key(&mut state, Key::End);
    assert_eq!(state.cursor(), Some(state.failures().len() - 1));
    key(&mut state, Key::PageDown);
    assert_eq!(state.cursor(), Some(state.failures().len() - 1), "there is no row after the last");
}

#[test]
fn a_search_narrows_as_it_is_typed_and_keys_are_letters_meanwhile() {
    let mut state = state(8);
    press(&mut state, "4/AZURE-eu");
    assert!(state.is_typing && state.search == "AZURE-eu" && state.failures().len() == 2);
    assert_eq!(key(&mut state, Key::Enter), None);
    press(&mut state, "j");
    assert_eq!((state.cursor(), state.failures().len()), (Some(1), 2));
    key(&mut state, Key::Esc);
    assert_eq!((state.search.as_str(), state.failures().len()), ("", 8));
    press(&mut state, "/q");
    assert_eq!(state.search, "q", "no end while one types");
    assert_eq!(key(&mut state, Key::Break), Some(Ask::Quit));
    for _ in 0..2 {
        key(&mut state, Key::Backspace);
    }
    assert!(!state.is_typing);
    press(&mut state, &format!("/{}", "y".repeat(SEARCH_CHARS_MAX + 9)));
    assert_eq!(state.search.len(), SEARCH_CHARS_MAX);
    press(&mut state, "\u{1b}\u{202e}");
    assert_eq!(state.search.len(), SEARCH_CHARS_MAX, "and nothing that a terminal obeys");
}

#[test]
fn an_id_that_is_in_no_list_is_looked_up() {
    let mut state = state(8);
    press(&mut state, "4/req_elsewhere ");
    let wanted = Wanted::Request("req_elsewhere".to_owned());
    assert_eq!(key(&mut state, Key::Enter), Some(Ask::Detail(wanted.clone())));
    state.on(Event::Detail(wanted, Err("nothing on record has this id".to_owned())));
    assert_eq!(state.detail.as_ref().unwrap().lines, [Line::Words("nothing on record has this id".to_owned())]);
}

#[test]
fn enter_goes_into_a_row_and_esc_comes_back() {
    let mut state = state(8);
    press(&mut state, "4j");
    let id = state.failures()[1].request_id.raw().to_owned();
    let wanted = Wanted::Request(id.clone());
    assert_eq!(key(&mut state, Key::Enter), Some(Ask::Detail(wanted.clone())));
    state.on(Event::Detail(Wanted::Request("sw_other".to_owned()), Ok(Value::Null)));
    assert_eq!(state.detail.as_ref().unwrap().lines.len(), 1, "another answer is not this one's");
    state.on(Event::Detail(wanted, Ok(json!({ "requests": [{ "request_id": id, "attempts": [{ "attempt": 1 }] }] }))));
    let lines = state.detail.as_ref().unwrap().lines.len();
    assert!(lines > 2);
    press(&mut state, &"j".repeat(lines + 20));
    assert_eq!(state.detail.as_ref().unwrap().top, lines - 1);
    key(&mut state, Key::Home);
    assert_eq!(state.detail.as_ref().unwrap().top, 0);
    key(&mut state, Key::Esc);
    assert_eq!((&state.detail, state.cursor()), (&None, Some(1)));
    press(&mut state, "3");
    let incident = Wanted::Incident("inc_00000000000000a1".to_owned());
    assert_eq!(key(&mut state, Key::Enter), Some(Ask::Detail(incident)));
    key(&mut state, Key::Esc);
    press(&mut state, "2j");
    let ask = key(&mut state, Key::Enter);
    assert!(matches!(ask, Some(Ask::Failures(filter)) if filter.upstream == Some("azure-eu".into())));
    assert_eq!(state.pane, Pane::Failures, "an upstream's failures");
    assert_eq!((press(&mut state, "5"), key(&mut state, Key::Enter)), (None, None));
}

#[test]
fn panes_are_numbered_and_tab_goes_round() {
    let mut state = state(1);
    for (at, pane) in Pane::ALL.into_iter().enumerate() {
        press(&mut state, &format!("{}", at + 1));
        assert_eq!(state.pane, pane);
    }
    key(&mut state, Key::Tab);
    assert_eq!(state.pane, Pane::Overview);
    key(&mut state, Key::BackTab);
    assert_eq!(state.pane, Pane::Numbers);
}

#[test]
fn help_comes_and_goes_and_lets_nothing_else_through() {
    let mut state = state(3);
    press(&mut state, "4?");
    assert!(state.has_help);
    assert_eq!(press(&mut state, "u"), None);
    assert!(state.has_help && state.filter.is_none());
    key(&mut state, Key::Esc);
    assert!(!state.has_help);
    press(&mut state, "??");
    assert!(!state.has_help);
    assert_eq!(press(&mut state, "?q"), Some(Ask::Quit));
}

#[test]
fn while_paused_what_is_shown_stands_still_and_nothing_is_lost() {
    let mut state = state(4);
    press(&mut state, "p");
    let (before, moment) = (state.shown().clone(), state.moment());
    state.on(Event::Tick(NOW + 60_000_000));
    state.on(Event::Failure(late(1)));
    state.on(Event::Summary(Box::default()));
    assert_eq!((state.shown(), state.moment(), state.is_paused()), (&before, moment, true));
    press(&mut state, "p");
    assert_eq!((state.failures().len(), state.is_paused()), (5, false));
    assert_eq!(state.shown().summary, Some(Summary::default()));
}

#[test]
fn a_gateway_that_is_gone_is_told_of_with_the_age_of_its_numbers_and_forgotten_when_it_is_back() {
    let mut state = state(1);
    let lost = |why: &str, retry_in_ms| Event::Lost { why: why.to_owned(), retry_in_ms };
    state.on(lost("first", 500));
    state.on(Event::Tick(NOW + 7_000_000));
    state.on(lost("second", 4_000));
    assert_eq!(state.link, Link::Lost { why: "second".to_owned(), retry_at: NOW + 11_000_000 });
    assert_eq!(state.age(), Some((NOW, 7_000_000)), "the numbers are those of then");
    assert_eq!(state.on(Event::Found("other:1".to_owned())), Some(Ask::Failures(Filter::default())));
    assert_eq!((&state.link, state.address.as_str()), (&Link::Live, "other:1"));
    state.on(lost("third", u64::MAX));
    assert!(matches!(state.link, Link::Lost { retry_at, .. } if retry_at > NOW), "{:?}", state.link);
}

#[test]
fn silence_makes_numbers_old_at_its_limit() {
    let mut state = state(0);
    state.on(Event::Tick(NOW + OLD_AFTER_MICROS));
    assert!(!state.is_silent());
    state.on(Event::Tick(NOW + OLD_AFTER_MICROS + 1));
    assert!(state.is_silent());
}

#[test]
fn ages_are_told_by_the_gateways_clock() {
    let mut state = State::new(NOW - 3_600_000_000, String::new());
    state.on(Event::Summary(Box::new(serde_json::from_value(summary()).unwrap())));
    state.on(Event::Tick(NOW - 3_590_000_000));
    assert_eq!((state.moment(), state.age()), (NOW + 10_000_000, Some((NOW, 10_000_000))));
}

#[test]
fn what_was_missed_is_counted_and_read_from_the_record() {
    let mut state = state(0);
    assert_eq!(state.on(Event::Missed(7)), Some(Ask::Failures(Filter::default())));
    assert_eq!(state.on(Event::Missed(u64::MAX)), Some(Ask::Failures(Filter::default())));
    assert_eq!(state.missed, u64::MAX);
    assert_eq!(state.on(Event::Incident), Some(Ask::Incidents));
    assert_eq!(state.on(Event::Crowded), Some(Ask::Failures(Filter::default())));
    assert_eq!(state.link, Link::Asked);
    assert_eq!(state.on(Event::Resized), None);
}
