//! Asking a status page: one GET, to the host that is configured and to no other.
//!
//! A page is no upstream: no key goes there, it is not followed anywhere, and it gets ten seconds and
//! two megabytes. The form that answered last is asked first; if it is gone (404, a web page, another
//! shape) the other one is asked, since providers move from one to the other without a word.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::HeaderName;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use seawall::proxy::Dialer;
use seawall::{BuildError, Upstream};
use tokio::time::{Instant, timeout_at};

use super::document::text;
use super::{Form, Page, Unread, read};

/// Name, connection and TLS are there within this time.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// An answer is there, to its last byte, within this time.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A larger answer is not read to its end.
pub(crate) const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The largest head that is read, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A longer ETag is not kept.
const ETAG_BYTES_MAX: usize = 256;
/// Where Statuspage's form is.
const SUMMARY: &str = "/api/v2/summary.json";

/// A page, and the way there.
pub(crate) struct Site {
    /// Its address, as configured.
    page: Uri,
    dialer: Dialer,
    /// [`ANSWER_WITHIN`], but for tests.
    answer_within: Duration,
}

/// What a poll leaves for the next one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// The form that answered, what it said, and the tag it said it under.
    last: Option<(Form, Arc<Page>, Option<HeaderValue>)>,
}

/// Why a page says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No connection.
    Connect(String),
    /// The connection broke off.
    Broken(String),
    /// It took too long.
    Late,
    /// It is somewhere else now: the host it names, if it names one.
    Moved(u16, Option<String>),
    /// Another status than 200.
    Status(u16),
    /// A web page, or something else that is no JSON.
    NotJson,
    /// JSON that is no status page.
    OtherShape,
    /// More than is read.
    TooLarge,
    /// It is compressed, unasked.
    Compressed,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Connect(why) => write!(f, "cannot be reached: {why}"),
            Trouble::Broken(why) => write!(f, "broke off: {why}"),
            Trouble::Late => write!(f, "has not answered within {} s", ANSWER_WITHIN.as_secs()),
            Trouble::Moved(status, Some(host)) => {
                write!(f, "leads to {host} ({status}), which is not followed: set `status_page` to the new address")
            }
            Trouble::Moved(status, None) => write!(f, "leads elsewhere ({status}), which is not followed"),
            Trouble::Status(status) => write!(f, "answers {status}"),
            Trouble::NotJson => f.write_str("answers something that is no JSON: it may have moved to another form"),
            Trouble::OtherShape => f.write_str("answers JSON that is no status page's"),
            Trouble::TooLarge => write!(f, "answers more than {} MiB", BODY_BYTES_MAX >> 20),
            Trouble::Compressed => f.write_str("answers in a compressed form, unasked"),
        }
    }
}

impl Trouble {
    /// Whether the page may answer in the other form.
    fn is_of_the_form(&self) -> bool {
        matches!(self, Trouble::NotJson | Trouble::OtherShape | Trouble::Status(400 | 404 | 405 | 406 | 410))
    }
}

impl From<Unread> for Trouble {
    fn from(unread: Unread) -> Trouble {
        match unread {
            Unread::NotJson => Trouble::NotJson,
            Unread::OtherShape => Trouble::OtherShape,
        }
    }
}

impl Site {
    /// The page at `settings.base`, by its proxy and its certificate authorities. An address that ends
    /// in `.json` is asked as it is; to any other the paths of the known forms are added.
    ///
    /// # Errors
    /// When it has no usable address or certificates.
    pub(crate) fn new(settings: &Upstream) -> Result<Site, BuildError> {
        let dialer = Dialer::to(settings)?;
        Ok(Site { page: settings.base.clone(), dialer, answer_within: ANSWER_WITHIN })
    }

    /// Asks the page. What it said, and whether that is new; in both cases with what the next poll needs.
    pub(crate) async fn look(&self, memory: Memory) -> (Memory, Result<Arc<Page>, Trouble>) {
        if self.is_exact() {
            return self.ask(Form::Statuspage, memory).await;
        }
        let forms = match memory.last {
            Some((Form::Native, ..)) => [Form::Native, Form::Statuspage],
            _ => [Form::Statuspage, Form::Native],
        };
        let (memory, first) = self.ask(forms[0], memory).await;
        match first {
            Err(trouble) if trouble.is_of_the_form() => {
                let (memory, second) = self.ask(forms[1], memory).await;
                // The page is what was asked for; of its other form nobody needs to hear.
                (memory, second.map_err(|other| if other.is_of_the_form() { trouble } else { other }))
            }
            first => (memory, first),
        }
    }

    fn is_exact(&self) -> bool {
        self.page.path().ends_with(".json")
    }

    /// What to ask for.
    fn path(&self, form: Form) -> Option<PathAndQuery> {
        let prefix = self.page.path().trim_end_matches('/');
        let path = match form {
            _ if self.is_exact() => self.page.path().to_owned(),
            Form::Statuspage => format!("{prefix}{SUMMARY}"),
            Form::Native => format!("{prefix}/proxy/{}", self.page.host()?),
        };
        path.try_into().ok()
    }

    async fn ask(&self, form: Form, memory: Memory) -> (Memory, Result<Arc<Page>, Trouble>) {
        let known = memory.last.as_ref().filter(|(last, ..)| *last == form);
        let tag = known.and_then(|(.., tag)| tag.clone());
        let until = now() + self.answer_within;
        let answer = match timeout_at(until, self.get(form, tag)).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Late),
        };
        let read = answer.and_then(|answer| match (answer, known) {
            (Answer::Unchanged, Some((_, page, _))) => Ok((Arc::clone(page), None)),
            (Answer::Unchanged, None) => Err(Trouble::Status(StatusCode::NOT_MODIFIED.as_u16())),
            (Answer::Body(body, tag), _) => Ok((Arc::new(read(&body, &self.page)?.0), Some(tag))),
        });
        match read {
            Ok((page, None)) => (memory, Ok(page)),
            Ok((page, Some(tag))) => (Memory { last: Some((form, Arc::clone(&page), tag)) }, Ok(page)),
            Err(trouble) => (memory, Err(trouble)),
        }
    }

    async fn get(&self, form: Form, tag: Option<HeaderValue>) -> Result<Answer, Trouble> {
        let Some(path) = self.path(form) else { return Err(Trouble::Connect("its address has no host".into())) };
        get(&self.dialer, &path, tag.map(|tag| (header::IF_NONE_MATCH, tag))).await
    }
}

/// One GET of JSON over a connection of its own, with one more header. Whoever asks bounds its time.
pub(crate) async fn get(
    dialer: &Dialer,
    path: &PathAndQuery,
    more: Option<(HeaderName, HeaderValue)>,
) -> Result<Answer, Trouble> {
    ask(dialer, Method::GET, path, more).await
}

/// The same with any method, without a body.
pub(crate) async fn ask(
    dialer: &Dialer,
    method: Method,
    path: &PathAndQuery,
    more: Option<(HeaderName, HeaderValue)>,
) -> Result<Answer, Trouble> {
    let (response, mut line) = Line::send(dialer, method, path, "application/json", more).await?;
    line.during(answer(response)).await
}

/// A connection that carries one request and its answer.
pub(crate) struct Line {
    /// Dropping it would say that nothing else is wanted, while the answer is on its way.
    _sender: SendRequest<Empty<Bytes>>,
    /// Until it ends, which its last byte may outlive.
    connection: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Line {
    /// Sends the request; the head of its answer, whatever that is.
    pub(crate) async fn send(
        dialer: &Dialer,
        method: Method,
        path: &PathAndQuery,
        accept: &'static str,
        more: Option<(HeaderName, HeaderValue)>,
    ) -> Result<(hyper::Response<Incoming>, Line), Trouble> {
        let (uri, mut headers) = dialer.aimed(path);
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let agent = HeaderValue::from_static(concat!("seawall/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, agent);
        headers.extend(more);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;

        let wire = dialer.connect(now() + CONNECT_WITHIN).await.map_err(|(_, why)| Trouble::Connect(said(&why)))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|error| broken(&error))?;
        let response = sender.send_request(request);
        // Why it ended is told by whoever waits for the answer.
        let moved = async { drop(connection.await) };
        let mut line = Line { _sender: sender, connection: Some(Box::pin(moved)) };
        let response = line.during(response).await.map_err(|error| broken(&error))?;
        Ok((response, line))
    }

    /// Does `work`, which needs the connection to move.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        if let Some(connection) = &mut self.connection {
            tokio::select! {
                done = &mut work => return done,
                _ = connection.as_mut() => {}
            }
        }
        self.connection = None;
        work.await
    }
}

/// The connection broke off.
pub(crate) fn broken(error: &hyper::Error) -> Trouble {
    Trouble::Broken(said(&error.to_string()))
}

/// What came back.
pub(crate) enum Answer {
    /// What was said under the tag that was sent along still holds.
    Unchanged,
    /// What it says, and under which tag.
    Body(Bytes, Option<HeaderValue>),
}

async fn answer(response: hyper::Response<Incoming>) -> Result<Answer, Trouble> {
    let (head, mut body) = response.into_parts();
    match head.status {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(Answer::Unchanged),
        status if status.is_redirection() => return Err(Trouble::Moved(status.as_u16(), host(&head.headers))),
        status => return Err(Trouble::Status(status.as_u16())),
    }
    let is = |name: header::HeaderName, fits: &dyn Fn(&str) -> bool| {
        head.headers.get(name).is_none_or(|value| value.to_str().is_ok_and(|v| fits(&v.to_ascii_lowercase())))
    };
    if !is(header::CONTENT_TYPE, &|kind| kind.contains("json")) {
        return Err(Trouble::NotJson);
    }
    if !is(header::CONTENT_ENCODING, &|coding| coding.trim() == "identity") {
        return Err(Trouble::Compressed);
    }
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > BODY_BYTES_MAX {
            return Err(Trouble::TooLarge);
        }
        all.extend_from_slice(&data);
    }
    let tag = head.headers.get(header::ETAG).filter(|tag| tag.len() <= ETAG_BYTES_MAX).cloned();
    Ok(Answer::Body(all.freeze(), tag))
}

/// The host that a redirect leads to, if it says one that is a host.
fn host(headers: &HeaderMap) -> Option<String> {
    let location: Uri = headers.get(header::LOCATION)?.to_str().ok()?.parse().ok()?;
    location.host().and_then(text)
}

fn said(why: &str) -> String {
    text(why).unwrap_or_else(|| "no reason given".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a poll owns its wait")]
fn now() -> Instant {
    Instant::from_std(std::time::Instant::now())
}

#[cfg(test)]
mod tests;
