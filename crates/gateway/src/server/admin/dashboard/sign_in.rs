//! Signing in: a browser shows the admin token once, in a form.

use std::time::Duration;

use askama::Template;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::super::Admin;
use super::super::query::pairs;
use super::super::reply::{self, Reply};
use super::super::session::NotIn;
use super::{Frame, page};

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 4 * 1024;
/// A form has arrived within this time.
const FORM_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of an address to go on to.
const NEXT_BYTES_MAX: usize = 1_024;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    next: String,
    wrong: Option<String>,
}

impl Admin {
    /// The form. Where no token is set there is nothing to sign in to.
    pub(super) fn sign_in_page(&self, query: Option<&str>, headers: &HeaderMap) -> Reply {
        let next = next(&pairs(query));
        if self.guard.token.is_none() || self.guard.sessions.holds(headers) {
            return reply::see_other(&next);
        }
        page(&SignIn { frame: self.frame("Sign in", "", "", headers), next, wrong: None })
    }

    /// The form, filled in.
    pub(super) async fn sign_in(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let form = timeout(FORM_WITHIN, Limited::new(body, FORM_BYTES_MAX).collect()).await;
        let Ok(Ok(form)) = form else {
            let says = format!("A form of {FORM_BYTES_MAX} bytes at most is wanted.");
            return self.said(StatusCode::BAD_REQUEST, &head.headers, &says, "");
        };
        let form = form.to_bytes();
        let fields = pairs(std::str::from_utf8(&form).ok());
        let token = fields.iter().find(|(name, _)| name == "token").map_or("", |(_, value)| value.trim());
        let next = next(&fields);
        let (status, wrong, wait) = match self.guard.sessions.sign_in(self.guard.is_token(token)) {
            Ok(cookie) => {
                let mut reply = reply::see_other(&next);
                reply.headers_mut().insert(header::SET_COOKIE, cookie);
                return reply;
            }
            Err(NotIn::Wrong) => {
                (StatusCode::UNAUTHORIZED, "This is not the admin token of this gateway.".to_owned(), None)
            }
            Err(NotIn::TooMany(wait)) => {
                let seconds = wait.as_secs() + 1;
                let says = format!("Too many wrong tokens: try again in {seconds} s.");
                (StatusCode::TOO_MANY_REQUESTS, says, Some(seconds))
            }
        };
        let mut reply = page(&SignIn { frame: self.frame("Sign in", "", "", &head.headers), next, wrong: Some(wrong) });
        *reply.status_mut() = status;
        if let Some(seconds) = wait {
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }
}

/// Where to go on to: a place on this side, else its beginning.
fn next(fields: &[(String, String)]) -> String {
    let next = fields.iter().find(|(name, _)| name == "next").map_or("/", |(_, value)| value);
    let is_own = next.len() <= NEXT_BYTES_MAX
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_own { next.to_owned() } else { "/".to_owned() }
}

/// Where a page that wants the token sends a browser.
pub(in super::super) fn ask_for_token(path_and_query: &str) -> Reply {
    reply::see_other(&format!("/login?next={}", super::words::segment(path_and_query)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        let long = format!("/{}", "a".repeat(NEXT_BYTES_MAX));
        let elsewhere =
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a b", "/a\r\nb: c", "/é", &long];
        for given in elsewhere {
            assert_eq!(next(&[("next".to_owned(), given.to_owned())]), "/", "{given:?}");
        }
        let own = "/failures?since=1h&model=a%2Fb";
        assert_eq!(next(&[("next".to_owned(), own.to_owned())]), own);
        assert_eq!(next(&[]), "/");
    }
}
