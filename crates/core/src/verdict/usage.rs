//! How many tokens an attempt is charged for: as the upstream counted them, or estimated, and then
//! marked as such.
//!
//! Whole answers and streams carry a `usage` object under two sets of names. It comes last, so an
//! attempt that broke has none; and a Chat stream has none at all unless it was asked for. Rather than
//! nothing, the record then holds an estimate by a fixed rule ([`Tokens::of`]) and the word
//! `estimated`. An estimate is never told as known, and what cannot even be estimated is `unknown`.

use super::charge::Charge;
use super::class::Billed;
use crate::json;
use crate::request::{Endpoint, IMAGES_BYTES_MAX, Opaque, Request};
use crate::words::words;

/// A larger count is not believed: the longest context sold (2026) is 10 million tokens.
pub const TOKENS_MAX: u32 = 1_000_000_000;
/// Bytes of JSON that are taken for one token: English text has four to five characters a token, and
/// the frame around it some more.
pub const BYTES_PER_TOKEN: u64 = 4;

/// Tokens as an upstream counted them; `None` where it did not say, or what it said is no count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// What was read, the cached part included: `prompt_tokens` or `input_tokens`; of Messages with
    /// what was read from and written to the cache.
    pub input: Option<u32>,
    /// What was generated, reasoning included: `completion_tokens` or `output_tokens`.
    pub output: Option<u32>,
    /// The part of the input that came from a cache.
    pub cached: Option<u32>,
    /// The part of the output that nobody was shown.
    pub reasoning: Option<u32>,
}

impl Usage {
    /// Reads a `usage` object; whatever is no such object says nothing.
    ///
    /// ```
    /// use seawall_core::verdict::usage::Usage;
    /// let raw = br#"{"prompt_tokens":12,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}"#;
    /// assert_eq!(Usage::read(raw), Usage { input: Some(12), output: Some(5), cached: Some(4), reasoning: None });
    /// ```
    #[must_use]
    pub fn read(raw: &[u8]) -> Usage {
        let mut usage = Usage::default();
        // Messages count what a cache had to do with apart from the input.
        let (mut from_cache, mut to_cache) = (None, None);
        for (key, raw) in json::members(raw).map_while(Result::ok) {
            match &*key {
                b"prompt_tokens" | b"input_tokens" => usage.input = count(raw).or(usage.input),
                b"completion_tokens" | b"output_tokens" => usage.output = count(raw).or(usage.output),
                b"prompt_tokens_details" | b"input_tokens_details" => {
                    usage.cached = json::field(raw, "cached_tokens").and_then(count).or(usage.cached);
                }
                b"completion_tokens_details" | b"output_tokens_details" => {
                    usage.reasoning = json::field(raw, "reasoning_tokens").and_then(count).or(usage.reasoning);
                }
                b"cache_read_input_tokens" => from_cache = count(raw),
                b"cache_creation_input_tokens" => to_cache = count(raw),
                _ => {}
            }
        }
        if from_cache.is_some() || to_cache.is_some() {
            let apart = from_cache.unwrap_or(0).saturating_add(to_cache.unwrap_or(0));
            usage.input = usage.input.map(|input| input.saturating_add(apart));
            usage.cached = from_cache;
        }
        usage.believed()
    }

    /// Takes over what `later` says.
    pub fn update(&mut self, later: Usage) {
        self.input = later.input.or(self.input);
        self.output = later.output.or(self.output);
        self.cached = later.cached.or(self.cached);
        self.reasoning = later.reasoning.or(self.reasoning);
    }

    /// A part that is larger than its whole is no count.
    fn believed(mut self) -> Usage {
        self.cached = self.cached.filter(|cached| self.input.is_some_and(|input| *cached <= input));
        self.reasoning = self.reasoning.filter(|part| self.output.is_some_and(|output| *part <= output));
        self
    }
}

/// A count of tokens: an integer from 0 to [`TOKENS_MAX`]. Fractions, signs and text are none.
fn count(raw: &[u8]) -> Option<u32> {
    json::uint(raw).and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= TOKENS_MAX)
}

words! {
    /// How sure a number of tokens is: journal column and key `usage`.
    pub enum Counted {
        /// The upstream counted them, or nothing can have been charged.
        Known = "known",
        /// By the rule of [`Tokens::of`], from what was sent and what came.
        Estimated = "estimated",
        /// A part of it at least is neither: a request with images, sound or no known form, or a long one.
        Unknown = "unknown",
    }
}

/// What was noticed of an attempt, as far as it tells how much was generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// What the upstream counted.
    pub usage: Usage,
    /// Events with content, of a stream.
    pub content_events: u64,
    /// Bytes of the body, of an answer that is no stream.
    pub body_bytes: u64,
    /// Whether the answer came to its end: then what the upstream counted is final.
    pub is_whole: bool,
}

/// The tokens that an attempt is charged for, if it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Read, generated, and their parts.
    pub usage: Usage,
    /// How sure that is.
    pub counted: Counted,
}

impl Tokens {
    /// None, for certain.
    pub const NONE: Tokens = Tokens {
        usage: Usage { input: Some(0), output: Some(0), cached: Some(0), reasoning: Some(0) },
        counted: Counted::Known,
    };
    /// Nobody knows.
    pub const UNKNOWN: Tokens =
        Tokens { usage: Usage { input: None, output: None, cached: None, reasoning: None }, counted: Counted::Unknown };

    /// The tokens of an attempt at `asked` that ended in `charge`.
    ///
    /// - What is free, and what generates nothing (lists, files, what has been stored), is none, for certain.
    /// - Counted by the upstream, input and output, in an answer that came to its end: known.
    /// - Else estimated, each part that is missing for itself. Input: a token for every
    ///   [`BYTES_PER_TOKEN`] bytes of the request's body; not where there are images, where they may hide
    ///   (beyond [`IMAGES_BYTES_MAX`]), or where the body is no text. Output: a token for each event with
    ///   content, which is how OpenAI streams, or for every [`BYTES_PER_TOKEN`] bytes of an answer that is
    ///   no stream. Output that never arrived is not guessed at, so the estimate for a timeout is the least
    ///   that it can have cost.
    /// - Where a part cannot be estimated either: unknown, with the other part as it is.
    #[must_use]
    pub fn of(charge: Charge, asked: &Request, evidence: &Evidence) -> Tokens {
        let Some(form) = Form::of(asked) else { return Tokens::NONE };
        if charge.billed() == Billed::No {
            return Tokens::NONE;
        }
        let Evidence { mut usage, content_events, body_bytes, is_whole } = *evidence;
        if is_whole && form == Form::Vectors {
            usage.output = usage.output.or(Some(0));
        }
        if is_whole && usage.input.is_some() && usage.output.is_some() {
            return Tokens { usage, counted: Counted::Known };
        }
        let came = match form {
            Form::Text if content_events > 0 => Some(content_events),
            Form::Text => Some(body_bytes / BYTES_PER_TOKEN),
            Form::Vectors => Some(0),
            Form::Other => None,
        };
        let text = Some(asked.body_bytes).filter(|_| form != Form::Other && is_surely_text(asked));
        usage.input = usage.input.or(text.map(|bytes| bounded(bytes / BYTES_PER_TOKEN)));
        // A running count, where there is one, may lag behind what has come.
        usage.output = usage.output.max(came.map(bounded));
        let is_all = usage.input.is_some() && usage.output.is_some();
        Tokens { usage, counted: if is_all { Counted::Estimated } else { Counted::Unknown } }
    }
}

/// Whether the body is text as far as it goes. In a long one images, sound and files may hide: nobody looks.
fn is_surely_text(asked: &Request) -> bool {
    let is_read =
        !matches!(asked.opaque, Some(Opaque::NotAnObject | Opaque::Malformed | Opaque::OtherType | Opaque::NotKept));
    is_read && !asked.images && asked.body_bytes <= IMAGES_BYTES_MAX as u64
}

fn bounded(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(TOKENS_MAX).min(TOKENS_MAX)
}

/// What a request has a model make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Text, and calls of tools.
    Text,
    /// Vectors: no token is generated.
    Vectors,
    /// Pictures, sound, or nobody knows: bytes say nothing about tokens.
    Other,
}

impl Form {
    /// `None` for what has no model make anything.
    fn of(asked: &Request) -> Option<Form> {
        if asked.websocket {
            return Some(Form::Other);
        }
        if asked.method != http::Method::POST {
            return None;
        }
        match asked.endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Responses | Endpoint::Messages => {
                Some(Form::Text)
            }
            Endpoint::Embeddings => Some(Form::Vectors),
            Endpoint::Images | Endpoint::Audio | Endpoint::Assistants | Endpoint::Realtime | Endpoint::Other => {
                Some(Form::Other)
            }
            Endpoint::Moderations
            | Endpoint::Models
            | Endpoint::Files
            | Endpoint::Batches
            | Endpoint::FineTuning
            | Endpoint::VectorStores => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use proptest::prelude::*;

    use super::*;

    fn asked(path: &str, body: &str) -> Request {
        Request::of(&Method::POST, path, &HeaderMap::new(), Some(body.as_bytes()), body.len() as u64)
    }

    fn usage(input: u32, output: u32) -> Usage {
        Usage { input: Some(input), output: Some(output), cached: None, reasoning: None }
    }

    const CHAT: &str = "/v1/chat/completions";

    #[test]
    fn each_apis_names_are_read() {
        let chat = br#"{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,
            "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}}"#;
        let all = Usage { cached: Some(4), reasoning: Some(3), ..usage(12, 5) };
        assert_eq!(Usage::read(chat), all);
        let responses = br#"{"input_tokens":12,"input_tokens_details":{"cached_tokens":4},
            "output_tokens":5,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":17}"#;
        assert_eq!(Usage::read(responses), all);
        let embeddings = Usage::read(br#"{"prompt_tokens":8,"total_tokens":8}"#);
        assert_eq!((embeddings.input, embeddings.output), (Some(8), None));
        let messages =
            br#"{"input_tokens":2,"cache_creation_input_tokens":6,"cache_read_input_tokens":4,"output_tokens":5}"#;
        assert_eq!(Usage::read(messages), Usage { cached: Some(4), ..usage(12, 5) });
    }

    #[test]
    fn what_is_no_count_is_not_known() {
        for raw in ["-1", "1.0", "1e3", "\"7\"", "null", "[7]", "true", "1000000001", "99999999999999999999999", "07"] {
            let object = format!(r#"{{"prompt_tokens":{raw},"completion_tokens":5}}"#);
            assert_eq!(Usage::read(object.as_bytes()), Usage { output: Some(5), ..Usage::default() }, "{raw}");
        }
        let most = br#"{"prompt_tokens":1000000000,"completion_tokens":0}"#;
        assert_eq!(Usage::read(most), usage(TOKENS_MAX, 0));
        for raw in ["null", "[]", "{", "7", "", r#"{"prompt_tokens""#] {
            assert_eq!(Usage::read(raw.as_bytes()), Usage::default(), "{raw}");
        }
        let parts = br#"{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens":1,
            "completion_tokens_details":null}"#;
        assert_eq!(Usage::read(parts), usage(3, 1), "a part is not larger than its whole");
    }

    #[test]
    fn sums_of_huge_counts_saturate() {
        let huge = br#"{"input_tokens":1000000000,"cache_read_input_tokens":1000000000,
            "cache_creation_input_tokens":1000000000,"output_tokens":0}"#;
        assert_eq!(Usage::read(huge).input, Some(3 * TOKENS_MAX));
    }

    #[test]
    fn only_a_whole_answers_count_is_known() {
        let asked = asked(CHAT, &format!(r#"{{"model":"m","user":"{}"}}"#, "x".repeat(377)));
        assert_eq!(asked.body_bytes, 400);
        let evidence = Evidence { usage: usage(90, 1), content_events: 7, body_bytes: 0, is_whole: true };
        let tokens = |charge, evidence: &Evidence| Tokens::of(charge, &asked, evidence);
        assert_eq!(tokens(Charge::Answered, &evidence), Tokens { usage: usage(90, 1), counted: Counted::Known });
        // Messages count 1 when they begin.
        let cut = Evidence { is_whole: false, ..evidence };
        let estimated = |input, output| Tokens { usage: usage(input, output), counted: Counted::Estimated };
        assert_eq!(tokens(Charge::CutAfterContent, &cut), estimated(90, 7));
        let silent = Evidence { usage: Usage::default(), is_whole: true, ..evidence };
        assert_eq!(tokens(Charge::Answered, &silent), estimated(100, 7), "a stream that was not asked to count");
        let json = Evidence { content_events: 0, body_bytes: 43, is_whole: false, ..silent };
        assert_eq!(tokens(Charge::MayHaveRun, &json), estimated(100, 10));
        assert_eq!(
            tokens(Charge::ServerError, &Evidence::default()),
            estimated(100, 0),
            "what never came is not guessed"
        );
    }

    #[test]
    fn what_is_free_or_makes_nothing_is_none_for_certain() {
        let evidence = Evidence { usage: usage(90, 1), content_events: 7, body_bytes: 900, is_whole: true };
        for &charge in Charge::ALL {
            if charge.billed() == Billed::No {
                assert_eq!(Tokens::of(charge, &asked(CHAT, "{}"), &evidence), Tokens::NONE, "{charge}");
            }
        }
        for path in ["/v1/models", "/v1/files", "/v1/moderations", "/v1/batches"] {
            assert_eq!(Tokens::of(Charge::Answered, &asked(path, "{}"), &evidence), Tokens::NONE, "{path}");
        }
        let stored = Request { method: Method::GET, ..asked("/v1/responses", "") };
        assert_eq!(Tokens::of(Charge::Answered, &stored, &evidence), Tokens::NONE, "it was paid for when it was made");
    }

    #[test]
    fn bytes_that_are_no_text_are_not_taken_for_tokens() {
        let image = asked(CHAT, r#"{"messages":[{"type":"image_url"}]}"#);
        assert!(image.images);
        let failed = Tokens::of(Charge::ServerError, &image, &Evidence::default());
        assert_eq!((failed.usage.input, failed.usage.output, failed.counted), (None, Some(0), Counted::Unknown));
        let some = Evidence { content_events: 3, ..Evidence::default() };
        let cut = Tokens::of(Charge::CutAfterContent, &image, &some);
        assert_eq!((cut.usage.input, cut.usage.output, cut.counted), (None, Some(3), Counted::Unknown));
        let long = |bytes: usize| {
            let body =
                format!(r#"{{"model":"m","user":"{}"}}"#, "x".repeat(bytes - r#"{"model":"m","user":""}"#.len()));
            Tokens::of(Charge::ServerError, &asked(CHAT, &body), &Evidence::default()).usage.input
        };
        assert_eq!(long(IMAGES_BYTES_MAX), Some(bounded(IMAGES_BYTES_MAX as u64 / BYTES_PER_TOKEN)));
        assert_eq!(long(IMAGES_BYTES_MAX + 1), None, "images may hide in it");
        let not_kept = Request { opaque: Some(Opaque::NotKept), ..asked(CHAT, "{}") };
        assert_eq!(Tokens::of(Charge::ServerError, &not_kept, &Evidence::default()).usage.input, None);
        for path in ["/v1/audio/speech", "/v1/images/edits", "/v1/realtime", "/v1/elsewhere"] {
            let evidence = Evidence { body_bytes: 1 << 20, is_whole: true, ..Evidence::default() };
            assert_eq!(Tokens::of(Charge::Answered, &asked(path, "{}"), &evidence), Tokens::UNKNOWN, "{path}");
        }
        let vectors =
            Evidence { usage: Usage { input: Some(8), ..Usage::default() }, body_bytes: 9_000, ..Evidence::default() };
        let embedded =
            Tokens::of(Charge::Answered, &asked("/v1/embeddings", "{}"), &Evidence { is_whole: true, ..vectors });
        assert_eq!(embedded, Tokens { usage: usage(8, 0), counted: Counted::Known });
        assert_eq!(Tokens::of(Charge::MayHaveRun, &asked("/v1/embeddings", "{}"), &vectors).usage, usage(8, 0));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_a_part_larger_than_its_whole(
            raw in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "\\{\"(prompt|input|output|completion)_tokens\":[0-9]{1,25}(,\"prompt_tokens_details\":\\{\"cached_tokens\":[0-9]{1,12}\\})?\\}".prop_map(String::into_bytes),
            ],
        ) {
            let Usage { input, output, cached, reasoning } = Usage::read(&raw);
            prop_assert!(cached.is_none_or(|part| input.is_some_and(|whole| part <= whole)));
            prop_assert!(reasoning.is_none_or(|part| output.is_some_and(|whole| part <= whole)));
        }
    }
}
