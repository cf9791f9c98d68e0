//! A wall at one duration: somebody in between stops waiting, every time at the same moment.
//!
//! Three failures in a row after 60.1 s are no chance. Trying again buys the same generation once
//! more and loses it at the same place, so such a failure is not repeated: it is named, with the
//! likely hop and what helps. A success that took longer than the wall proves that there is none.

use std::collections::VecDeque;
use std::time::Duration;

use super::form::Form;
use crate::time::Time;
use crate::words::words;

/// Failures that make a cliff: the latest this many.
pub const FAILURES: usize = 3;
/// A failure says nothing after this.
pub const EXPIRY: Duration = Duration::from_secs(24 * 3_600);
/// Between two trials whether a cliff still stands, and before the first.
pub const TRIAL_EVERY: Duration = Duration::from_secs(600);
/// What fails sooner was not waited for by anybody.
const AT_MIN: Duration = Duration::from_secs(1);

/// What helps against a cliff, the best first. The first is for whole answers that no stream is asked for.
pub const REMEDIES: [&str; 5] = [
    "stream the answer (or have it done for you: stream.upgrade = \"cliff\"), so that bytes flow before the time is up",
    "raise the timeout of the hop that gives up",
    "lower max_tokens",
    "split the prompt",
    "run it in the background mode of the Responses API, and fetch the answer later",
];

/// What helps requests of `form`, the best first.
#[must_use]
pub fn remedies(form: Form) -> &'static [&'static str] {
    &REMEDIES[usize::from(form.is_stream() || form.is_upgraded())..]
}

/// Requests of one form fail when they have taken this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cliff {
    /// The median of the failures.
    pub at: Duration,
    /// Who probably gives up.
    pub hop: Hop,
}

words! {
    /// Who probably gives up, by the timeout it is known for.
    pub enum Hop {
        /// 15 s.
        Envoy = "envoy",
        /// 29 s.
        AwsApiGateway = "aws_api_gateway",
        /// 30 s.
        HerokuOrGoogle = "heroku_or_google",
        /// 60 s.
        NginxOrAws = "nginx_or_aws",
        /// 100 s.
        Cloudflare = "cloudflare",
        /// 120 s.
        CloudflareNow = "cloudflare_now",
        /// 230 s.
        AzureFrontend = "azure_frontend",
        /// 240 s.
        AzureLoadBalancer = "azure_load_balancer",
        /// 300 s.
        Undici = "undici",
        /// 600 s.
        Sdk = "sdk",
        /// Any other time.
        Unknown = "unknown",
    }
}

impl Hop {
    /// The one whose timeout is nearest to `at`, if that is within 3 % of the timeout.
    #[must_use]
    pub fn nearest(at: Duration) -> Hop {
        let off = |hop: Hop| hop.timeout().map(|timeout| (timeout, timeout.abs_diff(at)));
        let known = Hop::ALL.iter().filter_map(|&hop| off(hop).map(|(timeout, off)| (hop, timeout, off)));
        match known.min_by_key(|&(_, _, off)| off) {
            Some((hop, timeout, off)) if off <= timeout * 3 / 100 => hop,
            _ => Hop::Unknown,
        }
    }

    /// The timeout that it is known for; `None` for [`Hop::Unknown`].
    #[must_use]
    pub const fn timeout(self) -> Option<Duration> {
        Some(Duration::from_secs(match self {
            Hop::Envoy => 15,
            Hop::AwsApiGateway => 29,
            Hop::HerokuOrGoogle => 30,
            Hop::NginxOrAws => 60,
            Hop::Cloudflare => 100,
            Hop::CloudflareNow => 120,
            Hop::AzureFrontend => 230,
            Hop::AzureLoadBalancer => 240,
            Hop::Undici => 300,
            Hop::Sdk => 600,
            Hop::Unknown => return None,
        }))
    }

    /// Who waits that long, for people: to be read after "probably". A guess by the time alone.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Hop::Envoy => "an Envoy route (15 s unless set)",
            Hop::AwsApiGateway => "AWS API Gateway (29 s)",
            Hop::HerokuOrGoogle => "Heroku's router or a Google Cloud load balancer (30 s)",
            Hop::NginxOrAws => "nginx (`proxy_read_timeout`) or an AWS ALB (idle timeout): 60 s unless set",
            Hop::Cloudflare => "Cloudflare (error 524 after 100 s)",
            Hop::CloudflareNow => "Cloudflare (error 524, now often after 120 s)",
            Hop::AzureFrontend => "an Azure load balancer (230 s)",
            Hop::AzureLoadBalancer => "an Azure load balancer (240 s)",
            Hop::Undici => "a Node relay (undici's `headersTimeout` or `bodyTimeout`: 300 s unless set)",
            Hop::Sdk => "a relay built on an official SDK (600 s unless set)",
            Hop::Unknown => "a hop whose usual timeout is not known here",
        }
    }
}

/// The latest failures of one form, and what speaks against a cliff.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures {
    /// The oldest first; at most [`FAILURES`].
    latest: VecDeque<Failure>,
    /// No trial before this.
    trial_at: Time,
}

#[derive(Debug, Clone)]
struct Failure {
    at: Time,
    after: Duration,
    /// The longest success since.
    longest_success: Duration,
}

impl Failures {
    pub(super) fn failed(&mut self, now: Time, after: Duration) {
        let stood = self.cliff(now).is_some();
        if self.latest.len() == FAILURES {
            self.latest.pop_front();
        }
        self.latest.push_back(Failure { at: now, after, longest_success: Duration::ZERO });
        if !stood && self.cliff(now).is_some() {
            self.trial_at = now + TRIAL_EVERY;
        }
    }

    pub(super) fn succeeded(&mut self, after: Duration) {
        for failure in &mut self.latest {
            failure.longest_success = failure.longest_success.max(after);
        }
    }

    pub(super) fn cliff(&self, now: Time) -> Option<Cliff> {
        let [first, second, third] = [self.latest.front()?, self.latest.get(1)?, self.latest.get(2)?];
        if now.since(first.at) >= EXPIRY {
            return None;
        }
        let mut sorted = [first.after, second.after, third.after];
        sorted.sort_unstable();
        let [shortest, at, longest] = sorted;
        let is_one_moment = (longest - shortest).saturating_mul(50) <= at;
        // A success beyond 97 % of the wall has climbed it.
        let is_climbed = first.longest_success.saturating_mul(100) > at.saturating_mul(97);
        (at >= AT_MIN && is_one_moment && !is_climbed).then(|| Cliff { at, hop: Hop::nearest(at) })
    }

    pub(super) fn trial(&mut self, now: Time) -> bool {
        let is_due = now >= self.trial_at && self.cliff(now).is_some();
        if is_due {
            self.trial_at = now + TRIAL_EVERY;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn second(secs: u64) -> Time {
        Time::ZERO + Duration::from_secs(secs)
    }

    /// Failures a minute apart, the first at 0.
    fn failures(after: &[u64]) -> Failures {
        let mut failures = Failures::default();
        for (minute, &after) in (0..).zip(after) {
            failures.failed(second(60 * minute), millis(after));
        }
        failures
    }

    fn at(failures: &Failures) -> Option<Duration> {
        failures.cliff(second(600)).map(|cliff| cliff.at)
    }

    #[test]
    fn three_failures_at_one_moment_are_a_cliff() {
        for (after, cliff) in [
            (&[60_100, 60_000, 60_200][..], Some(60_100)),
            (&[5, 60_100, 60_000, 60_200], Some(60_100)),
            (&[60_000, 60_000], None),
            (&[60_000, 60_000, 5], None),
            // Exactly 2 % apart, and a millisecond more.
            (&[50_000, 50_500, 49_500], Some(50_000)),
            (&[50_000, 50_501, 49_500], None),
            (&[1_000, 1_000, 1_000], Some(1_000)),
            (&[999, 999, 999], None),
        ] {
            assert_eq!(at(&failures(after)), cliff.map(millis), "{after:?}");
        }
    }

    #[test]
    fn a_success_beyond_the_wall_shows_that_there_is_none() {
        for (success, stands) in [(58_200, true), (58_201, false), (90_000, false)] {
            let mut failures = failures(&[60_000, 60_000]);
            failures.succeeded(millis(success));
            failures.failed(second(120), millis(60_000));
            assert_eq!(at(&failures).is_some(), stands, "success after {success} ms");
        }
    }

    #[test]
    fn three_failures_after_such_a_success_are_a_cliff_again() {
        let mut failures = failures(&[60_000, 60_000, 60_000]);
        failures.succeeded(millis(90_000));
        for (secs, stands) in [(200, false), (201, false), (202, true)] {
            failures.failed(second(secs), millis(60_000));
            assert_eq!(at(&failures).is_some(), stands, "at {secs} s");
        }
    }

    #[test]
    fn failures_say_nothing_after_a_day() {
        let failures = failures(&[60_000, 60_000, 60_000]);
        assert!(failures.cliff(second(86_399)).is_some());
        assert_eq!(failures.cliff(second(86_400)), None);
    }

    #[test]
    fn one_trial_in_ten_minutes_while_the_cliff_stands() {
        let mut failures = failures(&[60_000, 60_000, 60_000]);
        assert!(!failures.trial(second(120)));
        assert!(!failures.trial(second(719)));
        assert!(failures.trial(second(720)));
        // The trial fails at the same wall: the cliff stands on.
        failures.failed(second(780), millis(60_000));
        assert!(!failures.trial(second(1_319)));
        assert!(failures.trial(second(1_320)));
        failures.succeeded(millis(61_000));
        assert!(!failures.trial(second(9_000)));
    }

    #[test]
    fn a_hop_is_known_by_its_time_within_three_parts_of_a_hundred() {
        for (millis_at, hop) in [
            (15_000, Hop::Envoy),
            (29_400, Hop::AwsApiGateway),
            (29_600, Hop::HerokuOrGoogle),
            (60_100, Hop::NginxOrAws),
            (61_800, Hop::NginxOrAws),
            (61_801, Hop::Unknown),
            (58_200, Hop::NginxOrAws),
            (58_199, Hop::Unknown),
            (100_500, Hop::Cloudflare),
            (125_000, Hop::Unknown),
            (234_000, Hop::AzureFrontend),
            (236_000, Hop::AzureLoadBalancer),
            (0, Hop::Unknown),
        ] {
            assert_eq!(Hop::nearest(millis(millis_at)), hop, "{millis_at} ms");
        }
        assert_eq!(Hop::nearest(Duration::MAX), Hop::Unknown);
        for &hop in Hop::ALL {
            assert_eq!(hop.timeout().map(Hop::nearest), (hop != Hop::Unknown).then_some(hop));
        }
    }
}
