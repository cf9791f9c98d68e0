//! What the plan must know of a request.

use std::time::Duration;

use super::policy::{Policy, Timeouts};
use super::route::Candidates;
use super::shapes::Form;
use crate::event::Reason;
use crate::reframe;
use crate::request::{Patience, Repeatable, Request};

/// Answers to the caller are due this much before its own patience ends: 2 %, at least 250 ms.
const MARGIN_MIN: Duration = Duration::from_millis(250);

/// What the plan must know of a request.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// The upstreams that may serve it.
    pub candidates: Candidates,
    /// The request's form: what is learnt of it is learnt for all of its form.
    pub form: Form,
    /// What may be sent twice.
    pub repeatable: Repeatable,
    /// Whether the body can be sent again, and if not, why.
    pub replay: Result<(), Reason>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Whether its whole answer can be asked for as a stream.
    pub can_upgrade: bool,
    /// Whether a stream can be asked for as a whole answer, should its tools be the reason why it fails.
    pub can_probe: bool,
    /// What tells its tools from others; 0 for none.
    pub tool_mark: u64,
    /// The bytes of its body, as far as they are known.
    pub body_bytes: u64,
    /// How long the caller waits, as it says.
    pub patience: Patience,
    /// `x-stainless-retry-count`.
    pub client_retries: u32,
    /// `x-seawall-max-retries`: may only lower the policy's attempts.
    pub max_retries: Option<u32>,
}

impl Ask {
    /// What the plan must know of `request`, whose body can be sent again if `replay` says so. Whether it
    /// can be upgraded is for who has the body to say.
    #[must_use]
    pub fn of(request: &Request, candidates: Candidates, replay: Result<(), Reason>, max_retries: Option<u32>) -> Ask {
        Ask {
            candidates,
            form: Form::of(request),
            repeatable: if candidates.repeatable { Repeatable::Yes } else { request.repeatable() },
            replay,
            stream: request.stream,
            can_upgrade: false,
            can_probe: reframe::can_ask_whole(request),
            tool_mark: request.tool_mark,
            body_bytes: request.body_bytes,
            patience: request.patience,
            client_retries: request.client_retries,
            max_retries,
        }
    }

    /// How long the request may take to its first content or its end: what the caller says, less a
    /// margin for the answer's way back, else what the policy says.
    pub(super) fn patience(&self, policy: &Policy) -> Duration {
        announced(&self.patience, &policy.timeout).unwrap_or(policy.timeout.total)
    }
}

/// How long a caller waits, less a margin for the answer's way back; `None` if it does not say.
#[must_use]
pub fn announced(patience: &Patience, timeout: &Timeouts) -> Option<Duration> {
    // A read timeout runs from byte to byte: before the first one, it is the patience for it.
    let announced = patience.total.or(patience.read)?;
    let margin = (announced / 50).max(MARGIN_MIN);
    Some(announced.saturating_sub(margin).max(announced / 2).min(timeout.total_max))
}
