//! `seawall chaos`: a misbehaving upstream, until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use seawall_chaos::{FaultShare, Server, Settings};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Environment;
use crate::exit::{self, Exit};

const EXAMPLES: &str = "\
Examples:
  seawall chaos
  seawall chaos --fault 500:0.2 --fault reset:0.05 --latency 50ms..200ms
  seawall chaos --script outage.toml --seed 7";

/// What `chaos` was told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\nFaults, with what the number in brackets stands for:\n{}", seawall_chaos::faults::help()))]
pub(crate) struct ChaosArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7599")]
    pub(crate) listen: SocketAddr,
    /// A fault and its share of the requests: 500:0.2, reset:0.05, 503+retry-after=2:0.1 (may be repeated)
    #[arg(long = "fault", value_name = "FAULT:SHARE")]
    pub(crate) faults: Vec<String>,
    /// Refuse tools with a regex lookaround, or with TEXT: 500 where it streams, else a 400 that says why;
    /// in_stream: the 500 inside of the stream; flat: always 500
    #[arg(long, value_name = "500|in_stream|flat[=TEXT]", num_args = 0..=1, require_equals = true, default_missing_value = "500")]
    pub(crate) lazy_tools: Option<String>,
    /// Settings from a TOML file: faults, phases over time, latency; flags come on top
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// Decides every throw of the dice
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The wait before every reply: 250ms, or 50ms..200ms
    #[arg(long, value_name = "WAIT")]
    pub(crate) latency: Option<String>,
    /// Content chunks of a stream
    #[arg(long, value_name = "N")]
    pub(crate) chunks: Option<u32>,
    /// Write replies in pieces of so many bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) split: Option<usize>,
    /// Do not obey x-chaos headers of requests
    #[arg(long)]
    pub(crate) ignore_headers: bool,
    /// Error bodies that do not differ from each other
    #[arg(long)]
    pub(crate) same_bodies: bool,
}

/// Runs chaos until a signal comes.
pub(crate) async fn run(args: &ChaosArgs, env: &Environment) -> std::io::Result<Exit> {
    let settings = match settings(args, env) {
        Ok(settings) => settings,
        Err(why) => return Ok(exit::fail(exit::USAGE, &why, "")),
    };
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let server = match Server::bind(args.listen, settings).await {
        Ok(server) => server,
        Err(error) => {
            let why = format!("cannot listen on {}: {error}", args.listen);
            return Ok(exit::fail(exit::CANNOT_START, &why, "choose another address with --listen"));
        }
    };
    writeln!(std::io::stdout(), "chaos is ready: http://{0}/v1; counts at http://{0}/chaos/stats", server.addr())?;
    server
        .run(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await?;
    Ok(exit::OK)
}

fn settings(args: &ChaosArgs, env: &Environment) -> Result<Settings, String> {
    let mut settings = match &args.script {
        None => Settings::default(),
        Some(path) => {
            let text =
                std::fs::read_to_string(env.path(path)).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
            Settings::from_toml(&text).map_err(|e| format!("{}: {e}", path.display()))?
        }
    };
    for fault in &args.faults {
        let share: FaultShare = fault.parse().map_err(|e: seawall_chaos::Error| e.to_string())?;
        settings.faults.push(share);
    }
    if let Some(latency) = &args.latency {
        settings.latency = latency.parse().map_err(|e: seawall_chaos::Error| e.to_string())?;
    }
    if let Some(lazy_tools) = &args.lazy_tools {
        settings.lazy_tools = Some(lazy_tools.parse().map_err(|e: seawall_chaos::Error| e.to_string())?);
    }
    settings.seed = args.seed.unwrap_or(settings.seed);
    settings.chunks = args.chunks.unwrap_or(settings.chunks);
    settings.split = args.split.or(settings.split);
    settings.allow_headers &= !args.ignore_headers;
    settings.same_bodies |= args.same_bodies;
    settings.check().map_err(|e| e.to_string())?;
    Ok(settings)
}
