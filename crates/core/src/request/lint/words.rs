//! The keywords of one schema, read in one pass, and whether their values are of the right kind.
//!
//! What no draft of JSON Schema allows is refused by every provider that looks; what an older draft
//! allows, or a lax validator, only by some. A value is never repeated: it may be the caller's words.

use super::look::{At, Look};
use super::rule::schemas;
use super::setting::Setting;
use super::tree::{Form, Value};
use super::{Severity, Target};

macro_rules! keywords {
    ($( $word:ident = $name:literal $bytes:literal, )+) => {
        /// A keyword that is looked at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Word { $( $word, )+ }

        impl Word {
            const COUNT: usize = [$( Word::$word, )+].len();

            fn of(key: &[u8]) -> Option<Word> {
                // Patterns and not comparisons: they are told apart by their length first.
                match key {
                    $( $bytes => Some(Word::$word), )+
                    _ => None,
                }
            }

            /// As it is written.
            pub(super) const fn name(self) -> &'static str {
                match self { $( Word::$word => $name, )+ }
            }
        }
    };
}

keywords! {
    Type = "type" b"type",
    Description = "description" b"description",
    Properties = "properties" b"properties",
    Required = "required" b"required",
    AdditionalProperties = "additionalProperties" b"additionalProperties",
    Items = "items" b"items",
    Enum = "enum" b"enum",
    Const = "const" b"const",
    Default = "default" b"default",
    Title = "title" b"title",
    AnyOf = "anyOf" b"anyOf",
    OneOf = "oneOf" b"oneOf",
    AllOf = "allOf" b"allOf",
    Not = "not" b"not",
    If = "if" b"if",
    Then = "then" b"then",
    Else = "else" b"else",
    Ref = "$ref" b"$ref",
    Defs = "$defs" b"$defs",
    Definitions = "definitions" b"definitions",
    Schema = "$schema" b"$schema",
    Pattern = "pattern" b"pattern",
    Format = "format" b"format",
    Examples = "examples" b"examples",
    Minimum = "minimum" b"minimum",
    Maximum = "maximum" b"maximum",
    ExclusiveMinimum = "exclusiveMinimum" b"exclusiveMinimum",
    ExclusiveMaximum = "exclusiveMaximum" b"exclusiveMaximum",
    MultipleOf = "multipleOf" b"multipleOf",
    MinLength = "minLength" b"minLength",
    MaxLength = "maxLength" b"maxLength",
    MinItems = "minItems" b"minItems",
    MaxItems = "maxItems" b"maxItems",
    UniqueItems = "uniqueItems" b"uniqueItems",
    MinProperties = "minProperties" b"minProperties",
    MaxProperties = "maxProperties" b"maxProperties",
    PrefixItems = "prefixItems" b"prefixItems",
    PatternProperties = "patternProperties" b"patternProperties",
    PropertyNames = "propertyNames" b"propertyNames",
    DependentRequired = "dependentRequired" b"dependentRequired",
    DependentSchemas = "dependentSchemas" b"dependentSchemas",
    Contains = "contains" b"contains",
    UnevaluatedProperties = "unevaluatedProperties" b"unevaluatedProperties",
    UnevaluatedItems = "unevaluatedItems" b"unevaluatedItems",
}

/// The types that a schema names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Types {
    bits: u8,
    /// Whether there is one word and no list.
    pub(super) is_one: bool,
}

const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];

impl Types {
    pub(super) fn has(self, word: &str) -> bool {
        TYPES.iter().position(|own| *own == word).is_some_and(|at| self.bits & (1 << at) != 0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Adds a word; whether it is one and was not there.
    fn add(&mut self, word: Value<'_>, is_any_case: bool) -> bool {
        let same = |own: &&str| {
            word.is_text(own) || (is_any_case && word.text().is_some_and(|text| own.eq_ignore_ascii_case(&text)))
        };
        match TYPES.iter().position(same) {
            Some(at) if self.bits & (1 << at) == 0 => self.bits |= 1 << at,
            _ => return false,
        }
        true
    }
}

/// See the module.
pub(super) struct Words<'t> {
    schema: Value<'t>,
    ids: [u32; Word::COUNT],
    pub(super) types: Types,
}

impl<'t> Words<'t> {
    /// Reads the keywords of `schema`, an object, and reports those whose values are of a wrong kind.
    /// What is reported is left out.
    pub(super) fn read(look: &mut Look, setting: &Setting<'t>, schema: Value<'t>) -> Words<'t> {
        let mut words = Words { schema, ids: [0; Word::COUNT], types: Types::default() };
        for member in schema.members() {
            let word = match member.plain_key() {
                Some(key) => Word::of(key),
                None => Word::of(member.key().as_bytes()),
            };
            let Some(word) = word else { continue };
            let is_right = words.check(look, setting, word, member);
            words.ids[word as usize] = if is_right { member.id() } else { 0 };
        }
        words
    }

    #[inline]
    pub(super) fn of(&self, word: Word) -> Option<Value<'t>> {
        let id = self.ids[word as usize];
        (id > 0).then(|| self.schema.tree().value(id))
    }

    pub(super) fn has(&self, word: Word) -> bool {
        self.ids[word as usize] > 0
    }

    /// Whether `value` is one that `word` may have.
    fn check(&mut self, look: &mut Look, setting: &Setting<'t>, word: Word, value: Value<'t>) -> bool {
        use Word as W;
        let form = value.form();
        let wants = match word {
            W::Type => return self.check_type(look, setting, value),
            W::Required => return check_required(look, setting, value),
            W::Properties | W::Defs | W::Definitions | W::PatternProperties | W::DependentSchemas => "an object",
            W::DependentRequired => "an object",
            W::AnyOf | W::OneOf | W::AllOf | W::PrefixItems => {
                if value.is_array() && value.len() == 0 {
                    return refuse(look, setting, value, word, "an array that is not empty", "[] should be non-empty");
                }
                "an array"
            }
            W::Enum => {
                if value.is_array() && value.len() == 0 {
                    outdated(look, value, "enum has no values".to_owned());
                }
                "an array"
            }
            W::AdditionalProperties | W::UnevaluatedProperties | W::UnevaluatedItems => "a schema",
            W::Items if form == Form::Array => {
                outdated(look, value, "items is an array, which prefixItems has taken over".to_owned());
                return true;
            }
            W::Items | W::Not | W::If | W::Then | W::Else | W::PropertyNames | W::Contains => "a schema",
            W::Description | W::Title | W::Pattern | W::Format | W::Ref | W::Schema => "a string",
            W::Minimum | W::Maximum | W::ExclusiveMinimum | W::ExclusiveMaximum | W::MultipleOf => "a number",
            W::MinLength | W::MaxLength | W::MinItems | W::MaxItems | W::MinProperties | W::MaxProperties => {
                if form == Form::Number && value.raw().starts_with(b"-") {
                    return refuse(look, setting, value, word, "a number from 0 on", "… is less than the minimum of 0");
                }
                "a number"
            }
            W::UniqueItems => "a boolean",
            W::Examples if form != Form::Array => {
                outdated(look, value, "examples is no array".to_owned());
                return false;
            }
            W::Examples | W::Const | W::Default => return true,
        };
        let (is_right, words) = match wants {
            "an object" => (form == Form::Object, "'object'"),
            "an array" => (form == Form::Array, "'array'"),
            "a string" => (form == Form::String, "'string'"),
            "a number" => (form == Form::Number, "'number'"),
            "a boolean" => (matches!(form, Form::True | Form::False), "'boolean'"),
            _ => (matches!(form, Form::Object | Form::True | Form::False), "'object', 'boolean'"),
        };
        if is_right {
            return true;
        }
        let is_draft_4 = matches!(word, W::ExclusiveMinimum | W::ExclusiveMaximum);
        let is_lax = matches!(wants, "a string" | "a number" | "a boolean") && form == Form::Null;
        if is_lax || (is_draft_4 && value.boolean().is_some()) {
            outdated(look, value, format!("{} is {}, not {wants}", word.name(), form.phrase()));
            return false;
        }
        refuse(look, setting, value, word, wants, &format!("… is not of type {words}"))
    }

    fn check_type(&mut self, look: &mut Look, setting: &Setting<'t>, value: Value<'t>) -> bool {
        let is_any_case = look.target == Target::GeminiCompat;
        self.types.is_one = value.is_string();
        let is_right = match value.form() {
            Form::String => self.types.add(value, is_any_case),
            Form::Array => {
                let mut is_right = value.len() > 0;
                for word in value.elements() {
                    is_right &= word.is_string() && self.types.add(word, is_any_case);
                }
                is_right
            }
            _ => false,
        };
        if !is_right {
            let wants = "one of JSON Schema's seven words, or an array of different ones";
            refuse(look, setting, value, Word::Type, wants, "… is not valid under any of the given schemas");
            self.types = Types::default();
        }
        is_right
    }
}

fn check_required<'t>(look: &mut Look, setting: &Setting<'t>, value: Value<'t>) -> bool {
    if !value.is_array() {
        return refuse(look, setting, value, Word::Required, "an array", "… is not of type 'array'");
    }
    if value.elements().any(|name| !name.is_string()) {
        return refuse(look, setting, value, Word::Required, "an array of strings", "… is not of type 'string'");
    }
    let mut names: Vec<_> = value.elements().filter_map(Value::text).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return refuse(
            look,
            setting,
            value,
            Word::Required,
            "an array of different names",
            "… has non-unique elements",
        );
    }
    true
}

/// Reports a value that no draft allows.
pub(super) fn refuse<'t>(
    look: &mut Look,
    setting: &Setting<'t>,
    value: Value<'t>,
    word: Word,
    wants: &str,
    reply: &str,
) -> bool {
    let severity = if look.target == Target::GeminiCompat { Severity::Warning } else { Severity::Error };
    look.say(&schemas::VALUE, severity, At::Value(value), |said| {
        let is = if value.is_string() && wants.starts_with("one of") { "another" } else { value.form().phrase() };
        said.message = format!("{} must be {wants}, and is {is}", word.name());
        said.reply = Some(setting.reply(reply));
    });
    false
}

fn outdated(look: &mut Look, value: Value<'_>, message: String) {
    look.say(&schemas::OLDER_DRAFT, Severity::Warning, At::Value(value), |said| said.message = message);
}
