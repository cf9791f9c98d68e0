//! Keeps `docs/reference` equal to what the program says: run with `UPDATE=1` to write it anew.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic and is told what to do by a variable"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use seawall_core::event::{Outcome, Reason};
use seawall_core::request::lint::rule::{RULES, Rule};
use seawall_core::verdict::Class;
use seawall_core::verdict::code::Code;
use serde_json::Value;

const VERBS: [&str; 18] = [
    "serve",
    "demo",
    "exec",
    "chaos",
    "explain",
    "lint",
    "doctor",
    "failures",
    "show",
    "incidents",
    "bill",
    "report",
    "status",
    "top",
    "rehearse",
    "journal",
    "config",
    "completions",
];

/// What the program prints, with nothing of this machine's environment in it.
fn says(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .args(arguments)
        .env_clear()
        .env("HOME", "/nowhere")
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn keep(name: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::vars().any(|(key, _)| key == "UPDATE") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, text,
        "docs/reference/{name} is stale: run `UPDATE=1 cargo test -p seawall-gateway --test reference`"
    );
}

#[test]
fn the_page_of_commands_is_what_help_says() {
    let mut page = String::from("# Commands\n\nGenerated from `seawall help`; do not edit.\n");
    let mut section = |title: &str, arguments: &[&str]| {
        write!(page, "\n## {title}\n\n```text\n{}```\n", says(arguments)).unwrap();
    };
    section("seawall", &["--help"]);
    for verb in VERBS {
        section(&format!("seawall {verb}"), &[verb, "--help"]);
    }
    section("seawall incidents test-alert", &["incidents", "test-alert", "--help"]);
    for part in ["verify", "prune", "export"] {
        section(&format!("seawall journal {part}"), &["journal", part, "--help"]);
    }
    keep("commands.md", &page);
}

#[test]
fn the_example_configuration_is_what_init_prints() {
    keep("seawall.toml", &says(&["config", "init"]));
}

#[test]
fn the_schema_is_what_the_program_prints() {
    keep("seawall.schema.json", &says(&["config", "schema"]));
}

#[test]
fn the_schema_of_a_report_is_what_the_program_prints() {
    keep("report.schema.json", &says(&["report", "--schema"]));
}

#[test]
fn the_description_of_the_api_is_what_the_program_prints() {
    keep("openapi.json", &says(&["config", "schema", "--api"]));
}

#[test]
fn the_page_of_errors_is_what_explain_says() {
    let classes = Class::ALL.iter().map(|class| class.name());
    let codes = Code::ALL.iter().map(|code| code.name());
    let mut page = String::from("# Classes and codes\n\nGenerated from `seawall explain`; do not edit.\n");
    for word in classes.chain(codes) {
        write!(page, "\n## {word}\n\n```text\n{}```\n", says(&["explain", word])).unwrap();
    }
    let outcomes: Vec<&str> = Outcome::ALL.iter().map(|word| word.name()).collect();
    let reasons: Vec<&str> = Reason::ALL.iter().map(|word| word.name()).collect();
    for (header, words) in [("x-seawall-outcome", outcomes), ("x-seawall-reason", reasons)] {
        write!(page, "\n## {header}\n\n| word | meaning | what to do |\n|---|---|---|\n").unwrap();
        for word in words {
            let told: Value =
                serde_json::from_str(&says(&["explain", "--json", &format!("{header}: {word}")])).unwrap();
            let also = |also: &&Value| also["word"] == word && told["word"] != word;
            let meaning = told["also"].as_array().into_iter().flatten().find(also).unwrap_or(&told)["meaning"].clone();
            let next: Vec<&str> = told["next"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
            writeln!(page, "| `{word}` | {} | {} |", meaning.as_str().unwrap(), next.join("; ")).unwrap();
        }
    }
    keep("errors.md", &page);
}

/// What the first digit of a rule's code says.
const CHAPTERS: [(char, &str); 6] = [
    ('0', "The document"),
    ('1', "Tools"),
    ('2', "Schemas"),
    ('3', "Strict schemas"),
    ('4', "Messages and calls"),
    ('5', "The request"),
];

#[test]
fn the_page_of_rules_is_the_table_of_lint() {
    let mut page = String::from(
        "# The rules of `seawall lint`\n\nGenerated from the table that the linter and `seawall explain SW…` read; do not \
         edit. *Error* is what the target is known to refuse, *warning* what was refused at some time or by some, or is taken \
         and means something else, *note* what could be better. How to use it: [the guide](../guides/tools.md).\n",
    );
    let mut count = 0;
    for (digit, chapter) in CHAPTERS {
        let rules = || RULES.iter().filter(move |rule| rule.code[2..].starts_with(digit));
        write!(page, "\n## {chapter}\n\n| code | name | severity | what is wrong |\n|---|---|---|---|\n").unwrap();
        for rule in rules() {
            let anchor = format!("{}-{}", rule.code.to_lowercase(), rule.name);
            let (code, name, says) = (rule.code, rule.name, cell(rule.says));
            writeln!(page, "| [{code}](#{anchor}) | {name} | {} | {says} |", rule.severity).unwrap();
        }
        rules().for_each(|rule| tell_rule(rule, &mut page));
        count += rules().count();
    }
    assert_eq!(count, RULES.len(), "every rule has its chapter");
    keep("lint.md", &page);
}

fn tell_rule(rule: &Rule, page: &mut String) {
    let refused_by: Vec<&str> = rule.targets.iter().map(|target| target.name()).collect();
    let refused_by = if refused_by.is_empty() { "all".to_owned() } else { refused_by.join(", ") };
    write!(page, "\n### {} {}\n\n{}\n\n", rule.code, rule.name, rule.says).unwrap();
    writeln!(page, "- **severity**: {}, for {refused_by}", rule.severity).unwrap();
    if let Some(limit) = rule.limit {
        writeln!(page, "- **limit**: `{limit}`").unwrap();
    }
    writeln!(page, "- **reply**: {}", code_span(rule.reply)).unwrap();
    writeln!(page, "- **known from**: {} (last seen {})", rule.source, rule.seen).unwrap();
    writeln!(page, "- **fix**: {}", rule.fix).unwrap();
    for (what, text) in [("Refused", rule.bad), ("Taken", rule.good)].into_iter().filter(|(_, text)| !text.is_empty()) {
        let shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        write!(page, "\n{what}:\n\n```json\n{shown}\n```\n").unwrap();
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Text as code, whatever quotes of that kind it has.
fn code_span(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
