//! `/failures`: failed attempts on record, the newest first, by whatever is asked for; and the way to one of them.

use askama::Template;
use http::{HeaderMap, StatusCode};
use seawall_core::verdict::Class;

use super::super::Admin;
use super::super::failures::{Asked, Bad, Failures};
use super::super::query::pairs;
use super::super::reply::{self, Reply};
use super::words::{self, millis, segment, time};
use super::{Frame, page};
use crate::observe::journal::row::AttemptRow;

/// Rows of a page, unless the address says otherwise.
const ROWS: &str = "50";
/// What the form asks for, in its order: the parameter, its name for people, and an example.
const FIELDS: [(&str, &str, &str); 7] = [
    ("since", "Since", "1h"),
    ("until", "Until", "10m"),
    ("model", "Model", "gpt-4o"),
    ("status", "Status", "5xx"),
    ("request_id", "Request id", "req_… or sw_…"),
    ("incident", "Incident", "inc_…"),
    ("group", "Group", "the id of a group"),
];

#[derive(Template)]
#[template(path = "failures.html")]
struct Page {
    frame: Frame,
    form: Form,
    /// What is wrong with what was asked for.
    wrong: Option<String>,
    /// Why there is nothing to show although nothing is wrong with it.
    unread: Option<&'static str>,
    rows: Vec<Row>,
    next: Option<String>,
    /// The same as JSON.
    json: String,
}

/// The form, as it was filled in.
pub(super) struct Form {
    pub(super) fields: Vec<Field>,
    pub(super) upstreams: Vec<Choice>,
    pub(super) classes: Vec<Choice>,
    /// Whether anything is asked for.
    pub(super) is_filled: bool,
}

/// A field of the form.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) example: &'static str,
    pub(super) value: String,
}

/// One of a list.
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) is_chosen: bool,
}

/// A failed attempt.
pub(super) struct Row {
    pub(super) time: words::Time,
    pub(super) path: String,
    pub(super) request_id: String,
    pub(super) upstream_id: Option<String>,
    pub(super) upstream: String,
    pub(super) model: String,
    pub(super) status: String,
    pub(super) class: String,
    pub(super) whose: String,
    pub(super) elapsed: String,
    pub(super) decision: String,
    pub(super) message: String,
}

impl Admin {
    /// Failed attempts.
    pub(super) async fn failures_page(&self, query: Option<&str>, headers: &HeaderMap) -> Reply {
        let now = seawall::proxy::unix_micros();
        // A form sends its empty fields too.
        let mut given = pairs(query);
        given.retain(|(_, value)| !value.is_empty());
        let is_first = !given.iter().any(|(name, _)| name == "after");
        let mut asked = given.clone();
        if !asked.iter().any(|(name, _)| name == "limit") {
            asked.push(("limit".to_owned(), ROWS.to_owned()));
        }
        let (failures, wrong, unread) = match Asked::of(Some(&query_of(&asked)), now) {
            Err(Bad { parameter, why }) => (Failures::default(), Some(format!("{parameter}: {why}")), None),
            Ok(asked) => {
                let path = self.server.observe.journal.path();
                match self.record.read(path, move |reader| asked.read(reader)).await {
                    Ok(failures) => (failures, None, None),
                    Err(why) => (Failures::default(), None, Some(why.says())),
                }
            }
        };
        // Older pages do not change.
        let live = if is_first { "failure" } else { "" };
        let status = match (&wrong, unread) {
            (Some(_), _) => StatusCode::BAD_REQUEST,
            (None, Some(_)) => StatusCode::SERVICE_UNAVAILABLE,
            (None, None) => StatusCode::OK,
        };
        let after = |next: String| {
            let kept = given.iter().filter(|(name, _)| name != "after");
            address(
                "/failures",
                kept.map(|(name, value)| (name.as_str(), value.as_str())).chain([("after", next.as_str())]),
            )
        };
        let mut reply = page(&Page {
            frame: self.frame("Failures", "/failures", live, headers),
            form: Form::of(&given, self.server.client.upstream_names()),
            wrong,
            unread,
            rows: failures.failures.iter().map(|row| Row::of(row, now)).collect(),
            next: failures.next.map(after),
            json: address("/api/v1/failures", given.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        });
        *reply.status_mut() = status;
        reply
    }

    /// Leads to the request with the id that was asked for.
    pub(super) fn find(&self, query: Option<&str>, headers: &HeaderMap) -> Reply {
        let given = pairs(query);
        let id = given.iter().find(|(name, _)| name == "id").map_or("", |(_, value)| value.trim());
        if id.is_empty() {
            let hint = "Seawall's own id begins with sw_; the x-request-id of the provider and your own X-Client-Request-Id do as well.";
            return self.said(StatusCode::BAD_REQUEST, headers, "An id is wanted.", hint);
        }
        reply::see_other(&format!("/requests/{}", segment(id)))
    }
}

impl Form {
    pub(super) fn of(given: &[(String, String)], upstreams: Vec<String>) -> Form {
        let value = |name: &str| given.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let choice = |name: String, of: &str| Choice { is_chosen: value(of) == name, name };
        Form {
            fields: FIELDS
                .iter()
                .map(|&(name, label, example)| Field { name, label, example, value: value(name).to_owned() })
                .collect(),
            upstreams: upstreams.into_iter().map(|name| choice(name, "upstream")).collect(),
            classes: Class::ALL
                .iter()
                .filter(|class| **class != Class::Ok)
                .map(|class| choice(class.name().to_owned(), "class"))
                .collect(),
            is_filled: !given.is_empty(),
        }
    }
}

impl Row {
    pub(super) fn of(row: &AttemptRow, now: i64) -> Row {
        Row {
            time: time(row.time, now),
            path: format!("/requests/{}", segment(&row.request_id)),
            request_id: row.request_id.clone(),
            upstream_id: row.upstream_request_id.clone(),
            upstream: row.upstream.clone(),
            model: row.facts.model.clone().unwrap_or_else(|| "–".to_owned()),
            status: row.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
            class: row.class.clone(),
            whose: row.whose.clone(),
            elapsed: millis(row.elapsed_ms),
            decision: if row.decision == row.reason {
                row.reason.clone()
            } else {
                format!("{}: {}", row.decision, row.reason)
            },
            message: row.message.clone().unwrap_or_default(),
        }
    }
}

/// These parameters as the query of an address.
pub(super) fn query_of(parameters: &[(String, String)]) -> String {
    address("", parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .trim_start_matches('?')
        .to_owned()
}

/// `path` with these parameters.
pub(super) fn address<'a>(path: &str, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut whole = path.to_owned();
    for (at, (name, value)) in parameters.enumerate() {
        whole.push(if at == 0 { '?' } else { '&' });
        whole.push_str(&segment(name));
        whole.push('=');
        whole.push_str(&segment(value));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_parameters_whatever_is_in_them() {
        let given = [("model", "a&b=c"), ("since", "1h")];
        assert_eq!(address("/failures", given.into_iter()), "/failures?model=a%26b%3Dc&since=1h");
        assert_eq!(address("/failures", std::iter::empty()), "/failures");
    }

    #[test]
    fn a_form_keeps_what_was_asked_for() {
        let given = [("since".to_owned(), "1h".to_owned()), ("class".to_owned(), "overloaded".to_owned())];
        let form = Form::of(&given, vec!["a".to_owned()]);
        assert!(form.is_filled);
        assert_eq!(form.fields[0].value, "1h");
        let chosen: Vec<&str> = form.classes.iter().filter(|c| c.is_chosen).map(|c| c.name.as_str()).collect();
        assert_eq!(chosen, ["overloaded"]);
        assert!(!Form::of(&[], vec![]).is_filled);
    }
}
