//! What a driver saw of a case.

use seawall_core::event::{Attempt, Ended};

/// What a driver saw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// The failed attempts, in the order in which they were told.
    pub(crate) tries: Vec<Try>,
    /// Outcome, reason, status and attempts.
    pub(crate) ends: String,
    /// What happened in which order.
    pub(crate) order: String,
    /// What the caller was told: the status, and the code of an error.
    pub(crate) told: String,
    /// How long the answer was, where there was a whole one.
    pub(crate) body: Option<usize>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Try {
    /// Upstream, status, class, whose, fault, charge, reason.
    pub(crate) said: String,
    /// The wait before the next, in milliseconds.
    pub(crate) wait_ms: Option<f64>,
}

impl Try {
    pub(crate) fn of(attempt: &Attempt) -> Try {
        let status = attempt.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let fault = attempt.fault.map_or("-", |fault| fault.name());
        let Attempt { upstream, class, whose, charge, reason, .. } = attempt;
        let said = format!("{upstream} {status} {class} {whose} {fault} {} {reason}", charge.name());
        Try { said, wait_ms: attempt.wait.map(|wait| wait.as_secs_f64() * 1_000.0) }
    }
}

/// How a request ended, in a line.
pub(crate) fn ends(ended: &Ended) -> String {
    format!("{} {} {} {}", ended.outcome, ended.reason, ended.status, ended.attempts)
}
