//! Who has failed in a row, each request once.
//!
//! "Five in a row" means five requests: one request with four attempts, or one stream that breaks
//! after its first attempt failed, is still one voter. And five requests with one body are one
//! developer who runs one broken thing again and again, so the distinct bodies are counted too.
//!
//! It must never grow with the length of an outage: beyond [`STREAK_MAX`] voters nobody is
//! remembered, and nobody needs to be, since no limit is higher.

/// The longest run that is told from a longer one, and so the most that `guard`, `open_alt` and
/// `open_solo` can ask for: 100 request ids, 800 bytes.
pub const STREAK_MAX: u32 = 100;

/// Distinct bodies that must have failed before a run may open the breaker (rulings 10).
pub const BODIES_MIN: u8 = 3;

/// Requests that failed since the last success.
#[derive(Debug, Clone, Default)]
pub(super) struct Streak {
    /// The ids, each once: at most [`STREAK_MAX`].
    voters: Vec<u64>,
    /// The first bodies that failed. The last of [`BODIES_MIN`] is counted and need not be kept.
    bodies: [u64; BODIES_MIN as usize - 1],
    distinct: u8,
}

impl Streak {
    /// Request `request`, whose body has the fingerprint `body`, has failed.
    pub(super) fn vote(&mut self, request: u64, body: u64) {
        if self.voters.contains(&request) {
            return;
        }
        if self.voters.len() < STREAK_MAX as usize {
            self.voters.push(request);
        }
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
    }

    /// Whether `limit` requests have failed, where a limit above [`STREAK_MAX`] counts as that.
    pub(super) fn reaches(&self, limit: u32) -> bool {
        self.voters.len() >= limit.min(STREAK_MAX) as usize
    }

    /// Whether they sent [`BODIES_MIN`] distinct bodies or more.
    pub(super) fn is_varied(&self) -> bool {
        self.distinct >= BODIES_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_votes_once_however_often_it_fails() {
        let mut streak = Streak::default();
        for body in 0..10 {
            streak.vote(7, body);
        }
        assert!(streak.reaches(1) && !streak.reaches(2));
        assert!(!streak.is_varied(), "the bodies of a vote that does not count do not count");
    }

    #[test]
    fn the_third_distinct_body_makes_it_varied_and_no_second_one_of_a_kind() {
        let mut streak = Streak::default();
        for (request, body, is_varied) in [(1, 5, false), (2, 5, false), (3, 6, false), (4, 5, false), (5, 7, true)] {
            streak.vote(request, body);
            assert_eq!(streak.is_varied(), is_varied, "{request}");
        }
    }

    #[test]
    fn memory_ends_at_a_hundred_voters_and_every_limit_is_reached_by_then() {
        let mut streak = Streak::default();
        for request in 0..99 {
            streak.vote(request, 0);
        }
        assert!(!streak.reaches(100) && !streak.reaches(u32::MAX));
        for request in 99..10_000 {
            streak.vote(request, 0);
        }
        assert!(streak.reaches(100) && streak.reaches(u32::MAX));
        assert_eq!(streak.voters.len(), 100);
        assert!(streak.voters.capacity() <= 128);
    }

    #[test]
    fn bodies_are_still_told_apart_when_no_more_voters_are_remembered() {
        let mut streak = Streak::default();
        for request in 0..200 {
            streak.vote(request, 0);
        }
        streak.vote(200, 1);
        streak.vote(200, 1);
        assert!(!streak.is_varied());
        streak.vote(201, 2);
        assert!(streak.is_varied());
    }

    #[test]
    fn a_success_forgets_the_voters_and_the_bodies() {
        let mut streak = Streak::default();
        (0..5).for_each(|n| streak.vote(n, n));
        streak.clear();
        assert!(!streak.reaches(1) && !streak.is_varied());
        streak.vote(1, 1);
        assert!(streak.reaches(1) && !streak.is_varied());
    }
}
