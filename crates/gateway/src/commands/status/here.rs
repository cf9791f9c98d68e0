//! What the record says of an upstream: how much failed, of what kind, and since when.
//!
//! Where the gateway found an incident, that says since when. Else the journal holds failures and hardly any
//! successes, so it is told from how close together they are: the moment at which they became more frequent for good. Noise at a steady rate has no such
//! moment, and then none is made up.

use std::collections::{BTreeMap, HashMap};

use crate::observe::journal::incidents::IncidentRow;
use crate::observe::journal::read::{Filter, Journals, ReadError};
use crate::observe::journal::row::AttemptRow;

/// Rows that are read, the newest; more would tell the same.
pub(super) const ROWS_MAX: usize = 100_000;
/// Models that are told apart; the others are one.
pub(super) const MODELS_MAX: usize = 20;
/// Request ids that are told, the newest.
const IDS_MAX: usize = 3;
/// After a silence of this length something new begins, and what was is over.
pub(super) const SILENCE_MICROS: i64 = 600 * 1_000_000;
/// Fewer failed requests are no run.
pub(super) const RUN_MIN: usize = 4;
/// How much likelier than one steady rate two rates must be, as a logarithm: 1 in 3,000.
const SURELY: f64 = 8.0;
/// How much more frequent failures must have become.
const RISE_MIN: f64 = 3.0;

/// Every upstream of the record.
#[derive(Debug, Default)]
pub(super) struct Record {
    since: i64,
    upstreams: BTreeMap<String, Counts>,
}

/// What failed at one upstream.
#[derive(Debug, Clone, Default)]
pub(super) struct Here {
    /// Where the count begins, in microseconds since the Unix epoch.
    pub(super) since: i64,
    /// Failed attempts.
    pub(super) failures: u64,
    /// The same by class, the most frequent first.
    pub(super) classes: Vec<(String, u64)>,
    /// The same by model, the most frequent first.
    pub(super) models: Vec<OfModel>,
    /// When the newest began.
    pub(super) last: Option<i64>,
    /// The upstream's own ids of the newest.
    pub(super) request_ids: Vec<String>,
    /// Incidents that were not over when the count begins, the newest first.
    pub(super) incidents: Vec<IncidentRow>,
    /// When requests failed by no fault of their caller, each once, the earliest first.
    times: Vec<i64>,
}

/// What failed of one model.
#[derive(Debug, Clone)]
pub(super) struct OfModel {
    /// `None` is requests without one.
    pub(super) model: Option<String>,
    /// Failed attempts.
    pub(super) failures: u64,
    /// The same by class, the most frequent first.
    pub(super) classes: Vec<(String, u64)>,
}

/// Since when failures come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// They do not, or only now and then.
    None,
    /// They did, until then.
    Over(i64),
    /// Since then.
    Since(i64),
    /// As often as now for as long as the record was looked at.
    Steady,
}

#[derive(Debug, Default)]
struct Counts {
    here: Here,
    models: BTreeMap<Option<String>, BTreeMap<String, u64>>,
    classes: BTreeMap<String, u64>,
    /// The first failure of each request.
    requests: HashMap<String, i64>,
}

impl Record {
    /// Reads what failed since then.
    pub(super) fn read(journals: &Journals, since: i64) -> Result<Record, ReadError> {
        let mut record = Record { since, upstreams: BTreeMap::new() };
        let filter = Filter { since: Some(since), ..Filter::default() };
        for (at, row) in journals.attempts(&filter).take(ROWS_MAX).enumerate() {
            let row = row?;
            if at + 1 == ROWS_MAX {
                record.since = row.time;
            }
            record.upstreams.entry(row.upstream.clone()).or_default().count(row);
        }
        for incident in journals.incidents(since, i64::MAX)? {
            let Some(upstream) = incident.upstream.clone().filter(|_| incident.under.is_none()) else { continue };
            record.upstreams.entry(upstream).or_default().here.incidents.push(incident);
        }
        Ok(record)
    }

    /// What failed at `upstream`, which is then no longer among the rest.
    pub(super) fn take(&mut self, upstream: &str) -> Here {
        self.upstreams.remove(upstream).unwrap_or_default().here(self.since)
    }

    /// What has not been taken.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, Here)> {
        let since = self.since;
        self.upstreams.into_iter().map(move |(name, counts)| (name, counts.here(since)))
    }
}

impl Counts {
    /// Counts a row; they come newest first.
    fn count(&mut self, row: AttemptRow) {
        let here = &mut self.here;
        here.failures += 1;
        here.last = here.last.or(Some(row.time));
        if here.request_ids.len() < IDS_MAX {
            here.request_ids.extend(row.upstream_request_id);
        }
        *self.classes.entry(row.class.clone()).or_default() += 1;
        let is_known = self.models.len() < MODELS_MAX || self.models.contains_key(&row.facts.model);
        let model = if is_known { row.facts.model } else { Some("other".to_owned()) };
        *self.models.entry(model).or_default().entry(row.class).or_default() += 1;
        if row.whose == "provider" || row.whose == "network" {
            self.requests.insert(row.request_id, row.time);
        }
    }

    fn here(self, since: i64) -> Here {
        let each = self.models.into_iter().map(|(model, classes)| OfModel {
            model,
            failures: classes.values().sum(),
            classes: sorted(classes),
        });
        let mut models: Vec<OfModel> = each.collect();
        models.sort_by_key(|of| std::cmp::Reverse(of.failures));
        let mut times: Vec<i64> = self.requests.into_values().collect();
        times.sort_unstable();
        Here { since, classes: sorted(self.classes), models, times, ..self.here }
    }
}

fn sorted(counts: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

impl Here {
    /// Since when failures come, seen at `now`: what the gateway found, where it did, else what their times say.
    pub(super) fn run(&self, now: i64) -> Run {
        let open = self.incidents.iter().filter(|incident| incident.closed.is_none() && incident.kind != "latency");
        match open.map(|incident| incident.since).min() {
            Some(since) => Run::Since(since),
            None => run(&self.times, self.since, now),
        }
    }
}

/// Since when `times`, the earliest first and all after `since`, are as frequent as they are `now`.
fn run(times: &[i64], since: i64, now: i64) -> Run {
    let Some(&last) = times.last() else { return Run::None };
    if now - last > SILENCE_MICROS {
        return if times.len() < RUN_MIN { Run::None } else { Run::Over(last) };
    }
    let silence = times.windows(2).rposition(|pair| pair[1] - pair[0] > SILENCE_MICROS);
    let (before, times) = silence.map_or((since, times), |at| (times[at], &times[at + 1..]));
    if times.len() < RUN_MIN {
        return Run::None;
    }
    match rise(times, before, now) {
        Some(first) => Run::Since(first),
        None if times[0] - before > SILENCE_MICROS => Run::Since(times[0]),
        None => Run::Steady,
    }
}

/// The failure from which on they are surely more frequent than before it: of two rates, one before and one
/// after, those that make the times the likeliest.
#[expect(clippy::cast_precision_loss, reason = "counts and seconds are far below 2^52")]
fn rise(times: &[i64], from: i64, now: i64) -> Option<i64> {
    let seconds = |micros: i64| (micros as f64 / 1_000_000.0).max(1.0);
    let all = times.len() as f64 / seconds(now - from);
    let mut best = (SURELY, None);
    for (earlier, &at) in times.iter().enumerate().take(times.len() - RUN_MIN + 1) {
        let (before, after) = (earlier as f64, (times.len() - earlier) as f64);
        let (slow, fast) = (before / seconds(at - from), after / seconds(now - at));
        let gain = after * (fast / all).ln() + if earlier > 0 { before * (slow / all).ln() } else { 0.0 };
        if fast > RISE_MIN * slow && gain > best.0 {
            best = (gain, Some(at));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use seawall_core::dice::Dice;

    use super::*;

    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3_600 * SECOND;

    /// One every `every` seconds from `first` on, to the end of the hour.
    fn steady(first: i64, every: i64) -> Vec<i64> {
        (0..).map(|n| (first + n * every) * SECOND).take_while(|at| *at < HOUR).collect()
    }

    #[test]
    fn an_outage_began_with_its_first_failure() {
        assert_eq!(run(&[], 0, HOUR), Run::None);
        for (first, every) in [(1_800, 1), (3_590, 2), (60, 1), (700, 300), (2_400, 290)] {
            let times = steady(first, every);
            assert_eq!(run(&times, 0, HOUR), Run::Since(first * SECOND), "from {first}, every {every}");
        }
    }

    #[test]
    fn what_fails_now_and_then_before_is_not_part_of_it() {
        let mut times = steady(30, 90);
        times.extend(steady(2_700, 2));
        times.sort_unstable();
        let Run::Since(first) = run(&times, 0, HOUR) else { panic!("{:?}", run(&times, 0, HOUR)) };
        assert!((2_640..=2_700).contains(&(first / SECOND)), "{}", first / SECOND);
    }

    #[test]
    fn noise_has_no_beginning() {
        let mut told = 0;
        for seed in 0..200 {
            let mut dice = Dice::new(seed);
            let mut times: Vec<i64> =
                (0..60).map(|_| i64::try_from(dice.between(0, 3_599)).unwrap() * SECOND).collect();
            times.sort_unstable();
            told += usize::from(matches!(run(&times, 0, HOUR), Run::Since(_)));
        }
        assert!(told <= 4, "{told} of 200 hours of noise were called an outage");
        assert_eq!(run(&steady(5, 30), 0, HOUR), Run::Steady);
    }

    #[test]
    fn a_silence_ends_a_run_and_few_are_none() {
        let silent = SILENCE_MICROS / SECOND;
        let burst: Vec<i64> = (0..20).map(|n| (600 + n) * SECOND).collect();
        assert_eq!(run(&burst, 0, HOUR), Run::Over(619 * SECOND));
        assert_eq!(run(&burst[..3], 0, HOUR), Run::None);
        let mut again = burst.clone();
        again.extend((0..5).map(|n| (619 + silent + 1 + n * 60) * SECOND));
        assert_eq!(
            run(&again, 0, (1_500 + 60) * SECOND),
            Run::Since((619 + silent + 1) * SECOND),
            "not the burst before"
        );
        assert_eq!(run(&[HOUR - 3, HOUR - 2, HOUR - 1], 0, HOUR), Run::None);
    }
}
