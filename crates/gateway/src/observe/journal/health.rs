//! Whether the journal's file is well: there, ours, writable, undamaged, and of what size.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::read::{ReadError, Reader};
use super::sqlite::with_suffix;

/// How the file was found.
#[derive(Debug)]
pub(crate) struct Health {
    /// Attempts in it.
    pub(crate) attempts: u64,
    /// Bytes on disk, with what waits in the WAL.
    pub(crate) bytes: u64,
    /// Whether this user may write to it, and if not, why.
    pub(crate) writable: Result<(), String>,
    /// What SQLite's own check said.
    pub(crate) integrity: Integrity,
}

/// What SQLite's quick check said of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Integrity {
    /// Nothing is wrong.
    Sound,
    /// The first thing that is wrong.
    Damaged(String),
    /// It did not end in time.
    Unfinished,
}

/// Looks at the file at `path`, for not much longer than `within`; `None` if nothing was ever written to it.
pub(crate) fn look(path: &Path, within: Duration) -> Result<Option<Health>, ReadError> {
    let Some(reader) = Reader::open(path)? else { return Ok(None) };
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let attempts = reader.count(&super::read::Filter::default())?;
    Ok(Some(Health {
        attempts,
        bytes: size(path) + size(&with_suffix(path, "-wal")),
        writable: OpenOptions::new().append(true).open(path).map(drop).map_err(|error| error.to_string()),
        integrity: check(&reader, within),
    }))
}

/// Runs the check, and breaks it off when its time is over.
fn check(reader: &Reader, within: Duration) -> Integrity {
    let interrupt = reader.interrupt_handle();
    let (done, waits) = sync_channel::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if waits.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        });
        let said = reader.quick_check();
        drop(done);
        match said {
            Ok(said) if said == "ok" => Integrity::Sound,
            Ok(said) => Integrity::Damaged(said),
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == rusqlite::ErrorCode::OperationInterrupted =>
            {
                Integrity::Unfinished
            }
            Err(error) => Integrity::Damaged(error.to_string()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{attempt, open, request, settled};
    use super::*;

    const WITHIN: Duration = Duration::from_secs(20);

    #[test]
    fn a_journal_is_sound_and_counted_while_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        journal.attempt(&request(1), attempt(1));
        settled(&journal, &request(1));
        let health = look(&path, WITHIN).unwrap().unwrap();
        assert_eq!((health.attempts, health.integrity, health.writable), (1, Integrity::Sound, Ok(())));
        assert!(health.bytes > 0);
    }

    #[test]
    fn a_damaged_page_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        for n in 0..500 {
            journal.attempt(&request(n), attempt(1));
        }
        settled(&journal, &request(499));
        journal.close(WITHIN);
        let mut bytes = std::fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        bytes[half..half + 8_192].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
        let found = look(&path, WITHIN);
        let is_damaged = found.is_err() || matches!(found, Ok(Some(Health { integrity: Integrity::Damaged(_), .. })));
        assert!(is_damaged, "{found:?}");
    }

    #[test]
    fn no_file_is_an_error_and_an_empty_one_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        assert!(look(&path, WITHIN).is_err());
        std::fs::write(&path, b"").unwrap();
        assert!(look(&path, WITHIN).unwrap().is_none());
    }
}
