//! What happened in each minute, in numbers: the journal's table `minutes`.
//!
//! Successes leave no row of their own, and the bill is about shares of the whole; so each minute
//! has a row of sums for every kind of request that was made in it. A row is added to as often as
//! there is something to add, and never replaced: what is written twice would be counted twice, so
//! whoever hands rows over hands each over once.

use rusqlite::{CachedStatement, Connection, Row, params};
use seawall_core::verdict::usage::{Counted, Tokens};

/// Creates the table; runs in the transaction that makes the file one of this layout.
pub(super) const CREATE: &str = "
CREATE TABLE minutes (
    minute INTEGER NOT NULL, upstream TEXT NOT NULL, model TEXT NOT NULL, endpoint TEXT NOT NULL,
    stream INTEGER NOT NULL, size INTEGER NOT NULL, tools INTEGER NOT NULL,
    requests INTEGER NOT NULL, failed_first INTEGER NOT NULL, saved INTEGER NOT NULL, hedged INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    cut INTEGER NOT NULL, caller_left INTEGER NOT NULL,
    attempts INTEGER NOT NULL, failed INTEGER NOT NULL, broken_off INTEGER NOT NULL,
    known INTEGER NOT NULL, estimated INTEGER NOT NULL, unknown INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, input_estimated INTEGER NOT NULL, output_estimated INTEGER NOT NULL,
    saved_input INTEGER NOT NULL, saved_output INTEGER NOT NULL, saved_cached INTEGER NOT NULL,
    saved_uncertain INTEGER NOT NULL, left_input INTEGER NOT NULL,
    PRIMARY KEY (minute, upstream, model, endpoint, stream, size, tools)
) STRICT, WITHOUT ROWID;
";

/// Adds to one row, or begins it.
pub(super) const ADD: &str = "
INSERT INTO minutes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
    ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31)
ON CONFLICT (minute, upstream, model, endpoint, stream, size, tools) DO UPDATE SET
    requests = requests + excluded.requests, failed_first = failed_first + excluded.failed_first,
    saved = saved + excluded.saved, hedged = hedged + excluded.hedged, lost = lost + excluded.lost, cut = cut + excluded.cut,
    caller_left = caller_left + excluded.caller_left,
    attempts = attempts + excluded.attempts, failed = failed + excluded.failed,
    broken_off = broken_off + excluded.broken_off,
    known = known + excluded.known, estimated = estimated + excluded.estimated, unknown = unknown + excluded.unknown,
    input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
    cached_tokens = cached_tokens + excluded.cached_tokens,
    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
    input_estimated = input_estimated + excluded.input_estimated,
    output_estimated = output_estimated + excluded.output_estimated,
    saved_input = saved_input + excluded.saved_input, saved_output = saved_output + excluded.saved_output,
    saved_cached = saved_cached + excluded.saved_cached,
    saved_uncertain = saved_uncertain + excluded.saved_uncertain, left_input = left_input + excluded.left_input";

/// The sums of whole minutes from the first to before the second, for each upstream and model.
const SUMS: &str = "
SELECT upstream, model, sum(requests) AS requests, sum(failed_first) AS failed_first, sum(saved) AS saved,
    sum(hedged) AS hedged, sum(lost) AS lost, sum(cut) AS cut, sum(caller_left) AS caller_left, sum(attempts) AS attempts,
    sum(failed) AS failed, sum(broken_off) AS broken_off, sum(known) AS known, sum(estimated) AS estimated,
    sum(unknown) AS unknown, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    sum(cached_tokens) AS cached_tokens, sum(reasoning_tokens) AS reasoning_tokens,
    sum(input_estimated) AS input_estimated, sum(output_estimated) AS output_estimated,
    sum(saved_input) AS saved_input, sum(saved_output) AS saved_output, sum(saved_cached) AS saved_cached,
    sum(saved_uncertain) AS saved_uncertain, sum(left_input) AS left_input
FROM minutes WHERE minute >= ?1 AND minute < ?2 GROUP BY upstream, model ORDER BY upstream, model";

/// The sums of stretches of `?3` whole minutes each, counted from the first one on, of one upstream and one
/// model or of all.
const SERIES: &str = "
SELECT (minute - ?1) / ?3 AS place, sum(requests), sum(failed_first), sum(saved), sum(lost), sum(cut)
FROM minutes WHERE minute >= ?1 AND minute < ?2 AND (?4 IS NULL OR upstream = ?4) AND (?5 IS NULL OR model = ?5)
GROUP BY place ORDER BY place";

/// Microseconds of a minute.
pub(crate) const MINUTE_MICROS: i64 = 60_000_000;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Cell {
    /// Minutes since the Unix epoch.
    pub(crate) minute: i64,
    /// The upstream's name; `-` where none was asked.
    pub(crate) upstream: String,
    /// The model asked for; `-` where none was named.
    pub(crate) model: String,
    /// The operation's name.
    pub(crate) endpoint: &'static str,
    /// Whether a stream was asked for.
    pub(crate) stream: bool,
    /// The power of two at or below the body's bytes.
    pub(crate) size: u8,
    /// Whether there were tools.
    pub(crate) tools: bool,
}

/// What happened to the requests of one cell. An attempt counts where it went, a request where its
/// answer came from or, without one, where it was asked for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    /// Requests that ended: with an answer, without one, or because their caller left before it.
    pub(crate) requests: u64,
    /// Requests whose first attempt failed.
    pub(crate) failed_first: u64,
    /// Requests that only another attempt saved.
    pub(crate) saved: u64,
    /// Requests that a hedge answered first: the first attempt might have answered too.
    pub(crate) hedged: u64,
    /// Requests that got no answer.
    pub(crate) lost: u64,
    /// Requests whose answer broke after its first content had gone to the caller.
    pub(crate) cut: u64,
    /// Requests whose caller left before there was an answer.
    pub(crate) caller_left: u64,
    /// Attempts that ended: answered, failed or broken off.
    pub(crate) attempts: u64,
    /// Attempts that failed.
    pub(crate) failed: u64,
    /// Attempts that were broken off because another was faster.
    pub(crate) broken_off: u64,
    /// Answers whose tokens the upstream counted.
    pub(crate) known: u64,
    /// Answers whose tokens are estimated.
    pub(crate) estimated: u64,
    /// Answers of whose tokens a part at least nobody knows.
    pub(crate) unknown: u64,
    /// Tokens of answers, as the upstreams counted them.
    pub(crate) input_tokens: u64,
    /// The same, generated.
    pub(crate) output_tokens: u64,
    /// The part of `input_tokens` that came from a cache.
    pub(crate) cached_tokens: u64,
    /// The part of `output_tokens` that nobody was shown.
    pub(crate) reasoning_tokens: u64,
    /// Tokens of answers, estimated; of unknown ones, what is known.
    pub(crate) input_estimated: u64,
    /// The same, generated.
    pub(crate) output_estimated: u64,
    /// The part of all of these that belongs to saved requests.
    pub(crate) saved_input: u64,
    /// The same, generated.
    pub(crate) saved_output: u64,
    /// The part of `saved_input` that came from a cache.
    pub(crate) saved_cached: u64,
    /// Saved requests whose tokens are estimated or unknown.
    pub(crate) saved_uncertain: u64,
    /// Input of requests whose caller left before there was an answer, estimated.
    pub(crate) left_input: u64,
}

impl Sums {
    /// Adds an answer's tokens; `is_saved` if only another attempt brought it.
    pub(crate) fn add_answer(&mut self, tokens: &Tokens, is_saved: bool) {
        let [input, output, cached, reasoning] =
            [tokens.usage.input, tokens.usage.output, tokens.usage.cached, tokens.usage.reasoning]
                .map(|n| u64::from(n.unwrap_or(0)));
        match tokens.counted {
            Counted::Known => {
                self.known += 1;
                self.input_tokens += input;
                self.output_tokens += output;
                self.cached_tokens += cached;
                self.reasoning_tokens += reasoning;
            }
            Counted::Estimated => {
                self.estimated += 1;
                self.input_estimated += input;
                self.output_estimated += output;
            }
            Counted::Unknown => {
                self.unknown += 1;
                self.input_estimated += input;
                self.output_estimated += output;
            }
        }
        if is_saved {
            self.saved_input += input;
            self.saved_output += output;
            self.saved_cached += if tokens.counted == Counted::Known { cached } else { 0 };
            self.saved_uncertain += u64::from(tokens.counted != Counted::Known);
        }
    }

    /// Adds all of `other`.
    pub(crate) fn add(&mut self, other: &Sums) {
        for (sum, more) in self.all_mut().into_iter().zip(other.all()) {
            *sum = sum.saturating_add(more);
        }
    }

    /// Every sum, in the order of the columns.
    fn all(&self) -> [u64; COLUMNS] {
        let mut copy = *self;
        copy.all_mut().map(|sum| *sum)
    }

    fn all_mut(&mut self) -> [&mut u64; COLUMNS] {
        [
            &mut self.requests,
            &mut self.failed_first,
            &mut self.saved,
            &mut self.hedged,
            &mut self.lost,
            &mut self.cut,
            &mut self.caller_left,
            &mut self.attempts,
            &mut self.failed,
            &mut self.broken_off,
            &mut self.known,
            &mut self.estimated,
            &mut self.unknown,
            &mut self.input_tokens,
            &mut self.output_tokens,
            &mut self.cached_tokens,
            &mut self.reasoning_tokens,
            &mut self.input_estimated,
            &mut self.output_estimated,
            &mut self.saved_input,
            &mut self.saved_output,
            &mut self.saved_cached,
            &mut self.saved_uncertain,
            &mut self.left_input,
        ]
    }
}

/// Sums in a row.
const COLUMNS: usize = 24;

/// Runs [`ADD`].
pub(super) fn add(statement: &mut CachedStatement<'_>, cell: &Cell, sums: &Sums) -> rusqlite::Result<usize> {
    let n = sums.all().map(|sum| i64::try_from(sum).unwrap_or(i64::MAX));
    statement.execute(params![
        cell.minute,
        cell.upstream,
        cell.model,
        cell.endpoint,
        cell.stream,
        cell.size,
        cell.tools,
        n[0],
        n[1],
        n[2],
        n[3],
        n[4],
        n[5],
        n[6],
        n[7],
        n[8],
        n[9],
        n[10],
        n[11],
        n[12],
        n[13],
        n[14],
        n[15],
        n[16],
        n[17],
        n[18],
        n[19],
        n[20],
        n[21],
        n[22],
        n[23],
    ])
}

/// What happened at one upstream in one minute, in brief.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bar {
    /// Which minute, counted from the Unix epoch.
    pub(crate) minute: i64,
    /// The upstream's name.
    pub(crate) upstream: String,
    /// Requests that ended there.
    pub(crate) requests: u64,
    /// Attempts that ended there.
    pub(crate) attempts: u64,
    /// Those of them that failed.
    pub(crate) failed: u64,
}

/// Each minute from the first to before the second, at each upstream.
const BARS: &str = "
SELECT minute, upstream, sum(requests), sum(attempts), sum(failed) FROM minutes WHERE minute >= ?1 AND minute < ?2
GROUP BY minute, upstream ORDER BY minute LIMIT ?3";
/// Bars that are read: 90 minutes of 32 upstreams and what was asked nowhere, with room.
const BARS_MAX: i64 = 10_000;

/// What happened in each minute from `since` to before `until`, at each upstream; empty where there is no such table yet.
pub(super) fn bars(connection: &Connection, since: i64, until: i64) -> rusqlite::Result<Vec<Bar>> {
    if !exists(connection)? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(BARS)?;
    let bar = |row: &Row<'_>| {
        let sum = |at: usize| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or(0));
        let (minute, upstream) = (row.get(0)?, row.get(1)?);
        Ok(Bar { minute, upstream, requests: sum(2)?, attempts: sum(3)?, failed: sum(4)? })
    };
    statement.query_map([since, until, BARS_MAX], bar)?.collect()
}

/// The sums of one upstream and model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summed {
    /// The upstream's name, or `-`.
    pub(crate) upstream: String,
    /// The model's, or `-`.
    pub(crate) model: String,
    /// What happened.
    pub(crate) sums: Sums,
}

/// The sums of the minutes from `since` to before `until`; empty where there is no such table yet.
pub(super) fn sums(connection: &Connection, since: i64, until: i64) -> rusqlite::Result<Vec<Summed>> {
    if !exists(connection)? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(SUMS)?;
    statement.query_map([since, until], read)?.collect()
}

/// What happened in one stretch of minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stretch {
    /// Its place: 0 is the first stretch of those asked for.
    pub(crate) place: u64,
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Requests whose first attempt failed.
    pub(crate) failed_first: u64,
    /// Requests that only another attempt saved.
    pub(crate) saved: u64,
    /// Requests that got no answer.
    pub(crate) lost: u64,
    /// Requests whose answer broke after its first content had gone to the caller.
    pub(crate) cut: u64,
}

/// Which minutes to sum up, in stretches of how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series<'a> {
    /// The first minute.
    pub(crate) since: i64,
    /// The minute behind the last.
    pub(crate) until: i64,
    /// Minutes of a stretch; one at least.
    pub(crate) width: i64,
    /// Of this upstream alone.
    pub(crate) upstream: Option<&'a str>,
    /// Of this model alone; `-` is requests without one.
    pub(crate) model: Option<&'a str>,
}

/// The stretches in which something was counted, the earliest first; empty where there is no such table yet.
pub(super) fn series(connection: &Connection, of: Series<'_>) -> rusqlite::Result<Vec<Stretch>> {
    if !exists(connection)? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(SERIES)?;
    let rows = statement.query_map(params![of.since, of.until, of.width.max(1), of.upstream, of.model], |row| {
        let sum = |at: usize| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or(0));
        Ok(Stretch {
            place: sum(0)?,
            requests: sum(1)?,
            failed_first: sum(2)?,
            saved: sum(3)?,
            lost: sum(4)?,
            cut: sum(5)?,
        })
    })?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Summed> {
    let mut sums = Sums::default();
    for (at, sum) in sums.all_mut().into_iter().enumerate() {
        *sum = u64::try_from(row.get::<_, i64>(at + 2)?).unwrap_or(0);
    }
    Ok(Summed { upstream: row.get(0)?, model: row.get(1)?, sums })
}

/// The first minute that was counted, if any was.
pub(super) fn first(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    if !exists(connection)? {
        return Ok(None);
    }
    connection.query_row("SELECT min(minute) FROM minutes", [], |row| row.get(0))
}

/// Whether the file has the table: one that an older gateway wrote has none.
fn exists(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'minutes'";
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|n| n > 0)
}

/// Removes whole minutes before `?1`: those of the oldest `?2` rows.
pub(super) const PRUNE: &str = "
DELETE FROM minutes WHERE minute <= (SELECT max(minute) FROM (SELECT minute FROM minutes WHERE minute < ?1
    ORDER BY minute LIMIT ?2))";
