//! The program of docs/start/rust.md, word for word.
//!
//! ```text
//! OPENAI_API_KEY=… cargo run -p seawall --example start
//! ```

#![expect(clippy::disallowed_methods, reason = "a program's key comes from its environment")]

use std::env;

use seawall::{Client, Upstream};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = env::var("OPENAI_BASE_URL").unwrap_or_else(|_| "https://api.openai.com/v1".to_owned());
    let openai = Upstream::new(&url)?.key(&env::var("OPENAI_API_KEY")?)?;
    // One for the whole program: its clones share connections, budget and breakers.
    let client = Client::builder().upstream(openai).build()?;

    let question = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]});
    match client.post("/v1/chat/completions", &question).await {
        Ok(response) => {
            let answer: Value = response.json().await?;
            println!("{}", answer["choices"][0]["message"]["content"].as_str().unwrap_or_default());
        }
        // Everything that helps has been tried. Whose fault it is decides what to do now.
        Err(error) => println!("failed: {} {}, {error}", error.whose_fault(), error.code()),
    }
    Ok(())
}
