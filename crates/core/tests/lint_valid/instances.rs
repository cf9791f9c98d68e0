//! An instance for a schema, made by the dice: valid for those of `schemas.rs`, or one step from it.

use seawall_core::dice::Dice;
use serde_json::{Map, Value, json};

use super::schemas::{FORMATS, OTHER_FORMATS, PATTERNS};

/// Below this many levels what may be left out is.
const LEVELS_FULL: usize = 6;

/// Makes instances of one schema.
pub(crate) struct Maker<'a> {
    root: &'a Value,
    dice: &'a mut Dice,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(root: &'a Value, dice: &'a mut Dice) -> Maker<'a> {
        Maker { root, dice }
    }

    /// An instance that is meant to be valid.
    pub(crate) fn instance(&mut self) -> Value {
        self.of(self.root, 0)
    }

    /// An instance with one thing changed somewhere: valid or not, nobody knows.
    pub(crate) fn near(&mut self) -> Value {
        let mut made = self.instance();
        self.change(&mut made);
        made
    }

    fn below(&mut self, count: usize) -> usize {
        let last = u64::try_from(count.saturating_sub(1)).unwrap_or(0);
        usize::try_from(self.dice.between(0, last)).unwrap_or(0)
    }

    fn flips(&mut self) -> bool {
        self.below(2) == 0
    }

    fn of(&mut self, schema: &Value, depth: usize) -> Value {
        let Some(words) = schema.as_object() else { return json!("anything") };
        if let Some(Value::String(pointer)) = words.get("$ref") {
            let target = self.root.pointer(pointer.trim_start_matches('#')).expect("no reference dangles");
            return self.of(target, depth + 1);
        }
        if let Some(value) = words.get("const") {
            return value.clone();
        }
        if let Some(Value::Array(values)) = words.get("enum") {
            return values[self.below(values.len())].clone();
        }
        for choice in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = words.get(choice) {
                // The last branch ends recursion.
                let at = if depth > LEVELS_FULL { branches.len() - 1 } else { self.below(branches.len()) };
                return self.of(&branches[at], depth + 1);
            }
        }
        if let Some(Value::Array(parts)) = words.get("allOf") {
            return self.of(&parts[0], depth + 1);
        }
        let kind = match words.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Array(kinds)) => kinds[self.below(kinds.len())].as_str().expect("types are words"),
            _ => return json!({"any": ["thing", 1]}),
        };
        match kind {
            "object" => self.object(words, depth),
            "array" => self.array(words, depth),
            "string" => self.string(words),
            "integer" | "number" => self.number(words),
            "boolean" => Value::Bool(self.flips()),
            _ => Value::Null,
        }
    }

    fn object(&mut self, words: &Map<String, Value>, depth: usize) -> Value {
        let required: Vec<&str> = list(words, "required").iter().filter_map(|name| name.as_str()).collect();
        let mut made = Map::new();
        for (name, schema) in words.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let is_wanted = depth <= LEVELS_FULL && self.flips();
            if required.contains(&name.as_str()) || is_wanted {
                made.insert(name.clone(), self.of(schema, depth + 1));
            }
        }
        // `dependentRequired` and `if … then` of `schemas.rs` are both met by what is all there.
        if words.contains_key("dependentRequired") || words.contains_key("then") {
            for (name, schema) in words.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if !made.contains_key(name) {
                    made.insert(name.clone(), self.of(schema, depth + 1));
                }
            }
        }
        match words.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            Some(schema) if depth <= LEVELS_FULL && self.flips() => {
                made.insert("zz further".to_owned(), self.of(schema, depth + 1));
            }
            None if self.flips() => {
                made.insert("zz further".to_owned(), json!([1]));
            }
            _ => {}
        }
        Value::Object(made)
    }

    fn array(&mut self, words: &Map<String, Value>, depth: usize) -> Value {
        let first = list(words, "prefixItems");
        let low = number_of(words, "minItems").unwrap_or(0);
        let high = number_of(words, "maxItems").unwrap_or(low + 2);
        let count = if depth > LEVELS_FULL { low } else { low + i64::try_from(self.below(3)).unwrap_or(0) }.min(high);
        let is_set = words.contains_key("uniqueItems");
        let made = (0..usize::try_from(count).unwrap_or(0)).map(|at| match (first.get(at), words.get("items")) {
            _ if is_set => json!(at),
            (Some(schema), _) | (None, Some(schema)) => self.of(schema, depth + 1),
            (None, None) => json!("anything"),
        });
        Value::Array(made.collect())
    }

    fn string(&mut self, words: &Map<String, Value>) -> Value {
        let text = |table: &[(&str, &str)], word: &str| {
            let wanted = words.get(word)?.as_str()?;
            table.iter().find(|(name, _)| *name == wanted).map(|(_, text)| json!(text))
        };
        if let Some(value) =
            text(&PATTERNS, "pattern").or_else(|| text(&FORMATS, "format")).or_else(|| text(&OTHER_FORMATS, "format"))
        {
            return value;
        }
        let low = number_of(words, "minLength").unwrap_or(0);
        let high = number_of(words, "maxLength").unwrap_or(low + 3);
        let length = self.dice.between(low.unsigned_abs(), high.unsigned_abs());
        Value::String("é".repeat(usize::try_from(length).unwrap_or(0)))
    }

    fn number(&mut self, words: &Map<String, Value>) -> Value {
        if let Some(step) = number_of(words, "multipleOf") {
            return json!(step * i64::try_from(self.below(5)).unwrap_or(0));
        }
        if let (Some(low), Some(high)) = (number_of(words, "exclusiveMinimum"), number_of(words, "exclusiveMaximum")) {
            #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
            return json!((low as f64 + high as f64) / 2.0);
        }
        let low = number_of(words, "minimum").unwrap_or(0);
        let high = number_of(words, "maximum").unwrap_or(low + 12);
        let span = (high - low).unsigned_abs();
        json!(low + i64::try_from(self.dice.between(0, span)).unwrap_or(0))
    }

    /// Removes, adds or replaces one thing.
    fn change(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) if !members.is_empty() && self.below(4) > 0 => {
                let at = self.below(members.len());
                if let Some(member) = members.values_mut().nth(at) {
                    self.change(member);
                }
            }
            Value::Array(values) if !values.is_empty() && self.below(4) > 0 => {
                let at = self.below(values.len());
                self.change(&mut values[at]);
            }
            Value::Object(members) if !members.is_empty() && self.flips() => {
                let at = self.below(members.len());
                let name = members.keys().nth(at).cloned().unwrap_or_default();
                members.remove(&name);
            }
            Value::Object(members) => {
                members.insert("further".to_owned(), json!(1));
            }
            Value::Array(values) => values.push(json!(null)),
            other => {
                let put = [json!(null), json!("text"), json!(7), json!(-0.5), json!(true), json!([]), json!({})];
                *other = put[self.below(put.len())].clone();
            }
        }
    }
}

fn list<'a>(words: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    words.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number_of(words: &Map<String, Value>, name: &str) -> Option<i64> {
    words.get(name).and_then(Value::as_i64)
}
