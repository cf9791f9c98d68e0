//! What must hold at every step, whatever is asked and whatever breaks.
//!
//! The laws know the transcript and the policy, nothing else: they work out for themselves what
//! was allowed, and do not ask the plan or the budget what they think of it.

use std::fmt;
use std::time::Duration;

use seawall_core::plan::budget::{COST, COST_AMBIGUOUS, EARNED_A_SECOND};
use seawall_core::plan::hedge;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::shapes::TOTAL_MIN;
use seawall_core::request::Repeatable;
use seawall_core::time::{Time, micros};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::Class;

use crate::decide::State;
use crate::script::Caller;
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
    doors: Vec<Door>,
    purse: Purse,
    /// Callers that were asked to come back and have not.
    invited: u32,
}

/// What was seen of one request.
#[derive(Debug)]
struct Seen {
    caller: Caller,
    deadline: Time,
    is_client_retry: bool,
    attempts: u32,
    /// One; two where a stream is hedged.
    live: Vec<Live>,
    /// The end of the latest attempt.
    last: Option<Class>,
    /// Attempts begun right after an ambiguous failure.
    after_ambiguous: u32,
    /// Failures that may have been carried out, and among them those that nobody answered.
    received: u32,
    unanswered: u32,
    /// Who asked to be left alone, and until when.
    not_before: Vec<(UpstreamId, Time)>,
    /// Who asked, last, for a longer wait than the policy allows.
    shunned: Option<UpstreamId>,
    has_queued: bool,
    is_committed: bool,
    is_over: bool,
}

/// An attempt under way.
#[derive(Debug, Clone, Copy)]
struct Live {
    attempt: u32,
    upstream: UpstreamId,
    began: Time,
    /// What it costs, should it fail.
    at_stake: u64,
}

/// What was seen of one upstream's breaker.
#[derive(Debug)]
struct Door {
    state: State,
    /// Requests and attempts that were let through while half open, and were not given up.
    probes: Vec<(usize, u32)>,
    last_probe: Time,
}

/// The closed form of the budget, in milli-tokens: what failed, and what could have paid for it.
#[derive(Debug, Default)]
struct Purse {
    spent: u64,
    first_successes: u64,
    in_flight: u64,
    in_flight_peak: u64,
    requests: u64,
    hedges: u64,
}

impl<'a> Laws<'a> {
    /// Watches a rehearsal under `policy`, before so many upstreams.
    #[must_use]
    pub fn new(policy: &'a Policy, upstreams: usize) -> Laws<'a> {
        let door = || Door { state: State::Closed, probes: Vec::new(), last_probe: Time::ZERO };
        let doors = std::iter::repeat_with(door).take(upstreams).collect();
        Laws { policy, requests: Vec::new(), doors, purse: Purse::default(), invited: 0 }
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

    /// Sees the end; `held` is how many attempts the breakers still wait to hear of.
    ///
    /// # Errors
    /// A request without an end, an attempt without one, or a probe that was never released.
    pub fn close(&self, held: u32) -> Result<(), Breach> {
        let breach = |law, request| Err(Breach { law, request, line: String::new() });
        for (request, seen) in self.requests.iter().enumerate() {
            if !seen.is_over {
                return breach("every admitted request ends", request);
            }
            if !seen.live.is_empty() {
                return breach("no attempt outlives its request", request);
            }
        }
        if self.purse.in_flight != 0 {
            return breach("first attempts in flight all end", self.requests.len());
        }
        if held != 0 {
            return breach("a probe is always released", self.requests.len());
        }
        Ok(())
    }

    fn judge(&mut self, line: &Line) -> Result<(), &'static str> {
        if let What::Arrived { caller, deadline, .. } = line.what {
            return self.arrived(line, caller, deadline);
        }
        let seen = self.requests.get_mut(line.request).ok_or("a request arrives before anything happens to it")?;
        match line.what {
            What::Arrived { .. } => Ok(()),
            What::Began { attempt, upstream, until } => {
                let door = self.doors.get_mut(upstream.index()).ok_or("only a candidate is asked")?;
                door.let_through(self.policy, line, attempt)?;
                seen.may_begin(self.policy, line.at, attempt, upstream, until)?;
                self.purse.hedges += u64::from(!seen.live.is_empty());
                seen.begin(upstream, line.at);
                self.purse.begin(attempt);
                Ok(())
            }
            What::Ended { attempt, class, wait } => {
                let live = seen.take(attempt).ok_or("only an attempt under way ends")?;
                self.doors[live.upstream.index()].release(line.request, attempt);
                seen.end(live.upstream, class, wait.map(|wait| line.at + wait));
                let retry = &self.policy.retry;
                let of_class = retry.class(class).or(retry.class(Class::ServerError));
                let most = of_class.map_or(Duration::MAX, |class| class.retry_after_max);
                seen.shunned = wait.is_some_and(|wait| wait > most).then_some(live.upstream);
                self.purse.end(attempt, class == Class::Ok, live.at_stake);
                Ok(())
            }
            What::Dropped { attempt } => {
                let live = seen.take(attempt).ok_or("only an attempt under way is dropped")?;
                self.doors[live.upstream.index()].release(line.request, attempt);
                self.purse.end(attempt, false, live.at_stake);
                Ok(())
            }
            What::Waits { until, upstream } => {
                law(!seen.is_over, "a request that is over waits for nothing")?;
                law(until <= seen.deadline, "no wait outlasts the deadline")?;
                law(seen.may_ask(upstream, until), "no upstream is asked earlier than it wishes")
            }
            What::Queued => {
                law(!self.policy.wait.max.is_zero(), "nobody waits in a queue who was not asked to")?;
                seen.has_queued = true;
                Ok(())
            }
            What::Answered { .. } => {
                law(seen.is_committed, "an answer comes from an attempt that succeeded")?;
                law(seen.live.is_empty(), "what is not needed any more is dropped")?;
                seen.finish()
            }
            What::Done | What::Broke => law(seen.is_over && seen.is_committed, "what ends has begun"),
            What::Failed { invites, .. } => {
                law(!seen.is_committed, "a success is not reported as a failure")?;
                law(seen.live.is_empty(), "no request fails while an attempt is under way")?;
                if invites {
                    let may = seen.caller.patience.from_sdk && seen.attempts == 1 && seen.caller.client_retries == 0;
                    law(may, "only a first try on an SDK's own deadline is asked to come back")?;
                    law(line.at >= seen.deadline, "nobody is asked to come back before the deadline")?;
                    self.invited += 1;
                    self.purse.spent += COST_AMBIGUOUS;
                }
                seen.finish()
            }
            What::Left if seen.is_committed => law(seen.is_over, "an answer that flows had its outcome"),
            What::Left => seen.finish(),
            What::Turned { upstream, to } => {
                let door = self.doors.get_mut(upstream.index()).ok_or("only a candidate has a breaker")?;
                door.state = to;
                door.probes.clear();
                Ok(())
            }
        }
    }

    fn arrived(&mut self, line: &Line, caller: Caller, deadline: Time) -> Result<(), &'static str> {
        law(line.request == self.requests.len(), "requests are numbered as they arrive")?;
        let timeout = &self.policy.timeout;
        let patience = match caller.patience.total.or(caller.patience.read) {
            Some(announced) => announced.min(timeout.total_max),
            None => timeout.total,
        };
        law(deadline <= line.at + patience, "no deadline lies beyond the caller's patience")?;
        let is_expected = caller.client_retries > 0 && self.invited > 0;
        self.invited -= u32::from(is_expected);
        self.purse.requests += 1;
        self.requests.push(Seen {
            caller,
            deadline,
            is_client_retry: caller.client_retries > 0 && !is_expected,
            attempts: 0,
            live: Vec::new(),
            last: None,
            after_ambiguous: 0,
            received: 0,
            unanswered: 0,
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
        law(!self.is_committed, "nothing is sent after the commit point")?;
        law(!self.is_over, "a request that is over spends no more")?;
        law(attempt == self.attempts + 1, "attempts are numbered without a gap")?;
        law(now < self.deadline, "no attempt begins after the deadline")?;
        law(until <= self.deadline, "no attempt lasts beyond the deadline")?;
        let has_limit = !self.caller.stream || until <= now + policy.timeout.first_content.most();
        law(has_limit, "a stream's first content has a limit")?;
        // Only where another upstream is well, and never less than a minute.
        let has_time = self.caller.stream || until == self.deadline || until.since(now) >= TOTAL_MIN;
        law(has_time, "what is no stream has a minute, or all the time there is")?;
        match (self.live.first(), self.last) {
            (Some(first), _) => self.may_hedge(policy, now, first),
            (None, None) => Ok(()),
            (None, Some(class)) => self.may_try_again(policy, now, upstream, class),
        }
    }

    /// Whether a second attempt may be begun beside the first.
    fn may_hedge(&self, policy: &Policy, now: Time, first: &Live) -> Result<(), &'static str> {
        let is_first = policy.hedge.enabled && first.attempt == 1 && self.attempts == 1;
        law(is_first, "one attempt at a time, and one hedge where they are wanted")?;
        law(self.caller.stream, "only streams are hedged")?;
        law(now >= first.began + policy.hedge.after_min, "no hedge comes earlier than allowed")?;
        law(policy.retry.max_attempts > 1, "no more attempts than the policy allows")?;
        law(self.caller.max_retries != Some(0), "no more attempts than the caller allows")?;
        law(self.caller.replay.is_ok(), "a body that was not kept is sent once")?;
        law(self.caller.repeatable == Repeatable::Yes, "what may not be repeated is not hedged")
    }

    fn may_try_again(
        &self,
        policy: &Policy,
        now: Time,
        upstream: UpstreamId,
        class: Class,
    ) -> Result<(), &'static str> {
        let of_class = policy.retry.class(class).map_or(u32::MAX, |class| class.max_attempts);
        let of_caller = self.caller.max_retries.map_or(u32::MAX, |max| max.saturating_add(1));
        let of_client_retry = if self.is_client_retry { ATTEMPTS_OF_A_CLIENT_RETRY } else { u32::MAX };
        law(self.attempts < policy.retry.max_attempts, "no more attempts than the policy allows")?;
        law(self.attempts < of_class, "no more attempts than the class allows")?;
        law(self.attempts < of_caller, "no more attempts than the caller allows")?;
        law(self.attempts < of_client_retry, "two attempts at a client's own retry")?;
        let is_ambiguous = u32::from(class == Class::Ambiguous);
        let after_ambiguous = self.after_ambiguous + is_ambiguous;
        law(after_ambiguous <= policy.retry.ambiguous_max, "no more retries after ambiguous failures than allowed")?;
        law(self.caller.replay.is_ok(), "a body that was not kept is sent once")?;
        let may_repeat = match self.caller.repeatable {
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

    fn begin(&mut self, upstream: UpstreamId, now: Time) {
        let is_hedge = !self.live.is_empty();
        let at_stake = match (self.attempts, self.last) {
            // Paid from a purse of its own.
            _ if is_hedge => 0,
            // What comes out of the queue is paid for by waiting.
            _ if self.has_queued => 0,
            (0, _) => 0,
            (_, Some(Class::Ambiguous)) => COST_AMBIGUOUS,
            _ => COST,
        };
        self.after_ambiguous += u32::from(!is_hedge && self.last == Some(Class::Ambiguous));
        self.attempts += 1;
        self.live.push(Live { attempt: self.attempts, upstream, began: now, at_stake });
    }

    fn take(&mut self, attempt: u32) -> Option<Live> {
        let at = self.live.iter().position(|live| live.attempt == attempt)?;
        Some(self.live.remove(at))
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

impl Door {
    fn let_through(&mut self, policy: &Policy, line: &Line, attempt: u32) -> Result<(), &'static str> {
        law(self.state != State::Open, "an open breaker lets nobody through")?;
        if self.state == State::Half {
            let breaker = &policy.breaker;
            let is_full = self.probes.len() >= breaker.probes_max.max(1) as usize;
            let patience = if is_full { breaker.open_max.max(breaker.probe_every) } else { breaker.probe_every };
            let is_overdue = line.at.since(self.last_probe) >= patience;
            law(self.probes.is_empty() || is_overdue, "a half-open breaker sees only its probe")?;
            if is_full {
                // Given up for lost: the next is a first one, and may be followed at once when it ends.
                self.probes.clear();
            }
            self.probes.push((line.request, attempt));
            self.last_probe = line.at;
        }
        Ok(())
    }

    fn release(&mut self, request: usize, attempt: u32) {
        self.probes.retain(|probe| *probe != (request, attempt));
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
        law(self.spent <= income, "retries that fail are paid for")?;
        let hedges = hedge::START.saturating_add(policy.hedge.deposit.saturating_mul(self.requests));
        law(self.hedges.saturating_mul(hedge::COST) <= hedges, "hedges are paid for by requests")
    }
}

fn law(holds: bool, law: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(law) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_core::event::{Outcome, Reason};
    use std::time::Duration;

    const U0: UpstreamId = UpstreamId(0);
    const DEADLINE: Time = Time::from_micros(600_000_000);

    fn ask() -> Caller {
        Caller::default()
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
    fn broken(caller: Caller, course: &[What]) -> Option<&'static str> {
        let policy = Policy::default();
        let mut laws = Laws::new(&policy, 1);
        let arrived = What::Arrived { caller, again: None, deadline: DEADLINE };
        for (at, &what) in std::iter::once(&arrived).chain(course).enumerate() {
            let line = Line { at: Time::from_micros(at as u64 * 1_000_000), request: 0, what };
            if let Err(breach) = laws.see(&line) {
                return Some(breach.law);
            }
        }
        laws.close(0).err().map(|breach| breach.law)
    }

    #[test]
    fn a_made_up_course_breaks_the_law_it_was_made_for() {
        let error = |attempt| ended(attempt, Class::ServerError);
        let answered = What::Answered { outcome: Outcome::Passed };
        let too_long = What::Ended { attempt: 1, class: Class::RateLimited, wait: Some(Duration::from_secs(61)) };
        let asked_to_wait = What::Ended { attempt: 1, class: Class::RateLimited, wait: Some(Duration::from_secs(9)) };
        let no_stream = What::Began { attempt: 1, upstream: U0, until: DEADLINE + Duration::from_secs(1) };
        let open = What::Turned { upstream: U0, to: State::Open };
        let half = What::Turned { upstream: U0, to: State::Half };
        let creates = Caller { repeatable: Repeatable::NotSent, ..ask() };
        let hosted = Caller { repeatable: Repeatable::Answered, ..ask() };
        let once = Caller { replay: Err(Reason::BodyTooLarge), ..ask() };
        let one_retry = Caller { max_retries: Some(1), ..ask() };
        let stacked = Caller { client_retries: 1, ..ask() };
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
            (ask(), vec![began(1), began(2)], Some("one attempt at a time, and one hedge where they are wanted")),
            (ask(), vec![open, began(1)], Some("an open breaker lets nobody through")),
            (ask(), vec![half, began(1), error(1), began(2), error(2), failed()], None),
            (ask(), vec![began(1), What::Left], Some("no attempt outlives its request")),
            (ask(), vec![began(1), What::Dropped { attempt: 1 }, What::Left], None),
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
        let mut laws = Laws::new(&policy, 1);
        let mut see = |request, what| laws.see(&Line { at: Time::ZERO, request, what });
        for request in 0..=10 {
            see(request, What::Arrived { caller: ask(), again: None, deadline: DEADLINE }).expect("lawful");
            for what in [began(1), ended(1, Class::ServerError), began(2)] {
                see(request, what).expect("lawful");
            }
            // The start pays for ten; the first attempt that was in flight is worth a fifth of one.
            let paid = see(request, ended(2, Class::ServerError));
            assert_eq!(paid.is_ok(), request < 10, "{request}");
        }
    }
}
