//! What people paste, and what they must be told.

use seawall_core::request::lint::rule::RULES;
use seawall_core::verdict::Fault;
use seawall_core::verdict::code::{Code, provider};

use super::*;

/// Runs the command without a journal; whether it was recognised, and what it printed.
fn told(what: Option<&str>, stdin: impl Read, json: bool) -> (bool, String) {
    let args = ExplainArgs {
        what: what.into_iter().map(str::to_owned).collect(),
        json,
        no_journal: true,
        ..ExplainArgs::default()
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let is_recognised = run(&args, None, stdin, &mut out, &mut err).unwrap();
    assert!(err.is_empty());
    (is_recognised, String::from_utf8(out).unwrap())
}

#[track_caller]
fn is(what: &str, kind: Kind, status: impl Into<Option<u16>>, class: Class) -> Explained {
    let explained = explain(what);
    let found = (explained.recognised, explained.status, explained.class);
    assert_eq!(found, (Some(kind), status.into(), Some(class)), "{what}");
    assert!(!explained.next.is_empty() && explained.meaning.is_some(), "{what}");
    explained
}

#[test]
fn a_word_is_a_status_a_class_a_code_or_a_fault() {
    is("500", Kind::Status, 500, Class::ServerError);
    is(" 502\n", Kind::Status, 502, Class::BadGateway);
    is("503", Kind::Status, 503, Class::Overloaded);
    is("504", Kind::Status, 504, Class::Ambiguous);
    is("529", Kind::Status, 529, Class::Overloaded);
    is("200", Kind::Status, 200, Class::Ok);
    is("301", Kind::Status, 301, Class::CallerFault);
    is("HTTP 502", Kind::Status, 502, Class::BadGateway);
    is("503 Service Unavailable", Kind::Status, 503, Class::Overloaded);
    is("error code: 520", Kind::Status, 520, Class::BadGateway);
    is("insufficient_quota", Kind::Code, 429, Class::Quota);
    is("Insufficient_Quota", Kind::Code, 429, Class::Quota);
    is("\"server_is_overloaded\"", Kind::Code, 503, Class::Overloaded);
    is("seawall_deadline", Kind::Code, 504, Class::Ambiguous);
    is("seawall_loop", Kind::Code, 508, Class::CallerFault);
    is("connect_timeout", Kind::Code, None, Class::NotSent);
    is("RateLimitError", Kind::PythonException, 429, Class::RateLimited);
    is("openai.APITimeoutError", Kind::PythonException, None, Class::Ambiguous);
    for &class in Class::ALL {
        is(class.name(), Kind::Class, class.status(), class);
    }
    for code in Code::ALL {
        is(code.name(), Kind::Code, code.status(), code.meaning().class);
    }
    for row in provider::TABLE {
        for word in row.words {
            assert!(explain(word).recognised.is_some(), "{word}");
        }
    }
}

#[test]
fn what_seawall_did_is_explained_and_a_word_with_two_meanings_has_both() {
    for &outcome in Outcome::ALL {
        let explained = explain(&format!("x-seawall-outcome: {outcome}"));
        assert_eq!((explained.recognised, explained.word), (Some(Kind::Outcome), Some(outcome.name())));
        assert!(explain(outcome.name()).recognised.is_some());
    }
    for &reason in Reason::ALL {
        let explained = explain(&format!("X-Seawall-Reason: {reason}"));
        let told = [explained.word, explained.also.first().map(|also| also.word)];
        assert!(told.contains(&Some(reason.name())), "{reason}");
        assert!(explain(reason.name()).recognised.is_some());
    }
    for &fault in Fault::ALL {
        assert!(explain(fault.name()).recognised.is_some(), "{fault}");
    }
    let budget = explain("budget");
    assert_eq!(
        (budget.recognised, budget.also.len(), budget.class),
        (Some(Kind::Outcome), 0, None),
        "both mean the same"
    );
    let ambiguous = explain("ambiguous");
    assert_eq!((ambiguous.recognised, ambiguous.also[0].taken_for), (Some(Kind::Class), Kind::Outcome));
    let reply = "HTTP/1.1 504 x\nx-seawall-outcome: diagnosed\nx-seawall-reason: cliff\n\n";
    let reply = is(reply, Kind::HttpResponse, 504, Class::Ambiguous);
    assert_eq!(reply.also.iter().map(|also| also.word).collect::<Vec<_>>(), ["diagnosed", "cliff"]);
}

#[test]
fn every_rule_is_explained_by_code_and_by_name_in_any_case() {
    for rule in RULES {
        for word in [rule.code.to_owned(), rule.code.to_lowercase(), rule.name.to_uppercase()] {
            let explained = explain(&word);
            assert_eq!(
                (explained.recognised, explained.class),
                (Some(Kind::LintRule), Some(Class::CallerFault)),
                "{word}"
            );
            assert_eq!(explained.rule.map(|told| told.code), Some(rule.code));
        }
    }
    let (is_recognised, out) = told(Some("SW9999"), io::empty(), false);
    assert!(!is_recognised && out.contains(&format!("did you mean `{}`?", RULES[RULES.len() - 1].code)), "{out}");
    let near = RULES[0].name.replace('-', "_");
    assert!(told(Some(&near), io::empty(), false).1.contains(RULES[0].name));
}

#[test]
fn a_message_about_a_tool_names_its_rule() {
    let message = "Invalid 'tools[2].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
    let body = serde_json::json!({"error": {"message": message, "type": "invalid_request_error", "param": "tools[2].function.name", "code": "invalid_value"}});
    let python = format!(
        "openai.BadRequestError: Error code: 400 - {{'error': {{'message': \"{message}\", 'type': 'invalid_request_error', 'param': 'tools[2].function.name', 'code': 'invalid_value'}}}}"
    );
    let node = format!("BadRequestError: 400 {message}\n    at APIError.generate (x)");
    for pasted in [message.to_owned(), body.to_string(), python, node, format!("HTTP/1.1 400 Bad Request\n\n{body}")] {
        let explained = explain(&pasted);
        assert_eq!((explained.status, explained.class), (Some(400), Some(Class::CallerFault)), "{pasted}");
        assert_eq!(explained.rule.map(|told| told.code), Some("SW101"), "{pasted}");
        assert!(explained.next[0].contains("seawall lint"), "{pasted}");
    }
    assert_eq!(explain(&PYTHON.replace('\'', "\"")).rule, None);
}

#[test]
fn an_id_alone_is_recognised() {
    for id in [
        "sw_000000000000000000000000000000ab",
        "req_0123456789abcdef0123456789abcdef",
        "0c1d2e3f-0000-4000-8000-0123456789ab",
    ] {
        let explained = explain(id);
        assert_eq!((explained.recognised, explained.request_id.as_deref()), (Some(Kind::RequestId), Some(id)), "{id}");
        assert_eq!(explained.class, None);
    }
    for word in ["sw_12", "req_", "0c1d2e3f-0000-4000-8000-0123456789ag"] {
        assert_eq!(explain(word).recognised, None, "{word}");
    }
    let told = "The upstream failed. (seawall show sw_000000000000000000000000000000ab) HTTP 502";
    let told = format!(
        "openai.InternalServerError: Error code: 502 - {{'error': {{'message': '{told}', 'code': 'seawall_upstream_error'}}}}"
    );
    assert_eq!(explain(&told).request_id.as_deref(), Some("sw_000000000000000000000000000000ab"));
}

#[test]
fn an_error_body_is_judged_by_its_words() {
    let openai = |code: &str| format!(r#"{{"error":{{"message":"m","type":"t","param":null,"code":"{code}"}}}}"#);
    is(&openai("insufficient_quota"), Kind::ErrorJson, 429, Class::Quota);
    is(&openai("server_error"), Kind::ErrorJson, 500, Class::ServerError);
    is(r#"{"error":{"message":"m","type":"invalid_request_error"}}"#, Kind::ErrorJson, 400, Class::CallerFault);
    is(r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#, Kind::ErrorJson, 503, Class::Overloaded);
    is(r#"{"error":"model runner has unexpectedly stopped"}"#, Kind::ErrorJson, 500, Class::ServerError);
    is(r#"{"detail":"Internal Server Error"}"#, Kind::ErrorJson, 500, Class::ServerError);
    is(r#"{"statusCode":429,"message":"m"}"#, Kind::ErrorJson, 429, Class::RateLimited);
    is("{'error': {'message': 'm', 'code': 'rate_limit_exceeded'}}", Kind::ErrorJson, 429, Class::RateLimited);
    is(r#"got status 502 with {"error":{"message":"m"}} from x"#, Kind::ErrorJson, 502, Class::BadGateway);
    is(
        r#"POST "https://api.openai.com/v1/chat/completions": 500 Internal Server Error {"message":"m","type":"server_error","param":null,"code":null}"#,
        Kind::ErrorJson,
        500,
        Class::ServerError,
    );
    is(
        "data: {\"error\":{\"message\":\"m\",\"code\":\"server_error\"}}\n\ndata: [DONE]",
        Kind::StreamEvent,
        500,
        Class::ServerError,
    );
    is(
        "event: error\ndata: {\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}",
        Kind::StreamEvent,
        429,
        Class::RateLimited,
    );
    is(
        r#"{"object":"response","status":"failed","error":{"code":"server_is_overloaded","message":"m"}}"#,
        Kind::ErrorJson,
        503,
        Class::Overloaded,
    );
}

const PYTHON: &str = "openai.InternalServerError: Error code: 500 - {'error': {'message': \"The server had an error while processing your request. Sorry about that! (request ID req_0123456789abcdef0123456789abcdef)\", 'type': 'server_error', 'param': None, 'code': None}}";

#[test]
fn an_exception_of_python_is_read_with_and_without_its_traceback() {
    let plain = is(PYTHON, Kind::PythonException, 500, Class::ServerError);
    assert_eq!(plain.request_id.as_deref(), Some("req_0123456789abcdef0123456789abcdef"));
    let traceback = format!(
        "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\n    client.chat.completions.create(\n{PYTHON}\n"
    );
    is(&traceback, Kind::PythonException, 500, Class::ServerError);
    is(
        "openai.RateLimitError: Error code: 429 - {'error': {'message': 'You exceeded your current quota', 'type': 'insufficient_quota', 'param': None, 'code': 'insufficient_quota'}}",
        Kind::PythonException,
        429,
        Class::Quota,
    );
    is("openai.InternalServerError: Error code: 502", Kind::PythonException, 502, Class::BadGateway);
    // Since version 3 of the SDK: the message alone.
    let quota = "openai.RateLimitError: Error code: 429 - You exceeded your current quota, please check your plan. (request id req_0554b049b47a84ea5f4b)";
    let quota = is(quota, Kind::PythonException, 429, Class::Quota);
    assert_eq!(quota.request_id.as_deref(), Some("req_0554b049b47a84ea5f4b"));
    is(
        "openai.InternalServerError: Error code: 503 - <html><title>503</title></html>",
        Kind::PythonException,
        503,
        Class::Overloaded,
    );
    is("Error code: 500 - {'error': {'message': 'cut of", Kind::PythonException, 500, Class::ServerError);
    is(
        "Error code: 500 - {'error': {'type': 'invalid_request_error'}}",
        Kind::PythonException,
        500,
        Class::CallerFault,
    );
    is("openai.APITimeoutError: Request timed out.", Kind::PythonException, None, Class::Ambiguous);
    is("openai.APIConnectionError: Connection error.", Kind::PythonException, None, Class::Ambiguous);
    is(
        "httpcore.ConnectError: [Errno 111] Connection refused\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\nopenai.APIConnectionError: Connection error.",
        Kind::PythonException,
        None,
        Class::NotSent,
    );
    is(
        "httpx.ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed\nopenai.APIConnectionError: Connection error.",
        Kind::PythonException,
        None,
        Class::NotSent,
    );
    is(
        "openai.APIError: The server had an error while processing your request. Sorry about that!",
        Kind::PythonException,
        500,
        Class::ServerError,
    );
}

const NODE: &str = "file:///app/node_modules/openai/core/error.mjs:58
            return new InternalServerError(status, error, message, headers);
                   ^

InternalServerError: 503 The server is currently overloaded. Please try again later.
    at APIError.generate (file:///app/node_modules/openai/core/error.mjs:58:20)
    at process.processTicksAndRejections (node:internal/process/task_queues:105:5) {
  status: 503,
  headers: Headers { 'x-request-id': 'req_abc123def456' },
  requestID: 'req_abc123def456',
  error: {
    message: 'The server is currently overloaded. ' +
      'Please try again later.',
    type: 'service_unavailable_error',
    param: null,
    code: 'server_is_overloaded'
  },
  code: 'server_is_overloaded',
  param: null,
  type: 'service_unavailable_error'
}

Node.js v22.23.3
";

#[test]
fn an_error_of_node_is_read_with_and_without_its_dump() {
    let dumped = is(NODE, Kind::NodeException, 503, Class::Overloaded);
    assert_eq!(dumped.request_id.as_deref(), Some("req_abc123def456"));
    is(
        "InternalServerError: 500 The server had an error while processing your request.",
        Kind::NodeException,
        500,
        Class::ServerError,
    );
    is(
        "RateLimitError: 429 You exceeded your current quota, please check your plan",
        Kind::NodeException,
        429,
        Class::Quota,
    );
    is(
        "InternalServerError: 502 <html><title>502 Bad Gateway</title></html>",
        Kind::NodeException,
        502,
        Class::BadGateway,
    );
    is("InternalServerError: 500 status code (no body)", Kind::NodeException, 500, Class::ServerError);
    is("APIConnectionTimeoutError: Request timed out.", Kind::NodeException, None, Class::Ambiguous);
    is("APIUserAbortError: Request was aborted.", Kind::NodeException, None, Class::Cancelled);
    is(
        "APIConnectionError: Connection error.\n    at x {\n  [cause]: TypeError: fetch failed\n      [cause]: Error: connect ECONNREFUSED 127.0.0.1:9",
        Kind::NodeException,
        None,
        Class::NotSent,
    );
    is(
        "BadRequestError: 400 bad\n    at x {\n  status: 400,\n  error: undefined,\n  code: 'context_length_exceeded',\n}",
        Kind::NodeException,
        400,
        Class::CallerFault,
    );
}

#[test]
fn a_response_is_judged_as_the_gateway_would() {
    let reply = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 7\r\nx-request-id: req_42\r\n\r\n{\"error\":{\"message\":\"m\",\"code\":\"rate_limit_exceeded\"}}";
    let limited = is(reply, Kind::HttpResponse, 429, Class::RateLimited);
    assert_eq!(limited.request_id.as_deref(), Some("req_42"));
    assert!(limited.next[0].starts_with("wait 7s"), "{:?}", limited.next);
    is("HTTP/2 503\nserver: envoy\n\nno healthy upstream", Kind::HttpResponse, 503, Class::Overloaded);
    is("HTTP/1.1 504 Gateway Time-out", Kind::HttpResponse, 504, Class::Ambiguous);
    is("HTTP/1.1 100 Continue\n\nHTTP/1.1 502 Bad Gateway\n\n", Kind::HttpResponse, 502, Class::BadGateway);
    is(
        "HTTP/1.1 200 OK\ncontent-type: application/json\n\n{\"error\":{\"code\":502,\"message\":\"m\"}}",
        Kind::HttpResponse,
        502,
        Class::BadGateway,
    );
    is("HTTP/1.1 200 OK\ncontent-type: application/json\n\n{\"choices\":[]}", Kind::HttpResponse, 200, Class::Ok);
    is(
        "HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\ndata: {\"error\":{\"message\":\"m\"}}\n\n",
        Kind::HttpResponse,
        500,
        Class::ServerError,
    );
    is("HTTP/1.1 200 OK\ncontent-type: audio/mpeg\n\nID3", Kind::HttpResponse, 200, Class::Ok);
    let no = is("HTTP/1.1 500 x\nx-should-retry: false\n\n", Kind::HttpResponse, 500, Class::ServerError);
    assert_eq!(no.retried, Some(false));
    let curl = "* Connected to x\n> POST /v1 HTTP/1.1\n> Authorization: Bearer sk-secret\n>\n< HTTP/2 500 \n< x-request-id: req_77\n< \n{ [5 bytes data]\n{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\"}}";
    let verbose = is(curl, Kind::HttpResponse, 500, Class::CallerFault);
    assert_eq!(verbose.request_id.as_deref(), Some("req_77"));
    let dated = "HTTP/1.1 429 x\ndate: Sun, 22 Nov 2026 12:00:00 GMT\nretry-after: Sun, 22 Nov 2026 12:00:09 GMT\n\n";
    let dated = is(dated, Kind::HttpResponse, 429, Class::RateLimited);
    assert!(dated.next[0].starts_with("wait 9s"), "{:?}", dated.next);
}

#[test]
fn pages_and_messages_are_recognised() {
    is(
        "<html>\n<head><title>api.openai.com | 524: A timeout occurred</title></head></html>",
        Kind::HtmlPage,
        524,
        Class::Ambiguous,
    );
    is("<!DOCTYPE html><title>Sign in</title>", Kind::HtmlPage, None, Class::ServerError);
    is(
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        Kind::Message,
        503,
        Class::BadGateway,
    );
    is("Rate limit reached for gpt-4o in organization org-x on tokens per min", Kind::Message, 429, Class::RateLimited);
    is("curl: (6) Could not resolve host: api.example.com", Kind::Message, None, Class::NotSent);
    is("Error: read ECONNRESET", Kind::Message, None, Class::Ambiguous);
}

#[test]
fn lines_of_logs_are_read_for_the_error_in_them() {
    let pino = r#"{"level":50,"time":1,"err":{"type":"InternalServerError","message":"503 m","stack":"InternalServerError: 503 The server is currently overloaded.\n    at x","status":503,"requestID":"req_abc123def456"},"msg":"m"}"#;
    let pino = is(pino, Kind::NodeException, 503, Class::Overloaded);
    assert_eq!(pino.request_id.as_deref(), Some("req_abc123def456"));
    is(
        r#"{"event":"failed","level":"error","exception":"Traceback (most recent call last):\n  File \"a.py\"\nopenai.RateLimitError: Error code: 429 - You exceeded your current quota, please check your plan"}"#,
        Kind::PythonException,
        429,
        Class::Quota,
    );
    is(
        "{\"log\":\"all is well\",\"stream\":\"stdout\"}\n{\"log\":\"openai.APITimeoutError: Request timed out.\\n\",\"stream\":\"stderr\"}",
        Kind::PythonException,
        None,
        Class::Ambiguous,
    );
    is(
        "INFO:httpx:HTTP Request: POST https://api.openai.com/v1/chat/completions \"HTTP/1.1 500 Internal Server Error\"",
        Kind::Status,
        500,
        Class::ServerError,
    );
    is("10.0.0.1 - - [x] \"POST /v1/chat/completions HTTP/1.1\" 502 157 \"-\"", Kind::Status, 502, Class::BadGateway);
    is(
        "2026/11/23 [error] 31#31: *1 upstream timed out (110: Connection timed out) while reading response header from upstream",
        Kind::Message,
        None,
        Class::Ambiguous,
    );
    is(
        "Task x raised unexpected: APIConnectionError(\"Connection error.\")",
        Kind::PythonException,
        None,
        Class::Ambiguous,
    );
    is("error: exceeded retry limit, last status: 503 Service Unavailable", Kind::Message, 503, Class::Overloaded);
    is(
        "stream disconnected: The server had an error while processing your request",
        Kind::Message,
        500,
        Class::ServerError,
    );
    assert_eq!(explain(r#"{"level":"info","msg":"started on port 500"}"#).recognised, None);
    let deep = format!("{}\"502\"{}", "{\"level\":1,\"err\":".repeat(9), "}".repeat(9));
    assert_eq!(explain(&deep).recognised, None, "followed to a depth");
}

#[test]
fn prose_and_logs_are_read_up_to_their_limits() {
    let prose = |length: usize| format!("{:length$}", "read ECONNRESET", length = length).replace("  ", " x");
    assert_eq!(explain(&format!("{}.", prose(1_023))).recognised, Some(Kind::Message));
    assert_eq!(explain(&format!("{}.", prose(1_024))).recognised, None);
    let log = |quiet: usize| {
        format!(
            "{{\"level\":1,\"msg\":\"Error code: 500\"}}\n{}",
            "{\"level\":1,\"msg\":\"all is well\"}\n".repeat(quiet)
        )
    };
    assert_eq!(explain(&log(49)).recognised, Some(Kind::PythonException));
    assert_eq!(log::structured(&log(50)), None);
}

#[test]
fn errors_from_under_the_sdks_are_recognised() {
    use Kind::{Message, NodeException, PythonException};
    let terminated = "TypeError: terminated\n    at Fetch.onAborted (node:internal/deps/undici/undici:11472:53)\n    at Socket.emit (node:events:531:35) {\n  [cause]: SocketError: other side closed\n    code: 'UND_ERR_SOCKET',\n    socket: {\n      bytesRead: 600\n    }\n}\n\nNode.js v22.23.3";
    is(terminated, NodeException, None, Class::Ambiguous);
    let cut = "<anonymous_script>:1\n{\"id\":\"x\",\"choices\":[{\n\nSyntaxError: Unterminated string in JSON at position 1740\n    at JSON.parse (<anonymous>)";
    is(cut, NodeException, None, Class::Ambiguous);
    let empty = "Traceback (most recent call last):\n  File \"json/decoder.py\", line 355, in raw_decode\n    raise JSONDecodeError(\"Expecting value\", s, err.value) from None\njson.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)";
    is(empty, PythonException, None, Class::ServerError);
    let garbage = "httpcore.RemoteProtocolError: illegal status line: bytearray(b'x')\n\nTraceback (most recent call last):\nopenai.APIConnectionError: Connection error.";
    let garbage = is(garbage, PythonException, None, Class::Ambiguous);
    assert!(garbage.meaning.is_some_and(|says| says.contains("not HTTP")), "{garbage:?}");
    is(
        "requests.exceptions.HTTPError: 500 Server Error: Internal Server Error for url: https://x/v1",
        PythonException,
        500,
        Class::ServerError,
    );
    is(
        "AxiosError: Request failed with status code 503\n    at settle (file:///a.js:1:2)",
        NodeException,
        503,
        Class::Overloaded,
    );
    let sdk = "AI_APICallError: Internal Server Error\n    at fn (x.js:1:1) {\n  statusCode: 500,\n  responseBody: '{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\"}}',\n}";
    is(sdk, NodeException, 500, Class::CallerFault);
    is(
        "curl: (7) Failed to connect to 127.0.0.1 port 9 after 0 ms: Couldn't connect to server",
        Message,
        None,
        Class::NotSent,
    );
    is("curl: (28) Operation timed out after 1001 milliseconds with 0 bytes received", Message, None, Class::Ambiguous);
    // What a program prints of its source is no word of the error.
    let source = "Traceback (most recent call last):\n  File \"a.py\", line 1\n    answer(\"connection refused\")\nValueError: no";
    assert_eq!(explain(source).recognised, None);
}

#[test]
fn what_is_no_error_is_not_recognised() {
    for what in [
        "",
        "   ",
        "hello there",
        "42",
        "999",
        r#"{"model":"gpt-4o","messages":[]}"#,
        r#"{"id":"x","object":"chat.completion","choices":[{"message":{"content":"error 500"}}]}"#,
        "{",
        "[]",
        "HTTP/",
        "Error code: ",
        "Error code: \u{20ac}\u{20ac}",
        "Traceback (most recent call last)",
    ] {
        let explained = explain(what);
        assert_eq!(explained.recognised, None, "{what}");
        assert!(!explained.next.is_empty());
    }
    assert!(explain("insuficient_quota").next[0].contains("`insufficient_quota`"));
}

#[test]
fn keys_and_prompts_are_never_printed_back() {
    const CANARY: &str = "sk-proj-CANARY0123456789";
    for what in [
        CANARY.to_owned(),
        format!("Authorization: Bearer {CANARY}"),
        format!(
            "HTTP/1.1 401 x\nx-request-id: {CANARY}\n\n{{\"error\":{{\"message\":\"{CANARY}\",\"code\":\"{CANARY}\"}}}}"
        ),
        format!(
            "openai.AuthenticationError: Error code: 401 - {{'error': {{'message': 'Incorrect API key provided: {CANARY}'}}}}"
        ),
        format!("request_id: '{CANARY}' {{\"error\":{{\"message\":\"{CANARY}\"}},\"request_id\":\"{CANARY}\"}}"),
        "HTTP/1.1 500 x\nx-request-id: \u{1b}[31mCANARY\n\n".to_owned(),
    ] {
        for json in [false, true] {
            let (_, out) = told(Some(&what), io::empty(), json);
            assert!(!out.contains("CANARY") && !out.contains('\u{1b}'), "{what}\n{out}");
        }
    }
}

#[test]
fn input_comes_from_the_argument_or_from_standard_input() {
    let told = |what: Option<&str>, stdin: &str, json| told(what, stdin.as_bytes(), json);
    assert!(told(None, "502", false).1.starts_with("502 bad_gateway\n"));
    assert!(told(Some("-"), "503", false).1.starts_with("503 overloaded\n"));
    assert!(!told(Some("what is this"), "", false).0);
    let (is_recognised, line) = told(Some("500"), "", true);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(is_recognised && line.ends_with("}\n") && line.lines().count() == 1);
    assert_eq!(json["recognised"], "status");
    assert_eq!(
        (&json["status"], &json["class"], &json["whose"]),
        (&500.into(), &"server_error".into(), &"provider".into())
    );
    assert_eq!((&json["retried"], &json["billed"]), (&true.into(), &"possibly".into()));
    assert!(json["next"].as_array().is_some_and(|next| !next.is_empty()) && json["meaning"].is_string());
    assert!(told(Some("what is this"), "", true).1.starts_with(r#"{"recognised":null"#));
}

#[test]
fn flags_are_flags_wherever_they_stand() {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ExplainArgs,
    }
    let parsed =
        |line: &[&str]| <Line as clap::Parser>::try_parse_from([&["explain"], line].concat()).map(|line| line.args);
    let args = parsed(&["Error code: 500", "-", "x", "--json", "--no-journal"]).unwrap();
    assert_eq!((args.what.join(" ").as_str(), args.json, args.no_journal), ("Error code: 500 - x", true, true));
    assert_eq!(parsed(&["--", "--json"]).unwrap().what, ["--json"]);
    assert!(parsed(&["503", "--jsn"]).is_err());
}

#[test]
fn input_is_read_up_to_its_limit() {
    let within = format!("502{}", " ".repeat(INPUT_BYTES_MAX - 3));
    let mut reader = within.as_bytes().chain(&b"garbage"[..]);
    assert!(told(None, &mut reader, false).0);
    assert!(!told(None, format!(" {}", "x".repeat(INPUT_BYTES_MAX)).as_bytes(), false).0);
    let cut = format!("{}\u{20ac}", "x".repeat(INPUT_BYTES_MAX - 1));
    assert_eq!(explain(&cut).recognised, None);
}

/// The texts of the statuses people meet, to be read as prose.
#[test]
fn the_texts_read_well() {
    let mut book = Vec::new();
    for what in
        ["500", "502", "503", "504", "429", "insufficient_quota", "seawall_stream_interrupted", NODE, "nonsense"]
    {
        let shown = what.lines().find(|line| line.contains("Error:")).unwrap_or(what);
        writeln!(book, "$ seawall explain '{shown}'").unwrap();
        book.write_all(told(Some(what), io::empty(), false).1.as_bytes()).unwrap();
        writeln!(book).unwrap();
    }
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("explained", String::from_utf8(book).unwrap());
    });
}
