//! The whole method: every peer on one core, mock and load on the other, rounds interleaved, a verdict.
//!
//! Machines drift by a third within minutes, so a figure of one peer is compared only with the floor's
//! figure of the same run, and each round asks all peers in turn, starting with another one each time.
//! What is printed is the median over rounds, with the least and the greatest beside it. CPU is the
//! gateway process's own, user and system, over everything it did in the round; while it is measured, mock and load
//! are one thread that does not sleep (see `mock`).

mod judge;
pub(crate) mod library;
mod peer;
mod process;
mod table;
pub(crate) mod viewer;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::fixture::Kind;
use crate::load::Report;
use peer::{Bench, Peer, Running};
use table::{Figure, Samples};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Fewer and shorter rounds: 90 seconds at most, and a coarser result
    #[arg(long)]
    quick: bool,
    /// The seawall program [default: the one beside this program]
    #[arg(long)]
    seawall: Option<PathBuf>,
    /// Leave Seawall out, to check the bench itself
    #[arg(long, conflicts_with = "seawall")]
    without_seawall: bool,
    /// Peers to measure as well, installed as programs of these names
    #[arg(long, value_enum, value_delimiter = ',')]
    with: Vec<Other>,
    /// Only these measurements
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
    /// Print every sample as JSON instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Other {
    Nginx,
    Haproxy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    Start,
    Memory,
    Plain,
    Latency,
    Sse,
    Large,
    Failing,
}

/// How long everything takes.
#[derive(Debug)]
struct Plan {
    rounds: usize,
    starts: usize,
    plain: f64,
    latency: f64,
    sse: f64,
    large: f64,
    /// The part of the failing load that is not counted: the budget fills up and the pools find their size.
    failing_skip: f64,
    failing: f64,
}

const WHOLE: Plan =
    Plan { rounds: 5, starts: 9, plain: 2.0, latency: 3.5, sse: 2.0, large: 1.5, failing_skip: 10.0, failing: 20.0 };
const QUICK: Plan =
    Plan { rounds: 3, starts: 3, plain: 0.7, latency: 1.0, sse: 0.7, large: 0.5, failing_skip: 2.0, failing: 5.0 };

/// The requests after which memory is read again.
const LOADED_REQUESTS: &str = "100000";
/// Saturation is asked by this many connections.
const CONNECTIONS: &str = "64";
/// Bodies of 1 MiB saturate with fewer.
const LARGE_CONNECTIONS: &str = "8";
/// The rate at which latency is compared, in requests a second.
const RATE: &str = "500";
/// Events per stream, and microseconds between them.
const CHUNKS: u32 = 100;
const DELAY_US: &str = "2000";
/// After a start, until memory counts as idle.
const SETTLE: Duration = Duration::from_millis(500);
/// The one bound over everything.
const RUN_MAX: Duration = Duration::from_secs(600);

/// Measures and prints, unless a signal or the bound comes first; children end with this future.
pub(crate) async fn run(options: Options) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        outcome = tokio::time::timeout(RUN_MAX, measure(options)) => outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        _ = interrupt.recv() => Err(io::ErrorKind::Interrupted.into()),
        _ = terminate.recv() => Err(io::ErrorKind::Interrupted.into()),
    }
}

async fn measure(options: Options) -> io::Result<()> {
    let started = Instant::now();
    let plan = if options.quick { QUICK } else { WHOLE };
    let wants = |measure| options.only.is_empty() || options.only.contains(&measure);
    let mut peers = vec![Peer::Direct, Peer::Floor];
    if !options.without_seawall {
        peers.push(Peer::Seawall);
    }
    peers.extend(options.with.iter().map(|other| match other {
        Other::Nginx => Peer::Nginx,
        Other::Haproxy => Peer::Haproxy,
    }));
    let bench = Bench::new(options.seawall)?;
    let mut samples = Samples::default();

    let mock = bench.mock(0.0).await?;
    if wants(Measure::Start) {
        starts(&bench, &mock, &peers, plan.starts, &mut samples).await?;
    }
    let mut fleet = Vec::new();
    for &peer in &peers {
        let running = bench.start(peer, &mock).await?;
        if wants(Measure::Memory) && peer != Peer::Direct {
            memory(&bench, &running, &mut samples).await?;
        }
        fleet.push(running);
    }
    for round in 0..plan.rounds {
        progress(started, &format!("round {} of {}", round + 1, plan.rounds));
        for step in 0..fleet.len() {
            let running = &fleet[(round + step) % fleet.len()];
            if wants(Measure::Plain) {
                plain(&mock, running, plan.plain, &mut samples).await?;
            }
            if wants(Measure::Latency) {
                latency(&bench, running, plan.latency, &mut samples).await?;
            }
            if wants(Measure::Sse) {
                sse(&mock, running, plan.sse, &mut samples).await?;
            }
            if wants(Measure::Large) {
                large(&mock, running, plan.large, &mut samples).await?;
            }
        }
    }
    drop((fleet, mock));
    if wants(Measure::Failing) {
        for &peer in &peers {
            progress(started, &format!("20 % 500s: {}", peer.name()));
            failing(&bench, peer, &plan, &mut samples).await?;
        }
    }
    progress(started, "done");
    samples.print(&peers, options.json, started.elapsed())
}

fn progress(started: Instant, what: &str) {
    eprintln!("{:>4} s  {what}", started.elapsed().as_secs());
}

async fn starts(bench: &Bench, mock: &Running, peers: &[Peer], times: usize, samples: &mut Samples) -> io::Result<()> {
    for _ in 0..times {
        for &peer in peers.iter().filter(|peer| **peer != Peer::Direct) {
            let running = bench.start(peer, mock).await?;
            samples.add(peer, Figure::ReadyMs, running.ready_after.as_secs_f64() * 1e3);
        }
    }
    Ok(())
}

async fn memory(bench: &Bench, running: &Running, samples: &mut Samples) -> io::Result<()> {
    tokio::time::sleep(SETTLE).await;
    let idle = process::memory(running.pid)?;
    samples.add(running.peer, Figure::PssIdle, idle.pss_mib);
    samples.add(running.peer, Figure::RssIdle, idle.rss_mib);
    let arguments = ["--connections", CONNECTIONS, "--requests", LOADED_REQUESTS, "--seconds", "60"];
    let report = bench.load(running, Kind::Plain, &arguments).await?;
    samples.clean(running.peer, &report);
    let loaded = process::memory(running.pid)?;
    samples.add(running.peer, Figure::PssLoaded, loaded.pss_mib);
    samples.add(running.peer, Figure::RssLoaded, loaded.rss_mib);
    Ok(())
}

/// What a saturating load cost the gateway's process.
struct Cost {
    report: Report,
    /// CPU per answer in microseconds. The direct peer has none: its process is mock and load in one.
    each: Option<f64>,
    user_percent: f64,
}

/// Saturates `running` from the mock's own thread.
async fn saturate(mock: &Running, running: &Running, kind: Kind, arguments: &[&str]) -> io::Result<Cost> {
    let before = process::cpu(running.pid)?;
    let report = peer::load_beside(mock, running, kind, arguments).await?;
    let after = process::cpu(running.pid)?;
    if report.answered == 0 {
        return Err(io::Error::other(format!("{} answered nothing: {:?}", running.peer.name(), report.errors)));
    }
    let each = after.since(&before).as_secs_f64() * 1e6 / report.answered as f64;
    let each = (running.peer != Peer::Direct).then_some(each);
    Ok(Cost { report, each, user_percent: after.user_percent(&before) })
}

async fn plain(mock: &Running, running: &Running, seconds: f64, samples: &mut Samples) -> io::Result<()> {
    let seconds = seconds.to_string();
    let arguments = ["--connections", CONNECTIONS, "--seconds", &seconds];
    let cost = saturate(mock, running, Kind::Plain, &arguments).await?;
    samples.clean(running.peer, &cost.report);
    samples.add(running.peer, Figure::PerSecond, cost.report.per_second);
    if let Some(each) = cost.each {
        samples.add(running.peer, Figure::CpuPlain, each);
        samples.add(running.peer, Figure::UserPercent, cost.user_percent);
        samples.add(running.peer, Figure::Busy, each * cost.report.per_second / 1e4);
    }
    Ok(())
}

async fn latency(bench: &Bench, running: &Running, seconds: f64, samples: &mut Samples) -> io::Result<()> {
    let seconds = seconds.to_string();
    // The uncounted start opens the connections.
    let arguments = ["--rate", RATE, "--skip", "0.3", "--seconds", &seconds];
    let before = process::cpu(running.pid)?;
    let report = bench.load(running, Kind::Plain, &arguments).await?;
    let used = process::cpu(running.pid)?.since(&before).as_secs_f64() * 1e6;
    samples.clean(running.peer, &report);
    samples.add(running.peer, Figure::P50, report.latency.p50);
    samples.add(running.peer, Figure::P99, report.latency.p99);
    samples.add(running.peer, Figure::Late, report.late as f64);
    let counted = report.seconds / (report.seconds + 0.3);
    samples.add(running.peer, Figure::CpuLight, used * counted / report.answered.max(1) as f64);
    Ok(())
}

async fn sse(mock: &Running, running: &Running, seconds: f64, samples: &mut Samples) -> io::Result<()> {
    let (seconds, chunks) = (seconds.to_string(), CHUNKS.to_string());
    let arguments = ["--connections", CONNECTIONS, "--seconds", &seconds, "--chunks", &chunks, "--delay-us", DELAY_US];
    let cost = saturate(mock, running, Kind::Sse, &arguments).await?;
    samples.clean(running.peer, &cost.report);
    if let Some(each) = cost.each {
        samples.add(running.peer, Figure::CpuChunk, each / f64::from(CHUNKS));
    }
    samples.add(running.peer, Figure::FirstChunk, cost.report.first_body.p50);
    Ok(())
}

async fn large(mock: &Running, running: &Running, seconds: f64, samples: &mut Samples) -> io::Result<()> {
    let seconds = seconds.to_string();
    let arguments = ["--connections", LARGE_CONNECTIONS, "--seconds", &seconds];
    let cost = saturate(mock, running, Kind::Large, &arguments).await?;
    samples.clean(running.peer, &cost.report);
    if let Some(each) = cost.each {
        samples.add(running.peer, Figure::CpuLarge, each);
    }
    Ok(())
}

/// A fresh mock and a fresh gateway per peer: what one learnt of the failures helps no other.
async fn failing(bench: &Bench, peer: Peer, plan: &Plan, samples: &mut Samples) -> io::Result<()> {
    let mock = bench.mock(0.2).await?;
    let running = bench.start(peer, &mock).await?;
    // Peers that keep no budget are in their stride at once.
    let (skip, seconds) =
        if peer == Peer::Seawall { (plan.failing_skip, plan.failing) } else { (0.5, plan.failing / 4.0) };
    let asked_before = mock.requests().await?;
    let (skip, seconds) = (skip.to_string(), seconds.to_string());
    let arguments = ["--rate", RATE, "--skip", &skip, "--seconds", &seconds];
    let report = bench.load(&running, Kind::Plain, &arguments).await?;
    let asked = mock.requests().await? - asked_before;
    samples.note_failing(peer, &report);
    let answered = report.answered.max(1) as f64;
    samples.add(
        peer,
        Figure::FailingSuccess,
        report.exact as f64 / (report.answered + report.wrong).max(1) as f64 * 100.0,
    );
    // The mock also saw the requests that were skipped, at the same rate as the counted ones.
    let share = report.seconds / (report.seconds + skip.parse::<f64>().unwrap_or(0.0));
    samples.add(peer, Figure::FailingAttempts, asked as f64 * share / answered);
    if let Some(told) = report.attempts_told {
        samples.add(peer, Figure::FailingTold, told);
    }
    samples.add(peer, Figure::FailingP90, report.latency.p90 / 1e3);
    samples.add(peer, Figure::FailingP99, report.latency.p99 / 1e3);
    Ok(())
}
