//! The port: who may come in, for how long, and how it all ends.
//!
//! A fault that refuses every connection closes the port for real, so that callers get what a
//! dead server gives them; it is opened again when the phase is over. Connections that are idle
//! at that moment end too.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::connection;
use crate::error::Error;
use crate::scripts::Script;
use crate::settings::Settings;
use crate::shared::{Door, Shared};
use crate::stats::Stats;

/// The most connections at one time; more wait in the backlog of the port.
pub const CONNECTIONS_MAX: usize = 16_384;
/// The backlog of the port: Linux cuts it to `net.core.somaxconn`.
const BACKLOG: u32 = 4_096;
/// How long replies under way may take to end at shutdown.
pub const GRACE: Duration = Duration::from_secs(1);
/// The wait after a failure to accept, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long to try to open the port again; somebody else may hold it for a moment.
const REOPEN_MAX: Duration = Duration::from_secs(5);
/// The wait between two of these tries.
const REOPEN_PAUSE: Duration = Duration::from_millis(5);

/// A misbehaving upstream, bound to its port.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    shared: Arc<Shared>,
    connections_max: usize,
}

impl Server {
    /// Opens `addr`; port 0 takes any free one. Connections are served once [`Server::run`] runs.
    ///
    /// # Errors
    /// When the settings cannot be obeyed ([`io::ErrorKind::InvalidInput`]), or the port not opened.
    pub async fn bind(addr: SocketAddr, settings: Settings) -> io::Result<Server> {
        settings.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = listen(addr)?;
        let addr = listener.local_addr()?;
        Ok(Server { listener, addr, shared: Arc::new(Shared::new(settings)), connections_max: CONNECTIONS_MAX })
    }

    /// Binds a free port of the loopback interface and serves it until the result is dropped.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn start(settings: Settings) -> io::Result<Running> {
        let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), settings).await?;
        let handle = server.handle();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Nobody is left to tell: callers see that the port is closed.
            let _ = server.run(std::future::pending()).await;
        });
        Ok(Running { handle, _tasks: tasks })
    }

    /// Serves at most `max` connections at one time, and never more than [`CONNECTIONS_MAX`].
    #[must_use]
    pub fn limit(mut self, max: usize) -> Server {
        self.connections_max = max.min(CONNECTIONS_MAX);
        self
    }

    /// The address that is listened on, with the port that was found.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What was seen and done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// A way to look and to steer while the server runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared), addr: self.addr }
    }

    /// Serves until `shutdown` is done; then replies under way get [`GRACE`] to end. Dropping
    /// this future ends all connections at once.
    ///
    /// # Errors
    /// When the port cannot be opened again after it was refused for a while.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Server { listener, addr, shared, connections_max } = self;
        let mut listener = Some(listener);
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            // Registered before looking, so that no change between the two is missed.
            let resettled = shared.resettled().notified();
            let (refusing, until) = shared.refusal();
            set_door(&shared, if refusing { Door::Refusing } else { Door::Open });
            if refusing {
                listener = None;
            } else if listener.is_none() {
                listener = Some(reopen(addr).await?);
            }
            let next_change = async {
                match until {
                    Some(until) => sleep_until(shared.moment(until)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut shutdown => break,
                stream = accept(listener.as_ref()), if connections.len() < connections_max => {
                    welcome(stream, &shared, &mut connections).await;
                }
                Some(_) = connections.join_next() => {}
                () = resettled => {}
                () = next_change => {}
            }
        }
        drop(listener);
        set_door(&shared, Door::Closed);
        let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
        connections.shutdown().await;
        Ok(())
    }
}

fn set_door(shared: &Shared, door: Door) {
    shared.door().send_if_modified(|now| std::mem::replace(now, door) != door);
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

async fn reopen(addr: SocketAddr) -> io::Result<TcpListener> {
    let opened = timeout(REOPEN_MAX, async {
        loop {
            match listen(addr) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => sleep(REOPEN_PAUSE).await,
                done => return done,
            }
        }
    });
    opened.await.unwrap_or_else(|_| Err(io::ErrorKind::AddrInUse.into()))
}

/// The next connection; never, where the port is closed.
async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn welcome(stream: io::Result<TcpStream>, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    match stream {
        Ok(stream) if shared.refuses() => {
            shared.count(|tally| tally.refused += 1);
            crate::wire::Wire::new(stream).reset();
        }
        Ok(stream) => {
            shared.count(|tally| tally.connections += 1);
            connections.spawn(connection::serve(stream, Arc::clone(shared)));
        }
        Err(_) => sleep(ACCEPT_PAUSE).await,
    }
}

/// Looks at and steers a server that runs.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    addr: SocketAddr,
}

impl Handle {
    /// The address that is listened on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and the address, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What was seen and done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// The settings of the moment.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::clone(&self.shared.settings())
    }

    /// Replaces the settings for all later requests; another seed also begins the dice again.
    ///
    /// # Errors
    /// When they cannot be obeyed; the old ones stay.
    pub fn set(&self, settings: Settings) -> Result<(), Error> {
        self.shared.set(settings)
    }

    /// Zeroes all counts, begins dice and scripts again: `POST /chaos/reset`.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Puts a script to work: `POST /chaos/script` with this JSON.
    ///
    /// # Errors
    /// When it is not a script, or there are too many.
    pub fn script(&self, json: &str) -> Result<(), Error> {
        self.shared.put_script(Script::parse(json.as_bytes())?)
    }

    /// Removes all scripts: `DELETE /chaos/script`.
    pub fn remove_scripts(&self) {
        self.shared.remove_scripts();
    }

    /// Waits until the stats are as `wanted`, and returns them. The caller owns the deadline.
    pub async fn until(&self, wanted: impl Fn(&Stats) -> bool) -> Stats {
        loop {
            let changed = self.shared.changed().notified();
            let stats = self.shared.stats();
            if wanted(&stats) {
                return stats;
            }
            changed.await;
        }
    }
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    handle: Handle,
    _tasks: JoinSet<()>,
}

impl std::ops::Deref for Running {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}
