//! Forward proxies: which one, if any, stands between the gateway and an upstream.
//!
//! `proxy = "env"` follows the variables that curl and the SDKs follow, lower case first:
//! `https_proxy` or `http_proxy` by the upstream's scheme, then `all_proxy`, unless `no_proxy`
//! excepts the host. This machine is never reached through a proxy. A proxy that cannot be spoken
//! to is an error, because going around it in silence is what a company's network forbids.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;

use super::address::{self, Origin};
use super::environment::Environment;

/// How an upstream is to be reached, as configured.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ProxySetting {
    /// As the environment says.
    Env,
    /// Directly.
    None,
    /// Through this one.
    Url(ProxyUrl),
}

/// A forward proxy that speaks HTTP.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ProxyUrl {
    /// Host name or address, without brackets.
    pub(crate) host: String,
    /// Port; 80 where none was given, as curl does not.
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`; marked as sensitive.
    pub(crate) authorization: Option<HeaderValue>,
    /// Where it was configured: `env HTTPS_PROXY`, `config file`.
    pub(crate) origin: String,
}

impl ProxyUrl {
    /// The address without the credentials.
    pub(crate) fn shown(&self) -> String {
        let ProxyUrl { host, port, .. } = self;
        if host.contains(':') { format!("http://[{host}]:{port}") } else { format!("http://{host}:{port}") }
    }
}

/// The proxy for an upstream at `to`, by the environment. An error is the variable and what is wrong with it.
pub(super) fn from_environment(to: &Origin, env: &Environment) -> Result<Option<ProxyUrl>, (String, &'static str)> {
    let either = |name: &str| {
        let upper = name.to_ascii_uppercase();
        [name.to_owned(), upper].into_iter().find_map(|name| Some((env.text(&name)?, name)))
    };
    if to.is_loopback() || either("no_proxy").is_some_and(|(list, _)| excepts(&list, to)) {
        return Ok(None);
    }
    let by_scheme = if to.is_https() { "https_proxy" } else { "http_proxy" };
    let Some((url, name)) = either(by_scheme).or_else(|| either("all_proxy")) else { return Ok(None) };
    parse(&url, format!("env {name}")).map(Some).map_err(|why| (name, why))
}

/// Names of this machine that the environment does not except from its proxies. Here they never go through
/// one; an SDK asks its proxy for them unless they are named.
pub(crate) fn missing_in_no_proxy(env: &Environment) -> Vec<&'static str> {
    let list = ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| env.text(name)).unwrap_or_default();
    let origin = |host: &str| format!("http://{host}").parse().map(|uri| Origin::of(&uri));
    let is_missing = |host: &&str| origin(host).is_ok_and(|origin| !excepts(&list, &origin));
    ["localhost", "127.0.0.1"].into_iter().filter(is_missing).collect()
}

/// Reads `http://user:password@host:port`; the scheme may be missing, as in many environments.
pub(super) fn parse(text: &str, origin: String) -> Result<ProxyUrl, &'static str> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some(_) => return Err("only http:// proxies are spoken to"),
        None => text,
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (login, address) = match authority.rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, authority),
    };
    let address = address.parse::<http::uri::Authority>().map_err(|_| "it is not an address")?;
    let host = address.host().trim_matches(['[', ']']).to_owned();
    if host.is_empty() {
        return Err("it has no host");
    }
    let port = address::port(&address).map_err(|()| "its port is not a number from 1 to 65535")?.unwrap_or(80);
    let authorization = login.map(basic).transpose()?;
    Ok(ProxyUrl { host, port, authorization, origin })
}

/// `Basic …` for a percent-encoded `user:password`.
fn basic(login: &str) -> Result<HeaderValue, &'static str> {
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(percent_decoded(login)?)))
        .map_err(|_| "its user and password do not fit into a header")?;
    value.set_sensitive(true);
    Ok(value)
}

fn percent_decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (Some(digits), Some(rest)) = (piece.get(..2), piece.get(2..)) else { return Err(BAD_PERCENT) };
        decoded.push(u8::from_str_radix(digits, 16).map_err(|_| BAD_PERCENT)?);
        decoded.extend_from_slice(rest.as_bytes());
    }
    Ok(decoded)
}

const BAD_PERCENT: &str = "its user or password has a % that is not followed by two hexadecimal digits";

/// Whether a `NO_PROXY` list excepts `to`: `*`, an address, a network (`10.0.0.0/8`), a host, or
/// the end of one at a dot; each with an optional port.
fn excepts(list: &str, to: &Origin) -> bool {
    let ip = to.host().parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let (host, port) = split_port(entry);
        port.is_none_or(|port| port == to.port()) && ip.map_or_else(|| is_below(to.host(), host), |ip| covers(host, ip))
    })
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = entry.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (entry, None),
    }
}

fn is_below(host: &str, suffix: &str) -> bool {
    let suffix = suffix.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase();
    let before = host.strip_suffix(&suffix);
    !suffix.is_empty() && before.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn covers(entry: &str, ip: IpAddr) -> bool {
    let (network, bits) = entry.split_once('/').map_or((entry, None), |(network, bits)| (network, Some(bits)));
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    let (Some(bits), false) = (bits, network == ip) else { return network == ip };
    let Ok(bits) = bits.parse::<u32>() else { return false };
    // Without the host's part: shifting by the full width would overflow, and then everything fits.
    match (network.to_canonical(), ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) if bits <= 32 => {
            (network.to_bits() ^ ip.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) if bits <= 128 => {
            (network.to_bits() ^ ip.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn by(url: &str, variables: &[(&'static str, &'static str)]) -> Result<Option<String>, (String, &'static str)> {
        let env = Environment::given(Path::new(""), variables.iter().copied());
        let proxy = from_environment(&Origin::of(&url.parse().expect("an address")), &env)?;
        Ok(proxy.map(|proxy| format!("{} {}", proxy.origin, proxy.shown())))
    }

    #[test]
    fn the_environment_decides_by_scheme_and_lower_case_first() {
        let all = [("HTTPS_PROXY", "http://a:1"), ("HTTP_PROXY", "b:2"), ("ALL_PROXY", "http://c:3/")];
        assert_eq!(by("https://x.example", &all), Ok(Some("env HTTPS_PROXY http://a:1".into())));
        assert_eq!(by("http://x.example", &all), Ok(Some("env HTTP_PROXY http://b:2".into())));
        assert_eq!(by("http://x.example", &all[2..]), Ok(Some("env ALL_PROXY http://c:3".into())));
        let both = [("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://d:4")];
        assert_eq!(by("https://x.example", &both), Ok(Some("env https_proxy http://d:4".into())));
        assert_eq!(by("https://x.example", &[("HTTPS_PROXY", "")]), Ok(None));
        assert_eq!(by("https://x.example", &[]), Ok(None));
    }

    #[test]
    fn this_machine_is_never_reached_through_a_proxy() {
        for url in
            ["http://localhost:1", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1", "http://a.localhost"]
        {
            assert_eq!(by(url, &[("ALL_PROXY", "http://a:1")]), Ok(None), "{url}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_spoken_to_is_an_error_with_its_variable() {
        for value in
            ["socks5://a:1", "https://a:1", "http://", "http://a:b", "http://a:", "http://u%zz@a:1", "http://u%@a:1"]
        {
            let error = by("https://x.example", &[("ALL_PROXY", value)]).expect_err(value);
            assert_eq!(error.0, "ALL_PROXY");
        }
    }

    #[test]
    fn no_proxy_excepts_hosts_and_what_is_below_them() {
        for (list, url, excepted) in [
            ("*", "https://x.example", true),
            ("x.example", "https://x.example", true),
            ("x.example", "https://api.x.example", true),
            (".x.example", "https://api.x.example", true),
            ("*.x.example", "https://api.x.example", true),
            ("X.EXAMPLE", "https://api.x.example", true),
            ("x.example", "https://notx.example", false),
            ("a, x.example", "https://x.example", true),
            ("x.example:443", "https://x.example", true),
            ("x.example:8443", "https://x.example", false),
            ("10.1.2.3", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("0.0.0.0/0", "https://11.1.2.3", true),
            ("10.0.0.0/33", "https://10.1.2.3", false),
            ("fd00::/8", "https://[fd00::1]", true),
            ("[fd00::1]:443", "https://[fd00::1]", true),
            ("2.3", "https://10.1.2.3", false),
            ("", "https://x.example", false),
        ] {
            let env = [("ALL_PROXY", "http://a:1"), ("NO_PROXY", list)];
            assert_eq!(by(url, &env).expect(list).is_none(), excepted, "{list} for {url}");
        }
    }

    #[test]
    fn user_and_password_become_a_header_and_are_not_shown() {
        let proxy = parse("http://me:p%40ss@proxy.example:3128", "config file".into()).expect("a proxy");
        let authorization = proxy.authorization.as_ref().expect("a header");
        assert_eq!(authorization.as_bytes(), b"Basic bWU6cEBzcw==");
        assert!(authorization.is_sensitive());
        assert_eq!(proxy.shown(), "http://proxy.example:3128");
    }
}
