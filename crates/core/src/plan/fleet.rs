//! What is known now of all upstreams together, shared by every request.
//!
//! Whoever owns it keeps it behind one lock and hands it to each decision; a decision takes
//! microseconds and never waits. Everything in it is bounded: a model's name comes from outside.

use std::sync::Arc;
use std::time::Duration;

use super::Heard;
use super::breaker::{Breaker, Permit, State, Vote};
use super::budget::Budget;
use super::credentials::Credentials;
use super::diagnosis::Diagnosis;
use super::hedge::Purse;
use super::policy::Policy;
use super::queue::Queue;
use super::recent::Recent;
use super::route::{Candidate, GroupKey, Routes};
use super::shapes::{Expectation, Form, ShapeKey, Shapes};
use super::suspects::{Came, Evidence, Road, Suspects, Tried};
use crate::dice::Dice;
use crate::time::Time;
use crate::upstream::UpstreamId;

/// Models of one upstream whose breakers are remembered; the one unused for longest is forgotten.
pub const BREAKERS_MAX: usize = 1_024;
/// Groups of requests with a budget of their own; later ones share the last.
pub const GROUPS_MAX: usize = 256;
/// No more outstanding invitations than this are remembered; beyond it a return counts as the caller's own retry.
const INVITED_MAX: u32 = 10_000;
/// What stands for the model of a request that names none.
pub const NO_MODEL: &str = "-";

/// The shared facts.
#[derive(Debug, Clone)]
pub struct Fleet {
    routes: Arc<Routes>,
    groups: Vec<(GroupKey, Group)>,
    budget: super::budget::Config,
    began: Time,
    /// In the order of the configuration.
    places: Vec<Place>,
    /// Callers that were asked to come back and have not yet: their next request is no stacked retry.
    invited: u32,
    requests: u64,
    shapes: Shapes,
    suspects: Suspects,
    /// The number of each model that was asked for lately.
    models: Recent<Box<str>, u32>,
    models_known: u32,
}

/// What requests share that may go to the same places.
#[derive(Debug, Clone)]
struct Group {
    budget: Budget,
    queue: Queue,
    hedges: Purse,
}

/// One upstream.
#[derive(Debug, Clone)]
struct Place {
    breakers: Recent<Box<str>, Breaker>,
    credentials: Credentials,
    /// Attempts under way.
    in_flight: u64,
    weight: u64,
}

/// What became of an attempt, for the breaker of its place.
#[derive(Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) candidate: Candidate,
    /// The model asked for.
    pub(super) asked: &'a str,
    pub(super) permit: Permit,
    pub(super) vote: Vote,
    /// Whether another upstream is well.
    pub(super) alt: bool,
}

/// What a stream must leave behind to cast its vote should it break: where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The upstream.
    pub upstream: UpstreamId,
    /// The model, as it was sent.
    pub model: Box<str>,
    /// The request's number.
    pub request: u64,
    /// The fingerprint of its body.
    pub body: u64,
    /// Whether another upstream was well.
    pub alt: bool,
}

impl Fleet {
    /// Nothing known yet, at `now`.
    #[must_use]
    pub fn new(routes: Arc<Routes>, policy: &Policy, now: Time) -> Fleet {
        let place = |upstream: &crate::upstream::Upstream| Place {
            breakers: Recent::new(BREAKERS_MAX),
            credentials: Credentials::new(upstream.keys),
            in_flight: 0,
            weight: u64::from(upstream.weight.max(1)),
        };
        let places = routes.upstreams().iter().map(place).collect();
        Fleet {
            places,
            routes,
            groups: Vec::new(),
            budget: policy.budget,
            began: now,
            invited: 0,
            requests: 0,
            shapes: Shapes::new(),
            suspects: Suspects::new(),
            models: Recent::new(BREAKERS_MAX),
            models_known: 0,
        }
    }

    /// The budget of a group.
    pub fn budget(&mut self, group: GroupKey) -> &mut Budget {
        &mut self.group(group).budget
    }

    /// Those of a group who wait for an upstream to come back.
    pub fn queue(&mut self, group: GroupKey) -> &mut Queue {
        &mut self.group(group).queue
    }

    /// What pays for the hedges of a group.
    pub fn purse(&mut self, group: GroupKey) -> &mut Purse {
        &mut self.group(group).hedges
    }

    fn group(&mut self, group: GroupKey) -> &mut Group {
        let at = match self.groups.iter().position(|(key, _)| *key == group) {
            Some(at) => at,
            None if self.groups.len() >= GROUPS_MAX => GROUPS_MAX - 1,
            None => {
                let budget = Budget::new(self.budget, self.began);
                self.groups.push((group, Group { budget, queue: Queue::default(), hedges: Purse::default() }));
                self.groups.len() - 1
            }
        };
        &mut self.groups[at].1
    }

    /// How many wait for an upstream to come back, in all groups together.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.groups.iter().map(|(_, group)| group.queue.len()).sum()
    }

    /// What the emptiest purse holds, in milli-tokens; a full one where nobody has asked yet.
    #[must_use]
    pub fn tokens_min(&self) -> i64 {
        let start = i64::try_from(self.budget.start).unwrap_or(i64::MAX);
        self.groups.iter().map(|(_, group)| group.budget.tokens()).min().unwrap_or(start)
    }

    /// A number for a request, unlike all others.
    pub(super) fn number(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// A caller was told `x-should-retry: true`.
    pub fn invite(&mut self) {
        self.invited = (self.invited + 1).min(INVITED_MAX);
    }

    /// A request says that it is a retry: true if Seawall asked for one and this may be it.
    pub fn welcome_back(&mut self) -> bool {
        let expected = self.invited > 0;
        self.invited = self.invited.saturating_sub(1);
        expected
    }

    /// What `candidate` calls the model that `asked` names.
    pub(super) fn sent_model<'a>(&'a self, candidate: Candidate, asked: &'a str) -> &'a str {
        candidate.model.map_or(asked, |alias| self.routes.name(alias))
    }

    /// The breaker of a candidate, if anything is known: without one it is closed.
    pub(super) fn breaker(&self, candidate: Candidate, asked: &str) -> Option<&Breaker> {
        let model = self.sent_model(candidate, asked);
        self.places.get(candidate.upstream.index())?.breakers.peek(model)
    }

    /// The breaker of a candidate, made where there is none.
    pub(super) fn breaker_mut(&mut self, candidate: Candidate, asked: &str) -> &mut Breaker {
        let Fleet { routes, places, .. } = self;
        let model = candidate.model.map_or(asked, |alias| routes.name(alias));
        places[candidate.upstream.index()].breakers.get_or_make(model, Breaker::new)
    }

    pub(super) fn is_closed(&self, candidate: Candidate, asked: &str) -> bool {
        self.breaker(candidate, asked).is_none_or(|breaker| breaker.state() == State::Closed)
    }

    pub(super) fn credentials(&self, upstream: UpstreamId) -> &Credentials {
        &self.places[upstream.index()].credentials
    }

    /// What the answer to an attempt says about the credential it was made with.
    pub(super) fn heard_of_key(
        &mut self,
        now: Time,
        (candidate, asked): (Candidate, &str),
        key: usize,
        heard: &Heard<'_>,
    ) {
        let Fleet { routes, places, .. } = self;
        let model = candidate.model.map_or(asked, |alias| routes.name(alias));
        let Heard { verdict, status, .. } = *heard;
        let credentials = &mut places[candidate.upstream.index()].credentials;
        credentials.heard(now, key, model, verdict.class, status, verdict.wait);
    }

    pub(super) fn credentials_mut(&mut self, upstream: UpstreamId) -> &mut Credentials {
        &mut self.places[upstream.index()].credentials
    }

    pub(super) fn began_at(&mut self, upstream: UpstreamId) {
        self.places[upstream.index()].in_flight += 1;
    }

    pub(super) fn ended_at(&mut self, upstream: UpstreamId) {
        let place = &mut self.places[upstream.index()];
        place.in_flight = place.in_flight.saturating_sub(1);
    }

    /// Attempts under way at an upstream.
    #[must_use]
    pub fn in_flight(&self, upstream: UpstreamId) -> u64 {
        self.places.get(upstream.index()).map_or(0, |place| place.in_flight)
    }

    /// Attempts under way, at all upstreams together.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.places.iter().map(|place| place.in_flight).sum()
    }

    pub(super) fn weight(&self, upstream: UpstreamId) -> u64 {
        self.places[upstream.index()].weight
    }

    pub(super) fn report(&mut self, now: Time, policy: &Policy, dice: &mut Dice, report: Report<'_>) {
        let Report { candidate, asked, permit, vote, alt } = report;
        self.breaker_mut(candidate, asked).report(now, &policy.breaker, dice, permit, vote, alt);
    }

    fn shape(&mut self, (candidate, asked): (Candidate, &str), form: Form) -> ShapeKey {
        let Fleet { routes, models, models_known, .. } = self;
        let name = candidate.model.map_or(asked, |alias| routes.name(alias));
        let model = match models.get(name) {
            Some(number) => *number,
            None => {
                // A model that was forgotten and comes again is a new one: numbers are not used twice.
                *models_known = models_known.wrapping_add(1);
                *models.get_or_insert_with(name.into(), || *models_known)
            }
        };
        ShapeKey { upstream: candidate.upstream, model, form }
    }

    /// How long requests of this form usually take at a candidate.
    pub(super) fn expect(&mut self, place: (Candidate, &str), form: Form, now: Time) -> Expectation {
        let key = self.shape(place, form);
        self.shapes.expect(now, key)
    }

    /// An attempt with a body of `bytes` brought its content after this long.
    pub(super) fn answered_after(
        &mut self,
        place: (Candidate, &str),
        form: Form,
        now: Time,
        after: Duration,
        bytes: u64,
    ) {
        let key = self.shape(place, form);
        if form.is_stream() {
            self.shapes.first_content(now, key, after);
        } else {
            self.shapes.total(now, key, after);
        }
        self.shapes.succeeded(now, key, after, bytes);
    }

    /// An attempt was broken off here after this long.
    pub(super) fn broken_off_after(&mut self, place: (Candidate, &str), form: Form, now: Time, after: Duration) {
        let key = self.shape(place, form);
        self.shapes.broken_off(now, key, after);
    }

    /// The far side gave up after this long.
    pub(super) fn failed_after(&mut self, place: (Candidate, &str), form: Form, now: Time, after: Duration) {
        let key = self.shape(place, form);
        self.shapes.ambiguous(now, key, after);
    }

    /// A candidate said that a body of `bytes` is too large for it.
    pub(super) fn refused_for_size(&mut self, place: (Candidate, &str), form: Form, now: Time, bytes: u64) {
        let key = self.shape(place, form);
        self.shapes.refused_for_size(now, key, bytes);
    }

    /// Why requests of this form and size get no answer from a candidate, if they never do.
    pub(super) fn wall(&mut self, place: (Candidate, &str), form: Form, now: Time, bytes: u64) -> Option<Diagnosis> {
        let key = self.shape(place, form);
        let cliff = self.shapes.cliff(now, key).map(|cliff| Diagnosis::Cliff(cliff, form));
        cliff.or_else(|| Some(Diagnosis::Oversize(self.shapes.oversize(now, key, bytes)?, form)))
    }

    /// Whether requests of this form always fail after the same time at a candidate.
    pub(super) fn has_cliff(&mut self, place: (Candidate, &str), form: Form, now: Time) -> bool {
        let key = self.shape(place, form);
        self.shapes.cliff(now, key).is_some()
    }

    /// Whether a retry may find out if a wall is still there.
    pub(super) fn trial(&mut self, place: (Candidate, &str), form: Form, now: Time) -> bool {
        let key = self.shape(place, form);
        self.shapes.trial(now, key)
    }

    /// Where an attempt went, as far as tools are judged by it.
    pub(super) fn road(&mut self, place: (Candidate, &str), form: Form) -> Road {
        let ShapeKey { upstream, model, form } = self.shape(place, form);
        Road { upstream, model, form: form.road() }
    }

    /// What became of an attempt, for what is known of its tools.
    pub(super) fn came(&mut self, now: Time, tried: Tried, came: Came) {
        self.suspects.came(now, tried, came);
    }

    /// Why it is likely the tools that fail there, if it is.
    pub(super) fn likely_tools(&self, now: Time, road: Road, tools: u64) -> Option<Evidence> {
        self.suspects.likely(now, road, tools)
    }

    /// Whether these tools may be sent once without streaming, to learn more: true takes the turn.
    pub(super) fn may_probe(&mut self, now: Time, road: Road, tools: u64) -> bool {
        self.suspects.may_probe(now, road, tools)
    }

    /// A stream that had begun well broke off.
    pub fn broke(&mut self, now: Time, policy: &Policy, dice: &mut Dice, served: &Served) {
        let Some(place) = self.places.get_mut(served.upstream.index()) else { return };
        if let Some(breaker) = place.breakers.get(&*served.model) {
            breaker.mid_stream(now, &policy.breaker, dice, served.request, served.body, served.alt);
        }
    }

    /// Every key that rests at `now`: upstream, its index among the upstream's own, the model that it rests for
    /// alone, if it is not for all, and until when.
    pub fn resting(&self, now: Time) -> impl Iterator<Item = (UpstreamId, usize, Option<&str>, Time)> {
        self.places.iter().zip(0..).flat_map(move |(place, at)| {
            place.credentials.resting(now).map(move |(key, model, until)| (UpstreamId(at), key, model, until))
        })
    }

    /// Every breaker that something is known of: upstream, model, state.
    pub fn breakers(&self) -> impl Iterator<Item = (UpstreamId, &str, &Breaker)> {
        self.places.iter().zip(0..).flat_map(|(place, at)| {
            place.breakers.iter().map(move |(model, breaker)| (UpstreamId(at), &**model, breaker))
        })
    }
}
