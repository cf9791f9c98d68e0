//! What an [`Observer`](crate::Observer) is told: what happened and why, as facts.
//!
//! An event holds numbers, words from closed lists and identifiers, never a prompt, a reply or a key. Where words come from a
//! provider ([`Attempt::message`]) they are without what they share with the request, and at most 512 bytes.
//!
//! Every list of words is an enum with `name()`, `from_name()`, `ALL` and `Display`: its spelling is what metrics, logs and
//! records of the gateway have, and does not change.
//!
//! ```
//! use seawall::event::{Outcome, Reason};
//! use seawall::explain::Class;
//!
//! assert_eq!(Outcome::FailedOver.to_string(), "failed_over");
//! assert_eq!(Reason::from_name("budget"), Some(Reason::Budget));
//! assert!(Class::ALL.contains(&Class::RateLimited));
//! ```

#[doc(inline)]
pub use seawall_core::event::{Attempt, Cause, Connection, Ended, Outcome, Phases, Reason, Request, Vote};
#[doc(inline)]
pub use seawall_core::request::{Effort, Endpoint, Opaque, Patience, Request as Facts};
#[doc(inline)]
pub use seawall_core::upstream::UpstreamId;
#[doc(inline)]
pub use seawall_core::verdict::usage::{Counted, Tokens, Usage};
