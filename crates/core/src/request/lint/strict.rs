//! The subset of JSON Schema that a strict schema may use.
//!
//! What can be mended as OpenAI's own SDK does before it sends a schema has a fix: all properties
//! required, additionalProperties false, one allOf merged, `default: null` dropped, a `$ref` with
//! siblings put in. Everything else changes what the schema says, and is left to its author.

use std::borrow::Cow;

use super::join;
use super::look::{At, Look};
use super::reference;
use super::rule::strict as rules;
use super::setting::{Setting, Spot};
use super::total::Totals;
use super::tree::{Form, Value};
use super::wording::{counted, shown};
use super::words::{Word, Words};
use super::{Fix, Severity, Target, edit};

/// Branches of one anyOf whose first keys are compared.
const BRANCHES_MAX: usize = 64;

const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

const REFUSED: [Word; 8] = [
    Word::AllOf,
    Word::OneOf,
    Word::Not,
    Word::DependentRequired,
    Word::DependentSchemas,
    Word::If,
    Word::Then,
    Word::Else,
];

const FINE_TUNED: [Word; 10] = [
    Word::MinLength,
    Word::MaxLength,
    Word::Pattern,
    Word::Format,
    Word::Minimum,
    Word::Maximum,
    Word::MultipleOf,
    Word::PatternProperties,
    Word::MinItems,
    Word::MaxItems,
];

/// Looks at one part of a strict schema.
pub(super) fn look<'t>(
    look: &mut Look,
    setting: &Setting<'t>,
    schema: Value<'t>,
    words: &Words<'t>,
    spot: Spot,
    totals: &mut Totals<'t>,
) {
    totals.add(look, schema, words, spot);
    let severity = look.error_at_openai();
    keywords(look, setting, schema, words, spot);
    if let Some(properties) = words.of(Word::Properties) {
        required(look, setting, schema, properties, words.of(Word::Required));
    }
    if words.types.has("object") || words.has(Word::Properties) {
        additional(look, setting, schema);
    }
    if let Some(format) = words.of(Word::Format)
        && !FORMATS.iter().any(|known| format.is_text(known))
    {
        look.say(&rules::FORMAT, severity, At::Value(format), |said| {
            said.message = "the format is none that a strict schema may have".to_owned();
            said.reply = Some(setting.reply_at(schema, "… is not a valid format."));
        });
    }
    if look.is_fine_tuned {
        for (word, value) in FINE_TUNED.into_iter().filter_map(|word| Some((word, words.of(word)?))) {
            look.say(&rules::FINE_TUNED, severity, At::Key(value), |said| {
                said.message = format!("fine-tuned models do not take {} in a strict schema", word.name());
                said.reply = Some(setting.reply_at(schema, &format!("'{}' is not permitted.", word.name())));
            });
        }
    }
    if let Some(branches) = words.of(Word::AnyOf) {
        first_keys(look, branches);
    }
}

/// Keywords that are not in the subset, and `default`.
fn keywords<'t>(look: &mut Look, setting: &Setting<'t>, schema: Value<'t>, words: &Words<'t>, spot: Spot) {
    let severity = look.error_at_openai();
    for (word, value) in REFUSED.into_iter().filter_map(|word| Some((word, words.of(word)?))) {
        // At the root another rule has told of them.
        if spot.is_root && matches!(word, Word::AllOf | Word::OneOf | Word::Not) {
            continue;
        }
        look.say(&rules::KEYWORD, severity, At::Key(value), |said| {
            said.message = format!("a strict schema must not have {}", word.name());
            said.reply = Some(setting.reply_at(schema, &format!("'{}' is not permitted.", word.name())));
            if word == Word::AllOf {
                said.fix = merged(schema, value);
            }
        });
    }
    let Some(default) = words.of(Word::Default) else { return };
    let severity = if look.target == Target::Azure { Severity::Error } else { Severity::Warning };
    look.say(&rules::DEFAULT, severity, At::Key(default), |said| {
        said.message = "a strict schema should not have default".to_owned();
        said.reply = Some(setting.reply_at(schema, "'default' is not permitted."));
        if default.is_null() {
            said.fix = edit::remove(default).map(|edit| edit::one("remove \"default\": null", edit));
        }
    });
}

/// The fix that puts the one schema of an allOf in its place.
pub(super) fn merged(schema: Value<'_>, all_of: Value<'_>) -> Option<Fix> {
    let only = all_of.elements().next().filter(|only| all_of.len() == 1 && only.is_object())?;
    join::put_in("merge the only schema of allOf", schema, all_of, only)
}

fn required<'t>(
    look: &mut Look,
    setting: &Setting<'t>,
    schema: Value<'t>,
    properties: Value<'t>,
    required: Option<Value<'t>>,
) {
    let severity = look.error_at_openai();
    if required.is_none() && schema.field("required").is_some() {
        return; // It is no array of names, and another rule has told of it.
    }
    let rule = "'required' is required to be supplied and to be an array including every key in properties.";
    if let Some(required) = required {
        each_unknown(properties, required, |name| {
            look.say(&rules::REQUIRED_UNKNOWN, severity, At::Value(name), |said| {
                let name = shown(&name.text().unwrap_or_default());
                said.message = format!("required names \"{name}\", which properties does not have");
                let extra = format!("{rule} Extra required key '{name}' supplied.");
                said.reply = Some(setting.reply_at(schema, &extra));
            });
        });
    }
    let mut missing = absent(properties, required);
    // Of a key that is there twice the last one counts, and it is named once.
    if missing.len() < properties.len() || missing.len() > 1 {
        let mut seen = std::collections::BTreeSet::new();
        missing.retain(|property| seen.insert(property.key()));
    }
    let Some(first) = missing.first() else { return };
    look.say(&rules::REQUIRED, severity, At::Value(required.unwrap_or(schema)), |said| {
        let name = shown(&first.key());
        let rest = if missing.len() > 1 { format!(" and {} more", counted(missing.len() - 1)) } else { String::new() };
        said.message = format!("required must name every property, and \"{name}\"{rest} is not there");
        said.reply = Some(setting.reply_at(schema, &format!("{rule} Missing '{name}'.")));
        let keys: Option<Vec<_>> = missing.iter().map(|property| edit::written_key(*property)).collect();
        let edit = keys.and_then(|keys| match required {
            Some(required) => edit::insert_elements(required, &keys),
            None => edit::insert_member(schema, "\"required\"", &edit::list(schema, &keys)?),
        });
        said.fix = edit.map(|edit| edit::one("require every property", edit));
    });
}

/// Lists whose product is not above this are compared one by one.
const PAIRS_FEW: usize = 256;

/// The properties that `required` does not name.
fn absent<'t>(properties: Value<'t>, required: Option<Value<'t>>) -> Vec<Value<'t>> {
    let Some(required) = required else { return properties.members().collect() };
    if properties.len() * required.len() <= PAIRS_FEW {
        let is_named = |property: &Value<'t>| required.elements().any(|name| property.is_named(name));
        return properties.members().filter(|property| !is_named(property)).collect();
    }
    let named = Names::of(required.elements().filter_map(Value::text));
    properties.members().filter(|property| !named.has(&property.key())).collect()
}

/// Each name of `required` that `properties` does not have.
pub(super) fn each_unknown<'t>(properties: Value<'t>, required: Value<'t>, mut each: impl FnMut(Value<'t>)) {
    if properties.len() * required.len() <= PAIRS_FEW {
        let is_known = |name: &Value<'t>| properties.members().any(|property| property.is_named(*name));
        required.elements().filter(|name| !is_known(name)).for_each(each);
        return;
    }
    let known = Names::of(properties.members().map(Value::key));
    for name in required.elements() {
        if name.text().is_some_and(|text| !known.has(&text)) {
            each(name);
        }
    }
}

/// Names to look up: in order, so that many are found as quickly as few.
struct Names<'t>(Vec<Cow<'t, str>>);

impl<'t> Names<'t> {
    fn of(names: impl Iterator<Item = Cow<'t, str>>) -> Self {
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        Names(names)
    }

    fn has(&self, name: &str) -> bool {
        self.0.binary_search_by(|own| (**own).cmp(name)).is_ok()
    }
}

fn additional<'t>(look: &mut Look, setting: &Setting<'t>, schema: Value<'t>) {
    let additional = schema.field("additionalProperties");
    if additional.and_then(Value::boolean) == Some(false) {
        return;
    }
    if let Some(value) = additional
        && !matches!(value.form(), Form::True | Form::Object)
    {
        return; // It is no schema, and another rule has told of it.
    }
    let severity = look.error_at_openai();
    look.say(&rules::ADDITIONAL, severity, At::Value(additional.unwrap_or(schema)), |said| {
        let is = if additional.is_some() { "something else" } else { "missing" };
        said.message = format!("additionalProperties must be false, and is {is}");
        said.reply =
            Some(setting.reply_at(schema, "'additionalProperties' is required to be supplied and to be false."));
        if additional.is_none() {
            said.fix = edit::insert_member(schema, "\"additionalProperties\"", "false")
                .map(|edit| edit::one("add \"additionalProperties\": false", edit));
        }
    });
}

/// Objects that anyOf chooses from and that begin alike, unless a constant tells them apart.
fn first_keys(look: &mut Look, branches: Value<'_>) {
    let mut seen: Vec<(Cow<'_, str>, bool)> = Vec::new();
    for branch in branches.elements().take(BRANCHES_MAX) {
        let Some(first) = branch.object("properties").and_then(|properties| properties.members().next()) else {
            continue;
        };
        let (key, is_constant) = (first.key(), first.field("const").is_some() || first.field("enum").is_some());
        if seen.iter().any(|(other, constant)| *other == key && !(*constant && is_constant)) {
            look.say(&rules::ANY_OF_KEYS, Severity::Warning, At::Key(first), |said| {
                said.message = format!("another object of this anyOf begins with \"{}\" too", shown(&key));
                said.reply = Some("Objects provided via 'anyOf' must not share identical first keys.".to_owned());
            });
        }
        seen.push((key, is_constant));
    }
}

/// A `$ref` with keywords beside it.
pub(super) fn siblings<'t>(
    look: &mut Look,
    setting: &Setting<'t>,
    schema: Value<'t>,
    reference: Value<'t>,
    target: Value<'t>,
    steps: &mut usize,
) {
    let beside = schema.members().find(|member| !member.is_key("$ref")).map(Value::key).unwrap_or_default();
    let severity = look.error_at_openai();
    let is_fixable = look.is_inlining && target.is_object();
    look.say(&rules::REF_SIBLINGS, severity, At::Value(reference), |said| {
        said.message = format!("a $ref in a strict schema stands alone, and here is \"{}\" beside it", shown(&beside));
        said.reply = Some(setting.reply_at(schema, &format!("$ref cannot have keywords {{'{}'}}.", shown(&beside))));
        if is_fixable && reference::is_finite(setting.root, schema, target, steps) {
            said.fix = join::put_in("put in what $ref points at", schema, reference, target);
        }
    });
}
