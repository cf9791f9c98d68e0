//! `seawall incidents test-alert`: does an alert arrive?
//!
//! A notice that is marked as a test goes the way of a real one, once, without retries: better to see
//! today that an address is wrong than in the night in which it matters.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use seawall_core::incident::{Counts, Event, Kind, Rule, Scope, Severity, What};
use seawall_core::time::Time;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as NoId;
use serde_json::json;
use tokio::task::JoinSet;

use crate::config::{self, Config, Environment, Overrides};
use crate::exit::{self, Exit};
use crate::gateway::alerts::{links, receivers};
use crate::observe::alert::{Notice, Refused, try_once};
use crate::observe::journal::plain::{json_line, printable};

/// What stands for the names in a test.
const NOBODY: &str = "seawall-test";
/// The incident of every test: so the end of this one is the end of all that were left open.
const INCIDENT: &str = "inc_test";

/// What a configuration looks like that has a receiver.
const EXAMPLE: &str = "  [[alert]]\n  kind = \"slack\"\n  url = \"${SLACK_URL}\"";

const EXAMPLES: &str = "\
Examples:
  seawall incidents test-alert
  seawall incidents test-alert --sink on-call --resolve

Exit codes: 0 all took it, 5 one did not, 2 no such receiver, 3 the
configuration is invalid or has no [[alert]].";

/// What `seawall incidents test-alert` was asked.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct TestAlertArgs {
    /// Only this receiver, by its name
    #[arg(long, value_name = "NAME")]
    pub(crate) sink: Option<String>,
    /// Say that it is over, too, so that nothing stays open
    #[arg(long)]
    pub(crate) resolve: bool,
    /// The configuration; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// One JSON object for each that is sent
    #[arg(long)]
    pub(crate) json: bool,
}

/// What one receiver answered to one notice.
struct Told {
    sink: String,
    kind: &'static str,
    what: What,
    answer: Result<u16, Refused>,
}

/// Sends it, and tells what came of it; the exit code. A reader of `out` that has seen enough is no error.
pub(crate) async fn run(
    args: &TestAlertArgs,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let config = match config::load(&Overrides { config: args.config.clone(), ..Overrides::default() }, env) {
        Ok(config) => config,
        Err(problems) => {
            writeln!(err, "{}", problems.render(env.wants_colour() && io::stderr().is_terminal()))?;
            return Ok(exit::CONFIG);
        }
    };
    let names: Vec<&str> = config.alerts.iter().map(|alert| alert.name.as_str()).collect();
    if names.is_empty() {
        let file = config
            .file
            .as_ref()
            .map_or("there is no configuration, so".into(), |file| file.display().to_string() + ":");
        writeln!(err, "error: {} nobody is told of incidents: no [[alert]] is configured", printable(&file))?;
        writeln!(err, "hint: add one, such as\n\n{EXAMPLE}")?;
        return Ok(exit::CONFIG);
    }
    if let Some(name) = args.sink.as_deref().filter(|name| !names.contains(name)) {
        let meant = config::nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`? "));
        let (name, all) = (printable(name), names.join(", "));
        writeln!(
            err,
            "error: no alert is called \"{name}\"\nhint: {}the receivers are: {all}",
            meant.unwrap_or_default()
        )?;
        return Ok(exit::USAGE);
    }
    let told = send(args, &config).await;
    let is_well = told.iter().all(|told| told.answer.is_ok());
    match told.iter().try_for_each(|told| tell(told, args.json, out)).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
        told => told?,
    }
    if is_well {
        if !args.resolve {
            writeln!(err, "hint: PagerDuty and Alertmanager keep it open: the same with --resolve ends it")?;
        }
        return Ok(exit::OK);
    }
    writeln!(err, "hint: look at its address and credential in [[alert]], and at a proxy on the way (HTTPS_PROXY)")?;
    Ok(exit::UPSTREAM)
}

/// All receivers at the same time; each hears the end after the beginning.
async fn send(args: &TestAlertArgs, config: &Config) -> Vec<Told> {
    let now = seawall::proxy::unix_micros();
    let is_wanted = |name: &str| args.sink.as_deref().is_none_or(|sink| sink == name);
    let mut tasks = JoinSet::new();
    for (at, alert) in config.alerts.iter().enumerate().filter(|(_, alert)| is_wanted(&alert.name)) {
        let sink = alert.name.clone();
        let links = links(config.server.admin);
        // Settings hold a credential and are not kept twice: each notice gets its own.
        let way = || receivers(config).into_iter().find(|settings| settings.name == alert.name);
        let first = (What::Opened, way());
        let second = args.resolve.then(|| (What::Resolved, way()));
        tasks.spawn(async move {
            let mut told = Vec::new();
            for (what, settings) in std::iter::once(first).chain(second) {
                let (Some(settings), Ok(event)) = (settings, event(what, now)) else { continue };
                let kind = settings.form.name();
                let answer = try_once(settings, Notice::test(event), &links).await.map(|status| status.as_u16());
                let is_lost = answer.is_err();
                told.push(Told { sink: sink.clone(), kind, what, answer });
                if is_lost {
                    break;
                }
            }
            (at, told)
        });
    }
    let mut told = tasks.join_all().await;
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().flat_map(|(_, told)| told).collect()
}

/// Something that did not happen, as it would be told.
fn event(what: What, now: i64) -> Result<Event, NoId> {
    let micros = u64::try_from(now).unwrap_or_default();
    let at = Time::from_micros(micros);
    Ok(Event {
        what,
        at,
        id: Deserialize::deserialize(INCIDENT.into_deserializer())?,
        kind: Kind::Failures,
        scope: Scope::upstream(NOBODY, None),
        rule: Rule::Consecutive,
        severity: Severity::Critical,
        since: at,
        window: Counts { failed: 4, of: 4 },
        whole: Counts { failed: 4, of: 4 },
        flaps: 0,
        samples: Vec::new(),
        under: None,
        close: None,
    })
}

fn tell(told: &Told, as_json: bool, out: &mut impl Write) -> io::Result<()> {
    let Told { sink, kind, what, answer } = told;
    let error = answer.as_ref().err().map(ToString::to_string);
    if as_json {
        let line = json!({
            "sink": sink,
            "kind": kind,
            "type": what,
            "sent": answer.is_ok(),
            "status": answer.as_ref().ok(),
            "error": error,
        });
        return out.write_all(json_line(&line).map_err(io::Error::from)?.as_bytes());
    }
    let word = if *what == What::Resolved { "resolve" } else { "open" };
    match (answer, error) {
        (Ok(status), _) => writeln!(out, "{sink} ({kind})  {word}  sent: answers {status}"),
        (_, error) => writeln!(out, "{sink} ({kind})  {word}  not sent: {}", printable(&error.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests;
