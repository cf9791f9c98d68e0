//! What is told of a request: how its first attempt ended, and how it ended for its caller.

use std::time::Duration;

use super::Facts;
use crate::event::Vote;
use crate::words::words;

words! {
    /// What a request's caller got.
    pub enum Ending {
        /// The first attempt's answer.
        Passed = "passed",
        /// An answer, although the first attempt failed.
        Saved = "saved",
        /// A failure, after the first attempt failed.
        Lost = "lost",
    }
}

/// A request's first attempt, or that none could be made.
#[derive(Debug, Clone, Copy)]
pub struct First<'a> {
    /// The request's id.
    pub request: &'a str,
    /// A keyed fingerprint of its body.
    pub body: u64,
    /// The route's name.
    pub route: &'a str,
    /// What it says.
    pub vote: Vote,
    /// Whether an attempt was made. If not, the vote is on the route alone, and the facts name the
    /// upstream that was held back from, if it was one.
    pub was_sent: bool,
    /// What it was like.
    pub facts: Facts<'a>,
    /// Its form: first content is compared with that of equal forms.
    pub form: u64,
    /// How long its first content took; for an attempt that was given up without, how long it had been
    /// waited for. `None` for what asks for no stream, and for a failure.
    pub first_content: Option<Duration>,
}

/// How a request ended for its caller, after [`First`].
#[derive(Debug, Clone, Copy)]
pub struct Last<'a> {
    /// The request's id.
    pub request: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// Where its first attempt went. `None` if none was made.
    pub upstream: Option<&'a str>,
    /// The model asked for.
    pub model: Option<&'a str>,
    /// What the caller got.
    pub ending: Ending,
}
