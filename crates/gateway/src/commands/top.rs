//! `seawall top`: the dashboard for those on ssh. Is it us or them, since when, and what is Seawall doing about it?
//!
//! It asks the gateway that runs, on its admin side, and reads no journal: what it shows is what that process knows. The
//! live screen is a part of the default build (feature `tui`); `--once` prints the same as a table or as one JSON object, without a
//! terminal, and is there in every build.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::commands::running::{Address, Admin, Silence};
use crate::config::{self, Config, Environment, Overrides};
use crate::exit::{self, Exit};
use crate::observe::journal::plain::printable;

#[cfg(feature = "tui")]
mod live;
mod once;
mod said;
#[cfg(test)]
mod samples;
mod words;

/// What reads the journal is answered within this time: a gateway gives up after 5 s itself.
const RECORD_WITHIN: Duration = Duration::from_secs(6);

/// What `seawall top` was asked.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct TopArgs {
    /// The admin side of the gateway, HOST:PORT [default: that of the one that runs from the data directory]
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    admin: Option<Address>,
    /// The data directory of the gateway
    #[arg(long, env = "SEAWALL_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration, for `server.admin_token`; else ./seawall.toml, else the one in the user's configuration folder
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Print it once, and end: no terminal is needed
    #[arg(long)]
    once: bool,
    /// One JSON object
    #[arg(long, requires = "once")]
    json: bool,
    /// How often upstreams and incidents are asked for, 1 to 60 s; numbers and failures come as they happen
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60), conflicts_with = "once")]
    interval: u64,
}

const EXAMPLES: &str = if cfg!(feature = "tui") { WITH_SCREEN } else { WITHOUT_SCREEN };

const WITH_SCREEN: &str = "\
Examples:
  seawall top                                   the gateway on this machine
  seawall top --admin 127.0.0.1:7601            another one
  seawall top --once                            a table: no terminal is needed
  seawall top --once --json | jq -r .headline   is it us or them?";

const WITHOUT_SCREEN: &str = "\
Examples:
  seawall top --once                            a table
  seawall top --once --json | jq -r .headline   is it us or them?

This seawall was built without the live screen: only --once is there. A build with the
cargo feature `tui`, which is a default one, has it.";

/// Where the gateway is to be found, again and again: it may come back at another address.
struct Place {
    named: Option<Address>,
    config: Config,
}

impl Place {
    fn find(&self) -> Result<Admin, Silence> {
        Admin::of(self.named.as_ref(), &self.config)
    }

    /// What is wrong, and what to do about it.
    fn says(&self, silence: &Silence) -> (String, &'static str) {
        match (silence, &self.named) {
            (Silence::NoGateway, None) => (
                format!("no gateway runs from {}", printable(&self.config.data_dir.to_string_lossy())),
                "start one with `seawall serve`, or name it with --data-dir or --admin",
            ),
            (Silence::NoGateway, Some(address)) => (
                format!("no gateway answers at {}", printable(&address.typed)),
                "its address is `server.admin` of its configuration; without --admin that of --data-dir is asked",
            ),
            (Silence::Status(401), _) => (
                "the gateway wants its admin token".to_owned(),
                "name the configuration with `server.admin_token` by --config",
            ),
            (Silence::Status(403), _) => (
                "the gateway does not answer to that name".to_owned(),
                "on its own machine it is localhost, 127.0.0.1 or [::1]",
            ),
            (Silence::Status(status), _) => {
                (format!("the gateway answers {status}"), "is it another version of seawall, or another program?")
            }
            (Silence::Trouble(why), _) => {
                (format!("the gateway cannot be asked: {}", printable(why)), "look at its log")
            }
        }
    }
}

/// Shows it; the exit code. A reader of `out` that has seen enough is no error.
pub(crate) async fn run(
    args: &TopArgs,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    if !args.once
        && let Some(exit) = unfit(err)?
    {
        return Ok(exit);
    }
    let overrides = Overrides { config: args.config.clone(), data_dir: args.data_dir.clone(), ..Overrides::default() };
    let config = match config::load(&overrides, env) {
        Ok(config) => config,
        Err(problems) => {
            writeln!(err, "{}", problems.render(env.wants_colour() && io::stderr().is_terminal()))?;
            return Ok(exit::CONFIG);
        }
    };
    let place = Arc::new(Place { named: args.admin.clone(), config });
    let done = if args.once {
        once::run(&place, args.json, out, err).await
    } else {
        show(&place, args, env.wants_colour()).await
    };
    match done {
        Err(Stopped::Silence(silence)) => {
            let (error, hint) = place.says(&silence);
            writeln!(err, "error: {error}\nhint: {hint}")?;
            Ok(exit::CANNOT_START)
        }
        Err(Stopped::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(exit::OK),
        Err(Stopped::Output(e)) => Err(e),
        Ok(exit) => Ok(exit),
    }
}

/// Why there is nothing to see.
enum Stopped {
    Silence(Silence),
    Output(io::Error),
}

impl From<Silence> for Stopped {
    fn from(silence: Silence) -> Stopped {
        Stopped::Silence(silence)
    }
}

impl From<io::Error> for Stopped {
    fn from(e: io::Error) -> Stopped {
        Stopped::Output(e)
    }
}

#[cfg(feature = "tui")]
async fn show(place: &Arc<Place>, args: &TopArgs, colours: bool) -> Result<Exit, Stopped> {
    live::run(place, Duration::from_secs(args.interval), colours).await
}

#[cfg(not(feature = "tui"))]
async fn show(_: &Arc<Place>, _: &TopArgs, _: bool) -> Result<Exit, Stopped> {
    Ok(exit::USAGE)
}

/// Says why there can be no live screen, if there can be none.
#[cfg(feature = "tui")]
fn unfit(err: &mut impl Write) -> io::Result<Option<Exit>> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return Ok(None);
    }
    writeln!(
        err,
        "error: there is no terminal to show it on\nhint: `seawall top --once` prints it, with --json for a script"
    )?;
    Ok(Some(exit::USAGE))
}

#[cfg(not(feature = "tui"))]
fn unfit(err: &mut impl Write) -> io::Result<Option<Exit>> {
    writeln!(
        err,
        "error: this seawall was built without the live screen\nhint: `seawall top --once` prints the same; a build with the feature `tui`, which is a default one, has it"
    )?;
    Ok(Some(exit::USAGE))
}

#[cfg(test)]
mod tests;
