//! One request attempt by attempt, or one incident with what was told of it: the gateway's answer as lines.
//!
//! It is read key by key, so that an older or newer gateway is shown as far as it goes.

use serde_json::Value;

use crate::observe::journal::plain::{grouped as count, millis, printable, span};
use crate::observe::journal::when::When;

/// Lines that are kept of one: twenty requests of a hundred attempts.
const LINES_MAX: usize = 4_000;
/// Characters of a value: as long as the record keeps messages.
const VALUE_CHARS_MAX: usize = 512;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A request, by any of its ids.
    Request(String),
    /// An incident, by its id.
    Incident(String),
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// The beginning of a part.
    Head(String),
    /// A value under its name.
    Value(&'static str, String),
    /// Words.
    Words(String),
    /// Nothing.
    Blank,
}

/// What is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) wanted: Wanted,
    pub(super) lines: Vec<Line>,
    /// The first line that is shown.
    pub(super) top: usize,
}

/// How a value is told.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Millis,
    Count,
}

use Form::{Count, Millis, Plain};

const REQUEST: [(&str, &str, Form); 13] = [
    ("time", "time", Plain),
    ("endpoint", "asked", Plain),
    ("model", "model", Plain),
    ("stream", "stream", Plain),
    ("tools", "tools", Count),
    ("body_bytes", "body, bytes", Count),
    ("sdk", "sdk", Plain),
    ("outcome", "outcome", Plain),
    ("reason", "reason", Plain),
    ("status", "status", Plain),
    ("attempts_made", "attempts", Count),
    ("elapsed_ms", "elapsed", Millis),
    ("diagnosis", "diagnosis", Plain),
];

const ATTEMPT: [(&str, &str, Form); 21] = [
    ("time", "time", Plain),
    ("status", "status", Plain),
    ("class", "class", Plain),
    ("whose", "whose fault", Plain),
    ("fault", "fault", Plain),
    ("billed", "billed", Plain),
    ("error_type", "error type", Plain),
    ("error_code", "error code", Plain),
    ("message", "message", Plain),
    ("upstream_request_id", "x-request-id", Plain),
    ("client_request_id", "x-client-request-id", Plain),
    ("connection", "connection", Plain),
    ("connected_ms", "connected after", Millis),
    ("secured_ms", "TLS after", Millis),
    ("sent_ms", "sent after", Millis),
    ("first_byte_ms", "first byte after", Millis),
    ("elapsed_ms", "elapsed", Millis),
    ("first_content_ms", "first content", Millis),
    ("decision", "decision", Plain),
    ("reason", "because", Plain),
    ("wait_ms", "wait", Millis),
];

const INCIDENT: [(&str, &str, Form); 12] = [
    ("state", "state", Plain),
    ("kind", "what", Plain),
    ("severity", "severity", Plain),
    ("upstream", "upstream", Plain),
    ("model", "model", Plain),
    ("route", "route", Plain),
    ("rule", "found by", Plain),
    ("since", "since", Plain),
    ("opened", "found", Plain),
    ("closed", "over", Plain),
    ("acknowledged", "known since", Plain),
    ("flaps", "opened again", Count),
];

impl Wanted {
    /// Where the gateway tells of it.
    pub(super) fn path(&self) -> String {
        match self {
            Wanted::Request(id) => format!("/api/v1/requests/{}", super::filter::encoded(id)),
            Wanted::Incident(id) => format!("/api/v1/incidents/{}", super::filter::encoded(id)),
        }
    }

    /// What it is, for a title.
    pub(super) fn title(&self) -> String {
        match self {
            Wanted::Request(id) => format!("request {}", printable(id)),
            Wanted::Incident(id) => format!("incident {}", printable(id)),
        }
    }
}

impl Detail {
    /// Not known yet.
    pub(super) fn new(wanted: Wanted) -> Detail {
        Detail { wanted, lines: vec![Line::Words("asking the gateway…".to_owned())], top: 0 }
    }

    /// What was said of it, or why nothing was.
    pub(super) fn fill(&mut self, said: &Result<Value, String>) {
        self.lines = match (said, &self.wanted) {
            (Err(why), _) => vec![Line::Words(printable(why))],
            (Ok(said), Wanted::Request(_)) => requests(said),
            (Ok(said), Wanted::Incident(_)) => incident(said),
        };
        self.lines.truncate(LINES_MAX);
        self.scroll(|at, _| at);
    }

    /// Moves to another line.
    pub(super) fn scroll(&mut self, to: impl Fn(usize, usize) -> usize) {
        let last = self.lines.len().saturating_sub(1);
        self.top = to(self.top, last).min(last);
    }
}

fn requests(said: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    for request in list(said, "requests") {
        if !lines.is_empty() {
            lines.push(Line::Blank);
        }
        lines.push(Line::Head(format!("request {}", word(request, "request_id"))));
        values(request, &REQUEST, &mut lines);
        for attempt in list(request, "attempts") {
            lines.push(Line::Blank);
            let number = attempt.get("attempt").and_then(Value::as_u64).unwrap_or(0);
            let after =
                after(request, attempt).map_or_else(String::new, |after| format!(", {after} after the request"));
            lines.push(Line::Head(format!("attempt {number} at {}{after}", word(attempt, "upstream"))));
            values(attempt, &ATTEMPT, &mut lines);
        }
        let mut classes = list(request, "attempts").iter().filter_map(|attempt| attempt.get("class")?.as_str());
        if let Some(class) = classes.next_back() {
            lines.push(Line::Blank);
            lines.push(Line::Value("next", format!("seawall explain {}", printable(class))));
        }
    }
    if lines.is_empty() { vec![Line::Words("nothing on record has this id".to_owned())] } else { lines }
}

fn incident(said: &Value) -> Vec<Line> {
    let mut lines = vec![Line::Head(format!("incident {}", word(said, "id")))];
    values(said, &INCIDENT, &mut lines);
    for (key, name) in [("whole", "failed since"), ("window", "failed lately")] {
        if let Some(counts) = said.get(key) {
            let n = |key: &str| count(counts.get(key).and_then(Value::as_u64).unwrap_or(0));
            lines.push(Line::Value(name, format!("{} of {}", n("failed"), n("of"))));
        }
    }
    for difference in list(said, "differences") {
        lines.push(Line::Value("different", word(difference, "text")));
    }
    if let Some(page) = said.get("status_page").and_then(|said| said.get("page")) {
        let says = page.get("description").or_else(|| page.get("indicator")).and_then(Value::as_str);
        lines.push(Line::Value("status page", says.map_or_else(|| "says nothing".to_owned(), shown)));
    }
    for id in list(said, "request_ids").iter().filter_map(Value::as_str) {
        lines.push(Line::Value("request", shown(id)));
    }
    for event in list(said, "events") {
        let what = word(event, "what");
        let told =
            format!("{} {} ({})", word(event, "at"), what.trim_start_matches("incident."), word(event, "severity"));
        lines.push(Line::Value("told", told));
    }
    lines.push(Line::Blank);
    lines.push(Line::Value("next", format!("seawall report {}", word(said, "id"))));
    lines
}

/// How long after its request an attempt began.
fn after(request: &Value, attempt: &Value) -> Option<String> {
    let time = |of: &Value| match of.get("time")?.as_str()?.parse().ok()? {
        When::At(at) => Some(at),
        When::Ago(_) => None,
    };
    let micros = time(attempt)?.saturating_sub(time(request)?).max(0);
    #[expect(clippy::cast_precision_loss, reason = "a span is far below 2^52")]
    Some(if micros < 60_000_000 { millis(micros as f64 / 1_000.0) } else { span(micros) })
}

/// The values that there are, under their names.
fn values(of: &Value, keys: &[(&str, &'static str, Form)], lines: &mut Vec<Line>) {
    for (key, name, form) in keys {
        let told = match (of.get(key), form) {
            (None | Some(Value::Null), _) => continue,
            (Some(value), Millis) => value.as_f64().map(millis),
            (Some(value), Count) => value.as_u64().map(count),
            (Some(Value::String(text)), Plain) => Some(shown(text)),
            (Some(Value::Bool(is)), Plain) => Some(if *is { "yes" } else { "no" }.to_owned()),
            (Some(value), Plain) => Some(shown(&value.to_string())),
        };
        lines.extend(told.map(|told| Line::Value(name, told)));
    }
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn word(of: &Value, key: &str) -> String {
    of.get(key).and_then(Value::as_str).map_or_else(|| "-".to_owned(), shown)
}

/// A text inert and bounded.
fn shown(text: &str) -> String {
    printable(&text.chars().take(VALUE_CHARS_MAX).collect::<String>())
}
