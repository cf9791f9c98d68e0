//! `/api/v1/failures`: failed attempts on record, the newest first, a page at a time; and
//! `/api/v1/requests/ID`: a request, attempt by attempt. The objects are those of `seawall failures --json` and `seawall show --json`.

use schemars::JsonSchema;
use seawall_core::verdict::Class;
use serde::Serialize;

use super::query::pairs;
use crate::observe::journal::fingerprint;
use crate::observe::journal::read::{Filter, Place, ReadError, Reader};
use crate::observe::journal::row::{AttemptRow, RequestRow};
use crate::observe::journal::when::When;

/// Rows of a page, unless `limit` says otherwise.
const LIMIT: usize = 100;
/// The most rows of a page: some 1 KiB each.
const LIMIT_MAX: usize = 1_000;
/// Bytes of a value: no name or id on record is longer.
const VALUE_BYTES_MAX: usize = 512;

/// A page of failed attempts.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Failures {
    /// The attempts, the newest first.
    pub(super) failures: Vec<AttemptRow>,
    /// What to give as `after` for the next page; `null` if this is the last.
    pub(super) next: Option<String>,
}

/// The requests with one id.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Requests {
    /// The requests, the newest first: one, unless a caller sent its own id several times.
    pub(super) requests: Vec<RequestRow>,
    /// Whether there are more than these.
    pub(super) more: bool,
}

/// A parameter that is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Which; `None` if there is none of this name.
    pub(super) parameter: String,
    /// What is wrong with it.
    pub(super) why: String,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    filter: Filter,
    limit: usize,
    after: Place,
}

/// The parameters that say which attempts, with what each means.
pub(super) const FILTERS: [(&str, &str); 9] = [
    ("since", "Only attempts begun since then: `30m`, `1h`, `7d`, or `2026-11-23T06:30:00Z`."),
    ("until", "Only attempts begun before then."),
    ("model", "Only attempts for this model."),
    ("status", "Only attempts with this status: `503`, or `5xx`."),
    ("class", "Only attempts that ended in this class. Without it: in any but `ok`."),
    ("upstream", "Only attempts at this upstream."),
    ("request_id", "Only attempts with this id: Seawall's, the upstream's or the client's."),
    ("incident", "Only attempts that are part of this incident."),
    ("group", "Only attempts of this kind: `group` of a group."),
];

/// The parameters of a page of failures beside those.
pub(super) const PARAMETERS: [(&str, &str); 2] = [
    ("limit", "At most so many: 100 without it, 1000 at most."),
    ("after", "The page after this one: `next` of the answer before."),
];

impl Asked {
    /// What `query` asks for, if it is `now` now.
    pub(super) fn of(query: Option<&str>, now: i64) -> Result<Asked, Bad> {
        let mut asked = Asked { filter: Filter::default(), limit: LIMIT, after: Place::NEWEST };
        let Asked { filter, limit, after } = &mut asked;
        read(query, now, filter, &PARAMETERS, |name, value| {
            match name {
                "limit" => *limit = number(value, LIMIT_MAX)?,
                _ => *after = Place::from_text(value).ok_or("not what `next` of an answer said")?,
            }
            Ok(())
        })?;
        Ok(asked)
    }

    /// The page. Blocks for the time that a read takes.
    pub(super) fn read(&self, reader: &Reader) -> Result<Failures, ReadError> {
        let mut failures = reader.attempts(&self.filter, self.after, self.limit + 1)?;
        let is_last = failures.len() <= self.limit;
        failures.truncate(self.limit);
        let next = failures.last().filter(|_| !is_last).map(|last| Place::of(last).to_text());
        Ok(Failures { failures, next })
    }
}

/// Takes a query in: what says which attempts goes to `filter`, what is named in `own` to `take`.
pub(super) fn read(
    query: Option<&str>,
    now: i64,
    filter: &mut Filter,
    own: &[(&str, &str)],
    mut take: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), Bad> {
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in pairs(query) {
        let bad = |why: String| Err(Bad { parameter: name.clone(), why });
        if seen.contains(&name) {
            return bad("it is given twice".to_owned());
        }
        if value.is_empty() || value.len() > VALUE_BYTES_MAX {
            return bad(format!("a value of 1 to {VALUE_BYTES_MAX} bytes is wanted"));
        }
        let taken = if own.iter().any(|(own, _)| *own == name) {
            take(&name, &value)
        } else if FILTERS.iter().any(|(filter, _)| *filter == name) {
            narrow(filter, &name, &value, now)
        } else {
            let known: Vec<&str> = FILTERS.iter().chain(own).map(|(name, _)| *name).collect();
            Err(format!("no such parameter; there are {}", known.join(" ")))
        };
        if let Err(why) = taken {
            return bad(why);
        }
        seen.push(name);
    }
    Ok(())
}

/// One of [`FILTERS`].
fn narrow(filter: &mut Filter, name: &str, value: &str, now: i64) -> Result<(), String> {
    let text = || Some(value.to_owned());
    let when = || Ok::<_, String>(Some(value.parse::<When>()?.unix_micros(now)));
    match name {
        "since" => filter.since = when()?,
        "until" => filter.until = when()?,
        "model" => filter.model = text(),
        "status" => filter.status = Some(Filter::parse_status(value)?),
        "class" if Class::from_name(value).is_some() => filter.class = text(),
        "class" => {
            let known: Vec<&str> = Class::ALL.iter().map(|class| class.name()).collect();
            return Err(format!("no such class; there are {}", known.join(" ")));
        }
        "upstream" => filter.upstream = text(),
        "request_id" => filter.request_id = text(),
        "incident" => filter.incident = text(),
        _ if fingerprint::is_id(value) => filter.group = text(),
        _ => return Err("the `group` of a group is wanted: 12 hexadecimal digits".to_owned()),
    }
    Ok(())
}

/// A number from 1 to `max`.
pub(super) fn number(value: &str, max: usize) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {max} is wanted"))
}

impl Requests {
    /// Those with this id. Blocks for the time that a read takes.
    pub(super) fn read(reader: &Reader, id: &str) -> Result<Requests, ReadError> {
        let (requests, more) = reader.newest_requests(id)?;
        Ok(Requests { requests, more })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use seawall_core::incident::Id;
    use serde_json::json;

    use super::*;
    use crate::observe::journal::samples::{attempt, open, request, settled};

    fn id(n: i64) -> Id {
        serde_json::from_value(json!(format!("inc_{n:016x}"))).unwrap()
    }

    /// A journal with so many failed attempts.
    fn filled(dir: &Path, attempts: i64) -> Reader {
        let path = dir.join("journal.db");
        let journal = open(&path);
        for n in 0..attempts {
            // Several begin in the same microsecond.
            let mut tried = attempt(1);
            tried.began_unix_micros = request(0).began_unix_micros + n / 7;
            let incident = (n % 2 == 0).then(|| id(n % 4));
            journal.attempt_of(&request(n), tried, incident.as_ref());
            if n % 500 == 0 {
                settled(&journal, &request(n));
            }
        }
        settled(&journal, &request(attempts));
        Reader::open(&path).unwrap().unwrap()
    }

    #[test]
    fn pages_come_to_an_end_and_tell_every_attempt_once() {
        let dir = tempfile::tempdir().unwrap();
        let reader = filled(dir.path(), 620);
        let (mut after, mut ids, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let asked = Asked::of(Some(&format!("limit=100{after}")), 0).unwrap();
            let Failures { failures, next } = asked.read(&reader).unwrap();
            ids.extend(failures.into_iter().map(|row| row.request_id));
            pages += 1;
            match next {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let told = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((pages, told, ids.len()), (7, 620, 620));
        let all = Asked::of(Some("limit=620"), 0).unwrap().read(&reader).unwrap();
        assert_eq!((all.failures.len(), all.next), (620, None), "a page that is just full is the last");
    }

    #[test]
    fn an_incident_has_its_own_attempts() {
        let dir = tempfile::tempdir().unwrap();
        let reader = filled(dir.path(), 40);
        let id = id(2);
        let found = Asked::of(Some(&format!("incident={id}")), 0).unwrap().read(&reader).unwrap().failures;
        assert_eq!(found.len(), 10);
        assert!(found.iter().all(|row| row.incident.as_deref() == Some(id.as_str())));
    }

    #[test]
    fn every_bad_parameter_is_named_with_what_is_wrong() {
        let long = format!("model={}", "m".repeat(VALUE_BYTES_MAX + 1));
        for (query, parameter, part) in [
            ("since=yesterday", "since", "neither a span"),
            ("until=", "until", "1 to 512 bytes"),
            (long.as_str(), "model", "1 to 512 bytes"),
            ("status=abc", "status", "5xx"),
            ("class=nonsense", "class", "there are ok not_sent"),
            ("limit=0", "limit", "1 to 1000"),
            ("limit=1001", "limit", "1 to 1000"),
            ("limit=-1", "limit", "1 to 1000"),
            ("after=xyz", "after", "next"),
            ("group=all", "group", "12 hexadecimal digits"),
            ("model=a&model=b", "model", "twice"),
            ("modell=a", "modell", "there are since until"),
        ] {
            let bad = Asked::of(Some(query), 0).unwrap_err();
            assert_eq!(bad.parameter, parameter, "{query}");
            assert!(bad.why.contains(part), "{query}: {}", bad.why);
        }
        assert!(Asked::of(Some("limit=1000&status=5xx&class=ok&since=1h"), 0).is_ok());
    }

    #[test]
    fn every_parameter_that_is_described_is_taken() {
        for (name, _) in FILTERS.into_iter().chain(PARAMETERS) {
            let value = match name {
                "since" | "until" => "1h",
                "status" => "5xx",
                "class" => "overloaded",
                "group" => "0123456789ab",
                "limit" => "1",
                "after" => &Place::NEWEST.to_text(),
                _ => "x",
            };
            assert!(Asked::of(Some(&format!("{name}={value}")), 0).is_ok(), "{name}");
        }
    }
}
