//! What a program holds may be dropped at any moment: the future of a request, its answer, its events.
//!
//! Each is dropped after each number of polls in turn, which is at each `.await` that it gets to. Nothing is left
//! behind: no attempt under way, no place in a queue, no probe, no bytes held, and no reply that is still read.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use seawall::{Body, Client, Error, Memory, Overrides, Policy, Upstream};
use seawall_chaos::{Running, Server};
use seawall_core::event::Reason;
use seawall_core::plan::breaker::State;
use seawall_core::plan::policy::{Commit, FirstContent};
use tokio::time::timeout;

use crate::bench::policy;
use crate::leaving::{POLLS_MAX, within};

/// What takes longer hangs.
pub(crate) const WITHIN: Duration = Duration::from_secs(20);

/// A client as a program has it, and a slow upstream.
pub(crate) struct Program {
    pub(crate) chaos: Running,
    pub(crate) client: Client,
    pub(crate) memory: Arc<Memory>,
}

/// What is done with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Bytes,
    Events,
    Flow,
}

pub(crate) async fn program(policy: Policy) -> Program {
    let slow = seawall_chaos::Settings { chunk_delay: Duration::from_millis(2), chunks: 4, ..Default::default() };
    let chaos = Server::start(slow).await.unwrap();
    let memory = Memory::new(1 << 20);
    let upstream = Upstream::new(&format!("{}/v1", chaos.url())).unwrap();
    let client = Client::builder().upstream(upstream).policy(policy).memory(Arc::clone(&memory)).build().unwrap();
    Program { chaos, client, memory }
}

/// Nothing opens a breaker, however often callers leave behind failures.
pub(crate) fn calm() -> Policy {
    let mut policy = policy();
    (policy.breaker.guard, policy.breaker.open_solo, policy.breaker.window_min) = (100, 100, 1_000);
    policy
}

/// A chat completion; with a key of its own, so that what chaos counts begins anew.
pub(crate) fn request(chaos: &str, stream: bool, key: &str) -> Request<Body> {
    let body = format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"hello {key}"}}]}}"#);
    Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("x-chaos", chaos)
        .header("x-chaos-latency", "3ms")
        .header("x-chaos-key", key)
        .body(Body::from(body))
        .unwrap()
}

impl Use {
    /// What an answer is for that comes as a stream, or does not.
    pub(crate) fn of(stream: bool) -> Use {
        if stream { Use::Events } else { Use::Bytes }
    }
}

/// Sends it, and takes all of the answer.
pub(crate) async fn take<B>(client: Client, request: Request<B>, by: Use) -> Result<usize, Error>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<seawall::BodyError>,
{
    let response = client.send(request).await?;
    let mut taken = 0;
    match by {
        Use::Bytes => taken = response.bytes().await?.len(),
        Use::Events => {
            let mut events = response.events();
            while let Some(event) = events.next().await {
                event?;
                taken += 1;
            }
        }
        Use::Flow => taken = response.into_http().into_body().collect().await?.to_bytes().len(),
    }
    Ok(taken)
}

impl Program {
    /// Nothing is under way, waited for or held.
    pub(crate) fn is_at_rest(&self) -> bool {
        (self.client.under_way(), self.client.waiting(), self.memory.held()) == (0, 0, 0)
    }

    /// Drops what `begin` begins after each number of polls; how often it was left before it came to an end.
    async fn leave<F: Future<Output = Result<usize, Error>>>(&self, what: &str, begin: impl Fn(&str) -> F) -> usize {
        let mut left = 0;
        for polls in 1..=POLLS_MAX {
            let key = format!("{what}-{polls}");
            // On the heap: it is dropped where it stands.
            match timeout(WITHIN, within(polls, Box::pin(begin(&key)))).await.expect("it hangs") {
                Some(Ok(taken)) => {
                    assert!(taken > 0, "{what}");
                    break;
                }
                Some(Err(error)) => panic!("{what}: {error} after {left}"),
                None => left += 1,
            }
            let state = (self.client.under_way(), self.client.waiting(), self.memory.held());
            assert_eq!(state, (0, 0, 0), "{what}: left after {polls} polls");
        }
        assert!(left < POLLS_MAX, "{what} never ends");
        timeout(WITHIN, self.chaos.until(|stats| stats.in_flight == 0)).await.expect("a reply is still read");
        left
    }
}

#[tokio::test]
async fn a_request_its_answer_and_its_events_can_be_dropped_at_any_await() {
    let program = program(calm()).await;
    for (chaos, stream, by, awaits) in [
        ("ok", false, Use::Bytes, 2),
        ("500*2", false, Use::Bytes, 4),
        ("ok", true, Use::Events, 4),
        ("ok", true, Use::Bytes, 4),
        ("ok", true, Use::Flow, 4),
        ("503*1", true, Use::Events, 5),
    ] {
        let begin = |key: &str| take(program.client.clone(), request(chaos, stream, key), by);
        let left = program.leave(&format!("{chaos}, {by:?}"), begin).await;
        assert!(left >= awaits, "{chaos}, {by:?}: left {left} times");
    }
}

#[tokio::test]
async fn a_stream_that_is_held_can_be_dropped_at_any_await() {
    let program = program(calm()).await;
    for chaos in ["ok", "stream_cut=2*1"] {
        let begin = |key: &str| {
            let mut request = request(chaos, true, key);
            request.extensions_mut().insert(Overrides::new().commit(Commit::Buffer));
            take(program.client.clone(), request, Use::Events)
        };
        let left = program.leave(&format!("held {chaos}"), begin).await;
        assert!(left >= 4, "{chaos}: left {left} times");
    }
}

/// It is not in memory yet: the room that it takes up is given back, too.
#[tokio::test]
async fn a_body_that_is_taken_in_can_be_dropped_at_any_await() {
    let program = program(calm()).await;
    let begin = |key: &str| {
        let (head, _) = request("500*1", false, key).into_parts();
        let bytes = Bytes::from(format!(r#"{{"model":"m","input":"{}"}}"#, "x".repeat(200)));
        take(program.client.clone(), Request::from_parts(head, Pieces { bytes, is_due: false }), Use::Bytes)
    };
    let left = program.leave("pieces", begin).await;
    assert!(left >= 6, "left {left} times");
}

/// A body in pieces, each of which has to be waited for.
struct Pieces {
    bytes: Bytes,
    is_due: bool,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.is_due = !self.is_due;
        if self.is_due {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        let len = self.bytes.len().min(40);
        let piece = self.bytes.split_to(len);
        std::task::Poll::Ready((len > 0).then(|| Ok(http_body::Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_hedged_stream_can_be_dropped_at_any_await() {
    let mut policy = calm();
    (policy.hedge.enabled, policy.hedge.after_min) = (true, Duration::from_millis(20));
    // Each request earns a hedge: most of them are left when theirs has begun.
    policy.hedge.deposit = 1_000;
    policy.timeout.first_content = FirstContent::Fixed(Duration::from_secs(20));
    let program = program(policy).await;
    for warm in 0..60 {
        take(program.client.clone(), request("ok", true, &format!("warm-{warm}")), Use::Events).await.unwrap();
    }
    let begin = |key: &str| take(program.client.clone(), request("first_content_timeout*1", true, key), Use::Events);
    let left = program.leave("hedged", begin).await;
    assert!(left >= 4, "left {left} times");
}

/// What is thrown away unread is an answer that nobody waits for.
#[tokio::test]
async fn an_answer_that_is_dropped_unread_ends_its_stream() {
    let program = program(calm()).await;
    for _ in 0..3 {
        let response = program.client.send(request("stall=2", true, "unread")).await.unwrap();
        drop(response);
        let events = program.client.send(request("stall=2", true, "unread")).await.unwrap().events();
        drop(events);
        let body = program.client.send(request("stall=2", true, "unread")).await.unwrap().into_http().into_body();
        drop(body);
    }
    let stats = timeout(WITHIN, program.chaos.until(|stats| stats.cancelled == 9)).await.expect("it is still read");
    assert_eq!((stats.attempts, stats.in_flight), (9, 0));
    assert!(program.is_at_rest());
}

#[tokio::test]
async fn a_timeout_or_another_branch_ends_a_request_whatever_it_waits_for() {
    let program = program(calm()).await;
    for (at, chaos) in ["first_content_timeout", "503", "stall=0", "slow=1s"].into_iter().cycle().take(40).enumerate() {
        let patience = Duration::from_millis(1 + at as u64);
        let stream = at % 2 == 0;
        let asked = take(program.client.clone(), request(chaos, stream, &format!("timeout-{at}")), Use::of(stream));
        if at % 4 < 2 {
            let _ = timeout(patience, asked).await;
        } else {
            tokio::select! {
                _ = asked => {}
                () = tokio::time::sleep(patience) => {}
            }
        }
        assert!(program.is_at_rest(), "{chaos} after {patience:?}");
    }
    timeout(WITHIN, program.chaos.until(|stats| stats.in_flight == 0)).await.expect("a reply is still read");
}

#[tokio::test]
async fn a_task_that_is_aborted_leaves_nothing_under_way() {
    for flow in [false, true] {
        let program = program(calm()).await;
        let chaos = if flow { "stall=2" } else { "first_content_timeout" };
        let asked = take(program.client.clone(), request(chaos, flow, "aborted"), Use::of(flow));
        let task = tokio::spawn(asked);
        timeout(WITHIN, program.chaos.until(|stats| stats.in_flight == 1)).await.expect("it is not asked");
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(program.is_at_rest());
        timeout(WITHIN, program.chaos.until(|stats| stats.cancelled == 1)).await.expect("it is still read");
    }
}

/// A breaker that opens after three failures, for `open`.
fn brittle(open: Duration) -> Policy {
    let mut policy = policy();
    policy.retry.max_attempts = 1;
    (policy.breaker.guard, policy.breaker.open_solo, policy.breaker.open_alt) = (3, 3, 3);
    (policy.breaker.open, policy.breaker.open_max) = (open, open);
    // A probe that is never released would keep all others out.
    (policy.breaker.probe_every, policy.breaker.probes_max) = (Duration::from_secs(3_600), 1);
    policy
}

impl Program {
    pub(crate) fn state(&self) -> State {
        self.client.breakers().first().map_or(State::Closed, |(_, _, state)| *state)
    }

    /// Fails until nothing is asked any more. Evidence from one moment is none, so it takes a while.
    pub(crate) async fn break_down(&self) {
        for failures in 0..20 {
            if self.state() == State::Open {
                return;
            }
            let mut request = request("500", false, &format!("fails-{failures}"));
            request.headers_mut().insert("x-chaos-latency", "200ms".parse().unwrap());
            take(self.client.clone(), request, Use::Bytes).await.unwrap_err();
        }
        panic!("it never opens");
    }
}

#[tokio::test]
async fn a_probe_is_released_wherever_its_caller_drops_it() {
    let program = program(brittle(Duration::from_millis(20))).await;
    program.break_down().await;
    let mut left = 0;
    for polls in 1..=POLLS_MAX {
        let probe = || within(polls, Box::pin(take(program.client.clone(), request("ok", false, "probe"), Use::Bytes)));
        let mut probed = probe().await;
        // Until the first probe may go, there is nothing to leave.
        while let Some(Err(error)) = &probed
            && program.state() == State::Open
        {
            assert_eq!(error.reason(), Reason::Breaker);
            tokio::time::sleep(error.retry_after().unwrap_or_default()).await;
            probed = probe().await;
        }
        match probed {
            None => left += 1,
            Some(Ok(_)) => break,
            Some(Err(error)) => panic!("after {left} probes were left: {error}"),
        }
        assert!(program.is_at_rest() && program.state() == State::Half, "left after {polls} polls");
    }
    assert!((2..POLLS_MAX).contains(&left), "left {left} times");
    assert_eq!(program.state(), State::Ramp);
}

#[tokio::test]
async fn a_place_in_the_queue_is_given_up_with_the_request() {
    let mut policy = brittle(Duration::from_secs(60));
    policy.wait.max = Duration::from_secs(60);
    let program = program(policy).await;
    program.break_down().await;
    // It is polled when it begins, and at every look: each of these is a place to leave it.
    for polls in 1..=4 {
        let waits = within(polls, Box::pin(take(program.client.clone(), request("ok", false, "waits"), Use::Bytes)));
        assert!(timeout(WITHIN, waits).await.expect("it hangs").is_none(), "it waits no more after {polls} polls");
        assert!(program.is_at_rest(), "left after {polls} polls");
    }
    let waits = [(); 3].map(|()| tokio::spawn(take(program.client.clone(), request("ok", false, "waits"), Use::Bytes)));
    let queued = async {
        while program.client.waiting() < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(WITHIN, queued).await.expect("they do not wait");
    for wait in waits {
        wait.abort();
        assert!(wait.await.unwrap_err().is_cancelled());
    }
    assert!(program.is_at_rest());
}

/// A body that another attempt could not send is no less given up.
#[tokio::test]
async fn a_body_that_flows_is_dropped_with_its_request() {
    let program = program(calm()).await;
    // More than there is room for.
    let large = Bytes::from(format!(r#"{{"model":"m","input":"{}"}}"#, "x".repeat(2 << 20)));
    let begin = |key: &str| {
        let (head, _) = request("ok", false, key).into_parts();
        take(program.client.clone(), Request::from_parts(head, Full::new(large.clone())), Use::Bytes)
    };
    let left = program.leave("flows", begin).await;
    assert!(left >= 2, "left {left} times");
}
