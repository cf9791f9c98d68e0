//! The way to the collector: posts in a row, each with a deadline, and one line in the log when it stops working and
//! when it works again.
//!
//! No request waits for any of this. What the collector cannot take now is tried again for a while, with a wait that
//! doubles, as OTLP has it; what it refuses for what it is, is dropped, and counted. Metrics are not tried again: the
//! next post holds all that was in the last.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use seawall_core::dice::Dice;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use super::queue::Queue;
use crate::observe::post::{POST_WITHIN, Refused, Why};

/// After the first trace that waits, others have this long to go with it.
pub(super) const TRACES_EVERY: Duration = Duration::from_secs(1);
/// The first wait after a failure is by chance up to this; it doubles with each.
const WAIT_BASE: Duration = Duration::from_secs(1);
/// The longest that doubling leads to.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A collector that asks for a longer pause is asked again after this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// A batch that could not be delivered for so long is dropped: newer ones wait behind it.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// How the deliveries of one signal stand.
pub(super) struct Health {
    signal: &'static str,
    collector: String,
    sent: Counter,
    failed: Counter,
    failing_since: Mutex<Option<i64>>,
}

impl Health {
    /// Of `signal`, sent to `collector`, an address without credentials; every post counts in `sent` or `failed`.
    pub(super) fn new(signal: &'static str, collector: String, sent: Counter, failed: Counter) -> Health {
        Health { signal, collector, sent, failed, failing_since: Mutex::default() }
    }

    fn note(&self, said: &Result<(), Refused>) {
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        let (signal, collector) = (self.signal, &self.collector);
        match said {
            Ok(()) => {
                self.sent.inc();
                if let Some(since) = since.take() {
                    let after_s = seawall::proxy::unix_micros().saturating_sub(since) / 1_000_000;
                    tracing::info!(target: "seawall::telemetry", signal, collector, after_s, "telemetry is delivered again");
                }
            }
            Err(refused) => {
                self.failed.inc();
                if since.is_none() {
                    let why = refused.to_string();
                    tracing::warn!(target: "seawall::telemetry", signal, collector, why, "telemetry cannot be delivered");
                    *since = Some(seawall::proxy::unix_micros());
                }
            }
        }
    }
}

/// Whether a collector may take later what it has not taken now, as OTLP has it.
fn is_passing(refused: &Refused) -> bool {
    match refused.why {
        Why::Connect(_) | Why::Broken(_) | Why::Late => true,
        Why::Moved(_) => false,
        Why::Status(status, _) => matches!(status, 429 | 502..=504),
    }
}

async fn posted<F>(post: &mut impl FnMut(Bytes) -> F, body: Bytes, health: &Health) -> Result<(), Refused>
where
    F: Future<Output = Result<(), Refused>>,
{
    let said = timeout(POST_WITHIN, post(body)).await.unwrap_or(Err(Why::Late.into()));
    health.note(&said);
    said
}

/// Delivers by `post` what comes into `queue`, put into words by `written`, until `closing` says that nothing more
/// comes; then what is left, to the first failure.
pub(super) async fn traces<T, F>(
    queue: &Queue<T>,
    mut closing: watch::Receiver<bool>,
    mut dice: Dice,
    health: &Health,
    written: impl Fn(&[T]) -> Bytes,
    mut post: impl FnMut(Bytes) -> F,
) where
    F: Future<Output = Result<(), Refused>>,
{
    loop {
        let is_last = *closing.borrow();
        if queue.len() == 0 {
            if is_last {
                return;
            }
            tokio::select! {
                () = queue.rung() => {}
                changed = closing.changed() => if changed.is_err() { return },
            }
            continue;
        }
        if !is_last && !queue.is_full() {
            let until = Instant::now() + TRACES_EVERY;
            let full = async {
                while !queue.is_full() {
                    queue.rung().await;
                }
            };
            tokio::select! {
                () = full => {}
                () = sleep_until(until) => {}
                changed = closing.changed() => if changed.is_err() { return },
            }
        }
        let batch = queue.take();
        let body = written(&batch);
        let is_over = !delivered(queue, &mut closing, &mut dice, health, &mut post, body, batch.len()).await;
        if is_over {
            return;
        }
    }
}

/// Delivers one batch, or drops it; false if the end has come, and the collector takes nothing.
async fn delivered<T, F>(
    queue: &Queue<T>,
    closing: &mut watch::Receiver<bool>,
    dice: &mut Dice,
    health: &Health,
    post: &mut impl FnMut(Bytes) -> F,
    body: Bytes,
    count: usize,
) -> bool
where
    F: Future<Output = Result<(), Refused>>,
{
    let lost = Lost { dropped: &queue.dropped, count: count as u64 };
    let until = Instant::now() + GIVE_UP_AFTER;
    let mut failures = 0;
    loop {
        let is_last = *closing.borrow();
        let Err(refused) = posted(post, body.clone(), health).await else {
            lost.not();
            return true;
        };
        if is_last {
            return false;
        }
        if !is_passing(&refused) || Instant::now() >= until {
            return true;
        }
        failures += 1;
        let pause = refused.retry_after.map(|asked| asked.min(RETRY_AFTER_MAX)).unwrap_or_else(|| wait(dice, failures));
        tokio::select! {
            () = sleep(pause) => {}
            // Once more, at once.
            changed = closing.changed() => if changed.is_err() { return false },
        }
    }
}

/// A batch that counts as lost unless it is said that it is not: also where the end comes in the middle of it.
struct Lost<'a> {
    dropped: &'a Counter,
    count: u64,
}

impl Lost<'_> {
    fn not(mut self) {
        self.count = 0;
    }
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        self.dropped.inc_by(self.count);
    }
}

/// The wait after so many failures in a row.
fn wait(dice: &mut Dice, failures: u32) -> Duration {
    let most = WAIT_BASE.saturating_mul(2u32.saturating_pow(failures - 1)).min(WAIT_MAX);
    dice.duration(Duration::ZERO, most)
}

/// Sends by `post` what `written` says, every `every`, and once more when `closing` says that it is over.
pub(super) async fn metrics<F>(
    every: Duration,
    mut closing: watch::Receiver<bool>,
    health: &Health,
    written: impl Fn() -> Bytes,
    mut post: impl FnMut(Bytes) -> F,
) where
    F: Future<Output = Result<(), Refused>>,
{
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_last = *closing.borrow();
        if !is_last {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = closing.changed() => if changed.is_err() { return },
            }
        }
        let is_last = *closing.borrow();
        // What is wrong with one is told in the log, and made good by the next.
        let _ = posted(&mut post, written(), health).await;
        if is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
