//! What every verb prints, word for word: the real program, a record that a real gateway wrote, a pipe
//! of 80 columns without colours. Ids, times and addresses are masked; what is left is kept beside this
//! file and read as prose when it changes (`INSTA_UPDATE=always cargo test -p seawall-gateway --test outputs`).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod mask;
mod stage;

use std::collections::BTreeSet;

use stage::Stage;

/// Verbs whose words are kept by tests of their own.
const ELSEWHERE: [&str; 2] = ["top", "journal"];

/// A configuration with one mistake in each line.
const WRONG: &str = "profile = \"interactiv\"\n[retry]\nmax_atempts = 3\n[timeout]\nconnect = \"soon\"\n";

/// Prices for the models that were asked for.
const PRICES: &str =
    "currency = \"USD\"\n[[price]]\nmodel = \"gpt-4o*\"\ninput = 2.50\ncached = 1.25\noutput = 10.00\n";

/// Two tools, each with a fault.
const TOOLS: &str = r#"[
  {"type": "function", "function": {"name": "get weather", "parameters": {"type": "object", "properties": {"day": {"type": "string"}}}}},
  {"type": "function", "function": {"name": "find", "strict": true, "parameters": {"type": "object", "properties": {"what": {"type": "string"}}}}}
]
"#;

/// What Python printed.
const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"app.py\", line 4, in <module>\n\
    openai.InternalServerError: Error code: 503 - {'error': {'message': 'The engine is currently overloaded', 'type': 'server_error', \
    'param': None, 'code': 'server_is_overloaded'}}\n";

#[test]
fn every_command_says_what_it_is_known_to_say() {
    let stage = Stage::set();
    stage.file("wrong.toml", WRONG);
    stage.file("prices.toml", PRICES);
    stage.file("tools.json", TOOLS);
    stage.file("alerts.toml", "[[alert]]\nkind = \"webhook\"\nname = \"on-call\"\nurl = \"http://127.0.0.1:9/hook\"\nsecret = \"${SECRET}\"\n");
    let mut seen = BTreeSet::new();
    let mut say = |name: &str, lines: &[&str]| {
        seen.extend(lines.iter().filter_map(|line| line.split(' ').next().map(str::to_owned)));
        let told: Vec<String> = lines.iter().map(|line| stage.told(line)).collect();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, told.join("\n"));
        });
    };
    say("help", &["help incidents", "bill -h"]);
    say("wrong", &["serv", "failures --clas x", "failures --class overloadd", "show", "config chekc", "incidents ack"]);
    say(
        "failures",
        &[
            "failures",
            "failures --model gpt-4o-mini",
            "failures --class caller_fault --json",
            "failures --upstream chaoss",
            "failures --status 5x",
            "failures --data-dir nowhere",
        ],
    );
    say("show", &["show {failed}", "show {passed}", "show {failed} --json", "show req_nobody"]);
    say(
        "incidents",
        &[
            "incidents",
            "incidents --json",
            "incidents show {incident}",
            "incidents show inc_nobody",
            "incidents ack {incident}",
            "incidents test-alert",
            "incidents test-alert --config alerts.toml",
            "incidents test-alert --config alerts.toml --sink oncall",
        ],
    );
    say(
        "bill",
        &[
            "bill",
            "bill --by class",
            "bill --prices prices.toml",
            "bill --json",
            "bill --since 2020-01-01T00:00:00Z --until 2020-01-02T00:00:00Z",
            "bill --prices tools.json",
        ],
    );
    say(
        "report",
        &[
            "report {incident} -o report.md",
            "report {incident} -o report.md",
            "report inc_nobody",
            "report --since 1h --until 2h",
            "report --data-dir nowhere",
        ],
    );
    say(
        "status",
        &["status --no-fetch", "status --no-fetch --json", "status --config wrong.toml", "status --page nonsense"],
    );
    say(
        "explain",
        &[
            "explain 503",
            "explain budget",
            "explain SW101",
            "explain insufficient_qouta",
            "explain {failed}",
            "explain --json 429",
            "explain < traceback",
        ],
    );
    say(
        "lint",
        &[
            "lint tools.json",
            "lint --json tools.json",
            "lint --diff tools.json",
            "lint nothing.json",
            "lint --format github tools.json",
        ],
    );
    say(
        "doctor",
        &["doctor --upstream {chaos}", "doctor tools.json", "doctor --upstream opnai", "doctor nothing.json"],
    );
    say(
        "rehearse",
        &[
            "rehearse --list",
            "rehearse a --seeds 1",
            "rehearse c-wiat",
            "rehearse a --seeds 0",
            "rehearse a --config wrong.toml",
        ],
    );
    say(
        "config",
        &[
            "config check",
            "config check --config wrong.toml",
            "config check --config wrong.toml --json",
            "config show",
            "config init -o tools.json",
            "config init -o new.toml",
        ],
    );
    say("demo", &["demo --seconds 1", "demo --failing 2", "demo --seconds 0"]);
    say(
        "exec",
        &[
            "exec --upstream {chaos} -- sh -c 'echo a line of its own; exit 3'",
            "exec -- no-such-program",
            "exec --config wrong.toml -- true",
            "exec",
        ],
    );
    say(
        "serve",
        &[
            "serve --listen {taken}",
            "serve --config wrong.toml",
            "serve --config nothing.toml",
            "serve --listen 0.0.0.0:0 --admin 127.0.0.1:0",
            "serve --log-format jsn",
        ],
    );
    say("chaos", &["chaos --fault 5000:2", "chaos --listen {taken}", "chaos --script nothing.toml"]);
    say("completions", &["completions", "completions bahs"]);
    let unseen: Vec<String> =
        stage.verbs().into_iter().filter(|verb| !seen.contains(verb) && !ELSEWHERE.contains(&verb.as_str())).collect();
    assert!(unseen.is_empty(), "the words of {unseen:?} are kept by nobody");
}

#[test]
fn completions_name_every_verb() {
    let stage = Stage::alone();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stage.told(&format!("completions {shell}"));
        for verb in stage.verbs() {
            assert!(script.contains(&verb), "{shell}: {verb}");
        }
    }
}

#[test]
fn what_a_program_reads_has_no_colour_and_no_hint() {
    let stage = Stage::set();
    for line in [
        "failures --json",
        "show {failed} --json",
        "incidents --json",
        "bill --json",
        "status --no-fetch --json",
        "explain --json 503",
    ] {
        let (code, out, err) = stage.run(line);
        assert_eq!((code, err.as_str()), (0, ""), "{line}");
        assert!(!out.is_empty() && !out.contains('\u{1b}'), "{line}");
        for object in out.lines() {
            assert!(
                serde_json::from_str::<serde_json::Value>(object).is_ok_and(|value| value.is_object()),
                "{line}: {object}"
            );
        }
    }
}
