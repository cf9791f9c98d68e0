//! Is it us or them, since when, and what is Seawall doing about it? The answer in one sentence.
//!
//! The dashboard and `seawall top` open with it, in the same words. It says what is known and no more: an incident
//! is never the caller's fault, for a caller's mistakes cast no vote, but whether the provider fails or the way to it
//! is not told apart here. No share is rounded up to 100 %: one that is says so because nothing failed.

use crate::observe::journal::plain::{grouped, printable, span};
use crate::observe::journal::when::rfc3339;

/// Characters of a name that are told: the sentence has to stay one.
const NAME_CHARS_MAX: usize = 48;
/// From this share of answered requests on, retries do what they are for.
const HELPED: f64 = 0.995;

/// What is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Situation<'a> {
    /// The moment, in microseconds since the Unix epoch.
    pub(crate) now: i64,
    /// Incidents that are open, in any order.
    pub(crate) incidents: Vec<Open<'a>>,
    /// The share of requests answered in the last minute, 0 to 1; `None` of none.
    pub(crate) success: Option<f64>,
    /// The share of first attempts answered in the last minute: what callers would see without Seawall.
    pub(crate) upstream_success: Option<f64>,
    /// Requests a second in the last minute.
    pub(crate) requests_per_s: f64,
    /// Whether the gateway shuts down.
    pub(crate) is_draining: bool,
}

/// An open incident.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open<'a> {
    /// `failures`, `masked` or `latency`.
    pub(crate) kind: &'a str,
    /// `warning` or `critical`.
    pub(crate) severity: &'a str,
    /// The upstream; `None` for one of a route.
    pub(crate) upstream: Option<&'a str>,
    /// The model; `-` for requests without one.
    pub(crate) model: Option<&'a str>,
    /// The route.
    pub(crate) route: Option<&'a str>,
    /// When the trouble began, in microseconds since the Unix epoch.
    pub(crate) since: i64,
    /// Requests that failed at first since then.
    pub(crate) failed: u64,
    /// Of how many.
    pub(crate) of: u64,
}

/// How things are, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nothing happens.
    Idle,
    /// What fails is made good.
    Well,
    /// Something fails, too seldom for an incident.
    Noisy,
    /// An incident is open, and callers are answered all the same.
    Held,
    /// An incident is open, and callers feel it.
    Outage,
    /// The gateway shuts down.
    Draining,
}

impl Mood {
    /// Every one.
    #[cfg(test)]
    const ALL: [Mood; 6] = [Mood::Idle, Mood::Well, Mood::Noisy, Mood::Held, Mood::Outage, Mood::Draining];

    /// The word for programs, and beside a colour.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mood::Idle => "idle",
            Mood::Well => "well",
            Mood::Noisy => "noisy",
            Mood::Held => "held",
            Mood::Outage => "outage",
            Mood::Draining => "draining",
        }
    }
}

/// The answer: how things are, and the sentence. Nothing in it moves a cursor or turns the reading order; it is
/// text and not markup.
pub(crate) fn headline(situation: &Situation<'_>) -> (Mood, String) {
    if situation.is_draining {
        let text = "Seawall shuts down: it takes no new requests, and finishes those under way.";
        return (Mood::Draining, text.to_owned());
    }
    match gravest(&situation.incidents) {
        Some(worst) => in_trouble(situation, worst),
        None => at_peace(situation),
    }
}

/// A share in percent, never rounded up to 100: `99.98 %`.
pub(crate) fn percent(share: f64) -> String {
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0 + 1e-6).floor();
    let text = format!("{:.2}", hundredths / 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The one to tell of: critical before the others, then the oldest.
fn gravest<'a, 'b>(incidents: &'b [Open<'a>]) -> Option<&'b Open<'a>> {
    incidents.iter().min_by_key(|open| (open.severity != "critical", open.since))
}

fn in_trouble(situation: &Situation<'_>, worst: &Open<'_>) -> (Mood, String) {
    let since = format!("since {} UTC ({})", clock(worst.since), span(situation.now - worst.since));
    let counted = format!("{} of {} first attempts", grouped(worst.failed), grouped(worst.of));
    let is_late = worst.kind == "latency";
    let what = match worst.kind {
        "latency" => format!("{} has been answering later than usual {since}", place(worst)),
        "masked" => format!("{} has been failing more often than usual {since}, {counted}", place(worst)),
        _ => format!("{} has been failing {since}, {counted}", place(worst)),
    };
    let (mood, doing) = match (situation.success, situation.upstream_success) {
        (None, _) => (Mood::Held, "no request has ended in the last minute".to_owned()),
        (Some(callers), _) if is_late && callers >= HELPED => {
            (Mood::Held, format!("nothing is lost, {} of requests are answered", percent(callers)))
        }
        (Some(callers), _) if callers >= HELPED => {
            (Mood::Held, format!("Seawall retries, and {} of requests are answered", percent(callers)))
        }
        (Some(callers), Some(upstream)) if callers > upstream => (
            Mood::Outage,
            format!(
                "Seawall retries what it can: {} of requests are answered, without it {}",
                percent(callers),
                percent(upstream)
            ),
        ),
        (Some(callers), _) => {
            (Mood::Outage, format!("retries do not help now, {} of requests are answered", percent(callers)))
        }
    };
    let more = match situation.incidents.len() {
        0 | 1 => String::new(),
        2 => " One more incident is open.".to_owned(),
        n => format!(" {} more incidents are open.", n - 1),
    };
    (mood, format!("It is not your code: {what}; {doing}.{more}"))
}

fn at_peace(situation: &Situation<'_>) -> (Mood, String) {
    let Some(callers) = situation.success.filter(|_| situation.requests_per_s > 0.0) else {
        return (Mood::Idle, "Nothing is wrong that Seawall knows of: no request in the last minute.".to_owned());
    };
    let upstream = situation.upstream_success.unwrap_or(1.0);
    if callers >= 1.0 && upstream >= 1.0 {
        return (Mood::Well, "All is well: every request of the last minute was answered at once.".to_owned());
    }
    let (first, all) = (percent(upstream), percent(callers));
    match (callers >= HELPED, callers >= upstream) {
        (true, true) => (
            Mood::Well,
            format!(
                "All is well: {first} of first attempts are answered, and with Seawall's retries {all} of requests."
            ),
        ),
        (false, true) => (
            Mood::Noisy,
            format!(
                "Upstreams fail now and then, too seldom for an incident: {first} of first attempts are answered, \
                 with Seawall's retries {all} of requests."
            ),
        ),
        (_, false) => (
            Mood::Noisy,
            format!("Upstreams answer, and yet only {all} of requests end well: the latest failures say why."),
        ),
    }
}

/// What an incident is said of.
fn place(open: &Open<'_>) -> String {
    match (open.route, open.upstream, open.model) {
        (Some(route), ..) => format!("route {}", name(route)),
        (None, Some(upstream), None | Some("-")) => name(upstream),
        (None, upstream, model) => {
            format!("{} at {}", name(model.unwrap_or("-")), name(upstream.unwrap_or("an upstream")))
        }
    }
}

/// A name, inert and bounded.
fn name(text: &str) -> String {
    let cut = text.chars().count() > NAME_CHARS_MAX;
    let kept: String = text.chars().take(NAME_CHARS_MAX).collect();
    printable(&kept) + if cut { "…" } else { "" }
}

/// `06:30:00`: how long ago that is stands beside it.
fn clock(micros: i64) -> String {
    rfc3339(micros).get(11..19).unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::journal::plain::is_active;

    /// 2026-11-23T06:30:00Z
    const SINCE: i64 = 1_795_415_400_000_000;

    fn failing<'a>() -> Open<'a> {
        Open {
            kind: "failures",
            severity: "warning",
            upstream: Some("openai"),
            model: Some("gpt-4o"),
            route: None,
            since: SINCE,
            failed: 37,
            of: 100,
        }
    }

    fn say(incidents: &[Open<'_>], success: Option<f64>, upstream_success: Option<f64>) -> (Mood, String) {
        let incidents = incidents.to_vec();
        let now = SINCE + 245_000_000;
        headline(&Situation { now, incidents, success, upstream_success, requests_per_s: 2.0, is_draining: false })
    }

    #[test]
    fn each_situation_has_its_sentence() {
        let masked = Open { kind: "masked", ..failing() };
        let late = Open { kind: "latency", model: Some("-"), ..failing() };
        let route = Open { upstream: None, model: None, route: Some("chat"), ..failing() };
        let told: Vec<String> = [
            say(&[], None, None),
            say(&[], Some(1.0), Some(1.0)),
            say(&[], Some(1.0), Some(0.979)),
            say(&[], Some(0.98), Some(0.91)),
            say(&[], Some(0.9), Some(1.0)),
            say(&[failing()], Some(0.9997), Some(0.63)),
            say(&[failing()], Some(0.84), Some(0.63)),
            say(&[failing()], Some(0.0), Some(0.0)),
            say(&[failing()], None, None),
            say(&[masked], Some(1.0), Some(0.95)),
            say(&[late], Some(1.0), Some(1.0)),
            say(&[route, failing()], Some(0.0), None),
            say(&[failing(), failing(), failing()], Some(0.1), Some(0.05)),
        ]
        .into_iter()
        .map(|(mood, text)| format!("{}: {text}", mood.name()))
        .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        idle: Nothing is wrong that Seawall knows of: no request in the last minute.
        well: All is well: every request of the last minute was answered at once.
        well: All is well: 97.9 % of first attempts are answered, and with Seawall's retries 100 % of requests.
        noisy: Upstreams fail now and then, too seldom for an incident: 91 % of first attempts are answered, with Seawall's retries 98 % of requests.
        noisy: Upstreams answer, and yet only 90 % of requests end well: the latest failures say why.
        held: It is not your code: gpt-4o at openai has been failing since 06:30:00 UTC (4 min), 37 of 100 first attempts; Seawall retries, and 99.97 % of requests are answered.
        outage: It is not your code: gpt-4o at openai has been failing since 06:30:00 UTC (4 min), 37 of 100 first attempts; Seawall retries what it can: 84 % of requests are answered, without it 63 %.
        outage: It is not your code: gpt-4o at openai has been failing since 06:30:00 UTC (4 min), 37 of 100 first attempts; retries do not help now, 0 % of requests are answered.
        held: It is not your code: gpt-4o at openai has been failing since 06:30:00 UTC (4 min), 37 of 100 first attempts; no request has ended in the last minute.
        held: It is not your code: gpt-4o at openai has been failing more often than usual since 06:30:00 UTC (4 min), 37 of 100 first attempts; Seawall retries, and 100 % of requests are answered.
        held: It is not your code: openai has been answering later than usual since 06:30:00 UTC (4 min); nothing is lost, 100 % of requests are answered.
        outage: It is not your code: route chat has been failing since 06:30:00 UTC (4 min), 37 of 100 first attempts; retries do not help now, 0 % of requests are answered. One more incident is open.
        outage: It is not your code: gpt-4o at openai has been failing since 06:30:00 UTC (4 min), 37 of 100 first attempts; Seawall retries what it can: 10 % of requests are answered, without it 5 %. 2 more incidents are open.
        ");
    }

    #[test]
    fn what_shuts_down_says_so_before_all_else() {
        let situation = Situation { is_draining: true, incidents: vec![failing()], ..Situation::default() };
        assert_eq!(headline(&situation).0, Mood::Draining);
    }

    #[test]
    fn a_critical_incident_is_told_before_an_older_one() {
        let critical = Open { severity: "critical", model: Some("o3"), since: SINCE + 60_000_000, ..failing() };
        let (_, text) = say(&[failing(), critical], Some(0.0), Some(0.0));
        assert!(text.contains("o3 at openai") && text.contains("One more incident is open."), "{text}");
        let older = Open { model: Some("o1"), since: SINCE - 1, ..failing() };
        let (_, text) = say(&[failing(), older], Some(0.0), Some(0.0));
        assert!(text.contains("o1 at openai"), "{text}");
    }

    #[test]
    fn no_share_is_rounded_up_to_all() {
        assert_eq!(
            [0.0, 0.5, 0.9999, 0.999_999, 1.0, 7.0].map(percent),
            ["0 %", "50 %", "99.99 %", "99.99 %", "100 %", "100 %"]
        );
    }

    #[test]
    fn a_hostile_name_is_inert_and_bounded() {
        let hostile = format!("\u{1b}[2J\r\n\u{202e}{}", "x".repeat(10_000));
        let open = Open { upstream: Some(&hostile), model: Some(&hostile), ..failing() };
        let (_, text) = say(&[open], Some(0.5), Some(0.2));
        assert!(!text.chars().any(is_active), "{text}");
        assert!(text.chars().count() < 400, "{text}");
    }

    #[test]
    fn every_mood_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Mood::ALL.iter().map(|mood| mood.name()).collect();
        assert_eq!(words.len(), Mood::ALL.len());
    }
}
