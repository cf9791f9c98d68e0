//! How long the head of a request may take: counted from its first byte, not from the last answer.
//!
//! Callers keep connections for a minute and more between requests, and closing those early costs
//! them a failed request now and then. A head that trickles in is another matter. So an idle
//! connection has one limit, and a head that has begun another.
//!
//! A request may be over before the socket is looked at again, as a refusal is: so heads that are
//! complete are counted, and what is being served at the moment does not tell alone.

use std::time::Duration;

use tokio::time::Instant;

/// A head must be complete this long after its first byte.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this: longer than the 90 s for which Go's and
/// Rust's usual clients keep theirs.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(100);

/// Watches the heads on one connection.
#[derive(Debug, Default)]
pub(crate) struct Head {
    began: Option<Instant>,
    /// Heads that were complete at the last look.
    complete: usize,
}

impl Head {
    /// So many heads are complete by now: one that had begun is among them, if there are more than before.
    pub(crate) fn completed(&mut self, heads: usize) {
        if heads != self.complete {
            (self.began, self.complete) = (None, heads);
        }
    }

    /// Bytes came at `now`; `is_busy` while a request is being served, whose body they are.
    pub(crate) fn came(&mut self, is_busy: bool, now: impl FnOnce() -> Instant) {
        if is_busy {
            self.began = None;
        } else if self.began.is_none() {
            self.began = Some(now());
        }
    }

    /// No byte is there: the moment at which waiting for the rest of a head ends, if one has begun.
    pub(crate) fn deadline(&mut self, is_busy: bool) -> Option<Instant> {
        if is_busy {
            self.began = None;
        }
        self.began.map(|began| began + HEAD_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::loud::now;

    #[test]
    fn a_head_is_counted_from_its_first_byte_and_an_idle_connection_not_at_all() {
        let (mut head, start) = (Head::default(), now());
        assert_eq!(head.deadline(false), None);
        head.came(false, || start);
        head.came(false, || start + Duration::from_secs(9));
        assert_eq!(head.deadline(false), Some(start + HEAD_WITHIN));
        // The head is complete: its request is being served, and then the connection is idle.
        assert_eq!(head.deadline(true), None);
        assert_eq!(head.deadline(false), None);
        let later = start + Duration::from_secs(60);
        head.came(false, || later);
        assert_eq!(head.deadline(false), Some(later + HEAD_WITHIN));
    }

    #[test]
    fn a_request_that_was_over_at_once_leaves_no_head_behind() {
        let (mut head, start) = (Head::default(), now());
        head.came(false, || start);
        head.completed(1);
        assert_eq!(head.deadline(false), None);
        // Nor does its number end the next one's.
        head.came(false, || start + Duration::from_secs(8));
        head.completed(1);
        assert_eq!(head.deadline(false), Some(start + Duration::from_secs(8) + HEAD_WITHIN));
    }

    #[test]
    fn the_bytes_of_a_body_begin_no_head() {
        let (mut head, start) = (Head::default(), now());
        head.came(true, || start);
        assert_eq!(head.deadline(true), None);
        assert_eq!(head.deadline(false), None);
    }
}
