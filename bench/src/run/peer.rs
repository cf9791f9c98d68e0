//! Who is measured, and how each is started: with retries, keep-alive, and nothing logged per success.
//!
//! Every child runs in the foreground, owns nothing outside the run's temporary folder, and is killed by
//! its own pid when the value that holds it goes. Gateways run on the first core; mock and load on the second.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::fixture::Kind;
use crate::load::Report;
use crate::wire;

const GATEWAY_CORE: &str = "0";
const OTHER_CORE: &str = "1";
/// How long a child may take to answer for the first time.
const START_MAX: Duration = Duration::from_secs(20);
/// How long a load may take, its own bounds included.
const LOAD_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Direct,
    Floor,
    Seawall,
    Nginx,
    Haproxy,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Direct => "direct",
            Peer::Floor => "floor",
            Peer::Seawall => "seawall",
            Peer::Nginx => "nginx",
            Peer::Haproxy => "haproxy",
        }
    }
}

/// A peer that answers.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) pid: u32,
    pub(crate) target: SocketAddr,
    /// Where Seawall's operators look.
    pub(crate) admin: Option<SocketAddr>,
    /// From `exec` to the first good answer; of Seawall, to a good `/readyz`.
    pub(crate) ready_after: Duration,
    /// None for `direct`, which is the mock itself.
    _child: Option<Child>,
}

impl Running {
    /// How many requests the mock has answered.
    pub(crate) async fn requests(&self) -> io::Result<u64> {
        let answer = get(self.target, "/mock/stats").await?;
        let stats: serde_json::Value = serde_json::from_str(after_head(&answer))?;
        stats["requests"].as_u64().ok_or_else(|| io::Error::other("the mock's stats hold no number"))
    }
}

/// The programs and the folder of one run.
#[derive(Debug)]
pub(crate) struct Bench {
    own: PathBuf,
    /// A copy of this program, so that the floor shares no pages with mock and load and its memory is its own.
    floor: PathBuf,
    seawall: PathBuf,
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new(seawall: Option<PathBuf>) -> io::Result<Bench> {
        let own = std::env::current_exe()?;
        let folder = tempfile::Builder::new().prefix("seawall-bench-").tempdir()?;
        let floor = folder.path().join("seawall-bench-floor");
        std::fs::copy(&own, &floor)?;
        let seawall = seawall.unwrap_or_else(|| own.with_file_name("seawall"));
        Ok(Bench { own, floor, seawall, folder })
    }

    /// A mock that answers `fail` of its requests with a 500.
    pub(crate) async fn mock(&self, fail: f64) -> io::Result<Running> {
        self.mock_with(&["--fail", &fail.to_string()]).await
    }

    /// A mock that never sleeps.
    pub(crate) async fn awake_mock(&self) -> io::Result<Running> {
        self.mock_with(&["--spin"]).await
    }

    async fn mock_with(&self, options: &[&str]) -> io::Result<Running> {
        let listen = free_port()?;
        let arguments: Vec<String> =
            ["mock", "--listen", &listen.to_string()].iter().chain(options).map(|&word| word.to_owned()).collect();
        let started = Instant::now();
        let child = pinned(OTHER_CORE, &self.own, &arguments, Path::new("/dev/null"))?;
        running(Peer::Direct, child, listen, listen, "/mock/stats", started).await
    }

    /// Starts `peer` in front of `mock` and waits until it answers.
    pub(crate) async fn start(&self, peer: Peer, mock: &Running) -> io::Result<Running> {
        let (listen, upstream) = (free_port()?, mock.target);
        let folder = tempfile::Builder::new().prefix(peer.name()).tempdir_in(self.folder.path())?.keep();
        let log = folder.join("log");
        let file = |name: &str, text: String| -> io::Result<String> {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let (program, arguments, ready_at, ready_path) = match peer {
            Peer::Direct => {
                let (pid, ready_after) = (mock.pid, Duration::ZERO);
                return Ok(Running { peer, pid, target: upstream, admin: None, ready_after, _child: None });
            }
            Peer::Floor => {
                let arguments =
                    ["floor", "--listen", &listen.to_string(), "--upstream", &upstream.to_string()].map(str::to_owned);
                (self.floor.clone(), arguments.to_vec(), listen, "/mock/stats")
            }
            Peer::Seawall => {
                let admin = free_port()?;
                let config = file("seawall.toml", seawall_config(listen, admin, upstream))?;
                let data = folder.join("data").display().to_string();
                let arguments = ["serve", "--config", &config, "--data-dir", &data].map(str::to_owned);
                (self.seawall.clone(), arguments.to_vec(), admin, "/readyz")
            }
            Peer::Nginx => {
                let config = file("nginx.conf", nginx_config(listen, upstream, &folder))?;
                let arguments = ["-c", &config, "-p", &folder.display().to_string()].map(str::to_owned);
                (PathBuf::from("nginx"), arguments.to_vec(), listen, "/mock/stats")
            }
            Peer::Haproxy => {
                let config = file("haproxy.cfg", haproxy_config(listen, upstream))?;
                (
                    PathBuf::from("haproxy"),
                    ["-db", "-q", "-f", &config].map(str::to_owned).to_vec(),
                    listen,
                    "/mock/stats",
                )
            }
        };
        let started = Instant::now();
        let child = pinned(GATEWAY_CORE, &program, &arguments, &log)?;
        running(peer, child, listen, ready_at, ready_path, started).await.map_err(|error| {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let end: Vec<_> = log.lines().rev().take(5).collect();
            io::Error::other(format!("{} does not start: {error}; its log ends with {end:?}", peer.name()))
        })
    }

    /// Runs one load against `running` and returns what it saw.
    pub(crate) async fn load(&self, running: &Running, kind: Kind, arguments: &[&str]) -> io::Result<Report> {
        let child = Command::new("taskset")
            .args(["-c", OTHER_CORE])
            .arg(&self.own)
            .args(["load", "--target", &running.target.to_string(), "--kind", name(kind)])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = tokio::time::timeout(LOAD_MAX, child.wait_with_output()).await??;
        if !output.status.success() {
            return Err(io::Error::other(format!("load ended with {}", output.status)));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Runs one load against `running` from the thread of `mock`, which does not sleep meanwhile.
pub(crate) async fn load_beside(
    mock: &Running,
    running: &Running,
    kind: Kind,
    arguments: &[&str],
) -> io::Result<Report> {
    let target = running.target.to_string();
    let own = ["--spin", "--target", &target, "--kind", name(kind)];
    let body = [&own[..], arguments].concat().join("\n");
    let answer = tokio::time::timeout(LOAD_MAX, ask(mock.target, "POST /mock/load", &body)).await??;
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(answer));
    }
    Ok(serde_json::from_str(after_head(&answer))?)
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "plain",
        Kind::Sse => "sse",
        Kind::Large => "large",
    }
}

/// `taskset` becomes the program, so the child's pid is the program's.
fn pinned(core: &str, program: &Path, arguments: &[String], log: &Path) -> io::Result<Child> {
    let log = std::fs::File::options().append(true).create(true).open(log)?;
    Command::new("taskset")
        .args(["-c", core])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
}

async fn running(
    peer: Peer,
    mut child: Child,
    target: SocketAddr,
    ready_at: SocketAddr,
    path: &str,
    started: Instant,
) -> io::Result<Running> {
    let pid = child.id().ok_or_else(|| io::Error::other("it ended at once"))?;
    loop {
        let answer = tokio::time::timeout(Duration::from_secs(2), get(ready_at, path)).await;
        if matches!(&answer, Ok(Ok(text)) if text.starts_with("HTTP/1.1 200")) {
            let admin = (peer == Peer::Seawall).then_some(ready_at);
            return Ok(Running { peer, pid, target, admin, ready_after: started.elapsed(), _child: Some(child) });
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("it ended with {status}")));
        }
        if started.elapsed() > START_MAX {
            return Err(io::Error::other(format!("no answer within {START_MAX:?}, last {answer:?}")));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    ask(address, &format!("GET {path}"), "").await
}

/// A whole answer, head and body, as text.
pub(crate) async fn ask(address: SocketAddr, what: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let head = format!("{what} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = Vec::new();
    while !is_whole(&answer) && stream.read_buf(&mut answer).await? > 0 {}
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The mock keeps its connections open, so the length must tell the end; an answer without one ends with its connection.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = wire::head_end(answer) else { return false };
    let length = wire::headers(&answer[..end]).find(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    length.is_some_and(|(_, value)| wire::number(value).is_ok_and(|length: usize| answer.len() >= end + length))
}

fn after_head(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A port nobody holds at this moment.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn seawall_config(listen: SocketAddr, admin: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "[server]\nlisten = \"{listen}\"\nadmin = \"{admin}\"\n\n\
         [[upstream]]\nname = \"mock\"\nbase_url = \"http://{upstream}/v1\"\n"
    )
}

/// nginx retries on the *next* server of a group, so the one there is stands in it four times.
fn nginx_config(listen: SocketAddr, upstream: SocketAddr, folder: &Path) -> String {
    let servers = format!("    server {upstream} max_fails=0;\n").repeat(4);
    let folder = folder.display();
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log crit;\n\
         events {{ worker_connections 8192; }}\nhttp {{\n  access_log off;\n  tcp_nodelay on;\n\
         client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/f;\n\
         uwsgi_temp_path {folder}/u;\n  scgi_temp_path {folder}/s;\n\
         keepalive_requests 100000000;\n  client_max_body_size 32m;\n  client_body_buffer_size 2m;\n\
         upstream mock {{\n{servers}    keepalive 512;\n    keepalive_requests 100000000;\n  }}\n\
         server {{\n    listen {listen} backlog=4096;\n    location / {{\n      proxy_pass http://mock;\n\
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_buffering off;\n\
         proxy_next_upstream error timeout http_500 http_502 http_503 http_504 non_idempotent;\n\
         proxy_next_upstream_tries 4;\n    }}\n  }}\n}}\n"
    )
}

fn haproxy_config(listen: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 8192\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n\
         timeout server 600s\n  timeout http-keep-alive 60s\n  option http-keep-alive\n  option http-no-delay\n  http-reuse always\n  retries 3\n\
         retry-on all-retryable-errors\nfrontend door\n  bind {listen}\n  default_backend mock\n\
         backend mock\n  server only {upstream} pool-max-conn 2048\n"
    )
}
