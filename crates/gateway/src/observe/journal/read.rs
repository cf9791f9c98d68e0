//! Reading the journal back, whether the gateway runs or not.
//!
//! Readers are other processes. They open the files read-only, in short transactions of one page
//! each, or of one statement that sums up in the file, so that they never hold up the writer's checkpoints; a WAL that a `kill -9` left behind
//! is read like any other. The gateway's own journal and those of `seawall exec` are told as one
//! list, the newest attempt first.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, InterruptHandle, OpenFlags, named_params};

use super::costs::{self, Cost};
use super::fingerprint;
use super::groups::{Gathering, Groups, Order};
use super::incidents::{self, EventRow, IncidentRow};
use super::minutes::{self, Bar, Series, Stretch, Summed};
use super::row::{AttemptRow, RequestRow};
use super::schema::{APPLICATION, VERSION};
use super::sqlite::with_suffix;
use crate::data_dir::{EXEC_DIR, JOURNAL_FILE};

/// Journals of `seawall exec` that are read, the newest ones. Each takes two or three open files.
pub(crate) const EXEC_JOURNALS_MAX: usize = 256;
/// Requests that one id may lead to: a caller may send one client request id many times.
pub(crate) const REQUESTS_MAX: usize = 20;
/// Incidents that are read.
pub(crate) const INCIDENTS_MAX: usize = 1_000;
/// The first layout with incidents in it.
const FIRST_WITH_INCIDENTS: i64 = 2;
/// Times of answers that are read from one journal.
const WHOLE_ANSWERS_MAX: i64 = 100_000;
/// Rows that one transaction reads.
const PAGE_ROWS: usize = 256;
/// How long a reader waits for another process that repairs the WAL's index.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Which journal a command reads.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct JournalArgs {
    /// The data directory whose journal to read
    #[arg(long, env = "SEAWALL_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Read this journal file alone
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

/// Which attempts to read; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Begun at this moment or later, in microseconds since the Unix epoch.
    pub(crate) since: Option<i64>,
    /// Begun before this moment.
    pub(crate) until: Option<i64>,
    /// Of this model.
    pub(crate) model: Option<String>,
    /// With a status from the first to the second, both included.
    pub(crate) status: Option<(u16, u16)>,
    /// Ended in this class. Without one: in any class but `ok`.
    pub(crate) class: Option<String>,
    /// At this upstream.
    pub(crate) upstream: Option<String>,
    /// With this id: Seawall's, the upstream's or the client's.
    pub(crate) request_id: Option<String>,
    /// Part of this incident.
    pub(crate) incident: Option<String>,
    /// Of this kind: a [`fingerprint::id`].
    pub(crate) group: Option<String>,
}

impl Filter {
    /// `503` or `5xx`, as the first and the last status meant.
    pub(crate) fn parse_status(text: &str) -> Result<(u16, u16), String> {
        if let Some(hundreds) = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok())
            && (1..=9).contains(&hundreds)
        {
            return Ok((hundreds * 100, hundreds * 100 + 99));
        }
        match text.parse() {
            Ok(status @ 100..=999) => Ok((status, status)),
            _ => Err("neither a status like 503 nor a group like 5xx".to_owned()),
        }
    }
}

/// A place in the order of one journal's attempts: what comes after it is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    began: i64,
    row: i64,
}

impl Place {
    /// Before all attempts.
    pub(crate) const NEWEST: Place = Place { began: i64::MAX, row: i64::MAX };

    /// The place of an attempt.
    pub(crate) fn of(row: &AttemptRow) -> Place {
        Place { began: row.time, row: row.place }
    }

    /// The place as a word that means nothing to others.
    pub(crate) fn to_text(self) -> String {
        format!("{:016x}{:016x}", self.began, self.row)
    }

    /// The place that such a word stands for.
    pub(crate) fn from_text(text: &str) -> Option<Place> {
        let is_word = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let (began, row) = is_word.then(|| text.split_at(16))?;
        let number = |text| u64::from_str_radix(text, 16).ok().map(u64::cast_signed);
        Some(Place { began: number(began)?, row: number(row)? })
    }
}

/// Why no journal can be read, and what to do about it.
#[derive(Debug)]
pub(crate) struct ReadError {
    what: String,
    hint: &'static str,
    /// Whether it is the file itself that is wrong, and not its place or who reads it.
    is_about_the_file: bool,
}

impl ReadError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        self.hint
    }

    /// Whether it is the file itself that is wrong: it is damaged, or not ours.
    pub(crate) fn is_about_the_file(&self) -> bool {
        self.is_about_the_file
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ReadError {}

/// The journals of one place, as one.
#[derive(Debug)]
pub(crate) struct Journals {
    readers: Vec<Reader>,
    /// What could not be read beside what could, for stderr.
    pub(crate) warnings: Vec<String>,
}

impl Journals {
    /// Opens what `args` name or, if they name nothing, what is in `default_dir`.
    pub(crate) fn open(args: &JournalArgs, default_dir: Option<&Path>) -> Result<Journals, ReadError> {
        let Files { main, exec, warnings } = Files::of(args, default_dir)?;
        let mut journals = Journals { readers: Vec::new(), warnings };
        if let Some(main) = main {
            journals.readers.extend(Reader::open(&main)?);
        }
        for file in exec {
            match Reader::open(&file) {
                Ok(reader) => journals.readers.extend(reader),
                Err(e) => journals.warnings.push(e.to_string()),
            }
        }
        Ok(journals)
    }

    /// Each of them, for who reads them one by one.
    pub(crate) fn readers(&self) -> &[Reader] {
        &self.readers
    }
}

/// The files of one place.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The gateway's own, or the one that was named.
    pub(crate) main: Option<PathBuf>,
    /// Those of `seawall exec`, the newest first, at most [`EXEC_JOURNALS_MAX`].
    pub(crate) exec: Vec<PathBuf>,
    /// What is left out, for stderr.
    pub(crate) warnings: Vec<String>,
}

impl Files {
    /// What `args` name or, if they name nothing, what is in `default_dir`. Where there is no file at all, the one
    /// that a gateway would begin.
    pub(crate) fn of(args: &JournalArgs, default_dir: Option<&Path>) -> Result<Files, ReadError> {
        let mut files = Files::default();
        if let Some(file) = &args.journal {
            files.main = Some(file.clone());
            return Ok(files);
        }
        let dir = args.data_dir.as_deref().or(default_dir).ok_or_else(|| ReadError {
            what: "there is no home directory to look for a journal in".to_owned(),
            hint: "name the directory with --data-dir, or the file with --journal",
            is_about_the_file: false,
        })?;
        files.exec = files.exec_files(&dir.join(EXEC_DIR));
        let main = dir.join(JOURNAL_FILE);
        files.main = (main.exists() || files.exec.is_empty()).then_some(main);
        Ok(files)
    }

    /// The newest files in `dir`, at most [`EXEC_JOURNALS_MAX`].
    fn exec_files(&mut self, dir: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<(SystemTime, PathBuf)> = entries
            .filter(|path| path.extension().is_some_and(|e| e == "db"))
            .map(|path| (modified(&path).max(modified(&with_suffix(&path, "-wal"))), path))
            .collect();
        files.sort_unstable_by(|a, b| b.cmp(a));
        if files.len() > EXEC_JOURNALS_MAX {
            let left = files.len() - EXEC_JOURNALS_MAX;
            self.warnings.push(format!("{left} older journals in {} are not read", dir.display()));
            files.truncate(EXEC_JOURNALS_MAX);
        }
        files.into_iter().map(|(_, path)| path).collect()
    }
}

impl Journals {
    /// The attempts that `filter` lets through, the newest first.
    pub(crate) fn attempts<'j>(&'j self, filter: &'j Filter) -> Attempts<'j> {
        Attempts { filter, pages: self.readers.iter().map(Pages::new).collect() }
    }

    /// How many attempts `filter` lets through.
    pub(crate) fn count(&self, filter: &Filter) -> Result<u64, ReadError> {
        self.readers.iter().map(|reader| reader.count(filter)).sum()
    }

    /// The kinds of failures that `filter` lets through: [`Reader::groups`] of all of them together.
    pub(crate) fn groups(
        &self,
        span: Range<i64>,
        filter: &Filter,
        buckets: usize,
        order: Order,
        limit: usize,
    ) -> Result<Groups, ReadError> {
        let mut gathering = Gathering::new(span.clone(), buckets);
        for reader in &self.readers {
            reader.gather(span.clone(), filter, &mut gathering)?;
        }
        Ok(gathering.finish(order, limit))
    }

    /// The sums of the minutes from the first to before the second, for each upstream and model; of
    /// each journal its own.
    pub(crate) fn minutes(&self, since: i64, until: i64) -> Result<Vec<Summed>, ReadError> {
        self.of_each(|reader| minutes::sums(&reader.connection, since, until))
    }

    /// The sums of stretches of minutes; of each journal its own.
    pub(crate) fn stretches(&self, of: Series<'_>) -> Result<Vec<Stretch>, ReadError> {
        self.of_each(|reader| minutes::series(&reader.connection, of))
    }

    /// How requests on record ended that began from `since` to before `until`, of one model or of all, and how
    /// many of each; of each journal its own.
    pub(crate) fn outcomes(
        &self,
        since: i64,
        until: i64,
        model: Option<&str>,
    ) -> Result<Vec<(String, u64)>, ReadError> {
        self.of_each(|reader| {
            let mut statement = reader.connection.prepare_cached(OUTCOMES)?;
            let rows = statement.query_map((since, until, model), |row| {
                Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
            })?;
            rows.collect()
        })
    }

    /// The first minute that is counted in any of them.
    pub(crate) fn first_minute(&self) -> Result<Option<i64>, ReadError> {
        Ok(self.of_each(|reader| Ok(Vec::from_iter(minutes::first(&reader.connection)?)))?.into_iter().min())
    }

    /// What failed attempts cost that began from `since` to before `until`, in microseconds since the
    /// Unix epoch.
    pub(crate) fn costs(&self, since: i64, until: i64) -> Result<Vec<Cost>, ReadError> {
        self.of_each(|reader| costs::costs(&reader.connection, since, until))
    }

    /// When the first attempt on record began, in microseconds since the Unix epoch.
    pub(crate) fn first_attempt(&self) -> Result<Option<i64>, ReadError> {
        Ok(self.of_each(|reader| Ok(Vec::from_iter(costs::first(&reader.connection)?)))?.into_iter().min())
    }

    fn of_each<T>(&self, read: impl Fn(&Reader) -> rusqlite::Result<Vec<T>>) -> Result<Vec<T>, ReadError> {
        let mut all = Vec::new();
        for reader in &self.readers {
            all.extend(read(reader).map_err(|e| unreadable(&reader.path, &e))?);
        }
        Ok(all)
    }

    /// How long answers took that were not streamed, to SDKs whose name begins with `sdk`; at most
    /// [`WHOLE_ANSWERS_MAX`] of each journal.
    pub(crate) fn whole_answers(&self, since: i64, sdk: &str) -> Result<Vec<Duration>, ReadError> {
        let mut answers = Vec::new();
        for reader in &self.readers {
            answers.extend(reader.whole_answers(since, sdk)?);
        }
        Ok(answers)
    }

    /// The requests with the id `id`, the newest first, at most [`REQUESTS_MAX`]; and whether
    /// there are more.
    pub(crate) fn requests(&self, id: &str) -> Result<(Vec<RequestRow>, bool), ReadError> {
        let mut found = Vec::new();
        for reader in &self.readers {
            found.extend(reader.requests(id)?);
        }
        found.sort_by_key(|request| std::cmp::Reverse(request.time));
        let more = found.len() > REQUESTS_MAX;
        found.truncate(REQUESTS_MAX);
        Ok((found, more))
    }
}

impl Journals {
    /// Incidents that were open at some moment from `since` to `until`, the newest first, at most
    /// [`INCIDENTS_MAX`].
    pub(crate) fn incidents(&self, since: i64, until: i64) -> Result<Vec<IncidentRow>, ReadError> {
        let mut found = Vec::new();
        for reader in &self.readers {
            found.extend(reader.incidents(since, until)?);
        }
        found.sort_by_key(|incident| std::cmp::Reverse(incident.since));
        found.truncate(INCIDENTS_MAX);
        Ok(found)
    }

    /// The incidents whose id begins so: one, if it is told from the others by that.
    pub(crate) fn incident(&self, id: &str) -> Result<Vec<IncidentRow>, ReadError> {
        let mut found = Vec::new();
        for reader in &self.readers {
            found.extend(reader.incident(id)?);
        }
        Ok(found)
    }

    /// What was told of an incident, the first thing first.
    pub(crate) fn incident_events(&self, id: &str) -> Result<Vec<EventRow>, ReadError> {
        let mut found = Vec::new();
        for reader in &self.readers {
            found.extend(reader.incident_events(id)?);
        }
        Ok(found)
    }
}

/// Attempts of several journals in one order; ends at the first error.
#[derive(Debug)]
pub(crate) struct Attempts<'j> {
    filter: &'j Filter,
    pages: Vec<Pages<'j>>,
}

impl Iterator for Attempts<'_> {
    type Item = Result<AttemptRow, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut newest: Option<(i64, usize)> = None;
        for (at, pages) in self.pages.iter_mut().enumerate() {
            match pages.peek(self.filter) {
                Ok(Some(row)) if newest.is_none_or(|(time, _)| row.time > time) => newest = Some((row.time, at)),
                Ok(_) => {}
                Err(e) => {
                    self.pages.clear();
                    return Some(Err(e));
                }
            }
        }
        newest.and_then(|(_, at)| self.pages[at].page.pop_front()).map(Ok)
    }
}

/// One journal's attempts, a page at a time.
#[derive(Debug)]
struct Pages<'j> {
    reader: &'j Reader,
    page: VecDeque<AttemptRow>,
    /// Time and place of the last row read; `None` when there is nothing more.
    after: Option<Place>,
}

impl<'j> Pages<'j> {
    fn new(reader: &'j Reader) -> Pages<'j> {
        Pages { reader, page: VecDeque::new(), after: Some(Place::NEWEST) }
    }

    fn peek(&mut self, filter: &Filter) -> Result<Option<&AttemptRow>, ReadError> {
        if self.page.is_empty()
            && let Some(after) = self.after
        {
            self.page = self.reader.page(filter, after, PAGE_ROWS)?;
            let is_full = self.page.len() == PAGE_ROWS;
            self.after = self.page.back().filter(|_| is_full).map(Place::of);
        }
        Ok(self.page.front())
    }
}

/// One journal file.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Connection,
    path: PathBuf,
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
const OUTCOMES: &str = "SELECT outcome, count(*) FROM requests WHERE began >= ?1 AND began < ?2
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
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// Whether the layout has incidents and minutes.
    pub(super) fn has_incidents(&self) -> bool {
        self.version >= FIRST_WITH_INCIDENTS
    }

    /// The file, open to be read. Keep transactions short.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The same, said of this file.
    pub(super) fn unreadable(&self, error: &rusqlite::Error) -> ReadError {
        unreadable(&self.path, error)
    }

    /// What is wrong with the file, page by page and index by index; at most so many things.
    pub(super) fn integrity(&self, max: u32) -> rusqlite::Result<Vec<String>> {
        let mut found = Vec::new();
        self.connection.pragma(None, "integrity_check", max, |row| {
            let said: String = row.get(0)?;
            found.extend((said != "ok").then_some(said));
            Ok(())
        })?;
        Ok(found)
    }

    /// `ok`, or the first thing that is wrong with the file.
    pub(super) fn quick_check(&self) -> rusqlite::Result<String> {
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

    fn whole_answers(&self, since: i64, sdk: &str) -> Result<Vec<Duration>, ReadError> {
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

    fn page(&self, filter: &Filter, after: Place, rows: usize) -> Result<VecDeque<AttemptRow>, ReadError> {
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

    pub(super) fn gather(&self, span: Range<i64>, filter: &Filter, gathering: &mut Gathering) -> Result<(), ReadError> {
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
    pub(super) fn requests(&self, id: &str) -> Result<Vec<RequestRow>, ReadError> {
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

fn unreadable(path: &Path, error: &rusqlite::Error) -> ReadError {
    let is_about_the_file = super::sqlite::is_damage(error);
    let hint = if is_about_the_file {
        "the file is damaged or no journal: the gateway moves it aside when it starts"
    } else {
        "read it as the user that runs the gateway: the directory must be writable, even to read"
    };
    ReadError { what: format!("the journal {} cannot be read: {error}", path.display()), hint, is_about_the_file }
}

fn modified(path: &Path) -> SystemTime {
    std::fs::metadata(path).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
