//! The client on real sockets, before an upstream that misbehaves for real.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and joins its own tasks")]

mod bench;
mod dropping;
mod faults;
mod follower;
mod hedges;
mod leaving;
mod orphans;
mod panics;
mod phases;
mod public;
mod reframing;
mod runtimes;
#[cfg(feature = "tower")]
mod service;
mod sockets;
mod streams;
mod usage;
