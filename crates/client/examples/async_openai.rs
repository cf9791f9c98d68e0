//! Under `async-openai`: its types above, Seawall below, and no retries in between.
//!
//! ```text
//! cargo run -p seawall --example async_openai --features tower
//! ```

mod upstream;

use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::chat::{ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequestArgs};
use futures_util::StreamExt;
use tower::{BoxError, Service};

const MISDEEDS: &str = r#"
    chunks = 6
    phase = [{ count = 2, fault = "500" }, { from = 4, count = 1, fault = "stream_error" }, { from = 6, fault = "401" }]
"#;

/// async-openai's client over Seawall's. It retries by itself only over its own service, so it does not here.
fn over(seawall: seawall::Client) -> async_openai::Client<OpenAIConfig> {
    let service = tower::service_fn(move |factory: HttpRequestFactory| {
        let mut seawall = seawall.clone();
        async move {
            let request: http::Request<reqwest::Body> = factory.build().await?.try_into()?;
            // What an upstream worded is a response here, too; what none did is a `seawall::Error` in `OpenAIError::Boxed`.
            let response = seawall.call(request).await.map_err(|error| OpenAIError::Boxed(error.into()))?;
            Ok::<_, OpenAIError>(reqwest::Response::from(response.map(reqwest::Body::wrap)))
        }
    });
    // Where it goes, and with which key, Seawall's upstreams say.
    let config = OpenAIConfig::new().with_api_base("http://seawall/v1").with_api_key("");
    async_openai::Client::with_config(config).with_http_service(service)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (openai, _chaos) = upstream::or_chaos(MISDEEDS).await.map_err(|error| error.to_string())?;
    let client = over(seawall::Client::builder().upstream(openai).build()?);
    let question = ChatCompletionRequestUserMessageArgs::default().content("Say hello.").build()?;
    let request = CreateChatCompletionRequestArgs::default().model("gpt-4o").messages([question.into()]).build()?;

    let answer = client.chat().create(request.clone()).await?;
    println!("answered: {}", answer.choices[0].message.content.as_deref().unwrap_or_default());

    let mut stream = client.chat().create_stream(request.clone()).await?;
    while let Some(chunk) = stream.next().await {
        print!("{}", chunk?.choices.first().and_then(|choice| choice.delta.content.as_deref()).unwrap_or_default());
    }
    println!(" (whole)");

    match client.chat().create(request).await {
        Ok(_) => println!("answered"),
        Err(error) => println!("failed: {error}"),
    }
    Ok(())
}
