//! A request in the queue: how it gets there, when its turn has come, when it has waited long enough.

use super::breaker::State as BreakerState;
use super::choice::Nobody;
use super::fleet::Fleet;
use super::policy::Policy;
use super::queue::{self, Ticket};
use super::{Plan, State, Step};
use crate::dice::Dice;
use crate::event::Reason;
use crate::time::Time;

impl Plan {
    /// A place in the queue, where nobody can be asked now and waiting is wanted; else the end.
    pub(super) fn queue_instead(&mut self, now: Time, policy: &Policy, fleet: &mut Fleet, nobody: Nobody) -> State {
        let is_curable = matches!(nobody.reason, Reason::Breaker | Reason::Budget);
        if is_curable && now < self.expires(policy) {
            let queue = fleet.queue(self.ask.candidates.group());
            let ticket = if self.visits.has_queued { queue.rejoin() } else { queue.join() };
            if let Some(ticket) = ticket {
                self.visits.has_queued = true;
                return State::Queued { ticket, look: now + queue::LOOK_MIN };
            }
        }
        State::Over(nobody)
    }

    /// When it has waited long enough: an attempt must still be of use then.
    pub(super) fn expires(&self, policy: &Policy) -> Time {
        let latest = Time::ZERO + self.deadline.since(Time::ZERO + policy.retry.min_useful);
        (self.arrived + policy.wait.max).min(latest)
    }

    /// Looks whether its turn has come: whenever a breaker lets somebody through, the first in the
    /// queue may go, and while all is well they go at the queue's own pace.
    pub(super) fn look(
        &mut self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        dice: &mut Dice,
        ticket: Ticket,
    ) -> Step {
        let group = self.ask.candidates.group();
        if now >= self.expires(policy) {
            fleet.queue(group).leave(ticket);
            return self.fail(Reason::Queue.into());
        }
        let choice = self.choice(now, policy, fleet);
        let look = match choice.best(dice, |at| self.visits.not_before[at] <= now) {
            Ok(at) => {
                let is_well = matches!(choice.state(at), BreakerState::Closed | BreakerState::Guarded);
                let usual = fleet.budget(group).usual(now);
                let queue = fleet.queue(group);
                let turn = match queue.turn(now, ticket, usual) {
                    Err(_) if !is_well && queue.is_first(ticket) => Ok(()),
                    turn => turn,
                };
                match turn {
                    Ok(()) => {
                        queue.launched(now, ticket);
                        if self.attempts == 0 {
                            fleet.budget(group).resume(now);
                        }
                        return self.send(now, policy, fleet, at, false);
                    }
                    Err(look) => look,
                }
            }
            Err(nobody) => {
                fleet.queue(group).begin_anew();
                let at = nobody.retry_at.unwrap_or(now + queue::LOOK_MAX);
                at.max(now + queue::LOOK_MIN).min(now + queue::LOOK_MAX)
            }
        };
        let look = look.min(self.expires(policy));
        self.state = State::Queued { ticket, look };
        Step::Wait { until: look, upstream: None }
    }
}
