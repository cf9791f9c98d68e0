//! Every way a server says "wait": headers in three spellings, and sentences.
//!
//! Clients disagree about nearly every odd value (an ISO date read as 2,026 seconds, `inf` as one
//! millisecond), so only what is plain counts: a positive, finite number, or one of the three date
//! forms of RFC 9110 that lies in the future. Everything else is as good as absent: the backoff
//! goes on by itself, and a broken header can neither stall a request nor hurry it.

use std::time::Duration;

use http::HeaderMap;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The longest wait that is told apart: a longer one is cut to this. Nobody waits for either.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest header value that is looked at, in bytes. The longest date has 33.
pub const VALUE_BYTES_MAX: usize = 64;

/// The headers, in the order of their authority, and how many of their units make a second. Azure
/// sends two at once and asks that the one in milliseconds be followed.
const HEADERS: [(&str, f64); 3] = [("retry-after-ms", 1000.0), ("x-ms-retry-after-ms", 1000.0), ("retry-after", 1.0)];

/// The wait that the headers ask for: positive, at most [`WAIT_MAX`].
///
/// `now_unix` is in seconds. A header that cannot be read, or says nothing (zero, negative, a
/// past date), gives way to the next.
#[must_use]
pub fn in_headers(headers: &HeaderMap, now_unix: i64) -> Option<Duration> {
    HEADERS.iter().find_map(|&(name, per_second)| {
        let value = headers.get(name)?.to_str().ok()?.trim();
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let date = || if per_second == 1.0 { until(value, now_unix) } else { None };
        value.parse().ok().and_then(|number: f64| seconds(number / per_second)).or_else(date)
    })
}

/// The wait that an error message asks for in words: "try again in 6m0s", "retry after 6 seconds".
///
/// Positive, at most [`WAIT_MAX`].
#[must_use]
pub fn in_words(message: &str) -> Option<Duration> {
    const MARKS: [&str; 3] = ["try again in ", "retry after ", "retry in "];
    let lower = message.to_ascii_lowercase();
    MARKS.iter().find_map(|mark| lower.match_indices(mark).find_map(|(at, _)| span(&lower[at + mark.len()..])))
}

/// The duration that `text` begins with: numbers, each with a unit, as in `1h2m3.5s`, `350ms`,
/// `6 seconds`. `None` unless it is positive.
#[must_use]
pub fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while let Some((amount, after)) = number(rest) {
        let after = after.trim_start_matches(' ');
        let unit = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        total += match &after[..unit] {
            "h" | "hour" | "hours" => amount * 3600.0,
            "m" | "min" | "minute" | "minutes" => amount * 60.0,
            "s" | "sec" | "second" | "seconds" => amount,
            "ms" | "millisecond" | "milliseconds" => amount / 1000.0,
            _ => break,
        };
        rest = &after[unit..];
    }
    seconds(total)
}

/// The moment of an HTTP date, in seconds since the Unix epoch.
///
/// All three forms of RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94
/// 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. The name of the day is not checked.
#[must_use]
pub fn date(value: &str, now_unix: i64) -> Option<i64> {
    let mut parts = [""; 6];
    let mut count = 0;
    for part in value.split([' ', '-', ',']).filter(|part| !part.is_empty()) {
        *parts.get_mut(count)? = part;
        count += 1;
    }
    let (day, month, year, clock) = match (count, parts) {
        (6, [_, day, month, year, clock, "GMT" | "UTC"]) => (day, month, year, clock),
        (5, [_, month, day, clock, year, _]) => (day, month, year, clock),
        _ => return None,
    };
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == month)?;
    let mut clock = clock.splitn(3, ':').map(digits);
    let mut next = || clock.next().flatten();
    let (hour, minute, second) = (next()?, next()?, next()?);
    let at = |year: i16| {
        // A leap second is the last one of its minute.
        let second = second.min(59);
        let month = i8::try_from(month).ok()? + 1;
        let moment = DateTime::new(year, month, digits(day)?, hour, minute, second, 0).ok()?;
        Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
    };
    match year.len() {
        4 => at(year.parse().ok()?),
        // RFC 9110: two digits that seem to be more than 50 years ahead are in the past.
        2 => {
            let short = i16::from(digits(year)?);
            let ahead = at(2000 + short)?;
            if ahead.saturating_sub(now_unix) > 50 * 366 * 86_400 { at(1900 + short) } else { Some(ahead) }
        }
        _ => None,
    }
}

/// How long it is until the date `value`.
fn until(value: &str, now_unix: i64) -> Option<Duration> {
    let ahead = date(value, now_unix)?.checked_sub(now_unix)?;
    let ahead = u64::try_from(ahead).ok().filter(|ahead| *ahead > 0)?;
    Some(Duration::from_secs(ahead).min(WAIT_MAX))
}

/// A number of seconds as a wait. Neither zero, negative, infinite nor not-a-number is one.
fn seconds(number: f64) -> Option<Duration> {
    if !number.is_finite() || number <= 0.0 {
        return None;
    }
    let wait = Duration::from_secs_f64(number.min(WAIT_MAX.as_secs_f64()));
    (!wait.is_zero()).then_some(wait)
}

/// A plain decimal number that `text` begins with, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    // "in 6." ends a sentence, not a fraction.
    let digits = text[..end].trim_end_matches('.');
    (digits.len() <= VALUE_BYTES_MAX).then_some(())?;
    Some((digits.parse().ok()?, &text[digits.len()..]))
}

/// One or two digits.
fn digits(text: &str) -> Option<i8> {
    let plain = matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// 2026-11-22 12:00:00 UTC, a Sunday.
    const NOW: i64 = 1_795_348_800;

    fn wait(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        in_headers(&map, NOW)
    }

    fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn every_plain_value_is_read_and_every_odd_one_is_absent() {
        let table = [
            ("1", ms(1000)),
            ("2", ms(2000)),
            ("0.5", ms(500)),
            ("+1", ms(1000)),
            ("1e0", ms(1000)),
            ("  1  ", ms(1000)),
            ("59.9", ms(59_900)),
            ("61", ms(61_000)),
            ("120.001", ms(120_001)),
            ("3600", ms(3_600_000)),
            ("999999", Some(WAIT_MAX)),
            ("1e300", Some(WAIT_MAX)),
            ("0", None),
            ("-1", None),
            ("-0", None),
            ("1e-300", None),
            ("1e400", None),
            ("inf", None),
            ("Infinity", None),
            ("-inf", None),
            ("NaN", None),
            ("abc", None),
            ("", None),
            ("2 seconds", None),
            ("1, 3", None),
            ("0x2", None),
            ("1_0", None),
            ("Sun, 22 Nov 2026 12:00:03 GMT", ms(3000)),
            ("Sunday, 22-Nov-26 12:00:03 GMT", ms(3000)),
            ("Sun Nov 22 12:00:03 2026", ms(3000)),
            ("Sun, 22 Nov 2026 12:03:20 GMT", ms(200_000)),
            ("Mon, 22 Nov 2027 12:00:00 GMT", Some(WAIT_MAX)),
            ("Tue Dec  1 12:00:00 2026", Some(WAIT_MAX)),
            ("Sun, 22 Nov 2026 12:00:00 GMT", None),
            ("Sun, 22 Nov 2026 11:59:59 GMT", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 22 Nov 2026 12:00:03 CET", None),
            ("Sun, 22 Nov 2026 12:00:03", None),
            ("Sun, 31 Feb 2027 12:00:03 GMT", None),
            ("Sun, 22 Nov 2026 24:00:03 GMT", None),
            ("2026-11-22T12:00:03Z", None),
        ];
        for (value, expected) in table {
            assert_eq!(wait(&[("retry-after", value)]), expected, "retry-after: {value}");
        }
    }

    #[test]
    fn milliseconds_come_first_and_give_way_when_they_say_nothing() {
        assert_eq!(wait(&[("retry-after-ms", "300")]), ms(300));
        assert_eq!(wait(&[("retry-after-ms", "300"), ("retry-after", "5")]), ms(300));
        assert_eq!(wait(&[("retry-after-ms", "5"), ("retry-after", "999")]), ms(5));
        assert_eq!(wait(&[("retry-after-ms", "61000")]), ms(61_000));
        assert_eq!(wait(&[("x-ms-retry-after-ms", "700"), ("retry-after", "5")]), ms(700));
        assert_eq!(wait(&[("retry-after-ms", "9"), ("x-ms-retry-after-ms", "700")]), ms(9));
        for nothing in ["0", "abc", "-5", "NaN", "Sun, 22 Nov 2026 12:00:03 GMT"] {
            assert_eq!(wait(&[("retry-after-ms", nothing), ("retry-after", "1")]), ms(1000), "{nothing}");
        }
    }

    #[test]
    fn the_reset_headers_are_no_wish_to_wait() {
        assert_eq!(wait(&[("x-ratelimit-reset-requests", "3s"), ("x-ratelimit-reset-tokens", "4ms")]), None);
    }

    #[test]
    fn a_value_is_read_up_to_its_limit() {
        let at = format!("{:0>VALUE_BYTES_MAX$}", 7);
        assert_eq!(wait(&[("retry-after", &at)]), ms(7000));
        assert_eq!(wait(&[("retry-after", &format!("0{at}"))]), None);
    }

    #[test]
    fn the_wait_is_found_in_a_sentence() {
        let table = [
            ("Rate limit reached for gpt-4 on tokens per min. Please try again in 41.724s. Visit x", ms(41_724)),
            ("Please try again in 6m0s.", ms(360_000)),
            ("Please try again in 350ms.", ms(350)),
            ("Please try again in 1h2m3s", ms(3_723_000)),
            ("Please retry after 6 seconds.", ms(6000)),
            ("Rate limit is exceeded. Try again in 1 seconds.", ms(1000)),
            ("Please retry in 37.193823s.", Some(Duration::from_micros(37_193_823))),
            ("Please try again in 12 minutes and 3 seconds", ms(720_000)),
            ("Please try again in 20.", None),
            ("Please try again in a moment.", None),
            ("Please try again in -3s.", None),
            ("Please try again in 0s.", None),
            ("The server is overloaded. Please try again later.", None),
            ("Please try again in 99999999999999999999h", Some(WAIT_MAX)),
            ("try again in \u{0130}5s", None),
            ("", None),
        ];
        for (message, expected) in table {
            assert_eq!(in_words(message), expected, "{message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_a_wait_out_of_bounds(value in "\\PC{0,80}", number in proptest::num::f64::ANY, now in proptest::num::i64::ANY) {
            for value in [value.clone(), number.to_string(), format!("try again in {value}"), format!("Sun, {value} GMT")] {
                if let Ok(header) = HeaderValue::from_str(&value) {
                    let map = HeaderMap::from_iter([(http::header::RETRY_AFTER, header)]);
                    proptest::prop_assert!(in_headers(&map, now).is_none_or(|wait| !wait.is_zero() && wait <= WAIT_MAX));
                }
                proptest::prop_assert!(in_words(&value).is_none_or(|wait| !wait.is_zero() && wait <= WAIT_MAX));
            }
        }
    }
}
