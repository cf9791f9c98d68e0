//! What was asked, what came back, what to do, what happened: Seawall's decisions, without a
//! clock, a lock, a socket or a log line.
//!
//! The modules in the order of a request's life:
//!
//! - [`time`] and [`dice`]: the moment and the chance, handed in by whoever has them.
//! - [`request`]: what was asked, never its words.
//! - [`upstream`]: a place a request can be sent to.
//! - [`plan`]: what to do next, for one request.
//! - [`verdict`]: what came back, and what it means.
//! - [`reframe`]: a whole answer as a stream, and a stream as a whole answer.
//! - [`event`]: what happened and why, as facts for a record.
//! - [`incident`]: when failures amount to trouble, and what they have in common.
//! - [`redact`]: what may be written down.
//! - [`json`]: the top of a JSON document, looked at without parsing the rest.
//! - [`window`]: how long things took in the last while.

mod words;

pub mod dice;
pub mod event;
pub mod incident;
pub mod json;
pub mod plan;
pub mod redact;
pub mod reframe;
pub mod request;
pub mod time;
pub mod upstream;
pub mod verdict;
pub mod window;
