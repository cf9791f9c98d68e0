//! A rehearsal: Seawall's own decisions in a world with a virtual clock, seeded dice and upstreams
//! that fail by script. Minutes of outage pass in milliseconds, and the same seed tells the same
//! story.
//!
//! - [`story`]: ten lines that say who asks, what breaks and what must hold; and those that are
//!   built in.
//! - [`rehearse`]: plays a story, measures it, and says whether it held.
//! - [`script`]: who asks, what breaks, when; [`spread`]: how long things take.
//! - [`world`]: the virtual clock, the dice, and what happens, in order.
//! - [`decide`]: who decides in it: [`gateway`], the real plan, or a [`habit`] to compare it with.
//! - [`measure`]: what became of everybody; [`figure`]: the figures by their names.
//! - [`laws`]: what must hold at every step.
//!
//! It depends on the decisions alone. There is no socket here, no thread and no real clock, so
//! that a rehearsal cannot touch the world.

pub mod decide;
pub mod figure;
pub mod gateway;
pub mod habit;
pub mod laws;
pub mod measure;
pub mod rehearse;
pub mod script;
mod server;
pub mod spread;
pub mod story;
pub mod told;
pub mod world;
