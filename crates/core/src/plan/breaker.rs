//! When to stop asking an upstream: a run of failures, or a rate of them.

use std::time::Duration;

/// What the operator may decide about the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Failed requests in a row after which retries at the same place stop. 5.
    pub guard: u32,
    /// Failed requests in a row after which requests go elsewhere, while another upstream is well. 5.
    pub open_alt: u32,
    /// Failed requests in a row after which the last upstream is no longer asked. 10.
    pub open_solo: u32,
    /// Whether the last upstream may be refused at all.
    pub solo_refuse: bool,
    /// The span in which the rate of failures is counted. 30 s.
    pub window: Duration,
    /// Requests in the window below which a rate says nothing. 20.
    pub window_min: u32,
    /// The rate, in parts of a thousand, that must surely be exceeded while another upstream is well. 200.
    pub rate_alt: u32,
    /// The rate, in parts of a thousand, that must surely be exceeded by the last upstream. 900.
    pub rate_solo: u32,
    /// How long nothing is sent, the first time. 1 s.
    pub open: Duration,
    /// The longest that doubling leads to. 5 s.
    pub open_max: Duration,
    /// A probe that has not ended after this does not keep the next from being sent. 2 s.
    pub probe_every: Duration,
    /// Probes under way at a time. 8.
    pub probes_max: u32,
    /// Requests that must succeed before everything is let through again. 5.
    pub close_after: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            guard: 5,
            open_alt: 5,
            open_solo: 10,
            solo_refuse: true,
            window: Duration::from_secs(30),
            window_min: 20,
            rate_alt: 200,
            rate_solo: 900,
            open: Duration::from_secs(1),
            open_max: Duration::from_secs(5),
            probe_every: Duration::from_secs(2),
            probes_max: 8,
            close_after: 5,
        }
    }
}
