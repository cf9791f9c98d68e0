//! Every mechanical change, until there is none left to make.
//!
//! A change can make room for another: an allOf that was merged is an object that needs its properties
//! required. So a document is looked at again after each round. Fixes whose bytes meet are made in
//! different rounds, each of them whole or not at all.

use std::collections::BTreeMap;

use super::look::Purpose;
use super::{Edit, Fix, Options, document};

/// The most rounds. Each level of nesting takes a few, and they are taken by all parts at once.
pub(super) const ROUNDS_MAX: usize = 64;

/// How many times its size a document may grow to by what references point at, beyond [`GROWTH_FREE`].
const GROWTH_MAX: usize = 8;
/// Growth in bytes that is always fine.
const GROWTH_FREE: usize = 64 * 1024;

/// See the module. `None` if there is nothing to change.
pub(super) fn fixed(document: &[u8], options: Options) -> Option<Vec<u8>> {
    // References are put in only if that comes to an end; without that, everything does.
    settled(document, options, true).or_else(|| settled(document, options, false))?
}

/// The document with all changes made: `Some(None)` if there are none, `None` if there is no end of them.
fn settled(document: &[u8], options: Options, is_inlining: bool) -> Option<Option<Vec<u8>>> {
    let limit = document.len().saturating_mul(GROWTH_MAX).saturating_add(GROWTH_FREE);
    let mut changed: Option<Vec<u8>> = None;
    for _ in 0..ROUNDS_MAX {
        let now = changed.as_deref().unwrap_or(document);
        let (look, _) = document::look_at(now, options, Purpose::Mend, is_inlining);
        let edits = compatible(look.fixes());
        if edits.is_empty() {
            return Some(changed);
        }
        let next = applied(now, &edits);
        if next.len() > limit {
            return None;
        }
        changed = Some(next);
    }
    None
}

/// The edits of as many fixes as can be made at once, by rising place.
fn compatible(fixes: Vec<Fix>) -> Vec<Edit> {
    let mut taken: BTreeMap<usize, Edit> = BTreeMap::new();
    for fix in fixes {
        let meets = |edit: &Edit| {
            let before = taken.range(..=edit.span.end).next_back();
            before.is_some_and(|(_, other)| other.span.end >= edit.span.start)
        };
        if !fix.edits.iter().any(meets) {
            taken.extend(fix.edits.into_iter().map(|edit| (edit.span.start, edit)));
        }
    }
    taken.into_values().collect()
}

fn applied(document: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len() + 64 * edits.len());
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(&document[at..edit.span.start]);
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.span.end;
    }
    out.extend_from_slice(&document[at..]);
    out
}
