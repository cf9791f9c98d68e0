//! `/api/v1/live`: server-sent events, so that a page stays true without asking again and again.
//!
//! `summary` comes each second, made once for all listeners and only while there is one; `incident` and `failure` come
//! as they happen; `lag` says how many of these were missed, where a listener was too slow. A comment comes
//! where nothing else does. There are [`LISTENERS_MAX`] at most. Each hears until it leaves, the gateway ends, or
//! [`LISTEN_MAX`] is over: then it comes back by itself, as every reader of such events does.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::super::Server;
use super::reply::{self, Reply, failed};
use super::summary::Summary;
use crate::observe::feed::Told;
use crate::observe::journal::plain::json_line;

/// Listeners at a time.
pub(crate) const LISTENERS_MAX: usize = 32;
/// A listener hears for this long at most.
pub(super) const LISTEN_MAX: Duration = Duration::from_secs(3_600);
/// How often the summary comes.
const SUMMARY_EVERY: Duration = Duration::from_secs(1);
/// After a silence this long a comment comes: what is on the way keeps the connection.
const COMMENT_AFTER: Duration = Duration::from_secs(15);
/// A listener whose connection takes nothing for this long has gone without a word, as a computer does that is put to
/// sleep: its place is for others.
const STUCK_MAX: Duration = Duration::from_secs(60);
/// Events that wait for one listener's connection: what is behind them waits in the feed, and is counted there.
const WAITING_MAX: usize = 8;

/// Who listens, and what they hear.
pub(super) struct Live {
    places: Arc<Semaphore>,
    summary: watch::Sender<Arc<str>>,
    shutdown: watch::Receiver<bool>,
}

impl Live {
    /// Nobody yet; until `shutdown` changes.
    pub(super) fn new(shutdown: watch::Receiver<bool>) -> Live {
        let (places, summary) = (Arc::new(Semaphore::new(LISTENERS_MAX)), watch::Sender::default());
        Live { places, summary, shutdown }
    }

    /// Makes a summary each second while somebody listens, for ever.
    pub(super) async fn tend(&self, server: &Server) {
        let mut ticks = interval(SUMMARY_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.summary.receiver_count() > 0 {
                // Strings and numbers go in: writing them cannot fail.
                let line = json_line(&Summary::of(server)).unwrap_or_default();
                self.summary.send_replace(line.trim_end().into());
            }
        }
    }

    /// A listener's stream, if there is a place for it.
    pub(super) fn listen(&self, server: &Server) -> Reply {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let says = format!("{LISTENERS_MAX} listen already: close one, or ask /api/v1/summary");
            return failed(StatusCode::SERVICE_UNAVAILABLE, says);
        };
        let mut summary = self.summary.subscribe();
        // What was made before is old.
        summary.mark_unchanged();
        let listener =
            Listener { feed: server.observe.incidents.feed.listen(), summary, shutdown: self.shutdown.clone() };
        reply::of(StatusCode::OK, reply::EVENTS, Heard::by(listener, place).boxed_unsync())
    }
}

/// How many events a listener missed, because it was too slow.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Lag {
    missed: u64,
}

/// What one listener hears.
struct Listener {
    feed: broadcast::Receiver<Told>,
    summary: watch::Receiver<Arc<str>>,
    shutdown: watch::Receiver<bool>,
}

impl Listener {
    /// Sends what happens to `to`, until nobody takes it, or it is time to end.
    async fn run(mut self, to: mpsc::Sender<Bytes>) {
        let end = Instant::now() + LISTEN_MAX;
        let mut is_first = true;
        loop {
            let event = if std::mem::take(&mut is_first) {
                // At once: a reader knows by it that it is heard.
                Some(Bytes::from_static(b": seawall\n\n"))
            } else {
                tokio::select! {
                    event = self.next() => event,
                    () = sleep_until(end) => None,
                    () = to.closed() => None,
                }
            };
            let Some(event) = event else { return };
            let sent = tokio::select! {
                sent = timeout(STUCK_MAX, to.send(event)) => matches!(sent, Ok(Ok(()))),
                _ = self.shutdown.wait_for(|down| *down) => false,
                () = sleep_until(end) => false,
            };
            if !sent {
                return;
            }
        }
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let silence = tokio::time::sleep(COMMENT_AFTER);
        tokio::select! {
            biased;
            _ = self.shutdown.wait_for(|down| *down) => None,
            told = self.feed.recv() => match told {
                Ok(told) => Some(event(told.name, &told.line)),
                Err(RecvError::Lagged(missed)) => {
                    // A number: writing it cannot fail.
                    Some(event("lag", json_line(&Lag { missed }).unwrap_or_default().trim_end()))
                }
                Err(RecvError::Closed) => None,
            },
            changed = self.summary.changed() => {
                changed.ok()?;
                let line = Arc::clone(&self.summary.borrow_and_update());
                Some(event("summary", &line))
            },
            () = silence => Some(Bytes::from_static(b":\n\n")),
        }
    }
}

/// One event; `line` is one line.
fn event(name: &str, line: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {line}\n\n"))
}

/// The body of a listener's answer. Dropping it ends the listener.
struct Heard {
    events: mpsc::Receiver<Bytes>,
    _task: JoinSet<()>,
}

impl Heard {
    fn by(listener: Listener, place: OwnedSemaphorePermit) -> Heard {
        let (to, events) = mpsc::channel(WAITING_MAX);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // What is not read may stay in the connection for long: the place goes with the task.
            let _place = place;
            listener.run(to).await;
        });
        Heard { events, _task: task }
    }
}

impl Body for Heard {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.events.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::observe::feed::{Feed, KEPT_MAX};
    use crate::observe::journal::samples::{attempt, request};

    struct Desk {
        feed: Feed,
        live: Live,
        end: watch::Sender<bool>,
    }

    fn desk() -> Desk {
        let (end, shutdown) = watch::channel(false);
        Desk { feed: Feed::new(), live: Live::new(shutdown), end }
    }

    impl Desk {
        fn listener(&self) -> Heard {
            let place = Arc::clone(&self.live.places).try_acquire_owned().unwrap();
            let (summary, shutdown) = (self.live.summary.subscribe(), self.live.shutdown.clone());
            Heard::by(Listener { feed: self.feed.listen(), summary, shutdown }, place)
        }
    }

    async fn next(heard: &mut Heard) -> Option<String> {
        let frame = heard.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_hears_at_once_then_what_happens_then_a_comment_in_silence() {
        let desk = desk();
        let mut heard = desk.listener();
        assert_eq!(next(&mut heard).await.unwrap(), ": seawall\n\n");
        desk.live.summary.send_replace("{\"a\":1}".into());
        assert_eq!(next(&mut heard).await.unwrap(), "event: summary\ndata: {\"a\":1}\n\n");
        desk.feed.failure(&request(1), &attempt(1), None);
        let failure = next(&mut heard).await.unwrap();
        assert!(failure.starts_with("event: failure\ndata: {\"time\":") && failure.ends_with("}\n\n"), "{failure}");
        let began = Instant::now();
        assert_eq!(next(&mut heard).await.unwrap(), ":\n\n");
        assert_eq!(began.elapsed(), COMMENT_AFTER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_reads_nothing_holds_up_nobody_and_hears_of_its_lag() {
        let desk = desk();
        let mut heard = desk.listener();
        assert_eq!(next(&mut heard).await.unwrap(), ": seawall\n\n");
        for n in 0..2 * KEPT_MAX {
            desk.feed.failure(&request(i64::try_from(n).unwrap()), &attempt(1), None);
        }
        let first = next(&mut heard).await.unwrap();
        assert_eq!(first, format!("event: lag\ndata: {{\"missed\":{KEPT_MAX}}}\n\n"));
        assert!(next(&mut heard).await.unwrap().starts_with("event: failure\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_gateway_and_of_the_hour_end_a_stream() {
        let desk = desk();
        let (mut first, mut second) = (desk.listener(), desk.listener());
        let began = Instant::now();
        while next(&mut first).await.is_some() {}
        assert!(began.elapsed() >= LISTEN_MAX && began.elapsed() < LISTEN_MAX + COMMENT_AFTER);
        drop(first);
        let _ = desk.end.send(true);
        while next(&mut second).await.is_some() {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_takes_nothing_loses_its_place_after_a_minute() {
        let desk = desk();
        let heard = desk.listener();
        // The first word and comments fill its connection: then the next comment waits.
        let full = COMMENT_AFTER * u32::try_from(WAITING_MAX).unwrap();
        sleep(full + STUCK_MAX - Duration::from_secs(1)).await;
        assert_eq!(desk.live.places.available_permits(), LISTENERS_MAX - 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(desk.live.places.available_permits(), LISTENERS_MAX);
        drop(heard);
    }

    #[tokio::test(start_paused = true)]
    async fn the_places_are_bounded_and_come_back() {
        let desk = desk();
        let all: Vec<Heard> = (0..LISTENERS_MAX).map(|_| desk.listener()).collect();
        assert!(Arc::clone(&desk.live.places).try_acquire_owned().is_err());
        drop(all);
        advance(Duration::from_millis(1)).await;
        assert_eq!(desk.live.places.available_permits(), LISTENERS_MAX);
        assert_eq!(desk.live.summary.receiver_count(), 0, "nobody is left to make a summary for");
    }
}
