//! Why there is no answer, for a program: what the library says when it has done what it could.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use seawall_core::event::{Outcome, Reason};
use seawall_core::verdict::code::{Code, Meaning, provider, status};
use seawall_core::verdict::{Again, Class, Fault, Said, Whose};

use crate::failure::{Failure, plainly, times};
use crate::relay::Broken;

/// Why a request has no answer, after everything that the policy allows was tried.
///
/// It says what happened, whose fault that is, and whether it makes sense to come back. Its text is made of our own
/// words, numbers and identifiers: nothing that the request or a reply said is in it, so it can be logged. What the
/// provider answered is in [`Error::response`], for whoever wants to look.
///
/// ```
/// # async fn example(client: seawall::Client) {
/// match client.post("/v1/chat/completions", &serde_json::json!({"model": "gpt-4o", "messages": []})).await {
///     Ok(answer) => println!("{}", answer.status()),
///     Err(error) => {
///         // openai: the connection was refused (4 attempts); check the address and the network
///         eprintln!("{error}");
///         eprintln!("{} {} {:?}", error.code(), error.whose_fault(), error.request_id());
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

struct Inner {
    code: Cow<'static, str>,
    meaning: &'static Meaning,
    class: Class,
    whose: Whose,
    is_retryable: bool,
    outcome: Outcome,
    reason: Reason,
    fault: Option<Fault>,
    status: Option<StatusCode>,
    attempts: u32,
    upstream: Option<String>,
    id: String,
    request_ids: Vec<String>,
    wait: Option<Duration>,
    diagnosis: Option<String>,
    message: Option<String>,
    response: Option<http::Response<Bytes>>,
    text: String,
}

impl Error {
    /// The provider's `error.code` or, without one, its `error.type`, where it worded the failure, without what it shares
    /// with the request; else one of Seawall's own, such as `seawall_connect` ([`explain::Code`](crate::explain::Code)).
    #[must_use]
    pub fn code(&self) -> &str {
        &self.inner.code
    }

    /// What the last attempt ended in: the word that policy, metrics and records go by.
    #[must_use]
    pub fn class(&self) -> Class {
        self.inner.class
    }

    /// Who has to change something.
    #[must_use]
    pub fn whose_fault(&self) -> Whose {
        self.inner.whose
    }

    /// Whether the same request may well be answered later. It has been tried again already, as often as the policy, the
    /// budget and its deadline allowed: this is for a queue that comes back in minutes, not for a loop around the call.
    ///
    /// False for what would fail every time, and for what may have been carried out and must not be repeated.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.inner.is_retryable
    }

    /// The provider's own id of the last attempt that has one: what its support asks for.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_ids.last().map(String::as_str)
    }

    /// The provider's own ids of all attempts that have one, in order.
    #[must_use]
    pub fn request_ids(&self) -> &[String] {
        &self.inner.request_ids
    }

    /// Seawall's id of the request, `sw_` and 32 hex digits. With `-` and the attempt's number behind it, each attempt
    /// carried it as `X-Client-Request-Id`. Empty if the request was not sent.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Attempts made: 0 if no upstream was asked.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// The status of the provider's last reply; of an error inside a 200, the one that it means. `None` if there is none.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// How the request ended, in a word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.inner.outcome
    }

    /// Why no further attempt was made.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.inner.reason
    }

    /// What exactly went wrong with the last attempt, if one was made.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.inner.fault
    }

    /// How long to stay away: what the provider asked for or, where an upstream is not asked now, until it will be again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.wait
    }

    /// The name of the upstream that was asked last.
    #[must_use]
    pub fn upstream(&self) -> Option<&str> {
        self.inner.upstream.as_deref()
    }

    /// Why requests like this one fail every time, where that was found out: what probably, since when, and what helps.
    #[must_use]
    pub fn diagnosis(&self) -> Option<&str> {
        self.inner.diagnosis.as_deref()
    }

    /// What the provider said, in its words, without what they share with the request and without credentials, at most
    /// 512 bytes: as it may be logged.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.inner.message.as_deref()
    }

    /// The provider's last reply that tells something, as it came. It may repeat what was asked: do not log it.
    #[must_use]
    pub fn response(&self) -> Option<&http::Response<Bytes>> {
        self.inner.response.as_ref()
    }

    /// What its code means, who is billed, and what to do.
    #[must_use]
    pub fn explain(&self) -> &'static Meaning {
        self.inner.meaning
    }

    /// Whether time ran out: the request's own, or an upstream's to say something.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(
            self.inner.fault,
            Some(Fault::Deadline | Fault::FirstContentTimeout | Fault::Stall | Fault::ConnectTimeout)
        )
    }

    /// Whether a stream broke after its first content: what came is incomplete, and may be billed.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.inner.outcome == Outcome::Interrupted
    }

    /// The request failed for good.
    pub(crate) fn of(failure: &mut Failure, id: &str) -> Error {
        let own = failure.code();
        let is_worded = failure.reply.is_some();
        let status = is_worded.then(|| failure.status());
        let (words, said) = (failure.words().cloned(), failure.said.take());
        let (code, meaning) = if is_worded {
            let named = words.as_ref().and_then(|words| words.code.clone()).filter(|code| !code.is_empty());
            let code = named.map_or(Cow::Borrowed(Code::UpstreamError.name()), Cow::Owned);
            (code, meaning_of(said.as_deref(), status))
        } else {
            (Cow::Borrowed(own.name()), own.meaning())
        };
        let whose = failure.whose.unwrap_or(own.whose());
        let mut text = match status {
            Some(status) => answered(failure, status, &code),
            None => failure.says(),
        };
        // A provider's own failure leaves nothing to do that has not been tried.
        if failure.diagnosis.is_none() && !(is_worded && whose == Whose::Provider) {
            text.push_str("; ");
            text.push_str(advice(meaning));
        }
        let response = failure.reply.take().map(|(head, body)| http::Response::from_parts(head, body));
        Error::new(Inner {
            meaning,
            class: failure.class.unwrap_or(own.meaning().class),
            whose,
            is_retryable: is_retryable(failure),
            code,
            outcome: failure.outcome,
            reason: failure.reason,
            fault: failure.fault,
            status,
            attempts: failure.attempts,
            upstream: failure.upstream.as_ref().and_then(|name| name.to_str().ok()).map(ToOwned::to_owned),
            id: id.to_owned(),
            request_ids: std::mem::take(&mut failure.upstream_ids),
            wait: failure.wait.or(failure.retry_in),
            diagnosis: failure.diagnosis.take().map(|found| found.text),
            message: words.and_then(|words| words.message).filter(|_| is_worded),
            response,
            text,
        })
    }

    /// A reply broke off after its beginning had been handed out.
    pub(crate) fn interrupted(broken: &Broken, id: &str) -> Error {
        let own = Code::StreamInterrupted;
        let upstream = broken.upstream.as_str();
        let text = format!(
            "{upstream}: {} after its first content ({}); what came is incomplete; {}",
            plainly(broken.fault),
            times(broken.attempts),
            advice(own.meaning())
        );
        Error::new(Inner {
            code: broken.code.clone().map_or(Cow::Borrowed(own.name()), Cow::Owned),
            meaning: own.meaning(),
            class: Class::MidStream,
            whose: Class::MidStream.whose(),
            is_retryable: false,
            outcome: Outcome::Interrupted,
            reason: Reason::Committed,
            fault: Some(broken.fault),
            status: None,
            attempts: broken.attempts,
            upstream: Some(upstream.to_owned()),
            id: id.to_owned(),
            request_ids: broken.upstream_request_id.iter().cloned().collect(),
            wait: None,
            diagnosis: None,
            message: None,
            response: None,
            text,
        })
    }

    /// The request cannot be sent as it is.
    pub(crate) fn unsendable(why: &str) -> Error {
        Error::refused(Code::Malformed, why, "")
    }

    /// The request was not sent. `why` is in our own words.
    pub(crate) fn refused(code: Code, why: &str, id: &str) -> Error {
        let mut error = Error::local(code, why, id);
        error.outcome = Outcome::Refused;
        Error::new(error)
    }

    /// The answer is here, and of no use for what was asked of it. `why` is in our own words.
    pub(crate) fn unfit(whose: Whose, why: &str, id: &str, request_id: Option<&str>) -> Error {
        let mut error = Error::local(Code::BadReply, why, id);
        (error.whose, error.is_retryable, error.attempts) = (whose, false, 1);
        error.request_ids.extend(request_id.map(ToOwned::to_owned));
        Error::new(error)
    }

    /// `what` is not the JSON that somebody wants: the place is told, never the content.
    pub(crate) fn unread(what: &str, error: &serde_json::Error, id: &str, request_id: Option<&str>) -> Error {
        let whose = if error.is_data() { Whose::Caller } else { Whose::Provider };
        let lack = if error.is_data() { "not of the type it is read as" } else { "not JSON" };
        let why = format!("{what} is {lack}, at line {}, column {}", error.line(), error.column());
        Error::unfit(whose, &why, id, request_id)
    }

    fn local(code: Code, why: &str, id: &str) -> Inner {
        let meaning = code.meaning();
        Inner {
            code: Cow::Borrowed(code.name()),
            meaning,
            class: meaning.class,
            whose: meaning.whose,
            is_retryable: false,
            outcome: Outcome::NotRetryable,
            reason: Reason::Class,
            fault: None,
            status: None,
            attempts: 0,
            upstream: None,
            id: id.to_owned(),
            request_ids: Vec::new(),
            wait: None,
            diagnosis: None,
            message: None,
            response: None,
            text: why.to_owned(),
        }
    }

    fn new(inner: Inner) -> Error {
        Error { inner: Arc::new(inner) }
    }
}

/// Whether the same request may be answered later.
fn is_retryable(failure: &Failure) -> bool {
    let may_be_done = failure.class == Some(Class::Ambiguous) && failure.reason == Reason::NotRepeatable;
    let says_no = failure.reason == Reason::UpstreamSaysNo || failure.diagnosis.is_some();
    !may_be_done && !says_no && failure.again.is_none_or(|again| again == Again::Anywhere)
}

/// What a reply's words or, without any, its status mean.
fn meaning_of(said: Option<&Said>, status: Option<StatusCode>) -> &'static Meaning {
    let status = status.map(|status| status.as_u16());
    let words = said.map(|said| provider::Words {
        kind: said.kind.as_deref(),
        code: said.code.as_deref(),
        message: said.message.as_deref(),
    });
    match words.and_then(|words| provider::of_words(words, status)) {
        Some(known) => &known.meaning,
        None => status::of_status(status.unwrap_or(500), false),
    }
}

/// `openai answered 503 overloaded_error (4 attempts, request id req_1)`.
fn answered(failure: &Failure, status: StatusCode, code: &str) -> String {
    let upstream = failure.upstream.as_ref().and_then(|name| name.to_str().ok()).unwrap_or("the upstream");
    let mut text = format!("{upstream} answered {} {code} ({}", status.as_u16(), times(failure.attempts));
    if let Some(id) = failure.upstream_ids.last() {
        text.push_str(", request id ");
        text.push_str(id);
    }
    text.push(')');
    if let Some(found) = &failure.diagnosis {
        text.push_str("; ");
        text.push_str(&found.text);
    }
    text
}

fn advice(meaning: &Meaning) -> &'static str {
    meaning.next.first().map_or("see the events", |step| step.trim_end_matches('.'))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        f.debug_struct("Error")
            .field("text", &inner.text)
            .field("code", &inner.code)
            .field("class", &inner.class)
            .field("whose", &inner.whose)
            .field("is_retryable", &inner.is_retryable)
            .field("outcome", &inner.outcome)
            .field("reason", &inner.reason)
            .field("fault", &inner.fault)
            .field("status", &inner.status)
            .field("attempts", &inner.attempts)
            .field("upstream", &inner.upstream)
            .field("id", &inner.id)
            .field("request_ids", &inner.request_ids)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {}
