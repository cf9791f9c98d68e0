//! Every place that is watched, and which of its incidents is told.
//!
//! A model at an upstream is watched for failures, for failures that retries mask, and for slow first
//! contents; a route for failures. One cause shows in several of these, and nobody wants it told
//! several times. So an incident that opens while another that is told says the same is put *under*
//! that one: its events are made all the same, for the record, and name the other. It is told itself
//! if it outlasts the other by a minute. Two say the same where
//!
//! - one is of a route and one of a model at an upstream, and the failures of the route, from its
//!   beginning and at most the last [`BLAME_MAX`], were all there;
//! - one is of slow first contents where the other is of failures in the same place.
//!
//! Masked failures end where failures are found in the same place: these say more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::difference::separate;
use super::ledger::Ledger;
use super::pace::{Paces, RELEARN_AFTER};
use super::run::GAP_MAX;
use super::{Close, Detector, Difference, Ending, Event, First, Id, Kind, Last, Limits, Scope, Vote, What};
use crate::time::Time;

/// Places that are watched. A newcomer takes the place of the one not heard of for longest in which
/// nothing is open, and if there is none, of the one not heard of for longest: its incidents are told to be over.
pub const SCOPES_MAX: usize = 256;
/// Failures of a route of which is known where they were.
pub const BLAME_MAX: usize = 16;

/// All places. See the module of the same name.
#[derive(Debug, Clone, Default)]
pub struct Incidents {
    limits: Limits,
    latest: Time,
    /// How far the saved clock was ahead of this process's.
    ahead: Duration,
    uses: u64,
    watches: Vec<Watch>,
    places: BTreeMap<Scope, usize>,
    /// What is open.
    open: BTreeSet<(usize, Kind)>,
}

/// All that is known, to be taken in again by another process. It holds no body's fingerprint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved {
    latest: Time,
    uses: u64,
    watches: Vec<Watch>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watch {
    scope: Scope,
    used: u64,
    failures: Detector,
    masked: Detector,
    latency: Detector,
    paces: Paces,
    ledger: Ledger,
    /// When the latest failures of a route were, and in which scope, by its mark.
    blame: VecDeque<(Time, u64)>,
}

impl Watch {
    fn new(scope: &Scope, limits: Limits) -> Watch {
        let detector = |kind| Detector::new(scope.clone(), kind, limits);
        Watch {
            scope: scope.clone(),
            used: 0,
            failures: detector(Kind::Failures),
            masked: detector(Kind::Masked),
            latency: detector(Kind::Latency),
            paces: Paces::default(),
            ledger: Ledger::default(),
            blame: VecDeque::new(),
        }
    }

    fn detector(&mut self, kind: Kind) -> &mut Detector {
        match kind {
            Kind::Failures => &mut self.failures,
            Kind::Masked => &mut self.masked,
            Kind::Latency => &mut self.latency,
        }
    }

    fn see(&self, kind: Kind) -> &Detector {
        match kind {
            Kind::Failures => &self.failures,
            Kind::Masked => &self.masked,
            Kind::Latency => &self.latency,
        }
    }

    fn is_quiet(&self) -> bool {
        Kind::ALL.iter().all(|&kind| self.see(kind).id().is_none())
    }

    fn is_route(&self) -> bool {
        matches!(self.scope, Scope::Route { .. })
    }

    /// Whether the failures of this route from its incident's beginning on were all in the scope of `mark`.
    fn blames(&self, since: Time, mark: u64) -> bool {
        let mut blame = self.blame.iter().filter(|(at, _)| *at >= since).peekable();
        blame.peek().is_some() && blame.all(|(_, known)| *known == mark)
    }
}

impl Incidents {
    /// Nothing known yet. Limits are kept within their bounds.
    #[must_use]
    pub fn new(limits: Limits) -> Incidents {
        Incidents { limits: limits.bounded(), ..Incidents::default() }
    }

    /// A request's first attempt is over, or none could be made. Returns what is to be told, in order.
    pub fn first(&mut self, now: Time, first: &First<'_>) -> Vec<Event> {
        let mut told = Vec::new();
        let now = self.pass(now, &mut told);
        let Some(upstream) = first.facts.upstream else {
            self.vote(now, &Scope::route(first.route), first, None, &mut told);
            return told;
        };
        let scope = Scope::upstream(upstream, first.facts.model);
        if first.was_sent {
            self.vote(now, &scope, first, None, &mut told);
            self.pace(now, &scope, first, &mut told);
        }
        self.vote(now, &Scope::route(first.route), first, Some(scope.mark()), &mut told);
        told
    }

    /// How a request ended for its caller. Told after [`Incidents::first`] of the same request, and only
    /// if that was no abstention.
    pub fn last(&mut self, now: Time, last: &Last<'_>) -> Vec<Event> {
        let mut told = Vec::new();
        let now = self.pass(now, &mut told);
        let scope = last.upstream.map(|upstream| Scope::upstream(upstream, last.model));
        let is_lost = last.ending == Ending::Lost;
        if last.ending != Ending::Passed {
            for scope in scope.iter().chain([&Scope::route(last.route)]) {
                self.at(scope, Kind::Failures, &mut told, |watch, events| watch.failures.caller(now, is_lost, events));
            }
        }
        let vote = match last.ending {
            Ending::Passed => Vote::Ok,
            Ending::Saved => Vote::Fail,
            Ending::Lost => Vote::Abstain,
        };
        if let Some(scope) = scope.filter(|_| self.limits.masked) {
            self.at(&scope, Kind::Masked, &mut told, |watch, events| {
                // Where failures are open anyway, nothing is masked.
                if watch.failures.id().is_none() {
                    watch.masked.vote(now, vote, 0, last.request, events);
                }
            });
        }
        told
    }

    /// Tells what is due by `now`. Called late, twice or never, the events are the same.
    pub fn wake(&mut self, now: Time) -> Vec<Event> {
        let mut told = Vec::new();
        self.pass(now, &mut told);
        told
    }

    /// When to wake it, if nothing is heard before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        let due = self.next_due()?.0;
        Some(Time::from_micros(due.as_micros().saturating_sub(crate::time::micros(self.ahead))))
    }

    /// How each open incident stands at the latest moment seen: what a reminder would say. In the order in which
    /// their scopes came.
    pub fn open(&self) -> impl Iterator<Item = Event> {
        self.open.iter().filter_map(|&(place, kind)| self.watches[place].see(kind).standing(self.latest))
    }

    /// The latest incident of failures or masked failures in `scope`: what separates its failures from
    /// answers. Empty if nothing does clearly.
    #[must_use]
    pub fn difference(&self, scope: &Scope) -> Vec<Difference> {
        self.places.get(scope).map_or_else(Vec::new, |&place| separate(&self.watches[place].ledger))
    }

    /// All that is known.
    #[must_use]
    pub fn save(&self) -> Saved {
        Saved { latest: self.latest, uses: self.uses, watches: self.watches.clone() }
    }

    /// Goes on with what was saved, by the limits of this process. Where the saved clock is ahead, its time goes on
    /// from there. What is open of a kind that is not looked for any more stays so until [`Incidents::forget`].
    #[must_use]
    pub fn restore(saved: Saved, limits: Limits, now: Time) -> Incidents {
        let Saved { latest, uses, mut watches } = saved;
        watches.truncate(SCOPES_MAX);
        let (limits, ahead) = (limits.bounded(), latest.since(now));
        for watch in &mut watches {
            watch.paces.bound();
            Kind::ALL.iter().for_each(|&kind| watch.detector(kind).limit(limits, now + ahead));
        }
        let places = watches.iter().enumerate().map(|(place, watch)| (watch.scope.clone(), place)).collect();
        let mut incidents = Incidents { limits, latest, ahead, uses, watches, places, open: BTreeSet::new() };
        for place in 0..incidents.watches.len() {
            Kind::ALL.iter().for_each(|&kind| incidents.note(place, kind));
        }
        incidents
    }

    /// Ends what is open of these `kinds`, as forgotten: they are not looked for any more. What was due is told first.
    pub fn forget(&mut self, now: Time, kinds: &[Kind]) -> Vec<Event> {
        let mut told = Vec::new();
        let now = self.pass(now, &mut told);
        let open: Vec<_> = self.open.iter().copied().filter(|(_, kind)| kinds.contains(kind)).collect();
        for (place, kind) in open {
            let mut events = Vec::new();
            self.watches[place].detector(kind).close(now, Close::Forgotten, &mut events);
            self.tell(place, kind, events, &mut told);
        }
        told
    }

    /// One vote on one scope. For a route `blame` is where the request was sent, or would have been.
    fn vote(&mut self, now: Time, scope: &Scope, first: &First<'_>, blame: Option<u64>, told: &mut Vec<Event>) {
        if first.vote == Vote::Abstain {
            return;
        }
        let failed = first.vote == Vote::Fail;
        self.at(scope, Kind::Failures, told, |watch, events| {
            watch.ledger.record(now, &first.facts, failed);
            if failed && watch.is_route() {
                watch.blame.retain(|(at, _)| now.since(*at) <= GAP_MAX);
                if watch.blame.len() >= BLAME_MAX {
                    watch.blame.pop_front();
                }
                watch.blame.push_back((now, blame.unwrap_or(0)));
            }
            watch.failures.vote(now, first.vote, first.body, first.request, events);
        });
    }

    fn pace(&mut self, now: Time, scope: &Scope, first: &First<'_>, told: &mut Vec<Event>) {
        let Some(took) = first.first_content.filter(|_| self.limits.latency) else { return };
        self.at(scope, Kind::Latency, told, |watch, events| {
            let relearnt = watch.latency.opened().is_some_and(|(opened, _)| now.since(opened) > RELEARN_AFTER);
            if let Some(is_slow) = watch.paces.is_slow(now, first.form, took, relearnt) {
                let vote = if is_slow { Vote::Fail } else { Vote::Ok };
                watch.latency.vote(now, vote, first.body, first.request, events);
            }
        });
    }

    /// Does something in a scope, and tells what comes of it.
    fn at(&mut self, scope: &Scope, kind: Kind, told: &mut Vec<Event>, act: impl FnOnce(&mut Watch, &mut Vec<Event>)) {
        let place = self.place(scope, told);
        let mut events = Vec::new();
        act(&mut self.watches[place], &mut events);
        self.tell(place, kind, events, told);
    }

    /// What is due by `now`, each thing before those that are due later.
    fn pass(&mut self, now: Time, told: &mut Vec<Event>) -> Time {
        let now = (now + self.ahead).max(self.latest);
        while let Some((due, place, kind)) = self.next_due().filter(|(due, ..)| *due <= now) {
            let mut events = Vec::new();
            self.watches[place].detector(kind).wake(due, &mut events);
            self.tell(place, kind, events, told);
        }
        self.latest = now;
        now
    }

    fn next_due(&self) -> Option<(Time, usize, Kind)> {
        let due = |&(place, kind): &(usize, Kind)| Some((self.watches[place].see(kind).wake_at()?, place, kind));
        self.open.iter().filter_map(due).min()
    }

    /// The events of one detector: which incident tells of them, and what they mean for the others.
    fn tell(&mut self, place: usize, kind: Kind, events: Vec<Event>, told: &mut Vec<Event>) {
        self.note(place, kind);
        for mut event in events {
            match event.what {
                What::Opened => self.opened(place, kind, &mut event, told),
                What::Resolved => self.resolved(place, kind, &event),
                What::Reminder | What::Unknown => {}
            }
            told.push(event);
        }
    }

    fn opened(&mut self, place: usize, kind: Kind, event: &mut Event, told: &mut Vec<Event>) {
        if let Some(parent) = self.parent(place, kind) {
            self.watches[place].detector(kind).put_under(&parent);
            event.under = Some(parent);
        }
        self.each_open(|detector| detector.was_closed(&event.id, None));
        let watch = &mut self.watches[place];
        if kind == Kind::Latency {
            return;
        }
        watch.ledger.begin(event.since, event.flaps > 0);
        if kind == Kind::Failures {
            let mut events = Vec::new();
            watch.masked.close(event.at, Close::Superseded, &mut events);
            watch.masked.start_anew();
            self.tell(place, Kind::Masked, events, told);
        }
    }

    fn resolved(&mut self, place: usize, kind: Kind, event: &Event) {
        if event.under.is_none() {
            self.each_open(|detector| detector.was_closed(&event.id, Some(event.at)));
        }
        let watch = &mut self.watches[place];
        if kind != Kind::Latency && watch.failures.id().is_none() && watch.masked.id().is_none() {
            watch.ledger.end();
        }
    }

    /// The incident that is told and says the same as the one that opens here.
    fn parent(&self, place: usize, kind: Kind) -> Option<Id> {
        let watch = &self.watches[place];
        let told = |watch: &Watch| watch.failures.id().filter(|_| watch.failures.is_told()).cloned();
        match kind {
            Kind::Masked => None,
            Kind::Latency => told(watch),
            Kind::Failures => {
                let others = self.open.iter().filter(|(_, kind)| *kind == Kind::Failures);
                let mut others = others.map(|(other, _)| &self.watches[*other]);
                let other = others.find(|other| match (watch.is_route(), other.is_route()) {
                    (true, false) => says_the_same(watch, other),
                    (false, true) => says_the_same(other, watch),
                    _ => false,
                });
                other.and_then(told)
            }
        }
    }

    fn each_open(&mut self, act: impl Fn(&mut Detector)) {
        for &(place, kind) in &self.open {
            act(self.watches[place].detector(kind));
        }
    }

    /// Where a scope is watched. Its use is noted.
    fn place(&mut self, scope: &Scope, told: &mut Vec<Event>) -> usize {
        self.uses += 1;
        let place = match self.places.get(scope) {
            Some(&place) => place,
            None => self.newcomer(scope, told),
        };
        self.watches[place].used = self.uses;
        place
    }

    fn newcomer(&mut self, scope: &Scope, told: &mut Vec<Event>) -> usize {
        let place = if self.watches.len() < SCOPES_MAX {
            self.watches.push(Watch::new(scope, self.limits));
            self.watches.len() - 1
        } else {
            let oldest = (0..SCOPES_MAX).min_by_key(|&at| (!self.watches[at].is_quiet(), self.watches[at].used));
            let place = oldest.unwrap_or_default();
            for &kind in Kind::ALL {
                let mut events = Vec::new();
                self.watches[place].detector(kind).close(self.latest, Close::Forgotten, &mut events);
                self.tell(place, kind, events, told);
            }
            self.places.remove(&self.watches[place].scope);
            self.watches[place] = Watch::new(scope, self.limits);
            place
        };
        self.places.insert(scope.clone(), place);
        place
    }

    fn note(&mut self, place: usize, kind: Kind) {
        if self.watches[place].see(kind).id().is_some() {
            self.open.insert((place, kind));
        } else {
            self.open.remove(&(place, kind));
        }
    }
}

/// Whether the open incident, or the one that opens, of a route and that of an upstream are one.
fn says_the_same(route: &Watch, upstream: &Watch) -> bool {
    let since = route.failures.opened().map_or(Time::ZERO, |(_, since)| since);
    route.blames(since, upstream.scope.mark())
}
