//! Inside axum: a stream passed on to a browser, failures as statuses, and nothing goes on for who has left.
//!
//! ```text
//! cargo run -p seawall --example axum
//! curl -N http://127.0.0.1:PORT/ask -d 'Say hello.'
//! ```

mod upstream;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, body::Body, extract::State, routing::post};
use seawall::explain::Whose;
use seawall::{Client, Error};
use serde_json::json;

/// The first attempt fails; the fourth request is cut, and the fifth refused.
const MISDEEDS: &str = r#"
    chunks = 50
    chunk_delay = "20ms"
    phase = [{ count = 1, fault = "500" }, { from = 4, count = 1, fault = "stream_cut=3" }, { from = 5, count = 1, fault = "401" }]
"#;

/// The upstream's events, as they come. One that is cut off is an error of the body, so the connection ends in the middle and
/// no browser takes it for whole. Who leaves drops this body, or this whole future, and with it the attempt under way.
async fn ask(State(client): State<Client>, question: String) -> Result<Response, Failed> {
    let request = json!({"model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": question}]});
    let response = client.post("/v1/chat/completions", &request).await.map_err(Failed)?;
    let body = Body::new(response.into_http().into_body());
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], body).into_response())
}

/// A failure, as our own callers are to see it: without a word of the provider's.
struct Failed(Error);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Failed(error) = self;
        eprintln!("{} {error}", error.id());
        let status = match error.whose_fault() {
            _ if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            _ if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            // Not who asked us: our request, key or account.
            Whose::Caller | Whose::Seawall => StatusCode::INTERNAL_SERVER_ERROR,
            Whose::Provider | Whose::Network => StatusCode::BAD_GATEWAY,
        };
        let later = error.retry_after().map(|wait| [(header::RETRY_AFTER, wait.as_secs().max(1).to_string())]);
        (status, later, format!("no answer: {}\n", error.id())).into_response()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (openai, chaos) = upstream::or_chaos(MISDEEDS).await?;
    let router = Router::new().route("/ask", post(ask)).with_state(Client::builder().upstream(openai).build()?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let before = chaos.as_ref().map_or_else(|| "the API".to_owned(), |chaos| chaos.url());
    println!("http://{}/ask, in front of {before}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
