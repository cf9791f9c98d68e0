//! The whole verb against upstreams that misbehave for real.

use std::path::PathBuf;

use clap::Parser;
use seawall_chaos::{Running, Server, Settings};
use serde_json::{Value, json};

use super::*;

/// What no engine compiles.
const LOOKAROUND: &str = "^(?!admin)[a-z]+$";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: DoctorArgs,
}

async fn chaos(lazy: Option<&str>, faults: &[&str], seed: u64) -> Running {
    let lazy_tools = lazy.map(|spelling| spelling.parse().unwrap());
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    Server::start(Settings { lazy_tools, faults, seed, chunks: 2, ..Settings::default() }).await.unwrap()
}

/// A request with `count` tools, of which those at `bad` have a lookaround in a nested pattern.
fn request(form: Form, stream: bool, count: usize, bad: &[usize]) -> Value {
    let tool = |at: usize| {
        let pattern = if bad.contains(&at) { LOOKAROUND } else { "^[a-z]+$" };
        let parameters = json!({
            "type": "object", "additionalProperties": false, "required": ["user", "count"],
            "properties": {
                "count": {"type": "integer", "minimum": 1},
                "user": {"type": "object", "properties": {
                    "name": {"type": "string", "description": "who", "pattern": pattern, "minLength": 1},
                    "age": {"type": "integer"},
                }},
                "when": {"type": "string", "format": "date-time"},
            },
        });
        let name = format!("tool_{at}");
        match form {
            Form::Chat => json!({"type": "function", "function": {
                "name": name, "description": "does it", "parameters": parameters, "strict": false}}),
            Form::Responses => json!({"type": "function", "name": name, "description": "does it",
                "parameters": parameters, "strict": false}),
        }
    };
    let tools: Vec<Value> = (0..count).map(tool).collect();
    let mut request = json!({"model": "gpt-4o", "stream": stream});
    if count > 0 {
        request["tools"] = tools.into();
        request["parallel_tool_calls"] = false.into();
    }
    match form {
        Form::Chat => request["messages"] = json!([{"role": "user", "content": "the launch code is 7391-tango"}]),
        Form::Responses => request["input"] = json!("the launch code is 7391-tango"),
    }
    request
}

fn pattern_of(form: Form, tool: usize) -> String {
    let function = if form == Form::Chat { "/function" } else { "" };
    format!("/tools/{tool}{function}/parameters/properties/user/properties/name/pattern")
}

struct Told {
    code: Exit,
    out: String,
    err: String,
}

impl Told {
    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn verdict(&self) -> Value {
        let last = self.lines().pop().expect("a last line");
        assert!(last.get("verdict").is_some(), "{}", self.out);
        last
    }

    fn pointers(&self) -> Vec<String> {
        let verdict = self.verdict();
        verdict["parts"].as_array().unwrap().iter().map(|part| part["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

async fn doctor(folder: &Path, upstream: &str, request: Option<&Value>, flags: &[&str]) -> Told {
    let file = folder.join("request.json");
    let mut words: Vec<String> = vec!["doctor".into()];
    if !upstream.is_empty() {
        words.extend(["--upstream".into(), upstream.into()]);
    }
    if let Some(request) = request {
        std::fs::write(&file, serde_json::to_vec(request).unwrap()).unwrap();
        words.push(PathBuf::from("request.json").display().to_string());
    }
    words.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let args = Line::try_parse_from(words).unwrap().args;
    let home = folder.display().to_string();
    let env = Environment::given(folder, [("HOME", home.as_str()), ("OPENAI_API_KEY", "sk-test-0123456789abcdef")]);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&args, &env, &mut out, &mut err).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code, out: text(out), err: text(err) }
}

async fn send(chaos: &Running, request: &Value) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/v1", chaos.url());
    doctor(folder.path(), &url, Some(request), &["--send", "--json"]).await
}

#[tokio::test]
async fn a_lazy_upstream_is_asked_without_streaming_and_says_which_tool_and_where() {
    for lazy in ["500", "in_stream"] {
        for form in [Form::Chat, Form::Responses] {
            let chaos = chaos(Some(lazy), &[], 1).await;
            let told = send(&chaos, &request(form, true, 3, &[2])).await;
            let verdict = told.verdict();
            assert_eq!((told.code, &verdict["verdict"]), (exit::FOUND, &json!("yours")), "{lazy}: {}", told.out);
            assert_eq!(told.pointers(), [pattern_of(form, 2)]);
            assert!(verdict["message"].as_str().unwrap().contains("function 'tool_2'"), "{verdict}");
            assert!(verdict["says"].as_str().unwrap().contains("400 invalid_function_parameters, request req_"));
            assert_eq!(verdict["parts"][0]["excerpt"], json!(format!("\"{LOOKAROUND}\"")));
            assert_eq!(verdict["sends"], 3, "twice as written, once without streaming");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_never_tells_is_bisected_to_tool_and_keyword() {
    for form in [Form::Chat, Form::Responses] {
        for stream in [true, false] {
            let chaos = chaos(Some("flat"), &[], 1).await;
            let told = send(&chaos, &request(form, stream, 6, &[4])).await;
            assert_eq!((told.code, told.pointers()), (exit::FOUND, vec![pattern_of(form, 4)]), "{}", told.out);
            let verdict = told.verdict();
            assert_eq!((&verdict["verdict"], &verdict["parts"][0]["tool"]), (&json!("yours"), &json!("tool_4")));
        }
    }
}

#[tokio::test]
async fn the_culprit_is_found_wherever_it_is_among_twenty_tools() {
    let chaos = chaos(Some("flat"), &[], 1).await;
    let mut most = 0;
    for bad in 0..20 {
        let told = send(&chaos, &request(Form::Chat, true, 20, &[bad])).await;
        assert_eq!(told.pointers(), [pattern_of(Form::Chat, bad)], "{}", told.out);
        most = most.max(told.verdict()["sends"].as_u64().unwrap());
    }
    assert!(most <= 70, "{most} sends");
}

#[tokio::test]
async fn of_two_culprits_both_are_found() {
    let chaos = chaos(Some("flat"), &[], 1).await;
    let told = send(&chaos, &request(Form::Chat, true, 8, &[1, 6])).await;
    let mut pointers = told.pointers();
    pointers.sort();
    assert_eq!(pointers, [pattern_of(Form::Chat, 1), pattern_of(Form::Chat, 6)], "{}", told.out);
}

#[tokio::test]
async fn two_bad_patterns_in_one_tool_are_both_found() {
    let chaos = chaos(Some("flat"), &[], 1).await;
    let mut request = request(Form::Chat, true, 2, &[1]);
    let schema = &mut request["tools"][1]["function"]["parameters"];
    schema["properties"]["when"]["pattern"] = json!("(?<=a)b");
    let told = send(&chaos, &request).await;
    let mut pointers = told.pointers();
    pointers.sort();
    let other = "/tools/1/function/parameters/properties/when/pattern".to_owned();
    assert_eq!(pointers, [pattern_of(Form::Chat, 1), other], "{}", told.out);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_to_blame_and_never_the_tools() {
    for fault in ["500:1", "503:1", "html:1", "stream_error:1"] {
        let chaos = chaos(None, &[fault], 1).await;
        let told = send(&chaos, &request(Form::Chat, true, 5, &[2])).await;
        let verdict = told.verdict();
        assert_eq!((told.code, &verdict["verdict"]), (exit::UPSTREAM, &json!("theirs")), "{fault}: {}", told.out);
        assert_eq!(told.pointers(), [""; 0]);
        let failures = verdict["failures"].as_array().unwrap();
        assert!(failures.len() >= 5 && verdict["model"] == "gpt-4o");
        let ids =
            failures.iter().filter(|failure| failure["request_id"].as_str().is_some_and(|id| id.starts_with("req_")));
        assert!(fault == "html:1" || ids.count() == failures.len(), "{verdict}");
    }
}

#[tokio::test]
async fn with_a_fifth_of_all_requests_failing_it_is_still_right() {
    for (seed, bad) in (0..12).zip((0..20).step_by(7).chain(1..20)) {
        let chaos = chaos(Some("flat"), &["500:0.2"], seed).await;
        let told = send(&chaos, &request(Form::Chat, true, 20, &[bad])).await;
        assert_eq!(told.pointers(), [pattern_of(Form::Chat, bad)], "seed {seed}: {}", told.out);
    }
}

#[tokio::test]
async fn noise_alone_never_makes_the_tools_guilty() {
    for (share, seeds) in [("0.2", 12), ("0.5", 12), ("0.8", 12), ("0.95", 12)] {
        for seed in 0..seeds {
            let chaos = chaos(None, &[&format!("500:{share}")], seed).await;
            let told = send(&chaos, &request(Form::Chat, true, 20, &[])).await;
            assert_ne!(told.verdict()["verdict"], "yours", "share {share}, seed {seed}: {}", told.out);
        }
    }
}

#[tokio::test]
async fn a_good_request_is_found_good() {
    let chaos = chaos(Some("500"), &[], 1).await;
    let told = send(&chaos, &request(Form::Chat, true, 3, &[])).await;
    assert_eq!((told.code, told.verdict()["verdict"].clone(), told.lines().len()), (exit::OK, json!("fine"), 2));
}

#[tokio::test]
async fn what_fails_without_tools_too_is_not_blamed_on_them() {
    let request = request(Form::Chat, true, 4, &[]);
    // Twice as written, three times without streaming, three times without tools; then the plain question.
    let mut steps = vec![json!({"status": 500, "body": {"error": {"message": "no", "type": "server_error"}}}); 8];
    let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"}}]}\n\n";
    steps.push(
        json!({"status": 200, "headers": {"content-type": "text/event-stream"}, "parts": [chunk], "end": "chunked"}),
    );
    let only_this = json!({"for_model": "gpt-4o", "steps": steps});
    let chaos = chaos(None, &[], 1).await;
    let folder = tempfile::tempdir().unwrap();
    chaos.script(&only_this.to_string()).unwrap();
    let told = doctor(folder.path(), &format!("{}/v1", chaos.url()), Some(&request), &["--send", "--json"]).await;
    assert_eq!(told.verdict()["verdict"], "unclear", "{}", told.out);
}

/// What becomes of a streamed request with tools at an upstream that answers with `steps`, the last again and again.
async fn scripted(steps: Vec<Value>) -> Value {
    let chaos = chaos(None, &[], 1).await;
    chaos.script(&json!({ "steps": steps }).to_string()).unwrap();
    send(&chaos, &request(Form::Chat, true, 2, &[])).await.verdict()
}

#[tokio::test]
async fn streams_that_fail_whatever_is_asked_are_theirs() {
    let answer =
        json!({"body": {"object": "chat.completion", "choices": [{"index": 0, "message": {"content": "ok"}}]}});
    let verdict = scripted(vec![json!({"status": 500}), json!({"status": 500}), answer, json!({"status": 500})]).await;
    assert_eq!(verdict["verdict"], "theirs");
    assert!(verdict["says"].as_str().unwrap().contains("answered without streaming"), "{verdict}");
}

#[tokio::test]
async fn a_complaint_about_the_missing_stream_is_not_about_the_request() {
    let complaint =
        json!({"error": {"type": "invalid_request_error", "message": "This model must be called with stream: true."}});
    let steps = vec![
        json!({"status": 500}),
        json!({"status": 500}),
        json!({"status": 400, "body": complaint}),
        json!({"status": 500}),
    ];
    assert_eq!(scripted(steps).await["verdict"], "theirs");
}

#[tokio::test]
async fn nothing_of_the_prompt_and_no_key_is_ever_told() {
    for (lazy, faults) in [(None, vec!["echo-500:1"]), (None, vec!["echo-400:1"]), (Some("flat"), vec!["echo-500:0.3"])]
    {
        let chaos = chaos(lazy, &faults, 3).await;
        let told = send(&chaos, &request(Form::Chat, true, 3, &[1])).await;
        for secret in ["launch", "7391-t", "tango", "sk-test"] {
            assert!(!told.out.contains(secret) && !told.err.contains(secret), "{}", told.out);
        }
    }
}

#[tokio::test]
async fn without_send_nothing_is_sent_and_it_says_what_would_be() {
    let chaos = chaos(None, &[], 1).await;
    let folder = tempfile::tempdir().unwrap();
    let told =
        doctor(folder.path(), &format!("{}/v1", chaos.url()), Some(&request(Form::Chat, true, 2, &[])), &[]).await;
    assert_eq!((told.code, chaos.stats().attempts), (exit::OK, 0));
    assert!(
        told.err.contains("at most 200 sends of about") && told.err.contains("doctor --send request.json"),
        "{}",
        told.err
    );
}

#[tokio::test]
async fn sends_end_at_their_limit() {
    let chaos = chaos(Some("flat"), &[], 1).await;
    let folder = tempfile::tempdir().unwrap();
    let request = request(Form::Chat, true, 20, &[3]);
    let flags = ["--send", "--json", "--sends-max", "8"];
    let told = doctor(folder.path(), &format!("{}/v1", chaos.url()), Some(&request), &flags).await;
    assert_eq!((chaos.stats().attempts, told.verdict()["verdict"].clone()), (8, json!("unclear")));
    for out_of_bounds in ["0", "1001"] {
        assert!(Line::try_parse_from(["doctor", "r.json", "--send", "--sends-max", out_of_bounds]).is_err());
    }
}

#[tokio::test]
async fn a_key_that_is_refused_and_a_port_that_is_closed_end_it() {
    let chaos = chaos(None, &["401:1"], 1).await;
    let told = send(&chaos, &request(Form::Chat, true, 1, &[])).await;
    assert_eq!(
        (told.code, told.verdict()["says"].clone()),
        (exit::FOUND, json!("the upstream does not accept the key"))
    );
    let closed = chaos.url();
    drop(chaos);
    let folder = tempfile::tempdir().unwrap();
    let request = request(Form::Chat, true, 1, &[]);
    let told = doctor(folder.path(), &format!("{closed}/v1"), Some(&request), &["--send", "--json"]).await;
    assert_eq!((told.code, told.verdict()["verdict"].clone()), (exit::CANNOT_START, json!("unclear")), "{}", told.out);
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_if_that_is_not_long() {
    for (fault, sends) in [("429+retry-after=21:1", 1), ("429+retry-after=0:1", 3)] {
        let chaos = chaos(None, &[fault], 1).await;
        let told = send(&chaos, &request(Form::Chat, true, 1, &[])).await;
        assert_eq!(
            (told.verdict()["verdict"].clone(), chaos.stats().attempts),
            (json!("unclear"), sends),
            "{}",
            told.out
        );
    }
}

#[tokio::test]
async fn causes_and_traces_end_at_their_limits() {
    let chaos = chaos(Some("flat"), &[], 1).await;
    let folder = tempfile::tempdir().unwrap();
    let request = request(Form::Chat, true, 5, &[0, 1, 2, 3, 4]);
    let flags = ["--send", "--json", "--sends-max", "1000"];
    let told = doctor(folder.path(), &format!("{}/v1", chaos.url()), Some(&request), &flags).await;
    assert_eq!(told.pointers().len(), 4, "{}", told.out);
    assert!(told.verdict()["says"].as_str().unwrap().ends_with("and not only for them"));
    assert_eq!(told.verdict()["failures"].as_array().unwrap().len(), exam::TRACES_MAX);
}

#[test]
fn a_file_is_read_to_its_limit() {
    let blanks = |bytes| read(io::repeat(b' ').take(bytes)).map(|text| text.len() as u64);
    assert_eq!(blanks(request::FILE_BYTES_MAX), Ok(request::FILE_BYTES_MAX));
    assert!(blanks(request::FILE_BYTES_MAX + 1).unwrap_err().contains("more than 67108864 bytes"));
}

#[test]
fn the_environment_s_key_goes_only_where_nobody_can_read_it_on_the_way() {
    let env =
        Environment::given(Path::new("/"), [("HOME", "/nowhere"), ("OPENAI_API_KEY", "sk-test-0123456789abcdef")]);
    for (url, keys) in [("https://up.example/v1", 1), ("http://127.0.0.1:9/v1", 1), ("http://up.example/v1", 0)] {
        let overrides = Overrides { upstream: Some(url.into()), ..Overrides::default() };
        let config = config::from_text(None, "", &overrides, &env).map_err(|p| p.render(false)).unwrap();
        assert_eq!(settings(&config.upstreams[0], &env).0.keys.len(), keys, "{url}");
    }
}

/// What was found of `check`.
fn of(told: &Told, check: &str) -> (String, String) {
    let line = told.lines().into_iter().find(|line| line["check"] == check).unwrap_or_else(|| panic!("{}", told.out));
    (line["state"].as_str().unwrap().to_owned(), line["says"].as_str().unwrap().to_owned())
}

async fn alone(config: &str) -> Told {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("seawall.toml"), config).unwrap();
    doctor(folder.path(), "", None, &["--json"]).await
}

/// A configuration on ports that nobody has.
fn with_upstream(base_url: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         [[upstream]]\nname = \"up\"\nbase_url = \"{base_url}\"\napi_key = \"sk-test-0123456789abcdef\"\n"
    )
}

#[tokio::test]
async fn an_upstream_that_answers_is_reachable_and_costs_nothing() {
    let chaos = chaos(None, &[], 1).await;
    let told = alone(&with_upstream(&format!("{}/v1", chaos.url()))).await;
    assert_eq!(told.code, exit::OK, "{}", told.out);
    assert!(told.lines().iter().all(|line| line["state"] != "fail"));
    let stats = chaos.stats();
    assert_eq!((stats.attempts, stats.requests[0].path.as_str()), (1, "/v1/models"));
    assert!(!told.out.contains("sk-test"), "{}", told.out);
}

#[tokio::test]
async fn a_status_says_whether_it_is_reachable_well_and_let_in() {
    for (fault, state, code) in [("401:1", "fail", exit::FOUND), ("503:1", "warn", exit::OK), ("404:1", "ok", exit::OK)]
    {
        let chaos = chaos(None, &[fault], 1).await;
        let told = alone(&with_upstream(&format!("{}/v1", chaos.url()))).await;
        assert_eq!((of(&told, "up: http").0.as_str(), told.code), (state, code), "{fault}: {}", told.out);
    }
    let chaos = chaos(None, &["401:1"], 1).await;
    let passes_through = with_upstream(&format!("{}/v1", chaos.url())).replace("api_key", "# api_key");
    assert_eq!(of(&alone(&passes_through).await, "up: http").0, "ok");
}

#[tokio::test]
async fn a_clock_that_differs_is_told_of() {
    for (ahead, state) in [(20, "ok"), (-20, "ok"), (90, "warn"), (-90, "warn")] {
        let chaos = chaos(None, &[], 1).await;
        let date = format!("@httpdate{ahead:+}");
        chaos.script(&json!({"steps": [{"headers": {"date": date}, "body": {"data": []}}]}).to_string()).unwrap();
        let told = alone(&with_upstream(&format!("{}/v1", chaos.url()))).await;
        let (found, says) = of(&told, "up: clock");
        assert_eq!(found, state, "{ahead}: {says}");
        assert!(state == "ok" || says.contains(if ahead > 0 { " s behind " } else { " s ahead of " }), "{says}");
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_by_where_it_ends() {
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    let speaks_no_tls = async {
        loop {
            let (mut caller, _) = plain.accept().await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut caller, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    };
    let config = with_upstream(&format!("https://{address}/v1"));
    let told = tokio::select! {
        () = speaks_no_tls => unreachable!("it never ends"),
        told = alone(&config) => told,
    };
    assert_eq!((of(&told, "up: connect").0.as_str(), of(&told, "up: tls").0.as_str()), ("ok", "fail"), "{}", told.out);
    let chaos = chaos(None, &[], 1).await;
    let closed = chaos.url();
    drop(chaos);
    let told = alone(&with_upstream(&format!("{closed}/v1"))).await;
    assert_eq!((of(&told, "up: connect").0.as_str(), of(&told, "up: http").0.as_str()), ("fail", "skip"));
    let told = alone(&with_upstream("http://no-such-name.invalid/v1")).await;
    assert_eq!((of(&told, "up: dns").0.as_str(), told.code), ("fail", exit::FOUND));
}

#[tokio::test]
async fn a_broken_configuration_ends_it() {
    let told = alone("[serve]\n").await;
    assert_eq!(told.code, exit::CONFIG);
    assert!(told.out.contains("did you mean"), "{}", told.out);
}

/// The outputs as a person reads them, without what differs from run to run.
#[tokio::test]
async fn the_output_is_kept_as_prose() {
    let chaos = chaos(Some("500"), &[], 1).await;
    let folder = tempfile::tempdir().unwrap();
    let request = request(Form::Chat, true, 3, &[1]);
    let url = format!("{}/v1", chaos.url());
    let sent = doctor(folder.path(), &url, Some(&request), &["--send"]).await;
    let kept = doctor(folder.path(), &url, Some(&request), &[]).await;
    let port = chaos.addr().port().to_string();
    let plain =
        |text: &str| text.replace(&port, "PORT").lines().map(|line| without_times(line) + "\n").collect::<String>();
    insta::assert_snapshot!(
        "request",
        format!("{}--- without --send\n{}{}", plain(&sent.out), plain(&kept.out), plain(&kept.err))
    );
}

/// `line` with its time, and the blanks that fill its column, replaced.
fn without_times(line: &str) -> String {
    let Some((before, after)) = line.split_once(" ms  ") else { return line.to_owned() };
    let (head, time) = before.rsplit_once(' ').unwrap_or(("", before));
    if time.parse::<f64>().is_err() {
        return line.to_owned();
    }
    format!("{}  N ms  {after}", head.trim_end())
}
