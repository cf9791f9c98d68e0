//! The changes that a machine can make: to a file, whole or not at all, and as a diff.
//!
//! What no change touches stays as it is, byte for byte; a log of a million lines in which one tool
//! is mended differs in that tool alone.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use seawall_core::request::lint::{self, Target};
use similar::TextDiff;

use super::document::Found;
use super::options;
use crate::observe::journal::plain::printable;

/// Lines shown round a change.
const CONTEXT: usize = 3;
/// After this a diff is no longer the shortest one, only a right one.
const DIFF_TIME: Duration = Duration::from_secs(5);

/// A file after its changes.
pub(super) struct Mended {
    /// All of it.
    pub(super) bytes: Vec<u8>,
    /// The findings that are gone.
    pub(super) findings: usize,
}

/// The file with every mechanical change made to its documents; `None` if there was none to make.
pub(super) fn mended(file: &[u8], found: &Found, asked: Option<Target>) -> Option<Mended> {
    let mut bytes = Vec::with_capacity(file.len());
    let mut findings = 0;
    let mut from = 0;
    for document in &found.documents {
        let Some(span) = document.span() else { continue };
        let (before, options) = (document.bytes(file), options(document, asked));
        let Some(after) = lint::fixed(before, options) else { continue };
        // In a log a line is a document: a change must not make two of it.
        let breaks = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        if found.documents.len() > 1 && breaks(&after) != breaks(before) {
            continue;
        }
        let count = |document| {
            let report = lint::lint(document, options);
            report.findings.len() + report.more
        };
        findings += count(before).saturating_sub(count(&after));
        bytes.extend_from_slice(&file[from..span.start]);
        bytes.extend_from_slice(&after);
        from = span.end;
    }
    if from == 0 {
        return None;
    }
    bytes.extend_from_slice(&file[from..]);
    Some(Mended { bytes, findings })
}

/// Puts `bytes` in the place of a file: under its name there is always the old text or the new one.
/// Its mode stays; of a link, what it points at is replaced.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = path.canonicalize()?;
    let mode = std::fs::metadata(&path)?.permissions();
    if mode.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new().prefix(".seawall-lint-").tempfile_in(folder)?;
    draft.write_all(bytes)?;
    draft.as_file().set_permissions(mode)?;
    draft.as_file().sync_all()?;
    draft.persist(&path)?;
    Ok(())
}

/// The change as a unified diff, empty if there is none; `None` for what is no text.
pub(super) fn diff(name: &str, before: &[u8], after: &[u8]) -> Option<String> {
    if before == after {
        return Some(String::new());
    }
    let (before, after) = (std::str::from_utf8(before).ok()?, std::str::from_utf8(after).ok()?);
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(before, after);
    Some(diff.unified_diff().context_radius(CONTEXT).header(name, name).to_string())
}

/// A diff for a terminal: nothing in it is obeyed, and what changes has a colour.
pub(super) fn shown(diff: &str) -> String {
    let mut shown = String::new();
    for line in diff.lines() {
        let colour = match line.as_bytes().first() {
            Some(b'+') => "\u{1b}[32m",
            Some(b'-') => "\u{1b}[31m",
            Some(b'@') => "\u{1b}[36m",
            _ => "",
        };
        let end = if colour.is_empty() { "" } else { "\u{1b}[0m" };
        // A `String` takes every write.
        let _ = writeln!(shown, "{colour}{}{end}", printable(line));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_file_is_replaced_whole_with_its_mode_and_through_its_link() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("tools.json"), dir.path().join("link.json"));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        let before = std::fs::metadata(&file).unwrap().ino();
        write(&link, b"new").unwrap();
        let after = std::fs::metadata(&file).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(after.permissions().mode() & 0o777, 0o640);
        assert_ne!(after.ino(), before, "it was replaced, not written into");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no draft is left behind");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o440)).unwrap();
        assert!(write(&file, b"newer").is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
    }

    #[test]
    fn a_diff_has_context_and_says_where_no_line_ends() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8";
        let text = diff("tools.json", before.as_bytes(), before.replace('5', "five").as_bytes()).unwrap();
        insta::assert_snapshot!(text, @r"
        --- tools.json
        +++ tools.json
        @@ -2,7 +2,7 @@
         2
         3
         4
        -5
        +five
         6
         7
         8
        \ No newline at end of file
        ");
        assert_eq!(diff("x", b"\xff", b"\xff").as_deref(), Some(""));
        assert_eq!(diff("x", b"\xff", b"\xfe"), None);
        assert_eq!(shown("+\u{9b}31m\n"), "\u{1b}[32m+\\u{9b}31m\u{1b}[0m\n");
    }
}
