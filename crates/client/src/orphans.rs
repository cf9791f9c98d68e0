//! Answers that are still being generated although their caller has left, until somebody takes them.
//!
//! An orphan is a call that stands still: its connection is open, so that the upstream goes on, and its
//! caller is gone. It waits for a bounded time, there are a bounded number of them, and their bodies are
//! part of the room for held bytes; beyond all that they are broken off, as calls without a caller are.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use seawall_core::request::Request;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::memory::{Hold, Memory};

/// The most orphans at a time: the eldest is broken off for one more.
pub(crate) const ORPHANS_MAX: usize = 64;

/// The headers that say who asks.
const CREDENTIALS: [&str; 5] = ["authorization", "api-key", "x-api-key", "openai-organization", "openai-project"];

/// What an orphan will be taken for: who asks, and what for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    target: String,
    client: Option<String>,
    /// 128 bits that stand for the credentials, in this process alone.
    credentials: [u64; 2],
    body: Bytes,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("target", &self.target).finish_non_exhaustive()
    }
}

/// A call on its way to what `T` says of its end.
pub(crate) type Course<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call without a caller.
pub(crate) struct Orphan<T> {
    pub(crate) course: Course<T>,
    pub(crate) facts: Request,
    /// The id of the request.
    pub(crate) id: String,
}

struct Parked<T> {
    number: u64,
    key: Key,
    orphan: Orphan<T>,
    end: AbortHandle,
    _hold: Hold,
}

/// Those that wait.
pub(crate) struct Orphans<T> {
    parked: Mutex<(u64, Vec<Parked<T>>)>,
    hashers: [RandomState; 2],
}

impl<T> Default for Orphans<T> {
    fn default() -> Self {
        Orphans { parked: Mutex::new((0, Vec::new())), hashers: [RandomState::new(), RandomState::new()] }
    }
}

impl<T> Orphans<T> {
    pub(crate) fn key(&self, target: &str, client: Option<&str>, headers: &HeaderMap, body: &Bytes) -> Key {
        let said: Vec<Vec<&[u8]>> = CREDENTIALS
            .iter()
            .map(|name| headers.get_all(*name).iter().map(http::HeaderValue::as_bytes).collect())
            .collect();
        let credentials = [0, 1].map(|at: usize| self.hashers[at].hash_one(&said));
        Key { target: target.into(), client: client.map(Into::into), credentials, body: body.clone() }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).1.len()
    }

    /// The one that `key` is for, if it waits.
    pub(crate) fn take(&self, key: &Key) -> Option<Orphan<T>> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let at = parked.1.iter().position(|one| one.key == *key)?;
        let one = parked.1.remove(at);
        one.end.abort();
        Some(one.orphan)
    }
}

impl<T: Send + 'static> Orphans<T> {
    /// Lets one wait for `keep`. Without room for its body, or outside of a runtime, it is broken off.
    pub(crate) fn park(self: &Arc<Self>, memory: &Arc<Memory>, key: Key, orphan: Orphan<T>, keep: Duration) {
        let mut hold = Hold::of(memory);
        let (Ok(runtime), true) = (Handle::try_current(), hold.grow(key.body.len())) else { return };
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.0 += 1;
        let number = parked.0;
        let orphans = Arc::downgrade(self);
        // Owned by what is parked: aborted when that is taken.
        let end = runtime.spawn(async move {
            sleep(keep).await;
            if let Some(orphans) = orphans.upgrade() {
                orphans.end(number);
            }
        });
        let eldest = if parked.1.len() >= ORPHANS_MAX { Some(parked.1.remove(0)) } else { None };
        parked.1.push(Parked { number, key, orphan, end: end.abort_handle(), _hold: hold });
        drop(parked);
        // Breaking one off tells the plan, which takes a lock of its own.
        if let Some(eldest) = eldest {
            eldest.end.abort();
        }
    }

    fn end(&self, number: u64) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let at = parked.1.iter().position(|one| one.number == number);
        let over = at.map(|at| parked.1.remove(at));
        drop(parked);
        drop(over);
    }
}
