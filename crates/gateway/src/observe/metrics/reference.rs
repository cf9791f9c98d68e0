//! Keeps `docs/reference/metrics.md` equal to the registry: run with `UPDATE=1` to write it anew.
//!
//! Names, types, units and meanings are what a scrape shows; labels are those of a sample. So each metric
//! needs one here, and a new one that has none fails the test.

#![expect(clippy::disallowed_methods, reason = "a test is told what to do by a variable")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use seawall_core::event::Cause;
use seawall_core::incident::{Severity, What};

use super::*;
use crate::observe::alert::{self, Alerts};
use crate::observe::exposition::Form;
use crate::observe::telemetry::{self, Telemetry};

/// What is said of a metric.
#[derive(Debug, Default)]
struct Told {
    kind: String,
    meaning: String,
    labels: Vec<String>,
    has_sample: bool,
}

/// A scrape of a gateway in which everything has happened once.
fn scrape() -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let way = seawall::Upstream::at("webhook", "http://127.0.0.1:9/".parse().unwrap());
        let form = alert::Form::Slack;
        let sink = alert::Settings { name: "chat".into(), form, min_severity: Severity::Warning, way };
        let alerts = Alerts::start(vec![sink], &alert::samples::links()).unwrap();
        let telemetry = Telemetry::start(telemetry::Settings::off(), telemetry::Readings::default()).unwrap();
        let metrics = Metrics::new(&["openai".to_owned()]).with(|registry| alerts.register(registry));
        let metrics = metrics.with(|registry| telemetry.register(registry));
        let model = Some("gpt-4o");
        metrics.attempt(UpstreamId(0), model, Class::Ok);
        let usage = Usage { input: Some(1), output: Some(1), cached: None, reasoning: None };
        metrics.tokens(model, &Tokens { usage, counted: Counted::Known });
        metrics.content_after(Endpoint::ChatCompletions, Duration::from_secs(1));
        let (method, headers) = (http::Method::POST, http::HeaderMap::new());
        let facts = Request::of(&method, "/v1/chat/completions", &headers, None, 0);
        metrics.request(&facts, Outcome::Passed, Duration::from_secs(1));
        metrics.upgrade(UpstreamId(0), Ending::Closed);
        let event = alert::samples::event("inc_0123456789abcdef", What::Opened, Severity::Critical);
        let readings = Readings {
            breakers: vec![("openai".into(), "gpt-4o".into(), State::Closed)],
            pages: vec![("openai".into(), None)],
            incidents: vec![Note { event, is_told: true, differences: Vec::new(), page: None }],
            ..Readings::default()
        };
        let text = Form::Text.of(&metrics, &readings);
        alerts.close(Duration::from_millis(10)).await;
        String::from_utf8(text.to_vec()).unwrap()
    })
}

fn told(scrape: &str) -> BTreeMap<String, Told> {
    let mut all: BTreeMap<String, Told> = BTreeMap::new();
    for line in scrape.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name)) => {
                let meaning = words.next().unwrap_or_default().trim_end_matches('.');
                all.entry(name.to_owned()).or_default().meaning = meaning.to_owned();
            }
            (Some("#"), Some("TYPE"), Some(name)) => {
                all.entry(name.to_owned()).or_default().kind = words.next().unwrap_or_default().to_owned();
            }
            (Some(sample), ..) => {
                let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
                let plain = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
                let name = plain.filter(|plain| all.contains_key(*plain)).unwrap_or(name);
                let Some(told) = all.get_mut(name) else { panic!("{name} is declared nowhere: {line}") };
                told.has_sample = true;
                let keys = labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
                let keys = keys.map(|(key, _)| key.to_owned()).filter(|key| key != "le");
                for key in keys {
                    if !told.labels.contains(&key) {
                        told.labels.push(key);
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// The unit, as names of Prometheus say it.
fn unit(name: &str, kind: &str) -> &'static str {
    let name = name.trim_end_matches("_total");
    match () {
        () if name.ends_with("_seconds") => "seconds",
        () if name.ends_with("_bytes") => "bytes",
        () if name.ends_with("_tokens") && kind == "gauge" => "retries",
        () if kind == "counter" => "count",
        () if name.ends_with("_info") || name.ends_with("_status_page") || name.ends_with("_degraded") => "0 or 1",
        () if name.ends_with("_state") => "0 to 4",
        () => "now",
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\nGenerated from the registry that `GET /metrics` shows; do not edit. How to scrape and alert: \
         [the guide](../guides/prometheus.md).\n\n| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n",
    );
    for (name, told) in &told(&scrape()) {
        assert!(told.has_sample, "{name} has no sample in `scrape`: give it one, so that its labels are known");
        assert!(!told.meaning.is_empty() && !told.kind.is_empty(), "{name}: {told:?}");
        let labels: Vec<String> = told.labels.iter().map(|label| format!("`{label}`")).collect();
        let (kind, unit) = (&told.kind, unit(name, &told.kind));
        let meaning = told.meaning.replace('|', "\\|");
        writeln!(page, "| `{name}` | {kind} | {unit} | {} | {meaning} |", labels.join(" ")).unwrap();
    }
    page.push_str(
        "\n## Labels\n\nEach comes from a closed list, but for names of the configuration (`upstream`, `route`, `sink`) and for \
         `model`, which callers choose: the first hundred names, then `other`; `-` where a request has none. \
         `seawall explain WORD` says what an outcome or a class means.\n\n| label | values |\n|---|---|\n",
    );
    let list = |words: &mut dyn Iterator<Item = &'static str>| {
        words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
    };
    for (label, values) in [
        ("`cause`", list(&mut Cause::ALL.iter().map(|word| word.name()))),
        ("`class`", list(&mut Class::ALL.iter().map(|word| word.name()))),
        ("`endpoint`", list(&mut Endpoint::ALL.iter().map(|word| word.name()))),
        ("`kind` of tokens", list(&mut KINDS.into_iter())),
        ("`outcome`", list(&mut Outcome::ALL.iter().map(|word| word.name()))),
    ] {
        writeln!(page, "| {label} | {values} |").unwrap();
    }
    let edges = |edges: &[f64]| edges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    write!(
        page,
        "\n## Buckets\n\nIn seconds, of `seawall_overhead_seconds`: {}. Of the other histograms: {}.\n",
        edges(&OVERHEAD),
        edges(&SECONDS)
    )
    .unwrap();
    page
}

#[test]
fn the_page_of_metrics_is_what_is_registered() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    let page = page();
    if std::env::vars().any(|(key, _)| key == "UPDATE") {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, page, "docs/reference/metrics.md is stale: run `UPDATE=1 cargo test -p seawall-gateway the_page`");
}
