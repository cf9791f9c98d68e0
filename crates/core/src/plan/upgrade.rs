//! Whether a whole answer is asked for as a stream.
//!
//! A timeout on the way that cuts whole answers off leaves streams alone: their bytes flow. So what
//! would run into a cliff is asked for as a stream, the stream is put together, and the caller gets
//! the answer that it asked for. It stays one generation and one bill, and silence can be told from
//! work meanwhile.
//!
//! It is off unless asked for: a stream that is put together lacks what the provider says only in a
//! whole answer. What is learnt of such attempts is kept apart from both kinds of requests that
//! callers make, because they are neither.

use crate::words::words;

words! {
    /// Which whole answers are asked for as streams.
    pub enum Upgrade {
        /// None.
        Off = "off",
        /// Those whose form is known to run into a cliff where it is sent.
        Cliff = "cliff",
        /// All that can be.
        Always = "always",
    }
}
