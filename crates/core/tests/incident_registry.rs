//! All places together: which of several incidents is told, what separates failures from answers,
//! and that a restart or a wake that never comes changes nothing.

use std::time::Duration;

use proptest::prelude::*;
use seawall_core::dice::Dice;
use seawall_core::incident::{
    BLAME_MAX, Close, Ending, Event, Facts, First, Incidents, Kind, Last, Limits, Rule, SCOPES_MAX, Saved, Scope,
    Severity, Vote, What,
};
use seawall_core::time::Time;

const START: Time = Time::from_micros(1_700_000_000_000_000);

struct World {
    incidents: Incidents,
    now: Time,
    requests: u64,
    told: Vec<Event>,
}

impl World {
    fn new() -> World {
        World { incidents: Incidents::new(Limits::default()), now: START, requests: 0, told: Vec::new() }
    }

    fn first(&mut self, route: &str, upstream: &str, model: &str, vote: Vote) {
        self.send(route, vote, true, Facts { upstream: Some(upstream), model: Some(model), ..Facts::default() });
    }

    fn send(&mut self, route: &str, vote: Vote, was_sent: bool, facts: Facts<'_>) {
        self.requests += 1;
        let request = format!("sw_{}", self.requests);
        let first_content = None;
        let body = self.requests;
        let first = First { request: &request, body, route, vote, was_sent, facts, form: 1, first_content };
        self.told.extend(self.incidents.first(self.now, &first));
    }

    fn stream(&mut self, vote: Vote, first_content: Option<Duration>) {
        self.requests += 1;
        let facts = Facts { upstream: Some("openai"), model: Some("m"), stream: true, ..Facts::default() };
        let (route, body) = ("chat", self.requests);
        let first = First { request: "sw_1", body, route, vote, was_sent: true, facts, form: 7, first_content };
        self.told.extend(self.incidents.first(self.now, &first));
    }

    fn last(&mut self, route: &str, upstream: &str, model: &str, ending: Ending) {
        let last = Last { request: "sw_0", route, upstream: Some(upstream), model: Some(model), ending };
        self.told.extend(self.incidents.last(self.now, &last));
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.told.extend(self.incidents.wake(self.now));
    }

    /// What was told since this was last asked: the scope's name, what, and whether it is for the record only.
    fn told(&mut self) -> Vec<(String, What, bool)> {
        self.told.drain(..).map(|event| (name(&event.scope), event.what, event.under.is_some())).collect()
    }
}

fn name(scope: &Scope) -> String {
    match scope {
        Scope::Upstream { upstream, model } => format!("{upstream} {model}"),
        Scope::Route { route } => route.clone(),
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn said(scope: &str, what: What, is_under: bool) -> (String, What, bool) {
    (scope.to_owned(), what, is_under)
}

#[test]
fn a_route_that_says_the_same_as_its_upstream_is_recorded_and_not_told() {
    let mut world = World::new();
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
    }
    let parent = world.told[0].id.clone();
    assert_eq!(world.told[1].under, Some(parent));
    assert_eq!(world.told(), [said("openai m", What::Opened, false), said("chat", What::Opened, true)]);
    world.now = world.now + secs(100);
    for _ in 0..5 {
        world.first("chat", "openai", "m", Vote::Ok);
    }
    assert_eq!(world.told(), [said("openai m", What::Resolved, false), said("chat", What::Resolved, true)]);
    world.wait(secs(3_600));
    assert!(world.told().is_empty());
}

#[test]
fn a_route_that_fails_in_two_places_is_told_beside_them() {
    let mut world = World::new();
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
        world.first("chat", "azure", "m", Vote::Fail);
    }
    assert_eq!(
        world.told(),
        [
            // The route's fourth failure is there first: two of each.
            said("chat", What::Opened, false),
            said("openai m", What::Opened, false),
            said("azure m", What::Opened, false),
        ]
    );
}

#[test]
fn an_upstream_found_after_its_route_is_under_it() {
    let mut world = World::new();
    // Another route gets answers from it, so that neither a run nor a rate shows it at first.
    for _ in 0..200 {
        world.first("embeddings", "openai", "m", Vote::Ok);
    }
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
        world.first("embeddings", "openai", "m", Vote::Ok);
    }
    assert_eq!(world.told(), [said("chat", What::Opened, false)]);
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
    }
    assert_eq!(world.told(), [said("openai m", What::Opened, true)]);
}

#[test]
fn of_a_route_the_last_sixteen_failures_say_where_they_were() {
    for (apart, is_under) in [(BLAME_MAX - 3, true), (BLAME_MAX - 4, false)] {
        let mut world = World::new();
        for _ in 0..400 {
            world.first("embeddings", "openai", "m", Vote::Ok);
        }
        world.first("chat", "azure", "m", Vote::Fail);
        for _ in 0..apart {
            world.first("chat", "openai", "m", Vote::Fail);
            world.first("embeddings", "openai", "m", Vote::Ok);
        }
        assert_eq!(world.told(), [said("chat", What::Opened, false)]);
        for _ in 0..4 {
            world.first("chat", "openai", "m", Vote::Fail);
        }
        // The upstream is found before the route is told of the last one.
        assert_eq!(world.told(), [said("openai m", What::Opened, is_under)]);
    }
}

#[test]
fn what_opens_again_tells_of_its_route_again() {
    let mut world = World::new();
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
    }
    world.now = world.now + secs(100);
    for _ in 0..5 {
        world.first("other", "openai", "m", Vote::Ok);
    }
    world.now = world.now + secs(30);
    world.told.clear();
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
    }
    assert_eq!(world.told(), [said("openai m", What::Opened, false)]);
    world.wait(secs(300));
    assert!(world.told().is_empty());
    assert_eq!(world.incidents.open().filter(|event| event.under.is_some()).count(), 1);
}

#[test]
fn what_outlasts_the_one_that_told_of_it_is_told_itself() {
    let mut world = World::new();
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
    }
    world.told.clear();
    world.now = world.now + secs(100);
    // The upstream answers those of another route, and this route is held back by a breaker.
    for _ in 0..5 {
        world.first("other", "openai", "m", Vote::Ok);
    }
    assert_eq!(world.told(), [said("openai m", What::Resolved, false)]);
    world.wait(secs(60) - Duration::from_micros(1));
    assert!(world.told().is_empty());
    world.wait(Duration::from_micros(1));
    assert_eq!(world.told(), [said("chat", What::Opened, false)]);
}

#[test]
fn refusals_without_an_attempt_are_the_routes_alone() {
    let mut world = World::new();
    for _ in 0..50 {
        let facts = Facts { upstream: Some("openai"), model: Some("m"), ..Facts::default() };
        world.send("chat", Vote::Fail, false, facts);
    }
    assert_eq!(world.told(), [said("chat", What::Opened, false)]);
}

#[test]
fn masked_failures_end_where_failures_are_found() {
    let mut world = World::new();
    for n in 0..4_000 {
        let failed = n % 25 == 0;
        world.first("chat", "openai", "m", if failed { Vote::Fail } else { Vote::Ok });
        world.last("chat", "openai", "m", if failed { Ending::Saved } else { Ending::Passed });
        world.now = world.now + Duration::from_millis(250);
    }
    let opened = world.told.remove(0);
    assert_eq!((opened.kind, opened.rule, opened.severity), (Kind::Masked, Rule::Rising, Severity::Warning));
    assert!(world.told.is_empty(), "{:?}", world.told);
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
        world.last("chat", "openai", "m", Ending::Saved);
    }
    assert_eq!((world.told[0].kind, world.told[0].close), (Kind::Masked, Some(Close::Superseded)));
    assert_eq!((world.told[1].kind, world.told[1].what), (Kind::Failures, What::Opened));
    // All callers were saved so far.
    assert_eq!(world.told[1].severity, Severity::Warning);
}

#[test]
fn first_content_far_later_than_usual_opens_and_ends() {
    let mut world = World::new();
    let mut dice = Dice::new(5);
    let mut play = |world: &mut World, requests: u64, factor: u32| {
        for _ in 0..requests {
            let took = dice.duration(Duration::from_millis(300), Duration::from_millis(2_000)) * factor;
            world.stream(Vote::Ok, Some(took));
            world.now = world.now + secs(1);
        }
    };
    play(&mut world, 600, 1);
    play(&mut world, 600, 3);
    assert!(world.told.is_empty());
    let from = world.now;
    play(&mut world, 300, 40);
    let opened = world.told.remove(0);
    assert_eq!((opened.kind, opened.rule, opened.severity), (Kind::Latency, Rule::Slow, Severity::Warning));
    assert!(opened.at.since(from) <= secs(120), "{:?}", opened.at.since(from));
    play(&mut world, 200, 1);
    assert_eq!(world.told().last(), Some(&said("openai m", What::Resolved, false)));
}

#[test]
fn late_content_in_an_outage_is_under_it() {
    let mut world = World::new();
    for _ in 0..100 {
        world.stream(Vote::Ok, Some(secs(1)));
    }
    for _ in 0..20 {
        world.stream(Vote::Fail, None);
    }
    world.told.clear();
    for _ in 0..8 {
        world.stream(Vote::Ok, Some(secs(60)));
    }
    let late: Vec<_> = world.told.iter().filter(|event| event.kind == Kind::Latency).collect();
    assert_eq!((late.len(), late[0].what), (1, What::Opened));
    let failures = world.incidents.open().find(|event| event.kind == Kind::Failures);
    assert_eq!(late[0].under, failures.map(|event| event.id));
}

#[test]
fn what_stays_slow_is_the_new_usual_after_a_while() {
    let mut world = World::new();
    let play = |world: &mut World, requests: u64, took| {
        for _ in 0..requests {
            world.stream(Vote::Ok, Some(took));
            world.now = world.now + secs(1);
        }
    };
    play(&mut world, 600, secs(1));
    play(&mut world, 3_600, secs(20));
    let what: Vec<_> = world.told().into_iter().map(|(_, what, _)| what).collect();
    assert_eq!(what, [What::Opened, What::Reminder, What::Reminder, What::Reminder]);
    play(&mut world, 1_200, secs(20));
    let what: Vec<_> = world.told().into_iter().map(|(_, what, _)| what).collect();
    assert_eq!(what, [What::Reminder, What::Resolved]);
}

#[test]
fn an_open_incident_says_what_separates_its_failures() {
    let mut world = World::new();
    for n in 0..2_000_u64 {
        let (is_large, stream) = (n % 10 == 0, n % 3 == 0);
        let body_bytes = if is_large { 200_000 } else { 3_000 };
        let facts = Facts {
            upstream: Some("openai"),
            model: Some("m"),
            endpoint: "chat_completions",
            stream,
            body_bytes,
            ..Facts::default()
        };
        let fails = n > 1_000 && (is_large && stream || n % 97 == 0);
        world.send("chat", if fails { Vote::Fail } else { Vote::Ok }, true, facts);
        world.now = world.now + Duration::from_millis(100);
    }
    // About 4 % fail, and the trouble is in one corner.
    for _ in 0..20 {
        let facts = Facts {
            upstream: Some("openai"),
            model: Some("m"),
            endpoint: "chat_completions",
            stream: true,
            body_bytes: 300_000,
            ..Facts::default()
        };
        world.send("chat", Vote::Fail, true, facts);
    }
    let scope = Scope::upstream("openai", Some("m"));
    assert!(world.incidents.open().any(|event| event.scope == scope));
    let told: Vec<String> = world.incidents.difference(&scope).iter().map(ToString::to_string).collect();
    assert!(told[0].contains("stream=true and ≥ 100 KB input, baseline "), "{told:?}");
    assert!(world.incidents.difference(&Scope::route("nothing")).is_empty());
}

#[test]
fn hostile_names_are_bounded_and_an_open_incident_is_never_dropped_in_silence() {
    let mut world = World::new();
    let opened = 4 * (SCOPES_MAX + 10);
    for n in 0..opened {
        let model = format!("\u{1b}[2J<script>{}\r\n", n / 4);
        world.send("r", Vote::Fail, true, Facts { upstream: Some("openai"), model: Some(&model), ..Facts::default() });
    }
    let is = |event: &&Event, what| event.what == what && event.kind == Kind::Failures;
    let begun = world.told.iter().filter(|event| is(event, What::Opened)).count();
    let ended: Vec<_> = world.told.iter().filter(|event| is(event, What::Resolved)).collect();
    assert!(world.incidents.open().count() <= SCOPES_MAX);
    assert_eq!(begun - ended.len(), world.incidents.open().count());
    assert!(!ended.is_empty() && ended.iter().all(|event| event.close == Some(Close::Forgotten)));
    let saved = serde_json::to_string(&world.told).unwrap();
    assert!(!saved.contains("\\u001b") && !saved.contains("\\r"));
    assert_eq!(serde_json::from_str::<Vec<Event>>(&saved).unwrap(), world.told);
}

#[test]
fn the_oldest_quiet_place_makes_room_and_an_open_one_does_not() {
    let mut world = World::new();
    for _ in 0..4 {
        world.first("r", "openai", "broken", Vote::Fail);
    }
    for n in 0..2 * SCOPES_MAX {
        world.first(&format!("r{n}"), "openai", "m", Vote::Ok);
    }
    let open: Vec<_> = world.incidents.open().map(|event| name(&event.scope)).collect();
    assert_eq!(open, ["openai broken", "r"]);
    // An abstention makes no room for itself.
    for n in 0..2 * SCOPES_MAX {
        world.first(&format!("x{n}"), "x", "m", Vote::Abstain);
    }
    assert!(!serde_json::to_string(&world.incidents.save()).unwrap().contains("\"x1\""));
}

#[test]
fn after_a_restart_it_goes_on_with_its_id_even_if_the_clock_went_back() {
    for back in [0, 1_000] {
        let mut world = World::new();
        for _ in 0..4 {
            world.first("chat", "openai", "m", Vote::Fail);
        }
        let id = world.told[0].id.clone();
        let saved = serde_json::to_string(&world.incidents.save()).unwrap();
        let saved: Saved = serde_json::from_str(&saved).unwrap();
        world.now = Time::from_micros(world.now.as_micros() - back * 1_000_000) + secs(5);
        world.incidents = Incidents::restore(saved, Limits::default(), world.now);
        world.told.clear();
        assert_eq!(world.incidents.open().map(|event| event.id).next(), Some(id.clone()));
        world.first("chat", "openai", "m", Vote::Fail);
        assert!(world.told.is_empty());
        world.now = world.now + secs(70);
        for _ in 0..5 {
            world.first("chat", "openai", "m", Vote::Ok);
        }
        assert_eq!((world.told[0].what, &world.told[0].id), (What::Resolved, &id));
        assert!(world.told.iter().all(|event| event.what == What::Resolved));
    }
}

#[test]
fn after_a_restart_the_limits_of_the_new_process_hold() {
    let hourly = Limits { remind_every: secs(3_600), ..Limits::default() };
    let often = Limits { remind_every: secs(60), consecutive: 2, ..Limits::default() };
    let restarted = |world: &World, limits| {
        let saved = serde_json::to_string(&world.incidents.save()).unwrap();
        let incidents = Incidents::restore(serde_json::from_str(&saved).unwrap(), limits, world.now);
        World { incidents, now: world.now, requests: world.requests, told: Vec::new() }
    };
    let mut world = World { incidents: Incidents::new(hourly), ..World::new() };
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
    }
    world.now = world.now + secs(30);
    let reminded = |mut world: World| {
        world.now = world.now + secs(3_600);
        world.first("chat", "openai", "m", Vote::Fail);
        let told: Vec<_> = world.told.into_iter().filter(|event| event.under.is_none()).collect();
        told.into_iter().map(|event| (event.what, event.at.since(START).as_secs())).collect::<Vec<_>>()
    };
    // Sooner reminders come sooner, from the restart on; later ones do not put off the one that was due.
    let sooner = reminded(restarted(&world, often));
    assert_eq!(sooner[0], (What::Reminder, 90), "{sooner:?}");
    assert!(!reminded(restarted(&world, hourly)).contains(&(What::Reminder, 90)));
    let later = Limits { remind_every: secs(24 * 3_600), ..Limits::default() };
    let mut later = restarted(&world, later);
    for _ in 0..60 {
        later.now = later.now + secs(60);
        later.first("chat", "openai", "m", Vote::Fail);
    }
    assert!(later.told.iter().any(|event| event.what == What::Reminder && event.at == START + secs(3_600)));
    // A run that was too short before is not too short by the new ones.
    let mut world = World::new();
    world.first("chat", "openai", "m", Vote::Fail);
    let mut world = restarted(&world, often);
    world.first("chat", "openai", "m", Vote::Fail);
    world.first("chat", "openai", "n", Vote::Fail);
    assert!(world.told.iter().any(|event| event.rule == Rule::Consecutive && event.what == What::Opened));
}

#[test]
fn kinds_that_are_not_looked_for_are_never_found() {
    let slow = |world: &mut World, took: u64| {
        world.now = world.now + secs(1);
        world.stream(Vote::Ok, Some(secs(took)));
    };
    let found = |limits| {
        let mut world = World { incidents: Incidents::new(limits), ..World::new() };
        (0..200).for_each(|_| slow(&mut world, 1));
        (0..200).for_each(|_| slow(&mut world, 60));
        for _ in 0..100 {
            world.now = world.now + secs(1);
            world.last("chat", "openai", "m", Ending::Saved);
        }
        world.told.iter().map(|event| event.kind).collect::<std::collections::BTreeSet<_>>()
    };
    let usual = Limits::default();
    assert_eq!(found(usual).into_iter().collect::<Vec<_>>(), [Kind::Masked, Kind::Latency]);
    assert_eq!(found(Limits { masked: false, ..usual }).into_iter().collect::<Vec<_>>(), [Kind::Latency]);
    assert_eq!(found(Limits { latency: false, ..usual }).into_iter().collect::<Vec<_>>(), [Kind::Masked]);
    assert!(found(Limits { masked: false, latency: false, ..usual }).is_empty());
}

#[test]
fn what_is_not_looked_for_any_more_is_forgotten_and_the_rest_stays() {
    let mut world = World::new();
    for _ in 0..100 {
        world.now = world.now + secs(1);
        world.last("chat", "openai", "saved", Ending::Saved);
    }
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
    }
    let kinds = |world: &World| world.incidents.open().map(|event| event.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&world), [Kind::Masked, Kind::Failures, Kind::Failures]);
    let told = world.incidents.forget(world.now, &[Kind::Masked]);
    let said: Vec<_> = told.iter().map(|event| (event.what, event.kind, event.close)).collect();
    assert_eq!(said, [(What::Resolved, Kind::Masked, Some(Close::Forgotten))]);
    assert_eq!(kinds(&world), [Kind::Failures, Kind::Failures]);
    assert!(world.incidents.forget(world.now, &[Kind::Masked]).is_empty());
    let told = world.incidents.forget(world.now, Kind::ALL);
    assert!(told.iter().all(|event| event.what == What::Resolved && event.close == Some(Close::Forgotten)));
    assert_eq!((told.len(), world.incidents.open().count(), world.incidents.wake_at()), (2, 0, None));
    // What fails again is another incident.
    let id = told[0].id.clone();
    world.now = world.now + secs(1);
    for _ in 0..4 {
        world.first("chat", "openai", "m", Vote::Fail);
    }
    let again = world.told.iter().rfind(|event| event.what == What::Opened).unwrap();
    assert!(again.id != id && again.flaps == 0);
}

/// One thing that happens, and how long after the one before it.
#[derive(Debug, Clone)]
struct Step {
    after_millis: u64,
    place: u8,
    vote: u8,
    body: u64,
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly seconds, now and then long enough for a reminder, for silence, or to be forgotten.
    let after = prop_oneof![
        20 => 0..3_000_u64,
        6 => 5_000..70_000_u64,
        2 => 100_000..1_000_000_u64,
        1 => 1_000_000..100_000_000_u64,
    ];
    let of = |(after_millis, place, vote, body)| Step { after_millis, place, vote, body };
    (after, 0..3_u8, 0..10_u8, 0..3_u64).prop_map(of)
}

/// Bad and good spells, so that incidents open and end.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let spell = (prop::collection::vec(step(), 1..30), 0..3_u8);
    prop::collection::vec(spell, 1..12).prop_map(|spells| {
        let with = |(steps, mood): (Vec<Step>, u8)| {
            steps.into_iter().map(move |step| match mood {
                0 => Step { vote: 0, ..step },
                1 => Step { vote: 9, ..step },
                _ => step,
            })
        };
        spells.into_iter().flat_map(with).collect()
    })
}

/// The events of a history, with a wake whenever `dice` says so, and the state saved and taken in again.
fn play(steps: &[Step], mut wakes: Option<Dice>, restart_at: Option<usize>) -> Vec<Event> {
    let mut world = World::new();
    for (n, step) in steps.iter().enumerate() {
        let next = world.now + Duration::from_millis(step.after_millis);
        if let Some(dice) = &mut wakes {
            let mut at = world.now;
            while let Some(due) = world.incidents.wake_at().filter(|due| *due < next)
                && dice.chance_ppm(700_000)
            {
                at = due.max(at);
                world.told.extend(world.incidents.wake(at));
            }
            for _ in 0..dice.between(0, 3) {
                at = Time::from_micros(dice.between(at.as_micros(), next.as_micros()));
                world.told.extend(world.incidents.wake(at));
            }
        }
        world.now = next;
        let upstream = ["a", "b", "a"][usize::from(step.place)];
        let route = ["chat", "chat", "other"][usize::from(step.place)];
        let vote = match step.vote {
            0..=4 => Vote::Fail,
            5 => Vote::Abstain,
            _ => Vote::Ok,
        };
        let facts = Facts { upstream: Some(upstream), model: Some("m"), ..Facts::default() };
        let took = Duration::from_secs(if step.vote % 2 == 0 { 1 } else { 40 });
        let first = First {
            request: "sw",
            body: step.body,
            route,
            vote,
            was_sent: step.vote != 4,
            facts,
            form: 1,
            first_content: (vote == Vote::Ok).then_some(took),
        };
        world.told.extend(world.incidents.first(world.now, &first));
        let ending = match (vote, step.body) {
            (Vote::Fail, 0) => Ending::Lost,
            (Vote::Fail, _) => Ending::Saved,
            _ => Ending::Passed,
        };
        world.last(route, upstream, "m", ending);
        if restart_at == Some(n) {
            let saved = serde_json::to_string(&world.incidents.save()).expect("it can be saved");
            world.incidents =
                Incidents::restore(serde_json::from_str(&saved).expect("and read"), Limits::default(), world.now);
        }
    }
    world.wait(secs(200_000));
    world.told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn wakes_that_are_late_missing_or_too_many_change_no_event(steps in steps(), seed: u64) {
        let without = play(&steps, None, None);
        prop_assert_eq!(&without, &play(&steps, Some(Dice::new(seed)), None));
        // Every life is whole: opened, then others, and in the end over.
        let mut open = std::collections::BTreeSet::new();
        let mut latest = Time::ZERO;
        for event in &without {
            prop_assert!(event.at >= latest && event.since <= event.at);
            latest = event.at;
            match event.what {
                // What is told alone was open already.
                What::Opened => { open.insert(event.id.clone()); }
                What::Resolved => prop_assert!(open.remove(&event.id)),
                What::Reminder | What::Unknown => prop_assert!(open.contains(&event.id)),
            }
        }
        prop_assert!(open.is_empty());
    }

    #[test]
    fn a_restart_changes_no_event_where_all_bodies_differ(steps in steps(), at in 0..360_usize) {
        let differ = |(n, step): (usize, Step)| Step { body: n as u64, ..step };
        let steps: Vec<Step> = steps.into_iter().enumerate().map(differ).collect();
        prop_assert_eq!(play(&steps, None, Some(at % steps.len())), play(&steps, None, None));
    }
}
