//! What came back, and what it means: whose fault, whether to ask again, who is billed.
//!
//! One table, here, for everything an attempt can end in. The body's `type` and `code` outrank
//! the status, because middlemen re-wrap: an `invalid_request_error` under a 500 is still the
//! caller's, and `insufficient_quota` under a 429 will not get better by waiting.
//!
//! [`judge_fault`] is for an attempt without a usable reply, [`judge`] for a reply whose body is
//! complete, [`judge_event`] for one event of a stream. The parts: [`class`] has the words,
//! [`fault`] what can go wrong, [`body`] reads, [`code`] knows what the words mean, [`retry_after`]
//! how long to wait, [`request_id`](mod@request_id) whom to name it to, [`charge`] why it costs money
//! or does not, [`usage`] how many tokens, [`about`] what a reply says of itself.

pub mod about;
pub mod body;
pub mod charge;
pub mod class;
pub mod code;
pub mod fault;
mod hidden;
pub mod request_id;
pub mod retry_after;
pub mod sse;
pub mod stream;
pub mod usage;

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::request::Endpoint;
use body::{Form, Reading};
use code::{Code, Meaning, provider, status};
use hidden::Hidden;
use usage::Usage;

pub use body::{MESSAGE_BYTES_MAX, Said};
pub use charge::Charge;
pub use class::{Again, Billed, Class, Whose};
pub use fault::Fault;
pub use request_id::in_headers as request_id;

/// What an attempt's end means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The class: everything else about policy follows from it.
    pub class: Class,
    /// Who has to change something.
    pub whose: Whose,
    /// Where to ask again, before budget, deadline and attempts have their say.
    pub again: Again,
    /// Whether it costs money, and why.
    pub charge: Charge,
    /// How long the upstream asked to be left alone: `Retry-After` in any of its spellings.
    pub wait: Option<Duration>,
    /// What the upstream said, where it said something.
    pub said: Option<Box<Said>>,
    /// What went wrong: the fault, or `Status` and its relatives for a reply.
    pub fault: Option<Fault>,
}

/// A reply, its body complete.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The status received.
    pub status: StatusCode,
    /// The headers received.
    pub headers: &'a HeaderMap,
    /// The whole body, decompressed if that was possible; the caller bounds it.
    pub body: &'a [u8],
    /// What was asked for. [`Endpoint::Other`] for a request that is no POST, but for the list of
    /// models: what has been stored may tell of an old failure without being one.
    pub endpoint: Endpoint,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// How long the attempt took.
    pub elapsed: Duration,
    /// How long it was allowed to take.
    pub limit: Duration,
    /// The time, in seconds since the Unix epoch, for HTTP dates.
    pub now_unix: i64,
}

impl Verdict {
    /// Answered, with content.
    pub const OK: Verdict = Verdict::of(Class::Ok, None);

    /// Broken after the first content went to the caller.
    #[must_use]
    pub const fn mid_stream(fault: Fault) -> Verdict {
        Verdict::of(Class::MidStream, Some(fault))
    }

    /// Broken after the first content went to the caller, and about to be taken up again there.
    #[must_use]
    pub const fn to_be_resumed(fault: Fault) -> Verdict {
        let mut verdict = Verdict::mid_stream(fault);
        verdict.charge = Charge::Resumed;
        verdict
    }

    /// The caller left, or another attempt was faster.
    #[must_use]
    pub const fn cancelled() -> Verdict {
        Verdict::of(Class::Cancelled, None)
    }

    const fn of(class: Class, fault: Option<Fault>) -> Verdict {
        let (whose, again, charge) = (class.whose(), class.again(), class.charge());
        Verdict { class, whose, again, charge, wait: None, said: None, fault }
    }

    const fn meant(meaning: &Meaning, fault: Fault) -> Verdict {
        let Meaning { class, whose, again, charge, .. } = *meaning;
        Verdict { class, whose, again, charge, wait: None, said: None, fault: Some(fault) }
    }
}

/// What a fault means, where no reply says more.
#[must_use]
pub const fn judge_fault(fault: Fault) -> Verdict {
    Verdict::meant(code::of_fault(fault), fault)
}

/// What a reply means.
///
/// A success is looked into where JSON was promised, without parsing it: errors hide there. A
/// failure is read whole.
#[must_use]
pub fn judge(reply: &Reply<'_>) -> Verdict {
    explain(reply).0
}

/// What a reply means, as [`judge`] says it, and the tokens that it says it took: both of one look.
#[must_use]
pub fn judge_and_count(reply: &Reply<'_>) -> (Verdict, Usage) {
    let mut usage = Usage::default();
    let (verdict, _) = explain_counting(reply, &mut usage);
    (verdict, usage)
}

/// What one event of a stream means, if it is an error. `event` is the event's name, empty where
/// it has none.
///
/// Errors are `event: error`, a failed Response or run, a top-level `error` that says something,
/// and a flat Responses error. No `Retry-After` is known here; a wait in the message counts.
#[must_use]
pub fn judge_event(event: &str, data: &[u8]) -> Option<Verdict> {
    explain_event(event, data).map(|(verdict, _)| verdict)
}

/// What a reply means, and the row of the table that says so.
#[must_use]
pub fn explain(reply: &Reply<'_>) -> (Verdict, &'static Meaning) {
    explain_counting(reply, &mut Usage::default())
}

fn explain_counting(reply: &Reply<'_>, usage: &mut Usage) -> (Verdict, &'static Meaning) {
    if reply.status.is_success() || reply.status == StatusCode::SWITCHING_PROTOCOLS {
        return match judge_success(reply, usage) {
            Some((verdict, meaning)) => (finish(verdict, reply), meaning),
            None if is_json_for_stream(reply) => {
                // What is no answer either leaves nothing to show, and an SDK would show it as success.
                let fault = if is_answer(reply) { Fault::StreamJson } else { Fault::StreamEmpty };
                (judge_fault(fault), code::of_fault(fault))
            }
            None => (Verdict::OK, code::of_class(Class::Ok)),
        };
    }
    let reading = body::read(reply.body);
    let fault = match reading.form {
        Form::Json => Fault::Status,
        Form::Html => Fault::Html,
        Form::Text => Fault::Text,
        Form::Empty => Fault::Empty,
        Form::Binary => Fault::Undecodable,
    };
    // "Elapsed cost": a status nobody knows is a timeout if the time is nearly used up.
    let is_slow = reply.elapsed.saturating_mul(5) >= reply.limit.saturating_mul(4);
    let meaning = meaning(Some(reply.status.as_u16()), &reading, is_slow);
    let verdict = Verdict { said: Some(Box::new(reading.said)), wait: reading.delay, ..Verdict::meant(meaning, fault) };
    (finish(verdict, reply), meaning)
}

/// What one event of a stream means, and the row of the table that says so.
#[must_use]
pub fn explain_event(event: &str, data: &[u8]) -> Option<(Verdict, &'static Meaning)> {
    let (mut verdict, meaning) = judge_hidden(hidden::in_event(event, data)?, Fault::StreamError);
    verdict.wait = wait_in_body(&verdict);
    Some((verdict, meaning))
}

/// What hides in a success. Whatever it is, its tokens are noted in `usage`.
fn judge_success(reply: &Reply<'_>, usage: &mut Usage) -> Option<(Verdict, &'static Meaning)> {
    // These have no body by definition.
    if matches!(reply.status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        return None;
    }
    let broken = |fault, said| {
        let said = Said { status: Some(StatusCode::BAD_GATEWAY.as_u16()), ..said };
        Some((Verdict { said: Some(Box::new(said)), ..judge_fault(fault) }, code::of_fault(fault)))
    };
    match hidden::in_body(reply.endpoint, reply.headers, reply.body, usage)? {
        Hidden::Error(reading) if hidden::is_event_stream(reply.headers, reply.body) => {
            Some(judge_hidden(reading, Fault::StreamError))
        }
        Hidden::Error(reading) => Some(judge_hidden(reading, Fault::ErrorIn200)),
        Hidden::Failed(reading) => {
            Some(judge_hidden(reading, Fault::ErrorIn200)).filter(|(verdict, _)| verdict.class.is_server_side())
        }
        Hidden::Empty if reply.stream => broken(Fault::StreamEmpty, Said::default()),
        Hidden::Empty => broken(Fault::Empty200, Said::default()),
        Hidden::NotJson(reading) => broken(Fault::Html200, reading.said),
        // Most of it was written: a second run is a second bill.
        Hidden::Cut => broken(Fault::Truncated, Said::default()),
    }
}

/// What an error without a status of its own means.
fn judge_hidden(reading: Reading, fault: Fault) -> (Verdict, &'static Meaning) {
    let meaning = meaning(None, &reading, false);
    let mut said = reading.said;
    said.status = status_in(&said).or_else(|| meaning.class.status());
    let verdict = Verdict { wait: reading.delay, said: Some(Box::new(said)), ..Verdict::meant(meaning, fault) };
    (verdict, meaning)
}

/// The status that a numeric code is.
fn status_in(said: &Said) -> Option<u16> {
    said.code.as_deref()?.parse().ok().filter(|status| (400..=599).contains(status))
}

/// What the words and the status mean together. `status` is `None` where it says nothing: 200.
fn meaning(status: Option<u16>, reading: &Reading, is_slow: bool) -> &'static Meaning {
    let said = &reading.said;
    // Another Seawall in front of the provider.
    if let Some(code) = said.code.as_deref().and_then(Code::from_name) {
        return code.meaning();
    }
    // A number in the body is a status as precise as the status line, and closer to the origin.
    let status = status_in(said).or(status);
    let words =
        provider::Words { kind: said.kind.as_deref(), code: said.code.as_deref(), message: said.message.as_deref() };
    match (provider::of_words(words, status), status) {
        (Some(known), _) => &known.meaning,
        (None, Some(status)) => status::of_status(status, is_slow),
        (None, None) => status::of_status(500, is_slow),
    }
}

/// Adds what only the headers know: the wait, the request id's place, and whether to come back.
fn finish(mut verdict: Verdict, reply: &Reply<'_>) -> Verdict {
    let in_header = retry_after::in_headers(reply.headers, reply.now_unix);
    verdict.wait = in_header.or_else(|| wait_in_body(&verdict));
    if let Some(said) = &mut verdict.said
        && request_id(reply.headers).is_some()
    {
        said.request_id = None;
    }
    // Of two copies none counts: the SDKs read them as one value, "false, true", and ignore it.
    let mut wishes = reply.headers.get_all("x-should-retry").iter();
    if let (Some(wish), None) = (wishes.next(), wishes.next()) {
        verdict.again = match (wish.as_bytes().trim_ascii(), verdict.again, verdict.class) {
            (b"false", Again::Anywhere, _) => Again::Elsewhere,
            (b"true", Again::Elsewhere, class) if class != Class::Quota => Again::Anywhere,
            (_, again, _) => again,
        };
    }
    verdict
}

/// The wait that the body asks for. Only a limit or a lack of capacity ends by waiting; elsewhere
/// such words are part of somebody's prose.
fn wait_in_body(verdict: &Verdict) -> Option<Duration> {
    if !matches!(verdict.class, Class::RateLimited | Class::Overloaded) {
        return None;
    }
    verdict.wait.or_else(|| retry_after::in_words(verdict.said.as_ref()?.message.as_deref()?))
}

/// Whether JSON came where a stream was asked for. It is an answer all the same, paid for, and the
/// same upstream would give it again.
fn is_json_for_stream(reply: &Reply<'_>) -> bool {
    reply.stream
        && !hidden::is_event_stream(reply.headers, reply.body)
        && reply.body.trim_ascii_start().starts_with(b"{")
}

/// Whether the JSON in place of a stream is a whole answer, as far as its operation's are known here.
fn is_answer(reply: &Reply<'_>) -> bool {
    let is_list = |name| crate::json::field(reply.body, name).is_some_and(|raw| raw.starts_with(b"["));
    match reply.endpoint {
        Endpoint::ChatCompletions | Endpoint::Completions => is_list("choices"),
        Endpoint::Responses => is_list("output"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: i64 = 1_795_348_800;

    fn reply<'a>(status: u16, headers: &'a HeaderMap, body: &'a [u8]) -> Reply<'a> {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body,
            endpoint: Endpoint::ChatCompletions,
            stream: false,
            elapsed: Duration::from_secs(1),
            limit: Duration::from_secs(600),
            now_unix: NOW,
        }
    }

    fn judged(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Verdict {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        judge(&reply(status, &headers.collect(), body.as_bytes()))
    }

    #[test]
    fn faults_before_the_request_are_free_and_faults_after_it_are_ambiguous() {
        for &fault in Fault::ALL {
            let verdict = judge_fault(fault);
            assert_eq!(verdict.fault, Some(fault));
            match verdict.class {
                Class::NotSent => {
                    assert_eq!((verdict.again, verdict.charge.billed()), (Again::Anywhere, Billed::No), "{fault}");
                }
                Class::Ok => assert_eq!(verdict.again, Again::No, "{fault}"),
                _ => {
                    assert_eq!(
                        (verdict.again, verdict.charge.billed()),
                        (Again::Anywhere, Billed::Possibly),
                        "{fault}"
                    );
                }
            }
        }
        let class = |fault| judge_fault(fault).class;
        assert_eq!(class(Fault::Tls), Class::NotSent);
        assert_eq!(class(Fault::Stale), Class::StaleConnection);
        assert_eq!(class(Fault::Reset), Class::Ambiguous);
        assert_eq!(class(Fault::Deadline), Class::Ambiguous);
    }

    #[test]
    fn an_unknown_5xx_is_ambiguous_from_four_fifths_of_the_limit_on() {
        let headers = HeaderMap::new();
        let class = |millis| {
            let (elapsed, limit) = (Duration::from_millis(millis), Duration::from_secs(10));
            judge(&Reply { elapsed, limit, ..reply(599, &headers, b"") }).class
        };
        assert_eq!(class(7_999), Class::ServerError);
        assert_eq!(class(8_000), Class::Ambiguous);
    }

    #[test]
    fn a_plain_no_from_the_upstream_sends_the_next_attempt_elsewhere() {
        let again = |status, wish: &[(&'static str, &'static str)]| judged(status, wish, "").again;
        assert_eq!(again(500, &[("x-should-retry", "false")]), Again::Elsewhere);
        assert_eq!(again(500, &[("x-should-retry", " false ")]), Again::Elsewhere);
        assert_eq!(again(429, &[("x-should-retry", "false")]), Again::Elsewhere);
        for ignored in ["False", "FALSE", "0", "", "no"] {
            let headers =
                HeaderMap::from_iter([("x-should-retry".parse().unwrap(), HeaderValue::from_static(ignored))]);
            assert_eq!(judge(&reply(500, &headers, b"")).again, Again::Anywhere, "{ignored}");
        }
        assert_eq!(again(400, &[("x-should-retry", "false")]), Again::No);
        let mut two = HeaderMap::new();
        two.append("x-should-retry", HeaderValue::from_static("false"));
        two.append("x-should-retry", HeaderValue::from_static("true"));
        assert_eq!(judge(&reply(500, &two, b"")).again, Again::Anywhere);
    }

    #[test]
    fn a_plain_yes_from_the_upstream_moves_neither_a_callers_fault_nor_an_empty_purse() {
        let yes = [("x-should-retry", "true")];
        assert_eq!(judged(400, &yes, "").again, Again::No);
        assert_eq!(judged(429, &yes, r#"{"error":{"code":"insufficient_quota"}}"#).again, Again::Elsewhere);
        assert_eq!(judged(401, &yes, "").again, Again::Anywhere);
        assert_eq!(judged(500, &yes, "").again, Again::Anywhere);
    }

    #[test]
    fn words_about_waiting_count_only_for_limits_and_capacity() {
        let body = r#"{"error":{"message":"Please try again in 3s."}}"#;
        let wait = |status| judged(status, &[], body).wait;
        assert_eq!(wait(429), Some(Duration::from_secs(3)));
        assert_eq!(wait(503), Some(Duration::from_secs(3)));
        assert_eq!(wait(500), None);
        assert_eq!(judged(429, &[("retry-after", "9")], body).wait, Some(Duration::from_secs(9)));
        assert_eq!(judged(500, &[("retry-after", "9")], body).wait, Some(Duration::from_secs(9)));
    }

    #[test]
    fn the_id_in_a_message_counts_only_where_no_header_has_one() {
        let body = r#"{"error":{"message":"Please include the request ID req_0123456789abcdef0123 in your message."}}"#;
        let found = |headers: &[_]| judged(500, headers, body).said.and_then(|said| said.request_id);
        assert_eq!(found(&[]).as_deref(), Some("req_0123456789abcdef0123"));
        assert_eq!(found(&[("request-id", "req_other")]), None);
    }

    #[test]
    fn an_error_in_a_stream_gets_the_status_that_it_means() {
        let said = |data: &str| judge_event("error", data.as_bytes()).expect("an error");
        let status = |verdict: &Verdict| verdict.said.as_ref().and_then(|said| said.status);
        let limit = said(r#"{"code":"rate_limit_exceeded","message":"Please try again in 2s."}"#);
        assert_eq!(
            (limit.class, status(&limit), limit.wait),
            (Class::RateLimited, Some(429), Some(Duration::from_secs(2)))
        );
        assert_eq!(status(&said(r#"{"error":{"code":"server_is_overloaded"}}"#)), Some(503));
        assert_eq!(status(&said(r#"{"code":502,"message":"boom"}"#)), Some(502));
        assert_eq!(status(&said("")), Some(500));
        assert_eq!(judge_event("", br#"{"choices":[]}"#), None);
    }

    #[test]
    fn json_in_place_of_a_stream_is_an_answer_only_if_it_is_one() {
        let headers = HeaderMap::new();
        for (endpoint, body, fault, class) in [
            (Endpoint::ChatCompletions, r#"{"choices":[]}"#, Fault::StreamJson, Class::Ok),
            (Endpoint::ChatCompletions, r#"{"ok":true}"#, Fault::StreamEmpty, Class::ServerError),
            (Endpoint::Completions, "{}", Fault::StreamEmpty, Class::ServerError),
            (
                Endpoint::Responses,
                r#"{"object":"response","status":"queued","output":[]}"#,
                Fault::StreamJson,
                Class::Ok,
            ),
            (Endpoint::Responses, r#"{"detail":"moved"}"#, Fault::StreamEmpty, Class::ServerError),
            (Endpoint::Messages, r#"{"content":[]}"#, Fault::StreamJson, Class::Ok),
            (Endpoint::ChatCompletions, r#"{"error":{"code":502}}"#, Fault::ErrorIn200, Class::BadGateway),
            (Endpoint::ChatCompletions, "<html>", Fault::Html200, Class::ServerError),
            (Endpoint::ChatCompletions, "", Fault::StreamEmpty, Class::ServerError),
        ] {
            let verdict = judge(&Reply { endpoint, stream: true, ..reply(200, &headers, body.as_bytes()) });
            assert_eq!((verdict.fault, verdict.class), (Some(fault), class), "{endpoint} {body}");
        }
    }

    #[test]
    fn another_seawalls_code_keeps_its_class() {
        let verdict = judged(
            502,
            &[("x-should-retry", "false")],
            r#"{"error":{"type":"server_error","code":"seawall_connect"}}"#,
        );
        assert_eq!((verdict.class, verdict.again), (Class::NotSent, Again::Elsewhere));
    }
}
