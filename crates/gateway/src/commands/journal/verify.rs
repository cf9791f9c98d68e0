//! `seawall journal verify`: is what is on record whole, and what to do if not.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use super::{Progress, Stopped, shown, size};
use crate::exit::{self, Exit};
use crate::observe::journal::plain::{json_line, printable};
use crate::observe::journal::read::{Files, JournalArgs, ReadError};
use crate::observe::journal::verify::{Verified, verify};
use crate::observe::journal::when::rfc3339;

pub(super) const EXAMPLES: &str = "\
It changes nothing, and may run while the gateway does: then rather in a quiet
hour, for the write-ahead log grows meanwhile. Exit 0 if all is sound, else 1.

Examples:
  seawall journal verify                         those of serve and of exec
  seawall journal verify --journal copy.db       one file
  seawall journal verify --json | jq .problems   for a script";

/// What `seawall journal verify` was asked.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct VerifyArgs {
    /// One JSON object for each file
    #[arg(long)]
    pub(super) json: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(super) place: JournalArgs,
}

pub(super) fn run(
    args: &VerifyArgs,
    default_dir: Option<&Path>,
    mut progress: Progress,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, Stopped> {
    let Files { main, exec, warnings } = Files::of(&args.place, default_dir)?;
    for warning in &warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let mut all_sound = true;
    for file in main.iter().chain(&exec) {
        let found = verify(file, |rows| progress.tell("verify", rows, err));
        progress.clear(err);
        let found = match found {
            Ok(found) => found,
            // A run of `exec` that ended meanwhile is not what was asked about.
            Err(e) if Some(file) != main.as_ref() => {
                writeln!(err, "warning: {e}")?;
                continue;
            }
            Err(e) => return Err(ReadError::into(e)),
        };
        all_sound &= found.sound;
        if args.json {
            out.write_all(json_line(&found).map_err(io::Error::from)?.as_bytes())?;
        } else {
            tell(&found, out)?;
        }
        if !found.sound {
            advise(file, err)?;
        }
    }
    out.flush()?;
    Ok(if all_sound { exit::OK } else { exit::FOUND })
}

fn tell(found: &Verified, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {}", shown(&found.file), if found.sound { "sound" } else { "not sound" })?;
    let layout = found.layout.map_or_else(|| "none: nothing is in it".to_owned(), |layout| layout.to_string());
    if found.layout.is_some() || found.sound {
        writeln!(out, "  layout     {layout}")?;
    }
    let wal =
        if found.wal_bytes > 0 { format!(", and {} to be moved there", size(found.wal_bytes)) } else { String::new() };
    writeln!(out, "  size       {}{wal}", size(found.bytes))?;
    for counted in &found.tables {
        let mut line = format!("{} readable", counted.rows);
        if let (Some(first), Some(last)) = (counted.first, counted.last) {
            // A `String` takes every write.
            let _ = write!(line, ", from {} to {}", rfc3339(first.0), rfc3339(last.0));
        }
        writeln!(out, "  {:10} {line}", counted.table)?;
    }
    for problem in &found.problems {
        writeln!(out, "  problem    {}", printable(problem))?;
    }
    Ok(())
}

/// What to do about a file that is not sound. Nothing is done by itself.
fn advise(file: &Path, err: &mut impl Write) -> io::Result<()> {
    let name = quoted(file);
    writeln!(err, "hint: what can be read of it: seawall journal export --journal {name} -o rows.ndjson")?;
    writeln!(
        err,
        "hint: to begin a new one, stop the gateway, move the file aside, and start it (it does so by itself where it \
         finds the damage at its start):"
    )?;
    for part in ["-wal", "-shm", ""] {
        let mut from = file.as_os_str().to_owned();
        from.push(part);
        let mut to = file.as_os_str().to_owned();
        to.push(".corrupt");
        to.push(part);
        let from = Path::new(&from);
        // The database last: until then it is still where it was.
        if part.is_empty() || from.exists() {
            writeln!(err, "  mv -n {} {}", quoted(from), quoted(Path::new(&to)))?;
        }
    }
    Ok(())
}

/// A path as a shell takes it. One that a terminal would obey is spelled out, for people to correct.
fn quoted(path: &Path) -> String {
    format!("'{}'", shown(path).replace('\'', r"'\''"))
}
