//! A configuration to start from: every key with what it is for and its default, commented out.
//!
//! It is made from the same keys, descriptions and defaults as the check, so it cannot go stale;
//! tests check it as it is, and again with every comment sign in front of a key removed.

use super::schema;
use super::show::{Row, Shown, default_rows};

/// What the keys without a default could look like.
const SAMPLES: [(&str, &str); 25] = [
    ("server.admin_token", "\"${SEAWALL_ADMIN_TOKEN}\""),
    ("upstream.api_key", "\"${OPENAI_API_KEY}\""),
    ("upstream.api_keys", "[\"${OPENAI_API_KEY}\", \"${OPENAI_API_KEY_2}\"]"),
    ("upstream.models", "[\"gpt-*\", \"o3\"]"),
    ("upstream.model_map", "{ \"gpt-4o\" = \"my-deployment\" }"),
    ("upstream.ca_file", "\"/etc/ssl/certs/company.pem\""),
    ("route.models", "[\"gpt-4o*\"]"),
    ("route.upstreams", "[\"openai\"]"),
    ("route.fallback_models", "[\"gpt-4o-mini\"]"),
    ("route.repeatable", "false"),
    ("route.hedge", "false"),
    ("route.commit", "\"buffer\""),
    ("route.stream_upgrade", "\"cliff\""),
    ("alert.kind", "\"webhook\""),
    ("alert.name", "\"on-call\""),
    ("alert.url", "\"https://alerts.example.com/seawall\""),
    ("alert.secret", "\"${ALERT_SECRET}\""),
    ("alert.min_severity", "\"warning\""),
    ("alert.proxy", "\"env\""),
    ("alert.ca_file", "\"/etc/ssl/certs/company.pem\""),
    ("client.name", "\"billing\""),
    ("client.token", "\"${BILLING_TOKEN}\""),
    ("telemetry.otlp_endpoint", "\"http://127.0.0.1:4318\""),
    ("telemetry.otlp_headers", "{ \"x-api-key\" = \"${COLLECTOR_KEY}\" }"),
    ("telemetry.ca_file", "\"/etc/ssl/certs/company.pem\""),
];
/// Keys that stand there without a comment sign: they are what makes an upstream.
const ACTIVE: [&str; 2] = ["upstream.name", "upstream.base_url"];

const INTRODUCTION: &str = "\
# Seawall's configuration. Every key is here with its default, commented out.
#
# Durations are \"250ms\", \"5s\" or \"1h30m\"; sizes are \"64 KB\" (1,000 each) or \"32 MiB\" (1,024 each).
# In strings ${NAME}, ${NAME:-otherwise}, ${file:/path} and ${credential:name} stand for a variable, a file,
# a file in the folder CREDENTIALS_DIRECTORY: the places for keys. $${ stands for the two characters themselves.
#
# seawall config check    tells what is wrong with it
# seawall config show     tells what is in force, and why
";

/// The text of the example.
pub(crate) fn example() -> String {
    let mut schema = schema::json();
    let mut describe = |path: &str| {
        let text = schema::at(&mut schema, path).and_then(|key| key["description"].as_str().map(str::to_owned));
        text.unwrap_or_default().replace('\n', " ")
    };
    let mut text = INTRODUCTION.to_owned();
    let rows = default_rows();
    let (classes, plain): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.table.starts_with("retry.class."));
    let mut table = "";
    for row in plain {
        let Some(path) = row.path.as_deref() else { continue };
        let Some((header, _)) = path.split_once('.') else {
            text.push('\n');
            text.push_str(&line(row, &mut describe));
            continue;
        };
        if header != table {
            if table == "retry" {
                text.push_str(&class_lines(&classes, &mut describe));
            }
            match header {
                "retry" => text.push_str(&optional_lines("route", &mut describe)),
                "journal" => text.push_str(&optional_lines("alert", &mut describe)),
                "telemetry" => text.push_str(&optional_lines("client", &mut describe)),
                _ => {}
            }
            table = header;
            let brackets = if header == "upstream" { "[[upstream]]".into() } else { format!("[{header}]") };
            text.push_str(&format!("\n# {}\n{brackets}\n", describe(header)));
        }
        text.push_str(&line(row, &mut describe));
    }
    text
}

fn line(row: &Row, describe: &mut impl FnMut(&str) -> String) -> String {
    let path = row.path.as_deref().unwrap_or_default();
    let sample = SAMPLES.iter().find(|(key, _)| *key == path).map(|(_, sample)| (*sample).to_owned());
    let value = match &row.value {
        Shown::Value(value) => value.to_string(),
        _ => sample.unwrap_or_default(),
    };
    let sign = if ACTIVE.contains(&path) { "" } else { "#" };
    format!("# {}\n{sign}{} = {value}\n", describe(path), row.key)
}

/// One line for each class, after the values that hold for all of them.
fn class_lines(rows: &[&Row], describe: &mut impl FnMut(&str) -> String) -> String {
    let mut text = "# Other values for single kinds of failure; what is left out is as above.\n".to_owned();
    for keys in rows.chunk_by(|a, b| a.table == b.table) {
        let Some(class) = keys.first().and_then(|row| row.table.strip_prefix("retry.")) else { continue };
        let values: Vec<_> = keys.iter().map(|row| format!("{} = {}", row.key, row.value.text())).collect();
        text.push_str(&format!("# {}\n#{class} = {{ {} }}\n", describe(&format!("retry.{class}")), values.join(", ")));
    }
    text
}

/// A table that is not there by default, so that none of the rows is one of its keys.
fn optional_lines(table: &str, describe: &mut impl FnMut(&str) -> String) -> String {
    let mut text = format!("\n# {}\n#[[{table}]]\n", describe(table));
    for (path, sample) in SAMPLES {
        if let Some(key) = path.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')) {
            text.push_str(&format!("# {}\n#{key} = {sample}\n", describe(path)));
        }
    }
    text
}
