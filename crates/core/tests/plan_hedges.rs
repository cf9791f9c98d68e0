//! When a second attempt is begun beside the first, and what becomes of the two.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::breaker::State;
use seawall_core::plan::fleet::Fleet;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::{Route, Routes};
use seawall_core::plan::shapes::Form;
use seawall_core::plan::{Ask, Heard, Launch, Plan, Step, hedge};
use seawall_core::request::{Endpoint, Patience, Repeatable};
use seawall_core::time::Time;
use seawall_core::upstream::{Upstream, UpstreamId};
use seawall_core::verdict::{Class, Fault, Verdict, judge_fault};

/// What every stream of the warm-up took to its first content.
const USUAL: Duration = Duration::from_secs(1);
/// When a hedge is due, if so many took this long: the upper edge of the bucket that 1 s is in.
const LATE: Duration = Duration::from_micros(1_024_000);

/// Requests before one fleet, one after the other.
struct World {
    policy: Policy,
    fleet: Fleet,
    dice: Dice,
    routes: Arc<Routes>,
    now: Time,
}

impl World {
    /// With hedges wanted, and enough streams known to make one.
    fn new(routes: Routes) -> World {
        let mut policy = Policy::default();
        policy.hedge.enabled = true;
        let routes = Arc::new(routes);
        let fleet = Fleet::new(Arc::clone(&routes), &policy, Time::ZERO);
        let mut world = World { policy, fleet, dice: Dice::new(1), routes, now: Time::ZERO };
        for _ in 0..120 {
            world.answers_after(USUAL);
        }
        world
    }

    fn answers_after(&mut self, took: Duration) {
        let mut plan = self.plan(self.ask());
        let launch = self.sends(&mut plan);
        self.now = self.now + took;
        self.hears(&mut plan, launch.attempt, &Verdict::OK);
    }

    fn ask(&self) -> Ask {
        Ask {
            candidates: self.routes.candidates(Some("gpt-4o"), true),
            form: Form::plain(Endpoint::ChatCompletions, true),
            repeatable: Repeatable::Yes,
            replay: Ok(()),
            stream: true,
            can_upgrade: false,
            can_probe: false,
            tool_mark: 0,
            body_bytes: 1_000,
            patience: Patience::default(),
            client_retries: 0,
            max_retries: None,
        }
    }

    fn plan(&mut self, ask: Ask) -> Plan {
        Plan::new(self.now, &self.policy, Some("gpt-4o"), ask, &mut self.fleet)
    }

    fn step(&mut self, plan: &mut Plan) -> Step {
        plan.step(self.now, &self.policy, &mut self.fleet, &mut self.dice)
    }

    fn sends(&mut self, plan: &mut Plan) -> Launch {
        match self.step(plan) {
            Step::Send(launch) => launch,
            step => panic!("{step:?}"),
        }
    }

    /// Begins a first attempt, and waits until it is late.
    fn is_late(&mut self, plan: &mut Plan) -> Launch {
        let first = self.sends(plan);
        self.now = first.look.expect("enough is known to make a hedge");
        first
    }

    /// A first attempt that is late, and the one begun beside it.
    fn hedges(&mut self, ask: Ask) -> (Plan, Launch, Launch) {
        let mut plan = self.plan(ask);
        let first = self.is_late(&mut plan);
        let second = self.sends(&mut plan);
        assert_eq!((first.attempt, second.attempt, second.look), (1, 2, None));
        (plan, first, second)
    }

    /// What is done once the first attempt is late.
    fn when_late(&mut self, ask: Ask) -> Step {
        let mut plan = self.plan(ask);
        self.is_late(&mut plan);
        let step = self.step(&mut plan);
        assert!(!matches!(self.step(&mut plan), Step::Send(_)), "one hedge at most");
        plan.left(self.now, &self.policy, &mut self.fleet, &mut self.dice);
        step
    }

    fn hears(&mut self, plan: &mut Plan, attempt: u32, verdict: &Verdict) {
        let body = self.now.as_micros();
        let heard = Heard { verdict, status: None, is_informative: false, body, first_content: None };
        plan.heard(self.now, &self.policy, &mut self.fleet, &mut self.dice, attempt, &heard);
    }

    fn under_way(&self) -> u64 {
        self.fleet.under_way()
    }

    fn tokens(&mut self) -> i64 {
        let group = self.ask().candidates.group();
        self.fleet.budget(group).tokens()
    }
}

fn upstream(name: &str) -> Upstream {
    Upstream { name: name.into(), ..Upstream::default() }
}

fn one() -> World {
    World::new(Routes::new(vec![upstream("only")], vec![]))
}

fn two() -> World {
    World::new(Routes::new(vec![upstream("one"), upstream("other")], vec![]))
}

fn fails(class: Class) -> Verdict {
    Verdict {
        class,
        whose: class.whose(),
        again: class.again(),
        charge: class.charge(),
        wait: None,
        said: None,
        fault: None,
    }
}

#[test]
fn a_stream_later_than_95_of_100_gets_a_second_attempt_elsewhere() {
    let mut world = two();
    let began = world.now;
    let (_, first, second) = world.hedges(world.ask());
    assert_eq!(first.look, Some(began + LATE));
    assert_ne!(first.upstream, second.upstream);
    assert_eq!(world.under_way(), 2);
}

#[test]
fn one_upstream_that_is_well_is_asked_beside_itself() {
    let mut world = one();
    let (_, first, second) = world.hedges(world.ask());
    assert_eq!(first.upstream, second.upstream);
}

#[test]
fn before_it_is_late_nothing_is_begun() {
    let mut world = one();
    let mut plan = world.plan(world.ask());
    let look = world.sends(&mut plan).look.expect("a moment");
    world.now = Time::ZERO + look.since(Time::ZERO + Duration::from_micros(1));
    assert_eq!(world.step(&mut plan), Step::Listen);
    world.now = look;
    assert!(matches!(world.step(&mut plan), Step::Send(_)));
}

#[test]
fn whoever_is_first_answers_and_the_other_is_let_go() {
    for (winner, outcome) in [(1, Outcome::Passed), (2, Outcome::Hedged)] {
        let mut world = two();
        let (mut plan, first, second) = world.hedges(world.ask());
        world.hears(&mut plan, winner, &Verdict::OK);
        assert_eq!(world.step(&mut plan), Step::Relay { attempt: winner });
        assert_eq!(plan.success(), outcome);
        assert_eq!(world.under_way(), 0);
        let served = plan.served(&world.fleet).expect("an answer");
        assert_eq!(served.upstream, if winner == 1 { first.upstream } else { second.upstream });
        // The loser's word comes late, and changes nothing.
        world.hears(&mut plan, 3 - winner, &fails(Class::ServerError));
        assert_eq!(world.step(&mut plan), Step::Relay { attempt: winner });
    }
}

#[test]
fn that_one_fails_is_no_failure_while_the_other_lives() {
    for (failed, other) in [(1, 2), (2, 1)] {
        let mut world = two();
        let (mut plan, ..) = world.hedges(world.ask());
        let before = world.tokens();
        world.hears(&mut plan, failed, &fails(Class::ServerError));
        assert_eq!(world.step(&mut plan), Step::Listen, "it is neither over nor tried again");
        assert_eq!((world.under_way(), world.tokens()), (1, before));
        world.hears(&mut plan, other, &Verdict::OK);
        assert_eq!(world.step(&mut plan), Step::Relay { attempt: other });
    }
}

#[test]
fn when_both_have_failed_it_is_tried_again_and_paid_for() {
    let mut world = two();
    let (mut plan, ..) = world.hedges(world.ask());
    let before = world.tokens();
    world.hears(&mut plan, 1, &fails(Class::ServerError));
    world.hears(&mut plan, 2, &fails(Class::ServerError));
    let Step::Wait { until, .. } = world.step(&mut plan) else { panic!("a third attempt is due") };
    assert_eq!(before - world.tokens(), 1_000);
    world.now = until;
    let third = world.sends(&mut plan);
    assert_eq!((third.attempt, third.look), (3, None), "one hedge a request");
}

#[test]
fn two_ambiguous_failures_are_two_of_them() {
    let mut world = two();
    let (mut plan, ..) = world.hedges(world.ask());
    world.hears(&mut plan, 1, &fails(Class::Ambiguous));
    world.hears(&mut plan, 2, &fails(Class::Ambiguous));
    let Step::Fail { reason, .. } = world.step(&mut plan) else { panic!("one retry after an ambiguous failure") };
    assert_eq!(reason, Reason::AmbiguousMax);
}

#[test]
fn what_is_the_callers_fault_is_not_waited_out() {
    let mut world = two();
    let (mut plan, ..) = world.hedges(world.ask());
    world.hears(&mut plan, 2, &fails(Class::CallerFault));
    assert!(matches!(world.step(&mut plan), Step::Fail { reason: Reason::Class, .. }));
    assert_eq!(world.under_way(), 0);
}

#[test]
fn a_caller_who_leaves_leaves_both() {
    let mut world = two();
    let (mut plan, ..) = world.hedges(world.ask());
    plan.left(world.now, &world.policy, &mut world.fleet, &mut world.dice);
    assert_eq!(world.under_way(), 0);
}

#[test]
fn what_the_loser_took_is_remembered() {
    let mut world = one();
    // One in ten hangs, and is overtaken by its hedge at once. Were the losers left out, nothing
    // that is late would be known, and the moment would stay where it was.
    for number in 0..400 {
        if number % 10 > 0 {
            world.answers_after(USUAL);
            continue;
        }
        let mut plan = world.plan(world.ask());
        world.is_late(&mut plan);
        world.now = world.now + Duration::from_secs(2);
        match world.step(&mut plan) {
            Step::Send(second) => world.hears(&mut plan, second.attempt, &Verdict::OK),
            _ => world.hears(&mut plan, 1, &Verdict::OK),
        }
    }
    let mut plan = world.plan(world.ask());
    let began = world.now;
    assert!(world.sends(&mut plan).look.expect("a moment").since(began) > LATE * 2);
}

#[test]
fn only_what_may_be_sent_twice_is_hedged_and_only_streams() {
    let mut world = one();
    let ask = world.ask();
    let plain = Form::plain(Endpoint::ChatCompletions, false);
    for (why, ask) in [
        ("hosted tools", Ask { repeatable: Repeatable::Answered, ..ask }),
        ("creates something", Ask { repeatable: Repeatable::NotSent, ..ask }),
        ("the body was not kept", Ask { replay: Err(Reason::BodyTooLarge), ..ask }),
        ("no stream", Ask { stream: false, form: plain, ..ask }),
        ("too dear", Ask { body_bytes: hedge::BODY_BYTES_MAX + 1, ..ask }),
        ("one attempt", Ask { max_retries: Some(0), ..ask }),
    ] {
        let mut plan = world.plan(ask);
        assert_eq!(world.sends(&mut plan).look, None, "{why}");
        plan.left(world.now, &world.policy, &mut world.fleet, &mut world.dice);
    }
    let largest = Ask { body_bytes: hedge::BODY_BYTES_MAX, ..ask };
    assert!(matches!(world.when_late(largest), Step::Send(_)));
    world.policy.hedge.enabled = false;
    let mut plan = world.plan(ask);
    assert_eq!(world.sends(&mut plan).look, None, "it was not asked for");
}

#[test]
fn a_form_that_is_not_known_has_no_late() {
    let mut world = one();
    let mut plan = world.plan(Ask { form: Form::plain(Endpoint::Completions, true), ..world.ask() });
    assert_eq!(world.sends(&mut plan).look, None);
}

#[test]
fn an_empty_purse_pays_for_no_hedge() {
    let mut world = one();
    world.policy.hedge.deposit = 0;
    let group = world.ask().candidates.group();
    // The warm-up filled it.
    for _ in 0..5 {
        assert!(matches!(world.when_late(world.ask()), Step::Send(_)));
    }
    assert!(!world.fleet.purse(group).can_pay());
    assert_eq!(world.when_late(world.ask()), Step::Listen);
}

#[test]
fn a_budget_for_retries_less_than_half_full_allows_no_hedge() {
    let mut world = one();
    let group = world.ask().candidates.group();
    let now = world.now;
    while world.fleet.budget(group).tokens() >= hedge::BUDGET_MIN + 1_000 {
        assert!(world.fleet.budget(group).withdraw(now, 1_000));
    }
    assert!(matches!(world.when_late(world.ask()), Step::Send(_)));
    let now = world.now;
    assert!(world.fleet.budget(group).withdraw(now, 1_000));
    assert_eq!(world.when_late(world.ask()), Step::Listen);
}

#[test]
fn a_deadline_too_near_for_an_answer_allows_no_hedge() {
    let mut world = one();
    let patience = |total| Patience { total: Some(total), read: None, from_sdk: true };
    let total = Duration::from_millis(2_200);
    assert_eq!(world.when_late(Ask { patience: patience(total), ..world.ask() }), Step::Listen);
    let total = Duration::from_millis(2_500);
    assert!(matches!(world.when_late(Ask { patience: patience(total), ..world.ask() }), Step::Send(_)));
}

/// Lets requests with different bodies fail at `at` until its breaker is in `state`.
fn turn(world: &mut World, at: u16, state: State) {
    for number in 0.. {
        assert!(number < 100, "never {state}");
        if world.fleet.breakers().any(|(upstream, _, breaker)| upstream.0 == at && breaker.state() == state) {
            return;
        }
        let mut plan = world.plan(Ask { stream: false, form: Form::default(), max_retries: Some(0), ..world.ask() });
        let launch = world.sends(&mut plan);
        world.now = world.now + Duration::from_millis(100);
        let verdict = if launch.upstream.0 == at { fails(Class::ServerError) } else { Verdict::OK };
        world.hears(&mut plan, 1, &verdict);
    }
}

#[test]
fn a_hedge_goes_only_where_all_is_well() {
    let mut world = one();
    turn(&mut world, 0, State::Guarded);
    assert_eq!(world.when_late(world.ask()), Step::Listen);
    // With two of which one is ill, neither gets it: the ill one is ill, and the other has more to do.
    let mut world = two();
    turn(&mut world, 0, State::Open);
    assert_eq!(world.when_late(world.ask()), Step::Listen);
}

#[test]
fn another_model_is_no_hedge() {
    let mut small = upstream("small");
    small.models = vec!["gpt-4o-mini".into()];
    let mut large = upstream("large");
    large.models = vec!["gpt-4o".into()];
    let route =
        Route { models: vec!["gpt-4o".into()], fallback_models: vec!["gpt-4o-mini".into()], ..Route::default() };
    let mut world = World::new(Routes::new(vec![large, small], vec![route]));
    let (_, first, second) = world.hedges(world.ask());
    assert_eq!((first.upstream, second.upstream, second.model), (UpstreamId(0), UpstreamId(0), None));
}

#[test]
fn a_route_says_for_itself_whether_it_is_hedged() {
    for (route_says, policy_says, is_hedged) in
        [(Some(true), false, true), (Some(false), true, false), (None, true, true), (None, false, false)]
    {
        let route = Route { models: vec!["*".into()], hedge: route_says, ..Route::default() };
        let mut world = World::new(Routes::new(vec![upstream("only")], vec![route]));
        world.policy.hedge.enabled = policy_says;
        let mut plan = world.plan(world.ask());
        assert_eq!(world.sends(&mut plan).look.is_some(), is_hedged, "{route_says:?} {policy_says}");
    }
}

#[test]
fn a_first_attempt_given_up_leaves_its_hedge_to_answer() {
    let mut world = one();
    let (mut plan, first, second) = world.hedges(world.ask());
    assert!(first.until < second.until, "each has its own limit");
    world.now = first.until;
    world.hears(&mut plan, 1, &judge_fault(Fault::FirstContentTimeout));
    assert_eq!(world.step(&mut plan), Step::Listen);
    world.hears(&mut plan, 2, &Verdict::OK);
    assert_eq!(world.step(&mut plan), Step::Relay { attempt: 2 });
    assert_eq!(plan.success(), Outcome::Hedged);
}
