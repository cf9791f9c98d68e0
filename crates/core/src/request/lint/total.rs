//! What a strict schema may have in all: properties, levels, characters, enum values.

use super::Severity;
use super::look::{At, Look};
use super::rule::{Rule, strict as rules};
use super::setting::{Setting, Spot};
use super::tree::Value;
use super::wording::counted;
use super::words::{Word, Words};

/// Properties of a whole schema.
pub(super) const PROPERTIES_MAX: usize = 5_000;
/// Levels of objects.
pub(super) const LEVELS_MAX: usize = 10;
/// Characters of names, enum and const in a whole schema.
pub(super) const CHARACTERS_MAX: usize = 120_000;
/// Enum values of a whole schema.
pub(super) const ENUM_VALUES_MAX: usize = 1_000;
/// Characters of one enum of strings that has more than [`ENUM_LARGE`] values.
pub(super) const ENUM_CHARACTERS_MAX: usize = 15_000;
/// See [`ENUM_CHARACTERS_MAX`].
pub(super) const ENUM_LARGE: usize = 250;
/// What is counted over a whole schema.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals<'t> {
    properties: usize,
    characters: usize,
    enum_values: usize,
    /// The first part that is too deep, with its levels of objects and of all.
    too_deep: Option<(Value<'t>, usize, usize)>,
}

impl<'t> Totals<'t> {
    /// Reports what is too much in all.
    pub(super) fn look(self, look: &mut Look, setting: &Setting<'t>) {
        let root = setting.root;
        let severity = look.error_at_openai();
        let mut say = |rule: &'static Rule, count: usize, most: usize, what: &str| {
            if count > most {
                look.say(rule, severity, At::Value(root), |said| {
                    said.message = format!("the schema has {} {what}, limit {}", counted(count), counted(most));
                });
            }
        };
        say(&rules::PROPERTIES, self.properties, PROPERTIES_MAX, "properties");
        say(&rules::CHARACTERS, self.characters, CHARACTERS_MAX, "characters of names and values");
        say(&rules::ENUM_VALUES, self.enum_values, ENUM_VALUES_MAX, "enum values");
        let Some((part, objects, levels)) = self.too_deep else { return };
        // The root may or may not count; arrays may or may not. What is too deep either way is an error.
        let severity = if objects > LEVELS_MAX + 1 { severity } else { Severity::Warning };
        look.say(&rules::NESTING, severity, At::Value(part), |said| {
            said.message = format!("nested {levels} levels deep, limit {LEVELS_MAX}; {objects} of them are objects");
            said.reply = Some(setting.reply(&format!("{levels} levels of nesting exceeds limit of {LEVELS_MAX}.")));
        });
    }

    /// Counts what one part of the schema adds.
    pub(super) fn add(&mut self, look: &mut Look, schema: Value<'t>, words: &Words<'t>, spot: Spot) {
        let names = |value: Value<'t>| value.members().map(|name| name.key().chars().count()).sum::<usize>();
        if let Some(properties) = words.of(Word::Properties) {
            self.properties += properties.len();
            self.characters += names(properties);
        }
        self.characters +=
            [Word::Defs, Word::Definitions].into_iter().filter_map(|word| words.of(word)).map(names).sum::<usize>();
        self.characters += words.of(Word::Const).map_or(0, characters);
        if let Some(values) = words.of(Word::Enum) {
            self.enum_values += values.len();
            let length: usize = values.elements().map(characters).sum();
            self.characters += length;
            let is_text = values.elements().all(Value::is_string);
            if is_text && values.len() > ENUM_LARGE && length > ENUM_CHARACTERS_MAX {
                let severity = look.error_at_openai();
                look.say(&rules::ENUM_CHARACTERS, severity, At::Value(values), |said| {
                    said.message = format!(
                        "an enum of {} strings has {} characters, limit {}",
                        counted(values.len()),
                        counted(length),
                        counted(ENUM_CHARACTERS_MAX)
                    );
                });
            }
        }
        let is_object = words.types.has("object") || words.has(Word::Properties);
        let is_array = words.types.has("array") || words.has(Word::Items);
        let objects = spot.objects + usize::from(is_object);
        let levels = spot.levels + usize::from(is_object || is_array);
        let is_deeper = |(_, most, _): (_, usize, _)| most <= LEVELS_MAX + 1 && objects > LEVELS_MAX + 1;
        if (is_object || is_array) && levels > LEVELS_MAX && self.too_deep.is_none_or(is_deeper) {
            self.too_deep = Some((schema, objects, levels));
        }
    }
}

fn characters(value: Value<'_>) -> usize {
    value.text().map_or_else(|| value.raw().len(), |text| text.chars().count())
}
