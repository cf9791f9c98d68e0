//! Rows of the journal on their way out, table by table, the oldest first: for programs that are not this one.
//!
//! A page at a time, each in a transaction of its own: whoever reads slowly, or into a pipe that nobody empties, holds
//! up neither the writer nor its checkpoints, and a journal of any size takes the memory of one page.

use std::collections::VecDeque;
use std::ops::Range;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, named_params};
use serde::Serialize;
use serde_json::{Map, Value};

use super::incidents::IncidentRow;
use super::minutes::MINUTE_MICROS;
use super::read::{ReadError, Reader};
use super::row::{AttemptRow, EndedRow, Facts, RequestRow};
use super::when::{Moment, rfc3339};

/// Rows that one transaction reads.
const PAGE_ROWS: i64 = 256;
/// Minutes that one transaction reads: each has a row for every kind of request that was made in it.
const PAGE_MINUTES: i64 = 16;

/// What can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Table {
    /// Attempts that failed
    Attempts,
    /// How requests ended
    Requests,
    /// What happened in each minute, in sums
    Minutes,
    /// Incidents
    Incidents,
}

impl Table {
    /// All of them.
    pub(crate) const ALL: [Table; 4] = [Table::Attempts, Table::Requests, Table::Minutes, Table::Incidents];

    /// Its name, in the file and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Table::Attempts => "attempts",
            Table::Requests => "requests",
            Table::Minutes => "minutes",
            Table::Incidents => "incidents",
        }
    }

    /// The keys of its rows in the order in which a table shows them.
    pub(crate) const fn columns(self) -> &'static [&'static str] {
        match self {
            Table::Attempts => &ATTEMPTS,
            Table::Requests => &REQUESTS,
            Table::Minutes => &MINUTES,
            Table::Incidents => &INCIDENTS,
        }
    }

    /// A page of it: what begins within `:since` and `:until`, behind the place `:after`.
    const fn page(self) -> &'static str {
        match self {
            Table::Attempts => {
                "SELECT id AS place, * FROM attempts WHERE id > :after AND began >= :since AND began < :until
                 ORDER BY id LIMIT :rows"
            }
            Table::Requests => {
                "SELECT id AS place, * FROM requests WHERE id > :after AND began >= :since AND began < :until
                 ORDER BY id LIMIT :rows"
            }
            Table::Minutes => {
                "SELECT minute AS place, * FROM minutes WHERE minute IN (SELECT DISTINCT minute FROM minutes
                 WHERE minute > :after AND minute >= :since AND minute < :until ORDER BY minute LIMIT :rows)
                 ORDER BY minute, upstream, model, endpoint, stream, size, tools"
            }
            Table::Incidents => {
                "SELECT rowid AS place, * FROM incidents WHERE rowid > :after AND since >= :since AND since < :until
                 ORDER BY rowid LIMIT :rows"
            }
        }
    }
}

/// The first place of an attempt that begins in a span: most of a large journal need not be read for its end.
const FIRST_PLACE: &str = "SELECT ifnull(min(id), 1) - 1 FROM attempts WHERE began >= ?1 AND began < ?2";

/// One row, as it is told.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Record {
    /// The object of `seawall failures --json`.
    Attempt(Box<AttemptRow>),
    /// A request without its attempts.
    Request(Box<Request>),
    /// The object of `seawall incidents --json`.
    Incident(Box<IncidentRow>),
    /// What happened in one minute to requests of one kind: `time`, then the columns as they are.
    Minute(Map<String, Value>),
}

/// One request and how it ended.
#[derive(Debug, Serialize)]
pub(crate) struct Request {
    request_id: String,
    time: Moment,
    #[serde(flatten)]
    facts: Facts,
    #[serde(flatten)]
    ended: EndedRow,
}

impl Record {
    fn read(table: Table, row: &Row<'_>) -> rusqlite::Result<Record> {
        Ok(match table {
            Table::Attempts => Record::Attempt(Box::new(AttemptRow::read(row)?)),
            Table::Requests => {
                let RequestRow { request_id, time, facts, ended, .. } = RequestRow::read(row)?;
                Record::Request(Box::new(Request { request_id, time: Moment(time), facts, ended }))
            }
            Table::Incidents => Record::Incident(Box::new(IncidentRow::read(row)?)),
            Table::Minutes => Record::Minute(minute(row)?),
        })
    }

    /// When it began, in microseconds since the Unix epoch, where it says so.
    pub(crate) fn began(&self) -> Option<i64> {
        match self {
            Record::Attempt(row) => Some(row.time),
            Record::Request(row) => Some(row.time.0),
            Record::Incident(row) => Some(row.since),
            Record::Minute(_) => None,
        }
    }
}

/// A row of `minutes`: whole numbers, names, and two that are yes or no.
fn minute(row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let statement = row.as_ref();
    let mut record = Map::new();
    for at in 1..statement.column_count() {
        let name = statement.column_name(at)?;
        let (name, value) = match (name, row.get_ref(at)?) {
            ("minute", ValueRef::Integer(minute)) => {
                ("time", Value::from(rfc3339(minute.saturating_mul(MINUTE_MICROS))))
            }
            (name @ ("stream" | "tools"), ValueRef::Integer(is)) => (name, Value::from(is != 0)),
            (name, ValueRef::Integer(count)) => (name, Value::from(count)),
            (name, value) => (name, Value::from(value.as_str()?)),
        };
        record.insert(name.to_owned(), value);
    }
    Ok(record)
}

/// The rows of one table of one journal, a page at a time; ends at the first error.
#[derive(Debug)]
pub(crate) struct Rows<'r> {
    reader: &'r Reader,
    table: Table,
    span: Range<i64>,
    page: VecDeque<Record>,
    /// The place of the last row read; `None` when there is nothing more.
    after: Option<i64>,
    is_begun: bool,
}

impl<'r> Rows<'r> {
    /// Those of `table` that began within `span`, in microseconds since the Unix epoch, its end excluded.
    pub(crate) fn new(reader: &'r Reader, table: Table, span: Range<i64>) -> Rows<'r> {
        let is_there = reader.has_incidents() || matches!(table, Table::Attempts | Table::Requests);
        let after = is_there.then_some(i64::MIN);
        Rows { reader, table, span, page: VecDeque::new(), after, is_begun: false }
    }

    fn fill(&mut self) -> rusqlite::Result<()> {
        let connection = self.reader.connection();
        let Some(mut after) = self.after else { return Ok(()) };
        if !std::mem::replace(&mut self.is_begun, true) && self.table == Table::Attempts {
            after = connection.query_row(FIRST_PLACE, (self.span.start, self.span.end), |row| row.get(0))?;
        }
        let (page, last) = page(connection, self.table, &self.span, after)?;
        (self.page, self.after) = (page, last);
        Ok(())
    }
}

/// The rows behind the place `after`, and the place of the last of them.
fn page(
    connection: &Connection,
    table: Table,
    span: &Range<i64>,
    after: i64,
) -> rusqlite::Result<(VecDeque<Record>, Option<i64>)> {
    let (since, until, rows) = match table {
        Table::Minutes => {
            let minute = |at: i64| at.div_euclid(MINUTE_MICROS) + i64::from(at.rem_euclid(MINUTE_MICROS) > 0);
            (minute(span.start), minute(span.end), PAGE_MINUTES)
        }
        _ => (span.start, span.end, PAGE_ROWS),
    };
    let mut statement = connection.prepare_cached(table.page())?;
    let mut found =
        statement.query(named_params! { ":after": after, ":since": since, ":until": until, ":rows": rows })?;
    let (mut page, mut last) = (VecDeque::new(), None);
    while let Some(row) = found.next()? {
        last = Some(row.get("place")?);
        page.push_back(Record::read(table, row)?);
    }
    Ok((page, last))
}

impl Iterator for Rows<'_> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && let Err(e) = self.fill()
        {
            self.after = None;
            return Some(Err(self.reader.unreadable(&e)));
        }
        self.page.pop_front().map(Ok)
    }
}

const ATTEMPTS: [&str; 49] = [
    "time",
    "request_id",
    "attempt",
    "upstream",
    "endpoint",
    "method",
    "model",
    "stream",
    "tools",
    "max_tokens",
    "body_bytes",
    "shape",
    "sdk",
    "client_retries",
    "tag",
    "client",
    "status",
    "class",
    "whose",
    "fault",
    "billed",
    "billed_why",
    "usage",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "error_type",
    "error_code",
    "message",
    "upstream_request_id",
    "client_request_id",
    "processing_ms",
    "organization",
    "project",
    "cf_ray",
    "connection",
    "connected_ms",
    "secured_ms",
    "sent_ms",
    "first_byte_ms",
    "first_content_ms",
    "elapsed_ms",
    "bytes_in",
    "bytes_out",
    "decision",
    "reason",
    "wait_ms",
    "incident",
];
const REQUESTS: [&str; 25] = [
    "time",
    "request_id",
    "endpoint",
    "method",
    "model",
    "stream",
    "tools",
    "max_tokens",
    "body_bytes",
    "shape",
    "sdk",
    "client_retries",
    "tag",
    "client",
    "outcome",
    "reason",
    "status",
    "attempts_made",
    "elapsed_ms",
    "diagnosis",
    "usage",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
];
const MINUTES: [&str; 31] = [
    "time",
    "upstream",
    "model",
    "endpoint",
    "stream",
    "size",
    "tools",
    "requests",
    "failed_first",
    "saved",
    "hedged",
    "lost",
    "cut",
    "caller_left",
    "attempts",
    "failed",
    "broken_off",
    "known",
    "estimated",
    "unknown",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "input_estimated",
    "output_estimated",
    "saved_input",
    "saved_output",
    "saved_cached",
    "saved_uncertain",
    "left_input",
];
const INCIDENTS: [&str; 21] = [
    "id",
    "state",
    "kind",
    "upstream",
    "model",
    "route",
    "rule",
    "severity",
    "since",
    "opened",
    "updated",
    "closed",
    "close",
    "flaps",
    "window",
    "whole",
    "under",
    "request_ids",
    "differences",
    "status_page",
    "acknowledged",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::minutes::{Cell, Sums};
    use super::super::samples::{PATIENCE, attempt, ended, open, request, settled};
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// A journal of so many attempts and requests, a second apart, and a row in each of as many minutes.
    fn filled(dir: &Path, rows: i64) -> (Reader, i64) {
        let path = dir.join("journal.db");
        let journal = open(&path);
        let began = request(0).began_unix_micros;
        for n in 0..rows {
            let mut asked = (*request(n)).clone();
            asked.began_unix_micros = began + n * SECOND;
            let asked = std::sync::Arc::new(asked);
            let mut tried = attempt(1);
            tried.began_unix_micros = began + n * SECOND;
            journal.attempt(&asked, tried);
            journal.request(&asked, ended(1));
            let (upstream, model) = ("openai".to_owned(), "m".to_owned());
            let minute = began.div_euclid(MINUTE_MICROS) + n;
            let cell = Cell { minute, upstream, model, endpoint: "responses", stream: true, size: 9, tools: false };
            journal.minutes(vec![(cell, Sums { requests: 1, ..Sums::default() })]).unwrap();
            if n % 100 == 0 {
                settled(&journal, &asked);
            }
        }
        settled(&journal, &request(rows));
        journal.close(PATIENCE);
        (Reader::open(&path).unwrap().unwrap(), began)
    }

    fn values(reader: &Reader, table: Table, span: Range<i64>) -> Vec<Value> {
        Rows::new(reader, table, span).map(|row| serde_json::to_value(row.unwrap()).unwrap()).collect()
    }

    #[test]
    fn every_row_comes_once_and_the_oldest_first_however_many_pages_it_takes() {
        let dir = tempfile::tempdir().unwrap();
        let rows = PAGE_ROWS + 40;
        let (reader, began) = filled(dir.path(), rows);
        for table in [Table::Attempts, Table::Requests, Table::Minutes] {
            let values = values(&reader, table, i64::MIN..i64::MAX);
            let times: Vec<&str> = values.iter().map(|value| value["time"].as_str().unwrap()).collect();
            assert!(times.is_sorted(), "{table:?}");
            let once: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
            assert_eq!((times.len() as i64, once.len() as i64), (rows, rows), "{table:?}");
        }
        let span = began + SECOND..began + 3 * SECOND;
        assert_eq!(values(&reader, Table::Attempts, span.clone()).len(), 2, "the end is not in it");
        assert_eq!(values(&reader, Table::Requests, span).len(), 2);
        assert_eq!(values(&reader, Table::Attempts, i64::MAX - 1..i64::MAX).len(), 0);
        let minute = began.div_euclid(MINUTE_MICROS) * MINUTE_MICROS;
        assert_eq!(values(&reader, Table::Minutes, minute..minute + 2 * MINUTE_MICROS).len(), 2);
    }

    #[test]
    fn the_columns_are_the_keys_of_the_rows() {
        let dir = tempfile::tempdir().unwrap();
        let (reader, _) = filled(dir.path(), 1);
        for table in [Table::Attempts, Table::Requests, Table::Minutes] {
            let [row] = &values(&reader, table, i64::MIN..i64::MAX)[..] else { panic!("one row") };
            let keys: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
            let columns: BTreeSet<&str> = table.columns().iter().copied().collect();
            assert_eq!(columns, keys, "{table:?}");
            assert_eq!(columns.len(), table.columns().len(), "{table:?}: a column is there twice");
        }
        let schema = serde_json::to_value(schemars::schema_for!(IncidentRow)).unwrap();
        let keys: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(INCIDENTS.iter().copied().collect::<BTreeSet<_>>(), keys);
    }
}
