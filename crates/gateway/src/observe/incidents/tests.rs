use std::path::Path;

use http::{HeaderMap, Method};
use seawall_core::event::Cause;
use seawall_core::verdict::Fault;
use tempfile::TempDir;

use super::*;
use crate::observe::alert::Links;
use crate::observe::journal::incidents::EventRow;
use crate::observe::journal::read::{Filter, JournalArgs, Journals};
use crate::observe::journal::row::AttemptRow;
use crate::observe::journal::samples::{self, PATIENCE};
use crate::observe::status_page::board::Wanted;

const PAGE: &str = "https://status.example";

struct World {
    dir: TempDir,
    watch: Watch,
    requests: i64,
}

impl World {
    fn new() -> World {
        World::with(Some(Limits::default()))
    }

    fn with(limits: Option<Limits>) -> World {
        let dir = tempfile::tempdir().unwrap();
        let watch = World::begin(dir.path(), limits);
        World { dir, watch, requests: 0 }
    }

    fn begin(dir: &Path, limits: Option<Limits>) -> Watch {
        let names = Names {
            upstreams: vec!["openai".to_owned(), "other".to_owned()],
            keys: vec![vec!["1 (env A)".to_owned(), "2 (env B)".to_owned()], Vec::new()],
            routes: vec!["gpt-*".to_owned()],
        };
        let upstreams = [("openai".to_owned(), Some(PAGE.to_owned())), ("other".to_owned(), None)];
        let board = Arc::new(Board::new(&upstreams, Wanted::Watched, 0));
        let alerts = Arc::new(Alerts::start(Vec::new(), &Links::default()).unwrap());
        Watch::new(names, limits, samples::open(&dir.join("journal.db")), board, alerts)
    }

    /// The process ends, and another one begins.
    fn restart(&mut self) {
        self.restart_with(Some(Limits::default()));
    }

    fn restart_with(&mut self, limits: Option<Limits>) {
        self.watch.close();
        let journal = self.watch.journal.clone();
        assert_eq!(journal.close(PATIENCE), crate::observe::journal::Closed::Clean);
        self.watch = World::begin(self.dir.path(), limits);
    }

    fn record(&mut self) -> Record {
        self.requests += 1;
        Record { body: self.requests.unsigned_abs(), ..Record::clone(&samples::request(self.requests)) }
    }

    fn facts() -> Request {
        let body = br#"{"model":"gpt-4o","stream":true}"#;
        Request::of(&Method::POST, "/v1/chat/completions", &HeaderMap::new(), Some(body), body.len() as u64)
    }

    /// A request whose only attempt fails.
    fn fails(&mut self) -> Option<Id> {
        let record = self.record();
        let attempt = samples::attempt(1);
        let incident = self.watch.failed(&record, &attempt);
        self.watch.journal.attempt_of(&Arc::new(record.clone()), attempt, incident.as_ref());
        let ended = Ended { first: Some((UpstreamId(0), Vote::Fail)), ..samples::ended(1) };
        self.watch.ended(Some(&record.id), &World::facts(), &ended);
        incident
    }

    /// A request that fails at first, and is answered all the same.
    fn is_saved(&mut self) {
        let record = self.record();
        self.watch.failed(&record, &samples::attempt(1));
        self.answered(2);
        let first = Some((UpstreamId(0), Vote::Fail));
        let ended = Ended { outcome: Outcome::Retried, first, ..samples::ended(2) };
        self.watch.ended(Some(&record.id), &World::facts(), &ended);
    }

    /// A request that is answered at once.
    fn passes(&mut self) {
        self.answered(1);
        let first = Some((UpstreamId(0), Vote::Ok));
        let ended = Ended { outcome: Outcome::Passed, first, ..samples::ended(1) };
        self.watch.ended(None, &World::facts(), &ended);
    }

    fn answered(&mut self, number: u32) {
        self.answered_after(number, Duration::from_millis(500));
    }

    fn answered_after(&mut self, number: u32, first_content: Duration) {
        let facts = World::facts();
        let answered = Answered {
            request: "sw_1",
            number,
            upstream: UpstreamId(0),
            key: 0,
            region: Some("FRA"),
            first_content,
            waited: first_content,
            route: None,
        };
        self.watch.answered(&facts, &answered);
    }

    async fn waits(&self, seconds: u64) {
        for _ in 0..seconds {
            tokio::time::advance(Duration::from_secs(1)).await;
            self.watch.look();
        }
    }

    fn journals(&self) -> Journals {
        let settled = samples::settled(&self.watch.journal, &samples::request(0));
        assert_eq!(settled, crate::observe::journal::Settled::Durable);
        let args = JournalArgs { journal: Some(self.dir.path().join("journal.db")), ..JournalArgs::default() };
        Journals::open(&args, None).unwrap()
    }

    /// What is on record and told itself.
    fn rows(&self) -> Vec<IncidentRow> {
        let rows = std::thread::scope(|scope| {
            scope.spawn(|| self.journals().incidents(i64::MIN, i64::MAX).unwrap()).join().unwrap()
        });
        rows.into_iter().filter(|row| row.under.is_none()).collect()
    }

    fn events(&self, id: &str) -> Vec<EventRow> {
        self.journals_elsewhere(|journals| journals.incident_events(id).unwrap())
    }

    fn attempts(&self) -> Vec<AttemptRow> {
        self.journals_elsewhere(|journals| journals.attempts(&Filter::default()).map(Result::unwrap).collect())
    }

    /// The journal is waited for on a thread of its own: on this one time stands still.
    fn journals_elsewhere<T: Send>(&self, read: impl FnOnce(&Journals) -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(|| read(&self.journals())).join().unwrap())
    }

    fn is_page_wanted(&self) -> bool {
        self.watch.pages.posted()[0].is_watched
    }
}

#[tokio::test(start_paused = true)]
async fn the_fourth_failure_in_a_row_opens_one_and_all_four_are_part_of_it() {
    let mut world = World::new();
    world.passes();
    assert_eq!([world.fails(), world.fails(), world.fails()], [None, None, None]);
    assert_eq!(world.rows(), []);
    assert!(!world.is_page_wanted());
    let id = world.fails().expect("the fourth one is part of it");
    let rows = world.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].id.as_str(), rows[0].state.as_str(), rows[0].rule.as_str()),
        (id.as_str(), "open", "consecutive")
    );
    assert_eq!((rows[0].upstream.as_deref(), rows[0].model.as_deref()), (Some("openai"), Some("gpt-4o")));
    let claimed: Vec<_> = world.attempts().into_iter().map(|row| row.incident).collect();
    assert_eq!(claimed, vec![Some(id.to_string()); 4]);
    assert!(world.is_page_wanted());
}

#[tokio::test(start_paused = true)]
async fn it_is_over_after_a_minute_and_five_answers_and_its_page_is_not_wanted_any_more() {
    let mut world = World::new();
    (0..4).for_each(|_| drop(world.fails()));
    world.waits(59).await;
    (0..5).for_each(|_| world.passes());
    assert_eq!(world.rows()[0].state, "open", "not before a minute is over");
    world.waits(2).await;
    world.passes();
    let row = world.rows().remove(0);
    assert_eq!((row.state.as_str(), row.close.as_deref()), ("resolved", Some("recovered")));
    let told: Vec<_> = world.events(&row.id).into_iter().map(|event| event.what).collect();
    assert_eq!(told, ["incident.opened", "incident.resolved"]);
    assert!(!world.is_page_wanted());
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_same_incident_and_who_knows_of_it() {
    let mut world = World::new();
    (0..3).for_each(|_| drop(world.fails()));
    let id = world.fails().unwrap();
    assert!(world.watch.acknowledge(id.as_str()));
    assert!(!world.watch.acknowledge("inc_0"));
    let mut told = Vec::new();
    world.watch.refresh(&mut told);
    assert!(told[0].acknowledged.is_some(), "whoever looks at once is told so, whatever the journal has by then");
    world.restart();
    assert!(world.is_page_wanted());
    assert!(world.watch.lock().acknowledged.contains_key(&id));
    assert_eq!(world.fails().as_ref(), Some(&id), "what fails after the restart is part of it");
    world.waits(61).await;
    (0..6).for_each(|_| world.passes());
    let rows = world.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id.as_str(), rows[0].state.as_str()), (id.as_str(), "resolved"));
    assert!(rows[0].acknowledged.is_some());
    assert_eq!(world.events(id.as_str()).len(), 2, "opened once, resolved once");
}

#[tokio::test(start_paused = true)]
async fn who_knows_of_it_is_reminded_only_when_it_gets_worse_and_told_of_its_end() {
    let mut world = World::new();
    (0..4).for_each(|_| drop(world.fails()));
    let standing = world.watch.open().remove(0).event;
    let state = &mut *world.watch.lock();
    let mut is_known = |what, severity| state.note(&Event { what, severity, ..standing.clone() });
    assert!(!is_known(What::Reminder, Severity::Warning));
    state.acknowledged.insert(standing.id.clone(), Severity::Warning);
    let mut is_known = |what, severity| state.note(&Event { what, severity, ..standing.clone() });
    assert!(is_known(What::Reminder, Severity::Warning));
    assert!(!is_known(What::Unknown, Severity::Warning));
    assert!(!is_known(What::Reminder, Severity::Critical), "it is worse");
    assert!(!is_known(What::Reminder, Severity::Critical), "and that nobody knows yet");
    state.acknowledged.insert(standing.id.clone(), Severity::Critical);
    let mut is_known = |what, severity| state.note(&Event { what, severity, ..standing.clone() });
    assert!(is_known(What::Reminder, Severity::Critical));
    assert!(!is_known(What::Resolved, Severity::Critical));
    assert!(!is_known(What::Reminder, Severity::Critical), "what begins again is news");
}

#[tokio::test]
async fn what_is_told_is_on_record_by_then() {
    let mut world = World::new();
    (0..4).for_each(|_| drop(world.fails()));
    assert_eq!(world.watch.lock().outbox.len(), 2, "the upstream's, and the route's under it");
    let handed_over = async {
        while !world.watch.lock().outbox.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = world.watch.deliver() => {}
        () = handed_over => {}
    }
    let connection = rusqlite::Connection::open(world.dir.path().join("journal.db")).unwrap();
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM incidents"), 2);
    assert_eq!(count("SELECT count(*) FROM state"), 1, "with all that is known, for the next process");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_back_is_forgotten_and_said_to_be() {
    let mut world = World::new();
    (0..4).for_each(|_| drop(world.fails()));
    world.watch.close();
    drop(world.rows());
    let connection = rusqlite::Connection::open(world.dir.path().join("journal.db")).unwrap();
    connection.execute("UPDATE state SET value = '{\"from\": \"elsewhere\"}'", []).unwrap();
    assert_eq!(world.watch.journal.clone().close(PATIENCE), crate::observe::journal::Closed::Clean);
    world.watch = World::begin(world.dir.path(), Some(Limits::default()));
    let row = world.rows().remove(0);
    assert_eq!((row.state.as_str(), row.close.as_deref()), ("resolved", Some("forgotten")));
    assert!(world.watch.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_saved_makes_it_a_warning_and_one_who_is_not_a_critical_one() {
    for (outcome, severity) in [(Outcome::Retried, "warning"), (Outcome::Exhausted, "critical")] {
        let mut world = World::new();
        for _ in 0..4 {
            let record = world.record();
            world.watch.failed(&record, &samples::attempt(1));
            if outcome == Outcome::Retried {
                world.answered(2);
            }
            let ended = Ended { outcome, first: Some((UpstreamId(0), Vote::Fail)), ..samples::ended(2) };
            world.watch.ended(Some(&record.id), &World::facts(), &ended);
        }
        world.waits(1).await;
        let open = world.watch.open();
        let told = open.iter().find(|note| note.event.under.is_none()).unwrap();
        assert_eq!(told.event.severity.name(), severity, "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_only_retries_hide_are_an_incident_of_their_own() {
    let mut world = World::new();
    for n in 0..1_500 {
        if n % 25 == 7 {
            world.is_saved();
        } else {
            world.passes();
        }
        world.waits(1).await;
    }
    let row = world.rows().remove(0);
    assert_eq!((row.kind.as_str(), row.rule.as_str(), row.severity.as_str()), ("masked", "rising", "warning"));
    assert!(world.is_page_wanted());
}

#[tokio::test(start_paused = true)]
async fn content_that_comes_far_later_than_usual_is_an_incident_too() {
    let mut world = World::new();
    for n in 0..900u64 {
        let millis = if n < 600 { 400 + n % 7 * 50 } else { 6_000 };
        world.answered_after(1, Duration::from_millis(millis));
        world.waits(1).await;
    }
    let row = world.rows().remove(0);
    assert_eq!((row.kind.as_str(), row.rule.as_str()), ("latency", "slow"));
    assert_eq!(row.differences, serde_json::json!([]));
}

#[tokio::test(start_paused = true)]
async fn streams_that_break_are_failures_although_they_began() {
    let mut world = World::new();
    for n in 1..=4 {
        world.answered(1);
        let record = world.record();
        let broke = Attempt { class: Class::MidStream, fault: Some(Fault::Truncated), ..samples::attempt(1) };
        let incident = world.watch.failed(&record, &broke);
        assert_eq!(incident.is_some(), n == 4, "{n}");
    }
    assert_eq!(world.watch.open()[0].event.rule.name(), "rate");
}

#[tokio::test(start_paused = true)]
async fn later_attempts_and_those_at_fault_themselves_do_not_vote() {
    let mut world = World::new();
    for _ in 0..10 {
        let record = world.record();
        world.watch.failed(&record, &samples::attempt(2));
        let cliff = Attempt { reason: Reason::Cliff, ..samples::attempt(1) };
        world.watch.failed(&record, &cliff);
        let diagnosis = Some((Cause::Cliff, "".into()));
        let ended = Ended { first: Some((UpstreamId(0), Vote::Abstain)), diagnosis, ..samples::ended(1) };
        world.watch.ended(Some(&record.id), &World::facts(), &ended);
        let limited = Attempt { class: Class::RateLimited, ..samples::attempt(1) };
        world.watch.failed(&record, &limited);
    }
    assert!(world.watch.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refusals_because_of_an_upstream_open_an_incident_of_the_route_and_others_do_not() {
    let world = World::new();
    for outcome in [Outcome::Shed, Outcome::Draining, Outcome::Unavailable] {
        for _ in 0..8 {
            let ended = Ended { outcome, first: None, route: Some(0), ..samples::ended(0) };
            world.watch.ended(None, &World::facts(), &ended);
        }
        assert_eq!(world.watch.open().len(), usize::from(outcome == Outcome::Unavailable), "{outcome}");
    }
    let open = world.watch.open();
    assert_eq!(open[0].event.scope, Scope::route("gpt-*"));
}

#[tokio::test(start_paused = true)]
async fn names_that_are_hostile_are_inert_on_record() {
    let mut world = World::new();
    let hostile = "gpt\r\n\u{1b}[2J\u{202e}<script>";
    for _ in 0..4 {
        let record = Record { model: Some(hostile.to_owned()), ..world.record() };
        world.watch.failed(&record, &samples::attempt(1));
    }
    let row = world.rows().remove(0);
    assert_eq!(row.model.as_deref(), Some("gpt\u{fffd}\u{fffd}\u{fffd}[2J\u{fffd}<script>"));
}

#[tokio::test(start_paused = true)]
async fn what_is_different_about_the_failures_is_on_record() {
    let mut world = World::new();
    for n in 0..90 {
        world.passes();
        if n % 2 == 0 {
            let record = world.record();
            // The second key's, in another region than all that is answered.
            let region = Some("IAD".to_owned());
            world.watch.failed(&record, &Attempt { key: 1, region, ..samples::attempt(1) });
        }
    }
    world.waits(61).await;
    let row = world.rows().remove(0);
    let told: Vec<_> = row.differences.as_array().unwrap().iter().map(|told| told["text"].as_str().unwrap()).collect();
    assert!(told.contains(&"100 % of failures have key=2 (env B), baseline 0 %"), "{told:?}");
    assert!(told.contains(&"100 % of failures have region=IAD, baseline 0 %"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_on_record_is_never_older_than_a_minute() {
    let mut world = World::new();
    (0..4).for_each(|_| drop(world.fails()));
    (0..3).for_each(|_| drop(world.fails()));
    assert_eq!(world.rows()[0].whole.failed, 4);
    world.waits(60).await;
    assert_eq!(world.rows()[0].whole.failed, 7);
    assert_eq!(world.events(&world.rows()[0].id).len(), 1, "that is nothing to tell");
    (0..2).for_each(|_| drop(world.fails()));
    let mut rows = world.rows();
    world.watch.refresh(&mut rows);
    assert!(rows.iter().any(|row| row.whole.failed == 9), "what is asked of this process is up to date");
    let mut none = Vec::new();
    world.watch.refresh(&mut none);
    assert_eq!(none.len(), 2, "and is there where the file has nothing");
}

#[tokio::test(start_paused = true)]
async fn limits_are_those_of_the_configuration() {
    let limits = Limits { consecutive: 2, remind_every: Duration::from_secs(60), ..Limits::default() };
    let mut world = World::with(Some(limits));
    assert_eq!(world.fails(), None);
    let id = world.fails().expect("two are enough");
    world.waits(121).await;
    let told: Vec<_> = world.events(id.as_str()).into_iter().map(|event| event.what).collect();
    assert_eq!(told, ["incident.opened", "incident.reminder", "incident.reminder"]);
    // And after a restart.
    let limits = Limits { consecutive: 3, ..limits };
    let mut world = World::new();
    world.restart_with(Some(limits));
    assert_eq!([world.fails(), world.fails()], [None, None]);
    assert!(world.fails().is_some());
}

#[tokio::test(start_paused = true)]
async fn where_none_is_looked_for_none_is_found_and_those_that_were_open_are_forgotten() {
    let mut world = World::new();
    (0..3).for_each(|_| drop(world.fails()));
    let id = world.fails().unwrap();
    // So late that a reminder is due, and that nobody knows any more: neither is told.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    world.restart_with(None);
    let row = world.rows().remove(0);
    assert_eq!(
        (row.id.as_str(), row.state.as_str(), row.close.as_deref()),
        (id.as_str(), "resolved", Some("forgotten"))
    );
    let told: Vec<_> = world.events(id.as_str()).into_iter().map(|event| event.what).collect();
    assert_eq!(told, ["incident.opened", "incident.resolved"]);
    assert!(!world.is_page_wanted());
    for _ in 0..20 {
        assert_eq!(world.fails(), None);
    }
    for _ in 0..20 {
        let ended = Ended { outcome: Outcome::Unavailable, first: None, route: Some(0), ..samples::ended(0) };
        world.watch.ended(None, &World::facts(), &ended);
    }
    world.waits(3_600).await;
    assert!(world.watch.open().is_empty());
    assert_eq!(world.rows().len(), 1);
    // Looked for again, it begins anew.
    world.restart();
    assert_eq!([world.fails(), world.fails(), world.fails()], [None, None, None]);
    assert!(world.fails().is_some_and(|other| other != id));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_looked_for_any_more_is_forgotten_and_the_others_go_on() {
    let mut world = World::new();
    for _ in 0..60 {
        let record = world.record();
        let ended = Ended { outcome: Outcome::Retried, first: Some((UpstreamId(1), Vote::Fail)), ..samples::ended(2) };
        world.watch.ended(Some(&record.id), &World::facts(), &ended);
    }
    (0..4).for_each(|_| drop(world.fails()));
    let kinds = |world: &World| world.watch.open().into_iter().map(|note| note.event.kind).collect::<BTreeSet<_>>();
    assert_eq!(kinds(&world), BTreeSet::from([Kind::Failures, Kind::Masked]));
    let limits = Limits { masked: false, ..Limits::default() };
    world.restart_with(Some(limits));
    assert_eq!(kinds(&world), BTreeSet::from([Kind::Failures]));
    let rows = world.rows();
    let of =
        |kind: &str| rows.iter().find(|row| row.kind == kind).map(|row| (row.state.as_str(), row.close.as_deref()));
    assert_eq!((of("masked"), of("failures")), (Some(("resolved", Some("forgotten"))), Some(("open", None))));
}

#[tokio::test(start_paused = true)]
async fn how_it_ended_is_read_although_it_was_told_of_more_often_than_is_read() {
    use crate::observe::journal::incidents::EVENTS_MAX;
    let limits = Limits { remind_every: Duration::from_secs(60), ..Limits::default() };
    let mut world = World::with(Some(limits));
    (0..3).for_each(|_| drop(world.fails()));
    let id = world.fails().unwrap();
    for _ in 0..=EVENTS_MAX {
        tokio::time::advance(Duration::from_secs(60)).await;
        drop(world.fails());
        drop(world.rows());
    }
    tokio::time::advance(Duration::from_secs(61)).await;
    (0..5).for_each(|_| world.passes());
    world.waits(61).await;
    let told = world.events(id.as_str());
    assert_eq!((told.len(), told[told.len() - 1].what.as_str()), (EVENTS_MAX, "incident.resolved"));
    assert!(told.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

#[test]
fn a_key_has_a_name_only_where_there_are_several() {
    let names = Names { keys: vec![vec!["1".into(), "2".into()], vec!["1".into()], vec![]], ..Names::default() };
    assert_eq!([names.key(0, 1), names.key(0, 2), names.key(1, 0), names.key(2, 0)], [Some("2"), None, None, None]);
    assert_eq!([names.route(None), names.route(Some(7))], [NO_ROUTE, NO_ROUTE]);
}
