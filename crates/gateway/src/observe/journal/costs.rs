//! What the failed attempts on record cost, summed up in the file: the bill's half of `attempts`.
//!
//! A day in an outage has millions of rows. They are summed where they are, by what the bill tells
//! apart, and only the sums are read.

use rusqlite::{Connection, Row};

/// How an attempt came to be, and to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The first attempt of a request: it would have failed without Seawall too.
    First,
    /// A later attempt, which failed as well.
    Retry,
    /// Broken off because another attempt was faster: a hedge, or what was hedged.
    Hedge,
    /// Broken after its first content had gone to the caller.
    Cut,
}

/// The attempts that have all of this in common, and their sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The upstream's name.
    pub(crate) upstream: String,
    /// The model asked for, or `-`.
    pub(crate) model: String,
    /// The class.
    pub(crate) class: String,
    /// Which part of the bill.
    pub(crate) part: Part,
    /// `no`, `possibly` or `yes`.
    pub(crate) billed: String,
    /// `known`, `estimated` or `unknown`; `None` where the row is older than the count.
    pub(crate) usage: Option<String>,
    /// How many there are.
    pub(crate) attempts: u64,
    /// Tokens read.
    pub(crate) input: u64,
    /// Tokens generated.
    pub(crate) output: u64,
    /// The part of `input` that came from a cache.
    pub(crate) cached: u64,
}

/// The sums of attempts begun from `?1` to before `?2`. What was answered is no cost of failure.
const COSTS: &str = "
SELECT upstream, ifnull(model, '-'), class,
    CASE WHEN class = 'cancelled' THEN 2 WHEN class = 'mid_stream' THEN 3 WHEN number > 1 THEN 1 ELSE 0 END AS part,
    billed, usage, count(*), ifnull(sum(input_tokens), 0), ifnull(sum(output_tokens), 0), ifnull(sum(cached_tokens), 0)
FROM attempts WHERE began >= ?1 AND began < ?2 AND class <> 'ok'
GROUP BY upstream, model, class, part, billed, usage ORDER BY upstream, model, class, part, billed, usage";
/// The same of a file that an older gateway wrote.
const COSTS_OF_1: &str = "
SELECT upstream, ifnull(model, '-'), class,
    CASE WHEN class = 'cancelled' THEN 2 WHEN class = 'mid_stream' THEN 3 WHEN number > 1 THEN 1 ELSE 0 END AS part,
    billed, NULL, count(*), 0, 0, 0
FROM attempts WHERE began >= ?1 AND began < ?2 AND class <> 'ok'
GROUP BY upstream, model, class, part, billed ORDER BY upstream, model, class, part, billed";

/// What the attempts begun from `since` to before `until` cost, in microseconds since the Unix epoch.
pub(super) fn costs(connection: &Connection, since: i64, until: i64) -> rusqlite::Result<Vec<Cost>> {
    let counts = "SELECT count(*) FROM pragma_table_info('attempts') WHERE name = 'usage'";
    let has_tokens = connection.query_row(counts, [], |row| row.get::<_, i64>(0))? > 0;
    let mut statement = connection.prepare_cached(if has_tokens { COSTS } else { COSTS_OF_1 })?;
    statement.query_map([since, until], read)?.collect()
}

/// When the oldest attempt on record began.
pub(super) fn first(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT min(began) FROM attempts", [], |row| row.get(0))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Cost> {
    let sum = |at: usize| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or(0));
    let part = match row.get::<_, i64>(3)? {
        1 => Part::Retry,
        2 => Part::Hedge,
        3 => Part::Cut,
        _ => Part::First,
    };
    Ok(Cost {
        upstream: row.get(0)?,
        model: row.get(1)?,
        class: row.get(2)?,
        part,
        billed: row.get(4)?,
        usage: row.get(5)?,
        attempts: sum(6)?,
        input: sum(7)?,
        output: sum(8)?,
        cached: sum(9)?,
    })
}
