//! A story: ten lines that say who asks, what breaks when, and what must hold.
//!
//! ```text
//! # One provider goes dark for half a minute. Nobody should notice.
//! upstreams openai azure          policy  attempts 3, budget 20%
//! load      100/s for 180s        at 20s  openai refuses          at 50s  openai recovers
//! expect    success 100%, attempts <= 1.05 per request
//! ```
//!
//! A statement begins with its word (`upstreams`, `load`, `callers`, `at`, `policy`, `beside`,
//! `expect`) and ends where the next one begins; line breaks, spaces and commas are for the eye.
//! The whole language is in `stories/README.md`; [`read`](mod@read) reads it.
//!
//! A story is bounded before it is played: its text, its length, and how many requests it can come
//! to. Whoever writes one cannot keep the machine busy for long.

pub mod read;

use std::time::Duration;

use seawall_core::plan::policy::{FirstContent, Policy};

use crate::figure::Figure;
use crate::measure::Incident;
use crate::rehearse::Contender;
use crate::script::Script;

pub use read::Problem;

/// The longest text of a story, in bytes.
pub const TEXT_MAX: usize = 16 * 1_024;
/// The most upstreams in a story.
pub const UPSTREAMS_MAX: usize = 8;
/// The most moments at which something changes.
pub const CHANGES_MAX: usize = 100;
/// The longest story: a day.
pub const LENGTH_MAX: Duration = Duration::from_secs(86_400);
/// The most requests that a story may come to, on average.
pub const REQUESTS_MAX: u64 = 200_000;

/// A story, ready to be played.
#[derive(Debug, Clone)]
pub struct Story {
    /// Its id: the name of its file, without the ending.
    pub name: String,
    /// What it is about: its first comment.
    pub title: String,
    /// Its text, as written.
    pub text: String,
    /// What happens.
    pub script: Script,
    /// The upstreams' names, in the order of the script.
    pub upstreams: Vec<String>,
    /// From the first change to the last.
    pub incident: Option<Incident>,
    /// What is decided otherwise than usual.
    pub settings: Vec<Setting>,
    /// Who else plays it.
    pub beside: Vec<Contender>,
    /// What must hold.
    pub bars: Vec<Bar>,
}

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Of whom. A story that compares says `wait` before the figure.
    pub of: Contender,
    /// The figure.
    pub figure: Figure,
    /// At most this, or at least, as the figure is; in its unit.
    pub limit: u64,
}

/// One thing that a story decides otherwise than the policy it is played under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `attempts 3`.
    Attempts(u32),
    /// `budget 20%`: milli-tokens that a success earns.
    Budget(u64),
    /// `wait 90s`.
    Wait(Duration),
    /// `breaker off`: it never opens.
    BreakerOff,
    /// `total 600s`.
    Total(Duration),
    /// `first-content 20s`, `first-content adaptive`.
    FirstContent(FirstContent),
    /// `hedge on`, `hedge off`.
    Hedge(bool),
}

impl Story {
    /// Reads a story from its text.
    ///
    /// # Errors
    /// What is wrong with it, where, and what may have been meant.
    pub fn parse(name: &str, text: &str) -> Result<Story, Problem> {
        read::read(name, text)
    }

    /// `policy`, with what the story decides otherwise.
    #[must_use]
    pub fn policy(&self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        for setting in &self.settings {
            setting.apply(&mut policy);
        }
        policy
    }
}

impl Setting {
    fn apply(self, policy: &mut Policy) {
        match self {
            Setting::Attempts(most) => policy.retry.max_attempts = most,
            Setting::Budget(deposit) => policy.budget.deposit = deposit,
            Setting::Wait(max) => policy.wait.max = max,
            Setting::BreakerOff => {
                policy.breaker.guard = u32::MAX;
                policy.breaker.open_alt = u32::MAX;
                policy.breaker.open_solo = u32::MAX;
                policy.breaker.window_min = u32::MAX;
            }
            Setting::Total(total) => policy.timeout.total = total,
            Setting::FirstContent(limit) => policy.timeout.first_content = limit,
            Setting::Hedge(enabled) => policy.hedge.enabled = enabled,
        }
    }
}

macro_rules! stories {
    ($($name:literal)+) => {
        /// The stories that are built in, by their names.
        pub const BUILT_IN: &[(&str, &str)] = &[
            $( ($name, include_str!(concat!("../stories/", $name, ".story"))), )+
        ];
    };
}

stories! {
    "a" "b" "b5" "budget" "c" "c-wait" "c2" "c3" "d-50" "d-60" "d-70" "d-80" "d-90" "d2" "e1" "e2" "f" "f-hedge" "p" "s"
}

/// The stories that are built in, in the order in which they are told.
#[must_use]
pub fn builtin() -> Vec<Story> {
    let read = |(name, text): &(&str, &str)| Story::parse(name, text).expect("a test reads each of them");
    BUILT_IN.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_story_can_be_read() {
        for (name, text) in BUILT_IN {
            let story = Story::parse(name, text).unwrap_or_else(|problem| panic!("{name}: {problem}"));
            assert!(!story.title.is_empty() && !story.bars.is_empty(), "{name}");
            assert!(text.lines().count() <= 12, "{name} is longer than ten lines or so");
        }
    }
}
