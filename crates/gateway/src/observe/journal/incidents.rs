//! Incidents on record: how each stands, what was told of it and when, and all that is known of
//! every place, for the next process.
//!
//! A row of `incidents` is written anew with each event and from time to time between, so that what
//! a reader sees is never older than a minute. It has no body, header or key in it either.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};
use schemars::JsonSchema;
use seawall_core::incident::{Counts, Difference, Event, Kind, Saved, Scope, What};
use seawall_core::time::Time;
use seawall_core::verdict::Class;
use serde::{Serialize, Serializer};

use super::super::alert::{Notice, PageSays};
use super::super::status_page::board::Said;
use super::when::{Moment, rfc3339};

/// The name of the row that holds all that is known.
const STATE: &str = "incidents";
/// Events of one incident that are read, the latest: a day of reminders and a hundred flaps, where reminders come as
/// often as they do unless the operator says otherwise.
pub(crate) const EVENTS_MAX: usize = 300;

/// An incident as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    /// What is told, or would be.
    pub(crate) event: Event,
    /// Whether it is told: if not, this only brings the row up to date.
    pub(crate) is_told: bool,
    /// What separates failures from answers.
    pub(crate) differences: Vec<Difference>,
    /// What the provider's status page says.
    pub(crate) page: Option<Said>,
}

impl Note {
    /// As it is told to those who are alerted.
    pub(crate) fn notice(&self) -> Notice {
        let page = self.page.as_ref().map(|said| PageSays { url: said.url.clone(), says: said.line() });
        Notice::new(self.event.clone(), self.differences.clone(), page)
    }
}

/// What the last process knew.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// All of it, as JSON.
    pub(crate) state: Option<String>,
    /// Open incidents, by their ids.
    pub(crate) open: BTreeMap<String, Open>,
}

/// What is not part of an incident's own state.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// When it was found, in microseconds since the Unix epoch.
    pub(crate) opened: i64,
    /// Whether somebody knows of it.
    pub(crate) is_acknowledged: bool,
    /// Receivers of alerts that know of it.
    pub(crate) told: Vec<String>,
}

impl Remembered {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Remembered> {
        let state =
            connection.query_row("SELECT value FROM state WHERE name = ?1", [STATE], |row| row.get(0)).optional()?;
        let sql = "SELECT id, opened, acknowledged IS NOT NULL, told FROM incidents WHERE state <> 'resolved'";
        let mut known = connection.prepare(sql)?;
        let open = known.query_map([], |row| {
            let told: Option<String> = row.get(3)?;
            let told = told.and_then(|told| serde_json::from_str(&told).ok()).unwrap_or_default();
            Ok((row.get(0)?, Open { opened: row.get(1)?, is_acknowledged: row.get(2)?, told }))
        })?;
        let open = open.collect::<rusqlite::Result<_>>()?;
        Ok(Remembered { state, open })
    }
}

const UPSERT: &str = "
INSERT INTO incidents (id, kind, upstream, model, route, rule, severity, state, since, opened, updated, closed, close,
    flaps, window_failed, window_of, whole_failed, whole_of, under, samples, differences, page)
VALUES (:id, :kind, :upstream, :model, :route, :rule, :severity, :state, :since, :at, :at, :closed, :close,
    :flaps, :window_failed, :window_of, :whole_failed, :whole_of, :under, :samples, :differences, :page)
ON CONFLICT (id) DO UPDATE SET rule = :rule, severity = :severity, state = :state, updated = :at, closed = :closed,
    close = :close, flaps = :flaps, window_failed = :window_failed, window_of = :window_of,
    whole_failed = :whole_failed, whole_of = :whole_of, under = :under, samples = :samples,
    differences = iif(:differences = '[]', differences, :differences), page = ifnull(:page, page)";
const EVENT: &str = "
INSERT INTO incident_events (incident, what, at, severity, failed, requests, under) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING";
/// What failed from the beginning to the moment of opening belongs to the incident.
const CLAIM: &str = "
UPDATE attempts SET incident = :id WHERE began >= :since AND incident IS NULL AND upstream = :upstream
    AND ifnull(model, '-') = :model AND class IN (SELECT value FROM json_each(:classes))";

/// Writes how an incident stands; of one that opens, which attempts are part of it. Counts as no row.
pub(super) fn write(transaction: &Transaction<'_>, note: &Note) -> rusqlite::Result<usize> {
    let event = &note.event;
    let (upstream, model, route) = match &event.scope {
        Scope::Upstream { upstream, model } => (Some(upstream.as_str()), Some(model.as_str()), None),
        Scope::Route { route } => (None, None, Some(route.as_str())),
    };
    let (id, at) = (event.id.as_str(), micros(event.at));
    let under = event.under.as_ref().map(seawall_core::incident::Id::as_str);
    let closed = (event.what == What::Resolved).then_some(at);
    let told: Vec<Told<'_>> = note.differences.iter().map(Told::of).collect();
    transaction.prepare_cached(UPSERT)?.execute(named_params! {
        ":id": id, ":kind": event.kind.name(), ":upstream": upstream, ":model": model, ":route": route,
        ":rule": event.rule.name(), ":severity": event.severity.name(), ":state": state(event.what),
        ":since": micros(event.since), ":at": at, ":closed": closed,
        ":close": event.close.map(seawall_core::incident::Close::name), ":flaps": event.flaps,
        ":window_failed": whole(event.window.failed), ":window_of": whole(event.window.of),
        ":whole_failed": whole(event.whole.failed), ":whole_of": whole(event.whole.of),
        ":under": under, ":samples": json(&event.samples), ":differences": json(&told), ":page": note.page.as_ref().map(Said::json),
    })?;
    if !note.is_told {
        return Ok(0);
    }
    let (failed, of) = (whole(event.whole.failed), whole(event.whole.of));
    let event_row = params![id, event.what.name(), at, event.severity.name(), failed, of, under];
    transaction.prepare_cached(EVENT)?.execute(event_row)?;
    if event.what == What::Opened && event.kind != Kind::Latency && upstream.is_some() {
        let classes: Vec<&str> =
            Class::ALL.iter().filter(|class| is_failure(**class)).map(|class| class.name()).collect();
        transaction.prepare_cached(CLAIM)?.execute(named_params! {
            ":id": id, ":since": micros(event.since), ":upstream": upstream, ":model": model, ":classes": json(&classes),
        })?;
    }
    Ok(0)
}

/// Whether an attempt of this class is one of an incident's failures.
pub(crate) fn is_failure(class: Class) -> bool {
    matches!(
        class,
        Class::NotSent
            | Class::BadGateway
            | Class::ServerError
            | Class::Overloaded
            | Class::Ambiguous
            | Class::MidStream
    )
}

/// Keeps which receivers know of an incident.
pub(super) fn told(transaction: &Transaction<'_>, id: &str, receivers: &[String]) -> rusqlite::Result<usize> {
    transaction.execute("UPDATE incidents SET told = ?2 WHERE id = ?1", params![id, json(&receivers)])?;
    Ok(0)
}

/// Keeps that somebody knows of an incident, since when at first.
pub(super) fn acknowledge(transaction: &Transaction<'_>, id: &str, at: i64) -> rusqlite::Result<usize> {
    transaction
        .execute("UPDATE incidents SET acknowledged = ifnull(acknowledged, ?2) WHERE id = ?1", params![id, at])?;
    Ok(0)
}

/// Keeps all that is known, in place of what was.
pub(super) fn save(transaction: &Transaction<'_>, saved: &Saved) -> rusqlite::Result<usize> {
    // Numbers and texts under keys that are texts: writing them cannot fail.
    let value = serde_json::to_string(saved).unwrap_or_default();
    transaction
        .prepare_cached("INSERT OR REPLACE INTO state (name, saved, value) VALUES (?1, ?2, ?3)")?
        .execute(params![STATE, seawall::proxy::unix_micros(), value])?;
    Ok(0)
}

/// Closes what is open.
pub(super) fn forget(transaction: &Transaction<'_>, at: i64) -> rusqlite::Result<usize> {
    transaction.execute(
        "UPDATE incidents SET state = 'resolved', close = 'forgotten', closed = ?1, updated = ?1 WHERE state <> 'resolved'",
        [at],
    )?;
    Ok(0)
}

/// Removes incidents that were over by then, with what was told of them.
pub(super) fn prune(transaction: &Transaction<'_>, before: i64) -> rusqlite::Result<()> {
    transaction.execute(
        "DELETE FROM incident_events WHERE incident IN (SELECT id FROM incidents WHERE closed < ?1)",
        [before],
    )?;
    transaction.execute("DELETE FROM incidents WHERE closed < ?1", [before])?;
    Ok(())
}

/// How an incident stands after this was told of it.
pub(crate) fn state(what: What) -> &'static str {
    match what {
        What::Opened | What::Reminder => "open",
        What::Unknown => "unknown",
        What::Resolved => "resolved",
    }
}

/// An incident, as it is read back and told: the keys of `--json`, in this order, all of them always there.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct IncidentRow {
    /// Which.
    pub(crate) id: String,
    /// `open`, `unknown` or `resolved`.
    pub(crate) state: String,
    /// `failures`, `masked` or `latency`.
    pub(crate) kind: String,
    /// The upstream that it is said of; `None` for one of a route.
    pub(crate) upstream: Option<String>,
    /// The model; `-` for requests without one.
    pub(crate) model: Option<String>,
    /// The route that it is said of.
    pub(crate) route: Option<String>,
    /// What found it first.
    pub(crate) rule: String,
    /// `warning` or `critical`.
    pub(crate) severity: String,
    /// When the trouble began, in microseconds since the Unix epoch; RFC 3339 in JSON, as the other times.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Moment")]
    pub(crate) since: i64,
    /// When it was found.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Moment")]
    pub(crate) opened: i64,
    /// The moment that all this is told of.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Moment")]
    pub(crate) updated: i64,
    /// When it was over.
    #[serde(serialize_with = "maybe_time")]
    #[schemars(with = "Option<Moment>")]
    pub(crate) closed: Option<i64>,
    /// Why: `recovered`, `superseded` or `forgotten`.
    pub(crate) close: Option<String>,
    /// How often it opened again.
    pub(crate) flaps: u32,
    /// Requests that failed at first, in the rule's window.
    #[schemars(with = "FailedOf")]
    pub(crate) window: Counts,
    /// The same from its beginning on.
    #[schemars(with = "FailedOf")]
    pub(crate) whole: Counts,
    /// The incident of the same cause that is told in its place.
    pub(crate) under: Option<String>,
    /// The latest failing requests.
    pub(crate) request_ids: Vec<String>,
    /// What separates failures from answers.
    pub(crate) differences: serde_json::Value,
    /// What the provider's status page said, when it was read last.
    pub(crate) status_page: serde_json::Value,
    /// Since when somebody knows of it.
    #[serde(serialize_with = "maybe_time")]
    #[schemars(with = "Option<Moment>")]
    pub(crate) acknowledged: Option<i64>,
}

/// The keys of [`Counts`], which core has: how many failed, of how many.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct FailedOf {
    /// How many failed.
    failed: u64,
    /// Of how many.
    of: u64,
}

impl IncidentRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<IncidentRow> {
        let text = |name: &str| row.get::<_, Option<String>>(name);
        let parsed = |name: &str| -> rusqlite::Result<serde_json::Value> {
            Ok(text(name)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
        };
        let count = |name: &str| -> rusqlite::Result<u64> { Ok(u64::try_from(row.get::<_, i64>(name)?).unwrap_or(0)) };
        Ok(IncidentRow {
            id: row.get("id")?,
            state: row.get("state")?,
            kind: row.get("kind")?,
            upstream: text("upstream")?,
            model: text("model")?,
            route: text("route")?,
            rule: row.get("rule")?,
            severity: row.get("severity")?,
            since: row.get("since")?,
            opened: row.get("opened")?,
            updated: row.get("updated")?,
            closed: row.get("closed")?,
            close: text("close")?,
            flaps: row.get("flaps")?,
            window: Counts { failed: count("window_failed")?, of: count("window_of")? },
            whole: Counts { failed: count("whole_failed")?, of: count("whole_of")? },
            under: text("under")?,
            request_ids: serde_json::from_value(parsed("samples")?).unwrap_or_default(),
            differences: parsed("differences")?,
            status_page: parsed("page")?,
            acknowledged: row.get("acknowledged")?,
        })
    }

    /// An open incident that is not in the file.
    pub(crate) fn of(note: &Note) -> IncidentRow {
        let event = &note.event;
        let (upstream, model, route) = match &event.scope {
            Scope::Upstream { upstream, model } => (Some(upstream.clone()), Some(model.clone()), None),
            Scope::Route { route } => (None, None, Some(route.clone())),
        };
        let page = note.page.as_ref().and_then(|page| serde_json::from_str(&page.json()).ok());
        let mut row = IncidentRow {
            id: event.id.to_string(),
            state: String::new(),
            kind: event.kind.name().to_owned(),
            upstream,
            model,
            route,
            rule: event.rule.name().to_owned(),
            severity: String::new(),
            since: micros(event.since),
            opened: micros(event.since),
            updated: 0,
            closed: None,
            close: None,
            flaps: 0,
            window: Counts::default(),
            whole: Counts::default(),
            under: None,
            request_ids: Vec::new(),
            differences: serde_json::json!([]),
            status_page: page.unwrap_or_default(),
            acknowledged: None,
        };
        row.refresh(note);
        row
    }

    /// Brings what changes while it lasts up to date.
    pub(crate) fn refresh(&mut self, note: &Note) {
        let event = &note.event;
        state(event.what).clone_into(&mut self.state);
        event.severity.name().clone_into(&mut self.severity);
        self.updated = micros(event.at);
        (self.flaps, self.window, self.whole) = (event.flaps, event.window, event.whole);
        self.under = event.under.as_ref().map(ToString::to_string);
        self.request_ids.clone_from(&event.samples);
        if !note.differences.is_empty() {
            let told: Vec<Told<'_>> = note.differences.iter().map(Told::of).collect();
            self.differences = serde_json::to_value(told).unwrap_or_default();
        }
    }

    /// What happens, in words.
    pub(crate) fn what(&self) -> &'static str {
        what(&self.kind)
    }

    /// What the rule that found it means; `None` of one that another release has.
    pub(crate) fn rule_says(&self) -> Option<&'static str> {
        Some(match self.rule.as_str() {
            "consecutive" => "too many in a row",
            "rate" => "too many over five minutes, and surely so",
            "rising" => "three times as many as usual, over half an hour",
            "slow" => "one in five later than 95 of 100 usually come",
            _ => return None,
        })
    }

    /// What it is said of, in words.
    pub(crate) fn place(&self) -> String {
        match (&self.route, self.upstream.as_deref(), self.model.as_deref()) {
            (Some(route), ..) => format!("route {route}"),
            (None, Some(upstream), None | Some("-")) => upstream.to_owned(),
            (None, upstream, model) => format!("{} at {}", model.unwrap_or("-"), upstream.unwrap_or("-")),
        }
    }
}

/// What happens in an incident of this kind, in words.
pub(crate) fn what(kind: &str) -> &'static str {
    match kind {
        "masked" => "more first attempts fail than usual, and retries save the callers",
        "latency" => "first contents come far later than usual",
        _ => "first attempts fail",
    }
}

/// What was told of an incident, and when.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "IncidentEvent")]
pub(crate) struct EventRow {
    /// `incident.opened` and its like.
    pub(crate) what: String,
    /// When.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Moment")]
    pub(crate) at: i64,
    /// `warning` or `critical`.
    pub(crate) severity: String,
    /// Requests that had failed at first by then.
    pub(crate) failed: u64,
    /// Of how many.
    pub(crate) requests: u64,
    /// Whether it was only written down, because another incident tells of the same cause.
    pub(crate) under: Option<String>,
}

impl EventRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<EventRow> {
        let count = |name: &str| -> rusqlite::Result<u64> { Ok(u64::try_from(row.get::<_, i64>(name)?).unwrap_or(0)) };
        Ok(EventRow {
            what: row.get("what")?,
            at: row.get("at")?,
            severity: row.get("severity")?,
            failed: count("failed")?,
            requests: count("requests")?,
            under: row.get("under")?,
        })
    }
}

/// An incident with what was told of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Incident")]
pub(crate) struct Whole {
    /// How it stands.
    #[serde(flatten)]
    pub(crate) incident: IncidentRow,
    /// What was told, the first thing first.
    pub(crate) events: Vec<EventRow>,
}

/// Incidents that were open at some moment from `since` to `until`, the newest first, at most `limit`.
pub(super) fn list(connection: &Connection, since: i64, until: i64, limit: i64) -> rusqlite::Result<Vec<IncidentRow>> {
    let sql = "SELECT * FROM incidents WHERE since < ?2 AND ifnull(closed, ?1) >= ?1 ORDER BY since DESC, id LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([since, until, limit], IncidentRow::read)?.collect()
}

/// One incident; its id may be given by its beginning.
pub(super) fn find(connection: &Connection, id: &str) -> rusqlite::Result<Vec<IncidentRow>> {
    let sql = "SELECT * FROM incidents WHERE substr(id, 1, length(?1)) = ?1 ORDER BY since DESC LIMIT 3";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([id], IncidentRow::read)?.collect()
}

/// What was told of an incident, the first thing first, at most the latest [`EVENTS_MAX`]: how it ended is among them.
pub(super) fn events(connection: &Connection, id: &str) -> rusqlite::Result<Vec<EventRow>> {
    let sql = "SELECT * FROM (SELECT * FROM incident_events WHERE incident = ?1 ORDER BY at DESC, id DESC LIMIT ?2)
        ORDER BY at, id";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![id, EVENTS_MAX as i64], EventRow::read)?.collect()
}

/// A difference as it is told: in words, and in numbers.
#[derive(Debug, Serialize)]
struct Told<'a> {
    text: String,
    #[serde(flatten)]
    difference: &'a Difference,
}

impl Told<'_> {
    fn of(difference: &Difference) -> Told<'_> {
        Told { text: difference.to_string(), difference }
    }
}

/// Microseconds since the Unix epoch: an incident's time is counted from there.
pub(crate) fn micros(time: Time) -> i64 {
    whole(time.as_micros())
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn json(value: &impl Serialize) -> String {
    // Lists of texts and numbers: writing them cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn time<S: Serializer>(micros: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*micros))
}

fn maybe_time<S: Serializer>(micros: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    match micros {
        Some(micros) => to.serialize_str(&rfc3339(*micros)),
        None => to.serialize_none(),
    }
}
