//! Where a request waits for an upstream to come back.
//!
//! In an outage of a minute, asking again and again costs ten attempts a request and saves four of
//! five; waiting costs one and saves them all. But a herd that is let go at once brings down what
//! has just come back. So those who wait are let out one by one, at a rate that begins with one a
//! second, grows while all goes well, and never exceeds twice what is usual; newcomers pass them
//! by while the upstream is well, since they are what is usual.
//!
//! Nobody owns a timer here: each request that waits is told when to look again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// What the operator may decide about waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How long a request may wait for an upstream that is down. Zero: not at all.
    pub max: Duration,
}

impl Default for Config {
    /// Fail fast.
    fn default() -> Self {
        Config { max: Duration::ZERO }
    }
}

/// Requests that wait in one group; the next is refused.
pub const WAITING_MAX: usize = 1_000;
/// Who was launched and failed waits behind so many others.
pub const REJOIN_BEHIND: usize = 16;
/// Tickets are issued so far apart that others fit between them.
const TICKETS_APART: u64 = 1 << 24;
/// Nobody waits longer than this before looking again, so that a change of rate is noticed.
pub const LOOK_MAX: Duration = Duration::from_secs(1);
/// Nobody looks more often than this.
pub const LOOK_MIN: Duration = Duration::from_millis(50);
/// Launches in a thousand seconds, at first: one a second.
const RATE_START: u64 = 1_000;
/// The least that failures bring the rate down to: one in two seconds.
const RATE_MIN: u64 = 500;
/// Launches in a thousand seconds that are always allowed in the end, however little is usual.
const RATE_CAP_MIN: u64 = 2_000;
/// The rate is looked at this often.
const TURN: Duration = Duration::from_secs(1);

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The requests of one group that wait, first come first served.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Increasing: each ticket is younger than all before it.
    waiting: VecDeque<Ticket>,
    issued: u64,
    /// Launches in a thousand seconds.
    rate: u64,
    /// No launch before this.
    next: Time,
    turned: Time,
    has_failed: bool,
    has_launched: bool,
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            waiting: VecDeque::new(),
            issued: 0,
            rate: RATE_START,
            next: Time::ZERO,
            turned: Time::ZERO,
            has_failed: false,
            has_launched: false,
        }
    }
}

impl Queue {
    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A place at the end; `None` if [`WAITING_MAX`] wait already.
    pub fn join(&mut self) -> Option<Ticket> {
        if self.waiting.len() >= WAITING_MAX {
            return None;
        }
        self.issued += TICKETS_APART;
        let ticket = Ticket(self.issued);
        self.waiting.push_back(ticket);
        Some(ticket)
    }

    /// A place for one that was launched and failed: behind the next [`REJOIN_BEHIND`], so that it
    /// is not the only one to pay for every probe, and not behind all, where its time would be over
    /// before its turn came.
    pub fn rejoin(&mut self) -> Option<Ticket> {
        let (Some(before), Some(after)) = (self.waiting.get(REJOIN_BEHIND - 1), self.waiting.get(REJOIN_BEHIND)) else {
            return self.join();
        };
        let ticket = Ticket(before.0 + (after.0 - before.0) / 2);
        if ticket == *before || self.waiting.len() >= WAITING_MAX {
            return self.join();
        }
        self.waiting.insert(REJOIN_BEHIND, ticket);
        Some(ticket)
    }

    /// Gives a place up. Harmless if it was given up before.
    pub fn leave(&mut self, ticket: Ticket) {
        if let Ok(at) = self.waiting.binary_search(&ticket) {
            self.waiting.remove(at);
        }
    }

    /// Whether it is this ticket's turn; if not, when to look again. `usual` is the group's requests
    /// in a thousand seconds.
    ///
    /// # Errors
    /// The moment to ask again.
    pub fn turn(&mut self, now: Time, ticket: Ticket, usual: u64) -> Result<(), Time> {
        self.pace(now, usual);
        let before = self.waiting.binary_search(&ticket).unwrap_or(0) as u64;
        if before == 0 && now >= self.next {
            return Ok(());
        }
        let due = self.next.max(now) + self.gap().saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        Err(due.max(now + LOOK_MIN).min(now + LOOK_MAX))
    }

    /// Whether nobody waits before this ticket.
    #[must_use]
    pub fn is_first(&self, ticket: Ticket) -> bool {
        self.waiting.front() == Some(&ticket)
    }

    /// The ticket whose turn it was has been launched.
    pub fn launched(&mut self, now: Time, ticket: Ticket) {
        self.leave(ticket);
        self.has_launched = true;
        self.next = now + self.gap();
    }

    /// One that had been launched failed.
    pub fn failed(&mut self) {
        self.has_failed = true;
    }

    /// The upstream is down again: what was learnt of its strength is forgotten.
    pub fn begin_anew(&mut self) {
        (self.rate, self.has_failed, self.has_launched) = (RATE_START, false, false);
    }

    fn pace(&mut self, now: Time, usual: u64) {
        if now.since(self.turned) < TURN {
            return;
        }
        self.turned = now;
        if self.has_failed {
            self.rate = (self.rate / 2).max(RATE_MIN);
        } else if self.has_launched {
            // Below twice what is usual: newcomers vary too, and both together stay below four times.
            let cap = (usual.saturating_mul(9) / 5).max(RATE_CAP_MIN);
            self.rate = (self.rate + self.rate / 2).min(cap);
        }
        (self.has_failed, self.has_launched) = (false, false);
    }

    /// Between two launches.
    fn gap(&self) -> Duration {
        Duration::from_micros(1_000_000_000 / self.rate.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    /// When each of `count` is launched, if all looks are made when they are due and all goes well.
    fn launches(queue: &mut Queue, count: usize, usual: u64, mut fails: impl FnMut(u64) -> bool) -> Vec<u64> {
        let mut looks: Vec<(Time, Ticket)> = (0..count).map(|_| (at(0), queue.join().unwrap())).collect();
        let mut launched = Vec::new();
        while let Some(next) = (0..looks.len()).min_by_key(|&i| looks[i]) {
            let (now, ticket) = looks[next];
            match queue.turn(now, ticket, usual) {
                Ok(()) => {
                    queue.launched(now, ticket);
                    if fails(now.as_micros() / 1_000) {
                        queue.failed();
                    }
                    launched.push(now.as_micros() / 1_000);
                    looks.swap_remove(next);
                }
                Err(again) => {
                    assert!(again > now && again <= now + LOOK_MAX);
                    looks[next].0 = again;
                }
            }
        }
        launched
    }

    /// The most launches in any second.
    fn peak(launched: &[u64]) -> usize {
        launched
            .iter()
            .map(|&from| launched.iter().filter(|&&at| at >= from && at < from + 1_000).count())
            .max()
            .unwrap()
    }

    #[test]
    fn those_who_wait_are_let_out_ever_faster_up_to_twice_what_is_usual() {
        let launched = launches(&mut Queue::default(), 600, 10_000, |_| false);
        assert_eq!(launched[0], 0);
        assert!(launched[1] >= 900, "{:?}", &launched[..4]);
        assert!((18..=21).contains(&peak(&launched)), "{}", peak(&launched));
        assert!(*launched.last().unwrap() < 60_000, "{:?}", launched.last());
    }

    #[test]
    fn failures_slow_it_down_to_one_in_two_seconds() {
        let launched = launches(&mut Queue::default(), 20, 10_000, |_| true);
        let gaps: Vec<u64> = launched.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[3..].iter().all(|gap| (1_900..=2_100).contains(gap)), "{gaps:?}");
    }

    #[test]
    fn a_quiet_group_is_let_out_at_two_a_second() {
        let launched = launches(&mut Queue::default(), 60, 0, |_| false);
        assert!((2..=3).contains(&peak(&launched)), "{}", peak(&launched));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut queue = Queue::default();
        let tickets: Vec<_> = (0..WAITING_MAX).map(|_| queue.join().unwrap()).collect();
        assert_eq!(queue.join(), None);
        queue.leave(tickets[500]);
        queue.leave(tickets[500]);
        assert_eq!(queue.len(), WAITING_MAX - 1);
        assert!(queue.join().is_some());
    }

    #[test]
    fn one_that_failed_waits_behind_sixteen_and_not_behind_all() {
        let mut queue = Queue::default();
        let tickets: Vec<_> = (0..100).map(|_| queue.join().unwrap()).collect();
        let mut last = None;
        for _ in 0..10 {
            let ticket = queue.rejoin().unwrap();
            assert!(tickets[REJOIN_BEHIND - 1] < ticket && ticket < tickets[REJOIN_BEHIND]);
            assert!(last.is_none_or(|last| ticket < last), "the place is counted from the front");
            last = Some(ticket);
        }
        assert!(queue.waiting.iter().is_sorted(), "{:?}", queue.waiting);
        let mut short = Queue::default();
        let [first, again] = [short.join().unwrap(), short.rejoin().unwrap()];
        assert!(first < again);
    }

    #[test]
    fn first_come_is_first_served() {
        let mut queue = Queue::default();
        let [first, second] = [queue.join().unwrap(), queue.join().unwrap()];
        assert!(queue.turn(at(0), second, 1_000).is_err());
        assert_eq!(queue.turn(at(0), first, 1_000), Ok(()));
        queue.launched(at(0), first);
        assert!(queue.turn(at(0), second, 1_000).is_err());
        assert_eq!(queue.turn(at(5_000), second, 1_000), Ok(()));
    }
}
