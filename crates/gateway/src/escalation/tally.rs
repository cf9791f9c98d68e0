//! What the failed attempts on record amount to, in one pass over them, the newest first.
//!
//! Rows are looked at and let go. What is kept has a bound: counts of names, numbers for the quantiles, and of
//! each kind, stretch and region one row that may become an example.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use seawall_core::request::Shape;
use seawall_core::verdict::{Class, Fault};

use super::document::Spread;
use super::examples::x_request_id;
use super::words::{NAMES_MAX, Names, message, name};
use crate::observe::journal::incidents::is_failure;
use crate::observe::journal::read::{Filter, Journals, ReadError};
use crate::observe::journal::row::AttemptRow;

/// Rows that are read, the newest: the whole process takes 32 MB for so many (measured).
pub(super) const ROWS_MAX: usize = 200_000;
/// Kinds of failures that are told apart; what comes after that is in the sums only.
pub(super) const KINDS_MAX: usize = 64;
/// Parts of the time of which a failure each may become an example.
const SLOTS: usize = 64;
/// Forms of requests that are told apart.
const FORMS_MAX: usize = 1_024;
/// The shortest word with a digit in it that is taken for an id, in characters.
const ID_CHARS_MIN: usize = 8;

/// Which rows are of the report.
#[derive(Debug, Clone)]
pub(super) struct Which {
    /// At this upstream alone.
    pub(super) upstream: Option<String>,
    /// Of this model alone; `-` is requests without one.
    pub(super) model: Option<String>,
    /// Begun at this moment or later, in microseconds since the Unix epoch.
    pub(super) since: i64,
    /// Begun before this moment.
    pub(super) until: i64,
    /// The first minute of the first stretch.
    pub(super) first_minute: i64,
    /// Minutes of a stretch.
    pub(super) width: i64,
    /// How many stretches there are.
    pub(super) stretches: usize,
}

/// What tells one kind of failure from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KindKey {
    /// The status; `None` where no reply came.
    pub(super) status: Option<u16>,
    /// What it means.
    pub(super) class: &'static str,
    /// What happened on the wire.
    pub(super) fault: Option<String>,
    /// `error.type`.
    pub(super) error_type: Option<String>,
    /// `error.code`.
    pub(super) error_code: Option<String>,
    /// `error.message`, without what looks like an id.
    pub(super) message: Option<String>,
}

/// How often a kind was seen, and the earliest row of it.
#[derive(Debug)]
pub(super) struct KindSeen {
    /// How often.
    pub(super) count: u64,
    /// When the last of them began, in microseconds since the Unix epoch.
    pub(super) last: i64,
    /// The earliest.
    pub(super) first: Rc<AttemptRow>,
}

/// What tells one form of request from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    /// The operation.
    pub(super) endpoint: String,
    /// The model asked for.
    pub(super) model: Option<String>,
    /// Whether a stream was asked for.
    pub(super) stream: bool,
    /// The number of tool definitions.
    pub(super) tools: u32,
    /// The limit on tokens.
    pub(super) max_tokens: Option<u64>,
    /// The power of two at or below the body's bytes.
    pub(super) size: u8,
}

/// Of one stretch of time.
#[derive(Debug, Default)]
pub(super) struct StretchSeen {
    /// How many failed.
    pub(super) failed: u64,
    /// The same by class.
    pub(super) classes: BTreeMap<&'static str, u64>,
    /// The earliest failure, rather one that the upstream gave an id.
    pub(super) first: Option<Rc<AttemptRow>>,
}

/// What the rows amount to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Rows looked at, those of the callers' own faults too.
    pub(super) read: u64,
    /// Whether there are older rows that were not.
    pub(super) is_cut: bool,
    /// When the oldest of them began.
    pub(super) oldest: Option<i64>,
    /// Failures: the provider's and the network's.
    pub(super) failed: u64,
    requests: HashSet<u64>,
    /// The earliest failure.
    pub(super) first: Option<Rc<AttemptRow>>,
    /// The latest failure.
    pub(super) last: Option<Rc<AttemptRow>>,
    /// By time.
    pub(super) stretches: Vec<StretchSeen>,
    /// The earliest failure of each of [`SLOTS`] equal parts of the time.
    pub(super) slots: Vec<Option<Rc<AttemptRow>>>,
    /// By kind, at most [`KINDS_MAX`].
    pub(super) kinds: BTreeMap<KindKey, KindSeen>,
    /// The earliest failure of each region.
    pub(super) regions: BTreeMap<String, Rc<AttemptRow>>,
    /// How many there are of each region.
    pub(super) region_names: Names,
    /// The same by class.
    pub(super) classes: BTreeMap<&'static str, u64>,
    /// What went wrong on the wire, of failures that no status came for.
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// Failures that a status came for.
    pub(super) answered: u64,
    /// Failures that ended by a limit of this side.
    pub(super) own_limits: BTreeMap<&'static str, u64>,
    /// Attempts that failed by their caller's own doing, by class.
    pub(super) callers: BTreeMap<&'static str, u64>,
    /// `openai-organization` of the replies.
    pub(super) organizations: Names,
    /// `openai-project` of the replies.
    pub(super) projects: Names,
    /// By endpoint.
    pub(super) endpoints: Names,
    /// By model.
    pub(super) models: Names,
    /// By SDK and version.
    pub(super) sdks: Names,
    /// That asked for a stream.
    pub(super) streamed: u64,
    /// That had tool definitions.
    pub(super) with_tools: u64,
    /// That were a caller's own retry.
    pub(super) caller_retries: u64,
    /// Forms, how often each was seen, and the bytes of all its bodies.
    pub(super) forms: BTreeMap<Form, (u64, u64)>,
    shapes: BTreeSet<u64>,
    /// Bytes of each body.
    pub(super) body_bytes: Vec<u64>,
    /// Milliseconds of each.
    pub(super) elapsed_ms: Vec<u64>,
    /// `openai-processing-ms` of each that has one.
    pub(super) processing_ms: Vec<u64>,
}

impl Tally {
    /// Of what is on record that `which` is about: the newest `rows_max` rows of it.
    pub(super) fn of(journals: &Journals, which: &Which, rows_max: usize) -> Result<Tally, ReadError> {
        let mut tally = Tally::default();
        tally.stretches.resize_with(which.stretches, StretchSeen::default);
        tally.slots.resize(SLOTS, None);
        let filter = Filter {
            since: Some(which.since),
            until: Some(which.until),
            upstream: which.upstream.clone(),
            // Requests without a model are told apart below: the filter has no word for them.
            model: which.model.clone().filter(|model| model != "-"),
            ..Filter::default()
        };
        let mut rows = journals.attempts(&filter);
        for row in rows.by_ref().take(rows_max) {
            let row = row?;
            if which.model.as_deref() == Some("-") && row.facts.model.is_some() {
                continue;
            }
            tally.note(Rc::new(row), which);
        }
        tally.is_cut = rows.next().transpose()?.is_some();
        Ok(tally)
    }

    /// Requests that failures belong to.
    pub(super) fn requests(&self) -> u64 {
        self.requests.len() as u64
    }

    /// Different forms among the failed requests; at most [`FORMS_MAX`].
    pub(super) fn shapes(&self) -> u64 {
        self.shapes.len() as u64
    }

    /// Counts a row; they come newest first.
    fn note(&mut self, row: Rc<AttemptRow>, which: &Which) {
        self.read += 1;
        self.oldest = Some(row.time);
        let Some(class) = Class::from_name(&row.class) else { return };
        match class {
            class if is_failure(class) || class == Class::StaleConnection => {}
            Class::RateLimited | Class::Quota | Class::Auth | Class::CallerFault => {
                *self.callers.entry(class.name()).or_default() += 1;
                return;
            }
            _ => return,
        }
        self.failed += 1;
        self.requests.insert(number(&row.request_id));
        *self.classes.entry(class.name()).or_default() += 1;
        let fault = row.fault.as_deref().and_then(Fault::from_name);
        match row.status {
            Some(_) => self.answered += 1,
            None => *self.faults.entry(fault.map_or("unknown", Fault::name)).or_default() += 1,
        }
        if let Some(fault @ (Fault::ConnectTimeout | Fault::FirstContentTimeout | Fault::Deadline | Fault::Stall)) =
            fault
        {
            *self.own_limits.entry(fault.name()).or_default() += 1;
        }
        self.note_request(&row);
        let place = (row.time.div_euclid(60_000_000) - which.first_minute) / which.width.max(1);
        if let Some(stretch) = usize::try_from(place).ok().and_then(|place| self.stretches.get_mut(place)) {
            stretch.failed += 1;
            *stretch.classes.entry(class.name()).or_default() += 1;
            keep(&mut stretch.first, &row);
        }
        let (at, since, until) = (i128::from(row.time), i128::from(which.since), i128::from(which.until));
        let slot = usize::try_from((at - since) * SLOTS as i128 / (until - since).max(1)).ok();
        if let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot)) {
            keep(slot, &row);
        }
        if let Some(region) = region(&row) {
            self.region_names.add(region, 1);
            if self.regions.len() < NAMES_MAX || self.regions.contains_key(region) {
                self.regions.insert(region.to_owned(), Rc::clone(&row));
            }
        }
        let key = KindKey {
            status: row.status,
            class: class.name(),
            fault: row.fault.as_deref().map(name),
            error_type: row.error_type.as_deref().map(name),
            error_code: row.error_code.as_deref().map(name),
            message: row.message.as_deref().map(template),
        };
        if self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&key) {
            let fresh = || KindSeen { count: 0, last: row.time, first: Rc::clone(&row) };
            let seen = self.kinds.entry(key).or_insert_with(fresh);
            seen.count += 1;
            seen.first = Rc::clone(&row);
        }
        self.last.get_or_insert_with(|| Rc::clone(&row));
        self.first = Some(row);
    }

    fn note_request(&mut self, row: &AttemptRow) {
        let facts = &row.facts;
        self.organizations.note(row.organization.as_deref());
        self.projects.note(row.project.as_deref());
        self.endpoints.add(&facts.endpoint, 1);
        self.models.add(facts.model.as_deref().unwrap_or("-"), 1);
        self.sdks.add(facts.sdk.as_deref().unwrap_or("(unnamed)"), 1);
        self.streamed += u64::from(facts.stream);
        self.with_tools += u64::from(facts.tools > 0);
        self.caller_retries += u64::from(facts.client_retries > 0);
        self.body_bytes.push(facts.body_bytes);
        self.elapsed_ms.push(millis(row.elapsed_ms));
        self.processing_ms.extend(row.processing_ms);
        if self.shapes.len() < FORMS_MAX {
            self.shapes.insert(number(&facts.shape));
        }
        let form = Form {
            endpoint: facts.endpoint.clone(),
            model: facts.model.clone(),
            stream: facts.stream,
            tools: facts.tools,
            max_tokens: facts.max_tokens,
            size: Shape::power_of(facts.body_bytes),
        };
        if self.forms.len() < FORMS_MAX || self.forms.contains_key(&form) {
            let (count, bytes) = self.forms.entry(form).or_default();
            *count += 1;
            *bytes = bytes.saturating_add(facts.body_bytes);
        }
    }
}

/// Keeps the earlier row, and rather one that the upstream gave an id.
fn keep(kept: &mut Option<Rc<AttemptRow>>, row: &Rc<AttemptRow>) {
    let is_known = |row: &AttemptRow| x_request_id(row).is_some();
    if kept.as_ref().is_none_or(|kept| is_known(row) || !is_known(kept)) {
        *kept = Some(Rc::clone(row));
    }
}

/// What stands for a text where only its sameness matters.
fn number(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The place of Cloudflare's that a reply came through: the end of its `cf-ray`.
pub(super) fn region(row: &AttemptRow) -> Option<&str> {
    let (_, place) = row.cf_ray.as_deref()?.rsplit_once('-')?;
    (place.len() == 3 && place.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(place)
}

/// Whole milliseconds, rounded.
pub(super) fn millis(ms: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest that there is"
    )]
    let whole = ms.round() as u64;
    whole
}

/// `text` with `…` for each word that looks like an id: long enough, and with a digit in it.
pub(super) fn template(text: &str) -> String {
    let text = message(text);
    let mut told = String::with_capacity(text.len());
    let mut word = String::new();
    let end = |word: &mut String, told: &mut String| {
        let is_id = word.chars().count() >= ID_CHARS_MIN && word.chars().any(|c| c.is_ascii_digit());
        told.push_str(if is_id { "…" } else { word.as_str() });
        word.clear();
    };
    for c in text.chars() {
        if c.is_alphanumeric() || c == '_' || c == '-' {
            word.push(c);
        } else {
            end(&mut word, &mut told);
            told.push(c);
        }
    }
    end(&mut word, &mut told);
    told
}

/// How `numbers` are spread; `None` of none.
pub(super) fn spread(numbers: &mut [u64]) -> Option<Spread> {
    numbers.sort_unstable();
    let at = |share: usize| numbers.get((numbers.len().saturating_sub(1)) * share / 100).copied();
    Some(Spread { min: at(0)?, median: at(50)?, p95: at(95)?, max: at(100)?, of: numbers.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_by_an_id_are_one_kind() {
        for (text, told) in [
            ("Please include the request ID req_0123abcd4567 in it.", "Please include the request ID … in it."),
            ("error code: 520", "error code: 520"),
            ("for gpt-4o in 41.724s", "for gpt-4o in 41.724s"),
            ("", ""),
        ] {
            assert_eq!(template(text), told);
        }
        let once = template(&format!("id {}", "1a".repeat(900)));
        assert_eq!(once, "id …");
    }

    #[test]
    fn a_spread_is_of_the_numbers_themselves() {
        assert_eq!(spread(&mut []), None);
        assert_eq!(spread(&mut [7]), Some(Spread { min: 7, median: 7, p95: 7, max: 7, of: 1 }));
        let mut numbers: Vec<u64> = (1..=101).rev().collect();
        assert_eq!(spread(&mut numbers), Some(Spread { min: 1, median: 51, p95: 96, max: 101, of: 101 }));
    }
}
