//! Seawall in the rehearsal: the real plan, against one fleet.
//!
//! Nothing is decided here. It carries what the world knows to the plan, and back what the plan
//! says; the plan is the one that the gateway and the library run.

use std::sync::Arc;

use seawall_core::dice::Dice;
use seawall_core::event::Outcome;
use seawall_core::plan::fleet::Fleet;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::{Candidates, Routes};
use seawall_core::plan::shapes::Form;
use seawall_core::plan::{Ask, Heard, Launch, Plan, Step};
use seawall_core::request::{Endpoint, Request};
use seawall_core::time::Time;
use seawall_core::upstream::{Upstream, UpstreamId};
use seawall_core::verdict::Verdict;

use crate::decide::{Asked, Decide, Said, State};
use crate::script::Caller;

/// The plan of every request, and what they share.
#[derive(Debug)]
pub struct Gateway<'a> {
    policy: &'a Policy,
    candidates: Candidates,
    fleet: Fleet,
    dice: Dice,
}

impl<'a> Gateway<'a> {
    /// One in front of so many equal upstreams, with nothing known yet.
    #[must_use]
    pub fn new(upstreams: usize, policy: &'a Policy, dice: Dice) -> Gateway<'a> {
        let upstreams: Vec<Upstream> =
            (0..upstreams).map(|at| Upstream { name: format!("u{at}"), ..Upstream::default() }).collect();
        let routes = Arc::new(Routes::new(upstreams, Vec::new()));
        let candidates = routes.candidates(None, false);
        Gateway { policy, candidates, fleet: Fleet::new(routes, policy, Time::ZERO), dice }
    }
}

/// One request: its plan, and the fingerprint of its body.
#[derive(Debug)]
pub struct Asking {
    plan: Plan,
    body: u64,
}

/// The form of what a caller sends: its size, and whether it asks for a stream.
fn form(caller: &Caller) -> Form {
    Form::of(&Request {
        endpoint: Endpoint::ChatCompletions,
        method: http::Method::POST,
        model: None,
        stream: caller.stream,
        tools: 0,
        tool_mark: 0,
        hosted_tools: false,
        effort: None,
        images: false,
        background: false,
        choices: 1,
        max_tokens: None,
        body_bytes: caller.body_bytes,
        websocket: false,
        opaque: None,
        sdk: None,
        client_retries: caller.client_retries,
        patience: caller.patience,
    })
}

impl Decide for Gateway<'_> {
    type Course = Asking;

    fn arrived(&mut self, now: Time, asked: Asked<'_>) -> Asking {
        let caller = asked.caller;
        let ask = Ask {
            candidates: self.candidates,
            form: form(caller),
            repeatable: caller.repeatable,
            replay: caller.replay,
            stream: caller.stream,
            can_upgrade: false,
            can_probe: false,
            tool_mark: 0,
            body_bytes: caller.body_bytes,
            patience: caller.patience,
            client_retries: caller.client_retries,
            max_retries: caller.max_retries,
        };
        Asking { plan: Plan::new(now, self.policy, None, ask, &mut self.fleet), body: asked.body }
    }

    fn deadline(&self, asking: &Asking) -> Time {
        asking.plan.deadline()
    }

    fn step(&mut self, now: Time, asking: &mut Asking) -> Said {
        match asking.plan.step(now, self.policy, &mut self.fleet, &mut self.dice) {
            Step::Send(Launch { attempt, upstream, until, look, .. }) => Said::Send { attempt, upstream, until, look },
            Step::Listen => Said::Listen,
            Step::Wait { until, upstream } => Said::Wait { until, upstream },
            Step::Relay { attempt } => Said::Relay { attempt },
            Step::Fail { reason, .. } => Said::Fail { reason, invites: asking.plan.invites() },
        }
    }

    fn heard(&mut self, now: Time, asking: &mut Asking, attempt: u32, verdict: &Verdict, is_informative: bool) {
        let status = verdict.class.status();
        let heard = Heard { verdict, status, is_informative, body: asking.body, first_content: None };
        asking.plan.heard(now, self.policy, &mut self.fleet, &mut self.dice, attempt, &heard);
    }

    fn left(&mut self, now: Time, asking: &mut Asking) {
        asking.plan.left(now, self.policy, &mut self.fleet, &mut self.dice);
    }

    fn broke(&mut self, now: Time, asking: &mut Asking) {
        if let Some(served) = asking.plan.served(&self.fleet) {
            self.fleet.broke(now, self.policy, &mut self.dice, &served);
        }
    }

    fn outcome(&self, asking: &Asking) -> Outcome {
        asking.plan.success()
    }

    fn breaker(&self, upstream: UpstreamId) -> Option<State> {
        let mut breakers = self.fleet.breakers().filter(|(at, ..)| *at == upstream);
        breakers.next().map(|(_, _, breaker)| breaker.state())
    }

    fn held(&self) -> u32 {
        let probes: u32 = self.fleet.breakers().map(|(_, _, breaker)| breaker.in_flight()).sum();
        probes + u32::try_from(self.fleet.under_way()).unwrap_or(u32::MAX)
    }
}
