//! From `[[upstream]]` to what is in force: where requests may go, and with which credentials.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::address::{self, Origin};
use super::check::Placed;
use super::diagnose::Problem;
use super::expand::reason;
use super::proxy::{self, ProxySetting, ProxyUrl};
use super::read::{At, Reader, Source};
use super::{Overrides, Roots, UpstreamAuth, UpstreamConfig, units, written};

/// The largest `ca_file`, in bytes: all public roots together are a tenth of it.
const CA_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The most upstreams.
pub(super) const UPSTREAMS_MAX: usize = 64;
/// In front of what the gateway is when nobody says anything.
const DEFAULT_UPSTREAM: &str = "https://api.openai.com/v1";
const DEFAULT_PRIORITY: u32 = 1;

pub(super) fn read(
    reader: &mut Reader<'_>,
    written: &[Spanned<written::Upstream>],
    overrides: &Overrides,
) -> Vec<Placed<UpstreamConfig>> {
    let flag = overrides.upstream.clone().map(|url| (url, "--upstream", Source::Flag("--upstream")));
    let variable = || {
        let url = reader.expansion.env.text("SEAWALL_UPSTREAM")?;
        Some((url, "SEAWALL_UPSTREAM", Source::Env("SEAWALL_UPSTREAM")))
    };
    if let Some((url, name, source)) = flag.or_else(variable) {
        return only(reader, &url, name, &source).into_iter().collect();
    }
    if written.is_empty() {
        return only(reader, DEFAULT_UPSTREAM, "the default", &Source::Default).into_iter().collect();
    }
    if let Some(extra) = written.get(UPSTREAMS_MAX) {
        let what = format!("{} upstreams, the limit is {UPSTREAMS_MAX}", written.len());
        reader.problems.push(Problem::new(what).at(extra.span(), "one too many"));
    }
    let placed: Vec<_> =
        written.iter().enumerate().map(|(at, table)| upstream(reader, at, table.get_ref(), table.span())).collect();
    placed.into_iter().flatten().collect()
}

/// The one upstream that is given by its address alone.
fn only(reader: &mut Reader<'_>, url: &str, said_by: &str, source: &Source) -> Option<Placed<UpstreamConfig>> {
    match address::base_url(url) {
        Ok(base) => {
            let name = address::name_of(&base);
            for key in ["name", "base_url"] {
                reader.sources.insert(format!("upstream.0.{key}"), source.clone());
            }
            let proxy = resolve(reader, &ProxySetting::Env, &base, None);
            let value = UpstreamConfig {
                name,
                base,
                api_key: None,
                auth: UpstreamAuth::Bearer,
                proxy_setting: ProxySetting::Env,
                proxy,
                models: Vec::new(),
                priority: DEFAULT_PRIORITY,
                roots: None,
            };
            Some(Placed { value, table: None, name: None, what: None })
        }
        Err(wrong) => {
            let problem = Problem::new(format!("{said_by} {}", wrong.what));
            reader.problems.push(match wrong.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
            None
        }
    }
}

fn upstream(
    reader: &mut Reader<'_>,
    at: usize,
    written: &written::Upstream,
    table: Range<usize>,
) -> Option<Placed<UpstreamConfig>> {
    let path = |key: &str| format!("upstream.{at}.{key}");
    let name = reader.read(&path("name"), &written.name);
    let base = reader.read(&path("base_url"), &written.base_url);
    let api_key = reader.read(&path("api_key"), &written.api_key).map(|at| at.value);
    let auth = reader.read(&path("auth"), &written.auth);
    let proxy = reader.read(&path("proxy"), &written.proxy);
    let models = reader.or(&path("models"), &written.models, Vec::new());
    let priority = reader.or(&path("priority"), &written.priority, DEFAULT_PRIORITY);
    let roots = reader.read(&path("ca_file"), &written.ca_file).and_then(|at| roots(reader, at));
    if written.base_url.raw.is_none() {
        let problem = Problem::new("an upstream has no `base_url`").at(table.clone(), "this one");
        reader.problems.push(problem.hint("add a line such as: base_url = \"https://api.openai.com/v1\""));
    }
    if let Some(auth) = auth.as_ref().filter(|auth| auth.value == UpstreamAuth::ApiKey && written.api_key.raw.is_none())
    {
        let problem = Problem::new("`upstream.auth` has no effect without `api_key`").at(auth.span.clone(), "");
        reader.problems.push(problem.hint("a key that is passed through keeps the header it came in"));
    }
    let base = base?;
    if written.api_key.raw.is_some() && api_key.is_none() {
        // Its key is there, and wrong: it must not be taken for one that passes keys through.
        return None;
    }
    let setting = proxy.as_ref().map_or(ProxySetting::Env, |at| at.value.clone());
    let proxy = resolve(reader, &setting, &base.value, Some(&base.span));
    let named = name.as_ref().map(|at| at.span.clone());
    let value = UpstreamConfig {
        name: name.map_or_else(|| address::name_of(&base.value), |at| at.value),
        base: base.value,
        api_key,
        auth: auth.map_or(UpstreamAuth::Bearer, |at| at.value),
        proxy_setting: setting,
        proxy,
        models,
        priority,
        roots,
    };
    Some(Placed { value, table: Some(table), name: named, what: Some(base.span) })
}

fn resolve(
    reader: &mut Reader<'_>,
    setting: &ProxySetting,
    base: &http::Uri,
    span: Option<&Range<usize>>,
) -> Option<ProxyUrl> {
    match setting {
        ProxySetting::None => None,
        ProxySetting::Url(proxy) => Some(proxy.clone()),
        ProxySetting::Env => proxy::from_environment(&Origin::of(base), reader.expansion.env).unwrap_or_else(|error| {
            let (variable, why) = error;
            let problem = Problem::new(format!("the proxy in {variable} cannot be used: {why}"));
            let problem = problem.maybe_at(span, "to be reached through it");
            reader.problems.push(problem.hint("set `proxy = \"none\"` to go without, or give an http:// proxy there"));
            None
        }),
    }
}

fn roots(reader: &mut Reader<'_>, at: At<PathBuf>) -> Option<Roots> {
    let path = reader.expansion.folder.join(&at.value);
    match certificates(&path) {
        Ok(pem) => Some(Roots { path, pem }),
        Err(why) => {
            let what = format!("`upstream.ca_file` cannot be used: {why}");
            reader.problems.push(Problem::new(what).at(at.span, ""));
            None
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| reason(&error))?;
    let mut pem = Vec::new();
    file.take(CA_BYTES_MAX + 1).read_to_end(&mut pem).map_err(|error| reason(&error))?;
    if pem.len() as u64 > CA_BYTES_MAX {
        return Err(format!("it is larger than {}", units::show_size(CA_BYTES_MAX)));
    }
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Err("there is no PEM certificate in it".into());
    }
    Ok(pem)
}
