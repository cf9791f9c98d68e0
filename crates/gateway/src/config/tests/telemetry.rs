//! Where traces and metrics are sent: the file, and the variables of OpenTelemetry.

use super::*;
use crate::config::telemetry::{ATTRIBUTE_BYTES_MAX, HEADERS_MAX, RESOURCE_MAX};

const FILE: &str = r#"
    [telemetry]
    otlp_endpoint = "https://file.example/otlp/"
    otlp_headers = { "x-api-key" = "${KEY}" }
    traces = false
    metrics_every = "10s"
    sample = 0.25
    traceparent = "forward"
    service_name = "edge"
    proxy = "none"
"#;

fn told(text: &str, variables: &[(&str, &str)]) -> Result<TelemetryConfig, String> {
    let config = parse_with(text, &Overrides::default(), &env(variables));
    config.map(|config| config.telemetry).map_err(|problems| problems.to_string())
}

fn headers(config: &TelemetryConfig) -> Vec<(&str, &str)> {
    config.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
}

#[test]
fn without_an_address_nothing_is_sent_and_no_variable_is_looked_at() {
    for variables in [&[][..], &[("OTEL_EXPORTER_OTLP_HEADERS", "no list"), ("OTEL_RESOURCE_ATTRIBUTES", "%")]] {
        let config = told("", variables).unwrap();
        assert!(config.collector().is_none() && config.endpoint.is_none());
        assert!(config.traces && config.metrics);
        assert_eq!((config.sample_ppm, config.traceparent), (1_000_000, Propagation::Accept));
        assert_eq!(config.service_name, "seawall");
    }
}

#[test]
fn every_knob_of_telemetry_arrives() {
    let config = told(FILE, &[("KEY", CANARY)]).unwrap();
    assert_eq!(config.collector().unwrap(), "https://file.example/otlp");
    assert_eq!(headers(&config), [("x-api-key", CANARY)]);
    assert!(!config.traces && config.metrics);
    assert_eq!((config.metrics_every, config.sample_ppm), (Duration::from_secs(10), 250_000));
    assert_eq!((config.traceparent, config.service_name.as_str()), (Propagation::Forward, "edge"));
    let off = FILE.replace("traces = false", "traces = false\n    metrics = false");
    assert!(told(&off, &[("KEY", "k")]).unwrap().collector().is_none(), "there is nothing left to send");
}

#[test]
fn the_environment_outranks_the_file() {
    let config = told(
        FILE,
        &[
            ("KEY", "k"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, x-tenant = a%2Cb ,"),
            ("OTEL_SERVICE_NAME", "by variable"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=not this,deployment.environment.name=prod,a=b%3Dc,a=again"),
        ],
    )
    .unwrap();
    assert_eq!(config.collector().unwrap(), "http://127.0.0.1:4318/");
    assert_eq!(headers(&config), [("authorization", "Bearer abc"), ("x-tenant", "a,b")]);
    assert_eq!(config.service_name, "by variable");
    let resource: Vec<_> = config.resource.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(resource, [("deployment.environment.name", "prod"), ("a", "b=c")]);
    let by_attributes = told(FILE, &[("KEY", "k"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=x")]).unwrap();
    assert_eq!(by_attributes.service_name, "x");
}

#[test]
fn the_environment_can_forbid_it() {
    for (value, is_disabled) in [("true", true), ("TRUE", true), ("false", false), ("1", false), ("", false)] {
        let config = told(FILE, &[("KEY", "k"), ("OTEL_SDK_DISABLED", value)]).unwrap();
        assert_eq!(config.collector().is_none(), is_disabled, "{value}");
    }
    let config = told(FILE, &[("KEY", "k"), ("OTEL_SDK_DISABLED", "true"), ("OTEL_RESOURCE_ATTRIBUTES", "%")]);
    assert!(config.is_ok(), "what is not used cannot be wrong");
}

#[test]
fn a_credential_of_a_collector_is_shown_by_its_origin() {
    let by_file = parse_with(FILE, &Overrides::default(), &env(&[("KEY", CANARY)])).unwrap();
    let variables = [("KEY", "k"), ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=sk-canary-4f9a71c2d8e35b60,b=c")];
    let by_env = parse_with(FILE, &Overrides::default(), &env(&variables)).unwrap();
    for (config, shown) in [
        (by_file, "set (env KEY)"),
        (by_env, "set (env OTEL_EXPORTER_OTLP_HEADERS), set (env OTEL_EXPORTER_OTLP_HEADERS)"),
    ] {
        let rows = rows(&config);
        let row = rows.iter().find(|row| row.key == "otlp_headers").unwrap();
        assert_eq!(row.value.text(), shown);
        assert!(!format!("{rows:?}").contains("canary"));
    }
}

#[test]
fn what_is_wrong_with_a_variable_is_told_without_its_value() {
    let at = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let long = "v".repeat(ATTRIBUTE_BYTES_MAX + 1);
    let many = (0..=HEADERS_MAX).map(|n| format!("h{n}=v")).collect::<Vec<_>>().join(",");
    let attributes = (0..=RESOURCE_MAX).map(|n| format!("a{n}=v")).collect::<Vec<_>>().join(",");
    for (name, value, said) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "canary:4317", "must begin with https:// or http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a.example/v1/traces", "names the path of one signal"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://canary:canary@a.example", "has a user or password in it"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary", "is not a list of name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=%2", "is not a list of name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=canary%0d%0ahost:x", "that no header can carry"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "content-type=canary", "says how a post is framed"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=canary,A=canary", "has `a` twice"),
        ("OTEL_EXPORTER_OTLP_HEADERS", &many, "the limit is 16"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=canary", "is not a list of name=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", &format!("a={long}"), "has 256 bytes"),
        ("OTEL_RESOURCE_ATTRIBUTES", &attributes, "more than 64 attributes"),
        ("OTEL_SERVICE_NAME", "canary\u{1b}[31m", "has a control character"),
    ] {
        let problems = told("", &[at, (name, value)]).err().unwrap_or_else(|| panic!("accepted: {value}"));
        assert!(problems.contains(name) && problems.contains(said), "{problems}");
        assert!(!problems.contains("canary"), "{problems}");
    }
    assert!(told("", &[at, ("OTEL_EXPORTER_OTLP_HEADERS", many.rsplit_once(',').unwrap().0)]).is_ok());
    assert!(told("", &[at, ("OTEL_RESOURCE_ATTRIBUTES", attributes.rsplit_once(',').unwrap().0)]).is_ok());
    assert!(told("", &[at, ("OTEL_SERVICE_NAME", &long[1..])]).is_ok());
}
