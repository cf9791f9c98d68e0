//! The journal's file: opening it whatever state it is in, writing rows, keeping it small.
//!
//! SQLite in WAL mode. A commit survives the death of the process under `synchronous = NORMAL`
//! and the death of the machine under `FULL`. Checkpoints never happen by themselves
//! (`wal_autocheckpoint = 0`): the writer runs them when nobody waits.
//!
//! A file that is damaged, or is another program's, is moved aside and never deleted. A file that
//! a newer Seawall wrote is refused instead: it is fine, only not for us.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use seawall_core::event::{Attempt, Ended, Request};
use seawall_core::incident::Saved;
use serde::Serialize;

use super::incidents::{self, Note, Remembered};
use super::minutes::{self, Cell, MINUTE_MICROS, Sums};
use super::schema::{self, APPLICATION, CREATE, FROM_1, INSERT_ATTEMPT, INSERT_REQUEST, VERSION};
use super::{OpenError, Opened, Settings, Sync};

/// How long a write waits for another process (`seawall journal prune`, a `sqlite3` shell).
const BUSY_WAIT: Duration = Duration::from_millis(250);
/// What the WAL may keep on disk after it was emptied.
const WAL_BYTES_KEPT: i64 = 16 * 1024 * 1024;
/// A file up to this size is checked page by page when it is opened, so that the start stays
/// quick; a larger one shows its damage when the damaged page is used.
const CHECK_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Rows of each table that one step of pruning looks at: a few milliseconds.
pub(super) const PRUNE_ROWS: i64 = 500;
/// Pages that one step gives back to the file system.
const VACUUM_PAGES: i64 = 256;

/// One thing to keep.
#[derive(Debug)]
pub(super) enum Row {
    /// How one attempt went, and the incident that it is part of.
    Attempt(Arc<Request>, Box<Attempt>, Option<Box<str>>),
    /// How one request ended.
    Request(Arc<Request>, Box<Ended>),
    /// What is to be added to the sums of minutes.
    Minutes(Vec<(Cell, Sums)>),
    /// How an incident stands.
    Incident(Box<Note>),
    /// Which receivers know of an incident.
    Told(Box<str>, Vec<String>),
    /// Somebody knows of it, since then.
    Acknowledged(Box<str>, i64),
    /// All that is known of incidents, in place of what was known before.
    State(Box<Saved>),
    /// No incident on record is known any more.
    Forgotten(i64),
}

impl Row {
    /// The arrival of the request that the row is about, in Unix microseconds. Of what is about none:
    /// before all requests, so that none is in doubt because of it.
    pub(super) fn began(&self) -> i64 {
        match self {
            Row::Attempt(request, ..) | Row::Request(request, _) => request.began_unix_micros,
            Row::Incident(_)
            | Row::Told(..)
            | Row::Acknowledged(..)
            | Row::State(_)
            | Row::Forgotten(_)
            | Row::Minutes(_) => i64::MIN,
        }
    }
}

/// What one transaction did.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Written {
    /// Attempts and requests added; a repeated one adds none. Sums are no rows of anybody's.
    pub(super) rows: u64,
    /// Rows that SQLite will never take, and the latest arrival among their requests.
    pub(super) refused: u64,
    pub(super) refused_began: i64,
}

/// What one step of pruning did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pruned {
    /// Rows removed.
    pub(super) rows: u64,
    /// Whether another step would find something to do.
    pub(super) more: bool,
}

/// Rows of each table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Attempts.
    pub(crate) attempts: u64,
    /// Requests.
    pub(crate) requests: u64,
    /// Sums of minutes.
    pub(crate) minutes: u64,
    /// Incidents.
    pub(crate) incidents: u64,
}

impl Counts {
    fn each(&self, other: &Counts, of: impl Fn(u64, u64) -> u64) -> Counts {
        Counts {
            attempts: of(self.attempts, other.attempts),
            requests: of(self.requests, other.requests),
            minutes: of(self.minutes, other.minutes),
            incidents: of(self.incidents, other.incidents),
        }
    }

    /// All rows.
    pub(crate) fn all(&self) -> u64 {
        self.attempts + self.requests + self.minutes + self.incidents
    }

    /// These without `other`.
    pub(super) fn less(&self, other: &Counts) -> Counts {
        self.each(other, u64::saturating_sub)
    }

    /// These and `other`.
    pub(super) fn plus(&self, other: &Counts) -> Counts {
        self.each(other, u64::saturating_add)
    }

    /// Of `bytes` that all of these take up, about what `some` of them do.
    pub(super) fn share(&self, some: &Counts, bytes: u64) -> u64 {
        part(bytes, some.all(), self.all())
    }

    /// About the part of each that `some` of `all` bytes are.
    pub(super) fn part(&self, some: u64, all: u64) -> Counts {
        // Incidents go by their age alone.
        Counts { incidents: 0, ..self.each(&Counts::default(), |rows, _| part(rows, some, all)) }
    }
}

/// The `some`/`all` part of `whole`.
fn part(whole: u64, some: u64, all: u64) -> u64 {
    let part = u128::from(whole) * u128::from(some) / u128::from(all.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

fn whole(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// The open file. Only the writer's thread has one, or `seawall journal prune` while there is no writer.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
}

/// Why a file cannot be used as it is.
enum Refusal {
    /// Damaged, or not ours: move it aside and begin a new one.
    Aside(String),
    /// Written by a newer Seawall.
    Newer(i64),
    /// The place cannot be written to.
    Unusable(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Refusal {
        if is_damage(&error) {
            Refusal::Aside("it is damaged or no database".to_owned())
        } else {
            Refusal::Unusable(error.to_string())
        }
    }
}

impl Database {
    /// Opens the journal at `path`, moving aside what is not one.
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<(Database, Opened), OpenError> {
        let refused = |refusal| match refusal {
            Refusal::Newer(found) => OpenError::Newer { path: path.to_owned(), found },
            Refusal::Aside(why) | Refusal::Unusable(why) => OpenError::Unusable { path: path.to_owned(), why },
        };
        match Database::open_as_is(path, settings) {
            Ok((database, 0)) => Ok((database, Opened::Fresh)),
            Ok((database, rows)) => Ok((database, Opened::Existing { rows })),
            Err(Refusal::Aside(why)) => {
                let to = move_aside(path).map_err(|e| OpenError::Unusable {
                    path: path.to_owned(),
                    why: format!("{why}, and it cannot be moved aside: {e}"),
                })?;
                let (database, _) = Database::open_as_is(path, settings).map_err(refused)?;
                Ok((database, Opened::MovedAside { to, why }))
            }
            Err(refusal) => Err(refused(refusal)),
        }
    }

    /// Opens a journal that is there and as it should be: nothing is begun, moved aside or deleted.
    ///
    /// # Errors
    /// In words.
    pub(super) fn open_sound(path: &Path, settings: &Settings) -> Result<Database, String> {
        let said = |refusal| match refusal {
            Refusal::Newer(found) => format!("it has layout {found}, and this seawall knows layouts up to {VERSION}"),
            Refusal::Aside(why) | Refusal::Unusable(why) => why,
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = || -> Result<Database, Refusal> {
            let bytes = fs::metadata(path).map_err(|e| Refusal::Unusable(e.to_string()))?.len();
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_WAIT)?;
            let mut database = Database { connection };
            database.recognise(bytes)?;
            database.prepare(settings)?;
            Ok(database)
        };
        opened().map_err(said)
    }

    /// Opens a journal to look at it alone.
    ///
    /// # Errors
    /// In words.
    pub(super) fn open_to_read(path: &Path) -> Result<Database, String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = || -> rusqlite::Result<Database> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_WAIT)?;
            let database = Database { connection };
            database.pragma("user_version").map(|_| database)
        };
        let database = opened().map_err(|e| e.to_string())?;
        match database.pragma("application_id") {
            Ok(APPLICATION) => Ok(database),
            Ok(_) => Err("it is not a journal of seawall".to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// The rows of each table.
    pub(super) fn counts(&self) -> rusqlite::Result<Counts> {
        let count = |sql| self.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(whole);
        let of_incidents = if self.pragma("user_version")? > 1 { count("SELECT count(*) FROM incidents")? } else { 0 };
        let of_minutes = if self.pragma("user_version")? > 1 { count("SELECT count(*) FROM minutes")? } else { 0 };
        Ok(Counts {
            attempts: count("SELECT count(*) FROM attempts")?,
            requests: count("SELECT count(*) FROM requests")?,
            minutes: of_minutes,
            incidents: of_incidents,
        })
    }

    /// The rows of each table that [`Database::prune_older_than`] would remove, called until nothing is left to do.
    pub(super) fn older_than(&self, began: i64) -> rusqlite::Result<Counts> {
        let count = |sql, than: i64| self.connection.query_row(sql, [than], |row| row.get::<_, i64>(0)).map(whole);
        let mut counts = Counts {
            attempts: count(OLDER_ATTEMPTS, began)?,
            requests: count(OLDER_REQUESTS, began)?,
            ..Counts::default()
        };
        if self.pragma("user_version")? > 1 {
            let minutes = "SELECT count(*) FROM minutes WHERE minute < ?1";
            counts.minutes = count(minutes, began.div_euclid(MINUTE_MICROS))?;
            if counts != Counts::default() {
                counts.incidents = count("SELECT count(*) FROM incidents WHERE closed < ?1", began)?;
            }
        }
        Ok(counts)
    }

    /// Bytes of the file, free pages included.
    pub(super) fn bytes(&self) -> rusqlite::Result<u64> {
        Ok(self.number("page_count")? * self.number("page_size")?)
    }

    /// Removes some of the oldest rows if all of them take up more than `size_max`; how many went.
    pub(super) fn prune_above(&mut self, size_max: u64) -> rusqlite::Result<u64> {
        if self.bytes_used()? > size_max { self.prune_oldest() } else { Ok(0) }
    }

    /// Gives some free pages back; whether there are more.
    pub(super) fn give_back(&self) -> rusqlite::Result<bool> {
        self.shrink(&Settings { size_max: 0, ..Settings::default() })
    }

    /// The database and the number of attempts in it.
    fn open_as_is(path: &Path, settings: &Settings) -> Result<(Database, u64), Refusal> {
        let bytes = private_file(path).map_err(|e| Refusal::Unusable(e.to_string()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        let mut database = Database { connection };
        if database.is_empty()? {
            database.prepare(settings)?;
            database.create()?;
        } else {
            database.recognise(bytes)?;
            database.prepare(settings)?;
        }
        let rows = database.attempts()?;
        Ok((database, rows))
    }

    /// Whether nobody has written anything to the file yet.
    fn is_empty(&self) -> Result<bool, Refusal> {
        let tables: i64 = self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
        Ok(tables == 0 && self.pragma("application_id")? == 0 && self.pragma("user_version")? == 0)
    }

    /// Makes sure that the file is a journal of ours.
    fn recognise(&mut self, bytes: u64) -> Result<(), Refusal> {
        if self.pragma("application_id")? != APPLICATION {
            return Err(Refusal::Aside("it is another program's database".to_owned()));
        }
        let version = self.pragma("user_version")?;
        if version > VERSION {
            return Err(Refusal::Newer(version));
        }
        if !(1..=VERSION).contains(&version) {
            return Err(Refusal::Aside(format!("its layout has the unknown version {version}")));
        }
        if bytes <= CHECK_BYTES_MAX {
            let said: String = self.connection.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
            if said != "ok" {
                return Err(Refusal::Aside("it is damaged".to_owned()));
            }
        }
        if version == 1
            && let Err(e) = self.run(&[FROM_1, minutes::CREATE])
        {
            return Err(Refusal::Aside(format!("its layout has the old version {version}, and stays so: {e}")));
        }
        for statement in [INSERT_ATTEMPT, INSERT_REQUEST, minutes::ADD] {
            if let Err(e) = self.connection.prepare_cached(statement) {
                return Err(Refusal::Aside(format!("its tables are not the journal's: {e}")));
            }
        }
        Ok(())
    }

    /// Sets how the file is written. The order matters: `auto_vacuum` before the first page.
    fn prepare(&self, settings: &Settings) -> Result<(), Refusal> {
        let set = |name: &str, value: &dyn rusqlite::ToSql| {
            self.connection.pragma_update_and_check(None, name, value, |_| Ok(())).or_else(no_answer)
        };
        set("auto_vacuum", &"INCREMENTAL")?;
        let mode: String = self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |r| r.get(0))?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(Refusal::Unusable("a write-ahead log is not possible on this file system".to_owned()));
        }
        let sync = match settings.sync {
            Sync::Normal => "NORMAL",
            Sync::Full => "FULL",
        };
        set("synchronous", &sync)?;
        set("wal_autocheckpoint", &0)?;
        set("journal_size_limit", &WAL_BYTES_KEPT)?;
        Ok(())
    }

    fn create(&mut self) -> rusqlite::Result<()> {
        self.run(&[CREATE, minutes::CREATE])
    }

    /// Runs statements as one transaction.
    fn run(&mut self, statements: &[&str]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for batch in statements {
            transaction.execute_batch(batch)?;
        }
        transaction.commit()
    }

    /// What is known of incidents.
    pub(super) fn remembered(&self) -> rusqlite::Result<Remembered> {
        Remembered::read(&self.connection)
    }

    /// The number of attempts kept. Ids have no gaps, because pruning takes a prefix.
    fn attempts(&self) -> rusqlite::Result<u64> {
        let sql = "SELECT ifnull(max(id) - min(id) + 1, 0) FROM attempts";
        let rows: i64 = self.connection.query_row(sql, [], |r| r.get(0))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// Keeps all of `rows`, or, if this fails, none of them.
    pub(super) fn write<'r>(&mut self, rows: impl Iterator<Item = &'r Row>) -> rusqlite::Result<Written> {
        let mut written = Written { refused_began: i64::MIN, ..Written::default() };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut attempts = transaction.prepare_cached(INSERT_ATTEMPT)?;
            let mut requests = transaction.prepare_cached(INSERT_REQUEST)?;
            let mut sums = transaction.prepare_cached(minutes::ADD)?;
            for row in rows {
                let added = match row {
                    Row::Attempt(request, attempt, incident) => {
                        schema::insert_attempt(&mut attempts, request, attempt, incident.as_deref())
                    }
                    Row::Request(request, ended) => schema::insert_request(&mut requests, request, ended),
                    Row::Incident(note) => incidents::write(&transaction, note),
                    Row::Told(id, receivers) => incidents::told(&transaction, id, receivers),
                    Row::Acknowledged(id, at) => incidents::acknowledge(&transaction, id, *at),
                    Row::State(saved) => incidents::save(&transaction, saved),
                    Row::Forgotten(at) => incidents::forget(&transaction, *at),
                    Row::Minutes(rows) => {
                        rows.iter().try_for_each(|(cell, add)| minutes::add(&mut sums, cell, add).map(drop)).map(|()| 0)
                    }
                };
                match added {
                    Ok(n) => written.rows += n as u64,
                    // It would fail for ever, and keep every other row out with it.
                    Err(e) if is_about_the_row(&e) => {
                        written.refused += 1;
                        written.refused_began = written.refused_began.max(row.began());
                    }
                    Err(e) => return Err(e),
                }
            }
        }
        transaction.commit()?;
        Ok(written)
    }

    /// Pages that are in the WAL and not yet in the database.
    pub(super) fn pages_ahead(&self) -> rusqlite::Result<u64> {
        self.run_checkpoint("PRAGMA wal_checkpoint(NOOP)")
    }

    /// Moves what it can from the WAL into the database without waiting for a reader; the pages
    /// that are left.
    pub(super) fn checkpoint(&self) -> rusqlite::Result<u64> {
        self.run_checkpoint("PRAGMA wal_checkpoint(PASSIVE)")
    }

    fn run_checkpoint(&self, pragma: &str) -> rusqlite::Result<u64> {
        let mut statement = self.connection.prepare_cached(pragma)?;
        let (log, done): (i64, i64) = statement.query_row([], |r| Ok((r.get(1)?, r.get(2)?)))?;
        Ok(u64::try_from(log - done).unwrap_or(0))
    }

    /// Moves the whole WAL into the database and empties it.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        self.run_checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")?;
        self.connection.close().map_err(|(_, e)| e)
    }

    /// Removes rows that are older than `keep`, or the oldest if the file is over `size_max`: at
    /// most [`PRUNE_ROWS`] of each table.
    pub(super) fn prune(&mut self, settings: &Settings) -> rusqlite::Result<Pruned> {
        let keep = i64::try_from(settings.keep.as_micros()).unwrap_or(i64::MAX);
        let too_old = seawall::proxy::unix_micros().saturating_sub(keep);
        let rows =
            if self.bytes_used()? > settings.size_max { self.prune_oldest()? } else { self.prune_older_than(too_old)? };
        if rows > 0 {
            return Ok(Pruned { rows, more: true });
        }
        Ok(Pruned { rows: 0, more: self.shrink(settings)? })
    }

    /// The oldest minutes, if they are older than any attempt; else the oldest attempts, and the
    /// requests that arrived before the next one.
    fn prune_oldest(&mut self) -> rusqlite::Result<u64> {
        let oldest: i64 = self.connection.query_row(OLDEST_ATTEMPT, [], |r| r.get(0))?;
        let minutes = self.connection.execute(minutes::PRUNE, [oldest.div_euclid(MINUTE_MICROS), PRUNE_ROWS])?;
        if minutes > 0 {
            return Ok(minutes as u64);
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let attempts = transaction.execute(
            "DELETE FROM attempts WHERE id <= (SELECT max(id) FROM (SELECT id FROM attempts ORDER BY id LIMIT ?1))",
            [PRUNE_ROWS],
        )?;
        let next: i64 = transaction.query_row(OLDEST_ATTEMPT, [], |r| r.get(0))?;
        let requests = transaction.execute(PRUNE_REQUESTS, [next, PRUNE_ROWS])?;
        transaction.commit()?;
        Ok((attempts + requests) as u64)
    }

    pub(super) fn prune_older_than(&mut self, began: i64) -> rusqlite::Result<u64> {
        let minute = began.div_euclid(MINUTE_MICROS);
        let is_oldest_young: bool =
            self.connection.prepare_cached(OLDEST_ARE_YOUNG)?.query_row([began, minute], |r| r.get(0))?;
        if is_oldest_young {
            return Ok(0);
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let attempts = transaction.execute(PRUNE_ATTEMPTS, [began, PRUNE_ROWS])?;
        let requests = transaction.execute(PRUNE_REQUESTS, [began, PRUNE_ROWS])?;
        incidents::prune(&transaction, began)?;
        let minutes = transaction.execute(minutes::PRUNE, [minute, PRUNE_ROWS])?;
        transaction.commit()?;
        Ok((attempts + requests + minutes) as u64)
    }

    /// Gives free pages back while the file is longer than it may be; whether it helped, so that
    /// another step may too.
    fn shrink(&self, settings: &Settings) -> rusqlite::Result<bool> {
        let free = self.number("freelist_count")?;
        if free == 0 || self.number("page_count")? * self.number("page_size")? <= settings.size_max {
            return Ok(false);
        }
        self.connection.pragma(None, "incremental_vacuum", VACUUM_PAGES, |_| Ok(())).or_else(no_answer)?;
        Ok(self.number("freelist_count")? < free)
    }

    /// What the rows and their indexes take up; the file may be longer by free pages.
    pub(super) fn bytes_used(&self) -> rusqlite::Result<u64> {
        let pages = self.number("page_count")?.saturating_sub(self.number("freelist_count")?);
        Ok(pages * self.number("page_size")?)
    }

    fn number(&self, pragma: &str) -> rusqlite::Result<u64> {
        Ok(u64::try_from(self.pragma(pragma)?).unwrap_or(0))
    }

    fn pragma(&self, name: &str) -> rusqlite::Result<i64> {
        self.connection.pragma_query_value(None, name, |r| r.get(0))
    }
}

/// When the oldest attempt began; the end of time where there is none.
const OLDEST_ATTEMPT: &str = "SELECT ifnull((SELECT began FROM attempts ORDER BY id LIMIT 1), 9223372036854775807)";
/// Whether no table begins with a row older than `?1`, or than the minute `?2`: then there is nothing
/// to do, for the price of three rows.
const OLDEST_ARE_YOUNG: &str = "
SELECT ifnull((SELECT began FROM attempts ORDER BY id LIMIT 1), ?1) >= ?1
   AND ifnull((SELECT began FROM requests ORDER BY id LIMIT 1), ?1) >= ?1
   AND ifnull((SELECT min(minute) FROM minutes), ?2) >= ?2";
/// The leading rows that are older than `?1`: the first `?2` rows up to the first young one, so
/// that a clock that was wrong for a while never takes a young row away.
const PRUNE_ATTEMPTS: &str = "
DELETE FROM attempts WHERE id IN (SELECT id FROM attempts ORDER BY id LIMIT ?2) AND id < ifnull((SELECT min(id)
    FROM (SELECT id, began FROM attempts ORDER BY id LIMIT ?2) WHERE began >= ?1), 9223372036854775807)";
/// The same for requests.
const PRUNE_REQUESTS: &str = "
DELETE FROM requests WHERE id IN (SELECT id FROM requests ORDER BY id LIMIT ?2) AND id < ifnull((SELECT min(id)
    FROM (SELECT id, began FROM requests ORDER BY id LIMIT ?2) WHERE began >= ?1), 9223372036854775807)";

/// How many leading rows are older than `?1`, as [`PRUNE_ATTEMPTS`] removes them step by step.
const OLDER_ATTEMPTS: &str = "
SELECT count(*) FROM attempts WHERE id < ifnull((SELECT min(id) FROM attempts WHERE began >= ?1), 9223372036854775807)";
/// The same for requests.
const OLDER_REQUESTS: &str = "
SELECT count(*) FROM requests WHERE id < ifnull((SELECT min(id) FROM requests WHERE began >= ?1), 9223372036854775807)";

/// Whether `error` means that the file itself is bad, so that no retry can help.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether the connection is of no more use after `error`, though the file may be.
pub(super) fn needs_reopening(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn is_about_the_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    )
}

/// Some pragmas answer with the new value and some with nothing; neither is a failure.
fn no_answer(error: rusqlite::Error) -> rusqlite::Result<()> {
    if matches!(error, rusqlite::Error::QueryReturnedNoRows) { Ok(()) } else { Err(error) }
}

/// Makes sure that the file exists and only its owner may read it; its length. SQLite gives the
/// WAL and the shared memory the same mode.
fn private_file(path: &Path) -> std::io::Result<u64> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let metadata = options.open(path)?.metadata()?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        // An older or foreign hand was laxer. If it cannot be changed, the rows matter more.
        let _ = fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600));
    }
    Ok(metadata.len())
}

/// Renames the file, its WAL and its shared memory to `….corrupt-<time>`; where to.
pub(super) fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
    let stamp = jiff::Timestamp::from_microsecond(seawall::proxy::unix_micros())
        .map_or_else(|_| "undated".to_owned(), |t| t.strftime("%Y%m%dT%H%M%SZ").to_string());
    let mut to = with_suffix(path, &format!(".corrupt-{stamp}"));
    let mut again = 1;
    while to.exists() {
        again += 1;
        to = with_suffix(path, &format!(".corrupt-{stamp}-{again}"));
    }
    // The database last: should a rename fail, it is still there to be tried again.
    for part in ["-wal", "-shm", ""] {
        match fs::rename(with_suffix(path, part), with_suffix(&to, part)) {
            Err(e) if part.is_empty() || e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(to)
}

/// `path` with `suffix` after its whole name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
