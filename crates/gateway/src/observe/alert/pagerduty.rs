//! An event for PagerDuty's Events API v2.
//!
//! The incident's id is the `dedup_key`: what is sent twice, and every reminder, is the same alert there,
//! and the end of the incident resolves it. PagerDuty has no word for an incident of which nobody knows
//! how it stands: it hears a trigger that says so, and the alert stays open.

use seawall_core::incident::{Severity, What};
use serde_json::{Value, json};

use super::notice::{Links, Notice, moment, shortened, unbracketed};

/// The longest `summary`, in characters (Events API v2, 2026-11).
pub(super) const SUMMARY_CHARS_MAX: usize = 1_024;
/// The longest `dedup_key`, in characters (the same).
pub(super) const DEDUP_CHARS_MAX: usize = 255;

/// The event for a service that hears `what`.
pub(super) fn event(notice: &Notice, what: What, links: &Links, routing_key: &str) -> Value {
    let dedup_key = shortened(notice.id(), DEDUP_CHARS_MAX);
    if what == What::Resolved {
        return json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key });
    }
    let severity = match notice.event.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
    };
    let link = |href: String, text: &str| json!({ "href": href, "text": text });
    let places = links.incident(notice.id()).map(|href| link(href, "incident")).into_iter();
    let places = places.chain(links.dashboard().map(|href| link(href, "dashboard")));
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {
            "summary": shortened(&unbracketed(&notice.headline(what)), SUMMARY_CHARS_MAX),
            "source": unbracketed(notice.source()),
            "severity": severity,
            "timestamp": moment(notice.event.at),
            "group": "seawall",
            "class": notice.event.kind,
            "custom_details": notice.data(what, links),
        },
        "links": places.collect::<Vec<_>>(),
        "client": "Seawall",
    });
    if let Some(model) = notice.model() {
        event["payload"]["component"] = json!(unbracketed(model));
    }
    if let Some(dashboard) = links.dashboard() {
        event["client_url"] = json!(dashboard);
    }
    event
}
