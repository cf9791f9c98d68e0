//! What the gateway that runs from a data directory knows, and its journal does not: how its breakers are.
//!
//! It is asked on its admin side. One that is gone, that hangs or that wants another token says nothing, and
//! that is no reason to say less about everything else.

use std::collections::HashMap;

use http::Method;
use serde::{Deserialize, Serialize};

use super::super::running::{Address, ask};
use crate::config::Config;

/// The breakers of each upstream, by its name.
pub(super) type Breakers = HashMap<String, Vec<Breaker>>;

/// One breaker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Breaker {
    /// The model it is for.
    pub(super) model: String,
    /// How far it has gone.
    pub(super) state: String,
}

#[derive(Deserialize)]
struct Said {
    upstreams: Vec<OfUpstream>,
}

#[derive(Deserialize)]
struct OfUpstream {
    upstream: String,
    breakers: Vec<Breaker>,
}

/// Asks the gateway that was named, or that announced itself in the data directory; `None` if there is none that answers.
pub(super) async fn breakers(named: Option<&Address>, config: &Config) -> Option<Breakers> {
    let said = ask(named, config, Method::GET, "/api/v1/status").await.ok()?;
    let said: Said = serde_json::from_slice(&said).ok()?;
    Some(said.upstreams.into_iter().map(|of| (of.upstream, of.breakers)).collect())
}
