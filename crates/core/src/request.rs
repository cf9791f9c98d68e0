//! What was asked: the facts of a request, never its words.
//!
//! The body is looked at, not parsed, and its bytes are never touched. A field that cannot be
//! read for certain is *opaque*: the request is still forwarded, only the knowledge is missing.
//! What is missing is filled in on the safe side: a body that may ask for a background run is
//! treated as one that does.

mod body;
mod caller;
pub mod lint;
pub mod shape;
mod websocket;

use std::time::Duration;

use http::{HeaderMap, Method};

use crate::words::words;

pub use body::{IMAGES_BYTES_MAX, MODEL_BYTES_MAX};
pub use caller::{CLIENT_RETRIES_MAX, PATIENCE_MAX, SDK_BYTES_MAX};
pub use shape::Shape;

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
    /// The language of a streamed answer: which events there are, and which one ends it.
    pub enum Dialect {
        /// Chat Completions: chunks with choices, then `[DONE]`.
        Chat = "chat",
        /// Completions: chunks with text, then `[DONE]`.
        Completions = "completions",
        /// Responses: named events with sequence numbers, ended by one that names the outcome.
        Responses = "responses",
        /// Assistants: named events of a run, ended by `done`.
        Assistants = "assistants",
        /// Anthropic's Messages: content blocks, ended by `message_stop`.
        Messages = "messages",
        /// Images: partial images, ended by a completed one.
        Images = "images",
        /// Speech and transcripts: deltas, ended by `*.done`.
        Audio = "audio",
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
    /// How hard the model is to think: `reasoning_effort`, or `reasoning.effort`.
    pub enum Effort {
        /// Not at all.
        None = "none",
        /// As little as it can.
        Minimal = "minimal",
        /// A little.
        Low = "low",
        /// The default of most.
        Medium = "medium",
        /// Much.
        High = "high",
        /// More.
        Xhigh = "xhigh",
        /// A word that is not known here.
        Other = "other",
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
    /// What tells these tool definitions from others: equal for equal ones, 0 for none. Not to be written down.
    pub tool_mark: u64,
    /// Whether a tool runs on the server: web search, code interpreter, file search, MCP.
    pub hosted_tools: bool,
    /// How hard the model is to think, where the request says.
    pub effort: Option<Effort>,
    /// Whether there are images in what is said; false for long messages, in which none is looked for.
    pub images: bool,
    /// Responses: `background: true`, or a body that does not say for certain.
    pub background: bool,
    /// Choices asked for: `n`, 1 when unsaid, for each prompt.
    pub choices: u32,
    /// `max_tokens`, `max_completion_tokens` or `max_output_tokens`.
    pub max_tokens: Option<u64>,
    /// Bytes of the body, if its length is known.
    pub body_bytes: u64,
    /// Whether the connection is to become a WebSocket: of the Realtime API, or of Responses.
    pub websocket: bool,
    /// Why some fact is unknown.
    pub opaque: Option<Opaque>,
    /// The SDK, as it announces itself: `openai-python 3.54.0`.
    pub sdk: Option<String>,
    /// `x-stainless-retry-count`.
    pub client_retries: u32,
    /// What the caller said about its patience.
    pub patience: Patience,
}

impl Endpoint {
    /// The operation that `path` names: with or without `/v1`, in Azure's form
    /// (`/openai/deployments/NAME/…`) too. The query is not part of `path`.
    ///
    /// A path below one that creates something (`/responses/ID/cancel`) is [`Endpoint::Other`]
    /// under POST, because repeating it is another question.
    #[must_use]
    pub fn of(method: &Method, path: &str) -> Endpoint {
        let (_, path) = operation(path);
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match (first, rest) {
            ("chat", "completions") => Endpoint::ChatCompletions,
            ("completions", "") => Endpoint::Completions,
            ("responses", "") => Endpoint::Responses,
            ("responses", _) if method != Method::POST => Endpoint::Responses,
            ("embeddings", "") => Endpoint::Embeddings,
            ("moderations", "") => Endpoint::Moderations,
            ("images", _) => Endpoint::Images,
            ("audio", _) => Endpoint::Audio,
            ("models", _) => Endpoint::Models,
            ("messages", "") => Endpoint::Messages,
            ("assistants" | "threads", _) => Endpoint::Assistants,
            ("files" | "uploads", _) => Endpoint::Files,
            ("batches", _) => Endpoint::Batches,
            ("fine_tuning", _) => Endpoint::FineTuning,
            ("vector_stores", _) => Endpoint::VectorStores,
            ("realtime", _) => Endpoint::Realtime,
            _ => Endpoint::Other,
        }
    }

    /// The language of this operation's streams, if it is one that is known here.
    #[must_use]
    pub const fn dialect(self) -> Option<Dialect> {
        match self {
            Endpoint::ChatCompletions => Some(Dialect::Chat),
            Endpoint::Completions => Some(Dialect::Completions),
            Endpoint::Responses => Some(Dialect::Responses),
            Endpoint::Assistants => Some(Dialect::Assistants),
            Endpoint::Messages => Some(Dialect::Messages),
            Endpoint::Images => Some(Dialect::Images),
            Endpoint::Audio => Some(Dialect::Audio),
            _ => None,
        }
    }
}

/// Azure's deployment, if the path names one, and the rest of the path without what comes before
/// the operation.
fn operation(path: &str) -> (Option<&str>, &str) {
    let path = path.trim_matches('/');
    let path = path.strip_prefix("openai/").unwrap_or(path);
    if let Some((deployment, rest)) = path.strip_prefix("deployments/").and_then(|rest| rest.split_once('/')) {
        return (Some(deployment), rest);
    }
    (None, path.strip_prefix("v1/").unwrap_or(path))
}

impl Request {
    /// The facts of a request whose `body` is kept, or is `None` because there is none
    /// (`body_bytes` is 0) or it was too large to keep.
    ///
    /// The work is one pass over the body, about 0.1 ms a MiB: above 4 MiB, do it off the thread
    /// that serves others.
    #[must_use]
    pub fn of(method: &Method, path: &str, headers: &HeaderMap, body: Option<&[u8]>, body_bytes: u64) -> Request {
        let endpoint = Endpoint::of(method, path);
        let peek = body::peek(headers, body, body_bytes);
        let is_background_possible = endpoint == Endpoint::Responses && method == Method::POST;
        let deployment = || operation(path).0.and_then(body::model);
        let model = if peek.opaque.is_none() { peek.model.or_else(deployment) } else { peek.model };
        Request {
            endpoint,
            method: method.clone(),
            model,
            stream: peek.stream,
            tools: peek.tools,
            tool_mark: peek.tool_mark,
            hosted_tools: peek.hosted_tools,
            effort: peek.effort,
            images: peek.images,
            background: is_background_possible && peek.background.unwrap_or(true),
            choices: peek.choices,
            max_tokens: peek.max_tokens,
            body_bytes,
            websocket: websocket::is_asked(method, path, headers),
            opaque: peek.opaque,
            sdk: caller::sdk(headers),
            client_retries: caller::retries(headers),
            patience: caller::patience(headers),
        }
    }

    /// The same, with what the query says: of a WebSocket, which has no body, that is the model.
    #[must_use]
    pub fn with_query(mut self, query: Option<&str>) -> Request {
        if self.websocket && self.model.is_none() {
            self.model = query.and_then(websocket::model);
        }
        self
    }

    /// What may be sent a second time, by its nature; a route may say otherwise.
    #[must_use]
    pub fn repeatable(&self) -> Repeatable {
        if matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Repeatable::Yes;
        }
        let is_listed = matches!(
            self.endpoint,
            Endpoint::ChatCompletions
                | Endpoint::Completions
                | Endpoint::Responses
                | Endpoint::Embeddings
                | Endpoint::Moderations
                | Endpoint::Images
                | Endpoint::Audio
                | Endpoint::Messages
        );
        match () {
            () if self.method != Method::POST || !is_listed || self.background => Repeatable::NotSent,
            () if self.hosted_tools => Repeatable::Answered,
            () => Repeatable::Yes,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str, body: &str) -> Request {
        let body = body.as_bytes();
        Request::of(&Method::POST, path, &HeaderMap::new(), Some(body), body.len() as u64)
    }

    #[test]
    fn an_operation_is_known_by_any_of_its_paths() {
        use Endpoint::*;
        for (method, path, endpoint) in [
            ("POST", "/v1/chat/completions", ChatCompletions),
            ("POST", "/chat/completions/", ChatCompletions),
            ("POST", "/openai/deployments/my-gpt/chat/completions", ChatCompletions),
            ("POST", "/openai/v1/responses", Responses),
            ("POST", "/v1/chat/completions/chatcmpl-1", Other),
            ("POST", "/v1/completions", Completions),
            ("POST", "/v1/responses", Responses),
            ("GET", "/v1/responses/resp_1", Responses),
            ("DELETE", "/v1/responses/resp_1", Responses),
            ("POST", "/v1/responses/resp_1/cancel", Other),
            ("POST", "/v1/embeddings", Embeddings),
            ("POST", "/v1/moderations", Moderations),
            ("POST", "/v1/images/edits", Images),
            ("POST", "/v1/audio/speech", Audio),
            ("GET", "/v1/models", Models),
            ("GET", "/models/gpt-4o", Models),
            ("POST", "/v1/messages", Messages),
            ("POST", "/v1/messages/count_tokens", Other),
            ("POST", "/v1/threads/t/runs", Assistants),
            ("POST", "/v1/uploads/u/parts", Files),
            ("POST", "/v1/batches", Batches),
            ("POST", "/v1/fine_tuning/jobs", FineTuning),
            ("POST", "/v1/vector_stores", VectorStores),
            ("GET", "/v1/realtime", Realtime),
            ("GET", "/", Other),
            ("GET", "", Other),
            ("GET", "/v1", Other),
            ("POST", "/openai/deployments/", Other),
        ] {
            let method: Method = method.parse().expect("a method");
            assert_eq!(Endpoint::of(&method, path), endpoint, "{method} {path}");
        }
    }

    #[test]
    fn what_may_be_repeated_follows_the_list() {
        let hosted = r#"{"tools":[{"type":"web_search"}]}"#;
        for (path, body, repeatable) in [
            ("/v1/chat/completions", "{}", Repeatable::Yes),
            ("/v1/chat/completions", "not json", Repeatable::Yes),
            ("/v1/chat/completions", hosted, Repeatable::Answered),
            ("/v1/embeddings", "{}", Repeatable::Yes),
            ("/v1/images/generations", "{}", Repeatable::Yes),
            ("/v1/messages", "{}", Repeatable::Yes),
            ("/v1/responses", "{}", Repeatable::Yes),
            ("/v1/responses", r#"{"background":false,"store":true}"#, Repeatable::Yes),
            ("/v1/responses", r#"{"background":null}"#, Repeatable::Yes),
            ("/v1/responses", r#"{"max_output_tokens":1e3}"#, Repeatable::Yes),
            ("/v1/responses", hosted, Repeatable::Answered),
            ("/v1/responses", r#"{"background":true}"#, Repeatable::NotSent),
            ("/v1/responses", r#"{"background":"no"}"#, Repeatable::NotSent),
            ("/v1/responses", r#"{"background":false,"background":false}"#, Repeatable::NotSent),
            ("/v1/responses", r#"{"background":false"#, Repeatable::NotSent),
            ("/v1/responses", "[1]", Repeatable::NotSent),
            ("/v1/files", "{}", Repeatable::NotSent),
            ("/v1/threads", "{}", Repeatable::NotSent),
            ("/v1/unheard-of", "{}", Repeatable::NotSent),
        ] {
            assert_eq!(post(path, body).repeatable(), repeatable, "{path} {body}");
        }
        for (method, repeatable) in [
            (Method::GET, Repeatable::Yes),
            (Method::HEAD, Repeatable::Yes),
            (Method::OPTIONS, Repeatable::Yes),
            (Method::DELETE, Repeatable::NotSent),
        ] {
            let request = Request::of(&method, "/v1/responses/resp_1", &HeaderMap::new(), None, 0);
            assert_eq!(request.repeatable(), repeatable, "{method}");
        }
        let too_large = Request::of(&Method::POST, "/v1/responses", &HeaderMap::new(), None, 1 << 30);
        assert_eq!(too_large.repeatable(), Repeatable::NotSent);
    }

    #[test]
    fn the_deployment_is_the_model_where_the_body_names_none() {
        let path = "/openai/deployments/my-gpt/chat/completions";
        assert_eq!(post(path, "{}").model.as_deref(), Some("my-gpt"));
        assert_eq!(post(path, r#"{"model":"gpt-4o"}"#).model.as_deref(), Some("gpt-4o"));
        assert_eq!(post(path, r#"{"model":"a","model":"b"}"#).model, None);
    }
}
