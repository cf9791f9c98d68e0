//! The program of docs/start/rust.md, word for word.

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::middleware::ReqwestService;
use async_openai::types::chat::{ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequestArgs};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A bare service: what is retried, Seawall has retried.
    let service = ReqwestService::new(reqwest::Client::new());
    let client = Client::with_config(OpenAIConfig::default()).with_http_service(service);
    let question = ChatCompletionRequestUserMessageArgs::default().content("Say hello.").build()?;
    let request = CreateChatCompletionRequestArgs::default().model("gpt-4o").messages([question.into()]).build()?;
    let answer = client.chat().create(request).await?;
    println!("{}", answer.choices[0].message.content.as_deref().unwrap_or_default());
    Ok(())
}
