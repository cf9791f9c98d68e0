//! The kinds of values that are lists and tables: model patterns, names, credentials.
//!
//! Each entry keeps its own place, so that a complaint about one of many points at that one.

use seawall_core::plan::route;
use seawall_core::request::MODEL_BYTES_MAX;
use serde_json::{Value, json};
use toml::Spanned;

use super::diagnose::Wrong;
use super::item::{Kind, Raw};
use super::kind::{Credential, NAME_BYTES_MAX, Name, SECRET_BYTES_MAX};
use super::secret::Secret;

/// The most model patterns of one upstream or one route.
pub(super) const PATTERNS_MAX: usize = 256;
/// The longest model pattern, in bytes.
pub(super) const PATTERN_BYTES_MAX: usize = 200;
/// The most models that one route falls back to: no request is attempted more often.
pub(super) const FALLBACKS_MAX: usize = 20;
/// The most models that have another name at one upstream.
pub(super) const MODEL_MAP_MAX: usize = 256;
/// The most credentials of one upstream.
pub(super) const KEYS_MAX: usize = 16;

/// The entries of a list, each read by `one`; `wanted` is an example, `empty` what to do instead of an empty list.
fn entries<V>(
    raw: &Raw,
    wanted: &str,
    max: usize,
    empty: &str,
    one: impl Fn(&Raw) -> Result<V, Wrong>,
) -> Result<Vec<Spanned<V>>, Wrong> {
    let Raw::List(list) = raw else { return Err(raw.not(&format!("a list such as {wanted}"))) };
    if list.is_empty() {
        return Err(Wrong::new("is an empty list").hint(empty));
    }
    if let Some(extra) = list.get(max) {
        let what = format!("has {} entries, the limit is {max}", list.len());
        return Err(Wrong::new(what).at(extra.span()).label("one too many"));
    }
    let placed = |raw: &Spanned<Raw>| match one(raw.get_ref()) {
        Ok(value) => Ok(Spanned::new(raw.span(), value)),
        Err(wrong) => Err(wrong.at(raw.span())),
    };
    list.iter().map(placed).collect()
}

/// Model names, with `*` for any run of characters.
pub(super) struct Patterns;

impl Kind for Patterns {
    type Value = Vec<Spanned<String>>;

    fn read(raw: &Raw) -> Result<Self::Value, Wrong> {
        let empty = "for every model write [\"*\"]";
        entries(raw, "[\"gpt-*\", \"o3\"]", PATTERNS_MAX, empty, |raw| {
            let text = raw.text("a list of strings")?;
            match text.value.len() {
                1..=PATTERN_BYTES_MAX => Ok(text.value.to_string()),
                n => Err(Wrong::new(format!("has a pattern of {n} bytes, outside 1 to {PATTERN_BYTES_MAX}"))),
            }
        })
    }

    fn schema() -> Value {
        list_of(PATTERNS_MAX, &json!({ "type": "string", "minLength": 1, "maxLength": PATTERN_BYTES_MAX }))
    }
}

/// Names of upstreams.
pub(super) struct UpstreamNames;

impl Kind for UpstreamNames {
    type Value = Vec<Spanned<String>>;

    fn read(raw: &Raw) -> Result<Self::Value, Wrong> {
        let empty =
            "a route with no upstream serves nobody: name one, or leave the key out for all that serve the model";
        entries(raw, "[\"openai\", \"azure\"]", route::UPSTREAMS_MAX, empty, |raw| match raw {
            Raw::Text(_) => Name::read(raw),
            other => Err(other.not("a list of names in quotes")),
        })
    }

    fn schema() -> Value {
        list_of(route::UPSTREAMS_MAX, &json!({ "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX }))
    }
}

/// Names of models, as they are sent.
pub(super) struct ModelNames;

impl Kind for ModelNames {
    type Value = Vec<Spanned<String>>;

    fn read(raw: &Raw) -> Result<Self::Value, Wrong> {
        let empty = "leave the key out to have no fallback";
        entries(raw, "[\"gpt-4o-mini\"]", FALLBACKS_MAX, empty, |raw| {
            let text = raw.text("a list of names in quotes")?;
            model_name(&text.value)
        })
    }

    fn schema() -> Value {
        list_of(FALLBACKS_MAX, &model_schema())
    }
}

/// What a model is called elsewhere: pairs of the name asked for and the name sent.
pub(super) struct ModelMap;

impl Kind for ModelMap {
    type Value = Vec<(String, Spanned<String>)>;

    fn read(raw: &Raw) -> Result<Self::Value, Wrong> {
        let Raw::Map(pairs) = raw else {
            return Err(raw.not("a table such as { \"gpt-4o\" = \"my-deployment\" }"));
        };
        if pairs.is_empty() {
            return Err(Wrong::new("is an empty table").hint("leave the key out to send every model by its own name"));
        }
        if let Some((_, extra)) = pairs.get(MODEL_MAP_MAX) {
            let what = format!("has {} entries, the limit is {MODEL_MAP_MAX}", pairs.len());
            return Err(Wrong::new(what).at(extra.span()).label("one too many"));
        }
        let one = |(asked, sent): &(String, Spanned<Raw>)| {
            let at = |wrong: Wrong| wrong.at(sent.span());
            let asked = model_name(asked).map_err(|wrong| at(wrong.label("the name in front of it")))?;
            let text = sent.get_ref().text("a table of names in quotes").map_err(at)?;
            Ok((asked, Spanned::new(sent.span(), model_name(&text.value).map_err(at)?)))
        };
        pairs.iter().map(one).collect()
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "minProperties": 1,
            "maxProperties": MODEL_MAP_MAX,
            "propertyNames": { "minLength": 1, "maxLength": MODEL_BYTES_MAX },
            "additionalProperties": model_schema(),
        })
    }
}

/// What a request may call a model, no longer than what is read from one.
fn model_name(name: &str) -> Result<String, Wrong> {
    if !(1..=MODEL_BYTES_MAX).contains(&name.len()) {
        return Err(Wrong::new(format!("has a model name of {} bytes, outside 1 to {MODEL_BYTES_MAX}", name.len())));
    }
    if name.chars().any(char::is_control) {
        return Err(Wrong::new("has a model name with a control character in it"));
    }
    if name.contains('*') {
        return Err(Wrong::new("has a pattern where one model's name belongs").hint("write each name out, without *"));
    }
    Ok(name.to_owned())
}

fn model_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": MODEL_BYTES_MAX })
}

/// Several credentials for the same place.
pub(super) struct Credentials;

impl Kind for Credentials {
    type Value = Vec<Spanned<Secret>>;

    fn read(raw: &Raw) -> Result<Self::Value, Wrong> {
        let empty = "leave the key out to pass through the caller's own key";
        entries(raw, "[\"${KEY_A}\", \"${KEY_B}\"]", KEYS_MAX, empty, |raw| match raw {
            Raw::Text(_) => Credential::<1>::read(raw).map_err(|mut wrong| {
                wrong.what = format!("has a key that {}", wrong.what);
                wrong
            }),
            other => Err(other.not("a list of strings, best references such as \"${NAME}\"")),
        })
    }

    fn schema() -> Value {
        let key = json!({ "type": "string", "minLength": 1, "maxLength": SECRET_BYTES_MAX, "writeOnly": true });
        list_of(KEYS_MAX, &key)
    }
}

fn list_of(max: usize, item: &Value) -> Value {
    json!({ "type": "array", "minItems": 1, "maxItems": max, "items": item })
}
