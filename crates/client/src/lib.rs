//! A client for OpenAI-compatible APIs that does with a failure what should be done: it knows whose fault it is, tries again
//! where that helps, inside a deadline and within a budget, stops when it is an outage, and says what happened.
//!
//! It knows no types of the API: requests and answers are your own `serde` types, JSON values, or bytes. It goes [under
//! `async-openai`](#under-async-openai) and any other client that lets its HTTP be replaced. The same decisions in front of
//! programs in any language are the gateway `seawall serve`.
//!
//! [Begin](#begin) · [Failures](#what-it-does-with-a-failure) · [Errors](#errors) · [Streams](#streams) ·
//! [Several upstreams](#several-upstreams) · [Policy](#policy) · [One request otherwise](#one-request-otherwise) ·
//! [Deadlines and cancellation](#deadlines-and-cancellation) · [Observing](#observing) · [tower](#tower) ·
//! [async-openai](#under-async-openai) · [From a loop of your own](#from-a-loop-of-your-own) ·
//! [What it never does](#what-it-never-does) · [Features, cost, versions](#features-cost-versions)
//!
//! # Begin
//!
//! ```no_run
//! use seawall::{Client, Upstream};
//! use serde_json::{Value, json};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().upstream(Upstream::openai().key(&std::env::var("OPENAI_API_KEY")?)?).build()?;
//!
//! let question = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]});
//! let answer: Value = client.post("/v1/chat/completions", &question).await?.json().await?;
//! println!("{}", answer["choices"][0]["message"]["content"]);
//! # Ok(())
//! # }
//! ```
//!
//! One [`Client`] for the whole program: its clones share connections, budget and breakers. It runs on tokio and needs its
//! timers and I/O turned on, as `#[tokio::main]` has them. [`Client::send`] takes any [`http::Request`]; [`Client::post`] and
//! [`Client::get`] are that for most requests. `seawall-chaos` is an upstream that misbehaves as you tell it to, for your tests.
//!
//! # What it does with a failure
//!
//! | what came back | what it means | what is done |
//! |---|---|---|
//! | refused, reset before a byte, 502, 520, 521, 523 | a moment's trouble | again, first wait up to 100 ms |
//! | 500, 409, an unknown 5xx | the server's error | again, first wait up to 250 ms |
//! | 503, 529 | no capacity | again, first wait up to 1 s; `Retry-After` is obeyed |
//! | 504, 408, 522, 524, silence, a reset later on | nobody knows whether it was carried out | once more, at twice the price |
//! | 429 | a rate limit | again after `Retry-After`; with a spent quota never |
//! | 400, 401, 403, 404, 413, 422 | yours | never: the error is handed over at once |
//! | an error inside a 200, a page of HTML, an empty body, a stream that ends before its first word | a failure in disguise | judged by what it says, as above |
//! | JSON where a stream was asked for | an answer in another frame | handed out as the stream that it would have been |
//! | a break after the first content of a stream | cannot be taken back | an error at its end, never an end as if it were whole |
//! | a failure of the same kind every time, while all else is answered | the request's own, likely | not paid for again, and named: [`Error::diagnosis`] |
//!
//! A connection that was closed before a byte of the request went over it is no attempt: another one is taken. Waits double, with
//! full jitter, up to 8 s; at most four attempts. Each retry is paid from a budget that successes fill, so an outage is met with
//! about one attempt a request. When requests fail in a row, a breaker leaves the upstream alone, and one probe at a time looks
//! whether it is back; meanwhile requests go to another upstream, or fail at once with [`Error::retry_after`].
//!
//! # Errors
//!
//! An [`Error`] comes when everything that helps was tried. A program asks it whether to come back, and whose fault it is:
//!
//! ```
//! use std::time::Duration;
//! use seawall::explain::{Class, Whose};
//! use seawall::{Client, Error};
//! # use seawall::Upstream;
//!
//! enum Next {
//!     /// Back into the queue: it may be answered then.
//!     Later(Duration),
//!     /// The request is at fault: whoever asked has to change it.
//!     Refuse(String),
//!     /// A key, an account, an upstream: somebody has to look.
//!     Wake(String),
//! }
//!
//! fn next(error: &Error) -> Next {
//!     match error.class() {
//!         _ if error.is_retryable() => Next::Later(error.retry_after().unwrap_or(Duration::from_secs(60))),
//!         Class::Auth | Class::Quota => Next::Wake(error.to_string()),
//!         _ if error.code() == "context_length_exceeded" => Next::Refuse("the question is too long".to_owned()),
//!         _ if error.whose_fault() == Whose::Caller => Next::Refuse(error.message().unwrap_or_default().to_owned()),
//!         _ => Next::Wake(error.to_string()),
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let question = serde_json::json!({"model": "gpt-4o", "messages": []});
//! # let mut seen = Vec::new();
//! # for misdeed in ["503", "401", "400", "429-quota"] {
//! # let settings = seawall_chaos::Settings::from_toml(&format!("[[phase]]\nfault = \"{misdeed}\""))?;
//! # let chaos = seawall_chaos::Server::start(settings).await?;
//! # let client = Client::builder().upstream(Upstream::new(&format!("{}/v1", chaos.url()))?).build()?;
//! if let Err(error) = client.post("/v1/chat/completions", &question).await {
//!     // What a log line needs; no word of the question or of a reply is in it.
//!     eprintln!("{error}");
//!     eprintln!("{} {:?} after {} attempts", error.code(), error.request_id(), error.attempts());
//!     match next(&error) {
//!         Next::Later(wait) => println!("back in {wait:?}"),
//!         Next::Refuse(why) => println!("refused: {why}"),
//!         Next::Wake(what) => println!("somebody has to look: {what}"),
//!     }
//! # seen.push((error.attempts(), std::mem::discriminant(&next(&error))));
//! }
//! # }
//! # let [later, wake, refuse] = [Next::Later(Duration::ZERO), Next::Wake(String::new()), Next::Refuse(String::new())];
//! # let [later, wake, refuse] = [later, wake, refuse].map(|next| std::mem::discriminant(&next));
//! # assert_eq!(seen, [(4, later), (1, wake), (1, refuse), (1, wake)]);
//! # Ok(())
//! # }
//! ```
//!
//! | asks | |
//! |---|---|
//! | [`is_retryable`](Error::is_retryable), [`retry_after`](Error::retry_after) | whether to come back, and when: with a queue, in minutes, not with a loop around the call |
//! | [`whose_fault`](Error::whose_fault) | the provider's, the network's, the caller's, Seawall's: who has to change something |
//! | [`class`](Error::class), [`code`](Error::code), [`fault`](Error::fault) | what it was: one of 13 classes; the provider's own code or one of Seawall's; what exactly went wrong |
//! | [`outcome`](Error::outcome), [`reason`](Error::reason) | how the request ended, and why no further attempt was made |
//! | [`status`](Error::status), [`message`](Error::message), [`response`](Error::response) | what the provider said |
//! | [`request_id`](Error::request_id), [`request_ids`](Error::request_ids), [`id`](Error::id) | what its support asks for; Seawall's own id |
//! | [`is_timeout`](Error::is_timeout), [`is_interrupted`](Error::is_interrupted) | time ran out; a stream broke after its first content |
//! | [`explain`](Error::explain) | one sentence on what it means, who pays, and what to do ([`explain`](mod@explain) has it for any code) |
//!
//! # Streams
//!
//! Until its first content, a stream is tried again like everything else. [`Events`] hands out each event as soon as it is here.
//! It is a [`Stream`](futures_core::Stream) too. Its end is an end only if the provider said so:
//!
//! ```
//! # use seawall::{Client, Upstream};
//! # use serde_json::{Value, json};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let settings = seawall_chaos::Settings::from_toml("[[phase]]\nfault = \"stream_cut=3\"")?;
//! # let chaos = seawall_chaos::Server::start(settings).await?;
//! # let client = Client::builder().upstream(Upstream::new(&format!("{}/v1", chaos.url()))?).build()?;
//! # let mut was_cut = false;
//! let question = json!({"model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": "Say hello."}]});
//! let mut events = client.post("/v1/chat/completions", &question).await?.events();
//! let mut text = String::new();
//! while let Some(event) = events.next().await {
//!     match event {
//!         Ok(event) => {
//!             let chunk: Value = event.json()?;
//!             text.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
//!         }
//!         // It was cut off, went silent, or ended in an error: what came is half an answer.
//!         Err(error) => {
//!             eprintln!("half an answer, {} bytes: {error}", text.len());
//! #           was_cut = error.is_interrupted() && !text.is_empty();
//!             break;
//!         }
//!     }
//! }
//! # assert!(was_cut);
//! # Ok(())
//! # }
//! ```
//!
//! Where half an answer is worth nothing, [`Commit::Buffer`](policy::Commit::Buffer) holds a stream until all of it is here (up
//! to 8 MiB and 120 s), and asks again if it breaks. As bytes, a stream flows from [`Response::into_http`]: that body ends in the
//! same error.
//!
//! # Several upstreams
//!
//! ```
//! # use seawall::{Client, Upstream};
//! # fn main() -> Result<(), seawall::BuildError> {
//! let openai = Upstream::openai().key("sk-one")?.key("sk-two")?;
//! let azure = Upstream::new("https://example.openai.azure.com/openai/v1")?
//!     .name("azure")
//!     .key_in("api-key", "example")?
//!     .renames("gpt-4o", "my-deployment")
//!     .priority(2);
//! let client = Client::builder().upstreams([openai, azure]).build()?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! The lowest priority number is asked first; equals share by weight. After a failure that another upstream might not have, the
//! next one is asked within 50 ms. Of several keys, one that was refused or limited rests. [`Upstream::models`] says who serves what;
//! [`Route`]s send some models elsewhere, or fall back to another model. A request that carries a credential of its own is refused
//! where that would go to several hosts.
//!
//! # Policy
//!
//! Retries, budget, timeouts, breakers, hedges: [`Policy`], with defaults that need no thought. [`policy`] has the table of what
//! is changed most, with units and defaults.
//!
//! ```
//! # use std::time::Duration;
//! # use seawall::{Client, Upstream};
//! use seawall::Policy;
//!
//! # fn main() -> Result<(), seawall::BuildError> {
//! # let openai = Upstream::openai();
//! let mut policy = Policy::default();
//! policy.retry.max_attempts = 3;
//! policy.timeout.total = Duration::from_secs(60);
//! // Work at night: wait for an upstream that is down, rather than fail.
//! policy.wait.max = Duration::from_secs(45);
//! let client = Client::builder().upstream(openai).policy(policy).build()?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! # One request otherwise
//!
//! [`Overrides`] is an extension of a request:
//!
//! ```
//! # use std::time::Duration;
//! use seawall::{Body, Overrides};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let request = http::Request::post("/v1/embeddings")
//!     .extension(Overrides::new().within(Duration::from_secs(5)).max_attempts(2).tag("search"))
//!     .body(Body::json(&serde_json::json!({"model": "text-embedding-3-small", "input": "a wave"}))?)?;
//! # let _ = request;
//! # Ok(())
//! # }
//! ```
//!
//! # Deadlines and cancellation
//!
//! There is one deadline, for all attempts and waits together: `timeout.total` of the policy, or [`Overrides::within`]. A stream
//! has met it with its first content; after that only silence ends it. What would not fit is not begun: a wait or a retry that the
//! deadline leaves no room for is not made. Put no timeout around a call: it would be dropped where it could have told why.
//!
//! Dropping is safe at every `.await`. A call that is dropped closes the connection of its attempt, so that nothing more is generated
//! and billed for nobody; a [`Response`] or [`Events`] that is dropped does the same. A runtime may end at any moment, and one client
//! serves several runtimes.
//!
//! # Observing
//!
//! An [`Observer`] is told of each attempt that failed, of each answer, and of each end, on the request's own task. [`event`] has what
//! it is told. It is all that leaves the library: there is no log line and no metric of its own.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use seawall::event::{Attempt, Ended, Facts, Request};
//! use seawall::{Client, Observer, Upstream};
//!
//! #[derive(Default)]
//! struct Counts {
//!     requests: AtomicU64,
//!     failed_attempts: AtomicU64,
//! }
//!
//! impl Observer for Counts {
//!     fn failed(&self, request: &Arc<Request>, attempt: Attempt) {
//!         self.failed_attempts.fetch_add(1, Ordering::Relaxed);
//!         // Or `tracing::warn!`: this is where a span has its event.
//!         eprintln!("{}: attempt {} at {}: {}", request.id, attempt.number, attempt.upstream, attempt.class);
//!     }
//!     fn ended(&self, _: &Facts, _: Option<&Arc<Request>>, ended: Ended) {
//!         self.requests.fetch_add(1, Ordering::Relaxed);
//!         eprintln!("{} after {} attempts in {:?}", ended.outcome, ended.attempts, ended.elapsed);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let chaos = seawall_chaos::Server::start(seawall_chaos::Settings::from_toml("[[phase]]\ncount = 2\nfault = \"500\"")?).await?;
//! # let upstream = Upstream::new(&format!("{}/v1", chaos.url()))?;
//! let counts = Arc::new(Counts::default());
//! let client = Client::builder().upstream(upstream).observer(counts.clone()).build()?;
//! # client.get("/v1/models").await?.bytes().await?;
//! # assert_eq!((counts.requests.load(Ordering::Relaxed), counts.failed_attempts.load(Ordering::Relaxed)), (1, 2));
//! # Ok(())
//! # }
//! ```
//!
//! How things are now, a gauge asks the client: [`Client::under_way`], [`Client::breakers`], [`Client::resting`],
//! [`Client::budget_tokens`].
//!
//! # tower
//!
//! With the feature `tower` the client is a `tower::Service` of `http` requests, so whatever composes services composes it. There,
//! what an upstream worded is a response, whatever its status, with `x-should-retry: false`; what none did is the [`Error`].
//! `SeawallLayer` puts it over an HTTP client that you have: what is addressed to an upstream goes through Seawall, all else to the
//! client below. Put a concurrency limit or a load shedder around it if you want one; leave tower's retry and timeout out.
//!
//! # Under async-openai
//!
//! `async-openai` takes another HTTP client with its feature `middleware`. Its own retries belong to the client that it replaces,
//! so there are none (features: `seawall/tower`, `async-openai/middleware`):
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use async_openai::config::OpenAIConfig;
//! use async_openai::error::OpenAIError;
//! use async_openai::middleware::HttpRequestFactory;
//! use tower::Service;
//!
//! fn over(seawall: seawall::Client) -> async_openai::Client<OpenAIConfig> {
//!     let service = tower::service_fn(move |factory: HttpRequestFactory| {
//!         let mut seawall = seawall.clone();
//!         async move {
//!             let request: http::Request<reqwest::Body> = factory.build().await?.try_into()?;
//!             let response = seawall.call(request).await.map_err(|error| OpenAIError::Boxed(error.into()))?;
//!             Ok::<_, OpenAIError>(reqwest::Response::from(response.map(reqwest::Body::wrap)))
//!         }
//!     });
//!     // Where it goes, and with which key, Seawall's upstreams say.
//!     let config = OpenAIConfig::new().with_api_base("http://seawall/v1").with_api_key("");
//!     async_openai::Client::with_config(config).with_http_service(service)
//! }
//! # let client = seawall::Client::builder().upstream(seawall::Upstream::openai()).build().unwrap();
//! # over(client);
//! ```
//!
//! What an upstream worded is an `OpenAIError::ApiError`, as ever; what none did is an [`Error`] inside `OpenAIError::Boxed`.
//!
//! # From a loop of your own
//!
//! You have this:
//!
//! ```
//! # use std::time::Duration;
//! # use serde_json::{Value, json};
//! # type Failure = Box<dyn std::error::Error>;
//! # async fn post(_: &str, _: &Value) -> Result<http::Response<Value>, Failure> { Ok(http::Response::new(json!({}))) }
//! # fn random() -> f64 { 0.5 }
//! # async fn example(question: Value) -> Result<Value, Failure> {
//! let mut attempt = 0;
//! let answer = loop {
//!     match post("https://api.openai.com/v1/chat/completions", &question).await {
//!         Ok(response) if response.status().is_success() => break response.into_body(),
//!         _ if attempt == 5 => return Err("gave up".into()),
//!         _ => tokio::time::sleep(Duration::from_secs_f64(2f64.powi(attempt) + random())).await,
//!     }
//!     attempt += 1;
//! };
//! # Ok(answer)
//! # }
//! ```
//!
//! Here it is:
//!
//! ```
//! # use seawall::Upstream;
//! # use serde_json::{Value, json};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let chaos = seawall_chaos::Server::start(seawall_chaos::Settings::from_toml("[[phase]]\ncount = 2\nfault = \"500\"")?).await?;
//! # let upstream = Upstream::new(&format!("{}/v1", chaos.url()))?;
//! # let question = json!({"model": "gpt-4o", "messages": []});
//! let client = seawall::Client::builder().upstream(upstream).build()?;
//! let response = client.post("/v1/chat/completions", &question).await?;
//! # assert_eq!(response.attempts(), 3);
//! let answer: Value = response.json().await?;
//! # assert!(answer["choices"].is_array());
//! # Ok(())
//! # }
//! ```
//!
//! What the loop lacks:
//!
//! | the loop | here |
//! |---|---|
//! | sends a 400, a wrong key and a spent quota six times, and waits 31 s to say so | once, at once |
//! | waits a second or more after a connection that was closed | up to 100 ms |
//! | does not look at `Retry-After` | obeys it, up to a minute |
//! | comes back within the same second as everybody else who failed with it | anywhere in the wait: full jitter |
//! | multiplies the load of an outage by six | pays retries from a budget, and stops asking |
//! | has no deadline: six slow attempts are one caller's wait | has one, for everything |
//! | repeats what may have been carried out, and billed, five times | once, where it may be repeated at all |
//! | takes a 200 with an error inside, or a stream that was cut, for an answer | judges what is inside; a cut stream ends in an error |
//! | is multiplied by the retries of the client below it | has none below it |
//! | says "gave up" | says what, whose fault, how often, and the ids that support asks for |
//!
//! Its numbers, if you want them: `policy.retry = Retry::preset(Preset::Classic)` ([`policy::Preset`]).
//!
//! # What it never does
//!
//! - It has no database, no global state, and installs nothing: no `rustls` crypto provider, `tracing` subscriber, panic hook or
//!   allocator. No key, address or proxy comes from the environment.
//! - It logs nothing. No prompt, answer or key is in an error's text, an event, or what `Debug` shows of any type here.
//! - No task outlives its connection: a call runs on the task that awaits it, and each connection has one task of its own, which ends
//!   with it. Beside them, names are resolved and bodies above 4 MiB are looked at on tokio's blocking threads.
//! - It sends nothing anywhere but to the upstreams that you name.
//! - It changes no byte of a body but a model's name where an upstream knows the model by another ([`Upstream::renames`]), and the
//!   request for a stream where that was asked for ([`policy::Upgrade`], [`policy::ToolsPolicy::Probe`]).
//! - There is no `unsafe` in it.
//!
//! # Features, cost, versions
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `tower` | `tower::Service` for [`Client`], and `SeawallLayer` | off |
//!
//! Features add and never alter. A body in memory is not copied for another attempt. Bodies that flow are kept up to 32 MiB each and
//! 512 MiB in all ([`Memory`]), so that they can be sent again; larger ones are sent once. A request takes the client's one lock
//! for as long as a decision takes; it is never held while something is waited for. What a call adds to the `hyper` client that it
//! is made of is measured in the repository: `docs/benchmarks.md`, "As a library".
//!
//! Rust 1.95 or later. HTTP/1.1 with TLS by `rustls` and the system's certificates.
//!
//! Programs that run without a key are in the package's folder `examples`: `retry`, `streaming`, `upstreams`, `observer`,
//! `async_openai`, `axum`.
//!
//! # For whoever works on it
//!
//! The modules in the order of a request's life:
//!
//! - `client`: built once, shared by every request; `engine`: what they share.
//! - `send`: a program's own request; `content`: its body; `overrides`: what it wants otherwise; `admit`: a body, taken in; `facts`: what is
//!   known of it; `response`, `response_body`, `events`, `error`:
//!   what came of it. `service`: the same for tower.
//! - `adopted`: an answer whose caller left, kept for its retry; `orphans`: where it waits.
//! - `attempt`: the loop that asks the plan and does the step.
//! - `live`: the attempts under way; `exchange`: one attempt on the wire.
//! - `buffered`: a stream held to its end; `held`: a caller kept on the line before its beginning.
//! - `relay`: the reply, watched to its last byte; `clocks`: how long that may take; `resume`: taken up again where it broke.
//! - `reframed`: the reply in the frame that was asked for; `upgraded`: a request asked for as a stream.
//! - `failure`: why there is no answer; `diagnosed`: why there never is one.
//! - `handshake`: the beginning of a WebSocket; `tunnel`: the upstream's side of one.
//! - `tale`: what the record needs; `observer`: who is told; `follower`: who follows one request.
//! - `event`, `policy`, `lint`, [`explain`](mod@explain): the words of it, which are those of `seawall-core`.
//! - `upstream`, `peer`, `pool`, `connect`: an address, ready to be spoken to, its connections, a connection; `dialer`: one
//!   for something else.
//! - `headers`, `decode`, `body`: what passes, what can be read, what can be sent again.
//! - `renamed`, `upgraded`: the same request under another model's name, or asking for a stream.
//! - `polled`: a future in what may be shared.
//! - `memory`: how much may be held meanwhile.
//! - `shared`: clock, dice, lock.

mod admit;
mod adopted;
mod attempt;
mod body;
mod buffered;
mod build_error;
mod client;
mod clocks;
mod connect;
mod content;
mod decode;
mod diagnosed;
mod dialer;
mod engine;
mod error;
pub mod event;
mod events;
mod exchange;
pub mod explain;
mod facts;
mod failure;
mod follower;
mod handshake;
mod headers;
mod held;
pub mod lint;
mod live;
mod memory;
mod observer;
mod orphans;
mod overrides;
mod peer;
pub mod policy;
mod polled;
mod pool;
pub mod proxy;
mod reframed;
mod relay;
mod renamed;
mod response;
mod response_body;
mod resume;
mod send;
#[cfg(feature = "tower")]
mod service;
mod shared;
mod tale;
mod tunnel;
mod upgraded;
mod upstream;

pub use body::BodyError;
pub use build_error::BuildError;
pub use client::{Builder, Client};
pub use connect::Proxy;
pub use content::Body;
pub use error::Error;
pub use events::{Events, StreamEvent};
pub use memory::Memory;
pub use observer::{Answered, Observer};
pub use overrides::{Overrides, TAG_BYTES_MAX};
#[doc(inline)]
pub use policy::{Policy, Route};
pub use response::{Response, WHOLE_BYTES_MAX};
pub use response_body::ResponseBody;
#[cfg(feature = "tower")]
pub use service::{Layered, SeawallLayer};
pub use upstream::{Key, Upstream};
