//! What the live screen knows and shows: events go in, state comes out. No clock, no terminal, no connection.
//!
//! Everything that grows has a bound, and what is newer wins. While the screen is paused events are taken in all the same;
//! only what is shown stands still.

use serde_json::Value;

use super::super::said::{Failure, Incident, Summary, Upstream};
use super::detail::{Detail, Wanted};
use super::filter::{Filter, has};
use super::rows;
use crate::observe::journal::when::Moment;

mod event;
mod keys;

pub(super) use event::{Ask, Event, Key, Link, Pane};

/// Failures that are kept, the newest ones.
pub(super) const FAILURES_MAX: usize = 500;
/// Incidents that are kept, the newest ones.
pub(super) const INCIDENTS_MAX: usize = 200;
/// Letters of a search.
pub(super) const SEARCH_CHARS_MAX: usize = 64;
/// From this silence on the numbers are called old, in microseconds: they come each second.
const OLD_AFTER_MICROS: i64 = 4_000_000;

/// What the gateway said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Data {
    pub(super) summary: Option<Summary>,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) incidents: Vec<Incident>,
    /// The newest first.
    pub(super) failures: Vec<Failure>,
}

/// The screen's state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// The moment on this machine's clock.
    pub(super) now: i64,
    /// What the gateway's clock is ahead of this machine's.
    ahead: i64,
    /// When a summary came last, on this machine's clock.
    heard: Option<i64>,
    /// Where the gateway is.
    pub(super) address: String,
    pub(super) link: Link,
    data: Data,
    /// What is shown while the screen is paused, and the moment on the gateway's clock at which it was.
    frozen: Option<(Box<Data>, i64)>,
    pub(super) pane: Pane,
    /// The chosen row of each pane.
    cursors: [usize; Pane::ALL.len()],
    pub(super) filter: Filter,
    /// The filter that the failures on record were asked for with.
    listed: Filter,
    pub(super) search: String,
    /// Whether keys go into the search.
    pub(super) is_typing: bool,
    pub(super) detail: Option<Detail>,
    pub(super) has_help: bool,
    /// Something to say, until the next key.
    pub(super) note: Option<String>,
    /// Events that were missed since the start.
    pub(super) missed: u64,
}

impl State {
    /// Nothing is known yet.
    pub(super) fn new(now: i64, address: String) -> State {
        State {
            now,
            ahead: 0,
            heard: None,
            address,
            link: Link::Waiting,
            data: Data::default(),
            frozen: None,
            pane: Pane::Overview,
            cursors: [0; Pane::ALL.len()],
            filter: Filter::default(),
            listed: Filter::default(),
            search: String::new(),
            is_typing: false,
            detail: None,
            has_help: false,
            note: None,
            missed: 0,
        }
    }

    /// Takes an event in; what is to be done for it.
    pub(super) fn on(&mut self, event: Event) -> Option<Ask> {
        match event {
            Event::Tick(now) => self.now = now,
            Event::Key(key) => return self.press(key),
            Event::Resized => {}
            Event::Found(address) => {
                self.address = address;
                self.link = Link::Live;
                // What happened before it was heard is on record.
                return Some(Ask::Failures(self.filter.clone()));
            }
            Event::Crowded => {
                self.link = Link::Asked;
                return Some(Ask::Failures(self.filter.clone()));
            }
            Event::Lost { why, retry_in_ms } => self.lose(why, retry_in_ms),
            Event::Summary(summary) => self.sum_up(*summary),
            Event::Failure(row) => self.fail(*row),
            Event::Missed(n) => {
                self.missed = self.missed.saturating_add(n);
                return Some(Ask::Failures(self.filter.clone()));
            }
            Event::Incident => return Some(Ask::Incidents),
            Event::Upstreams(upstreams) => self.data.upstreams = upstreams,
            Event::Incidents(mut incidents) => {
                incidents.truncate(INCIDENTS_MAX);
                self.data.incidents = incidents;
            }
            Event::Failures(filter, rows) if filter == self.filter => self.record(rows),
            // Of a filter that is no longer wanted.
            Event::Failures(..) => {}
            Event::Detail(wanted, said) => self.detailed(&wanted, &said),
        }
        None
    }

    fn lose(&mut self, why: String, retry_in_ms: u64) {
        let wait = i64::try_from(retry_in_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        self.link = Link::Lost { why, retry_at: self.now.saturating_add(wait) };
    }

    fn sum_up(&mut self, summary: Summary) {
        self.ahead = summary.time.map_or(0, |time| time.0.saturating_sub(self.now));
        self.heard = Some(self.now);
        self.data.summary = Some(summary);
    }

    /// An attempt failed just now.
    fn fail(&mut self, row: Failure) {
        if !self.filter.takes(&row) || self.knows(&row) {
            return;
        }
        let is_shown = has(&rows::failure(&row), &self.search);
        // Attempts are told when they end, and ordered by when they began.
        let place = self.data.failures.partition_point(|other| other.time > row.time);
        self.data.failures.insert(place, row);
        self.data.failures.truncate(FAILURES_MAX);
        if self.frozen.is_none() && is_shown {
            for pane in [Pane::Overview, Pane::Failures] {
                let cursor = &mut self.cursors[pane.at()];
                // Who chose a row keeps it; who is at the top stays there.
                if *cursor > 0 {
                    *cursor += 1;
                }
            }
        }
    }

    fn knows(&self, row: &Failure) -> bool {
        let same = |other: &Failure| other.request_id == row.request_id && other.attempt == row.attempt;
        self.data.failures.iter().any(same)
    }

    /// What is on record, under what was heard since.
    fn record(&mut self, rows: Vec<Failure>) {
        let newest = rows.first().and_then(|row| row.time);
        // What another filter took is no list of this one: between two of its rows others may be missing.
        let is_the_same = std::mem::replace(&mut self.listed, self.filter.clone()) == self.filter;
        let heard = std::mem::replace(&mut self.data.failures, rows);
        let fits: Vec<Failure> = heard
            .into_iter()
            .filter(|row| self.filter.takes(row) && (is_the_same || row.time > newest) && !self.knows(row))
            .collect();
        self.data.failures.extend(fits);
        self.data.failures.sort_by_key(|row| std::cmp::Reverse(row.time));
        self.data.failures.truncate(FAILURES_MAX);
    }

    fn detailed(&mut self, wanted: &Wanted, said: &Result<Value, String>) {
        if let Some(detail) = self.detail.as_mut().filter(|detail| detail.wanted == *wanted) {
            detail.fill(said);
        }
    }

    /// What is shown.
    pub(super) fn shown(&self) -> &Data {
        self.frozen.as_ref().map_or(&self.data, |(data, _)| data)
    }

    /// The moment on the gateway's clock that is shown.
    pub(super) fn moment(&self) -> i64 {
        self.frozen.as_ref().map_or(self.now.saturating_add(self.ahead), |(_, at)| *at)
    }

    /// Whether what is shown stands still.
    pub(super) fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// Whether no new numbers come.
    pub(super) fn is_silent(&self) -> bool {
        self.heard.is_some_and(|heard| self.now.saturating_sub(heard) > OLD_AFTER_MICROS)
    }

    /// The moment on the gateway's clock that the numbers are of, and how old they are, in microseconds.
    pub(super) fn age(&self) -> Option<(i64, i64)> {
        self.heard.map(|heard| (heard.saturating_add(self.ahead), self.now.saturating_sub(heard)))
    }

    /// The upstreams that are shown, each with its cells.
    pub(super) fn upstreams(&self) -> Vec<&Upstream> {
        let all = self.shown().upstreams.iter();
        all.filter(|row| self.pane != Pane::Upstreams || has(&rows::upstream(row, 0), &self.search)).collect()
    }

    /// The incidents that are shown: the open ones as the summary tells them, then those that are over.
    pub(super) fn incidents(&self) -> Vec<Incident> {
        let data = self.shown();
        let open: Vec<&Incident> = data.summary.iter().flat_map(|summary| &summary.incidents).collect();
        // The list knows more of one than the summary does, and its counts are older.
        let listed = |brief: &Incident| {
            let row = data.incidents.iter().find(|row| row.id == brief.id).unwrap_or(brief).clone();
            Incident { severity: brief.severity.clone(), failed: brief.failed, of: brief.of, whole: None, ..row }
        };
        let is_told = |row: &&Incident| {
            row.under.is_none() && !open.iter().any(|one| one.id == row.id) && row.state.raw() == "resolved"
        };
        let over = data.incidents.iter().filter(is_told).cloned();
        let all = open.iter().map(|brief| listed(brief)).chain(over);
        all.filter(|row| self.pane != Pane::Incidents || has(&rows::incident(row, self.moment()), &self.search))
            .collect()
    }

    /// The failures that are shown.
    pub(super) fn failures(&self) -> Vec<&Failure> {
        let is_searched = matches!(self.pane, Pane::Failures | Pane::Overview);
        let all = self.shown().failures.iter().filter(|row| self.filter.takes(row));
        all.filter(|row| !is_searched || has(&rows::failure(row), &self.search)).collect()
    }

    /// How many rows there are to choose from.
    fn rows(&self) -> usize {
        match self.pane {
            Pane::Upstreams => self.upstreams().len(),
            Pane::Incidents => self.incidents().len(),
            Pane::Failures | Pane::Overview => self.failures().len(),
            Pane::Numbers => 0,
        }
    }

    /// The chosen row of the pane that is shown.
    pub(super) fn cursor(&self) -> Option<usize> {
        self.rows().checked_sub(1).map(|last| self.cursors[self.pane.at()].min(last))
    }

    /// When the process of the gateway began.
    pub(super) fn started(&self) -> Option<Moment> {
        self.shown().summary.as_ref().and_then(|summary| summary.started)
    }
}

#[cfg(test)]
mod tests;
