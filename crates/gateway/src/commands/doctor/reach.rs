//! Whether an upstream can be reached: name, connection, certificate, answer, clock.
//!
//! Nothing is asked that costs money: the list of models. That the key is missing or wrong is an
//! answer too.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, header};
use seawall::Upstream;
use seawall_core::verdict::{Class, Fault, retry_after};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::check::{Check, State};
use super::probe::{self, Heard, Question};
use crate::config::{self, UpstreamConfig};
use crate::observe::journal::plain::millis;

/// A name is found within this time, or it is not found.
const DNS_WITHIN: Duration = Duration::from_secs(5);
/// One address takes a connection within this time, or it does not.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;
/// The list of models is there within this time.
const HTTP_WITHIN: Duration = Duration::from_secs(15);
/// A clock that differs by more is told of.
const SKEW_MAX: Duration = Duration::from_secs(30);

/// What is looked at, in this order.
const PARTS: [&str; 5] = ["dns", "connect", "tls", "http", "clock"];

/// Looks at one upstream. `own` are the gateway's addresses.
pub(super) async fn upstream(upstream: &UpstreamConfig, settings: &Upstream, own: &[SocketAddr]) -> Vec<Check> {
    let is_tls = upstream.base.scheme_str() == Some("https");
    let (host, port, via) = match &upstream.proxy {
        Some(proxy) => (proxy.host.clone(), proxy.port, format!("proxy {}", proxy.shown())),
        None => {
            let host = upstream.base.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let port = upstream.base.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
            (host, port, String::new())
        }
    };
    let mut checks = Vec::new();
    let name = |part: &str| format!("{}: {part}", upstream.name);
    let addresses = match resolve(&host, port).await {
        Ok((addresses, took)) => {
            let through = if via.is_empty() { String::new() } else { format!("{via}: ") };
            let more = if addresses.len() > 1 { format!(" and {} more", addresses.len() - 1) } else { String::new() };
            let says = match host.parse::<IpAddr>() {
                Ok(_) => format!("{through}{host} is an address: there is no name to look up"),
                Err(_) => format!("{through}{host} is {}{more} ({took})", addresses[0].ip()),
            };
            checks.push(Check::new(name("dns"), State::Ok, says));
            addresses
        }
        Err(why) => {
            let says = format!("{host} has no address: {why}");
            let hint = "check the name in base_url, /etc/resolv.conf, and whether a proxy is needed (HTTPS_PROXY)";
            checks.push(Check::new(name("dns"), State::Fail, says).hint(hint));
            return skipped(checks, upstream, "its name has no address");
        }
    };
    if via.is_empty()
        && let Some(own) = own.iter().find(|own| addresses.iter().any(|address| is_ours(*address, **own)))
    {
        let says = format!("{host} is this machine, and {own} is the gateway itself: requests would go in a circle");
        let hint = format!("set base_url of upstream \"{}\" to the provider's address", upstream.name);
        checks.push(Check::new(name("connect"), State::Fail, says).hint(hint));
        return skipped(checks, upstream, "it is the gateway itself");
    }
    match connect(&addresses).await {
        Ok(says) => checks.push(Check::new(name("connect"), State::Ok, says)),
        Err(says) => {
            let hint = if via.is_empty() {
                "look at firewalls and at whether this network needs a proxy (HTTPS_PROXY)"
            } else {
                "the proxy does not answer: look at its address, or exempt the host in NO_PROXY"
            };
            checks.push(Check::new(name("connect"), State::Fail, says).hint(hint));
            return skipped(checks, upstream, "there is no connection");
        }
    }
    let question = Question {
        method: Method::GET,
        target: PathAndQuery::from_static("/v1/models"),
        body: bytes::Bytes::new(),
        within: HTTP_WITHIN,
        read_max: 0,
    };
    match probe::ask(settings, question).await {
        Ok(heard) => {
            checks.push(tls(name("tls"), &heard, is_tls, config::is_loopback(&upstream.base)));
            checks.push(answer(name("http"), &heard, !settings.keys.is_empty()));
            checks.push(clock(name("clock"), &heard));
        }
        Err(why) => checks.push(Check::new(name("tls"), State::Fail, why).hint("look at `ca_file` of the upstream")),
    }
    skipped(checks, upstream, "there was no answer to look at")
}

/// What could not be looked at any more.
fn skipped(mut checks: Vec<Check>, upstream: &UpstreamConfig, why: &str) -> Vec<Check> {
    let rest = PARTS.iter().skip(checks.len());
    checks.extend(rest.map(|part| Check::new(format!("{}: {part}", upstream.name), State::Skip, why)));
    checks
}

async fn resolve(host: &str, port: u16) -> Result<(Vec<SocketAddr>, String), String> {
    let began = tokio::time::Instant::from_std(now());
    let found = timeout(DNS_WITHIN, lookup_host((host, port))).await;
    let found =
        found.map_err(|_| format!("no answer within {} s", DNS_WITHIN.as_secs()))?.map_err(|e| e.to_string())?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err("the name exists without one".to_owned());
    }
    Ok((addresses, millis(began.elapsed().as_secs_f64() * 1_000.0)))
}

async fn connect(addresses: &[SocketAddr]) -> Result<String, String> {
    let mut problems = Vec::new();
    for address in addresses.iter().take(ADDRESSES_MAX) {
        let began = tokio::time::Instant::from_std(now());
        let why = match timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                let took = millis(began.elapsed().as_secs_f64() * 1_000.0);
                let also =
                    if problems.is_empty() { String::new() } else { format!("; not so {}", problems.join(", ")) };
                return Ok(format!("{address} takes connections ({took}){also}"));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", CONNECT_WITHIN.as_secs()),
        };
        problems.push(format!("{address} ({why})"));
    }
    Err(format!("no connection to {}", problems.join(", ")))
}

/// Whether a connection to `address` arrives at `own`: the same port, at an address of this machine.
fn is_ours(address: SocketAddr, own: SocketAddr) -> bool {
    let (to, on) = (address.ip().to_canonical(), own.ip().to_canonical());
    if address.port() != own.port() {
        return false;
    }
    // A socket can be bound to addresses of this machine and to no others.
    let is_here = || to.is_loopback() || to.is_unspecified() || UdpSocket::bind((to, 0)).is_ok();
    to == on || (on.is_unspecified() && is_here()) || (on.is_loopback() && to.is_unspecified())
}

fn tls(name: String, heard: &Heard, is_tls: bool, is_loopback: bool) -> Check {
    if !is_tls {
        let says = "plain http: nothing is encrypted";
        return if is_loopback {
            Check::new(name, State::Skip, says)
        } else {
            Check::new(name, State::Warn, says).hint("use https in base_url: keys and prompts can be read on the way")
        };
    }
    if heard.fault == Some(Fault::Tls) {
        let why = heard.detail.as_deref().unwrap_or("the handshake failed");
        let hint =
            "a wrong clock, a missing `ca_file` for a company's own authority, or another server than the one meant";
        return Check::new(name, State::Fail, why).hint(hint);
    }
    if heard.class == Class::NotSent {
        let why = heard.detail.as_deref().unwrap_or("it did not begin");
        let hint = "it takes connections and does not speak TLS: is it http:// in base_url, or another port?";
        return Check::new(name, State::Fail, format!("no handshake: {why}")).hint(hint);
    }
    Check::new(name, State::Ok, "the certificate is valid, trusted, and for this name")
}

fn answer(name: String, heard: &Heard, has_key: bool) -> Check {
    let took = millis(heard.took.as_secs_f64() * 1_000.0);
    let Some(status) = heard.status else {
        let why = heard.detail.as_deref().or(heard.fault.map(Fault::name)).unwrap_or("no reply");
        return Check::new(name, State::Fail, format!("no answer: {why} ({took})"))
            .hint("something on the way takes connections and does not pass them on");
    };
    let says = format!("GET /models is answered with {status} ({took})");
    match status {
        401 | 403 if has_key => Check::new(name, State::Fail, format!("{says}: the key is refused"))
            .hint("look at `api_key` of the upstream, or OPENAI_API_KEY"),
        401 | 403 => Check::new(name, State::Ok, format!("{says}: reachable; callers bring their own key")),
        500.. => Check::new(name, State::Warn, format!("{says}: reachable, and failing now"))
            .hint("look at the provider's status page; `seawall failures` shows how long this lasts"),
        429 => Check::new(name, State::Warn, format!("{says}: reachable, and over its limit")),
        _ if heard.class == Class::Ok || status < 500 => Check::new(name, State::Ok, says),
        _ => Check::new(name, State::Warn, says),
    }
}

/// Certificates, tokens and signatures are valid for a time, and a clock decides which.
fn clock(name: String, heard: &Heard) -> Check {
    let half = i64::try_from(heard.took.as_micros() / 2).unwrap_or(0);
    let here = (heard.began_unix_micros + half).div_euclid(1_000_000);
    let Some(there) = date(&heard.headers, here) else {
        return Check::new(name, State::Skip, "the answer has no date");
    };
    let skew = here.abs_diff(there);
    if skew <= SKEW_MAX.as_secs() {
        return Check::new(name, State::Ok, format!("it differs by {skew} s from the upstream's"));
    }
    let which = if here > there { "ahead of" } else { "behind" };
    let hint = "set it by NTP: certificates and signatures of webhooks are checked against it, and waits until a date go wrong";
    Check::new(name, State::Warn, format!("this machine's clock is {skew} s {which} the upstream's")).hint(hint)
}

fn date(headers: &HeaderMap, now_unix: i64) -> Option<i64> {
    retry_after::date(headers.get(header::DATE)?.to_str().ok()?, now_unix)
}

#[expect(clippy::disallowed_methods, reason = "a look owns its wait")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Overrides};

    #[test]
    fn an_address_is_ours_at_our_port_on_this_machine() {
        for (address, own, ours) in [
            ("127.0.0.1:7500", "127.0.0.1:7500", true),
            ("127.0.0.1:7500", "0.0.0.0:7500", true),
            ("[::ffff:127.0.0.1]:7500", "127.0.0.1:7500", true),
            ("0.0.0.0:7500", "127.0.0.1:7500", true),
            ("127.0.0.1:7501", "127.0.0.1:7500", false),
            ("192.0.2.1:7500", "0.0.0.0:7500", false),
            ("192.0.2.1:7500", "127.0.0.1:7500", false),
        ] {
            assert_eq!(is_ours(address.parse().unwrap(), own.parse().unwrap()), ours, "{address} at {own}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_back_to_the_gateway_is_a_circle() {
        // `localhost` is refused by the configuration already; here it stands for any name that ends up there.
        let env = Environment::empty();
        let text = "[[upstream]]\nname = \"up\"\nbase_url = \"http://localhost:7600/v1\"\n";
        let overrides = Overrides { data_dir: Some("/nowhere".into()), ..Overrides::default() };
        let config = config::from_text(None, text, &overrides, &env).map_err(|p| p.render(false)).unwrap();
        let up = &config.upstreams[0];
        let checks = upstream(up, &crate::gateway::upstream(up), &["127.0.0.1:7600".parse().unwrap()]).await;
        assert_eq!(checks[1].state, State::Fail);
        assert!(checks[1].says.contains("in a circle"), "{}", checks[1].says);
        assert!(checks.len() == PARTS.len() && checks[2..].iter().all(|check| check.state == State::Skip));
    }
}
