//! The loop: ask the plan, do the step.
//!
//! There is no policy in here. If an `if` about policy wants to grow here, it belongs in
//! `seawall_core::plan`. Dropping the future drops what is under way, which closes its
//! connections, and tells the plan that the caller left.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Version, header::HeaderName, response};
use seawall_core::event::{Outcome, Reason};
use seawall_core::plan::fleet::Served;
use seawall_core::plan::policy::Commit;
use seawall_core::plan::{Ask, Heard, Launch, Plan, Step};
use seawall_core::redact;
use seawall_core::request::Request;
use seawall_core::time::Time;
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::usage::Evidence;
use seawall_core::verdict::{Class, Said, Verdict};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::body::{Payload, SendBody};
use crate::buffered::{self, Limits};
use crate::diagnosed::Diagnosed;
use crate::engine::Engine;
use crate::exchange::{self, Exchange, Progress, Reply, ReplyBody, Try, Whole};
use crate::failure::Failure;
use crate::follower::Follower;
use crate::handshake;
use crate::live::{Begun, Live};
use crate::memory::Hold;
use crate::observer::tell_at_the_end;
use crate::reframed;
use crate::relay::Relay;
use crate::renamed;
use crate::resume::Resume;
use crate::shared::instant;
use crate::tale::{self, FailedAttempt, Labels, Tale};
use crate::tunnel::{self, Tunnel};
use crate::upgraded;

/// The name under which an attempt can be found by the provider's support when no reply came.
static CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// A request, ready to be sent.
pub struct Call {
    /// What is known of it.
    pub facts: Request,
    /// Path and query, as asked for.
    pub target: PathAndQuery,
    /// Headers, without those of the caller's connection.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
    /// Whether the body can be sent again, and if not, why.
    pub replay: Result<(), Reason>,
    /// `x-seawall-max-retries`.
    pub max_retries: Option<u32>,
    /// `x-seawall-stream`: when the first byte of a stream goes to the caller.
    pub commit: Option<Commit>,
    /// What identifies it.
    pub labels: Labels,
    /// Who follows it, if anybody does.
    pub follower: Option<Arc<dyn Follower>>,
    /// When it arrived.
    pub arrived: Instant,
    /// The same by the wall clock, in microseconds since the Unix epoch.
    pub arrived_unix_micros: i64,
}

/// How a call ended.
pub enum Conclusion {
    /// An upstream answered.
    Answer(Box<Answer>),
    /// None did.
    Failure(Box<Failure>),
}

/// An upstream's answer.
pub struct Answer {
    /// Status and headers, as the upstream sent them; of a body in another frame, those that are true of it.
    pub head: response::Parts,
    /// The body.
    pub relay: Relay,
    /// The upstream's connection, where it became a WebSocket: then there is no body.
    pub tunnel: Option<Box<Tunnel>>,
    /// How it was found; `None` while it is still looked for, and the caller is kept on the line.
    pub found: Option<Found>,
}

/// How an answer was found.
#[derive(Clone)]
pub struct Found {
    /// How it came to be.
    pub outcome: Outcome,
    /// Attempts made.
    pub attempts: u32,
    /// The name of the upstream that answered.
    pub upstream: HeaderValue,
    /// From the beginning of the attempt that answered to its first content.
    pub upstream_time: Duration,
    /// The id of the request that it was generated for, where that was an earlier one of the same caller.
    pub adopted: Option<String>,
}

/// Tells the plan that the caller left, if the loop is dropped before its end.
struct Course<'a> {
    engine: &'a Engine,
    facts: Option<&'a Request>,
    plan: Plan,
}

impl Course<'_> {
    fn step(&mut self) -> (Time, Step) {
        let Course { engine, plan, .. } = self;
        engine.shared.decide(|now, fleet, dice| (now, plan.step(now, &engine.policy, fleet, dice)))
    }
}

impl Drop for Course<'_> {
    fn drop(&mut self) {
        let Course { engine, plan, facts } = self;
        engine.shared.decide(|now, fleet, dice| plan.left(now, &engine.policy, fleet, dice));
        if let Some(facts) = facts {
            tell_at_the_end(|| engine.observer.left(facts, plan.attempts()));
        }
    }
}

/// Runs a call to its conclusion.
pub(crate) async fn run(engine: Arc<Engine>, call: Call) -> Conclusion {
    let engine = &engine;
    let Call {
        facts,
        target,
        mut headers,
        mut payload,
        replay,
        max_retries,
        commit,
        labels,
        follower,
        arrived,
        arrived_unix_micros,
    } = call;
    let model = facts.model.as_deref();
    let candidates = engine.routes.candidates(model, engine.routes.renames() && renamed::can_rename(&facts, &payload));
    let (streams, byte_idle) = (engine.policy.streams, engine.policy.timeout.byte_idle);
    let buffer = match commit.or(candidates.commit).unwrap_or(streams.commit) {
        Commit::Content => None,
        Commit::Buffer => {
            Some(Limits { bytes_max: streams.buffer_bytes_max, time_max: streams.buffer_time_max, byte_idle })
        }
    };
    let can_upgrade = upgraded::can_upgrade(&engine.policy, &candidates, &facts, &payload);
    let route = candidates.route();
    let ask = Ask { can_upgrade, ..Ask::of(&facts, candidates, replay, max_retries) };
    let since = engine.shared.time(arrived);
    let plan = engine.shared.decide(|_, fleet, _| Plan::new(since, &engine.policy, model, ask, fleet));
    if plan.is_client_retry() {
        engine.observer.stacked(&facts);
    }
    let patience = plan.deadline().since(since);
    let own_id = !headers.contains_key(&CLIENT_REQUEST_ID);
    let mut tale = Tale {
        engine: Arc::clone(engine),
        facts: facts.clone(),
        labels,
        follower,
        arrived,
        arrived_unix_micros,
        record: None,
        attempts: 0,
        route,
        body: 0,
        first: None,
        upstream: None,
        upstream_ids: Vec::new(),
        words: None,
    };
    let mut course = Course { engine, facts: Some(&facts), plan };
    let mut last: Option<FailedAttempt> = None;
    let mut informative: Option<(u32, response::Parts, Bytes, Option<Box<Said>>)> = None;
    let (mut class, mut fault, mut wait, mut upstream_name) = (None, None, None, None);
    let (mut whose, mut again) = (None, None);
    let mut live = Live::default();
    let mut key = 0;
    loop {
        let (now, step) = course.step();
        if let Some(failed) = last.take() {
            let (reason, pause) = decision(&step, failed.begun.upstream, now);
            tale.failed(redact::Input { headers: &headers, body: payload.kept() }, failed, reason, pause);
        }
        let (begun, exchange) = match step {
            Step::Wait { until, .. } => {
                sleep_until(engine.shared.instant(until)).await;
                continue;
            }
            Step::Send(launch) => {
                let upstream = engine.upstream(launch.upstream);
                upstream_name = Some(upstream.name_value.clone());
                (tale.attempts, tale.upstream) = (launch.attempt, Some(launch.upstream));
                key = launch.key;
                if own_id {
                    headers.insert(&CLIENT_REQUEST_ID, attempt_id(&tale.labels.id, launch.attempt));
                }
                let begun = Begun {
                    number: launch.attempt,
                    upstream: launch.upstream,
                    key: launch.key,
                    at: instant(),
                    unix_micros: tale::began(),
                };
                let progress = (launch.look.is_some() || !live.is_empty()).then(Progress::default);
                tale.sends(begun, &mut headers);
                let attempt = Try {
                    upstream,
                    request: request(engine, &launch, &facts, &target, &headers, &mut payload),
                    facts: &facts,
                    memory: &engine.memory,
                    connect: engine.policy.timeout.connect,
                    until: engine.shared.instant(launch.until),
                    is_last_moment: launch.is_last_moment,
                    whole: launch.upgraded.map(|by| Whole { by: engine.shared.instant(by), idle: byte_idle }),
                    progress: progress.clone(),
                };
                // Made where it is waited for: a future that is moved is twice as large.
                match launch.look {
                    None if live.is_empty() => (begun, buffered::run(attempt, buffer).await),
                    None => {
                        live.begin(begun, progress, buffered::run(attempt, buffer));
                        live.next().await
                    }
                    Some(look) => {
                        live.begin(begun, progress, buffered::run(attempt, buffer));
                        match timeout_at(engine.shared.instant(look), live.next()).await {
                            Ok(ended) => ended,
                            Err(_) => continue,
                        }
                    }
                }
            }
            Step::Listen => live.next().await,
            Step::Relay { .. } => unreachable!("an answered request has returned"),
            Step::Fail { reason, retry_at, .. } => {
                course.facts = None;
                superseded(&mut tale, &mut live, own_id, &headers, &payload);
                let (reply, said) = match informative {
                    Some((_, head, body, said)) => (Some((head, body)), said),
                    None => (None, None),
                };
                return Conclusion::Failure(Box::new(Failure {
                    reply,
                    outcome: tale::outcome(reason, class),
                    reason,
                    class,
                    whose,
                    again,
                    fault,
                    said,
                    wait,
                    attempts: tale.attempts,
                    upstream: upstream_name,
                    upstream_ids: std::mem::take(&mut tale.upstream_ids),
                    invites: course.plan.invites(),
                    diagnosis: course
                        .plan
                        .diagnosis()
                        .map(|found| Diagnosed::of(found, course.plan.has_probed(), &facts, &payload)),
                    retry_in: retry_at.map(|at| at.since(now)),
                    patience,
                    record: tale.record.clone(),
                    tale: Some(tale),
                }));
            }
        };
        let Exchange { verdict, reply, seen, detail } = exchange;
        let is_ok = verdict.class == Class::Ok;
        let flows = matches!(reply, Some(Reply { body: ReplyBody::Flowing(_) | ReplyBody::Switched(_), .. }));
        let plan = &mut course.plan;
        // Of an answer that is here as a whole, nothing more will be heard.
        let body = if is_ok && !flows { 0 } else { fingerprint(engine, &facts, &payload) };
        tale.body = body;
        let status = seen.status.map(|status| status.as_u16());
        let is_informative = reply.is_some();
        let heard = Heard { verdict: &verdict, status, is_informative, body, first_content: seen.first_content };
        let served = engine.shared.decide(|now, fleet, dice| {
            plan.heard(now, &engine.policy, fleet, dice, begun.number, &heard);
            if flows { plan.served(fleet) } else { None }
        });
        if is_ok {
            course.facts = None;
            superseded(&mut tale, &mut live, own_id, &headers, &payload);
            let outcome = course.plan.success();
            let attempts = tale.attempts;
            tale.upstream = Some(begun.upstream);
            let Reply { mut head, body } = reply.expect("only a reply is judged an answer");
            let body = match body {
                ReplyBody::Whole(bytes, hold) => reframed::mended(&facts, &payload, &mut head, bytes, hold),
                other @ (ReplyBody::Flowing(_) | ReplyBody::Switched(_)) => other,
            };
            let upstream_time = seen.first_content.unwrap_or_default();
            tale.answers(begun, upstream_time, &head, &body);
            let place = (begun.upstream, key);
            let resume = Resume::of(engine, &facts, &target, headers, place);
            let (relay, tunnel) = relay(tale, body, &head, outcome, begun, seen, own_id, served, resume);
            let upstream = engine.upstream(begun.upstream).name_value.clone();
            let found = Some(Found { outcome, attempts, upstream, upstream_time, adopted: None });
            let answer = Answer { head, relay, tunnel, found };
            return Conclusion::Answer(Box::new(answer));
        }
        (class, fault, wait) = (Some(verdict.class), verdict.fault, verdict.wait);
        (whose, again) = (Some(verdict.whose), Some(verdict.again));
        if let Some(Reply { head, body: ReplyBody::Whole(body, _) }) = reply {
            informative = Some((begun.number, head, body, verdict.said.clone()));
        }
        let client_request_id = client_request_id(own_id, &tale, &headers, begun);
        last = Some(FailedAttempt { begun, verdict, seen, detail, client_request_id, bytes_out: 0 });
    }
}

/// Breaks off what is under way, and tells of it: another attempt has decided.
fn superseded(tale: &mut Tale, live: &mut Live<'_>, own_id: bool, headers: &HeaderMap, payload: &Payload) {
    for (begun, phases) in live.drop_all() {
        let ended = Some(instant());
        let seen = exchange::Seen { began: Some(begun.at), ended, phases, ..exchange::Seen::default() };
        let client_request_id = client_request_id(own_id, tale, headers, begun);
        let verdict = Verdict::cancelled();
        let failed = FailedAttempt { begun, verdict, seen, detail: None, client_request_id, bytes_out: 0 };
        tale.failed(redact::Input { headers, body: payload.kept() }, failed, Reason::Superseded, None);
    }
}

/// Under which id the provider's support finds an attempt: ours, or the caller's own.
fn client_request_id(own_id: bool, tale: &Tale, headers: &HeaderMap, begun: Begun) -> Option<String> {
    if own_id {
        return attempt_id(&tale.labels.id, begun.number).to_str().ok().map(Into::into);
    }
    headers.get(&CLIENT_REQUEST_ID).and_then(|value| value.to_str().ok()).map(Into::into)
}

/// What was decided after an attempt at `asked`, and the wait before the next.
fn decision(step: &Step, asked: UpstreamId, now: Time) -> (Reason, Option<Duration>) {
    let again = |upstream: UpstreamId| if upstream == asked { Reason::Retry } else { Reason::Failover };
    match *step {
        Step::Send(Launch { is_probe: true, .. }) => (Reason::Probe, Some(Duration::ZERO)),
        Step::Send(Launch { upstream, .. }) => (again(upstream), Some(Duration::ZERO)),
        Step::Listen => (Reason::Hedge, None),
        Step::Wait { until, upstream: Some(upstream) } => (again(upstream), Some(until.since(now))),
        Step::Wait { upstream: None, .. } => (Reason::Queue, None),
        Step::Relay { .. } => (Reason::Answered, None),
        Step::Fail { reason, .. } => (reason, None),
    }
}

/// What tells this request's body from others, as far as it is known.
fn fingerprint(engine: &Engine, facts: &Request, payload: &Payload) -> u64 {
    match payload {
        Payload::Kept(bytes) => engine.shared.fingerprint(bytes),
        Payload::Flow(_) => facts.body_bytes,
    }
}

fn request(
    engine: &Engine,
    launch: &Launch,
    facts: &Request,
    target: &PathAndQuery,
    headers: &HeaderMap,
    payload: &mut Payload,
) -> http::Request<SendBody> {
    let upstream = engine.upstream(launch.upstream);
    let body = match payload {
        Payload::Kept(bytes) => {
            let bytes = match launch.model {
                Some(alias) => renamed::renamed(bytes, engine.routes.name(alias)),
                None => bytes.clone(),
            };
            Payload::Kept(match launch {
                Launch { upgraded: Some(_), .. } => upgraded::upgraded(facts, &bytes),
                Launch { is_probe: true, .. } => upgraded::whole(&bytes),
                _ => bytes,
            })
        }
        // It is used up.
        Payload::Flow(_) => std::mem::replace(payload, Payload::Kept(Bytes::new())),
    };
    let mut request = http::Request::new(SendBody::from(body));
    *request.method_mut() = facts.method.clone();
    *request.version_mut() = Version::HTTP_11;
    let alias = launch.model.filter(|_| facts.websocket);
    let renamed = alias.and_then(|alias| renamed::target(target, engine.routes.name(alias)));
    // Two valid paths make a valid path; were it not so, the upstream would say 404.
    *request.uri_mut() = upstream.uri(renamed.as_ref().unwrap_or(target)).unwrap_or_default();
    *request.headers_mut() = headers.clone();
    handshake::ask(facts, request.headers_mut());
    upstream.sign(request.headers_mut(), launch.key);
    request
}

fn attempt_id(id: &str, attempt: u32) -> HeaderValue {
    let mut text = String::with_capacity(id.len() + 4);
    text.push_str(id);
    text.push('-');
    match char::from_digit(attempt, 10) {
        Some(digit) => text.push(digit),
        None => text.push_str(&attempt.to_string()),
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("hex digits and a number")
}

#[expect(clippy::too_many_arguments, reason = "everything that a broken stream's record needs")]
fn relay(
    mut tale: Tale,
    body: ReplyBody,
    head: &response::Parts,
    outcome: Outcome,
    begun: Begun,
    seen: exchange::Seen,
    own_id: bool,
    served: Option<Served>,
    resume: Option<Box<Resume>>,
) -> (Relay, Option<Box<Tunnel>>) {
    let client_request_id = || own_id.then(|| format!("{}-{}", tale.labels.id, begun.number));
    match body {
        ReplyBody::Whole(bytes, hold) => {
            let evidence = Evidence { is_whole: true, ..seen.evidence };
            tale.answered(outcome, Reason::Answered, head.status.as_u16(), &evidence);
            (Relay::whole(bytes, hold), None)
        }
        ReplyBody::Switched(switched) => {
            let relay = Relay::whole(Bytes::new(), Hold::of(&tale.engine.memory));
            let (headers, client_request_id) = (head.headers.clone(), client_request_id());
            let start =
                tunnel::Start { tale, switched: *switched, outcome, begun, seen, headers, client_request_id, served };
            (relay, Some(Box::new(Tunnel::new(start))))
        }
        ReplyBody::Flowing(flowing) => {
            let client_request_id = client_request_id();
            let relay = Relay::flowing(crate::relay::Start {
                tale,
                flowing,
                outcome,
                begun,
                seen,
                headers: head.headers.clone(),
                client_request_id,
                since: instant(),
                served,
                resume,
            });
            (relay, None)
        }
    }
}
