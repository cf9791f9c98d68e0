//! The language of stories: what a stranger gets wrong is told where, and what was meant; and a few
//! stories as they are told, to be read.
//!
//! `UPDATE=1 cargo test -p seawall-sim --test stories` writes the transcripts anew.

use std::path::Path;

use seawall_core::plan::policy::Policy;
use seawall_sim::rehearse::{self, Contender};
use seawall_sim::story::{BUILT_IN, CHANGES_MAX, REQUESTS_MAX, Story, TEXT_MAX, UPSTREAMS_MAX};

const BEGIN: &str = "upstreams openai azure\nload 10/s for 60s\n";

fn problem(text: &str) -> String {
    Story::parse("mine", text).expect_err("a problem").to_string()
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_hint() {
    for (line, expected) in [
        ("upstream x", "mine.story:3:1: `upstream` does not begin a statement\n  hint: did you mean `upstreams`?"),
        ("at 20s opnai refuses", "mine.story:3:8: there is no upstream `opnai`\n  hint: did you mean `openai`?"),
        ("at 20s openai refuse", "mine.story:3:15: no upstream ever `refuse`\n  hint: did you mean `refuses`?"),
        (
            "at 20 openai refuses",
            "mine.story:3:4: `20` is no time\n  hint: a number and its unit: 400ms, 20s, 5min, 2h",
        ),
        ("at 20s openai fails 120%", "mine.story:3:21: `120%` is no share\n  hint: 0% to 100%, such as 4% or 0.2%"),
        (
            "at 20s openai fails 20% with 501",
            "mine.story:3:30: `501` is no failure that is known\n  hint: did you mean `500`?",
        ),
        ("at 20s openai slows 5", "mine.story:3:21: `5` is not so many times\n  hint: a whole number from 1x to 1000x"),
        (
            "at 20s openai has 20 slot, 2s each",
            "mine.story:3:22: `slot` stands where `slots` belongs\n  hint: write it like this: at 0s openai has 20 slots, 2s each",
        ),
        ("at 20s openai", "mine.story:3:14: what the upstream does is missing before the end"),
        ("at 20s openai at 30s", "mine.story:3:15: what the upstream does is missing before `at`"),
        ("expect succes 100%", "mine.story:3:8: `succes` is not measured\n  hint: did you mean `success`?"),
        (
            "expect success <= 99%",
            "mine.story:3:16: `success` is never expected to be `<=` something\n  hint: success >= …",
        ),
        (
            "policy attempts 30",
            "mine.story:3:17: `30` is not a number of attempts\n  hint: a whole number from 1 to 20",
        ),
        (
            "policy retries 3",
            "mine.story:3:8: a story decides nothing about `retries`\n  hint: one of: attempts, budget, wait, total, \
             breaker, first-content, hedge",
        ),
        ("beside sdks", "mine.story:3:8: nobody is called `sdks`\n  hint: did you mean `sdk`?"),
        ("callers 4% poisn", "mine.story:3:12: `poisn` is no trouble that is known\n  hint: did you mean `poison`?"),
        ("callers strem", "mine.story:3:9: callers are not `strem`\n  hint: did you mean `stream`?"),
        ("at 61s openai refuses", "mine.story:3:22: something changes at 61 s, and the story is over at 60 s"),
        ("load 10/m for 20s", "mine.story:3:6: `10/m` is no rate\n  hint: 10/s, 0.2/s, 30/min; at most 10000/s"),
    ] {
        assert_eq!(problem(&format!("{BEGIN}{line}")), expected, "{line}");
    }
    assert_eq!(
        problem("load 1/s for 9s"),
        "mine.story:1:16: `upstreams` is missing\n  hint: add a line: upstreams openai"
    );
    assert_eq!(problem("upstreams x"), "mine.story:1:12: `load` is missing\n  hint: add a line: load 10/s for 180s");
    assert_eq!(
        problem("upstreams load 1/s for 9s"),
        "mine.story:1:1: `upstreams` without a name\n  hint: upstreams openai azure"
    );
}

#[test]
fn the_story_of_the_handbook_can_be_read_on_three_lines() {
    let text = "# One provider goes dark for half a minute. Nobody should notice.\n\
        upstreams openai azure          policy  attempts 3, budget 20%, wait 90s\n\
        load      100/s for 180s        at 20s  openai refuses          at 50s  openai recovers\n\
        expect    success 100%, attempts <= 1.05 per request\n";
    let story = Story::parse("dark", text).expect("a story");
    assert_eq!(story.title, "One provider goes dark for half a minute. Nobody should notice.");
    assert_eq!((story.upstreams.len(), story.bars.len(), story.settings.len()), (2, 2, 3));
    let incident = story.incident.expect("an incident");
    assert_eq!((incident.from.as_secs(), incident.to.as_secs()), (20, 50));
    let policy = story.policy(&Policy::default());
    assert_eq!((policy.retry.max_attempts, policy.budget.deposit), (3, 200));
    assert_eq!(policy.wait.max.as_secs(), 90);
}

#[test]
fn a_story_is_bounded_before_it_is_played() {
    let names = |count: usize| (0..count).map(|n| format!("u{n} ")).collect::<String>();
    let upstreams = |count| format!("upstreams {} load 1/s for 60s", names(count));
    assert!(Story::parse("x", &upstreams(UPSTREAMS_MAX)).is_ok());
    assert!(problem(&upstreams(UPSTREAMS_MAX + 1)).contains("more than 8 upstreams"));

    let load = |per_second: u64| format!("upstreams u load {per_second}/s for 100s");
    assert!(Story::parse("x", &load(REQUESTS_MAX / 100)).is_ok());
    assert!(problem(&load(REQUESTS_MAX / 100 + 1)).contains("limit 200000"));

    let changes = |count: usize| format!("{BEGIN}{}", "at 20s openai hangs ".repeat(count));
    assert!(Story::parse("x", &changes(CHANGES_MAX)).is_ok());
    assert!(problem(&changes(CHANGES_MAX + 1)).contains("more than 100 changes"));

    let comment = |bytes: usize| format!("{BEGIN}#{}", "x".repeat(bytes - BEGIN.len() - 1));
    assert!(Story::parse("x", &comment(TEXT_MAX)).is_ok());
    assert!(problem(&comment(TEXT_MAX + 1)).contains("limit 16384"));
    assert!(problem("upstreams u load 1/s for 25h").contains("longer than a day"));
}

/// Whatever is cut out of a story, or put into it, is read or refused, and never panics.
#[test]
fn no_text_is_too_broken_to_be_refused() {
    for (_, text) in BUILT_IN {
        for at in (0..text.len()).filter(|&at| text.is_char_boundary(at)) {
            drop(Story::parse("x", &text[..at]));
            drop(Story::parse("x", &text[at..]));
            drop(Story::parse("x", &format!("{}9%ü, {}", &text[..at], &text[at..])));
        }
    }
}

#[test]
fn the_same_seed_comes_to_the_same_report() {
    let (name, text) = BUILT_IN.iter().find(|(name, _)| *name == "e1").expect("it is built in");
    let story = Story::parse(name, text).expect("a story");
    let tell = |seed| rehearse::run(&story, &Policy::default(), seed).to_string();
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}

/// What differs between contenders is what was decided, never who came: a figure that compares two
/// of them would compare two worlds otherwise.
#[test]
fn everybody_meets_the_same_callers() {
    for (name, text) in BUILT_IN.iter().filter(|(name, _)| ["c3", "p", "d2"].contains(name)) {
        let story = Story::parse(name, text).expect("a story");
        let arrivals = |player: Contender| -> Vec<u32> {
            player.play(&story, &Policy::default(), 3).course.iter().map(|bucket| bucket.arrived).collect()
        };
        for player in Contender::ALL {
            assert_eq!(arrivals(player), arrivals(Contender::None), "{name}, {player:?}");
        }
    }
}

/// Over five seeds: the median of one outage is no median.
#[test]
fn stories_are_told_like_this() {
    for name in ["c", "d-80", "e1"] {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).expect("it is built in");
        let story = Story::parse(name, text).expect("a story");
        let told = rehearse::run_seeds(&story, &Policy::default(), 1, 5).to_string();
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("stories/{name}.told")), &told);
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever changes a story asks for its transcript")]
fn check(path: &Path, told: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, told).expect("the stories can be written");
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(known, told, "{} is not current: run with UPDATE=1", path.display());
}
