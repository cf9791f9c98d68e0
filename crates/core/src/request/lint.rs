//! Tool definitions and requests that providers refuse, found before they are sent, or after one failed.
//!
//! Most 500s are the provider's. Malformed tool definitions are not: they surface as a 400, as a 500
//! when streaming, or as a `server_error` inside a stream, at different times and for the same text.
//! So every malformation that is known has a rule here, with a stable code, the limit, what the
//! provider answers, and where that is known from.
//!
//! It looks at the bytes that would be sent, points at the exact part of them, and never speaks of
//! what a message says: a finding names tools, properties, limits and numbers, never prompts.
//! [`Severity::Error`] is for what the target is known to refuse; a definition that works has none.

mod ask;
mod call;
mod document;
mod edit;
mod fix;
mod join;
mod look;
mod name;
mod pattern;
mod reference;
mod root;
pub mod rule;
mod schema;
mod setting;
mod strict;
mod tool;
mod total;
mod tree;
mod wording;
mod words;

use std::ops::Range;

use look::Purpose;

use crate::words::words;

pub use rule::Rule;

/// The longest name of a tool or property that a finding repeats, in bytes; longer ones are cut.
pub const NAME_BYTES_MAX: usize = 64;

/// No more findings than this are given: what follows is counted only.
pub const FINDINGS_MAX: usize = 1_000;

words! {
    /// Who is to take the request: their rules differ.
    pub enum Target {
        /// `POST /chat/completions` of OpenAI.
        OpenaiChat = "openai-chat",
        /// `POST /responses` of OpenAI.
        OpenaiResponses = "openai-responses",
        /// Either of them at Azure.
        Azure = "azure",
        /// Anthropic, by its OpenAI-compatible endpoint or its own.
        AnthropicCompat = "anthropic-compat",
        /// Gemini, by its OpenAI-compatible endpoint.
        GeminiCompat = "gemini-compat",
    }
}

words! {
    /// How sure it is that the target refuses it.
    pub enum Severity {
        /// It is known to be refused, or to fail every time.
        Error = "error",
        /// It was refused at some time, or by some; or it is taken and means something else.
        Warning = "warning",
        /// It is taken, and could be better.
        Note = "note",
    }
}

words! {
    /// What a document was taken for.
    pub enum Kind {
        /// A whole request: an object with `model`, `messages`, `input` or the like.
        Request = "request",
        /// An array of tool definitions.
        Tools = "tools",
        /// One tool definition.
        Tool = "tool",
        /// Nothing that is known here, or no JSON at all.
        Unknown = "unknown",
    }
}

/// How to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Who is to take it; `None` lets the document's own form decide between Chat and Responses.
    pub target: Option<Target>,
}

/// What was found in one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it was taken for.
    pub kind: Kind,
    /// Who was taken to be the target.
    pub target: Target,
    /// The number of tool definitions in it.
    pub tools: usize,
    /// In the order of the document; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub more: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule it breaks.
    pub rule: &'static Rule,
    /// How sure that is for this target: not more than the rule's own.
    pub severity: Severity,
    /// Where, as a JSON pointer (RFC 6901): `/tools/0/function/name`. Empty for the whole document.
    pub pointer: String,
    /// Where, in bytes of the document: the value that is wrong, or the key of a member that must
    /// not be there.
    pub span: Range<usize>,
    /// The tool that it is about, by name where that is a possible one, at most [`NAME_BYTES_MAX`] bytes.
    pub tool: Option<String>,
    /// What is wrong here, with the number and the limit: lower-case, no final period.
    pub message: String,
    /// What the provider answers, with the names and numbers of this case where the wording is known.
    pub reply: Option<String>,
    /// How it can be mended by a machine, if it can.
    pub fix: Option<Fix>,
}

/// A mechanical change that mends a finding and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does: `add "additionalProperties": false`.
    pub title: String,
    /// The changes, by rising place, none overlapping.
    pub edits: Vec<Edit>,
}

/// Bytes of the document and what stands in their place afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty where something is put in.
    pub span: Range<usize>,
    /// By what.
    pub text: String,
}

impl Report {
    /// Whether the target refuses it.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Looks at one document: a request, an array of tools, or one tool. It is never refused: what
/// cannot be read has a finding too.
///
/// ```
/// use seawall_core::request::lint::{Options, Severity, lint};
///
/// let tool = br#"{"type":"function","function":{"name":"get weather"}}"#;
/// let report = lint(tool, Options::default());
/// let finding = &report.findings[0];
/// assert_eq!((finding.rule.code, finding.severity), ("SW101", Severity::Error));
/// assert_eq!((&*finding.pointer, &tool[finding.span.clone()]), ("/function/name", &br#""get weather""#[..]));
/// ```
#[must_use]
pub fn lint(document: &[u8], options: Options) -> Report {
    let (look, tools) = document::look_at(document, options, Purpose::Tell, true);
    let (kind, target) = (look.kind, look.target);
    let (findings, more) = look.findings();
    Report { kind, target, tools, findings, more }
}

/// The document with every mechanical change made, until there is none left to make; `None` if there
/// was none. What no change touches stays as it is, byte for byte.
///
/// ```
/// use seawall_core::request::lint::{Options, fixed};
///
/// let tool = br#"{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}"#;
/// let mended = br#"{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}"#;
/// assert_eq!(fixed(tool, Options::default()).as_deref(), Some(&mended[..]));
/// assert_eq!(fixed(mended, Options::default()), None);
/// ```
#[must_use]
pub fn fixed(document: &[u8], options: Options) -> Option<Vec<u8>> {
    fix::fixed(document, options)
}
