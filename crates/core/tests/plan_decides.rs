//! What the plan decides, situation by situation: each reason, each wait, each deadline, each way
//! out. What must hold in *every* situation is the business of the laws in `seawall-sim`.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::budget::{Budget, COST, COST_AMBIGUOUS};
use seawall_core::plan::fleet::Fleet;
use seawall_core::plan::policy::{Policy, Preset, Retry};
use seawall_core::plan::route::{GroupKey, Routes, UPSTREAMS_MAX};
use seawall_core::plan::shapes::Form;
use seawall_core::plan::{Ask, Heard, Launch, Plan, Step};
use seawall_core::request::{Patience, Repeatable};
use seawall_core::time::Time;
use seawall_core::upstream::{Upstream, UpstreamId};
use seawall_core::verdict::{Again, Class, Verdict};

/// One request and those who decide about it. Attempts end when they are told to, at once.
struct Talk {
    policy: Policy,
    fleet: Fleet,
    dice: Dice,
    plan: Plan,
    group: GroupKey,
    now: Time,
}

impl Talk {
    fn new(policy: Policy, ask: Ask) -> Talk {
        let fleet = Fleet::new(routes(UPSTREAMS_MAX), &policy, Time::ZERO);
        Talk::with(policy, ask, fleet, 1)
    }

    fn with(policy: Policy, ask: Ask, mut fleet: Fleet, seed: u64) -> Talk {
        let plan = Plan::new(Time::ZERO, &policy, None, ask, &mut fleet);
        let group = ask.candidates.group();
        Talk { policy, fleet, dice: Dice::new(seed), plan, group, now: Time::ZERO }
    }

    fn step(&mut self) -> Step {
        self.plan.step(self.now, &self.policy, &mut self.fleet, &mut self.dice)
    }

    /// Begins the next attempt, and says where; the clock waits as long as the plan wants.
    fn sends(&mut self) -> u16 {
        match self.step() {
            Step::Send(Launch { attempt, upstream, .. }) => {
                assert_eq!(attempt, self.plan.attempts());
                upstream.0
            }
            Step::Wait { until, upstream } => {
                self.now = until;
                let sent = self.sends();
                assert!(upstream.is_none_or(|upstream| sent == upstream.0));
                sent
            }
            step => panic!("{step:?}"),
        }
    }

    fn hears(&mut self, verdict: &Verdict) {
        self.hears_with(verdict, true);
    }

    fn hears_with(&mut self, verdict: &Verdict, is_informative: bool) {
        self.hears_of(self.plan.attempts(), verdict, is_informative);
    }

    fn hears_of(&mut self, attempt: u32, verdict: &Verdict, is_informative: bool) {
        let heard = Heard { verdict, status: None, is_informative, body: 0, first_content: None };
        self.plan.heard(self.now, &self.policy, &mut self.fleet, &mut self.dice, attempt, &heard);
    }

    fn budget(&mut self) -> &mut Budget {
        self.fleet.budget(self.group)
    }

    /// Begins an attempt that fails.
    fn fails(&mut self, verdict: &Verdict) {
        self.sends();
        self.hears(verdict);
    }

    fn leaves(&mut self) {
        self.plan.left(self.now, &self.policy, &mut self.fleet, &mut self.dice);
    }

    /// The wait that follows a failure.
    fn wait(&mut self) -> Duration {
        match self.step() {
            Step::Wait { until, .. } => until.since(self.now),
            Step::Send(_) => Duration::ZERO,
            step => panic!("{step:?}"),
        }
    }

    fn reason(&mut self) -> Reason {
        match self.step() {
            Step::Fail { reason, .. } => reason,
            step => panic!("{step:?}"),
        }
    }

    fn tokens(&mut self) -> i64 {
        self.budget().tokens()
    }
}

/// Upstreams in the order of their priority.
fn routes(upstreams: usize) -> Arc<Routes> {
    let upstream = |n: u32| Upstream { name: n.to_string(), priority: n, ..Upstream::default() };
    Arc::new(Routes::new((0..).map(upstream).take(upstreams).collect(), vec![]))
}

fn ask(upstreams: usize) -> Ask {
    Ask {
        candidates: routes(upstreams).candidates(None, false),
        form: Form::default(),
        repeatable: Repeatable::Yes,
        replay: Ok(()),
        stream: false,
        can_upgrade: false,
        can_probe: false,
        tool_mark: 0,
        body_bytes: 1_000,
        patience: Patience::default(),
        client_retries: 0,
        max_retries: None,
    }
}

fn verdict(class: Class) -> Verdict {
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

fn asks_to_wait(class: Class, wait: Duration) -> Verdict {
    Verdict { wait: Some(wait), ..verdict(class) }
}

fn preset(preset: Preset) -> Policy {
    Policy { retry: Retry::preset(preset), ..Policy::default() }
}

fn poor() -> Policy {
    let mut policy = Policy::default();
    policy.budget.start = 0;
    policy
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The patience that an SDK announces.
fn of_sdk(total: Duration) -> Patience {
    Patience { total: Some(total), read: None, from_sdk: true }
}

// Why no further attempt is made.

#[test]
fn each_reason_names_its_situation() {
    use Class::*;
    let says_no = Verdict { again: Again::Elsewhere, ..verdict(ServerError) };
    let says_yes = Verdict { again: Again::Anywhere, ..verdict(Auth) };
    let error = || vec![verdict(ServerError)];
    let all = |class, n| vec![verdict(class); n];
    let one = || ask(1);
    let standard = Policy::default;
    let mut two_errors = Policy::default();
    two_errors.retry.class_mut(ServerError).unwrap().max_attempts = 2;
    let mut many = Policy::default();
    many.retry.class_mut(ServerError).unwrap().max_attempts = 20;
    for (policy, ask, verdicts, reason) in [
        (standard(), one(), all(ServerError, 4), Reason::Attempts),
        (two_errors, one(), all(ServerError, 2), Reason::Attempts),
        (many, one(), all(ServerError, 4), Reason::Attempts),
        (standard(), ask(2), all(Quota, 2), Reason::Class),
        (standard(), one(), all(Quota, 1), Reason::Class),
        (standard(), one(), all(Auth, 1), Reason::Class),
        (standard(), ask(2), all(CallerFault, 1), Reason::Class),
        (standard(), ask(2), all(MidStream, 1), Reason::Class),
        (standard(), ask(2), all(Cancelled, 1), Reason::Class),
        (standard(), Ask { max_retries: Some(0), ..one() }, error(), Reason::CallerLimit),
        (standard(), Ask { max_retries: Some(1), ..one() }, all(ServerError, 2), Reason::CallerLimit),
        (standard(), Ask { max_retries: Some(u32::MAX), ..one() }, all(ServerError, 4), Reason::Attempts),
        (standard(), Ask { client_retries: 1, ..one() }, all(ServerError, 2), Reason::ClientRetry),
        (standard(), one(), all(Ambiguous, 2), Reason::AmbiguousMax),
        (standard(), one(), vec![verdict(Ambiguous), verdict(ServerError), verdict(Ambiguous)], Reason::AmbiguousMax),
        (standard(), Ask { repeatable: Repeatable::NotSent, ..ask(2) }, error(), Reason::NotRepeatable),
        (standard(), Ask { repeatable: Repeatable::NotSent, ..one() }, all(NotSent, 4), Reason::Attempts),
        (standard(), Ask { repeatable: Repeatable::Answered, ..one() }, all(Ambiguous, 1), Reason::NotRepeatable),
        (standard(), Ask { repeatable: Repeatable::Answered, ..one() }, all(StaleConnection, 1), Reason::NotRepeatable),
        (standard(), Ask { repeatable: Repeatable::Answered, ..one() }, all(Overloaded, 4), Reason::Attempts),
        (standard(), Ask { replay: Err(Reason::BodyTooLarge), ..one() }, all(NotSent, 1), Reason::BodyTooLarge),
        (standard(), Ask { replay: Err(Reason::Memory), ..one() }, error(), Reason::Memory),
        (poor(), one(), error(), Reason::Budget),
        (
            standard(),
            Ask { patience: of_sdk(secs(5)), ..one() },
            vec![asks_to_wait(Overloaded, secs(5))],
            Reason::Deadline,
        ),
        (standard(), one(), vec![asks_to_wait(RateLimited, millis(60_001))], Reason::RetryAfter),
        (standard(), one(), vec![says_no], Reason::UpstreamSaysNo),
        (standard(), one(), vec![says_yes.clone(); 4], Reason::Attempts),
        (standard(), one(), vec![Verdict { wait: Some(secs(61)), ..says_yes }], Reason::RetryAfter),
        (standard(), ask(0), vec![], Reason::NoUpstream),
    ] {
        let mut talk = Talk::new(policy, ask);
        for verdict in &verdicts {
            talk.fails(verdict);
        }
        let last = verdicts.last().map(|verdict| verdict.class);
        assert_eq!(talk.reason(), reason, "{} × {last:?}, {:?}", verdicts.len(), talk.plan);
        assert_eq!(talk.reason(), reason, "said twice");
        assert_eq!(talk.plan.attempts() as usize, verdicts.len());
    }
}

#[test]
fn a_failure_names_the_last_attempt_that_has_something_to_tell() {
    let mut talk = Talk::new(Policy::default(), ask(1));
    talk.fails(&verdict(Class::ServerError));
    for _ in 2..=4 {
        talk.sends();
        talk.hears_with(&verdict(Class::NotSent), false);
    }
    assert_eq!(talk.step(), Step::Fail { reason: Reason::Attempts, informative: Some(1), retry_at: None });
}

#[test]
fn an_answer_is_given_and_says_how_it_came_about() {
    for (upstreams, failures, outcome) in
        [(2, 0, Outcome::Passed), (1, 1, Outcome::Retried), (2, 1, Outcome::FailedOver), (2, 3, Outcome::FailedOver)]
    {
        let mut talk = Talk::new(Policy::default(), ask(upstreams));
        for _ in 0..failures {
            talk.fails(&verdict(Class::ServerError));
        }
        talk.sends();
        talk.hears(&verdict(Class::Ok));
        assert_eq!(talk.step(), Step::Relay { attempt: failures + 1 });
        assert_eq!(talk.plan.success(), outcome);
    }
}

#[test]
fn a_word_about_another_attempt_changes_nothing() {
    let mut talk = Talk::new(Policy::default(), ask(1));
    talk.fails(&verdict(Class::ServerError));
    talk.sends();
    talk.hears_of(1, &verdict(Class::CallerFault), true);
    talk.hears(&verdict(Class::Ok));
    assert_eq!(talk.step(), Step::Relay { attempt: 2 });
}

// How long it waits.

/// The shortest and the longest wait before each retry, in milliseconds, over many seeds.
fn waits(policy: &Policy, class: Class) -> Vec<(u128, u128)> {
    let mut found: Vec<(u128, u128)> = Vec::new();
    for seed in 0..500 {
        let mut talk = Talk::with(policy.clone(), ask(1), Fleet::new(routes(2), policy, Time::ZERO), seed);
        talk.fails(&verdict(class));
        for retry in 0.. {
            let Step::Wait { until, .. } = talk.step() else { break };
            let wait = until.since(talk.now).as_millis();
            match found.get_mut(retry) {
                Some((low, high)) => (*low, *high) = (wait.min(*low), wait.max(*high)),
                None => found.push((wait, wait)),
            }
            talk.fails(&verdict(class));
        }
    }
    found
}

/// The waits fill the ranges, and do not leave them. A range's edges are met within 2 %.
fn assert_waits(policy: &Policy, class: Class, ranges: &[(u128, u128)]) {
    let found = waits(policy, class);
    assert_eq!(found.len(), ranges.len(), "{class}: {found:?}");
    for (&(low, high), &(from, to)) in found.iter().zip(ranges) {
        let edge = (to - from) / 50 + 1;
        assert!((from..=from + edge).contains(&low) && (to - edge..=to).contains(&high), "{class}: {found:?}");
    }
}

#[test]
fn the_preset_openai_sdk_waits_as_the_sdks_do() {
    let policy = preset(Preset::OpenaiSdk);
    for class in [Class::NotSent, Class::ServerError, Class::RateLimited] {
        assert_waits(&policy, class, &[(375, 500), (750, 1_000)]);
    }
    let mut patient = policy;
    patient.retry.max_attempts = 7;
    patient.retry.class_mut(Class::ServerError).unwrap().max_attempts = 7;
    let whole = [500, 1_000, 2_000, 4_000, 8_000, 8_000];
    assert_waits(&patient, Class::ServerError, &whole.map(|whole| (whole * 3 / 4, whole)));
}

#[test]
fn the_preset_classic_waits_as_hand_written_loops_do() {
    let policy = preset(Preset::Classic);
    assert_waits(&policy, Class::ServerError, &[(1_000, 2_000), (2_000, 3_000), (4_000, 5_000), (8_000, 9_000)]);
}

#[test]
fn each_class_has_a_first_wait_of_its_own() {
    for (class, base) in [
        (Class::NotSent, 100),
        (Class::StaleConnection, 100),
        (Class::BadGateway, 100),
        (Class::ServerError, 250),
        (Class::Overloaded, 1_000),
        (Class::RateLimited, 1_000),
    ] {
        assert_waits(&Policy::default(), class, &[(0, base), (0, 2 * base), (0, 4 * base)]);
    }
    assert_waits(&Policy::default(), Class::Ambiguous, &[(0, 1_000)]);
}

#[test]
fn a_class_has_the_waits_that_the_operator_gives_it() {
    let mut policy = Policy::default();
    let overloaded = policy.retry.class_mut(Class::Overloaded).unwrap();
    (overloaded.backoff.base, overloaded.backoff.cap, overloaded.max_attempts) = (secs(3), secs(4), 3);
    assert_waits(&policy, Class::Overloaded, &[(0, 3_000), (0, 4_000)]);
    assert_waits(&policy, Class::ServerError, &[(0, 250), (0, 500), (0, 1_000)]);
}

#[test]
fn nobody_is_asked_earlier_than_he_wishes_and_not_much_later() {
    for (asked, spread) in [(millis(500), millis(50)), (secs(2), millis(200)), (secs(30), secs(1)), (secs(60), secs(1))]
    {
        let mut found = Vec::new();
        for seed in 0..500 {
            let policy = Policy::default();
            let mut talk = Talk::with(policy.clone(), ask(1), Fleet::new(routes(2), &policy, Time::ZERO), seed);
            talk.fails(&asks_to_wait(Class::NotSent, asked));
            found.push(talk.wait());
        }
        let (low, high) = (*found.iter().min().unwrap(), *found.iter().max().unwrap());
        assert!(low >= asked && low <= asked + spread / 20, "{asked:?}: {low:?}");
        assert!(high <= asked + spread && high >= asked + spread / 20 * 19, "{asked:?}: {high:?}");
    }
}

#[test]
fn the_longer_of_backoff_and_retry_after_is_waited() {
    let mut talk = Talk::new(preset(Preset::Classic), ask(1));
    talk.fails(&asks_to_wait(Class::ServerError, millis(1)));
    assert!(talk.wait() >= secs(1));
    let mut talk = Talk::new(Policy::default(), ask(1));
    talk.fails(&asks_to_wait(Class::ServerError, Duration::ZERO));
    assert!(talk.wait() <= millis(250));
}

#[test]
fn an_upstream_that_was_not_asked_is_asked_at_once() {
    for class in [Class::ServerError, Class::Ambiguous, Class::Quota, Class::Auth, Class::RateLimited] {
        let mut found = Vec::new();
        for seed in 0..500 {
            let policy = Policy::default();
            let mut talk = Talk::with(policy.clone(), ask(2), Fleet::new(routes(2), &policy, Time::ZERO), seed);
            assert_eq!(talk.sends(), 0);
            // A wait, however long, concerns the upstream that wished it.
            talk.hears(&asks_to_wait(class, secs(600)));
            found.push(talk.wait());
            assert_eq!(talk.sends(), 1);
        }
        assert!(found.iter().all(|wait| *wait <= millis(50)) && found.iter().any(|wait| *wait > millis(47)));
    }
}

#[test]
fn each_upstream_is_asked_before_one_is_asked_twice() {
    let mut policy = Policy::default();
    let most = u32::try_from(UPSTREAMS_MAX).unwrap();
    policy.budget.start = 100 * COST;
    policy.retry.max_attempts = most + 1;
    policy.retry.class_mut(Class::ServerError).unwrap().max_attempts = most + 1;
    let mut talk = Talk::new(policy, ask(UPSTREAMS_MAX));
    for upstream in 0..UPSTREAMS_MAX {
        assert_eq!(usize::from(talk.sends()), upstream);
        talk.hears(&verdict(Class::ServerError));
    }
    assert_eq!(talk.sends(), 0, "the preferred one");
    talk.hears(&verdict(Class::ServerError));
    assert_eq!(talk.reason(), Reason::Attempts);
}

// How long it may take.

#[test]
fn the_deadline_is_the_callers_less_a_margin() {
    let patience = |total, read| Patience { total, read, from_sdk: false };
    for (said, deadline) in [
        (patience(None, None), secs(600)),
        (patience(Some(secs(600)), None), secs(588)),
        (patience(None, Some(secs(600))), secs(588)),
        (patience(Some(secs(100)), Some(secs(600))), secs(98)),
        // 2 % are 250 ms at 12.5 s; below, the margin is 250 ms, and at most half.
        (patience(Some(millis(12_500)), None), millis(12_250)),
        (patience(Some(secs(5)), None), millis(4_750)),
        (patience(Some(millis(400)), None), millis(200)),
        (patience(Some(millis(1)), None), Duration::from_micros(500)),
        (patience(Some(secs(3_600)), None), secs(3_528)),
        (patience(Some(secs(86_400)), None), secs(3_600)),
    ] {
        let talk = Talk::new(Policy::default(), Ask { patience: said, ..ask(1) });
        assert_eq!(talk.plan.deadline(), Time::ZERO + deadline, "{said:?}");
    }
}

#[test]
fn only_a_stream_has_a_limit_for_its_first_content() {
    let send = |attempt, until: Duration, is_last_moment| {
        Step::Send(Launch {
            attempt,
            upstream: UpstreamId(0),
            model: None,
            key: 0,
            until: Time::ZERO + until,
            is_last_moment,
            look: None,
            upgraded: None,
            is_probe: false,
        })
    };
    let with = |stream, patience| Talk::new(Policy::default(), Ask { stream, patience, ..ask(1) });
    assert_eq!(with(true, Patience::default()).step(), send(1, secs(300), false));
    assert_eq!(with(false, Patience::default()).step(), send(1, secs(600), true));
    assert_eq!(with(true, of_sdk(secs(100))).step(), send(1, secs(98), true));
    // The limit is an attempt's own, and the deadline the request's.
    let mut talk = with(true, Patience::default());
    talk.sends();
    talk.now = Time::ZERO + secs(200);
    talk.hears(&verdict(Class::NotSent));
    talk.now = talk.now + talk.wait();
    let Step::Send(Launch { until, is_last_moment: false, .. }) = talk.step() else { panic!("a retry with time left") };
    assert_eq!(until, talk.now + secs(300));
    talk.now = Time::ZERO + secs(490);
    talk.hears(&verdict(Class::NotSent));
    talk.now = talk.now + talk.wait();
    assert_eq!(talk.step(), send(3, secs(600), true));
}

#[test]
fn an_attempt_without_a_useful_while_is_not_begun() {
    // The deadline is at 9.75 s, and a useful while is a second.
    for (failed_at, is_retried) in [(8_750_000, true), (8_750_001, false)] {
        let mut policy = Policy::default();
        policy.retry.failover_jitter = Duration::ZERO;
        let mut talk = Talk::new(policy, Ask { patience: of_sdk(secs(10)), ..ask(2) });
        talk.sends();
        talk.now = Time::from_micros(failed_at);
        talk.hears(&verdict(Class::ServerError));
        assert_eq!(matches!(talk.step(), Step::Send(_)), is_retried, "{failed_at}");
    }
}

#[test]
fn a_request_that_comes_too_late_is_not_sent_and_is_not_in_flight() {
    let patience = Patience { total: Some(millis(1)), read: None, from_sdk: true };
    let mut talk = Talk::new(poor(), Ask { patience, ..ask(1) });
    talk.now = Time::ZERO + millis(1);
    assert_eq!(talk.reason(), Reason::Deadline);
    assert!(!talk.budget().could_withdraw(1), "no deposit is to be expected");
    assert!(!talk.plan.invites());
}

#[test]
fn a_wake_after_the_deadline_sends_nothing_and_costs_nothing() {
    let mut talk = Talk::new(Policy::default(), ask(1));
    talk.fails(&verdict(Class::ServerError));
    talk.wait();
    assert_eq!(talk.tokens(), 9_000);
    talk.now = talk.plan.deadline();
    assert_eq!(talk.reason(), Reason::Deadline);
    assert_eq!(talk.tokens(), 10_000);
    assert_eq!(talk.plan.attempts(), 1);
}

// Who is asked to come back by itself.

fn cut_off(policy: Policy, ask: Ask) -> Talk {
    let mut talk = Talk::new(policy, ask);
    talk.sends();
    talk.now = talk.plan.deadline();
    // Silence until then: there is no reply.
    talk.hears_of(1, &verdict(Class::Ambiguous), false);
    talk
}

#[test]
fn a_first_try_that_the_sdks_own_deadline_ended_is_asked_to_come_back() {
    let mut talk = cut_off(Policy::default(), Ask { patience: of_sdk(secs(10)), ..ask(1) });
    let before = talk.tokens();
    assert_eq!(talk.reason(), Reason::Deadline);
    assert!(talk.plan.invites());
    // The cap holds what ten seconds earned; the return is paid as a retry after an ambiguous failure.
    assert_eq!(before - talk.tokens(), i64::try_from(COST_AMBIGUOUS).unwrap());
    // The return counts as a first try, and the one after it does not.
    let again = Ask { client_retries: 1, ..ask(1) };
    assert!(!Plan::new(talk.now, &talk.policy, None, again, &mut talk.fleet).is_client_retry());
    assert!(Plan::new(talk.now, &talk.policy, None, again, &mut talk.fleet).is_client_retry());
}

#[test]
fn nobody_else_is_asked_to_come_back() {
    let patience = of_sdk(secs(10));
    let on_purpose = Patience { from_sdk: false, ..patience };
    for (policy, ask) in [
        (Policy::default(), ask(1)),
        (Policy::default(), Ask { patience: on_purpose, ..ask(1) }),
        (Policy::default(), Ask { patience, client_retries: 1, ..ask(1) }),
        (Policy::default(), Ask { patience, repeatable: Repeatable::Answered, ..ask(1) }),
        (Policy::default(), Ask { patience, repeatable: Repeatable::NotSent, ..ask(1) }),
        (Policy::default(), Ask { patience, replay: Err(Reason::BodyTooLarge), ..ask(1) }),
        (Policy::default(), Ask { patience, max_retries: Some(0), ..ask(1) }),
        (poor(), Ask { patience, ..ask(1) }),
    ] {
        let mut talk = cut_off(policy, ask);
        talk.reason();
        assert!(!talk.plan.invites(), "{ask:?}");
    }
    let ask = Ask { patience, ..ask(1) };
    // An answered failure that leaves no room is final, although the SDK would have waited.
    let mut talk = Talk::new(Policy::default(), ask);
    talk.fails(&asks_to_wait(Class::RateLimited, secs(50)));
    assert_eq!(talk.reason(), Reason::Deadline);
    assert!(!talk.plan.invites());
    // An error whose body never came to its end is the upstream's own answer, and no 504 of ours.
    let mut talk = Talk::new(Policy::default(), ask);
    talk.sends();
    talk.now = talk.plan.deadline();
    talk.hears(&verdict(Class::ServerError));
    assert_eq!(talk.reason(), Reason::Deadline);
    assert!(!talk.plan.invites());
    // The SDK alone would not have had a third try.
    let mut talk = Talk::new(Policy::default(), ask);
    talk.fails(&verdict(Class::ServerError));
    talk.sends();
    talk.now = talk.plan.deadline();
    talk.hears(&verdict(Class::Ambiguous));
    assert_eq!(talk.reason(), Reason::Deadline);
    assert!(!talk.plan.invites());
}

#[test]
fn no_more_than_so_many_invitations_are_remembered() {
    let mut fleet = Fleet::new(routes(1), &Policy::default(), Time::ZERO);
    for _ in 0..10_001 {
        fleet.invite();
    }
    assert_eq!((0..10_001).filter(|_| fleet.welcome_back()).count(), 10_000);
}

// When the caller leaves.

#[test]
fn a_caller_who_leaves_before_the_first_step_leaves_no_trace() {
    let mut talk = Talk::new(poor(), ask(1));
    talk.leaves();
    assert_eq!(talk.reason(), Reason::CallerLeft);
    assert_eq!((talk.tokens(), talk.plan.attempts()), (0, 0));
}

#[test]
fn a_first_attempt_that_is_left_promises_no_deposit_any_more() {
    let mut talk = Talk::new(poor(), ask(1));
    talk.sends();
    assert!(talk.budget().could_withdraw(200) && !talk.budget().could_withdraw(201));
    talk.leaves();
    assert!(!talk.budget().could_withdraw(1));
    assert_eq!(talk.reason(), Reason::CallerLeft);
}

#[test]
fn a_caller_who_leaves_between_a_failure_and_its_decision_pays_nothing() {
    let mut talk = Talk::new(Policy::default(), ask(1));
    talk.fails(&verdict(Class::ServerError));
    talk.leaves();
    assert_eq!(talk.reason(), Reason::CallerLeft);
    assert_eq!(talk.tokens(), 10_000);
}

#[test]
fn a_wait_that_is_left_is_paid_back_once() {
    let mut talk = Talk::new(Policy::default(), ask(1));
    talk.fails(&verdict(Class::Ambiguous));
    talk.wait();
    assert_eq!(talk.tokens(), 8_000);
    talk.leaves();
    assert_eq!(talk.tokens(), 10_000);
    let now = talk.now;
    talk.budget().withdraw(now, 5_000);
    talk.leaves();
    assert_eq!(talk.tokens(), 5_000);
    assert_eq!(talk.reason(), Reason::CallerLeft);
}

#[test]
fn a_retry_that_is_left_is_not_paid_back() {
    let mut talk = Talk::new(Policy::default(), ask(2));
    talk.policy.retry.failover_jitter = Duration::ZERO;
    talk.fails(&verdict(Class::ServerError));
    talk.sends();
    talk.leaves();
    assert_eq!(talk.tokens(), 9_000);
    // The word of the attempt comes too late, and so does its refund.
    talk.hears(&verdict(Class::Ok));
    assert_eq!(talk.tokens(), 9_000);
    assert_eq!(talk.reason(), Reason::CallerLeft);
}

#[test]
fn leaving_after_the_end_changes_nothing() {
    let mut talk = Talk::new(Policy::default(), ask(1));
    talk.fails(&verdict(Class::ServerError));
    talk.sends();
    talk.hears(&verdict(Class::Ok));
    assert_eq!(talk.tokens(), 10_000, "a retry that succeeds costs nothing");
    talk.leaves();
    assert_eq!(talk.step(), Step::Relay { attempt: 2 });
    let mut talk = Talk::new(Policy::default(), ask(1));
    talk.fails(&verdict(Class::CallerFault));
    assert_eq!(talk.reason(), Reason::Class);
    talk.leaves();
    assert_eq!(talk.reason(), Reason::Class);
}
