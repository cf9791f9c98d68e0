//! Whether a first content came far later than usual, for requests of its form.
//!
//! What is usual is learnt over the last six to twelve hours: less would take a slow afternoon for
//! the rule before anybody was told. Slow is what takes more than four times as long as 95 of 100,
//! and at least two seconds longer. No more than 5 % exceed the 95 % mark, however times are spread,
//! so the share that is slow by chance needs no model: it is 5 % at most.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{Time, micros};
use crate::window::{HALF, Latencies};

/// Forms that are learnt for one place; what was not met for longest makes room.
pub const FORMS_MAX: usize = 8;
/// First contents from which the usual is taken for learnt.
pub const PACE_SAMPLES_MIN: u64 = 100;
/// What has been slow for so long is the new usual: learning goes on.
pub const RELEARN_AFTER: Duration = Duration::from_secs(3_600);

/// How many times the 95 % mark is slow.
const TIMES: u32 = 4;
/// How much longer than the 95 % mark is slow, at least.
const LONGER: Duration = Duration::from_secs(2);
/// The share that makes the mark, in parts of a thousand.
const MARK: u32 = 950;
/// How long a half of [`Latencies`] lasts here.
const LEARN_HALF: Duration = Duration::from_secs(6 * 3_600);

/// How long first contents take in one place, by form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Paces {
    /// The one that was met last comes last.
    forms: Vec<(u64, Latencies)>,
}

impl Paces {
    /// Whether `took` is slow for `form`, `None` while that is not known. What is slow is not learnt, or
    /// trouble would be taken for usual before it is found, unless it is the new usual and is `relearnt`.
    pub(super) fn is_slow(&mut self, now: Time, form: u64, took: Duration, relearnt: bool) -> Option<bool> {
        // The window's clock, slowed down until its halves last six hours.
        let now = Time::from_micros(now.as_micros() / (micros(LEARN_HALF) / micros(HALF)));
        match self.forms.iter().position(|(known, _)| *known == form) {
            Some(at) => self.forms[at..].rotate_left(1),
            None => {
                if self.forms.len() >= FORMS_MAX {
                    self.forms.remove(0);
                }
                self.forms.push((form, Latencies::default()));
            }
        }
        let (_, pace) = self.forms.last_mut()?;
        let mark = if pace.count(now) >= PACE_SAMPLES_MIN { pace.quantile(now, MARK) } else { None };
        let is_slow = mark.map(|mark| took > (mark * TIMES).max(mark + LONGER));
        if relearnt || is_slow != Some(true) {
            pace.record(now, took);
        }
        is_slow
    }

    /// No more than can be learnt.
    pub(super) fn bound(&mut self) {
        self.forms.truncate(FORMS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn learnt(took: Duration) -> Paces {
        let mut paces = Paces::default();
        for _ in 0..PACE_SAMPLES_MIN {
            assert_eq!(paces.is_slow(Time::ZERO, 1, took, false), None);
        }
        paces
    }

    #[test]
    fn slow_is_four_times_the_mark_and_two_seconds_more() {
        // The mark is told as the end of its bucket: 1 s as 1.024 s, 100 ms as 104 ms.
        let mut paces = learnt(SECOND);
        assert_eq!(paces.is_slow(Time::ZERO, 1, Duration::from_millis(4_096), false), Some(false));
        assert_eq!(paces.is_slow(Time::ZERO, 1, Duration::from_millis(4_097), false), Some(true));
        let mut paces = learnt(Duration::from_millis(100));
        assert_eq!(paces.is_slow(Time::ZERO, 1, Duration::from_millis(2_100), false), Some(false));
        assert_eq!(paces.is_slow(Time::ZERO, 1, Duration::from_millis(2_110), false), Some(true));
    }

    #[test]
    fn forms_have_their_own_pace_and_only_so_many_are_known() {
        let mut paces = learnt(SECOND);
        for form in 2..=FORMS_MAX as u64 {
            assert_eq!(paces.is_slow(Time::ZERO, form, SECOND * 60, false), None);
        }
        assert_eq!(paces.is_slow(Time::ZERO, 1, SECOND * 60, false), Some(true));
        // The second was not met for longest.
        paces.is_slow(Time::ZERO, 99, SECOND, false);
        assert_eq!(paces.is_slow(Time::ZERO, 1, SECOND * 60, false), Some(true));
        assert_eq!(paces.forms.len(), FORMS_MAX);
        assert!(paces.forms.iter().all(|(form, _)| *form != 2));
    }

    #[test]
    fn what_is_slow_is_not_learnt_until_it_is_the_new_usual() {
        let mut paces = learnt(SECOND);
        for _ in 0..1_000 {
            assert_eq!(paces.is_slow(Time::ZERO, 1, SECOND * 60, false), Some(true));
        }
        for _ in 0..20 {
            paces.is_slow(Time::ZERO, 1, SECOND * 60, true);
        }
        assert_eq!(paces.is_slow(Time::ZERO, 1, SECOND * 60, false), Some(false));
    }

    #[test]
    fn what_is_usual_is_known_for_six_hours_and_less_than_twelve() {
        let mut paces = learnt(SECOND);
        assert_eq!(paces.is_slow(Time::ZERO + HOUR * 11, 1, SECOND * 60, false), Some(true));
        assert_eq!(paces.is_slow(Time::ZERO + HOUR * 12, 1, SECOND * 60, false), None);
    }
}
