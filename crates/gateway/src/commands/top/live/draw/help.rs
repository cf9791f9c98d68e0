//! What each key does.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Paint, write};

/// Keys, and what they do.
const KEYS: [(&str, &str); 14] = [
    ("1-5 tab", "overview, upstreams, incidents, failures, numbers"),
    ("arrows j k", "another row; page up, page down, home, end"),
    ("enter", "a failure attempt by attempt, an incident, an upstream's failures"),
    ("esc", "back; all rows again"),
    ("u", "only failures of the chosen row's upstream; again: all"),
    ("m", "only of its model"),
    ("c", "only of its class"),
    ("s", "only of its status"),
    ("x", "all again"),
    ("/", "search; an id that is not in the list is looked up"),
    ("p", "pause, and go on"),
    ("?", "this"),
    ("q ctrl-c", "quit"),
    ("bars", "a minute each: ▁ none failed, █ all failed, · nothing asked"),
];

pub(super) fn draw(paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let line = |(key, does): &(&'static str, &'static str)| {
        Line::from(vec![Span::styled(format!("{key:<12}"), paint.title()), Span::raw(*does)])
    };
    write(KEYS.iter().map(line), frame, area);
}
