//! Reading the journal back, whether the gateway runs or not.
//!
//! Readers are other processes. They open the files read-only, in short transactions of one page
//! each, or of one statement that sums up in the file, so that they never hold up the writer's checkpoints; a WAL that a `kill -9` left behind
//! is read like any other. The gateway's own journal and those of `seawall exec` are told as one
//! list, the newest attempt first.

mod filter;
mod reader;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::costs::{self, Cost};
use super::groups::{Gathering, Groups, Order};
use super::incidents::{EventRow, IncidentRow};
use super::minutes::{self, Series, Stretch, Summed};
use super::row::{AttemptRow, RequestRow};
use super::sqlite::with_suffix;
use crate::data_dir::{EXEC_DIR, JOURNAL_FILE};

pub(crate) use filter::{Filter, Place};
use reader::OUTCOMES;
pub(crate) use reader::Reader;

/// Journals of `seawall exec` that are read, the newest ones. Each takes two or three open files.
pub(crate) const EXEC_JOURNALS_MAX: usize = 256;
/// Requests that one id may lead to: a caller may send one client request id many times.
pub(crate) const REQUESTS_MAX: usize = 20;
/// Incidents that are read.
pub(crate) const INCIDENTS_MAX: usize = 1_000;
/// Rows that one transaction reads.
const PAGE_ROWS: usize = 256;

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
