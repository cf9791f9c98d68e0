//! Bytes of a stream into server-sent events, however the network cut them.
//!
//! The relay passes a stream on as it came; this scanner only watches. It follows the WHATWG
//! rules (LF, CR or CRLF, comments, one byte order mark, several `data:` lines to an event) and
//! hands out events as they complete. Nothing is copied but what a chunk's end cut in two, and the
//! earlier lines of an event whose data has several. `id` and `retry` are of no use here.
//!
//! [`Ends`] is for who passes a stream on: how much of it can go without an event being cut in two.

mod ends;

pub use ends::Ends;

/// The longest line, and the most data of one event, in bytes. The largest events in use are
/// images in base64, of a few MiB; the official Go SDK stops at 32 MiB a line.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Memory kept for the next line after a long one, in bytes.
const KEPT_BYTES_MAX: usize = 64 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A line or an event was longer than [`LINE_BYTES_MAX`]: what follows cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an event of the stream is longer than {} MiB", LINE_BYTES_MAX / (1024 * 1024))
    }
}

impl std::error::Error for TooLong {}

/// One complete event. The bytes need not be UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// What `event:` said; empty where nothing did.
    pub name: &'a [u8],
    /// The lines of `data:`, joined by LF.
    pub data: &'a [u8],
    /// How many bytes of the chunk that completed it come after it.
    pub rest: usize,
}

/// Takes chunks, gives events.
///
/// ```
/// use seawall_core::verdict::sse::Scanner;
///
/// let mut seen = Vec::new();
/// let mut scanner = Scanner::default();
/// for chunk in [&b"data: {\"a\""[..], b": 1}\r", b"\n\r\ndata: [DONE]\n"] {
///     scanner.push(chunk, |event| seen.push(event.data.to_vec())).expect("short lines");
/// }
/// assert_eq!(seen, [b"{\"a\": 1}"]);
/// assert!(scanner.is_mid_event());
/// ```
#[derive(Debug, Default)]
pub struct Scanner {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Of the event under way, from earlier chunks.
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a CR: an LF right after it belongs to it.
    after_cr: bool,
    /// Bytes of the byte order mark seen; [`BOM`]'s length once the beginning is over.
    bom: usize,
    is_lost: bool,
}

/// The parts of the event under way that came in this very chunk.
#[derive(Clone, Copy, Default)]
struct Fresh<'a> {
    name: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
}

impl Scanner {
    /// Takes the next bytes and hands each event that they complete to `on_event`.
    ///
    /// # Errors
    ///
    /// [`TooLong`], then and ever after.
    pub fn push(&mut self, chunk: &[u8], mut on_event: impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        if self.is_lost {
            return Err(TooLong);
        }
        let chunk = self.beginning(chunk);
        let result = self.scan(chunk, &mut on_event);
        self.is_lost = result.is_err();
        result
    }

    /// Whether an event has begun and its end has not come: at the end of a stream, one was cut off.
    #[must_use]
    pub fn is_mid_event(&self) -> bool {
        self.has_data || !self.name.is_empty() || !self.line.is_empty() || (1..BOM.len()).contains(&self.bom)
    }

    /// The data of the event under way, as far as it has come.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        match field(&self.line) {
            Some((Field::Data, value)) if !self.has_data => value,
            _ => &self.data,
        }
    }

    fn scan(&mut self, mut rest: &[u8], on_event: &mut impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        let mut carried = std::mem::take(&mut self.line);
        let mut fresh = Fresh::default();
        if !carried.is_empty() {
            let Some((line, after)) = self.split(rest) else {
                self.line = carried;
                return extend(&mut self.line, rest);
            };
            extend(&mut carried, line)?;
            rest = after;
            self.take(&carried, rest.len(), &mut fresh, on_event)?;
        }
        while let Some((line, after)) = self.split(rest) {
            rest = after;
            self.take(line, rest.len(), &mut fresh, on_event)?;
        }
        self.keep(&fresh)?;
        carried.clear();
        carried.shrink_to(KEPT_BYTES_MAX);
        self.line = carried;
        extend(&mut self.line, rest)
    }

    /// The first line of `rest` and what follows it, if the line's end is there.
    #[inline]
    fn split<'a>(&mut self, rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let end = memchr::memchr2(b'\n', b'\r', rest)?;
        let (line, mut after) = (&rest[..end], &rest[end + 1..]);
        if rest[end] == b'\r' {
            self.after_cr = after.is_empty();
            after = after.strip_prefix(b"\n").unwrap_or(after);
        }
        Some((line, after))
    }

    /// Takes one complete line, which `rest` bytes follow.
    #[inline]
    fn take<'a>(
        &mut self,
        line: &'a [u8],
        rest: usize,
        fresh: &mut Fresh<'a>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), TooLong> {
        if line.is_empty() {
            self.dispatch(std::mem::take(fresh), rest, on_event);
            return Ok(());
        }
        match field(line) {
            Some((Field::Event, value)) => fresh.name = Some(value),
            Some((Field::Data, value)) if !self.has_data && fresh.data.is_none() => fresh.data = Some(value),
            Some((Field::Data, value)) => {
                self.keep_data(fresh.data.take())?;
                self.keep_data(Some(value))?;
            }
            None => {}
        }
        Ok(())
    }

    #[inline]
    fn dispatch(&mut self, fresh: Fresh<'_>, rest: usize, on_event: &mut impl FnMut(Event<'_>)) {
        let name = fresh.name.unwrap_or(&self.name);
        match fresh.data {
            Some(data) => on_event(Event { name, data, rest }),
            None if self.has_data => on_event(Event { name, data: &self.data, rest }),
            // An event without data is none.
            None => {}
        }
        self.name.clear();
        if self.has_data {
            self.has_data = false;
            self.data.clear();
            self.data.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Copies what the chunk's end leaves unfinished.
    fn keep(&mut self, fresh: &Fresh<'_>) -> Result<(), TooLong> {
        if let Some(name) = fresh.name {
            self.name.clear();
            self.name.extend_from_slice(name);
        }
        self.keep_data(fresh.data)
    }

    fn keep_data(&mut self, value: Option<&[u8]>) -> Result<(), TooLong> {
        let Some(value) = value else { return Ok(()) };
        if self.has_data {
            extend(&mut self.data, b"\n")?;
        }
        self.has_data = true;
        extend(&mut self.data, value)
    }

    /// `chunk` without the byte order mark at the very beginning, which may come in pieces.
    fn beginning<'a>(&mut self, mut chunk: &'a [u8]) -> &'a [u8] {
        while self.bom < BOM.len() {
            match chunk.split_first() {
                None => break,
                Some((byte, rest)) if *byte == BOM[self.bom] => {
                    self.bom += 1;
                    chunk = rest;
                }
                Some(_) => {
                    // Not one after all: what looked like it is the beginning of a line.
                    self.line.extend_from_slice(&BOM[..self.bom]);
                    self.bom = BOM.len();
                }
            }
        }
        chunk
    }
}

/// The fields that matter.
enum Field {
    Event,
    Data,
}

/// What a line sets, and to what. `None` for comments and for fields that do not matter.
#[inline]
fn field(line: &[u8]) -> Option<(Field, &[u8])> {
    let (field, value) = if let Some(value) = line.strip_prefix(b"data") {
        (Field::Data, value)
    } else {
        (Field::Event, line.strip_prefix(b"event")?)
    };
    match value {
        [] => Some((field, value)),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some((field, value)),
        // Another field, whose name only begins alike.
        _ => None,
    }
}

fn extend(buffer: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TooLong> {
    if buffer.len() + bytes.len() > LINE_BYTES_MAX {
        return Err(TooLong);
    }
    buffer.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Name and data of each event, whether one was cut off, and its beginning.
    type Seen = (Vec<(String, String)>, bool, String);

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn seen<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
        let mut events = Vec::new();
        let mut scanner = Scanner::default();
        for chunk in chunks {
            scanner.push(chunk, |event| events.push((text(event.name), text(event.data)))).expect("short lines");
        }
        (events, scanner.is_mid_event(), text(scanner.unfinished()))
    }

    fn whole(stream: &str) -> Seen {
        seen([stream.as_bytes()])
    }

    fn events(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect()
    }

    #[test]
    fn events_are_told_apart_by_the_rules() {
        for (stream, expected) in [
            ("data: a\n\n", &[("", "a")][..]),
            ("data:a\r\n\r\n", &[("", "a")]),
            ("data:  a\r\r", &[("", " a")]),
            ("\u{feff}data: a\n\n", &[("", "a")]),
            ("\u{feff}\u{feff}data: a\n\ndata: b\n\n", &[("", "b")]),
            ("event: x\ndata: a\n\ndata: b\n\n", &[("x", "a"), ("", "b")]),
            ("event: x\nevent: y\ndata: a\n\n", &[("y", "a")]),
            ("data: a\ndata: b\ndata:\n\n", &[("", "a\nb\n")]),
            ("data\n\n", &[("", "")]),
            ("data:\n\n", &[("", "")]),
            (": comment\n\n\n: another\ndata: a\n: in between\n\n", &[("", "a")]),
            ("event: ping\n\ndata: a\n\n", &[("", "a")]),
            ("id: 1\nretry: 100\ndatabase: x\neventual: y\ndata: a\n\n", &[("", "a")]),
            ("retry: 100\n\n", &[]),
            ("", &[]),
        ] {
            assert_eq!(whole(stream), (events(expected), false, String::new()), "{stream:?}");
        }
    }

    #[test]
    fn a_cut_event_is_noticed_and_not_handed_out() {
        for (stream, unfinished) in [
            ("data: a", "a"),
            ("data: a\n", "a"),
            ("event: x\n", ""),
            ("da", ""),
            (": comm", ""),
            ("data: a\ndata: b", "a"),
            ("\u{feff}data: [DONE]\n", "[DONE]"),
        ] {
            assert_eq!(whole(stream), (vec![], true, unfinished.to_owned()), "{stream:?}");
        }
        assert_eq!(seen([&BOM[..2]]), (vec![], true, String::new()));
        assert_eq!(whole(": comment\n"), (vec![], false, String::new()));
    }

    #[test]
    fn a_line_is_followed_to_its_limit_and_no_further() {
        let line = [b"data: ", &vec![b'x'; LINE_BYTES_MAX - 6][..]].concat();
        let mut scanner = Scanner::default();
        let mut bytes = 0;
        for chunk in line.chunks(1 << 20) {
            scanner.push(chunk, |_| unreachable!("no end of line yet")).expect("within the limit");
        }
        scanner.push(b"\n\n", |event| bytes = event.data.len()).expect("within the limit");
        assert_eq!(bytes, LINE_BYTES_MAX - 6);
        assert!(scanner.line.capacity() <= KEPT_BYTES_MAX && scanner.data.capacity() <= KEPT_BYTES_MAX);

        scanner.push(&line, |_| {}).expect("within the limit");
        assert_eq!(scanner.push(b"x", |_| {}), Err(TooLong));
        assert_eq!(scanner.push(b"\n\ndata: a\n\n", |_| unreachable!("lost")), Err(TooLong));
    }

    #[test]
    fn the_lines_of_one_event_are_bounded_together() {
        let line = [b"data: ", &vec![b'x'; LINE_BYTES_MAX / 2][..], b"\n"].concat();
        let mut scanner = Scanner::default();
        scanner.push(&line, |_| {}).expect("within the limit");
        assert_eq!(scanner.push(&line, |_| {}), Err(TooLong));
    }

    /// Streams made of what matters: line ends, fields, half a mark, text in several bytes.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(&b"\n"[..]),
            Just(&b"\r"[..]),
            Just(&b"\r\n"[..]),
            Just(&b"\n\n"[..]),
            Just(&b"data:"[..]),
            Just(&b"data: "[..]),
            Just(&b"event: "[..]),
            Just(&b": "[..]),
            Just(&b"id: 7"[..]),
            Just(BOM),
            Just(&BOM[..2]),
            Just("\u{1f600}é".as_bytes()),
            Just(&b"\xff"[..]),
            Just(&b"[DONE]"[..]),
            Just(&br#"{"a":"b"}"#[..]),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_split_gives_the_same_events(
            stream in stream(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let split = cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]);
            let expected = seen([&stream[..]]);
            prop_assert_eq!(seen(split), expected.clone());
            prop_assert_eq!(seen(stream.chunks(1)), expected);
        }
    }
}
