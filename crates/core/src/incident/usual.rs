//! How many first attempts fail as a rule, and are made good by a retry.
//!
//! Learnt over the last six to twelve hours. What is held against it is left out of it: else what rises
//! slowly would be usual before anybody was told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Counts;
use crate::time::{Time, micros};

/// How long one half is learnt.
const HALF: Duration = Duration::from_secs(6 * 3_600);

/// How many fail as a rule: two halves of six hours that take turns.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Usual {
    turn: u64,
    filling: Counts,
    before: Counts,
}

impl Usual {
    /// One more, that failed or did not.
    pub(super) fn record(&mut self, now: Time, failed: bool) {
        let turn = now.as_micros() / micros(HALF);
        if turn > self.turn {
            self.before = if turn == self.turn + 1 { self.filling } else { Counts::default() };
            self.filling = Counts::default();
            self.turn = turn;
        }
        self.filling.add(Counts { failed: u64::from(failed), of: 1 });
    }

    /// All that was recorded, without the `latest`.
    pub(super) fn without(&self, latest: Counts) -> Counts {
        let mut counts = self.before;
        counts.add(self.filling);
        counts.less(latest)
    }

    /// Those of a window in which trouble was found are not usual.
    pub(super) fn forget(&mut self, latest: Counts) {
        self.before = self.before.less(latest.less(self.filling));
        self.filling = self.filling.less(latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(failed: u64, of: u64) -> Counts {
        Counts { failed, of }
    }

    #[test]
    fn it_is_known_for_six_hours_and_less_than_twelve() {
        let mut usual = Usual::default();
        usual.record(Time::ZERO, true);
        usual.record(Time::ZERO + HALF, false);
        assert_eq!(usual.without(Counts::default()), counts(1, 2));
        usual.record(Time::ZERO + HALF * 2, false);
        assert_eq!(usual.without(Counts::default()), counts(0, 2));
        usual.record(Time::ZERO + HALF * 4, true);
        assert_eq!(usual.without(Counts::default()), counts(1, 1));
    }

    #[test]
    fn a_window_is_forgotten_from_both_halves() {
        let mut usual = Usual::default();
        (0..10).for_each(|n| usual.record(Time::ZERO, n < 4));
        (0..3).for_each(|_| usual.record(Time::ZERO + HALF, true));
        assert_eq!(usual.without(counts(5, 8)), counts(2, 5));
        usual.forget(counts(5, 8));
        assert_eq!((usual.before, usual.filling), (counts(2, 5), counts(0, 0)));
        usual.forget(counts(9, 9));
        assert_eq!(usual.without(Counts::default()), Counts::default());
    }
}
