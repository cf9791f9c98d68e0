//! When failures are an incident.

use seawall_core::incident::Limits;

use super::*;

#[test]
fn every_knob_of_incidents_arrives() {
    let config = good(
        r#"
        [incident]
        enabled = false
        consecutive = 5
        rate = 0.1
        failures_min = 6
        remind_every = "1h"
        masked = false
        latency = false
        "#,
    );
    let limits = Limits {
        consecutive: 5,
        rate: 100,
        failures_min: 6,
        remind_every: Duration::from_secs(3_600),
        masked: false,
        latency: false,
    };
    assert_eq!(config.incident, IncidentConfig { enabled: false, limits });
    let shown: Vec<_> = rows(&config)
        .iter()
        .filter(|row| row.table == "incident")
        .map(|row| format!("{} = {} by {}", row.key, row.value.text(), row.source_text(&config)))
        .collect();
    assert_eq!(
        shown,
        [
            "enabled = false by seawall.toml:3",
            "consecutive = 5 by seawall.toml:4",
            "rate = 0.1 by seawall.toml:5",
            "failures_min = 6 by seawall.toml:6",
            "remind_every = \"1h\" by seawall.toml:7",
            "masked = false by seawall.toml:8",
            "latency = false by seawall.toml:9",
        ]
    );
    assert_eq!(good("").incident, IncidentConfig::default());
}

#[test]
fn each_limit_may_be_its_bound_and_not_more() {
    for (key, lowest, highest, below, beyond) in [
        ("consecutive", "2", "100", "1", "101"),
        ("rate", "0.02", "0.5", "0.019", "0.501"),
        ("failures_min", "4", "1000", "3", "1001"),
        ("remind_every", "\"1m\"", "\"24h\"", "\"59s999ms\"", "\"24h1ms\""),
    ] {
        for value in [lowest, highest] {
            let limits = good(&format!("[incident]\n{key} = {value}")).incident.limits;
            assert_eq!(limits, limits.bounded(), "{key} = {value}: the core's bounds are the same");
        }
        for value in [below, beyond] {
            let told = bad(&format!("[incident]\n{key} = {value}")).to_string();
            assert!(told.contains(&format!("`incident.{key}` is ")) && told.contains("outside"), "{told}");
            assert!(told.contains("seawall.toml:2:") && told.contains("hint: "), "{told}");
        }
    }
}

#[test]
fn limits_out_of_reach_and_keys_that_are_none_are_explained() {
    let values = [
        "consecutive = 1",
        "rate = 5",
        "rate = \"5%\"",
        "rate = 0.01",
        "rate = 0.0505",
        "failures_min = 3",
        "remind_every = \"10s\"",
        "remind_every = 15",
        "masked = \"no\"",
        "window = \"10m\"",
        "repeat_interval = \"1h\"",
        "min_failures = 5",
    ];
    let told = values.map(|value| bad(&format!("[incident]\n{value}\n")).to_string());
    reads("incident", &told.join("\n\n----\n\n"));
}
