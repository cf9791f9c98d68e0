//! What holds for any bytes whatever: read by the tests here and by the target under `fuzz/`.

use seawall_core::request::lint::{Options, Report, Target, fixed, lint};
use serde_json::Value;

/// Looks at a document for a target.
pub(crate) fn look(document: &[u8], target: Option<Target>) -> Report {
    lint(document, Options { target })
}

/// Everything that must hold for `document`, whatever it is.
pub(crate) fn any_document_is_looked_at(document: &[u8], target: Option<Target>) {
    let report = look(document, target);
    let has_key_twice = report.findings.iter().any(|finding| finding.rule.code == "SW006") || report.more > 0;
    for finding in &report.findings {
        let rule = finding.rule;
        assert!(finding.severity >= rule.severity, "{} is worse than it can be", rule.code);
        let span = finding.span.clone();
        assert!(span.start <= span.end && span.end <= document.len(), "{} at {span:?}", rule.code);
        if let Ok(text) = std::str::from_utf8(document) {
            assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{} at {span:?}", rule.code);
        }
        let words = [Some(&finding.message), finding.reply.as_ref(), finding.tool.as_ref(), Some(&finding.pointer)];
        for text in words.into_iter().flatten() {
            assert!(!text.chars().any(char::is_control), "{} says {text:?}", rule.code);
        }
        // A pointer cannot tell two members of one key apart.
        if !has_key_twice {
            points_at_its_span(document, &finding.pointer, &span, rule.code);
        }
        if let Some(fix) = &finding.fix {
            let rising = fix.edits.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start);
            assert!(rising && !fix.edits.is_empty(), "{} has edits {:?}", rule.code, fix.edits);
        }
    }
    let places: Vec<_> = report.findings.iter().map(|finding| finding.span.start).collect();
    assert!(places.is_sorted(), "not in the order of the document: {places:?}");
    changes_settle(document, target);
}

/// `fixed` comes to an end, and what it returns has nothing left to change.
fn changes_settle(document: &[u8], target: Option<Target>) {
    let options = Options { target };
    let Some(mended) = fixed(document, options) else { return };
    assert_ne!(mended, document);
    assert_eq!(fixed(&mended, options), None, "{}", String::from_utf8_lossy(&mended));
}

/// The span lies within the value that the pointer names.
fn points_at_its_span(document: &[u8], pointer: &str, span: &std::ops::Range<usize>, code: &str) {
    let Ok(value) = serde_json::from_slice::<Value>(document) else { return };
    let Some(named) = value.pointer(pointer) else { panic!("{code}: {pointer:?} names nothing") };
    let bytes = &document[span.clone()];
    // A span is the value, its key, or some bytes within either.
    if let Ok(there) = serde_json::from_slice::<Value>(bytes) {
        let is_key = there.as_str().is_some_and(|key| {
            let last = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
            key == last || named.get(key).is_some()
        });
        let is_twice = code == "SW006";
        assert!(
            is_key || is_twice || there == *named || contains(named, &there),
            "{code}: {pointer:?} is not at {span:?}"
        );
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    value == part
        || match value {
            Value::Array(list) => list.iter().any(|value| contains(value, part)),
            Value::Object(map) => map.values().any(|value| contains(value, part)),
            Value::String(text) => part.is_number() && text.contains(&part.to_string()),
            _ => false,
        }
}

/// Bytes of a fuzzer: one for the target, the rest are a document.
pub(crate) fn document_of(input: &[u8]) {
    let [target, document @ ..] = input else { return };
    let target = Target::ALL.get(usize::from(*target) % (Target::ALL.len() + 1)).copied();
    any_document_is_looked_at(document, target);
}
