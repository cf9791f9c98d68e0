//! Any bytes, in any pieces and any dialect: a watch tells the same story.
#![no_main]

#[path = "../../crates/core/tests/streams/checks.rs"]
#[allow(dead_code, reason = "the checks of the other target are in there too")]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::story_of(input));
