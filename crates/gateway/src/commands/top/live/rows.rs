//! The rows of the tables: what is shown of each is also what a search looks at.

use super::super::said::{Failure, Incident, Text, Upstream};
use super::super::words::{ago, breakers, clock, decision, resting, status};
use crate::observe::journal::plain::{grouped as count, millis};

/// A column: its title, its width, and the width of a screen from which on it is there.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) width: u16,
    pub(super) from: u16,
}

const fn column(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, from }
}

/// Of a failed attempt.
pub(super) const FAILURE: [Column; 11] = [
    column("TIME", 8, 0),
    column("STATUS", 6, 0),
    column("CLASS", 16, 0),
    column("UPSTREAM", 12, 60),
    column("MODEL", 16, 78),
    column("TRY", 3, 40),
    column("ELAPSED", 8, 90),
    column("DECISION", 18, 100),
    column("CODE", 20, 150),
    column("X-REQUEST-ID", 24, 130),
    column("REQUEST", 35, 170),
];

/// Of an incident.
pub(super) const INCIDENT: [Column; 8] = [
    column("STATE", 12, 0),
    column("SEVERITY", 8, 0),
    column("WHAT", 8, 60),
    column("WHERE", 28, 0),
    column("SINCE", 8, 70),
    column("FOR", 10, 80),
    column("FAILED", 16, 100),
    column("INCIDENT", 22, 120),
];

/// Of an upstream; its bars take what is left.
pub(super) const UPSTREAM: [Column; 6] = [
    column("UPSTREAM", 16, 0),
    column("BREAKER", 40, 0),
    column("BUSY", 5, 76),
    column("RESTING KEYS", 22, 130),
    column("LAST FAILURE", 32, 170),
    column("STATUS PAGE", 24, 210),
];

/// The cells of a failed attempt, one for each of [`FAILURE`].
pub(super) fn failure(row: &Failure) -> [String; 11] {
    [
        clock(row.time),
        status(row.status),
        row.class.to_string(),
        row.upstream.to_string(),
        text(row.model.as_ref()),
        row.attempt.to_string(),
        millis(row.elapsed_ms),
        decision(row),
        text(row.error_code.as_ref()),
        text(row.upstream_request_id.as_ref()),
        row.request_id.to_string(),
    ]
}

/// The cells of an incident, one for each of [`INCIDENT`].
pub(super) fn incident(row: &Incident, now: i64) -> [String; 8] {
    let state = if row.state.raw().is_empty() { "open".to_owned() } else { row.state.to_string() };
    let known = if row.acknowledged.is_some() && row.closed.is_none() { ", known" } else { "" };
    let counts = row.counts();
    [
        format!("{state}{known}"),
        row.severity.to_string(),
        row.kind.to_string(),
        row.place(),
        clock(row.since),
        ago(row.since, row.closed.map_or(now, |closed| closed.0)),
        format!("{} of {}", count(counts.failed), count(counts.of)),
        row.id.to_string(),
    ]
}

/// The cells of an upstream, one for each of [`UPSTREAM`].
pub(super) fn upstream(row: &Upstream, now: i64) -> [String; 6] {
    let last = row.last_failure.as_ref();
    let page = row.status_page.as_ref().and_then(|page| page.description.as_ref().or(page.indicator.as_ref()));
    [
        row.name.to_string(),
        breakers(row),
        count(row.in_flight),
        resting(row),
        last.map_or_else(
            || "-".to_owned(),
            |last| format!("{} {} {} ago", status(last.status), last.class, ago(last.time, now)),
        ),
        text(page),
    ]
}

fn text(text: Option<&Text>) -> String {
    text.map_or_else(|| "-".to_owned(), ToString::to_string)
}
