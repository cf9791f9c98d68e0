//! An OpenAI-compatible upstream that misbehaves on demand, for anybody's own tests.
//!
//! Retries are only as good as the failures they were tried on, and the worst failures are not
//! status codes: a reset after half a body, a stream that ends politely without its end, a
//! keep-alive connection that was dead all along. A library for servers takes care that none of
//! this can happen, so this one speaks HTTP/1.1 on a plain socket of its own.
//!
//! It never gets more out of hand than it was told to: every reply is one of a request's own
//! header, a posted script, a fault drawn from seeded dice, or a good answer, in that order.
//! Equal seeds and equal requests, one after the other, give equal replies.
//!
//! The modules in the order of a request's life:
//!
//! - [`settings`]: what it is told to do, with phases over time. [`faults`]: the words for it;
//!   `wait`: the durations; `error`: why an order cannot be followed.
//! - [`server`]: the port, and who may come in.
//! - `connection`: one connection, from request to request; acts replies out and sees callers leave.
//! - `wire`: the socket under it. `http_in`, `body`: bytes into a request. `peek`: what it asks for.
//! - `decide`: which of all misdeeds this request gets. `shared`: the state that this needs.
//! - `api` with `api/*`: good answers. `wording`: what error replies say.
//! - [`validator`]: requests refused for their tools, late. `misbehave`: a fault into acts on a socket. `scripts`, `steps`: the same for posted scripts.
//! - `websocket`: the conversation behind a 101.
//! - `reply`: the acts, and heads of replies. `control`: the endpoints under `/chaos`.
//! - [`stats`]: what was seen and done.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use seawall_chaos::{Server, Settings};
//!
//! let settings = Settings { faults: vec!["500:0.2".parse()?], seed: 7, ..Settings::default() };
//! let chaos = Server::start(settings).await?;
//! println!("an upstream that fails one time in five: {}/v1", chaos.url());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod api;
mod body;
mod connection;
mod control;
mod decide;
mod error;
pub mod faults;
mod http_in;
mod misbehave;
mod peek;
mod reply;
mod scripts;
pub mod server;
pub mod settings;
mod shared;
pub mod stats;
mod steps;
pub mod validator;
mod wait;
mod websocket;
mod wire;
mod wording;

pub use body::{ALL_KEPT_MAX, BODY_BYTES_MAX, BODY_KEPT_MAX, FREE_BYTES};
pub use error::Error;
pub use faults::{FaultShare, FaultSpec};
pub use http_in::{HEAD_BYTES_MAX, HEADERS_MAX};
pub use server::{Handle, Running, Server};
pub use settings::{Phase, Settings};
pub use stats::Stats;
pub use validator::LazyTools;
pub use wait::{Latency, WAIT_MAX};
pub use websocket::MESSAGE_BYTES_MAX;
