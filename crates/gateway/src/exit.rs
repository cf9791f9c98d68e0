//! How the program ends: the exit codes, and the last words.

use std::fmt::Display;

/// An exit code.
pub(crate) type Exit = u8;

/// All is well.
pub(crate) const OK: Exit = 0;
/// Problems were found: what was asked for is not there, or not right.
pub(crate) const FOUND: Exit = 1;
/// The command line makes no sense.
pub(crate) const USAGE: Exit = 2;
/// The configuration is invalid.
pub(crate) const CONFIG: Exit = 3;
/// Something could not be reached or started: a port, a journal, a data directory.
pub(crate) const CANNOT_START: Exit = 4;
/// The upstream is at fault.
pub(crate) const UPSTREAM: Exit = 5;
/// A mistake of ours.
pub(crate) const INTERNAL: Exit = 70;

/// Every code and what it means, as `seawall --help` has them.
pub(crate) const CODES: [(Exit, &str); 7] = [
    (OK, "all is well"),
    (FOUND, "problems were found, or what was asked for is not there"),
    (USAGE, "the command line makes no sense"),
    (CONFIG, "the configuration is invalid"),
    (CANNOT_START, "something cannot be reached, read or started: gateway, journal, port"),
    (UPSTREAM, "an upstream or a receiver of alerts is at fault"),
    (INTERNAL, "a mistake of Seawall's own"),
];

/// Says what went wrong and what to do, and gives the code back.
pub(crate) fn fail(code: Exit, error: &dyn Display, hint: &str) -> Exit {
    eprintln!("error: {error}");
    if !hint.is_empty() {
        eprintln!("hint: {hint}");
    }
    code
}
