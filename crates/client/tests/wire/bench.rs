//! A real client before a real chaos upstream, and what the client said on the way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, header};
use seawall::proxy::{Answer, Call, Labels, Payload};
use seawall::{Answered, Client, Observer, Upstream};
use seawall_chaos::{Running, Server};
use seawall_core::event::{self, Outcome};
use seawall_core::plan::policy::{FirstContent, Policy, RETRIED};
use seawall_core::request::Request;
use seawall_core::verdict::{Class, Fault};

/// Remembers what it is told.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) failed: Mutex<Vec<event::Attempt>>,
    pub(crate) left: Mutex<Vec<u32>>,
    pub(crate) ended: Mutex<Vec<event::Ended>>,
}

impl Observer for Notes {
    fn failed(&self, _: &Arc<event::Request>, attempt: event::Attempt) {
        self.failed.lock().unwrap().push(attempt);
    }
    fn answered(&self, _: &Request, _: &Answered<'_>) {}
    fn ended(&self, _: &Request, _: Option<&Arc<event::Request>>, ended: event::Ended) {
        self.ended.lock().unwrap().push(ended);
    }
    fn left(&self, _: &Request, attempts: u32) {
        self.left.lock().unwrap().push(attempts);
    }
}

impl Notes {
    pub(crate) fn taken_for(&self) -> Vec<(Class, Option<Fault>)> {
        self.failed.lock().unwrap().iter().map(|a| (a.class, a.fault)).collect()
    }
}

pub(crate) struct Bench {
    pub(crate) chaos: Running,
    pub(crate) client: Client,
    pub(crate) notes: Arc<Notes>,
}

/// How an answer was found, and by how many attempts.
pub(crate) fn found(answer: &Answer) -> (Outcome, u32) {
    let found = answer.found.as_ref().expect("an answer that was not held");
    (found.outcome, found.attempts)
}

/// Waits short enough for a test, the rest as it comes.
pub(crate) fn policy() -> Policy {
    let mut policy = Policy::default();
    for class in RETRIED {
        policy.retry.class_mut(class).unwrap().backoff.base = Duration::from_millis(1);
    }
    policy.budget.start = 1_000_000;
    policy.timeout.first_content = FirstContent::Fixed(Duration::from_millis(300));
    policy.timeout.byte_idle = Duration::from_millis(300);
    policy
}

pub(crate) async fn bench(policy: Policy) -> Bench {
    bench_with(policy, seawall_chaos::Settings::default()).await
}

pub(crate) async fn bench_with(policy: Policy, chaos: seawall_chaos::Settings) -> Bench {
    let chaos = Server::start(chaos).await.unwrap();
    let settings = Upstream::at("chaos", format!("{}/v1", chaos.url()).parse().unwrap());
    let notes = Arc::new(Notes::default());
    let client =
        Client::builder().upstream(settings).policy(policy).observer(Arc::clone(&notes) as _).seed(1).build().unwrap();
    Bench { chaos, client, notes }
}

impl Bench {
    /// A call that chaos is told nothing by.
    pub(crate) fn plain_call(&self, stream: bool) -> Call {
        let mut call = self.call("ok", stream);
        call.headers.remove("x-chaos");
        call
    }

    pub(crate) fn call(&self, chaos: &str, stream: bool) -> Call {
        let body = format!(
            r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"hello there, whoever you are"}}]}}"#
        );
        let body = Bytes::from(body);
        let path = "/v1/chat/completions";
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            ("x-chaos".parse().unwrap(), HeaderValue::from_str(chaos).unwrap()),
        ]);
        let now = seawall::proxy::unix_micros();
        Call {
            facts: Request::of(&Method::POST, path, &headers, Some(&body), body.len() as u64),
            target: PathAndQuery::from_static(path),
            headers,
            payload: Payload::Kept(body),
            replay: Ok(()),
            max_retries: None,
            commit: None,
            labels: Labels { id: self.client.new_id(now), ..Labels::default() },
            follower: None,
            arrived: tokio::time::Instant::now(),
            arrived_unix_micros: now,
        }
    }
}
