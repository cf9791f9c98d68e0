//! Several upstreams, the first of which is dead: the second answers in its place.
//!
//! ```text
//! cargo run -p seawall --example upstreams
//! ```

mod upstream;

use std::time::Duration;

use seawall::{Client, Upstream};
use serde_json::json;

/// Requests that are sent: enough for the client to stop asking who never answers.
const REQUESTS: u32 = 12;
/// The pause before the next one. Failures count as an outage only where they take some time.
const PAUSE: Duration = Duration::from_millis(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (openai, _chaos) = upstream::or_chaos("").await?;
    // Nobody listens there.
    let dead = Upstream::new("http://127.0.0.1:1/v1")?.name("dead").key("sk-of-the-dead")?;

    // The lower number is asked first. Both would be asked in turn if they had the same.
    let client = Client::builder().upstream(dead.priority(1)).upstream(openai.priority(2)).build()?;
    let question = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]});

    for number in 1..=REQUESTS {
        let response = client.post("/v1/chat/completions", &question).await?;
        let (who, outcome, attempts) = (response.upstream(), response.outcome(), response.attempts());
        println!("request {number}: {who} answered, {outcome}, attempts: {attempts}");
        tokio::time::sleep(PAUSE).await;
    }
    for (upstream, model, state) in client.breakers() {
        println!("{upstream}, {model}: {state}");
    }
    Ok(())
}
