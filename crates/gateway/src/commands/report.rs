//! `seawall report`: what failed, as one document for the provider's support.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::commands::failures::no_journal;
use crate::commands::incidents::show::meant;
use crate::escalation::{self, Report, Subject};
use crate::exit::{self, Exit};
use crate::observe::journal::incidents::IncidentRow;
use crate::observe::journal::plain::printable;
use crate::observe::journal::read::{JournalArgs, Journals, ReadError};
use crate::observe::journal::when::{When, rfc3339};

/// How far back an incident is looked for, unless `--since` says otherwise, in microseconds: a day.
const INCIDENT_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// How far back failures are, unless `--since` says otherwise and where there is no incident, in microseconds: an hour.
const PERIOD_MICROS: i64 = 3_600 * 1_000_000;

const EXAMPLES: &str = "\
Examples:
  seawall report                               what goes on, or went on last
  seawall report inc_4f2a -o report.md         that incident, for a ticket
  seawall report --all --since 2h --until 1h   all that failed in that hour
  seawall report inc_4f2a --format json | jq .summary";

/// What `seawall report` was asked.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// The incident, by its id or the beginning of it
    #[arg(value_name = "INCIDENT", conflicts_with_all = ["since", "until", "all"])]
    pub(crate) incident: Option<String>,
    /// From then on, in whole minutes: 30m, 1h, 7d, or 2026-11-23T06:30:00Z [default: 24h for an incident, else 1h]
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// Before then
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<When>,
    /// Everything that failed in that time, whatever incident there is
    #[arg(long)]
    pub(crate) all: bool,
    /// Markdown for people, JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Md)]
    pub(crate) format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Write it to a file, all of it or nothing
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if there is one
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Print the JSON schema of a report, and nothing else
    #[arg(long, conflicts_with = "incident")]
    pub(crate) schema: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(crate) place: JournalArgs,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Markdown
    Md,
    /// JSON
    Json,
}

/// Makes the report; the exit code. `default_dir` is the data directory where nothing else is named. A reader of
/// `out` that has seen enough is no error.
pub(crate) fn run(
    args: &ReportArgs,
    default_dir: Option<&Path>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    if args.schema {
        return writeln!(out, "{:#}", escalation::schema()).map(|()| exit::OK);
    }
    let journals = match Journals::open(&args.place, default_dir) {
        Ok(journals) => journals,
        Err(e) => return no_journal(&e, err),
    };
    for warning in &journals.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let now = seawall::proxy::unix_micros();
    let subject = match subject(args, &journals, now) {
        Ok(Ok(subject)) => subject,
        Ok(Err(Unclear { what, hint })) => {
            writeln!(err, "error: {what}\nhint: {hint}")?;
            return Ok(exit::FOUND);
        }
        Err(e) => return no_journal(&e, err),
    };
    let report = match escalation::of(&journals, &subject, now, &command(&subject)) {
        Ok(Some(report)) => report,
        Ok(None) => return nothing(&subject, err),
        Err(e) => return no_journal(&e, err),
    };
    let text = if args.json || args.format == Format::Json {
        escalation::json(&report)
    } else {
        escalation::markdown(&report)
    };
    match &args.output {
        Some(file) => keep(file, &text, args.force, &report, err),
        None => match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(exit::OK),
            told => told.map(|()| exit::OK),
        },
    }
}

/// Why it is not clear what the report is about.
struct Unclear {
    what: String,
    hint: String,
}

fn subject(args: &ReportArgs, journals: &Journals, now: i64) -> Result<Result<Subject, Unclear>, ReadError> {
    let of = |incident: IncidentRow| -> Result<Result<Subject, Unclear>, ReadError> {
        let events = journals.incident_events(&incident.id)?;
        Ok(Ok(Subject::Incident(Box::new(incident), events)))
    };
    if let Some(id) = args.incident.as_deref().map(str::trim) {
        let mut found = journals.incident(id)?;
        let id = printable(id);
        return match (found.pop(), found.as_slice()) {
            (Some(one), []) => of(one),
            (None, _) => Ok(Err(Unclear {
                what: format!("no incident {id} is on record"),
                hint: meant(args.incident.as_deref().unwrap_or_default().trim(), journals)?
                    + "`seawall incidents` lists them; without one, the report is about the newest",
            })),
            (Some(_), _) => Ok(Err(Unclear {
                what: format!("more than one incident begins with {id}"),
                hint: "`seawall incidents --all` lists them with their whole ids".to_owned(),
            })),
        };
    }
    let until = args.until.map_or(now, |until| until.unix_micros(now));
    let since = |default: i64| args.since.map_or(until - default, |since| since.unix_micros(now));
    if since(0) > until {
        return Ok(Err(Unclear {
            what: format!("--since {} is after --until {}", rfc3339(since(0)), rfc3339(until)),
            hint: "the earlier time goes to --since".to_owned(),
        }));
    }
    if !args.all {
        let mut told = journals.incidents(since(INCIDENT_MICROS), until)?;
        told.retain(|incident| incident.under.is_none());
        // The newest comes first; of these the first that is not over, if there is one.
        let open = told.iter().position(|incident| incident.state != "resolved").unwrap_or(0);
        if open < told.len() {
            return of(told.swap_remove(open));
        }
    }
    Ok(Ok(Subject::Period(since(PERIOD_MICROS), until)))
}

/// The command that makes the same report again.
fn command(subject: &Subject) -> String {
    match subject {
        Subject::Incident(incident, _) => format!("seawall report {}", printable(&incident.id)),
        Subject::Period(since, until) => {
            format!("seawall report --all --since {} --until {}", rfc3339(*since), rfc3339(*until))
        }
    }
}

fn nothing(subject: &Subject, err: &mut impl Write) -> io::Result<Exit> {
    if let Subject::Period(since, until) = subject {
        let (since, until) = (rfc3339(*since), rfc3339(*until));
        writeln!(err, "error: no incident and no failure of an upstream is on record from {since} to {until}")?;
        writeln!(
            err,
            "hint: --since 24h looks further back; `seawall failures` has those too that are the caller's (400, 401, 429)"
        )?;
    }
    Ok(exit::FOUND)
}

/// Writes the file, all of it or nothing; one that is there stays unless `force`.
fn keep(file: &Path, text: &str, force: bool, report: &Report, err: &mut impl Write) -> io::Result<Exit> {
    let dir = match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let written = NamedTempFile::new_in(dir).and_then(|mut draft| {
        draft.write_all(text.as_bytes())?;
        draft.as_file().sync_all()?;
        let kept = if force { draft.persist(file) } else { draft.persist_noclobber(file) };
        kept.map(drop).map_err(|e| e.error)
    });
    let shown = printable(&file.display().to_string());
    match written {
        Ok(()) => {
            writeln!(err, "{shown}: {}", report.told())?;
            writeln!(err, "hint: read it once, then attach it to a ticket at the provider's support")?;
            Ok(exit::OK)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            writeln!(err, "error: there is a file {shown} already\nhint: --force replaces it")?;
            Ok(exit::USAGE)
        }
        Err(e) => {
            writeln!(err, "error: {shown} cannot be written: {e}\nhint: name another file with --output")?;
            Ok(exit::CANNOT_START)
        }
    }
}

#[cfg(test)]
mod tests;
