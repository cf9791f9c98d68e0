//! Plays a story, measures it, and says whether it held.
//!
//! The same world is played once for each contender: Seawall under the policy that is asked about,
//! and whoever the story sets beside it. Each sees the same callers, troubled the same way.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::plan::policy::Policy;
use serde::Serialize;

use crate::decide::Decide;
use crate::figure::{Figure, Measured};
use crate::gateway::Gateway;
use crate::habit::{Habit, Loops};
use crate::measure::{BUCKETS, Bucket, Counter, Incident, Tally};
use crate::story::{Bar, Story};
use crate::world::play_with;

/// Who plays a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// Seawall, under the policy that is asked about.
    Seawall,
    /// No gateway and no retry: what is passed through.
    None,
    /// The official SDKs' default.
    Sdk,
    /// A hand-written loop.
    Naive,
    /// The same with the textbook breaker.
    Classic,
    /// Seawall with up to 90 s of waiting for an upstream that is down.
    Wait,
}

/// How far below the success without a gateway any story may come: one point (do no harm).
pub const HARM_MAX: u64 = 10_000;

/// How long `seawall + wait` waits: the profile `batch`.
const WAIT: Duration = Duration::from_secs(90);

impl Contender {
    /// Everybody.
    pub const ALL: [Contender; 6] =
        [Contender::Seawall, Contender::None, Contender::Sdk, Contender::Naive, Contender::Classic, Contender::Wait];

    /// Who plays beside Seawall where the story does not say.
    pub const USUAL: [Contender; 4] = [Contender::None, Contender::Sdk, Contender::Naive, Contender::Classic];

    /// As it is written in a story.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Contender::Seawall => "seawall",
            Contender::None => "none",
            Contender::Sdk => "sdk",
            Contender::Naive => "naive",
            Contender::Classic => "classic",
            Contender::Wait => "wait",
        }
    }

    /// Plays `story` with the chance of `seed`. Equal arguments come to equal tallies.
    #[must_use]
    pub fn play(self, story: &Story, policy: &Policy, seed: u64) -> Tally {
        let upstreams = story.script.upstreams.len();
        let own = Dice::new(!seed);
        let habit = match self {
            Contender::None => Habit::None,
            Contender::Sdk => Habit::Sdk,
            Contender::Naive => Habit::Naive,
            Contender::Classic => Habit::Classic,
            Contender::Seawall | Contender::Wait => {
                let mut policy = story.policy(policy);
                if self == Contender::Wait {
                    policy.wait.max = WAIT;
                }
                return count(story, &mut Gateway::new(upstreams, &policy, own), seed);
            }
        };
        count(story, &mut Loops::new(habit, upstreams, own), seed)
    }
}

fn count<D: Decide>(story: &Story, decide: &mut D, seed: u64) -> Tally {
    let mut counter = Counter::new(story.script.length, story.incident, story.script.upstreams.len());
    play_with(&story.script, decide, seed, |line| counter.see(line));
    counter.close()
}

/// What a story came to.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The story's id.
    pub story: String,
    /// What it is about.
    pub title: String,
    /// Whether every bar was held.
    pub holds: bool,
    /// The seeds that were played: from, and how many.
    pub seeds: (u64, u64),
    /// What must hold, and what was measured.
    pub bars: Vec<Held>,
    /// Everybody's figures, Seawall's first.
    pub contenders: Vec<Row>,
    /// The length of the story.
    #[serde(skip)]
    pub length: Duration,
    /// Its incident.
    #[serde(skip)]
    pub incident: Option<Incident>,
}

/// A bar, and whether it was held.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// Of whom.
    pub of: &'static str,
    /// The figure.
    pub figure: Figure,
    /// `<=` or `>=`.
    pub is: &'static str,
    /// The bar, in percent, seconds or as a number.
    pub limit: Option<f64>,
    /// What was measured, in the same; null for never and nothing.
    pub measured: Option<f64>,
    /// The bar, for people.
    pub limit_text: String,
    /// What was measured, for people.
    pub measured_text: String,
    /// Whether it was held.
    pub holds: bool,
}

/// One contender's figures.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Who.
    pub name: &'static str,
    /// Requests.
    pub requests: u64,
    /// What was measured: percent, seconds or a number; null for never. What the story has nothing
    /// of is left out.
    pub figures: BTreeMap<&'static str, Option<f64>>,
    /// The same, for people and their tables.
    #[serde(skip)]
    pub measured: Vec<(Figure, Measured)>,
    /// The course of the first seed, in [`BUCKETS`] stretches.
    #[serde(skip)]
    pub course: Vec<Bucket>,
}

/// Plays `story` under `policy` with the chance of `seed`: Seawall, and whoever is set beside it.
///
/// A story's own `policy` line outranks `policy`.
#[must_use]
pub fn run(story: &Story, policy: &Policy, seed: u64) -> Report {
    run_seeds(story, policy, seed, 1)
}

/// The same over several seeds, `seed` the first, all taken together.
#[must_use]
pub fn run_seeds(story: &Story, policy: &Policy, seed: u64, seeds: u64) -> Report {
    let mut players = vec![Contender::Seawall];
    let of_bars = story.bars.iter().map(|bar| bar.of);
    for player in story.beside.iter().copied().chain(of_bars).chain([Contender::None]) {
        if !players.contains(&player) {
            players.push(player);
        }
    }
    let tallies: Vec<(Contender, Tally)> = players
        .into_iter()
        .map(|player| {
            let mut tally = Tally::default();
            for seed in seed..seed.saturating_add(seeds) {
                tally.add(player.play(story, policy, seed));
            }
            (player, tally)
        })
        .collect();
    report(story, &tallies, (seed, seeds))
}

/// What `tallies` come to: who played, and what became of it.
#[must_use]
pub fn report(story: &Story, tallies: &[(Contender, Tally)], seeds: (u64, u64)) -> Report {
    let find = |who: Contender| tallies.iter().find(|(player, _)| *player == who).map(|(_, tally)| tally);
    let none = find(Contender::None);
    let harm = Bar { of: Contender::Seawall, figure: Figure::Harm, limit: HARM_MAX };
    let held = |bar: &Bar| {
        let measured = find(bar.of).map_or(Measured::Nothing, |tally| bar.figure.of(tally, none));
        let unit = bar.figure.unit();
        Held {
            of: bar.of.name(),
            figure: bar.figure,
            is: if bar.figure.is_better_high() { ">=" } else { "<=" },
            limit: Measured::Value(bar.limit).number(unit),
            measured: measured.number(unit),
            limit_text: unit.say(bar.limit),
            measured_text: measured.say(unit),
            holds: bar.figure.holds(measured, bar.limit),
        }
    };
    let bars: Vec<Held> = story.bars.iter().chain([&harm]).map(held).collect();
    Report {
        story: story.name.clone(),
        title: story.title.clone(),
        holds: bars.iter().all(|bar| bar.holds),
        seeds,
        bars,
        contenders: tallies.iter().map(|(player, tally)| row(*player, tally, none)).collect(),
        length: story.script.length,
        incident: story.incident,
    }
}

fn row(player: Contender, tally: &Tally, none: Option<&Tally>) -> Row {
    let measured: Vec<(Figure, Measured)> =
        Figure::ALL.iter().map(|figure| (*figure, figure.of(tally, none))).collect();
    let is_there = |(_, measured): &&(Figure, Measured)| *measured != Measured::Nothing;
    let figures = measured.iter().filter(is_there);
    debug_assert_eq!(tally.course.len(), BUCKETS);
    Row {
        name: player.name(),
        requests: tally.all.requests,
        figures: figures.map(|(figure, measured)| (figure.name(), measured.number(figure.unit()))).collect(),
        measured,
        course: tally.course.clone(),
    }
}
