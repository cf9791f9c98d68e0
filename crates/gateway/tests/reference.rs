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

/// The verbs below `path`, in the order in which its help lists them.
fn verbs(path: &[String]) -> Vec<String> {
    let help = says(&[path.iter().map(String::as_str).collect(), vec!["-h"]].concat());
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines =
        lines.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

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
    let mut left = vec![Vec::new()];
    while let Some(path) = left.pop() {
        let title = [&["seawall".to_owned()], path.as_slice()].concat().join(" ");
        let help = says(&[path.iter().map(String::as_str).collect(), vec!["--help"]].concat());
        write!(page, "\n## {title}\n\n```text\n{help}```\n").unwrap();
        let below = verbs(&path).into_iter().rev().map(|verb| [path.as_slice(), &[verb]].concat());
        left.extend(below.collect::<Vec<_>>());
    }
    assert!(page.contains("## seawall incidents test-alert"), "verbs below verbs have their sections");
    keep("commands.md", &page);
}

#[test]
fn the_page_of_exit_codes_is_what_help_says() {
    let help = says(&["--help"]);
    let below = |title: &str| -> Vec<(String, String)> {
        let lines = help.lines().skip_while(|line| *line != title).skip(1).take_while(|line| !line.is_empty());
        let rows = lines.filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
        rows.filter(|(word, _)| !word.starts_with(['`', 'A']))
            .map(|(word, says)| (word.into(), says.trim().into()))
            .collect()
    };
    let mut page =
        String::from("# Exit codes\n\nGenerated from `seawall --help`; do not edit.\n\n| code | means |\n|--:|---|\n");
    let codes = below("Exit codes:");
    assert_eq!(codes.len(), 7, "{codes:?}");
    for (code, means) in &codes {
        writeln!(page, "| {code} | {means} |").unwrap();
    }
    page.push_str(
        "\n`seawall exec` passes on the code of its command: 127 if there is none of that name, 126 if it cannot be run, 128 \
         and the signal's number if a signal ended it.\n\nWhere a verb has a narrower meaning for a code, its help says so.\n",
    );
    for path in verbs(&[]).iter().flat_map(|verb| {
        let below = verbs(std::slice::from_ref(verb)).into_iter().map(|sub| vec![verb.clone(), sub]);
        [vec![verb.clone()]].into_iter().chain(below.collect::<Vec<_>>())
    }) {
        let own = says(&[path.iter().map(String::as_str).collect(), vec!["--help"]].concat());
        if let Some(at) = own.find("Exit codes: ").filter(|_| !path.is_empty()) {
            let text = own[at + 12..].lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
            write!(page, "\n- `seawall {}`: {}", path.join(" "), text.trim_end_matches('.')).unwrap();
        }
    }
    page.push_str("\n\n## Environment\n\n| variable | does |\n|---|---|\n");
    for (name, does) in below("Environment:") {
        writeln!(page, "| `{name}` | {does} |").unwrap();
    }
    keep("exit-codes.md", &page);
}

#[test]
fn the_example_configuration_is_what_init_prints() {
    keep("seawall.toml", &says(&["config", "init"]));
}

#[test]
fn the_page_of_keys_is_the_schema() {
    let schema: Value = serde_json::from_str(&says(&["config", "schema"])).unwrap();
    let mut page = String::from(
        "# Configuration keys\n\nGenerated from `seawall config schema`; do not edit. The same as a file with every key commented \
         out: [seawall.toml](seawall.toml). `seawall config check` tells what is wrong with yours, `seawall config show` what is in \
         force and why.\n",
    );
    keys_of(&schema, "", &mut page);
    keep("config.md", &page);
}

/// A section for a table of the file, with a row for each of its keys; then one for each table below it.
fn keys_of(table: &Value, path: &str, page: &mut String) {
    let Some(keys) = table["properties"].as_object() else { return };
    let is_table = |key: &Value| key["type"] == "object" && key["properties"].is_object();
    let is_list = |key: &Value| key["items"]["properties"].is_object();
    let (tables, values): (Vec<_>, Vec<_>) = keys.iter().partition(|(_, key)| is_table(key) || is_list(key));
    if !values.is_empty() {
        page.push_str("\n| key | default | takes | does |\n|---|---|---|---|\n");
    }
    for (name, key) in values {
        let default = key.get("default").map_or_else(|| "–".to_owned(), |value| code_span(&cell(&value.to_string())));
        let says = cell(key["description"].as_str().unwrap_or_default()).replace('\n', " ");
        assert!(!says.is_empty(), "{path}.{name} has no description");
        writeln!(page, "| `{name}` | {default} | {} | {says} |", takes(key)).unwrap();
    }
    for (name, key) in tables {
        let (key, path, header) = if is_list(key) {
            let path = format!("{path}{name}");
            (&key["items"], path.clone(), format!("[[{path}]]"))
        } else {
            let path = format!("{path}{name}");
            (key, path.clone(), format!("[{path}]"))
        };
        let about = key["description"].as_str().or_else(|| keys[name]["description"].as_str()).unwrap_or_default();
        write!(page, "\n## {header}\n\n{}\n", about.replace('\n', " ")).unwrap();
        keys_of(key, &format!("{path}."), page);
    }
}

/// What a key may be set to, in a few words.
fn takes(key: &Value) -> String {
    if let Some(words) = key["enum"].as_array() {
        return words.iter().map(|word| code_span(&word.to_string())).collect::<Vec<_>>().join(", ");
    }
    let kind = match key["type"].as_str() {
        Some("integer" | "number") => "a number",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        Some("object") => "a table of names",
        _ => "text",
    };
    let limit =
        |names: [&str; 2]| names.iter().find_map(|name| key.get(*name)).map(|value| value.to_string().replace('"', ""));
    match (limit(["minimum", "x-minimum"]), limit(["maximum", "x-maximum"])) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (Some(from), None) => format!("{from} or more"),
        (None, Some(to)) => format!("up to {to}"),
        (None, None) => kind.to_owned(),
    }
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
