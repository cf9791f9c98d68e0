//! The five panes, and the details of what was chosen in one.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, TableState};

use super::super::super::words::{bars, breakers, numbers, resting};
use super::super::detail::{self, Detail};
use super::super::rows::{self, Column};
use super::super::series::{spark, together};
use super::super::state::{Pane, State};
use super::{Paint, Rows, wrapped, write};
use crate::observe::journal::plain::grouped;

/// The width of a number with its name.
const NUMBER_WIDTH: u16 = 52;
/// The width of a number's name.
const NAME_WIDTH: usize = 16;
/// The width of a label in a detail.
const LABEL_WIDTH: u16 = 20;
/// From this height on the chosen upstream is told of below the list.
const TELL_FROM: u16 = 10;
/// Incidents that the overview shows.
const INCIDENTS_SHOWN: u16 = 3;
/// Upstreams that the overview shows.
const UPSTREAMS_SHOWN: u16 = 4;
/// Bars are worth their room from this width on.
const BARS_MIN: u16 = 10;

/// Draws the pane that is shown.
pub(super) fn draw(state: &State, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    match state.pane {
        Pane::Overview => overview(state, paint, frame, area),
        Pane::Upstreams => {
            let mut rows = Rows::of(area);
            let all = u16::try_from(state.upstreams().len()).unwrap_or(u16::MAX).saturating_add(1);
            let list = rows.take(if area.height < TELL_FROM { area.height } else { all.min(area.height / 2) });
            upstreams(state, paint, frame, list, state.cursor());
            chosen_upstream(state, paint, frame, rows.left);
        }
        Pane::Incidents => incidents(state, paint, frame, area, state.cursor()),
        Pane::Failures => failures(state, paint, frame, area),
        Pane::Numbers => {
            let mut rows = Rows::of(area);
            let tall = rows.take(columns_of(state, area.width));
            figures(state, paint, frame, tall);
            rows.take(1);
            charts(state, paint, frame, rows.left);
        }
    }
}

/// A little of everything; the latest failures take what is left.
fn overview(state: &State, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let mut rows = Rows::of(area);
    let height = area.height;
    let open = u16::try_from(state.incidents().len()).unwrap_or(u16::MAX);
    let ups = u16::try_from(state.shown().upstreams.len()).unwrap_or(u16::MAX);
    let wanted = columns_of(state, area.width);
    if height >= 4 {
        figures(state, paint, frame, rows.take(wanted.min((height / 4).max(1))));
    }
    if height >= 14 {
        charts(state, paint, frame, rows.take(2));
    }
    if open > 0 && height >= 8 {
        incidents(state, paint, frame, rows.take(1 + open.min(INCIDENTS_SHOWN).min(height / 5)), None);
    }
    if ups > 0 && height >= 11 {
        upstreams(state, paint, frame, rows.take(1 + ups.min(UPSTREAMS_SHOWN).min(height / 5)), None);
    }
    failures(state, paint, frame, rows.left);
}

/// Rows that the numbers take in columns beside each other.
fn columns_of(state: &State, width: u16) -> u16 {
    let all = state.shown().summary.as_ref().map_or(1, |summary| numbers(summary).len());
    let columns = usize::from((width / NUMBER_WIDTH).max(1));
    u16::try_from(all.div_ceil(columns)).unwrap_or(u16::MAX)
}

fn figures(state: &State, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let Some(summary) = &state.shown().summary else { return };
    let columns = usize::from((area.width / NUMBER_WIDTH).max(1));
    let told = numbers(summary);
    let lines = told.chunks(columns).map(|row| {
        let cells = row.iter().flat_map(|(name, value)| {
            let width = usize::from(NUMBER_WIDTH) - NAME_WIDTH;
            let style = if *name == "journal" && !value.eq("ok") { paint.warn() } else { Style::new() };
            [
                Span::styled(format!("{name:<NAME_WIDTH$}"), paint.faint()),
                Span::styled(format!("{value:<width$}"), style),
            ]
        });
        Line::from(cells.collect::<Vec<_>>())
    });
    write(lines, frame, area);
}

/// Requests and failures, minute by minute.
fn charts(state: &State, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let (requests, failed) = together(&state.shown().upstreams);
    let line = |name: &str, numbers: &[u64], style: Style| {
        let most = format!(" most {} in a min", grouped(numbers.iter().copied().max().unwrap_or(0)));
        let width = usize::from(area.width).saturating_sub(NAME_WIDTH + most.len());
        Line::from(vec![
            Span::styled(format!("{name:<NAME_WIDTH$}"), paint.faint()),
            Span::styled(spark(numbers, width), style),
            Span::styled(most, paint.faint()),
        ])
    };
    let lines = if requests.is_empty() {
        vec![Line::styled("minutes are not known: the journal is not read", paint.faint())]
    } else {
        vec![line("requests/min", &requests, paint.good()), line("failed attempts", &failed, paint.bad())]
    };
    write(lines, frame, area);
}

fn upstreams(state: &State, paint: Paint, frame: &mut Frame<'_>, area: Rect, chosen: Option<usize>) {
    let shown = state.upstreams();
    if shown.is_empty() {
        return nothing("no upstream is known, or none has what is searched for", paint, frame, area);
    }
    let used: u16 =
        rows::UPSTREAM.iter().filter(|column| column.from <= area.width).map(|column| column.width + 1).sum();
    let left = area.width.saturating_sub(used + 2);
    let has_bars = left >= BARS_MIN;
    let cells = shown.iter().map(|row| {
        let mut cells: Vec<String> = rows::upstream(row, state.moment()).into();
        let told = |minutes: &Vec<_>| bars(minutes, usize::from(left));
        cells.push(row.minutes.as_ref().map_or_else(|| "not known".to_owned(), told));
        let style = if row.breakers.iter().all(|breaker| breaker.state.raw() == "closed") {
            Style::new()
        } else {
            paint.warn()
        };
        (cells, style)
    });
    let bars = Column { title: "MINUTES, THE PRESENT LAST", width: left, from: if has_bars { 0 } else { u16::MAX } };
    table(&rows::UPSTREAM, Some(&bars), cells.collect(), chosen, paint, frame, area);
}

fn incidents(state: &State, paint: Paint, frame: &mut Frame<'_>, area: Rect, chosen: Option<usize>) {
    let shown = state.incidents();
    if shown.is_empty() {
        return nothing("no incident is on record, or none has what is searched for", paint, frame, area);
    }
    let cells = shown.iter().map(|row| {
        let style = if row.state.raw() == "resolved" { paint.faint() } else { paint.severity(row.severity.raw()) };
        (rows::incident(row, state.moment()).into(), style)
    });
    table(&rows::INCIDENT, None, cells.collect(), chosen, paint, frame, area);
}

fn failures(state: &State, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let shown = state.failures();
    if shown.is_empty() {
        let fits = if state.filter.is_none() && state.search.is_empty() { "" } else { " that fits" };
        return nothing(&format!("no failed attempt is on record{fits}"), paint, frame, area);
    }
    let cells = shown.iter().map(|row| (rows::failure(row).into(), Style::new()));
    table(&rows::FAILURE, None, cells.collect(), state.cursor(), paint, frame, area);
}

/// A table with a title, as many of its columns as fit, and a sign before the chosen row.
fn table(
    columns: &[Column],
    more: Option<&Column>,
    cells: Vec<(Vec<String>, Style)>,
    chosen: Option<usize>,
    paint: Paint,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let columns: Vec<(usize, &Column)> = columns.iter().chain(more).enumerate().collect();
    let columns: Vec<(usize, &Column)> = columns.into_iter().filter(|(_, column)| column.from <= area.width).collect();
    let header = Row::new(columns.iter().map(|(_, column)| column.title)).style(paint.faint());
    let widths = columns.iter().map(|(_, column)| Constraint::Length(column.width));
    let body = cells.into_iter().map(|(cells, style)| {
        let shown = columns.iter().map(|(at, _)| cells.get(*at).cloned().unwrap_or_default());
        Row::new(shown.collect::<Vec<_>>()).style(style)
    });
    let table = Table::new(body, widths)
        .header(header)
        .column_spacing(1)
        .highlight_symbol(if chosen.is_some() { "> " } else { "" })
        .row_highlight_style(paint.chosen());
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(chosen));
}

fn nothing(says: &str, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    write(wrapped(says, area.width).into_iter().map(|line| Line::styled(line, paint.faint())), frame, area);
}

/// All that is known of the chosen upstream, in plain words.
fn chosen_upstream(state: &State, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let shown = state.upstreams();
    let Some(row) = state.cursor().and_then(|at| shown.get(at)) else { return };
    let mut told = vec![detail::Line::Blank, detail::Line::Head(row.name.to_string())];
    if row.breakers.is_empty() {
        told.push(detail::Line::Value("breaker", breakers(row)));
    }
    for breaker in &row.breakers {
        told.push(detail::Line::Value("breaker", format!("{}: {}, {}", breaker.model, breaker.state, breaker.says)));
    }
    let [_, _, _, _, last, page] = rows::upstream(row, state.moment());
    told.push(detail::Line::Value("resting keys", resting(row)));
    told.push(detail::Line::Value("last failure", last));
    told.push(detail::Line::Value("status page", page));
    write(told.iter().flat_map(|line| lines(line, paint, area.width)), frame, area);
}

/// One request or one incident.
pub(super) fn detail(shown: &Detail, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let mut rows = Rows::of(area);
    if shown.top > 0 {
        // What it is has been scrolled away.
        frame.render_widget(Line::styled(shown.wanted.title(), paint.title()), rows.take(1));
    }
    let told = shown.lines.iter().skip(shown.top).flat_map(|line| lines(line, paint, area.width));
    write(told, frame, rows.left);
}

/// A line of a detail as wide as there is room.
fn lines(line: &detail::Line, paint: Paint, width: u16) -> Vec<Line<'static>> {
    match line {
        detail::Line::Head(text) => {
            wrapped(text, width).into_iter().map(|line| Line::styled(line, paint.title())).collect()
        }
        detail::Line::Value(name, text) => {
            let room = width.saturating_sub(LABEL_WIDTH + 2);
            let told = wrapped(text, room).into_iter().enumerate();
            let label = |at| if at == 0 { *name } else { "" };
            told.map(|(at, text)| {
                let label = format!("  {:<label_width$}", label(at), label_width = usize::from(LABEL_WIDTH));
                Line::from(vec![Span::styled(label, paint.faint()), Span::raw(text)])
            })
            .collect()
        }
        detail::Line::Words(text) => wrapped(text, width).into_iter().map(Line::raw).collect(),
        detail::Line::Blank => vec![Line::raw("")],
    }
}
