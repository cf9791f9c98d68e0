//! The gateway: the real program, asked over a socket, and its record, read back over its API.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, header, response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use seawall_core::plan::policy::Commit;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::case::Case;
use crate::seen::{Seen, Try};
use crate::setting::Setting;
use crate::world::World;

/// An answer takes this long at most, and a record too.
const WITHIN: Duration = Duration::from_secs(20);
/// The record is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// `seawall serve` on ports of its own.
struct Gateway {
    child: Child,
    listen: SocketAddr,
    admin: SocketAddr,
    world: World,
    _folder: tempfile::TempDir,
}

/// A reply as far as it came.
struct Got {
    head: response::Parts,
    body: Bytes,
    is_whole: bool,
}

/// What the gateway does and tells in each of `cases`.
pub(crate) async fn play(setting: &Setting, cases: &[&Case]) -> Vec<Seen> {
    let gateway = Gateway::start(setting).await;
    let mut seen = Vec::new();
    for case in cases {
        seen.push(gateway.play(case).await);
    }
    seen
}

impl Gateway {
    async fn start(setting: &Setting) -> Gateway {
        let world = World::of(setting).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seawall.toml");
        std::fs::write(&file, setting.file(|up| world.address(up))).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_seawall"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"])
            .arg(file)
            .arg("--data-dir")
            .arg(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let said = std::fs::read_to_string(folder.path().join("serve.json"));
        let said = said.unwrap_or_else(|_| {
            panic!("{}: {}", setting.name, std::fs::read_to_string(folder.path().join("log")).unwrap_or_default())
        });
        let said: Value = serde_json::from_str(&said).unwrap();
        let address = |name: &str| said[name].as_str().unwrap().parse().unwrap();
        Gateway { listen: address("listen"), admin: address("admin"), child, world, _folder: folder }
    }

    async fn play(&self, case: &Case) -> Seen {
        self.world.prepare(case);
        let mut number = 0;
        for &(chaos, times, latency) in &case.before {
            for _ in 0..times {
                number += 1;
                self.ask(case, Some(chaos), latency, number).await;
            }
        }
        let got = self.ask(case, case.chaos, "0ms", 0).await;
        let id = got.head.headers["x-seawall-request-id"].to_str().unwrap();
        let record = self.record(case, id).await;
        let (outcome, reason) = (word(&record["outcome"]), word(&record["reason"]));
        let attempts = record["attempts_made"].as_u64().unwrap();
        let ends = format!("{outcome} {reason} {} {attempts}", record["status"]);
        let mut failed: Vec<&Value> = record["attempts"].as_array().unwrap().iter().collect();
        failed.sort_by_key(|attempt| ended_micros(attempt));
        let has_broken = failed.iter().any(|attempt| word(&attempt["class"]) == "mid_stream");
        let mut order = Vec::new();
        for attempt in &failed {
            let number = &attempt["attempt"];
            if word(&attempt["class"]) == "mid_stream" {
                order.push(format!("answered {number}"));
            }
            order.push(format!("failed {number}"));
        }
        if reason == "answered" && !has_broken {
            // The one that is not on record as a failure was the answer.
            let answered = (1..=attempts).find(|number| failed.iter().all(|one| one["attempt"] != *number));
            order.extend(answered.map(|number| format!("answered {number}")));
        }
        order.push("ended".into());
        // The head of a stream that broke was sent before it did.
        if !has_broken {
            check_head(case, &got, outcome, reason, attempts);
        }
        Seen {
            tries: failed.into_iter().map(told).collect(),
            ends,
            order: order.join(", "),
            told: got.told(),
            body: (got.is_whole && got.head.status.is_success()).then_some(got.body.len()),
        }
    }

    /// The request as it is on record, once its end is.
    async fn record(&self, case: &Case, id: &str) -> Value {
        let path = format!("/api/v1/requests/{id}");
        let looking = async {
            loop {
                let request = Request::get(&path).body(Full::default()).unwrap();
                let got = send(self.admin, request).await;
                let found: Value = serde_json::from_slice(&got.body).unwrap_or_default();
                if let Some(record) = found["requests"].get(0).filter(|record| !record["outcome"].is_null()) {
                    return record.clone();
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(WITHIN, looking).await.unwrap_or_else(|_| panic!("{}: its end is not on record", case.name))
    }

    async fn ask(&self, case: &Case, chaos: Option<&str>, latency: &str, number: u32) -> Got {
        let body = Bytes::from(case.body(number));
        let builder = if case.what.is_get() { Request::get(case.what.path()) } else { Request::post(case.what.path()) };
        let mut request = builder.body(Full::new(body)).unwrap();
        let key = format!("{}-{number}", case.name);
        let within = case.within.map(|within| within.as_millis().to_string());
        let max_retries = case.max_retries.map(|max| max.to_string());
        let own = [
            ("content-type", Some("application/json")),
            ("x-chaos", chaos),
            ("x-chaos-key", Some(&*key)),
            ("x-chaos-latency", Some(latency)),
            ("x-seawall-timeout-ms", within.as_deref()),
            ("x-seawall-max-retries", max_retries.as_deref()),
            ("x-seawall-stream", case.commit.map(Commit::name)),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in own.chain(case.headers.iter().copied()) {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        send(self.listen, request).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Got {
    /// The status, and the code of an error.
    fn told(&self) -> String {
        let status = self.head.status.as_u16();
        if self.is_whole && self.head.status.is_success() {
            return status.to_string();
        }
        let cut = if self.is_whole { "" } else { " cut" };
        let text = String::from_utf8_lossy(&self.body);
        // An error is all of the body, or an event: the first that says one is what an SDK raises.
        let said = text.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
        let mut events = said.filter_map(|said| serde_json::from_str::<Value>(said).ok());
        let code = events.find_map(|event| {
            let error = if event["error"].is_object() { &event["error"] } else { &event };
            let is_error = event["error"].is_object() || event["type"] == "error";
            [&error["code"], &error["type"]].into_iter().filter(|_| is_error).find_map(|word| match word {
                Value::String(word) => Some(word.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
        });
        format!("{status}{cut} {}", code.as_deref().unwrap_or("-"))
    }
}

/// What the answer's head says is what the record says.
fn check_head(case: &Case, got: &Got, outcome: &str, reason: &str, attempts: u64) {
    let said = |name: &str| got.head.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(said("x-seawall-outcome"), Some(outcome), "{}", case.name);
    assert_eq!(said("x-seawall-attempts"), Some(&*attempts.to_string()), "{}", case.name);
    if !got.head.status.is_success() {
        assert_eq!(said("x-seawall-reason"), Some(reason), "{}", case.name);
    }
}

/// One request on a connection of its own.
async fn send(address: SocketAddr, mut request: Request<Full<Bytes>>) -> Got {
    request.headers_mut().insert(header::HOST, HeaderValue::try_from(address.to_string()).unwrap());
    let asking = async {
        let tcp = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.unwrap();
        let asking = async {
            let (head, mut body) = sender.send_request(request).await.unwrap().into_parts();
            let (mut bytes, mut is_whole) = (BytesMut::new(), true);
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
                    Err(_) => is_whole = false,
                }
            }
            Got { head, body: bytes.freeze(), is_whole }
        };
        tokio::pin!(asking);
        tokio::select! {
            got = &mut asking => got,
            // It ends when it is closed; what has been read of it is still to be taken.
            _ = connection => asking.await,
        }
    };
    timeout(WITHIN, asking).await.expect("no answer in time")
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// When an attempt was over, in microseconds since the Unix epoch.
fn ended_micros(attempt: &Value) -> i64 {
    let began: jiff::Timestamp = word(&attempt["time"]).parse().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "a test takes no longer than 292 thousand years")]
    let elapsed = (attempt["elapsed_ms"].as_f64().unwrap() * 1_000.0) as i64;
    began.as_microsecond() + elapsed
}

/// An attempt, as the record has it.
fn told(attempt: &Value) -> Try {
    let status = attempt["status"].as_u64().map_or_else(|| "-".to_owned(), |status| status.to_string());
    let words = ["class", "whose", "fault", "billed_why", "reason"].map(|name| word(&attempt[name]));
    let said = format!("{} {status} {}", word(&attempt["upstream"]), words.join(" "));
    Try { said, wait_ms: attempt["wait_ms"].as_f64() }
}
