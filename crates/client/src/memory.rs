//! How much of other people's bytes may be held at once.
//!
//! One number bounds bodies kept for another attempt, answers held to their end and events held
//! before the first content. When it is used up nothing waits and nothing fails: what cannot be
//! held passes through, and loses the chance of another attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that may be held, and those that are: of request bodies that flowed in, answers looked at before they go on, and
/// streams held to their end. Shared by the clients that are built with it.
///
/// ```
/// use seawall::{Client, Memory, Upstream};
///
/// # fn main() -> Result<(), seawall::BuildError> {
/// let memory = Memory::new(64 * 1024 * 1024);
/// let client = Client::builder().upstream(Upstream::openai()).memory(memory.clone()).build()?;
/// assert_eq!(memory.held(), 0);
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Memory {
    max: usize,
    held: AtomicUsize,
}

impl Memory {
    /// Room for `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Arc<Memory> {
        Arc::new(Memory { max, held: AtomicUsize::new(0) })
    }

    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// A part of the room, given back when dropped.
#[derive(Debug)]
pub struct Hold {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Hold {
    /// A part of `memory`, of no size yet.
    #[must_use]
    pub fn of(memory: &Arc<Memory>) -> Hold {
        Hold { memory: Arc::clone(memory), bytes: 0 }
    }

    /// Takes `more` bytes; false, and nothing taken, if there is no room for them.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let before = self.memory.held.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.memory.max {
            self.memory.held.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_full_at_its_limit_and_free_again_after() {
        let memory = Memory::new(10);
        let mut first = Hold::of(&memory);
        assert!(first.grow(10));
        assert!(!first.grow(1));
        let mut second = Hold::of(&memory);
        assert!(!second.grow(1));
        assert_eq!(memory.held(), 10);
        drop(first);
        assert!(second.grow(10));
        drop(second);
        assert_eq!(memory.held(), 0);
    }
}
