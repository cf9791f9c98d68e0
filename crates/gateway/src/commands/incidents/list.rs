//! `seawall incidents list`: a table for a person, an object a line for a program.

use std::io::{self, Write};
use std::path::Path;

use super::Stopped;
use crate::commands::screen::Screen;
use crate::commands::table::{self, Column, Fitted};
use crate::exit::{self, Exit};
use crate::observe::journal::incidents::IncidentRow;
use crate::observe::journal::plain::{json_line, printable, span};
use crate::observe::journal::read::{INCIDENTS_MAX, JournalArgs, Journals};
use crate::observe::journal::when::{When, brief, rfc3339};

/// How far back is looked, unless `--since` says otherwise, in microseconds: a week.
const SINCE_MICROS: i64 = 7 * 86_400 * 1_000_000;

const EXAMPLES: &str = "\
Examples:
  seawall incidents list --since 30d --all
  seawall incidents list --open --json";

/// Which to list.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct ListArgs {
    /// Those that were not over by then: 30m, 1h, 7d, or 2026-11-23T06:30:00Z [default: 7d]
    #[arg(long, value_name = "WHEN")]
    pub(super) since: Option<When>,
    /// Only those that are not over
    #[arg(long)]
    pub(super) open: bool,
    /// Those too of which another one tells, because it has the same cause
    #[arg(long)]
    pub(super) all: bool,
    /// One JSON object a line, with every field
    #[arg(long)]
    pub(super) json: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(super) place: JournalArgs,
}

pub(super) fn run(
    args: &ListArgs,
    default_dir: Option<&Path>,
    out: &mut impl Screen,
    err: &mut impl Write,
) -> Result<Exit, Stopped> {
    let journals = Journals::open(&args.place, default_dir)?;
    for warning in &journals.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let now = seawall::proxy::unix_micros();
    let since = args.since.map_or(now - SINCE_MICROS, |when| when.unix_micros(now));
    let mut found = journals.incidents(since, i64::MAX)?;
    // What began in the same moment has one that tells of the others: it comes first.
    found.sort_by_key(|incident| (std::cmp::Reverse(incident.since), incident.under.is_some()));
    let is_cut = found.len() >= INCIDENTS_MAX;
    let (told, hidden): (Vec<IncidentRow>, Vec<IncidentRow>) = found
        .into_iter()
        .filter(|incident| !args.open || incident.state != "resolved")
        .partition(|incident| args.all || args.json || incident.under.is_none());
    if args.json {
        for incident in &told {
            out.write_all(json_line(incident).map_err(io::Error::from)?.as_bytes())?;
        }
    } else if told.is_empty() {
        let which = if args.open { "no incident is open" } else { "no incident is on record" };
        writeln!(err, "{which} since {}", rfc3339(since))?;
    } else {
        let table = table(&told, now, out.width());
        out.write_all(table.text.as_bytes())?;
        write!(err, "{}", table.note().unwrap_or_default())?;
    }
    out.flush()?;
    if is_cut {
        writeln!(err, "only the newest {INCIDENTS_MAX} are read: --since narrows it")?;
    }
    if !hidden.is_empty() {
        let (more, them) = if hidden.len() == 1 { ("more is", "it") } else { ("more are", "them") };
        writeln!(err, "{} {more} told by one of these: --all shows {them} too", hidden.len())?;
    }
    if let Some(first) = told.first().filter(|_| !args.json) {
        writeln!(err, "hint: `seawall incidents show {}` shows one", printable(&first.id))?;
    }
    Ok(exit::OK)
}

fn table(incidents: &[IncidentRow], now: i64, width: Option<usize>) -> Fitted {
    let columns = [
        Column::fixed("INCIDENT"),
        Column::fixed("STATE").ranked(1),
        Column::fixed("SEVERITY").ranked(5),
        Column::fixed("WHAT").ranked(6),
        Column::fixed("WHERE").cut_to(12).ranked(2),
        Column::fixed("SINCE (UTC)").ranked(3),
        Column::fixed("FOR").number().ranked(4),
        Column::fixed("FAILED").number().ranked(7),
        Column::fixed("RULE").ranked(8),
    ];
    let rows = incidents.iter().map(|row| {
        vec![
            printable(&row.id),
            state(row),
            printable(&row.severity),
            printable(&row.kind),
            printable(&row.place()),
            if width.is_some() { brief(row.since) } else { rfc3339(row.since) },
            span(row.closed.unwrap_or(now) - row.since),
            format!("{} of {}", row.whole.failed, row.whole.of),
            printable(&row.rule),
        ]
    });
    table::fit(&columns, &rows.collect::<Vec<_>>(), width)
}

/// Its state, and whether somebody knows.
fn state(row: &IncidentRow) -> String {
    let word = printable(&row.state);
    if row.acknowledged.is_some() && row.closed.is_none() { format!("{word}, known") } else { word }
}
