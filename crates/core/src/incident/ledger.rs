//! What requests were like that were answered, and those that failed: counted, never listed.
//!
//! Each request is one cell of a table of eight dimensions, so that any two of them can be looked at
//! together later. The last five minutes are kept apart by the minute: the failures that show an
//! incident came before it was found. Earlier minutes are put together, over half an hour to an
//! hour; that is what is usual. While an incident is open its own requests are counted apart.
//!
//! Values come from callers. Each dimension knows so many names and each table so many cells; what
//! is beyond counts as *other*, of which nothing is ever said.

use serde::{Deserialize, Serialize};

use super::{NAME_BYTES_MAX, inert, inert_chars, is_inert};
use crate::time::Time;
use crate::words::words;

/// Names that one dimension knows at a time; what is not met for an hour makes room.
pub const NAMES_MAX: usize = 24;
/// Cells that one table holds.
pub const CELLS_MAX: usize = 128;

/// Minutes that are kept apart.
const MINUTES: usize = 5;
const MINUTE_MICROS: u64 = 60_000_000;
/// Minutes that are put together until the turn changes.
const HALF_MINUTES: u64 = 30;

words! {
    /// What may tell failures from answers.
    pub enum Dimension {
        /// The model asked for.
        Model = "model",
        /// The endpoint.
        Endpoint = "endpoint",
        /// The upstream asked first.
        Upstream = "upstream",
        /// The alias of the key.
        Key = "key",
        /// The region that the upstream names in its headers.
        Region = "region",
        /// Whether a stream was asked for.
        Stream = "stream",
        /// The size of the request's body.
        Size = "size",
        /// Whether there were tools.
        Tools = "tools",
    }
}

/// Dimensions with names: the first of them.
const NAMED: usize = 5;
/// All of them.
pub(super) const DIMENSIONS: usize = 8;
/// Not known, or one too many.
pub(super) const OTHER: u8 = 0;
/// A dimension that is so, and one that is not so.
pub(super) const YES: u8 = 1;
const NO: u8 = 2;
/// Where a size begins, in bytes: a value is the number of those that it reaches, and one more.
pub(super) const SIZES: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// What a request was like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The model asked for.
    pub model: Option<&'a str>,
    /// The endpoint's name.
    pub endpoint: &'a str,
    /// The upstream asked first, or that was held back from.
    pub upstream: Option<&'a str>,
    /// The alias of the key, never the key.
    pub key: Option<&'a str>,
    /// The region that the upstream's headers name.
    pub region: Option<&'a str>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Whether there were tools.
    pub tools: bool,
}

/// One value for each dimension.
type Key = [u8; DIMENSIONS];

/// Requests that were alike in all dimensions.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) key: Key,
    pub(super) answered: u32,
    pub(super) failed: u32,
}

/// Cells, in the order of their keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Table(Vec<Cell>);

impl Table {
    fn add(&mut self, cell: Cell) {
        let at = match self.0.binary_search_by_key(&cell.key, |known| known.key) {
            Ok(at) => at,
            // The last place is for all that finds none.
            Err(_) if self.0.len() + 1 >= CELLS_MAX && cell.key != Key::default() => {
                return self.add(Cell { key: Key::default(), ..cell });
            }
            Err(at) => {
                self.0.insert(at, Cell { answered: 0, failed: 0, ..cell });
                at
            }
        };
        let known = &mut self.0[at];
        known.answered = known.answered.saturating_add(cell.answered);
        known.failed = known.failed.saturating_add(cell.failed);
    }

    fn add_all(&mut self, other: &Table) {
        other.0.iter().for_each(|&cell| self.add(cell));
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.0
    }
}

/// What is counted for one scope.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// The value of a name is its place here, and one more.
    names: [Vec<String>; NAMED],
    /// The latest last.
    minutes: Vec<(u64, Table)>,
    turn: u64,
    filling: Table,
    before: Table,
    /// The latest incident's own.
    during: Table,
    is_open: bool,
}

impl Ledger {
    /// A request was answered, or failed.
    pub(super) fn record(&mut self, now: Time, facts: &Facts<'_>, failed: bool) {
        let minute = now.as_micros() / MINUTE_MICROS;
        self.pass(minute);
        let cell = Cell { key: self.key(facts), answered: u32::from(!failed), failed: u32::from(failed) };
        if self.is_open {
            return self.during.add(cell);
        }
        if self.minutes.last().is_none_or(|(latest, _)| *latest < minute) {
            self.minutes.push((minute, Table::default()));
        }
        if let Some((_, table)) = self.minutes.last_mut() {
            table.add(cell);
        }
    }

    /// An incident was found that began at `since`: failures from then on are its own. One that
    /// `goes_on` keeps what was counted of it.
    pub(super) fn begin(&mut self, since: Time, goes_on: bool) {
        if std::mem::replace(&mut self.is_open, true) {
            return;
        }
        if !goes_on {
            self.during = Table::default();
        }
        let from = since.as_micros() / MINUTE_MICROS;
        for (_, table) in self.minutes.iter_mut().filter(|(minute, _)| *minute >= from) {
            for cell in &mut table.0 {
                self.during.add(Cell { answered: 0, ..*cell });
                cell.failed = 0;
            }
        }
    }

    /// It is over. What was counted of it can still be asked for until the next one.
    pub(super) fn end(&mut self) {
        self.is_open = false;
    }

    /// What was counted of the latest incident.
    pub(super) fn during(&self) -> &Table {
        &self.during
    }

    /// What was counted outside incidents, up to an hour back and up to now.
    pub(super) fn usual(&self) -> Table {
        let mut all = self.before.clone();
        all.add_all(&self.filling);
        self.minutes.iter().for_each(|(_, table)| all.add_all(table));
        all
    }

    /// What a value of a dimension with names stands for.
    pub(super) fn name(&self, dimension: Dimension, value: u8) -> Option<&str> {
        let names = self.names.get(dimension as usize)?;
        names.get(usize::from(value).checked_sub(1)?).map(String::as_str)
    }

    /// Puts minutes that have passed to the others.
    fn pass(&mut self, minute: u64) {
        while self.minutes.first().is_some_and(|(first, _)| first + (MINUTES as u64) <= minute) {
            let (number, table) = self.minutes.remove(0);
            self.turn_to(number / HALF_MINUTES);
            self.filling.add_all(&table);
        }
    }

    fn turn_to(&mut self, turn: u64) {
        if turn <= self.turn {
            return;
        }
        let filled = std::mem::take(&mut self.filling);
        self.before = if turn == self.turn + 1 { filled } else { Table::default() };
        self.turn = turn;
        self.forget_names();
    }

    /// Names that no cell has any more make room for others.
    fn forget_names(&mut self) {
        let minutes = self.minutes.iter_mut().map(|(_, table)| table);
        let mut tables: Vec<_> = minutes.chain([&mut self.filling, &mut self.before, &mut self.during]).collect();
        for (dimension, names) in self.names.iter_mut().enumerate() {
            let mut renamed = vec![OTHER; names.len() + 1];
            for cell in tables.iter().flat_map(|table| table.0.iter()) {
                if let Some(mark) = renamed.get_mut(usize::from(cell.key[dimension])) {
                    *mark = YES;
                }
            }
            renamed[usize::from(OTHER)] = OTHER;
            let mut last = OTHER;
            for mark in renamed.iter_mut().filter(|mark| **mark == YES) {
                last += 1;
                *mark = last;
            }
            let mut place = 0;
            names.retain(|_| {
                place += 1;
                renamed[place] != OTHER
            });
            for cell in tables.iter_mut().flat_map(|table| table.0.iter_mut()) {
                cell.key[dimension] = renamed.get(usize::from(cell.key[dimension])).copied().unwrap_or(OTHER);
            }
        }
        tables.iter_mut().for_each(|table| table.0.sort_unstable_by_key(|cell| cell.key));
    }

    fn key(&mut self, facts: &Facts<'_>) -> Key {
        let so = |is: bool| if is { YES } else { NO };
        let sizes = SIZES.iter().filter(|&&from| facts.body_bytes >= from).count();
        let mut key = Key::default();
        let named = [facts.model, Some(facts.endpoint), facts.upstream, facts.key, facts.region];
        for (at, name) in named.into_iter().enumerate() {
            key[at] = name.map_or(OTHER, |name| value(&mut self.names[at], name));
        }
        key[Dimension::Stream as usize] = so(facts.stream);
        key[Dimension::Size as usize] = u8::try_from(1 + sizes).unwrap_or(OTHER);
        key[Dimension::Tools as usize] = so(facts.tools);
        key
    }
}

fn value(names: &mut Vec<String>, name: &str) -> u8 {
    let known = if is_inert(name, NAME_BYTES_MAX) {
        names.iter().position(|known| known == name)
    } else {
        names.iter().position(|known| known.chars().eq(inert_chars(name, NAME_BYTES_MAX)))
    };
    let at = known.or_else(|| {
        (names.len() < NAMES_MAX).then(|| {
            names.push(inert(name, NAME_BYTES_MAX));
            names.len() - 1
        })
    });
    at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn minute(at: u64) -> Time {
        Time::ZERO + Duration::from_secs(60 * at)
    }

    fn total(table: &Table) -> (u32, u32) {
        let sum = |of: fn(&Cell) -> u32| table.cells().iter().map(of).sum();
        (sum(|cell| cell.answered), sum(|cell| cell.failed))
    }

    #[test]
    fn no_caller_makes_more_names_or_cells_than_the_bounds() {
        let mut ledger = Ledger::default();
        for n in 0..5_000_u64 {
            let name = format!("\u{1b}[2J{n}");
            let facts = Facts { model: Some(&name), key: Some(&name), body_bytes: n * 999, ..Facts::default() };
            ledger.record(minute(n / 1_000), &facts, n % 2 == 0);
        }
        assert!(ledger.names.iter().all(|names| names.len() <= NAMES_MAX));
        assert_eq!(ledger.names[0].len(), NAMES_MAX);
        assert_eq!(ledger.name(Dimension::Model, 1), Some("\u{fffd}[2J0"));
        assert!(ledger.minutes.iter().all(|(_, table)| table.cells().len() <= CELLS_MAX));
        assert!(ledger.usual().cells().len() <= CELLS_MAX);
        assert_eq!(total(&ledger.usual()), (2_500, 2_500));
    }

    #[test]
    fn cells_stop_at_their_bound_and_the_rest_is_still_counted() {
        let mut table = Table::default();
        for n in 1..=200 {
            table.add(Cell { key: [n; DIMENSIONS], answered: 1, failed: 0 });
        }
        assert_eq!((table.cells().len(), total(&table)), (CELLS_MAX, (200, 0)));
        assert_eq!((table.cells()[0].key, table.cells()[0].answered), (Key::default(), 73));
    }

    #[test]
    fn an_incident_takes_its_failures_and_leaves_the_answers_before_it() {
        let mut ledger = Ledger::default();
        let facts = Facts::default();
        for at in 0..5 {
            ledger.record(minute(at), &facts, false);
            ledger.record(minute(at), &facts, true);
        }
        ledger.begin(minute(3), false);
        assert_eq!((total(&ledger.usual()), total(ledger.during())), ((5, 3), (0, 2)));
        ledger.record(minute(5), &facts, true);
        ledger.begin(minute(0), false);
        ledger.record(minute(6), &facts, false);
        assert_eq!((total(&ledger.usual()), total(ledger.during())), ((5, 3), (1, 3)));
        ledger.end();
        ledger.record(minute(7), &facts, true);
        assert_eq!((total(&ledger.usual()), total(ledger.during())), ((5, 4), (1, 3)));
        ledger.begin(minute(7), true);
        assert_eq!((total(&ledger.usual()), total(ledger.during())), ((5, 3), (1, 4)));
    }

    #[test]
    fn what_is_usual_is_half_an_hour_to_an_hour_and_names_make_room() {
        let mut ledger = Ledger::default();
        for n in 0..NAMES_MAX {
            let name = n.to_string();
            ledger.record(minute(0), &Facts { model: Some(&name), ..Facts::default() }, false);
        }
        let late = Facts { model: Some("late"), ..Facts::default() };
        ledger.record(minute(40), &late, false);
        assert_eq!((ledger.name(Dimension::Model, 1), ledger.names[0].len()), (Some("0"), NAMES_MAX));
        // When minute 80 is put to the others, at 90, that is the second turn since minute 0.
        for at in [80, 90] {
            ledger.record(minute(at), &late, false);
        }
        assert_eq!((ledger.names[0].clone(), total(&ledger.usual())), (vec!["late".to_owned()], (3, 0)));
    }
}
