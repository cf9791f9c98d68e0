//! A whole completion as the chunks that it would have been.

use super::write::{Member, Object, array, elements, event, get, inside, members};
use crate::json;
use crate::request::Dialect;

/// What every chunk of a stream says again; everything else at the top is said once.
const EVERY: [&str; 6] = ["id", "created", "model", "service_tier", "system_fingerprint", "provider"];

pub(super) fn unfold(dialect: Dialect, body: &[u8], include_usage: bool) -> Option<Vec<u8>> {
    let top = members(body.trim_ascii())?;
    let choices = elements(get(&top, "choices")?)?;
    let usage = get(&top, "usage").filter(|usage| include_usage && usage.starts_with(b"{"));
    let object = if dialect == Dialect::Chat { "\"chat.completion.chunk\"" } else { "\"text_completion\"" };
    let mut stream = Stream { top, object, include_usage, out: Vec::with_capacity(2 * body.len()), has_begun: false };
    for (at, choice) in choices.iter().enumerate() {
        stream.choice(dialect, at, &members(choice)?)?;
    }
    if choices.is_empty() || usage.is_some() {
        stream.chunk(usage, None::<fn(&mut Object<'_>)>);
    }
    stream.out.extend_from_slice(b"data: [DONE]\n\n");
    Some(stream.out)
}

/// A stream that is being written.
struct Stream<'a> {
    top: Vec<Member<'a>>,
    object: &'static str,
    include_usage: bool,
    out: Vec<u8>,
    has_begun: bool,
}

/// What stands beside a chunk's text.
#[derive(Clone, Copy, Default)]
struct Beside<'a> {
    logprobs: Option<&'a [u8]>,
    finish_reason: Option<&'a [u8]>,
    rest: &'a [Member<'a>],
}

impl Stream<'_> {
    fn chunk(&mut self, usage: Option<&[u8]>, choice: Option<impl FnOnce(&mut Object<'_>)>) {
        let Stream { top, object, include_usage, out, has_begun } = self;
        let is_first = !std::mem::replace(has_begun, true);
        event(out, "", |chunk| {
            for (key, raw) in top.iter() {
                let is_own = matches!(&**key, b"object" | b"choices" | b"usage");
                if !is_own && (is_first || EVERY.iter().any(|name| key == *name)) {
                    chunk.raw(&**key, raw);
                }
            }
            chunk.raw("object", object.as_bytes());
            array(chunk.member(b"choices"), choice, |out, choice| Object::write(out, choice));
            if let Some(usage) = usage.or(include_usage.then_some(b"null")) {
                chunk.raw("usage", usage);
            }
        });
    }

    /// One chunk of the choice `index`, with a text or a delta that `fill` writes.
    fn piece(&mut self, index: &[u8], beside: Beside<'_>, fill: impl FnOnce(&mut Object<'_>)) {
        self.chunk(
            None,
            Some(|choice: &mut Object<'_>| {
                choice.raw("index", index);
                fill(choice);
                if let Some(logprobs) = beside.logprobs {
                    choice.raw("logprobs", logprobs);
                }
                choice.raw("finish_reason", beside.finish_reason.unwrap_or(b"null"));
                for (key, raw) in beside.rest {
                    choice.raw(&**key, raw);
                }
            }),
        );
    }

    fn choice(&mut self, dialect: Dialect, at: usize, choice: &[Member<'_>]) -> Option<()> {
        let place = at.to_string();
        let index = get(choice, "index").filter(|raw| json::uint(raw).is_some()).unwrap_or(place.as_bytes());
        let logprobs = get(choice, "logprobs");
        let none = logprobs.map(|_| &b"null"[..]);
        let known: &[&str] = match dialect {
            Dialect::Chat => &["index", "message", "delta", "logprobs", "finish_reason"],
            _ => &["index", "text", "logprobs", "finish_reason"],
        };
        let rest: Vec<_> = choice.iter().filter(|(key, _)| !known.iter().any(|name| key == *name)).cloned().collect();
        let mut end = Beside { logprobs: none, finish_reason: get(choice, "finish_reason"), rest: &rest };
        if dialect != Dialect::Chat {
            let text = get(choice, "text")?;
            self.piece(index, Beside { logprobs, ..Beside::default() }, |choice| choice.raw("text", text));
            self.piece(index, end, |choice| choice.raw("text", b"\"\""));
            return Some(());
        }
        let message = get(choice, "message").or(get(choice, "delta")).map_or(Some(Vec::new()), members)?;
        let is_text = |name: &str| get(&message, name).and_then(inside).is_some_and(|text| !text.is_empty());
        // They belong to the text that they are the odds of.
        let goes_with = ["content", "refusal"].into_iter().find(|name| is_text(name));
        if goes_with.is_none() {
            end.logprobs = logprobs;
        }
        self.piece(index, Beside { logprobs: none, ..Beside::default() }, |choice| {
            choice.object("delta", |delta| beginning(delta, &message));
        });
        for (key, raw) in &message {
            let beside = if goes_with.is_some_and(|name| key == name) { logprobs } else { none };
            let beside = Beside { logprobs: beside, ..Beside::default() };
            match &**key {
                b"role" => {}
                _ if json::is_null(raw) || inside(raw).is_some_and(<[u8]>::is_empty) => {}
                b"tool_calls" => self.tool_calls(index, raw, none)?,
                _ => self.piece(index, beside, |choice| choice.object("delta", |delta| delta.raw(&**key, raw))),
            }
        }
        self.piece(index, end, |choice| choice.object("delta", |_| {}));
        Some(())
    }

    /// Each call in a chunk of its own, as it is.
    fn tool_calls(&mut self, index: &[u8], raw: &[u8], logprobs: Option<&[u8]>) -> Option<()> {
        let beside = Beside { logprobs, ..Beside::default() };
        let calls = elements(raw)?;
        if calls.is_empty() {
            self.piece(index, beside, |choice| choice.object("delta", |delta| delta.raw("tool_calls", raw)));
        }
        for (at, call) in calls.into_iter().enumerate() {
            let call = members(call)?;
            self.piece(index, beside, |choice| {
                choice.object("delta", |delta| {
                    array(delta.member(b"tool_calls"), [&call], |out, call| {
                        Object::write(out, |written| {
                            written.number("index", at);
                            for (key, raw) in call.iter().filter(|(key, _)| key != "index") {
                                written.raw(&**key, raw);
                            }
                        });
                    });
                });
            });
        }
        Some(())
    }
}

/// The delta that a choice begins with: who speaks, and what there will be none of.
fn beginning(delta: &mut Object<'_>, message: &[Member<'_>]) {
    for (key, raw) in message {
        match &**key {
            b"role" => delta.raw("role", raw),
            b"content" if inside(raw).is_some() => delta.raw("content", b"\"\""),
            _ if json::is_null(raw) || inside(raw).is_some_and(<[u8]>::is_empty) => delta.raw(&**key, raw),
            _ => {}
        }
    }
}
