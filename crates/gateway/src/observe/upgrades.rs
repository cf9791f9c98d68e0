//! How many WebSockets there are, and how those that were ended.

use std::fmt::Write;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How a WebSocket ended: the label `ending`, a closed list.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Ending {
    /// One side said goodbye with a close frame.
    Closed,
    /// The caller went without one.
    CallerLeft,
    /// The caller took nothing of what waited for it, for minutes.
    CallerStalled,
    /// The upstream went without one: on record, and told to the caller with code 1011.
    UpstreamBroke,
    /// Seawall shut down: both were told, with code 1001.
    Drained,
}

impl Ending {
    /// The label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Ending::Closed => "closed",
            Ending::CallerLeft => "caller_left",
            Ending::CallerStalled => "caller_stalled",
            Ending::UpstreamBroke => "upstream_broke",
            Ending::Drained => "drained",
        }
    }
}

impl EncodeLabelValue for Ending {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.name())
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    upstream: Arc<str>,
    ending: Ending,
}

/// The numbers.
#[derive(Default)]
pub(crate) struct Upgrades {
    /// Those that are open.
    pub(crate) open: Gauge,
    ended: Family<Labels, Counter>,
}

impl Upgrades {
    /// Makes them known.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("upgrades_open", "WebSockets open", self.open.clone());
        registry.register("upgrades", "WebSockets that were open, by how they ended", self.ended.clone());
    }

    /// Counts one that ended.
    pub(crate) fn ended(&self, upstream: &Arc<str>, ending: Ending) {
        self.ended.get_or_create(&Labels { upstream: Arc::clone(upstream), ending }).inc();
    }
}
