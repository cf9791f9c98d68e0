//! A stream that is held to its end, so that it can be made again however late it breaks.
//!
//! For callers to whom half an answer is worth nothing: JSON, tool calls, short texts. They wait for
//! the whole, and in return a stream that is cut, stalls or ends in an error is a failed attempt like
//! any other. What is too large or takes too long goes to the caller as it comes, from then on as a
//! stream that nothing was held of.

use std::time::Duration;

use http_body_util::BodyExt;
use seawall_core::verdict::stream::{End, Signal};
use seawall_core::verdict::usage::Evidence;
use seawall_core::verdict::{self, Charge, Class, Fault, Verdict};
use tokio::time::{Instant, timeout_at};

use crate::exchange::{self, Exchange, Failed, Flowing, Reply, ReplyBody, Try, cut_by};
use crate::shared::instant;

/// How much of a stream is held, how long, and how long it may be silent meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes_max: usize,
    pub(crate) time_max: Duration,
    pub(crate) byte_idle: Duration,
}

/// What became of holding a stream.
enum Held {
    /// It is here, or it is larger or slower than allowed: it may go to the caller.
    Flows,
    /// It failed after its first content.
    Failed(Verdict, String),
}

/// Makes one attempt, and holds the stream that it brings within `limits`; without any, it does not.
pub(crate) async fn run(attempt: Try<'_>, limits: Option<Limits>) -> Exchange {
    let mut exchange = exchange::run(attempt).await;
    if let (Some(limits), Some(Reply { head, body: ReplyBody::Flowing(flowing) })) = (limits, &mut exchange.reply)
        && let Held::Failed(verdict, detail) = hold(flowing, limits).await
    {
        if let Some(watch) = &flowing.watch {
            exchange.seen.evidence =
                Evidence { usage: watch.usage(), content_events: watch.content_events(), ..Evidence::default() };
        }
        exchange.seen.headers = Some(head.headers.clone());
        exchange.seen.ended = Some(instant());
        let seen = std::mem::take(&mut exchange.seen);
        return Exchange { verdict, reply: None, seen, detail: Some(detail) };
    }
    exchange
}

/// Reads `flowing`, whose first content is here, to its end, within `limits`. The answer is paid for by
/// then, so that a failure counts as one that was carried out.
async fn hold(flowing: &mut Flowing, limits: Limits) -> Held {
    let Flowing { held, hold, rest, watch: Some(watch), .. } = flowing else { return Held::Flows };
    let until = instant() + limits.time_max;
    let mut bytes: usize = held.iter().map(bytes::Bytes::len).sum();
    while !watch.is_terminal() {
        let silent_until: Instant = instant() + limits.byte_idle;
        let frame = match timeout_at(until.min(silent_until), rest.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return failed((cut_by(&error), error.to_string())),
            Ok(None) => {
                return match watch.end() {
                    End::Complete => Held::Flows,
                    End::Failed => reported(watch),
                    End::CutBeforeContent | End::CutAfterContent => {
                        failed((Fault::StreamCut, "the stream ended without its last event".into()))
                    }
                };
            }
            Err(_) if instant() >= until => return Held::Flows,
            Err(_) => return failed((Fault::Stall, format!("no byte for {} s", limits.byte_idle.as_secs()))),
        };
        let Ok(data) = frame.into_data() else { continue };
        let signal = watch.push(&data);
        bytes += data.len();
        let has_room = hold.grow(data.len());
        held.push_back(data);
        if signal == Signal::Error {
            return reported(watch);
        }
        if !has_room || bytes > limits.bytes_max {
            return Held::Flows;
        }
    }
    Held::Flows
}

fn failed((fault, detail): Failed) -> Held {
    let verdict = Verdict { class: Class::Ambiguous, charge: Charge::CutAfterContent, ..verdict::judge_fault(fault) };
    Held::Failed(Verdict { again: verdict.class.again(), ..verdict }, detail)
}

/// The upstream's own word for its failure.
fn reported(watch: &verdict::stream::Watch) -> Held {
    let event = watch.error().and_then(|error| verdict::judge_event(error.name, &error.data));
    let verdict = event.unwrap_or(verdict::judge_fault(Fault::StreamError));
    let verdict = Verdict { charge: Charge::CutAfterContent, fault: Some(Fault::StreamError), ..verdict };
    Held::Failed(verdict, "the upstream reported an error".into())
}
