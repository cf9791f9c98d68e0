//! The library and the gateway are one engine: what is scripted happens to both in the same way.
//!
//! One table of cases, two drivers. Each case says what is asked for, what the upstreams do, and what is
//! expected: every failed attempt, how the request ends, in which order that is told, and what the caller is
//! told. The library is driven on real sockets, with an observer that notes what it hears; the gateway is the
//! real program, asked over a socket, and its record is read back over its API. Both are compared with the
//! table, and with each other.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod case;
mod gateway;
mod library;
mod seen;
mod setting;
mod table;
mod world;

use std::collections::BTreeSet;

use case::Case;
use seawall_core::event::{Outcome, Reason};
use seawall_core::verdict::{Class, Fault};
use seen::Seen;
use setting::{SETTINGS, Setting};

/// What is wrong with `case`, if anything is.
fn differences(case: &Case, library: &Seen, gateway: &Seen) -> Vec<String> {
    let mut found = case.differs("library", library);
    found.extend(case.differs("gateway", gateway));
    found.extend(library.differs(gateway).into_iter().map(|what| format!("{}: they differ: {what}", case.name)));
    found
}

/// What is wrong with the cases of `setting`.
async fn wrong(setting: &Setting, cases: &[Case]) -> Vec<String> {
    let cases: Vec<&Case> = cases.iter().filter(|case| case.setting == setting.name).collect();
    assert!(!cases.is_empty(), "no case for the setting {}", setting.name);
    let (library, gateway) = tokio::join!(library::play(setting, &cases), gateway::play(setting, &cases));
    assert_eq!((library.len(), gateway.len()), (cases.len(), cases.len()));
    let played = cases.iter().zip(&library).zip(&gateway);
    played.flat_map(|((case, library), gateway)| differences(case, library, gateway)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_library_and_the_gateway_do_and_tell_the_same() {
    let cases = table::cases();
    // Most cases are of the first setting. The others are played beside it, one after the other.
    let (first, others) = SETTINGS.split_first().expect("a setting");
    let beside = async {
        let mut found = Vec::new();
        for setting in others {
            found.extend(wrong(setting, &cases).await);
        }
        found
    };
    let (found, beside) = tokio::join!(wrong(first, &cases), beside);
    let found = [found, beside].concat();
    assert!(found.is_empty(), "{} differences in {} cases:\n{}", found.len(), cases.len(), found.join("\n"));
}

#[test]
fn every_case_is_named_once_and_has_a_setting() {
    let cases = table::cases();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for case in &cases {
        assert!(SETTINGS.iter().any(|setting| setting.name == case.setting), "{}: {}", case.name, case.setting);
    }
}

/// Of a closed list of words: each is in a case, or it is said why in none, and never both.
fn complete(what: &str, all: &[&str], found: &BTreeSet<String>, absent: &[(&str, &str)]) {
    for word in all {
        let why = absent.iter().find(|(absent, _)| absent == word);
        match (found.contains(*word), why) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => panic!("{what} {word} is in a case, and said to be in none"),
            (false, None) => panic!("{what} {word} is in no case, and it is not said why"),
        }
    }
    for (word, _) in absent {
        assert!(all.contains(word), "{what} {word} does not exist");
    }
}

#[test]
fn every_word_of_the_record_is_in_a_case_or_it_is_said_why_not() {
    let cases = table::cases();
    let column = |at: usize| -> BTreeSet<String> {
        let tries = cases.iter().flat_map(|case| case.tries.iter());
        tries.map(|told| told.split(' ').nth(at).expect("seven columns").to_owned()).collect()
    };
    let end = |at: usize| -> BTreeSet<String> {
        cases.iter().map(|case| case.ends.split(' ').nth(at).expect("four columns").to_owned()).collect()
    };
    let names = |all: Vec<&'static str>| all;
    complete("fault", &names(Fault::ALL.iter().map(|word| word.name()).collect()), &column(4), &table::NO_FAULTS);
    complete("class", &names(Class::ALL.iter().map(|word| word.name()).collect()), &column(2), &table::NO_CLASSES);
    complete("outcome", &names(Outcome::ALL.iter().map(|word| word.name()).collect()), &end(0), &table::NO_OUTCOMES);
    let reasons: BTreeSet<String> = column(6).union(&end(1)).cloned().collect();
    complete("reason", &names(Reason::ALL.iter().map(|word| word.name()).collect()), &reasons, &table::NO_REASONS);
}
