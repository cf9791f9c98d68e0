//! The bill in words: a table and its totals for a person, one object a line for a program.

use std::io::{self, Write};

use serde::Serialize;

use crate::account::By;
use crate::account::{Amount, Bill, Spent, Tally};
use crate::commands::table::{self, Column, Fitted};
use crate::observe::journal::plain::printable;
use crate::observe::journal::when::rfc3339;

/// The width of the labels' column below the table.
const LABEL: usize = 24;

/// A row in JSON.
#[derive(Serialize)]
pub(super) struct RowTold<'a> {
    r#type: &'static str,
    by: &'static str,
    key: &'a str,
    currency: Option<&'a str>,
    #[serde(flatten)]
    tally: &'a Tally,
}

/// The totals in JSON.
#[derive(Serialize)]
pub(super) struct TotalTold<'a> {
    r#type: &'static str,
    by: &'static str,
    since: String,
    until: String,
    /// From when on whole requests are counted, if there are older attempts.
    counted_since: Option<String>,
    currency: Option<&'a str>,
    unpriced_models: Vec<&'a str>,
    /// Of what brought no answer in all tokens, at most.
    spent_share_ppm: u64,
    #[serde(flatten)]
    tally: &'a Tally,
    /// Everything that brought no answer.
    spent: Spent,
}

/// Of what time a bill is, in microseconds since the Unix epoch.
pub(super) struct Times {
    pub(super) since: i64,
    pub(super) until: i64,
    pub(super) counted_since: Option<i64>,
}

pub(super) fn row<'a>(by: By, key: &'a str, tally: &'a Tally, currency: Option<&'a str>) -> RowTold<'a> {
    RowTold { r#type: "row", by: by.name(), key, currency, tally }
}

pub(super) fn total<'a>(by: By, bill: &'a Bill, times: &Times, currency: Option<&'a str>) -> TotalTold<'a> {
    TotalTold {
        r#type: "total",
        by: by.name(),
        since: rfc3339(times.since),
        until: rfc3339(times.until),
        counted_since: times.counted_since.map(rfc3339),
        currency,
        unpriced_models: bill.unpriced.iter().map(String::as_str).collect(),
        spent_share_ppm: bill.total.share_ppm(),
        tally: &bill.total,
        spent: bill.total.spent(),
    }
}

/// A name that somebody else chose.
pub(super) fn shown(name: &str) -> String {
    printable(name)
}

/// A row for each of what it is by.
pub(super) fn table(by: By, bill: &Bill, currency: Option<&str>, width: Option<usize>) -> Fitted {
    let mut columns = vec![Column::fixed(by.name().to_uppercase()).cut_to(12)];
    let mut number = |title: &str, rank: u8| columns.push(Column::fixed(title).number().ranked(rank));
    if by != By::Class {
        number("REQUESTS", 3);
        number("SAVED", 4);
        number("LOST", 5);
    }
    number("ATTEMPTS", 9);
    number("ANSWERED TOKENS", 8);
    number("UNANSWERED", 6);
    number("FREE", 10);
    number("CERTAIN TOKENS", 2);
    number("POSSIBLE TOKENS", 7);
    if let Some(currency) = currency {
        number(&format!("ANSWERED {currency}"), 4);
        number(&format!("CERTAIN {currency}"), 1);
        number(&format!("POSSIBLE {currency}"), 1);
    }
    let rows = bill.rows.iter().map(|(key, tally)| {
        let spent = tally.spent();
        let mut cells = vec![shown(key)];
        if by != By::Class {
            cells.extend([tally.requests, tally.saved, tally.lost].map(grouped));
        }
        cells.extend([grouped(tally.attempts), brief(&tally.answers), grouped(spent.attempts), grouped(spent.free)]);
        cells.extend([brief(&spent.certain), brief(&spent.possible)]);
        if currency.is_some() {
            cells.extend([&tally.answers, &spent.certain, &spent.possible].map(money));
        }
        cells
    });
    table::fit(&columns, &rows.collect::<Vec<_>>(), width)
}

/// The sums of all rows, in words.
pub(super) fn totals(total: &Tally, currency: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let Tally { requests, attempts, failed_first, saved, hedged, lost, cut, caller_left, .. } = total;
    let mut line = |label: &str, text: String| writeln!(out, "{label:LABEL$} {text}");
    let costs = |amount: &Amount| match currency {
        Some(currency) => format!("; {currency} {}", money(amount)),
        None => String::new(),
    };
    line(
        "requests",
        format!(
            "{}: {} failed at first, {} saved, {} lost, {} cut off, {} left by their caller",
            grouped(*requests),
            grouped(*failed_first),
            grouped(*saved),
            grouped(*lost),
            grouped(*cut),
            grouped(*caller_left)
        ),
    )?;
    line("attempts", grouped(*attempts))?;
    line("answers", format!("{}{}", full(&total.answers), costs(&total.answers)))?;
    for (label, spent) in [
        ("failed first attempts", &total.first_attempts),
        ("failed retries", &total.retries),
        ("broken off for a hedge", &total.hedges),
        ("cut streams", &total.cut_streams),
    ] {
        if spent.attempts == 0 {
            line(label, "none".to_owned())?;
            continue;
        }
        line(label, format!("{}, {} of them free", grouped(spent.attempts), grouped(spent.free)))?;
        for (word, amount) in [("charged", &spent.certain), ("possibly charged", &spent.possible)] {
            if amount.known + amount.estimated + amount.unknown > 0 {
                line("", format!("{word}: {}{}", full(amount), costs(amount)))?;
            }
        }
    }
    if *caller_left > 0 {
        let left = &total.callers_left;
        line("callers who left", format!("possibly charged: {}{}", full(left), costs(left)))?;
    }
    let more =
        if *hedged > 0 { format!("; {} more were answered first by a hedge", grouped(*hedged)) } else { String::new() };
    line(
        "saved by another attempt",
        format!(
            "{} {}, {}{}{more}",
            grouped(*saved),
            if *saved == 1 { "request" } else { "requests" },
            full(&total.saved_answers),
            costs(&total.saved_answers)
        ),
    )?;
    let ppm = total.share_ppm();
    line("share without an answer", format!("at most {}.{:02} % of all tokens", ppm / 10_000, ppm % 10_000 / 100))
}

/// `12,345`, `~12,345` where a part is estimated, `12,345 + ?` where a part is not known, `?` where nothing is.
fn brief(amount: &Amount) -> String {
    if amount.unknown > 0 && amount.tokens() == 0 {
        return "?".to_owned();
    }
    let about = if amount.estimated > 0 { "~" } else { "" };
    let unknown = if amount.unknown > 0 { " + ?" } else { "" };
    format!("{about}{}{unknown}", grouped(amount.tokens()))
}

/// Everything that is known of the tokens, and how sure it is.
fn full(amount: &Amount) -> String {
    let Amount {
        known,
        estimated,
        unknown,
        input_tokens,
        output_tokens,
        cached_tokens,
        input_estimated,
        output_estimated,
        ..
    } = amount;
    let mut parts = Vec::new();
    if input_tokens + output_tokens > 0 || *known > 0 {
        let cached = if *cached_tokens > 0 { format!(" ({} cached)", grouped(*cached_tokens)) } else { String::new() };
        parts.push(format!("{} in{cached}, {} out", grouped(*input_tokens), grouped(*output_tokens)));
    }
    if input_estimated + output_estimated > 0 {
        let (input, output) = (grouped(*input_estimated), grouped(*output_estimated));
        parts.push(format!("about {input} in, {output} out estimated for {}", grouped(estimated + unknown)));
    } else if *estimated > 0 {
        parts.push(format!("{} of them estimated", grouped(*estimated)));
    }
    if *unknown > 0 {
        parts.push(format!("more unknown of {}", grouped(*unknown)));
    }
    if parts.is_empty() { "no tokens".to_owned() } else { parts.join("; ") }
}

/// The money, or that there is no price; `+ ?` where some tokens have none, or are not known.
fn money(amount: &Amount) -> String {
    let is_partial = amount.money.is_incomplete() || amount.unknown > 0;
    match amount.money.rounded() {
        Some(sum) if is_partial => format!("{sum} + ?"),
        Some(sum) => sum,
        None if is_partial => "?".to_owned(),
        None => "-".to_owned(),
    }
}

/// `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
