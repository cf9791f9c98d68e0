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
        self.count(now);
        self.in_flight += 1;
    }

    /// A request that was counted before begins its first attempt.
    pub fn resume(&mut self, now: Time) {
        self.advance(now);
        self.in_flight += 1;
    }

    /// What is usual: requests in a thousand seconds, by the last minute's.
    pub fn usual(&mut self, now: Time) -> u64 {
        self.advance(now);
        self.recent_total * 1_000 / CAP_WINDOW_S
    }

    /// A request has come, whether or not an attempt is begun for it.
    pub fn count(&mut self, now: Time) {
        self.advance(now);
        let second = self.last.as_micros() / 1_000_000;
        match self.recent.back_mut() {
            Some((at, n)) if *at == second => *n += 1,
            _ => self.recent.push_back((second, 1)),
        }
        self.recent_total += 1;
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

    /// Whether at least this much is in the purse at `now`, deposits to come not counted.
    pub fn holds(&mut self, now: Time, tokens: i64) -> bool {
        self.advance(now);
        self.tokens >= tokens
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    fn purse(start: u64) -> Budget {
        Budget::new(Config { start, ..Config::default() }, Time::ZERO)
    }

    #[test]
    fn a_full_purse_pays_for_ten_retries() {
        let mut budget = purse(10_000);
        assert_eq!((0..20).filter(|_| budget.withdraw(at(0), COST)).count(), 10);
        let mut budget = purse(10_000);
        assert_eq!((0..20).filter(|_| budget.withdraw(at(0), COST_AMBIGUOUS)).count(), 5);
    }

    #[test]
    fn a_withdrawal_that_is_refused_takes_nothing() {
        let mut budget = purse(1_500);
        assert!(!budget.withdraw(at(0), COST_AMBIGUOUS));
        assert_eq!(budget.tokens(), 1_500);
    }

    #[test]
    fn a_first_success_earns_a_fifth_of_a_retry_and_a_failure_nothing() {
        let mut budget = purse(10_000);
        assert!(budget.withdraw(at(0), COST));
        for is_ok in [true, false, true] {
            budget.begin(at(0));
            budget.first_ended(at(0), is_ok);
        }
        assert_eq!(budget.tokens(), 9_400);
    }

    #[test]
    fn time_alone_earns_a_retry_in_ten_seconds_however_it_is_cut() {
        for step in [1, 7, 9_999, 10_000, SECOND, 10 * SECOND] {
            let mut budget = purse(10_000);
            assert!(budget.withdraw(at(0), 10_000));
            // By the finest cut, only a tenth of a second is walked.
            let span = if step < 9_999 { SECOND / 10 } else { 10 * SECOND };
            for now in (0..span).step_by(usize::try_from(step).unwrap()) {
                budget.refund(at(now), 0);
            }
            budget.refund(at(span), 0);
            assert_eq!(budget.tokens(), i64::try_from(span / 10_000).unwrap(), "{step}");
        }
    }

    #[test]
    fn time_earned_does_not_exceed_the_cap() {
        let mut budget = purse(10_000);
        budget.refund(at(3_600 * SECOND), 0);
        assert_eq!(budget.tokens(), 10_000);
        budget.refund(Time::NEVER, u64::MAX);
        assert_eq!(budget.tokens(), 10_000);
    }

    #[test]
    fn time_that_runs_backwards_stands_still() {
        let mut budget = purse(10_000);
        assert!(budget.withdraw(at(10 * SECOND), 10_000));
        budget.refund(at(0), 0);
        assert_eq!(budget.tokens(), 0);
        budget.refund(at(20 * SECOND), 0);
        assert_eq!(budget.tokens(), 1_000);
    }

    #[test]
    fn a_busy_service_may_save_a_tenth_of_its_last_minute() {
        let mut budget = purse(10_000);
        // 100 requests suffice for the start alone, 101 for a tenth of a token more.
        for (requests, cap) in [(100, 10_000), (101, 10_100), (300, 30_000)] {
            while budget.recent_total < requests {
                budget.begin(at(0));
                budget.first_ended(at(0), true);
            }
            budget.refund(at(0), 1_000_000);
            assert_eq!(budget.tokens(), cap, "{requests}");
        }
        // The second that they were in is forgotten when it is a minute old, and the savings with it.
        budget.refund(at(60 * SECOND - 1), 0);
        assert_eq!(budget.tokens(), 30_000);
        budget.refund(at(60 * SECOND), 0);
        assert_eq!(budget.tokens(), 10_000);
    }

    #[test]
    fn no_more_than_a_minute_is_remembered() {
        let mut budget = purse(10_000);
        for second in 0..200 {
            budget.begin(at(second * SECOND));
            budget.first_ended(at(second * SECOND), true);
        }
        assert_eq!((budget.recent.len(), budget.recent_total), (60, 60));
    }

    #[test]
    fn first_attempts_under_way_stand_for_their_deposits() {
        let mut budget = purse(0);
        for _ in 0..9 {
            budget.begin(at(0));
        }
        assert!(budget.withdraw(at(0), COST), "nine fifths are one and four fifths");
        assert!(!budget.withdraw(at(0), COST));
        assert_eq!(budget.tokens(), -1_000);
        // Those that fail after all leave a debt, which later successes work off.
        for _ in 0..9 {
            budget.first_ended(at(0), false);
        }
        assert!(!budget.could_withdraw(1));
        for _ in 0..5 {
            budget.begin(at(0));
            budget.first_ended(at(0), true);
        }
        assert_eq!(budget.tokens(), 0);
    }

    #[test]
    fn an_end_without_a_beginning_is_no_negative_count() {
        let mut budget = purse(0);
        budget.first_ended(at(0), false);
        budget.begin(at(0));
        assert!(budget.could_withdraw(200) && !budget.could_withdraw(201));
    }

    /// What may happen to a purse; the numbers choose among what is under way.
    #[derive(Debug, Clone)]
    enum Happening {
        Begin,
        FirstEnded(bool),
        Withdraw(u64),
        RetryEnded(bool),
        Pass(u64),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => Just(Happening::Begin),
            4 => any::<bool>().prop_map(Happening::FirstEnded),
            4 => prop_oneof![Just(COST), Just(COST_AMBIGUOUS)].prop_map(Happening::Withdraw),
            4 => any::<bool>().prop_map(Happening::RetryEnded),
            1 => (0..90 * SECOND).prop_map(Happening::Pass),
        ]
    }

    proptest! {
        #[test]
        fn retries_that_fail_are_paid_for_at_every_moment(
            start in 0_u64..20_000,
            deposit in 0_u64..1_000,
            happenings in prop::collection::vec(happening(), 1..400),
        ) {
            let mut budget = Budget::new(Config { deposit, start }, Time::ZERO);
            let (mut now, mut in_flight, mut peak, mut successes) = (0, 0_u64, 0_u64, 0_u64);
            // What was withdrawn and has not come back, and what of that is still under way.
            let (mut spent, mut retries) = (0_u64, Vec::new());
            for happening in happenings {
                match happening {
                    Happening::Begin => {
                        budget.begin(at(now));
                        in_flight += 1;
                        peak = peak.max(in_flight);
                    }
                    Happening::FirstEnded(is_ok) if in_flight > 0 => {
                        budget.first_ended(at(now), is_ok);
                        in_flight -= 1;
                        successes += u64::from(is_ok);
                    }
                    Happening::Withdraw(cost) => {
                        if budget.withdraw(at(now), cost) {
                            spent += cost;
                            retries.push(cost);
                        }
                    }
                    Happening::RetryEnded(is_ok) => {
                        if let Some(cost) = retries.pop() && is_ok {
                            budget.refund(at(now), cost);
                            spent -= cost;
                        }
                    }
                    Happening::FirstEnded(_) => {}
                    Happening::Pass(micros) => now += micros,
                }
                let income = start + deposit * (successes + peak) + now * EARNED_A_SECOND / SECOND;
                prop_assert!(spent <= income, "{spent} of {income} at {now}");
                prop_assert!(budget.tokens() <= signed(budget.cap()));
                prop_assert!(budget.tokens() >= -signed(deposit * peak));
            }
        }
    }
}
