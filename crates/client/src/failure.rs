//! Why a call has no answer, and what its caller can be told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, response};
use seawall_core::event::{self, Outcome, Reason};
use seawall_core::verdict::{Class, Fault, Said};

use crate::diagnosed::Diagnosed;
use crate::tale::Tale;

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

    /// The request as it is on record, if an attempt was made.
    #[must_use]
    pub fn record(&self) -> Option<&Arc<event::Request>> {
        self.record.as_ref()
    }

    /// Tells the observer that the caller is answered with `status`; call it once.
    pub fn answered_with(&mut self, status: u16) {
        if let Some(mut tale) = self.tale.take() {
            tale.unanswered(self.outcome, self.reason, status, self.diagnosis.as_ref());
        }
    }
}
