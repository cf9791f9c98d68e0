//! A whole response as the events that it would have been, and the event that holds a whole one.
//!
//! What an item consists of is told in order: that it was added, each part of it, the part's text in
//! one piece, that it is done. Items of a kind that is not known here are added and done.

use super::write::{Member, Object, elements, event, get, inside, members};
use crate::json;

/// The response inside the last event of a stream, if this is it.
pub(super) fn last<'a>(name: &[u8], data: &'a [u8]) -> Option<&'a [u8]> {
    let kind = json::field(data, "type").and_then(inside).unwrap_or(name);
    let is_last = matches!(kind, b"response.completed" | b"response.incomplete" | b"response.failed");
    json::field(data, "response").filter(|response| is_last && response.starts_with(b"{"))
}

pub(super) fn unfold(body: &[u8]) -> Option<Vec<u8>> {
    let body = body.trim_ascii();
    let response = members(body)?;
    let last = match get(&response, "status")? {
        br#""completed""# => "response.completed",
        br#""incomplete""# => "response.incomplete",
        br#""failed""# => "response.failed",
        _ => return None,
    };
    let output = elements(get(&response, "output")?)?;
    let mut stream = Stream { out: Vec::with_capacity(6 * body.len()), events: 0 };
    for name in ["response.created", "response.in_progress"] {
        stream.event(name, |event| event.object("response", |begun| beginning(begun, &response)));
    }
    for (at, item) in output.into_iter().enumerate() {
        stream.item(at, item)?;
    }
    stream.event(last, |event| event.raw("response", body));
    Some(stream.out)
}

/// A stream that is being written.
struct Stream {
    out: Vec<u8>,
    events: usize,
}

/// Where something is: in which item, and in which part of it.
#[derive(Clone, Copy)]
struct Place<'a> {
    item_id: Option<&'a [u8]>,
    output_index: usize,
    part: Option<(&'static str, usize)>,
}

impl Place<'_> {
    fn write(&self, event: &mut Object<'_>) {
        if let Some(id) = self.item_id {
            event.raw("item_id", id);
        }
        event.number("output_index", self.output_index);
        if let Some((key, index)) = self.part {
            event.number(key, index);
        }
    }
}

/// A text that is told in pieces: the event's name without its end, and the key under which the
/// event that ends it has it.
type Told = (&'static str, &'static str);

const TEXT: Told = ("response.output_text", "text");
const REFUSAL: Told = ("response.refusal", "refusal");
const REASONING: Told = ("response.reasoning_text", "text");
const SUMMARY: Told = ("response.reasoning_summary_text", "text");
const ARGUMENTS: Told = ("response.function_call_arguments", "arguments");
const INPUT: Told = ("response.custom_tool_call_input", "input");

impl Stream {
    fn event(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        let number = self.events;
        self.events += 1;
        event(&mut self.out, name, |event| {
            event.raw("type", format!("\"{name}\"").as_bytes());
            event.number("sequence_number", number);
            fill(event);
        });
    }

    fn item(&mut self, output_index: usize, raw: &[u8]) -> Option<()> {
        let item = members(raw)?;
        let place = Place { item_id: get(&item, "id"), output_index, part: None };
        let part = |key, index| Place { part: Some((key, index)), ..place };
        let list = |name: &str| get(&item, name).map_or(Some(Vec::new()), elements);
        let kind = get(&item, "type");
        self.event("response.output_item.added", |event| {
            event.number("output_index", output_index);
            event.object("item", |begun| beginning(begun, &item));
        });
        match kind {
            Some(br#""message""#) => {
                for (index, raw) in list("content")?.into_iter().enumerate() {
                    self.content_part(part("content_index", index), raw)?;
                }
            }
            Some(br#""reasoning""#) => {
                for (index, raw) in list("summary")?.into_iter().enumerate() {
                    self.summary_part(part("summary_index", index), raw)?;
                }
                for (index, raw) in list("content").unwrap_or_default().into_iter().enumerate() {
                    self.content_part(part("content_index", index), raw)?;
                }
            }
            Some(br#""function_call""#) => self.text(place, ARGUMENTS, get(&item, "arguments"), None),
            Some(br#""custom_tool_call""#) => self.text(place, INPUT, get(&item, "input"), None),
            _ => {}
        }
        self.event("response.output_item.done", |event| {
            event.number("output_index", output_index);
            event.raw("item", raw);
        });
        Some(())
    }

    fn content_part(&mut self, place: Place<'_>, raw: &[u8]) -> Option<()> {
        let part = members(raw)?;
        self.part(place, "response.content_part.added", |event| {
            event.object("part", |begun| beginning(begun, &part));
        });
        match get(&part, "type") {
            Some(br#""output_text""#) => {
                let logprobs = get(&part, "logprobs").unwrap_or(b"[]");
                self.text(place, TEXT, get(&part, "text"), Some(logprobs));
                for (index, annotation) in
                    get(&part, "annotations").and_then(elements).unwrap_or_default().into_iter().enumerate()
                {
                    self.part(place, "response.output_text.annotation.added", |event| {
                        event.number("annotation_index", index);
                        event.raw("annotation", annotation);
                    });
                }
            }
            Some(br#""refusal""#) => self.text(place, REFUSAL, get(&part, "refusal"), None),
            Some(br#""reasoning_text""#) => self.text(place, REASONING, get(&part, "text"), None),
            _ => {}
        }
        self.part(place, "response.content_part.done", |event| event.raw("part", raw));
        Some(())
    }

    fn summary_part(&mut self, place: Place<'_>, raw: &[u8]) -> Option<()> {
        let part = members(raw)?;
        self.part(place, "response.reasoning_summary_part.added", |event| {
            event.object("part", |begun| beginning(begun, &part));
        });
        self.text(place, SUMMARY, get(&part, "text"), None);
        self.part(place, "response.reasoning_summary_part.done", |event| event.raw("part", raw));
        Some(())
    }

    fn part(&mut self, place: Place<'_>, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.event(name, |event| {
            place.write(event);
            fill(event);
        });
    }

    /// A text in one piece, and its end.
    fn text(&mut self, place: Place<'_>, (name, key): Told, text: Option<&[u8]>, logprobs: Option<&[u8]>) {
        let Some(text) = text.filter(|text| inside(text).is_some()) else { return };
        let tell = |event: &mut Object<'_>, key: &str| {
            event.raw(key, text);
            if let Some(logprobs) = logprobs {
                event.raw("logprobs", logprobs);
            }
        };
        if inside(text).is_some_and(|text| !text.is_empty()) {
            self.part(place, &format!("{name}.delta"), |event| tell(event, "delta"));
        }
        self.part(place, &format!("{name}.done"), |event| tell(event, key));
    }
}

/// A response, an item or a part as it is when it begins: nothing in it yet of what will be told.
fn beginning(begun: &mut Object<'_>, whole: &[Member<'_>]) {
    for (key, raw) in whole {
        let empty: &[u8] = match &**key {
            b"status" => br#""in_progress""#,
            b"output" | b"content" | b"summary" | b"annotations" | b"logprobs" if raw.starts_with(b"[") => b"[]",
            b"text" | b"refusal" | b"arguments" | b"input" if raw.starts_with(b"\"") => b"\"\"",
            b"usage" | b"error" | b"incomplete_details" | b"completed_at" => b"null",
            _ => raw,
        };
        begun.raw(&**key, empty);
    }
}
