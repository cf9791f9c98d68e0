//! Whether to try again after a failure, where and when: the rules, in the order of `resilience` 13.1.
//!
//! What never helps is asked first, and what costs last. A failure that is sure to come again is not
//! repeated where it came: there is a diagnosis then, and another way round is looked for.

use std::time::Duration;

use super::budget::{COST, COST_AMBIGUOUS};
use super::choice::{Failure, Nobody};
use super::diagnosis::Diagnosis;
use super::fleet::Fleet;
use super::policy::{Policy, ToolsPolicy};
use super::{Heard, Live, Plan};
use crate::dice::Dice;
use crate::event::Reason;
use crate::request::Repeatable;
use crate::time::Time;
use crate::verdict::{Again, Class, Fault};

/// Attempts at a request that is itself a client's retry: two layers of retries would multiply.
const ATTEMPTS_OF_A_CLIENT_RETRY: u32 = 2;

/// Where the next attempt goes, and how it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    /// The index of its candidate.
    pub(super) at: usize,
    /// The wait before it.
    pub(super) delay: Duration,
    /// Whether it is made without streaming, to learn what is wrong with its tools.
    pub(super) is_probe: bool,
}

impl Plan {
    /// Where to ask again after an attempt. One whose stream nobody had asked for is made again without
    /// it, if that may be why it failed: the upstream does not know an option, or the stream could not be
    /// put together.
    pub(super) fn again(&mut self, live: Live, heard: &Heard<'_>) -> Again {
        let is_refused = heard.verdict.class == Class::CallerFault && matches!(heard.status, Some(400 | 422));
        let is_unfit = heard.verdict.fault == Some(Fault::Undecodable);
        if !live.form.is_upgraded() || !(is_refused || is_unfit) {
            return heard.verdict.again;
        }
        self.is_upgrade_refused = true;
        Again::Anywhere
    }

    /// The next attempt, or why there is none.
    pub(super) fn next(
        &mut self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        dice: &mut Dice,
        failure: Failure,
    ) -> Result<Next, Nobody> {
        let retry = &policy.retry;
        if failure.is_probe {
            // Whatever it brought is the last word, and the reason is known already.
            return Err(self.diagnosis.map_or(Reason::Class, |diagnosis| diagnosis.reason()).into());
        }
        if failure.again == Again::No {
            return Err(Reason::Class.into());
        }
        self.may_repeat(failure.class)?;
        // Quota and auth: another upstream may be asked, within the general limit.
        let own_max = retry.class(failure.class).map_or(u32::MAX, |class| class.max_attempts);
        self.has_attempts(own_max.min(retry.max_attempts)).map_err(|reason| self.or_diagnosis(reason))?;
        if failure.class == Class::Ambiguous {
            self.ambiguous += 1;
            if self.ambiguous > retry.ambiguous_max {
                return Err(Reason::AmbiguousMax.into());
            }
            let place = (self.candidate(failure.at), &*self.visits.model);
            // Where a whole answer runs into a cliff, a stream is another way.
            let has_way_round = self.may_upgrade(policy) && !failure.form.is_upgraded();
            let wall = fleet.wall(place, failure.form, now, self.ask.body_bytes);
            if let Some(diagnosis) = wall
                && !(has_way_round && matches!(diagnosis, Diagnosis::Cliff(..)))
                && !fleet.trial(place, failure.form, now)
            {
                self.diagnosis = Some(diagnosis);
                return Err(diagnosis.reason().into());
            }
        }
        if self.visits.has_queued {
            // Back to the end: it waits for its next attempt as it did for this one, and pays nothing.
            fleet.queue(self.ask.candidates.group()).failed();
            return Err(Nobody { reason: self.or_diagnosis(Reason::Breaker), retry_at: None });
        }
        let (at, delay) = match self.choice(now, policy, fleet).again(dice, failure, self.attempts) {
            Ok(found) => found,
            Err(_) if self.has_likely_tools() => return self.probe(now, policy, fleet, failure),
            Err(nobody) => return Err(nobody),
        };
        let usual = fleet.expect((self.candidate(at), &self.visits.model), self.ask.form, now).p50.unwrap_or_default();
        if now + delay + retry.min_useful.max(usual) > self.deadline {
            return Err(self.or_diagnosis(Reason::Deadline).into());
        }
        let cost = if failure.class == Class::Ambiguous { COST_AMBIGUOUS } else { COST };
        if !fleet.budget(self.ask.candidates.group()).withdraw(now, cost) {
            return Err(self.or_diagnosis(Reason::Budget).into());
        }
        self.paid = cost;
        Ok(Next { at, delay, is_probe: false })
    }

    /// One more attempt where it failed, without streaming: malformed tools get a 400 that says what is
    /// wrong then. It is paid for like any other, and rare.
    fn probe(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, failure: Failure) -> Result<Next, Nobody> {
        let place = (self.candidate(failure.at), &*self.visits.model);
        let road = fleet.road(place, failure.form);
        let is_wanted = policy.tools == ToolsPolicy::Probe && self.ask.can_probe && failure.form.is_stream();
        let has_time = now + policy.retry.min_useful <= self.deadline;
        let group = self.ask.candidates.group();
        let may = is_wanted
            && has_time
            && self.choice(now, policy, fleet).grants(failure.at).is_ok()
            && fleet.may_probe(now, road, self.ask.tool_mark)
            && fleet.budget(group).withdraw(now, COST);
        if !may {
            return Err(Reason::Tools.into());
        }
        self.paid = COST;
        Ok(Next { at: failure.at, delay: Duration::ZERO, is_probe: true })
    }

    pub(super) fn has_likely_tools(&self) -> bool {
        matches!(self.diagnosis, Some(Diagnosis::Tools(_)))
    }

    /// Why nothing more is tried: what was found out about the request says more than `reason`.
    fn or_diagnosis(&self, reason: Reason) -> Reason {
        self.diagnosis.map_or(reason, |diagnosis| diagnosis.reason())
    }

    fn may_repeat(&self, class: Class) -> Result<(), Reason> {
        let allowed = match self.ask.repeatable {
            Repeatable::Yes => true,
            Repeatable::Answered => !matches!(class, Class::Ambiguous | Class::StaleConnection),
            Repeatable::NotSent => class == Class::NotSent,
        };
        if !allowed {
            return Err(self.or_diagnosis(Reason::NotRepeatable));
        }
        self.ask.replay.map_err(|reason| self.or_diagnosis(reason))
    }

    /// Whether one more attempt may be made, of which the policy allows `policy_max`.
    pub(super) fn has_attempts(&self, policy_max: u32) -> Result<(), Reason> {
        let caller_max = self.ask.max_retries.map_or(u32::MAX, |n| n.saturating_add(1));
        let stacked_max = if self.is_client_retry { ATTEMPTS_OF_A_CLIENT_RETRY } else { u32::MAX };
        if self.attempts < policy_max.min(caller_max).min(stacked_max) {
            Ok(())
        } else if self.attempts >= policy_max {
            Err(Reason::Attempts)
        } else if self.attempts >= caller_max {
            Err(Reason::CallerLimit)
        } else {
            Err(Reason::ClientRetry)
        }
    }

    /// The caller's own SDK would have tried a second time: where the budget can pay for that, it
    /// is asked to, since a deadline of its own making ended the only attempt.
    pub(super) fn invite(&mut self, now: Time, fleet: &mut Fleet) {
        // A reply that came, however broken, is the upstream's own word, and no 504 of ours.
        let is_cut_off = now >= self.deadline && self.ask.patience.from_sdk && self.informative.is_none();
        let would_have = is_cut_off && self.attempts == 1 && self.ask.client_retries == 0;
        if would_have
            && self.ask.repeatable == Repeatable::Yes
            && fleet.budget(self.ask.candidates.group()).withdraw(now, COST_AMBIGUOUS)
        {
            fleet.invite();
            self.invites = true;
        }
    }
}
