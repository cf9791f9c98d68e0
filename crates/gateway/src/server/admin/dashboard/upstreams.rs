//! `/upstreams`: each upstream, how it does now, and how it did in the last hour and a half.

use askama::Template;
use http::HeaderMap;

use super::super::Admin;
use super::super::reply::Reply;
use super::super::upstreams::{MINUTES, Upstream, Upstreams};
use super::words::{self, clock, count, percent, plural, segment, time};
use super::{Frame, page};
use crate::chart::minutes::{self, Minute};

#[derive(Template)]
#[template(path = "upstreams.html")]
struct Page {
    frame: Frame,
    budget: String,
    upstreams: Vec<Card>,
    minutes: usize,
}

/// An upstream in a line.
pub(super) struct Line {
    pub(super) name: String,
    /// How far its worst breaker has gone.
    pub(super) state: &'static str,
    /// The same in plain words, with the model.
    pub(super) says: String,
    pub(super) in_flight: String,
    pub(super) last_failure: Option<Last>,
}

/// The latest failure somewhere.
pub(super) struct Last {
    pub(super) time: words::Time,
    pub(super) path: String,
    pub(super) says: String,
}

struct Card {
    line: Line,
    /// The last 90 minutes; `None` while the journal cannot be read.
    bars: Option<String>,
    /// The same in words.
    total: String,
    breakers: Vec<Breaker>,
    resting: Vec<String>,
    page: Option<StatusPage>,
    failures: String,
}

struct Breaker {
    model: String,
    state: &'static str,
    says: &'static str,
}

struct StatusPage {
    url: String,
    is_web: bool,
    says: String,
    read: Option<words::Time>,
}

impl Admin {
    /// Every upstream.
    pub(super) async fn upstreams_page(&self, headers: &HeaderMap) -> Reply {
        let upstreams = Upstreams::of(&self.server, Some(&self.record)).await;
        let now = upstreams.time.0;
        page(&Page {
            frame: self.frame("Upstreams", "/upstreams", "summary", headers),
            budget: format!("{:.0}", upstreams.budget_tokens.floor()),
            upstreams: upstreams.upstreams.iter().map(|upstream| Card::of(upstream, now)).collect(),
            minutes: MINUTES,
        })
    }
}

/// The worse a state is, the greater.
fn badness(state: &str) -> u8 {
    match state {
        "open" => 4,
        "half_open" => 3,
        "ramp" => 2,
        "guarded" => 1,
        _ => 0,
    }
}

impl Line {
    pub(super) fn of(upstream: &Upstream, now: i64) -> Line {
        let worst = upstream.breakers.iter().max_by_key(|breaker| badness(breaker.state));
        let (state, says) = match worst {
            None => ("closed", "not asked yet".to_owned()),
            Some(breaker) if breaker.state == "closed" || breaker.model == "-" => {
                (breaker.state, breaker.says.to_owned())
            }
            Some(breaker) => (breaker.state, format!("{}: {}", breaker.model, breaker.says)),
        };
        let last_failure = upstream.last_failure.as_ref().map(|last| {
            let status = last.status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
            Last {
                time: time(last.time.0, now),
                path: format!("/requests/{}", segment(&last.request_id)),
                says: format!("{status}, {}, {}", last.class, last.model.as_deref().unwrap_or("no model")),
            }
        });
        Line { name: upstream.name.clone(), state, says, in_flight: count(upstream.in_flight), last_failure }
    }
}

impl Card {
    fn of(upstream: &Upstream, now: i64) -> Card {
        let told = |minute: &super::super::upstreams::Minute| Minute {
            attempts: minute.attempts,
            failed: minute.failed,
            says: format!(
                "{}: {}, {} failed",
                &clock(minute.minute.0)[..5],
                plural(minute.attempts, "attempt"),
                count(minute.failed)
            ),
        };
        let (attempts, failed) = upstream
            .minutes
            .iter()
            .flatten()
            .fold((0u64, 0u64), |(all, bad), minute| (all + minute.attempts, bad + minute.failed));
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let share = (attempts > 0).then(|| 1.0 - failed as f64 / attempts as f64);
        let total = format!("{}, {} answered", plural(attempts, "attempt"), percent(share));
        let name = format!("{}: {total} in the last {MINUTES} minutes", upstream.name);
        let bars = upstream.minutes.as_ref().map(|all| minutes::svg(&all.iter().map(told).collect::<Vec<_>>(), &name));
        Card {
            line: Line::of(upstream, now),
            bars,
            total,
            breakers: upstream
                .breakers
                .iter()
                .map(|breaker| Breaker { model: breaker.model.clone(), state: breaker.state, says: breaker.says })
                .collect(),
            resting: upstream
                .resting
                .iter()
                .map(|key| {
                    let of = key.model.as_deref().map_or_else(String::new, |model| format!(" for {model}"));
                    format!("key {}{of}, {:.0} s more", key.key, key.for_s.ceil())
                })
                .collect(),
            page: upstream.status_page.as_ref().map(|page| StatusPage {
                is_web: page.url.starts_with("https://") || page.url.starts_with("http://"),
                url: page.url.clone(),
                says: page
                    .description
                    .clone()
                    .or(page.indicator.map(str::to_owned))
                    .unwrap_or("not read yet".to_owned()),
                read: page.read.map(|read| time(read.0, now)),
            }),
            failures: format!("/failures?upstream={}&since=90m", segment(&upstream.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_breakers_the_worst_is_told() {
        let order = ["closed", "guarded", "ramp", "half_open", "open"];
        assert!(order.is_sorted_by_key(|state| badness(state)));
    }
}
