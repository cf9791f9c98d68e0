//! Taking old rows out of a journal that nobody writes to: by their age, or until the file is small enough.
//!
//! The gateway does this by itself as it goes; here it is done at once, for who wants less than that, and the
//! space is given back. Rows go as they do there: the oldest first, a few hundred in a transaction.

use std::path::Path;

use serde::Serialize;

use super::sqlite::{Counts, Database};
use super::{Settings, Sync};

/// What is to go.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// What began before this moment, in microseconds since the Unix epoch.
    pub(crate) before: Option<i64>,
    /// The oldest, until rows and indexes take up no more than so many bytes.
    pub(crate) size_max: Option<u64>,
}

/// What went, or would go.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Removed {
    /// The rows.
    #[serde(flatten)]
    pub(crate) rows: Counts,
    /// Whether their number is no more than an estimate.
    pub(crate) estimated: bool,
    /// Bytes of the file before.
    pub(crate) bytes_before: u64,
    /// Bytes of the file afterwards; of what was not done, what its rows would take up.
    pub(crate) bytes_after: u64,
}

/// Removes it from the file at `path`; `told` hears of the rows that have gone so far. Whoever calls has made sure
/// that no gateway writes to the file.
///
/// # Errors
/// In words, when the file is damaged, not ours, or cannot be written to. What has gone until then stays gone.
pub(crate) fn prune(path: &Path, wanted: Wanted, mut told: impl FnMut(u64)) -> Result<Removed, String> {
    let settings = Settings { sync: Sync::Full, ..Settings::default() };
    let mut database = Database::open_sound(path, &settings)?;
    let said = |e: rusqlite::Error| e.to_string();
    let bytes_before = database.bytes().map_err(said)?;
    let before = database.counts().map_err(said)?;
    let mut gone = 0;
    for is_by_age in [true, false] {
        loop {
            let rows = match (is_by_age, wanted) {
                (true, Wanted { before: Some(before), .. }) => database.prune_older_than(before),
                (false, Wanted { size_max: Some(size_max), .. }) => database.prune_above(size_max),
                _ => Ok(0),
            };
            match rows.map_err(said)? {
                0 => break,
                rows => gone += rows,
            }
            told(gone);
        }
    }
    while database.give_back().map_err(said)? {}
    let after = database.counts().map_err(said)?;
    let bytes_after = database.bytes().map_err(said)?;
    database.close().map_err(said)?;
    Ok(Removed { rows: before.less(&after), estimated: false, bytes_before, bytes_after })
}

/// What [`prune`] would do, as far as it can be told without doing it. It changes nothing, and may be asked while a
/// gateway writes.
///
/// # Errors
/// In words, when the file cannot be read.
pub(crate) fn would_prune(path: &Path, wanted: Wanted) -> Result<Removed, String> {
    let said = |e: rusqlite::Error| e.to_string();
    let database = Database::open_to_read(path)?;
    let bytes_before = database.bytes().map_err(said)?;
    let all = database.counts().map_err(said)?;
    let used = database.bytes_used().map_err(said)?;
    let by_age = match wanted.before {
        Some(before) => database.older_than(before).map_err(said)?,
        None => Counts::default(),
    };
    let left = used.saturating_sub(all.share(&by_age, used));
    let too_many = wanted.size_max.map_or(0, |size_max| left.saturating_sub(size_max));
    let by_size = all.less(&by_age).part(too_many, left);
    let bytes_after = left - too_many;
    Ok(Removed { rows: by_age.plus(&by_size), estimated: too_many > 0, bytes_before, bytes_after })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::samples::{PATIENCE, attempt, ended, open, request, settled};
    use super::super::verify::verify;
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// So many requests with one attempt each, a second apart.
    fn written(dir: &Path, requests: i64) -> (PathBuf, i64) {
        let path = dir.join("journal.db");
        let journal = open(&path);
        let began = request(0).began_unix_micros;
        for n in 0..requests {
            let asked = Arc::new(seawall_core::event::Request {
                began_unix_micros: began + n * SECOND,
                ..(*request(n)).clone()
            });
            let tried = seawall_core::event::Attempt { began_unix_micros: began + n * SECOND, ..attempt(1) };
            journal.attempt(&asked, tried);
            journal.request(&asked, ended(1));
            if n % 200 == 0 {
                settled(&journal, &asked);
            }
        }
        settled(&journal, &request(requests));
        journal.close(PATIENCE);
        (path, began)
    }

    #[test]
    fn what_is_older_goes_exactly_as_it_was_said_to_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (path, began) = written(dir.path(), 1_300);
        let wanted = Wanted { before: Some(began + 1_100 * SECOND), size_max: None };
        let would = would_prune(&path, wanted).unwrap();
        let did = prune(&path, wanted, |_| ()).unwrap();
        assert_eq!((would.rows, would.estimated), (did.rows, false));
        assert_eq!((did.rows.attempts, did.rows.requests), (1_100, 1_100));
        assert!(did.bytes_after < did.bytes_before / 2, "space is given back: {did:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), did.bytes_after);
        let found = verify(&path, |_| ()).unwrap();
        assert_eq!((found.sound, found.tables[0].rows, found.tables[1].rows), (true, 200, 200));
        assert_eq!(
            prune(&path, wanted, |_| ()).unwrap().rows,
            Counts::default(),
            "a second time there is nothing to do"
        );
    }

    #[test]
    fn the_oldest_go_until_it_is_small_enough() {
        let dir = tempfile::tempdir().unwrap();
        let (path, began) = written(dir.path(), 3_000);
        let size_max = std::fs::metadata(&path).unwrap().len() / 2;
        let wanted = Wanted { before: None, size_max: Some(size_max) };
        let would = would_prune(&path, wanted).unwrap();
        let did = prune(&path, wanted, |_| ()).unwrap();
        assert!(did.bytes_after <= size_max, "{did:?}");
        assert!(would.estimated && would.rows.attempts.abs_diff(did.rows.attempts) < 1_000, "{would:?} {did:?}");
        let found = verify(&path, |_| ()).unwrap();
        assert!(found.tables[0].first.unwrap().0 > began, "the oldest went");
        assert_eq!(found.tables[0].last.unwrap().0, began + 2_999 * SECOND);
        assert_eq!(
            prune(&path, Wanted { before: None, size_max: Some(u64::MAX) }, |_| ()).unwrap().rows,
            Counts::default()
        );
    }

    #[test]
    fn what_is_damaged_or_not_ours_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        std::fs::write(&path, vec![7; 5_000]).unwrap();
        let wanted = Wanted { before: Some(i64::MAX), size_max: None };
        assert!(prune(&path, wanted, |_| ()).is_err() && would_prune(&path, wanted).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), vec![7; 5_000]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is moved aside");
    }
}
