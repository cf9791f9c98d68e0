//! `seawall incidents ack`: tells the gateway that runs here that somebody knows of an incident.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use http::Method;

use crate::commands::running::{Address, Silence, ask};
use crate::config::{self, Config, Environment, Overrides};
use crate::exit::{self, Exit};
use crate::observe::journal::plain::{json_line, printable};
use crate::observe::journal::read::{JournalArgs, Journals};

const EXAMPLES: &str = "\
Examples:
  seawall incidents ack inc_4f2a
  seawall incidents ack inc_4f2a --data-dir /var/lib/seawall
  seawall incidents ack inc_4f2a0c61d8e39b75 --admin 127.0.0.1:7601

Exit codes: 0 it is known, 1 no such incident is open, 4 no gateway runs.";

/// Which incident, of which gateway.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct AcknowledgeArgs {
    /// Its id, or the beginning of it
    #[arg(value_name = "INCIDENT")]
    id: String,
    /// The admin side of the gateway, HOST:PORT [default: that of the one that runs from the data directory]
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    admin: Option<Address>,
    /// The configuration; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// The data directory of the gateway
    #[arg(long, env = "SEAWALL_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// The whole id, where the journal has one incident alone that begins so; else what was typed.
fn whole(id: &str, config: &Config) -> String {
    let found =
        Journals::open(&JournalArgs::default(), Some(&config.data_dir)).and_then(|journals| journals.incident(id));
    match found.as_deref() {
        Ok([one]) => one.id.clone(),
        _ => id.to_owned(),
    }
}

pub(super) async fn run(
    args: &AcknowledgeArgs,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let overrides = Overrides { config: args.config.clone(), data_dir: args.data_dir.clone(), ..Overrides::default() };
    let config = match config::load(&overrides, env) {
        Ok(config) => config,
        Err(problems) => {
            writeln!(err, "{}", problems.render(env.wants_colour() && io::stderr().is_terminal()))?;
            return Ok(exit::CONFIG);
        }
    };
    // The journal here is not that of a gateway somewhere else.
    let whole = if args.admin.is_some() { args.id.clone() } else { whole(&args.id, &config) };
    let id = printable(&whole);
    if !args.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        writeln!(err, "error: {id} is no incident's id\nhint: `seawall incidents --open` lists them")?;
        return Ok(exit::USAGE);
    }
    let (message, hint, exit) =
        match ask(args.admin.as_ref(), &config, Method::POST, &format!("/api/v1/incidents/{id}/acknowledge")).await {
            Ok(_) if args.json => {
                let told = serde_json::json!({ "acknowledged": whole });
                out.write_all(json_line(&told).map_err(io::Error::from)?.as_bytes())?;
                return Ok(exit::OK);
            }
            Ok(_) => {
                writeln!(out, "{id} is known: no reminders until it gets worse")?;
                return Ok(exit::OK);
            }
            Err(Silence::Status(404)) => {
                (format!("no incident {id} is open"), "`seawall incidents --open` lists them", exit::FOUND)
            }
            Err(Silence::Status(401)) => (
                "the gateway wants its admin token".to_owned(),
                "name the configuration with `server.admin_token` by --config",
                exit::CANNOT_START,
            ),
            Err(Silence::NoGateway) if let Some(address) = &args.admin => (
                format!("no gateway answers at {}", printable(&address.typed)),
                "it is `server.admin` of its configuration, 127.0.0.1:7501 unless that says otherwise",
                exit::CANNOT_START,
            ),
            Err(Silence::NoGateway) => (
                format!("no gateway runs from {}", config.data_dir.display()),
                "only a gateway that runs reminds of anything; name its directory with --data-dir",
                exit::CANNOT_START,
            ),
            Err(Silence::Status(status)) => {
                (format!("the gateway answers {status}"), "is it another version of seawall?", exit::CANNOT_START)
            }
            Err(Silence::Trouble(why)) => {
                (format!("the gateway cannot be asked: {}", printable(&why)), "look at its log", exit::CANNOT_START)
            }
        };
    writeln!(err, "error: {message}\nhint: {hint}")?;
    Ok(exit)
}
