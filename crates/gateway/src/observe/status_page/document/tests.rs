use super::super::samples::{ATLASSIAN, HOSTILE, NATIVE, SHIM, WELL};
use super::*;

/// 2026-07-09T19:20:00Z
const BEGAN: i64 = 1_783_624_800_000_000;
const MINUTE: i64 = 60_000_000;

fn of(host: &str, json: &str) -> Result<(Page, Form), Unread> {
    read(json.as_bytes(), &format!("https://{host}/").parse().unwrap())
}

#[track_caller]
fn page(json: &str) -> Page {
    of("status.openai.com", json).unwrap().0
}

fn names(page: &Page) -> Vec<(&str, Option<Condition>)> {
    page.components.iter().map(|component| (component.name.as_str(), component.status)).collect()
}

#[test]
fn incident_io_behind_the_old_form_is_read() {
    let (page, form) = of("status.openai.com", SHIM).unwrap();
    assert_eq!(form, Form::Statuspage);
    assert_eq!(page.indicator, Some(Indicator::Minor));
    assert_eq!(page.description.as_deref(), Some("Partial System Degradation"));
    let expected = [("Chat Completions", Some(Condition::Degraded)), ("Responses", Some(Condition::Operational))];
    assert_eq!(names(&page), expected, "voice mode is no API");
    assert_eq!(page.worst(), Some(Condition::Degraded));
    let expected = Incident {
        name: Some("Elevated error rates".into()),
        status: Some(Stage::Investigating),
        impact: Some(Impact::Minor),
        started: Some(BEGAN),
        updated: Some(BEGAN + 5 * MINUTE + 56_000_000),
        link: Some("https://status.openai.com/incidents/01JZ0000000000000000000000".into()),
        concerns_us: None,
    };
    assert_eq!(page.incidents, [expected]);
}

#[test]
fn the_native_form_says_the_same() {
    let (page, form) = of("status.openai.com", NATIVE).unwrap();
    assert_eq!(form, Form::Native);
    assert_eq!((page.indicator, page.description.as_deref()), (Some(Indicator::Minor), None));
    let expected = [
        ("Chat Completions", Some(Condition::Degraded)),
        ("Responses", Some(Condition::Operational)),
        ("Sign-in", Some(Condition::Operational)),
    ];
    assert_eq!(names(&page), expected, "what is in a group of APIs counts, whatever its name");
    let incident = &page.incidents[0];
    assert_eq!((incident.started, incident.updated), (Some(BEGAN), Some(BEGAN + 4 * MINUTE + 500_000)));
    assert_eq!((incident.impact, incident.concerns_us), (Some(Impact::Minor), Some(true)));
    assert_eq!(incident.link.as_deref(), Some("https://status.openai.com/incidents/01JZ0000000000000000000000"));
}

#[test]
fn atlassians_groups_are_no_components_and_its_incidents_name_theirs() {
    let (page, _) = of("status.acme.example", ATLASSIAN).unwrap();
    let expected =
        [("Gateway", Some(Condition::PartialOutage)), ("acme API (api.acme.example)", Some(Condition::Operational))];
    assert_eq!(names(&page), expected);
    let told: Vec<_> = page.incidents.iter().map(|i| (i.name.as_deref().unwrap(), i.impact, i.concerns_us)).collect();
    let expected = [
        ("Website is slow", Some(Impact::Major), Some(false)),
        ("Errors", Some(Impact::Critical), Some(true)),
        ("Database", Some(Impact::Maintenance), None),
    ];
    assert_eq!(told, expected, "what is over, or has not begun, is left out");
    assert_eq!(page.likely().and_then(|incident| incident.name.as_deref()), Some("Errors"));
    assert_eq!(page.incidents[0].link.as_deref(), Some("https://status.acme.example/incidents/i1"), "never elsewhere");
}

#[test]
fn ids_may_change_because_names_do_not() {
    let moved = SHIM.replace("01JMXBRMFE6N2NNT7DG6XZQ6PW", "01K0000000000000000000NEW0");
    assert_eq!(page(&moved).components, page(SHIM).components);
    let gone = NATIVE
        .replace("{\"component_id\":\"01JMXBRMFE6N2NNT7DG6XZQ6PW\",\"status\"", "{\"component_id\":\"01K\",\"status\"");
    let chat = |page: &Page| page.components[0].clone();
    assert_eq!(chat(&page(&gone)).name, "Chat Completions");
}

#[test]
fn names_are_matched_whole_and_in_any_case() {
    for (name, ours) in [
        ("CHAT completions", true),
        ("Fine-tuning", true),
        ("Claude API (api.anthropic.com)", true),
        ("api", true),
        ("Apiary", false),
        ("Codex in ChatGPT Desktop", false),
        ("Conversations", false),
        ("", false),
    ] {
        assert_eq!(matters(name), ours, "{name}");
    }
}

#[test]
fn what_is_missing_null_or_unknown_says_nothing_and_spoils_nothing() {
    for field in [
        "\"status\":{\"description\":\"Partial System Degradation\",\"indicator\":\"minor\"},",
        ",\"group\":null",
        ",\"resolved_at\":null",
    ] {
        let read = page(&SHIM.replace(field, ""));
        assert_eq!(read.components.len(), 2, "without {field}");
    }
    let odd = SHIM
        .replace("\"minor\"", "\"apocalyptic\"")
        .replace("degraded_performance", "wobbly")
        .replace("investigating", "pondering");
    let read = page(&odd);
    assert_eq!((read.indicator, read.components[0].status, read.incidents[0].status), (None, None, None));
    assert_eq!(read.worst(), Some(Condition::Operational), "of what is known");
    let read = page(
        r#"{"status":null,"components":[null,7,{"name":null},{"name":"API"},{"status":"operational"}],"incidents":{}}"#,
    );
    assert_eq!(names(&read), [("API", None)]);
    assert_eq!((read.indicator, read.worst(), read.incidents.len()), (None, None, 0));
    let read = page(r#"{"incidents":[{"name":"x","created_at":"yesterday"},{"started_at":7,"impact":"minor"},{}]}"#);
    assert_eq!(read.incidents.len(), 1, "one without a name, a word or a time is none");
    assert!(read.incidents.iter().all(|incident| incident.started.is_none() && incident.link.is_none()));
}

#[test]
fn the_native_form_is_well_only_if_it_says_so() {
    let with = |rest: &str| page(&format!(r#"{{"summary":{{"components":[{{"id":"a","name":"API"}}]{rest}}}}}"#));
    let well = with(r#","affected_components":[],"ongoing_incidents":[]"#);
    assert_eq!((well.indicator, well.worst()), (Some(Indicator::None), Some(Condition::Operational)));
    let silent = with("");
    assert_eq!((silent.indicator, silent.worst()), (None, None));
    let odd = with(r#","affected_components":[{"component_id":"a","status":"wobbly"}],"ongoing_incidents":[]"#);
    assert_eq!((odd.indicator, odd.worst()), (None, None));
    let twice = with(
        r#","affected_components":[{"component_id":"a","status":"full_outage"},{"component_id":"a","status":"operational"}]"#,
    );
    assert_eq!((twice.indicator, twice.worst()), (Some(Indicator::Critical), Some(Condition::MajorOutage)));
    let both = with(
        r#","ongoing_incidents":[{"name":"x","status":"fixing","published_at":"2026-07-09T19:20:00Z","created_at":"2026-07-09T19:19:00Z"}]"#,
    );
    assert_eq!(both.incidents[0].started, Some(BEGAN - MINUTE));
}

#[test]
fn what_is_no_status_page_is_told_apart() {
    for body in ["", " ", "<!doctype html>", "[]", "null", "\"{}\"", "{", "{\"status\":", "\u{feff}<html>"] {
        assert_eq!(of("a.example", body), Err(Unread::NotJson), "{body}");
    }
    for body in ["{}", "{\"summary\":{}}", "{\"error\":{}}", "{\"summary\":[],\"page\":{\"name\":\"x\"}}"] {
        assert_eq!(of("a.example", body), Err(Unread::OtherShape), "{body}");
    }
    assert!(of("a.example", &format!("\u{feff}\n {WELL}")).is_ok(), "a byte order mark is no reason");
    let deep = format!("{{\"incidents\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(page(&deep).incidents.is_empty(), "however deep, it is passed over");
}

#[test]
fn hostile_text_is_one_plain_line_and_links_lead_nowhere_else() {
    let read = page(HOSTILE);
    assert_eq!(read.name.as_deref(), Some("a b [2J"));
    assert_eq!(read.description.as_deref(), Some("x y 31m <script>alert(1)</script>"));
    assert_eq!(read.components[0].name, "API ]0;title");
    assert_eq!(read.incidents[0].name.as_deref(), Some("=cmd() `rm` @channel **bold**"));
    assert_eq!(read.incidents[0].link, None);
    let elsewhere =
        SHIM.replace("https://status.openai.com/incidents", "https://status.openai.com@evil.example/incidents");
    assert_eq!(page(&elsewhere).incidents[0].link, page(SHIM).incidents[0].link);
}

#[test]
fn everything_is_bounded() {
    assert_eq!(text(&"é".repeat(TEXT_CHARS_MAX)).unwrap().chars().count(), TEXT_CHARS_MAX);
    let cut = text(&"é".repeat(TEXT_CHARS_MAX + 1)).unwrap();
    assert_eq!((cut.chars().count(), cut.ends_with('…')), (TEXT_CHARS_MAX + 1, true));
    assert_eq!(text(" \n\u{200b}\t"), None);
    let list = |n: usize, item: &str| vec![item; n].join(",");
    let components = list(COMPONENTS_READ_MAX, r#"{"name":"API"}"#);
    let incidents = list(INCIDENTS_READ_MAX, r#"{"status":"identified"}"#);
    let read = page(&format!(r#"{{"components":[{components}],"incidents":[{incidents}]}}"#));
    assert_eq!((read.components.len(), read.incidents.len()), (COMPONENTS_MAX, INCIDENTS_MAX));
    let late = |rest: &str| format!(r#"{{"components":[{},{rest}]}}"#, list(COMPONENTS_READ_MAX - 1, "0"));
    assert_eq!(page(&late(r#"{"name":"API"}"#)).components.len(), 1);
    assert_eq!(page(&late(r#"0,{"name":"API"}"#)).components.len(), 0);
    let late = |n: usize| format!(r#"{{"incidents":[{}{{"status":"fixing"}}]}}"#, "0,".repeat(n));
    assert_eq!(page(&late(INCIDENTS_READ_MAX - 1)).incidents.len(), 1);
    assert_eq!(page(&late(INCIDENTS_READ_MAX)).incidents.len(), 0);
}

#[test]
fn no_bytes_make_it_fall_over() {
    for sample in [SHIM, NATIVE, ATLASSIAN, HOSTILE] {
        let page = "https://a.example".parse().unwrap();
        for end in 0..sample.len() {
            let _ = read(&sample.as_bytes()[..end], &page);
            let mut bytes = sample.as_bytes().to_vec();
            bytes[end] ^= 0x15;
            let _ = read(&bytes, &page);
        }
    }
}
