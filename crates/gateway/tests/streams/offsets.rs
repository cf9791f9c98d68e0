//! A stream of each dialect, cut at every byte, in every way that a stream can be cut.
//!
//! Before the first content nobody notices: one retry, and the caller has the whole stream. From
//! then on to the end of what there is to say, the caller has all events that were whole, the error
//! in the dialect's own form, and an end that is none. After that the stream is complete, ends as
//! one, and nothing is added. There is no fourth case: no cut gives a short answer in silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use seawall_chaos::{Running, Server, Settings};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::program::Gateway;
use crate::recorded::{Recorded, events, spelled};
use crate::wire::{Got, ask};

/// Callers at a time. Those whose upstream stalls do little but wait.
const CALLERS: usize = 32;
const CALLERS_WAITING: usize = 192;
/// All callers of all tests: each is two sockets of this process, and a shell usually allows 1,024.
static CALLERS_MAX: Semaphore = Semaphore::const_new(2 * (CALLERS + CALLERS_WAITING));
/// Models that take turns, so that none of them fails too often for its breaker.
const MODELS: usize = 1_000;
/// Of so many failures the test says what they were.
const TOLD_MAX: usize = 10;
/// In pieces of this many bytes, which cut characters, line ends and everything else in two.
const PIECE: usize = 7;

/// Short waits, and neither a budget nor a breaker: both have tests of their own.
fn config(first_content: &str, byte_idle: &str) -> String {
    format!(
        r#"
[retry]
cap = "1ms"
[budget]
start = 10000
[breaker]
guard = 100
open_alt = 100
open_solo = 100
window_min = 10000
[timeout]
first_content = "{first_content}"
byte_idle = "{byte_idle}"
[[route]]
models = ["again-*"]
repeatable = true
"#
    )
}

/// Limits that are never reached: who does not stall is not late either, however busy the machine is.
const NO_LIMITS: [&str; 2] = ["20s", "20s"];
/// The second attempt has no more time for its first content than the first, which stalls: so long that a busy machine is
/// not taken for a stall. Behind the content nothing more is to come in time.
const LIMITS: [&str; 2] = ["3s", "300ms"];

/// How an upstream stops in the middle of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As if all were well.
    CleanEnd,
    /// The connection is closed between two chunks.
    NoTerminator,
    /// The end of the connection is the end of the body.
    Closed,
    /// The connection is reset.
    Reset,
    /// Nothing more comes.
    Stall,
}

impl Way {
    const ALL: [Way; 5] = [Way::CleanEnd, Way::NoTerminator, Way::Closed, Way::Reset, Way::Stall];

    /// `bytes` as a scripted step, and then this.
    fn step(self, bytes: &[u8]) -> Value {
        let pieces = |size: usize| bytes.chunks(size.max(1)).map(|piece| spelled(piece).into()).collect::<Vec<Value>>();
        let (mut parts, end) = match self {
            Way::CleanEnd => (pieces(bytes.len()), "chunked"),
            Way::NoTerminator => (pieces(PIECE), "truncate"),
            Way::Closed => (pieces(bytes.len()), "eof"),
            Way::Reset | Way::Stall => (pieces(bytes.len()), "chunked"),
        };
        match self {
            // A reset takes with it what its reader has not read: give the reader a moment.
            Way::Reset => parts.extend([json!({"sleep_ms": 20}), json!({"reset": true})]),
            Way::Stall => parts.push(json!({"stall": true})),
            _ => {}
        }
        step("req_cut", &parts, end)
    }
}

fn step(id: &str, parts: &[Value], end: &str) -> Value {
    json!({"headers": {"content-type": "text/event-stream", "x-request-id": id}, "parts": parts, "end": end})
}

/// Whether `got` is what a caller must get of `stream`, of which the upstream sent `cut` bytes.
fn check(stream: &Recorded, cut: usize, got: &Got) -> Result<(), String> {
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let body = got.body();
    let whole = &stream.bytes[..stream.whole(cut)];
    must(got.status == 200, "the status is not 200")?;
    if cut < stream.content {
        must(got.header("x-seawall-attempts") == "2", "not exactly one retry")?;
        must(got.is_ended && body == stream.bytes, "not the whole stream")?;
        return must(got.header("x-request-id") == "req_whole", "not the second attempt's head");
    }
    must(got.header("x-seawall-attempts") == "1", "a retry after the first content")?;
    if cut >= stream.terminal {
        return must(got.is_ended && body == stream.bytes[..cut], "a complete stream is not what it was");
    }
    must(!got.is_ended, "a broken stream ends like one that is whole")?;
    must(body.starts_with(whole), "not all of the events that were whole")?;
    let mut seen = events(&body);
    let (name, data) = seen.pop().unwrap_or_default();
    must(seen == events(whole), "the error is not an event of its own behind those that were whole")?;
    must(!String::from_utf8_lossy(&body).contains("[DONE]"), "it claims to be complete")?;
    let data: Value = serde_json::from_str(&data).map_err(|error| format!("the error cannot be read: {error}"))?;
    must(data["error"]["code"] == "seawall_stream_interrupted", "not our code")?;
    must(data["error"]["request_id"] == "req_cut", "not the upstream's id")?;
    must(data["error"]["message"].as_str().is_some_and(|text| text.contains("req_cut")), "no id in the message")?;
    must(name == if stream.form == "chat" { "" } else { "error" }, "not the event's name in this dialect")?;
    match stream.form.as_str() {
        "responses" => {
            let flat = data["type"] == "error" && data["code"] == data["error"]["code"] && data["message"].is_string();
            must(flat && data["sequence_number"].is_u64(), "not flat and nested in one")
        }
        "messages" => must(data["type"] == "error", "not the form of Messages"),
        _ => Ok(()),
    }
}

/// As [`check`]; a reset may have destroyed some of what was sent, and then less was.
fn check_way(stream: &Recorded, way: Way, cut: usize, got: &Got) -> Result<(), String> {
    let exact = check(stream, cut, got);
    match way {
        Way::Reset if exact.is_err() => {
            (0..cut).rev().map(|cut| check(stream, cut, got)).find(Result::is_ok).unwrap_or(exact)
        }
        _ => exact,
    }
}

struct Cuts {
    stream: Recorded,
    chaos: Running,
    gateway: Gateway,
    cases: Vec<(Way, usize)>,
    next: AtomicUsize,
}

impl Cuts {
    async fn one(&self, model: &str, way: Way, cut: usize) -> Result<(), String> {
        let whole = step("req_whole", &[spelled(&self.stream.bytes).into()], "chunked");
        let script = json!({"for_model": model, "steps": [way.step(&self.stream.bytes[..cut]), whole]});
        self.chaos.script(&script.to_string()).map_err(|error| error.to_string())?;
        let got = ask(self.gateway.address, &self.stream.request(model)).await?;
        check_way(&self.stream, way, cut, &got).map_err(|what| format!("{what}: {got:?}"))
    }

    /// Takes one case after the other, until there is none.
    async fn caller(self: Arc<Cuts>) -> Vec<String> {
        let mut failures = Vec::new();
        loop {
            let _permit = CALLERS_MAX.acquire().await.unwrap();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((way, cut)) = self.cases.get(number) else { return failures };
            if let Err(what) = self.one(&format!("again-{}", number % MODELS), *way, *cut).await {
                failures.push(format!("{way:?} at {cut} of {}: {what}", self.stream.bytes.len()));
            }
        }
    }
}

/// Cuts `stream` at every byte in each of `ways`; what was not as it must be.
async fn run(stream: &Recorded, ways: &[Way], [first_content, byte_idle]: [&str; 2], callers: usize) -> Vec<String> {
    let chaos = Server::start(Settings::default()).await.unwrap();
    let gateway = Gateway::configured(&config(first_content, byte_idle), &format!("{}/v1", chaos.url()));
    // From the end: what takes longest comes last, so that a model whose turn it is again has nothing under way.
    let cuts = (0..=stream.bytes.len()).rev();
    let cases = cuts.flat_map(|cut| ways.iter().map(move |way| (*way, cut))).collect();
    let cuts = Arc::new(Cuts { stream: stream.clone(), chaos, gateway, cases, next: AtomicUsize::new(0) });
    let callers: Vec<_> = (0..callers).map(|_| tokio::spawn(Arc::clone(&cuts).caller())).collect();
    let mut failures = Vec::new();
    for caller in callers {
        failures.extend(caller.await.unwrap());
    }
    failures
}

fn cut_everywhere(name: &str) {
    let stream = Recorded::named(name);
    assert!(stream.content < stream.terminal, "{name} is over with its first content");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (quick, stall) = Way::ALL.split_at(4);
        let quick = run(&stream, quick, NO_LIMITS, CALLERS);
        let stall = run(&stream, stall, LIMITS, CALLERS_WAITING);
        let (mut failures, more) = tokio::join!(quick, stall);
        failures.extend(more);
        let told = failures.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join("\n");
        assert!(failures.is_empty(), "{} cuts of {name} were not as they must be:\n{told}", failures.len());
    });
}

macro_rules! cut_everywhere {
    ($($claim:ident $stream:literal)*) => { $(
        #[test]
        fn $claim() {
            cut_everywhere($stream);
        }
    )* };
}

cut_everywhere! {
    a_chat_with_two_choices_and_usage_cut_anywhere_is_whole_or_loud "chat"
    a_chat_with_tool_calls_cut_anywhere_is_whole_or_loud "chat_tools"
    a_chat_with_a_refusal_and_crlf_cut_anywhere_is_whole_or_loud "chat_refusal"
    completions_of_two_prompts_cut_anywhere_are_whole_or_loud "completions"
    a_response_cut_anywhere_is_whole_or_loud "responses"
    a_response_that_calls_a_function_cut_anywhere_is_whole_or_loud "responses_tools"
    a_run_of_an_assistant_cut_anywhere_is_whole_or_loud "assistants"
    messages_cut_anywhere_are_whole_or_loud "messages"
    images_cut_anywhere_are_whole_or_loud "images"
    a_transcript_cut_anywhere_is_whole_or_loud "transcript"
    speech_cut_anywhere_is_whole_or_loud "speech"
}

#[test]
fn no_recorded_stream_is_left_out() {
    let source = include_str!("offsets.rs");
    for stream in Recorded::all() {
        assert!(
            source.contains(&format!("is_whole_or_loud \"{0}\"", stream.name))
                || source.contains(&format!("are_whole_or_loud \"{0}\"", stream.name)),
            "{} is never cut",
            stream.name
        );
    }
}

#[test]
fn what_may_not_be_sent_again_fails_at_once_where_it_was_cut_before_content() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let chaos = Server::start(Settings::default()).await.unwrap();
        // There is no second attempt that could be late.
        let gateway = Gateway::configured(&config("500ms", "500ms"), &format!("{}/v1", chaos.url()));
        for stream in Recorded::all().into_iter().filter(|stream| !stream.again) {
            for (way, cut) in Way::ALL.into_iter().flat_map(|way| [0, 1, stream.content - 1].map(|cut| (way, cut))) {
                let script = json!({"for_model": "once", "steps": [way.step(&stream.bytes[..cut])]});
                chaos.script(&script.to_string()).unwrap();
                let got = ask(gateway.address, &stream.request("once")).await.unwrap();
                let what = format!("{} cut at {cut}, {way:?}: {got:?}", stream.name);
                assert!(got.status >= 500 && got.is_ended && got.header("x-seawall-attempts") == "1", "{what}");
                let body: Value = serde_json::from_slice(&got.body()).unwrap();
                assert!(body["error"]["code"].as_str().is_some_and(|code| code.starts_with("seawall_")), "{what}");
            }
        }
    });
}
