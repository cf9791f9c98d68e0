//! `seawall incidents`: what amounted to trouble, and who is told of it.

mod acknowledge;
mod list;
pub(crate) mod show;
pub(crate) mod test_alert;

use std::io::{self, Write};

use crate::commands::screen::Screen;
use crate::config::{self, Environment};
use crate::exit::{self, Exit};

use super::failures::Stopped;
use acknowledge::AcknowledgeArgs;
use list::ListArgs;
use show::ShowArgs;
use test_alert::TestAlertArgs;

const EXAMPLES: &str = "\
Examples:
  seawall incidents                     those of the last week
  seawall incidents show inc_4f2a       one, by the beginning of its id
  seawall incidents test-alert          does an alert arrive?
  seawall incidents --open --json       for a script";

/// What `seawall incidents` was asked.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_long_help = EXAMPLES
)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    verb: Option<IncidentsVerb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, clap::Subcommand)]
enum IncidentsVerb {
    /// List them, the newest first
    List(ListArgs),
    /// Show one: what failed, what is different about it, and what was told
    Show(ShowArgs),
    /// Say that somebody knows: no reminders until it gets worse
    #[command(name = "ack", alias = "acknowledge")]
    Acknowledge(AcknowledgeArgs),
    /// Send a test to every receiver of the configuration, and say what each answered
    TestAlert(TestAlertArgs),
}

impl IncidentsArgs {
    /// Whether a program asks.
    pub(crate) fn is_json(&self) -> bool {
        match &self.verb {
            None => self.list.json,
            Some(IncidentsVerb::List(args)) => args.json,
            Some(IncidentsVerb::Show(args)) => args.json,
            Some(IncidentsVerb::Acknowledge(args)) => args.json,
            Some(IncidentsVerb::TestAlert(args)) => args.json,
        }
    }
}

/// Does it; the exit code. A reader of `out` that has seen enough is no error.
pub(crate) async fn run(
    args: &IncidentsArgs,
    env: &Environment,
    out: &mut impl Screen,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let dir = config::default_data_dir(env);
    let done = match &args.verb {
        None => list::run(&args.list, dir.as_deref(), out, err),
        Some(IncidentsVerb::List(args)) => list::run(args, dir.as_deref(), out, err),
        Some(IncidentsVerb::Show(args)) => show::run(args, dir.as_deref(), out, err),
        Some(IncidentsVerb::Acknowledge(args)) => return acknowledge::run(args, env, out, err).await,
        Some(IncidentsVerb::TestAlert(args)) => return test_alert::run(args, env, out, err).await,
    };
    match done {
        Ok(exit) => Ok(exit),
        Err(Stopped::Journal(e)) => super::failures::no_journal(&e, err),
        Err(Stopped::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(exit::OK),
        Err(Stopped::Output(e)) => Err(e),
    }
}

#[cfg(test)]
mod tests;
