//! `seawall failures`: the failed attempts on record, the newest first; or by kind ([`groups`]).
//!
//! A person gets a table and is told how many rows it leaves out; a program gets one JSON object
//! a line with every field, and no limit unless it asks for one.

mod groups;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use clap::builder::PossibleValuesParser;
use seawall_core::verdict::Class;

use crate::commands::screen::Screen;
use crate::commands::table::{self, Column, Fitted};
use crate::config;
use crate::exit::{self, Exit};
use crate::observe::journal::fingerprint;
use crate::observe::journal::groups::Order;
use crate::observe::journal::plain::{json_line, millis, printable};
use crate::observe::journal::read::{Filter, JournalArgs, Journals, ReadError};
use crate::observe::journal::row::AttemptRow;
use crate::observe::journal::stacked::Stacked;
use crate::observe::journal::when::{When, brief, rfc3339};

/// Rows of the table, unless `--limit` says otherwise.
const LIMIT: usize = 50;

const EXAMPLES: &str = "\
Examples:
  seawall failures --since 1h
  seawall failures --status 5xx --model gpt-4o
  seawall failures --class rate_limited --limit 200
  seawall failures --request-id req_0123456789abcdef --json";

/// Of so many attempts, the newest ones, are names read, to say which was probably meant.
const NAMES_ROWS: usize = 10_000;

/// What `seawall failures` was asked.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct FailuresArgs {
    /// Only attempts begun since then: 30m, 1h, 7d, or 2026-11-23T06:30:00Z
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// Only attempts begun before then
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<When>,
    /// Only attempts for this model
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Only attempts with this status: 503, or 5xx
    #[arg(long, value_parser = Filter::parse_status)]
    pub(crate) status: Option<(u16, u16)>,
    /// Only attempts that ended in this class
    #[arg(long, value_parser = PossibleValuesParser::new(Class::ALL.iter().map(|class| class.name())))]
    pub(crate) class: Option<String>,
    /// Only attempts at this upstream
    #[arg(long, value_name = "NAME")]
    pub(crate) upstream: Option<String>,
    /// Only attempts with this id: Seawall's, the upstream's x-request-id, or the client's
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Only attempts of this kind: the GROUP of --groups
    #[arg(long, value_name = "GROUP", value_parser = group)]
    pub(crate) group: Option<String>,
    /// By kind: how many of each, since when, in which course. Without --since: the last 24 hours
    #[arg(long)]
    pub(crate) groups: bool,
    /// The order of --groups: count, the largest first, or last, the one that happened last first
    #[arg(long, value_name = "ORDER", value_parser = sort, requires = "groups")]
    pub(crate) sort: Option<Order>,
    /// At most so many, the newest ones or the first groups [default: 50, with --json all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// One JSON object a line, with every field
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(crate) place: JournalArgs,
}

/// Lists the attempts; the exit code. `default_dir` is the data directory where nothing else is
/// named. A reader of `out` that has seen enough is no error.
pub(crate) fn run(
    args: &FailuresArgs,
    default_dir: Option<&Path>,
    out: &mut impl Screen,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match list(args, default_dir, out, err) {
        Ok(()) => Ok(exit::OK),
        Err(Stopped::Journal(e)) => no_journal(&e, err),
        Err(Stopped::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(exit::OK),
        Err(Stopped::Output(e)) => Err(e),
    }
}

/// Says that no journal can be read; the exit code.
pub(super) fn no_journal(error: &ReadError, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "error: {error}\nhint: {}", error.hint())?;
    Ok(exit::CANNOT_START)
}

/// Why a listing ended early.
pub(super) enum Stopped {
    Journal(ReadError),
    Output(io::Error),
}

impl From<ReadError> for Stopped {
    fn from(e: ReadError) -> Stopped {
        Stopped::Journal(e)
    }
}

impl From<io::Error> for Stopped {
    fn from(e: io::Error) -> Stopped {
        Stopped::Output(e)
    }
}

fn list(
    args: &FailuresArgs,
    default_dir: Option<&Path>,
    out: &mut impl Screen,
    err: &mut impl Write,
) -> Result<(), Stopped> {
    let journals = Journals::open(&args.place, default_dir)?;
    for warning in &journals.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let now = seawall::proxy::unix_micros();
    let filter = args.filter(now);
    if args.groups {
        return groups::list(args, &journals, &filter, now, out, err);
    }
    if args.json {
        for attempt in journals.attempts(&filter).take(args.limit.unwrap_or(usize::MAX)) {
            out.write_all(json_line(&attempt?).map_err(io::Error::from)?.as_bytes())?;
        }
        out.flush()?;
        return Ok(());
    }
    let limit = args.limit.unwrap_or(LIMIT);
    let attempts: Vec<AttemptRow> = journals.attempts(&filter).take(limit).collect::<Result<_, _>>()?;
    if attempts.is_empty() && limit > 0 {
        writeln!(err, "no failed attempt is on record{}", if args.narrows() { " that fits" } else { "" })?;
        if let Some(meant) = args.meant(&journals)? {
            writeln!(err, "hint: did you mean `{meant}`?")?;
        }
        return Ok(());
    }
    let told = table(&attempts, out.width());
    out.write_all(told.text.as_bytes())?;
    out.flush()?;
    write!(err, "{}", told.note().unwrap_or_default())?;
    let all = journals.count(&filter)?;
    let left = all.saturating_sub(attempts.len() as u64);
    if left > 0 {
        let attempts = if left == 1 { "attempt is" } else { "attempts are" };
        writeln!(err, "{left} older {attempts} not shown: --limit {all} shows all")?;
    }
    let stacked = Stacked::of(&attempts);
    if stacked.count() > 0 {
        let (count, advice) = (stacked.count(), Stacked::ADVICE);
        writeln!(err, "hint: {count} of these belong to a client's own retries ({stacked}): {advice}")?;
    }
    if let Some(first) = attempts.first() {
        writeln!(err, "hint: `seawall show {}` tells all that is known of one", printable(&first.request_id))?;
    }
    Ok(())
}

/// The order of groups, as a flag gives it.
fn sort(text: &str) -> Result<Order, String> {
    Order::from_name(text).ok_or_else(|| "`count` or `last` is wanted".to_owned())
}

/// The id of a group, as a flag gives it.
fn group(text: &str) -> Result<String, String> {
    if fingerprint::is_id(text) { Ok(text.to_owned()) } else { Err("12 hexadecimal digits are wanted".to_owned()) }
}

impl FailuresArgs {
    fn filter(&self, now: i64) -> Filter {
        Filter {
            since: self.since.map(|when| when.unix_micros(now)),
            until: self.until.map(|when| when.unix_micros(now)),
            model: self.model.clone(),
            status: self.status,
            class: self.class.clone(),
            upstream: self.upstream.clone(),
            request_id: self.request_id.clone(),
            incident: None,
            group: self.group.clone(),
        }
    }

    fn narrows(&self) -> bool {
        let words = [&self.model, &self.class, &self.upstream, &self.request_id, &self.group];
        self.since.is_some() || self.until.is_some() || self.status.is_some() || words.iter().any(|w| w.is_some())
    }
}

/// A name that may have been misspelt, and one on record that it is near to.
type Pair<'a> = (&'static str, &'a Option<String>, BTreeSet<String>);

impl FailuresArgs {
    /// The flag with the name on record that was probably meant, where there is no such name.
    fn meant(&self, journals: &Journals) -> Result<Option<String>, ReadError> {
        let mut names: [Pair<'_>; 2] =
            [("--upstream", &self.upstream, BTreeSet::new()), ("--model", &self.model, BTreeSet::new())];
        if names.iter().all(|(_, asked, _)| asked.is_none()) {
            return Ok(None);
        }
        for attempt in journals.attempts(&Filter::default()).take(NAMES_ROWS) {
            let attempt = attempt?;
            names[0].2.insert(attempt.upstream);
            names[1].2.extend(attempt.facts.model);
        }
        Ok(names.iter().find_map(|(flag, asked, known)| {
            let asked = asked.as_deref().filter(|asked| !known.contains(*asked))?;
            let near = config::nearest(asked, known.iter().map(String::as_str))?;
            Some(format!("{flag} {}", printable(near)))
        }))
    }
}

/// The columns; the greater the rank, the earlier one is left out where there is no room.
fn columns() -> [Column; 11] {
    [
        Column::fixed("TIME (UTC)"),
        Column::fixed("REQUEST"),
        Column::fixed("ATTEMPT").number().ranked(7),
        Column::fixed("UPSTREAM").cut_to(6).ranked(6),
        Column::fixed("MODEL").cut_to(6).ranked(3),
        Column::fixed("STATUS").number().ranked(1),
        Column::fixed("CLASS").cut_to(7).ranked(2),
        Column::fixed("CODE").cut_to(8).ranked(8),
        Column::fixed("X-REQUEST-ID").ranked(4),
        Column::fixed("ELAPSED").number().ranked(9),
        Column::fixed("DECISION").cut_to(8).ranked(5),
    ]
}

fn table(attempts: &[AttemptRow], width: Option<usize>) -> Fitted {
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), printable);
    let rows = attempts.iter().map(|row| {
        vec![
            if width.is_some() { brief(row.time) } else { rfc3339(row.time) },
            printable(&row.request_id),
            row.attempt.to_string(),
            printable(&row.upstream),
            text(&row.facts.model),
            row.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            printable(&row.class),
            text(&row.error_code),
            text(&row.upstream_request_id),
            millis(row.elapsed_ms),
            decision(row),
        ]
    });
    table::fit(&columns(), &rows.collect::<Vec<_>>(), width)
}

/// What was done after the attempt and why, in a few words.
pub(crate) fn decision(row: &AttemptRow) -> String {
    match (row.decision, row.wait_ms) {
        ("stop", _) => format!("stop: {}", printable(&row.reason)),
        (decision, Some(wait)) => format!("{decision} in {}", millis(wait)),
        (decision, None) => decision.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use clap::Parser;
    use seawall_core::event::{Attempt, Reason, Request};

    use super::*;
    use crate::data_dir::{EXEC_DIR, JOURNAL_FILE};
    use crate::observe::journal::samples::{attempt, request, settled};
    use crate::observe::journal::{Journal, Settings};

    /// 2026-11-23T06:30:00Z
    const BEGAN: i64 = 1_795_415_400_000_000;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: FailuresArgs,
    }

    /// Runs the command on `dir`; its exit code, stdout and stderr.
    pub(super) fn run_in(dir: &Path, flags: &[&str]) -> (u8, String, String) {
        let line = Line::try_parse_from(["failures"].iter().chain(flags)).unwrap();
        let args = FailuresArgs { place: JournalArgs { data_dir: None, ..line.args.place }, ..line.args };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&args, Some(dir), &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// Fills `file` with one attempt for each of `times`, in seconds after [`BEGAN`].
    pub(super) fn fill(file: &Path, times: &[i64], change: impl Fn(i64, &mut Request, &mut Attempt)) {
        // Kept for a century: the rows are of a fixed day.
        let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
        let (journal, _) = Journal::open(file, settings).unwrap();
        for &n in times {
            let (mut asked, mut tried) = ((*request(n)).clone(), attempt(1));
            asked.began_unix_micros = BEGAN;
            tried.began_unix_micros = BEGAN + n * 1_000_000;
            change(n, &mut asked, &mut tried);
            let asked = Arc::new(asked);
            journal.attempt(&asked, tried);
            settled(&journal, &asked);
        }
        journal.close(Duration::from_secs(20));
    }

    fn unchanged(_: i64, _: &mut Request, _: &mut Attempt) {}

    fn times(ndjson: &str) -> Vec<String> {
        ndjson
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["time"].as_str().unwrap()[17..19].to_owned()
            })
            .collect()
    }

    #[test]
    fn the_table_says_what_happened_and_what_was_done() {
        let dir = tempfile::tempdir().unwrap();
        fill(&dir.path().join(JOURNAL_FILE), &[1, 2], |n, asked, tried| {
            if n == 2 {
                asked.model = None;
                tried.status = None;
                tried.reason = Reason::Attempts;
                tried.wait = None;
            }
        });
        let (code, out, err) = run_in(dir.path(), &[]);
        let hint = "2 of these belong to a client's own retries (SDK openai-python 3.54.0): switch those off, as docs/guides/sdks.md says";
        let next = "`seawall show sw_00000000000000000000000000000002` tells all that is known of one";
        assert_eq!((code, err), (0, format!("hint: {hint}\nhint: {next}\n")));
        insta::assert_snapshot!(out, @r"
        TIME (UTC)                REQUEST                              ATTEMPT  UPSTREAM  MODEL   STATUS  CLASS       CODE        X-REQUEST-ID  ELAPSED  DECISION
        2026-11-23T06:30:02.000Z  sw_00000000000000000000000000000002        1  openai    -            -  overloaded  overloaded  req_up_1        81 ms  stop: attempts
        2026-11-23T06:30:01.000Z  sw_00000000000000000000000000000001        1  openai    gpt-4o     503  overloaded  overloaded  req_up_1        81 ms  retry in 750 ms
        ");
    }

    #[test]
    fn json_has_every_field_of_the_record() {
        let dir = tempfile::tempdir().unwrap();
        fill(&dir.path().join(JOURNAL_FILE), &[1], unchanged);
        let (code, out, _) = run_in(dir.path(), &["--json"]);
        assert_eq!(code, 0);
        insta::assert_snapshot!(out, @r#"{"time":"2026-11-23T06:30:01.000Z","request_id":"sw_00000000000000000000000000000001","attempt":1,"upstream":"openai","endpoint":"chat_completions","method":"POST","model":"gpt-4o","stream":true,"tools":2,"max_tokens":256,"body_bytes":1234,"shape":"chat/stream/1k/tools","sdk":"openai-python 3.54.0","client_retries":1,"tag":"nightly","client":"team-a","status":503,"class":"overloaded","whose":"provider","fault":"status","billed":"no","billed_why":"no_capacity","usage":"known","input_tokens":0,"output_tokens":0,"cached_tokens":0,"reasoning_tokens":0,"error_type":"server_error","error_code":"overloaded","message":"The engine is currently overloaded","upstream_request_id":"req_up_1","client_request_id":"client-1","processing_ms":17,"organization":"org-acme","project":"proj_acme","cf_ray":"8f00ba4-FRA","connection":"new","connected_ms":12.0,"secured_ms":43.0,"sent_ms":43.12,"first_byte_ms":79.5,"elapsed_ms":81.25,"first_content_ms":80.0,"bytes_in":321,"bytes_out":0,"decision":"retry","reason":"retry","wait_ms":750.0,"incident":null}"#);
    }

    #[test]
    fn the_limit_is_said_and_json_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<i64> = (0..=i64::try_from(LIMIT).unwrap()).collect();
        fill(&dir.path().join(JOURNAL_FILE), &all, |_, asked, _| asked.client_retries = 0);
        let (_, out, err) = run_in(dir.path(), &[]);
        assert_eq!(out.lines().count(), LIMIT + 1);
        assert!(err.starts_with("1 older attempt is not shown: --limit 51 shows all\n"), "{err}");
        assert!(!run_in(dir.path(), &["--limit", "51"]).2.contains("not shown"));
        assert_eq!(run_in(dir.path(), &["--json"]).1.lines().count(), LIMIT + 1);
    }

    #[test]
    fn every_filter_narrows_and_the_newest_is_first() {
        let dir = tempfile::tempdir().unwrap();
        fill(&dir.path().join(JOURNAL_FILE), &[1, 3, 2, 4], |n, asked, tried| match n {
            2 => (asked.model, tried.class) = (Some("o9".to_owned()), Class::RateLimited),
            3 => (tried.status, tried.upstream) = (Some(429), "azure".to_owned()),
            4 => (tried.class, tried.client_request_id) = (Class::Ok, Some("mine".to_owned())),
            _ => tried.upstream_request_id = Some("req_one".to_owned()),
        });
        let listed = |flags: &[&str]| times(&run_in(dir.path(), &[&["--json"], flags].concat()).1);
        assert_eq!(listed(&[]), ["03", "02", "01"], "what was answered is no failure");
        assert_eq!(listed(&["--limit", "2"]), ["03", "02"]);
        assert_eq!(listed(&["--model", "o9"]), ["02"]);
        assert_eq!(listed(&["--class", "rate_limited"]), ["02"]);
        assert_eq!(listed(&["--class", "ok"]), ["04"]);
        assert_eq!(listed(&["--status", "429"]), ["03"]);
        assert_eq!(listed(&["--status", "5xx"]), ["02", "01"]);
        assert_eq!(listed(&["--upstream", "azure"]), ["03"]);
        assert_eq!(listed(&["--request-id", "req_one"]), ["01"]);
        assert_eq!(listed(&["--request-id", "mine", "--class", "ok"]), ["04"]);
        assert_eq!(listed(&["--request-id", &request(3).id]), ["03"]);
        assert_eq!(listed(&["--since", "2026-11-23T06:30:02Z"]), ["03", "02"]);
        assert_eq!(listed(&["--until", "2026-11-23T06:30:02Z"]), ["01"]);
        assert_eq!(listed(&["--model", "' OR 1=1 --"]), [""; 0], "a filter is a value, never SQL");
    }

    #[test]
    fn a_name_that_is_not_on_record_is_told_with_one_that_is() {
        let dir = tempfile::tempdir().unwrap();
        fill(&dir.path().join(JOURNAL_FILE), &[1], unchanged);
        let said = |flags: &[&str]| run_in(dir.path(), flags).2;
        let nothing = "no failed attempt is on record that fits\n";
        assert_eq!(said(&["--upstream", "opnai"]), format!("{nothing}hint: did you mean `--upstream openai`?\n"));
        assert_eq!(said(&["--model", "gpt4o"]), format!("{nothing}hint: did you mean `--model gpt-4o`?\n"));
        assert_eq!(said(&["--upstream", "azure"]), nothing, "a guess is made for slips only");
        assert_eq!(said(&["--upstream", "openai", "--status", "418"]), nothing, "the name is right");
        assert_eq!(said(&["--upstream", "opnai", "--json"]), "");
    }

    #[test]
    fn more_rows_than_a_page_come_once_each() {
        let dir = tempfile::tempdir().unwrap();
        let same: Vec<i64> = (0..600).collect();
        fill(&dir.path().join(JOURNAL_FILE), &same, |n, _, tried| tried.began_unix_micros = BEGAN + n / 7);
        let (_, out, _) = run_in(dir.path(), &["--json"]);
        let ids: std::collections::BTreeSet<&str> =
            out.lines().map(|line| &line[line.find("sw_").unwrap()..][..35]).collect();
        assert_eq!((out.lines().count(), ids.len()), (600, 600));
    }

    #[test]
    fn the_journals_of_exec_are_told_with_the_gateways() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(EXEC_DIR)).unwrap();
        fill(&dir.path().join(JOURNAL_FILE), &[1, 4], unchanged);
        fill(&dir.path().join(EXEC_DIR).join("a.db"), &[3], unchanged);
        fill(&dir.path().join(EXEC_DIR).join("b.db"), &[2], unchanged);
        std::fs::write(dir.path().join(EXEC_DIR).join("c.db"), vec![7; 5_000]).unwrap();
        let (code, out, err) = run_in(dir.path(), &["--json"]);
        assert_eq!((code, times(&out)), (0, ["04", "03", "02", "01"].map(str::to_owned).to_vec()));
        assert!(err.starts_with("warning: the journal ") && err.contains("c.db cannot be read"), "{err}");
    }

    #[test]
    fn without_a_journal_the_error_says_where_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let (code, out, err) = run_in(dir.path(), &[]);
        assert_eq!((code, out.as_str()), (exit::CANNOT_START, ""));
        let err = err.replace(&dir.path().display().to_string(), "DIR");
        insta::assert_snapshot!(err, @r"
        error: there is no journal at DIR/journal.db
        hint: `seawall serve` begins one; if it is elsewhere, name it with --data-dir or --journal
        ");
        let (code, _, err) = run_in(dir.path(), &["--journal", "/dev/null"]);
        assert_eq!((code, err.as_str()), (0, "no failed attempt is on record\n"));
    }

    #[test]
    fn a_terminal_never_obeys_what_an_upstream_sent() {
        let dir = tempfile::tempdir().unwrap();
        fill(&dir.path().join(JOURNAL_FILE), &[1], |_, asked, tried| {
            asked.model = Some("gpt\u{1b}[2J\n".to_owned());
            tried.error_code = Some("\u{9b}31m\u{202e}".to_owned());
        });
        for flags in [&[][..], &["--json"]] {
            let (_, out, _) = run_in(dir.path(), flags);
            assert!(out.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{out:?}");
        }
    }
}
