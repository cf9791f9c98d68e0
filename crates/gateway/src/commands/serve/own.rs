//! A journal of its own: for the gateway of one program, in a data directory that it shares with others.
//!
//! Every start makes a file, and a program may start a thousand times a day. So a file without a request in it goes with its
//! gateway, and one whose every row is older than the journal is kept goes when the next gateway begins.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::config::Config;
use crate::data_dir;
use crate::observe::Totals;

/// What SQLite has beside a file, and the file.
const SUFFIXES: [&str; 3] = ["-wal", "-shm", ""];

/// Where a journal of this process' own belongs: among those of `seawall exec`, which every verb about the record reads.
pub(crate) fn place(config: &Config) -> PathBuf {
    let folder = config.data_dir.join(data_dir::EXEC_DIR);
    if let Err(error) = data_dir::private_dir(&folder) {
        eprintln!("warning: {}: {error}; failures are kept in memory only", folder.display());
    }
    let now = seawall::proxy::unix_micros();
    let since_epoch = Duration::from_micros(u64::try_from(now).unwrap_or_default());
    sweep(&folder, SystemTime::UNIX_EPOCH + since_epoch, config.journal.keep);
    folder.join(format!("{}-{}.db", now / 1_000, std::process::id()))
}

/// Leaves the journal behind if it has anything to tell of what came to `totals`. It must be closed.
pub(crate) fn leave(journal: &Path, totals: Totals) {
    if totals.requests == 0 && totals.attempts == 0 {
        remove(journal);
    }
}

/// Removes the journals in `folder` to which nobody has written for as long as rows are kept, and whose process is gone.
fn sweep(folder: &Path, now: SystemTime, keep: Duration) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for journal in files.filter(|path| path.extension().is_some_and(|e| e == "db")) {
        let written =
            SUFFIXES.iter().filter_map(|suffix| fs::metadata(with(&journal, suffix)).ok()?.modified().ok()).max();
        let is_old = written.is_some_and(|written| now.duration_since(written).is_ok_and(|age| age > keep));
        if is_old && !is_running(&journal) {
            remove(&journal);
        }
    }
}

/// Whether the process that the file is named after runs, as far as can be seen: another one may have its number by now.
fn is_running(journal: &Path) -> bool {
    let name = journal.file_stem().and_then(|name| name.to_str());
    let pid = name.and_then(|name| name.rsplit_once('-')).map(|(_, pid)| pid);
    pid.is_some_and(|pid| Path::new("/proc").join(pid).exists())
}

fn remove(journal: &Path) {
    for suffix in SUFFIXES {
        // What is not there need not go; what cannot go is tried again at the next start.
        let _ = fs::remove_file(with(journal, suffix));
    }
}

fn with(journal: &Path, suffix: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    /// No process has this number.
    const NOBODY: u32 = u32::MAX;

    fn file(folder: &Path, name: &str, written: SystemTime) -> PathBuf {
        let path = folder.join(name);
        fs::File::create(&path).unwrap().set_modified(written).unwrap();
        path
    }

    #[test]
    fn what_is_older_than_rows_are_kept_goes_unless_its_process_runs() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let (old, new) = (now - DAY * 31, now - DAY * 30);
        let gone = file(dir.path(), &format!("1-{NOBODY}.db"), old);
        let stays = [
            file(dir.path(), &format!("2-{NOBODY}.db"), new),
            file(dir.path(), &format!("3-{}.db", std::process::id()), old),
            file(dir.path(), &format!("4-{NOBODY}.db"), old),
            file(dir.path(), &format!("4-{NOBODY}.db-wal"), new),
            file(dir.path(), "notes.txt", old),
        ];
        sweep(dir.path(), now, DAY * 30);
        assert!(!gone.exists());
        assert_eq!(stays.iter().filter(|path| !path.exists()).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
        sweep(dir.path(), now - DAY * 40, DAY * 30);
        sweep(&dir.path().join("none"), now, DAY);
    }

    #[test]
    fn a_journal_without_a_request_goes_with_all_that_is_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + DAY;
        let journal = file(dir.path(), "1-2.db", now);
        let beside = [file(dir.path(), "1-2.db-wal", now), file(dir.path(), "1-2.db-shm", now)];
        leave(&journal, Totals { requests: 1, ..Totals::default() });
        leave(&journal, Totals { attempts: 1, ..Totals::default() });
        assert!(journal.exists() && beside.iter().all(|path| path.exists()));
        leave(&journal, Totals::default());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
