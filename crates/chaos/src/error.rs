//! Why an order cannot be followed, in words for whoever gave it.

use std::fmt;

/// What is wrong with settings, a fault's spelling or a script; `Display` has a `hint:` line where the way out is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error { message: message.into() }
    }

    pub(crate) fn with_hint(message: impl fmt::Display, hint: impl fmt::Display) -> Error {
        Error { message: format!("{message}\nhint: {hint}") }
    }
}
