//! A client for OpenAI-compatible APIs that retries right.
//!
//! The modules in the order of a request's life:
//!
//! - `client`: built once, shared by every request; `engine`: what they share.
//! - `adopted`: an answer whose caller left, kept for its retry; `orphans`: where it waits.
//! - `attempt`: the loop that asks the plan and does the step.
//! - `live`: the attempts under way; `exchange`: one attempt on the wire.
//! - `buffered`: a stream held to its end; `held`: a caller kept on the line before its beginning.
//! - `relay`: the reply, watched to its last byte; `clocks`: how long that may take; `resume`: taken up again where it broke.
//! - `reframed`: the reply in the frame that was asked for; `upgraded`: a request asked for as a stream.
//! - `failure`: why there is no answer; `diagnosed`: why there never is one.
//! - `handshake`: the beginning of a WebSocket; `tunnel`: the upstream's side of one.
//! - `tale`: what the record needs; `observer`: who is told; `follower`: who follows one request.
//! - `upstream`, `pool`, `connect`: an address, its connections, a connection; `dialer`: one for something else.
//! - `headers`, `decode`, `body`: what passes, what can be read, what can be sent again.
//! - `renamed`, `upgraded`: the same request under another model's name, or asking for a stream.
//! - `memory`: how much may be held meanwhile.
//! - `shared`: clock, dice, lock.

mod adopted;
mod attempt;
mod body;
mod buffered;
mod client;
mod clocks;
mod connect;
mod decode;
mod diagnosed;
mod dialer;
mod engine;
mod error;
mod exchange;
mod failure;
mod follower;
mod handshake;
pub mod headers;
mod held;
mod live;
mod memory;
mod observer;
mod orphans;
mod pool;
mod reframed;
mod relay;
mod renamed;
mod resume;
mod shared;
mod tale;
mod tunnel;
mod upgraded;
mod upstream;

pub use attempt::{Answer, Call, Conclusion, Found};
pub use body::{BodyError, Flow, Payload};
pub use client::{Builder, Client};
pub use connect::{Proxy, Wire};
pub use diagnosed::{Diagnosed, LINT_BYTES_MAX};
pub use dialer::Dialer;
pub use error::BuildError;
pub use exchange::{ERROR_BODY_MAX, HELD_ANSWER_MAX, HELD_EVENTS_MAX};
pub use failure::Failure;
pub use follower::{Follower, Reply as FollowedReply, Sending};
pub use handshake::HANDSHAKE_WITHIN;
pub use memory::{Hold, Memory};
pub use observer::{Answered, Observer};
pub use relay::{Broken, Interrupted, Piece, Relay};
pub use shared::unix_micros;
pub use tale::Labels;
pub use tunnel::Tunnel;
pub use upstream::{Key, Settings};
