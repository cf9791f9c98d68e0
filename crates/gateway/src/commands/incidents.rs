//! `seawall incidents`: what failures amounted to, and who is told of it.

use std::io::{self, Write};

use clap::Subcommand;

use crate::config::Environment;
use crate::exit::Exit;

pub(crate) mod test_alert;

use test_alert::TestAlertArgs;

/// What `seawall incidents` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentsVerb {
    /// Send a test to every receiver of the configuration, and say what each answered
    TestAlert(TestAlertArgs),
}

/// Does it; the exit code. A reader of `out` that has seen enough is no error.
pub(crate) async fn run(
    verb: &IncidentsVerb,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match verb {
        IncidentsVerb::TestAlert(args) => test_alert::run(args, env, out, err).await,
    }
}
