//! One incident after another, of one kind, in one place: when it opens, is told of, and is over.
//!
//! Nothing here happens by itself. Whatever is due when something is told or asked is done first,
//! in its order and as of its own moment, so that a wake that comes late, twice or never changes no
//! event but the moment at which it can be told.
//!
//! An incident without requests is not over: it is *unknown*, told once, and no reminder pretends to
//! know better. One that opens again within ten minutes is the same one.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rate::{has_fallen, is_high, is_low, is_rising, is_slow};
use super::run::{Bodies, Run};
use super::tally::{BUCKETS, Tally};
use super::usual::Usual;
use super::{Close, Counts, Event, Id, Kind, Limits, REQUEST_BYTES_MAX, Rule, Scope, Severity, Vote, What, inert};
use crate::time::Time;

/// An incident is open for this long at least.
pub const OPEN_MIN: Duration = Duration::from_secs(60);
/// Answers in a row without which no incident is over.
pub const OKS_MIN: u32 = 5;
/// Nobody knows how it stands once nothing was heard for this long.
pub const UNKNOWN_AFTER: Duration = Duration::from_secs(10 * 60);
/// Nobody waits for news once nothing was heard for this long.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// What opens again within this time of its end is the same incident.
pub const REOPEN_WITHIN: Duration = Duration::from_secs(10 * 60);
/// An incident that another one told of is told itself if it outlasts that one for so long.
pub const TOLD_ALONE_AFTER: Duration = Duration::from_secs(60);
/// Ids of failing requests that are kept.
pub const SAMPLES_MAX: usize = 5;

impl Kind {
    /// How wide a bucket of its window is, in microseconds: thirty make the window.
    const fn width(self) -> u64 {
        match self {
            Kind::Failures | Kind::Latency => 10_000_000,
            Kind::Masked => 60_000_000,
        }
    }

    /// How many buckets are looked at to see whether it is over.
    const fn recent(self) -> u64 {
        match self {
            Kind::Failures | Kind::Latency => 6,
            Kind::Masked => 10,
        }
    }
}

/// Watches one place for one kind of incident. See the module of the same name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Detector {
    scope: Scope,
    kind: Kind,
    latest: Time,
    heard: Time,
    run: Run,
    bodies: Bodies,
    oks: u32,
    tally: Tally,
    /// Callers of requests whose first attempt failed: those that got a failure, of all.
    callers: Tally,
    usual: Usual,
    samples: VecDeque<String>,
    open: Option<Open>,
    over: Option<Over>,
    /// When something is to be told without anything being heard.
    due: Time,
    /// The operator's. They are not saved: the next process has its own.
    #[serde(skip)]
    limits: Limits,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    id: Id,
    rule: Rule,
    since: Time,
    opened: Time,
    flaps: u32,
    whole: Counts,
    severity: Severity,
    remind_at: Time,
    is_silent: bool,
    /// The last that was told is that nobody knows.
    told_unknown: bool,
    under: Option<Id>,
    /// The one that told of it is over; when this is told itself.
    alone_at: Option<Time>,
}

/// The latest incident that is over, in case it opens again.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Over {
    id: Id,
    since: Time,
    at: Time,
    flaps: u32,
    whole: Counts,
}

impl Detector {
    /// Nothing heard yet. Limits are kept within their bounds.
    #[must_use]
    pub fn new(scope: Scope, kind: Kind, limits: Limits) -> Detector {
        Detector {
            scope,
            kind,
            latest: Time::ZERO,
            heard: Time::ZERO,
            run: Run::default(),
            bodies: Bodies::default(),
            oks: 0,
            tally: Tally::default(),
            callers: Tally::default(),
            usual: Usual::default(),
            samples: VecDeque::new(),
            open: None,
            over: None,
            due: Time::NEVER,
            limits: limits.bounded(),
        }
    }

    /// After it was saved: the limits of this process. No reminder is further away than they say.
    pub(super) fn limit(&mut self, limits: Limits, now: Time) {
        self.limits = limits.bounded();
        let soonest = now.max(self.latest) + self.limits.remind_every;
        if let Some(open) = &mut self.open {
            open.remind_at = open.remind_at.min(soonest);
        }
        self.due = self.next_due();
    }

    /// A request's vote, with the keyed fingerprint of its body and its id; what is to be told is
    /// added to `told`. An earlier `now` than the latest seen counts as the latest.
    pub fn vote(&mut self, now: Time, vote: Vote, body: u64, request: &str, told: &mut Vec<Event>) {
        self.wake(now, told);
        let failed = match vote {
            Vote::Abstain => return,
            Vote::Ok => false,
            Vote::Fail => true,
        };
        let now = self.latest;
        self.heard = now;
        self.tally.record(self.bucket(now), failed);
        if failed {
            self.oks = 0;
            self.run.failed(now, body);
            self.bodies.failed(now, body);
            self.remember(request);
        } else {
            self.oks = self.oks.saturating_add(1).min(OKS_MIN);
            self.run.over();
        }
        match &mut self.open {
            Some(open) => {
                open.whole.add(Counts { failed: u64::from(failed), of: 1 });
                open.is_silent = false;
            }
            None => {
                if self.kind == Kind::Masked {
                    self.usual.record(now, failed);
                }
                if let Some((rule, since)) = self.found(now) {
                    self.open(now, rule, since, told);
                }
            }
        }
        self.settle(told);
    }

    /// The caller of a request whose first attempt failed got a failure too, or was saved from it. It
    /// moves no incident, but says how much one matters; one that becomes critical is told at once.
    pub fn caller(&mut self, now: Time, is_lost: bool, told: &mut Vec<Event>) {
        self.wake(now, told);
        self.callers.record(self.bucket(self.latest), is_lost);
        let severity = self.severity(self.latest);
        if self.open.as_ref().is_some_and(|open| severity > open.severity && !open.is_silent) {
            self.remind(self.latest, told);
        }
        self.settle(told);
    }

    /// Tells what is due by `now`. Called late, twice or never, the events are the same.
    pub fn wake(&mut self, now: Time, told: &mut Vec<Event>) {
        let now = now.max(self.latest);
        while self.open.is_some() && self.due <= now {
            self.latest = self.latest.max(self.due);
            self.act(told);
            self.due = self.next_due();
        }
        self.latest = now;
    }

    /// When to wake it, if nothing is heard before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        (self.due < Time::NEVER).then_some(self.due)
    }

    /// The open incident's id.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        self.open.as_ref().map(|open| &open.id)
    }

    /// When the open incident was found, or found again, and since when it is.
    #[must_use]
    pub fn opened(&self) -> Option<(Time, Time)> {
        self.open.as_ref().map(|open| (open.opened, open.since))
    }

    /// How it stands: what a reminder would say, or that nobody knows. `None` if nothing is open. An earlier
    /// `now` than the latest seen counts as the latest.
    #[must_use]
    pub fn standing(&self, now: Time) -> Option<Event> {
        let (open, now) = (self.open.as_ref()?, now.max(self.latest));
        let what = if open.is_silent { What::Unknown } else { What::Reminder };
        Some(Event { severity: self.severity(now), ..self.event(what, now, open) })
    }

    /// Whether the open incident is one that is told.
    pub(super) fn is_told(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.under.is_none())
    }

    /// Another incident tells of this one as well.
    pub(super) fn put_under(&mut self, id: &Id) {
        if let Some(open) = &mut self.open {
            open.under = Some(id.clone());
        }
        self.due = self.next_due();
    }

    /// The incident `id` is over, or open again after that. What it told of is told itself, after a while.
    pub(super) fn was_closed(&mut self, id: &Id, at: Option<Time>) {
        if let Some(open) = self.open.as_mut().filter(|open| open.under.as_ref() == Some(id)) {
            open.alone_at = at.map(|at| at + TOLD_ALONE_AFTER);
            self.due = self.next_due();
        }
    }

    /// Ends the open incident, whatever its state. It will not open again under its id.
    pub(super) fn close(&mut self, now: Time, close: Close, told: &mut Vec<Event>) {
        self.wake(now, told);
        if self.open.is_some() {
            self.end(self.latest, close, told);
            self.over = None;
        }
        self.due = self.next_due();
    }

    /// Forgets the votes of its window.
    pub(super) fn start_anew(&mut self) {
        self.tally = Tally::default();
        self.run = Run::default();
        self.bodies = Bodies::default();
        self.oks = 0;
    }

    /// After something was heard: what it made due at once, and what is due next.
    fn settle(&mut self, told: &mut Vec<Event>) {
        self.due = self.next_due();
        self.wake(self.latest, told);
    }

    /// What shows that there is an incident, and since when.
    fn found(&self, now: Time) -> Option<(Rule, Time)> {
        if self.kind == Kind::Failures
            && let Some(since) = self.run.began(self.limits.consecutive)
        {
            return Some((Rule::Consecutive, since));
        }
        let number = self.bucket(now);
        let counts = self.tally.counts(number, BUCKETS);
        let rule = match self.kind {
            Kind::Failures if is_high(counts, &self.limits) && self.is_varied(counts, number) => Rule::Rate,
            // Else what rises slowly would be usual before it is found.
            Kind::Masked if is_rising(counts, self.usual.without(counts)) => Rule::Rising,
            Kind::Latency if is_slow(counts) => Rule::Slow,
            _ => return None,
        };
        let first = self.tally.first_failed(number).unwrap_or(number);
        Some((rule, Time::from_micros(first.saturating_mul(self.kind.width()))))
    }

    /// Whether the window's failures are of two bodies, or more than one person would cause who sends one
    /// broken request again and again.
    fn is_varied(&self, counts: Counts, number: u64) -> bool {
        let differs = self.bodies.other().is_some_and(|at| number - self.bucket(at).min(number) < BUCKETS);
        differs || counts.failed >= 2 * u64::from(self.limits.failures_min)
    }

    fn open(&mut self, now: Time, rule: Rule, since: Time, told: &mut Vec<Event>) {
        let window = self.tally.counts(self.bucket(now), BUCKETS);
        self.usual.forget(window);
        let again = self.over.take().filter(|over| now.since(over.at) <= REOPEN_WITHIN);
        let mut open = Open {
            id: Id::new(&self.scope, self.kind, now),
            rule,
            since,
            opened: now,
            flaps: 0,
            whole: window,
            severity: self.severity(now),
            remind_at: now + self.limits.remind_every,
            is_silent: false,
            told_unknown: false,
            under: None,
            alone_at: None,
        };
        if let Some(over) = again {
            open.whole.add(over.whole);
            open = Open { id: over.id, since: over.since, flaps: over.flaps.saturating_add(1), ..open };
        }
        told.push(self.event(What::Opened, now, &open));
        self.open = Some(open);
    }

    /// The earliest moment at which something is to be told, if nothing is heard before.
    fn next_due(&self) -> Time {
        let Some(open) = &self.open else { return Time::NEVER };
        let over = self.over_at(open).unwrap_or(Time::NEVER);
        let alone = open.alone_at.unwrap_or(Time::NEVER);
        let (news, end) = if open.is_silent {
            (Time::NEVER, self.heard + FORGOTTEN_AFTER)
        } else {
            (open.remind_at, self.heard + UNKNOWN_AFTER)
        };
        over.min(alone).min(news).min(end)
    }

    /// The one thing that is due at the latest moment; what ends an incident goes first.
    fn act(&mut self, told: &mut Vec<Event>) {
        let now = self.latest;
        let Some(open) = &self.open else { return };
        if self.over_at(open).is_some_and(|at| at <= now) {
            self.end(now, Close::Recovered, told);
        } else if now >= self.heard + FORGOTTEN_AFTER {
            self.end(now, Close::Forgotten, told);
            self.over = None;
        } else if !open.is_silent && now >= self.heard + UNKNOWN_AFTER {
            self.is_unknown(now, told);
        } else if open.alone_at.is_some_and(|at| at <= now) {
            self.is_alone(now, told);
        } else if !open.is_silent && open.remind_at <= now {
            self.remind(now, told);
        }
    }

    /// When it will be over, if nothing more is heard: failures that leave the window may be enough.
    fn over_at(&self, open: &Open) -> Option<Time> {
        if self.oks < OKS_MIN {
            return None;
        }
        let from = self.latest.max(open.opened + OPEN_MIN);
        let first = self.bucket(from);
        let edges = (first + 1..=first + self.kind.recent()).map(|number| number.saturating_mul(self.kind.width()));
        let mut moments = std::iter::once(from).chain(edges.map(Time::from_micros));
        moments.find(|&at| self.is_well(self.tally.counts(self.bucket(at), self.kind.recent())))
    }

    fn is_well(&self, counts: Counts) -> bool {
        match self.kind {
            Kind::Failures => is_low(counts, &self.limits),
            Kind::Masked => has_fallen(counts, self.usual.without(Counts::default())),
            Kind::Latency => 10 * counts.failed < counts.of,
        }
    }

    /// The window is forgotten with it: else what is over would open the next one.
    fn end(&mut self, now: Time, close: Close, told: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        told.push(Event { close: Some(close), ..self.event(What::Resolved, now, &open) });
        self.over = Some(Over { id: open.id, since: open.since, at: now, flaps: open.flaps, whole: open.whole });
        self.start_anew();
    }

    fn is_unknown(&mut self, now: Time, told: &mut Vec<Event>) {
        let Some(mut open) = self.open.take() else { return };
        open.is_silent = true;
        if !std::mem::replace(&mut open.told_unknown, true) {
            told.push(self.event(What::Unknown, now, &open));
        }
        self.open = Some(open);
    }

    fn is_alone(&mut self, now: Time, told: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        let severity = self.severity(now);
        let open = Open { under: None, alone_at: None, remind_at: now + self.limits.remind_every, severity, ..open };
        told.push(self.event(What::Opened, now, &open));
        self.open = Some(open);
    }

    fn remind(&mut self, now: Time, told: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        let severity = self.severity(now);
        let open = Open { severity, remind_at: now + self.limits.remind_every, told_unknown: false, ..open };
        told.push(self.event(What::Reminder, now, &open));
        self.open = Some(open);
    }

    /// Critical where callers are known to get failures, more than one in twenty of those whose first
    /// attempt failed, and where nothing is known of them yet.
    fn severity(&self, now: Time) -> Severity {
        let lost = self.callers.counts(self.bucket(now), BUCKETS);
        let is_mild = self.kind != Kind::Failures || lost.of > 0 && 20 * lost.failed <= lost.of;
        if is_mild { Severity::Warning } else { Severity::Critical }
    }

    fn event(&self, what: What, at: Time, open: &Open) -> Event {
        Event {
            what,
            at,
            id: open.id.clone(),
            kind: self.kind,
            scope: self.scope.clone(),
            rule: open.rule,
            severity: open.severity,
            since: open.since,
            window: self.tally.counts(self.bucket(at), BUCKETS),
            whole: open.whole,
            flaps: open.flaps,
            samples: self.samples.iter().cloned().collect(),
            under: open.under.clone(),
            close: None,
        }
    }

    fn remember(&mut self, request: &str) {
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(inert(request, REQUEST_BYTES_MAX));
    }

    fn bucket(&self, at: Time) -> u64 {
        at.as_micros() / self.kind.width()
    }
}
