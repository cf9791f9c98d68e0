//! Regular expressions without lookaround and backreferences, as people write them and as they come.

use proptest::prelude::*;
use proptest::sample::select;

/// One character, however it may be written.
const ATOMS: [&str; 30] = [
    "a", "Z", "0", "_", " ", "-", "@", "/", ":", ",", "é", "日", ".", r"\.", r"\/", r"\-", r"\\", r"\$", r"\{", r"\d",
    r"\D", r"\w", r"\W", r"\s", r"\S", r"\t", r"\n", r"\u00e9", r"\x41", r"\(",
];
/// Classes with the brackets, slashes and carets where they are easily misread.
const CLASSES: [&str; 14] = [
    "[a-z]",
    "[^a-z]",
    r"[\w.-]",
    r"[^\s@]",
    r"[\]]",
    r"[^\]\\]",
    "[(?=]",
    "[(?!)]",
    r"[\d\-/]",
    "[$^]",
    "[.*+?]",
    r"[\u0020-\u007e]",
    "[-a]",
    r"[\[\]{}]",
];
const TIMES: [&str; 10] = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0,3}", "{1,}", "{1,3}?"];

/// An expression that is made by the grammar.
pub(crate) fn made() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![4 => select(&ATOMS[..]), 2 => select(&CLASSES[..])].prop_map(str::to_owned);
    let body = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            // Of a group, so that what is repeated is one thing.
            2 => (inner.clone(), select(&TIMES[..])).prop_map(|(part, times)| format!("(?:{part}){times}")),
            2 => (select(&ATOMS[..]), select(&TIMES[..])).prop_map(|(part, times)| format!("{part}{times}")),
            1 => inner.clone().prop_map(|part| format!("({part})")),

            1 => prop::collection::vec(inner, 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
        ]
    });
    (body, select(vec!["", "^"]), select(vec!["", "$", r"\b"]))
        .prop_map(|(body, start, end)| format!("{start}{body}{end}"))
}

/// Anything that looks like one.
pub(crate) fn found() -> impl Strategy<Value = String> {
    prop_oneof![
        r"[\[\]()?*+|^$\\.{},:<>=!a-c0-3dwsb-]{0,12}",
        r"(\(|\(\?|\[|\]|\)|\\|[a-c]|[?*+]|\||\{1|\}|[=!<>:]){0,10}"
    ]
}
