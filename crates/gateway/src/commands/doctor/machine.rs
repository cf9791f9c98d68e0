//! What this machine and this shell have to say: limits, variables, ports.

use std::io;
use std::net::{SocketAddr, TcpListener};

use http::Uri;

use super::check::{Check, State};
use super::holder;
use crate::config::{self, Config, Environment};
use crate::data_dir::Serve;

/// Files beside those of requests: journal, listeners, log, runtime.
const OTHER_FILES: u64 = 64;
/// Each request under way takes a connection of its caller and one to its upstream.
const FILES_PER_REQUEST: u64 = 2;

/// Whether as many files may be open as requests under way need; of the gateway, where one runs.
pub(super) fn open_files(config: &Config, serve: Option<&Serve>) -> Check {
    let of = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/limits")).ok();
    let (whose, limits) = match serve.and_then(|serve| of(&serve.pid.to_string())) {
        Some(limits) => ("the gateway", Some(limits)),
        None => ("a program started here", of("self")),
    };
    let Some(allowed) = limits.as_deref().and_then(files_allowed) else {
        return Check::new("open files", State::Skip, "this system does not tell its limit: `ulimit -n` does");
    };
    judge_files(whose, allowed, u64::from(config.server.in_flight_max))
}

fn judge_files(whose: &str, allowed: u64, in_flight_max: u64) -> Check {
    let needed = in_flight_max * FILES_PER_REQUEST + OTHER_FILES;
    let says = format!("{whose} may open {allowed} files; {in_flight_max} requests at a time need about {needed}");
    if allowed >= needed {
        return Check::new("open files", State::Ok, says);
    }
    let hint = format!(
        "`ulimit -n {needed}`, LimitNOFILE={needed} in a systemd unit, or a lower server.in_flight_max: \
         connections beyond the limit fail"
    );
    Check::new("open files", State::Warn, says).hint(hint)
}

/// The soft limit in the text of `/proc/…/limits`.
fn files_allowed(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        soft => soft.parse().ok(),
    }
}

/// The variables that send programs through a proxy.
const PROXIES: [&str; 6] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"];

/// Whether programs started here reach the gateway past their proxy.
pub(super) fn proxies(config: &Config, env: &Environment) -> Check {
    let name = "proxy variables";
    let set: Vec<&str> = PROXIES.iter().copied().filter(|name| env.text(name).is_some()).collect();
    if set.is_empty() {
        return Check::new(name, State::Ok, "none is set");
    }
    let says = format!("{} set", set.join(", "));
    let upstreams = config
        .upstreams
        .iter()
        .filter_map(|upstream| upstream.proxy.as_ref().map(|proxy| format!("{} by {}", upstream.name, proxy.shown())));
    let upstreams: Vec<String> = upstreams.collect();
    let through = if upstreams.is_empty() {
        "no upstream goes through one".to_owned()
    } else {
        format!("upstreams go through: {}", upstreams.join(", "))
    };
    // The gateway speaks plain HTTP to its callers: only these would stand in between.
    let concerns = set.iter().any(|name| !name.to_ascii_lowercase().starts_with("https"));
    let missing = config::missing_in_no_proxy(env);
    if !concerns || missing.is_empty() {
        return Check::new(name, State::Ok, format!("{says}; {through}"));
    }
    let missing = missing.join(",");
    Check::new(name, State::Warn, format!("{says}, and NO_PROXY lacks {missing}; {through}"))
        .hint(format!("add {missing} to NO_PROXY: SDKs would ask the proxy for the gateway on this machine"))
}

/// Where programs started here send their requests.
pub(super) fn base_url(config: &Config, env: &Environment) -> Check {
    let name = "OPENAI_BASE_URL";
    let listen = config.server.listen;
    let ours = format!("OPENAI_BASE_URL=http://{listen}/v1");
    let Some(text) = env.text(name) else {
        return Check::new(name, State::Skip, "not set here: programs started from this shell go past Seawall")
            .hint(format!("export {ours}"));
    };
    let Some(uri) = text.parse::<Uri>().ok().filter(|uri| uri.host().is_some() && uri.scheme().is_some()) else {
        return Check::new(name, State::Fail, "it is set, and is not an address").hint(format!("export {ours}"));
    };
    if config::reaches(&uri, listen) {
        return match uri.path().trim_end_matches('/') {
            "/v1" => Check::new(name, State::Ok, format!("it leads to Seawall at {listen}")),
            _ => Check::new(name, State::Warn, format!("it leads to Seawall at {listen}, with another path than /v1"))
                .hint(format!("export {ours}")),
        };
    }
    if config::reaches(&uri, config.server.admin) {
        return Check::new(name, State::Fail, "it leads to the admin side, which answers no requests")
            .hint(format!("export {ours}"));
    }
    let host = uri.authority().map_or("", |authority| authority.host());
    let upstream = config.upstreams.iter().find(|upstream| config::is_same_place(&uri, &upstream.base));
    let says = match upstream {
        Some(upstream) => format!("it leads straight to upstream \"{}\", past Seawall", upstream.name),
        None => format!("it leads to {host}, and this configuration listens on {listen}"),
    };
    Check::new(name, State::Warn, says).hint(format!("export {ours}"))
}

/// Whether a gateway could listen, or who does.
pub(super) fn port(key: &str, address: SocketAddr, serve: Option<&Serve>) -> Check {
    let name = format!("server.{key}");
    if serve.is_some_and(|serve| is_announced(serve, address)) {
        return Check::new(name, State::Ok, format!("{address} is the running gateway's"));
    }
    if address.port() == 0 {
        return Check::new(name, State::Ok, format!("{address}: any free port"));
    }
    // Bound and let go at once.
    match TcpListener::bind(address) {
        Ok(_) => Check::new(name, State::Ok, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = holder::of(address).unwrap_or_else(|| "another program".to_owned());
            Check::new(name, State::Fail, format!("{address} is taken by {holder}"))
                .hint(format!("stop it, or choose another address with --{key}"))
        }
        Err(error) => Check::new(name, State::Fail, format!("cannot listen on {address}: {error}"))
            .hint(format!("choose an address of this machine with --{key}")),
    }
}

fn is_announced(serve: &Serve, address: SocketAddr) -> bool {
    [Some(&serve.listen), serve.admin.as_ref()].into_iter().flatten().any(|at| *at == address.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Overrides;

    fn config(text: &str, env: &Environment) -> Config {
        config::from_text(None, text, &Overrides::default(), env).map_err(|p| p.render(false)).unwrap()
    }

    fn with(variables: &[(&'static str, &'static str)]) -> (Config, Environment) {
        let all = variables.iter().copied().chain([("HOME", "/nowhere")]);
        let env = Environment::given(Path::new("/"), all);
        (config("", &env), env)
    }

    #[test]
    fn files_are_enough_from_two_a_request_on() {
        assert_eq!(judge_files("it", 8_256, 4_096).state, State::Ok);
        let few = judge_files("it", 8_255, 4_096);
        assert_eq!(few.state, State::Warn);
        assert!(few.hint.unwrap().contains("LimitNOFILE=8256"));
    }

    #[test]
    fn the_soft_limit_counts() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(files_allowed(limits), Some(1_024));
        assert_eq!(files_allowed(&limits.replace("1024", "unlimited")), Some(u64::MAX));
        assert_eq!(files_allowed("nothing"), None);
    }

    #[test]
    fn a_proxy_without_an_exception_for_this_machine_stands_between_sdk_and_gateway() {
        let check = |variables: &[(&'static str, &'static str)]| {
            let (config, env) = with(variables);
            proxies(&config, &env)
        };
        assert_eq!(check(&[]).state, State::Ok);
        let trap = check(&[("HTTP_PROXY", "http://user:hunter22@proxy:3128")]);
        assert_eq!(trap.state, State::Warn);
        assert!(trap.says.contains("lacks localhost,127.0.0.1"), "{}", trap.says);
        assert!(!format!("{trap:?}").contains("hunter22"));
        let half = check(&[("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", "localhost")]);
        assert!(half.says.contains("lacks 127.0.0.1;"), "{}", half.says);
        let good = [("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", "localhost,127.0.0.1,::1")];
        assert_eq!(check(&good).state, State::Ok);
        let only_https = check(&[("HTTPS_PROXY", "http://proxy:3128")]);
        assert_eq!(only_https.state, State::Ok);
        assert!(only_https.says.contains("openai by http://proxy:3128"), "{}", only_https.says);
    }

    #[test]
    fn the_base_url_leads_to_seawall_past_it_or_astray() {
        let state = |url: &'static str| {
            let (config, env) = with(&[("OPENAI_BASE_URL", url)]);
            let check = base_url(&config, &env);
            assert!(!check.says.contains("hunter22"), "{}", check.says);
            check.state
        };
        for (url, expected) in [
            ("http://127.0.0.1:7500/v1", State::Ok),
            ("http://localhost:7500/v1/", State::Ok),
            ("http://127.0.0.1:7500", State::Warn),
            ("http://127.0.0.1:7501/v1", State::Fail),
            ("https://api.openai.com/v1", State::Warn),
            ("https://me:hunter22@elsewhere.example/v1", State::Warn),
            ("127.0.0.1:7500", State::Fail),
            ("", State::Skip),
        ] {
            assert_eq!(state(url), expected, "{url}");
        }
    }

    #[test]
    fn a_port_is_free_ours_or_somebodys() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let check = port("listen", address, None);
        assert_eq!(check.state, State::Fail);
        assert!(check.says.contains(&format!("{address} is taken by")), "{}", check.says);
        let serve = Serve { pid: 1, listen: address.to_string(), admin: None, started: String::new(), journal: None };
        assert_eq!(port("listen", address, Some(&serve)).state, State::Ok);
        drop(taken);
        assert_eq!(port("listen", address, None).state, State::Ok);
    }
}
