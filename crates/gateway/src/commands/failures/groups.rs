//! `seawall failures --groups`: what fails, by kind: how many, since when, in which course.

use std::io::{self, Write};

use super::{FailuresArgs, LIMIT, Stopped};
use crate::commands::screen::Screen;
use crate::commands::table::{self, Column, Fitted};
use crate::observe::journal::groups::{GROUPS_MAX, Group, ROWS_MAX};
use crate::observe::journal::plain::{json_line, printable};
use crate::observe::journal::read::{Filter, Journals};
use crate::observe::journal::when::{brief, rfc3339};

/// Without `--since`: the last day.
const SPAN_MICROS: i64 = 24 * 3600 * 1_000_000;
/// Parts of the span, a character each; of a day, an hour.
const BUCKETS: usize = 24;
/// Characters of a message that are shown.
const MESSAGE_CHARS: usize = 80;
/// From a few to most; nothing is a dot.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Lists the groups of what `filter` lets through.
pub(super) fn list(
    args: &FailuresArgs,
    journals: &Journals,
    filter: &Filter,
    now: i64,
    out: &mut impl Screen,
    err: &mut impl Write,
) -> Result<(), Stopped> {
    // A moment that is just now is in the span.
    let end = filter.until.unwrap_or(now.saturating_add(1));
    let span = filter.since.unwrap_or(end.saturating_sub(SPAN_MICROS))..end;
    let limit = args.limit.unwrap_or(if args.json { GROUPS_MAX } else { LIMIT });
    let found = journals.groups(span.clone(), filter, BUCKETS, args.sort.unwrap_or_default(), limit)?;
    if args.json {
        for group in &found.groups {
            out.write_all(json_line(group).map_err(io::Error::from)?.as_bytes())?;
        }
        out.flush()?;
    } else if found.groups.is_empty() && limit > 0 {
        writeln!(
            err,
            "no failed attempt that fits is on record from {} to {}",
            rfc3339(span.start),
            rfc3339(span.end)
        )?;
    } else {
        let table = table(&found.groups, out.width());
        out.write_all(table.text.as_bytes())?;
        out.flush()?;
        write!(err, "{}", table.note().unwrap_or_default())?;
    }
    if found.unlisted > 0 {
        writeln!(err, "{} of {} attempts are of groups that are not shown", found.unlisted, found.attempts)?;
    }
    if !found.complete {
        writeln!(err, "only the newest {ROWS_MAX} attempts were looked at: narrow it down with --since, or a filter")?;
    }
    Ok(())
}

fn table(groups: &[Group], width: Option<usize>) -> Fitted {
    let columns = [
        Column::fixed("GROUP"),
        Column::fixed("COUNT").number(),
        Column::fixed("FIRST (UTC)").ranked(5),
        Column::fixed("LAST (UTC)").ranked(2),
        Column::fixed("COURSE").ranked(6),
        Column::fixed("UPSTREAM").cut_to(6).ranked(7),
        Column::fixed("MODEL").cut_to(6).ranked(4),
        Column::fixed("STATUS").number().ranked(3),
        Column::fixed("CLASS").ranked(8),
        Column::fixed("MESSAGE").cut_to(16).ranked(1),
    ];
    let when = |at| if width.is_some() { brief(at) } else { rfc3339(at) };
    let rows = groups.iter().map(|group| {
        vec![
            group.group.clone(),
            group.count.to_string(),
            when(group.first.0),
            when(group.last.0),
            course(&group.spark),
            printable(&group.upstream),
            group.model.as_deref().map_or_else(|| "-".to_owned(), printable),
            group.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            printable(&group.class),
            message(group),
        ]
    });
    table::fit(&columns, &rows.collect::<Vec<_>>(), width)
}

/// One character for each part, as high as it is beside the highest.
fn course(spark: &[u64]) -> String {
    let most = spark.iter().copied().max().unwrap_or(0);
    let level = |count: u64| {
        // Rounded up, so that one is more than none.
        let at = (u128::from(count) * LEVELS.len() as u128).div_ceil(u128::from(most.max(1)));
        match usize::try_from(at).unwrap_or(LEVELS.len()) {
            0 => '·',
            at => LEVELS[at.min(LEVELS.len()) - 1],
        }
    };
    spark.iter().map(|&count| level(count)).collect()
}

/// What they have in common, or else what went wrong.
fn message(group: &Group) -> String {
    let said = group.pattern.as_deref().or(group.error_code.as_deref()).or(group.fault.as_deref()).unwrap_or("-");
    let said = printable(said);
    match said.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fill, run_in};
    use crate::data_dir::JOURNAL_FILE;

    const SINCE: [&str; 4] = ["--since", "2026-11-23T06:30:00Z", "--until", "2026-11-23T06:54:00Z"];

    /// Twelve attempts, a minute apart: most overloaded with an id in the message, some refused.
    fn filled() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let minutes: Vec<i64> = [0, 1, 1, 2, 2, 2, 2, 9, 20, 21, 22, 23].iter().map(|minute| minute * 60).collect();
        let numbers = std::cell::Cell::new(0_u64);
        fill(&dir.path().join(JOURNAL_FILE), &minutes, |_, asked, tried| {
            let at = numbers.get() + 1;
            numbers.set(at);
            asked.id = format!("sw_{at:032x}");
            asked.client_retries = 0;
            tried.message = Some(format!("The engine is overloaded \u{1b}[2J(request id req_{at:016x})"));
            if at.is_multiple_of(5) {
                tried.status = None;
                tried.message = Some("Connection refused (os error 111)".to_owned());
            }
        });
        dir
    }

    #[test]
    fn people_see_each_kind_in_a_line() {
        let dir = filled();
        let (code, out, err) = run_in(dir.path(), &[&["--groups"], &SINCE[..]].concat());
        assert_eq!((code, err.as_str()), (0, ""));
        insta::assert_snapshot!(out, @r"
        GROUP         COUNT  FIRST (UTC)               LAST (UTC)                COURSE                    UPSTREAM  MODEL   STATUS  CLASS       MESSAGE
        51c60f39dab6     10  2026-11-23T06:30:00.000Z  2026-11-23T06:53:00.000Z  ▃▆█······▃··········▃·▃▃  openai    gpt-4o     503  overloaded  The engine is overloaded \u{1b}[#(request id #)
        15f44d2aee50      2  2026-11-23T06:32:00.000Z  2026-11-23T06:51:00.000Z  ··█··················█··  openai    gpt-4o       -  overloaded  Connection refused (os error #)
        ");
    }

    #[test]
    fn a_group_is_listed_by_its_id() {
        let dir = filled();
        let (_, out, _) = run_in(dir.path(), &[&["--groups", "--json", "--sort", "last"], &SINCE[..]].concat());
        let groups: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(groups.len(), 2);
        for group in &groups {
            let id = group["group"].as_str().unwrap();
            let (code, rows, _) = run_in(dir.path(), &["--group", id, "--json"]);
            assert_eq!((code, rows.lines().count() as u64), (0, group["count"].as_u64().unwrap()));
            let newest: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
            assert_eq!((&newest["request_id"], &newest["message"]), (&group["request_id"], &group["message"]));
        }
        assert!(!out.contains('\u{1b}'), "nothing that a terminal obeys");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let dir = filled();
        let (_, out, err) = run_in(dir.path(), &[&["--groups", "--limit", "1"], &SINCE[..]].concat());
        assert_eq!((out.lines().count(), err.as_str()), (2, "2 of 12 attempts are of groups that are not shown\n"));
        let (code, out, err) = run_in(dir.path(), &["--groups", "--until", "2026-11-01T00:00:00Z"]);
        assert_eq!((code, out.as_str()), (0, ""));
        assert!(err.contains("from 2026-10-31T00:00:00.000Z to 2026-11-01T00:00:00.000Z"), "{err}");
    }

    #[test]
    fn the_course_shows_one_beside_many_and_none() {
        assert_eq!(super::course(&[0, 1, 500, 1000]), "·▁▄█");
        assert_eq!(super::course(&[0, 0]), "··");
        assert_eq!(super::course(&[3, u64::MAX]), "▁█");
    }
}
