//! What the operator decided, checked: the one description of a gateway that everything else
//! starts from.
//!
//! Two steps, and no way around them: [`written`] is what a person wrote, [`Config`] is what the
//! check made of it. A flag outranks an environment variable, which outranks the file, which
//! outranks the default; each value remembers which it was, so that `config show` can say so.
//! All problems are reported at once, with their places, and then nothing is started or changed.
//!
//! The environment is read in this module and nowhere else. `OPENAI_BASE_URL` is never read: it
//! points at the gateway, not at its upstream.

mod address;
mod alert;
mod breaker;
mod check;
mod diagnose;
mod doors;
mod environment;
mod example;
mod expand;
mod incident;
mod item;
mod kind;
mod list;
mod mask;
mod pattern;
mod proxy;
mod read;
mod retry;
mod routes;
mod schema;
mod secret;
mod show;
mod status_page;
mod telemetry;
mod units;
mod unknown;
mod upstreams;
mod written;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use seawall_core::incident::Severity;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::Route;
use serde::Deserialize;
use toml::de::DeTable;
use zeroize::Zeroizing;

pub(crate) use self::alert::{authorization, signing_key};
pub(crate) use self::diagnose::Problems;
pub(crate) use self::environment::Environment;
pub(crate) use self::example::example;
pub(crate) use self::incident::IncidentConfig;
pub(crate) use self::proxy::{ProxySetting, ProxyUrl, missing_in_no_proxy};
pub(crate) use self::read::Source;
pub(crate) use self::secret::Secret;
pub(crate) use self::show::{Row, json_schema, rows};
pub(crate) use self::status_page::{StatusPage, StatusPageSetting};
pub(crate) use self::telemetry::{TelemetryConfig, sent};
pub(crate) use self::unknown::nearest;

use self::diagnose::Problem;
use self::expand::Expansion;
use self::kind::Word;
use self::read::Reader;
use self::written::Written;

/// The largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Where the file is looked for in the working folder.
const FILE_HERE: &str = "seawall.toml";
/// What stands for the file in diagnoses where there is none.
const NO_FILE: &str = "configuration";

/// A checked configuration. Only the check can make one.
#[derive(Clone)]
pub(crate) struct Config {
    /// The file it was read from; `None` if there was none.
    pub(crate) file: Option<PathBuf>,
    /// Whether someone waits for the answers.
    pub(crate) profile: Profile,
    /// The doors of the gateway, and how much it takes in.
    pub(crate) server: ServerConfig,
    /// At least one; names are unique. The index is the core's `UpstreamId`.
    pub(crate) upstreams: Vec<UpstreamConfig>,
    /// In the order of the file: the first that fits a model is its route. Each has at least one
    /// pattern, names upstreams by their index, and its fallbacks are names that someone serves.
    pub(crate) routes: Vec<Route>,
    /// Everything about trying again.
    pub(crate) policy: Policy,
    /// When failures are an incident.
    pub(crate) incident: IncidentConfig,
    /// When status pages are asked.
    pub(crate) status_page: StatusPageConfig,
    /// Where incidents are told. Names are unique.
    pub(crate) alerts: Vec<AlertConfig>,
    /// The record of failures.
    pub(crate) journal: JournalConfig,
    /// Who may use the gateway; empty for everybody. Names and tokens are unique.
    pub(crate) clients: Vec<ClientConfig>,
    /// Where traces and metrics are sent.
    pub(crate) telemetry: TelemetryConfig,
    /// What the program says.
    pub(crate) log: LogConfig,
    /// Where the journal lives. It may not exist yet.
    pub(crate) data_dir: PathBuf,
    /// The values of `[retry]` that only show up in its classes.
    retry: retry::Top,
    /// Where values came from; what is not here is a default.
    sources: BTreeMap<String, Source>,
}

/// `[server]`.
#[derive(Clone)]
pub(crate) struct ServerConfig {
    /// Where callers connect. Port 0 is any free one.
    pub(crate) listen: SocketAddr,
    /// Where metrics and health are. Port 0 is any free one.
    pub(crate) admin: SocketAddr,
    /// A larger request body is refused. 1 KiB to 16 GiB.
    pub(crate) body_bytes_max: u64,
    /// A larger request body is not kept. 0 to 1 GiB.
    pub(crate) replay_bytes_max: u64,
    /// All kept bytes together. 1 MiB to 1 TiB.
    pub(crate) memory_max: u64,
    /// Requests at a time. 1 to 1,000,000.
    pub(crate) in_flight_max: u32,
    /// Connections at a time. 1 to 1,000,000.
    pub(crate) connections_max: u32,
    /// How long requests may go on after SIGTERM. Up to 1 h.
    pub(crate) drain: Duration,
    /// The operator says that only the right callers get this far.
    pub(crate) behind_auth: bool,
    /// What the admin side asks for.
    pub(crate) admin_token: Option<Secret>,
}

impl Default for ServerConfig {
    /// Loopback only; sizes as in ruling 15; 4,096 requests and four connections for each.
    fn default() -> Self {
        ServerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 7500)),
            admin: SocketAddr::from(([127, 0, 0, 1], 7501)),
            body_bytes_max: 1 << 30,
            replay_bytes_max: 32 << 20,
            memory_max: 512 << 20,
            in_flight_max: 4096,
            connections_max: 16_384,
            drain: Duration::from_secs(30),
            behind_auth: false,
            admin_token: None,
        }
    }
}

/// One `[[upstream]]`.
#[derive(Clone)]
pub(crate) struct UpstreamConfig {
    /// Unique; 1 to 64 bytes of `A-Z a-z 0-9 . _ -`.
    pub(crate) name: String,
    /// `http` or `https`, with a host and without credentials. The path has no slash at its end
    /// unless it is `/`; the query, if any, is merged into every request's.
    pub(crate) base: Uri,
    /// Its keys, each different, at most 16; empty if the caller's own is passed through.
    pub(crate) api_keys: Vec<Secret>,
    /// How a key is sent.
    pub(crate) auth: UpstreamAuth,
    /// How it is to be reached, as configured.
    pub(crate) proxy_setting: ProxySetting,
    /// What stands in between, the environment taken into account.
    pub(crate) proxy: Option<ProxyUrl>,
    /// Model patterns; empty for every model.
    pub(crate) models: Vec<String>,
    /// What a model is called here: pairs of the name asked for, which `models` include, and the
    /// name sent. At most 256.
    pub(crate) model_map: Vec<(String, String)>,
    /// Lower is asked first.
    pub(crate) priority: u32,
    /// Its share among upstreams of the same priority. 1 to 1,000.
    pub(crate) weight: u32,
    /// Certificates to trust instead of the system's.
    pub(crate) roots: Option<Roots>,
    /// Its status page, as configured.
    pub(crate) status_page_setting: StatusPageSetting,
    /// Its status page and the way there; `None` if there is none to ask.
    pub(crate) status_page: Option<StatusPage>,
}

/// A `ca_file`, read.
#[derive(Clone)]
pub(crate) struct Roots {
    /// Where it was read.
    pub(crate) path: PathBuf,
    /// PEM with at least one certificate in it; the certificates themselves are not looked at yet.
    pub(crate) pem: Vec<u8>,
}

/// `[status_page]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusPageConfig {
    /// When pages are asked.
    pub(crate) poll: Poll,
    /// How often then. 10 s to 1 h.
    pub(crate) every: Duration,
}

impl Default for StatusPageConfig {
    /// Once a minute while something is wrong: a page is changed a quarter of an hour late, by hand.
    fn default() -> Self {
        StatusPageConfig { poll: Poll::Incident, every: Duration::from_secs(60) }
    }
}

/// One `[[alert]]`.
#[derive(Clone)]
pub(crate) struct AlertConfig {
    /// Unique; 1 to 64 bytes of `A-Z a-z 0-9 . _ -`.
    pub(crate) name: String,
    /// What receives it.
    pub(crate) kind: AlertKind,
    /// `http` or `https`, with a host, without user and password. Of some kinds its path is a credential, so
    /// it is kept like one.
    pub(crate) url: Secret,
    /// For `webhook` the keys to sign with, at least one; for `pagerduty` the one integration key; for
    /// `alertmanager` a token, or `user:password`, or none.
    pub(crate) secrets: Vec<Secret>,
    /// What matters less is not told.
    pub(crate) min_severity: Severity,
    /// How it is to be reached, as configured.
    pub(crate) proxy_setting: ProxySetting,
    /// What stands in between, the environment taken into account.
    pub(crate) proxy: Option<ProxyUrl>,
    /// Certificates to trust instead of the system's.
    pub(crate) roots: Option<Roots>,
}

/// `[journal]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalConfig {
    /// Older rows are removed. 1 h to 10 years.
    pub(crate) keep: Duration,
    /// Beyond this the oldest rows are removed. 1 MiB to 1 TiB.
    pub(crate) size_max: u64,
    /// What a row survives.
    pub(crate) sync: JournalSync,
    /// Of a million requests that succeeded at once, so many are recorded. 0 to 1,000,000.
    pub(crate) success_sample_ppm: u32,
}

impl Default for JournalConfig {
    /// 30 days, 1 GiB, no successes.
    fn default() -> Self {
        let keep = Duration::from_secs(30 * 24 * 3600);
        JournalConfig { keep, size_max: 1 << 30, sync: JournalSync::Normal, success_sample_ppm: 0 }
    }
}

/// One `[[client]]`.
#[derive(Clone)]
pub(crate) struct ClientConfig {
    /// Unique.
    pub(crate) name: String,
    /// Unique; at least 16 bytes.
    pub(crate) token: Secret,
}

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// How a line looks.
    pub(crate) format: LogFormat,
    /// The least important line that is written.
    pub(crate) level: LogLevel,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { format: LogFormat::Auto, level: LogLevel::Info }
    }
}

/// How long a request may wait for an upstream that is down, where the profile is `batch`.
const BATCH_WAIT: Duration = Duration::from_secs(90);

/// Declares an enum of the configuration's own words.
macro_rules! settings {
    ($( $(#[$meta:meta])* $name:ident { $( $(#[$vmeta:meta])* $variant:ident = $word:literal, )+ } )+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $( $(#[$vmeta])* $variant, )+ }

        impl Word for $name {
            const ALL: &'static [Self] = &[ $( $name::$variant, )+ ];
            fn name(self) -> &'static str {
                match self { $( $name::$variant => $word, )+ }
            }
        }
    )+ };
}

settings! {
    /// Whether someone waits for the answers.
    Profile {
        /// Yes: an error now is worth more than an answer later.
        Interactive = "interactive",
        /// No: an answer later is worth more than an error now.
        Batch = "batch",
    }

    /// How an upstream's key is sent.
    UpstreamAuth {
        /// `Authorization: Bearer …`.
        Bearer = "bearer",
        /// `api-key: …`, as Azure wants it.
        ApiKey = "api-key",
    }

    /// When a status page is asked.
    Poll {
        /// While something is wrong at the upstream.
        Incident = "incident",
        /// All the time.
        Always = "always",
        /// Never.
        Off = "off",
    }

    /// What receives an alert.
    AlertKind {
        /// An incoming webhook of Slack, or of what speaks as it does.
        Slack = "slack",
        /// PagerDuty's Events API v2.
        Pagerduty = "pagerduty",
        /// Prometheus' Alertmanager, API v2.
        Alertmanager = "alertmanager",
        /// Anything that understands Standard Webhooks.
        Webhook = "webhook",
    }

    /// What is done with a caller's `traceparent`.
    Propagation {
        /// It is not looked at.
        Off = "off",
        /// Its trace goes on here, and ends here.
        Accept = "accept",
        /// Its trace goes on here and at the upstreams.
        Forward = "forward",
    }

    /// What a journal row survives.
    JournalSync {
        /// The death of the process.
        Normal = "normal",
        /// The loss of power.
        Full = "full",
    }

    /// How a log line looks.
    LogFormat {
        /// For people on a terminal, JSON otherwise.
        Auto = "auto",
        /// For people.
        Text = "text",
        /// One object a line.
        Json = "json",
    }

    /// How important a line must be.
    LogLevel {
        /// Something is broken.
        Error = "error",
        /// Something may break, and every failed attempt.
        Warn = "warn",
        /// What an operator wants to know.
        Info = "info",
        /// What a developer wants to know.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = LogFormat::ALL.iter().find(|format| format.name() == word);
        found.copied().ok_or("one of auto, text, json")
    }
}

/// What the command line says; it outranks the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--listen`.
    pub(crate) listen: Option<SocketAddr>,
    /// `--admin`.
    pub(crate) admin: Option<SocketAddr>,
    /// `--upstream`: it replaces all upstreams of the file.
    pub(crate) upstream: Option<String>,
    /// `--data-dir`.
    pub(crate) data_dir: Option<PathBuf>,
    /// `--max-retries`: no kind of failure is retried more often than this, 0 to 19.
    pub(crate) max_retries: Option<u32>,
    /// `--log-format`.
    pub(crate) log_format: Option<LogFormat>,
}

/// The configuration that is in force: flags, environment, file and defaults.
///
/// The file is `--config`, else `./seawall.toml`, else `seawall/seawall.toml` in the user's
/// configuration folder; without any the defaults are in force.
pub(crate) fn load(overrides: &Overrides, env: &Environment) -> Result<Config, Problems> {
    let Some(path) = find(overrides, env) else {
        return from_text(None, "", overrides, env);
    };
    let text = read(&env.path(&path)).map_err(|why| {
        let problem = Problem::new(format!("cannot read {}: {why}", path.display()));
        let hint = "`seawall config init` prints a file to start from";
        Problems::one(path.display().to_string(), if overrides.config.is_some() { problem.hint(hint) } else { problem })
    })?;
    from_text(Some(&path), &text, overrides, env)
}

/// The bytes that a size like `500MiB` or `1 GiB` stands for.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    units::size(text).ok()
}

/// Where the journal lives if nobody says otherwise.
pub(crate) fn default_data_dir(env: &Environment) -> Option<PathBuf> {
    Some(env.base_folder("XDG_STATE_HOME", ".local/state")?.join("seawall"))
}

/// Whether `base` is on this machine, so that nobody else reads what is sent there.
pub(crate) fn is_loopback(base: &Uri) -> bool {
    address::Origin::of(base).is_loopback()
}

/// Whether a request to `base` would arrive at `listen`. Names other than `localhost` are not resolved.
pub(crate) fn reaches(base: &Uri, listen: SocketAddr) -> bool {
    address::Origin::of(base).reaches(listen)
}

/// Whether two addresses lead to the same server.
pub(crate) fn is_same_place(one: &Uri, other: &Uri) -> bool {
    address::Origin::of(one) == address::Origin::of(other)
}

/// The same, from a text that was read from `file` or made up by the program itself.
pub(crate) fn from_text(
    file: Option<&Path>,
    text: &str,
    overrides: &Overrides,
    env: &Environment,
) -> Result<Config, Problems> {
    let origin = file.map_or_else(|| NO_FILE.to_owned(), |path| path.display().to_string());
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(Problems::new(origin, text, errors.iter().map(syntax).collect()));
    }
    let mut problems = Vec::new();
    let written = match Written::deserialize(toml::de::Deserializer::from(document)) {
        Ok(written) => written,
        Err(_) => {
            // Every value is accepted at first, so a key is unknown, or a table of another form: the schema says which
            // there are. It is made for that alone; most configurations are right.
            let (mut document, _) = DeTable::parse_recoverable(text);
            problems = unknown::remove(document.get_mut());
            match Written::deserialize(toml::de::Deserializer::from(document)) {
                Ok(written) => written,
                // Every unknown key is gone, so only oddities end here.
                Err(error) => {
                    problems.push(syntax(&error));
                    return Err(Problems::new(origin, text, problems));
                }
            }
        }
    };
    let folder = env.path(file.and_then(Path::parent).unwrap_or(Path::new("")));
    let expansion = Expansion { env, folder: &folder, source: text };
    let reader = Reader { expansion, problems, sources: BTreeMap::new() };
    check::config(file, &written, overrides, reader).map_err(|problems| Problems::new(origin, text, problems))
}

fn syntax(error: &toml::de::Error) -> Problem {
    let what = error.message().lines().collect::<Vec<_>>().join(", ");
    let problem = Problem::new(what);
    match error.span() {
        Some(span) => problem.at(span, ""),
        None => problem,
    }
}

fn find(overrides: &Overrides, env: &Environment) -> Option<PathBuf> {
    if overrides.config.is_some() {
        return overrides.config.clone();
    }
    let here = PathBuf::from(FILE_HERE);
    let of_user = || Some(env.base_folder("XDG_CONFIG_HOME", ".config")?.join("seawall").join(FILE_HERE));
    [Some(here), of_user()].into_iter().flatten().find(|path| env.path(path).exists())
}

fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let file = File::open(path).map_err(|error| expand::reason(&error))?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| expand::reason(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            Err(format!("line {line} is not valid UTF-8"))
        }
    }
}

#[cfg(test)]
mod tests;
