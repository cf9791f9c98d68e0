//! What is sent, held against the public forms; what hostile texts make of it; and the whole way to a receiver.

use std::collections::BTreeSet;

use seawall_core::incident::{Close, Event, Kind, Rule, Scope, What};
use serde_json::{Value, json};

use super::samples::{HOSTILE, WORDS, event, full, hostile, links};
use super::*;
use crate::observe::post::tests::{answer, receiver};

const NOW: i64 = 1_795_829_000_000_000;
const REMIND_EVERY: Duration = Duration::from_secs(15 * 60);
const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

fn forms() -> [Form; 4] {
    [
        Form::Slack,
        Form::Pagerduty { routing_key: Zeroizing::new(ROUTING_KEY.into()) },
        Form::Alertmanager { authorization: None, remind_every: REMIND_EVERY },
        Form::Webhook { keys: vec![Zeroizing::new(b"0123456789abcdef01234567".to_vec())] },
    ]
}

fn settings(form: Form, url: &str) -> Settings {
    let way = seawall::Upstream::at(form.name(), url.parse().unwrap());
    Settings { name: form.name().into(), form, min_severity: Severity::Warning, way }
}

/// What `form` is sent for `notice`, heard as `what`.
fn written(form: Form, notice: Notice, what: What) -> (Post, Value) {
    let receiver = Receiver::new(settings(form, "http://127.0.0.1:9/base/"), links()).unwrap();
    let item = Item { notice: Arc::new(notice), what, since: tokio::time::Instant::now(), before: None };
    let post = receiver.written(&item, NOW);
    let body = serde_json::from_slice(&post.body).unwrap();
    (post, body)
}

#[track_caller]
fn fits(schema: &Value, body: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{body:#}");
}

/// Slack's blocks, as far as they are used here, and their limits.
fn slack_schema() -> Value {
    let text = |kind: &str, extra: &str, max: usize| {
        json!({
            "type": "object", "additionalProperties": false, "required": ["type", "text", extra],
            "properties": {
                "type": { "const": kind },
                "text": { "type": "string", "minLength": 1, "maxLength": max },
                extra: { "const": extra == "verbatim" },
            },
        })
    };
    let block = |kind: &str, key: &str, schema: Value| {
        json!({
            "type": "object", "additionalProperties": false, "required": ["type", key],
            "properties": { "type": { "const": kind }, key: schema },
        })
    };
    json!({
        "type": "object", "additionalProperties": false, "required": ["text", "blocks"],
        "properties": {
            "text": { "type": "string", "minLength": 1, "maxLength": 40_000 },
            "blocks": { "type": "array", "minItems": 1, "maxItems": 50, "items": { "oneOf": [
                block("header", "text", text("plain_text", "emoji", 150)),
                block("section", "text", text("mrkdwn", "verbatim", 3_000)),
                block("context", "elements", json!({
                    "type": "array", "minItems": 1, "maxItems": 10, "items": text("mrkdwn", "verbatim", 3_000),
                })),
            ] } },
        },
    })
}

/// An event of PagerDuty's Events API v2.
fn pagerduty_schema() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    json!({
        "type": "object", "additionalProperties": false, "required": ["routing_key", "event_action", "dedup_key"],
        "properties": {
            "routing_key": { "type": "string", "minLength": 32, "maxLength": 32 },
            "event_action": { "enum": ["trigger", "acknowledge", "resolve"] },
            "dedup_key": { "type": "string", "minLength": 1, "maxLength": 255 },
            "client": text,
            "client_url": text,
            "links": { "type": "array", "items": {
                "type": "object", "required": ["href"], "additionalProperties": false,
                "properties": { "href": { "type": "string", "pattern": "^https?://" }, "text": text },
            } },
            "payload": {
                "type": "object", "additionalProperties": false, "required": ["summary", "source", "severity"],
                "properties": {
                    "summary": { "type": "string", "minLength": 1, "maxLength": 1_024 },
                    "source": text,
                    "severity": { "enum": ["critical", "error", "warning", "info"] },
                    "timestamp": { "type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$" },
                    "component": text,
                    "group": text,
                    "class": text,
                    "custom_details": { "type": "object" },
                },
            },
        },
        "if": { "properties": { "event_action": { "const": "trigger" } } },
        "then": { "required": ["payload"] },
    })
}

/// `postableAlerts` of Alertmanager's API v2.
fn alertmanager_schema() -> Value {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let labels = json!({
        "type": "object", "minProperties": 1, "required": ["alertname"],
        "propertyNames": { "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$" },
        "additionalProperties": { "type": "string" },
    });
    let time = json!({ "type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$" });
    json!({
        "type": "array", "minItems": 1,
        "items": {
            "type": "object", "additionalProperties": false, "required": ["labels"],
            "properties": {
                "labels": labels, "annotations": texts, "startsAt": time, "endsAt": time,
                "generatorURL": { "type": "string", "pattern": "^https?://" },
            },
        },
    })
}

fn webhook_schema() -> Value {
    let counts = json!({ "type": "object", "required": ["failed", "of"], "properties": {
        "failed": { "type": "integer" }, "of": { "type": "integer" },
    } });
    json!({
        "type": "object", "additionalProperties": false, "required": ["type", "timestamp", "data"],
        "properties": {
            "type": { "enum": ["incident.opened", "incident.reminder", "incident.resolved", "incident.unknown"] },
            "timestamp": { "type": "string", "pattern": "Z$" },
            "data": {
                "type": "object",
                "required": ["id", "title", "kind", "scope", "severity", "rule", "since", "at", "counts", "rate", "requests",
                    "differences", "status_page", "close", "links", "commands"],
                "properties": {
                    "scope": { "type": "object", "required": ["kind"] },
                    "counts": { "type": "object", "required": ["window", "whole"], "additionalProperties": counts },
                    "rate": { "type": "number", "minimum": 0, "maximum": 1 },
                    "requests": { "type": "array", "maxItems": 5, "items": { "type": "string" } },
                    "differences": { "type": "array", "maxItems": 4, "items": {
                        "type": "object", "required": ["text", "traits", "failed", "failed_of", "answered", "answered_of", "beside"],
                    } },
                },
            },
        },
    })
}

fn schemas() -> [Value; 4] {
    [slack_schema(), pagerduty_schema(), alertmanager_schema(), webhook_schema()]
}

/// Every word about every kind of incident in every kind of place, and tests.
fn all() -> Vec<(Notice, What)> {
    let mut all = Vec::new();
    for what in WORDS {
        for kind in Kind::ALL {
            for scope in
                [Scope::upstream("openai", Some("m")), Scope::upstream("openai", None), Scope::route("default")]
            {
                let mut notice = full(what);
                notice.event.kind = *kind;
                notice.event.scope = scope;
                all.push((notice, what));
            }
        }
        all.push((Notice::test(event("inc_test_1", what, Severity::Critical)), what));
    }
    all
}

#[test]
fn every_notice_has_the_form_that_its_receiver_asks_for() {
    for (notice, what) in all() {
        for (form, schema) in forms().into_iter().zip(schemas()) {
            fits(&schema, &written(form, notice.clone(), what).1);
        }
    }
}

#[test]
fn hostile_texts_change_no_form_and_stay_within_its_limits() {
    for text in HOSTILE.iter().copied().chain(["&", "<", "é", "\u{1f525}", "x"]) {
        for what in WORDS {
            for is_route in [false, true] {
                for (form, schema) in forms().into_iter().zip(schemas()) {
                    fits(&schema, &written(form, hostile(text, what, is_route), what).1);
                }
            }
        }
    }
}

/// Every string in `value`, keys included.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| [vec![key.as_str()], strings(value)].concat()).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn nothing_that_a_stranger_wrote_is_obeyed_anywhere() {
    for text in HOSTILE {
        for what in WORDS {
            for is_route in [false, true] {
                let notice = || hostile(text, what, is_route);
                let [slack, pagerduty, alertmanager, webhook] = forms().map(|form| written(form, notice(), what));
                slack_is_inert(&slack.1);
                for value in [&slack.1, &pagerduty.1, &alertmanager.1, &webhook.1] {
                    let is_active = |c: char| {
                        c.is_control() && c != '\n' || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
                    };
                    let active: Vec<&str> = strings(value).into_iter().filter(|s| s.contains(is_active)).collect();
                    assert!(active.is_empty(), "{active:?}");
                }
                let handed_on: Vec<&str> =
                    strings(&alertmanager.1).into_iter().filter(|s| s.contains(['<', '>'])).collect();
                assert!(handed_on.is_empty(), "{handed_on:?}");
                let summary = &pagerduty.1["payload"]["summary"];
                assert!(!summary.as_str().unwrap_or_default().contains('<'), "{summary}");
                assert_eq!(pagerduty.1["routing_key"], ROUTING_KEY);
                for (post, _) in [slack, pagerduty, alertmanager, webhook] {
                    assert!(post.headers.iter().all(|(_, value)| value.to_str().is_ok()));
                }
            }
        }
    }
}

/// Outside of code spans there is nothing but our own words; inside there is no bracket that is not escaped.
fn slack_is_inert(body: &Value) {
    assert!(!body["text"].as_str().unwrap().contains(['<', '>', '@', '`']), "{body:#}");
    let header = body["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(!header.contains(['<', '>']), "{header}");
    let section = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(!section.contains(['<', '>']), "{section}");
    for line in section.lines() {
        let parts: Vec<&str> = line.split('`').collect();
        assert_eq!(parts.len() % 2, 1, "a span is open at the end of {line}");
        let outside: String = parts.iter().step_by(2).copied().collect();
        let label = outside.trim().trim_matches('*');
        assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == ' '), "{outside}");
    }
    for text in strings(body) {
        for rest in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;"].iter().any(|entity| rest.starts_with(entity)), "{text}");
        }
    }
}

#[test]
fn slacks_limits_hold_to_the_character() {
    let header = |name: &str| {
        let mut notice = full(What::Opened);
        notice.event.scope = Scope::Route { route: name.into() };
        slack::message(&notice, What::Opened, &links())["blocks"][0]["text"]["text"].as_str().unwrap().to_owned()
    };
    let rest = header("").chars().count();
    let fits = slack::HEADER_CHARS_MAX - rest;
    assert_eq!(header(&"x".repeat(fits)).chars().count(), slack::HEADER_CHARS_MAX);
    assert!(!header(&"x".repeat(fits)).contains('…'));
    let cut = header(&"x".repeat(fits + 1));
    assert!(cut.chars().count() == slack::HEADER_CHARS_MAX && cut.ends_with('…'), "{cut}");
    for n in 0..8 {
        let cut = header(&format!("{}{}", "x".repeat(n), "&".repeat(200)));
        assert!(
            cut.chars().count() <= slack::HEADER_CHARS_MAX && (cut.ends_with("&amp;…")),
            "no half of an entity: {cut}"
        );
    }
    // A section that is too long loses whole rows, and not the first ones.
    let worst = hostile("&", What::Opened, false);
    let message = slack::message(&worst, What::Opened, &links());
    let section = message["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(section.chars().count() <= slack::SECTION_CHARS_MAX && section.starts_with("*severity* `critical`\n"));
    assert!(section.contains("*since*") && section.ends_with("`\n"), "{section}");
}

#[test]
fn pagerdutys_limits_hold_and_a_reminder_is_the_same_alert() {
    let opened = event(&"i".repeat(300), What::Opened, Severity::Critical);
    let long = Notice::new(Event { scope: Scope::Route { route: "r".repeat(2_000) }, ..opened }, vec![], None);
    let sent = pagerduty::event(&long, What::Opened, &links(), ROUTING_KEY);
    assert!(sent["dedup_key"].as_str().unwrap().chars().count() <= pagerduty::DEDUP_CHARS_MAX);
    assert!(sent["payload"]["summary"].as_str().unwrap().chars().count() <= pagerduty::SUMMARY_CHARS_MAX);
    assert_eq!(
        notice::shortened(&"x".repeat(1_025), pagerduty::SUMMARY_CHARS_MAX).chars().count(),
        pagerduty::SUMMARY_CHARS_MAX
    );
    let told = WORDS.map(|what| pagerduty::event(&full(what), what, &links(), ROUTING_KEY));
    assert!(told.iter().all(|event| event["dedup_key"] == "inc_0123456789abcdef"));
    let actions = told.map(|event| event["event_action"].as_str().unwrap().to_owned());
    assert_eq!(actions, ["trigger", "trigger", "trigger", "resolve"]);
}

#[test]
fn an_alertmanager_knows_an_incident_by_the_same_labels_until_it_is_over() {
    let micros = |time: &Value| time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let sent = |what, before| alertmanager::alerts(&full(what), what, &links(), before, REMIND_EVERY, NOW);
    let labels: BTreeSet<String> =
        WORDS.map(|what| sent(what, Some(Severity::Critical))[0]["labels"].to_string()).into();
    assert_eq!(labels.len(), 1, "{labels:?}");
    for (what, after) in [
        (What::Opened, alertmanager::ends_after(REMIND_EVERY)),
        (What::Reminder, alertmanager::ends_after(REMIND_EVERY)),
        (What::Unknown, alertmanager::unknown_ends_after(REMIND_EVERY)),
    ] {
        let alert = &sent(what, None)[0];
        assert_eq!(micros(&alert["endsAt"]) - NOW, i64::try_from(after.as_micros()).unwrap(), "{what}");
    }
    let over = &sent(What::Resolved, None)[0];
    assert!(micros(&over["endsAt"]) <= NOW && micros(&over["endsAt"]) >= micros(&over["startsAt"]));
    // A clock that was put back makes no alert that ends before it begins.
    let early = &alertmanager::alerts(&full(What::Resolved), What::Resolved, &links(), None, REMIND_EVERY, 0)[0];
    assert!(micros(&early["endsAt"]) >= micros(&early["startsAt"]));
}

#[test]
fn an_alertmanager_waits_for_the_next_reminder_however_often_one_comes() {
    use super::courier::{RETRY_AFTER_MAX, WAIT_MAX};
    let micros = |time: &Value| time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (every, ends, unknown_ends) in
        [(1, 16, 25 * 60), (7, 22, 25 * 60), (15, 45, 25 * 60), (60, 180, 27 * 60), (24 * 60, 3 * 24 * 60, 4 * 24 * 60)]
    {
        let (every, ends, unknown_ends) = (minutes(every), minutes(ends), minutes(unknown_ends));
        for (what, after) in [(What::Opened, ends), (What::Reminder, ends), (What::Unknown, unknown_ends)] {
            let alert = &alertmanager::alerts(&full(what), what, &links(), None, every, NOW)[0];
            assert_eq!(micros(&alert["endsAt"]) - NOW, i64::try_from(after.as_micros()).unwrap(), "{what} {every:?}");
        }
        assert!(ends > every + RETRY_AFTER_MAX + WAIT_MAX + POST_WITHIN, "{every:?}");
        // Until a reminder is due, a silence that begins anew is not told: it is closed a day after that.
        assert!(unknown_ends > every + seawall_core::incident::FORGOTTEN_AFTER, "{every:?}");
    }
}

#[test]
fn a_change_of_severity_ends_the_alert_with_the_old_one() {
    let sent = |what, before| alertmanager::alerts(&full(what), what, &links(), before, REMIND_EVERY, NOW);
    let severities = |alerts: &Value| -> Vec<String> {
        alerts
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| alert["labels"]["severity"].as_str().unwrap().to_owned())
            .collect()
    };
    let changed = sent(What::Reminder, Some(Severity::Warning));
    assert_eq!(severities(&changed), ["warning", "critical"]);
    assert!(changed[0]["endsAt"].as_str() < changed[1]["endsAt"].as_str());
    assert_eq!(changed[0]["endsAt"], sent(What::Resolved, None)[0]["endsAt"], "it is over");
    assert_eq!(severities(&sent(What::Reminder, Some(Severity::Critical))), ["critical"]);
    assert_eq!(severities(&sent(What::Resolved, Some(Severity::Warning))), ["warning"], "the one that is known there");
}

/// HMAC-SHA-256 as RFC 2104 has it, over nothing but the hash.
fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    use aws_lc_rs::digest::{SHA256, digest};
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.map(|b| b ^ byte);
    let inner = digest(&SHA256, &[&pad(0x36), text].concat());
    digest(&SHA256, &[&pad(0x5c), inner.as_ref()].concat()).as_ref().to_vec()
}

#[test]
fn a_signature_is_the_one_of_standard_webhooks() {
    use base64::Engine;
    let base64 = base64::prelude::BASE64_STANDARD;
    let key = Zeroizing::new(base64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
    let (id, time, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
    let headers = webhook::headers(id, time, body, std::slice::from_ref(&key));
    assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!(
        (&headers["webhook-id"], &headers["webhook-timestamp"]),
        (&id.parse().unwrap(), &"1614265330".parse().unwrap())
    );
    let text = [format!("{id}.{time}.").as_bytes(), body].concat();
    let own = format!("v1,{}", base64.encode(hmac_sha256(&key, &text)));
    assert_eq!(headers["webhook-signature"], own);
    // While a key changes, both sign.
    let other = Zeroizing::new(vec![7; 32]);
    let both = webhook::headers(id, time, body, &[key, other.clone()]);
    let second = format!("v1,{}", base64.encode(hmac_sha256(&other, &text)));
    assert_eq!(both["webhook-signature"], format!("{own} {second}"));
}

#[test]
fn a_message_has_one_id_however_often_it_is_sent_and_no_other_has_it() {
    let ids: Vec<String> = WORDS.map(|what| webhook::id(&full(what), what)).to_vec();
    assert_eq!(ids, WORDS.map(|what| webhook::id(&full(what), what)));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), WORDS.len());
    assert_eq!(ids[0], format!("inc_0123456789abcdef_opened_{}", samples::SINCE + 23 * 60_000_000));
    assert!(HOSTILE.iter().all(|text| !webhook::id(&hostile(text, What::Opened, true), What::Opened).contains('.')));
}

#[test]
fn every_word_reads_well() {
    let mut told = String::new();
    for what in WORDS {
        told.push_str(&full(what).headline(what));
        told.push('\n');
    }
    for (kind, rule, close) in [
        (Kind::Masked, Rule::Rising, Close::Superseded),
        (Kind::Latency, Rule::Slow, Close::Forgotten),
        (Kind::Latency, Rule::Slow, Close::Recovered),
    ] {
        let mut notice = full(What::Resolved);
        notice.event = Event { kind, rule, close: Some(close), scope: Scope::route("batch"), ..notice.event };
        for what in [What::Opened, What::Reminder, What::Resolved] {
            told.push_str(&notice.headline(what));
            told.push('\n');
        }
    }
    told.push_str(&Notice::test(event("inc_test_1", What::Opened, Severity::Critical)).headline(What::Opened));
    let alert = alertmanager::alerts(&full(What::Opened), What::Opened, &links(), None, REMIND_EVERY, NOW);
    told.push_str(&format!("\n\n{}\n", alert[0]["annotations"]["description"].as_str().unwrap()));
    let message = slack::message(&full(What::Opened), What::Opened, &links());
    told.push_str(&format!("\n{message:#}\n"));
    told.push_str(&format!("\n{:#}\n", webhook::body(&full(What::Opened), What::Opened, &links())));
    insta::assert_snapshot!(told);
}

#[test]
fn an_incident_without_an_id_of_ours_is_linked_nowhere() {
    assert!(
        links()
            .incident("inc_0123456789abcdef")
            .is_some_and(|link| link.ends_with("/api/v1/incidents/inc_0123456789abcdef"))
    );
    for id in ["x|<!channel>", "../../x", "a b", "a?b", "é"] {
        assert_eq!(links().incident(id), None, "{id}");
    }
    assert_eq!(Links::default().incident("inc_1"), None);
}

/// The whole way: a receiver on this machine, a refusal, the end of the program; and no credential anywhere but there.
#[tokio::test]
async fn an_alert_arrives_and_no_credential_is_seen_elsewhere() {
    const CANARY: &str = "canary4f9a71c2d8e35b60aaaaaaaaaa";
    let log = tempfile::NamedTempFile::new().unwrap();
    let file = std::sync::Mutex::new(log.reopen().unwrap());
    let subscriber =
        tracing_subscriber::fmt().with_writer(file).with_ansi(false).with_max_level(tracing::Level::TRACE).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (refusing, refused) = receiver(vec![answer("403 no", "", CANARY)]);
    let (taking, taken) = receiver(vec![answer("202 ok", "", CANARY)]);
    let (knowing, known) = receiver(vec![answer("200 ok", "", CANARY)]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut bearer = HeaderValue::try_from(format!("Bearer {CANARY}")).unwrap();
    bearer.set_sensitive(true);
    let receivers = vec![
        settings(Form::Slack, &format!("{refusing}/services/{CANARY}")),
        settings(Form::Pagerduty { routing_key: Zeroizing::new(CANARY.into()) }, &taking),
        settings(Form::Alertmanager { authorization: Some(bearer), remind_every: REMIND_EVERY }, &knowing),
        settings(
            Form::Webhook { keys: vec![Zeroizing::new(CANARY.as_bytes().to_vec())] },
            &format!("http://{gone}/{CANARY}"),
        ),
    ];
    let alerts = Alerts::start(receivers, &links()).unwrap();
    let parent = Some(event("inc_2", What::Opened, Severity::Critical).id);
    alerts.tell(Notice::new(Event { under: parent, ..event("inc_1", What::Opened, Severity::Critical) }, vec![], None));
    assert!(alerts.states().iter().all(|state| state.queued == 0), "what is under another is told to nobody");
    let all: Vec<String> = alerts.states().into_iter().map(|state| state.sink).collect();
    alerts.resume(Notice::new(event("inc_3", What::Reminder, Severity::Critical), vec![], None), &all);
    alerts.tell(full(What::Opened));
    alerts.close(Duration::from_secs(30)).await;

    assert!(refused.recv().unwrap().0.contains(CANARY));
    assert!(String::from_utf8(taken.recv().unwrap().1).unwrap().contains(CANARY));
    let (head, _) = known.recv().unwrap();
    assert!(
        head.starts_with("POST /api/v2/alerts HTTP/1.1\r\n")
            && head.contains(&format!("authorization: Bearer {CANARY}\r\n"))
    );
    let states = alerts.states();
    let counts: Vec<[u64; 3]> = states.iter().map(|state| [state.sent, state.failed, state.dropped]).collect();
    assert_eq!(counts, [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]]);
    assert_eq!(states[0].last_error.as_deref(), Some("answers 403"));

    let mut registry = Registry::with_prefix("seawall");
    alerts.register(&mut registry);
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(metrics.contains("seawall_alerts_total{sink=\"pagerduty\",result=\"sent\"} 1"), "{metrics}");
    assert!(metrics.contains("seawall_alerts_total{sink=\"webhook\",result=\"dropped\"} 1"), "{metrics}");
    let logged = std::fs::read_to_string(log.path()).unwrap();
    assert!(logged.contains("alerts cannot be delivered") && logged.contains("alerts were not delivered"), "{logged}");
    let shown = [logged, metrics, serde_json::to_string(&states).unwrap()];
    for part in [CANARY, &CANARY[..16], &base64::Engine::encode(&base64::prelude::BASE64_STANDARD, CANARY)[..16]] {
        assert!(shown.iter().all(|text| !text.contains(part)), "{shown:?}");
    }
}

#[tokio::test]
async fn after_a_restart_those_are_told_who_were_not() {
    let (knowing, known) = receiver(vec![answer("200 ok", "", "")]);
    let (new, heard) = receiver(vec![answer("200 ok", "", "")]);
    let sink = |name: &str, url: &str| Settings { name: name.into(), ..settings(Form::Slack, url) };
    let alerts = Alerts::start(vec![sink("knowing", &knowing), sink("new", &new)], &links()).unwrap();
    let began = event("inc_1", What::Opened, Severity::Critical);
    assert_eq!(alerts.who_know(&began.id), [""; 0]);
    alerts.resume(Notice::new(began.clone(), vec![], None), &["knowing".to_owned(), "gone".to_owned()]);
    assert_eq!(alerts.who_know(&began.id), ["knowing"]);
    alerts.close(Duration::from_secs(30)).await;
    assert!(String::from_utf8(heard.recv().unwrap().1).unwrap().contains("inc_1"));
    assert!(known.try_recv().is_err(), "it heard of it before");
    assert_eq!(alerts.who_know(&began.id), ["knowing", "new"]);
}

#[tokio::test]
async fn what_is_known_is_told_again_only_where_it_would_end_by_itself() {
    let (slack, heard) = receiver(vec![answer("200 ok", "", "")]);
    let (alertmanager, kept) = receiver(vec![answer("200 ok", "", "")]);
    let receivers = vec![
        settings(Form::Slack, &slack),
        settings(Form::Alertmanager { authorization: None, remind_every: REMIND_EVERY }, &alertmanager),
    ];
    let alerts = Alerts::start(receivers, &links()).unwrap();
    let all = ["slack".to_owned(), "alertmanager".to_owned()];
    let goes_on = event("inc_1", What::Reminder, Severity::Critical);
    alerts.resume(Notice::new(goes_on.clone(), vec![], None), &all);
    alerts.tell(Notice::new(goes_on, vec![], None).known(true));
    alerts.close(Duration::from_secs(30)).await;
    assert!(String::from_utf8(kept.recv().unwrap().1).unwrap().contains("inc_1"));
    assert!(heard.try_recv().is_err(), "somebody knows of it");
}
