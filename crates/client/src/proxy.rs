//! What a gateway is built of: for programs that pass on the requests of others.
//!
//! [`Client::send`](crate::Client::send) is for a program's own requests. Whoever stands between others and their upstreams
//! wants more: the answer's bytes as they came, the last reply of a failure, a caller kept on the line, a body that is
//! admitted within bounds, a WebSocket. [`Client::run`](crate::Client::run) takes a [`Call`] and gives a [`Conclusion`];
//! it is the same loop.

pub use crate::admit::{Admitted, BODY_IDLE_MAX, Limits, Refused, admit};
pub use crate::attempt::{Answer, Call, Conclusion, Found};
pub use crate::body::{Flow, Payload};
pub use crate::connect::Wire;
pub use crate::diagnosed::{Diagnosed, LINT_BYTES_MAX};
pub use crate::dialer::Dialer;
pub use crate::exchange::{ERROR_BODY_MAX, HELD_ANSWER_MAX, HELD_EVENTS_MAX};
pub use crate::facts::{facts, prepare};
pub use crate::failure::{Failure, plainly};
pub use crate::follower::{Follower, Reply as FollowedReply, Sending};
pub use crate::handshake::HANDSHAKE_WITHIN;
pub use crate::headers::{OWN_PREFIX, strip};
pub use crate::memory::Hold;
pub use crate::relay::{Broken, Interrupted, Piece, Relay};
pub use crate::shared::unix_micros;
pub use crate::tale::{Labels, Words};
pub use crate::tunnel::Tunnel;
