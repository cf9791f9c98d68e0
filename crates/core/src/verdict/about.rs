//! What a reply says of itself: the model that answered, the reply's id, and why it finished.
//!
//! For traces, in the words that their conventions have for it. Identifiers and words of a closed list are taken
//! out, and nothing else of what a model said: there is no field to put it in.

use std::borrow::Cow;

use super::sse::Scanner;
use crate::json;
use crate::words::words;

/// A longer name or id is not believed, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// So many choices are asked why they finished.
pub const FINISHES_MAX: usize = 8;

words! {
    /// Why a choice came to its end.
    pub enum Finish {
        /// It had no more to say.
        Stop = "stop",
        /// The limit of tokens.
        Length = "length",
        /// It calls tools.
        ToolCalls = "tool_calls",
        /// Something must not be said.
        ContentFilter = "content_filter",
        /// A word that is not known here.
        Other = "other",
    }
}

/// What a reply says of itself, as far as it has been read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Its id: at most [`NAME_BYTES_MAX`] visible ASCII characters.
    pub id: Option<Box<str>>,
    /// The model that answered, in the same bounds.
    pub model: Option<Box<str>>,
    /// Why each of its choices finished, of the first [`FINISHES_MAX`]; empty where that is not known.
    pub finishes: Vec<Finish>,
}

impl About {
    /// Of an answer that is here as a whole; what is no JSON object says nothing.
    ///
    /// ```
    /// use seawall_core::verdict::about::{About, Finish};
    /// let body = br#"{"id":"chatcmpl-1","model":"gpt-4o","choices":[{"index":0,"finish_reason":"stop"}]}"#;
    /// let about = About::of_body(body);
    /// assert_eq!((about.id.as_deref(), about.model.as_deref()), (Some("chatcmpl-1"), Some("gpt-4o")));
    /// assert_eq!(about.finishes, [Finish::Stop]);
    /// ```
    #[must_use]
    pub fn of_body(body: &[u8]) -> About {
        let mut about = About::default();
        about.read(body);
        about
    }

    /// Of a stream, by its first pieces: the events that end in them.
    #[must_use]
    pub fn of_events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> About {
        let mut about = About::default();
        let mut scanner = Scanner::default();
        for piece in pieces {
            // An event beyond all bounds is not read.
            let read = scanner.push(piece, |event| {
                about.read(event.data);
                // Responses and Messages announce themselves one level further down.
                for holder in ["response", "message"] {
                    if let Some(inner) = json::field(event.data, holder) {
                        about.read(inner);
                    }
                }
            });
            if read.is_err() || (about.id.is_some() && about.model.is_some()) {
                break;
            }
        }
        about
    }

    fn read(&mut self, object: &[u8]) {
        let mut status: &[u8] = b"";
        for (key, raw) in json::members(object).map_while(Result::ok) {
            match &*key {
                b"id" if self.id.is_none() => self.id = name(raw),
                b"model" if self.model.is_none() => self.model = name(raw),
                b"choices" => {
                    let choices = json::elements(raw).map_while(Result::ok);
                    let finishes = choices.filter_map(|choice| finish(json::field(choice, "finish_reason")?));
                    self.finishes = finishes.take(FINISHES_MAX).collect();
                }
                b"stop_reason" => self.finishes.extend(finish(raw).filter(|_| self.finishes.is_empty())),
                b"status" => status = raw,
                b"incomplete_details" => {
                    let reason = json::field(raw, "reason").and_then(finish);
                    self.finishes.extend(reason.filter(|_| self.finishes.is_empty()));
                }
                _ => {}
            }
        }
        if status == br#""completed""# && self.finishes.is_empty() {
            self.finishes.push(Finish::Stop);
        }
    }
}

/// The words of OpenAI, and those of Messages and Responses for the same.
pub(super) fn finish(raw: &[u8]) -> Option<Finish> {
    if json::is_null(raw) {
        return None;
    }
    Some(match raw.strip_prefix(b"\"")?.strip_suffix(b"\"")? {
        b"stop" | b"end_turn" | b"stop_sequence" => Finish::Stop,
        b"length" | b"max_tokens" | b"max_output_tokens" => Finish::Length,
        b"tool_calls" | b"function_call" | b"tool_use" => Finish::ToolCalls,
        b"content_filter" | b"refusal" => Finish::ContentFilter,
        _ => Finish::Other,
    })
}

fn name(raw: &[u8]) -> Option<Box<str>> {
    let text: Cow<'_, str> = json::string(raw)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && (1..=NAME_BYTES_MAX).contains(&text.len())).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(about: &About) -> (Option<&str>, Option<&str>, &[Finish]) {
        (about.id.as_deref(), about.model.as_deref(), &about.finishes)
    }

    #[test]
    fn a_whole_answer_of_each_dialect_says_who_it_is_and_why_it_finished() {
        for (body, finish) in [
            (r#"{"id":"a","model":"m","choices":[{"finish_reason":"length"}]}"#, Finish::Length),
            (r#"{"id":"a","model":"m","choices":[{"finish_reason":"tool_calls","index":0}]}"#, Finish::ToolCalls),
            (r#"{"id":"a","model":"m","choices":[{"finish_reason":"a new one"}]}"#, Finish::Other),
            (r#"{"id":"a","status":"completed","model":"m","output":[]}"#, Finish::Stop),
            (
                r#"{"id":"a","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"m"}"#,
                Finish::Length,
            ),
            (r#"{"id":"a","model":"m","stop_reason":"end_turn","type":"message"}"#, Finish::Stop),
        ] {
            assert_eq!(told(&About::of_body(body.as_bytes())), (Some("a"), Some("m"), &[finish][..]), "{body}");
        }
        for body in ["", "[]", "<html>", r#"{"id":null,"model":7,"choices":[{"finish_reason":null}]}"#] {
            assert_eq!(About::of_body(body.as_bytes()), About::default(), "{body}");
        }
    }

    #[test]
    fn a_stream_says_it_in_its_first_events() {
        let chat = ["data: {\"id\":\"a\",\"choices\":[],", "\"model\":\"m\"}\n\ndata: {\"id\":\"b\"}\n\n"];
        assert_eq!(told(&About::of_events(chat.map(str::as_bytes))), (Some("a"), Some("m"), &[][..]));
        let responses = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m\",\"status\":\"in_progress\"}}\n\n";
        assert_eq!(told(&About::of_events([responses.as_bytes()])), (Some("r"), Some("m"), &[][..]));
    }

    #[test]
    fn what_could_be_more_than_a_name_is_left_out() {
        let of = |model: &str| About::of_body(format!(r#"{{"model":"{model}"}}"#).as_bytes()).model;
        assert!(of(&"m".repeat(NAME_BYTES_MAX)).is_some());
        for model in [&"m".repeat(NAME_BYTES_MAX + 1), "", "two words", "a\\nb", "\\u001b[31m", "m\u{e9}"] {
            assert_eq!(of(model), None, "{model:?}");
        }
        let many = format!(r#"{{"choices":[{}]}}"#, [r#"{"finish_reason":"stop"}"#; FINISHES_MAX + 1].join(","));
        assert_eq!(About::of_body(many.as_bytes()).finishes.len(), FINISHES_MAX);
    }
}
