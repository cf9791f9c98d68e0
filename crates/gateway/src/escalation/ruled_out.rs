//! What else it could have been, and what the record says of it.
//!
//! Support asks this first: is it your network, your limits, your request? Each cause is held against numbers of
//! the record. Where these are too few, the answer is that it is not known.

use std::collections::BTreeMap;

use super::document::{Finding, Place, RuledOut};
use super::tally::Tally;
use super::words::{Sentence, grouped, many, percent};

/// Requests to other places below which they say nothing.
const OTHERS_MIN: u64 = 20;
/// A cause that explains at most one failure in this many is not it.
const ONE_IN: u64 = 20;

/// So many forms of request do not fail by a fault that is theirs.
const FORMS_MIN: u64 = 3;

/// The causes that are looked at, in the order in which support asks.
pub(super) fn of(tally: &Tally, saved: u64, places: &[Place], outcomes: &BTreeMap<String, u64>) -> Vec<RuledOut> {
    vec![
        everything(places),
        network(tally),
        own_limits(tally),
        overload(outcomes),
        deadline(tally, outcomes),
        request(tally, saved, outcomes),
    ]
}

fn verdict(explains: u64, of: u64) -> Finding {
    match (explains, of) {
        (_, 0) => Finding::Unknown,
        (explains, of) if explains.saturating_mul(ONE_IN) <= of => Finding::RuledOut,
        _ => Finding::NotRuledOut,
    }
}

/// Whether all that was asked from here failed, whoever was asked.
fn everything(places: &[Place]) -> RuledOut {
    let cause = "a general failure on this side";
    // Where all is in the report, what stands beside the failures is what did not fail.
    let is_all = places.iter().all(|place| place.in_scope);
    let is_well = |place: &&Place| place.failed_first.saturating_mul(ONE_IN) <= place.requests;
    let others = places.iter().filter(|place| if is_all { is_well(place) } else { !place.in_scope });
    let (requests, failed) =
        others.fold((0, 0), |(requests, failed), place| (requests + place.requests, failed + place.failed_first));
    if requests == 0 {
        let evidence = Sentence::new("Nothing that was answered at the same time is on record, so it cannot say.");
        return RuledOut { cause, verdict: Finding::Unknown, evidence };
    }
    let verdict = if requests < OTHERS_MIN { Finding::Unknown } else { verdict(failed, requests) };
    let told = match failed {
        0 => "none failed".to_owned(),
        _ => format!("{} failed at the first attempt ({})", grouped(failed), percent(failed, requests)),
    };
    let requests = many(requests, "request");
    let evidence = Sentence::new(format!("Of {requests} to other models or upstreams at the same time {told}."));
    RuledOut { cause, verdict, evidence }
}

/// Whether connections stood.
fn network(tally: &Tally) -> RuledOut {
    let Tally { failed, answered, .. } = *tally;
    let silent = failed.saturating_sub(answered);
    let mut evidence = Sentence::new(format!(
        "{} of {} were answered with an HTTP status, so name, connection and TLS stood",
        grouped(answered),
        many(failed, "failed attempt")
    ));
    if silent > 0 {
        evidence = evidence.say(format!("; no status came for {}: ", grouped(silent)));
        evidence = evidence.say(listed(&tally.faults));
    }
    RuledOut { cause: "the network", verdict: verdict(silent, failed), evidence: evidence.say(".") }
}

/// `refused 3, tls 1`.
fn listed(counts: &BTreeMap<&'static str, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told: Vec<String> = counts.into_iter().map(|(word, count)| format!("{word} {}", grouped(*count))).collect();
    told.join(", ")
}

/// Limits and credentials of the account.
fn own_limits(tally: &Tally) -> RuledOut {
    let of = |class: &str| tally.callers.get(class).copied().unwrap_or(0);
    let (limited, quota, auth) = (of("rate_limited"), of("quota"), of("auth"));
    let all = limited + quota + auth;
    let cause = "a rate limit, quota or key";
    if all == 0 {
        let evidence = Sentence::new(
            "The same upstream and model answered nothing with a rate limit, a spent quota or a refused key.",
        );
        return RuledOut { cause, verdict: verdict(all, tally.failed), evidence };
    }
    let evidence = Sentence::new(format!(
        "Beside these failures the same upstream and model answered {} with a rate limit, {} with a spent quota, and \
         {} with a refused key; none of them is counted as a failure here.",
        many(limited, "attempt"),
        grouped(quota),
        grouped(auth)
    ));
    RuledOut { cause, verdict: verdict(all, tally.failed + all), evidence }
}

/// Whether the gateway turned requests away.
fn overload(outcomes: &BTreeMap<String, u64>) -> RuledOut {
    let of = |outcome: &str| outcomes.get(outcome).copied().unwrap_or(0);
    let (shed, draining) = (of("shed"), of("draining"));
    let cause = "an overload of the gateway";
    if shed + draining == 0 {
        let evidence = Sentence::new("The gateway turned no request away over its own limits or at a shutdown.");
        return RuledOut { cause, verdict: Finding::RuledOut, evidence };
    }
    let evidence = Sentence::new(format!(
        "{} are on record that the gateway turned away over its own limits, and {} at a shutdown; what is turned away \
         makes no attempt and is not counted as a failure here.",
        many(shed, "request"),
        grouped(draining)
    ));
    RuledOut { cause, verdict: Finding::NotRuledOut, evidence }
}

/// Whether patience on this side ended first.
fn deadline(tally: &Tally, outcomes: &BTreeMap<String, u64>) -> RuledOut {
    let ended: u64 = tally.own_limits.values().sum();
    let mut evidence = Sentence::new(format!(
        "{} of {} were ended by a time limit of this side",
        grouped(ended),
        many(tally.failed, "failed attempt")
    ));
    if ended > 0 {
        evidence = evidence.say(format!(": {}", listed(&tally.own_limits)));
    }
    let given_up = outcomes.get("deadline").copied().unwrap_or(0);
    if given_up > 0 {
        evidence = evidence.say(format!("; {} ended because no time was left to try again", many(given_up, "request")));
    }
    RuledOut { cause: "a time limit on this side", verdict: verdict(ended, tally.failed), evidence: evidence.say(".") }
}

/// Whether it was what was asked.
fn request(tally: &Tally, saved: u64, outcomes: &BTreeMap<String, u64>) -> RuledOut {
    let refused = tally.callers.get("caller_fault").copied().unwrap_or(0);
    let diagnosed = outcomes.get("diagnosed").copied().unwrap_or(0);
    let forms = tally.shapes();
    let evidence = Sentence::new(format!(
        "{} failed and, sent again without a change, succeeded. The failures are of {} of request (model, stream, size, \
         tools).",
        many(saved, "request"),
        many(forms, "form")
    ));
    let evidence = match (diagnosed, refused) {
        (0, 0) => evidence.say(" None was found to fail by its own fault, and none was refused with a 4xx."),
        _ => evidence.say(format!(
            " {} were found to fail by their own fault, and {} were refused with a 4xx.",
            many(diagnosed, "request"),
            many(refused, "attempt")
        )),
    };
    let verdict = match tally.failed {
        0 => Finding::Unknown,
        _ if diagnosed > 0 => Finding::NotRuledOut,
        _ if saved > 0 || forms >= FORMS_MIN => Finding::RuledOut,
        _ => Finding::NotRuledOut,
    };
    RuledOut { cause: "the request itself", verdict, evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(in_scope: bool, requests: u64, failed_first: u64) -> Place {
        let (upstream, model) = ("openai".to_owned(), "m".to_owned());
        Place { upstream, model, in_scope, requests, failed_first }
    }

    fn tally(failed: u64, answered: u64) -> Tally {
        let mut tally = Tally::default();
        (tally.failed, tally.answered) = (failed, answered);
        tally
    }

    fn outcomes(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
        of.iter().map(|(outcome, count)| ((*outcome).to_owned(), *count)).collect()
    }

    #[test]
    fn what_else_was_asked_counts_from_twenty_requests_on_and_up_to_one_failure_in_twenty() {
        let told = |places: &[Place]| everything(places).verdict;
        assert_eq!(told(&[place(true, 90, 60)]), Finding::Unknown);
        assert_eq!(told(&[place(true, 90, 60), place(false, 19, 0)]), Finding::Unknown);
        assert_eq!(told(&[place(true, 90, 60), place(false, 20, 1)]), Finding::RuledOut);
        assert_eq!(told(&[place(true, 90, 60), place(false, 20, 2)]), Finding::NotRuledOut);
        // Where the report is about all, what went well stands beside what did not.
        assert_eq!(told(&[place(true, 90, 60), place(true, 40, 2)]), Finding::RuledOut);
        assert_eq!(told(&[place(true, 90, 60), place(true, 40, 3)]), Finding::Unknown);
        assert_eq!(told(&[]), Finding::Unknown);
    }

    #[test]
    fn the_network_and_own_limits_are_ruled_out_where_they_explain_one_in_twenty_at_most() {
        assert_eq!(network(&tally(0, 0)).verdict, Finding::Unknown);
        assert_eq!(network(&tally(20, 19)).verdict, Finding::RuledOut);
        assert_eq!(network(&tally(20, 18)).verdict, Finding::NotRuledOut);
        let ended = |count| {
            let mut tally = tally(20, 20);
            tally.own_limits.insert("deadline", count);
            tally
        };
        assert_eq!(deadline(&ended(1), &outcomes(&[])).verdict, Finding::RuledOut);
        assert_eq!(deadline(&ended(2), &outcomes(&[])).verdict, Finding::NotRuledOut);
        let limited = |count| {
            let mut tally = tally(19, 19);
            tally.callers.insert("quota", count);
            tally
        };
        assert_eq!(own_limits(&limited(1)).verdict, Finding::RuledOut);
        assert_eq!(own_limits(&limited(2)).verdict, Finding::NotRuledOut);
    }

    #[test]
    fn the_gateway_and_the_request_are_ruled_out_by_what_is_on_record() {
        assert_eq!(overload(&outcomes(&[("exhausted", 9)])).verdict, Finding::RuledOut);
        for outcome in ["shed", "draining"] {
            assert_eq!(overload(&outcomes(&[(outcome, 1)])).verdict, Finding::NotRuledOut);
        }
        let one = tally(9, 9);
        assert_eq!(request(&one, 0, &outcomes(&[])).verdict, Finding::NotRuledOut, "one form, and none was saved");
        assert_eq!(request(&one, 1, &outcomes(&[])).verdict, Finding::RuledOut);
        assert_eq!(request(&one, 1, &outcomes(&[("diagnosed", 1)])).verdict, Finding::NotRuledOut);
        assert_eq!(request(&tally(0, 0), 0, &outcomes(&[])).verdict, Finding::Unknown);
    }
}
