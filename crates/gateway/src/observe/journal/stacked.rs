//! Clients that retry by themselves, as the record has them: two layers of retries multiply.

use std::collections::BTreeMap;
use std::fmt;

use super::row::AttemptRow;

/// Attempts that belong to a client's own retries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stacked {
    /// How many there are, of each SDK.
    sdks: BTreeMap<String, u64>,
}

impl Stacked {
    /// Counts one more attempt, if it is such a one.
    pub(crate) fn note(&mut self, attempt: &AttemptRow) {
        if attempt.facts.client_retries > 0 {
            let sdk = attempt.facts.sdk.as_deref().unwrap_or("unnamed");
            *self.sdks.entry(sdk.to_owned()).or_default() += 1;
        }
    }

    /// Of all of these.
    pub(crate) fn of<'a>(attempts: impl IntoIterator<Item = &'a AttemptRow>) -> Stacked {
        let mut stacked = Stacked::default();
        attempts.into_iter().for_each(|attempt| stacked.note(attempt));
        stacked
    }

    /// How many attempts.
    pub(crate) fn count(&self) -> u64 {
        self.sdks.values().sum()
    }

    /// What to do about them.
    pub(crate) const ADVICE: &str = "switch those off, as docs/guides/sdks.md says";
}

impl fmt::Display for Stacked {
    /// `SDK openai-python 3.54.0`, the most frequent first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sdks: Vec<(&String, &u64)> = self.sdks.iter().collect();
        sdks.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let names: Vec<&str> = sdks.iter().map(|(sdk, _)| sdk.as_str()).collect();
        write!(f, "SDK {}", names.join(", "))
    }
}
