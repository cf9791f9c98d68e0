//! Every example does what it says, before an upstream in its own process that misbehaves: no key, no network.
//!
//! They are the programs that cargo builds for a run of all tests, as somebody would start them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use seawall_chaos::{Server, Settings};
use serde_json::Value;

/// No example takes longer than this, and no wait here.
const WITHIN: Duration = Duration::from_secs(60);

/// The pause before chaos is asked again how things are.
const PAUSE: Duration = Duration::from_millis(10);

/// The program of an example: cargo puts it beside the folder that this one is in.
fn program(name: &str) -> Command {
    let here = std::env::current_exe().unwrap();
    let folder: PathBuf = here.parent().unwrap().parent().unwrap().join("examples");
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not built; hint: cargo build -p seawall --examples", program.display());
    let mut command = Command::new(program);
    command.env_remove("OPENAI_API_KEY").env_remove("OPENAI_BASE_URL").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ends the program with whoever waits for it.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What an example prints of itself, line by line.
fn printed(name: &str) -> Vec<String> {
    ended(name, program(name))
}

/// What this program prints until it ends by itself and well.
fn ended(name: &str, mut program: Command) -> Vec<String> {
    let mut child = Ended(program.spawn().unwrap());
    let (mut out, mut err) = (child.0.stdout.take().unwrap(), child.0.stderr.take().unwrap());
    let (told, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = out.read_to_string(&mut text);
        told.send(read.map(|_| text))
    });
    let text = heard.recv_timeout(WITHIN).unwrap_or_else(|_| panic!("{name} does not end")).unwrap();
    let mut errors = String::new();
    err.read_to_string(&mut errors).unwrap();
    assert!(child.0.wait().unwrap().success(), "{name}: {text}{errors}");
    text.lines().map(ToOwned::to_owned).collect()
}

/// Whether `line` has these words, one after the other.
fn has(line: &str, words: &[&str]) -> bool {
    words.iter().try_fold(line, |rest, word| rest.find(word).map(|at| &rest[at + word.len()..])).is_some()
}

#[test]
fn retry_is_answered_by_the_third_attempt_and_fails_once() {
    let said = printed("retry");
    let [answered, says, failed, whose] = said.as_slice() else { panic!("{said:#?}") };
    assert_eq!(answered, "answered: retried after 3 attempts");
    assert!(has(says, &["it says \"", "\""]), "{says}");
    assert!(has(failed, &["failed: chaos answered 401", "(1 attempt, request id req_"]), "{failed}");
    assert_eq!(whose, "whose fault: caller; worth coming back: false");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_of_the_book_is_answered_and_tells_whose_fault_it_is() {
    for (misdeeds, said) in [
        ("[[phase]]\ncount = 2\nfault = \"500\"", ""),
        (
            "[[phase]]\nfault = \"401\"",
            "failed: caller invalid_api_key, 127.0.0.1 answered 401 invalid_api_key (1 attempt, ",
        ),
    ] {
        let chaos = Server::start(Settings::from_toml(misdeeds).unwrap()).await.unwrap();
        let mut start = program("start");
        start.env("OPENAI_BASE_URL", format!("{}/v1", chaos.url())).env("OPENAI_API_KEY", "sk-none");
        let lines = ended("start", start);
        assert!(lines.len() == 1 && !lines[0].is_empty() && lines[0].starts_with(said), "{lines:#?}");
        assert_eq!(lines[0].starts_with("failed"), !said.is_empty(), "{lines:#?}");
    }
}

#[test]
fn streaming_shows_a_stream_begun_anew_one_cut_and_one_mended() {
    let said = printed("streaming");
    let [began, first, part, error, last, whole] = said.as_slice() else { panic!("{said:#?}") };
    assert_eq!(began, "the first stream began after 2 attempts");
    assert!(first.ends_with(" (whole)") && whole.ends_with(" (whole)"), "{said:#?}");
    assert!(!part.is_empty() && first.starts_with(part) && !part.contains("(whole)"), "the beginning of it: {part}");
    assert!(
        has(error, &["an error at its end: chaos: ", "after its first content", "what came is incomplete"]),
        "{error}"
    );
    assert_eq!(last, "the last stream is whole after 2 attempts");
    assert_eq!(first, whole);
}

#[test]
fn upstreams_goes_to_the_second_and_then_leaves_the_dead_alone() {
    let said = printed("upstreams");
    let (requests, breakers) = said.split_at(said.len() - 2);
    assert_eq!(requests[0], "request 1: chaos answered, failed_over, attempts: 2");
    assert!(requests.iter().all(|line| line.contains(": chaos answered, ")), "{requests:#?}");
    assert!(requests.iter().any(|line| line.ends_with("passed, attempts: 1")), "it is still asked: {requests:#?}");
    assert!(breakers.contains(&"chaos, gpt-4o: closed".to_owned()), "{breakers:#?}");
    assert!(breakers.iter().any(|line| has(line, &["dead, gpt-4o: "]) && !line.ends_with("closed")), "{breakers:#?}");
}

#[test]
fn observer_counts_and_writes_a_line_for_each_failed_attempt() {
    let said = printed("observer");
    assert_eq!(
        said,
        [
            "text-embedding-3-small: attempt 1 at chaos failed: overloaded; next: retry",
            "text-embedding-3-small: attempt 2 at chaos failed: overloaded; next: retry",
            "embeddings: retried after 3 attempts, status 200",
            "text-embedding-3-small: attempt 1 at chaos failed: bad_gateway; next: retry",
            "embeddings: retried after 2 attempts, status 200",
            "requests: 2, failed attempts: 3",
        ]
    );
}

#[test]
fn async_openai_is_answered_streams_and_gets_the_providers_error() {
    let said = printed("async_openai");
    let [answered, stream, failed] = said.as_slice() else { panic!("{said:#?}") };
    assert!(answered.len() > "answered: ".len() && answered.starts_with("answered: "), "{answered}");
    assert!(stream.ends_with(" (whole)"), "{stream}");
    assert!(has(failed, &["failed: ", "API key"]), "{failed}");
}

/// Asks with a POST, and reads until the other side ends, or until so many bytes are here.
fn ask(address: &str, at_most: usize) -> (String, TcpStream) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(WITHIN)).unwrap();
    let head =
        format!("POST /ask HTTP/1.1\r\nhost: {address}\r\ncontent-length: 10\r\nconnection: close\r\n\r\nSay hello.");
    socket.write_all(head.as_bytes()).unwrap();
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    while said.len() < at_most {
        match socket.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => said.extend_from_slice(&piece[..count]),
        }
    }
    (String::from_utf8(said).unwrap(), socket)
}

fn get(address: &str, path: &str) -> Value {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(WITHIN)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    socket.read_to_string(&mut said).unwrap();
    serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn axum_passes_a_stream_on_and_a_failure_as_a_status_and_stops_for_who_leaves() {
    let mut child = Ended(program("axum").spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (server, chaos) = line.trim().split_once("/ask, in front of ").unwrap_or_else(|| panic!("{line}"));
    let (server, chaos) = (server.trim_start_matches("http://"), chaos.trim_start_matches("http://"));

    let (whole, _) = ask(server, usize::MAX);
    assert!(whole.starts_with("HTTP/1.1 200 OK\r\n") && whole.contains("content-type: text/event-stream"), "{whole}");
    assert!(whole.contains("data: [DONE]") && whole.ends_with("\r\n0\r\n\r\n"), "a stream to its end: {whole}");
    assert_eq!(get(chaos, "/chaos/stats")["attempts"], 2, "the first attempt failed, and nobody noticed");

    // Who leaves in the middle takes the attempt along.
    let (begun, socket) = ask(server, 400);
    assert!(begun.contains("data: ") && !begun.contains("[DONE]"), "{begun}");
    socket.shutdown(Shutdown::Both).unwrap();
    drop(socket);
    let is_told = || get(chaos, "/chaos/stats")["cancelled"] == 1;
    let asked = WITHIN.as_millis() / PAUSE.as_millis();
    let noticed = (0..asked).any(|_| is_told() || (thread::sleep(PAUSE), false).1);
    assert!(noticed, "the upstream was not told: {}", get(chaos, "/chaos/stats"));

    // What is cut does not end as if it were whole, and what is refused has a status.
    let (cut, _) = ask(server, usize::MAX);
    assert!(cut.contains("data: ") && !cut.ends_with("\r\n0\r\n\r\n"), "{cut}");
    let (failed, _) = ask(server, usize::MAX);
    assert!(failed.starts_with("HTTP/1.1 500 ") && failed.contains("no answer: sw_"), "{failed}");
}
