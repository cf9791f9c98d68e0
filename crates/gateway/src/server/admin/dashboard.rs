//! The dashboard: what the admin side knows, as pages for people.
//!
//! Every page is whole when it comes: text, tables and charts are made here, from the very values that the API
//! answers with, so that a page works without a script and cannot say something else than the API. One small script
//! of our own listens to `/api/v1/live` and takes in, from the same page fetched anew, the parts that are marked. Names
//! in a page were chosen by others: templates escape them, and [`reply::page`] lets nothing through that turns the reading order.
//! There is no prompt and no answer in any of it: the record has none.

mod assets;
mod failures;
mod groups;
mod incidents;
mod now;
mod rehearse;
mod request;
mod sign_in;
mod upstreams;
mod words;

use askama::Template;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;

use super::reply::{self, Reply};
use super::{Admin, incidents as told, query};

pub(super) use rehearse::Stage;
pub(super) use sign_in::ask_for_token;

/// A page that people look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    Now,
    Upstreams,
    Failures,
    Groups,
    Find,
    Request,
    Incidents,
    Incident,
    Rehearse,
    Asset,
    SignIn,
}

/// What a form does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    SignIn,
    SignOut,
    Acknowledge,
}

/// What is around every page.
struct Frame {
    /// Its name.
    title: String,
    /// The address of the page in the bar that it belongs to.
    here: &'static str,
    /// The events of `/api/v1/live` after which it is no longer true; empty of a page that stays true.
    live: &'static str,
    /// Whether there is somebody to sign out.
    can_sign_out: bool,
}

/// The pages in the bar.
const PAGES: [(&str, &str); 6] = [
    ("/", "Now"),
    ("/upstreams", "Upstreams"),
    ("/failures", "Failures"),
    ("/groups", "Groups"),
    ("/incidents", "Incidents"),
    ("/rehearse", "Rehearse"),
];

impl Frame {
    fn pages(&self) -> &'static [(&'static str, &'static str)] {
        &PAGES
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// A page that only says something.
#[derive(Template)]
#[template(path = "said.html")]
struct Said {
    frame: Frame,
    says: String,
    hint: &'static str,
}

impl Admin {
    /// A page for people.
    pub(super) async fn screen(&self, screen: Screen, id: &str, request: &Request<Incoming>) -> Reply {
        let (query, headers) = (request.uri().query(), request.headers());
        match screen {
            Screen::Now => self.now(headers).await,
            Screen::Upstreams => self.upstreams_page(headers).await,
            Screen::Failures => self.failures_page(query, headers).await,
            Screen::Groups => self.groups_page(query, headers).await,
            Screen::Find => self.find(query, headers),
            Screen::Request => self.request_page(query::decoded(id), headers).await,
            Screen::Incidents => self.incidents_page(headers).await,
            Screen::Incident => self.incident_page(query::decoded(id), headers).await,
            Screen::Rehearse => self.rehearse(query, headers).await,
            Screen::Asset => assets::of(id),
            Screen::SignIn => self.sign_in_page(query, headers),
        }
    }

    /// What a form was sent for.
    pub(super) async fn act(&self, act: Act, id: &str, request: Request<Incoming>) -> Reply {
        match act {
            Act::SignIn => self.sign_in(request).await,
            Act::SignOut => {
                let mut reply = reply::see_other("/login");
                reply.headers_mut().insert(header::SET_COOKIE, self.guard.sessions.sign_out(request.headers()));
                reply
            }
            Act::Acknowledge => match told::acknowledge(&self.server.observe, &query::decoded(id)) {
                Some(_) => reply::see_other(&format!("/incidents/{id}")),
                None => self.said(StatusCode::NOT_FOUND, request.headers(), "No incident with this id is open.", ""),
            },
        }
    }

    fn frame(&self, title: impl Into<String>, here: &'static str, live: &'static str, headers: &HeaderMap) -> Frame {
        Frame { title: title.into(), here, live, can_sign_out: self.guard.sessions.holds(headers) }
    }

    /// A page that says why there is no other.
    pub(super) fn said(&self, status: StatusCode, headers: &HeaderMap, says: &str, hint: &'static str) -> Reply {
        let title = status.canonical_reason().unwrap_or("Not here");
        let mut reply = page(&Said { frame: self.frame(title, "", "", headers), says: says.to_owned(), hint });
        *reply.status_mut() = status;
        reply
    }
}

/// The page that a template makes.
fn page(template: &impl Template) -> Reply {
    match template.render() {
        Ok(html) => reply::page(&html),
        // Writing to a string cannot fail, and no template calls what can.
        Err(_) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be made\n"),
    }
}

/// Whether a browser asks, and not a program.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    accept.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_from_a_program() {
        let with = |accept: &str| HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        assert!(is_browser(&with("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(is_browser(&with("application/json, text/html;q=0.5")));
        assert!(!is_browser(&with("*/*")) && !is_browser(&HeaderMap::new()));
    }
}
