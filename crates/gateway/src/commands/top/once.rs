//! `seawall top --once`: how things are now, as a table for a person or as one object for a program.
//!
//! The object has `time`, `gateway`, `mood`, `headline`, and then what the API says, as it says it: `summary`,
//! `upstreams` and the latest `failures`. These two are `null` where the journal cannot be read: the rest is told all the same.

use std::io::{self, Write};

use bytes::Bytes;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use http::Method;
use serde_json::{Value, json};

use super::said::{Failure, Incident, Summary, Upstream};
use super::words::{ago, answer, bars, breakers, clock, decision, numbers, resting, status};
use super::{Place, RECORD_WITHIN, Stopped};
use crate::commands::running::{ANSWER_WITHIN, Admin, Silence};
use crate::exit::{self, Exit};
use crate::observe::journal::plain::{grouped as count, json_line, millis, printable};
use crate::observe::journal::when::rfc3339;

/// Failures that are told.
const FAILURES: usize = 10;
/// Minutes that are told of an upstream.
const MINUTES: usize = 30;

/// What a gateway said.
pub(super) struct Snapshot {
    /// Where it is.
    pub(super) gateway: String,
    /// `/api/v1/summary`.
    pub(super) summary: Value,
    /// Of `/api/v1/upstreams`, unless that could not be had.
    pub(super) upstreams: Option<Value>,
    /// Of `/api/v1/failures`, the same.
    pub(super) failures: Option<Value>,
}

/// Asks and prints.
pub(super) async fn run(
    place: &Place,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, Stopped> {
    let admin = place.find()?;
    let summary = read(&admin.ask(Method::GET, "/api/v1/summary", ANSWER_WITHIN).await?)?;
    let latest = format!("/api/v1/failures?limit={FAILURES}");
    let (upstreams, failures) =
        tokio::join!(part(&admin, "/api/v1/upstreams", "upstreams"), part(&admin, &latest, "failures"));
    let mut told = |what: &str, list: Result<Value, Silence>| match list {
        Ok(list) => Ok(Some(list)),
        Err(silence) => {
            writeln!(err, "warning: {what} cannot be told: {}", place.says(&silence).0)?;
            Ok::<_, io::Error>(None)
        }
    };
    let (upstreams, failures) = (told("upstreams", upstreams)?, told("failures", failures)?);
    let snapshot = Snapshot { gateway: admin.address.clone(), summary, upstreams, failures };
    out.write_all(if json { snapshot.json() } else { snapshot.table() }.as_bytes())?;
    out.flush()?;
    Ok(exit::OK)
}

/// A list under its key.
async fn part(admin: &Admin, path: &str, key: &str) -> Result<Value, Silence> {
    let mut said = read(&admin.ask(Method::GET, path, RECORD_WITHIN).await?)?;
    Ok(said.get_mut(key).map(Value::take).unwrap_or_default())
}

fn read(said: &Bytes) -> Result<Value, Silence> {
    serde_json::from_slice(said).map_err(|_| Silence::Trouble("it answers something that is no JSON".to_owned()))
}

impl Snapshot {
    /// One line.
    pub(super) fn json(&self) -> String {
        let summary = self.summary();
        let now = now(&summary);
        let (mood, headline) = answer(&summary, now);
        let told = json!({
            "time": rfc3339(now), "gateway": self.gateway, "mood": mood.name(), "headline": headline,
            "summary": self.summary, "upstreams": self.upstreams, "failures": self.failures,
        });
        // Strings and numbers go in: writing them cannot fail.
        json_line(&told).unwrap_or_default()
    }

    /// Lines for a person.
    pub(super) fn table(&self) -> String {
        let summary = self.summary();
        let now = now(&summary);
        let (_, headline) = answer(&summary, now);
        let mut told = format!(
            "seawall {} at {}, up {}, {}\n{headline}\n\n",
            summary.version,
            printable(&self.gateway),
            ago(summary.started, now),
            rfc3339(now)
        );
        for (name, value) in numbers(&summary) {
            told.push_str(&format!("{name:<16}{value}\n"));
        }
        if !summary.alerts_failing.is_empty() {
            let sinks: Vec<String> = summary.alerts_failing.iter().map(ToString::to_string).collect();
            told.push_str(&format!("{:<16}nothing arrives at {}\n", "alerts", sinks.join(", ")));
        }
        let upstreams: Vec<Upstream> = parsed(self.upstreams.as_ref());
        let failures: Vec<Failure> = parsed(self.failures.as_ref());
        let tables = [of_upstreams(&upstreams, now), of_incidents(&summary.incidents, now), of_failures(&failures)];
        for table in tables.into_iter().flatten() {
            told.push_str(&format!("\n{}\n", table.trim_fmt()));
        }
        told
    }

    fn summary(&self) -> Summary {
        serde_json::from_value(self.summary.clone()).unwrap_or_default()
    }
}

/// What can be read of a list; nothing of what cannot.
fn parsed<T: serde::de::DeserializeOwned>(list: Option<&Value>) -> Vec<T> {
    let rows = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    rows.iter().filter_map(|row| serde_json::from_value(row.clone()).ok()).collect()
}

/// The gateway's clock.
fn now(summary: &Summary) -> i64 {
    summary.time.map_or_else(seawall::proxy::unix_micros, |time| time.0)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn of_upstreams(upstreams: &[Upstream], now: i64) -> Option<Table> {
    let mut told = table(&["UPSTREAM", "IN FLIGHT", "BREAKER", "KEYS RESTING", "LAST FAILURE", "LAST 30 MINUTES"]);
    for upstream in upstreams {
        let last = upstream.last_failure.as_ref().map_or_else(
            || "-".to_owned(),
            |last| format!("{} {} {} ago", status(last.status), last.class, ago(last.time, now)),
        );
        told.add_row([
            Cell::new(&upstream.name),
            right(count(upstream.in_flight)),
            Cell::new(breakers(upstream)),
            Cell::new(resting(upstream)),
            Cell::new(last),
            Cell::new(upstream.minutes.as_ref().map_or_else(|| "unknown".to_owned(), |minutes| bars(minutes, MINUTES))),
        ]);
    }
    (!upstreams.is_empty()).then_some(told)
}

fn of_incidents(incidents: &[Incident], now: i64) -> Option<Table> {
    let mut told = table(&["INCIDENT", "SEVERITY", "WHAT", "WHERE", "SINCE (UTC)", "FOR", "FAILED"]);
    for incident in incidents {
        let counts = incident.counts();
        told.add_row([
            Cell::new(&incident.id),
            Cell::new(&incident.severity),
            Cell::new(&incident.kind),
            Cell::new(incident.place()),
            Cell::new(clock(incident.since)),
            right(ago(incident.since, now)),
            right(format!("{} of {}", count(counts.failed), count(counts.of))),
        ]);
    }
    (!incidents.is_empty()).then_some(told)
}

fn of_failures(failures: &[Failure]) -> Option<Table> {
    let header = [
        "TIME (UTC)",
        "REQUEST",
        "ATTEMPT",
        "UPSTREAM",
        "MODEL",
        "STATUS",
        "CLASS",
        "CODE",
        "X-REQUEST-ID",
        "ELAPSED",
        "DECISION",
    ];
    let mut told = table(&header);
    for row in failures {
        let text = |text: &Option<super::said::Text>| text.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        told.add_row([
            Cell::new(clock(row.time)),
            Cell::new(&row.request_id),
            right(row.attempt.to_string()),
            Cell::new(&row.upstream),
            Cell::new(text(&row.model)),
            right(status(row.status)),
            Cell::new(&row.class),
            Cell::new(text(&row.error_code)),
            Cell::new(text(&row.upstream_request_id)),
            right(millis(row.elapsed_ms)),
            Cell::new(decision(row)),
        ]);
    }
    (!failures.is_empty()).then_some(told)
}
