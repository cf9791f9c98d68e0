//! What the service manager is told: that the gateway serves, that it still turns, that it ends.
//!
//! systemd hands a unit of `Type=notify` the name of a socket, and counts it as started when `READY=1` comes there. With
//! a watchdog it wants to hear again and again: it ends and restarts whoever falls silent. So what is sent comes from a
//! task of the same runtime that serves requests, and stops when that does not turn; a thread of its own would
//! say that all is well for ever.
//!
//! Without the socket nothing is sent and nothing runs. A message that cannot be delivered is no reason not to serve.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Environment;

/// Where messages go.
const SOCKET: &str = "NOTIFY_SOCKET";
/// Microseconds after which silence is taken for death.
const WATCHDOG: &str = "WATCHDOG_USEC";
/// The process that is watched; another one inherited the variables.
const WATCHED: &str = "WATCHDOG_PID";
/// A manager that does not read for this long misses a message, so that nobody waits for it.
const SEND_WITHIN: Duration = Duration::from_millis(100);

/// The way to the service manager, if there is one.
#[derive(Default)]
pub(crate) struct Notify {
    manager: Option<SocketAddr>,
    /// How often it hears that the runtime turns; `None` where nobody watches.
    every: Option<Duration>,
    /// Says so. It ends with this.
    pings: JoinSet<()>,
}

impl Notify {
    /// As the environment says. What makes no sense there is told in the log and not used.
    pub(crate) fn of(env: &Environment) -> Notify {
        let Some(socket) = env.raw(SOCKET).filter(|socket| !socket.is_empty()) else { return Notify::default() };
        let manager = address(&socket).inspect_err(|error| tracing::warn!(%error, "{SOCKET} cannot be used")).ok();
        let every = manager.as_ref().and_then(|_| watched(env));
        Notify { manager, every, pings: JoinSet::new() }
    }

    /// Requests are taken; from now on the watchdog hears of it.
    pub(crate) fn ready(&mut self, status: &str) {
        let Some(manager) = &self.manager else { return };
        tell(manager, &format!("READY=1\nSTATUS={status}"));
        let Some(every) = self.every else { return };
        let manager = manager.clone();
        self.pings.spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                tell(&manager, "WATCHDOG=1");
            }
        });
    }

    /// No new requests are taken, and `within` this time the process has ended: a unit that stops sooner is given as long.
    pub(crate) fn stopping(&self, within: Duration) {
        let Some(manager) = &self.manager else { return };
        let micros = within.as_micros();
        tell(manager, &format!("STOPPING=1\nSTATUS=finishing what is under way\nEXTEND_TIMEOUT_USEC={micros}"));
    }
}

/// Sends one message, from a socket of its own: the manager may have made its anew.
fn tell(manager: &SocketAddr, message: &str) {
    let sent = UnixDatagram::unbound().and_then(|socket| {
        socket.set_write_timeout(Some(SEND_WITHIN))?;
        socket.send_to_addr(message.as_bytes(), manager)
    });
    if let Err(error) = sent {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// A path, or behind `@` a name without a file.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(socket),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "neither a path nor @ and a name")),
    }
}

/// Half of the time after which silence is taken for death, if it is us who is watched.
fn watched(env: &Environment) -> Option<Duration> {
    let micros = env.text(WATCHDOG)?;
    let own = std::process::id().to_string();
    if env.text(WATCHED).is_some_and(|pid| pid != own) {
        return None;
    }
    match micros.parse::<u64>() {
        // Half of less is no time at all.
        Ok(micros @ 2..) => Some(Duration::from_micros(micros / 2)),
        _ => {
            tracing::warn!("{WATCHDOG} is no number of microseconds");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Notify {
        Notify::of(&Environment::given(Path::new("/"), variables))
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut message = [0; 512];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    fn manager(folder: &Path) -> (UnixDatagram, String) {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        (socket, path.display().to_string())
    }

    #[tokio::test]
    async fn readiness_and_the_end_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let (manager, socket) = manager(folder.path());
        let mut notify = of([(SOCKET, socket.as_str())]);
        notify.ready("http://127.0.0.1:7500/v1");
        assert_eq!(heard(&manager), "READY=1\nSTATUS=http://127.0.0.1:7500/v1");
        assert!(notify.pings.is_empty(), "nobody watches");
        notify.stopping(Duration::from_secs(38));
        assert_eq!(heard(&manager), "STOPPING=1\nSTATUS=finishing what is under way\nEXTEND_TIMEOUT_USEC=38000000");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_socket_may_have_a_name_without_a_file() {
        let name = format!("seawall-notify-{}", std::process::id());
        let address = <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_read_timeout(Some(LONG)).unwrap();
        of([(SOCKET, format!("@{name}").as_str())]).ready("here");
        assert_eq!(heard(&manager), "READY=1\nSTATUS=here");
    }

    #[tokio::test]
    async fn without_a_manager_nothing_runs() {
        for socket in ["", "notify", "vsock:2:9", "@", "/nowhere/notify"] {
            let mut notify = of([(SOCKET, socket)]);
            notify.ready("");
            notify.stopping(LONG);
            assert!(notify.pings.is_empty(), "{socket}");
        }
        assert!(of([(WATCHDOG, "1000")]).every.is_none(), "there is nobody to tell");
    }

    #[test]
    fn only_whoever_is_watched_says_that_it_lives() {
        let own = std::process::id().to_string();
        for (micros, pid, every) in [
            ("3000000", Some(own.as_str()), Some(1_500_000)),
            ("3000000", None, Some(1_500_000)),
            ("3000000", Some("1"), None),
            ("2", None, Some(1)),
            ("1", None, None),
            ("0", None, None),
            ("-5", None, None),
            ("soon", None, None),
            ("", None, None),
        ] {
            let pid = pid.map(|pid| (WATCHED, pid));
            let env = Environment::given(Path::new("/"), [(WATCHDOG, micros)].into_iter().chain(pid));
            assert_eq!(watched(&env), every.map(Duration::from_micros), "{micros} {pid:?}");
        }
    }

    #[test]
    fn a_runtime_that_is_stuck_falls_silent() {
        let folder = tempfile::tempdir().unwrap();
        let (manager, socket) = manager(folder.path());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let mut notify = of([(SOCKET, socket.as_str()), (WATCHDOG, "20000")]);
        let guard = runtime.enter();
        notify.ready("");
        drop(guard);
        assert!(heard(&manager).starts_with("READY=1"));
        assert_eq!(heard(&manager), "WATCHDOG=1");
        let (release, wait) = channel::<()>();
        let (stuck, is_stuck) = channel();
        runtime.spawn(async move {
            stuck.send(()).unwrap();
            let _ = wait.recv();
        });
        is_stuck.recv().unwrap();
        // What was sent before.
        manager.set_nonblocking(true).unwrap();
        while manager.recv(&mut [0; 512]).is_ok() {}
        manager.set_nonblocking(false).unwrap();
        // Ten times as long as between two of them.
        manager.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let silence = manager.recv(&mut [0; 512]).unwrap_err();
        assert!(matches!(silence.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{silence}");
        drop(release);
        manager.set_read_timeout(Some(LONG)).unwrap();
        assert_eq!(heard(&manager), "WATCHDOG=1");
        runtime.shutdown_background();
    }
}
