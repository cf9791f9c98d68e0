//! What waits to be told to one receiver, and what it knows already.
//!
//! A receiver is told of the beginning of an incident once, and of nothing else before that: not of a
//! reminder, and not of the end of what it never heard of. What it knows is what arrived there, and that is
//! looked at when a notice is on its way: where the first word did not get through, the next reminder is
//! the first word, and an end alone is not told.
//!
//! The queue has a bound. When it is full the oldest reminder goes first: a newer one says more. Then
//! the oldest beginning, with its end if that waits too. An end whose beginning was told goes last:
//! without it somebody would look after an incident that is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use seawall_core::incident::{Event, Id, SCOPES_MAX, Severity, What};
use tokio::time::Instant;

use super::notice::{Notice, matters};

/// Notices that wait for one receiver.
pub(crate) const WAITING_MAX: usize = 64;
/// Incidents of which a receiver knows: as many as can be open.
pub(super) const KNOWN_MAX: usize = 3 * SCOPES_MAX;

/// Something to be told to one receiver.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// What.
    pub(super) notice: Arc<Notice>,
    /// As what this receiver hears it: a reminder may be the first word that it hears.
    pub(super) what: What,
    /// When it was put here.
    pub(super) since: Instant,
    /// The severity under which the receiver knows the incident.
    pub(super) before: Option<Severity>,
}

impl Item {
    fn id(&self) -> &Id {
        &self.notice.event.id
    }
}

/// What waits, and what is known. See the module of the same name.
#[derive(Debug)]
pub(super) struct Desk {
    min: Severity,
    /// Whether an end of what it never heard of says nothing there.
    ends_in_silence: bool,
    waiting: VecDeque<Item>,
    under_way: Option<Item>,
    /// Nobody takes anything from here any more.
    is_closed: bool,
    /// Open incidents of which the receiver is to know.
    open: BTreeSet<Id>,
    /// Incidents of whose beginning it knows, and not of the end: the severity that it heard of last.
    knows: BTreeMap<Id, Severity>,
    /// Open incidents of which a process before this one may have told it.
    perhaps: BTreeSet<Id>,
    dropped: u64,
}

impl Desk {
    /// For a receiver that is told of nothing below `min`. `ends_in_silence` says whether the end of an incident that
    /// it never heard of says nothing there.
    pub(super) fn new(min: Severity, ends_in_silence: bool) -> Desk {
        Desk {
            min,
            ends_in_silence,
            waiting: VecDeque::new(),
            under_way: None,
            is_closed: false,
            open: BTreeSet::new(),
            knows: BTreeMap::new(),
            perhaps: BTreeSet::new(),
            dropped: 0,
        }
    }

    /// An incident that was open before this process began counts as told where its severity says so. Where not,
    /// it may have been graver then: its end is told where that cannot be wrong.
    pub(super) fn resume(&mut self, event: &Event) {
        if event.under.is_some() {
            return;
        }
        if matters(event.severity, self.min) {
            self.expects(&event.id);
            self.heard(&event.id, event.severity);
        } else if self.ends_in_silence {
            remember(&mut self.perhaps, &event.id);
        }
    }

    /// Puts a notice behind the others, if it is for this receiver.
    pub(super) fn put(&mut self, notice: &Arc<Notice>, now: Instant) {
        let Some(what) = self.concerns(&notice.event) else { return };
        if self.is_closed {
            self.dropped += 1;
            return;
        }
        self.waiting.push_back(Item { notice: Arc::clone(notice), what, since: now, before: None });
        while self.waiting.len() > WAITING_MAX {
            self.drop_one();
        }
    }

    /// As what the receiver is to hear an event; `None` if not at all.
    fn concerns(&mut self, event: &Event) -> Option<What> {
        if event.under.is_some() {
            return None;
        }
        let is_followed = self.open.contains(&event.id) || self.knows.contains_key(&event.id);
        match event.what {
            What::Opened | What::Reminder if matters(event.severity, self.min) => {
                let is_news = self.expects(&event.id);
                Some(if is_news { What::Opened } else { event.what })
            }
            What::Opened | What::Reminder => is_followed.then_some(What::Reminder),
            What::Unknown => is_followed.then_some(What::Unknown),
            What::Resolved => {
                self.open.remove(&event.id);
                (self.perhaps.remove(&event.id) || is_followed).then_some(What::Resolved)
            }
        }
    }

    /// The next one that the receiver can make sense of. It is under way from now on.
    pub(super) fn take(&mut self) -> Option<Item> {
        while let Some(mut item) = self.waiting.pop_front() {
            item.before = self.knows.get(item.id()).copied();
            item.what = match (item.what, item.before) {
                (What::Opened, _) => What::Opened,
                (what, Some(_)) => what,
                (What::Reminder, None) if matters(item.notice.event.severity, self.min) => What::Opened,
                (What::Resolved, None) if self.ends_in_silence => What::Resolved,
                (What::Reminder | What::Unknown | What::Resolved, None) => {
                    self.dropped += 1;
                    continue;
                }
            };
            self.under_way = Some(item.clone());
            return Some(item);
        }
        None
    }

    /// What was under way has arrived.
    pub(super) fn arrived(&mut self) {
        let Some(item) = self.under_way.take() else { return };
        match item.what {
            What::Resolved => {
                self.knows.remove(item.id());
            }
            What::Opened | What::Reminder | What::Unknown => self.heard(item.id(), item.notice.event.severity),
        }
    }

    /// What was under way will not arrive.
    pub(super) fn lost(&mut self) {
        if let Some(item) = self.under_way.take().filter(|item| item.what == What::Opened) {
            self.without_beginning(item.id());
        }
    }

    /// Whether the receiver knows of an incident.
    pub(super) fn knows(&self, id: &Id) -> bool {
        self.knows.contains_key(id)
    }

    /// How many wait, or are under way.
    pub(super) fn queued(&self) -> usize {
        self.waiting.len() + usize::from(self.under_way.is_some())
    }

    /// How many were dropped since this was last asked.
    pub(super) fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Drops all that waits, and all that will be put here; how many are left now.
    pub(super) fn close(&mut self) -> usize {
        let left = self.queued();
        self.waiting.clear();
        self.under_way = None;
        self.is_closed = true;
        self.dropped += left as u64;
        left
    }

    /// Drops what can best be done without.
    fn drop_one(&mut self) {
        let first = |fits: fn(What) -> bool| self.waiting.iter().position(|item| fits(item.what));
        let at = first(|what| matches!(what, What::Reminder | What::Unknown)).or_else(|| first(|w| w == What::Opened));
        let at = at.unwrap_or_default();
        let Some(item) = self.waiting.remove(at) else { return };
        self.dropped += 1;
        if item.what != What::Opened {
            return;
        }
        let next = (at..self.waiting.len()).find(|&other| self.waiting[other].id() == item.id());
        let end = next.filter(|&next| self.waiting[next].what == What::Resolved);
        if let Some(end) = end.filter(|_| !self.is_to_hear_of(item.id(), at)) {
            self.waiting.remove(end);
            self.dropped += 1;
        }
        self.without_beginning(item.id());
    }

    /// The beginning of an incident will not arrive: what comes of it is new there, unless something waits.
    fn without_beginning(&mut self, id: &Id) {
        if !self.waiting.iter().chain(&self.under_way).any(|item| item.id() == id) {
            self.open.remove(id);
        }
    }

    /// Whether the receiver knows of an incident, and of its end nothing waits in front of `at`.
    fn is_to_hear_of(&self, id: &Id, at: usize) -> bool {
        let mut before = self.under_way.iter().chain(self.waiting.iter().take(at));
        self.knows.contains_key(id) && !before.any(|item| item.id() == id && item.what == What::Resolved)
    }

    /// The receiver is to know of an incident; whether that is new.
    fn expects(&mut self, id: &Id) -> bool {
        self.perhaps.remove(id);
        remember(&mut self.open, id)
    }

    /// The receiver knows of an incident, by this severity.
    fn heard(&mut self, id: &Id, severity: Severity) {
        self.knows.insert(id.clone(), severity);
        if self.knows.len() > KNOWN_MAX {
            // Only where ends did not arrive: the receiver may keep one open that nobody will end.
            let other = self.knows.keys().find(|other| *other != id).cloned();
            other.map(|other| self.knows.remove(&other));
        }
    }
}

/// Whether `id` is new among `known`, of which there are never more than [`KNOWN_MAX`].
fn remember(known: &mut BTreeSet<Id>, id: &Id) -> bool {
    let is_new = known.insert(id.clone());
    if known.len() > KNOWN_MAX {
        // Every incident ends, and then it is forgotten here: this is never reached.
        let other = known.iter().find(|other| *other != id).cloned();
        other.map(|other| known.remove(&other));
    }
    is_new
}

#[cfg(test)]
mod tests;
