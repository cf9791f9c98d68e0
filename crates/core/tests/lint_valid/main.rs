//! No false errors: made-up tool definitions that are valid, against a second opinion.
//!
//! The second opinion is the `jsonschema` crate: it takes the schema for one, and an instance that was
//! made for it for valid. What it says that of, and what keeps to the limits that providers write down,
//! must have no error. Errors are for what is refused: a warning is another thing, and not counted.
//!
//! The mirror of it: a plain schema that is marked strict, and mended, has no error either, and takes
//! nothing that the original did not take. A fix that let more in would have the model call a function
//! with arguments that its author never meant.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod instances;
mod limits;
mod patterns;
mod schemas;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use seawall_core::dice::Dice;
use seawall_core::request::lint::{Options, Severity, Target, fixed, lint};
use serde_json::{Value, json};

use instances::Maker;
use schemas::{Words, parameters};

/// Schemas of each law; every one is looked at in three documents and for two targets.
const CASES: u32 = 2_000;
/// Schemas that are mended in each of two laws, for both targets.
const MENDED: u32 = 1_000;
/// Patterns.
const PATTERNS: u32 = 4_000;
/// Instances that are made for each schema.
const INSTANCES: usize = 12;

/// Who is asked: the two shapes of OpenAI's own API.
const SHAPES: [Target; 2] = [Target::OpenaiChat, Target::OpenaiResponses];

/// A tool as `target` has it written.
pub(crate) fn tool(target: Target, name: &str, parameters: &Value, strict: Option<bool>) -> Value {
    let mut function = json!({"name": name, "description": "does something", "parameters": parameters});
    if let Some(strict) = strict {
        function["strict"] = json!(strict);
    }
    if target == Target::OpenaiChat {
        return json!({"type": "function", "function": function});
    }
    function["type"] = json!("function");
    function
}

/// A request with these tools.
pub(crate) fn request(target: Target, tools: &[Value]) -> Value {
    match target {
        Target::OpenaiChat => json!({"model": "m", "messages": [{"role": "user", "content": "hello"}], "tools": tools}),
        _ => json!({"model": "m", "input": "hello", "tools": tools}),
    }
}

/// The errors in a document, as lines.
pub(crate) fn errors(document: &[u8], target: Option<Target>) -> Vec<String> {
    let report = lint(document, Options { target });
    assert_eq!(report.more, 0, "there are not so many");
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|it| format!("{} {} at {}: {}", it.rule.code, it.rule.name, it.pointer, it.message)).collect()
}

/// A tool, an array of tools and a request are without an error, whether or not the target is said.
fn passes(schema: &Value, strict: Option<bool>) -> Result<(), TestCaseError> {
    for target in SHAPES {
        let one = tool(target, "a_tool-1", schema, strict);
        let other = tool(target, "another", &json!({"type": "object", "properties": {}}), None);
        let documents = [one.clone(), json!([other, one]), request(target, &[one.clone(), other])];
        for document in documents {
            let bytes = serde_json::to_vec_pretty(&document).unwrap();
            for said in [Some(target), None] {
                let found = errors(&bytes, said);
                prop_assert!(found.is_empty(), "{found:#?}\nin {}", String::from_utf8_lossy(&bytes));
            }
        }
    }
    Ok(())
}

/// The second opinion on a schema: that it is one, and what it takes.
fn opinion(schema: &Value) -> Result<jsonschema::Validator, TestCaseError> {
    prop_assert!(jsonschema::draft202012::meta::is_valid(schema), "the metaschema refuses {schema:#}");
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .build(schema)
        .map_err(|why| TestCaseError::fail(format!("{why}: {schema:#}")))
}

/// That a schema is valid, and not only in form: what is made for it, it takes.
fn is_satisfied(schema: &Value, dice: &mut Dice) -> Result<(), TestCaseError> {
    let validator = opinion(schema)?;
    for _ in 0..INSTANCES {
        let instance = Maker::new(schema, dice).instance();
        let problem = validator.validate(&instance).err().map(|why| why.to_string());
        prop_assert!(problem.is_none(), "{problem:?}\n{instance:#}\nfor {schema:#}");
    }
    Ok(())
}

/// A request with a strict tool that has these parameters.
fn marked_strict(target: Target, schema: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(&request(target, &[tool(target, "a_tool", schema, Some(true))])).unwrap()
}

/// The parameters of the first tool of a request.
fn schema_of(target: Target, document: &[u8]) -> Value {
    let document: Value = serde_json::from_slice(document).unwrap();
    let tool = &document["tools"][0];
    if target == Target::OpenaiChat { tool["function"]["parameters"].clone() } else { tool["parameters"].clone() }
}

/// What the second opinion takes for `after`, it takes for `before`: tried with what is made for
/// either, and with what is one step from it.
fn takes_no_more(before: &Value, after: &Value, dice: &mut Dice) -> Result<(), TestCaseError> {
    let (old, new) = (opinion(before)?, opinion(after)?);
    for _ in 0..INSTANCES {
        let made = [
            Maker::new(after, dice).instance(),
            Maker::new(before, dice).instance(),
            Maker::new(after, dice).near(),
            Maker::new(before, dice).near(),
        ];
        for instance in made {
            let is_more = new.is_valid(&instance) && !old.is_valid(&instance);
            prop_assert!(!is_more, "taken after only: {instance:#}\nbefore {before:#}\nafter {after:#}");
        }
    }
    Ok(())
}

/// A strict schema with one property that has this pattern.
fn with_pattern(pattern: &str) -> Value {
    let properties = json!({"a": {"type": "string", "pattern": pattern}});
    json!({"type": "object", "properties": properties, "required": ["a"], "additionalProperties": false})
}

/// Whether the engine takes it that has neither lookaround nor backreferences.
fn is_compiled(pattern: &str) -> bool {
    jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&with_pattern(pattern))
        .is_ok()
}

/// A failure is to be seen, and made a test of: it is not kept in a file.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn a_valid_plain_definition_has_no_error(schema in parameters(Words::All), seed: u64) {
        is_satisfied(&schema, &mut Dice::new(seed))?;
        passes(&schema, Some(false))?;
        // Without `strict`, Responses tries it and falls back; Chat does not.
        passes(&schema, None)?;
    }

    #[test]
    fn a_valid_strict_definition_has_no_error(schema in parameters(Words::Strict), seed: u64) {
        is_satisfied(&schema, &mut Dice::new(seed))?;
        passes(&schema, Some(true))?;
        passes(&schema, Some(false))?;
    }
}

proptest! {
    #![proptest_config(config(PATTERNS))]

    #[test]
    fn a_pattern_that_every_engine_takes_has_no_error(pattern in patterns::made()) {
        prop_assert!(is_compiled(&pattern), "{pattern}");
        passes(&with_pattern(&pattern), Some(true))?;
    }

    #[test]
    fn what_an_engine_without_lookaround_takes_has_none(pattern in patterns::found()) {
        // It takes `a**` too, which others do not: that is another rule.
        let document = json!([tool(Target::OpenaiChat, "a_tool", &with_pattern(&pattern), Some(true))]);
        let found = errors(document.to_string().as_bytes(), None);
        let looks = found.iter().any(|error| error.contains("pattern-lookaround") || error.contains("pattern-backreference"));
        prop_assert!(!looks || !is_compiled(&pattern), "{found:?} in {pattern}");
    }
}

proptest! {
    #![proptest_config(config(MENDED))]

    #[test]
    fn what_is_made_strict_passes_and_takes_no_more_than_before(schema in parameters(Words::NearlyStrict), seed: u64) {
        for target in SHAPES {
            let written = marked_strict(target, &schema);
            let mended = fixed(&written, Options { target: Some(target) });
            prop_assert!(mended.is_some() || errors(&written, Some(target)).is_empty(), "nothing is mended: {schema:#}");
            let mended = mended.unwrap_or(written);
            let found = errors(&mended, Some(target));
            prop_assert!(found.is_empty(), "{found:#?}\nin {}\nof {schema:#}", String::from_utf8_lossy(&mended));
            takes_no_more(&schema, &schema_of(target, &mended), &mut Dice::new(seed))?;
        }
    }

    #[test]
    fn what_cannot_be_made_strict_takes_no_more_than_before_either(schema in parameters(Words::Careless), seed: u64) {
        for target in SHAPES {
            let written = marked_strict(target, &schema);
            let Some(mended) = fixed(&written, Options { target: Some(target) }) else { continue };
            takes_no_more(&schema, &schema_of(target, &mended), &mut Dice::new(seed))?;
        }
    }
}
