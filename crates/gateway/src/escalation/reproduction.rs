//! A request of the same form as those that failed, for somebody else to send.
//!
//! The record has no word of a prompt, so this is made from what it has: endpoint, model, stream, the number of
//! tools, the limit on tokens, the size. In place of what was said stands a filler of about the same length.

use serde_json::{Value, json};

use super::document::Reproduction;
use super::tally::{Form, Tally};
use super::words::{Sentence, grouped, name};

/// The largest body that the command sends, in bytes.
pub(super) const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The longest filler that is written out, in bytes; a longer one is made by the command.
pub(super) const FILLER_INLINE_MAX: u64 = 128;
/// Tool definitions that are written out: the most that OpenAI takes (docs/reference/lint.md).
pub(super) const TOOLS_MAX: u32 = 128;
/// The filler, as often as needed.
const FILLER: &str = "This sentence is filler. ";
/// What stands in the filler's place while a body is put together. In a name it would be escaped, and in JSON a
/// quote that ends or begins a string never stands before an escaped control character but here.
const MARK: &str = "\u{0}";
/// The same in JSON.
const MARK_IN_JSON: &str = r#""\u0000""#;
/// A limit on tokens where one must be given and the record has none.
const MAX_TOKENS: u64 = 16;

/// A request of the form that failed most often; why there is none, if there is none.
pub(super) fn of(tally: &Tally) -> Result<Reproduction, Sentence> {
    let most = tally.forms.iter().max_by(|(a, (one, _)), (b, (two, _))| one.cmp(two).then_with(|| b.cmp(a)));
    let Some((form, (count, bytes))) = most else {
        return Err(Sentence::new("There is no reproduction: no failed attempt is on record."));
    };
    let Some(Draft { path, headers, body, mut notes }) = draft(form) else {
        return Err(Sentence::new("There is no reproduction: what a request to ")
            .quote(&form.endpoint)
            .say(" is made of is not on record."));
    };
    let mean = bytes / (*count).max(1);
    let wanted = mean.min(BODY_BYTES_MAX);
    if mean > wanted {
        let (mean, most) = (grouped(mean), grouped(BODY_BYTES_MAX));
        notes.push(Sentence::new(format!("The bodies had {mean} bytes; this one has no more than {most}.")));
    }
    let bare = body.to_string();
    let empty = (bare.len() - MARK_IN_JSON.len() + 2) as u64;
    let whole = wanted.saturating_sub(empty).max(FILLER.len() as u64);
    // A here-document ends its last line.
    let is_inline = whole <= FILLER_INLINE_MAX;
    let filler = whole - u64::from(is_inline);
    if empty > wanted {
        notes.push(Sentence::new("It is larger than what was sent: the tool definitions were shorter."));
    }
    notes.push(Sentence::new(
        "What was said is a filler of about the same size, tools are empty ones, and settings that are not on record \
         (temperature, formats, images, earlier turns) are left out.",
    ));
    Ok(Reproduction {
        path,
        command: command(path, headers, &bare, filler, is_inline),
        body: filled(&body, filler.min(FILLER_INLINE_MAX)),
        body_bytes: empty + whole,
        like: *count,
        notes,
    })
}

/// A request without its filler.
struct Draft {
    path: &'static str,
    headers: &'static [&'static str],
    body: Value,
    notes: Vec<Sentence>,
}

/// The key of OpenAI, and of those that speak its protocol.
const BEARER: &[&str] = &["Authorization: Bearer $OPENAI_API_KEY"];
/// Of Anthropic's own protocol.
const ANTHROPIC: &[&str] = &["x-api-key: $OPENAI_API_KEY", "anthropic-version: 2023-06-01"];

fn draft(form: &Form) -> Option<Draft> {
    let mut notes = Vec::new();
    let (path, headers, mut body) = match form.endpoint.as_str() {
        "chat_completions" => {
            ("chat/completions", BEARER, json!({ "messages": [{ "role": "user", "content": MARK }] }))
        }
        "responses" => ("responses", BEARER, json!({ "input": MARK })),
        "completions" => ("completions", BEARER, json!({ "prompt": MARK })),
        "embeddings" => ("embeddings", BEARER, json!({ "input": MARK })),
        "moderations" => ("moderations", BEARER, json!({ "input": MARK })),
        "messages" => ("messages", ANTHROPIC, json!({ "messages": [{ "role": "user", "content": MARK }] })),
        _ => return None,
    };
    match &form.model {
        // Cut or not, a name is put in as text: what it holds cannot leave its string.
        Some(model) => body["model"] = name(model).into(),
        None => notes.push(Sentence::new("The requests named no model.")),
    }
    let generates = !matches!(path, "embeddings" | "moderations");
    if form.stream && generates {
        body["stream"] = true.into();
    }
    let limit = match path {
        "responses" => "max_output_tokens",
        "chat/completions" => "max_completion_tokens",
        _ => "max_tokens",
    };
    let must = (path == "messages").then_some(MAX_TOKENS);
    if let Some(max) = form.max_tokens.or(must).filter(|_| generates) {
        body[limit] = max.into();
        if path == "chat/completions" {
            notes.push(Sentence::new(
                "The limit on tokens may have been sent as max_tokens: the record keeps its value alone.",
            ));
        }
    }
    let tools = form.tools.min(TOOLS_MAX);
    if tools > 0 && matches!(path, "chat/completions" | "responses" | "messages") {
        body["tools"] = (1..=tools).map(|number| tool(path, number)).collect();
        if tools < form.tools {
            let (sent, most) = (grouped(form.tools.into()), grouped(TOOLS_MAX.into()));
            notes.push(Sentence::new(format!("{sent} tools were sent; this has {most}.")));
        }
    }
    Some(Draft { path, headers, body, notes })
}

fn tool(path: &str, number: u32) -> Value {
    let (name, description) = (format!("filler_tool_{number}"), "A tool without a meaning.");
    let schema = json!({ "type": "object", "properties": {} });
    match path {
        "chat/completions" => json!({
            "type": "function",
            "function": { "name": name, "description": description, "parameters": schema },
        }),
        "messages" => json!({ "name": name, "description": description, "input_schema": schema }),
        _ => {
            json!({ "type": "function", "name": name, "description": description, "parameters": schema, "strict": false })
        }
    }
}

/// So many bytes of filler.
fn filler(bytes: u64) -> String {
    (0..bytes.min(FILLER_INLINE_MAX)).zip(FILLER.chars().cycle()).map(|(_, c)| c).collect()
}

/// `body` with a filler of so many bytes in the mark's place.
fn filled(body: &Value, bytes: u64) -> Value {
    match body {
        Value::String(text) if text == MARK => filler(bytes).into(),
        Value::Array(items) => items.iter().map(|item| filled(item, bytes)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), filled(value, bytes))).collect(),
        other => other.clone(),
    }
}

/// A command for a POSIX shell. What others chose stands in single quotes or in a here-document that nothing is
/// expanded in, on one line of JSON.
fn command(path: &str, headers: &[&str], bare: &str, bytes: u64, is_inline: bool) -> String {
    let mut curl = format!("curl -sS -i \"${{OPENAI_BASE_URL:-https://api.openai.com/v1}}/{path}\" \\\n");
    for header in headers {
        curl.push_str(&format!("  -H \"{header}\" \\\n"));
    }
    curl.push_str("  -H 'Content-Type: application/json' --data-binary @-");
    let (before, after) = bare.split_once(MARK_IN_JSON).unwrap_or((bare, ""));
    if is_inline {
        return format!("{curl} <<'JSON'\n{before}\"{}\"{after}\nJSON\n", filler(bytes));
    }
    let quoted = |text: &str| text.replace('\'', r"'\''");
    format!(
        "{{ printf '%s' '{}\"'; yes '{}' | tr '\\n' ' ' | head -c {bytes}; printf '%s' '\"{}'; }} |\n{curl}\n",
        quoted(before),
        FILLER.trim_end(),
        quoted(after)
    )
}
