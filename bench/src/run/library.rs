//! What a call of the library costs beside the client that it is made of: hyper's own, over kept connections.
//!
//! Both run on this one thread, in turns, and ask the same mock for the same: the same head but for what Seawall adds
//! itself, the same body, as many connections. What is counted is the thread's own time, so the mock's is not in it. The
//! mock never sleeps: otherwise whoever is slower finds it asleep at every write, and pays for waking it.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use seawall::{Body, Client, Upstream};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::peer::Bench;
use super::table::Spread;
use crate::cpu;
use crate::fixture::{self, COMPLETION};

/// What a call may add to a plain request, in microseconds of CPU.
const ADDED_US_MAX: f64 = 10.0;
/// The bytes of the larger body.
const LARGER_BYTES: usize = 100 << 10;
/// Where everybody asks.
const PATH: &str = "/v1/chat/completions";
/// What everybody signs with.
const KEY: &str = "sk-bench-not-a-key";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests of each turn, of a plain request; a tenth of it of the others
    #[arg(long, default_value_t = 10_000)]
    requests: u32,
    /// Turns of each kind
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// Connections, and requests at a time
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Events with content in a stream
    #[arg(long, default_value_t = 100)]
    chunks: u32,
    /// Print one JSON object a row
    #[arg(long)]
    json: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A chat request of about 600 bytes, answered whole.
    Plain,
    /// The same, written as JSON by whoever sends it.
    Typed,
    /// A chat request with a long conversation.
    Larger,
    /// A stream, taken as bytes.
    Stream,
    /// A stream, taken as events. The bare client takes bytes: it knows no events.
    Events,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Plain, Kind::Typed, Kind::Larger, Kind::Stream, Kind::Events];

    fn says(self) -> &'static str {
        match self {
            Kind::Plain => "`send`, 600 B of JSON",
            Kind::Typed => "`post`, the same as a value",
            Kind::Larger => "`send`, 100 KiB of JSON",
            Kind::Stream => "`send`, a stream as bytes",
            Kind::Events => "`send`, a stream as events",
        }
    }

    fn is_stream(self) -> bool {
        matches!(self, Kind::Stream | Kind::Events)
    }
}

/// Everything that is the same for both.
struct Asked {
    kind: Kind,
    chunks: u32,
    headers: HeaderMap,
    value: Value,
    body: Bytes,
    /// The length of the right answer.
    answer: usize,
}

impl Asked {
    fn new(kind: Kind, chunks: u32) -> Asked {
        let said = match kind {
            // Two quotes, written with two strokes more.
            Kind::Larger => TURN.repeat(LARGER_BYTES / (TURN.len() + 2)),
            _ => SAID.to_owned(),
        };
        let mut value = json!({
            "messages": [
                {"role": "system", "content": "You are a patient engineer. Answer in two short paragraphs, and name the trade-off."},
                {"role": "user", "content": said},
            ],
            "model": "gpt-4o-mini", "max_tokens": 256, "temperature": 0.2,
        });
        if kind.is_stream() {
            value["stream"] = true.into();
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("seawall-bench"));
        headers.insert("x-mock-chunks", HeaderValue::from(chunks));
        let answer = if kind.is_stream() { fixture::stream_body(chunks).len() } else { COMPLETION.len() };
        let body = Bytes::from(value.to_string());
        Asked { kind, chunks, headers, value, body, answer }
    }
}

/// What a long conversation is made of.
const TURN: &str = "What was said, and who \"heard\" it? ";

/// About 600 bytes with what is around it.
const SAID: &str = "A request to a model timed out after the prompt was sent.\nMay I send it again, and what does \"safe\" \
    mean here? Our calls cost money, our users wait, and the provider says only that something went wrong on its side. If \
    it helps: the connection was a reused one, it broke within a tenth of a second, and not one byte came back.";

/// Prints what each kind of call costs, bare and with Seawall, and what that adds.
pub(crate) async fn run(options: Options) -> io::Result<()> {
    let bench = Bench::new(None)?;
    let mock = bench.awake_mock().await?;
    let address = mock.target;
    if !options.json {
        println!("| | hyper alone, CPU µs/call | seawall | added | |\n|---|---|---|---|---|");
    }
    for kind in Kind::ALL {
        let asked = Rc::new(Asked::new(kind, options.chunks.clamp(1, fixture::CHUNKS_MAX)));
        let requests = if matches!(kind, Kind::Plain | Kind::Typed) { options.requests } else { options.requests / 10 };
        let each = requests.div_ceil(options.connections.max(1));
        let (mut bare, mut with, mut added) = (Vec::new(), Vec::new(), Vec::new());
        // Connections and code are warm before it counts.
        for round in 0..=options.rounds {
            let mut turns = [0.0; 2];
            // Whoever comes first finds another machine: they take turns in that, too.
            for is_bare in [round % 2 == 0, round % 2 != 0] {
                turns[usize::from(is_bare)] = turn(&asked, address, &options, each, is_bare).await?;
            }
            if round > 0 {
                let [own, floor] = turns;
                with.push(own);
                bare.push(floor);
                added.push(own - floor);
            }
        }
        print(&options, kind, &bare, &with, &added)?;
    }
    Ok(())
}

fn print(options: &Options, kind: Kind, bare: &[f64], with: &[f64], added: &[f64]) -> io::Result<()> {
    let spread = |values: &[f64]| Spread::of(values).ok_or_else(|| io::Error::other("no round was measured"));
    let (bare, with, added) = (spread(bare)?, spread(with)?, spread(added)?);
    let limit = matches!(kind, Kind::Plain | Kind::Typed).then_some(ADDED_US_MAX);
    let verdict = match limit {
        Some(limit) if added.median <= limit => "PASS",
        Some(_) => "FAIL",
        None => "",
    };
    if options.json {
        let numbers =
            |spread: Spread| json!({"median": spread.median, "least": spread.least, "greatest": spread.greatest});
        let row = json!({
            "what": kind.says(), "bare_us": numbers(bare), "seawall_us": numbers(with), "added_us": numbers(added),
            "limit_us": limit, "verdict": verdict, "rounds": options.rounds, "connections": options.connections,
        });
        println!("{row}");
    } else {
        let per_event = kind.is_stream().then(|| format!(", {:.2} an event", added.median / f64::from(options.chunks)));
        let (bare, with, added) = (bare.text(1), with.text(1), added.text(1));
        let limit = limit.map(|limit| format!("≤ {limit}: {verdict}")).unwrap_or_default();
        println!("| {} | {bare} | {with} | {added}{} | {limit} |", kind.says(), per_event.unwrap_or_default());
    }
    Ok(())
}

/// The CPU time of a call, in microseconds, over `each` calls on every connection.
async fn turn(asked: &Rc<Asked>, address: SocketAddr, options: &Options, each: u32, is_bare: bool) -> io::Result<f64> {
    let upstream = Upstream::new(&format!("http://{address}/v1")).and_then(|upstream| upstream.key(KEY));
    let client =
        upstream.and_then(|upstream| Client::builder().upstream(upstream).build()).map_err(io::Error::other)?;
    let connections = options.connections.max(1);
    let mut bare = Vec::new();
    for _ in 0..connections {
        // The first call makes the connection, and is not counted.
        if is_bare {
            let mut one = Bare::new(address).await?;
            one.call(asked).await?;
            bare.push(one);
        }
    }
    if !is_bare {
        let mut first = JoinSet::new();
        for _ in 0..connections {
            let (client, asked) = (client.clone(), Rc::clone(asked));
            first.spawn_local(async move { call(&client, &asked).await });
        }
        all(first).await?;
    }
    let before = used()?;
    let mut calls = JoinSet::new();
    for _ in 0..connections {
        let (client, asked) = (client.clone(), Rc::clone(asked));
        let bare = bare.pop();
        calls.spawn_local(async move {
            match bare {
                Some(mut bare) => {
                    for _ in 0..each {
                        bare.call(&asked).await?;
                    }
                }
                None => {
                    for _ in 0..each {
                        call(&client, &asked).await?;
                    }
                }
            }
            Ok(())
        });
    }
    all(calls).await?;
    Ok(micros(used()?.saturating_sub(before)) / f64::from(each * connections))
}

/// How long this thread has run. Linux brings the count up to date at its own pace, and when a thread gives way.
fn used() -> io::Result<Duration> {
    std::thread::yield_now();
    cpu::own().ok_or_else(|| io::Error::other("no /proc/thread-self/schedstat: it is Linux that counts"))
}

async fn all(mut calls: JoinSet<io::Result<()>>) -> io::Result<()> {
    while let Some(ended) = calls.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// hyper's client on one connection.
struct Bare {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    authorization: HeaderValue,
}

impl Bare {
    async fn new(address: SocketAddr) -> io::Result<Bare> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(tcp)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let host = HeaderValue::try_from(address.to_string()).map_err(io::Error::other)?;
        let authorization = HeaderValue::try_from(format!("Bearer {KEY}")).map_err(io::Error::other)?;
        Ok(Bare { sender, host, authorization })
    }

    /// One call; its answer is looked at no further than its length.
    async fn call(&mut self, asked: &Asked) -> io::Result<()> {
        self.sender.ready().await.map_err(io::Error::other)?;
        let body = match asked.kind {
            Kind::Typed => serde_json::to_vec(&asked.value)?.into(),
            _ => asked.body.clone(),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = http::Uri::from_static(PATH);
        *request.headers_mut() = asked.headers.clone();
        request.headers_mut().insert(header::HOST, self.host.clone());
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        let response = self.sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let mut body = response.into_body();
        let mut got = 0;
        if asked.kind.is_stream() {
            while let Some(frame) = body.frame().await {
                got += frame.map_err(io::Error::other)?.data_ref().map_or(0, Bytes::len);
            }
        } else {
            got = body.collect().await.map_err(io::Error::other)?.to_bytes().len();
        }
        right(asked, status.is_success(), got, asked.answer)
    }
}

/// One call of the library.
async fn call(client: &Client, asked: &Asked) -> io::Result<()> {
    let response = match asked.kind {
        Kind::Typed => client.post(PATH, &asked.value).await,
        _ => {
            let mut request = Request::new(Body::from(asked.body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = http::Uri::from_static(PATH);
            *request.headers_mut() = asked.headers.clone();
            client.send(request).await
        }
    };
    let response = response.map_err(io::Error::other)?;
    let is_success = response.status().is_success();
    match asked.kind {
        Kind::Plain | Kind::Typed | Kind::Larger => {
            let got = response.bytes().await.map_err(io::Error::other)?.len();
            right(asked, is_success, got, asked.answer)
        }
        Kind::Stream => {
            let mut body = response.into_http().into_body();
            let mut got = 0;
            while let Some(frame) = body.frame().await {
                got += frame.map_err(io::Error::other)?.data_ref().map_or(0, Bytes::len);
            }
            right(asked, is_success, got, asked.answer)
        }
        Kind::Events => {
            let mut events = response.events();
            let mut got = 0;
            while let Some(event) = events.next().await {
                got += usize::from(!event.map_err(io::Error::other)?.data().is_empty());
            }
            // The last of them says only why it ended.
            right(asked, is_success, got, asked.chunks as usize + 1)
        }
    }
}

fn right(asked: &Asked, is_success: bool, got: usize, expected: usize) -> io::Result<()> {
    if is_success && got == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("{:?}: {got} in place of {expected}", asked.kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_has_the_size_that_its_row_names() {
        let len = |kind| Asked::new(kind, 3).body.len();
        assert!((540..=660).contains(&len(Kind::Plain)), "{}", len(Kind::Plain));
        assert!(len(Kind::Larger).abs_diff(LARGER_BYTES) < 1_024, "{}", len(Kind::Larger));
        assert!(len(Kind::Stream) - len(Kind::Plain) < 20);
    }

    /// It measures what it says, against answers that it checks.
    #[tokio::test]
    async fn both_get_the_same_answers() {
        let local = tokio::task::LocalSet::new();
        let check = async {
            let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mock = tokio::task::spawn_local(crate::mock::run(crate::mock::Options::at(listen)));
            let options = Options { requests: 8, rounds: 1, connections: 2, chunks: 3, json: false };
            let mut bare = loop {
                match Bare::new(listen).await {
                    Ok(bare) => break bare,
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            for kind in Kind::ALL {
                let asked = Rc::new(Asked::new(kind, options.chunks));
                bare.call(&asked).await.unwrap();
                for is_bare in [true, false] {
                    assert!(turn(&asked, listen, &options, 4, is_bare).await.unwrap() > 0.0, "{kind:?}");
                }
                assert!(right(&asked, true, asked.answer + 1, asked.answer).is_err());
                assert!(right(&asked, false, asked.answer, asked.answer).is_err());
            }
            mock.abort();
        };
        local.run_until(check).await;
    }
}
