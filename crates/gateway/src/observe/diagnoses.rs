//! How many requests were found to be at fault themselves, and the one line in the log about each kind.
//!
//! Such a request comes again and again: that is what it was told by. One line in ten minutes is enough.

use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use seawall_core::event::Cause;
use seawall_core::plan::recent::Recent;

/// Between two lines about requests of one kind, in microseconds.
const NEWS_EVERY: i64 = 600_000_000;
/// Kinds that are told apart; the one unused for longest is forgotten, and told again.
const KINDS_MAX: usize = 256;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    cause: &'static str,
}

/// The numbers, and what was told lately.
pub(crate) struct Diagnoses {
    /// Attempts without streaming, made to learn what is wrong with tools.
    pub(crate) probes: Counter,
    found: Family<Labels, Counter>,
    told: Mutex<Recent<(Cause, String), i64>>,
}

impl Default for Diagnoses {
    fn default() -> Self {
        Diagnoses { probes: Counter::default(), found: Family::default(), told: Mutex::new(Recent::new(KINDS_MAX)) }
    }
}

impl Diagnoses {
    /// Makes them known.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for cause in Cause::ALL {
            let _ = self.found.get_or_create(&Labels { cause: cause.name() });
        }
        registry.register("diagnosed", "Requests that were found to be at fault themselves", self.found.clone());
        let said = "Streams that were sent once more without streaming, to learn what is wrong with their tools";
        registry.register("probes", said, self.probes.clone());
    }

    /// Counts one; whether it is worth a line at `now`, in microseconds since the Unix epoch: the first of
    /// its kind (its cause and `shape`) in ten minutes.
    pub(crate) fn is_news(&self, now: i64, cause: Cause, shape: &str) -> bool {
        self.found.get_or_create(&Labels { cause: cause.name() }).inc();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_new = false;
        let at = told.get_or_insert_with((cause, shape.to_owned()), || {
            is_new = true;
            now
        });
        let is_old = now.saturating_sub(*at) >= NEWS_EVERY;
        if is_old {
            *at = now;
        }
        is_new || is_old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_one_line_is_told_in_ten_minutes() {
        let diagnoses = Diagnoses::default();
        let news = |secs: i64, cause, shape| diagnoses.is_news(secs * 1_000_000, cause, shape);
        assert!(news(0, Cause::Cliff, "a") && news(1, Cause::Tools, "a") && news(2, Cause::Cliff, "b"));
        assert!(!news(3, Cause::Cliff, "a") && !news(599, Cause::Cliff, "a") && news(600, Cause::Cliff, "a"));
        assert!(!news(1_199, Cause::Cliff, "a") && news(1_200, Cause::Cliff, "a"));
        assert_eq!(diagnoses.found.get_or_create(&Labels { cause: "cliff" }).get(), 7);
    }

    #[test]
    fn no_more_kinds_are_remembered_than_the_bound() {
        let diagnoses = Diagnoses::default();
        for n in 0..=KINDS_MAX {
            assert!(diagnoses.is_news(0, Cause::Cliff, &n.to_string()));
        }
        assert_eq!(diagnoses.told.lock().unwrap().len(), KINDS_MAX);
        assert!(diagnoses.is_news(0, Cause::Cliff, "0"), "it was forgotten");
    }
}
