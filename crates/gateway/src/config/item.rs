//! One value of the file, as written: read leniently, so that a wrong one does not hide the next.
//!
//! Serde stops at its first error. A value is therefore accepted whatever its type is, with its
//! place, and judged later by its [`Kind`]: that is also where the schema of the value comes
//! from, so that the schema and the check cannot disagree about a limit.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use toml::Spanned;
use zeroize::Zeroizing;

use super::diagnose::Wrong;

/// What a value must be, and what it means.
pub(super) trait Kind {
    /// What the program uses.
    type Value;
    /// Reads a value whose references are already expanded.
    fn read(raw: &Raw) -> Result<Self::Value, Wrong>;
    /// The same rules as JSON schema.
    fn schema() -> serde_json::Value;
}

/// A place for a value of kind `K`; empty if the key is not written.
pub(super) struct Item<K> {
    pub(super) raw: Option<Spanned<Raw>>,
    kind: PhantomData<K>,
}

/// A value of any type.
#[derive(Clone)]
pub(super) enum Raw {
    Text(Text),
    Integer(i128),
    Float(f64),
    Flag(bool),
    List(Vec<Spanned<Raw>>),
    /// A table, in the order written.
    Map(Vec<(String, Spanned<Raw>)>),
    /// A date: no key takes one.
    Other,
}

/// A string, and what it was put together from.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) value: Zeroizing<String>,
    /// What its references were replaced from (`env NAME`, `file PATH`); empty if it has none.
    pub(super) origins: Vec<String>,
}

impl Text {
    pub(super) fn literal(value: &str) -> Text {
        Text { value: Zeroizing::new(value.into()), origins: Vec::new() }
    }

    /// Whether it stands in the file itself, as it is or as what a reference without a variable falls back to.
    pub(super) fn is_literal(&self) -> bool {
        self.origins.iter().all(|origin| origin.starts_with("config file"))
    }

    /// Where the value came from, for people.
    pub(super) fn origin(&self) -> String {
        if self.origins.is_empty() { "config file".into() } else { self.origins.join(" and ") }
    }
}

impl Raw {
    /// The type, for people.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Raw::Text(_) => "a string",
            Raw::Integer(_) => "a whole number",
            Raw::Float(_) => "a number with a fraction",
            Raw::Flag(_) => "true or false",
            Raw::List(_) => "a list",
            Raw::Map(_) => "a table",
            Raw::Other => "a date",
        }
    }

    /// The complaint about a value that is not `wanted`.
    pub(super) fn not(&self, wanted: &str) -> Wrong {
        Wrong::new(format!("must be {wanted}")).label(format!("this is {}", self.noun()))
    }

    /// The string, or the complaint that it is not `wanted`.
    pub(super) fn text(&self, wanted: &str) -> Result<&Text, Wrong> {
        match self {
            Raw::Text(text) => Ok(text),
            other => Err(other.not(wanted)),
        }
    }
}

impl<K> Default for Item<K> {
    fn default() -> Self {
        Item { raw: None, kind: PhantomData }
    }
}

impl<'de, K> Deserialize<'de> for Item<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Item { raw: Some(Spanned::deserialize(deserializer)?), kind: PhantomData })
    }
}

impl<K: Kind> JsonSchema for Item<K> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A kind whose schema is not an object would accept everything, and a test sees that.
        Schema::try_from(K::schema()).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

/// The only key of the table that the parser hands over for a date.
const DATE: &str = "$__toml_private_datetime";

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(Text::literal(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Flag(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == DATE {
                map.next_value::<IgnoredAny>()?;
                return Ok(Raw::Other);
            }
            entries.push((name, map.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}
