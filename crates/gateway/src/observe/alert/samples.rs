//! Notices to test with: an ordinary one, and ones in which every text is hostile.

use std::sync::Arc;

use seawall_core::incident::{
    Beside, Close, Counts, Difference, Dimension, Event, Kind, Rule, Scope, Severity, Trait, What,
};
use seawall_core::time::Time;

use super::{Links, Notice, PageSays};

/// 2026-11-28T01:00:00Z, in microseconds.
pub(crate) const SINCE: u64 = 1_795_827_600_000_000;
/// What every word is that incidents have.
pub(crate) const WORDS: [What; 4] = [What::Opened, What::Reminder, What::Unknown, What::Resolved];
/// Texts that some sink would obey.
pub(crate) const HOSTILE: [&str; 12] = [
    "<!channel>",
    "<!here|x> @channel @everyone",
    "<@U012AB3CD> <#C123>",
    "<https://evil.example|click>",
    "https://evil.example/x",
    "`*_~ bold ~_*`\n> quote",
    "&lt;!channel&gt; &amp;",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a\r\nhost: evil\r\n\r\n{}",
    "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}desrever\u{200b}",
    "{{ .Labels }} {% raw %} ${HOME}",
    "=cmd|' /C calc'!A0\",\"routing_key\":\"x",
];

pub(crate) fn event(id: &str, what: What, severity: Severity) -> Event {
    Event {
        what,
        at: Time::from_micros(SINCE + 23 * 60_000_000),
        id: serde_json::from_value(id.into()).unwrap(),
        kind: Kind::Failures,
        scope: Scope::upstream("openai", Some("gpt-4o")),
        rule: Rule::Rate,
        severity,
        since: Time::from_micros(SINCE),
        window: Counts { failed: 26, of: 45 },
        whole: Counts { failed: 120, of: 300 },
        flaps: 1,
        samples: vec!["sw_1".into(), "sw_2".into()],
        under: None,
        close: (what == What::Resolved).then_some(Close::Recovered),
    }
}

pub(crate) fn told(id: &str, what: What, severity: Severity) -> Arc<Notice> {
    Arc::new(Notice::new(event(id, what, severity), Vec::new(), None))
}

pub(crate) fn difference(value: &str) -> Difference {
    let traits = vec![
        Trait { dimension: Dimension::Key, value: value.into() },
        Trait { dimension: Dimension::Size, value: "100000".into() },
    ];
    Difference { traits, failed: 94, failed_of: 100, answered: 3, answered_of: 100, beside: Beside::During }
}

/// An ordinary notice with everything in it.
pub(crate) fn full(what: What) -> Notice {
    let says = PageSays { url: "https://status.example".into(), says: "Elevated error rates: investigating".into() };
    Notice::new(event("inc_0123456789abcdef", what, Severity::Critical), vec![difference("batch")], Some(says))
}

/// One in which every text that comes from outside is `text`, as often as it can be.
pub(crate) fn hostile(text: &str, what: What, is_route: bool) -> Notice {
    let long = text.repeat(20);
    let scope = if is_route {
        Scope::Route { route: long.clone() }
    } else {
        Scope::Upstream { upstream: long.clone(), model: long.clone() }
    };
    let event = Event { scope, samples: vec![long.clone(); 9], ..event(text, what, Severity::Critical) };
    let says = PageSays { url: long.clone(), says: long.clone() };
    Notice::new(event, vec![difference(&long); 9], Some(says))
}

pub(crate) fn links() -> Links {
    Links { admin: Some("http://127.0.0.1:7501".into()) }
}
