//! What happened, counted by the minute: what the bill and the next start know of all that went well.
//!
//! A success leaves no row in the journal. Here it is one addition under a short lock, and every
//! [`HAND_OVER`] the sums go to the journal's writer, to be added to the rows of their minutes. So a
//! `kill -9` costs at most the counts of the last [`HAND_OVER`], never a failure's own row; a clean end
//! costs nothing. Nobody waits for any of it.
//!
//! The number of cells is bounded, whatever names callers invent: what does not fit is counted as
//! `other`. While the journal cannot be written the sums stay here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seawall_core::event::{Attempt, Ended, Outcome};
use seawall_core::request::{Endpoint, Request, Shape};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::usage::{Evidence, Tokens};
use seawall_core::verdict::{Charge, Class};
use tokio::time::{MissedTickBehavior, interval};

use super::journal::Journal;
use super::journal::minutes::{Cell, MINUTE_MICROS, Sums};

/// Between two times that the sums are handed over: as much as a kill can cost.
pub(crate) const HAND_OVER: Duration = Duration::from_secs(10);
/// Cells that are kept apart until they are handed over: some 200 bytes each.
pub(crate) const CELLS_MAX: usize = 1_024;
/// Minutes that have a cell for what did not fit: a day of a journal that cannot be written.
const FOLDED_MAX: usize = 1_440;
/// Bytes of a model's name.
const MODEL_BYTES_MAX: usize = 128;

/// Where nothing was asked, or no model was named.
const NONE: &str = "-";
/// What does not fit.
const OTHER: &str = "other";
const OTHER_MODEL: u16 = u16::MAX;
const NO_MODEL: u16 = u16::MAX - 1;

/// The sums that are not handed over yet.
pub(crate) struct Rollup {
    upstreams: Vec<String>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    cells: HashMap<Key, Sums>,
    models: HashMap<Box<str>, u16>,
    /// Cells for what did not fit, and the last of them.
    folded: usize,
    last_folded: Option<Key>,
}

/// A [`Cell`] in numbers, so that counting copies no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    minute: i64,
    upstream: Option<UpstreamId>,
    model: u16,
    endpoint: Endpoint,
    stream: bool,
    size: u8,
    tools: bool,
}

impl Rollup {
    /// Nothing yet, at upstreams of these names.
    pub(crate) fn new(upstreams: &[String]) -> Rollup {
        Rollup { upstreams: upstreams.to_vec(), open: Mutex::default() }
    }

    /// An attempt at `upstream` failed or was broken off.
    pub(crate) fn failed(&self, now: i64, facts: &Facts<'_>, upstream: Option<UpstreamId>, attempt: &Attempt) {
        self.count(now, facts, upstream, |sums| {
            sums.attempts += 1;
            if attempt.class == Class::Cancelled {
                sums.broken_off += 1;
                return;
            }
            sums.failed += 1;
            sums.failed_first += u64::from(attempt.number == 1);
        });
    }

    /// A request ended, with an answer or without.
    pub(crate) fn ended(&self, now: i64, facts: &Request, ended: &Ended) {
        self.count(now, &Facts::of(facts), ended.upstream, |sums| {
            sums.requests += 1;
            let is_saved = matches!(ended.outcome, Outcome::Retried | Outcome::FailedOver);
            match ended.outcome {
                Outcome::Passed | Outcome::Retried | Outcome::FailedOver | Outcome::Hedged => {
                    // The one attempt that no failure is told of.
                    sums.attempts += 1;
                    sums.saved += u64::from(is_saved);
                    sums.hedged += u64::from(ended.outcome == Outcome::Hedged);
                    sums.add_answer(&ended.tokens, is_saved);
                }
                Outcome::Interrupted => sums.cut += 1,
                _ => sums.lost += 1,
            }
        });
    }

    /// A caller left before there was an answer; `attempts` had been begun, and the last may be charged.
    pub(crate) fn left(&self, now: i64, facts: &Request, attempts: u32) {
        self.count(now, &Facts::of(facts), None, |sums| {
            sums.requests += 1;
            sums.caller_left += 1;
            if attempts > 0 {
                let tokens = Tokens::of(Charge::CancelledHedge, facts, &Evidence::default());
                sums.left_input += u64::from(tokens.usage.input.unwrap_or(0));
            }
        });
    }

    fn count(&self, now: i64, facts: &Facts<'_>, upstream: Option<UpstreamId>, add: impl FnOnce(&mut Sums)) {
        let Facts { endpoint, model, stream, size, tools } = *facts;
        let minute = now.div_euclid(MINUTE_MICROS);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let model = open.model(model);
        add(open.cell(Key { minute, upstream, model, endpoint, stream, size, tools }));
    }

    /// Hands everything to `journal`; what it cannot take now stays here, and the answer is false.
    pub(crate) fn hand_over(&self, journal: &Journal) -> bool {
        let taken = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        let rows = self.named(&taken);
        let is_taken = rows.is_empty() || journal.minutes(rows).is_ok();
        if !is_taken {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).take_back(&taken);
        }
        is_taken
    }

    /// The sums with their names in words, in the order of time.
    fn named(&self, open: &Open) -> Vec<(Cell, Sums)> {
        let names: HashMap<u16, &str> = open.models.iter().map(|(name, model)| (*model, &**name)).collect();
        let name = |key: &Key| match key.model {
            NO_MODEL => NONE,
            model => names.get(&model).copied().unwrap_or(OTHER),
        };
        let mut rows: Vec<(Cell, Sums)> = open
            .cells
            .iter()
            .map(|(key, sums)| {
                let upstream = key.upstream.map(|id| self.upstreams.get(id.index()).map_or(OTHER, String::as_str));
                let cell = Cell {
                    minute: key.minute,
                    upstream: upstream.unwrap_or(NONE).to_owned(),
                    model: name(key).to_owned(),
                    endpoint: key.endpoint.name(),
                    stream: key.stream,
                    size: key.size,
                    tools: key.tools,
                };
                (cell, *sums)
            })
            .collect();
        rows.sort_unstable_by_key(|(cell, _)| cell.minute);
        rows
    }
}

/// The facts of a request that tell its cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    endpoint: Endpoint,
    model: Option<&'a str>,
    stream: bool,
    size: u8,
    tools: bool,
}

impl<'a> Facts<'a> {
    /// Of a request as it was asked.
    pub(crate) fn of(asked: &'a Request) -> Facts<'a> {
        let (endpoint, model, stream) = (asked.endpoint, asked.model.as_deref(), asked.stream);
        Facts { endpoint, model, stream, size: Shape::power_of(asked.body_bytes), tools: asked.tools > 0 }
    }

    /// Of a request as it is on record.
    pub(crate) fn on_record(record: &'a seawall_core::event::Request) -> Facts<'a> {
        let endpoint = Endpoint::from_name(record.endpoint).unwrap_or(Endpoint::Other);
        let (model, stream) = (record.model.as_deref(), record.stream);
        Facts { endpoint, model, stream, size: Shape::power_of(record.body_bytes), tools: record.tools > 0 }
    }
}

impl Open {
    fn model(&mut self, name: Option<&str>) -> u16 {
        let Some(name) = name else { return NO_MODEL };
        let name = &name[..name.floor_char_boundary(MODEL_BYTES_MAX)];
        if let Some(known) = self.models.get(name) {
            return *known;
        }
        // A model has a cell at least.
        match u16::try_from(self.models.len()) {
            Ok(next) if self.models.len() < CELLS_MAX => {
                self.models.insert(name.into(), next);
                next
            }
            _ => OTHER_MODEL,
        }
    }

    fn cell(&mut self, key: Key) -> &mut Sums {
        let key = if self.cells.len() < CELLS_MAX || self.cells.contains_key(&key) { key } else { self.fold(key) };
        self.cells.entry(key).or_default()
    }

    /// Where that is counted which has no cell of its own.
    fn fold(&mut self, key: Key) -> Key {
        let folded = Key {
            model: OTHER_MODEL,
            endpoint: Endpoint::Other,
            upstream: None,
            stream: false,
            size: 0,
            tools: false,
            ..key
        };
        if self.cells.contains_key(&folded) {
            return folded;
        }
        if let (true, Some(last)) = (self.folded >= FOLDED_MAX, self.last_folded) {
            return last;
        }
        self.folded += 1;
        self.last_folded = Some(folded);
        folded
    }

    /// Adds what was taken out before, under the names of now.
    fn take_back(&mut self, taken: &Open) {
        let names: HashMap<u16, &str> = taken.models.iter().map(|(name, model)| (*model, &**name)).collect();
        for (key, sums) in &taken.cells {
            let model = match key.model {
                NO_MODEL => NO_MODEL,
                model => names.get(&model).map_or(OTHER_MODEL, |name| self.model(Some(name))),
            };
            self.cell(Key { model, ..*key }).add(sums);
        }
    }
}

/// Hands the sums of `observe` over, again and again.
pub(crate) async fn tend(observe: Arc<super::Observe>) {
    let mut ticks = interval(HAND_OVER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        observe.hand_over();
    }
}

#[cfg(test)]
mod tests;
