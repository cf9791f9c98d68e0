//! The root of a schema: an object, and nothing else.
//!
//! The arguments of a call are an object, so providers want the root to say that, and most of them that it
//! says nothing by alternatives.

use super::look::{At, Look};
use super::rule::schemas;
use super::setting::{Home, Setting};
use super::tree::Value;
use super::words::{Word, Words};
use super::{Severity, Target, edit, strict};

/// What holds for the root alone, but for its combinators.
pub(super) fn look_at(look: &mut Look, setting: &Setting<'_>) {
    let Setting { root, is_strict, .. } = *setting;
    if let Some(dialect) = root.field("$schema")
        && look.target == Target::AnthropicCompat
    {
        look.say(&schemas::DIALECT, Severity::Warning, At::Key(dialect), |said| {
            said.message = "$schema made Anthropic answer 500 in 2025".to_owned();
            said.fix = edit::remove(dialect).map(|edit| edit::one("remove $schema", edit));
        });
    }
    let named = root.field("type");
    let (says, is_certain) = match named {
        Some(word) if word.is_text("object") => return,
        Some(word) if word.is_string() && look.target == Target::GeminiCompat => {
            if word.text().is_some_and(|text| text.eq_ignore_ascii_case("object")) {
                return;
            }
            ("another word", true)
        }
        Some(word) if word.is_string() => ("another word", true),
        Some(word) if word.elements().any(|word| word.is_text("object")) => ("a list of types", false),
        Some(_) => ("something else", true),
        None if root.len() == 0 => ("missing: the schema is empty", false),
        None => ("missing", true),
    };
    let format_is_free = setting.home == Home::Format && !is_strict;
    let severity = match look.error_at_openai() {
        Severity::Error if (is_certain || is_strict) && !format_is_free => Severity::Error,
        _ => Severity::Warning,
    };
    look.say(&schemas::ROOT_TYPE, severity, At::Value(named.unwrap_or(root)), |said| {
        said.message = format!("the type of a root must be \"object\", and is {says}");
        let got = if named.is_some() { "…" } else { "type: \"None\"" };
        said.reply = Some(setting.reply(&format!("schema must be a JSON Schema of 'type: \"object\"', got '{got}'.")));
        if named.is_none() && root.object("properties").is_some() {
            said.fix = edit::insert_member(root, "\"type\"", "\"object\"")
                .map(|edit| edit::one("add \"type\": \"object\"", edit));
        }
    });
}

/// Alternatives at the root.
pub(super) fn combinators<'t>(look: &mut Look, setting: &Setting<'t>, schema: Value<'t>, words: &Words<'t>) {
    let all = [Word::OneOf, Word::AnyOf, Word::AllOf, Word::Enum, Word::Not];
    let Some((word, value)) = all.into_iter().find_map(|word| words.of(word).map(|value| (word, value))) else {
        return;
    };
    let Setting { is_strict, home, .. } = *setting;
    let is_named = matches!(word, Word::OneOf | Word::AnyOf | Word::AllOf);
    let severity = match look.target {
        _ if home == Home::Format && !is_strict => Severity::Warning,
        Target::AnthropicCompat if is_named => Severity::Error,
        Target::AnthropicCompat | Target::GeminiCompat => Severity::Warning,
        _ if is_strict || look.is_responses() => Severity::Error,
        _ => Severity::Warning,
    };
    look.say(&schemas::ROOT_COMBINATOR, severity, At::Key(value), |said| {
        said.message = format!("the root of a schema must not have {}", word.name());
        let top = "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.";
        said.reply = Some(setting.reply(top));
        if is_strict && word == Word::AllOf {
            said.fix = strict::merged(schema, value);
        }
    });
}
