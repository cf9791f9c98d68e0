//! Asks and checks: as fast as the other side allows, or so many a second whatever it allows.
//!
//! A load generator lies in three ways, and each is closed here. It counts answers that it did not
//! read: every byte of every body is compared with what the mock is known to send. It waits for a slow
//! answer before it asks again: with `--rate`, requests start when their time has come, on a connection
//! of their own if need be. And it is itself late: starts that slipped by more than 5 ms are counted.
//! Prints one line of JSON.

mod exchange;
mod tally;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::fixture::{self, COMPLETION, Kind, Request};
use exchange::Connection;
pub(crate) use tally::Report;
use tally::Tally;

/// The most connections of an open loop; a request that would need more is counted as refused.
const IN_FLIGHT_MAX: usize = 2048;
/// How long the last answers may take once nothing more is asked.
const GRACE: Duration = Duration::from_secs(30);
/// A start that slips by more than this is counted as late; the timer itself has 1 ms steps.
const LATE: Duration = Duration::from_millis(5);
/// A closed-loop connection that fails this often in a row gives up.
const FAILURES_MAX: u32 = 50;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Who is asked
    #[arg(long, default_value = "127.0.0.1:9100")]
    target: SocketAddr,
    /// What is asked
    #[arg(long, value_enum, default_value = "plain")]
    kind: Kind,
    /// Keep-alive connections, each asking again as soon as it was answered
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests per second instead, whatever the answers do
    #[arg(long)]
    rate: Option<u32>,
    /// Stop asking after this many seconds
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Stop asking after this many requests
    #[arg(long)]
    requests: Option<u64>,
    /// Ask during this many seconds first, without counting
    #[arg(long, default_value_t = 0.0)]
    skip: f64,
    /// Events per stream
    #[arg(long, default_value_t = 50)]
    chunks: u32,
    /// Microseconds between events, as far as the mock's timer goes (1 ms steps)
    #[arg(long, default_value_t = 0)]
    delay_us: u32,
    /// Never sleep: what is sent to this thread then wakes nobody, and costs its sender no wake-up
    #[arg(long)]
    spin: bool,
}

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

impl Options {
    /// The options in `text`, one argument a line.
    pub(crate) fn parse(text: &str) -> Result<Options, clap::Error> {
        Ok(<Line as clap::Parser>::try_parse_from(std::iter::once("load").chain(text.lines()))?.options)
    }
}

/// Asks, then prints the report.
pub(crate) async fn run(options: Options) -> io::Result<()> {
    println!("{}", serde_json::to_string(&measure(&options).await)?);
    Ok(())
}

/// Asks. With `--spin`, this thread does not sleep meanwhile.
pub(crate) async fn measure(options: &Options) -> Report {
    let spinning = options.spin.then(|| tokio::task::spawn_local(spin()));
    let report = ask_all(options).await;
    if let Some(spinning) = spinning {
        spinning.abort();
    }
    report
}

/// Keeps this thread from sleeping.
pub(crate) async fn spin() {
    loop {
        tokio::task::yield_now().await;
    }
}

async fn ask_all(options: &Options) -> Report {
    let chunks = options.chunks.clamp(1, fixture::CHUNKS_MAX);
    let skip = Duration::from_secs_f64(options.skip.clamp(0.0, 600.0));
    let load = Rc::new(Load {
        target: options.target,
        template: Request::new(options.kind, &options.target.to_string(), chunks, options.delay_us),
        expected: match options.kind {
            Kind::Sse => fixture::stream_body(chunks),
            Kind::Plain | Kind::Large => COMPLETION.as_bytes().to_vec(),
        },
        wants_receipt: options.kind == Kind::Large,
        count_from: Instant::now() + skip,
        stop_at: Instant::now() + skip + Duration::from_secs_f64(options.seconds.clamp(0.0, 600.0)),
        left: Cell::new(options.requests.unwrap_or(u64::MAX)),
        asked: Cell::new(0),
        tally: RefCell::new(Tally::new()),
    });
    let asking = async {
        match options.rate {
            Some(rate) => open_loop(&load, rate.clamp(1, 100_000)).await,
            None => closed_loop(&load, options.connections.clamp(1, IN_FLIGHT_MAX)).await,
        }
    };
    let deadline = load.stop_at + GRACE;
    let ended = tokio::time::timeout_at(deadline.into(), asking).await.is_ok();
    load.tally.borrow().report(load.count_from, ended)
}

#[derive(Debug)]
struct Load {
    target: SocketAddr,
    template: Request,
    expected: Vec<u8>,
    wants_receipt: bool,
    count_from: Instant,
    stop_at: Instant,
    left: Cell<u64>,
    asked: Cell<u64>,
    tally: RefCell<Tally>,
}

impl Load {
    /// The number of the next request, if there is one.
    fn next(&self) -> Option<u64> {
        if self.left.get() == 0 || Instant::now() >= self.stop_at {
            return None;
        }
        self.left.set(self.left.get() - 1);
        self.asked.set(self.asked.get() + 1);
        Some(self.asked.get())
    }

    /// One request on `connection`, counted; whether the connection may be used again.
    async fn ask(&self, connection: &mut Connection, request: &mut Request, number: u64) -> bool {
        let started = Instant::now();
        let bytes = request.with(number);
        let outcome = connection.exchange(bytes, &self.expected, started).await;
        let reusable = outcome.as_ref().is_ok_and(|answer| answer.keep_alive);
        if started >= self.count_from {
            let receipt = self.wants_receipt.then(|| request.receipt());
            self.tally.borrow_mut().count(outcome, receipt.as_deref(), started.elapsed());
        }
        reusable
    }
}

async fn closed_loop(load: &Rc<Load>, connections: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let load = Rc::clone(load);
        tasks.spawn_local(async move {
            let mut request = load.template.clone();
            let mut connection = None;
            let mut failures = 0;
            while failures < FAILURES_MAX
                && let Some(number) = load.next()
            {
                let Some(open) = opened(&mut connection, &load).await else {
                    failures += 1;
                    continue;
                };
                if load.ask(open, &mut request, number).await {
                    failures = 0;
                } else {
                    connection = None;
                    failures += 1;
                }
            }
        });
    }
    tasks.join_all().await;
}

async fn opened<'a>(connection: &'a mut Option<Connection>, load: &Load) -> Option<&'a mut Connection> {
    if connection.is_none() {
        match Connection::open(load.target).await {
            Ok(open) => *connection = Some(open),
            Err(error) => load.tally.borrow_mut().transport(&error),
        }
    }
    connection.as_mut()
}

async fn open_loop(load: &Rc<Load>, rate: u32) {
    let idle: Rc<RefCell<Vec<(Connection, Request)>>> = Rc::default();
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for step in 0.. {
        let due = start + Duration::from_secs(1) * step / rate;
        tokio::time::sleep_until(due.into()).await;
        if due >= load.count_from && due.elapsed() > LATE {
            load.tally.borrow_mut().late += 1;
        }
        let Some(number) = load.next() else { break };
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= IN_FLIGHT_MAX {
            load.tally.borrow_mut().refused += 1;
            continue;
        }
        let (load, idle) = (Rc::clone(load), Rc::clone(&idle));
        tasks.spawn_local(async move {
            let kept = idle.borrow_mut().pop();
            let (mut connection, mut request) = match kept {
                Some((connection, request)) => (connection.is_open().then_some(connection), request),
                None => (None, load.template.clone()),
            };
            if let Some(open) = opened(&mut connection, &load).await
                && load.ask(open, &mut request, number).await
                && let Some(connection) = connection
            {
                idle.borrow_mut().push((connection, request));
            }
        });
    }
    tasks.join_all().await;
}
