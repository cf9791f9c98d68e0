//! The program under test, started and ended.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// `seawall serve` on a port of its own.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Gateway {
    /// Before `upstream`, a base URL.
    pub(crate) fn before(upstream: &str) -> Gateway {
        Gateway::configured("", upstream)
    }

    /// The same with `config` for the rest.
    pub(crate) fn configured(config: &str, upstream: &str) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seawall.toml");
        std::fs::write(&file, format!("{config}\n[[upstream]]\nname = \"chaos\"\nbase_url = \"{upstream}\"\n"))
            .unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_seawall"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"])
            .arg(file)
            .arg("--data-dir")
            .arg(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("it is not ready: {ready:?}")).parse().unwrap();
        Gateway { address, child, _folder: folder }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    /// With as small a window as the system gives: what is not read stays with the sender.
    pub(crate) fn connect_narrow(&self) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let socket: TcpStream = socket.into();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
