//! Who may see a page: the one place where that is decided, for every page.
//!
//! Three things are looked at. The *host* that a request names, against pages that have their name lead to
//! this machine (DNS rebinding): on a loopback address a browser must have meant this machine. Beyond
//! loopback the configuration has a token, which such a page cannot know. The *token*, in constant time.
//! And the *site* that a request comes from: a page of another site changes nothing and reads nothing, but
//! a link on it may lead here.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue, header};

use super::routes::{Access, Verb};
use crate::config::Secret;

/// What is asked of whoever wants in.
pub(super) struct Guard {
    /// The admin token, if one is set.
    pub(super) token: Option<Secret>,
    /// The address that the admin side listens on.
    pub(super) own: SocketAddr,
}

/// Why a request may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It names another host.
    Host,
    /// It does not have the token.
    Token,
    /// It comes from a page of another site.
    Site,
}

impl Guard {
    /// Whether a request with these headers may see, or change, what has this access.
    pub(super) fn check(&self, access: Access, verb: Verb, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.is_own_host(headers) {
            return Err(Refusal::Host);
        }
        if access == Access::Open {
            return Ok(());
        }
        if !self.has_token(headers) {
            return Err(Refusal::Token);
        }
        let is_foreign = match verb {
            Verb::Change => is_cross_site(headers),
            Verb::Read => is_cross_site_read(headers),
        };
        if is_foreign { Err(Refusal::Site) } else { Ok(()) }
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|given| given.strip_prefix("Bearer ")).is_some_and(|given| token.is(given.as_bytes()))
    }

    /// Whether the request means this machine. One without a host comes from no browser.
    fn is_own_host(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return !headers.contains_key(header::HOST);
        };
        if !self.own.ip().is_loopback() {
            return true;
        }
        let Ok(host) = host.to_str() else { return false };
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            Ok(address) => address.is_loopback() || address == self.own.ip(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

/// The name or address in `host`, without the port behind it.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// Whether a web page of another site sent the request: a browser says so.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let is_foreign = origin.is_some_and(|origin| {
        let own = [b"http://".as_slice(), b"https://"].iter().find_map(|scheme| origin.strip_prefix(*scheme));
        own.is_none() || own != host
    });
    let fetch = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    is_foreign || fetch.is_some_and(|site| site != b"same-origin" && site != b"none")
}

/// Whether a page of another site reads here by itself; that somebody followed a link is no such case.
fn is_cross_site_read(headers: &HeaderMap) -> bool {
    let says = |name: &str, what: &[u8]| headers.get(name).is_some_and(|value| value.as_bytes() == what);
    is_cross_site(headers) && !(says("sec-fetch-mode", b"navigate") && says("sec-fetch-dest", b"document"))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::super::routes::ROUTES;
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for &(name, value) in pairs {
            map.append(name, value.parse().unwrap());
        }
        map
    }

    fn guard(own: &str, token: Option<&str>) -> Guard {
        let token = token.map(|token| Secret::new(Zeroizing::new(token.to_owned()), "config file".to_owned()));
        Guard { token, own: own.parse().unwrap() }
    }

    #[test]
    fn only_pages_of_this_very_side_may_change_something() {
        let cases: [(&[(&'static str, &str)], bool); 8] = [
            (&[("host", "127.0.0.1:7501")], false),
            (&[("host", "127.0.0.1:7501"), ("origin", "http://127.0.0.1:7501")], false),
            (&[("host", "127.0.0.1:7501"), ("origin", "https://evil.example")], true),
            (&[("host", "127.0.0.1:7501"), ("origin", "null")], true),
            (&[("host", "127.0.0.1:7501"), ("sec-fetch-site", "cross-site")], true),
            (&[("host", "127.0.0.1:7501"), ("sec-fetch-site", "same-site")], true),
            (&[("host", "127.0.0.1:7501"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "http://127.0.0.1:7501")], true),
        ];
        for (given, expected) in cases {
            assert_eq!(is_cross_site(&headers(given)), expected, "{given:?}");
        }
    }

    #[test]
    fn a_link_may_lead_here_and_a_page_elsewhere_may_not_read() {
        let link = [("host", "localhost"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert!(!is_cross_site_read(&headers(&[&link[..], &[("sec-fetch-dest", "document")]].concat())));
        assert!(is_cross_site_read(&headers(&[&link[..], &[("sec-fetch-dest", "iframe")]].concat())));
        assert!(is_cross_site_read(&headers(&[("host", "localhost"), ("origin", "https://evil.example")])));
        assert!(!is_cross_site_read(&headers(&[("host", "localhost")])));
    }

    #[test]
    fn a_name_that_somebody_made_lead_here_is_not_this_machine() {
        let here = guard("127.0.0.1:7501", None);
        let own =
            ["127.0.0.1:7501", "localhost:7501", "LOCALHOST", "localhost.", "[::1]:7501", "127.0.0.2", "a.localhost:1"];
        let foreign = [
            "evil.example:7501",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.7:7501",
            "",
            "[::2]",
            "localhost:x",
        ];
        for (hosts, expected) in [(&own[..], true), (&foreign[..], false)] {
            for host in hosts {
                assert_eq!(here.is_own_host(&headers(&[("host", host)])), expected, "{host:?}");
            }
        }
        assert!(here.is_own_host(&HeaderMap::new()), "no browser asks without a host");
        assert!(!here.is_own_host(&headers(&[("host", "localhost"), ("host", "localhost")])), "which of them?");
        let beyond = guard("10.0.0.7:7501", Some("0123456789abcdef"));
        assert!(beyond.is_own_host(&headers(&[("host", "seawall.internal")])), "the token stands in the way");
    }

    /// Who may see each page: one line for each row of the router's table, written by hand.
    const MATRIX: [(&str, &str, Access); 18] = [
        ("GET, HEAD", "/livez", Access::Open),
        ("GET, HEAD", "/readyz", Access::Open),
        ("GET, HEAD", "/healthz", Access::Open),
        ("GET, HEAD", "/", Access::Operator),
        ("GET, HEAD", "/metrics", Access::Operator),
        ("GET, HEAD", "/api/v1/summary", Access::Operator),
        ("GET, HEAD", "/api/v1/upstreams", Access::Operator),
        ("GET, HEAD", "/api/v1/failures", Access::Operator),
        ("GET, HEAD", "/api/v1/groups", Access::Operator),
        ("GET, HEAD", "/api/v1/requests/{id}", Access::Operator),
        ("GET, HEAD", "/api/v1/live", Access::Operator),
        ("GET, HEAD", "/api/v1/status", Access::Operator),
        ("GET, HEAD", "/api/v1/incidents", Access::Operator),
        ("GET, HEAD", "/api/v1/incidents/{id}", Access::Operator),
        ("GET, HEAD", "/api/v1/incidents/{id}/report", Access::Operator),
        ("POST", "/api/v1/incidents/{id}/acknowledge", Access::Operator),
        ("GET, HEAD", "/api/v1/openapi.json", Access::Operator),
        ("GET, HEAD", "/api/v1/alerts", Access::Operator),
    ];

    #[test]
    fn every_page_of_the_router_lets_in_whom_the_matrix_names_and_nobody_else() {
        const TOKEN: &str = "0123456789abcdef";
        let bearer = format!("Bearer {TOKEN}");
        let wrong = format!("Bearer {TOKEN}0");
        let guard = guard("127.0.0.1:7501", Some(TOKEN));
        let hosts = [("127.0.0.1:7501", true), ("evil.example", false)];
        let tokens =
            [(None, false), (Some(wrong.as_str()), false), (Some(TOKEN), false), (Some(bearer.as_str()), true)];
        let sites = [("same-origin", true), ("same-site", false), ("cross-site", false)];
        for route in &ROUTES {
            let place = (route.verb.allows(), route.path);
            let access = MATRIX.iter().find(|(verb, path, _)| (*verb, *path) == place).map(|(.., access)| *access);
            let access = access.unwrap_or_else(|| panic!("{place:?} is in no line of the matrix: who may see it?"));
            for (host, is_own) in hosts {
                for (token, is_right) in tokens {
                    for (site, is_same) in sites {
                        let mut given = headers(&[("host", host), ("sec-fetch-site", site)]);
                        given.extend(token.map(|token| (header::AUTHORIZATION, token.parse().unwrap())));
                        let expected = match access {
                            _ if !is_own => Err(Refusal::Host),
                            Access::Open => Ok(()),
                            Access::Operator if !is_right => Err(Refusal::Token),
                            Access::Operator if !is_same => Err(Refusal::Site),
                            Access::Operator => Ok(()),
                        };
                        let found = guard.check(route.access, route.verb, &given);
                        assert_eq!(found, expected, "{place:?} {host} {token:?} {site}");
                    }
                }
            }
        }
        assert_eq!(MATRIX.len(), ROUTES.len(), "a line of the matrix is about no page");
    }
}
