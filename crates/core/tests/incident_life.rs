//! The life of an incident: when it opens, what is told of it and when, and when it is over. Each
//! limit on both of its sides.

use std::time::Duration;

use proptest::prelude::*;
use seawall_core::incident::{
    Close, Counts, Detector, Event, FORGOTTEN_AFTER, GAP_MAX, Kind, Limits, OPEN_MIN, REOPEN_WITHIN, Rule, SAMPLES_MAX,
    Scope, Severity, UNKNOWN_AFTER, Vote, What,
};
use seawall_core::time::Time;

const MICRO: Duration = Duration::from_micros(1);
/// A moment at which a bucket begins.
const START: Time = Time::from_micros(1_700_000_000_000_000);

struct Watched {
    detector: Detector,
    now: Time,
    votes: u64,
    told: Vec<Event>,
}

impl Watched {
    fn new(kind: Kind) -> Watched {
        Watched::within(kind, Limits::default())
    }

    fn within(kind: Kind, limits: Limits) -> Watched {
        let detector = Detector::new(Scope::upstream("openai", Some("m")), kind, limits);
        Watched { detector, now: START, votes: 0, told: Vec::new() }
    }

    /// Of a body that no other has.
    fn vote(&mut self, vote: Vote) {
        self.votes += 1;
        let request = format!("sw_{}", self.votes);
        self.detector.vote(self.now, vote, self.votes, &request, &mut self.told);
    }

    fn votes(&mut self, vote: Vote, times: u64, apart: Duration) {
        for _ in 0..times {
            self.vote(vote);
            self.now = self.now + apart;
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.detector.wake(self.now, &mut self.told);
    }

    /// What was told since this was last asked: what, and the seconds since the start.
    fn told(&mut self) -> Vec<(What, u64)> {
        self.told.drain(..).map(|event| (event.what, event.at.since(START).as_secs())).collect()
    }
}

/// Open since the second 3, at the second 4.
fn outage() -> Watched {
    let mut watched = Watched::new(Kind::Failures);
    watched.votes(Vote::Fail, 4, secs(1));
    assert_eq!(watched.told(), [(What::Opened, 3)]);
    watched
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn the_fourth_failure_opens_it_with_its_evidence() {
    let mut watched = Watched::new(Kind::Failures);
    watched.votes(Vote::Ok, 10, secs(1));
    watched.votes(Vote::Abstain, 100, secs(1));
    watched.votes(Vote::Fail, 3, secs(1));
    assert!(watched.told.is_empty());
    watched.vote(Vote::Fail);
    let event = watched.told.pop().unwrap();
    assert_eq!((event.what, event.rule, event.severity), (What::Opened, Rule::Consecutive, Severity::Critical));
    assert_eq!((event.since, event.at), (START + secs(110), START + secs(113)));
    assert_eq!((event.window, event.whole), (Counts { failed: 4, of: 14 }, Counts { failed: 4, of: 14 }));
    assert_eq!(event.window.rate_ppm(), 285_714);
    assert_eq!(event.samples, ["sw_111", "sw_112", "sw_113", "sw_114"]);
    assert_eq!(watched.detector.id(), Some(&event.id));
    watched.votes(Vote::Fail, 100, secs(1));
    assert!(watched.told.is_empty());
}

#[test]
fn equal_bodies_open_it_at_the_eighth_and_far_apart_never() {
    let mut watched = Watched::new(Kind::Failures);
    for n in 0..8 {
        assert!(watched.told.is_empty());
        watched.detector.vote(START + secs(n), Vote::Fail, 7, "sw", &mut watched.told);
    }
    assert_eq!(watched.told(), [(What::Opened, 7)]);
    let mut watched = Watched::new(Kind::Failures);
    watched.votes(Vote::Fail, 50, GAP_MAX + MICRO);
    assert!(watched.told.is_empty());
    let mut watched = Watched::new(Kind::Failures);
    watched.votes(Vote::Fail, 4, GAP_MAX);
    assert_eq!(watched.told(), [(What::Opened, 3 * GAP_MAX.as_secs())]);
}

#[test]
fn a_rate_opens_it_without_a_run_and_says_since_when() {
    let mut watched = Watched::new(Kind::Failures);
    watched.votes(Vote::Ok, 40, secs(1));
    for _ in 0..6 {
        watched.vote(Vote::Fail);
        watched.vote(Vote::Ok);
        watched.now = watched.now + secs(1);
    }
    // 6 of 52 may be chance, 7 of 53 are not.
    assert!(watched.told.is_empty());
    watched.vote(Vote::Fail);
    let event = watched.told.pop().unwrap();
    assert_eq!((event.rule, event.window), (Rule::Rate, Counts { failed: 7, of: 53 }));
    assert_eq!(event.since, START + secs(40));
}

#[test]
fn a_rate_of_one_body_has_to_be_twice_as_many() {
    let mut watched = Watched::new(Kind::Failures);
    for n in 0..8 {
        assert!(watched.told.is_empty());
        watched.detector.vote(START + secs(n), Vote::Ok, n, "sw", &mut watched.told);
        watched.detector.vote(START + secs(n), Vote::Fail, 7, "sw", &mut watched.told);
    }
    assert_eq!(watched.told.pop().unwrap().rule, Rule::Rate);
    // Another body, but more than five minutes before.
    let mut watched = Watched::new(Kind::Failures);
    watched.detector.vote(START, Vote::Fail, 8, "sw", &mut watched.told);
    for n in 0..7 {
        watched.detector.vote(START + secs(300 + n), Vote::Ok, n, "sw", &mut watched.told);
        watched.detector.vote(START + secs(300 + n), Vote::Fail, 7, "sw", &mut watched.told);
    }
    assert!(watched.told.is_empty());
}

#[test]
fn votes_older_than_five_minutes_are_no_evidence() {
    let mut watched = Watched::new(Kind::Failures);
    for _ in 0..3 {
        watched.vote(Vote::Fail);
        watched.vote(Vote::Ok);
    }
    watched.now = START + secs(300);
    watched.vote(Vote::Fail);
    assert!(watched.told.is_empty());
    let mut watched = Watched::new(Kind::Failures);
    for _ in 0..3 {
        watched.vote(Vote::Fail);
        watched.vote(Vote::Ok);
    }
    watched.now = START + (secs(300) - MICRO);
    watched.vote(Vote::Fail);
    assert_eq!(watched.told.len(), 1);
}

#[test]
fn it_is_told_again_every_quarter_of_an_hour() {
    let mut watched = outage();
    watched.votes(Vote::Fail, 2 * Limits::default().remind_every.as_secs() + 2, secs(1));
    assert_eq!(watched.told(), [(What::Reminder, 903), (What::Reminder, 1_803)]);
}

#[test]
fn a_run_is_as_long_as_the_operator_says() {
    for consecutive in [2, 5, 100] {
        let limits = Limits { consecutive, failures_min: 1_000, ..Limits::default() };
        let mut watched = Watched::within(Kind::Failures, limits);
        watched.votes(Vote::Fail, u64::from(consecutive) - 1, secs(1));
        assert!(watched.told.is_empty(), "{consecutive}");
        watched.vote(Vote::Fail);
        assert_eq!(watched.told.pop().unwrap().rule, Rule::Consecutive, "{consecutive}");
        // Of one body twice as many.
        let mut watched = Watched::within(Kind::Failures, limits);
        for n in 1..=2 * consecutive {
            watched.detector.vote(START + secs(n.into()), Vote::Fail, 7, "sw", &mut watched.told);
            assert_eq!(watched.told.len(), usize::from(n == 2 * consecutive), "{consecutive} {n}");
        }
    }
}

#[test]
fn a_rate_is_as_high_as_the_operator_says_and_half_of_it_is_the_end() {
    // Of 1,000 in 200 s failures are never in a row.
    for (rate, every) in [(100, 9), (500, 2)] {
        let limits = Limits { rate, consecutive: 100, ..Limits::default() };
        let mut watched = Watched::within(Kind::Failures, limits);
        let fifth = Duration::from_millis(200);
        for n in 0..1_000 {
            // As many as may fail, and no more.
            let is_failure = n * u64::from(rate) / 1_000 < (n + 1) * u64::from(rate) / 1_000;
            watched.votes(if is_failure { Vote::Fail } else { Vote::Ok }, 1, fifth);
        }
        assert!(watched.told.is_empty(), "{rate}");
        (0..200).for_each(|n| watched.votes(if n % every == 0 { Vote::Fail } else { Vote::Ok }, 1, fifth));
        watched.votes(Vote::Fail, 60, fifth);
        let event = watched.told.pop().unwrap();
        assert_eq!((event.rule, event.what), (Rule::Rate, What::Opened), "{rate}");
        assert!(event.window.rate_ppm() > u64::from(rate) * 1_000, "{rate}");
    }
    // 10 % in the usual place is 5 % in the last minute: 4 of 80 are not below, 4 of 81 are.
    let mut watched = Watched::within(Kind::Failures, Limits { rate: 100, ..Limits::default() });
    watched.votes(Vote::Fail, 4, secs(1));
    watched.told.clear();
    watched.now = START + secs(70);
    watched.votes(Vote::Fail, 4, MICRO);
    watched.votes(Vote::Ok, 76, MICRO);
    assert!(watched.told().is_empty());
    watched.vote(Vote::Ok);
    assert_eq!(watched.told(), [(What::Resolved, 70)]);
}

#[test]
fn so_many_failures_are_a_rate_as_the_operator_says() {
    for failures_min in [4, 20] {
        let limits = Limits { failures_min, consecutive: 100, ..Limits::default() };
        for (bodies, least) in [(2, failures_min), (1, 2 * failures_min)] {
            let mut watched = Watched::within(Kind::Failures, limits);
            for n in 1..=u64::from(least) {
                assert!(watched.told.is_empty(), "{failures_min} {bodies} {n}");
                watched.detector.vote(START + secs(n), Vote::Fail, n % bodies, "sw", &mut watched.told);
            }
            assert_eq!(watched.told.len(), 1, "{failures_min} {bodies}");
        }
    }
}

#[test]
fn it_is_told_again_as_often_as_the_operator_says() {
    for (minutes, reminders) in [(1, 60), (60, 1), (24 * 60, 0)] {
        let limits = Limits { remind_every: secs(60 * minutes), ..Limits::default() };
        let mut watched = Watched::within(Kind::Failures, limits);
        watched.votes(Vote::Fail, 4, secs(1));
        watched.told.clear();
        watched.votes(Vote::Fail, 3_600, secs(1));
        let told = watched.told();
        assert!(told.iter().all(|(what, _)| *what == What::Reminder));
        assert_eq!(told.len(), reminders, "{minutes}");
        assert!(told.first().is_none_or(|(_, at)| *at == 3 + 60 * minutes), "{minutes}");
    }
    // No time at all is the shortest time, and not for ever.
    let mut watched = Watched::within(Kind::Failures, Limits { remind_every: Duration::ZERO, ..Limits::default() });
    watched.votes(Vote::Fail, 64, secs(1));
    assert_eq!(watched.told(), [(What::Opened, 3), (What::Reminder, 63)]);
}

#[test]
fn five_answers_in_a_row_end_it_but_not_within_a_minute() {
    let mut watched = outage();
    watched.votes(Vote::Ok, 58, secs(1));
    // The second 62: the minute is not over, and answers alone do not end it.
    assert!(watched.told().is_empty());
    watched.wait(OPEN_MIN);
    // Over at the second 63 would be too early: failures of the bucket before 10 are still in sight until 60.
    assert_eq!(watched.told(), [(What::Resolved, 63)]);
}

#[test]
fn it_goes_on_while_more_than_a_fortieth_of_the_last_minute_fails() {
    let mut watched = outage();
    watched.now = START + secs(70);
    // 2 of 80 are not below 2.5 %, 2 of 81 are.
    for vote in [Vote::Fail, Vote::Fail] {
        watched.vote(vote);
    }
    watched.votes(Vote::Ok, 78, MICRO);
    assert!(watched.told().is_empty());
    watched.vote(Vote::Ok);
    assert_eq!(watched.told(), [(What::Resolved, 70)]);
}

#[test]
fn four_answers_in_a_row_do_not_end_it() {
    let mut watched = outage();
    watched.now = START + secs(200);
    watched.votes(Vote::Ok, 4, MICRO);
    watched.wait(secs(300));
    assert!(watched.told().is_empty());
    watched.vote(Vote::Ok);
    assert_eq!(watched.told(), [(What::Resolved, 500)]);
}

#[test]
fn failures_that_leave_the_last_minute_end_it_without_a_vote() {
    let mut watched = outage();
    watched.now = START + secs(59);
    watched.vote(Vote::Fail);
    watched.now = START + secs(61);
    watched.votes(Vote::Ok, 20, MICRO);
    watched.wait(secs(500));
    // The failure counts in the bucket from 50 on, which is in sight until 110.
    assert_eq!(watched.told(), [(What::Resolved, 110)]);
}

#[test]
fn without_votes_for_ten_minutes_nobody_knows_and_says_so_once() {
    let mut watched = outage();
    watched.wait(UNKNOWN_AFTER - secs(1) - MICRO);
    assert!(watched.told().is_empty());
    watched.wait(MICRO);
    assert_eq!(watched.told(), [(What::Unknown, 603)]);
    assert_eq!(watched.detector.standing(watched.now).unwrap().what, What::Unknown);
    watched.wait(secs(7_200));
    assert!(watched.told().is_empty());
    // Votes again: a reminder is overdue, and comes with the first of them.
    watched.vote(Vote::Fail);
    assert_eq!(watched.told(), [(What::Reminder, 7_803)]);
    watched.wait(UNKNOWN_AFTER);
    assert_eq!(watched.told(), [(What::Unknown, 8_403)]);
}

#[test]
fn a_silence_that_ends_before_the_next_reminder_is_not_told_twice() {
    let mut watched = outage();
    watched.wait(UNKNOWN_AFTER);
    watched.vote(Vote::Fail);
    watched.told.clear();
    // Silent again before the reminder at 903 + 0: that one comes first, and then nobody knows again.
    watched.wait(secs(299));
    assert_eq!(watched.told(), [(What::Reminder, 903)]);
    watched.wait(secs(301));
    assert_eq!(watched.told(), [(What::Unknown, 1_204)]);
}

#[test]
fn after_a_day_without_votes_it_is_no_longer_followed() {
    let mut watched = outage();
    watched.wait(FORGOTTEN_AFTER - secs(1) - MICRO);
    watched.told.clear();
    watched.wait(MICRO);
    let event = watched.told.pop().unwrap();
    assert_eq!((event.what, event.close), (What::Resolved, Some(Close::Forgotten)));
    watched.votes(Vote::Fail, 4, secs(1));
    assert_ne!(watched.told.pop().unwrap().id, event.id);
}

#[test]
fn what_opens_again_within_ten_minutes_is_the_same() {
    for (pause, is_same) in [(REOPEN_WITHIN, true), (REOPEN_WITHIN + MICRO, false)] {
        let mut watched = outage();
        watched.now = START + secs(100);
        watched.votes(Vote::Ok, 5, Duration::ZERO);
        let over = watched.told.pop().unwrap();
        assert_eq!((over.what, over.close, over.at), (What::Resolved, Some(Close::Recovered), START + secs(100)));
        watched.now = watched.now + pause;
        watched.votes(Vote::Fail, 4, Duration::ZERO);
        let again = watched.told.pop().unwrap();
        assert_eq!((again.what, again.id == over.id, again.since == over.since), (What::Opened, is_same, is_same));
        assert_eq!((again.flaps, again.whole.failed), if is_same { (1, 8) } else { (0, 4) });
    }
}

#[test]
fn what_is_over_leaves_nothing_that_would_open_it_again() {
    let mut watched = Watched::new(Kind::Failures);
    watched.votes(Vote::Fail, 120, Duration::from_millis(500));
    watched.votes(Vote::Ok, 1_200, Duration::from_millis(500));
    let told = watched.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1].0, What::Resolved);
    assert!((60..=120).contains(&told[1].1));
}

#[test]
fn samples_are_the_latest_and_bounded() {
    let mut watched = Watched::new(Kind::Failures);
    watched.votes(Vote::Fail, 1_000, secs(1));
    let samples = watched.detector.standing(watched.now).unwrap().samples;
    assert_eq!((samples.len(), samples[0].as_str(), samples[4].as_str()), (SAMPLES_MAX, "sw_996", "sw_1000"));
    let hostile = format!("\r\n{}", "x".repeat(1_000));
    watched.detector.vote(watched.now, Vote::Fail, 0, &hostile, &mut watched.told);
    let last = watched.detector.standing(watched.now).unwrap().samples.pop().unwrap();
    assert!(last.len() <= 64 && !last.contains(['\r', '\n']));
}

#[test]
fn an_earlier_clock_counts_as_the_latest() {
    let mut watched = outage();
    watched.now = START;
    watched.votes(Vote::Ok, 50, Duration::ZERO);
    assert!(watched.told().is_empty());
    assert_eq!(watched.detector.wake_at(), Some(START + secs(603)));
}

#[test]
fn it_is_a_warning_while_callers_are_saved_and_told_when_they_no_longer_are() {
    let mut watched = Watched::new(Kind::Failures);
    for _ in 0..4 {
        watched.vote(Vote::Fail);
        watched.detector.caller(watched.now, false, &mut watched.told);
    }
    assert_eq!(watched.told.pop().unwrap().severity, Severity::Warning);
    for _ in 0..16 {
        watched.detector.caller(watched.now, false, &mut watched.told);
    }
    // 1 of 21 is no more than one in twenty, 2 of 22 are.
    watched.detector.caller(watched.now, true, &mut watched.told);
    assert!(watched.told.is_empty());
    watched.detector.caller(watched.now, true, &mut watched.told);
    let event = watched.told.pop().unwrap();
    assert_eq!((event.what, event.severity), (What::Reminder, Severity::Critical));
    watched.detector.caller(watched.now, true, &mut watched.told);
    assert!(watched.told.is_empty());
}

#[test]
fn masked_failures_open_and_end_over_a_longer_window() {
    let mut watched = Watched::new(Kind::Masked);
    // Half a percent for an hour, 4 a second; then four percent.
    for n in 0..14_400 {
        watched.vote(if n % 200 == 0 { Vote::Fail } else { Vote::Ok });
        watched.now = watched.now + Duration::from_millis(250);
    }
    assert!(watched.told.is_empty());
    let rose = watched.now;
    for n in 0..7_200 {
        watched.vote(if n % 25 == 0 { Vote::Fail } else { Vote::Ok });
        watched.now = watched.now + Duration::from_millis(250);
    }
    let opened = watched.told.remove(0);
    assert_eq!((opened.what, opened.rule, opened.severity), (What::Opened, Rule::Rising, Severity::Warning));
    assert!(opened.at.since(rose) < secs(900), "{:?}", opened.at.since(rose));
    watched.told.clear();
    let fell = watched.now;
    for n in 0..14_400 {
        watched.vote(if n % 200 == 0 { Vote::Fail } else { Vote::Ok });
        watched.now = watched.now + Duration::from_millis(250);
    }
    let over: Vec<_> = watched.told.iter().filter(|event| event.what == What::Resolved).collect();
    assert_eq!(over.len(), 1);
    assert!(over[0].at.since(fell) < secs(660), "{:?}", over[0].at.since(fell));
}

#[test]
fn the_end_of_time_is_survived() {
    let mut watched = outage();
    watched.detector.wake(Time::NEVER, &mut watched.told);
    watched.detector.vote(Time::NEVER, Vote::Fail, 1, "", &mut watched.told);
    (2..9).for_each(|body| watched.detector.vote(Time::NEVER, Vote::Fail, body, "", &mut watched.told));
    (0..9).for_each(|body| watched.detector.vote(Time::NEVER, Vote::Ok, body, "", &mut watched.told));
    watched.detector.wake(Time::NEVER, &mut watched.told);
}

/// Milliseconds after the one before, and a vote; or what a caller got.
type Heard = (u64, u8);

fn heard() -> impl Strategy<Value = Vec<Heard>> {
    let after = prop_oneof![
        20 => 0..3_000_u64,
        6 => 5_000..70_000_u64,
        2 => 100_000..1_000_000_u64,
        1 => 1_000_000..100_000_000_u64,
    ];
    // Spells in which more or less fails.
    let spell = (prop::collection::vec((after, 0..10_u8), 1..40), 0..9_u8);
    let kept = |(spell, least): (Vec<Heard>, u8)| spell.into_iter().map(move |(after, vote)| (after, vote.max(least)));
    prop::collection::vec(spell, 1..12).prop_map(move |spells| spells.into_iter().flat_map(kept).collect())
}

/// The events of one detector, woken at these parts of a thousand of the time between two votes.
fn events(kind: Kind, heard: &[Heard], wakes: &[u64]) -> Vec<Event> {
    let mut watched = Watched::new(kind);
    for (n, &(after, vote)) in heard.iter().enumerate() {
        for &part in wakes.iter().skip(n % wakes.len().max(1)) {
            watched.detector.wake(watched.now + Duration::from_micros(after * part), &mut watched.told);
        }
        watched.now = watched.now + Duration::from_millis(after);
        match vote {
            0..=3 => watched.vote(Vote::Fail),
            4 => watched.vote(Vote::Abstain),
            5 => watched.detector.caller(watched.now, after % 2 == 0, &mut watched.told),
            _ => watched.vote(Vote::Ok),
        }
    }
    watched.wait(FORGOTTEN_AFTER * 2);
    watched.told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn wakes_at_any_time_change_no_event(heard in heard(), mut wakes in prop::collection::vec(0..=1_000_u64, 0..20)) {
        wakes.sort_unstable();
        for &kind in Kind::ALL {
            prop_assert_eq!(events(kind, &heard, &wakes), events(kind, &heard, &[]));
        }
    }
}
