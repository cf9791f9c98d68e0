//! What holds for any bytes whatever: read by the tests here and by the target under `fuzz/`.

use seawall_core::request::lint::{Edit, Options, Report, Target, fixed, lint};
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

/// `fixed` comes to an end, what it returns has nothing left to change, and it is what the findings'
/// own edits make of the document: so no other byte is touched.
fn changes_settle(document: &[u8], target: Option<Target>) {
    let options = Options { target };
    let mended = fixed(document, options);
    if let Some(made) = made_by_edits(document, target) {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(text(mended.as_deref()), text(Some(&made).filter(|made| **made != document).map(|made| &**made)));
    }
    let Some(mended) = mended else { return };
    assert_ne!(mended, document);
    assert_eq!(fixed(&mended, options), None, "{}", String::from_utf8_lossy(&mended));
}

/// The document with the edits of its findings made, round by round: of fixes whose bytes meet, the first
/// goes first. `None` if it grows without an end or has more findings than are told.
fn made_by_edits(document: &[u8], target: Option<Target>) -> Option<Vec<u8>> {
    let mut now = document.to_vec();
    for _ in 0..64 {
        let report = look(&now, target);
        if report.more > 0 || now.len() > 8 * document.len() + 65_536 {
            return None;
        }
        let mut edits: Vec<Edit> = Vec::new();
        for fix in report.findings.into_iter().filter_map(|finding| finding.fix) {
            let meets = |a: &Edit, b: &Edit| a.span.start <= b.span.end && b.span.start <= a.span.end;
            if !fix.edits.iter().any(|edit| edits.iter().any(|other| meets(edit, other))) {
                edits.extend(fix.edits);
            }
        }
        if edits.is_empty() {
            return Some(now);
        }
        // From the last to the first, so that places stay right.
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
        for edit in edits {
            now.splice(edit.span, edit.text.into_bytes());
        }
    }
    None
}

/// The span lies within the value that the pointer names.
fn points_at_its_span(document: &[u8], pointer: &str, span: &std::ops::Range<usize>, code: &str) {
    let Ok(value) = serde_json::from_slice::<Value>(document) else { return };
    let Some(named) = value.pointer(pointer) else { panic!("{code}: {pointer:?} names nothing") };
    let bytes = &document[span.clone()];
    // A span is the value, its key, or some bytes within either; below it, where a key cannot be told.
    if let Ok(there) = serde_json::from_slice::<Value>(bytes) {
        let last = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
        let is_key = there.as_str() == Some(&last);
        assert!(is_key || contains(named, &there), "{code}: {pointer:?} is not at {span:?}");
    }
}

/// Whether `part` is `value`, or a value or key below it, or within a string.
fn contains(value: &Value, part: &Value) -> bool {
    value == part
        || match value {
            Value::Array(list) => list.iter().any(|value| contains(value, part)),
            Value::Object(map) => map.iter().any(|(key, value)| part.as_str() == Some(key) || contains(value, part)),
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
