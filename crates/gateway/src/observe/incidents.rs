//! Incidents of this gateway: fed with what happens, told to everyone who wants to know, and kept
//! for the next process.
//!
//! What an incident is, `seawall_core::incident` decides. Here is the clock, the lock around it, and
//! what follows from each event: a line in the log, a row in the journal, a status page that is
//! wanted. All of it is done under the lock, so that everyone hears of events in one order, and none of it
//! can wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use seawall::Answered;
use seawall_core::event::{Attempt, Ended, Outcome, Reason, Request as Record, Vote};
use seawall_core::incident::{
    Ending, Event, Facts, First, Id, Incidents, Kind, Last, Limits, Saved, Scope, Severity, What,
};
use seawall_core::plan::shapes::Form;
use seawall_core::request::Request;
use seawall_core::time::Time;
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Class;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::alert::{Alerts, Notice};
use super::feed::Feed;
use super::journal::Journal;
use super::journal::incidents::{IncidentRow, Note, Open, Remembered};
use super::status_page::board::Board;

/// How often it is looked at what has become due.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often all that is known is kept, where nothing is told meanwhile. A `kill -9` loses what was learnt since,
/// and no incident.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// What is told to receivers is on record by then, or it is told all the same.
const ON_RECORD_WITHIN: Duration = Duration::from_secs(1);
/// How often what is news is kept: of many models that fail at once the whole state is large.
const DELIVER_EVERY: Duration = Duration::from_secs(1);
/// The route of what no route is for.
const NO_ROUTE: &str = "default";

/// What there is to be named: upstreams with the names of their keys, and routes, in the order of the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// The upstreams.
    pub(crate) upstreams: Vec<String>,
    /// The keys of each, by names that are no secrets.
    pub(crate) keys: Vec<Vec<String>>,
    /// The routes.
    pub(crate) routes: Vec<String>,
}

impl Names {
    fn upstream(&self, id: UpstreamId) -> Option<&str> {
        self.upstreams.get(id.index()).map(String::as_str)
    }

    fn place(&self, upstream: &str) -> Option<usize> {
        self.upstreams.iter().position(|name| name == upstream)
    }

    fn route(&self, route: Option<u16>) -> &str {
        route.and_then(|at| self.routes.get(usize::from(at))).map_or(NO_ROUTE, String::as_str)
    }

    /// The name of a key where an upstream has several: of one alone there is nothing to tell.
    fn key(&self, upstream: usize, key: u16) -> Option<&str> {
        let keys = self.keys.get(upstream).filter(|keys| keys.len() > 1)?;
        keys.get(usize::from(key)).map(String::as_str)
    }
}

/// Incidents, and who hears of them.
pub(crate) struct Watch {
    names: Names,
    /// Whether anything is looked for.
    is_on: bool,
    journal: Journal,
    pages: Arc<Board>,
    alerts: Arc<Alerts>,
    /// What happens, for whoever listens.
    pub(crate) feed: Feed,
    /// Rung when something is to be told to receivers.
    bell: Notify,
    /// The wall clock and the monotonic one at the same moment: incidents' time is the first, and moves as the second.
    start: (Time, Instant),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    incidents: Incidents,
    /// The open incidents of each place: what an attempt that fails there is part of.
    open: BTreeMap<Scope, BTreeSet<(Kind, Id)>>,
    /// What receivers are told once it is on record.
    outbox: Vec<Notice>,
    /// Which receivers are on record as knowing of an open incident.
    told: BTreeMap<Id, Vec<String>>,
    /// Open incidents that somebody knows of, and how bad they were then.
    acknowledged: BTreeMap<Id, Severity>,
    saved: Time,
    /// Whether something was learnt since.
    is_news: bool,
}

impl Watch {
    /// Goes on with what the journal remembers, by these limits; `None` looks for no incident. What is not looked for any
    /// more is over, as forgotten, and told so.
    pub(crate) fn new(
        names: Names,
        limits: Option<Limits>,
        journal: Journal,
        pages: Arc<Board>,
        alerts: Arc<Alerts>,
    ) -> Watch {
        let (is_on, limits) = (limits.is_some(), limits.unwrap_or_default());
        let start = (Time::from_micros(u64::try_from(seawall::proxy::unix_micros()).unwrap_or(0)), Instant::now());
        let state = Mutex::new(State { incidents: Incidents::new(limits), ..State::default() });
        let (feed, bell) = (Feed::new(), Notify::new());
        let watch = Watch { names, is_on, journal, pages, alerts, feed, bell, start, state };
        let Remembered { state, open } = watch.journal.remembered();
        let saved = state.as_deref().map(serde_json::from_str::<Saved>);
        if let Some(Err(error)) = &saved {
            tracing::warn!(%error, "what was known of incidents cannot be read: they begin anew");
        }
        match saved {
            Some(Ok(saved)) => watch.resume(saved, limits, open),
            Some(Err(_)) | None => watch.journal.forget(seawall::proxy::unix_micros()),
        }
        watch.forget(limits);
        watch.want_pages(&watch.lock());
        watch
    }

    fn resume(&self, saved: Saved, limits: Limits, mut open: BTreeMap<String, Open>) {
        let state = &mut *self.lock();
        for event in state.resume(saved, limits, self.start.0) {
            let Open { opened, is_acknowledged, told } = open.remove(event.id.as_str()).unwrap_or_default();
            if is_acknowledged {
                state.acknowledged.insert(event.id.clone(), event.severity);
            }
            // Who was not told hears of the very same beginning.
            let at = u64::try_from(opened).map_or(event.at, Time::from_micros);
            let began = Event { what: What::Opened, at, ..event };
            self.alerts.resume(self.note(state, began.clone(), true).notice(), &told);
            state.told.insert(began.id, told);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Time {
        self.start.0 + self.start.1.elapsed()
    }

    /// Ends what is open of kinds that are not looked for. Where none is, nothing but the ends is told.
    fn forget(&self, limits: Limits) {
        let kinds: Vec<Kind> =
            Kind::ALL.iter().copied().filter(|&kind| !(self.is_on && limits.looks_for(kind))).collect();
        let mut state = self.lock();
        if state.incidents.open().any(|event| kinds.contains(&event.kind)) {
            let mut told = state.incidents.forget(self.now(), &kinds);
            told.retain(|event| self.is_on || event.what == What::Resolved);
            self.tell(&mut state, told);
        }
    }

    /// Takes in an attempt that failed; the incident that it is part of, if there is one.
    pub(crate) fn failed(&self, record: &Record, attempt: &Attempt) -> Option<Id> {
        let upstream = self.names.place(&attempt.upstream).filter(|_| self.is_on)?;
        let mut state = self.lock();
        if attempt.number == 1 {
            // Until when its first content was waited for, of a stream that was given up for another.
            let was_given_up =
                attempt.class == Class::Cancelled && attempt.reason == Reason::Superseded && record.stream;
            let first = First {
                request: &record.id,
                body: record.body,
                route: self.names.route(record.route),
                vote: Vote::of(attempt, None),
                was_sent: true,
                facts: Facts {
                    model: record.model.as_deref(),
                    endpoint: record.endpoint,
                    upstream: Some(&attempt.upstream),
                    key: self.names.key(upstream, attempt.key),
                    region: attempt.region.as_deref(),
                    stream: record.stream,
                    body_bytes: record.body_bytes,
                    tools: record.tools > 0,
                },
                form: record.form,
                first_content: was_given_up.then_some(attempt.elapsed),
            };
            let told = state.incidents.first(self.now(), &first);
            self.tell(&mut state, told);
        }
        if !super::journal::incidents::is_failure(attempt.class) {
            return None;
        }
        state.claim(&Scope::upstream(&attempt.upstream, record.model.as_deref()))
    }

    /// Takes in an attempt that was answered.
    pub(crate) fn answered(&self, facts: &Request, answered: &Answered<'_>) {
        if answered.number > 1 || !self.is_on {
            return;
        }
        let Some(upstream) = self.names.upstream(answered.upstream) else { return };
        let first = First {
            request: answered.request,
            // What tells bodies apart matters of failures.
            body: 0,
            route: self.names.route(answered.route),
            vote: Vote::Ok,
            was_sent: true,
            facts: Facts {
                upstream: Some(upstream),
                key: self.names.key(answered.upstream.index(), answered.key),
                region: answered.region,
                ..asked(facts)
            },
            form: u64::from(Form::of(facts).bits()),
            first_content: facts.stream.then_some(answered.first_content),
        };
        let mut state = self.lock();
        let told = state.incidents.first(self.now(), &first);
        state.is_news = true;
        self.tell(&mut state, told);
    }

    /// Takes in how a request ended for its caller.
    pub(crate) fn ended(&self, request: Option<&str>, facts: &Request, ended: &Ended) {
        if !self.is_on {
            return;
        }
        let now = self.now();
        let (request, route, model) = (request.unwrap_or("-"), self.names.route(ended.route), facts.model.as_deref());
        let mut state = self.lock();
        let told = match ended.first {
            None => {
                let vote = Vote::of_none(ended.outcome);
                let (form, facts) = (u64::from(Form::of(facts).bits()), asked(facts));
                let first = First { request, body: 0, route, vote, was_sent: false, facts, form, first_content: None };
                let mut told = state.incidents.first(now, &first);
                if vote == Vote::Fail {
                    let last = Last { request, route, upstream: None, model, ending: Ending::Lost };
                    told.extend(state.incidents.last(now, &last));
                }
                told
            }
            Some((_, Vote::Abstain)) => return,
            Some((upstream, vote)) => {
                let ending = match (vote, is_answered(ended.outcome)) {
                    (Vote::Ok, true) => Ending::Passed,
                    (_, true) => Ending::Saved,
                    (_, false) => Ending::Lost,
                };
                let upstream = self.names.upstream(upstream);
                state.incidents.last(now, &Last { request, route, upstream, model, ending })
            }
        };
        self.tell(&mut state, told);
    }

    /// Tells what has become due, and keeps what was learnt. To be called every [`LOOK_EVERY`].
    pub(crate) fn look(&self) {
        let now = self.now();
        let mut state = self.lock();
        let told = state.incidents.wake(now);
        self.tell(&mut state, told);
        self.note_told(&mut state);
        if now.since(state.saved) >= SAVE_EVERY && (state.is_news || !state.open.is_empty()) {
            for event in state.incidents.open().collect::<Vec<_>>() {
                self.journal.incident(self.note(&state, event, false));
            }
            self.save(&mut state);
        }
    }

    /// Keeps what is news and, once it is on record, hands it to the receivers of alerts, for ever. What comes in a
    /// burst is kept once.
    pub(crate) async fn deliver(&self) {
        loop {
            self.bell.notified().await;
            let news = {
                let mut state = self.lock();
                self.save(&mut state);
                state.outbox.len()
            };
            let _ = timeout(ON_RECORD_WITHIN, self.journal.settle_all()).await;
            // On record or not: a journal that cannot be written is no reason to be silent.
            self.hand_over(&mut self.lock(), news);
            sleep(DELIVER_EVERY).await;
        }
    }

    /// Hands over the first `news` of what is to be told.
    fn hand_over(&self, state: &mut State, news: usize) {
        state.outbox.drain(..news).for_each(|notice| self.alerts.tell(notice));
    }

    /// Keeps which receivers know of what is open: a process after this one tells the others.
    fn note_told(&self, state: &mut State) {
        let State { open, told, .. } = state;
        for (_, id) in open.values().flatten() {
            let know = self.alerts.who_know(id);
            if told.get(id).map_or(&[][..], Vec::as_slice) != know {
                self.journal.told(id.as_str(), know.clone());
                told.insert(id.clone(), know);
            }
        }
    }

    /// Keeps what was learnt, and hands over what is to be told, at the end.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        self.save(&mut state);
        let news = state.outbox.len();
        self.hand_over(&mut state, news);
    }

    /// Notes that somebody knows of an open incident: no reminders of it until it gets worse. False if no
    /// such incident is open.
    pub(crate) fn acknowledge(&self, id: &str) -> bool {
        let mut state = self.lock();
        let Some(known) = state.incidents.open().find(|event| event.id.as_str() == id) else {
            return false;
        };
        state.acknowledged.insert(known.id, known.severity);
        self.journal.acknowledged(id, seawall::proxy::unix_micros());
        true
    }

    /// What a key of an upstream is called: its place and where it comes from, never the key.
    pub(crate) fn key(&self, upstream: &str, key: usize) -> String {
        let keys = self.names.place(upstream).and_then(|at| self.names.keys.get(at));
        keys.and_then(|keys| keys.get(key)).cloned().unwrap_or_else(|| (key + 1).to_string())
    }

    /// How each open incident stands now.
    pub(crate) fn open(&self) -> Vec<Note> {
        let state = self.lock();
        state.incidents.open().map(|event| self.note(&state, event, false)).collect()
    }

    /// Brings rows of the journal up to date, and adds what is not in it.
    pub(crate) fn refresh(&self, rows: &mut Vec<IncidentRow>) {
        for note in self.open() {
            match rows.iter_mut().find(|row| row.id == note.event.id.as_str()) {
                Some(row) => row.refresh(&note),
                None => rows.push(IncidentRow::of(&note)),
            }
        }
        let state = self.lock();
        let is_known = |row: &IncidentRow| state.acknowledged.keys().any(|id| id.as_str() == row.id);
        for row in rows.iter_mut().filter(|row| row.acknowledged.is_none() && is_known(row)) {
            // The journal has the very moment once it has written it down, a moment from now.
            row.acknowledged = Some(seawall::proxy::unix_micros());
        }
    }

    fn tell(&self, state: &mut State, told: Vec<Event>) {
        if told.is_empty() {
            return;
        }
        for event in told {
            let is_known = state.note(&event);
            log(&event);
            let note = self.note(state, event, true);
            state.outbox.push(note.notice().known(is_known));
            self.feed.incident(&note);
            self.journal.incident(note);
        }
        self.want_pages(state);
        self.bell.notify_one();
    }

    fn note(&self, state: &State, event: Event, is_told: bool) -> Note {
        let differences = match event.kind {
            Kind::Failures | Kind::Masked if event.what != What::Resolved => state.incidents.difference(&event.scope),
            _ => Vec::new(),
        };
        let page = match &event.scope {
            Scope::Upstream { upstream, .. } => self.pages.said(upstream),
            Scope::Route { .. } => None,
        };
        Note { event, is_told, differences, page }
    }

    fn save(&self, state: &mut State) {
        state.saved = self.now();
        state.is_news = false;
        self.journal.remember(state.incidents.save());
    }

    /// Status pages are wanted of upstreams at which something is wrong.
    fn want_pages(&self, state: &State) {
        for (at, name) in self.names.upstreams.iter().enumerate() {
            let is_wrong = |scope: &Scope| matches!(scope, Scope::Upstream { upstream, .. } if upstream == name);
            self.pages.watch(at, state.open.keys().any(is_wrong));
        }
    }
}

impl State {
    /// Goes on with what was saved; what is open.
    fn resume(&mut self, saved: Saved, limits: Limits, now: Time) -> Vec<Event> {
        self.incidents = Incidents::restore(saved, limits, now);
        self.saved = now;
        let open: Vec<Event> = self.incidents.open().collect();
        for event in &open {
            tracing::warn!(
                target: "seawall::incident",
                incident = %event.id,
                kind = event.kind.name(),
                "an incident of the last run is still open"
            );
            self.open.entry(event.scope.clone()).or_default().insert((event.kind, event.id.clone()));
        }
        open
    }

    /// Takes in what an event means for what is open; whether it says only what somebody knows.
    fn note(&mut self, event: &Event) -> bool {
        let here = (event.kind, event.id.clone());
        if event.what != What::Resolved {
            self.open.entry(event.scope.clone()).or_default().insert(here);
            let known = self.acknowledged.get(&event.id).copied();
            if known.is_some_and(|known| event.severity > known) {
                self.acknowledged.remove(&event.id);
            }
            return event.what == What::Reminder && known.is_some_and(|known| event.severity <= known);
        }
        self.acknowledged.remove(&event.id);
        self.told.remove(&event.id);
        if let Some(open) = self.open.get_mut(&event.scope) {
            open.remove(&here);
            if open.is_empty() {
                self.open.remove(&event.scope);
            }
        }
        false
    }

    /// The incident that a failure in this place is part of.
    fn claim(&self, scope: &Scope) -> Option<Id> {
        let open = self.open.get(scope)?;
        let of = |kind| open.iter().find(|(known, _)| *known == kind).map(|(_, id)| id.clone());
        of(Kind::Failures).or_else(|| of(Kind::Masked))
    }
}

/// What a request asks for.
fn asked(facts: &Request) -> Facts<'_> {
    Facts {
        model: facts.model.as_deref(),
        endpoint: facts.endpoint.name(),
        stream: facts.stream,
        body_bytes: facts.body_bytes,
        tools: facts.tools > 0,
        ..Facts::default()
    }
}

fn is_answered(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Passed | Outcome::Retried | Outcome::FailedOver | Outcome::Hedged)
}

/// One line for each event. What is told under another incident is for the record.
fn log(event: &Event) {
    let text = match event.what {
        What::Opened => "an incident began",
        What::Reminder => "an incident goes on",
        What::Resolved => "an incident is over",
        What::Unknown => "nobody asks any more: whether the incident goes on is not known",
    };
    let (upstream, model, route) = match &event.scope {
        Scope::Upstream { upstream, model } => (Some(upstream.as_str()), Some(model.as_str()), None),
        Scope::Route { route } => (None, None, Some(route.as_str())),
    };
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "seawall::incident",
                incident = %event.id,
                kind = event.kind.name(),
                severity = event.severity.name(),
                upstream,
                model,
                route,
                rule = event.rule.name(),
                failed = event.window.failed,
                of = event.window.of,
                close = event.close.map(seawall_core::incident::Close::name),
                under = event.under.as_ref().map(Id::as_str),
                "{text}"
            )
        };
    }
    match event.what {
        _ if event.under.is_some() => line!(debug),
        What::Resolved => line!(info),
        What::Opened | What::Reminder | What::Unknown => line!(warn),
    }
}

#[cfg(test)]
mod tests;
