//! `seawall serve`: the gateway, until it is told to stop.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use seawall_core::plan::policy::Policy;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{self, Config, Environment, JournalSync, LogFormat, LogLevel, Overrides};
use crate::data_dir::{DataDir, Serve};
use crate::exit::{self, Exit};
use crate::gateway::notify::Notify;
use crate::gateway::{Gateway, stops_within};
use crate::observe::journal::plain::JsonLines;
use crate::observe::journal::{self, Closed, Journal, Opened, when};

const EXAMPLES: &str = "\
Examples:
  seawall serve
  seawall serve --config seawall.toml
  seawall serve --upstream https://example.openai.azure.com/openai/v1
  seawall serve --upstream http://127.0.0.1:7599/v1 --data-dir /tmp/try";

/// What `serve` and its like were told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// The configuration; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Where callers connect [default: 127.0.0.1:7500]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where operators look: metrics, health, the API [default: 127.0.0.1:7501]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// The upstream, in place of those in the configuration (env SEAWALL_UPSTREAM)
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Where the journal lives (env SEAWALL_DATA_DIR)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Retries per request at most
    #[arg(long, value_name = "N")]
    max_retries: Option<u32>,
    /// How log lines are written; auto is text on a terminal, else JSON
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(["auto", "text", "json"])
        .try_map(|name| name.parse::<LogFormat>()))]
    log_format: Option<LogFormat>,
}

impl ServeArgs {
    /// The same, for the configuration.
    pub(crate) fn overrides(self) -> Overrides {
        let ServeArgs { config, listen, admin, upstream, data_dir, max_retries, log_format } = self;
        Overrides { config, listen, admin, upstream, data_dir, max_retries, log_format }
    }
}

/// Runs the gateway to its end.
pub(crate) async fn run(overrides: &Overrides, env: &Environment) -> Exit {
    let config = match config::load(overrides, env) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{}", problems.render(env.wants_colour() && std::io::stderr().is_terminal()));
            return exit::CONFIG;
        }
    };
    log(&config, env);
    let data_dir = match DataDir::claim(&config.data_dir) {
        Ok(data_dir) => Some(data_dir),
        Err(error) if error.is_taken() => {
            return exit::fail(exit::CANNOT_START, &error, "one gateway per data directory");
        }
        Err(error) => {
            tracing::warn!(%error, "failures are kept in memory only");
            None
        }
    };
    let path = data_dir.as_ref().map_or_else(|| config.data_dir.join(crate::data_dir::JOURNAL_FILE), DataDir::journal);
    let journal = match open_journal(&path, &config) {
        Ok(journal) => journal,
        Err(error) => return exit::fail(exit::CANNOT_START, &error, "use another --data-dir, or the newer seawall"),
    };
    let (mut term, mut interrupt) = match (signals(SignalKind::terminate()), signals(SignalKind::interrupt())) {
        (Ok(term), Ok(interrupt)) => (term, interrupt),
        (Err(error), _) | (_, Err(error)) => return exit::fail(exit::INTERNAL, &error, "signals cannot be received"),
    };
    let gateway = match Gateway::start(&config, journal) {
        Ok(gateway) => gateway,
        Err(error) => return exit::fail(exit::CANNOT_START, &error, error.hint()),
    };
    if let Some(data_dir) = &data_dir {
        announce(data_dir, &gateway, &path);
    }
    tell_ready(&config, &gateway);
    let mut notify = Notify::of(env);
    notify.ready(&format!("http://{}/v1, admin http://{}", gateway.listen, gateway.admin));
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    notify.stopping(stops_within(config.server.drain));
    tracing::info!("stopping: requests under way are finished, a second signal ends them");
    let again = async {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let closed = gateway.stop(again).await;
    if let Some(data_dir) = data_dir {
        data_dir.release();
    }
    match closed {
        Closed::Clean => tracing::info!("stopped"),
        Closed::Late => tracing::warn!("stopped before the journal had written its last rows"),
    }
    exit::OK
}

/// The journal at `path`; in memory where the file cannot be had. Only one written by a newer
/// program is a reason not to start.
pub(crate) fn open_journal(path: &Path, config: &Config) -> Result<Journal, journal::OpenError> {
    let settings = || journal::Settings {
        sync: match config.journal.sync {
            JournalSync::Normal => journal::Sync::Normal,
            JournalSync::Full => journal::Sync::Full,
        },
        keep: config.journal.keep,
        size_max: config.journal.size_max,
    };
    match Journal::open(path, settings()) {
        Ok((journal, opened)) => {
            if let Opened::MovedAside { to, why } = opened {
                tracing::error!(to = %to.display(), why, "the journal was damaged: moved aside, a new one begun");
            }
            Ok(journal)
        }
        Err(error) if error.is_newer() => Err(error),
        Err(error) => {
            tracing::warn!(%error, "failures are kept in memory only");
            Ok(Journal::ring_only(path, settings()))
        }
    }
}

fn announce(data_dir: &DataDir, gateway: &Gateway, journal: &Path) {
    let serve = Serve {
        pid: std::process::id(),
        listen: gateway.listen.to_string(),
        admin: Some(gateway.admin.to_string()),
        started: when::rfc3339(seawall::unix_micros()),
        journal: Some(journal.to_path_buf()),
    };
    if let Err(error) = data_dir.announce(&serve) {
        tracing::warn!(%error, "other commands will not find this gateway");
    }
}

fn tell_ready(config: &Config, gateway: &Gateway) {
    let upstreams: Vec<String> = config.upstreams.iter().map(|u| shown(&u.base)).collect();
    let line = format!(
        "seawall is ready: http://{}/v1 in front of {}; admin http://{}",
        gateway.listen,
        upstreams.join(", "),
        gateway.admin
    );
    // Nobody may be reading; that is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "{line}");
    let Policy { retry, .. } = &config.policy;
    tracing::info!(listen = %gateway.listen, admin = %gateway.admin, attempts = retry.max_attempts, "ready");
}

/// An address without its query, which may hold what is nobody's business.
fn shown(base: &http::Uri) -> String {
    let (scheme, authority) = (base.scheme_str().unwrap_or("http"), base.authority().map_or("", |a| a.as_str()));
    format!("{scheme}://{authority}{}", base.path().trim_end_matches('/'))
}

fn signals(kind: SignalKind) -> std::io::Result<Signal> {
    signal(kind)
}

/// Lines on standard error. Only our own: what libraries say at `trace` holds headers and bodies.
pub(crate) fn log(config: &Config, env: &Environment) {
    let level = match config.log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let is_terminal = std::io::stderr().is_terminal();
    let is_json = match config.log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    };
    let registry = tracing_subscriber::registry().with(Targets::new().with_target("seawall", level));
    let lines = tracing_subscriber::fmt::layer();
    // A second start in one process (the demo's) keeps the first one's log.
    let _ = if is_json {
        let lines = lines.with_writer(|| JsonLines(std::io::stderr()));
        registry.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
    } else {
        registry.with(lines.with_writer(std::io::stderr).with_ansi(is_terminal && env.wants_colour())).try_init()
    };
}
