//! Incidents, for operators: those on record with what is known of the open ones now, and the word
//! that somebody knows of one.

use schemars::JsonSchema;
use serde::Serialize;

use crate::escalation::{self, Subject};
use crate::observe::Observe;
use crate::observe::journal::incidents::{IncidentRow, Whole};
use crate::observe::journal::read::{INCIDENTS_MAX, JournalArgs, Journals, Reader};

/// All of them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Incidents")]
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

/// That somebody knows of an incident.
#[derive(Serialize, JsonSchema)]
pub(super) struct Acknowledged {
    /// Its id.
    acknowledged: String,
}

/// Notes that somebody knows of an incident; `None` if none of this id is open.
pub(super) fn acknowledge(observe: &Observe, id: &str) -> Option<Acknowledged> {
    observe.incidents.acknowledge(id).then(|| Acknowledged { acknowledged: id.to_owned() })
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
}
