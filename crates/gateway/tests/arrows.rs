//! Holds the map to the house: the arrows in `ARCHITECTURE.md` are those of the code, no more
//! and no fewer.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

type Arrows = BTreeSet<(String, String, String)>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the table says: lines `crate: from -> to to`.
fn drawn() -> Arrows {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = page.split("```arrows").nth(1).and_then(|rest| rest.split("```").next()).expect("a table of arrows");
    let mut arrows = Arrows::new();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let (part, rest) = line.split_once(": ").expect("crate: from -> to");
        let (from, to) = rest.split_once(" -> ").expect("from -> to");
        for to in to.split_whitespace() {
            arrows.insert((part.into(), from.into(), to.into()));
        }
    }
    arrows
}

/// What the code does: paths that begin with `crate::`, in code and not in comments or tests.
fn built() -> Arrows {
    let mut arrows = Arrows::new();
    for part in ["core", "client", "gateway"] {
        let src = root().join("crates").join(part).join("src");
        for file in files(&src) {
            let inside = file.strip_prefix(&src).unwrap();
            let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let from = first.trim_end_matches(".rs");
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            if inside.ends_with("tests.rs") {
                continue;
            }
            for to in code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(targets) {
                if from != to && from != "lib" {
                    arrows.insert((part.into(), from.into(), to));
                }
            }
            if from == "main" {
                for to in code.lines().filter_map(|line| line.strip_prefix("mod ")) {
                    let to = to.trim_end_matches(';');
                    let is_used = code.contains(&format!("{to}::"));
                    if is_used {
                        arrows.insert((part.into(), from.into(), to.into()));
                    }
                }
            }
        }
    }
    arrows
}

fn targets(line: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    line.match_indices("crate::").map(|(at, found)| word(&line[at + found.len()..])).filter(|w| !w.is_empty()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_arrows_of_the_map_are_those_of_the_code() {
    let (drawn, built) = (drawn(), built());
    let show = |arrows: Vec<&(String, String, String)>| {
        arrows.iter().map(|(part, from, to)| format!("  {part}: {from} -> {to}\n")).collect::<String>()
    };
    let missing = show(built.difference(&drawn).collect());
    let gone = show(drawn.difference(&built).collect());
    assert!(missing.is_empty() && gone.is_empty(), "not on the map:\n{missing}on the map only:\n{gone}");
}

#[test]
fn no_module_is_reached_from_what_it_reaches() {
    let built = built();
    let next = |part: &str, from: &str| -> Vec<String> {
        built.iter().filter(|(p, f, _)| p == part && f == from).map(|(_, _, to)| to.clone()).collect()
    };
    for (part, start, _) in &built {
        let mut open = next(part, start);
        let mut seen = BTreeSet::new();
        while let Some(at) = open.pop() {
            assert_ne!(&at, start, "{part}: {start} is reached from what it reaches");
            if seen.insert(at.clone()) {
                open.extend(next(part, &at));
            }
        }
    }
}

#[test]
fn the_walls_between_the_crates_stand() {
    for (part, forbidden) in [
        ("core", &["tokio", "hyper", "seawall", "seawall-sim", "seawall-chaos", "tracing", "rusqlite"][..]),
        ("sim", &["tokio", "hyper", "seawall", "seawall-chaos"]),
        ("chaos", &["seawall", "seawall-sim", "hyper"]),
        ("client", &["rusqlite", "clap", "seawall-sim", "tracing-subscriber", "prometheus-client"]),
    ] {
        let manifest = fs::read_to_string(root().join("crates").join(part).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in dependencies.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(!forbidden.contains(&name), "{part} must not depend on {name}");
        }
    }
}
