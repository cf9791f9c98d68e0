//! The whole in a few sentences: who, what, since when, how many, what kind, and what it was not.

use super::document::{Baseline, Finding, Kind, Report};
use super::words::{Count, Sentence, grouped, many, percent, span};

/// Names that a sentence lists.
const NAMES_MAX: usize = 3;

/// The summary of a report that is otherwise complete: four to six sentences.
pub(super) fn of(report: &Report) -> Vec<Sentence> {
    let mut told = vec![what(report), how_many(report), callers(report)];
    told.extend(report.kinds.first().map(|kind| kind_of(kind, report)));
    told.push(not(report));
    told.extend(report.status_page.as_ref().map(|page| page.first.clone()));
    told
}

/// `Requests of organization org-acme for gpt-4o (chat_completions, 97 % streamed) at openai failed from … to …`.
fn what(report: &Report) -> Sentence {
    let scope = &report.scope;
    let mut told = Sentence::new("Requests");
    for (words, names) in [
        (" of organization ", &report.account.organizations),
        (" in project ", &report.account.projects),
        (" for model ", &report.requests.models),
        (" to endpoint ", &report.requests.endpoints),
    ] {
        told = listed(told, words, names);
    }
    told = match &scope.upstream {
        Some(upstream) => told.say(" at upstream ").quote(upstream),
        None => told.say(" at all upstreams"),
    };
    let totals = &report.totals;
    told = match (totals.first, totals.last) {
        (Some(first), Some(last)) => told.say(format!(
            " failed from {} to {} ({}; {} of the failed attempts streamed)",
            first.told(),
            last.told(),
            span(last.0 - first.0),
            percent(report.requests.streamed, totals.attempts_failed)
        )),
        _ => {
            told.say(format!(": no failed attempt is on record from {} to {}", scope.since.told(), scope.until.told()))
        }
    };
    match &scope.incident {
        Some(incident) => {
            let told = told.say("; incident ").quote(&incident.id);
            match incident.closed {
                Some(closed) => told.say(format!(" was over at {}.", closed.told())),
                None => told.say(format!(" is not over at {}.", report.made.at.told())),
            }
        }
        None => told.say("."),
    }
}

fn listed(told: Sentence, words: &'static str, names: &[Count]) -> Sentence {
    if names.is_empty() {
        return told;
    }
    let more = names.len().saturating_sub(NAMES_MAX);
    let told = told.say(words).list(names.iter().take(NAMES_MAX).map(|count| count.name.as_str()));
    if more > 0 { told.say(format!(" and {more} more")) } else { told }
}

fn how_many(report: &Report) -> Sentence {
    let mut told = match &report.totals.counted {
        Some(counted) => Sentence::new(format!(
            "{} of {} failed at the first attempt ({})",
            grouped(counted.failed_first),
            many(counted.requests, "request"),
            percent(counted.failed_first, counted.requests)
        )),
        None => Sentence::new(format!(
            "{} of {} failed; how many were made in all is not on record",
            many(report.totals.attempts_failed, "attempt"),
            many(report.totals.requests_failing, "request")
        )),
    };
    // Of one stretch the whole says it already.
    let counted = report.stretches.iter().rev().filter_map(|stretch| Some((stretch, stretch.counted?)));
    let peak = counted.max_by_key(|(_, counted)| counted.failed_first).filter(|_| report.stretches.len() > 1);
    if let Some((peak, worst)) = peak {
        let width = if peak.minutes == 1 { "the minute".to_owned() } else { format!("the {} minutes", peak.minutes) };
        let (failed, of, since) = (grouped(worst.failed_first), grouped(worst.requests), peak.since.told());
        let share = percent(worst.failed_first, worst.requests);
        told = told.say(format!(", at worst {failed} of {of} ({share}) in {width} from {since}"));
    }
    told.say("; ").and(baseline(&report.baseline)).say(".")
}

fn baseline(before: &[Baseline]) -> Sentence {
    let share = |one: &Baseline| {
        let (failed, of) = (grouped(one.failed_first), grouped(one.requests));
        format!("{failed} of {of} did ({})", percent(one.failed_first, one.requests))
    };
    let told = match before {
        [hour, day] if hour.requests > 0 && hour.requests < day.requests => {
            format!("in the hour before, {}, in the day before, {}", share(hour), share(day))
        }
        [hour, _] if hour.requests > 0 => {
            format!("in the hour before, {}, and none was made in the day before that", share(hour))
        }
        [_, day] if day.requests > 0 => format!("in the hour before, none was made, in the day before, {}", share(day)),
        _ => "no request to it is on record from the day before, so there is no baseline".to_owned(),
    };
    Sentence::new(told)
}

fn callers(report: &Report) -> Sentence {
    let Some(counted) = &report.totals.counted else {
        return Sentence::new("How many of them a retry saved is not on record.");
    };
    let told = format!(
        "Retries by the gateway saved {}; {} got no answer and {} an answer that broke off.",
        many(counted.saved, "request"),
        grouped(counted.lost),
        grouped(counted.cut)
    );
    Sentence::new(told)
}

fn kind_of(kind: &Kind, report: &Report) -> Sentence {
    let (count, all) = (kind.count, report.totals.attempts_failed);
    let told = if count == all {
        format!(
            "{} ",
            if all == 1 { "The failed attempt".to_owned() } else { format!("All {} failed attempts", grouped(all)) }
        )
    } else {
        format!("{} of {} ({}) ", grouped(count), many(all, "failed attempt"), percent(count, all))
    };
    let mut told = Sentence::new(told);
    told = match kind.status {
        Some(status) => told.say(format!("got status {status}")),
        None => told.say("got no status"),
    };
    told = told.say(format!(" ({})", kind.class));
    for (words, text) in [(", error type ", &kind.error_type), (", code ", &kind.error_code), (": ", &kind.message)] {
        if let Some(text) = text {
            told = told.say(words).quote(text);
        }
    }
    if kind.message.is_none()
        && let Some(fault) = &kind.fault
    {
        told = told.say(": ").quote(fault);
    }
    told.say(".")
}

fn not(report: &Report) -> Sentence {
    let causes = |finding: Finding| -> Vec<&'static str> {
        report.ruled_out.iter().filter(|one| one.verdict == finding).map(|one| one.cause).collect()
    };
    let (out, open) = (causes(Finding::RuledOut), [causes(Finding::NotRuledOut), causes(Finding::Unknown)].concat());
    let told = match out.as_slice() {
        [] => Sentence::new("The record rules no other cause out"),
        out => Sentence::new(format!("By the record it was not {}", either(out))),
    };
    if open.is_empty() { told.say(".") } else { told.say(format!("; it does not rule out {}.", either(&open))) }
}

/// `a, b or c`.
fn either(causes: &[&str]) -> String {
    match causes {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
