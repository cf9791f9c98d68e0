//! The documentation holds together: links lead somewhere, configurations are valid, every page is in the book.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that hold nothing of ours.
const NOT_OURS: [&str; 4] = [".git", ".test", "target", "node_modules"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every page of the repository, and its text.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            // What a link leads to is somebody else's.
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "md") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path, text);
            }
        }
    }
    assert!(found.len() > 40, "{} pages", found.len());
    found
}

/// A page without its blocks of code; code within a line is left out as well.
fn prose(text: &str) -> String {
    let mut fence: Option<&str> = None;
    let mut kept = String::new();
    for line in text.lines() {
        let mark = line.trim_start();
        match fence {
            Some(open) if mark.starts_with(open) => fence = None,
            Some(_) => {}
            None if mark.starts_with("```") => {
                fence = Some(&mark[..mark.bytes().take_while(|b| *b == b'`').count()]);
            }
            None => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    let mut plain = String::new();
    let mut rest = kept.as_str();
    while let Some(at) = rest.find('`') {
        let ticks = rest[at..].bytes().take_while(|b| *b == b'`').count();
        plain.push_str(&rest[..at]);
        let after = &rest[at + ticks..];
        let end = after.find(&"`".repeat(ticks)).map_or(after.len(), |end| end + ticks);
        rest = &after[end..];
    }
    plain + rest
}

/// The blocks of code of a page, each with the word behind its fence.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(word) => {
                is_open = true;
                found.push((word.to_owned(), String::new()));
            }
            None if is_open => {
                let (_, block) = found.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    found
}

/// What links of a page lead to.
fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    let targets = text.match_indices("](").map(|(at, _)| &text[at + 2..]);
    targets.filter_map(|rest| Some(rest[..rest.find(')')?].to_owned())).collect()
}

/// Anchors of a page, as GitHub makes them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let Some(heading) = line.strip_prefix('#').filter(|_| !is_code) else { continue };
        let heading = heading.trim_start_matches('#').trim();
        let slug: String = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut anchor = slug.clone();
        for n in 1.. {
            if found.insert(anchor.clone()) {
                break;
            }
            anchor = format!("{slug}-{n}");
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (page, text) in &pages {
        for link in links(text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let to = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let Ok(to) = to.canonicalize() else {
                wrong.push(format!("{}: {link}: there is no such file", page.display()));
                continue;
            };
            let has = |anchor: &&str| pages.get(&to).is_some_and(|text| anchors(text).contains(*anchor));
            if anchor.is_some() && !anchor.is_some_and(|anchor| has(&anchor)) {
                wrong.push(format!("{}: {link}: there is no such heading", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 150, "{count} links: are they still found?");
}

#[test]
fn the_book_lists_every_page_of_its_own() {
    let docs = root().join("docs");
    let book = fs::read_to_string(docs.join("README.md")).unwrap();
    let listed: BTreeSet<PathBuf> = links(&book)
        .iter()
        .filter_map(|link| docs.join(link.split('#').next().unwrap_or_default()).canonicalize().ok())
        .collect();
    let left: Vec<PathBuf> = pages()
        .into_keys()
        .filter(|page| page.starts_with(&docs) && *page != docs.join("README.md") && !listed.contains(page))
        .collect();
    assert!(left.is_empty(), "not in docs/README.md: {left:?}");
}

#[test]
fn every_configuration_that_is_shown_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seawall.toml");
    let mut count = 0;
    for (page, text) in pages() {
        for (word, block) in blocks(&text) {
            if !is_configuration(&word, &block) {
                continue;
            }
            count += 1;
            // Credentials of the example's own.
            for name in block.split("${credential:").skip(1).filter_map(|rest| rest.split('}').next()) {
                fs::write(folder.path().join(name), value(name)).unwrap();
            }
            // What goes on from another block says what it is about, and an upstream has an address.
            let needs = block.contains("[[upstream]]") || !block.contains("[[route]]");
            if !needs {
                continue;
            }
            fs::write(&file, &block).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
            command.args(["config", "check", "--config"]).arg(&file).env_clear();
            command.env("HOME", folder.path()).env("CREDENTIALS_DIRECTORY", folder.path());
            for at in block.match_indices("${").map(|(at, _)| at + 2) {
                let name: String = block[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                command.env(&name, value(&name));
            }
            let said = command.output().unwrap();
            let why = String::from_utf8_lossy(&said.stderr);
            assert!(said.status.success(), "{}:\n{block}\n{why}", page.display());
        }
    }
    assert!(count >= 10, "{count} configurations: are they still found?");
}

/// Whether a block is a configuration of ours: others are tables of prices, stories, and other programs'.
fn is_configuration(word: &str, block: &str) -> bool {
    let heads =
        ["[server]", "[retry", "[budget]", "[breaker]", "[hedge]", "[timeout]", "[stream]", "[wait]", "[incident]"];
    let more =
        ["[[upstream]]", "[[route]]", "[[alert]]", "[status_page]", "[journal]", "[[client]]", "[diagnose]", "[adopt]"];
    word == "toml" && heads.iter().chain(&more).any(|head| block.contains(head))
}

/// A value that a variable of this name may have.
fn value(name: &str) -> String {
    match name {
        name if name.contains("URL") => "https://hooks.example/services/x".to_owned(),
        "ALERT_SECRET" => "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned(),
        // No two keys are equal.
        _ => format!("{name}-0123456789abcdef"),
    }
}

#[test]
fn the_programs_in_rust_are_those_that_are_built() {
    let page = fs::read_to_string(root().join("docs/start/rust.md")).unwrap();
    let programs: Vec<_> = blocks(&page).into_iter().filter(|(word, _)| word == "rust").collect();
    let files = ["tests/sdk/rust/src/bin/start.rs", "crates/client/examples/start.rs"];
    assert_eq!(programs.len(), files.len());
    for ((_, block), file) in programs.iter().zip(files) {
        let built = fs::read_to_string(root().join(file)).unwrap();
        assert!(built.ends_with(&format!("\n\n{block}")), "docs/start/rust.md and {file} differ");
    }
}

#[test]
fn the_finder_of_links_and_headings_finds_them() {
    let page = "# A `b` C: d\n[x](y.md#z) `[no](no.md)`\n```md\n[no](no.md)\n# no\n```\n[a](#a-b-c-d)\n# A b c d\n";
    assert_eq!(links(page), ["y.md#z", "#a-b-c-d"]);
    assert_eq!(anchors(page).into_iter().collect::<Vec<_>>(), ["a-b-c-d", "a-b-c-d-1"]);
}
