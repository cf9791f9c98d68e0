//! A client for OpenAI-compatible APIs that retries right.
//!
//! The modules in the order of a request's life:
//!
//! - `client`: built once, shared by every request; `engine`: what they share.
//! - `attempt`: the loop that asks the plan and does the step.
//! - `live`: the attempts under way; `exchange`: one attempt on the wire.
//! - `relay`: the reply, watched to its last byte; `reframed`: in the frame that was asked for.
//! - `tale`: what the record needs; `observer`: who is told.
//! - `upstream`, `pool`, `connect`: an address, its connections, a connection.
//! - `headers`, `decode`, `body`: what passes, what can be read, what can be sent again.
//! - `renamed`, `upgraded`: the same request under another model's name, or asking for a stream.
//! - `memory`: how much may be held meanwhile.
//! - `shared`: clock, dice, lock.

mod attempt;
mod body;
mod client;
mod connect;
mod decode;
mod engine;
mod error;
mod exchange;
pub mod headers;
mod live;
mod memory;
mod observer;
mod pool;
mod reframed;
mod relay;
mod renamed;
mod shared;
mod tale;
mod upgraded;
mod upstream;

pub use attempt::{Answer, Call, Conclusion, Failure};
pub use body::{BodyError, Flow, Payload};
pub use client::{Builder, Client};
pub use connect::Proxy;
pub use error::BuildError;
pub use exchange::{ERROR_BODY_MAX, HELD_ANSWER_MAX, HELD_EVENTS_MAX};
pub use memory::{Hold, Memory};
pub use observer::Observer;
pub use relay::{Broken, Interrupted, Piece, Relay};
pub use shared::unix_micros;
pub use tale::Labels;
pub use upstream::{Key, Settings};
