//! What waits for the collector: bounded, and the oldest goes first where there is too much.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;

/// A bounded queue that never makes anybody wait.
pub(super) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    max: usize,
    /// So many make a batch.
    batch: usize,
    bell: Notify,
    /// What was not delivered.
    pub(super) dropped: Counter,
}

impl<T> Queue<T> {
    /// A queue for at most `max`, that is emptied by the `batch`.
    pub(super) fn new(max: usize, batch: usize, dropped: Counter) -> Queue<T> {
        Queue { items: Mutex::default(), max, batch, bell: Notify::new(), dropped }
    }

    /// Puts `item` behind the others; if there are too many, the oldest is dropped, and counted.
    pub(super) fn push(&self, item: T) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = if items.len() >= self.max { items.pop_front() } else { None };
        items.push_back(item);
        // One that waits is rung for the first, and again when it need not wait any longer.
        let rings = items.len() == 1 || items.len() == self.batch;
        drop(items);
        if oldest.is_some() {
            self.dropped.inc();
        }
        if rings {
            self.bell.notify_one();
        }
    }

    /// The oldest, as many as make a batch; none if none waits.
    pub(super) fn take(&self) -> Vec<T> {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let count = items.len().min(self.batch);
        items.drain(..count).collect()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether a batch is full.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.batch
    }

    /// Waits for something to come. It may be called in vain.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_where_there_is_too_much() {
        let queue = Queue::new(3, 2, Counter::default());
        (1..=3).for_each(|n| queue.push(n));
        assert_eq!((queue.len(), queue.dropped.get()), (3, 0));
        (4..=5).for_each(|n| queue.push(n));
        assert_eq!((queue.len(), queue.dropped.get()), (3, 2));
        assert_eq!(queue.take(), [3, 4]);
        assert_eq!(queue.take(), [5]);
        assert!(queue.take().is_empty());
    }
}
