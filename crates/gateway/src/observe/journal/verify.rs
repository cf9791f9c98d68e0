//! Whether a journal's file is whole: what SQLite says of it, whether it is of this program's layout, and whether
//! every row in it can be read. It changes nothing.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::export::{Rows, Table};
use super::read::{ReadError, Reader};
use super::sqlite::with_suffix;
use super::when::Moment;

/// Things that SQLite's check tells at most.
const PROBLEMS_MAX: u32 = 20;

/// How one file was found.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    /// The file.
    pub(crate) file: PathBuf,
    /// Whether nothing is wrong with it.
    pub(crate) sound: bool,
    /// The version of its layout; `None` if it could not be told, or nothing was ever written to it.
    pub(crate) layout: Option<i64>,
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Bytes that wait in the write-ahead log.
    pub(crate) wal_bytes: u64,
    /// The rows of each table that could be read.
    pub(crate) tables: Vec<Counted>,
    /// What is wrong with it, in words.
    pub(crate) problems: Vec<String>,
}

/// One table, as far as it could be read.
#[derive(Debug, Serialize)]
pub(crate) struct Counted {
    /// Its name.
    pub(crate) table: &'static str,
    /// Rows.
    pub(crate) rows: u64,
    /// When the first of them began; `None` where rows do not say, or there are none.
    pub(crate) first: Option<Moment>,
    /// When the last of them began.
    pub(crate) last: Option<Moment>,
}

/// Looks at the file at `path`; `told` hears of rows that were read, from time to time.
///
/// # Errors
/// When the file is not there, or this user may not read it: then nothing is known of it.
pub(crate) fn verify(path: &Path, mut told: impl FnMut(u64)) -> Result<Verified, ReadError> {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut verified = Verified {
        file: path.to_owned(),
        sound: true,
        layout: None,
        bytes: size(path),
        wal_bytes: size(&with_suffix(path, "-wal")),
        tables: Vec::new(),
        problems: Vec::new(),
    };
    match Reader::open(path) {
        // Nothing was ever written to it.
        Ok(None) => {}
        Ok(Some(reader)) => verified.look(&reader, &mut told),
        Err(e) if e.is_about_the_file() => verified.problems.push(e.to_string()),
        Err(e) => return Err(e),
    }
    verified.sound = verified.problems.is_empty();
    Ok(verified)
}

impl Verified {
    fn look(&mut self, reader: &Reader, told: &mut impl FnMut(u64)) {
        self.layout = Some(reader.version());
        match reader.integrity(PROBLEMS_MAX) {
            Ok(said) => self.problems.extend(said),
            Err(e) => self.problems.push(e.to_string()),
        }
        for table in Table::ALL {
            let mut counted = Counted { table: table.name(), rows: 0, first: None, last: None };
            for row in Rows::new(reader, table, i64::MIN..i64::MAX) {
                match row {
                    Ok(row) => counted.add(row.began().map(Moment)),
                    Err(e) => self.problems.push(format!("{}: {e}, after {} rows", table.name(), counted.rows)),
                }
                told(counted.rows);
            }
            self.tables.push(counted);
        }
    }
}

impl Counted {
    fn add(&mut self, began: Option<Moment>) {
        self.rows += 1;
        let Some(began) = began else { return };
        self.first = Some(self.first.map_or(began, |first| first.min(began)));
        self.last = Some(self.last.map_or(began, |last| last.max(began)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::samples::{PATIENCE, attempt, ended, open, request, settled};
    use super::*;

    fn written(dir: &Path, requests: i64) -> PathBuf {
        let path = dir.join("journal.db");
        let journal = open(&path);
        for n in 0..requests {
            journal.attempt(&request(n), attempt(1));
            journal.request(&request(n), ended(1));
            if n % 100 == 0 {
                settled(&journal, &request(n));
            }
        }
        settled(&journal, &request(requests));
        journal.close(PATIENCE);
        path
    }

    #[test]
    fn a_journal_is_sound_and_counted_while_it_is_written_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), 300);
        let journal = open(&path);
        journal.attempt(&request(301), attempt(1));
        settled(&journal, &request(301));
        let found = verify(&path, |_| ()).unwrap();
        assert!(found.sound && found.problems.is_empty(), "{found:?}");
        let rows: Vec<_> = found.tables.iter().map(|counted| (counted.table, counted.rows)).collect();
        assert_eq!(rows, [("attempts", 301), ("requests", 300), ("minutes", 0), ("incidents", 0)]);
        assert_eq!(found.tables[1].last, Some(Moment(request(299).began_unix_micros)));
        assert_eq!(journal.close(Duration::from_secs(20)), super::super::Closed::Clean);
    }

    #[test]
    fn damage_is_found_and_what_can_be_read_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), 600);
        let mut bytes = std::fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        bytes[half..half + 8_192].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
        let found = verify(&path, |_| ()).unwrap();
        assert!(!found.sound && !found.problems.is_empty(), "{found:?}");
        assert!(found.problems.len() <= PROBLEMS_MAX as usize + Table::ALL.len() + 1);
    }

    #[test]
    fn what_is_no_journal_is_not_sound_and_what_is_not_there_is_no_verdict() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        assert!(verify(&path, |_| ()).is_err());
        std::fs::write(&path, b"").unwrap();
        assert!(verify(&path, |_| ()).unwrap().sound, "nothing was ever written to it");
        std::fs::write(&path, vec![7; 5_000]).unwrap();
        assert!(!verify(&path, |_| ()).unwrap().sound);
        std::fs::remove_file(&path).unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE t (a)").unwrap();
        drop(other);
        let found = verify(&path, |_| ()).unwrap();
        assert!(found.problems[0].contains("is not a journal of seawall"), "{found:?}");
        let newer = rusqlite::Connection::open(&path).unwrap();
        newer.execute_batch("PRAGMA application_id = 0x53574c4a; PRAGMA user_version = 99").unwrap();
        drop(newer);
        assert!(verify(&path, |_| ()).unwrap().problems[0].contains("layout 99"));
    }
}
