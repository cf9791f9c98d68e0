//! What every crate of the workspace promises, read from the manifests and asked of cargo: no `unsafe`, packages that can be
//! published and hold what their readers need, and a library that brings few others along.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The most crates that come with the library without a feature, itself and what builds them included. Somebody who adds it
/// to a program answers for each.
const LIBRARY_CRATES_MAX: usize = 100;
/// The most keywords and categories of a package: the registry refuses more.
const WORDS_MAX: usize = 5;
/// The longest keyword, in bytes: the registry refuses a longer one.
const KEYWORD_BYTES_MAX: usize = 20;
/// What a package has to hold beside its code.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
/// What is for this workspace alone.
const PRIVATE: [&str; 1] = ["seawall-bench"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn manifest(path: &Path) -> toml::Table {
    let path = path.join("Cargo.toml");
    std::fs::read_to_string(&path).unwrap().parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What cargo says on its standard output. It asks nobody: what is locked is there.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The packages of the workspace, as cargo sees them, by name.
fn packages() -> BTreeMap<String, Value> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version=1", "--no-deps"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), package.clone())).collect()
}

fn folder(package: &Value) -> PathBuf {
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// Those that anybody may take from a registry.
fn public() -> impl Iterator<Item = (String, Value)> {
    packages().into_iter().filter(|(_, package)| package["publish"].is_null())
}

#[test]
fn no_crate_may_say_unsafe() {
    let workspace = manifest(&root());
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for (name, package) in packages() {
        let lints =
            manifest(&folder(&package)).remove("lints").unwrap_or_else(|| panic!("{name} has lints of its own"));
        assert_eq!(lints, toml::toml! { workspace = true }.into(), "{name}");
    }
}

#[test]
fn what_is_public_is_public_on_purpose() {
    let private: Vec<_> = packages().into_iter().filter(|(_, package)| !package["publish"].is_null()).collect();
    assert_eq!(private.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), PRIVATE);
    for (name, package) in private {
        assert_eq!(package["publish"], serde_json::json!([]), "{name}");
    }
}

#[test]
fn every_public_package_says_what_it_is_and_under_which_terms() {
    for (name, package) in public() {
        let folder = folder(&package);
        assert!(package["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no description");
        assert_eq!(package["license"].as_str(), Some("Apache-2.0 OR MIT"), "{name}");
        assert!(package["rust_version"].is_string(), "{name} does not say which Rust it needs");
        let readme = folder.join(package["readme"].as_str().unwrap_or_else(|| panic!("{name} has no README")));
        assert!(readme.is_file(), "{} is not there", readme.display());
        for licence in LICENCES {
            let own = std::fs::read(folder.join(licence)).unwrap_or_else(|error| panic!("{name}, {licence}: {error}"));
            assert_eq!(own, std::fs::read(root().join(licence)).unwrap(), "{name}, {licence}");
        }
        for (list, longest) in [("keywords", KEYWORD_BYTES_MAX), ("categories", usize::MAX)] {
            let words: Vec<_> = package[list].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert!((1..=WORDS_MAX).contains(&words.len()), "{name}, {list}: {words:?}");
            assert!(words.iter().all(|word| word.len() <= longest), "{name}, {list}: {words:?}");
        }
    }
}

#[test]
fn the_crates_ask_for_each_other_in_the_version_that_they_have() {
    let workspace = &manifest(&root())["workspace"];
    let version = workspace["package"]["version"].as_str();
    let mut own = 0;
    for (name, asked) in workspace["dependencies"].as_table().unwrap() {
        if asked.get("path").is_some() {
            assert_eq!(asked.get("version").and_then(toml::Value::as_str), version, "{name}");
            own += 1;
        }
    }
    assert!(own > 0, "no crate of the workspace is asked for by another");
    for (name, package) in packages() {
        assert_eq!(package["version"].as_str(), version, "{name}");
    }
}

#[test]
fn the_library_without_features_brings_at_most_a_hundred_crates() {
    let tree = cargo(&["tree", "-p", "seawall", "--no-default-features", "-e", "normal,build", "--prefix", "none"]);
    let crates: BTreeSet<_> =
        tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    assert!(crates.iter().any(|line| line.starts_with("seawall-core v")), "this is no tree of the library: {tree}");
    assert!(crates.len() <= LIBRARY_CRATES_MAX, "{} crates:\n{tree}", crates.len());
}

/// A package is built from its own folder alone: what is outside it is not there.
#[test]
fn no_public_code_takes_in_a_file_from_outside_its_package() {
    for (name, package) in public() {
        let folder = folder(&package).canonicalize().unwrap();
        let mut taken = 0;
        for file in sources(&folder.join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (at, _) in text.match_indices("include_str!(\"").chain(text.match_indices("include_bytes!(\"")) {
                let path = text[at..].split('"').nth(1).unwrap();
                let full = file.parent().unwrap().join(path).canonicalize();
                let full = full.unwrap_or_else(|error| panic!("{}, {path}: {error}", file.display()));
                assert!(full.starts_with(&folder), "{name}: {} takes in {}", file.display(), full.display());
                taken += 1;
            }
        }
        if name == "seawall-gateway" {
            assert!(taken > 0, "nothing was looked at: the dashboard takes in its style");
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
            false => {}
        }
    }
    found
}
