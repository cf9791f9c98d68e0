//! When a whole answer is asked for as a stream, what is learnt of it, and what happens when that
//! does not work either.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::diagnosis::Diagnosis;
use seawall_core::plan::fleet::Fleet;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::{Route, Routes};
use seawall_core::plan::shapes::{Form, REMEDIES, remedies};
use seawall_core::plan::upgrade::Upgrade;
use seawall_core::plan::{Ask, Heard, Launch, Plan, Step};
use seawall_core::request::{Endpoint, Patience, Repeatable};
use seawall_core::time::Time;
use seawall_core::upstream::Upstream;
use seawall_core::verdict::{Class, Fault, Verdict, judge_fault};

const WALL: Duration = Duration::from_secs(60);
/// What such an answer takes. All of it is over before the wall is tried again, after ten minutes.
const LONGER: Duration = Duration::from_secs(90);

struct World {
    policy: Policy,
    fleet: Fleet,
    dice: Dice,
    routes: Arc<Routes>,
    now: Time,
}

impl World {
    fn new(upgrade: Upgrade, routes: Vec<Route>, upstreams: u32) -> World {
        let policy = Policy { upgrade, ..Policy::default() };
        let upstream = |n: u32| Upstream { name: n.to_string(), priority: n, ..Upstream::default() };
        let routes = Arc::new(Routes::new((0..upstreams).map(upstream).collect(), routes));
        let fleet = Fleet::new(Arc::clone(&routes), &policy, Time::ZERO);
        World { policy, fleet, dice: Dice::new(1), routes, now: Time::ZERO }
    }

    fn ask(&self) -> Ask {
        Ask {
            candidates: self.routes.candidates(Some("m"), false),
            form: Form::plain(Endpoint::ChatCompletions, false),
            repeatable: Repeatable::Yes,
            replay: Ok(()),
            stream: false,
            can_upgrade: true,
            can_probe: false,
            tool_mark: 0,
            body_bytes: 1_000,
            patience: Patience::default(),
            client_retries: 0,
            max_retries: None,
        }
    }

    fn plan(&mut self, ask: Ask) -> Plan {
        Plan::new(self.now, &self.policy, Some("m"), ask, &mut self.fleet)
    }

    fn sends(&mut self, plan: &mut Plan) -> Launch {
        loop {
            match plan.step(self.now, &self.policy, &mut self.fleet, &mut self.dice) {
                Step::Send(launch) => return launch,
                Step::Wait { until, .. } => self.now = until,
                step => panic!("{step:?}"),
            }
        }
    }

    fn fails(&mut self, plan: &mut Plan) -> Reason {
        match plan.step(self.now, &self.policy, &mut self.fleet, &mut self.dice) {
            Step::Fail { reason, .. } => reason,
            step => panic!("{step:?}"),
        }
    }

    fn hears(&mut self, plan: &mut Plan, after: Duration, verdict: &Verdict, status: Option<u16>) {
        self.now = self.now + after;
        let body = self.now.since(Time::ZERO).as_secs();
        let heard = Heard { verdict, status, is_informative: true, body, first_content: None };
        plan.heard(self.now, &self.policy, &mut self.fleet, &mut self.dice, plan.attempts(), &heard);
    }

    /// A request's attempts run against the wall until no more are made.
    fn runs_against_the_wall(&mut self, attempts: usize) {
        let ask = Ask { can_upgrade: false, ..self.ask() };
        let mut plan = self.plan(ask);
        for _ in 0..attempts {
            self.sends(&mut plan);
            self.hears(&mut plan, WALL, &wall(), Some(504));
        }
        plan.left(self.now, &self.policy, &mut self.fleet, &mut self.dice);
    }
}

/// What comes back from behind the wall.
fn wall() -> Verdict {
    let class = Class::Ambiguous;
    Verdict { fault: Some(Fault::Status), again: class.again(), ..judge_fault(Fault::Reset) }
}

#[test]
fn nothing_is_upgraded_unless_it_is_asked_for() {
    let mut world = World::new(Upgrade::Off, vec![], 1);
    world.runs_against_the_wall(2);
    world.runs_against_the_wall(1);
    let ask = world.ask();
    let mut plan = world.plan(ask);
    assert_eq!(world.sends(&mut plan).upgraded, None);
    world.hears(&mut plan, WALL, &wall(), Some(504));
    assert_eq!(world.fails(&mut plan), Reason::Cliff);
}

#[test]
fn what_would_run_into_a_cliff_is_asked_for_as_a_stream() {
    let mut world = World::new(Upgrade::Cliff, vec![], 1);
    for attempts in [1, 1] {
        world.runs_against_the_wall(attempts);
        let ask = world.ask();
        let mut plan = world.plan(ask);
        assert_eq!(world.sends(&mut plan).upgraded, None, "two failures are no wall yet");
        plan.left(world.now, &world.policy, &mut world.fleet, &mut world.dice);
    }
    // The third failure finds the wall, and its own request goes round it.
    let ask = world.ask();
    let mut plan = world.plan(ask);
    assert_eq!(world.sends(&mut plan).upgraded, None);
    world.hears(&mut plan, WALL, &wall(), Some(504));
    let launch = world.sends(&mut plan);
    assert_eq!(launch.upgraded, Some(plan.deadline()));
    assert!(!launch.is_last_moment && launch.until < plan.deadline(), "its first content has a limit of its own");
    world.hears(&mut plan, LONGER, &Verdict::OK, Some(200));
    assert_eq!(plan.success(), Outcome::Retried);
    // From then on they go there at once.
    for _ in 0..3 {
        let ask = world.ask();
        let mut plan = world.plan(ask);
        assert_eq!(world.sends(&mut plan).upgraded, Some(plan.deadline()));
        world.hears(&mut plan, LONGER, &Verdict::OK, Some(200));
        assert_eq!(plan.success(), Outcome::Passed);
    }
    // And it is still known that the others would not.
    let ask = Ask { can_upgrade: false, ..world.ask() };
    let mut plan = world.plan(ask);
    assert_eq!(world.sends(&mut plan).upgraded, None);
    world.hears(&mut plan, WALL, &wall(), Some(504));
    assert_eq!(world.fails(&mut plan), Reason::Cliff);
    let Some(Diagnosis::Cliff(_, form)) = plan.diagnosis() else { panic!("a cliff") };
    assert_eq!(remedies(form), &REMEDIES[..]);
}

#[test]
fn a_stream_that_runs_into_the_same_wall_is_a_cliff_of_its_own() {
    let mut world = World::new(Upgrade::Always, vec![], 1);
    for attempts in [2, 1] {
        let ask = world.ask();
        let mut plan = world.plan(ask);
        for _ in 0..attempts {
            assert!(world.sends(&mut plan).upgraded.is_some());
            world.hears(&mut plan, WALL, &judge_fault(Fault::StreamCut), Some(200));
        }
        if attempts == 1 {
            assert_eq!(world.fails(&mut plan), Reason::Cliff);
            let Some(Diagnosis::Cliff(cliff, form)) = plan.diagnosis() else { panic!("a cliff") };
            assert_eq!((cliff.at, remedies(form)), (WALL, &REMEDIES[1..]));
        } else {
            assert_eq!(world.fails(&mut plan), Reason::AmbiguousMax);
        }
    }
    // Nothing of it is believed of whole answers, nor of streams.
    for ask in [
        Ask { can_upgrade: false, ..world.ask() },
        Ask { stream: true, form: world.ask().form.streamed(), ..world.ask() },
    ] {
        let mut plan = world.plan(Ask { can_upgrade: false, ..ask });
        assert_eq!(world.sends(&mut plan).upgraded, None);
        world.hears(&mut plan, WALL, &wall(), Some(504));
        assert_eq!(world.sends(&mut plan).upgraded, None, "it is tried again");
        plan.left(world.now, &world.policy, &mut world.fleet, &mut world.dice);
    }
}

#[test]
fn a_wall_at_one_upstream_is_none_at_another() {
    let mut world = World::new(Upgrade::Cliff, vec![], 2);
    for _ in 0..3 {
        world.runs_against_the_wall(1);
    }
    let ask = world.ask();
    let mut plan = world.plan(ask);
    let first = world.sends(&mut plan);
    assert!(first.upgraded.is_some());
    world.hears(&mut plan, Duration::from_secs(1), &judge_fault(Fault::Refused), None);
    let second = world.sends(&mut plan);
    assert_ne!(first.upstream, second.upstream);
    assert_eq!(second.upgraded, None);
}

#[test]
fn an_upstream_that_refuses_the_option_is_asked_again_without_it() {
    for status in [400, 422] {
        let mut world = World::new(Upgrade::Always, vec![], 1);
        let ask = world.ask();
        let mut plan = world.plan(ask);
        assert!(world.sends(&mut plan).upgraded.is_some());
        let refused = Verdict { class: Class::CallerFault, again: Class::CallerFault.again(), ..Verdict::OK };
        world.hears(&mut plan, Duration::from_secs(1), &refused, Some(status));
        assert_eq!(world.sends(&mut plan).upgraded, None);
        world.hears(&mut plan, Duration::from_secs(1), &refused, Some(status));
        assert_eq!(world.fails(&mut plan), Reason::Class, "this time it is the request itself");
        assert_eq!(plan.attempts(), 2);
    }
    let mut world = World::new(Upgrade::Always, vec![], 1);
    let ask = world.ask();
    let mut plan = world.plan(ask);
    world.sends(&mut plan);
    let too_large = Verdict { class: Class::CallerFault, again: Class::CallerFault.again(), ..Verdict::OK };
    world.hears(&mut plan, Duration::from_secs(1), &too_large, Some(413));
    assert_eq!(world.fails(&mut plan), Reason::Class);
}

#[test]
fn a_stream_that_cannot_be_put_together_is_not_asked_for_again() {
    let mut world = World::new(Upgrade::Always, vec![], 1);
    let ask = world.ask();
    let mut plan = world.plan(ask);
    assert!(world.sends(&mut plan).upgraded.is_some());
    world.hears(&mut plan, WALL, &judge_fault(Fault::Undecodable), Some(200));
    assert_eq!(world.sends(&mut plan).upgraded, None);
}

#[test]
fn a_route_says_otherwise_than_the_policy() {
    for (policy, route, is_upgraded) in [
        (Upgrade::Off, Some(Upgrade::Always), true),
        (Upgrade::Always, Some(Upgrade::Off), false),
        (Upgrade::Always, None, true),
        (Upgrade::Off, None, false),
    ] {
        let route = Route { models: vec!["*".into()], upgrade: route, ..Route::default() };
        let mut world = World::new(policy, vec![route], 1);
        let ask = world.ask();
        let mut plan = world.plan(ask);
        assert_eq!(world.sends(&mut plan).upgraded.is_some(), is_upgraded);
    }
}

#[test]
fn silence_before_the_first_content_of_an_upgraded_one_is_noticed() {
    let mut world = World::new(Upgrade::Always, vec![], 1);
    let ask = world.ask();
    let mut plan = world.plan(ask);
    let launch = world.sends(&mut plan);
    // Nothing is known yet of how its streams begin: ruling 1's 300 s.
    assert_eq!(launch.until, Time::ZERO + Duration::from_secs(300));
    world.hears(&mut plan, Duration::from_secs(300), &judge_fault(Fault::FirstContentTimeout), None);
    let again = world.sends(&mut plan);
    assert!(again.upgraded.is_some() && again.is_last_moment);
}
