//! Numbers and times, as a page says them.

use jiff::Timestamp;

use crate::observe::journal::when::rfc3339;

pub(super) use crate::observe::journal::plain::millis;

/// A moment, for machines and for people: RFC 3339, and how long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Time {
    /// RFC 3339.
    pub(super) exact: String,
    /// `14:03:20`, and the date before it if it was not today, in UTC.
    pub(super) clock: String,
    /// `4 min ago`.
    pub(super) ago: String,
}

/// `at`, seen from `now`; both in microseconds since the Unix epoch.
pub(super) fn time(at: i64, now: i64) -> Time {
    let day = 86_400_000_000;
    let clock = if at.div_euclid(day) == now.div_euclid(day) { clock(at) } else { date_and_clock(at) };
    let ago = if at > now { "now".to_owned() } else { format!("{} ago", span(now - at)) };
    Time { exact: rfc3339(at), clock, ago }
}

/// `14:03:20`, in UTC.
pub(super) fn clock(at: i64) -> String {
    formatted(at, "%H:%M:%S")
}

fn date_and_clock(at: i64) -> String {
    formatted(at, "%Y-%m-%d %H:%M:%S")
}

fn formatted(at: i64, form: &str) -> String {
    Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |time| time.strftime(form).to_string())
}

/// `0 s`, `59 s`, `4 min`, `3 h 5 min`, `12 d`: of microseconds.
pub(super) fn span(micros: i64) -> String {
    let seconds = micros.max(0) / 1_000_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 if seconds % 3_600 < 60 => format!("{} h", seconds / 3_600),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `100 %`, `99.95 %`, `0 %`; `–` of nothing. Only all of something is 100 %, and only nothing of it is 0 %.
pub(super) fn percent(share: Option<f64>) -> String {
    let Some(share) = share else { return "–".to_owned() };
    let percent = share.clamp(0.0, 1.0) * 100.0;
    match percent {
        p if p >= 100.0 => "100 %".to_owned(),
        p if p > 99.99 => "> 99.99 %".to_owned(),
        p if p >= 99.0 => format!("{p:.2} %"),
        p if p > 0.1 => format!("{p:.1} %"),
        p if p > 0.0 => "< 0.1 %".to_owned(),
        _ => "0 %".to_owned(),
    }
}

/// `12 345`, with narrow spaces between thousands that do not break.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// `0.4`, `12`, `1 234`: so many a second.
pub(super) fn rate(n: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of requests")]
    match n {
        n if n <= 0.0 => "0".to_owned(),
        n if n < 10.0 => format!("{n:.1}"),
        n => count(n.round() as u64),
    }
}

/// `12.3 MiB`, `512 B`.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1_024 {
        return format!("{n} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut size = n as f64 / 1_024.0;
    let mut unit = 0;
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// One thing or several: `1 request`, `2 requests`.
pub(super) fn plural(n: u64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A sentence of ours as HTML: what stands between backticks is code.
pub(super) fn marked(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = escaped.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

/// `sw_0123…`: text in the path of an address, whatever is in it.
pub(super) fn segment(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_100_percent_and_only_none_is_0() {
        for (share, expected) in [
            (None, "–"),
            (Some(1.0), "100 %"),
            (Some(0.999_999), "> 99.99 %"),
            (Some(0.9995), "99.95 %"),
            (Some(0.5), "50.0 %"),
            (Some(0.000_1), "< 0.1 %"),
            (Some(0.0), "0 %"),
        ] {
            assert_eq!(percent(share), expected);
        }
    }

    #[test]
    fn a_moment_is_told_with_its_date_unless_it_was_today() {
        let now = 1_795_415_400_000_000;
        assert_eq!(time(now - 61_000_000, now).clock, "06:28:59");
        assert_eq!(time(now - 61_000_000, now).ago, "1 min ago");
        assert_eq!(time(now - 86_400_000_000, now).clock, "2026-11-22 06:30:00");
        assert_eq!(time(now + 5, now).ago, "now");
        let spans = [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_600, "1 h"), (11_100, "3 h 5 min"), (200_000, "2 d")];
        for (seconds, expected) in spans {
            assert_eq!(span(seconds * 1_000_000), expected);
        }
    }

    #[test]
    fn great_numbers_are_told_in_thousands() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!((plural(1, "request"), plural(2, "request")), ("1 request".into(), "2 requests".into()));
    }

    #[test]
    fn what_is_between_backticks_is_code_and_nothing_else_is_markup() {
        assert_eq!(marked("see `a <b>` & c"), "see <code>a &lt;b&gt;</code> &amp; c");
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("sw_0aF.-~"), "sw_0aF.-~");
        assert_eq!(segment("../a?b#c\"<é"), "..%2Fa%3Fb%23c%22%3C%C3%A9");
    }
}
