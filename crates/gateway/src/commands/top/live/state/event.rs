//! What goes into the state and what comes out: events, keys, questions; and the few words that it is told in.

use serde_json::Value;

use super::super::super::said::{Failure, Incident, Summary, Upstream};
use super::super::detail::Wanted;
use super::super::filter::Filter;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands::top::live) enum Event {
    /// It is so late on this machine, in microseconds since the Unix epoch.
    Tick(i64),
    /// A key was pressed.
    Key(Key),
    /// The size of the screen is another one.
    Resized,
    /// A gateway answers at this address.
    Found(String),
    /// It has no place for another listener: it is asked instead.
    Crowded,
    /// It is gone, or does not answer; the next try comes in so many milliseconds.
    Lost { why: String, retry_in_ms: u64 },
    /// How things are.
    Summary(Box<Summary>),
    /// An attempt failed.
    Failure(Box<Failure>),
    /// So many events were missed.
    Missed(u64),
    /// Something became of an incident.
    Incident,
    /// The upstreams, as they are.
    Upstreams(Vec<Upstream>),
    /// The incidents, the newest first.
    Incidents(Vec<Incident>),
    /// Failures on record that this filter takes, the newest first.
    Failures(Filter, Vec<Failure>),
    /// What was asked for in detail, or why there is none.
    Detail(Wanted, Result<Value, String>),
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands::top::live) enum Key {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Control and C.
    Break,
}

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands::top::live) enum Ask {
    /// Ask for the failures that it takes.
    Failures(Filter),
    /// Ask for the incidents.
    Incidents,
    /// Ask for the details.
    Detail(Wanted),
    /// End.
    Quit,
}

/// What is shown below the headline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands::top::live) enum Pane {
    Overview,
    Upstreams,
    Incidents,
    Failures,
    Numbers,
}

impl Pane {
    /// In their order: 1 to 5.
    pub(in crate::commands::top::live) const ALL: [Pane; 5] =
        [Pane::Overview, Pane::Upstreams, Pane::Incidents, Pane::Failures, Pane::Numbers];

    /// For people.
    pub(in crate::commands::top::live) fn name(self) -> &'static str {
        match self {
            Pane::Overview => "Overview",
            Pane::Upstreams => "Upstreams",
            Pane::Incidents => "Incidents",
            Pane::Failures => "Failures",
            Pane::Numbers => "Numbers",
        }
    }

    /// Its place in [`Pane::ALL`].
    pub(in crate::commands::top::live) fn at(self) -> usize {
        Pane::ALL.iter().position(|pane| *pane == self).unwrap_or(0)
    }
}

/// How the gateway is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands::top::live) enum Link {
    /// Not yet.
    Waiting,
    /// As it happens.
    Live,
    /// By asking: too many listen.
    Asked,
    /// Not at all.
    Lost {
        /// Why.
        why: String,
        /// When it is tried again, on this machine's clock.
        retry_at: i64,
    },
}
