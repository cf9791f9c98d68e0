//! What was asked: the facts of a request, never its words.
//!
//! The body is looked at, not parsed, and its bytes are never touched. A field that cannot be
//! read for certain is *opaque*: the request is still forwarded, only the knowledge is missing.

use std::time::Duration;

use crate::words::words;

words! {
    /// Which operation of the API is asked for.
    pub enum Endpoint {
        /// `POST /chat/completions`.
        ChatCompletions = "chat_completions",
        /// `POST /completions`.
        Completions = "completions",
        /// `/responses`.
        Responses = "responses",
        /// `POST /embeddings`.
        Embeddings = "embeddings",
        /// `POST /moderations`.
        Moderations = "moderations",
        /// `/images/*`.
        Images = "images",
        /// `/audio/*`.
        Audio = "audio",
        /// `GET /models`.
        Models = "models",
        /// `POST /messages`, Anthropic's own form.
        Messages = "messages",
        /// `/assistants` and `/threads`.
        Assistants = "assistants",
        /// `/files` and `/uploads`.
        Files = "files",
        /// `/batches`.
        Batches = "batches",
        /// `/fine_tuning/*`.
        FineTuning = "fine_tuning",
        /// `/vector_stores/*`.
        VectorStores = "vector_stores",
        /// `/realtime`.
        Realtime = "realtime",
        /// Anything else: forwarded all the same.
        Other = "other",
    }
}

words! {
    /// Why a body's facts are not known for certain.
    pub enum Opaque {
        /// There is a body, and it is not a JSON object.
        NotAnObject = "not_an_object",
        /// It breaks off or is malformed.
        Malformed = "malformed",
        /// A key that matters occurs twice: the upstream may read either.
        DuplicateKey = "duplicate_key",
        /// A field that matters has a type of its own: `"stream": "true"`.
        OddType = "odd_type",
        /// The body is not JSON by its own word (multipart, for one).
        OtherType = "other_type",
        /// The body was too large to be kept, so it was not looked at.
        NotKept = "not_kept",
    }
}

words! {
    /// What may be sent a second time.
    pub enum Repeatable {
        /// After any failure that the policy retries.
        Yes = "yes",
        /// Only if the upstream surely did not carry it out: tools run on the server.
        Answered = "answered",
        /// Only if no byte was sent: it creates something.
        NotSent = "not_sent",
    }
}

/// The facts of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The operation.
    pub endpoint: Endpoint,
    /// The method.
    pub method: http::Method,
    /// The model's name, if it is known.
    pub model: Option<String>,
    /// Whether a stream is asked for; false when unknown.
    pub stream: bool,
    /// Number of tool definitions (`tools` or `functions`).
    pub tools: u32,
    /// Whether a tool runs on the server: web search, code interpreter, file search, MCP.
    pub hosted_tools: bool,
    /// Responses: `background: true`.
    pub background: bool,
    /// `n`: choices asked for; 1 when unsaid.
    pub choices: u32,
    /// `max_tokens`, `max_completion_tokens` or `max_output_tokens`.
    pub max_tokens: Option<u64>,
    /// Bytes of the body, if its length is known.
    pub body_bytes: u64,
    /// Why some fact is unknown.
    pub opaque: Option<Opaque>,
    /// The SDK, as it announces itself: `openai-python 3.54.0`.
    pub sdk: Option<String>,
    /// `x-stainless-retry-count`.
    pub client_retries: u32,
    /// What the caller said about its patience.
    pub patience: Patience,
}

/// What the caller's headers say about how long it will wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patience {
    /// For the whole answer (or, of a stream, for its head): `x-seawall-timeout-ms`, `x-stainless-timeout`.
    pub total: Option<Duration>,
    /// For the next byte: `x-stainless-read-timeout`.
    pub read: Option<Duration>,
    /// Whether `total` or `read` came from an SDK's own header and not from `x-seawall-timeout-ms`.
    pub from_sdk: bool,
}
