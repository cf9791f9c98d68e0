//! What happened and why, as facts: the record's vocabulary.
//!
//! An event holds numbers, words from closed lists and identifiers. It never holds a prompt, a
//! reply or a key: there is no field to put one in but `message`, which is redacted before it
//! gets here.

mod phases;
mod vote;

use std::time::Duration;

use crate::upstream::UpstreamId;
use crate::verdict::usage::Tokens;
use crate::verdict::{Charge, Class, Fault, Whose};
use crate::words::words;

pub use phases::{Connection, Phases};
pub use vote::Vote;

words! {
    /// How a request ended: the header `x-seawall-outcome` and the metric label.
    pub enum Outcome {
        /// The first attempt answered.
        Passed = "passed",
        /// A later attempt at the same upstream answered.
        Retried = "retried",
        /// Another upstream answered.
        FailedOver = "failed_over",
        /// A hedge answered first.
        Hedged = "hedged",
        /// Every allowed attempt failed.
        Exhausted = "exhausted",
        /// The failure would be the same again.
        NotRetryable = "not_retryable",
        /// Nobody knows whether it was carried out, and the request may not be repeated.
        Ambiguous = "ambiguous",
        /// The retry budget was empty.
        Budget = "budget",
        /// The deadline left no room for another attempt.
        Deadline = "deadline",
        /// The request itself was found to be at fault.
        Diagnosed = "diagnosed",
        /// No upstream could be asked.
        Unavailable = "unavailable",
        /// Seawall was over its own limits.
        Shed = "shed",
        /// Seawall was shutting down.
        Draining = "draining",
        /// Refused at the door: limits, origin, token.
        Refused = "refused",
        /// Broken after the first content.
        Interrupted = "interrupted",
    }
}

words! {
    /// Why an attempt was the last one, or was not: the header `x-seawall-reason`.
    pub enum Reason {
        /// It was answered.
        Answered = "answered",
        /// It will be tried again at the same upstream.
        Retry = "retry",
        /// It will be tried at another upstream.
        Failover = "failover",
        /// The class is never retried.
        Class = "class",
        /// `max_attempts` were made.
        Attempts = "attempts",
        /// `x-seawall-max-retries` allowed no more.
        CallerLimit = "caller_limit",
        /// The caller's own retry is already under way: at most two attempts.
        ClientRetry = "client_retry",
        /// One retry after an ambiguous failure is the limit.
        AmbiguousMax = "ambiguous_max",
        /// The request may not be repeated once it may have been received.
        NotRepeatable = "not_repeatable",
        /// The body was too large to keep.
        BodyTooLarge = "body_too_large",
        /// The memory for bodies was used up, so this one was not kept.
        Memory = "memory",
        /// The budget for retries was empty.
        Budget = "budget",
        /// The deadline left no room.
        Deadline = "deadline",
        /// The upstream asked for a longer wait than is allowed.
        RetryAfter = "retry_after",
        /// The upstream said `x-should-retry: false`.
        UpstreamSaysNo = "upstream_says_no",
        /// The upstream fails so often that it is not asked for now.
        Breaker = "breaker",
        /// Requests of this form always fail after the same time: a timeout on the way, not chance.
        Cliff = "cliff",
        /// Requests of this size get no answer, or were refused for it.
        Oversize = "oversize",
        /// These tools fail every time while everything else is well: likely their definitions.
        Tools = "tools",
        /// It will be sent once more without streaming, to learn what is wrong with its tools.
        Probe = "probe",
        /// It waits for an upstream to come back, or did so until its time was over.
        Queue = "queue",
        /// Every other credential rests after a 429 or a refusal.
        Credentials = "credentials",
        /// No upstream was left to ask.
        NoUpstream = "no_upstream",
        /// Another attempt beside it is still under way.
        Hedge = "hedge",
        /// Another attempt beside it decided the request first.
        Superseded = "superseded",
        /// It will be taken up again where it broke.
        Resume = "resume",
        /// Content had already gone to the caller.
        Committed = "committed",
        /// The caller left.
        CallerLeft = "caller_left",
    }
}

words! {
    /// Why requests of one kind fail every time: the metric label `cause`.
    pub enum Cause {
        /// A timeout on the way.
        Cliff = "cliff",
        /// Their size.
        Oversize = "oversize",
        /// Their tool definitions, likely.
        Tools = "tools",
    }
}

/// One attempt, as it will be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began, in microseconds since the Unix epoch.
    pub began_unix_micros: i64,
    /// The upstream's name.
    pub upstream: String,
    /// The place of the key among the upstream's own; 0 where it has one, or passes the caller's on.
    pub key: u16,
    /// The status received, if a head came.
    pub status: Option<u16>,
    /// What it ended in.
    pub class: Class,
    /// Who has to change something.
    pub whose: Whose,
    /// What went wrong, if something did.
    pub fault: Option<Fault>,
    /// Whether it costs money, and why.
    pub charge: Charge,
    /// The tokens that it is charged for, if it is.
    pub tokens: Tokens,
    /// `error.type` as sent.
    pub error_type: Option<String>,
    /// `error.code` as sent.
    pub error_code: Option<String>,
    /// `error.message`, redacted, at most 512 bytes.
    pub message: Option<String>,
    /// The upstream's own request id.
    pub upstream_request_id: Option<String>,
    /// The `X-Client-Request-Id` that this attempt carried.
    pub client_request_id: Option<String>,
    /// `openai-processing-ms`.
    pub processing_ms: Option<u64>,
    /// `openai-organization`.
    pub organization: Option<String>,
    /// `openai-project`.
    pub project: Option<String>,
    /// `cf-ray`.
    pub cf_ray: Option<String>,
    /// The region that the reply's headers name. For comparison: it is not written down.
    pub region: Option<String>,
    /// From the first byte of the attempt to its end.
    pub elapsed: Duration,
    /// From the first byte of the attempt to its first content.
    pub first_content: Option<Duration>,
    /// How far it came on the way there, and when.
    pub phases: Phases,
    /// Bytes of body received.
    pub bytes_in: u64,
    /// Bytes of the reply's body that went to the caller.
    pub bytes_out: u64,
    /// What was decided after it, and why.
    pub reason: Reason,
    /// The wait before the next attempt, if there is one.
    pub wait: Option<Duration>,
}

/// One request, as it will be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Seawall's id: `sw_` and 32 hex digits.
    pub id: String,
    /// When it arrived, in microseconds since the Unix epoch.
    pub began_unix_micros: i64,
    /// The endpoint's name.
    pub endpoint: &'static str,
    /// The method.
    pub method: String,
    /// The model asked for, at most 128 bytes.
    pub model: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The number of tool definitions.
    pub tools: u32,
    /// `max_tokens` or its newer names.
    pub max_tokens: Option<u64>,
    /// Bytes of the request's body.
    pub body_bytes: u64,
    /// The shape: equal for requests of the same form.
    pub shape: String,
    /// The SDK and its version, as it announces itself.
    pub sdk: Option<String>,
    /// `x-stainless-retry-count`: above zero it is the caller's own retry.
    pub client_retries: u32,
    /// `x-seawall-tag`.
    pub tag: Option<String>,
    /// The name of the client whose token it carried.
    pub client: Option<String>,
    /// The place of its route in the configuration, if it has one.
    pub route: Option<u16>,
    /// Its form as a number. It is never written down.
    pub form: u64,
    /// What tells its body from others in this process, 0 where that was not needed. It is never written down.
    pub body: u64,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// The reason of the last decision.
    pub reason: Reason,
    /// The status that the caller got.
    pub status: u16,
    /// The number of attempts made.
    pub attempts: u32,
    /// From arrival to the end of the answer.
    pub elapsed: Duration,
    /// Where the answer came from or, without one, where it was asked for last.
    pub upstream: Option<UpstreamId>,
    /// The tokens of the answer, or of that part of it which came before its caller left.
    pub tokens: Tokens,
    /// Why requests like it fail every time, where that was found: its kind, and all of it in words.
    pub diagnosis: Option<(Cause, Box<str>)>,
    /// The place of its route in the configuration, if it has one.
    pub route: Option<u16>,
    /// Where its first attempt went, and what that says of the place. `None` if none was made.
    pub first: Option<(UpstreamId, Vote)>,
}
