//! Drives the Rust SDK async-openai: one case a line on stdin, one result a line on stdout.
//!
//! The SDK retries by itself up to three times and takes no notice of `x-should-retry`, so it is
//! run over a bare service: whatever is retried here, the gateway has retried. Cases run at the
//! same time; results come in the order in which they end, each with its case's `id`.

use std::sync::Arc;
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::ReqwestService;
use async_openai::types::chat::{ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequestArgs};
use async_openai::types::embeddings::CreateEmbeddingRequestArgs;
use async_openai::types::responses::CreateResponseArgs;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// What the runner asks for.
#[derive(Debug, Deserialize)]
struct Case {
    id: u64,
    base_url: String,
    api_key: String,
    /// `chat`, `chat_stream`, `responses`, `responses_stream`, `embeddings` or `models`.
    call: String,
    model: String,
    prompt: String,
    timeout_s: Option<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let out = Arc::new(Mutex::new(()));
    let mut running = JoinSet::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let case: Case = match serde_json::from_str(&line) {
            Ok(case) => case,
            Err(error) => {
                println!("{}", json!({"id": null, "outcome": "driver", "message": error.to_string()}));
                continue;
            }
        };
        let out = Arc::clone(&out);
        running.spawn(async move {
            let id = case.id;
            let mut result = run(case).await;
            result["id"] = json!(id);
            let _whole_line = out.lock().await;
            println!("{result}");
        });
    }
    while running.join_next().await.is_some() {}
}

async fn run(case: Case) -> Value {
    let mut http = reqwest::Client::builder().no_proxy();
    if let Some(timeout) = case.timeout_s {
        http = http.timeout(Duration::from_secs_f64(timeout));
    }
    let http = match http.build() {
        Ok(http) => http,
        Err(error) => return json!({"outcome": "driver", "message": error.to_string()}),
    };
    let config = OpenAIConfig::new().with_api_base(&case.base_url).with_api_key(&case.api_key);
    let client = Client::with_config(config).with_http_service(ReqwestService::new(http));
    let mut events = 0;
    match call(&client, &case, &mut events).await {
        Ok(()) if case.call.ends_with("_stream") => json!({"outcome": "stream_end", "events": events}),
        Ok(()) => json!({"outcome": "ok"}),
        Err(error) => json!({"outcome": "error", "events": events, "error": told(&error)}),
    }
}

async fn call(client: &Client<OpenAIConfig>, case: &Case, events: &mut u32) -> Result<(), OpenAIError> {
    let message = || ChatCompletionRequestUserMessageArgs::default().content(case.prompt.as_str()).build();
    match case.call.as_str() {
        "chat" => {
            let request =
                CreateChatCompletionRequestArgs::default().model(&case.model).messages([message()?.into()]).build()?;
            client.chat().create(request).await.map(drop)
        }
        "chat_stream" => {
            let request =
                CreateChatCompletionRequestArgs::default().model(&case.model).messages([message()?.into()]).build()?;
            let mut stream = client.chat().create_stream(request).await?;
            while let Some(event) = stream.next().await {
                event?;
                *events += 1;
            }
            Ok(())
        }
        "responses" => {
            let request = CreateResponseArgs::default().model(&case.model).input(case.prompt.as_str()).build()?;
            client.responses().create(request).await.map(drop)
        }
        "responses_stream" => {
            let request = CreateResponseArgs::default().model(&case.model).input(case.prompt.as_str()).build()?;
            let mut stream = client.responses().create_stream(request).await?;
            while let Some(event) = stream.next().await {
                event?;
                *events += 1;
            }
            Ok(())
        }
        "embeddings" => {
            let request =
                CreateEmbeddingRequestArgs::default().model(&case.model).input(case.prompt.as_str()).build()?;
            client.embeddings().create(request).await.map(drop)
        }
        "models" => client.models().list().await.map(drop),
        other => Err(OpenAIError::InvalidArgument(format!("no call {other:?}"))),
    }
}

/// What a program could tell from the error.
fn told(error: &OpenAIError) -> Value {
    match error {
        OpenAIError::ApiError(reply) => json!({
            "class": "ApiError",
            "status_code": reply.status_code.as_u16(),
            "code": reply.api_error.code,
            "type": reply.api_error.r#type,
            "message": reply.api_error.message,
        }),
        OpenAIError::Reqwest(error) => json!({
            "class": if error.is_timeout() { "Reqwest/timeout" } else if error.is_connect() { "Reqwest/connect" } else { "Reqwest" },
            "message": error.to_string(),
        }),
        OpenAIError::JSONDeserialize(_, content) => json!({"class": "JSONDeserialize", "message": content}),
        OpenAIError::StreamError(_) => json!({"class": "StreamError", "message": error.to_string()}),
        other => json!({"class": "Other", "message": other.to_string()}),
    }
}
