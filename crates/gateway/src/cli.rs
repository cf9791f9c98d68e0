//! What can be typed: every verb and flag, with its help.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::{Args as _, FromArgMatches as _, Parser, Subcommand};

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
use crate::commands::screen::Long;
use crate::commands::serve::ServeArgs;
use crate::commands::show::ShowArgs;
use crate::commands::status::StatusArgs;
use crate::commands::top::TopArgs;
use crate::exit;

/// A gateway in front of OpenAI-compatible APIs that retries right
///
/// Your program talks to Seawall in place of the API: set OPENAI_BASE_URL, and nothing else changes.
/// What failed for a moment is tried again, within a budget and your deadline. What failed for good
/// reaches your program once, is on record with its request id, and is explained.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Begin with `seawall demo`; `seawall help VERB` has examples.", after_long_help = after_help())]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Cli {
    /// What the program was told.
    ///
    /// # Errors
    /// Help, the version, or what is wrong with it: all of them are to be shown.
    pub(crate) fn of(words: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
        let words: Vec<OsString> = words.collect();
        // A gateway stays for weeks: it does not carry along what the help of the other verbs is made of. What its own
        // flags cannot make sense of goes the long way, and is told there.
        if let [_, verb, flags @ ..] = words.as_slice()
            && verb == "serve"
        {
            let serve = ServeArgs::augment_args(clap::Command::new("serve")).no_binary_name(true);
            let told = serve.try_get_matches_from(flags).and_then(|found| ServeArgs::from_arg_matches(&found));
            if let Ok(args) = told {
                return Ok(Cli { verb: Verb::Serve(args) });
            }
        }
        Cli::try_parse_from(words)
    }
}

const EXAMPLES: &str = "\
Examples:
  seawall demo                     see what it does: no key, no network
  seawall serve                    then OPENAI_BASE_URL=http://127.0.0.1:7500/v1
  seawall failures --since 1h      what failed, with the request ids
  seawall explain 503              what an error means, and what to do";

/// What the program reads of its environment: name, and what it does.
const VARIABLES: [(&str, &str); 9] = [
    ("SEAWALL_UPSTREAM", "the upstream, as --upstream names it"),
    ("SEAWALL_DATA_DIR", "where the journal is, as --data-dir names it"),
    ("XDG_CONFIG_HOME", "holds seawall/seawall.toml; else ~/.config"),
    ("XDG_STATE_HOME", "holds seawall/, the data directory; else ~/.local/state"),
    ("CREDENTIALS_DIRECTORY", "holds the files that `${credential:NAME}` stands for"),
    ("NOTIFY_SOCKET", "who is told of start, life and end: systemd sets it"),
    ("HTTPS_PROXY", "to upstreams; also HTTP_PROXY, ALL_PROXY, NO_PROXY"),
    ("NO_COLOR", "no colours if it is set; CLICOLOR=0 says the same"),
    ("COLUMNS", "how wide tables may be on a terminal"),
];

/// What stands below the list of verbs.
fn after_help() -> String {
    let mut text = format!("{EXAMPLES}\n\nExit codes:\n");
    // Writing to a string cannot fail.
    for (code, means) in exit::CODES {
        let _ = writeln!(text, "  {code:<4}{means}");
    }
    text.push_str("  `seawall exec` passes on the code of its command.\n\nEnvironment:\n");
    for (name, does) in VARIABLES {
        let _ = writeln!(text, "  {name:<21} {does}");
    }
    text.push_str("  A configuration may name more of them: `${OPENAI_API_KEY}`.");
    text
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the gateway
    ///
    /// It listens where your programs connect, asks the upstream for them, and tries again what
    /// failed for a moment. Without a configuration it stands in front of api.openai.com and
    /// passes your program's key on. When it is ready it prints one line with its addresses;
    /// SIGTERM lets it finish what is under way.
    Serve(ServeArgs),
    /// Show what it does, with a misbehaving upstream on this machine: no key, no network
    ///
    /// The same load twice, straight to the upstream and through Seawall, and what each came to:
    /// answers, attempts, cost, time. Nothing of it is left behind.
    Demo(DemoArgs),
    /// Run a command behind a gateway of its own
    ///
    /// The command finds OPENAI_BASE_URL set to a gateway that lives as long as it does. Its output
    /// and its exit code are passed on; what failed is on record afterwards.
    Exec(ExecArgs),
    /// Run a misbehaving upstream, for tests
    ///
    /// It speaks the protocol of the OpenAI API and fails as you say: by chance, by a script over
    /// time, or request by request with the header `x-chaos: FAULT`.
    Chaos(ChaosArgs),
    /// Say what an error means: a status, a code, a lint rule, a pasted error, exception or response
    ///
    /// It says what the error means, whose fault it is, whether Seawall retries it, whether it is
    /// billed, what the record knows of it, and what to do next. What you paste is not printed back.
    Explain(ExplainArgs),
    /// Look for what is wrong: with this machine and its set-up, or with a request that fails
    ///
    /// Alone it looks at names, certificates, the clock, proxies, ports, limits and the journal, and
    /// spends nothing. With a request it lints it, and with --send finds out by sending it, whole and
    /// in parts, whether the provider is at fault or the request is.
    Doctor(DoctorArgs),
    /// Find what providers refuse in tool definitions and requests
    ///
    /// Each finding names the place, what the provider would answer, and what to write instead;
    /// --fix makes the changes that need no judgement. `seawall explain SW101` tells of a rule.
    Lint(LintArgs),
    /// List the failed attempts on record
    ///
    /// The newest first, those too that a retry made good: when, which model, at which upstream, with
    /// which x-request-id, and what was done about it. It reads the journal, whether the gateway runs
    /// or not.
    Failures(FailuresArgs),
    /// Show one request on record, attempt by attempt
    ///
    /// The id may be any that is at hand: Seawall's, from the error message; the upstream's, from its
    /// support; or the client's. What was answered at once is not on record.
    Show(ShowArgs),
    /// List incidents, show one, say that it is known, try out who is told
    ///
    /// One failure is no incident. Four different requests in a row that fail are one, and so is more
    /// than one in twenty over five minutes, if chance would not do that.
    Incidents(IncidentsArgs),
    /// Say what failed, retried, hedged and cut attempts cost, and what was saved
    ///
    /// In tokens, and in money where you give it your prices. What is estimated is marked with ~, and
    /// what nobody knows with ?.
    Bill(BillArgs),
    /// Write what failed as one document for the provider's support
    ///
    /// Request ids, times, rates, what was ruled out on your side, and a request to reproduce it; no
    /// prompt, no answer, no key. Without INCIDENT it is about the newest one of the last 24 hours, an
    /// open one first; where there is none, about all failures of the last hour.
    Report(ReportArgs),
    /// Compare what fails here with what the provider's status page says
    ///
    /// Is it us or them? What failed here and since when, what the provider says of itself, and who
    /// knew first.
    Status(StatusArgs),
    /// Watch the gateway: is it us or them, since when, and what is done about it?
    ///
    /// The dashboard for those on ssh: numbers, upstreams, incidents and failures of the gateway that runs, as they
    /// come. Keys: 1-5 or tab panes, arrows rows, enter drills down, esc back; u m c s only this upstream, model,
    /// class, status, x all again; / search, p pause, ? help, q quit.
    Top(TopArgs),
    /// Play an outage in virtual time: what would these settings do?
    ///
    /// Minutes of outage pass in milliseconds, and nothing is sent anywhere. Beside your settings stand
    /// the same requests without a gateway, with an SDK's retries, and with a textbook breaker. A story
    /// is the name of a built-in one, or a file.
    Rehearse(RehearseArgs),
    /// Look after the record: check it, prune it, take it out
    ///
    /// The gateway keeps its record to a size and an age by itself. This is for the rest: whether the file is
    /// whole, less of it than is configured, and all of it for other programs.
    #[command(subcommand, after_long_help = crate::commands::journal::EXAMPLES)]
    Journal(JournalVerb),
    /// Check, show or begin a configuration
    #[command(subcommand, after_long_help = crate::commands::config::EXAMPLES)]
    Config(ConfigVerb),
    /// Print a completion script for a shell
    #[command(after_long_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Verb {
    /// What becomes of long lines on a terminal; `None` where the output is a document or is for a program.
    pub(crate) fn long(&self) -> Option<Long> {
        let is_for_programs = match self {
            Verb::Demo(args) => args.json,
            Verb::Explain(args) => args.json,
            Verb::Doctor(args) => args.json,
            Verb::Failures(args) => args.json,
            Verb::Show(args) => args.json,
            Verb::Incidents(args) => args.is_json(),
            Verb::Bill(args) => args.json,
            Verb::Status(args) => args.json,
            // Plots and columns: a line that is broken in two is none.
            Verb::Rehearse(args) => return (!args.json).then_some(if args.list { Long::Folded } else { Long::Cut }),
            _ => true,
        };
        (!is_for_programs).then_some(Long::Folded)
    }
}

const COMPLETIONS: &str = "\
Examples:
  seawall completions bash > ~/.local/share/bash-completion/completions/seawall
  seawall completions zsh > ~/.zfunc/_seawall
  seawall completions fish > ~/.config/fish/completions/seawall.fish";

#[cfg(test)]
mod man;
#[cfg(test)]
mod tests;
