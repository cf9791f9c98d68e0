//! How a send is told, as it happens, and what may be told of what an upstream said.

use std::io::{self, Write};

use http::HeaderMap;
use seawall_core::redact;
use seawall_core::verdict::{Billed, Fault};
use serde_json::json;

use super::exam::{Outcome, Step};
use super::probe::Heard;
use crate::observe::journal::plain::{json_line, millis, printable};

/// What an upstream says is shown without anything of the request but its tools, and without a key.
pub(super) struct Redaction<'a> {
    pub(super) words: Vec<u8>,
    pub(super) secrets: &'a [String],
}

impl Redaction<'_> {
    pub(super) fn message(&self, heard: &Heard) -> Option<String> {
        let text = heard.said.as_ref().and_then(|said| said.message.as_deref()).or(heard.detail.as_deref())?;
        Some(self.text(text))
    }

    pub(super) fn text(&self, text: &str) -> String {
        let secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        let input = redact::Input { headers: &HeaderMap::new(), body: Some(&self.words) };
        redact::message_without(text, Some(&input), &secrets)
    }
}

/// A line of `--json`.
pub(super) fn json_of(step: &Step<'_>, redaction: &Redaction<'_>, out: &mut impl Write) -> io::Result<()> {
    let (heard, cost) = (step.heard, step.cost);
    let said = heard.said.as_deref();
    let line = json!({
        "step": step.number, "what": step.what, "stream": step.streams,
        "outcome": step.outcome.map(word), "status": heard.status, "class": heard.class.name(),
        "fault": heard.fault.map(Fault::name),
        "error_type": said.and_then(|said| said.kind.as_deref()).map(|word| redaction.text(word)), "error_code": said.and_then(|said| said.code.as_deref()).map(|word| redaction.text(word)),
        "message": redaction.message(heard),
        "request_id": heard.request_id, "client_request_id": heard.client_request_id,
        "ms": u64::try_from(heard.took.as_millis()).unwrap_or(u64::MAX),
        "billed": cost.billed.name(), "tokens_in": cost.tokens_in, "tokens_out": cost.tokens_out,
        "tokens_estimated": cost.is_estimate,
    });
    out.write_all(json_line(&line)?.as_bytes())?;
    out.flush()
}

/// A line for a person.
pub(super) fn text_of(step: &Step<'_>, redaction: &Redaction<'_>, out: &mut impl Write) -> io::Result<()> {
    let heard = step.heard;
    let what = printable(step.what);
    let what = if step.streams { format!("{what}, streaming") } else { what };
    let status = heard.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let id = heard.request_id.as_deref().map_or_else(|| "-".to_owned(), printable);
    let took = millis(heard.took.as_secs_f64() * 1_000.0);
    let about = if step.cost.is_estimate { "~" } else { "" };
    let cost = match step.cost.billed {
        Billed::No => "not billed".to_owned(),
        Billed::Possibly => format!("perhaps billed, {about}{} tokens", step.cost.tokens_in),
        Billed::Yes => format!("{about}{} tokens in, {} out", step.cost.tokens_in, step.cost.tokens_out),
    };
    let (number, class) = (step.number, heard.class.name());
    writeln!(out, "{number:>3}. {status:>3} {class:<13} {took:>7}  {what}; {cost}; {id}")?;
    if step.number == 1
        && step.outcome != Some(Outcome::Answered)
        && let Some(message) = redaction.message(heard)
    {
        writeln!(out, "     it says: {message}")?;
    }
    out.flush()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
    }
}
