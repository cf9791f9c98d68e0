//! The handle that a provider's support asks for: found whatever the provider calls it.
//!
//! Only `x-request-id` is read by the official SDKs; Azure, Anthropic, Mistral and OpenRouter use
//! names of their own, and an edge that never reached the API has only its ray.

use http::HeaderMap;

/// The longest request id that is taken for one, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 256;

/// The headers that may carry a request id, the most telling first. `cf-ray` names a passage
/// through Cloudflare and not a request, so it is last.
pub const HEADERS: [&str; 9] = [
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-ms-request-id",
    "x-generation-id",
    "mistral-correlation-id",
    "x-kong-request-id",
    "x-amzn-requestid",
    "cf-ray",
];

/// The upstream's request id: the first of [`HEADERS`] that holds one.
///
/// An id is visible ASCII, not empty, at most [`REQUEST_ID_BYTES_MAX`] bytes; anything else is
/// passed over. Of two copies of a header the first counts.
#[must_use]
pub fn in_headers(headers: &HeaderMap) -> Option<&str> {
    HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok().filter(|id| is_id(id)))
}

/// Whether `text` can be a request id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    matches!(text.len(), 1..=REQUEST_ID_BYTES_MAX) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The request id that a message mentions: `req_` and at least 16 letters or digits, or what
/// follows "request id", at least 16 of them too.
#[must_use]
pub fn in_message(message: &str) -> Option<&str> {
    const MARKS: [(&str, bool); 4] =
        [("req_", true), ("request id ", false), ("request id: ", false), ("request id:", false)];
    let lower = message.to_ascii_lowercase();
    MARKS.iter().find_map(|&(mark, is_part)| {
        lower.match_indices(mark).find_map(|(at, _)| {
            let from = at + mark.len();
            let length = message[from..].bytes().take_while(u8::is_ascii_alphanumeric).count();
            let start = if is_part { at } else { from };
            let id = &message[start..from + length];
            (length >= 16 && is_id(id)).then_some(id)
        })
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        in_headers(&map).map(str::to_owned)
    }

    #[test]
    fn the_names_are_tried_in_order() {
        for (at, name) in HEADERS.iter().enumerate() {
            let mut map = HeaderMap::new();
            for (below, name) in HEADERS.iter().enumerate().skip(at) {
                map.insert(*name, HeaderValue::from_str(&format!("id-{below}")).unwrap());
            }
            assert_eq!(in_headers(&map), Some(&*format!("id-{at}")), "{name}");
        }
    }

    #[test]
    fn what_is_no_id_gives_way_to_the_next_header() {
        for not in ["", " ", "two words", "caf\u{e9}", &"x".repeat(REQUEST_ID_BYTES_MAX + 1)] {
            assert_eq!(found(&[("x-request-id", not), ("cf-ray", "8a00-IAD")]).as_deref(), Some("8a00-IAD"), "{not}");
        }
        let longest = "x".repeat(REQUEST_ID_BYTES_MAX);
        assert_eq!(found(&[("x-request-id", &longest)]), Some(longest));
    }

    #[test]
    fn of_two_copies_the_first_counts() {
        assert_eq!(found(&[("x-request-id", "req_a"), ("x-request-id", "req_b")]).as_deref(), Some("req_a"));
    }

    #[test]
    fn an_id_is_found_in_a_message() {
        let table = [
            (
                "include the request ID req_0123456789abcdef0123456789abcdef in your message.",
                Some("req_0123456789abcdef0123456789abcdef"),
            ),
            (
                "(Please include the request ID 0123456789abcdef0123456789abcdef in your message.)",
                Some("0123456789abcdef0123456789abcdef"),
            ),
            ("invalid schema (request id: 2025033015304288812345678)", Some("2025033015304288812345678")),
            ("Please include the request ID <id> in your message.", None),
            ("freq_1234", None),
            ("request id: req_12", None),
            ("\u{130}\u{130} request id: 0123456789abcdef", Some("0123456789abcdef")),
        ];
        for (message, expected) in table {
            assert_eq!(in_message(message), expected, "{message}");
        }
    }
}
