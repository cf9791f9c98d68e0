//! `seawall journal prune`: old rows go now, and their space is given back.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::{Progress, Stopped, shown, size};
use crate::config;
use crate::data_dir::{self, DataDir};
use crate::exit::{self, Exit};
use crate::observe::journal::plain::json_line;
use crate::observe::journal::prune::{Removed, Wanted, prune, would_prune};
use crate::observe::journal::read::{Files, JournalArgs, Reader};
use crate::observe::journal::when::When;

pub(super) const EXAMPLES: &str = "\
The gateway keeps to `journal.keep` and `journal.size_max` by itself; this is
for less than that. It wants the data directory for itself: a gateway that uses
it is in the way (exit 4), but not of --dry-run. Journals of `seawall exec` are
pruned one by one, with --journal.

Examples:
  seawall journal prune --older-than 30d --dry-run   what would go
  seawall journal prune --older-than 30d
  seawall journal prune --size-max 500MiB            the oldest, until it fits
  seawall journal prune --older-than 7d --journal state/exec/1.db";

/// What `seawall journal prune` was asked.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["older_than", "size_max"]))]
pub(crate) struct PruneArgs {
    /// Remove what began before then: 30d, 12h, or 2026-11-23T06:30:00Z
    #[arg(long, value_name = "WHEN")]
    pub(super) older_than: Option<When>,
    /// Remove the oldest until rows and indexes take up no more: 500MiB, "1 GiB"
    #[arg(long, value_name = "SIZE", value_parser = size_max)]
    pub(super) size_max: Option<u64>,
    /// Say what would go, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(super) place: JournalArgs,
}

fn size_max(text: &str) -> Result<u64, String> {
    config::bytes(text).ok_or_else(|| "a size like 500MiB or \"1 GiB\" is wanted".to_owned())
}

/// What is told, as JSON.
#[derive(Serialize)]
struct Told<'r> {
    file: &'r Path,
    dry_run: bool,
    #[serde(flatten)]
    removed: &'r Removed,
}

pub(super) fn run(
    args: &PruneArgs,
    default_dir: Option<&Path>,
    mut progress: Progress,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, Stopped> {
    let now = seawall::proxy::unix_micros();
    let before = args.older_than.map(|when| when.unix_micros(now));
    if before.is_some_and(|before| before > now) {
        writeln!(err, "error: --older-than lies ahead: all there is would go\nhint: 30d is thirty days ago")?;
        return Ok(exit::USAGE);
    }
    let Some(file) = Files::of(&args.place, default_dir)?.main else {
        writeln!(err, "error: there are only journals of `seawall exec`\nhint: name one of them with --journal")?;
        return Ok(exit::CANNOT_START);
    };
    // Whether it is there, and ours.
    if Reader::open(&file)?.is_none() {
        writeln!(err, "nothing was ever written to {}", shown(&file))?;
        return Ok(exit::OK);
    }
    let wanted = Wanted { before, size_max: args.size_max };
    let removed = if args.dry_run {
        would_prune(&file, wanted)
    } else {
        let _claimed = match claim(&file) {
            Ok(claimed) => claimed,
            Err(why) => {
                writeln!(err, "error: {why}\nhint: --dry-run says what would go, and is in nobody's way")?;
                return Ok(exit::CANNOT_START);
            }
        };
        let removed = prune(&file, wanted, |rows| progress.tell("prune", rows, err));
        progress.clear(err);
        removed
    };
    match removed {
        Ok(removed) if args.json => {
            let told = Told { file: &file, dry_run: args.dry_run, removed: &removed };
            out.write_all(json_line(&told).map_err(io::Error::from)?.as_bytes())?;
        }
        Ok(removed) => writeln!(out, "{}", says(args.dry_run, &removed))?,
        Err(why) => {
            writeln!(err, "error: {} cannot be pruned: {why}", shown(&file))?;
            writeln!(err, "hint: `seawall journal verify` says what is wrong with it")?;
            return Ok(exit::CANNOT_START);
        }
    }
    out.flush()?;
    Ok(exit::OK)
}

/// The data directory that the file belongs to, for this process alone. A file in no data directory is nobody else's.
fn claim(file: &Path) -> Result<Option<DataDir>, String> {
    let dir = match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    if !data_dir::is_one(dir) {
        return Ok(None);
    }
    DataDir::claim(dir).map(Some).map_err(|e| e.to_string())
}

/// `removed 120 attempts, 40 requests, 9 minutes and 1 incident: 12.5 MiB before, 3.0 MiB now`.
fn says(is_dry: bool, removed: &Removed) -> String {
    let rows = &removed.rows;
    let count = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let (did, now) = match (is_dry, removed.estimated) {
        (false, _) => ("removed", "now"),
        (true, false) => ("would remove", "of rows left"),
        (true, true) => ("would remove about", "of rows left"),
    };
    format!(
        "{did} {}, {}, {} and {}: {} before, {} {now}",
        count(rows.attempts, "attempt"),
        count(rows.requests, "request"),
        count(rows.minutes, "minute"),
        count(rows.incidents, "incident"),
        size(removed.bytes_before),
        size(removed.bytes_after)
    )
}
