//! The figures of a rehearsal by their names: what a bar can be about, its unit, and which side is
//! the good one.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::measure::{Tally, quantile};

/// A figure that can be measured, and expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Requests that got a whole answer.
    Success,
    /// The same, of those that arrived in the incident.
    SuccessInside,
    /// Requests that failed, though neither troubled themselves nor broken off after their beginning.
    Lost,
    /// Attempts per request.
    Attempts,
    /// The same, of those that arrived in the incident.
    AttemptsInside,
    /// The share of all attempts' time that gave nobody an answer.
    Wasted,
    /// From the end of the incident until requests succeed as before: the worst rehearsal.
    Recovery,
    /// The same: the rehearsal in the middle.
    RecoveryMedian,
    /// From the end of the incident until an upstream that had failed has answered ten times.
    Return,
    /// From arrival to being told no, in the incident: one half is told sooner.
    FailsP50,
    /// The same: one in a hundred is told later.
    FailsP99,
    /// From arrival to the first content: one half is sooner.
    FirstP50,
    /// The same: one in a hundred is later.
    FirstP99,
    /// From arrival to the end: one in a hundred is later.
    TotalP99,
    /// The most attempts begun within one second.
    Peak,
    /// Times that a breaker opened.
    Trips,
    /// Requests refused without an attempt.
    Refusals,
    /// Attempts per troubled request, once three have failed.
    Billed,
    /// Attempts beyond the first of a request that began in the incident.
    Extra,
    /// Failed retries that nothing has paid for.
    Unpaid,
    /// Success below that of no gateway at all, in points.
    Harm,
    /// How much later the first content is than without a gateway: of the 99th percentiles.
    Slower,
}

/// What a figure counts in; all are kept as whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Parts of a million, told in percent.
    Share,
    /// Parts of a million, told as a plain number.
    Ratio,
    /// Microseconds.
    Time,
    /// A count.
    Count,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// There was nothing to measure.
    Nothing,
    /// It never happened: worse than any number.
    Never,
    /// In the unit of the figure.
    Value(u64),
}

impl Figure {
    /// Every figure, in the order in which they are told.
    pub const ALL: [Figure; 22] = [
        Figure::Success,
        Figure::SuccessInside,
        Figure::Lost,
        Figure::Attempts,
        Figure::AttemptsInside,
        Figure::Wasted,
        Figure::Recovery,
        Figure::RecoveryMedian,
        Figure::Return,
        Figure::FailsP50,
        Figure::FailsP99,
        Figure::FirstP50,
        Figure::FirstP99,
        Figure::TotalP99,
        Figure::Peak,
        Figure::Trips,
        Figure::Refusals,
        Figure::Billed,
        Figure::Extra,
        Figure::Unpaid,
        Figure::Harm,
        Figure::Slower,
    ];

    /// As it is written in a story.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Figure::Success => "success",
            Figure::SuccessInside => "success in incident",
            Figure::Lost => "lost",
            Figure::Attempts => "attempts",
            Figure::AttemptsInside => "attempts in incident",
            Figure::Wasted => "wasted",
            Figure::Recovery => "recovery",
            Figure::RecoveryMedian => "recovery median",
            Figure::Return => "return",
            Figure::FailsP50 => "fails p50",
            Figure::FailsP99 => "fails p99",
            Figure::FirstP50 => "first p50",
            Figure::FirstP99 => "first p99",
            Figure::TotalP99 => "total p99",
            Figure::Peak => "peak",
            Figure::Trips => "trips",
            Figure::Refusals => "refusals",
            Figure::Billed => "billed",
            Figure::Extra => "extra",
            Figure::Unpaid => "unpaid",
            Figure::Harm => "harm",
            Figure::Slower => "slower",
        }
    }

    /// What it counts in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Figure::Success | Figure::SuccessInside | Figure::Lost | Figure::Wasted | Figure::Harm | Figure::Slower => {
                Unit::Share
            }
            Figure::Attempts | Figure::AttemptsInside | Figure::Billed => Unit::Ratio,
            Figure::Recovery
            | Figure::RecoveryMedian
            | Figure::Return
            | Figure::FailsP50
            | Figure::FailsP99
            | Figure::FirstP50
            | Figure::FirstP99
            | Figure::TotalP99 => Unit::Time,
            Figure::Peak | Figure::Trips | Figure::Refusals | Figure::Extra | Figure::Unpaid => Unit::Count,
        }
    }

    /// Whether more of it is better.
    #[must_use]
    pub const fn is_better_high(self) -> bool {
        matches!(self, Figure::Success | Figure::SuccessInside)
    }

    /// What `tally` says of it; `none` is the same story without a gateway.
    #[must_use]
    pub fn of(self, tally: &Tally, none: Option<&Tally>) -> Measured {
        let below = |share: fn(&Tally) -> Option<u64>| Some((share(none?)?, share(tally)?));
        match self {
            Figure::Success => tally.all.success().into(),
            Figure::SuccessInside => tally.inside.success().into(),
            Figure::Lost => share(tally.lost, tally.all.requests).into(),
            Figure::Attempts => tally.all.amplification().into(),
            Figure::AttemptsInside => tally.inside.amplification().into(),
            Figure::Wasted => share(tally.wasted, tally.work).into(),
            Figure::Recovery => worst(&tally.recoveries),
            Figure::RecoveryMedian => median(&tally.recoveries),
            Figure::Return => worst(&tally.returns),
            Figure::FailsP50 => quantile(&tally.fails, 500).into(),
            Figure::FailsP99 => quantile(&tally.fails, 990).into(),
            Figure::FirstP50 => quantile(&tally.first, 500).into(),
            Figure::FirstP99 => quantile(&tally.first, 990).into(),
            Figure::TotalP99 => quantile(&tally.total, 990).into(),
            Figure::Peak => Measured::Value(tally.peak),
            Figure::Trips => Measured::Value(tally.trips),
            Figure::Refusals => Measured::Value(tally.refusals),
            Figure::Billed => share(tally.troubled_attempts, tally.troubled).into(),
            Figure::Extra => Measured::Value(tally.extra),
            Figure::Unpaid => Measured::Value(tally.overspent),
            Figure::Harm => below(|tally| tally.all.success()).map(|(none, own)| none.saturating_sub(own)).into(),
            Figure::Slower => {
                let slower = |(none, own): (u64, u64)| share(own.saturating_sub(none), none);
                below(|tally| quantile(&tally.first, 990)).and_then(slower).into()
            }
        }
    }

    /// Whether `measured` is within `limit`. What was not measured holds nothing.
    #[must_use]
    pub fn holds(self, measured: Measured, limit: u64) -> bool {
        match measured {
            Measured::Value(value) if self.is_better_high() => value >= limit,
            Measured::Value(value) => value <= limit,
            // Nobody was told no, so nobody was told late.
            Measured::Nothing => matches!(self, Figure::FailsP50 | Figure::FailsP99),
            Measured::Never => false,
        }
    }
}

impl From<Option<u64>> for Measured {
    fn from(value: Option<u64>) -> Measured {
        value.map_or(Measured::Nothing, Measured::Value)
    }
}

impl Unit {
    /// `value` as people read it.
    #[must_use]
    pub fn say(self, value: u64) -> String {
        // Rounded to what is shown, never upwards to a hundred percent.
        let share = |value: u64, digits: usize, step: u64| {
            let digits = if value.is_multiple_of(step * 10) && digits > 0 { digits - 1 } else { digits };
            (value, digits)
        };
        match self {
            Unit::Share => {
                let (value, digits) = share(value, 2, 100);
                let text = decimal(value, 10_000, digits);
                format!("{text} %")
            }
            Unit::Ratio => decimal(value + 500, 1_000_000, 3),
            Unit::Time if value < 1_000_000 => format!("{} ms", decimal(value, 1_000, 0)),
            Unit::Time => format!("{} s", decimal(value + 5_000, 1_000_000, 2)),
            Unit::Count => value.to_string(),
        }
    }
}

/// `value / one` with so many digits, cut off.
fn decimal(value: u64, one: u64, digits: usize) -> String {
    let whole = value / one;
    let mut rest = value % one;
    let mut text = whole.to_string();
    for place in 0..digits {
        if place == 0 {
            text.push('.');
        }
        rest *= 10;
        text.push(char::from(b'0' + u8::try_from(rest / one).unwrap_or(9)));
        rest %= one;
    }
    text
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Measured {
    /// As people read it.
    #[must_use]
    pub fn say(self, unit: Unit) -> String {
        match self {
            Measured::Nothing => "-".to_owned(),
            Measured::Never => "never".to_owned(),
            Measured::Value(value) => unit.say(value),
        }
    }

    /// As a number for programs: percent, a plain number, or seconds; `None` for never and nothing.
    #[must_use]
    pub fn number(self, unit: Unit) -> Option<f64> {
        let Measured::Value(value) = self else { return None };
        let value = value as f64;
        Some(match unit {
            Unit::Share => value / 10_000.0,
            Unit::Ratio | Unit::Time => value / 1_000_000.0,
            Unit::Count => value,
        })
    }
}

fn share(part: u64, whole: u64) -> Option<u64> {
    let parts = u128::from(part) * 1_000_000;
    parts.checked_div(u128::from(whole)).map(|parts| u64::try_from(parts).unwrap_or(u64::MAX))
}

/// The longest; never, if it once was never.
fn worst(times: &[Option<u64>]) -> Measured {
    match times.iter().copied().map(|time| time.unwrap_or(u64::MAX)).max() {
        None => Measured::Nothing,
        Some(u64::MAX) => Measured::Never,
        Some(time) => Measured::Value(time),
    }
}

fn median(times: &[Option<u64>]) -> Measured {
    let mut times: Vec<u64> = times.iter().map(|time| time.unwrap_or(u64::MAX)).collect();
    times.sort_unstable();
    match quantile(&times, 500) {
        None => Measured::Nothing,
        Some(u64::MAX) => Measured::Never,
        Some(time) => Measured::Value(time),
    }
}
