//! Tools that the API cannot compile are refused late, and only where they are.

use seawall_chaos::{Running, Settings};
use serde_json::json;

use crate::client::{Client, Reply, chaos, post};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";

async fn lazy(spelling: &str) -> Running {
    chaos(Settings { lazy_tools: Some(spelling.parse().unwrap()), chunks: 2, ..Settings::default() }).await
}

/// A request with one good tool and one with `pattern`.
fn body(path: &str, stream: bool, pattern: &str) -> String {
    let schema = json!({"type": "object", "properties": {"email": {"type": "string", "pattern": pattern}}});
    let tools = if path == CHAT {
        json!([{"type": "function", "function": {"name": "weather"}},
               {"type": "function", "function": {"name": "mail", "parameters": schema}}])
    } else {
        json!([{"type": "function", "name": "weather"}, {"type": "function", "name": "mail", "parameters": schema}])
    };
    json!({"model": "m1", "stream": stream, "tools": tools}).to_string()
}

async fn ask(chaos: &Running, path: &str, headers: &str, stream: bool, pattern: &str) -> Reply {
    Client::to(chaos).await.ask(post(path, headers, &body(path, stream, pattern))).await
}

const LOOKAROUND: &str = "^(?!x).+$";

#[tokio::test]
async fn a_stream_is_a_500_that_says_nothing_and_a_plain_request_is_told_why() {
    let chaos = lazy("500").await;
    for (path, param) in [(CHAT, "tools[1].function.parameters"), (RESPONSES, "tools[1].parameters")] {
        let streamed = ask(&chaos, path, "", true, LOOKAROUND).await;
        assert_eq!((streamed.status, &streamed.json()["error"]["type"]), (500, &json!("server_error")), "{path}");
        assert!(streamed.text().contains("The server had an error while processing your request. Sorry about that!"));
        assert!(!streamed.text().contains("mail"), "{}", streamed.text());
        let plain = ask(&chaos, path, "", false, LOOKAROUND).await;
        assert_eq!(plain.status, 400);
        assert_eq!(
            plain.json()["error"],
            json!({"type": "invalid_request_error", "code": "invalid_function_parameters", "param": param,
                "message": "Invalid schema for function 'mail': Invalid JSON schema: regex lookaround is not supported. \
                            Found at $.properties.email.pattern."})
        );
        assert!(plain.header("x-request-id").is_some());
    }
    assert_eq!(chaos.stats().by_fault["lazy_tools"], 4);
}

#[tokio::test]
async fn what_has_nothing_of_the_kind_goes_on_normally() {
    let chaos = lazy("500").await;
    for path in [CHAT, RESPONSES] {
        for stream in [true, false] {
            assert_eq!(ask(&chaos, path, "", stream, "^[a-z]+$").await.status, 200);
        }
    }
    assert_eq!(chaos.stats().ok, 4);
}

#[tokio::test]
async fn in_stream_is_a_200_that_fails_before_its_first_content() {
    let chaos = lazy("in_stream").await;
    let chat = ask(&chaos, CHAT, "", true, LOOKAROUND).await;
    assert_eq!((chat.status, chat.header("content-type")), (200, Some("text/event-stream; charset=utf-8")));
    assert!(chat.text().starts_with("data: {\"error\":{") && chat.text().contains("\"type\":\"server_error\""));
    let responses = ask(&chaos, RESPONSES, "", true, LOOKAROUND).await;
    let names: Vec<String> =
        responses.text().lines().filter_map(|line| line.strip_prefix("event: ").map(str::to_owned)).collect();
    assert_eq!(
        (responses.status, names),
        (200, ["response.created", "response.in_progress", "error"].map(str::to_owned).to_vec())
    );
    let last = responses.text().lines().rev().find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&last["sequence_number"], &last["error"]["code"]), (&json!(2), &json!("server_error")));
    assert_eq!(ask(&chaos, CHAT, "", false, LOOKAROUND).await.status, 400);
}

#[tokio::test]
async fn flat_never_tells() {
    let chaos = lazy("flat").await;
    for path in [CHAT, RESPONSES] {
        for stream in [true, false] {
            let reply = ask(&chaos, path, "", stream, LOOKAROUND).await;
            assert_eq!(reply.status, 500);
            assert!(!reply.text().contains("lookaround"));
        }
    }
}

#[tokio::test]
async fn a_request_s_own_header_says_how_and_off() {
    let chaos = lazy("500").await;
    let status = async |header: &str, pattern: &str| ask(&chaos, CHAT, header, true, pattern).await.status;
    assert_eq!(status("x-chaos-lazy-tools: in_stream\r\n", LOOKAROUND).await, 200);
    assert_eq!(status("x-chaos-lazy-tools: off\r\n", LOOKAROUND).await, 200);
    assert_eq!(status("x-chaos: ok\r\n", LOOKAROUND).await, 200);
    assert_eq!(status("x-chaos-lazy-tools: 500=weather\r\n", "^a$").await, 500);
    assert_eq!(status("x-chaos-lazy-tools: softly\r\n", LOOKAROUND).await, 400);
    assert_eq!(chaos.stats().by_fault["lazy_tools"], 2);
}

#[tokio::test]
async fn faults_have_their_turn_first_and_noise_stays_what_it_was() {
    let faults = vec!["503:0.5".parse().unwrap()];
    let chaos = chaos(Settings { faults, lazy_tools: Some("500".parse().unwrap()), ..Settings::default() }).await;
    let mut seen = [0, 0];
    for _ in 0..40 {
        match ask(&chaos, CHAT, "", false, LOOKAROUND).await.status {
            400 => seen[0] += 1,
            503 => seen[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(seen.iter().all(|count| *count > 8), "{seen:?}");
}

#[test]
fn a_file_says_it_in_the_same_words() {
    let settings = Settings::from_toml("lazy_tools = \"in_stream=(?!\"").unwrap();
    assert_eq!(settings.lazy_tools, Some("in_stream=(?!".parse().unwrap()));
    assert!(Settings::from_toml("lazy_tools = \"softly\"").unwrap_err().to_string().contains("no way \"softly\""));
}
