//! The same request, asking for a stream, or for a whole answer: what it takes, and how it is said.
//!
//! Whether it is done is the plan's to decide. Here is whether it can be.

use bytes::Bytes;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::Candidates;
use seawall_core::plan::upgrade::Upgrade;
use seawall_core::reframe::{self, Splice};
use seawall_core::request::Request;

use crate::body::Payload;

/// Whether the request can ask for a stream. Nobody looks where that is never done.
pub(crate) fn can_upgrade(policy: &Policy, candidates: &Candidates, facts: &Request, payload: &Payload) -> bool {
    let is_wanted = candidates.upgrade(policy) != Upgrade::Off;
    is_wanted && payload.kept().is_some_and(|body| reframe::can_upgrade(facts, body))
}

/// `body`, asking for a stream; unchanged if it cannot.
pub(crate) fn upgraded(facts: &Request, body: &Bytes) -> Bytes {
    let splice = facts.endpoint.dialect().and_then(|dialect| Splice::of(dialect, body));
    splice.map_or_else(|| body.clone(), |splice| splice.applied(body).into())
}

/// `body`, asking for a whole answer in place of a stream; unchanged if it cannot.
pub(crate) fn whole(body: &Bytes) -> Bytes {
    Splice::whole(body).map_or_else(|| body.clone(), |splice| splice.applied(body).into())
}
