//! Every impurity of the library: the clock is read here, the dice are thrown here, and the one
//! lock is taken here.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seawall_core::dice::Dice;
use seawall_core::plan::fleet::Fleet;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::Routes;
use seawall_core::time::Time;
use tokio::time::Instant;

/// Of a long body, this much of either end is in its fingerprint.
const FINGERPRINT_END: usize = 4 * 1024;

/// Clock, dice and fleet.
pub(crate) struct Shared {
    origin: Instant,
    fingerprints: RandomState,
    state: Mutex<State>,
}

struct State {
    fleet: Fleet,
    dice: Dice,
}

impl Shared {
    pub(crate) fn new(routes: Arc<Routes>, policy: &Policy, seed: Option<u64>) -> Shared {
        let dice = Dice::new(seed.unwrap_or_else(unlike_others));
        let fleet = Fleet::new(routes, policy, Time::ZERO);
        Shared { origin: instant(), fingerprints: RandomState::new(), state: Mutex::new(State { fleet, dice }) }
    }

    /// A number that stands for `body` in this process alone: equal for equal bodies, and of no
    /// use to find out what was in one. Of a long body its length and both ends are looked at.
    pub(crate) fn fingerprint(&self, body: &[u8]) -> u64 {
        let mut hasher = self.fingerprints.build_hasher();
        hasher.write_usize(body.len());
        if body.len() <= 2 * FINGERPRINT_END {
            hasher.write(body);
        } else {
            hasher.write(&body[..FINGERPRINT_END]);
            hasher.write(&body[body.len() - FINGERPRINT_END..]);
        }
        hasher.finish()
    }

    /// Decides something under the lock. `f` cannot wait: it is not async, and its arguments do
    /// not live long enough to be carried off.
    pub(crate) fn decide<R>(&self, f: impl FnOnce(Time, &mut Fleet, &mut Dice) -> R) -> R {
        let now = self.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { fleet, dice } = &mut *state;
        f(now, fleet, dice)
    }

    /// The moment, by the monotonic clock.
    pub(crate) fn now(&self) -> Time {
        self.time(instant())
    }

    /// A moment of tokio's clock, as a [`Time`].
    pub(crate) fn time(&self, instant: Instant) -> Time {
        Time::ZERO + instant.saturating_duration_since(self.origin)
    }

    /// A [`Time`], as a moment of tokio's clock; moments too far away are a century from the start.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
        self.origin + time.since(Time::ZERO).min(CENTURY)
    }
}

/// The moment, by tokio's clock: virtual where a test has paused it.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Microseconds since the Unix epoch, by the wall clock: for records, never for waiting.
#[expect(clippy::disallowed_methods, reason = "the place where the wall clock is read")]
#[must_use]
pub fn unix_micros() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
}

/// A seed that other processes do not share. Jitter needs no more than that; secrets are not made from it.
fn unlike_others() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i64(unix_micros());
    hasher.finish()
}
