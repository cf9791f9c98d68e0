//! How far an attempt came, and when: what its waterfall is drawn from.

use std::time::Duration;

use crate::words::words;

words! {
    /// The connection that carried an attempt.
    pub enum Connection {
        /// It was made for this attempt.
        New = "new",
        /// It had carried another request before.
        Reused = "reused",
    }
}

/// The moments of an attempt, each as the time since its beginning; `None` is one that it did not come to.
///
/// Wherever they are present: connected ≤ secured ≤ sent, and first byte ≤ first content ≤ elapsed. What is
/// sent comes before the first byte too, but for an upstream that answers before it has read the request:
/// then `sent` is later than `first_byte`, or missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// What carried it; `None` if no connection could be had.
    pub connection: Option<Connection>,
    /// The way to the upstream stood, a proxy's tunnel included. `None` on a reused connection.
    pub connected: Option<Duration>,
    /// TLS was agreed on. `None` on a reused connection, and without TLS.
    pub secured: Option<Duration>,
    /// The last byte of the request was with the operating system.
    pub sent: Option<Duration>,
    /// The head of the reply was here.
    pub first_byte: Option<Duration>,
}

impl Phases {
    /// The same moments, told by the clock of something that began `by` earlier.
    #[must_use]
    pub fn later(self, by: Duration) -> Phases {
        let Phases { connection, connected, secured, sent, first_byte } = self;
        let [connected, secured, sent, first_byte] =
            [connected, secured, sent, first_byte].map(|at| at.map(|at| at.saturating_add(by)));
        Phases { connection, connected, secured, sent, first_byte }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_is_not_later_either() {
        let ms = Duration::from_millis;
        let phases = Phases { connection: Some(Connection::New), connected: Some(ms(1)), ..Phases::default() };
        assert_eq!(phases.later(ms(9)), Phases { connected: Some(ms(10)), ..phases });
    }
}
