//! What is told of an incident: the facts once, in words and as data, for every receiver to put into its own form.
//!
//! Names of models come from callers, words of status pages from strangers. They are made inert when a
//! notice is made, and each receiver's form adds what its own markup asks for.

use std::time::Duration;

use seawall_core::incident::{
    Close, Counts, Difference, Event, Kind, NAME_BYTES_MAX, REQUEST_BYTES_MAX, Rule, SAMPLES_MAX, SINGLES_MAX, Scope,
    Severity, Trait, What, inert,
};
use seawall_core::time::Time;
use serde_json::{Map, Value, json};

use super::super::journal::when::rfc3339;

/// The longest text of a status page, and the longest address of one, in bytes.
pub(super) const PAGE_BYTES_MAX: usize = 512;
/// Differences that are told: the pair, and single values.
const DIFFERENCES_MAX: usize = SINGLES_MAX + 1;
/// Values that a difference is about.
const TRAITS_MAX: usize = 2;
/// What a scope says where a request named no model.
const NO_MODEL: &str = "-";

/// Something to tell of an incident, with the evidence.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    /// What is told, of which incident.
    pub(super) event: Event,
    /// The incident's id, as it may be shown.
    id: String,
    /// What separates its failures from answers, the clearest first.
    pub(super) differences: Vec<Difference>,
    /// What the provider says of itself.
    pub(super) page: Option<PageSays>,
    /// Whether somebody said that the incident is known, and this says nothing more: it is for receivers alone in
    /// which it would end by itself.
    pub(super) is_known: bool,
    /// Whether nothing happened, and somebody wants to see whether this arrives.
    pub(super) is_test: bool,
}

/// What a provider's status page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageSays {
    /// Its address, for people.
    pub(crate) url: String,
    /// What it says, in one line.
    pub(crate) says: String,
}

/// Where more is to be seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    /// The admin side, such as `http://127.0.0.1:7501`, without a slash at its end; `None` if it has no one address.
    pub(crate) admin: Option<String>,
}

impl Links {
    /// The incident on the admin side. An id that is none of ours leads nowhere.
    pub(super) fn incident(&self, id: &str) -> Option<String> {
        let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        self.admin.as_ref().filter(|_| is_plain).map(|admin| format!("{admin}/api/v1/incidents/{id}"))
    }

    /// The dashboard.
    pub(super) fn dashboard(&self) -> Option<String> {
        self.admin.as_ref().map(|admin| format!("{admin}/"))
    }
}

/// One kind of fact, and what is known of it.
pub(super) struct Row {
    /// What it is, in our own words.
    pub(super) label: &'static str,
    /// What is known. It may hold what strangers wrote.
    pub(super) values: Vec<String>,
}

impl Notice {
    /// `event`, what separates its failures, and what its upstream's status page says.
    pub(crate) fn new(event: Event, differences: Vec<Difference>, page: Option<PageSays>) -> Notice {
        let name = |text: &str| inert(text, NAME_BYTES_MAX);
        let scope = match &event.scope {
            Scope::Upstream { upstream, model } => Scope::Upstream { upstream: name(upstream), model: name(model) },
            Scope::Route { route } => Scope::Route { route: name(route) },
        };
        let latest = event.samples.len().saturating_sub(SAMPLES_MAX);
        let samples = event.samples.iter().skip(latest).map(|id| inert(id, REQUEST_BYTES_MAX)).collect();
        let quiet = |part: Trait| Trait { value: name(&part.value), ..part };
        let differences = differences.into_iter().take(DIFFERENCES_MAX).map(|difference| Difference {
            traits: difference.traits.into_iter().take(TRAITS_MAX).map(quiet).collect(),
            ..difference
        });
        let text = |text: &str| inert(text, PAGE_BYTES_MAX);
        let page = page.map(|page| PageSays { url: text(&page.url), says: text(&page.says) });
        let (id, differences) = (name(event.id.as_str()), differences.collect());
        Notice { id, differences, event: Event { scope, samples, ..event }, page, is_known: false, is_test: false }
    }

    /// The same, where somebody said that the incident is known and this says nothing more.
    pub(crate) fn known(self, is_known: bool) -> Notice {
        Notice { is_known, ..self }
    }

    /// A notice of something that did not happen, marked as such wherever it is read.
    pub(crate) fn test(event: Event) -> Notice {
        Notice { is_test: true, ..Notice::new(event, Vec::new(), None) }
    }

    /// The incident's id, as it is written.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The upstream, or the route.
    pub(super) fn source(&self) -> &str {
        match &self.event.scope {
            Scope::Upstream { upstream, .. } => upstream,
            Scope::Route { route } => route,
        }
    }

    /// The model, if the incident is about one.
    pub(super) fn model(&self) -> Option<&str> {
        match &self.event.scope {
            Scope::Upstream { model, .. } => Some(model.as_str()).filter(|model| *model != NO_MODEL),
            Scope::Route { .. } => None,
        }
    }

    fn place(&self) -> String {
        match (&self.event.scope, self.model()) {
            (Scope::Route { route }, _) => format!("route {route}"),
            (Scope::Upstream { upstream, .. }, Some(model)) => format!("{upstream}, {model}"),
            (Scope::Upstream { upstream, .. }, None) => upstream.clone(),
        }
    }

    /// How a receiver that hears `what` should take it, in one word.
    pub(super) fn word(&self, what: What) -> &'static str {
        match what {
            What::Opened | What::Reminder => self.event.severity.name(),
            What::Resolved => "resolved",
            What::Unknown => "unknown",
        }
    }

    /// All of it in one line, for a receiver that hears `what`.
    pub(super) fn headline(&self, what: What) -> String {
        let [now, still, no_longer] = match self.event.kind {
            Kind::Failures => ["requests fail", "requests still fail", "requests no longer fail"],
            Kind::Masked => [
                "more requests fail at first than usual, and retries save them",
                "more requests still fail at first than usual, and retries save them",
                "no more requests fail at first than usual",
            ],
            Kind::Latency => [
                "first content comes far later than usual",
                "first content still comes far later than usual",
                "first content comes as usual",
            ],
        };
        let said = match (what, self.event.close) {
            (What::Opened, _) => format!("{now}, {}", self.share(self.event.window)),
            (What::Reminder, _) => format!("{still}, {}", self.share(self.event.window)),
            (What::Unknown, _) => "nobody asks any more, so nobody knows how it stands".to_owned(),
            (What::Resolved, Some(Close::Superseded)) => "over: an incident that says more took its place".to_owned(),
            (What::Resolved, Some(Close::Forgotten)) => "no longer followed: nobody asked for so long".to_owned(),
            (What::Resolved, Some(Close::Recovered) | None) => format!("over after {}: {no_longer}", self.lasted()),
        };
        let test = if self.is_test { "TEST, nothing happened: " } else { "" };
        format!("{test}{}: {said}", self.place())
    }

    /// The facts, in the order in which a person wants them.
    pub(super) fn rows(&self) -> Vec<Row> {
        let event = &self.event;
        let mut rows = Vec::new();
        let mut row = |label, values: Vec<String>| {
            if !values.is_empty() {
                rows.push(Row { label, values });
            }
        };
        row("severity", vec![event.severity.name().to_owned()]);
        row("since", vec![moment(event.since)]);
        row("found by", vec![found_by(event.rule).to_owned()]);
        row(self.window_label(), vec![self.share(event.window)]);
        row("in all", vec![self.share(event.whole)]);
        let again = match event.flaps {
            0 => Vec::new(),
            1 => vec!["once".to_owned()],
            more => vec![format!("{more} times")],
        };
        row("opened again", again);
        row("what is different", self.differences.iter().map(ToString::to_string).collect());
        row("latest requests", event.samples.clone());
        row("status page", self.page.iter().flat_map(|page| [page.says.clone(), page.url.clone()]).collect());
        row("look", self.commands());
        rows
    }

    fn commands(&self) -> Vec<String> {
        if self.is_test {
            return Vec::new();
        }
        let latest = self.event.samples.last().map(|id| format!("seawall show {id}"));
        let of_it = ["incidents show", "report"].map(|verb| format!("seawall {verb} {}", self.id));
        of_it.into_iter().chain(latest).collect()
    }

    fn share(&self, counts: Counts) -> String {
        let word = match self.event.kind {
            Kind::Failures => "failed",
            Kind::Masked => "saved by a retry",
            Kind::Latency => "late",
        };
        let tenths = counts.rate_ppm() / 1_000;
        format!("{} of {} {word} ({}.{} %)", counts.failed, counts.of, tenths / 10, tenths % 10)
    }

    fn window_label(&self) -> &'static str {
        if self.event.kind == Kind::Masked { "last 30 minutes" } else { "last 5 minutes" }
    }

    fn lasted(&self) -> String {
        lasting(self.event.at.since(self.event.since))
    }

    /// The facts as data, the same for every receiver that takes data, for one that hears `what`.
    pub(super) fn data(&self, what: What, links: &Links) -> Value {
        let event = &self.event;
        let counts = |counts: Counts| json!({ "failed": counts.failed, "of": counts.of });
        let difference = |difference: &Difference| {
            let mut fields = json!(difference);
            if let Some(fields) = fields.as_object_mut() {
                fields.insert("text".into(), json!(difference.to_string()));
            }
            fields
        };
        let page = self.page.as_ref().map(|page| json!({ "url": page.url, "says": page.says }));
        let mut data = json!({
            "id": self.id,
            "title": self.headline(what),
            "kind": event.kind,
            "scope": event.scope,
            "severity": event.severity,
            "rule": event.rule,
            "since": moment(event.since),
            "at": moment(event.at),
            "counts": { "window": counts(event.window), "whole": counts(event.whole) },
            "rate": rate(event.window),
            "flaps": event.flaps,
            "requests": event.samples,
            "differences": self.differences.iter().map(difference).collect::<Vec<_>>(),
            "status_page": page,
            "close": event.close,
            "links": { "incident": links.incident(self.id()), "dashboard": links.dashboard() },
            "commands": self.commands(),
        });
        if let Some(fields) = data.as_object_mut().filter(|_| self.is_test) {
            mark_as_test(fields);
        }
        data
    }
}

fn mark_as_test(fields: &mut Map<String, Value>) {
    fields.insert("test".into(), json!(true));
}

/// A moment, as the record writes it.
pub(super) fn moment(time: Time) -> String {
    rfc3339(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

/// A number from 0 to 1 with four digits.
fn rate(counts: Counts) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most ten thousand")]
    let parts = (counts.rate_ppm() / 100) as f64;
    parts / 10_000.0
}

fn lasting(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{} s", time.as_secs()),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn found_by(rule: Rule) -> &'static str {
    match rule {
        Rule::Consecutive => "too many failures in a row",
        Rule::Rate => "too many failed in five minutes, beyond chance",
        Rule::Rising => "three times as many failures as usual, over half an hour",
        Rule::Slow => "one first content in five far later than usual",
    }
}

/// Whether an incident of this severity is told where less than `min` is not.
pub(super) fn matters(severity: Severity, min: Severity) -> bool {
    severity >= min
}

/// `text` without the brackets that markup is made of, for receivers that hand a text on to others: an
/// Alertmanager posts it to Slack as it is.
pub(super) fn unbracketed(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›")
}

/// At most `chars_max` characters of `text`; what is left out is told by an ellipsis.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}
