//! The tale of one request: what its record needs, gathered on the way.
//!
//! A request that passes at the first attempt leaves no record, so nothing is prepared for one
//! until the first failure. Whatever is prepared holds facts and identifiers only.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::HeaderName, response};
use seawall_core::event::{self, Outcome, Reason, Vote};
use seawall_core::plan::fleet::Served;
use seawall_core::plan::shapes::Form;
use seawall_core::redact;
use seawall_core::request::{Request, Shape};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::about::About;
use seawall_core::verdict::stream::Watch;
use seawall_core::verdict::usage::{Evidence, Tokens};
use seawall_core::verdict::{self, Charge, Class, Fault, Verdict};
use tokio::time::Instant;

use crate::diagnosed::Diagnosed;
use crate::engine::Engine;
use crate::exchange::{ReplyBody, Seen};
use crate::follower::{Follower, Reply, Sending};
use crate::live::Begun;
use crate::observer::Answered;
use crate::shared::{instant, unix_micros};

/// What identifies a request in its record.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// Seawall's id of the request: `sw_` and 32 hex digits.
    pub id: String,
    /// `x-seawall-tag`.
    pub tag: Option<String>,
    /// The client whose token it carried.
    pub client: Option<String>,
}

pub(crate) struct Tale {
    pub(crate) engine: Arc<Engine>,
    pub(crate) facts: Request,
    pub(crate) labels: Labels,
    pub(crate) follower: Option<Arc<dyn Follower>>,
    pub(crate) arrived: Instant,
    pub(crate) arrived_unix_micros: i64,
    pub(crate) record: Option<Arc<event::Request>>,
    pub(crate) attempts: u32,
    /// The place of the route.
    pub(crate) route: Option<u16>,
    /// What tells the body from others.
    pub(crate) body: u64,
    /// Where the first attempt went, and what that says of the place.
    pub(crate) first: Option<(UpstreamId, Vote)>,
    /// Where it was answered or, until then, asked for last.
    pub(crate) upstream: Option<UpstreamId>,
    /// The upstream's ids of the attempts so far.
    pub(crate) upstream_ids: Vec<String>,
    /// What the last failed reply said, as it may be written down.
    pub(crate) words: Option<Box<Words>>,
}

/// What a reply said about itself, as it may be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// `error.code` or, without one, `error.type`.
    pub code: Option<String>,
    /// `error.message`.
    pub message: Option<String>,
}

/// A failed attempt, before it is known what comes next.
pub(crate) struct FailedAttempt {
    pub(crate) begun: Begun,
    pub(crate) verdict: Verdict,
    pub(crate) seen: Seen,
    pub(crate) detail: Option<String>,
    pub(crate) client_request_id: Option<String>,
    pub(crate) bytes_out: u64,
}

/// An attempt that broke after its first content.
pub(crate) struct Broke {
    pub(crate) begun: Begun,
    pub(crate) fault: Fault,
    pub(crate) detail: String,
    pub(crate) seen: Seen,
    /// Of its reply.
    pub(crate) headers: HeaderMap,
    pub(crate) client_request_id: Option<String>,
    pub(crate) bytes_out: u64,
    /// Where it came from, for the vote that it has to cast, if it has not yet.
    pub(crate) served: Option<Served>,
}

/// The most bytes of an identifier that are kept.
const ID_BYTES_MAX: usize = 256;

impl Tale {
    /// The record of the request, made when it is first needed.
    pub(crate) fn record(&mut self) -> &Arc<event::Request> {
        let (facts, labels, began_unix_micros) = (&self.facts, &self.labels, self.arrived_unix_micros);
        self.record.get_or_insert_with(|| {
            Arc::new(event::Request {
                id: labels.id.clone(),
                began_unix_micros,
                endpoint: facts.endpoint.name(),
                method: facts.method.as_str().to_string(),
                model: facts.model.as_deref().map(|m| bounded(m, 128)),
                stream: facts.stream,
                tools: facts.tools,
                max_tokens: facts.max_tokens,
                body_bytes: facts.body_bytes,
                shape: Shape::of(facts).to_string(),
                sdk: facts.sdk.as_deref().map(ToString::to_string),
                client_retries: facts.client_retries,
                tag: labels.tag.clone(),
                client: labels.client.clone(),
                route: self.route,
                form: u64::from(Form::of(facts).bits()),
                body: self.body,
            })
        })
    }

    /// Tells of a failed attempt.
    pub(crate) fn failed(
        &mut self,
        input: redact::Input<'_>,
        failed: FailedAttempt,
        reason: Reason,
        wait: Option<Duration>,
    ) {
        let FailedAttempt { begun, verdict, seen, detail, .. } = failed;
        let upstream = begun.upstream;
        let headers = seen.headers.as_ref();
        let said = verdict.said.as_deref();
        let upstream_request_id = headers
            .and_then(verdict::request_id)
            .map(ToString::to_string)
            .or_else(|| said.and_then(|s| s.request_id.clone()));
        if let Some(id) = &upstream_request_id {
            self.upstream_ids.push(id.clone());
        }
        let keys = self.engine.upstream(upstream).secrets();
        let redacted = |text: &str| redact::message_without(text, Some(&input), &keys);
        let message = said.and_then(|s| s.message.as_deref()).map(redacted).or(detail);
        let ended = seen.ended.unwrap_or_else(instant);
        let began = seen.began.unwrap_or(ended);
        let attempt = event::Attempt {
            number: begun.number,
            began_unix_micros: begun.unix_micros,
            upstream: self.engine.upstream(upstream).name.clone(),
            key: key_place(begun),
            status: seen.status.map(|s| s.as_u16()),
            class: verdict.class,
            whose: verdict.whose,
            fault: verdict.fault,
            charge: verdict.charge,
            tokens: Tokens::of(verdict.charge, &self.facts, &seen.evidence),
            error_type: said.and_then(|s| s.kind.as_deref()).map(redacted),
            error_code: said.and_then(|s| s.code.as_deref()).map(redacted),
            message,
            upstream_request_id,
            client_request_id: failed.client_request_id,
            processing_ms: text(headers, "openai-processing-ms").and_then(|v| v.parse().ok()),
            organization: text(headers, "openai-organization"),
            project: text(headers, "openai-project"),
            cf_ray: text(headers, "cf-ray"),
            region: headers.and_then(region).map(|region| bounded(region, ID_BYTES_MAX)),
            elapsed: ended.saturating_duration_since(began),
            first_content: seen.first_content,
            phases: seen.phases,
            bytes_in: seen.bytes_in,
            bytes_out: failed.bytes_out,
            reason,
            wait,
        };
        if said.is_some() {
            let code = attempt.error_code.as_ref().or(attempt.error_type.as_ref()).cloned();
            self.words = Some(Box::new(Words { code, message: attempt.message.clone() }));
        }
        if begun.number == 1 {
            self.first = Some((upstream, Vote::of(&attempt, None)));
        }
        if let Some(follower) = &self.follower {
            follower.failed(&attempt);
        }
        let record = Arc::clone(self.record());
        self.engine.observer.failed(&record, attempt);
    }

    /// Tells of an attempt that is about to be made with these headers.
    pub(crate) fn sends(&self, begun: Begun, headers: &mut HeaderMap) {
        if let Some(follower) = &self.follower {
            follower.sends(sending(begun), headers);
        }
    }

    /// Tells of an attempt that is answered, with this head; its content has just begun.
    pub(crate) fn answers(&mut self, begun: Begun, first_content: Duration, head: &response::Parts, body: &ReplyBody) {
        let Begun { number, upstream, .. } = begun;
        if number == 1 {
            self.first = Some((upstream, Vote::Ok));
        }
        let request = &self.labels.id;
        let (key, region, route) = (key_place(begun), region(&head.headers), self.route);
        let waited = instant().saturating_duration_since(self.arrived);
        let answered = Answered { request, number, upstream, key, region, first_content, waited, route };
        self.engine.observer.answered(&self.facts, &answered);
        if let Some(follower) = &self.follower {
            follower.answers(&Reply {
                number,
                status: head.status.as_u16(),
                first_content,
                upstream_request_id: verdict::request_id(&head.headers),
                about: &about(body),
            });
        }
    }

    /// Tells why the choices of a stream finished.
    pub(crate) fn finished(&self, watch: &Watch) {
        if let Some(follower) = &self.follower {
            follower.finished(&watch.finishes());
        }
    }

    /// Tells of a stream that broke, and goes on as another attempt.
    pub(crate) fn resumes(&self, begun: Begun) {
        if let Some(follower) = &self.follower {
            follower.resumes(sending(begun));
        }
    }

    /// Tells of an attempt that broke after its first content, and votes against where it came from.
    pub(crate) fn broke(&mut self, broke: Broke, reason: Reason) {
        let Broke { begun, fault, detail, mut seen, headers, client_request_id, bytes_out, served } = broke;
        if let Some(served) = served {
            let engine = &self.engine;
            engine.shared.decide(|now, fleet, dice| fleet.broke(now, &engine.policy, dice, &served));
        }
        seen.ended = Some(instant());
        seen.headers = Some(headers);
        let verdict = match reason {
            Reason::Resume => Verdict::to_be_resumed(fault),
            _ => Verdict::mid_stream(fault),
        };
        let failed = FailedAttempt { begun, verdict, seen, detail: Some(detail), client_request_id, bytes_out };
        // What was asked is not at hand any more; what is said here is our own.
        let nothing = redact::Input { headers: &HeaderMap::new(), body: None };
        self.failed(nothing, failed, reason, None);
    }

    /// Tells of the end of a request whose answer left this `evidence`: all of it, or what came before its caller left.
    pub(crate) fn answered(&mut self, outcome: Outcome, reason: Reason, status: u16, evidence: &Evidence) {
        let tokens = Tokens::of(Charge::Answered, &self.facts, evidence);
        self.ended(outcome, reason, status, tokens, None);
    }

    /// Tells of the end of a request that has no answer, or none that came to its end; and why every
    /// request like this one ends so. What its attempts cost was told of them.
    pub(crate) fn unanswered(&mut self, outcome: Outcome, reason: Reason, status: u16, diagnosis: Option<&Diagnosed>) {
        self.ended(outcome, reason, status, Tokens::NONE, diagnosis);
    }

    fn ended(&mut self, outcome: Outcome, reason: Reason, status: u16, tokens: Tokens, diagnosis: Option<&Diagnosed>) {
        if self.record.is_none() && self.engine.observer.samples() {
            self.record();
        }
        let ended = event::Ended {
            outcome,
            reason,
            status,
            attempts: self.attempts,
            elapsed: instant().saturating_duration_since(self.arrived),
            upstream: self.upstream,
            tokens,
            diagnosis: diagnosis.map(|found| (found.cause, found.text.as_str().into())),
            route: self.route,
            first: self.first,
        };
        if let Some(follower) = &self.follower {
            follower.ended(&ended);
        }
        self.engine.observer.ended(&self.facts, self.record.as_ref(), ended);
    }
}

/// How a request that failed for `reason`, with a last attempt of `class`, ended.
pub(crate) fn outcome(reason: Reason, class: Option<Class>) -> Outcome {
    match reason {
        Reason::Attempts | Reason::CallerLimit | Reason::ClientRetry => Outcome::Exhausted,
        Reason::AmbiguousMax => Outcome::Ambiguous,
        Reason::NotRepeatable if class == Some(Class::Ambiguous) => Outcome::Ambiguous,
        Reason::Budget => Outcome::Budget,
        Reason::Deadline => Outcome::Deadline,
        Reason::NoUpstream => Outcome::Unavailable,
        Reason::Cliff | Reason::Oversize | Reason::Tools => Outcome::Diagnosed,
        Reason::Breaker | Reason::Queue if class.is_none() => Outcome::Unavailable,
        Reason::Breaker | Reason::Queue | Reason::Credentials => Outcome::Exhausted,
        Reason::Committed => Outcome::Interrupted,
        _ => Outcome::NotRetryable,
    }
}

fn sending(begun: Begun) -> Sending {
    Sending { number: begun.number, upstream: begun.upstream, began_unix_micros: begun.unix_micros }
}

/// What a reply says of itself, as far as it is here.
fn about(body: &ReplyBody) -> About {
    match body {
        ReplyBody::Whole(bytes, _) => About::of_body(bytes),
        ReplyBody::Flowing(flowing) if flowing.watch.is_some() => {
            About::of_events(flowing.held.iter().map(|piece| &**piece))
        }
        ReplyBody::Flowing(_) | ReplyBody::Switched(_) => About::default(),
    }
}

fn key_place(begun: Begun) -> u16 {
    u16::try_from(begun.key).unwrap_or(u16::MAX)
}

/// The region that a reply's headers name: Azure's own name for it, or the data centre of Cloudflare through which
/// the reply came.
fn region(headers: &HeaderMap) -> Option<&str> {
    if let Some(region) = headers.get("x-ms-region") {
        return region.to_str().ok();
    }
    headers.get("cf-ray")?.to_str().ok()?.rsplit_once('-').map(|(_, place)| place)
}

/// Now, for a record.
pub(crate) fn began() -> i64 {
    unix_micros()
}

fn text(headers: Option<&HeaderMap>, name: &'static str) -> Option<String> {
    let value: &HeaderValue = headers?.get(HeaderName::from_static(name))?;
    let text = value.to_str().ok()?;
    Some(bounded(text, ID_BYTES_MAX))
}

/// `text`, cut to at most `max` bytes between two characters.
fn bounded(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max)].to_string()
}
