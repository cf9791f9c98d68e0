//! The doors: callers' connections on one address, operators' on another.
//!
//! A connection is accepted, bounded in number, in header time and in size, and served until it
//! ends or the gateway drains. Nothing that a caller does on one connection can be felt on
//! another, but for the limits that all share.

pub(crate) mod admin;
mod amend;
pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod door;
mod frames;
pub(crate) mod head;
mod lane;
pub(crate) mod last_event;
pub(crate) mod loud;
pub(crate) mod proxy;
mod switch;
mod tunnel;
pub(crate) mod whole;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use seawall::{Client, Memory};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use crate::observe::Observe;
use door::Door;
use head::IDLE_MAX;
use loud::{Conn, Wire};
use seawall::proxy::Limits as BodyLimits;

/// hyper's own bounds, above ours so that ours can answer: fields, and bytes of buffer.
const HYPER_FIELDS_MAX: usize = 256;
const HYPER_BUFFER_MAX: usize = 256 * 1024;
/// Streams of one HTTP/2 connection (Envoy's value for an edge).
const H2_STREAMS_MAX: u32 = 100;
/// HTTP/2 flow-control windows: of a stream, of a connection.
const H2_STREAM_WINDOW: u32 = 64 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// After a failed accept (no file descriptors, for one) the listener rests for this long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// How much is served at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests.
    pub(crate) in_flight_max: usize,
    /// Connections.
    pub(crate) connections_max: usize,
    /// Bodies.
    pub(crate) bodies: BodyLimits,
}

/// Everything that serving a request needs.
pub(crate) struct Server {
    /// Sends.
    pub(crate) client: Client,
    /// Watches.
    pub(crate) observe: Arc<Observe>,
    /// Lets in.
    pub(crate) door: Door,
    /// Bounds.
    pub(crate) limits: Limits,
    /// The room for bytes that are held.
    pub(crate) memory: Arc<Memory>,
    in_flight: AtomicUsize,
    draining: AtomicBool,
}

impl Server {
    pub(crate) fn new(
        client: Client,
        observe: Arc<Observe>,
        door: Door,
        limits: Limits,
        memory: Arc<Memory>,
    ) -> Arc<Server> {
        let (in_flight, draining) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Server { client, observe, door, limits, memory, in_flight, draining })
    }

    /// Whether the gateway is shutting down.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on new requests are refused.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// A request being served: one of a bounded number.
pub(crate) struct InFlight {
    server: Arc<Server>,
}

impl InFlight {
    fn enter(server: &Arc<Server>) -> Option<InFlight> {
        let before = server.in_flight.fetch_add(1, Ordering::Relaxed);
        if before >= server.limits.in_flight_max {
            server.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        server.observe.metrics.in_flight.inc();
        Some(InFlight { server: Arc::clone(server) })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.server.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.server.observe.metrics.in_flight.dec();
    }
}

/// A listener on `address`, which may be taken over at once after a restart.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    TcpListener::from_std(socket.into())
}

/// Serves callers on `listener` until `shutdown` changes, then finishes what is under way, for
/// `drain` at most.
pub(crate) async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    mut shutdown: watch::Receiver<bool>,
    drain: Duration,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|down| *down) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, _)) if connections.len() < server.limits.connections_max => {
                connections.spawn(connection(Arc::clone(&server), socket, shutdown.clone(), drain));
            }
            // Beyond the limit a connection is closed at once; its caller's SDK will try again.
            Ok((socket, _)) => drop(socket),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    let until = loud::now() + drain;
    let _ = timeout_at(until, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn connection(server: Arc<Server>, socket: TcpStream, shutdown: watch::Receiver<bool>, drain: Duration) {
    // A socket that refuses the option still works.
    let _ = socket.set_nodelay(true);
    let conn = Conn::new();
    let io = TokioIo::new(Wire::new(socket, Arc::clone(&conn)));
    let service = service_fn(|request: Request<Incoming>| {
        let (server, conn) = (Arc::clone(&server), Arc::clone(&conn));
        async move { Ok::<_, Infallible>(proxy::handle(server, conn, request).await) }
    });
    let builder = builder();
    {
        let serving = builder.serve_connection_with_upgrades(io, service);
        tokio::pin!(serving);
        if let Err(error) =
            until_shutdown(serving.as_mut(), shutdown.clone(), auto::UpgradeableConnection::graceful_shutdown).await
            && is_malformed(error.as_ref())
        {
            server.observe.metrics.malformed.inc();
        }
    }
    if let Some(switch) = conn.switched()
        && let Some(socket) = switch.run(Arc::clone(&server), shutdown.clone(), drain).await
    {
        conn.give_back(socket);
    }
    // The connection has given its socket back by now: end it so that nothing on the wire is lost.
    let is_draining = *shutdown.borrow();
    conn.linger(is_draining).await;
}

/// Runs `serving` to its end; when `shutdown` changes it is told, and goes on to its end.
async fn until_shutdown<F: Future + ?Sized>(
    mut serving: std::pin::Pin<&mut F>,
    mut shutdown: watch::Receiver<bool>,
    tell: impl FnOnce(std::pin::Pin<&mut F>),
) -> F::Output {
    tokio::select! {
        output = serving.as_mut() => return output,
        _ = shutdown.wait_for(|down| *down) => {}
    }
    tell(serving.as_mut());
    serving.await
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_MAX)
        .max_headers(HYPER_FIELDS_MAX)
        .max_buf_size(HYPER_BUFFER_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(HYPER_BUFFER_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Whether a connection ended because what came over it was not HTTP, or too much of it.
fn is_malformed(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(|e| e.is_parse() || e.is_timeout())
}
