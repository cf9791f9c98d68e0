//! The events of a stream as the whole answer.
//!
//! Whether the stream was whole is not judged here: [`Watch`](crate::verdict::stream::Watch) knows
//! that. What is assembled grows with the stream and has a bound; of a stream that outgrows it, or
//! holds what is no chunk, there is no answer.

use super::node::{Members, Room};
use super::responses;
use super::write::{Object, array};
use crate::json;
use crate::request::Dialect;
use crate::verdict::sse::{Event, Scanner};
use crate::verdict::stream::CHOICES_MAX;

/// The largest answer that is assembled, in bytes, and about what that takes in memory: as much as is
/// held of an answer that came whole.
pub const ASSEMBLED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The last word of a stream of chunks.
const DONE: &[u8] = b"[DONE]";

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It would be larger than [`ASSEMBLED_BYTES_MAX`], or has too many parts.
    TooLarge,
    /// An event holds what is no chunk of an answer.
    Broken,
    /// No event held any.
    Nothing,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::TooLarge => {
                write!(f, "the stream is too large for one answer, limit {} MiB", ASSEMBLED_BYTES_MAX / (1024 * 1024))
            }
            Unfit::Broken => f.write_str("an event of the stream is no piece of an answer"),
            Unfit::Nothing => f.write_str("the stream holds no piece of an answer"),
        }
    }
}

impl std::error::Error for Unfit {}

/// An answer that is being put together.
///
/// ```
/// use seawall_core::reframe::Assembly;
/// use seawall_core::request::Dialect;
///
/// let mut assembly = Assembly::new(Dialect::Chat).expect("a dialect that can be assembled");
/// assembly.push(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"H\"}}]}\n\n");
/// assembly.push(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"i\"},\"finish_reason\":\"stop\"}]}\n\n");
/// let answer = assembly.finish().expect("an answer");
/// let expected = br#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
/// assert_eq!(answer, expected);
/// ```
#[derive(Debug)]
pub struct Assembly {
    scanner: Scanner,
    answer: Answer,
    unfit: Option<Unfit>,
    left: usize,
    is_over: bool,
}

#[derive(Debug)]
enum Answer {
    Completion(Box<Completion>),
    /// The object inside the last event.
    Response(Vec<u8>),
}

/// A completion, old or new.
#[derive(Debug)]
struct Completion {
    is_chat: bool,
    has_begun: bool,
    top: Members,
    /// By index.
    choices: Vec<(u64, Choice)>,
}

#[derive(Debug, Default)]
struct Choice {
    message: Members,
    /// `text` and `logprobs`, which grow.
    growing: Members,
    /// What the latest word on counts.
    latest: Members,
}

impl Assembly {
    /// Nothing yet; `None` for a dialect whose whole answers are not known here.
    #[must_use]
    pub fn new(dialect: Dialect) -> Option<Assembly> {
        let answer = match dialect {
            Dialect::Chat | Dialect::Completions => Answer::Completion(Box::new(Completion {
                is_chat: dialect == Dialect::Chat,
                has_begun: false,
                top: Members::default(),
                choices: Vec::new(),
            })),
            Dialect::Responses => Answer::Response(Vec::new()),
            _ => return None,
        };
        Some(Assembly { scanner: Scanner::default(), answer, unfit: None, left: ASSEMBLED_BYTES_MAX, is_over: false })
    }

    /// Takes the next bytes of the stream, however they were cut.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut scanner = std::mem::take(&mut self.scanner);
        let result = scanner.push(chunk, |event| self.event(event));
        self.scanner = scanner;
        if result.is_err() {
            self.unfit.get_or_insert(Unfit::TooLarge);
        }
    }

    /// Why there will be no answer, if that is known already.
    #[must_use]
    pub const fn unfit(&self) -> Option<Unfit> {
        self.unfit
    }

    /// Whether the last event has come, after which there is nothing to wait for: `[DONE]`, or the
    /// event with the whole response.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether an event has begun and its end has not come. At the end of a stream, one was cut off; but
    /// some servers leave out the empty line after their last word.
    #[must_use]
    pub fn is_mid_event(&self) -> bool {
        self.scanner.is_mid_event() && self.scanner.unfinished().trim_ascii() != DONE
    }

    /// Bytes that are kept, about.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        ASSEMBLED_BYTES_MAX - self.left
    }

    /// Whether the tokens have been told, after which only `[DONE]` can come.
    #[must_use]
    pub fn has_usage(&self) -> bool {
        match &self.answer {
            Answer::Completion(completion) => completion.top.has("usage"),
            Answer::Response(_) => self.is_over,
        }
    }

    /// The answer, as JSON.
    ///
    /// # Errors
    /// Why there is none.
    pub fn finish(self) -> Result<Vec<u8>, Unfit> {
        if let Some(unfit) = self.unfit {
            return Err(unfit);
        }
        let written = match self.answer {
            Answer::Response(response) if response.is_empty() => return Err(Unfit::Nothing),
            Answer::Response(response) => response,
            Answer::Completion(completion) if !completion.has_begun => return Err(Unfit::Nothing),
            Answer::Completion(completion) => completion.written(ASSEMBLED_BYTES_MAX - self.left),
        };
        if written.len() > ASSEMBLED_BYTES_MAX { Err(Unfit::TooLarge) } else { Ok(written) }
    }

    fn event(&mut self, event: Event<'_>) {
        let data = event.data.trim_ascii();
        if self.is_over || self.unfit.is_some() || data.is_empty() || matches!(event.name, b"ping" | b"keepalive") {
            return;
        }
        if data == DONE {
            self.is_over = true;
            return;
        }
        let mut room = Room { left: self.left };
        let result = match &mut self.answer {
            Answer::Completion(completion) => completion.chunk(data, &mut room),
            Answer::Response(response) => match responses::last(event.name, data) {
                Some(whole) => {
                    *response = whole.to_vec();
                    self.is_over = true;
                    room.take(whole.len())
                }
                None => Ok(()),
            },
        };
        self.left = room.left;
        self.unfit = result.err();
    }
}

impl Completion {
    fn chunk(&mut self, data: &[u8], room: &mut Room) -> Result<(), Unfit> {
        for member in json::members(data) {
            let (key, raw) = member.map_err(|_| Unfit::Broken)?;
            match &*key {
                b"choices" => {
                    self.has_begun = true;
                    for choice in json::elements(raw) {
                        self.choice(choice.map_err(|_| Unfit::Broken)?, room)?;
                    }
                }
                // `obfuscation` hides the lengths of pieces, and there are none any more.
                b"object" | b"obfuscation" => {}
                // The first chunks of some servers leave them empty.
                b"id" | b"created" | b"model" if self.top.has(&String::from_utf8_lossy(&key)) => {}
                _ => self.top.set(&key, raw, room)?,
            }
        }
        Ok(())
    }

    fn choice(&mut self, raw: &[u8], room: &mut Room) -> Result<(), Unfit> {
        let index = json::field(raw, "index").and_then(json::uint).unwrap_or(0);
        if index >= u64::from(CHOICES_MAX) {
            return Err(Unfit::TooLarge);
        }
        let at = match self.choices.binary_search_by_key(&index, |(known, _)| *known) {
            Ok(at) => at,
            Err(at) => {
                self.choices.insert(at, (index, Choice::default()));
                at
            }
        };
        let choice = &mut self.choices[at].1;
        for member in json::members(raw) {
            let (key, raw) = member.map_err(|_| Unfit::Broken)?;
            match &*key {
                b"index" => {}
                b"delta" | b"message" if json::is_null(raw) => {}
                b"delta" | b"message" => choice.message.join(raw, 0, room)?,
                b"text" | b"logprobs" => choice.growing.add(&key, raw, 0, room)?,
                _ => choice.latest.set(&key, raw, room)?,
            }
        }
        Ok(())
    }

    fn written(&self, bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes);
        let of = |name: &'static str| move |key: &[u8]| key == name.as_bytes();
        Object::write(&mut out, |object| {
            self.top.write(object, of("id"));
            object.raw("object", if self.is_chat { b"\"chat.completion\"" } else { b"\"text_completion\"" });
            self.top.write(object, of("created"));
            self.top.write(object, of("model"));
            array(object.member(b"choices"), &self.choices, |out, (index, choice)| {
                Object::write(out, |object| self.write_choice(object, *index, choice));
            });
            if self.top.has("usage") {
                self.top.write(object, of("usage"));
            }
            self.top.write(object, |key| !matches!(key, b"id" | b"created" | b"model" | b"usage"));
        });
        out
    }

    fn write_choice(&self, object: &mut Object<'_>, index: u64, choice: &Choice) {
        object.raw("index", index.to_string().as_bytes());
        if self.is_chat {
            object.object("message", |message| {
                if choice.message.get("role").is_none() {
                    message.raw("role", b"\"assistant\"");
                }
                choice.message.write(message, |_| true);
                // A whole answer always has it, be it `null`; a stream need not speak of it.
                if choice.message.get("content").is_none() {
                    message.raw("content", b"null");
                }
            });
        }
        choice.growing.write(object, |_| true);
        choice.latest.write(object, |_| true);
    }
}
