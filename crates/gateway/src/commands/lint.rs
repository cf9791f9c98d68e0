//! `seawall lint FILE…`: the tool definitions and requests that providers refuse, before they are sent.
//!
//! The rules and their verdicts are `seawall_core::request::lint`; here is what a person or a
//! pipeline needs round them: files of several forms (`lint/document.rs`), places in them
//! (`lint/place.rs`), four ways to tell it (`lint/told.rs` and its relatives), and the changes that
//! a machine can make (`lint/mend.rs`).
//!
//! It is the user's own file on the user's own terminal, so that excerpts of it are shown; but its
//! names may have been chosen by somebody else, and nothing of them is ever obeyed by a terminal.

mod document;
mod github;
mod lines;
mod mend;
mod place;
mod printed;
mod sarif;
mod text;
mod told;

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use seawall_core::request::lint::{self, Options, Severity, Target};

use crate::exit::{self, Exit};
use crate::observe::journal::plain::printable;
use document::{Document, Found};
use place::Places;
use told::{Finding, Teller};

/// The longest file that is read, in bytes: a batch input file has 200 MB at most.
pub(crate) const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// So many documents are looked at between two signs of progress.
const PROGRESS_DOCUMENTS: usize = 1_000;
/// Makes a terminal forget what is on its line.
const CLEAR_LINE: &str = "\r\u{1b}[K";

/// How to tell what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For a person: the place in the file, the provider's reply, the fix
    #[default]
    Text,
    /// One JSON object a finding, one a line
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions: annotations on the changed lines
    Github,
}

const EXAMPLES: &str = "\
Examples:
  seawall lint tools.json
  seawall lint tools.json --fix
  seawall lint --target azure --deny-warnings requests.jsonl
  seawall lint --format sarif tools.json > lint.sarif

Exit codes: 0 no error, 1 an error (or a warning with --deny-warnings), 4 a file
cannot be read.";

/// What `seawall lint` was asked.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct LintArgs {
    /// Tool definitions, a request, a log of requests a line, or a printed dump; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Who is to take the requests [default: OpenAI, Chat or Responses by the document's form]
    #[arg(long, value_parser = PossibleValuesParser::new(Target::ALL.iter().map(|target| target.name()))
        .map(|name| Target::from_name(&name).unwrap_or(Target::OpenaiChat)))]
    pub(crate) target: Option<Target>,
    /// How to tell it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Make the mechanical changes in the file; of standard input, write the result to standard output
    #[arg(long)]
    pub(crate) fix: bool,
    /// Only show the changes that --fix would make, as a unified diff
    #[arg(long)]
    pub(crate) diff: bool,
    /// Exit 1 for warnings too
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Only the findings: no summary, no notes, no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Where it comes from and goes to.
pub(crate) struct Streams<'a> {
    /// Standard input.
    pub(crate) stdin: &'a mut dyn Read,
    /// Standard output, byte for byte.
    pub(crate) out: &'a mut dyn Write,
    /// Standard error.
    pub(crate) err: &'a mut dyn Write,
    /// Whether `out` shows colours.
    pub(crate) styled: bool,
    /// Whether a person watches `err`.
    pub(crate) watched: bool,
}

/// How much was found.
#[derive(Debug, Default)]
struct Count {
    errors: usize,
    warnings: usize,
    notes: usize,
    fixable: usize,
    /// Findings that `--fix` mended.
    mended: usize,
    unreadable: usize,
}

/// Looks at the files with the process's own streams; the exit code.
pub(crate) fn run(args: &LintArgs, wants_colour: bool) -> io::Result<Exit> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let styled = wants_colour && stdout.is_terminal();
    let watched = stderr.is_terminal();
    let (mut stdin, mut out, mut err) = (io::stdin().lock(), io::BufWriter::new(stdout.lock()), stderr.lock());
    let streams = Streams { stdin: &mut stdin, out: &mut out, err: &mut err, styled, watched };
    match look(args, streams) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(exit::OK),
        done => {
            out.flush()?;
            done
        }
    }
}

/// Looks at the files; the exit code: 4 if one cannot be read, else 1 if there is an error in one.
pub(crate) fn look(args: &LintArgs, mut streams: Streams<'_>) -> io::Result<Exit> {
    if args.files.iter().filter(|file| is_stdin(file)).count() > 1 {
        writeln!(streams.err, "error: - is named twice, but standard input can be read once only")?;
        return Ok(exit::USAGE);
    }
    let format = if args.json { Format::Json } else { args.format };
    let mut teller = Teller::new(format, streams.styled);
    let mut count = Count::default();
    for path in &args.files {
        let name = if is_stdin(path) { "<stdin>".to_owned() } else { printable(&path.display().to_string()) };
        match bytes(path, streams.stdin) {
            Ok(bytes) => file(args, path, &name, bytes, &mut teller, &mut count, &mut streams)?,
            Err(why) => {
                count.unreadable += 1;
                teller.unreadable(&name, &why.to_string());
                writeln!(streams.err, "error: {name} cannot be read: {why}")?;
            }
        }
    }
    if !args.diff {
        // Of standard input, `--fix` writes the document to where findings go otherwise.
        let is_taken = args.fix && args.files.iter().any(|file| is_stdin(file));
        teller.finish(if is_taken { &mut streams.err } else { &mut streams.out })?;
    }
    streams.out.flush()?;
    if !args.quiet {
        writeln!(streams.err, "{}", count.summary(args))?;
    }
    Ok(match count {
        Count { unreadable: 1.., .. } => exit::CANNOT_START,
        Count { errors: 1.., .. } => exit::FOUND,
        Count { warnings: 1.., .. } if args.deny_warnings => exit::FOUND,
        _ => exit::OK,
    })
}

/// Looks at one file, and mends it if that was asked for.
fn file(
    args: &LintArgs,
    path: &Path,
    name: &str,
    mut bytes: Vec<u8>,
    teller: &mut Teller,
    count: &mut Count,
    streams: &mut Streams<'_>,
) -> io::Result<()> {
    let mut found = document::find(&bytes);
    if !args.quiet {
        for note in &found.notes {
            writeln!(streams.err, "note: {name}: {note}")?;
        }
    }
    if args.fix || args.diff {
        if found.is_printed {
            writeln!(streams.err, "warning: {name}: a printed dump is not changed: mend what printed it")?;
        } else if found.documents.iter().any(|document| document.span().is_none()) {
            writeln!(streams.err, "warning: {name}: a request that stands in a record as text is not changed")?;
        }
        let mended = mend::mended(&bytes, &found, args.target);
        let to = mended.as_ref().map_or(&bytes[..], |mended| &mended.bytes);
        if args.diff {
            return shown(args, name, (&bytes, to), &found, teller, count, streams);
        }
        if is_stdin(path) {
            streams.out.write_all(to)?;
        } else if mended.is_some()
            && let Err(why) = mend::write(path, to)
        {
            count.unreadable += 1;
            writeln!(streams.err, "error: {name} cannot be written: {why}")?;
            return Ok(());
        }
        if let Some(mended) = mended {
            count.mended += mended.findings;
            bytes = mended.bytes;
            found = document::find(&bytes);
        }
    }
    documents(args, name, &bytes, &found, teller, count, streams)
}

/// Shows what would be changed, and counts what there is.
fn shown(
    args: &LintArgs,
    name: &str,
    (before, after): (&[u8], &[u8]),
    found: &Found,
    teller: &mut Teller,
    count: &mut Count,
    streams: &mut Streams<'_>,
) -> io::Result<()> {
    match mend::diff(name, before, after) {
        Some(diff) if streams.styled => streams.out.write_all(mend::shown(&diff).as_bytes())?,
        Some(diff) => streams.out.write_all(diff.as_bytes())?,
        None => writeln!(streams.err, "warning: {name}: no diff: it is not UTF-8")?,
    }
    documents(args, name, before, found, teller, count, streams)
}

/// Looks at every document of a file, and tells what is found.
fn documents(
    args: &LintArgs,
    name: &str,
    bytes: &[u8],
    found: &Found,
    teller: &mut Teller,
    count: &mut Count,
    streams: &mut Streams<'_>,
) -> io::Result<()> {
    let is_taken = args.fix && args.files.iter().any(|file| is_stdin(file));
    let shows_progress = streams.watched && !args.quiet && found.documents.len() > PROGRESS_DOCUMENTS;
    let mut places = Places::new(bytes);
    for (at, document) in found.documents.iter().enumerate() {
        if shows_progress && at % PROGRESS_DOCUMENTS == 0 {
            write!(streams.err, "\r{at} of {} documents", found.documents.len())?;
        }
        let report = lint::lint(document.bytes(bytes), options(document, args.target));
        if shows_progress && !report.findings.is_empty() {
            // Both may be the same terminal: findings begin on a line of their own.
            write!(streams.err, "{CLEAR_LINE}")?;
        }
        for finding in &report.findings {
            count.add(finding.severity, finding.fix.is_some() && document.span().is_some());
            if !args.diff {
                let told = Finding::new(name, document, &report, finding, &mut places);
                teller.tell(&told, &places, if is_taken { &mut streams.err } else { &mut streams.out })?;
            }
        }
        if shows_progress {
            streams.out.flush()?;
        }
        if report.more > 0 && !args.quiet {
            writeln!(streams.err, "note: {name}: {} more findings are not shown", report.more)?;
        }
    }
    if shows_progress {
        write!(streams.err, "{CLEAR_LINE}")?;
    }
    if !args.diff {
        teller.end_of_file(if is_taken { &mut streams.err } else { &mut streams.out })?;
    }
    Ok(())
}

/// How to look at a document: what was asked for goes before what the document says.
fn options(document: &Document, asked: Option<Target>) -> Options {
    Options { target: asked.or(document.target) }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// All of a file, up to [`FILE_BYTES_MAX`].
fn bytes(path: &Path, stdin: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if is_stdin(path) {
        stdin.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let limit = FILE_BYTES_MAX / (1024 * 1024);
        return Err(io::Error::other(format!("it has more than {limit} MiB, the limit: split it by lines")));
    }
    Ok(bytes)
}

impl Count {
    fn add(&mut self, severity: Severity, is_fixable: bool) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => self.notes += 1,
        }
        self.fixable += usize::from(is_fixable);
    }

    /// `2 errors, 1 warning (2 fixable with --fix)`.
    fn summary(&self, args: &LintArgs) -> String {
        let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut said = format!("{}, {}", many(self.errors, "error"), many(self.warnings, "warning"));
        if self.notes > 0 {
            said += &format!(", {}", many(self.notes, "note"));
        }
        if self.fixable > 0 && !args.fix {
            said += &format!(" ({} fixable with --fix)", self.fixable);
        }
        if args.fix && !args.diff {
            said = format!("{} mended; left: {said}", many(self.mended, "finding"));
        }
        if self.unreadable > 0 {
            said += &format!("; {} failed", many(self.unreadable, "file"));
        }
        said
    }
}

#[cfg(test)]
mod tests;
