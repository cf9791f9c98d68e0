//! The way to the gateway: it is listened to, and asked for what it does not tell by itself.
//!
//! When it goes away it is tried again, each time after a longer wait, and looked for again: it may come back at
//! another address. Every answer has a deadline, and so has silence.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::super::said::Summary;
use super::super::{Place, RECORD_WITHIN};
use super::lists::{Failures, Incidents, Upstreams};
use super::state::{Ask, Event};
use crate::commands::running::listen::Said;
use crate::commands::running::{ANSWER_WITHIN, Admin, Silence};

/// A gateway sends its summary each second: one that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The wait before the first new try; each further one is twice as long.
const WAIT_MIN: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Where too many listen it is asked so often before it is tried again whether there is a place.
const ASKED_TIMES: u32 = 5;

/// The summary, asked for once: whether there is a gateway at all.
pub(super) async fn first(place: &Place) -> Result<(Admin, Summary), Silence> {
    let admin = place.find()?;
    let summary = read(&admin.ask(Method::GET, "/api/v1/summary", ANSWER_WITHIN).await?)?;
    Ok((admin, summary))
}

/// How a time of listening ended.
enum Ended {
    /// Nobody wants to hear more.
    Unwanted,
    /// As streams end: after an hour, or because the gateway does. Whether there was something to hear.
    Over,
    /// It could not be heard, or no longer; whether it was.
    Lost(Silence, bool),
}

/// Listens, for ever.
pub(super) async fn listen(place: Arc<Place>, to: Sender<Event>, every: Duration) {
    let mut tries = 0;
    loop {
        let (why, was_heard) = match hear(&place, &to, every).await {
            Ended::Unwanted => return,
            // One that shuts down is gone with the next try.
            Ended::Over => (None, true),
            Ended::Lost(silence, was_heard) => (Some(place.says(&silence).0), was_heard),
        };
        tries = if was_heard { 0 } else { tries + 1 };
        let wait = wait(tries);
        if let Some(why) = why {
            let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            if to.send(Event::Lost { why, retry_in_ms }).await.is_err() {
                return;
            }
        }
        sleep(wait).await;
    }
}

/// The wait after so many tries that came to nothing.
fn wait(tries: u32) -> Duration {
    WAIT_MIN.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(WAIT_MAX)
}

/// Listens until it ends; asks instead where there is no place.
async fn hear(place: &Place, to: &Sender<Event>, every: Duration) -> Ended {
    let (admin, summary) = match first(place).await {
        Ok(found) => found,
        Err(silence) => return Ended::Lost(silence, false),
    };
    let mut listening = match admin.listen().await {
        Ok(listening) => listening,
        Err(Silence::Status(503)) => return asking(&admin, summary, to, every).await,
        Err(silence) => return Ended::Lost(silence, false),
    };
    for event in [Event::Found(admin.address.clone()), Event::Summary(Box::new(summary))] {
        if to.send(event).await.is_err() {
            return Ended::Unwanted;
        }
    }
    loop {
        let said = match listening.next(SILENCE_MAX).await {
            Ok(Some(said)) => said,
            Ok(None) => return Ended::Over,
            Err(silence) => return Ended::Lost(silence, true),
        };
        match event(&said) {
            Ok(Some(event)) => {
                if to.send(event).await.is_err() {
                    return Ended::Unwanted;
                }
            }
            Ok(None) => {}
            Err(silence) => return Ended::Lost(silence, true),
        }
    }
}

/// Asks for the summary, and lets the failures be asked for, [`ASKED_TIMES`].
async fn asking(admin: &Admin, first: Summary, to: &Sender<Event>, every: Duration) -> Ended {
    let mut summary = first;
    for _ in 0..ASKED_TIMES {
        for event in [Event::Crowded, Event::Summary(Box::new(summary))] {
            if to.send(event).await.is_err() {
                return Ended::Unwanted;
            }
        }
        sleep(every).await;
        let asked = admin.ask(Method::GET, "/api/v1/summary", ANSWER_WITHIN).await;
        summary = match asked.and_then(|said| read(&said)) {
            Ok(summary) => summary,
            Err(silence) => return Ended::Lost(silence, true),
        };
    }
    Ended::Over
}

/// What was said, as an event; `None` of what is not known.
fn event(said: &Said) -> Result<Option<Event>, Silence> {
    Ok(match said.name.as_str() {
        "summary" => Some(Event::Summary(Box::new(read(&said.data)?))),
        "failure" => Some(Event::Failure(Box::new(read(&said.data)?))),
        "incident" => Some(Event::Incident),
        "lag" => {
            let lag: Value = read(&said.data)?;
            Some(Event::Missed(lag.get("missed").and_then(Value::as_u64).unwrap_or(1)))
        }
        _ => None,
    })
}

/// Asks for upstreams and incidents again and again. One that does not answer is told of by whoever listens.
pub(super) async fn tend(place: Arc<Place>, to: Sender<Event>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for path in ["/api/v1/upstreams", "/api/v1/incidents"] {
            let Ok(said) = ask(&place, path).await else { continue };
            let event = match path {
                "/api/v1/upstreams" => read(&said).map(|Upstreams { upstreams }| Event::Upstreams(upstreams)),
                _ => read(&said).map(|Incidents { incidents }| Event::Incidents(incidents)),
            };
            if let Ok(event) = event
                && to.send(event).await.is_err()
            {
                return;
            }
        }
    }
}

/// Asks for what the screen wants to know, one after the other.
pub(super) async fn answer(place: Arc<Place>, to: Sender<Event>, mut asks: Receiver<Ask>) {
    while let Some(ask) = asks.recv().await {
        let event = match ask {
            Ask::Failures(filter) => {
                let said = ask_for::<Failures>(&place, &filter.path()).await;
                said.map(|Failures { failures }| Event::Failures(filter, failures)).ok()
            }
            Ask::Incidents => {
                let said = ask_for::<Incidents>(&place, "/api/v1/incidents").await;
                said.map(|Incidents { incidents }| Event::Incidents(incidents)).ok()
            }
            Ask::Detail(wanted) => {
                let said = ask_for::<Value>(&place, &wanted.path()).await.map_err(|silence| match silence {
                    Silence::Status(404) => {
                        "nothing on record has this id: a request that succeeded at once is not kept".to_owned()
                    }
                    Silence::Status(503) => "the journal cannot be read now".to_owned(),
                    silence => place.says(&silence).0,
                });
                Some(Event::Detail(wanted, said))
            }
            Ask::Quit => return,
        };
        if let Some(event) = event
            && to.send(event).await.is_err()
        {
            return;
        }
    }
}

async fn ask_for<T: DeserializeOwned>(place: &Place, path: &str) -> Result<T, Silence> {
    read(&ask(place, path).await?)
}

async fn ask(place: &Place, path: &str) -> Result<Bytes, Silence> {
    place.find()?.ask(Method::GET, path, RECORD_WITHIN).await
}

fn read<T: DeserializeOwned>(said: &[u8]) -> Result<T, Silence> {
    serde_json::from_slice(said)
        .map_err(|_| Silence::Trouble("it says what this seawall does not understand".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_as_long_up_to_a_bound() {
        let waits: Vec<u128> = (0..7).map(|tries| wait(tries).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        assert_eq!(wait(u32::MAX), WAIT_MAX);
    }

    #[test]
    fn what_is_said_becomes_an_event_and_what_is_not_known_none() {
        let said = |name: &str, data: &str| event(&Said { name: name.to_owned(), data: data.into() });
        assert!(matches!(said("summary", "{}"), Ok(Some(Event::Summary(_)))));
        assert!(
            matches!(said("failure", r#"{"status": 500}"#), Ok(Some(Event::Failure(row))) if row.status == Some(500))
        );
        assert_eq!(said("incident", "whatever"), Ok(Some(Event::Incident)));
        assert_eq!(said("lag", r#"{"missed": 7}"#), Ok(Some(Event::Missed(7))));
        assert_eq!(said("weather", "{}"), Ok(None));
        assert!(said("summary", "{").is_err());
    }
}
