//! The escalation report: what failed, as one document for the provider's support.
//!
//! Support asks for the model, the error and its code, request ids, times with their zone, and what was done to
//! rule out this side. All of that is on record; this reads it and says nothing else. What the record does not
//! have, the report says that it does not have. It holds no prompt, no answer, no key: the record has none.
//!
//! `tally` reads the failed attempts in one pass, `examples` chooses the few that are shown, `reproduction` makes a
//! request of the same form, `ruled_out` and `summary` draw what follows, `document` is the result, `markdown` its
//! form for people.

mod digest;
mod document;
mod examples;
mod markdown;
mod reproduction;
mod ruled_out;
mod status_page;
mod summary;
mod tally;
mod words;

use std::collections::BTreeMap;

use seawall_core::verdict::Class;

use crate::account::{Account as Sums, Amount, By};
use crate::observe::journal::incidents::{EventRow, IncidentRow, is_failure};
use crate::observe::journal::minutes::{MINUTE_MICROS, Series};
use crate::observe::journal::read::{Filter, Journals, ReadError};

pub(crate) use digest::json;
use document::{
    Account, Baseline, Bill, Charged, Counted, Digest, Entry, Incident, Kind, Made, Place, Requests, Scope, Stretch,
};
pub(crate) use document::{Report, schema};
pub(crate) use markdown::markdown;
use tally::{ROWS_MAX, Tally, Which, spread};
use words::{Moment, Sentence, grouped, message, name};

/// Stretches that time is cut into, at most.
const STRETCHES_MAX: i64 = 30;
/// Names of each sort that are told.
const NAMES_TOLD: usize = 8;
/// Kinds that are told.
const KINDS_TOLD: usize = 10;
/// Upstreams and models that are told.
const PLACES_TOLD: usize = 12;
/// Events of the incident that are told: the first and the last of them.
const EVENTS_TOLD: usize = 16;
/// Differences that are told.
const DIFFERENCES_TOLD: usize = 4;

/// What is never in a report.
const REDACTION: [&str; 4] = [
    "Prompts, answers, tool definitions and headers are not recorded, so none of them can be in here.",
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
pub(crate) fn of(
    journals: &Journals,
    subject: &Subject,
    now: i64,
    command: String,
) -> Result<Option<Report>, ReadError> {
    let asked = Asked::of(subject, now);
    let which = asked.which();
    let mut tally = Tally::of(journals, &which, ROWS_MAX)?;
    if tally.failed == 0 && asked.incident.is_none() {
        return Ok(None);
    }
    let minutes = (which.first_minute, which.first_minute + which.width * which.stretches as i64);
    let stretches = stretches(journals, &which, minutes, &tally)?;
    let counted = total(&stretches);
    let places = places(journals, minutes, &asked)?;
    let outcomes = outcomes(journals, &asked)?;
    let reproduction = reproduction::of(&tally);
    let mut limits = limits(journals, &asked, &tally, counted.as_ref())?;
    limits.extend(reproduction.as_ref().err().cloned());
    let saved = counted.map_or(0, |counted| counted.saved);
    let mut report = Report {
        form: document::FORM,
        made: Made { at: Moment(now), seawall: env!("CARGO_PKG_VERSION"), command },
        scope: asked.scope(),
        summary: Vec::new(),
        account: Account {
            organizations: tally.organizations.told(NAMES_TOLD),
            projects: tally.projects.told(NAMES_TOLD),
        },
        totals: document::Totals {
            attempts_failed: tally.failed,
            requests_failing: tally.requests(),
            first: tally.first.as_ref().map(|row| Moment(row.time)),
            last: tally.last.as_ref().map(|row| Moment(row.time)),
            counted,
        },
        baseline: baseline(journals, &asked)?,
        timeline: timeline(&asked, &tally),
        stretches,
        kinds: kinds(&tally),
        examples: examples::choose(&tally),
        differences: asked.differences(),
        ruled_out: ruled_out::of(&tally, saved, &places, &outcomes),
        places,
        status_page: asked.incident.and_then(|incident| status_page::of(&incident.status_page, incident.since)),
        bill: bill(journals, &asked)?,
        reproduction: reproduction.ok(),
        requests: requests(&mut tally),
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

fn stretches(
    journals: &Journals,
    which: &Which,
    (since, until): (i64, i64),
    tally: &Tally,
) -> Result<Vec<Stretch>, ReadError> {
    let (upstream, model) = (which.upstream.as_deref(), which.model.as_deref());
    let series = Series { since, until, width: which.width, upstream, model };
    let mut counted: BTreeMap<u64, Counted> = BTreeMap::new();
    for one in journals.stretches(series)? {
        let sum = counted.entry(one.place).or_default();
        sum.requests += one.requests;
        sum.failed_first += one.failed_first;
        sum.saved += one.saved;
        sum.lost += one.lost;
        sum.cut += one.cut;
    }
    let told = (0u64..).zip(&tally.stretches).map(|(place, seen)| Stretch {
        since: Moment((since + i64::try_from(place).unwrap_or(0) * which.width) * MINUTE_MICROS),
        minutes: which.width.unsigned_abs(),
        counted: counted.get(&place).copied(),
        failed: seen.failed,
        classes: seen.classes.clone(),
    });
    Ok(told.collect())
}

fn total(stretches: &[Stretch]) -> Option<Counted> {
    stretches.iter().filter_map(|stretch| stretch.counted).reduce(|sum, one| Counted {
        requests: sum.requests + one.requests,
        failed_first: sum.failed_first + one.failed_first,
        saved: sum.saved + one.saved,
        lost: sum.lost + one.lost,
        cut: sum.cut + one.cut,
    })
}

/// The hour before, and the day before.
fn baseline(journals: &Journals, asked: &Asked<'_>) -> Result<Vec<Baseline>, ReadError> {
    let until = asked.since.div_euclid(MINUTE_MICROS);
    let mut told = Vec::new();
    for (before, minutes) in [("hour", 60), ("day", 24 * 60)] {
        let since = until - minutes;
        let (mut requests, mut failed_first) = (0, 0);
        for summed in journals.minutes(since, until)? {
            if asked.is_of(&summed.upstream, &summed.model) {
                requests += summed.sums.requests;
                failed_first += summed.sums.failed_first;
            }
        }
        let moment = |minute: i64| Moment(minute * MINUTE_MICROS);
        told.push(Baseline { before, since: moment(since), until: moment(until), requests, failed_first });
    }
    Ok(told)
}

fn timeline(asked: &Asked<'_>, tally: &Tally) -> Vec<Entry> {
    let mut told = Vec::new();
    for (row, words) in
        [(&tally.first, "first failed attempt on record"), (&tally.last, "last failed attempt on record")]
    {
        if let Some(row) = row {
            let id = row.upstream_request_id.as_deref().unwrap_or(&row.request_id);
            told.push(Entry { at: Moment(row.time), what: Sentence::new(words).say(", ").quote(id) });
        }
    }
    let events = asked.events;
    let half = EVENTS_TOLD / 2;
    for (at, event) in events.iter().enumerate() {
        if events.len() > EVENTS_TOLD && (half..events.len() - half).contains(&at) {
            continue;
        }
        let (failed, of) = (grouped(event.failed), grouped(event.requests));
        let what = match event.what.as_str() {
            "incident.opened" => "incident found",
            "incident.reminder" => "incident goes on",
            "incident.resolved" => "incident over",
            "incident.unknown" => "nobody asks any more",
            _ => "something else was told of the incident",
        };
        let so_far = format!(": {failed} of {of} requests failed at first so far");
        let told_of = Sentence::new(format!("{what}, ")).quote(&event.severity).say(so_far);
        told.push(Entry { at: Moment(event.at), what: told_of });
    }
    told.sort_by_key(|entry| entry.at);
    told
}

fn kinds(tally: &Tally) -> Vec<Kind> {
    let mut kinds: Vec<_> = tally.kinds.iter().collect();
    kinds.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.count));
    let told = kinds.into_iter().take(KINDS_TOLD).map(|(key, seen)| Kind {
        status: key.status,
        class: key.class,
        fault: key.fault.clone(),
        error_type: key.error_type.clone(),
        error_code: key.error_code.clone(),
        message: key.message.clone(),
        count: seen.count,
        first: Moment(seen.first.time),
        last: Moment(seen.last),
    });
    told.collect()
}

fn requests(tally: &mut Tally) -> Requests {
    Requests {
        endpoints: tally.endpoints.told(NAMES_TOLD),
        models: tally.models.told(NAMES_TOLD),
        streamed: tally.streamed,
        with_tools: tally.with_tools,
        sdks: tally.sdks.told(NAMES_TOLD),
        caller_retries: tally.caller_retries,
        regions: tally.region_names.told(NAMES_TOLD),
        forms: tally.shapes(),
        body_bytes: spread(&mut tally.body_bytes),
        elapsed_ms: spread(&mut tally.elapsed_ms),
        openai_processing_ms: spread(&mut tally.processing_ms),
    }
}

/// What was asked at the same time, those of the scope first.
fn places(journals: &Journals, (since, until): (i64, i64), asked: &Asked<'_>) -> Result<Vec<Place>, ReadError> {
    let mut sums: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for summed in journals.minutes(since, until)? {
        // `-` is where no upstream was asked.
        if summed.upstream == "-" {
            continue;
        }
        let (requests, failed) = sums.entry((summed.upstream, summed.model)).or_default();
        *requests += summed.sums.requests;
        *failed += summed.sums.failed_first;
    }
    let mut told: Vec<Place> = sums
        .into_iter()
        .map(|((upstream, model), (requests, failed_first))| Place {
            in_scope: asked.is_of(&upstream, &model),
            upstream: name(&upstream),
            model: name(&model),
            requests,
            failed_first,
        })
        .collect();
    told.sort_by_key(|place| (!place.in_scope, std::cmp::Reverse(place.requests)));
    told.truncate(PLACES_TOLD);
    Ok(told)
}

fn outcomes(journals: &Journals, asked: &Asked<'_>) -> Result<BTreeMap<String, u64>, ReadError> {
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    for (outcome, count) in journals.outcomes(asked.since, asked.until, asked.model)? {
        *told.entry(outcome).or_default() += count;
    }
    Ok(told)
}

/// What the failed attempts cost: the same arithmetic as `seawall bill`.
fn bill(journals: &Journals, asked: &Asked<'_>) -> Result<Bill, ReadError> {
    let mut sums = Sums::new(By::Class, None);
    for cost in journals.costs(asked.since, asked.until)? {
        let is_failed =
            Class::from_name(&cost.class).is_some_and(|class| is_failure(class) || class == Class::StaleConnection);
        if is_failed && asked.is_of(&cost.upstream, &cost.model) {
            sums.add_cost(&cost);
        }
    }
    let spent = sums.bill().total.spent();
    Ok(Bill { no: spent.free, possibly: charged(&spent.possible), yes: charged(&spent.certain) })
}

fn charged(amount: &Amount) -> Charged {
    Charged {
        attempts: amount.known + amount.estimated + amount.unknown,
        unknown: amount.unknown,
        input_tokens: amount.input_tokens,
        output_tokens: amount.output_tokens,
        input_estimated: amount.input_estimated,
        output_estimated: amount.output_estimated,
    }
}

/// What the report leaves out, or cannot say.
fn limits(
    journals: &Journals,
    asked: &Asked<'_>,
    tally: &Tally,
    counted: Option<&Counted>,
) -> Result<Vec<Sentence>, ReadError> {
    let mut told = Vec::new();
    if tally.is_cut {
        let filter = Filter {
            since: Some(asked.since),
            until: Some(asked.until),
            upstream: asked.upstream.map(str::to_owned),
            model: asked.model.filter(|model| *model != "-").map(str::to_owned),
            ..Filter::default()
        };
        let (all, read) = (grouped(journals.count(&filter)?), grouped(tally.read));
        let oldest = Moment(tally.oldest.unwrap_or(asked.since)).told();
        told.push(Sentence::new(format!(
            "Of {all} attempts on record only the newest {read} were read: kinds, examples and failed attempts are of \
             the time from {oldest} on."
        )));
    }
    match counted {
        None => told.push(Sentence::new("Whole requests were not counted at that time: only failed attempts are on record.")),
        Some(_) => told.push(Sentence::new(
            "It is about whole minutes, since requests are counted by the minute. While a gateway runs, its last 10 seconds \
             are not in these counts yet.",
        )),
    }
    if let Some(route) = asked.incident.and_then(|incident| incident.route.as_deref()) {
        told.push(
            Sentence::new("The incident is one of route ").quote(route).say(
                "; the record does not say which route an attempt took, so this is about all attempts of that time.",
            ),
        );
    }
    if asked.incident.is_some_and(|incident| incident.kind == "latency") {
        told.push(Sentence::new(
            "The incident is about first contents that came late. Only failures are kept one by one, so what was late and \
             came is in no example.",
        ));
    }
    if tally.kinds.len() >= tally::KINDS_MAX {
        told.push(Sentence::new("There are more kinds of failures than are told apart."));
    }
    for warning in &journals.warnings {
        told.push(Sentence::new("Not read: ").quote(&message(warning)));
    }
    Ok(told)
}

#[cfg(test)]
mod tests;
