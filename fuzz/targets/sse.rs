//! Any bytes, in any pieces: the scanner hands out the same events, and `Ends` the same ends.
#![no_main]

#[path = "../../crates/core/tests/streams/checks.rs"]
#[allow(dead_code, reason = "the checks of the other target are in there too")]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::events_of(input));
