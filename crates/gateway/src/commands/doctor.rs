//! `seawall doctor`: is this machine fit for it, and with a file: what is wrong with this request?
//!
//! Alone it looks at what outages are mistaken for: names, certificates, clocks, proxies, limits,
//! addresses that lead in a circle, layers of retries. It changes nothing, spends nothing, and
//! every wait has a deadline. With a request it lints, and only with `--send` it sends.

mod check;
mod draft;
mod exam;
mod holder;
mod machine;
mod narrow;
mod outline;
mod place;
mod probe;
mod reach;
mod record;
mod request;
mod running;
mod telling;
mod verdict;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::{HeaderValue, header};
use seawall::{Key, Upstream};
use tokio::task::JoinSet;

use crate::config::{self, Config, Environment, Overrides, UpstreamConfig};
use crate::data_dir;
use crate::exit::{self, Exit};
use crate::gateway;

use self::check::{Check, State};
use self::draft::Form;
use self::request::Order;

const EXAMPLES: &str = "\
Examples:
  seawall doctor
  seawall doctor --upstream https://api.openai.com/v1
  seawall doctor request.json             lint alone: nothing is sent
  seawall doctor request.json --send --sends-max 20

Exit codes: 0 nothing is wrong, 1 something is, 5 the upstream is at fault.";

/// What `seawall doctor` was asked.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// A request that fails, or - for standard input; without it, this machine and its set-up are looked at
    #[arg(value_name = "REQUEST.json")]
    pub(crate) request: Option<PathBuf>,
    /// Send the request, whole and then in parts, to find out whose fault it is
    #[arg(long, requires = "request")]
    pub(crate) send: bool,
    /// The upstream: one of the configuration by its name, or a URL [default: the first that serves the model]
    #[arg(long, value_name = "NAME|URL")]
    pub(crate) upstream: Option<String>,
    /// The form of the request, where its members do not say
    #[arg(long, requires = "request")]
    pub(crate) endpoint: Option<Form>,
    /// Sends at most: 1 to 1000
    #[arg(long, value_name = "N", requires = "send", default_value_t = exam::SENDS_DEFAULT,
          value_parser = clap::value_parser!(u32).range(1..=exam::SENDS_MAX as i64))]
    pub(crate) sends_max: u32,
    /// The configuration; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// Where the journal lives (env SEAWALL_DATA_DIR)
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Looks; the exit code.
pub(crate) async fn run(
    args: &DoctorArgs,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let url = args.upstream.clone().filter(|upstream| upstream.contains("://"));
    let overrides = Overrides {
        config: args.config.clone(),
        upstream: url,
        data_dir: args.data_dir.clone(),
        ..Overrides::default()
    };
    let config = match config::load(&overrides, env) {
        Ok(config) => config,
        Err(problems) => {
            if args.json {
                for problem in problems.reported() {
                    writeln!(out, "{}", serde_json::to_string(&problem)?)?;
                }
            } else {
                writeln!(err, "{}", problems.render(env.wants_colour() && io::stderr().is_terminal()))?;
            }
            return Ok(exit::CONFIG);
        }
    };
    match &args.request {
        Some(file) => request(args, file, &config, env, out, err).await,
        None => alone(args, &config, env, out, err).await,
    }
}

/// Which upstreams there are, and which of them was probably meant.
fn upstreams_hint(config: &Config, named: &str) -> String {
    let names: Vec<&str> = config.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    let meant = config::nearest(named, names.iter().copied()).map(|near| format!("did you mean `{near}`? "));
    format!("{}there are: {}; or give a URL", meant.unwrap_or_default(), names.join(", "))
}

/// Looks at this machine and its set-up.
async fn alone(
    args: &DoctorArgs,
    config: &Config,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let named = args.upstream.as_deref().filter(|upstream| !upstream.contains("://"));
    let upstreams: Vec<&UpstreamConfig> =
        config.upstreams.iter().filter(|upstream| named.is_none_or(|name| upstream.name == name)).collect();
    if upstreams.is_empty() {
        let named = named.unwrap_or_default();
        writeln!(err, "error: there is no upstream \"{named}\"\nhint: {}", upstreams_hint(config, named))?;
        return Ok(exit::USAGE);
    }
    let is_shown = !args.json && io::stderr().is_terminal();
    if is_shown {
        write!(err, "looking at {} upstreams …", upstreams.len())?;
        err.flush()?;
    }
    let serve = data_dir::announced(&config.data_dir);
    let (running, serve) = running::gateway(config, serve).await;
    let own: Vec<SocketAddr> = [config.server.listen, config.server.admin].into();
    let mut looks = JoinSet::new();
    for (at, upstream) in upstreams.into_iter().enumerate() {
        // The environment's key is for requests that were asked for: to be reachable takes none.
        let (upstream, own, settings) = (upstream.clone(), own.clone(), gateway::upstream(upstream));
        looks.spawn(async move { (at, reach::upstream(&upstream, &settings, &own).await) });
    }
    let (dir, journal, counts) = (config.data_dir.clone(), config.journal.clone(), running.counts);
    let record = tokio::task::spawn_blocking(move || {
        let mut checks = vec![record::data_dir(&dir), record::journal(&dir, &journal, counts)];
        checks.extend(record::clients(&dir));
        checks
    });
    let file = config
        .file
        .as_ref()
        .map_or("no file: the defaults are in force".to_owned(), |file| format!("{} is valid", file.display()));
    let mut checks = vec![
        Check::new("configuration", State::Ok, file),
        running.check,
        machine::port("listen", config.server.listen, serve.as_ref()),
        machine::port("admin", config.server.admin, serve.as_ref()),
        machine::base_url(config, env),
        machine::proxies(config, env),
        machine::open_files(config, serve.as_ref()),
    ];
    checks.extend(record.await.map_err(io::Error::other)?);
    let mut reached = looks.join_all().await;
    reached.sort_by_key(|(at, _)| *at);
    checks.extend(reached.into_iter().flat_map(|(_, checks)| checks));
    if is_shown {
        write!(err, "\r\u{1b}[K")?;
    }
    let (failed, doubtful) = check::tell(&checks, args.json, out)?;
    if !args.json {
        writeln!(err, "{failed} failed, {doubtful} doubtful")?;
    }
    Ok(if failed > 0 { exit::FOUND } else { exit::OK })
}

async fn request(
    args: &DoctorArgs,
    file: &Path,
    config: &Config,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let text = if *file == *"-" { read(io::stdin().lock()) } else { open(&env.path(file)) };
    let text = match text {
        Ok(text) => text,
        Err(why) => {
            writeln!(err, "error: cannot read {}: {why}", file.display())?;
            return Ok(exit::USAGE);
        }
    };
    let model = draft::Draft::read(&text, args.endpoint).ok().and_then(|draft| draft.model());
    let named = args.upstream.as_deref().filter(|upstream| !upstream.contains("://"));
    let upstream = choose(config, named, model.as_deref());
    if upstream.is_none() && (args.send || named.is_some()) {
        let names: Vec<&str> = config.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        let names = names.join(", ");
        let (what, hint) = match named {
            Some(name) => (format!("there is no upstream \"{name}\""), upstreams_hint(config, name)),
            None => (
                "no upstream serves the model of this request".to_owned(),
                format!("name one with --upstream: {names}"),
            ),
        };
        writeln!(err, "error: {what}\nhint: {hint}")?;
        return Ok(exit::USAGE);
    }
    let order = Order {
        file,
        form: args.endpoint,
        send: upstream.filter(|_| args.send).map(|upstream| settings(upstream, env)),
        upstream: upstream.map_or_else(|| "an upstream".to_owned(), |it| format!("{} ({})", it.name, shown(it))),
        sends_max: args.sends_max,
        json: args.json,
    };
    request::run(&order, &text, out, err).await
}

/// The upstream to ask: the named one, or the one that is asked first for this model.
fn choose<'c>(config: &'c Config, named: Option<&str>, model: Option<&str>) -> Option<&'c UpstreamConfig> {
    if let Some(name) = named {
        return config.upstreams.iter().find(|upstream| upstream.name == name);
    }
    let serves = |upstream: &&UpstreamConfig| gateway::placed(upstream).serves(model);
    config.upstreams.iter().filter(serves).min_by_key(|upstream| upstream.priority)
}

/// How to reach an upstream, and the secrets that this takes. Its own key goes there, or else the one of
/// the environment, which no wire carries that others can read.
fn settings(upstream: &UpstreamConfig, env: &Environment) -> (Upstream, Vec<String>) {
    let mut settings = gateway::upstream(upstream);
    // Whoever names an upstream for this request means it, whatever models it is configured for.
    settings.models.clear();
    let mut secrets: Vec<String> = upstream.api_keys.iter().map(|key| key.expose().to_owned()).collect();
    let is_private = upstream.base.scheme_str() == Some("https") || config::is_loopback(&upstream.base);
    if settings.keys.is_empty()
        && is_private
        && let Some(key) = env.text("OPENAI_API_KEY")
        && let Ok(value) = HeaderValue::try_from(format!("Bearer {key}"))
    {
        settings.keys.push(Key::new(header::AUTHORIZATION, value));
        secrets.push(key);
    }
    (settings, secrets)
}

/// The address of an upstream without its query.
fn shown(upstream: &UpstreamConfig) -> String {
    let base = &upstream.base;
    let authority = base.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}{}", base.scheme_str().unwrap_or("http"), base.path().trim_end_matches('/'))
}

fn open(path: &Path) -> Result<String, String> {
    read(File::open(path).map_err(|error| error.to_string())?)
}

fn read(source: impl Read) -> Result<String, String> {
    let mut text = String::new();
    let read = source.take(request::FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if read as u64 > request::FILE_BYTES_MAX {
        return Err(format!("it has more than {} bytes", request::FILE_BYTES_MAX));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
