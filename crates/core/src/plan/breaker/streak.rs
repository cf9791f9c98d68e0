//! Who has failed in a row, each request once.
//!
//! "Five in a row" means five requests: one request with four attempts, or one stream that breaks
//! after its first attempt failed, is still one voter. And five requests with one body are one
//! developer who runs one broken thing again and again, so the distinct bodies are counted too.
//! And how far apart their attempts were begun: errors are quicker than answers, so that of two
//! hundred requests sent at once the fifth that fails by chance is heard of first, and looks like
//! an outage until the first answer comes.
//!
//! It must never grow with the length of an outage: beyond [`STREAK_MAX`] voters nobody is
//! remembered, and nobody needs to be, since no limit is higher.

use std::time::Duration;

use crate::time::Time;

/// The longest run that is told from a longer one, and so the most that `guard`, `open_alt` and
/// `open_solo` can ask for: 100 request ids, 800 bytes.
pub const STREAK_MAX: u32 = 100;

/// Distinct bodies that must have failed before a run may open the breaker (rulings 10).
pub const BODIES_MIN: u8 = 3;

/// The attempts of a run must have been begun this far apart, first to last: less is one moment.
pub const SPREAD_MIN: Duration = Duration::from_millis(100);

/// The same, before the last upstream is refused. Ten in a row happen by chance every 2,050 attempts
/// at a failure rate of one half, which is every two seconds at a thousand a second.
pub const SPREAD_SOLO_MIN: Duration = Duration::from_millis(500);

/// The span of no attempts.
const NOBODY: (Time, Time) = (Time::NEVER, Time::ZERO);

/// One attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whose it was.
    pub(super) request: u64,
    /// The fingerprint of what was sent.
    pub(super) body: u64,
    /// When it was begun.
    pub(super) began: Time,
}

/// Requests that failed since the last success.
#[derive(Debug, Clone)]
pub(super) struct Streak {
    /// The ids, each once: at most [`STREAK_MAX`].
    voters: Vec<u64>,
    /// The first bodies that failed. The last of [`BODIES_MIN`] is counted and need not be kept.
    bodies: [u64; BODIES_MIN as usize - 1],
    distinct: u8,
    /// When the first and the last of the attempts were begun. Of nobody, it is reversed.
    began: (Time, Time),
}

impl Default for Streak {
    fn default() -> Self {
        Streak { voters: Vec::new(), bodies: Default::default(), distinct: 0, began: NOBODY }
    }
}

impl Streak {
    /// One more has failed. Of a request that has voted, nothing counts.
    pub(super) fn vote(&mut self, Failure { request, body, began }: Failure) {
        if self.voters.contains(&request) {
            return;
        }
        if self.voters.len() < STREAK_MAX as usize {
            self.voters.push(request);
        }
        self.began = (self.began.0.min(began), self.began.1.max(began));
        let known = usize::from(self.distinct);
        if self.distinct < BODIES_MIN && !self.bodies[..known].contains(&body) {
            if let Some(free) = self.bodies.get_mut(known) {
                *free = body;
            }
            self.distinct += 1;
        }
    }

    /// A request succeeded, or what failed no longer matters. The memory is kept for the next run.
    pub(super) fn clear(&mut self) {
        self.voters.clear();
        self.distinct = 0;
        self.began = NOBODY;
    }

    /// Whether `limit` requests have failed, where a limit above [`STREAK_MAX`] counts as that.
    pub(super) fn reaches(&self, limit: u32) -> bool {
        self.voters.len() >= limit.min(STREAK_MAX) as usize
    }

    /// Whether their attempts were begun at least `spread` apart, first to last.
    pub(super) fn spans(&self, spread: Duration) -> bool {
        self.began.1.since(self.began.0) >= spread
    }

    /// Whether they sent [`BODIES_MIN`] distinct bodies or more.
    pub(super) fn is_varied(&self) -> bool {
        self.distinct >= BODIES_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(request: u64, body: u64) -> Failure {
        Failure { request, body, began: Time::ZERO }
    }

    fn begun(request: u64, millis: u64) -> Failure {
        Failure { request, body: request, began: Time::from_micros(millis * 1_000) }
    }

    #[test]
    fn the_span_is_from_the_first_begun_to_the_last_in_whatever_order_they_fail() {
        for order in [[100, 150, 200], [200, 100, 150], [150, 200, 100]] {
            let mut streak = Streak::default();
            assert!(!streak.spans(Duration::from_micros(1)), "nobody's");
            for (request, millis) in (0..).zip(order) {
                streak.vote(begun(request, millis));
            }
            assert!(streak.spans(Duration::from_millis(100)), "{order:?}");
            assert!(!streak.spans(Duration::from_micros(100_001)), "{order:?}");
        }
    }

    #[test]
    fn a_second_attempt_of_a_request_spans_nothing_and_a_success_forgets_the_span() {
        let mut streak = Streak::default();
        streak.vote(begun(1, 0));
        streak.vote(begun(1, 900));
        assert!(!streak.spans(Duration::from_micros(1)));
        streak.vote(begun(2, 900));
        assert!(streak.spans(Duration::from_millis(900)));
        streak.clear();
        streak.vote(begun(3, 5_000));
        assert!(!streak.spans(Duration::from_micros(1)));
    }

    #[test]
    fn the_span_still_grows_when_no_more_voters_are_remembered() {
        let mut streak = Streak::default();
        (0..150).for_each(|request| streak.vote(begun(request, 0)));
        assert!(!streak.spans(SPREAD_MIN));
        streak.vote(begun(150, 100));
        assert!(streak.spans(SPREAD_MIN));
    }

    #[test]
    fn a_request_votes_once_however_often_it_fails() {
        let mut streak = Streak::default();
        for body in 0..10 {
            streak.vote(failure(7, body));
        }
        assert!(streak.reaches(1) && !streak.reaches(2));
        assert!(!streak.is_varied(), "the bodies of a vote that does not count do not count");
    }

    #[test]
    fn the_third_distinct_body_makes_it_varied_and_no_second_one_of_a_kind() {
        let mut streak = Streak::default();
        for (request, body, is_varied) in [(1, 5, false), (2, 5, false), (3, 6, false), (4, 5, false), (5, 7, true)] {
            streak.vote(failure(request, body));
            assert_eq!(streak.is_varied(), is_varied, "{request}");
        }
    }

    #[test]
    fn memory_ends_at_a_hundred_voters_and_every_limit_is_reached_by_then() {
        let mut streak = Streak::default();
        for request in 0..99 {
            streak.vote(failure(request, 0));
        }
        assert!(!streak.reaches(100) && !streak.reaches(u32::MAX));
        for request in 99..10_000 {
            streak.vote(failure(request, 0));
        }
        assert!(streak.reaches(100) && streak.reaches(u32::MAX));
        assert_eq!(streak.voters.len(), 100);
        assert!(streak.voters.capacity() <= 128);
    }

    #[test]
    fn bodies_are_still_told_apart_when_no_more_voters_are_remembered() {
        let mut streak = Streak::default();
        for request in 0..200 {
            streak.vote(failure(request, 0));
        }
        streak.vote(failure(200, 1));
        streak.vote(failure(200, 1));
        assert!(!streak.is_varied());
        streak.vote(failure(201, 2));
        assert!(streak.is_varied());
    }

    #[test]
    fn a_success_forgets_the_voters_and_the_bodies() {
        let mut streak = Streak::default();
        (0..5).for_each(|n| streak.vote(failure(n, n)));
        streak.clear();
        assert!(!streak.reaches(1) && !streak.is_varied());
        streak.vote(failure(1, 1));
        assert!(streak.reaches(1) && !streak.is_varied());
    }
}
