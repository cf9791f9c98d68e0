//! Votes of the last while, counted in thirty buckets.
//!
//! Each bucket knows its own number, so nothing has to be cleared in time: one that is too old is
//! not counted.

use serde::{Deserialize, Serialize};

use super::Counts;

/// Buckets that are counted: a window is this many times their width.
pub(super) const BUCKETS: u64 = SLOTS as u64;
const SLOTS: usize = 30;

/// What was counted in the last thirty buckets.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    buckets: [Bucket; SLOTS],
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Bucket {
    number: u64,
    failed: u32,
    of: u32,
}

impl Tally {
    /// One more in the bucket of this number, which is never lower than the latest.
    pub(super) fn record(&mut self, number: u64, failed: bool) {
        let bucket = &mut self.buckets[(number % BUCKETS) as usize];
        if bucket.number != number {
            *bucket = Bucket { number, ..Bucket::default() };
        }
        bucket.of = bucket.of.saturating_add(1);
        bucket.failed = bucket.failed.saturating_add(u32::from(failed));
    }

    /// The counts of the `last` buckets, of which the latest has this number and may still be filled.
    pub(super) fn counts(&self, number: u64, last: u64) -> Counts {
        let mut counts = Counts::default();
        for bucket in self.within(number, last) {
            counts.failed += u64::from(bucket.failed);
            counts.of += u64::from(bucket.of);
        }
        counts
    }

    /// The number of the earliest bucket of the window in which something failed.
    pub(super) fn first_failed(&self, number: u64) -> Option<u64> {
        self.within(number, BUCKETS).filter(|bucket| bucket.failed > 0).map(|bucket| bucket.number).min()
    }

    fn within(&self, number: u64, last: u64) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().filter(move |bucket| bucket.number <= number && number - bucket.number < last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_for_thirty_turns_and_no_longer() {
        let mut tally = Tally::default();
        tally.record(100, true);
        tally.record(105, false);
        assert_eq!(tally.counts(129, BUCKETS), Counts { failed: 1, of: 2 });
        assert_eq!(tally.counts(130, BUCKETS), Counts { failed: 0, of: 1 });
        assert_eq!(tally.counts(110, 6), Counts { failed: 0, of: 1 });
        assert_eq!(tally.counts(111, 6), Counts::default());
        assert_eq!((tally.first_failed(129), tally.first_failed(130)), (Some(100), None));
        tally.record(130, false);
        assert_eq!(tally.counts(130, BUCKETS), Counts { failed: 0, of: 2 });
    }
}
