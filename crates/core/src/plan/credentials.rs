//! Keys that should rest: which of an upstream's credentials to send, and which not now.
//!
//! A 429 rests a key for as long as the provider asks, a key that is refused or has run out of
//! quota for longer each time. Resting only changes the order in which places are asked: the last
//! key of a request's places is still tried, since only an answer can tell that it works again.
//! Credentials that callers bring are theirs: one caller's limit says nothing about another's.

use std::time::Duration;

use crate::time::Time;
use crate::verdict::Class;

/// The most credentials of one upstream.
pub const KEYS_MAX: usize = 16;
/// The rest after a 429 that names no time; it doubles up to [`COOLDOWN_MAX`].
const COOLDOWN: Duration = Duration::from_secs(1);
/// No 429 rests a key for longer.
const COOLDOWN_MAX: Duration = Duration::from_secs(60);
/// The rest of a key that was refused; it doubles up to [`QUARANTINE_MAX`].
const QUARANTINE: Duration = Duration::from_secs(60);
/// The longest rest.
const QUARANTINE_MAX: Duration = Duration::from_secs(3_600);
/// Models that a key may not use, remembered for each key.
const DENIED_MAX: usize = 64;

/// The credentials of one upstream.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    keys: Vec<Key>,
    /// Which one is next: keys share the load.
    next: usize,
}

#[derive(Debug, Clone, Default)]
struct Key {
    until: Time,
    /// Failures since the last success: each doubles the rest.
    strikes: u32,
    /// Models that it may not use, and until when that is believed.
    denied: Vec<(Box<str>, Time)>,
}

/// A credential that could be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Its index in the configuration.
    pub key: usize,
    /// The moment at which it is rested: past for one that is fit.
    pub until: Time,
}

impl Credentials {
    /// `count` keys, all fit; none if the callers' own are passed through.
    #[must_use]
    pub fn new(count: usize) -> Credentials {
        Credentials { keys: vec![Key::default(); count.min(KEYS_MAX)], next: 0 }
    }

    /// The key to send for `model`: a fit one if there is one, else the first that will be; not
    /// one of `without` (a bit each). `None` if none is left.
    #[must_use]
    pub fn choose(&self, now: Time, model: &str, without: u16) -> Option<Chosen> {
        let count = self.keys.len();
        if count == 0 {
            return (without == 0).then_some(Chosen { key: 0, until: Time::ZERO });
        }
        let order = (0..count).map(|step| (self.next + step) % count).filter(|key| without & (1 << key) == 0);
        let mut best: Option<Chosen> = None;
        for key in order {
            let until = self.keys[key].rests_until(model);
            if until <= now {
                return Some(Chosen { key, until });
            }
            if best.is_none_or(|best| until < best.until) {
                best = Some(Chosen { key, until });
            }
        }
        best
    }

    /// The keys that rest at `now`, by their index in the configuration: until when, and for which model alone, if
    /// it is not for all.
    pub fn resting(&self, now: Time) -> impl Iterator<Item = (usize, Option<&str>, Time)> {
        self.keys.iter().enumerate().flat_map(move |(at, key)| {
            let of_models = key.denied.iter().map(move |(model, until)| (at, Some(&**model), *until));
            std::iter::once((at, None, key.until)).chain(of_models).filter(move |(.., until)| *until > now)
        })
    }

    /// `key` is being sent: the next request takes another.
    pub fn sent(&mut self, key: usize) {
        if self.keys.len() > 1 {
            self.next = (key + 1) % self.keys.len();
        }
    }

    /// What an attempt with `key` for `model` came to. `status` is the reply's, `wait` what it asked for.
    pub fn heard(
        &mut self,
        now: Time,
        key: usize,
        model: &str,
        class: Class,
        status: Option<u16>,
        wait: Option<Duration>,
    ) {
        let is_only = self.keys.len() < 2;
        let Some(key) = self.keys.get_mut(key) else { return };
        match class {
            Class::Ok => key.strikes = 0,
            Class::RateLimited => {
                let rest = wait.unwrap_or_else(|| doubled(COOLDOWN, key.strikes)).min(COOLDOWN_MAX);
                key.rest(now + rest);
            }
            Class::Quota => {
                let rest = doubled(QUARANTINE, key.strikes).min(QUARANTINE_MAX);
                key.rest(now + rest);
            }
            Class::Auth if status == Some(403) => key.deny(model, now + QUARANTINE),
            // The only key that is refused is a key to correct, and not to spare.
            Class::Auth if !is_only => {
                let rest = doubled(QUARANTINE, key.strikes).min(QUARANTINE_MAX);
                key.rest(now + rest);
            }
            _ => {}
        }
    }
}

impl Key {
    fn rest(&mut self, until: Time) {
        self.until = self.until.max(until);
        self.strikes = self.strikes.saturating_add(1);
    }

    fn deny(&mut self, model: &str, until: Time) {
        self.denied.retain(|(denied, _)| **denied != *model);
        if self.denied.len() >= DENIED_MAX {
            self.denied.remove(0);
        }
        self.denied.push((model.into(), until));
    }

    fn rests_until(&self, model: &str) -> Time {
        let denied = self.denied.iter().find(|(denied, _)| **denied == *model).map_or(Time::ZERO, |(_, until)| *until);
        self.until.max(denied)
    }
}

fn doubled(base: Duration, times: u32) -> Duration {
    base.saturating_mul(1_u32.checked_shl(times.min(20)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn chosen(keys: &Credentials, now: u64) -> usize {
        keys.choose(at(now), "m", 0).unwrap().key
    }

    #[test]
    fn keys_take_turns() {
        let mut keys = Credentials::new(3);
        let turns: Vec<usize> = (0..5)
            .map(|_| {
                let key = chosen(&keys, 0);
                keys.sent(key);
                key
            })
            .collect();
        assert_eq!(turns, [0, 1, 2, 0, 1]);
    }

    #[test]
    fn a_limited_key_rests_as_long_as_it_was_asked_to_and_a_minute_at_most() {
        let mut keys = Credentials::new(2);
        keys.heard(at(0), 0, "m", Class::RateLimited, Some(429), Some(Duration::from_secs(7)));
        assert_eq!((chosen(&keys, 6), chosen(&keys, 7)), (1, 0));
        keys.heard(at(7), 0, "m", Class::RateLimited, Some(429), Some(Duration::from_secs(9_999)));
        assert_eq!((chosen(&keys, 66), chosen(&keys, 67)), (1, 0));
    }

    #[test]
    fn a_key_out_of_quota_rests_twice_as_long_each_time_up_to_an_hour() {
        let mut keys = Credentials::new(2);
        let mut now = 0;
        for rest in [60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
            keys.heard(at(now), 0, "m", Class::Quota, Some(429), None);
            assert_eq!((chosen(&keys, now + rest - 1), chosen(&keys, now + rest)), (1, 0), "{rest}");
            now += rest;
        }
        keys.heard(at(now), 0, "m", Class::Ok, Some(200), None);
        keys.heard(at(now), 0, "m", Class::Quota, Some(429), None);
        assert_eq!(chosen(&keys, now + 60), 0, "a success begins anew");
    }

    #[test]
    fn a_key_that_may_not_use_one_model_serves_the_others() {
        let mut keys = Credentials::new(2);
        keys.heard(at(0), 0, "m", Class::Auth, Some(403), None);
        assert_eq!(chosen(&keys, 1), 1);
        assert_eq!(keys.choose(at(1), "other", 0).unwrap().key, 0);
        assert_eq!(keys.resting(at(1)).collect::<Vec<_>>(), [(0, Some("m"), at(60))]);
        keys.heard(at(1), 1, "m", Class::RateLimited, Some(429), Some(Duration::from_secs(5)));
        assert_eq!(keys.resting(at(1)).last(), Some((1, None, at(6))));
        assert_eq!(keys.resting(at(60)).count(), 0, "the moment at which it is rested is not part of the rest");
        for n in 0..DENIED_MAX {
            keys.heard(at(1), 0, &n.to_string(), Class::Auth, Some(403), None);
        }
        assert_eq!(keys.keys[0].denied.len(), DENIED_MAX);
    }

    #[test]
    fn a_refused_key_rests_only_where_there_is_another() {
        let mut one = Credentials::new(1);
        one.heard(at(0), 0, "m", Class::Auth, Some(401), None);
        assert_eq!(one.choose(at(0), "m", 0).unwrap().until, Time::ZERO);
        let mut two = Credentials::new(2);
        two.heard(at(0), 0, "m", Class::Auth, Some(401), None);
        assert_eq!((chosen(&two, 59), chosen(&two, 60)), (1, 0));
    }

    #[test]
    fn where_all_rest_the_first_to_be_fit_is_named() {
        let mut keys = Credentials::new(2);
        for (key, rest) in [(0, 9), (1, 5)] {
            keys.heard(at(0), key, "m", Class::RateLimited, Some(429), Some(Duration::from_secs(rest)));
        }
        assert_eq!(keys.choose(at(0), "m", 0), Some(Chosen { key: 1, until: at(5) }));
        assert_eq!(keys.choose(at(0), "m", 0b10), Some(Chosen { key: 0, until: at(9) }));
        assert_eq!(keys.choose(at(0), "m", 0b11), None);
    }

    #[test]
    fn what_callers_bring_never_rests() {
        let mut theirs = Credentials::new(0);
        theirs.heard(at(0), 0, "m", Class::Quota, Some(429), None);
        assert_eq!(theirs.choose(at(0), "m", 0), Some(Chosen { key: 0, until: Time::ZERO }));
        assert_eq!(theirs.choose(at(0), "m", 1), None, "the same one again would be refused again");
    }
}
