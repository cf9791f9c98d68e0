//! The same request, asking for a stream, or for a whole answer.
//!
//! Only the bytes of `stream` and `stream_options` change; everything else goes on as the caller
//! wrote it. A body in which they were not found for certain is left alone.

use std::ops::Range;

use http::Method;

use crate::json;
use crate::request::{Dialect, Endpoint, Request};
use crate::verdict::stream::CHOICES_MAX;

/// How a body is made to ask for the other: what is put in place of which bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// In the order of their places.
    edits: Vec<(Range<usize>, &'static str)>,
}

/// Whether the answer to `request` may be asked for as a stream, and be assembled: a call of Chat
/// Completions or Responses that asks for no stream, no background run and no sound.
#[must_use]
pub fn can_upgrade(request: &Request, body: &[u8]) -> bool {
    let is_one = matches!(request.endpoint, Endpoint::ChatCompletions | Endpoint::Responses);
    let is_plain = !request.stream && !request.background && request.opaque.is_none();
    is_one
        && is_plain
        && request.method == Method::POST
        && request.choices <= CHOICES_MAX
        && request.endpoint.dialect().is_some_and(|dialect| Splice::of(dialect, body).is_some())
}

/// Whether the answer to `request`, which asks for a stream, may be asked for as a whole: a call of Chat
/// Completions or Responses whose facts are all known.
#[must_use]
pub fn can_ask_whole(request: &Request) -> bool {
    let is_one = matches!(request.endpoint, Endpoint::ChatCompletions | Endpoint::Responses);
    is_one && request.stream && !request.background && request.opaque.is_none() && request.method == Method::POST
}

impl Splice {
    /// How `body`, which asks for a stream, is made to ask for a whole answer; `None` if it does not ask
    /// for one, or says so twice.
    ///
    /// The options of a stream become `null`: without a stream, some are refused.
    #[must_use]
    pub fn whole(body: &[u8]) -> Option<Splice> {
        let (mut stream, mut options) = (None, None);
        for member in json::members(body) {
            let (key, raw) = member.ok()?;
            let place = match &*key {
                b"stream" if json::boolean(raw) == Some(true) => &mut stream,
                b"stream" => return None,
                b"stream_options" => &mut options,
                _ => continue,
            };
            if place.replace(place_of(body, raw)?).is_some() {
                return None;
            }
        }
        let mut edits = vec![(stream?, "false")];
        edits.extend(options.map(|place| (place, "null")));
        edits.sort_by_key(|(place, _)| place.start);
        Some(Splice { edits })
    }

    /// How `body`, which asks for no stream, is made to ask for one; `None` if it says something else
    /// already, says a thing twice, wants sound, or is no JSON object to its end.
    ///
    /// Chat is asked for its usage too, which a whole answer always has. A response always has it, and
    /// knows no such option.
    #[must_use]
    pub fn of(dialect: Dialect, body: &[u8]) -> Option<Splice> {
        let is_chat = match dialect {
            Dialect::Chat => true,
            Dialect::Responses => false,
            _ => return None,
        };
        let (mut stream, mut options, mut is_empty) = (None, None, true);
        for member in json::members(body) {
            let (key, raw) = member.ok()?;
            is_empty = false;
            let place = match &*key {
                b"stream" if json::boolean(raw) == Some(false) || json::is_null(raw) => &mut stream,
                b"stream_options" if json::is_null(raw) => &mut options,
                b"stream" | b"stream_options" => return None,
                // Pieces of sound are not joined.
                b"audio" if !json::is_null(raw) => return None,
                b"modalities" if memchr::memmem::find(raw, b"audio").is_some() => return None,
                _ => continue,
            };
            if place.replace(place_of(body, raw)?).is_some() {
                return None;
            }
        }
        let mut edits = Vec::with_capacity(2);
        let start = body.iter().position(|byte| *byte == b'{')? + 1;
        let has_options = options.is_some();
        match (&stream, has_options || !is_chat) {
            (None, true) if is_empty => edits.push((start..start, "\"stream\":true")),
            (None, false) if is_empty => edits.push((start..start, BOTH)),
            (None, true) => edits.push((start..start, "\"stream\":true,")),
            (None, false) => edits.push((start..start, BOTH_AND_MORE)),
            (Some(_), true) => {}
            (Some(_), false) => edits.push((start..start, OPTIONS_AND_MORE)),
        }
        edits.extend(stream.map(|place| (place, "true")));
        edits.extend(options.filter(|_| is_chat).map(|place| (place, OPTIONS)));
        edits.sort_by_key(|(place, _)| place.start);
        Some(Splice { edits })
    }

    /// `body`, which this was made for, asking for the other.
    #[must_use]
    pub fn applied(&self, body: &[u8]) -> Vec<u8> {
        let mut changed = Vec::with_capacity(body.len() + BOTH_AND_MORE.len());
        let mut done = 0;
        for (place, text) in &self.edits {
            changed.extend_from_slice(body.get(done..place.start).unwrap_or_default());
            changed.extend_from_slice(text.as_bytes());
            done = place.end;
        }
        changed.extend_from_slice(body.get(done..).unwrap_or_default());
        changed
    }
}

const OPTIONS: &str = r#"{"include_usage":true}"#;
const OPTIONS_AND_MORE: &str = r#""stream_options":{"include_usage":true},"#;
const BOTH: &str = r#""stream":true,"stream_options":{"include_usage":true}"#;
const BOTH_AND_MORE: &str = r#""stream":true,"stream_options":{"include_usage":true},"#;

/// Where a value, which is a piece of `body`, stands in it.
fn place_of(body: &[u8], raw: &[u8]) -> Option<Range<usize>> {
    let start = raw.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some(start..start + raw.len())
}
