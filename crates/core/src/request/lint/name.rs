//! Names of tools: which may be, where they stand, and how one is made of another that may not.
//!
//! A tool that is renamed where it is defined and not where it is called is a new fault. So a new name
//! goes to every place of the document at once, and is one that no other tool has.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::look::{At, Look};
use super::rule::{Rule, calls, tools};
use super::tree::Value;
use super::wording::{shown, too_long};
use super::{Edit, Fix, Severity, Target, edit};

/// The longest name of a tool in Chat, in characters.
pub(super) const CHAT_MAX: usize = 64;
/// The same in Responses, and at Anthropic.
pub(super) const RESPONSES_MAX: usize = 128;

/// Whether a name has no characters but those that it may have.
pub(super) fn is_legal(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The longest name that the target takes.
fn most(look: &Look) -> usize {
    match look.target {
        Target::AnthropicCompat => RESPONSES_MAX,
        _ if look.is_responses() => RESPONSES_MAX,
        _ => CHAT_MAX,
    }
}

/// By the name that may not be: what it becomes, and where it stands.
type Renames<'t> = BTreeMap<Cow<'t, str>, (String, Vec<Value<'t>>)>;

/// Every place of a document where a tool is named.
#[derive(Debug)]
pub(super) struct Names<'t> {
    sites: Vec<Value<'t>>,
    renames: OnceCell<Renames<'t>>,
}

impl<'t> Names<'t> {
    pub(super) fn of(sites: Vec<Value<'t>>) -> Self {
        Names { sites, renames: OnceCell::new() }
    }

    /// The fix that renames `name` everywhere.
    fn fix(&self, look: &Look, name: &str) -> Option<Fix> {
        let (new, sites) = self.renames.get_or_init(|| self.renames(most(look))).get(name)?;
        let edits: Vec<Edit> = sites.iter().map(|site| edit::replace(site.span(), format!("\"{new}\""))).collect();
        Some(Fix { title: format!("rename to {new}"), edits })
    }

    fn renames(&self, most: usize) -> Renames<'t> {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut found: BTreeMap<Cow<'t, str>, Vec<Value<'t>>> = BTreeMap::new();
        let mut order = Vec::new();
        for site in &self.sites {
            let Some(name) = site.text().filter(|name| !name.is_empty()) else { continue };
            if is_legal(&name) && name.len() <= most {
                taken.insert(name.into_owned());
                continue;
            }
            let sites = found.entry(name.clone()).or_default();
            if sites.is_empty() {
                order.push(name);
            }
            sites.push(*site);
        }
        let mut renames = BTreeMap::new();
        for name in order {
            let new = renamed(&name, most, &taken);
            taken.insert(new.clone());
            let mut sites = found.remove(&name).unwrap_or_default();
            sites.sort_by_key(|site| site.span().start);
            renames.insert(name, (new, sites));
        }
        renames
    }
}

/// A name that may be, as near to `name` as it gets and not taken.
fn renamed(name: &str, most: usize, taken: &BTreeSet<String>) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let base: String = name.chars().take(most).map(legal).collect();
    if !taken.contains(&base) {
        return base;
    }
    let numbered = |number: usize| {
        let end = format!("_{number}");
        format!("{}{end}", &base[..base.len().min(most - end.len())])
    };
    (2..).map(numbered).find(|name| !taken.contains(name)).unwrap_or(base)
}

/// Looks at the name of a tool, where it is defined.
pub(super) fn look_at<'t>(look: &mut Look, names: &Names<'t>, inner: Value<'t>, is_foreign: bool) {
    let field = inner.field("name");
    let Some((field, name)) = field.and_then(|field| Some((field, field.text().filter(|name| !name.is_empty())?)))
    else {
        let path = format!("{}.name", look.paths.of(inner));
        look.say(&tools::NAME_MISSING, Severity::Error, At::Value(field.unwrap_or(inner)), |said| {
            let (is, reply) = match field {
                None => ("has no name", format!("Missing required parameter: '{path}'.")),
                Some(field) if field.is_string() => ("has an empty name", format!("Invalid '{path}': empty string. Expected a string with minimum length 1, but got an empty string instead.")),
                Some(_) => ("has a name that is no string", format!("Invalid type for '{path}': expected a string.")),
            };
            said.message = format!("the tool {is}");
            said.reply = Some(reply);
        });
        return;
    };
    let is_of_gemini = |c: char| matches!(c, '.' | ':') || is_legal(c.encode_utf8(&mut [0; 4]));
    let length = if is_foreign { Severity::Warning } else { Severity::Error };
    let characters = match look.target {
        Target::GeminiCompat if name.chars().all(is_of_gemini) => Severity::Warning,
        _ => length,
    };
    check(look, names, field, &name, (&tools::NAME_CHARACTERS, characters), (&tools::NAME_LENGTH, length));
}

/// Looks at the name of a call in the conversation.
pub(super) fn look_at_call<'t>(look: &mut Look, names: &Names<'t>, inner: Value<'t>) {
    let Some(field) = inner.field("name") else { return };
    let Some(name) = field.text() else { return };
    let severity = look.error_at_openai();
    check(look, names, field, &name, (&calls::NAME, severity), (&calls::NAME, severity));
}

fn check<'t>(
    look: &mut Look,
    names: &Names<'t>,
    field: Value<'t>,
    name: &str,
    characters: (&'static Rule, Severity),
    length: (&'static Rule, Severity),
) {
    let most = most(look);
    if is_legal(name) && name.len() <= most {
        return;
    }
    let path = look.paths.of(field);
    let fix = |look: &Look| names.fix(look, name);
    if !is_legal(name) {
        let fix = fix(look);
        look.say(characters.0, characters.1, At::Value(field), |said| {
            said.message = format!("the name \"{}\" has characters other than letters, digits, _ and -", shown(name));
            said.reply = Some(format!(
                "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            ));
            said.fix = fix;
        });
    }
    if let Some(count) = field.longer_than(most) {
        let fix = fix(look);
        look.say(length.0, length.1, At::Value(field), |said| {
            said.message = format!("the name has {count} characters, limit {most}");
            said.reply = Some(too_long(&path, most, count));
            said.fix = fix;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_is_legal_near_and_not_taken() {
        let taken: BTreeSet<String> = ["get_weather", "get_weather_2", &"x".repeat(64)].map(str::to_owned).into();
        assert_eq!(renamed("get weather", 64, &BTreeSet::new()), "get_weather");
        assert_eq!(renamed("get.weather", 64, &taken), "get_weather_3");
        assert_eq!(renamed(&"x".repeat(65), 64, &taken), format!("{}_2", "x".repeat(62)));
        assert_eq!(renamed("wétter 天", 64, &taken), "w_tter__");
    }
}
