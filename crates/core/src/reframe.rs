//! The same answer in its other frame: a whole one as the stream that it would have been, and a
//! stream as the whole answer.
//!
//! Two things need it. An upstream that answers `stream: true` with JSON gives every SDK an empty
//! stream without an error: [`unfold`] makes proper events of it. And a whole answer that would run
//! into a timeout on the way can be asked for as a stream, whose bytes keep that timeout quiet:
//! [`Splice`] asks, and an [`Assembly`] makes the whole answer of the events.
//!
//! Values are carried over as they were written: the digits of a number, the escapes of a string and
//! members that nobody here has heard of. Nothing is parsed further than it must be taken apart, and
//! the texts of a stream are joined between their quotes. What one direction makes the other takes
//! apart again: a law of the tests.

mod assemble;
mod chat;
mod node;
mod responses;
mod splice;
mod write;

pub use assemble::{ASSEMBLED_BYTES_MAX, Assembly, Unfit};
pub use node::{ENTRIES_MAX, KEYS_MAX};
pub use splice::{Splice, can_ask_whole, can_upgrade};

use crate::request::Dialect;

/// The stream of events that the whole answer `body` would have been; `None` if it is none that is
/// known here, or has not ended yet.
///
/// Of Chat Completions, of the older Completions (a role, then each text, call and reason to finish,
/// then `[DONE]`), and of Responses (every event from `response.created` on). With `include_usage`
/// the tokens are told as `stream_options.include_usage` has them told. The length is at most six
/// times that of `body`, and about 300 bytes for each of its items.
#[must_use]
pub fn unfold(dialect: Dialect, body: &[u8], include_usage: bool) -> Option<Vec<u8>> {
    match dialect {
        Dialect::Chat | Dialect::Completions => chat::unfold(dialect, body, include_usage),
        Dialect::Responses => responses::unfold(body),
        Dialect::Assistants | Dialect::Messages | Dialect::Images | Dialect::Audio => None,
    }
}

#[cfg(test)]
mod tests;
