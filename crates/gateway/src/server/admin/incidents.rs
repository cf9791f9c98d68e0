//! Incidents, for operators: those on record with what is known of the open ones now, and the word
//! that somebody knows of one.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::Observe;
use crate::observe::journal::incidents::{EventRow, IncidentRow};
use crate::observe::journal::read::{INCIDENTS_MAX, ReadError, Reader};

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

impl Whole {
    /// The incident with this very id, brought up to date.
    pub(super) fn of(observe: &Observe, (mut rows, events): OnRecord, id: &str) -> Option<Whole> {
        observe.incidents.refresh(&mut rows);
        let incident = rows.into_iter().find(|row| row.id == id)?;
        Some(Whole { incident, events })
    }
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
