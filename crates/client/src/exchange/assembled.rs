//! A stream that nobody is shown: read to its end, and put together into the answer that the caller
//! asked for.
//!
//! Until its end nothing has gone to the caller, so wherever it breaks the attempt can be made again.
//! While it flows, only the request's own deadline ends it; silence is noticed as it is in any stream.

use std::time::Duration;

use http::{HeaderName, HeaderValue, response};
use seawall_core::reframe::Assembly;
use seawall_core::request::Dialect;
use seawall_core::verdict::stream::{End, ErrorForm, Signal, Watch};
use seawall_core::verdict::{Class, Fault, Verdict};
use tokio::time::{Instant, timeout_at};

use super::{Failed, Reading, Reply, cut, failed_event, late};
use crate::headers;
use crate::shared::instant;
use http_body_util::BodyExt;

/// On an answer that was a stream on its way.
const UPGRADED: HeaderName = HeaderName::from_static("x-seawall-upgraded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// After the last event the end of the body is waited for this long; then the connection is given up.
const LINGER: Duration = Duration::from_millis(100);

/// How long a whole answer may take that comes as a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole {
    /// The moment by which it must be there.
    pub(crate) by: Instant,
    /// Between two pieces, after the first content.
    pub(crate) idle: Duration,
}

impl Reading<'_> {
    /// A stream whose whole answer is wanted. `self.until` is for its first content.
    pub(super) async fn assembled(
        mut self,
        mut head: response::Parts,
        dialect: Dialect,
        whole: Whole,
    ) -> Result<(Verdict, Reply), Failed> {
        self.leave(&mut head);
        let mut watch = Watch::new(dialect, self.facts.choices);
        let unfit = |why: &dyn std::fmt::Display| (Fault::Undecodable, format!("asked for as a stream: {why}"));
        let Some(mut assembly) = Assembly::new(dialect) else { return Err(unfit(&"it has no whole form")) };
        let mut limit = self.until;
        let is_reusable = loop {
            let frame = match timeout_at(limit, self.body.frame()).await {
                Err(_) if limit >= whole.by || !watch.has_content() => return Err(late(limit >= whole.by)),
                Err(_) => {
                    return Err((
                        Fault::Stall,
                        format!("asked for as a stream: no byte for {} s", whole.idle.as_secs()),
                    ));
                }
                Ok(None) if watch.end() == End::Complete && !assembly.is_mid_event() => break true,
                Ok(None) => {
                    let is_cut = watch.is_mid_event() || watch.has_content();
                    let fault = if is_cut { Fault::StreamCut } else { Fault::StreamEmpty };
                    return Err((fault, "asked for as a stream: it ended without its last event".into()));
                }
                // All that is missing is the word that nothing is.
                Ok(Some(Err(_))) if watch.end() == End::Complete && assembly.has_usage() => break false,
                Ok(Some(Err(error))) => return Err(cut(&error)),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            self.seen.bytes_in += data.len() as u64;
            let signal = watch.push(&data);
            (self.seen.evidence.usage, self.seen.evidence.content_events) = (watch.usage(), watch.content_events());
            // A response that failed is whole all the same, and judged as one that came whole.
            if signal == Signal::Error && watch.error().is_none_or(|error| error.form != ErrorForm::Failed) {
                head.headers = self.seen.headers.clone().unwrap_or_default();
                return Ok((failed_event(&watch), self.whole(head, bytes::Bytes::new(), false)));
            }
            let before = assembly.bytes();
            assembly.push(&data);
            if let Some(why) = assembly.unfit() {
                return Err(unfit(&why));
            }
            if !self.held.hold.grow(assembly.bytes() - before) {
                return Err(unfit(&"there is no memory left to hold it"));
            }
            if watch.has_content() {
                let now = instant();
                self.seen.first_content.get_or_insert(now.saturating_duration_since(self.began));
                limit = (now + whole.idle).min(whole.by);
            }
            if assembly.is_over() {
                break matches!(timeout_at(instant() + LINGER, self.body.frame()).await, Ok(None));
            }
        };
        let answer = assembly.finish().map_err(|why| unfit(&why))?;
        self.take_back(&mut head);
        headers::reframed(&mut head.headers, JSON);
        head.headers.insert(UPGRADED, HeaderValue::from_static("stream"));
        let verdict = self.judge(&head, &answer);
        if verdict.class != Class::Ok {
            self.seen.headers = Some(head.headers.clone());
        }
        self.seen.first_content = Some(instant().saturating_duration_since(self.began));
        Ok((verdict, self.whole(head, answer.into(), is_reusable)))
    }
}
