//! Incidents, for operators: those on record with what is known of the open ones now, and the word
//! that somebody knows of one.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::Observe;
use crate::observe::journal::incidents::{EventRow, IncidentRow};
use crate::observe::journal::read::{INCIDENTS_MAX, Reader};

/// All of them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Incidents")]
pub(super) struct List {
    incidents: Vec<IncidentRow>,
}

/// One incident, with what was told of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Incident")]
pub(super) struct Whole {
    #[serde(flatten)]
    incident: IncidentRow,
    events: Vec<EventRow>,
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
