//! Where in a request an upstream's complaint points to.
//!
//! OpenAI names the place in three ways: as `param` (`tools[2].function.parameters`), in quotes at
//! the beginning of the message, and as a path inside of the schema: `Found at $.properties.a`, `In
//! context=('properties', 'a')`. Others name only the function. All of it is looked up in the request
//! that was sent; what is not there was not meant.

use super::draft::{Draft, Tool};
use super::outline::Path;

/// The most steps of a path that are followed.
const STEPS_MAX: usize = 64;

/// The path to what the complaint is about, if it says.
pub(super) fn of(draft: &Draft<'_>, param: Option<&str>, message: &str) -> Option<Path> {
    let named = param.and_then(|param| longest(draft, &steps(param)));
    let quoted = between(message, "Invalid '", "'").and_then(|param| longest(draft, &steps(param)));
    let function = between(message, "function '", "'").and_then(|name| {
        let tool = draft.tools.iter().find(|tool| tool.name.as_deref() == Some(name))?;
        Some([tool.path.clone(), tool.parameters().unwrap_or_default()].concat())
    });
    let base = named.or(quoted).or(function)?;
    Some(inside(draft, &base, message).unwrap_or(base))
}

/// The place inside of the schema at `base`, or of the tool's parameters where `base` is the tool.
fn inside(draft: &Draft<'_>, base: &[usize], message: &str) -> Option<Path> {
    let keys: Vec<String> = if let Some(at) = message.find("Found at $") {
        let path = message[at + "Found at $".len()..].split_whitespace().next().unwrap_or_default();
        steps(path.trim_end_matches('.'))
    } else {
        let list = between(message, "context=(", ")")?;
        list.split(',').map(|key| key.trim().trim_matches('\'').to_owned()).filter(|key| !key.is_empty()).collect()
    };
    let parameters = draft.tools.iter().find(|tool| tool.path == base).and_then(Tool::parameters);
    let schema = [base, &parameters.unwrap_or_default()].concat();
    let node = draft.root.at(&schema)?;
    // A key may hold a dot: then only the beginning is found, which is a place all the same.
    let found = (1..=keys.len()).rev().find_map(|end| node.find(keys[..end].iter().map(String::as_str)))?;
    Some([schema, found].concat())
}

/// The path to as much of `keys` as there is.
fn longest(draft: &Draft<'_>, keys: &[String]) -> Option<Path> {
    (1..=keys.len()).rev().find_map(|end| draft.root.find(keys[..end].iter().map(String::as_str)))
}

/// `tools[2].function` as `tools`, `2`, `function`.
fn steps(path: &str) -> Vec<String> {
    let keys = path.split(['.', '[']).map(|key| key.trim_end_matches(']').trim_matches('\''));
    keys.filter(|key| !key.is_empty()).take(STEPS_MAX).map(str::to_owned).collect()
}

fn between<'m>(message: &'m str, before: &str, after: &str) -> Option<&'m str> {
    let rest = &message[message.find(before)? + before.len()..];
    rest.find(after).map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = r#"{"model":"m","messages":[],"tools":[
        {"type":"function","function":{"name":"ok"}},
        {"type":"function","function":{"name":"mail","parameters":{"type":"object",
         "properties":{"to":{"type":"array","items":{"pattern":"(?=a)"}}}}}}]}"#;

    fn pointer(param: Option<&str>, message: &str) -> Option<String> {
        let draft = Draft::read(CHAT, None).unwrap();
        of(&draft, param, message).map(|path| draft.root.pointer(&path))
    }

    #[test]
    fn every_way_to_name_a_place_leads_there() {
        let schema = "/tools/1/function/parameters";
        for (param, message, place) in [
            (
                Some("tools[1].function.parameters"),
                "Invalid schema for function 'mail': regex lookaround is not supported. Found at $.properties.to.items.pattern.",
                format!("{schema}/properties/to/items/pattern"),
            ),
            (
                None,
                "Invalid schema for function 'mail': In context=('properties', 'to'), array schema missing items.",
                format!("{schema}/properties/to"),
            ),
            (
                None,
                "Invalid schema for function 'mail': In context=(), object schema missing properties.",
                schema.to_owned(),
            ),
            (
                None,
                "Invalid 'tools[0].function.name': string does not match pattern.",
                "/tools/0/function/name".to_owned(),
            ),
            (Some("tools[0].function.description"), "too long", "/tools/0/function".to_owned()),
            (Some("tools"), "array too long", "/tools".to_owned()),
        ] {
            assert_eq!(pointer(param, message), Some(place), "{message}");
        }
    }

    #[test]
    fn what_is_not_in_the_request_was_not_meant() {
        assert_eq!(pointer(Some("stream_options"), "no"), None);
        assert_eq!(pointer(None, "Invalid schema for function 'other': no"), None);
        assert_eq!(pointer(None, "function '"), None);
    }
}
