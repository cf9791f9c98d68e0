//! What became of everybody, in figures.
//!
//! A figure is made of the transcript alone, so it means the same whoever decided. Several
//! rehearsals of one story are added up: shares over all their requests, quantiles over all their
//! times, and of what is a moment (the recovery, the peak) the worst, where the median is not asked.
//!
//! Two definitions need words. *In the incident* are the requests that **arrived** between its first
//! and its last moment, whatever became of them later. *Recovery* is the time from the end of the
//! incident to the first arrival that begins a window of ten in a row, or of all within a second if
//! they are more, of which none fails.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::time::{Time, micros};
use seawall_core::verdict::Class;

use crate::decide::State;
use crate::script::Trouble;
use crate::world::{Line, What};

/// When the upstreams of a story are not as they usually are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    /// Its first moment.
    pub from: Duration,
    /// Its last.
    pub to: Duration,
}

/// What became of the requests of one rehearsal or several.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Rehearsals in it.
    pub runs: u64,
    /// All requests, and those that arrived in the incident.
    pub all: Part,
    /// Those that arrived in the incident; all, in a story without one.
    pub inside: Part,
    /// Requests that failed, though neither troubled themselves nor broken off after their beginning.
    pub lost: u64,
    /// Microseconds of attempts, and those of them that gave nobody an answer.
    pub work: u64,
    /// Of these, what gave nobody an answer.
    pub wasted: u64,
    /// From arrival to the first content, in microseconds, of those that were answered whole.
    pub first: Vec<u64>,
    /// From arrival to the end, in microseconds, of those that were answered whole.
    pub total: Vec<u64>,
    /// From arrival to being told no, of those in the incident; of the troubled, if there are any.
    pub fails: Vec<u64>,
    /// From the end of the incident to recovery, for each rehearsal; `None` for never.
    pub recoveries: Vec<Option<u64>>,
    /// From the end of the incident to the tenth answer of an upstream that had failed.
    pub returns: Vec<Option<u64>>,
    /// The most attempts begun within one second.
    pub peak: u64,
    /// Times that a breaker opened.
    pub trips: u64,
    /// Requests refused without an attempt.
    pub refusals: u64,
    /// Attempts beyond the first of a request that began in the incident: the most of one rehearsal.
    pub extra: u64,
    /// Retries that failed beyond what starts, successes and time pay for: the most of one rehearsal.
    pub overspent: u64,
    /// Troubled requests that arrived after three had failed, and their attempts.
    pub troubled: u64,
    /// Their attempts.
    pub troubled_attempts: u64,
    /// What is drawn: of the first rehearsal.
    pub course: Vec<Bucket>,
}

/// Requests and what they came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Requests, each counted once, however often its caller came back.
    pub requests: u64,
    /// Those that got a whole answer.
    pub answered: u64,
    /// Attempts.
    pub attempts: u64,
}

/// One stretch of the timeline.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Requests that arrived in it.
    pub arrived: u32,
    /// Those of them that got a whole answer.
    pub answered: u32,
    /// Attempts that began in it.
    pub began: u32,
}

/// Stretches in a timeline.
pub const BUCKETS: usize = 60;

/// Requests in a row that must succeed for a recovery.
const WINDOW: usize = 10;
/// Answers of an upstream that has come back.
const BACK: u32 = 10;

/// Counts while a rehearsal is played.
#[derive(Debug)]
pub struct Counter {
    length: Duration,
    incident: Option<Incident>,
    calls: Vec<Call>,
    /// Requests, each with the call that it belongs to.
    requests: Vec<usize>,
    attempts: BTreeMap<(usize, u32), Attempt>,
    launches: BTreeMap<u64, u64>,
    tally: Tally,
    failed_troubled: u32,
    failed_retries: u64,
    first_successes: u64,
    in_flight: u64,
    in_flight_peak: u64,
    failed_at: Vec<bool>,
    answered_at: Vec<u32>,
    returned: Option<u64>,
    until: Time,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    arrived: Time,
    is_inside: bool,
    is_troubled: bool,
    is_late_troubled: bool,
    attempts: u64,
    first: Option<Time>,
    is_answered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    began: Time,
    upstream: usize,
    is_first: bool,
}

impl Counter {
    /// For a rehearsal of this length.
    #[must_use]
    pub fn new(length: Duration, incident: Option<Incident>, upstreams: usize) -> Counter {
        Counter {
            length,
            incident,
            calls: Vec::new(),
            requests: Vec::new(),
            attempts: BTreeMap::new(),
            launches: BTreeMap::new(),
            tally: Tally { course: vec![Bucket::default(); BUCKETS], ..Tally::default() },
            failed_troubled: 0,
            failed_retries: 0,
            first_successes: 0,
            in_flight: 0,
            in_flight_peak: 0,
            failed_at: vec![false; upstreams],
            answered_at: vec![0; upstreams],
            returned: None,
            until: Time::ZERO,
        }
    }

    /// Sees the next line.
    pub fn see(&mut self, line: &Line) {
        self.until = line.at;
        match line.what {
            What::Arrived { caller, again, .. } => self.arrived(line.at, again, caller.trouble != Trouble::None),
            What::Began { attempt, upstream, .. } => self.began(line, attempt, upstream.index()),
            What::Ended { attempt, class, .. } => self.ended(line, attempt, class),
            What::Dropped { attempt } => {
                if let Some(attempt) = self.attempts.remove(&(line.request, attempt)) {
                    let took = self.took(line.at, attempt);
                    self.tally.work += took;
                    self.tally.wasted += took;
                    self.in_flight -= u64::from(attempt.is_first);
                }
            }
            What::Answered { .. } => {
                let at = self.requests[line.request];
                self.calls[at].first = Some(line.at);
            }
            What::Done => self.done(line),
            What::Broke | What::Left | What::Failed { .. } => self.failed(line),
            What::Turned { to: State::Open, .. } => self.tally.trips += 1,
            What::Turned { .. } | What::Waits { .. } | What::Queued => {}
        }
    }

    /// All that was counted.
    #[must_use]
    pub fn close(mut self) -> Tally {
        let incident = self.incident;
        for call in &self.calls {
            self.tally.all.add(call);
            self.tally.troubled += u64::from(call.is_late_troubled);
            self.tally.troubled_attempts += if call.is_late_troubled { call.attempts } else { 0 };
            self.tally.lost += u64::from(!call.is_answered && !call.is_troubled && call.first.is_none());
            if incident.is_none() || call.is_inside {
                self.tally.inside.add(call);
            }
        }
        let tally = &mut self.tally;
        tally.runs = 1;
        tally.peak = self.launches.values().copied().max().unwrap_or(0);
        if let Some(incident) = incident {
            tally.recoveries.push(recovery(&self.calls, incident.to));
            if self.failed_at.contains(&true) {
                tally.returns.push(self.returned);
            }
        }
        let seconds = self.until.since(Time::ZERO).as_secs();
        let paid = (10_000 + 200 * (self.first_successes + self.in_flight_peak) + 100 * seconds) / 1_000;
        tally.overspent = self.failed_retries.saturating_sub(paid);
        for times in [&mut tally.first, &mut tally.total, &mut tally.fails] {
            times.sort_unstable();
        }
        self.tally
    }

    fn is_inside(&self, at: Time) -> bool {
        let at = at.since(Time::ZERO);
        self.incident.is_some_and(|incident| incident.from <= at && at < incident.to)
    }

    fn arrived(&mut self, at: Time, again: Option<usize>, is_troubled: bool) {
        if let Some(first) = again {
            let call = self.requests[first];
            self.requests.push(call);
            return;
        }
        self.requests.push(self.calls.len());
        let is_inside = self.is_inside(at);
        let is_late_troubled = is_troubled && self.failed_troubled >= 3;
        self.calls.push(Call {
            arrived: at,
            is_inside,
            is_troubled,
            is_late_troubled,
            attempts: 0,
            first: None,
            is_answered: false,
        });
        self.bucket(at).arrived += 1;
    }

    fn began(&mut self, line: &Line, attempt: u32, upstream: usize) {
        let is_first = attempt == 1;
        let call = self.requests[line.request];
        self.calls[call].attempts += 1;
        self.attempts.insert((line.request, attempt), Attempt { began: line.at, upstream, is_first });
        self.in_flight += u64::from(is_first);
        self.in_flight_peak = self.in_flight_peak.max(self.in_flight);
        self.tally.extra += u64::from(!is_first && self.is_inside(line.at));
        *self.launches.entry(line.at.as_micros() / 1_000_000).or_default() += 1;
        self.bucket(line.at).began += 1;
    }

    fn ended(&mut self, line: &Line, number: u32, class: Class) {
        let is_ok = class == Class::Ok;
        // An answer goes on: it is removed when it is whole, or not.
        let Some(&attempt) = self.attempts.get(&(line.request, number)) else { return };
        self.in_flight -= u64::from(attempt.is_first);
        self.first_successes += u64::from(attempt.is_first && is_ok);
        self.failed_retries += u64::from(!attempt.is_first && !is_ok);
        let since = line.at.since(Time::ZERO);
        let is_inside = self.is_inside(line.at);
        self.failed_at[attempt.upstream] |= is_inside && !is_ok;
        if let Some(incident) = self.incident
            && since >= incident.to
            && is_ok
            && self.failed_at[attempt.upstream]
        {
            let answers = &mut self.answered_at[attempt.upstream];
            *answers += 1;
            if *answers == BACK && self.returned.is_none() {
                self.returned = Some(micros(since - incident.to));
            }
        }
        if !is_ok {
            let took = self.took(line.at, attempt);
            self.tally.work += took;
            self.tally.wasted += took;
            self.attempts.remove(&(line.request, number));
        }
    }

    fn done(&mut self, line: &Line) {
        let at = self.requests[line.request];
        self.close_flowing(line, false);
        let call = &mut self.calls[at];
        call.is_answered = true;
        let (arrived, first) = (call.arrived, call.first.unwrap_or(line.at));
        self.tally.first.push(micros(first.since(arrived)));
        self.tally.total.push(micros(line.at.since(arrived)));
        self.bucket(arrived).answered += 1;
    }

    fn failed(&mut self, line: &Line) {
        self.close_flowing(line, true);
        let at = self.requests[line.request];
        let call = self.calls[at];
        self.failed_troubled += u32::from(call.is_troubled);
        self.tally.refusals += u64::from(call.attempts == 0);
        let is_counted =
            if call.is_troubled { call.is_late_troubled } else { call.is_inside || self.incident.is_none() };
        if let (What::Failed { .. }, true) = (line.what, is_counted) {
            self.tally.fails.push(micros(line.at.since(call.arrived)));
        }
    }

    /// What was flowing to the caller has ended.
    fn close_flowing(&mut self, line: &Line, was_useless: bool) {
        let range = (line.request, 0)..=(line.request, u32::MAX);
        while let Some((&key, &attempt)) = self.attempts.range(range.clone()).next() {
            self.attempts.remove(&key);
            let took = self.took(line.at, attempt);
            self.tally.work += took;
            self.tally.wasted += if was_useless { took } else { 0 };
        }
    }

    fn took(&self, now: Time, attempt: Attempt) -> u64 {
        micros(now.since(attempt.began))
    }

    fn bucket(&mut self, at: Time) -> &mut Bucket {
        let at = micros(at.since(Time::ZERO)).saturating_mul(BUCKETS as u64) / micros(self.length).max(1);
        let at = usize::try_from(at).map_or(BUCKETS - 1, |at| at.min(BUCKETS - 1));
        &mut self.tally.course[at]
    }
}

impl Part {
    fn add(&mut self, call: &Call) {
        self.requests += 1;
        self.answered += u64::from(call.is_answered);
        self.attempts += call.attempts;
    }

    fn merge(&mut self, other: Part) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.attempts += other.attempts;
    }

    /// The share that got a whole answer, in parts of a million; `None` without requests.
    #[must_use]
    pub fn success(&self) -> Option<u64> {
        (self.answered * 1_000_000).checked_div(self.requests)
    }

    /// Attempts per request, in parts of a million of one.
    #[must_use]
    pub fn amplification(&self) -> Option<u64> {
        (self.attempts * 1_000_000).checked_div(self.requests)
    }
}

impl Tally {
    /// Adds another rehearsal of the same story.
    pub fn add(&mut self, other: Tally) {
        if self.runs == 0 {
            *self = other;
            return;
        }
        self.runs += other.runs;
        self.all.merge(other.all);
        self.inside.merge(other.inside);
        self.lost += other.lost;
        self.work += other.work;
        self.wasted += other.wasted;
        self.first.extend(other.first);
        self.total.extend(other.total);
        self.fails.extend(other.fails);
        self.recoveries.extend(other.recoveries);
        self.returns.extend(other.returns);
        self.peak = self.peak.max(other.peak);
        self.trips += other.trips;
        self.refusals += other.refusals;
        self.extra = self.extra.max(other.extra);
        self.overspent = self.overspent.max(other.overspent);
        self.troubled += other.troubled;
        self.troubled_attempts += other.troubled_attempts;
        for times in [&mut self.first, &mut self.total, &mut self.fails] {
            times.sort_unstable();
        }
    }
}

/// The time that `parts` of a thousand do not exceed, of sorted times.
#[must_use]
pub fn quantile(sorted: &[u64], parts: usize) -> Option<u64> {
    let rank = (sorted.len() * parts).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied()
}

/// From `end` to the first arrival that begins a window in which nobody fails.
fn recovery(calls: &[Call], end: Duration) -> Option<u64> {
    let end = Time::ZERO + end;
    let after = &calls[calls.partition_point(|call| call.arrived < end)..];
    // Troubled requests fail whatever is decided: they say nothing about the upstream.
    let after: Vec<&Call> = after.iter().filter(|call| !call.is_troubled).collect();
    // From the back: the next failure at or after each arrival.
    let mut next_failure = after.len();
    let mut found = None;
    for at in (0..after.len()).rev() {
        if !after[at].is_answered {
            next_failure = at;
        }
        let second = after[at].arrived + Duration::from_secs(1);
        let within = after[at..].partition_point(|call| call.arrived < second);
        let window = within.max(WINDOW);
        if at + window <= after.len() && at + window <= next_failure {
            found = Some(micros(after[at].arrived.since(end)));
        }
    }
    found
}
