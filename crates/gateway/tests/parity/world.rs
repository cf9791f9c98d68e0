//! The upstreams of a setting, for one driver: real sockets, and real misbehaviour.

use std::net::SocketAddr;

use seawall_chaos::{Running, Server};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::case::Case;
use crate::setting::{Place, Setting, Up};

/// A label of a name has 63 bytes at most (RFC 1035): this one is looked up nowhere.
const UNNAMED: &str = "a-name-that-is-too-long-to-be-one-because-a-label-ends-at-sixty-three-bytes";

/// The upstreams of a setting.
pub(crate) struct World {
    chaos: Vec<(&'static str, Running)>,
    refuses: SocketAddr,
    plain: Plain,
    full: Option<Full>,
}

impl World {
    pub(crate) async fn of(setting: &Setting) -> World {
        let mut chaos = Vec::new();
        for up in setting.upstreams {
            let allow_headers = up.place == Place::Obeys;
            let settings = seawall_chaos::Settings { allow_headers, same_bodies: true, ..Default::default() };
            chaos.push((up.name, Server::start(settings).await.unwrap()));
        }
        // Bound and let go: nobody listens there, as long as nobody else is given the port.
        let refuses = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let full = match setting.upstreams.iter().any(|up| up.place == Place::Full) {
            true => Some(Full::new().await),
            false => None,
        };
        World { chaos, refuses, plain: Plain::new().await, full }
    }

    /// The base URL of `up`.
    pub(crate) fn address(&self, up: &Up) -> String {
        let (_, chaos) = self.chaos.iter().find(|(name, _)| *name == up.name).expect("an upstream of this setting");
        match up.place {
            Place::Obeys | Place::Well => format!("{}/v1", chaos.url()),
            Place::Refuses => format!("http://{}/v1", self.refuses),
            Place::Unnamed => format!("http://{UNNAMED}.invalid/v1"),
            Place::Plain => format!("https://{}/v1", self.plain.address),
            Place::Full => format!("http://{}/v1", self.full.as_ref().expect("made where it is wanted").address),
        }
    }

    /// Has the upstreams do what `case` says they do, and nothing else.
    pub(crate) fn prepare(&self, case: &Case) {
        for (name, chaos) in &self.chaos {
            chaos.remove_scripts();
            if let Some(script) = case.script_of(name) {
                chaos.script(&script).unwrap();
            }
        }
    }
}

/// Says in plain HTTP that it does not understand, whatever it is told.
struct Plain {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Plain {
    async fn new() -> Plain {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut one, _)) = listener.accept().await {
                // Whoever is gone again has heard enough.
                let _ = one.read(&mut [0; 4096]).await;
                let _ = one.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await;
            }
        });
        Plain { address, _tasks: tasks }
    }
}

/// A socket that listens and takes nobody in: its queue is full, and the system drops who else comes.
struct Full {
    address: SocketAddr,
    _listens: Socket,
    _waits: Vec<TcpStream>,
}

/// More than the shortest queue takes.
const QUEUED_MAX: usize = 8;

impl Full {
    async fn new() -> Full {
        let listens = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listens.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listens.listen(0).unwrap();
        let address = listens.local_addr().unwrap().as_socket().unwrap();
        let mut waits = Vec::new();
        while let Ok(Ok(queued)) = tokio::time::timeout(QUEUED_WITHIN, TcpStream::connect(address)).await {
            waits.push(queued);
            assert!(waits.len() < QUEUED_MAX, "its queue is never full");
        }
        Full { address, _listens: listens, _waits: waits }
    }
}

/// Who is not in the queue by then is dropped: the system asks again only after a second.
const QUEUED_WITHIN: std::time::Duration = std::time::Duration::from_millis(300);
