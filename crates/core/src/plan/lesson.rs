//! What an attempt teaches: how long such requests take, what they run into, and how its place is.
//!
//! A failure that is the request's own says nothing about the place it was sent to. So what is known of
//! forms, sizes and tools is asked before the breaker is told.

use std::time::Duration;

use super::breaker::Vote;
use super::diagnosis::Diagnosis;
use super::fleet::Fleet;
use super::policy::{Policy, ToolsPolicy};
use super::suspects::{Came, Tried};
use super::{Heard, Live, Plan};
use crate::time::Time;
use crate::verdict::{Class, Fault, Verdict};

/// A caller that gives an attempt less time than this says nothing about the upstream.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

impl Plan {
    /// Remembers what became of the attempt; the reason, if it failed where all like it do.
    pub(super) fn learn(
        &mut self,
        now: Time,
        policy: &Policy,
        fleet: &mut Fleet,
        live: Live,
        heard: &Heard<'_>,
    ) -> Option<Diagnosis> {
        let (verdict, after) = (heard.verdict, now.since(live.began));
        let place = (self.candidate(live.at), &*self.visits.model);
        let bytes = self.ask.body_bytes;
        let is_own_limit = matches!(verdict.fault, Some(Fault::Deadline | Fault::FirstContentTimeout));
        let mut wall = None;
        match verdict.class {
            Class::Ok => {
                let after = heard.first_content.filter(|_| live.form.is_stream()).unwrap_or(after);
                fleet.answered_after(place, live.form, now, after, bytes);
            }
            // Broken off here: it would have taken longer, and is counted as this long.
            Class::Ambiguous if is_own_limit => {
                // The limit on its first content is learnt from streams, and must not talk itself down.
                let is_first_content = verdict.fault == Some(Fault::FirstContentTimeout);
                let is_lent = live.form.is_upgraded() && is_first_content;
                let form = if is_lent { live.form.streamed() } else { live.form };
                fleet.broken_off_after(place, form, now, after);
            }
            Class::Ambiguous => {
                fleet.failed_after(place, live.form, now, after);
                wall = fleet.wall(place, live.form, now, bytes);
            }
            Class::CallerFault if is_too_large(heard) => fleet.refused_for_size(place, live.form, now, bytes),
            _ => {}
        }
        if policy.tools == ToolsPolicy::Off {
            return wall;
        }
        let Some(came) = came(heard) else { return wall };
        let road = fleet.road(place, live.form);
        let tools = self.ask.tool_mark;
        fleet.came(now, Tried { road, tools, request: self.number, body: heard.body }, came);
        // A probe was sent because it is known, and cannot make it unknown.
        if tools == 0 || came != Came::ServerError || live.is_probe {
            return wall;
        }
        let found = fleet.likely_tools(now, road, tools).map(Diagnosis::Tools);
        self.diagnosis = found;
        found
    }

    /// What an attempt says about the place it was sent to.
    pub(super) fn vote(&self, now: Time, live: Live, heard: &Heard<'_>) -> Vote {
        let verdict = heard.verdict;
        let is_impatient = verdict.fault == Some(Fault::Deadline) && now.since(live.began) < PATIENCE_MIN;
        match verdict.class {
            Class::Ok => Vote::Ok,
            Class::ServerError if heard.status == Some(409) => Vote::None,
            Class::Ambiguous if is_impatient => Vote::None,
            Class::NotSent | Class::BadGateway | Class::ServerError | Class::Overloaded | Class::Ambiguous => {
                Vote::Fail { request: self.number, body: heard.body }
            }
            _ => Vote::None,
        }
    }
}

/// Whether the answer says that the request is too large.
fn is_too_large(heard: &Heard<'_>) -> bool {
    let code = said_code(heard.verdict);
    heard.status == Some(413) || matches!(code, Some("context_length_exceeded" | "request_too_large"))
}

/// What became of an attempt, as far as tools are judged by it: malformed ones get a plain 500, or an
/// error inside a success.
fn came(heard: &Heard<'_>) -> Option<Came> {
    let verdict = heard.verdict;
    let is_inside = matches!(verdict.fault, Some(Fault::StreamError | Fault::ErrorIn200));
    match verdict.class {
        Class::Ok => Some(Came::Answered),
        Class::ServerError if heard.status == Some(500) || is_inside => Some(Came::ServerError),
        Class::NotSent | Class::BadGateway | Class::ServerError | Class::Overloaded | Class::Ambiguous => {
            Some(Came::Otherwise)
        }
        _ => None,
    }
}

fn said_code(verdict: &Verdict) -> Option<&str> {
    verdict.said.as_deref()?.code.as_deref()
}
