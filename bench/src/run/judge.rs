//! What Seawall promises about its cost, and whether this run kept it.

use serde_json::json;

use super::peer::Peer;
use super::table::{Figure, Samples};

#[derive(Debug, Clone, Copy)]
enum Bar {
    /// At most so many times the floor's figure in the same run.
    TimesFloor(f64),
    /// At most this.
    AtMost(f64),
}

const BARS: [(&str, Figure, Bar); 9] = [
    ("CPU per plain chat request, × floor", Figure::CpuPlain, Bar::TimesFloor(1.6)),
    ("SSE CPU per chunk, × floor", Figure::CpuChunk, Bar::TimesFloor(1.25)),
    ("CPU per 1 MiB body, × floor", Figure::CpuLarge, Bar::TimesFloor(1.5)),
    ("added p50 at 500/s, × floor's own", Figure::P50, Bar::TimesFloor(1.5)),
    ("added p99 at 500/s, × floor's own", Figure::P99, Bar::TimesFloor(2.0)),
    ("20 % 500s, p90 ms", Figure::FailingP90, Bar::AtMost(300.0)),
    ("idle memory (PSS), MiB", Figure::PssIdle, Bar::AtMost(12.0)),
    ("memory (PSS) after 100,000 requests, MiB", Figure::PssLoaded, Bar::AtMost(40.0)),
    ("ready after, ms", Figure::ReadyMs, Bar::AtMost(100.0)),
];

#[derive(Debug)]
struct Judged {
    what: &'static str,
    limit: f64,
    /// Median, least, greatest; none if it was not measured.
    measured: Option<(f64, f64, f64)>,
}

impl Judged {
    fn verdict(&self) -> &'static str {
        match self.measured {
            Some((median, ..)) if median <= self.limit => "PASS",
            Some(_) => "FAIL",
            None => "not measured",
        }
    }
}

fn judged(samples: &Samples) -> impl Iterator<Item = Judged> {
    let flaws = samples.flaws(Peer::Seawall) as f64;
    let bars = BARS.iter().map(|&(what, figure, bar)| {
        let (limit, spread) = match bar {
            Bar::TimesFloor(limit) => (limit, samples.times_floor(Peer::Seawall, figure)),
            Bar::AtMost(limit) => (limit, samples.spread(Peer::Seawall, figure)),
        };
        Judged { what, limit, measured: spread.map(|spread| (spread.median, spread.least, spread.greatest)) }
    });
    let exact = Judged { what: "answers that were not exact", limit: 0.0, measured: Some((flaws, flaws, flaws)) };
    bars.chain([exact])
}

pub(crate) fn print(samples: &Samples) {
    println!("| target | limit | seawall | within rounds | |\n|---|---|---|---|---|");
    for judged in judged(samples) {
        let (median, range) =
            judged.measured.map_or(("–".to_owned(), "–".to_owned()), |(median, least, greatest)| {
                (format!("{median:.2}"), format!("{least:.2}–{greatest:.2}"))
            });
        println!("| {} | ≤ {} | {median} | {range} | {} |", judged.what, judged.limit, judged.verdict());
    }
}

pub(crate) fn json(samples: &Samples) -> serde_json::Value {
    judged(samples)
        .map(|judged| {
            json!({
                "what": judged.what,
                "limit": judged.limit,
                "median": judged.measured.map(|(median, ..)| median),
                "verdict": judged.verdict(),
            })
        })
        .collect()
}
