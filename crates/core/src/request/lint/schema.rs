//! A schema, part by part: what providers refuse in any, and the strict rules where they hold.
//!
//! It goes through a schema as a validator does, keyword by keyword, and so never takes a property that
//! is called `type` or `items` for the keyword. The depth is that of the document, which is bounded.

use super::look::{At, Look};
use super::pattern::{self, Problem};
use super::reference::{self, Leads};
use super::rule::{Rule, schemas, strict as strict_rules};
use super::setting::{Home, Setting, Spot, dollar_path};
use super::strict;
use super::total::Totals;
use super::tree::{Form, Value};
use super::words::{Word, Words};
use super::{Severity, Target, edit, root};

/// Looks at the schema that `setting` tells of, whose root is an object.
pub(super) fn look_at<'t>(look: &mut Look, setting: Setting<'t>) {
    let mut walk = Walk { look, setting, steps: 0, totals: Totals::default() };
    root::look_at(walk.look, &setting);
    walk.visit(setting.root, Spot::ROOT);
    let totals = walk.totals;
    if setting.is_strict {
        totals.look(look, &setting);
    }
}

/// Notes that Responses will not hold calls to this schema, where nobody said that it should.
pub(super) fn look_at_unset<'t>(look: &mut Look, setting: Setting<'t>, tool: Value<'t>) {
    if look.trial.is_some() {
        return;
    }
    look.trial = Some((0, None));
    look_at(look, Setting { is_strict: false, ..setting });
    let refused = look.trial.take().map_or(0, |(count, _)| count);
    look.trial = Some((0, None));
    look_at(look, Setting { is_strict: true, ..setting });
    let (Some((count, Some(first))), 0) = (look.trial.take(), refused) else { return };
    look.say(&strict_rules::UNSET, Severity::Note, At::Value(tool), |said| {
        let rest = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        said.message = format!(
            "strict is not set and the schema cannot be ({} {}{rest}): calls need not fit it",
            first.code, first.name
        );
    });
}

struct Walk<'l, 't> {
    look: &'l mut Look,
    setting: Setting<'t>,
    /// Members compared while references were followed.
    steps: usize,
    totals: Totals<'t>,
}

impl<'t> Walk<'_, 't> {
    fn visit(&mut self, schema: Value<'t>, spot: Spot) {
        match schema.form() {
            Form::Object => {}
            Form::True | Form::False => {
                if self.setting.is_strict {
                    self.no_type(schema, Severity::Error);
                }
                return;
            }
            form => {
                let severity =
                    if self.look.target == Target::GeminiCompat { Severity::Warning } else { Severity::Error };
                let setting = self.setting;
                self.look.say(&schemas::VALUE, severity, At::Value(schema), |said| {
                    said.message = format!("a schema must be an object, and is {}", form.phrase());
                    said.reply = Some(setting.reply("… is not of type 'object', 'boolean'"));
                });
                return;
            }
        }
        let words = Words::read(self.look, &self.setting, schema);
        if spot.is_root {
            root::combinators(self.look, &self.setting, schema, &words);
        }
        self.object(schema, &words, spot);
        self.array(schema, &words, spot);
        self.pattern(&words);
        self.reference(schema, &words);
        if self.setting.is_strict {
            self.type_missing(schema, &words, spot);
            strict::look(self.look, &self.setting, schema, &words, spot, &mut self.totals);
        }
        self.parts(&words, spot);
    }

    /// The schemas within a schema.
    fn parts(&mut self, words: &Words<'t>, spot: Spot) {
        let is_object = words.types.has("object") || words.has(Word::Properties);
        let inner = Spot {
            is_root: false,
            objects: spot.objects + usize::from(is_object),
            levels: spot.levels + 1,
            is_certain: spot.is_certain,
        };
        let beside = Spot { is_root: false, ..spot };
        for property in words.of(Word::Properties).into_iter().flat_map(Value::members) {
            self.visit(property, inner);
        }
        if let Some(items) = words.of(Word::Items) {
            if items.is_array() {
                items.elements().for_each(|item| self.visit(item, inner.aside()));
            } else {
                self.visit_free(items, inner);
            }
        }
        for branch in [Word::AnyOf, Word::OneOf, Word::AllOf] {
            for schema in words.of(branch).into_iter().flat_map(Value::elements) {
                self.visit(schema, beside);
            }
        }
        for word in [Word::PrefixItems, Word::PatternProperties] {
            words.of(word).into_iter().flat_map(Value::children).for_each(|schema| self.visit(schema, inner.aside()));
        }
        for word in [Word::AdditionalProperties, Word::UnevaluatedProperties, Word::UnevaluatedItems, Word::Contains] {
            if let Some(schema) = words.of(word) {
                self.visit_free(schema, inner.aside());
            }
        }
        for word in [Word::Not, Word::If, Word::Then, Word::Else, Word::PropertyNames] {
            if let Some(schema) = words.of(word) {
                self.visit_free(schema, spot.aside());
            }
        }
        for schema in words.of(Word::DependentSchemas).into_iter().flat_map(Value::members) {
            self.visit(schema, spot.aside());
        }
        // A definition is as deep as what refers to it, which is looked at nowhere: so count from its own root.
        for word in [Word::Defs, Word::Definitions] {
            for schema in words.of(word).into_iter().flat_map(Value::members) {
                self.visit(schema, Spot::ROOT.aside());
            }
        }
    }

    /// A schema that may be a boolean, even where others may not.
    fn visit_free(&mut self, schema: Value<'t>, spot: Spot) {
        if schema.boolean().is_none() {
            self.visit(schema, spot);
        }
    }

    fn object(&mut self, schema: Value<'t>, words: &Words<'t>, spot: Spot) {
        let properties = words.of(Word::Properties);
        if properties.is_none() && words.types.has("object") {
            self.no_properties(schema, words, spot);
        }
        let (Some(properties), Some(required), false) = (properties, words.of(Word::Required), self.setting.is_strict)
        else {
            return;
        };
        let severity = if self.look.target == Target::GeminiCompat { Severity::Error } else { Severity::Note };
        strict::each_unknown(properties, required, |name| {
            self.look.say(&schemas::REQUIRED_UNKNOWN, severity, At::Value(name), |said| {
                let shown = super::wording::shown(&name.text().unwrap_or_default());
                said.message = format!("required names \"{shown}\", which properties does not have");
            });
        });
    }

    fn no_properties(&mut self, schema: Value<'t>, words: &Words<'t>, spot: Spot) {
        let is_told_elsewhere = [Word::Ref, Word::AnyOf, Word::OneOf, Word::AllOf, Word::Properties]
            .into_iter()
            .any(|word| words.has(word) || schema.field(word.name()).is_some());
        if is_told_elsewhere {
            return;
        }
        let Setting { is_strict, is_foreign, home, .. } = self.setting;
        let severity = match self.look.target {
            Target::AnthropicCompat => return,
            _ if is_strict => Severity::Error,
            _ if !spot.is_root || home == Home::Format => return,
            Target::GeminiCompat => Severity::Warning,
            _ if self.look.is_responses() && !is_foreign => Severity::Error,
            _ => Severity::Warning,
        };
        // Gemini refused empty ones as well.
        let (setting, can_add) = (self.setting, self.look.is_openai());
        self.look.say(&schemas::NO_PROPERTIES, severity, At::Value(schema), |said| {
            said.message = "the schema of an object has no properties".to_owned();
            said.reply = Some(setting.reply_at(schema, "object schema missing properties."));
            if !can_add {
                return;
            }
            said.fix = edit::insert_member(schema, "\"properties\"", "{}")
                .map(|edit| edit::one("add \"properties\": {}", edit));
        });
    }

    fn array(&mut self, schema: Value<'t>, words: &Words<'t>, spot: Spot) {
        let has_items = schema.field("items").is_some() || words.has(Word::Ref);
        if !words.types.has("array") || has_items || spot.is_root {
            return;
        }
        let is_plain = words.types.is_one && spot.is_certain && !words.has(Word::PrefixItems);
        let severity = match self.look.target {
            Target::AnthropicCompat => return,
            _ if self.setting.is_strict => Severity::Error,
            _ if is_plain && self.setting.home == Home::Function => Severity::Error,
            _ => Severity::Warning,
        };
        let can_add = !self.setting.is_strict && self.look.is_openai() && !words.has(Word::PrefixItems);
        let setting = self.setting;
        self.look.say(&schemas::NO_ITEMS, severity, At::Value(schema), |said| {
            said.message = "the schema of an array does not say what its items are".to_owned();
            said.reply = Some(setting.reply_at(schema, "array schema missing items."));
            if can_add {
                said.fix =
                    edit::insert_member(schema, "\"items\"", "{}").map(|edit| edit::one("add \"items\": {}", edit));
            }
        });
    }

    fn type_missing(&mut self, schema: Value<'t>, words: &Words<'t>, spot: Spot) {
        if spot.is_root || !words.types.is_empty() || schema.field("type").is_some() {
            return;
        }
        let stands_for_it = [Word::AnyOf, Word::OneOf, Word::AllOf, Word::Ref, Word::Not];
        if stands_for_it.into_iter().any(|word| schema.field(word.name()).is_some()) {
            return;
        }
        let is_clear = words.has(Word::Enum) || words.has(Word::Const) || words.has(Word::Properties);
        self.no_type(schema, if is_clear { Severity::Warning } else { Severity::Error });
    }

    fn no_type(&mut self, schema: Value<'t>, severity: Severity) {
        let setting = self.setting;
        let severity = if self.look.is_openai() { severity } else { Severity::Warning };
        self.look.say(&schemas::NO_TYPE, severity, At::Value(schema), |said| {
            said.message = "this part of a strict schema has no type".to_owned();
            said.reply = Some(setting.reply_at(schema, "schema must have a 'type' key."));
        });
    }

    fn pattern(&mut self, words: &Words<'t>) {
        let Some(value) = words.of(Word::Pattern) else { return };
        let Some(problem) = value.text().and_then(|text| pattern::problem(&text)) else { return };
        let (rule, message): (&'static Rule, _) = match problem {
            Problem::Lookaround => (&schemas::LOOKAROUND, "the pattern looks ahead or behind"),
            Problem::Backreference => (&schemas::BACKREFERENCE, "the pattern refers back to a group"),
            Problem::Escape => (&schemas::PATTERN_ESCAPE, "the pattern has \\p{…} or \\0"),
            Problem::Broken(why) => (&schemas::PATTERN_BROKEN, why),
        };
        if !self.look.is_openai() && !matches!(problem, Problem::Broken(_)) {
            return;
        }
        let is_refused = self.look.is_openai() && (self.setting.is_strict || self.look.is_responses());
        let severity = if is_refused { Severity::Error } else { Severity::Warning };
        let setting = self.setting;
        self.look.say(rule, severity, At::Value(value), |said| {
            said.message = match problem {
                Problem::Broken(why) => format!("the pattern is no regular expression: {why}"),
                _ => message.to_owned(),
            };
            said.reply = Some(match problem {
                Problem::Lookaround => {
                    let at = dollar_path(setting.root, value);
                    format!("Invalid JSON schema: regex lookaround is not supported. Found at {at}.")
                }
                _ => setting.reply("… is not a 'regex'"),
            });
            said.fix = edit::remove(value).map(|edit| edit::one("remove the pattern", edit));
        });
    }

    /// Whether a `$ref` of `schema` has siblings that it must not have. The root keeps its definitions.
    fn is_alone_wanted(&self, schema: Value<'t>) -> bool {
        self.setting.is_strict && schema != self.setting.root && reference::has_siblings(schema)
    }

    fn reference(&mut self, schema: Value<'t>, words: &Words<'t>) {
        let Some(value) = words.of(Word::Ref) else { return };
        let text = value.text().unwrap_or_default();
        let leads = reference::follow(self.setting.root, &text, &mut self.steps);
        let severity = match self.look.error_at_openai() {
            Severity::Error if self.setting.is_strict => Severity::Error,
            _ => Severity::Warning,
        };
        match leads {
            Leads::Nowhere => self.look.say(&schemas::REF_DANGLING, severity, At::Value(value), |said| {
                said.message = "$ref points at nothing in this schema".to_owned();
            }),
            Leads::Out => self.look.say(&schemas::REF_EXTERNAL, severity, At::Value(value), |said| {
                said.message = "$ref points out of this schema, and nobody fetches what it names".to_owned();
            }),
            Leads::To(target) if self.is_alone_wanted(schema) => {
                strict::siblings(self.look, &self.setting, schema, value, target, &mut self.steps);
            }
            Leads::To(_) | Leads::Unknown => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, lint};

    /// The rules that `schema` breaks in a tool of Chat, and at which pointers.
    fn found(schema: &str) -> Vec<(&'static str, String)> {
        let tool = format!(r#"{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}"#);
        let report = lint(tool.as_bytes(), Options::default());
        let rest = |pointer: &str| pointer.trim_start_matches("/function/parameters").to_owned();
        report.findings.iter().map(|finding| (finding.rule.code, rest(&finding.pointer))).collect()
    }

    #[test]
    fn a_property_is_no_keyword_whatever_it_is_called() {
        let schema = r#"{"type":"object","properties":{"type":{"type":"string"},"items":{"type":"string"},
            "required":{"type":"boolean"},"properties":{"type":"object"},"enum":{"type":"number"},
            "pattern":{"type":"string"},"$ref":{"type":"string"},"anyOf":{"type":"integer"}}}"#;
        assert_eq!(found(schema), []);
    }

    #[test]
    fn values_in_default_const_enum_and_examples_are_no_schemas() {
        let schema = r#"{"type":"object","properties":{"x":{"type":"object","default":{"type":"str"},
            "const":{"type":"array"},"enum":[{"required":true}],"examples":[{"pattern":"("}]}}}"#;
        assert_eq!(found(schema), []);
    }
}
