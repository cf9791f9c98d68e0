//! Asking a page again and again, for as long as someone wants to know.
//!
//! One task for each page, one request at a time, and never more often than it is told: not when
//! incidents come and go, and less often where the page does not answer. Replicas that all see the same
//! outage are kept apart by chance. No request of a caller waits for any of it.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::dice::Dice;
use tokio::time::sleep;

use super::Page;
use super::board::Board;
use super::fetch::{Memory, Trouble};

/// A page that does not answer is asked after twice the time, and again, up to this.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(600);
/// When a page is wanted anew, up to so much goes by before it is asked: a whole fleet sees an outage at once.
const FIRST_WITHIN: Duration = Duration::from_secs(2);
/// A wait is longer by chance, by a tenth at most: one part in this.
const JITTER_PART: u32 = 10;

/// Asks `page` of `board` by `look`, every `every` while it is wanted. Ends when it is dropped.
pub(crate) async fn poll<F>(
    board: Arc<Board>,
    page: usize,
    every: Duration,
    mut dice: Dice,
    mut look: impl FnMut(Memory) -> F,
) where
    F: Future<Output = (Memory, Result<Arc<Page>, Trouble>)>,
{
    let (mut memory, mut failures, mut is_at_rest) = (Memory::default(), 0u32, true);
    loop {
        if is_at_rest {
            board.wanted(page).await;
            sleep(dice.duration(Duration::ZERO, FIRST_WITHIN)).await;
        }
        let (next, said) = look(memory).await;
        memory = next;
        failures = if said.is_ok() { 0 } else { failures.saturating_add(1) };
        board.put(page, seawall::proxy::unix_micros(), said);
        let wait = wait(every, failures);
        sleep(dice.duration(wait, wait + wait / JITTER_PART)).await;
        is_at_rest = !board.is_wanted(page);
    }
}

/// The wait after so many failures in a row, without its chance.
fn wait(every: Duration, failures: u32) -> Duration {
    let doubled = every.saturating_mul(2u32.saturating_pow(failures));
    doubled.min(BACKOFF_MAX.max(every))
}

#[cfg(test)]
mod tests;
