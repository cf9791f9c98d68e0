//! One journal file, read: short transactions, every value bound.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags, named_params};

use super::super::fingerprint;
use super::super::groups::{Gathering, Groups, Order};
use super::super::incidents::{self, EventRow, IncidentRow};
use super::super::minutes::{self, Bar};
use super::super::row::{AttemptRow, RequestRow};
use super::super::schema::{APPLICATION, VERSION};
use super::{Filter, INCIDENTS_MAX, PAGE_ROWS, Place, REQUESTS_MAX, ReadError, unreadable};

/// The first layout with incidents in it.
const FIRST_WITH_INCIDENTS: i64 = 2;
/// Times of answers that are read from one journal.
const WHOLE_ANSWERS_MAX: i64 = 100_000;
/// How long a reader waits for another process that repairs the WAL's index.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// One journal file.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    version: i64,
}

/// What a [`Filter`] means in SQL. Everything in it is a bound value.
macro_rules! filter {
    () => {
        concat!(
            "began >= :since AND began < :until
         AND (:model IS NULL OR model = :model) AND (:upstream IS NULL OR upstream = :upstream)
         AND (:low IS NULL OR status BETWEEN :low AND :high)
         AND ((:class IS NULL AND class <> 'ok') OR class = :class)
         AND (:incident IS NULL OR incident = :incident)
         AND (:id IS NULL OR request = :id OR upstream_request_id = :id OR client_request_id = :id)
         AND (:group IS NULL OR failure_group(",
            fingerprint::columns!(),
            ") = :group)"
        )
    };
}

/// What stands for the names in [`filter!`], and for others.
macro_rules! bound {
    ($filter:expr $(, $name:literal: $value:expr)*) => {
        named_params! {
            ":since": $filter.since.unwrap_or(i64::MIN), ":until": $filter.until.unwrap_or(i64::MAX),
            ":model": $filter.model, ":upstream": $filter.upstream,
            ":low": $filter.status.map(|s| s.0), ":high": $filter.status.map(|s| s.1),
            ":class": $filter.class, ":id": $filter.request_id, ":incident": $filter.incident,
            ":group": $filter.group $(, $name: $value)*
        }
    };
}

const PAGE: &str = concat!(
    "SELECT * FROM attempts WHERE (began, id) < (:began, :place) AND ",
    filter!(),
    " ORDER BY began DESC, id DESC LIMIT :rows"
);
const GROUPED: &str = concat!(
    "SELECT ",
    fingerprint::columns!(),
    ", began, request FROM attempts WHERE ",
    filter!(),
    " ORDER BY began DESC, id DESC LIMIT :rows"
);
const COUNT: &str = concat!("SELECT count(*) FROM attempts WHERE ", filter!());
/// How requests ended.
pub(super) const OUTCOMES: &str = "SELECT outcome, count(*) FROM requests WHERE began >= ?1 AND began < ?2
     AND (?3 IS NULL OR ifnull(model, '-') = ?3) GROUP BY outcome ORDER BY outcome";
/// The times of the newest whole answers of some SDKs.
const WHOLE_ANSWERS: &str = "SELECT elapsed FROM requests WHERE began >= ?1 AND stream = 0 AND status < 400
     AND substr(sdk, 1, length(?2)) = ?2 ORDER BY id DESC LIMIT ?3";
/// Whose id `?1` is, asked in this order until there is an answer: the first two have an index.
const REQUESTS_OF_ID: [&str; 3] = [
    "SELECT request FROM (SELECT request, began FROM attempts WHERE request = ?1
     UNION ALL SELECT request, began FROM requests WHERE request = ?1) GROUP BY request ORDER BY max(began) DESC LIMIT ?2",
    "SELECT request FROM attempts WHERE upstream_request_id = ?1 GROUP BY request ORDER BY max(began) DESC LIMIT ?2",
    "SELECT request FROM attempts WHERE client_request_id = ?1 GROUP BY request ORDER BY max(began) DESC LIMIT ?2",
];

impl Reader {
    /// Opens a journal; `None` if nothing was ever written to it.
    pub(crate) fn open(path: &Path) -> Result<Option<Reader>, ReadError> {
        if !path.exists() {
            return Err(ReadError {
                what: format!("there is no journal at {}", path.display()),
                hint: "`seawall serve` begins one; if it is elsewhere, name it with --data-dir or --journal",
                is_about_the_file: false,
            });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let broken = |e: rusqlite::Error| unreadable(path, &e);
        let connection = Connection::open_with_flags(path, flags).map_err(broken)?;
        connection.busy_timeout(BUSY_WAIT).map_err(broken)?;
        fingerprint::register(&connection).map_err(broken)?;
        let number = |sql| connection.query_row(sql, [], |r| r.get::<_, i64>(0)).map_err(broken);
        if number("SELECT count(*) FROM sqlite_schema")? == 0 {
            return Ok(None);
        }
        if number("PRAGMA application_id")? != APPLICATION {
            return Err(ReadError {
                what: format!("{} is not a journal of seawall", path.display()),
                hint: "name the right file with --journal, or the directory with --data-dir",
                is_about_the_file: true,
            });
        }
        let version = number("PRAGMA user_version")?;
        if version > VERSION {
            return Err(ReadError {
                what: format!("the journal {} has layout {version}, this seawall knows {VERSION}", path.display()),
                hint: "read it with the seawall that wrote it",
                is_about_the_file: true,
            });
        }
        Ok(Some(Reader { connection, path: path.to_owned(), version }))
    }

    /// Ends what is being read, from another thread.
    pub(crate) fn interrupt_handle(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// The layout's version.
    pub(in super::super) fn version(&self) -> i64 {
        self.version
    }

    /// Whether the layout has incidents and minutes.
    pub(in super::super) fn has_incidents(&self) -> bool {
        self.version >= FIRST_WITH_INCIDENTS
    }

    /// The file, open to be read. Keep transactions short.
    pub(in super::super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The same, said of this file.
    pub(in super::super) fn unreadable(&self, error: &rusqlite::Error) -> ReadError {
        unreadable(&self.path, error)
    }

    /// What is wrong with the file, page by page and index by index; at most so many things.
    pub(in super::super) fn integrity(&self, max: u32) -> rusqlite::Result<Vec<String>> {
        let mut found = Vec::new();
        self.connection.pragma(None, "integrity_check", max, |row| {
            let said: String = row.get(0)?;
            found.extend((said != "ok").then_some(said));
            Ok(())
        })?;
        Ok(found)
    }

    /// `ok`, or the first thing that is wrong with the file.
    pub(in super::super) fn quick_check(&self) -> rusqlite::Result<String> {
        self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    }

    /// Incidents that were open at some moment from `since` to `until`, the newest first.
    pub(crate) fn incidents(&self, since: i64, until: i64) -> Result<Vec<IncidentRow>, ReadError> {
        self.read(|connection| incidents::list(connection, since, until, INCIDENTS_MAX as i64))
    }

    /// Incidents whose id begins so, at most three.
    pub(crate) fn incident(&self, id: &str) -> Result<Vec<IncidentRow>, ReadError> {
        self.read(|connection| incidents::find(connection, id))
    }

    /// What was told of an incident, the first thing first.
    pub(crate) fn incident_events(&self, id: &str) -> Result<Vec<EventRow>, ReadError> {
        self.read(|connection| incidents::events(connection, id))
    }

    fn read<T>(&self, read: impl Fn(&Connection) -> rusqlite::Result<Vec<T>>) -> Result<Vec<T>, ReadError> {
        if !self.has_incidents() {
            return Ok(Vec::new());
        }
        read(&self.connection).map_err(|e| unreadable(&self.path, &e))
    }

    pub(super) fn whole_answers(&self, since: i64, sdk: &str) -> Result<Vec<Duration>, ReadError> {
        let read = || -> rusqlite::Result<Vec<Duration>> {
            let mut statement = self.connection.prepare_cached(WHOLE_ANSWERS)?;
            let rows = statement.query_map((since, sdk, WHOLE_ANSWERS_MAX), |row| row.get::<_, i64>(0))?;
            rows.map(|micros| micros.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)))).collect()
        };
        read().map_err(|e| unreadable(&self.path, &e))
    }

    /// At most `limit` of the attempts that `filter` lets through and that are older than `after`, the newest first.
    pub(crate) fn attempts(
        &self,
        filter: &Filter,
        mut after: Place,
        limit: usize,
    ) -> Result<Vec<AttemptRow>, ReadError> {
        let mut found = Vec::new();
        while found.len() < limit {
            let rows = PAGE_ROWS.min(limit - found.len());
            let page = self.page(filter, after, rows)?;
            let is_last = page.len() < rows;
            found.extend(page);
            match found.last().map(Place::of) {
                Some(place) if !is_last => after = place,
                _ => break,
            }
        }
        Ok(found)
    }

    pub(super) fn page(&self, filter: &Filter, after: Place, rows: usize) -> Result<VecDeque<AttemptRow>, ReadError> {
        let read = || -> rusqlite::Result<VecDeque<AttemptRow>> {
            let mut statement = self.connection.prepare_cached(PAGE)?;
            let rows = statement.query_map(
                bound!(
                    filter,
                    ":began": after.began,
                    ":place": after.row,
                    ":rows": i64::try_from(rows).unwrap_or(i64::MAX)
                ),
                AttemptRow::read,
            )?;
            rows.collect()
        };
        read().map_err(|e| unreadable(&self.path, &e))
    }

    pub(crate) fn count(&self, filter: &Filter) -> Result<u64, ReadError> {
        let count = self.connection.query_row(COUNT, bound!(filter), |r| r.get::<_, i64>(0));
        count.map(|n| u64::try_from(n).unwrap_or(0)).map_err(|e| unreadable(&self.path, &e))
    }

    /// The kinds of failures that `filter` lets through, of attempts begun within `span` (microseconds since the
    /// Unix epoch, its end excluded); the course of each in so many equal parts. At most `limit` of them, in this
    /// order, and from the newest [`groups::ROWS_MAX`](super::groups::ROWS_MAX) attempts.
    pub(crate) fn groups(
        &self,
        span: Range<i64>,
        filter: &Filter,
        buckets: usize,
        order: Order,
        limit: usize,
    ) -> Result<Groups, ReadError> {
        let mut gathering = Gathering::new(span.clone(), buckets);
        self.gather(span, filter, &mut gathering)?;
        Ok(gathering.finish(order, limit))
    }

    pub(in super::super) fn gather(
        &self,
        span: Range<i64>,
        filter: &Filter,
        gathering: &mut Gathering,
    ) -> Result<(), ReadError> {
        let filter = Filter { since: Some(span.start), until: Some(span.end), ..filter.clone() };
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(GROUPED)?;
            let mut rows = statement.query(bound!(filter, ":rows": gathering.limit()))?;
            while let Some(row) = rows.next()? {
                gathering.take(row)?;
            }
            Ok(())
        };
        read().map_err(|e| unreadable(&self.path, &e))
    }

    /// The requests with the id `id`, the newest first, at most [`REQUESTS_MAX`]; and whether there are more.
    pub(crate) fn newest_requests(&self, id: &str) -> Result<(Vec<RequestRow>, bool), ReadError> {
        let mut found = self.requests(id)?;
        found.sort_by_key(|request| std::cmp::Reverse(request.time));
        let more = found.len() > REQUESTS_MAX;
        found.truncate(REQUESTS_MAX);
        Ok((found, more))
    }

    /// What happened in each minute from the first to before the second, at each upstream.
    pub(crate) fn bars(&self, since: i64, until: i64) -> Result<Vec<Bar>, ReadError> {
        minutes::bars(&self.connection, since, until).map_err(|e| unreadable(&self.path, &e))
    }

    /// Reads for ever, unless it is interrupted.
    #[cfg(test)]
    pub(crate) fn spin(&self) -> Result<u64, ReadError> {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let counted = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        counted.map(|n| u64::try_from(n).unwrap_or(0)).map_err(|e| unreadable(&self.path, &e))
    }

    /// One more than [`REQUESTS_MAX`] at most, so that the caller sees that there are more.
    pub(in super::super) fn requests(&self, id: &str) -> Result<Vec<RequestRow>, ReadError> {
        let read = || -> rusqlite::Result<Vec<RequestRow>> {
            let mut requests: Vec<String> = Vec::new();
            for sql in REQUESTS_OF_ID {
                let mut statement = self.connection.prepare_cached(sql)?;
                let found = statement.query_map((id, REQUESTS_MAX as i64 + 1), |r| r.get(0))?;
                requests = found.collect::<rusqlite::Result<_>>()?;
                if !requests.is_empty() {
                    break;
                }
            }
            requests.iter().filter_map(|request| self.request(request).transpose()).collect()
        };
        read().map_err(|e| unreadable(&self.path, &e))
    }

    fn request(&self, id: &str) -> rusqlite::Result<Option<RequestRow>> {
        let mut attempts =
            self.connection.prepare_cached("SELECT * FROM attempts WHERE request = ?1 ORDER BY number")?;
        let attempts: Vec<AttemptRow> = attempts.query_map([id], AttemptRow::read)?.collect::<rusqlite::Result<_>>()?;
        let mut ended = self.connection.prepare_cached("SELECT * FROM requests WHERE request = ?1")?;
        let ended = ended.query_map([id], RequestRow::read)?.next().transpose()?;
        let request = ended.or_else(|| attempts.first().map(RequestRow::of_attempt));
        Ok(request.map(|request| RequestRow { attempts, ..request }))
    }
}
