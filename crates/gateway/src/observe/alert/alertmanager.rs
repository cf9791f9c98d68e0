//! Alerts for Prometheus' Alertmanager, API v2.
//!
//! An Alertmanager knows an alert by its labels, and ends it by itself at `endsAt`. So labels are the same
//! in every post of an incident but for the severity, which its routes want to see: where that changes,
//! the alert with the old one is ended in the same post. And `endsAt` lies three reminders ahead, and a quarter
//! of an hour beyond the next at least, so that one that comes late, or is lost, ends nothing; if the gateway goes away, the alert does too, in time.

use std::time::Duration;

use seawall_core::incident::{FORGOTTEN_AFTER, Scope, Severity, What};
use seawall_core::time::{Time, micros};
use serde_json::{Map, Value, json};

use super::super::journal::when::rfc3339;
use super::notice::{Links, Notice, moment, unbracketed};

/// Where alerts are posted, below the Alertmanager's own address.
pub(super) const PATH: &str = "/api/v2/alerts";
/// A reminder may come so late: a receiver that asks for a pause has ten minutes of it.
pub(super) const LATE_MAX: Duration = Duration::from_secs(15 * 60);
/// Beyond the end of an incident that nobody asks for: an hour of room.
const ROOM_MIN: Duration = Duration::from_secs(3_600);
/// The name of every alert.
const ALERTNAME: &str = "SeawallIncident";

/// An alert that is not told of again is over after this: three reminders, or [`LATE_MAX`] beyond the next.
pub(super) fn ends_after(remind_every: Duration) -> Duration {
    (remind_every * 3).max(remind_every + LATE_MAX)
}

/// The same where nobody knows how it stands. It is closed after a day of silence, and until a reminder is due, silence
/// that begins anew is not told anew.
pub(super) fn unknown_ends_after(remind_every: Duration) -> Duration {
    FORGOTTEN_AFTER + ends_after(remind_every).max(ROOM_MIN)
}

/// The alerts for an Alertmanager that hears `what` at `now`, in microseconds since the Unix epoch, and again after
/// `remind_every`; `before` is the severity under which it knows the incident.
pub(super) fn alerts(
    notice: &Notice,
    what: What,
    links: &Links,
    before: Option<Severity>,
    remind_every: Duration,
    now: i64,
) -> Value {
    let severity = notice.event.severity;
    let later = |time: Duration| rfc3339(now.saturating_add(i64::try_from(micros(time)).unwrap_or(i64::MAX)));
    let unix = |time: Time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    // In the future it would not be over, and before its beginning it would be refused.
    let over = rfc3339(now.min(unix(notice.event.at)).max(unix(began(notice))));
    let ends_at = match what {
        What::Opened | What::Reminder => later(ends_after(remind_every)),
        What::Unknown => later(unknown_ends_after(remind_every)),
        What::Resolved => return [alert(notice, what, links, before.unwrap_or(severity), &over)].into(),
    };
    let ended = before.filter(|before| *before != severity);
    let ended = ended.map(|severity| alert(notice, what, links, severity, &over));
    ended.into_iter().chain([alert(notice, what, links, severity, &ends_at)]).collect()
}

fn began(notice: &Notice) -> Time {
    notice.event.since.min(notice.event.at)
}

fn alert(notice: &Notice, what: What, links: &Links, severity: Severity, ends_at: &str) -> Value {
    let mut labels = Map::new();
    let mut label = |name: &str, value: &str| labels.insert(name.to_owned(), json!(unbracketed(value)));
    label("alertname", ALERTNAME);
    label("incident", notice.id());
    label("kind", notice.event.kind.name());
    label("severity", severity.name());
    match &notice.event.scope {
        Scope::Upstream { upstream, model } => {
            label("upstream", upstream);
            label("model", model);
        }
        Scope::Route { route } => {
            label("route", route);
        }
    }
    if notice.is_test {
        label("test", "true");
    }
    let lines = notice.rows().into_iter().map(|row| format!("{}: {}", row.label, row.values.join("; ")));
    let description = unbracketed(&lines.collect::<Vec<_>>().join("\n"));
    let mut alert = json!({
        "labels": labels,
        "annotations": { "summary": unbracketed(&notice.headline(what)), "description": description },
        "startsAt": moment(began(notice)),
        "endsAt": ends_at,
    });
    if let Some(incident) = links.incident(notice.id()) {
        alert["generatorURL"] = json!(incident);
    }
    alert
}
