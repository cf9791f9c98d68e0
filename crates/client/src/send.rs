//! A program's request on its way: taken in, sent, and what came of it in the program's words.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use seawall_core::request::Endpoint;
use seawall_core::verdict::code::Code;

use crate::admit::{Admitted, Limits, Refused, admit};
use crate::attempt::{self, Answer, Call, Conclusion};
use crate::body::{BodyError, Payload};
use crate::content::Body;
use crate::engine::Engine;
use crate::error::Error;
use crate::facts::{facts, prepare};
use crate::headers::strip;
use crate::overrides::Overrides;
use crate::response::Response;
use crate::response_body::ResponseBody;
use crate::shared::{instant, unix_micros};
use crate::tale::Labels;

/// What identifies this program where it does not say so itself.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("seawall/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What may carry a credential.
const CREDENTIALS: [HeaderName; 3] =
    [header::AUTHORIZATION, HeaderName::from_static("api-key"), HeaderName::from_static("x-api-key")];

/// Sends `request`, known as `id`, to its end.
pub(crate) async fn send<B>(engine: &Arc<Engine>, request: http::Request<B>, id: String) -> Result<Response, Error>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let (arrived, arrived_unix_micros) = (instant(), unix_micros());
    let (mut head, body) = request.into_parts();
    let overrides = head.extensions.remove::<Overrides>().unwrap_or_default().or(Overrides::of(&head.headers));
    let is_signed = CREDENTIALS.iter().any(|name| head.headers.contains_key(name));
    if is_signed && !engine.may_pass_credentials() {
        let why = "its credentials would go to several hosts: give every upstream its own key";
        return Err(Error::refused(Code::Malformed, why, &id));
    }
    let (admitted, is_json) = take_in(engine, body, &id).await?;
    let Admitted { payload, replay, len, hold, .. } = admitted;
    if is_json {
        head.headers.entry(header::CONTENT_TYPE).or_insert(JSON);
    }
    head.headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
    let kept = match &payload {
        Payload::Kept(bytes) => Some(bytes.clone()),
        Payload::Flow(_) => None,
    };
    let endpoint = Endpoint::of(&head.method, head.uri.path());
    // An upgrade concerns a connection, and there is none to hand out.
    strip(&mut head.headers, |_| false);
    let mut facts = facts(&head, kept, len).await;
    if let Some(within) = overrides.within {
        (facts.patience.total, facts.patience.read, facts.patience.from_sdk) = (Some(within), None, false);
    }
    prepare(&mut head.headers, endpoint, |_| false);
    let call = Call {
        target: head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        headers: head.headers,
        facts,
        payload,
        replay,
        max_retries: overrides.max_retries,
        commit: overrides.commit,
        labels: Labels { id: id.clone(), tag: overrides.tag, client: None },
        follower: None,
        arrived,
        arrived_unix_micros,
    };
    match Box::pin(attempt::run(Arc::clone(engine), call)).await {
        Conclusion::Answer(answer) => {
            let Answer { mut head, relay, found, .. } = *answer;
            strip(&mut head.headers, |_| false);
            let found = found.expect("a call that is waited for has found its answer");
            let body = ResponseBody { relay, id, _hold: Some(hold) };
            Ok(Response::new(head, found, body, endpoint.dialect()))
        }
        Conclusion::Failure(mut failure) => {
            let status = failure.status().as_u16();
            let error = Error::of(&mut failure, &id);
            failure.answered_with(status);
            Err(error)
        }
    }
}

/// Takes in the body, and tells whether it was written as JSON here. One in memory costs nothing to keep.
async fn take_in<B>(engine: &Arc<Engine>, mut body: B, id: &str) -> Result<(Admitted, bool), Error>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let limits = Limits::default();
    if let Some(body) = (&mut body as &mut dyn Any).downcast_mut::<Body>() {
        if body.len() as u64 > limits.body_max {
            return Err(too_large(limits.body_max, id));
        }
        return Ok((Admitted::kept(body.bytes().clone(), &engine.memory), body.is_json()));
    }
    match admit(body, limits, &engine.memory).await {
        Ok(admitted) => Ok((admitted, false)),
        Err(Refused::TooLarge) => Err(too_large(limits.body_max, id)),
        Err(Refused::TooSlow) => Err(Error::refused(Code::RequestTimeout, "its body stopped coming", id)),
        Err(Refused::Broken) => Err(Error::refused(Code::Malformed, "its body broke off", id)),
    }
}

fn too_large(max: u64, id: &str) -> Error {
    Error::refused(Code::BodyTooLarge, &format!("its body is larger than {} MiB", max >> 20), id)
}

/// `path` as the address of a request: where it goes, the upstreams say.
pub(crate) fn request(method: http::Method, path: &str, body: Body) -> Result<http::Request<Body>, Error> {
    let mut request = http::Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|_| Error::unsendable("its path is no path of an address"))?;
    *request.headers_mut() = HeaderMap::new();
    Ok(request)
}
