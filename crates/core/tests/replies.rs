//! The verdict over replies as they are seen in the wild: one file each, one table of them all.
//!
//! The files under `replies/` are raw HTTP, with plain newlines in the head. Three headers are
//! ours and never reach the judge: `x-test-endpoint`, `x-test-stream` and `x-test-elapsed-ms` say
//! what was asked for and how long it took (of 60 s). The snapshot is to be read like a table of
//! law: a line that changes is a decision that changes.

#![allow(clippy::unwrap_used, reason = "a file or a line that is wrong fails the test where it stands")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use seawall_core::request::Endpoint;
use seawall_core::verdict::{
    Again, Charge, Class, Fault, MESSAGE_BYTES_MAX, Reply, Verdict, body, judge, request_id, retry_after,
};

/// 2026-11-22 12:00:00 UTC.
const NOW: i64 = 1_795_348_800;

struct Recorded {
    name: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

fn recorded() -> Vec<Recorded> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/replies");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().filter(|path| path.extension().is_some_and(|kind| kind == "http")).map(read).collect()
}

fn read(path: &PathBuf) -> Recorded {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.windows(2).position(|two| two == b"\n\n").expect("an empty line after the head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value.trim()).unwrap());
    }
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Recorded { name, status, headers, body: bytes[end + 2..].to_vec() }
}

impl Recorded {
    fn judge(&self) -> Verdict {
        let mut headers = self.headers.clone();
        let mut told = |name| headers.remove(name).map(|value| value.to_str().unwrap().to_owned());
        let endpoint =
            told("x-test-endpoint").map_or(Endpoint::ChatCompletions, |name| Endpoint::from_name(&name).unwrap());
        let stream = told("x-test-stream").is_some();
        let elapsed = Duration::from_millis(told("x-test-elapsed-ms").map_or(300, |millis| millis.parse().unwrap()));
        let limit = Duration::from_secs(60);
        judge(&Reply {
            status: self.status,
            headers: &headers,
            body: &self.body,
            endpoint,
            stream,
            elapsed,
            limit,
            now_unix: NOW,
        })
    }
}

#[test]
fn every_recorded_reply_gets_the_verdict_of_the_table() {
    let mut table = String::new();
    let recorded = recorded();
    assert!(recorded.len() >= 60, "{} replies", recorded.len());
    for reply in &recorded {
        let Verdict { class, whose, again, charge, wait, said, fault } = reply.judge();
        let billed = charge.billed();
        let wait = wait.map_or("-".to_owned(), |wait| format!("{wait:?}"));
        let fault = fault.map_or("-", Fault::name);
        writeln!(table, "{}", reply.name).unwrap();
        writeln!(table, "    {class} | whose {whose} | again {again} | billed {billed} | wait {wait} | {fault}")
            .unwrap();
        let id = request_id(&reply.headers).unwrap_or("-");
        if let Some(said) = said {
            let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".to_owned());
            let means = said.status.map_or("-".to_owned(), |status| status.to_string());
            let json = if said.is_json { "json" } else { "not json" };
            writeln!(
                table,
                "    means {means} | type {} | code {} | id {id} | in body {} | {json}",
                word(&said.kind),
                word(&said.code),
                word(&said.request_id)
            )
            .unwrap();
            let message: String = word(&said.message).chars().take(90).collect();
            writeln!(table, "    \"{}\"", message.escape_debug()).unwrap();
        }
    }
    insta::assert_snapshot!("verdicts", table);
}

/// Says the same of a status whatever its body looks like, unless the body says something.
#[test]
fn every_status_gets_a_class_whatever_the_body() {
    let json = br#"{"error":{"message":"m","type":"t400","param":null,"code":"c400"}}"#;
    let bodies: [&[u8]; 6] = [json, b"<html><title>t</title></html>", b"", b"text", b"[]", b"\x1f\x8b"];
    let headers = HeaderMap::new();
    for status in (100..=599).chain([600, 999]) {
        let classes = bodies.map(|body| {
            let status = StatusCode::from_u16(status).unwrap();
            let (elapsed, limit) = (Duration::from_secs(1), Duration::from_secs(60));
            let reply = Reply {
                status,
                headers: &headers,
                body,
                endpoint: Endpoint::Other,
                stream: false,
                elapsed,
                limit,
                now_unix: NOW,
            };
            let verdict = judge(&reply);
            assert_eq!(verdict.said.is_some(), verdict.class != Class::Ok, "{status}");
            assert!(
                !matches!(verdict.class, Class::NotSent | Class::StaleConnection | Class::MidStream | Class::Cancelled),
                "{status}"
            );
            verdict.class
        });
        assert!(classes.iter().all(|class| *class == classes[0]), "{status}: {classes:?}");
        assert_eq!(classes[0] == Class::Ok, status == 101 || (200..=299).contains(&status), "{status}");
    }
}

/// The statuses that the official SDKs retry are retried, and no other but Groq's 498.
#[test]
fn statuses_are_retried_as_the_sdks_do() {
    let headers = HeaderMap::new();
    for status in 300..=599 {
        let code = StatusCode::from_u16(status).unwrap();
        let (elapsed, limit) = (Duration::from_secs(1), Duration::from_secs(60));
        let endpoint = Endpoint::ChatCompletions;
        let verdict = judge(&Reply {
            status: code,
            headers: &headers,
            body: b"",
            endpoint,
            stream: false,
            elapsed,
            limit,
            now_unix: NOW,
        });
        let sdk = matches!(status, 408 | 409 | 429 | 500..);
        let ours = verdict.again == Again::Anywhere;
        assert!(ours == sdk || matches!(status, 498 | 508), "{status}: {verdict:?}");
    }
}

/// Status, body, endpoint, whether a stream was asked for, headers.
type Odd = (u16, Vec<u8>, Endpoint, bool, Vec<(HeaderName, Vec<u8>)>);

fn any_reply() -> impl Strategy<Value = Odd> {
    const NAMES: &[&str] = &[
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        "x-request-id",
        "content-type",
        "content-encoding",
        "cf-ray",
    ];
    let header = (proptest::sample::select(NAMES), proptest::collection::vec(any::<u8>(), 0..40));
    let header = header.prop_map(|(name, value)| (HeaderName::from_static(name), value));
    let jsonish = "[\\[\\]{}\":,a-z0-9 \\\\]{0,40}".prop_map(|middle| format!("{{\"error\":{middle}}}").into_bytes());
    let shaped = ("\\PC{0,60}", "\\PC{0,80}").prop_map(|(word, message)| {
        serde_json::json!({"error": {"message": message, "type": word, "code": word, "metadata": {"raw": message}}})
            .to_string()
            .into_bytes()
    });
    let body = prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), jsonish, shaped];
    let endpoint = proptest::sample::select(Endpoint::ALL);
    (100_u16..=999, body, endpoint, any::<bool>(), proptest::collection::vec(header, 0..4))
}

proptest! {
    #[test]
    fn no_bytes_make_the_judge_panic_or_leave_its_lists((status, body, endpoint, stream, pairs) in any_reply(), seconds in 0_u64..100, now_unix: i64) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        let (elapsed, limit) = (Duration::from_secs(seconds), Duration::from_secs(60));
        let status = StatusCode::from_u16(status).unwrap();
        let verdict = judge(&Reply { status, headers: &headers, body: &body, endpoint, stream, elapsed, limit, now_unix });
        prop_assert!(Class::ALL.contains(&verdict.class) && Charge::ALL.contains(&verdict.charge));
        prop_assert!(verdict.wait.is_none_or(|wait| !wait.is_zero() && wait <= retry_after::WAIT_MAX));
        prop_assert_eq!(verdict.class == Class::Ok, verdict.said.is_none());
        prop_assert!(verdict.class != Class::CallerFault || verdict.again == Again::No);
        if let Some(said) = verdict.said {
            prop_assert!(said.message.is_none_or(|message| message.len() <= MESSAGE_BYTES_MAX));
            prop_assert!(said.kind.is_none_or(|word| word.len() <= body::WORD_BYTES_MAX));
            prop_assert!(said.code.is_none_or(|word| word.len() <= body::WORD_BYTES_MAX));
            prop_assert_eq!(said.status.is_some(), status.is_success());
        }
    }
}
