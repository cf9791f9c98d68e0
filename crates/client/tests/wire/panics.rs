//! An observer that panics takes its request with it, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seawall::event::{Attempt, Ended, Request};
use seawall::{Answered, Client, Memory, Observer, Upstream};
use seawall_chaos::Server;
use seawall_core::plan::breaker::State;
use tokio::time::timeout;

use crate::dropping::{Program, Use, WITHIN, calm, request, take};

/// Panics in the methods whose bit is set, while it is armed.
#[derive(Default)]
struct Panics {
    bits: AtomicUsize,
    told: AtomicUsize,
}

const FAILED: usize = 1;
const ANSWERED: usize = 2;
const ENDED: usize = 4;
const LEFT: usize = 8;
const ALL: usize = FAILED | ANSWERED | ENDED | LEFT;

impl Panics {
    fn at(&self, bit: usize) {
        self.told.fetch_or(bit, Ordering::SeqCst);
        assert!(self.bits.load(Ordering::SeqCst) & bit == 0, "an observer that panics");
    }
}

impl Observer for Panics {
    fn failed(&self, _: &Arc<Request>, _: Attempt) {
        self.at(FAILED);
    }
    fn answered(&self, _: &seawall_core::request::Request, _: &Answered<'_>) {
        self.at(ANSWERED);
    }
    fn ended(&self, _: &seawall_core::request::Request, _: Option<&Arc<Request>>, _: Ended) {
        self.at(ENDED);
    }
    fn left(&self, _: &seawall_core::request::Request, _: u32) {
        self.at(LEFT);
    }
}

async fn watched(policy: seawall::Policy) -> (Program, Arc<Panics>) {
    let chaos = Server::start(seawall_chaos::Settings::default()).await.unwrap();
    let (memory, panics) = (Memory::new(1 << 20), Arc::new(Panics::default()));
    let upstream = Upstream::new(&format!("{}/v1", chaos.url())).unwrap();
    let client = Client::builder()
        .upstream(upstream)
        .policy(policy)
        .memory(Arc::clone(&memory))
        .observer(Arc::clone(&panics) as Arc<dyn Observer>)
        .build()
        .unwrap();
    (Program { chaos, client, memory }, panics)
}

#[tokio::test]
async fn an_observer_that_panics_ends_its_request_and_nothing_else() {
    let (program, panics) = watched(calm()).await;
    for bits in [FAILED, ANSWERED, ENDED, ALL] {
        for (chaos, stream) in [("ok", false), ("ok", true), ("500*1", false), ("stream_cut=2", true), ("400", false)] {
            let key = format!("{bits}-{chaos}-{stream}");
            panics.bits.store(bits, Ordering::SeqCst);
            panics.told.store(0, Ordering::SeqCst);
            let asked = tokio::spawn(take(program.client.clone(), request(chaos, stream, &key), Use::of(stream)));
            let ended = timeout(WITHIN, asked).await.expect("it hangs");
            // Where it would have panicked, it did, and the panic went to whoever asked.
            let should_panic = panics.told.load(Ordering::SeqCst) & bits != 0;
            assert_eq!(ended.is_err_and(|error| error.is_panic()), should_panic, "{key}");
            assert!(program.is_at_rest(), "{key}");
            panics.bits.store(0, Ordering::SeqCst);
            let again = take(program.client.clone(), request("ok", stream, "again"), Use::of(stream));
            assert!(timeout(WITHIN, again).await.expect("it hangs").is_ok(), "{key}");
        }
    }
}

/// Two panics at once would end the whole program.
#[tokio::test]
async fn a_panic_that_takes_requests_with_it_does_not_meet_another_one() {
    let (program, panics) = watched(calm()).await;
    let mut events = program.client.send(request("stall=2", true, "falls")).await.unwrap().events();
    events.next().await.unwrap().unwrap();
    let client = program.client.clone();
    panics.bits.store(ALL, Ordering::SeqCst);
    let falls = tokio::spawn(async move {
        let mut asked = Box::pin(take(client, request("first_content_timeout", false, "falls"), Use::Bytes));
        // Its attempt is under way, and its own panic takes it down together with a stream that flows.
        let _ = timeout(Duration::from_millis(50), asked.as_mut()).await;
        let _events = events;
        panic!("the program's own");
    });
    let fell = timeout(WITHIN, falls).await.expect("it hangs").unwrap_err();
    let said = fell.into_panic();
    assert_eq!(said.downcast_ref::<&str>(), Some(&"the program's own"));
    assert!(program.is_at_rest());
    timeout(WITHIN, program.chaos.until(|stats| stats.in_flight == 0)).await.expect("a reply is still read");
}

#[tokio::test]
async fn a_probe_is_released_when_its_observer_panics() {
    let mut policy = calm();
    policy.retry.max_attempts = 1;
    (policy.breaker.guard, policy.breaker.open_solo, policy.breaker.open_alt) = (3, 3, 3);
    (policy.breaker.open, policy.breaker.open_max) = (Duration::from_millis(20), Duration::from_millis(20));
    (policy.breaker.probe_every, policy.breaker.probes_max) = (Duration::from_secs(3_600), 1);
    let (program, panics) = watched(policy).await;
    program.break_down().await;
    panics.bits.store(ALL, Ordering::SeqCst);
    // Every probe fails and panics: were it not released, the next would never go.
    let mut probes = 0;
    let probing = async {
        while probes < 3 {
            let asked = tokio::spawn(take(program.client.clone(), request("500", false, "probe"), Use::Bytes));
            match asked.await {
                Err(error) if error.is_panic() => {
                    // What is refused has no attempt: its end is told, and panics, too.
                    probes += usize::from(panics.told.swap(0, Ordering::SeqCst) & FAILED != 0);
                }
                other => panic!("it does not panic: {other:?}"),
            }
            assert!(program.is_at_rest());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(WITHIN, probing).await.expect("a probe was never released");
    panics.bits.store(0, Ordering::SeqCst);
    let well = async {
        while take(program.client.clone(), request("ok", false, "well"), Use::Bytes).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(WITHIN, well).await.expect("it is never asked again");
    assert_ne!(program.state(), State::Open);
}
