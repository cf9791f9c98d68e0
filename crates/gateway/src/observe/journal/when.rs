//! A moment as people say it: `1h` ago, or RFC 3339.

use std::time::Duration;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in microseconds since the Unix epoch; in JSON RFC 3339, as every time of the record is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&rfc3339(self.0))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(from)?;
        let time: Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Moment(time.as_microsecond()))
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A moment on the command line: so long ago, or exactly then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// `30m`, `1h`, `7d`: before now.
    Ago(Duration),
    /// `2026-11-23T06:30:00Z`, in microseconds since the Unix epoch.
    At(i64),
}

impl When {
    /// The moment in microseconds since the Unix epoch, if it is `now` now.
    pub(crate) fn unix_micros(self, now: i64) -> i64 {
        match self {
            When::At(at) => at,
            When::Ago(ago) => now.saturating_sub(i64::try_from(ago.as_micros()).unwrap_or(i64::MAX)),
        }
    }
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(When::At(at.as_microsecond()));
        }
        parse_span(text)
            .map(When::Ago)
            .ok_or_else(|| "neither a span like 90s, 30m, 1h, 7d, 2w nor a time like 2026-11-23T06:30:00Z".to_owned())
    }
}

/// A moment in few columns, for a table on a screen: `11-23 06:30:02`.
pub(crate) fn brief(micros: i64) -> String {
    let text = rfc3339(micros);
    match (text.get(5..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text,
    }
}

/// Whole numbers, each with its unit: `1h30m`.
fn parse_span(text: &str) -> Option<Duration> {
    let mut seconds = 0u64;
    let mut number: Option<u64> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        seconds = seconds.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    (number.is_none() && !text.is_empty()).then(|| Duration::from_secs(seconds))
}

/// RFC 3339 in UTC with milliseconds, the way every time of the record is told.
pub(crate) fn rfc3339(unix_micros: i64) -> String {
    let whole = unix_micros.div_euclid(1_000) * 1_000;
    match Timestamp::from_microsecond(whole) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => unix_micros.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_numbers_with_units() {
        let span = |text: &str| text.parse::<When>().ok();
        let ago = |seconds| Some(When::Ago(Duration::from_secs(seconds)));
        assert_eq!(span("90s"), ago(90));
        assert_eq!(span("30m"), ago(1_800));
        assert_eq!(span("1h30m"), ago(5_400));
        assert_eq!(span("7d"), ago(604_800));
        assert_eq!(span("2w"), ago(1_209_600));
        for nonsense in ["", "1", "h", "1y", "1h30", "-1h", "1.5h", "99999999999999999999s", "yesterday"] {
            assert_eq!(span(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_exact_time_may_have_any_offset() {
        let at = Ok(When::At(1_795_415_400_000_000));
        assert_eq!("2026-11-23T06:30:00Z".parse(), at);
        assert_eq!("2026-11-23T07:30:00+01:00".parse(), at);
    }

    #[test]
    fn a_moment_is_read_back_as_it_was_told() {
        let moment = Moment(1_795_415_400_123_000);
        let told = serde_json::to_string(&moment).unwrap();
        assert_eq!(serde_json::from_str::<Moment>(&told).unwrap(), moment);
        assert!(serde_json::from_str::<Moment>("\"yesterday\"").is_err());
    }

    #[test]
    fn a_time_is_told_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(1_795_415_400_123_999), "2026-11-23T06:30:00.123Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }
}
