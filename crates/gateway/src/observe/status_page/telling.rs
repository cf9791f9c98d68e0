//! What is known of a page, for programs: the same object in `/api/v1/status` and in `seawall status --json`.

use seawall_core::plan::breaker::State;
use serde::Serialize;

use super::board::{Board, Snapshot};
use super::{Component, Condition, Incident, Indicator, time};

/// One page and what it said last. Where it could not be asked since, `trouble` says why, and the rest is
/// what it said at `read`.
#[derive(Debug, Serialize)]
pub(crate) struct Told<'a> {
    url: &'a str,
    #[serde(serialize_with = "time")]
    asked: Option<i64>,
    #[serde(serialize_with = "time")]
    read: Option<i64>,
    trouble: Option<String>,
    name: Option<&'a str>,
    #[serde(serialize_with = "time")]
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

impl Board {
    /// Everything on it: `{"upstreams":[{"upstream","breakers","watched","page"}]}`, where `page` is null for
    /// an upstream without one. `breakers` are upstream, model and state.
    pub(crate) fn told(&self, breakers: &[(String, String, State)]) -> impl Serialize + use<> {
        #[derive(Serialize)]
        struct All {
            upstreams: Vec<serde_json::Value>,
        }
        let each = self.posted().into_iter().map(|posted| {
            let page = posted.url.as_deref().map(|url| posted.snapshot.told(url));
            let own = breakers.iter().filter(|(upstream, ..)| *upstream == posted.upstream);
            let own = own.map(|(_, model, state)| serde_json::json!({ "model": model, "state": state.name() }));
            serde_json::json!({
                "upstream": posted.upstream,
                "breakers": own.collect::<Vec<_>>(),
                "watched": posted.is_watched,
                "page": page,
            })
        });
        All { upstreams: each.collect() }
    }
}
