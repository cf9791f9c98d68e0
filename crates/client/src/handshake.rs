//! The handshake of a WebSocket: what it asks with, how long it may take, and what counts as a yes.
//!
//! Until the upstream has said 101 this is a request like any other, which can be judged a failure
//! and be made again elsewhere. A 101 that nobody asked for is a failure too: whatever would follow
//! it is not HTTP, and must not reach a caller who expects an answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header, response};
use hyper::body::Incoming;
use hyper::upgrade::{self, Parts};
use hyper_util::rt::TokioIo;
use seawall_core::request::Request;
use seawall_core::verdict::Fault;
use tokio::time::Instant;

use crate::connect::{Failed, Wire};

/// A handshake must be answered within this: nothing is computed for it, and the usual clients give
/// up after 10 s (`websockets` for Python) to 30 s (Node's `ws` where it is told to).
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);

/// A connection that is HTTP no more.
pub(crate) struct Switched {
    pub(crate) wire: Wire,
    /// What the upstream said right behind its 101.
    pub(crate) early: Bytes,
}

/// Asks for the WebSocket that `facts` want: what the caller said about its own connection was left
/// behind, and is said anew about this one.
pub(crate) fn ask(facts: &Request, headers: &mut HeaderMap) {
    if facts.websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// How a page in a browser, which cannot set a header, names its credentials: as subprotocols.
const CREDENTIALS: [&str; 3] = ["openai-insecure-api-key.", "openai-organization.", "openai-project."];

/// Takes a caller's credentials out of the subprotocols that it offers; the others stay, in order.
pub(crate) fn strip_credentials(headers: &mut HeaderMap) {
    if !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let is_credential = |offer: &str| {
        let start = |name: &str| offer.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        CREDENTIALS.into_iter().any(start)
    };
    // What is not text cannot be looked at, so it does not pass.
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let kept: Vec<&str> =
        offers.flat_map(|value| value.split(',')).map(str::trim).filter(|offer| !is_credential(offer)).collect();
    let kept = HeaderValue::from_str(&kept.join(", ")).ok().filter(|kept| !kept.is_empty());
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(kept) = kept {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, kept);
    }
}

/// By when an attempt that began at `began` must be answered, and whether that is the request's own
/// deadline still.
pub(crate) fn limit(facts: &Request, began: Instant, until: Instant, is_last_moment: bool) -> (Instant, bool) {
    let handshake = began + HANDSHAKE_WITHIN;
    if facts.websocket && handshake < until { (handshake, false) } else { (until, is_last_moment) }
}

/// Takes the connection over on which a 101 came.
pub(crate) async fn accept(
    facts: &Request,
    mut response: Response<Incoming>,
) -> Result<(response::Parts, Switched), Failed> {
    let garbage = |why: &str| Err((Fault::Garbage, why.to_string()));
    if !facts.websocket {
        return garbage("it switched protocols unasked");
    }
    let to = response.headers().get(header::UPGRADE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !to.eq_ignore_ascii_case(b"websocket") || !response.headers().contains_key(header::SEC_WEBSOCKET_ACCEPT) {
        return garbage("it switched to something other than a WebSocket");
    }
    let upgraded = upgrade::on(&mut response).await.map_err(|e| (Fault::Reset, e.to_string()))?;
    match upgraded.downcast::<TokioIo<Wire>>() {
        Ok(Parts { io, read_buf, .. }) => {
            let (head, _) = response.into_parts();
            Ok((head, Switched { wire: io.into_inner(), early: read_buf }))
        }
        Err(_) => garbage("its connection is not one of ours"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_among_the_subprotocols_go_and_the_rest_stays_in_order() {
        for (offered, passed) in [
            (
                &["realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1"][..],
                Some("realtime, openai-beta.realtime-v1"),
            ),
            (&["realtime", "OpenAI-Insecure-Api-Key.sk-1", "x"], Some("realtime, x")),
            (&["openai-organization.org-1,openai-project.p,openai-insecure-api-key.sk-1"], None),
            (&["realtime"], Some("realtime")),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in offered {
                headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(value).unwrap());
            }
            strip_credentials(&mut headers);
            let found = headers.get(header::SEC_WEBSOCKET_PROTOCOL).map(|value| value.to_str().unwrap());
            assert_eq!(found, passed, "{offered:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_has_its_own_limit_and_the_deadline_stands_above_it() {
        let mut facts = Request::of(&http::Method::GET, "/v1/realtime", &HeaderMap::new(), None, 0);
        let began = Instant::now();
        let far = began + HANDSHAKE_WITHIN + Duration::from_millis(1);
        assert_eq!(limit(&facts, began, far, true), (far, true));
        facts.websocket = true;
        assert_eq!(limit(&facts, began, far, true), (began + HANDSHAKE_WITHIN, false));
        let at = began + HANDSHAKE_WITHIN;
        assert_eq!(limit(&facts, began, at, true), (at, true));
    }
}
