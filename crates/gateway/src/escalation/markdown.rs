//! The report for people: what support needs first comes first.
//!
//! It reads well rendered and not: tickets are often plain text. Whatever others chose goes through [`inert`].

mod inert;
mod times;

use super::digest::sha256;
use super::document::{Charged, Count, Example, Finding, Kind, Report, Spread};
use super::tally::template;
use super::words::{grouped, percent};
use inert::{NOTHING, code, fenced, full_table, maybe, sentence, table};

/// The heading of the last section: what stands before it is what its digest is of.
const LAST: &str = "## Digest";

/// The report in Markdown.
pub(crate) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    for section in [
        head(report),
        examples(&report.examples),
        kinds(report),
        times::told(report),
        requests(report),
        ruled_out(report),
        page(report),
        bill(report),
        reproduction(report),
        about(report),
    ] {
        text.push_str(section.trim_end());
        text.push_str("\n\n");
    }
    let digest = digest(report, &sha256(text.as_bytes()));
    text + &digest
}

fn lines<T>(items: impl IntoIterator<Item = T>, line: impl Fn(T) -> String) -> String {
    items.into_iter().map(|item| format!("- {}\n", line(item))).collect()
}

fn head(report: &Report) -> String {
    let scope = &report.scope;
    let what = match (scope.model.as_deref().filter(|model| *model != "-"), scope.upstream.as_deref()) {
        (Some(model), Some(upstream)) => format!("{} at {}", code(model), code(upstream)),
        (_, Some(upstream)) => code(upstream),
        (Some(model), None) => code(model),
        (None, None) => "all upstreams".to_owned(),
    };
    let when = match scope.incident.as_ref().map(|incident| (incident.since, incident.closed)) {
        Some((since, None)) => format!("since {}, not over at {}", since.told(), report.made.at.told()),
        Some((since, Some(closed))) => format!("from {} to {}", since.told(), closed.told()),
        None => format!("from {} to {}", scope.since.told(), scope.until.told()),
    };
    let mut text = format!("# Failures of {what} {when}\n\n");
    text.push_str("All times are UTC. Names and messages are quoted as `code`.\n\n## Summary\n\n");
    text + &lines(&report.summary, sentence)
}

fn examples(examples: &[Example]) -> String {
    let mut text = String::from("## Requests to look up\n\n");
    if examples.is_empty() {
        return text + "No failed attempt is on record.\n";
    }
    let rows: Vec<Vec<String>> = (1..)
        .zip(examples)
        .map(|(number, one): (usize, &Example)| {
            vec![
                number.to_string(),
                one.time.told(),
                maybe(one.x_request_id.as_ref()),
                one.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
                maybe(one.error_code.as_ref().or(one.error_type.as_ref()).or(one.fault.as_ref())),
                millis(Some(one.elapsed_ms)),
                millis(one.openai_processing_ms),
                maybe(one.cf_ray.as_ref()),
                why(&one.shown_as),
            ]
        })
        .collect();
    let header =
        ["#", "time", "x-request-id", "status", "error", "elapsed", "openai-processing-ms", "cf-ray", "why this one"];
    text.push_str(&full_table(&header, &[0, 3, 5, 6], &rows));
    text.push_str("\nThe same requests, as they were sent:\n\n");
    let rows: Vec<Vec<String>> = (1..)
        .zip(examples)
        .map(|(number, one): (usize, &Example)| {
            vec![
                number.to_string(),
                maybe(one.model.as_ref()),
                code(&one.endpoint),
                if one.stream { "yes" } else { "no" }.to_owned(),
                grouped(one.body_bytes),
                one.tools.to_string(),
                one.attempt.to_string(),
                millis(one.first_content_ms),
                maybe(one.x_client_request_id.as_ref()),
                code(&one.seawall_request_id),
            ]
        })
        .collect();
    let header = [
        "#",
        "model",
        "endpoint",
        "stream",
        "bytes",
        "tools",
        "attempt",
        "first content",
        "x-client-request-id",
        "seawall id",
    ];
    text.push_str(&full_table(&header, &[0, 4, 5, 6, 7], &rows));
    text.push_str("\nWhat the upstream said (`…` is what differs from one to the next):\n\n");
    text + &messages(examples)
}

/// Each message once, with the numbers of the examples that have it, whatever id is in it.
fn messages(examples: &[Example]) -> String {
    let mut told: Vec<(Option<String>, Vec<String>)> = Vec::new();
    for (number, one) in examples.iter().enumerate().map(|(at, one)| ((at + 1).to_string(), one)) {
        let said = one.message.as_deref().map(template);
        match told.iter_mut().find(|(message, _)| *message == said) {
            Some((_, numbers)) => numbers.push(number),
            None => told.push((said, vec![number])),
        }
    }
    lines(told, |(message, numbers)| {
        let message = message.map_or_else(|| "no message".to_owned(), |message| code(&message));
        format!("{}: {message}", numbers.join(", "))
    })
}

/// Why an example is shown: our own words, but for the name of a region, which is three capitals.
fn why(reasons: &[String]) -> String {
    match reasons {
        [] => "in between".to_owned(),
        reasons => reasons.join(", "),
    }
}

fn kinds(report: &Report) -> String {
    let mut text = String::from("## What failed\n\n");
    if report.kinds.is_empty() {
        return text + "No failed attempt is on record.\n";
    }
    let all = report.totals.attempts_failed;
    let rows: Vec<Vec<String>> = report
        .kinds
        .iter()
        .map(|kind: &Kind| {
            vec![
                grouped(kind.count),
                percent(kind.count, all),
                kind.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
                kind.class.to_owned(),
                maybe(kind.error_type.as_ref()),
                maybe(kind.error_code.as_ref()),
                kind.first.told(),
                kind.last.told(),
                maybe(kind.message.as_ref().or(kind.fault.as_ref())),
            ]
        })
        .collect();
    let header = ["attempts", "share", "status", "class", "error type", "error code", "first", "last", "message"];
    text.push_str(&full_table(&header, &[0, 1, 2], &rows));
    text.push('\n');
    if report.differences.is_empty() {
        return text + "Nothing that separates failures from answers is known beyond chance.\n";
    }
    text.push_str("What separates failures from answers:\n\n");
    text + &lines(&report.differences, sentence)
}

fn requests(report: &Report) -> String {
    let all = report.totals.attempts_failed;
    let of = &report.requests;
    let counts = |counts: &[Count]| match counts {
        [] => "none seen".to_owned(),
        counts => counts
            .iter()
            .map(|one| format!("{} {}", code(&one.name), grouped(one.count)))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let spread = |spread: &Option<Spread>, unit: &str| match spread {
        None => "none on record".to_owned(),
        Some(Spread { min, max, of, .. }) if min == max => format!("{} {unit} (of {})", grouped(*min), grouped(*of)),
        Some(Spread { min, median, p95, max, of }) => format!(
            "{} to {} {unit}, half of them up to {}, 95 % up to {} (of {})",
            grouped(*min),
            grouped(*max),
            grouped(*median),
            grouped(*p95),
            grouped(*of)
        ),
    };
    let rows = [
        ("openai-organization", counts(&report.account.organizations)),
        ("openai-project", counts(&report.account.projects)),
        ("models", counts(&of.models)),
        ("endpoints", counts(&of.endpoints)),
        ("streamed", format!("{} of {}", grouped(of.streamed), grouped(all))),
        ("with tools", format!("{} of {}", grouped(of.with_tools), grouped(all))),
        ("SDKs", counts(&of.sdks)),
        ("callers' own retries", format!("{} of {}", grouped(of.caller_retries), grouped(all))),
        ("regions (cf-ray)", counts(&of.regions)),
        ("forms of request", grouped(of.forms)),
        ("body", spread(&of.body_bytes, "bytes")),
        ("elapsed", spread(&of.elapsed_ms, "ms")),
        ("openai-processing-ms", spread(&of.openai_processing_ms, "ms")),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, told)| vec![name.to_owned(), told]).collect();
    format!("## Who asked, and for what\n\nCounts are of failed attempts.\n\n{}", table(&["", ""], &[], &rows))
}

fn ruled_out(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .ruled_out
        .iter()
        .map(|one| {
            let verdict = match one.verdict {
                Finding::RuledOut => "ruled out",
                Finding::NotRuledOut => "not ruled out",
                Finding::Unknown => "not known",
            };
            vec![one.cause.to_owned(), verdict.to_owned(), sentence(&one.evidence)]
        })
        .collect();
    let mut text = format!("## What it is not\n\n{}", table(&["cause", "", "evidence"], &[], &rows));
    text.push_str("\nAsked at the same time:\n\n");
    if report.places.is_empty() {
        return text + "Nothing was counted at that time.\n";
    }
    let rows: Vec<Vec<String>> = report
        .places
        .iter()
        .map(|place| {
            vec![
                code(&place.upstream),
                code(&place.model),
                grouped(place.requests),
                grouped(place.failed_first),
                percent(place.failed_first, place.requests),
                if place.in_scope { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    let header = ["upstream", "model", "requests", "failed at first", "share", "in this report"];
    text + &table(&header, &[2, 3, 4], &rows)
}

fn page(report: &Report) -> String {
    let text = String::from("## Status page\n\n");
    let Some(page) = &report.status_page else {
        return text + "No status page was read for this.\n";
    };
    let mut told = vec![format!(
        "{}, read {}: {}, {}",
        code(&page.url),
        maybe(page.read.as_ref()),
        maybe(page.description.as_ref()),
        maybe(page.indicator.as_ref())
    )];
    for component in &page.components {
        told.push(format!("{}: {}", code(&component.name), maybe(component.status.as_ref())));
    }
    if let Some(one) = &page.incident {
        told.push(format!(
            "its incident {}: {}, {}, since {}, {}",
            maybe(one.name.as_ref()),
            maybe(one.status.as_ref()),
            maybe(one.impact.as_ref()),
            maybe(one.started.as_ref()),
            maybe(one.link.as_ref())
        ));
    }
    told.push(sentence(&page.first));
    text + &lines(told, |line| line)
}

fn bill(report: &Report) -> String {
    let row = |billed: &str, charged: &Charged| {
        vec![
            billed.to_owned(),
            grouped(charged.attempts),
            grouped(charged.input_tokens),
            grouped(charged.output_tokens),
            grouped(charged.input_estimated),
            grouped(charged.output_estimated),
            grouped(charged.unknown),
        ]
    };
    let bill = &report.bill;
    let free = Charged { attempts: bill.no, ..Charged::default() };
    let rows = [row("no", &free), row("possibly", &bill.possibly), row("yes", &bill.yes)];
    let header =
        ["charged", "attempts", "input tokens", "output tokens", "input, estimated", "output, estimated", "not known"];
    format!(
        "## What the failed attempts cost\n\n{}\n*Not known*: attempts of whose tokens a part at least nobody counted. Providers \
         publish no rule for most failures; `possibly` is where work may have begun.\n",
        table(&header, &[1, 2, 3, 4, 5, 6], &rows)
    )
}

fn reproduction(report: &Report) -> String {
    let text = String::from("## To reproduce\n\n");
    let Some(made) = &report.reproduction else {
        return text + "There is none; see below.\n";
    };
    format!(
        "{text}A request of the form that failed most often ({} of {} failed attempts), {} bytes, without a word of what was \
         said. It needs `OPENAI_API_KEY`; `OPENAI_BASE_URL` if it is not for api.openai.com.\n\n{}\n{}",
        grouped(made.like),
        grouped(report.totals.attempts_failed),
        grouped(made.body_bytes),
        fenced("sh", &made.command),
        lines(&made.notes, sentence)
    )
}

fn about(report: &Report) -> String {
    let made = &report.made;
    format!(
        "## About this report\n\nMade at {} by seawall {} from its own record, by {}. The record has what the gateway saw: \
         nothing in here was written by hand.\n\nWhat it leaves out:\n\n{}\nWhat is never in it:\n\n{}",
        made.at.told(),
        made.seawall,
        code(&made.command),
        lines(&report.limits, sentence),
        lines(&report.redaction, |line| (*line).to_owned())
    )
}

fn digest(report: &Report, own: &str) -> String {
    format!(
        "{LAST}\n\n- of this text up to here: {own}\n  (`sed '/^{LAST}$/,$d' report.md | sha256sum`)\n- of the facts, as JSON: {}\n  \
         (`{} | sha256sum`)\n\nBoth are SHA-256. They show a change, not who made it.\n",
        report.digest.value, report.digest.of
    )
}

fn millis(ms: Option<u64>) -> String {
    ms.map_or_else(|| NOTHING.to_owned(), |ms| format!("{} ms", grouped(ms)))
}
