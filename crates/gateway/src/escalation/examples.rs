//! Which failures are shown: few, and spread over time, kinds and regions.
//!
//! A support engineer looks up a handful of ids. Twelve from one second say less than four from the beginning,
//! the worst minute and the end. The choice is by rule, so that the same record always gives the same ones.

use super::document::Example;
use super::tally::{Tally, millis};
use super::words::{Moment, message, name};
use crate::observe::journal::row::AttemptRow;

/// Examples that are shown.
pub(super) const EXAMPLES_MAX: usize = 12;
/// Of these, for each region another.
const REGIONS_MAX: usize = 4;
/// Of these, for each kind another.
const KINDS_MAX: usize = 5;

/// Rows chosen, and why each of them.
struct Chosen(Vec<(AttemptRow, Vec<String>)>);

impl Chosen {
    /// Chooses `row`, or adds another reason for it.
    fn take(&mut self, row: &AttemptRow, why: &str) {
        let is_same = |kept: &AttemptRow| kept.request_id == row.request_id && kept.attempt == row.attempt;
        let has_room = self.0.len() < EXAMPLES_MAX;
        match self.0.iter_mut().find(|(kept, _)| is_same(kept)) {
            Some((_, reasons)) if !why.is_empty() => reasons.push(why.to_owned()),
            Some(_) => {}
            None if has_room => {
                self.0.push((row.clone(), Vec::from_iter((!why.is_empty()).then(|| why.to_owned()))));
            }
            None => {}
        }
    }
}

/// The examples of `tally`, the earliest first.
pub(super) fn choose(tally: &Tally) -> Vec<Example> {
    let mut chosen = Chosen(Vec::new());
    if let Some(first) = &tally.first {
        chosen.take(first, "first");
    }
    if let Some(last) = &tally.last {
        chosen.take(last, "last");
    }
    // Of equal ones the earliest.
    let peak =
        tally.stretches.iter().rev().max_by_key(|stretch| stretch.failed).and_then(|stretch| stretch.first.as_ref());
    if let Some(peak) = peak {
        chosen.take(peak, "peak");
    }
    let mut kinds: Vec<_> = tally.kinds.iter().collect();
    kinds.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.count));
    for (key, seen) in kinds.into_iter().take(KINDS_MAX) {
        let status = key.status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
        chosen.take(&seen.first, &format!("first {status} {}", key.class));
    }
    for (region, row) in tally.regions.iter().take(REGIONS_MAX) {
        chosen.take(row, &format!("region {region}"));
    }
    for row in spread(tally) {
        chosen.take(row, "");
    }
    let mut rows = chosen.0;
    rows.sort_by(|(a, _), (b, _)| (a.time, &a.request_id, a.attempt).cmp(&(b.time, &b.request_id, b.attempt)));
    rows.into_iter().map(|(row, why)| example(&row, why)).collect()
}

/// The first row of each part of the time, those in the middle of the largest gaps first.
fn spread(tally: &Tally) -> Vec<&AttemptRow> {
    let rows: Vec<&AttemptRow> = tally.slots.iter().flatten().map(|row| &**row).collect();
    let mut order = Vec::with_capacity(rows.len());
    let mut ranges = std::collections::VecDeque::from([(0, rows.len())]);
    while let Some((from, to)) = ranges.pop_front() {
        if from < to {
            let middle = from + (to - from) / 2;
            order.extend(rows.get(middle));
            ranges.extend([(from, middle), (middle + 1, to)]);
        }
    }
    order
}

/// The upstream's own id. Where it gave none, the record has its `cf-ray` in its place.
pub(super) fn x_request_id(row: &AttemptRow) -> Option<&str> {
    row.upstream_request_id.as_deref().filter(|id| row.cf_ray.as_deref() != Some(*id))
}

fn example(row: &AttemptRow, shown_as: Vec<String>) -> Example {
    let maybe = |text: &Option<String>| text.as_deref().map(name);
    let class = seawall_core::verdict::Class::from_name(&row.class).map_or("unknown", |class| class.name());
    Example {
        shown_as,
        time: Moment(row.time),
        x_request_id: x_request_id(row).map(name),
        x_client_request_id: maybe(&row.client_request_id),
        seawall_request_id: name(&row.request_id),
        attempt: row.attempt,
        upstream: name(&row.upstream),
        endpoint: name(&row.facts.endpoint),
        model: maybe(&row.facts.model),
        stream: row.facts.stream,
        status: row.status,
        class,
        fault: maybe(&row.fault),
        error_type: maybe(&row.error_type),
        error_code: maybe(&row.error_code),
        message: row.message.as_deref().map(message),
        elapsed_ms: millis(row.elapsed_ms),
        first_content_ms: row.first_content_ms.map(millis),
        openai_processing_ms: row.processing_ms,
        cf_ray: maybe(&row.cf_ray),
        body_bytes: row.facts.body_bytes,
        tools: row.facts.tools,
    }
}
