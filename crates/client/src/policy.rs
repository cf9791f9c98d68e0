//! What a program may decide about trying again: [`Policy`] and its parts.
//!
//! Every part has defaults that need no thought; change what you know better. The parts have the names and the defaults of the
//! gateway's configuration.
//!
//! ```
//! use std::time::Duration;
//! use seawall::Policy;
//! use seawall::explain::Class;
//! use seawall::policy::{FirstContent, Preset, Retry};
//!
//! let mut policy = Policy::default();
//! policy.retry.max_attempts = 3;
//! policy.timeout.total = Duration::from_secs(60);
//! policy.timeout.first_content = FirstContent::Fixed(Duration::from_secs(20));
//! // Of one class alone.
//! policy.retry.class_mut(Class::Overloaded).expect("a class that is retried").backoff.base = Duration::from_secs(3);
//!
//! // The waits and the number of attempts that people know from elsewhere.
//! policy.retry = Retry::preset(Preset::OpenaiSdk);
//! assert_eq!(policy.retry.max_attempts, 3);
//! ```
//!
//! # The most used
//!
//! | field | is | default |
//! |---|---|---|
//! | `retry.max_attempts` | attempts at one request, the first included, 1 to 20 | 4 |
//! | `retry.class_mut(class)` | attempts, first wait, longest wait and longest `Retry-After` of one class | 100 ms, 250 ms or 1 s, up to 8 s; 60 s |
//! | `retry.ambiguous_max` | retries where nobody knows whether it was carried out | 1 |
//! | `budget.deposit`, `budget.start` | milli-tokens that a success earns and a new client has; a retry costs 1,000 | 200, 10,000 |
//! | `timeout.total` | everything, until an answer is here; of a stream, until its first content | 600 s |
//! | `timeout.total_max` | the most that one request may ask for | 3,600 s |
//! | `timeout.connect` | name, TCP and TLS together | 5 s |
//! | `timeout.first_content` | a stream's first content | learnt, 20 s to 300 s |
//! | `timeout.byte_idle` | silence within a stream | 300 s |
//! | `timeout.content_idle` | the same, where comments and pings do not count | none |
//! | `breaker.open_alt`, `breaker.open_solo` | failed requests in a row until an upstream is left alone: with another one that is well, without | 5, 10 |
//! | `breaker.solo_refuse` | whether the last upstream may be left alone at all | true |
//! | `hedge.enabled` | a second attempt beside a stream that is late | false |
//! | `wait.max` | how long a request waits for an upstream that is down, for work at night | 0: fail fast |
//! | `streams.commit` | when a stream is handed out: with its first content, or whole | [`Commit::Content`] |
//! | `streams.on_break` | whether a background stream of Responses is taken up again where it broke | [`OnBreak::Error`] |
//! | `upgrade` | whole answers that are asked for as streams, where a timeout on the way would cut them off | [`Upgrade::Off`] |
//! | `tools` | what is done about tool definitions that fail every time | [`ToolsPolicy::Watch`] |
//!
//! `adopt` and `streams.comment_after` are for gateways ([`proxy`](crate::proxy)): nobody is on the line of a program's own
//! request.

#[doc(inline)]
pub use seawall_core::plan::backoff::{Backoff, Jitter};
#[doc(inline)]
pub use seawall_core::plan::breaker::{Config as Breaker, STREAK_MAX, State};
#[doc(inline)]
pub use seawall_core::plan::budget::Config as Budget;
#[doc(inline)]
pub use seawall_core::plan::hedge::Config as Hedge;
#[doc(inline)]
pub use seawall_core::plan::policy::{
    Adopt, ClassRetry, Commit, FirstContent, OnBreak, Policy, Preset, RETRIED, Retry, Streams, Timeouts, ToolsPolicy,
};
#[doc(inline)]
pub use seawall_core::plan::queue::Config as Wait;
#[doc(inline)]
pub use seawall_core::plan::route::{ROUTES_MAX, Route, UPSTREAMS_MAX};
#[doc(inline)]
pub use seawall_core::plan::upgrade::Upgrade;
