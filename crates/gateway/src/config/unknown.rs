//! Keys that do not exist, and tables of the wrong form: found before anything is read, all of
//! them, each with the key that was probably meant.
//!
//! A misspelt limit that is silently ignored is a limit that does not hold.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnose::Problem;
use super::schema::{self, Shape};

/// What other programs call some of the keys.
const OTHER_NAMES: [(&str, &str); 27] = [
    ("max_retries", "max_attempts"),
    ("retries", "max_attempts"),
    ("attempts", "max_attempts"),
    ("url", "base_url"),
    ("endpoint", "base_url"),
    ("key", "api_key"),
    ("apikey", "api_key"),
    ("keys", "api_keys"),
    ("fallback", "fallback_models"),
    ("fallbacks", "fallback_models"),
    ("aliases", "model_map"),
    ("bind", "listen"),
    ("address", "listen"),
    ("addr", "listen"),
    ("port", "listen"),
    ("max_delay", "cap"),
    ("initial_delay", "base"),
    ("retention", "keep"),
    ("ca", "ca_file"),
    ("max_connections", "connections_max"),
    ("severity", "min_severity"),
    ("webhook_url", "url"),
    ("routing_key", "secret"),
    ("integration_key", "secret"),
    ("repeat_interval", "remind_every"),
    ("min_failures", "failures_min"),
    ("threshold", "rate"),
];

/// What one may look for and does not find, and why.
const FIXED: [(&str, &str); 1] = [(
    "incident.window",
    "the window is five minutes, and fixed: `rate` and `failures_min` say how much of it is an incident",
)];

/// A string under an unknown key that is at least this long may be a credential.
const MASKED_FROM: usize = 16;

/// Removes from `document` what the configuration does not have, and tells about each.
pub(super) fn remove(document: &mut DeTable<'_>) -> Vec<Problem> {
    let whole = schema::shape();
    let mut search = Search { whole: &whole, problems: Vec::new() };
    if let Some(keys) = whole.below() {
        search.table(document, keys, "");
    }
    search.problems
}

struct Search<'a> {
    whole: &'a Shape,
    problems: Vec<Problem>,
}

impl Search<'_> {
    fn table(&mut self, table: &mut DeTable<'_>, keys: &BTreeMap<String, Shape>, path: &str) {
        let mut unfit = Vec::new();
        for (key, value) in table.iter_mut() {
            let name: &str = key.get_ref();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let stays = match keys.get(name) {
                Some(shape) => self.fits(value, shape, &path, key.span()),
                None => self.unknown(name, key.span(), value, keys, &path),
            };
            if !stays {
                unfit.push(name.to_owned());
            }
        }
        for name in unfit {
            table.remove(name.as_str());
        }
    }

    /// Whether `value` has the form that the key asks for; looks below it.
    fn fits(&mut self, value: &mut Spanned<DeValue<'_>>, shape: &Shape, path: &str, key: Range<usize>) -> bool {
        let noun = value.get_ref().type_str();
        match (shape, value.get_mut()) {
            (Shape::Value, _) => return true,
            (Shape::Table(keys), DeValue::Table(table)) => {
                self.table(table, keys, path);
                return true;
            }
            (Shape::Tables(keys), DeValue::Array(list)) if list.iter().all(|item| item.get_ref().is_table()) => {
                for item in list.iter_mut() {
                    if let DeValue::Table(table) = item.get_mut() {
                        self.table(table, keys, path);
                    }
                }
                return true;
            }
            _ => {}
        }
        let article = if noun.starts_with(['a', 'i']) { "an" } else { "a" };
        let (form, hint) = match shape {
            Shape::Tables(_) => (format!("[[{path}]]"), "two brackets on each side: there can be several"),
            _ => (format!("[{path}]"), "one bracket on each side: there is only one"),
        };
        let problem =
            Problem::new(format!("`{path}` must be written as {form}")).at(key, format!("this is {article} {noun}"));
        let brackets = matches!(noun, "table" | "array");
        self.problems.push(if brackets { problem.hint(hint) } else { problem });
        false
    }

    /// Tells about a key that does not exist, and so does not stay.
    fn unknown(
        &mut self,
        name: &str,
        key: Range<usize>,
        value: &Spanned<DeValue<'_>>,
        keys: &BTreeMap<String, Shape>,
        path: &str,
    ) -> bool {
        let table = path.rsplit_once('.').map_or("", |(table, _)| table);
        let what = if table.is_empty() {
            format!("unknown key `{name}`")
        } else {
            format!("unknown key `{name}` in {}", header(self.whole, table))
        };
        let mut problem = Problem::new(what).at(key, "");
        let fixed = FIXED.iter().find(|(known, _)| *known == path).map(|(_, why)| (*why).to_owned());
        if let Some(hint) = fixed.or_else(|| self.hint(name, keys)) {
            problem = problem.hint(hint);
        }
        if may_be_secret(value.get_ref()) {
            problem = problem.mask(value.span());
        }
        self.problems.push(problem);
        false
    }

    fn hint(&self, name: &str, keys: &BTreeMap<String, Shape>) -> Option<String> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let other = OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, ours)| *ours);
        if let Some(ours) = other.filter(|ours| keys.contains_key(*ours)) {
            let note = if ours == "max_attempts" { ", which counts the first attempt too" } else { "" };
            return Some(format!("did you mean `{ours}`{note}?"));
        }
        if let Some(near) = nearest(&name, keys.keys().map(String::as_str)) {
            return Some(format!("did you mean `{near}`?"));
        }
        let homes = homes(self.whole, other.unwrap_or(&name));
        if !homes.is_empty() {
            return Some(format!("`{}` belongs in {}", other.unwrap_or(&name), homes.join(" or ")));
        }
        let all = keys.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        Some(format!("the keys here are {all}"))
    }
}

/// Whether it is a credential under a misspelt key, as far as its length tells.
fn may_be_secret(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => text.len() >= MASKED_FROM,
        DeValue::Array(list) => list.iter().any(|item| may_be_secret(item.get_ref())),
        _ => false,
    }
}

/// The tables that have a key called `name`, as they are written; the seven classes count once.
fn homes(whole: &Shape, name: &str) -> Vec<String> {
    fn walk(shape: &Shape, header: &str, name: &str, found: &mut Vec<String>) {
        let Some(below) = shape.below() else { return };
        for (key, shape) in below {
            let inner = match header {
                "" => key.clone(),
                "retry.class" => "retry.class.…".into(),
                outer => format!("{outer}.{key}"),
            };
            if key == name && !header.is_empty() {
                found.push(header.to_owned());
            }
            walk(shape, &inner, name, found);
        }
    }
    let mut found = Vec::new();
    walk(whole, "", name, &mut found);
    found.dedup();
    found.iter().map(|path| header(whole, path)).collect()
}

/// A table as it is written: `[retry]`, `[[upstream]]`.
fn header(whole: &Shape, path: &str) -> String {
    match whole.below().and_then(|keys| keys.get(path)) {
        Some(Shape::Tables(_)) => format!("[[{path}]]"),
        _ => format!("[{path}]"),
    }
}

/// The candidate that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in a short word, two in a long one: beyond that a guess confuses more than it helps.
    let slips = if name.chars().count() < 6 { 1 } else { 2 };
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_made_for_slips_only() {
        let names = ["max_attempts", "cap", "base", "jitter"];
        for (name, guess) in [
            ("max_attempt", Some("max_attempts")),
            ("max_atempst", Some("max_attempts")),
            ("cpa", Some("cap")),
            ("jiter", Some("jitter")),
            ("attempts", None),
            ("speed", None),
        ] {
            assert_eq!(nearest(name, names.into_iter()), guess, "{name}");
        }
    }

    #[test]
    fn every_other_name_leads_to_a_key_that_exists() {
        let paths = schema::paths();
        for (_, ours) in OTHER_NAMES {
            assert!(paths.iter().any(|path| path.rsplit('.').next() == Some(ours)), "{ours}");
        }
    }
}
