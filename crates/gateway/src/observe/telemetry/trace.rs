//! One request, followed: what will be its spans.
//!
//! It is begun with the request and dropped with it, whatever became of it, and hands its story on then: a request
//! whose caller left has one too. What it keeps are facts, identifiers and words of closed lists; there is no field
//! for anything that was said.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method};
use seawall::proxy::{FollowedReply, Follower, Sending};
use seawall_core::event::{Attempt, Cause, Ended, Outcome, Reason};
use seawall_core::incident::inert;
use seawall_core::request::{Endpoint, Request};
use seawall_core::upstream::UpstreamId;
use seawall_core::verdict::about::{About, Finish};
use seawall_core::verdict::usage::Tokens;
use seawall_core::verdict::{Class, Fault};

use super::context::{Context, Propagation, TRACEPARENT};
use super::queue::Queue;
use super::words;

/// The longest name or identifier that is kept, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// The most attempts that are kept: more than any policy makes, with all that is taken up again.
pub(super) const ATTEMPTS_MAX: usize = 32;

/// All that is known of a request when nothing more will come of it.
#[derive(Debug, Clone)]
pub(super) struct Story {
    /// Its place in the trace.
    pub(super) context: Context,
    /// Seawall's id of it.
    pub(super) request: String,
    /// From a closed list.
    pub(super) method: &'static str,
    /// In microseconds since the Unix epoch, as every moment here.
    pub(super) arrived: i64,
    /// When it was over.
    pub(super) over: i64,
    /// `None` of one that was refused at the door.
    pub(super) asked: Option<Asked>,
    pub(super) tried: Vec<Tried>,
    /// How it ended; `None` of one whose caller left before that.
    pub(super) end: Option<End>,
    /// From its arrival to its first content.
    pub(super) first_content: Option<Duration>,
    /// What the reply says of itself.
    pub(super) about: About,
}

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) endpoint: Endpoint,
    pub(super) model: Option<String>,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) choices: u32,
    pub(super) client: Option<String>,
    pub(super) tag: Option<String>,
}

/// One attempt.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    pub(super) number: u32,
    pub(super) upstream: UpstreamId,
    pub(super) began: i64,
    pub(super) became: Became,
    pub(super) status: Option<u16>,
    pub(super) first_content: Option<Duration>,
    pub(super) upstream_request_id: Option<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub(super) enum Became {
    /// Nothing is known: it was under way when the caller left.
    Open,
    /// It answers, to the end of the request.
    Answer,
    /// It failed, or was broken off.
    Failure {
        elapsed: Duration,
        class: Class,
        fault: Option<Fault>,
        reason: Reason,
        wait: Option<Duration>,
        client_request_id: Option<String>,
    },
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    /// `None` of one that was refused at the door.
    pub(super) reason: Option<Reason>,
    pub(super) status: u16,
    pub(super) attempts: u32,
    pub(super) upstream: Option<UpstreamId>,
    pub(super) tokens: Tokens,
    pub(super) diagnosis: Option<Cause>,
}

impl Story {
    /// Whether it is worth keeping though chance has not picked it: something went wrong. Where the caller decides,
    /// it has.
    fn is_kept(&self) -> bool {
        let has_failed = || {
            let is_failure =
                |tried: &Tried| matches!(tried.became, Became::Failure { class, .. } if class != Class::Cancelled);
            self.end.is_none_or(|end| !words::is_answered(end.outcome)) || self.tried.iter().any(is_failure)
        };
        self.context.is_sampled() || (self.context.parent.is_none() && has_failed())
    }
}

/// A request that is being followed.
pub(crate) struct Trace {
    /// `None` once it has been handed on.
    story: Mutex<Option<Story>>,
    stories: Arc<Queue<Story>>,
    forwards: bool,
}

/// A request at the door.
pub(crate) struct Arrival<'a> {
    /// Seawall's id of it.
    pub(crate) request: &'a str,
    /// Its method.
    pub(crate) method: &'a Method,
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// In microseconds since the Unix epoch.
    pub(crate) unix_micros: i64,
}

impl Trace {
    /// Follows a request; `None` where its caller says that its trace is not kept.
    pub(super) fn of(
        arrival: &Arrival<'_>,
        propagation: Propagation,
        sample_ppm: u32,
        stories: &Arc<Queue<Story>>,
    ) -> Option<Trace> {
        let context = Context::of(arrival.request, arrival.headers, propagation, sample_ppm);
        if context.parent.is_some() && !context.is_sampled() {
            return None;
        }
        let story = Story {
            context,
            request: arrival.request.to_owned(),
            method: words::method(arrival.method),
            arrived: arrival.unix_micros,
            over: arrival.unix_micros,
            asked: None,
            tried: Vec::new(),
            end: None,
            first_content: None,
            about: About::default(),
        };
        let forwards = propagation == Propagation::Forward;
        Some(Trace { story: Mutex::new(Some(story)), stories: Arc::clone(stories), forwards })
    }

    /// It was let in: what it asks for, whose token it carried, and its label.
    pub(crate) fn admitted(&self, facts: &Request, client: Option<&str>, tag: Option<&str>) {
        self.note(|story| {
            story.asked = Some(Asked {
                endpoint: facts.endpoint,
                model: facts.model.as_deref().map(name),
                stream: facts.stream,
                max_tokens: facts.max_tokens,
                choices: facts.choices,
                client: client.map(name),
                tag: tag.map(name),
            });
        });
    }

    /// It was refused at the door.
    pub(crate) fn refused(&self, outcome: Outcome, status: u16) {
        self.note(|story| {
            let end = End {
                outcome,
                reason: None,
                status,
                attempts: 0,
                upstream: None,
                tokens: Tokens::NONE,
                diagnosis: None,
            };
            story.end.get_or_insert(end);
        });
    }

    fn note(&self, note: impl FnOnce(&mut Story)) {
        if let Some(story) = self.story.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            note(story);
        }
    }

    fn begin(&self, sending: Sending) {
        let Sending { number, upstream, began_unix_micros: began } = sending;
        self.note(|story| {
            if story.tried.len() < ATTEMPTS_MAX {
                let (status, first_content, upstream_request_id) = (None, None, None);
                let became = Became::Open;
                story.tried.push(Tried { number, upstream, began, became, status, first_content, upstream_request_id });
            }
        });
    }
}

/// The attempt of this number, if it is kept.
fn tried(story: &mut Story, number: u32) -> Option<&mut Tried> {
    story.tried.iter_mut().rev().find(|tried| tried.number == number)
}

/// A name from outside: bounded, and without anything that moves a cursor.
fn name(text: &str) -> String {
    inert(text, NAME_BYTES_MAX)
}

impl Follower for Trace {
    fn sends(&self, sending: Sending, headers: &mut HeaderMap) {
        if self.forwards {
            self.note(|story| {
                headers.insert(&TRACEPARENT, story.context.traceparent(sending.number));
            });
        }
        self.begin(sending);
    }

    fn failed(&self, attempt: &Attempt) {
        self.note(|story| {
            let Some(tried) = tried(story, attempt.number) else { return };
            tried.became = Became::Failure {
                elapsed: attempt.elapsed,
                class: attempt.class,
                fault: attempt.fault,
                reason: attempt.reason,
                wait: attempt.wait,
                client_request_id: attempt.client_request_id.as_deref().map(name),
            };
            tried.status = attempt.status;
            tried.first_content = attempt.first_content.or(tried.first_content);
            tried.upstream_request_id = attempt.upstream_request_id.as_deref().map(name);
        });
    }

    fn answers(&self, reply: &FollowedReply<'_>) {
        self.note(|story| {
            let arrived = story.arrived;
            let Some(tried) = tried(story, reply.number) else { return };
            tried.became = Became::Answer;
            tried.status = Some(reply.status);
            tried.first_content = Some(reply.first_content);
            tried.upstream_request_id = reply.upstream_request_id.map(name);
            let before = u64::try_from(tried.began.saturating_sub(arrived)).unwrap_or_default();
            story.first_content = Some(Duration::from_micros(before) + reply.first_content);
            story.about = reply.about.clone();
        });
    }

    fn finished(&self, finishes: &[Finish]) {
        self.note(|story| story.about.finishes = finishes.to_vec());
    }

    fn resumes(&self, sending: Sending) {
        self.begin(sending);
        self.note(|story| {
            if let Some(tried) = tried(story, sending.number) {
                tried.became = Became::Answer;
            }
        });
    }

    fn ended(&self, ended: &Ended) {
        self.note(|story| {
            let elapsed = i64::try_from(ended.elapsed.as_micros()).unwrap_or(i64::MAX);
            story.over = story.arrived.saturating_add(elapsed);
            story.end = Some(End {
                outcome: ended.outcome,
                reason: Some(ended.reason),
                status: ended.status,
                attempts: ended.attempts,
                upstream: ended.upstream,
                tokens: ended.tokens,
                diagnosis: ended.diagnosis.as_ref().map(|(cause, _)| *cause),
            });
        });
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let Some(mut story) = self.story.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // A request that was refused, or whose caller left, ends here.
        if story.end.is_none_or(|end| end.reason.is_none()) {
            story.over = seawall::proxy::unix_micros().max(story.arrived);
        }
        if story.is_kept() {
            self.stories.push(story);
        }
    }
}
