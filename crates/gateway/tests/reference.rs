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

const VERBS: [&str; 10] =
    ["serve", "demo", "exec", "chaos", "explain", "failures", "show", "status", "config", "completions"];

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
fn the_page_of_errors_is_what_explain_says() {
    let words = [
        "ok",
        "not_sent",
        "stale_connection",
        "bad_gateway",
        "server_error",
        "overloaded",
        "ambiguous",
        "rate_limited",
        "quota",
        "auth",
        "caller_fault",
        "mid_stream",
        "cancelled",
        "seawall_connect",
        "seawall_tls",
        "seawall_upstream_protocol",
        "seawall_bad_reply",
        "seawall_upstream_error",
        "seawall_deadline",
        "seawall_timeout",
        "seawall_unavailable",
        "seawall_shed",
        "seawall_draining",
        "seawall_body_too_large",
        "seawall_headers_too_large",
        "seawall_uri_too_long",
        "seawall_malformed",
        "seawall_request_timeout",
        "seawall_unauthorized",
        "seawall_origin",
        "seawall_loop",
        "seawall_stream_interrupted",
        "seawall_internal",
    ];
    let mut page = String::from("# Classes and codes\n\nGenerated from `seawall explain`; do not edit.\n");
    for word in words {
        write!(page, "\n## {word}\n\n```text\n{}```\n", says(&["explain", word])).unwrap();
    }
    keep("errors.md", &page);
}
