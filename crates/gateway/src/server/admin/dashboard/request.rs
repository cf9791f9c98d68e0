//! `/requests/ID`: a request by any of its ids, attempt by attempt: what each did when, what was decided after it and
//! why, what it means, and what to do.

use askama::Template;
use http::{HeaderMap, StatusCode};
use seawall_core::event::{Outcome, Reason};
use seawall_core::verdict::code::{self, provider, status};
use seawall_core::verdict::{Charge, Class, Fault};

use super::super::Admin;
use super::super::failures::Requests;
use super::super::reply::Reply;
use super::words::{self, bytes, count, millis, segment, time};
use super::{Frame, page};
use crate::chart::waterfall::{self, Part};
use crate::decided;
use crate::observe::journal::row::{AttemptRow, RequestRow};

#[derive(Template)]
#[template(path = "request.html")]
struct Page {
    frame: Frame,
    requests: Vec<Card>,
    more: bool,
}

struct Card {
    id: String,
    time: words::Time,
    facts: Vec<(&'static str, String)>,
    outcome: String,
    /// What the outcome means.
    says: &'static str,
    diagnosis: Option<String>,
    /// What to do, as HTML.
    next: Vec<String>,
    chart: String,
    /// What its parts are: the class of each that there is, and its name.
    legend: Vec<(&'static str, &'static str)>,
    attempts: Vec<Try>,
    command: String,
}

struct Try {
    number: u32,
    upstream: String,
    status: String,
    class: String,
    whose: String,
    /// What went wrong, in a sentence.
    says: &'static str,
    /// What to do, as HTML.
    next: Vec<String>,
    message: Option<String>,
    decision: String,
    reason: &'static str,
    ids: Vec<(&'static str, String)>,
    facts: Vec<(&'static str, String)>,
    incident: Option<(String, String)>,
}

impl Admin {
    /// The requests with an id.
    pub(super) async fn request_page(&self, id: String, headers: &HeaderMap) -> Reply {
        let path = self.server.observe.journal.path();
        let read = self.record.read(path, move |reader| Requests::read(reader, id.trim())).await;
        let found = match read {
            Ok(found) if found.requests.is_empty() => {
                let hint = "One that succeeded at once is not kept. The failures page lists what is.";
                return self.said(StatusCode::NOT_FOUND, headers, "No request on record has this id.", hint);
            }
            Ok(found) => found,
            Err(why) => return self.said(StatusCode::SERVICE_UNAVAILABLE, headers, why.says(), ""),
        };
        let now = seawall::proxy::unix_micros();
        page(&Page {
            frame: self.frame("Request", "/failures", "", headers),
            requests: found.requests.iter().map(|request| Card::of(request, now)).collect(),
            more: found.more,
        })
    }
}

impl Card {
    fn of(request: &RequestRow, now: i64) -> Card {
        let RequestRow { facts, ended, .. } = request;
        let outcome = ended.outcome.as_deref().and_then(Outcome::from_name).map(decided::outcome);
        let (says, next) = outcome.unwrap_or((
            "Its end is not on record: the gateway did not live to see it, or it is still under way.",
            &[],
        ));
        let rows = course(request);
        let mut told: Vec<(&'static str, String)> = vec![
            (
                "Asked",
                format!("{} {}{}", facts.method, facts.endpoint, if facts.stream { ", as a stream" } else { "" }),
            ),
            ("Model", facts.model.clone().unwrap_or_else(|| "none".to_owned())),
            ("Body", bytes(facts.body_bytes)),
            ("Shape", facts.shape.clone()),
        ];
        let mut maybe = |name, value: Option<String>| told.extend(value.map(|value| (name, value)));
        maybe("Tools", (facts.tools > 0).then(|| facts.tools.to_string()));
        maybe("SDK", facts.sdk.clone());
        maybe("Caller's own retry", (facts.client_retries > 0).then(|| facts.client_retries.to_string()));
        maybe("Client", facts.client.clone());
        maybe("Tag", facts.tag.clone());
        maybe("Status for the caller", ended.status.map(|status| status.to_string()));
        maybe("Attempts", ended.attempts_made.map(|n| n.to_string()));
        maybe("Took", ended.elapsed_ms.map(millis));
        Card {
            id: request.request_id.clone(),
            time: time(request.time, now),
            facts: told,
            outcome: ended.outcome.clone().unwrap_or_else(|| "not on record".to_owned()),
            says,
            diagnosis: ended.diagnosis.clone(),
            next: steps(next),
            legend: legend(&rows),
            chart: waterfall::svg(&rows, "What each attempt did when; the text below has the same"),
            attempts: request.attempts.iter().map(Try::of).collect(),
            command: format!("seawall show {}", request.request_id),
        }
    }
}

/// Every look of a part, with its name.
const LEGEND: [(&str, &str); 9] = [
    ("connect", "connect"),
    ("tls", "TLS"),
    ("send", "send"),
    ("wait", "wait for the first byte"),
    ("head", "to the first content"),
    ("rest", "to the last byte"),
    ("body", "the answer"),
    ("lost", "lost"),
    ("pause", "wait before the next attempt"),
];

/// The looks that there are among `rows`.
fn legend(rows: &[waterfall::Row]) -> Vec<(&'static str, &'static str)> {
    let is_there = |class: &str| rows.iter().flat_map(|row| &row.parts).any(|part| part.class == class);
    LEGEND.into_iter().filter(|(class, _)| is_there(class)).collect()
}

/// What each attempt did, on one axis of time.
fn course(request: &RequestRow) -> Vec<waterfall::Row> {
    let start = request.attempts.iter().map(|attempt| attempt.time).min().unwrap_or(request.time).min(request.time);
    let mut rows: Vec<waterfall::Row> = request.attempts.iter().map(|attempt| row(attempt, start)).collect();
    let shown = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    if let (Some(made), Some(elapsed)) = (request.ended.attempts_made, request.ended.elapsed_ms)
        && made > shown
    {
        // The attempt that answered is not on record by itself: it lasted from the last wait to the end.
        let from = rows.iter().flat_map(|row| &row.parts).map(|part| part.to).fold(0.0, f64::max);
        let to = since(request.time, start) + elapsed;
        let says = format!("attempt {made}: answered; {} to the end of the answer", millis((to - from).max(0.0)));
        let parts = vec![Part { class: "body", from, to: to.max(from), says }];
        rows.push(waterfall::Row { label: format!("{made} the answer"), end: "answered".to_owned(), parts });
    }
    rows
}

/// Milliseconds from `start` to `at`.
#[expect(clippy::cast_precision_loss, reason = "a duration beyond 285 years may lose microseconds")]
fn since(at: i64, start: i64) -> f64 {
    (at - start) as f64 / 1_000.0
}

fn row(attempt: &AttemptRow, start: i64) -> waterfall::Row {
    let from = since(attempt.time, start);
    let end = from + attempt.elapsed_ms;
    let name = format!("attempt {} at {}", attempt.attempt, attempt.upstream);
    let mut parts: Vec<Part> = Vec::new();
    let part = |parts: &mut Vec<Part>, class, to: f64, says: &str| {
        let begun = last_of(parts, from);
        let to = to.clamp(begun, end.max(begun));
        parts.push(Part { class, from: begun, to, says: format!("{name}: {says} {}", millis(to - begun)) });
    };
    // Each part ends with a moment that is on record. What never came leaves the rest of the time to what did not happen.
    let moments = [
        ("connect", attempt.phases.connected_ms, "connecting"),
        ("tls", attempt.phases.secured_ms, "TLS"),
        ("send", attempt.phases.sent_ms, "sending the request"),
        ("wait", attempt.phases.first_byte_ms, "waiting for the first byte"),
        ("head", attempt.first_content_ms, "from there to the first content"),
    ];
    let mut is_early = true;
    for (class, at, says) in moments {
        // An upstream that answers before it has read the request: the last byte sent comes later, and is no part.
        let Some(at) = at.filter(|at| from + at >= last_of(&parts, from)) else { continue };
        is_early = false;
        part(&mut parts, class, from + at, says);
    }
    let (class, says) = match (attempt.first_content_ms, is_early) {
        (Some(_), _) => ("rest", "from there to its end"),
        (None, false) => ("lost", "and nothing more"),
        (None, true) => ("lost", "without anything"),
    };
    part(&mut parts, class, end, says);
    if let Some(wait) = attempt.wait_ms {
        parts.push(Part {
            class: "pause",
            from: end,
            to: end + wait,
            says: format!("wait before the next: {}", millis(wait)),
        });
    }
    let status = attempt.status.map_or_else(String::new, |status| format!("{status} "));
    let label = format!("{} {}", attempt.attempt, attempt.upstream);
    waterfall::Row { label, end: format!("{status}{}", attempt.class), parts }
}

/// Where the next part begins.
fn last_of(parts: &[Part], from: f64) -> f64 {
    parts.last().map_or(from, |part| part.to)
}

impl Try {
    fn of(attempt: &AttemptRow) -> Try {
        let reason = Reason::from_name(&attempt.reason).map_or("", |reason| decided::reason(reason).0);
        let meaning = meaning(attempt);
        let ids = [
            ("x-request-id", &attempt.upstream_request_id),
            ("x-client-request-id", &attempt.client_request_id),
            ("cf-ray", &attempt.cf_ray),
        ];
        let mut facts: Vec<(&'static str, String)> = vec![("Took", millis(attempt.elapsed_ms))];
        let mut maybe = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
        maybe("Connection", attempt.phases.connection.clone());
        maybe("Connected", attempt.phases.connected_ms.map(millis));
        maybe("TLS agreed", attempt.phases.secured_ms.map(millis));
        maybe("Sent", attempt.phases.sent_ms.map(millis));
        maybe("First byte", attempt.phases.first_byte_ms.map(millis));
        maybe("First content", attempt.first_content_ms.map(millis));
        maybe("Processing", attempt.processing_ms.map(|ms| format!("{} ms, as the provider says", count(ms))));
        maybe("Error type", attempt.error_type.clone());
        maybe("Error code", attempt.error_code.clone());
        maybe("Organization", attempt.organization.clone());
        maybe("Project", attempt.project.clone());
        let why = attempt.billed_why.as_deref().and_then(Charge::from_name).map(|why| format!(": {}", why.says()));
        maybe("Billed", Some(format!("{}{}", attempt.billed, why.unwrap_or_default())));
        maybe("Bytes", Some(format!("{} received, {} passed on", count(attempt.bytes_in), count(attempt.bytes_out))));
        let wait = attempt.wait_ms.map_or_else(String::new, |ms| format!(" after {}", millis(ms)));
        Try {
            number: attempt.attempt,
            upstream: attempt.upstream.clone(),
            status: attempt.status.map_or_else(|| "no status".to_owned(), |status| status.to_string()),
            class: attempt.class.clone(),
            whose: attempt.whose.clone(),
            says: meaning.says,
            next: steps(meaning.next),
            message: attempt.message.clone(),
            decision: format!("{}{wait}", attempt.decision),
            reason,
            ids: ids.into_iter().filter_map(|(name, id)| Some((name, id.clone()?))).collect(),
            facts,
            incident: attempt.incident.clone().map(|id| (format!("/incidents/{}", segment(&id)), id)),
        }
    }
}

/// What to do, but for what this page already does.
fn steps(next: &[&str]) -> Vec<String> {
    let is_left = |step: &&&str| !step.starts_with("nothing") && !step.contains("`seawall show ID`");
    next.iter().filter(is_left).map(|step| words::marked(step)).collect()
}

/// What an attempt's end means, from what is on record of it: the most exact thing first.
fn meaning(attempt: &AttemptRow) -> &'static code::Meaning {
    let (kind, word, message) = (&attempt.error_type, &attempt.error_code, &attempt.message);
    let words = provider::Words { kind: kind.as_deref(), code: word.as_deref(), message: message.as_deref() };
    if let Some(known) = provider::of_words(words, attempt.status) {
        return &known.meaning;
    }
    if let Some(fault) = attempt.fault.as_deref().and_then(Fault::from_name).filter(|fault| *fault != Fault::Status) {
        return code::of_fault(fault);
    }
    match (attempt.status, Class::from_name(&attempt.class)) {
        (Some(answered), Some(class)) if answered >= 400 && status::of_status(answered, false).class == class => {
            status::of_status(answered, false)
        }
        (_, Some(class)) => code::of_class(class),
        (Some(answered), None) => status::of_status(answered, false),
        (None, None) => code::of_class(Class::Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::journal::row::PhasesRow;
    use crate::observe::journal::samples;

    fn tried(number: u32) -> AttemptRow {
        AttemptRow::of(&samples::request(1), &samples::attempt(number), None)
    }

    #[test]
    fn what_is_known_best_is_what_is_told() {
        let plain = AttemptRow { error_code: None, error_type: None, message: None, fault: None, ..tried(1) };
        let says = |attempt: &AttemptRow| meaning(attempt).says;
        let timed_out = AttemptRow {
            status: None,
            fault: Some("deadline".to_owned()),
            class: "ambiguous".to_owned(),
            ..plain.clone()
        };
        assert_eq!(says(&timed_out), code::of_fault(Fault::Deadline).says);
        assert_eq!(says(&plain), status::of_status(503, false).says);
        let quota = AttemptRow { error_code: Some("insufficient_quota".to_owned()), ..plain.clone() };
        assert_eq!(meaning(&quota).class, Class::Quota);
        let odd = AttemptRow { status: Some(200), class: "server_error".to_owned(), ..plain };
        assert_eq!(says(&odd), code::of_class(Class::ServerError).says);
    }

    #[test]
    fn the_parts_of_an_attempt_follow_each_other_to_its_end() {
        let mut attempt = tried(1);
        let parts = |attempt: &AttemptRow| {
            let row = row(attempt, attempt.time);
            let mut at = 0.0;
            for part in row.parts.iter().filter(|part| part.class != "pause") {
                assert!((part.from - at).abs() < 1e-9 && part.to >= part.from, "{:?}", row.parts);
                at = part.to;
            }
            assert!((at - attempt.elapsed_ms).abs() < 1e-9, "{:?}", row.parts);
            row.parts.iter().map(|part| part.class).collect::<Vec<_>>()
        };
        attempt.wait_ms = None;
        attempt.phases = PhasesRow::default();
        attempt.first_content_ms = None;
        assert_eq!(parts(&attempt), ["lost"]);
        attempt.phases.connected_ms = Some(5.0);
        assert_eq!(parts(&attempt), ["connect", "lost"]);
        attempt.phases = PhasesRow {
            connection: Some("new".to_owned()),
            connected_ms: Some(5.0),
            secured_ms: Some(9.0),
            sent_ms: Some(10.0),
            first_byte_ms: Some(40.0),
        };
        attempt.first_content_ms = Some(60.0);
        assert_eq!(parts(&attempt), ["connect", "tls", "send", "wait", "head", "rest"]);
        // The request was still being sent when the answer came.
        attempt.phases.sent_ms = Some(50.0);
        assert_eq!(parts(&attempt), ["connect", "tls", "send", "head", "rest"]);
        // No clock is so wrong that a part has less than no length.
        attempt.phases.sent_ms = Some(1e9);
        parts(&attempt);
    }

    #[test]
    fn the_answer_that_is_not_on_record_is_drawn_from_the_last_wait_to_the_end() {
        let first = tried(1);
        let request = RequestRow { attempts: vec![first.clone()], ..RequestRow::of_attempt(&first) };
        let drawn = |request: &RequestRow| waterfall::svg(&course(request), "x");
        let alone = drawn(&request);
        let mut answered = request;
        answered.ended.attempts_made = Some(2);
        answered.ended.elapsed_ms = Some(9_000.0);
        let both = drawn(&answered);
        assert!(!alone.contains("the answer") && both.contains("2 the answer"), "{both}");
    }
}
