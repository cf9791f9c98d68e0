//! Answers of `/chat/completions` and, older, `/completions`: whole and as a stream.

use std::io::Write as _;

use super::form::{Ask, CREATED, Good, TEXT, quoted, words};
use crate::reply::hex;

/// Prompt tokens of every answer: nobody counts them here.
const PROMPT_TOKENS: u32 = 19;

const DETAILS: &str = r#""prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}"#;

fn head(out: &mut Vec<u8>, ask: &Ask<'_>, prefix: &str, object: &str) {
    write!(out, r#"{{"id":"{prefix}"#).expect("a Vec takes everything");
    hex(out, ask.body_id);
    write!(out, r#"","object":"{object}","created":{CREATED},"model":"#).expect("a Vec takes everything");
    quoted(out, ask.model());
}

fn usage(out: &mut Vec<u8>, tokens: u32) {
    let total = PROMPT_TOKENS + tokens;
    write!(
        out,
        r#""usage":{{"prompt_tokens":{PROMPT_TOKENS},"completion_tokens":{tokens},"total_tokens":{total},{DETAILS}}}"#
    )
    .expect("a Vec takes everything");
}

pub(super) fn plain(out: &mut Vec<u8>, ask: &Ask<'_>) {
    head(out, ask, "chatcmpl-", "chat.completion");
    out.extend_from_slice(br#","choices":[{"index":0,"message":{"role":"assistant","content":""#);
    out.extend_from_slice(TEXT.as_bytes());
    out.extend_from_slice(br#"","refusal":null},"logprobs":null,"finish_reason":"stop"}],"#);
    usage(out, 43);
    out.extend_from_slice(br#","service_tier":"default","system_fingerprint":"fp_44709d6fcb"}"#);
}

pub(super) fn stream(good: &mut Good, ask: &Ask<'_>) {
    let chunk = |good: &mut Good, delta: &str, finish: &str| {
        let out = &mut good.bytes;
        out.extend_from_slice(b"data: ");
        head(out, ask, "chatcmpl-", "chat.completion.chunk");
        out.extend_from_slice(br#","service_tier":"default","system_fingerprint":"fp_44709d6fcb","#);
        write!(out, r#""choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]"#)
            .expect("a Vec takes everything");
        if ask.facts.include_usage {
            out.extend_from_slice(br#","usage":null"#);
        }
        out.extend_from_slice(b"}\n\n");
        good.end_event();
    };
    chunk(good, r#"{"role":"assistant","content":"","refusal":null}"#, "null");
    good.begin_contents();
    for word in words(ask.chunks) {
        chunk(good, &format!(r#"{{"content":"{word}"}}"#), "null");
    }
    good.end_contents();
    chunk(good, "{}", r#""stop""#);
    if ask.facts.include_usage {
        good.bytes.extend_from_slice(b"data: ");
        head(&mut good.bytes, ask, "chatcmpl-", "chat.completion.chunk");
        good.bytes.extend_from_slice(br#","choices":[],"#);
        usage(&mut good.bytes, ask.chunks);
        good.bytes.extend_from_slice(b"}\n\n");
        good.end_event();
    }
    done(good);
}

fn done(good: &mut Good) {
    good.bytes.extend_from_slice(b"data: [DONE]\n\n");
    good.end_event();
}

pub(super) fn completion(out: &mut Vec<u8>, ask: &Ask<'_>) {
    head(out, ask, "cmpl-", "text_completion");
    write!(out, r#","choices":[{{"text":"{TEXT}","index":0,"logprobs":null,"finish_reason":"stop"}}],"#)
        .expect("a Vec takes everything");
    usage(out, 43);
    out.push(b'}');
}

pub(super) fn completion_stream(good: &mut Good, ask: &Ask<'_>) {
    let chunk = |good: &mut Good, text: &str, finish: &str| {
        good.bytes.extend_from_slice(b"data: ");
        head(&mut good.bytes, ask, "cmpl-", "text_completion");
        write!(
            good.bytes,
            ",\"choices\":[{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
        )
        .expect("a Vec takes everything");
        good.end_event();
    };
    good.begin_contents();
    for word in words(ask.chunks) {
        chunk(good, word, "null");
    }
    good.end_contents();
    chunk(good, "", r#""stop""#);
    done(good);
}
