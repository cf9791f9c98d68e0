//! Failed attempts on record by kind: how many, since when, in which course, and one of them to look at.
//!
//! Rows are read once, the newest first, and nothing is kept of a row but what it adds to its group. What a journal
//! can make of that is bounded: [`ROWS_MAX`] rows, [`GROUPS_MAX`] groups; what lies beyond is counted, not hidden.

use std::collections::HashMap;
use std::ops::Range;

use rusqlite::Row;
use schemars::JsonSchema;
use serde::Serialize;

use super::fingerprint::{self, COLUMNS, Facts};
use super::when::Moment;

/// Rows that are read: the newest. So many with 50 kinds among them took 0.9 s, measured on two busy cores: a fifth of
/// the time that an operator's read has.
pub(crate) const ROWS_MAX: usize = 200_000;
/// Groups that are told apart, the first met. Each takes some 1 KiB.
pub(crate) const GROUPS_MAX: usize = 2_000;
/// Stretches of time that a spark has.
pub(crate) const BUCKETS_MAX: usize = 200;

/// Failed attempts of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Group {
    /// Its id: equal wherever the same kind of failure is on record.
    pub(crate) group: String,
    /// How many attempts.
    pub(crate) count: u64,
    /// When the first of them began.
    pub(crate) first: Moment,
    /// When the last of them began.
    pub(crate) last: Moment,
    /// How many began in each of so many equal stretches of the whole span, the oldest first.
    pub(crate) spark: Vec<u64>,
    /// The upstream's name.
    pub(crate) upstream: String,
    /// The operation's name.
    pub(crate) endpoint: String,
    /// The model asked for.
    pub(crate) model: Option<String>,
    /// The status received, if a head came.
    pub(crate) status: Option<u16>,
    /// What they ended in.
    pub(crate) class: String,
    /// What went wrong on the wire, if something did.
    pub(crate) fault: Option<String>,
    /// `error.type` as sent.
    pub(crate) error_type: Option<String>,
    /// `error.code` as sent.
    pub(crate) error_code: Option<String>,
    /// `error.message`, with `#` in place of what differs within the group.
    pub(crate) pattern: Option<String>,
    /// The message of the last of them, redacted.
    pub(crate) message: Option<String>,
    /// Seawall's id of the request that the last of them belongs to.
    pub(crate) request_id: String,
}

/// All kinds of failures in a span of time.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Groups {
    /// The groups, in the order that was asked for.
    pub(crate) groups: Vec<Group>,
    /// How many attempts were looked at: the newest.
    pub(crate) attempts: u64,
    /// Whether these are all that fit.
    pub(crate) complete: bool,
    /// How many of them belong to groups that are not listed.
    pub(crate) unlisted: u64,
}

/// In which order groups are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// The largest first.
    #[default]
    Count,
    /// The one that happened last first.
    Last,
}

impl Order {
    /// The order of this name.
    pub(crate) fn from_name(name: &str) -> Option<Order> {
        match name {
            "count" => Some(Order::Count),
            "last" => Some(Order::Last),
            _ => None,
        }
    }
}

/// Groups while rows are read.
#[derive(Debug)]
pub(super) struct Gathering {
    span: Range<i64>,
    buckets: usize,
    groups: HashMap<String, Group>,
    key: String,
    /// Rows that may still be read.
    left: usize,
    read: u64,
    complete: bool,
    unlisted: u64,
}

impl Gathering {
    /// Of a span in microseconds since the Unix epoch, its end excluded, and its course in so many parts.
    pub(super) fn new(span: Range<i64>, buckets: usize) -> Gathering {
        let buckets = buckets.clamp(1, BUCKETS_MAX);
        Gathering {
            span,
            buckets,
            groups: HashMap::new(),
            key: String::new(),
            left: ROWS_MAX,
            read: 0,
            complete: true,
            unlisted: 0,
        }
    }

    /// How many rows a statement may give: one more than will be read.
    pub(super) fn limit(&self) -> i64 {
        i64::try_from(self.left).unwrap_or(i64::MAX - 1) + 1
    }

    /// Takes in one row: the columns of a fingerprint, then `began` and `request`.
    pub(super) fn take(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            self.complete = false;
            return Ok(());
        };
        (self.left, self.read) = (left, self.read + 1);
        let (facts, began) = (Facts::read(row), row.get(COLUMNS)?);
        facts.write_key(&mut self.key);
        let bucket = bucket(&self.span, self.buckets, began);
        let request = row.get_ref(COLUMNS + 1)?.as_str()?;
        if let Some(group) = self.groups.get_mut(&self.key) {
            group.add(began, bucket, facts.message, request);
        } else if self.groups.len() < GROUPS_MAX {
            let mut group = Group::of(fingerprint::id(&self.key), &facts, Moment(began), self.buckets);
            group.add(began, bucket, facts.message, request);
            self.groups.insert(self.key.clone(), group);
        } else {
            self.unlisted += 1;
        }
        Ok(())
    }

    /// What was found, at most `limit` groups of it.
    pub(super) fn finish(self, order: Order, limit: usize) -> Groups {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        let by_count = |group: &Group| (group.count, group.last.0);
        // The id makes the order the same each time.
        groups.sort_unstable_by(|a, b| {
            let by = match order {
                Order::Count => by_count(b).cmp(&by_count(a)),
                Order::Last => (b.last.0, b.count).cmp(&(a.last.0, a.count)),
            };
            by.then_with(|| a.group.cmp(&b.group))
        });
        let rest = groups.split_off(limit.min(groups.len()));
        let unlisted = self.unlisted + rest.iter().map(|group| group.count).sum::<u64>();
        Groups { groups, attempts: self.read, complete: self.complete, unlisted }
    }
}

impl Group {
    fn of(group: String, facts: &Facts<'_>, began: Moment, buckets: usize) -> Group {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Group {
            group,
            count: 0,
            first: began,
            last: Moment(i64::MIN),
            spark: vec![0; buckets],
            upstream: own(facts.upstream).unwrap_or_default(),
            endpoint: own(facts.endpoint).unwrap_or_default(),
            model: own(facts.model),
            status: facts.status.and_then(|status| u16::try_from(status).ok()),
            class: own(facts.class).unwrap_or_default(),
            fault: own(facts.fault),
            error_type: own(facts.error_type),
            error_code: own(facts.error_code),
            pattern: facts.message.map(fingerprint::pattern),
            message: None,
            request_id: String::new(),
        }
    }

    fn add(&mut self, began: i64, bucket: usize, message: Option<&str>, request: &str) {
        self.count += 1;
        if let Some(count) = self.spark.get_mut(bucket) {
            *count += 1;
        }
        self.first = self.first.min(Moment(began));
        if began > self.last.0 {
            self.last = Moment(began);
            self.message = message.map(str::to_owned);
            request.clone_into(&mut self.request_id);
        }
    }
}

/// In which of `buckets` equal parts of `span` this moment is.
fn bucket(span: &Range<i64>, buckets: usize, at: i64) -> usize {
    let (length, passed) = (i128::from(span.end) - i128::from(span.start), i128::from(at) - i128::from(span.start));
    let part = passed.max(0) * buckets as i128 / length.max(1);
    usize::try_from(part).unwrap_or(usize::MAX).min(buckets.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use seawall_core::event::{Attempt, Request};

    use super::super::read::{Filter, JournalArgs, Journals, Reader};
    use super::super::samples::{attempt, open, request, settled};
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// Keeps one attempt for each of `seconds` after the first request, changed by `change`.
    fn fill(path: &Path, seconds: &[i64], change: impl Fn(i64, &mut Request, &mut Attempt)) -> i64 {
        let journal = open(path);
        let began = request(0).began_unix_micros;
        for (n, &second) in seconds.iter().enumerate() {
            let n = i64::try_from(n).unwrap();
            let (mut asked, mut tried) = ((*request(n)).clone(), attempt(1));
            tried.began_unix_micros = began + second * SECOND;
            change(n, &mut asked, &mut tried);
            let asked = Arc::new(asked);
            journal.attempt(&asked, tried);
            settled(&journal, &asked);
        }
        began
    }

    fn reader(path: &Path) -> Reader {
        Reader::open(path).unwrap().unwrap()
    }

    fn all(reader: &Reader, span: Range<i64>) -> Groups {
        reader.groups(span, &Filter::default(), 4, Order::Count, GROUPS_MAX).unwrap()
    }

    #[test]
    fn failures_of_one_kind_are_one_group_with_its_course_and_its_last_request() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let began = fill(&path, &[0, 1, 2, 5, 7], |n, _, tried| {
            tried.message = Some(format!("The engine is overloaded (request id req_{n:032x})"));
            if n == 3 {
                tried.error_code = Some("other".to_owned());
            }
        });
        let found = all(&reader(&path), began..began + 8 * SECOND);
        assert_eq!((found.groups.len(), found.attempts, found.complete, found.unlisted), (2, 5, true, 0));
        let first = &found.groups[0];
        assert_eq!((first.count, first.spark.as_slice()), (4, &[2, 1, 0, 1][..]));
        assert_eq!((first.first, first.last), (Moment(began), Moment(began + 7 * SECOND)));
        assert_eq!(first.request_id, request(4).id);
        assert_eq!(first.pattern.as_deref(), Some("The engine is overloaded (request id #)"));
        assert!(first.message.as_deref().is_some_and(|message| message.ends_with("04)")), "{first:?}");
        assert_eq!(found.groups[1].error_code.as_deref(), Some("other"));
    }

    #[test]
    fn a_group_is_found_again_by_its_id_and_holds_what_it_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let began = fill(&path, &[0, 1, 2, 3], |n, _, tried| {
            tried.message = Some(format!("no. {n}"));
            if n == 0 {
                tried.upstream = "azure".to_owned();
            }
        });
        let reader = reader(&path);
        for group in all(&reader, began..i64::MAX).groups {
            let filter = Filter { group: Some(group.group.clone()), ..Filter::default() };
            assert_eq!(reader.count(&filter).unwrap(), group.count);
            let rows = reader.attempts(&filter, super::super::read::Place::NEWEST, 10).unwrap();
            assert!(rows.iter().all(|row| row.upstream == group.upstream) && rows.len() as u64 == group.count);
            assert_eq!(reader.groups(began..i64::MAX, &filter, 4, Order::Last, 9).unwrap().groups.len(), 1);
        }
        let nobodys = Filter { group: Some("000000000000".to_owned()), ..Filter::default() };
        assert_eq!(reader.count(&nobodys).unwrap(), 0);
    }

    #[test]
    fn the_largest_or_the_last_is_first_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let began = fill(&path, &[0, 1, 2, 3], |n, asked, _| {
            asked.model = Some(if n < 3 { "many" } else { "last" }.to_owned());
        });
        let reader = reader(&path);
        let of = |order| reader.groups(began..i64::MAX, &Filter::default(), 1, order, 1).unwrap();
        let model = |found: &Groups| found.groups[0].model.clone().unwrap();
        let (count, last) = (of(Order::Count), of(Order::Last));
        assert_eq!((model(&count).as_str(), count.unlisted), ("many", 1));
        assert_eq!((model(&last).as_str(), last.unlisted), ("last", 3));
    }

    #[test]
    fn the_end_of_a_span_is_not_in_it_and_filters_hold() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let began = fill(&path, &[0, 1, 2], |n, asked, _| asked.model = Some(format!("m{n}")));
        let reader = reader(&path);
        assert_eq!(all(&reader, began + SECOND..began + 2 * SECOND).attempts, 1);
        let filter = Filter { model: Some("m2".to_owned()), ..Filter::default() };
        assert_eq!(reader.groups(began..i64::MAX, &filter, 1, Order::Count, 9).unwrap().attempts, 1);
    }

    #[test]
    fn rows_and_groups_beyond_their_limits_are_said_and_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let began = fill(&path, &[0, 1, 2, 3], |_, _, _| {});
        let reader = reader(&path);
        for (left, complete) in [(4, true), (3, false)] {
            let mut gathering = Gathering::new(began..i64::MAX, 1);
            gathering.left = left;
            reader.gather(began..i64::MAX, &Filter::default(), &mut gathering).unwrap();
            let found = gathering.finish(Order::Count, 9);
            assert_eq!((found.attempts, found.complete), (left as u64, complete));
            assert_eq!(found.groups[0].last, Moment(began + 3 * SECOND), "the newest are read");
        }
        let mut gathering = Gathering::new(began..i64::MAX, 1);
        for n in 0..GROUPS_MAX {
            let text = format!("m{n}");
            let facts = Facts { model: Some(&text), ..NOTHING };
            let group = Group::of(String::new(), &facts, Moment(0), 1);
            gathering.groups.insert(text, group);
        }
        reader.gather(began..i64::MAX, &Filter::default(), &mut gathering).unwrap();
        assert_eq!((gathering.groups.len(), gathering.unlisted), (GROUPS_MAX, 4));
    }

    const NOTHING: Facts<'static> = Facts {
        upstream: None,
        endpoint: None,
        model: None,
        class: None,
        status: None,
        fault: None,
        error_type: None,
        error_code: None,
        message: None,
    };

    #[test]
    fn journals_of_several_files_are_one_group() {
        let dir = tempfile::tempdir().unwrap();
        let exec = dir.path().join(crate::data_dir::EXEC_DIR);
        std::fs::create_dir(&exec).unwrap();
        let began = fill(&dir.path().join(crate::data_dir::JOURNAL_FILE), &[0, 3], |_, _, _| {});
        fill(&exec.join("1.db"), &[1], |_, asked, _| asked.id = "sw_exec".to_owned());
        let journals = Journals::open(&JournalArgs::default(), Some(dir.path())).unwrap();
        let found = journals.groups(began..i64::MAX, &Filter::default(), 1, Order::Count, 9).unwrap();
        assert_eq!((found.groups.len(), found.groups[0].count), (1, 3));
        assert_eq!(found.groups[0].request_id, request(1).id, "the newest is shown");
    }

    #[test]
    fn a_moment_is_in_one_part_of_its_span() {
        for (at, expected) in [(10, 0), (12, 0), (13, 1), (19, 3), (20, 3), (9, 0), (i64::MAX, 3), (i64::MIN, 0)] {
            assert_eq!(bucket(&(10..20), 4, at), expected, "{at}");
        }
        assert_eq!(bucket(&(i64::MIN..i64::MAX), 200, i64::MAX - 1), 199);
        assert_eq!(bucket(&(5..5), 3, 5), 0, "an empty span");
    }
}
