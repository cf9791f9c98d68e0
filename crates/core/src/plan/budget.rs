//! How many extra attempts all requests together may spend.
//!
//! A retry that succeeds costs nothing: its tokens come back, and so noise of up to about 30 %
//! is retried in full. A retry that fails is paid for by earlier successes, so an outage is met
//! with about one attempt per request, at any traffic: a percentage would starve a quiet
//! service, and a floor of "ten a second" would never stop one.
//!
//! Tokens are in thousandths, time in microseconds; there is no floating point in the state.

use std::collections::VecDeque;

use crate::time::Time;

/// What the operator may decide about the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Milli-tokens that a successful first attempt earns. 200: a fifth of a retry.
    pub deposit: u64,
    /// Milli-tokens at the start, and the least that the cap can be. 10,000: ten retries.
    pub start: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config { deposit: 200, start: 10_000 }
    }
}

/// The cost of a retry after a failure that was surely not carried out, in milli-tokens.
pub const COST: u64 = 1_000;
/// The cost of a retry after an ambiguous failure: it may be paid for twice.
pub const COST_AMBIGUOUS: u64 = 2_000;
/// Milli-tokens that time alone earns in a second: a quiet service is never starved.
pub const EARNED_A_SECOND: u64 = 100;
/// Of each of the last minute's requests, this many milli-tokens may be saved: 10 %.
const CAP_PER_REQUEST: u64 = 100;
/// The span that the cap looks back over, in seconds.
const CAP_WINDOW_S: u64 = 60;

/// The purse. All times are handed in and may repeat; an earlier one counts as the latest seen.
#[derive(Debug, Clone)]
pub struct Budget {
    config: Config,
    /// May be negative by the provisional deposits that a withdrawal relied on.
    tokens: i64,
    last: Time,
    /// Thousandths of a milli-token that time has earned beyond the whole ones.
    earned_rest: u64,
    /// First attempts whose end is not known yet: each stands for a deposit to come.
    in_flight: u64,
    /// (second, requests in it), the last minute's, oldest first: at most 60 entries.
    recent: VecDeque<(u64, u64)>,
    recent_total: u64,
}

impl Budget {
    /// A full purse at `now`.
    #[must_use]
    pub fn new(config: Config, now: Time) -> Budget {
        Budget {
            config,
            tokens: signed(config.start),
            last: now,
            earned_rest: 0,
            in_flight: 0,
            recent: VecDeque::new(),
            recent_total: 0,
        }
    }

    /// What is in the purse, in milli-tokens; negative by provisional deposits at most.
    #[must_use]
    pub fn tokens(&self) -> i64 {
        self.tokens
    }

    /// A request begins its first attempt.
    pub fn begin(&mut self, now: Time) {
        self.advance(now);
        let second = self.last.as_micros() / 1_000_000;
        match self.recent.back_mut() {
            Some((at, n)) if *at == second => *n += 1,
            _ => self.recent.push_back((second, 1)),
        }
        self.recent_total += 1;
        self.in_flight += 1;
    }

    /// A first attempt ended; `answered` if it brought content.
    pub fn first_ended(&mut self, now: Time, answered: bool) {
        self.advance(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        if answered {
            self.credit(self.config.deposit);
        }
    }

    /// Asks for `cost` milli-tokens; true if they were taken.
    pub fn withdraw(&mut self, now: Time, cost: u64) -> bool {
        self.advance(now);
        if !self.could_withdraw(cost) {
            return false;
        }
        self.tokens -= signed(cost);
        true
    }

    /// Whether `cost` would be granted now.
    #[must_use]
    pub fn could_withdraw(&self, cost: u64) -> bool {
        let provisional = signed(self.config.deposit.saturating_mul(self.in_flight));
        self.tokens.saturating_add(provisional) >= signed(cost)
    }

    /// A paid retry brought content, or was never begun: its tokens come back.
    pub fn refund(&mut self, now: Time, cost: u64) {
        self.advance(now);
        self.credit(cost);
    }

    fn credit(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(signed(tokens)).min(signed(self.cap()));
    }

    /// The most that can be saved: a tenth of the last minute's requests, or the start.
    fn cap(&self) -> u64 {
        self.config.start.max(CAP_PER_REQUEST.saturating_mul(self.recent_total))
    }

    fn advance(&mut self, now: Time) {
        let now = now.max(self.last);
        let second = now.as_micros() / 1_000_000;
        while let Some(&(at, n)) = self.recent.front()
            && at + CAP_WINDOW_S <= second
        {
            self.recent.pop_front();
            self.recent_total -= n;
        }
        let passed = u64::try_from(now.since(self.last).as_micros()).unwrap_or(u64::MAX);
        let earned = passed.saturating_mul(EARNED_A_SECOND).saturating_add(self.earned_rest);
        self.earned_rest = earned % 1_000_000;
        self.last = now;
        self.credit(earned / 1_000_000);
    }
}

fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}
