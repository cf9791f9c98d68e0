//! Alerts for Prometheus' Alertmanager, API v2.
//!
//! An Alertmanager knows an alert by its labels, and ends it by itself at `endsAt`. So labels are the same
//! in every post of an incident but for the severity, which its routes want to see: where that changes,
//! the alert with the old one is ended in the same post. And `endsAt` lies three reminders ahead, so that
//! one that comes late, or is lost, ends nothing; if the gateway goes away, the alert does too, in time.

use std::time::Duration;

use seawall_core::incident::{FORGOTTEN_AFTER, REMIND_EVERY, Scope, Severity, What};
use seawall_core::time::{Time, micros};
use serde_json::{Map, Value, json};

use super::super::journal::when::rfc3339;
use super::notice::{Links, Notice, moment, unbracketed};

/// Where alerts are posted, below the Alertmanager's own address.
pub(super) const PATH: &str = "/api/v2/alerts";
/// An alert that is not told of again is over after this: three reminders.
pub(super) const ENDS_AFTER: Duration = Duration::from_secs(3 * REMIND_EVERY.as_secs());
/// The same where nobody knows how it stands: no reminder comes, and it is closed after a day. An hour of room.
pub(super) const UNKNOWN_ENDS_AFTER: Duration = Duration::from_secs(FORGOTTEN_AFTER.as_secs() + 3_600);
/// The name of every alert.
const ALERTNAME: &str = "SeawallIncident";

/// The alerts for an Alertmanager that hears `what` at `now`, in microseconds since the Unix epoch;
/// `before` is the severity under which it knows the incident.
pub(super) fn alerts(notice: &Notice, what: What, links: &Links, before: Option<Severity>, now: i64) -> Value {
    let severity = notice.event.severity;
    let later = |time: Duration| rfc3339(now.saturating_add(i64::try_from(micros(time)).unwrap_or(i64::MAX)));
    let unix = |time: Time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    // In the future it would not be over, and before its beginning it would be refused.
    let over = rfc3339(now.min(unix(notice.event.at)).max(unix(began(notice))));
    let ends_at = match what {
        What::Opened | What::Reminder => later(ENDS_AFTER),
        What::Unknown => later(UNKNOWN_ENDS_AFTER),
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
