//! Failures in a row: the quickest evidence there is.
//!
//! One request that is sent again and again proves little, so a run of equal bodies has to be twice
//! as long. Failures that are far apart are no run, although nothing was answered between them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// Neighbours further apart than this are no run.
pub const GAP_MAX: Duration = Duration::from_secs(15 * 60);

/// The failures since the last answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Run {
    length: u32,
    first: Time,
    last: Time,
    differs: bool,
    /// The first body's fingerprint. Not saved: after a restart the next one stands in for it, so
    /// that bodies are rather held for equal.
    #[serde(skip)]
    body: Option<u64>,
}

impl Run {
    /// One failed.
    pub(super) fn failed(&mut self, now: Time, body: u64) {
        if self.length == 0 || now.since(self.last) > GAP_MAX {
            *self = Run { first: now, ..Run::default() };
        }
        self.length = self.length.saturating_add(1);
        self.last = now;
        self.differs |= *self.body.get_or_insert(body) != body;
    }

    /// One was answered.
    pub(super) fn over(&mut self) {
        self.length = 0;
    }

    /// When the run began, if it has `min` failures of two different bodies at least, or twice as many.
    pub(super) fn began(&self, min: u32) -> Option<Time> {
        let min = if self.differs { min } else { min.saturating_mul(2) };
        (self.length >= min).then_some(self.first)
    }
}

/// Whether failures are of more than one body, as far back as is asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Bodies {
    last: Time,
    /// When the latest one failed that is not of the last body.
    other: Option<Time>,
    /// The last body's fingerprint, saved no more than that of a run.
    #[serde(skip)]
    body: Option<u64>,
}

impl Bodies {
    /// One failed.
    pub(super) fn failed(&mut self, now: Time, body: u64) {
        if self.body.is_some_and(|known| known != body) {
            self.other = Some(self.last);
        }
        self.body = Some(body);
        self.last = now;
    }

    /// When the latest one failed that is not of the last body.
    pub(super) fn other(&self) -> Option<Time> {
        self.other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_long_as_is_asked_for() {
        for min in [2, 100] {
            let (mut varied, mut equal) = (Run::default(), Run::default());
            for n in 1..=2 * min {
                varied.failed(second(n.into()), n.into());
                equal.failed(second(n.into()), 9);
                assert_eq!((varied.began(min).is_some(), equal.began(min).is_some()), (n >= min, n >= 2 * min), "{n}");
            }
        }
    }

    fn second(at: u64) -> Time {
        Time::ZERO + Duration::from_secs(at)
    }

    #[test]
    fn four_of_two_bodies_or_eight_of_one_are_a_run() {
        let mut varied = Run::default();
        for n in 0..4 {
            assert_eq!(varied.began(4), None);
            varied.failed(second(5 + n), n / 3);
        }
        assert_eq!(varied.began(4), Some(second(5)));
        let mut equal = Run::default();
        for n in 0..8 {
            assert_eq!(equal.began(4), None);
            equal.failed(second(n), 9);
        }
        assert_eq!(equal.began(4), Some(second(0)));
    }

    #[test]
    fn an_answer_or_a_longer_gap_ends_a_run() {
        let mut run = Run::default();
        (0..3).for_each(|n| run.failed(second(n), n));
        run.failed(second(2) + GAP_MAX, 7);
        assert_eq!(run.began(4), Some(second(0)));
        run.failed(second(2) + GAP_MAX + GAP_MAX + Duration::from_micros(1), 8);
        assert_eq!(run.began(4), None);
        (0..3).for_each(|n| run.failed(second(1_803 + n), n));
        assert!(run.began(4).is_some());
        run.over();
        run.failed(second(1_810), 1);
        assert_eq!(run.began(4), None);
    }

    #[test]
    fn the_other_body_is_the_latest_that_is_not_the_last() {
        let mut bodies = Bodies::default();
        for (at, body, other) in [(1, 7, None), (2, 7, None), (3, 8, Some(2)), (4, 8, Some(2)), (5, 7, Some(4))] {
            bodies.failed(second(at), body);
            assert_eq!(bodies.other(), other.map(second));
        }
    }

    #[test]
    fn after_a_restart_a_run_goes_on_and_no_body_was_saved() {
        let mut run = Run::default();
        (0..3).for_each(|n| run.failed(second(n), 0xfeed));
        let saved = serde_json::to_string(&run).unwrap();
        assert!(!saved.contains(&0xfeed_u64.to_string()));
        let mut run: Run = serde_json::from_str(&saved).unwrap();
        // Another process has another key: a fourth equal body must not look like a different one.
        run.failed(second(3), 0xbeef);
        assert_eq!(run.began(4), None);
        run.failed(second(4), 0xcafe);
        assert_eq!(run.began(4), Some(second(0)));
    }
}
