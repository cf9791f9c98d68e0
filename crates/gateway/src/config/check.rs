//! From what was written to what is in force: each table read, each default filled in, and every
//! problem found on the way collected before anything is refused.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use seawall_core::plan::budget;
use seawall_core::plan::policy::{FirstContent, Policy, Timeouts};

use super::address::{self, Origin};
use super::diagnose::Problem;
use super::doors::{self, Doors};
use super::expand::reason;
use super::proxy::{self, ProxySetting, ProxyUrl};
use super::read::{At, Chosen, Reader, Said, Source};
use super::written::{self, BUDGET_PARTS, Written};
use super::{
    ClientConfig, Config, JournalConfig, LogConfig, Overrides, Roots, ServerConfig, UpstreamAuth, UpstreamConfig,
    retry, units,
};

/// The largest `ca_file`, in bytes: all public roots together are a tenth of it.
const CA_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The most upstreams.
pub(super) const UPSTREAMS_MAX: usize = 64;
/// The most clients.
pub(super) const CLIENTS_MAX: usize = 1_000;
/// In front of what the gateway is when nobody says anything.
const DEFAULT_UPSTREAM: &str = "https://api.openai.com/v1";

/// An upstream or a client with the places that a complaint about it points at.
pub(super) struct Placed<V> {
    pub(super) value: V,
    /// The header of its table.
    pub(super) table: Option<Range<usize>>,
    /// Its name.
    pub(super) name: Option<Range<usize>>,
    /// Its address or its token.
    pub(super) what: Option<Range<usize>>,
}

/// The checked configuration, or everything that is wrong with it.
pub(super) fn config(
    file: Option<&Path>,
    written: &Written,
    overrides: &Overrides,
    mut reader: Reader<'_>,
) -> Result<Config, Vec<Problem>> {
    let doors = server(&mut reader, &written.server, overrides);
    let upstreams = upstreams(&mut reader, &written.upstream, overrides);
    let clients = clients(&mut reader, &written.client);
    let (retry, top) = retry::read(&mut reader, &written.retry, overrides.max_retries);
    let budget = budget(&mut reader, &written.budget);
    let timeout = timeouts(&mut reader, &written.timeout);
    let journal = journal(&mut reader, &written.journal);
    let log = log(&mut reader, &written.log, overrides);
    let data_dir = data_dir(&mut reader, overrides);
    doors::check(&doors, &upstreams, &clients, written.client.len(), &mut reader.problems);
    match data_dir {
        Some(data_dir) if reader.problems.is_empty() => Ok(Config {
            file: file.map(Path::to_owned),
            server: doors.server,
            upstreams: upstreams.into_iter().map(|placed| placed.value).collect(),
            policy: Policy { retry, budget, timeout, ..Policy::default() },
            journal,
            clients: clients.into_iter().map(|placed| placed.value).collect(),
            log,
            data_dir,
            retry: top,
            sources: reader.sources,
        }),
        _ => Err(reader.problems),
    }
}

fn server(reader: &mut Reader<'_>, written: &written::Server, overrides: &Overrides) -> Doors {
    let default = ServerConfig::default();
    let said = |address: Option<_>, flag| address.map(|value| Said { value, source: Source::Flag(flag) });
    let listen = reader.choose("server.listen", said(overrides.listen, "--listen"), &written.listen, default.listen);
    let admin = reader.choose("server.admin", said(overrides.admin, "--admin"), &written.admin, default.admin);
    let replay = reader.read("server.replay_bytes_max", &written.replay_bytes_max);
    let server = ServerConfig {
        listen: listen.value,
        admin: admin.value,
        body_bytes_max: reader.or("server.body_bytes_max", &written.body_bytes_max, default.body_bytes_max),
        replay_bytes_max: replay.as_ref().map_or(default.replay_bytes_max, |at| at.value),
        memory_max: reader.or("server.memory_max", &written.memory_max, default.memory_max),
        in_flight_max: reader.or("server.in_flight_max", &written.in_flight_max, default.in_flight_max),
        connections_max: reader.or("server.connections_max", &written.connections_max, default.connections_max),
        drain: reader.or("server.drain", &written.drain, default.drain),
        behind_auth: reader.or("server.behind_auth", &written.behind_auth, default.behind_auth),
        admin_token: reader.read("server.admin_token", &written.admin_token).map(|at| at.value),
    };
    if let Some(replay) = replay.filter(|replay| replay.value > server.memory_max) {
        let [given, limit] = [replay.value, server.memory_max].map(units::show_size);
        let what = format!("`server.replay_bytes_max` is {given}, above `server.memory_max` ({limit})");
        reader.problems.push(Problem::new(what).at(replay.span, "never all kept"));
    }
    let Chosen { span: listen, .. } = listen;
    Doors { server, listen, admin: admin.span, admin_token_written: written.admin_token.raw.is_some() }
}

fn upstreams(
    reader: &mut Reader<'_>,
    written: &[Spanned<written::Upstream>],
    overrides: &Overrides,
) -> Vec<Placed<UpstreamConfig>> {
    let flag = overrides.upstream.clone().map(|url| (url, "--upstream", Source::Flag("--upstream")));
    let variable = || {
        let url = reader.expansion.env.text("SEAWALL_UPSTREAM")?;
        Some((url, "SEAWALL_UPSTREAM", Source::Env("SEAWALL_UPSTREAM")))
    };
    if let Some((url, name, source)) = flag.or_else(variable) {
        return only(reader, &url, name, &source).into_iter().collect();
    }
    if written.is_empty() {
        return only(reader, DEFAULT_UPSTREAM, "the default", &Source::Default).into_iter().collect();
    }
    if let Some(extra) = written.get(UPSTREAMS_MAX) {
        let what = format!("{} upstreams, the limit is {UPSTREAMS_MAX}", written.len());
        reader.problems.push(Problem::new(what).at(extra.span(), "one too many"));
    }
    let placed: Vec<_> =
        written.iter().enumerate().map(|(at, table)| upstream(reader, at, table.get_ref(), table.span())).collect();
    placed.into_iter().flatten().collect()
}

/// The one upstream that is given by its address alone.
fn only(reader: &mut Reader<'_>, url: &str, said_by: &str, source: &Source) -> Option<Placed<UpstreamConfig>> {
    match address::base_url(url) {
        Ok(base) => {
            let name = address::name_of(&base);
            for key in ["name", "base_url"] {
                reader.sources.insert(format!("upstream.0.{key}"), source.clone());
            }
            let proxy = resolve(reader, &ProxySetting::Env, &base, None);
            let value = UpstreamConfig {
                name,
                base,
                api_key: None,
                auth: UpstreamAuth::Bearer,
                proxy_setting: ProxySetting::Env,
                proxy,
                models: Vec::new(),
                priority: DEFAULT_PRIORITY,
                roots: None,
            };
            Some(Placed { value, table: None, name: None, what: None })
        }
        Err(wrong) => {
            let problem = Problem::new(format!("{said_by} {}", wrong.what));
            reader.problems.push(match wrong.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
            None
        }
    }
}

const DEFAULT_PRIORITY: u32 = 1;

fn upstream(
    reader: &mut Reader<'_>,
    at: usize,
    written: &written::Upstream,
    table: Range<usize>,
) -> Option<Placed<UpstreamConfig>> {
    let path = |key: &str| format!("upstream.{at}.{key}");
    let name = reader.read(&path("name"), &written.name);
    let base = reader.read(&path("base_url"), &written.base_url);
    let api_key = reader.read(&path("api_key"), &written.api_key).map(|at| at.value);
    let auth = reader.read(&path("auth"), &written.auth);
    let proxy = reader.read(&path("proxy"), &written.proxy);
    let models = reader.or(&path("models"), &written.models, Vec::new());
    let priority = reader.or(&path("priority"), &written.priority, DEFAULT_PRIORITY);
    let roots = reader.read(&path("ca_file"), &written.ca_file).and_then(|at| roots(reader, at));
    if written.base_url.raw.is_none() {
        let problem = Problem::new("an upstream has no `base_url`").at(table.clone(), "this one");
        reader.problems.push(problem.hint("add a line such as: base_url = \"https://api.openai.com/v1\""));
    }
    if let Some(auth) = auth.as_ref().filter(|auth| auth.value == UpstreamAuth::ApiKey && written.api_key.raw.is_none())
    {
        let problem = Problem::new("`upstream.auth` has no effect without `api_key`").at(auth.span.clone(), "");
        reader.problems.push(problem.hint("a key that is passed through keeps the header it came in"));
    }
    let base = base?;
    if written.api_key.raw.is_some() && api_key.is_none() {
        // Its key is there, and wrong: it must not be taken for one that passes keys through.
        return None;
    }
    let setting = proxy.as_ref().map_or(ProxySetting::Env, |at| at.value.clone());
    let proxy = resolve(reader, &setting, &base.value, Some(&base.span));
    let named = name.as_ref().map(|at| at.span.clone());
    let value = UpstreamConfig {
        name: name.map_or_else(|| address::name_of(&base.value), |at| at.value),
        base: base.value,
        api_key,
        auth: auth.map_or(UpstreamAuth::Bearer, |at| at.value),
        proxy_setting: setting,
        proxy,
        models,
        priority,
        roots,
    };
    Some(Placed { value, table: Some(table), name: named, what: Some(base.span) })
}

fn resolve(
    reader: &mut Reader<'_>,
    setting: &ProxySetting,
    base: &http::Uri,
    span: Option<&Range<usize>>,
) -> Option<ProxyUrl> {
    match setting {
        ProxySetting::None => None,
        ProxySetting::Url(proxy) => Some(proxy.clone()),
        ProxySetting::Env => proxy::from_environment(&Origin::of(base), reader.expansion.env).unwrap_or_else(|error| {
            let (variable, why) = error;
            let problem = Problem::new(format!("the proxy in {variable} cannot be used: {why}"));
            let problem = problem.maybe_at(span, "to be reached through it");
            reader.problems.push(problem.hint("set `proxy = \"none\"` to go without, or give an http:// proxy there"));
            None
        }),
    }
}

fn roots(reader: &mut Reader<'_>, at: At<PathBuf>) -> Option<Roots> {
    let path = reader.expansion.folder.join(&at.value);
    match certificates(&path) {
        Ok(pem) => Some(Roots { path, pem }),
        Err(why) => {
            let what = format!("`upstream.ca_file` cannot be used: {why}");
            reader.problems.push(Problem::new(what).at(at.span, ""));
            None
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| reason(&error))?;
    let mut pem = Vec::new();
    file.take(CA_BYTES_MAX + 1).read_to_end(&mut pem).map_err(|error| reason(&error))?;
    if pem.len() as u64 > CA_BYTES_MAX {
        return Err(format!("it is larger than {}", units::show_size(CA_BYTES_MAX)));
    }
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Err("there is no PEM certificate in it".into());
    }
    Ok(pem)
}

fn clients(reader: &mut Reader<'_>, written: &[Spanned<written::Client>]) -> Vec<Placed<ClientConfig>> {
    if let Some(extra) = written.get(CLIENTS_MAX) {
        let what = format!("{} clients, the limit is {CLIENTS_MAX}", written.len());
        reader.problems.push(Problem::new(what).at(extra.span(), "one too many"));
    }
    let placed: Vec<_> =
        written.iter().enumerate().map(|(at, table)| client(reader, at, table.get_ref(), table.span())).collect();
    placed.into_iter().flatten().collect()
}

fn client(
    reader: &mut Reader<'_>,
    at: usize,
    written: &written::Client,
    table: Range<usize>,
) -> Option<Placed<ClientConfig>> {
    let name = reader.read(&format!("client.{at}.name"), &written.name);
    let token = reader.read(&format!("client.{at}.token"), &written.token);
    for (key, is_written) in [("name", written.name.raw.is_some()), ("token", written.token.raw.is_some())] {
        if !is_written {
            let problem = Problem::new(format!("a client has no `{key}`")).at(table.clone(), "this one");
            reader.problems.push(problem);
        }
    }
    let (name, token) = (name?, token?);
    let value = ClientConfig { name: name.value, token: token.value };
    Some(Placed { value, table: Some(table), name: Some(name.span), what: Some(token.span) })
}

fn budget(reader: &mut Reader<'_>, written: &written::Budget) -> budget::Config {
    let default = budget::Config::default();
    // Written in whole retries, kept in thousandths of one.
    let parts = u64::from(BUDGET_PARTS);
    let deposit = reader.read("budget.deposit", &written.deposit).map(|at| u64::from(at.value));
    let start = reader.read("budget.start", &written.start).map(|at| u64::from(at.value) * parts);
    budget::Config { deposit: deposit.unwrap_or(default.deposit), start: start.unwrap_or(default.start) }
}

fn timeouts(reader: &mut Reader<'_>, written: &written::Timeout) -> Timeouts {
    let default = Timeouts::default();
    let total = reader.read("timeout.total", &written.total);
    let total_max = reader.read("timeout.total_max", &written.total_max);
    let span = total.as_ref().or(total_max.as_ref()).map(|at| at.span.clone());
    let timeouts = Timeouts {
        connect: reader.or("timeout.connect", &written.connect, default.connect),
        first_content: reader
            .read("timeout.first_content", &written.first_content)
            .map_or(default.first_content, |at| FirstContent::Fixed(at.value)),
        byte_idle: reader.or("timeout.byte_idle", &written.byte_idle, default.byte_idle),
        total: total.map_or(default.total, |at| at.value),
        total_max: total_max.map_or(default.total_max, |at| at.value),
    };
    if timeouts.total > timeouts.total_max {
        let [total, limit] = [timeouts.total, timeouts.total_max].map(units::show_duration);
        let what = format!("`timeout.total` is {total}, above `timeout.total_max` ({limit})");
        reader.problems.push(
            Problem::new(what).maybe_at(span.as_ref(), "").hint("the second is the limit of the first: change both"),
        );
    }
    timeouts
}

fn journal(reader: &mut Reader<'_>, written: &written::Journal) -> JournalConfig {
    let default = JournalConfig::default();
    JournalConfig {
        keep: reader.or("journal.keep", &written.keep, default.keep),
        size_max: reader.or("journal.size_max", &written.size_max, default.size_max),
        sync: reader.or("journal.sync", &written.sync, default.sync),
        success_sample_ppm: reader.or("journal.success_sample", &written.success_sample, default.success_sample_ppm),
    }
}

fn log(reader: &mut Reader<'_>, written: &written::Log, overrides: &Overrides) -> LogConfig {
    let default = LogConfig::default();
    let said = overrides.log_format.map(|value| Said { value, source: Source::Flag("--log-format") });
    LogConfig {
        format: reader.choose("log.format", said, &written.format, default.format).value,
        level: reader.or("log.level", &written.level, default.level),
    }
}

fn data_dir(reader: &mut Reader<'_>, overrides: &Overrides) -> Option<PathBuf> {
    let env = reader.expansion.env;
    let (folder, source) = if let Some(folder) = &overrides.data_dir {
        (Some(folder.clone()), Source::Flag("--data-dir"))
    } else if let Some(folder) = env.raw("SEAWALL_DATA_DIR").filter(|folder| !folder.is_empty()) {
        (Some(folder.into()), Source::Env("SEAWALL_DATA_DIR"))
    } else {
        (super::default_data_dir(env), Source::Default)
    };
    match folder {
        Some(folder) => {
            reader.sources.insert("data_dir".into(), source);
            Some(env.path(&folder))
        }
        None => {
            let problem = Problem::new("there is no folder for the journal: neither HOME nor XDG_STATE_HOME is set");
            reader.problems.push(problem.hint("give one with --data-dir or SEAWALL_DATA_DIR"));
            None
        }
    }
}
