//! Every failed attempt on record, before its caller hears of it, and after a `kill -9` too.
//!
//! The request path hands rows to a bounded queue and never waits for it; a thread of its own
//! writes them to a local SQLite file in groups ([`writer`]). Before a failure is told, the caller
//! may wait, for a bounded time, until its rows are committed: [`Journal::settle`].
//!
//! Whatever happens to the file, traffic goes on: a full disk or a directory that cannot be
//! written leads to a ring in memory, a damaged file is moved aside, and every row that is lost is
//! counted. What must never happen is a row that was acknowledged and is missing afterwards, so
//! the doubtful cases are all told as "not durable".
//!
//! [`read`] is the other direction, for the commands, whether the gateway runs or not.

pub(crate) mod costs;
pub(crate) mod export;
pub(crate) mod fingerprint;
pub(crate) mod groups;
pub(crate) mod health;
pub(crate) mod incidents;
pub(crate) mod minutes;
pub(crate) mod plain;
pub(crate) mod prune;
pub(crate) mod read;
pub(crate) mod row;
#[cfg(test)]
pub(crate) mod samples;
mod schema;
mod sqlite;
pub(crate) mod stacked;
#[cfg(test)]
mod survival;
pub(crate) mod verify;
pub(crate) mod when;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use seawall_core::event::{Attempt, Ended, Request};
use seawall_core::incident::{Id, Saved};
use tokio::sync::oneshot;

use self::incidents::{Note, Remembered};
use self::minutes::{Cell, Sums};
use self::sqlite::{Database, Row};
use self::writer::{Message, Writer};

/// Messages that may wait for the writer: a fifth of a second at the promised 5,000 a second.
pub(crate) const QUEUE_MAX: usize = 1_024;

/// What the operator may decide about the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// What a commit survives.
    pub(crate) sync: Sync,
    /// How long a row is kept. 30 days.
    pub(crate) keep: Duration,
    /// The most that rows and indexes may take up on disk, in bytes; the oldest go first. 1 GiB.
    pub(crate) size_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { sync: Sync::Normal, keep: Duration::from_secs(30 * 24 * 3600), size_max: 1024 * 1024 * 1024 }
    }
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// The death of the process.
    Normal,
    /// The loss of power too, at the price of a disk flush a commit.
    Full,
}

/// In what state the file was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opened {
    /// There was none.
    Fresh,
    /// A journal with this many attempts in it.
    Existing {
        /// Attempts.
        rows: u64,
    },
    /// Something that cannot be a journal was there. It has a new name, and a new file was begun.
    MovedAside {
        /// Its new name.
        to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The file is good, and this program is too old for it. Do not go on without the operator.
    #[error(
        "the journal {} has layout {found}, and this seawall knows layouts up to {}: use the newer seawall, or another --data-dir",
        path.display(), schema::VERSION
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout's version.
        found: i64,
    },
    /// The place cannot be written to. [`Journal::ring_only`] goes on without it.
    #[error("the journal {} cannot be used: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl OpenError {
    /// Whether a newer program wrote the file: the one case in which not to start.
    pub(crate) fn is_newer(&self) -> bool {
        matches!(self, OpenError::Newer { .. })
    }
}

/// What became of the rows that a request had sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// All are committed.
    Durable,
    /// At least one may not be.
    NotDurable,
}

/// How [`Journal::close`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Everything is in the file, and the WAL is empty.
    Clean,
    /// The writer was still at it; what it had acknowledged is in the WAL.
    Late,
}

/// The journal's own numbers, since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub(crate) struct Stats {
    /// Rows committed.
    pub(crate) rows: u64,
    /// Rows lost: the queue or the ring was full, or the file would not have them at the end.
    pub(crate) dropped: u64,
    /// Failures told before their rows were committed.
    pub(crate) late: u64,
    /// Rows in memory that wait for the file.
    pub(crate) ring: u64,
    /// Rows removed because of their age or the file's size.
    pub(crate) pruned: u64,
    /// Whether the file cannot be written at present.
    pub(crate) degraded: bool,
}

/// The way to the writer. Cheap to clone; the last clone's drop ends the writer, [`Journal::close`]
/// waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<Thread>>>,
    remembered: Arc<Mutex<Remembered>>,
    path: Arc<Path>,
}

#[derive(Debug)]
struct Thread {
    handle: JoinHandle<()>,
    /// Disconnects when the thread ends.
    alive: Receiver<()>,
}

/// What the writer and the senders both see.
#[derive(Debug)]
struct Shared {
    rows: AtomicU64,
    dropped: AtomicU64,
    late: AtomicU64,
    ring: AtomicU64,
    pruned: AtomicU64,
    degraded: AtomicBool,
    closing: AtomicBool,
    /// The latest arrival among requests that lost a row, in Unix microseconds. Whoever arrived up
    /// to then is told "not durable". That also strikes some who lost nothing: the price of not
    /// remembering every id.
    doubt: AtomicI64,
}

impl Shared {
    fn new() -> Shared {
        let (zero, no) = (AtomicU64::default, AtomicBool::default);
        let doubt = AtomicI64::new(i64::MIN);
        Shared {
            rows: zero(),
            dropped: zero(),
            late: zero(),
            ring: zero(),
            pruned: zero(),
            degraded: no(),
            closing: no(),
            doubt,
        }
    }

    /// Counts rows that are lost, the latest of which belongs to a request that arrived at `began`.
    fn lose(&self, rows: u64, began: i64) {
        self.doubt.fetch_max(began, Relaxed);
        self.dropped.fetch_add(rows, Relaxed);
    }
}

impl Journal {
    /// Opens or creates the file at `path`, mode 0600, in a directory that exists.
    ///
    /// Moves aside what is damaged or not a journal. Not for two processes at once: the data
    /// directory's lock sees to that.
    pub(crate) fn open(path: &Path, settings: Settings) -> Result<(Journal, Opened), OpenError> {
        let (database, opened) = Database::open(path, &settings)?;
        if let Opened::Existing { rows } = opened {
            tracing::debug!(rows, "the journal is continued");
        }
        // What cannot be read is forgotten: incidents begin anew, and rows are kept all the same.
        let remembered = database.remembered().unwrap_or_default();
        let (mut journal, started) = Journal::start(path, settings, Some(database));
        journal.remembered = Arc::new(Mutex::new(remembered));
        match started {
            Ok(()) => Ok((journal, opened)),
            Err(e) => Err(OpenError::Unusable { path: path.to_owned(), why: e.to_string() }),
        }
    }

    /// A journal in memory, for when [`Journal::open`] could not have the file at `path`: the
    /// last 10,000 rows, until the file can be had after all. It is tried again and again.
    pub(crate) fn ring_only(path: &Path, settings: Settings) -> Journal {
        // Without even a thread the queue has no reader: every row is then counted as dropped.
        Journal::start(path, settings, None).0
    }

    fn start(path: &Path, settings: Settings, database: Option<Database>) -> (Journal, std::io::Result<()>) {
        let (queue, messages) = sync_channel(QUEUE_MAX);
        let (alive, watch) = sync_channel(0);
        let shared = Arc::new(Shared::new());
        let writer = Writer::new(messages, Arc::clone(&shared), path.to_owned(), settings, database, alive);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run());
        let (thread, started) = match thread {
            Ok(handle) => (Some(Thread { handle, alive: watch }), Ok(())),
            Err(e) => (None, Err(e)),
        };
        let (thread, remembered) = (Arc::new(Mutex::new(thread)), Arc::default());
        (Journal { queue, shared, thread, remembered, path: path.into() }, started)
    }

    /// Keeps an attempt. Never blocks; a full queue loses the row, counted.
    pub(crate) fn attempt(&self, request: &Arc<Request>, attempt: Attempt) {
        self.attempt_of(request, attempt, None);
    }

    /// Keeps an attempt that is part of an incident, if that is known. Never blocks; a full queue loses the row, counted.
    pub(crate) fn attempt_of(&self, request: &Arc<Request>, attempt: Attempt, incident: Option<&Id>) {
        let incident = incident.map(|id| Box::from(id.as_str()));
        self.send(Row::Attempt(Arc::clone(request), Box::new(attempt), incident));
    }

    /// Keeps how a request ended. Never blocks; a full queue loses the row, counted.
    pub(crate) fn request(&self, request: &Arc<Request>, ended: Ended) {
        self.send(Row::Request(Arc::clone(request), Box::new(ended)));
    }

    /// Keeps how an incident stands. Never blocks; a full queue loses the row, counted.
    pub(crate) fn incident(&self, note: Note) {
        self.send(Row::Incident(Box::new(note)));
    }

    /// Keeps which receivers of alerts know of an incident. Never blocks.
    pub(crate) fn told(&self, incident: &str, receivers: Vec<String>) {
        self.send(Row::Told(incident.into(), receivers));
    }

    /// Keeps that somebody knows of an incident, since this moment in Unix microseconds. Never blocks.
    pub(crate) fn acknowledged(&self, incident: &str, at: i64) {
        self.send(Row::Acknowledged(incident.into(), at));
    }

    /// Keeps all that is known of incidents, for the next process: [`Journal::remembered`]. Never blocks.
    pub(crate) fn remember(&self, saved: Saved) {
        self.send(Row::State(Box::new(saved)));
    }

    /// Closes every incident on record that is not: nobody knows of them any more. Never blocks.
    pub(crate) fn forget(&self, at: i64) {
        self.send(Row::Forgotten(at));
    }

    /// What was known of incidents when the file was opened, once.
    pub(crate) fn remembered(&self) -> Remembered {
        std::mem::take(&mut self.remembered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds these sums to what is on record of their minutes. Never blocks: if the queue is full they
    /// come back, to be handed over another time.
    pub(crate) fn minutes(&self, rows: Vec<(Cell, Sums)>) -> Result<(), Vec<(Cell, Sums)>> {
        self.queue.try_send(Message::Row(Row::Minutes(rows))).map_err(|refused| match refused {
            TrySendError::Full(Message::Row(Row::Minutes(rows)))
            | TrySendError::Disconnected(Message::Row(Row::Minutes(rows))) => rows,
            _ => Vec::new(),
        })
    }

    fn send(&self, row: Row) {
        let began = row.began();
        if self.queue.try_send(Message::Row(row)).is_err() {
            self.shared.lose(1, began);
        }
    }

    /// Ready once everything sent before is committed, or cannot be. Put a bound on the wait (the
    /// contract's is 50 ms); dropping the future is safe.
    ///
    /// `request` is whose failure is about to be told: it is not durable if a row of its own was
    /// lost earlier.
    pub(crate) fn settle(&self, request: &Request) -> impl Future<Output = Settled> + Send + 'static + use<> {
        self.settle_since(request.began_unix_micros)
    }

    /// The same for what is about no request: rows that were lost before do not matter.
    pub(crate) fn settle_all(&self) -> impl Future<Output = Settled> + Send + 'static + use<> {
        self.settle_since(i64::MAX)
    }

    fn settle_since(&self, began: i64) -> impl Future<Output = Settled> + Send + 'static + use<> {
        let (tell, told) = oneshot::channel();
        let asked = self.queue.try_send(Message::Settle { began, tell });
        async move {
            match asked {
                Ok(()) => told.await.unwrap_or(Settled::NotDurable),
                Err(_) => Settled::NotDurable,
            }
        }
    }

    /// Whether the file cannot be written at present.
    pub(crate) fn is_degraded(&self) -> bool {
        self.shared.degraded.load(Relaxed)
    }

    /// Counts sums that nobody could be given in the end, as one row lost.
    pub(crate) fn note_lost_sums(&self) {
        self.shared.dropped.fetch_add(1, Relaxed);
    }

    /// Counts a failure that was told before it was on record.
    pub(crate) fn note_late(&self) {
        self.shared.late.fetch_add(1, Relaxed);
    }

    /// The numbers as they are now.
    pub(crate) fn stats(&self) -> Stats {
        let shared = &self.shared;
        Stats {
            rows: shared.rows.load(Relaxed),
            dropped: shared.dropped.load(Relaxed),
            late: shared.late.load(Relaxed),
            ring: shared.ring.load(Relaxed),
            pruned: shared.pruned.load(Relaxed),
            degraded: shared.degraded.load(Relaxed),
        }
    }

    /// Writes what is queued, empties the WAL and ends the thread; blocks for at most `within`.
    /// Rows that other clones send afterwards are counted as dropped.
    pub(crate) fn close(self, within: Duration) -> Closed {
        self.shared.closing.store(true, Relaxed);
        // If the queue is full, the writer is awake anyway.
        let _ = self.queue.try_send(Message::Wake);
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Closed::Clean;
        };
        match thread.alive.recv_timeout(within) {
            Err(RecvTimeoutError::Timeout) => Closed::Late,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => match thread.handle.join() {
                Ok(()) => Closed::Clean,
                Err(_) => Closed::Late,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{PATIENCE, attempt, count, ended, open, request, settled, unread, until};
    use super::*;

    #[test]
    fn a_settled_row_is_visible_to_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        for n in 1..=50 {
            let request = request(n);
            journal.attempt(&request, attempt(1));
            assert_eq!(settled(&journal, &request), Settled::Durable);
            assert_eq!(count(&path), n);
        }
    }

    #[test]
    fn a_row_that_nobody_waits_for_is_committed_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        journal.attempt(&request(1), attempt(1));
        until(|| journal.stats().rows == 1);
        assert_eq!(count(&path), 1);
    }

    #[test]
    fn the_same_attempt_twice_is_one_row() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        let request = request(1);
        for _ in 0..3 {
            journal.attempt(&request, attempt(1));
            journal.request(&request, ended(1));
        }
        assert_eq!(settled(&journal, &request), Settled::Durable);
        assert_eq!(journal.stats().rows, 2);
        assert_eq!(journal.stats().dropped, 0);
    }

    #[test]
    fn a_full_queue_loses_the_row_counts_it_and_never_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _writer) = unread(&dir.path().join("journal.db"));
        for n in 0..QUEUE_MAX {
            journal.attempt(&request(n as i64), attempt(1));
        }
        assert_eq!(journal.stats().dropped, 0, "the queue holds {QUEUE_MAX}");
        journal.attempt(&request(QUEUE_MAX as i64), attempt(1));
        assert_eq!(journal.stats().dropped, 1);
        assert_eq!(settled(&journal, &request(1)), Settled::NotDurable, "there is no room for the question either");
    }

    #[test]
    fn a_request_that_lost_a_row_is_never_told_durable() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, writer) = unread(&dir.path().join("journal.db"));
        let unlucky = request(5_000);
        for n in 0..QUEUE_MAX {
            journal.attempt(&request(n as i64), attempt(1));
        }
        journal.attempt(&unlucky, attempt(1));
        let writer = std::thread::spawn(|| writer.run());
        until(|| journal.stats().rows == QUEUE_MAX as u64);
        journal.attempt(&unlucky, attempt(2));
        assert_eq!(settled(&journal, &unlucky), Settled::NotDurable);
        let later = request(5_001);
        journal.attempt(&later, attempt(1));
        assert_eq!(settled(&journal, &later), Settled::Durable);
        drop(journal);
        writer.join().unwrap();
    }

    #[test]
    fn closing_keeps_what_was_queued_and_empties_the_wal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        for n in 0..300 {
            journal.attempt(&request(n), attempt(1));
        }
        let other = journal.clone();
        assert_eq!(journal.close(PATIENCE), Closed::Clean);
        assert!(!path.with_file_name("journal.db-wal").exists());
        other.attempt(&request(999), attempt(1));
        assert_eq!(other.stats().dropped, 1, "a row after the end is counted");
        let (_, opened) = Journal::open(&path, Settings::default()).unwrap();
        assert_eq!(opened, Opened::Existing { rows: 300 });
    }

    #[test]
    fn a_late_answer_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(&dir.path().join("journal.db"));
        journal.note_late();
        assert_eq!(journal.stats().late, 1);
    }
}
