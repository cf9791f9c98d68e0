//! `/api/v1/groups`: failed attempts on record by kind, with the course of each.

use std::ops::Range;

use super::failures::{Bad, number, read};
use crate::observe::journal::groups::{BUCKETS_MAX, GROUPS_MAX, Groups, Order};
use crate::observe::journal::read::{Filter, ReadError, Reader};

/// Without `since`: the last day.
const SPAN_MICROS: i64 = 24 * 3600 * 1_000_000;
/// Without `limit`.
const LIMIT: usize = 100;
/// Without `buckets`: of a day, an hour each.
const BUCKETS: usize = 24;

/// The parameters beside those that say which attempts.
pub(super) const PARAMETERS: [(&str, &str); 3] = [
    ("buckets", "In how many equal parts the course of each group is told: 24 without it, 200 at most."),
    ("sort", "`count`, the largest first, or `last`, the one that happened last first."),
    ("limit", "At most so many groups: 100 without it, 2000 at most."),
];

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    filter: Filter,
    span: Range<i64>,
    buckets: usize,
    order: Order,
    limit: usize,
}

impl Asked {
    /// What `query` asks for, if it is `now` now. Without `since` it is about the day before `until`, which is now
    /// unless it is given.
    pub(super) fn of(query: Option<&str>, now: i64) -> Result<Asked, Bad> {
        let mut filter = Filter::default();
        let (mut buckets, mut order, mut limit) = (BUCKETS, Order::default(), LIMIT);
        read(query, now, &mut filter, &PARAMETERS, |name, value| {
            match name {
                "buckets" => buckets = number(value, BUCKETS_MAX)?,
                "limit" => limit = number(value, GROUPS_MAX)?,
                _ => order = Order::from_name(value).ok_or("`count` or `last` is wanted")?,
            }
            Ok(())
        })?;
        // A moment that is just now is in the span.
        let end = filter.until.unwrap_or(now.saturating_add(1));
        let span = filter.since.unwrap_or(end.saturating_sub(SPAN_MICROS))..end;
        Ok(Asked { filter, span, buckets, order, limit })
    }

    /// The groups. Blocks for the time that a read takes.
    pub(super) fn read(self, reader: &Reader) -> Result<Groups, ReadError> {
        reader.groups(self.span, &self.filter, self.buckets, self.order, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_beginning_it_is_about_a_day() {
        let asked = |query| Asked::of(Some(query), SPAN_MICROS * 9).unwrap();
        assert_eq!(asked("").span, SPAN_MICROS * 8 + 1..SPAN_MICROS * 9 + 1);
        assert_eq!(asked("until=1d").span, SPAN_MICROS * 7..SPAN_MICROS * 8);
        assert_eq!(asked("since=2d").span, SPAN_MICROS * 7..SPAN_MICROS * 9 + 1);
    }

    #[test]
    fn every_bad_parameter_is_named_with_what_is_wrong() {
        for (query, parameter, part) in [
            ("buckets=0", "buckets", "1 to 200"),
            ("buckets=201", "buckets", "1 to 200"),
            ("sort=first", "sort", "`last`"),
            ("limit=2001", "limit", "1 to 2000"),
            ("after=1", "after", "there are since until"),
            ("status=abc", "status", "5xx"),
        ] {
            let bad = Asked::of(Some(query), 0).unwrap_err();
            assert_eq!(bad.parameter, parameter, "{query}");
            assert!(bad.why.contains(part), "{query}: {}", bad.why);
        }
        assert!(Asked::of(Some("buckets=200&sort=last&limit=2000&class=overloaded&group=0123456789ab"), 0).is_ok());
    }
}
