//! The latest of each status page, and who wants to know.
//!
//! Pages are shared: two upstreams at one provider are one page, asked once. [`Board::watch`] is how
//! an incident says that an upstream's page matters now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use super::fetch::Trouble;
use super::{Indicator, Page};

/// What is known of every page.
#[derive(Debug, Default)]
pub(crate) struct Board {
    upstreams: Vec<Watched>,
    pages: Vec<Slot>,
    /// A page that was read longer ago than this says nothing about now, in microseconds.
    fresh_micros: i64,
    /// Every page is wanted at any time.
    is_constant: bool,
}

/// When a page is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// At any time, whoever watches.
    Always,
    /// While an upstream of its is watched.
    Watched,
}

/// One upstream.
#[derive(Debug)]
struct Watched {
    name: String,
    page: Option<usize>,
}

#[derive(Debug, Default)]
struct Slot {
    url: String,
    state: Mutex<State>,
    /// Someone wants to know.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Upstreams whose page is wanted, by their place.
    watchers: Vec<usize>,
    snapshot: Snapshot,
}

/// What a page said last.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Snapshot {
    /// What it said when it was last read.
    pub(crate) page: Option<Arc<Page>>,
    /// When that was, in microseconds since the Unix epoch.
    pub(crate) read: Option<i64>,
    /// When it was last asked.
    pub(crate) asked: Option<i64>,
    /// Why it could not be read then.
    pub(crate) trouble: Option<Trouble>,
}

/// One upstream and its page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Posted {
    /// The upstream's name.
    pub(crate) upstream: String,
    /// The page's address; `None` if it has none.
    pub(crate) url: Option<String>,
    /// Whether the page is wanted for this upstream now.
    pub(crate) is_watched: bool,
    /// What the page said last.
    pub(crate) snapshot: Snapshot,
}

/// What a page said, and when.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Its address.
    pub(crate) url: String,
    /// When it was read, in microseconds since the Unix epoch.
    pub(crate) read: Option<i64>,
    /// What it said.
    pub(crate) page: Arc<Page>,
}

impl Said {
    /// As it is written down.
    pub(crate) fn json(&self) -> String {
        #[derive(Serialize)]
        struct Told<'a> {
            url: &'a str,
            #[serde(serialize_with = "super::time")]
            read: Option<i64>,
            page: &'a Page,
        }
        let Said { url, read, page } = self;
        // Numbers and texts go in: writing them cannot fail.
        serde_json::to_string(&Told { url, read: *read, page }).unwrap_or_default()
    }

    /// In one line: the page's own words, and the incident that may be the one seen here.
    pub(crate) fn line(&self) -> String {
        let word = self.page.description.as_deref().or(self.page.indicator.map(Indicator::name));
        let incident = self.page.likely().and_then(|incident| incident.name.as_deref());
        match (word, incident) {
            (Some(word), Some(incident)) => format!("{word}: {incident}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => "nothing".to_owned(),
        }
    }
}

impl Board {
    /// A board for `upstreams`, by name in the order of the configuration, each with the address of its
    /// page. What was read more than `fresh_micros` ago says nothing about now.
    pub(crate) fn new(upstreams: &[(String, Option<String>)], wanted: Wanted, fresh_micros: i64) -> Board {
        let is_constant = wanted == Wanted::Always;
        let mut board = Board { upstreams: Vec::new(), pages: Vec::new(), fresh_micros, is_constant };
        for (name, url) in upstreams {
            let page = url.as_ref().map(|url| {
                board.pages.iter().position(|slot| slot.url == *url).unwrap_or_else(|| {
                    board.pages.push(Slot { url: url.clone(), ..Slot::default() });
                    board.pages.len() - 1
                })
            });
            board.upstreams.push(Watched { name: name.clone(), page });
        }
        for (at, upstream) in board.upstreams.iter().enumerate().filter(|_| is_constant) {
            if let Some(page) = upstream.page {
                board.state(page).watchers.push(at);
            }
        }
        board
    }

    /// Says whether the page of the upstream at this place of the configuration is wanted. A place
    /// without a page is left aside. Never waits.
    pub(crate) fn watch(&self, upstream: usize, is_wanted: bool) {
        let Some(page) = self.upstreams.get(upstream).and_then(|watched| watched.page) else { return };
        let mut state = self.state(page);
        let was = state.watchers.contains(&upstream);
        if was && !is_wanted && !self.is_constant {
            state.watchers.retain(|watcher| *watcher != upstream);
        } else if is_wanted && !was {
            state.watchers.push(upstream);
            self.pages[page].wanted.notify_one();
        }
    }

    /// The addresses of the pages, each once.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.pages.iter().map(|slot| slot.url.as_str())
    }

    /// Whether `page` is wanted now.
    pub(super) fn is_wanted(&self, page: usize) -> bool {
        !self.state(page).watchers.is_empty()
    }

    /// Returns once `page` is wanted.
    pub(super) async fn wanted(&self, page: usize) {
        // A note that comes between the look and the wait is kept, and then the look is repeated.
        while !self.is_wanted(page) {
            self.pages[page].wanted.notified().await;
        }
    }

    /// Keeps what `page` said at `now`.
    pub(super) fn put(&self, page: usize, now: i64, said: Result<Arc<Page>, Trouble>) {
        let mut state = self.state(page);
        state.snapshot.asked = Some(now);
        match said {
            Ok(page) => {
                state.snapshot.page = Some(page);
                state.snapshot.read = Some(now);
                state.snapshot.trouble = None;
            }
            Err(trouble) => state.snapshot.trouble = Some(trouble),
        }
    }

    /// What the page of an upstream said when it was last read.
    pub(crate) fn said(&self, upstream: &str) -> Option<Said> {
        let at = self.upstreams.iter().find(|watched| watched.name == upstream)?.page?;
        let Snapshot { page, read, .. } = self.state(at).snapshot.clone();
        Some(Said { url: self.pages[at].url.clone(), read, page: page? })
    }

    /// Every upstream and what its page said last.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        let posted = self.upstreams.iter().enumerate().map(|(at, upstream)| {
            let of_page = upstream.page.map(|page| {
                let state = self.state(page);
                (self.pages[page].url.clone(), state.watchers.contains(&at), state.snapshot.clone())
            });
            let (url, is_watched, snapshot) = match of_page {
                Some((url, is_watched, snapshot)) => (Some(url), is_watched, snapshot),
                None => (None, false, Snapshot::default()),
            };
            Posted { upstream: upstream.name.clone(), url, is_watched, snapshot }
        });
        posted.collect()
    }

    /// Every upstream with a page and what that says at `now`: `None` if nothing, or nothing about now.
    pub(crate) fn indicators(&self, now: i64) -> Vec<(String, Option<Indicator>)> {
        let with_page = self.posted().into_iter().filter(|posted| posted.url.is_some());
        let indicator = |snapshot: &Snapshot| {
            let is_fresh = snapshot.read.is_some_and(|read| now.saturating_sub(read) <= self.fresh_micros);
            snapshot.page.as_ref().filter(|_| is_fresh).and_then(|page| page.indicator)
        };
        with_page.map(|posted| (posted.upstream, indicator(&posted.snapshot))).collect()
    }

    fn state(&self, page: usize) -> MutexGuard<'_, State> {
        self.pages[page].state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
