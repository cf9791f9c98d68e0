//! Addresses of upstreams, and what they amount to: the same place, or the gateway itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;
use http::uri::Authority;

use super::diagnose::Wrong;

/// The longest `base_url`, in bytes: a request's own path has to fit behind it.
pub(super) const URL_BYTES_MAX: usize = 2048;
/// Query parameters that carry a credential.
const SECRET_PARAMETERS: [&str; 7] = ["key", "api-key", "api_key", "apikey", "token", "access_token", "sig"];

/// Reads the address of an upstream: `http` or `https`, no credentials, no slash at the end of
/// the path (but for the path `/` itself). A query is kept: Azure's `api-version` lives there.
pub(super) fn base_url(text: &str) -> Result<Uri, Wrong> {
    let wrong = |what: &str| Err(Wrong::new(what));
    if text.len() > URL_BYTES_MAX {
        return wrong(&format!("has {} bytes, the limit is {URL_BYTES_MAX}", text.len()));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Wrong::new("must begin with https:// or http://").hint("put https:// in front of it"));
    };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return wrong("must begin with https:// or http://: nothing else is spoken here");
    }
    if text.contains('#') {
        return wrong("has a fragment (#…), which is never sent");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Wrong::new("has a user or password in it").hint("put the credential into `api_key`"));
    }
    let Ok(uri) = text.parse::<Uri>() else { return wrong("is not an address") };
    if uri.host().is_none_or(|host| host.is_empty() || host == "[]") {
        return wrong("has no host");
    }
    if uri.authority().is_some_and(|authority| port(authority).is_err()) {
        return wrong("has a port that is not a number from 1 to 65535");
    }
    if let Some(name) = secret_parameter(&uri) {
        return Err(Wrong::new(format!("has a credential in its query (`{name}`)"))
            .hint("put it into `api_key`: an address is written to logs"));
    }
    Ok(without_last_slash(uri))
}

/// The port of an authority, if it has one. Parsing an authority does not look at it.
pub(super) fn port(authority: &Authority) -> Result<Option<u16>, ()> {
    let whole = authority.as_str();
    let after_login = whole.rsplit_once('@').map_or(whole, |(_, address)| address);
    match after_login.strip_prefix(authority.host()).unwrap_or_default() {
        "" => Ok(None),
        port => port.strip_prefix(':').and_then(|port| port.parse().ok()).filter(|&port| port > 0).map(Some).ok_or(()),
    }
}

fn secret_parameter(uri: &Uri) -> Option<&'static str> {
    let names = uri.query()?.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.flat_map(|name| SECRET_PARAMETERS.iter().find(|secret| name.eq_ignore_ascii_case(secret))).copied().next()
}

fn without_last_slash(uri: Uri) -> Uri {
    let path = uri.path().trim_end_matches('/');
    let path = if path.is_empty() { "/" } else { path };
    let shortened = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    match shortened.parse() {
        Ok(shortened) => {
            parts.path_and_query = Some(shortened);
            Uri::from_parts(parts).unwrap_or(uri)
        }
        Err(_) => uri,
    }
}

/// Who is asked: two addresses with equal origins reach the same server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of a checked address.
    pub(super) fn of(uri: &Uri) -> Origin {
        let scheme = uri.scheme_str().unwrap_or("https").to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        Origin { scheme, host, port }
    }

    /// Host name or address, in lower case and without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether it is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.addresses().iter().any(|ip| is_loopback(*ip))
    }

    /// Whether a request sent here would arrive at `listen`. Names other than `localhost` are not resolved.
    pub(super) fn reaches(&self, listen: SocketAddr) -> bool {
        let on = listen.ip().to_canonical();
        listen.port() == self.port
            && listen.port() != 0
            && self.addresses().iter().any(|&to| {
                // To connect to "any address" is to connect to this machine.
                let here = is_loopback(to) || to.is_unspecified();
                to == on || (on.is_unspecified() && here) || (to.is_unspecified() && is_loopback(on))
            })
    }

    fn addresses(&self) -> Vec<IpAddr> {
        if self.host == "localhost" || self.host.ends_with(".localhost") {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        self.host.parse().map(|ip: IpAddr| ip.to_canonical()).into_iter().collect()
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Origin { scheme, host, port } = self;
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

/// Whether `ip` is this machine and nobody else can reach it.
pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// A name for an upstream that is given by its address only: `openai` for `api.openai.com`.
pub(super) fn name_of(uri: &Uri) -> String {
    let host = Origin::of(uri).host;
    let labels: Vec<&str> = host.split('.').collect();
    let name = match labels[..] {
        _ if host.parse::<IpAddr>().is_ok() => &host,
        [.., name, _] => name,
        _ => &host,
    };
    name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' }).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_but_for_its_last_slash() {
        for (text, kept) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("https://a.example/openai/?api-version=1", "https://a.example/openai?api-version=1"),
        ] {
            assert_eq!(base_url(text).map(|uri| uri.to_string()).ok().as_deref(), Some(kept));
        }
    }

    #[test]
    fn what_is_no_address_of_an_upstream_is_refused() {
        for text in [
            "",
            "api.openai.com/v1",
            "ftp://a.example",
            "https://",
            "https:///v1",
            "https://me:pw@a.example",
            "https://a.example:port/v1",
            "https://a.example:/v1",
            "https://a.example:0/v1",
            "https://a.example:65536/v1",
            "https://a.example/v1#top",
            "https://a b.example/",
            "https://a.example/v1?api-key=abc",
            "https://a.example/v1?v=1&KEY=abc",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
        let long = format!("https://a.example/{}", "a".repeat(URL_BYTES_MAX));
        assert!(base_url(&long).is_err());
        assert!(base_url(&long[..URL_BYTES_MAX]).is_ok());
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |text: &str| Origin::of(&text.parse().expect("an address"));
        assert_eq!(origin("https://API.example/v1"), origin("https://api.example.:443/v2?x=1"));
        assert_ne!(origin("https://api.example/v1"), origin("http://api.example/v1"));
        assert_ne!(origin("https://api.example/v1"), origin("https://api.example:8443/v1"));
        assert_eq!(origin("http://[::1]/").to_string(), "http://[::1]:80");
    }

    #[test]
    fn a_request_to_the_gateway_itself_is_seen() {
        let reaches = |url: &str, listen: &str| {
            Origin::of(&url.parse().expect("an address")).reaches(listen.parse().expect("an address"))
        };
        for (url, listen, loops) in [
            ("http://127.0.0.1:7500/v1", "127.0.0.1:7500", true),
            ("http://localhost:7500/v1", "127.0.0.1:7500", true),
            ("http://localhost:7500/v1", "[::1]:7500", true),
            ("http://0.0.0.0:7500/v1", "127.0.0.1:7500", true),
            ("http://127.0.0.1:7500/v1", "0.0.0.0:7500", true),
            ("http://[::ffff:127.0.0.1]:7500/v1", "127.0.0.1:7500", true),
            ("http://10.0.0.1:7500/v1", "10.0.0.1:7500", true),
            ("http://10.0.0.2:7500/v1", "0.0.0.0:7500", false),
            ("http://127.0.0.1:7501/v1", "127.0.0.1:7500", false),
            ("http://127.0.0.1/v1", "127.0.0.1:80", true),
            ("http://127.0.0.1:7500/v1", "127.0.0.1:0", false),
            ("https://api.openai.com/v1", "127.0.0.1:443", false),
        ] {
            assert_eq!(reaches(url, listen), loops, "{url} with {listen}");
        }
    }

    #[test]
    fn an_unnamed_upstream_is_named_after_its_host() {
        for (url, name) in [
            ("https://api.openai.com/v1", "openai"),
            ("https://openrouter.ai/api/v1", "openrouter"),
            ("http://localhost:8080", "localhost"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080", "--1"),
        ] {
            assert_eq!(name_of(&url.parse().expect("an address")), name);
        }
    }
}
