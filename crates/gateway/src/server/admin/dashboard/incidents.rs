//! `/incidents` and `/incidents/ID`: what was wrong, since when, what is different about what fails, what was told of
//! it, and what to send to the provider.

use askama::Template;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::super::failures::Asked;
use super::super::incidents::{self as told, List};
use super::super::reply::Reply;
use super::super::{Admin, or_none};
use super::failures::{Row as Failure, address};
use super::words::{self, count, plural, segment, span, time};
use super::{Frame, page};
use crate::observe::journal::incidents::{EventRow, IncidentRow, Whole};
use crate::observe::journal::when::rfc3339;

/// Incidents of a page: the newest.
const ROWS_MAX: usize = 200;
/// Failures that are shown with an incident: the newest.
const FAILURES: &str = "10";

#[derive(Template)]
#[template(path = "incidents.html")]
struct All {
    frame: Frame,
    rows: Vec<Row>,
    /// How many more there are.
    more: usize,
    unread: Option<&'static str>,
}

/// An incident in a line.
struct Row {
    id: String,
    path: String,
    state: String,
    severity: String,
    place: String,
    says: &'static str,
    since: words::Time,
    lasted: String,
    counts: String,
    is_known: bool,
}

#[derive(Template)]
#[template(path = "incident.html")]
struct One {
    frame: Frame,
    row: Row,
    is_open: bool,
    rule: &'static str,
    facts: Vec<(&'static str, String)>,
    differences: Vec<String>,
    status_page: Option<StatusPage>,
    events: Vec<Event>,
    requests: Vec<(String, String)>,
    failures: Vec<Failure>,
    all_failures: String,
}

struct StatusPage {
    url: String,
    is_web: bool,
    says: String,
    incidents: Vec<String>,
    read: String,
}

struct Event {
    time: words::Time,
    what: String,
    severity: String,
    counts: String,
}

impl Admin {
    /// Incidents on record, the newest first.
    pub(super) async fn incidents_page(&self, headers: &HeaderMap) -> Reply {
        let observe = &self.server.observe;
        let read = self.record.read(observe.journal.path(), |reader| reader.incidents(i64::MIN, i64::MAX)).await;
        let (rows, unread) = match or_none(read) {
            Ok(rows) => (List::of(observe, rows).incidents, None),
            Err(why) => (Vec::new(), Some(why.says())),
        };
        let now = seawall::proxy::unix_micros();
        let mut reply = page(&All {
            frame: self.frame("Incidents", "/incidents", "incident", headers),
            more: rows.len().saturating_sub(ROWS_MAX),
            rows: rows.iter().take(ROWS_MAX).map(|row| Row::of(row, now)).collect(),
            unread,
        });
        if unread.is_some() {
            *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        reply
    }

    /// One incident.
    pub(super) async fn incident_page(&self, id: String, headers: &HeaderMap) -> Reply {
        let (observe, wanted, now) = (&self.server.observe, id.clone(), seawall::proxy::unix_micros());
        let path = observe.journal.path();
        let read = self.record.read(path, move |reader| told::read(reader, &wanted)).await;
        let whole = match or_none(read).map(|on_record| told::whole(observe, on_record, &id)) {
            Ok(Some(whole)) => whole,
            Ok(None) => {
                let hint = "The incidents page lists those that are.";
                return self.said(StatusCode::NOT_FOUND, headers, "No incident with this id is on record.", hint);
            }
            Err(why) => return self.said(StatusCode::SERVICE_UNAVAILABLE, headers, why.says(), ""),
        };
        let of_it = address("", [("incident", id.as_str()), ("limit", FAILURES)].into_iter());
        let failures = match Asked::of(of_it.strip_prefix('?'), now) {
            Ok(asked) => self.record.read(path, move |reader| asked.read(reader)).await.unwrap_or_default().failures,
            Err(_) => Vec::new(),
        };
        let failures = failures.iter().map(|row| Failure::of(row, now)).collect();
        page(&One::of(self.frame("Incident", "/incidents", "summary incident", headers), &whole, failures, now))
    }
}

impl Row {
    fn of(row: &IncidentRow, now: i64) -> Row {
        let until = row.closed.unwrap_or(now);
        Row {
            id: row.id.clone(),
            path: format!("/incidents/{}", segment(&row.id)),
            state: row.state.clone(),
            severity: row.severity.clone(),
            place: row.place(),
            says: row.what(),
            since: time(row.since, now),
            lasted: span(until - row.since),
            counts: format!("{} of {}", count(row.whole.failed), count(row.whole.of)),
            is_known: row.acknowledged.is_some(),
        }
    }
}

impl One {
    fn of(frame: Frame, whole: &Whole, failures: Vec<Failure>, now: i64) -> One {
        let incident = &whole.incident;
        let mut facts: Vec<(&'static str, String)> = vec![
            ("Found", rfc3339(incident.opened)),
            ("Lately", format!("{} of {} failed at first", count(incident.window.failed), count(incident.window.of))),
        ];
        let mut maybe = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
        maybe("Over", incident.closed.map(rfc3339));
        maybe("Why over", incident.close.clone());
        maybe("Opened again", (incident.flaps > 0).then(|| plural(u64::from(incident.flaps), "time")));
        maybe("Told by", incident.under.clone());
        maybe("Somebody knows", incident.acknowledged.map(|at| format!("since {}", rfc3339(at))));
        let differences = incident.differences.as_array().map_or(&[][..], Vec::as_slice);
        let filter = [("incident", incident.id.as_str())];
        One {
            frame,
            row: Row::of(incident, now),
            is_open: incident.closed.is_none(),
            rule: incident.rule_says().unwrap_or("a rule of another release"),
            facts,
            differences: differences.iter().filter_map(|difference| text(difference, "text")).collect(),
            status_page: StatusPage::of(&incident.status_page),
            events: whole.events.iter().map(|event| Event::of(event, now)).collect(),
            requests: incident
                .request_ids
                .iter()
                .map(|id| (format!("/requests/{}", segment(id)), id.clone()))
                .collect(),
            failures,
            all_failures: address("/failures", filter.into_iter()),
        }
    }
}

impl Event {
    fn of(event: &EventRow, now: i64) -> Event {
        Event {
            time: time(event.at, now),
            what: event.what.strip_prefix("incident.").unwrap_or(&event.what).to_owned(),
            severity: event.severity.clone(),
            counts: format!("{} of {} had failed", count(event.failed), count(event.requests)),
        }
    }
}

impl StatusPage {
    fn of(said: &Value) -> Option<StatusPage> {
        let page = said.get("page")?;
        let url = text(said, "url")?;
        let incidents = page.get("incidents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Some(StatusPage {
            is_web: url.starts_with("https://") || url.starts_with("http://"),
            url,
            says: text(page, "description").or_else(|| text(page, "indicator")).unwrap_or("nothing".to_owned()),
            incidents: incidents.iter().filter_map(|incident| text(incident, "name")).collect(),
            read: text(said, "read").unwrap_or_default(),
        })
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}
