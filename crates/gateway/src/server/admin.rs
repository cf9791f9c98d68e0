//! The operators' door: health, numbers, incidents, and what status pages say.
//!
//! `/livez` says that the process turns, `/readyz` that it takes requests; both are open, and
//! neither depends on an upstream: if they did, one provider's outage would take the whole fleet
//! out of rotation. Everything else wants the admin token where one is set.

mod incidents;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Server;
use crate::config::Secret;
use crate::observe::exposition::Form;
use crate::observe::journal::plain::json_line;
use crate::observe::metrics::Readings;

/// Operators' connections at once.
const CONNECTIONS_MAX: usize = 256;
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// A connection to the admin side lasts this long at most.
const CONNECTION_MAX: Duration = Duration::from_secs(300);
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The journal is read within this time, or it is said that it cannot be.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What there is.
macro_rules! pages {
    () => {
        "/livez /readyz /metrics /api/v1/status /api/v1/incidents /api/v1/incidents/ID/report /api/v1/alerts"
    };
}

/// Serves operators until `shutdown` changes.
pub(crate) async fn serve(
    server: Arc<Server>,
    token: Option<Secret>,
    listener: TcpListener,
    mut shutdown: watch::Receiver<bool>,
) {
    let token = Arc::new(token);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|down| *down) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, _)) if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(connection(Arc::clone(&server), Arc::clone(&token), socket));
            }
            Ok((socket, _)) => drop(socket),
            Err(_) => sleep(ACCEPT_REST).await,
        }
    }
    connections.shutdown().await;
}

async fn connection(server: Arc<Server>, token: Arc<Option<Secret>>, socket: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, token) = (Arc::clone(&server), Arc::clone(&token));
        async move { Ok::<_, Infallible>(answer(&server, token.as_ref().as_ref(), &request).await.map(Full::new)) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(socket), service);
    // An operator's connection that fails concerns nobody else.
    let _ = timeout(CONNECTION_MAX, serving).await;
}

async fn answer(server: &Arc<Server>, token: Option<&Secret>, request: &Request<Incoming>) -> Response<Bytes> {
    let path = request.uri().path();
    match path {
        "/livez" => return text(StatusCode::OK, "alive\n"),
        "/readyz" | "/healthz" => return ready(server, request.uri().query()),
        _ => {}
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    if let Some(token) = token
        && !given.and_then(|v| v.strip_prefix("Bearer ")).is_some_and(|given| token.is(given.as_bytes()))
    {
        return text(StatusCode::UNAUTHORIZED, "this needs the admin token: Authorization: Bearer …\n");
    }
    if let Some(rest) = path.strip_prefix(incidents::PATH) {
        return of_incidents(server, request, rest).await;
    }
    match path {
        _ if request.method() != Method::GET => text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n"),
        "/metrics" => metrics(server, request.headers()),
        "/api/v1/status" => status(server),
        "/api/v1/alerts" => json(StatusCode::OK, &json!({ "receivers": server.observe.alerts.states() })),
        "/" => text(StatusCode::OK, concat!("seawall admin: ", pages!(), "\n")),
        _ => text(StatusCode::NOT_FOUND, concat!("no such page; there are ", pages!(), "\n")),
    }
}

/// `/api/v1/incidents`, and what is below it.
async fn of_incidents(server: &Arc<Server>, request: &Request<Incoming>, rest: &str) -> Response<Bytes> {
    let below = rest.strip_prefix('/').map(|rest| rest.split_once('/').map_or((rest, ""), |(id, verb)| (id, verb)));
    let observe = Arc::clone(&server.observe);
    let reading: Box<dyn FnOnce() -> Option<Response<Bytes>> + Send> = match (request.method(), below) {
        (&Method::GET, None | Some(("", ""))) if rest.len() < 2 => {
            Box::new(move || Some(json(StatusCode::OK, &incidents::list(&observe))))
        }
        (&Method::GET, Some((id, ""))) => {
            let id = id.to_owned();
            Box::new(move || incidents::one(&observe, &id).map(|found| json(StatusCode::OK, &found)))
        }
        (&Method::GET, Some((id, "report"))) => {
            let Some(form) = incidents::Form::of(request.uri().query()) else {
                return text(StatusCode::BAD_REQUEST, "format is json or md\n");
            };
            let id = id.to_owned();
            Box::new(move || incidents::report(&observe, &id, form).map(|found| document(&found, form.media())))
        }
        (&Method::POST, Some((_, "acknowledge"))) if incidents::is_cross_site(request.headers()) => {
            return text(StatusCode::FORBIDDEN, "web pages of other sites may not do this\n");
        }
        (&Method::POST, Some((id, "acknowledge"))) => {
            let (status, said) = incidents::acknowledge(&observe, id);
            return json(status, &said);
        }
        (&Method::GET, _) => return text(StatusCode::NOT_FOUND, concat!("no such page; there are ", pages!(), "\n")),
        _ => return text(StatusCode::METHOD_NOT_ALLOWED, "only GET, and POST …/ID/acknowledge\n"),
    };
    let read = tokio::task::spawn_blocking(reading);
    match timeout(READ_WITHIN, read).await {
        Ok(Ok(Some(found))) => found,
        Ok(Ok(None)) => json(StatusCode::NOT_FOUND, &json!({ "error": "no incident with this id is on record" })),
        Ok(Err(_)) | Err(_) => {
            json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "the journal cannot be read now" }))
        }
    }
}

fn status(server: &Server) -> Response<Bytes> {
    json(StatusCode::OK, &server.observe.pages.told(&server.client.breakers()))
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Bytes> {
    // Strings and numbers go in: writing them cannot fail.
    let mut response = text(status, &json_line(value).unwrap_or_default());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A document that is already in its form.
fn document(body: &str, media: &'static str) -> Response<Bytes> {
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    // Nothing in it is for a browser to guess about.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn ready(server: &Server, query: Option<&str>) -> Response<Bytes> {
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
        let mut response = text(status, &format!("{checks}\n"));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return response;
    }
    text(status, if is_draining { "draining\n" } else { "ready\n" })
}

fn metrics(server: &Server, asked: &HeaderMap) -> Response<Bytes> {
    let journal = server.observe.journal.stats();
    let readings = Readings {
        breakers: server.client.breakers(),
        pages: server.observe.pages.indicators(seawall::unix_micros()),
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
    let mut response = text(StatusCode::OK, &form.of(server.observe.metrics.text(&readings)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

fn text(status: StatusCode, body: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("content-security-policy", HeaderValue::from_static("default-src 'self'"));
    response
}
