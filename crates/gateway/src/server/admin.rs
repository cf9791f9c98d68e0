//! The operators' door: health, numbers, incidents, and what status pages say.
//!
//! `/livez` says that the process turns, `/readyz` that it takes requests; both are open, and
//! neither depends on an upstream: if they did, one provider's outage would take the whole fleet
//! out of rotation. Everything else wants the admin token where one is set. Which pages there are, and who
//! may see each, is the table in [`routes`]; [`guard`] looks at every request before any page does.

mod dashboard;
mod failures;
mod groups;
mod guard;
mod incidents;
pub(crate) mod live;
pub(crate) mod openapi;
mod query;
mod record;
mod reply;
mod routes;
mod session;
mod summary;
mod upstreams;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use seawall_core::plan::policy::Policy;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::dashboard::{Stage, is_browser};
use self::guard::{Guard, Refusal};
use self::live::{LISTEN_MAX, Live};
use self::record::{Record, Unread};
use self::reply::{Reply, failed, text};
use self::routes::{Access, Found, Page, ROUTES, Route, Verb};
use self::session::Sessions;
use self::summary::Summary;
use self::upstreams::Upstreams;
use super::Server;
use crate::config::Secret;
use crate::observe::alert::States;
use crate::observe::exposition::Form;
use crate::observe::metrics::Readings;

/// Operators' connections at once.
const CONNECTIONS_MAX: usize = 256;
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// A connection to the admin side lasts this long at most, unless it is a listener's.
const CONNECTION_MAX: Duration = Duration::from_secs(300);
/// At the end, answers that are being sent have this long.
const GOODBYE_WITHIN: Duration = Duration::from_millis(250);
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// What answering needs.
struct Admin {
    server: Arc<Server>,
    guard: Guard,
    record: Record,
    live: Live,
    /// Where outages are rehearsed.
    stage: Stage,
}

/// Serves operators until `shutdown` changes.
pub(crate) async fn serve(
    server: Arc<Server>,
    token: Option<Secret>,
    policy: Policy,
    listener: TcpListener,
    mut shutdown: watch::Receiver<bool>,
) {
    // An address that cannot be told lets nobody in by another name than a loopback one.
    let own = listener.local_addr().unwrap_or_else(|_| ([127, 0, 0, 1], 0).into());
    let (guard, live) = (Guard { token, own, sessions: Sessions::default() }, Live::new(shutdown.clone()));
    let admin = Arc::new(Admin { server, guard, record: Record::default(), live, stage: Stage::new(policy) });
    let tending = admin.live.tend(&admin.server);
    tokio::pin!(tending);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|down| *down) => break,
            () = &mut tending => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, _)) if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(connection(Arc::clone(&admin), socket, shutdown.clone()));
            }
            Ok((socket, _)) => drop(socket),
            Err(_) => sleep(ACCEPT_REST).await,
        }
    }
    drop(listener);
    let _ = timeout(GOODBYE_WITHIN, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn connection(admin: Arc<Admin>, socket: TcpStream, shutdown: watch::Receiver<bool>) {
    let listens = Arc::new(AtomicBool::new(false));
    let is_listener = Arc::clone(&listens);
    let service = service_fn(move |request: Request<Incoming>| {
        let (admin, listens) = (Arc::clone(&admin), Arc::clone(&listens));
        async move {
            let reply = admin.answer(request).await;
            listens.store(reply::is_stream(&reply), Ordering::Relaxed);
            Ok::<_, Infallible>(reply)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(socket), service);
    let serving = until_shutdown(serving, shutdown);
    tokio::pin!(serving);
    // An operator's connection that fails concerns nobody else.
    if timeout(CONNECTION_MAX, serving.as_mut()).await.is_err() && is_listener.load(Ordering::Relaxed) {
        let _ = timeout(LISTEN_MAX, serving).await;
    }
}

/// Serves a connection to its end; when `shutdown` changes, what it is in the middle of is its last answer.
async fn until_shutdown<S>(
    serving: http1::Connection<TokioIo<TcpStream>, S>,
    mut shutdown: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = UnsyncBoxBody<Bytes, Infallible>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    tokio::pin!(serving);
    tokio::select! {
        served = serving.as_mut() => return served,
        _ = shutdown.wait_for(|down| *down) => {}
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}

impl Admin {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (path, headers) = (request.uri().path(), request.headers());
        let found = routes::find(request.method(), path);
        let (access, verb) = match &found {
            Found::Page { route, .. } => (route.access, route.verb),
            // What there is not is told to those alone who may know what there is.
            Found::OtherMethod(_) | Found::Nothing => (Access::Operator, Verb::Read),
        };
        if let Err(why) = self.guard.check(access, verb, headers) {
            if why == Refusal::Token && verb == Verb::Read && is_browser(headers) && !is_api(path) {
                return dashboard::ask_for_token(request.uri().path_and_query().map_or("/", |place| place.as_str()));
            }
            return reply::refused(why, is_api(path));
        }
        match found {
            Found::Page { route: &Route { page: Page::Act(act), .. }, id } => self.act(act, &id, request).await,
            Found::Page { route, id } => self.page(route.page, &id, &request).await,
            Found::OtherMethod(verb) => {
                let says = format!("only {}", verb.allows());
                let mut reply = no_page(StatusCode::METHOD_NOT_ALLOWED, path, &says);
                reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(verb.allows()));
                reply
            }
            Found::Nothing if is_browser(headers) && !is_api(path) => self.said(
                StatusCode::NOT_FOUND,
                headers,
                "There is no such page here.",
                "The bar above has those that there are.",
            ),
            Found::Nothing => no_page(StatusCode::NOT_FOUND, path, &format!("no such page; there are {}", pages())),
        }
    }

    async fn page(&self, page: Page, id: &str, request: &Request<Incoming>) -> Reply {
        let server = &*self.server;
        match page {
            Page::Live => text(StatusCode::OK, "alive\n"),
            Page::Ready => ready(server, request.uri().query()),
            Page::Screen(screen) => self.screen(screen, id, request).await,
            // It wants the body, and has been answered above.
            Page::Act(_) => text(StatusCode::METHOD_NOT_ALLOWED, ""),
            Page::Metrics => metrics(server, request.headers()),
            Page::Summary => reply::json(StatusCode::OK, &Summary::of(server)),
            Page::Status => reply::json(StatusCode::OK, &server.observe.pages.told(&server.client.breakers())),
            Page::Upstreams => reply::json(StatusCode::OK, &Upstreams::of(server, Some(&self.record)).await),
            Page::Listen => self.live.listen(server),
            Page::Failures => self.failures(request.uri().query()).await,
            Page::Groups => self.groups(request.uri().query()).await,
            Page::Request => self.requests(query::decoded(id)).await,
            Page::Alerts => {
                let receivers = server.observe.alerts.states();
                reply::json(StatusCode::OK, &States { receivers })
            }
            Page::OpenApi => reply::json(StatusCode::OK, &*openapi::DOCUMENT),
            Page::Incidents => self.incidents().await,
            Page::Incident => self.incident(query::decoded(id)).await,
            Page::Report => self.report(query::decoded(id), request.uri().query()).await,
            Page::Acknowledge => match incidents::acknowledge(&server.observe, id) {
                Some(acknowledged) => reply::json(StatusCode::OK, &acknowledged),
                None => failed(StatusCode::NOT_FOUND, "no incident with this id is open"),
            },
        }
    }
}

impl Admin {
    async fn failures(&self, query: Option<&str>) -> Reply {
        let asked = match failures::Asked::of(query, seawall::proxy::unix_micros()) {
            Ok(asked) => asked,
            Err(bad) => return reply::bad(bad.parameter, bad.why),
        };
        let path = self.server.observe.journal.path();
        found(self.record.read(path, move |reader| asked.read(reader)).await)
    }

    async fn groups(&self, query: Option<&str>) -> Reply {
        let asked = match groups::Asked::of(query, seawall::proxy::unix_micros()) {
            Ok(asked) => asked,
            Err(bad) => return reply::bad(bad.parameter, bad.why),
        };
        found(self.record.read(self.server.observe.journal.path(), move |reader| asked.read(reader)).await)
    }

    async fn incidents(&self) -> Reply {
        let observe = &self.server.observe;
        let read = self.record.read(observe.journal.path(), |reader| reader.incidents(i64::MIN, i64::MAX)).await;
        found(or_none(read).map(|rows| incidents::List::of(observe, rows)))
    }

    async fn incident(&self, id: String) -> Reply {
        let (observe, wanted) = (&self.server.observe, id.clone());
        let read = self.record.read(observe.journal.path(), move |reader| incidents::read(reader, &wanted)).await;
        match or_none(read).map(|on_record| incidents::whole(observe, on_record, &id)) {
            Ok(None) => failed(StatusCode::NOT_FOUND, "no incident with this id is on record"),
            Ok(Some(whole)) => reply::json(StatusCode::OK, &whole),
            Err(why) => found::<()>(Err(why)),
        }
    }

    async fn report(&self, id: String, query: Option<&str>) -> Reply {
        let Some(form) = incidents::Form::of(query) else {
            return reply::bad("format".to_owned(), "json or md".to_owned());
        };
        let observe = Arc::clone(&self.server.observe);
        let path = observe.journal.path().to_owned();
        let read = self.record.read(&path, move |reader| incidents::report(&observe, reader, &id, form)).await;
        match read {
            Ok(Some(report)) => reply::document(form.media(), report),
            Ok(None) => failed(StatusCode::NOT_FOUND, "no incident with this id is on record"),
            Err(why) => found::<()>(Err(why)),
        }
    }

    async fn requests(&self, id: String) -> Reply {
        let path = self.server.observe.journal.path();
        let read = self.record.read(path, move |reader| failures::Requests::read(reader, id.trim())).await;
        match read {
            Ok(none) if none.requests.is_empty() => failed(
                StatusCode::NOT_FOUND,
                "no request on record has this id: one that succeeded at once is not kept",
            ),
            read => found(read),
        }
    }
}

/// A journal that cannot be read has nothing: what is open is known without it.
fn or_none<T: Default>(read: Result<T, Unread>) -> Result<T, Unread> {
    match read {
        Err(Unread::Broken) => Ok(T::default()),
        read => read,
    }
}

/// What was read, or why nothing was.
fn found<T: serde::Serialize>(read: Result<T, Unread>) -> Reply {
    match read {
        Ok(found) => reply::json(StatusCode::OK, &found),
        Err(why) => failed(StatusCode::SERVICE_UNAVAILABLE, why.says()),
    }
}

fn is_api(path: &str) -> bool {
    path.starts_with("/api/")
}

/// The pages there are, without what changes something.
fn pages() -> String {
    let read = ROUTES.iter().filter(|route| route.verb == Verb::Read && route.path != "/");
    read.map(|route| route.path).collect::<Vec<_>>().join(" ")
}

fn no_page(status: StatusCode, path: &str, says: &str) -> Reply {
    if is_api(path) { failed(status, says) } else { text(status, format!("{says}\n")) }
}

fn ready(server: &Server, query: Option<&str>) -> Reply {
    let is_draining = server.is_draining();
    let status = if is_draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    if query.is_some_and(|q| q.split('&').any(|p| p.starts_with("verbose"))) {
        let journal = server.observe.journal.stats();
        let checks = json!({
            "ready": !is_draining,
            "config": "loaded",
            "listener": "up",
            "draining": is_draining,
            "journal": if journal.degraded { "degraded" } else { "ok" },
            "upstreams": server.client.upstream_names(),
        });
        return reply::json(status, &checks);
    }
    text(status, if is_draining { "draining\n" } else { "ready\n" })
}

fn metrics(server: &Server, asked: &HeaderMap) -> Reply {
    let journal = server.observe.journal.stats();
    let readings = Readings {
        breakers: server.client.breakers(),
        pages: server.observe.pages.indicators(seawall::proxy::unix_micros()),
        waiting: server.client.waiting(),
        budget_tokens: server.client.budget_tokens(),
        journal_rows: journal.rows,
        journal_dropped: journal.dropped,
        journal_late: journal.late,
        journal_degraded: journal.degraded,
        memory_held: server.memory.held(),
        incidents: server.observe.incidents.open(),
    };
    let accept = asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = Form::wanted(accept);
    let mut response = text(StatusCode::OK, form.of(&server.observe.metrics, &readings));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
