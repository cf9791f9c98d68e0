//! An upstream that answers at once: fixed bytes, prepared writes, so that a gateway's cost shows.
//!
//! `POST` to any path gets the chat completion, or, when the body says `"stream":true`, a stream of
//! `x-mock-chunks` events, `x-mock-delay-us` apart, each written on its own. A share of 500s comes from
//! seeded dice. A body over 64 KiB is answered with a receipt of what arrived. `GET /mock/stats` tells
//! how many requests were answered: attempts, seen from where they end.
//!
//! `POST /mock/load`, with the arguments of `load` as its lines, runs a load from this very thread. A gateway
//! that is slower than mock and load would otherwise find both asleep at every write, pay for waking them,
//! and look slower still; one thread that never sleeps costs every gateway the same.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{self, CHUNKS_MAX, COMPLETION, EVENT, EVENTS_END, FAILURE, RECEIPT_OVER, REPLY_HEADERS};
use crate::load;
use crate::wire::{self, Body, Framing};

/// How much of a body is searched for `"stream":true`.
const SEARCHED_BYTES: usize = 4 << 10;
/// The chunks of a stream that does not ask for a number.
const CHUNKS_DEFAULT: u32 = 50;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// The share of requests answered with a 500
    #[arg(long, default_value_t = 0.0)]
    fail: f64,
    /// Seed of the dice for --fail
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End by itself after this many seconds
    #[arg(long, default_value_t = 900)]
    seconds: u64,
    /// Never sleep: what is sent to it then wakes nobody, and costs its sender no wake-up
    #[arg(long)]
    spin: bool,
}

/// Listens until `--seconds` have passed.
pub(crate) async fn run(options: Options) -> io::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let shared = Rc::new(Mock::new(&options));
    // Owned by the thread: it ends with the process.
    let _spinning = options.spin.then(|| tokio::task::spawn_local(load::spin()));
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            let shared = Rc::clone(&shared);
            // A caller who leaves is no news; whoever cares counts at the other end.
            tokio::task::spawn_local(async move { connection(stream, &shared).await });
        }
    };
    tokio::time::timeout(Duration::from_secs(options.seconds), serve).await.unwrap_or(Ok(()))
}

#[derive(Debug)]
struct Mock {
    completion: Vec<u8>,
    failure: Vec<u8>,
    stream_start: Vec<u8>,
    event: Vec<u8>,
    stream_end: Vec<u8>,
    /// A throw below this is a 500.
    fail_below: u64,
    seen: RefCell<Seen>,
}

#[derive(Debug)]
struct Seen {
    dice: u64,
    requests: u64,
}

impl Mock {
    fn new(options: &Options) -> Mock {
        let event = chunk(EVENT.as_bytes());
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n{REPLY_HEADERS}\
             transfer-encoding: chunked\r\n\r\n"
        );
        Mock {
            completion: whole("200 OK", COMPLETION, ""),
            failure: whole("500 Internal Server Error", FAILURE, ""),
            stream_start: [head.as_bytes(), &event].concat(),
            stream_end: [&chunk(EVENTS_END.as_bytes())[..], b"0\r\n\r\n"].concat(),
            event,
            fail_below: share_of_u64(options.fail),
            seen: RefCell::new(Seen { dice: options.seed, requests: 0 }),
        }
    }

    /// Counts a request and says whether it fails.
    fn fails(&self) -> bool {
        let mut seen = self.seen.borrow_mut();
        seen.requests += 1;
        self.fail_below > 0 && throw(&mut seen.dice) < self.fail_below
    }
}

/// What one request said.
#[derive(Debug)]
struct Asked {
    is_stats: bool,
    is_load: bool,
    framing: Framing,
    expects_continue: bool,
    chunks: u32,
    delay: Duration,
}

async fn connection(mut stream: TcpStream, mock: &Mock) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 128 << 10];
    let mut filled = 0;
    loop {
        let head = loop {
            if let Some(end) = wire::head_end(&buffer[..filled]) {
                break end;
            }
            if filled >= wire::HEAD_MAX {
                return Err(wire::invalid("a head without an end"));
            }
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
        };
        let asked = asked(&buffer[..head])?;
        if asked.expects_continue {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut body = Body::new(asked.framing);
        let (mut bytes, mut sum, mut start) = (0, 0, Vec::new());
        let mut take = |data: &[u8]| {
            bytes += data.len() as u64;
            sum += fixture::sum(data);
            let room = SEARCHED_BYTES - start.len();
            start.extend_from_slice(&data[..data.len().min(room)]);
        };
        let mut at = head + body.feed(&buffer[head..filled], &mut take)?;
        while !body.is_done() {
            (filled, at) = (stream.read(&mut buffer).await?, 0);
            if filled == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += body.feed(&buffer[..filled], &mut take)?;
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;

        if asked.is_stats {
            let answer = format!(r#"{{"requests":{}}}"#, mock.seen.borrow().requests);
            stream.write_all(&whole("200 OK", &answer, "")).await?;
        } else if asked.is_load {
            let (status, answer) = match load::Options::parse(&String::from_utf8_lossy(&start)) {
                Ok(options) => ("200 OK", serde_json::to_string(&load::measure(&options).await)?),
                Err(error) => ("400 Bad Request", error.to_string()),
            };
            stream.write_all(&whole(status, &answer, "")).await?;
        } else if mock.fails() {
            stream.write_all(&mock.failure).await?;
        } else if bytes > RECEIPT_OVER {
            let receipt = format!("x-mock-receipt: {}\r\n", fixture::receipt(bytes, sum));
            stream.write_all(&whole("200 OK", COMPLETION, &receipt)).await?;
        } else if memmem::find(&start, br#""stream":true"#).is_some() {
            events(&mut stream, mock, &asked).await?;
        } else {
            stream.write_all(&mock.completion).await?;
        }
    }
}

async fn events(stream: &mut TcpStream, mock: &Mock, asked: &Asked) -> io::Result<()> {
    stream.write_all(if asked.chunks > 0 { &mock.stream_start } else { &[] }).await?;
    for _ in 1..asked.chunks {
        if asked.delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(asked.delay).await;
        }
        stream.write_all(&mock.event).await?;
    }
    stream.write_all(&mock.stream_end).await
}

fn asked(head: &[u8]) -> io::Result<Asked> {
    let mut asked = Asked {
        is_stats: head.starts_with(b"GET /mock/stats"),
        is_load: head.starts_with(b"POST /mock/load"),
        framing: Framing::Length(0),
        expects_continue: false,
        chunks: CHUNKS_DEFAULT,
        delay: Duration::ZERO,
    };
    for (name, value) in wire::headers(head) {
        // The length of a name rules nearly all of them out.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => asked.framing = Framing::Length(wire::number(value)?),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => asked.framing = Framing::Chunked,
            6 if name.eq_ignore_ascii_case(b"expect") => asked.expects_continue = true,
            13 if name.eq_ignore_ascii_case(b"x-mock-chunks") => {
                asked.chunks = wire::number::<u32>(value)?.clamp(1, CHUNKS_MAX);
            }
            15 if name.eq_ignore_ascii_case(b"x-mock-delay-us") => {
                asked.delay = Duration::from_micros(wire::number::<u32>(value)?.min(1_000_000).into());
            }
            _ => {}
        }
    }
    Ok(asked)
}

fn whole(status: &str, body: &str, more: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{REPLY_HEADERS}{more}\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// `share` of all 64-bit numbers. Whole per mille are exact enough for dice.
fn share_of_u64(share: f64) -> u64 {
    let per_mille = (1..=1000_u32).take_while(|step| f64::from(*step) <= share * 1000.0 + 1e-9).count();
    u64::MAX / 1000 * per_mille as u64
}

/// `SplitMix64`, as everywhere in Seawall; this package links none of it.
fn throw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
impl Options {
    /// A mock at `listen` that never fails.
    pub(crate) fn at(listen: SocketAddr) -> Options {
        Options { listen, fail: 0.0, seed: 1, seconds: 900, spin: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_five_is_one_in_five() {
        let below = share_of_u64(0.2);
        let mut dice = 1;
        let fails = (0..100_000).filter(|_| throw(&mut dice) < below).count();
        assert!((19_500..20_500).contains(&fails), "{fails}");
        assert_eq!(share_of_u64(0.0), 0);
    }

    #[test]
    fn a_head_is_read_whatever_its_case() {
        let head = b"POST /v1/x HTTP/1.1\r\nContent-Length: 12\r\nX-Mock-Chunks: 99999\r\nx-mock-delay-us: 20\r\n\r\n";
        let asked = asked(head).unwrap();
        assert_eq!(asked.framing, Framing::Length(12));
        assert_eq!((asked.chunks, asked.delay), (CHUNKS_MAX, Duration::from_micros(20)));
    }
}
