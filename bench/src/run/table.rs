//! Samples into medians, and medians into the tables that are printed.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde_json::json;

use super::judge;
use super::peer::Peer;
use crate::load::Report;

/// What is measured. All are "the less, the better" but the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    PerSecond,
    Busy,
    UserPercent,
    CpuPlain,
    CpuLight,
    P50,
    P99,
    Late,
    CpuChunk,
    FirstChunk,
    CpuLarge,
    FailingSuccess,
    FailingAttempts,
    FailingTold,
    FailingP90,
    FailingP99,
    PssIdle,
    PssLoaded,
    RssIdle,
    RssLoaded,
    ReadyMs,
}

impl Figure {
    fn key(self) -> String {
        format!("{self:?}")
    }
}

/// Median, least and greatest of some samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Spread { median, least, greatest })
    }

    pub(crate) fn text(&self, digits: usize) -> String {
        if self.least == self.greatest {
            return format!("{:.digits$}", self.median);
        }
        format!("{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.least, self.greatest)
    }
}

/// Everything that was measured, in the order of rounds.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    values: BTreeMap<(Peer, Figure), Vec<f64>>,
    /// What went wrong where nothing should have.
    flaws: BTreeMap<(Peer, String), u64>,
    failing: BTreeMap<Peer, serde_json::Value>,
}

impl Samples {
    pub(crate) fn add(&mut self, peer: Peer, figure: Figure, value: f64) {
        self.values.entry((peer, figure)).or_default().push(value);
    }

    /// Notes every answer of `report` that was not a whole and exact 200.
    pub(crate) fn clean(&mut self, peer: Peer, report: &Report) {
        for (what, count) in &report.errors {
            *self.flaws.entry((peer, what.clone())).or_default() += count;
        }
        for (status, count) in report.statuses.iter().filter(|(status, _)| **status != 200) {
            *self.flaws.entry((peer, format!("status {status}"))).or_default() += count;
        }
    }

    /// Keeps the whole report of the failing load.
    pub(crate) fn note_failing(&mut self, peer: Peer, report: &Report) {
        self.failing.insert(peer, json!(report));
        for (what, count) in &report.errors {
            *self.flaws.entry((peer, what.clone())).or_default() += count;
        }
    }

    pub(crate) fn flaws(&self, peer: Peer) -> u64 {
        self.flaws.iter().filter(|((of, _), _)| *of == peer).map(|(_, count)| count).sum()
    }

    pub(crate) fn spread(&self, peer: Peer, figure: Figure) -> Option<Spread> {
        Spread::of(self.values.get(&(peer, figure))?)
    }

    /// `peer`'s figure less that of `direct`, round by round.
    fn added(&self, peer: Peer, figure: Figure) -> Option<Vec<f64>> {
        let (own, direct) = (self.values.get(&(peer, figure))?, self.values.get(&(Peer::Direct, figure))?);
        Some(own.iter().zip(direct).map(|(own, direct)| own - direct).collect())
    }

    pub(crate) fn spread_added(&self, peer: Peer, figure: Figure) -> Option<Spread> {
        Spread::of(&self.added(peer, figure)?)
    }

    /// How many times the floor: the medians' ratio, and the least and greatest ratio within a round.
    pub(crate) fn times_floor(&self, peer: Peer, figure: Figure) -> Option<Spread> {
        let values = |of: Peer| match figure {
            Figure::P50 | Figure::P99 | Figure::FirstChunk => self.added(of, figure),
            _ => self.values.get(&(of, figure)).cloned(),
        };
        let (own, floor) = (values(peer)?, values(Peer::Floor)?);
        let ratios: Vec<f64> = own.iter().zip(&floor).map(|(own, floor)| own / floor).collect();
        let within = Spread::of(&ratios)?;
        Some(Spread { median: Spread::of(&own)?.median / Spread::of(&floor)?.median, ..within })
    }

    pub(crate) fn print(&self, peers: &[Peer], as_json: bool, took: Duration) -> io::Result<()> {
        if as_json {
            println!("{}", serde_json::to_string_pretty(&self.json(peers, took))?);
            return Ok(());
        }
        self.print_tables(peers);
        if peers.contains(&Peer::Seawall) {
            println!();
            judge::print(self);
        }
        println!("\n{} s in all.", took.as_secs());
        for ((peer, what), count) in &self.flaws {
            println!("FLAW: {}: {count} × {what}", peer.name());
        }
        Ok(())
    }

    fn print_tables(&self, peers: &[Peer]) {
        let cell = |spread: Option<Spread>, digits| spread.map_or("–".to_owned(), |spread| spread.text(digits));
        let times = |peer, figure| {
            self.times_floor(peer, figure).map_or(String::new(), |ratio| format!(" **×{:.2}**", ratio.median))
        };
        println!(
            "| | max requests/s | core busy % | CPU µs/request, saturated | of it user % | CPU µs/request at 500/s | added p50 µs at 500/s | added p99 µs | SSE CPU µs/chunk | added first chunk µs | 1 MiB body, CPU µs |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|");
        for &peer in peers {
            let own = |figure, digits| cell(self.spread(peer, figure), digits) + &times(peer, figure);
            let added = |figure| {
                if peer == Peer::Direct {
                    return format!("({} in all)", cell(self.spread(peer, figure), 0));
                }
                cell(self.spread_added(peer, figure), 0) + &times(peer, figure)
            };
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                peer.name(),
                cell(self.spread(peer, Figure::PerSecond), 0),
                cell(self.spread(peer, Figure::Busy), 0),
                own(Figure::CpuPlain, 1),
                cell(self.spread(peer, Figure::UserPercent), 0),
                own(Figure::CpuLight, 0),
                added(Figure::P50),
                added(Figure::P99),
                own(Figure::CpuChunk, 1),
                added(Figure::FirstChunk),
                own(Figure::CpuLarge, 0),
            );
        }
        println!(
            "\n| | 20 % 500s: success % | attempts/request | p90 ms | p99 ms | PSS idle → after 100,000 requests, MiB | RSS | ready after ms |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for &peer in peers {
            let own = |figure, digits| cell(self.spread(peer, figure), digits);
            println!(
                "| {} | {} | {} | {} | {} | {} → {} | {} → {} | {} |",
                peer.name(),
                own(Figure::FailingSuccess, 2),
                own(Figure::FailingAttempts, 2),
                own(Figure::FailingP90, 1),
                own(Figure::FailingP99, 1),
                own(Figure::PssIdle, 1),
                own(Figure::PssLoaded, 1),
                own(Figure::RssIdle, 1),
                own(Figure::RssLoaded, 1),
                own(Figure::ReadyMs, 1),
            );
        }
    }

    fn json(&self, peers: &[Peer], took: Duration) -> serde_json::Value {
        let samples: serde_json::Map<_, _> = peers
            .iter()
            .map(|&peer| {
                let figures: serde_json::Map<_, _> = self
                    .values
                    .iter()
                    .filter(|((of, _), _)| *of == peer)
                    .map(|((_, figure), values)| (figure.key(), json!(values)))
                    .collect();
                (peer.name().to_owned(), figures.into())
            })
            .collect();
        let flaws: Vec<_> = self
            .flaws
            .iter()
            .map(|((peer, what), count)| json!({"peer": peer.name(), "what": what, "count": count}))
            .collect();
        let failing: serde_json::Map<_, _> =
            self.failing.iter().map(|(peer, report)| (peer.name().to_owned(), report.clone())).collect();
        json!({"seconds": took.as_secs(), "samples": samples, "failing": failing, "flaws": flaws, "targets": judge::json(self)})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]).unwrap().text(1), "2.0 (1.0–3.0)");
        assert!(Spread::of(&[]).is_none());
    }

    #[test]
    fn latency_is_compared_as_added_to_direct() {
        let mut samples = Samples::default();
        for (peer, value) in [(Peer::Direct, 100.0), (Peer::Floor, 150.0), (Peer::Seawall, 175.0)] {
            samples.add(peer, Figure::P50, value);
            samples.add(peer, Figure::CpuPlain, value);
        }
        assert_eq!(samples.times_floor(Peer::Seawall, Figure::P50).unwrap().median, 1.5);
        assert!((samples.times_floor(Peer::Seawall, Figure::CpuPlain).unwrap().median - 7.0 / 6.0).abs() < 1e-9);
    }
}
