//! What a program sees of the client: answers, events, errors.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use seawall::event::{Outcome, Reason, UpstreamId};
use seawall::explain::{Class, Fault, Whose};
use seawall::policy::{Commit, ROUTES_MAX};
use seawall::{Body, Client, Error, Overrides, Route, Upstream};
use serde_json::{Value, json};

use crate::bench::{Bench, Notes, bench, bench_with, policy};

const CHAT: &str = "/v1/chat/completions";
const PROMPT: &str = "what I would not like to read in a log";

fn ask(chaos: &str) -> http::request::Builder {
    Request::post(CHAT).header("x-chaos", chaos)
}

fn chat(stream: bool) -> Body {
    Body::json(&json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": PROMPT}]})).unwrap()
}

async fn failed(bench: &Bench, chaos: &str, stream: bool) -> Error {
    bench.client.send(ask(chaos).body(chat(stream)).unwrap()).await.expect_err(chaos)
}

#[test]
fn a_client_is_not_built_with_routes_that_lead_nowhere() {
    let built = |routes: Vec<Route>| Client::builder().upstream(Upstream::openai()).routes(routes).build();
    let to = |place| Route { upstreams: vec![UpstreamId(place)], ..Route::default() };
    assert!(built(vec![to(0); ROUTES_MAX]).is_ok());
    let error = built(vec![to(0); ROUTES_MAX + 1]).unwrap_err().to_string();
    assert_eq!(error, "65 routes, allowed 64");
    let error = built(vec![to(0), to(1)]).unwrap_err().to_string();
    assert_eq!(error, "a route names upstream 1, counted from 0, of 1");
}

#[tokio::test]
async fn what_is_added_to_a_request_is_what_its_documentation_says() {
    let chaos = seawall_chaos::Server::start(seawall_chaos::Settings::default()).await.unwrap();
    let upstream = Upstream::new(&format!("{}/v1", chaos.url())).unwrap().key("sk-own").unwrap();
    let client = Client::builder().upstream(upstream).build().unwrap();
    client.post(CHAT, &json!({"model": "m", "messages": []})).await.unwrap();
    client.get("/v1/models").await.unwrap();
    let own = Request::post("/v1/files")
        .header(header::AUTHORIZATION, "Bearer mine")
        .header(header::USER_AGENT, "mine/1")
        .header("x-client-request-id", "mine-1")
        .header(header::CONNECTION, "x-mine")
        .header("x-mine", "for the connection")
        .body(Body::from("text"))
        .unwrap();
    client.send(own).await.expect_err("chaos keeps no files");
    let seen = chaos.stats().requests;
    let names = seen.iter().map(|one| {
        let mut names = one.header_names.clone();
        names.sort();
        names.join(" ")
    });
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            "accept-encoding authorization content-length content-type host user-agent x-client-request-id",
            "authorization host user-agent x-client-request-id",
            "authorization content-length host user-agent x-client-request-id",
        ]
    );
    let ids: Vec<_> = seen.iter().map(|one| one.client_request_id.clone().unwrap()).collect();
    assert!(ids[0].starts_with("sw_") && ids[0].ends_with("-1"), "{ids:?}");
    assert_eq!(ids[2], "mine-1");
}

#[tokio::test]
async fn an_answer_is_typed_and_tells_how_it_came_to_be() {
    let bench = bench(policy()).await;
    let response = bench.client.send(ask("500*2").body(chat(false)).unwrap()).await.unwrap();
    assert_eq!((response.status(), response.attempts(), response.outcome()), (StatusCode::OK, 3, Outcome::Retried));
    assert_eq!(response.upstream(), "chaos");
    assert!(response.id().starts_with("sw_") && response.id().len() == 35);
    assert!(response.request_id().is_some());
    assert_eq!(response.headers().get(header::CONNECTION), None);
    let shown = format!("{response:?}");
    let answer: Value = response.json().await.unwrap();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(!text.is_empty() && !shown.contains(text));
    let typed = bench.client.post(CHAT, &json!({"model": "m", "messages": []})).await.unwrap();
    assert_eq!(typed.attempts(), 1);
    let unread = typed.json::<Vec<u8>>().await.unwrap_err();
    assert_eq!((unread.code(), unread.whose_fault()), ("seawall_bad_reply", Whose::Caller));
    assert!(unread.to_string().starts_with("the answer is not of the type it is read as, at line 1, column "));
    let models: Value = bench.client.get("/v1/models").await.unwrap().json().await.unwrap();
    assert!(models["data"].is_array());
}

#[tokio::test]
async fn an_error_says_whose_fault_it_is_and_nothing_that_was_asked() {
    let bench = bench(policy()).await;
    for (chaos, status, code, class, whose, is_retryable, attempts) in [
        ("500", Some(500), "server_error", Class::ServerError, Whose::Provider, true, 4),
        ("503", Some(503), "server_is_overloaded", Class::Overloaded, Whose::Provider, true, 4),
        ("400", Some(400), "invalid_request_error", Class::CallerFault, Whose::Caller, false, 1),
        ("reset", None, "seawall_upstream_protocol", Class::Ambiguous, Whose::Network, true, 3),
        ("html-502", Some(502), "seawall_upstream_error", Class::BadGateway, Whose::Provider, true, 4),
    ] {
        let error = failed(&bench, chaos, false).await;
        let seen = (error.status().map(|status| status.as_u16()), error.code(), error.class(), error.whose_fault());
        assert_eq!(seen, (status, code, class, whose), "{chaos}: {error:?}");
        assert_eq!((error.is_retryable(), error.attempts()), (is_retryable, attempts), "{chaos}: {error:?}");
        assert_eq!(error.response().is_some(), status.is_some(), "{chaos}");
        assert!(error.id().starts_with("sw_") && error.upstream() == Some("chaos"), "{chaos}");
        assert!(error.to_string().starts_with("chaos"), "{error}");
        assert!(!format!("{error} {error:?}").contains("not like to read"), "{error:?}");
    }
}

#[tokio::test]
async fn a_provider_that_repeats_the_prompt_is_quoted_without_it() {
    let bench = bench(policy()).await;
    let error = failed(&bench, "echo-500", false).await;
    let message = error.message().unwrap();
    assert!(message.contains("‹input›") && !message.contains("not like to read"), "{message}");
    let reply = String::from_utf8(error.response().unwrap().body().to_vec()).unwrap();
    assert!(reply.contains("not like to read"), "whoever looks sees all of it");
}

#[tokio::test]
async fn events_come_one_by_one_and_end_with_the_last_one() {
    let bench = bench(policy()).await;
    let mut events = bench.client.send(ask("ok").body(chat(true)).unwrap()).await.unwrap().events();
    let mut count = 0;
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        assert_ne!(event.data(), "[DONE]");
        assert!(event.json::<Value>().unwrap()["choices"].is_array() && event.name().is_empty());
        assert!(!format!("{event:?}").contains("choices"));
        count += 1;
    }
    assert!(count > 2, "{count} events");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_in_an_error() {
    let bench = bench(policy()).await;
    let response = bench.client.send(ask("stream_cut=3").body(chat(true)).unwrap()).await.unwrap();
    let events: Vec<_> = StreamExt::collect(response.events()).await;
    let (last, before) = events.split_last().unwrap();
    assert!(!before.is_empty() && before.iter().all(Result::is_ok));
    let error = last.as_ref().unwrap_err();
    assert!(error.is_interrupted() && !error.is_retryable(), "{error:?}");
    assert_eq!(
        (error.code(), error.class(), error.fault()),
        ("seawall_stream_interrupted", Class::MidStream, Some(Fault::StreamCut))
    );
    assert_eq!((error.attempts(), error.upstream(), error.outcome()), (1, Some("chaos"), Outcome::Interrupted));
    assert!(error.request_id().is_some());

    let response = bench.client.send(ask("stream_cut=3").body(chat(true)).unwrap()).await.unwrap();
    let mut body = response.into_http().into_body();
    let mut last = None;
    while let Some(frame) = body.frame().await {
        last = Some(frame);
    }
    assert!(last.unwrap().unwrap_err().is_interrupted(), "the same as bytes");
    let response = bench.client.send(ask("stream_cut=3").body(chat(true)).unwrap()).await.unwrap();
    assert!(response.text().await.unwrap_err().is_interrupted(), "half an answer is none");
}

#[tokio::test]
async fn an_error_inside_a_stream_is_the_error_at_its_end() {
    let bench = bench(policy()).await;
    let content = r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"half"}}]}"#;
    let failed = r#"data: {"error":{"message":"half","type":"server_error","code":null}}"#;
    // What follows the error belongs to it.
    let failed = format!("{failed}\n\ndata: [DONE]\n\n");
    let step = json!({"headers": {"content-type": "text/event-stream"}, "parts": [format!("{content}\n\n"), {"sleep_ms": 50}, failed]});
    bench.chaos.script(&json!({ "steps": [step] }).to_string()).unwrap();
    let response = bench.client.post(CHAT, &json!({"model": "m", "stream": true, "messages": []})).await.unwrap();
    let events: Vec<_> = StreamExt::collect(response.events()).await;
    let [content, failed] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(content.as_ref().unwrap().json::<Value>().unwrap()["choices"][0]["delta"]["content"], "half");
    let error = failed.as_ref().unwrap_err();
    assert_eq!((error.fault(), error.code()), (Some(Fault::StreamError), "server_error"));
    assert!(error.is_interrupted());
}

#[tokio::test]
async fn events_of_what_is_no_stream_are_an_error() {
    let bench = bench(policy()).await;
    let mut events = bench.client.post(CHAT, &json!({"model": "m", "messages": []})).await.unwrap().events();
    let error = events.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("was `stream` asked for?"), "{error}");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_request_may_want_less_than_the_policy_allows() {
    let bench = bench(policy()).await;
    let once = ask("500").extension(Overrides::new().max_attempts(1).tag("nightly")).body(chat(false)).unwrap();
    let error = bench.client.send(once).await.unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (1, Reason::CallerLimit));
    let by_header = ask("500").header("x-seawall-max-retries", "1").body(chat(false)).unwrap();
    assert_eq!(bench.client.send(by_header).await.unwrap_err().attempts(), 2);
    let soon = Overrides::new().within(Duration::from_millis(200));
    let error =
        bench.client.send(ask("first_content_timeout").extension(soon).body(chat(false)).unwrap()).await.unwrap_err();
    assert_eq!((error.fault(), error.code()), (Some(Fault::Deadline), "seawall_deadline"), "{error:?}");
    assert!(error.is_timeout() && error.to_string().contains("no answer before the deadline (1 attempt, deadline 0."));
    // Held to its end, a break is mended before anybody sees it.
    let whole = Overrides::new().commit(Commit::Buffer);
    let mended = ask("stream_cut=3*1").extension(whole).body(chat(true)).unwrap();
    let events: Vec<_> = StreamExt::collect(bench.client.send(mended).await.unwrap().events()).await;
    assert!(events.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_body_may_be_anything_and_a_large_one_is_sent_once() {
    let bench = bench(policy()).await;
    let small = Full::new(Bytes::from_static(br#"{"model":"m","messages":[]}"#));
    let response = bench.client.send(ask("500*1").body(small).unwrap()).await.unwrap();
    assert_eq!(response.attempts(), 2, "it is read first, so it can be sent again");
    let mut large = br#"{"model":"m","messages":[]}"#.to_vec();
    large.resize((32 << 20) + 1, b' ');
    let error = bench.client.send(ask("500").body(Full::new(Bytes::from(large))).unwrap()).await.unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (1, Reason::BodyTooLarge));
    let broken = http_body_util::StreamBody::new(futures_util::stream::iter([
        Ok(http_body::Frame::data(Bytes::from_static(b"{"))),
        Err("torn"),
    ]));
    let error = bench.client.send(ask("ok").body(broken).unwrap()).await.unwrap_err();
    assert_eq!((error.attempts(), error.whose_fault(), error.outcome()), (0, Whose::Caller, Outcome::Refused));
    assert_eq!(error.to_string(), "its body broke off");
}

#[tokio::test]
async fn a_programs_own_key_does_not_go_to_several_hosts() {
    let first = seawall_chaos::Server::start(seawall_chaos::Settings::default()).await.unwrap();
    let second = seawall_chaos::Server::start(seawall_chaos::Settings::default()).await.unwrap();
    let at = |url: String| Upstream::new(&format!("{url}/v1")).unwrap();
    let client = Client::builder().upstreams([at(first.url()), at(second.url())]).build().unwrap();
    let signed = || Request::post(CHAT).header(header::AUTHORIZATION, "Bearer mine").body(chat(false)).unwrap();
    let error = client.send(signed()).await.unwrap_err();
    assert_eq!(error.to_string(), "its credentials would go to several hosts: give every upstream its own key");
    assert_eq!(first.stats().attempts + second.stats().attempts, 0);
    let keyed = Client::builder().upstreams([at(first.url()), at(second.url()).key("own").unwrap()]).build().unwrap();
    assert!(keyed.send(signed()).await.is_ok(), "only one of them would get it");
}

#[tokio::test]
async fn what_is_told_to_an_observer_is_told_of_a_programs_own_requests() {
    let bench = bench_with(policy(), seawall_chaos::Settings::default()).await;
    let notes: &Arc<Notes> = &bench.notes;
    let error = failed(&bench, "500", false).await;
    assert_eq!(notes.failed.lock().unwrap().len(), 4);
    let ended = notes.ended.lock().unwrap();
    assert_eq!((ended[0].status, ended[0].outcome), (500, error.outcome()));
}
