//! A second attempt beside the first: whether a request may have one, when, and where it goes.

use super::breaker;
use super::fleet::Fleet;
use super::hedge;
use super::policy::Policy;
use super::{Live, Plan, State, Step};
use crate::dice::Dice;
use crate::request::Repeatable;
use crate::time::Time;

impl Plan {
    /// Whether the request may be asked a second time beside its first attempt at all. Only streams:
    /// how long a whole answer takes is a matter of its length, and the second would be as long.
    pub(super) fn is_hedged(&self, policy: &Policy) -> bool {
        self.ask.candidates.hedge.unwrap_or(policy.hedge.enabled)
            && self.ask.stream
            && self.ask.repeatable == Repeatable::Yes
            && self.ask.replay.is_ok()
            && self.ask.body_bytes <= hedge::BODY_BYTES_MAX
            && self.has_attempts(policy.retry.max_attempts).is_ok()
    }

    /// When the first attempt, begun now, is later than 95 of 100.
    pub(super) fn late(&self, now: Time, policy: &Policy, fleet: &mut Fleet, live: Live) -> Option<Time> {
        let expected = fleet.expect((self.candidate(live.at), &self.visits.model), self.ask.form, now);
        Some(now + expected.hedge_after(policy.hedge.after_min, policy.hedge.after_max)?)
    }

    /// Begins a second attempt beside the first, if its moment has come and it can be afforded. There
    /// is one such moment for each request.
    pub(super) fn begin_beside(
        &mut self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        dice: &mut Dice,
        first: Live,
    ) -> Step {
        if self.hedge_at.is_none_or(|at| now < at) {
            return Step::Listen;
        }
        self.hedge_at = None;
        let Some(at) = self.beside(now, policy, fleet, dice, first) else { return Step::Listen };
        let Ok((second, launch)) = self.attempt(now, policy, fleet, at, (breaker::Kind::Hedge, false)) else {
            return Step::Listen;
        };
        fleet.purse(self.ask.candidates.group()).pay();
        self.hedge = Some(second.attempt);
        self.state = State::Live(first, Some(second));
        Step::Send(launch)
    }

    /// Where a second attempt would go: to another place that is well, or to the same if all are.
    pub(super) fn beside(
        &self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        dice: &mut Dice,
        first: Live,
    ) -> Option<usize> {
        let group = self.ask.candidates.group();
        if !fleet.purse(group).can_pay() || !fleet.budget(group).holds(now, hedge::BUDGET_MIN) {
            return None;
        }
        let place = (self.candidate(first.at), &*self.visits.model);
        let usual = fleet.expect(place, self.ask.form, now).p50?;
        if self.deadline.since(now) <= usual || fleet.wall(place, self.ask.form, now, self.ask.body_bytes).is_some() {
            return None;
        }
        self.choice(now, policy, fleet).beside(dice, first.at)
    }
}
