//! The table.
//!
//! Every expectation stands here once. An attempt is told in seven words: upstream, status, class, whose, fault,
//! charge, reason; and the bounds of the wait behind it, in milliseconds, where one follows.

use std::time::Duration;

use seawall_core::plan::policy::Commit;
use serde_json::{Value, json};

use crate::case::{Case, What, case};

/// Faults that are in no case, and why.
pub(crate) const NO_FAULTS: [(&str, &str); 4] = [
    (
        "not_sent",
        "a connection ends between being made and being written to: nobody can time that; see the client's faults.rs",
    ),
    ("stream_json", "JSON in place of a stream is made a stream of, and no fault then; what cannot be is stream_empty"),
    ("echo", "what chaos is told to do: it is judged as the status that it comes with"),
    ("slow", "what chaos is told to do: an answer that comes late is an answer"),
];

/// Classes that are in no case, and why.
pub(crate) const NO_CLASSES: [(&str, &str); 1] = [("ok", "no failure: an attempt that is answered has no row")];

/// Outcomes that are in no case, and why.
pub(crate) const NO_OUTCOMES: [(&str, &str); 4] = [
    ("diagnosed", "found over many requests and not in one: see the door's diagnoses.py"),
    ("shed", "a limit of the gateway's door, which the library has not"),
    ("draining", "the end of a program, which the library does not decide"),
    ("refused", "the gateway's door, which the library has not"),
];

/// Reasons that are in no case, and why.
pub(crate) const NO_REASONS: [(&str, &str); 6] = [
    ("cliff", "found over many requests and not in one: see the door's diagnoses.py"),
    ("oversize", "as cliff"),
    ("tools", "as cliff"),
    ("probe", "as cliff"),
    ("hedge", "two attempts that fail beside each other: which is told first is chance; see the client's hedges.rs"),
    ("caller_left", "nobody is left to be told anything; see the client's leaving.rs"),
];

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    [answers(), mended(), final_errors(), exhausted(), refusals(), endpoints(), streams(), events(), places(), states()]
        .concat()
}

fn alone(name: &'static str, what: What) -> Case {
    case("alone", name, what)
}

/// What goes well.
fn answers() -> Vec<Case> {
    let passes = |name, what| alone(name, what).chaos("ok").ends("passed answered 200 1", "200");
    vec![
        passes("a chat completion passes", What::Chat),
        passes("a stream passes", What::ChatStream),
        passes("a stream with a tool passes", What::ToolStream),
        passes("a completion passes", What::Completions),
        passes("a stream of a completion passes", What::CompletionStream),
        passes("a response passes", What::Responses),
        passes("a stream of a response passes", What::ResponseStream),
        passes("a message passes", What::Messages),
        passes("a stream of a message passes", What::MessageStream),
        passes("embeddings pass", What::Embeddings),
        passes("models pass", What::Models),
        alone("JSON in place of a stream is made one of", What::ChatStream)
            .chaos("stream_json")
            .ends("passed answered 200 1", "200"),
        alone("JSON in place of a stream of messages", What::MessageStream)
            .chaos("stream_json")
            .ends("passed answered 200 1", "200"),
        alone("an answer that is late passes", What::Chat).chaos("slow=20ms").ends("passed answered 200 1", "200"),
    ]
}

/// One failure, and the answer.
fn mended() -> Vec<Case> {
    let mended =
        |name, what, chaos, tries| alone(name, what).chaos(chaos).tries(tries).ends("retried answered 200 2", "200");
    vec![
        mended("a 500 is mended", What::Chat, "500*1", &["a 500 server_error provider status server_error retry 0..1"]),
        mended("a 409 is mended", What::Chat, "409*1", &["a 409 server_error provider status server_error retry 0..1"]),
        mended("a 502 is mended", What::Chat, "502*1", &["a 502 bad_gateway provider status may_have_run retry 0..1"]),
        mended("a 503 is mended", What::Chat, "503*1", &["a 503 overloaded provider status no_capacity retry 0..1"]),
        mended("a 529 is mended", What::Chat, "529*1", &["a 529 overloaded provider status no_capacity retry 0..1"]),
        mended("a 520 is mended", What::Chat, "520*1", &["a 520 bad_gateway provider status may_have_run retry 0..1"]),
        mended("a 521 is mended", What::Chat, "521*1", &["a 521 bad_gateway provider status not_reached retry 0..1"]),
        mended("a 504 is mended", What::Chat, "504*1", &["a 504 ambiguous provider status may_have_run retry 0..1"]),
        mended("a 408 is mended", What::Chat, "408*1", &["a 408 ambiguous provider status may_have_run retry 0..1"]),
        mended("a 524 is mended", What::Chat, "524*1", &["a 524 ambiguous provider status may_have_run retry 0..1"]),
        mended(
            "a 429 is waited out",
            What::Chat,
            "429-slow_down*1",
            &["a 429 rate_limited caller status rate_limited retry 0..1"],
        ),
        mended(
            "a 429 says how long",
            What::Chat,
            "429-requests*1",
            &["a 429 rate_limited caller status rate_limited retry 120..132"],
        ),
        mended(
            "a 503 says how long in its head",
            What::Chat,
            "503+retry-after-ms=30*1",
            &["a 503 overloaded provider status no_capacity retry 30..33"],
        ),
        mended(
            "a page is mended",
            What::Chat,
            "html-502*1",
            &["a 502 bad_gateway provider html may_have_run retry 0..1"],
        ),
        mended(
            "plain text is mended",
            What::Chat,
            "text-503*1",
            &["a 503 bad_gateway provider text may_have_run retry 0..1"],
        ),
        mended(
            "an empty 500 is mended",
            What::Chat,
            "empty-500*1",
            &["a 500 server_error provider empty server_error retry 0..1"],
        ),
        mended(
            "an echo is mended",
            What::Chat,
            "echo-500*1",
            &["a 500 server_error provider status server_error retry 0..1"],
        ),
        mended(
            "a reset is mended",
            What::Chat,
            "reset+delay=260ms*1",
            &["a - ambiguous network reset may_have_run retry 0..1"],
        ),
        mended(
            "an end without a reply is mended",
            What::Chat,
            "reset=close+delay=260ms*1",
            &["a - ambiguous network reset may_have_run retry 0..1"],
        ),
        mended(
            "garbage is mended",
            What::Chat,
            "garbage*1",
            &["a - ambiguous provider garbage may_have_run retry 0..1"],
        ),
        mended(
            "half a head is mended",
            What::Chat,
            "garbage=head*1",
            &["a - ambiguous provider garbage may_have_run retry 0..1"],
        ),
        mended(
            "a truncated answer is mended",
            What::Chat,
            "truncated*1",
            &["a 200 ambiguous network truncated may_have_run retry 0..1"],
        ),
        mended(
            "an answer that is reset is mended",
            What::Chat,
            "body_reset*1",
            &["a 200 ambiguous network body_reset may_have_run retry 0..1"],
        ),
        mended(
            "an error in a 200 is mended",
            What::Chat,
            "error_in_200*1",
            &["a 200 bad_gateway provider error_in_200 may_have_run retry 0..1"],
        ),
        mended(
            "an empty 200 is mended",
            What::Chat,
            "empty_200*1",
            &["a 200 server_error provider empty_200 server_error retry 0..1"],
        ),
        mended(
            "a page in a 200 is mended",
            What::Chat,
            "html_200*1",
            &["a 200 server_error provider html_200 server_error retry 0..1"],
        ),
        mended(
            "broken gzip is mended",
            What::Chat,
            "undecodable*1",
            &["a 200 ambiguous provider undecodable may_have_run retry 0..1"],
        ),
        mended(
            "JSON that is called gzip is mended",
            What::Chat,
            "undecodable=label*1",
            &["a 200 ambiguous provider undecodable may_have_run retry 0..1"],
        ),
        mended(
            "broken chunks are mended",
            What::Chat,
            "undecodable=chunk*1",
            &["a 200 ambiguous provider undecodable may_have_run retry 0..1"],
        ),
        mended(
            "a stream's 500 is mended",
            What::ChatStream,
            "500*1",
            &["a 500 server_error provider status server_error retry 0..1"],
        ),
        mended(
            "a stream's first event says an error",
            What::ChatStream,
            "stream_error*1",
            &["a 200 server_error provider stream_error server_error retry 0..1"],
        ),
        mended(
            "a stream of a role alone is mended",
            What::ChatStream,
            "stream_empty*1",
            &["a 200 server_error provider stream_empty server_error retry 0..1"],
        ),
        mended(
            "a stream of nothing is mended",
            What::ChatStream,
            "stream_empty=bare*1",
            &["a 200 server_error provider stream_empty server_error retry 0..1"],
        ),
        mended(
            "a stream that ends before its content is mended",
            What::ChatStream,
            "stream_cut=0*1",
            &["a 200 server_error provider stream_empty server_error retry 0..1"],
        ),
        mended(
            "a silent stream is mended",
            What::ChatStream,
            "first_content_timeout*1",
            &["a - ambiguous provider first_content_timeout may_have_run retry 0..1"],
        ),
        mended(
            "a stream that stalls before its content is mended",
            What::ChatStream,
            "stall=0*1",
            &["a 200 ambiguous provider first_content_timeout may_have_run retry 0..1"],
        ),
        mended(
            "two kinds of failure each have their wait",
            What::Chat,
            "500*2",
            &[
                "a 500 server_error provider status server_error retry 0..1",
                "a 500 server_error provider status server_error retry 0..2",
            ],
        )
        .ends("retried answered 200 3", "200"),
        case("default", "the waits are those of each class by default", What::Chat)
            .chaos("500*2")
            .tries(&[
                "a 500 server_error provider status server_error retry 0..250",
                "a 500 server_error provider status server_error retry 0..500",
            ])
            .ends("retried answered 200 3", "200"),
        case("default", "a middleman's failure has a short wait by default", What::Chat)
            .chaos("502*1")
            .tries(&["a 502 bad_gateway provider status may_have_run retry 0..100"])
            .ends("retried answered 200 2", "200"),
        alone("a kept connection had died", What::Chat)
            .before("stale", 1, "0ms")
            .chaos("ok")
            .tries(&["a - stale_connection network stale may_have_run retry 0..1"])
            .ends("retried answered 200 2", "200"),
        alone("a kept connection had been closed", What::Chat)
            .before("not_sent", 1, "0ms")
            .chaos("ok")
            .ends("passed answered 200 1", "200"),
    ]
}

/// What would be the same again.
fn final_errors() -> Vec<Case> {
    let passes_on = |name, chaos, tries, ends, told| alone(name, What::Chat).chaos(chaos).tries(tries).ends(ends, told);
    vec![
        passes_on(
            "a 400 is passed on",
            "400",
            &["a 400 caller_fault caller status rejected class"],
            "not_retryable class 400 1",
            "400 invalid_request_error",
        ),
        passes_on(
            "a context that is too long is passed on",
            "400-context",
            &["a 400 caller_fault caller status rejected class"],
            "not_retryable class 400 1",
            "400 context_length_exceeded",
        ),
        passes_on(
            "a content filter is passed on",
            "400-filter",
            &["a 400 caller_fault caller status filtered class"],
            "not_retryable class 400 1",
            "400 content_filter",
        ),
        passes_on(
            "a 401 is passed on",
            "401",
            &["a 401 auth caller status rejected class"],
            "not_retryable class 401 1",
            "401 invalid_api_key",
        ),
        passes_on(
            "a 402 is passed on",
            "402",
            &["a 402 quota caller status rate_limited class"],
            "not_retryable class 402 1",
            "402 insufficient_quota",
        ),
        passes_on(
            "a 403 is passed on",
            "403",
            &["a 403 auth caller status rejected class"],
            "not_retryable class 403 1",
            "403 unsupported_country_region_territory",
        ),
        passes_on(
            "a 404 is passed on",
            "404",
            &["a 404 caller_fault caller status rejected class"],
            "not_retryable class 404 1",
            "404 model_not_found",
        ),
        passes_on(
            "a 413 is passed on",
            "413",
            &["a 413 caller_fault caller status rejected class"],
            "not_retryable class 413 1",
            "413 request_too_large",
        ),
        passes_on(
            "a 422 is passed on",
            "422",
            &["a 422 caller_fault caller status rejected class"],
            "not_retryable class 422 1",
            "422 unprocessable_entity",
        ),
        passes_on(
            "a quota is passed on",
            "429-quota",
            &["a 429 quota caller status rate_limited class"],
            "not_retryable class 429 1",
            "429 insufficient_quota",
        ),
        passes_on(
            "an empty purse is passed on",
            "429-credit",
            &["a 429 quota caller status rate_limited class"],
            "not_retryable class 429 1",
            "429 credit_balance_exhausted",
        ),
        passes_on(
            "a 500 that is the caller's is passed on",
            "500-invalid",
            &["a 500 caller_fault caller status rejected class"],
            "not_retryable class 500 1",
            "500 invalid_request_error",
        ),
        passes_on(
            "a page with a 404 is passed on",
            "html-404",
            &["a 404 caller_fault caller html rejected class"],
            "not_retryable class 404 1",
            "404 seawall_upstream_error",
        ),
    ]
}

/// What stays broken.
fn exhausted() -> Vec<Case> {
    vec![
        alone("a 500 that stays", What::Chat)
            .chaos("500")
            .tries(&[
                "a 500 server_error provider status server_error retry 0..1",
                "a 500 server_error provider status server_error retry 0..2",
                "a 500 server_error provider status server_error retry 0..4",
                "a 500 server_error provider status server_error attempts",
            ])
            .ends("exhausted attempts 500 4", "500 server_error"),
        alone("a 501 that stays", What::Chat)
            .chaos("501")
            .tries(&[
                "a 501 server_error provider status rejected retry 0..1",
                "a 501 server_error provider status rejected retry 0..2",
                "a 501 server_error provider status rejected retry 0..4",
                "a 501 server_error provider status rejected attempts",
            ])
            .ends("exhausted attempts 501 4", "501 server_error"),
        alone("a 503 that stays", What::ChatStream)
            .chaos("503")
            .tries(&[
                "a 503 overloaded provider status no_capacity retry 0..1",
                "a 503 overloaded provider status no_capacity retry 0..2",
                "a 503 overloaded provider status no_capacity retry 0..4",
                "a 503 overloaded provider status no_capacity attempts",
            ])
            .ends("exhausted attempts 503 4", "503 server_is_overloaded"),
        alone("a page that stays", What::Chat)
            .chaos("html-502")
            .tries(&[
                "a 502 bad_gateway provider html may_have_run retry 0..1",
                "a 502 bad_gateway provider html may_have_run retry 0..2",
                "a 502 bad_gateway provider html may_have_run retry 0..4",
                "a 502 bad_gateway provider html may_have_run attempts",
            ])
            .ends("exhausted attempts 502 4", "502 seawall_upstream_error"),
        alone("an error in a 200 that stays", What::Chat)
            .chaos("error_in_200-503")
            .tries(&[
                "a 200 overloaded provider error_in_200 no_capacity retry 0..1",
                "a 200 overloaded provider error_in_200 no_capacity retry 0..2",
                "a 200 overloaded provider error_in_200 no_capacity retry 0..4",
                "a 200 overloaded provider error_in_200 no_capacity attempts",
            ])
            .ends("exhausted attempts 503 4", "503 503"),
        alone("a stream's error that stays", What::ChatStream)
            .chaos("stream_error")
            .tries(&[
                "a 200 server_error provider stream_error server_error retry 0..1",
                "a 200 server_error provider stream_error server_error retry 0..2",
                "a 200 server_error provider stream_error server_error retry 0..4",
                "a 200 server_error provider stream_error server_error attempts",
            ])
            .ends("exhausted attempts 500 4", "500 server_error"),
        alone("a stream of nothing that stays", What::ChatStream)
            .chaos("stream_empty=bare")
            .tries(&[
                "a 200 server_error provider stream_empty server_error retry 0..1",
                "a 200 server_error provider stream_empty server_error retry 0..2",
                "a 200 server_error provider stream_empty server_error retry 0..4",
                "a 200 server_error provider stream_empty server_error attempts",
            ])
            .ends("exhausted attempts 502 4", "502 seawall_bad_reply"),
        alone("a 504 that stays is asked for once more", What::Chat)
            .chaos("504")
            .tries(&[
                "a 504 ambiguous provider status may_have_run retry 0..1",
                "a 504 ambiguous provider status may_have_run ambiguous_max",
            ])
            .ends("ambiguous ambiguous_max 504 2", "504 504"),
        alone("a reset that stays is asked for once more", What::Chat)
            .chaos("reset+delay=260ms")
            .tries(&[
                "a - ambiguous network reset may_have_run retry 0..1",
                "a - ambiguous network reset may_have_run ambiguous_max",
            ])
            .ends("ambiguous ambiguous_max 502 2", "502 seawall_upstream_protocol"),
        alone("silence that stays is asked for once more", What::ChatStream)
            .chaos("first_content_timeout")
            .tries(&[
                "a - ambiguous provider first_content_timeout may_have_run retry 0..1",
                "a - ambiguous provider first_content_timeout may_have_run ambiguous_max",
            ])
            .ends("ambiguous ambiguous_max 504 2", "504 seawall_timeout"),
        alone("an informative reply is told and not the last", What::Chat)
            .script(
                "a",
                json!([
                    {"status": 503, "body": {"error": {"message": "busy", "type": "server_error", "code": "busy"}}},
                    {"action": "reset", "delay_ms": 260},
                    {"action": "reset", "delay_ms": 260},
                ]),
            )
            .tries(&[
                "a 503 overloaded provider status no_capacity retry 0..1",
                "a - ambiguous network reset may_have_run retry 0..2",
                "a - ambiguous network reset may_have_run ambiguous_max",
            ])
            .ends("ambiguous ambiguous_max 503 3", "503 busy"),
    ]
}

/// What the caller or the upstream do not want.
fn refusals() -> Vec<Case> {
    vec![
        alone("a caller that allows no retry", What::Chat)
            .chaos("500")
            .max_retries(0)
            .tries(&["a 500 server_error provider status server_error caller_limit"])
            .ends("exhausted caller_limit 500 1", "500 server_error"),
        alone("a caller that allows one retry", What::Chat)
            .chaos("503")
            .max_retries(1)
            .tries(&[
                "a 503 overloaded provider status no_capacity retry 0..1",
                "a 503 overloaded provider status no_capacity caller_limit",
            ])
            .ends("exhausted caller_limit 503 2", "503 server_is_overloaded"),
        alone("a caller's own retry has two attempts", What::Chat)
            .header("x-stainless-retry-count", "1")
            .chaos("500")
            .tries(&[
                "a 500 server_error provider status server_error retry 0..1",
                "a 500 server_error provider status server_error client_retry",
            ])
            .ends("exhausted client_retry 500 2", "500 server_error"),
        alone("an upstream says no", What::Chat)
            .chaos("500+x-should-retry=false")
            .tries(&["a 500 server_error provider status server_error upstream_says_no"])
            .ends("not_retryable upstream_says_no 500 1", "500 server_error"),
        alone("an upstream wants a long rest", What::Chat)
            .chaos("503+retry-after=120")
            .tries(&["a 503 overloaded provider status no_capacity retry_after"])
            .ends("not_retryable retry_after 503 1", "503 server_is_overloaded"),
        alone("a caller's time ends the wait", What::Chat)
            .chaos("503+retry-after=5")
            .within(Duration::from_millis(2_000))
            .tries(&["a 503 overloaded provider status no_capacity deadline"])
            .ends("deadline deadline 503 1", "503 server_is_overloaded"),
        alone("a caller's time ends the attempt", What::Chat)
            .chaos("first_content_timeout")
            .within(Duration::from_millis(200))
            .tries(&["a - ambiguous provider deadline may_have_run deadline"])
            .ends("deadline deadline 504 1", "504 seawall_deadline"),
        case("late", "the time for everything ends the attempt", What::Chat)
            .chaos("stall=1")
            .tries(&["a 200 ambiguous provider deadline may_have_run deadline"])
            .ends("deadline deadline 504 1", "504 seawall_deadline"),
        // A flowing body is not looked into: nothing is known of its model.
        alone("a body that is too large to be kept is sent once", What::Chat)
            .flows(33 << 20)
            .chaos("500")
            .tries(&["a 500 server_error provider status server_error body_too_large"])
            .ends("not_retryable body_too_large 500 1", "500 server_error"),
        case("narrow", "a body that there is no room for is sent once", What::Chat)
            .flows(2 << 20)
            .chaos("500")
            .tries(&["a 500 server_error provider status server_error memory"])
            .ends("not_retryable memory 500 1", "500 server_error"),
        case("no_budget", "an empty budget", What::Chat)
            .chaos("500")
            .tries(&["a 500 server_error provider status server_error budget"])
            .ends("budget budget 500 1", "500 server_error"),
        alone("a run of an assistant is not repeated", What::Run)
            .chaos("500")
            .tries(&["a 500 server_error provider status server_error not_repeatable"])
            .ends("not_retryable not_repeatable 500 1", "500 server_error"),
        alone("nobody knows whether a run was begun", What::Run)
            .chaos("reset+delay=260ms")
            .tries(&["a - ambiguous network reset may_have_run not_repeatable"])
            .ends("ambiguous not_repeatable 502 1", "502 seawall_upstream_protocol"),
        alone("a file is not uploaded twice", What::Files)
            .chaos("503")
            .tries(&["a 503 overloaded provider status no_capacity not_repeatable"])
            .ends("not_retryable not_repeatable 503 1", "503 server_is_overloaded"),
        alone("a response in the background is not begun twice", What::BackgroundStream)
            .chaos("500")
            .tries(&["a 500 server_error provider status server_error not_repeatable"])
            .ends("not_retryable not_repeatable 500 1", "500 server_error"),
        alone("hosted tools are asked again after an answer", What::HostedTools)
            .chaos("500*1")
            .tries(&["a 500 server_error provider status server_error retry 0..1"])
            .ends("retried answered 200 2", "200"),
        alone("hosted tools are not asked again after silence", What::HostedTools)
            .chaos("reset+delay=260ms")
            .tries(&["a - ambiguous network reset may_have_run not_repeatable"])
            .ends("ambiguous not_repeatable 502 1", "502 seawall_upstream_protocol"),
    ]
}

/// Other operations fail and are mended alike.
fn endpoints() -> Vec<Case> {
    let mended = |name, what| {
        alone(name, what)
            .chaos("500*1")
            .tries(&["a 500 server_error provider status server_error retry 0..1"])
            .ends("retried answered 200 2", "200")
    };
    let one_answer = json!([{"status": 503, "body": {"error": {"message": "busy", "type": "server_error"}}}, {"body": {"data": []}}]);
    let scripted = |name, what| {
        alone(name, what)
            .script("a", one_answer.clone())
            .tries(&["a 503 overloaded provider status no_capacity retry 0..1"])
            .ends("retried answered 200 2", "200")
    };
    vec![
        mended("a completion is mended", What::Completions),
        mended("a response is mended", What::Responses),
        mended("a message is mended", What::Messages),
        mended("embeddings are mended", What::Embeddings),
        mended("models are mended", What::Models),
        mended("a stream of a response is mended", What::ResponseStream),
        mended("a stream of a message is mended", What::MessageStream),
        mended("a stream of a completion is mended", What::CompletionStream),
        scripted("images are mended", What::Images),
        scripted("moderations are mended", What::Moderations),
    ]
}

/// Streams that break after their first content.
fn streams() -> Vec<Case> {
    let breaks = |name, what, chaos, tries| {
        alone(name, what)
            .chaos(chaos)
            .tries(tries)
            .order("answered 1, failed 1, ended")
            .ends("interrupted committed 200 1", "200 cut seawall_stream_interrupted")
    };
    let held = |name, chaos, tries| {
        alone(name, What::ChatStream)
            .commit(Commit::Buffer)
            .chaos(chaos)
            .tries(tries)
            .ends("retried answered 200 2", "200")
    };
    vec![
        breaks(
            "a stream is cut",
            What::ChatStream,
            "stream_cut=3",
            &["a 200 mid_stream provider stream_cut cut_after_content committed"],
        ),
        breaks(
            "a stream's connection ends",
            What::ChatStream,
            "truncated=3",
            &["a 200 mid_stream provider truncated cut_after_content committed"],
        ),
        breaks(
            "a stream is reset",
            What::ChatStream,
            "body_reset=3",
            &["a 200 mid_stream provider body_reset cut_after_content committed"],
        ),
        breaks(
            "a stream stalls",
            What::ChatStream,
            "stall=3",
            &["a 200 mid_stream provider stall cut_after_content committed"],
        ),
        breaks(
            "a stream with a tool is cut",
            What::ToolStream,
            "stream_cut=3",
            &["a 200 mid_stream provider stream_cut cut_after_content committed"],
        ),
        breaks(
            "a stream of a response is cut",
            What::ResponseStream,
            "stream_cut=3",
            &["a 200 mid_stream provider stream_cut cut_after_content committed"],
        ),
        breaks(
            "a stream of a message is cut",
            What::MessageStream,
            "stream_cut=3",
            &["a 200 mid_stream provider stream_cut cut_after_content committed"],
        ),
        breaks(
            "a stream of a completion is cut",
            What::CompletionStream,
            "stream_cut=3",
            &["a 200 mid_stream provider stream_cut cut_after_content committed"],
        ),
        alone("a stream that breaks after a retry", What::ChatStream)
            .script(
                "a",
                json!([
                    {"status": 500, "body": {"error": {"message": "no", "type": "server_error"}}},
                    {"headers": {"content-type": "text/event-stream"}, "parts": [chunk("Once"), {"reset": true}]},
                ]),
            )
            .tries(&[
                "a 500 server_error provider status server_error retry 0..1",
                "a 200 mid_stream provider body_reset cut_after_content committed",
            ])
            .order("failed 1, answered 2, failed 2, ended")
            .ends("interrupted committed 200 2", "200 cut seawall_stream_interrupted"),
        held(
            "a stream that is held is mended when it is cut",
            "stream_cut=3*1",
            &["a 200 ambiguous network stream_cut cut_after_content retry 0..1"],
        ),
        held(
            "a stream that is held is mended when it ends",
            "truncated=3*1",
            &["a 200 ambiguous network truncated cut_after_content retry 0..1"],
        ),
        held(
            "a stream that is held is mended when it is reset",
            "body_reset=3*1",
            &["a 200 ambiguous network body_reset cut_after_content retry 0..1"],
        ),
        held(
            "a stream that is held is mended when it stalls",
            "stall=3*1",
            &["a 200 ambiguous provider stall cut_after_content retry 0..1"],
        ),
        case("upgrade", "an answer is asked for as a stream", What::Chat)
            .chaos("ok")
            .ends("passed answered 200 1", "200"),
        case("upgrade", "an answer is asked for as a stream and mended", What::Chat)
            .chaos("stream_cut=3*1")
            .tries(&["a 200 ambiguous network stream_cut may_have_run retry 0..1"])
            .ends("retried answered 200 2", "200"),
        case("hedge", "a stream that hangs is answered by its hedge", What::ChatStream)
            .before("ok", 60, "0ms")
            .chaos("first_content_timeout*1")
            .tries(&["a - cancelled caller - cancelled_hedge superseded"])
            .ends("hedged answered 200 2", "200"),
        resumed(),
    ]
}

/// A chunk of a chat completion that says `content`.
fn chunk(content: &str) -> String {
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}]});
    format!("data: {chunk}\n\n")
}

/// A stream of a response in the background, which is taken up again where it broke.
fn resumed() -> Case {
    let event = |number: u32, name: &str, more: Value| {
        let mut event = json!({"type": name, "sequence_number": number});
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        format!("event: {name}\ndata: {event}\n\n")
    };
    let response = |status: &str| json!({"response": {"id": "resp_1", "status": status, "output": []}});
    let delta =
        |number, said: &str| event(number, "response.output_text.delta", json!({"item_id": "msg_1", "delta": said}));
    let head = json!({"content-type": "text/event-stream"});
    let begins = event(0, "response.created", response("in_progress")) + &delta(1, "Once");
    let goes_on = delta(2, " more") + &event(3, "response.completed", response("completed"));
    case("resume", "a stream in the background is taken up where it broke", What::BackgroundStream)
        .script(
            "a",
            json!([{"headers": head, "parts": [begins, {"reset": true}]}, {"headers": head, "parts": [goes_on]}]),
        )
        .tries(&["a 200 mid_stream provider body_reset resumed resume"])
        .order("answered 1, failed 1, ended")
        .ends("passed answered 200 2", "200")
}

/// An error event behind content, in the words of each dialect.
fn events() -> Vec<Case> {
    let error = json!({"message": "it broke", "type": "server_error", "code": "server_error"});
    let events = |name: &str, data: &Value| format!("event: {name}\ndata: {data}\n\n");
    let stream = |parts: Value| json!([{"headers": {"content-type": "text/event-stream"}, "parts": parts}]);
    let breaks = |name, what, parts, told| {
        alone(name, what)
            .script("a", stream(parts))
            .tries(&["a 200 mid_stream provider stream_error cut_after_content committed"])
            .order("answered 1, failed 1, ended")
            .ends("interrupted committed 200 1", told)
    };
    let delta =
        json!({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1", "delta": "Once"});
    let failed = json!({"type": "response.failed", "sequence_number": 2,
        "response": {"id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "it broke"}}});
    let flat =
        json!({"type": "error", "sequence_number": 2, "code": "server_error", "message": "it broke", "param": null});
    let said = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Once"}});
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let text = json!({"choices": [{"index": 0, "text": "Once", "finish_reason": null}]});
    vec![
        breaks(
            "a chat says an error behind its content",
            What::ChatStream,
            json!([chunk("Once"), format!("data: {}\n\n", json!({ "error": error }))]),
            "200 cut server_error",
        ),
        breaks(
            "a completion says an error behind its content",
            What::CompletionStream,
            json!([format!("data: {text}\n\n"), format!("data: {}\n\n", json!({ "error": error }))]),
            "200 cut server_error",
        ),
        // Its last event, as its dialect has it: nothing is missing, and every SDK raises it.
        alone("a response fails behind its content", What::ResponseStream)
            .script(
                "a",
                stream(json!([events("response.output_text.delta", &delta), events("response.failed", &failed)])),
            )
            .ends("passed answered 200 1", "200"),
        breaks(
            "a response says an error behind its content",
            What::ResponseStream,
            json!([events("response.output_text.delta", &delta), events("error", &flat)]),
            "200 cut server_error",
        ),
        breaks(
            "a message says an error behind its content",
            What::MessageStream,
            json!([events("content_block_delta", &said), events("error", &overloaded)]),
            "200 cut overloaded_error",
        ),
        alone("a response fails before its content", What::ResponseStream)
            .script(
                "a",
                json!([
                    {"headers": {"content-type": "text/event-stream"}, "parts": [events("response.failed", &failed)]},
                    {"headers": {"content-type": "text/event-stream"}, "parts": [
                        events("response.output_text.delta", &delta),
                        events("response.completed", &json!({"type": "response.completed", "sequence_number": 2,
                            "response": {"id": "resp_1", "status": "completed", "output": []}})),
                    ]},
                ]),
            )
            .tries(&["a 200 server_error provider stream_error server_error retry 0..1"])
            .ends("retried answered 200 2", "200"),
        alone("a message is overloaded before its content", What::MessageStream)
            .script(
                "a",
                json!([
                    {"headers": {"content-type": "text/event-stream"}, "parts": [events("error", &overloaded)]},
                    {"headers": {"content-type": "text/event-stream"}, "parts": [
                        events("content_block_delta", &said),
                        events("message_stop", &json!({"type": "message_stop"})),
                    ]},
                ]),
            )
            .tries(&["a 200 overloaded provider stream_error no_capacity retry 0..1"])
            .ends("retried answered 200 2", "200"),
    ]
}

/// Where upstreams are, and how many.
fn places() -> Vec<Case> {
    let busy =
        || json!([{"status": 503, "body": {"error": {"message": "busy", "type": "server_error", "code": "busy"}}}]);
    let never_sent = |setting, name, tries, ends, told| case(setting, name, What::Chat).tries(tries).ends(ends, told);
    vec![
        never_sent(
            "refused",
            "nobody listens",
            &[
                "a - not_sent network refused not_sent retry 0..1",
                "a - not_sent network refused not_sent retry 0..2",
                "a - not_sent network refused not_sent retry 0..4",
                "a - not_sent network refused not_sent attempts",
            ],
            "exhausted attempts 502 4",
            "502 seawall_connect",
        ),
        case("refused", "a run is asked for again where it was never sent", What::Run)
            .tries(&[
                "a - not_sent network refused not_sent retry 0..1",
                "a - not_sent network refused not_sent retry 0..2",
                "a - not_sent network refused not_sent retry 0..4",
                "a - not_sent network refused not_sent attempts",
            ])
            .ends("exhausted attempts 502 4", "502 seawall_connect"),
        never_sent(
            "unnamed",
            "a name that does not exist",
            &[
                "a - not_sent network resolve not_sent retry 0..1",
                "a - not_sent network resolve not_sent retry 0..2",
                "a - not_sent network resolve not_sent retry 0..4",
                "a - not_sent network resolve not_sent attempts",
            ],
            "exhausted attempts 502 4",
            "502 seawall_connect",
        ),
        never_sent(
            "full",
            "nobody takes the connection",
            &[
                "a - not_sent network connect_timeout not_sent retry 0..1",
                "a - not_sent network connect_timeout not_sent retry 0..2",
                "a - not_sent network connect_timeout not_sent retry 0..4",
                "a - not_sent network connect_timeout not_sent attempts",
            ],
            "exhausted attempts 502 4",
            "502 seawall_connect",
        ),
        never_sent(
            "plain",
            "no TLS where it is expected",
            &[
                "a - not_sent network tls not_sent retry 0..1",
                "a - not_sent network tls not_sent retry 0..2",
                "a - not_sent network tls not_sent retry 0..4",
                "a - not_sent network tls not_sent attempts",
            ],
            "exhausted attempts 502 4",
            "502 seawall_tls",
        ),
        case("refused_pair", "nobody listens at the first", What::Chat)
            .tries(&["a - not_sent network refused not_sent failover 0..50"])
            .ends("failed_over answered 200 2", "200"),
        case("pair", "another upstream answers after a 500", What::Chat)
            .chaos("500")
            .tries(&["a 500 server_error provider status server_error failover 0..50"])
            .ends("failed_over answered 200 2", "200"),
        case("quota_pair", "another upstream answers after a quota", What::Chat)
            .chaos("429-quota")
            .tries(&["a 429 quota caller status rate_limited failover 0..50"])
            .ends("failed_over answered 200 2", "200"),
        case("auth_pair", "another upstream answers after a 401", What::Chat)
            .chaos("401")
            .tries(&["a 401 auth caller status rejected failover 0..50"])
            .ends("failed_over answered 200 2", "200"),
        case("pair", "another upstream answers after silence", What::ChatStream)
            .chaos("first_content_timeout")
            .tries(&["a - ambiguous provider first_content_timeout may_have_run failover 0..50"])
            .ends("failed_over answered 200 2", "200"),
        case("pair", "another upstream is not asked what is the caller's fault", What::Chat)
            .chaos("400")
            .tries(&["a 400 caller_fault caller status rejected class"])
            .ends("not_retryable class 400 1", "400 invalid_request_error"),
        case("pair", "another upstream answers where the first wants a long rest", What::Chat)
            .chaos("503+retry-after=120")
            .tries(&["a 503 overloaded provider status no_capacity failover 0..50"])
            .ends("failed_over answered 200 2", "200"),
        case("pair", "both fail", What::Chat)
            .chaos("500")
            .script("b", busy())
            .tries(&[
                "a 500 server_error provider status server_error failover 0..50",
                "b 503 overloaded provider status no_capacity failover 0..2",
                "a 500 server_error provider status server_error retry 0..4",
                "a 500 server_error provider status server_error attempts",
            ])
            .ends("exhausted attempts 500 4", "500 server_error"),
        case("pair", "a stream that broke is not made elsewhere", What::ChatStream)
            .chaos("stream_cut=3")
            .tries(&["a 200 mid_stream provider stream_cut cut_after_content committed"])
            .order("answered 1, failed 1, ended")
            .ends("interrupted committed 200 1", "200 cut seawall_stream_interrupted"),
        case("models", "no upstream serves the model", What::Chat)
            .chaos("ok")
            .ends("unavailable no_upstream 503 0", "503 seawall_unavailable"),
        case("models", "an upstream serves the model", What::Chat)
            .model("gpt-parity")
            .chaos("ok")
            .ends("passed answered 200 1", "200"),
        case("keys", "another key is used after a 401", What::Chat)
            .chaos("401*1")
            .tries(&["a 401 auth caller status rejected retry 0..50"])
            .ends("retried answered 200 2", "200"),
        case("quota_keys", "no key has a quota left", What::Chat)
            .chaos("429-quota")
            .tries(&[
                "a 429 quota caller status rate_limited retry 0..50",
                "a 429 quota caller status rate_limited class",
            ])
            .ends("not_retryable class 429 2", "429 insufficient_quota"),
        case("resting_pair", "another upstream would be asked, but its key rests", What::Chat)
            .script(
                "b",
                json!([{"status": 429, "headers": {"retry-after": "30"},
                "body": {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}}]),
            )
            .before("500", 1, "0ms")
            .chaos("401")
            .tries(&["a 401 auth caller status rejected credentials"])
            .ends("exhausted credentials 401 1", "401 invalid_api_key"),
    ]
}

/// What earlier requests have left behind.
fn states() -> Vec<Case> {
    vec![
        case("breaker", "an upstream that fails all the time is not asked", What::Chat)
            .before("500", 5, "200ms")
            .chaos("ok")
            .ends("unavailable breaker 503 0", "503 seawall_unavailable"),
        case("queue", "a request waits for its upstream in vain", What::Chat)
            .before("500", 5, "200ms")
            .chaos("ok")
            .ends("unavailable queue 503 0", "503 seawall_unavailable"),
    ]
}
