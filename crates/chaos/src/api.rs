//! Good answers: what an API that works would have said.
//!
//! Faults start from here too: half of a body is half of a good one. An answer is its bytes and,
//! for a stream, where each event ends, so that a fault can stop after a given event.
//!
//! Nothing in an answer depends on the clock; ids come from the seed.

mod chat;
mod form;
mod responses;
mod rest;

use crate::peek::Endpoint;
use crate::wording::{self, Code};

pub(crate) use form::{Ask, Good};

/// The longest part of a path that an error repeats, in bytes.
const PATH_SHOWN: usize = 200;

/// Puts the answer to `ask` into `good`, in place of the last one.
pub(crate) fn fill(good: &mut Good, ask: &Ask<'_>) {
    good.begin(ask.is_stream());
    if let Some((status, code, message)) = complaint(ask) {
        good.status = status;
        good.is_stream = false;
        wording::body(&mut good.bytes, ask.endpoint, "invalid_request_error", code, &message, ask.body_id);
        return;
    }
    match (ask.endpoint, good.is_stream) {
        (Endpoint::Chat, false) => chat::plain(&mut good.bytes, ask),
        (Endpoint::Chat, true) => chat::stream(good, ask),
        (Endpoint::Completions, false) => chat::completion(&mut good.bytes, ask),
        (Endpoint::Completions, true) => chat::completion_stream(good, ask),
        (Endpoint::Responses, false) => responses::plain(&mut good.bytes, ask),
        (Endpoint::Responses, true) => responses::stream(good, ask),
        (Endpoint::Messages, false) => rest::message(&mut good.bytes, ask),
        (Endpoint::Messages, true) => rest::message_stream(good, ask),
        (Endpoint::Embeddings, _) => rest::embeddings(&mut good.bytes, ask),
        (Endpoint::Models | Endpoint::Unknown, _) => rest::models(&mut good.bytes),
    }
}

/// What even a well-behaved API would not answer well.
fn complaint(ask: &Ask<'_>) -> Option<(u16, Code, String)> {
    if ask.endpoint == Endpoint::Unknown {
        let path: String = ask.path.chars().take(PATH_SHOWN).collect();
        let message = format!("Unknown request URL: {} {path}. Please check the URL for typos.", ask.method);
        return Some((404, Code::Text("unknown_url"), message));
    }
    if ask.endpoint != Endpoint::Models && ask.body_is_kept && !ask.facts.is_object {
        let message = "We could not parse the JSON body of your request. The API expects a JSON object.";
        return Some((400, Code::Null, message.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::facts;

    fn answer(endpoint: Endpoint, body: &str, chunks: u32) -> Good {
        let facts = facts(body.as_bytes());
        let mut good = Good::default();
        fill(
            &mut good,
            &Ask {
                endpoint,
                method: "POST",
                path: "/v1/x",
                facts: &facts,
                body: body.as_bytes(),
                body_is_kept: true,
                id: 1,
                body_id: 1,
                chunks,
            },
        );
        good
    }

    fn data(good: &Good) -> Vec<serde_json::Value> {
        let text = std::str::from_utf8(&good.bytes).unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    #[test]
    fn every_plain_answer_is_json() {
        use Endpoint::{Chat, Completions, Embeddings, Messages, Models, Responses};
        for endpoint in [Chat, Completions, Embeddings, Messages, Models, Responses] {
            let good = answer(endpoint, r#"{"model":"m\"q"}"#, 3);
            let value: serde_json::Value = serde_json::from_slice(&good.bytes).unwrap();
            assert_eq!(good.status, 200);
            assert!(endpoint == Models || value["model"] == "m\"q", "{endpoint:?}: {value}");
        }
    }

    #[test]
    fn a_plain_chat_answer_is_about_780_bytes() {
        let good = answer(Endpoint::Chat, r#"{"model":"gpt-4o-mini"}"#, 3);
        assert!((740..=820).contains(&good.bytes.len()), "{}", good.bytes.len());
    }

    #[test]
    fn every_stream_is_events_of_json_and_knows_its_contents() {
        use Endpoint::{Chat, Completions, Messages, Responses};
        for endpoint in [Chat, Completions, Messages, Responses] {
            let good = answer(endpoint, r#"{"model":"m","stream":true}"#, 5);
            assert_eq!(good.contents, 5, "{endpoint:?}");
            assert_eq!(good.ends.last(), Some(&good.bytes.len()));
            assert!(data(&good).len() >= 5);
            let contents: Vec<&[u8]> = (good.lead..good.lead + 5).map(|event| good.event(event)).collect();
            assert!(contents.iter().all(|event| event.ends_with(b"\n\n")));
            assert!(String::from_utf8_lossy(contents[0]).contains("The "), "{endpoint:?}");
        }
    }

    #[test]
    fn a_chat_stream_has_role_finish_usage_and_done() {
        let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
        let good = answer(Endpoint::Chat, body, 2);
        let data = data(&good);
        assert_eq!(data.len(), 5);
        assert_eq!(data[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(data[3]["choices"][0]["finish_reason"], "stop");
        assert_eq!(data[4]["usage"]["completion_tokens"], 2);
        assert!(good.bytes.ends_with(b"data: [DONE]\n\n"));
        let without = answer(Endpoint::Chat, r#"{"stream":true}"#, 2);
        assert!(!String::from_utf8_lossy(&without.bytes).contains("usage"));
    }

    #[test]
    fn a_responses_stream_is_numbered_and_ends_completed() {
        let data = data(&answer(Endpoint::Responses, r#"{"model":"m","stream":true}"#, 3));
        let numbers: Vec<u64> = data.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..11).collect::<Vec<u64>>());
        assert_eq!(data[0]["type"], "response.created");
        assert_eq!(data[10]["type"], "response.completed");
        assert_eq!(data[10]["response"]["output"][0]["content"][0]["text"], "The sea wall ");
    }

    #[test]
    fn embeddings_are_counted_and_can_be_base64() {
        let good = answer(Endpoint::Embeddings, r#"{"model":"e","input":["a","b"],"encoding_format":"base64"}"#, 1);
        let value: serde_json::Value = serde_json::from_slice(&good.bytes).unwrap();
        assert_eq!(value["data"].as_array().unwrap().len(), 2);
        assert_eq!(value["data"][1]["embedding"].as_str().unwrap().len(), 44);
        let good = answer(Endpoint::Embeddings, r#"{"input":"a"}"#, 1);
        let value: serde_json::Value = serde_json::from_slice(&good.bytes).unwrap();
        assert_eq!(value["data"][0]["embedding"].as_array().unwrap().len(), 8);
    }

    #[test]
    fn an_unknown_path_and_a_broken_body_are_errors_of_the_api() {
        let good = answer(Endpoint::Unknown, "{}", 1);
        assert_eq!(good.status, 404);
        assert!(String::from_utf8_lossy(&good.bytes).contains("unknown_url"));
        assert_eq!(answer(Endpoint::Chat, "{", 1).status, 400);
    }
}
