//! What all good answers have in common: who asks, what was said, and where events end.

use crate::peek::{Endpoint, Facts};

/// `created` of every answer: a fixed moment in 2026, so that equal seeds give equal bytes.
pub(super) const CREATED: u64 = 1_790_000_000;
/// The model of a reply where the request names none.
const MODEL: &str = "gpt-4o-mini";
/// What every answer says; a stream says it word by word, over and over.
pub(super) const TEXT: &str = "The sea wall held through the night. Waves came over the lower steps twice, and both times the water \
drained before the next one arrived. By morning the harbour was calm, the lamps were lit, and nobody ashore had noticed.";

/// Who asks, and for what.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) facts: &'a Facts<'a>,
    /// The body, as far as it was kept.
    pub(crate) body: &'a [u8],
    pub(crate) body_is_kept: bool,
    /// The request id in the head of the reply.
    pub(crate) id: u128,
    /// The same in bodies; 0 if they are all to be alike.
    pub(crate) body_id: u128,
    /// Content chunks of a stream.
    pub(crate) chunks: u32,
}

impl Ask<'_> {
    /// Whether the answer is a stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.facts.stream && self.endpoint.streams()
    }

    pub(crate) fn model(&self) -> &str {
        self.facts.model.as_deref().unwrap_or(MODEL)
    }
}

/// An answer before it is cut into acts.
#[derive(Debug, Default)]
pub(crate) struct Good {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_stream: bool,
    /// Where each event of a stream ends in `bytes`.
    pub(crate) ends: Vec<usize>,
    /// Events before the first content.
    pub(crate) lead: usize,
    /// Events with content.
    pub(crate) contents: usize,
}

impl Good {
    /// Empties it for the next answer.
    pub(super) fn begin(&mut self, is_stream: bool) {
        self.status = 200;
        self.bytes.clear();
        self.ends.clear();
        self.is_stream = is_stream;
        (self.lead, self.contents) = (0, 0);
    }

    /// The bytes of event `index`.
    pub(crate) fn event(&self, index: usize) -> &[u8] {
        let from = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from..self.ends[index]]
    }

    /// Ends an event of a stream.
    pub(super) fn end_event(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// The next event is the first with content, and so are all up to [`Good::end_contents`].
    pub(super) fn begin_contents(&mut self) {
        self.lead = self.ends.len();
    }

    pub(super) fn end_contents(&mut self) {
        self.contents = self.ends.len() - self.lead;
    }
}

/// A JSON string.
pub(super) fn quoted(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(&mut *out, text).expect("a Vec takes everything, and a string is always JSON");
}

/// The words of the text, each with the space before it, over and over.
pub(super) fn words(count: u32) -> impl Iterator<Item = &'static str> {
    let inclusive = || TEXT.split_inclusive(' ');
    inclusive().cycle().take(usize::try_from(count).unwrap_or(usize::MAX))
}
