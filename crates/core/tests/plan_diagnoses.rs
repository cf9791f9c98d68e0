//! When the plan says that it is the request: its tools, its size, a timeout on the way. And that it
//! never says so of what is the provider's.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::Reason;
use seawall_core::plan::breaker::State;
use seawall_core::plan::diagnosis::Diagnosis;
use seawall_core::plan::fleet::Fleet;
use seawall_core::plan::policy::{Policy, ToolsPolicy};
use seawall_core::plan::route::Routes;
use seawall_core::plan::shapes::{Form, Hop, Oversize};
use seawall_core::plan::{Ask, Heard, Launch, Plan, Step};
use seawall_core::request::{Endpoint, Patience, Repeatable};
use seawall_core::time::Time;
use seawall_core::upstream::Upstream;
use seawall_core::verdict::{Class, Fault, Said, Verdict, judge_fault};

const BAD: u64 = 1;
const GOOD: u64 = 2;

struct World {
    policy: Policy,
    fleet: Fleet,
    dice: Dice,
    routes: Arc<Routes>,
    now: Time,
    bodies: u64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Answered,
    Failed(Reason, Option<Diagnosis>),
}

impl World {
    fn new(tools: ToolsPolicy, upstreams: u32) -> World {
        let policy = Policy { tools, ..Policy::default() };
        let upstream = |n: u32| Upstream { name: n.to_string(), priority: n, ..Upstream::default() };
        let routes = Arc::new(Routes::new((0..upstreams).map(upstream).collect(), vec![]));
        let fleet = Fleet::new(Arc::clone(&routes), &policy, Time::ZERO);
        World { policy, fleet, dice: Dice::new(1), routes, now: Time::ZERO, bodies: 0 }
    }

    fn ask(&self, tool_mark: u64, stream: bool) -> Ask {
        Ask {
            candidates: self.routes.candidates(Some("m"), false),
            form: Form::plain(Endpoint::ChatCompletions, stream),
            repeatable: Repeatable::Yes,
            replay: Ok(()),
            stream,
            can_upgrade: false,
            can_probe: stream,
            tool_mark,
            body_bytes: 1_000,
            patience: Patience::default(),
            client_retries: 0,
            max_retries: None,
        }
    }

    fn plan(&mut self, ask: Ask) -> Plan {
        self.bodies += 1;
        Plan::new(self.now, &self.policy, Some("m"), ask, &mut self.fleet)
    }

    /// The next attempt, or how it ended.
    fn step(&mut self, plan: &mut Plan) -> Result<Launch, End> {
        loop {
            match plan.step(self.now, &self.policy, &mut self.fleet, &mut self.dice) {
                Step::Send(launch) => return Ok(launch),
                Step::Wait { until, .. } => self.now = until,
                Step::Relay { .. } => return Err(End::Answered),
                Step::Fail { reason, .. } => return Err(End::Failed(reason, plan.diagnosis())),
                Step::Listen => panic!("nothing is under way"),
            }
        }
    }

    fn hears(&mut self, plan: &mut Plan, after: Duration, (verdict, status): (&Verdict, u16)) {
        self.now = self.now + after;
        let heard =
            Heard { verdict, status: Some(status), is_informative: true, body: self.bodies, first_content: None };
        plan.heard(self.now, &self.policy, &mut self.fleet, &mut self.dice, plan.attempts(), &heard);
    }

    /// Runs a request whose attempts are all answered in one way; its attempts, and how it ended.
    fn runs(&mut self, ask: Ask, after: Duration, answer: (&Verdict, u16)) -> (u32, End) {
        let mut plan = self.plan(ask);
        loop {
            match self.step(&mut plan) {
                Ok(_) => self.hears(&mut plan, after, answer),
                Err(end) => return (plan.attempts(), end),
            }
        }
    }

    fn answers(&mut self, count: u64, tool_mark: u64, stream: bool) {
        for _ in 0..count {
            let ask = self.ask(tool_mark, stream);
            let (attempts, end) = self.runs(ask, QUICK, (&Verdict::OK, 200));
            assert_eq!((attempts, end), (1, End::Answered));
        }
    }

    /// A stream with the bad tools: every attempt gets a 500, and others are answered beside each.
    fn fails_among_others(&mut self) -> (u32, End) {
        let ask = self.ask(BAD, true);
        let mut plan = self.plan(ask);
        loop {
            match self.step(&mut plan) {
                Ok(_) => self.hears(&mut plan, QUICK, (&server_error(), 500)),
                Err(end) => return (plan.attempts(), end),
            }
            self.answers(10, GOOD, true);
        }
    }
}

const QUICK: Duration = Duration::from_millis(300);

fn server_error() -> Verdict {
    Verdict { class: Class::ServerError, again: Class::ServerError.again(), ..judge_fault(Fault::Status) }
}

fn of(class: Class) -> Verdict {
    Verdict { class, again: class.again(), ..judge_fault(Fault::Status) }
}

fn too_large() -> Verdict {
    let said = Said { code: Some("context_length_exceeded".into()), ..Said::default() };
    Verdict { said: Some(Box::new(said)), ..of(Class::CallerFault) }
}

#[test]
fn tools_that_fail_while_all_else_is_well_are_named_and_not_tried_again() {
    let mut world = World::new(ToolsPolicy::Watch, 1);
    world.answers(20, GOOD, true);
    let (attempts, end) = world.fails_among_others();
    // One request is not enough, however often it was tried.
    assert_eq!((attempts, end), (4, End::Failed(Reason::Attempts, None)));
    for _ in 0..3 {
        let (attempts, end) = world.fails_among_others();
        let End::Failed(Reason::Tools, Some(Diagnosis::Tools(evidence))) = end else { panic!("{end:?}") };
        assert_eq!(attempts, 1);
        assert!(evidence.requests >= 2 && evidence.attempts >= 5 && evidence.others_failed == 0, "{evidence:?}");
        assert!(evidence.stream && evidence.others_answered >= 40, "{evidence:?}");
    }
    // Nothing of it is held against the place.
    assert!(world.fleet.breakers().all(|(_, _, breaker)| breaker.state() == State::Closed));
    // Mended, they are answered, and one failure is a failure again.
    world.answers(1, BAD, true);
    assert_eq!(world.fails_among_others(), (4, End::Failed(Reason::Attempts, None)));
}

#[test]
fn nothing_is_watched_where_that_is_not_wanted() {
    let mut world = World::new(ToolsPolicy::Off, 1);
    for _ in 0..5 {
        assert_eq!(world.fails_among_others(), (4, End::Failed(Reason::Attempts, None)));
    }
}

#[test]
fn another_upstream_may_know_such_tools() {
    let mut world = World::new(ToolsPolicy::Watch, 2);
    for _ in 0..6 {
        world.fails_among_others();
    }
    let ask = world.ask(BAD, true);
    let mut plan = world.plan(ask);
    let first = world.step(&mut plan).expect("a first attempt");
    world.hears(&mut plan, QUICK, (&server_error(), 500));
    let second = world.step(&mut plan).expect("another place is asked");
    assert_ne!(first.upstream, second.upstream);
    world.hears(&mut plan, QUICK, (&Verdict::OK, 200));
    assert_eq!(world.step(&mut plan), Err(End::Answered));
}

/// A world in which the bad tools are known as such, and one attempt with them has just failed.
fn probing() -> (World, Plan) {
    let mut world = World::new(ToolsPolicy::Probe, 1);
    world.fails_among_others();
    let ask = world.ask(BAD, true);
    let mut plan = world.plan(ask);
    let first = world.step(&mut plan).expect("a first attempt");
    assert!(!first.is_probe);
    world.hears(&mut plan, QUICK, (&server_error(), 500));
    (world, plan)
}

#[test]
fn a_probe_asks_without_streaming_and_its_refusal_is_the_answer() {
    let (mut world, mut plan) = probing();
    let probe = world.step(&mut plan).expect("a probe");
    // It may take as long as a whole answer takes.
    assert!(probe.is_probe && probe.until == plan.deadline());
    world.hears(&mut plan, QUICK, (&of(Class::CallerFault), 400));
    match plan.step(world.now, &world.policy, &mut world.fleet, &mut world.dice) {
        Step::Fail { reason: Reason::Tools, informative: Some(2), .. } => {}
        step => panic!("{step:?}"),
    }
    assert!(matches!(plan.diagnosis(), Some(Diagnosis::Tools(_))) && plan.has_probed());
    // Not for the next: ten minutes must pass.
    let (attempts, end) = world.fails_among_others();
    assert!(matches!((attempts, end), (1, End::Failed(Reason::Tools, Some(_)))), "{end:?}");
    world.now = world.now + Duration::from_secs(600);
    let (attempts, _) = world.fails_among_others();
    assert_eq!(attempts, 2);
}

#[test]
fn a_probe_that_is_answered_is_the_answer() {
    let (mut world, mut plan) = probing();
    assert!(world.step(&mut plan).expect("a probe").is_probe);
    world.hears(&mut plan, QUICK, (&Verdict::OK, 200));
    assert_eq!(world.step(&mut plan), Err(End::Answered));
    // It was no stream: of streams with these tools nothing better is known.
    let (attempts, end) = world.fails_among_others();
    assert!(matches!((attempts, end), (1, End::Failed(Reason::Tools, Some(_)))), "{end:?}");
}

#[test]
fn a_probe_that_fails_as_well_leaves_what_is_known() {
    let (mut world, mut plan) = probing();
    assert!(world.step(&mut plan).expect("a probe").is_probe);
    world.hears(&mut plan, QUICK, (&server_error(), 500));
    let Err(End::Failed(Reason::Tools, Some(Diagnosis::Tools(evidence)))) = world.step(&mut plan) else { panic!() };
    assert!(evidence.stream);
}

#[test]
fn a_probe_is_paid_from_the_budget() {
    let mut world = World::new(ToolsPolicy::Probe, 1);
    world.fails_among_others();
    let group = world.ask(BAD, true).candidates.group();
    while world.fleet.budget(group).withdraw(world.now, 1_000) {}
    let ask = world.ask(BAD, true);
    let (attempts, end) = world.runs(ask, Duration::ZERO, (&server_error(), 500));
    assert!(matches!((attempts, end), (1, End::Failed(Reason::Tools, Some(_)))), "{end:?}");
}

#[test]
fn an_upstream_that_is_down_is_never_blamed_on_tools() {
    let mut world = World::new(ToolsPolicy::Probe, 1);
    world.answers(50, GOOD, true);
    world.answers(50, 0, true);
    for n in 0..500 {
        let ask = world.ask([BAD, GOOD, 0][n % 3], true);
        let (_, end) = world.runs(ask, QUICK, (&server_error(), 500));
        assert!(matches!(end, End::Failed(_, None)), "{end:?}");
        world.now = world.now + Duration::from_millis(100);
    }
}

#[test]
fn a_body_that_was_refused_for_its_size_is_not_tried_twice_without_an_answer() {
    let mut world = World::new(ToolsPolicy::Watch, 1);
    let large = Ask { body_bytes: 400_000, form: Form::plain(Endpoint::ChatCompletions, false), ..world.ask(0, false) };
    assert_eq!(world.runs(large, QUICK, (&too_large(), 400)), (1, End::Failed(Reason::Class, None)));
    let (attempts, end) = world.runs(Ask { body_bytes: 500_000, ..large }, QUICK, (&of(Class::Ambiguous), 504));
    let refused = Oversize::Refused { from: 400_000, bytes: 500_000 };
    assert!(
        matches!(end, End::Failed(Reason::Oversize, Some(Diagnosis::Oversize(found, _))) if found == refused),
        "{end:?}"
    );
    assert_eq!(attempts, 1);
    // A smaller one is.
    let (attempts, end) = world.runs(Ask { body_bytes: 399_999, ..large }, QUICK, (&of(Class::Ambiguous), 504));
    assert_eq!((attempts, end), (2, End::Failed(Reason::AmbiguousMax, None)));
}

#[test]
fn after_three_cliffs_a_request_is_billed_once_and_told_which_timeout_it_was() {
    let mut world = World::new(ToolsPolicy::Watch, 1);
    let ask = world.ask(0, false);
    let wall = Duration::from_millis(60_100);
    let mut attempts = Vec::new();
    for _ in 0..100 {
        world.now = world.now + Duration::from_millis(1_700);
        let (made, end) = world.runs(ask, wall, (&of(Class::Ambiguous), 504));
        attempts.push(made);
        if attempts.iter().sum::<u32>() > 3 {
            let End::Failed(Reason::Cliff | Reason::AmbiguousMax, found) = end else { panic!("{end:?}") };
            if let Some(Diagnosis::Cliff(cliff, _)) = found {
                assert_eq!((cliff.at, cliff.hop), (wall, Hop::NginxOrAws));
            }
        }
    }
    let after_three: u32 = attempts.iter().skip(2).sum();
    // One in ten minutes is tried twice, to see whether the wall still stands.
    assert!(after_three <= 98 + 11, "{after_three} attempts for 98 requests");
    let mut quick = 0;
    for _ in 0..100 {
        // At one a second there is one such trial for hundreds of requests.
        world.now = world.now + Duration::from_secs(1);
        let mut plan = world.plan(ask);
        world.step(&mut plan).expect("a first attempt");
        world.now = world.now + wall;
        let verdict = of(Class::Ambiguous);
        let heard = Heard { verdict: &verdict, status: Some(504), is_informative: true, body: 1, first_content: None };
        plan.heard(world.now, &world.policy, &mut world.fleet, &mut world.dice, 1, &heard);
        // The clock of the next one is its own: they run beside each other.
        world.now = Time::ZERO + (world.now.since(Time::ZERO) - wall);
        quick += plan.attempts();
        plan.left(world.now, &world.policy, &mut world.fleet, &mut world.dice);
    }
    assert_eq!(quick, 100);
}

/// What an attempt meets at a moment of a made-up day.
struct Weather {
    /// Of a hundred attempts so many fail by chance.
    noise: u64,
    /// Of every ten minutes, in the last one: nothing, everything, streams, or requests with tools fail.
    trouble: fn(&Ask) -> bool,
    /// These tools fail every stream; 0 for none.
    bad: u64,
}

impl Weather {
    fn fails(&self, now: Time, ask: &Ask, chance: &mut Dice) -> bool {
        let is_troubled = now.since(Time::ZERO).as_secs() % 600 >= 540;
        let is_bad = self.bad != 0 && ask.tool_mark == self.bad && ask.stream;
        is_bad || chance.between(0, 99) < self.noise || (is_troubled && (self.trouble)(ask))
    }
}

#[test]
fn of_a_hundred_thousand_requests_under_noise_and_outages_none_is_blamed_on_its_tools() {
    let mut requests = 0;
    let mut failures = 0;
    for (seed, noise) in (1..).zip([1, 5, 20, 40]) {
        for trouble in [
            (|_: &Ask| false) as fn(&Ask) -> bool,
            |_: &Ask| true,
            |ask: &Ask| ask.stream,
            |ask: &Ask| ask.tool_mark != 0,
        ] {
            let (ended, failed, blamed) = a_day(seed, &Weather { noise, trouble, bad: 0 });
            requests += ended;
            failures += failed;
            assert_eq!(blamed, 0);
        }
    }
    assert!(requests >= 100_000, "{requests} requests");
    assert!(failures >= 3_000, "{failures} of them failed: it was no quiet day");
}

#[test]
fn in_the_same_weather_a_bad_set_of_tools_is_found_and_no_other() {
    for (seed, noise) in (1..).zip([1, 5, 20]) {
        for trouble in [(|_: &Ask| false) as fn(&Ask) -> bool, |_: &Ask| true, |ask: &Ask| ask.stream] {
            let (_, failed, blamed) = a_day(seed, &Weather { noise, trouble, bad: 5 });
            assert!(blamed >= 100 && blamed <= failed, "noise {noise}: {blamed} of {failed}");
        }
    }
}

/// Requests beside each other, twenty at a time: most with tools of seven well-known sets, some with a set
/// that nobody else has. Who fails tries again, twice. Gives how many there were, how many failed, and
/// how many of these were blamed on their tools.
fn a_day(seed: u64, weather: &Weather) -> (u64, u64, u64) {
    const REQUESTS: u64 = 6_500;
    let mut world = World::new(ToolsPolicy::Watch, 1);
    let mut chance = Dice::new(seed);
    let mut live: Vec<(Plan, Ask, u64, u32, bool)> = Vec::new();
    let (mut begun, mut ended, mut failed, mut blamed) = (0, 0, 0, 0);
    while ended < REQUESTS {
        world.now = world.now + Duration::from_millis(chance.between(1, 60));
        if live.len() < 20 && begun < REQUESTS {
            begun += 1;
            let tools = match chance.between(0, 9) {
                0 | 1 => 0,
                2 => 1_000 + begun,
                n => n,
            };
            let ask = world.ask(tools, chance.between(0, 3) > 0);
            live.push((world.plan(ask), ask, begun, 0, false));
        }
        let at = usize::try_from(chance.between(0, live.len() as u64 - 1)).expect("a small number");
        let (plan, ask, body, tries, is_under_way) = &mut live[at];
        if std::mem::take(is_under_way) {
            let fails = weather.fails(world.now, ask, &mut chance);
            let (verdict, status) = if fails { (server_error(), 500) } else { (Verdict::OK, 200) };
            let (verdict, status) = (&verdict, Some(status));
            let heard = Heard { verdict, status, is_informative: true, body: *body, first_content: None };
            plan.heard(world.now, &world.policy, &mut world.fleet, &mut world.dice, plan.attempts(), &heard);
        }
        match plan.step(world.now, &world.policy, &mut world.fleet, &mut world.dice) {
            Step::Send(_) => *is_under_way = true,
            Step::Wait { .. } | Step::Listen => {}
            Step::Relay { .. } => {
                live.swap_remove(at);
                ended += 1;
            }
            Step::Fail { reason, .. } => {
                if reason == Reason::Tools {
                    let (tools, noise) = (ask.tool_mark, weather.noise);
                    assert_eq!(tools, weather.bad, "seed {seed}, noise {noise}: {:?}", plan.diagnosis());
                    blamed += 1;
                }
                ended += 1;
                failed += 1;
                // As SDKs and people do.
                if *tries < 2 {
                    let (ask, body, tries) = (*ask, *body, *tries + 1);
                    ended -= 1;
                    let plan = Plan::new(world.now, &world.policy, Some("m"), ask, &mut world.fleet);
                    live[at] = (plan, ask, body, tries, false);
                } else {
                    live.swap_remove(at);
                }
            }
        }
    }
    (ended, failed, blamed)
}
