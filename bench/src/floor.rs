//! The least a gateway on this stack can do, so that everything above it has a price.
//!
//! hyper's HTTP/1 server, hyper-util's pooled client, hop-by-hop headers stripped, bodies streamed;
//! nothing is read, kept, counted or tried again. Built with the same profile as `seawall`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use http::uri::{Authority, Scheme};
use http::{StatusCode, Uri};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:9101")]
    listen: SocketAddr,
    /// Where everything goes
    #[arg(long, default_value = "127.0.0.1:9100")]
    upstream: SocketAddr,
    /// End by itself after this many seconds
    #[arg(long, default_value_t = 900)]
    seconds: u64,
}

const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Passes requests on until `--seconds` have passed.
pub(crate) async fn run(options: Options) -> io::Result<()> {
    let authority: Authority = options.upstream.to_string().parse().map_err(io::Error::other)?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let listener = TcpListener::bind(options.listen).await?;
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (client, authority) = (client.clone(), authority.clone());
            let service = hyper::service::service_fn(move |request| pass(client.clone(), authority.clone(), request));
            tokio::task::spawn_local(
                hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    };
    tokio::time::timeout(Duration::from_secs(options.seconds), serve).await.unwrap_or(Ok(()))
}

type Passed = Response<http_body_util::Either<Incoming, http_body_util::Empty<bytes::Bytes>>>;

async fn pass(
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
    mut request: Request<Incoming>,
) -> Result<Passed, Infallible> {
    strip(request.headers_mut());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(authority));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    let Ok(mut response) = client.request(request).await else {
        let mut answer = Response::new(http_body_util::Either::Right(http_body_util::Empty::new()));
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        return Ok(answer);
    };
    strip(response.headers_mut());
    Ok(response.map(http_body_util::Either::Left))
}

fn strip(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
