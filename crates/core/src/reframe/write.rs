//! JSON and events, written by hand from values that are carried over as they came.

use crate::json::{self, Key};

/// A member of an object: its key, and its value as written.
pub(super) type Member<'a> = (Key<'a>, &'a [u8]);

/// The members of an object, in order; `None` if it is none or breaks off.
pub(super) fn members(raw: &[u8]) -> Option<Vec<Member<'_>>> {
    json::members(raw).collect::<Result<_, _>>().ok()
}

/// The elements of an array, in order; `None` if it is none or breaks off.
pub(super) fn elements(raw: &[u8]) -> Option<Vec<&[u8]>> {
    json::elements(raw).collect::<Result<_, _>>().ok()
}

/// The value of a key; of several the last, as parsers have it.
pub(super) fn get<'a>(members: &[Member<'a>], name: &str) -> Option<&'a [u8]> {
    members.iter().rfind(|(key, _)| key == name).map(|(_, raw)| *raw)
}

/// What stands between the quotes of a string, escapes and all; `None` if it is no string.
pub(super) fn inside(raw: &[u8]) -> Option<&[u8]> {
    raw.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// An object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Writes an object whose members `fill` writes.
    pub(super) fn write(out: &'a mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        out.push(b'{');
        let mut object = Object { out, is_empty: true };
        fill(&mut object);
        object.out.push(b'}');
    }

    /// Begins a member; its value is to be written into what this gives.
    pub(super) fn member(&mut self, key: &[u8]) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        // A key that is no text was none that anybody could have read.
        let key = serde_json::Value::from(String::from_utf8_lossy(key)).to_string();
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b':');
        self.out
    }

    /// A member whose value is already JSON.
    pub(super) fn raw(&mut self, key: impl AsRef<[u8]>, raw: &[u8]) {
        self.member(key.as_ref()).extend_from_slice(raw);
    }

    pub(super) fn number(&mut self, key: &str, number: usize) {
        self.raw(key, number.to_string().as_bytes());
    }

    /// A member that is an object.
    pub(super) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        Object::write(self.member(key.as_bytes()), fill);
    }
}

/// An array whose elements `write` writes.
pub(super) fn array<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// One event, called `name` unless that is empty, whose data `fill` writes.
pub(super) fn event(out: &mut Vec<u8>, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    Object::write(out, fill);
    // An answer may be written over many lines; between two values any white space is as good.
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\n\n");
}
