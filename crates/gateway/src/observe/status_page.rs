//! What a provider's status page says, to be set beside what was seen here.
//!
//! A page is written by people, a quarter of an hour late and often about another product. So it is
//! corroboration and nothing else: nothing in here is read by whoever decides about retries, breakers
//! or routes. What is missing, null or a word we do not know is *no information*, never "all is well".
//! Components are found by their names, since their ids have changed before.
//!
//! `document` reads what a page says, `fetch` asks it, `poller` asks it again and again while someone
//! wants to know, and `board` holds the latest of each.

pub(crate) mod board;
mod document;
pub(crate) mod fetch;
mod lenient;
pub(crate) mod poller;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod telling;
mod words;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use document::Unread;
pub(crate) use document::read;
pub(crate) use words::{Condition, Impact, Indicator, Stage};

use super::journal::when::{Moment, rfc3339};

/// One page, as far as it could be read. All texts are single lines of bounded length, without
/// control characters and marks that turn the reading order; a sink with markup escapes them all the same.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Page {
    /// Whose page it says it is.
    pub(crate) name: Option<String>,
    /// When it says it was last changed, in microseconds since the Unix epoch.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Option<Moment>")]
    pub(crate) updated: Option<i64>,
    /// How bad it is, over everything on the page: often about another product than the API.
    pub(crate) indicator: Option<Indicator>,
    /// The same in the page's own words.
    pub(crate) description: Option<String>,
    /// The components that matter to who calls a model, in the page's order.
    pub(crate) components: Vec<Component>,
    /// Incidents that are open, and maintenance under way, in the page's order.
    pub(crate) incidents: Vec<Incident>,
}

/// A part of the provider's service.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "StatusPageComponent")]
pub(crate) struct Component {
    /// What the page calls it.
    pub(crate) name: String,
    /// How it does; `None` if that is not said in words we know.
    pub(crate) status: Option<Condition>,
}

/// Something that the provider says is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "StatusPageIncident")]
pub(crate) struct Incident {
    /// What the page calls it.
    pub(crate) name: Option<String>,
    /// How far they are.
    pub(crate) status: Option<Stage>,
    /// How bad they say it is.
    pub(crate) impact: Option<Impact>,
    /// When they say it began, or else when it was put on the page, in microseconds since the Unix epoch.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Option<Moment>")]
    pub(crate) started: Option<i64>,
    /// When they last said something about it.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Option<Moment>")]
    pub(crate) updated: Option<i64>,
    /// Its page, on the host that was asked.
    pub(crate) link: Option<String>,
    /// Whether a component that matters is named with it; `None` if no component is.
    pub(crate) concerns_us: Option<bool>,
}

impl Page {
    /// The worst that is said of the components that matter; `None` without a word about any.
    pub(crate) fn worst(&self) -> Option<Condition> {
        self.components.iter().filter_map(|component| component.status).max()
    }

    /// The incident that may be the one seen here: of those that are not about other components
    /// alone, and no planned maintenance, the earliest.
    pub(crate) fn likely(&self) -> Option<&Incident> {
        let ours =
            |incident: &&Incident| incident.concerns_us != Some(false) && incident.impact != Some(Impact::Maintenance);
        self.incidents.iter().filter(ours).min_by_key(|incident| incident.started.unwrap_or(i64::MAX))
    }
}

/// The form in which a page answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// Atlassian Statuspage, and those that answer as it does.
    Statuspage,
    /// incident.io's own.
    Native,
}

pub(super) fn time<S: Serializer>(micros: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    match micros {
        Some(micros) => to.serialize_str(&rfc3339(*micros)),
        None => to.serialize_none(),
    }
}
