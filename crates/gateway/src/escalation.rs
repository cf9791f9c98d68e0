//! The escalation report: what failed, as one document for the provider's support.
//!
//! Support asks for the model, the error and its code, request ids, times with their zone, and what was done to
//! rule out this side. All of that is on record; this reads it and says nothing else. What the record does not
//! have, the report says that it does not have. It holds no prompt, no answer, no key: the record has none.
//!
//! `tally` reads the failed attempts in one pass, `sums` adds what is counted elsewhere, `examples` chooses the few
//! that are shown, `reproduction` makes a request of the same form, `ruled_out` and `summary` draw what follows,
//! `document` is the result, `markdown` its form for people.

mod digest;
mod document;
mod examples;
mod markdown;
mod reproduction;
mod ruled_out;
mod status_page;
mod summary;
mod sums;
mod tally;
mod words;

use crate::observe::journal::incidents::{EventRow, IncidentRow};
use crate::observe::journal::minutes::MINUTE_MICROS;
use crate::observe::journal::read::{Journals, ReadError};

pub(crate) use digest::json;
use document::{Account, Digest, Incident, Made, Scope};
pub(crate) use document::{Report, schema};
pub(crate) use markdown::markdown;
use tally::{ROWS_MAX, Tally, Which};
use words::{Moment, Sentence, message, name};

/// Stretches that time is cut into, at most.
const STRETCHES_MAX: i64 = 30;
/// Differences that are told.
const DIFFERENCES_TOLD: usize = 4;

/// What is never in a report.
const REDACTION: [&str; 4] = [
    "Prompts, answers and tool definitions are not recorded, and of headers only the ids, numbers and names that are shown above.",
    "Keys and tokens are not recorded. In messages of the upstream whatever looks like one reads ‹credential›.",
    "In messages of the upstream every run of 12 bytes or more that also stands in the request reads ‹input›; where the \
     request was not kept, only messages of known wording are kept, and others read ‹withheld›. Messages end at 512 bytes.",
    "In names and messages, control characters and marks that turn the reading order read U+FFFD.",
];

/// What a report is asked about.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// An incident, and what was told of it.
    Incident(Box<IncidentRow>, Vec<EventRow>),
    /// Everything that failed from the first to before the second, in microseconds since the Unix epoch.
    Period(i64, i64),
}

/// The report on `subject`, made at `now` by `command`; `None` if there is nothing to tell: no failure in that time,
/// and no incident. Reads at most [`ROWS_MAX`] rows, and keeps none but the examples.
pub(crate) fn of(journals: &Journals, subject: &Subject, now: i64, command: &str) -> Result<Option<Report>, ReadError> {
    let asked = Asked::of(subject, now);
    let which = asked.which();
    let mut tally = Tally::of(journals, &which, ROWS_MAX)?;
    if tally.failed == 0 && asked.incident.is_none() {
        return Ok(None);
    }
    let minutes = (which.first_minute, which.first_minute + which.width * which.stretches as i64);
    let stretches = sums::stretches(journals, &which, minutes, &tally)?;
    let counted = sums::total(&stretches);
    let mut places = sums::places(journals, minutes, &asked)?;
    let outcomes = sums::outcomes(journals, &asked)?;
    let reproduction = reproduction::of(&tally);
    let mut limits = sums::limits(journals, &asked, &tally, counted.as_ref())?;
    limits.extend(reproduction.as_ref().err().cloned());
    let saved = counted.map_or(0, |counted| counted.saved);
    let ruled_out = ruled_out::of(&tally, saved, &places, &outcomes);
    places.truncate(sums::PLACES_TOLD);
    let mut report = Report {
        form: document::FORM,
        made: Made { at: Moment(now), seawall: env!("CARGO_PKG_VERSION"), command: message(command) },
        scope: asked.scope(),
        summary: Vec::new(),
        account: Account {
            organizations: tally.organizations.told(sums::NAMES_TOLD),
            projects: tally.projects.told(sums::NAMES_TOLD),
        },
        totals: document::Totals {
            attempts_failed: tally.failed,
            requests_failing: tally.requests(),
            first: tally.first.as_ref().map(|row| Moment(row.time)),
            last: tally.last.as_ref().map(|row| Moment(row.time)),
            counted,
        },
        baseline: sums::baseline(journals, &asked)?,
        timeline: sums::timeline(&asked, &tally),
        stretches,
        kinds: sums::kinds(&tally),
        examples: examples::choose(&tally),
        differences: asked.differences(),
        ruled_out,
        places,
        status_page: asked.incident.and_then(|incident| status_page::of(&incident.status_page, incident.since)),
        bill: sums::bill(journals, &asked)?,
        reproduction: reproduction.ok(),
        requests: sums::requests(&mut tally),
        limits,
        redaction: REDACTION.to_vec(),
        digest: Digest::none(),
    };
    report.summary = summary::of(&report);
    report.digest = Digest::of(&report);
    Ok(Some(report))
}

/// What is asked, in the terms of the record.
struct Asked<'a> {
    incident: Option<&'a IncidentRow>,
    events: &'a [EventRow],
    upstream: Option<&'a str>,
    model: Option<&'a str>,
    since: i64,
    until: i64,
}

impl<'a> Asked<'a> {
    /// In whole minutes: what failed and what is counted by the minute are of the same time.
    fn of(subject: &'a Subject, now: i64) -> Asked<'a> {
        let (since, until) = match subject {
            Subject::Period(since, until) => (*since, until.saturating_sub(1)),
            Subject::Incident(incident, _) => (incident.since, incident.closed.unwrap_or(now)),
        };
        let minute = |at: i64| at.div_euclid(MINUTE_MICROS);
        let (since, until) = (minute(since) * MINUTE_MICROS, (minute(until.max(since)) + 1) * MINUTE_MICROS);
        match subject {
            Subject::Period(..) => Asked { incident: None, events: &[], upstream: None, model: None, since, until },
            Subject::Incident(incident, events) => Asked {
                incident: Some(incident),
                events,
                upstream: incident.upstream.as_deref(),
                model: incident.model.as_deref(),
                since,
                until,
            },
        }
    }

    fn which(&self) -> Which {
        let first_minute = self.since.div_euclid(MINUTE_MICROS);
        let minutes = self.until.div_euclid(MINUTE_MICROS) - first_minute;
        let width = (minutes + STRETCHES_MAX - 1) / STRETCHES_MAX;
        Which {
            upstream: self.upstream.map(str::to_owned),
            model: self.model.map(str::to_owned),
            since: self.since,
            until: self.until,
            first_minute,
            width,
            stretches: usize::try_from((minutes + width - 1) / width).unwrap_or(1),
        }
    }

    fn is_of(&self, upstream: &str, model: &str) -> bool {
        self.upstream.is_none_or(|wanted| wanted == upstream) && self.model.is_none_or(|wanted| wanted == model)
    }

    fn scope(&self) -> Scope {
        let incident = self.incident.map(|incident| Incident {
            id: name(&incident.id),
            state: name(&incident.state),
            kind: name(&incident.kind),
            route: incident.route.as_deref().map(name),
            rule: name(&incident.rule),
            severity: name(&incident.severity),
            since: Moment(incident.since),
            opened: Moment(incident.opened),
            closed: incident.closed.map(Moment),
            flaps: incident.flaps,
            failed: incident.whole.failed,
            of: incident.whole.of,
        });
        Scope {
            incident,
            upstream: self.upstream.map(name),
            model: self.model.map(name),
            since: Moment(self.since),
            until: Moment(self.until),
        }
    }

    fn differences(&self) -> Vec<Sentence> {
        let differences = self.incident.and_then(|incident| incident.differences.as_array());
        let texts = differences.into_iter().flatten().filter_map(|difference| difference.get("text")?.as_str());
        texts.take(DIFFERENCES_TOLD).map(|text| Sentence::default().quote(text)).collect()
    }
}

#[cfg(test)]
mod tests;
