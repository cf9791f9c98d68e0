//! Streams: one that fails before its first word, one that is cut, and one that is not handed out before its end.
//!
//! ```text
//! cargo run -p seawall --example streaming
//! ```

mod upstream;

use std::io::Write;

use seawall::policy::Commit;
use seawall::{Body, Client, Error, Events, Overrides};
use serde_json::{Value, json};

const MISDEEDS: &str = r#"
    chunks = 6
    phase = [{ count = 1, fault = "stream_error" }, { from = 3, count = 2, fault = "stream_cut=3" }]
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (openai, _chaos) = upstream::or_chaos(MISDEEDS).await?;
    let client = Client::builder().upstream(openai).build()?;
    let question = json!({"model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": "Say hello."}]});

    // Until its first content a stream can be asked for again, and nobody notices.
    let response = client.post("/v1/chat/completions", &question).await?;
    println!("the first stream began after {} attempts", response.attempts());
    show(response.events()).await?;

    // After it nothing can be taken back: a stream that is cut ends in an error, never as if it were whole.
    match show(client.post("/v1/chat/completions", &question).await?.events()).await {
        Ok(()) => println!("nobody cut it"),
        Err(error) => println!("\nan error at its end: {error}"),
    }

    // Where half an answer is worth nothing, the stream is held until all of it is here, and asked for again if it breaks.
    let request = http::Request::post("/v1/chat/completions")
        .extension(Overrides::new().commit(Commit::Buffer))
        .body(Body::json(&question)?)?;
    let response = client.send(request).await?;
    println!("the last stream is whole after {} attempts", response.attempts());
    show(response.events()).await?;
    Ok(())
}

async fn show(mut events: Events) -> Result<(), Error> {
    while let Some(event) = events.next().await {
        let chunk: Value = event?.json()?;
        print!("{}", chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        std::io::stdout().flush().ok();
    }
    println!(" (whole)");
    Ok(())
}
