//! What can be typed: every verb and flag, with its help.

use clap::{Parser, Subcommand};

use crate::commands::bill::BillArgs;
use crate::commands::chaos::ChaosArgs;
use crate::commands::config::ConfigVerb;
use crate::commands::demo::DemoArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::exec::ExecArgs;
use crate::commands::explain::ExplainArgs;
use crate::commands::failures::FailuresArgs;
use crate::commands::incidents::IncidentsArgs;
use crate::commands::journal::JournalVerb;
use crate::commands::lint::LintArgs;
use crate::commands::rehearse::RehearseArgs;
use crate::commands::report::ReportArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::show::ShowArgs;
use crate::commands::status::StatusArgs;
use crate::commands::top::TopArgs;

/// A gateway in front of OpenAI-compatible APIs that retries right
///
/// Point OPENAI_BASE_URL at it. What failed for a moment is tried again; what failed for good is
/// on record, with its request id, and explained.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 found problems, 2 usage, 3 configuration invalid, 4 cannot reach or start, \
                        5 upstream problem, 70 internal."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the gateway
    Serve(ServeArgs),
    /// Show what it does, with a misbehaving upstream on this machine: no key, no network
    Demo(DemoArgs),
    /// Run a command behind a gateway of its own
    Exec(ExecArgs),
    /// Run a misbehaving upstream, for tests
    Chaos(ChaosArgs),
    /// Say what an error means: a status, a code, a lint rule, a pasted error, exception or response
    Explain(ExplainArgs),
    /// Look for what is wrong: with this machine and its set-up, or with a request that fails
    Doctor(DoctorArgs),
    /// Find what providers refuse in tool definitions and requests
    Lint(LintArgs),
    /// List the failed attempts on record
    Failures(FailuresArgs),
    /// Show one request on record, attempt by attempt
    Show(ShowArgs),
    /// List what amounted to trouble, show one of it, try out who is told
    Incidents(IncidentsArgs),
    /// Say what failed, retried, hedged and cut attempts cost, and what was saved
    #[command(after_help = crate::commands::bill::EXAMPLES)]
    Bill(BillArgs),
    /// Write what failed as one document for the provider's support
    #[command(after_help = crate::commands::report::EXAMPLES)]
    Report(ReportArgs),
    /// Set what fails here beside what the provider's status page says
    Status(StatusArgs),
    /// Watch the gateway: is it us or them, since when, and what is done about it?
    #[command(after_help = crate::commands::top::EXAMPLES)]
    Top(TopArgs),
    /// Play an outage in virtual time: what would these settings do?
    Rehearse(RehearseArgs),
    /// Look after the record: check it, prune it, take it out
    #[command(subcommand)]
    Journal(JournalVerb),
    /// Check, show or begin a configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}
