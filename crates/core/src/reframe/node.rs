//! The parts of an answer that grow with each piece of a stream.
//!
//! Texts are joined between their quotes, lists are continued, objects are joined member by member,
//! and of everything else the latest stands. What names a thing (a role, an id) is said once and not
//! joined, however often it is repeated.

use super::assemble::Unfit;
use super::write::{Object as Writer, array, inside};
use crate::json;

/// The most members of one object that are told apart.
pub const KEYS_MAX: usize = 1_024;
/// The most tool calls of one choice, and the most numbered entries of any list.
pub const ENTRIES_MAX: usize = 1_024;
/// Objects inside objects are joined to this depth; deeper ones are one value, of which the latest stands.
const DEPTH_MAX: usize = 8;
/// What a part costs beside its bytes, in bytes.
const PART_BYTES: usize = 64;
const NULL: &[u8] = b"null";

/// What may still be kept, in bytes.
pub(super) struct Room {
    pub(super) left: usize,
}

impl Room {
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Unfit> {
        self.left = self.left.checked_sub(bytes).ok_or(Unfit::TooLarge)?;
        Ok(())
    }

    /// Takes what `new` needs in place of `old`.
    fn replace(&mut self, old: &[u8], new: &[u8]) -> Result<(), Unfit> {
        self.left += old.len();
        self.take(new.len())
    }
}

/// A value, as far as it has come.
#[derive(Debug)]
pub(super) enum Node {
    /// As it was written.
    Raw(Vec<u8>),
    /// What stands between the quotes.
    Text(Vec<u8>),
    Object(Members),
    /// Elements as they were written.
    List(Vec<Vec<u8>>),
    /// Entries by their number.
    Entries(Vec<(u64, Members)>),
}

/// The members of an object, in the order in which they came first.
#[derive(Debug, Default)]
pub(super) struct Members(Vec<(Vec<u8>, Node)>);

impl Members {
    /// Joins the members of the object `raw`.
    pub(super) fn join(&mut self, raw: &[u8], depth: usize, room: &mut Room) -> Result<(), Unfit> {
        for member in json::members(raw) {
            let (key, raw) = member.map_err(|_| Unfit::Broken)?;
            self.add(&key, raw, depth, room)?;
        }
        Ok(())
    }

    /// Joins one value to what is there.
    pub(super) fn add(&mut self, key: &[u8], raw: &[u8], depth: usize, room: &mut Room) -> Result<(), Unfit> {
        self.slot(key, room)?.add(key, raw, depth, room)
    }

    /// Puts a value in place of what is there, if there is one or nothing is.
    pub(super) fn set(&mut self, key: &[u8], raw: &[u8], room: &mut Room) -> Result<(), Unfit> {
        let slot = self.slot(key, room)?;
        if json::is_null(raw) { Ok(()) } else { slot.set(raw, room) }
    }

    /// Whether the value of `key` has been told, and says something.
    pub(super) fn has(&self, key: &str) -> bool {
        match self.get(key) {
            None => false,
            Some(Node::Raw(raw)) => !crate::verdict::body::is_nothing(raw),
            Some(_) => true,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(known, _)| known == key.as_bytes()).map(|(_, node)| node)
    }

    /// The place of `key`: `null` where nothing was said of it.
    fn slot(&mut self, key: &[u8], room: &mut Room) -> Result<&mut Node, Unfit> {
        let at = match self.0.iter().position(|(known, _)| known == key) {
            Some(at) => at,
            None if self.0.len() >= KEYS_MAX => return Err(Unfit::TooLarge),
            None => {
                room.take(key.len() + NULL.len() + PART_BYTES)?;
                self.0.push((key.to_vec(), Node::Raw(NULL.to_vec())));
                self.0.len() - 1
            }
        };
        Ok(&mut self.0[at].1)
    }

    /// Writes those members that `is_wanted`.
    pub(super) fn write(&self, object: &mut Writer<'_>, is_wanted: impl Fn(&[u8]) -> bool) {
        for (key, node) in self.0.iter().filter(|(key, _)| is_wanted(key)) {
            node.write(key, object.member(key));
        }
    }
}

impl Node {
    fn add(&mut self, key: &[u8], raw: &[u8], depth: usize, room: &mut Room) -> Result<(), Unfit> {
        if json::is_null(raw) {
            return Ok(());
        }
        if let Some(text) = inside(raw) {
            return self.add_text(key, text, room);
        }
        match raw.first() {
            Some(b'{') if depth < DEPTH_MAX => {
                if !matches!(self, Node::Object(_)) {
                    *self = Node::Object(Members::default());
                }
                let Node::Object(members) = self else { return Ok(()) };
                members.join(raw, depth + 1, room)
            }
            Some(b'[') if is_numbered(key) => self.add_entries(raw, depth, room),
            Some(b'[') => {
                if !matches!(self, Node::List(_)) {
                    *self = Node::List(Vec::new());
                }
                let Node::List(list) = self else { return Ok(()) };
                for element in json::elements(raw) {
                    let element = element.map_err(|_| Unfit::Broken)?;
                    room.take(element.len() + PART_BYTES)?;
                    list.push(element.to_vec());
                }
                Ok(())
            }
            _ => self.set(raw, room),
        }
    }

    /// Puts a value in place of what is there. Most are said again with each piece, and are the same.
    fn set(&mut self, raw: &[u8], room: &mut Room) -> Result<(), Unfit> {
        let old = if let Node::Raw(old) = &*self { old.as_slice() } else { &[] };
        if old != raw {
            room.replace(old, raw)?;
            *self = Node::Raw(raw.to_vec());
        }
        Ok(())
    }

    fn add_text(&mut self, key: &[u8], text: &[u8], room: &mut Room) -> Result<(), Unfit> {
        match self {
            Node::Text(known) if names_it(key) && !known.is_empty() => return Ok(()),
            // Some servers repeat the whole name with each piece of the arguments.
            Node::Text(known) if key == b"name" && known == text => return Ok(()),
            Node::Text(known) => known.extend_from_slice(text),
            _ => *self = Node::Text(text.to_vec()),
        }
        room.take(text.len())
    }

    fn add_entries(&mut self, raw: &[u8], depth: usize, room: &mut Room) -> Result<(), Unfit> {
        if !matches!(self, Node::Entries(_)) {
            *self = Node::Entries(Vec::new());
        }
        let Node::Entries(entries) = self else { return Ok(()) };
        for element in json::elements(raw) {
            let element = element.map_err(|_| Unfit::Broken)?;
            let number = match json::field(element, "index").and_then(json::uint) {
                Some(number) => number,
                None => unnumbered(entries, element),
            };
            let at = match entries.iter().position(|(known, _)| *known == number) {
                Some(at) => at,
                None if entries.len() >= ENTRIES_MAX => return Err(Unfit::TooLarge),
                None => {
                    room.take(PART_BYTES)?;
                    let at = entries.partition_point(|(known, _)| *known < number);
                    entries.insert(at, (number, Members::default()));
                    at
                }
            };
            entries[at].1.join(element, depth + 1, room)?;
        }
        Ok(())
    }

    pub(super) fn write(&self, key: &[u8], out: &mut Vec<u8>) {
        match self {
            Node::Raw(raw) => out.extend_from_slice(raw),
            Node::Text(text) => {
                out.push(b'"');
                out.extend_from_slice(text);
                out.push(b'"');
            }
            Node::Object(members) => Writer::write(out, |object| members.write(object, |_| true)),
            Node::List(list) => array(out, list, |out, element| out.extend_from_slice(element)),
            Node::Entries(entries) => array(out, entries, |out, (_, members)| {
                // A whole answer's calls stand in order and are not numbered.
                let is_wanted = |name: &[u8]| key != b"tool_calls" || name != b"index";
                Writer::write(out, |object| members.write(object, is_wanted));
            }),
        }
    }
}

/// The number of an entry that has none: a call with an id that is new is the next one, and what has
/// no id belongs to the last.
fn unnumbered(entries: &[(u64, Members)], element: &[u8]) -> u64 {
    let id = json::field(element, "id").and_then(inside).filter(|id| !id.is_empty());
    let is_same =
        |members: &Members| matches!(members.get("id"), Some(Node::Text(known)) if Some(known.as_slice()) == id);
    let last = entries.last().map(|(number, _)| *number);
    match (entries.iter().find(|(_, members)| id.is_some() && is_same(members)), last) {
        (Some((number, _)), _) => *number,
        (None, Some(last)) if id.is_none() => last,
        (None, last) => last.map_or(0, |last| last.saturating_add(1)),
    }
}

/// Lists whose entries come in pieces, told apart by their `index`.
fn is_numbered(key: &[u8]) -> bool {
    matches!(key, b"tool_calls" | b"reasoning_details")
}

/// Whether a text names a thing, and is not a piece of one.
fn names_it(key: &[u8]) -> bool {
    matches!(key, b"role" | b"id" | b"type" | b"object" | b"format")
}
