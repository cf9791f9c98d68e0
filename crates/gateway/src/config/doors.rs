//! Who may come in, and who must not be sent what: the checks that need more than one value.
//!
//! Each refuses a configuration that would work, and harm: a caller's key sent to a second
//! company, a key of one's own spent by everybody who can reach the port, a gateway in front of
//! itself.

use std::net::SocketAddr;
use std::ops::Range;

use super::address::{self, Origin};
use super::check::Placed;
use super::diagnose::Problem;
use super::{ClientConfig, ServerConfig, UpstreamConfig};

/// `[server]`, with the places of its addresses.
pub(super) struct Doors {
    pub(super) server: ServerConfig,
    pub(super) listen: Option<Range<usize>>,
    pub(super) admin: Option<Range<usize>>,
    /// Whether there is a line for it, right or wrong.
    pub(super) admin_token_written: bool,
}

/// Finds what does not go together. `clients_written` counts those that could not be read, too.
pub(super) fn check(
    doors: &Doors,
    upstreams: &[Placed<UpstreamConfig>],
    clients: &[Placed<ClientConfig>],
    clients_written: usize,
    problems: &mut Vec<Problem>,
) {
    problems.extend(same_port(doors));
    problems.extend(open_doors(doors, upstreams, clients_written));
    problems.extend(loops(doors, upstreams));
    problems.extend(same_names("upstream", upstreams, |upstream| &upstream.name));
    problems.extend(same_names("client", clients, |client| &client.name));
    problems.extend(same_tokens(clients));
    problems.extend(passed_to_others(upstreams));
    problems.extend(passed_despite_tokens(upstreams, clients));
}

fn same_port(doors: &Doors) -> Option<Problem> {
    let ServerConfig { listen, admin, .. } = &doors.server;
    let same_ip = listen.ip() == admin.ip() || listen.ip().is_unspecified() || admin.ip().is_unspecified();
    (listen.port() == admin.port() && listen.port() != 0 && same_ip).then(|| {
        Problem::new(format!("`server.listen` ({listen}) and `server.admin` ({admin}) are the same port"))
            .maybe_at(doors.admin.as_ref().or(doors.listen.as_ref()), "")
            .hint("give them two ports: metrics and health do not share one with callers")
    })
}

/// Beyond loopback somebody has to ask who is there.
fn open_doors(doors: &Doors, upstreams: &[Placed<UpstreamConfig>], clients: usize) -> Vec<Problem> {
    let ServerConfig { listen, admin, behind_auth, .. } = &doors.server;
    let is_beyond = |address: &SocketAddr| !address::is_loopback(address.ip());
    let mut problems = Vec::new();
    if is_beyond(listen) && clients == 0 && !behind_auth {
        let passes = upstreams.iter().any(|upstream| upstream.value.api_keys.is_empty());
        let hint = if passes {
            "give each upstream an `api_key` and each caller a [[client]] with a token; or, if something in front of the gateway checks callers, set `behind_auth = true`"
        } else {
            "give each caller a [[client]] with a token; or, if something in front of the gateway checks callers, set `behind_auth = true`"
        };
        problems.push(
            Problem::new(format!("`server.listen` is {listen}, beyond this machine, and nobody checks who calls"))
                .maybe_at(doors.listen.as_ref(), "anyone who can reach it may use it")
                .hint(hint),
        );
    }
    if is_beyond(admin) && !doors.admin_token_written {
        problems.push(
            Problem::new(format!("`server.admin` is {admin}, beyond this machine, without `server.admin_token`"))
                .maybe_at(doors.admin.as_ref(), "anyone who can reach it may read it")
                .hint("add a line such as: admin_token = \"${SEAWALL_ADMIN_TOKEN}\""),
        );
    }
    problems
}

/// An upstream that is the gateway itself.
fn loops<'a>(doors: &'a Doors, upstreams: &'a [Placed<UpstreamConfig>]) -> impl Iterator<Item = Problem> + 'a {
    let ports = [("listen", doors.server.listen, &doors.listen), ("admin", doors.server.admin, &doors.admin)];
    upstreams.iter().flat_map(move |upstream| {
        let origin = Origin::of(&upstream.value.base);
        ports.into_iter().filter(move |(_, address, _)| origin.reaches(*address)).map(move |(key, address, span)| {
            let name = &upstream.value.name;
            Problem::new(format!(
                "upstream \"{name}\" is the gateway itself: its `base_url` leads to `server.{key}` ({address})"
            ))
            .maybe_at(upstream.what.as_ref(), "leads back here")
            .see(span.as_ref().filter(|_| upstream.what.is_some()), "")
            .hint("`base_url` is where the gateway sends requests; callers set OPENAI_BASE_URL to the gateway")
        })
    })
}

fn same_names<V>(noun: &str, all: &[Placed<V>], name: impl Fn(&V) -> &String) -> Vec<Problem> {
    pairs(all, |a, b| name(&a.value) == name(&b.value))
        .map(|(first, second)| {
            Problem::new(format!("two {noun}s are called \"{}\"", name(&second.value)))
                .maybe_at(second.name.as_ref().or(second.table.as_ref()), "the second")
                .see(first.name.as_ref().or(first.table.as_ref()), "the first")
                .hint("names tell them apart in metrics and in the journal")
        })
        .collect()
}

fn same_tokens(clients: &[Placed<ClientConfig>]) -> Vec<Problem> {
    pairs(clients, |a, b| a.value.token.expose() == b.value.token.expose())
        .map(|(first, second)| {
            Problem::new(format!("clients \"{}\" and \"{}\" have the same token", first.value.name, second.value.name))
                .maybe_at(second.what.as_ref(), "the same again")
                .see(first.what.as_ref(), "the first")
                .hint("a token says who is calling: give each client its own")
        })
        .collect()
}

/// Each element with the first earlier one that is `same`.
fn pairs<V>(all: &[V], same: impl Fn(&V, &V) -> bool) -> impl Iterator<Item = (&V, &V)> {
    all.iter().enumerate().filter_map(move |(at, second)| {
        let first = all[..at].iter().find(|first| same(first, second))?;
        Some((first, second))
    })
}

/// A caller's key is meant for one provider: it goes to one origin only.
fn passed_to_others(upstreams: &[Placed<UpstreamConfig>]) -> Vec<Problem> {
    let mut keyless = upstreams.iter().filter(|upstream| upstream.value.api_keys.is_empty());
    let Some(first) = keyless.next() else { return Vec::new() };
    let home = Origin::of(&first.value.base);
    keyless
        .filter(|other| Origin::of(&other.value.base) != home)
        .map(|other| {
            let away = Origin::of(&other.value.base);
            let [one, two] = [&first.value.name, &other.value.name];
            Problem::new(format!(
                "callers' own keys would go to two places: upstreams \"{one}\" ({home}) and \"{two}\" ({away}) have no `api_key`"
            ))
            .maybe_at(other.what.as_ref(), "another host without `api_key`")
            .see(first.what.as_ref(), "the first without `api_key`")
            .hint(format!("give \"{one}\" or \"{two}\" an `api_key`: what is passed through goes to one scheme, host and port"))
        })
        .collect()
}

/// A token for the gateway is no key for an upstream.
fn passed_despite_tokens(upstreams: &[Placed<UpstreamConfig>], clients: &[Placed<ClientConfig>]) -> Option<Problem> {
    let client = clients.first()?;
    let upstream = upstreams.iter().find(|upstream| upstream.value.api_keys.is_empty())?;
    let [upstream_name, client_name] = [&upstream.value.name, &client.value.name];
    let place = upstream.table.as_ref().or(client.table.as_ref());
    Some(
        Problem::new(format!(
            "upstream \"{upstream_name}\" has no `api_key`, and client \"{client_name}\" sends a token for the gateway instead of a key"
        ))
        .maybe_at(place, "passes through what the caller sends")
        .see(client.table.as_ref().filter(|table| Some(*table) != place), "sends a token of the gateway's")
        .hint("give the upstream an `api_key`, or remove every [[client]]"),
    )
}
