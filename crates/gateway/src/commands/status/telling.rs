//! What is seen here and what is said there, side by side: for people and for programs.

use std::fmt::Write;

use seawall_core::plan::breaker::State;
use serde::Serialize;
use serde_json::{Value, json};

use super::here::{Here, Run};
use super::running::Breaker;
use crate::observe::journal::incidents::IncidentRow;
use crate::observe::journal::plain::printable;
use crate::observe::journal::when::rfc3339;
use crate::observe::status_page::board::Snapshot;
use crate::observe::status_page::{Condition, Impact, Incident, Indicator, Page, Stage};

/// Models that a person is told of.
const MODELS_TOLD: usize = 5;
/// Incidents that a person is told of.
const INCIDENTS_TOLD: usize = 3;
const MINUTE_MICROS: i64 = 60 * 1_000_000;

/// One upstream, or one page.
pub(super) struct Entry {
    /// Its name; `None` for a page alone.
    pub(super) upstream: Option<String>,
    /// The other side.
    pub(super) there: There,
    /// This side; `None` if the record was not looked at.
    pub(super) here: Option<Here>,
    /// Its breakers, if a gateway runs and says how they are.
    pub(super) breakers: Option<Vec<Breaker>>,
    /// When this was so, in microseconds since the Unix epoch.
    pub(super) now: i64,
}

/// The provider's page.
pub(super) enum There {
    /// There is none.
    None,
    /// It was left out.
    NotAsked { url: String },
    /// It was asked.
    Asked { url: String, snapshot: Snapshot },
}

/// Who knew first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    Here,
    There,
    OnlyHere,
    OnlyThere,
}

impl Entry {
    /// What to do next, where something fails here.
    pub(super) fn next(&self) -> Option<String> {
        let here = self.here.as_ref()?;
        let open = here.incidents.iter().find(|incident| incident.closed.is_none());
        if let Some(IncidentRow { id, .. }) = open {
            let id = printable(id);
            return Some(format!("`seawall report {id}` writes it down for the provider's support"));
        }
        (here.failures > 0).then(|| format!("`seawall failures --since {}` lists what failed", rfc3339(here.since)))
    }

    /// Whether there is a page that was asked.
    pub(super) fn has_page(&self) -> bool {
        matches!(self.there, There::Asked { .. })
    }

    /// Whether the page could be read.
    pub(super) fn is_reached(&self) -> bool {
        self.page().is_some()
    }

    fn page(&self) -> Option<&Page> {
        match &self.there {
            There::Asked { snapshot, .. } => snapshot.page.as_deref(),
            There::None | There::NotAsked { .. } => None,
        }
    }

    fn failing_since(&self) -> Option<i64> {
        match self.here.as_ref()?.run(self.now) {
            Run::Since(first) => Some(first),
            Run::None | Run::Over(_) | Run::Steady => None,
        }
    }

    /// The incident there that may be the one here, and since when it is on the page.
    fn theirs(&self) -> Option<(&Incident, Option<i64>)> {
        let incident = self.page()?.likely()?;
        Some((incident, incident.started.filter(|started| *started <= self.now)))
    }

    /// Who knew first, and by how many minutes where both say when.
    fn first(&self) -> Option<(Who, Option<i64>)> {
        self.page()?;
        // What fails here since before the record was looked at compares with nothing.
        if self.here.as_ref()?.run(self.now) == Run::Steady {
            return None;
        }
        match (self.failing_since(), self.theirs()) {
            (Some(here), Some((_, Some(there)))) => {
                let minutes = (there - here).abs() / MINUTE_MICROS;
                Some((if here <= there { Who::Here } else { Who::There }, Some(minutes)))
            }
            (Some(_), None) => Some((Who::OnlyHere, None)),
            (None, Some(_)) => Some((Who::OnlyThere, None)),
            (Some(_), Some((_, None))) | (None, None) => None,
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let page = match &self.there {
            There::None => Value::Null,
            There::NotAsked { url } => json!(Snapshot::default().told(url)),
            There::Asked { url, snapshot } => json!(snapshot.told(url)),
        };
        let (who, minutes) = self.first().unzip();
        let there = self.theirs().and_then(|(_, started)| started);
        json!({
            "upstream": self.upstream,
            "time": rfc3339(self.now),
            "here": self.here.as_ref().map(|here| here_json(here, self.now)),
            "breakers": self.breakers,
            "page": page,
            "first": {
                "who": who,
                "minutes": minutes.flatten(),
                "here": self.failing_since().map(rfc3339),
                "there": there.map(rfc3339),
            },
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let url = match &self.there {
            There::None => "",
            There::NotAsked { url } | There::Asked { url, .. } => url,
        };
        let title = [self.upstream.as_deref().unwrap_or_default(), url].map(printable).join("  ");
        line(&mut text, title.trim());
        let mut part = |name: &str, lines: Vec<String>| {
            for (at, told) in lines.iter().enumerate() {
                line(&mut text, &format!("  {:<6} {told}", if at == 0 { name } else { "" }));
            }
        };
        if let Some(here) = &self.here {
            part("here", here_lines(here, self.now));
        } else if self.upstream.is_some() {
            part("here", vec!["there is no record to look at".to_owned()]);
        }
        part("now", self.breakers.iter().map(|breakers| breakers_line(breakers)).collect());
        part("there", self.there_lines());
        part("first", self.first_line().into_iter().collect());
        text
    }

    fn there_lines(&self) -> Vec<String> {
        match &self.there {
            There::None => vec!["no status page is known for it: set `status_page` of the upstream".to_owned()],
            There::NotAsked { .. } => vec!["its status page was not asked".to_owned()],
            There::Asked { snapshot, .. } => match (&snapshot.page, &snapshot.trouble) {
                (Some(page), _) => page_lines(page),
                (None, Some(trouble)) => vec![printable(&format!("its status page {trouble}"))],
                (None, None) => vec!["its status page says nothing".to_owned()],
            },
        }
    }

    fn first_line(&self) -> Option<String> {
        let (who, minutes) = self.first()?;
        let here = self.failing_since().map(clock);
        let there = self.theirs().and_then(|(_, started)| started).map(clock);
        Some(match (who, here, there) {
            (Who::Here | Who::There, Some(here), Some(there)) => {
                let by = match (who, minutes.unwrap_or(0)) {
                    (_, 0) => "within the same minute".to_owned(),
                    (Who::Here, minutes) => format!("{minutes} min before them"),
                    (_, minutes) => format!("{minutes} min after them"),
                };
                format!("here since {here}, on their page since {there}: {by}")
            }
            (Who::OnlyHere, Some(here), _) => format!("here since {here}, their page says nothing"),
            (_, _, Some(there)) => format!("on their page since {there}, no run of failures here"),
            _ => "on their page, no run of failures here".to_owned(),
        })
    }
}

fn here_json(here: &Here, now: i64) -> Value {
    let counts = |counts: &[(String, u64)]| -> Value {
        counts.iter().map(|(name, count)| (name.clone(), json!(count))).collect::<serde_json::Map<_, _>>().into()
    };
    let models = here
        .models
        .iter()
        .map(|of| json!({ "model": of.model, "failures": of.failures, "classes": counts(&of.classes) }));
    let (state, since) = match here.run(now) {
        Run::None => ("quiet", None),
        Run::Over(_) => ("over", None),
        Run::Since(first) => ("failing", Some(first)),
        Run::Steady => ("steady", None),
    };
    json!({
        "since": rfc3339(here.since),
        "failures": here.failures,
        "classes": counts(&here.classes),
        "models": models.collect::<Vec<_>>(),
        "state": state,
        "failing_since": since.map(rfc3339),
        "last": here.last.map(rfc3339),
        "request_ids": here.request_ids,
        "incidents": here.incidents.iter().map(incident_json).collect::<Vec<_>>(),
    })
}

fn incident_json(incident: &IncidentRow) -> Value {
    json!({
        "id": incident.id, "state": incident.state, "kind": incident.kind, "severity": incident.severity,
        "model": incident.model, "since": rfc3339(incident.since), "closed": incident.closed.map(rfc3339),
    })
}

/// An incident in a line; its beginning is what the side says of itself.
fn incident_line(incident: &IncidentRow) -> String {
    let model =
        incident.model.as_deref().filter(|model| *model != "-").map_or_else(String::new, |m| format!(" of {m}"));
    let IncidentRow { id, state, kind, severity, since, .. } = incident;
    let over = incident.closed.map_or_else(String::new, |closed| format!(" to {}", rfc3339(closed)));
    let since = rfc3339(*since);
    printable(&format!("incident {id} {state}, {severity}: {kind}{model} since {since}{over}"))
}

fn here_lines(here: &Here, now: i64) -> Vec<String> {
    let since = rfc3339(here.since);
    let incidents = here.incidents.iter().take(INCIDENTS_TOLD).map(incident_line);
    let Some(last) = here.last else {
        return std::iter::once(format!("no failed attempt since {since}")).chain(incidents).collect();
    };
    let counts = |counts: &mut dyn Iterator<Item = (&str, u64)>| {
        counts.map(|(name, count)| format!("{} {count}", printable(name))).collect::<Vec<_>>().join(", ")
    };
    let attempts = if here.failures == 1 { "attempt" } else { "attempts" };
    let classes = counts(&mut here.classes.iter().map(|(name, count)| (name.as_str(), *count)));
    let first = here.models.iter().take(MODELS_TOLD);
    let mut models = counts(&mut first.map(|of| (of.model.as_deref().unwrap_or("no model"), of.failures)));
    if here.models.len() > MODELS_TOLD {
        // Writing to a string cannot fail.
        let _ = write!(models, " and {} more models", here.models.len() - MODELS_TOLD);
    }
    let run = match here.run(now) {
        Run::None => format!("now and then, last {}", rfc3339(last)),
        Run::Over(last) => format!("over: the last was {} min ago", (now - last) / MINUTE_MICROS),
        Run::Since(first) => format!("failing since {}, last {}", rfc3339(first), rfc3339(last)),
        Run::Steady => format!("at a steady rate since before that, last {}", rfc3339(last)),
    };
    let mut lines = vec![format!("{} failed {attempts} since {since}: {classes}", here.failures), models, run];
    lines.extend(incidents);
    if !here.request_ids.is_empty() {
        let ids: Vec<String> = here.request_ids.iter().map(|id| printable(id)).collect();
        lines.push(format!("last x-request-id {}", ids.join(", ")));
    }
    lines
}

fn breakers_line(breakers: &[Breaker]) -> String {
    let mut open = breakers.iter().filter(|breaker| breaker.state != State::Closed.name()).peekable();
    if open.peek().is_none() {
        return "its breakers are closed: everything is sent there".to_owned();
    }
    let each = open.take(MODELS_TOLD).map(|b| format!("{} {}", printable(&b.model), printable(&b.state)));
    format!("its breaker is not closed: {}", each.collect::<Vec<_>>().join(", "))
}

fn page_lines(page: &Page) -> Vec<String> {
    let overall = match (&page.description, page.indicator) {
        (Some(description), Some(indicator)) => format!("{} ({})", printable(description), indicator.name()),
        (Some(description), None) => printable(description),
        (None, indicator) => indicator.map_or("no overall word", Indicator::name).to_owned(),
    };
    let troubled = page.components.iter().filter(|component| component.status > Some(Condition::Operational));
    let troubled: Vec<String> = troubled
        .map(|component| format!("{} {}", printable(&component.name), component.status.map_or("", Condition::name)))
        .collect();
    let api = match page.worst() {
        None => "nothing said of its API".to_owned(),
        Some(Condition::Operational) => "API: operational".to_owned(),
        Some(_) => format!("API: {}", troubled.join(", ")),
    };
    let mut lines = vec![format!("{overall}; {api}")];
    for incident in &page.incidents {
        let mut words: Vec<&str> = Vec::new();
        words.extend(incident.status.map(Stage::name));
        words.extend(incident.impact.map(Impact::name));
        let about = if incident.concerns_us == Some(false) { ", about other components" } else { "" };
        let name = incident.name.as_deref().map_or_else(|| "an incident".to_owned(), printable);
        let started = incident.started.map_or_else(String::new, |started| format!(", since {}", rfc3339(started)));
        let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
        lines.push(format!("{name}{words}{started}{about}"));
        lines.extend(incident.link.as_deref().map(printable));
    }
    lines
}

/// The time of the day, in UTC.
fn clock(micros: i64) -> String {
    let time = rfc3339(micros);
    time.get(11..19).unwrap_or(&time).to_owned()
}

fn line(text: &mut String, told: &str) {
    text.push_str(told.trim_end());
    text.push('\n');
}
