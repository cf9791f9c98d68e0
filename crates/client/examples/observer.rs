//! An observer of one's own: it counts, and writes a line for each failed attempt.
//!
//! ```text
//! cargo run -p seawall --example observer
//! ```

mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use seawall::event::{Attempt, Ended, Facts, Request};
use seawall::{Client, Observer};
use serde_json::json;

const MISDEEDS: &str = r#"phase = [{ count = 2, fault = "503" }, { from = 4, count = 1, fault = "502" }]"#;

/// What is told on the request's own task: it counts, and does not wait.
#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    failed_attempts: AtomicU64,
}

impl Observer for Counts {
    fn failed(&self, request: &Arc<Request>, attempt: Attempt) {
        self.failed_attempts.fetch_add(1, Ordering::Relaxed);
        let model = request.model.as_deref().unwrap_or("-");
        let (number, upstream, class, next) = (attempt.number, attempt.upstream, attempt.class, attempt.reason);
        println!("{model}: attempt {number} at {upstream} failed: {class}; next: {next}");
    }

    fn ended(&self, facts: &Facts, _record: Option<&Arc<Request>>, ended: Ended) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        println!("{}: {} after {} attempts, status {}", facts.endpoint, ended.outcome, ended.attempts, ended.status);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (openai, _chaos) = upstream::or_chaos(MISDEEDS).await?;
    let counts = Arc::new(Counts::default());
    let client = Client::builder().upstream(openai).observer(counts.clone()).build()?;
    for text in ["a wave", "another wave"] {
        client
            .post("/v1/embeddings", &json!({"model": "text-embedding-3-small", "input": text}))
            .await?
            .bytes()
            .await?;
    }
    let (requests, failed) = (counts.requests.load(Ordering::Relaxed), counts.failed_attempts.load(Ordering::Relaxed));
    println!("requests: {requests}, failed attempts: {failed}");
    Ok(())
}
