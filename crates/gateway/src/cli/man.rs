//! Keeps `docs/man` equal to the command line: run with `UPDATE=1` to write it anew.
//!
//! The pages are made here and not by the program: a package takes them from the folder, and the
//! program stays as small as it is.

#![expect(clippy::disallowed_methods, reason = "a test is told what to do by a variable")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::*;

/// The section of the manual: commands of users.
const SECTION: &str = "1";

/// The name of the file and what is in it, of the program and of every verb.
fn pages() -> Vec<(String, String)> {
    let mut program = Cli::command();
    program.build();
    let mut found = Vec::new();
    walk(&program, &["seawall"], &mut found);
    found.sort();
    found
}

fn walk(command: &Command, path: &[&str], found: &mut Vec<(String, String)>) {
    found.push((format!("{}.{SECTION}", path.join("-")), page_of(command, path).unwrap()));
    for verb in verbs(command) {
        walk(verb, &[path, &[verb.get_name()]].concat(), found);
    }
}

fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set())
}

fn page_of(command: &Command, path: &[&str]) -> std::io::Result<String> {
    let name = path.join("-");
    // A name lives as long as the program, for clap; here that is a test.
    let titled = command.clone().name(name.clone().leak() as &str).display_name(&name).bin_name(path.join(" "));
    let usage = titled.clone().render_usage().to_string();
    let man = Man::new(titled).title(&name).section(SECTION).manual("Seawall");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    writeln!(page, ".SH SYNOPSIS\n.nf\n{}\n.fi", escaped(usage.trim_start_matches("Usage: ").trim()))?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if verbs(command).next().is_some() {
        writeln!(page, ".SH COMMANDS")?;
    }
    for verb in verbs(command) {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        let verb = escaped(&format!("{name}-{}", verb.get_name()));
        writeln!(page, ".TP\n\\fB{verb}\\fR({SECTION})\n{}", escaped(&about))?;
    }
    // What stands below is put in as it is: filled like a paragraph, examples would be one long line.
    for line in command.get_after_long_help().map(ToString::to_string).unwrap_or_default().lines() {
        match line.split_once(':').filter(|(head, _)| line.starts_with(char::is_uppercase) && head.len() < 14) {
            Some((head, rest)) => {
                writeln!(page, ".SH {}\n.nf", head.to_uppercase())?;
                write!(page, "{}", if rest.is_empty() { String::new() } else { escaped(rest.trim()) + "\n" })?;
            }
            None if line.starts_with("Faults, ") => writeln!(page, ".SH FAULTS\n.nf")?,
            None if line.is_empty() => writeln!(page, ".fi")?,
            None => writeln!(page, "{}", escaped(line))?,
        }
    }
    if let Some((_, above)) = path.split_last().filter(|(_, above)| !above.is_empty()) {
        writeln!(page, ".fi\n.SH SEE ALSO\n\\fB{}\\fR({SECTION})", escaped(&above.join("-")))?;
    }
    Ok(String::from_utf8(page).unwrap().replace('…', "..."))
}

/// Text that the formatter takes for nothing else.
fn escaped(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
        if line.starts_with('.') { format!("\\&{line}") } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man")
}

#[test]
fn the_manual_is_what_help_says() {
    let pages = pages();
    if std::env::vars().any(|(key, _)| key == "UPDATE") {
        let _ = fs::remove_dir_all(folder());
        fs::create_dir_all(folder()).unwrap();
        for (name, page) in &pages {
            fs::write(folder().join(name), page).unwrap();
        }
    }
    for (name, page) in &pages {
        let kept = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert_eq!(&kept, page, "docs/man/{name} is stale: run `UPDATE=1 cargo test -p seawall-gateway manual`");
    }
    let files = fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, pages.len(), "docs/man has pages of no verb");
}

#[test]
fn a_page_of_the_manual_is_text() {
    for (name, page) in pages() {
        assert!(page.is_ascii(), "{name}: {:?}", page.chars().find(|c| !c.is_ascii()));
        for section in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", ".SH EXAMPLES"] {
            assert!(page.contains(section), "{name} has no {section}");
        }
    }
}
