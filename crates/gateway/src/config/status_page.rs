//! Which page a provider puts its troubles on: the one that is configured, or the one that is known for
//! the host of its API.
//!
//! Only pages that answer in a form we read are known. For every other host there is none: a page is
//! never guessed, so that nothing is asked but what its operator, or this list, names.

use http::Uri;

use super::Environment;
use super::address::{self, Origin};
use super::diagnose::Wrong;
use super::proxy::{self, ProxyUrl};

/// The word for no page.
pub(super) const OFF: &str = "off";

/// Hosts of APIs, and their providers' pages (2026-11).
const KNOWN: [(&str, &str); 5] = [
    ("api.openai.com", "https://status.openai.com"),
    ("api.anthropic.com", "https://status.claude.com"),
    ("api.groq.com", "https://groqstatus.com"),
    ("api.cohere.com", "https://status.cohere.com"),
    ("api.cohere.ai", "https://status.cohere.com"),
];

/// The status page of an upstream, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatusPageSetting {
    /// The one that is known for its host.
    Known,
    /// None.
    Off,
    /// This one.
    At(Uri),
}

/// A status page, and the way there.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StatusPage {
    /// `http` or `https`, with a host, without credentials and without a query.
    pub(crate) url: Uri,
    /// What stands in between, the environment taken into account.
    pub(crate) proxy: Option<ProxyUrl>,
}

impl StatusPage {
    /// Its address, as people write it.
    pub(crate) fn shown(&self) -> String {
        self.url.to_string().trim_end_matches('/').to_owned()
    }

    /// The page at `url`, by the environment's proxy.
    ///
    /// # Errors
    /// What is wrong with the address, or with the proxy.
    pub(crate) fn at(url: &str, env: &Environment) -> Result<StatusPage, String> {
        let url = address(url).map_err(|wrong| format!("the address {}", wrong.what))?;
        let proxy = proxy::from_environment(&Origin::of(&url), env);
        let proxy = proxy.map_err(|(variable, why)| format!("the proxy in {variable} cannot be used: {why}"))?;
        Ok(StatusPage { url, proxy })
    }
}

/// Reads the address of a page.
pub(super) fn address(text: &str) -> Result<Uri, Wrong> {
    let uri = address::base_url(text)?;
    if uri.query().is_some() {
        return Err(Wrong::new("has a query (?…)").hint("give the page's address alone: https://status.example.com"));
    }
    Ok(uri)
}

/// The page that is known for the API at `host`, or at the host above it (`eu.api.openai.com`).
pub(super) fn known(host: &str) -> Option<Uri> {
    let is_at = |api: &str| host.strip_suffix(api).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    KNOWN.iter().find(|(api, _)| is_at(api)).and_then(|(_, page)| page.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_for_a_host_and_what_is_below_it_and_never_guessed() {
        for (host, page) in [
            ("api.openai.com", Some("https://status.openai.com/")),
            ("eu.api.openai.com", Some("https://status.openai.com/")),
            ("evilapi.openai.com", None),
            ("api.openai.com.evil.example", None),
            ("openrouter.ai", None),
            ("127.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(known(host).map(|page| page.to_string()).as_deref(), page, "{host}");
        }
        assert!(KNOWN.iter().all(|(api, page)| known(api).is_some() && page.starts_with("https://")));
    }

    #[test]
    fn an_address_of_a_page_has_no_query_and_no_credential() {
        assert!(address("https://status.example.com/acme/").is_ok_and(|uri| uri.path() == "/acme"));
        for wrong in ["status.example.com", "https://a:b@status.example.com", "https://s.example/?x=1", "file:///etc/x"]
        {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
