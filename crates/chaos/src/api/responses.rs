//! Answers of `/responses`: whole, and as a stream of numbered events.

use std::io::Write as _;

use super::form::{Ask, CREATED, Good, TEXT, quoted, words};
use crate::reply::hex;

/// The text part of a message.
fn part(out: &mut Vec<u8>, text: &str) {
    write!(out, r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":"{text}"}}"#)
        .expect("a Vec takes everything");
}

/// The message; `None` while it has not begun.
fn item(out: &mut Vec<u8>, ask: &Ask<'_>, text: Option<&str>) {
    out.extend_from_slice(br#"{"id":"msg_"#);
    hex(out, ask.body_id);
    let status = if text.is_some() { "completed" } else { "in_progress" };
    write!(out, r#"","type":"message","status":"{status}","role":"assistant","content":["#)
        .expect("a Vec takes everything");
    if let Some(text) = text {
        part(out, text);
    }
    out.extend_from_slice(b"]}");
}

/// The response; `None` while it has no output.
fn response(out: &mut Vec<u8>, ask: &Ask<'_>, text: Option<(&str, u32)>) {
    out.extend_from_slice(br#"{"id":"resp_"#);
    hex(out, ask.body_id);
    let status = if text.is_some() { "completed" } else { "in_progress" };
    write!(out, r#"","object":"response","created_at":{CREATED},"status":"{status}","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"model":"#)
        .expect("a Vec takes everything");
    quoted(out, ask.model());
    out.extend_from_slice(br#","output":["#);
    if let Some((text, _)) = text {
        item(out, ask, Some(text));
    }
    out.extend_from_slice(br#"],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"service_tier":"default","store":true,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":"#);
    match text {
        Some((_, tokens)) => {
            let total = tokens + 19;
            write!(out, r#"{{"input_tokens":19,"input_tokens_details":{{"cached_tokens":0}},"output_tokens":{tokens},"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":{total}}}"#)
                .expect("a Vec takes everything");
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","user":null,"metadata":{}}"#);
}

pub(super) fn plain(out: &mut Vec<u8>, ask: &Ask<'_>) {
    response(out, ask, Some((TEXT, 43)));
}

pub(super) fn stream(good: &mut Good, ask: &Ask<'_>) {
    let mut id = Vec::with_capacity(32);
    hex(&mut id, ask.body_id);
    let id = String::from_utf8(id).expect("hexadecimal digits are UTF-8");
    let place = format!(r#""item_id":"msg_{id}","output_index":0,"content_index":0"#);
    let text: String = words(ask.chunks).collect();

    event(good, "response.created", |out| in_response(out, |out| response(out, ask, None)));
    event(good, "response.in_progress", |out| in_response(out, |out| response(out, ask, None)));
    event(good, "response.output_item.added", |out| in_item(out, |out| item(out, ask, None)));
    event(good, "response.content_part.added", |out| in_part(out, &place, |out| part(out, "")));
    good.begin_contents();
    for word in words(ask.chunks) {
        event(good, "response.output_text.delta", |out| {
            write!(out, r#"{place},"delta":"{word}","logprobs":[]"#).expect("a Vec takes everything");
        });
    }
    good.end_contents();
    event(good, "response.output_text.done", |out| {
        write!(out, r#"{place},"text":"{text}","logprobs":[]"#).expect("a Vec takes everything");
    });
    event(good, "response.content_part.done", |out| in_part(out, &place, |out| part(out, &text)));
    event(good, "response.output_item.done", |out| in_item(out, |out| item(out, ask, Some(&text))));
    event(good, "response.completed", |out| in_response(out, |out| response(out, ask, Some((&text, ask.chunks)))));
}

fn in_response(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(br#""response":"#);
    fill(out);
}

fn in_item(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(br#""output_index":0,"item":"#);
    fill(out);
}

fn in_part(out: &mut Vec<u8>, place: &str, fill: impl FnOnce(&mut Vec<u8>)) {
    write!(out, r#"{place},"part":"#).expect("a Vec takes everything");
    fill(out);
}

/// One event, numbered by its place in the stream.
fn event(good: &mut Good, name: &str, fill: impl FnOnce(&mut Vec<u8>)) {
    let number = good.ends.len();
    write!(good.bytes, "event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{number},")
        .expect("a Vec takes everything");
    fill(&mut good.bytes);
    good.bytes.extend_from_slice(b"}\n\n");
    good.end_event();
}
