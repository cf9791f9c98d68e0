//! Hundreds of made-up worlds, and the laws that must hold in each.
//!
//! A seed decides everything: the upstreams and their phases, the callers, the policy, and then
//! the chance of each moment. A seed that breaks a law is printed, and belongs into `seeds.txt`.

use std::collections::BTreeSet;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::event::Reason;
use seawall_core::plan::policy::{FirstContent, Policy, Preset, RETRIED, Retry};
use seawall_core::request::{Patience, Repeatable};
use seawall_core::verdict::{Again, Class};
use seawall_sim::decide::Decide;
use seawall_sim::gateway::Gateway;
use seawall_sim::laws::Laws;
use seawall_sim::script::{Caller, Failure, Load, Phase, Room, Script, Span, Spread, Tail, Trouble};
use seawall_sim::world::{Line, What, play, play_with};

/// Seeds per run, besides those of `seeds.txt`; more where `SEAWALL_SEEDS` says so, as `./test long` does.
const SEEDS: u64 = 400;

#[expect(clippy::disallowed_methods, reason = "a long run is asked for from outside")]
fn seeds() -> Vec<u64> {
    let asked = std::env::var("SEAWALL_SEEDS").ok();
    let seeds = asked.map_or(SEEDS, |seeds| seeds.parse().expect("SEAWALL_SEEDS is a number"));

    let remembered = include_str!("seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let remembered = remembered.map(|line| line.split(' ').next().unwrap_or_default().parse().expect("a seed"));
    remembered.chain(1..=seeds).collect()
}

#[test]
fn the_laws_hold_whatever_is_asked_and_whatever_breaks() {
    for seed in seeds() {
        let (script, policy) = world(seed);
        let mut laws = Laws::new(&policy, script.upstreams.len());
        let mut gateway = Gateway::new(script.upstreams.len(), &policy, Dice::new(!seed));
        let mut breach = None;
        play_with(&script, &mut gateway, seed, |line| {
            if breach.is_none() {
                breach = laws.see(line).err();
            }
        });
        if let Some(breach) = breach.or(laws.close(gateway.held()).err()) {
            let of_request = transcript(seed, |line| line.request == breach.request);
            panic!("seed {seed} (put it into seeds.txt)\n{breach}\n{of_request}{:?}", policy.retry);
        }
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in seeds() {
        assert_eq!(transcript(seed, |_| true), transcript(seed, |_| true), "seed {seed}");
    }
    assert_ne!(transcript(1, |_| true), transcript(2, |_| true));
}

/// A law that nothing ever comes near is not proved: the worlds must contain all there is.
#[test]
fn the_seeds_reach_every_class_every_reason_and_every_end() {
    let (mut reached, mut endings) = (BTreeSet::new(), BTreeSet::new());
    let mut states = BTreeSet::new();
    let (mut requests, mut attempts, mut invited, mut broken) = (0, 0, 0, 0);
    for seed in seeds() {
        let (script, policy) = world(seed);
        play(&script, &policy, seed, |line| match line.what {
            What::Arrived { .. } => requests += 1,
            What::Began { .. } => attempts += 1,
            What::Ended { class, .. } => drop(reached.insert(class.name())),
            What::Failed { reason, invites } => {
                endings.insert(reason.name());
                invited += u32::from(invites);
            }
            What::Answered { outcome } => drop(endings.insert(outcome.name())),
            What::Left => drop(endings.insert("left")),
            What::Turned { to, .. } => drop(states.insert(to.name())),
            What::Dropped { .. } | What::Waits { .. } | What::Queued | What::Done => {}
            What::Broke => broken += 1,
        });
    }
    let classes: BTreeSet<&str> = FAILURES.iter().map(|class| class.name()).chain(["ok"]).collect();
    assert_eq!(reached, classes);
    let expected = BTreeSet::from([
        "ambiguous_max",
        "attempts",
        "body_too_large",
        "breaker",
        "budget",
        "caller_limit",
        "class",
        "client_retry",
        "cliff",
        "deadline",
        "failed_over",
        "hedged",
        "left",
        "memory",
        "no_upstream",
        "not_repeatable",
        "oversize",
        "passed",
        "queue",
        "retried",
        "retry_after",
        "upstream_says_no",
    ]);
    assert_eq!(endings, expected);
    assert_eq!(states, BTreeSet::from(["closed", "guarded", "half_open", "open", "ramp"]));
    assert!(broken > 100, "{broken} streams broke");
    assert!(requests > 50_000 && attempts > 50_000 && invited > 100, "{requests}, {attempts}, {invited}");
}

fn transcript(seed: u64, which: impl Fn(&Line) -> bool) -> String {
    let (script, policy) = world(seed);
    let mut told = String::new();
    play(&script, &policy, seed, |line| {
        if which(line) {
            told.push_str(&format!("{line}\n"));
        }
    });
    told
}

/// What an attempt can end in, besides an answer.
const FAILURES: [Class; 12] = [
    Class::NotSent,
    Class::StaleConnection,
    Class::BadGateway,
    Class::ServerError,
    Class::Overloaded,
    Class::Ambiguous,
    Class::RateLimited,
    Class::Quota,
    Class::Auth,
    Class::CallerFault,
    Class::MidStream,
    Class::Cancelled,
];

/// When a middleman cuts off what is too long.
const SHORT: Duration = Duration::from_secs(10);

/// The world of a seed.
fn world(seed: u64) -> (Script, Policy) {
    let mut dice = Dice::new(seed ^ 0x5ea_3a11);
    let dice = &mut dice;
    let length = Duration::from_secs(dice.between(5, 120));
    let upstreams = if one_in(dice, 20) { 0 } else { dice.between(1, 3) };
    let script = Script {
        upstreams: (0..upstreams).map(|_| phases(dice, length)).collect(),
        callers: (0..dice.between(1, 6)).map(|_| caller(dice)).collect(),
        loads: loads(dice, length),
        length,
        lag: Span::millis(0, *pick(dice, &[0, 0, 20, 1_500, 8_000])),
    };
    let policy = policy(dice);
    if policy.hedge.enabled && one_in(dice, 2) { (hedged(dice, &script), policy) } else { (script, policy) }
}

/// A world in which hedges are begun: streams of one form, enough of them to know when one is late,
/// and upstreams that are well but for a few of their answers.
fn hedged(dice: &mut Dice, script: &Script) -> Script {
    let mut caller = caller(dice);
    (caller.stream, caller.repeatable, caller.replay) = (true, Repeatable::Yes, Ok(()));
    (caller.body_bytes, caller.trouble, caller.patience) = (2_000, Trouble::None, Patience::default());
    let stumbles = |breaks| Phase {
        rest: Spread::Generation(Duration::from_secs(1)),
        tail: Tail { slow: 50_000, slow_times: 8, never: 20_000, breaks },
        ..Phase::healthy(Duration::ZERO, Span::millis(200, 800))
    };
    let mut fails = stumbles(0);
    fails.failures = vec![(30_000, failure(dice))];
    let upstreams = if one_in(dice, 2) { vec![vec![stumbles(2_000)]] } else { vec![vec![fails], vec![stumbles(0)]] };
    let load = Load { from: Duration::ZERO, gap: script.length / 600 };
    Script { upstreams, callers: vec![caller], loads: vec![load], ..script.clone() }
}

fn loads(dice: &mut Dice, length: Duration) -> Vec<Load> {
    let usual = Load { from: Duration::ZERO, gap: length / number(dice, 20, 400) };
    let surge = Load { from: length / 2, gap: usual.gap / 4 };
    if one_in(dice, 4) { vec![usual, surge] } else { vec![usual] }
}

fn phases(dice: &mut Dice, length: Duration) -> Vec<Phase> {
    let count = number(dice, 1, 5);
    let phases = (0..count).map(|n| {
        let from = length / count * n;
        let answers_in = Span::millis(1, *pick(dice, &[50, 3_000, 60_000]));
        match dice.between(0, 6) {
            0 => Phase::healthy(from, answers_in),
            1 => Phase::down(from, failure(dice)),
            2 => Phase::silent(from),
            3 => Phase {
                slow: number(dice, 1, 4),
                room: Some(Room { slots: number(dice, 1, 4) as usize, queue: one_in(dice, 2).then_some(3) }),
                ..Phase::healthy(from, answers_in)
            },
            4 => Phase {
                rest: Spread::Generation(Duration::from_secs(3)),
                tail: Tail { slow: 100_000, slow_times: 8, never: 50_000, breaks: 200_000 },
                ..Phase::healthy(from, answers_in)
            },
            _ => {
                let failures = (0..4).map(|_| (number(dice, 0, 250_000), failure(dice)));
                Phase { failures: failures.collect(), ..Phase::healthy(from, answers_in) }
            }
        }
    });
    phases.collect()
}

fn failure(dice: &mut Dice) -> Failure {
    // The classes that end a request at once would hide the others, were they as frequent.
    let is_final = one_in(dice, 5);
    let class = *pick(dice, if is_final { &FAILURES[7..] } else { &FAILURES[..7] });
    let plain = Failure::of(class, Span::millis(0, *pick(dice, &[5, 400, 20_000])));
    let wait = one_in(dice, 3).then(|| Duration::from_millis(*pick(dice, &[0, 20, 1_000, 15_000, 60_000, 90_000])));
    // An upstream may say for itself whether it wants to be asked again: `x-should-retry`.
    let again = match (one_in(dice, 8), plain.again) {
        (true, Again::Anywhere) => Again::Elsewhere,
        (true, Again::Elsewhere) => Again::Anywhere,
        (_, again) => again,
    };
    Failure { wait, again, is_informative: one_in(dice, 2), ..plain }
}

fn caller(dice: &mut Dice) -> Caller {
    let said = Duration::from_millis(*pick(dice, &[1, 400, 2_000, 5_000, 10_000, 30_000, 600_000]));
    let (total, read) = *pick(dice, &[(None, None), (None, None), (Some(said), None), (None, Some(said))]);
    Caller {
        stream: one_in(dice, 2),
        repeatable: *pick(dice, &[Repeatable::Yes, Repeatable::Yes, Repeatable::Answered, Repeatable::NotSent]),
        replay: *pick(dice, &[Ok(()), Ok(()), Ok(()), Ok(()), Err(Reason::BodyTooLarge), Err(Reason::Memory)]),
        patience: Patience { total, read, from_sdk: (total.is_some() || read.is_some()) && !one_in(dice, 3) },
        client_retries: *pick(dice, &[0, 0, 0, 0, 1, 2]),
        max_retries: *pick(dice, &[None, None, None, Some(0), Some(1), Some(9)]),
        share: number(dice, 1, 3),
        body_bytes: *pick(dice, &[2_000, 200_000]),
        same_body: one_in(dice, 6),
        trouble: *pick(dice, &[Trouble::None, Trouble::None, Trouble::None, Trouble::Poison, Trouble::Cliff(SHORT)]),
        leaves_after: one_in(dice, 3).then(|| Span::millis(0, *pick(dice, &[50, 2_000, 30_000]))),
    }
}

fn policy(dice: &mut Dice) -> Policy {
    let mut policy = Policy {
        retry: Retry::preset(*pick(dice, &[Preset::Seawall, Preset::OpenaiSdk, Preset::Classic])),
        ..Policy::default()
    };
    for class in RETRIED {
        if one_in(dice, 3) {
            let of_class = policy.retry.class_mut(class).expect("a class that is retried");
            of_class.max_attempts = number(dice, 1, 8);
            of_class.backoff.base = Duration::from_millis(dice.between(0, 2_000));
            of_class.backoff.cap = Duration::from_millis(dice.between(0, 10_000));
            of_class.retry_after_max = Duration::from_secs(dice.between(0, 90));
        }
    }
    if one_in(dice, 2) {
        policy.retry.max_attempts = *pick(dice, &[1, 2, 4, 20]);
        policy.retry.ambiguous_max = number(dice, 0, 3);
        policy.retry.min_useful = Duration::from_millis(dice.between(0, 2_000));
        policy.retry.failover_jitter = Duration::from_millis(dice.between(0, 100));
    }
    if one_in(dice, 2) {
        policy.wait.max = Duration::from_secs(dice.between(0, 3) * 30);
        policy.timeout.first_content = FirstContent::Fixed(Duration::from_secs(dice.between(1, 30)));
        policy.timeout.total = Duration::from_secs(dice.between(1, 120));
        policy.timeout.total_max = Duration::from_secs(dice.between(1, 300));
    }
    if one_in(dice, 3) {
        policy.hedge.enabled = true;
        policy.hedge.after_min = Duration::from_millis(*pick(dice, &[0, 250, 2_000]));
        policy.hedge.deposit = *pick(dice, &[0, 80, 1_000]);
    }
    if one_in(dice, 2) {
        policy.budget.start = *pick(dice, &[0, 500, 2_000, 100_000]);
        policy.budget.deposit = *pick(dice, &[0, 1, 200, 1_000]);
    }
    policy
}

fn one_in(dice: &mut Dice, n: u64) -> bool {
    dice.between(1, n) == 1
}

fn pick<'a, T>(dice: &mut Dice, from: &'a [T]) -> &'a T {
    &from[usize::try_from(dice.between(0, from.len() as u64 - 1)).expect("an index")]
}

fn number(dice: &mut Dice, low: u32, high: u32) -> u32 {
    u32::try_from(dice.between(low.into(), high.into())).expect("at most high")
}
