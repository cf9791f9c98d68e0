//! What the library says when it cannot begin.

/// A client could not be built: whose fault and which part is in the text.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct BuildError {
    why: String,
}

impl BuildError {
    pub(crate) fn new(why: String) -> BuildError {
        BuildError { why }
    }
}
