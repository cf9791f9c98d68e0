//! The table of `docs/rehearsal.md`: what each story expects, and what was measured over twenty
//! seeds, beside what becomes of it without Seawall.
//!
//! `UPDATE=1 cargo test -p seawall-sim --test rehearsal` writes it anew; without that the table has
//! to be current, so no change of behaviour goes unread.

use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use seawall_core::plan::policy::Policy;
use seawall_sim::figure::{Figure, Measured};
use seawall_sim::measure::Tally;
use seawall_sim::rehearse::{Contender, Report, report};
use seawall_sim::story::{Story, builtin};

/// Seeds that Seawall is measured over, and all that is compared with it: no gateway, and the SDK.
/// The others are there to be looked at, over fewer.
const SEEDS: u64 = 20;
const SEEDS_OF_OTHERS: u64 = 5;

/// Bars that are not held, and why: the table says so too. An entry that holds again has to go.
const MISSED: &[(&str, Figure, &str)] = &[];

/// What is told of everybody.
const COLUMNS: [(Figure, &str); 7] = [
    (Figure::Success, "success"),
    (Figure::SuccessInside, "in incident"),
    (Figure::Attempts, "attempts"),
    (Figure::AttemptsInside, "in incident"),
    (Figure::Wasted, "wasted"),
    (Figure::RecoveryMedian, "recovery (median)"),
    (Figure::Recovery, "(worst)"),
];

#[test]
fn every_bar_is_held_and_the_table_is_current() {
    let stories = builtin();
    let reports = play(&stories);
    let mut wrong = Vec::new();
    for report in &reports {
        for bar in &report.bars {
            let missed = MISSED.iter().any(|(story, figure, _)| *story == report.story && *figure == bar.figure);
            if bar.holds == missed {
                let what = if missed { "is held now" } else { "is not held" };
                let (story, figure, is) = (&report.story, bar.figure, bar.is);
                wrong.push(format!("{story}: {figure} {is} {} {what}: {}", bar.limit_text, bar.measured_text));
            }
        }
    }
    check(&table(&reports));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All stories, on as many threads as there are processors.
fn play(stories: &[Story]) -> Vec<Report> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(story) = stories.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = play_story(story);
                    reports.lock().expect("no thread panicked").push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().expect("no thread panicked");
    reports.sort_by_key(|report| stories.iter().position(|story| story.name == report.story));
    reports
}

fn play_story(story: &Story) -> Report {
    let of_bars = story.bars.iter().map(|bar| bar.of);
    let mut players = vec![Contender::Seawall];
    for player in story.beside.iter().copied().chain(of_bars) {
        if !players.contains(&player) {
            players.push(player);
        }
    }
    let tallies: Vec<(Contender, Tally)> = players
        .into_iter()
        .map(|player| {
            let is_other = matches!(player, Contender::Naive | Contender::Classic);
            let mut tally = Tally::default();
            for seed in 1..=if is_other { SEEDS_OF_OTHERS } else { SEEDS } {
                tally.add(player.play(story, &Policy::default(), seed));
            }
            (player, tally)
        })
        .collect();
    report(story, &tallies, (1, SEEDS))
}

fn table(reports: &[Report]) -> String {
    let mut out = String::from(
        "# The rehearsal, measured\n\n\
        <!-- Generated: UPDATE=1 cargo test -p seawall-sim --test rehearsal -->\n\n\
        Each built-in story, what it expects, and what became of it over 20 seeds of virtual time (5 for the\n\
        hand-written loop and the textbook breaker). The words are those of `crates/sim/stories/README.md`.\n\
        `none` is one attempt and no gateway; `sdk` the official SDKs' default, two retries; `naive` five attempts\n\
        1, 2, 4 and 8 s apart; `classic` the same with a breaker that opens for 30 s after five failures in a row.\n\n\
        ## Bars\n\n\
        | story | expects | measured | |\n|---|---|---|---|\n",
    );
    for report in reports {
        for bar in &report.bars {
            let reason = MISSED.iter().find(|(story, figure, _)| *story == report.story && *figure == bar.figure);
            let held = match (bar.holds, reason) {
                (true, _) => "held".to_owned(),
                (false, Some((_, _, why))) => format!("**not held**: {why}"),
                (false, None) => "**not held**".to_owned(),
            };
            let (figure, is, limit) = (bar.figure, bar.is, &bar.limit_text);
            let _ = writeln!(out, "| {} | {figure} {is} {limit} | {} | {held} |", report.story, bar.measured_text);
        }
    }
    let behind: Vec<String> = reports.iter().filter_map(behind).collect();
    out.push_str(
        "\n## Where the SDK's default alone does better\n\nOf whole-run success, by more than a tenth of a point.\n\n",
    );
    if behind.is_empty() {
        out.push_str("Nowhere.\n");
    }
    for line in behind {
        let _ = writeln!(out, "- {line}");
    }
    out.push_str("\n## Everybody\n");
    for report in reports {
        let _ = write!(out, "\n### {}\n\n{}\n\n| |", report.story, report.title);
        for (_, title) in COLUMNS {
            let _ = write!(out, " {title} |");
        }
        let _ = writeln!(out, "\n|---|{}", "--:|".repeat(COLUMNS.len()));
        for row in &report.contenders {
            let _ = write!(out, "| {} |", row.name);
            for (figure, _) in COLUMNS {
                let _ = write!(out, " {} |", row.figure(figure).say(figure.unit()));
            }
            out.push('\n');
        }
    }
    out
}

/// The story, if the SDK alone gets more answers.
fn behind(report: &Report) -> Option<String> {
    let success = |name: &str| match report.contenders.iter().find(|row| row.name == name)?.figure(Figure::Success) {
        Measured::Value(parts) => Some(parts),
        Measured::Nothing | Measured::Never => None,
    };
    let (own, sdk) = (success("seawall")?, success("sdk")?);
    let say = |parts| Figure::Success.unit().say(parts);
    (own + 1_000 < sdk).then(|| format!("{}: {} with Seawall, {} with the SDK", report.story, say(own), say(sdk)))
}

#[expect(clippy::disallowed_methods, reason = "whoever changes a decision asks for the table")]
fn check(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rehearsal.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, table).expect("the documents can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == table, "docs/rehearsal.md is not current: UPDATE=1 cargo test -p seawall-sim --test rehearsal");
}
