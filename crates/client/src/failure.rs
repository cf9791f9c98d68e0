//! Why a call has no answer, and what its caller can be told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, response};
use seawall_core::event::{self, Outcome, Reason};
use seawall_core::verdict::code::Code;
use seawall_core::verdict::{Again, Class, Fault, Said, Whose};

use crate::diagnosed::Diagnosed;
use crate::tale::{Tale, Words};

/// Why there is no answer.
pub struct Failure {
    /// The last reply that tells the caller something.
    pub reply: Option<(response::Parts, Bytes)>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why no further attempt was made.
    pub reason: Reason,
    /// What the last attempt ended in.
    pub class: Option<Class>,
    /// Who has to change something, as that attempt tells.
    pub whose: Option<Whose>,
    /// Where it would make sense to ask again, as that attempt tells.
    pub again: Option<Again>,
    /// What went wrong with it.
    pub fault: Option<Fault>,
    /// What the informative reply said about itself.
    pub said: Option<Box<Said>>,
    /// How the upstream asked to be left alone.
    pub wait: Option<Duration>,
    /// Attempts made.
    pub attempts: u32,
    /// The name of the upstream asked last.
    pub upstream: Option<HeaderValue>,
    /// The upstreams' own ids of the attempts.
    pub upstream_ids: Vec<String>,
    /// Whether the caller should be asked to come back by itself.
    pub invites: bool,
    /// When an upstream that is not asked now will be asked again, if that is the reason.
    pub retry_in: Option<Duration>,
    /// Why requests like this one fail every time, if that is why nothing more was tried.
    pub diagnosis: Option<Diagnosed>,
    /// How long the request had, to its deadline.
    pub patience: Duration,
    pub(crate) record: Option<Arc<event::Request>>,
    pub(crate) tale: Option<Tale>,
}

impl Failure {
    /// The caller's time is over, and what is generated for it goes on.
    pub(crate) fn of_patience(patience: Duration, invites: bool) -> Failure {
        Failure {
            reply: None,
            outcome: Outcome::Deadline,
            reason: Reason::Deadline,
            class: Some(Class::Ambiguous),
            whose: Some(Class::Ambiguous.whose()),
            again: Some(Class::Ambiguous.again()),
            fault: Some(Fault::Deadline),
            said: None,
            wait: None,
            attempts: 1,
            upstream: None,
            upstream_ids: Vec::new(),
            invites,
            retry_in: None,
            diagnosis: None,
            patience,
            record: None,
            tale: None,
        }
    }

    /// What the last reply said about itself, as it may be written down.
    #[must_use]
    pub fn words(&self) -> Option<&Words> {
        self.tale.as_ref()?.words.as_deref()
    }

    /// The request as it is on record, if an attempt was made.
    #[must_use]
    pub fn record(&self) -> Option<&Arc<event::Request>> {
        self.record.as_ref()
    }

    /// The status for the caller: that of the upstream's last word, of a 200 with an error inside the one that it
    /// means; else that of [`Failure::code`].
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let Some((head, _)) = &self.reply else {
            return StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::BAD_GATEWAY);
        };
        match self.said.as_deref().and_then(|said| said.status).map(StatusCode::from_u16) {
            Some(Ok(meant)) if head.status.is_success() => meant,
            _ if head.status.is_success() => StatusCode::BAD_GATEWAY,
            _ => head.status,
        }
    }

    /// The code of a failure that no upstream worded.
    #[must_use]
    pub fn code(&self) -> Code {
        match (self.fault, self.class) {
            (None, _) => Code::Unavailable,
            (Some(Fault::Deadline), _) => Code::Deadline,
            (Some(Fault::FirstContentTimeout | Fault::Stall), _) => Code::Timeout,
            (Some(Fault::Tls), _) => Code::Tls,
            (_, Some(Class::NotSent)) => Code::Connect,
            (Some(Fault::StreamEmpty | Fault::StreamCut), _) => Code::BadReply,
            _ => Code::UpstreamProtocol,
        }
    }

    /// What happened, in our own words and numbers: nothing that a request or a reply said.
    #[must_use]
    pub fn says(&self) -> String {
        let nobody = if self.attempts > 0 { "the upstream" } else { "no upstream" };
        let upstream = self.upstream.as_ref().and_then(|v| v.to_str().ok()).unwrap_or(nobody);
        if self.attempts == 0 && matches!(self.reason, Reason::Breaker | Reason::Queue) {
            let wait = self.retry_in.unwrap_or_default().as_secs_f64();
            return format!("its upstreams have failed again and again, and are asked again in {wait:.1} s");
        }
        let Some(fault) = self.fault else {
            return "no upstream serves this model".to_string();
        };
        let mut says = format!("{upstream}: {} ({}", plainly(fault), times(self.attempts));
        if fault == Fault::Deadline {
            says.push_str(&format!(", deadline {:.1} s", self.patience.as_secs_f64()));
        }
        says.push(')');
        if let Some(found) = &self.diagnosis {
            says.push_str("; ");
            says.push_str(&found.text);
        }
        says
    }

    /// Tells the observer that the caller is answered with `status`; call it once.
    pub fn answered_with(&mut self, status: u16) {
        if let Some(mut tale) = self.tale.take() {
            tale.unanswered(self.outcome, self.reason, status, self.diagnosis.as_ref());
        }
    }
}

/// `1 attempt`, `2 attempts`.
pub(crate) fn times(attempts: u32) -> String {
    if attempts == 1 { "1 attempt".to_string() } else { format!("{attempts} attempts") }
}

/// A fault, for a person.
#[must_use]
pub fn plainly(fault: Fault) -> &'static str {
    match fault {
        Fault::Resolve => "its name does not resolve",
        Fault::Refused => "the connection was refused",
        Fault::ConnectTimeout => "no connection in time",
        Fault::Tls => "no secure connection: certificate, name or protocol",
        Fault::NotSent => "the connection ended before the request was sent",
        Fault::Stale => "a kept connection had been closed",
        Fault::Reset => "the connection ended before any answer",
        Fault::Garbage => "the answer was not HTTP",
        Fault::FirstContentTimeout => "no content in time",
        Fault::Deadline => "no answer before the deadline",
        Fault::Truncated => "the answer was cut short",
        Fault::BodyReset => "the connection was reset half-way",
        Fault::Stall => "it stopped sending",
        Fault::Undecodable => "the answer could not be decoded",
        Fault::StreamCut => "the stream ended without its last event",
        Fault::StreamEmpty => "the stream ended without any content",
        Fault::StreamError => "the stream reported an error",
        _ => "the answer was no answer",
    }
}
