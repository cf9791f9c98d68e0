//! SW4: messages and calls.

use seawall_core::request::lint::Target;

use crate::corpus::Case;

const F: &str = r#"{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}"#;

/// A Chat request with these messages after the first.
fn chat(messages: &[&str]) -> String {
    let rest: String = messages.iter().map(|message| format!(",{message}")).collect();
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}{rest}]}}"#)
}

/// A Responses request with these items after the first.
fn items(items: &[&str]) -> String {
    let rest: String = items.iter().map(|item| format!(",{item}")).collect();
    format!(r#"{{"model":"m","input":[{{"role":"user","content":"hi"}}{rest}]}}"#)
}

fn calls(calls: &[&str]) -> String {
    format!(r#"{{"role":"assistant","content":null,"tool_calls":[{}]}}"#, calls.join(","))
}

fn call(id: &str) -> String {
    format!(r#"{{"id":"{id}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}"#)
}

fn answer(id: &str) -> String {
    format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"7"}}"#)
}

fn item(id: &str) -> String {
    format!(r#"{{"type":"function_call","call_id":"{id}","name":"f","arguments":"{{}}"}}"#)
}

fn output(id: &str) -> String {
    format!(r#"{{"type":"function_call_output","call_id":"{id}","output":"7"}}"#)
}

pub(crate) fn cases() -> Vec<Case> {
    [messages(), responses(), results()].into_iter().flatten().collect()
}

fn messages() -> Vec<Case> {
    let user = r#"{"role":"user","content":"and?"}"#;
    let (c1, a1) = (calls(&[F]), answer("c1"));
    let two = calls(&[&call("c1"), &call("c2")]);
    let many = |count: usize| -> String {
        let ids: Vec<_> = (0..count).map(|n| format!("c{n}")).collect();
        let list: Vec<_> = ids.iter().map(|id| call(id)).collect();
        let answers: Vec<_> = ids.iter().map(|id| answer(id)).collect();
        let first = calls(&list.iter().map(String::as_str).collect::<Vec<_>>());
        let all: Vec<_> = [first].into_iter().chain(answers).collect();
        chat(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (longest, longer) = ("x".repeat(40), "x".repeat(41));
    vec![
        Case::new(chat(&[&c1, &a1]), ""),
        Case::new(chat(&[&c1, &a1, user]), ""),
        Case::new(chat(&[&two, &answer("c2"), &answer("c1")]), ""),
        Case::new(chat(&[&c1, &a1, &c1, &a1]), ""),
        Case::new(chat(&[&a1]), "SW401E /messages/1"),
        Case::new(chat(&[&c1, &a1, user, &a1]), "SW401E /messages/4"),
        Case::new(chat(&[&c1, user, &a1]), "SW403E /messages/1/tool_calls/0; SW401E /messages/3"),
        Case::new(chat(&[r#"{"role":"assistant","content":"x"}"#, &a1]), "SW401E /messages/2"),
        Case::new(chat(&[&c1, &a1, &answer("c9")]), "SW402E /messages/3/tool_call_id"),
        Case::new(chat(&[&c1]), "SW403E /messages/1/tool_calls/0"),
        Case::new(chat(&[&two, &a1]), "SW403E /messages/1/tool_calls/1"),
        Case::new(chat(&[&two, user]), "SW403E /messages/1/tool_calls/0"),
        Case::new(chat(&[&two, &a1, user, &answer("c2")]), "SW403E /messages/1/tool_calls/1; SW401E /messages/4"),
        Case::new(many(128), ""),
        Case::new(many(129), "SW404E /messages/1/tool_calls"),
        Case::new(chat(&[&calls(&[F, F]), &a1]), "SW405W /messages/1/tool_calls/1/id"),
        Case::new(chat(&[&c1, &a1, &a1]), "SW405W /messages/3/tool_call_id"),
        Case::at(Target::AnthropicCompat, chat(&[&c1, &a1, &a1]), "SW405E /messages/3/tool_call_id"),
        Case::new(chat(&[&calls(&[&call(&longest)]), &answer(&longest)]), ""),
        Case::new(chat(&[&calls(&[&call(&longer)]), &answer(&longer)]), "SW408W /messages/1/tool_calls/0/id"),
        Case::at(Target::AnthropicCompat, chat(&[&calls(&[&call(&longer)]), &answer(&longer)]), ""),
        Case::new(
            chat(&[&calls(&[r#"{"id":"c1","type":"function","function":{"name":"a b","arguments":"{}"}}"#]), &a1]),
            "SW412E /messages/1/tool_calls/0/function/name",
        ),
        Case::new(
            chat(&[&calls(&[r#"{"id":"c1","type":"function","function":{"name":"f","arguments":{"x":1}}}"#]), &a1]),
            "SW413E /messages/1/tool_calls/0/function/arguments",
        ),
        Case::new(
            chat(&[&calls(&[r#"{"id":"c1","type":"function","function":{"name":"f","arguments":""}}"#]), &a1]),
            "SW414W /messages/1/tool_calls/0/function/arguments",
        ),
        Case::new(
            chat(&[&calls(&[r#"{"id":"c1","type":"function","function":{"name":"f","arguments":"[1]"}}"#]), &a1]),
            "SW414W /messages/1/tool_calls/0/function/arguments",
        ),
        Case::new(
            chat(&[&calls(&[r#"{"id":"c1","type":"custom","custom":{"name":"f","input":"any text"}}"#]), &a1]),
            "",
        ),
        Case::new(
            chat(&[&calls(&[r#"{"type":"function","function":{"name":"f","arguments":"{}"}}"#])]),
            "SW415E /messages/1/tool_calls/0",
        ),
        Case::new(chat(&[&c1, &a1, r#"{"role":"tool","content":"7"}"#]), "SW415E /messages/3"),
        Case::new(
            chat(&[&c1, &a1, r#"{"role":"tool","tool_call_id":7,"content":"7"}"#]),
            "SW415E /messages/3/tool_call_id",
        ),
        Case::new(chat(&[&calls(&[])]), "SW417E /messages/1/tool_calls"),
        Case::at(Target::AnthropicCompat, chat(&[&calls(&[])]), "SW417W /messages/1/tool_calls"),
        Case::new(chat(&[r#"{"role":"assistant","content":"x","tool_calls":null}"#]), ""),
        Case::new(
            chat(&[r#"{"role":"assistant","content":null,"function_call":{"name":"a b","arguments":"{}"}}"#]),
            "SW412E /messages/1/function_call/name",
        ),
    ]
}

fn responses() -> Vec<Case> {
    let (c1, o1) = (item("c1"), output("c1"));
    let with = |more: &str| format!(r#"{{"type":"function_call","call_id":"c1","arguments":"{{}}",{more}}}"#);
    let (longest, longer) = ("x".repeat(64), "x".repeat(65));
    let history = |body: String| body.replacen('{', r#"{"previous_response_id":"r1","#, 1);
    let text = |length: usize| {
        format!(r#"{{"type":"function_call_output","call_id":"c1","output":"{}"}}"#, "x".repeat(length))
    };
    vec![
        Case::new(items(&[&c1, &o1]), ""),
        Case::new(items(&[&c1]), "SW406E /input/1"),
        Case::new(items(&[&c1, &item("c2"), &o1]), "SW406E /input/2"),
        Case::new(items(&[&c1, &item("c2")]), "SW406E /input/1; SW406E /input/2"),
        Case::new(items(&[&o1]), "SW407E /input/1"),
        Case::new(items(&[&c1, &o1, &output("c2")]), "SW407E /input/3"),
        Case::new(history(items(&[&o1])), ""),
        Case::new(history(items(&[&c1])), "SW406E /input/1"),
        Case::new(items(&[r#"{"type":"item_reference","id":"fc_1"}"#, &o1]), ""),
        Case::new(items(&[&item(&longest), &output(&longest)]), ""),
        Case::new(items(&[&item(&longer), &output(&longer)]), "SW408E /input/1/call_id"),
        Case::new(history(items(&[&output(&longer)])), "SW408E /input/1/call_id"),
        Case::new(items(&[&c1, &c1, &o1]), "SW405W /input/2/call_id"),
        Case::new(items(&[&c1, &o1, &o1]), "SW405W /input/3/call_id"),
        Case::new(items(&[&c1, &text(10_485_760)]), ""),
        Case::new(items(&[&c1, &text(10_485_761)]), "SW409E /input/2/output"),
        Case::new(items(&[&with(r#""name":"f","namespace":"a-b_9""#), &o1]), ""),
        Case::new(items(&[&with(r#""name":"f","namespace":"a.b""#), &o1]), "SW410E /input/1/namespace"),
        Case::new(items(&[&with(&format!(r#""name":"f","namespace":"{longer}""#)), &o1]), "SW410E /input/1/namespace"),
        Case::new(items(&[&with(&format!(r#""name":"f","namespace":"{longest}""#)), &o1]), ""),
        Case::new(items(&[&with(r#""name":"a b""#), &o1]), "SW412E /input/1/name"),
        Case::new(items(&[&c1.replace(r#""{}""#, "{}"), &o1]), "SW413E /input/1/arguments"),
        Case::new(items(&[&c1.replace("{}", "{x}"), &o1]), "SW414W /input/1/arguments"),
        Case::new(items(&[r#"{"type":"function_call","name":"f","arguments":"{}"}"#]), "SW415E /input/1"),
        Case::new(items(&[r#"{"type":"function_call_output","output":"7"}"#]), "SW415E /input/1"),
        Case::new(items(&[&answer("c1")]), "SW416E /input/1/role"),
        Case::new(items(&[&calls(&[F])]), "SW416E /input/1/tool_calls"),
        Case::new(
            items(&[r#"{"type":"custom_tool_call","call_id":"c1","name":"f","input":"text"}"#]),
            "SW406E /input/1",
        ),
        Case::new(
            items(&[
                r#"{"type":"custom_tool_call","call_id":"c1","name":"f","input":"text"}"#,
                r#"{"type":"custom_tool_call_output","call_id":"c1","output":"7"}"#,
            ]),
            "",
        ),
        Case::new(r#"{"model":"m","input":"hi"}"#, ""),
    ]
}

fn results() -> Vec<Case> {
    let mut cases = Vec::new();
    for (result, code) in [
        (r#""{\"content\":[{\"type\":\"text\",\"text\":\"7\"}]}""#, "SW411W"),
        (r#""{\"content\":[{\"type\":\"image\",\"data\":\"\"}],\"isError\":true,\"_meta\":{}}""#, "SW411W"),
        (r#""{\"content\":[]}""#, ""),
        (r#""{\"content\":[{\"type\":\"text\"}],\"page\":1}""#, ""),
        (r#""{\"content\":\"7\"}""#, ""),
        (r#""{\"a\":1}""#, ""),
        (r#""{""#, ""),
        (r#"[{"type":"text","text":"7"}]"#, ""),
        ("null", ""),
        ("7", "SW418E"),
        ("true", "SW418E"),
        (r#"{"content":[{"type":"text","text":"7"}]}"#, "SW418E"),
    ] {
        let at = |pointer: &str| if code.is_empty() { String::new() } else { format!("{code} {pointer}") };
        let message = format!(r#"{{"role":"tool","tool_call_id":"c1","content":{result}}}"#);
        cases.push(Case::new(chat(&[&calls(&[F]), &message]), at("/messages/2/content")));
        let item_out = format!(r#"{{"type":"function_call_output","call_id":"c1","output":{result}}}"#);
        cases.push(Case::new(items(&[&item("c1"), &item_out]), at("/input/2/output")));
    }
    cases
}
