//! From `[[alert]]` to what is in force: who is told of incidents, and with which credentials.
//!
//! A credential is never in the file itself, only a reference to it: a configuration is shown, copied
//! and kept in repositories, and whoever reads a Slack address can write into the channel.

use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use seawall_core::incident::Severity;
use toml::Spanned;
use zeroize::Zeroizing;

use super::address::{self, Origin};
use super::diagnose::{Problem, Wrong};
use super::item::Text;
use super::kind::{SECRET_BYTES_MAX, Word};
use super::proxy::ProxySetting;
use super::read::{At, Reader};
use super::secret::Secret;
use super::{AlertConfig, AlertKind, upstreams, written};

/// The most receivers.
pub(super) const ALERTS_MAX: usize = 16;
/// The most keys of one webhook: an old one, a new one, and room.
pub(super) const SIGNING_KEYS_MAX: usize = 4;
/// A signing key has 192 to 512 bits, as Standard Webhooks has it.
pub(super) const SIGNING_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// What a signing key begins with.
const SIGNING_KEY: &str = "whsec_";
/// What is told where nothing is said about it.
pub(super) const MIN_SEVERITY: Severity = Severity::Warning;
/// Where PagerDuty takes events (Events API v2, 2026-11).
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// The receivers that could be read.
pub(super) fn read(reader: &mut Reader<'_>, written: &[Spanned<written::Alert>]) -> Vec<AlertConfig> {
    if let Some(extra) = written.get(ALERTS_MAX) {
        let what = format!("{} alerts, the limit is {ALERTS_MAX}", written.len());
        reader.problems.push(Problem::new(what).at(extra.span(), "one too many"));
    }
    let mut read: Vec<(AlertConfig, Range<usize>)> = Vec::new();
    for (at, table) in written.iter().enumerate() {
        let Some((alert, span)) = alert(reader, at, table.get_ref(), table.span()) else { continue };
        if let Some((_, first)) = read.iter().find(|(other, _)| other.name == alert.name) {
            let problem = Problem::new(format!("two alerts are called \"{}\"", alert.name)).at(span.clone(), "again");
            let hint = "give each a `name` of its own: logs and metrics tell them apart by it";
            reader.problems.push(problem.see(Some(first), "the first").hint(hint));
        }
        read.push((alert, span));
    }
    read.into_iter().map(|(alert, _)| alert).collect()
}

/// One receiver, and the place where it has its name.
fn alert(
    reader: &mut Reader<'_>,
    at: usize,
    written: &written::Alert,
    table: Range<usize>,
) -> Option<(AlertConfig, Range<usize>)> {
    let path = |key: &str| format!("alert.{at}.{key}");
    let kind = reader.read(&path("kind"), &written.kind);
    let name = reader.read(&path("name"), &written.name);
    let url = reader.read(&path("url"), &written.url);
    let secret = reader.read(&path("secret"), &written.secret);
    let min_severity = reader.or(&path("min_severity"), &written.min_severity, MIN_SEVERITY);
    let setting = reader.or(&path("proxy"), &written.proxy, ProxySetting::Env);
    let ca_file = reader.read(&path("ca_file"), &written.ca_file);
    let roots = ca_file.and_then(|at| upstreams::roots(reader, "alert.ca_file", at));
    if written.kind.raw.is_none() {
        let names: Vec<String> = AlertKind::ALL.iter().map(|kind| format!("\"{}\"", kind.name())).collect();
        let problem = Problem::new("an alert has no `kind`").at(table.clone(), "this one");
        reader
            .problems
            .push(problem.hint(format!("add a line such as: kind = \"slack\"; there are {}", names.join(", "))));
    }
    let kind = kind?.value;
    let span = url.as_ref().map(|at| at.span.clone());
    // What is written and could not be read is already told of.
    let url = match url {
        Some(at) => told(reader, "alert.url", at.span.clone(), address(kind, &at.value)),
        None if written.url.raw.is_some() => None,
        None if kind == AlertKind::Pagerduty => Some(Secret::new(Zeroizing::new(PAGERDUTY.into()), DEFAULT.into())),
        None => {
            missing(
                reader,
                &table,
                kind,
                "url",
                match kind {
                    AlertKind::Slack => {
                        "url = \"${SLACK_URL}\", the address of an incoming webhook, in an environment variable"
                    }
                    AlertKind::Alertmanager => "url = \"http://alertmanager.example:9093\"",
                    _ => "url = \"https://alerts.example.com/seawall\"",
                },
            );
            None
        }
    };
    let secrets = secrets(reader, kind, written, secret, &table);
    let (url, secrets) = (url?, secrets?);
    let uri: Uri = url.expose().parse().ok()?;
    let proxy = upstreams::resolve(reader, &setting, &uri, span.as_ref());
    let place = name.as_ref().map_or(table, |at| at.span.clone());
    let name = name.map_or_else(|| kind.name().to_owned(), |at| at.value);
    Some((AlertConfig { name, kind, url, secrets, min_severity, proxy_setting: setting, proxy, roots }, place))
}

const DEFAULT: &str = "default";

fn missing(reader: &mut Reader<'_>, table: &Range<usize>, kind: AlertKind, key: &str, line: &str) {
    let problem = Problem::new(format!("an alert of the kind \"{}\" has no `{key}`", kind.name()));
    reader.problems.push(problem.at(table.clone(), "this one").hint(format!("add a line such as: {line}")));
}

fn told<V>(reader: &mut Reader<'_>, key: &str, span: Range<usize>, read: Result<V, Wrong>) -> Option<V> {
    read.map_err(|wrong| reader.problems.push(wrong.of(key, span))).ok()
}

/// The complaint about a credential that stands in the file.
fn written_down(variable: &str) -> Wrong {
    Wrong::new("is a credential, and stands in the file itself").label("must be a reference").hint(format!(
        "put it into an environment variable or a file, and write \"${{{variable}}}\" or \"${{file:/run/secrets/…}}\" here"
    ))
}

fn address(kind: AlertKind, text: &Text) -> Result<Secret, Wrong> {
    if kind == AlertKind::Slack && text.is_literal() {
        return Err(written_down("SLACK_URL"));
    }
    let uri = address::base_url(&text.value).map_err(|wrong| match wrong.hint {
        Some(hint) if hint.contains("api_key") => {
            Wrong::new(wrong.what).hint("put the credential into `secret`, or all of the address into a variable")
        }
        _ => wrong,
    })?;
    if kind == AlertKind::Alertmanager && (uri.query().is_some() || uri.path().ends_with("/alerts")) {
        return Err(Wrong::new("has more than Alertmanager's own address").hint(
            "/api/v2/alerts is added to it: give what stands before, such as \"http://alertmanager.example:9093\"",
        ));
    }
    let is_sent_along = matches!(kind, AlertKind::Slack | AlertKind::Pagerduty);
    let origin = Origin::of(&uri);
    if is_sent_along && !origin.is_https() && !origin.is_loopback() {
        return Err(Wrong::new("must begin with https://: a credential is sent there"));
    }
    Ok(Secret::new(Zeroizing::new(uri.to_string()), text.origin()))
}

/// The credentials; `None` if they are missing or cannot be used.
fn secrets(
    reader: &mut Reader<'_>,
    kind: AlertKind,
    written: &written::Alert,
    secret: Option<At<Text>>,
    table: &Range<usize>,
) -> Option<Vec<Secret>> {
    let Some(At { value, span }) = secret else {
        if written.secret.raw.is_some() {
            return None;
        }
        let line = match kind {
            AlertKind::Slack | AlertKind::Alertmanager => return Some(Vec::new()),
            AlertKind::Pagerduty => {
                "secret = \"${PAGERDUTY_KEY}\", the integration key of an \"Events API v2\" integration"
            }
            AlertKind::Webhook => {
                "secret = \"${ALERT_SECRET}\"; `echo whsec_$(openssl rand -base64 32)` makes one, and the receiver needs it too"
            }
        };
        missing(reader, table, kind, "secret", line);
        return None;
    };
    told(reader, "alert.secret", span, credentials(kind, &value))
}

fn credentials(kind: AlertKind, text: &Text) -> Result<Vec<Secret>, Wrong> {
    let variable = match kind {
        AlertKind::Slack => {
            return Err(Wrong::new("has no effect for \"slack\": its `url` is the credential").hint("take it out"));
        }
        AlertKind::Pagerduty => "PAGERDUTY_KEY",
        AlertKind::Alertmanager => "ALERTMANAGER_TOKEN",
        AlertKind::Webhook => "ALERT_SECRET",
    };
    if text.is_literal() {
        return Err(written_down(variable));
    }
    let from = format!("from {}", text.origin());
    let wrong = |what: &str| Err(Wrong::new(what).label(from.clone()));
    let value = text.value.trim();
    if value.is_empty() {
        return wrong("is empty");
    }
    if value.len() > SECRET_BYTES_MAX {
        return wrong(&format!("has {} bytes, the limit is {SECRET_BYTES_MAX}", value.len()));
    }
    let kept = |value: &str| Secret::new(Zeroizing::new(value.to_owned()), text.origin());
    match kind {
        AlertKind::Webhook => {
            let keys: Vec<&str> = value.split_ascii_whitespace().collect();
            if keys.len() > SIGNING_KEYS_MAX {
                return wrong(&format!("has {} keys, the limit is {SIGNING_KEYS_MAX}", keys.len()));
            }
            if !keys.iter().all(|key| signing_key(key).is_some()) {
                return Err(Wrong::new("is not what Standard Webhooks sign with").label(from).hint(format!(
                    "{SIGNING_KEY} and then {} to {} bytes in base64: `echo whsec_$(openssl rand -base64 32)` makes one",
                    SIGNING_KEY_BYTES.start(),
                    SIGNING_KEY_BYTES.end(),
                )));
            }
            Ok(keys.into_iter().map(kept).collect())
        }
        _ if !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
            wrong("has a character that no header can carry: a space, a line end or one beyond ASCII")
        }
        _ => Ok(vec![kept(value)]),
    }
}

/// The bytes of a signing key.
pub(crate) fn signing_key(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(text.strip_prefix(SIGNING_KEY)?).ok()?);
    SIGNING_KEY_BYTES.contains(&bytes.len()).then_some(bytes)
}

/// What a receiver wants in `Authorization`: `user:password` as `Basic`, all else as `Bearer`, whose
/// tokens have no colon (RFC 6750).
pub(crate) fn authorization(secret: &Secret) -> Option<HeaderValue> {
    let text = secret.expose();
    let value = Zeroizing::new(if text.contains(':') {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    } else {
        format!("Bearer {text}")
    });
    let mut value = HeaderValue::try_from(value.as_str()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The address for people, without what may be a credential; `None` where only its origin can be told.
pub(super) fn shown(alert: &AlertConfig) -> Option<String> {
    let origin = alert.url.origin();
    let is_in_file = origin == DEFAULT || origin.starts_with("config file");
    let uri: Uri = alert.url.expose().parse().ok()?;
    match alert.kind {
        AlertKind::Slack => None,
        _ if !is_in_file => None,
        AlertKind::Pagerduty | AlertKind::Alertmanager => Some(uri.to_string()),
        AlertKind::Webhook => {
            let path = if uri.path_and_query().is_none_or(|path| path.as_str() == "/") { "" } else { "/…" };
            Some(format!("{}://{}{path}", uri.scheme_str()?, uri.authority()?))
        }
    }
}
