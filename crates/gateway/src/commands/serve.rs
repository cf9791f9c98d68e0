//! `seawall serve`: the gateway, until it is told to stop.

mod leash;
pub(crate) mod own;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use seawall_core::plan::policy::Policy;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{self, Config, Environment, JournalSync, LogFormat, LogLevel, Overrides};
use crate::data_dir::{self, DataDir, Serve};
use crate::exit::{self, Exit};
use crate::gateway::notify::Notify;
use crate::gateway::{self, Gateway, stops_within};
use crate::observe::Totals;
use crate::observe::journal::plain::JsonLines;
use crate::observe::journal::{self, Closed, Journal, Opened, when};
use leash::Leash;

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
    /// Stop when standard input ends, as on SIGTERM: the pipe of a program that starts this one
    #[arg(long)]
    stop_on_eof: bool,
    /// Record in a file of its own, as exec does: several gateways may then share a data directory
    #[arg(long)]
    own_journal: bool,
}

/// For whom the gateway runs: what is no part of its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// It ends with its standard input.
    stops_on_eof: bool,
    /// Its journal is a file of its own, and the data directory is not claimed.
    has_own_journal: bool,
}

impl ServeArgs {
    /// The same, for the configuration, and what is not for it.
    pub(crate) fn overrides(self) -> (Overrides, Manner) {
        let ServeArgs { config, listen, admin, upstream, data_dir, max_retries, log_format, stop_on_eof, own_journal } =
            self;
        let manner = Manner { stops_on_eof: stop_on_eof, has_own_journal: own_journal };
        (Overrides { config, listen, admin, upstream, data_dir, max_retries, log_format }, manner)
    }
}

/// Runs the gateway to its end.
pub(crate) async fn run(overrides: &Overrides, manner: Manner, env: &Environment) -> Exit {
    let config = match config::load(overrides, env) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{}", problems.render(env.wants_colour() && std::io::stderr().is_terminal()));
            return exit::CONFIG;
        }
    };
    log(&config, env);
    let (data_dir, path) = match place(&config, manner) {
        Ok(place) => place,
        Err(exit) => return exit,
    };
    let journal = match open_journal(&path, &config) {
        Ok(journal) => journal,
        Err(error) => return exit::fail(exit::CANNOT_START, &error, "use another --data-dir, or the newer seawall"),
    };
    let (mut term, mut interrupt) = match (signals(SignalKind::terminate()), signals(SignalKind::interrupt())) {
        (Ok(term), Ok(interrupt)) => (term, interrupt),
        (Err(error), _) | (_, Err(error)) => return exit::fail(exit::INTERNAL, &error, "signals cannot be received"),
    };
    let mut leash = match manner.stops_on_eof.then(|| Leash::on(std::io::stdin())).transpose() {
        Ok(leash) => leash.unwrap_or_else(Leash::none),
        Err(error) => return exit::fail(exit::INTERNAL, &error, "standard input cannot be watched"),
    };
    let gateway = match Gateway::start(&config, journal) {
        Ok(gateway) => gateway,
        Err(error) => {
            if manner.has_own_journal {
                own::leave(&path, Totals::default());
            }
            return exit::fail(exit::CANNOT_START, &error, error.hint());
        }
    };
    if let Some(data_dir) = &data_dir {
        announce(data_dir, &gateway, &path);
    }
    tell_ready(&config, &gateway);
    let mut notify = Notify::of(env);
    notify.ready(&format!("http://{}/v1, admin http://{}", gateway.listen, gateway.admin));
    let notice = tokio::select! {
        _ = term.recv() => gateway::NOTICE,
        _ = interrupt.recv() => gateway::NOTICE,
        () = leash.ended() => {
            tracing::info!("standard input has ended");
            // Who let go of it, or died, routes nothing here any more.
            Duration::ZERO
        }
    };
    notify.stopping(stops_within(config.server.drain));
    tracing::info!("stopping: requests under way are finished, a second signal ends them");
    let again = async {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            () = leash.ended() => {}
        }
    };
    let observe = Arc::clone(&gateway.server.observe);
    let closed = gateway.stop_after(notice, again).await;
    if let Some(data_dir) = data_dir {
        data_dir.release();
    }
    if manner.has_own_journal {
        own::leave(&path, observe.totals());
    }
    match closed {
        Closed::Clean => tracing::info!("stopped"),
        Closed::Late => tracing::warn!("stopped before the journal had written its last rows"),
    }
    exit::OK
}

/// The data directory, if it is this gateway's alone, and where its journal belongs.
fn place(config: &Config, manner: Manner) -> Result<(Option<DataDir>, PathBuf), Exit> {
    if manner.has_own_journal {
        return Ok((None, own::place(config)));
    }
    match DataDir::claim(&config.data_dir) {
        Ok(data_dir) => {
            let path = data_dir.journal();
            Ok((Some(data_dir), path))
        }
        Err(error) if error.is_taken() => Err(exit::fail(
            exit::CANNOT_START,
            &error,
            "one gateway per data directory; --own-journal lets several share it",
        )),
        Err(error) => {
            tracing::warn!(%error, "failures are kept in memory only");
            Ok((None, config.data_dir.join(data_dir::JOURNAL_FILE)))
        }
    }
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
        started: when::rfc3339(seawall::proxy::unix_micros()),
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
