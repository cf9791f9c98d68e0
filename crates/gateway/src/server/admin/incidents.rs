//! Incidents, for operators: those on record with what is known of the open ones now, and the word
//! that somebody knows of one.

use schemars::JsonSchema;
use serde::Serialize;

use crate::escalation::{self, Subject};
use crate::observe::Observe;
use crate::observe::journal::incidents::{EventRow, IncidentRow, Whole};
use crate::observe::journal::read::{INCIDENTS_MAX, JournalArgs, Journals, ReadError, Reader};

/// All of them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Incidents")]
pub(super) struct List {
    pub(super) incidents: Vec<IncidentRow>,
}

impl List {
    /// Those of the journal, brought up to date, and those that are not in it; the newest first.
    pub(super) fn of(observe: &Observe, mut rows: Vec<IncidentRow>) -> List {
        observe.incidents.refresh(&mut rows);
        rows.sort_by_key(|row| std::cmp::Reverse(row.since));
        rows.truncate(INCIDENTS_MAX);
        List { incidents: rows }
    }
}

/// What the journal has of one incident: those whose id begins so, and what was told of it.
pub(super) type OnRecord = (Vec<IncidentRow>, Vec<EventRow>);

/// Reads what the journal has of an incident. Blocks for the time that a read takes.
pub(super) fn read(reader: &Reader, id: &str) -> Result<OnRecord, ReadError> {
    Ok((reader.incident(id)?, reader.incident_events(id)?))
}

/// The incident with this very id, brought up to date.
pub(super) fn whole(observe: &Observe, (mut rows, events): OnRecord, id: &str) -> Option<Whole> {
    observe.incidents.refresh(&mut rows);
    let incident = rows.into_iter().find(|row| row.id == id)?;
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
/// reading all of it takes.
pub(super) fn report(observe: &Observe, reader: &Reader, id: &str, form: Form) -> Result<Option<String>, ReadError> {
    let Some(Whole { incident, events }) = whole(observe, read(reader, id)?, id) else { return Ok(None) };
    let place = JournalArgs { journal: Some(observe.journal.path().to_owned()), data_dir: None };
    let journals = Journals::open(&place, None)?;
    let command = format!("seawall report {}", incident.id);
    let subject = Subject::Incident(Box::new(incident), events);
    let report = escalation::of(&journals, &subject, seawall::proxy::unix_micros(), &command)?;
    Ok(report.map(|report| match form {
        Form::Json => escalation::json(&report),
        Form::Markdown => escalation::markdown(&report),
    }))
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
