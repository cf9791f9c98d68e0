//! What the provider's status page said, as the incident kept it, and who knew first.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::document::{Component, Posted, StatusPage};
use super::words::{Sentence, message, span};

/// Components that are told.
const COMPONENTS_MAX: usize = 12;

/// An incident that began so long before, in microseconds (a day), may be another one.
const LONG_BEFORE: i64 = -86_400 * 1_000_000;

/// The snapshot as it is kept: [`crate::observe::status_page::board::Said::json`].
#[derive(Deserialize)]
struct Kept {
    url: String,
    read: Option<String>,
    page: Page,
}

#[derive(Deserialize)]
struct Page {
    indicator: Option<String>,
    description: Option<String>,
    #[serde(default)]
    components: Vec<KeptComponent>,
    #[serde(default)]
    incidents: Vec<KeptIncident>,
}

#[derive(Deserialize)]
struct KeptComponent {
    name: String,
    status: Option<String>,
}

#[derive(Deserialize)]
struct KeptIncident {
    name: Option<String>,
    status: Option<String>,
    impact: Option<String>,
    started: Option<String>,
    link: Option<String>,
    concerns_us: Option<bool>,
}

/// What `kept` says, beside trouble that began here at `since`. `None` if no page was read.
pub(super) fn of(kept: &Value, since: i64) -> Option<StatusPage> {
    let Kept { url, read, page } = Kept::deserialize(kept).ok()?;
    let ours = |incident: &&KeptIncident| {
        incident.concerns_us != Some(false) && incident.impact.as_deref() != Some("maintenance")
    };
    let likely = page.incidents.iter().filter(ours).min_by_key(|incident| moment(incident).unwrap_or(i64::MAX));
    let first = first(likely, since, read.as_deref());
    let maybe = |text: Option<&String>| text.map(|text| message(text));
    Some(StatusPage {
        url: message(&url),
        read: maybe(read.as_ref()),
        indicator: maybe(page.indicator.as_ref()),
        description: maybe(page.description.as_ref()),
        components: page
            .components
            .iter()
            .take(COMPONENTS_MAX)
            .map(|component| Component { name: message(&component.name), status: maybe(component.status.as_ref()) })
            .collect(),
        incident: likely.map(|incident| Posted {
            name: maybe(incident.name.as_ref()),
            status: maybe(incident.status.as_ref()),
            impact: maybe(incident.impact.as_ref()),
            started: maybe(incident.started.as_ref()),
            link: maybe(incident.link.as_ref()),
        }),
        first,
    })
}

fn moment(incident: &KeptIncident) -> Option<i64> {
    incident.started.as_ref()?.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

fn first(likely: Option<&KeptIncident>, since: i64, read: Option<&str>) -> Sentence {
    let Some(incident) = likely else {
        return match read {
            Some(read) => {
                Sentence::new("When it was read, at ").quote(read).say(", it told of no incident that may be this one.")
            }
            None => Sentence::new("It told of no incident that may be this one."),
        };
    };
    let Some(posted) = moment(incident) else {
        return Sentence::new("It tells of an incident that may be this one, and not since when.");
    };
    let told = match incident.name.as_deref() {
        Some(name) => Sentence::new("The status page tells of ").quote(name).say(", begun "),
        None => Sentence::new("The status page tells of an incident, begun "),
    };
    let minutes = |micros: i64| span(micros / 60_000_000 * 60_000_000);
    told.say(match posted - since {
        later @ 60_000_000.. => format!("{} after the first failure here.", minutes(later)),
        sooner @ ..=LONG_BEFORE => {
            format!("{} before the first failure here, so it may be another one.", minutes(-sooner))
        }
        sooner @ ..=-60_000_000 => format!("{} before the first failure here.", minutes(-sooner)),
        _ => "in the minute of the first failure here.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BEGAN: i64 = 1_795_415_400_000_000;

    fn page(started: &str, concerns: Option<bool>) -> Value {
        json!({
            "url": "https://status.example", "read": "2026-11-23T06:31:00.000Z",
            "page": { "name": "P", "updated": null, "indicator": "minor", "description": "Partly", "components": [],
                "incidents": [{ "name": "Errors", "status": "investigating", "impact": "minor", "started": started,
                    "updated": null, "link": null, "concerns_us": concerns }] },
        })
    }

    #[test]
    fn it_says_who_knew_first_by_whole_minutes() {
        for (started, told) in [
            ("2026-11-23T06:47:59Z", "The status page tells of Errors, begun 17 min after the first failure here."),
            ("2026-11-23T06:13:00Z", "The status page tells of Errors, begun 17 min before the first failure here."),
            (
                "2026-11-22T06:30:00Z",
                "The status page tells of Errors, begun 1 d 0 h before the first failure here, so it may be another one.",
            ),
            (
                "2026-11-22T06:30:01Z",
                "The status page tells of Errors, begun 23 h 59 min before the first failure here.",
            ),
            ("2026-11-23T06:30:20Z", "The status page tells of Errors, begun in the minute of the first failure here."),
            ("soon", "It tells of an incident that may be this one, and not since when."),
        ] {
            let first = of(&page(started, None), BEGAN).unwrap().first.plain();
            assert_eq!(first, told);
        }
    }

    #[test]
    fn an_incident_of_another_product_is_not_compared() {
        let told = of(&page("2026-11-23T06:47:59Z", Some(false)), BEGAN).unwrap();
        assert!(told.incident.is_none());
        assert!(told.first.plain().contains("no incident that may be this one"), "{}", told.first.plain());
    }

    #[test]
    fn what_is_no_page_is_none() {
        for kept in [json!(null), json!({}), json!({ "url": 1 }), json!("x")] {
            assert!(of(&kept, BEGAN).is_none());
        }
    }
}
