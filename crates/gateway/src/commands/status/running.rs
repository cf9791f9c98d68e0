//! What the gateway that runs from a data directory knows, and its journal does not: how its breakers are.
//!
//! It is asked on its admin side. One that is gone, that hangs or that wants another token says nothing, and
//! that is no reason to say less about everything else.

use std::collections::HashMap;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, header};
use seawall::{Dialer, Settings};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::config::Config;
use crate::data_dir;
use crate::observe::status_page::fetch::{self, Answer};

/// A gateway on this machine answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

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

/// Asks the gateway that announced itself in the data directory; `None` if there is none that answers.
pub(super) async fn breakers(config: &Config) -> Option<Breakers> {
    let admin = data_dir::announced(&config.data_dir)?.admin?;
    let dialer = Dialer::to(&Settings::new("admin", format!("http://{admin}").parse().ok()?)).ok()?;
    let token = config.server.admin_token.as_ref().and_then(|token| {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
        value.set_sensitive(true);
        Some((header::AUTHORIZATION, value))
    });
    let path = PathAndQuery::from_static("/api/v1/status");
    match timeout(ANSWER_WITHIN, fetch::get(&dialer, &path, token)).await {
        Ok(Ok(Answer::Body(body, _))) => {
            let said: Said = serde_json::from_slice(&body).ok()?;
            Some(said.upstreams.into_iter().map(|of| (of.upstream, of.breakers)).collect())
        }
        _ => None,
    }
}
