//! Answers of the smaller endpoints: embeddings, models, and messages in Anthropic's form.

use std::io::Write as _;

use super::form::{Ask, CREATED, Good, TEXT, quoted, words};
use crate::reply::hex;

/// Numbers in an embedding: real ones have 1,536 and more, which nobody would look at.
const DIMENSIONS: u8 = 8;

/// Number `axis` of the embedding of text `index`.
fn coordinate(index: usize, axis: u8) -> f32 {
    let turn = u8::try_from(index % 200).unwrap_or_default();
    (f32::from(turn) + f32::from(axis) * 0.125) / 256.0
}

pub(super) fn embeddings(out: &mut Vec<u8>, ask: &Ask<'_>) {
    out.extend_from_slice(br#"{"object":"list","data":["#);
    for index in 0..ask.facts.inputs {
        let comma = if index == 0 { "" } else { "," };
        write!(out, r#"{comma}{{"object":"embedding","index":{index},"embedding":"#).expect("a Vec takes everything");
        let numbers = (0..DIMENSIONS).map(|axis| coordinate(index, axis));
        if ask.facts.base64 {
            let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
            out.push(b'"');
            base64(out, &bytes);
            out.push(b'"');
        } else {
            let numbers: Vec<f32> = numbers.collect();
            serde_json::to_writer(&mut *out, &numbers).expect("finite numbers are JSON");
        }
        out.push(b'}');
    }
    out.extend_from_slice(br#"],"model":"#);
    quoted(out, ask.model());
    out.extend_from_slice(br#","usage":{"prompt_tokens":8,"total_tokens":8}}"#);
}

/// RFC 4648, with padding.
fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).expect("six bits");
            out.push(if place <= three.len() { DIGITS[digit] } else { b'=' });
        }
    }
}

pub(super) fn models(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"object":"list","data":["#);
    for (index, model) in ["gpt-4o-mini", "gpt-4o", "text-embedding-3-small"].iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, r#"{comma}{{"id":"{model}","object":"model","created":{CREATED},"owned_by":"chaos"}}"#)
            .expect("a Vec takes everything");
    }
    out.extend_from_slice(b"]}");
}

fn message_head(out: &mut Vec<u8>, ask: &Ask<'_>) {
    out.extend_from_slice(br#"{"id":"msg_"#);
    hex(out, ask.body_id);
    out.extend_from_slice(br#"","type":"message","role":"assistant","model":"#);
    quoted(out, ask.model());
}

pub(super) fn message(out: &mut Vec<u8>, ask: &Ask<'_>) {
    message_head(out, ask);
    write!(out, r#","content":[{{"type":"text","text":"{TEXT}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":19,"output_tokens":43}}}}"#)
        .expect("a Vec takes everything");
}

pub(super) fn message_stream(good: &mut Good, ask: &Ask<'_>) {
    let event = |good: &mut Good, name: &str, rest: &str| {
        write!(good.bytes, "event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n").expect("a Vec takes everything");
        good.end_event();
    };
    good.bytes.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
    message_head(&mut good.bytes, ask);
    good.bytes.extend_from_slice(b",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":19,\"output_tokens\":1}}}\n\n");
    good.end_event();
    event(good, "content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#);
    good.begin_contents();
    for word in words(ask.chunks) {
        event(good, "content_block_delta", &format!(r#","index":0,"delta":{{"type":"text_delta","text":"{word}"}}"#));
    }
    good.end_contents();
    event(good, "content_block_stop", r#","index":0"#);
    let tokens = ask.chunks;
    let usage =
        format!(r#","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{{"output_tokens":{tokens}}}"#);
    event(good, "message_delta", &usage);
    event(good, "message_stop", "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let encode = |text: &str| {
            let mut out = Vec::new();
            base64(&mut out, text.as_bytes());
            String::from_utf8(out).unwrap()
        };
        // RFC 4648, section 10.
        assert_eq!(
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(encode),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]
        );
    }
}
