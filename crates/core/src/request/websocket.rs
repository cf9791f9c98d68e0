//! Whether a request asks for a WebSocket that is let through, and what its query says.
//!
//! A connection that switches protocols is out of everybody's sight, so the paths are a list, and
//! anything half-said (a body, no key, another protocol beside it) is a plain request: it goes on
//! without its upgrade.

use http::{HeaderMap, Method, header};

use super::{body, operation};

/// Whether `method` on `path` (without its query) with these headers asks for a WebSocket of the
/// API: the Realtime API's, or that of Responses. Only HTTP/1.1 can ask.
pub(super) fn is_asked(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is_listed = matches!(operation(path), (None, "realtime" | "realtime/translations" | "responses"));
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    method == Method::GET
        && is_listed
        && !has_body
        && only(headers, header::UPGRADE).is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
        && only(headers, header::SEC_WEBSOCKET_KEY).is_some()
        && headers.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok()).any(names_upgrade)
}

fn names_upgrade(connection: &str) -> bool {
    connection.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
}

/// The value of a header that came once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

/// The model that a query names: `model`, or Azure's `deployment`. Two of them are none.
pub(super) fn model(query: &str) -> Option<String> {
    let mut named = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        matches!(name, "model" | "deployment").then_some(value)
    });
    let first = named.next()?;
    if named.next().is_some() { None } else { body::model(&decoded(first)?) }
}

/// A query's value without its percent-encoding; `None` if that is broken or hides no text.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const ASKING: [(&str, &str); 3] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", "x3JJHMbDL1EzLkh9GBhXDw=="),
    ];

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_a_listed_path_can_ask() {
        for (method, path, is_one) in [
            (Method::GET, "/v1/realtime", true),
            (Method::GET, "/realtime/", true),
            (Method::GET, "/openai/v1/realtime", true),
            (Method::GET, "/openai/realtime", true),
            (Method::GET, "/v1/realtime/translations", true),
            (Method::GET, "/v1/responses", true),
            (Method::POST, "/v1/realtime", false),
            (Method::GET, "/v1/responses/resp_1", false),
            (Method::GET, "/v1/realtime/sessions", false),
            (Method::GET, "/openai/deployments/my-gpt/realtime", false),
            (Method::GET, "/v1/chat/completions", false),
            (Method::GET, "/", false),
        ] {
            assert_eq!(is_asked(&method, path, &headers(&ASKING)), is_one, "{method} {path}");
        }
    }

    #[test]
    fn what_is_half_said_is_a_plain_request() {
        let without = |name: &str| -> Vec<(&str, &str)> { ASKING.into_iter().filter(|(n, _)| *n != name).collect() };
        for name in ["connection", "upgrade", "sec-websocket-key"] {
            assert!(!is_asked(&Method::GET, "/v1/realtime", &headers(&without(name))), "without {name}");
        }
        for more in [
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ] {
            let pairs = [&ASKING[..], &[more]].concat();
            assert!(!is_asked(&Method::GET, "/v1/realtime", &headers(&pairs)), "with {more:?}");
        }
        let both = [("connection", "upgrade"), ("upgrade", "h2c, websocket"), ASKING[2]];
        assert!(!is_asked(&Method::GET, "/v1/realtime", &headers(&both)));
        let no_body = [&ASKING[..], &[("content-length", "0")]].concat();
        assert!(is_asked(&Method::GET, "/v1/realtime", &headers(&no_body)));
    }

    #[test]
    fn the_query_names_the_model_once() {
        for (query, found) in [
            ("model=gpt-realtime", Some("gpt-realtime")),
            ("intent=x&model=gpt%2Drealtime", Some("gpt-realtime")),
            ("api-version=2025&deployment=my-gpt", Some("my-gpt")),
            ("model=a&model=b", None),
            ("model=a&deployment=b", None),
            ("model=", None),
            ("model", None),
            ("model=a%0Ab", None),
            ("model=%zz", None),
            ("model=%f", None),
            ("model=%ff", None),
            ("call_id=rtc_1", None),
        ] {
            assert_eq!(model(query).as_deref(), found, "{query}");
        }
    }
}
