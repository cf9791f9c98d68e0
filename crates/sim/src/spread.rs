//! How long things take: a span, a bell with a long tail, a waiting time.
//!
//! Real answers have a median and a tail, and the tail is what hedging and limits are about. The
//! curves are tables of integers, so that a seed draws the same time on every machine.

use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::time::micros;

/// Any duration from `low` to `high`, both included, with the same probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The least.
    pub low: Duration,
    /// The most.
    pub high: Duration,
}

/// A duration that varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Anything within the span.
    Even(Span),
    /// Lognormal with sigma 0.5 about this median: the time to a first token. One in a hundred takes
    /// 3.2 times the median.
    FirstToken(Duration),
    /// Lognormal with sigma 0.7 about this median: the time to write the rest. One in a hundred
    /// takes 5.1 times the median.
    Generation(Duration),
    /// Between half of this mean and half more: the work of a server's slot.
    Work(Duration),
}

impl Span {
    /// From `low` to `high` milliseconds.
    #[must_use]
    pub const fn millis(low: u64, high: u64) -> Span {
        Span { low: Duration::from_millis(low), high: Duration::from_millis(high) }
    }

    /// This long, every time.
    #[must_use]
    pub const fn always(long: Duration) -> Span {
        Span { low: long, high: long }
    }

    pub(crate) fn draw(self, chance: &mut Dice) -> Duration {
        chance.duration(self.low, self.high)
    }
}

impl From<Span> for Spread {
    fn from(span: Span) -> Spread {
        Spread::Even(span)
    }
}

impl Spread {
    /// No time at all.
    pub const NONE: Spread = Spread::Even(Span::millis(0, 0));

    pub(crate) fn draw(self, chance: &mut Dice) -> Duration {
        match self {
            Spread::Even(span) => span.draw(chance),
            Spread::FirstToken(median) => scaled(median, &SIGMA_05, chance),
            Spread::Generation(median) => scaled(median, &SIGMA_07, chance),
            Spread::Work(mean) => chance.duration(mean / 2, mean * 3 / 2),
        }
    }
}

/// `median` times a value of `curve`, between two of its points in proportion.
fn scaled(median: Duration, curve: &[u64; POINTS + 1], chance: &mut Dice) -> Duration {
    let drawn = chance.throw();
    let at = usize::try_from(drawn >> (64 - POINTS.trailing_zeros())).expect("below POINTS");
    let within = u128::from(drawn << POINTS.trailing_zeros());
    let (low, high) = (curve[at] * 1_000, curve[at + 1] * 1_000);
    let millionths = low + u64::try_from((u128::from(high - low) * within) >> 64).expect("below high - low");
    Duration::from_micros(micros(median).saturating_mul(millionths) / 1_000_000)
}

/// The steps of a curve: a power of two.
const POINTS: usize = 128;

/// exp(0.5 z) in thousandths, z the normal quantile of 0/128 to 128/128; the ends stand for 0.0005 and 0.9995.
#[rustfmt::skip]
const SIGMA_05: [u64; POINTS + 1] = [
    193, 299, 341, 370, 394, 414, 433, 449, 464, 479, 492, 505, 517, 529, 541, 552, 563, 573, 583, 594, 604, 613, 623,
    632, 642, 651, 660, 669, 678, 687, 696, 705, 714, 722, 731, 740, 749, 757, 766, 775, 783, 792, 800, 809, 818, 827,
    835, 844, 853, 862, 870, 879, 888, 897, 906, 915, 924, 934, 943, 952, 962, 971, 981, 990, 1000, 1010, 1020, 1030,
    1040, 1050, 1061, 1071, 1082, 1093, 1104, 1115, 1126, 1137, 1149, 1161, 1173, 1185, 1197, 1210, 1223, 1236, 1249,
    1263, 1277, 1291, 1306, 1321, 1336, 1352, 1368, 1384, 1401, 1419, 1437, 1455, 1474, 1494, 1515, 1536, 1558, 1581,
    1605, 1631, 1657, 1685, 1714, 1745, 1777, 1812, 1850, 1890, 1933, 1980, 2032, 2089, 2153, 2227, 2312, 2413, 2538,
    2701, 2936, 3349, 5182,
];

/// exp(0.7 z) likewise.
#[rustfmt::skip]
const SIGMA_07: [u64; POINTS + 1] = [
    100, 184, 221, 249, 271, 291, 309, 326, 342, 356, 371, 384, 397, 410, 423, 435, 447, 459, 470, 482, 493, 504, 515,
    526, 537, 548, 559, 570, 581, 591, 602, 613, 624, 634, 645, 656, 667, 678, 688, 699, 710, 721, 732, 743, 755, 766,
    777, 789, 800, 812, 823, 835, 847, 859, 871, 883, 896, 908, 921, 934, 947, 960, 973, 986, 1000, 1014, 1028, 1042,
    1056, 1071, 1086, 1101, 1116, 1132, 1148, 1164, 1181, 1197, 1215, 1232, 1250, 1268, 1287, 1306, 1325, 1345, 1366,
    1386, 1408, 1430, 1453, 1476, 1500, 1525, 1550, 1576, 1603, 1631, 1661, 1691, 1722, 1755, 1788, 1824, 1861, 1899,
    1940, 1983, 2028, 2076, 2126, 2180, 2237, 2299, 2365, 2437, 2516, 2602, 2698, 2805, 2927, 3067, 3232, 3432, 3684,
    4020, 4516, 5432, 10008,
];

/// An exponentially distributed time, `mean` on average: the gap between two arrivals of a Poisson
/// process. Von Neumann's method (1951): the length of a falling run of throws is odd with the
/// right probability, so there is no logarithm that machines could round differently.
pub(crate) fn exponential(mean: Duration, chance: &mut Dice) -> Duration {
    let mut whole: u64 = 0;
    loop {
        let first = chance.throw();
        let (mut last, mut run) = (first, 1_u64);
        loop {
            let next = chance.throw();
            if next >= last {
                break;
            }
            (last, run) = (next, run + 1);
        }
        if run % 2 == 1 {
            let mean = u128::from(micros(mean));
            let rest = (mean * u128::from(first)) >> 64;
            let total = mean * u128::from(whole) + rest;
            return Duration::from_micros(u64::try_from(total).unwrap_or(u64::MAX));
        }
        whole += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(spread: Spread) -> Vec<Duration> {
        let mut chance = Dice::new(1);
        let mut drawn: Vec<Duration> = (0..100_000).map(|_| spread.draw(&mut chance)).collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn gaps_between_arrivals_are_exponential() {
        let mut chance = Dice::new(1);
        let mean = Duration::from_secs(1);
        let gaps: Vec<Duration> = (0..100_000).map(|_| exponential(mean, &mut chance)).collect();
        let measured = gaps.iter().sum::<Duration>() / 100_000;
        assert!(measured.abs_diff(mean) < Duration::from_millis(15), "{measured:?}");
        // P(X > t) = e^-t: 60.65 % after half a mean, 13.53 % after two, 1.83 % after four.
        for (after, share) in [(500, 60_653), (2_000, 13_534), (4_000, 1_832)] {
            let longer = gaps.iter().filter(|gap| **gap > Duration::from_millis(after)).count();
            assert!(longer.abs_diff(share) < 600, "{longer} of {share} beyond {after} ms");
        }
    }

    #[test]
    fn a_bell_has_its_median_and_its_tail() {
        let median = Duration::from_secs(1);
        // exp(sigma * 1.645) and exp(sigma * 2.326).
        for (spread, p95, p99) in
            [(Spread::FirstToken(median), 2_276, 3_200), (Spread::Generation(median), 3_163, 5_096)]
        {
            let drawn = drawn(spread);
            for (at, expected) in [(50_000, 1_000), (95_000, p95), (99_000, p99)] {
                let measured = drawn[at].abs_diff(Duration::from_millis(expected)).as_millis();
                assert!(measured * 33 < u128::from(expected), "{:?} at {at}, {expected} ms expected", drawn[at]);
            }
            assert!(drawn[0] > median / 20 && drawn[99_999] < median * 12);
        }
    }
}
