//! The parts of a report that are sums: by time, by kind, by place, of cost, and what they leave out.

use std::collections::BTreeMap;

use seawall_core::verdict::Class;

use super::Asked;
use super::document::{Baseline, Bill, Charged, Counted, Entry, Kind, Place, Requests, Stretch};
use super::tally::{self, Tally, Which, spread};
use super::words::{Moment, Sentence, grouped, message, name};
use crate::account::{Account as Sums, Amount, By};
use crate::observe::journal::incidents::is_failure;
use crate::observe::journal::minutes::{MINUTE_MICROS, Series};
use crate::observe::journal::read::{Filter, Journals, ReadError};

/// Names of each sort that are told.
pub(super) const NAMES_TOLD: usize = 8;
/// Kinds that are told.
const KINDS_TOLD: usize = 10;
/// Upstreams and models that are told.
pub(super) const PLACES_TOLD: usize = 12;
/// Events of the incident that are told: the first and the last of them.
const EVENTS_TOLD: usize = 16;

/// Failed attempts and whole requests by time; from the first minute to before the second.
pub(super) fn stretches(
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

/// All of them together; `None` if no whole request was counted.
pub(super) fn total(stretches: &[Stretch]) -> Option<Counted> {
    stretches.iter().filter_map(|stretch| stretch.counted).reduce(|sum, one| Counted {
        requests: sum.requests + one.requests,
        failed_first: sum.failed_first + one.failed_first,
        saved: sum.saved + one.saved,
        lost: sum.lost + one.lost,
        cut: sum.cut + one.cut,
    })
}

/// The hour before, and the day before.
pub(super) fn baseline(journals: &Journals, asked: &Asked<'_>) -> Result<Vec<Baseline>, ReadError> {
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

/// What happened, the earliest first.
pub(super) fn timeline(asked: &Asked<'_>, tally: &Tally) -> Vec<Entry> {
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
        let so_far = format!("; its rule counts {failed} of {of} requests that failed at first");
        let told_of = Sentence::new(format!("{what}, ")).quote(&event.severity).say(so_far);
        told.push(Entry { at: Moment(event.at), what: told_of });
    }
    told.sort_by_key(|entry| entry.at);
    told
}

/// The most frequent kinds.
pub(super) fn kinds(tally: &Tally) -> Vec<Kind> {
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

/// What the failed requests were like.
pub(super) fn requests(tally: &mut Tally) -> Requests {
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
pub(super) fn places(
    journals: &Journals,
    (since, until): (i64, i64),
    asked: &Asked<'_>,
) -> Result<Vec<Place>, ReadError> {
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
    Ok(told)
}

/// How requests on record ended, and how many of each.
pub(super) fn outcomes(journals: &Journals, asked: &Asked<'_>) -> Result<BTreeMap<String, u64>, ReadError> {
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    for (outcome, count) in journals.outcomes(asked.since, asked.until, asked.model)? {
        *told.entry(outcome).or_default() += count;
    }
    Ok(told)
}

/// What the failed attempts cost: the same arithmetic as `seawall bill`.
pub(super) fn bill(journals: &Journals, asked: &Asked<'_>) -> Result<Bill, ReadError> {
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
pub(super) fn limits(
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
