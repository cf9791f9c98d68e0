//! A rehearsal: Seawall's own decisions in a world with a virtual clock, seeded dice and upstreams
//! that fail by script. Minutes of outage pass in milliseconds, and the same seed tells the same
//! story.
//!
//! - [`script`]: who asks, what breaks, when.
//! - [`world`]: the virtual clock, the dice, and what happens, in order.
//! - [`laws`]: what must hold at every step.
//!
//! It depends on the decisions alone. There is no socket here, no thread and no real clock, so
//! that a rehearsal cannot touch the world.

pub mod laws;
pub mod script;
pub mod world;
