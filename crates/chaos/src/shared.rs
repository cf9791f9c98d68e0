//! The state that all connections share: settings, dice, scripts and counts, under one lock.
//!
//! The lock is held for a microsecond at a time and never across a wait. What a reply needs is
//! decided and counted in one go, so that no test can see a request that is not counted yet.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::decide::{Chooser, Command, Deed, next_change, refused_ppm};
use crate::error::Error;
use crate::http_in::Request;
use crate::peek::Endpoint;
use crate::reply::request_id;
use crate::scripts::Script;
use crate::settings::Settings;
use crate::stats::{Fnv, Seen, Stats, Tally, cut};
use crate::validator;

/// Whether connections are welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// Refused for now: idle connections end too, or callers would not notice.
    Refusing,
    /// For good.
    Closed,
}

/// What a connection needs to know to reply.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) ticket: u64,
    pub(crate) deed: Deed,
    pub(crate) wait: Duration,
    pub(crate) id: u128,
    pub(crate) settings: Arc<Settings>,
}

#[derive(Debug)]
struct State {
    chooser: Chooser,
    tally: Tally,
    ticket: u64,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    started: Instant,
    state: Mutex<State>,
    door: watch::Sender<Door>,
    /// Counts changed, which a test may wait for.
    changed: Notify,
    /// Settings changed, which the port must look at.
    resettled: Notify,
    hashes: AtomicBool,
    bodies_kept: Arc<AtomicUsize>,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Shared {
        Shared {
            started: Instant::now(),
            hashes: AtomicBool::new(settings.record),
            state: Mutex::new(State { chooser: Chooser::new(Arc::new(settings)), tally: Tally::default(), ticket: 0 }),
            door: watch::Sender::new(Door::Open),
            changed: Notify::new(),
            resettled: Notify::new(),
            bodies_kept: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts and dice are usable whatever a panicking thread left behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment of the clock at which the uptime is `uptime`.
    pub(crate) fn moment(&self, uptime: Duration) -> Instant {
        self.started + uptime
    }

    pub(crate) fn door(&self) -> &watch::Sender<Door> {
        &self.door
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    pub(crate) fn resettled(&self) -> &Notify {
        &self.resettled
    }

    pub(crate) fn hashes(&self) -> bool {
        self.hashes.load(Ordering::Relaxed)
    }

    pub(crate) fn bodies_kept(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.bodies_kept)
    }

    /// Decides about a request that arrived whole, and counts it.
    pub(crate) fn decide(&self, request: &Request, endpoint: Endpoint, model: Option<&str>, stream: bool) -> Decision {
        let command = Command::of(request);
        let refusal = command.as_ref().ok().and_then(|command| command.refusal(&self.settings(), endpoint, request));
        let (uptime, path) = (self.uptime(), cut(request.path()));
        let client_id = request.header("x-client-request-id");
        let mut state = self.state();
        let State { chooser, tally, ticket } = &mut *state;
        *ticket += 1;
        let (deed, wait) = chooser.choose(uptime, tally.attempts + 1, model, command, refusal);
        let id = chooser.id();
        let label = label(&deed);
        tally.arrived(path, model.map(cut), label.as_ref(), client_id.map(|id| Fnv::of(id.as_bytes())));
        if chooser.settings.record {
            let reply = match &deed {
                Deed::Step(_, place) => format!("step {place}"),
                _ => label.as_deref().unwrap_or("ok").to_owned(),
            };
            let mut seen = seen(request, model, stream);
            seen.number = tally.attempts;
            seen.t_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
            seen.reply = reply;
            let mut text = Vec::with_capacity(36);
            request_id(&mut text, id);
            seen.request_id = String::from_utf8(text).unwrap_or_default();
            tally.record(*ticket, seen);
        }
        let decision = Decision { ticket: *ticket, deed, wait, id, settings: Arc::clone(&chooser.settings) };
        drop(state);
        self.changed.notify_waiters();
        decision
    }

    /// Counts the end of a reply.
    pub(crate) fn ended(&self, ticket: u64, model: Option<&str>, cancelled: bool) {
        let now_ms = self.uptime_ms();
        self.count(|tally| tally.ended(ticket, now_ms, model.map(cut), cancelled));
    }

    /// Changes counts.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.state().tally);
        self.changed.notify_waiters();
    }

    pub(crate) fn stats(&self) -> Stats {
        let uptime_ms = self.uptime_ms();
        let state = self.state();
        state.tally.stats(uptime_ms, state.chooser.scripts.stats())
    }

    /// Replaces the settings; with another seed, the dice begin again.
    pub(crate) fn set(&self, settings: Settings) -> Result<(), Error> {
        settings.check()?;
        self.hashes.store(settings.record, Ordering::Relaxed);
        let mut state = self.state();
        let is_reseeded = state.chooser.settings.seed != settings.seed;
        state.chooser.settings = Arc::new(settings);
        if is_reseeded {
            state.chooser.restart();
        }
        drop(state);
        self.resettled.notify_waiters();
        Ok(())
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.state().chooser.settings)
    }

    /// Zeroes all counts, begins scripts and dice again.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        state.chooser.restart();
        state.tally.reset();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Puts a script to work; counts of what it is for begin again.
    pub(crate) fn put_script(&self, script: Script) -> Result<(), Error> {
        let for_model = script.for_model.clone();
        let mut state = self.state();
        state.chooser.scripts.put(script)?;
        match for_model {
            Some(model) => state.tally.forget_model(cut(&model)),
            None => state.tally.reset(),
        }
        Ok(())
    }

    pub(crate) fn remove_scripts(&self) {
        self.state().chooser.scripts = Default::default();
    }

    /// Whether a connection that just arrived is refused.
    pub(crate) fn refuses(&self) -> bool {
        let uptime = self.uptime();
        self.state().chooser.refuses(uptime)
    }

    /// Whether every connection is refused, and when that may change.
    pub(crate) fn refusal(&self) -> (bool, Option<Duration>) {
        let (settings, uptime) = (self.settings(), self.uptime());
        (refused_ppm(&settings, uptime) == 1_000_000, next_change(&settings, uptime))
    }
}

/// What the deed is counted as; `None` for a good answer.
fn label(deed: &Deed) -> Option<Arc<str>> {
    match deed {
        Deed::Good => None,
        Deed::Fault(spec) => Some(Arc::clone(spec.label())),
        Deed::Step(..) => Some("step".into()),
        Deed::Refusal(_) => Some(validator::LABEL.into()),
        Deed::BadHeader(_) => Some("bad x-chaos header".into()),
    }
}

fn seen(request: &Request, model: Option<&str>, stream: bool) -> Seen {
    let header = |name| request.header(name).map(|value| cut(value).to_owned());
    Seen {
        method: cut(request.method()).to_owned(),
        path: cut(request.path()).to_owned(),
        query: request.target().split_once('?').map(|(_, query)| cut(query).to_owned()),
        model: model.map(|model| cut(model).to_owned()),
        stream,
        client_request_id: header("x-client-request-id"),
        retry_count: header("x-stainless-retry-count"),
        authorization: request.header("authorization").is_some(),
        via: header("via"),
        accept_encoding: header("accept-encoding"),
        content_length: header("content-length"),
        header_names: request.header_names().map(|name| cut(name).to_owned()).collect(),
        body_bytes: request.body.bytes(),
        body_fnv: request.body.fnv().map(|fnv| format!("{fnv:016x}")).unwrap_or_default(),
        ..Seen::default()
    }
}
