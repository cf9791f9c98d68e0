//! Where a request waits for an upstream to come back.

use std::time::Duration;

/// What the operator may decide about waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How long a request may wait for an upstream that is down. Zero: not at all.
    pub max: Duration,
}

impl Default for Config {
    /// Fail fast.
    fn default() -> Self {
        Config { max: Duration::ZERO }
    }
}
