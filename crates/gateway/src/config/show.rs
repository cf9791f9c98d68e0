//! Every value that is in force, and where it came from: for `config show`, for the defaults in
//! the schema, and for the commented example.
//!
//! A credential is shown by where it is kept, never by what it is.

use std::path::Path;
use std::time::Duration;

use seawall_core::plan::policy::{FirstContent, RETRIED};
use seawall_core::plan::route::Route;
use serde_json::{Map, Value, json};

use super::kind::{ADAPTIVE, Word};
use super::proxy::{ProxySetting, ProxyUrl};
use super::read::Source;
use super::secret::Secret;
use super::status_page::{self, StatusPageSetting};
use super::units::{show_duration, show_fraction, show_size};
use super::written::{BUDGET_PARTS, HEDGE_PARTS, RATE_PARTS, SAMPLE_PARTS};
use super::{AlertConfig, Config, Environment, Overrides, UpstreamConfig, alert, from_text, incident, schema};

/// One key with its effective value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The table as people call it: `server`, `upstream.openai`, `retry.class.overloaded`.
    pub(crate) table: String,
    /// The key.
    pub(crate) key: &'static str,
    /// What is in force.
    pub(crate) value: Shown,
    /// What follows from it, where that is not plain to see.
    pub(crate) note: Option<String>,
    /// Where it came from.
    pub(crate) source: Source,
    /// The path in the schema: `upstream.name`; `None` for what no file can say.
    pub(super) path: Option<String>,
}

/// An effective value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown {
    /// As it would be written.
    Value(Value),
    /// There is none.
    Unset,
    /// A credential, by its origin: `env OPENAI_API_KEY`.
    Secret(String),
    /// Several, in their order.
    Secrets(Vec<String>),
}

impl Shown {
    /// For people, as in the file.
    pub(crate) fn text(&self) -> String {
        match self {
            // What JSON and TOML have in common is all that is ever shown.
            Shown::Value(value) => value.to_string(),
            Shown::Unset => "not set".into(),
            Shown::Secret(origin) => format!("set ({origin})"),
            Shown::Secrets(origins) => {
                origins.iter().map(|origin| format!("set ({origin})")).collect::<Vec<_>>().join(", ")
            }
        }
    }

    fn secret(secret: Option<&Secret>) -> Shown {
        secret.map_or(Shown::Unset, |secret| Shown::Secret(secret.origin().to_owned()))
    }

    fn maybe(value: Option<Value>) -> Shown {
        value.map_or(Shown::Unset, Shown::Value)
    }
}

impl Row {
    /// For programs.
    pub(crate) fn json(&self, config: &Config) -> Value {
        let (kind, place) = match &self.source {
            Source::Default => ("default", None),
            Source::Preset(preset) => ("preset", Some(preset.name().to_owned())),
            Source::Profile(profile) => ("profile", Some(profile.name().to_owned())),
            Source::File(_) => ("file", Some(self.source_text(config))),
            Source::Env(name) => ("env", Some((*name).to_owned())),
            Source::Flag(name) => ("flag", Some((*name).to_owned())),
        };
        let dot = if self.table.is_empty() { "" } else { "." };
        json!({
            "key": format!("{}{dot}{}", self.table, self.key),
            "value": match &self.value { Shown::Value(value) => value.clone(), _ => Value::Null },
            "secret": match &self.value {
                Shown::Secret(origin) => json!(origin),
                Shown::Secrets(origins) => json!(origins),
                Shown::Value(_) | Shown::Unset => Value::Null,
            },
            "source": kind,
            "at": place,
        })
    }

    /// Where it came from, for people.
    pub(crate) fn source_text(&self, config: &Config) -> String {
        match &self.source {
            Source::Default => "default".into(),
            Source::Preset(preset) => format!("preset {preset}"),
            Source::Profile(profile) => format!("profile {}", profile.name()),
            Source::File(line) => match config.file.as_deref().map(Path::display) {
                Some(file) => format!("{file}:{line}"),
                None => format!("line {line}"),
            },
            Source::Env(name) => format!("env {name}"),
            Source::Flag(name) => (*name).to_owned(),
        }
    }
}

/// All rows, table by table, in the order of the contract.
pub(crate) fn rows(config: &Config) -> Vec<Row> {
    let mut list = List { config, rows: Vec::new() };
    let value = Shown::Value(json!(config.profile.name()));
    let source = config.sources.get("profile").cloned().unwrap_or(Source::Default);
    let path = Some("profile".to_owned());
    list.rows.push(Row { table: String::new(), key: "profile", value, note: None, source, path });
    list.server();
    for (at, upstream) in config.upstreams.iter().enumerate() {
        list.upstream(at, upstream);
    }
    for (at, route) in config.routes.iter().enumerate() {
        list.route(at, route);
    }
    list.retry();
    list.budget();
    list.breaker();
    list.limits();
    for (at, alert) in config.alerts.iter().enumerate() {
        list.alert(at, alert);
    }
    list.journal();
    for (at, client) in config.clients.iter().enumerate() {
        let [table, place] = [format!("client.{}", client.name), format!("client.{at}")];
        list.push(&table, &place, "client", "name", Shown::Value(json!(client.name)));
        list.push(&table, &place, "client", "token", Shown::secret(Some(&client.token)));
    }
    list.telemetry();
    list.table("log", "format", json!(config.log.format.name()));
    list.table("log", "level", json!(config.log.level.name()));
    let source = config.sources.get("data_dir").cloned().unwrap_or(Source::Default);
    let value = Shown::Value(json!(config.data_dir.display().to_string()));
    list.rows.push(Row { table: String::new(), key: "data_dir", value, note: None, source, path: None });
    list.rows
}

struct List<'a> {
    config: &'a Config,
    rows: Vec<Row>,
}

impl List<'_> {
    /// `place` is the table's path among the sources, `path` its path in the schema.
    fn push(&mut self, table: &str, place: &str, path: &str, key: &'static str, value: Shown) {
        let source = self.config.sources.get(&format!("{place}.{key}")).cloned().unwrap_or(Source::Default);
        let path = Some(format!("{path}.{key}"));
        self.rows.push(Row { table: table.to_owned(), key, value, note: None, source, path });
    }

    fn table(&mut self, table: &str, key: &'static str, value: Value) {
        self.push(table, table, table, key, Shown::Value(value));
    }

    fn server(&mut self) {
        let server = &self.config.server;
        self.table("server", "listen", json!(server.listen.to_string()));
        self.table("server", "admin", json!(server.admin.to_string()));
        self.table("server", "body_bytes_max", size(server.body_bytes_max));
        self.table("server", "replay_bytes_max", size(server.replay_bytes_max));
        self.table("server", "memory_max", size(server.memory_max));
        self.table("server", "in_flight_max", json!(server.in_flight_max));
        self.table("server", "connections_max", json!(server.connections_max));
        self.table("server", "drain", wait(server.drain));
        self.table("server", "behind_auth", json!(server.behind_auth));
        self.push("server", "server", "server", "admin_token", Shown::secret(server.admin_token.as_ref()));
    }

    fn upstream(&mut self, at: usize, upstream: &UpstreamConfig) {
        let [table, place] = [format!("upstream.{}", upstream.name), format!("upstream.{at}")];
        let is_list = self.config.sources.contains_key(&format!("{place}.api_keys"));
        let mut push = |key, value| self.push(&table, &place, "upstream", key, value);
        push("name", Shown::Value(json!(upstream.name)));
        push("base_url", Shown::Value(json!(upstream.base.to_string())));
        let origins = || upstream.api_keys.iter().map(|key| key.origin().to_owned()).collect();
        push("api_key", Shown::secret(upstream.api_keys.first().filter(|_| !is_list)));
        push("api_keys", if is_list { Shown::Secrets(origins()) } else { Shown::Unset });
        push("auth", Shown::Value(json!(upstream.auth.name())));
        push("proxy", Shown::Value(proxy(&upstream.proxy_setting)));
        push("models", Shown::maybe((!upstream.models.is_empty()).then(|| json!(upstream.models))));
        let map: Map<String, Value> =
            upstream.model_map.iter().map(|(asked, sent)| (asked.clone(), json!(sent))).collect();
        push("model_map", Shown::maybe((!map.is_empty()).then(|| map.into())));
        push("priority", Shown::Value(json!(upstream.priority)));
        push("weight", Shown::Value(json!(upstream.weight)));
        push("ca_file", Shown::maybe(upstream.roots.as_ref().map(|roots| json!(roots.path.display().to_string()))));
        let page = upstream.status_page.as_ref().map(|page| json!(page.shown()));
        push(
            "status_page",
            Shown::maybe(
                page.or((upstream.status_page_setting == StatusPageSetting::Off).then(|| json!(status_page::OFF))),
            ),
        );
        for row in &mut self.rows {
            if row.table == table {
                row.note = note(row.key, upstream);
            }
        }
    }

    /// A route has no name: it is called by its place in the file, from 1.
    fn route(&mut self, at: usize, route: &Route) {
        let [table, place] = [format!("route.{}", at + 1), format!("route.{at}")];
        let upstreams = &self.config.upstreams;
        let names: Vec<&str> =
            route.upstreams.iter().filter_map(|id| Some(upstreams.get(id.index())?.name.as_str())).collect();
        let mut push = |key, value| self.push(&table, &place, "route", key, value);
        let list = |empty: bool, list: Value| Shown::maybe((!empty).then_some(list));
        push("models", Shown::Value(json!(route.models)));
        push("upstreams", list(names.is_empty(), json!(names)));
        push("fallback_models", list(route.fallback_models.is_empty(), json!(route.fallback_models)));
        push("repeatable", Shown::Value(json!(route.repeatable)));
        push("hedge", Shown::maybe(route.hedge.map(|hedge| json!(hedge))));
        push("commit", Shown::maybe(route.commit.map(|commit| json!(commit.name()))));
        push("stream_upgrade", Shown::maybe(route.upgrade.map(|upgrade| json!(upgrade.name()))));
        for row in self.rows.iter_mut().filter(|row| row.table == table) {
            row.note = match row.key {
                "upstreams" if names.is_empty() => Some("all that serve the model".into()),
                "hedge" if route.hedge.is_none() => Some("as in [hedge]".into()),
                "commit" if route.commit.is_none() => Some("as in [stream]".into()),
                "stream_upgrade" if route.upgrade.is_none() => Some("as in [stream]".into()),
                _ => None,
            };
        }
    }

    fn retry(&mut self) {
        let (retry, top) = (&self.config.policy.retry, &self.config.retry);
        self.table("retry", "preset", json!(top.preset.name()));
        self.table("retry", "max_attempts", json!(retry.max_attempts));
        self.table("retry", "cap", wait(top.cap));
        self.table("retry", "retry_after_max", wait(top.retry_after_max));
        self.table("retry", "ambiguous_max", json!(retry.ambiguous_max));
        self.table("retry", "failover_jitter", wait(retry.failover_jitter));
        self.table("retry", "min_useful", wait(retry.min_useful));
        self.table("retry", "jitter", json!(retry.jitter.name()));
        for class in RETRIED {
            let (Some(settings), table) = (retry.class(class), format!("retry.class.{class}")) else { continue };
            self.table(&table, "base", wait(settings.backoff.base));
            self.table(&table, "cap", wait(settings.backoff.cap));
            self.table(&table, "max_attempts", json!(settings.max_attempts));
            self.table(&table, "retry_after_max", wait(settings.retry_after_max));
        }
    }

    fn budget(&mut self) {
        let budget = &self.config.policy.budget;
        let parts = u64::from(BUDGET_PARTS);
        self.table("budget", "deposit", fraction(u32::try_from(budget.deposit).unwrap_or(u32::MAX), BUDGET_PARTS));
        self.table("budget", "start", json!(budget.start / parts));
    }

    fn breaker(&mut self) {
        let breaker = &self.config.policy.breaker;
        self.table("breaker", "guard", json!(breaker.guard));
        self.table("breaker", "open_alt", json!(breaker.open_alt));
        self.table("breaker", "open_solo", json!(breaker.open_solo));
        self.table("breaker", "solo_refuse", json!(breaker.solo_refuse));
        self.table("breaker", "window", wait(breaker.window));
        self.table("breaker", "window_min", json!(breaker.window_min));
        self.table("breaker", "rate_alt", fraction(breaker.rate_alt, RATE_PARTS));
        self.table("breaker", "rate_solo", fraction(breaker.rate_solo, RATE_PARTS));
        self.table("breaker", "open", wait(breaker.open));
        self.table("breaker", "open_max", wait(breaker.open_max));
        self.table("breaker", "probe_every", wait(breaker.probe_every));
        self.table("breaker", "probes_max", json!(breaker.probes_max));
        self.table("breaker", "close_after", json!(breaker.close_after));
    }

    fn limits(&mut self) {
        let policy = &self.config.policy;
        let (hedge, timeout) = (&policy.hedge, &policy.timeout);
        self.table("hedge", "enabled", json!(hedge.enabled));
        self.table("hedge", "after_min", wait(hedge.after_min));
        self.table("hedge", "after_max", wait(hedge.after_max));
        self.table("hedge", "deposit", fraction(u32::try_from(hedge.deposit).unwrap_or(u32::MAX), HEDGE_PARTS));
        self.table("wait", "max", wait(policy.wait.max));
        let streams = &policy.streams;
        self.table("stream", "commit", json!(streams.commit.name()));
        self.table("stream", "on_break", json!(streams.on_break.name()));
        self.table("stream", "comment_after", wait(streams.comment_after.unwrap_or_default()));
        self.table("stream", "buffer_bytes_max", size(streams.buffer_bytes_max as u64));
        self.table("stream", "buffer_time_max", wait(streams.buffer_time_max));
        self.table("stream", "upgrade", json!(policy.upgrade.name()));
        self.table("adopt", "enabled", json!(policy.adopt.enabled));
        self.table("adopt", "keep", wait(policy.adopt.keep));
        self.table("diagnose", "tools", json!(policy.tools.name()));
        self.table("timeout", "connect", wait(timeout.connect));
        let first_content = match timeout.first_content {
            FirstContent::Adaptive => json!(ADAPTIVE),
            FirstContent::Fixed(limit) => wait(limit),
        };
        self.table("timeout", "first_content", first_content);
        self.table("timeout", "byte_idle", wait(timeout.byte_idle));
        self.table("timeout", "content_idle", wait(timeout.content_idle.unwrap_or_default()));
        self.table("timeout", "total", wait(timeout.total));
        self.table("timeout", "total_max", wait(timeout.total_max));
        for (key, value) in incident::shown(&self.config.incident) {
            self.table("incident", key, value);
        }
        self.table("status_page", "poll", json!(self.config.status_page.poll.name()));
        self.table("status_page", "every", wait(self.config.status_page.every));
    }

    /// Of an address that stands in the file, what may be a credential is left out.
    fn alert(&mut self, at: usize, alert: &AlertConfig) {
        let [table, place] = [format!("alert.{}", alert.name), format!("alert.{at}")];
        let mut push = |key, value| self.push(&table, &place, "alert", key, value);
        push("kind", Shown::Value(json!(alert.kind.name())));
        push("name", Shown::Value(json!(alert.name)));
        push(
            "url",
            match alert::shown(alert) {
                Some(address) => Shown::Value(json!(address)),
                None => Shown::secret(Some(&alert.url)),
            },
        );
        push("secret", Shown::secret(alert.secrets.first()));
        push("min_severity", Shown::Value(json!(alert.min_severity.name())));
        push("proxy", Shown::Value(proxy(&alert.proxy_setting)));
        push("ca_file", Shown::maybe(alert.roots.as_ref().map(|roots| json!(roots.path.display().to_string()))));
        for row in self.rows.iter_mut().filter(|row| row.table == table) {
            row.note = match row.key {
                "ca_file" if alert.roots.is_none() => Some(SYSTEMS_ROOTS.into()),
                "proxy" if alert.proxy_setting == ProxySetting::Env => Some(way(alert.proxy.as_ref())),
                "secret" if alert.secrets.len() > 1 => Some(format!("{} of them", alert.secrets.len())),
                _ => None,
            };
        }
    }

    fn journal(&mut self) {
        let journal = &self.config.journal;
        self.table("journal", "keep", wait(journal.keep));
        self.table("journal", "size_max", size(journal.size_max));
        self.table("journal", "sync", json!(journal.sync.name()));
        self.table("journal", "success_sample", fraction(journal.success_sample_ppm, SAMPLE_PARTS));
    }

    fn telemetry(&mut self) {
        let telemetry = &self.config.telemetry;
        let mut push = |key, value| self.push("telemetry", "telemetry", "telemetry", key, value);
        push("otlp_endpoint", Shown::maybe(telemetry.endpoint.as_ref().map(|uri| json!(uri.to_string()))));
        let origins: Vec<String> = telemetry.headers.iter().map(|(_, value)| value.origin().to_owned()).collect();
        push("otlp_headers", if origins.is_empty() { Shown::Unset } else { Shown::Secrets(origins) });
        self.table("telemetry", "traces", json!(telemetry.traces));
        self.table("telemetry", "metrics", json!(telemetry.metrics));
        self.table("telemetry", "metrics_every", wait(telemetry.metrics_every));
        self.table("telemetry", "sample", fraction(telemetry.sample_ppm, SAMPLE_PARTS));
        self.table("telemetry", "traceparent", json!(telemetry.traceparent.name()));
        self.table("telemetry", "service_name", json!(telemetry.service_name));
        self.table("telemetry", "proxy", proxy(&telemetry.proxy_setting));
        let roots = telemetry.roots.as_ref().map(|roots| json!(roots.path.display().to_string()));
        self.push("telemetry", "telemetry", "telemetry", "ca_file", Shown::maybe(roots));
        for row in self.rows.iter_mut().filter(|row| row.table == "telemetry") {
            row.note = match row.key {
                "otlp_endpoint" if telemetry.endpoint.is_none() => Some("nothing is sent".into()),
                "otlp_endpoint" if telemetry.is_disabled => Some("nothing is sent: OTEL_SDK_DISABLED".into()),
                "otlp_endpoint" if telemetry.collector().is_none() => Some("nothing is sent: neither is on".into()),
                "ca_file" if telemetry.roots.is_none() => Some(SYSTEMS_ROOTS.into()),
                "proxy" if telemetry.collector().is_some() && telemetry.proxy_setting == ProxySetting::Env => {
                    Some(way(telemetry.proxy.as_ref()))
                }
                _ => None,
            };
        }
    }
}

fn note(key: &str, upstream: &UpstreamConfig) -> Option<String> {
    match key {
        "api_key" if upstream.api_keys.is_empty() => Some("the caller's own key is passed through".into()),
        "models" if upstream.models.is_empty() => Some("every model".into()),
        "model_map" if upstream.model_map.is_empty() => Some("models keep their names".into()),
        "ca_file" if upstream.roots.is_none() => Some(SYSTEMS_ROOTS.into()),
        "status_page" if upstream.status_page_setting == StatusPageSetting::Known => {
            Some(match &upstream.status_page {
                Some(_) => "known".into(),
                None => "none is known".into(),
            })
        }
        "proxy" if upstream.proxy_setting == ProxySetting::Env => Some(way(upstream.proxy.as_ref())),
        _ => None,
    }
}

const SYSTEMS_ROOTS: &str = "the system's certificates";

fn proxy(setting: &ProxySetting) -> Value {
    match setting {
        ProxySetting::Env => json!("env"),
        ProxySetting::None => json!("none"),
        ProxySetting::Url(proxy) => json!(proxy.shown()),
    }
}

/// What the environment makes of `proxy = "env"`.
fn way(proxy: Option<&ProxyUrl>) -> String {
    proxy.map_or_else(|| "directly".into(), |proxy| format!("{} by {}", proxy.shown(), proxy.origin))
}

fn wait(duration: Duration) -> Value {
    json!(show_duration(duration))
}

fn size(bytes: u64) -> Value {
    json!(show_size(bytes))
}

fn fraction(parts: u32, whole: u32) -> Value {
    json!(show_fraction(parts, whole).parse::<f64>().unwrap_or(0.0))
}

/// The rows of a gateway about which nobody said anything, in an environment that says nothing.
pub(super) fn default_rows() -> Vec<Row> {
    let overrides = Overrides { data_dir: Some(".".into()), ..Overrides::default() };
    from_text(None, "", &overrides, &Environment::empty()).map(|config| rows(&config)).unwrap_or_default()
}

/// The JSON schema of the file, for editors: types, bounds, descriptions and defaults.
pub(crate) fn json_schema() -> Value {
    let mut schema = schema::json();
    for row in default_rows() {
        if let (Some(path), Shown::Value(value)) = (row.path, row.value)
            && let Some(Value::Object(key)) = schema::at(&mut schema, &path)
        {
            key.insert("default".into(), value);
        }
    }
    // There is no route and no alert by default, and so no row to take these from.
    let others = [
        ("route.repeatable", json!(Route::default().repeatable)),
        ("alert.min_severity", json!(alert::MIN_SEVERITY.name())),
        ("alert.proxy", proxy(&ProxySetting::Env)),
    ];
    for (path, default) in others {
        if let Some(Value::Object(key)) = schema::at(&mut schema, path) {
            key.insert("default".into(), default);
        }
    }
    schema
}
