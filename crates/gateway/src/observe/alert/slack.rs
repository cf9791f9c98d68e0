//! A message for an incoming webhook of Slack: blocks, and one line of plain text for notifications.
//!
//! Whatever strangers chose stands in a code span, with `&`, `<` and `>` escaped and no backtick in it:
//! there nothing is a mention, a link or a format. `verbatim` keeps Slack from finding names and
//! addresses by itself.

use seawall_core::incident::What;
use serde_json::{Value, json};

use super::notice::{Links, Notice, Row, shortened};

/// The longest text of a header block, in characters (Slack's reference, 2026-11).
pub(super) const HEADER_CHARS_MAX: usize = 150;
/// The longest text of a section block, in characters (the same).
pub(super) const SECTION_CHARS_MAX: usize = 3_000;
/// The longest text for notifications, in characters: Slack cuts at 40,000, a notification far sooner.
pub(super) const TEXT_CHARS_MAX: usize = 500;

/// The message for a channel that hears `what`.
pub(super) fn message(notice: &Notice, what: What, links: &Links) -> Value {
    let headline = format!("{}: {}", notice.word(what), notice.headline(what));
    let mut blocks = vec![
        json!({
            "type": "header",
            "text": { "type": "plain_text", "text": escaped(&headline, HEADER_CHARS_MAX), "emoji": false },
        }),
        json!({ "type": "section", "text": markdown(&fitting(&notice.rows())) }),
    ];
    let link = |address: String, name: &str| format!("<{address}|{name}>");
    let places: Vec<String> = links
        .incident(notice.id())
        .filter(|_| !notice.is_test)
        .map(|address| link(address, "incident"))
        .into_iter()
        .chain(links.dashboard().map(|address| link(address, "dashboard")))
        .collect();
    if !places.is_empty() {
        blocks.push(json!({ "type": "context", "elements": [markdown(&places.join("  "))] }));
    }
    json!({ "text": plain(&headline), "blocks": blocks })
}

fn markdown(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// One line a row, as many rows as fit whole.
fn fitting(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let values: Vec<String> = row.values.iter().map(|value| code(value)).collect();
        let line = format!("*{}* {}\n", row.label, values.join("  "));
        if text.chars().count() + line.chars().count() <= SECTION_CHARS_MAX {
            text.push_str(&line);
        }
    }
    text
}

/// `text` as a code span.
fn code(text: &str) -> String {
    format!("`{}`", escaped(&text.replace('`', "'"), usize::MAX))
}

/// The one place where Slack may look for mentions whatever we say: there an `@` is another sign.
fn plain(text: &str) -> String {
    escaped(&shortened(text, TEXT_CHARS_MAX).replace('`', "'").replace('@', "＠"), TEXT_CHARS_MAX)
}

/// `text` with Slack's three signs escaped, in at most `chars_max` characters.
fn escaped(text: &str, chars_max: usize) -> String {
    let length = |c: char| match c {
        '&' => 5,
        '<' | '>' => 4,
        _ => 1,
    };
    let whole: usize = text.chars().map(length).sum();
    let room = if whole <= chars_max { chars_max } else { chars_max.saturating_sub(1) };
    let mut used = 0;
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        used += length(c);
        if used > room {
            shown.push('…');
            break;
        }
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            c => shown.push(c),
        }
    }
    shown
}
