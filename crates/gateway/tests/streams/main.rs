//! Streams that never lie, through the real program on real sockets: what a caller gets of a stream
//! that was cut, split or broken is the whole of it or an end that nobody can take for one.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, reads its environment, and joins its own tasks"
)]

mod loud;
mod offsets;
mod program;
mod recorded;
mod splits;
mod wire;
