//! `seawall journal export`: the record as lines of JSON, or as CSV, row by row.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Progress, Stopped, csv, shown};
use crate::exit::{self, Exit};
use crate::observe::journal::export::{Record, Rows, Table};
use crate::observe::journal::plain::json_line;
use crate::observe::journal::read::{JournalArgs, Journals};
use crate::observe::journal::when::{When, rfc3339};

pub(super) const EXAMPLES: &str = "\
The oldest come first, file by file: the gateway's, then those of exec.
Attempts are the objects of `seawall failures --json`. In CSV a text that begins
like a formula gets an apostrophe before it. Files are for their owner only.

Examples:
  seawall journal export > failures.ndjson
  seawall journal export --format csv --since 7d -o week.csv
  seawall journal export --table requests --since 30d --until 7d
  seawall journal export --table minutes | jq -s 'map(.requests) | add'";

/// What `seawall journal export` was asked.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExportArgs {
    /// What to write
    #[arg(long, value_enum, default_value_t = Table::Attempts, hide_possible_values = true)]
    #[arg(help = "What to write: attempts, requests, minutes or incidents")]
    pub(super) table: Table,
    /// The form of it
    #[arg(long, value_enum, default_value_t = Format::Ndjson, hide_possible_values = true)]
    #[arg(help = "NDJSON, a JSON object a line, or CSV, with a line of names first")]
    pub(super) format: Format,
    /// Only what began since then: 30m, 1h, 7d, or 2026-11-23T06:30:00Z
    #[arg(long, value_name = "WHEN")]
    pub(super) since: Option<When>,
    /// Only what began before then
    #[arg(long, value_name = "WHEN")]
    pub(super) until: Option<When>,
    /// Write it to a file, all of it or nothing
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Replace the file if there is one
    #[arg(long, requires = "output")]
    pub(super) force: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(super) place: JournalArgs,
}

/// The form of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A JSON object a line
    Ndjson,
    /// RFC 4180, with a line of names first
    Csv,
}

pub(super) fn run(
    args: &ExportArgs,
    default_dir: Option<&Path>,
    progress: Progress,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, Stopped> {
    let now = seawall::proxy::unix_micros();
    let moment = |when: Option<When>, or: i64| when.map_or(or, |when| when.unix_micros(now));
    let span = moment(args.since, i64::MIN)..moment(args.until, i64::MAX);
    if span.start > span.end {
        writeln!(err, "error: --since {} is after --until {}", rfc3339(span.start), rfc3339(span.end))?;
        writeln!(err, "hint: the earlier time goes to --since")?;
        return Ok(exit::USAGE);
    }
    let journals = Journals::open(&args.place, default_dir)?;
    for warning in &journals.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let mut export = Export { args, span, progress, rows: 0 };
    let Some(file) = &args.output else {
        let mut out = BufWriter::new(out);
        export.write(&journals, &mut out, err)?;
        out.flush()?;
        return Ok(exit::OK);
    };
    match export.keep(&journals, file, err) {
        Ok(()) => writeln!(err, "{}: {} rows of {}", shown(file), export.rows, args.table.name())?,
        Err(Stopped::Output(e)) if e.kind() == io::ErrorKind::AlreadyExists => {
            writeln!(err, "error: there is a file {} already\nhint: --force replaces it", shown(file))?;
            return Ok(exit::USAGE);
        }
        Err(Stopped::Output(e)) => {
            writeln!(err, "error: {} cannot be written: {e}", shown(file))?;
            writeln!(err, "hint: name another file with --output")?;
            return Ok(exit::CANNOT_START);
        }
        Err(stopped) => return Err(stopped),
    }
    Ok(exit::OK)
}

struct Export<'a> {
    args: &'a ExportArgs,
    span: std::ops::Range<i64>,
    progress: Progress,
    rows: u64,
}

impl Export<'_> {
    /// Writes the file, all of it or nothing; mode 0600, as every draft has.
    fn keep(&mut self, journals: &Journals, file: &Path, err: &mut impl Write) -> Result<(), Stopped> {
        // Before the work, and once more at its end.
        if !self.args.force && file.exists() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
        }
        let dir = match file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let mut draft = BufWriter::new(NamedTempFile::new_in(dir)?);
        self.write(journals, &mut draft, err)?;
        let draft = draft.into_inner().map_err(io::IntoInnerError::into_error)?;
        draft.as_file().sync_all()?;
        let kept = if self.args.force { draft.persist(file) } else { draft.persist_noclobber(file) };
        Ok(kept.map(drop).map_err(|e| e.error)?)
    }

    fn write(&mut self, journals: &Journals, out: &mut impl Write, err: &mut impl Write) -> Result<(), Stopped> {
        let ExportArgs { table, format, .. } = *self.args;
        if format == Format::Csv {
            out.write_all(csv::head(table.columns()).as_bytes())?;
        }
        for reader in journals.readers() {
            for row in Rows::new(reader, table, self.span.clone()) {
                out.write_all(line(table, format, &row?)?.as_bytes())?;
                self.rows += 1;
                self.progress.tell("export", self.rows, err);
            }
        }
        self.progress.clear(err);
        Ok(())
    }
}

fn line(table: Table, format: Format, row: &Record) -> io::Result<String> {
    Ok(match format {
        Format::Ndjson => json_line(row)?,
        Format::Csv => csv::line(table.columns(), &serde_json::to_value(row)?),
    })
}
