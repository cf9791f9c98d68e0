//! Finds requests and tools in what a Python or Node program printed: a dump, perhaps in a log.
//!
//! Every bracket may begin one, so the work is bounded. Out of JSON that is broken nothing is picked:
//! it would be sent as it is, and refused as it is.

use seawall_core::json;

use super::document::{Document, Found, is_request, is_tool};
use crate::commands::literal;

/// Bytes that are read in vain, at most, while printed values are looked for.
const VAIN_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A printed value that is longer is not looked for: it costs memory several times its size.
const PRINTED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The documents in what a Python or Node program printed, which begins at `base` of the file.
pub(super) fn find(bytes: &[u8], base: usize) -> Option<Found> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= PRINTED_BYTES_MAX)?;
    let mut found = Found { is_printed: true, ..Found::default() };
    let mut is_cut = false;
    let mut from = 0;
    let mut vain = 0;
    while let Some(at) = text[from..].find(['{', '[']).map(|at| from + at).filter(|_| vain < VAIN_BYTES_MAX) {
        from = at + 1;
        let literal = literal::try_read(&text[at..]);
        // JSON with a mistake is sent as it is, and refused as it is: nothing is picked out of it.
        if at == 0 && begins_like_json(text) && !literal.as_ref().is_ok_and(|literal| literal.is_foreign) {
            return None;
        }
        let literal = match literal {
            Ok(literal) => literal,
            Err(cost) => {
                vain += cost;
                continue;
            }
        };
        let json = literal.json.as_bytes();
        if !json::is_document(json) {
            continue;
        }
        let document = Document::inside(found.documents.len() + 1, json, 0..json.len());
        let inside = document.bytes(json);
        let is_tools = json::elements(inside).next().and_then(Result::ok).is_some_and(is_tool);
        if !(is_tools || is_tool(inside) || is_request(inside)) {
            vain += literal.end;
            continue;
        }
        from = at + literal.end;
        is_cut |= literal.is_cut;
        found.documents.push(document.printed(base + at, literal));
    }
    if found.documents.is_empty() {
        return None;
    }
    found.notes.push("read as what a Python or Node program printed".to_owned());
    if vain >= VAIN_BYTES_MAX {
        found.notes.push("it was not looked through to its end: most of it is no request".to_owned());
    }
    if is_cut {
        found.notes.push(
            "the program left parts out (`[Object]`, `… more items`), and what is there in their place is linted: \
             print all of it with JSON.stringify(request) or util.inspect(request, { depth: null })"
                .to_owned(),
        );
    }
    Some(found)
}

/// Whether a text begins with a bracket as JSON goes on behind one; `[2026-11-23 …]` does not.
fn begins_like_json(text: &str) -> bool {
    let mut signs = text.chars().filter(|c| !c.is_whitespace());
    match (signs.next(), signs.next()) {
        (Some('{'), next) => matches!(next, Some('"' | '}') | None),
        (Some('['), next) => matches!(next, Some('"' | '{' | '[' | ']') | None),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use seawall_core::request::lint::Target;

    use super::*;
    use crate::commands::lint::document;

    /// The texts of the documents in a file, and the notes.
    fn found(file: &str) -> (Vec<String>, Vec<String>) {
        let found = document::find(file.as_bytes());
        let text = |document: &Document| String::from_utf8(document.bytes(file.as_bytes()).to_vec()).unwrap();
        (found.documents.iter().map(text).collect(), found.notes)
    }

    #[test]
    fn what_python_prints_is_found_in_its_line_and_points_back() {
        let file = "DEBUG:openai._base_client:Request options: {'method': 'post', 'url': '/chat/completions', 'files': None, 'json_data': {'model': 'm', 'messages': [], 'tools': [{'type': 'function', 'function': {'name': 'a b'}}], 'stream': True}}\nDEBUG:httpcore.connection:x";
        let all = document::find(file.as_bytes());
        let document = &all.documents[0];
        assert!(all.is_printed && all.documents.len() == 1);
        assert_eq!((document.pointer.as_str(), document.target), ("/json_data", Some(Target::OpenaiChat)));
        let json = std::str::from_utf8(document.bytes(file.as_bytes())).unwrap();
        let at = json.find("\"a b\"").unwrap();
        assert_eq!(&file[document.place(&(at..at + 5))], "'a b'");
        assert!(document.span().is_none());
    }

    #[test]
    fn nothing_is_picked_out_of_json_that_is_broken() {
        for file in [
            r#"[{"type":"function","function":{"name":"x"}},{"type":"function","function":{"name":"y"}]"#,
            r#"{"model":"m","tools":[{"type":"function","function":{"name":"x"}}],}"#,
            "{",
        ] {
            assert_eq!(found(file).0, [file]);
        }
        let log = r#"[2026-11-23 06:30] sending request {"model":"m","messages":[]}"#;
        assert_eq!(found(log).0, [r#"{"model":"m","messages":[]}"#]);
    }

    #[test]
    fn looking_for_what_was_printed_has_an_end() {
        let brackets = "[".repeat(VAIN_BYTES_MAX / 16);
        let file = format!("request {{'model': 'm'}} {brackets} {{'model': 'n'}}");
        let (all, notes) = found(&file);
        assert_eq!(all.len(), 1, "what is behind so many brackets is not found");
        assert!(notes.iter().any(|note| note.contains("not looked through")), "{notes:?}");
    }

    #[test]
    fn what_node_prints_is_found_and_its_gaps_are_told() {
        let dump =
            "{\n  model: 'm',\n  messages: [ [Object] ],\n  tools: [ { type: 'function', function: [Object] } ],\n}";
        let (all, notes) = found(dump);
        assert_eq!(
            all[0],
            r#"{"model":"m","messages":[["Object"]],"tools":[{"type":"function","function":["Object"]}]}"#
        );
        assert!(notes.len() == 2 && notes[1].contains("depth: null"), "{notes:?}");
    }
}
