//! From `[[upstream]]` to what is in force: where requests may go, and with which credentials.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use seawall_core::plan::route::UPSTREAMS_MAX;
use toml::Spanned;

use super::address::{self, Origin};
use super::check::Placed;
use super::diagnose::Problem;
use super::expand::reason;
use super::proxy::{self, ProxySetting, ProxyUrl};
use super::read::{At, Reader, Source};
use super::secret::Secret;
use super::status_page::{self, StatusPage, StatusPageSetting};
use super::{Overrides, Roots, UpstreamAuth, UpstreamConfig, pattern, units, written};

/// The largest `ca_file`, in bytes: all public roots together are a tenth of it.
const CA_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// In front of what the gateway is when nobody says anything.
const DEFAULT_UPSTREAM: &str = "https://api.openai.com/v1";
const DEFAULT_PRIORITY: u32 = 1;
const DEFAULT_WEIGHT: u32 = 1;

/// The upstreams that could be read.
pub(super) struct Upstreams {
    pub(super) list: Vec<Placed<UpstreamConfig>>,
    /// Whether there is no other that is written and could not be read.
    pub(super) is_whole: bool,
    /// What replaced those of the file: `--upstream`, `SEAWALL_UPSTREAM`.
    pub(super) replaced_by: Option<&'static str>,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    written: &[Spanned<written::Upstream>],
    overrides: &Overrides,
) -> Upstreams {
    let flag = overrides.upstream.clone().map(|url| (url, "--upstream", Source::Flag("--upstream")));
    let variable = || {
        let url = reader.expansion.env.text("SEAWALL_UPSTREAM")?;
        Some((url, "SEAWALL_UPSTREAM", Source::Env("SEAWALL_UPSTREAM")))
    };
    if let Some((url, name, source)) = flag.or_else(variable) {
        let only = only(reader, &url, name, &source);
        return Upstreams { is_whole: only.is_some(), list: only.into_iter().collect(), replaced_by: Some(name) };
    }
    if written.is_empty() {
        let only = only(reader, DEFAULT_UPSTREAM, "the default", &Source::Default);
        return Upstreams { is_whole: only.is_some(), list: only.into_iter().collect(), replaced_by: None };
    }
    if let Some(extra) = written.get(UPSTREAMS_MAX) {
        let what = format!("{} upstreams, the limit is {UPSTREAMS_MAX}", written.len());
        reader.problems.push(Problem::new(what).at(extra.span(), "one too many"));
    }
    let placed: Vec<_> =
        written.iter().enumerate().map(|(at, table)| upstream(reader, at, table.get_ref(), table.span())).collect();
    let list: Vec<_> = placed.into_iter().flatten().collect();
    Upstreams { is_whole: list.len() == written.len(), list, replaced_by: None }
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
            let status_page = page(reader, &StatusPageSetting::Known, &ProxySetting::Env, &base, None);
            let value = UpstreamConfig {
                name,
                base,
                api_keys: Vec::new(),
                auth: UpstreamAuth::Bearer,
                proxy_setting: ProxySetting::Env,
                proxy,
                models: Vec::new(),
                model_map: Vec::new(),
                priority: DEFAULT_PRIORITY,
                weight: DEFAULT_WEIGHT,
                roots: None,
                status_page_setting: StatusPageSetting::Known,
                status_page,
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
    let api_keys = keys(reader, at, written);
    let auth = reader.read(&path("auth"), &written.auth);
    let proxy = reader.read(&path("proxy"), &written.proxy);
    let models = reader.read(&path("models"), &written.models);
    let model_map = reader.or(&path("model_map"), &written.model_map, Vec::new());
    let priority = reader.or(&path("priority"), &written.priority, DEFAULT_PRIORITY);
    let weight = reader.or(&path("weight"), &written.weight, DEFAULT_WEIGHT);
    let written_page = reader.read(&path("status_page"), &written.status_page);
    let roots = reader.read(&path("ca_file"), &written.ca_file).and_then(|at| roots(reader, "upstream.ca_file", at));
    if written.base_url.raw.is_none() {
        let problem = Problem::new("an upstream has no `base_url`").at(table.clone(), "this one");
        reader.problems.push(problem.hint("add a line such as: base_url = \"https://api.openai.com/v1\""));
    }
    let has_key = written.api_key.raw.is_some() || written.api_keys.raw.is_some();
    if let Some(auth) = auth.as_ref().filter(|auth| auth.value == UpstreamAuth::ApiKey && !has_key) {
        let problem = Problem::new("`upstream.auth` has no effect without `api_key`").at(auth.span.clone(), "");
        reader.problems.push(problem.hint("a key that is passed through keeps the header it came in"));
    }
    let models = models.map(plain).unwrap_or_default();
    never_mapped(reader, &models, &model_map);
    // If a key is there, and wrong, it must not be taken for one that passes keys through.
    let (base, api_keys) = (base?, api_keys?);
    let setting = proxy.as_ref().map_or(ProxySetting::Env, |at| at.value.clone());
    let proxy = resolve(reader, &setting, &base.value, Some(&base.span));
    let page_setting = written_page.as_ref().map_or(StatusPageSetting::Known, |at| at.value.clone());
    let status_page = page(reader, &page_setting, &setting, &base.value, written_page.as_ref().map(|at| &at.span));
    let named = name.as_ref().map(|at| at.span.clone());
    let value = UpstreamConfig {
        name: name.map_or_else(|| address::name_of(&base.value), |at| at.value),
        base: base.value,
        api_keys,
        auth: auth.map_or(UpstreamAuth::Bearer, |at| at.value),
        proxy_setting: setting,
        proxy,
        models,
        model_map: model_map.into_iter().map(|(asked, sent)| (asked, sent.into_inner())).collect(),
        priority,
        weight,
        roots,
        status_page_setting: page_setting,
        status_page,
    };
    Some(Placed { value, table: Some(table), name: named, what: Some(base.span) })
}

/// Its own keys, none if it has none; `None` if what is written for them cannot be used.
fn keys(reader: &mut Reader<'_>, at: usize, written: &written::Upstream) -> Option<Vec<Secret>> {
    let one = reader.read(&format!("upstream.{at}.api_key"), &written.api_key);
    let many = reader.read(&format!("upstream.{at}.api_keys"), &written.api_keys);
    if let (Some(one), Some(many)) = (&written.api_key.raw, &written.api_keys.raw) {
        let problem = Problem::new("an upstream has both `api_key` and `api_keys`").at(many.span(), "");
        let hint = "one or the other: move the single key into the list, or take the list out";
        reader.problems.push(problem.see(Some(&one.span()), "").hint(hint));
        return None;
    }
    match (&written.api_key.raw, &written.api_keys.raw) {
        (Some(_), _) => one.map(|at| vec![at.value]),
        (_, Some(_)) => many.and_then(|at| distinct(reader, at.value)),
        (None, None) => Some(Vec::new()),
    }
}

fn distinct(reader: &mut Reader<'_>, keys: Vec<Spanned<Secret>>) -> Option<Vec<Secret>> {
    let before = reader.problems.len();
    for (at, key) in keys.iter().enumerate() {
        let is_same = |other: &&Spanned<Secret>| other.get_ref().expose() == key.get_ref().expose();
        if let Some(first) = keys[..at].iter().find(is_same) {
            let problem = Problem::new("`upstream.api_keys` has the same key twice").at(key.span(), "the same again");
            let hint = "a second key is there for when the first is refused: list each once";
            reader.problems.push(problem.see(Some(&first.span()), "the first").hint(hint));
        }
    }
    (reader.problems.len() == before).then(|| keys.into_iter().map(Spanned::into_inner).collect())
}

/// Finds other names for models that are never asked for here.
fn never_mapped(reader: &mut Reader<'_>, models: &[String], map: &[(String, Spanned<String>)]) {
    for (asked, sent) in map.iter().filter(|(asked, _)| !pattern::serves(models, asked)) {
        let what = format!("`upstream.model_map` has a name for \"{asked}\", which `models` leave out");
        let hint = "`models` are the names that callers ask for: add it there, or take it out of the map";
        reader.problems.push(Problem::new(what).at(sent.span(), "never used").hint(hint));
    }
}

/// Names without their places.
pub(super) fn plain(list: At<Vec<Spanned<String>>>) -> Vec<String> {
    list.value.into_iter().map(Spanned::into_inner).collect()
}

/// What stands between the gateway and `base`, as `setting` says.
pub(super) fn resolve(
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

/// The status page of an upstream at `base`, and the way there. One that is only known is left out where
/// the environment's proxy for it cannot be used: nobody asked for it.
fn page(
    reader: &mut Reader<'_>,
    setting: &StatusPageSetting,
    proxy: &ProxySetting,
    base: &http::Uri,
    span: Option<&Range<usize>>,
) -> Option<StatusPage> {
    match setting {
        StatusPageSetting::Off => None,
        StatusPageSetting::At(url) => Some(StatusPage { url: url.clone(), proxy: resolve(reader, proxy, url, span) }),
        StatusPageSetting::Known => {
            let url = status_page::known(Origin::of(base).host())?;
            let proxy = match proxy {
                ProxySetting::None => None,
                ProxySetting::Url(proxy) => Some(proxy.clone()),
                ProxySetting::Env => proxy::from_environment(&Origin::of(&url), reader.expansion.env).ok()?,
            };
            Some(StatusPage { url, proxy })
        }
    }
}

/// The certificates in the file that `key` names.
pub(super) fn roots(reader: &mut Reader<'_>, key: &str, at: At<PathBuf>) -> Option<Roots> {
    let path = reader.expansion.folder.join(&at.value);
    match certificates(&path) {
        Ok(pem) => Some(Roots { path, pem }),
        Err(why) => {
            let what = format!("`{key}` cannot be used: {why}");
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
