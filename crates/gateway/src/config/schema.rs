//! The keys of the configuration as data: for editors (JSON schema), for the check of unknown
//! keys, and for the commented example.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::written::Written;

/// What stands at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A value.
    Value,
    /// `[table]`.
    Table(BTreeMap<String, Shape>),
    /// `[[table]]`.
    Tables(BTreeMap<String, Shape>),
}

impl Shape {
    /// What is below it, by key; nothing below a value.
    pub(super) fn below(&self) -> Option<&BTreeMap<String, Shape>> {
        match self {
            Shape::Value => None,
            Shape::Table(below) | Shape::Tables(below) => Some(below),
        }
    }
}

/// The JSON schema, without default values.
pub(super) fn json() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Written>().to_value();
    drop_defaults(&mut schema);
    schema
}

/// Where a key with this path is described in the schema: `retry.cap`, `upstream.name`.
pub(super) fn at<'a>(schema: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(schema, |schema, key| {
        let table = if schema["type"] == "array" { schema.get_mut("items")? } else { schema };
        table.get_mut("properties")?.get_mut(key)
    })
}

/// The whole file.
pub(super) fn shape() -> Shape {
    shape_of(&json())
}

fn shape_of(schema: &Value) -> Shape {
    let below = |schema: &Value| {
        let properties = schema["properties"].as_object()?;
        Some(properties.iter().map(|(key, schema)| (key.clone(), shape_of(schema))).collect())
    };
    match (below(schema), below(&schema["items"])) {
        (Some(table), _) => Shape::Table(table),
        (None, Some(tables)) => Shape::Tables(tables),
        (None, None) => Shape::Value,
    }
}

/// The default of a table is that its keys have theirs: an empty object says nothing.
fn drop_defaults(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("default");
            fields.values_mut().for_each(drop_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_defaults),
        _ => {}
    }
}

/// Every key with a value, as a path: `server.listen`, `upstream.name`, `retry.class.overloaded.base`.
#[cfg(test)]
pub(super) fn paths() -> Vec<String> {
    fn walk(shape: &Shape, path: &str, found: &mut Vec<String>) {
        let Some(below) = shape.below() else { return found.push(path.to_owned()) };
        for (key, shape) in below {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            walk(shape, &path, found);
        }
    }
    let mut found = Vec::new();
    walk(&shape(), "", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described_and_nothing_else_is_accepted() {
        fn walk(schema: &Value, path: &str) {
            assert!(schema["description"].is_string() || path.is_empty(), "{path}");
            let table = if schema["type"] == "array" && schema["items"]["properties"].is_object() {
                &schema["items"]
            } else {
                schema
            };
            if let Some(properties) = table["properties"].as_object() {
                assert_eq!(table["additionalProperties"], false, "{path}");
                properties.iter().for_each(|(key, schema)| walk(schema, &format!("{path}.{key}")));
            } else {
                assert!(schema["type"].is_string() || schema["type"].is_array(), "{path} accepts everything");
            }
        }
        walk(&json(), "");
    }

    #[test]
    fn a_key_is_found_by_its_path() {
        let mut schema = json();
        for path in paths() {
            assert!(at(&mut schema, &path).is_some(), "{path}");
        }
        assert!(at(&mut schema, "server.nothing").is_none());
        assert!(at(&mut schema, "server.listen.deeper").is_none());
    }
}
