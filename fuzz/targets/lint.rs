//! Any bytes, for any target: what is found lies where it says, and what is mended has nothing left to mend.
#![no_main]

#[path = "../../crates/core/tests/lint/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::document_of(input));
