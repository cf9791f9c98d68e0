//! `seawall bill`: what failed, retried, hedged and cut attempts cost, and what was saved.
//!
//! Whole requests come from the journal's minutes, failed attempts from their own rows, and money from
//! a table of the user's: prices change, and none is built in. What is estimated is marked, what is not
//! known is said, and a model without a price is named; none of them is ever told as nothing.
//! docs/guides/bill.md has the rules.

mod telling;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::account::By;
use crate::account::prices::Prices;
use crate::account::{Account, Bill};
use crate::commands::failures::no_journal;
use crate::commands::screen::Screen;
use crate::exit::{self, Exit};
use crate::observe::journal::minutes::MINUTE_MICROS;
use crate::observe::journal::plain::json_line;
use crate::observe::journal::read::{JournalArgs, Journals, ReadError};
use crate::observe::journal::when::{When, rfc3339};

const EXAMPLES: &str = "\
Examples:
  seawall bill                                   the last 24 hours, by model
  seawall bill --since 7d --by class             which failures cost what
  seawall bill --prices prices.toml              in money too
  seawall bill --json | jq -s 'last'             the totals

A table of prices, per million tokens (docs/guides/bill.md):
  currency = \"USD\"
  [[price]]
  model = \"gpt-4o*\"
  input = 2.50
  cached = 1.25
  output = 10.00";

/// What `seawall bill` was asked.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct BillArgs {
    /// From then on, in whole minutes: 30m, 24h, 7d, or 2026-11-23T06:30:00Z
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    pub(crate) since: When,
    /// Before then
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<When>,
    /// One row for each of these
    #[arg(long, value_enum, default_value_t = By::Model)]
    pub(crate) by: By,
    /// A TOML or JSON file with prices per million tokens
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// One JSON object a line: the rows, then the totals
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(crate) place: JournalArgs,
}

/// Writes the bill; the exit code. `default_dir` is the data directory where nothing else is named.
pub(crate) fn run(
    args: &BillArgs,
    default_dir: Option<&Path>,
    out: &mut impl Screen,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let prices = match args.prices.as_deref().map(Prices::read).transpose() {
        Ok(prices) => prices,
        Err(wrong) => {
            writeln!(err, "error: {wrong}\nhint: `seawall help bill` has an example of a table")?;
            return Ok(exit::CONFIG);
        }
    };
    let found = match look(args, prices.as_ref(), default_dir, err)? {
        Ok(found) => found,
        Err(e) => return no_journal(&e, err),
    };
    match tell(args, prices.as_ref(), &found, out, err) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(exit::OK),
        told => told.map(|()| exit::OK),
    }
}

/// The bill, and of what time it is.
struct Found {
    bill: Bill,
    /// Microseconds since the Unix epoch, at whole minutes.
    since: i64,
    until: i64,
    /// From when on whole requests are counted, if attempts on record are older than that.
    counted_since: Option<i64>,
}

fn look(
    args: &BillArgs,
    prices: Option<&Prices>,
    default_dir: Option<&Path>,
    err: &mut impl Write,
) -> io::Result<Result<Found, ReadError>> {
    let journals = match Journals::open(&args.place, default_dir) {
        Ok(journals) => journals,
        Err(e) => return Ok(Err(e)),
    };
    for warning in &journals.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let now = seawall::proxy::unix_micros();
    let minute = |micros: i64| micros.div_euclid(MINUTE_MICROS);
    let since = minute(args.since.unix_micros(now));
    // Whole minutes, the one under way included: what is counted and what failed are of the same time.
    let until = minute(args.until.map_or(now, |until| until.unix_micros(now).saturating_sub(1))).saturating_add(1);
    let micros = |minute: i64| minute.saturating_mul(MINUTE_MICROS);
    let read = || -> Result<Found, ReadError> {
        let mut account = Account::new(args.by, prices);
        for summed in journals.minutes(since, until)? {
            account.add_minutes(&summed);
        }
        for cost in journals.costs(micros(since), micros(until))? {
            account.add_cost(&cost);
        }
        let first = journals.first_attempt()?.map(minute).map(|first| first.max(since));
        let counted = journals.first_minute()?;
        // What failed just now is on record before it is counted.
        let is_late = first.filter(|first| *first < until && counted.unwrap_or(minute(now)) > *first + 1);
        let counted_since = is_late.map(|_| micros(counted.unwrap_or(until).min(until)));
        Ok(Found { bill: account.bill(), since: micros(since), until: micros(until), counted_since })
    };
    Ok(read())
}

fn tell(
    args: &BillArgs,
    prices: Option<&Prices>,
    found: &Found,
    out: &mut impl Screen,
    err: &mut impl Write,
) -> io::Result<()> {
    let Found { bill, since, until, counted_since } = found;
    let currency = prices.map(Prices::currency);
    if args.json {
        for (key, tally) in &bill.rows {
            out.write_all(json_line(&telling::row(args.by, key, tally, currency))?.as_bytes())?;
        }
        let times = telling::Times { since: *since, until: *until, counted_since: *counted_since };
        out.write_all(json_line(&telling::total(args.by, bill, &times, currency))?.as_bytes())?;
        return out.flush();
    }
    if bill.is_empty() {
        writeln!(err, "nothing is on record from {} to {}", rfc3339(*since), rfc3339(*until))?;
        return Ok(());
    }
    writeln!(out, "{} to {}\n", rfc3339(*since), rfc3339(*until))?;
    let table = telling::table(args.by, bill, currency, out.width());
    writeln!(out, "{}", table.text)?;
    telling::totals(&bill.total, currency, out)?;
    out.flush()?;
    write!(err, "{}", table.note().unwrap_or_default())?;
    if let Some(from) = counted_since {
        let from = rfc3339(*from);
        writeln!(err, "note: whole requests are counted from {from} on; failed attempts before that are in the table")?;
    }
    if prices.is_none() {
        writeln!(err, "hint: --prices FILE tells it in money too; `seawall help bill` has an example of one")?;
    }
    if !bill.unpriced.is_empty() {
        let names: Vec<String> = bill.unpriced.iter().map(|name| telling::shown(name)).collect();
        writeln!(err, "note: no price for {}: their tokens are not in the sums of money", names.join(", "))?;
    }
    Ok(())
}
