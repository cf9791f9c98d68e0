//! Requests of the same form: what "requests like this one" means.
//!
//! Latencies, cliffs and oversize limits are learnt per shape. Sizes count by their power of two,
//! so that a shape is met often enough to learn from and still tells 4 KiB from 4 MiB.

use std::fmt;

use super::{Effort, Endpoint, Request};

/// The form of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The operation.
    pub endpoint: Endpoint,
    /// The model, if it is known.
    pub model: Option<Box<str>>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The power of two at or below the body's bytes; 0 for an empty body.
    pub bytes_log2: u8,
    /// The power of two at or below the limit on tokens; `None` where no limit is set.
    pub max_tokens_log2: Option<u8>,
    /// Whether there are tools.
    pub tools: bool,
    /// Whether there are images.
    pub images: bool,
    /// How hard the model is to think, if that is said.
    pub effort: Option<Effort>,
}

impl Shape {
    /// The size of `number` as a shape tells it: the power of two at or below it, 0 for 0.
    #[must_use]
    pub fn power_of(number: u64) -> u8 {
        log2(number)
    }

    /// The shape of `request`.
    #[must_use]
    pub fn of(request: &Request) -> Shape {
        Shape {
            endpoint: request.endpoint,
            model: request.model.as_deref().map(Box::from),
            stream: request.stream,
            bytes_log2: log2(request.body_bytes),
            max_tokens_log2: request.max_tokens.map(log2),
            tools: request.tools > 0,
            images: request.images,
            effort: request.effort,
        }
    }
}

/// Rounded down; 0 for 0.
fn log2(number: u64) -> u8 {
    u8::try_from(number.checked_ilog2().unwrap_or(0)).expect("a u64 has 64 bits")
}

impl fmt::Display for Shape {
    /// `chat_completions/gpt-4o/stream/2^12/max 2^10/tools/images/effort high`: the same for the same shape, always.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model.as_deref().unwrap_or("-");
        let form = if self.stream { "stream" } else { "whole" };
        write!(f, "{}/{model}/{form}/2^{}", self.endpoint, self.bytes_log2)?;
        if let Some(power) = self.max_tokens_log2 {
            write!(f, "/max 2^{power}")?;
        }
        f.write_str(if self.tools { "/tools" } else { "" })?;
        f.write_str(if self.images { "/images" } else { "" })?;
        self.effort.map_or(Ok(()), |effort| write!(f, "/effort {effort}"))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    fn shape(body: &str) -> Shape {
        let body = body.as_bytes();
        let headers = HeaderMap::new();
        Shape::of(&Request::of(&Method::POST, "/v1/chat/completions", &headers, Some(body), body.len() as u64))
    }

    #[test]
    fn a_shape_has_one_short_text() {
        let prompt = "x".repeat(4096);
        for (body, text) in [
            (
                format!(r#"{{"model":"gpt-4o","stream":true,"tools":[{{}}],"user":"{prompt}"}}"#),
                "chat_completions/gpt-4o/stream/2^12/tools",
            ),
            (r#"{"model":"o3","max_tokens":1500}"#.to_owned(), "chat_completions/o3/whole/2^5/max 2^10"),
            ("{}".to_owned(), "chat_completions/-/whole/2^1"),
            (
                r#"{"reasoning_effort":"high","messages":[{"type":"image_url"}]}"#.to_owned(),
                "chat_completions/-/whole/2^5/images/effort high",
            ),
            (String::new(), "chat_completions/-/whole/2^0"),
        ] {
            assert_eq!(shape(&body).to_string(), text);
        }
    }

    #[test]
    fn sizes_within_a_power_of_two_are_one_shape() {
        assert_eq!(shape(r#"{"model":"a","user":"bcd"}"#), shape(r#"{"model":"a","user":"bcdefg"}"#));
        assert_eq!([0, 1, 2, 3, 4, u64::MAX].map(log2), [0, 0, 1, 1, 2, 63]);
    }
}
