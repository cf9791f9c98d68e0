//! Who is asking, and for how long it will wait: what an SDK's headers say about it.
//!
//! The official SDKs announce their name and version, how often they have already retried, and
//! their own time limits, but never an idempotency key (`wire.md` 1.5, observed on eight builds).
//! Everything here is a claim by a stranger: bounded, cleaned, and ignored where it makes no
//! sense.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use super::Patience;

/// The longest SDK name with its version that is kept, in bytes.
pub const SDK_BYTES_MAX: usize = 64;

/// The most retries a caller is believed to have made. No SDK makes more than a handful.
pub const CLIENT_RETRIES_MAX: u32 = 1000;

/// The longest patience believed: a day. The longest that a request may take is an hour.
pub const PATIENCE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

static STAINLESS_LANG: HeaderName = HeaderName::from_static("x-stainless-lang");
static STAINLESS_VERSION: HeaderName = HeaderName::from_static("x-stainless-package-version");
static STAINLESS_RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");
static STAINLESS_TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-timeout");
static STAINLESS_READ_TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-read-timeout");
static SEAWALL_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-seawall-timeout-ms");

/// The SDK and its version: `openai-python 3.54.0`. `None` for a program that is none.
pub(super) fn sdk(headers: &HeaderMap) -> Option<String> {
    let agent = text(headers, &header::USER_AGENT).unwrap_or_default();
    if let Some(rest) = agent.strip_prefix("async-openai") {
        return Some(named("async-openai", "", rest.trim_start_matches('/')));
    }
    // `AsyncOpenAI/Python 3.54.0`: the client's class, the language, the version.
    let (class, rest) = agent.split_once('/').unwrap_or_default();
    let maker = if class.contains("Anthropic") { "anthropic" } else { "openai" };
    let from_agent = rest.split_once(' ').filter(|(language, _)| {
        (class.ends_with("OpenAI") || class.ends_with("Anthropic")) && language.bytes().all(|b| b.is_ascii_alphabetic())
    });
    let (language, version) = match from_agent {
        Some(found) => found,
        None => (text(headers, &STAINLESS_LANG)?, text(headers, &STAINLESS_VERSION).unwrap_or_default()),
    };
    Some(named(maker, language, version))
}

/// One clean, bounded name out of its parts.
fn named(maker: &str, language: &str, version: &str) -> String {
    let language = if language.eq_ignore_ascii_case("js") { "node" } else { language };
    let mut name = String::with_capacity(SDK_BYTES_MAX);
    name.push_str(maker);
    for (separator, part) in [('-', language), (' ', version.split(' ').next().unwrap_or_default())] {
        if !part.is_empty() {
            name.push(separator);
            let clean = |c: char| if c.is_ascii_alphanumeric() || ".-_+".contains(c) { c } else { '_' };
            name.extend(part.chars().take(SDK_BYTES_MAX).map(|c| clean(c).to_ascii_lowercase()));
        }
    }
    name.truncate(SDK_BYTES_MAX);
    name
}

/// `x-stainless-retry-count`; 0 when it is absent or no number.
pub(super) fn retries(headers: &HeaderMap) -> u32 {
    let count = text(headers, &STAINLESS_RETRY_COUNT).and_then(|value| value.trim().parse().ok());
    count.unwrap_or(0).min(CLIENT_RETRIES_MAX)
}

/// The caller's time limits. `x-seawall-timeout-ms` is said on purpose, so it goes first.
pub(super) fn patience(headers: &HeaderMap) -> Patience {
    let millis = |value: &str| value.trim().parse().ok().map(Duration::from_millis);
    let on_purpose = text(headers, &SEAWALL_TIMEOUT_MS).and_then(millis).and_then(plausible);
    let of_sdk = text(headers, &STAINLESS_TIMEOUT).and_then(seconds);
    let read = text(headers, &STAINLESS_READ_TIMEOUT).and_then(seconds);
    let total = on_purpose.or(of_sdk);
    Patience { total, read, from_sdk: on_purpose.is_none() && (total.is_some() || read.is_some()) }
}

/// Seconds, whole or not.
fn seconds(value: &str) -> Option<Duration> {
    let seconds: f64 = value.trim().parse().ok()?;
    if !seconds.is_finite() {
        return None;
    }
    plausible(Duration::try_from_secs_f64(seconds.min(PATIENCE_MAX.as_secs_f64())).ok()?)
}

/// Zero is not a patience; more than a day is a day.
fn plausible(patience: Duration) -> Option<Duration> {
    (!patience.is_zero()).then(|| patience.min(PATIENCE_MAX))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn an_sdk_is_known_by_how_it_announces_itself() {
        for (agent, name) in [
            ("OpenAI/Python 3.54.0", Some("openai-python 3.54.0")),
            ("AsyncOpenAI/Python 3.54.0", Some("openai-python 3.54.0")),
            ("AsyncAzureOpenAI/Python 1.109.1", Some("openai-python 1.109.1")),
            ("OpenAI/JS 7.57.0", Some("openai-node 7.57.0")),
            ("OpenAI/Go 3.52.0", Some("openai-go 3.52.0")),
            ("Anthropic/Python 0.70.0", Some("anthropic-python 0.70.0")),
            ("async-openai/0.43.0", Some("async-openai 0.43.0")),
            ("async-openai", Some("async-openai")),
            ("OpenAI/JS 7.57.0 extra words", Some("openai-node 7.57.0")),
            ("OpenAI/JS 7\t<b>", Some("openai-node 7__b_")),
            ("curl/8.5.0", None),
            ("Mozilla/5.0 (X11)", None),
            ("", None),
        ] {
            assert_eq!(sdk(&headers(&[("user-agent", agent)])).as_deref(), name, "{agent}");
        }
        let renamed = [("user-agent", "my-app"), ("x-stainless-lang", "js"), ("x-stainless-package-version", "7.57.0")];
        assert_eq!(sdk(&headers(&renamed)).as_deref(), Some("openai-node 7.57.0"));
        assert_eq!(sdk(&HeaderMap::new()), None);
    }

    #[test]
    fn an_sdk_name_is_bounded() {
        let agent = format!("OpenAI/Python {}", "1".repeat(500));
        let name = sdk(&headers(&[("user-agent", &agent)])).expect("an SDK");
        assert_eq!(name.len(), SDK_BYTES_MAX);
        let agent = format!("OpenAI/{} 1", "P".repeat(500));
        assert_eq!(sdk(&headers(&[("user-agent", &agent)])).map(|name| name.len()), Some(SDK_BYTES_MAX));
    }

    #[test]
    fn a_retry_count_that_makes_no_sense_is_zero() {
        for (value, count) in [
            ("0", 0),
            ("2", 2),
            (" 1 ", 1),
            ("-1", 0),
            ("1.5", 0),
            ("many", 0),
            ("1000", CLIENT_RETRIES_MAX),
            ("1001", CLIENT_RETRIES_MAX),
            ("99999999999", 0),
        ] {
            assert_eq!(retries(&headers(&[("x-stainless-retry-count", value)])), count, "{value}");
        }
    }

    #[test]
    fn patience_is_read_in_seconds_and_milliseconds() {
        let day = PATIENCE_MAX;
        for (value, patience) in [
            ("600", Some(Duration::from_secs(600))),
            ("0.5", Some(Duration::from_millis(500))),
            ("86400", Some(day)),
            ("86401", Some(day)),
            ("1e300", Some(day)),
            ("0", None),
            ("-5", None),
            ("inf", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
        ] {
            let read = super::patience(&headers(&[("x-stainless-read-timeout", value)]));
            assert_eq!(read, Patience { total: None, read: patience, from_sdk: patience.is_some() }, "{value}");
            let total = super::patience(&headers(&[("x-stainless-timeout", value)]));
            assert_eq!(total, Patience { total: patience, read: None, from_sdk: patience.is_some() }, "{value}");
        }
        for (value, patience) in [
            ("1500", Some(Duration::from_millis(1500))),
            ("86400001", Some(day)),
            ("0", None),
            ("1.5", None),
            ("-1", None),
        ] {
            let said = super::patience(&headers(&[("x-seawall-timeout-ms", value)]));
            assert_eq!(said, Patience { total: patience, read: None, from_sdk: false }, "{value}");
        }
    }

    #[test]
    fn what_is_said_on_purpose_goes_before_what_an_sdk_says() {
        let both = headers(&[("x-seawall-timeout-ms", "2000"), ("x-stainless-timeout", "600")]);
        assert_eq!(
            super::patience(&both),
            Patience { total: Some(Duration::from_secs(2)), read: None, from_sdk: false }
        );
    }
}
