//! How long silence may last before a second attempt is begun beside the first.

use std::time::Duration;

/// What the operator may decide about hedging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Whether requests are hedged at all. Off: each hedge buys the prompt a second time.
    pub enabled: bool,
    /// No hedge before this, however quick answers usually are. 250 ms.
    pub after_min: Duration,
    /// No later than this, however slow they are. 20 s.
    pub after_max: Duration,
    /// Milli-tokens that a request earns towards hedges: 80 is 8 hedges in 100 requests.
    pub deposit: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            enabled: false,
            after_min: Duration::from_millis(250),
            after_max: Duration::from_secs(20),
            deposit: 80,
        }
    }
}
