//! What a page answers, read: the form of Atlassian's pages and of those that answer as they do, and
//! incident.io's own.
//!
//! The two differ in more than their keys. Behind the first form an incident.io page names no
//! components with its incidents and has `"group": null`; Atlassian's has rows that are groups and no
//! components. The second form has a component's name in one place, its group in another, and says
//! only of affected ones how they do: where that list is there, the others are well.

use std::collections::{HashMap, HashSet};
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::lenient::{Few, Maybe};
use super::words::{Condition, Impact, Indicator, Stage};
use super::{Component, Form, Incident, Page};
use crate::observe::journal::plain::is_active;

/// Components that are looked at.
pub(crate) const COMPONENTS_READ_MAX: usize = 256;
/// Components that are kept, of those that matter.
pub(crate) const COMPONENTS_MAX: usize = 32;
/// Incidents that are looked at.
pub(crate) const INCIDENTS_READ_MAX: usize = 64;
/// Incidents that are kept, of those that are open.
pub(crate) const INCIDENTS_MAX: usize = 16;
/// Updates of an incident that are looked at, and components that it names.
const UPDATES_MAX: usize = 256;
/// The longest name or description, in characters.
pub(crate) const TEXT_CHARS_MAX: usize = 160;
/// The longest id, in bytes: both kinds are shorter than half of it.
const ID_BYTES_MAX: usize = 64;
/// The longest link, in bytes.
const LINK_BYTES_MAX: usize = 512;

/// What the parts of a model API are called on the pages of providers, as whole words.
const MATTERS: [&str; 16] = [
    "api",
    "apis",
    "chat completions",
    "responses",
    "completions",
    "embeddings",
    "realtime",
    "batch",
    "files",
    "fine tuning",
    "images",
    "audio",
    "moderations",
    "models",
    "assistants",
    "inference",
];

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no JSON.
    NotJson,
    /// It is JSON, and no status page's.
    OtherShape,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unread::NotJson => "what it answers is no JSON",
            Unread::OtherShape => "what it answers is JSON, and not a status page's",
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    page: Maybe<Head>,
    status: Maybe<Overall>,
    components: Maybe<Few<Row, COMPONENTS_READ_MAX>>,
    incidents: Maybe<Few<Trouble, INCIDENTS_READ_MAX>>,
    scheduled_maintenances: Maybe<Few<Trouble, INCIDENTS_READ_MAX>>,
    summary: Maybe<Summary>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    name: Maybe<String>,
    updated_at: Maybe<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Overall {
    indicator: Maybe<String>,
    description: Maybe<String>,
}

/// A component, in either form, or one that is named with an incident.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    id: Maybe<String>,
    component_id: Maybe<String>,
    name: Maybe<String>,
    status: Maybe<String>,
    /// Whether it is a group and no component.
    group: Maybe<bool>,
    group_id: Maybe<String>,
}

/// An incident or maintenance, in either form.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Trouble {
    id: Maybe<String>,
    name: Maybe<String>,
    status: Maybe<String>,
    impact: Maybe<String>,
    started_at: Maybe<String>,
    created_at: Maybe<String>,
    published_at: Maybe<String>,
    updated_at: Maybe<String>,
    last_update_at: Maybe<String>,
    resolved_at: Maybe<String>,
    shortlink: Maybe<String>,
    components: Maybe<Few<Row, UPDATES_MAX>>,
    affected_components: Maybe<Few<Row, UPDATES_MAX>>,
    incident_updates: Maybe<Few<Update, UPDATES_MAX>>,
    updates: Maybe<Few<Update, UPDATES_MAX>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Update {
    created_at: Maybe<String>,
    published_at: Maybe<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary {
    name: Maybe<String>,
    components: Maybe<Few<Row, COMPONENTS_READ_MAX>>,
    affected_components: Maybe<Few<Row, COMPONENTS_READ_MAX>>,
    structure: Maybe<Structure>,
    ongoing_incidents: Maybe<Few<Trouble, INCIDENTS_READ_MAX>>,
    in_progress_maintenances: Maybe<Few<Trouble, INCIDENTS_READ_MAX>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Structure {
    items: Maybe<Few<Item, COMPONENTS_READ_MAX>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    group: Maybe<Group>,
    component: Maybe<Row>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Group {
    name: Maybe<String>,
    components: Maybe<Few<Row, COMPONENTS_READ_MAX>>,
}

/// Reads what `page` (its address, without a slash at the end) answered.
///
/// # Errors
/// When it is not a status page's answer. One that lacks things, or has them wrong, is read as far as it goes.
pub(crate) fn read(body: &[u8], page: &http::Uri) -> Result<(Page, Form), Unread> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Unread::NotJson);
    }
    let document: Document = serde_json::from_slice(body).map_err(|_| Unread::NotJson)?;
    match document {
        Document { summary: Maybe(Some(summary)), .. } => summary.read(page).map(|read| (read, Form::Native)),
        document => document.read(page).map(|read| (read, Form::Statuspage)),
    }
}

impl Document {
    fn read(self, page: &http::Uri) -> Result<Page, Unread> {
        if self.status.0.is_none() && self.components.0.is_none() && self.incidents.0.is_none() {
            return Err(Unread::OtherShape);
        }
        let head = self.page.0.unwrap_or_default();
        let overall = self.status.0.unwrap_or_default();
        let rows = self.components.0.map(|few| few.0).unwrap_or_default();
        let groups: HashMap<&str, &str> = rows
            .iter()
            .filter(|row| row.group.0 == Some(true))
            .filter_map(|row| Some((row.id()?, row.name.0.as_deref()?)))
            .collect();
        let of_api =
            |row: &Row| row.group_id.0.as_deref().and_then(|id| groups.get(id)).is_some_and(|name| matters(name));
        let mut ours = HashSet::new();
        let mut components = Vec::new();
        for row in rows.iter().filter(|row| row.group.0 != Some(true)) {
            let Some(name) = row.name.0.as_deref().filter(|name| of_api(row) || matters(name)) else { continue };
            ours.extend(row.id().map(str::to_owned));
            components.push((name, row.status.0.as_deref().and_then(Condition::of)));
        }
        let planned = self.scheduled_maintenances.0.map(|few| few.0).unwrap_or_default();
        let incidents = self.incidents.0.map(|few| few.0).unwrap_or_default();
        let open = incidents.iter().filter_map(|trouble| trouble.read(page, &ours, false));
        let under_way = planned.iter().filter_map(|trouble| trouble.read(page, &ours, true));
        Ok(Page {
            name: head.name.0.as_deref().and_then(text),
            updated: head.updated_at.0.as_deref().and_then(moment),
            indicator: overall.indicator.0.as_deref().and_then(Indicator::of),
            description: overall.description.0.as_deref().and_then(text),
            components: kept(components.into_iter()),
            incidents: open.chain(under_way).take(INCIDENTS_MAX).collect(),
        })
    }
}

impl Summary {
    fn read(self, page: &http::Uri) -> Result<Page, Unread> {
        if self.components.0.is_none() && self.affected_components.0.is_none() && self.ongoing_incidents.0.is_none() {
            return Err(Unread::OtherShape);
        }
        let list = |few: Maybe<Few<Row, COMPONENTS_READ_MAX>>| few.0.map(|few| few.0).unwrap_or_default();
        let said_all = self.affected_components.0.is_some();
        let affected = conditions(&list(self.affected_components));
        // A name may stand in the list, in the structure, or in both.
        let mut rows = list(self.components);
        let mut of_api = HashSet::new();
        for item in self.structure.0.and_then(|s| s.items.0).map(|few| few.0).unwrap_or_default() {
            rows.extend(item.component.0);
            let group = item.group.0.unwrap_or_default();
            let is_api = group.name.0.as_deref().is_some_and(matters);
            for row in list(group.components) {
                of_api.extend(row.id().filter(|_| is_api).map(str::to_owned));
                rows.push(row);
            }
        }
        let mut ours = HashSet::new();
        let mut components = Vec::new();
        for row in &rows {
            let (Some(id), Some(name)) = (row.id(), row.name.0.as_deref()) else { continue };
            if (of_api.contains(id) || matters(name)) && ours.insert(id.to_owned()) {
                let is_well = said_all.then_some(Condition::Operational);
                components.push((name, affected.get(id).copied().unwrap_or(is_well)));
            }
        }
        let ongoing = self.ongoing_incidents.0.map(|few| few.0);
        let maintenance = self.in_progress_maintenances.0.map(|few| few.0).unwrap_or_default();
        let open = ongoing.iter().flatten().filter_map(|trouble| trouble.read(page, &ours, false));
        let under_way = maintenance.iter().filter_map(|trouble| trouble.read(page, &ours, true));
        let incidents: Vec<Incident> = open.chain(under_way).take(INCIDENTS_MAX).collect();
        // It has no overall word of its own: the worst of what it says, and nothing if it says nothing.
        let worst = affected.values().copied().flatten().max().map(Condition::indicator);
        let is_well = said_all && affected.is_empty() && ongoing.as_ref().is_some_and(Vec::is_empty);
        Ok(Page {
            name: self.name.0.as_deref().and_then(text),
            updated: incidents.iter().filter_map(|incident| incident.updated).max(),
            indicator: worst.or(is_well.then_some(Indicator::None)),
            description: None,
            components: kept(components.into_iter()),
            incidents,
        })
    }
}

impl Row {
    fn id(&self) -> Option<&str> {
        self.component_id.0.as_deref().or(self.id.0.as_deref())
    }
}

impl Trouble {
    /// It as an incident, if it is open; `ours` are the ids of the components that matter.
    fn read(&self, page: &http::Uri, ours: &HashSet<String>, is_planned: bool) -> Option<Incident> {
        let status = self.status.0.as_deref().and_then(Stage::of);
        // Planned maintenance is on a page for weeks before it begins: without a word that it has, it has not.
        let is_open = status.map_or(!is_planned, Stage::is_open) && self.resolved_at.0.is_none();
        if !is_open {
            return None;
        }
        let rows = || [&self.components, &self.affected_components].into_iter().filter_map(|few| few.0.as_ref());
        let named: Vec<&Row> = rows().flat_map(|few| &few.0).collect();
        let is_ours =
            |row: &&Row| row.id().is_some_and(|id| ours.contains(id)) || row.name.0.as_deref().is_some_and(matters);
        let said = self.impact.0.as_deref().and_then(Impact::of);
        let worst = || named.iter().filter_map(|row| Condition::of(row.status.0.as_deref()?)).max();
        let of = |text: &Maybe<String>| text.0.as_deref().and_then(moment);
        let updates = || [&self.incident_updates, &self.updates].into_iter().filter_map(|few| few.0.as_ref());
        let times = || {
            let each = updates().flat_map(|few| &few.0);
            each.filter_map(move |update| of(&update.created_at).or_else(|| of(&update.published_at)))
        };
        let incident = Incident {
            name: self.name.0.as_deref().and_then(text),
            status,
            impact: if is_planned {
                Some(Impact::Maintenance)
            } else {
                said.or_else(|| worst().map(Condition::impact))
            },
            started: [&self.started_at, &self.created_at, &self.published_at]
                .into_iter()
                .find_map(of)
                .or_else(|| times().min()),
            updated: [&self.updated_at, &self.last_update_at].into_iter().find_map(of).or_else(|| times().max()),
            link: self.link(page),
            concerns_us: (!named.is_empty()).then(|| named.iter().any(is_ours)),
        };
        let says_something = incident.name.is_some() || status.is_some() || incident.started.is_some();
        says_something.then_some(incident)
    }

    /// Its page: the link that is given, if it leads to the host that was asked, else one made from its id.
    fn link(&self, page: &http::Uri) -> Option<String> {
        let given = self.shortlink.0.as_deref().filter(|link| link.len() <= LINK_BYTES_MAX);
        let is_there = |uri: &http::Uri| uri.authority() == page.authority() && uri.scheme() == page.scheme();
        if let Some(link) = given.and_then(|link| link.parse().ok()).filter(is_there) {
            return Some(link.to_string());
        }
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        let id = self.id.0.as_deref().filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain))?;
        Some(format!("{}/incidents/{id}", page.to_string().trim_end_matches('/')))
    }
}

/// How each of `rows` does, by its id; the worst where one is there twice.
fn conditions(rows: &[Row]) -> HashMap<String, Option<Condition>> {
    let mut found: HashMap<String, Option<Condition>> = HashMap::new();
    for row in rows {
        let Some(id) = row.id() else { continue };
        let worst = found.entry(id.to_owned()).or_default();
        *worst = row.status.0.as_deref().and_then(Condition::of).max(*worst);
    }
    found
}

fn kept<'n>(components: impl Iterator<Item = (&'n str, Option<Condition>)>) -> Vec<Component> {
    let named = components.filter_map(|(name, status)| Some(Component { name: text(name)?, status }));
    named.take(COMPONENTS_MAX).collect()
}

/// Whether a component, or a group of them, of this name matters to who calls a model.
fn matters(name: &str) -> bool {
    let spaced: String = name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let words = format!(" {} ", spaced.split_whitespace().collect::<Vec<_>>().join(" "));
    MATTERS.iter().any(|phrase| words.contains(&format!(" {phrase} ")))
}

/// `text` as one line of bounded length that no terminal obeys; `None` if nothing is left of it.
pub(super) fn text(text: &str) -> Option<String> {
    let spaced: String = text.chars().map(|c| if is_active(c) || c.is_whitespace() { ' ' } else { c }).collect();
    let mut line = String::new();
    let mut chars = 0;
    for word in spaced.split(' ').filter(|word| !word.is_empty()) {
        if chars > 0 {
            line.push(' ');
            chars += 1;
        }
        for c in word.chars() {
            if chars >= TEXT_CHARS_MAX {
                line.push('…');
                return Some(line);
            }
            line.push(c);
            chars += 1;
        }
    }
    (!line.is_empty()).then_some(line)
}

fn moment(text: &str) -> Option<i64> {
    text.trim().parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests;
