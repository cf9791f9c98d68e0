//! What the events of a stream mean: whether there is anything to show yet, whether it is over,
//! whether it failed.
//!
//! Until the first content a failed stream can be asked for again and nobody notices; after it,
//! nothing can be taken back. And a stream that just ends looks complete to every SDK. So the
//! relay holds a stream's beginning until [`Watch::push`] says content, terminal or error, and at
//! its end asks [`Watch::end`] whether it was whole.
//!
//! An event of a known dialect that is not known here counts as content: showing one too many is
//! a retry lost, dropping one is an answer lost. Before the first content every event is read
//! properly; after it, one that holds none of the few telling byte sequences is waved through.
//! The bytes themselves are never touched.

mod chat;
mod named;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::about::{self, FINISHES_MAX, Finish};
use super::sse::{Event, Scanner};
use super::usage::Usage;
use crate::json;
use crate::request::Dialect;

/// The longest error event that is kept for judging, in bytes. Of a longer one only the form is.
pub const ERROR_BYTES_MAX: usize = 64 * 1024;

/// A longer id of a response is not believed.
pub const RESPONSE_ID_MAX: usize = 128;

/// The most choices that are told apart. The API allows 128; where more are asked for, as with a
/// list of prompts, only the dialect's own last word ends the stream.
pub const CHOICES_MAX: u32 = 128;

/// The most telling thing among the events that a chunk completed; later ones outrank earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Nothing to show: no complete event, a comment, a ping, a role, an announcement.
    Meta,
    /// Something that a caller has been waiting for.
    Content,
    /// The end, as this dialect says it. Whatever follows does not matter.
    Terminal,
    /// A failure, before any end. If nothing has been passed on yet, it is not too late to ask
    /// again; [`Watch::has_content`] says whether this stream was already worth money.
    Error,
}

/// How an error was put into the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorForm {
    /// Inside an `error` member: every SDK raises it.
    Object,
    /// Its fields at the top of the event: some SDKs pass it over in silence.
    Flat,
    /// The dialect's own event for a failed end. The stream is complete.
    Failed,
    /// Only as the reason for which a choice finished: every SDK takes it for a normal end.
    FinishReason,
}

/// The first error event of a stream, as sent: for `verdict::judge_event`, and not yet redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorEvent {
    /// How it was put.
    pub form: ErrorForm,
    /// `error`, or the name of the dialect's own event.
    pub name: &'static str,
    /// The event's data, or that part of it that speaks of the error; empty if longer than
    /// [`ERROR_BYTES_MAX`].
    pub data: Box<[u8]>,
}

/// How a stream that has ended stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It said that it was over.
    Complete,
    /// An error event ended it.
    Failed,
    /// It broke off, and there was nothing to show yet.
    CutBeforeContent,
    /// It broke off after its first content.
    CutAfterContent,
}

/// What one event means.
enum Meaning<'a> {
    Meta,
    Content,
    Terminal,
    Error(ErrorForm, &'static str, &'a [u8]),
}

/// Watches one stream.
#[derive(Debug)]
pub struct Watch {
    dialect: Dialect,
    scanner: Scanner,
    facts: Facts,
    is_terminal: bool,
    error: Option<Box<ErrorEvent>>,
    after_error: usize,
    /// An event was too long to be told apart: from then on everything is content and any end is
    /// believed, as in a stream of an unknown dialect.
    is_blind: bool,
    events: u64,
    content_events: u64,
}

/// What has been gathered from the events so far.
#[derive(Debug)]
struct Facts {
    /// Choices asked for, at least 1; more than [`CHOICES_MAX`] are never all seen to finish.
    choices: u32,
    /// One bit for each choice that has finished; images completed, for the dialect of images.
    finished: u128,
    sequence_number: Option<u64>,
    response_id: Option<Box<str>>,
    usage: Usage,
    /// Why choices finished, in the order in which they did.
    finishes: [Option<Finish>; FINISHES_MAX],
}

impl Watch {
    /// A watch over a stream whose request asked for `choices` choices.
    #[must_use]
    pub fn new(dialect: Dialect, choices: u32) -> Watch {
        let choices = choices.max(1);
        Watch {
            dialect,
            scanner: Scanner::default(),
            facts: Facts {
                choices,
                finished: 0,
                sequence_number: None,
                response_id: None,
                usage: Usage::default(),
                finishes: [None; FINISHES_MAX],
            },
            is_terminal: false,
            error: None,
            after_error: 0,
            is_blind: false,
            events: 0,
            content_events: 0,
        }
    }

    /// Takes the next bytes and says the most telling thing among the events they complete.
    pub fn push(&mut self, chunk: &[u8]) -> Signal {
        let mut scanner = std::mem::take(&mut self.scanner);
        let mut signal = Signal::Meta;
        let result = scanner.push(chunk, |event| signal = signal.max(self.event(event)));
        self.scanner = scanner;
        if result.is_err() {
            self.is_blind = true;
            self.content_events = self.content_events.max(1);
            signal = signal.max(Signal::Content);
        }
        signal
    }

    /// How the stream stands, if no byte follows.
    #[must_use]
    pub fn end(&self) -> End {
        // Some servers leave out the empty line after their last word.
        let is_last_word = || self.scanner.unfinished().trim_ascii() == chat::DONE;
        match &self.error {
            _ if self.is_terminal => End::Complete,
            Some(error) if error.form != ErrorForm::Failed => End::Failed,
            Some(_) => End::Complete,
            None if self.is_blind || is_last_word() => End::Complete,
            None if self.has_content() => End::CutAfterContent,
            None => End::CutBeforeContent,
        }
    }

    /// Whether an event has begun and its end has not come.
    #[must_use]
    pub fn is_mid_event(&self) -> bool {
        self.scanner.is_mid_event()
    }

    /// Whether the stream has said that it is over.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether there has been any content.
    #[must_use]
    pub const fn has_content(&self) -> bool {
        self.content_events > 0
    }

    /// The first error event before any end.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorEvent> {
        self.error.as_deref()
    }

    /// How many bytes of the chunk in which the first error event ended come after it. They are of
    /// no use to anybody, and of harm where they say that all is well: a reader who does not
    /// know the error as one stops at a `[DONE]`.
    #[must_use]
    pub const fn bytes_after_error(&self) -> usize {
        self.after_error
    }

    /// Events so far: comments and unfinished ones do not count.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Events with content so far. After the first, events that are not looked into count too.
    #[must_use]
    pub const fn content_events(&self) -> u64 {
        self.content_events
    }

    /// The last `sequence_number` of a Responses stream: where it could be resumed.
    #[must_use]
    pub const fn sequence_number(&self) -> Option<u64> {
        self.facts.sequence_number
    }

    /// The id of a Responses stream's response, once it was announced: letters, digits, `_` and `-`, at
    /// most [`RESPONSE_ID_MAX`] of them.
    #[must_use]
    pub fn response_id(&self) -> Option<&str> {
        self.facts.response_id.as_deref()
    }

    /// The tokens counted so far, usually known only at the end.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.facts.usage
    }

    /// Why its choices finished, of the first [`FINISHES_MAX`] to do so; empty where the dialect does not say.
    #[must_use]
    pub fn finishes(&self) -> Vec<Finish> {
        self.facts.finishes.iter().copied().flatten().collect()
    }

    fn event(&mut self, event: Event<'_>) -> Signal {
        self.events += 1;
        let meaning = if self.has_content() && self.facts.is_plain_content(self.dialect, event) {
            Meaning::Content
        } else {
            self.facts.read(self.dialect, event)
        };
        match meaning {
            Meaning::Meta => Signal::Meta,
            Meaning::Content => {
                self.content_events += 1;
                Signal::Content
            }
            Meaning::Terminal => {
                self.is_terminal |= self.error.is_none();
                if self.error.is_none() { Signal::Terminal } else { Signal::Meta }
            }
            Meaning::Error(..) if self.is_terminal => Signal::Meta,
            Meaning::Error(form, name, data) => {
                if self.error.is_none() {
                    let data = if data.len() <= ERROR_BYTES_MAX { data } else { &[] };
                    self.error = Some(Box::new(ErrorEvent { form, name, data: data.into() }));
                    self.after_error = event.rest;
                }
                Signal::Error
            }
        }
    }
}

/// Byte sequences that tell an event from one more piece of content. Inside a JSON string their
/// quotes would be escaped, so a text that speaks of errors is none.
struct Tells {
    finish_reason: Finder<'static>,
    /// Ends the key `"error"` and the reasons `"error"` and `"network_error"`.
    error: Finder<'static>,
    usage: Finder<'static>,
    sequence_number: Finder<'static>,
}

static TELLS: LazyLock<Tells> = LazyLock::new(|| Tells {
    finish_reason: Finder::new(b"finish_reason\":"),
    error: Finder::new(b"error\""),
    usage: Finder::new(b"\"usage\":"),
    sequence_number: Finder::new(b"\"sequence_number\":"),
});

impl Facts {
    /// Whether an event after the first content is surely one more piece of it.
    #[inline]
    fn is_plain_content(&mut self, dialect: Dialect, event: Event<'_>) -> bool {
        match dialect {
            Dialect::Chat | Dialect::Completions => event.name.is_empty() && chat::is_plain(event.data),
            Dialect::Responses => {
                let is_delta = named::kind(event).is_some_and(|kind| kind.ends_with(b".delta"));
                if is_delta {
                    self.note_sequence(event.data);
                }
                is_delta
            }
            Dialect::Messages => named::kind(event).is_some_and(|kind| &*kind == b"content_block_delta"),
            Dialect::Assistants | Dialect::Images | Dialect::Audio => false,
        }
    }

    /// What an event means, read properly.
    fn read<'a>(&mut self, dialect: Dialect, event: Event<'a>) -> Meaning<'a> {
        let data = event.data.trim_ascii();
        if data == chat::DONE {
            return Meaning::Terminal;
        }
        if data.is_empty() || matches!(event.name, b"ping" | b"keepalive") {
            return Meaning::Meta;
        }
        let event = Event { data, ..event };
        match dialect {
            Dialect::Chat | Dialect::Completions => chat::read(self, event),
            _ => named::read(self, dialect, event),
        }
    }

    /// Notes where a stream of Responses stands. The number stands near the end of an event or
    /// near its beginning; a string cannot hold its key unescaped.
    fn note_sequence(&mut self, data: &[u8]) {
        if let Some(at) = TELLS.sequence_number.find(data) {
            let rest = data[at + TELLS.sequence_number.needle().len()..].trim_ascii_start();
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.sequence_number = json::uint(&rest[..digits]).or(self.sequence_number);
        }
    }

    /// Notes a `usage` object.
    fn note_usage(&mut self, raw: &[u8]) {
        self.usage.update(Usage::read(raw));
    }

    /// Notes why a choice finished, by the value that says so.
    fn note_finish(&mut self, raw: &[u8]) {
        if let (Some(room), Some(finish)) = (self.finishes.iter_mut().find(|one| one.is_none()), about::finish(raw)) {
            *room = Some(finish);
        }
    }

    /// Notes that one more of the choices has finished, and whether it was the last.
    fn finish(&mut self, index: u64) -> bool {
        self.finished |= u32::try_from(index).ok().and_then(|index| 1u128.checked_shl(index)).unwrap_or(0);
        self.finished.count_ones() >= self.choices
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sse::LINE_BYTES_MAX;
    use super::*;

    #[test]
    fn a_stream_says_at_its_end_why_it_finished() {
        let of = |dialect, choices, stream: &str| {
            let mut watch = Watch::new(dialect, choices);
            watch.push(stream.as_bytes());
            watch.finishes()
        };
        let choice = |index, reason| {
            format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n")
        };
        let two = choice(1, "length") + &choice(0, "tool_calls") + &choice(1, "length");
        assert_eq!(of(Dialect::Chat, 2, &two), [Finish::Length, Finish::ToolCalls], "each choice once");
        let many: String = (0..20).map(|index| choice(index, "stop")).collect();
        assert_eq!(of(Dialect::Chat, 20, &many), [Finish::Stop; FINISHES_MAX]);
        let messages =
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"}}\n\n";
        assert_eq!(of(Dialect::Messages, 1, messages), [Finish::Length]);
        let whole = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n";
        assert_eq!(of(Dialect::Responses, 1, whole), [Finish::Stop]);
        let cut = "data: {\"type\":\"response.incomplete\",\"response\":{\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}\n\n";
        assert_eq!(of(Dialect::Responses, 1, cut), [Finish::Length]);
        assert!(of(Dialect::Chat, 1, "data: [DONE]\n\n").is_empty());
    }

    const CHAT: &str = concat!(
        ": hello\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn every_cut_is_noticed_until_the_last_choice_has_finished() {
        let content = CHAT.find("\"Hé\"").map(|at| at + CHAT[at..].find("\n\n").expect("an end")).expect("content") + 2;
        let terminal =
            CHAT.find("\"stop\"").map(|at| at + CHAT[at..].find("\n\n").expect("an end")).expect("an end") + 2;
        for cut in 0..=CHAT.len() {
            let mut watch = Watch::new(Dialect::Chat, 1);
            let signal = watch.push(&CHAT.as_bytes()[..cut]);
            let (expected, end) = match cut {
                _ if cut < content => (Signal::Meta, End::CutBeforeContent),
                _ if cut < terminal => (Signal::Content, End::CutAfterContent),
                _ => (Signal::Terminal, End::Complete),
            };
            assert_eq!((signal, watch.end()), (expected, end), "cut at {cut}");
            assert_eq!(watch.has_content(), cut >= content);
        }
    }

    #[test]
    fn an_event_too_long_to_read_is_content_and_its_stream_is_believed() {
        let mut watch = Watch::new(Dialect::Images, 1);
        assert_eq!(watch.push(&vec![b'x'; LINE_BYTES_MAX]), Signal::Meta);
        assert_eq!(watch.push(b"x"), Signal::Content);
        assert_eq!((watch.has_content(), watch.end()), (true, End::Complete));
    }

    #[test]
    fn an_error_too_long_to_keep_is_still_an_error() {
        for (bytes, kept) in [(ERROR_BYTES_MAX, ERROR_BYTES_MAX), (ERROR_BYTES_MAX + 1, 0)] {
            let frame = r#"{"error":""}"#.len();
            let mut watch = Watch::new(Dialect::Chat, 1);
            let event = format!("data: {{\"error\":\"{}\"}}\n\n", "x".repeat(bytes - frame));
            assert_eq!(watch.push(event.as_bytes()), Signal::Error);
            assert_eq!(watch.error().map(|error| error.data.len()), Some(kept));
        }
    }

    #[test]
    fn an_error_after_content_in_the_same_chunk_outranks_it() {
        let mut watch = Watch::new(Dialect::Chat, 1);
        let stream = concat!(
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
            "data: {\"error\":{\"message\":\"m\"}}\n\ndata: [DONE]\n\n"
        );
        assert_eq!(watch.push(stream.as_bytes()), Signal::Error);
        assert!(watch.has_content());
    }

    /// What streams are made of, good and bad.
    const PIECES: &[&str] = &[
        "\n\n",
        "\r",
        "data: ",
        "event: error\n",
        "{\"choices\":[",
        "{\"delta\":{\"content\":\"x\"}}",
        "]}",
        "{\"error\":",
        "\"type\":\"error\"",
        "\"finish_reason\":",
        "\"sequence_number\":",
        "\"usage\":",
        "{",
        "}",
        "\u{fffd}",
    ];

    proptest! {
        #[test]
        fn any_split_leads_to_the_same_end(
            cut in 0..CHAT.len(),
            size in 1usize..40,
        ) {
            let stream = &CHAT.as_bytes()[..cut];
            let mut whole = Watch::new(Dialect::Chat, 1);
            let most = whole.push(stream);
            let mut split = Watch::new(Dialect::Chat, 1);
            let most_split = stream.chunks(size).map(|chunk| split.push(chunk)).max().unwrap_or(Signal::Meta);
            prop_assert_eq!(most, most_split);
            prop_assert_eq!(whole.end(), split.end());
            prop_assert_eq!(whole.usage(), split.usage());
            prop_assert_eq!((whole.events(), whole.content_events()), (split.events(), split.content_events()));
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30),
            dialect in prop::sample::select(Dialect::ALL),
        ) {
            let mut watch = Watch::new(dialect, 1);
            for piece in pieces {
                watch.push(piece.as_bytes());
            }
            let _ = watch.end();
        }
    }
}
