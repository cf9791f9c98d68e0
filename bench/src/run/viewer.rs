//! What somebody costs who looks at the dashboard while the gateway is under load: the CPU time of the gateway's process
//! with a viewer and without one, in turns.
//!
//! A viewer does what the page's script does: it listens to `/api/v1/live`, and fetches the page anew after each summary.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::peer::{Bench, Peer, Running, ask};
use super::process;
use crate::fixture::Kind;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The program; without it the one beside this
    #[arg(long)]
    seawall: Option<PathBuf>,
    /// Requests a second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// How long each turn lasts
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Turns of each kind
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// The page that is looked at
    #[arg(long, default_value = "/")]
    page: String,
}

/// The share of requests that the upstream fails, so that there is something to look at.
const FAIL: f64 = 0.05;
/// How long a page may take.
const PAGE_WITHIN: Duration = Duration::from_secs(5);

/// One turn.
struct Turn {
    /// CPU time in percent of a core.
    percent: f64,
    /// Pages that were fetched.
    pages: u32,
}

/// Prints each turn and what the viewer adds.
pub(crate) async fn run(options: Options) -> io::Result<()> {
    let bench = Bench::new(options.seawall.clone())?;
    let mock = bench.mock(FAIL).await?;
    let running = bench.start(Peer::Seawall, &mock).await?;
    let admin = running.admin.ok_or_else(|| io::Error::other("it has no admin side"))?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        // Whoever comes first finds another machine: they take turns in that, too.
        for is_viewed in if round % 2 == 0 { [false, true] } else { [true, false] } {
            let viewer = is_viewed.then_some(admin);
            let turn = turn(&bench, &running, viewer, &options).await?;
            let seen = if is_viewed { format!("a viewer, {} pages", turn.pages) } else { "nobody looks".to_owned() };
            println!("{:>2}  {:5.2} % of a core  {seen}", round + 1, turn.percent);
            if is_viewed { &mut with } else { &mut without }.push(turn.percent);
        }
    }
    let (alone, viewed) = (median(&mut without), median(&mut with));
    println!(
        "at {} requests/s: {alone:.2} % of a core, {viewed:.2} % with {} open: {:+.2} points, x {:.3}",
        options.rate,
        options.page,
        viewed - alone,
        viewed / alone
    );
    Ok(())
}

async fn turn(bench: &Bench, running: &Running, viewer: Option<SocketAddr>, options: &Options) -> io::Result<Turn> {
    let (rate, seconds) = (options.rate.to_string(), options.seconds.to_string());
    let arguments = ["--rate", &rate, "--seconds", &seconds];
    let mut pages = 0;
    let (began, before) = (Instant::now(), process::cpu(running.pid)?);
    let load = bench.load(running, Kind::Plain, &arguments);
    let report = match viewer {
        None => load.await?,
        Some(admin) => tokio::select! {
            report = load => report?,
            ended = view(admin, &options.page, &mut pages) => {
                ended?;
                return Err(io::Error::other("the viewer was sent away"));
            }
        },
    };
    let used = process::cpu(running.pid)?.since(&before);
    if report.answered == 0 {
        return Err(io::Error::other(format!("nothing was answered: {:?}", report.errors)));
    }
    Ok(Turn { percent: used.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0, pages })
}

/// Looks at a page until it is dropped, or sent away.
async fn view(admin: SocketAddr, page: &str, pages: &mut u32) -> io::Result<()> {
    let mut live = TcpStream::connect(admin).await?;
    live.write_all(format!("GET /api/v1/live HTTP/1.1\r\nhost: {admin}\r\n\r\n").as_bytes()).await?;
    let mut lines = BufReader::new(live).lines();
    while let Some(line) = lines.next_line().await? {
        if line != "event: summary" {
            continue;
        }
        let answer = tokio::time::timeout(PAGE_WITHIN, ask(admin, &format!("GET {page}"), "")).await??;
        if !answer.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(format!("{page}: {}", answer.lines().next().unwrap_or_default())));
        }
        *pages += 1;
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
