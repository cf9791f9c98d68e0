//! What a load run saw, and the line of JSON it becomes.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::exchange::Answer;

/// The longest latency a histogram can hold, in tenths of a microsecond: one minute.
const LATENCY_MAX: u64 = 600_000_000;

#[derive(Debug)]
pub(crate) struct Tally {
    statuses: BTreeMap<u16, u64>,
    exact: u64,
    wrong_body: u64,
    wrong_receipt: u64,
    errors: BTreeMap<String, u64>,
    attempts: u64,
    attempts_told: u64,
    latency: Histogram<u64>,
    first_body: Histogram<u64>,
    last: Option<Instant>,
    /// Starts that slipped.
    pub(crate) late: u64,
    /// Requests never sent: too many were in flight.
    pub(crate) refused: u64,
}

/// One load run, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Answers of any status.
    pub(crate) answered: u64,
    /// Answers with status 200 and exactly the bytes that the mock sends.
    pub(crate) exact: u64,
    /// Everything that should not be: wrong bytes, broken connections, requests without an answer.
    pub(crate) wrong: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) errors: BTreeMap<String, u64>,
    /// Mean of `x-seawall-attempts` where it was told.
    pub(crate) attempts_told: Option<f64>,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    pub(crate) late: u64,
    /// From the first byte sent to the last one read.
    pub(crate) latency: Quantiles,
    /// From the first byte sent to the first byte of the body.
    pub(crate) first_body: Quantiles,
}

/// Quantiles in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("1 to 600,000,000 at 3 digits");
        Tally {
            statuses: BTreeMap::new(),
            exact: 0,
            wrong_body: 0,
            wrong_receipt: 0,
            errors: BTreeMap::new(),
            attempts: 0,
            attempts_told: 0,
            latency: histogram(),
            first_body: histogram(),
            last: None,
            late: 0,
            refused: 0,
        }
    }

    /// Counts one outcome. `receipt` is what the mock must have seen of the body.
    pub(crate) fn count(&mut self, outcome: io::Result<Answer>, receipt: Option<&str>, took: Duration) {
        self.last = Some(Instant::now());
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => return self.transport(&error),
        };
        *self.statuses.entry(answer.status).or_default() += 1;
        if let Some(attempts) = answer.attempts {
            self.attempts += attempts;
            self.attempts_told += 1;
        }
        self.latency.saturating_record(tenths(took));
        if answer.status != 200 {
            return;
        }
        self.first_body.saturating_record(tenths(answer.first_body));
        if !answer.is_exact {
            self.wrong_body += 1;
        } else if receipt.is_some() && receipt != answer.receipt.as_deref() {
            self.wrong_receipt += 1;
        } else {
            self.exact += 1;
        }
    }

    pub(crate) fn transport(&mut self, error: &io::Error) {
        *self.errors.entry(error.to_string()).or_default() += 1;
    }

    /// The report; `ended` is false when answers were still owed at the deadline.
    pub(crate) fn report(&self, from: Instant, ended: bool) -> Report {
        let answered: u64 = self.statuses.values().sum();
        let mut errors = self.errors.clone();
        let own = [
            ("wrong body", self.wrong_body),
            ("wrong receipt", self.wrong_receipt),
            ("too many in flight", self.refused),
            ("answers owed at the end", u64::from(!ended)),
        ];
        errors.extend(own.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)));
        let seconds = self.last.map_or(0.0, |last| last.saturating_duration_since(from).as_secs_f64());
        Report {
            answered,
            exact: self.exact,
            wrong: errors.values().sum(),
            statuses: self.statuses.clone(),
            errors,
            attempts_told: (self.attempts_told > 0).then(|| self.attempts as f64 / self.attempts_told as f64),
            seconds,
            per_second: if seconds > 0.0 { answered as f64 / seconds } else { 0.0 },
            late: self.late,
            latency: quantiles(&self.latency),
            first_body: quantiles(&self.first_body),
        }
    }
}

fn tenths(duration: Duration) -> u64 {
    // Tenths, so that a few hundred microseconds keep three digits.
    u64::try_from(duration.as_nanos() / 100).unwrap_or(u64::MAX)
}

fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 10.0;
    Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 / 10.0 }
}
