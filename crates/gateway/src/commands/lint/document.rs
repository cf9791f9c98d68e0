//! Finds what is to be linted in a file: the documents, wherever they stand.
//!
//! A file may be a request, an array of tools or one tool; an array or a log of requests, one a
//! line, each perhaps inside of a record (`body` in OpenAI's batch files, `request` in many logs);
//! or text that a Python or Node program printed (`printed.rs`). What is found keeps its place, so that findings
//! point into the file that the user has, and a fix changes nothing round the document.

use std::borrow::Cow;
use std::ops::Range;

use seawall_core::json;
use seawall_core::request::lint::Target;

use super::printed;
use crate::commands::literal::{self, Literal};

/// Records round a request are opened to this depth: `{"request": {"body": {…}}}`.
const WRAPPERS_MAX: usize = 3;
/// The members that hold a request in a record of one.
const WRAPPERS: [&str; 8] = ["body", "request", "json_data", "options", "payload", "params", "kwargs", "requestBody"];
/// The members that make an object a request.
const OF_REQUEST: [&str; 9] =
    ["messages", "input", "tools", "functions", "tool_choice", "response_format", "model", "prompt", "contents"];
/// The members that make an object a tool.
const OF_TOOL: [&str; 5] = ["function", "parameters", "input_schema", "functionDeclarations", "custom"];

/// What was found in a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order of the file.
    pub(super) documents: Vec<Document>,
    /// Whether they were printed by a program, and are no JSON in the file.
    pub(super) is_printed: bool,
    /// What a person should know about how the file was read.
    pub(super) notes: Vec<String>,
}

/// One thing to lint.
#[derive(Debug)]
pub(super) struct Document {
    /// From 1.
    pub(super) number: usize,
    /// Where it is inside of its record: `/body`, mostly empty.
    pub(super) pointer: String,
    /// Who it says is to take it.
    pub(super) target: Option<Target>,
    /// Its bytes, in the file or in what was read from it.
    span: Range<usize>,
    /// What was read of a printed value or of a string with JSON in it, and where in the file that began.
    printed: Option<(usize, Literal)>,
}

impl Document {
    /// What to lint.
    pub(super) fn bytes<'a>(&'a self, file: &'a [u8]) -> &'a [u8] {
        match &self.printed {
            Some((_, literal)) => &literal.json.as_bytes()[self.span.clone()],
            None => &file[self.span.clone()],
        }
    }

    /// Where it is in the file, if its bytes are the file's.
    pub(super) fn span(&self) -> Option<Range<usize>> {
        self.printed.is_none().then(|| self.span.clone())
    }

    /// Where `span` of the document is in the file.
    pub(super) fn place(&self, span: &Range<usize>) -> Range<usize> {
        let span = self.span.start + span.start..self.span.start + span.end;
        match &self.printed {
            Some((base, literal)) => {
                let place = literal.place(&span);
                base + place.start..base + place.end
            }
            None => span,
        }
    }
}

/// Finds the documents of a file. There is at least one, if only the whole file as it is.
pub(super) fn find(file: &[u8]) -> Found {
    let start = if file.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let whole = trimmed(file, start..file.len());
    let value = &file[whole.clone()];
    if json::is_document(value) {
        return of_value(file, whole);
    }
    lines(file, &whole)
        .or_else(|| printed::find(value, whole.start))
        .unwrap_or_else(|| Found { documents: vec![Document::plain(1, whole)], ..Found::default() })
}

impl Document {
    fn plain(number: usize, span: Range<usize>) -> Document {
        Document { number, pointer: String::new(), target: None, span, printed: None }
    }

    /// The request or the tools in the value at `span` of `bytes`.
    pub(super) fn inside(number: usize, bytes: &[u8], span: Range<usize>) -> Document {
        let mut document = Document::plain(number, span);
        for _ in 0..WRAPPERS_MAX {
            let value = &bytes[document.span.clone()];
            document.target = document.target.or_else(|| target(value));
            if is_request(value) || is_tool(value) {
                break;
            }
            let Some((name, inner)) = wrapped(value) else { break };
            let start = document.span.start + inner.start;
            document.span = start..start + inner.len();
            document.pointer.push('/');
            document.pointer.push_str(name);
        }
        document
    }

    /// It was read of what begins at `base` of the file.
    pub(super) fn printed(mut self, base: usize, literal: Literal) -> Document {
        self.printed = Some((base, literal));
        self
    }

    /// The same; and where a record holds its request as text, the request in that text.
    fn of_record(number: usize, file: &[u8], span: Range<usize>) -> Document {
        let outer = Document::inside(number, file, span);
        let value = &file[outer.span.clone()];
        if is_request(value) || is_tool(value) {
            return outer;
        }
        let text = WRAPPERS.into_iter().find_map(|name| {
            let raw = json::field(value, name).filter(|raw| raw.starts_with(b"\"{") || raw.starts_with(b"\"["))?;
            let literal = literal::embedded(std::str::from_utf8(raw).ok()?)?;
            json::is_document(literal.json.as_bytes()).then(|| (name, within(value, raw).start, literal))
        });
        let Some((name, at, literal)) = text else { return outer };
        let inner = Document::inside(number, literal.json.as_bytes(), 0..literal.json.len());
        Document {
            pointer: format!("{}/{name}{}", outer.pointer, inner.pointer),
            target: outer.target.or(inner.target),
            printed: Some((outer.span.start + at, literal)),
            ..inner
        }
    }
}

/// The documents of a file that is one JSON value.
fn of_value(file: &[u8], whole: Range<usize>) -> Found {
    let value = &file[whole.clone()];
    let is_log = value.starts_with(b"[")
        && json::elements(value).next().and_then(Result::ok).is_some_and(|first| {
            !is_tool(first)
                && (json::field(first, "messages").is_some()
                    || json::field(first, "input").is_some()
                    || WRAPPERS.iter().any(|name| json::field(first, name).is_some()))
        });
    if !is_log {
        return Found { documents: vec![Document::of_record(1, file, whole)], ..Found::default() };
    }
    let spans = json::elements(value).filter_map(Result::ok).map(|element| within(value, element));
    let documents = spans.enumerate().map(|(at, span)| {
        let mut document = Document::of_record(at + 1, file, whole.start + span.start..whole.start + span.end);
        document.pointer = format!("/{at}{}", document.pointer);
        document
    });
    Found { documents: documents.collect(), ..Found::default() }
}

/// The documents of a file that has a JSON value on its first line and more below.
fn lines(file: &[u8], whole: &Range<usize>) -> Option<Found> {
    let mut spans = Vec::new();
    let mut start = whole.start;
    for line in file[whole.clone()].split(|&byte| byte == b'\n') {
        let span = trimmed(file, start..start + line.len());
        start += line.len() + 1;
        if span.is_empty() {
            continue;
        }
        if spans.is_empty() && !(file[span.start] == b'{' || file[span.start] == b'[') {
            return None;
        }
        if spans.is_empty() && !json::is_document(&file[span.clone()]) {
            return None;
        }
        spans.push(span);
    }
    if spans.len() < 2 {
        return None;
    }
    let documents: Vec<Document> =
        spans.into_iter().enumerate().map(|(at, span)| Document::of_record(at + 1, file, span)).collect();
    let notes = vec![format!("read as {} documents, one a line", documents.len())];
    Some(Found { documents, notes, ..Found::default() })
}

pub(super) fn is_request(value: &[u8]) -> bool {
    OF_REQUEST.iter().any(|name| json::field(value, name).is_some())
}

pub(super) fn is_tool(value: &[u8]) -> bool {
    OF_TOOL.iter().any(|name| json::field(value, name).is_some())
}

/// The member of a record that holds an object or an array, and where.
fn wrapped(value: &[u8]) -> Option<(&'static str, Range<usize>)> {
    WRAPPERS.into_iter().find_map(|name| {
        let inner = json::field(value, name).filter(|inner| inner.starts_with(b"{") || inner.starts_with(b"["))?;
        Some((name, within(value, inner)))
    })
}

/// Who is to take the request of a record, by the record's `url`.
fn target(record: &[u8]) -> Option<Target> {
    let url: Cow<'_, str> = json::string(json::field(record, "url")?)?;
    let path = url.split(['?', '#']).next()?.trim_end_matches('/');
    if path.contains(".azure.com/") {
        Some(Target::Azure)
    } else if path.ends_with("/responses") {
        Some(Target::OpenaiResponses)
    } else if path.ends_with("/chat/completions") {
        Some(Target::OpenaiChat)
    } else {
        None
    }
}

/// Where `part` lies in `whole`, of which it is a slice.
fn within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// `span` without the white space at its ends.
fn trimmed(bytes: &[u8], span: Range<usize>) -> Range<usize> {
    let part = &bytes[span.clone()];
    let start = span.start + (part.len() - part.trim_ascii_start().len());
    start..start + part.trim_ascii().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_file_holds_its_documents_lie_inside(
            file in prop_oneof![
                "[\\[\\]{}'\":,a-c\\n ]{0,80}".prop_map(String::into_bytes),
                "(\\{\"(body|request|tools|messages)\":[\\[{}\\]]{0,2}|[}\\]]{1,3}|\\n|, |x){0,12}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..60),
            ],
        ) {
            let found = find(&file);
            prop_assert!(!found.documents.is_empty());
            for document in &found.documents {
                let place = document.place(&(0..document.bytes(&file).len()));
                prop_assert!(place.start <= place.end && place.end <= file.len());
            }
        }
    }

    /// What is linted of a file: pointer, target, text.
    type Seen = (String, Option<Target>, String);

    /// And the notes.
    fn found(file: &str) -> (Vec<Seen>, Vec<String>) {
        let found = find(file.as_bytes());
        let seen = found.documents.iter().map(|document| {
            let text = String::from_utf8(document.bytes(file.as_bytes()).to_vec()).unwrap();
            (document.pointer.clone(), document.target, text)
        });
        (seen.collect(), found.notes)
    }

    fn one(file: &str) -> Seen {
        let (mut all, _) = found(file);
        assert_eq!(all.len(), 1, "{file}");
        all.remove(0)
    }

    #[test]
    fn a_request_tools_or_a_tool_are_taken_as_they_are() {
        for file in [
            r#"{"model":"m","messages":[],"request":{"messages":[]}}"#,
            r#"[{"type":"function","function":{"name":"x"}}]"#,
            r#"{"type":"function","name":"x","parameters":{}}"#,
            "[]",
            "{\"a\": 1,}",
            "nothing at all",
            "",
        ] {
            assert_eq!(one(file), (String::new(), None, file.to_owned()));
        }
        assert_eq!(one("\u{feff} [] \n").2, "[]");
    }

    #[test]
    fn a_record_is_opened_where_it_holds_a_request() {
        let batch = r#"{"custom_id":"1","method":"POST","url":"/v1/responses","body":{"model":"m","input":"x"}}"#;
        let responses = Some(Target::OpenaiResponses);
        assert_eq!(one(batch), ("/body".into(), responses, r#"{"model":"m","input":"x"}"#.into()));
        let deep = r#"{"request":{"url":"https://x.openai.azure.com/a","body":{"messages":[]}}}"#;
        assert_eq!(one(deep), ("/request/body".into(), Some(Target::Azure), r#"{"messages":[]}"#.into()));
        assert_eq!(one(r#"{"body":"text"}"#).0, "");
        let text = r#"{"url":"/v1/responses","body":"{\"model\":\"m\",\"input\":\"x\"}"}"#;
        assert_eq!(one(text), ("/body".into(), responses, r#"{"model":"m","input":"x"}"#.into()));
        let all = find(text.as_bytes());
        assert_eq!(&text[all.documents[0].place(&(9..12))], r#"\"m\""#);
        assert!(all.documents[0].span().is_none(), "and is not changed");
        let too_deep = format!("{}{{\"messages\":[]}}{}", "{\"body\":".repeat(4), "}".repeat(4));
        assert_eq!(one(&too_deep).0, "/body/body/body");
    }

    #[test]
    fn a_log_is_one_document_a_line_or_an_element() {
        let (all, notes) = found("{\"messages\":[]}\n\n{\"request\":{\"input\":\"x\"}}\r\n{broken\n");
        let texts: Vec<_> = all.iter().map(|(pointer, _, text)| (pointer.as_str(), text.as_str())).collect();
        assert_eq!(texts, [("", "{\"messages\":[]}"), ("/request", "{\"input\":\"x\"}"), ("", "{broken")]);
        assert_eq!(notes, ["read as 3 documents, one a line"]);
        let (all, _) = found(r#"[{"messages":[]},{"body":{"input":"x"}}]"#);
        assert_eq!(all.iter().map(|(pointer, ..)| pointer.as_str()).collect::<Vec<_>>(), ["/0", "/1/body"]);
    }
}
