//! What can be typed: every verb and flag, with its help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::config::ConfigVerb;
use crate::commands::failures::FailuresArgs;
use crate::commands::show::ShowArgs;
use crate::config::{LogFormat, Overrides};

/// A gateway in front of OpenAI-compatible APIs that retries right
///
/// Point OPENAI_BASE_URL at it. What failed for a moment is tried again; what failed for good is
/// on record, with its request id, and explained.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 ok, 1 found problems, 2 usage, 3 configuration invalid, 4 cannot reach or start, \
                        5 upstream problem, 70 internal.")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the gateway
    Serve(ServeArgs),
    /// Show what it does, with a misbehaving upstream on this machine: no key, no network
    Demo(DemoArgs),
    /// Run a command behind a gateway of its own
    Exec(ExecArgs),
    /// Run a misbehaving upstream, for tests
    Chaos(ChaosArgs),
    /// Say what an error means: a status, a code, a pasted error, exception or HTTP response
    Explain(ExplainArgs),
    /// List the failed attempts on record
    Failures(FailuresArgs),
    /// Show one request on record, attempt by attempt
    Show(ShowArgs),
    /// Check, show or begin a configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What `serve` and its like were told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// The configuration; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Where callers connect [default: 127.0.0.1:7500]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where metrics and health are [default: 127.0.0.1:7501]
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
    /// auto, text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl ServeArgs {
    /// The same, for the configuration.
    pub(crate) fn overrides(self) -> Overrides {
        let ServeArgs { config, listen, admin, upstream, data_dir, max_retries, log_format } = self;
        Overrides { config, listen, admin, upstream, data_dir, max_retries, log_format }
    }
}

/// What `demo` was told.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// How long the load lasts, with and without Seawall each: 1 to 600
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Decides which requests fail
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The share of attempts that fail with a 500, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.2)]
    pub(crate) failing: f64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `exec` was told.
#[derive(Debug, Clone, Args)]
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

/// What `chaos` was told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChaosArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7599")]
    pub(crate) listen: SocketAddr,
    /// A fault and its share of the requests: 500:0.2, reset:0.05, 503+retry-after=2:0.1 (may be repeated)
    #[arg(long = "fault", value_name = "FAULT:SHARE")]
    pub(crate) faults: Vec<String>,
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

/// What `explain` was told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArgs {
    /// A status, a code, a class, or pasted text; without it, standard input
    #[arg(value_name = "WHAT", allow_hyphen_values = true, num_args = 0..)]
    pub(crate) what: Vec<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
