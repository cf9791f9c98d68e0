//! How the state looks, on a screen of any size: state in, cells out.
//!
//! On top always the answer: is it us or them, since when, and what is done about it. What does not fit is left out from
//! the least important on, and columns from the right. A colour never says what no word or sign says, and without colours
//! nothing is missing.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use super::super::words::{ago, answer};
use super::state::{Link, Pane, State};
use crate::headline::Mood;
use crate::observe::journal::plain::{printable, span};
use crate::observe::journal::when::rfc3339;

mod help;
mod panes;

/// Lines of the headline: it is one sentence or two, and on a narrow screen the first thing to read all the same.
const HEADLINE_LINES_MAX: usize = 5;

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) colours: bool,
}

impl Paint {
    fn of(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// All is well.
    fn good(self) -> Style {
        self.of(Color::Green)
    }

    /// Worth a look.
    fn warn(self) -> Style {
        self.of(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// It is bad.
    fn bad(self) -> Style {
        self.of(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Beside the point.
    fn faint(self) -> Style {
        if self.colours { Style::new().fg(Color::DarkGray) } else { Style::new() }
    }

    /// A title.
    fn title(self) -> Style {
        self.of(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// What is chosen: a sign stands before it, too.
    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn mood(self, mood: Mood) -> Style {
        match mood {
            Mood::Idle | Mood::Well => self.good(),
            Mood::Noisy | Mood::Held | Mood::Draining => self.warn(),
            Mood::Outage => self.bad(),
        }
    }

    /// How bad an incident is.
    fn severity(self, severity: &str) -> Style {
        if severity == "critical" { self.bad() } else { self.warn() }
    }
}

/// A part of the screen, taken from the top.
struct Rows {
    left: Rect,
}

impl Rows {
    fn of(area: Rect) -> Rows {
        Rows { left: area }
    }

    /// The next so many rows, or as many as there are.
    fn take(&mut self, rows: u16) -> Rect {
        let height = rows.min(self.left.height);
        let taken = Rect { height, ..self.left };
        self.left.y = self.left.y.saturating_add(height);
        self.left.height -= height;
        taken
    }

    /// The same from the bottom.
    fn take_last(&mut self, rows: u16) -> Rect {
        let height = rows.min(self.left.height);
        self.left.height -= height;
        Rect { y: self.left.y.saturating_add(self.left.height), height, ..self.left }
    }
}

/// Draws all of it.
pub(super) fn draw(state: &State, paint: Paint, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut rows = Rows::of(area);
    frame.render_widget(top_line(state, paint, area.width), rows.take(1));
    headline(state, paint, frame, &mut rows);
    let footer = rows.take_last(1);
    frame.render_widget(tabs(state, paint, area.width), rows.take(1));
    let body = rows.left;
    if state.has_help {
        frame.render_widget(Clear, body);
        help::draw(paint, frame, body);
    } else if let Some(detail) = &state.detail {
        panes::detail(detail, paint, frame, body);
    } else {
        panes::draw(state, paint, frame, body);
    }
    frame.render_widget(last_line(state, paint, area.width), footer);
}

/// What program, where, since when; and whether it is heard.
fn top_line(state: &State, paint: Paint, width: u16) -> Line<'static> {
    let version = state.shown().summary.as_ref().map_or_else(String::new, |summary| format!(" {}", summary.version));
    let (word, style) = match (&state.link, state.is_paused()) {
        (Link::Lost { .. }, _) => ("GONE", paint.bad()),
        (_, true) => ("PAUSED", paint.warn()),
        _ if state.is_silent() => ("SILENT", paint.warn()),
        (Link::Live, _) => ("LIVE", paint.good()),
        (Link::Asked, _) => ("ASKED", paint.warn()),
        (Link::Waiting, _) => ("…", paint.faint()),
    };
    let clock = rfc3339(state.moment());
    let mut said =
        vec![Span::styled(format!("seawall{version}"), paint.title()), Span::styled(format!("  {word}"), style)];
    for (from, more) in [
        (60, format!("  {} UTC", clock.get(11..19).unwrap_or("-"))),
        (40, format!("  {}", printable(&state.address))),
        (80, format!("  up {}", ago(state.started(), state.moment()))),
    ] {
        if width >= from {
            said.push(Span::styled(more, paint.faint()));
        }
    }
    Line::from(said)
}

/// The answer, and that it is old if it is.
fn headline(state: &State, paint: Paint, frame: &mut Frame<'_>, rows: &mut Rows) {
    let (width, height) = (rows.left.width, rows.left.height);
    if let Some(line) = trouble(state) {
        frame.render_widget(Line::styled(line, paint.bad()), rows.take(1));
    }
    let said = state.shown().summary.as_ref().map(|summary| answer(summary, state.moment()));
    let (mood, text) = said.unwrap_or((Mood::Idle, "Waiting for the gateway's first word.".to_owned()));
    let told = wrapped(&text, width).into_iter().map(|line| Line::styled(line, paint.mood(mood)));
    let told: Vec<Line<'_>> = told.take(usize::from(height.div_ceil(2)).clamp(1, HEADLINE_LINES_MAX)).collect();
    let area = rows.take(u16::try_from(told.len()).unwrap_or(u16::MAX));
    write(told, frame, area);
}

/// Lines below each other, as many as there is room for.
fn write<'a>(lines: impl IntoIterator<Item = Line<'a>>, frame: &mut Frame<'_>, area: Rect) {
    let mut rows = Rows::of(area);
    for line in lines.into_iter().take(usize::from(area.height)) {
        frame.render_widget(line, rows.take(1));
    }
}

/// A text in lines of this width at most, broken between words, and in a word that is longer than a line. A letter that
/// is wider than a line has one of its own, and is cut there.
fn wrapped(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width.max(1));
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for word in text.split(' ') {
        let length = Span::raw(word).width();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        if length <= width {
            line.push_str(word);
            used += length;
            continue;
        }
        for letter in word.chars() {
            let mut buffer = [0; 4];
            let length = Span::raw(&*letter.encode_utf8(&mut buffer)).width();
            if used > 0 && used + length > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(letter);
            used += length;
        }
    }
    lines.push(line);
    lines
}

/// What is wrong with the way to the gateway, and how old the numbers are.
fn trouble(state: &State) -> Option<String> {
    let old = state.age().map_or_else(String::new, |(at, age)| {
        let clock = rfc3339(at);
        format!("these numbers are of {} ({} ago)", clock.get(11..19).unwrap_or("-"), span(age))
    });
    match &state.link {
        Link::Lost { why, retry_at } => {
            let retry = span(retry_at.saturating_sub(state.now));
            Some(format!("! {old}; next try in {retry}: {}", printable(why)))
        }
        _ => state.is_silent().then(|| format!("! nothing is heard: {old}")),
    }
}

/// The panes, the one that is shown marked.
fn tabs(state: &State, paint: Paint, width: u16) -> Line<'static> {
    let mut said = Vec::new();
    for (at, pane) in Pane::ALL.into_iter().enumerate() {
        let name = match pane {
            Pane::Incidents => format!("Incidents({})", open(state)),
            _ => pane.name().to_owned(),
        };
        // Narrow screens have numbers, and the name of what is shown.
        let name = if width >= 70 || pane == state.pane { format!("{} {name}", at + 1) } else { format!("{}", at + 1) };
        if pane == state.pane {
            said.push(Span::styled(format!("[{name}]"), paint.title().add_modifier(Modifier::REVERSED)));
        } else {
            said.push(Span::styled(format!(" {name} "), paint.faint()));
        }
        said.push(Span::raw(" "));
    }
    Line::from(said)
}

/// Incidents that are open.
fn open(state: &State) -> usize {
    state.shown().summary.as_ref().map_or(0, |summary| summary.incidents.len())
}

/// What is typed or left out, what is to be said, or what keys there are.
fn last_line(state: &State, paint: Paint, width: u16) -> Line<'static> {
    if state.is_typing {
        // The end of what is typed is what one looks at.
        let room = usize::from(width).saturating_sub(3);
        let skip = state.search.chars().count().saturating_sub(room);
        let end: String = state.search.chars().skip(skip).collect();
        return Line::from(format!("/{}_", printable(&end)));
    }
    if let Some(note) = &state.note {
        return Line::styled(note.clone(), paint.warn());
    }
    let mut said = Vec::new();
    if !state.filter.is_none() {
        said.push(Span::styled(format!("only {}  ", state.filter.says()), paint.warn()));
    }
    if !state.search.is_empty() {
        said.push(Span::styled(format!("/{}  ", printable(&state.search)), paint.warn()));
    }
    if state.missed > 0 && width >= 60 {
        said.push(Span::styled(format!("{} events missed  ", state.missed), paint.warn()));
    }
    let keys = match (state.detail.is_some() || state.has_help, said.is_empty()) {
        (true, _) => "esc back  q quit",
        (false, true) => "? help  / search  enter details  u m c s only this  p pause  q quit",
        (false, false) => "x all  ? help  q quit",
    };
    said.push(Span::styled(keys, paint.faint()));
    Line::from(said)
}

#[cfg(test)]
mod tests;
