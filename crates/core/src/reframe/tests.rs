//! The laws of both directions, and streams as providers send them.

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::request::Request;
use crate::verdict::stream::{CHOICES_MAX, End, Signal, Watch};

fn assembled<'a>(dialect: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, Unfit> {
    let mut assembly = Assembly::new(dialect).expect("a dialect with whole answers");
    for chunk in chunks {
        assembly.push(chunk);
    }
    assembly.finish()
}

fn value(dialect: Dialect, stream: &[u8]) -> Value {
    let answer = assembled(dialect, [stream]).expect("an answer");
    serde_json::from_slice(&answer).expect("JSON")
}

/// The data of each event, but for `[DONE]`.
fn data(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).expect("UTF-8");
    let data = text.split("\n\n").filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

fn events(list: &[Value]) -> Vec<u8> {
    let mut stream: String = list.iter().map(|data| format!("data: {data}\n\n")).collect();
    stream.push_str("data: [DONE]\n\n");
    stream.into_bytes()
}

/// One choice's chunks.
fn deltas(list: &[Value]) -> Vec<u8> {
    let chunk =
        |delta: &Value| json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": Value::Null}]});
    let mut chunks: Vec<_> = list.iter().map(chunk).collect();
    chunks.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
    events(&chunks)
}

fn message(list: &[Value]) -> Value {
    value(Dialect::Chat, &deltas(list))["choices"][0]["message"].clone()
}

mod laws {
    use super::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(String::new()),
            proptest::string::string_regex("[a-z\\\\\"{}\\[\\]:,é\u{1f600}\n\r\t ]{1,30}").expect("a pattern"),
        ]
    }

    fn maybe(text: impl Strategy<Value = String>) -> impl Strategy<Value = Value> {
        prop_oneof![Just(Value::Null), text.prop_map(Value::from)]
    }

    fn token() -> impl Strategy<Value = Value> {
        let small = || -100_000i32..0;
        (text(), small(), prop::collection::vec((text(), small()), 0..3)).prop_map(|(token, odds, top)| {
            let one = |(token, odds): (String, i32)| json!({"token": token, "logprob": f64::from(odds) / 1024.0, "bytes": token.as_bytes()});
            let mut said = one((token, odds));
            said["top_logprobs"] = top.into_iter().map(one).collect();
            said
        })
    }

    fn tokens() -> impl Strategy<Value = Value> {
        prop_oneof![Just(Value::Null), prop::collection::vec(token(), 0..4).prop_map(Value::from)]
    }

    fn call() -> impl Strategy<Value = Value> {
        ("call_[a-z]{4}", "[a-z_]{1,8}", text(), any::<bool>()).prop_map(|(id, name, input, is_function)| {
            if is_function {
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": input}})
            } else {
                json!({"id": id, "type": "custom", "custom": {"name": name, "input": input}})
            }
        })
    }

    fn message() -> impl Strategy<Value = Value> {
        let calls = prop::option::of(prop::collection::vec(call(), 0..4));
        let more = (prop::option::of(text()), prop::option::of(text()), any::<bool>(), any::<bool>());
        (maybe(text()), prop::option::of(maybe(text())), calls, more).prop_map(
            |(content, refusal, calls, (function, reasoning, has_annotations, has_audio))| {
                let mut message = json!({"role": "assistant", "content": content});
                let mut put = |key: &str, value: Option<Value>| {
                    if let Some(value) = value {
                        message[key] = value;
                    }
                };
                put("refusal", refusal);
                put("tool_calls", calls.map(Value::from));
                put("function_call", function.map(|arguments| json!({"name": "f", "arguments": arguments})));
                put("reasoning_content", reasoning.map(Value::from));
                put(
                    "annotations",
                    has_annotations.then(|| json!([{"type": "url_citation", "url_citation": {"url": "u"}}])),
                );
                put(
                    "audio",
                    has_audio.then(|| json!({"id": "audio_1", "data": "AAAA", "transcript": "t", "expires_at": 1})),
                );
                message
            },
        )
    }

    fn finish() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["stop", "length", "tool_calls", "content_filter", "function_call"])
    }

    fn top(object: &'static str) -> impl Strategy<Value = Value> {
        (prop::option::of(maybe("fp_[0-9a-f]{4}".prop_map(String::from))), any::<bool>(), any::<bool>()).prop_map(
            move |(fingerprint, has_usage, has_more)| {
                let mut answer =
                    json!({"id": "chatcmpl-1", "object": object, "created": 1_790_000_000_u64, "model": "gpt-4o"});
                if let Some(fingerprint) = fingerprint {
                    answer["system_fingerprint"] = fingerprint;
                }
                if has_usage {
                    answer["usage"] =
                        json!({"prompt_tokens": 7, "completion_tokens": 2, "details": {"reasoning_tokens": 0}});
                }
                if has_more {
                    answer["service_tier"] = "default".into();
                    answer["x_unheard"] = json!({"of": [1, 2.5, {"deep": [null]}]});
                }
                answer
            },
        )
    }

    fn completion() -> impl Strategy<Value = Value> {
        let logprobs = prop_oneof![
            Just(None),
            Just(Some(Value::Null)),
            (tokens(), tokens()).prop_map(|(content, refusal)| Some(json!({"content": content, "refusal": refusal}))),
        ];
        let choice =
            (message(), logprobs, finish(), any::<bool>()).prop_map(|(message, logprobs, finish, has_more)| {
                let mut choice = json!({"index": 0, "message": message, "finish_reason": finish});
                if let Some(logprobs) = logprobs {
                    choice["logprobs"] = logprobs;
                }
                if has_more {
                    choice["content_filter_results"] = json!({"hate": {"filtered": false, "severity": "safe"}});
                }
                choice
            });
        (top("chat.completion"), prop::collection::vec(choice, 0..4)).prop_map(with_choices)
    }

    fn old_completion() -> impl Strategy<Value = Value> {
        let logprobs = json!({"tokens": ["a"], "token_logprobs": [-0.25, null], "top_logprobs": [{"a": -0.25}], "text_offset": [0]});
        let logprobs = prop_oneof![Just(Value::Null), Just(logprobs)];
        let choice = (text(), logprobs, finish()).prop_map(
            |(text, logprobs, finish)| json!({"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish}),
        );
        (top("text_completion"), prop::collection::vec(choice, 1..4)).prop_map(with_choices)
    }

    fn with_choices((mut answer, mut choices): (Value, Vec<Value>)) -> Value {
        for (index, choice) in choices.iter_mut().enumerate() {
            choice["index"] = index.into();
        }
        answer["choices"] = choices.into();
        answer
    }

    fn response() -> impl Strategy<Value = Value> {
        let part = prop_oneof![
            text().prop_map(|text| json!({"type": "output_text", "text": text, "annotations": [{"type": "url_citation", "url": "u"}], "logprobs": []})),
            text().prop_map(|refusal| json!({"type": "refusal", "refusal": refusal})),
            Just(json!({"type": "unheard_of", "x": 1})),
        ];
        let item = prop_oneof![
            prop::collection::vec(part, 0..3).prop_map(|content| json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": content})),
            text().prop_map(|arguments| json!({"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "status": "completed", "arguments": arguments})),
            text().prop_map(|input| json!({"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": input})),
            prop::collection::vec(text(), 0..3).prop_map(|texts| {
                let summary: Vec<_> = texts.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
                json!({"id": "rs_1", "type": "reasoning", "summary": summary, "content": null, "encrypted_content": "x"})
            }),
            Just(json!({"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"query": "q"}})),
        ];
        let status = prop::sample::select(vec!["completed", "incomplete", "failed"]);
        (prop::collection::vec(item, 0..4), status).prop_map(|(output, status)| {
            json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": null, "output": output,
                "usage": {"input_tokens": 1, "output_tokens": 2}, "x_unheard": [1.5]})
        })
    }

    fn answer() -> impl Strategy<Value = (Dialect, Value)> {
        prop_oneof![
            3 => completion().prop_map(|answer| (Dialect::Chat, answer)),
            1 => old_completion().prop_map(|answer| (Dialect::Completions, answer)),
            1 => response().prop_map(|answer| (Dialect::Responses, answer)),
        ]
    }

    fn written(answer: &Value, is_pretty: bool) -> Vec<u8> {
        let written = if is_pretty { serde_json::to_vec_pretty(answer) } else { serde_json::to_vec(answer) };
        written.expect("a value can be written")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn what_is_unfolded_is_assembled_again((dialect, answer) in answer(), is_pretty in any::<bool>()) {
            let stream = unfold(dialect, &written(&answer, is_pretty), true).expect("an answer");
            prop_assert_eq!(value(dialect, &stream), answer);
        }

        #[test]
        fn any_split_assembles_the_same(
            (dialect, answer) in answer(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let stream = unfold(dialect, &written(&answer, false), true).expect("an answer");
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let whole = assembled(dialect, [&stream[..]]);
            prop_assert_eq!(&assembled(dialect, cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]])), &whole);
            prop_assert_eq!(&assembled(dialect, stream.chunks(1)), &whole);
        }

        /// The relay's own watch believes it, and none of its events is cut by a line's end in the answer.
        #[test]
        fn what_is_unfolded_is_a_whole_stream((dialect, answer) in answer()) {
            let stream = unfold(dialect, &written(&answer, true), false).expect("an answer");
            let choices = answer["choices"].as_array().map_or(1, Vec::len).max(1);
            let mut watch = Watch::new(dialect, u32::try_from(choices).expect("a few"));
            let is_failed = answer["status"] == "failed";
            let least = if is_failed { Signal::Error } else { Signal::Terminal };
            prop_assert!(watch.push(&stream) >= least);
            prop_assert_eq!(watch.end(), End::Complete);
            prop_assert!(!watch.is_mid_event());
            for (at, event) in data(&stream).iter().enumerate() {
                if dialect == Dialect::Responses {
                    prop_assert_eq!(event["sequence_number"].as_u64(), Some(at as u64));
                } else {
                    prop_assert_eq!(event.get("usage"), None);
                    prop_assert_eq!(&event["id"], "chatcmpl-1");
                }
            }
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), splits in 1usize..20) {
            for dialect in [Dialect::Chat, Dialect::Completions, Dialect::Responses] {
                let _ = unfold(dialect, &bytes, true);
                let _ = assembled(dialect, bytes.chunks(splits));
                let _ = Splice::of(dialect, &bytes).map(|splice| splice.applied(&bytes));
            }
        }

        #[test]
        fn a_stream_made_of_pieces_never_makes_it_panic(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40),
        ) {
            for dialect in [Dialect::Chat, Dialect::Completions, Dialect::Responses] {
                if let Ok(answer) = assembled(dialect, pieces.iter().map(|piece| piece.as_bytes())) {
                    prop_assert!(crate::json::is_document(&answer), "{}", String::from_utf8_lossy(&answer));
                }
            }
        }

        /// Only the two keys differ from what the caller wrote.
        #[test]
        fn a_request_asks_for_a_stream_and_for_nothing_else(
            members in prop::collection::btree_map("[a-z]{1,6}", text(), 0..4),
            stream in prop::option::of(prop::sample::select(vec![Value::Null, Value::Bool(false)])),
            has_options in any::<bool>(),
            is_pretty in any::<bool>(),
        ) {
            let mut body = Value::Object(members.into_iter().map(|(key, text)| (key, text.into())).collect());
            if let Some(stream) = stream {
                body["stream"] = stream;
            }
            if has_options {
                body["stream_options"] = Value::Null;
            }
            let bytes = written(&body, is_pretty);
            for dialect in [Dialect::Chat, Dialect::Responses] {
                let mut expected = body.clone();
                expected["stream"] = true.into();
                if dialect == Dialect::Chat {
                    expected["stream_options"] = json!({"include_usage": true});
                }
                let changed = Splice::of(dialect, &bytes).expect("a plain body").applied(&bytes);
                prop_assert_eq!(serde_json::from_slice::<Value>(&changed).expect("JSON"), expected);
            }
        }
    }

    const PIECES: &[&str] = &[
        "data: ",
        "\n\n",
        "{",
        "}",
        "{}",
        "[",
        "]",
        "null",
        "\"x\"",
        "1",
        ",",
        "\"choices\":[",
        "{\"index\":1,",
        "\"delta\":{",
        "\"content\":",
        "\"tool_calls\":",
        "\"logprobs\":",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":[1]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":{\"a\":2}},\"logprobs\":[{}]}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{},{\"id\":\"a\"},{\"index\":9,\"x\":{\"y\":\"z\"}}]}}]}\n\n",
        "data: {\"id\":\"\",\"usage\":null,\"choices\":[]}\n\n",
        "data: {\"type\":\"response.completed\",\"response\":{\"a\":[1]}}\n\n",
        "data: [DONE]\n\n",
    ];
}

#[test]
fn a_chat_stream_as_openai_sends_it_becomes_the_answer_it_would_have_sent() {
    let chunk = |choices: Value, usage: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "gpt-4o-2024-08-06",
            "service_tier": "default", "system_fingerprint": "fp_1", "choices": choices, "usage": usage, "obfuscation": "xY3"})
    };
    let token = |token: &str, odds: f64| json!({"token": token, "logprob": odds, "bytes": null, "top_logprobs": []});
    let choice = |index: u32, delta: Value, logprobs: Value, finish: Value| {
        chunk(json!([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]), Value::Null)
    };
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13});
    let none = || Value::Null;
    let stream = events(&[
        choice(
            0,
            json!({"role": "assistant", "content": "", "refusal": null}),
            json!({"content": [], "refusal": null}),
            none(),
        ),
        choice(1, json!({"role": "assistant", "content": null, "refusal": null}), none(), none()),
        choice(0, json!({"content": "Hé"}), json!({"content": [token("Hé", -0.317_253_05)], "refusal": null}), none()),
        choice(
            1,
            json!({"tool_calls": [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
            none(),
            none(),
        ),
        choice(0, json!({"content": "llo\n"}), json!({"content": [token("llo\n", -1e-5)], "refusal": null}), none()),
        choice(1, json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\""}}]}), none(), none()),
        choice(
            1,
            json!({"tool_calls": [{"index": 1, "id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{"}}]}),
            none(),
            none(),
        ),
        choice(
            1,
            json!({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}, {"index": 1, "function": {"arguments": "}"}}]}),
            none(),
            none(),
        ),
        choice(0, json!({}), none(), json!("stop")),
        choice(1, json!({}), none(), json!("tool_calls")),
        chunk(json!([]), usage.clone()),
    ]);
    let expected = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "gpt-4o-2024-08-06",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Héllo\n", "refusal": null},
             "logprobs": {"content": [token("Hé", -0.317_253_05), token("llo\n", -1e-5)], "refusal": null}, "finish_reason": "stop"},
            {"index": 1, "message": {"role": "assistant", "content": null, "refusal": null, "tool_calls": [
                {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
             "logprobs": null, "finish_reason": "tool_calls"},
        ],
        "usage": usage, "service_tier": "default", "system_fingerprint": "fp_1",
    });
    assert_eq!(value(Dialect::Chat, &stream), expected);
}

#[test]
fn digits_and_escapes_are_carried_over_as_they_were_written() {
    let stream = concat!(
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ud83d\"},\"logprobs\":{\"content\":[1.00, -0.31725305]}}]}\n\n",
        "data: {\"big\":123456789012345678901234567890,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ude00\\/\"},\"finish_reason\":\"stop\"}]}\n\n",
    );
    let answer = String::from_utf8(assembled(Dialect::Chat, [stream.as_bytes()]).expect("an answer")).expect("UTF-8");
    assert!(answer.contains(r#""content":"\ud83d\ude00\/""#), "{answer}");
    assert!(answer.contains("[1.00,-0.31725305]") && answer.contains(":123456789012345678901234567890"), "{answer}");
}

#[test]
fn what_providers_do_otherwise_is_understood() {
    // The first chunk is about the prompt, and its names are empty (Azure).
    let azure = events(&[
        json!({"id": "", "created": 0, "model": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        json!({"id": "c", "created": 5, "model": "gpt-4o", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}]}),
    ]);
    let answer = value(Dialect::Chat, &azure);
    assert_eq!((&answer["id"], &answer["created"], &answer["model"]), (&json!("c"), &json!(5), &json!("gpt-4o")));
    assert_eq!(answer["prompt_filter_results"], json!([{"prompt_index": 0}]));
    // Usage with every chunk, the last of them counts; none at all is none.
    let chunk = |usage: Value| json!({"choices": [{"index": 0, "delta": {"content": "x"}}], "usage": usage});
    let counted = value(Dialect::Chat, &events(&[chunk(json!({"n": 1})), chunk(json!({"n": 2})), chunk(Value::Null)]));
    assert_eq!(counted["usage"], json!({"n": 2}));
    assert_eq!(value(Dialect::Chat, &events(&[chunk(Value::Null)])).get("usage"), None);
    // The role and the name are repeated with each piece.
    let call = |arguments: &str| json!({"role": "assistant", "tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}]});
    let repeated = message(&[call("{"), call("}")]);
    assert_eq!(repeated["role"], "assistant");
    assert_eq!(
        repeated["tool_calls"],
        json!([{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}])
    );
    // Whole calls without a number.
    let whole = |id: &str| json!({"tool_calls": [{"id": id, "function": {"name": "f", "arguments": "{}"}}]});
    let calls = message(&[whole("a"), whole("b")]);
    assert_eq!(calls["tool_calls"].as_array().map(Vec::len), Some(2));
    // Pieces that name neither number nor id belong to the last.
    let piece = json!({"tool_calls": [{"function": {"arguments": "1"}}]});
    assert_eq!(message(&[whole("a"), piece])["tool_calls"][0]["function"]["arguments"], "{}1");
    // Reasoning under its several names, and a call of the old kind.
    let old = message(&[
        json!({"reasoning_content": "a", "reasoning": "x", "reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "p"}]}),
        json!({"reasoning_content": "b", "function_call": {"name": "f", "arguments": "{"}, "reasoning_details": [{"index": 0, "text": "q"}]}),
        json!({"function_call": {"arguments": "}"}, "audio": {"id": "au", "transcript": "he"}}),
        json!({"audio": {"id": "au", "transcript": "y", "expires_at": 9}}),
    ]);
    assert_eq!(old["reasoning_content"], "ab");
    assert_eq!(old["reasoning_details"], json!([{"index": 0, "type": "reasoning.text", "text": "pq"}]));
    assert_eq!(old["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(old["audio"], json!({"id": "au", "transcript": "hey", "expires_at": 9}));
    assert_eq!((&old["role"], &old["content"]), (&json!("assistant"), &Value::Null));
}

#[test]
fn a_response_is_the_object_of_its_last_event_byte_for_byte() {
    let response = r#"{"id":"resp_1","status":"completed","output":[],"n":1.00}"#;
    for kind in ["response.completed", "response.incomplete", "response.failed"] {
        let last = format!(
            "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":9,\"response\":{response}}}\n\ndata: more\n\n"
        );
        let stream =
            format!("event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{}}}}\n\n{last}");
        assert_eq!(assembled(Dialect::Responses, [stream.as_bytes()]), Ok(response.as_bytes().to_vec()));
    }
    let begun = b"data: {\"type\":\"response.created\",\"response\":{}}\n\n";
    assert_eq!(assembled(Dialect::Responses, [&begun[..]]), Err(Unfit::Nothing));
}

#[test]
fn a_response_is_told_event_by_event() {
    let response = json!({"id": "resp_1", "object": "response", "status": "completed", "usage": {"output_tokens": 2}, "output": [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]},
        {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
         "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}]},
        {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
    ]});
    let stream = unfold(Dialect::Responses, response.to_string().as_bytes(), false).expect("a response");
    let told = data(&stream);
    let kinds: Vec<_> = told.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let begun = json!({"id": "resp_1", "object": "response", "status": "in_progress", "usage": null, "output": []});
    assert_eq!(told[0]["response"], begun);
    assert_eq!(told[8]["item"]["content"], json!([]));
    let delta = json!({"type": "response.output_text.delta", "sequence_number": 10, "item_id": "msg_1", "output_index": 1,
        "content_index": 0, "delta": "Hi", "logprobs": []});
    assert_eq!(told[10], delta);
    assert_eq!((&told[16]["arguments"], &told[16]["output_index"]), (&json!("{}"), &json!(2)));
    assert_eq!(told[18]["response"], response);
    let names = String::from_utf8_lossy(&stream).lines().filter(|line| line.starts_with("event: ")).count();
    assert_eq!(names, told.len());
}

#[test]
fn usage_is_told_only_where_it_was_asked_for() {
    let answer = json!({"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
        "usage": {"total_tokens": 3}});
    let told =
        |include_usage| data(&unfold(Dialect::Chat, answer.to_string().as_bytes(), include_usage).expect("an answer"));
    let without = told(false);
    assert_eq!(without.len(), 3);
    assert!(without.iter().all(|chunk| chunk.get("usage").is_none()));
    let with = told(true);
    assert_eq!(with.len(), 4);
    assert!(with[..3].iter().all(|chunk| chunk["usage"].is_null()));
    assert_eq!((&with[3]["choices"], &with[3]["usage"]), (&json!([]), &json!({"total_tokens": 3})));
    assert_eq!(with[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert_eq!(with[1]["choices"][0]["delta"], json!({"content": "x"}));
    assert_eq!(with[2]["choices"][0], json!({"index": 0, "delta": {}, "finish_reason": "stop"}));
}

#[test]
fn what_is_no_whole_answer_is_not_unfolded() {
    for (dialect, body) in [
        (Dialect::Chat, "{}"),
        (Dialect::Chat, "[]"),
        (Dialect::Chat, r#"{"choices":{}}"#),
        (Dialect::Chat, r#"{"choices":["x"]}"#),
        (Dialect::Chat, r#"{"choices":[{"message":[]}]}"#),
        (Dialect::Chat, r#"{"choices":[{"message":{"tool_calls":{}}}]}"#),
        (Dialect::Chat, r#"{"choices":[]"#),
        (Dialect::Completions, r#"{"choices":[{}]}"#),
        (Dialect::Responses, r#"{"output":[]}"#),
        (Dialect::Responses, r#"{"status":"completed"}"#),
        (Dialect::Responses, r#"{"status":"in_progress","output":[]}"#),
        (Dialect::Responses, r#"{"status":"queued","output":[]}"#),
        (Dialect::Messages, r#"{"content":[]}"#),
    ] {
        assert_eq!(unfold(dialect, body.as_bytes(), true), None, "{dialect} {body}");
    }
}

#[test]
fn a_stream_that_holds_no_answer_gives_none() {
    for (stream, unfit) in [
        ("", Unfit::Nothing),
        (": comment\n\ndata: [DONE]\n\n", Unfit::Nothing),
        ("event: ping\ndata: {}\n\n", Unfit::Nothing),
        ("data: {\"choices\":[\n\n", Unfit::Broken),
        ("data: text\n\n", Unfit::Broken),
        ("data: {\"choices\":[{\"delta\":\"x\"}]}\n\n", Unfit::Broken),
    ] {
        assert_eq!(assembled(Dialect::Chat, [stream.as_bytes()]), Err(unfit), "{stream}");
    }
    assert!(Assembly::new(Dialect::Messages).is_none());
}

#[test]
fn an_answer_is_assembled_up_to_its_limit_and_no_further() {
    let piece = "x".repeat(1 << 20);
    let chunk =
        |text: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let mut assembly = Assembly::new(Dialect::Chat).expect("chat");
    for _ in 0..7 {
        assembly.push(chunk(&piece).as_bytes());
    }
    assert!(assembly.unfit().is_none() && assembly.bytes() > 7 << 20);
    // What the parts of the object cost is a little less than this.
    assembly.push(chunk(&piece[..piece.len() - 1_000]).as_bytes());
    assert_eq!(assembly.unfit(), None);
    assembly.push(chunk(&piece[..1_001]).as_bytes());
    assert_eq!((assembly.unfit(), assembly.finish().err()), (Some(Unfit::TooLarge), Some(Unfit::TooLarge)));

    let with = |index: u32| format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{}}}}]}}\n\n");
    assert!(assembled(Dialect::Chat, [with(CHOICES_MAX - 1).as_bytes()]).is_ok());
    assert_eq!(assembled(Dialect::Chat, [with(CHOICES_MAX).as_bytes()]), Err(Unfit::TooLarge));

    let call = |n: usize| json!({"tool_calls": [{"index": n, "id": n.to_string()}]});
    let calls = |n: usize| assembled(Dialect::Chat, [&deltas(&(0..n).map(call).collect::<Vec<_>>())[..]]);
    assert!(calls(ENTRIES_MAX).is_ok());
    assert_eq!(calls(ENTRIES_MAX + 1), Err(Unfit::TooLarge));

    let key = |n: usize| json!({format!("k{n}"): 1});
    let keys = |n: usize| assembled(Dialect::Chat, [&deltas(&(0..n).map(key).collect::<Vec<_>>())[..]]);
    assert!(keys(KEYS_MAX).is_ok());
    assert_eq!(keys(KEYS_MAX + 1), Err(Unfit::TooLarge));
}

#[test]
fn what_is_said_again_with_each_piece_takes_no_room() {
    let mut assembly = Assembly::new(Dialect::Chat).expect("chat");
    let chunk = |n: usize| {
        let odd = if n.is_multiple_of(2) { "even, and longer" } else { "odd" };
        let filtered = json!({"hate": {"filtered": false, "severity": odd}});
        let call =
            json!([{"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": "x"}}]);
        json!({"id": "c", "system_fingerprint": "fp_1", "usage": {"completion_tokens": n}, "choices": [
            {"index": 0, "delta": {"role": "assistant", "tool_calls": call}, "content_filter_results": filtered, "finish_reason": null}]})
    };
    for n in 0..2_000 {
        assembly.push(format!("data: {}\n\n", chunk(n)).as_bytes());
    }
    // A letter of arguments each, and what it all begins with.
    assert!((2_000..4_000).contains(&assembly.bytes()), "{}", assembly.bytes());
    assert_eq!(assembly.unfit(), None);
}

/// Every way to end early: all choices are there whole, or the end was noticed.
#[test]
fn no_cut_makes_a_short_answer() {
    let stream = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"total_tokens\":2}}\n\ndata: [DONE]\n\n",
    );
    let whole = value(Dialect::Chat, stream.as_bytes());
    let mut believed = 0;
    for cut in 0..stream.len() {
        let (mut watch, mut assembly) = (Watch::new(Dialect::Chat, 1), Assembly::new(Dialect::Chat).expect("chat"));
        watch.push(&stream.as_bytes()[..cut]);
        assembly.push(&stream.as_bytes()[..cut]);
        if watch.end() == End::Complete && !assembly.is_mid_event() {
            believed += 1;
            let answer: Value = serde_json::from_slice(&assembly.finish().expect("an answer")).expect("JSON");
            assert_eq!(answer["choices"], whole["choices"], "cut at {cut}");
        }
    }
    // After the last choice, after the tokens, and within the empty line at the very end.
    assert!((2..8).contains(&believed), "{believed}");
}

#[test]
fn the_end_of_an_answer_is_known() {
    let mut assembly = Assembly::new(Dialect::Chat).expect("chat");
    assembly.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n");
    assert_eq!((assembly.is_over(), assembly.has_usage()), (false, false));
    assembly.push(b"data: {\"choices\":[],\"usage\":{\"total_tokens\":1}}\n\n");
    assert_eq!((assembly.is_over(), assembly.has_usage()), (false, true));
    assembly.push(b"data: [DONE]\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"y\"}}]}\n\n");
    assert!(assembly.is_over());
    let answer = assembly.finish().expect("an answer");
    assert!(!String::from_utf8_lossy(&answer).contains("xy"));
}

#[test]
fn only_plain_requests_for_a_whole_answer_are_upgraded() {
    let can = |path: &str, body: &str| {
        let bytes = body.as_bytes();
        let headers = HeaderMap::new();
        can_upgrade(&Request::of(&Method::POST, path, &headers, Some(bytes), bytes.len() as u64), bytes)
    };
    let chat = |body: &str| can("/v1/chat/completions", body);
    for body in [
        "{}",
        r#"{"model":"m"}"#,
        r#"{"stream":false}"#,
        r#"{"stream":null}"#,
        r#"{"stream_options":null}"#,
        r#"{"n":128}"#,
        r#"{"audio":null,"modalities":["text"]}"#,
    ] {
        assert!(chat(body), "{body}");
    }
    for body in [
        "",
        "[]",
        "{",
        r#"{"stream":true}"#,
        r#"{"stream":"false"}"#,
        r#"{"stream":false,"stream":false}"#,
        r#"{"stream_options":{"include_usage":false}}"#,
        r#"{"stream_options":null,"stream_options":null}"#,
        r#"{"n":129}"#,
        r#"{"audio":{"voice":"alloy"}}"#,
        r#"{"modalities":["text","audio"]}"#,
        r#"{"model":"a","model":"b"}"#,
    ] {
        assert!(!chat(body), "{body}");
    }
    assert!(can("/v1/responses", r#"{"input":"x"}"#));
    assert!(!can("/v1/responses", r#"{"background":true}"#));
    assert!(!can("/v1/completions", "{}") && !can("/v1/embeddings", "{}") && !can("/v1/messages", "{}"));
    let get = Request::of(&Method::GET, "/v1/responses/resp_1", &HeaderMap::new(), None, 0);
    assert!(!can_upgrade(&get, b"{}"));
}

#[test]
fn a_body_is_changed_in_two_places_and_nowhere_else() {
    for (dialect, body, changed) in [
        (Dialect::Chat, "{}", r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
        (
            Dialect::Chat,
            " {\n \"a\": 1.0 } ",
            " {\"stream\":true,\"stream_options\":{\"include_usage\":true},\n \"a\": 1.0 } ",
        ),
        (
            Dialect::Chat,
            r#"{"stream": false ,"a":1}"#,
            r#"{"stream_options":{"include_usage":true},"stream": true ,"a":1}"#,
        ),
        (
            Dialect::Chat,
            r#"{"stream_options":null,"stream":null}"#,
            r#"{"stream_options":{"include_usage":true},"stream":true}"#,
        ),
        (Dialect::Chat, r#"{"stream_options":null}"#, r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
        (Dialect::Responses, "{}", r#"{"stream":true}"#),
        (Dialect::Responses, r#"{"stream":false,"input":"x"}"#, r#"{"stream":true,"input":"x"}"#),
        (Dialect::Responses, r#"{"input":"x"}"#, r#"{"stream":true,"input":"x"}"#),
    ] {
        let splice = Splice::of(dialect, body.as_bytes()).expect("a plain body");
        assert_eq!(String::from_utf8_lossy(&splice.applied(body.as_bytes())), changed, "{body}");
    }
}
