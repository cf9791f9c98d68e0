//! Incidents, for operators: those on record with what is known of the open ones now, and the word
//! that somebody knows of one.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::escalation::{self, Subject};
use crate::observe::Observe;
use crate::observe::journal::incidents::{IncidentRow, Whole};
use crate::observe::journal::read::{INCIDENTS_MAX, JournalArgs, Journals, Reader};

/// Where incidents are.
pub(super) const PATH: &str = "/api/v1/incidents";

/// All of them.
#[derive(Serialize)]
pub(super) struct List {
    incidents: Vec<IncidentRow>,
}

/// All of them, the newest first. Blocks for the time that a read takes.
pub(super) fn list(observe: &Observe) -> List {
    let mut rows = read(observe, |reader| reader.incidents(i64::MIN, i64::MAX).ok()).unwrap_or_default();
    observe.incidents.refresh(&mut rows);
    rows.sort_by_key(|row| std::cmp::Reverse(row.since));
    rows.truncate(INCIDENTS_MAX);
    List { incidents: rows }
}

/// One of them, by its whole id. Blocks for the time that a read takes.
pub(super) fn one(observe: &Observe, id: &str) -> Option<Whole> {
    let mut rows = read(observe, |reader| reader.incident(id).ok()).unwrap_or_default();
    observe.incidents.refresh(&mut rows);
    let incident = rows.into_iter().find(|row| row.id == id)?;
    let events = read(observe, |reader| reader.incident_events(id).ok()).unwrap_or_default();
    Some(Whole { incident, events })
}

/// The form in which a report is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Markdown,
}

impl Form {
    /// The form that a query asks for: `format=md`, `format=json` or none. `None` of another one.
    pub(super) fn of(query: Option<&str>) -> Option<Form> {
        let asked = query.unwrap_or_default().split('&').find_map(|part| part.strip_prefix("format="));
        match asked.unwrap_or("json") {
            "json" => Some(Form::Json),
            "md" => Some(Form::Markdown),
            _ => None,
        }
    }

    /// The media type.
    pub(super) fn media(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Markdown => "text/markdown; charset=utf-8",
        }
    }
}

/// The escalation report on one of them, by its whole id, as `seawall report` makes it. Blocks for the time that
/// it takes to read the incident's failures.
pub(super) fn report(observe: &Observe, id: &str, form: Form) -> Option<String> {
    let Whole { incident, events } = one(observe, id)?;
    let place = JournalArgs { journal: Some(observe.journal.path().to_owned()), data_dir: None };
    let journals = Journals::open(&place, None).ok()?;
    let command = format!("seawall report {}", incident.id);
    let subject = Subject::Incident(Box::new(incident), events);
    let report = escalation::of(&journals, &subject, seawall::unix_micros(), &command).ok()??;
    Some(match form {
        Form::Json => escalation::json(&report),
        Form::Markdown => escalation::markdown(&report),
    })
}

fn read<T>(observe: &Observe, read: impl FnOnce(&Reader) -> Option<T>) -> Option<T> {
    read(&Reader::open(observe.journal.path()).ok()??)
}

/// Whether a web page of another site sent the request: a browser says so.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let is_foreign = origin.is_some_and(|origin| {
        let own = [b"http://".as_slice(), b"https://"].iter().find_map(|scheme| origin.strip_prefix(*scheme));
        own.is_none() || own != host
    });
    let fetch = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    is_foreign || fetch.is_some_and(|site| site != b"same-origin" && site != b"none")
}

/// Notes that somebody knows of an incident.
pub(super) fn acknowledge(observe: &Observe, id: &str) -> (StatusCode, serde_json::Value) {
    if observe.incidents.acknowledge(id) {
        return (StatusCode::OK, json!({ "acknowledged": id }));
    }
    (StatusCode::NOT_FOUND, json!({ "error": "no incident with this id is open" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_json_unless_markdown_is_asked_for() {
        for (query, form) in [
            (None, Some(Form::Json)),
            (Some("a=b"), Some(Form::Json)),
            (Some("a=b&format=md"), Some(Form::Markdown)),
            (Some("format=json"), Some(Form::Json)),
            (Some("format=html"), None),
            (Some("format="), None),
        ] {
            assert_eq!(Form::of(query), form, "{query:?}");
        }
    }

    #[test]
    fn only_pages_of_this_very_side_may_change_something() {
        let cases: [(&[(&'static str, &str)], bool); 8] = [
            (&[("host", "127.0.0.1:7501")], false),
            (&[("host", "127.0.0.1:7501"), ("origin", "http://127.0.0.1:7501")], false),
            (&[("host", "127.0.0.1:7501"), ("origin", "https://evil.example")], true),
            (&[("host", "127.0.0.1:7501"), ("origin", "null")], true),
            (&[("host", "127.0.0.1:7501"), ("sec-fetch-site", "cross-site")], true),
            (&[("host", "127.0.0.1:7501"), ("sec-fetch-site", "same-site")], true),
            (&[("host", "127.0.0.1:7501"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "http://127.0.0.1:7501")], true),
        ];
        for (headers, expected) in cases {
            let mut map = HeaderMap::new();
            for &(name, value) in headers {
                map.insert(name, value.parse().unwrap());
            }
            assert_eq!(is_cross_site(&map), expected, "{headers:?}");
        }
    }
}
