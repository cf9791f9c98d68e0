//! What an error means, whose fault it is, and what to do: the tables that the client itself goes by.
//!
//! ```
//! use seawall::explain::{self, Code, Whose};
//!
//! let meaning = explain::status(503);
//! assert_eq!((meaning.whose, meaning.class.name()), (Whose::Provider, "overloaded"));
//! assert_eq!(explain::word("insufficient_quota").map(|meaning| meaning.class.name()), Some("quota"));
//! assert_eq!(explain::word("seawall_connect"), Some(Code::Connect.meaning()));
//! println!("{} {}", meaning.says, meaning.next[0]);
//! ```

use seawall_core::verdict::code::{provider, status as statuses};

pub use seawall_core::verdict::code::{Code, Meaning};
pub use seawall_core::verdict::{Again, Billed, Charge, Class, Fault, Whose};

/// What `status` means when an API that serves models answers with it. A status that nobody assigned means what its
/// hundred does.
#[must_use]
pub fn status(status: u16) -> &'static Meaning {
    statuses::of_status(status, false)
}

/// What a word means that stands in `error.code` or `error.type`: a provider's, or one of Seawall's own. `None` if it is
/// not known.
#[must_use]
pub fn word(word: &str) -> Option<&'static Meaning> {
    if let Some(code) = Code::from_name(word) {
        return Some(code.meaning());
    }
    provider::of_word(word).map(|known| &known.meaning)
}
