use super::super::samples::{event, told};
use super::*;

use Severity::{Critical, Warning};
use What::{Opened, Reminder, Resolved, Unknown};

fn desk(min: Severity) -> Desk {
    Desk::new(min, false)
}

/// What the receiver hears, one after another, if all of it arrives.
fn heard(desk: &mut Desk) -> Vec<(String, What)> {
    std::iter::from_fn(|| {
        let item = desk.take()?;
        desk.arrived();
        Some((item.notice.id().to_owned(), item.what))
    })
    .collect()
}

fn put(desk: &mut Desk, id: &str, what: What, severity: Severity) -> u64 {
    desk.put(&told(id, what, severity), Instant::now());
    desk.dropped()
}

fn pairs(words: &[(&str, What)]) -> Vec<(String, What)> {
    words.iter().map(|(id, what)| ((*id).to_owned(), *what)).collect()
}

#[tokio::test]
async fn an_incident_is_heard_from_its_beginning_to_its_end() {
    let mut desk = desk(Warning);
    let words = [("a", Opened), ("a", Reminder), ("b", Opened), ("a", Unknown), ("a", Resolved), ("a", Opened)];
    for (id, what) in words {
        put(&mut desk, id, what, Warning);
    }
    assert_eq!(heard(&mut desk), pairs(&words));
}

#[tokio::test]
async fn what_was_never_told_has_no_reminder_too_small_and_no_end() {
    let mut desk = desk(Critical);
    for what in [Opened, Reminder, Unknown, Resolved] {
        put(&mut desk, "a", what, Warning);
    }
    put(&mut desk, "b", Unknown, Critical);
    assert_eq!(heard(&mut desk), []);
}

#[tokio::test]
async fn an_incident_that_becomes_graver_begins_then_and_is_followed_to_its_end() {
    let mut desk = desk(Critical);
    for (what, severity) in [(Opened, Warning), (Reminder, Critical), (Reminder, Warning), (Resolved, Warning)] {
        put(&mut desk, "a", what, severity);
    }
    assert_eq!(heard(&mut desk), pairs(&[("a", Opened), ("a", Reminder), ("a", Resolved)]));
}

#[tokio::test]
async fn what_is_under_another_is_told_once_it_stands_alone() {
    let mut desk = desk(Warning);
    for what in [Opened, Reminder, Unknown] {
        let parent = Some(event("b", Opened, Critical).id);
        let under = Event { under: parent, ..event("a", what, Critical) };
        desk.put(&Arc::new(Notice::new(under, Vec::new(), None)), Instant::now());
    }
    assert_eq!(desk.queued(), 0);
    // The incident that told of it is over, and core says that this one begins.
    put(&mut desk, "a", Opened, Critical);
    put(&mut desk, "a", Resolved, Critical);
    assert_eq!(heard(&mut desk), pairs(&[("a", Opened), ("a", Resolved)]));
}

#[tokio::test]
async fn an_incident_of_an_earlier_process_counts_as_told_if_it_matters() {
    let mut told_of = desk(Warning);
    told_of.resume(&event("a", Reminder, Warning));
    put(&mut told_of, "a", Reminder, Warning);
    put(&mut told_of, "a", Resolved, Warning);
    assert_eq!(heard(&mut told_of), pairs(&[("a", Reminder), ("a", Resolved)]));

    // It may have been critical once: where an end says nothing to those who never heard of it, it is said.
    for (ends_in_silence, words) in [(true, vec![("a", Resolved)]), (false, vec![])] {
        let mut perhaps = Desk::new(Critical, ends_in_silence);
        perhaps.resume(&event("a", Reminder, Warning));
        put(&mut perhaps, "a", Reminder, Warning);
        put(&mut perhaps, "a", Unknown, Warning);
        put(&mut perhaps, "a", Resolved, Warning);
        assert_eq!(heard(&mut perhaps), pairs(&words));
        assert!(perhaps.knows.is_empty() && perhaps.open.is_empty() && perhaps.perhaps.is_empty());
    }
    let mut graver = desk(Critical);
    graver.resume(&event("a", Reminder, Warning));
    put(&mut graver, "a", Reminder, Critical);
    put(&mut graver, "a", Resolved, Critical);
    assert_eq!(heard(&mut graver), pairs(&[("a", Opened), ("a", Resolved)]));

    let mut under = desk(Warning);
    under.resume(&Event { under: Some(event("b", Opened, Critical).id), ..event("a", Reminder, Critical) });
    put(&mut under, "a", Resolved, Critical);
    assert_eq!(heard(&mut under), []);
}

#[tokio::test]
async fn the_severity_under_which_a_receiver_knows_it_is_that_of_what_arrived() {
    let mut desk = desk(Warning);
    put(&mut desk, "a", Opened, Warning);
    put(&mut desk, "a", Reminder, Critical);
    put(&mut desk, "a", Resolved, Critical);
    let mut take = |arrives: bool| {
        let before = desk.take().unwrap().before;
        if arrives {
            desk.arrived();
        } else {
            desk.lost();
        }
        before
    };
    assert_eq!([take(true), take(false), take(true)], [None, Some(Warning), Some(Warning)]);
    assert!(desk.knows.is_empty());
}

#[tokio::test]
async fn the_queue_has_a_bound_and_the_oldest_reminder_goes_first() {
    let mut desk = desk(Warning);
    put(&mut desk, "a", Opened, Critical);
    put(&mut desk, "a", Reminder, Critical);
    put(&mut desk, "a", Reminder, Critical);
    for n in 3..WAITING_MAX {
        assert_eq!(put(&mut desk, &format!("n{n}"), Opened, Critical), 0);
    }
    assert_eq!(desk.queued(), WAITING_MAX);
    assert_eq!(put(&mut desk, "a", Resolved, Critical), 1);
    assert_eq!(put(&mut desk, "z", Opened, Critical), 1);
    let of_a = |desk: &Desk| desk.waiting.iter().filter(|i| i.notice.id() == "a").map(|i| i.what).collect::<Vec<_>>();
    assert_eq!(of_a(&desk), [Opened, Resolved]);
    // No reminder is left: now a beginning goes, and its end with it.
    assert_eq!(put(&mut desk, "y", Opened, Critical), 2);
    assert!(of_a(&desk).is_empty());
    assert_eq!(desk.queued(), WAITING_MAX - 1);
    let heard = heard(&mut desk);
    assert_eq!((heard.first().unwrap().0.as_str(), heard.last().unwrap().0.as_str()), ("n3", "y"));
}

#[tokio::test]
async fn the_end_of_what_was_told_goes_last() {
    let mut desk = desk(Warning);
    for n in 0..=WAITING_MAX {
        put(&mut desk, &format!("n{n}"), Opened, Critical);
        desk.take();
        desk.arrived();
    }
    for n in 0..WAITING_MAX {
        assert_eq!(put(&mut desk, &format!("n{n}"), Resolved, Critical), 0);
    }
    assert_eq!(put(&mut desk, "new", Opened, Critical), 1, "the beginning that just came");
    assert_eq!(put(&mut desk, "new", Resolved, Critical), 0, "of which nobody heard");
    assert_eq!(put(&mut desk, &format!("n{WAITING_MAX}"), Resolved, Critical), 1, "nothing else is left to go");
    assert!(heard(&mut desk).iter().all(|(_, what)| *what == Resolved));
}

#[tokio::test]
async fn what_is_under_way_is_not_dropped() {
    let mut desk = desk(Warning);
    put(&mut desk, "a", Opened, Critical);
    let item = desk.take().unwrap();
    for n in 0..=WAITING_MAX {
        put(&mut desk, &format!("n{n}"), Opened, Critical);
    }
    assert_eq!((item.notice.id(), desk.queued()), ("a", WAITING_MAX + 1));
    desk.arrived();
    assert_eq!(desk.queued(), WAITING_MAX);
}

#[tokio::test]
async fn where_the_beginning_is_lost_the_next_reminder_is_one() {
    let mut desk = desk(Warning);
    for what in [Opened, Unknown, Reminder, Resolved] {
        put(&mut desk, "a", what, Critical);
    }
    desk.take();
    desk.lost();
    assert_eq!(heard(&mut desk), pairs(&[("a", Opened), ("a", Resolved)]));
    assert_eq!(desk.dropped(), 1, "an unknown cannot be the first word");

    put(&mut desk, "b", Opened, Critical);
    put(&mut desk, "b", Resolved, Critical);
    put(&mut desk, "b", Opened, Critical);
    desk.take();
    desk.lost();
    assert_eq!(heard(&mut desk), pairs(&[("b", Opened)]));
    assert_eq!(desk.dropped(), 1, "nobody needs to hear its end");

    put(&mut desk, "c", Opened, Critical);
    desk.take();
    desk.lost();
    put(&mut desk, "c", Reminder, Critical);
    assert_eq!(heard(&mut desk), pairs(&[("c", Opened)]));
}

#[tokio::test]
async fn an_end_that_was_lost_is_told_with_the_next_one() {
    let mut desk = desk(Critical);
    for what in [Opened, Resolved, Opened] {
        put(&mut desk, "a", what, Critical);
    }
    desk.take();
    desk.arrived();
    for _ in [Resolved, Opened] {
        desk.take();
        desk.lost();
    }
    put(&mut desk, "a", Resolved, Warning);
    assert_eq!(heard(&mut desk), pairs(&[("a", Resolved)]));
}

#[tokio::test]
async fn what_is_known_has_a_bound() {
    let mut desk = desk(Warning);
    for n in 0..KNOWN_MAX + 10 {
        put(&mut desk, &format!("n{n:04}"), Opened, Critical);
        desk.take();
        desk.arrived();
    }
    assert_eq!((desk.open.len(), desk.knows.len()), (KNOWN_MAX, KNOWN_MAX));
    let last = format!("n{:04}", KNOWN_MAX + 9);
    put(&mut desk, &last, Resolved, Critical);
    assert_eq!(heard(&mut desk), [(last, Resolved)]);
}

#[tokio::test]
async fn an_end_that_waits_is_not_lost_with_a_beginning_behind_it() {
    let mut desk = desk(Warning);
    put(&mut desk, "a", Opened, Critical);
    desk.take();
    desk.arrived();
    put(&mut desk, "a", Resolved, Critical);
    put(&mut desk, "a", Opened, Critical);
    for n in 2..=WAITING_MAX {
        put(&mut desk, &format!("n{n}"), Opened, Critical);
    }
    let of_a: Vec<What> = desk.waiting.iter().filter(|item| item.notice.id() == "a").map(|item| item.what).collect();
    assert_eq!((of_a, desk.queued()), (vec![Resolved], WAITING_MAX));
}

/// Incidents come, go on and go; a receiver is there, away, or refuses. Whatever happens, it hears of an
/// incident only between a beginning that it heard and the end, and never more waits than may.
#[tokio::test]
async fn nothing_is_heard_of_an_incident_before_its_beginning_or_after_its_end() {
    let ids: Vec<String> = (0..25).map(|n| format!("n{n}")).collect();
    for seed in 0..200 {
        let mut dice = seawall_core::dice::Dice::new(seed);
        let min = if seed % 2 == 0 { Warning } else { Critical };
        let mut desk = desk(min);
        let (mut open, mut known) = (BTreeMap::new(), BTreeSet::new());
        let mut arrived = 0;
        for step in 0..1_500 {
            let id = ids[usize::try_from(dice.between(0, 24)).unwrap()].as_str();
            let severity = if dice.chance_ppm(500_000) { Critical } else { Warning };
            let what = match (open.contains_key(id), dice.between(0, 5)) {
                (false, _) => Opened,
                (true, 0..=1) => Resolved,
                (true, 2) => Unknown,
                (true, _) => Reminder,
            };
            if what == Resolved {
                open.remove(id);
            } else {
                open.insert(id, ());
            }
            put(&mut desk, id, what, severity);
            assert!(desk.queued() <= WAITING_MAX + 1);
            let is_away = step / 300 % 2 == 1;
            if is_away || dice.chance_ppm(300_000) {
                continue;
            }
            let Some(item) = desk.take() else { continue };
            // In one world of three every end arrives.
            if dice.chance_ppm(200_000) && (item.what != Resolved || seed % 3 > 0) {
                desk.lost();
                continue;
            }
            desk.arrived();
            arrived += 1;
            hear(&item, &mut known, min, seed);
        }
        // In the end all is over, and everything arrives.
        for id in open.into_keys() {
            put(&mut desk, id, Resolved, Warning);
        }
        while let Some(item) = desk.take() {
            desk.arrived();
            hear(&item, &mut known, min, seed);
        }
        assert!(seed % 3 > 0 || known.is_empty(), "seed {seed}: left open: {known:?}");
        assert!(arrived > 300, "seed {seed}: {arrived}");
    }
}

/// What a receiver makes of what it hears.
fn hear(item: &Item, known: &mut BTreeSet<String>, min: Severity, seed: u64) {
    let name = item.notice.id().to_owned();
    match item.what {
        Opened => {
            assert!(item.notice.event.severity >= min, "seed {seed}");
            known.insert(name);
        }
        Resolved => assert!(known.remove(&name), "seed {seed}: an end without a beginning"),
        Reminder | Unknown => assert!(known.contains(&name), "seed {seed}: {} of nothing", item.what),
    }
}

/// The events of core itself: a route's incident is put under that of the upstream it was seen at, outlasts it
/// because two others fail, and is told then.
#[tokio::test]
async fn what_core_tells_makes_sense_to_a_receiver() {
    use seawall_core::incident::{Facts, First, Incidents, Limits, Scope, Vote};
    use seawall_core::time::Time;

    let (mut incidents, mut desk, mut words) = (Incidents::new(Limits::default()), desk(Warning), Vec::new());
    let mut under = 0;
    for second in 0..600_u64 {
        let now = Time::from_micros(super::super::samples::SINCE + second * 1_000_000);
        // Upstream `a` fails for ten seconds, two others from then on for four minutes.
        let later = (10..250).contains(&second);
        let fails = [("a", second < 10), ("b", later), ("c", later)];
        for (upstream, fails) in fails {
            let vote = if fails { Vote::Fail } else { Vote::Ok };
            let facts = Facts { upstream: Some(upstream), model: Some("m"), ..Facts::default() };
            let request = format!("sw_{second}_{upstream}");
            let first = First {
                request: &request,
                body: second,
                route: "chat",
                vote,
                was_sent: true,
                facts,
                form: 0,
                first_content: None,
            };
            for event in incidents.first(now, &first) {
                under += u32::from(event.under.is_some());
                let place = match &event.scope {
                    Scope::Upstream { upstream, .. } => upstream.clone(),
                    Scope::Route { route } => route.clone(),
                };
                desk.put(&Arc::new(Notice::new(event, Vec::new(), None)), Instant::now());
                while let Some(item) = desk.take() {
                    desk.arrived();
                    words.push((place.clone(), item.what));
                }
            }
        }
    }
    assert!(under > 0, "the route's incident began under another");
    for place in ["a", "b", "c", "chat"] {
        let heard: Vec<What> = words.iter().filter(|(of, _)| of == place).map(|(_, what)| *what).collect();
        assert_eq!(heard, [Opened, Resolved], "{place}: {words:?}");
    }
    let at = |place: &str, what| words.iter().position(|word| *word == (place.to_owned(), what));
    assert!(at("a", Resolved) < at("chat", Opened), "{words:?}");
}
