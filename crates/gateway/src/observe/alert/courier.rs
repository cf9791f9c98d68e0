//! One receiver's task: tells it what waits, one after another, for as long as it takes, within reason.
//!
//! Order is kept: while one notice cannot be delivered, those behind it wait. What may pass is tried
//! again after a wait that doubles, by chance, or after as long as the receiver asks for; what was
//! refused for what it is, is not. After an hour nobody is woken by the news any more, and it is given up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use seawall_core::dice::Dice;
use seawall_core::incident::{Event, Id};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::desk::{Desk, Item};
use super::notice::Notice;
use super::{Form, State};
use crate::observe::journal::when::rfc3339;
use crate::observe::post::{POST_WITHIN, Refused, Why};

/// The first wait is by chance up to this; it doubles with each failure.
pub(super) const WAIT_BASE: Duration = Duration::from_secs(1);
/// The longest that doubling leads to: a receiver that is well again hears within a minute.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);
/// A receiver that asks for a longer pause is asked again after this.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// What could not be delivered for so long is given up.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(3_600);

/// What became of notices for one receiver.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Taken by the receiver.
    pub(super) sent: Counter,
    /// Refused, or given up.
    pub(super) failed: Counter,
    /// Too many at a time, or left over at the end.
    pub(super) dropped: Counter,
}

/// One receiver, as everybody sees it.
pub(super) struct Sink {
    name: String,
    kind: &'static str,
    forgets: bool,
    desk: Mutex<Desk>,
    bell: Notify,
    health: Mutex<Health>,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct Health {
    /// In microseconds since the Unix epoch.
    failing_since: Option<i64>,
    last_error: Option<String>,
}

impl Sink {
    pub(super) fn new(name: String, form: &Form, desk: Desk, counts: Counts) -> Sink {
        let (bell, health) = (Notify::new(), Mutex::default());
        Sink { name, kind: form.name(), forgets: form.forgets(), desk: Mutex::new(desk), bell, health, counts }
    }

    /// Puts a notice behind the others. Never waits.
    pub(super) fn tell(&self, notice: &Arc<Notice>) {
        self.desk(|desk| desk.put(notice, Instant::now()));
        self.bell.notify_one();
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether an incident ends there by itself if it is not told of again.
    pub(super) fn forgets(&self) -> bool {
        self.forgets
    }

    /// Whether it knows of an incident.
    pub(super) fn knows(&self, incident: &Id) -> bool {
        self.desk(|desk| desk.knows(incident))
    }

    /// An incident was open when this process began.
    pub(super) fn resume(&self, event: &Event) {
        self.desk(|desk| desk.resume(event));
    }

    /// Whatever still waits is not told any more. There is nobody left to tell it.
    pub(super) fn abandon(&self) {
        let left = self.desk(Desk::close);
        if left > 0 {
            tracing::warn!(target: "seawall::alert", sink = self.name, kind = self.kind, left, "alerts were not delivered before the end");
        }
    }

    /// How it stands.
    pub(super) fn state(&self) -> State {
        let queued = self.desk(|desk| desk.queued());
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        State {
            sink: self.name.clone(),
            kind: self.kind,
            sent: self.counts.sent.get(),
            failed: self.counts.failed.get(),
            dropped: self.counts.dropped.get(),
            queued,
            last_error: health.last_error.clone(),
            failing_since: health.failing_since.map(rfc3339),
        }
    }

    fn desk<R>(&self, act: impl FnOnce(&mut Desk) -> R) -> R {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut desk);
        self.counts.dropped.inc_by(desk.dropped());
        done
    }

    fn arrived(&self) {
        self.desk(Desk::arrived);
        self.counts.sent.inc();
        let since = self.health.lock().unwrap_or_else(PoisonError::into_inner).failing_since.take();
        if let Some(since) = since {
            let seconds = seawall::proxy::unix_micros().saturating_sub(since) / 1_000_000;
            tracing::info!(target: "seawall::alert", sink = self.name, kind = self.kind, after_s = seconds, "alerts are delivered again");
        }
    }

    fn lost(&self) {
        self.desk(Desk::lost);
        self.counts.failed.inc();
    }

    /// One line when it begins, and none while it goes on.
    fn failed(&self, refused: &Refused) {
        let why = refused.to_string();
        let is_news = {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            let is_news = health.failing_since.is_none();
            health.failing_since.get_or_insert_with(seawall::proxy::unix_micros);
            health.last_error = Some(why.clone());
            is_news
        };
        if is_news {
            tracing::warn!(target: "seawall::alert", sink = self.name, kind = self.kind, why, "alerts cannot be delivered");
        }
    }
}

/// Tells `sink` what waits for it, by `post`, until `closing` says that nothing more comes.
pub(super) async fn run<F>(
    sink: Arc<Sink>,
    mut closing: watch::Receiver<bool>,
    mut dice: Dice,
    mut post: impl FnMut(Item) -> F,
) where
    F: Future<Output = Result<StatusCode, Refused>>,
{
    loop {
        let Some(item) = sink.desk(Desk::take) else {
            if *closing.borrow() {
                return;
            }
            tokio::select! {
                () = sink.bell.notified() => {}
                changed = closing.changed() => if changed.is_err() { return },
            }
            continue;
        };
        if !deliver(&sink, &mut closing, &mut dice, &mut post, item).await {
            return;
        }
    }
}

/// Delivers one notice, or gives it up; false if the end came before either.
async fn deliver<F>(
    sink: &Sink,
    closing: &mut watch::Receiver<bool>,
    dice: &mut Dice,
    post: &mut impl FnMut(Item) -> F,
    item: Item,
) -> bool
where
    F: Future<Output = Result<StatusCode, Refused>>,
{
    let until = item.since + GIVE_UP_AFTER;
    let mut failures = 0;
    loop {
        let is_last = *closing.borrow();
        let said = timeout(POST_WITHIN, post(item.clone())).await.unwrap_or(Err(Why::Late.into()));
        let Err(refused) = said else {
            sink.arrived();
            return true;
        };
        sink.failed(&refused);
        let now = Instant::now();
        if !refused.why.is_passing() || now >= until {
            sink.lost();
            return true;
        }
        if is_last {
            return false;
        }
        failures += 1;
        let pause = refused.retry_after.map(|asked| asked.min(RETRY_AFTER_MAX)).unwrap_or_else(|| wait(dice, failures));
        tokio::select! {
            () = sleep_until((now + pause).min(until)) => {}
            // One more attempt, at once.
            changed = closing.changed() => if changed.is_err() { return false },
        }
    }
}

/// The wait after so many failures in a row.
fn wait(dice: &mut Dice, failures: u32) -> Duration {
    let most = WAIT_BASE.saturating_mul(2u32.saturating_pow(failures - 1)).min(WAIT_MAX);
    dice.duration(Duration::ZERO, most)
}

#[cfg(test)]
mod tests;
