//! What is known now of all upstreams together, shared by every request.
//!
//! Whoever owns it keeps it behind one lock and hands it to each decision; a decision takes
//! microseconds and never waits.

use super::budget::{self, Budget};
use crate::time::Time;

/// The shared facts.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The purse that every retry is paid from.
    pub budget: Budget,
    /// Callers that were asked to come back and have not yet: their next request is no stacked retry.
    invited: u32,
}

/// No more outstanding invitations than this are remembered; beyond it a return counts as the caller's own retry.
const INVITED_MAX: u32 = 10_000;

impl Fleet {
    /// Nothing known yet, at `now`.
    #[must_use]
    pub fn new(budget: budget::Config, now: Time) -> Fleet {
        Fleet { budget: Budget::new(budget, now), invited: 0 }
    }

    /// A caller was told `x-should-retry: true`.
    pub fn invite(&mut self) {
        self.invited = (self.invited + 1).min(INVITED_MAX);
    }

    /// A request says that it is a retry: true if Seawall asked for one and this may be it.
    pub fn welcome_back(&mut self) -> bool {
        let expected = self.invited > 0;
        self.invited = self.invited.saturating_sub(1);
        expected
    }
}
