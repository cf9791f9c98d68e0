use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use seawall_core::event::{Attempt, Request};

use super::*;
use crate::data_dir::{DataDir, EXEC_DIR, JOURNAL_FILE};
use crate::observe::journal::samples::{attempt, ended, request, settled};
use crate::observe::journal::{Journal, Settings};

/// 2026-11-23T06:30:00Z
const BEGAN: i64 = 1_795_415_400_000_000;
const HOSTILE: &str = "=cmd()|@channel\u{1b}[2J\r\n<script>\u{202e}\", x";

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    verb: JournalVerb,
}

/// Runs the command on `dir`; its exit code, stdout and stderr.
fn run_in(dir: &Path, flags: &[&str]) -> (Exit, String, String) {
    let line = Line::try_parse_from(["journal"].iter().chain(flags)).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let place = |place: &mut crate::observe::journal::read::JournalArgs| place.data_dir = None;
    let verb = match line.verb {
        JournalVerb::Verify(mut args) => {
            place(&mut args.place);
            JournalVerb::Verify(args)
        }
        JournalVerb::Prune(mut args) => {
            place(&mut args.place);
            JournalVerb::Prune(args)
        }
        JournalVerb::Export(mut args) => {
            place(&mut args.place);
            JournalVerb::Export(args)
        }
    };
    let code = run(&verb, Some(dir), &mut out, &mut err).unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Fills `file` with requests of one attempt each, a day apart, from [`BEGAN`] on.
fn fill(file: &Path, days: std::ops::Range<i64>, change: impl Fn(&mut Request, &mut Attempt)) {
    // Kept for a century: the rows are of fixed days.
    let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
    let (journal, _) = Journal::open(file, settings).unwrap();
    for day in days {
        let (mut asked, mut tried) = ((*request(day)).clone(), attempt(1));
        asked.began_unix_micros = BEGAN + day * 86_400_000_000;
        tried.began_unix_micros = asked.began_unix_micros;
        change(&mut asked, &mut tried);
        let asked = Arc::new(asked);
        journal.attempt(&asked, tried);
        journal.request(&asked, ended(1));
        settled(&journal, &asked);
    }
    journal.close(Duration::from_secs(20));
}

fn filled(days: i64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(JOURNAL_FILE);
    fill(&file, 0..days, |_, _| ());
    (dir, file)
}

fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xa5);
    std::fs::write(file, bytes).unwrap();
}

/// `text` without what differs from run to run.
fn steady(text: &str, dir: &Path) -> String {
    text.replace(&dir.display().to_string(), "DIR")
}

#[test]
fn a_sound_journal_is_told_in_a_few_lines() {
    let (dir, _) = filled(3);
    let exec = dir.path().join(EXEC_DIR);
    std::fs::create_dir(&exec).unwrap();
    fill(&exec.join("1.db"), 3..4, |_, _| ());
    let (code, out, err) = run_in(dir.path(), &["verify"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let sizes = |line: &&str| !line.starts_with("  size ");
    let out = steady(&out, dir.path()).lines().filter(sizes).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(out, @r"
    DIR/journal.db: sound
      layout     2
      attempts   3 readable, from 2026-11-23T06:30:00.000Z to 2026-11-25T06:30:00.000Z
      requests   3 readable, from 2026-11-23T06:30:00.000Z to 2026-11-25T06:30:00.000Z
      minutes    0 readable
      incidents  0 readable
    DIR/exec/1.db: sound
      layout     2
      attempts   1 readable, from 2026-11-26T06:30:00.000Z to 2026-11-26T06:30:00.000Z
      requests   1 readable, from 2026-11-26T06:30:00.000Z to 2026-11-26T06:30:00.000Z
      minutes    0 readable
      incidents  0 readable
    ");
}

#[test]
fn a_damaged_one_is_exit_1_with_what_to_do_and_nothing_is_touched() {
    let (dir, file) = filled(3);
    damage(&file);
    let before = std::fs::read(&file).unwrap();
    let (code, out, err) = run_in(dir.path(), &["verify"]);
    assert_eq!(code, exit::FOUND);
    assert!(out.contains(": not sound\n") && out.contains("  problem    "), "{out}");
    insta::assert_snapshot!(steady(&err, dir.path()), @r"
    hint: what can be read of it: seawall journal export --journal 'DIR/journal.db' -o rows.ndjson
    hint: to begin a new one, stop the gateway, move the file aside, and start it (it does so by itself where it finds the damage at its start):
      mv -n 'DIR/journal.db-wal' 'DIR/journal.db.corrupt-wal'
      mv -n 'DIR/journal.db-shm' 'DIR/journal.db.corrupt-shm'
      mv -n 'DIR/journal.db' 'DIR/journal.db.corrupt'
    ");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let (code, out, _) = run_in(dir.path(), &["verify", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["sound"]), (exit::FOUND, &false.into()));
    assert!(!told["problems"].as_array().unwrap().is_empty());
}

#[test]
fn without_a_journal_each_of_them_is_exit_4() {
    let dir = tempfile::tempdir().unwrap();
    for flags in [&["verify"][..], &["prune", "--older-than", "1d"], &["export"]] {
        let (code, out, err) = run_in(dir.path(), flags);
        assert_eq!((code, out.as_str()), (exit::CANNOT_START, ""), "{flags:?}");
        assert!(err.contains("there is no journal at") && err.contains("hint: "), "{flags:?}: {err}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is begun");
}

#[test]
fn pruning_says_what_would_go_and_then_what_went() {
    let (dir, _) = filled(40);
    let flags = ["prune", "--older-than", "2226-12-03T06:30:00Z"];
    let (code, out, _) = run_in(dir.path(), &[&flags[..], &["--dry-run"]].concat());
    assert_eq!(code, exit::USAGE, "it lies ahead: {out}");
    let flags = ["prune", "--older-than", "2026-11-25T06:30:00Z"];
    let (code, out, err) = run_in(dir.path(), &[&flags[..], &["--dry-run", "--json"]].concat());
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str(), &told["attempts"], &told["dry_run"]), (0, "", &2.into(), &true.into()));
    let (code, out, _) = run_in(dir.path(), &flags);
    assert_eq!(code, 0);
    assert!(out.starts_with("removed 2 attempts, 2 requests, 0 minutes and 0 incidents: "), "{out}");
    let (_, out, _) = run_in(dir.path(), &["prune", "--size-max", "1KiB", "--dry-run"]);
    assert!(out.starts_with("would remove about 3"), "{out}");
}

#[test]
fn a_gateway_that_uses_the_directory_is_in_the_way_of_pruning_and_of_nothing_else() {
    let (dir, file) = filled(3);
    let claimed = DataDir::claim(dir.path()).unwrap();
    let (code, out, err) = run_in(dir.path(), &["prune", "--older-than", "2026-11-24T00:00:00Z"]);
    assert_eq!((code, out.as_str()), (exit::CANNOT_START, ""));
    assert!(err.contains(&format!("(pid {})", std::process::id())), "{err}");
    let named = file.display().to_string();
    let by_name = run_in(dir.path(), &["prune", "--older-than", "2026-11-24T00:00:00Z", "--journal", &named]);
    assert_eq!(by_name.0, exit::CANNOT_START, "by its name too");
    for flags in [&["prune", "--older-than", "2026-11-24T00:00:00Z", "--dry-run"][..], &["verify"], &["export"]] {
        assert_eq!(run_in(dir.path(), flags).0, 0, "{flags:?}");
    }
    claimed.release();
    assert_eq!(run_in(dir.path(), &["prune", "--older-than", "2026-11-24T00:00:00Z"]).0, 0);
    assert!(DataDir::claim(dir.path()).is_ok(), "it is free again");
}

#[test]
fn what_is_to_go_must_be_said() {
    for flags in
        [&["prune"][..], &["prune", "--dry-run"], &["prune", "--size-max", "500"], &["prune", "--size-max", "x"]]
    {
        assert!(Line::try_parse_from(["journal"].iter().chain(flags)).is_err(), "{flags:?}");
    }
}

#[test]
fn attempts_come_out_as_the_list_has_them_and_others_by_their_table() {
    let dir = tempfile::tempdir().unwrap();
    fill(&dir.path().join(JOURNAL_FILE), 0..3, |_, tried| tried.message = Some(HOSTILE.to_owned()));
    let (code, out, err) = run_in(dir.path(), &["export"]);
    assert_eq!((code, err.as_str(), out.lines().count()), (0, "", 3));
    let mut listed = Vec::new();
    let args = crate::commands::failures::FailuresArgs { json: true, ..Default::default() };
    crate::commands::failures::run(&args, Some(dir.path()), &mut listed, &mut Vec::new()).unwrap();
    let listed = String::from_utf8(listed).unwrap();
    assert!(out.lines().eq(listed.lines().rev()), "the oldest first");
    let span = ["--since", "2026-11-24T06:30:00Z", "--until", "2026-11-25T06:30:00Z"];
    let (_, out, _) = run_in(dir.path(), &[&["export", "--table", "requests"], &span[..]].concat());
    let row: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&row["outcome"], &row["time"]), (&"exhausted".into(), &"2026-11-24T06:30:00.000Z".into()));
    assert!(row.get("attempts").is_none());
    let backwards = ["export", "--since", "2026-11-25T00:00:00Z", "--until", "2026-11-24T00:00:00Z"];
    assert_eq!(run_in(dir.path(), &backwards).0, exit::USAGE);
}

#[test]
fn a_table_of_hostile_words_is_only_a_table() {
    let dir = tempfile::tempdir().unwrap();
    fill(&dir.path().join(JOURNAL_FILE), 0..2, |asked, tried| {
        (asked.model, asked.tag) = (Some(HOSTILE.to_owned()), Some("-1".to_owned()));
        (tried.message, tried.error_code) = (Some(HOSTILE.to_owned()), Some(HOSTILE.to_owned()));
    });
    let (code, out, _) = run_in(dir.path(), &["export", "--format", "csv"]);
    assert_eq!((code, out.matches("\r\n").count()), (0, 3));
    assert!(out.starts_with("time,request_id,attempt,"));
    let active = |c: char| c.is_control() && c != '\r' && c != '\n';
    assert!(!out.contains(active) && !out.contains('\u{202e}'), "{out}");
    for row in out.lines().skip(1) {
        assert!(!row.contains("\"=") && row.contains("\"'=cmd()|@channel") && row.contains(",\"'-1\","), "{row}");
    }
}

#[test]
#[cfg(unix)]
fn a_file_is_written_whole_for_its_owner_and_only_replaced_when_told_to() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, _) = filled(3);
    let file = dir.path().join("rows.csv");
    let name = file.display().to_string();
    let flags = ["export", "--format", "csv", "-o", &name];
    let (code, out, err) = run_in(dir.path(), &flags);
    assert_eq!((code, out.as_str(), steady(&err, dir.path()).as_str()), (0, "", "DIR/rows.csv: 3 rows of attempts\n"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run_in(dir.path(), &flags).0, exit::USAGE);
    assert_eq!(run_in(dir.path(), &[&flags[..], &["--force"]].concat()).0, 0);
    let (code, _, err) = run_in(dir.path(), &["export", "-o", "/nowhere/rows.csv"]);
    assert_eq!(code, exit::CANNOT_START, "{err}");
    damage(&dir.path().join(JOURNAL_FILE));
    let other = dir.path().join("other.ndjson").display().to_string();
    assert_eq!(run_in(dir.path(), &["export", "-o", &other]).0, exit::CANNOT_START);
    assert!(!Path::new(&other).exists(), "half of it is nothing");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (dir, _) = filled(3);
    let line = Line::try_parse_from(["journal", "export"]).unwrap();
    let mut err = Vec::new();
    assert_eq!(run(&line.verb, Some(dir.path()), &mut Closed, &mut err).unwrap(), 0);
    assert!(err.is_empty());
}

#[test]
fn progress_is_for_terminals_and_leaves_no_trace() {
    let tell = |is_shown| {
        let (mut progress, mut err) = (Progress { is_shown, last: 0 }, Vec::new());
        for rows in 1..=2 * PROGRESS_ROWS {
            progress.tell("export", rows, &mut err);
        }
        progress.clear(&mut err);
        String::from_utf8(err).unwrap()
    };
    assert_eq!(tell(false), "");
    assert_eq!(tell(true), "\r\u{1b}[Kexport: 25000 rows\r\u{1b}[Kexport: 50000 rows\r\u{1b}[K");
}
