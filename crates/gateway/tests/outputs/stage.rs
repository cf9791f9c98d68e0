//! A gateway before an upstream that fails as it is told, until there is a record; then the program on it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::mask::{self, Mask};

/// A request and what it asks the upstream to do: two attempts are made of each that may be repeated.
const REQUESTS: [(&str, &str); 8] = [
    ("gpt-4o", "ok"),
    ("gpt-4o-mini", "400"),
    ("gpt-4o", "500*1"),
    ("gpt-4o", "503"),
    ("gpt-4o", "503"),
    ("gpt-4o", "503"),
    ("gpt-4o", "503"),
    ("gpt-4o", "503"),
];
/// How long the upstream takes: so all times have as many digits as each other.
const LATENCY: &str = "120ms";
/// A program that has not ended by then does not.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

const CONFIG: &str = "[retry]\nmax_attempts = 2\ncap = \"1ms\"\n[status_page]\npoll = \"off\"\n";

pub(crate) struct Stage {
    folder: tempfile::TempDir,
    running: Vec<Child>,
    chaos: Option<SocketAddr>,
    taken: TcpListener,
    /// Where nobody listens: of the gateway and of its admin side.
    free: [SocketAddr; 2],
    failed: String,
    passed: String,
    incident: String,
}

impl Stage {
    /// With nothing but the program.
    pub(crate) fn alone() -> Stage {
        Stage {
            folder: tempfile::tempdir().unwrap(),
            running: Vec::new(),
            chaos: None,
            taken: TcpListener::bind("127.0.0.1:0").unwrap(),
            free: [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()),
            failed: String::new(),
            passed: String::new(),
            incident: String::new(),
        }
    }

    /// With a record of [`REQUESTS`], whose gateway has gone.
    pub(crate) fn set() -> Stage {
        let mut stage = Stage::alone();
        let chaos = stage.start(&["chaos", "--listen", "127.0.0.1:0", "--seed", "1", "--latency", LATENCY]);
        stage.chaos = Some(chaos);
        let [listen, admin] = stage.free;
        stage.file(
            "seawall.toml",
            &format!("[server]\nlisten = \"{listen}\"\nadmin = \"{admin}\"\n{CONFIG}[[upstream]]\nname = \"chaos\"\nbase_url = \"http://{chaos}/v1\"\n"),
        );
        let gateway = stage.start(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        for (n, (model, fault)) in REQUESTS.iter().enumerate() {
            ask(gateway, model, fault, n);
        }
        // A clean end: what is counted is written down.
        let mut serving = stage.running.pop().unwrap();
        end(&serving);
        assert!(serving.wait().unwrap().success(), "the gateway ends well");
        let id = |flags: &str, key: &str| -> String {
            let (_, out, err) = stage.run(flags);
            let first = out.lines().next().unwrap_or_else(|| panic!("{flags}: {err}"));
            serde_json::from_str::<Value>(first).unwrap()[key].as_str().unwrap().to_owned()
        };
        let (failed, passed, incident) = (
            id("failures --class overloaded --json", "request_id"),
            id("failures --class server_error --json", "request_id"),
            id("incidents --json", "id"),
        );
        (stage.failed, stage.passed, stage.incident) = (failed, passed, incident);
        stage
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Starts the program and waits for the address that it says.
    fn start(&mut self, arguments: &[&str]) -> SocketAddr {
        let mut child = self.command().args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.running.push(child);
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(['/', ' ', '\n']).next());
        address
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("{arguments:?} is not ready: {line:?}"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin");
        command.env("XDG_STATE_HOME", self.folder.path().join("state")).env("NO_COLOR", "1").env("COLUMNS", "80");
        command.env("SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").stdin(Stdio::null());
        command
    }

    /// The names that a command line may use.
    fn named(&self, line: &str) -> String {
        let chaos = self.chaos.map(|address| format!("http://{address}/v1")).unwrap_or_default();
        let taken = self.taken.local_addr().unwrap().to_string();
        [
            ("{failed}", &self.failed),
            ("{passed}", &self.passed),
            ("{incident}", &self.incident),
            ("{chaos}", &chaos),
            ("{taken}", &taken),
        ]
        .into_iter()
        .fold(line.to_owned(), |line, (name, is)| line.replace(name, is))
    }

    /// Runs a command line to its end: code, stdout, stderr.
    pub(crate) fn run(&self, line: &str) -> (i32, String, String) {
        let line = self.named(line);
        let (line, input) = match line.split_once(" < ") {
            Some((line, _)) => (line.to_owned(), Some(crate::TRACEBACK)),
            None => (line, None),
        };
        let mut command = self.command();
        command.args(words(&line)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Who does not read it has ended before.
        let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
        drop(stdin);
        let (out, err) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
        let (Ok(out), Ok(err)) = (out.recv_timeout(ENDS_WITHIN), err.recv_timeout(ENDS_WITHIN)) else {
            let _ = child.kill();
            panic!("{line} does not end");
        };
        (child.wait().unwrap().code().unwrap_or(-1), out, err)
    }

    /// A command line with all that comes of it, masked.
    pub(crate) fn told(&self, line: &str) -> String {
        let measured = line == "demo --seconds 1";
        let (code, out, err) = self.run(line);
        let mut text = format!("$ seawall {}\n", self.named(line));
        for (name, said) in [("", out), ("standard error", err)] {
            if !said.is_empty() && !name.is_empty() {
                text.push_str(&format!("--- {name}\n"));
            }
            text.push_str(&said);
            if !said.is_empty() && !said.ends_with('\n') {
                text.push_str("(no end of line)\n");
            }
        }
        text.push_str(&format!("--- exit {code}\n"));
        let mut mask = Mask::default();
        mask.word(&self.folder.path().display().to_string(), "/home/someone");
        if let Some(chaos) = self.chaos {
            mask.word(&chaos.to_string(), "127.0.0.1:7599");
        }
        mask.word(&self.taken.local_addr().unwrap().to_string(), "127.0.0.1:7777");
        mask.word(&self.free[0].to_string(), "127.0.0.1:7500");
        mask.word(&self.free[1].to_string(), "127.0.0.1:7501");
        let masked = mask.masked(&text);
        // Which requests stand for the others depends on when they failed.
        let is_measured = |line: &str| measured && !line.starts_with(['$', '-']) || line.ends_with(" of them shown");
        // How many files may be open is the machine's affair.
        let lines = masked.lines().filter(|line| !line.contains("  open files  "));
        lines.map(|line| if is_measured(line) { mask::numbers(line) } else { line.to_owned() } + "\n").collect()
    }

    /// The verbs that the first page of help lists.
    pub(crate) fn verbs(&self) -> Vec<String> {
        let (_, help, _) = self.run("-h");
        let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names = lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in &mut self.running {
            // It may have ended by itself; either way it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// All that comes, when it has come.
fn read(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (told, receiver) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        // Nobody waits any more for what comes too late.
        let _ = told.send(text);
    });
    receiver
}

/// SIGTERM, by the shell's own `kill`: there is no safe call for it here.
fn end(child: &Child) {
    let status = Command::new("/bin/sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(status.unwrap().success());
}

fn ask(gateway: SocketAddr, model: &str, fault: &str, n: usize) {
    let body = format!("{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"question {n}\"}}]}}");
    let mut socket = TcpStream::connect(gateway).unwrap();
    socket.set_read_timeout(Some(ENDS_WITHIN)).unwrap();
    write!(
        socket,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {gateway}\r\nauthorization: Bearer sk-none\r\ncontent-type: application/json\r\n\
         x-chaos: {fault}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 "), "{reply}");
}

/// The words of a command line, quotes taken off.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    quoted
        .flat_map(|(at, part)| match at % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        })
        .collect()
}
