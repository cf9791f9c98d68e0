//! `seawall exec -- CMD`: a gateway for one program, and its exit code passed on.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::serve::{self, own};
use crate::config::{self, Config, Environment, Overrides};
use crate::exit::{self, Exit};
use crate::gateway::Gateway;

/// A command that does not exist, as shells say it.
const NOT_FOUND: Exit = 127;
/// A command that cannot be run, as shells say it.
const NOT_RUNNABLE: Exit = 126;
/// A command that a signal ended gets this and the signal's number.
const SIGNALLED: i32 = 128;

const EXAMPLES: &str = "\
Examples:
  seawall exec -- python3 app.py
  seawall exec --config seawall.toml -- npm test
  seawall exec --upstream http://127.0.0.1:7599/v1 -- ./run.sh --fast";

/// What `exec` was told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExecArgs {
    /// The configuration; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// The upstream, in place of those in the configuration (env SEAWALL_UPSTREAM)
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// Where the journal lives (env SEAWALL_DATA_DIR)
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Retries per request at most
    #[arg(long, value_name = "N")]
    pub(crate) max_retries: Option<u32>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// Runs the command behind a gateway.
pub(crate) async fn run(args: ExecArgs, env: &Environment) -> std::io::Result<Exit> {
    let ExecArgs { config, upstream, data_dir, max_retries, command } = args;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let overrides = Overrides {
        config,
        upstream,
        data_dir,
        max_retries,
        listen: Some(any),
        admin: Some(any),
        ..Overrides::default()
    };
    let mut config = match config::load(&overrides, env) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{}", problems.render(false));
            return Ok(exit::CONFIG);
        }
    };
    // The command's own output is what is wanted here: failures are on record, and counted at the end.
    config.log.level = config::LogLevel::Error;
    serve::log(&config, env);
    let file = own::place(&config);
    let gateway = match start(&file, &config) {
        Ok(gateway) => gateway,
        Err(exit) => return Ok(exit),
    };
    let code = run_command(&command, &gateway).await?;
    summarise(&gateway);
    let observe = Arc::clone(&gateway.server.observe);
    gateway.stop(std::future::ready(())).await;
    own::leave(&file, observe.totals());
    Ok(code)
}

fn start(file: &Path, config: &Config) -> Result<Gateway, Exit> {
    let journal = serve::open_journal(file, config).map_err(|e| exit::fail(exit::CANNOT_START, &e, ""))?;
    Gateway::start(config, journal).map_err(|e| exit::fail(exit::CANNOT_START, &e, e.hint()))
}

async fn run_command(command: &[std::ffi::OsString], gateway: &Gateway) -> std::io::Result<Exit> {
    let Some((program, arguments)) = command.split_first() else { return Ok(exit::USAGE) };
    let url = format!("http://{}/v1", gateway.listen);
    let spawned = Command::new(program).args(arguments).env("OPENAI_BASE_URL", &url).kill_on_drop(true).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
            return Ok(exit::fail(code, &format!("{}: {error}", program.to_string_lossy()), ""));
        }
    };
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code(status?)),
            // The terminal sends its interrupt to the command too; the command decides.
            _ = interrupt.recv() => {}
            _ = term.recv() => child.start_kill()?,
        }
    }
}

fn code(status: ExitStatus) -> Exit {
    let code = status.code().unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or_default());
    Exit::try_from(code).unwrap_or(exit::FOUND)
}

/// What happened, on standard error, in one line.
fn summarise(gateway: &Gateway) {
    let totals = gateway.server.observe.totals();
    let line = format!(
        "seawall: {} requests, {} attempts, {} saved by a retry, {} failed",
        totals.requests, totals.attempts, totals.saved, totals.failed
    );
    if totals.failed + totals.saved > 0 {
        eprintln!("{line}; `seawall failures` lists them");
    } else {
        eprintln!("{line}");
    }
}
