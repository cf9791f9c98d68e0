//! What the record knows of an error: how often, where, and always after the same time?
//!
//! A status says what may have happened, the journal what did. Only the newest failures are looked
//! at, read-only, so that it costs nothing whether the gateway runs or not; where there is no
//! journal nothing is said.

use std::collections::BTreeMap;

use seawall_core::verdict::Class;
use serde::Serialize;

use super::{Explained, Kind, rule};
use crate::observe::journal::plain::{millis, printable};
use crate::observe::journal::read::{Filter, Journals, ReadError};
use crate::observe::journal::row::{AttemptRow, RequestRow};
use crate::observe::journal::when::rfc3339;

/// Failures that are looked at, the newest.
const ROWS_MAX: usize = 200;
/// Of one form, so many of the newest are compared.
const OF_A_FORM: usize = 5;
/// So many of them have to end after the same time for it to be no chance.
const ALIKE_MIN: usize = 3;
/// What ends sooner was not waited for by anybody, in milliseconds.
const WALL_MS_MIN: f64 = 1_000.0;
/// Two times are the same if they differ by no more than this share of the shorter.
const SAME_SHARE: f64 = 0.02;
/// Pairs of upstream and model that are named.
const PLACES_MAX: usize = 3;

/// One thing that the record knows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Evidence {
    /// What it is about: `request`, `alike`, `time` or `kept`.
    about: &'static str,
    /// It, in a sentence without its stop.
    pub(super) says: String,
    /// How many of the failures looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    /// How many were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<usize>,
    /// When the newest of them began, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    /// After how many milliseconds they ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed_ms: Option<f64>,
    /// Seawall's id of the request, or of the newest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Evidence {
    fn new(about: &'static str, says: String) -> Evidence {
        Evidence { about, says, count: None, of: None, last: None, elapsed_ms: None, request_id: None }
    }
}

/// What `journals` know of what was explained. For an id that is on record, what became of it goes
/// into `explained` as well.
pub(super) fn gather(explained: &mut Explained, journals: &Journals) -> Result<Vec<Evidence>, ReadError> {
    let mut gathered = Vec::new();
    let mut form = None;
    if let Some(id) = &explained.request_id {
        let (requests, _) = journals.requests(id)?;
        if let Some(request) = requests.first() {
            gathered.push(story(request));
            form = request.attempts.iter().rev().find(|row| row.class != "ok").cloned();
        }
    }
    if let Some(row) = &form {
        explained.learn(row.status, Class::from_name(&row.class));
    } else if explained.recognised == Some(Kind::RequestId) {
        return Ok(gathered);
    }
    let filter = Filter::default();
    let rows: Vec<AttemptRow> = journals.attempts(&filter).take(ROWS_MAX).collect::<Result<_, _>>()?;
    let alike: Vec<&AttemptRow> = rows.iter().filter(|row| is_like(explained, row)).collect();
    gathered.extend(often(explained, &alike, rows.len()));
    let form = form.as_ref().or(alike.first().copied());
    gathered.extend(form.and_then(|form| wall(form, &alike)));
    Ok(gathered)
}

/// One request in two lines: what became of it, and what was tried.
fn story(request: &RequestRow) -> Evidence {
    let failed: Vec<String> = request
        .attempts
        .iter()
        .map(|row| {
            let status = row.status.map_or_else(String::new, |status| format!("{status} "));
            format!(
                "{status}{} at {} after {}",
                printable(&row.class),
                printable(&row.upstream),
                millis(row.elapsed_ms)
            )
        })
        .collect();
    let model = request.facts.model.as_deref().map_or_else(|| "no model".to_owned(), printable);
    let tools = match request.facts.tools {
        0 => String::new(),
        1 => ", 1 tool".to_owned(),
        many => format!(", {many} tools"),
    };
    let stream = if request.facts.stream { ", as a stream" } else { "" };
    let ended = match (&request.ended.outcome, &request.ended.reason) {
        (Some(outcome), Some(reason)) => format!("{} ({})", printable(outcome), printable(reason)),
        _ => "not on record".to_owned(),
    };
    let says = format!(
        "this request of {}: {} {model}{stream}{tools}; outcome {ended}\n{}; all of it: `seawall show {}`",
        rfc3339(request.time),
        printable(&request.facts.endpoint),
        if failed.is_empty() { "no failed attempt".to_owned() } else { failed.join(", then ") },
        printable(&request.request_id),
    );
    let mut told = Evidence::new("request", says);
    told.last = Some(rfc3339(request.time));
    told.elapsed_ms = request.ended.elapsed_ms;
    told.request_id = Some(request.request_id.clone());
    told
}

/// Whether a failure on record is one of those that were explained.
fn is_like(explained: &Explained, row: &AttemptRow) -> bool {
    let says = |said: &Option<String>, word: &str| said.as_deref().is_some_and(|said| said.eq_ignore_ascii_case(word));
    if let Some(rule) = &explained.rule {
        return row.message.as_deref().and_then(rule::of_message).is_some_and(|found| found.code == rule.code);
    }
    let is_class = explained.class.is_some_and(|class| row.class == class.name());
    match (explained.recognised, explained.word) {
        (Some(Kind::Outcome | Kind::Reason), Some(word)) => row.reason == word,
        (Some(Kind::Code), Some(word)) => {
            says(&row.error_code, word) || says(&row.error_type, word) || says(&row.fault, word)
        }
        // Of a code of Seawall's own the status is that of its answer, and no upstream's.
        (Some(Kind::Class | Kind::Code), _) => is_class,
        (Some(Kind::Status), _) => row.status == explained.status,
        _ => is_class && explained.status.is_none_or(|status| row.status == Some(status)),
    }
}

/// How many of the newest failures are alike, and where they were.
fn often(explained: &Explained, alike: &[&AttemptRow], of: usize) -> Option<Evidence> {
    let newest = alike.first()?;
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in alike {
        let model = row.facts.model.as_deref().map_or_else(|| "no model".to_owned(), printable);
        *places.entry((printable(&row.upstream), model)).or_default() += 1;
    }
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more: usize = places.iter().skip(PLACES_MAX).map(|(_, count)| count).sum();
    let mut named: Vec<String> = places
        .iter()
        .take(PLACES_MAX)
        .map(|((upstream, model), count)| format!("{count} at {upstream} with {model}"))
        .collect();
    if more > 0 {
        named.push(format!("{more} elsewhere"));
    }
    let lists = match explained.class {
        Some(class) => format!("`seawall failures --class {class}`"),
        None => "`seawall failures`".to_owned(),
    };
    let says = format!(
        "{} of the last {of} failed attempts {} like this: {}\nthe latest at {}, request {}; {lists} lists them",
        alike.len(),
        if alike.len() == 1 { "was" } else { "were" },
        named.join(", "),
        rfc3339(newest.time),
        printable(&newest.request_id),
    );
    let mut told = Evidence::new("alike", says);
    (told.count, told.of) = (Some(alike.len()), Some(of));
    (told.last, told.request_id) = (Some(rfc3339(newest.time)), Some(newest.request_id.clone()));
    Some(told)
}

/// Whether the newest failures of a form all ended after the same time: then somebody on the way
/// stops waiting.
fn wall(form: &AttemptRow, alike: &[&AttemptRow]) -> Option<Evidence> {
    let of_form = alike.iter().filter(|row| row.facts.shape == form.facts.shape && row.upstream == form.upstream);
    let times: Vec<f64> = of_form.take(OF_A_FORM).map(|row| row.elapsed_ms).collect();
    let is_same = |a: f64, b: f64| (a - b).abs() <= a.min(b) * SAME_SHARE;
    let count = |at: f64| times.iter().filter(|time| is_same(**time, at)).count();
    // Of times that as many are like, the newest.
    let at = times.iter().rev().copied().max_by_key(|at| count(*at))?;
    if count(at) < ALIKE_MIN || at < WALL_MS_MIN {
        return None;
    }
    let says = format!(
        "{} of your last {} failures of the form {} ended at {}: that is no chance, somebody on the way stops waiting",
        count(at),
        times.len(),
        printable(&form.facts.shape),
        millis(at),
    );
    let mut told = Evidence::new("time", says);
    (told.count, told.of, told.elapsed_ms) = (Some(count(at)), Some(times.len()), Some(at));
    Some(told)
}

#[cfg(test)]
mod tests;
