//! What chaos saw and did: the answer of `GET /chaos/stats`, and what tests assert on.
//!
//! Every count is exact. Lists keep the last so many, maps stop taking new keys at a bound (the
//! key `(others)` takes the rest). No prompt, reply or credential is kept: of a body its length
//! and hash, of `authorization` that it was there.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How many of the last requests are listed.
pub const REQUESTS_KEPT: usize = 256;
/// How many of the last cancellations are listed.
pub const CANCELS_KEPT: usize = 64;
/// How many models, paths and faults are counted apart.
pub const KEYS_MAX: usize = 1024;
/// Up to how many `x-client-request-id`s are told apart.
pub const CLIENT_IDS_MAX: usize = 65_536;
/// The longest header value, path or model kept, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;
/// The key that counts what came after [`KEYS_MAX`].
pub const OTHERS: &str = "(others)";

/// What chaos saw and did since its start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Milliseconds since the start of the server; the zero of every other time here.
    pub uptime_ms: u64,
    /// Requests that arrived whole, those under `/chaos` excepted.
    pub attempts: u64,
    /// Those that nothing was done to.
    pub ok: u64,
    /// The others by the spelling of the fault; `step` for scripts.
    pub by_fault: BTreeMap<String, u64>,
    /// By the model in the body, where there was one.
    pub by_model: BTreeMap<String, ModelStats>,
    /// By path, without its query.
    pub by_path: BTreeMap<String, u64>,
    /// Requests whose reply is under way.
    pub in_flight: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open.
    pub connections_open: u64,
    /// Connections reset as soon as they were accepted (fault `refused` with a share below 1).
    pub refused: u64,
    /// Requests reset unread on a connection that `stale` had doomed.
    pub unread: u64,
    /// Requests whose sender left before they were whole, or that were not HTTP.
    pub incomplete: u64,
    /// Replies that their caller did not wait for.
    pub cancelled: u64,
    /// When the last [`CANCELS_KEPT`] of them were noticed, in milliseconds.
    pub cancels_ms: Vec<u64>,
    /// How many different `x-client-request-id`s came, up to [`CLIENT_IDS_MAX`].
    pub client_request_ids: u64,
    /// The last [`REQUESTS_KEPT`] requests, oldest first; empty if `record` is off.
    pub requests: Vec<Seen>,
    /// Posted scripts, and how far they have come.
    pub scripts: Vec<ScriptStats>,
}

/// The counts of one model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelStats {
    /// Requests for it.
    pub attempts: u64,
    /// Those that nothing was done to.
    pub ok: u64,
    /// Replies that their caller did not wait for.
    pub cancelled: u64,
}

/// How far a script has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScriptStats {
    /// The model it is for; `None`: for every request without a script of its own.
    pub for_model: Option<String>,
    /// Its number of steps.
    pub steps: usize,
    /// Requests answered by it.
    pub used: u64,
}

/// One request, as it arrived.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its number, from 1.
    pub number: u64,
    /// When it was whole, in milliseconds.
    pub t_ms: u64,
    /// When its reply ended; 0 while it is under way.
    pub done_ms: u64,
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// What follows the `?`.
    pub query: Option<String>,
    /// The model in its body.
    pub model: Option<String>,
    /// Whether it asks for a stream.
    pub stream: bool,
    /// `x-client-request-id`.
    pub client_request_id: Option<String>,
    /// `x-stainless-retry-count`.
    pub retry_count: Option<String>,
    /// Whether there was an `authorization`.
    pub authorization: bool,
    /// `via`.
    pub via: Option<String>,
    /// `accept-encoding`.
    pub accept_encoding: Option<String>,
    /// `content-length`.
    pub content_length: Option<String>,
    /// The names of all headers, in their order.
    pub header_names: Vec<String>,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// FNV-1a of the body, 64 bits, as 16 hexadecimal digits.
    pub body_fnv: String,
    /// The `x-request-id` of the reply.
    pub request_id: String,
    /// What was done: `ok`, the spelling of the fault, `step` and its number from 1.
    pub reply: String,
    /// Whether its caller left before the reply was done.
    pub cancelled: bool,
}

/// The counts, as they are kept.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) attempts: u64,
    pub(crate) ok: u64,
    by_fault: HashMap<Arc<str>, u64>,
    by_model: HashMap<String, ModelStats>,
    by_path: HashMap<String, u64>,
    pub(crate) in_flight: u64,
    pub(crate) connections: u64,
    pub(crate) connections_open: u64,
    pub(crate) refused: u64,
    pub(crate) unread: u64,
    pub(crate) incomplete: u64,
    cancelled: u64,
    cancels_ms: VecDeque<u64>,
    client_ids: HashSet<u64>,
    /// With a ticket that no reset starts anew.
    requests: VecDeque<(u64, Seen)>,
}

impl Tally {
    /// Counts a request that arrived; `fault` is `None` when it gets a good answer.
    pub(crate) fn arrived(
        &mut self,
        path: &str,
        model: Option<&str>,
        fault: Option<&Arc<str>>,
        client_id: Option<u64>,
    ) {
        self.attempts += 1;
        self.in_flight += 1;
        match fault {
            None => self.ok += 1,
            Some(label) => match self.by_fault.get_mut(label) {
                Some(count) => *count += 1,
                None => *self.by_fault.entry(bounded(self.by_fault.len(), label).into()).or_default() += 1,
            },
        }
        if let Some(count) = self.by_path.get_mut(path) {
            *count += 1;
        } else {
            *self.by_path.entry(bounded(self.by_path.len(), path).to_owned()).or_default() += 1;
        }
        if let Some(model) = model {
            let entry = self.model(model);
            entry.attempts += 1;
            entry.ok += u64::from(fault.is_none());
        }
        if let Some(id) = client_id
            && self.client_ids.len() < CLIENT_IDS_MAX
        {
            self.client_ids.insert(id);
        }
    }

    fn model(&mut self, model: &str) -> &mut ModelStats {
        // Looked up twice on purpose: the common case must not copy the name.
        if !self.by_model.contains_key(model) {
            let key = bounded(self.by_model.len(), model).to_owned();
            return self.by_model.entry(key).or_default();
        }
        self.by_model.get_mut(model).expect("looked up on the line before")
    }

    pub(crate) fn record(&mut self, ticket: u64, seen: Seen) {
        if self.requests.len() == REQUESTS_KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back((ticket, seen));
    }

    /// Counts the end of the reply to the request with this ticket.
    pub(crate) fn ended(&mut self, ticket: u64, now_ms: u64, model: Option<&str>, cancelled: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some((_, seen)) = self.requests.iter_mut().rev().find(|(theirs, _)| *theirs == ticket) {
            seen.done_ms = now_ms;
            seen.cancelled = cancelled;
        }
        if !cancelled {
            return;
        }
        self.cancelled += 1;
        if self.cancels_ms.len() == CANCELS_KEPT {
            self.cancels_ms.pop_front();
        }
        self.cancels_ms.push_back(now_ms);
        if let Some(model) = model {
            self.model(model).cancelled += 1;
        }
    }

    pub(crate) fn forget_model(&mut self, model: &str) {
        self.by_model.remove(model);
    }

    /// Zero, except for what is open at the moment.
    pub(crate) fn reset(&mut self) {
        *self = Tally { in_flight: self.in_flight, connections_open: self.connections_open, ..Tally::default() };
    }

    pub(crate) fn stats(&self, uptime_ms: u64, scripts: Vec<ScriptStats>) -> Stats {
        Stats {
            uptime_ms,
            attempts: self.attempts,
            ok: self.ok,
            by_fault: self.by_fault.iter().map(|(label, count)| (label.to_string(), *count)).collect(),
            by_model: self.by_model.iter().map(|(model, stats)| (model.clone(), stats.clone())).collect(),
            by_path: self.by_path.iter().map(|(path, count)| (path.clone(), *count)).collect(),
            in_flight: self.in_flight,
            connections: self.connections,
            connections_open: self.connections_open,
            refused: self.refused,
            unread: self.unread,
            incomplete: self.incomplete,
            cancelled: self.cancelled,
            cancels_ms: self.cancels_ms.iter().copied().collect(),
            client_request_ids: u64::try_from(self.client_ids.len()).unwrap_or(u64::MAX),
            requests: self.requests.iter().map(|(_, seen)| seen.clone()).collect(),
            scripts,
        }
    }
}

fn bounded(entries: usize, key: &str) -> &str {
    if entries >= KEYS_MAX { OTHERS } else { key }
}

/// `text`, cut to [`TEXT_BYTES_MAX`].
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo): quick and good enough to tell bodies apart.
#[derive(Debug, Clone, Copy)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u64 {
        let mut fnv = Fnv::default();
        fnv.add(bytes);
        fnv.value()
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_the_last_and_maps_stop_growing() {
        let mut tally = Tally::default();
        for number in 1..=1_100_u64 {
            tally.arrived(&format!("/{number}"), Some(&format!("m{number}")), None, Some(number));
            tally.record(number, Seen { number, ..Seen::default() });
            tally.ended(number, number, None, true);
        }
        let stats = tally.stats(5, Vec::new());
        assert_eq!((stats.attempts, stats.ok, stats.in_flight), (1_100, 1_100, 0));
        assert_eq!(stats.by_path.len(), KEYS_MAX + 1);
        assert_eq!(stats.by_path[OTHERS], 1_100 - 1_024);
        assert_eq!(stats.by_model[OTHERS].attempts, 1_100 - 1_024);
        assert_eq!(stats.requests.len(), REQUESTS_KEPT);
        assert_eq!(stats.requests[0].number, 1_100 - 255);
        assert_eq!(stats.cancels_ms.len(), CANCELS_KEPT);
        assert_eq!(stats.client_request_ids, 1_100);
    }

    #[test]
    fn a_reset_forgets_all_but_what_is_open() {
        let mut tally = Tally { connections_open: 3, ..Tally::default() };
        tally.arrived("/", None, Some(&"500".into()), None);
        tally.reset();
        let stats = tally.stats(0, Vec::new());
        assert_eq!((stats.attempts, stats.in_flight, stats.connections_open), (0, 1, 3));
        assert!(stats.by_fault.is_empty());
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // Reference values of FNV-1a, 64 bits.
        assert_eq!(Fnv::of(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fnv::of(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
