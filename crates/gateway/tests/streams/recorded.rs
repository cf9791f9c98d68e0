//! The streams under `tests/streams`, and what must be known of each to say what a cut means.
//!
//! Nothing here asks the engine: where the first content and the end are is written beside the
//! streams by hand, and events are told apart by the plainest means.

use std::path::PathBuf;

use serde_json::Value;

/// A stream as an API sends it.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) path: String,
    /// In which form this dialect's readers are told of an error.
    pub(crate) form: String,
    /// Whether its request may be sent again without further ado.
    pub(crate) again: bool,
    /// The request, but for its model.
    ask: Value,
    pub(crate) bytes: Vec<u8>,
    /// The length up to the end of the first event with content.
    pub(crate) content: usize,
    /// The length up to the end of the event with which everything has been said.
    pub(crate) terminal: usize,
}

/// An event: its name and its data.
pub(crate) type Event = (String, String);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/streams")
}

impl Recorded {
    pub(crate) fn all() -> Vec<Recorded> {
        let about: Value = serde_json::from_slice(&std::fs::read(folder().join("about.json")).unwrap()).unwrap();
        about["streams"].as_array().unwrap().iter().map(Recorded::read).collect()
    }

    pub(crate) fn named(name: &str) -> Recorded {
        Recorded::all().into_iter().find(|stream| stream.name == name).unwrap_or_else(|| panic!("no stream {name}"))
    }

    fn read(about: &Value) -> Recorded {
        let text = |key: &str| about[key].as_str().unwrap_or_else(|| panic!("no {key}: {about}"));
        let bytes = std::fs::read(folder().join(text("name")).with_extension("sse")).unwrap();
        let end_of = |marker: &str| {
            let at = bytes.windows(marker.len()).position(|window| window == marker.as_bytes());
            let at = at.unwrap_or_else(|| panic!("{} does not hold {marker}", text("name")));
            ends(&bytes).into_iter().find(|end| *end > at).unwrap()
        };
        Recorded {
            name: text("name").to_owned(),
            path: text("path").to_owned(),
            form: text("form").to_owned(),
            again: about["again"] != Value::Bool(false),
            ask: about["ask"].clone(),
            content: end_of(text("content")),
            terminal: end_of(text("terminal")),
            bytes,
        }
    }

    /// A request for this stream, as bytes on a connection of its own.
    pub(crate) fn request(&self, model: &str) -> Vec<u8> {
        let mut ask = self.ask.clone();
        ask["model"] = model.into();
        let (path, body) = (&self.path, ask.to_string());
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// How much of the first `cut` bytes are whole events.
    pub(crate) fn whole(&self, cut: usize) -> usize {
        ends(&self.bytes).into_iter().rfind(|end| *end <= cut).unwrap_or(0)
    }
}

/// Where events end: at the second of two line ends. Of CRLF the CR is enough.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let is_end = |end: &usize| bytes[..*end].ends_with(b"\n\n") || bytes[..*end].ends_with(b"\r\n\r");
    (1..=bytes.len()).filter(is_end).collect()
}

/// The events that a reader sees in `bytes`, which end with one.
pub(crate) fn events(bytes: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    let event = |block: &str| {
        let of = |field: &str| {
            let values: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix(field)).collect();
            (!values.is_empty()).then(|| values.join("\n"))
        };
        of("data: ").map(|data| (of("event: ").unwrap_or_default(), data))
    };
    text.split("\n\n").filter_map(event).collect()
}

/// `@bytes:` and hexadecimal digits, as chaos reads them.
pub(crate) fn spelled(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(7 + bytes.len() * 2);
    text.push_str("@bytes:");
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}
