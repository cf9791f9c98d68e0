//! `/api/v1/upstreams`: each upstream, how it does now and how it did in the last hour and a half.

use std::collections::HashMap;

use schemars::JsonSchema;
use seawall_core::plan::breaker::State;
use serde::Serialize;

use super::super::Server;
use super::record::Record;
use crate::observe::journal::minutes::{Bar, MINUTE_MICROS};
use crate::observe::journal::when::Moment;
use crate::observe::recent::LastFailure;
use crate::observe::status_page::Indicator;
use crate::observe::status_page::board::Posted;

/// Minutes that are told of each upstream.
pub(super) const MINUTES: usize = 90;

/// Every upstream.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Upstreams {
    /// The moment that this is told of.
    pub(super) time: Moment,
    /// Retries that the budget would pay for; of several budgets the emptiest. Upstreams of one route share one.
    pub(super) budget_tokens: f64,
    /// The upstreams, in the order of the configuration.
    pub(super) upstreams: Vec<Upstream>,
}

/// One upstream.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Upstream {
    /// Its name.
    pub(super) name: String,
    /// Attempts under way.
    pub(super) in_flight: u64,
    /// What is known of each model that was asked for here.
    pub(super) breakers: Vec<BreakerOf>,
    /// Keys that rest after a 429 or a refusal.
    pub(super) resting: Vec<Resting>,
    /// The latest failure since the start.
    pub(super) last_failure: Option<LastFailure>,
    /// What the provider's status page says; `null` if there is none.
    pub(super) status_page: Option<PageOf>,
    /// The last 90 minutes, the oldest first, the present one last; what is younger than ten seconds may be missing.
    /// `null` while the journal cannot be read.
    pub(super) minutes: Option<Vec<Minute>>,
}

/// How far the breaker of a model has gone.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Breaker")]
pub(super) struct BreakerOf {
    /// The model; `-` for requests without one.
    pub(super) model: String,
    /// `closed`, `guarded`, `open`, `half_open` or `ramp`.
    pub(super) state: &'static str,
    /// The same in plain words.
    pub(super) says: &'static str,
}

/// A key that rests.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RestingKey")]
pub(super) struct Resting {
    /// Its place and where it comes from; never the key.
    pub(super) key: String,
    /// The model that it rests for alone; `null` if it rests for all.
    pub(super) model: Option<String>,
    /// For how long, in seconds.
    pub(super) for_s: f64,
}

/// What a status page says.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOfUpstream")]
pub(super) struct PageOf {
    /// Its address.
    pub(super) url: String,
    /// `none`, `minor`, `major` and the like; `null` if it says nothing, or was not read.
    pub(super) indicator: Option<&'static str>,
    /// The same in its own words.
    pub(super) description: Option<String>,
    /// When it was read last.
    pub(super) read: Option<Moment>,
}

/// What happened in a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Minute {
    /// When it began.
    pub(super) minute: Moment,
    /// Requests that ended here.
    pub(super) requests: u64,
    /// Attempts that ended here.
    pub(super) attempts: u64,
    /// Those of them that failed.
    pub(super) failed: u64,
}

impl Upstreams {
    /// Every upstream, as it is now; with its minutes if there is a `record` to read them from.
    pub(super) async fn of(server: &Server, record: Option<&Record>) -> Upstreams {
        let now = seawall::proxy::unix_micros();
        let last = now.div_euclid(MINUTE_MICROS);
        let first = last + 1 - i64::try_from(MINUTES).unwrap_or(i64::MAX);
        let bars = match record {
            Some(record) => {
                let path = server.observe.journal.path();
                record.read(path, move |reader| reader.bars(first, last + 1)).await.ok().map(by_upstream)
            }
            None => None,
        };
        let (breakers, resting) = (server.client.breakers(), server.client.resting());
        let in_flight = server.client.in_flight();
        let failures = server.observe.recent.last_failures();
        let pages = server.observe.pages.posted();
        let names = server.client.upstream_names();
        let upstreams = names.into_iter().enumerate().map(|(at, name)| Upstream {
            in_flight: in_flight.get(at).copied().unwrap_or_default(),
            breakers: breakers.iter().filter(|(upstream, ..)| *upstream == name).map(BreakerOf::of).collect(),
            resting: resting
                .iter()
                .filter(|(upstream, ..)| *upstream == name)
                .map(|(upstream, key, model, rest)| Resting {
                    key: server.observe.incidents.key(upstream, *key),
                    model: model.clone(),
                    for_s: rest.as_secs_f64(),
                })
                .collect(),
            last_failure: failures.get(at).cloned().flatten(),
            status_page: pages.iter().find(|posted| posted.upstream == name).and_then(PageOf::of),
            minutes: bars.as_ref().map(|bars| filled(bars.get(&name).map_or(&[], Vec::as_slice), first, last)),
            name,
        });
        #[expect(clippy::cast_precision_loss, reason = "tokens are far below 2^52")]
        let budget_tokens = server.client.budget_tokens() as f64 / 1_000.0;
        Upstreams { time: Moment(now), budget_tokens, upstreams: upstreams.collect() }
    }
}

fn by_upstream(bars: Vec<Bar>) -> HashMap<String, Vec<Bar>> {
    let mut sorted: HashMap<String, Vec<Bar>> = HashMap::new();
    for bar in bars {
        sorted.entry(bar.upstream.clone()).or_default().push(bar);
    }
    sorted
}

/// Every minute from `first` to `last`: those of which nothing is on record had nothing.
fn filled(bars: &[Bar], first: i64, last: i64) -> Vec<Minute> {
    let minute = |at: i64| {
        let bar = bars.iter().find(|bar| bar.minute == at);
        let Bar { requests, attempts, failed, .. } = bar.cloned().unwrap_or_default();
        Minute { minute: Moment(at.saturating_mul(MINUTE_MICROS)), requests, attempts, failed }
    };
    (first..=last).map(minute).collect()
}

impl BreakerOf {
    fn of((_, model, state): &(String, String, State)) -> BreakerOf {
        let says = match state {
            State::Closed => "asked as usual",
            State::Guarded => "fails: first attempts go here, retries do not",
            State::Open => "nearly everything fails: nothing goes here for a moment",
            State::Half => "looks whether it is well again: one request at a time",
            State::Ramp => "comes back: a few requests at a time, more with each answer",
        };
        BreakerOf { model: model.clone(), state: state.name(), says }
    }
}

impl PageOf {
    fn of(posted: &Posted) -> Option<PageOf> {
        let page = posted.snapshot.page.as_deref();
        Some(PageOf {
            url: posted.url.clone()?,
            indicator: page.and_then(|page| page.indicator).map(Indicator::name),
            description: page.and_then(|page| page.description.clone()),
            read: posted.snapshot.read.map(Moment),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_without_a_row_are_told_as_nothing() {
        let bar = Bar { minute: 12, upstream: "u".to_owned(), requests: 3, attempts: 5, failed: 2 };
        let told = filled(&[bar], 10, 13);
        assert_eq!(told.iter().map(|minute| minute.failed).collect::<Vec<_>>(), [0, 0, 2, 0]);
        assert_eq!((told[2].requests, told[2].attempts, told[2].minute), (3, 5, Moment(12 * MINUTE_MICROS)));
    }

    #[test]
    fn every_state_of_a_breaker_is_said_in_its_own_words() {
        let said: std::collections::BTreeSet<_> =
            State::ALL.iter().map(|state| BreakerOf::of(&(String::new(), String::new(), *state)).says).collect();
        assert_eq!(said.len(), State::ALL.len());
    }
}
