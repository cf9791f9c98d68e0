//! A call that fails twice and is answered. There is no loop here.
//!
//! ```text
//! cargo run -p seawall --example retry
//! ```

mod upstream;

use seawall::Client;
use serde_json::{Value, json};

/// What the upstream of this process does: it fails twice, answers once, and refuses everything after that.
const MISDEEDS: &str = r#"phase = [{ count = 2, fault = "500" }, { from = 4, fault = "401" }]"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (openai, _chaos) = upstream::or_chaos(MISDEEDS).await?;
    let question = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]});

    // The client: one for the whole program. The call. The answer.
    let client = Client::builder().upstream(openai).build()?;
    let response = client.post("/v1/chat/completions", &question).await?;
    println!("answered: {} after {} attempts", response.outcome(), response.attempts());
    let answer: Value = response.json().await?;
    println!("it says {}", answer["choices"][0]["message"]["content"]);

    // What a retry cannot mend fails once, and says whose fault it is.
    match client.post("/v1/chat/completions", &question).await {
        Ok(response) => println!("answered: {} after {} attempts", response.outcome(), response.attempts()),
        Err(error) => {
            println!("failed: {error}");
            println!("whose fault: {}; worth coming back: {}", error.whose_fault(), error.is_retryable());
        }
    }
    Ok(())
}
