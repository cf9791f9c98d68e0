//! The data directory: where the journal lives, and who may write there.
//!
//! Two writers in one directory would each prune, checkpoint and move aside what the other needs.
//! So whoever serves holds a lock on a file in it, and a second one is told who that is. The lock
//! is the operating system's and ends with the process, however that ends; nothing stale can keep
//! a restart out.
//!
//! Beside it, `serve.json` says where the gateway listens, for `top`, `status` and `incidents`.
//! Everything here is for its owner's eyes only: files 0600, the directory 0700.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The journal's name in the directory.
pub(crate) const JOURNAL_FILE: &str = "journal.db";
/// The directory for the journals of `seawall exec`, one file a run.
pub(crate) const EXEC_DIR: &str = "exec";
const LOCK_FILE: &str = "serve.lock";
const SERVE_FILE: &str = "serve.json";
/// More than any announcement has.
const SERVE_BYTES_MAX: u64 = 64 * 1024;
/// A process id and its line end fit; a longer file is not ours.
const PID_BYTES_MAX: u64 = 32;

/// A data directory that this process alone may write to, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Locked; closing it unlocks it.
    _lock: File,
}

/// What a running gateway says about itself in `serve.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Serve {
    /// Its process id.
    pub(crate) pid: u32,
    /// The address for requests.
    pub(crate) listen: String,
    /// The address of the admin side, if there is one.
    pub(crate) admin: Option<String>,
    /// When it began, RFC 3339.
    pub(crate) started: String,
    /// Its journal, if it has a file.
    pub(crate) journal: Option<PathBuf>,
}

/// Why a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Another process serves from it.
    #[error("another seawall{} writes to {}: stop it, or use another --data-dir", said(*pid), path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
        /// The other process, if it said so.
        pid: Option<u32>,
    },
    /// It cannot be created or written to. The gateway can go on without a file.
    #[error("the data directory {} cannot be used: {error}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl ClaimError {
    /// Whether another process is in the way, which is a reason not to start.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self, ClaimError::Taken { .. })
    }
}

impl DataDir {
    /// Creates the directory if need be, and claims it for this process.
    pub(crate) fn claim(path: &Path) -> Result<DataDir, ClaimError> {
        let unusable = |error| ClaimError::Unusable { path: path.to_owned(), error };
        private_dir(path).map_err(unusable)?;
        let mut lock = private_options().read(true).truncate(false).open(path.join(LOCK_FILE)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ClaimError::Taken { path: path.to_owned(), pid: read_pid(&mut lock) });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // The lock is what counts. On a full disk it goes without the name of its holder.
        let _ = write_pid(&mut lock);
        Ok(DataDir { path: path.to_owned(), _lock: lock })
    }

    /// Where the journal belongs.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL_FILE)
    }

    /// Writes `serve.json`, whole or not at all.
    pub(crate) fn announce(&self, serve: &Serve) -> io::Result<()> {
        let draft = self.path.join("serve.json.new");
        let mut file = private_options().truncate(true).open(&draft)?;
        serde_json::to_writer_pretty(&mut file, serve)?;
        file.write_all(b"\n")?;
        fs::rename(draft, self.path.join(SERVE_FILE))
    }

    /// Removes `serve.json` and gives the directory up: the end of a clean shutdown.
    pub(crate) fn release(self) {
        // If it cannot be removed, it names a process that is gone: readers expect that.
        let _ = fs::remove_file(self.path.join(SERVE_FILE));
    }
}

/// What a gateway said about itself in `dir`. It may be gone: a killed one takes nothing back.
pub(crate) fn announced(dir: &Path) -> Option<Serve> {
    let file = File::open(dir.join(SERVE_FILE)).ok()?;
    serde_json::from_reader(file.take(SERVE_BYTES_MAX)).ok()
}

/// Whether a gateway has ever used `dir`: it left its lock there.
pub(crate) fn is_one(dir: &Path) -> bool {
    dir.join(LOCK_FILE).exists()
}

/// Creates `path` and what leads there, mode 0700; one that exists stays as it is.
pub(crate) fn private_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens for writing, creating with mode 0600.
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn said(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve() -> Serve {
        Serve {
            pid: 7,
            listen: "127.0.0.1:7500".to_owned(),
            admin: Some("127.0.0.1:7501".to_owned()),
            started: "2026-11-23T06:30:00.000Z".to_owned(),
            journal: Some(PathBuf::from("journal.db")),
        }
    }

    #[test]
    fn a_second_writer_is_refused_with_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::claim(dir.path()).unwrap();
        let refused = DataDir::claim(dir.path()).unwrap_err();
        assert!(refused.is_taken());
        assert!(refused.to_string().contains(&format!("(pid {})", std::process::id())), "{refused}");
        first.release();
        assert!(DataDir::claim(dir.path()).is_ok(), "a released directory is free");
    }

    #[test]
    fn what_a_dead_process_left_behind_keeps_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(LOCK_FILE), "4294967295\nnonsense").unwrap();
        fs::write(dir.path().join(SERVE_FILE), "{}").unwrap();
        let claimed = DataDir::claim(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join(LOCK_FILE)).unwrap(), format!("{}\n", std::process::id()));
        drop(claimed);
    }

    #[test]
    fn serve_json_is_there_while_the_gateway_runs() {
        let dir = tempfile::tempdir().unwrap();
        let claimed = DataDir::claim(dir.path()).unwrap();
        claimed.announce(&serve()).unwrap();
        insta::assert_snapshot!(fs::read_to_string(dir.path().join(SERVE_FILE)).unwrap(), @r#"
        {
          "pid": 7,
          "listen": "127.0.0.1:7500",
          "admin": "127.0.0.1:7501",
          "started": "2026-11-23T06:30:00.000Z",
          "journal": "journal.db"
        }
        "#);
        claimed.release();
        assert!(!dir.path().join(SERVE_FILE).exists());
    }

    #[test]
    #[cfg(unix)]
    fn everything_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("state/seawall");
        let claimed = DataDir::claim(&dir).unwrap();
        claimed.announce(&serve()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join(LOCK_FILE)), 0o600);
        assert_eq!(mode(&dir.join(SERVE_FILE)), 0o600);
    }

    #[test]
    fn a_place_under_a_file_is_unusable_and_says_why() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let refused = DataDir::claim(&root.path().join("file/state")).unwrap_err();
        assert!(!refused.is_taken());
        assert!(refused.to_string().contains("cannot be used"), "{refused}");
    }
}
