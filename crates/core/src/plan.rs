//! What to do next, for one request.

pub mod backoff;
pub mod budget;
pub mod policy;
