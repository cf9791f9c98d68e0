//! The table of `docs/incidents.md`: how often a healthy place raises an alarm, and how soon a sick one
//! does, over days of virtual time and twenty seeds. Each figure has its bar.
//!
//! `UPDATE=1 cargo test -p seawall-core --test incident_bars` writes it anew; without that the table
//! has to be current, so no change of behaviour goes unread.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::incident::{
    Detector, Event, Facts, First, GAP_MAX, Incidents, Kind, Limits, Rule, Scope, Vote, What,
};
use seawall_core::time::Time;

const SEEDS: u64 = 20;
const START: Time = Time::from_micros(1_700_000_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// How long trouble may last before it counts as missed.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The rate at which healthy places fail in the simulations of false alarms, and of detection.
const NOISE: u32 = 10_000;
const QUIET: u32 = 5_000;
/// Onsets of trouble for each seed.
const ONSETS: u64 = 10;

/// How often requests come: a name, the mean between two, and the days that a seed watches for false alarms.
const LOADS: [(&str, Duration, u32); 5] = [
    ("12/h", Duration::from_secs(300), 60),
    ("1/min", Duration::from_secs(60), 60),
    ("10/min", Duration::from_secs(6), 20),
    ("2/s", Duration::from_millis(500), 4),
    ("20/s", Duration::from_millis(50), 1),
];

/// Requests at random, each of a body of its own.
struct World {
    detector: Detector,
    dice: Dice,
    mean: Duration,
    now: Time,
    requests: u64,
    told: Vec<Event>,
}

impl World {
    fn new(seed: u64, mean: Duration, kind: Kind) -> World {
        let detector = Detector::new(Scope::upstream("openai", Some("m")), kind, Limits::default());
        World { detector, dice: Dice::new(seed), mean, now: START, requests: 0, told: Vec::new() }
    }

    /// The next request, which fails with this chance; whether it did.
    fn request(&mut self, fails_ppm: u32) -> bool {
        self.now = self.now + self.pause();
        self.requests += 1;
        let failed = self.dice.chance_ppm(fails_ppm);
        let vote = if failed { Vote::Fail } else { Vote::Ok };
        self.detector.vote(self.now, vote, self.requests, "sw_0", &mut self.told);
        failed
    }

    /// Poisson: exponential around the mean.
    fn pause(&mut self) -> Duration {
        self.mean.mul_f64(-share(&mut self.dice).ln())
    }

    fn opened(&mut self) -> usize {
        self.told.drain(..).filter(|event| event.what == What::Opened).count()
    }
}

/// More than zero, and one at most.
fn share(dice: &mut Dice) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let share = dice.between(1, 1 << 53) as f64 / (1_u64 << 53) as f64;
    share
}

/// False alarms over so many days, of all seeds.
fn false_alarms(kind: Kind, mean: Duration, days: u32, fails_ppm: u32) -> usize {
    let of = |seed| {
        let mut world = World::new(seed, mean, kind);
        while world.now.since(START) < DAY * days {
            world.request(fails_ppm);
        }
        world.opened()
    };
    (1..=SEEDS).map(of).sum()
}

/// How trouble was found.
struct Found {
    delay: Duration,
    /// Failed requests since the onset, or since a gap that no run spans.
    failed: u64,
}

/// After an hour of health a part of the requests begins to fail; `None` for what was not found in a day.
fn onsets(mean: Duration, fails_ppm: u32, equal_bodies: bool) -> Vec<Option<Found>> {
    let of = |seed| {
        let mut world = World::new(1_000 + seed, mean, Kind::Failures);
        let onset = loop {
            world.request(QUIET);
            if world.now.since(START) > HOUR && world.detector.id().is_none() {
                break world.now;
            }
        };
        if equal_bodies {
            // One body, which the next answers would have: nothing but the run is left to find it.
            world.detector = Detector::new(Scope::upstream("openai", Some("m")), Kind::Failures, Limits::default());
        }
        let mut failed = 0;
        world.told.clear();
        loop {
            let before = world.now;
            if equal_bodies {
                world.now = world.now + world.pause();
                failed += 1;
                world.detector.vote(world.now, Vote::Fail, 7, "sw_0", &mut world.told);
            } else {
                failed += u64::from(world.request(fails_ppm));
            }
            if world.now.since(before) > GAP_MAX {
                failed = 1;
            }
            if world.told.iter().any(|event| event.what == What::Opened) {
                return Some(Found { delay: world.now.since(onset), failed });
            }
            if world.now.since(onset) > DAY {
                return None;
            }
        }
    };
    (0..SEEDS * ONSETS).map(of).collect()
}

fn median(found: &[Option<Found>]) -> Option<Duration> {
    let mut delays: Vec<_> =
        found.iter().map(|found| found.as_ref().map_or(Duration::MAX, |found| found.delay)).collect();
    delays.sort_unstable();
    let middle = delays[delays.len() / 2];
    (middle < DAY).then_some(middle)
}

fn told(delay: Option<Duration>) -> String {
    delay.map_or_else(|| "–".to_owned(), |delay| format!("{} s", delay.as_secs()))
}

/// The median, where at least half were found in time.
fn median_in_time(found: &[Option<Found>]) -> Option<Duration> {
    median(found).filter(|delay| *delay <= PATIENCE)
}

/// How long it takes until masked failures are told that rise to 4 % after two hours; `None` for what is not
/// found in two hours more.
fn masked(mean: Duration) -> Vec<Option<Found>> {
    let of = |seed| {
        let mut world = World::new(2_000 + seed, mean, Kind::Masked);
        while world.now.since(START) < 2 * HOUR {
            world.request(QUIET);
        }
        let onset = world.now;
        world.told.clear();
        while world.told.is_empty() && world.now.since(onset) < 2 * HOUR {
            world.request(40_000);
        }
        let found = Found { delay: world.now.since(onset), failed: 0 };
        (!world.told.is_empty()).then_some(found)
    };
    (0..SEEDS).map(of).collect()
}

/// Streams at random, with first contents around 0.6 s (lognormal, one in twenty beyond 2.2 s, and one in
/// fifty eight times as long as that).
struct Streams {
    incidents: Incidents,
    world: World,
}

impl Streams {
    fn new(seed: u64, mean: Duration) -> Streams {
        Streams { incidents: Incidents::new(Limits::default()), world: World::new(3_000 + seed, mean, Kind::Latency) }
    }

    fn request(&mut self, factor: f64) {
        let world = &mut self.world;
        world.now = world.now + world.pause();
        let (radius, turn) = (share(&mut world.dice), share(&mut world.dice));
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos();
        let tail = if world.dice.chance_ppm(20_000) { 8.0 } else { 1.0 };
        let took = Duration::from_secs_f64((0.6 * (0.8 * normal).exp() * factor * tail).min(300.0));
        let facts = Facts { upstream: Some("openai"), model: Some("m"), stream: true, ..Facts::default() };
        let first = First {
            request: "sw_0",
            body: 1,
            route: "r",
            vote: Vote::Ok,
            was_sent: true,
            facts,
            form: 1,
            first_content: Some(took),
        };
        world.told.extend(self.incidents.first(world.now, &first));
    }
}

/// Slow first contents: false alarms in so many days, and what is found when all take ten times as long.
fn slow(mean: Duration, days: u32) -> (usize, Vec<Option<Found>>) {
    let mut alarms = 0;
    let of = |seed| {
        let mut streams = Streams::new(seed, mean);
        while streams.world.now.since(START) < DAY * days {
            streams.request(1.0);
        }
        alarms += streams.world.opened();
        let onset = streams.world.now;
        while streams.world.told.is_empty() && streams.world.now.since(onset) < PATIENCE {
            streams.request(10.0);
        }
        let found = Found { delay: streams.world.now.since(onset), failed: 0 };
        (!streams.world.told.is_empty()).then_some(found)
    };
    let found = (0..SEEDS).map(of).collect();
    (alarms, found)
}

/// Of windows with so many requests and no run, those in which the first request that makes it more than
/// 5 % does not open the incident: none from 440 on.
fn not_literal(from: u64, to: u64) -> u64 {
    let is_wrong = |requests: u64| {
        let mut detector = Detector::new(Scope::route("r"), Kind::Failures, Limits::default());
        let mut told = Vec::new();
        let (mut failed, mut wrong) = (0_u64, false);
        // Failures are spread evenly, at a rate of which the last request is just above 5 %.
        let needed = requests / 20 + 1;
        for n in 1..=requests {
            let fails = n * needed / requests > failed;
            failed += u64::from(fails);
            // All in one bucket, so that none leaves the window.
            detector.vote(START, if fails { Vote::Fail } else { Vote::Ok }, n, "", &mut told);
            let is_literal = 20 * failed > n;
            wrong |= n >= from && is_literal && told.is_empty();
            wrong |= !told.is_empty() && n == requests && told[0].rule != Rule::Rate;
        }
        wrong || told.is_empty()
    };
    (from..=to).filter(|&requests| is_wrong(requests)).count() as u64
}

#[test]
fn every_bar_is_held_and_the_table_is_current() {
    let mut wrong = Vec::new();
    let mut hold = |what: String, holds: bool| {
        let word = if holds { "held" } else { "**not held**" };
        if !holds {
            wrong.push(what);
        }
        word
    };
    let mut out = String::from(
        "# How soon, and how often for nothing\n\n\
        <!-- Generated: UPDATE=1 cargo test -p seawall-core --test incident_bars -->\n\n\
        An incident opens on the fourth failed request in a row (the eighth, if all bodies are equal), or when more\n\
        than 5 % of the last five minutes failed and chance would not have done that. What counts is the first attempt\n\
        of each request. Measured in virtual time over 20 seeds; requests come at random (Poisson).\n\n\
        ## For nothing: 1 % fail, all the time\n\n\
        | requests | days | alarms | a day | bar | |\n|---|--:|--:|--:|--:|---|\n",
    );
    for (load, mean, days) in LOADS {
        let alarms = false_alarms(Kind::Failures, mean, days, NOISE);
        let days = u64::from(days) * SEEDS;
        let holds = hold(format!("{alarms} alarms in {days} days at {load}"), alarms as u64 * 10 <= days);
        let parts = alarms as u64 * 10_000 / days;
        let _ = writeln!(out, "| {load} | {days} | {alarms} | 0.{parts:04} | 0.1 | {holds} |");
    }
    let _ = write!(
        out,
        "\n## Everything fails\n\n{} onsets after an hour at 0.5 %. Failures more than 15 minutes apart are no run, so at 12 an hour they are\n\
        counted from the latest such gap on.\n\n\
        | requests | failing requests until told, at most | median delay | bar | |\n|---|--:|--:|--:|---|\n",
        SEEDS * ONSETS
    );
    for (load, mean, _) in LOADS {
        for (equal, bar) in [(false, 4), (true, 8)] {
            let found = onsets(mean, 1_000_000, equal);
            let most = found.iter().map(|found| found.as_ref().map_or(u64::MAX, |found| found.failed)).max().unwrap();
            let holds = hold(format!("{most} failures at {load}, equal bodies {equal}"), most <= bar);
            let bodies = if equal { ", equal bodies" } else { "" };
            let delay = told(median(&found));
            let _ = writeln!(out, "| {load}{bodies} | {most} | {delay} | {bar} | {holds} |");
        }
    }
    let _ = write!(
        out,
        "\n## A part fails\n\nMedian delay of {} onsets after an hour at 0.5 %, and how many were told within a quarter of an hour.\n\n\
        | requests | 10 % | 30 % | 50 % | bar at 30 % | |\n|---|--:|--:|--:|--:|---|\n",
        SEEDS * ONSETS
    );
    for (load, mean, _) in LOADS {
        let _ = write!(out, "| {load} |");
        let mut median_at_30 = None;
        for fails_ppm in [100_000, 300_000, 500_000] {
            let found = onsets(mean, fails_ppm, false);
            let within = found.iter().flatten().filter(|found| found.delay <= PATIENCE).count();
            let _ = write!(out, " {} ({} %) |", told(median_in_time(&found)), within as u64 * 100 / (SEEDS * ONSETS));
            if fails_ppm == 300_000 {
                median_at_30 = median_in_time(&found);
            }
        }
        let bar = match load {
            "10/min" => Some(Duration::from_secs(150)),
            "2/s" | "20/s" => Some(Duration::from_secs(60)),
            _ => None,
        };
        let holds = match bar {
            Some(bar) => hold(format!("30 % at {load}: {median_at_30:?}"), median_at_30.is_some_and(|is| is <= bar)),
            None => "",
        };
        let _ = writeln!(out, " {} | {holds} |", told(bar));
    }
    let misses = not_literal(440, 1_000);
    let holds = hold(format!("{misses} windows are not literal"), misses == 0);
    let _ = write!(
        out,
        "\n## As written\n\nFrom 440 requests in five minutes on, the first request that makes it more than 5 % opens the incident.\n\
        Windows of 440 to 1,000 requests, failures spread evenly, in which it did not: {misses} ({holds}).\n"
    );
    out.push_str(
        "\n## Failures that retries mask\n\nAlarms while the first attempts of 1 % fail all the time, of 2 %, and the median delay when 0.5 % become 4 %.\n\
        At 10 a minute a few percent are too few to tell.\n\n\
        | requests | days | alarms at 1 % | at 2 % | a day, bar | 0.5 % to 4 % | |\n|---|--:|--:|--:|--:|--:|---|\n",
    );
    for (load, mean, days) in &LOADS[2..4] {
        let alarms = [NOISE, 2 * NOISE].map(|noise| false_alarms(Kind::Masked, *mean, *days, noise));
        let days = u64::from(*days) * SEEDS;
        let delay = told(median(&masked(*mean)));
        let holds = hold(format!("{alarms:?} masked alarms in {days} days at {load}"), alarms[0] as u64 * 10 <= days);
        let _ = writeln!(out, "| {load} | {days} | {} | {} | 0.1 | {delay} | {holds} |", alarms[0], alarms[1]);
    }
    out.push_str(
        "\n## First content that comes late\n\nAlarms while all is as usual (0.6 s, lognormal, one in fifty eight times as long), and the median delay when all\n\
        take ten times as long.\n\n\
        | requests | days | alarms | a day, bar | ten times as long | |\n|---|--:|--:|--:|--:|---|\n",
    );
    for ((load, mean, _), days) in LOADS[2..4].iter().zip([5, 1]) {
        let (alarms, found) = slow(*mean, days);
        let days = u64::from(days) * SEEDS;
        let holds = hold(format!("{alarms} slow alarms in {days} days at {load}"), alarms as u64 * 10 <= days);
        let _ = writeln!(out, "| {load} | {days} | {alarms} | 0.1 | {} | {holds} |", told(median(&found)));
    }
    check(&out);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[expect(clippy::disallowed_methods, reason = "whoever changes a decision asks for the table")]
fn check(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/incidents.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, table).expect("the documents can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == table,
        "docs/incidents.md is not current: UPDATE=1 cargo test -p seawall-core --test incident_bars"
    );
}
