//! What every request of a client shares: policy, upstreams, the one lock, and who is told.

use std::sync::Arc;

use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::Routes;
use seawall_core::upstream::UpstreamId;

use crate::memory::Memory;
use crate::observer::Observer;
use crate::shared::Shared;
use crate::upstream::Upstream;

pub(crate) struct Engine {
    pub(crate) policy: Policy,
    pub(crate) routes: Arc<Routes>,
    pub(crate) shared: Shared,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) memory: Arc<Memory>,
    /// In the order of the configuration.
    pub(crate) upstreams: Vec<Upstream>,
}

impl Engine {
    pub(crate) fn upstream(&self, id: UpstreamId) -> &Upstream {
        &self.upstreams[id.index()]
    }
}
