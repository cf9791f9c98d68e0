//! A client for OpenAI-compatible APIs that does with a failure what should be done: it knows whose fault it is, tries again
//! where that helps, inside a deadline and within a budget, stops when it is an outage, and says what happened.
//!
//! # Begin
//!
//! ```no_run
//! use seawall::{Client, Upstream};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().upstream(Upstream::openai().key(&std::env::var("OPENAI_API_KEY")?)?).build()?;
//! let question = serde_json::json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]});
//! let answer: serde_json::Value = client.post("/v1/chat/completions", &question).await?.json().await?;
//! println!("{}", answer["choices"][0]["message"]["content"]);
//! # Ok(())
//! # }
//! ```
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
//! - `upstream`, `peer`, `pool`, `connect`: an address, ready to be spoken to, its connections, a connection; `dialer`: one
//!   for something else.
//! - `headers`, `decode`, `body`: what passes, what can be read, what can be sent again.
//! - `renamed`, `upgraded`: the same request under another model's name, or asking for a stream.
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
mod events;
mod exchange;
pub mod explain;
mod facts;
mod failure;
mod follower;
mod handshake;
pub mod headers;
mod held;
mod live;
mod memory;
mod observer;
mod orphans;
mod overrides;
mod peer;
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

pub use seawall_core::event;
pub use seawall_core::plan::policy::{self, Policy};
pub use seawall_core::plan::route::Route;
pub use seawall_core::request::lint;

pub use body::BodyError;
pub use build_error::BuildError;
pub use client::{Builder, Client};
pub use connect::Proxy;
pub use content::Body;
pub use error::Error;
pub use events::{Event, Events};
pub use memory::Memory;
pub use observer::{Answered, Observer};
pub use overrides::{Overrides, TAG_BYTES_MAX};
pub use response::{Response, WHOLE_BYTES_MAX};
pub use response_body::ResponseBody;
#[cfg(feature = "tower")]
pub use service::{Layered, SeawallLayer};
pub use upstream::{Key, Upstream};
