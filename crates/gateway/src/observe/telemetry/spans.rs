//! From a story to its spans: one for the request, and inside of it one for each attempt.
//!
//! Names are those of OpenTelemetry's conventions for generative AI and HTTP; what only Seawall knows begins with
//! `seawall.`. Two of their attributes are left out on purpose: what was said, and `url.full`, for a path may hold
//! what its caller put there.

use std::time::Duration;

use seawall_core::event::{Outcome, Reason};
use seawall_core::verdict::Class;
use seawall_core::verdict::usage::Counted;

use super::otlp::{self, CLIENT, FAILED, KeyValue, PARENT_IS_KNOWN, PARENT_IS_REMOTE, Span, Status, attribute, nanos};
use super::trace::{Asked, Became, End, Story, Tried};
use super::words::{self, Place};

/// The spans of a request at these upstreams, the request's own first.
pub(super) fn spans(story: &Story, places: &[Place]) -> Vec<Span> {
    let mut spans = vec![request(story, places)];
    spans.extend(story.tried.iter().map(|tried| attempt(story, tried, places)));
    spans
}

fn request(story: &Story, places: &[Place]) -> Span {
    let Story { context, asked, end, tried, .. } = story;
    let mut attributes =
        vec![attribute("seawall.request_id", story.request.as_str()), attribute("http.request.method", story.method)];
    let last = end.and_then(|end| end.upstream).or_else(|| tried.last().map(|tried| tried.upstream));
    if let Some(place) = last.and_then(|upstream| places.get(upstream.index())) {
        attributes.push(attribute("gen_ai.provider.name", place.provider));
        attributes.extend(address(place));
    }
    if let Some(asked) = asked {
        attributes.extend(of_asked(asked));
    }
    attributes.extend(of_reply(story));
    let error = match end {
        Some(end) => words::failed_request(end.outcome, end.status),
        None => Some(Reason::CallerLeft.name().into()),
    };
    match end {
        Some(end) => attributes.extend(of_end(end)),
        None => {
            attributes.push(attribute("seawall.outcome", Outcome::Interrupted.name()));
            attributes.push(attribute("seawall.reason", Reason::CallerLeft.name()));
            attributes.push(attribute("seawall.attempts", tried.iter().map(|tried| tried.number).max().unwrap_or(0)));
        }
    }
    let flags = u32::from(context.flags) | PARENT_IS_KNOWN | context.parent.map_or(0, |_| PARENT_IS_REMOTE);
    Span {
        trace_id: context.trace.to_vec(),
        span_id: context.span.to_vec(),
        trace_state: context.state.clone(),
        parent_span_id: context.parent.map(Vec::from).unwrap_or_default(),
        name: called(story),
        kind: CLIENT,
        start: nanos(story.arrived),
        end: nanos(story.over),
        status: error.as_ref().map(|_| Status { code: FAILED }),
        attributes: with_error(attributes, error.as_deref()),
        flags,
    }
}

/// `{operation} {model}`; of what has no model make anything, `{method} {endpoint}`.
fn called(story: &Story) -> String {
    let Some(asked) = &story.asked else { return story.method.to_owned() };
    match (words::operation(asked.endpoint), &asked.model) {
        (Some(operation), Some(model)) => format!("{operation} {model}"),
        (Some(operation), None) => operation.to_owned(),
        (None, _) => format!("{} {}", story.method, asked.endpoint),
    }
}

fn address(place: &Place) -> [KeyValue; 2] {
    [attribute("server.address", place.host.as_str()), attribute("server.port", place.port)]
}

fn of_asked(asked: &Asked) -> Vec<KeyValue> {
    let mut attributes = vec![attribute("seawall.endpoint", asked.endpoint.name())];
    if let Some(operation) = words::operation(asked.endpoint) {
        attributes.push(attribute("gen_ai.operation.name", operation));
    }
    attributes.extend(asked.model.as_deref().map(|model| attribute("gen_ai.request.model", model)));
    attributes.extend(asked.max_tokens.map(|tokens| attribute("gen_ai.request.max_tokens", tokens)));
    // Of these the conventions want to hear only where they are not what is usual.
    attributes.extend(asked.stream.then(|| attribute("gen_ai.request.stream", true)));
    attributes.extend((asked.choices > 1).then(|| attribute("gen_ai.request.choice.count", asked.choices)));
    attributes.extend(asked.client.as_deref().map(|client| attribute("seawall.client", client)));
    attributes.extend(asked.tag.as_deref().map(|tag| attribute("seawall.tag", tag)));
    attributes
}

fn of_reply(story: &Story) -> Vec<KeyValue> {
    let mut attributes = Vec::new();
    let about = &story.about;
    attributes.extend(about.id.as_deref().map(|id| attribute("gen_ai.response.id", id)));
    attributes.extend(about.model.as_deref().map(|model| attribute("gen_ai.response.model", model)));
    if !about.finishes.is_empty() {
        let finishes = otlp::list(about.finishes.iter().map(|finish| finish.name()));
        attributes.push(attribute("gen_ai.response.finish_reasons", finishes));
    }
    let is_stream = story.asked.as_ref().is_some_and(|asked| asked.stream);
    let first = story.first_content.filter(|_| is_stream);
    attributes.extend(first.map(|first| attribute("gen_ai.response.time_to_first_chunk", first.as_secs_f64())));
    attributes
}

fn of_end(end: &End) -> Vec<KeyValue> {
    let mut attributes = vec![
        attribute("seawall.outcome", end.outcome.name()),
        attribute("seawall.attempts", end.attempts),
        attribute("http.response.status_code", end.status),
    ];
    attributes.extend(end.reason.map(|reason| attribute("seawall.reason", reason.name())));
    attributes.extend(end.diagnosis.map(|cause| attribute("seawall.diagnosis", cause.name())));
    // What is estimated is not told as known.
    if end.tokens.counted == Counted::Known && words::is_answered(end.outcome) {
        let usage = end.tokens.usage;
        for (key, count) in [
            ("gen_ai.usage.input_tokens", usage.input),
            ("gen_ai.usage.output_tokens", usage.output),
            ("gen_ai.usage.cache_read.input_tokens", usage.cached),
            ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
        ] {
            attributes.extend(count.map(|count| attribute(key, count)));
        }
    }
    attributes
}

fn attempt(story: &Story, tried: &Tried, places: &[Place]) -> Span {
    let context = &story.context;
    let mut attributes = vec![
        attribute("http.request.method", story.method),
        attribute("seawall.request_id", story.request.as_str()),
        attribute("seawall.attempt", tried.number),
    ];
    if tried.number > 1 {
        attributes.push(attribute("http.request.resend_count", tried.number - 1));
    }
    attributes.extend(tried.status.map(|status| attribute("http.response.status_code", status)));
    if let Some(place) = places.get(tried.upstream.index()) {
        attributes.push(attribute("seawall.upstream", place.name.as_str()));
        attributes.extend(address(place));
    }
    let first = tried.first_content;
    attributes.extend(first.map(|first| attribute("seawall.first_content", first.as_secs_f64())));
    let id = tried.upstream_request_id.as_deref();
    attributes.extend(id.map(|id| attribute("seawall.upstream_request_id", id)));
    let (over, error) = match &tried.became {
        Became::Open => {
            attributes.push(attribute("seawall.class", Class::Cancelled.name()));
            (story.over, None)
        }
        Became::Answer => {
            attributes.push(attribute("seawall.class", Class::Ok.name()));
            (story.over, None)
        }
        Became::Failure { elapsed, class, fault, reason, wait, client_request_id } => {
            attributes.push(attribute("seawall.class", class.name()));
            attributes.push(attribute("seawall.decision", reason.name()));
            attributes.extend(fault.map(|fault| attribute("seawall.fault", fault.name())));
            attributes.extend(wait.map(|wait| attribute("seawall.wait", wait.as_secs_f64())));
            let id = client_request_id.as_deref();
            attributes.extend(id.map(|id| attribute("seawall.client_request_id", id)));
            (after(tried.began, *elapsed), words::failed_attempt(*class, *fault, tried.status))
        }
    };
    Span {
        trace_id: context.trace.to_vec(),
        span_id: context.attempt(tried.number).to_vec(),
        trace_state: context.state.clone(),
        parent_span_id: context.span.to_vec(),
        name: story.method.to_owned(),
        kind: CLIENT,
        start: nanos(tried.began),
        // Two clocks may disagree by a little.
        end: nanos(over.max(tried.began)),
        status: error.as_ref().map(|_| Status { code: FAILED }),
        attributes: with_error(attributes, error.as_deref()),
        flags: u32::from(context.flags) | PARENT_IS_KNOWN,
    }
}

fn after(began: i64, elapsed: Duration) -> i64 {
    began.saturating_add(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

fn with_error(mut attributes: Vec<KeyValue>, error: Option<&str>) -> Vec<KeyValue> {
    attributes.extend(error.map(|error| attribute("error.type", error)));
    attributes
}
