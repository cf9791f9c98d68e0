//! A gateway, put together from its parts, run and drained.
//!
//! `serve`, `exec` and `demo` start the same thing; they differ in where its addresses, its
//! configuration and its journal come from.

pub(crate) mod alerts;
pub(crate) mod notify;
mod pages;
mod telemetry;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use seawall::{BuildError, Client, Key, Memory, Proxy, Upstream};
use seawall_core::upstream::Upstream as Placed;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};

use crate::config::{Config, ProxyUrl, Secret, UpstreamAuth, UpstreamConfig};
use crate::observe::Observe;
use crate::observe::alert::Alerts;
use crate::observe::incidents::{LOOK_EVERY, Names};
use crate::observe::journal::{Closed, Journal};
use crate::observe::rollup;
use crate::server::door::Door;
use crate::server::{self, Limits, Server, admin};
use seawall::proxy::Limits as BodyLimits;

pub(crate) use pages::site;

/// The journal has this long for its last rows at a clean end.
const JOURNAL_CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Receivers of alerts have this long for what still waits for them at a clean end.
const ALERTS_CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// The collector of traces and metrics has this long for what still waits for it at a clean end.
const TELEMETRY_CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Operators have this long for the end of what they listen to.
const OPERATORS_CLOSE_WITHIN: Duration = Duration::from_millis(500);
/// After SIGTERM new requests are refused, and connections still taken, for this long: whoever
/// routes here has to notice that `/readyz` says no.
pub(crate) const NOTICE: Duration = Duration::from_millis(500);

/// The longest that [`Gateway::stop`] takes where requests have `drain` to finish.
pub(crate) fn stops_within(drain: Duration) -> Duration {
    let close = OPERATORS_CLOSE_WITHIN + ALERTS_CLOSE_WITHIN.max(TELEMETRY_CLOSE_WITHIN) + JOURNAL_CLOSE_WITHIN;
    NOTICE + drain + close
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// An address is taken, or not ours.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// An upstream, a receiver of alerts or a collector cannot be spoken to as configured.
    #[error(transparent)]
    Upstream(#[from] BuildError),
}

impl StartError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            StartError::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse => {
                "another program listens there: stop it, or choose another address with --listen and --admin"
            }
            StartError::Listen { .. } => "choose an address of this machine with --listen and --admin",
            StartError::Upstream(_) => "`seawall config check` looks at the configuration",
        }
    }
}

/// A gateway that serves.
pub(crate) struct Gateway {
    /// Where callers connect.
    pub(crate) listen: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
    /// What it is made of.
    pub(crate) server: Arc<Server>,
    shutdown: watch::Sender<bool>,
    admin_shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Serves operators.
    operators: JoinSet<()>,
    /// Asks status pages, and looks at incidents. Nothing waits for them, and they end with this.
    pollers: JoinSet<()>,
    /// Hands what was counted to the journal. It ends with this.
    counting: JoinSet<()>,
}

impl Gateway {
    /// Binds both addresses and serves; nothing is written to `journal` before that works.
    pub(crate) fn start(config: &Config, journal: Journal) -> Result<Gateway, StartError> {
        let listener = bind(config.server.listen)?;
        let admin_listener = bind(config.server.admin)?;
        let address = |listener: &TcpListener, asked| listener.local_addr().unwrap_or(asked);
        let listen = address(&listener, config.server.listen);
        let admin = address(&admin_listener, config.server.admin);

        let sample = f64::from(config.journal.success_sample_ppm) / 1_000_000.0;
        let pages = Arc::new(pages::board(config));
        let alerts = Arc::new(Alerts::start(alerts::receivers(config), &alerts::links(admin))?);
        let observe = Arc::new(Observe::new(
            journal,
            names(config),
            sample,
            config.incident.looked_for(),
            Arc::clone(&pages),
            alerts,
            telemetry::settings(config),
        )?);
        let memory = Memory::new(usize::try_from(config.server.memory_max).unwrap_or(usize::MAX));
        let client = Client::builder()
            .upstreams(config.upstreams.iter().map(upstream))
            .policy(config.policy.clone())
            .routes(config.routes.clone())
            .observer(Arc::clone(&observe) as Arc<dyn seawall::Observer>)
            .memory(Arc::clone(&memory))
            .build()?;
        let door = door(config, listen, &client);
        let limits = Limits {
            in_flight_max: config.server.in_flight_max as usize,
            connections_max: config.server.connections_max as usize,
            bodies: BodyLimits { body_max: config.server.body_bytes_max, replay_max: config.server.replay_bytes_max },
        };
        let server = Server::new(client, observe, door, limits, memory);

        let (shutdown, stop) = watch::channel(false);
        let (admin_shutdown, admin_stop) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(Arc::clone(&server), listener, stop, config.server.drain));
        let token = config.server.admin_token.clone();
        let mut operators = JoinSet::new();
        let policy = config.policy.clone();
        operators.spawn(admin::serve(Arc::clone(&server), token, policy, admin_listener, admin_stop));
        let mut pollers = pages::pollers(config, &pages)?;
        pollers.spawn(look(Arc::clone(&server.observe)));
        let observe = Arc::clone(&server.observe);
        pollers.spawn(async move { observe.incidents.deliver().await });
        let mut counting = JoinSet::new();
        counting.spawn(rollup::tend(Arc::clone(&server.observe)));
        Ok(Gateway { listen, admin, server, shutdown, admin_shutdown, tasks, operators, pollers, counting })
    }

    /// Stops taking requests, finishes those under way within the drain time, and closes the
    /// journal. `now` ends the waiting early.
    pub(crate) async fn stop(self, now: impl Future<Output = ()>) -> Closed {
        self.stop_after(NOTICE, now).await
    }

    /// The same, with as long a notice as is said.
    pub(crate) async fn stop_after(mut self, notice: Duration, now: impl Future<Output = ()>) -> Closed {
        self.server.drain();
        self.pollers.abort_all();
        let draining = async {
            tokio::time::sleep(notice).await;
            // A receiver that is gone has nothing left to stop.
            let _ = self.shutdown.send(true);
            self.tasks.join_next().await;
        };
        tokio::select! {
            () = draining => {}
            () = now => {}
        }
        let _ = self.admin_shutdown.send(true);
        self.tasks.shutdown().await;
        let _ = timeout(OPERATORS_CLOSE_WITHIN, self.operators.join_next()).await;
        self.operators.shutdown().await;
        self.pollers.shutdown().await;
        self.server.observe.incidents.close();
        // Every request is over by now, and its trace with it.
        let observe = &self.server.observe;
        tokio::join!(observe.alerts.close(ALERTS_CLOSE_WITHIN), observe.telemetry.close(TELEMETRY_CLOSE_WITHIN));
        self.counting.shutdown().await;
        self.server.observe.hand_over_last();
        let journal = self.server.observe.journal.clone();
        drop(self);
        tokio::task::spawn_blocking(move || journal.close(JOURNAL_CLOSE_WITHIN)).await.unwrap_or(Closed::Late)
    }
}

/// Tells of incidents what has become due, for ever.
async fn look(observe: Arc<Observe>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        observe.incidents.look();
    }
}

/// What the record calls everything that is configured. A key is called by where it comes from.
fn names(config: &Config) -> Names {
    let key = |(at, key): (usize, &Secret)| format!("{} ({})", at + 1, key.origin());
    let keys = |upstream: &UpstreamConfig| upstream.api_keys.iter().enumerate().map(key).collect();
    Names {
        upstreams: config.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
        keys: config.upstreams.iter().map(keys).collect(),
        routes: config.routes.iter().map(|route| route.models.join(" ")).collect(),
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    server::listen(address).map_err(|error| StartError::Listen { address, error })
}

/// An upstream, as it is spoken to.
pub(crate) fn upstream(config: &UpstreamConfig) -> Upstream {
    let mut upstream = Upstream::at(config.name.clone(), config.base.clone());
    upstream.keys = config.api_keys.iter().filter_map(|key| own_key(config.auth, key)).collect();
    upstream.proxy = config.proxy.as_ref().map(through);
    upstream.roots_pem = config.roots.as_ref().map(|roots| roots.pem.clone());
    upstream.models = config.models.clone();
    (upstream.priority, upstream.weight) = (config.priority, config.weight);
    upstream.model_map = config.model_map.clone();
    upstream
}

/// An upstream, as far as it matters whether it serves a model.
pub(crate) fn placed(config: &UpstreamConfig) -> Placed {
    Placed {
        name: config.name.clone(),
        priority: config.priority,
        models: config.models.clone(),
        weight: config.weight,
        model_map: config.model_map.clone(),
        keys: config.api_keys.len(),
    }
}

fn through(proxy: &ProxyUrl) -> Proxy {
    Proxy { host: proxy.host.clone(), port: proxy.port, authorization: proxy.authorization.clone() }
}

/// A key, as it is sent; `None` if no header can carry it, which the configuration rules out.
fn own_key(auth: UpstreamAuth, key: &Secret) -> Option<Key> {
    match auth {
        UpstreamAuth::Bearer => {
            let value = HeaderValue::try_from(format!("Bearer {}", key.expose())).ok()?;
            Some(Key::new(header::AUTHORIZATION, value))
        }
        UpstreamAuth::ApiKey => {
            let value = HeaderValue::try_from(key.expose()).ok()?;
            Some(Key::new(header::HeaderName::from_static("api-key"), value))
        }
    }
}

fn door(config: &Config, listen: SocketAddr, client: &Client) -> Door {
    // The id of this process in `Via`: the end of a request id is as unlike others as can be.
    let id = client.new_id(seawall::proxy::unix_micros());
    let has_a_key = config.upstreams.iter().any(|u| !u.api_keys.is_empty());
    Door {
        via: HeaderValue::try_from(format!("1.1 seawall-{}", &id[id.len() - 8..])).expect("hex digits"),
        guards_a_key: has_a_key && config.clients.is_empty() && !config.server.behind_auth,
        hosts: vec![listen.to_string()],
        clients: config.clients.iter().map(|c| (c.name.clone(), c.token.clone())).collect(),
    }
}

#[cfg(test)]
mod tests;
