//! From `[telemetry]` and the variables of OpenTelemetry to what is in force: where traces and metrics are sent.
//!
//! The variables are those that every OpenTelemetry SDK reads, and mean what its specification says they do. As
//! everywhere here the environment outranks the file. They are looked at only where something is sent: a variable
//! that is meant for other programs, and wrong, stops no gateway that sends nothing.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};
use toml::Spanned;
use zeroize::Zeroizing;

use super::address;
use super::diagnose::{Problem, Wrong};
use super::item::{Kind, Raw};
use super::kind::SECRET_BYTES_MAX;
use super::proxy::{ProxySetting, ProxyUrl};
use super::read::{Reader, Source};
use super::secret::Secret;
use super::written::SAMPLE_PARTS;
use super::{Propagation, Roots, upstreams, written};

/// The most headers for a collector.
pub(super) const HEADERS_MAX: usize = 16;
/// The most attributes of the resource: a collector indexes each.
pub(super) const RESOURCE_MAX: usize = 64;
/// The longest name or value of such an attribute, in bytes.
pub(super) const ATTRIBUTE_BYTES_MAX: usize = 255;
/// What the service is called where nobody says.
const SERVICE_NAME: &str = "seawall";

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// Headers that say how a post is framed or where it goes: nobody else's to set.
const FRAMING: [&str; 7] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "te", "transfer-encoding"];

/// `[telemetry]`.
#[derive(Clone)]
pub(crate) struct TelemetryConfig {
    /// What stands before `/v1/traces`; `None` to send nothing.
    pub(crate) endpoint: Option<Uri>,
    /// Whether the environment forbids to send anything.
    pub(crate) is_disabled: bool,
    /// For the collector, each once; at most [`HEADERS_MAX`].
    pub(crate) headers: Vec<(HeaderName, Secret)>,
    /// Whether traces are sent.
    pub(crate) traces: bool,
    /// Whether metrics are sent.
    pub(crate) metrics: bool,
    /// How often metrics are. 1 s to 1 h.
    pub(crate) metrics_every: Duration,
    /// Of a million traces that begin here, so many are kept. 0 to 1,000,000.
    pub(crate) sample_ppm: u32,
    /// What is done with a caller's trace.
    pub(crate) traceparent: Propagation,
    /// `service.name`.
    pub(crate) service_name: String,
    /// Further attributes of the resource, each once.
    pub(crate) resource: Vec<(String, String)>,
    /// How the collector is to be reached, as configured.
    pub(crate) proxy_setting: ProxySetting,
    /// What stands in between, the environment taken into account.
    pub(crate) proxy: Option<ProxyUrl>,
    /// Certificates to trust instead of the system's.
    pub(crate) roots: Option<Roots>,
}

impl TelemetryConfig {
    /// Where to send, if anything is sent at all.
    pub(crate) fn collector(&self) -> Option<&Uri> {
        let is_on = !self.is_disabled && (self.traces || self.metrics);
        self.endpoint.as_ref().filter(|_| is_on)
    }
}

/// Reads `[telemetry]`.
pub(super) fn read(reader: &mut Reader<'_>, written: &written::Telemetry) -> TelemetryConfig {
    let env = reader.expansion.env;
    let in_file = reader.read("telemetry.otlp_endpoint", &written.otlp_endpoint);
    let endpoint = match env.text(ENDPOINT) {
        Some(url) => variable(reader, "otlp_endpoint", ENDPOINT, base(&url)).map(|uri| (uri, None)),
        None => in_file.map(|at| (at.value, Some(at.span))),
    };
    let headers = reader.read("telemetry.otlp_headers", &written.otlp_headers).map(|at| at.value);
    let service_name = reader.read("telemetry.service_name", &written.service_name).map(|at| at.value);
    let proxy_setting = reader.or("telemetry.proxy", &written.proxy, ProxySetting::Env);
    let ca_file = reader.read("telemetry.ca_file", &written.ca_file);
    let mut config = TelemetryConfig {
        endpoint: None,
        is_disabled: env.text(DISABLED).is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
        headers: headers.unwrap_or_default(),
        traces: reader.or("telemetry.traces", &written.traces, true),
        metrics: reader.or("telemetry.metrics", &written.metrics, true),
        metrics_every: reader.or("telemetry.metrics_every", &written.metrics_every, Duration::from_secs(60)),
        sample_ppm: reader.or("telemetry.sample", &written.sample, SAMPLE_PARTS),
        traceparent: reader.or("telemetry.traceparent", &written.traceparent, Propagation::Accept),
        service_name: service_name.unwrap_or_else(|| SERVICE_NAME.to_owned()),
        resource: Vec::new(),
        proxy: None,
        roots: ca_file.and_then(|at| upstreams::roots(reader, "telemetry.ca_file", at)),
        proxy_setting,
    };
    let Some((uri, span)) = endpoint else { return config };
    config.endpoint = Some(uri.clone());
    if config.collector().is_some() {
        config.proxy = upstreams::resolve(reader, &config.proxy_setting, &uri, span.as_ref());
        from_environment(reader, &mut config);
    }
    config
}

/// What the variables say beside the address.
fn from_environment(reader: &mut Reader<'_>, config: &mut TelemetryConfig) {
    let env = reader.expansion.env;
    if let Some(text) = env.text(HEADERS).map(Zeroizing::new)
        && let Some(headers) = variable(reader, "otlp_headers", HEADERS, env_headers(&text))
    {
        config.headers = headers;
    }
    if let Some(text) = env.text(RESOURCE)
        && let Some(attributes) = variable(reader, "resource_attributes", RESOURCE, env_attributes(&text))
    {
        for (name, value) in attributes {
            if name == "service.name" {
                reader.sources.insert("telemetry.service_name".into(), Source::Env(RESOURCE));
                config.service_name = value;
            } else {
                config.resource.push((name, value));
            }
        }
    }
    if let Some(name) = env.text(SERVICE)
        && let Some(name) = variable(reader, "service_name", SERVICE, attribute(&name))
    {
        config.service_name = name;
    }
}

/// A value of the variable `name`, which stands for the key `key`.
fn variable<V>(reader: &mut Reader<'_>, key: &str, name: &'static str, read: Result<V, Wrong>) -> Option<V> {
    match read {
        Ok(value) => {
            reader.sources.insert(format!("telemetry.{key}"), Source::Env(name));
            Some(value)
        }
        Err(wrong) => {
            let problem = Problem::new(format!("{name} {}", wrong.what));
            reader.problems.push(match wrong.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
            None
        }
    }
}

/// The address of a collector: `/v1/traces` and `/v1/metrics` are put behind it.
fn base(text: &str) -> Result<Uri, Wrong> {
    let uri = address::base_url(text).map_err(|wrong| match wrong.hint {
        Some(hint) if hint.contains("api_key") => {
            Wrong::new(wrong.what).hint("put the credential into `otlp_headers`: an address is written to logs")
        }
        _ => wrong,
    })?;
    if uri.query().is_some() {
        return Err(Wrong::new("has a query (?…)").hint("credentials belong into `otlp_headers`"));
    }
    if ["/v1/traces", "/v1/metrics"].iter().any(|path| uri.path().ends_with(path)) {
        let hint = "/v1/traces and /v1/metrics are added to it: give what stands before, such as http://127.0.0.1:4318";
        return Err(Wrong::new("names the path of one signal").hint(hint));
    }
    Ok(uri)
}

/// The address of a collector.
pub(super) struct Collector;

impl Kind for Collector {
    type Value = Uri;

    fn read(raw: &Raw) -> Result<Uri, Wrong> {
        base(&raw.text("an address such as \"http://127.0.0.1:4318\"")?.value)
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// Headers for a collector, with credentials in them.
pub(super) struct Headers;

impl Kind for Headers {
    type Value = Vec<(HeaderName, Secret)>;

    fn read(raw: &Raw) -> Result<Self::Value, Wrong> {
        let Raw::Map(pairs) = raw else {
            return Err(raw.not("a table such as { \"x-api-key\" = \"${COLLECTOR_KEY}\" }"));
        };
        if let Some((_, extra)) = pairs.get(HEADERS_MAX) {
            return Err(too_many(pairs.len()).at(extra.span()).label("one too many"));
        }
        let mut headers = Vec::new();
        for (name, value) in pairs {
            let at = |wrong: Wrong| wrong.at(value.span());
            let text = Spanned::get_ref(value).text("a table of strings").map_err(at)?;
            header(&mut headers, name, &text.value, text.origin()).map_err(at)?;
        }
        Ok(headers)
    }

    fn schema() -> Value {
        let value = json!({ "type": "string", "minLength": 1, "maxLength": SECRET_BYTES_MAX, "writeOnly": true });
        json!({ "type": "object", "maxProperties": HEADERS_MAX, "additionalProperties": value })
    }
}

/// A text that goes into an attribute.
pub(super) struct Attribute;

impl Kind for Attribute {
    type Value = String;

    fn read(raw: &Raw) -> Result<String, Wrong> {
        attribute(&raw.text("a name in quotes")?.value)
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": ATTRIBUTE_BYTES_MAX })
    }
}

fn attribute(text: &str) -> Result<String, Wrong> {
    match text.len() {
        1..=ATTRIBUTE_BYTES_MAX if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        1..=ATTRIBUTE_BYTES_MAX => Err(Wrong::new("has a control character in it")),
        n => Err(Wrong::new(format!("has {n} bytes, outside 1 to {ATTRIBUTE_BYTES_MAX}"))),
    }
}

fn too_many(count: usize) -> Wrong {
    Wrong::new(format!("has {count} headers, the limit is {HEADERS_MAX}"))
}

/// Adds a header; the complaint never repeats its value.
fn header(headers: &mut Vec<(HeaderName, Secret)>, name: &str, value: &str, origin: String) -> Result<(), Wrong> {
    let Ok(name) = name.trim().parse::<HeaderName>() else { return Err(Wrong::new("has a name that is no header's")) };
    if FRAMING.contains(&name.as_str()) {
        return Err(Wrong::new(format!("sets `{name}`, which says how a post is framed")).hint("take it out"));
    }
    if headers.iter().any(|(known, _)| *known == name) {
        return Err(Wrong::new(format!("has `{name}` twice")));
    }
    let fits = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if !(1..=SECRET_BYTES_MAX).contains(&value.len()) || !value.bytes().all(fits) {
        return Err(Wrong::new(format!(
            "has a value for `{name}` that no header can carry: 1 to {SECRET_BYTES_MAX} visible ASCII characters"
        )));
    }
    headers.push((name, Secret::new(Zeroizing::new(value.to_owned()), origin)));
    Ok(())
}

/// `name=value,name=value`, with %XX in the values: the form of the variable.
fn env_headers(text: &str) -> Result<Vec<(HeaderName, Secret)>, Wrong> {
    let mut headers = Vec::new();
    for (name, value) in pairs(text)? {
        if headers.len() == HEADERS_MAX {
            return Err(too_many(HEADERS_MAX + 1));
        }
        header(&mut headers, name, &value, format!("env {HEADERS}"))?;
    }
    Ok(headers)
}

fn env_attributes(text: &str) -> Result<Vec<(String, String)>, Wrong> {
    let mut attributes: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs(text)? {
        let (name, value) = (attribute(name)?, attribute(&value)?);
        if attributes.len() == RESOURCE_MAX {
            return Err(Wrong::new(format!("has more than {RESOURCE_MAX} attributes")));
        }
        if attributes.iter().all(|(known, _)| *known != name) {
            attributes.push((name, value));
        }
    }
    Ok(attributes)
}

/// The pairs of a list; empty ones are passed over.
fn pairs(text: &str) -> Result<Vec<(&str, Zeroizing<String>)>, Wrong> {
    const FORM: &str = "name=value,name=value, with %2C for a comma in a value";
    let pair = |pair: &str| -> Option<(usize, usize)> {
        let (name, _) = pair.split_once('=')?;
        let from = pair.len() - pair.trim_start().len();
        (!name.trim().is_empty()).then_some((from, name.len()))
    };
    let mut found = Vec::new();
    for one in text.split(',').filter(|one| !one.trim().is_empty()) {
        let wrong = || Wrong::new("is not a list of name=value").hint(FORM);
        let (from, to) = pair(one).ok_or_else(wrong)?;
        let value = decoded(one[to + 1..].trim()).ok_or_else(wrong)?;
        found.push((one[from..to].trim(), value));
    }
    Ok(found)
}

/// `text` without its %XX; `None` if that is not text, or a % is not followed by two digits.
fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut pieces = text.split('%');
    let mut bytes = Zeroizing::new(pieces.next()?.as_bytes().to_vec());
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(std::mem::take(&mut *bytes)).ok().map(Zeroizing::new)
}

/// A header as it is sent; `None` if it cannot be, which the check rules out.
pub(crate) fn sent(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
