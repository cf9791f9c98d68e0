//! What a gateway in an outage says, and one that means harm.

use serde_json::{Value, json};

/// 2026-11-23T06:34:05Z, a moment after [`summary`]'s incident began.
pub(super) const NOW: i64 = 1_795_415_645_000_000;
/// What a terminal would obey, and what is wider than it is long.
pub(super) const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{1b}[2J\r\n\u{9b}31m\u{202e}\u{200b}東京🧪e\u{301}";

/// `/api/v1/summary`.
pub(super) fn summary() -> Value {
    let span = json!({
        "seconds": 60, "success": 0.9997, "upstream_success": 0.63, "requests": 7_200, "answered": 7_198, "failed": 2,
        "first_answered": 4_536, "first_failed": 2_664, "saved": 2_662, "extra_attempts": 3_100, "extra_tokens": 1_234_567,
    });
    json!({
        "time": "2026-11-23T06:34:05.000Z", "version": "0.1.0", "started": "2026-11-23T03:29:05.000Z", "ready": true,
        "draining": false, "requests_per_s": 120.0, "last_minute": span, "last_5_minutes": span,
        "first_content": { "count": 9, "p50_ms": 320.0, "p99_ms": 2_400.0 },
        "overhead": { "count": 9, "p50_ms": 0.052, "p99_ms": 1.2 },
        "streams_open": 14, "in_flight": 20, "waiting": 0, "budget_tokens": 41.5, "memory_held_bytes": 0,
        "journal": { "state": "ok", "rows": 12_345, "dropped": 0, "late": 3, "ring": 0 },
        "incidents": [{
            "id": "inc_00000000000000a1", "kind": "failures", "severity": "critical", "upstream": "openai",
            "model": "gpt-4o", "route": null, "since": "2026-11-23T06:30:00.000Z", "failed": 2_664, "of": 7_200,
        }],
        "alerts_failing": ["on-call"],
    })
}

/// The list of `/api/v1/upstreams`.
pub(super) fn upstreams() -> Value {
    let minutes = |failing: u64| -> Vec<Value> {
        let minute = |n: u64| {
            json!({ "minute": "2026-11-23T06:34:00.000Z", "requests": n * 100, "attempts": n * 100,
            "failed": if n > 85 { (n - 85) * failing * n } else { 0 } })
        };
        (0..90).map(minute).collect()
    };
    json!([
        {
            "name": "openai", "in_flight": 17,
            "breakers": [
                { "model": "gpt-4o", "state": "guarded", "says": "fails: first attempts go here, retries do not" },
                { "model": "o3", "state": "closed", "says": "asked as usual" },
            ],
            "resting": [{ "key": "2 (env OPENAI_KEY_2)", "model": "gpt-4o", "for_s": 12.4 }],
            "last_failure": { "time": "2026-11-23T06:34:02.000Z", "request_id": "sw_1", "model": "gpt-4o", "status": 503, "class": "overloaded" },
            "status_page": { "url": "https://status.openai.com", "indicator": "minor", "description": "Partial System Degradation", "read": null },
            "minutes": minutes(20),
        },
        {
            "name": "azure-eu", "in_flight": 3, "breakers": [], "resting": [], "last_failure": null, "status_page": null,
            "minutes": minutes(0),
        },
    ])
}

/// The list of `/api/v1/failures`, `n` of them.
pub(super) fn failures(n: u64) -> Value {
    let row = |n: u64| {
        let is_late = n % 3 == 1;
        json!({
            "time": format!("2026-11-23T06:34:{:02}.500Z", 4 - n.min(4)), "request_id": format!("sw_{n:032x}"),
            "attempt": 1 + n % 2, "upstream": if n % 4 == 3 { "azure-eu" } else { "openai" }, "model": "gpt-4o",
            "status": if is_late { Value::Null } else { json!(503) },
            "class": if is_late { "ambiguous" } else { "overloaded" }, "error_code": "overloaded",
            "message": "The engine is currently overloaded", "upstream_request_id": format!("req_{n}"),
            "elapsed_ms": 81.0, "decision": if n.is_multiple_of(2) { "retry" } else { "stop" }, "reason": "attempts",
        })
    };
    (0..n).map(row).collect()
}

/// The same, with every name chosen by somebody who means harm.
pub(super) fn hostile(of: Value) -> Value {
    match of {
        Value::String(text) if text.starts_with("2026-") => Value::String(text),
        Value::String(_) => Value::String(HOSTILE.repeat(30)),
        Value::Array(list) => list.into_iter().map(hostile).collect(),
        Value::Object(object) => object.into_iter().map(|(key, value)| (key, hostile(value))).collect(),
        other => other,
    }
}
