//! What we say ourselves: every answer that no upstream worded, and the headers on those it did.
//!
//! The meaning of a code and the advice are `verdict::code`'s; here is the shape: status, the
//! OpenAI error object, exactly one `x-request-id`, and the word on whether to try again. The
//! texts are made of our own words and numbers, never of what another request or its reply said.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode, response};
use seawall::proxy::strip;
use seawall::proxy::{Answer, Failure};
use seawall_core::event::{Outcome, Reason};
use seawall_core::verdict::code::Code;
use seawall_core::verdict::{self, Fault};
use serde_json::json;

use super::amend::{addition, amended, extended};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const OWN_ID: HeaderName = HeaderName::from_static("x-seawall-request-id");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-seawall-attempts");
const UPSTREAM: HeaderName = HeaderName::from_static("x-seawall-upstream");
const ADOPTED: HeaderName = HeaderName::from_static("x-seawall-adopted");
const OUTCOME: HeaderName = HeaderName::from_static("x-seawall-outcome");
const REASON: HeaderName = HeaderName::from_static("x-seawall-reason");
const DIAGNOSIS: HeaderName = HeaderName::from_static("x-seawall-diagnosis");
const UPSTREAM_IDS: HeaderName = HeaderName::from_static("x-seawall-upstream-request-ids");
const RECORD: HeaderName = HeaderName::from_static("x-seawall-record");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A wait that every SDK reads the same way: 1 to 59 whole seconds.
const RETRY_AFTER_S: std::ops::RangeInclusive<u64> = 1..=59;

/// Makes the head of an upstream's answer the caller's. `overhead_us` is what Seawall added.
pub(crate) fn success(answer: &mut Answer, id: &str, overhead_us: u64) {
    let headers = &mut answer.head.headers;
    pass(headers, id);
    // Of what is still looked for, nothing more is known.
    let Some(found) = &answer.found else { return };
    headers.insert(ATTEMPTS, number(found.attempts));
    headers.insert(UPSTREAM, found.upstream.clone());
    headers.insert(OUTCOME, HeaderValue::from_static(found.outcome.name()));
    let upstream_us = u64::try_from(found.upstream_time.as_micros()).unwrap_or(u64::MAX);
    headers.append(SERVER_TIMING, timing(overhead_us, upstream_us));
    if let Some(first) = found.adopted.as_ref().and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(ADOPTED, first);
    }
}

/// The answer to a request that no upstream answered well.
pub(crate) fn failure(failure: &mut Failure, id: &str) -> Response<Bytes> {
    let status = failure.status();
    let mut response = match failure.reply.take() {
        Some((head, body)) => forwarded(failure, status, head, body, id),
        None => own(failure.code(), &failure.says(), id),
    };
    let headers = response.headers_mut();
    headers.insert(ATTEMPTS, number(failure.attempts));
    headers.insert(OUTCOME, HeaderValue::from_static(failure.outcome.name()));
    headers.insert(REASON, HeaderValue::from_static(failure.reason.name()));
    if let Some(diagnosis) = failure.diagnosis.as_ref().and_then(|found| HeaderValue::try_from(&found.text).ok()) {
        headers.insert(DIAGNOSIS, diagnosis);
    }
    if let Some(upstream) = &failure.upstream {
        headers.insert(UPSTREAM, upstream.clone());
    }
    if let Ok(ids) = HeaderValue::try_from(failure.upstream_ids.join(", "))
        && !failure.upstream_ids.is_empty()
    {
        headers.insert(UPSTREAM_IDS, ids);
    }
    if failure.invites {
        come_back(headers, 1);
    } else if let Some(retry_in) = failure.retry_in.filter(|_| failure.reason == Reason::Breaker) {
        // Not an invitation: whoever wants to come back by itself may know when it is worth it.
        let seconds = retry_in.as_secs() + u64::from(retry_in.subsec_nanos() > 0);
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(seconds.clamp(*RETRY_AFTER_S.start(), *RETRY_AFTER_S.end())),
        );
    }
    response
}

/// An answer of our own making, for a request without an attempt. `detail` adds what is particular
/// to this request, in our own words.
pub(crate) fn refusal(code: Code, detail: &str, id: &str, outcome: Outcome) -> Response<Bytes> {
    let mut response = own(code, detail, id);
    response.headers_mut().insert(ATTEMPTS, HeaderValue::from_static("0"));
    response.headers_mut().insert(OUTCOME, HeaderValue::from_static(outcome.name()));
    response
}

/// Asks the caller's SDK to come back after `seconds`.
pub(crate) fn come_back(headers: &mut HeaderMap, seconds: u64) {
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("true"));
    let seconds = seconds.clamp(*RETRY_AFTER_S.start(), *RETRY_AFTER_S.end());
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}

/// Says that the answer went out before its record was durable.
pub(crate) fn mark_late(headers: &mut HeaderMap) {
    headers.insert(RECORD, HeaderValue::from_static("late"));
}

/// An upstream's error, on its way to the caller.
fn forwarded(
    failure: &Failure,
    status: StatusCode,
    mut head: response::Parts,
    body: Bytes,
    id: &str,
) -> Response<Bytes> {
    let said = failure.said.as_deref();
    let headers = &mut head.headers;
    pass(headers, id);
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ETAG] {
        headers.remove(name);
    }
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    let has_no_body = status == StatusCode::NOT_MODIFIED || status == StatusCode::NO_CONTENT;
    // An error status must come with an error object: a failed 200 may hold it deeper down.
    let has_object = !head.status.is_success() || seawall_core::json::field(&body, "error").is_some();
    let reads_as_it_is = said.is_some_and(|s| s.is_json) && has_object && !body.is_empty();
    let body = if has_no_body || status.is_redirection() {
        body
    } else if reads_as_it_is {
        headers.insert(header::CONTENT_TYPE, JSON);
        addition(failure).and_then(|addition| amended(&body, addition)).unwrap_or(body)
    } else {
        headers.insert(header::CONTENT_TYPE, JSON);
        let request_id = headers.get(&REQUEST_ID).and_then(|v| v.to_str().ok()).unwrap_or(id);
        translated(failure, status, request_id, id)
    };
    let mut response = Response::from_parts(head, body);
    *response.status_mut() = status;
    response
}

/// An error object for an upstream's page, text or silence: an SDK prints nothing otherwise.
fn translated(failure: &Failure, status: StatusCode, request_id: &str, id: &str) -> Bytes {
    let said = failure.said.as_deref();
    let upstream = failure.upstream.as_ref().and_then(|v| v.to_str().ok()).unwrap_or("the upstream");
    // What an event said in its own words goes to the request that it belongs to; a page does not.
    let quoted = said
        .filter(|_| matches!(failure.fault, Some(Fault::StreamError | Fault::ErrorIn200)))
        .and_then(|s| Some(extended(failure, s.message.as_deref()?)));
    // What has the upstream's words has no code but the upstream's: where it named none, none is named.
    let own = quoted.is_none().then(|| Code::UpstreamError.name());
    let message = quoted.unwrap_or_else(|| {
        format!(
            "{upstream} answered {} {}; {} (request id {request_id}; seawall show {id})",
            status.as_u16(),
            failure.fault.map_or("without an error object", in_place_of_an_error),
            failure.diagnosis.as_ref().map_or_else(|| advice(Code::UpstreamError), |found| &found.text)
        )
    });
    let kind = said.and_then(|s| s.kind.clone()).unwrap_or_else(|| kind_of(status).to_string());
    let code = said.and_then(|s| s.code.as_deref()).or(own);
    object(&message, &kind, code, request_id)
}

/// What stood where an error object should have been.
fn in_place_of_an_error(fault: Fault) -> &'static str {
    match fault {
        Fault::Html | Fault::Html200 => "with an HTML page in place of an error object",
        Fault::Text => "with plain text in place of an error object",
        Fault::Empty | Fault::Empty200 => "with an empty body in place of an error object",
        Fault::Truncated => "with an error that was cut short",
        Fault::Undecodable => "with an error that could not be decoded",
        _ => "without an error object",
    }
}

fn own(code: Code, detail: &str, id: &str) -> Response<Bytes> {
    let message = message(code, detail, id);
    let mut response = Response::new(object(&message, code.kind(), Some(code.name()), id));
    *response.status_mut() = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id.clone());
        headers.insert(OWN_ID, id);
    }
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    response
}

/// What a code means, what is particular to this request, and what to do.
pub(super) fn message(code: Code, detail: &str, id: &str) -> String {
    let says = code.meaning().says.trim_end_matches('.');
    let colon = if detail.is_empty() { "" } else { ": " };
    format!("{says}{colon}{detail}; {} (seawall show {id})", advice(code))
}

fn advice(code: Code) -> &'static str {
    code.next().first().map_or("see the record", |step| step.trim_end_matches('.'))
}

fn object(message: &str, kind: &str, code: Option<&str>, request_id: &str) -> Bytes {
    let error = json!({
        "message": message, "type": kind, "param": null, "code": code, "request_id": request_id,
    });
    Bytes::from(json!({ "error": error }).to_string())
}

fn kind_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "rate_limit_error",
        401 => "authentication_error",
        403 => "permission_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

/// Makes an upstream's headers fit for the caller: nothing of its connection, exactly one
/// `x-request-id`, and ours.
fn pass(headers: &mut HeaderMap, id: &str) {
    // A cookie and an alternative service are for the upstream's own host; whether to retry is ours to say.
    strip(headers, |name| matches!(name, "set-cookie" | "alt-svc" | "x-should-retry"));
    let own = HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("-"));
    let first = headers.get(&REQUEST_ID).filter(|v| !v.is_empty()).cloned();
    let request_id = first
        .or_else(|| verdict::request_id(headers).and_then(|id| HeaderValue::from_str(id).ok()))
        .unwrap_or_else(|| own.clone());
    headers.insert(REQUEST_ID, request_id);
    headers.insert(OWN_ID, own);
}

fn number(n: u32) -> HeaderValue {
    match n {
        1 => HeaderValue::from_static("1"),
        2 => HeaderValue::from_static("2"),
        n => HeaderValue::from(n),
    }
}

fn timing(overhead_us: u64, upstream_us: u64) -> HeaderValue {
    let mut text = Vec::with_capacity(64);
    for (name, us) in [("seawall;dur=", overhead_us), (", upstream;dur=", upstream_us)] {
        text.extend_from_slice(name.as_bytes());
        decimal(&mut text, us / 1_000, 1);
        text.push(b'.');
        decimal(&mut text, us % 1_000, 3);
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("digits and names")
}

/// `n` in at least `width` digits. `format!` costs more than the rest of the header.
fn decimal(text: &mut Vec<u8>, mut n: u64, width: usize) {
    let start = text.len();
    while n > 0 || text.len() - start < width {
        text.push(b'0' + u8::try_from(n % 10).unwrap_or_default());
        n /= 10;
    }
    text[start..].reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_milliseconds() {
        assert_eq!(timing(0, 999), "seawall;dur=0.000, upstream;dur=0.999");
        assert_eq!(timing(1_042, 60_000_000), "seawall;dur=1.042, upstream;dur=60000.000");
    }
}
