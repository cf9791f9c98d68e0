//! What is known of a page, for programs: the same object in `/api/v1/status` and in `seawall status --json`.

use schemars::JsonSchema;
use seawall_core::plan::breaker::State;
use serde::Serialize;

use super::super::journal::when::Moment;
use super::board::{Board, Snapshot};
use super::{Component, Condition, Incident, Indicator, time};

/// One page and what it said last. Where it could not be asked since, `trouble` says why, and the rest is
/// what it said at `read`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StatusPage")]
pub(crate) struct Told<'a> {
    url: &'a str,
    #[serde(serialize_with = "time")]
    #[schemars(with = "Option<Moment>")]
    asked: Option<i64>,
    #[serde(serialize_with = "time")]
    #[schemars(with = "Option<Moment>")]
    read: Option<i64>,
    trouble: Option<String>,
    name: Option<&'a str>,
    #[serde(serialize_with = "time")]
    #[schemars(with = "Option<Moment>")]
    updated: Option<i64>,
    indicator: Option<Indicator>,
    description: Option<&'a str>,
    /// The worst of the components.
    api: Option<Condition>,
    components: &'a [Component],
    incidents: &'a [Incident],
}

impl Snapshot {
    /// The same for programs; `url` is the page's address.
    pub(crate) fn told<'a>(&'a self, url: &'a str) -> Told<'a> {
        let page = self.page.as_deref();
        Told {
            url,
            asked: self.asked,
            read: self.read,
            trouble: self.trouble.as_ref().map(ToString::to_string),
            name: page.and_then(|page| page.name.as_deref()),
            updated: page.and_then(|page| page.updated),
            indicator: page.and_then(|page| page.indicator),
            description: page.and_then(|page| page.description.as_deref()),
            api: page.and_then(super::Page::worst),
            components: page.map_or(&[], |page| &page.components),
            incidents: page.map_or(&[], |page| &page.incidents),
        }
    }
}

/// Everything on a board. The keys are in the order of the alphabet, as they have been from the beginning.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Status")]
pub(crate) struct All {
    /// The upstreams, in the order of the configuration.
    upstreams: Vec<OfUpstream>,
}

/// One upstream.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StatusOfUpstream")]
struct OfUpstream {
    /// What is known of each model that was asked for here.
    breakers: Vec<OfBreaker>,
    /// Its status page; `null` if it has none.
    #[schemars(with = "Option<Told<'static>>")]
    page: serde_json::Value,
    /// Its name.
    upstream: String,
    /// Whether its page is wanted now.
    watched: bool,
}

/// How far the breaker of a model has gone.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StatusOfBreaker")]
struct OfBreaker {
    /// The model; `-` for requests without one.
    model: String,
    /// `closed`, `guarded`, `open`, `half_open` or `ramp`.
    state: &'static str,
}

impl Board {
    /// Everything on it. `breakers` are upstream, model and state.
    pub(crate) fn told(&self, breakers: &[(String, String, State)]) -> All {
        let each = self.posted().into_iter().map(|posted| {
            let page = posted.url.as_deref().map(|url| posted.snapshot.told(url));
            let own = breakers.iter().filter(|(upstream, ..)| *upstream == posted.upstream);
            OfUpstream {
                breakers: own
                    .map(|(_, model, state)| OfBreaker { model: model.clone(), state: state.name() })
                    .collect(),
                // Texts and numbers: writing them cannot fail.
                page: serde_json::to_value(page).unwrap_or_default(),
                upstream: posted.upstream,
                watched: posted.is_watched,
            }
        });
        All { upstreams: each.collect() }
    }
}
