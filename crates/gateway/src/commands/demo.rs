//! `seawall demo`: what it does, measured on the spot, on this machine alone.
//!
//! A misbehaving upstream, a gateway in front of it, and the same load twice: straight to the
//! upstream, then through the gateway. Everything that is printed was counted; nothing outlives
//! the command.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use seawall::proxy::{Call, Conclusion, Labels, Payload};
use seawall::{Client, Upstream};
use seawall_chaos::{FaultShare, Running, Server as Chaos, Settings as ChaosSettings};
use seawall_core::plan::policy::Policy;
use seawall_core::request::Request;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::commands::serve;
use crate::config::{self, Environment, Overrides};
use crate::exit::{self, Exit};
use crate::gateway::Gateway;
use crate::observe::journal::incidents::IncidentRow;
use crate::server::loud::now;

/// Requests a second.
const RATE: u64 = 200;
/// The wait before each reply of the upstream.
const LATENCY: &str = "10ms..40ms";
const PATH: &str = "/v1/chat/completions";

const EXAMPLES: &str = "\
Examples:
  seawall demo
  seawall demo --failing 0.5           every second attempt fails
  seawall demo --seconds 30 --seed 7   longer, and another roll of the dice
  seawall demo --json                  for a script";

/// What `demo` was told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// How long the load lasts, with and without Seawall each: 1 to 600
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Decides which requests fail
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The share of attempts that fail with a 500, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.2, value_parser = share)]
    pub(crate) failing: f64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on with the load afterwards, until ctrl-c, so that there is time to look at the dashboard
    #[arg(long, conflicts_with = "json")]
    pub(crate) stay: bool,
}

/// What one load came to.
#[derive(Debug, Clone, Default)]
struct Measured {
    requests: u64,
    answered: u64,
    attempts: u64,
    /// Attempts that brought content: those are paid for.
    billed: u64,
    latencies: Vec<Duration>,
}

/// Runs the demonstration.
pub(crate) async fn run(
    args: &DemoArgs,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let share: FaultShare =
        format!("500:{}", args.failing).parse().map_err(|e: seawall_chaos::Error| io::Error::other(e.to_string()))?;
    if !args.json {
        writeln!(
            err,
            "an upstream on this machine answers {:.0} % of all attempts with a 500; {RATE} requests/s for {} s, twice",
            args.failing * 100.0,
            args.seconds
        )?;
    }
    let without = {
        let chaos = chaos(args.seed, share.clone()).await?;
        let url = chaos.url();
        load(&url, args, &chaos, err).await?
    };
    let chaos = chaos(args.seed, share).await?;
    let folder = tempfile::tempdir()?;
    let gateway = match start(&chaos.url(), folder.path(), env) {
        Ok(gateway) => gateway,
        Err(exit) => return Ok(exit),
    };
    let dashboard = format!("http://{}/", gateway.admin);
    if !args.json {
        writeln!(err, "now with Seawall before it; watch it at {dashboard}")?;
    }
    let url = format!("http://{}", gateway.listen);
    let with = load(&url, args, &chaos, err).await?;
    let rows = gateway.server.observe.journal.stats().rows;
    let mut incidents: Vec<IncidentRow> = gateway.server.observe.incidents.open().iter().map(IncidentRow::of).collect();
    incidents.retain(|incident| incident.under.is_none());
    if !args.stay {
        gateway.stop(std::future::ready(())).await;
        tell(args, &without, &with, rows, &incidents, out)?;
        return Ok(exit::OK);
    }
    tell(args, &without, &with, rows, &incidents, out)?;
    out.flush()?;
    writeln!(err, "the load goes on; the dashboard is at {dashboard}, and ctrl-c ends both")?;
    let quiet = DemoArgs { json: true, ..args.clone() };
    tokio::select! {
        ended = again(&url, &quiet, &chaos, err) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }?;
    gateway.stop(std::future::ready(())).await;
    Ok(exit::OK)
}

/// Tells what the two loads came to.
fn tell(
    args: &DemoArgs,
    without: &Measured,
    with: &Measured,
    rows: u64,
    incidents: &[IncidentRow],
    out: &mut impl Write,
) -> io::Result<()> {
    if args.json {
        let line = json!({
            "seed": args.seed, "seconds": args.seconds, "failing": args.failing,
            "without": without.json(), "with": with.json(), "journal_rows": rows, "incidents": incidents,
        });
        writeln!(out, "{line}")?;
    } else {
        write!(out, "{}", table(without, with))?;
        writeln!(out, "{rows} rows went into the journal, one for each failed attempt and each request it delayed.")?;
        for IncidentRow { kind, severity, upstream, model, whole, .. } in incidents {
            writeln!(
                out,
                "An incident opened, of kind {kind} ({severity}): {} of {} first attempts for {} at {} failed.",
                whole.failed,
                whole.of,
                model.as_deref().unwrap_or("-"),
                upstream.as_deref().unwrap_or("-")
            )?;
        }
        writeln!(out, "Next: `seawall serve`, then OPENAI_BASE_URL=http://127.0.0.1:7500/v1 for your program.")?;
    }
    Ok(())
}

/// The load again and again, until it fails.
async fn again(url: &str, args: &DemoArgs, chaos: &Running, err: &mut impl Write) -> io::Result<()> {
    loop {
        load(url, args, chaos, err).await?;
    }
}

/// A share of all attempts.
fn share(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or("not a number from 0 to 1")
}

async fn chaos(seed: u64, share: FaultShare) -> io::Result<Running> {
    let latency = LATENCY.parse().map_err(|e: seawall_chaos::Error| io::Error::other(e.to_string()))?;
    Chaos::start(ChaosSettings { seed, faults: vec![share], latency, ..ChaosSettings::default() }).await
}

fn start(upstream: &str, folder: &std::path::Path, env: &Environment) -> Result<Gateway, Exit> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let overrides = Overrides {
        listen: Some(any),
        admin: Some(any),
        upstream: Some(format!("{upstream}/v1")),
        data_dir: Some(folder.to_path_buf()),
        ..Overrides::default()
    };
    // No file of the user's: the demonstration is the same everywhere.
    let mut config = config::from_text(None, "", &overrides, env).map_err(|problems| {
        eprintln!("{}", problems.render(false));
        exit::CONFIG
    })?;
    // What is made up is no matter for a collector, whatever the environment names one for.
    config.telemetry.endpoint = None;
    let file = folder.join(crate::data_dir::JOURNAL_FILE);
    let journal = serve::open_journal(&file, &config).map_err(|e| exit::fail(exit::CANNOT_START, &e, ""))?;
    Gateway::start(&config, journal).map_err(|e| exit::fail(exit::CANNOT_START, &e, e.hint()))
}

/// An open loop of requests to `url`, each sent once; what retries there are, the gateway makes.
async fn load(url: &str, args: &DemoArgs, chaos: &Running, err: &mut impl Write) -> io::Result<Measured> {
    let base: Uri = format!("{url}/v1").parse().map_err(io::Error::other)?;
    let mut policy = Policy::default();
    policy.retry.max_attempts = 1;
    let settings = Upstream::at("demo", base);
    let client = Client::builder().upstream(settings).policy(policy).build().map_err(io::Error::other)?;
    let total = RATE * args.seconds;
    let mut tick = interval(Duration::from_micros(1_000_000 / RATE));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut running: JoinSet<(bool, Duration)> = JoinSet::new();
    let mut measured = Measured { requests: total, ..Measured::default() };
    let note = |measured: &mut Measured, (is_answered, took): (bool, Duration)| {
        measured.answered += u64::from(is_answered);
        measured.latencies.push(took);
    };
    for n in 0..total {
        tick.tick().await;
        running.spawn(ask(client.clone(), n));
        while let Some(Ok(done)) = running.try_join_next() {
            note(&mut measured, done);
        }
        if !args.json && n % (RATE * 5) == 0 && n > 0 {
            writeln!(err, "… {n} of {total} requests")?;
        }
    }
    while let Some(done) = running.join_next().await {
        if let Ok(done) = done {
            note(&mut measured, done);
        }
    }
    let stats = chaos.stats();
    measured.attempts = stats.attempts;
    measured.billed = stats.ok;
    measured.latencies.sort_unstable();
    Ok(measured)
}

async fn ask(client: Client, n: u64) -> (bool, Duration) {
    let arrived = now();
    let body = json!({
        "model": "demo", "messages": [{"role": "user", "content": format!("request {n}")}],
    });
    let body = Bytes::from(body.to_string());
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let facts = Request::of(&Method::POST, PATH, &headers, Some(&body), body.len() as u64);
    let unix_micros = seawall::proxy::unix_micros();
    let call = Call {
        facts,
        target: PathAndQuery::from_static(PATH),
        headers,
        payload: Payload::Kept(body),
        replay: Ok(()),
        max_retries: None,
        commit: None,
        labels: Labels { id: client.new_id(unix_micros), ..Labels::default() },
        follower: None,
        arrived,
        arrived_unix_micros: unix_micros,
    };
    let is_answered = matches!(client.run(call).await, Conclusion::Answer(_));
    (is_answered, now().saturating_duration_since(arrived))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a demonstration are far below 2^52")]
impl Measured {
    fn success(&self) -> f64 {
        self.answered as f64 / self.requests.max(1) as f64
    }

    fn attempts_per_request(&self) -> f64 {
        self.attempts as f64 / self.requests.max(1) as f64
    }

    fn quantile_ms(&self, q: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let at = ((self.latencies.len() as f64 * q) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(0.0, |d| d.as_secs_f64() * 1_000.0)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "requests": self.requests, "answered": self.answered, "success": self.success(),
            "attempts": self.attempts, "attempts_per_request": self.attempts_per_request(),
            "billed_generations": self.billed,
            "p50_ms": self.quantile_ms(0.50), "p99_ms": self.quantile_ms(0.99),
        })
    }
}

fn table(without: &Measured, with: &Measured) -> String {
    let mut text = String::new();
    let mut row = |name: &str, a: String, b: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<26} {a:>14} {b:>14}");
    };
    row("", "without".into(), "with Seawall".into());
    row("requests", without.requests.to_string(), with.requests.to_string());
    let success = |m: &Measured| format!("{:.2} %", m.success() * 100.0);
    row("answered", success(without), success(with));
    let failed = |m: &Measured| (m.requests - m.answered).to_string();
    row("failures your code sees", failed(without), failed(with));
    let attempts = |m: &Measured| format!("{:.3}", m.attempts_per_request());
    row("attempts per request", attempts(without), attempts(with));
    row("generations paid for", without.billed.to_string(), with.billed.to_string());
    row("time, median", format!("{:.0} ms", without.quantile_ms(0.5)), format!("{:.0} ms", with.quantile_ms(0.5)));
    row("time, 99 of 100", format!("{:.0} ms", without.quantile_ms(0.99)), format!("{:.0} ms", with.quantile_ms(0.99)));
    text
}
