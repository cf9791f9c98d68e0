//! When to begin a second attempt beside the first, and when that is too dear.
//!
//! A stream that has been silent for longer than 95 of 100 of its form is probably stuck, and a
//! fresh try is probably quick: whichever brings content first goes to the caller, and the other is
//! broken off. That buys the prompt a second time, so it is off unless asked for, and paid from a
//! purse of its own: 8 hedges in 100 requests, above the 5 in 100 that are late by chance, or else
//! these would starve the stuck ones. In overload everything is late, and a second attempt is the
//! last thing that helps: a hedge also wants the retry budget half full and the place well.
//!
//! What the loser took is remembered as an attempt of at least that length. Left out, the slow ones
//! would be missing, "late" would come ever earlier, and more and more would be hedged.

use std::time::Duration;

/// What the operator may decide about hedging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Whether streams are hedged where their route does not say otherwise. Off: each hedge buys the
    /// prompt a second time.
    pub enabled: bool,
    /// No hedge before this, however quick answers usually are. 250 ms.
    pub after_min: Duration,
    /// No later than this, however slow they are. 20 s.
    pub after_max: Duration,
    /// Milli-tokens that a request earns towards hedges, of [`COST`] each. 80: 8 hedges in 100 requests.
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

/// What a hedge costs its purse, in milli-tokens.
pub const COST: u64 = 1_000;
/// Milli-tokens in a new purse: two hedges.
pub const START: u64 = 2_000;
/// The most milli-tokens that are saved: five hedges.
pub const CAP: u64 = 5_000;
/// A hedge wants at least this many milli-tokens in the budget for retries, and takes none of them.
pub const BUDGET_MIN: i64 = 5_000;
/// A request this large is not hedged: at four bytes a token, a prompt of 32 k tokens.
pub const BODY_BYTES_MAX: u64 = 128 * 1024;

/// Pays for the hedges of a group of requests: never more than 2, and one for each `COST / deposit`
/// requests.
#[derive(Debug, Clone)]
pub struct Purse {
    tokens: u64,
}

impl Default for Purse {
    fn default() -> Self {
        Purse { tokens: START }
    }
}

impl Purse {
    /// A request that may be hedged begins.
    pub fn earn(&mut self, config: &Config) {
        self.tokens = self.tokens.saturating_add(config.deposit).min(CAP);
    }

    /// Whether a hedge could be paid.
    #[must_use]
    pub fn can_pay(&self) -> bool {
        self.tokens >= COST
    }

    /// Pays for a hedge; nothing is taken where [`Purse::can_pay`] is false.
    pub fn pay(&mut self) {
        self.tokens = self.tokens.checked_sub(COST).unwrap_or(self.tokens);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(purse: &mut Purse) -> u64 {
        let mut paid = 0;
        while purse.can_pay() {
            purse.pay();
            paid += 1;
        }
        paid
    }

    #[test]
    fn a_new_purse_pays_for_two_hedges_and_a_full_one_for_five() {
        let mut purse = Purse::default();
        assert_eq!(drain(&mut purse), 2);
        for _ in 0..1_000 {
            purse.earn(&Config::default());
        }
        assert_eq!(drain(&mut purse), 5);
    }

    #[test]
    fn what_cannot_be_paid_takes_nothing() {
        let mut purse = Purse { tokens: COST - 1 };
        assert!(!purse.can_pay());
        purse.pay();
        assert_eq!(purse.tokens, COST - 1);
        purse.earn(&Config { deposit: 1, ..Config::default() });
        assert!(purse.can_pay());
    }

    proptest! {
        #[test]
        fn hedges_are_at_most_two_and_eight_in_a_hundred(wants in prop::collection::vec(any::<bool>(), 0..2_000)) {
            let (mut purse, mut requests, mut hedges) = (Purse::default(), 0, 0);
            for want in wants {
                purse.earn(&Config::default());
                requests += 1;
                if want && purse.can_pay() {
                    purse.pay();
                    hedges += 1;
                }
                prop_assert!(hedges * COST <= START + 80 * requests);
            }
        }
    }
}
