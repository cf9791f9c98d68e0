//! A client for OpenAI-compatible APIs that retries right.
//!
//! The modules in the order of a request's life:
//!
//! - `client`: built once, shared by every request; `engine`: what they share.
//! - `attempt`: the loop that asks the plan and does the step.
//! - `live`: the attempts under way; `exchange`: one attempt on the wire.
//! - `relay`: the reply, watched to its last byte.
//! - `upgrade`: the handshake of a WebSocket; `tunnel`: the upstream's side of one.
//! - `tale`: what the record needs; `observer`: who is told.
//! - `upstream`, `pool`, `connect`: an address, its connections, a connection.
//! - `headers`, `decode`, `body`: what passes, what can be read, what can be sent again.
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
mod relay;
mod renamed;
mod shared;
mod tale;
mod tunnel;
mod upgrade;
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
pub use tunnel::Tunnel;
pub use upgrade::HANDSHAKE_WITHIN;
pub use upstream::{Key, Settings};
