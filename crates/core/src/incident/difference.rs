//! What the failures of an incident have in common that answers have not.
//!
//! "94 % of failures have stream=true, baseline 3 %" shortens a night. A wrong one makes it longer, so
//! nothing is said that is not clear: a value has to cover most failures, be far rarer elsewhere, and
//! the difference has to be beyond chance, even though so many values were looked at.
//!
//! Failures are held against the answers of the same time where there are enough of them, since what
//! still works is the better witness; else against what was usual in the hour before.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ledger::{Cell, Dimension, Ledger, OTHER, SIZES, Table, YES};
use crate::words::words;

/// Failures with a value below which nothing is said of it.
pub const FAILED_MIN: u64 = 8;
/// Answers below which they are no baseline.
pub const ANSWERED_MIN: u64 = 20;
/// The share of failures that a value has to cover, in parts of a hundred.
pub const COVERS_MIN: u64 = 60;
/// How much larger that share has to be than the baseline's, in parts of a hundred.
pub const GAP_MIN: u64 = 25;
/// Single values that are told at most; a pair may come before them.
pub const SINGLES_MAX: usize = 3;

/// What the corrected chi-square of the four counts has to reach: by chance 1 in 20 million for one
/// value, 1 in 50,000 for all those that may be looked at.
const CHI_SQUARE_MIN: u128 = 30;
/// Counts are cut off here, so that no product overflows.
const COUNT_MAX: u64 = 1 << 24;

words! {
    /// What failures are held against.
    pub enum Beside {
        /// Requests that were answered during the incident.
        During = "during",
        /// Requests that were answered before it.
        Before = "before",
    }
}

/// One value of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trait {
    /// The dimension.
    pub dimension: Dimension,
    /// The value: a name, `true`, `false`, or for a size the bytes from which on.
    pub value: String,
}

impl fmt::Display for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.dimension, self.value.parse::<u64>()) {
            (Dimension::Size, Ok(bytes)) if bytes >= 1_000_000 => write!(f, "≥ {} MB input", bytes / 1_000_000),
            (Dimension::Size, Ok(bytes)) => write!(f, "≥ {} KB input", bytes / 1_000),
            _ => write!(f, "{}={}", self.dimension, self.value),
        }
    }
}

/// What separates failures from answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// One value, or two that say more together.
    pub traits: Vec<Trait>,
    /// Failures that have it.
    pub failed: u64,
    /// Of how many.
    pub failed_of: u64,
    /// Answers that have it.
    pub answered: u64,
    /// Of how many.
    pub answered_of: u64,
    /// Which answers these are.
    pub beside: Beside,
}

impl fmt::Display for Difference {
    /// As a sentence: `94 % of failures have stream=true and ≥ 100 KB input, baseline 3 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let traits: Vec<String> = self.traits.iter().map(ToString::to_string).collect();
        let (failed, answered) = (Percent(self.failed, self.failed_of), Percent(self.answered, self.answered_of));
        write!(f, "{failed} of failures have {}, baseline {answered}", traits.join(" and "))
    }
}

/// Rounded down, but nothing that is there is called 0 %.
struct Percent(u64, u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, u128::from(self.0) * 100 / u128::from(self.1.max(1))) {
            (1.., 0) => f.write_str("under 1 %"),
            (_, percent) => write!(f, "{percent} %"),
        }
    }
}

/// Whether a share of `failed` in `failed_of` is clearly larger than one of `answered` in `answered_of`:
/// enough of both, most of the failures, far from the baseline, and beyond chance.
#[must_use]
pub fn clear_against(failed: u64, failed_of: u64, answered: u64, answered_of: u64) -> bool {
    if failed < FAILED_MIN || answered_of < ANSWERED_MIN || failed > failed_of || answered > answered_of {
        return false;
    }
    let wide = |count: u64| u128::from(count.min(COUNT_MAX));
    let (a, b) = (wide(failed), wide(failed_of - failed));
    let (c, d) = (wide(answered), wide(answered_of - answered));
    let (failures, answers) = (a + b, c + d);
    let covers = 100 * a >= u128::from(COVERS_MIN) * failures;
    let is_far = 100 * a * answers >= 100 * c * failures + u128::from(GAP_MIN) * failures * answers;
    // Chi-square of the four counts with Yates' correction: n (|ad - bc| - n/2)² / (rows and columns).
    let n = failures + answers;
    let lead = (a * d).saturating_sub(b * c).saturating_sub(n / 2);
    covers && is_far && n * lead * lead / (failures * answers) >= CHI_SQUARE_MIN * (a + c) * (b + d)
}

/// What is clear of the ledger's latest incident: a pair first where it says clearly more than each of
/// its parts, then single values, the largest gap first.
pub(super) fn separate(ledger: &Ledger) -> Vec<Difference> {
    let during = ledger.during();
    let (beside, table) = match sum(during, |cell| cell.answered) {
        ANSWERED_MIN.. => (Beside::During, during.clone()),
        _ => (Beside::Before, ledger.usual()),
    };
    let counts = Comparison {
        failed_of: sum(during, |cell| cell.failed),
        answered_of: sum(&table, |cell| cell.answered),
        during,
        table: &table,
    };
    let mut singles: Vec<(Found, [Option<Value>; 2])> = Dimension::ALL
        .iter()
        .filter_map(|&dimension| counts.best(dimension))
        .map(|value| (counts.of(&[value]), [Some(value), None]))
        .filter(|(found, _)| counts.is_clear(*found))
        .collect();
    singles.sort_by_key(|(found, _)| std::cmp::Reverse(counts.gap(*found)));
    let pair = counts.pair(&singles);
    singles.truncate(SINGLES_MAX);
    let told = pair.into_iter().chain(singles);
    told.filter_map(|(found, values)| {
        let traits = values.into_iter().flatten().map(|value| value.told(ledger)).collect::<Option<_>>()?;
        let (failed, answered) = found;
        Some(Difference {
            traits,
            failed,
            failed_of: counts.failed_of,
            answered,
            answered_of: counts.answered_of,
            beside,
        })
    })
    .collect()
}

/// Failures and answers that have it.
type Found = (u64, u64);

/// A value of a dimension; for a size, it or more.
#[derive(Debug, Clone, Copy)]
struct Value(Dimension, u8);

impl Value {
    fn fits(self, cell: &Cell) -> bool {
        let is = cell.key[self.0 as usize];
        if self.0 == Dimension::Size { is >= self.1 } else { is == self.1 }
    }

    fn told(self, ledger: &Ledger) -> Option<Trait> {
        let value = match self.0 {
            Dimension::Stream | Dimension::Tools => (self.1 == YES).to_string(),
            Dimension::Size => SIZES.get(usize::from(self.1).checked_sub(2)?)?.to_string(),
            named => ledger.name(named, self.1)?.to_owned(),
        };
        Some(Trait { dimension: self.0, value })
    }
}

struct Comparison<'a> {
    during: &'a Table,
    table: &'a Table,
    failed_of: u64,
    answered_of: u64,
}

impl Comparison<'_> {
    /// The value of a dimension with the widest gap, of those that cover most failures. Of names that is
    /// one at most, of sizes there may be several.
    fn best(&self, dimension: Dimension) -> Option<Value> {
        let lowest = if dimension == Dimension::Size { OTHER + 2 } else { OTHER + 1 };
        let mut values: Vec<u8> = self.during.cells().iter().map(|cell| cell.key[dimension as usize]).collect();
        values.retain(|value| *value >= lowest);
        if dimension == Dimension::Size {
            values = values.iter().flat_map(|&value| lowest..=value).collect();
        }
        values.sort_unstable();
        values.dedup();
        let covering = values.into_iter().map(|value| Value(dimension, value)).filter(|&value| {
            let (failed, _) = self.of(&[value]);
            100 * failed >= COVERS_MIN * self.failed_of
        });
        covering.max_by_key(|&value| self.gap(self.of(&[value])))
    }

    fn of(&self, values: &[Value]) -> Found {
        let sum_of = |table: &Table, of: fn(&Cell) -> u32| {
            let cells = table.cells().iter().filter(|cell| values.iter().all(|value| value.fits(cell)));
            cells.map(|cell| u64::from(of(cell))).sum()
        };
        (sum_of(self.during, |cell| cell.failed), sum_of(self.table, |cell| cell.answered))
    }

    fn is_clear(&self, (failed, answered): Found) -> bool {
        clear_against(failed, self.failed_of, answered, self.answered_of)
    }

    /// How much larger the share of failures is than that of answers, in parts of a thousand.
    fn gap(&self, (failed, answered): Found) -> i64 {
        let share = |count: u64, of: u64| i64::try_from(count.saturating_mul(1_000) / of.max(1)).unwrap_or(i64::MAX);
        share(failed, self.failed_of) - share(answered, self.answered_of)
    }

    /// Two values that together cover nine tenths of the failures that the better of them does, with half
    /// of its answers at most.
    fn pair(&self, singles: &[(Found, [Option<Value>; 2])]) -> Option<(Found, [Option<Value>; 2])> {
        let values = |at: usize| singles[at].1[0];
        let pairs = (0..singles.len()).flat_map(|one| (one + 1..singles.len()).map(move |other| (one, other)));
        let clear = pairs.filter_map(|(one, other)| {
            let (first, second) = (values(one)?, values(other)?);
            let found = self.of(&[first, second]);
            // Singles are in the order of their gaps: the first is the better one.
            let (failed, answered) = singles[one].0;
            let says_more = 10 * found.0 >= 9 * failed && answered > 0 && 2 * found.1 <= answered;
            let values = if first.0 < second.0 { [first, second] } else { [second, first] };
            (says_more && self.is_clear(found)).then_some((found, values.map(Some)))
        });
        clear.max_by_key(|(found, _)| self.gap(*found))
    }
}

fn sum(table: &Table, of: fn(&Cell) -> u32) -> u64 {
    table.cells().iter().map(|cell| u64::from(of(cell))).sum()
}

#[cfg(test)]
mod tests {
    use super::super::Facts;
    use super::super::ledger::DIMENSIONS;
    use super::*;
    use crate::time::Time;

    const NOW: Time = Time::from_micros(60_000_000 * 600);

    fn facts(n: u64) -> Facts<'static> {
        let endpoint = if n.is_multiple_of(3) { "responses" } else { "chat_completions" };
        let key = Some(if n.is_multiple_of(5) { "batch" } else { "web" });
        Facts {
            endpoint,
            key,
            stream: n.is_multiple_of(2),
            body_bytes: 500 * (n % 40),
            tools: n.is_multiple_of(7),
            ..Facts::default()
        }
    }

    fn ledger(usual: u64) -> Ledger {
        let mut ledger = Ledger::default();
        (0..usual).for_each(|n| ledger.record(NOW, &facts(n), false));
        ledger.begin(NOW, false);
        ledger
    }

    fn told(ledger: &Ledger) -> Vec<String> {
        separate(ledger).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_total_outage_has_nothing_that_separates() {
        let mut ledger = ledger(1_000);
        (0..1_000).for_each(|n| ledger.record(NOW, &facts(n), true));
        assert_eq!(told(&ledger), [""; 0]);
    }

    #[test]
    fn a_pair_comes_first_where_it_says_clearly_more() {
        let mut ledger = ledger(1_000);
        for n in 0..1_000 {
            let large = Facts { body_bytes: if n % 10 < 3 { 150_000 } else { 2_000 }, ..facts(n) };
            let bad = large.stream && large.body_bytes > 100_000;
            ledger.record(NOW, &large, bad || n % 100 == 7);
        }
        let told = told(&ledger);
        assert_eq!(
            told,
            [
                "95 % of failures have stream=true and ≥ 100 KB input, baseline 0 %",
                "95 % of failures have ≥ 100 KB input, baseline 12 %",
                "95 % of failures have stream=true, baseline 37 %",
            ]
        );
    }

    #[test]
    fn without_answers_now_the_hour_before_is_the_baseline() {
        let mut ledger = ledger(1_000);
        for n in 0..30 {
            ledger.record(NOW, &Facts { key: Some("batch"), ..facts(n) }, true);
        }
        let found = separate(&ledger);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "100 % of failures have key=batch, baseline 20 %");
        assert_eq!((found[0].beside, found[0].answered_of), (Beside::Before, 1_000));
    }

    #[test]
    fn seven_failures_or_nineteen_answers_say_nothing() {
        for (failures, answers, says) in [(7, 1_000, false), (8, 1_000, true), (40, 19, false), (40, 40, true)] {
            let mut ledger = ledger(0);
            (0..answers).for_each(|n| ledger.record(NOW, &Facts { key: Some("web"), ..facts(n) }, false));
            for _ in 0..failures {
                ledger.record(NOW, &Facts { key: Some("new"), ..facts(1) }, true);
            }
            let is_said = told(&ledger).iter().any(|line| line.contains("key=new"));
            assert_eq!(is_said, says, "{failures} of {answers}");
        }
    }

    #[test]
    fn chance_is_never_told_as_a_cause() {
        let mut dice = crate::dice::Dice::new(3);
        for world in 0..2_000 {
            let mut ledger = Ledger::default();
            let names: Vec<String> = (0..6).map(|n| n.to_string()).collect();
            let failures = 4 + dice.between(0, 60);
            for n in 0..400 + failures {
                if n == 200 {
                    ledger.begin(NOW, false);
                }
                let mut pick =
                    || Some(names[usize::try_from(dice.between(0, 5).min(dice.between(0, 5))).unwrap()].as_str());
                let (model, key, region) = (pick(), pick(), pick());
                let body_bytes = 1 << dice.between(5, 24);
                let (stream, tools) = (dice.chance_ppm(700_000), dice.chance_ppm(200_000));
                let facts = Facts { model, key, region, stream, tools, body_bytes, ..Facts::default() };
                ledger.record(NOW, &facts, n >= 400);
            }
            assert_eq!(told(&ledger), [""; 0], "world {world}");
        }
    }

    #[test]
    fn a_value_covers_sixty_percent_and_is_twenty_five_points_ahead() {
        assert!(clear_against(60, 100, 0, 1_000) && !clear_against(59, 100, 0, 1_000));
        assert!(clear_against(8_500, 10_000, 600, 1_000) && !clear_against(8_499, 10_000, 600, 1_000));
        // Chi-square: 8 of 8 against 4 of 20 may be chance, 12 of 12 against it are less so.
        assert!(!clear_against(8, 8, 4, 20) && clear_against(60, 60, 4, 20));
    }

    #[test]
    fn no_more_than_three_single_values_are_told() {
        let mut ledger = Ledger::default();
        let bad = Facts {
            key: Some("a"),
            region: Some("b"),
            model: Some("c"),
            endpoint: "d",
            stream: true,
            ..Facts::default()
        };
        (0..100).for_each(|_| ledger.record(NOW, &Facts::default(), false));
        ledger.begin(NOW, false);
        (0..100).for_each(|_| ledger.record(NOW, &bad, true));
        assert_eq!(separate(&ledger).len(), SINGLES_MAX);
    }

    #[test]
    fn counts_of_any_size_overflow_nothing() {
        assert!(clear_against(u64::MAX / 2, u64::MAX / 2, 0, u64::MAX));
        assert!(!clear_against(u64::MAX, u64::MAX, u64::MAX, u64::MAX));
        assert!(!clear_against(9, 8, 0, 100));
    }

    #[test]
    fn names_that_are_no_names_are_never_told() {
        let mut ledger = ledger(100);
        assert_eq!(DIMENSIONS, Dimension::ALL.len());
        // So many keys that most are unknown: they fail, and there is nothing to call them.
        for n in 0..400 {
            let name = format!("k{n}");
            ledger.record(NOW, &Facts { key: Some(&name), ..facts(n) }, n > 100);
        }
        assert!(told(&ledger).iter().all(|line| !line.contains("key=")), "{:?}", told(&ledger));
    }
}
