//! What every request of a client shares: policy, upstreams, the one lock, and who is told.

use std::sync::Arc;

use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::Routes;
use seawall_core::upstream::UpstreamId;

use crate::memory::Memory;
use crate::observer::Observer;
use crate::peer::Peer;
use crate::shared::Shared;

pub(crate) struct Engine {
    pub(crate) policy: Policy,
    pub(crate) routes: Arc<Routes>,
    pub(crate) shared: Shared,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) memory: Arc<Memory>,
    /// In the order of the configuration.
    pub(crate) upstreams: Vec<Peer>,
}

impl Engine {
    /// Whether a request's own credentials may be passed on: every upstream without a key of its own is the same host.
    pub(crate) fn may_pass_credentials(&self) -> bool {
        let mut hosts = self.upstreams.iter().filter(|upstream| !upstream.has_key()).map(Peer::place);
        let first = hosts.next();
        hosts.all(|host| Some(host) == first)
    }

    pub(crate) fn upstream(&self, id: UpstreamId) -> &Peer {
        &self.upstreams[id.index()]
    }
}
