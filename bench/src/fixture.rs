//! The bytes that are asked and answered, in one place, so that both ends can check each other.
//!
//! Requests look like those of a current SDK, headers included, and no two of a process are equal: a
//! counter of fixed width sits in the prompt. Keys come in the order the Python SDK writes them
//! (`messages` before `model`), which is the dearest order for whoever looks for the model.

use std::fmt::Write as _;

/// A chat completion of about 780 bytes.
pub(crate) const COMPLETION: &str = concat!(
    r#"{"id":"chatcmpl-BENCHq7Zc2Kx0vTn5RwYe8HdLmUj","object":"chat.completion","created":1790000000,"#,
    r#""model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"#,
    r#""A retry is only safe when the first try cannot have been acted upon.\n\nSo ask first what was sent, "#,
    r#"and \"who\" heard it; then wait a little, a different little each time.","refusal":null,"annotations":[]},"#,
    r#""logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":96,"completion_tokens":41,"#,
    r#""total_tokens":137,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#,
    r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"#,
    r#""rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_b3nch00d1e"}"#,
);

/// What a provider's passing 500 says.
pub(crate) const FAILURE: &str = concat!(
    r#"{"error":{"message":"The server had an error while processing your request. Sorry about that!","#,
    r#""type":"server_error","param":null,"code":null}}"#,
);

/// One content event of a stream, about 290 bytes.
pub(crate) const EVENT: &str = concat!(
    r#"data: {"id":"chatcmpl-BENCHq7Zc2Kx0vTn5RwYe8HdLmUj","object":"chat.completion.chunk","created":1790000000,"#,
    r#""model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_b3nch00d1e","#,
    r#""choices":[{"index":0,"delta":{"content":" retry"},"logprobs":null,"finish_reason":null}]}"#,
    "\n\n",
);

/// The events that end a stream.
pub(crate) const EVENTS_END: &str = concat!(
    r#"data: {"id":"chatcmpl-BENCHq7Zc2Kx0vTn5RwYe8HdLmUj","object":"chat.completion.chunk","created":1790000000,"#,
    r#""model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_b3nch00d1e","#,
    r#""choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#,
    "\n\ndata: [DONE]\n\n",
);

/// Response headers of every answer, beside those about its body.
pub(crate) const REPLY_HEADERS: &str = "x-request-id: req_b3nch0b7f0c94a1ea44ad5e2c5f1c0de\r\n\
    openai-processing-ms: 412\r\nopenai-version: 2020-10-01\r\nx-ratelimit-remaining-requests: 9999\r\n";

/// The bytes of a large request's body: 1 MiB.
pub(crate) const LARGE_BYTES: usize = 1 << 20;

/// Up to this many body bytes the mock answers without a receipt, as one prepared write.
pub(crate) const RECEIPT_OVER: u64 = 64 << 10;

/// The most chunks a stream may be asked for.
pub(crate) const CHUNKS_MAX: u32 = 10_000;

const COUNTER_WIDTH: usize = 10;

/// The kinds of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// A chat request of about 600 bytes, answered whole
    Plain,
    /// The same with `"stream": true`
    Sse,
    /// A chat request with 1 MiB of conversation
    Large,
}

/// A request ready to be written again and again, with a fresh counter each time.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    counter_at: usize,
    body_at: usize,
    receipt: u64,
}

impl Request {
    pub(crate) fn new(kind: Kind, host: &str, chunks: u32, delay_us: u32) -> Request {
        let body = match kind {
            Kind::Plain => small_body(false),
            Kind::Sse => small_body(true),
            Kind::Large => large_body(),
        };
        let mut head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\naccept-encoding: gzip, deflate\r\n\
             connection: keep-alive\r\naccept: application/json\r\ncontent-type: application/json\r\n\
             user-agent: OpenAI/Python 3.54.0\r\nx-stainless-lang: python\r\nx-stainless-package-version: 3.54.0\r\n\
             x-stainless-os: Linux\r\nx-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\n\
             x-stainless-runtime-version: 3.13.5\r\nx-stainless-async: false\r\nx-stainless-retry-count: 0\r\n\
             x-stainless-read-timeout: 600\r\nauthorization: Bearer sk-bench-not-a-key\r\ncontent-length: {}\r\n",
            body.len()
        );
        if kind == Kind::Sse {
            let _ = write!(head, "x-mock-chunks: {chunks}\r\nx-mock-delay-us: {delay_us}\r\n");
        }
        head.push_str("\r\n");
        let body_at = head.len();
        let bytes = [head.as_bytes(), body.as_bytes()].concat();
        let slot = "0".repeat(COUNTER_WIDTH);
        let counter_at =
            body_at + memchr::memmem::find(body.as_bytes(), slot.as_bytes()).expect("every body holds the slot");
        let receipt = sum(&bytes[body_at..]);
        Request { bytes, counter_at, body_at, receipt }
    }

    /// The whole request with `counter` in its prompt.
    pub(crate) fn with(&mut self, counter: u64) -> &[u8] {
        let old = sum(&self.bytes[self.counter_at..self.counter_at + COUNTER_WIDTH]);
        let mut rest = counter;
        for digit in self.bytes[self.counter_at..self.counter_at + COUNTER_WIDTH].iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
            rest /= 10;
        }
        let new = sum(&self.bytes[self.counter_at..self.counter_at + COUNTER_WIDTH]);
        self.receipt = self.receipt - old + new;
        &self.bytes
    }

    /// What the mock must have seen of the body: `BYTES-SUM`.
    pub(crate) fn receipt(&self) -> String {
        receipt((self.bytes.len() - self.body_at) as u64, self.receipt)
    }
}

/// The mock's word on a body: how many bytes came, and their sum.
pub(crate) fn receipt(bytes: u64, sum: u64) -> String {
    format!("{bytes}-{sum}")
}

/// The sum of all bytes: cheap enough to leave the mock's core to others, and no lost chunk escapes it.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(1 << 16).map(|part| u64::from(part.iter().map(|&byte| u32::from(byte)).sum::<u32>())).sum()
}

/// The whole body of a stream of `chunks` content events.
pub(crate) fn stream_body(chunks: u32) -> Vec<u8> {
    let mut body = EVENT.repeat(chunks as usize).into_bytes();
    body.extend_from_slice(EVENTS_END.as_bytes());
    body
}

fn small_body(stream: bool) -> String {
    let tail = if stream { r#","stream":true"# } else { "" };
    format!(
        concat!(
            r#"{{"messages":[{{"role":"system","content":"You are a patient engineer. Answer in two short "#,
            r#"paragraphs, name the trade-off, and never invent a figure."}},{{"role":"user","content":"#,
            r#""Question 0000000000: a request to a model timed out after the prompt was sent.\nMay I send it again, "#,
            r#"and what does \"safe\" mean here? Our calls cost money, our users wait, and the provider says only "#,
            r#"that something went wrong on its side. If it helps: the connection was a reused one, it broke within a "#,
            r#"tenth of a second, and not one byte came back."}}],"model":"gpt-4o-mini","max_tokens":256,"temperature":0.2{}}}"#
        ),
        tail
    )
}

/// A long conversation: text with the escapes and the foreign letters that real ones have.
fn large_body() -> String {
    const TURN: &str = concat!(
        r#"The gateway waited, then asked again; the second answer came at once.\n\nWhy? \"Because the first one was "#,
        r#"never sent,\" said the log, naïvely sure of itself. A connection that had been idle for a minute was closed by "#,
        r#"the other side in the very moment we wrote to it, and nothing of what we wrote was read.\n"#,
    );
    let mut body = String::with_capacity(LARGE_BYTES + 8192);
    body.push_str(r#"{"messages":[{"role":"user","content":"Question 0000000000"}"#);
    let tail = r#"],"model":"gpt-4o-mini","max_tokens":256}"#;
    let (open, close) = (r#",{"role":"user","content":""#, r#""}"#);
    while body.len() + open.len() + 12 * TURN.len() + close.len() + tail.len() < LARGE_BYTES {
        body.push_str(open);
        for _ in 0..12 {
            body.push_str(TURN);
        }
        body.push_str(close);
    }
    body.push_str(open);
    let missing = LARGE_BYTES - body.len() - close.len() - tail.len();
    body.extend(std::iter::repeat_n('.', missing));
    body.push_str(close);
    body.push_str(tail);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_bytes_have_the_sizes_the_method_names() {
        assert!((760..=800).contains(&COMPLETION.len()), "{}", COMPLETION.len());
        assert!((280..=300).contains(&EVENT.len()), "{}", EVENT.len());
        assert!((540..=660).contains(&small_body(false).len()), "{}", small_body(false).len());
        assert_eq!(large_body().len(), LARGE_BYTES);
    }

    #[test]
    fn every_body_is_json() {
        for text in [COMPLETION, FAILURE, &small_body(false), &small_body(true), &large_body()] {
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        }
        for text in [EVENT, EVENTS_END] {
            let first = text.split("\n\n").next().unwrap().strip_prefix("data: ").unwrap();
            serde_json::from_str::<serde_json::Value>(first).unwrap();
        }
    }

    #[test]
    fn the_receipt_follows_the_counter() {
        for kind in [Kind::Plain, Kind::Large] {
            let mut request = Request::new(kind, "h", 0, 0);
            for counter in [7, 1_234_567_890, 0] {
                let bytes = request.with(counter).to_vec();
                let body = &bytes[request.body_at..];
                assert_eq!(request.receipt(), receipt(body.len() as u64, sum(body)));
                assert!(memchr::memmem::find(body, format!("Question {counter:010}").as_bytes()).is_some());
            }
        }
    }
}
