//! The profile, the breaker, hedges, the queue and the limit for the first content.

use seawall_core::plan::policy::{Adopt, Commit, FirstContent, OnBreak, Streams, ToolsPolicy};
use seawall_core::plan::{breaker, hedge};

use super::*;

fn source_of(config: &Config, key: &str) -> (String, String) {
    let row = rows(config).into_iter().find(|row| format!("{}.{}", row.table, row.key).trim_matches('.') == key);
    let row = row.unwrap_or_else(|| panic!("no row {key}"));
    (row.value.text(), row.source_text(config))
}

#[test]
fn a_batch_waits_and_an_interactive_caller_does_not() {
    let wait = |text: &str| {
        let config = good(text);
        let (_, source) = source_of(&config, "wait.max");
        (config.policy.wait.max.as_secs(), source)
    };
    assert_eq!(wait(""), (0, "default".into()));
    assert_eq!(wait("profile = \"interactive\""), (0, "default".into()));
    assert_eq!(wait("profile = \"batch\""), (90, "profile batch".into()));
    assert_eq!(wait("profile = \"batch\"\n[wait]\nmax = \"0s\""), (0, "seawall.toml:3".into()));
    assert_eq!(wait("[wait]\nmax = \"30s\""), (30, "seawall.toml:2".into()));
    let config = good("profile = \"batch\"");
    assert_eq!(config.profile, Profile::Batch);
    assert_eq!(source_of(&config, "profile"), ("\"batch\"".into(), "seawall.toml:1".into()));
    let json = rows(&config).iter().find(|row| row.table == "wait").map(|row| row.json(&config)).unwrap_or_default();
    assert_eq!((&json["source"], &json["at"]), (&"profile".into(), &"batch".into()));
}

#[test]
fn every_knob_of_the_breaker_arrives() {
    let config = good(
        r#"
        [breaker]
        guard = 1
        open_alt = 2
        open_solo = 3
        solo_refuse = false
        window = "4s"
        window_min = 5
        rate_alt = 0.006
        rate_solo = 0.7
        open = "8s"
        open_max = "9s"
        probe_every = "10s"
        probes_max = 11
        close_after = 12
        "#,
    );
    let expected = breaker::Config {
        guard: 1,
        open_alt: 2,
        open_solo: 3,
        solo_refuse: false,
        window: Duration::from_secs(4),
        window_min: 5,
        rate_alt: 6,
        rate_solo: 700,
        open: Duration::from_secs(8),
        open_max: Duration::from_secs(9),
        probe_every: Duration::from_secs(10),
        probes_max: 11,
        close_after: 12,
    };
    assert_eq!(config.policy.breaker, expected);
}

#[test]
fn giving_up_before_guarding_is_allowed_while_there_is_another() {
    assert_eq!(good("[breaker]\nopen_alt = 2").policy.breaker.open_alt, 2);
    assert_eq!(good("[breaker]\nguard = 10").policy.breaker.guard, 10);
}

#[test]
fn every_knob_of_hedging_arrives() {
    let config = good("[hedge]\nenabled = true\nafter_min = \"1s\"\nafter_max = \"2s\"\ndeposit = 0.1");
    let [after_min, after_max] = [1, 2].map(Duration::from_secs);
    assert_eq!(config.policy.hedge, hedge::Config { enabled: true, after_min, after_max, deposit: 100 });
}

#[test]
fn the_first_content_is_waited_for_as_long_as_was_learnt_or_written() {
    let limit = |value: &str| {
        let config = good(&format!("[timeout]\nfirst_content = {value}"));
        (config.policy.timeout.first_content, source_of(&config, "timeout.first_content").0)
    };
    assert_eq!(limit("\"adaptive\""), (FirstContent::Adaptive, "\"adaptive\"".into()));
    assert_eq!(limit("\" adaptive \""), (FirstContent::Adaptive, "\"adaptive\"".into()));
    assert_eq!(limit("\"45s\""), (FirstContent::Fixed(Duration::from_secs(45)), "\"45s\"".into()));
    let by_variable =
        parse_with("[timeout]\nfirst_content = \"${LIMIT}\"", &Overrides::default(), &env(&[("LIMIT", "adaptive")]));
    assert!(by_variable.is_ok_and(|config| config.policy.timeout.first_content == FirstContent::Adaptive));
}

#[test]
fn a_wrong_limit_for_the_first_content_is_explained() {
    let values = ["\"adaptve\"", "\"Adaptive\"", "\"never\"", "300", "\"300\"", "\"1.5s\"", "\"2d\"", "true", "\"\""];
    let told = values.map(|value| bad(&format!("[timeout]\nfirst_content = {value}\n")).to_string());
    reads("first_content", &told.join("\n\n----\n\n"));
}

#[test]
fn steps_that_could_never_be_reached_are_shown() {
    for (name, text) in [
        ("breaker_steps", "[breaker]\nguard = 12\nopen_alt = 15\nrate_alt = 0.95\nopen = \"6s\"\n"),
        ("breaker_limits", "[breaker]\nopen_solo = 3\nopen_max = \"500ms\"\nrate_solo = 0.1\n"),
        ("breaker_pair", "[breaker]\nguard = 8\nopen_solo = 6\nopen_alt = 4\n"),
        ("hedge_times", "[hedge]\nafter_min = \"30s\"\n"),
        (
            "profile_word",
            "profile = \"bacth\"\n[hedge]\nenabled = \"yes\"\n[wait]\nmax = \"2h\"\n[breaker]\nrate_alt = \"20%\"\n",
        ),
    ] {
        reads(name, &bad(text).to_string());
    }
}

#[test]
fn every_knob_of_adoption_arrives() {
    let config = good("[adopt]\nenabled = true\nkeep = \"45s\"");
    assert_eq!(config.policy.adopt, Adopt { enabled: true, keep: Duration::from_secs(45) });
}

#[test]
fn every_word_on_tools_arrives() {
    for (word, tools) in [("off", ToolsPolicy::Off), ("watch", ToolsPolicy::Watch), ("probe", ToolsPolicy::Probe)] {
        assert_eq!(good(&format!("[diagnose]\ntools = \"{word}\"")).policy.tools, tools);
    }
    assert_eq!(good("").policy.tools, ToolsPolicy::Watch);
}

#[test]
fn every_knob_of_streams_arrives() {
    let config = good(
        "[stream]\ncommit = \"buffer\"\non_break = \"resume\"\ncomment_after = \"15s\"\nbuffer_bytes_max = \"1 MiB\"\nbuffer_time_max = \"9s\"\n\
         [timeout]\ncontent_idle = \"3m\"",
    );
    let expected = Streams {
        commit: Commit::Buffer,
        on_break: OnBreak::Resume,
        comment_after: Some(Duration::from_secs(15)),
        buffer_bytes_max: 1 << 20,
        buffer_time_max: Duration::from_secs(9),
    };
    assert_eq!(config.policy.streams, expected);
    assert_eq!(config.policy.timeout.content_idle, Some(Duration::from_secs(180)));
    let off = good("[stream]\ncomment_after = \"0s\"\n[timeout]\ncontent_idle = \"0s\"").policy;
    assert_eq!((off.streams, off.timeout.content_idle), (Streams::default(), None));
}
