//! What must hold at every step, whatever is asked and whatever breaks.
//!
//! The laws know the transcript and the policy, nothing else: they work out for themselves what
//! was allowed, and do not ask the plan or the budget what they think of it.

use std::fmt;
use std::time::Duration;

use seawall_core::plan::Ask;
use seawall_core::plan::budget::{COST, COST_AMBIGUOUS, EARNED_A_SECOND};
use seawall_core::plan::policy::Policy;
use seawall_core::plan::shapes::TOTAL_MIN;
use seawall_core::request::Repeatable;
use seawall_core::time::{Time, micros};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Class;

use crate::world::{Line, What};

/// Attempts at a request that is a client's own retry.
const ATTEMPTS_OF_A_CLIENT_RETRY: u32 = 2;

/// The law that was broken, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The law, as a sentence.
    pub law: &'static str,
    /// The request.
    pub request: usize,
    /// The line of the transcript; empty at the end of it.
    pub line: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}\n  by r{}: {}", self.law, self.request, self.line)
    }
}

/// The laws, watching one rehearsal.
#[derive(Debug)]
pub struct Laws<'a> {
    policy: &'a Policy,
    requests: Vec<Seen>,
    purse: Purse,
    /// Callers that were asked to come back and have not.
    invited: u32,
}

/// What was seen of one request.
#[derive(Debug)]
struct Seen {
    ask: Ask,
    deadline: Time,
    is_client_retry: bool,
    attempts: u32,
    live: Option<UpstreamId>,
    /// The end of the latest attempt.
    last: Option<Class>,
    /// Attempts begun right after an ambiguous failure.
    after_ambiguous: u32,
    /// Failures that may have been carried out, and among them those that nobody answered.
    received: u32,
    unanswered: u32,
    /// What the attempt under way costs, should it fail.
    at_stake: u64,
    /// Who asked to be left alone, and until when.
    not_before: Vec<(UpstreamId, Time)>,
    /// Who asked, last, for a longer wait than the policy allows.
    shunned: Option<UpstreamId>,
    /// What comes out of the queue is paid for by waiting.
    has_queued: bool,
    is_committed: bool,
    is_over: bool,
}

/// The closed form of the budget, in milli-tokens: what failed, and what could have paid for it.
#[derive(Debug, Default)]
struct Purse {
    spent: u64,
    first_successes: u64,
    in_flight: u64,
    in_flight_peak: u64,
}

impl<'a> Laws<'a> {
    /// Watches a rehearsal under `policy`.
    #[must_use]
    pub fn new(policy: &'a Policy) -> Laws<'a> {
        Laws { policy, requests: Vec::new(), purse: Purse::default(), invited: 0 }
    }

    /// Sees the next line.
    ///
    /// # Errors
    /// The first law that it breaks.
    pub fn see(&mut self, line: &Line) -> Result<(), Breach> {
        let breach = |law| Breach { law, request: line.request, line: line.to_string() };
        self.judge(line).map_err(breach)?;
        self.purse.holds(self.policy, line.at).map_err(breach)
    }

    /// Sees the end.
    ///
    /// # Errors
    /// A request without an end, or an attempt without one.
    pub fn close(&self) -> Result<(), Breach> {
        let breach = |law, request| Err(Breach { law, request, line: String::new() });
        for (request, seen) in self.requests.iter().enumerate() {
            if !seen.is_over {
                return breach("every admitted request ends", request);
            }
            if seen.live.is_some() {
                return breach("no attempt outlives its request", request);
            }
        }
        if self.purse.in_flight != 0 {
            return breach("first attempts in flight all end", self.requests.len());
        }
        Ok(())
    }

    fn judge(&mut self, line: &Line) -> Result<(), &'static str> {
        if let What::Arrived { ask, deadline } = line.what {
            return self.arrived(line, ask, deadline);
        }
        let seen = self.requests.get_mut(line.request).ok_or("a request arrives before anything happens to it")?;
        match line.what {
            What::Arrived { .. } => Ok(()),
            What::Began { attempt, upstream, until } => {
                seen.may_begin(self.policy, line.at, attempt, upstream, until)?;
                seen.begin(upstream);
                self.purse.begin(attempt);
                Ok(())
            }
            What::Ended { attempt, class, wait } => {
                law(attempt == seen.attempts, "only the attempt under way ends")?;
                let asked = seen.live.take().ok_or("only an attempt under way ends")?;
                seen.end(asked, class, wait.map(|wait| line.at + wait));
                let retry = &self.policy.retry;
                let of_class = retry.class(class).or(retry.class(Class::ServerError));
                let most = of_class.map_or(Duration::MAX, |class| class.retry_after_max);
                seen.shunned = wait.is_some_and(|wait| wait > most).then_some(asked);
                self.purse.end(attempt, class == Class::Ok, seen.at_stake);
                Ok(())
            }
            What::Queued => {
                seen.has_queued = true;
                Ok(())
            }
            What::Waits { until, upstream } => {
                law(!seen.is_over, "a request that is over waits for nothing")?;
                law(until <= seen.deadline, "no wait outlasts the deadline")?;
                law(seen.may_ask(upstream, until), "no upstream is asked earlier than it wishes")
            }
            What::Answered { .. } => {
                law(seen.is_committed, "an answer comes from an attempt that succeeded")?;
                seen.finish()
            }
            What::Failed { invites, .. } => {
                law(!seen.is_committed, "a success is not reported as a failure")?;
                law(seen.live.is_none(), "no request fails while an attempt is under way")?;
                if invites {
                    let may = seen.ask.patience.from_sdk && seen.attempts == 1 && seen.ask.client_retries == 0;
                    law(may, "only a first try on an SDK's own deadline is asked to come back")?;
                    law(line.at >= seen.deadline, "nobody is asked to come back before the deadline")?;
                    self.invited += 1;
                    self.purse.spent += COST_AMBIGUOUS;
                }
                seen.finish()
            }
            What::Left => {
                if seen.live.take().is_some() {
                    self.purse.end(seen.attempts, false, seen.at_stake);
                }
                seen.finish()
            }
        }
    }

    fn arrived(&mut self, line: &Line, ask: Ask, deadline: Time) -> Result<(), &'static str> {
        law(line.request == self.requests.len(), "requests are numbered as they arrive")?;
        let timeout = &self.policy.timeout;
        let patience = match ask.patience.total.or(ask.patience.read) {
            Some(announced) => announced.min(timeout.total_max),
            None => timeout.total,
        };
        law(deadline <= line.at + patience, "no deadline lies beyond the caller's patience")?;
        let is_expected = ask.client_retries > 0 && self.invited > 0;
        self.invited -= u32::from(is_expected);
        self.requests.push(Seen {
            ask,
            deadline,
            is_client_retry: ask.client_retries > 0 && !is_expected,
            attempts: 0,
            live: None,
            last: None,
            after_ambiguous: 0,
            received: 0,
            unanswered: 0,
            at_stake: 0,
            not_before: Vec::new(),
            shunned: None,
            has_queued: false,
            is_committed: false,
            is_over: false,
        });
        Ok(())
    }
}

impl Seen {
    fn may_begin(
        &self,
        policy: &Policy,
        now: Time,
        attempt: u32,
        upstream: UpstreamId,
        until: Time,
    ) -> Result<(), &'static str> {
        let is_candidate = self.ask.candidates.as_slice().iter().any(|c| c.upstream == upstream);
        law(!self.is_committed, "nothing is sent after the commit point")?;
        law(!self.is_over, "a request that is over spends no more")?;
        law(self.live.is_none(), "one attempt at a time")?;
        law(attempt == self.attempts + 1, "attempts are numbered without a gap")?;
        law(is_candidate, "only a candidate is asked")?;
        law(now < self.deadline, "no attempt begins after the deadline")?;
        law(until <= self.deadline, "no attempt lasts beyond the deadline")?;
        let has_limit = !self.ask.stream || until <= now + policy.timeout.first_content.most();
        law(has_limit, "a stream's first content has a limit")?;
        // Only where another upstream is well, and never less than a minute.
        let has_time = self.ask.stream || until == self.deadline || until.since(now) >= TOTAL_MIN;
        law(has_time, "what is no stream has a minute, or all the time there is")?;
        match self.last {
            None => Ok(()),
            Some(class) => self.may_try_again(policy, now, upstream, class),
        }
    }

    fn may_try_again(
        &self,
        policy: &Policy,
        now: Time,
        upstream: UpstreamId,
        class: Class,
    ) -> Result<(), &'static str> {
        let of_class = policy.retry.class(class).map_or(u32::MAX, |class| class.max_attempts);
        let of_caller = self.ask.max_retries.map_or(u32::MAX, |max| max.saturating_add(1));
        let of_client_retry = if self.is_client_retry { ATTEMPTS_OF_A_CLIENT_RETRY } else { u32::MAX };
        law(self.attempts < policy.retry.max_attempts, "no more attempts than the policy allows")?;
        law(self.attempts < of_class, "no more attempts than the class allows")?;
        law(self.attempts < of_caller, "no more attempts than the caller allows")?;
        law(self.attempts < of_client_retry, "two attempts at a client's own retry")?;
        let is_ambiguous = u32::from(class == Class::Ambiguous);
        let after_ambiguous = self.after_ambiguous + is_ambiguous;
        law(after_ambiguous <= policy.retry.ambiguous_max, "no more retries after ambiguous failures than allowed")?;
        law(self.ask.replay.is_ok(), "a body that was not kept is sent once")?;
        let may_repeat = match self.ask.repeatable {
            Repeatable::Yes => true,
            Repeatable::Answered => self.unanswered == 0,
            Repeatable::NotSent => self.received == 0,
        };
        law(may_repeat, "what may not be repeated is sent again only if it never arrived")?;
        let is_curable = class != Class::CallerFault && class != Class::MidStream && class != Class::Cancelled;
        law(is_curable, "what would fail again is not tried again")?;
        law(self.shunned != Some(upstream), "no longer Retry-After than allowed is waited for")?;
        law(self.may_ask(upstream, now), "no upstream is asked earlier than it wishes")
    }

    fn may_ask(&self, upstream: UpstreamId, at: Time) -> bool {
        self.not_before.iter().all(|&(who, until)| who != upstream || at >= until)
    }

    fn begin(&mut self, upstream: UpstreamId) {
        self.at_stake = match (self.attempts, self.last) {
            _ if self.has_queued => 0,
            (0, _) => 0,
            (_, Some(Class::Ambiguous)) => COST_AMBIGUOUS,
            _ => COST,
        };
        self.after_ambiguous += u32::from(self.last == Some(Class::Ambiguous));
        self.attempts += 1;
        self.live = Some(upstream);
    }

    fn end(&mut self, asked: UpstreamId, class: Class, not_before: Option<Time>) {
        self.last = Some(class);
        self.is_committed = class == Class::Ok;
        self.received += u32::from(class != Class::NotSent);
        self.unanswered += u32::from(matches!(class, Class::Ambiguous | Class::StaleConnection));
        self.not_before.extend(not_before.map(|until| (asked, until)));
    }

    fn finish(&mut self) -> Result<(), &'static str> {
        law(!self.is_over, "a request ends once")?;
        self.is_over = true;
        Ok(())
    }
}

impl Purse {
    fn begin(&mut self, attempt: u32) {
        if attempt == 1 {
            self.in_flight += 1;
            self.in_flight_peak = self.in_flight_peak.max(self.in_flight);
        }
    }

    fn end(&mut self, attempt: u32, is_ok: bool, at_stake: u64) {
        if attempt == 1 {
            self.in_flight -= 1;
            self.first_successes += u64::from(is_ok);
        } else if !is_ok {
            self.spent += at_stake;
        }
    }

    /// Failed and cancelled retries, each at its cost, are paid by the start, the successes and
    /// the time so far, and by the first attempts that were once in flight together (rulings 9).
    fn holds(&self, policy: &Policy, now: Time) -> Result<(), &'static str> {
        let deposits = policy.budget.deposit.saturating_mul(self.first_successes + self.in_flight_peak);
        let earned = micros(now.since(Time::ZERO)).saturating_mul(EARNED_A_SECOND) / 1_000_000;
        let income = policy.budget.start.saturating_add(deposits).saturating_add(earned);
        law(self.spent <= income, "retries that fail are paid for")
    }
}

fn law(holds: bool, law: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(law) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_core::event::{Outcome, Reason};
    use seawall_core::plan::route::Routes;
    use seawall_core::plan::shapes::Form;
    use seawall_core::request::Patience;
    use seawall_core::upstream::Upstream;
    use std::time::Duration;

    const U0: UpstreamId = UpstreamId(0);
    const DEADLINE: Time = Time::from_micros(600_000_000);

    fn ask() -> Ask {
        let upstream = Upstream { name: "u0".into(), priority: 0, models: Vec::new(), ..Upstream::default() };
        Ask {
            candidates: Routes::new(vec![upstream], vec![]).candidates(None, false),
            form: Form::default(),
            repeatable: Repeatable::Yes,
            replay: Ok(()),
            stream: false,
            patience: Patience::default(),
            client_retries: 0,
            max_retries: None,
        }
    }

    fn began(attempt: u32) -> What {
        What::Began { attempt, upstream: U0, until: DEADLINE }
    }

    fn ended(attempt: u32, class: Class) -> What {
        What::Ended { attempt, class, wait: None }
    }

    fn failed() -> What {
        What::Failed { reason: Reason::Attempts, invites: false }
    }

    /// The law that a made-up course breaks: a second between each two lines.
    fn broken(ask: Ask, course: &[What]) -> Option<&'static str> {
        let policy = Policy::default();
        let mut laws = Laws::new(&policy);
        let arrived = What::Arrived { ask, deadline: DEADLINE };
        for (at, &what) in std::iter::once(&arrived).chain(course).enumerate() {
            let line = Line { at: Time::from_micros(at as u64 * 1_000_000), request: 0, what };
            if let Err(breach) = laws.see(&line) {
                return Some(breach.law);
            }
        }
        laws.close().err().map(|breach| breach.law)
    }

    #[test]
    fn a_made_up_course_breaks_the_law_it_was_made_for() {
        let error = |attempt| ended(attempt, Class::ServerError);
        let answered = What::Answered { outcome: Outcome::Passed };
        let too_long = What::Ended { attempt: 1, class: Class::RateLimited, wait: Some(Duration::from_secs(61)) };
        let asked_to_wait = What::Ended { attempt: 1, class: Class::RateLimited, wait: Some(Duration::from_secs(9)) };
        let no_stream = What::Began { attempt: 1, upstream: U0, until: DEADLINE + Duration::from_secs(1) };
        let creates = Ask { repeatable: Repeatable::NotSent, ..ask() };
        let hosted = Ask { repeatable: Repeatable::Answered, ..ask() };
        let once = Ask { replay: Err(Reason::BodyTooLarge), ..ask() };
        let one_retry = Ask { max_retries: Some(1), ..ask() };
        let stacked = Ask { client_retries: 1, ..ask() };
        let course = |retries: u32, class| -> Vec<What> {
            (1..=retries).flat_map(|n| [began(n), ended(n, class)]).chain([began(retries + 1)]).collect()
        };
        for (ask, course, law) in [
            (ask(), vec![began(1), error(1), failed()], None),
            (ask(), vec![], Some("every admitted request ends")),
            (ask(), vec![began(1), failed()], Some("no request fails while an attempt is under way")),
            (ask(), vec![began(1), error(1), failed(), failed()], Some("a request ends once")),
            (ask(), vec![What::Left, began(1)], Some("a request that is over spends no more")),
            (ask(), vec![began(1), ended(1, Class::Ok), began(2)], Some("nothing is sent after the commit point")),
            (ask(), vec![began(1), error(1), answered], Some("an answer comes from an attempt that succeeded")),
            (ask(), vec![no_stream], Some("no attempt lasts beyond the deadline")),
            (ask(), vec![began(1), asked_to_wait, began(2)], Some("no upstream is asked earlier than it wishes")),
            (ask(), vec![began(1), too_long, began(2)], Some("no longer Retry-After than allowed is waited for")),
            (ask(), course(4, Class::ServerError), Some("no more attempts than the policy allows")),
            (ask(), course(1, Class::CallerFault), Some("what would fail again is not tried again")),
            (ask(), course(2, Class::Ambiguous), Some("no more retries after ambiguous failures than allowed")),
            (one_retry, course(2, Class::ServerError), Some("no more attempts than the caller allows")),
            (stacked, course(2, Class::ServerError), Some("two attempts at a client's own retry")),
            (once, course(1, Class::NotSent), Some("a body that was not kept is sent once")),
            (
                creates,
                course(1, Class::ServerError),
                Some("what may not be repeated is sent again only if it never arrived"),
            ),
            (
                hosted,
                course(1, Class::Ambiguous),
                Some("what may not be repeated is sent again only if it never arrived"),
            ),
        ] {
            assert_eq!(broken(ask, &course), law, "{course:?}");
        }
    }

    #[test]
    fn an_eleventh_failed_retry_is_not_paid_for() {
        let policy = Policy::default();
        let mut laws = Laws::new(&policy);
        let mut see = |request, what| laws.see(&Line { at: Time::ZERO, request, what });
        for request in 0..=10 {
            see(request, What::Arrived { ask: ask(), deadline: DEADLINE }).expect("lawful");
            for what in [began(1), ended(1, Class::ServerError), began(2)] {
                see(request, what).expect("lawful");
            }
            // The start pays for ten; the first attempt that was in flight is worth a fifth of one.
            let paid = see(request, ended(2, Class::ServerError));
            assert_eq!(paid.is_ok(), request < 10, "{request}");
        }
    }
}
