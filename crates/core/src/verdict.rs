//! What came back, and what it means: whose fault, whether to ask again, who is billed.
//!
//! One table, here, for everything an attempt can end in. The body's `type` and `code` outrank
//! the status, because middlemen re-wrap: an `invalid_request_error` under a 500 is still the
//! caller's, and `insufficient_quota` under a 429 will not get better by waiting.

pub mod code;
pub mod fault;
pub mod retry_after;
pub mod sse;

use std::time::Duration;

use crate::words::words;

pub use fault::Fault;

words! {
    /// What an attempt ended in: metric label, journal column, key of `[retry.class.*]`.
    pub enum Class {
        /// Answered, with content.
        Ok = "ok",
        /// No byte of the request reached the upstream.
        NotSent = "not_sent",
        /// A kept-alive connection was already dead when the request was written.
        StaleConnection = "stale_connection",
        /// 502, 520, 521, 523: a middleman could not reach the server.
        BadGateway = "bad_gateway",
        /// 500, 409 and every other answered failure of the server.
        ServerError = "server_error",
        /// 503, 529: out of capacity.
        Overloaded = "overloaded",
        /// Sent, and nobody knows whether it was carried out: 504, 408, 522, 524, timeouts, resets.
        Ambiguous = "ambiguous",
        /// 429 that waiting cures.
        RateLimited = "rate_limited",
        /// 429 or 402 that only a person with a credit card cures.
        Quota = "quota",
        /// 401, 403.
        Auth = "auth",
        /// The request itself is at fault: it would fail anywhere, every time.
        CallerFault = "caller_fault",
        /// Broken after the first content went to the caller.
        MidStream = "mid_stream",
        /// The caller left, or another attempt was faster.
        Cancelled = "cancelled",
    }
}

words! {
    /// Who has to change something.
    pub enum Whose {
        /// The provider of the model.
        Provider = "provider",
        /// Whatever lies between Seawall and the provider.
        Network = "network",
        /// The program that sent the request.
        Caller = "caller",
        /// Seawall, or how it is configured.
        Seawall = "seawall",
    }
}

words! {
    /// Whether the attempt costs money.
    pub enum Billed {
        /// The upstream cannot have begun to work on it, or says that it does not charge.
        No = "no",
        /// It may have begun: nobody can tell from here.
        Possibly = "possibly",
        /// Content was produced.
        Yes = "yes",
    }
}

words! {
    /// Where it makes sense to ask again.
    pub enum Again {
        /// Nowhere: the answer would be the same.
        No = "no",
        /// Only where another credential or another upstream answers.
        Elsewhere = "elsewhere",
        /// Here too.
        Anywhere = "anywhere",
    }
}

/// What an attempt's end means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The class: everything else about policy follows from it.
    pub class: Class,
    /// Who has to change something.
    pub whose: Whose,
    /// Where to ask again, before budget, deadline and attempts have their say.
    pub again: Again,
    /// Whether it costs money.
    pub billed: Billed,
    /// How long the upstream asked to be left alone: `Retry-After` in any of its spellings.
    pub wait: Option<Duration>,
    /// What the upstream said, where it said something.
    pub said: Option<Box<Said>>,
    /// What went wrong: the fault, or `Status` and its relatives for a reply.
    pub fault: Option<Fault>,
}

/// What an error reply said about itself, as sent: bounded, but not yet redacted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// The status that the error means, where the body outranks the status line: an error
    /// hidden in a 200 has one of its own.
    pub status: Option<u16>,
    /// `error.type`, at most 64 bytes.
    pub kind: Option<String>,
    /// `error.code`, a number turned into its digits, at most 64 bytes.
    pub code: Option<String>,
    /// `error.message` or its like, at most [`MESSAGE_BYTES_MAX`] bytes.
    pub message: Option<String>,
    /// The request id found in the message, where no header carried one.
    pub request_id: Option<String>,
    /// Whether the body was JSON, so that a caller's SDK reads it as it is.
    pub is_json: bool,
}

/// The longest error message kept, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4096;
