//! A stream that breaks after its first word ends so that every reader learns it: the error event
//! arrives whole, no last chunk follows, and the connection ends with a FIN.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use seawall_chaos::{Running, Server, Settings};

/// Runs of each scenario.
const RUNS: usize = 50;

struct Gateway {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Gateway {
    fn before(upstream: &str) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_seawall"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream, "--data-dir"])
            .arg(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
        Gateway { address: address.parse().unwrap(), child, _folder: folder }
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
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

fn request(chaos: &str) -> Vec<u8> {
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         x-chaos: {chaos}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// What a broken stream must look like; `bytes` is all that came of it.
fn assert_loud(bytes: &[u8], what: &str) {
    let text = String::from_utf8_lossy(bytes);
    let event = text.find("seawall_stream_interrupted").unwrap_or_else(|| panic!("{what}: no event in {text}"));
    let rest = &text[event..];
    assert!(rest.contains("}}\n\n\r\n"), "{what}: the event was cut: {rest}");
    assert!(!text.ends_with("0\r\n\r\n"), "{what}: it looks like an end");
    assert!(!rest.contains("[DONE]"), "{what}: it claims to be complete");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn chaos(runtime: &tokio::runtime::Runtime) -> Running {
    runtime.block_on(Server::start(Settings::default())).unwrap()
}

#[test]
fn the_event_arrives_and_the_end_is_no_end() {
    let runtime = runtime();
    let chaos = chaos(&runtime);
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    for fault in ["stream_cut=3", "truncated=3", "body_reset=3"] {
        for _ in 0..RUNS {
            let mut socket = gateway.connect();
            socket.write_all(&request(fault)).unwrap();
            let mut bytes = Vec::new();
            // A reset here would be an error, and could have destroyed the event.
            socket.read_to_end(&mut bytes).unwrap();
            assert_loud(&bytes, fault);
        }
    }
}

#[test]
fn unread_input_does_not_turn_the_end_into_a_reset() {
    let runtime = runtime();
    let chaos = chaos(&runtime);
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    for _ in 0..RUNS {
        let mut socket = gateway.connect();
        let mut pipelined = request("stream_cut=3");
        for _ in 0..8 {
            pipelined.extend(request("ok"));
        }
        socket.write_all(&pipelined).unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        assert_loud(&bytes, "pipelined");
    }
}

#[test]
fn a_slow_reader_with_a_small_window_gets_the_event_too() {
    let runtime = runtime();
    let chaos = runtime.block_on(Server::start(Settings { chunks: 400, ..Settings::default() })).unwrap();
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    for _ in 0..5 {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        socket.connect(&gateway.address.into()).unwrap();
        let mut socket: TcpStream = socket.into();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(&request("stream_cut=300")).unwrap();
        let (mut bytes, mut piece) = (Vec::new(), [0; 512]);
        loop {
            match socket.read(&mut piece).unwrap() {
                0 => break,
                n => bytes.extend_from_slice(&piece[..n]),
            }
        }
        assert_loud(&bytes, "slow");
    }
}

#[test]
fn a_complete_stream_ends_as_the_upstream_ended_it() {
    let runtime = runtime();
    let chaos = chaos(&runtime);
    let gateway = Gateway::before(&format!("{}/v1", chaos.url()));
    let mut socket = gateway.connect();
    let mut close = request("ok");
    let at = close.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    close.splice(at..at, *b"connection: close\r\n");
    socket.write_all(&close).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("data: [DONE]\n\n") && text.ends_with("0\r\n\r\n"), "{text}");
}
