//! `seawall status`: what fails here, beside what the provider's status page says, and who knew first.
//!
//! It works whether the gateway runs or not: the record is read from the journal, and each page is
//! asked once, now. A gateway that runs is asked for its breakers too. A page that is silent, late or about another product proves nothing; that is why
//! both stand side by side.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::commands::running::Address;
use crate::config::{self, Config, Environment, Overrides, StatusPage};
use crate::exit::{self, Exit};
use crate::gateway;
use crate::observe::journal::plain::{json_line, printable};
use crate::observe::journal::read::{JournalArgs, Journals, ReadError};
use crate::observe::journal::when::When;
use crate::observe::status_page::Page;
use crate::observe::status_page::board::Snapshot;
use crate::observe::status_page::fetch::{Memory, Trouble};

mod here;
mod ready;
mod running;
mod telling;

use here::Record;
use running::Breakers;
use telling::{Entry, There};

/// How far back the record is read, unless `--since` says otherwise, in microseconds.
const SINCE_MICROS: i64 = 3_600 * 1_000_000;

const EXAMPLES: &str = "\
Examples:
  seawall status
  seawall status --since 24h --no-fetch              this side alone
  seawall status --page https://status.openai.com    that side alone
  seawall status --admin 127.0.0.1:7601 --json       another gateway's breakers
  seawall status --ready                             for a health check";

/// What `seawall status` was asked.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// What failed here since then: 30m, 1h, 7d, or 2026-11-23T06:30:00Z [default: 1h]
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// The configuration; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<std::path::PathBuf>,
    /// The admin side of the gateway whose breakers are told, HOST:PORT [default: that of the one that runs from the data directory]
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    admin: Option<Address>,
    /// Only this status page, and nothing of the record
    #[arg(long, value_name = "URL", conflicts_with_all = ["no_fetch", "since", "admin"])]
    pub(crate) page: Option<String>,
    /// Only whether the gateway that runs takes requests: 0 if it does, 1 if it is ending, 4 if none answers
    #[arg(long, conflicts_with_all = ["page", "no_fetch", "since", "config", "json", "journal"])]
    ready: bool,
    /// Ask no status page
    #[arg(long)]
    pub(crate) no_fetch: bool,
    /// One JSON object an upstream
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(crate) place: JournalArgs,
}

/// Tells it; the exit code. A reader of `out` that has seen enough is no error.
pub(crate) async fn run(
    args: &StatusArgs,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    if args.ready {
        return ready::tell(args, env, out, err).await;
    }
    let (entries, asked) = match &args.page {
        Some(url) => match one_page(url, env).await {
            Ok(entry) => (vec![entry], true),
            Err(why) => {
                writeln!(err, "error: {}\nhint: such as https://status.openai.com", printable(&why))?;
                return Ok(exit::USAGE);
            }
        },
        None => {
            let data_dir = args.place.data_dir.clone();
            let config =
                match config::load(&Overrides { config: args.config.clone(), data_dir, ..Overrides::default() }, env) {
                    Ok(config) => config,
                    Err(problems) => {
                        writeln!(err, "{}", problems.render(env.wants_colour() && io::stderr().is_terminal()))?;
                        return Ok(exit::CONFIG);
                    }
                };
            (all(args, &config, err).await?, !args.no_fetch)
        }
    };
    match tell(&entries, args.json, out) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(exit::OK),
        told => told?,
    }
    if let Some(hint) = entries.iter().find_map(Entry::next).filter(|_| !args.json) {
        writeln!(err, "hint: {hint}")?;
    }
    let mut pages = entries.iter().filter(|entry| entry.has_page()).peekable();
    if asked && pages.peek().is_some() && pages.all(|entry| !entry.is_reached()) {
        writeln!(err, "error: no status page could be read")?;
        writeln!(
            err,
            "hint: `--no-fetch` leaves them out; look at the network, a proxy (HTTPS_PROXY), or `status_page`"
        )?;
        return Ok(exit::CANNOT_START);
    }
    Ok(exit::OK)
}

async fn one_page(url: &str, env: &Environment) -> Result<Entry, String> {
    let page = StatusPage::at(url, env)?;
    let site = gateway::site(&page, None).map_err(|error| error.to_string())?;
    let now = seawall::proxy::unix_micros();
    let there = There::Asked { url: page.shown(), snapshot: snapshot(now, site.look(Memory::default()).await.1) };
    Ok(Entry { upstream: None, there, here: None, breakers: None, now })
}

/// Every upstream of the configuration, and after them those that only the record knows.
async fn all(args: &StatusArgs, config: &Config, err: &mut impl Write) -> io::Result<Vec<Entry>> {
    let now = seawall::proxy::unix_micros();
    let since = args.since.map_or(now - SINCE_MICROS, |when| when.unix_micros(now));
    let mut record = match record(args, config, since, err)? {
        Ok(record) => Some(record),
        Err(error) => {
            writeln!(err, "warning: {error}\nhint: {}", error.hint())?;
            None
        }
    };
    let asked = async { if args.no_fetch { Vec::new() } else { ask(config, now).await } };
    let (snapshots, running) = tokio::join!(asked, running::breakers(args.admin.as_ref(), config));
    if let (Some(address), None) = (&args.admin, &running) {
        writeln!(err, "warning: no gateway tells of its breakers at {}", printable(&address.typed))?;
    }
    let mut entries = Vec::new();
    for upstream in &config.upstreams {
        let there = match &upstream.status_page {
            None => There::None,
            Some(page) => {
                let url = page.shown();
                match snapshots.iter().find(|(asked, _)| *asked == url) {
                    Some((_, snapshot)) => There::Asked { url, snapshot: snapshot.clone() },
                    None => There::NotAsked { url },
                }
            }
        };
        let here = record.as_mut().map(|record| record.take(&upstream.name));
        let own = |all: &Breakers| all.get(&upstream.name).cloned().unwrap_or_default();
        let breakers = running.as_ref().map(own);
        entries.push(Entry { upstream: Some(upstream.name.clone()), there, here, breakers, now });
    }
    for (name, here) in record.into_iter().flat_map(Record::rest) {
        entries.push(Entry { upstream: Some(name), there: There::None, here: Some(here), breakers: None, now });
    }
    Ok(entries)
}

fn record(
    args: &StatusArgs,
    config: &Config,
    since: i64,
    err: &mut impl Write,
) -> io::Result<Result<Record, ReadError>> {
    let journals = match Journals::open(&args.place, Some(&config.data_dir)) {
        Ok(journals) => journals,
        Err(error) => return Ok(Err(error)),
    };
    for warning in &journals.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    Ok(Record::read(&journals, since))
}

/// Asks each page once, all at the same time.
async fn ask(config: &Config, now: i64) -> Vec<(String, Snapshot)> {
    let mut asked: Vec<String> = Vec::new();
    let mut tasks = JoinSet::new();
    for upstream in &config.upstreams {
        let Some(page) = &upstream.status_page else { continue };
        let url = page.shown();
        if asked.contains(&url) {
            continue;
        }
        asked.push(url.clone());
        let site = gateway::site(page, Some(upstream));
        tasks.spawn(async move {
            let said = match site {
                Ok(site) => site.look(Memory::default()).await.1,
                Err(error) => Err(Trouble::Connect(error.to_string())),
            };
            (url, snapshot(now, said))
        });
    }
    tasks.join_all().await
}

fn snapshot(now: i64, said: Result<Arc<Page>, Trouble>) -> Snapshot {
    match said {
        Ok(page) => Snapshot { page: Some(page), read: Some(now), asked: Some(now), trouble: None },
        Err(trouble) => Snapshot { asked: Some(now), trouble: Some(trouble), ..Snapshot::default() },
    }
}

fn tell(entries: &[Entry], as_json: bool, out: &mut impl Write) -> io::Result<()> {
    for (at, entry) in entries.iter().enumerate() {
        if as_json {
            out.write_all(json_line(&entry.json()).map_err(io::Error::from)?.as_bytes())?;
        } else {
            let space = if at > 0 { "\n" } else { "" };
            write!(out, "{space}{}", entry.text())?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests;
