//! From what was written to what is in force: each table read, each default filled in, and every
//! problem found on the way collected before anything is refused.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use seawall_core::plan::policy::{Adopt, Policy, Streams, Timeouts};
use seawall_core::plan::{budget, hedge, queue};

use super::diagnose::Problem;
use super::doors::{self, Doors};
use super::read::{Chosen, Reader, Said, Source};
use super::written::{self, BUDGET_PARTS, Written};
use super::{
    BATCH_WAIT, ClientConfig, Config, JournalConfig, LogConfig, Overrides, Profile, ServerConfig, StatusPageConfig,
    alert, breaker, incident, retry, routes, telemetry, units, upstreams,
};

/// The most clients.
pub(super) const CLIENTS_MAX: usize = 1_000;

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
    let profile = reader.or("profile", &written.profile, Profile::Interactive);
    let doors = server(&mut reader, &written.server, overrides);
    let upstreams = upstreams::read(&mut reader, &written.upstream, overrides);
    let clients = clients(&mut reader, &written.client);
    let routes = routes::read(&mut reader, &written.route, &upstreams);
    let (retry, top) = retry::read(&mut reader, &written.retry, overrides.max_retries);
    let budget = budget(&mut reader, &written.budget);
    let breaker = breaker::read(&mut reader, &written.breaker);
    let hedge = hedge(&mut reader, &written.hedge);
    let wait = wait(&mut reader, &written.wait, profile);
    let streams = streams(&mut reader, &written.stream);
    let adopt = adopt(&mut reader, &written.adopt);
    let tools = reader.or("diagnose.tools", &written.diagnose.tools, Policy::default().tools);
    let timeout = timeouts(&mut reader, &written.timeout);
    let upgrade = reader.or("stream.upgrade", &written.stream.upgrade, Policy::default().upgrade);
    let incident = incident::read(&mut reader, &written.incident);
    let status_page = status_page(&mut reader, &written.status_page);
    let alerts = alert::read(&mut reader, &written.alert);
    let journal = journal(&mut reader, &written.journal);
    let telemetry = telemetry::read(&mut reader, &written.telemetry);
    let log = log(&mut reader, &written.log, overrides);
    let data_dir = data_dir(&mut reader, overrides);
    doors::check(&doors, &upstreams.list, &clients, written.client.len(), &mut reader.problems);
    match data_dir {
        Some(data_dir) if reader.problems.is_empty() => Ok(Config {
            file: file.map(Path::to_owned),
            server: doors.server,
            profile,
            upstreams: upstreams.list.into_iter().map(|placed| placed.value).collect(),
            routes,
            policy: Policy { retry, budget, timeout, breaker, hedge, wait, streams, upgrade, adopt, tools },
            incident,
            status_page,
            alerts,
            journal,
            clients: clients.into_iter().map(|placed| placed.value).collect(),
            telemetry,
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

fn hedge(reader: &mut Reader<'_>, written: &written::Hedge) -> hedge::Config {
    let default = hedge::Config::default();
    let after_min = reader.read("hedge.after_min", &written.after_min);
    let after_max = reader.read("hedge.after_max", &written.after_max);
    let span = after_min.as_ref().or(after_max.as_ref()).map(|at| at.span.clone());
    let config = hedge::Config {
        enabled: reader.or("hedge.enabled", &written.enabled, default.enabled),
        after_min: after_min.map_or(default.after_min, |at| at.value),
        after_max: after_max.map_or(default.after_max, |at| at.value),
        deposit: reader.read("hedge.deposit", &written.deposit).map_or(default.deposit, |at| u64::from(at.value)),
    };
    if config.after_min > config.after_max {
        let [min, max] = [config.after_min, config.after_max].map(units::show_duration);
        let what = format!("`hedge.after_min` is {min}, above `hedge.after_max` ({max})");
        let hint = "a hedge is begun between the two, when 95 of 100 answers would have come: change both";
        reader.problems.push(Problem::new(what).maybe_at(span.as_ref(), "").hint(hint));
    }
    config
}

fn wait(reader: &mut Reader<'_>, written: &written::Queue, profile: Profile) -> queue::Config {
    let of_profile = match profile {
        Profile::Interactive => queue::Config::default(),
        Profile::Batch => {
            reader.sources.insert("wait.max".into(), Source::Profile(profile));
            queue::Config { max: BATCH_WAIT }
        }
    };
    queue::Config { max: reader.or("wait.max", &written.max, of_profile.max) }
}

fn streams(reader: &mut Reader<'_>, written: &written::Stream) -> Streams {
    let default = Streams::default();
    Streams {
        commit: reader.or("stream.commit", &written.commit, default.commit),
        on_break: reader.or("stream.on_break", &written.on_break, default.on_break),
        comment_after: some(reader.or("stream.comment_after", &written.comment_after, Duration::ZERO)),
        buffer_bytes_max: reader
            .read("stream.buffer_bytes_max", &written.buffer_bytes_max)
            .map_or(default.buffer_bytes_max, |at| usize::try_from(at.value).unwrap_or(usize::MAX)),
        buffer_time_max: reader.or("stream.buffer_time_max", &written.buffer_time_max, default.buffer_time_max),
    }
}

fn adopt(reader: &mut Reader<'_>, written: &written::Adopt) -> Adopt {
    let default = Adopt::default();
    Adopt {
        enabled: reader.or("adopt.enabled", &written.enabled, default.enabled),
        keep: reader.or("adopt.keep", &written.keep, default.keep),
    }
}

/// No time at all stands for none.
fn some(wait: Duration) -> Option<Duration> {
    (!wait.is_zero()).then_some(wait)
}

fn timeouts(reader: &mut Reader<'_>, written: &written::Timeout) -> Timeouts {
    let default = Timeouts::default();
    let total = reader.read("timeout.total", &written.total);
    let total_max = reader.read("timeout.total_max", &written.total_max);
    let span = total.as_ref().or(total_max.as_ref()).map(|at| at.span.clone());
    let timeouts = Timeouts {
        connect: reader.or("timeout.connect", &written.connect, default.connect),
        first_content: reader.or("timeout.first_content", &written.first_content, default.first_content),
        byte_idle: reader.or("timeout.byte_idle", &written.byte_idle, default.byte_idle),
        content_idle: some(reader.or("timeout.content_idle", &written.content_idle, Duration::ZERO)),
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

fn status_page(reader: &mut Reader<'_>, written: &written::StatusPage) -> StatusPageConfig {
    let default = StatusPageConfig::default();
    StatusPageConfig {
        poll: reader.or("status_page.poll", &written.poll, default.poll),
        every: reader.or("status_page.every", &written.every, default.every),
    }
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
