//! Tool definitions that the API cannot compile, refused as late as real APIs were seen to.
//!
//! A regex lookaround in a `pattern` has been a 400, a 500 and a `server_error` inside of a
//! stream, at different times and of the same provider. The form that hurts is the lazy one: the
//! request is taken on, and what fails is its streaming, with nothing said about the tool. Sent
//! again without streaming, the same request is told what is wrong.
//!
//! ```text
//! LAZY = WORD [ "=" TEXT ]
//! ```
//!
//! | word | a request that streams | one that does not |
//! |---|---|---|
//! | `500` | status 500, `server_error` | 400, `invalid_function_parameters` |
//! | `in_stream` | status 200, then the error as an event | 400, `invalid_function_parameters` |
//! | `flat` | status 500 | status 500: nobody is ever told |
//!
//! Without TEXT, a tool is refused for a lookaround in one of its patterns; with it, for this
//! text anywhere in its definition. Only chat completions and responses have tools here. This
//! knows nothing of the linter that is tried on it, and must not.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::api::{Ask, Good};
use crate::error::Error;
use crate::misbehave::Manner;
use crate::peek::Endpoint;
use crate::reply::{Framing, Head, LAST_CHUNK, Reply, chunk};
use crate::wording;

/// The longest text that tools are searched for, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// What refusals are counted as in `by_fault` of the stats.
pub(crate) const LABEL: &str = "lazy_tools";

/// What no linear-time regex engine compiles.
const LOOKAROUNDS: [&str; 4] = ["(?=", "(?!", "(?<=", "(?<!"];

/// How a request with such a tool is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// `500`: with the status where it streams.
    Status,
    /// `in_stream`: after the head of the stream.
    InStream,
    /// `flat`: with a 500 in any case.
    Flat,
}

const WORDS: &[(&str, How)] = &[("500", How::Status), ("in_stream", How::InStream), ("flat", How::Flat)];

/// Which tools are refused, and how; spelled as at the top of this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LazyTools {
    how: How,
    /// `None`: a lookaround in a pattern.
    text: Option<String>,
}

impl FromStr for LazyTools {
    type Err = Error;

    fn from_str(spelling: &str) -> Result<LazyTools, Error> {
        let (word, text) = match spelling.split_once('=') {
            Some((word, text)) => (word, Some(text)),
            None => (spelling, None),
        };
        let Some((_, how)) = WORDS.iter().find(|(known, _)| *known == word.trim()) else {
            let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            return Err(Error::with_hint(
                format!("no way \"{word}\" to refuse tools"),
                format!("{}; for a text of your own: 500=TEXT", words.join(", ")),
            ));
        };
        match text {
            Some("") => return Err(Error::with_hint("the text that tools are refused for is empty", "500=TEXT")),
            Some(text) if text.len() > TEXT_BYTES_MAX => {
                return Err(Error::new(format!("text of {} bytes, limit {TEXT_BYTES_MAX}", text.len())));
            }
            _ => {}
        }
        Ok(LazyTools { how: *how, text: text.map(str::to_owned) })
    }
}

impl<'de> Deserialize<'de> for LazyTools {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LazyTools, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A request that is refused for one of its tools: the first that will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    how: How,
    message: String,
    param: String,
}

impl LazyTools {
    /// Whether a request with this body is refused.
    pub(crate) fn judge(&self, endpoint: Endpoint, body: &[u8]) -> Option<Refusal> {
        if !matches!(endpoint, Endpoint::Chat | Endpoint::Responses) {
            return None;
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        let lists = [("tools", endpoint == Endpoint::Chat), ("functions", false)];
        lists.iter().find_map(|(list, is_nested)| {
            let tools = body[*list].as_array()?;
            tools.iter().enumerate().find_map(|(index, tool)| {
                let (function, place) = match tool.get("function").filter(|_| *is_nested) {
                    Some(function) => (function, format!("{list}[{index}].function")),
                    None => (tool, format!("{list}[{index}]")),
                };
                self.refuse(function, &place)
            })
        })
    }

    fn refuse(&self, function: &Value, place: &str) -> Option<Refusal> {
        let members = function.as_object()?;
        let name = members.get("name").and_then(Value::as_str).unwrap_or_default();
        members.iter().find_map(|(member, value)| {
            let mut path = String::from("$");
            if !self.is_in(value, member, &mut path) {
                return None;
            }
            let why = match &self.text {
                None => format!("regex lookaround is not supported. Found at {path}."),
                Some(_) => format!("this value is not supported. Found at {path}."),
            };
            let message = format!("Invalid schema for function '{name}': Invalid JSON schema: {why}");
            Some(Refusal { how: self.how, message, param: format!("{place}.{member}") })
        })
    }

    /// Whether what is refused is in `value`, which `key` leads to; `path` then ends where it is.
    ///
    /// The parser of JSON lets nothing in that is nested deeper than 128 times.
    fn is_in(&self, value: &Value, key: &str, path: &mut String) -> bool {
        let before = path.len();
        match value {
            Value::String(text) => self.is_refused(text, key == "pattern"),
            Value::Array(values) => values.iter().enumerate().any(|(index, value)| {
                path.truncate(before);
                path.push_str(&format!("[{index}]"));
                self.is_in(value, "", path)
            }),
            Value::Object(members) => members.iter().any(|(member, value)| {
                path.truncate(before);
                path.push('.');
                path.push_str(member);
                self.is_refused(member, key == "patternProperties") || self.is_in(value, member, path)
            }),
            _ => false,
        }
    }

    fn is_refused(&self, text: &str, is_regex: bool) -> bool {
        match &self.text {
            Some(wanted) => text.contains(wanted.as_str()),
            None => is_regex && LOOKAROUNDS.iter().any(|lookaround| text.contains(lookaround)),
        }
    }
}

/// Acts the refusal out in place of the good answer.
pub(crate) fn refuse(reply: &mut Reply, good: &Good, ask: &Ask<'_>, manner: Manner, refusal: &Refusal) {
    let head = |status, framing, content_type| Head {
        status,
        content_type,
        framing,
        id: Some(ask.id),
        extra: &[],
        keep_alive: manner.keep_alive,
    };
    if refusal.how == How::InStream && good.is_stream {
        return reply.send(|out| {
            head(200, Framing::Chunked, "text/event-stream; charset=utf-8").write(out);
            chunk(out, &stream(good, ask));
            out.extend_from_slice(LAST_CHUNK);
        });
    }
    let mut body = Vec::new();
    let is_told = refusal.how != How::Flat && !good.is_stream;
    let status = if is_told {
        let error = serde_json::json!({"error": {"message": refusal.message, "type": "invalid_request_error",
            "param": refusal.param, "code": "invalid_function_parameters"}});
        body.extend_from_slice(error.to_string().as_bytes());
        400
    } else {
        let said = wording::find(500, None);
        let message = wording::message(&said, ask.body_id, ask.model());
        wording::body(&mut body, ask.endpoint, said.kind, said.code, &message, ask.body_id);
        500
    };
    reply.send(|out| {
        head(status, Framing::Length(body.len()), "application/json").write(out);
        out.extend_from_slice(&body);
    });
}

/// The events of a stream that fails before its first content: chat at once, responses after they are in progress.
fn stream(good: &Good, ask: &Ask<'_>) -> Vec<u8> {
    let said = wording::find(500, Some("retry"));
    let message = wording::message(&said, ask.body_id, ask.model());
    let (kind, code) = (said.kind, wording::json(said.code));
    if ask.endpoint != Endpoint::Responses {
        let error = serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        return format!("data: {error}\n\n").into_bytes();
    }
    let begun = RESPONSES_BEGUN.min(good.ends.len());
    let mut events: Vec<u8> = (0..begun).flat_map(|index| good.event(index)).copied().collect();
    let error = serde_json::json!({"type": "error", "sequence_number": begun,
        "error": {"type": kind, "code": code, "message": message, "param": null}});
    events.extend_from_slice(format!("event: error\ndata: {error}\n\n").as_bytes());
    events
}

/// `response.created` and `response.in_progress`.
const RESPONSES_BEGUN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: &str = r#"{"type":"function","function":{"name":"mail","description":"(?=not here)",
        "parameters":{"type":"object","properties":{"to":{"type":"array","items":{"type":"string","pattern":"^(?!x).+$"}}}}}}"#;

    fn judge(spelling: &str, endpoint: Endpoint, body: &str) -> Option<Refusal> {
        spelling.parse::<LazyTools>().unwrap().judge(endpoint, body.as_bytes())
    }

    #[test]
    fn a_lookaround_is_found_where_it_is_and_named_by_tool_and_path() {
        let good =
            r#"{"type":"function","function":{"name":"ok","parameters":{"properties":{"a":{"pattern":"^a+$"}}}}}"#;
        let refusal = judge("500", Endpoint::Chat, &format!(r#"{{"tools":[{good},{TOOL}]}}"#)).unwrap();
        assert_eq!(
            refusal.message,
            "Invalid schema for function 'mail': Invalid JSON schema: regex lookaround is not supported. \
             Found at $.properties.to.items.pattern."
        );
        assert_eq!(refusal.param, "tools[1].function.parameters");
        assert_eq!(judge("500", Endpoint::Chat, &format!(r#"{{"tools":[{good}]}}"#)), None);
    }

    #[test]
    fn the_flat_shape_and_keys_of_pattern_properties_are_searched_too() {
        let flat = r#"{"tools":[{"type":"function","name":"f","parameters":{"patternProperties":{"^(?<=a)b":{}}}}]}"#;
        let refusal = judge("in_stream", Endpoint::Responses, flat).unwrap();
        assert_eq!(refusal.param, "tools[0].parameters");
        assert!(refusal.message.ends_with("Found at $.patternProperties.^(?<=a)b."), "{}", refusal.message);
        let named_group = flat.replace("(?<=a)", "(?<a>a)");
        assert_eq!(judge("500", Endpoint::Responses, &named_group), None);
    }

    #[test]
    fn a_text_of_one_s_own_is_found_anywhere_in_a_definition() {
        let body = format!(r#"{{"tools":[{TOOL}]}}"#);
        let refusal = judge("500=not here", Endpoint::Chat, &body).unwrap();
        assert_eq!(refusal.param, "tools[0].function.description");
        assert_eq!(judge("500=not there", Endpoint::Chat, &body), None);
        assert_eq!(judge("flat=type", Endpoint::Chat, &body).unwrap().param, "tools[0].function.parameters");
    }

    #[test]
    fn what_has_no_tools_is_not_refused() {
        for body in ["", "[]", r#"{"tools":{}}"#, r#"{"tools":[1,null,{}]}"#, r#"{"messages":[{"pattern":"(?=a)"}]}"#] {
            assert_eq!(judge("500", Endpoint::Chat, body), None, "{body}");
        }
        assert_eq!(judge("500", Endpoint::Messages, &format!(r#"{{"tools":[{TOOL}]}}"#)), None);
    }

    #[test]
    fn a_wrong_spelling_is_told_the_right_one_and_a_text_ends_at_its_limit() {
        let refused = |text: &str| text.parse::<LazyTools>().unwrap_err().to_string();
        assert!(refused("softly").contains("hint: 500, in_stream, flat; for a text of your own: 500=TEXT"));
        assert!(refused("500=").contains("is empty"));
        assert!(format!("500={}", "a".repeat(TEXT_BYTES_MAX)).parse::<LazyTools>().is_ok());
        assert!(refused(&format!("500={}", "a".repeat(TEXT_BYTES_MAX + 1))).contains("limit 1024"));
    }
}
