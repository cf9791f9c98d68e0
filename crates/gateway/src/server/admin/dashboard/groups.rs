//! `/groups`: failed attempts by kind: how many, since when, in which course, and one of them to look at.

use askama::Template;
use http::{HeaderMap, StatusCode};

use super::super::Admin;
use super::super::failures::Bad;
use super::super::groups::Asked;
use super::super::query::pairs;
use super::super::reply::Reply;
use super::failures::{Form, address, query_of};
use super::words::{self, count, plural, segment, time};
use super::{Frame, page};
use crate::chart::spark;
use crate::observe::journal::groups::{Group, Groups};

#[derive(Template)]
#[template(path = "groups.html")]
struct Page {
    frame: Frame,
    form: Form,
    wrong: Option<String>,
    unread: Option<&'static str>,
    rows: Vec<Row>,
    /// What was looked at, and what is not shown.
    total: String,
    json: String,
}

/// A kind of failure.
struct Row {
    path: String,
    count: String,
    chart: String,
    first: words::Time,
    last: words::Time,
    place: String,
    what: String,
    pattern: String,
    /// The request of the last of them.
    request: String,
    request_id: String,
}

impl Admin {
    /// Failed attempts by kind; of the last day, unless a span is given.
    pub(super) async fn groups_page(&self, query: Option<&str>, headers: &HeaderMap) -> Reply {
        let now = seawall::proxy::unix_micros();
        let mut given = pairs(query);
        given.retain(|(_, value)| !value.is_empty());
        let (groups, wrong, unread) = match Asked::of(Some(&query_of(&given)), now) {
            Err(Bad { parameter, why }) => (Groups::default(), Some(format!("{parameter}: {why}")), None),
            Ok(asked) => {
                let path = self.server.observe.journal.path();
                match self.record.read(path, move |reader| asked.read(reader)).await {
                    Ok(groups) => (groups, None, None),
                    Err(why) => (Groups::default(), None, Some(why.says())),
                }
            }
        };
        let status = match (&wrong, unread) {
            (Some(_), _) => StatusCode::BAD_REQUEST,
            (None, Some(_)) => StatusCode::SERVICE_UNAVAILABLE,
            (None, None) => StatusCode::OK,
        };
        // What leads from a group to its failures keeps the span.
        let span: Vec<(&str, &str)> = given
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "since" | "until"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut reply = page(&Page {
            frame: self.frame("Groups", "/groups", "", headers),
            form: Form::of(&given, self.server.client.upstream_names()),
            wrong,
            unread,
            rows: groups.groups.iter().map(|group| Row::of(group, &span, now)).collect(),
            total: total(&groups),
            json: address("/api/v1/groups", given.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        });
        *reply.status_mut() = status;
        reply
    }
}

fn total(groups: &Groups) -> String {
    let mut total = plural(groups.attempts, "failed attempt");
    if !groups.complete {
        total.push_str(": the newest, there are more");
    }
    if groups.unlisted > 0 {
        total.push_str(&format!(", {} of them of kinds that are not shown", count(groups.unlisted)));
    }
    total
}

impl Row {
    fn of(group: &Group, span: &[(&str, &str)], now: i64) -> Row {
        let status = group.status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
        let mut what = format!("{status}, {}", group.class);
        for word in [&group.error_type, &group.error_code, &group.fault].into_iter().flatten() {
            if !what.contains(word.as_str()) && word != "status" {
                what.push_str(&format!(", {word}"));
            }
        }
        let name = format!("{} since {}", plural(group.count, "failure"), words::clock(group.first.0));
        Row {
            path: address("/failures", [("group", group.group.as_str())].into_iter().chain(span.iter().copied())),
            count: count(group.count),
            chart: spark::svg(&group.spark, &name),
            first: time(group.first.0, now),
            last: time(group.last.0, now),
            place: format!("{} at {}", group.model.as_deref().unwrap_or("no model"), group.upstream),
            what,
            pattern: group.pattern.clone().unwrap_or_default(),
            request: format!("/requests/{}", segment(&group.request_id)),
            request_id: group.request_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_told() {
        let groups = Groups { attempts: 1_200, complete: false, unlisted: 3, ..Groups::default() };
        assert_eq!(
            total(&groups),
            "1\u{202f}200 failed attempts: the newest, there are more, 3 of them of kinds that are not shown"
        );
        assert_eq!(total(&Groups { attempts: 1, complete: true, ..Groups::default() }), "1 failed attempt");
    }
}
