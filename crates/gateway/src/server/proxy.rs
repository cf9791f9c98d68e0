//! A request's way through: admitted, sent, answered. The whole of it, on one screen.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use seawall::Overrides;
use seawall::proxy::{self, Admitted, Call, Conclusion, Follower, Labels, Payload, Refused, admit, facts};
use seawall_core::event::Outcome;
use seawall_core::request::Endpoint;
use seawall_core::verdict::code::Code;

use super::answer;
use super::body::AnswerBody;
use super::loud::{self, Conn};
use super::switch::{self, Switch};
use super::{InFlight, Server};
use crate::observe::telemetry::{self, Arrival, Propagation, Trace};

static REASON: HeaderName = HeaderName::from_static("x-seawall-reason");

/// Answers one request.
pub(crate) async fn handle(
    server: Arc<Server>,
    conn: Arc<Conn>,
    mut request: Request<Incoming>,
) -> Response<AnswerBody> {
    let arrived = loud::now();
    let arrived_unix_micros = seawall::proxy::unix_micros();
    let id = server.client.new_id(arrived_unix_micros);
    let is_h2 = request.version() == http::Version::HTTP_2;
    let serving = conn.serve(is_h2);
    let caller = hyper::upgrade::on(&mut request);
    let (mut head, body) = request.into_parts();
    let endpoint = Endpoint::of(&head.method, head.uri.path());
    let arrival =
        Arrival { request: &id, method: &head.method, headers: &head.headers, unix_micros: arrived_unix_micros };
    let trace = server.observe.telemetry.follow(&arrival);
    let refuse = |code: Code, detail: &str| server.refuse(endpoint, code, detail, &id, trace.as_deref());

    let client = match server.door.check(&head) {
        Ok(client) => client,
        Err(closed) => return refuse(closed.code, &closed.detail),
    };
    let Some(in_flight) = InFlight::enter(&server) else {
        let detail = format!("{} requests are being served, the limit", server.limits.in_flight_max);
        return refuse(Code::Shed, &detail);
    };
    if server.is_draining() {
        return refuse(Code::Draining, "");
    }
    let admitted = match admit(body, server.limits.bodies, &server.memory).await {
        Ok(admitted) => admitted,
        Err(Refused::TooLarge) => {
            return refuse(Code::BodyTooLarge, &format!("limit {} bytes", server.limits.bodies.body_max));
        }
        Err(Refused::TooSlow) => return refuse(Code::RequestTimeout, "its body stopped coming"),
        Err(Refused::Broken) => return refuse(Code::Malformed, "its body broke off"),
    };
    let Admitted { payload, replay, len, overflowed, hold } = admitted;
    let kept = match &payload {
        Payload::Kept(bytes) => Some(bytes.clone()),
        Payload::Flow(_) => None,
    };
    let mut facts = facts(&head, kept, len).await;
    facts.websocket &= head.version == http::Version::HTTP_11;
    let is_websocket = facts.websocket;
    let Overrides { max_retries, commit, tag, .. } = Overrides::of(&head.headers);
    if let Some(trace) = &trace {
        trace.admitted(&facts, client.as_deref(), tag.as_deref());
    }
    prepare(&mut head.headers, &server.door.via, endpoint, server.observe.telemetry.propagation);
    let dialect = endpoint.dialect();
    let call = Call {
        target: head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        headers: head.headers,
        facts,
        payload,
        replay,
        max_retries,
        commit,
        labels: Labels { id: id.clone(), tag, client },
        follower: trace.clone().map(|trace| trace as Arc<dyn Follower>),
        arrived,
        arrived_unix_micros,
    };
    // In a box, which is gone when the answer is here: what hyper keeps for a connection is as large as all of this.
    match Box::pin(server.client.run(call)).await {
        Conclusion::Answer(mut answered) => {
            let took = loud::now().saturating_duration_since(arrived);
            // After a retry the wait is part of the service, and no cost of passing through.
            let first = answered.found.as_ref().filter(|found| found.attempts == 1);
            let overhead = first.map_or(Duration::ZERO, |found| took.saturating_sub(found.upstream_time));
            server.observe.metrics.overhead.observe(overhead.as_secs_f64());
            if first.is_some() {
                server.observe.recent.added(overhead);
            }
            answer::success(&mut answered, &id, u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX));
            if let Err(reason) = replay {
                answered.head.headers.insert(&REASON, HeaderValue::from_static(reason.name()));
            }
            let mut head = answered.head;
            if let Some(tunnel) = answered.tunnel {
                switch::confirm(&mut head.headers);
                conn.switch(Switch { caller, tunnel, id, held: (in_flight, serving) });
                return Response::from_parts(head, AnswerBody::whole(Bytes::new()));
            }
            if is_websocket {
                no_further(&mut head.headers);
            }
            let body =
                AnswerBody::relayed(answered.relay, dialect, id, server, conn, is_h2, (in_flight, serving, hold));
            Response::from_parts(head, body)
        }
        Conclusion::Failure(mut failed) => {
            if overflowed.load(Ordering::Relaxed) {
                failed.answered_with(Code::BodyTooLarge.status());
                return refuse(Code::BodyTooLarge, &format!("limit {} bytes", server.limits.bodies.body_max));
            }
            let mut response = answer::failure(&mut failed, &id);
            failed.answered_with(response.status().as_u16());
            if is_websocket {
                no_further(response.headers_mut());
            }
            // Durable before told: what the caller is about to learn is on record.
            if let Some(record) = failed.record()
                && !server.observe.settle(record).await
            {
                answer::mark_late(response.headers_mut());
            }
            response.map(AnswerBody::whole)
        }
    }
}

impl Server {
    /// An answer of our own to a request that no upstream was asked about.
    fn refuse(
        &self,
        endpoint: Endpoint,
        code: Code,
        detail: &str,
        id: &str,
        trace: Option<&Trace>,
    ) -> Response<AnswerBody> {
        let outcome = match code {
            Code::Shed => Outcome::Shed,
            Code::Draining => Outcome::Draining,
            _ => Outcome::Refused,
        };
        self.observe.refused(endpoint, None, outcome);
        if let Some(trace) = trace {
            trace.refused(outcome, code.status());
        }
        if matches!(code, Code::Shed | Code::Draining) {
            self.observe.recent.turned_away();
        }
        tracing::info!(target: "seawall::door", request = id, code = code.name(), detail, "request refused");
        let mut response = answer::refusal(code, detail, id, outcome);
        if matches!(code, Code::Shed | Code::Draining) {
            answer::come_back(response.headers_mut(), 1);
        }
        if matches!(code, Code::BodyTooLarge | Code::RequestTimeout | Code::Malformed | Code::Draining) {
            // What is left of the body will not be read.
            no_further(response.headers_mut());
        }
        response.map(AnswerBody::whole)
    }
}

/// Ends the connection with this answer: what the caller has sent behind its request is no request.
fn no_further(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Makes the caller's headers fit to go on: of its trace what is wanted, and a mark that they passed here.
fn prepare(fields: &mut HeaderMap, via: &HeaderValue, endpoint: Endpoint, trace: Propagation) {
    let ends = trace != Propagation::Forward;
    proxy::prepare(fields, endpoint, |name| ends && telemetry::is_of_a_trace(name));
    if !ends {
        telemetry::bound(fields);
    }
    fields.append(header::VIA, via.clone());
}
