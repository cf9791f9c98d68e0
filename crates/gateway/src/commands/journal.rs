//! `seawall journal`: housekeeping of the record: is it whole, is it too large, and out with it.

mod csv;
mod export;
mod prune;
#[cfg(test)]
mod tests;
mod verify;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use crate::exit::{self, Exit};
use crate::observe::journal::plain::printable;

use super::failures::{Stopped, no_journal};

pub(crate) const EXAMPLES: &str = "\
Examples:
  seawall journal verify                               is it whole?
  seawall journal prune --older-than 30d --dry-run     what would go
  seawall journal export --format csv -o failures.csv  for a spreadsheet";

/// What `seawall journal` was asked.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum JournalVerb {
    /// Check that the record is whole: SQLite's own check, the layout, and every row
    #[command(after_long_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// Remove old rows now, and give their space back
    #[command(after_long_help = prune::EXAMPLES)]
    Prune(prune::PruneArgs),
    /// Write the record as NDJSON or CSV, for other programs
    #[command(after_long_help = export::EXAMPLES)]
    Export(export::ExportArgs),
}

/// Does it; the exit code. `default_dir` is the data directory where nothing else is named. A reader of `out` that
/// has seen enough is no error.
pub(crate) fn run(
    verb: &JournalVerb,
    default_dir: Option<&Path>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let progress = Progress { is_shown: io::stderr().is_terminal(), last: 0 };
    let done = match verb {
        JournalVerb::Verify(args) => verify::run(args, default_dir, progress, out, err),
        JournalVerb::Prune(args) => prune::run(args, default_dir, progress, out, err),
        JournalVerb::Export(args) => export::run(args, default_dir, progress, out, err),
    };
    match done {
        Ok(exit) => Ok(exit),
        Err(Stopped::Journal(e)) => no_journal(&e, err),
        Err(Stopped::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(exit::OK),
        Err(Stopped::Output(e)) => Err(e),
    }
}

/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 25_000;

/// How far long work has come, for whoever sits before a terminal.
struct Progress {
    is_shown: bool,
    last: u64,
}

impl Progress {
    /// So many rows are done.
    fn tell(&mut self, what: &str, rows: u64, err: &mut impl Write) {
        // Another table begins anew.
        self.last = self.last.min(rows);
        if self.is_shown && rows - self.last >= PROGRESS_ROWS {
            self.last = rows;
            // Nobody waits for this to be told.
            let _ = write!(err, "\r\u{1b}[K{what}: {rows} rows").and_then(|()| err.flush());
        }
    }

    /// The line belongs to others again.
    fn clear(&mut self, err: &mut impl Write) {
        if self.is_shown && std::mem::take(&mut self.last) > 0 {
            let _ = write!(err, "\r\u{1b}[K");
        }
    }
}

/// A path for people.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// `44.0 KiB`, `12.3 MiB`.
fn size(bytes: u64) -> String {
    let (unit, shift) = if bytes < 1 << 20 { ("KiB", 10) } else { ("MiB", 20) };
    let tenths = bytes.saturating_mul(10) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}
