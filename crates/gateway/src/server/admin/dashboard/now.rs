//! `/`: is it us or them, since when, and what is Seawall doing about it?

use askama::Template;
use http::HeaderMap;

use super::super::Admin;
use super::super::reply::Reply;
use super::super::summary::{Brief, Summary};
use super::super::upstreams::Upstreams;
use super::upstreams::Line;
use super::words::{self, clock, count, millis, percent, plural, rate, segment, time};
use super::{Frame, page};
use crate::chart::course::{self, Stretch};
use crate::headline::{self, Mood, Situation};
use crate::observe::journal::incidents::what;
use crate::observe::recent::{Counts, Recent, SECONDS_MAX};

/// Seconds of a stretch of the chart.
const STEP: u64 = 5;

#[derive(Template)]
#[template(path = "now.html")]
struct Now {
    frame: Frame,
    headline: Headline,
    tiles: Vec<Tile>,
    chart: String,
    minutes: Vec<Row>,
    incidents: Vec<Card>,
    upstreams: Vec<Line>,
    time: words::Time,
}

/// How things are, in a sentence.
struct Headline {
    /// Its look: `ok`, `quiet`, `warning` or `critical`.
    state: &'static str,
    says: String,
}

/// A number with its name.
struct Tile {
    name: &'static str,
    value: String,
    note: String,
    /// Whether it is as it should be.
    is_well: bool,
}

/// One minute of the chart, in numbers.
struct Row {
    label: String,
    requests: String,
    saved: String,
    failed: String,
    success: String,
    upstream: String,
}

/// An open incident.
pub(super) struct Card {
    pub(super) id: String,
    pub(super) severity: &'static str,
    pub(super) place: String,
    pub(super) says: String,
    pub(super) since: words::Time,
}

impl Admin {
    /// How things are now.
    pub(super) async fn now(&self, headers: &HeaderMap) -> Reply {
        let summary = Summary::of(&self.server);
        let upstreams = Upstreams::of(&self.server, None).await;
        page(&Now::of(
            self.frame("Now", "/", "summary incident", headers),
            &summary,
            &upstreams,
            &self.server.observe.recent,
        ))
    }
}

impl Now {
    fn of(frame: Frame, summary: &Summary, upstreams: &Upstreams, recent: &Recent) -> Now {
        let now = summary.time.0;
        let course = course_of(recent, now, STEP);
        let most = usize::try_from(SECONDS_MAX / STEP).unwrap_or(usize::MAX);
        let name = "Requests a second and success over the last five minutes; the table below has the numbers";
        Now {
            frame,
            headline: Headline::of(summary, now),
            tiles: tiles(summary),
            chart: course::svg(&course, most, name),
            minutes: recent.course(60).into_iter().map(|(ago, counts)| Row::of(now - ago, &counts)).collect(),
            incidents: summary.incidents.iter().map(|brief| Card::of(brief, now)).collect(),
            upstreams: upstreams.upstreams.iter().map(|upstream| Line::of(upstream, now)).collect(),
            time: time(now, now),
        }
    }
}

fn course_of(recent: &Recent, now: i64, step: u64) -> Vec<Stretch> {
    let stretch = |(ago, counts): (i64, Counts)| stretch(now - ago, step, &counts);
    recent.course(step).into_iter().map(stretch).collect()
}

/// A stretch that began at `at`.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn stretch(at: i64, step: u64, counts: &Counts) -> Stretch {
    let rate = |n: u64| n as f64 / step as f64;
    let at_once = counts.answered.saturating_sub(counts.saved);
    let says = format!(
        "{}: {}, {} saved, {} failed; callers {}, upstream {}",
        clock(at),
        plural(counts.requests, "request"),
        count(counts.saved),
        count(counts.failed),
        percent(counts.success()),
        percent(counts.upstream_success()),
    );
    Stretch {
        label: clock(at),
        at_once: rate(at_once),
        saved: rate(counts.saved),
        failed: rate(counts.failed),
        success: counts.success(),
        upstream: counts.upstream_success(),
        says,
    }
}

impl Row {
    fn of(at: i64, counts: &Counts) -> Row {
        Row {
            label: clock(at),
            requests: count(counts.requests),
            saved: count(counts.saved),
            failed: count(counts.failed),
            success: percent(counts.success()),
            upstream: percent(counts.upstream_success()),
        }
    }
}

impl Card {
    pub(super) fn of(brief: &Brief, now: i64) -> Card {
        let what = what(brief.kind);
        Card {
            id: brief.id.clone(),
            severity: brief.severity,
            place: place(brief),
            says: format!("{what}: {} of {}", count(brief.failed), count(brief.of)),
            since: time(brief.since.0, now),
        }
    }

    pub(super) fn path(&self) -> String {
        format!("/incidents/{}", segment(&self.id))
    }
}

/// What an incident is said of.
fn place(brief: &Brief) -> String {
    match (&brief.route, brief.upstream.as_deref(), brief.model.as_deref()) {
        (Some(route), ..) => format!("route {route}"),
        (None, Some(upstream), None | Some("-")) => upstream.to_owned(),
        (None, upstream, model) => format!("{} at {}", model.unwrap_or("-"), upstream.unwrap_or("-")),
    }
}

impl Headline {
    fn of(summary: &Summary, now: i64) -> Headline {
        let minute = &summary.last_minute;
        let situation = Situation {
            now,
            incidents: summary.incidents.iter().map(Brief::open).collect(),
            success: minute.success,
            upstream_success: minute.upstream_success,
            requests_per_s: summary.requests_per_s,
            is_draining: summary.draining,
        };
        let (mood, says) = headline::headline(&situation);
        let state = match mood {
            Mood::Idle => "quiet",
            Mood::Well => "ok",
            Mood::Noisy | Mood::Held | Mood::Draining => "warning",
            Mood::Outage => "critical",
        };
        Headline { state, says }
    }
}

fn tiles(summary: &Summary) -> Vec<Tile> {
    let (minute, five) = (&summary.last_minute, &summary.last_5_minutes);
    let ms = |took: Option<f64>| took.map_or_else(|| "–".to_owned(), millis);
    let tile = |name, value: String, note: String| Tile { name, value, note, is_well: true };
    let journal = &summary.journal;
    let is_recording = journal.state == "ok" && journal.dropped == 0;
    let journal_note = match (journal.dropped, journal.late) {
        (0, 0) => format!("{} written", plural(journal.rows, "row")),
        (dropped, late) => format!("{} lost, {} late", count(dropped), count(late)),
    };
    vec![
        tile(
            "Requests per second",
            rate(summary.requests_per_s),
            format!("{} in flight", count(summary.in_flight.unsigned_abs())),
        ),
        Tile {
            is_well: five.success.is_none_or(|share| share >= 0.99),
            ..tile("Success for callers", percent(minute.success), format!("{} over 5 min", percent(five.success)))
        },
        tile(
            "Success upstream",
            percent(minute.upstream_success),
            format!("{} over 5 min", percent(five.upstream_success)),
        ),
        tile("Saved by retry", count(five.counts.saved), "in 5 min".to_owned()),
        tile(
            "Extra attempts",
            count(five.counts.extra_attempts),
            format!("{} charged in 5 min", plural(five.counts.extra_tokens, "token")),
        ),
        tile("First content", ms(summary.first_content.p50_ms), format!("p99 {}", ms(summary.first_content.p99_ms))),
        tile("Added by Seawall", ms(summary.overhead.p50_ms), format!("p99 {}", ms(summary.overhead.p99_ms))),
        tile(
            "Streams open",
            count(summary.streams_open.unsigned_abs()),
            format!("{} wait for an upstream", count(u64::try_from(summary.waiting).unwrap_or(u64::MAX))),
        ),
        tile(
            "Retry budget",
            format!("{:.0}", summary.budget_tokens.floor()),
            format!("{} held", words::bytes(u64::try_from(summary.memory_held_bytes).unwrap_or(u64::MAX))),
        ),
        Tile { is_well: is_recording, ..tile("Journal", journal.state.to_owned(), journal_note) },
    ]
}
