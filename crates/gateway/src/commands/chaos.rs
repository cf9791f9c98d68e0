//! `seawall chaos`: a misbehaving upstream, until it is told to stop.

use std::io::Write;

use seawall_chaos::{FaultShare, Server, Settings};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ChaosArgs;
use crate::config::Environment;
use crate::exit::{self, Exit};

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
    writeln!(
        std::io::stdout(),
        "chaos is ready: http://{0}/v1; counts at http://{0}/chaos/stats",
        server.addr()
    )?;
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
            let text = std::fs::read_to_string(env.path(path)).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
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
    settings.seed = args.seed.unwrap_or(settings.seed);
    settings.chunks = args.chunks.unwrap_or(settings.chunks);
    settings.split = args.split.or(settings.split);
    settings.allow_headers &= !args.ignore_headers;
    settings.same_bodies |= args.same_bodies;
    settings.check().map_err(|e| e.to_string())?;
    Ok(settings)
}
