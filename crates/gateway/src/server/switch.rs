//! From HTTP to a WebSocket: the caller's 101, and the connection behind it.
//!
//! The order is the point. The upstream's 101 is here before the caller's is written, and hyper
//! lets go of the caller's connection only when that has been: until then nothing that the caller
//! sends can reach the upstream, and what it sends too early lies in hyper's buffer.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade;
use seawall::proxy::Tunnel;
use seawall_core::upstream::UpstreamId;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::loud::{Serving, Wire};
use super::tunnel::Both;
use super::{InFlight, Server};
use crate::observe::upgrades::Ending;

/// A connection whose 101 is on its way to the caller.
pub(crate) struct Switch {
    /// The caller's side, as soon as it is no longer hyper's.
    pub(crate) caller: OnUpgrade,
    /// The upstream's.
    pub(crate) tunnel: Box<Tunnel>,
    /// Seawall's id of the request.
    pub(crate) id: String,
    /// What a request holds while it is served.
    pub(crate) held: (InFlight, Serving),
}

/// Says in the head of a 101 what an upstream's may not say about its own connection.
pub(crate) fn confirm(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

impl Switch {
    /// Serves the WebSocket to its end, within `drain` once `shutdown` is true; the caller's socket,
    /// to be closed.
    pub(crate) async fn run(
        self,
        server: Arc<Server>,
        shutdown: watch::Receiver<bool>,
        drain: Duration,
    ) -> Option<TcpStream> {
        let Switch { caller, tunnel, id, held: _held } = self;
        let mut open = Open::count(&server, tunnel.upstream());
        // An error means that the caller left before its 101 was written.
        let upgraded = caller.await.ok()?;
        let parts = upgrade::downcast::<TokioIo<Wire>>(upgraded).ok()?;
        let socket = parts.io.into_inner().into_socket();
        let both = Both::new(socket, parts.read_buf, tunnel);
        let (socket, ending) = both.run(&server.observe, &id, shutdown, drain).await;
        open.ending = Some(ending);
        Some(socket)
    }
}

/// Counts a WebSocket as open until it is dropped, by whatever end.
struct Open {
    server: Arc<Server>,
    upstream: UpstreamId,
    ending: Option<Ending>,
}

impl Open {
    fn count(server: &Arc<Server>, upstream: UpstreamId) -> Open {
        server.observe.metrics.upgrades.open.inc();
        Open { server: Arc::clone(server), upstream, ending: None }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let metrics = &self.server.observe.metrics;
        metrics.upgrades.open.dec();
        // One that is dropped half-way is one that the drain time was too short for.
        let unsaid = if self.server.is_draining() { Ending::Drained } else { Ending::CallerLeft };
        metrics.upgrade(self.upstream, self.ending.unwrap_or(unsaid));
    }
}
