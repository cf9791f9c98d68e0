//! The client as a [`tower::Service`](tower_service::Service), and as a layer over an HTTP client that a program has already.
//!
//! tower's own retry, timeout and limit do not come along, and should not be put around: the client retries, and knows a
//! deadline and a budget.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::Either;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::BodyError;
use crate::client::Client;
use crate::error::Error;
use crate::response_body::ResponseBody;

/// A failure of the client, or of what it is layered over.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Answered<B, E> = Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

static SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Always ready: what bounds the requests under way is the caller's to choose, with a limit around it.
///
/// What an upstream worded is a response, whatever its status, so that the program above reads it as it would without
/// Seawall; it carries `x-should-retry: false`, because everything that helps has been tried. What no upstream worded is the
/// [`Error`].
impl<B> Service<Request<B>> for Client
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = Answered<ResponseBody, Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = self.clone();
        Box::pin(async move {
            match client.send(request).await {
                Ok(response) => Ok(response.into_http()),
                Err(error) => worded(error),
            }
        })
    }
}

/// The provider's last word as a response, if it had one.
fn worded(error: Error) -> Result<Response<ResponseBody>, Error> {
    let Some((reply, status)) = error.response().zip(error.status()) else { return Err(error) };
    let mut reply = reply.clone().map(|bytes| ResponseBody::whole(bytes, error.id()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(&SHOULD_RETRY, HeaderValue::from_static("false"));
    Ok(reply)
}

/// Puts a [`Client`] over an HTTP client that a program has already: a request to one of the upstreams' addresses goes
/// through Seawall, every other one to the service below, untouched.
///
/// A request is taken for one of Seawall's if its address begins like an upstream's: scheme, host, port, and path. What then
/// comes back is as of the client's own `Service`: what an upstream worded is a response with `x-should-retry: false`.
///
/// Only with the feature `tower`.
///
/// ```
/// use std::convert::Infallible;
/// use http::{Request, Response};
/// use seawall::{Body, Client, SeawallLayer, Upstream};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let client = Client::builder().upstream(Upstream::openai().key("sk-example")?).build()?;
/// let others = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::from("not OpenAI"))) });
/// let service = ServiceBuilder::new().layer(SeawallLayer::new(client)).service(others);
///
/// let elsewhere = Request::get("https://example.com/").body(Body::empty())?;
/// assert_eq!(service.oneshot(elsewhere).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SeawallLayer {
    client: Client,
}

impl SeawallLayer {
    /// A layer whose requests go through `client`.
    #[must_use]
    pub fn new(client: Client) -> SeawallLayer {
        SeawallLayer { client }
    }
}

impl<S> Layer<S> for SeawallLayer {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Layered<S> {
        Layered { client: self.client.clone(), inner }
    }
}

/// What [`SeawallLayer`] makes of a service: one that is ready when the service below is. Only with the feature `tower`.
#[derive(Clone, Debug)]
pub struct Layered<S> {
    client: Client,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Layered<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
    R: http_body::Body<Data = Bytes> + 'static,
{
    type Response = Response<Either<ResponseBody, R>>;
    type Error = BoxError;
    type Future = Answered<Either<ResponseBody, R>, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(target) = self.client.target_of(request.uri()) {
            let (mut head, body) = request.into_parts();
            head.uri = target;
            let answered = self.client.call(Request::from_parts(head, body));
            return Box::pin(async move { Ok(answered.await?.map(Either::Left)) });
        }
        let answered = self.inner.call(request);
        Box::pin(async move { Ok(answered.await.map_err(Into::into)?.map(Either::Right)) })
    }
}

impl Client {
    /// If `uri` is one of an upstream's: what [`Client::send`] knows it by, which has `/v1` in place of an upstream's own base.
    fn target_of(&self, uri: &Uri) -> Option<Uri> {
        let rest = self.engine().upstreams.iter().find_map(|upstream| upstream.rest_of(uri))?;
        match uri.query() {
            Some(query) => format!("/v1{rest}?{query}").parse().ok(),
            None => format!("/v1{rest}").parse().ok(),
        }
    }
}
