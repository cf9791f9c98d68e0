//! The report as JSON, and the digest by which a reader sees whether it is still what was written.
//!
//! The digest is of the facts in canonical form: without the members `digest` and `made`, so that the same facts
//! have the same digest whenever they are told; members in the order of their names, no white space, nothing
//! escaped that need not be, UTF-8. All numbers are whole. It is what this prints:
//!
//! ```text
//! jq -cjS 'del(.digest,.made)' report.json | sha256sum
//! ```
//!
//! It is no signature: who changes a report can take it anew.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::document::{Digest, Report};

/// What the digest is taken of.
const OF: &str = "jq -cjS 'del(.digest,.made)' report.json";

impl Digest {
    /// Where the digest will stand.
    pub(super) fn none() -> Digest {
        Digest { algorithm: "sha-256", of: OF, value: String::new() }
    }

    /// The digest of `report`.
    pub(super) fn of(report: &Report) -> Digest {
        Digest { value: sha256(canonical(report).as_bytes()), ..Digest::none() }
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // A `String` takes every write.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the digest is taken of.
fn canonical(report: &Report) -> String {
    let mut value = value(report);
    if let Some(members) = value.as_object_mut() {
        members.remove("digest");
        members.remove("made");
    }
    // An object's members are kept in the order of their names.
    value.to_string()
}

/// Texts, whole numbers and lists under keys that are texts: making a value of them cannot fail.
fn value(report: &Report) -> Value {
    serde_json::to_value(report).unwrap_or_default()
}

/// The report as JSON: one object, indented, its members in the order in which a person reads them.
pub(crate) fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}
