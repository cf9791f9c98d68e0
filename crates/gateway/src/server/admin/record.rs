//! The journal, read for operators: a few at a time, within a time, and beside the requests.
//!
//! A read is done on a thread of its own kind and opens the file for itself, read-only, so that neither
//! requests nor the writer wait for it. Whoever comes when [`READS_MAX`] are under way waits for a place; what is not
//! done in time is broken off in the file itself, and does not go on unseen.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::observe::journal::read::{ReadError, Reader};

/// Reads at a time.
const READS_MAX: usize = 4;
/// A read takes this long at most, the wait for a place included.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The way to the journal's file.
pub(super) struct Record {
    places: Arc<Semaphore>,
    within: Duration,
}

/// Why nothing was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// There is no file, or it cannot be read.
    Broken,
    /// It took too long, or too many read at once.
    Late,
}

impl Unread {
    /// The same for whoever asked. The path is nobody's business there.
    pub(super) fn says(&self) -> &'static str {
        match self {
            Unread::Broken => "the journal cannot be read now: `/readyz?verbose` says how it does",
            Unread::Late => "the journal could not be read in time: ask for a shorter span, or again later",
        }
    }
}

impl Default for Record {
    fn default() -> Record {
        Record { places: Arc::new(Semaphore::new(READS_MAX)), within: READ_WITHIN }
    }
}

impl Record {
    /// What `read` makes of the file at `path`; the default where nothing was ever written to it.
    pub(super) async fn read<T: Default + Send + 'static>(
        &self,
        path: &Path,
        read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Unread> {
        let until = Instant::now() + self.within;
        let place = timeout_at(until, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(Unread::Late) };
        let (tell, handle) = oneshot::channel();
        let path = path.to_owned();
        let mut reading = tokio::task::spawn_blocking(move || {
            // A read that is broken off keeps its place until it is over.
            let _place = place;
            let Some(reader) = Reader::open(&path)? else { return Ok(T::default()) };
            // Nobody is there any more: then nobody wants to know.
            let _ = tell.send(reader.interrupt_handle());
            read(&reader)
        });
        match timeout_at(until, &mut reading).await {
            Ok(Ok(Ok(found))) => Ok(found),
            Ok(Ok(Err(error))) => {
                tracing::debug!(%error, "the journal cannot be read for an operator");
                Err(Unread::Broken)
            }
            Ok(Err(_)) => Err(Unread::Broken),
            Err(_) => {
                if let Ok(handle) = handle.await {
                    handle.interrupt();
                }
                Err(Unread::Late)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::journal::read::Filter;
    use crate::observe::journal::samples::{attempt, open, request};

    #[tokio::test]
    async fn what_is_no_journal_is_said_and_an_empty_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::default();
        let count = |reader: &Reader| reader.count(&Filter::default());
        assert_eq!(record.read(&dir.path().join("none.db"), count).await, Err(Unread::Broken));
        std::fs::write(dir.path().join("other.db"), "no database at all, and quite long enough to tell").unwrap();
        assert_eq!(record.read(&dir.path().join("other.db"), count).await, Err(Unread::Broken));
        std::fs::write(dir.path().join("empty.db"), "").unwrap();
        assert_eq!(record.read(&dir.path().join("empty.db"), count).await, Ok(0));
    }

    #[tokio::test]
    async fn a_read_that_takes_too_long_is_broken_off_and_gives_its_place_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        let asked = request(1);
        journal.attempt(&asked, attempt(1));
        journal.settle(&asked).await;
        let record = Record { places: Arc::new(Semaphore::new(1)), within: Duration::from_millis(200) };
        // Endless, but for the interruption.
        let endless = |reader: &Reader| reader.spin();
        assert_eq!(record.read(&path, endless).await, Err(Unread::Late));
        // It ends by itself now: the place comes back, however late.
        drop(record.places.acquire().await.unwrap());
        assert_eq!(record.read(&path, |reader: &Reader| reader.count(&Filter::default())).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_no_place_is_told_in_time() {
        let record = Record::default();
        let _all = record.places.acquire_many(u32::try_from(READS_MAX).unwrap()).await.unwrap();
        let began = Instant::now();
        assert_eq!(record.read(Path::new("/nowhere"), |_| Ok(())).await, Err(Unread::Late));
        assert_eq!(began.elapsed().as_secs(), READ_WITHIN.as_secs());
    }
}
