//! The client as a service of tower's, and as a layer over another one.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use seawall::{Body, Client, Error, SeawallLayer, Upstream};
use seawall_chaos::{Running, Server, Settings};
use seawall_core::event::Outcome;
use seawall_core::verdict::Class;
use serde_json::{Value, json};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::bench::{Bench, bench, policy};

const CHAT: &str = "/v1/chat/completions";

fn ask(chaos: &str, stream: bool) -> Request<Body> {
    let body = json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hello"}]});
    Request::post(CHAT).header("x-chaos", chaos).body(Body::json(&body).unwrap()).unwrap()
}

async fn chaos() -> Running {
    Server::start(Settings::default()).await.unwrap()
}

#[tokio::test]
async fn what_an_upstream_words_is_a_response_that_says_not_to_retry() {
    let bench = bench(policy()).await;
    for (chaos, status, attempts) in [("500", 500, 4), ("503", 503, 4), ("401", 401, 1)] {
        let before = bench.chaos.stats().attempts;
        let response = bench.client.clone().oneshot(ask(chaos, false)).await.expect(chaos);
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["x-should-retry"], "false", "{chaos}");
        assert!(response.headers().contains_key("x-request-id"), "{chaos}: the provider's headers");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let words: Value = serde_json::from_slice(&body).unwrap();
        assert!(words["error"]["message"].is_string(), "{chaos}: the provider's own words: {words}");
        assert_eq!(bench.chaos.stats().attempts - before, attempts, "{chaos}");
    }
    let answered = bench.client.clone().oneshot(ask("500*1", false)).await.unwrap();
    assert_eq!((answered.status(), answered.headers().get("x-should-retry")), (StatusCode::OK, None));
}

#[tokio::test]
async fn what_no_upstream_worded_is_the_error() {
    let nobody = Upstream::new("http://127.0.0.1:1/v1").unwrap().name("nobody");
    let client = Client::builder().upstream(nobody).policy(policy()).build().unwrap();
    let error: Error = client.oneshot(ask("ok", false)).await.unwrap_err();
    assert_eq!((error.code(), error.class(), error.status()), ("seawall_connect", Class::NotSent, None));
    assert_eq!((error.attempts(), error.outcome()), (4, Outcome::Exhausted), "{error:?}");
}

#[tokio::test]
async fn a_stream_flows_and_its_cut_is_an_error_of_the_body() {
    let bench = bench(policy()).await;
    for (chaos, is_whole) in [("ok", true), ("stream_cut=3", false)] {
        let response = bench.client.clone().oneshot(ask(chaos, true)).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream; charset=utf-8");
        let mut body = response.into_body();
        let (mut bytes, mut end) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
                Err(error) => end = Some(error),
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.contains("[DONE]"), is_whole, "{text}");
        assert_eq!(end.map(|error| error.is_interrupted()), (!is_whole).then_some(true), "{chaos}");
    }
}

/// What came to the service below: its address.
type Below = Arc<Mutex<Vec<Uri>>>;

/// A service below the layer that notes what comes to it, and the layer over it.
async fn layered(client: Client, request: Request<Body>, below: &Below) -> Response<Bytes> {
    let noted = Arc::clone(below);
    let inner = service_fn(move |request: Request<Body>| {
        let noted = Arc::clone(&noted);
        async move {
            noted.lock().unwrap().push(request.uri().clone());
            let body = request.into_body().collect().await?.to_bytes();
            Ok::<_, BoxError>(Response::builder().status(StatusCode::IM_A_TEAPOT).body(Full::new(body))?)
        }
    });
    let (head, body) = SeawallLayer::new(client).layer(inner).oneshot(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn the_layer_sends_what_is_for_an_upstream_and_leaves_the_rest_as_it_is() {
    let Bench { chaos, client, .. } = bench(policy()).await;
    let (here, port) = (chaos.url(), chaos.addr().port());
    let other = port.checked_add(1).unwrap_or(port - 1);
    let below = Below::default();
    for (uri, is_ours) in [
        (format!("{here}/v1/chat/completions"), true),
        (format!("{here}/v1/chat/completions?a=b"), true),
        (format!("{here}/v1"), true),
        (format!("http://127.0.0.1:{other}/v1/chat/completions"), false),
        (format!("http://localhost:{port}/v1/chat/completions"), false),
        (format!("https://127.0.0.1:{port}/v1/chat/completions"), false),
        (format!("{here}/v2/chat/completions"), false),
        (format!("{here}/v10/chat/completions"), false),
        (format!("{here}/"), false),
        (CHAT.to_owned(), false),
    ] {
        let (head, body) = ask("ok", false).into_parts();
        let mut request = Request::from_parts(head, body);
        *request.uri_mut() = uri.parse().unwrap();
        let sent = request.body().clone().collect().await.unwrap().to_bytes();
        let before = chaos.stats().attempts;
        let response = layered(client.clone(), request, &below).await;
        let passed = std::mem::take(&mut *below.lock().unwrap());
        assert_eq!(chaos.stats().attempts - before, u64::from(is_ours), "{uri}");
        assert_eq!(response.status() == StatusCode::IM_A_TEAPOT, !is_ours, "{uri}");
        if !is_ours {
            assert_eq!(
                (passed.as_slice(), response.into_body()),
                ([uri.parse().unwrap()].as_slice(), sent),
                "untouched"
            );
        } else {
            assert!(passed.is_empty(), "{uri}");
        }
    }
}

#[tokio::test]
async fn the_layer_knows_an_upstream_by_its_whole_base() {
    for (base, asked) in [
        ("/v1", "/v1/chat/completions"),
        ("/openai/v1", "/openai/v1/chat/completions"),
        ("/api", "/api/chat/completions"),
        ("/api/", "/api/chat/completions"),
        ("", "/chat/completions"),
        ("", "/v1/chat/completions"),
    ] {
        let chaos = chaos().await;
        let upstream = Upstream::new(&format!("{}{base}", chaos.url())).unwrap();
        let client = Client::builder().upstream(upstream).policy(policy()).build().unwrap();
        let mut request = ask("ok", false);
        *request.uri_mut() = format!("{}{asked}", chaos.url()).parse().unwrap();
        let below = Below::default();
        layered(client, request, &below).await;
        assert!(below.lock().unwrap().is_empty(), "{base} {asked}");
        let paths: Vec<_> = chaos.stats().by_path.into_keys().collect();
        assert_eq!(paths, [asked], "at a base of \"{base}\"");
    }
}

#[tokio::test]
async fn a_failure_below_the_layer_stays_what_it_is() {
    let bench = bench(policy()).await;
    let inner = service_fn(|_: Request<Body>| async { Err::<Response<Full<Bytes>>, BoxError>("the other one".into()) });
    let mut service = SeawallLayer::new(bench.client).layer(inner);
    let elsewhere = Request::get("https://example.com/").body(Body::empty()).unwrap();
    let error = service.ready().await.unwrap().call(elsewhere).await.unwrap_err();
    assert_eq!(error.to_string(), "the other one");
}

#[tokio::test]
async fn it_works_under_what_tower_puts_around_a_service() {
    fn may_be_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let bench = bench(policy()).await;
    may_be_shared(&bench.client);
    let service = ServiceBuilder::new().buffer(4).concurrency_limit(2).service(bench.client.clone());
    may_be_shared(&service);
    let asked = (0..16).map(|_| {
        let mut service = service.clone();
        tokio::spawn(async move {
            let ready = service.ready().await?;
            ready.call(ask("500*1", false)).await.map(|response| response.status())
        })
    });
    for answered in join_all(asked).await {
        assert_eq!(answered.unwrap().unwrap(), StatusCode::OK);
    }
    assert!(bench.chaos.stats().connections <= 2, "no more at a time than the limit lets through");

    let boxed = bench.client.boxed_clone();
    assert_eq!(boxed.oneshot(ask("ok", false)).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_call_can_be_made_on_a_task_of_its_own() {
    let bench = bench(policy()).await;
    let nobody = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(std::io::Error::other("nobody")) });
    let layered = SeawallLayer::new(bench.client.clone()).layer(nobody);
    let ask = |base: &str| Request::get(format!("{base}/v1/models")).body(Body::empty()).unwrap();
    let (alone, below) = (bench.client.clone().oneshot(ask("")), layered.oneshot(ask(&bench.chaos.url())));
    let alone = tokio::spawn(async move { alone.await.map(|response| response.status()) });
    let below = tokio::spawn(async move { below.await.map(|response| response.status()) });
    assert_eq!((alone.await.unwrap().unwrap(), below.await.unwrap().unwrap()), (StatusCode::OK, StatusCode::OK));
}
