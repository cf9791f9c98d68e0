//! What each code means: one sentence, whose fault, what becomes of it, what to do next.
//!
//! Three tables. This file has the codes of Seawall's own answers and the classes; `code/status.rs`
//! the statuses of HTTP; `code/provider.rs` the words that providers put into `error.type`,
//! `error.code` and messages. The judge and `seawall explain` read the same rows, so what a person
//! is told and what the gateway does cannot drift apart.
//!
//! This module owns meaning and advice; the shape of an answer on the wire belongs to the gateway.

pub mod meaning;
pub mod provider;
pub mod status;

use super::class::{Again, Class, Whose};
use super::fault::Fault;
use crate::words::words;

pub use meaning::Meaning;

words! {
    /// The codes of Seawall's own answers: `error.code` of a failure that no upstream worded.
    pub enum Code {
        /// No upstream could be reached.
        Connect = "seawall_connect",
        /// No secure connection to the upstream.
        Tls = "seawall_tls",
        /// The upstream's reply was no HTTP, or broke off.
        UpstreamProtocol = "seawall_upstream_protocol",
        /// A success without the promised content.
        BadReply = "seawall_bad_reply",
        /// An upstream's error that was not JSON, put into words here.
        UpstreamError = "seawall_upstream_error",
        /// The deadline passed.
        Deadline = "seawall_deadline",
        /// The upstream stayed silent past its limit.
        Timeout = "seawall_timeout",
        /// No upstream may be asked now.
        Unavailable = "seawall_unavailable",
        /// Seawall was over its own limits.
        Shed = "seawall_shed",
        /// Seawall was shutting down.
        Draining = "seawall_draining",
        /// The request's body was too large.
        BodyTooLarge = "seawall_body_too_large",
        /// The request's headers were too large, or too many.
        HeadersTooLarge = "seawall_headers_too_large",
        /// The request's address was too long.
        UriTooLong = "seawall_uri_too_long",
        /// What arrived was not HTTP as it should be.
        Malformed = "seawall_malformed",
        /// The caller's request did not arrive in time.
        RequestTimeout = "seawall_request_timeout",
        /// No valid client token.
        Unauthorized = "seawall_unauthorized",
        /// A web page tried to spend the key.
        Origin = "seawall_origin",
        /// The request came back to where it had been.
        Loop = "seawall_loop",
        /// A stream broke after its first content.
        StreamInterrupted = "seawall_stream_interrupted",
        /// A mistake in Seawall.
        Internal = "seawall_internal",
    }
}

impl Code {
    /// The status of the answer. Of [`Code::UpstreamError`] it is the upstream's own instead; of
    /// [`Code::StreamInterrupted`] the one that it would have been, had none been sent yet.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Code::Connect
            | Code::Tls
            | Code::UpstreamProtocol
            | Code::BadReply
            | Code::UpstreamError
            | Code::StreamInterrupted => 502,
            Code::Deadline | Code::Timeout => 504,
            Code::Unavailable | Code::Shed | Code::Draining => 503,
            Code::BodyTooLarge => 413,
            Code::HeadersTooLarge => 431,
            Code::UriTooLong => 414,
            Code::Malformed => 400,
            Code::RequestTimeout => 408,
            Code::Unauthorized => 401,
            Code::Origin => 403,
            Code::Loop => 508,
            Code::Internal => 500,
        }
    }

    /// The `error.type` of the answer: `server_error`, or `invalid_request_error` where the caller
    /// has to change something.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self.meaning().whose {
            Whose::Caller => "invalid_request_error",
            Whose::Provider | Whose::Network | Whose::Seawall => "server_error",
        }
    }

    /// What it means.
    #[must_use]
    pub const fn meaning(self) -> &'static Meaning {
        match self {
            Code::Connect => &CONNECT,
            Code::Tls => &TLS,
            Code::UpstreamProtocol => &UPSTREAM_PROTOCOL,
            Code::BadReply => &BAD_REPLY,
            Code::UpstreamError => &UPSTREAM_ERROR,
            Code::Deadline => &DEADLINE,
            Code::Timeout => &TIMEOUT,
            Code::Unavailable => &UNAVAILABLE,
            Code::Shed => &SHED,
            Code::Draining => &DRAINING,
            Code::BodyTooLarge => &BODY_TOO_LARGE,
            Code::HeadersTooLarge => &HEADERS_TOO_LARGE,
            Code::UriTooLong => &URI_TOO_LONG,
            Code::Malformed => &MALFORMED,
            Code::RequestTimeout => &REQUEST_TIMEOUT,
            Code::Unauthorized => &UNAUTHORIZED,
            Code::Origin => &ORIGIN,
            Code::Loop => &LOOP,
            Code::StreamInterrupted => &STREAM_INTERRUPTED,
            Code::Internal => &INTERNAL,
        }
    }

    /// Who has to change something.
    #[must_use]
    pub const fn whose(self) -> Whose {
        self.meaning().whose
    }

    /// What to do, the most useful first.
    #[must_use]
    pub const fn next(self) -> &'static [&'static str] {
        self.meaning().next
    }
}

static CONNECT: Meaning = Meaning::new(
    Class::NotSent,
    "Seawall could not reach the upstream: its name did not resolve, the connection was refused, or none came about in time.",
    &[
        "check the upstream's `base_url` and that this machine reaches its host and port",
        "look for a proxy, firewall or DNS problem on the way",
        "see each attempt with `seawall show ID`",
    ],
);
static TLS: Meaning = Meaning::new(
    Class::NotSent,
    "No secure connection came about: the upstream's certificate, its name or the protocol was refused.",
    &[
        "check that `base_url` names the right host, and https only where the upstream speaks it",
        "if the upstream's certificate is signed by an authority of your own, name it with `ca_file`",
        "check this machine's clock: a wrong one makes good certificates invalid",
    ],
);
static CONNECTION_BROKE: Meaning = Meaning::new(
    Class::Ambiguous,
    "The connection broke after the request had been sent and before its answer was complete; it may have been carried out.",
    &[
        "send the request again if a second run does no harm",
        "look for a proxy or load balancer on the way that closes connections early",
        "see how far each attempt got with `seawall show ID`",
    ],
)
.whose(Whose::Network);
static UPSTREAM_PROTOCOL: Meaning = Meaning::new(
    Class::Ambiguous,
    "The upstream took the request, then reset the connection, cut its reply or sent something that is not HTTP.",
    &[
        "send the request again if a second run does no harm: the upstream may have carried it out",
        "see how far each attempt got with `seawall show ID`",
        "check that `base_url` points at an HTTP API and not at another port",
    ],
);
static BAD_REPLY: Meaning = Meaning::new(
    Class::ServerError,
    "The upstream answered with a success status, but with an empty body, a web page or broken JSON where JSON was promised.",
    &[
        "check that `base_url` points at the API: sign-in pages and dashboards answer 200 with HTML",
        "see what came with `seawall show ID`",
    ],
);
static UPSTREAM_ERROR: Meaning = Meaning::new(
    Class::ServerError,
    "The upstream failed with a body that was not JSON, so Seawall put its status into words; the original excerpt is in the journal.",
    &["look the status up with `seawall explain`", "see the original excerpt with `seawall show ID`"],
);
static DEADLINE: Meaning = Meaning::new(
    Class::Ambiguous,
    "The time allowed for the whole request passed before an upstream answered.",
    &[
        "stream the answer: only the time to its first content counts then",
        "ask for less at a time, or allow more with the SDK's timeout or `[timeout] total`",
        "see how the attempts spent the time with `seawall show ID`",
    ],
);
static TIMEOUT: Meaning = Meaning::new(
    Class::Ambiguous,
    "The upstream took the request and stayed silent for longer than its limit.",
    &[
        "send the request again if a second run does no harm: the upstream may have carried it out",
        "see the provider's status page, and each attempt with `seawall show ID`",
    ],
);
static UNAVAILABLE: Meaning = Meaning::new(
    Class::Overloaded,
    "No upstream may be asked at the moment: all that serve this model failed again and again.",
    &[
        "wait as long as `retry-after` says: that is the next probe",
        "see what failed before with `seawall failures --since 10m`",
        "configure a second upstream for this model",
    ],
)
.again(Again::No);
static SHED: Meaning = Meaning::new(
    Class::Overloaded,
    "Seawall itself was over its limits for requests in flight or memory, and sent the request nowhere.",
    &[
        "try again after `retry-after` seconds",
        "raise `server.in_flight_max` or `server.memory_max`, or run another instance",
    ],
)
.whose(Whose::Seawall)
.again(Again::No);
static DRAINING: Meaning = Meaning::new(
    Class::NotSent,
    "Seawall was shutting down, and sent the request nowhere.",
    &["try again after `retry-after` seconds: another instance or the restarted one will answer"],
)
.whose(Whose::Seawall)
.again(Again::No);
static BODY_TOO_LARGE: Meaning = Meaning::new(
    Class::CallerFault,
    "The request's body is larger than Seawall accepts.",
    &["send less at a time, or upload the data as a file", "raise `server.body_bytes_max` if the upstream takes more"],
);
static HEADERS_TOO_LARGE: Meaning = Meaning::new(
    Class::CallerFault,
    "The request's headers are too many or too large: 128 fields, 64 KiB in all and 32 KiB each are the limits.",
    &["look for cookies or tokens that pile up, and send fewer headers"],
);
static URI_TOO_LONG: Meaning = Meaning::new(
    Class::CallerFault,
    "The request's address is longer than 8 KiB.",
    &["move the parameters from the query into the body"],
);
static MALFORMED: Meaning = Meaning::new(
    Class::CallerFault,
    "What arrived is not a request that HTTP allows.",
    &["check the program or proxy in front of Seawall: no well-known client sends this"],
);
static REQUEST_TIMEOUT: Meaning = Meaning::new(
    Class::CallerFault,
    "The request did not arrive whole within its time.",
    &["check the connection between the program and Seawall", "check that Content-Length equals what is sent"],
);
static UNAUTHORIZED: Meaning = Meaning::new(
    Class::Auth,
    "Seawall wants a client token, and this request had none that it knows.",
    &["set the SDK's API key to a token of a `[[client]]`", "check for a mistyped or withdrawn token"],
)
.again(Again::No);
static ORIGIN: Meaning = Meaning::new(
    Class::Auth,
    "A web page, or a request under a foreign host name, tried to use the upstream's key through Seawall.",
    &[
        "call Seawall from a program, by its listen address",
        "if web pages are meant to use it, give them tokens with `[[client]]`",
    ],
)
.again(Again::No);
static LOOP: Meaning = Meaning::new(
    Class::CallerFault,
    "The request came back to a Seawall that it had passed already: an upstream points at Seawall itself.",
    &["check each upstream's `base_url` with `seawall config show`: it must be the provider's, not Seawall's own address"],
)
.whose(Whose::Seawall);
static STREAM_INTERRUPTED: Meaning = Meaning::new(
    Class::MidStream,
    "The stream broke, stalled or ended early after content had reached the caller, so it could not be tried again unseen.",
    &[
        "discard the partial answer and send the request again",
        "if it happens often, ask without streaming: a whole answer can be tried again unseen",
        "see where it broke with `seawall show ID`",
    ],
);
static INTERNAL: Meaning = Meaning::new(
    Class::ServerError,
    "Seawall made a mistake.",
    &["please report it with the log line of this request id", "send the request again"],
)
.whose(Whose::Seawall)
.again(Again::No);

/// What a class means.
#[must_use]
pub const fn of_class(class: Class) -> &'static Meaning {
    match class {
        Class::Ok => &status::OK,
        Class::NotSent => &NOT_SENT,
        Class::StaleConnection => &STALE_CONNECTION,
        Class::BadGateway => &status::BAD_GATEWAY,
        Class::ServerError => &status::SERVER_ERROR,
        Class::Overloaded => &status::OVERLOADED,
        Class::Ambiguous => &AMBIGUOUS,
        Class::RateLimited => &status::RATE_LIMITED,
        Class::Quota => &status::QUOTA,
        Class::Auth => &status::UNAUTHORIZED,
        Class::CallerFault => &status::BAD_REQUEST,
        Class::MidStream => &STREAM_INTERRUPTED,
        Class::Cancelled => &CANCELLED,
    }
}

/// What a fault means, where no reply says more.
///
/// The words of the second group (`Status` and its relatives) stand for replies that a judge would
/// have read; here they get what such a reply means at the least.
#[must_use]
pub const fn of_fault(fault: Fault) -> &'static Meaning {
    match fault {
        // A certificate will be as bad in a moment, but asking costs nothing: no request was sent.
        Fault::Tls => &TLS,
        Fault::Resolve | Fault::Refused | Fault::ConnectTimeout | Fault::NotSent => &NOT_SENT,
        Fault::Stale => &STALE_CONNECTION,
        Fault::Reset | Fault::Truncated | Fault::BodyReset | Fault::StreamCut => &CONNECTION_BROKE,
        Fault::Garbage | Fault::Undecodable => &UPSTREAM_PROTOCOL,
        Fault::FirstContentTimeout | Fault::Stall => &TIMEOUT,
        Fault::Deadline => &DEADLINE,
        Fault::Empty200 | Fault::Html200 | Fault::StreamEmpty => &BAD_REPLY,
        Fault::Status
        | Fault::Html
        | Fault::Text
        | Fault::Empty
        | Fault::ErrorIn200
        | Fault::StreamError
        | Fault::Echo => &status::SERVER_ERROR,
        // It came, if late or in another form than asked for.
        Fault::StreamJson | Fault::Slow => &status::OK,
    }
}

static NOT_SENT: Meaning = Meaning::new(
    Class::NotSent,
    "No byte of the request reached the upstream, so asking again is free and safe.",
    CONNECT.next,
);
static STALE_CONNECTION: Meaning = Meaning::new(
    Class::StaleConnection,
    "A kept-alive connection had been closed by the other side just as the request was written to it.",
    &[
        "nothing: Seawall sends it again on a new connection",
        "if it is frequent, something on the way closes idle connections early: a load balancer, a NAT or a proxy",
    ],
);
static AMBIGUOUS: Meaning = Meaning::new(
    Class::Ambiguous,
    "The request was sent and no answer came, so nobody knows whether it was carried out; Seawall repeats it once at most.",
    &[
        "stream the answer, so that silence and work can be told apart",
        "send the request again if a second run does no harm",
        "give the provider's support the `X-Client-Request-Id` that `seawall show ID` prints: no other handle exists",
    ],
);
static CANCELLED: Meaning = Meaning::new(
    Class::Cancelled,
    "The caller left before the answer was there, or another attempt was faster.",
    &["if the program left on purpose, nothing; else raise its own timeout"],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meaning_is_a_sentence_and_says_what_to_do() {
        let codes = Code::ALL.iter().map(|code| code.meaning());
        let classes = Class::ALL.iter().map(|class| of_class(*class));
        let faults = Fault::ALL.iter().map(|fault| of_fault(*fault));
        let providers = provider::TABLE.iter().map(|row| &row.meaning);
        let statuses = status::TABLE.iter().map(|(_, meaning)| *meaning);
        for meaning in codes.chain(classes).chain(faults).chain(providers).chain(statuses) {
            assert!(meaning.says.ends_with('.') && meaning.says.len() > 20, "{}", meaning.says);
            assert!(!meaning.next.is_empty(), "{}", meaning.says);
            for step in meaning.next {
                assert!(!step.ends_with('.') && step.starts_with(char::is_lowercase), "{step}");
            }
        }
    }

    #[test]
    fn each_class_explains_itself() {
        for &class in Class::ALL {
            assert_eq!(of_class(class).class, class);
        }
    }

    #[test]
    fn our_codes_have_the_contracts_statuses_and_prefix() {
        for code in Code::ALL {
            assert!(code.name().starts_with("seawall_"), "{code}");
            let expected = if code.status() < 500 { "invalid_request_error" } else { "server_error" };
            assert_eq!(code.kind(), expected, "{code}");
        }
        assert_eq!(Code::Connect.status(), 502);
        assert_eq!(Code::Deadline.status(), 504);
        assert_eq!(Code::Unavailable.status(), 503);
        assert_eq!(Code::Loop.status(), 508);
    }
}
