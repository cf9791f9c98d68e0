//! The one thread that writes the journal: rows into transactions, waiters told, the file tended.
//!
//! Much of a commit's cost is the same for one row as for two hundred, so rows go in groups. With a
//! waiter in the group it is committed at once: whoever waits, waits for one commit, and what
//! arrives meanwhile is the next group. Without one, rows gather for up to 100 ms.
//!
//! A commit takes a tenth of a millisecond and a checkpoint up to ten. Checkpoints run here, after
//! the waiters were told, because a thread of their own would let the WAL grow without bound while
//! this one keeps writing.
//!
//! When the file cannot be written, rows go to a ring in memory and everybody who waits is told
//! so at once. The file is tried again until it takes them. Nothing here panics, and nothing
//! makes a sender wait.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::sqlite::{self, Database, Row, Written};
use super::{Opened, Settings, Settled, Shared};

/// Messages that one transaction takes: the prototype that lost no row in 50 kills had as many.
pub(super) const GROUP_MAX: usize = 256;
/// Rows that the ring holds; beyond it the oldest goes, counted.
pub(super) const RING_ROWS_MAX: usize = 10_000;
/// How long rows that nobody waits for may gather.
const GATHER: Duration = Duration::from_millis(100);
/// Pages ahead of the database at which a checkpoint is due even under load: 4 MiB.
const CHECKPOINT_PAGES: u64 = 1_000;
/// Commits between two looks at the WAL's length. One of a full group is some 150 pages.
const LOOK_EVERY: u32 = 8;
/// A queue that was empty for this long has time for a checkpoint.
const CHECKPOINT_QUIET: Duration = Duration::from_millis(200);
/// No commit stays out of the database for longer than this.
const CHECKPOINT_AGE: Duration = Duration::from_secs(1);
/// Between two looks for rows past their time.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// The first and the longest wait before a file that failed is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// What the writer is sent.
pub(super) enum Message {
    /// Keep this.
    Row(Row),
    /// Tell when everything before this is kept. `began` is the arrival of the request asking.
    Settle { began: i64, tell: oneshot::Sender<Settled> },
    /// Look at what `Shared` says.
    Wake,
}

/// The writer's whole state; [`Writer::run`] is its life.
pub(super) struct Writer {
    pub(super) queue: Receiver<Message>,
    pub(super) shared: Arc<Shared>,
    pub(super) path: PathBuf,
    pub(super) settings: Settings,
    group: Group,
    /// `None` while there is no usable file.
    database: Option<Database>,
    /// Set from the first failure until the ring is empty again.
    trouble: Option<Trouble>,
    ring: VecDeque<Row>,
    house: House,
    /// Dropped at the end of the thread: that is how `close` learns of it.
    _alive: SyncSender<()>,
}

/// What the next transaction will hold.
#[derive(Default)]
struct Group {
    rows: Vec<Row>,
    waiters: Vec<(i64, oneshot::Sender<Settled>)>,
    /// When its first message came.
    since: Option<Instant>,
}

/// The file does not take rows at present.
struct Trouble {
    retry_at: Instant,
    wait: Duration,
}

/// When the file needs tending.
struct House {
    /// The first commit that no checkpoint has carried over.
    ahead_since: Option<Instant>,
    /// Commits since the WAL's length was last looked at.
    commits_ahead: u32,
    /// Pages that the last checkpoint could not carry over, because a reader was in the way.
    left_over: u64,
    last_message: Instant,
    prune_at: Instant,
}

impl Writer {
    /// A writer for `database`, or, with the reason why there is none, for the ring alone.
    pub(super) fn new(
        queue: Receiver<Message>,
        shared: Arc<Shared>,
        path: PathBuf,
        settings: Settings,
        database: Option<Database>,
        alive: SyncSender<()>,
    ) -> Writer {
        let now = now();
        let trouble = match database {
            Some(_) => None,
            None => Some(Trouble { retry_at: now + RETRY_FIRST, wait: RETRY_FIRST }),
        };
        shared.degraded.store(trouble.is_some(), Relaxed);
        let house = House { ahead_since: None, commits_ahead: 0, left_over: 0, last_message: now, prune_at: now };
        let (group, ring) = (Group::default(), VecDeque::new());
        Writer { queue, shared, path, settings, group, database, trouble, ring, house, _alive: alive }
    }

    /// Writes until every sender is gone or the journal is closed, and the queue is empty.
    pub(super) fn run(mut self) {
        loop {
            match self.queue.recv_timeout(self.next_due()) {
                Ok(message) => {
                    self.group.take(message);
                    self.house.last_message = now();
                }
                Err(RecvTimeoutError::Timeout) if self.shared.closing.load(Relaxed) => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.drain();
            if self.group.is_due(now()) {
                self.commit();
            }
            self.recover();
            self.tend();
        }
        self.finish();
    }

    /// Takes what is waiting, as much as one transaction holds.
    fn drain(&mut self) {
        while self.group.len() < GROUP_MAX
            && let Ok(message) = self.queue.try_recv()
        {
            self.group.take(message);
        }
    }

    /// How long the thread may sleep if nobody sends anything.
    fn next_due(&self) -> Duration {
        if self.shared.closing.load(Relaxed) {
            return Duration::ZERO;
        }
        let now = now();
        let mut due = self.house.prune_at;
        if let Some(since) = self.group.since {
            due = due.min(since + GATHER);
        }
        if let Some(since) = self.house.ahead_since {
            due = due.min(self.house.last_message + CHECKPOINT_QUIET).min(since + CHECKPOINT_AGE);
        }
        if let Some(trouble) = &self.trouble {
            // Nothing can be tended before the file is back.
            due = self.group.since.map_or(trouble.retry_at, |since| trouble.retry_at.min(since + GATHER));
        }
        due.saturating_duration_since(now)
    }

    /// Writes the group and tells its waiters.
    fn commit(&mut self) {
        let group = std::mem::take(&mut self.group);
        let is_kept = self.trouble.is_none() && (group.rows.is_empty() || self.write_group(&group.rows));
        if !is_kept {
            for row in group.rows {
                self.keep_in_ring(row);
            }
        }
        for (began, tell) in group.waiters {
            // A request that lost a row is not on record, whatever became of its other rows.
            let is_whole = began > self.shared.doubt.load(Relaxed);
            // Nobody listens any more if the bound on the wait has passed.
            let _ = tell.send(if is_kept && is_whole { Settled::Durable } else { Settled::NotDurable });
        }
    }

    /// Whether the rows are committed.
    fn write_group(&mut self, rows: &[Row]) -> bool {
        for may_move_aside in [true, false] {
            let Some(database) = &mut self.database else { break };
            match database.write(rows.iter()) {
                Ok(written) => {
                    self.count(written);
                    return true;
                }
                Err(e) if sqlite::is_damage(&e) && may_move_aside => self.begin_anew(&e),
                Err(e) => {
                    self.drop_if_useless(&e);
                    self.fail(&e.to_string());
                    return false;
                }
            }
        }
        self.fail("it was damaged, and a new one cannot be begun");
        false
    }

    fn count(&mut self, written: Written) {
        self.shared.rows.fetch_add(written.rows, Relaxed);
        if written.refused > 0 {
            self.shared.lose(written.refused, written.refused_began);
        }
        self.house.ahead_since.get_or_insert_with(now);
        self.house.commits_ahead += 1;
    }

    /// The file turned out to be damaged: opening it again moves it aside.
    fn begin_anew(&mut self, error: &rusqlite::Error) {
        tracing::warn!(journal = %self.path.display(), %error, "the journal is damaged: beginning a new one");
        self.database = None;
        self.house.ahead_since = None;
        if let Err(e) = sqlite::move_aside(&self.path) {
            tracing::warn!(error = %e, "the damaged journal cannot be moved aside");
        }
        self.open();
    }

    fn open(&mut self) {
        match Database::open(&self.path, &self.settings) {
            Ok((database, opened)) => {
                if let Opened::MovedAside { to, why } = opened {
                    tracing::warn!(to = %to.display(), why, "the old journal was moved aside");
                }
                self.database = Some(database);
            }
            Err(error) => tracing::debug!(%error, "the journal cannot be opened"),
        }
    }

    fn drop_if_useless(&mut self, error: &rusqlite::Error) {
        if sqlite::needs_reopening(error) {
            self.database = None;
            self.house.ahead_since = None;
        }
    }

    /// From here on the ring keeps the rows.
    fn fail(&mut self, why: &str) {
        if self.trouble.is_none() {
            tracing::warn!(journal = %self.path.display(), why, "the journal cannot be written: keeping rows in memory");
            self.trouble = Some(Trouble { retry_at: now() + RETRY_FIRST, wait: RETRY_FIRST });
            self.shared.degraded.store(true, Relaxed);
        }
    }

    pub(super) fn keep_in_ring(&mut self, row: Row) {
        if self.ring.len() == RING_ROWS_MAX
            && let Some(oldest) = self.ring.pop_front()
        {
            self.shared.lose(1, oldest.began());
        }
        self.ring.push_back(row);
        self.shared.ring.store(self.ring.len() as u64, Relaxed);
    }

    /// Tries the file again when that is due: one transaction from the ring.
    fn recover(&mut self) {
        let Some(Trouble { retry_at, wait }) = self.trouble else { return };
        if now() < retry_at {
            return;
        }
        if self.database.is_none() {
            self.open();
        }
        let retry_at = if self.write_from_ring() {
            if self.ring.is_empty() {
                tracing::info!(journal = %self.path.display(), "the journal is written again");
                self.trouble = None;
                self.shared.degraded.store(false, Relaxed);
                return;
            }
            now()
        } else {
            now() + wait
        };
        self.trouble = Some(Trouble { retry_at, wait: (wait * 2).min(RETRY_LONGEST) });
    }

    /// Moves up to one transaction's rows from the ring into the file; whether the file took them.
    fn write_from_ring(&mut self) -> bool {
        let Some(database) = &mut self.database else { return false };
        let n = self.ring.len().min(GROUP_MAX);
        match database.write(self.ring.iter().take(n)) {
            Ok(written) => {
                self.count(written);
                self.ring.drain(..n);
                self.shared.ring.store(self.ring.len() as u64, Relaxed);
                true
            }
            Err(e) if sqlite::is_damage(&e) => {
                self.begin_anew(&e);
                false
            }
            Err(e) => {
                self.drop_if_useless(&e);
                false
            }
        }
    }

    /// Checkpoints and pruning, when they are due; every waiter has been told by now.
    fn tend(&mut self) {
        if self.trouble.is_some() {
            return;
        }
        if let Err(e) = self.checkpoint_if_due().and_then(|()| self.prune_if_due()) {
            // The rows are safe in the WAL; if the file is truly bad the next commit will say so.
            tracing::debug!(error = %e, "the journal was not tended");
            self.house.ahead_since = None;
            self.house.prune_at = now() + PRUNE_EVERY;
        }
    }

    fn checkpoint_if_due(&mut self) -> rusqlite::Result<()> {
        let (Some(database), Some(since)) = (&self.database, self.house.ahead_since) else { return Ok(()) };
        let now = now();
        let is_quiet = now >= self.house.last_message + CHECKPOINT_QUIET || now >= since + CHECKPOINT_AGE;
        let may_be_long = self.house.commits_ahead >= LOOK_EVERY;
        if may_be_long {
            self.house.commits_ahead = 0;
        }
        if is_quiet || (may_be_long && database.pages_ahead()? >= self.house.left_over + CHECKPOINT_PAGES) {
            self.house.left_over = database.checkpoint()?;
            self.house.ahead_since = (self.house.left_over > 0).then_some(now);
            self.house.prune_at = now;
        }
        Ok(())
    }

    /// One step a turn: it removes more rows than a turn can add, and delays the next commit by
    /// milliseconds at most.
    fn prune_if_due(&mut self) -> rusqlite::Result<()> {
        let Some(database) = &mut self.database else { return Ok(()) };
        if now() < self.house.prune_at {
            return Ok(());
        }
        let pruned = database.prune(&self.settings)?;
        self.shared.pruned.fetch_add(pruned.rows, Relaxed);
        if pruned.rows > 0 {
            self.house.ahead_since.get_or_insert_with(now);
        }
        self.house.prune_at = if pruned.more { now() } else { now() + PRUNE_EVERY };
        Ok(())
    }

    /// The last chance of every row: once more into the file, or counted as lost.
    fn finish(mut self) {
        loop {
            self.drain();
            if self.group.len() == 0 {
                break;
            }
            self.commit();
        }
        if self.trouble.is_some() && self.database.is_none() {
            self.open();
        }
        while !self.ring.is_empty() && self.write_from_ring() {}
        for row in std::mem::take(&mut self.ring) {
            self.shared.lose(1, row.began());
        }
        self.shared.ring.store(0, Relaxed);
        if let Some(database) = self.database.take()
            && let Err(error) = database.close()
        {
            tracing::debug!(%error, "the journal's last checkpoint failed; its rows are in the WAL");
        }
    }
}

impl Group {
    fn take(&mut self, message: Message) {
        match message {
            Message::Row(row) => self.rows.push(row),
            Message::Settle { began, tell } => self.waiters.push((began, tell)),
            Message::Wake => return,
        }
        if self.since.is_none() {
            self.since = Some(now());
        }
    }

    fn len(&self) -> usize {
        self.rows.len() + self.waiters.len()
    }

    fn is_due(&self, now: Instant) -> bool {
        let has_gathered = self.since.is_some_and(|since| now >= since + GATHER);
        !self.waiters.is_empty() || self.rows.len() >= GROUP_MAX || has_gathered
    }
}

#[expect(clippy::disallowed_methods, reason = "the writer's thread owns its waits")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::super::samples::{PATIENCE, attempt, count, open, request, settled, unread, until};
    use super::super::{Closed, Journal};
    use super::*;

    #[test]
    fn a_quiet_journal_carries_its_wal_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        let asked = request(1);
        journal.attempt(&asked, attempt(1));
        assert_eq!(settled(&journal, &asked), Settled::Durable);
        let wal = fs::read(path.with_file_name("journal.db-wal")).unwrap();
        assert!(!wal.is_empty(), "the commit went to the WAL");
        // A copy of the database alone shows what has been carried over.
        let copy = dir.path().join("copy.db");
        until(|| {
            fs::copy(&path, &copy).unwrap();
            let alone = Connection::open(&copy).unwrap();
            alone.query_row("SELECT count(*) FROM attempts", [], |r| r.get::<_, i64>(0)).is_ok_and(|n| n == 1)
        });
    }

    #[test]
    fn damage_found_while_running_is_moved_aside_and_traffic_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let (journal, writer) = unread(&path);
        let writer = std::thread::spawn(|| writer.run());
        for n in 0..500 {
            journal.attempt(&request(n), attempt(1));
        }
        assert_eq!(settled(&journal, &request(1)), Settled::Durable);
        // The file is damaged by way of SQLite's own back door: every index leads to one page.
        let vandal = Connection::open(&path).unwrap();
        let damage = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 3 WHERE rootpage > 3;
                      PRAGMA schema_version = 99";
        vandal.execute_batch(damage).unwrap();
        drop(vandal);
        let asked = request(1_000);
        until(|| {
            journal.attempt(&asked, attempt(1));
            settled(&journal, &asked) == Settled::Durable
        });
        let aside =
            fs::read_dir(dir.path()).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().contains("corrupt"));
        assert!(aside.count() > 0);
        assert!(count(&path) >= 1);
        drop(journal);
        writer.join().unwrap();
    }

    #[test]
    fn without_a_place_rows_stay_in_memory_until_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("state");
        fs::write(&place, "in the way").unwrap();
        let path = place.join("journal.db");
        let refused = Journal::open(&path, Settings::default()).unwrap_err();
        assert!(!refused.is_newer(), "{refused}");
        let journal = Journal::ring_only(&path, Settings::default());
        let asked = request(1);
        for n in 1..=3 {
            journal.attempt(&asked, attempt(n));
        }
        assert_eq!(settled(&journal, &asked), Settled::NotDurable);
        assert_eq!((journal.stats().ring, journal.stats().degraded), (3, true));
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        until(|| !journal.stats().degraded);
        assert_eq!((journal.stats().ring, journal.stats().rows, count(&path)), (0, 3, 3));
        assert_eq!(settled(&journal, &asked), Settled::Durable, "now it is true");
    }

    #[test]
    fn while_another_holds_the_file_rows_wait_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let asked = request(1);
        journal.attempt(&asked, attempt(1));
        assert_eq!(settled(&journal, &asked), Settled::NotDurable);
        assert!(journal.stats().degraded);
        other.execute_batch("ROLLBACK").unwrap();
        until(|| !journal.stats().degraded);
        assert_eq!((journal.stats().dropped, count(&path)), (0, 1));
    }

    #[test]
    fn rows_that_never_found_a_place_are_counted_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let journal = Journal::ring_only(&dir.path().join("file/journal.db"), Settings::default());
        journal.attempt(&request(1), attempt(1));
        let watch = journal.clone();
        assert_eq!(journal.close(PATIENCE), Closed::Clean);
        assert_eq!((watch.stats().dropped, watch.stats().ring), (1, 0));
    }

    #[test]
    fn the_ring_is_bounded_and_its_losses_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, mut writer) = unread(&dir.path().join("journal.db"));
        let row = |n| Row::Attempt(request(n), Box::new(attempt(1)));
        for n in 0..RING_ROWS_MAX {
            writer.keep_in_ring(row(n as i64));
        }
        assert_eq!(journal.stats().dropped, 0);
        writer.keep_in_ring(row(20_000));
        assert_eq!((journal.stats().ring, journal.stats().dropped), (RING_ROWS_MAX as u64, 1));
    }
}
