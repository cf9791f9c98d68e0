//! Numbers and bars as people read them, the same on the live screen and in `--once`.

use super::said::{Failure, Incident, Journal, Minute, Summary, Text, Took, Upstream};
use crate::headline::{Mood, Open, Situation, headline, percent};
use crate::observe::journal::plain::{grouped as count, millis, span};
use crate::observe::journal::when::{Moment, rfc3339};

/// How full a bar is, from none to all.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A minute in which nothing was asked.
pub(super) const NOTHING: char = '·';

/// Is it us or them, since when, and what is done about it?
pub(super) fn answer(summary: &Summary, now: i64) -> (Mood, String) {
    headline(&Situation {
        now,
        incidents: summary.incidents.iter().map(open).collect(),
        success: summary.last_minute.success,
        upstream_success: summary.last_minute.upstream_success,
        requests_per_s: summary.requests_per_s,
        is_draining: summary.draining,
    })
}

fn open(incident: &Incident) -> Open<'_> {
    Open {
        kind: incident.kind.raw(),
        severity: incident.severity.raw(),
        upstream: incident.upstream.as_ref().map(Text::raw),
        model: incident.model.as_ref().map(Text::raw),
        route: incident.route.as_ref().map(Text::raw),
        since: incident.since.map_or(0, |moment| moment.0),
        failed: incident.failed,
        of: incident.of,
    }
}

/// The numbers, each under its name, in the order in which they matter.
pub(super) fn numbers(summary: &Summary) -> Vec<(&'static str, String)> {
    let minute = &summary.last_minute;
    let five = &summary.last_5_minutes;
    vec![
        ("requests", format!("{}/s", rate(summary.requests_per_s))),
        ("success", share(minute.success)),
        ("upstream gives", share(minute.upstream_success)),
        ("saved by retry", format!("{} in 5 min", count(five.saved))),
        ("failed", format!("{} in 5 min", count(five.failed))),
        ("extra attempts", format!("{} in 5 min, {} tokens", count(five.extra_attempts), count(five.extra_tokens))),
        ("first content", took(&summary.first_content)),
        ("own overhead", took(&summary.overhead)),
        ("streams open", summary.streams_open.to_string()),
        ("in flight", format!("{}, {} waiting", summary.in_flight, summary.waiting)),
        ("retry budget", format!("{:.1} retries", summary.budget_tokens)),
        ("journal", journal(&summary.journal)),
    ]
}

/// How the journal does, in words.
pub(super) fn journal(journal: &Journal) -> String {
    let mut said = journal.state.to_string();
    for (n, what) in [(journal.ring, "in memory"), (journal.dropped, "lost"), (journal.late, "late")] {
        if n > 0 {
            said.push_str(&format!(", {} {what}", count(n)));
        }
    }
    said
}

/// A share, or that there is none.
pub(super) fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), percent)
}

/// Half of them and 99 of 100 took no longer.
pub(super) fn took(took: &Took) -> String {
    match (took.p50_ms, took.p99_ms) {
        (Some(p50), Some(p99)) => format!("{} p50, {} p99", fine(p50), fine(p99)),
        _ => "-".to_owned(),
    }
}

/// A duration that may be far below a millisecond.
fn fine(ms: f64) -> String {
    if ms < 1.0 { format!("{:.0} µs", ms * 1_000.0) } else { millis(ms) }
}

/// `0.2`, `12.3`, `1,234`.
pub(super) fn rate(per_s: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just before")]
    let whole = per_s.clamp(0.0, 1e15) as u64;
    if whole < 100 { format!("{:.1}", per_s.max(0.0)) } else { count(whole) }
}

/// `06:30:00`, in UTC.
pub(super) fn clock(moment: Option<Moment>) -> String {
    moment.and_then(|at| rfc3339(at.0).get(11..19).map(str::to_owned)).unwrap_or_else(|| "-".to_owned())
}

/// How long ago that is.
pub(super) fn ago(moment: Option<Moment>, now: i64) -> String {
    moment.map_or_else(|| "-".to_owned(), |at| span(now - at.0))
}

/// A status, or that none came.
pub(super) fn status(status: Option<u16>) -> String {
    status.map_or_else(|| "-".to_owned(), |status| status.to_string())
}

/// What was done after it and why.
pub(super) fn decision(failure: &Failure) -> String {
    match failure.decision.raw() {
        "stop" => format!("stop: {}", failure.reason),
        _ => failure.decision.to_string(),
    }
}

/// The breakers of an upstream in plain words: the worst of them, and how many are like it.
pub(super) fn breakers(upstream: &Upstream) -> String {
    let rank = |state: &str| match state {
        "open" => 4,
        "half_open" => 3,
        "ramp" => 2,
        "guarded" => 1,
        _ => 0,
    };
    let worst = upstream.breakers.iter().map(|breaker| rank(breaker.state.raw())).max().unwrap_or(0);
    let mut alike = upstream.breakers.iter().filter(|breaker| rank(breaker.state.raw()) == worst);
    let Some(first) = alike.next().filter(|_| worst > 0) else { return "asked as usual".to_owned() };
    let more = alike.count();
    let others = if more > 0 { format!(" and {more} more") } else { String::new() };
    let model = if first.model.raw() == "-" { "requests without a model".to_owned() } else { first.model.to_string() };
    format!("{model}{others} {}: {}", first.state, first.says)
}

/// The keys that rest.
pub(super) fn resting(upstream: &Upstream) -> String {
    let told = upstream.resting.iter().map(|resting| {
        let model = resting.model.as_ref().map_or_else(String::new, |model| format!(" for {model}"));
        format!("{}{model} for {:.0} s", resting.key, resting.for_s.max(0.0))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

/// The last minutes as one character each, at most `width`, the present one last: how high says which share of the
/// attempts failed, the lowest that none did.
pub(super) fn bars(minutes: &[Minute], width: usize) -> String {
    let shown = &minutes[minutes.len().saturating_sub(width)..];
    shown
        .iter()
        .map(|minute| match minute.attempts.max(minute.requests) {
            0 => NOTHING,
            of => level(minute.failed, of),
        })
        .collect()
}

/// How high a bar is for a part of a whole: the lowest for none, any above it for some, the highest for all.
pub(super) fn level(part: u64, whole: u64) -> char {
    let steps = LEVELS.len() as u64 - 1;
    let part = part.min(whole);
    let step = (u128::from(part) * u128::from(steps)).div_ceil(u128::from(whole.max(1)));
    LEVELS[usize::try_from(step).unwrap_or(0).min(LEVELS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::super::said::{Breaker, Resting};
    use super::*;

    fn minute(attempts: u64, failed: u64) -> Minute {
        Minute { requests: attempts, attempts, failed }
    }

    #[test]
    fn a_bar_is_low_only_if_nothing_failed_and_high_only_if_all_did() {
        let minutes =
            [minute(0, 0), minute(1_000, 0), minute(1_000, 1), minute(2, 1), minute(1_000, 999), minute(3, 3)];
        assert_eq!(bars(&minutes, 90), "·▁▂▅██");
        assert_eq!(bars(&minutes, 2), "██", "the newest are kept");
        assert_eq!((bars(&minutes, 0), bars(&[], 90)), (String::new(), String::new()));
        assert_eq!(bars(&[minute(1, u64::MAX)], 1), "█");
    }

    #[test]
    fn small_rates_have_a_tenth() {
        assert_eq!(
            [0.0, 0.25, 99.94, 100.0, 12_345.6, f64::NAN, -1.0].map(rate),
            ["0.0", "0.2", "99.9", "100", "12,345", "0.0", "0.0"]
        );
    }

    #[test]
    fn the_worst_breaker_is_told_with_how_many_are_like_it() {
        let breaker =
            |model: &str, state: &str| Breaker { model: model.into(), state: state.into(), says: "so".into() };
        let of = |breakers| breakers_of(breakers);
        fn breakers_of(list: Vec<Breaker>) -> String {
            breakers(&Upstream { breakers: list, ..Upstream::default() })
        }
        assert_eq!(of(vec![]), "asked as usual");
        assert_eq!(of(vec![breaker("a", "closed")]), "asked as usual");
        let told = of(vec![breaker("a", "guarded"), breaker("b", "open"), breaker("-", "open")]);
        assert_eq!(told, "b and 1 more open: so");
        assert_eq!(of(vec![breaker("-", "ramp")]), "requests without a model ramp: so");
    }

    #[test]
    fn keys_that_rest_are_told_by_their_place() {
        let resting_key = Resting { key: "2 (env KEY)".into(), model: Some("o3".into()), for_s: 12.4 };
        let upstream = Upstream { resting: vec![resting_key], ..Upstream::default() };
        assert_eq!(resting(&upstream), "2 (env KEY) for o3 for 12 s");
    }
}
