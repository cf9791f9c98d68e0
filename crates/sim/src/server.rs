//! A server with so many slots, and a line before them.
//!
//! It does not notice when a caller has gone: what waits in the line is worked on all the same.
//! That is what makes retries of timed-out requests dangerous, and what a breaker is for.

use std::collections::VecDeque;

use crate::script::Room;

/// The slots and the line of one upstream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    busy: usize,
    line: VecDeque<Job>,
}

/// What a slot works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Job {
    /// For which request.
    pub(crate) request: usize,
    /// For which attempt of it.
    pub(crate) attempt: u32,
}

impl Server {
    pub(crate) fn has_slot(&self, room: Room) -> bool {
        self.busy < room.slots
    }

    pub(crate) fn may_wait(&self, room: Room) -> bool {
        room.queue.is_none_or(|most| self.line.len() < most)
    }

    pub(crate) fn wait(&mut self, job: Job) {
        self.line.push_back(job);
    }

    /// Back to the head of the line.
    pub(crate) fn wait_first(&mut self, job: Job) {
        self.line.push_front(job);
    }

    pub(crate) fn begin(&mut self) {
        self.busy += 1;
    }

    /// A slot is free again; who is next.
    pub(crate) fn end(&mut self) -> Option<Job> {
        self.busy = self.busy.saturating_sub(1);
        self.line.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_served_in_order_and_has_an_end() {
        let room = Room { slots: 1, queue: Some(2) };
        let job = |request| Job { request, attempt: 1 };
        let mut server = Server::default();
        assert!(server.has_slot(room));
        server.begin();
        assert!(!server.has_slot(room));
        for request in [1, 2] {
            assert!(server.may_wait(room));
            server.wait(job(request));
        }
        assert!(!server.may_wait(room));
        assert!(server.may_wait(Room { queue: None, ..room }));
        assert_eq!((server.end(), server.end(), server.end()), (Some(job(1)), Some(job(2)), None));
        assert!(server.has_slot(room));
    }
}
