//! Where a stream of events can be cut without cutting an event in two.
//!
//! What has been passed on cannot be taken back. If the last of it is half an event, whatever is
//! said next ends that half, and a reader stops at what it cannot parse instead of at what it is
//! told: `JSONDecodeError` in place of the error's own message and code. So who passes a stream on,
//! and may have to say how it ended, passes whole events.

/// Follows a stream, chunk by chunk.
///
/// ```
/// use seawall_core::verdict::sse::Ends;
///
/// let mut ends = Ends::default();
/// assert_eq!(ends.whole(b"data: 1\n\n"), 9);
/// assert_eq!(ends.whole(b"data: 2\n\ndata:"), 9);
/// assert_eq!(ends.whole(b" 3\n"), 0);
/// assert_eq!(ends.whole(b"\n: a comment\n"), 13);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// A line has begun and its end has not come.
    in_line: bool,
    /// A line that is no comment has come since the last empty one.
    in_event: bool,
    /// The last byte was a CR: an LF right after it belongs to it.
    after_cr: bool,
}

impl Ends {
    /// How many bytes of `chunk` end where no event is under way. None of them: neither the chunk
    /// nor what was kept of those before it holds the end of one.
    pub fn whole(&mut self, chunk: &[u8]) -> usize {
        // Nearly every chunk. Whatever was under way, an empty line has ended it.
        if chunk.ends_with(b"\n\n") || chunk.ends_with(b"\r\n\r\n") {
            *self = Ends::default();
            return chunk.len();
        }
        let (mut at, mut whole) = (0, 0);
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            if chunk[0] == b'\n' {
                at = 1;
                whole = if self.in_event { 0 } else { at };
            }
        }
        while let Some(len) = memchr::memchr2(b'\n', b'\r', &chunk[at..]) {
            self.begin(&chunk[at..at + len]);
            if !self.in_line {
                self.in_event = false;
            }
            self.in_line = false;
            at += len + 1;
            if chunk[at - 1] == b'\r' {
                if chunk.get(at) == Some(&b'\n') {
                    at += 1;
                }
                self.after_cr = chunk.len() == at && chunk[at - 1] == b'\r';
            }
            if !self.in_event {
                whole = at;
            }
        }
        self.begin(&chunk[at..]);
        whole
    }

    /// Takes the next bytes of a line, if there are any.
    fn begin(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first()
            && !self.in_line
        {
            self.in_line = true;
            self.in_event |= *first != b':';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_can_be_cut_behind_empty_lines_and_comments() {
        for (chunk, whole) in [
            ("", 0),
            ("data: a\n\n", 9),
            ("data: a\r\n\r\n", 11),
            ("data: a\r\r", 9),
            ("data: a\r\n\r", 10),
            ("data: a\n", 0),
            ("data: a\n\nd", 9),
            ("data: a\n\nevent: x\ndata: b\n", 9),
            ("data: a\n\ndata: b\n\nid: 7", 18),
            ("\n", 1),
            (": comment\n", 10),
            (": comm", 0),
            ("data: a\n\n: comm", 9),
            ("data: a\n: comment\n", 0),
            ("id: 7\n", 0),
            ("retry: 100\n\n", 12),
        ] {
            assert_eq!(Ends::default().whole(chunk.as_bytes()), whole, "{chunk:?}");
        }
    }

    #[test]
    fn what_is_whole_does_not_depend_on_the_chunks() {
        let stream = "\u{feff}data: é\r\n\r\n: c\r\rdata: b\n\n\nevent: x\rdata\r\n\rid: 1\n\n: d\ndata: [DONE]\n";
        for cut in 0..=stream.len() {
            let part = &stream.as_bytes()[..cut];
            let mut ends = Ends::default();
            let mut whole = 0;
            for (at, byte) in part.iter().enumerate() {
                if ends.whole(&[*byte]) == 1 {
                    whole = at + 1;
                }
            }
            assert_eq!(whole, Ends::default().whole(part), "cut at {cut}");
        }
    }
}
