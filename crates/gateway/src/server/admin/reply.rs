//! Answers of the admin side: text and JSON, with the headers that every one of them carries.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use schemars::JsonSchema;
use serde::Serialize;

use super::guard::Refusal;
use crate::observe::journal::plain::{is_active, json_line};

/// An answer.
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// What every answer carries: nothing of it is kept, framed, guessed at, or told to other sites.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The type of an answer that goes on.
pub(super) const EVENTS: &str = "text/event-stream";

/// What went wrong, for programs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct Failed {
    /// In words.
    pub(super) error: String,
    /// The parameter at fault, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameter: Option<String>,
}

/// An answer of this type.
pub(super) fn of(status: StatusCode, content_type: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// Whether an answer goes on until one side ends it.
pub(super) fn is_stream(reply: &Reply) -> bool {
    reply.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == EVENTS)
}

/// Lines for people.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    of(status, "text/plain; charset=utf-8", Full::new(body.into()).boxed_unsync())
}

/// A document that is already in its form.
pub(super) fn document(media: &'static str, body: String) -> Reply {
    of(StatusCode::OK, media, Full::new(body.into()).boxed_unsync())
}

/// A page for people. What was escaped for HTML may still turn the reading order, or be invisible: it is replaced.
pub(super) fn page(html: &str) -> Reply {
    let visible = |c: char| if is_active(c) && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    let html: String = html.chars().map(visible).collect();
    of(StatusCode::OK, "text/html; charset=utf-8", Full::new(html.into()).boxed_unsync())
}

/// Sends a browser on to another page of this side. What cannot be in a header leads to the beginning.
pub(super) fn see_other(path: &str) -> Reply {
    let mut reply = text(StatusCode::SEE_OTHER, "");
    let place = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
    reply.headers_mut().insert(header::LOCATION, place);
    reply
}

/// One line of JSON. Nothing in it moves a cursor or turns the reading order.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // Strings and numbers go in: writing them cannot fail.
    let line = json_line(value).unwrap_or_default();
    of(status, "application/json", Full::new(line.into()).boxed_unsync())
}

/// What went wrong, as JSON.
pub(super) fn failed(status: StatusCode, error: impl Into<String>) -> Reply {
    json(status, &Failed { error: error.into(), parameter: None })
}

/// What is wrong with a parameter. Its name came from outside, as did some of the words: JSON keeps them inert.
pub(super) fn bad(parameter: String, error: String) -> Reply {
    json(StatusCode::BAD_REQUEST, &Failed { error, parameter: Some(parameter) })
}

/// Why a request may not; for programs below `/api/`.
pub(super) fn refused(why: Refusal, is_api: bool) -> Reply {
    let (status, says) = match why {
        Refusal::Host => (StatusCode::FORBIDDEN, "the host that this request names is not this machine"),
        Refusal::Token => (StatusCode::UNAUTHORIZED, "this needs the admin token: Authorization: Bearer …"),
        Refusal::Site => (StatusCode::FORBIDDEN, "web pages of other sites may not do this"),
    };
    let mut reply = if is_api { failed(status, says) } else { text(status, format!("{says}\n")) };
    if why == Refusal::Token {
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_has_nothing_in_it_that_turns_the_reading_order() {
        let body = page("<p>a\u{202e}b\u{200b}\u{1b}c</p>\n").into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "<p>a\u{fffd}b\u{fffd}\u{fffd}c</p>\n");
        assert_eq!(see_other("/a\r\nb: c").headers()[header::LOCATION], "/");
    }

    #[test]
    fn every_answer_carries_what_keeps_a_browser_from_harm() {
        let answers = [
            text(StatusCode::OK, "alive\n"),
            json(StatusCode::OK, &1),
            failed(StatusCode::NOT_FOUND, "no"),
            refused(Refusal::Host, true),
            refused(Refusal::Token, false),
            page("<p>a</p>"),
            see_other("/"),
        ];
        for answer in answers {
            for (name, value) in ALWAYS {
                assert_eq!(answer.headers()[&name], value, "{name}");
            }
        }
    }
}
